//! The programs that can use Aura's tools: where each keeps its list of servers, and how an entry of it looks. Every place
//! and form here was read in the program's own documentation; those of the three command lines are also tried with the
//! programs themselves (`tests/mcp_install_hosts.rs`).

use super::text::Syntax;
use crate::config::Folders;
use serde_json::{Value, json};
use std::path::PathBuf;

/// Longest call, in seconds, where a host lets a server say so: far more than any answer takes, but not for ever.
const CALL_SECONDS_MAX: u32 = 60 * 60;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Host {
    Copilot,
    ClaudeCode,
    Codex,
    VsCode,
    Cursor,
    ClaudeDesktop,
}

/// For whom a server is announced.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Scope {
    /// For a person, in all their folders.
    User,
    /// For everybody who works in one folder.
    Project,
}

/// What is written into an entry.
pub(super) struct Server {
    pub command: String,
    /// Where Aura keeps its data, if that was set: hosts hand on few variables.
    pub home: Option<String>,
}

pub(super) struct Row {
    pub name: &'static str,
    pub aliases: &'static [&'static str],
    pub title: &'static str,
    pub syntax: Syntax,
    /// Key of the named servers.
    pub section: &'static str,
    /// In a project's folder; none where the host knows no such thing.
    pub project: Option<&'static str>,
    /// What to do so that the host sees a change.
    pub next: &'static str,
}

impl Host {
    pub(super) const ALL: [Host; 6] = [Host::Copilot, Host::ClaudeCode, Host::Codex, Host::VsCode, Host::Cursor, Host::ClaudeDesktop];

    pub(super) fn named(name: &str) -> Option<Host> {
        Host::ALL.into_iter().find(|host| host.row().name == name || host.row().aliases.contains(&name))
    }

    // tidy: flat match
    pub(super) const fn row(self) -> Row {
        match self {
            Host::Copilot => Row {
                name: "copilot",
                aliases: &["copilot-cli"],
                title: "Copilot CLI",
                syntax: Syntax::Jsonc,
                section: "mcpServers",
                // It reads `.github/mcp.json` too, but only where there is no `.mcp.json`.
                project: Some(".mcp.json"),
                next: "start `copilot` anew; `copilot mcp list` shows it",
            },
            Host::ClaudeCode => Row {
                name: "claude-code",
                aliases: &["claude"],
                title: "Claude Code",
                // It refuses comments, and then moves the file aside.
                syntax: Syntax::Json,
                section: "mcpServers",
                project: Some(".mcp.json"),
                next: "start `claude` anew; `claude mcp list` shows it",
            },
            Host::Codex => Row {
                name: "codex",
                aliases: &[],
                title: "Codex",
                syntax: Syntax::Toml,
                section: "mcp_servers",
                project: Some(".codex/config.toml"),
                next: "start `codex` anew; `codex mcp list` shows it",
            },
            Host::VsCode => Row {
                name: "vscode",
                aliases: &["code"],
                title: "VS Code",
                syntax: Syntax::Jsonc,
                section: "servers",
                project: Some(".vscode/mcp.json"),
                next: "start it in VS Code: the command `MCP: List Servers`",
            },
            Host::Cursor => Row {
                name: "cursor",
                aliases: &[],
                title: "Cursor",
                syntax: Syntax::Jsonc,
                section: "mcpServers",
                project: Some(".cursor/mcp.json"),
                next: "switch it on in Cursor's settings, under MCP",
            },
            Host::ClaudeDesktop => Row {
                name: "claude-desktop",
                aliases: &[],
                title: "Claude Desktop",
                syntax: Syntax::Json,
                section: "mcpServers",
                project: None,
                next: "quit Claude Desktop and start it again",
            },
        }
    }

    /// The file of a person.
    pub(super) fn user_file(self, at: &Folders) -> PathBuf {
        match self {
            Host::Copilot => at.copilot.join("mcp-config.json"),
            Host::ClaudeCode => at.claude_code.join(".claude.json"),
            Host::Codex => at.codex.join("config.toml"),
            Host::VsCode => at.settings.join("Code").join("User").join("mcp.json"),
            Host::Cursor => at.home.join(".cursor").join("mcp.json"),
            Host::ClaudeDesktop => at.claude_desktop.join("claude_desktop_config.json"),
        }
    }

    /// The entry, in the order in which it is written.
    pub(super) fn entry(self, scope: Scope, server: &Server) -> Value {
        let mut entry = json!({ "command": server.command, "args": ["mcp"] });
        if let Some(home) = &server.home {
            entry["env"] = json!({ "AURA_HOME": home });
        }
        let own = match (self, scope) {
            // A `.mcp.json` is read by Claude Code too, which does not know `local`.
            (Host::Copilot, Scope::Project) => json!({ "type": "stdio", "tools": ["*"], "timeout": CALL_SECONDS_MAX * 1000 }),
            (Host::Copilot, Scope::User) => json!({ "type": "local", "tools": ["*"], "timeout": CALL_SECONDS_MAX * 1000 }),
            (Host::Codex, Scope::User | Scope::Project) => json!({ "tool_timeout_sec": CALL_SECONDS_MAX }),
            (Host::ClaudeCode | Host::VsCode | Host::Cursor, Scope::User | Scope::Project) => json!({ "type": "stdio" }),
            (Host::ClaudeDesktop, Scope::User | Scope::Project) => json!({}),
        };
        let (mut whole, rest) = (serde_json::Map::new(), own.as_object().cloned().unwrap_or_default());
        whole.extend(rest.get("type").map(|kind| ("type".to_owned(), kind.clone())));
        whole.extend(entry.as_object().cloned().unwrap_or_default());
        whole.extend(rest);
        whole.into()
    }
}

/// Whether an entry starts Aura's server, whatever else it says.
pub(super) fn is_ours(entry: &Value) -> bool {
    entry["command"].as_str().is_some_and(is_aura) && entry["args"].get(0).is_some_and(|first| first == "mcp")
}

/// Whether a program is called so that an entry with it is known again.
pub(super) fn is_aura(program: &str) -> bool {
    program.rsplit(['/', '\\']).next().is_some_and(|name| name.to_ascii_lowercase().contains("aura"))
}

/// Whether an entry already starts the server that is wanted. What a person set in it (other options, a time-out) is theirs.
pub(super) fn is_same(found: &Value, wanted: &Value) -> bool {
    is_ours(found)
        && found["command"] == wanted["command"]
        && wanted.get("env").is_none_or(|env| found["env"]["AURA_HOME"] == env["AURA_HOME"])
}

/// An entry of ours with the program that is wanted now, and all else as it was.
pub(super) fn renewed(found: &Value, wanted: &Value) -> Value {
    let mut entry = found.clone();
    entry["command"] = wanted["command"].clone();
    if let Some(env) = wanted.get("env") {
        if !entry["env"].is_object() {
            entry["env"] = json!({});
        }
        entry["env"]["AURA_HOME"] = env["AURA_HOME"].clone();
    }
    entry
}

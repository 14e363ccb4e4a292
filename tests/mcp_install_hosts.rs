//! The programs themselves read what `aura mcp install` wrote: the real Copilot CLI, Claude Code and Codex, offline.
#![allow(clippy::unwrap_used, dead_code)] // A test may fail loudly; the helpers serve other tests too.

#[path = "support/copilot.rs"]
mod copilot;
#[path = "support/packages.rs"]
mod packages;

use serde_json::Value;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

const AURA: &str = env!("CARGO_BIN_EXE_aura");

/// A home and a project in it.
struct Home {
    dir: tempfile::TempDir,
}

impl Home {
    fn new() -> Home {
        let home = Home { dir: tempfile::Builder::new().prefix("aura-hosts-").tempdir().unwrap() };
        fs::create_dir(home.path("project")).unwrap();
        let git = Command::new("git").args(["init", "-q"]).current_dir(home.path("project")).status().unwrap();
        assert!(git.success());
        home
    }
    fn path(&self, name: &str) -> PathBuf {
        dunce::canonicalize(self.dir.path()).unwrap().join(name)
    }
    /// Knows nothing of whoever runs the tests; `aura` is on its path.
    fn command(&self, program: &Path) -> Command {
        let mut command = Command::new(program);
        command.env_clear().current_dir(self.path("project"));
        for name in ["SYSTEMROOT", "TEMP", "TMP", "TMPDIR"] {
            if let Some(value) = std::env::var_os(name) {
                command.env(name, value);
            }
        }
        let folders = std::env::split_paths(&std::env::var_os("PATH").unwrap()).collect::<Vec<_>>();
        let here = Path::new(AURA).parent().unwrap().to_owned();
        command.env("PATH", std::env::join_paths([here].into_iter().chain(folders)).unwrap());
        command.env("HOME", self.path("")).env("USERPROFILE", self.path(""));
        for name in ["COPILOT_AUTO_UPDATE", "COPILOT_OFFLINE", "DISABLE_AUTOUPDATER", "CLAUDE_CODE_DISABLE_NONESSENTIAL_TRAFFIC"] {
            command.env(name, if name == "COPILOT_AUTO_UPDATE" { "false" } else { "true" });
        }
        command
    }
    fn node(&self, script: &Path) -> Command {
        let mut command = self.command(Path::new("node"));
        command.arg(script);
        command
    }
    #[track_caller]
    fn aura(&self, args: &[&str]) {
        let output = self.command(Path::new(AURA)).args(["mcp"]).args(args).arg("--yes").output().unwrap();
        assert!(output.status.success(), "{}", text(&output));
    }
    #[track_caller]
    fn said(&self, command: &mut Command) -> String {
        let output = command.output().unwrap();
        assert!(output.status.success(), "{}", text(&output));
        String::from_utf8(output.stdout).unwrap()
    }
}

fn text(output: &Output) -> String {
    format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr))
}

#[test]
fn copilot_reads_its_entry() {
    let Some(copilot) = copilot::Copilot::find() else { return };
    let home = Home::new();
    let ask = |args: &[&str]| {
        let config = copilot.config(&home.path(".copilot"), "http://127.0.0.1:9");
        let mut command = home.command(&copilot.program);
        command.arg("mcp").args(args).env("COPILOT_CACHE_HOME", &config.env["COPILOT_CACHE_HOME"]);
        home.said(&mut command)
    };
    // Written by the program itself, and kept.
    ask(&["add", "theirs", "--", "other", "serve"]);
    let before = fs::read_to_string(home.path(".copilot/mcp-config.json")).unwrap();
    home.aura(&["install", "copilot"]);
    let found: Value = serde_json::from_str(&ask(&["get", "aura", "--json"])).unwrap();
    let entry = found.get("aura").unwrap_or(&found);
    assert_eq!((&entry["command"], &entry["args"][0]), (&AURA.into(), &"mcp".into()), "{found}");
    assert_eq!((&entry["tools"][0], &entry["timeout"]), (&"*".into(), &3_600_000.into()), "{found}");
    assert!(ask(&["list"]).contains("theirs"));
    home.aura(&["uninstall", "copilot"]);
    assert!(!ask(&["list"]).contains("aura"));
    assert_eq!(fs::read_to_string(home.path(".copilot/mcp-config.json")).unwrap(), before);
    // A project's file is read in a folder that is trusted.
    let trusted = serde_json::json!({ "trustedFolders": [home.path("project")] });
    fs::write(home.path(".copilot/config.json"), trusted.to_string()).unwrap();
    home.aura(&["install", "copilot", "--project"]);
    assert!(ask(&["get", "aura"]).contains("aura mcp"), "{}", ask(&["list"]));
}

#[test]
fn claude_code_connects_to_the_server() {
    let Some(claude) = packages::slow_ones().then(packages::agents).flatten() else { return };
    let claude = claude.join("node_modules/@anthropic-ai/claude-code/cli-wrapper.cjs");
    let home = Home::new();
    let list = || home.said(home.node(&claude).args(["mcp", "list"]));
    home.said(home.node(&claude).args(["mcp", "add", "-s", "user", "theirs", "--", "no-such-program"]));
    let before = fs::read_to_string(home.path(".claude.json")).unwrap();
    home.aura(&["install", "claude-code"]);
    let listed = list();
    // It starts the server and shakes hands with it.
    assert!(listed.contains(&format!("aura: {AURA} mcp - ✔ Connected")) && listed.contains("theirs:"), "{listed}");
    home.aura(&["uninstall", "claude-code"]);
    assert!(!list().contains("aura:"));
    let without = |text: &str| -> Value { serde_json::from_str::<Value>(text).unwrap()["mcpServers"].clone() };
    assert_eq!(without(&fs::read_to_string(home.path(".claude.json")).unwrap()), without(&before));
    home.aura(&["install", "claude-code", "--project"]);
    assert!(list().contains("aura: aura mcp - ⏸ Pending approval"), "{}", list());
}

#[test]
fn codex_reads_its_entry() {
    let Some(codex) = packages::slow_ones().then(packages::agents).flatten() else { return };
    let codex = codex.join("node_modules/@openai/codex/bin/codex.js");
    let home = Home::new();
    let list = || -> Vec<Value> { serde_json::from_str(&home.said(home.node(&codex).args(["mcp", "list", "--json"]))).unwrap() };
    fs::create_dir(home.path(".codex")).unwrap();
    let project = toml::Value::from(home.path("project").to_str().unwrap());
    let before = format!("# mine\n[mcp_servers.theirs]\ncommand = 'other'\n\n[projects.{project}]\ntrust_level = 'trusted'\n");
    fs::write(home.path(".codex/config.toml"), &before).unwrap();
    home.aura(&["install", "codex"]);
    let listed = list();
    let entry = listed.iter().find(|server| server["name"] == "aura").unwrap();
    assert_eq!((&entry["transport"]["command"], &entry["transport"]["args"][0]), (&AURA.into(), &"mcp".into()));
    assert_eq!((entry["tool_timeout_sec"].as_f64(), listed.len()), (Some(3600.0), 2), "{listed:?}");
    home.aura(&["uninstall", "codex"]);
    assert_eq!((list().len(), fs::read_to_string(home.path(".codex/config.toml")).unwrap()), (1, before));
    home.aura(&["install", "codex", "--project"]);
    assert!(list().iter().any(|server| server["name"] == "aura" && server["transport"]["command"] == "aura"));
}

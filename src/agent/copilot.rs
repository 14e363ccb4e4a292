//! GitHub Copilot CLI. The flags are those of `copilot --help` of version 1.0.102; what they do was measured on the real
//! program (`tests/copilot.rs` keeps measuring).
//!
//! The prompt goes to stdin: a prompt after `-p` that starts with `-` is refused, and arguments are bounded. The session
//! id is ours, and `--session-id` with `-C` resumes in this folder, where `--resume` would go back to an old one.
//! `--yolo` is the flag, never the variable `COPILOT_ALLOW_ALL`: that one also runs the repository's hooks.

use super::copilot_events::Events;
use super::{Agent, AgentConfig, Brief, Launch, Reader};
use std::path::PathBuf;

/// How often it is pushed on when it stops without saying that it is done.
const CONTINUES_DEFAULT: u32 = 5;
/// How long the CLI waits for background commands of its own after it is done; its default is ten minutes.
const BACKGROUND_WAIT_S: &str = "120";
/// Event kinds that are noise: they would fill the log and say nothing about the end.
const NOISE: [&str; 7] = [
    "\"type\":\"session.background_tasks_changed\"",
    "\"type\":\"tool.shell_output\"",
    "\"type\":\"tool.execution_partial_result\"",
    "\"type\":\"assistant.message_delta\"",
    "\"type\":\"assistant.reasoning_delta\"",
    "\"type\":\"assistant.tool_call_delta\"",
    "\"type\":\"assistant.message_start\"",
];
/// Tokens that the CLI itself needs and its tools must not see. Version 1.0.102 leaves `GITHUB_TOKEN` in all the same: who
/// logs in by another one says so with `env_remove = ["GITHUB_TOKEN"]`.
const SECRETS: &str = "COPILOT_GITHUB_TOKEN,GH_TOKEN,GITHUB_TOKEN";

/// Tokens by which its tools could push, and which it has no use for.
const PUSH_TOKENS: [&str; 2] = ["GH_ENTERPRISE_TOKEN", "GITHUB_ENTERPRISE_TOKEN"];

pub(super) struct Copilot {
    name: String,
    program: PathBuf,
    config: AgentConfig,
}

impl Copilot {
    pub(super) fn new(name: &str, config: &AgentConfig, program: PathBuf) -> Copilot {
        Copilot { name: name.to_owned(), program, config: config.clone() }
    }
}

impl Agent for Copilot {
    fn name(&self) -> &str {
        &self.name
    }
    fn resumes(&self) -> bool {
        true
    }
    fn program(&self) -> Option<PathBuf> {
        Some(self.program.clone())
    }

    fn launch(&self, brief: &Brief<'_>) -> Launch {
        let continues = self.config.max_continues.unwrap_or(CONTINUES_DEFAULT).to_string();
        let path = |path: PathBuf| path.to_string_lossy().into_owned();
        let mut args: Vec<String> = vec!["-C".into(), path(brief.worktree.to_owned()), "--session-id".into(), brief.session.to_string()];
        args.extend(["--yolo", "--no-ask-user", "--autopilot", "--max-autopilot-continues"].map(String::from));
        args.push(continues);
        args.extend(["--output-format", "json", "--stream", "on", "--no-color", "--no-auto-update", "--no-remote"].map(String::from));
        args.extend(["--usage-output-file".into(), path(brief.files.join("usage.json"))]);
        args.extend(["--log-dir".into(), path(brief.files.join("copilot-logs"))]);
        args.push(format!("--secret-env-vars={SECRETS}"));
        for (flag, value) in [("--model", &self.config.model), ("--reasoning-effort", &self.config.reasoning_effort)] {
            if let Some(value) = value {
                args.extend([flag.to_owned(), value.clone()]);
            }
        }
        for tool in std::iter::once("shell(git push)").chain(self.config.deny_tools.iter().map(String::as_str)) {
            args.extend(["--deny-tool".to_owned(), tool.to_owned()]);
        }
        args.extend(self.config.extra_args.iter().cloned());
        let mut env: Vec<(String, String)> = vec![
            ("COPILOT_TASK_WAIT_TIMEOUT_SECONDS".into(), BACKGROUND_WAIT_S.into()),
            ("COPILOT_AUTO_UPDATE".into(), "false".into()),
            ("GIT_PAGER".into(), "cat".into()),
        ];
        env.extend(self.config.env.clone());
        let mut env_remove = vec!["COPILOT_ALLOW_ALL".to_owned()];
        env_remove.extend(PUSH_TOKENS.map(String::from));
        env_remove.extend(self.config.env_remove.iter().cloned());
        Launch {
            program: self.program.clone(),
            args,
            env,
            env_remove,
            drop_lines: NOISE.map(String::from).to_vec(),
            stdin: brief.prompt.to_owned(),
        }
    }

    fn reader(&self) -> Box<dyn Reader> {
        Box::new(Events::default())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::SessionId;
    use std::path::Path;

    #[test]
    fn the_prompt_never_reaches_the_command_line() {
        let config = AgentConfig { model: Some("gpt-5".into()), deny_tools: vec!["shell(rm)".into()], ..AgentConfig::default() };
        let agent = Copilot::new("copilot", &config, "/bin/copilot".into());
        let session = SessionId(uuid::Uuid::nil());
        let brief = Brief {
            worktree: Path::new("/w t"),
            prompt: "--yolo; $(rm -rf /)",
            prompt_file: Path::new("/p"),
            session,
            resume: true,
            task: "task-1",
            files: Path::new("/f"),
        };
        let launch = agent.launch(&brief);
        let line = launch.args.join(" ");
        assert!(!line.contains("rm -rf") && launch.stdin == brief.prompt);
        assert!(line.starts_with(&format!("-C /w t --session-id {session} --yolo --no-ask-user --autopilot")), "{line}");
        for wanted in ["--model gpt-5", "--deny-tool shell(git push)", "--deny-tool shell(rm)", "--output-format json"] {
            assert!(line.contains(wanted), "{wanted} in {line}");
        }
        for gone in ["COPILOT_ALLOW_ALL", "GH_ENTERPRISE_TOKEN", "GITHUB_ENTERPRISE_TOKEN"] {
            assert!(launch.env_remove.iter().any(|name| name == gone), "{gone}");
        }
    }
}

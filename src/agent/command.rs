//! Any program as an agent: it reads the prompt on stdin, works in the current folder, and says what it did on stdout.
//!
//! Exit code 0 is done, 75 (try again later) a rate limit, 77 (no permission) a missing login, by `sysexits.h`; anything
//! else is a failure. Its last words are its summary, or those of a last line `{"summary": "…"}`.

use super::limit::retry_after_s;
use super::{Agent, AgentConfig, AgentVerdict, Brief, Ending, Launch, Reader, SIGNAL_CHARS_MAX, Signal, by_exit, one_line, plain, tail};
use crate::domain::{Outcome, Usage};
use crate::proc::JobExit;
use std::collections::VecDeque;
use std::path::PathBuf;

const RATE_LIMITED: i32 = 75;
const NEEDS_LOGIN: i32 = 77;
/// Lines and bytes of the end of the output that make the summary.
const SUMMARY_LINES: usize = 40;
const SUMMARY_BYTES: usize = 4 * 1024;
/// Most bytes of a line that are kept: a declared summary is cut only after it has been read.
const LINE_BYTES_MAX: usize = 64 * 1024;

pub(super) struct Command {
    name: String,
    program: PathBuf,
    config: AgentConfig,
}

impl Command {
    pub(super) fn new(name: &str, config: &AgentConfig, program: PathBuf) -> Command {
        Command { name: name.to_owned(), program, config: config.clone() }
    }
}

impl Agent for Command {
    fn name(&self) -> &str {
        &self.name
    }
    fn resumes(&self) -> bool {
        self.config.resume_args.is_some()
    }
    fn program(&self) -> Option<PathBuf> {
        Some(self.program.clone())
    }
    fn launch(&self, brief: &Brief<'_>) -> Launch {
        let args = match &self.config.resume_args {
            Some(resume) if brief.resume => resume,
            Some(_) | None => &self.config.args,
        };
        let fill = |arg: &String| {
            arg.replace("{session}", &brief.session.to_string())
                .replace("{worktree}", &brief.worktree.to_string_lossy())
                .replace("{task}", brief.task)
                .replace("{prompt_file}", &brief.prompt_file.to_string_lossy())
        };
        Launch {
            program: self.program.clone(),
            args: args.iter().chain(&self.config.extra_args).map(fill).collect(),
            env: self.config.env.clone().into_iter().collect(),
            env_remove: self.config.env_remove.clone(),
            drop_lines: vec![],
            stdin: brief.prompt.to_owned(),
        }
    }
    fn reader(&self) -> Box<dyn Reader> {
        Box::new(Lines::default())
    }
}

/// The end of what it printed.
#[derive(Default)]
struct Lines {
    last: VecDeque<String>,
}

impl Reader for Lines {
    fn read(&mut self, line: &str) -> Vec<Signal> {
        if line.trim().is_empty() {
            return vec![];
        }
        if self.last.len() == SUMMARY_LINES {
            self.last.pop_front();
        }
        self.last.push_back(plain(tail(line, LINE_BYTES_MAX)));
        vec![Signal::Activity(one_line(line))]
    }

    fn verdict(&mut self, ending: &Ending<'_>) -> AgentVerdict {
        let summary = self.summary();
        // The end of what it says about its failure; programs say the reason last.
        let said = |stderr: &str| {
            let words = if stderr.trim().is_empty() { summary.clone() } else { plain(stderr) };
            one_line(tail(words.trim(), SIGNAL_CHARS_MAX))
        };
        let outcome = by_exit(ending.exit).unwrap_or_else(|| match ending.exit {
            Some(JobExit::Code(0)) => Outcome::Done,
            Some(JobExit::Code(RATE_LIMITED)) => {
                let all = format!("{}\n{summary}", ending.stderr);
                Outcome::RateLimited { retry_after_s: retry_after_s(tail(&all, SUMMARY_BYTES), &ending.at), detail: said(ending.stderr) }
            }
            Some(JobExit::Code(NEEDS_LOGIN)) => Outcome::NeedsLogin { detail: said(ending.stderr) },
            Some(JobExit::Code(code)) => Outcome::Failed { detail: format!("exit code {code}: {}", said(ending.stderr)) },
            _ => Outcome::Interrupted,
        });
        AgentVerdict { outcome, summary, usage: Usage::default() }
    }
}

impl Lines {
    fn summary(&self) -> String {
        let json = self.last.back().and_then(|line| serde_json::from_str::<serde_json::Value>(line).ok());
        if let Some(summary) = json.as_ref().and_then(|value| value.get("summary")).and_then(|value| value.as_str()) {
            return tail(&plain(summary), SUMMARY_BYTES).to_owned();
        }
        let lines: Vec<&str> = self.last.iter().map(String::as_str).collect();
        tail(&lines.join("\n"), SUMMARY_BYTES).to_owned()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::agent::{AgentEnv, Kind, build};
    use crate::domain::SessionId;
    use jiff::Zoned;
    use std::path::Path;

    fn verdict(lines: &[&str], exit: Option<JobExit>, stderr: &str) -> AgentVerdict {
        let mut reader = Lines::default();
        for line in lines {
            reader.read(line);
        }
        reader.verdict(&Ending { exit: exit.as_ref(), stderr, usage_file: None, before: vec![], at: Zoned::default() })
    }

    #[test]
    fn exit_codes_are_told_apart() {
        assert_eq!(verdict(&["done"], Some(JobExit::Code(0)), "").outcome, Outcome::Done);
        assert!(matches!(verdict(&[], Some(JobExit::Code(75)), "slow down").outcome, Outcome::RateLimited { .. }));
        assert_eq!(verdict(&[], Some(JobExit::Code(77)), "log in").outcome, Outcome::NeedsLogin { detail: "log in".into() });
        assert_eq!(verdict(&["oops"], Some(JobExit::Code(3)), "").outcome, Outcome::Failed { detail: "exit code 3: oops".into() });
        assert_eq!(verdict(&["done"], None, "").outcome, Outcome::Interrupted);
        assert_eq!(verdict(&["done"], Some(JobExit::Stalled), "").outcome, Outcome::Stalled);
        assert_eq!(verdict(&["done"], Some(JobExit::DeadlinePassed), "").outcome, Outcome::TimedOut);
        assert!(matches!(verdict(&[], Some(JobExit::Signal(9)), "").outcome, Outcome::Crashed { .. }));
        assert!(matches!(verdict(&[], Some(JobExit::NotStarted { detail: "x".into() }), "").outcome, Outcome::Unavailable { .. }));
    }

    #[test]
    fn the_summary_is_the_end_of_what_it_says_or_what_it_declares() {
        assert_eq!(verdict(&["one", "", "two\u{1b}[31m"], Some(JobExit::Code(0)), "").summary, "one\ntwo");
        assert_eq!(verdict(&["noise", "{\"summary\": \"added x\"}"], Some(JobExit::Code(0)), "").summary, "added x");
        let long: Vec<String> = (0..500).map(|n| format!("line {n} {}", "x".repeat(100))).collect();
        let long: Vec<&str> = long.iter().map(String::as_str).collect();
        let summary = verdict(&long, Some(JobExit::Code(0)), "").summary;
        assert!(summary.len() <= SUMMARY_BYTES && summary.contains("line 499"), "{summary}");
        let long = format!("{} the end", "ä".repeat(SUMMARY_BYTES));
        let declared = serde_json::json!({ "summary": long }).to_string();
        for line in [&long, &declared] {
            let summary = verdict(&[line], Some(JobExit::Code(0)), "").summary;
            assert!(summary.len() <= SUMMARY_BYTES && summary.starts_with('ä') && summary.ends_with(" the end"), "{summary}");
        }
    }

    #[test]
    fn a_failure_is_told_by_the_end_of_stderr() {
        let stderr = format!("{}\u{1b}[1merror\u{1b}[0m: no such file\n", "a long story\n".repeat(100));
        let Outcome::Failed { detail } = verdict(&["working"], Some(JobExit::Code(1)), &stderr).outcome else { panic!() };
        assert!(detail.starts_with("exit code 1: ") && detail.ends_with("error: no such file") && detail.len() < 230, "{detail}");
    }

    #[test]
    fn placeholders_are_filled_and_nothing_else_is_interpreted() {
        let config = AgentConfig {
            kind: Kind::Command,
            program: Some("aura".into()),
            args: vec!["--id={session}".into(), "{task}".into(), "$(rm)".into()],
            ..AgentConfig::default()
        };
        let env = AgentEnv { aura: "/bin/aura".into(), ..AgentEnv::default() };
        let agent = build("mine", &config, &env).unwrap();
        let session = SessionId(uuid::Uuid::nil());
        let brief = Brief {
            worktree: Path::new("/w"),
            prompt: "do it",
            prompt_file: Path::new("/p"),
            session,
            resume: false,
            task: "task-1",
            files: Path::new("/f"),
        };
        let launch = agent.launch(&brief);
        assert_eq!(launch.program, Path::new("/bin/aura"));
        assert_eq!(launch.args, [format!("--id={session}"), "task-1".into(), "$(rm)".into()]);
        assert_eq!(launch.stdin, "do it");
        assert!(!agent.resumes());
    }
}

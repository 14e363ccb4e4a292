//! Agents: what turns a task into changed files. An adapter is a translation, not an actor: a brief becomes a command
//! line, output lines become signals, and everything together becomes a verdict. No I/O here, so it is tested on
//! transcripts.

mod command;
mod copilot;
mod copilot_events;
mod locate;
mod transcript;

pub use transcript::render_transcript;

use crate::domain::{Outcome, SessionId, Usage};
use crate::proc::JobExit;
use serde::Deserialize;
use std::collections::BTreeMap;
use std::ffi::OsString;
use std::path::{Path, PathBuf};

/// Most characters of a signal.
const SIGNAL_CHARS_MAX: usize = 200;

/// One kind of agent.
pub trait Agent: Send + Sync {
    /// Its name in the configuration.
    fn name(&self) -> &str;
    /// Whether it can go on in a session that it has begun.
    fn resumes(&self) -> bool;
    /// The program that it runs, to ask for its version.
    fn program(&self) -> Option<PathBuf>;
    fn launch(&self, brief: &Brief<'_>) -> Launch;
    /// A reader for the output of one attempt.
    fn reader(&self) -> Box<dyn Reader>;
}

/// What an agent is started with.
#[derive(Clone, Copy, Debug)]
pub struct Brief<'a> {
    pub worktree: &'a Path,
    pub prompt: &'a str,
    /// Where the prompt will stand as a file; it is the agent's stdin in any case.
    pub prompt_file: &'a Path,
    pub session: SessionId,
    /// The session exists already.
    pub resume: bool,
    /// Id of the task: letters, digits, `-` and `_` only.
    pub task: &'a str,
    /// Folder for what the agent writes about itself: `usage.json` is read afterwards.
    pub files: &'a Path,
}

/// A command line.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Launch {
    pub program: PathBuf,
    pub args: Vec<String>,
    pub env: Vec<(String, String)>,
    pub env_remove: Vec<String>,
    /// Output lines that hold one of these near their start are noise and not stored.
    pub drop_lines: Vec<String>,
    /// What it reads: the prompt.
    pub stdin: String,
}

/// Reads what an agent prints.
pub trait Reader: Send {
    fn read(&mut self, line: &str) -> Vec<Signal>;
    /// The verdict on an attempt that has ended, from all the evidence: an exit code is never believed alone.
    fn verdict(&mut self, ending: &Ending<'_>) -> AgentVerdict;
}

/// Something that an agent's output says while it runs. Texts are one line, bounded, without control characters.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Signal {
    /// What it is doing.
    Activity(String),
    /// What it says.
    Message(String),
    /// It waits and tries again by itself.
    Retrying(String),
}

/// How the process ended.
#[derive(Clone, Debug)]
pub struct Ending<'a> {
    /// None when its supervisor is gone.
    pub exit: Option<&'a JobExit>,
    pub stderr: &'a str,
    /// Content of `usage.json`, if it wrote one.
    pub usage_file: Option<String>,
}

/// What an attempt is worth by the agent's own evidence. The repository has the last word.
#[derive(Clone, Debug, PartialEq)]
pub struct AgentVerdict {
    pub outcome: Outcome,
    /// Its last words: untrusted text.
    pub summary: String,
    pub usage: Usage,
}

/// `[agents.NAME]` of aura.toml.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct AgentConfig {
    pub kind: Kind,
    /// Path or name of the program. For `copilot`: instead of looking for it. For `command`: required; `aura` means
    /// this program.
    pub program: Option<PathBuf>,
    /// `command`: its arguments. `{session}`, `{worktree}`, `{task}` and `{prompt_file}` are filled in.
    pub args: Vec<String>,
    /// `command`: arguments when a session goes on; without them it cannot.
    pub resume_args: Option<Vec<String>>,
    /// `copilot`: the model.
    pub model: Option<String>,
    /// `copilot`: `low`, `medium`, `high`, …
    pub reasoning_effort: Option<String>,
    /// `copilot`: how often it is pushed on when it stops before it is done (default 5).
    pub max_continues: Option<u32>,
    /// `copilot`: tools that it must not use, besides `shell(git push)`.
    pub deny_tools: Vec<String>,
    /// Arguments that are added at the end.
    pub extra_args: Vec<String>,
    /// Added to its environment. Not for secrets: they are inherited.
    pub env: BTreeMap<String, String>,
    /// Removed from its environment.
    pub env_remove: Vec<String>,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Kind {
    #[default]
    Copilot,
    /// Any program that reads the prompt on stdin and works in the current folder.
    Command,
}

/// What finding a program takes, read from the environment by `config`.
#[derive(Clone, Debug, Default)]
pub struct AgentEnv {
    pub path: Option<OsString>,
    pub copilot_bin: Option<PathBuf>,
    pub aura: PathBuf,
}

#[derive(Debug, thiserror::Error, PartialEq, Eq)]
pub enum AgentError {
    #[error("the program `{program}` was not found")]
    NotFound { program: String },
    #[error("`program` is missing: an agent of kind `command` needs one")]
    NoProgram,
}

/// The adapter for a configured agent.
///
/// # Errors
/// When its program cannot be found.
pub fn build(name: &str, config: &AgentConfig, env: &AgentEnv) -> Result<Box<dyn Agent>, AgentError> {
    match config.kind {
        Kind::Copilot => Ok(Box::new(copilot::Copilot::new(name, config, locate::copilot(config.program.as_deref(), env)?))),
        Kind::Command => {
            let program = config.program.as_deref().ok_or(AgentError::NoProgram)?;
            let found = if program.as_os_str() == "aura" { env.aura.clone() } else { locate::program(program, env)? };
            Ok(Box::new(command::Command::new(name, config, found)))
        }
    }
}

/// One line of untrusted text, bounded, without control characters.
fn one_line(text: &str) -> String {
    let flat = text.chars().map(|c| if c.is_control() { ' ' } else { c });
    let mut short: String = flat.take(SIGNAL_CHARS_MAX + 1).collect();
    if short.chars().count() > SIGNAL_CHARS_MAX {
        short = short.chars().take(SIGNAL_CHARS_MAX - 1).chain(['…']).collect();
    }
    short.trim().to_owned()
}

/// Text without control characters other than line ends and tabs.
fn plain(text: &str) -> String {
    text.chars().filter(|&c| !c.is_control() || c == '\n' || c == '\t').collect()
}

/// What the way a process ended says by itself: how we ended it, or that it never began.
fn by_exit(exit: Option<&JobExit>) -> Option<Outcome> {
    match exit {
        None | Some(JobExit::Stopped) => Some(Outcome::Interrupted),
        Some(JobExit::DeadlinePassed) => Some(Outcome::TimedOut),
        Some(JobExit::Stalled) => Some(Outcome::Stalled),
        Some(JobExit::NotStarted { detail }) => Some(Outcome::Unavailable { detail: one_line(detail) }),
        Some(JobExit::Signal(signal)) => Some(Outcome::Crashed { detail: format!("signal {signal}") }),
        Some(JobExit::Code(_)) => None,
    }
}

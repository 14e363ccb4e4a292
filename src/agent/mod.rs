//! Agents: what turns a task into changed files. An adapter is a translation, not an actor: a brief becomes a command
//! line, output lines become signals, and everything together becomes a verdict. No I/O here, so it is tested on
//! transcripts.

mod command;
mod copilot;
mod copilot_events;
pub mod guard;
mod limit;
mod locate;
mod transcript;

pub use transcript::{Excerpt, end_of_transcript, transcript_from};

use crate::domain::{Outcome, SessionId, Usage};
use crate::proc::JobExit;
use jiff::Zoned;
use serde::Deserialize;
use std::collections::BTreeMap;
use std::ffi::OsString;
use std::path::{Path, PathBuf};

/// Most characters of a signal.
const SIGNAL_CHARS_MAX: usize = 200;
/// A signal is made from the beginning of a text; agents print lines of megabytes.
const LINE_BYTES_LOOKED_AT: usize = 4096;

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
    /// What each earlier attempt in the same session used: an agent may count on from there.
    pub before: Vec<Usage>,
    /// When it ended, in the zone of this machine: messages tell times of the clock.
    pub at: Zoned,
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
    #[error("the program `{program}` is a relative path: give a full path, or a name on the PATH")]
    Relative { program: String },
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
    let flat = plain(head(text, LINE_BYTES_LOOKED_AT)).replace(['\n', '\t'], " ");
    let flat = flat.trim();
    match flat.char_indices().nth(SIGNAL_CHARS_MAX) {
        None => flat.to_owned(),
        Some(_) => flat.chars().take(SIGNAL_CHARS_MAX - 1).chain(['…']).collect(),
    }
}

/// Text without what commands a terminal: escape sequences, control characters other than line ends and tabs, and the
/// marks that turn the direction of writing, by which a text can be made to look like another one.
fn plain(text: &str) -> String {
    let mut clean = String::with_capacity(text.len());
    let mut chars = text.chars().peekable();
    while let Some(c) = chars.next() {
        match c {
            '\u{1b}' => skip_escape(&mut chars),
            '\n' | '\t' => clean.push(c),
            '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}' => {}
            c if c.is_control() => {}
            c => clean.push(c),
        }
    }
    clean
}

/// The rest of an escape sequence. A string (a title, a link) that does not end on its line is no string.
fn skip_escape(chars: &mut std::iter::Peekable<std::str::Chars<'_>>) {
    match chars.next_if(|c| ('\u{20}'..='\u{7e}').contains(c)) {
        Some('[') => {
            while chars.next_if(|c| ('\u{20}'..='\u{3f}').contains(c)).is_some() {}
            chars.next_if(|c| ('\u{40}'..='\u{7e}').contains(c));
        }
        Some(']' | 'P' | 'X' | '^' | '_') => {
            let end = chars.clone().take_while(|&c| c != '\n').position(|c| c == '\u{7}' || c == '\u{1b}');
            let Some(end) = end else { return };
            let bell = chars.nth(end) == Some('\u{7}');
            if !bell {
                chars.next_if_eq(&'\\');
            }
        }
        Some('\u{20}'..='\u{2f}') => {
            chars.next_if(|c| ('\u{30}'..='\u{7e}').contains(c));
        }
        Some(_) | None => {}
    }
}

/// The beginning of a text, at most so many bytes, whole characters.
fn head(text: &str, bytes_max: usize) -> &str {
    let to = (0..=bytes_max.min(text.len())).rev().find(|&at| text.is_char_boundary(at));
    &text[..to.unwrap_or(0)]
}

/// The end of a text, at most so many bytes, whole characters.
fn tail(text: &str, bytes_max: usize) -> &str {
    let from = (text.len().saturating_sub(bytes_max)..=text.len()).find(|&at| text.is_char_boundary(at));
    &text[from.unwrap_or(text.len())..]
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_that_commands_a_terminal_gets_through() {
        for (raw, clean) in [
            ("a\u{1b}[31mb\u{1b}[0m", "ab"),
            ("a\u{1b}[2J\u{1b}[?25lb", "ab"),
            ("a\u{1b}]0;title\u{7}b", "ab"),
            ("a\u{1b}]8;;http://x\u{1b}\\b", "ab"),
            ("a\u{1b}]unended\nb", "aunended\nb"),
            ("a\u{1b}(Bb\u{1b}", "ab"),
            ("a\u{9b}31mb\r\u{8}\0", "a31mb"),
            ("a\u{202e}b\u{2066}c", "abc"),
            ("zwei\tWörter\n", "zwei\tWörter\n"),
        ] {
            assert_eq!(plain(raw), clean, "{raw:?}");
        }
    }

    #[test]
    fn a_signal_is_one_short_line() {
        assert_eq!(one_line(" a\nb\u{1b}[1m\tc "), "a b c");
        assert_eq!(one_line(&"ä".repeat(200)), "ä".repeat(200));
        assert_eq!(one_line(&"ä".repeat(3_000_000)).chars().count(), 200);
        assert_eq!(one_line(&"ä".repeat(201)), format!("{}…", "ä".repeat(199)));
    }

    #[test]
    fn a_tail_is_whole_characters() {
        assert_eq!((tail("äöü", 3), tail("äöü", 4), tail("äöü", 99), tail("ä", 0)), ("ü", "öü", "äöü", ""));
    }
}

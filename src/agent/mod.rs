//! (placeholder)
use crate::domain::{Outcome, SessionId, Usage};
use crate::proc::JobExit;
use serde::Deserialize;
use std::ffi::OsString;
use std::path::{Path, PathBuf};

pub trait Agent: Send + Sync {
    fn name(&self) -> &str;
    fn resumes(&self) -> bool;
    fn program(&self) -> Option<PathBuf>;
    fn launch(&self, brief: &Brief<'_>) -> Launch;
    fn reader(&self) -> Box<dyn Reader>;
}
pub struct Brief<'a> {
    pub worktree: &'a Path,
    pub prompt: &'a str,
    pub prompt_file: &'a Path,
    pub session: SessionId,
    pub resume: bool,
    pub task: &'a str,
    pub files: &'a Path,
}
pub struct Launch {
    pub program: PathBuf,
    pub args: Vec<String>,
    pub env: Vec<(String, String)>,
    pub env_remove: Vec<String>,
    pub drop_lines: Vec<String>,
    pub stdin: String,
}
pub trait Reader: Send {
    fn read(&mut self, line: &str) -> Vec<Signal>;
    fn verdict(&mut self, ending: &Ending<'_>) -> AgentVerdict;
}
pub enum Signal {
    Activity(String),
    Message(String),
    Retrying(String),
}
pub struct Ending<'a> {
    pub exit: Option<&'a JobExit>,
    pub stderr: &'a str,
    pub usage_file: Option<String>,
}
pub struct AgentVerdict {
    pub outcome: Outcome,
    pub summary: String,
    pub usage: Usage,
}
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct AgentConfig {
    kind: String,
    program: Option<PathBuf>,
    args: Vec<String>,
}
pub struct AgentEnv {
    pub path: Option<OsString>,
    pub copilot_bin: Option<PathBuf>,
    pub aura: PathBuf,
}
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub struct AgentError(String);

pub fn build(name: &str, config: &AgentConfig, env: &AgentEnv) -> Result<Box<dyn Agent>, AgentError> {
    if config.kind != "command" {
        return Err(AgentError("no copilot".into()));
    }
    let program = config.program.clone().filter(|p| p.as_os_str() != "aura").unwrap_or(env.aura.clone());
    Ok(Box::new(Tmp { name: name.into(), program, args: config.args.clone() }))
}
struct Tmp {
    name: String,
    program: PathBuf,
    args: Vec<String>,
}
impl Agent for Tmp {
    fn name(&self) -> &str {
        &self.name
    }
    fn resumes(&self) -> bool {
        false
    }
    fn program(&self) -> Option<PathBuf> {
        Some(self.program.clone())
    }
    fn launch(&self, brief: &Brief<'_>) -> Launch {
        Launch {
            program: self.program.clone(),
            args: self.args.clone(),
            env: vec![],
            env_remove: vec![],
            drop_lines: vec![],
            stdin: brief.prompt.to_owned(),
        }
    }
    fn reader(&self) -> Box<dyn Reader> {
        Box::new(TmpReader { last: String::new() })
    }
}
struct TmpReader {
    last: String,
}
impl Reader for TmpReader {
    fn read(&mut self, line: &str) -> Vec<Signal> {
        self.last = line.to_owned();
        vec![Signal::Activity(line.to_owned())]
    }
    fn verdict(&mut self, ending: &Ending<'_>) -> AgentVerdict {
        let outcome = match ending.exit {
            Some(JobExit::Code(0)) => Outcome::Done,
            None | Some(JobExit::Stopped) => Outcome::Interrupted,
            Some(other) => Outcome::Failed { detail: format!("{other:?} {}", ending.stderr) },
        };
        AgentVerdict { outcome, summary: self.last.clone(), usage: Usage::default() }
    }
}
pub fn render_transcript(raw: &str, _: usize) -> String {
    raw.to_owned()
}

//! The public contract: one file for each verb, one table that every door walks.
//!
//! A verb is a type: its doc comment is the CLI's help and the tool's description, its fields are flags, tool input and
//! JSON body. Wire types live here, apart from `domain`, so that the inside can move.

mod accept;
mod analyze;
mod cancel;
mod clean;
mod complete;
mod create;
mod decode;
mod decompose;
mod fit;
pub mod follow;
mod kinds;
mod list;
mod output;
mod plain;
mod retry;
mod run;
mod show;
mod status;
mod time;
pub mod view;
mod wait;
mod which;
mod words;

pub use cancel::CancelRun;
pub use create::CreateStory;
pub use output::{Attempt as AttemptView, TaskOutput};
pub use run::{RunView, RunWave, run_result};
pub use status::{GetOrchestratorStatus, StatusView};
pub use wait::{WAIT_SECONDS, WAIT_SECONDS_MAX};
use which::story;
pub use words::finding_words;

use crate::engine::Engine;
use crate::error::{Code, Error, Result};
use clap::{ArgMatches, Args, Command};
use schemars::{JsonSchema, Schema, generate::SchemaSettings};
use serde::{Serialize, de::DeserializeOwned};
use serde_json::{Map, Value};
use std::collections::HashMap;
use std::pin::Pin;
use std::sync::LazyLock;

/// One verb: arguments in, view out.
trait Op: Args + DeserializeOwned + Serialize + JsonSchema + Send + 'static {
    /// Name of the tool. Stable for ever.
    const NAME: &'static str;
    /// Name of the CLI command.
    const COMMAND: &'static str;
    /// What a call may do to the world. Hosts ask people by this.
    const EFFECT: Effect;
    /// The part of the job that it belongs to.
    const TOOLSET: Toolset;
    type Out: Serialize + JsonSchema + Send;
    fn call(self, engine: Engine) -> impl Future<Output = Result<Self::Out>> + Send;
    /// As it was typed, made whole where it was typed: what it names there is read.
    fn typed(self) -> Result<Self> {
        Ok(self)
    }
    /// Exit code of the CLI for an answer: 0, or 1 for a good answer with bad news.
    fn exit_code(_: &Self::Out) -> u8 {
        0
    }
}

/// An answer on its way to a door.
pub struct Answer {
    pub value: Value,
    pub exit_code: u8,
}

pub type Reply = Pin<Box<dyn Future<Output = Result<Answer>> + Send>>;

/// What a call may do to the world: said truthfully, because hosts let people decide by it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Effect {
    /// Changes nothing at all.
    pub read_only: bool,
    /// May remove or replace something.
    pub destructive: bool,
    /// Calling again with the same arguments adds nothing.
    pub idempotent: bool,
    /// Reaches beyond this machine: models, remotes.
    pub open_world: bool,
}

impl Effect {
    const READS: Effect = Effect { read_only: true, destructive: false, idempotent: true, open_world: false };
    const ADDS: Effect = Effect { read_only: false, destructive: false, idempotent: false, open_world: false };
    const ASKS_A_MODEL: Effect = Effect { open_world: true, ..Effect::ADDS };
    /// Agents may do anything that their user may.
    const RUNS_AGENTS: Effect = Effect { destructive: true, open_world: true, ..Effect::ADDS };
    const PUBLISHES: Effect = Effect { idempotent: true, ..Effect::RUNS_AGENTS };
    const ENDS: Effect = Effect { read_only: false, destructive: true, idempotent: true, open_world: false };
}

/// Which part of the job a verb belongs to: a door may offer only some.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Toolset {
    Plan,
    Run,
    Finish,
}

impl Toolset {
    pub const ALL: [Toolset; 3] = [Toolset::Plan, Toolset::Run, Toolset::Finish];

    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Toolset::Plan => "plan",
            Toolset::Run => "run",
            Toolset::Finish => "finish",
        }
    }
}

/// Names that tools once had, or that are likely to be guessed. Answered, but not listed.
pub const ALIASES: &[(&str, &str)] = &[
    ("get_story_status", "get_orchestrator_status"),
    ("wait_for_run", "wait_for_wave"),
    ("cancel_wave", "cancel_run"),
    ("run_story", "run_wave"),
];

/// A verb as the doors see it.
pub struct Verb {
    pub name: &'static str,
    pub command: &'static str,
    pub effect: Effect,
    pub toolset: Toolset,
    pub input: fn() -> Schema,
    pub output: fn() -> Schema,
    pub clap: fn() -> Command,
    pub from_json: fn(Engine, Value) -> Reply,
    /// The arguments as they were typed, for `from_json` here or of a server elsewhere.
    pub typed: fn(&ArgMatches) -> Result<Map<String, Value>>,
}

/// Every verb, in the order one would use them.
pub const VERBS: &[Verb] = &[
    verb::<create::CreateStory>(),
    verb::<list::ListStories>(),
    verb::<show::GetStory>(),
    verb::<analyze::AnalyzeStory>(),
    verb::<decompose::DecomposeStory>(),
    verb::<run::RunWave>(),
    verb::<wait::WaitForWave>(),
    verb::<status::GetOrchestratorStatus>(),
    verb::<output::GetTaskOutput>(),
    verb::<retry::RetryTask>(),
    verb::<cancel::CancelRun>(),
    verb::<accept::AcceptFindings>(),
    verb::<complete::CompleteStory>(),
    verb::<clean::RemoveWorktree>(),
];

const fn verb<O: Op>() -> Verb {
    Verb {
        name: O::NAME,
        command: O::COMMAND,
        effect: O::EFFECT,
        toolset: O::TOOLSET,
        input: schema::<O>,
        output: schema::<O::Out>,
        clap: || O::augment_args(Command::new(O::COMMAND)),
        from_json: |engine, value| reply::<O>(engine, decode::decode(&format!("call `{}`", O::NAME), value, input_of(O::NAME))),
        typed: typed::<O>,
    }
}

fn schema<T: JsonSchema>() -> Schema {
    SchemaSettings::draft2020_12().into_generator().into_root_schema_for::<T>()
}

/// The schema of a verb's arguments, made once.
fn input_of(name: &str) -> &'static Value {
    static INPUTS: LazyLock<HashMap<&'static str, Value>> =
        LazyLock::new(|| VERBS.iter().map(|verb| (verb.name, (verb.input)().to_value())).collect());
    INPUTS.get(name).unwrap_or(&Value::Null)
}

/// The arguments in the form of the verb's schema: for doors that look at them before the verb does.
pub fn fit(verb: &Verb, args: Map<String, Value>) -> Map<String, Value> {
    let mut value = Value::Object(args);
    fit::fit(&mut value, input_of(verb.name));
    match value {
        Value::Object(fields) => fields,
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) | Value::Array(_) => Map::new(),
    }
}

fn typed<O: Op>(matches: &ArgMatches) -> Result<Map<String, Value>> {
    let op = O::from_arg_matches(matches).map_err(|e| Error::invalid(e.to_string()))?.typed()?;
    match serde_json::to_value(&op) {
        Ok(Value::Object(mut fields)) => {
            fields.retain(|_, value| !value.is_null());
            Ok(fields)
        }
        Ok(_) => Err(Error::internal("encode what was typed")),
        // Only a path can be what JSON cannot hold.
        Err(error) => Err(Error::invalid("read the command line").because(error)),
    }
}

fn reply<O: Op>(engine: Engine, op: Result<O>) -> Reply {
    Box::pin(async move {
        let out = op?.call(engine).await?;
        let exit_code = O::exit_code(&out);
        Ok(Answer { value: encode(&out)?, exit_code })
    })
}

/// A view as JSON, without anything that could move a cursor.
fn encode(view: &impl Serialize) -> Result<Value> {
    let mut value = serde_json::to_value(view).map_err(|e| Error::internal("encode an answer").because(e))?;
    plain::clean(&mut value);
    Ok(value)
}

/// The verb of that tool or command name.
pub fn find(name: &str) -> Result<&'static Verb> {
    let name = ALIASES.iter().find(|(alias, _)| *alias == name).map_or(name, |(_, now)| now);
    VERBS.iter().find(|verb| verb.name == name || verb.command == name).ok_or_else(|| {
        let known: Vec<&str> = VERBS.iter().map(|verb| verb.name).collect();
        Error::new(Code::NotFound, format!("no tool `{}`", name.escape_debug().take(60).collect::<String>()))
            .hint(format!("known tools: {}", known.join(", ")))
    })
}

/// What to do next with a story that nobody drives at this moment.
fn next(story: &crate::domain::Story) -> String {
    status::next(story, true)
}

pub use crate::engine::{Finding, Health, examine as doctor};

/// What was kept in a repository before a worktree was reset or removed, oldest first.
pub fn rescues(repository: &std::path::Path) -> Result<Vec<crate::engine::Rescue>> {
    crate::engine::rescues(repository)
}

/// Writes what was kept into a new folder.
pub fn restore(repository: &std::path::Path, commit: &crate::domain::Oid, folder: &std::path::Path) -> Result<()> {
    crate::engine::restore(repository, commit, folder)
}

/// The whole id of the story that a caller means.
pub fn story_id(engine: &Engine, id: &str) -> Result<String> {
    Ok(story(engine, Effect::READS, id)?.id.to_string())
}

/// The task whose worktree a folder lies in: whoever works there is its agent.
pub fn task_at(engine: &Engine, folder: &std::path::Path) -> Result<Option<String>> {
    if !folder.components().any(|part| part.as_os_str() == crate::engine::TASKS) {
        return Ok(None);
    }
    let task = |story: &crate::domain::Story| {
        let rest = folder.strip_prefix(std::path::Path::new(&story.created.root).join(crate::engine::TASKS)).ok()?;
        Some(rest.components().next()?.as_os_str().to_string_lossy().into_owned())
    };
    Ok(engine.store.stories(usize::MAX >> 1)?.iter().find_map(task))
}

/// A new repository with those files: for the demo.
pub fn make_repository(folder: &std::path::Path, files: &[(&str, &str)]) -> Result<()> {
    crate::engine::make_repository(folder, files)
}

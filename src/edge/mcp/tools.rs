//! The tools as hosts see them: made from the one table of verbs. Nothing here comes from a model or a repository.

use crate::error::{Error, Result};
use crate::ops::{self, Toolset, VERBS, Verb};
use rmcp::model::{Tool, ToolAnnotations};
use serde_json::{Map, Value, json};
use std::sync::Arc;

/// What a tool fills in where the call leaves it open, and how it says so: less than at other doors, because a model takes
/// in only so much at once.
const DEFAULTS: &[(&str, &str, Fill, &str)] = &[
    ("list_stories", "limit", Fill::Count(20), "Most stories to show (default 20)."),
    ("get_orchestrator_status", "limit", Fill::Count(20), "Most tasks to show (default 20)."),
    ("get_orchestrator_status", "detailed", Fill::No, "Also prompts, times, sessions, last words (default false)."),
    ("get_story", "detailed", Fill::No, "Also whole prompts and all facts (default false)."),
    ("decompose_story", "detailed", Fill::No, "Answer with whole prompts (default false)."),
    (
        "wait_for_wave",
        "waitSeconds",
        Fill::Patience,
        "Longest wait in seconds, 0 to 3600 (default 50, or what the client is known to allow).",
    ),
];

/// What a model is told in fewer words than a person, or in none where the name says it. Without a tool: of every tool.
const TERSE: &[(&str, &str, &str)] = &[
    ("", "storyId", "Id, or its start, or `latest`."),
    ("", "taskId", "For example `task-3`."),
    ("create_story", "repositoryPath", "Path of the git repository, or of a folder in it."),
    ("create_story", "description", "Details. Headings or a list become tasks with the `outline` planner."),
    ("create_story", "base", "Branch or commit to start from."),
    ("create_story", "branch", "Name of the story branch."),
    ("create_story", "agent", "Agent of aura.toml that runs its tasks."),
    ("create_story", "planner", "`copilot`, `openai`, `outline` or one of aura.toml."),
    ("list_stories", "repositoryPath", ""),
    ("analyze_story", "factsOnly", "Ask no model."),
    ("decompose_story", "planner", "`copilot`, `openai`, `outline` or one of aura.toml."),
    ("run_wave", "all", "Not only the next wave."),
    ("run_wave", "mode", "`flow` (default with `all`): a task starts when its dependencies have landed; `waves`: a gate after each."),
    ("wait_for_wave", "since", "`seq` of the last answer; default: from now on."),
    ("wait_for_wave", "untilEnd", "Wait for the end of the run."),
    ("get_task_output", "maxBytes", "Of transcript and diff; the end is kept (default 32768)."),
    ("complete_story", "remote", "Remote to push to."),
    ("complete_story", "keepCommits", "Do not squash the landings."),
    ("complete_story", "createPullRequest", "Default: where the remote is on GitHub."),
    ("complete_story", "baseBranch", "Branch it is for."),
    ("complete_story", "prRepository", "`owner/name` that it is for."),
    ("complete_story", "draft", "Default: true."),
    ("complete_story", "reviewers", "People, or `organisation/team`."),
    ("list_stories", "status", ""),
    ("list_stories", "cursor", ""),
    ("get_orchestrator_status", "cursor", "`nextCursor` of the last answer."),
    ("decompose_story", "tasks", "A plan of your own."),
    ("complete_story", "publish", "`branch` leaves it on the story branch, `merge` moves the base branch to it."),
    ("complete_story", "commitMessage", ""),
    ("complete_story", "prTitle", ""),
    ("complete_story", "prBody", ""),
    ("complete_story", "labels", ""),
];

#[derive(Clone, Copy)]
enum Fill {
    Count(u32),
    No,
    /// As long as the client is known to wait.
    Patience,
}

/// Which tools this server offers, decided once at its start.
#[derive(Clone, Debug, Default)]
pub(super) struct Offer {
    /// Only tools that change nothing.
    pub read_only: bool,
    /// Only tools of these sets; empty means all.
    pub toolsets: Vec<String>,
}

impl Offer {
    fn holds(&self, verb: &Verb) -> bool {
        let asked = self.toolsets.is_empty() || self.toolsets.iter().any(|name| name == verb.toolset.name());
        asked && (verb.effect.read_only || !self.read_only)
    }

    /// The tools on offer, in the order one would use them.
    pub(super) fn tools(&self) -> Vec<Tool> {
        VERBS.iter().filter(|verb| self.holds(verb)).map(tool).collect()
    }

    /// The verb that a call names.
    pub(super) fn find(&self, name: &str) -> Result<&'static Verb> {
        let known: Vec<&str> = VERBS.iter().filter(|verb| self.holds(verb)).map(|verb| verb.name).collect();
        let verb = VERBS.iter().any(|verb| verb.name == name) || ops::ALIASES.iter().any(|(alias, _)| *alias == name);
        let found = if verb { ops::find(name) } else { Err(unknown(name)) };
        let found = found.and_then(|verb| if self.holds(verb) { Ok(verb) } else { Err(self.left_out(verb)) });
        found.map_err(|mut error| {
            error.hint = Some(format!("the tools of this server: {}", known.join(", ")));
            error
        })
    }

    fn left_out(&self, verb: &Verb) -> Error {
        let why = if self.read_only && !verb.effect.read_only { "--read-only" } else { "--toolset" };
        Error::new(crate::error::Code::NotFound, format!("no tool `{}`: this server was started with {why}", verb.name))
    }
}

fn unknown(name: &str) -> Error {
    let shown: String = name.chars().take(60).collect();
    Error::new(crate::error::Code::NotFound, format!("no tool `{}`", shown.escape_debug()))
}

/// Names of the sets that `--toolset` takes.
pub(super) fn toolsets() -> impl Iterator<Item = &'static str> {
    Toolset::ALL.into_iter().map(Toolset::name)
}

/// Fills in what a call leaves open, and refuses what no call may ask for here.
pub(super) fn complete(verb: &Verb, args: &mut Map<String, Value>, wait_seconds: u64) -> Result<()> {
    if verb.name == "run_wave" && args.contains_key("waitSeconds") {
        return Err(Error::invalid("call `run_wave`: unknown field `waitSeconds`: it answers at once").hint("call wait_for_wave to wait"));
    }
    for (_, field, default, _) in DEFAULTS.iter().filter(|(tool, ..)| *tool == verb.name) {
        let value = match default {
            Fill::Count(count) => json!(count),
            Fill::No => json!(false),
            Fill::Patience => json!(wait_seconds),
        };
        match (args.get(*field), default) {
            (None | Some(Value::Null), _) => {
                args.insert((*field).to_owned(), value);
            }
            // A longer wait than the client's own limit would end in its error instead of our answer.
            (Some(asked), Fill::Patience) if asked.as_u64().is_some_and(|s| s > wait_seconds && s <= ops::WAIT_SECONDS_MAX) => {
                args.insert((*field).to_owned(), value);
            }
            (Some(_), Fill::Count(_) | Fill::No | Fill::Patience) => {}
        }
    }
    Ok(())
}

fn tool(verb: &Verb) -> Tool {
    let (mut input, mut output) = ((verb.input)().to_value(), (verb.output)().to_value());
    let about = input.get("description").and_then(Value::as_str).unwrap_or_default().replace('\n', " ");
    slim(&mut input);
    slim(&mut output);
    strict(&mut input);
    match verb.name {
        "run_wave" => {
            input.get_mut("properties").and_then(Value::as_object_mut).and_then(|fields| fields.shift_remove("waitSeconds"));
        }
        // There is no current folder here.
        "create_story" => {
            input["required"] = json!(["repositoryPath"]);
            input["properties"]["repositoryPath"]["type"] = "string".into();
        }
        _ => {}
    }
    let defaults = DEFAULTS.iter().map(|(tool, field, _, about)| (tool, field, about));
    for (_, field, about) in TERSE
        .iter()
        .map(|(tool, field, about)| (tool, field, about))
        .chain(defaults)
        .filter(|(tool, ..)| tool.is_empty() || **tool == verb.name)
    {
        let Some(shown) = input.pointer_mut(&format!("/properties/{field}")).and_then(Value::as_object_mut) else { continue };
        if about.is_empty() {
            shown.shift_remove("description");
        } else {
            shown.insert("description".into(), json!(about));
        }
    }
    let effect = verb.effect;
    let hints = ToolAnnotations::with_title(title(verb.name))
        .read_only(effect.read_only)
        .destructive(effect.destructive)
        .idempotent(effect.idempotent)
        .open_world(effect.open_world);
    let mut tool = Tool::new(verb.name, about, Arc::new(object(input)));
    tool.title = Some(title(verb.name));
    tool.output_schema = Some(Arc::new(object(or_refusal(output))));
    tool.annotations = Some(hints);
    tool
}

/// An answer is a view or a refusal. Clients hold every structured answer against the schema (the TypeScript SDK and the
/// Inspector do), and would show their own complaint in place of a refusal that does not fit.
fn or_refusal(mut view: Value) -> Value {
    let defs = view.as_object_mut().and_then(|map| map.shift_remove("$defs"));
    let text = json!({ "type": "string" });
    let refusal = json!({
        "type": "object",
        "properties": { "code": text, "title": text, "detail": text, "hint": text, "retryable": { "type": "boolean" } },
        "required": ["code", "detail"]
    });
    let mut whole = json!({ "type": "object", "anyOf": [view, refusal] });
    if let Some(defs) = defs {
        whole["$defs"] = defs;
    }
    whole
}

/// `create_story` → `Create story`.
fn title(name: &str) -> String {
    let words = name.replace('_', " ");
    words[..1].to_ascii_uppercase() + &words[1..]
}

fn object(value: Value) -> Map<String, Value> {
    match value {
        Value::Object(map) => map,
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) | Value::Array(_) => Map::new(),
    }
}

/// Brings the arguments to what strict modes of models read: every field may be demanded, because what may be left out may be null;
/// nothing stands elsewhere. That nothing is nothing then need not be said.
fn strict(schema: &mut Value) {
    let defs = schema.as_object_mut().and_then(|map| map.shift_remove("$defs")).unwrap_or_default();
    strict_at(schema, &defs);
}

fn strict_at(schema: &mut Value, defs: &Value) {
    if let Some(name) = schema.get("$ref").and_then(Value::as_str).and_then(|name| name.strip_prefix("#/$defs/")) {
        *schema = defs[name].clone();
        if let Some(map) = schema.as_object_mut() {
            map.shift_remove("description");
        }
    }
    match schema {
        Value::Object(map) => {
            map.retain(|key, value| key != "minimum" || *value != json!(0));
            map.retain(|key, value| key != "default" || !(value.is_null() || *value == json!(false) || *value == json!([])));
            let required = map.get("required").cloned().unwrap_or_default();
            let needed = |name: &str| required.as_array().is_some_and(|names| names.iter().any(|needed| needed == name));
            for (name, inner) in map.get_mut("properties").and_then(Value::as_object_mut).into_iter().flatten() {
                let kind = inner.get("type").and_then(Value::as_str).map(str::to_owned);
                if let Some(kind) = kind.filter(|_| !needed(name)) {
                    inner["type"] = json!([kind, "null"]);
                }
            }
            map.values_mut().for_each(|inner| strict_at(inner, defs));
        }
        Value::Array(items) => items.iter_mut().for_each(|inner| strict_at(inner, defs)),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
    }
}

/// Takes out what costs a model tokens and tells it nothing: dialect, formats of numbers, the description of the whole
/// (which is the tool's), `null` where a field may be left out.
fn slim(schema: &mut Value) {
    if let Some(map) = schema.as_object_mut() {
        for key in ["$schema", "title", "description"] {
            map.shift_remove(key);
        }
    }
    slim_all(schema);
}

fn slim_all(schema: &mut Value) {
    match schema {
        Value::Object(map) => {
            let number = map.get("format").and_then(Value::as_str).is_some_and(|format| format.starts_with(['u', 'i', 'd', 'f']));
            if number {
                map.shift_remove("format");
            }
            map.values_mut().for_each(slim_all);
        }
        Value::Array(items) => items.iter_mut().for_each(slim_all),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
    }
}

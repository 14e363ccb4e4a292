//! The tools as hosts see them: made from the one table of verbs. Nothing here comes from a model or a repository.

use crate::error::{Error, Result};
use crate::ops::{self, Toolset, VERBS, Verb};
use rmcp::model::{Tool, ToolAnnotations};
use serde_json::{Map, Value, json};
use std::sync::Arc;

/// Tasks that a status shows unless asked for more: what a model takes in at once.
const STATUS_TASKS: u32 = 20;

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

/// What a caller left open and a host's model needs filled in; and what no call may ask for here.
pub(super) fn complete(verb: &Verb, args: &mut Map<String, Value>, wait_seconds: u64) -> Result<()> {
    match verb.name {
        "get_orchestrator_status" => {
            args.entry("limit").or_insert_with(|| json!(STATUS_TASKS));
        }
        "wait_for_wave" => {
            // A longer wait than the client's own limit would end in its error instead of our answer.
            let asked = args.get("waitSeconds").and_then(Value::as_u64);
            match asked {
                Some(seconds) if seconds > wait_seconds && seconds <= ops::WAIT_SECONDS_MAX => {
                    args.insert("waitSeconds".into(), json!(wait_seconds));
                }
                Some(_) => {}
                None if args.contains_key("waitSeconds") => {}
                None => {
                    args.insert("waitSeconds".into(), json!(wait_seconds));
                }
            }
        }
        "run_wave" if args.contains_key("waitSeconds") => {
            return Err(
                Error::invalid("call `run_wave`: unknown field `waitSeconds`: it answers at once").hint("call wait_for_wave to wait")
            );
        }
        _ => {}
    }
    Ok(())
}

fn tool(verb: &Verb) -> Tool {
    let (mut input, mut output) = ((verb.input)().to_value(), (verb.output)().to_value());
    let about = input.get("description").and_then(Value::as_str).unwrap_or_default().to_owned();
    slim(&mut input);
    slim(&mut output);
    if let Some(fields) = input.get_mut("properties").and_then(Value::as_object_mut).filter(|_| verb.name == "run_wave") {
        fields.shift_remove("waitSeconds");
    }
    let effect = verb.effect;
    let hints = ToolAnnotations::with_title(title(verb.name))
        .read_only(effect.read_only)
        .destructive(effect.destructive)
        .idempotent(effect.idempotent)
        .open_world(effect.open_world);
    let mut tool = Tool::new(verb.name, about, Arc::new(object(input)));
    tool.title = Some(title(verb.name));
    tool.output_schema = Some(Arc::new(object(output)));
    tool.annotations = Some(hints);
    tool
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

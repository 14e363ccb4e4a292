//! `aura call TOOL`: arguments as JSON on stdin, result as JSON on stdout. The contract of the MCP server, for scripts.

use super::caller::Caller;
use super::{cli, term};
use crate::error::{Error, Result};
use crate::ops::{self, VERBS};
use clap::{Arg, ArgMatches, Command};
use serde_json::{Value, json};

pub(super) fn command() -> Command {
    Command::new("call")
        .about("Call a tool with JSON on stdin and JSON on stdout")
        .long_about("Reads the tool's arguments as a JSON object from stdin and prints its result, or a problem, as one JSON document. `aura call --list` prints every tool with its schemas.")
        .arg(Arg::new("tool").required_unless_present("list").help("Name of the tool, for example `create_story`"))
        .arg(Arg::new("list").long("list").action(clap::ArgAction::SetTrue).help("List the tools with their schemas"))
}

/// The answer is JSON whatever the format, also when it is a refusal: the caller is a program.
pub(super) async fn call(caller: &Caller, args: &ArgMatches) -> Result<u8> {
    let (verb, value) = asked(args)?;
    let answer = caller.call(verb, value).await?;
    term::out(&cli::pretty(&answer.value));
    Ok(answer.exit_code)
}

/// Every tool with its schemas.
pub(super) fn list() -> u8 {
    term::out(&cli::pretty(&tools()));
    0
}

/// The tool that is named, and what stdin holds for it.
fn asked(args: &ArgMatches) -> Result<(&'static ops::Verb, Value)> {
    let name = args.get_one::<String>("tool").map(String::as_str).unwrap_or_default();
    let verb = ops::find(name)?;
    // Nobody has typed anything: a console says nothing until its end.
    let text = if term::is_typed() { String::new() } else { term::read_stdin("the arguments")? };
    let value: Value = if text.trim().is_empty() {
        json!({})
    } else {
        serde_json::from_str(&text).map_err(|e| Error::invalid(format!("call `{}`: the arguments are not JSON: {e}", verb.name)))?
    };
    Ok((verb, value))
}

fn tools() -> Value {
    let tool = |verb: &ops::Verb| {
        let input = (verb.input)();
        let about = input.get("description").cloned().unwrap_or_default();
        json!({ "name": verb.name, "command": verb.command, "description": about, "inputSchema": input, "outputSchema": (verb.output)() })
    };
    VERBS.iter().map(tool).collect()
}

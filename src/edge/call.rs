//! `aura call TOOL`: arguments as JSON on stdin, result as JSON on stdout. The contract of the MCP server, for scripts.

use super::http::client::{self, Said};
use super::{cli, term};
use crate::config::Environment;
use crate::engine::Engine;
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
pub(super) async fn call(engine: Engine, args: &ArgMatches) -> Result<u8> {
    if args.get_flag("list") {
        term::out(&cli::pretty(&tools()));
        return Ok(0);
    }
    let done = call_tool(engine, args).await;
    match done {
        Ok(answer) => {
            term::out(&cli::pretty(&answer.value));
            Ok(answer.exit_code)
        }
        Err(error) => {
            let problem = crate::error::Problem::from(&error);
            term::out(&cli::pretty(&serde_json::to_value(problem).unwrap_or_default()));
            Ok(error.code.row().exit)
        }
    }
}

/// The same by a running server. Its database is the one that counts: none is opened here.
pub(super) fn forward(url: &str, args: &ArgMatches) -> u8 {
    let asked = || -> Result<Said> {
        let (verb, value) = asked(args)?;
        // No folder is no reason not to ask: a token may be given.
        let home = Environment::read().ok().map(|environment| environment.home);
        client::call(home.as_deref(), crate::config::named_variable("AURA_TOKEN"), url, verb.name, &value)
    };
    let (value, exit_code) = match asked() {
        Ok(Said::Answer(answer)) => (answer.value, answer.exit_code),
        Ok(Said::Refusal(problem, exit_code)) => (problem, exit_code),
        Err(error) => (serde_json::to_value(crate::error::Problem::from(&error)).unwrap_or_default(), error.code.row().exit),
    };
    term::out(&cli::pretty(&value));
    exit_code
}

async fn call_tool(engine: Engine, args: &ArgMatches) -> Result<ops::Answer> {
    let (verb, value) = asked(args)?;
    (verb.from_json)(engine, value).await
}

/// The tool that is named, and what stdin holds for it.
fn asked(args: &ArgMatches) -> Result<(&'static ops::Verb, Value)> {
    let name = args.get_one::<String>("tool").map(String::as_str).unwrap_or_default();
    let verb = ops::find(name)?;
    let text = term::read_stdin("the arguments")?;
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

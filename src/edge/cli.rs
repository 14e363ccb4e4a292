//! The command line: every verb of the table, and what only a terminal needs. stdout is the answer, stderr the
//! conversation. With `--json`, stdout holds exactly one JSON document, on success and on refusal alike.

use super::caller::Caller;
use super::{call, demo, doctor, hosts, http, live, mcp, render, rescue, run, term};
use crate::config::Environment;
use crate::engine::{self, Engine};
use crate::error::{Code, Error, Problem, Result};
use crate::ops::{self, VERBS, Verb};
use clap::{Arg, ArgAction, ArgMatches, Command};
use serde_json::Value;
use std::ffi::OsString;
use std::process::ExitCode;
use tokio::runtime::{Builder, Runtime};

/// How answers leave.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Format {
    Text,
    Json,
}

/// Parses, does, prints, and returns the exit code.
#[must_use]
pub fn main(args: &[OsString]) -> ExitCode {
    let matches = match command().try_get_matches_from(args) {
        Ok(matches) => matches,
        Err(error) => return usage(&error, args),
    };
    // Who calls a tool is a program.
    let is_call = matches.subcommand_name() == Some("call");
    let format = if is_call || matches.get_flag("json") { Format::Json } else { Format::Text };
    let done = match runtime(matches.subcommand_name()) {
        Ok(runtime) => {
            let done = runtime.block_on(dispatch(&matches, format));
            // A worker that waits for a lock must not hold up the end of the program.
            runtime.shutdown_background();
            done
        }
        Err(error) => Err(Error::internal("start the runtime").because(error)),
    };
    match done {
        Ok(code) => ExitCode::from(code),
        Err(error) => refuse(&error, format),
    }
}

/// The whole command line, hidden commands too.
#[must_use]
pub fn command() -> Command {
    public()
        .subcommand(Command::new("drive").hide(true).arg(Arg::new("story").required(true)))
        .subcommand(Command::new("demo-agent").hide(true))
}

/// The command line as people, completions and the man page see it.
fn public() -> Command {
    let json = Arg::new("json").long("json").global(true).action(ArgAction::SetTrue).help("Print one JSON document instead of text");
    let mut app = Command::new("aura")
        .version(env!("CARGO_PKG_VERSION"))
        .about("Run a development story on parallel coding agents, and land only what is right")
        .long_about(
            "Aura decomposes a story into tasks, runs them on parallel coding agents, each in a git worktree of its own, lands their \
             work on the story branch, gates every wave with build and test, and completes with one verified commit.\n\n\
             A usual day:  aura new \"Add user validation\" · aura decompose · aura run --all · aura complete",
        )
        .after_help("Exit codes: 0 done; 1 done, unhappily; 2 invalid request; 3 not found; 4 not possible now; 5 needs a person or a login;\n6 something is missing; 7 a limit; 70 a bug; 130 interrupted.")
        .subcommand_required(true)
        .arg_required_else_help(true)
        .arg(json)
        .arg(
            Arg::new("url")
                .long("url")
                .global(true)
                .value_name("URL")
                .help("Ask the `aura serve` at this address [default: AURA_URL]"),
        );
    for verb in VERBS {
        app = app.subcommand(match verb.command {
            "run" => (verb.clap)()
                .arg(Arg::new("detach").long("detach").action(ArgAction::SetTrue).help("Answer at once; the run goes on by itself")),
            _ => (verb.clap)(),
        });
    }
    app.subcommand(live::watch_command())
        .subcommand(call::command())
        .subcommand(http::command())
        .subcommand(mcp::command().subcommands(hosts::commands()).args_conflicts_with_subcommands(true))
        .subcommand(rescue::command())
        .subcommand(doctor::command())
        .subcommand(demo::command())
        .subcommand(
            Command::new("completions")
                .about("Print completions for a shell")
                .arg(Arg::new("shell").required(true).value_parser(clap::value_parser!(clap_complete::Shell))),
        )
        .subcommand(Command::new("man").about("Print the man page"))
}

/// Commands about this machine, whatever a server elsewhere knows.
const HERE: [&str; 9] = ["completions", "man", "demo", "demo-agent", "doctor", "mcp", "serve", "drive", "rescue"];

async fn dispatch(matches: &ArgMatches, format: Format) -> Result<u8> {
    let Some((name, args)) = matches.subcommand() else { return Err(Error::invalid("no command")) };
    let url = matches.get_one::<String>("url").cloned();
    if HERE.contains(&name) {
        if url.is_some() {
            return Err(Error::invalid(format!("`aura {name}` is about this machine: it cannot ask a server")).hint("leave out --url"));
        }
        return here(name, args, format).await;
    }
    if name == "call" && args.get_flag("list") {
        return Ok(call::list());
    }
    let caller = Caller::open(url)?;
    match name {
        "watch" => live::watch(&caller, args, format).await,
        "call" => call::call(&caller, args).await,
        "run" => run::run(&caller, args, format).await,
        _ => {
            let verb = ops::find(name)?;
            let answer = caller.call(verb, typed(verb, args)?).await?;
            show(name, &answer.value, format);
            Ok(answer.exit_code)
        }
    }
}

async fn here(name: &str, args: &ArgMatches, format: Format) -> Result<u8> {
    match (name, args.subcommand()) {
        ("completions", _) => completions(args),
        ("man", _) => man(),
        ("demo-agent", _) => demo::agent(),
        ("demo", _) => demo::demo(args).await,
        ("doctor", _) => doctor::doctor(args, format),
        ("mcp", Some(("install", args))) => hosts::install(args, format),
        ("mcp", Some(("uninstall", args))) => hosts::uninstall(args, format),
        // It opens the database when the first call needs it.
        ("mcp", _) => mcp::serve(Environment::read()?, args).await,
        ("serve", _) => http::serve(open(Environment::read()?)?, args, format).await,
        ("drive", _) => drive(open(Environment::read()?)?, args).await,
        _ => rescue::rescue(&open(Environment::read()?)?, args, format),
    }
}

/// Opens the database; a refusal says where it is.
pub(super) fn open(environment: Environment) -> Result<Engine> {
    let home = environment.home.display().to_string();
    Engine::open(environment).map_err(|error| match error.hint {
        Some(_) => error,
        None => error.hint(format!("Aura keeps its data in {home}: see that you may write there, or set AURA_HOME to another folder")),
    })
}

/// The environment of one caller, who stands here.
pub(super) fn placed(environment: Environment) -> Environment {
    Environment { place: std::env::current_dir().ok(), ..environment }
}

/// Few verbs have anything to do at the same time: the others are spared the threads.
fn runtime(command: Option<&str>) -> std::io::Result<Runtime> {
    match command {
        Some("run" | "watch" | "demo" | "drive") => Builder::new_multi_thread().worker_threads(2).enable_all().build(),
        Some("serve") => Builder::new_multi_thread().max_blocking_threads(http::THREADS_MAX).enable_all().build(),
        Some("mcp") => Builder::new_current_thread().max_blocking_threads(mcp::THREADS_MAX).enable_all().build(),
        Some(_) | None => Builder::new_current_thread().enable_all().build(),
    }
}

/// The arguments as typed, with what only the place where they are typed knows: the current folder, and a description from stdin.
pub(super) fn typed(verb: &Verb, args: &ArgMatches) -> Result<Value> {
    let mut value = (verb.typed)(args)?;
    if verb.name == "create_story" {
        value.entry("repositoryPath").or_insert(".".into());
        if value.get("description").is_some_and(|description| description == "-") {
            value.insert("description".into(), term::read_stdin("the description")?.into());
        }
    }
    if let Some(path) = value.get("repositoryPath").and_then(Value::as_str) {
        let whole = std::path::absolute(path).map_err(|e| Error::invalid(format!("find {path}")).because(e))?;
        value.insert("repositoryPath".into(), whole.to_string_lossy().into_owned().into());
    }
    Ok(value.into())
}

async fn drive(engine: Engine, args: &ArgMatches) -> Result<u8> {
    tracing_subscriber::fmt()
        .with_writer(std::io::stderr)
        .with_ansi(false)
        .with_env_filter(tracing_subscriber::EnvFilter::try_from_env("AURA_LOG").unwrap_or_else(|_| "info".into()))
        .init();
    let id = args.get_one::<String>("story").map(String::as_str).unwrap_or_default();
    let id = engine.story(id)?.id;
    engine::drive(engine, id).await?;
    Ok(0)
}

/// Prints an answer.
pub(super) fn show(command: &str, value: &Value, format: Format) {
    match format {
        Format::Json => term::out(&pretty(value)),
        Format::Text => term::out(&render::answer(command, value)),
    }
}

pub(super) fn pretty(value: &Value) -> String {
    serde_json::to_string_pretty(value).unwrap_or_default() + "\n"
}

/// Prints a refusal: as the one document with `--json`, else for people.
fn refuse(error: &Error, format: Format) -> ExitCode {
    match format {
        Format::Json => term::out(&pretty(&serde_json::to_value(Problem::from(error)).unwrap_or_default())),
        Format::Text => {
            term::err(&format!("error: {}\n", term::clean(&error.chain())));
            if let Some(hint) = &error.hint {
                term::err(&format!("hint: {}\n", term::clean(hint)));
            }
        }
    }
    ExitCode::from(error.code.row().exit)
}

/// clap's own refusals and answers (help, version).
fn usage(error: &clap::Error, args: &[OsString]) -> ExitCode {
    let json = args.iter().any(|arg| arg == "--json");
    if !error.use_stderr() {
        term::out(&error.render().to_string());
        return ExitCode::SUCCESS;
    }
    if json {
        let text = error.render().to_string();
        let (first, rest) = text.split_once("\n\n").unwrap_or((&text, ""));
        let mut refusal = Error::new(Code::InvalidRequest, first.trim_start_matches("error: ").trim());
        refusal.hint = rest.lines().find(|line| line.trim_start().starts_with("tip:")).map(|line| line.trim().to_owned());
        return refuse(&refusal, Format::Json);
    }
    term::err(&error.render().to_string());
    ExitCode::from(2)
}

fn completions(args: &ArgMatches) -> Result<u8> {
    let Some(shell) = args.get_one::<clap_complete::Shell>("shell") else { return Err(Error::invalid("no shell")) };
    let mut text = vec![];
    clap_complete::generate(*shell, &mut public(), "aura", &mut text);
    term::out(&String::from_utf8_lossy(&text));
    Ok(0)
}

fn man() -> Result<u8> {
    let mut text = vec![];
    clap_mangen::Man::new(public()).render(&mut text).map_err(|e| Error::internal("write the man page").because(e))?;
    term::out(&String::from_utf8_lossy(&text));
    Ok(0)
}

#[cfg(test)]
mod tests {
    #[test]
    fn the_command_line_is_sound() {
        super::command().debug_assert();
    }
}

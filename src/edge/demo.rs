//! `aura demo`: the whole main job on embedded parts alone. It makes a small real repository, runs a story on it with
//! real worktrees, real commits and real gates, hits one conflict and one red gate on purpose, and repairs both.
//!
//! The agent is this same program ([`agent`]): it reads its prompt on stdin like any other and does what a script in the
//! task says, so that everything around it is exercised for real.

use super::caller::Caller;
use super::cli::Format;
use super::{live, render, term};
use crate::config::Environment;
use crate::engine::Engine;
use crate::error::{Code, Error, Result};
use crate::ops;
use clap::{Arg, ArgMatches, Command};
use serde::Deserialize;
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::time::Duration;

const STORY: &str = include_str!("demo_story.md");
const FILES: [(&str, &str); 6] = [
    ("Cargo.toml", "[package]\nname = \"shop\"\nversion = \"0.1.0\"\nedition = \"2021\"\n"),
    (".gitignore", "/target\n"),
    ("README.md", "# shop\n\nA very small shop.\n"),
    (
        "src/lib.rs",
        "//! A very small shop.\n\npub struct User {\n    pub name: String,\n    pub email: String,\n    pub password: String,\n}\n",
    ),
    ("src/main.rs", "fn main() {\n    println!(\"Welcome to the shop.\");\n}\n"),
    (
        "aura.toml",
        "agent = \"demo\"\nplanner = \"outline\"\n\n[agents.demo]\nkind = \"command\"\nprogram = \"aura\"\nargs = [\"demo-agent\"]\n",
    ),
];

pub(super) fn command() -> Command {
    Command::new("demo").about("Show the whole job on a small repository of its own: no agent, no key, no network").arg(
        Arg::new("folder")
            .long("folder")
            .value_name("FOLDER")
            .value_parser(clap::value_parser!(PathBuf))
            .help("New folder for it; default: one in the temporary directory"),
    )
}

pub(super) async fn demo(args: &ArgMatches) -> Result<u8> {
    let folder = folder(args)?;
    let repository = folder.join("shop");
    say("A small repository");
    ops::make_repository(&repository, &FILES)?;
    // A person is at work in it meanwhile, on a branch of their own: that has to stay as it is.
    std::fs::write(repository.join("README.md"), "# shop\n\nA very small shop. (I am editing this right now.)\n")
        .map_err(|e| Error::internal("edit the README").because(e))?;
    term::out(&format!("  {}\n  its README has an edit that is not committed; it stays as it is\n", repository.display()));

    let environment = Environment { home: folder.join("aura-home"), ..Environment::read()? };
    let engine = Engine::open(environment)?;
    say("A story");
    let story = call(
        &engine,
        "create_story",
        json!({ "title": "Add user validation", "description": STORY, "repositoryPath": repository, "base": "main" }),
    )
    .await?;
    let id = story["id"].as_str().unwrap_or_default().to_owned();
    term::out(&render::answer("new", &story));

    say("What the repository is like");
    term::out(&render::answer("analyze", &call(&engine, "analyze_story", json!({ "storyId": id })).await?));
    say("A plan");
    term::out(&render::answer("decompose", &call(&engine, "decompose_story", json!({ "storyId": id, "maxParallelism": 3 })).await?));

    say("The run: parallel agents, each in a worktree of its own; a gate after each wave");
    let run = call(&engine, "run_wave", json!({ "storyId": id, "all": true })).await?;
    let here = Caller::Here(engine.clone());
    let mut view = live::Live::of_run(&here, &id, run["since"].as_i64().unwrap_or(0), Format::Text).await?;
    while !view.step().await? {}
    view.pause();
    let result = here.result(&id, run["runId"].as_str().unwrap_or_default()).await?;
    term::out(&render::answer("run", &result.value));
    if result.exit_code != 0 {
        term::out(&format!("The demo did not end well. Everything is kept in {}\n", folder.display()));
        return Ok(result.exit_code);
    }

    say("The merge ceremony: verified once more, squashed, merged into main");
    let done = call(&engine, "complete_story", json!({ "storyId": id, "publish": "merge" })).await?;
    term::out(&render::answer("complete", &done));
    report(&engine, &id, &repository, &folder)?;
    Ok(0)
}

/// What a person should take home.
fn report(engine: &Engine, id: &str, repository: &Path, folder: &Path) -> Result<()> {
    let events = ops::follow::follow(engine, Some(id), 0)?.glance()?;
    let count = |kind: &str| events.iter().filter(|event| event.kind == kind).count();
    let red =
        events.iter().filter(|e| e.kind == "gateFinished" && e.value["wave"] != 0 && e.value["report"]["verdict"] == "Failed").count();
    say("What happened");
    term::out(&format!(
        "  {} agents ran, {} tasks landed, {} conflict was handed back and resolved,\n  {red} gate was red, its culprit found and repaired, {} gates ran.\n",
        count("attemptStarted"),
        events.iter().filter(|e| e.kind == "taskLanded").filter_map(|e| e.task_id.clone()).collect::<std::collections::BTreeSet<_>>().len(),
        count("landingConflicted"),
        count("gateFinished"),
    ));
    term::out(&format!(
        "\nLook around:\n  git -C {0} log --stat main\n  AURA_HOME={1} aura show {2}\n  AURA_HOME={1} aura log {2} task-5\nThrow it away: delete {3}\n",
        repository.display(),
        folder.join("aura-home").display(),
        &id[id.len().saturating_sub(8)..],
        folder.display()
    ));
    Ok(())
}

fn folder(args: &ArgMatches) -> Result<PathBuf> {
    let folder = match args.get_one::<PathBuf>("folder") {
        Some(folder) => std::path::absolute(folder).map_err(|e| Error::invalid(format!("find {}", folder.display())).because(e))?,
        None => std::env::temp_dir().join(format!("aura-demo-{}", std::process::id())),
    };
    if folder.exists() {
        return Err(Error::new(Code::Conflict, format!("{} exists already", folder.display())).hint("give a new folder with --folder"));
    }
    std::fs::create_dir_all(&folder).map_err(|e| Error::invalid(format!("create {}", folder.display())).because(e))?;
    Ok(folder)
}

fn say(text: &str) {
    term::out(&format!("\n── {text}\n"));
}

async fn call(engine: &Engine, tool: &str, args: Value) -> Result<Value> {
    Ok((ops::find(tool)?.from_json)(engine.clone(), args).await?.value)
}

/// What the demo's agent does, by what it is asked for. A script stands in the task's description, in a block marked
/// `aura-demo`.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Script {
    work: Vec<Step>,
    #[serde(default)]
    resolve: Vec<Step>,
    #[serde(default)]
    repair: Vec<Step>,
    say: String,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
enum Step {
    /// Files with their content.
    Write(BTreeMap<String, String>),
    /// File, what is there, what comes instead.
    Replace(String, String, String),
    /// Keeps both sides of every conflict in a file.
    KeepBoth(String),
    Think(u64),
}

/// The hidden mode `aura demo-agent`: prompt on stdin, work in the current folder, last words on stdout.
pub(super) fn agent() -> Result<u8> {
    let prompt = term::read_stdin("the prompt")?;
    // The story's description stands before the task and holds the scripts of all.
    let task = prompt.split_once("# Your task").map_or(prompt.as_str(), |(_, task)| task);
    let script = task.split("```aura-demo").nth(1).and_then(|rest| rest.split("```").next());
    let script = script.ok_or_else(|| Error::invalid("the prompt holds no `aura-demo` script"))?;
    let script: Script = serde_json::from_str(script).map_err(|e| Error::invalid("read the script").because(e))?;
    let steps = if prompt.contains("conflict markers") {
        &script.resolve
    } else if prompt.contains("<gate-output>") {
        &script.repair
    } else {
        &script.work
    };
    for step in steps {
        act(step).map_err(|e| Error::internal("do a step of the script").because(e))?;
    }
    term::out(&format!("{}\n", script.say));
    Ok(0)
}

fn act(step: &Step) -> std::io::Result<()> {
    match step {
        Step::Write(files) => files.iter().try_for_each(|(path, content)| {
            if let Some(parent) = Path::new(path).parent() {
                std::fs::create_dir_all(parent)?;
            }
            std::fs::write(path, content)
        }),
        Step::Replace(path, old, new) => {
            let text = std::fs::read_to_string(path)?;
            if !text.contains(old.as_str()) {
                return Err(std::io::Error::other(format!("{path} does not hold `{old}`")));
            }
            std::fs::write(path, text.replacen(old.as_str(), new, 1))
        }
        Step::KeepBoth(path) => {
            let text = std::fs::read_to_string(path)?;
            let kept = text.lines().filter(|line| !["<<<<<<<", "=======", ">>>>>>>", "|||||||"].iter().any(|mark| line.starts_with(mark)));
            std::fs::write(path, kept.map(|line| format!("{line}\n")).collect::<String>())
        }
        Step::Think(ms) => {
            std::thread::sleep(Duration::from_millis(*ms));
            Ok(())
        }
    }
}

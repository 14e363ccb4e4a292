//! The recipes of docs/automation.md, run as they are: in bash with jq, and in Nushell. (Those in PowerShell are run by
//! tests/powershell/Automation.Tests.ps1.) Where a shell is missing, a line says so; in CI that is a failure.
#![allow(clippy::unwrap_used)] // A test may fail loudly.

#[allow(dead_code)] // Shared with tests that use all of it.
#[path = "support/cli_world.rs"]
mod cli_world;
#[path = "support/nushell.rs"]
mod nushell;

use cli_world::{AURA, Cli, finish};
use serde_json::Value;
use std::io::Write;
use std::path::Path;

/// An agent that writes a file, unless the story is not possible. It leaves a word about itself.
const SETTINGS: &str = r#"
agent = "hand"
planner = "outline"
[agents.hand]
kind = "command"
program = "sh"
args = ["-c", "prompt=$(cat); echo I am the agent; case $prompt in *impossible*) echo that cannot be done; exit 1 ;; esac; echo done > {task}.txt"]
[limits]
attempts = 1
rounds = 1
[gate]
checks = [{ name = "version", kind = "test", run = "git --version" }]
"#;

fn page() -> String {
    std::fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/automation.md")).unwrap().replace("\r\n", "\n")
}

/// Fenced blocks of a language, in order.
fn blocks(language: &str) -> Vec<String> {
    let page = page();
    page.split(&format!("```{language}\n")).skip(1).map(|rest| rest.split("```").next().unwrap().to_owned()).collect()
}

/// A repository with the page's stories.
fn world() -> Cli {
    let cli = Cli::new();
    std::fs::write(cli.path("home/config.toml"), SETTINGS).unwrap();
    std::fs::write(cli.repo().join("stories.csv"), blocks("csv").concat()).unwrap();
    cli
}

/// Says that something is missing; in CI, fails.
fn missing(what: &str) {
    let required = ["CI", "AURA_REQUIRE_SHELLS"].iter().any(|name| std::env::var_os(name).is_some_and(|value| !value.is_empty()));
    assert!(!required, "{what} is required here, and missing");
    // Not by a macro: the test harness would keep that to itself.
    let _ = writeln!(std::io::stderr(), "SKIPPED: recipes of docs/automation.md: no {what}. AURA_REQUIRE_SHELLS=1 makes this a failure.");
}

/// The program is on the PATH of those who copy the recipes.
fn run(cli: &Cli, program: &Path, words: &[&str]) -> cli_world::Said {
    let mut path = std::ffi::OsString::from(Path::new(AURA).parent().unwrap());
    path.push(if cfg!(windows) { ";" } else { ":" });
    path.push(std::env::var_os("PATH").unwrap_or_default());
    finish(cli.command(program).args(words).env("PATH", path).env("LANG", "C.UTF-8"))
}

/// What the three jobs have to have done, whatever the shell.
#[track_caller]
fn the_three_jobs_are_done(cli: &Cli) {
    let list = cli.json(&["list"]).well();
    let stories = list["stories"].as_array().unwrap();
    let mut seen: Vec<(&str, &str, &str)> = stories
        .iter()
        .map(|one| (one["title"].as_str().unwrap(), one["description"].as_str().unwrap(), one["status"].as_str().unwrap()))
        .collect();
    seen.sort_unstable();
    assert_eq!(
        seen,
        [
            ("Add user validation", "Check names, and e-mail addresses", "Completed"),
            ("Do the impossible", "No agent can", "Failed"),
            ("Say \"hello\" in German", "Grüß Gott", "Completed"),
        ]
    );
    let impossible = stories.iter().find(|one| one["status"] == "Failed").unwrap();
    let (id, short) = (impossible["id"].as_str().unwrap(), impossible["shortId"].as_str().unwrap());
    let status = cli.json(&["status", id]).well();
    let failed = status["tasks"].as_array().unwrap().iter().find(|task| task["status"] == "Failed").unwrap();
    assert_eq!(failed["attempts"], 2, "it had one more chance: {failed}");
    let log = std::fs::read_to_string(cli.repo().join(format!("{id}-{}.log", failed["id"].as_str().unwrap()))).unwrap();
    assert!(log.contains("that cannot be done"), "{log}");
    let plans = std::fs::read_dir(cli.repo()).unwrap().flatten().filter(|one| one.file_name().to_string_lossy().starts_with("plan-"));
    let plans: Vec<Value> = plans.map(|one| serde_json::from_slice(&std::fs::read(one.path()).unwrap()).unwrap()).collect();
    assert!(plans.len() == 3 && plans.iter().all(|plan| !plan["tasks"].as_array().unwrap().is_empty()));
    let report = std::fs::read_to_string(cli.repo().join("report.md")).unwrap();
    assert!(report.contains(&format!("- `{short}` ")) && report.contains("Do the impossible: 0 of "), "{report}");
    assert!(report.contains("Say \"hello\" in German: 2 of 2 tasks"), "{report}");
}

#[test]
fn the_recipes_for_bash() {
    let (Ok(bash), Ok(_)) = (which::which("bash"), which::which("jq")) else { return missing("bash or jq") };
    let cli = world();
    let recipes = blocks("bash");
    assert_eq!(recipes.len(), 3);
    let mut conversation = String::new();
    for recipe in recipes {
        let said = run(&cli, &bash, &["-c", &format!("set -euo pipefail\n{recipe}")]);
        assert_eq!(said.code, 0, "{recipe}\n{}\n{}", said.text(), said.stderr);
        conversation += &said.stderr;
    }
    assert!(conversation.contains("Do the impossible: ") && conversation.contains("something needs a person"), "{conversation}");
    the_three_jobs_are_done(&cli);
}

#[test]
fn the_recipes_for_nushell() {
    let Some(nu) = nushell::find() else { return missing("Nushell") };
    let cli = world();
    let recipes = blocks("nu");
    assert_eq!(recipes.len(), 3);
    for recipe in recipes {
        let said = run(&cli, &nu, &["--no-config-file", "-c", &recipe]);
        assert_eq!(said.code, 0, "{recipe}\n{}\n{}", said.text(), said.stderr);
    }
    the_three_jobs_are_done(&cli);
}

#[test]
fn every_recipe_is_in_a_language_that_is_run() {
    let page = page();
    let fences: Vec<&str> = page.lines().filter_map(|line| line.strip_prefix("```")).filter(|rest| !rest.is_empty()).collect();
    assert_eq!(fences.iter().filter(|language| **language == "powershell").count(), 3);
    assert!(fences.iter().all(|language| ["csv", "bash", "nu", "powershell"].contains(language)), "{fences:?}");
    let pester = std::fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/powershell/Automation.Tests.ps1")).unwrap();
    assert!(pester.contains("docs/automation.md"), "the Pester test reads the page");
}

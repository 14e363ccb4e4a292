//! The program itself: help, completions, the tools' schemas, doctor, pipes.

use super::cli_world::{AURA, Cli, end_of, finish, task};
use serde_json::Value;
use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::Stdio;

const COMMANDS: [&str; 22] = [
    "new",
    "list",
    "show",
    "analyze",
    "decompose",
    "run",
    "wait",
    "status",
    "log",
    "retry",
    "cancel",
    "accept",
    "complete",
    "clean",
    "watch",
    "call",
    "mcp",
    "rescue",
    "doctor",
    "demo",
    "completions",
    "man",
];

#[test]
fn every_command_has_help() {
    let cli = Cli::new();
    let all = cli.run(&["--help"]);
    assert_eq!((all.code, all.stderr.as_str()), (0, ""));
    for command in COMMANDS {
        assert!(all.text().lines().any(|line| line.trim_start().starts_with(&format!("{command} "))), "`{command}` is not in the help");
        let help = cli.run(&[command, "--help"]);
        assert_eq!((help.code, help.stderr.as_str()), (0, ""), "{command}");
        assert!(help.text().contains(&format!("Usage: aura {command}")) && !help.text().contains('\u{1b}'), "{}", help.text());
        let longest = help.text().lines().map(|line| line.chars().count()).max();
        assert!(longest <= Some(120), "help of `{command}` is {longest:?} wide");
        assert!(!help.text().contains("[default: ]"), "{}", help.text());
    }
    for hidden in ["drive", "demo-agent", "supervise", "exec"] {
        assert!(!all.text().contains(&format!("\n  {hidden}")), "{hidden}");
    }
    let version = cli.run(&["--version"]);
    assert_eq!((version.code, version.text()), (0, concat!("aura ", env!("CARGO_PKG_VERSION"), "\n")));
    let nothing = cli.run::<&str>(&[]);
    assert_eq!((nothing.code, nothing.text()), (2, ""), "without a command, help is the conversation and not the answer");
    assert!(nothing.stderr.contains("Usage: aura"));
}

#[test]
fn shells_and_man_know_every_command() {
    let cli = Cli::new();
    for shell in ["bash", "zsh", "fish", "powershell", "elvish"] {
        let said = cli.run(&["completions", shell]);
        assert_eq!((said.code, said.stderr.as_str()), (0, ""), "{shell}");
        for word in COMMANDS.iter().chain(&["max-parallelism", "json"]) {
            assert!(said.text().contains(word), "{shell} does not know {word}");
        }
        for hidden in ["demo-agent", "supervise"] {
            assert!(!said.text().contains(hidden), "{shell} offers `{hidden}`, which is not for people");
        }
    }
    let man = cli.run(&["man"]);
    assert_eq!(man.code, 0);
    assert!(man.text().contains(".TH aura 1") && COMMANDS.iter().all(|command| man.text().contains(command)));
}

/// The contract of the tools: a change shows here. With `AURA_BLESS=1` the page is written anew.
#[test]
fn the_tools_are_what_they_were() {
    let cli = Cli::new();
    let said = cli.run(&["call", "--list"]);
    let tools = said.well();
    let golden = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden/tools.json");
    if std::env::var_os("AURA_BLESS").is_some() {
        std::fs::write(&golden, said.text()).unwrap();
    }
    let known: Value = serde_json::from_str(&std::fs::read_to_string(&golden).unwrap_or_default()).unwrap_or_default();
    let find = |list: &Value, name: &str| list.as_array().into_iter().flatten().find(|tool| tool["name"] == name).cloned();
    for tool in tools.as_array().unwrap() {
        let name = tool["name"].as_str().unwrap();
        assert_eq!(Some(tool), find(&known, name).as_ref(), "`{name}` has changed; if that is meant: AURA_BLESS=1 cargo test --test cli");
        assert_eq!(
            (&tool["inputSchema"]["type"], &tool["inputSchema"]["additionalProperties"]),
            (&"object".into(), &false.into()),
            "{name}"
        );
        for (field, schema) in tool["inputSchema"]["properties"].as_object().unwrap() {
            assert!(schema["description"].is_string(), "`{field}` of `{name}` is not described");
        }
        assert!(tool["description"].as_str().is_some_and(|text| text.len() > 20), "{name}");
    }
    assert_eq!(tools.as_array().unwrap().len(), known.as_array().map_or(0, Vec::len), "a tool is gone");
}

#[test]
fn doctor_says_what_is_missing_and_how_to_get_it() {
    let cli = Cli::new();
    std::fs::remove_file(cli.path("home/config.toml")).unwrap();
    let said = finish(cli.aura(&["doctor", "--json"]).env("PATH", "").env("NO_COLOR", "1"));
    assert_eq!((said.code, said.stderr.as_str()), (6, ""), "{}", said.text());
    let report = said.json();
    assert_eq!(report["ready"], false);
    let finding = |name: &str| report["findings"].as_array().unwrap().iter().find(|finding| finding["name"] == name).unwrap().clone();
    let git = finding("git");
    assert_eq!(git["health"], "missing");
    assert!(git["hint"].as_str().unwrap().contains("https://git-scm.com"), "{git}");
    assert_eq!((finding("agent")["health"].as_str(), finding("database")["health"].as_str()), (Some("missing"), Some("good")));
    let text = finish(cli.aura(&["doctor"]).env("PATH", ""));
    assert_eq!(text.code, 6);
    assert!(text.text().contains("✗ git") && text.text().contains("git-scm.com"), "{}", text.text());
    // A verb that needs git says the same.
    let problem = finish(cli.aura(&["new", "x", "--json"]).env("PATH", "")).refused(aura::error::Code::Unavailable);
    assert!(problem["hint"].as_str().unwrap().contains("git"), "{problem}");
    assert_eq!(cli.json(&["list"]).well()["count"], 0, "and leaves nothing");
    assert!(!cli.path("repo.aura").exists());

    std::fs::write(cli.path("home/config.toml"), super::cli_world::SETTINGS).unwrap();
    let well = cli.json(&["doctor"]);
    assert_eq!((well.code, &well.json()["ready"]), (0, &Value::Bool(true)), "{}", well.text());
    std::fs::write(cli.path("home/config.toml"), "nonsense = 1\n").unwrap();
    let bad = cli.json(&["doctor"]);
    assert!(bad.code == 6 && bad.text().contains("nonsense") && bad.text().contains("config.toml"), "{}", bad.text());
}

#[test]
fn a_reader_that_goes_away_is_not_an_error() {
    let cli = Cli::new();
    let id = cli.planned(&(0..200).map(|n| task(&format!("task-{n}"), &[])).collect::<Vec<_>>());
    for args in [&["status", &id, "--json"][..], &["show", &id], &["call", "--list"], &["completions", "zsh"]] {
        let mut child = cli.aura(args).stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
        let mut first = String::new();
        let mut reader = BufReader::with_capacity(64, child.stdout.take().unwrap());
        reader.read_line(&mut first).unwrap();
        drop(reader);
        let ended = child.wait_with_output().unwrap();
        assert_eq!((ended.status.code(), String::from_utf8_lossy(&ended.stderr).as_ref()), (Some(0), ""), "{args:?}");
        assert!(!first.is_empty());
    }
    // What follows for ever ends with the next event.
    let mut watch = cli.aura(&["watch", &id, "--since", "0", "--json"]).stdin(Stdio::null()).stdout(Stdio::piped()).spawn().unwrap();
    BufReader::with_capacity(64, watch.stdout.take().unwrap()).read_line(&mut String::new()).unwrap();
    cli.json(&["analyze", &id, "--facts-only"]).well();
    assert_eq!(end_of(watch).code, 0);
}

#[test]
fn text_is_for_people_and_plain_when_piped() {
    let cli = Cli::new();
    let id = cli.planned(&[task("task-1", &[]), task("task-2", &["task-1"])]);
    let mut all = String::new();
    for args in [
        &["list"][..],
        &["show", &id],
        &["analyze", &id, "--facts-only"],
        &["status", &id],
        &["run", &id, "--all"],
        &["log", &id, "task-1"],
        &["status", &id],
        &["complete", &id],
        &["clean", &id],
    ] {
        let said = finish(cli.aura(args).env("CLICOLOR_FORCE", "0"));
        assert_eq!(said.code, 0, "{args:?}: {}", said.stderr);
        assert!(said.text().ends_with('\n') && !said.text().ends_with("\n\n"), "{args:?}: {:?}", said.text());
        assert!(args[0] == "run" || said.stderr.is_empty(), "{args:?}: {}", said.stderr);
        all += &format!("{}{}", said.text(), said.stderr);
    }
    assert!(!all.contains('\u{1b}'), "{all:?}");
    assert!(!all.contains("null") && !all.contains("None") && !all.contains("\"\""), "{all}");
}

#[test]
fn a_home_is_made_for_its_owner_only() {
    let cli = Cli::new();
    let home = cli.path("deep/er/home");
    let said = finish(cli.command(AURA).args(["list", "--json"]).env("AURA_HOME", &home));
    assert_eq!(said.well()["count"], 0);
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt;
        let mode = |path: &Path| std::fs::metadata(path).unwrap().permissions().mode() & 0o077;
        assert_eq!((mode(&home), mode(&home.join("aura.db"))), (0, 0));
    }
}

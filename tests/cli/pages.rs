//! The pages of the documentation that people copy from: what they show is typed and read here.

use super::cli_world::{Cli, finish, task};
use serde_json::json;
use std::collections::BTreeSet;
use std::path::Path;

fn page(name: &str) -> String {
    std::fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("docs").join(name)).unwrap().replace("\r\n", "\n")
}

/// Fenced blocks of a language.
fn blocks(page: &str, language: &str) -> Vec<String> {
    let fence = format!("```{language}\n");
    page.split(&fence).skip(1).map(|rest| rest.split("```").next().unwrap().to_owned()).collect()
}

/// Words of a line, quotes respected; the comment is apart.
fn words(line: &str) -> (Vec<String>, &str) {
    let (line, comment) = line.split_once(" # ").unwrap_or((line, ""));
    let mut words = vec![];
    for (n, part) in line.split('"').enumerate() {
        if n % 2 == 1 {
            words.push(part.to_owned());
        } else {
            words.extend(part.split_ascii_whitespace().map(str::to_owned));
        }
    }
    (words, comment)
}

#[test]
fn the_page_of_commands_works_from_top_to_bottom() {
    let cli = Cli::new();
    std::fs::write(cli.repo().join("plan.json"), json!([task("task-1", &[]), task("task-2", &["task-1"])]).to_string()).unwrap();
    let page = page("cli.md");
    let mut typed = BTreeSet::new();
    for block in blocks(&page, "sh") {
        for line in block.split("\naura ").map(|line| line.strip_prefix("aura ").unwrap_or(line)) {
            let (words, comment) = words(line);
            let expected = comment.trim().strip_prefix("exit ").map_or(0, |code| code.parse().unwrap());
            let said = finish(&mut cli.aura(&words));
            assert_eq!(said.code, expected, "aura {words:?}: {}{}", said.text(), said.stderr);
            typed.insert(words[0].clone());
        }
    }
    let help = cli.run(&["--help"]);
    let commands = help.text().split("Commands:\n").nth(1).unwrap().split("\n\n").next().unwrap();
    for command in commands.lines().filter(|line| line.starts_with("  ") && !line.starts_with("   ")) {
        let command = command.split_ascii_whitespace().next().unwrap();
        let shown = typed.contains(command) || ["demo", "help"].contains(&command);
        assert!(shown, "docs/cli.md does not show `aura {command}`");
    }
}

/// Names of the keys that a refusal lists.
fn known_keys(cli: &Cli, settings: &str) -> BTreeSet<String> {
    std::fs::write(cli.path("home/config.toml"), settings).unwrap();
    let said = cli.json(&["new", "x"]);
    let problem = said.json();
    let detail = problem["detail"].as_str().unwrap_or_else(|| panic!("{settings}: {problem}"));
    let list = detail.split("expected one of ").nth(1).unwrap_or_else(|| panic!("{settings}: {detail}"));
    list.split('`').skip(1).step_by(2).map(str::to_owned).collect()
}

#[test]
fn the_page_of_settings_names_every_key_and_no_other() {
    let cli = Cli::new();
    let page = page("configuration.md");
    let shown = blocks(&page, "toml");
    // All of it is accepted at once.
    let mut whole: toml::Table = shown.concat().parse().unwrap();
    whole.insert("agent".into(), "mine".into());
    whole["agents"]["mine"].as_table_mut().unwrap().insert("program".into(), "aura".into());
    std::fs::write(cli.path("home/config.toml"), whole.to_string()).unwrap();
    cli.json(&["new", "x"]).well();
    for (table, settings) in [
        ("", "nonsense = 1"),
        ("limits", "[limits]\nnonsense = 1"),
        ("agents", "[agents.x]\nnonsense = 1"),
        ("planners", "[planners.x]\nnonsense = 1"),
        ("gate", "[gate]\nnonsense = 1"),
        ("complete", "[complete]\nnonsense = 1"),
        ("forge", "[forge]\nnonsense = 1"),
        ("gate.checks", "[gate]\nchecks = [{ nonsense = 1 }]"),
    ] {
        let known = known_keys(&cli, settings);
        let documented: BTreeSet<String> = match table {
            "" => whole.keys().cloned().collect(),
            "gate.checks" => {
                whole["gate"]["checks"].as_array().unwrap().iter().flat_map(|check| check.as_table().unwrap().keys().cloned()).collect()
            }
            "agents" | "planners" => {
                whole[table].as_table().unwrap().values().flat_map(|entry| entry.as_table().unwrap().keys().cloned()).collect()
            }
            table => whole[table].as_table().unwrap().keys().cloned().collect(),
        };
        let known: BTreeSet<String> = known.into_iter().filter(|key| key != "endpoint").collect();
        assert_eq!(documented, known, "docs/configuration.md and the keys of [{table}] differ");
    }
}

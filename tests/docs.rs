//! What the documents say is true: examples load, links lead somewhere, every command is described.
#![allow(clippy::unwrap_used)]

use aura::config::Config;
use std::path::Path;

fn read(name: &str) -> String {
    std::fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join(name)).unwrap()
}

#[test]
fn the_example_of_the_configuration_loads() {
    let page = read("docs/configuration.md");
    let example = page.split("```toml\n").nth(1).unwrap().split("```").next().unwrap();
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("aura.toml"), example).unwrap();
    let config = Config::load(Path::new("/nowhere"), Some(folder.path())).unwrap();
    assert_eq!((config.agents.len(), config.planners.len(), config.bounds.limits.repairs_max), (2, 1, 2));
}

#[test]
fn every_command_and_tool_is_described() {
    let page = read("docs/cli.md");
    for verb in aura::ops::VERBS {
        assert!(page.contains(&format!("`{}`", verb.name)), "{}", verb.name);
    }
    for command in aura::edge::cli::command().get_subcommands().filter(|command| !command.is_hide_set()) {
        assert!(page.contains(&format!("aura {}", command.get_name())), "{}", command.get_name());
    }
}

#[test]
fn links_between_the_documents_lead_somewhere() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut pages = vec![root.join("README.md")];
    for folder in ["docs", "docs/decisions"] {
        let entries = std::fs::read_dir(root.join(folder)).unwrap();
        pages.extend(entries.flatten().map(|entry| entry.path()).filter(|path| path.extension().is_some_and(|e| e == "md")));
    }
    for page in pages {
        let text = std::fs::read_to_string(&page).unwrap();
        for link in text.split("](").skip(1).filter_map(|rest| rest.split(')').next()).filter(|link| !link.starts_with("http")) {
            let target = page.parent().unwrap().join(link.split('#').next().unwrap());
            assert!(target.exists(), "{} in {}", link, page.display());
        }
    }
}

#[test]
fn the_readme_names_the_two_commands_that_ci_runs() {
    let (readme, ci) = (read("README.md"), read(".ci/run"));
    for (shown, run) in [("cargo run --release -- demo", "cargo run --release --locked -- demo"), ("cargo test", "cargo test --locked")] {
        assert!(readme.contains(shown) && ci.contains(run), "{shown}");
    }
}

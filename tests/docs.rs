//! What the documents say is true: links lead somewhere, and the README's commands are those that CI runs. (Settings and commands: `tests/cli`.)
#![allow(clippy::unwrap_used)]

use aura::ops::{Effect, VERBS};
use std::path::Path;

fn read(name: &str) -> String {
    std::fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join(name)).unwrap()
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
fn the_page_for_assistants_lists_the_tools() {
    let page = read("docs/mcp.md").replace("\r\n", "\n");
    let section = page.split("## Tools").nth(1).unwrap().split("\n\nThe order").next().unwrap();
    let shown: Vec<Vec<&str>> =
        section.lines().filter(|line| line.starts_with("| `")).map(|row| row.split('|').map(str::trim).skip(1).take(3).collect()).collect();
    let kind = |effect: Effect| match effect {
        Effect { read_only: true, .. } => "reads",
        Effect { destructive: true, .. } => "may destroy",
        Effect { .. } => "changes",
    };
    let real: Vec<[String; 3]> =
        VERBS.iter().map(|verb| [format!("`{}`", verb.name), verb.toolset.name().into(), kind(verb.effect).into()]).collect();
    assert_eq!(shown, real);
}

#[test]
fn the_readme_names_the_two_commands_that_ci_runs() {
    let (readme, ci) = (read("README.md"), read(".ci/run"));
    for (shown, run) in [("cargo run --release -- demo", "cargo run --release --locked -- demo"), ("cargo test", "cargo test --locked")] {
        assert!(readme.contains(shown) && ci.contains(run), "{shown}");
    }
}

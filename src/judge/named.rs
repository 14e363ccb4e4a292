//! What the checks name: programs and scripts inside the repository, and what those name in turn. A file of production
//! code that a script runs is not one of them, or else every change would be one of the judge.

use super::syntax::Lang;
use super::{CheckLine, Trees};
use std::collections::BTreeSet;

/// Scripts that are read for what they name.
const FILES_MAX: usize = 200;
const BYTES_MAX: usize = 256 * 1024;

/// Folders whose files are there to check and to build.
const TOOLS: [&str; 13] =
    ["scripts", "script", "tools", "tool", "ci", "hack", "bin", "build", "checks", "check", ".ci", "dev", "test-scripts"];

/// Files of the base that the checks name.
pub(super) fn by_checks(trees: &Trees<'_>, checks: &[CheckLine]) -> BTreeSet<String> {
    let mut found = BTreeSet::new();
    let mut open: Vec<String> = vec![];
    for check in checks {
        for (at, word) in check.argv.iter().enumerate() {
            // Words of a line for a shell, or a file as it is.
            let words = if word.contains(char::is_whitespace) { words(word) } else { vec![word.clone()] };
            for word in words {
                let is_program = at == 0 || check.argv.len() > 1;
                for path in resolve(trees, &word, &[&check.folder]).into_iter().filter(|_| is_program) {
                    if found.insert(path.clone()) {
                        open.push(path);
                    }
                }
            }
        }
        // The scripts of package.json and the recipes of a Makefile name files too.
        for name in ["package.json", "Makefile", "makefile", "justfile"] {
            let path = joined(&check.folder, name);
            if trees.base_files.contains(&path) {
                follow(trees, &path, &check.folder, &mut found, &mut open);
            }
        }
    }
    let mut read = 0;
    while let Some(path) = open.pop() {
        read += 1;
        if read > FILES_MAX {
            break;
        }
        let folder = path.rsplit_once('/').map_or(".", |(folder, _)| folder).to_owned();
        follow(trees, &path, &folder, &mut found, &mut open);
    }
    found
}

/// Adds what one file names.
fn follow(trees: &Trees<'_>, path: &str, folder: &str, found: &mut BTreeSet<String>, open: &mut Vec<String>) {
    let Some(bytes) = (trees.base)(path).filter(|bytes| bytes.len() <= BYTES_MAX) else { return };
    let Ok(text) = String::from_utf8(bytes) else { return };
    let own_folder = path.rsplit_once('/').map_or(".", |(folder, _)| folder);
    for word in words(&text) {
        for named in resolve(trees, &word, &[own_folder, folder, "."]) {
            if named != path && decides(trees, &named, own_folder) && found.insert(named.clone()) {
                open.push(named);
            }
        }
    }
}

/// Words that may be paths.
fn words(text: &str) -> Vec<String> {
    let is_part = |c: char| c.is_alphanumeric() || matches!(c, '.' | '_' | '-' | '/' | '@');
    text.split(|c: char| !is_part(c)).filter(|word| word.len() > 1 && word.len() < 200).map(str::to_owned).collect()
}

fn joined(folder: &str, name: &str) -> String {
    let mut parts: Vec<&str> = vec![];
    for part in folder.split('/').chain(name.split('/')).filter(|part| !part.is_empty() && *part != ".") {
        if part == ".." {
            parts.pop();
        } else {
            parts.push(part);
        }
    }
    parts.join("/")
}

/// Files of the base that a word may mean: as it stands, with the ending of a script, or as a module.
fn resolve(trees: &Trees<'_>, word: &str, folders: &[&str]) -> Vec<String> {
    let is_plain = !word.contains('/') && !word.contains('.');
    let endings: &[&str] = if is_plain { &["", ".py", ".sh"] } else { &["", ".py", ".js", ".mjs", ".ts", ".sh"] };
    let mut found = vec![];
    for folder in folders {
        for ending in endings {
            let path = joined(folder, &format!("{}{ending}", word.trim_end_matches('.')));
            if trees.base_files.contains(&path) && !found.contains(&path) {
                found.push(path);
            }
        }
    }
    found
}

/// Whether a file that is named by a script decides, or is what the script works on.
fn decides(trees: &Trees<'_>, path: &str, by: &str) -> bool {
    let name = path.rsplit('/').next().unwrap_or(path);
    let ending = name.rsplit_once('.').map_or("", |(_, ending)| ending);
    if matches!(ending, "md" | "txt" | "rst" | "lock") && !path.contains("expected") && !path.contains("golden") {
        return false;
    }
    // What else decides of these is known by its parts.
    if matches!(name, "package.json" | "Makefile" | "Cargo.toml" | "pyproject.toml" | "setup.cfg" | "tsconfig.json" | "go.mod") {
        return false;
    }
    let in_tools = path.split('/').rev().skip(1).any(|part| TOOLS.contains(&part));
    let beside = by != "." && path.rsplit_once('/').is_some_and(|(folder, _)| folder == by);
    let is_shell = matches!(ending, "sh" | "bash" | "ps1" | "bat" | "cmd" | "mk" | "bats");
    let is_code =
        Lang::of(path).is_some() || matches!(ending, "c" | "cc" | "cpp" | "h" | "hpp" | "rb" | "php" | "kt" | "swift" | "html" | "css");
    let starts = (trees.base)(path).is_some_and(|bytes| bytes.starts_with(b"#!"));
    let is_tool = beside && by.split('/').any(|part| TOOLS.contains(&part));
    in_tools || is_shell || starts || is_tool || !is_code
}

//! Task runners, just and make: for code that no ecosystem covers.
//!
//! Where an ecosystem's own project is found, its commands are used and not the recipes: a recipe may watch, deploy or
//! need a container, hide an exit code, and run the same tests a second time. A repository that wants its recipes says
//! so in `aura.toml`.

use super::tree::{Folder, Tree};
use super::{Programs, Project, build, ends_in, test, within};
use crate::domain::CheckKind;

/// Endings of source files of which we know no ecosystem: a runner is the only way to build them.
const OTHERS: [&str; 24] = [
    "c", "cc", "cpp", "cxx", "h", "hpp", "m", "mm", "f90", "f95", "zig", "hs", "ml", "ex", "erl", "rb", "php", "swift", "nim", "d", "v",
    "vhd", "lua", "tex",
];
const JUSTFILES: [&str; 4] = ["justfile", ".justfile", "Justfile", "JUSTFILE"];
const MAKEFILES: [&str; 3] = ["GNUmakefile", "makefile", "Makefile"];

pub(super) fn projects(tree: &Tree, programs: &Programs, found: &[Project]) -> Vec<Project> {
    let mut projects: Vec<Project> = Vec::new();
    for folder in &tree.folders {
        // A runner above is taken to call the one below.
        if projects.iter().any(|above| within(&folder.path, &above.folder)) || is_covered(tree, folder, found) {
            continue;
        }
        let checks =
            [CheckKind::Build, CheckKind::Test].into_iter().filter_map(|kind| recipe(tree, folder, programs, kind)).collect::<Vec<_>>();
        if !checks.is_empty() {
            projects.push(Project { folder: folder.path.clone(), checks });
        }
    }
    projects
}

/// Whether the code of a folder is in somebody's hands already: a project holds it, or projects hold all that is below.
fn is_covered(tree: &Tree, folder: &Folder, found: &[Project]) -> bool {
    let held = |path: &str| found.iter().any(|project| !project.checks.is_empty() && within(path, &project.folder));
    let any_below = found.iter().any(|project| !project.checks.is_empty() && within(&project.folder, &folder.path));
    let other = |file: &String| ends_in(file, &OTHERS);
    held(&folder.path) || (any_below && !tree.below(&folder.path).any(|below| !held(&below.path) && below.files.iter().any(other)))
}

/// just before make, unless just is not installed and make could do it.
fn recipe(tree: &Tree, folder: &Folder, programs: &Programs, kind: CheckKind) -> Option<super::Check> {
    let (just_names, make_names): (&[&str], &[&str]) = match kind {
        CheckKind::Setup => return None,
        CheckKind::Build => (&["build"], &["build", "all"]),
        CheckKind::Test => (&["test"], &["test", "check"]),
    };
    let text = |names: &[&str]| folder.first(names).and_then(|name| tree.read(&folder.file(name))).unwrap_or_default();
    let pick = |have: Vec<String>, names: &[&'static str]| names.iter().copied().find(|name| have.iter().any(|have| have == name));
    let just = pick(just_recipes(&text(&JUSTFILES)), just_names).map(|name| ("just", name));
    let make = pick(make_targets(&text(&MAKEFILES)), make_names).map(|name| ("make", name));
    let just_missing = programs.find("just", &tree.dir(&folder.path)).is_none();
    let (program, name) = if just_missing { make.or(just) } else { just.or(make) }?;
    let make_check = if kind == CheckKind::Test { test } else { build };
    Some(make_check(&folder.path, &format!("{program} {name}"), &[program, name]))
}

/// Recipes that can be run without arguments.
fn just_recipes(text: &str) -> Vec<String> {
    let mut names = Vec::new();
    for line in text.lines().filter(|line| !line.starts_with([' ', '\t', '#', '['])) {
        let Some((head, rest)) = line.split_once(':') else { continue };
        let mut words = head.trim_start_matches('@').split_whitespace();
        let (Some(name), false) = (words.next(), rest.starts_with('=')) else { continue };
        // A parameter is fine if it has a default, or takes any number.
        if words.all(|word| word.contains('=') || word.starts_with('*')) {
            names.push(name.to_owned());
        }
    }
    names
}

fn make_targets(text: &str) -> Vec<String> {
    let mut names = Vec::new();
    for line in text.lines().filter(|line| !line.starts_with(['\t', ' ', '#', '.'])) {
        let Some((head, rest)) = line.split_once(':') else { continue };
        let assignment =
            rest.starts_with('=') || rest.starts_with(":=") || head.contains('=') || rest.trim_start().starts_with("override ");
        if !assignment {
            names.extend(head.split_whitespace().map(str::to_owned));
        }
    }
    names
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn targets_of_make_are_told_from_assignments_and_recipes() {
        let text = "CC := gcc\nX ::= 1\nOUT = a:b\n.PHONY: test\nall: prog\nprog other: main.c\n\tcc -o x: y\n# note: no\ncheck:: prog\n%.o: %.c\n";
        assert_eq!(make_targets(text), ["all", "prog", "other", "check", "%.o"]);
    }

    #[test]
    fn recipes_of_just_that_need_an_argument_are_not_offered() {
        let text = "set shell := ['x']\nv := '1'\nalias t := test\n# build: no\n[private]\n@build: deps\n    echo a: b\ntest *args:\n    x\nrun file:\n    x\nfmt mode=\"a\":\n    x\n";
        assert_eq!(just_recipes(text), ["build", "test", "fmt"]);
    }
}

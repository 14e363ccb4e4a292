//! Finds the projects of a checkout and the commands that build and test them.
//!
//! One look at the folders ([`Tree`]), then one function per ecosystem, each of which knows what covers what in its own
//! world, so that nothing is run twice. Task runners come last: they are for code that no ecosystem covers. Nothing is
//! executed here (but `git ls-files`), nothing is guessed from the contents of source code.

mod cargo;
mod dotnet;
mod go;
mod jvm;
mod node;
mod python;
mod runner;
#[cfg(test)]
mod tests;
mod tree;

use super::{CHECKS_MAX, Check, DEADLINE, Found, Programs, label};
use crate::domain::CheckKind;
use std::path::Path;
use tree::{Side, Tree};

/// A folder with checks of its own.
struct Project {
    folder: String,
    checks: Vec<Check>,
}

/// The checks of the checkout at `root`, builds before tests, projects near the root first; at most [`CHECKS_MAX`].
#[must_use]
pub fn detect(root: &Path, programs: &Programs) -> Found {
    let projects = projects(&Tree::look(root, Side::LeftOut), programs);
    // Examples and the like count only where there is nothing else.
    let projects = if projects.is_empty() { self::projects(&Tree::look(root, Side::Included), programs) } else { projects };
    limited(projects)
}

fn projects(tree: &Tree, programs: &Programs) -> Vec<Project> {
    let families = [cargo::projects, go::projects, dotnet::projects, jvm::projects, node::projects, python::projects];
    let mut found: Vec<Project> = families.iter().flat_map(|family| family(tree, programs)).collect();
    let runners = runner::projects(tree, programs, &found);
    found.extend(runners);
    found.retain(|project| !project.checks.is_empty());
    found.sort_by_key(|project| (depth(&project.folder), project.folder.clone()));
    found
}

/// Whole projects are left out, never half of one: a test without its build says nothing.
fn limited(projects: Vec<Project>) -> Found {
    let mut found = Found::default();
    for project in projects {
        if found.left_out.is_empty() && found.checks.len() + project.checks.len() <= CHECKS_MAX {
            found.checks.extend(project.checks);
        } else {
            found.left_out.extend(project.checks.iter().map(|check| label(&check.folder, &check.name)));
        }
    }
    found.checks.sort_by_key(|check| check.kind == CheckKind::Test);
    found
}

/// Whether a file has one of these endings, in the spelling that every tool writes.
fn ends_in(file: &str, endings: &[&str]) -> bool {
    file.rsplit_once('.').is_some_and(|(_, ending)| endings.contains(&ending))
}

/// How far below the root: 0 for `.`, 1 for `a`, 2 for `a/b`.
fn depth(folder: &str) -> usize {
    match folder {
        "." => 0,
        folder => folder.split('/').count(),
    }
}

/// Whether `folder` lies in `above`, or is it.
fn within(folder: &str, above: &str) -> bool {
    above == "." || folder == above || folder.strip_prefix(above).is_some_and(|rest| rest.starts_with('/'))
}

/// `folder` as seen from `above`, which holds it: `a/b/c` from `a` is `b/c`.
fn relative<'a>(folder: &'a str, above: &str) -> &'a str {
    match above {
        "." => folder,
        above => folder.strip_prefix(above).map_or(folder, |rest| rest.trim_start_matches('/')),
    }
}

fn build(folder: &str, name: &str, argv: &[&str]) -> Check {
    check(CheckKind::Build, folder, name, argv)
}

fn test(folder: &str, name: &str, argv: &[&str]) -> Check {
    check(CheckKind::Test, folder, name, argv)
}

fn check(kind: CheckKind, folder: &str, name: &str, argv: &[&str]) -> Check {
    Check {
        name: name.to_owned(),
        kind,
        folder: folder.to_owned(),
        argv: argv.iter().map(|&word| word.to_owned()).collect(),
        deadline: DEADLINE,
        good_codes: Vec::new(),
    }
}

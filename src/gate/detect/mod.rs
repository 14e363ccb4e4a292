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

use super::{CHECKS_MAX, Check, Format, Found, Programs, Report, label};
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

/// Names of files that say what has to be fetched.
const MANIFESTS: [&str; 24] = [
    "package.json",
    "package-lock.json",
    "npm-shrinkwrap.json",
    "pnpm-lock.yaml",
    "pnpm-workspace.yaml",
    "yarn.lock",
    "bun.lock",
    "bun.lockb",
    ".npmrc",
    ".yarnrc.yml",
    "pyproject.toml",
    "poetry.lock",
    "pdm.lock",
    "uv.lock",
    "Pipfile.lock",
    "setup.py",
    "setup.cfg",
    "go.mod",
    "go.sum",
    "packages.lock.json",
    "global.json",
    "nuget.config",
    "NuGet.config",
    "NuGet.Config",
];

/// What a set-up of the checkout at `root` depends on, as one word: its steps, and every file that says what to fetch.
#[must_use]
pub fn setup_key(root: &Path, steps: &[Check]) -> String {
    let tree = Tree::look(root, Side::Included);
    let counts = |name: &str| {
        MANIFESTS.contains(&name)
            || ends_in(name, &["csproj", "fsproj", "vbproj", "props", "targets", "sln", "slnx", "slnf"])
            || (name.starts_with("requirements") && ends_in(name, &["txt"]))
    };
    let files = tree.folders.iter().flat_map(|folder| folder.files.iter().filter(|name| counts(name)).map(|name| folder.file(name)));
    let tools = tree.folders.iter().map(|folder| folder.file(dotnet::TOOLS));
    let texts = files.chain(tools).filter_map(|path| Some(format!("{path}\0{}\0", tree.read(&path)?)));
    let words = steps.iter().map(|step| format!("{}\0{}\0", step.folder, step.argv.join("\0")));
    // FNV-1a: the same in every version of Aura.
    let hash = words.chain(texts).fold(0xcbf2_9ce4_8422_2325_u64, |hash, text| {
        text.bytes().fold(hash, |hash, byte| (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3))
    });
    format!("{hash:016x}")
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
    found.checks.sort_by_key(|check| check.kind);
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

fn setup(folder: &str, name: &str, argv: &[&str]) -> Check {
    Check::new(CheckKind::Setup, folder, name, argv)
}

fn build(folder: &str, name: &str, argv: &[&str]) -> Check {
    Check::new(CheckKind::Build, folder, name, argv)
}

fn test(folder: &str, name: &str, argv: &[&str]) -> Check {
    Check::new(CheckKind::Test, folder, name, argv)
}

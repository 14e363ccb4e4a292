//! Node: npm, pnpm, yarn and bun. Only scripts that exist are run; a workspace covers its members.

use super::tree::{Folder, Tree, listed};
use super::{Check, Format, Programs, Project, Report, build, setup, test};
use crate::domain::CheckKind;
use serde_json::Value;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Manager {
    Npm,
    Pnpm,
    /// Yarn 1.
    YarnClassic,
    /// Yarn 2 and later.
    Yarn,
    Bun,
}

/// A lock file and whose it is. Yarn's is looked into.
const LOCKS: [(&str, Manager); 6] = [
    ("pnpm-lock.yaml", Manager::Pnpm),
    ("yarn.lock", Manager::Yarn),
    ("bun.lock", Manager::Bun),
    ("bun.lockb", Manager::Bun),
    ("package-lock.json", Manager::Npm),
    ("npm-shrinkwrap.json", Manager::Npm),
];

struct Package<'a> {
    folder: &'a Folder,
    json: Value,
}

impl Package<'_> {
    /// Whether it has a script that does something; what `npm init` writes as a test is none.
    fn runs(&self, script: &str) -> bool {
        let line = self.json["scripts"][script].as_str().unwrap_or_default();
        !line.trim().is_empty() && !line.contains("no test specified")
    }
    fn has_dependencies(&self) -> bool {
        let names = ["dependencies", "devDependencies", "optionalDependencies"];
        names.iter().any(|name| self.json[name].as_object().is_some_and(|table| !table.is_empty()))
    }
}

pub(super) fn projects(tree: &Tree, _programs: &Programs) -> Vec<Project> {
    let packages: Vec<Package> = tree
        .folders
        .iter()
        .filter(|folder| folder.has("package.json"))
        .map(|folder| {
            let json = tree.read(&folder.file("package.json")).and_then(|text| serde_json::from_str(&text).ok());
            Package { folder, json: json.unwrap_or_default() }
        })
        .collect();
    let mut covered: Vec<&str> = Vec::new();
    let mut projects = Vec::new();
    for package in &packages {
        if covered.contains(&package.folder.path.as_str()) {
            continue;
        }
        let patterns = workspaces(tree, package);
        let of_package = |other: &&Package| listed(&patterns, &other.folder.path, &package.folder.path);
        let members: Vec<&Package> = packages.iter().filter(of_package).collect();
        covered.extend(members.iter().map(|member| member.folder.path.as_str()));
        projects.push(project(tree, package, &members));
    }
    projects
}

fn project(tree: &Tree, package: &Package, members: &[&Package]) -> Project {
    let folder = package.folder.path.as_str();
    let (manager, lock) = manager(tree, package);
    let mut checks = scripts(manager, package, members, "build");
    checks.extend(scripts(manager, package, members, "test"));
    let dependencies = package.has_dependencies() || members.iter().any(|member| member.has_dependencies());
    if !checks.is_empty() && dependencies && !is_installed(tree, package.folder, manager, lock) {
        let argv = install(manager, lock.is_some());
        checks.insert(0, setup(folder, &argv[..2].join(" "), argv));
    }
    Project { folder: folder.to_owned(), checks }
}

/// The manager, and the lock file if there is one. The lock file decides; of several, the one that `packageManager` names.
fn manager(tree: &Tree, package: &Package) -> (Manager, Option<&'static str>) {
    let wanted = package.json["packageManager"].as_str().unwrap_or_default();
    let named = match wanted.split('@').next().unwrap_or_default() {
        "pnpm" => Some(Manager::Pnpm),
        "yarn" => Some(Manager::Yarn),
        "bun" => Some(Manager::Bun),
        "npm" => Some(Manager::Npm),
        _ => None,
    };
    let present = || LOCKS.iter().copied().filter(|(lock, _)| package.folder.has(lock));
    let found = present().find(|(_, manager)| Some(*manager) == named).or_else(|| present().next());
    let (manager, lock) = match found {
        Some((lock, manager)) => (manager, Some(lock)),
        None => (named.unwrap_or(Manager::Npm), None),
    };
    let old_lock = || lock.and_then(|lock| tree.read(&package.folder.file(lock))).is_some_and(|text| text.contains("# yarn lockfile v1"));
    let classic = wanted.starts_with("yarn@1.") || (!wanted.starts_with("yarn@") && !package.folder.has(".yarnrc.yml") && old_lock());
    if manager == Manager::Yarn && classic { (Manager::YarnClassic, lock) } else { (manager, lock) }
}

/// `workspaces` of the manifest, or `packages` of pnpm's file.
fn workspaces(tree: &Tree, package: &Package) -> Vec<String> {
    let table = &package.json["workspaces"];
    let list = table.as_array().or_else(|| table["packages"].as_array());
    let mut patterns: Vec<String> = list.into_iter().flatten().filter_map(|value| value.as_str().map(str::to_owned)).collect();
    let text = tree.read(&package.folder.file("pnpm-workspace.yaml")).unwrap_or_default();
    let mut inside = false;
    for line in text.lines().map(|line| line.split(" #").next().unwrap_or_default().trim_end()) {
        let item = line.trim_start().strip_prefix("- ").filter(|_| inside);
        match item {
            Some(item) => patterns.push(item.trim().trim_matches(['"', '\'']).to_owned()),
            None if line.is_empty() || line.starts_with('#') => {}
            None => inside = line == "packages:",
        }
    }
    patterns
}

/// The checks for one script: at the root if it has it, else in the members that do.
fn scripts(manager: Manager, package: &Package, members: &[&Package], script: &str) -> Vec<Check> {
    let folder = package.folder.path.as_str();
    if package.runs(script) {
        let line = package.json["scripts"][script].as_str().unwrap_or_default();
        return vec![reporting(run(manager, folder, script), manager, line)];
    }
    let with: Vec<&&Package> = members.iter().filter(|member| member.runs(script)).collect();
    let make = if script == "test" { test } else { build };
    if with.is_empty() {
        return Vec::new();
    }
    match manager {
        Manager::Npm => vec![make(folder, &format!("npm run {script}"), &["npm", "run", script, "--workspaces", "--if-present"])],
        Manager::Pnpm => vec![make(folder, &format!("pnpm -r {script}"), &["pnpm", "-r", "--if-present", "run", script])],
        Manager::Yarn | Manager::YarnClassic | Manager::Bun => {
            with.iter().map(|member| run(manager, &member.folder.path, script)).collect()
        }
    }
}

/// Asks the runner of a script for its report, where the script is nothing but that runner.
fn reporting(check: Check, manager: Manager, line: &str) -> Check {
    if check.kind != CheckKind::Test || line.contains(['&', '|', ';', '<', '>', '`', '$', '"', '\'']) {
        return check;
    }
    let words: Vec<&str> = line.split_whitespace().skip_while(|word| word.contains('=') || *word == "cross-env").collect();
    let has = |option: &str| words.iter().any(|word| word.starts_with(option));
    let asked = match words.first() {
        Some(&"jest") if !has("--json") && !has("--outputFile") => (Format::Jest, ["--json", "--outputFile={results}/jest.json"].to_vec()),
        Some(&"vitest") if !has("--reporter") && !has("--outputFile") => {
            (Format::Junit, ["--reporter=default", "--reporter=junit", "--outputFile.junit={results}/vitest.xml"].to_vec())
        }
        Some(_) | None => return check,
    };
    let (format, mut args) = asked;
    // npm hands on what comes after this; the others hand on everything, and this too.
    if manager == Manager::Npm {
        args.insert(0, "--");
    }
    Check { report: Some(Report::asked(format, &args)), ..check }
}

fn run(manager: Manager, folder: &str, script: &str) -> Check {
    let program = match manager {
        Manager::Npm => "npm",
        Manager::Pnpm => "pnpm",
        Manager::Yarn | Manager::YarnClassic => "yarn",
        Manager::Bun => "bun",
    };
    match script {
        "test" if matches!(manager, Manager::Npm | Manager::Pnpm) => test(folder, &format!("{program} test"), &[program, "test"]),
        "test" => test(folder, &format!("{program} run test"), &[program, "run", "test"]),
        script => build(folder, &format!("{program} run {script}"), &[program, "run", script]),
    }
}

/// How dependencies are installed without changing a file of the repository.
fn install(manager: Manager, locked: bool) -> &'static [&'static str] {
    match (manager, locked) {
        (Manager::Npm, true) => &["npm", "ci", "--no-audit", "--no-fund"],
        (Manager::Npm, false) => &["npm", "install", "--no-package-lock", "--no-audit", "--no-fund"],
        (Manager::Pnpm, true) => &["pnpm", "install", "--frozen-lockfile"],
        (Manager::Pnpm, false) => &["pnpm", "install", "--no-lockfile"],
        (Manager::Yarn, true) => &["yarn", "install", "--immutable"],
        (Manager::Yarn, false) => &["yarn", "install", "--no-immutable"],
        (Manager::YarnClassic, true) => &["yarn", "install", "--frozen-lockfile", "--non-interactive"],
        (Manager::YarnClassic, false) => &["yarn", "install", "--no-lockfile", "--non-interactive"],
        (Manager::Bun, true) => &["bun", "install", "--frozen-lockfile"],
        (Manager::Bun, false) => &["bun", "install", "--no-save"],
    }
}

/// Whether an installation has been finished since the lock file was last written. Each manager leaves a file at its
/// very end; a mere `node_modules` may be half an installation, or one for an older commit.
fn is_installed(tree: &Tree, folder: &Folder, manager: Manager, lock: Option<&str>) -> bool {
    let mark = match manager {
        Manager::Npm => "node_modules/.package-lock.json",
        Manager::Pnpm => "node_modules/.modules.yaml",
        Manager::Yarn if tree.dir(&folder.path).join("node_modules").is_dir() => "node_modules/.yarn-state.yml",
        Manager::Yarn => ".yarn/install-state.gz",
        Manager::YarnClassic => "node_modules/.yarn-integrity",
        Manager::Bun => "node_modules",
    };
    let modified = |name: &str| tree.modified(&folder.file(name));
    match (modified(mark), modified(lock.unwrap_or("package.json"))) {
        (Some(installed), Some(wanted)) => installed >= wanted,
        (None, _) | (_, None) => false,
    }
}

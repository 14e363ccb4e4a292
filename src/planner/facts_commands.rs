//! Likely build and test commands, as the build files and the continuous integration name them. Never run from here;
//! what the gate runs is the gate's own decision.
#![allow(clippy::case_sensitive_file_extension_comparisons)] // build tools are as strict about their file names

use super::facts::{BuildSystem, Reader, depth, tidy_line};
use serde::{Deserialize, Serialize};

/// One command that probably builds, tests or checks.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Command {
    /// `build`, `test`, `lint`, or `ci` for what continuous integration runs.
    pub kind: String,
    /// Folder it is run in; empty for the top.
    pub folder: String,
    pub command: String,
    /// The file that says so.
    pub from: String,
}

const COMMANDS_MAX: usize = 40;
/// Folders of one build system for which commands are given.
const FOLDERS_EACH_MAX: usize = 3;
const FILE_BYTES_MAX: usize = 32 * 1024;
const WORKFLOWS_MAX: usize = 4;
const CI_LINES_MAX: usize = 12;

pub(super) fn find(files: &[(String, u64)], systems: &[BuildSystem], reader: &mut Reader<'_>) -> Vec<Command> {
    let mut commands: Vec<Command> = vec![];
    for system in systems {
        // A workspace's top file speaks for what is below it.
        let top = depth(&system.files[0]);
        let mut folders: Vec<&str> = vec![];
        for file in system.files.iter().filter(|file| depth(file) == top) {
            let folder = file.rsplit_once('/').map_or("", |(folder, _)| folder);
            if folders.contains(&folder) || folders.len() == FOLDERS_EACH_MAX {
                continue;
            }
            folders.push(folder);
            let mut add = |kind: &str, command: &str| {
                commands.push(Command { kind: kind.into(), folder: folder.into(), command: tidy_line(command), from: file.clone() });
            };
            match system.name.as_str() {
                "Node" => node(files, folder, reader.text(file, FILE_BYTES_MAX), &mut add),
                "Make" | "just" => targets(&system.name, reader.text(file, FILE_BYTES_MAX), &mut add),
                "Python" => python(files, folder, &mut add),
                "Maven" | "Gradle" => wrapped(&system.name, files, folder, &mut add),
                name => known(name).iter().for_each(|(kind, command)| add(kind, command)),
            }
        }
    }
    commands.sort_by_key(|command| depth(&command.from));
    let mut workflows: Vec<&str> = files.iter().map(|(path, _)| path.as_str()).filter(|path| is_workflow(path)).collect();
    workflows.sort_by_key(|path| (!path.contains("ci") && !path.contains("test") && !path.contains("build"), *path));
    for path in workflows.into_iter().take(WORKFLOWS_MAX) {
        if let Some(text) = reader.text(path, FILE_BYTES_MAX) {
            let steps = ci_steps(&text).into_iter().take(CI_LINES_MAX);
            commands.extend(steps.map(|command| Command { kind: "ci".into(), folder: String::new(), command, from: path.to_owned() }));
        }
    }
    commands.truncate(COMMANDS_MAX);
    commands
}

// tidy: flat match
fn known(system: &str) -> &'static [(&'static str, &'static str)] {
    match system {
        "Cargo" => &[("build", "cargo build"), ("test", "cargo test"), ("lint", "cargo clippy")],
        "Go" => &[("build", "go build ./..."), ("test", "go test ./..."), ("lint", "go vet ./...")],
        ".NET" => &[("build", "dotnet build"), ("test", "dotnet test")],
        "Deno" => &[("test", "deno test"), ("lint", "deno lint")],
        "sbt" => &[("build", "sbt compile"), ("test", "sbt test")],
        "CMake" => &[("build", "cmake -B build && cmake --build build"), ("test", "ctest --test-dir build")],
        "Meson" => &[("build", "meson setup build && meson compile -C build"), ("test", "meson test -C build")],
        "Bundler" => &[("test", "bundle exec rake test")],
        "Composer" => &[("test", "composer test")],
        "Mix" => &[("build", "mix compile"), ("test", "mix test")],
        "Zig" => &[("build", "zig build"), ("test", "zig build test")],
        "SwiftPM" => &[("build", "swift build"), ("test", "swift test")],
        "Dart" => &[("test", "dart test"), ("lint", "dart analyze")],
        "dune" => &[("build", "dune build"), ("test", "dune test")],
        "Stack" => &[("build", "stack build"), ("test", "stack test")],
        "Cabal" => &[("build", "cabal build all"), ("test", "cabal test all")],
        "Bazel" => &[("build", "bazel build //..."), ("test", "bazel test //...")],
        _ => &[],
    }
}

fn has(files: &[(String, u64)], folder: &str, name: &str) -> bool {
    let path = if folder.is_empty() { name.to_owned() } else { format!("{folder}/{name}") };
    files.iter().any(|(file, _)| *file == path)
}

/// The scripts that package.json really has, run by the package manager whose lock file is there.
fn node(files: &[(String, u64)], folder: &str, text: Option<String>, add: &mut dyn FnMut(&str, &str)) {
    let managers = [("pnpm-lock.yaml", "pnpm"), ("yarn.lock", "yarn"), ("bun.lock", "bun"), ("bun.lockb", "bun")];
    let manager = managers.iter().find(|(lock, _)| has(files, folder, lock) || has(files, "", lock)).map_or("npm", |(_, manager)| manager);
    let package: serde_json::Value = text.and_then(|text| serde_json::from_str(&text).ok()).unwrap_or_default();
    let scripts = ["build", "compile", "typecheck", "test", "lint"];
    for name in scripts.into_iter().filter(|name| package["scripts"][name].is_string()) {
        let kind = match name {
            "test" => "test",
            "lint" => "lint",
            _ => "build",
        };
        add(kind, &format!("{manager} run {name}"));
    }
}

fn targets(system: &str, text: Option<String>, add: &mut dyn FnMut(&str, &str)) {
    let text = text.unwrap_or_default();
    let program = if system == "Make" { "make" } else { "just" };
    for (target, kind) in [("build", "build"), ("test", "test"), ("tests", "test"), ("check", "test"), ("lint", "lint")] {
        let defined = |line: &str| {
            line.strip_prefix(target).is_some_and(|rest| rest.trim_start().starts_with(':') && !rest.trim_start().starts_with(":="))
        };
        if text.lines().any(defined) {
            add(kind, &format!("{program} {target}"));
        }
    }
}

fn python(files: &[(String, u64)], folder: &str, add: &mut dyn FnMut(&str, &str)) {
    let inside = if folder.is_empty() { String::new() } else { format!("{folder}/") };
    let is_test = |path: &str| {
        let name = path.rsplit('/').next().unwrap_or("");
        path.starts_with(&inside)
            && ((name.starts_with("test_") && name.ends_with(".py")) || name.ends_with("_test.py") || name == "conftest.py")
    };
    if files.iter().any(|(path, _)| is_test(path)) {
        add("test", "python -m pytest");
    }
}

fn wrapped(system: &str, files: &[(String, u64)], folder: &str, add: &mut dyn FnMut(&str, &str)) {
    let (wrapper, plain, build) = if system == "Maven" { ("mvnw", "mvn", "compile") } else { ("gradlew", "gradle", "assemble") };
    let program = if has(files, folder, wrapper) { format!("./{wrapper}") } else { plain.to_owned() };
    add("build", &format!("{program} {build}"));
    add("test", &format!("{program} test"));
}

fn is_workflow(path: &str) -> bool {
    let yaml = path.ends_with(".yml") || path.ends_with(".yaml");
    yaml && (path.starts_with(".github/workflows/") || path == ".gitlab-ci.yml" || path == "azure-pipelines.yml")
}

/// The commands of `run:` and `script:` steps that build, test or check. Read line by line: a few are enough.
fn ci_steps(text: &str) -> Vec<String> {
    let telling = ["test", "build", "check", "lint", "clippy", "fmt", "verify", "ruff", "mypy", "tsc"];
    let mut found: Vec<String> = vec![];
    let mut block: Option<usize> = None;
    for line in text.lines() {
        let bare = line.trim();
        let indent = line.len() - line.trim_start().len();
        if block.is_some_and(|outer| !bare.is_empty() && indent <= outer) {
            block = None;
        }
        let step = bare.strip_prefix("- ").unwrap_or(bare);
        let command = if let Some(value) = step.strip_prefix("run:").or_else(|| step.strip_prefix("script:")) {
            let value = value.trim();
            if value.is_empty() || value.starts_with(['|', '>']) {
                block = Some(indent);
                continue;
            }
            value
        } else if block.is_some() {
            step
        } else {
            continue;
        };
        let command = tidy_line(command.trim_matches(['"', '\'']));
        let names = command.split(|c: char| !c.is_ascii_alphanumeric()).any(|word| telling.contains(&word));
        if names && !command.starts_with('#') && !found.contains(&command) {
            found.push(command);
        }
    }
    found
}

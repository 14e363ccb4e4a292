//! Which files decide a gate, by where they are and what they are called.

use super::sections::Part;
use super::syntax::Lang;

/// What a file is to the gate.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Role {
    /// It decides as a whole.
    Whole,
    /// A part of it decides.
    Part(Part),
    /// It holds tests: it may be added to.
    Test,
    /// It holds what tests recorded.
    Snapshot,
}

/// Files of these names decide as a whole, wherever they are.
const WHOLE: [&str; 46] = [
    "conftest.py",
    "pytest.ini",
    ".pytest.ini",
    "tox.ini",
    "noxfile.py",
    ".coveragerc",
    ".mocharc.js",
    ".mocharc.cjs",
    ".mocharc.json",
    ".mocharc.yml",
    ".mocharc.yaml",
    ".nycrc",
    ".c8rc.json",
    "xunit.runner.json",
    "junit-platform.properties",
    "clippy.toml",
    ".clippy.toml",
    "rustfmt.toml",
    ".rustfmt.toml",
    "nextest.toml",
    "deny.toml",
    ".flake8",
    "mypy.ini",
    "ruff.toml",
    ".ruff.toml",
    ".pylintrc",
    "pyrightconfig.json",
    ".golangci.yml",
    ".golangci.yaml",
    ".eslintignore",
    "biome.json",
    "stylecop.json",
    "checkstyle.xml",
    ".pre-commit-config.yaml",
    "lefthook.yml",
    "rust-toolchain",
    "rust-toolchain.toml",
    ".nvmrc",
    ".node-version",
    ".python-version",
    ".tool-versions",
    "global.json",
    ".gitlab-ci.yml",
    "azure-pipelines.yml",
    "Jenkinsfile",
    ".travis.yml",
];

/// Names of configuration files of test tools that have many endings.
const STARTS: [&str; 13] = [
    "jest.config.",
    "jest.setup.",
    "jest.preset.",
    "vitest.config.",
    "vitest.workspace.",
    "vitest.setup.",
    "karma.conf.",
    "playwright.config.",
    "cypress.config.",
    "ava.config.",
    "wdio.conf.",
    ".eslintrc",
    "eslint.config.",
];

/// Folders of continuous integration.
const FOLDERS: [&str; 7] =
    [".github/workflows/", ".github/actions/", ".circleci/", ".buildkite/", ".woodpecker/", ".config/nextest", ".husky/"];

const LOCKS: [&str; 18] = [
    "Cargo.lock",
    "package-lock.json",
    "npm-shrinkwrap.json",
    "pnpm-lock.yaml",
    "yarn.lock",
    "bun.lock",
    "uv.lock",
    "poetry.lock",
    "pdm.lock",
    "Pipfile.lock",
    "go.sum",
    "packages.lock.json",
    "Gemfile.lock",
    "composer.lock",
    "gradle.lockfile",
    "flake.lock",
    ".terraform.lock.hcl",
    "deno.lock",
];

/// The manifests by which a lock file is changed along.
pub(crate) const MANIFESTS: [(&str, &[&str]); 12] = [
    ("Cargo.lock", &["Cargo.toml"]),
    ("package-lock.json", &["package.json"]),
    ("npm-shrinkwrap.json", &["package.json"]),
    ("pnpm-lock.yaml", &["package.json"]),
    ("yarn.lock", &["package.json"]),
    ("bun.lock", &["package.json"]),
    ("uv.lock", &["pyproject.toml"]),
    ("poetry.lock", &["pyproject.toml"]),
    ("pdm.lock", &["pyproject.toml"]),
    ("Pipfile.lock", &["Pipfile"]),
    ("go.sum", &["go.mod"]),
    ("Gemfile.lock", &["Gemfile"]),
];

/// What a file is to the gate by its path; none for what only production code needs.
#[must_use]
pub fn role(path: &str) -> Option<Role> {
    let name = path.rsplit('/').next().unwrap_or(path);
    if path == "aura.toml" || WHOLE.contains(&name) || STARTS.iter().any(|start| name.starts_with(start)) {
        return Some(Role::Whole);
    }
    if FOLDERS.iter().any(|folder| path.starts_with(folder)) {
        return Some(Role::Whole);
    }
    if LOCKS.contains(&name) {
        return Some(Role::Part(Part::Lock));
    }
    if let Some(part) = part(path, name) {
        return Some(Role::Part(part));
    }
    if is_snapshot(path, name) {
        return Some(Role::Snapshot);
    }
    is_test(path, name).then_some(Role::Test)
}

fn part(path: &str, name: &str) -> Option<Part> {
    Some(match name {
        "pyproject.toml" => Part::Pyproject,
        "setup.cfg" => Part::SetupCfg,
        "Cargo.toml" => Part::Cargo,
        "config.toml" if path.ends_with(".cargo/config.toml") => Part::CargoConfig,
        "package.json" => Part::Package,
        "Makefile" | "makefile" | "GNUmakefile" => Part::Make,
        "justfile" | "Justfile" | ".justfile" => Part::Just,
        "pom.xml" | "build.gradle" | "build.gradle.kts" => Part::Java,
        _ if name.ends_with(".csproj") || name == "Directory.Build.props" => Part::DotNet,
        _ if name.starts_with("vite.config.") => Part::Vite,
        _ => return None,
    })
}

fn is_snapshot(path: &str, name: &str) -> bool {
    let ends = matches!(name.rsplit_once('.'), Some((_, "snap" | "ambr"))) || name.contains(".approved.") || name.contains(".verified.");
    ends || path.split('/').any(|part| matches!(part, "__snapshots__" | "snapshots"))
}

/// Whether a file holds tests, or what tests read.
fn is_test(path: &str, name: &str) -> bool {
    let parts: Vec<&str> = path.split('/').collect();
    let folders = &parts[..parts.len() - 1];
    let inside = folders.iter().any(|part| {
        matches!(
            *part,
            "tests" | "test" | "__tests__" | "spec" | "specs" | "testdata" | "e2e" | "cypress" | "androidTest" | "integrationTest"
        ) || part.ends_with(".Tests")
            || part.ends_with(".Test")
            || part.ends_with("Tests") && part.len() > 5
            || part.ends_with(".UnitTests")
    });
    inside || is_test_name(name)
}

pub(super) fn is_test_name(name: &str) -> bool {
    let Some((stem, ending)) = name.rsplit_once('.') else { return false };
    match ending {
        "py" => stem.starts_with("test_") || stem.ends_with("_test") || stem == "tests",
        "go" => stem.ends_with("_test"),
        "rs" => stem == "tests" || stem == "test" || stem.ends_with("_test") || stem.ends_with("_tests"),
        "js" | "mjs" | "cjs" | "jsx" | "ts" | "mts" | "cts" | "tsx" => {
            [".test", ".spec", "_test", "-test", ".cy", ".e2e"].iter().any(|end| stem.ends_with(end)) || stem == "test"
        }
        "java" | "kt" | "groovy" | "scala" => {
            ["Test", "Tests", "IT", "Spec", "TestCase"].iter().any(|end| stem.ends_with(end)) || stem.starts_with("Test")
        }
        "cs" | "fs" | "vb" => stem.ends_with("Test") || stem.ends_with("Tests"),
        "rb" => stem.ends_with("_spec") || stem.ends_with("_test"),
        "php" => stem.ends_with("Test"),
        "feature" | "bats" => true,
        _ => false,
    }
}

/// Production code that may hold tests of its own.
pub(super) fn may_hold_tests(path: &str) -> bool {
    Lang::of(path) == Some(Lang::Rust)
}

//! Python: every file compiles, and the tests pass under the tool that the project is managed with.

use super::tree::{Folder, NEVER, Tree, listed};
use super::{Format, Programs, Project, Report, build, ends_in, setup, test, within};
use crate::domain::CheckKind;

const MANIFESTS: [&str; 6] = ["pyproject.toml", "setup.py", "setup.cfg", "pytest.ini", "requirements.txt", "Pipfile"];
/// There are no tests: the answer of pytest, and of unittest since Python 3.12.
const NO_TESTS: i32 = 5;

pub(super) fn projects(tree: &Tree, programs: &Programs) -> Vec<Project> {
    let mut above: Vec<Found> = Vec::new();
    for folder in tree.folders.iter().filter(|folder| folder.first(&MANIFESTS).is_some()) {
        let has_code = tree.below(&folder.path).any(|below| below.files.iter().any(|file| ends_in(file, &["py"])));
        let covered = above.iter().any(|project| project.covers(&folder.path));
        // A list of requirements alone, below a project, is a part of it.
        let part = folder.first(&MANIFESTS[..3]).is_none() && above.iter().any(|project| within(&folder.path, &project.folder.path));
        if has_code && !covered && !part {
            above.push(Found::read(tree, folder));
        }
    }
    above.iter().map(|found| found.project(tree, programs)).collect()
}

struct Found<'a> {
    folder: &'a Folder,
    pyproject: toml::Table,
    /// Everything that configures it, as one text to look for words in.
    words: String,
    /// Files that look like tests, in it and below.
    tests: Vec<String>,
}

impl<'a> Found<'a> {
    fn read(tree: &Tree, folder: &'a Folder) -> Found<'a> {
        let text = |name: &str| tree.read(&folder.file(name)).unwrap_or_default();
        let configures = |name: &&String| {
            MANIFESTS.contains(&name.as_str()) || matches!(name.as_str(), ".pytest.ini" | "tox.ini") || name.starts_with("requirements")
        };
        let words: Vec<String> = folder.files.iter().filter(configures).map(|name| text(name)).collect();
        let tests = tree.below(&folder.path).flat_map(|below| below.files.iter().filter(|file| is_test(file)).map(|file| below.file(file)));
        Found { folder, pyproject: text("pyproject.toml").parse().unwrap_or_default(), words: words.join("\n"), tests: tests.collect() }
    }

    fn table(&self, path: &[&str]) -> Option<&toml::Value> {
        let (first, rest) = path.split_first()?;
        rest.iter().try_fold(self.pyproject.get(*first)?, |value, name| value.get(name))
    }

    /// Whether a project below is run along: as a member of its workspace, or because pytest collects all that is below.
    fn covers(&self, folder: &str) -> bool {
        let members = self.table(&["tool", "uv", "workspace", "members"]).and_then(toml::Value::as_array).into_iter().flatten();
        let members: Vec<String> = members.filter_map(|member| member.as_str().map(str::to_owned)).collect();
        let collected = within(folder, &self.folder.path) && self.uses_pytest() && !self.words.contains("testpaths");
        collected || listed(&members, folder, &self.folder.path)
    }

    fn is_configured(&self) -> bool {
        let words = ["[tool:pytest]", "[pytest]"];
        self.table(&["tool", "pytest"]).is_some() || words.iter().any(|word| self.words.contains(word)) || self.folder.has(".pytest.ini")
    }

    fn has_tests(&self) -> bool {
        self.is_configured() || !self.tests.is_empty()
    }

    fn uses_pytest(&self) -> bool {
        self.is_configured() || self.words.contains("pytest") || self.tests.iter().any(|path| path.ends_with("conftest.py"))
    }

    fn project(&self, tree: &Tree, programs: &Programs) -> Project {
        let folder = self.folder.path.as_str();
        let (mut checks, prefix) = self.tool(tree, programs);
        let argv = |words: &[&str]| prefix.iter().map(String::as_str).chain(words.iter().copied()).map(str::to_owned).collect();
        let python = if prefix.is_empty() { interpreter(tree, self.folder, programs) } else { "python" };
        let not = left_out();
        let mut compile = build(folder, "python compileall", &[]);
        compile.argv = argv(&[python, "-m", "compileall", "-q", "-x", &not, "."]);
        checks.push(compile);
        if self.has_tests() {
            let unittest =
                !self.uses_pytest() && self.tests.iter().any(|path| tree.read(path).is_some_and(|text| text.contains("unittest")));
            let mut tests = if unittest { test(folder, "unittest", &[]) } else { test(folder, "pytest", &[]) };
            tests.argv = if unittest { argv(&self.unittest(tree, python)) } else { argv(&[python, "-m", "pytest", "-q"]) };
            tests.none_codes = vec![NO_TESTS];
            if !unittest {
                tests.report = Some(Report::asked(Format::Junit, &["--junitxml={results}/pytest.xml"]));
            }
            checks.push(tests);
        }
        for check in &mut checks {
            // An environment that is active here is the user's: a manager would install this tree into it.
            if !prefix.is_empty() || check.kind == CheckKind::Setup {
                check.env_remove.push("VIRTUAL_ENV".to_owned());
            }
            // Installed to be edited, it is the user's checkout that would be imported: this tree's source comes first.
            if self.has_src(tree) {
                check.env.push(("PYTHONPATH".to_owned(), self.folder.file("src")));
            }
        }
        Project { folder: folder.to_owned(), checks }
    }

    fn has_src(&self, tree: &Tree) -> bool {
        let src = self.folder.file("src");
        tree.below(&src).any(|below| below.files.iter().any(|file| ends_in(file, &["py"])))
    }

    fn unittest<'b>(&self, tree: &Tree, python: &'b str) -> Vec<&'b str> {
        let place = ["tests", "test"].into_iter().find(|name| {
            let place = self.folder.file(name);
            self.tests.iter().any(|path| within(path, &place))
        });
        let package = place.is_some_and(|place| tree.modified(&self.folder.file(&format!("{place}/__init__.py"))).is_some());
        let start: &[&str] = match place {
            Some("tests") => &["-s", "tests"],
            Some(_) => &["-s", "test"],
            None => &[],
        };
        let top: &[&str] = if package { &["-t", "."] } else { &[] };
        [&[python, "-m", "unittest", "discover"], start, top].concat()
    }

    /// What comes before `python` under the tool that manages the project, if that is installed, and what has to be run
    /// first. A tool is only taken where its lock file or its table says so.
    fn tool(&self, tree: &Tree, programs: &Programs) -> (Vec<super::Check>, Vec<String>) {
        let folder = self.folder.path.as_str();
        let here = tree.dir(folder);
        let words = |words: &[&str]| words.iter().map(|&word| word.to_owned()).collect::<Vec<_>>();
        let wants = |name: &str, lock: &str| {
            (self.folder.has(lock) || self.table(&["tool", name]).is_some()) && programs.find(name, &here).is_some()
        };
        if wants("uv", "uv.lock") {
            let mut prefix = words(&["uv", "run"]);
            if tree.tracks(&self.folder.file("uv.lock")) {
                prefix.push("--locked".to_owned());
            }
            prefix.extend(self.group_of_pytest());
            return (Vec::new(), prefix);
        }
        if wants("poetry", "poetry.lock") {
            let install = setup(folder, "poetry install", &["poetry", "install", "--no-interaction"]);
            return (vec![install], words(&["poetry", "run"]));
        }
        if wants("pdm", "pdm.lock") {
            return (vec![setup(folder, "pdm sync", &["pdm", "sync"])], words(&["pdm", "run"]));
        }
        if wants("hatch", "hatch.toml") && self.table(&["tool", "hatch", "envs"]).is_some() {
            return (Vec::new(), words(&["hatch", "run"]));
        }
        (Vec::new(), Vec::new())
    }

    /// The option by which uv installs pytest, where it is neither a dependency nor in the group `dev`.
    fn group_of_pytest(&self) -> Vec<String> {
        let has = |value: &toml::Value| {
            let names = value.as_array().into_iter().flatten().filter_map(toml::Value::as_str);
            names.into_iter().any(|name| name.starts_with("pytest"))
        };
        let of = |path: &[&str]| {
            let table = self.table(path).and_then(toml::Value::as_table).into_iter().flatten();
            table.into_iter().find(|(_, list)| has(list)).map(|(name, _)| name.clone())
        };
        match (of(&["dependency-groups"]), of(&["project", "optional-dependencies"])) {
            (Some(group), _) if group == "dev" => Vec::new(),
            (Some(group), _) => vec!["--group".to_owned(), group],
            (None, Some(extra)) => vec!["--extra".to_owned(), extra],
            (None, None) => Vec::new(),
        }
    }
}

fn is_test(file: &str) -> bool {
    let stem = file.strip_suffix(".py");
    stem.is_some_and(|stem| stem.starts_with("test_") || stem.ends_with("_test") || stem == "tests" || stem == "conftest")
}

/// The project's own environment, else what the platform calls Python.
fn interpreter(tree: &Tree, folder: &Folder, programs: &Programs) -> &'static str {
    let here = tree.dir(&folder.path);
    let own = ["./.venv/bin/python", "./venv/bin/python", "./.venv/Scripts/python.exe"];
    // On Windows `python3` is often a stub that opens a shop.
    let installed = if cfg!(windows) { ["python", "py"] } else { ["python3", "python"] };
    own.into_iter().chain(installed).find(|name| programs.find(name, &here).is_some()).unwrap_or(installed[0])
}

/// The folders that are not compiled, as a pattern on paths: what is not the project's own, and what may be meant to be wrong.
pub(super) fn left_out() -> String {
    let names = NEVER.iter().map(|name| name.replace('.', r"\."));
    let more = ["env", r"[^/\\]*\.egg-info", "templates?", "examples?", "test_data", "snapshots", r"\{\{[^/\\]*"].map(str::to_owned);
    format!(r"[/\\]({})[/\\]", names.chain(more).collect::<Vec<_>>().join("|"))
}

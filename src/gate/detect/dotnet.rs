//! .NET: a solution covers the projects that it lists; a test project that none lists is run by itself. What a project is
//! says the build where its own file does not: a file above it can make it one of tests.

use super::tree::{Folder, Tree};
use super::{Check, Format, Programs, Project, Report, build, depth, ends_in, setup, test, within};
use crate::gate::SECRETS;
use crate::proc::Cmd;
use std::time::Duration;

/// The tools that a repository brings along.
pub(super) const TOOLS: &str = ".config/dotnet-tools.json";
/// The testing platform's exit code for no tests.
const NO_TESTS: i32 = 8;
/// Longest wait for what the build says about one project.
const ASK: Duration = Duration::from_secs(60);
/// What only projects of tests refer to.
const MARKS: [&str; 9] = [
    "Microsoft.NET.Test.Sdk",
    "<IsTestProject>true",
    "MSTest.Sdk",
    "TestingPlatform",
    "xunit.v3",
    "TUnit",
    "\"NUnit3TestAdapter\"",
    "YoloDev.Expecto.TestSdk",
    "xunit.runner.visualstudio",
];

pub(super) fn projects(tree: &Tree, programs: &Programs) -> Vec<Project> {
    let found = Found { tree, programs, has_tool: programs.find("dotnet", &tree.dir(".")).is_some() };
    let mut solutions: Vec<(String, Option<Vec<String>>)> = Vec::new();
    let mut projects = Vec::new();
    for folder in &tree.folders {
        let above = solutions.iter().find(|(above, _)| within(&folder.path, above)).cloned();
        if above.is_none()
            && let Some(solution) = solution(tree, folder)
        {
            let members = members(tree, folder, solution);
            projects.push(found.solution(folder, solution, members.as_deref()));
            solutions.push((folder.path.clone(), members.clone()));
            projects.extend(found.outside(folder, members.as_deref()));
            continue;
        }
        match above {
            Some((_, members)) => projects.extend(found.outside(folder, members.as_deref())),
            None => projects.extend(folder.files.iter().filter(|name| is_project(name)).map(|file| found.single(folder, file))),
        }
    }
    projects
}

struct Found<'a> {
    tree: &'a Tree,
    programs: &'a Programs,
    has_tool: bool,
}

impl Found<'_> {
    fn solution(&self, folder: &Folder, solution: &str, members: Option<&[String]>) -> Project {
        let mut checks = self.restoring(folder, solution);
        checks.push(build(&folder.path, "dotnet build", &["dotnet", "build", solution, "--no-restore", "--nologo"]));
        let listed = |path: &String| members.is_none_or(|members| members.contains(path));
        let tests = |place: &Folder, name: &String| is_project(name) && listed(&place.file(name)) && self.may_test(place, name);
        if self.tree.below(&folder.path).any(|place| place.files.iter().any(|name| tests(place, name))) {
            checks.push(self.testing(folder, "--solution", solution, true));
        }
        Project { folder: folder.path.clone(), checks }
    }

    fn single(&self, folder: &Folder, file: &str) -> Project {
        let mut checks = self.restoring(folder, file);
        checks.push(build(&folder.path, "dotnet build", &["dotnet", "build", file, "--no-restore", "--nologo"]));
        if self.is_test(folder, file) {
            checks.push(self.testing(folder, "--project", file, true));
        }
        Project { folder: folder.path.clone(), checks }
    }

    /// Projects of tests in a folder that the solution above does not list: they are run by themselves.
    fn outside(&self, folder: &Folder, members: Option<&[String]>) -> Vec<Project> {
        let Some(members) = members else { return Vec::new() };
        let others =
            folder.files.iter().filter(|name| is_project(name) && !members.contains(&folder.file(name)) && self.is_test(folder, name));
        others.map(|file| Project { folder: folder.path.clone(), checks: vec![self.testing(folder, "--project", file, false)] }).collect()
    }

    /// What is fetched before anything is built.
    fn restoring(&self, folder: &Folder, what: &str) -> Vec<Check> {
        let mut argv = vec!["dotnet", "restore", what];
        // A build brings a lock file up to date without a word; what is built has to be what is committed.
        let locked = self
            .tree
            .below(&folder.path)
            .any(|below| below.has("packages.lock.json") && self.tree.tracks(&below.file("packages.lock.json")));
        if locked {
            argv.push("--locked-mode");
        }
        let mut steps = vec![setup(&folder.path, "dotnet restore", &argv)];
        if self.tree.read(&folder.file(TOOLS)).is_some() {
            steps.insert(0, setup(&folder.path, "dotnet tool restore", &["dotnet", "tool", "restore"]));
        }
        steps
    }

    fn testing(&self, folder: &Folder, option: &str, what: &str, built: bool) -> Check {
        let no_build: &[&str] = if built { &["--no-build"] } else { &[] };
        if self.uses_platform(folder) {
            // Every other word is handed on to the test programs, which refuse what they do not know.
            let argv = [&["dotnet", "test", option, what], no_build].concat();
            return Check { none_codes: vec![NO_TESTS], ..test(&folder.path, "dotnet test", &argv) };
        }
        let argv = [&["dotnet", "test", what], no_build, &["--nologo"]].concat();
        let report = Report::asked(Format::Trx, &["--logger", "trx", "--results-directory", "{results}"]);
        Check { report: Some(report), ..test(&folder.path, "dotnet test", &argv) }
    }

    /// Whether the nearest `global.json` chooses Microsoft.Testing.Platform.
    fn uses_platform(&self, folder: &Folder) -> bool {
        let above = self.tree.folders.iter().filter(|other| within(&folder.path, &other.path) && other.has("global.json"));
        let nearest = above.max_by_key(|other| depth(&other.path));
        nearest.and_then(|other| self.tree.read(&other.file("global.json"))).is_some_and(|text| text.contains("Microsoft.Testing.Platform"))
    }

    /// Whether a project could be one of tests, by its own file or one above it that MSBuild takes in.
    fn may_test(&self, folder: &Folder, file: &str) -> bool {
        self.says_so(folder, file) || self.is_said_above(folder)
    }

    fn says_so(&self, folder: &Folder, file: &str) -> bool {
        let text = self.tree.read(&folder.file(file)).unwrap_or_default();
        let stem = file.rsplit_once('.').map_or(file, |(stem, _)| stem);
        stem.ends_with("Tests") || stem.ends_with(".Test") || MARKS.iter().any(|mark| text.contains(mark))
    }

    fn is_said_above(&self, folder: &Folder) -> bool {
        let above = self.tree.folders.iter().filter(|other| within(&folder.path, &other.path));
        let shared = above.flat_map(|other| ["Directory.Build.props", "Directory.Build.targets"].map(|name| other.file(name)));
        shared.filter_map(|path| self.tree.read(&path)).any(|text| MARKS.iter().any(|mark| text.contains(mark)))
    }

    /// Its own file says so, or the build does, asked where a file above might. Without the tool the answer is yes: the
    /// check is then missing, and says so.
    fn is_test(&self, folder: &Folder, file: &str) -> bool {
        self.says_so(folder, file) || (self.is_said_above(folder) && (!self.has_tool || self.ask(folder, file).unwrap_or(true)))
    }

    fn ask(&self, folder: &Folder, file: &str) -> Option<bool> {
        let program = self.programs.find("dotnet", &self.tree.dir(&folder.path))?;
        let mut cmd = Cmd::new(program)
            .args([
                "msbuild",
                file,
                "-nodeReuse:false",
                "-getProperty:IsTestProject,IsTestingPlatformApplication",
                "-getItem:PackageReference",
            ])
            .dir(self.tree.dir(&folder.path))
            .env("DOTNET_NOLOGO", "1")
            .env("DOTNET_CLI_TELEMETRY_OPTOUT", "1")
            .env("DOTNET_CLI_USE_MSBUILD_SERVER", "0")
            .deadline(ASK);
        for secret in SECRETS {
            cmd = cmd.env_remove(secret);
        }
        let output = cmd.run().ok().filter(crate::proc::Output::success)?;
        let answer: serde_json::Value = serde_json::from_slice(&output.stdout).ok()?;
        let is = |name: &str| answer["Properties"][name].as_str().is_some_and(|value| value.eq_ignore_ascii_case("true"));
        let packages = answer["Items"]["PackageReference"].as_array().into_iter().flatten().filter_map(|item| item["Identity"].as_str());
        // The property comes with the package, which is not there before the first restore.
        let refers = packages.into_iter().any(|name| MARKS.iter().any(|mark| name.starts_with(mark.trim_matches('"'))));
        Some(is("IsTestProject") || is("IsTestingPlatformApplication") || refers)
    }
}

/// The solution of a folder. Of several, the one with the folder's name, else the one with the most projects; `.sln`
/// before `.slnx`, which older tools cannot read; a filter only where nothing else is.
fn solution<'a>(tree: &Tree, folder: &'a Folder) -> Option<&'a str> {
    let name = tree.dir(&folder.path).file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
    let rank = |file: &&str| {
        let named = depth(&folder.path) > 0 && file.rsplit_once('.').is_some_and(|(stem, _)| stem == name);
        let count = members(tree, folder, file).map_or(0, |members| members.len());
        (!ends_in(file, &["slnf"]), named, count, ends_in(file, &["sln"]))
    };
    let solutions = folder.files.iter().map(String::as_str).filter(|name| ends_in(name, &["sln", "slnx", "slnf"]));
    solutions.rev().max_by_key(rank)
}

/// The projects that a solution lists, as paths of the repository. `None` where it cannot be read: then it is taken to
/// list all that is below.
fn members(tree: &Tree, folder: &Folder, solution: &str) -> Option<Vec<String>> {
    let text = tree.read(&folder.file(solution))?;
    let listed: Vec<String> = match solution.rsplit_once('.')?.1 {
        "sln" => text
            .lines()
            .filter(|line| line.trim_start().starts_with("Project("))
            .filter_map(|line| line.split('"').nth(5).map(str::to_owned))
            .collect(),
        "slnx" => {
            let document = roxmltree::Document::parse(text.trim_start_matches('\u{feff}')).ok()?;
            document
                .descendants()
                .filter(|node| node.tag_name().name() == "Project")
                .filter_map(|node| node.attribute("Path").map(str::to_owned))
                .collect()
        }
        _ => {
            let filter: serde_json::Value = serde_json::from_str(text.trim_start_matches('\u{feff}')).ok()?;
            filter["solution"]["projects"].as_array()?.iter().filter_map(|path| path.as_str().map(str::to_owned)).collect()
        }
    };
    let members: Vec<String> = listed.iter().filter(|path| is_project(path)).filter_map(|path| joined(&folder.path, path)).collect();
    (!members.is_empty()).then_some(members)
}

/// A path as seen from a folder, as one of the repository; none when it leads out of it.
fn joined(folder: &str, path: &str) -> Option<String> {
    let path = path.replace('\\', "/");
    let mut parts: Vec<&str> = folder.split('/').filter(|part| *part != ".").collect();
    for part in path.split('/') {
        match part {
            "" | "." => {}
            ".." => drop(parts.pop()?),
            part => parts.push(part),
        }
    }
    Some(parts.join("/"))
}

fn is_project(name: &str) -> bool {
    ends_in(name, &["csproj", "fsproj", "vbproj"])
}

//! .NET: a solution covers the projects below it; a project without one stands for itself.

use super::tree::{Folder, Tree};
use super::{Programs, Project, build, depth, ends_in, test, within};

pub(super) fn projects(tree: &Tree, _programs: &Programs) -> Vec<Project> {
    let mut solutions: Vec<String> = Vec::new();
    let mut projects = Vec::new();
    for folder in &tree.folders {
        if solutions.iter().any(|above| within(&folder.path, above)) {
            continue;
        }
        if let Some(solution) = solution(tree, folder) {
            solutions.push(folder.path.clone());
            // Solutions without test projects pass; whether there are any is for the tool to say.
            let checks = vec![
                build(&folder.path, "dotnet build", &["dotnet", "build", solution, "--nologo"]),
                test(&folder.path, "dotnet test", &["dotnet", "test", solution, "--no-build", "--nologo"]),
            ];
            projects.push(Project { folder: folder.path.clone(), checks });
            continue;
        }
        for file in folder.files.iter().filter(|name| is_project(name)) {
            let mut checks = vec![build(&folder.path, "dotnet build", &["dotnet", "build", file, "--nologo"])];
            if has_tests(file, &tree.read(&folder.file(file)).unwrap_or_default()) {
                checks.push(test(&folder.path, "dotnet test", &["dotnet", "test", file, "--no-build", "--nologo"]));
            }
            projects.push(Project { folder: folder.path.clone(), checks });
        }
    }
    projects
}

/// The solution of a folder. Of several, the one with the folder's name, else the one with the most projects; `.sln`
/// before `.slnx`, which older tools cannot read.
fn solution<'a>(tree: &Tree, folder: &'a Folder) -> Option<&'a str> {
    let name = tree.dir(&folder.path).file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
    let rank = |file: &&str| {
        let named = depth(&folder.path) > 0 && file.rsplit_once('.').is_some_and(|(stem, _)| stem == name);
        let text = tree.read(&folder.file(file)).unwrap_or_default();
        let members = text.lines().filter(|line| line.trim_start().starts_with("Project(") || line.contains("<Project ")).count();
        (named, members, ends_in(file, &["sln"]))
    };
    let solutions = folder.files.iter().map(String::as_str).filter(|name| ends_in(name, &["sln", "slnx"]));
    solutions.rev().max_by_key(rank)
}

fn is_project(name: &str) -> bool {
    ends_in(name, &["csproj", "fsproj", "vbproj"])
}

fn has_tests(name: &str, text: &str) -> bool {
    let stem = name.rsplit_once('.').map_or(name, |(stem, _)| stem);
    let marks = ["Microsoft.NET.Test.Sdk", "<IsTestProject>true", "MSTest.Sdk", "TestingPlatform"];
    stem.ends_with("Tests") || stem.ends_with(".Test") || marks.iter().any(|mark| text.contains(mark))
}

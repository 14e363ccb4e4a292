//! Maven and Gradle, each by its wrapper where the repository has one that can be run.

use super::tree::{Folder, Tree, matches};
use super::{Check, Format, Programs, Project, Report, build, depth, relative, test, within};

pub(super) fn projects(tree: &Tree, programs: &Programs) -> Vec<Project> {
    let mut projects = maven(tree, programs);
    projects.extend(gradle(tree, programs));
    projects
}

/// A `pom.xml` covers the modules that it lists, and theirs.
fn maven(tree: &Tree, programs: &Programs) -> Vec<Project> {
    let mut covered: Vec<String> = Vec::new();
    let mut projects = Vec::new();
    for folder in tree.folders.iter().filter(|folder| folder.has("pom.xml")) {
        let pom = tree.read(&folder.file("pom.xml")).unwrap_or_default();
        covered.extend(modules(&pom).map(|module| folder.file(module)));
        if covered.contains(&folder.path) {
            continue;
        }
        let mvn = program(tree, folder, programs, "mvnw", "mvn");
        let checks = vec![
            build(&folder.path, "mvn package", &[&mvn, "-B", "-ntp", "-q", "-DskipTests", "package"]),
            // Not quiet: it would not say how many tests there were.
            test(&folder.path, "mvn test", &[&mvn, "-B", "-ntp", "test"]),
        ];
        projects.push(Project { folder: folder.path.clone(), checks: reporting(checks, &["surefire-reports", "failsafe-reports"], false) });
    }
    projects
}

/// The last of the checks leaves JUnit's XML in folders of these names.
fn reporting(mut checks: Vec<Check>, folders: &[&str], keeps: bool) -> Vec<Check> {
    if let Some(last) = checks.last_mut() {
        let folders = folders.iter().map(|&folder| folder.to_owned()).collect();
        last.report = Some(Report { folders, keeps, ..Report::asked(Format::Junit, &[]) });
    }
    checks
}

fn modules(pom: &str) -> impl Iterator<Item = &str> {
    pom.split("<module>").skip(1).filter_map(|rest| rest.split_once("</module>")).map(|(name, _)| name.trim().trim_end_matches("/pom.xml"))
}

/// The build of a `settings.gradle` covers what is below it, up to the next one.
fn gradle(tree: &Tree, programs: &Programs) -> Vec<Project> {
    let mut roots: Vec<String> = Vec::new();
    let mut projects = Vec::new();
    for folder in &tree.folders {
        let settings = folder.first(&["settings.gradle", "settings.gradle.kts"]);
        let script = folder.first(&["build.gradle", "build.gradle.kts"]);
        let covered = roots.iter().any(|above| within(&folder.path, above));
        let helper = matches("**/buildSrc", relative(&folder.path, ".")) || folder.path.ends_with("build-logic");
        if helper || (settings.is_none() && (script.is_none() || covered)) {
            continue;
        }
        roots.push(folder.path.clone());
        let gradle = program(tree, folder, programs, "gradlew", "gradle");
        // A project for several platforms has no `test`, but a task for all of them.
        let several = tree.below(&folder.path).flat_map(|below| below.files.iter().map(|name| below.file(name)));
        let several = several.filter(|path| path.contains(".gradle")).filter_map(|path| tree.read(&path));
        let task = if several.into_iter().any(|text| text.contains("multiplatform")) { "allTests" } else { "test" };
        let checks = vec![
            build(&folder.path, "gradle assemble", &[&gradle, "--console=plain", "-q", "assemble"]),
            // The first failing module must not hide the others from whoever repairs.
            test(&folder.path, &format!("gradle {task}"), &[&gradle, "--console=plain", "--continue", task]),
        ];
        // A task that is up to date is not run again, and its results stay.
        projects.push(Project { folder: folder.path.clone(), checks: reporting(checks, &["test-results"], true) });
    }
    projects
}

/// The wrapper in the project's folder or the next one above that has it, else the installed program.
fn program(tree: &Tree, folder: &Folder, programs: &Programs, wrapper: &str, installed: &str) -> String {
    let above = (1..=depth(&folder.path)).map(|up| format!("{}{wrapper}", "../".repeat(up)));
    let mut places = std::iter::once(format!("./{wrapper}")).chain(above);
    places.find(|place| programs.find(place, &tree.dir(&folder.path)).is_some()).unwrap_or_else(|| installed.to_owned())
}

//! Go: a `go.work` covers the modules that it uses; any other `go.mod` stands for itself.

use super::tree::Tree;
use super::{Format, Programs, Project, Report, build, test};

/// Without it, a module with one command leaves the built program in the tree.
const NOWHERE: &str = if cfg!(windows) { "NUL" } else { "/dev/null" };

pub(super) fn projects(tree: &Tree, _programs: &Programs) -> Vec<Project> {
    let mut covered: Vec<String> = Vec::new();
    let mut projects = Vec::new();
    for folder in &tree.folders {
        let uses = if folder.has("go.work") { used(&tree.read(&folder.file("go.work")).unwrap_or_default()) } else { Vec::new() };
        if !uses.is_empty() {
            covered.extend(uses.iter().map(|module| if module == "." { folder.path.clone() } else { folder.file(module) }));
            let packages: Vec<String> =
                uses.iter().map(|module| if module == "." { "./...".to_owned() } else { format!("./{module}/...") }).collect();
            projects.push(project(&folder.path, &packages.iter().map(String::as_str).collect::<Vec<_>>()));
        } else if folder.has("go.mod") && !covered.contains(&folder.path) {
            projects.push(project(&folder.path, &["./..."]));
        }
    }
    projects
}

fn project(folder: &str, packages: &[&str]) -> Project {
    let argv = |start: &[&'static str]| start.iter().copied().chain(packages.iter().copied()).map(str::to_owned).collect();
    let mut checks = vec![build(folder, "go build", &[]), test(folder, "go test", &[])];
    checks[0].argv = argv(&["go", "build", "-o", NOWHERE]);
    checks[1].argv = argv(&["go", "test"]);
    checks[1].report = Some(Report { at: Some(2), ..Report::asked(Format::GoTest, &["-json"]) });
    Project { folder: folder.to_owned(), checks }
}

/// The folders of the `use` directives that lie below the workspace.
fn used(text: &str) -> Vec<String> {
    let mut folders = Vec::new();
    let mut inside = false;
    for line in text.lines().map(|line| line.split("//").next().unwrap_or_default().trim()) {
        let path = match line.strip_prefix("use") {
            Some(rest) if rest.trim_start().starts_with('(') => {
                inside = true;
                continue;
            }
            Some(rest) if rest.starts_with([' ', '\t']) => rest.trim(),
            _ if inside && line == ")" => {
                inside = false;
                continue;
            }
            _ if inside => line,
            _ => continue,
        };
        let path = path.trim_matches(['"', '`']).trim_start_matches("./").trim_end_matches('/');
        if !path.starts_with("..") && !path.is_empty() {
            folders.push(path.to_owned());
        }
    }
    folders
}

#[cfg(test)]
mod tests {
    use super::used;

    #[test]
    fn both_forms_of_use_are_read() {
        assert_eq!(
            used("go 1.22\n\nuse ./a // the first\nuse (\n\t./b\n\t\"./c/d\"\n\t../out\n\t.\n)\nreplace x => ./y\n"),
            ["a", "b", "c/d", "."]
        );
    }
}

//! Cargo: a workspace covers the crates below it, except those it excludes and those that are workspaces themselves.

use super::tree::{Tree, listed};
use super::{Programs, Project, build, relative, test, within};

pub(super) fn projects(tree: &Tree, _programs: &Programs) -> Vec<Project> {
    let mut workspaces: Vec<(String, Vec<String>)> = Vec::new();
    let mut projects = Vec::new();
    for folder in tree.folders.iter().filter(|folder| folder.has("Cargo.toml")) {
        let manifest: toml::Table = tree.read(&folder.file("Cargo.toml")).and_then(|text| text.parse().ok()).unwrap_or_default();
        let workspace = manifest.get("workspace").and_then(toml::Value::as_table);
        // Cargo itself refuses a crate below a workspace that is neither a member nor excluded.
        let covered = workspaces.iter().any(|(above, exclude)| {
            let place = relative(&folder.path, above);
            let excluded = exclude.iter().any(|path| within(place, path.trim_end_matches('/'))) || listed(exclude, &folder.path, above);
            within(&folder.path, above) && !excluded
        });
        if workspace.is_none() && covered {
            continue;
        }
        if let Some(table) = workspace {
            let exclude = table.get("exclude").and_then(toml::Value::as_array).into_iter().flatten();
            let exclude = exclude.filter_map(|path| path.as_str().map(str::to_owned)).collect();
            workspaces.push((folder.path.clone(), exclude));
        }
        let mut checks = vec![
            build(&folder.path, "cargo build", &["cargo", "build", "--workspace", "--all-targets"]),
            test(&folder.path, "cargo test", &["cargo", "test", "--workspace"]),
        ];
        // What is built has to be what is committed. Only a lock file of the repository's own: one that an earlier build
        // left behind may be out of date without anybody being at fault.
        if tree.tracks(&folder.file("Cargo.lock")) {
            for check in &mut checks {
                check.argv.push("--locked".to_owned());
            }
        }
        projects.push(Project { folder: folder.path.clone(), checks });
    }
    projects
}

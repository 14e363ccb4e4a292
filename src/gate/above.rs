//! Files above a repository that tools take in when they look upwards: they belong to no commit, and decide all the same.

use std::path::{Path, PathBuf};

/// What is looked for upwards, and by whom. A repository that has one itself is not asked further.
const SOUGHT: [&str; 12] = [
    "Directory.Build.props",
    "Directory.Build.targets",
    "Directory.Packages.props",
    "global.json",
    "nuget.config",
    "NuGet.Config",
    ".editorconfig",
    "node_modules",
    "pyproject.toml",
    ".cargo/config.toml",
    "go.work",
    "settings.gradle",
];

/// What lies above the checkout or above one of its worktrees and means something to the tools of the repository: a
/// sentence for each, which says where the two differ.
#[must_use]
pub fn above(checkout: &Path, worktree: &Path) -> Vec<String> {
    let mut said = Vec::new();
    for name in SOUGHT.iter().filter(|name| !worktree.join(name).exists()) {
        let (there, here) = (nearest(checkout, name), nearest(worktree, name));
        match (there, here) {
            (None, None) => {}
            (there, Some(here)) if there.as_ref() == Some(&here) => {
                said.push(format!(
                    "`{}` is outside of the repository and takes part here; a clone elsewhere does not have it",
                    here.display()
                ));
            }
            (Some(there), _) => {
                said.push(format!(
                    "`{}` takes part in your checkout and not in the worktrees: set `worktrees` to a folder below it",
                    there.display()
                ));
            }
            (None, Some(here)) => {
                said.push(format!(
                    "`{}` takes part in the worktrees and not in your checkout: set `worktrees` to another folder",
                    here.display()
                ));
            }
        }
    }
    said
}

fn nearest(tree: &Path, name: &str) -> Option<PathBuf> {
    tree.ancestors().skip(1).map(|folder| folder.join(name)).find(|path| path.exists())
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs;

    #[test]
    fn what_lies_above_is_said_with_where_it_counts() {
        let lab = tempfile::tempdir().unwrap();
        let path = |name: &str| lab.path().join(name);
        for folder in ["a/repo", "a/repo.aura/story/gate", "b/gate"] {
            fs::create_dir_all(path(folder)).unwrap();
        }
        let (checkout, beside, elsewhere) = (path("a/repo"), path("a/repo.aura/story/gate"), path("b/gate"));
        assert_eq!(above(&checkout, &beside), [""; 0]);
        fs::write(path("a/global.json"), "{}").unwrap();
        assert!(above(&checkout, &beside)[0].contains("a clone elsewhere does not have it"));
        assert!(above(&checkout, &elsewhere)[0].contains("in your checkout and not in the worktrees"));
        fs::write(path("b/Directory.Build.props"), "").unwrap();
        let said = above(&checkout, &elsewhere);
        assert!(said.len() == 2 && said[0].contains("in the worktrees and not in your checkout"), "{said:?}");
        // The repository's own ends the search.
        fs::write(beside.join("global.json"), "{}").unwrap();
        assert_eq!(above(&checkout, &beside), [""; 0]);
    }
}

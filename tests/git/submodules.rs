//! Submodules: filled from the user's own checkout, never from the network, and no part of what an agent did.

use crate::lab::{Lab, Project, alone, read, write};
use aura::git::GitError;
use std::fs;

/// A repository with a submodule at `libs/inner`, which has one of its own at `more`.
fn with_submodule(lab: &Lab) -> Project<'_> {
    let make = |name: &str| {
        let path = lab.path(name);
        fs::create_dir(&path).unwrap();
        lab.git(&path, &["init", "-q"]);
        write(&path.join(format!("{name}.txt")), "inside\n");
        lab.git(&path, &["add", "-A"]);
        lab.git(&path, &["commit", "-qm", name]);
        path
    };
    let (innermost, inner) = (make("innermost"), make("inner"));
    let add = ["-c", "protocol.file.allow=always", "submodule", "--quiet", "add"];
    lab.git(&inner, &[&add[..], &[innermost.to_str().unwrap(), "more"]].concat());
    lab.git(&inner, &["commit", "-qam", "a submodule"]);
    let project = lab.project();
    project.git(&[&add[..], &["--name", "odd name", inner.to_str().unwrap(), "libs/inner"]].concat());
    project.git(&["-c", "protocol.file.allow=always", "submodule", "--quiet", "update", "--init", "--recursive"]);
    project.git(&["commit", "-qam", "a submodule"]);
    // Whatever is taken from now on is taken from the user's checkout.
    for path in [innermost, inner] {
        fs::rename(&path, path.with_extension("gone")).unwrap();
    }
    lab.open(&project.path)
}

#[test]
fn a_submodule_is_filled_as_far_as_the_users_checkout_has_it() {
    alone(|lab| {
        let project = with_submodule(lab);
        let config = read(&project.path.join(".git/config"));
        let path = project.worktree("full");
        assert_eq!(read(&path.join("libs/inner/inner.txt")), "inside\n");
        assert_eq!(read(&path.join("libs/inner/more/innermost.txt")), "inside\n");
        assert_eq!(lab.git(&path, &["status", "--porcelain"]), "");
        assert_eq!(lab.git(&path.join("libs/inner"), &["status", "--porcelain"]), "");
        let url = |path: &std::path::Path| lab.git(path, &["config", "remote.origin.url"]);
        assert_eq!(url(&path.join("libs/inner")), url(&project.path.join("libs/inner")));
        project.repo.set_worktree(&path, &project.base).unwrap();
        assert_eq!(lab.git(&path, &["status", "--porcelain"]), "");
        assert_eq!(read(&project.path.join(".git/config")), config);

        project.git(&["submodule", "--quiet", "deinit", "--all", "-f"]);
        let path = project.worktree("empty");
        assert_eq!(fs::read_dir(path.join("libs/inner")).unwrap().count(), 0);
        assert_eq!(project.snapshot("empty").unwrap().changed, []);
    });
}

#[test]
fn work_inside_a_submodule_is_kept_but_does_not_move_it() {
    alone(|lab| {
        let project = with_submodule(lab);
        let path = project.worktree("busy");
        let inner = path.join("libs/inner");
        write(&inner.join("inner.txt"), "changed\n");
        lab.git(&inner, &["commit", "-qam", "an agent's"]);
        write(&inner.join("untracked.txt"), "untracked\n");
        write(&path.join("own.txt"), "own\n");
        lab.git(&path, &["add", "-A"]);
        let snapshot = project.snapshot("busy").unwrap();
        let changed: Vec<&str> = snapshot.changed.iter().map(|file| file.path.as_str()).collect();
        assert_eq!(changed, ["own.txt"]);
        project.repo.set_worktree(&path, &project.base).unwrap();
        assert_eq!(read(&inner.join("inner.txt")), "inside\n");
        let kept = crate::lab::walk(&project.path.join(".git/worktrees/busy/modules"));
        assert!(kept.iter().any(|(name, text)| name.ends_with("untracked.txt") && text == b"untracked\n"));
    });
}

#[test]
fn a_submodule_can_be_removed_and_none_can_be_added() {
    alone(|lab| {
        let project = with_submodule(lab);
        let path = project.worktree("remover");
        lab.git(&path, &["rm", "-qf", "libs/inner"]);
        let changed: Vec<String> = project.snapshot("remover").unwrap().changed.into_iter().map(|file| file.path).collect();
        assert_eq!(changed, [".gitmodules", "libs/inner"]);
        let path = project.worktree("adder");
        fs::create_dir_all(path.join("libs/other")).unwrap();
        lab.git(&path.join("libs/other"), &["init", "-q"]);
        lab.git(&path.join("libs/other"), &["commit", "-q", "--allow-empty", "-m", "other"]);
        assert!(matches!(project.snapshot("adder"), Err(GitError::NestedRepository { path }) if path == "libs/other"));
    });
}

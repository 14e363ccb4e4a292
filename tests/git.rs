//! Worktrees that an agent wrote are read without running what they hold.
#![cfg(unix)]
#![allow(clippy::unwrap_used)]

use aura::domain::Oid;
use aura::git::{At, Repo};
use std::path::Path;
use std::process::Command;

fn git(dir: &Path, args: &[&str]) -> String {
    let output =
        Command::new("git").args(["-c", "user.name=T", "-c", "user.email=t@localhost"]).args(args).current_dir(dir).output().unwrap();
    assert!(output.status.success(), "{args:?}: {}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8_lossy(&output.stdout).trim().to_owned()
}

#[test]
fn a_rescue_does_not_run_what_a_planted_repository_is_configured_to_run() {
    let folder = tempfile::tempdir().unwrap();
    let (root, worktree, marker) = (folder.path().join("repo"), folder.path().join("wt"), folder.path().join("ran"));
    std::fs::create_dir(&root).unwrap();
    git(&root, &["init", "-q"]);
    git(&root, &["commit", "-q", "--allow-empty", "-m", "start"]);
    let repo = Repo::discover(&root).unwrap();
    let head = Oid::parse(&git(&root, &["rev-parse", "HEAD"])).unwrap();
    repo.worktree_add(&worktree, At::Detached(&head)).unwrap();
    repo.set_worktree(&worktree, &head).unwrap();

    // The agent makes a repository of its own, has it recorded as a link, and configures it to run something when read.
    let nested = worktree.join("nested");
    std::fs::create_dir(&nested).unwrap();
    git(&nested, &["init", "-q"]);
    std::fs::write(nested.join("a.x"), "one\n").unwrap();
    git(&nested, &["add", "-A"]);
    git(&nested, &["commit", "-q", "-m", "planted"]);
    git(&worktree, &["-c", "advice.addEmbeddedRepo=false", "add", "nested"]);
    std::fs::write(nested.join(".gitattributes"), "*.x filter=evil\n").unwrap();
    git(&nested, &["config", "filter.evil.clean", &format!("touch '{}'; cat", marker.display())]);
    std::fs::write(nested.join("a.x"), "two\n").unwrap();
    std::fs::write(worktree.join("work.txt"), "worth keeping\n").unwrap();

    let kept = repo.rescue(&worktree, "refs/aura/rescue/test/task/1", &head).unwrap().unwrap();
    assert!(!marker.exists(), "the planted filter ran");
    assert_eq!(git(&root, &["show", &format!("{kept}:work.txt")]), "worth keeping");
}

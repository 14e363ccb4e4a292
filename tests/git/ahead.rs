//! A worktree that was made ahead moves on with the story while nobody has touched it, and only then.

use crate::lab::{Lab, Project, alone, read, walk, write};
use std::fs;
use std::path::Path;

type Touch = fn(&Lab, &Project, &Path);

/// What may have happened to a worktree between its making and its task's start.
const TOUCHED: [(&str, Touch); 8] = [
    ("a file is changed", |_, _, path| write(&path.join("src/lib.txt"), "edited\n")),
    ("a file is new", |_, _, path| write(&path.join("new.txt"), "new\n")),
    ("a file is gone", |_, _, path| fs::remove_file(path.join("src/lib.txt")).unwrap()),
    ("something is staged", |lab, _, path| {
        write(&path.join("staged.txt"), "x\n");
        lab.git(path, &["add", "staged.txt"]);
    }),
    ("another branch is checked out", |lab, _, path| {
        lab.git(path, &["checkout", "-q", "-b", "elsewhere"]);
    }),
    ("no branch is checked out", |lab, _, path| {
        lab.git(path, &["checkout", "-q", "--detach"]);
    }),
    ("the link is gone", |_, _, path| fs::remove_file(path.join(".git")).unwrap()),
    ("the folder is gone", |_, _, path| fs::remove_dir_all(path).unwrap()),
];

#[test]
fn an_untouched_worktree_is_brought_to_where_the_story_stands() {
    alone(|lab| {
        let project = lab.project();
        let path = project.worktree("task-1");
        let next = project.commit(&project.base, &[("src/lib.txt", "a better library\n"), ("more.txt", "more\n")]);
        let written = || fs::metadata(path.join("readme.txt")).unwrap().modified().unwrap();
        let before = written();
        assert!(project.repo.advance_worktree(&path, "aura/task-1", &next).unwrap());
        assert_eq!((read(&path.join("src/lib.txt")), read(&path.join("more.txt"))), ("a better library\n".into(), "more\n".into()));
        assert_eq!(lab.git(&path, &["status", "--porcelain"]), "");
        assert_eq!(lab.git(&path, &["rev-parse", "HEAD", "refs/heads/aura/task-1"]), format!("{next}\n{next}"));
        assert_eq!(lab.git(&path, &["symbolic-ref", "HEAD"]), "refs/heads/aura/task-1");
        assert!(project.repo.filled_with(&path).is_some());
        // What is the same in both is not written again.
        assert_eq!(written(), before);
        // Once more to the same place is nothing to do; and back again, for a story that a person has set back.
        assert!(project.repo.advance_worktree(&path, "aura/task-1", &next).unwrap());
        assert!(project.repo.advance_worktree(&path, "aura/task-1", &project.base).unwrap());
        assert!(!path.join("more.txt").exists());
        project.assert_sound();
    });
}

#[test]
fn a_worktree_that_was_touched_stays_as_it_is() {
    alone(|lab| {
        let project = lab.project();
        let next = project.commit(&project.base, &[("src/lib.txt", "a better library\n"), ("more.txt", "more\n")]);
        for (number, (what, touch)) in TOUCHED.into_iter().enumerate() {
            let name = format!("task-{number}");
            let path = project.worktree(&name);
            touch(lab, &project, &path);
            let before = path.exists().then(|| walk(&path));
            assert!(!project.repo.advance_worktree(&path, &format!("aura/{name}"), &next).unwrap(), "{what}");
            assert_eq!(path.exists().then(|| walk(&path)), before, "{what}");
            assert_eq!(project.oid(&format!("refs/heads/aura/{name}")), project.base, "{what}");
        }
    });
}

#[test]
fn only_the_worktree_of_that_branch_is_moved() {
    alone(|lab| {
        let project = lab.project();
        let (path, other) = (project.worktree("task-1"), project.worktree("task-2"));
        let next = project.commit(&project.base, &[("more.txt", "more\n")]);
        assert!(!project.repo.advance_worktree(&other, "aura/task-1", &next).unwrap());
        assert!(!project.repo.advance_worktree(&project.path, "main", &next).unwrap());
        assert_eq!((project.oid("refs/heads/aura/task-1"), project.oid("refs/heads/main")), (project.base.clone(), project.base.clone()));
        assert!(!path.join("more.txt").exists() && !other.join("more.txt").exists() && !project.path.join("more.txt").exists());
    });
}

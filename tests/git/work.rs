//! An agent's work is the difference between what its worktree held at the start and at the end, and nothing that others
//! have landed is ever taken back by it.

use crate::lab::{Lab, Project, alone, noon, read, write};
use aura::git::{GitError, StartRequest};
use std::fs;
use std::path::Path;

type Touch = fn(&Lab, &Path);

fn prove(project: &Project, name: &str, at: &aura::domain::Oid) -> Result<aura::domain::Oid, GitError> {
    let (branch, pin) = (format!("aura/{name}"), format!("refs/aura/test/start-{name}"));
    project.repo.prove_start(&project.story().join(name), &StartRequest { branch: &branch, at, pin: &pin, time: noon() })
}

#[test]
fn a_start_is_proven_and_pinned() {
    alone(|lab| {
        let project = lab.project();
        let path = project.worktree("task");
        write(&path.join("target/cache"), "ignored files do not count\n");
        assert_eq!(prove(&project, "task", &project.base).unwrap(), project.base);
        assert_eq!(project.oid("refs/aura/test/start-task"), project.base);
        let touches: [(&str, Touch); 6] = [
            ("a file is gone", |_, path| fs::remove_file(path.join("src/lib.txt")).unwrap()),
            ("a file is changed", |_, path| write(&path.join("src/lib.txt"), "changed\n")),
            ("a file is new", |_, path| write(&path.join("new.txt"), "new\n")),
            ("the index is behind", |lab, path| drop(lab.git(path, &["rm", "-q", "--cached", "src/lib.txt"]))),
            ("HEAD is behind", |lab, path| drop(lab.git(path, &["reset", "-q", "--soft", "HEAD~1"]))),
            ("HEAD is detached", |lab, path| drop(lab.git(path, &["checkout", "-q", "--detach"]))),
        ];
        for (number, (what, touch)) in touches.into_iter().enumerate() {
            let name = format!("task-{number}");
            let path = project.worktree(&name);
            touch(lab, &path);
            assert!(matches!(prove(&project, &name, &project.base), Err(GitError::NotAsSet { .. })), "{what}");
            assert!(project.repo.resolve(&format!("refs/aura/test/start-{name}")).unwrap().is_none(), "{what}");
        }
    });
}

/// A repository in which git calls files changed right after a checkout: committed with other line endings than its
/// attributes say.
fn renormalised(project: &Project) -> aura::domain::Oid {
    for number in 0..3 {
        write(&project.path.join(format!("dos-{number}.txt")), &format!("line 1\r\nline {number}\r\n"));
    }
    project.git(&["add", "-A"]);
    project.git(&["commit", "-qm", "dos"]);
    write(&project.path.join(".gitattributes"), "*.txt text eol=lf\n");
    project.git(&["add", ".gitattributes"]);
    project.git(&["commit", "-qm", "attributes"]);
    project.oid("HEAD")
}

#[test]
fn files_that_git_calls_changed_after_a_checkout_are_nobodys_work() {
    alone(|lab| {
        let project = lab.project();
        let base = renormalised(&project);
        let path = project.worktree_at("task", &base);
        let origin = prove(&project, "task", &base).unwrap();
        assert_ne!(origin, base, "git normalises what it reads");
        let snapshot = |pin: &str| {
            let request = aura::git::SnapshotRequest { base: &base, origin: &origin, branch: "aura/task", message: "m\n", at: noon(), pin };
            project.repo.snapshot(&path, &request).unwrap()
        };
        let idle = snapshot("refs/aura/test/idle");
        assert_eq!((idle.changed, idle.head, idle.content), (vec![], base.clone(), project.repo.tree_of(&origin).unwrap()));
        write(&path.join("one.md"), "one\n");
        write(&path.join("dos-1.txt"), "line 1\nline one\n");
        let worked = snapshot("refs/aura/test/worked");
        let names: Vec<&str> = worked.changed.iter().map(|file| file.path.as_str()).collect();
        assert_eq!(names, ["dos-1.txt", "one.md"]);
        let raw = |name: &str| project.repo.read(&worked.head, name, 100).unwrap().unwrap();
        assert_eq!((raw("dos-0.txt"), raw("dos-1.txt")), (b"line 1\r\nline 0\r\n".to_vec(), b"line 1\nline one\n".to_vec()));
        // A stale file is not taken for one of those.
        let path = project.worktree_at("stale", &base);
        write(&path.join("dos-2.txt"), "stale\n");
        assert!(matches!(prove(&project, "stale", &base), Err(GitError::NotAsSet { .. })));
    });
}

#[test]
fn what_an_agent_left_is_pinned_before_anything_is_changed() {
    alone(|lab| {
        let project = lab.project();
        // The agent leaves its base, so that its worktree is brought to another content afterwards.
        let path = project.worktree("task");
        lab.git(&path, &["checkout", "-q", "--detach", "HEAD~1"]);
        write(&path.join("mine.txt"), "mine\n");
        let content = walk_names(&path);
        let pin = "refs/aura/test/end";
        let first = project.snapshot_pinned("task", "aura/task", pin).unwrap();
        assert!(project.names(&first.head).contains(&"src/lib.txt".to_owned()), "{:?}", project.names(&first.head));
        assert_eq!(first.changed.len(), 1);
        // As a driver finds it that was killed between the steps: HEAD on the branch, and the files as the agent left them.
        for name in walk_names(&path).iter().filter(|name| !content.contains(name)) {
            fs::remove_file(path.join(name)).unwrap();
        }
        let again = project.snapshot_pinned("task", "aura/task", pin).unwrap();
        assert_eq!((again.head, again.changed), (first.head.clone(), first.changed));
        assert_eq!(lab.git(&path, &["status", "--porcelain"]), "");
        assert_eq!(read(&path.join("src/lib.txt")), "a library\n");
    });
}

fn walk_names(path: &Path) -> Vec<String> {
    crate::lab::walk(path).into_keys().filter(|name| name != ".git" && !name.starts_with(".git/")).collect()
}

#[test]
fn changes_that_cannot_be_told_from_a_reset_are_refused() {
    alone(|lab| {
        let project = lab.project();
        let base = project.commit(&project.base, &[("src/lib.txt", "a library\nof another task\n"), ("landed.txt", "landed\n")]);
        let path = project.worktree_at("task", &base);
        lab.git(&path, &["reset", "-q", "--hard", "HEAD~1"]);
        write(&path.join("src/lib.txt"), "a library\nof mine\n");
        let request = aura::git::SnapshotRequest {
            base: &base,
            origin: &base,
            branch: "aura/task",
            message: "m\n",
            at: noon(),
            pin: "refs/aura/test/reset",
        };
        for _ in 0..2 {
            match project.repo.snapshot(&path, &request) {
                Err(GitError::LeftItsBase { paths, .. }) => assert_eq!(paths, ["src/lib.txt"]),
                other => panic!("{other:?}"),
            }
        }
        assert_eq!(project.show(&project.oid("refs/aura/test/reset"), "src/lib.txt"), "a library\nof mine", "the work is kept");
        // One that amends a commit whose lines it changes again stands where it stood.
        let path = project.worktree_at("amends", &base);
        write(&path.join("src/lib.txt"), "a library\nof both\n");
        lab.git(&path, &["commit", "-q", "-a", "--amend", "-m", "amended"]);
        let request = aura::git::SnapshotRequest { branch: "aura/amends", pin: "refs/aura/test/amended", ..request };
        let amended = project.repo.snapshot(&path, &request).unwrap();
        assert_eq!((amended.changed.len(), project.show(&amended.head, "landed.txt")), (1, "landed".into()));
    });
}

#[test]
fn commits_that_an_agent_has_merged_are_not_taken_for_landed() {
    alone(|lab| {
        let project = lab.project();
        let path = project.worktree("task");
        // What another task lands meanwhile, merged by the agent in a way that drops its content.
        let landed = project.commit(&project.base, &[("landed.txt", "landed\n"), ("readme.txt", "one\ntwo\nTHREE\n")]);
        project.repo.update_ref("refs/heads/aura/story", &landed, aura::git::Expect::Absent, "test").unwrap();
        write(&path.join("mine.txt"), "mine\n");
        lab.git(&path, &["add", "-A"]);
        lab.git(&path, &["commit", "-qm", "mine"]);
        lab.git(&path, &["merge", "-q", "-s", "ours", "-m", "merged", landed.as_str()]);
        let snapshot = project.snapshot("task").unwrap();
        assert!(!project.repo.is_ancestor(&landed, &snapshot.head).unwrap());
        assert!(snapshot.left_behind.is_some(), "its own commits are named");
        let merge = project.repo.merge_trees(&project.base, &landed, &snapshot.head).unwrap();
        assert_eq!((project.show(&merge.tree, "landed.txt"), project.show(&merge.tree, "mine.txt")), ("landed".into(), "mine".into()));
    });
}

#[test]
fn a_step_may_change_what_its_work_changes_and_nothing_else() {
    alone(|lab| {
        let project = lab.project();
        let base = &project.base;
        let tip = project.commit(base, &[("landed.txt", "landed\n"), ("readme.txt", "one\ntwo\nTHREE\n")]);
        let work = project.commit(base, &[("mine.txt", "mine\n"), ("src/lib.txt", "better\n")]);
        let good = project.repo.merge_trees(base, &tip, &work).unwrap().tree;
        let taken = |after: &aura::domain::Oid| -> Vec<String> {
            project.repo.taken_back(&tip, after, base, &work).unwrap().into_iter().map(|taken| taken.path).collect()
        };
        assert_eq!(taken(&good), Vec::<String>::new());
        // The tree of the work itself lacks what landed, and gives a file back its old content.
        assert_eq!(taken(&work), ["landed.txt", "readme.txt"]);
        // What git carries along with a renamed folder, or follows to its new name, is still there.
        let moved = project.commit_by(base, |lab, path| drop(lab.git(path, &["mv", "src", "lib"])));
        let added = project.commit(base, &[("src/more.txt", "more\n"), ("src/deep/er.txt", "deeper\nstill\n")]);
        for (tip, work) in [(&moved, &added), (&added, &moved)] {
            let merge = project.repo.merge_trees(base, tip, work).unwrap();
            if merge.conflicts.is_empty() {
                assert_eq!(project.repo.taken_back(tip, &merge.tree, base, work).unwrap(), []);
            }
        }
    });
}

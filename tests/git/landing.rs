//! Merging and landing in memory, and refs that move by compare-and-swap.

use crate::lab::{Project, alone, noon, second_process, walk, write};
use aura::domain::{Landable, Oid, PlannedTask, Task, TaskId, Work};
use aura::git::{Expect, GitError, Landed, Repo};
use std::fs;
use std::path::Path;

/// The permit that an accepted task gives.
pub fn permit(head: &Oid) -> Landable {
    let id = TaskId::parse("task-1").unwrap();
    let (title, description) = ("Do it".to_owned(), "Do it.".to_owned());
    let planned = PlannedTask { id, title, description, depends_on: vec![], files: vec![], agent: None, estimate: 1, wave: 1 };
    let mut task = Task::new(planned);
    task.work = Work::Accepted { attempt: 1, head: head.clone() };
    task.landable().unwrap()
}

fn land(project: &Project, head: &Oid, tip: &Oid) -> Landed {
    project.repo.land(&permit(head), "aura/story", tip, "Land task-1\n\nAura-Task: task-1\n", noon()).unwrap()
}

fn landed(landed: Landed) -> Oid {
    match landed {
        Landed::Done { commit, .. } => commit,
        other => panic!("{other:?}"),
    }
}

fn story(project: &Project) -> Oid {
    project.repo.update_ref("refs/heads/aura/story", &project.base, Expect::Absent, "test").unwrap();
    project.base.clone()
}

#[test]
fn a_landing_is_a_merge_of_tip_and_head_and_finds_itself_again() {
    alone(|lab| {
        let project = lab.project();
        let tip = story(&project);
        let head = project.commit(&tip, &[("a.txt", "a\n")]);
        let commit = landed(land(&project, &head, &tip));
        assert_eq!(project.git(&["log", "-1", "--format=%P", commit.as_str()]), format!("{tip} {head}"));
        assert_eq!(project.git(&["log", "-1", "--format=%(trailers:key=Aura-Task,valueonly)", commit.as_str()]).trim(), "task-1");
        assert_eq!(project.show(&commit, "a.txt"), "a");
        assert_eq!(land(&project, &head, &tip), Landed::Done { commit: commit.clone(), tree: project.repo.tree_of(&commit).unwrap() });
        assert_eq!(project.oid("refs/heads/aura/story"), commit);
        assert_eq!(project.repo.landings(&tip, &commit).unwrap(), [commit]);
    });
}

#[test]
fn a_landing_that_was_cut_short_comes_out_the_same() {
    alone(|lab| {
        let project = lab.project();
        let tip = story(&project);
        let head = project.commit(&tip, &[("a.txt", "a\n")]);
        let first = landed(land(&project, &head, &tip));
        // The objects are there and the ref is not: what a kill before the last step leaves.
        project.git(&["update-ref", "refs/heads/aura/story", tip.as_str()]);
        write(&project.path.join(".git/refs/heads/aura/story.lock"), "");
        assert_eq!(landed(land(&project, &head, &tip)), first);
        project.assert_sound();
    });
}

#[test]
fn a_tip_that_moved_is_reported_and_nothing_is_landed() {
    alone(|lab| {
        let project = lab.project();
        let tip = story(&project);
        let head = project.commit(&tip, &[("a.txt", "a\n")]);
        let theirs = project.commit(&tip, &[("theirs.txt", "theirs\n")]);
        project.git(&["update-ref", "refs/heads/aura/story", theirs.as_str()]);
        assert_eq!(land(&project, &head, &tip), Landed::TipMoved { now: theirs.clone() });
        assert_eq!(project.oid("refs/heads/aura/story"), theirs);
        // Landed, and then somebody went on: the landing is found, and what came after it is another step.
        let commit = landed(land(&project, &head, &theirs));
        let after = project.commit(&commit, &[("after.txt", "after\n")]);
        project.git(&["update-ref", "refs/heads/aura/story", after.as_str()]);
        assert_eq!(landed(land(&project, &head, &theirs)), commit);
        assert_eq!(project.oid("refs/heads/aura/story"), after);
        project.git(&["update-ref", "-d", "refs/heads/aura/story"]);
        assert!(matches!(project.repo.land(&permit(&head), "aura/story", &tip, "m", noon()), Err(GitError::RefMoved { .. })));
    });
}

#[test]
fn every_kind_of_conflict_is_handed_back_with_its_paths() {
    alone(|lab| {
        let project = lab.project();
        let removed = {
            let path = project.worktree("remover");
            fs::remove_file(path.join("src/lib.txt")).unwrap();
            project.snapshot("remover").unwrap().head
        };
        let content = [("readme.txt", "one\nOURS\nthree\n")];
        let cases: [(&str, Oid, Oid); 4] = [
            (
                "readme.txt",
                project.commit(&project.base, &content),
                project.commit(&project.base, &[("readme.txt", "one\nTHEIRS\nthree\n")]),
            ),
            ("src/lib.txt", project.commit(&project.base, &[("src/lib.txt", "edited\n")]), removed),
            (
                "new ünï.txt",
                project.commit(&project.base, &[("new ünï.txt", "a\n")]),
                project.commit(&project.base, &[("new ünï.txt", "b\n")]),
            ),
            (
                "line\nbreak",
                project.commit(&project.base, &[("line\nbreak", "a\n")]),
                project.commit(&project.base, &[("line\nbreak", "b\n")]),
            ),
        ];
        for (path, ours, theirs) in cases {
            project.repo.update_ref("refs/heads/aura/story", &ours, Expect::Any, "test").unwrap();
            assert_eq!(land(&project, &theirs, &ours), Landed::Conflict { paths: vec![path.into()] });
            assert_eq!(project.oid("refs/heads/aura/story"), ours);
            let merge = project.repo.merge(&ours, &theirs).unwrap();
            assert_eq!(merge.conflicts, [path]);
            let has_both = path != "src/lib.txt";
            assert_eq!(project.repo.unresolved(&merge.tree, &merge.conflicts).unwrap().len(), usize::from(has_both), "{path:?}");
        }
    });
}

#[test]
fn thirty_two_branches_land_one_after_another() {
    alone(|lab| {
        let project = lab.project();
        let start = story(&project);
        let heads: Vec<Oid> = (0..32).map(|n| project.commit(&start, &[(&format!("f/{n}.txt"), "x\n")])).collect();
        let mut tip = start.clone();
        for head in &heads {
            tip = landed(land(&project, head, &tip));
        }
        assert_eq!(project.names(&tip).iter().filter(|name| name.starts_with("f/")).count(), 32);
        let landings = project.repo.landings(&start, &tip).unwrap();
        assert_eq!((landings.len(), landings.last()), (32, Some(&tip)));
        assert!(heads.iter().all(|head| project.repo.is_ancestor(head, &tip).unwrap()));
        assert_eq!(project.repo.landings(&tip, &tip).unwrap(), []);
    });
}

#[test]
fn a_ref_moves_only_from_where_it_is_thought_to_be() {
    alone(|lab| {
        let project = lab.project();
        let (one, two) = (project.base.clone(), project.commit(&project.base, &[]));
        let set = |name: &str, new: &Oid, expect: Expect<'_>| project.repo.update_ref(name, new, expect, "test");
        set("refs/heads/a/b", &one, Expect::Absent).unwrap();
        assert!(matches!(set("refs/heads/a/b", &two, Expect::Absent), Err(GitError::RefTaken { .. })));
        assert!(matches!(set("refs/heads/a/b", &two, Expect::At(&two)), Err(GitError::RefMoved { .. })));
        assert!(matches!(set("refs/heads/none", &two, Expect::At(&one)), Err(GitError::RefMoved { .. })));
        // One name cannot be a folder of another.
        for (name, expect) in [("refs/heads/a", Expect::Absent), ("refs/heads/a/b/c", Expect::Absent), ("refs/heads/a", Expect::Any)] {
            assert!(matches!(set(name, &one, expect), Err(GitError::RefTaken { .. })), "{name}");
        }
        set("refs/heads/a/b", &two, Expect::At(&one)).unwrap();
        assert!(matches!(project.repo.delete_ref("refs/heads/a/b", &one), Err(GitError::RefMoved { .. })));
        project.git(&["pack-refs", "--all"]);
        for _ in 0..2 {
            project.repo.delete_ref("refs/heads/a/b", &two).unwrap();
            assert_eq!(project.repo.resolve("refs/heads/a/b").unwrap(), None);
        }
        assert!(set("refs/heads/a", &Oid::parse(&"1".repeat(40)).unwrap(), Expect::Any).is_err());
    });
}

#[test]
fn a_dead_lock_on_our_ref_is_removed_and_one_on_the_users_is_not() {
    alone(|lab| {
        let project = lab.project();
        let next = project.commit(&project.base, &[]);
        let lock = |name: &str| project.path.join(".git").join(format!("{name}.lock"));
        for name in ["refs/aura/x", "refs/heads/users"] {
            project.repo.update_ref(name, &project.base, Expect::Absent, "test").unwrap();
            write(&lock(name), "");
        }
        project.repo.update_ref("refs/aura/x", &next, Expect::At(&project.base), "test").unwrap();
        let error = project.repo.update_users_ref("refs/heads/users", &next, Expect::Any, "test").unwrap_err();
        assert!(matches!(&error, GitError::Failed { stderr, .. } if stderr.contains("users.lock") && !stderr.contains('\n')), "{error}");
        assert!(lock("refs/heads/users").exists() && !lock("refs/aura/x").exists());
        write(&lock("refs/aura/x"), "");
        project.repo.delete_ref("refs/aura/x", &next).unwrap();
    });
}

/// Not a test by itself: what the processes of the next one do.
#[test]
fn lands_when_asked_to() {
    let Some(repository) = std::env::var_os("AURA_GIT_LAND_IN") else { return };
    let heads = std::env::var("AURA_GIT_LAND").unwrap();
    let repo = Repo::discover(Path::new(&repository)).unwrap();
    for head in heads.split(',').map(|head| Oid::parse(head).unwrap()) {
        loop {
            let tip = repo.resolve("refs/heads/aura/story").unwrap().unwrap();
            match repo.land(&permit(&head), "aura/story", &tip, "Land\n", noon()).unwrap() {
                Landed::Done { .. } => break,
                Landed::TipMoved { .. } => {}
                Landed::Conflict { paths } => panic!("{paths:?}"),
            }
        }
    }
}

#[test]
fn three_processes_that_land_at_once_lose_nothing() {
    alone(|lab| {
        let project = lab.project();
        let tip = story(&project);
        let batch = |who: usize| {
            let heads: Vec<String> = (0..6).map(|n| project.commit(&tip, &[(&format!("{who}-{n}.txt"), "x\n")]).to_string()).collect();
            heads.join(",")
        };
        let batches = [0, 1, 2].map(batch);
        let children = batches.each_ref().map(|heads| {
            second_process("landing::lands_when_asked_to", &[("AURA_GIT_LAND_IN", &project.path), ("AURA_GIT_LAND", Path::new(heads))])
        });
        for mut child in children {
            assert!(child.wait().unwrap().success());
        }
        let end = project.oid("refs/heads/aura/story");
        assert_eq!(project.repo.landings(&tip, &end).unwrap().len(), 18);
        assert_eq!(project.names(&end).iter().filter(|name| name.contains('-')).count(), 18);
        project.assert_sound();
        assert!(walk(&project.path.join(".git/refs")).keys().all(|name| !name.contains(".lock")));
    });
}

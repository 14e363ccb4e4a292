//! Worktrees: added, filled, healed after a crash, removed; and nobody else's folder is ever in danger.

use crate::lab::{Lab, Project, alone, read, second_process, walk, write};
use aura::git::{At, GitError, Repo};
use std::fs;
use std::path::{Path, PathBuf};

fn admin(project: &Project, name: &str) -> PathBuf {
    project.path.join(".git/worktrees").join(name)
}

fn count(project: &Project) -> usize {
    project.git(&["worktree", "list", "--porcelain"]).lines().filter(|line| line.starts_with("worktree ")).count()
}

#[test]
fn a_worktree_is_added_once_and_filled_with_its_commit() {
    alone(|lab| {
        let project = lab.project();
        let path = project.worktree("task-1");
        assert_eq!(read(&path.join("src/lib.txt")), "a library\n");
        assert_eq!(lab.git(&path, &["status", "--porcelain"]), "");
        assert_eq!(lab.git(&path, &["symbolic-ref", "HEAD"]), "refs/heads/aura/task-1");
        assert!(!project.repo.worktree_add(&path, At::Branch("aura/task-1")).unwrap().created);
        assert!(project.repo.filled_with(&path).is_some());
        // The name says nothing about the branch, and one worktree can become another.
        assert!(!project.repo.worktree_add(&path, At::Detached(&project.base)).unwrap().created);
        assert!(!Lab::try_git(&path, &["symbolic-ref", "--quiet", "HEAD"]).status.success());
        assert!(!read(&project.path.join(".git/config")).contains("aura"));
        project.assert_sound();
    });
}

#[test]
fn a_branch_that_is_only_on_a_remote_is_not_made_up() {
    alone(|lab| {
        let project = lab.project();
        project.git(&["update-ref", "refs/remotes/origin/theirs", "HEAD"]);
        project.git(&["config", "remote.origin.url", "nowhere"]);
        project.git(&["config", "remote.origin.fetch", "+refs/heads/*:refs/remotes/origin/*"]);
        let error = project.repo.worktree_add(&project.story().join("x"), At::Branch("theirs")).unwrap_err();
        assert!(error.to_string().contains("there is no branch `theirs`"), "{error}");
        assert_eq!(project.repo.resolve("refs/heads/theirs").unwrap(), None);
    });
}

type Leave = fn(&Project, &Path);

/// What a crash, or a person, can leave of a worktree.
const LEFTOVERS: [(&str, Leave); 9] = [
    ("a registration without an address", |project, path| {
        fs::remove_dir_all(path).unwrap();
        fs::remove_file(admin(project, "task-1").join("gitdir")).unwrap();
    }),
    ("a registration with an empty address", |project, path| {
        fs::remove_dir_all(path).unwrap();
        fs::write(admin(project, "task-1").join("gitdir"), "").unwrap();
    }),
    ("a registration that git was still making", |project, path| {
        fs::remove_dir_all(path).unwrap();
        fs::write(admin(project, "task-1").join("locked"), "initializing\n").unwrap();
        fs::remove_file(admin(project, "task-1").join("commondir")).unwrap();
    }),
    ("a folder deleted by hand", |_, path| fs::remove_dir_all(path).unwrap()),
    ("an empty folder", |project, path| {
        fs::remove_dir_all(path).unwrap();
        fs::create_dir(path).unwrap();
        fs::remove_dir_all(admin(project, "task-1")).unwrap();
    }),
    ("a folder with nothing but the link", |project, path| {
        fs::remove_dir_all(path).unwrap();
        write(&path.join(".git"), "gitdir: /nowhere\n");
        fs::remove_dir_all(admin(project, "task-1")).unwrap();
    }),
    ("a broken HEAD", |project, _| fs::write(admin(project, "task-1").join("HEAD"), "").unwrap()),
    ("an index cut short, and locks", |project, _| {
        let index = admin(project, "task-1").join("index");
        let half = fs::read(&index).unwrap();
        fs::write(index, &half[..half.len() / 2]).unwrap();
        for lock in ["index.lock", "HEAD.lock"] {
            fs::write(admin(project, "task-1").join(lock), "").unwrap();
        }
    }),
    ("a lock on the branch", |project, _| fs::write(project.path.join(".git/refs/heads/aura/task-1.lock"), "").unwrap()),
];

#[test]
fn whatever_is_left_of_a_worktree_it_is_made_whole_again() {
    alone(|lab| {
        let project = lab.project();
        let next = project.commit(&project.base, &[("next.txt", "next\n")]);
        for (what, leave) in LEFTOVERS {
            let path = project.worktree("task-1");
            leave(&project, &path);
            let again = project.worktree_at("task-1", &next);
            assert_eq!(read(&again.join("next.txt")), "next\n", "{what}");
            assert_eq!(lab.git(&again, &["status", "--porcelain"]), "", "{what}");
            assert_eq!(project.oid("refs/heads/aura/task-1"), next, "{what}");
            assert_eq!(count(&project), 3, "{what}: {}", project.git(&["worktree", "list"]));
            project.assert_sound();
        }
    });
}

#[test]
fn a_worktree_of_the_same_name_elsewhere_is_not_mistaken_for_ours() {
    alone(|lab| {
        let project = lab.project();
        let theirs = lab.path("theirs/task-1");
        project.git(&["worktree", "add", "-q", "--detach", theirs.to_str().unwrap()]);
        let path = project.worktree("task-1");
        fs::remove_dir_all(&path).unwrap();
        project.worktree("task-1");
        project.repo.worktree_remove(&path, &project.story()).unwrap();
        assert_eq!(lab.git(&theirs, &["status", "--porcelain"]), "");
        assert_eq!(count(&project), 2);
    });
}

#[test]
fn somebody_elses_folder_is_never_used() {
    alone(|lab| {
        let project = lab.project();
        let path = project.story().join("task-1");
        write(&path.join("thesis.txt"), "years of work");
        let add = || project.repo.worktree_add(&path, At::Detached(&project.base)).unwrap_err();
        assert!(matches!(add(), GitError::Occupied { .. }));
        lab.git(&path, &["init", "-q"]);
        let before = walk(&path);
        assert!(matches!(add(), GitError::Occupied { .. }));
        assert!(project.repo.set_worktree(&path, &project.base).is_err());
        assert!(project.repo.worktree_remove(&path, &project.story()).is_err());
        assert_eq!(walk(&path), before);
    });
}

#[test]
fn a_worktree_whose_link_is_gone_keeps_its_files_beside_it() {
    alone(|lab| {
        let project = lab.project();
        for remove in [true, false] {
            let path = project.worktree("task-1");
            write(&path.join("work.txt"), "work\n");
            fs::remove_file(path.join(".git")).unwrap();
            if remove {
                project.repo.worktree_remove(&path, &project.story()).unwrap();
                assert!(!path.exists());
            } else {
                project.worktree("task-1");
                assert!(!path.join("work.txt").exists());
            }
            let name = if remove { "task-1.lost-1" } else { "task-1.lost-2" };
            assert_eq!(read(&project.story().join(name).join("work.txt")), "work\n");
        }
    });
}

#[test]
fn only_worktrees_of_the_story_are_removed_and_none_that_a_person_locked() {
    alone(|lab| {
        let project = lab.project();
        let path = project.worktree("task-1");
        let outside = lab.path("elsewhere");
        project.git(&["worktree", "add", "-q", "--detach", outside.to_str().unwrap()]);
        for target in [&outside, &project.path, &project.story(), &project.story().join("x/../../../elsewhere")] {
            assert!(project.repo.worktree_remove(target, &project.story()).is_err(), "{}", target.display());
        }
        assert!(outside.join("readme.txt").exists());
        project.git(&["worktree", "lock", "--reason", "mine", path.to_str().unwrap()]);
        let error = project.repo.worktree_remove(&path, &project.story()).unwrap_err();
        assert!(error.to_string().contains("it is locked: mine"), "{error}");
        project.git(&["worktree", "unlock", path.to_str().unwrap()]);
        // Asked twice: the second time there is nothing to do.
        for _ in 0..2 {
            project.repo.worktree_remove(&path, &project.story()).unwrap();
            assert!(!path.exists());
        }
        assert_eq!(count(&project), 2);
    });
}

#[test]
fn setting_a_worktree_leaves_caches_and_nothing_else() {
    alone(|lab| {
        let project = lab.project();
        let path = project.worktree("task-1");
        write(&path.join("target/cache"), "cache");
        write(&path.join("new/file.txt"), "new");
        write(&path.join("readme.txt"), "changed");
        fs::remove_file(path.join("src/lib.txt")).unwrap();
        fs::remove_dir_all(path.join("src/deep")).unwrap();
        write(&path.join("src/deep"), "a file where a folder was");
        lab.git(&path, &["add", "-A"]);
        project.repo.set_worktree(&path, &project.base).unwrap();
        assert_eq!(lab.git(&path, &["status", "--porcelain", "--ignored"]), "!! target/");
        assert_eq!(read(&path.join("src/deep/er.txt")), "deeper\n");
    });
}

#[test]
fn a_branch_that_the_agent_checked_out_is_not_moved() {
    alone(|lab| {
        let project = lab.project();
        project.git(&["branch", "precious", "HEAD~1"]);
        let path = project.worktree("task-1");
        lab.git(&path, &["checkout", "-q", "precious"]);
        let before = project.oid("precious");
        project.repo.set_worktree(&path, &project.base).unwrap();
        assert_eq!(project.oid("precious"), before);
        assert_eq!(lab.git(&path, &["symbolic-ref", "HEAD"]), "refs/heads/aura/task-1");
        assert_eq!(lab.git(&path, &["status", "--porcelain"]), "");
    });
}

#[test]
fn repositories_that_an_agent_made_are_moved_out_whole() {
    alone(|lab| {
        let project = lab.project();
        let path = project.worktree("task-1");
        for folder in ["new/inner", "src"] {
            fs::create_dir_all(path.join(folder)).unwrap();
            lab.git(&path.join(folder), &["init", "-q"]);
            write(&path.join(folder).join("history.txt"), folder);
            lab.git(&path.join(folder), &["add", "history.txt"]);
            lab.git(&path.join(folder), &["commit", "-qm", "inner"]);
        }
        project.repo.set_worktree(&path, &project.base).unwrap();
        assert_eq!(lab.git(&path, &["status", "--porcelain", "--ignored"]), "");
        let kept: Vec<String> = ["task-1.nested-1", "task-1.nested-2"]
            .iter()
            .map(|name| lab.git(&project.story().join(name), &["show", "HEAD:history.txt"]))
            .collect();
        assert_eq!(kept, ["new/inner", "src"]);
    });
}

#[test]
fn a_moved_branch_is_brought_to_its_checkout_around_local_edits() {
    alone(|lab| {
        let project = lab.project();
        let path = project.worktree("story");
        let next = project.commit(&project.base, &[("readme.txt", "one\ntwo\nthree\nfour\n"), ("fresh.txt", "fresh\n")]);
        write(&path.join("src/lib.txt"), "my edit\n");
        write(&path.join("mine.txt"), "mine\n");
        project.repo.update_ref("refs/heads/aura/story", &next, aura::git::Expect::Any, "test").unwrap();
        for _ in 0..2 {
            project.repo.sync_checkout(&path, &project.base, &next).unwrap();
            assert_eq!(lab.git(&path, &["status", "--porcelain"]), " M src/lib.txt\n?? mine.txt");
            assert_eq!(read(&path.join("fresh.txt")), "fresh\n");
        }
        let last = project.commit(&next, &[("src/lib.txt", "theirs\n")]);
        let untracked = project.commit(&next, &[("mine.txt", "theirs\n")]);
        for to in [&last, &untracked] {
            let before = walk(&path);
            assert!(matches!(project.repo.sync_checkout(&path, &next, to), Err(GitError::LocalChanges { .. })));
            assert_eq!(walk(&path), before);
        }
    });
}

/// Not a test by itself: what the second process of the next one does.
#[test]
fn adds_worktrees_when_asked_to() {
    let Some(repository) = std::env::var_os("AURA_GIT_ADD_TO") else { return };
    let below = PathBuf::from(std::env::var_os("AURA_GIT_ADD_BELOW").unwrap());
    let repo = Repo::discover(Path::new(&repository)).unwrap();
    let base = repo.head().unwrap().commit;
    for n in 0..8 {
        let path = below.join(format!("task-{n}"));
        assert!(repo.worktree_add(&path, At::Detached(&base)).unwrap().created);
        repo.set_worktree(&path, &base).unwrap();
    }
}

#[test]
fn two_processes_add_eight_worktrees_each_at_the_same_time() {
    alone(|lab| {
        let project = lab.project();
        let below = ["one", "two"].map(|name| lab.path(name));
        let start = |below: &PathBuf| {
            second_process("worktrees::adds_worktrees_when_asked_to", &[("AURA_GIT_ADD_TO", &project.path), ("AURA_GIT_ADD_BELOW", below)])
        };
        let children = below.each_ref().map(start);
        for mut child in children {
            assert!(child.wait().unwrap().success());
        }
        assert_eq!(count(&project), 17);
        for path in below.iter().flat_map(|below| (0..8).map(move |n| below.join(format!("task-{n}")))) {
            assert_eq!(lab.git(&path, &["status", "--porcelain"]), "");
        }
        project.assert_sound();
    });
}

#[test]
fn whenever_the_process_is_killed_the_next_one_finishes_the_work() {
    alone(|lab| {
        let project = lab.project();
        let below = lab.path("below");
        // How often it looks like living on, after its first worktree shows, before it is killed wherever it stands then.
        for looks in [0, 30, 100, 300, 600, 1_000, 2_000, 4_000, 8_000, 16_000] {
            let variables: [(&str, &Path); 2] = [("AURA_GIT_ADD_TO", &project.path), ("AURA_GIT_ADD_BELOW", &below)];
            let mut child = second_process("worktrees::adds_worktrees_when_asked_to", &variables);
            let mut seen = 0;
            while seen <= looks && child.try_wait().unwrap().is_none() {
                seen += u32::from(admin(&project, "task-0").exists());
            }
            child.kill().unwrap();
            child.wait().unwrap();
            for n in 0..8 {
                let path = below.join(format!("task-{n}"));
                project.repo.worktree_add(&path, At::Detached(&project.base)).unwrap();
                project.repo.set_worktree(&path, &project.base).unwrap();
                assert_eq!(lab.git(&path, &["status", "--porcelain"]), "", "{looks} looks, {n}");
            }
            assert_eq!(count(&project), 9);
            project.assert_sound();
            for n in 0..8 {
                project.repo.worktree_remove(&below.join(format!("task-{n}")), &below).unwrap();
            }
        }
    });
}

/// Not a test by itself: an agent's life, over and over, until it is killed.
#[test]
fn lives_when_asked_to() {
    let Some(repository) = std::env::var_os("AURA_GIT_LIVE_IN") else { return };
    let path = PathBuf::from(std::env::var_os("AURA_GIT_LIVE_AT").unwrap());
    let repo = Repo::discover(Path::new(&repository)).unwrap();
    let base = repo.head().unwrap().commit;
    for n in 0.. {
        repo.worktree_add(&path, At::Branch("aura/life")).unwrap();
        repo.set_worktree(&path, &base).unwrap();
        write(&path.join("work.txt"), &format!("{n}\n"));
        repo.rescue(&path, "refs/aura/rescue/s/life/1", &base).unwrap().unwrap();
        let request = aura::git::SnapshotRequest {
            base: &base,
            origin: &base,
            branch: "aura/life",
            message: "m\n",
            at: crate::lab::noon(),
            pin: "refs/aura/test/life",
        };
        repo.snapshot(&path, &request).unwrap();
        if n % 3 == 2 {
            repo.worktree_remove(&path, path.parent().unwrap()).unwrap();
        }
    }
}

#[test]
fn wherever_a_life_is_cut_short_the_next_one_goes_on_and_nothing_is_lost() {
    alone(|lab| {
        let project = lab.project();
        project.repo.update_ref("refs/heads/aura/life", &project.base, aura::git::Expect::Absent, "test").unwrap();
        let path = project.story().join("life");
        for looks in (0..10).map(|n| n * n * 400) {
            let variables: [(&str, &Path); 2] = [("AURA_GIT_LIVE_IN", &project.path), ("AURA_GIT_LIVE_AT", &path)];
            let mut child = second_process("worktrees::lives_when_asked_to", &variables);
            let mut seen = 0;
            while seen <= looks {
                assert!(child.try_wait().unwrap().is_none(), "it lives until it is killed");
                seen += u32::from(path.join("work.txt").exists() || seen > 0);
            }
            child.kill().unwrap();
            child.wait().unwrap();
            // What stands there now is either filled, and then kept, or nobody's work.
            let left = fs::read(path.join("work.txt")).ok();
            let kept = project.repo.rescue(&path, "refs/aura/rescue/s/life/2", &project.base).unwrap_or_default();
            if let (Some(left), Some(kept)) = (left.filter(|_| project.repo.filled_with(&path).is_some()), kept) {
                assert_eq!(project.show(&kept, "work.txt").as_bytes(), left.trim_ascii_end(), "{looks} looks");
            }
            project.worktree("life");
            assert_eq!(lab.git(&path, &["status", "--porcelain"]), "", "{looks} looks");
            assert!(!path.join("work.txt").exists());
            write(&path.join("next.txt"), "next\n");
            assert_eq!(project.snapshot("life").unwrap().changed.len(), 1, "{looks} looks");
            // A lock that the dead one left on its own name is in nobody's way.
            let next = project.commit(&project.base, &[("next.txt", &format!("{looks}\n"))]);
            for name in ["refs/aura/rescue/s/life/1", "refs/aura/test/life"] {
                project.repo.update_ref(name, &next, aura::git::Expect::Any, "test").unwrap();
            }
            project.assert_sound();
        }
    });
}

#[test]
fn a_worktree_that_a_person_moved_is_made_anew_and_theirs_stays() {
    alone(|lab| {
        let project = lab.project();
        let path = project.worktree("task-1");
        write(&path.join("work.txt"), "work\n");
        // By hand, and then as git does it.
        fs::rename(&path, lab.path("moved by hand")).unwrap();
        let again = project.worktree("task-1");
        assert!(!again.join("work.txt").exists());
        assert_eq!(read(&lab.path("moved by hand/work.txt")), "work\n");
        project.git(&["worktree", "move", again.to_str().unwrap(), lab.path("moved by git").to_str().unwrap()]);
        project.worktree("task-1");
        assert_eq!(lab.git(&lab.path("moved by git"), &["status", "--porcelain"]), "");
        assert_eq!(lab.git(&path, &["status", "--porcelain"]), "");
    });
}

#[test]
fn what_cannot_be_written_is_an_error_that_names_it_and_leaves_things_as_they_were() {
    alone(|lab| {
        let project = lab.project();
        let path = project.worktree("task-1");
        write(&path.join("work.txt"), "work\n");
        let next = project.commit(&project.base, &[("new/file.txt", "new\n")]);
        // A file where git wants a folder stands for a disk that takes no more; permissions do not stop root.
        let objects = project.path.join(".git/objects");
        let hidden = lab.path("objects");
        let before = (walk(&path), project.oid("refs/heads/aura/task-1"));
        fs::rename(&objects, &hidden).unwrap();
        fs::write(&objects, "").unwrap();
        assert!(project.snapshot("task-1").is_err());
        assert!(project.repo.rescue(&path, "refs/aura/rescue/s/t/1", &project.base).is_err());
        assert!(project.repo.set_worktree(&path, &next).is_err());
        fs::remove_file(&objects).unwrap();
        fs::rename(&hidden, &objects).unwrap();
        assert_eq!((walk(&path), project.oid("refs/heads/aura/task-1")), before);
        assert_eq!(project.snapshot("task-1").unwrap().changed.len(), 1);
        project.repo.set_worktree(&path, &next).unwrap();
        assert_eq!(lab.git(&path, &["status", "--porcelain"]), "");
        project.assert_sound();
    });
}

//! What an agent plants while it works, in the worktree or in the repository's own configuration, is never run; what the
//! user has configured is.
#![cfg(unix)]

use crate::lab::{Lab, Project, alone, alone_with, noon, read, trap, walk, write};
use aura::domain::Oid;
use aura::git::{At, Expect, GitError};
use std::fs;
use std::os::unix::fs::symlink;

const NAME: &str = "refs/aura/rescue/s/t/1";

/// A whole life of a worktree that has just been worked in.
fn live(project: &Project, name: &str, other: &Oid) {
    let path = project.story().join(name);
    project.repo.rescue(&path, NAME, &project.base).unwrap();
    let head = project.snapshot(name).unwrap().head;
    project.repo.merge(other, &head).unwrap();
    project.repo.set_worktree(&path, other).unwrap();
    project.repo.sync_checkout(&path, other, &head).unwrap();
    project.repo.diff_text(&project.base, &head, 10_000).unwrap();
    project.repo.grep(&head, &["one".into()], 10).unwrap();
}

#[test]
fn programs_that_come_into_the_configuration_during_a_run_are_not_run() {
    alone(|lab| {
        let project = lab.project();
        let (script, mark) = trap(lab, "planted");
        let program = script.clone();
        let script = format!("'{}'", script.display());
        let other = project.commit(&project.base, &[("other.txt", "other\n")]);
        let path = project.worktree("task");
        // As an agent would, from inside its worktree: it is the repository's own file that this writes.
        for (key, value) in [
            ("filter.x.clean", format!("{script} clean")),
            ("filter.x.smudge", format!("{script} smudge")),
            ("filter.x.process", format!("{script} process")),
            ("filter.x.required", "true".into()),
            ("filter.a=b.clean", format!("{script} odd")),
            ("merge.x.driver", format!("{script} merge %A")),
            ("diff.x.textconv", format!("{script} textconv")),
            ("diff.x.command", format!("{script} diff")),
            ("diff.external", format!("{script} external")),
            ("core.fsmonitor", program.display().to_string()),
            ("core.hooksPath", path.join("hooks").display().to_string()),
            ("core.sshCommand", script.clone()),
            ("core.pager", script.clone()),
            ("gpg.program", script.clone()),
            ("commit.gpgSign", "true".into()),
            ("alias.add", format!("!{script}")),
        ] {
            lab.git(&path, &["config", key, &value]);
        }
        for hook in ["post-checkout", "post-index-change", "reference-transaction", "pre-commit"] {
            fs::create_dir_all(path.join("hooks")).unwrap();
            fs::copy(&program, path.join("hooks").join(hook)).unwrap();
        }
        write(&path.join(".gitattributes"), "*.txt filter=x diff=x merge=x\n*.odd filter=a=b\n");
        write(&path.join("readme.txt"), "one\ntwo\nTHREE\n");
        write(&path.join("a.odd"), "odd\n");
        live(&project, "task", &other);
        assert!(!mark.exists(), "{}", read(&mark));
        // The trap was a good one: whoever asks git without care runs it.
        write(&path.join("readme.txt"), "again\n");
        Lab::try_git(&path, &["add", "-A"]);
        assert!(mark.exists());
    });
}

#[test]
fn the_users_own_filters_run_as_they_were() {
    alone(|lab| {
        let project = lab.project();
        let (script, mark) = trap(lab, "changed");
        project.git(&["config", "filter.up.clean", "tr a-z A-Z"]);
        project.git(&["config", "filter.up.smudge", "tr A-Z a-z"]);
        let project = lab.open(&project.path);
        let path = project.worktree("task");
        write(&path.join(".gitattributes"), "*.up filter=up\n");
        write(&path.join("loud.up"), "words\n");
        let head = project.snapshot("task").unwrap().head;
        assert_eq!(project.show(&head, "loud.up"), "WORDS");
        // Changed by the agent: what it was still counts.
        lab.git(&path, &["config", "filter.up.clean", &format!("'{}'", script.display())]);
        write(&path.join("loud.up"), "more words\n");
        let head = project.snapshot("task").unwrap().head;
        assert_eq!(project.show(&head, "loud.up"), "MORE WORDS");
        // A process that comes later cannot know better than the file.
        assert!(!mark.exists(), "{}", read(&mark));
        fs::remove_file(path.join("loud.up")).unwrap();
        project.repo.set_worktree(&path, &head).unwrap();
        assert_eq!(read(&path.join("loud.up")), "more words\n");
    });
}

#[test]
fn the_users_own_merge_driver_runs_and_a_planted_one_does_not() {
    alone(|lab| {
        let project = lab.project();
        project.git(&["config", "merge.ours-always.driver", "true"]);
        fs::create_dir_all(project.path.join(".git/info")).unwrap();
        write(&project.path.join(".git/info/attributes"), "readme.txt merge=ours-always\nsrc/lib.txt merge=planted\n");
        let project = lab.open(&project.path);
        let one = project.commit(&project.base, &[("readme.txt", "1\n"), ("src/lib.txt", "1\n")]);
        let two = project.commit(&project.base, &[("readme.txt", "2\n"), ("src/lib.txt", "2\n")]);
        let (script, mark) = trap(lab, "driver");
        project.git(&["config", "merge.planted.driver", &format!("'{}' %A", script.display())]);
        let merge = project.repo.merge(&one, &two).unwrap();
        assert_eq!(merge.conflicts, ["src/lib.txt"]);
        assert_eq!(project.git(&["show", &format!("{}:readme.txt", merge.tree)]), "1");
        assert!(!mark.exists(), "{}", read(&mark));
    });
}

#[test]
fn names_that_git_keeps_for_itself_fail_the_task_and_the_rest_is_kept() {
    alone(|lab| {
        let project = lab.project();
        for (number, name) in [".GIT/config", "src/.Git/hooks/x", "git~1", "deep/.git "].into_iter().enumerate() {
            let task = format!("task-{number}");
            let path = project.worktree(&task);
            write(&path.join(name), "[core]\n\tfsmonitor = false\n");
            write(&path.join("work.txt"), "work\n");
            if Lab::try_git(&path, &["add", "-A"]).status.success() {
                // Where git itself sees nothing wrong, neither do we.
                project.snapshot(&task).unwrap();
            } else {
                assert!(project.snapshot(&task).is_err(), "{name}");
            }
            let kept = project.repo.rescue(&path, &format!("{NAME}{number}"), &project.base).unwrap().unwrap();
            assert_eq!(project.show(&kept, "work.txt"), "work", "{name}");
            project.repo.set_worktree(&path, &project.base).unwrap();
            assert_eq!(project.snapshot(&task).unwrap().tree, project.repo.tree_of(&project.base).unwrap(), "{name}");
        }
    });
}

#[test]
fn a_worktree_that_was_replaced_by_a_link_leads_nowhere() {
    alone(|lab| {
        let project = lab.project();
        let victims = [project.path.clone(), lab.path("elsewhere")];
        write(&lab.path("elsewhere/thesis.txt"), "years of work\n");
        for (number, victim) in victims.into_iter().enumerate() {
            let name = format!("task-{number}");
            let path = project.worktree(&name);
            fs::rename(&path, lab.path(&format!("hidden-{number}"))).unwrap();
            symlink(&victim, &path).unwrap();
            let before = walk(&victim);
            let changed = |before: &std::collections::BTreeMap<String, Vec<u8>>| {
                let mut after = walk(&victim);
                after.retain(|name, bytes| before.get(name) != Some(bytes));
                let ours = [".git/objects", ".git/refs", ".git/logs/refs", ".git/worktrees", ".git/aura"];
                after.retain(|name, _| !ours.iter().any(|start| name.starts_with(start)));
                after
            };
            assert!(matches!(project.snapshot(&name), Err(GitError::Tampered { .. })));
            assert!(matches!(project.repo.rescue(&path, NAME, &project.base), Err(GitError::Tampered { .. })));
            assert!(matches!(project.repo.set_worktree(&path, &project.base), Err(GitError::Tampered { .. })));
            assert!(project.repo.filled_with(&path).is_none());
            // A new one is made in its place.
            project.worktree(&name);
            write(&path.join("work.txt"), "work\n");
            project.snapshot(&name).unwrap();
            assert!(changed(&before).is_empty(), "{:?}", changed(&before).keys());
            // And the end of a story removes the link alone.
            project.repo.worktree_remove(&path, &project.story()).unwrap();
            symlink(&victim, &path).unwrap();
            project.repo.worktree_remove(&path, &project.story()).unwrap();
            assert!(path.symlink_metadata().is_err());
            assert!(changed(&before).is_empty() && victim.exists());
        }
    });
}

#[test]
fn a_folder_that_was_replaced_by_a_link_is_not_written_through() {
    alone(|lab| {
        let project = lab.project();
        let path = project.worktree("task");
        write(&lab.path("outside/lib.txt"), "the user's\n");
        write(&lab.path("outside/deep/er.txt"), "the user's\n");
        let before = walk(&lab.path("outside"));
        fs::remove_dir_all(path.join("src")).unwrap();
        symlink(lab.path("outside"), path.join("src")).unwrap();
        let snapshot = project.snapshot("task").unwrap();
        assert_eq!(project.names(&snapshot.head), [".gitignore", "readme.txt", "src"], "a link is a link");
        project.repo.set_worktree(&path, &project.base).unwrap();
        assert_eq!(read(&path.join("src/lib.txt")), "a library\n");
        assert_eq!(walk(&lab.path("outside")), before);
        // The worktree's own link as a loop, a folder without end.
        symlink(".", path.join("loop")).unwrap();
        assert_eq!(project.snapshot("task").unwrap().changed.len(), 1);
    });
}

#[test]
fn what_an_agent_ignores_does_not_hide_the_next_ones_work() {
    alone(|lab| {
        let project = lab.project();
        let path = project.worktree("task");
        write(&path.join("src/.gitignore"), "*\n");
        write(&path.join("src/hidden.txt"), "hidden\n");
        assert_eq!(project.snapshot("task").unwrap().changed, []);
        project.repo.set_worktree(&path, &project.base).unwrap();
        write(&path.join("src/next.txt"), "next\n");
        let changed: Vec<String> = project.snapshot("task").unwrap().changed.into_iter().map(|file| file.path).collect();
        assert_eq!(changed, ["src/next.txt"]);
    });
}

#[test]
fn a_branch_that_an_agent_turned_into_another_name_for_the_users_is_only_our_own() {
    alone(|lab| {
        let project = lab.project();
        project.git(&["branch", "precious", "HEAD~1"]);
        let before = project.oid("refs/heads/precious");
        let path = project.worktree("task");
        lab.git(&path, &["symbolic-ref", "refs/heads/aura/task", "refs/heads/precious"]);
        write(&path.join("work.txt"), "work\n");
        let head = project.snapshot("task").unwrap().head;
        assert_eq!((project.oid("refs/heads/precious"), project.oid("refs/heads/aura/task")), (before.clone(), head));
        lab.git(&path, &["symbolic-ref", "refs/heads/aura/task", "refs/heads/precious"]);
        project.repo.set_worktree(&path, &project.base).unwrap();
        project.repo.update_ref("refs/heads/aura/task", &project.base, Expect::Any, "test").unwrap();
        assert_eq!(project.oid("refs/heads/precious"), before);
        // An agent that leaves another branch checked out: its work counts, and the branch is named.
        lab.git(&path, &["checkout", "-q", "precious"]);
        write(&path.join("more.txt"), "more\n");
        let snapshot = project.snapshot("task").unwrap();
        assert_eq!((snapshot.stray.as_deref(), project.oid("refs/heads/precious")), (Some("precious"), before));
        assert_eq!(project.snapshot("task").unwrap().stray, None);
    });
}

#[test]
fn who_commits_is_who_git_says() {
    let author = |project: &Project| {
        let tree = project.repo.tree_of(&project.base).unwrap();
        let commit = project.repo.commit_tree(&tree, &[&project.base], "x\n", noon()).unwrap();
        project.git(&["log", "-1", "--format=%an <%ae> %cn <%ce>", commit.as_str()])
    };
    let gits = |project: &Project| {
        project.git(&["commit", "-q", "--allow-empty", "-m", "x"]);
        project.git(&["log", "-1", "--format=%an <%ae> %cn <%ce>"])
    };
    alone_with(&[("GIT_AUTHOR_NAME", "Grace Hopper"), ("GIT_COMMITTER_EMAIL", "grace@navy.example")], |lab| {
        let project = lab.project();
        let more = lab.path("home/at work");
        write(&more, "[user]\n\temail = ada@work.example\n");
        lab.configure(&format!("[includeIf \"gitdir:{}/\"]\n\tpath = {}\n", project.path.display(), more.display()));
        let project = lab.open(&project.path);
        assert_eq!(author(&project), "Grace Hopper <ada@work.example> Ada <grace@navy.example>");
        assert_eq!(author(&project), gits(&project));
        lab.configure("[author]\n\temail = author@example.org\n");
        let project = lab.open(&project.path);
        assert_eq!(author(&project), gits(&project));
    });
}

#[test]
fn what_the_user_ignores_everywhere_is_ignored() {
    alone(|lab| {
        let project = lab.project();
        write(&lab.path("home/ignore"), "*.swp\n.DS_Store\n");
        let more = lab.path("home/more");
        write(&more, &format!("[core]\n\texcludesFile = {}\n", lab.path("home/ignore").display()));
        lab.configure(&format!("[include]\n\tpath = {}\n", more.display()));
        write(&project.path.join(".git/info/exclude"), "*.mine\n");
        let path = project.worktree("task");
        for name in ["a.swp", "src/.DS_Store", "b.mine", "kept.txt"] {
            write(&path.join(name), "x\n");
        }
        let changed: Vec<String> = project.snapshot("task").unwrap().changed.into_iter().map(|file| file.path).collect();
        assert_eq!(changed, ["kept.txt"]);
        project.repo.set_worktree(&path, &project.base).unwrap();
        assert!(path.join("a.swp").exists());
    });
}

#[test]
fn large_long_and_many_named_files_come_through() {
    alone(|lab| {
        let project = lab.project();
        let path = project.worktree("task");
        let size = 101 * 1024 * 1024;
        fs::File::create(path.join("large.bin")).unwrap().set_len(size).unwrap();
        let long = format!("{}/{}", vec!["d".repeat(200); 6].join("/"), "f".repeat(255));
        write(&path.join(&long), "long\n");
        for name in ["Case.txt", "case.txt", "CASE.txt"] {
            write(&path.join(name), name);
        }
        fs::create_dir_all(path.join("empty/folder")).unwrap();
        let head = project.snapshot("task").unwrap().head;
        let files = project.repo.files(&head).unwrap();
        assert!(files.contains(&("large.bin".into(), size)) && files.contains(&(long.clone(), 5)));
        assert_eq!(files.iter().filter(|(name, _)| name.to_lowercase() == "case.txt").count(), 3);
        assert!(!files.iter().any(|(name, _)| name.starts_with("empty")));
        let again = project.story().join("again");
        project.repo.worktree_add(&again, At::Detached(&head)).unwrap();
        project.repo.set_worktree(&again, &head).unwrap();
        assert_eq!((read(&again.join(&long)), lab.git(&again, &["status", "--porcelain"])), ("long\n".into(), String::new()));
        let text = project.repo.diff_text(&project.base, &head, 2_000).unwrap();
        assert!(text.len() < 2_100 && text.contains("case.txt"), "{text}");
    });
}

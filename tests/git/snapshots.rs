//! What an agent leaves becomes a commit, whatever the agent did with git meanwhile.

use crate::lab::{Lab, Project, alone, noon, read, write};
use aura::git::{Change, SnapshotRequest};
use std::fs;
use std::path::Path;

fn shown(project: &Project, name: &str) -> Vec<(String, Change)> {
    let snapshot = project.snapshot(name).unwrap();
    snapshot.changed.into_iter().map(|file| (file.path, file.change)).collect()
}

fn commit(lab: &Lab, path: &Path, file: &str) {
    write(&path.join(file), &format!("{file}\n"));
    lab.git(path, &["add", "-A"]);
    lab.git(path, &["commit", "-qm", file]);
}

type Agent = fn(&Lab, &Path);

/// What agents do, and whether their own commits are kept below the snapshot.
const AGENTS: [(&str, bool, Agent); 10] = [
    ("leaves everything", false, |_, path| {
        write(&path.join("one.txt"), "one.txt\n");
        write(&path.join("two.txt"), "two.txt\n");
    }),
    ("commits everything", true, |lab, path| {
        commit(lab, path, "one.txt");
        commit(lab, path, "two.txt");
    }),
    ("commits half", true, |lab, path| {
        commit(lab, path, "one.txt");
        write(&path.join("two.txt"), "two.txt\n");
    }),
    ("stages everything", false, |lab, path| {
        write(&path.join("one.txt"), "one.txt\n");
        write(&path.join("two.txt"), "two.txt\n");
        lab.git(path, &["add", "-A"]);
    }),
    ("makes a branch of its own", true, |lab, path| {
        lab.git(path, &["checkout", "-qb", "feature/mine"]);
        commit(lab, path, "one.txt");
        write(&path.join("two.txt"), "two.txt\n");
    }),
    ("detaches HEAD", true, |lab, path| {
        lab.git(path, &["checkout", "-q", "--detach"]);
        commit(lab, path, "one.txt");
        commit(lab, path, "two.txt");
    }),
    ("amends the commit it was given", false, |lab, path| {
        write(&path.join("one.txt"), "one.txt\n");
        write(&path.join("two.txt"), "two.txt\n");
        lab.git(path, &["add", "-A"]);
        lab.git(path, &["commit", "-q", "--amend", "-m", "amended"]);
    }),
    ("goes back behind its base", false, |lab, path| {
        lab.git(path, &["reset", "-q", "--hard", "HEAD~1"]);
        write(&path.join("one.txt"), "one.txt\n");
        write(&path.join("two.txt"), "two.txt\n");
    }),
    ("hides its edits from git", false, |lab, path| {
        commit(lab, path, "one.txt");
        lab.git(path, &["reset", "-q", "--soft", "HEAD~1"]);
        write(&path.join("two.txt"), "not yet\n");
        lab.git(path, &["add", "-A"]);
        lab.git(path, &["update-index", "--assume-unchanged", "one.txt"]);
        lab.git(path, &["update-index", "--skip-worktree", "two.txt"]);
        write(&path.join("two.txt"), "two.txt\n");
    }),
    ("throws its index away", false, |lab, path| {
        write(&path.join("one.txt"), "one.txt\n");
        write(&path.join("two.txt"), "two.txt\n");
        let index = lab.git(path, &["rev-parse", "--path-format=absolute", "--git-path", "index"]);
        fs::remove_file(index).unwrap();
    }),
];

#[test]
fn the_content_is_the_truth_whatever_the_agent_did_with_git() {
    alone(|lab| {
        let project = lab.project();
        for (number, (what, keeps, act)) in AGENTS.into_iter().enumerate() {
            let name = format!("task-{number}");
            let path = project.worktree(&name);
            act(lab, &path);
            let first = project.snapshot(&name).unwrap();
            let changed: Vec<_> = first.changed.iter().map(|file| (file.path.as_str(), file.change, file.added)).collect();
            assert_eq!(changed, [("one.txt", Change::Added, Some(1)), ("two.txt", Change::Added, Some(1))], "{what}");
            assert_eq!(
                (project.show(&first.head, "two.txt"), project.show(&first.head, "readme.txt")),
                ("two.txt".into(), "one\ntwo\nthree".into())
            );
            assert!(project.repo.is_ancestor(&project.base, &first.head).unwrap(), "{what}");
            let between = project.git(&["log", "--format=%s", &format!("{}..{}", project.base, first.head)]);
            assert_eq!(between.contains("one.txt"), keeps, "{what}: {between}");
            assert_eq!(project.oid(&format!("refs/heads/aura/{name}")), first.head, "{what}");
            // Asked again: the same commit, and the worktree is as it should be.
            assert_eq!(project.snapshot(&name).unwrap().head, first.head, "{what}");
            assert_eq!(lab.git(&path, &["status", "--porcelain"]), "", "{what}");
            assert_eq!(lab.git(&path, &["rev-parse", "--abbrev-ref", "HEAD"]), format!("aura/{name}"), "{what}");
        }
        project.assert_sound();
    });
}

#[test]
fn nothing_done_is_the_base_itself() {
    alone(|lab| {
        let project = lab.project();
        let path = project.worktree("idle");
        write(&path.join("target/built"), "built");
        write(&path.join("debug.log"), "words");
        let snapshot = project.snapshot("idle").unwrap();
        assert_eq!((snapshot.head, snapshot.changed.len()), (project.base.clone(), 0));
        assert!(path.join("target/built").exists());
    });
}

#[test]
fn every_kind_of_file_comes_through() {
    alone(|lab| {
        let project = lab.project();
        let path = project.worktree("odd");
        let names = ["with space", "zażółć.txt", "-rf", "new\nline", "tab\there", "\"quoted\"", ":(exclude)x", "*", "a\\b", "src/[x].txt"];
        for name in names {
            write(&path.join(name), name);
        }
        fs::rename(path.join("src/lib.txt"), path.join("src/library.txt")).unwrap();
        fs::remove_dir_all(path.join("src/deep")).unwrap();
        write(&path.join("empty"), "");
        #[cfg(unix)]
        {
            use std::os::unix::ffi::OsStrExt;
            use std::os::unix::fs::PermissionsExt;
            fs::write(path.join(std::ffi::OsStr::from_bytes(b"not \xff utf-8")), "bytes").unwrap();
            std::os::unix::fs::symlink("../outside", path.join("link")).unwrap();
            fs::set_permissions(path.join("readme.txt"), fs::Permissions::from_mode(0o755)).unwrap();
        }
        let snapshot = project.snapshot("odd").unwrap();
        for name in names {
            assert_eq!(project.show(&snapshot.head, name), name);
            let change = snapshot.changed.iter().find(|file| file.path == name).unwrap();
            assert_eq!(change.change, Change::Added);
            assert_eq!(project.repo.read(&snapshot.head, name, 1000).unwrap().unwrap(), name.as_bytes());
        }
        let changes = |path: &str| snapshot.changed.iter().find(|file| file.path == path).map(|file| file.change);
        assert_eq!((changes("src/lib.txt"), changes("src/library.txt")), (Some(Change::Deleted), Some(Change::Added)));
        assert_eq!((changes("src/deep/er.txt"), changes("empty")), (Some(Change::Deleted), Some(Change::Added)));
        #[cfg(unix)]
        {
            assert_eq!(changes("readme.txt"), Some(Change::Modified));
            let tree = project.git(&["ls-tree", "-r", snapshot.head.as_str()]);
            assert!(tree.contains("120000") && tree.contains("100755") && tree.contains("not \\377 utf-8"), "{tree}");
        }
        // The same names once more, in another worktree.
        let again = project.worktree_at("again", &snapshot.head);
        for name in names {
            assert_eq!(read(&again.join(name)), name);
        }
        assert_eq!(lab.git(&again, &["status", "--porcelain"]), "");
    });
}

#[test]
fn everything_removed_is_an_empty_tree() {
    alone(|lab| {
        let project = lab.project();
        let path = project.worktree("gone");
        for name in ["readme.txt", ".gitignore"] {
            fs::remove_file(path.join(name)).unwrap();
        }
        fs::remove_dir_all(path.join("src")).unwrap();
        let snapshot = project.snapshot("gone").unwrap();
        assert_eq!((snapshot.changed.len(), project.names(&snapshot.head).len()), (4, 0));
        assert_eq!(lab.git(&path, &["status", "--porcelain"]), "");
    });
}

#[test]
fn line_endings_follow_the_attributes() {
    alone(|lab| {
        let project = lab.project();
        lab.configure("[core]\nautocrlf = true\nsafecrlf = true\n");
        let path = project.worktree("crlf");
        write(&path.join(".gitattributes"), "*.txt text\n*.bin -text\n");
        write(&path.join("dos.txt"), "one\r\ntwo\r\n");
        write(&path.join("mixed.txt"), "one\r\ntwo\n");
        write(&path.join("raw.bin"), "one\r\ntwo\r\n");
        let snapshot = project.snapshot("crlf").unwrap();
        let stored = |name: &str| project.repo.read(&snapshot.head, name, 100).unwrap().unwrap();
        assert_eq!((stored("dos.txt"), stored("mixed.txt")), (b"one\ntwo\n".to_vec(), b"one\ntwo\n".to_vec()));
        assert_eq!(stored("raw.bin"), b"one\r\ntwo\r\n");
    });
}

#[test]
fn ignored_files_are_never_added_unless_the_agent_insists() {
    alone(|lab| {
        let project = lab.project();
        let path = project.worktree("ignored");
        write(&path.join("target/secret"), "s");
        write(&path.join("kept.log"), "log");
        write(&path.join("new/.gitignore"), "cache\n");
        write(&path.join("new/cache/x"), "x");
        lab.git(&path, &["add", "-f", "kept.log"]);
        let names: Vec<String> = shown(&project, "ignored").into_iter().map(|(name, _)| name).collect();
        assert_eq!(names, ["kept.log", "new/.gitignore"]);
    });
}

#[test]
fn the_same_work_gives_the_same_commit_signed_by_nobody() {
    alone(|lab| {
        lab.configure("[commit]\ngpgSign = true\n[gpg]\nprogram = false\n[user]\nsigningkey = none\n");
        let project = {
            let path = lab.path("my project");
            fs::create_dir(&path).unwrap();
            lab.git(&path, &["init", "-q"]);
            write(&path.join("a"), "a\n");
            lab.git(&path, &["add", "-A"]);
            lab.git(&path, &["commit", "-q", "--no-gpg-sign", "-m", "first"]);
            lab.open(&path)
        };
        let heads = ["one", "two"].map(|name| {
            let path = project.worktree(name);
            write(&path.join("b"), "b\n");
            let request = SnapshotRequest {
                base: &project.base,
                origin: &project.base,
                branch: &format!("aura/{name}"),
                message: "Työ\n\nAura-Task: x\n",
                at: noon(),
                pin: &format!("refs/aura/test/{name}"),
            };
            project.repo.snapshot(&path, &request).unwrap().head
        });
        assert_eq!(heads[0], heads[1]);
        let raw = project.git(&["cat-file", "commit", heads[0].as_str()]);
        assert!(raw.contains("author Ada <ada@example.org> 1800000000 +0000\ncommitter Ada <ada@example.org> 1800000000 +0000"), "{raw}");
        assert!(raw.ends_with("Työ\n\nAura-Task: x") && !raw.contains("gpgsig"), "{raw}");
        // Who has no name yet is not asked for one.
        fs::write(lab.path("home/gitconfig"), "[user]\nuseConfigOnly = true\n").unwrap();
        let project = lab.open(&project.path);
        let nameless = project.repo.commit_tree(&project.repo.tree_of(&heads[0]).unwrap(), &[], "x", noon()).unwrap();
        assert!(project.git(&["cat-file", "commit", nameless.as_str()]).contains("author Aura <aura@localhost> 18"));
        project.repo.update_ref("refs/heads/aura/nameless", &nameless, aura::git::Expect::Absent, "test").unwrap();
    });
}

#[test]
fn a_split_index_and_an_untracked_cache_change_nothing() {
    alone(|lab| {
        lab.configure("[core]\nsplitIndex = true\nuntrackedCache = true\n");
        let project = lab.project();
        let path = project.worktree("split");
        write(&path.join("one.txt"), "1\n");
        lab.git(&path, &["add", "one.txt"]);
        lab.git(&path, &["update-index", "--split-index"]);
        fs::remove_file(path.join("readme.txt")).unwrap();
        write(&path.join("two.txt"), "2\n");
        let expected = [("one.txt", Change::Added), ("readme.txt", Change::Deleted), ("two.txt", Change::Added)];
        assert_eq!(shown(&project, "split"), expected.map(|(name, change)| (name.to_owned(), change)));
        assert_eq!(lab.git(&path, &["status", "--porcelain"]), "");
    });
}

#[test]
fn an_unfinished_merge_of_the_agent_is_content_like_any_other() {
    alone(|lab| {
        let project = lab.project();
        let path = project.worktree("merging");
        let other = project.commit(&project.base, &[("readme.txt", "one\nOTHER\nthree\n")]);
        write(&path.join("readme.txt"), "one\nMINE\nthree\n");
        lab.git(&path, &["commit", "-qam", "mine"]);
        assert!(!Lab::try_git(&path, &["merge", other.as_str()]).status.success());
        let snapshot = project.snapshot("merging").unwrap();
        let paths = ["readme.txt".to_owned(), "src/lib.txt".to_owned()];
        assert_eq!(project.repo.unresolved(&snapshot.tree, &paths).unwrap(), ["readme.txt"]);
        write(&path.join("readme.txt"), "one\nBOTH\nthree\n");
        let snapshot = project.snapshot("merging").unwrap();
        assert!(project.repo.unresolved(&snapshot.tree, &paths).unwrap().is_empty());
    });
}

//! Questions about commits: what the analysis and the prompts are made of.

use crate::lab::{alone, write};
use aura::git::Change;

#[test]
fn files_content_history_and_words_of_a_commit() {
    alone(|lab| {
        // Whatever the user likes to see, the answers are the same.
        lab.configure("[color]\nui = always\n[grep]\ncolumn = true\nlineNumber = false\nfullName = true\n[log]\nshowSignature = true\n");
        lab.configure("[core]\nquotePath = true\n[diff]\nnoprefix = true\nexternal = false\n[i18n]\nlogOutputEncoding = latin1\n");
        let project = lab.project();
        let commit = project.commit(&project.base, &[("ünï/größe.txt", "Find the Needle here\nneedle again\n"), ("zero.bin", "\0needle")]);
        let repo = &project.repo;
        let files = repo.files(&commit).unwrap();
        assert!(files.contains(&("ünï/größe.txt".into(), 34)) && files.contains(&("readme.txt".into(), 14)), "{files:?}");
        assert_eq!(repo.read(&commit, "readme.txt", 5).unwrap().unwrap(), b"one\nt");
        assert_eq!(repo.read(&commit, "readme.txt", 5000).unwrap().unwrap().len(), 14);
        let log = repo.log(&commit, 2).unwrap();
        let shown: Vec<_> = log.iter().map(|entry| (entry.commit.clone(), entry.summary.as_str(), entry.author.as_str())).collect();
        assert_eq!(shown, [(commit.clone(), "made by a test", "Ada"), (project.base.clone(), "second", "Ada")]);
        assert!(log[0].time.as_second() > 1_500_000_000);
        let hits = repo.grep(&commit, &["NEEDLE".into(), "-e".into()], 10).unwrap();
        let shown: Vec<_> = hits.iter().map(|hit| (hit.path.as_str(), hit.line, hit.text.as_str(), hit.word.as_str())).collect();
        assert_eq!(shown, [("ünï/größe.txt", 1, "Find the Needle here", "needle"), ("ünï/größe.txt", 2, "needle again", "needle")]);
        assert_eq!(repo.grep(&commit, &["nowhere to be found".into()], 10).unwrap(), []);
        assert_eq!(repo.grep(&commit, &["needle".into()], 1).unwrap().len(), 1);
    });
}

#[test]
fn differences_are_counted_and_shown_within_a_limit() {
    alone(|lab| {
        let project = lab.project();
        let commit = project.commit(&project.base, &[("readme.txt", "one\n2\nthree\nfour\n"), ("pic.bin", "\0\0\0"), ("größe.txt", "x\n")]);
        let changed = project.repo.diff_files(&project.base, &commit).unwrap();
        let shown: Vec<_> = changed.iter().map(|file| (file.path.as_str(), file.change, file.added, file.removed)).collect();
        let expected = [
            ("größe.txt", Change::Added, Some(1), Some(0)),
            ("pic.bin", Change::Added, None, None),
            ("readme.txt", Change::Modified, Some(2), Some(1)),
        ];
        assert_eq!(shown, expected);
        assert_eq!(project.repo.diff_files(&commit, &commit).unwrap(), []);
        let whole = project.repo.diff_text(&project.base, &commit, 100_000).unwrap();
        assert!(whole.contains("+++ b/readme.txt") && whole.contains("\n+four") && !whole.contains("cut here"), "{whole}");
        for bytes_max in 0..whole.len() {
            let cut = project.repo.diff_text(&project.base, &commit, bytes_max).unwrap();
            let text = cut.strip_suffix("\n[… cut here]\n").unwrap();
            assert!(text.len() <= bytes_max && whole.starts_with(text), "{bytes_max}: {cut:?}");
            if bytes_max > 150 {
                break;
            }
        }
    });
}

/// libgit2 reads the first kind of repository and not the second: both ways of asking give the same.
#[cfg(unix)]
#[test]
fn every_kind_of_change_is_the_same_to_git_and_to_libgit2() {
    use std::fs;
    use std::os::unix::fs::{PermissionsExt, symlink};
    alone(|lab| {
        for init in ["--object-format=sha1", "--object-format=sha256"] {
            let project = lab.project_made_by(&["init", "-q", init]);
            let first =
                [("a/b.txt", "x\n"), ("flat", "x\n"), ("gone.txt", "1\n2\n"), ("run.sh", "true\n"), ("to link", "x\n"), ("z/y", "")];
            let before = project.commit(&project.base, &first);
            let after = project.commit_by(&before, |lab, path| {
                fs::set_permissions(path.join("run.sh"), fs::Permissions::from_mode(0o755)).unwrap();
                for name in ["gone.txt", "to link", "flat"] {
                    fs::remove_file(path.join(name)).unwrap();
                }
                symlink("a/b.txt", path.join("to link")).unwrap();
                write(&path.join("flat/now a folder"), "no end of line");
                write(&path.join("a/b.txt"), "x\r\ny\n");
                write(&path.join("empty"), "");
                write(&path.join("pic.bin"), "\0\0");
                let id = lab.git(path, &["rev-parse", "HEAD"]);
                lab.git(path, &["update-index", "--add", "--cacheinfo", &format!("160000,{id},sub")]);
            });
            let changed = project.repo.diff_files(&before, &after).unwrap();
            let shown: Vec<_> = changed.iter().map(|file| (file.path.as_str(), file.change, file.added, file.removed)).collect();
            let expected = [
                ("a/b.txt", Change::Modified, Some(2), Some(1)),
                ("empty", Change::Added, Some(0), Some(0)),
                ("flat", Change::Deleted, Some(0), Some(1)),
                ("flat/now a folder", Change::Added, Some(1), Some(0)),
                ("gone.txt", Change::Deleted, Some(0), Some(2)),
                ("pic.bin", Change::Added, None, None),
                ("run.sh", Change::Modified, Some(0), Some(0)),
                ("sub", Change::Added, Some(1), Some(0)),
                ("to link", Change::Modified, Some(1), Some(1)),
            ];
            assert_eq!(shown, expected, "{init}");
            fs::remove_dir_all(&project.path).unwrap();
            fs::remove_dir_all(lab.path("scratch")).unwrap();
        }
    });
}

#[test]
fn what_is_not_there_is_an_error_that_says_so() {
    alone(|lab| {
        let project = lab.project();
        let none = aura::domain::Oid::parse(&"1".repeat(40)).unwrap();
        let repo = &project.repo;
        assert_eq!(repo.resolve(none.as_str()).unwrap(), None);
        for error in [
            repo.tree_of(&none).map(|_| ()).unwrap_err(),
            repo.read(&none, "readme.txt", 10).map(|_| ()).unwrap_err(),
            repo.is_ancestor(&none, &project.base).map(|_| ()).unwrap_err(),
            repo.diff_files(&none, &project.base).map(|_| ()).unwrap_err(),
            repo.merge(&none, &project.base).map(|_| ()).unwrap_err(),
        ] {
            let text = error.to_string();
            assert!(text.contains("1111111111") && !text.contains('\n'), "{text}");
        }
        assert_eq!(repo.resolve("HEAD~1").unwrap().is_some(), repo.is_ancestor(&project.oid("HEAD~1"), &project.base).unwrap());
        assert!(!repo.is_ancestor(&project.base, &project.oid("HEAD~1")).unwrap());
    });
}

#[test]
fn remotes_checkouts_and_pushes() {
    alone(|lab| {
        let project = lab.project();
        let bare = lab.path("bare.git");
        lab.git(&lab.path("."), &["init", "-q", "--bare", bare.to_str().unwrap()]);
        assert_eq!(project.repo.remotes().unwrap(), Vec::<String>::new());
        project.git(&["remote", "add", "origin", bare.to_str().unwrap()]);
        assert_eq!(project.repo.remotes().unwrap(), ["origin"]);
        let path = project.worktree("story");
        assert_eq!(project.repo.checked_out_at("aura/story").unwrap(), Some(path.clone()));
        assert_eq!(project.repo.checked_out_at("main").unwrap(), Some(project.repo.root().to_owned()));
        assert_eq!(project.repo.checked_out_at("aura").unwrap(), None);
        let next = project.commit(&project.base, &[("a", "a")]);
        let spec = |commit: &aura::domain::Oid| format!("{commit}:refs/heads/out");
        for _ in 0..2 {
            project.repo.push("origin", &spec(&next), None).unwrap();
        }
        assert!(project.repo.push("origin", &spec(&project.base), None).is_err());
        assert!(project.repo.push("origin", &spec(&project.base), Some(&project.base)).is_err());
        project.repo.push("origin", &spec(&project.base), Some(&next)).unwrap();
        assert_eq!(lab.git(&bare, &["rev-parse", "out"]), project.base.as_str());
        let error = project.repo.push("nowhere", &spec(&next), None).unwrap_err();
        assert!(error.to_string().starts_with("push to `nowhere`: "), "{error}");
        std::fs::remove_dir_all(&path).unwrap();
        assert_eq!(project.repo.checked_out_at("aura/story").unwrap(), None);
        write(&path.join("x"), "x");
    });
}

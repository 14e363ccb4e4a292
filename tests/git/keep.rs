//! Nothing is ever lost, and what is the user's stays as it is.

use crate::lab::{Project, alone, noon, read, walk, write};
use aura::domain::Oid;
use aura::git::{Expect, GitError};
use std::collections::BTreeMap;
use std::fs;

const NAME: &str = "refs/aura/rescue/story/task-1/1";

/// Everything of the user's: files, index, configuration, branches, tags, stash, HEAD; and when they were last written.
fn the_users_own(project: &Project) -> (BTreeMap<String, Vec<u8>>, Vec<Option<std::time::SystemTime>>, String) {
    let mut files = walk(&project.path);
    files.retain(|name, _| {
        let inside = name.strip_prefix(".git/");
        inside.is_none_or(|inside| !["objects/", "refs/", "logs/", "worktrees/", "aura"].iter().any(|ours| inside.starts_with(ours)))
    });
    let times = files.keys().map(|name| project.path.join(name).symlink_metadata().and_then(|meta| meta.modified()).ok()).collect();
    let refs = project.git(&["for-each-ref", "--format=%(objectname) %(refname)", "--exclude=refs/heads/aura", "--exclude=refs/aura"]);
    (files, times, refs)
}

#[test]
fn a_whole_cycle_leaves_a_dirty_checkout_byte_for_byte() {
    alone(|lab| {
        let project = lab.project();
        write(&project.path.join("stashed.txt"), "put away\n");
        project.git(&["stash", "-q", "-u"]);
        project.git(&["tag", "v1"]);
        write(&project.path.join("readme.txt"), "edited\n");
        write(&project.path.join("staged.txt"), "staged\n");
        project.git(&["add", "staged.txt"]);
        write(&project.path.join("staged.txt"), "staged, then edited\n");
        write(&project.path.join("untracked ü.txt"), "untracked\n");
        write(&project.path.join("target/built"), "built\n");
        write(&project.path.join(".worktreeinclude"), "target\n");
        project.git(&["update-index", "--assume-unchanged", "src/lib.txt"]);
        let before = the_users_own(&project);

        project.repo.update_ref("refs/heads/aura/story", &project.base, Expect::Absent, "test").unwrap();
        let story = project.worktree("story");
        let path = project.worktree("task-1");
        assert_eq!(project.repo.include(&path).unwrap().copied, ["target/built"]);
        write(&path.join("readme.txt"), "the agent's\n");
        write(&path.join("new.txt"), "new\n");
        project.repo.rescue(&path, NAME, &project.base).unwrap().unwrap();
        let head = project.snapshot("task-1").unwrap().head;
        let merge = project.repo.merge(&project.base, &head).unwrap();
        let commit = project.repo.commit_tree(&merge.tree, &[&project.base, &head], "Land\n", noon()).unwrap();
        project.repo.update_ref("refs/heads/aura/story", &commit, Expect::At(&project.base), "test").unwrap();
        project.repo.sync_checkout(&story, &project.base, &commit).unwrap();
        project.repo.set_worktree(&path, &commit).unwrap();
        let (files, log) = (project.repo.files(&commit).unwrap(), project.repo.log(&commit, 10).unwrap());
        assert_eq!((files.len(), log.len()), (5, 4));
        project.repo.restore(&project.repo.rescues().unwrap()[0].commit, &lab.path("restored")).unwrap();
        for path in [&story, &path] {
            project.repo.worktree_remove(path, &project.story()).unwrap();
        }
        project.repo.delete_ref("refs/heads/aura/task-1", &commit).unwrap();

        assert_eq!(the_users_own(&project), before);
        project.assert_sound();
    });
}

#[test]
fn what_an_agent_left_is_kept_and_can_be_restored() {
    alone(|lab| {
        let project = lab.project();
        let path = project.worktree("task-1");
        assert_eq!(project.repo.rescue(&path, NAME, &project.base).unwrap(), None);
        write(&path.join("half.txt"), "half\n");
        write(&path.join("deep/new ü.txt"), "new\n");
        fs::remove_file(path.join("readme.txt")).unwrap();
        let before = (walk(&path), lab.git(&path, &["status", "--porcelain"]));
        let kept = project.repo.rescue(&path, NAME, &project.base).unwrap().unwrap();
        assert_eq!((walk(&path), lab.git(&path, &["status", "--porcelain"])), before, "keeping changes nothing");
        assert_eq!(project.repo.rescue(&path, NAME, &project.base).unwrap(), Some(kept.clone()), "and is done once");
        let folder = lab.path("restored");
        project.repo.restore(&kept, &folder).unwrap();
        let names: Vec<String> = walk(&folder).into_keys().collect();
        assert_eq!(names, [".gitignore", "deep/new ü.txt", "half.txt", "src/deep/er.txt", "src/lib.txt"]);
        assert!(matches!(project.repo.restore(&kept, &folder), Err(GitError::Occupied { .. })));
        let rescues = project.repo.rescues().unwrap();
        assert_eq!((rescues.len(), rescues[0].name.as_str(), &rescues[0].commit), (1, NAME, &kept));
    });
}

#[test]
fn commits_of_an_agent_are_kept_where_the_branch_has_left_them() {
    alone(|lab| {
        let project = lab.project();
        let path = project.worktree("task-1");
        lab.git(&path, &["checkout", "-q", "--detach"]);
        write(&path.join("a"), "a\n");
        lab.git(&path, &["add", "-A"]);
        lab.git(&path, &["commit", "-qm", "on no branch"]);
        let head = Oid::parse(&lab.git(&path, &["rev-parse", "HEAD"])).unwrap();
        assert_eq!(project.repo.rescue(&path, NAME, &project.base).unwrap(), Some(head.clone()));
        project.repo.set_worktree(&path, &project.base).unwrap();
        project.git(&["gc", "-q", "--prune=now"]);
        assert_eq!(project.show(&head, "a"), "a");
        assert_eq!(project.repo.rescue(&path, NAME, &project.base).unwrap(), None);
    });
}

#[test]
fn keeping_something_else_under_the_same_name_loses_nothing() {
    alone(|lab| {
        let project = lab.project();
        let path = project.worktree("task-1");
        let mut kept = vec![];
        for text in ["first\n", "second\n", "third\n"] {
            write(&path.join("a.txt"), text);
            kept.push(project.repo.rescue(&path, NAME, &project.base).unwrap().unwrap());
            project.repo.set_worktree(&path, &project.base).unwrap();
        }
        assert_eq!(project.oid(NAME), kept[2]);
        lab.git(&project.path, &["reflog", "expire", "--expire=now", "--all"]);
        project.git(&["gc", "-q", "--prune=now"]);
        let texts: Vec<String> = kept.iter().map(|commit| project.show(commit, "a.txt")).collect();
        assert_eq!(texts, ["first", "second", "third"]);
    });
}

#[test]
fn a_worktree_that_was_never_filled_holds_nobodys_work() {
    alone(|lab| {
        let project = lab.project();
        let path = project.story().join("task-1");
        project.repo.worktree_add(&path, aura::git::At::Detached(&project.base)).unwrap();
        assert!(project.repo.filled_with(&path).is_none());
        assert_eq!(project.repo.rescue(&path, NAME, &project.base).unwrap(), None);
        assert!(matches!(project.repo.rescue(&lab.path("no such"), NAME, &project.base), Err(GitError::NotAWorktree { .. })));
    });
}

#[test]
fn what_the_build_needs_is_brought_in_and_nothing_else() {
    alone(|lab| {
        let project = lab.project();
        let path = project.worktree("task-1");
        assert_eq!(project.repo.include(&path).unwrap().copied, Vec::<String>::new());
        for (name, text) in [
            (".gitignore", "/target\n*.log\n.env*\n/data\n"),
            (".worktreeinclude", "# what the tests need\n.env*\n!.env.secret\n/data/*\nreadme.txt\nplain.txt\n"),
            (".env", "A=1\n"),
            (".env.secret", "no\n"),
            ("data/gröss e.json", "{}\n"),
            ("data/deep/more.json", "{}\n"),
            ("other.log", "log\n"),
            ("plain.txt", "not ignored\n"),
            ("readme.txt", "tracked and edited\n"),
        ] {
            write(&project.path.join(name), text);
        }
        write(&path.join("data/gröss e.json"), "the agent's own\n");
        #[cfg(unix)]
        std::os::unix::fs::symlink("/etc/passwd", project.path.join("data/link")).unwrap();
        let included = project.repo.include(&path).unwrap();
        assert_eq!(included.copied, [".env", "data/deep/more.json"]);
        #[cfg(unix)]
        assert_eq!(included.left_out, ["data/link"], "what is not brought in is named");
        assert_eq!(read(&path.join("data/gröss e.json")), "the agent's own\n");
        assert_eq!(read(&path.join("readme.txt")), "one\ntwo\nthree\n");
        assert_eq!(project.repo.include(&path).unwrap().copied, Vec::<String>::new());
        // A folder of the worktree that leads elsewhere is not followed.
        #[cfg(unix)]
        {
            fs::remove_dir_all(path.join("data")).unwrap();
            fs::create_dir(lab.path("elsewhere")).unwrap();
            std::os::unix::fs::symlink(lab.path("elsewhere"), path.join("data")).unwrap();
            assert_eq!(project.repo.include(&path).unwrap().copied, Vec::<String>::new());
            assert_eq!(walk(&lab.path("elsewhere")).len(), 0);
        }
    });
}

#[cfg(unix)]
#[test]
fn links_that_stay_inside_are_brought_in_as_links() {
    use std::os::unix::fs::symlink;
    alone(|lab| {
        let project = lab.project();
        write(&project.path.join(".gitignore"), "node_modules\n");
        write(&project.path.join(".worktreeinclude"), "node_modules\n");
        project.git(&["add", "-A"]);
        project.git(&["commit", "-qm", "what is brought in"]);
        let path = project.worktree_at("task-1", &project.oid("HEAD"));
        write(&project.path.join("node_modules/.pnpm/runner/cli.sh"), "#!/bin/sh\n");
        fs::create_dir_all(project.path.join("node_modules/.bin")).unwrap();
        for (link, to) in [
            ("node_modules/runner", ".pnpm/runner"),
            ("node_modules/.bin/runner", "../runner/cli.sh"),
            ("node_modules/own", "../src"),
            ("node_modules/out", "../../outside"),
            ("node_modules/git", "../.git/config"),
            ("node_modules/absolute", "/etc/passwd"),
        ] {
            symlink(to, project.path.join(link)).unwrap();
        }
        let included = project.repo.include(&path).unwrap();
        assert_eq!(read(&path.join("node_modules/.bin/runner")), "#!/bin/sh\n");
        assert_eq!(fs::read_link(path.join("node_modules/own")).unwrap(), std::path::Path::new("../src"));
        assert_eq!(included.left_out, ["node_modules/absolute", "node_modules/git", "node_modules/out"]);
        assert_eq!(lab.git(&path, &["status", "--porcelain"]), "");
    });
}

#[test]
fn a_link_to_a_program_outside_is_brought_in_and_one_to_anything_else_is_not() {
    use std::os::unix::fs::{PermissionsExt, symlink};
    alone(|lab| {
        let project = lab.project();
        write(&project.path.join(".gitignore"), ".venv\n");
        write(&project.path.join(".worktreeinclude"), ".venv\n");
        project.git(&["add", "-A"]);
        project.git(&["commit", "-qm", "what is brought in"]);
        let path = project.worktree_at("task-1", &project.oid("HEAD"));
        let (program, data) = (lab.path("tools/python3"), lab.path("tools/data"));
        write(&program, "#!/bin/sh\n");
        write(&data, "data\n");
        fs::set_permissions(&program, fs::Permissions::from_mode(0o755)).unwrap();
        write(&project.path.join(".venv/pyvenv.cfg"), "version = 3\n");
        let bin = project.path.join(".venv/bin");
        fs::create_dir(&bin).unwrap();
        let up = program.strip_prefix("/").unwrap();
        let relative = std::path::Path::new(&"../".repeat(bin.components().count() - 1)).join(up);
        for (link, to) in [
            ("absolute", program.as_path()),
            ("chain", std::path::Path::new("absolute")),
            ("relative", &relative),
            ("by-the-checkout", &bin.join("absolute")),
            ("data", &data),
            ("folder", data.parent().unwrap()),
            ("nowhere", &lab.path("tools/gone")),
        ] {
            symlink(to, bin.join(link)).unwrap();
        }
        let included = project.repo.include(&path).unwrap();
        assert_eq!(included.left_out, [".venv/bin/data", ".venv/bin/folder", ".venv/bin/nowhere"]);
        for link in ["absolute", "chain", "relative", "by-the-checkout"] {
            let link = path.join(".venv/bin").join(link);
            assert_eq!(fs::canonicalize(&link).unwrap(), fs::canonicalize(&program).unwrap(), "{}", link.display());
            assert!(!fs::read_link(&link).unwrap().starts_with(&project.path), "it does not lead into the user's checkout");
        }
    });
}

#[test]
fn a_list_of_what_the_build_needs_may_be_written_in_any_way() {
    alone(|lab| {
        let project = lab.project();
        let path = project.worktree("task-1");
        let inside = project.path.join(".worktrees/other");
        project.repo.worktree_add(&inside, aura::git::At::Detached(&project.base)).unwrap();
        project.repo.set_worktree(&inside, &project.base).unwrap();
        for (name, text) in [
            (".gitignore", "*.env\n/cache\n/.worktrees\nbin\n"),
            // As some editors end lines, with a comment, a pattern of nothing and one that leads out.
            (".worktreeinclude", "# secrets\r\n*.env\r\n\r\n/cache/*\n!/cache/big\n../*\nbin\n"),
            (".worktrees/other/theirs.env", "not yours\n"),
            ("a.env", "A=1\n"),
            ("deep/er/b.env", "B=1\n"),
            ("cache/small", "small\n"),
            ("cache/big", "big\n"),
            ("bin/tool", "#!/bin/sh\n"),
        ] {
            write(&project.path.join(name), text);
        }
        #[cfg(unix)]
        {
            use std::os::unix::fs::PermissionsExt;
            fs::set_permissions(project.path.join("bin/tool"), fs::Permissions::from_mode(0o755)).unwrap();
        }
        // A folder where the file would go is the agent's own.
        fs::create_dir(path.join("a.env")).unwrap();
        let copied = project.repo.include(&path).unwrap().copied;
        assert!(copied.contains(&"bin/tool".to_owned()) && copied.contains(&"cache/small".to_owned()), "{copied:?}");
        assert!(!copied.iter().any(|name| name.contains("other") || name == "a.env" || name == "cache/big"), "{copied:?}");
        assert!(path.join("a.env").is_dir());
        #[cfg(unix)]
        {
            use std::os::unix::fs::PermissionsExt;
            assert_eq!(fs::metadata(path.join("bin/tool")).unwrap().permissions().mode() & 0o111, 0o111);
        }
        // What was brought in is ignored here too, by the user's rules of then: it is no part of the work.
        fs::remove_file(project.path.join(".worktreeinclude")).unwrap();
        fs::create_dir(project.path.join(".worktreeinclude")).unwrap();
        assert_eq!(project.repo.include(&path).unwrap().copied, Vec::<String>::new());
    });
}

#[test]
fn a_commit_kept_under_a_name_in_use_joins_what_was_there() {
    alone(|lab| {
        let project = lab.project();
        let (one, two) = (project.commit(&project.base, &[("a", "1\n")]), project.commit(&project.base, &[("a", "2\n")]));
        for commit in [&project.base, &one, &two, &one, &project.base] {
            project.repo.keep(NAME, commit).unwrap();
        }
        let kept = project.oid(NAME);
        assert!([&one, &two, &project.base].iter().all(|commit| project.repo.is_ancestor(commit, &kept).unwrap()));
        assert_eq!((project.show(&kept, "a"), project.repo.rescues().unwrap().len()), ("2".into(), 1));
    });
}

#[cfg(unix)]
#[test]
fn what_is_restored_is_byte_for_byte_what_was_there() {
    use std::os::unix::fs::{PermissionsExt, symlink};
    alone(|lab| {
        let project = lab.project();
        let path = project.worktree("task-1");
        write(&path.join(".gitattributes"), "*.crlf text eol=crlf\n");
        fs::write(path.join("bytes.bin"), (0..=255).collect::<Vec<u8>>()).unwrap();
        write(&path.join("dos.crlf"), "one\r\ntwo\r\n");
        write(&path.join("tool.sh"), "#!/bin/sh\n");
        write(&path.join("-n\newline/ü \"q\""), "odd\n");
        fs::set_permissions(path.join("tool.sh"), fs::Permissions::from_mode(0o755)).unwrap();
        symlink("no/such\nplace", path.join("dangling")).unwrap();
        symlink("src", path.join("folder")).unwrap();
        let look = |folder: &std::path::Path| {
            let mut files = walk(folder);
            files.remove(".git");
            let modes: Vec<u32> =
                files.keys().map(|name| folder.join(name).symlink_metadata().unwrap().permissions().mode() & 0o100).collect();
            (files, modes)
        };
        let before = look(&path);
        let kept = project.repo.rescue(&path, NAME, &project.base).unwrap().unwrap();
        project.repo.worktree_remove(&path, &project.story()).unwrap();
        let folder = lab.path("new/restored here");
        project.repo.restore(&kept, &folder).unwrap();
        assert_eq!(look(&folder), before);
        // Never over something.
        let full = lab.path("full");
        write(&full.join("mine.txt"), "mine\n");
        for taken in [&full, &full.join("mine.txt"), &folder] {
            assert!(project.repo.restore(&kept, taken).is_err(), "{}", taken.display());
        }
        symlink(&full, lab.path("link")).unwrap();
        assert!(project.repo.restore(&kept, &lab.path("link")).is_err());
        assert_eq!(read(&full.join("mine.txt")), "mine\n");
        assert_eq!(walk(&full).len(), 1);
    });
}

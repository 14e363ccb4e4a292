//! Repositories of every kind: which ones are refused, and that all others do what the plain one does.

use crate::lab::{Lab, Project, alone, alone_with, read, write};
use aura::git::{GitError, Head, Repo};
use std::fs;

/// One task from its worktree to its landing.
fn works(project: &Project) {
    let path = project.worktree("works");
    assert_eq!(project.lab.git(&path, &["status", "--porcelain"]), "");
    write(&path.join("made.txt"), "made\n");
    let head = project.snapshot("works").unwrap().head;
    let next = project.commit(&project.base, &[("next.txt", "next\n")]);
    let merge = project.repo.merge(&next, &head).unwrap();
    let commit = project.repo.commit_tree(&merge.tree, &[&next, &head], "Land\n", crate::lab::noon()).unwrap();
    project.repo.update_ref("refs/heads/aura/works", &commit, aura::git::Expect::At(&head), "test").unwrap();
    project.repo.sync_checkout(&path, &head, &commit).unwrap();
    assert_eq!((read(&path.join("made.txt")), read(&path.join("next.txt"))), ("made\n".into(), "next\n".into()));
    write(&path.join("left.txt"), "left\n");
    let kept = project.repo.rescue(&path, "refs/aura/rescue/s/t/1", &commit).unwrap().unwrap();
    assert_eq!(project.repo.rescues().unwrap()[0].commit, kept);
    project.repo.set_worktree(&path, &commit).unwrap();
    assert!(!path.join("left.txt").exists());
    assert_eq!(project.repo.log(&commit, 1).unwrap()[0].summary, "Land");
    assert_eq!(project.repo.read(&commit, "made.txt", 10).unwrap().unwrap(), b"made\n");
    assert_eq!(project.repo.landings(&next, &commit).unwrap(), std::slice::from_ref(&commit));
    let landed = project.repo.land(&crate::landing::permit(&kept), "aura/works", &commit, "Land\n", crate::lab::noon()).unwrap();
    assert!(matches!(landed, aura::git::Landed::Done { .. }), "{landed:?}");
    assert_eq!(project.repo.land(&crate::landing::permit(&kept), "aura/works", &commit, "Land\n", crate::lab::noon()).unwrap(), landed);
    assert_eq!(project.repo.unresolved(&project.repo.tree_of(&commit).unwrap(), &["made.txt".into()]).unwrap(), Vec::<String>::new());
    project.repo.worktree_remove(&path, &project.story()).unwrap();
    project.repo.delete_ref("refs/aura/rescue/s/t/1", &kept).unwrap();
    project.git(&["fsck", "--no-dangling", "--no-progress"]);
}

#[test]
fn what_a_story_cannot_start_from_is_refused_by_name() {
    alone(|lab| {
        let (none, empty, bare) = (lab.path("none"), lab.path("empty"), lab.path("bare.git"));
        fs::create_dir(&none).unwrap();
        lab.git(&none, &["init", "-q", empty.to_str().unwrap()]);
        lab.git(&none, &["init", "-q", "--bare", bare.to_str().unwrap()]);
        assert!(matches!(Repo::discover(&none), Err(GitError::NotARepository { path }) if path == none));
        assert!(matches!(Repo::discover(&lab.path("missing")), Err(GitError::NotARepository { .. })));
        assert!(matches!(Repo::discover(&empty), Err(GitError::Empty { path }) if path == empty));
        assert!(matches!(Repo::discover(&bare), Err(GitError::Bare { path }) if path == bare));
        fs::write(empty.join(".git/config"), "[core]\nrepositoryformatversion = 99\n").unwrap();
        let error = Repo::discover(&empty).unwrap_err();
        assert!(matches!(&error, GitError::Failed { stderr, .. } if stderr.contains("99")), "{error}");
    });
}

#[test]
fn a_repository_is_found_from_anywhere_inside_it() {
    alone(|lab| {
        let project = lab.project();
        project.git(&["branch", "other", "HEAD~1"]);
        let linked = lab.path("linked tree");
        project.git(&["worktree", "add", "-q", linked.to_str().unwrap(), "other"]);
        let base = |branch: Option<&str>, rev: &str| Head { branch: branch.map(str::to_owned), commit: project.oid(rev) };
        for (place, head) in [
            (project.path.clone(), base(Some("main"), "main")),
            (project.path.join("src/deep"), base(Some("main"), "main")),
            (project.path.join("src/lib.txt"), base(Some("main"), "main")),
            (linked.clone(), base(Some("other"), "other")),
        ] {
            let repo = Repo::discover(&place).unwrap();
            assert_eq!((repo.root(), repo.git_dir()), (project.path.as_path(), project.path.join(".git").as_path()), "{}", place.display());
            assert_eq!(repo.head().unwrap(), head);
        }
        works(&lab.open(&linked));
        lab.git(&linked, &["checkout", "-q", "--detach"]);
        assert_eq!(Repo::discover(&linked).unwrap().head().unwrap(), base(None, "other"));
    });
}

#[test]
fn a_detached_head_and_a_relative_link_make_no_difference() {
    alone(|lab| {
        lab.configure("[worktree]\nuseRelativePaths = true\n[checkout]\ndefaultRemote = x\nguess = true\n[worktree]\nguessRemote = true\n");
        let project = lab.project();
        project.git(&["checkout", "-q", "--detach"]);
        works(&project);
        // As git writes it from 2.48 on.
        let path = project.worktree("relative");
        write(&path.join(".git"), "gitdir: ../../../my project/.git/worktrees/relative\n");
        write(&project.path.join(".git/worktrees/relative/gitdir"), "../../../../my project.aura/story one/relative/.git\n");
        write(&path.join("a"), "a");
        assert_eq!(project.snapshot("relative").unwrap().changed.len(), 1);
        assert!(!project.repo.worktree_add(&path, aura::git::At::Branch("aura/relative")).unwrap().created);
    });
}

#[test]
fn sha256_and_reftable_repositories_work_where_git_knows_them() {
    alone(|lab| {
        for (init, kind) in [("--object-format=sha256", "sha256"), ("--ref-format=reftable", "reftable")] {
            let probe = lab.path(&format!("probe {kind}"));
            fs::create_dir(&probe).unwrap();
            if !Lab::try_git(&probe, &["init", "-q", init]).status.success() {
                continue;
            }
            let project = lab.project_made_by(&["init", "-q", init]);
            assert_eq!(project.base.as_str().len(), if kind == "sha256" { 64 } else { 40 });
            works(&project);
            assert_eq!(project.repo.checked_out_at("main").unwrap().as_deref(), Some(project.repo.root()));
            fs::remove_dir_all(&project.path).unwrap();
        }
    });
}

#[test]
fn shallow_partial_and_bare_backed_repositories_work() {
    alone(|lab| {
        let origin = lab.project();
        origin.git(&["config", "uploadpack.allowFilter", "true"]);
        let url = format!("file://{}", origin.path.display());
        for (name, how) in [("shallow", "--depth=1"), ("partial", "--filter=blob:none")] {
            let path = lab.path(name);
            lab.git(&origin.path, &["clone", "-q", how, &url, path.to_str().unwrap()]);
            let project = lab.open(&path);
            assert_eq!(project.git(&["rev-list", "--count", "HEAD"]), if name == "shallow" { "1" } else { "2" });
            works(&project);
            fs::remove_dir_all(lab.path("scratch")).unwrap();
        }
        let (bare, linked) = (lab.path("bare.git"), lab.path("of bare"));
        lab.git(&origin.path, &["clone", "-q", "--bare", &url, bare.to_str().unwrap()]);
        lab.git(&bare, &["worktree", "add", "-q", linked.to_str().unwrap(), "main"]);
        let project = lab.open(&linked);
        assert_eq!((project.repo.root(), project.repo.git_dir()), (linked.as_path(), bare.as_path()));
        works(&project);
    });
}

#[test]
fn a_sparse_checkout_stays_sparse_and_loses_nothing() {
    alone(|lab| {
        let project = lab.project();
        let base = project.commit(&project.base, &[("big/data.txt", "big\n"), ("big/more.txt", "more\n")]);
        project.git(&["reset", "-q", "--hard", base.as_str()]);
        project.git(&["sparse-checkout", "set", "src"]);
        let project = lab.open(&project.path);
        for (name, spoil) in [("sparse", false), ("sparse-and-spoilt", true)] {
            let path = project.worktree(name);
            assert!(path.join("src/lib.txt").exists() && !path.join("big").exists(), "{name}");
            write(&path.join("src/new.txt"), "new\n");
            fs::remove_file(path.join("src/lib.txt")).unwrap();
            if spoil {
                fs::remove_file(project.path.join(".git/worktrees").join(name).join("index")).unwrap();
            }
            let changed: Vec<String> = project.snapshot(name).unwrap().changed.into_iter().map(|file| file.path).collect();
            assert_eq!(changed, ["src/lib.txt", "src/new.txt"], "{name}");
        }
    });
}

#[test]
fn pointers_stay_pointers_without_git_lfs() {
    // Only git and what its scripts need: no git-lfs, wherever the test runs.
    let path = "/usr/bin:/bin";
    if std::env::split_paths(path).any(|folder| folder.join("git-lfs").exists()) || !std::path::Path::new("/usr/bin/git").exists() {
        return;
    }
    alone_with(&[("PATH", path)], |lab| {
        let project = lab.project();
        let pointer = "version https://git-lfs.github.com/spec/v1\noid sha256:0000\nsize 12345\n";
        write(&project.path.join(".gitattributes"), "*.bin filter=lfs diff=lfs merge=lfs -text\n");
        write(&project.path.join("model.bin"), pointer);
        project.git(&["add", "-A"]);
        project.git(&["commit", "-qm", "with a pointer"]);
        lab.configure("[filter \"lfs\"]\nclean = git-lfs clean -- %f\nsmudge = git-lfs smudge -- %f\nprocess = git-lfs filter-process\nrequired = true\n");
        let project = lab.open(&project.path);
        let path = project.worktree("lfs");
        assert_eq!(read(&path.join("model.bin")), pointer);
        write(&path.join("other.bin"), "bytes\n");
        fs::remove_file(path.join("readme.txt")).unwrap();
        let snapshot = project.snapshot("lfs").unwrap();
        let changed: Vec<&str> = snapshot.changed.iter().map(|file| file.path.as_str()).collect();
        assert_eq!(changed, ["other.bin", "readme.txt"]);
        assert_eq!(project.repo.read(&snapshot.head, "model.bin", 1000).unwrap().unwrap(), pointer.as_bytes());
    });
}

#[test]
fn the_callers_git_environment_is_not_obeyed() {
    let elsewhere = [
        ("GIT_DIR", "/nowhere"),
        ("GIT_WORK_TREE", "/nowhere"),
        ("GIT_INDEX_FILE", "/nowhere/index"),
        ("GIT_OBJECT_DIRECTORY", "/nowhere/objects"),
        ("GIT_NAMESPACE", "other"),
        ("GIT_LITERAL_PATHSPECS", "1"),
        ("GIT_CONFIG_COUNT", "1"),
        ("GIT_CONFIG_KEY_0", "core.bare"),
        ("GIT_CONFIG_VALUE_0", "true"),
        ("GIT_AUTHOR_DATE", "2001-01-01T00:00:00Z"),
    ];
    alone(|lab| {
        let project = lab.project();
        let report = lab.path("report");
        let mut command = std::process::Command::new(std::env::current_exe().unwrap());
        command.args(["repositories::works_in_a_strange_environment", "--exact", "--test-threads=1"]);
        command.env("AURA_GIT_STRANGE", &project.path).env("AURA_GIT_REPORT", &report).envs(elsewhere);
        let output = command.output().unwrap();
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stdout));
        let commit = read(&report);
        assert!(project.git(&["cat-file", "commit", &commit]).contains("author Ada <ada@example.org> 1800000000 +0000"));
    });
}

/// Not a test by itself: what the process of the one above does.
#[test]
fn works_in_a_strange_environment() {
    let Some(path) = std::env::var_os("AURA_GIT_STRANGE").map(std::path::PathBuf::from) else { return };
    let repo = Repo::discover(&path).unwrap();
    let base = repo.head().unwrap().commit;
    let worktree = path.with_file_name("strange");
    repo.worktree_add(&worktree, aura::git::At::Detached(&base)).unwrap();
    repo.set_worktree(&worktree, &base).unwrap();
    write(&worktree.join("a.txt"), "a\n");
    let request = aura::git::SnapshotRequest {
        base: &base,
        origin: &base,
        branch: "aura/strange",
        message: "m\n",
        at: crate::lab::noon(),
        pin: "refs/aura/test/strange",
    };
    let snapshot = repo.snapshot(&worktree, &request).unwrap();
    assert_eq!(snapshot.changed.len(), 1);
    fs::write(std::env::var_os("AURA_GIT_REPORT").unwrap(), snapshot.head.as_str()).unwrap();
}

#[test]
fn a_new_repository_is_made_of_a_folder() {
    alone(|lab| {
        let folder = lab.path("shop");
        write(&folder.join("a.txt"), "a\n");
        aura::git::init(&folder).unwrap();
        let repo = Repo::discover(&folder).unwrap();
        assert_eq!(repo.head().unwrap().branch.as_deref(), Some("notes"));
        assert_eq!(repo.resolve("main").unwrap(), Some(repo.head().unwrap().commit));
        assert_eq!(lab.git(&folder, &["status", "--porcelain"]), "");
    });
}

#[test]
#[cfg(unix)]
fn a_repository_of_somebody_else_is_opened_where_git_trusts_it() {
    use std::os::unix::fs::MetadataExt;
    alone(|lab| {
        let project = lab.project();
        // Only root can give files away.
        if fs::metadata(&project.path).unwrap().uid() != 0
            || !std::process::Command::new("chown").args(["-R", "12345"]).arg(&project.path).status().unwrap().success()
        {
            return;
        }
        let error = Repo::discover(&project.path).unwrap_err();
        assert!(error.to_string().contains("dubious ownership"), "{error}");
        lab.configure(&format!("[safe]\ndirectory = {}\n", project.path.display()));
        works(&lab.open(&project.path));
    });
}

#[test]
#[cfg(unix)]
fn what_is_shared_with_a_group_stays_writable_for_it() {
    use std::os::unix::fs::PermissionsExt;
    alone(|lab| {
        let project = lab.project_made_by(&["init", "-q", "--shared=group"]);
        works(&project);
        for folder in ["objects", "refs"] {
            let mut folders = vec![project.path.join(".git").join(folder)];
            while let Some(at) = folders.pop() {
                let mode = fs::metadata(&at).unwrap().permissions().mode();
                assert!(mode & 0o020 != 0, "{}: {mode:o}", at.display());
                folders.extend(fs::read_dir(&at).unwrap().map(|entry| entry.unwrap().path()).filter(|path| path.is_dir()));
            }
        }
    });
}

#[test]
fn a_sparse_checkout_that_the_agent_made_removes_nothing() {
    alone(|lab| {
        let project = lab.project();
        let path = project.worktree("task");
        lab.git(&path, &["sparse-checkout", "set", "nothing"]);
        assert!(!path.join("src").exists());
        write(&path.join("src/lib.txt"), "written where nothing is checked out\n");
        write(&path.join("nothing/new.txt"), "new\n");
        fs::remove_file(path.join("readme.txt")).unwrap();
        let changed: Vec<String> = project.snapshot("task").unwrap().changed.into_iter().map(|file| file.path).collect();
        assert_eq!(changed, ["nothing/new.txt", "readme.txt", "src/lib.txt"]);
        let again = project.worktree("task");
        assert_eq!(read(&again.join("src/deep/er.txt")), "deeper\n");
    });
}

#[test]
fn a_branch_in_the_middle_of_a_rebase_is_in_use() {
    alone(|lab| {
        let project = lab.project();
        project.git(&["checkout", "-qb", "topic", "HEAD~1"]);
        write(&project.path.join("src/lib.txt"), "in the way\n");
        project.git(&["add", "-A"]);
        project.git(&["commit", "-qm", "topic"]);
        assert!(!Lab::try_git(&project.path, &["rebase", "main"]).status.success());
        assert_eq!(project.repo.checked_out_at("topic").unwrap().as_deref(), Some(project.repo.root()));
        project.git(&["rebase", "--abort"]);
        assert_eq!(project.repo.checked_out_at("main").unwrap(), None);
    });
}

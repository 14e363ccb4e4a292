//! A worktree that an agent wrote is hostile: nothing that was planted in it runs, and nothing in it is followed.
#![cfg(unix)] // The traps are shell scripts.

use crate::lab::{Lab, Project, alone, read, trap, walk, write};
use aura::git::GitError;
use std::fs;
use std::path::{Path, PathBuf};

/// A repository at `folder` that runs a script whatever git does with it, and the mark that the script would leave.
fn armed(lab: &Lab, folder: &Path) -> PathBuf {
    let (script, mark) = trap(lab, "armed");
    let script = script.to_str().unwrap();
    fs::create_dir_all(folder).unwrap();
    lab.git(folder, &["init", "-q"]);
    write(&folder.join("inner.txt"), "inner\n");
    lab.git(folder, &["add", "-A"]);
    lab.git(folder, &["commit", "-qm", "inner"]);
    write(&folder.join(".gitattributes"), "* filter=x diff=x\n");
    write(&folder.join("inner.txt"), "changed\n");
    for (key, value) in [("core.fsmonitor", script), ("filter.x.clean", script), ("filter.x.smudge", script), ("diff.x.textconv", script)] {
        lab.git(folder, &["config", key, value]);
    }
    for hook in ["post-checkout", "post-index-change", "pre-commit", "reference-transaction"] {
        let hook = folder.join(".git/hooks").join(hook);
        fs::create_dir_all(hook.parent().unwrap()).unwrap();
        fs::copy(script, hook).unwrap();
    }
    mark
}

fn refused(project: &Project, name: &str) -> String {
    match project.snapshot(name) {
        Err(GitError::NestedRepository { path }) => path,
        other => panic!("{other:?}"),
    }
}

/// Everything that is done with a worktree after an agent, on one whose agent was hostile.
fn the_rest_of_its_life(project: &Project, name: &str) -> Vec<String> {
    let path = project.story().join(name);
    let kept = project.repo.rescue(&path, "refs/aura/rescue/s/t/1", &project.base).unwrap().unwrap();
    project.worktree(name);
    assert_eq!(project.lab.git(&path, &["status", "--porcelain"]), "");
    write(&path.join("fine.txt"), "fine\n");
    project.snapshot(name).unwrap();
    project.names(&kept)
}

#[test]
fn a_repository_inside_is_refused_and_kept_as_files() {
    alone(|lab| {
        let project = lab.project();
        let path = project.worktree("nested");
        let mark = armed(lab, &path.join("deep/inner"));
        assert_eq!(refused(&project, "nested"), "deep/inner");
        let names = the_rest_of_its_life(&project, "nested");
        assert!(names.contains(&"deep/inner/inner.txt".to_owned()), "{names:?}");
        assert!(!mark.exists(), "{}", read(&mark));
        let aside = project.story().join("nested.nested-1");
        assert_eq!(read(&aside.join("inner.txt")), "changed\n");
    });
}

#[test]
fn a_repository_that_is_in_the_index_already_is_not_looked_into() {
    alone(|lab| {
        let project = lab.project();
        for how in ["added", "committed"] {
            let path = project.worktree(how);
            fs::create_dir_all(path.join("inner")).unwrap();
            lab.git(&path.join("inner"), &["init", "-q"]);
            lab.git(&path.join("inner"), &["commit", "-q", "--allow-empty", "-m", "inner"]);
            lab.git(&path, &["-c", "advice.addEmbeddedRepo=false", "add", "-A"]);
            if how == "committed" {
                lab.git(&path, &["commit", "-qm", "with a link"]);
            }
            fs::remove_dir_all(path.join("inner")).unwrap();
            let mark = armed(lab, &path.join("inner"));
            assert_eq!(refused(&project, how), "inner");
            let names = the_rest_of_its_life(&project, how);
            assert!(names.contains(&"inner/inner.txt".to_owned()), "{names:?}");
            assert!(!mark.exists(), "{how}: {}", read(&mark));
        }
    });
}

#[test]
fn a_git_folder_beside_tracked_files_is_refused() {
    alone(|lab| {
        let project = lab.project();
        let path = project.worktree("tracked");
        let mark = armed(lab, &path.join("src"));
        assert_eq!(refused(&project, "tracked"), "src");
        let names = the_rest_of_its_life(&project, "tracked");
        assert!(names.contains(&"src/inner.txt".to_owned()) && names.contains(&"src/lib.txt".to_owned()), "{names:?}");
        assert!(!mark.exists(), "{}", read(&mark));
    });
}

#[test]
fn a_link_without_a_folder_is_refused_too() {
    alone(|lab| {
        let project = lab.project();
        let path = project.worktree("phantom");
        let entry = format!("160000,{},phantom", project.base);
        lab.git(&path, &["update-index", "--add", "--cacheinfo", &entry]);
        assert_eq!(refused(&project, "phantom"), "phantom");
    });
}

#[test]
fn repositories_that_are_ignored_are_nobodys_business() {
    alone(|lab| {
        let project = lab.project();
        let path = project.worktree("ignored");
        let mark = armed(lab, &path.join("target/checkouts/dep"));
        write(&path.join("new/.gitignore"), "vendor\n");
        armed(lab, &path.join("new/vendor/dep"));
        let snapshot = project.snapshot("ignored").unwrap();
        assert_eq!(snapshot.changed.len(), 1);
        assert!(!mark.exists(), "{}", read(&mark));
    });
}

type Plant = fn(&Path, &Path);

/// What the worktree's own link to its repository can be replaced by.
#[test]
fn a_changed_link_is_found_and_what_it_leads_to_never_runs() {
    alone(|lab| {
        let project = lab.project();
        let evil = lab.path("evil");
        let mark = armed(lab, &evil);
        let cases: [(&str, Plant); 3] = [
            ("file", |path, evil| write(&path.join(".git"), &format!("gitdir: {}/.git\n", evil.display()))),
            ("folder", |path, evil| {
                fs::remove_file(path.join(".git")).unwrap();
                for (name, bytes) in walk(&evil.join(".git")) {
                    fs::create_dir_all(path.join(".git").join(&name).parent().unwrap()).unwrap();
                    fs::write(path.join(".git").join(name), bytes).unwrap();
                }
            }),
            ("link", |path, evil| {
                fs::remove_file(path.join(".git")).unwrap();
                std::os::unix::fs::symlink(evil.join(".git"), path.join(".git")).unwrap();
            }),
        ];
        for (name, plant) in cases {
            let path = project.worktree(name);
            write(&path.join("work.txt"), "work\n");
            write(&path.join(".gitattributes"), "* filter=x\n");
            plant(&path, &evil);
            assert!(matches!(project.snapshot(name), Err(GitError::Tampered { .. })), "{name}");
            let names = the_rest_of_its_life(&project, name);
            assert!(names.contains(&"work.txt".to_owned()), "{name}: {names:?}");
            assert!(!mark.exists(), "{name}: {}", read(&mark));
        }
    });
}

#[test]
fn a_link_that_is_merely_gone_is_written_again_and_the_work_counts() {
    alone(|lab| {
        let project = lab.project();
        let path = project.worktree("unlinked");
        write(&path.join("work.txt"), "work\n");
        fs::remove_file(path.join(".git")).unwrap();
        let snapshot = project.snapshot("unlinked").unwrap();
        assert_eq!(snapshot.changed.len(), 1);
        assert_eq!(lab.git(&path, &["rev-parse", "HEAD"]), snapshot.head.as_str());
    });
}

#[test]
fn what_is_planted_in_the_worktrees_own_git_folder_has_no_say() {
    alone(|lab| {
        let project = lab.project();
        let (script, mark) = trap(lab, "planted");
        // As `git sparse-checkout` leaves it: worktrees may have a configuration of their own.
        project.git(&["config", "extensions.worktreeConfig", "true"]);
        let path = project.worktree("planted");
        let admin = project.path.join(".git/worktrees/planted");
        let script = script.display();
        let text = format!("[core]\nfsmonitor = {script}\n[filter \"x\"]\nclean = {script}\nsmudge = {script}\nprocess = {script}\n");
        fs::write(admin.join("config.worktree"), &text).unwrap();
        write(&path.join(".gitattributes"), "* filter=x\n");
        write(&path.join("readme.txt"), "changed\n");
        let snapshot = project.snapshot("planted").unwrap();
        assert_eq!(project.show(&snapshot.head, "readme.txt"), "changed");
        project.repo.set_worktree(&path, &project.base).unwrap();
        assert_eq!(read(&path.join("readme.txt")), "one\ntwo\nthree\n");
        assert!(!mark.exists(), "{}", read(&mark));
        let evil = lab.path("evil");
        armed(lab, &evil);
        fs::write(admin.join("commondir"), format!("{}/.git\n", evil.display())).unwrap();
        assert!(matches!(project.snapshot("planted"), Err(GitError::Tampered { .. })));
        assert!(!mark.exists(), "{}", read(&mark));
    });
}

#[test]
fn the_users_hooks_do_not_run_and_cannot_fail_anything() {
    alone(|lab| {
        let (script, mark) = trap(lab, "hook");
        let hooks = lab.path("hooks");
        fs::create_dir(&hooks).unwrap();
        let project = lab.project();
        for hook in
            ["post-checkout", "pre-commit", "post-commit", "post-index-change", "reference-transaction", "commit-msg", "pre-merge-commit"]
        {
            fs::copy(&script, hooks.join(hook)).unwrap();
            fs::create_dir_all(project.path.join(".git/hooks")).unwrap();
            fs::copy(&script, project.path.join(".git/hooks").join(hook)).unwrap();
        }
        lab.configure(&format!("[core]\nhooksPath = {}\n", hooks.display()));
        let path = project.worktree("hooked");
        write(&path.join("a"), "a");
        let snapshot = project.snapshot("hooked").unwrap();
        let tree = project.repo.merge(&project.base, &snapshot.head).unwrap().tree;
        let commit = project.repo.commit_tree(&tree, &[&project.base, &snapshot.head], "m", crate::lab::noon()).unwrap();
        project.repo.sync_checkout(&path, &snapshot.head, &commit).unwrap();
        project.repo.worktree_remove(&path, &project.story()).unwrap();
        assert!(!mark.exists(), "{}", read(&mark));
    });
}

#[test]
fn names_that_look_like_options_or_expressions_are_names() {
    alone(|lab| {
        let project = lab.project();
        for name in ["--help", "-h", "", "HEAD^{/first}\0", "no such", "--all", "main..", "@{upstream}", ":readme.txt"] {
            assert_eq!(project.repo.resolve(name).unwrap(), None, "{name:?}");
        }
        for path in ["../my project/readme.txt", "./readme.txt", "", "src", "no/such", "a\nb", ":readme.txt", "/readme.txt"] {
            assert_eq!(project.repo.read(&project.base, path, 10).unwrap(), None, "{path:?}");
        }
        assert!(project.repo.checked_out_at("--help").unwrap().is_none());
        assert!(project.repo.update_ref("--stdin", &project.base, aura::git::Expect::Any, "x").is_err());
        assert!(project.repo.update_ref("refs/heads/../../config", &project.base, aura::git::Expect::Any, "x").is_err());
    });
}

//! A merge in memory is the merge that the user's own `git merge` would make: the same tree, the same paths in conflict.
#![cfg(unix)]

use crate::lab::{Lab, Project, alone, write};
use aura::domain::Oid;
use std::collections::BTreeSet;
use std::fs;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::Path;

/// A side path that git makes where two things want one name carries the name of its side.
fn plain(path: &str) -> String {
    path.split_once('~').map_or(path, |(name, _)| name).to_owned()
}

/// What the user gets: the tree, or the paths in conflict.
fn users(project: &Project, ours: &Oid, theirs: &Oid) -> Result<String, BTreeSet<String>> {
    let path = project.lab.path("by hand");
    let (lab, folder) = (project.lab, path.to_str().unwrap());
    project.git(&["worktree", "add", "-q", "--detach", folder, ours.as_str()]);
    let merged = Lab::try_git(&path, &["merge", "-q", "--no-commit", "--no-ff", theirs.as_str()]).status.success();
    let found = if merged {
        Ok(lab.git(&path, &["write-tree"]))
    } else {
        let unmerged = lab.git(&path, &["ls-files", "-u", "-z"]);
        Err(unmerged.split('\0').filter_map(|line| line.split_once('\t')).map(|(_, name)| plain(name)).collect())
    };
    project.git(&["worktree", "remove", "--force", folder]);
    found
}

#[track_caller]
fn same(project: &Project, what: &str, ours: &Oid, theirs: &Oid) -> Result<String, BTreeSet<String>> {
    let merge = project.repo.merge(ours, theirs).unwrap();
    let found =
        if merge.conflicts.is_empty() { Ok(merge.tree.to_string()) } else { Err(merge.conflicts.iter().map(|path| plain(path)).collect()) };
    assert_eq!(found, users(project, ours, theirs), "{what}");
    found
}

type Edit = fn(&Lab, &Path);

fn paths(names: &[&str]) -> BTreeSet<String> {
    names.iter().map(|name| (*name).to_owned()).collect()
}

#[test]
fn every_kind_of_conflict_names_the_paths_that_git_names() {
    let kinds: [(&str, &[&str], Edit, Edit); 8] = [
        ("both edit", &["readme.txt"], |_, p| write(&p.join("readme.txt"), "1\n"), |_, p| write(&p.join("readme.txt"), "2\n")),
        (
            "edit and delete",
            &["readme.txt"],
            |_, p| write(&p.join("readme.txt"), "1\n"),
            |_, p| fs::remove_file(p.join("readme.txt")).unwrap(),
        ),
        (
            "renamed to two names",
            &["src/lib.txt", "src/one.txt", "src/two.txt"],
            |lab, p| drop(lab.git(p, &["mv", "src/lib.txt", "src/one.txt"])),
            |lab, p| drop(lab.git(p, &["mv", "src/lib.txt", "src/two.txt"])),
        ),
        (
            "two renamed to one name",
            &["one.txt"],
            |lab, p| drop(lab.git(p, &["mv", "src/lib.txt", "one.txt"])),
            |lab, p| drop(lab.git(p, &["mv", "src/deep/er.txt", "one.txt"])),
        ),
        ("a file and a folder", &["new"], |_, p| write(&p.join("new"), "file\n"), |_, p| write(&p.join("new/inside"), "folder\n")),
        ("binary", &["bin"], |_, p| write(&p.join("bin"), "\0one"), |_, p| write(&p.join("bin"), "\0two")),
        ("a file and a link", &["new"], |_, p| write(&p.join("new"), "file\n"), |_, p| symlink("readme.txt", p.join("new")).unwrap()),
        (
            "two commits of a submodule",
            &["sub"],
            |lab, p| drop(lab.git(p, &["update-index", "--add", "--cacheinfo", &format!("160000,{},sub", "1".repeat(40))])),
            |lab, p| drop(lab.git(p, &["update-index", "--add", "--cacheinfo", &format!("160000,{},sub", "2".repeat(40))])),
        ),
    ];
    alone(|lab| {
        let project = lab.project();
        for (what, expected, ours, theirs) in kinds {
            let (one, two) = (project.commit_by(&project.base, ours), project.commit_by(&project.base, theirs));
            assert_eq!(same(&project, what, &one, &two), Err(paths(expected)), "{what}");
            // What git put beside a name is not what anybody meant to land.
            let merge = project.repo.merge(&one, &two).unwrap();
            let left = project.repo.unresolved(&merge.tree, &merge.conflicts).unwrap();
            assert_eq!(left.iter().any(|path| path.contains('~')), what.starts_with("a file and a"), "{what}: {left:?}");
        }
    });
}

#[test]
fn what_git_brings_together_is_brought_together() {
    let kinds: [(&str, Edit, Edit); 4] = [
        (
            "mode and content",
            |_, p| fs::set_permissions(p.join("readme.txt"), fs::Permissions::from_mode(0o755)).unwrap(),
            |_, p| write(&p.join("readme.txt"), "one\ntwo\n3\n"),
        ),
        (
            "a rename and an edit",
            |lab, p| drop(lab.git(p, &["mv", "readme.txt", "README"])),
            |_, p| write(&p.join("readme.txt"), "one\ntwo\n3\n"),
        ),
        ("the same twice", |_, p| write(&p.join("new"), "new\n"), |_, p| write(&p.join("new"), "new\n")),
        (
            "a folder that was renamed, and a file that was added to it",
            |lab, p| drop(lab.git(p, &["mv", "src", "lib"])),
            |_, p| write(&p.join("src/new.txt"), "new\n"),
        ),
    ];
    alone(|lab| {
        // What the user prefers counts for both.
        for settings in ["", "[merge]\ndirectoryRenames = true\n", "[merge]\nrenames = false\ndirectoryRenames = false\n"] {
            fs::write(lab.path("home/gitconfig"), format!("[user]\nname = Ada\nemail = ada@example.org\n{settings}")).unwrap();
            let project = if lab.path("my project").exists() { lab.open(&lab.path("my project")) } else { lab.project() };
            for (what, ours, theirs) in kinds {
                let (one, two) = (project.commit_by(&project.base, ours), project.commit_by(&project.base, theirs));
                let _ = same(&project, &format!("{what} {settings}"), &one, &two);
            }
        }
    });
}

#[test]
fn attributes_in_the_tree_say_how_to_merge() {
    alone(|lab| {
        lab.configure("[merge \"ours-always\"]\ndriver = true\n");
        let project = lab.project();
        let attributes = "CHANGES merge=union\n*.lock -merge\nmine merge=ours-always\n*.sql text eol=crlf\nodd merge=planted\n";
        let files = ["CHANGES", "a.lock", "mine", "a.sql", "odd"];
        let with = |word: &str| files.map(|name| (name, format!("{word}\nstart\n")));
        let commit = |parent: &Oid, word: &str, more: &[(&str, &str)]| {
            let texts = with(word);
            let files: Vec<(&str, &str)> = texts.iter().map(|(name, text)| (*name, text.as_str())).chain(more.iter().copied()).collect();
            project.commit(parent, &files)
        };
        let base = commit(
            &project.base,
            "",
            &[(".gitattributes", attributes), ("deep/.gitattributes", "CHANGES merge=union\n"), ("deep/CHANGES", "start\n")],
        );
        let one = commit(&base, "one", &[("deep/CHANGES", "start\none\n")]);
        let two = commit(&base, "two", &[("deep/CHANGES", "start\ntwo\n")]);
        assert_eq!(same(&project, "attributes", &one, &two), Err(paths(&["a.lock", "a.sql", "odd"])));
        let without = project.repo.without(&one, &one, &base).unwrap().unwrap();
        assert_eq!(without, project.repo.tree_of(&base).unwrap());
        // What the work itself brings along has no say in its own landing.
        let base = project.commit(&project.base, &[("CHANGES", "start\n")]);
        let one = project.commit(&base, &[("CHANGES", "start\none\n")]);
        let two = project.commit(&base, &[("CHANGES", "start\ntwo\n"), (".gitattributes", "CHANGES merge=union\n")]);
        assert_eq!(same(&project, "brought along", &one, &two), Err(paths(&["CHANGES"])));
        let union = project.commit(&base, &[("CHANGES", "start\none\n"), (".gitattributes", "CHANGES merge=union\n")]);
        assert!(same(&project, "there already", &union, &two).is_ok());
    });
}

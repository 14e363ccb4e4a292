//! Whatever an agent does, in whatever order: what is on disk is what is kept and what is committed, a reset loses nothing,
//! and nobody else's branch moves.
#![cfg(unix)]

use crate::lab::{Lab, Project, alone};
use aura::domain::Oid;
use proptest::prelude::*;
use std::collections::BTreeSet;
use std::fs;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::{Path, PathBuf};
use std::process::Command;

const NAME: &str = "refs/aura/rescue/story/task/1";
/// Tracked and untracked, ignored, in one another's way, and hard to spell.
const NAMES: [&str; 14] = [
    "readme.txt",
    "src/lib.txt",
    "src/deep/er.txt",
    "src",
    "src/deep",
    "new/one",
    "new",
    "-dash",
    "spa ce",
    "ü\nñ",
    "x.log",
    "target/t",
    "target",
    "Readme.txt",
];
const TEXTS: [&str; 5] = ["", "one\ntwo\nthree\n", "one\r\ntwo\r\n", "\0\u{1}binary", "no newline at the end"];
const TARGETS: [&str; 4] = ["readme.txt", "../outside", "/etc", "src"];

#[derive(Clone, Debug)]
enum Act {
    Write(usize, usize),
    Remove(usize),
    Rename(usize, usize),
    Executable(usize, bool),
    Link(usize, usize),
    /// A git command about a file.
    File(&'static [&'static str], usize),
    Git(&'static [&'static str]),
    LoseIndex,
    BreakIndex,
    LeaveLock,
}

fn acts() -> impl Strategy<Value = Act> {
    let (name, text, target) = (0..NAMES.len(), 0..TEXTS.len(), 0..TARGETS.len());
    let on_file = prop_oneof![
        Just(&["add", "-f", "--"][..]),
        Just(&["add", "-N", "--"][..]),
        Just(&["rm", "-q", "-r", "--cached", "--"][..]),
        Just(&["rm", "-q", "-rf", "--"][..]),
        Just(&["update-index", "--assume-unchanged", "--"][..]),
        Just(&["update-index", "--skip-worktree", "--"][..]),
        Just(&["update-index", "--no-skip-worktree", "--"][..]),
        Just(&["update-index", "--chmod=+x", "--"][..]),
        Just(&["checkout", "-q", "HEAD", "--"][..]),
    ];
    let plain = prop_oneof![
        Just(&["add", "-A"][..]),
        Just(&["commit", "-q", "-m", "the agent's"][..]),
        Just(&["commit", "-q", "-a", "-m", "the agent's"][..]),
        Just(&["commit", "-q", "--amend", "-m", "amended"][..]),
        Just(&["reset", "-q", "--soft", "HEAD~1"][..]),
        Just(&["reset", "-q", "HEAD~1"][..]),
        Just(&["reset", "-q", "--hard"][..]),
        Just(&["checkout", "-q", "--detach"][..]),
        Just(&["checkout", "-q", "-B", "mine"][..]),
        Just(&["checkout", "-q", "precious"][..]),
        Just(&["stash", "-q", "-u"][..]),
        Just(&["stash", "pop", "-q"][..]),
        Just(&["update-index", "--split-index"][..]),
        Just(&["merge", "-q", "precious"][..]),
    ];
    prop_oneof![
        6 => (name.clone(), text).prop_map(|(name, text)| Act::Write(name, text)),
        2 => name.clone().prop_map(Act::Remove),
        2 => (name.clone(), name.clone()).prop_map(|(from, to)| Act::Rename(from, to)),
        1 => (name.clone(), any::<bool>()).prop_map(|(name, on)| Act::Executable(name, on)),
        1 => (name.clone(), target).prop_map(|(name, target)| Act::Link(name, target)),
        4 => (on_file, name).prop_map(|(args, name)| Act::File(args, name)),
        6 => plain.prop_map(Act::Git),
        1 => Just(Act::LoseIndex),
        1 => Just(Act::BreakIndex),
        1 => Just(Act::LeaveLock),
    ]
}

fn admin(project: &Project) -> PathBuf {
    project.path.join(".git/worktrees/task")
}

/// What cannot be done is not done.
fn perform(project: &Project, root: &Path, act: &Act) {
    let path = |name: usize| root.join(NAMES[name]);
    let in_the_way = |path: &Path| drop(fs::remove_file(path).or_else(|_| fs::remove_dir_all(path)));
    match act {
        Act::Write(name, text) => {
            let _ = fs::create_dir_all(path(*name).parent().unwrap());
            // Not through a link: what it leads to is not the worktree's.
            if path(*name).symlink_metadata().is_ok_and(|meta| meta.is_symlink()) {
                in_the_way(&path(*name));
            }
            if dunce::canonicalize(path(*name).parent().unwrap()).is_ok_and(|parent| parent.starts_with(root)) {
                let _ = fs::write(path(*name), TEXTS[*text]);
            }
        }
        Act::Remove(name) => in_the_way(&path(*name)),
        Act::Rename(from, to) => {
            let _ = fs::rename(path(*from), path(*to));
        }
        Act::Executable(name, on) => {
            if path(*name).symlink_metadata().is_ok_and(|meta| meta.is_file()) {
                fs::set_permissions(path(*name), fs::Permissions::from_mode(if *on { 0o755 } else { 0o644 })).unwrap();
            }
        }
        Act::Link(name, target) => {
            in_the_way(&path(*name));
            let _ = symlink(TARGETS[*target], path(*name));
        }
        Act::File(args, name) => drop(Lab::try_git(root, &[args, &[NAMES[*name]][..]].concat())),
        Act::Git(args) => drop(Lab::try_git(root, args)),
        Act::LoseIndex => drop(fs::remove_file(admin(project).join("index"))),
        Act::BreakIndex => {
            let index = admin(project).join("index");
            if let Ok(bytes) = fs::read(&index) {
                fs::write(index, &bytes[..bytes.len() / 2]).unwrap();
            }
        }
        Act::LeaveLock => drop(fs::write(admin(project).join("index.lock"), "")),
    }
}

fn copy(from: &Path, to: &Path) {
    fs::create_dir_all(to).unwrap();
    for entry in fs::read_dir(from).unwrap().map(Result::unwrap).filter(|entry| entry.file_name() != ".git") {
        let (kind, target) = (entry.file_type().unwrap(), to.join(entry.file_name()));
        if kind.is_dir() {
            copy(&entry.path(), &target);
        } else if kind.is_symlink() {
            symlink(fs::read_link(entry.path()).unwrap(), target).unwrap();
        } else {
            fs::copy(entry.path(), target).unwrap();
        }
    }
}

/// Tags, names and entries of the agent's index, as plain git lists it; nothing for a broken one.
fn index_of(root: &Path) -> Vec<(String, String, String)> {
    let output = Lab::try_git(root, &["ls-files", "-s", "-v", "-z"]);
    if !output.status.success() {
        return vec![];
    }
    let text = String::from_utf8(output.stdout).unwrap();
    let entry = |line: &str| {
        let (meta, name) = line.split_once('\t').unwrap();
        let mut fields = meta.split(' ');
        let (tag, mode, id) = (fields.next().unwrap(), fields.next().unwrap(), fields.next().unwrap());
        (tag.to_owned(), format!("{mode},{id},{name}"), name.to_owned())
    };
    text.split('\0').filter(|line| !line.is_empty()).map(entry).collect()
}

/// The tree of what is on disk, made by plain git in a copy: everything that is not ignored or is in the agent's index.
fn on_disk(project: &Project, root: &Path, index: &[(String, String, String)]) -> Oid {
    let folder = project.lab.path("copy");
    let _ = fs::remove_dir_all(&folder);
    copy(root, &folder);
    let lab = project.lab;
    lab.git(&folder, &["init", "-q"]);
    fs::write(folder.join(".git/objects/info/alternates"), format!("{}\n", project.path.join(".git/objects").display())).unwrap();
    lab.git(&folder, &["-c", "core.safecrlf=false", "add", "-A"]);
    for (tag, entry, name) in index {
        let exists = folder.join(name).symlink_metadata().is_ok_and(|meta| !meta.is_dir());
        if exists {
            // Beyond a link it is not this worktree's file.
            let _ = Lab::try_git(&folder, &["-c", "core.safecrlf=false", "add", "-f", "--", name]);
        } else if tag.eq_ignore_ascii_case("s") && folder.join(name).symlink_metadata().is_err() {
            // Left out by a sparse checkout, for all that anybody can tell.
            let _ = Lab::try_git(&folder, &["update-index", "--add", "--cacheinfo", entry]);
        }
    }
    Oid::parse(&lab.git(&folder, &["write-tree"])).unwrap()
}

/// Not by `--exclude`: git 2.47 leaves out too much where refs are kept in tables.
fn refs(project: &Project) -> String {
    let all = project.git(&["for-each-ref", "--format=%(refname) %(objectname)"]);
    all.lines().filter(|line| !line.starts_with("refs/aura/") && !line.starts_with("refs/heads/aura/")).collect::<Vec<_>>().join("\n")
}

fn check(project: &Project, acts: &[Act]) -> Result<(), TestCaseError> {
    let root = project.worktree("task");
    for act in acts {
        perform(project, &root, act);
    }
    let head = Lab::try_git(&root, &["rev-parse", "HEAD"]);
    let head = Oid::parse(String::from_utf8(head.stdout).unwrap().trim()).unwrap();
    let expected = on_disk(project, &root, &index_of(&root));
    let others = refs(project);

    let kept = project.repo.rescue(&root, NAME, &project.base).unwrap();
    let tree = project.repo.tree_of(kept.as_ref().unwrap_or(&head)).unwrap();
    prop_assert_eq!(&tree, &expected, "kept: {}", project.git(&["diff-tree", "-r", expected.as_str(), tree.as_str()]));

    let builds_on_base = project.repo.is_ancestor(&project.base, &head).unwrap();
    let snapshot = match project.snapshot("task") {
        // Its changes cannot be told from what its base holds: refused, and kept above.
        Err(aura::git::GitError::LeftItsBase { .. }) if !builds_on_base => {
            project.repo.set_worktree(&root, &project.base).unwrap();
            prop_assert_eq!(project.snapshot("task").unwrap().changed, []);
            return Ok(());
        }
        snapshot => snapshot.unwrap(),
    };
    // Elsewhere the tree is brought over to the base, whose attributes may be others.
    if builds_on_base {
        let difference = project.git(&["diff-tree", "-r", expected.as_str(), snapshot.tree.as_str()]);
        prop_assert_eq!(&snapshot.tree, &expected, "snapshot: {}", difference);
        prop_assert_eq!(project.lab.git(&root, &["status", "--porcelain"]), "");
        prop_assert_eq!(&project.snapshot("task").unwrap().head, &snapshot.head);
    }

    project.repo.set_worktree(&root, &project.base).unwrap();
    prop_assert_eq!(project.lab.git(&root, &["status", "--porcelain"]), "");
    prop_assert_eq!(project.snapshot("task").unwrap().tree, project.repo.tree_of(&project.base).unwrap());
    prop_assert_eq!(refs(project), others, "somebody else's ref has moved");
    if let Some(kept) = kept {
        let folder = project.lab.path("restored");
        let _ = fs::remove_dir_all(&folder);
        project.repo.restore(&kept, &folder).unwrap();
        Lab::try_git(&folder, &["init", "-q"]);
        project.lab.git(&folder, &["add", "-f", "-A"]);
        prop_assert_eq!(project.lab.git(&folder, &["write-tree"]), expected.as_str(), "restored");
    }
    Ok(())
}

fn clean(project: &Project) {
    let _ = project.repo.worktree_remove(&project.story().join("task"), &project.story());
    let refs = project.git(&["for-each-ref", "--format=%(refname)"]);
    let ours: BTreeSet<&str> = refs.lines().filter(|name| !["refs/heads/main", "refs/heads/precious"].contains(name)).collect();
    for name in ours {
        project.git(&["update-ref", "-d", name]);
    }
    project.git(&["update-ref", "refs/heads/precious", "main~1"]);
}

/// Any number of lives, in a repository that was made like this; `AURA_GIT_CASES` for more of them.
fn lives(lab: &Lab, init: &[&str], share: u32) {
    let project = lab.project_made_by(init);
    let base = project.commit(&project.base, &[(".gitattributes", "*.txt text\n*.log -text\n")]);
    project.git(&["reset", "-q", "--hard", base.as_str()]);
    let project = lab.open(&project.path);
    let cases: u32 = std::env::var("AURA_GIT_CASES").ok().and_then(|text| text.parse().ok()).unwrap_or(16);
    let config = ProptestConfig { cases: cases / share, failure_persistence: None, max_shrink_iters: 60, ..ProptestConfig::default() };
    let mut runner = proptest::test_runner::TestRunner::new(config);
    let outcome = runner.run(&prop::collection::vec(acts(), 1..14), |acts| {
        clean(&project);
        check(&project, &acts)
    });
    if let Err(error) = outcome {
        panic!("{error}");
    }
    assert!(Command::new("git").current_dir(&project.path).args(["fsck", "--no-dangling"]).output().unwrap().status.success());
}

#[test]
fn what_is_on_disk_is_what_counts_whatever_the_agent_did() {
    alone(|lab| lives(lab, &["init", "-q"], 1));
}

#[test]
fn the_same_where_only_git_reads_the_repository() {
    alone(|lab| {
        if Lab::try_git(&lab.path("home"), &["init", "-q", "--ref-format=reftable", "probe"]).status.success() {
            lives(lab, &["init", "-q", "--ref-format=reftable"], 2);
        }
    });
}

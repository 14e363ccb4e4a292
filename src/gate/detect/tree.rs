//! What the folders of a checkout hold: names of files, looked at once. Bounded in depth and number, links not followed.

use super::{relative, within};
use crate::proc::Cmd;
use std::cell::OnceCell;
use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

/// Projects deeper than this are not looked for.
const DEPTH_MAX: usize = 4;
/// A repository with more folders than this (to that depth) is looked at in part.
const FOLDERS_MAX: usize = 20_000;
/// A manifest that is larger was not written by people.
const MANIFEST_BYTES_MAX: u64 = 4 * 1024 * 1024;

/// Folders that hold what was fetched, built or vendored, in any ecosystem. Also left out of the compilation of Python.
pub(super) const NEVER: [&str; 28] = [
    ".git",
    ".hg",
    ".svn",
    "node_modules",
    "bower_components",
    "vendor",
    "third_party",
    "target",
    "dist",
    "build",
    "out",
    "bin",
    "obj",
    ".venv",
    "venv",
    ".env",
    ".tox",
    ".nox",
    ".eggs",
    "site-packages",
    "__pycache__",
    ".gradle",
    ".idea",
    ".vscode",
    ".yarn",
    ".next",
    "testdata",
    "fixtures",
];
/// Folders that hold projects beside the point.
const SIDE: [&str; 12] = [
    "example",
    "examples",
    "sample",
    "samples",
    "demo",
    "demos",
    "template",
    "templates",
    "fuzz",
    "__fixtures__",
    "test_data",
    "test-data",
];

#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Side {
    LeftOut,
    Included,
}

pub(super) struct Folder {
    /// `.` for the root, else `a/b`.
    pub(super) path: String,
    /// Names of its files, sorted.
    pub(super) files: Vec<String>,
}

impl Folder {
    pub(super) fn has(&self, name: &str) -> bool {
        self.files.binary_search_by(|file| file.as_str().cmp(name)).is_ok()
    }
    /// The first of these names that it has.
    pub(super) fn first<'a>(&self, names: &[&'a str]) -> Option<&'a str> {
        names.iter().copied().find(|name| self.has(name))
    }
    /// The path of one of its files.
    pub(super) fn file(&self, name: &str) -> String {
        match self.path.as_str() {
            "." => name.to_owned(),
            path => format!("{path}/{name}"),
        }
    }
}

pub(super) struct Tree {
    root: PathBuf,
    /// Parents before children, sorted by name.
    pub(super) folders: Vec<Folder>,
    /// Lock files that git tracks; `None` where git was of no help. Asked when there is one.
    tracked: OnceCell<Option<BTreeSet<String>>>,
}

impl Tree {
    pub(super) fn look(root: &Path, side: Side) -> Tree {
        let mut tree = Tree { root: root.to_owned(), folders: Vec::new(), tracked: OnceCell::new() };
        let ignored = ignored_folders(root);
        let mut level = vec![".".to_owned()];
        for depth in 0..=DEPTH_MAX {
            let mut below = Vec::new();
            for path in level {
                if tree.folders.len() >= FOLDERS_MAX {
                    return tree;
                }
                let Ok(entries) = fs::read_dir(root.join(&path)) else { continue };
                let mut folder = Folder { path, files: Vec::new() };
                for entry in entries.flatten() {
                    let (Ok(kind), Ok(name)) = (entry.file_type(), entry.file_name().into_string()) else { continue };
                    if kind.is_file() || kind.is_symlink() {
                        folder.files.push(name);
                    } else if kind.is_dir() && !left_out(&name, side) && !ignored.contains(&folder.file(&name)) && !ignored.contains(&format!("**/{name}"))
                        // A linked checkout or a submodule is somebody else's; a virtual environment has this file.
                        && !entry.path().join(".git").exists()
                        && !entry.path().join("pyvenv.cfg").exists()
                    {
                        below.push(folder.file(&name));
                    }
                }
                folder.files.sort();
                tree.folders.push(folder);
            }
            below.sort();
            level = if depth < DEPTH_MAX { below } else { Vec::new() };
        }
        tree
    }

    /// The text of a file, by its path in the checkout. `None` if it cannot be read as such.
    pub(super) fn read(&self, path: &str) -> Option<String> {
        let path = self.root.join(path);
        let small = fs::metadata(&path).is_ok_and(|meta| meta.is_file() && meta.len() <= MANIFEST_BYTES_MAX);
        if small { fs::read_to_string(path).ok() } else { None }
    }

    pub(super) fn modified(&self, path: &str) -> Option<SystemTime> {
        fs::metadata(self.root.join(path)).and_then(|meta| meta.modified()).ok()
    }

    pub(super) fn dir(&self, folder: &str) -> PathBuf {
        self.root.join(folder)
    }

    /// Whether a lock file belongs to the repository; one that an earlier build left behind does not.
    pub(super) fn tracks(&self, path: &str) -> bool {
        let is_tracked = || self.tracked.get_or_init(|| tracked_locks(&self.root)).as_ref().is_none_or(|tracked| tracked.contains(path));
        self.root.join(path).is_file() && is_tracked()
    }

    /// The folders at and below one.
    pub(super) fn below<'a>(&'a self, folder: &'a str) -> impl Iterator<Item = &'a Folder> {
        self.folders.iter().filter(move |other| within(&other.path, folder))
    }
}

fn left_out(name: &str, side: Side) -> bool {
    name.starts_with('.') || NEVER.contains(&name) || (side == Side::LeftOut && SIDE.contains(&name))
}

fn tracked_locks(root: &Path) -> Option<BTreeSet<String>> {
    let listing = Cmd::new("git")
        .args([
            "-c",
            "core.fsmonitor=false",
            "ls-files",
            "-z",
            "--",
            ":(glob)**/Cargo.lock",
            ":(glob)**/uv.lock",
            ":(glob)**/packages.lock.json",
        ])
        .dir(root)
        .env("GIT_OPTIONAL_LOCKS", "0")
        .env_remove("GIT_DIR")
        .env_remove("GIT_WORK_TREE")
        .env_remove("GIT_INDEX_FILE")
        .deadline(Duration::from_secs(20));
    let output = listing.run().ok().filter(crate::proc::Output::success)?;
    let names = output.stdout.split(|&byte| byte == 0).filter(|name| !name.is_empty());
    Some(names.map(|name| String::from_utf8_lossy(name).into_owned()).collect())
}

/// Folders that the root's `.gitignore` names in so many words: `a/b` for one place, `**/name` for any. Patterns are
/// left alone: this only saves a walk through what was built, git decides what is ignored.
fn ignored_folders(root: &Path) -> BTreeSet<String> {
    let text = fs::read_to_string(root.join(".gitignore")).unwrap_or_default();
    let plain = |line: &&str| !line.is_empty() && !line.starts_with(['#', '!']) && !line.contains(['*', '?', '[', '\\']);
    let mut ignored: BTreeSet<String> = BTreeSet::new();
    for line in text.lines().map(str::trim).filter(plain) {
        let name = line.trim_end_matches('/');
        if name.contains('/') {
            ignored.insert(name.trim_start_matches('/').to_owned());
        } else {
            ignored.insert(format!("**/{name}"));
        }
    }
    for line in text.lines().filter_map(|line| line.trim().strip_prefix('!')) {
        let name = line.trim_end_matches('/').trim_start_matches('/');
        ignored.remove(name);
        ignored.remove(&format!("**/{name}"));
    }
    ignored
}

/// Whether a path matches a pattern of a workspace: `*` within one part, `**` over any number of parts.
pub(super) fn matches(pattern: &str, path: &str) -> bool {
    let parts = |text: &str| text.split('/').filter(|part| !part.is_empty() && *part != ".").map(str::to_owned).collect::<Vec<_>>();
    matches_parts(&parts(pattern), &parts(path))
}

fn matches_parts(pattern: &[String], path: &[String]) -> bool {
    match (pattern.split_first(), path.split_first()) {
        (None, None) => true,
        (None, Some(_)) => false,
        (Some((first, rest)), _) if first == "**" => (0..=path.len()).any(|skipped| matches_parts(rest, &path[skipped..])),
        (Some(_), None) => false,
        (Some((first, rest)), Some((part, others))) => matches_part(first, part) && matches_parts(rest, others),
    }
}

fn matches_part(pattern: &str, part: &str) -> bool {
    let Some((before, after)) = pattern.split_once('*') else { return pattern == part };
    let Some(rest) = part.strip_prefix(before) else { return false };
    rest.char_indices().map(|(at, _)| at).chain([rest.len()]).any(|at| matches_part(after, &rest[at..]))
}

/// Whether `folder`, seen from `above`, is matched by one of the patterns and by none that begins with `!`.
pub(super) fn listed(patterns: &[String], folder: &str, above: &str) -> bool {
    let place = relative(folder, above);
    let not = |pattern: &String| pattern.strip_prefix('!').is_some_and(|pattern| matches(pattern, place));
    within(folder, above) && folder != above && patterns.iter().any(|pattern| matches(pattern, place)) && !patterns.iter().any(not)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn workspace_patterns_match_as_npm_and_cargo_mean_them() {
        let rows = [
            ("packages/*", "packages/a", true),
            ("packages/*", "packages/a/b", false),
            ("packages/**", "packages/a/b", true),
            ("./packages/*/", "packages/a", true),
            ("**", "x/y", true),
            ("a", "a", true),
            ("a", "ab", false),
            ("crates/aura-*", "crates/aura-core", true),
            ("crates/aura-*", "crates/other", false),
            ("*/*-lib", "x/y-lib", true),
            ("*a*b", "xaab", true),
            ("", "a", false),
        ];
        for (pattern, path, expected) in rows {
            assert_eq!(matches(pattern, path), expected, "{pattern} on {path}");
        }
    }

    #[test]
    fn a_negative_pattern_takes_a_folder_out() {
        let patterns = ["packages/*".to_owned(), "!packages/old".to_owned()];
        assert!(listed(&patterns, "web/packages/a", "web"));
        assert!(!listed(&patterns, "web/packages/old", "web"));
        assert!(!listed(&patterns, "packages/a", "web"));
        assert!(!listed(&["**".to_owned()], "web", "web"));
    }
}

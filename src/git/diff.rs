//! What changed between two commits.

use super::cmd::{Site, parts, run};
use super::refs::theirs;
use super::{Repo, Result};
use crate::domain::Oid;

/// Lines of larger files are not counted by libgit2: they would be in memory here.
const COUNTED_BYTES_MAX: i64 = 8 * 1024 * 1024;

/// What happened to a file. A rename is a removal and an addition.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Change {
    Added,
    Modified,
    Deleted,
}

/// One changed file. Line counts are unknown for binary files, and may be for very large ones.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FileChange {
    pub path: String,
    pub change: Change,
    pub added: Option<u32>,
    pub removed: Option<u32>,
    /// It is not a file but a link to a commit of another repository.
    pub(super) is_link: bool,
}

impl Repo {
    /// Changed files of two commits or trees.
    pub fn diff_files(&self, from: &Oid, to: &Oid) -> Result<Vec<FileChange>> {
        if let Some(Ok(changes)) = self.library().map(|repo| changes_by_library(&repo, from, to)) {
            return Ok(changes);
        }
        let args =
            ["diff-tree", "-r", "-z", "--raw", "--numstat", "--no-renames", "--no-ext-diff", "--no-textconv", "--ignore-submodules=none"];
        let cmd = self.git(Site::Objects).args(args).args([from.as_str(), to.as_str()]);
        let output = run(cmd, &format!("compare {} and {}", from.short(), to.short()))?;
        Ok(changes(&output.stdout))
    }

    /// The patch between two commits: at most `bytes_max`, with a last line that says so when it was cut.
    pub fn diff_text(&self, from: &Oid, to: &Oid, bytes_max: usize) -> Result<String> {
        let args = ["diff-tree", "-r", "-p", "--no-ext-diff", "--no-textconv", "--no-color"];
        let cmd = self.git(Site::Objects).args(args).args([from.as_str(), to.as_str()]).output_max(bytes_max);
        let output = run(cmd, &format!("compare {} and {}", from.short(), to.short()))?;
        let mut text = String::from_utf8_lossy(&output.stdout).into_owned();
        if output.truncated {
            // The last character may have been cut in two.
            text.truncate(text.trim_end_matches('\u{fffd}').len());
            text += "\n[… cut here]\n";
        }
        Ok(text)
    }
}

fn changes_by_library(repo: &git2::Repository, from: &Oid, to: &Oid) -> Result<Vec<FileChange>, git2::Error> {
    let tree = |id: &Oid| repo.find_object(theirs(id)?, None)?.peel_to_tree();
    let mut options = git2::DiffOptions::new();
    options.include_typechange(true).context_lines(0).max_size(COUNTED_BYTES_MAX);
    let diff = repo.diff_tree_to_tree(Some(&tree(from)?), Some(&tree(to)?), Some(&mut options))?;
    // It counts no lines of those.
    if diff.deltas().any(|delta| delta.status() == git2::Delta::Typechange) {
        return Err(git2::Error::from_str("a file has become something else"));
    }
    let change = |(at, delta): (usize, git2::DiffDelta<'_>)| {
        let (file, change) = match delta.status() {
            git2::Delta::Deleted => (delta.old_file(), Change::Deleted),
            git2::Delta::Added => (delta.new_file(), Change::Added),
            _ => (delta.new_file(), Change::Modified),
        };
        let patch = git2::Patch::from_diff(&diff, at)?.filter(|patch| !patch.delta().flags().is_binary());
        let counts = patch.map(|patch| patch.line_stats()).transpose()?;
        let count = |lines: usize| u32::try_from(lines).unwrap_or(u32::MAX);
        Ok(FileChange {
            path: String::from_utf8_lossy(file.path_bytes().unwrap_or_default()).into_owned(),
            change,
            added: counts.map(|(_, added, _)| count(added)),
            removed: counts.map(|(_, _, removed)| count(removed)),
            is_link: change != Change::Deleted && file.mode() == git2::FileMode::Commit,
        })
    };
    diff.deltas().enumerate().map(change).collect()
}

/// Raw lines come first, each followed by its path; then one line of numbers for each, in the same order.
fn changes(output: &[u8]) -> Vec<FileChange> {
    let (mut changes, mut numbers) = (vec![], vec![]);
    let mut fields = parts(output);
    while let Some(field) = fields.next() {
        if let Some(meta) = field.strip_prefix(':') {
            let Some(path) = fields.next() else { break };
            let change = match meta.chars().last() {
                Some('A') => Change::Added,
                Some('D') => Change::Deleted,
                Some(_) | None => Change::Modified,
            };
            let is_link = meta.split(' ').nth(1) == Some("160000");
            changes.push(FileChange { path, change, added: None, removed: None, is_link });
        } else {
            let mut counts = field.splitn(3, '\t').map(|text| text.parse::<u32>().ok());
            numbers.push((counts.next().flatten(), counts.next().flatten()));
        }
    }
    for (change, (added, removed)) in changes.iter_mut().zip(numbers) {
        (change.added, change.removed) = (added, removed);
    }
    changes
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn raw_lines_and_numbers_are_brought_together() {
        let output = b":100644 100644 1 2 M\0a\nb\0:000000 160000 0 3 A\0sub\0:100644 000000 4 0 D\0x\ty\0\
            3\t1\ta\nb\x001\t0\tsub\0-\t-\tx\ty\0";
        let found = changes(output);
        let shown: Vec<_> = found.iter().map(|c| (c.path.as_str(), c.change, c.added, c.removed, c.is_link)).collect();
        assert_eq!(
            shown,
            [
                ("a\nb", Change::Modified, Some(3), Some(1), false),
                ("sub", Change::Added, Some(1), Some(0), true),
                ("x\ty", Change::Deleted, None, None, false),
            ]
        );
    }
}

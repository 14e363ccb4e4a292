//! What landed stays: a step on the story branch may change what its own work changes, and nothing else.

use super::cmd::{Site, raw_parts, run};
use super::refs::{ours, theirs};
use super::{Repo, Result};
use crate::domain::Oid;
use std::collections::{BTreeMap, BTreeSet};

/// A file that a step would change or remove although the work of the step does not.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Taken {
    pub path: String,
}

/// What became of one path: the blob before and after, none where there is none.
type Delta = (Option<Oid>, Option<Oid>);
type Deltas = BTreeMap<Vec<u8>, Delta>;

impl Repo {
    /// The files that a step from `before` to `after` (commits or trees) changes although the work, the difference of `from` and
    /// `to`, does not. What git moves along with a renamed folder or file is still there under its new name.
    ///
    /// This is the landing invariant: it must be empty for every landing, every adoption and every merge of the base.
    pub fn taken_back(&self, before: &Oid, after: &Oid, from: &Oid, to: &Oid) -> Result<Vec<Taken>> {
        if self.tree_of(before)? == self.tree_of(from)? && self.tree_of(after)? == self.tree_of(to)? {
            return Ok(vec![]);
        }
        let (step, work) = (self.deltas(before, after)?, self.deltas(from, to)?);
        let mut suspects = step.iter().filter(|(path, _)| !work.contains_key(*path)).peekable();
        if suspects.peek().is_none() {
            return Ok(vec![]);
        }
        let story = self.deltas(from, before)?;
        let appeared: BTreeSet<&Oid> = step.values().filter(|(old, _)| old.is_none()).filter_map(|(_, new)| new.as_ref()).collect();
        let is_taken = |(path, (old, new)): &(&Vec<u8>, &Delta)| match (old, new) {
            // New under another name than in the work: carried along with a renamed folder.
            (None, _) => false,
            // Gone, unless it was carried along and is there under another name.
            (Some(old), None) => !appeared.contains(old),
            // Changed where the work changed nothing: only a file that the story renamed meanwhile, whose old name the work
            // changes, is not reverted.
            (Some(_), Some(_)) => !was_renamed(&story, path, &work),
        };
        let taken = suspects.filter(is_taken).map(|(path, _)| Taken { path: String::from_utf8_lossy(path).into_owned() });
        Ok(taken.collect())
    }

    /// Whether a commit gives a file back the content that it had at `before` and has no more at `tip`.
    pub fn gives_back(&self, before: &Oid, tip: &Oid, commit: &Oid) -> Result<bool> {
        let (since, made) = (self.deltas(before, tip)?, self.deltas(tip, commit)?);
        Ok(since.iter().any(|(path, (old, _))| made.get(path).is_some_and(|(_, new)| new == old)))
    }

    /// Every path in which two trees differ.
    pub(super) fn deltas(&self, from: &Oid, to: &Oid) -> Result<Deltas> {
        if let Some(Ok(found)) = self.library().map(|repo| deltas_by_library(&repo, from, to)) {
            return Ok(found);
        }
        let id = |text: &String| Oid::parse(text).ok().filter(|id| id.as_str().bytes().any(|digit| digit != b'0'));
        Ok(self.raw_changes(from, to)?.into_iter().map(|change| (change.path, (id(&change.before), id(&change.after)))).collect())
    }

    /// Every path in which two trees differ, as git tells it.
    pub(super) fn raw_changes(&self, from: &Oid, to: &Oid) -> Result<Vec<RawChange>> {
        let args = ["diff-tree", "-r", "-z", "--raw", "--no-renames", "--no-abbrev", from.as_str(), to.as_str()];
        let listed = run(self.git(Site::Objects).args(args), &format!("compare {} and {}", from.short(), to.short()))?;
        let mut fields = raw_parts(&listed.stdout);
        let mut found = vec![];
        while let (Some(meta), Some(path)) = (fields.next(), fields.next()) {
            // `:100644 100755 <before> <after> M`
            let meta = String::from_utf8_lossy(meta).into_owned();
            let mut words = meta.split(' ').skip(1).map(str::to_owned);
            if let (Some(mode), Some(before), Some(after)) = (words.next(), words.next(), words.next()) {
                found.push(RawChange { mode, before, after, path: path.to_vec() });
            }
        }
        Ok(found)
    }
}

/// One path in which two trees differ: its mode afterwards, and its ids, of zeros where there is none.
pub(super) struct RawChange {
    pub mode: String,
    pub before: String,
    pub after: String,
    pub path: Vec<u8>,
}

/// Whether a path came to be on the story's side, while a path that the work changes went away there: git follows such renames.
fn was_renamed(story: &Deltas, path: &[u8], work: &Deltas) -> bool {
    let is_new = story.get(path).is_some_and(|(old, new)| old.is_none() && new.is_some());
    is_new && work.keys().any(|changed| story.get(changed).is_some_and(|(_, new)| new.is_none()))
}

fn deltas_by_library(repo: &git2::Repository, from: &Oid, to: &Oid) -> Result<Deltas, git2::Error> {
    let tree = |id: &Oid| repo.find_object(theirs(id)?, None)?.peel_to_tree();
    let mut options = git2::DiffOptions::new();
    options.include_typechange(true).skip_binary_check(true);
    let diff = repo.diff_tree_to_tree(Some(&tree(from)?), Some(&tree(to)?), Some(&mut options))?;
    let id = |file: git2::DiffFile<'_>| Some(file.id()).filter(|id| !id.is_zero()).map(ours);
    let delta = |delta: git2::DiffDelta<'_>| {
        let path = delta.new_file().path_bytes().or(delta.old_file().path_bytes()).unwrap_or_default().to_vec();
        (path, (id(delta.old_file()), id(delta.new_file())))
    };
    Ok(diff.deltas().map(delta).collect())
}

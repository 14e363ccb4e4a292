//! Landing and merging, in memory: objects are written, one ref moves, no worktree is touched.

use super::cmd::{Site, failed, parts, run, try_run};
use super::{Expect, GitError, Repo, Result};
use crate::domain::{Landable, Oid};
use crate::proc::Exit;
use jiff::Timestamp;

/// How far into a file conflict markers are looked for.
const FILE_BYTES_MAX: usize = 64 * 1024 * 1024;
/// Most commits of an agent's own that are looked through.
const LINEAR_COMMITS_MAX: usize = 10_000;

/// A merge of two commits. Where `conflicts` is not empty, the tree holds conflict markers in those files.
#[derive(Clone, Debug)]
pub struct Merge {
    pub tree: Oid,
    pub conflicts: Vec<String>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Landed {
    Done {
        commit: Oid,
        tree: Oid,
    },
    Conflict {
        paths: Vec<String>,
    },
    /// The branch is not where it was thought to be.
    TipMoved {
        now: Oid,
    },
}

impl Repo {
    /// Merges two trees (or the trees of commits) in memory, with a third as what both started from: the difference of `base`
    /// and `theirs` is applied to `ours`. The attributes of `ours` say how.
    pub fn merge_trees(&self, base: &Oid, ours: &Oid, theirs: &Oid) -> Result<Merge> {
        let (base, one, other) = (self.tree_of(base)?, self.tree_of(ours)?, self.tree_of(theirs)?);
        if base == one || one == other {
            return Ok(Merge { tree: other, conflicts: vec![] });
        }
        if base == other {
            return Ok(Merge { tree: one, conflicts: vec![] });
        }
        // Commits made for this alone have no other merge base, whatever else their originals have merged. Of the same trees
        // they are always the same ones.
        let made = |tree: &Oid, parents: &[&Oid]| self.commit_tree(tree, parents, "A side of a merge\n", Timestamp::UNIX_EPOCH);
        let base = made(&base, &[])?;
        self.merge_commits(&made(&one, &[&base])?, &made(&other, &[&base])?)
    }

    /// Merges in memory, as `git merge` on `one` would: its `.gitattributes` say how (for example `merge=union`).
    pub fn merge(&self, one: &Oid, other: &Oid) -> Result<Merge> {
        // One builds on the other: nothing has to be merged.
        if self.parents(other)?.contains(one) {
            return Ok(Merge { tree: self.tree_of(other)?, conflicts: vec![] });
        }
        self.merge_commits(one, other)
    }

    fn merge_commits(&self, one: &Oid, other: &Oid) -> Result<Merge> {
        let doing = || format!("merge {} and {}", one.short(), other.short());
        let args = ["merge-tree", "--write-tree", "-z", "--name-only", "--no-messages", one.as_str(), other.as_str()];
        // Without a work tree git reads no attributes at all. Older versions do not know the variable.
        let output = try_run(self.git(Site::Objects).env("GIT_ATTR_SOURCE", one.as_str()).args(args))?;
        if !matches!(output.exit, Exit::Code(0 | 1)) {
            return Err(failed(&output, &doing()));
        }
        let mut fields = parts(&output.stdout);
        let tree = fields.next().unwrap_or_default();
        let tree = Oid::parse(&tree).map_err(|why| GitError::Failed { doing: doing(), stderr: why })?;
        let mut conflicts: Vec<String> = fields.collect();
        conflicts.dedup();
        if output.exit == Exit::Code(1) && conflicts.is_empty() {
            return Err(failed(&output, &doing()));
        }
        Ok(Merge { tree, conflicts })
    }

    /// The tree of `tip` with what came between `before` and `after` taken out again; none where that conflicts, or where
    /// git is older than 2.40.
    pub fn without(&self, tip: &Oid, after: &Oid, before: &Oid) -> Result<Option<Oid>> {
        let base = format!("--merge-base={after}");
        let args = ["merge-tree", "--write-tree", "-z", "--name-only", "--no-messages", &base, tip.as_str(), before.as_str()];
        let output = try_run(self.git(Site::Objects).env("GIT_ATTR_SOURCE", tip.as_str()).args(args))?;
        Ok(if output.success() { parts(&output.stdout).next().and_then(|tree| Oid::parse(&tree).ok()) } else { None })
    }

    /// Lands what the permit allows on a branch that stands at `tip`. Asked again, it finds its own landing.
    /// Always a merge commit of tip and head, also where a fast-forward would do: one landing, one commit on the first-parent
    /// line. What is merged is the work's own difference, whatever commits the agent has merged on its way.
    ///
    /// # Errors
    /// [`GitError::TakesBack`] when the merge would remove or change what the work does not.
    pub fn land(&self, permit: &Landable, branch: &str, tip: &Oid, message: &str, at: Timestamp) -> Result<Landed> {
        let head = permit.head();
        let name = format!("refs/heads/{branch}");
        let now = self.resolve(&name)?.ok_or_else(|| GitError::RefMoved { name: name.clone() })?;
        if now != *tip {
            return Ok(match self.landing_of(head, tip, &now)? {
                Some(commit) => Landed::Done { tree: self.tree_of(&commit)?, commit },
                None => Landed::TipMoved { now },
            });
        }
        let base = match permit.upon() {
            Some(upon) => Some(upon.clone()),
            // Written down before the start of an attempt was.
            None => self.merge_base(tip, head)?,
        };
        let Some(base) = base else { return Err(GitError::NoBase { head: head.clone() }) };
        let merge = self.merge_trees(&base, tip, head)?;
        if !merge.conflicts.is_empty() {
            return Ok(Landed::Conflict { paths: merge.conflicts });
        }
        let taken = self.taken_back(tip, &merge.tree, &base, head)?;
        if !taken.is_empty() {
            return Err(GitError::TakesBack { paths: taken.into_iter().map(|taken| taken.path).collect() });
        }
        let commit = self.commit_tree(&merge.tree, &[tip, head], message, at)?;
        match self.update_ref(&name, &commit, Expect::At(tip), "aura: land") {
            Ok(()) => Ok(Landed::Done { commit, tree: merge.tree }),
            Err(GitError::RefMoved { .. }) => {
                let now = self.resolve(&name)?.ok_or(GitError::RefMoved { name })?;
                Ok(Landed::TipMoved { now })
            }
            Err(error) => Err(error),
        }
    }

    /// The commit right after `tip` on the way to `now`, if it is the landing of `head`.
    pub fn landing_of(&self, head: &Oid, tip: &Oid, now: &Oid) -> Result<Option<Oid>> {
        if !self.is_ancestor(tip, now)? {
            return Ok(None);
        }
        let Some(first) = self.landings(tip, now)?.into_iter().next() else { return Ok(None) };
        let parents = self.parents(&first)?;
        Ok((parents.first() == Some(tip) && parents.get(1) == Some(head)).then_some(first))
    }

    /// Whether all commits from `from` to its descendant `to` have one parent.
    pub(super) fn is_linear(&self, from: &Oid, to: &Oid) -> Result<bool> {
        let mut at = to.clone();
        for _ in 0..LINEAR_COMMITS_MAX {
            if at == *from {
                return Ok(true);
            }
            match <[Oid; 1]>::try_from(self.parents(&at)?) {
                Ok([parent]) => at = parent,
                Err(_) => return Ok(false),
            }
        }
        Ok(false)
    }

    /// Whether `head` is `base` under another name, as `git commit --amend` makes it: same parents, same author, same moment.
    pub(super) fn is_amended(&self, base: &Oid, head: &Oid) -> Result<bool> {
        let authored = |commit: &Oid| -> Result<String> {
            let args = ["log", "-1", "--format=%an%x00%ae%x00%at", commit.as_str()];
            Ok(run(self.git(Site::Objects).args(args), "read an author")?.stdout_text())
        };
        Ok(self.parents(base)? == self.parents(head)? && authored(base)? == authored(head)?)
    }

    /// The commits on the first-parent line after `good` up to `bad`, oldest first.
    pub fn landings(&self, good: &Oid, bad: &Oid) -> Result<Vec<Oid>> {
        self.first_parents(good, bad)
    }

    /// Of those paths, the ones that hold conflict markers in `tree` and did not in `before`.
    pub fn new_markers<'a>(&self, before: &Oid, tree: &Oid, paths: impl Iterator<Item = &'a str>) -> Result<Vec<String>> {
        let marked = |at: &Oid, path: &str| Ok(self.read(at, path, FILE_BYTES_MAX)?.is_some_and(|content| has_markers(&content)));
        let mut found = vec![];
        for path in paths {
            if marked(tree, path)? && !marked(before, path)? {
                found.push(path.to_owned());
            }
        }
        Ok(found)
    }

    /// Of those paths, the ones that still hold conflict markers, or that git made up for a side of the conflict.
    pub fn unresolved(&self, tree: &Oid, paths: &[String]) -> Result<Vec<String>> {
        let mut left = vec![];
        for path in paths {
            if self.read(tree, path, FILE_BYTES_MAX)?.is_some_and(|content| has_markers(&content) || is_of_a_side(path)) {
                left.push(path.clone());
            }
        }
        Ok(left)
    }
}

/// Where a file and a folder, or a file and a link, want one name, git puts one of them beside it under the name of its
/// commit.
fn is_of_a_side(path: &str) -> bool {
    path.rsplit_once('~').is_some_and(|(_, commit)| matches!(commit.len(), 40 | 64) && Oid::parse(commit).is_ok())
}

/// Both ends of a conflict, each at the start of a line.
fn has_markers(content: &[u8]) -> bool {
    let mut lines = content.split(|&byte| byte == b'\n');
    lines.any(|line| line.starts_with(b"<<<<<<< ")) && lines.any(|line| line.starts_with(b">>>>>>> "))
}

#[cfg(test)]
mod tests {
    #[test]
    fn a_conflict_has_two_ends_at_the_start_of_lines() {
        for (text, expected) in [
            ("a\n<<<<<<< one\nx\n=======\ny\n>>>>>>> two\n", true),
            ("a <<<<<<< one\n>>>>>>> two\n", false),
            ("<<<<<<< one\n", false),
            ("======= \n", false),
        ] {
            assert_eq!(super::has_markers(text.as_bytes()), expected, "{text:?}");
        }
    }
}

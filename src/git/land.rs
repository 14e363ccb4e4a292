//! Landing and merging, in memory: objects are written, one ref moves, no worktree is touched.

use super::cmd::{Site, failed, parts, try_run};
use super::{Expect, GitError, Repo, Result};
use crate::domain::{Landable, Oid};
use crate::proc::Exit;
use jiff::Timestamp;

/// How far into a file conflict markers are looked for.
const FILE_BYTES_MAX: usize = 64 * 1024 * 1024;

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
    /// Merges in memory, as `git merge` on `one` would: its `.gitattributes` say how (for example `merge=union`).
    pub fn merge(&self, one: &Oid, other: &Oid) -> Result<Merge> {
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
    pub fn land(&self, permit: &Landable, branch: &str, tip: &Oid, message: &str, at: Timestamp) -> Result<Landed> {
        self.land_commit(permit.head(), branch, tip, message, at)
    }

    /// The act itself. Always a merge commit of tip and head, also where a fast-forward would do: one landing, one
    /// commit on the first-parent line.
    pub(crate) fn land_commit(&self, head: &Oid, branch: &str, tip: &Oid, message: &str, at: Timestamp) -> Result<Landed> {
        let name = format!("refs/heads/{branch}");
        let now = self.resolve(&name)?.ok_or_else(|| GitError::RefMoved { name: name.clone() })?;
        if now != *tip {
            return Ok(match self.landing_of(head, tip, &now)? {
                Some(commit) => Landed::Done { tree: self.tree_of(&commit)?, commit },
                None => Landed::TipMoved { now },
            });
        }
        let merge = self.merge(tip, head)?;
        if !merge.conflicts.is_empty() {
            return Ok(Landed::Conflict { paths: merge.conflicts });
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
    fn landing_of(&self, head: &Oid, tip: &Oid, now: &Oid) -> Result<Option<Oid>> {
        if !self.is_ancestor(tip, now)? {
            return Ok(None);
        }
        let Some(first) = self.landings(tip, now)?.into_iter().next() else { return Ok(None) };
        let parents = self.parents(&first)?;
        Ok((parents.first() == Some(tip) && parents.get(1) == Some(head) && *now == first).then_some(first))
    }

    /// The commits on the first-parent line after `good` up to `bad`, oldest first.
    pub fn landings(&self, good: &Oid, bad: &Oid) -> Result<Vec<Oid>> {
        self.first_parents(good, bad)
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

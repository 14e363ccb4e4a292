//! Whether a branch holds what a commit brings, whatever it was called on its way: merged, squashed, rebased or picked.

use super::cmd::{Site, oid, run, try_run};
use super::{Repo, Result};
use crate::domain::Oid;

impl Repo {
    /// Whether `tip` has all that `commit` brings: it is an ancestor, or merging it would change nothing, or a commit there
    /// makes exactly its change (`git cherry`).
    pub fn contains(&self, tip: &Oid, commit: &Oid) -> Result<bool> {
        if self.is_ancestor(commit, tip)? {
            return Ok(true);
        }
        let Some(base) = self.merge_base(tip, commit)? else { return Ok(false) };
        let tree = self.tree_of(commit)?;
        // What changes nothing is not known to be anywhere.
        if tree == self.tree_of(&base)? {
            return Ok(false);
        }
        let merge = self.merge(tip, commit)?;
        if merge.conflicts.is_empty() && merge.tree == self.tree_of(tip)? {
            return Ok(true);
        }
        // All of it as one change, as a forge squashes it.
        let squashed = self.commit_tree(&tree, &[&base], "All of a branch as one change\n", self.time_of(commit)?)?;
        let doing = "look for a change in a branch";
        let output = run(self.git(Site::Objects).args(["cherry", tip.as_str(), squashed.as_str()]), doing)?;
        Ok(output.stdout_text().starts_with("- "))
    }

    /// The commit where two histories part; none when they have nothing in common.
    pub fn merge_base(&self, one: &Oid, other: &Oid) -> Result<Option<Oid>> {
        let output = try_run(self.git(Site::Objects).args(["merge-base", one.as_str(), other.as_str()]))?;
        if output.success() { oid(&output, "find where two branches part").map(Some) } else { Ok(None) }
    }
}

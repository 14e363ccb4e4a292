//! What is in a worktree becomes a commit. The content is the truth, whatever the agent did with git meanwhile.

use super::admin::{HeadOf, replace};
use super::content::{Nested, private_index};
use super::worktree::At;
use super::{Expect, FileChange, GitError, Repo, Result};
use crate::domain::Oid;
use jiff::Timestamp;
use std::path::Path;

/// What to make of it.
#[derive(Clone, Copy, Debug)]
pub struct SnapshotRequest<'a> {
    /// The commit that the worktree was set to before the agent started.
    pub base: &'a Oid,
    /// The task's branch, without `refs/heads/`: it is moved to the result.
    pub branch: &'a str,
    pub message: &'a str,
    pub at: Timestamp,
}

#[derive(Clone, Debug)]
pub struct Snapshot {
    pub head: Oid,
    pub tree: Oid,
    /// Against the base.
    pub changed: Vec<FileChange>,
    /// A branch that is not the task's, which the agent had checked out when it ended. It stays where the agent left it.
    pub stray: Option<String>,
}

impl Repo {
    /// Commits everything that is not ignored onto the task's branch. Repeating it changes nothing.
    ///
    /// # Errors
    /// [`GitError::NestedRepository`] and [`GitError::Tampered`] when what the agent left must not be read.
    pub fn snapshot(&self, worktree: &Path, request: &SnapshotRequest<'_>) -> Result<Snapshot> {
        self.relink(worktree)?;
        let admin = self.admin_of(worktree)?;
        let index = private_index(&admin);
        let content = self.tree_from(worktree, &admin, &index, request.base, Nested::Refuse)?;
        let (on, head) = self.head_of(&admin)?;
        let (parent, tree) = match self.stand(head, request.base)? {
            Stand::OnBase(head) => (head, content.clone()),
            Stand::Elsewhere(head) => (request.base.clone(), self.carried_over(&content, &head, request)?),
        };
        let changed = self.diff_files(request.base, &tree)?;
        // An agent can have made such a link with plumbing, without a folder that anybody could have seen.
        if changed.iter().any(|file| file.is_link) {
            let known = self.links_of(request.base)?;
            let is_new = |file: &&FileChange| file.is_link && !known.iter().any(|(path, _)| *path == file.path);
            if let Some(file) = changed.iter().find(is_new) {
                return Err(GitError::NestedRepository { path: file.path.clone() });
            }
        }
        let head = if self.tree_of(&parent)? == tree { parent } else { self.commit_tree(&tree, &[&parent], request.message, request.at)? };
        self.update_ref(&format!("refs/heads/{}", request.branch), &head, Expect::Any, "aura: what the agent left")?;
        self.set_head(&admin, At::Branch(request.branch))?;
        let _ = std::fs::remove_file(admin.join("index.lock"));
        replace(&index, &admin.join("index"), || "replace the worktree's index".into())?;
        if tree != content {
            self.set_worktree(worktree, &head)?;
        }
        let stray = match on {
            HeadOf::Branch(name) => name.strip_prefix("refs/heads/").filter(|name| *name != request.branch).map(str::to_owned),
            HeadOf::Detached => None,
        };
        Ok(Snapshot { head, tree, changed, stray })
    }

    /// What the worktree's content is to be compared with.
    fn stand(&self, head: Option<Oid>, base: &Oid) -> Result<Stand> {
        let Some(head) = head else { return Ok(Stand::OnBase(base.clone())) };
        if self.is_ancestor(base, &head).unwrap_or(false) {
            return Ok(Stand::OnBase(head));
        }
        // Amended: the same place under another name.
        let amended = self.parents(&head)? == self.parents(base)?;
        Ok(if amended { Stand::OnBase(base.clone()) } else { Stand::Elsewhere(head) })
    }

    /// The tree of an agent that left its base (by a reset, or for another branch) brought over to the base: a file that
    /// only the base has was never the agent's to remove. Where that conflicts, the content stands as it is.
    fn carried_over(&self, content: &Oid, head: &Oid, request: &SnapshotRequest<'_>) -> Result<Oid> {
        let there = self.commit_tree(content, &[head], request.message, request.at)?;
        let merge = self.merge(request.base, &there);
        Ok(merge.ok().filter(|merge| merge.conflicts.is_empty()).map_or_else(|| content.clone(), |merge| merge.tree))
    }
}

/// Where an agent stands when it ends.
enum Stand {
    /// On this commit, which builds on the base or is the base.
    OnBase(Oid),
    Elsewhere(Oid),
}

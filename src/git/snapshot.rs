//! What is in a worktree becomes a commit: an agent's work is the difference between what the worktree held when the
//! agent started and what it holds when the agent has ended, and nothing else.
//!
//! What the agent left is pinned under a ref of the attempt before anything is changed, so that every repetition after a
//! crash starts from the same content and the same HEAD.

use super::admin::{HeadOf, replace};
use super::content::{Nested, private_index, remove_index};
use super::worktree::At;
use super::{Expect, FileChange, GitError, Repo, Result};
use crate::domain::Oid;
use jiff::Timestamp;
use std::path::{Path, PathBuf};

/// What to make of it.
#[derive(Clone, Copy, Debug)]
pub struct SnapshotRequest<'a> {
    /// The commit that the worktree was set to before the agent started.
    pub base: &'a Oid,
    /// Holds, as its tree, what the worktree held when the agent started. Differs from `base` where git itself calls files
    /// changed right after a checkout (line endings, filters).
    pub origin: &'a Oid,
    /// The task's branch, without `refs/heads/`: it is moved to the result.
    pub branch: &'a str,
    pub message: &'a str,
    pub at: Timestamp,
    /// Full name of the ref under which what the agent left is pinned. One for each attempt: where it exists, it is what
    /// the agent left, whatever the worktree holds now.
    pub pin: &'a str,
}

#[derive(Clone, Debug)]
pub struct Snapshot {
    /// The work on top of the base.
    pub head: Oid,
    pub tree: Oid,
    /// What the worktree holds afterwards, as a tree: the same as `tree`, except for files that git calls changed right after
    /// a checkout.
    pub content: Oid,
    /// Against the start.
    pub changed: Vec<FileChange>,
    /// A branch that is not the task's, which the agent had checked out when it ended. It stays where the agent left it.
    pub stray: Option<String>,
    /// The agent's own commit, when `head` does not build on it.
    pub left_behind: Option<Oid>,
}

/// What an agent left, as it was found first.
struct End {
    content: Oid,
    on: HeadOf,
    head: Option<Oid>,
    /// The index that the content was read with, when it was read just now.
    index: Option<PathBuf>,
}

impl Repo {
    /// Commits what the agent did, ignored files left out, onto the task's branch. Repeating it changes nothing.
    ///
    /// # Errors
    /// [`GitError::NestedRepository`] and [`GitError::Tampered`] when what the agent left must not be read;
    /// [`GitError::LeftItsBase`] when the agent moved to a history without its base and its changes conflict with that.
    pub fn snapshot(&self, worktree: &Path, request: &SnapshotRequest<'_>) -> Result<Snapshot> {
        self.relink(worktree)?;
        let admin = self.admin_of(worktree)?;
        let end = match self.resolve(request.pin)? {
            Some(pinned) => self.pinned_end(&pinned)?,
            None => self.capture(worktree, &admin, request)?,
        };
        let (parent, content) = self.work_of(&end, request)?;
        let changed = self.diff_files(request.origin, &content)?;
        self.refuse_new_links(&changed, request.base)?;
        let tree = self.on_base(&content, request)?;
        let head = if self.tree_of(&parent)? == tree { parent } else { self.commit_tree(&tree, &[&parent], request.message, request.at)? };
        self.update_ref(&format!("refs/heads/{}", request.branch), &head, Expect::Any, "aura: what the agent left")?;
        self.set_head(&admin, At::Branch(request.branch))?;
        match &end.index {
            Some(index) if tree == end.content => {
                let _ = std::fs::remove_file(admin.join("index.lock"));
                replace(index, &admin.join("index"), || "replace the worktree's index".into())?;
                self.mark_filled(&admin, &head)?;
            }
            Some(_) | None => {
                end.index.iter().for_each(|index| remove_index(index));
                self.set_worktree(worktree, &head)?;
            }
        }
        let stray = match end.on {
            HeadOf::Branch(name) => name.strip_prefix("refs/heads/").filter(|name| *name != request.branch).map(str::to_owned),
            HeadOf::Detached => None,
        };
        let left_behind = match end.head {
            Some(left) if !self.is_ancestor(&left, &head)? => Some(left),
            Some(_) | None => None,
        };
        Ok(Snapshot { head, tree, content, changed, stray, left_behind })
    }

    /// Reads what the agent left and pins it.
    fn capture(&self, worktree: &Path, admin: &Path, request: &SnapshotRequest<'_>) -> Result<End> {
        let index = private_index(admin);
        let content = self.tree_from(worktree, admin, &index, request.base, Nested::Refuse)?;
        let (on, head) = self.head_of(admin)?;
        let text = match &on {
            HeadOf::Branch(name) => format!("{END_SUBJECT}\n\n{ON_BRANCH}{name}\n"),
            HeadOf::Detached => format!("{END_SUBJECT}\n\n"),
        };
        let parents: Vec<&Oid> = head.iter().collect();
        let pinned = self.commit_tree(&content, &parents, &text, request.at)?;
        self.update_ref(request.pin, &pinned, Expect::Absent, "aura: what an agent left")?;
        Ok(End { content, on, head, index: Some(index) })
    }

    fn pinned_end(&self, pinned: &Oid) -> Result<End> {
        let message = self.message_of(pinned)?;
        let on = message.lines().find_map(|line| line.strip_prefix(ON_BRANCH));
        let on = on.map_or(HeadOf::Detached, |name| HeadOf::Branch(name.to_owned()));
        Ok(End { content: self.tree_of(pinned)?, on, head: self.parents(pinned)?.into_iter().next(), index: None })
    }

    /// The commit to build on, and the content that the work amounts to in the worktree.
    fn work_of(&self, end: &End, request: &SnapshotRequest<'_>) -> Result<(Oid, Oid)> {
        let base = request.base;
        let Some(head) = &end.head else { return Ok((base.clone(), end.content.clone())) };
        if self.is_ancestor(base, head)? {
            // Commits of others that the agent merged must not become part of the work's history: a later merge would take
            // their content for known, whatever the agent made of it.
            let parent = if self.is_linear(base, head)? { head } else { base };
            return Ok((parent.clone(), end.content.clone()));
        }
        // The agent stands on a history without its base (by a reset, a rebase, another branch): a file that only the base
        // has was never the agent's to remove, so its changes are those since the two histories parted.
        let left = |paths| GitError::LeftItsBase { head: head.clone(), base: base.clone(), paths };
        let Some(fork) = self.merge_base(base, head)? else {
            let amended = self.is_amended(base, head)?;
            return if amended { Ok((base.clone(), end.content.clone())) } else { Err(left(vec![])) };
        };
        let merge = self.merge_trees(&fork, request.origin, &end.content)?;
        match merge.conflicts {
            none if none.is_empty() => Ok((base.clone(), merge.tree)),
            _ if self.is_amended(base, head)? => Ok((base.clone(), end.content.clone())),
            paths => Err(left(paths)),
        }
    }

    /// The work applied to the base, file by file. The same as the content unless the worktree did not start as the base.
    fn on_base(&self, content: &Oid, request: &SnapshotRequest<'_>) -> Result<Oid> {
        let (origin, base) = (self.tree_of(request.origin)?, self.tree_of(request.base)?);
        if origin == base { Ok(content.clone()) } else { self.with_changes(&base, &origin, content) }
    }

    /// Refuses links to other repositories that the base does not have. An agent can have made such a link with plumbing,
    /// without a folder that anybody could have seen.
    fn refuse_new_links(&self, changed: &[FileChange], base: &Oid) -> Result<()> {
        if !changed.iter().any(|file| file.is_link) {
            return Ok(());
        }
        let known = self.links_of(base)?;
        let is_new = |file: &&FileChange| file.is_link && !known.iter().any(|(path, _)| *path == file.path);
        match changed.iter().find(is_new) {
            Some(file) => Err(GitError::NestedRepository { path: file.path.clone() }),
            None => Ok(()),
        }
    }
}

const END_SUBJECT: &str = "What an agent left";
const ON_BRANCH: &str = "Aura-On-Branch: ";

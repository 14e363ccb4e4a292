//! What is in a worktree becomes a commit. The content is the truth, whatever the agent did with git meanwhile.
//!
//! The tree was written by an agent and is hostile: it is read with an index of our own, through the common folder, and
//! a repository inside it is refused before git looks into it.

use super::cmd::{Site, oid, parts, run};
use super::worktree::{At, write_head};
use super::{Expect, FileChange, GitError, Repo, Result, io};
use crate::domain::Oid;
use jiff::Timestamp;
use std::path::{Path, PathBuf};

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
}

impl Repo {
    /// Commits everything that is not ignored onto the task's branch. Repeating it changes nothing.
    ///
    /// # Errors
    /// [`GitError::NestedRepository`] and [`GitError::Tampered`] when what the agent left must not be read.
    pub fn snapshot(&self, worktree: &Path, request: &SnapshotRequest<'_>) -> Result<Snapshot> {
        let admin = self.admin_of(worktree)?;
        let index = admin.join("aura-index");
        let content = self.tree_from(worktree, &admin, &index, request.base)?;
        let (parent, tree) = match self.stand(&admin, request.base)? {
            Stand::OnBase(head) => (head, content.clone()),
            Stand::Elsewhere(head) => (request.base.clone(), self.carried_over(&content, &head, request)?),
        };
        let head = if self.tree_of(&parent)? == tree { parent } else { self.commit_tree(&tree, &[&parent], request.message, request.at)? };
        self.update_ref(&format!("refs/heads/{}", request.branch), &head, Expect::Any, "aura: what the agent left")?;
        write_head(&admin, At::Branch(request.branch))?;
        std::fs::rename(&index, admin.join("index")).map_err(io("replace the worktree's index"))?;
        if tree != content {
            self.set_worktree(worktree, &head)?;
        }
        let changed = self.diff_files(request.base, &head)?;
        Ok(Snapshot { head, tree, changed })
    }

    /// The tree of a worktree's content, written through a private index at `index`.
    pub(super) fn tree_from(&self, worktree: &Path, admin: &Path, index: &Path, base: &Oid) -> Result<Oid> {
        self.seed_index(admin, index, base)?;
        let site = Site::Tree { work: worktree, index };
        self.refuse_new_links(site, base)?;
        self.refuse_nested(worktree, site)?;
        run(self.git(site).args(["add", "-A", "--", "."]), &format!("read {}", worktree.display()))?;
        self.refuse_new_links(site, base)?;
        let doing = "write the tree of a worktree";
        oid(&run(self.git(site).arg("write-tree"), doing)?, doing)
    }

    /// A copy of the worktree's own index spares hashing every file again; a broken one is made anew from the base.
    fn seed_index(&self, admin: &Path, index: &Path, base: &Oid) -> Result<()> {
        let _ = std::fs::remove_file(index);
        let mut lock = index.as_os_str().to_owned();
        lock.push(".lock");
        let _ = std::fs::remove_file(PathBuf::from(lock));
        if std::fs::copy(admin.join("index"), index).is_ok() {
            let check = self.git(Site::Objects).env("GIT_INDEX_FILE", index).args(["ls-files", "-s", "--", "."]).output_max(64);
            if super::cmd::try_run(check)?.success() {
                return Ok(());
            }
            let _ = std::fs::remove_file(index);
        }
        run(self.git(Site::Objects).env("GIT_INDEX_FILE", index).args(["read-tree", base.as_str()]), "make an index")?;
        Ok(())
    }

    /// Links to other repositories (submodules) that the base does not have.
    fn refuse_new_links(&self, site: Site<'_>, base: &Oid) -> Result<()> {
        let staged = run(self.git(site).args(["ls-files", "-s", "-z"]), "list the index")?;
        let links: Vec<String> = parts(&staged.stdout).filter_map(|line| line.strip_prefix("160000 ").and_then(path_of)).collect();
        if links.is_empty() {
            return Ok(());
        }
        let known = run(self.git(Site::Objects).args(["ls-tree", "-r", "-z", base.as_str()]), "list the base")?;
        let known: Vec<String> = parts(&known.stdout).filter_map(|line| line.strip_prefix("160000 ").and_then(path_of)).collect();
        match links.into_iter().find(|link| !known.contains(link)) {
            Some(path) => Err(GitError::NestedRepository { path }),
            None => Ok(()),
        }
    }

    /// Untracked folders that are repositories of their own.
    fn refuse_nested(&self, worktree: &Path, site: Site<'_>) -> Result<()> {
        let list = ["ls-files", "-z", "--others", "--directory", "--exclude-standard"];
        let output = run(self.git(site).args(list), "list untracked files")?;
        for name in parts(&output.stdout).filter(|name| name.ends_with('/')) {
            if let Some(path) = nested_in(&worktree.join(super::cmd::os(&name)), 0) {
                let path = path.strip_prefix(worktree).unwrap_or(&path).to_string_lossy().into_owned();
                return Err(GitError::NestedRepository { path });
            }
        }
        Ok(())
    }

    /// What the worktree's content is to be compared with.
    fn stand(&self, admin: &Path, base: &Oid) -> Result<Stand> {
        let text = std::fs::read_to_string(admin.join("HEAD")).map_err(io("read HEAD of a worktree"))?;
        let name = text.trim();
        let head = match name.strip_prefix("ref: ") {
            Some(name) => self.resolve(name)?,
            None => Oid::parse(name).ok(),
        };
        let Some(head) = head else { return Ok(Stand::OnBase(base.clone())) };
        if self.is_ancestor(base, &head).unwrap_or(false) {
            return Ok(Stand::OnBase(head));
        }
        // Amended: the same place under another name.
        let amended = self.parents_of(&head)? == self.parents_of(base)?;
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

fn path_of(rest: &str) -> Option<String> {
    rest.split_once('\t').map(|(_, path)| path.to_owned())
}

/// A `.git` below an untracked folder, looked for a few levels deep.
pub(super) fn nested_in(folder: &Path, depth: u32) -> Option<PathBuf> {
    if folder.join(".git").exists() {
        return Some(folder.to_owned());
    }
    if depth > 6 {
        return None;
    }
    let entries = std::fs::read_dir(folder).ok()?;
    let folders = entries.flatten().filter(|entry| entry.file_type().is_ok_and(|kind| kind.is_dir()));
    folders.into_iter().find_map(|entry| nested_in(&entry.path(), depth + 1))
}

//! Proves what a worktree holds before an agent starts in it, and pins that as the start of its work.

use super::admin::HeadOf;
use super::cmd::{Site, on_disk, run};
use super::content::{Nested, private_index, remove_index};
use super::diff::Change;
use super::{Expect, GitError, Repo, Result};
use crate::domain::Oid;
use crate::proc::fault::{self, Step};
use jiff::Timestamp;
use std::path::Path;

/// What a worktree is to hold, and where that is pinned.
#[derive(Clone, Copy, Debug)]
pub struct StartRequest<'a> {
    /// The task's branch, without `refs/heads/`.
    pub branch: &'a str,
    /// The commit that HEAD, index and files are to be equal to.
    pub at: &'a Oid,
    /// Full name of the ref that pins the start.
    pub pin: &'a str,
    pub time: Timestamp,
}

impl Repo {
    /// Checks that HEAD, index and files of a worktree are those of a commit, and pins what the files amount to as a tree:
    /// the start, against which an agent's work is measured. It is the commit itself, unless git calls files changed right
    /// after the checkout (line-ending normalisation, filters): then it is a commit on top of it.
    ///
    /// # Errors
    /// [`GitError::NotAsSet`] when something differs that a checkout does not explain.
    pub fn prove_start(&self, worktree: &Path, request: &StartRequest<'_>) -> Result<Oid> {
        let admin = self.admin_of(worktree)?;
        let not_as_set = |what: String| GitError::NotAsSet { path: worktree.to_owned(), what };
        let full = format!("refs/heads/{}", request.branch);
        match self.head_of(&admin)? {
            (HeadOf::Branch(name), Some(head)) if name == full && head == *request.at => {}
            _ => return Err(not_as_set(format!("HEAD is not `{}` at {}", request.branch, request.at.short()))),
        }
        let index = private_index(&admin);
        let tree = self.tree_of(request.at)?;
        if self.write_tree(&admin.join("index"), "read the index of a worktree")? != tree {
            return Err(not_as_set("its index differs".into()));
        }
        let content = self.tree_from(worktree, &admin, &index, request.at, Nested::Refuse)?;
        remove_index(&index);
        let start = if content == tree {
            request.at.clone()
        } else {
            self.refuse_unexplained(worktree, &admin, request.at, &content)?;
            self.commit_tree(&content, &[request.at], "What git made of a checkout\n", request.time)?
        };
        self.update_ref(request.pin, &start, Expect::Any, "aura: start of an attempt")?;
        Ok(start)
    }

    /// Removes a pin, if it is there.
    pub fn unpin(&self, pin: &str) -> Result<()> {
        if !pin.starts_with("refs/aura/") {
            return Err(GitError::Failed { doing: format!("remove `{}`", pin.escape_debug()), stderr: "it is no ref of Aura's".into() });
        }
        if let Some(repo) = self.library() {
            let delete = || repo.find_reference(pin).and_then(|mut found| found.delete());
            match fault::around(Step::RefUpdate, &format_args!("delete {pin}"), delete) {
                Ok(()) => return Ok(()),
                Err(e) if e.code() == git2::ErrorCode::NotFound => return Ok(()),
                Err(_) => {}
            }
        }
        match self.resolve(pin)? {
            Some(at) => self.delete_ref(pin, &at),
            None => Ok(()),
        }
    }

    /// Removes all pins below a name that ends with a slash.
    pub fn unpin_all(&self, below: &str) -> Result<()> {
        let listed = run(self.git(Site::Objects).args(["for-each-ref", "--format=%(refname)", "--"]).arg(below), "list pins")?;
        listed.stdout_text().lines().try_for_each(|pin| self.unpin(pin))
    }

    /// Every file in which the content differs from the commit must be, byte by byte, what a checkout of the commit writes.
    fn refuse_unexplained(&self, worktree: &Path, admin: &Path, at: &Oid, content: &Oid) -> Result<()> {
        let not_as_set = |path: &str| GitError::NotAsSet { path: worktree.to_owned(), what: format!("`{}` differs", path.escape_debug()) };
        let changes = self.diff_files(at, content)?;
        if let Some(other) = changes.iter().find(|file| file.change != Change::Modified) {
            return Err(not_as_set(&other.path));
        }
        let again = admin.join(format!("aura-proof-{}", std::process::id()));
        let _ = std::fs::remove_dir_all(&again);
        let mut prefix = std::ffi::OsString::from("--prefix=");
        prefix.push(&again);
        prefix.push("/");
        let site = Site::Tree { work: worktree, index: &admin.join("index") };
        let names: Vec<u8> = changes.iter().flat_map(|file| file.path.bytes().chain([0])).collect();
        let written = run(self.git(site).args(["checkout-index", "-f", "-z", "--stdin"]).arg(prefix).stdin(names), "check out files again");
        let differs = |path: &&str| match (on_disk(&again, path.as_bytes()), on_disk(worktree, path.as_bytes())) {
            (Some(one), Some(other)) => bytes_of(&one) != bytes_of(&other),
            (None, _) | (_, None) => true,
        };
        let other = changes.iter().map(|file| file.path.as_str()).find(differs).map(not_as_set);
        let _ = std::fs::remove_dir_all(&again);
        written?;
        other.map_or(Ok(()), Err)
    }

    /// Returns a tree with the changes between two others applied to it, file by file.
    pub(super) fn with_changes(&self, tree: &Oid, from: &Oid, to: &Oid) -> Result<Oid> {
        let doing = "apply the changes of a worktree";
        let index = self.git_dir.join(format!("aura-changes-{}-{}", std::process::id(), to.short()));
        remove_index(&index);
        let made = || -> Result<Oid> {
            run(self.git(Site::Index(&index)).args(["read-tree", tree.as_str()]), doing)?;
            let mut lines = vec![];
            for change in self.raw_changes(from, to)? {
                // A removal is an entry of mode 0.
                lines.extend_from_slice(format!("{} {}\t", change.mode, change.after).as_bytes());
                lines.extend_from_slice(&change.path);
                lines.push(0);
            }
            run(self.git(Site::Index(&index)).args(["update-index", "-z", "--index-info"]).stdin(lines), doing)?;
            self.write_tree(&index, doing)
        };
        let made = made();
        remove_index(&index);
        made
    }
}

/// The bytes of a file, or where a link leads; none when it cannot be read.
fn bytes_of(path: &Path) -> Option<Vec<u8>> {
    if path.symlink_metadata().ok()?.is_symlink() {
        Some(std::fs::read_link(path).ok()?.into_os_string().into_encoded_bytes())
    } else {
        std::fs::read(path).ok()
    }
}

//! Nothing is ever lost: what is in a worktree is kept under a ref before anything happens to it.

use super::cmd::{Site, oid, run};
use super::refs::ours;
use super::{Expect, Repo, Result, io, library};
use crate::domain::Oid;
use jiff::Timestamp;
use std::path::Path;

/// Something that was kept.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Rescue {
    /// For example `refs/aura/rescue/1a2b3c4d/task-1/2`.
    pub name: String,
    pub commit: Oid,
    pub at: Timestamp,
}

impl Repo {
    /// Keeps a worktree's content, untracked files included, under `name`. None when it holds nothing that `known` and
    /// its ancestors do not hold.
    pub fn rescue(&self, worktree: &Path, name: &str, known: &Oid) -> Result<Option<Oid>> {
        let admin = self.admin_of(worktree)?;
        if !self.is_filled(worktree) {
            // Nobody has worked in it since it was kept the last time.
            return Ok(None);
        }
        let text = std::fs::read_to_string(admin.join("HEAD")).map_err(io("read HEAD of a worktree"))?;
        let head = match text.trim().strip_prefix("ref: ") {
            Some(name) => self.resolve(name)?,
            None => Oid::parse(text.trim()).ok(),
        };
        let head = head.unwrap_or_else(|| known.clone());
        let index = admin.join("aura-rescue-index");
        let _ = std::fs::remove_file(&index);
        if std::fs::copy(admin.join("index"), &index).is_err() {
            run(self.git(Site::Objects).env("GIT_INDEX_FILE", &index).args(["read-tree", head.as_str()]), "make an index")?;
        }
        let site = Site::Tree { work: worktree, index: &index };
        // A repository inside cannot be kept as files; everything else is.
        run(self.git(site).args(["add", "-A", "--ignore-errors", "--", "."]), "keep a worktree").or_else(|error| {
            tracing::warn!(path = %worktree.display(), %error, "part of a worktree could not be kept");
            super::cmd::try_run(self.git(site).args(["update-index", "-q", "--refresh"]))
        })?;
        let tree = oid(&run(self.git(site).arg("write-tree"), "keep a worktree")?, "keep a worktree")?;
        let _ = std::fs::remove_file(&index);
        let commit = if tree == self.tree_of(&head)? {
            if self.is_ancestor(&head, known).unwrap_or(false) {
                return Ok(None);
            }
            head
        } else {
            let at = Timestamp::now();
            self.commit_tree(&tree, &[&head], &format!("Kept by Aura before it touched {}\n", worktree.display()), at)?
        };
        self.update_ref(name, &commit, Expect::Any, "aura: rescue")?;
        Ok(Some(commit))
    }

    /// Everything that was kept, oldest first.
    pub fn rescues(&self) -> Result<Vec<Rescue>> {
        let repo = self.open()?;
        let references = repo.references_glob("refs/aura/rescue/*").map_err(library("list what was kept"))?;
        let mut found = vec![];
        for reference in references.flatten() {
            let (Ok(name), Ok(commit)) = (reference.name(), reference.peel_to_commit()) else { continue };
            let at = Timestamp::from_second(commit.time().seconds()).unwrap_or(Timestamp::UNIX_EPOCH);
            found.push(Rescue { name: name.to_owned(), commit: ours(commit.id()), at });
        }
        found.sort_by_key(|rescue| rescue.at);
        Ok(found)
    }

    /// Writes what was kept into a new folder.
    pub fn restore(&self, commit: &Oid, folder: &Path) -> Result<()> {
        std::fs::create_dir_all(folder).map_err(io(format!("create {}", folder.display())))?;
        let index = folder.join(".aura-restore-index");
        let site = Site::Tree { work: folder, index: &index };
        let restored = run(self.git(site).args(["read-tree", commit.as_str()]), "read what was kept")
            .and_then(|_| run(self.git(site).args(["checkout-index", "-a", "-q"]), "write what was kept"));
        let _ = std::fs::remove_file(&index);
        restored.map(|_| ())
    }
}

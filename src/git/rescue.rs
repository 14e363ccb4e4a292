//! Nothing is ever lost: what is in a worktree is kept under a ref before anything happens to it.

use super::cmd::{Site, run};
use super::content::{Nested, private_index, remove_index};
use super::{Expect, GitError, Repo, Result, io};
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
    /// Keeps a worktree's content, untracked files and those of repositories inside it included, under `name`. None when
    /// it holds nothing that `known` and its ancestors do not hold. What `name` kept before becomes an ancestor of what it
    /// keeps now. Also reads a worktree whose link to the repository was changed: it is not used for reading.
    pub fn rescue(&self, worktree: &Path, name: &str, known: &Oid) -> Result<Option<Oid>> {
        let admin = self.registered_folder(worktree)?;
        if !Repo::was_filled(&admin) {
            // Nobody has worked in it since it was kept the last time.
            return Ok(None);
        }
        let head = self.head_of(&admin)?.1.unwrap_or_else(|| known.clone());
        let index = private_index(&admin);
        let tree = self.tree_from(worktree, &admin, &index, known, Nested::AsFiles)?;
        remove_index(&index);
        let is_known = |commit: &Oid| self.is_ancestor(&head, commit).unwrap_or(false);
        let is_new = tree != self.tree_of(&head)?;
        if !is_new && is_known(known) {
            return Ok(None);
        }
        let before = self.resolve(name)?;
        if let Some(before) = &before
            && self.tree_of(before)? == tree
            && is_known(before)
        {
            return Ok(Some(before.clone()));
        }
        let mut parents = vec![&head];
        parents.extend(before.iter().filter(|before| **before != head));
        let commit = if is_new || parents.len() > 1 {
            let message = format!("Kept by Aura before it touched {}\n", worktree.display());
            self.commit_tree(&tree, &parents, &message, Timestamp::now())?
        } else {
            head.clone()
        };
        self.update_ref(name, &commit, before.as_ref().map_or(Expect::Absent, Expect::At), "aura: rescue")?;
        Ok(Some(commit))
    }

    /// Keeps a commit under `name`, and whatever the name kept before.
    pub fn keep(&self, name: &str, commit: &Oid) -> Result<()> {
        let before = self.resolve(name)?;
        let both = match &before {
            Some(before) if self.is_ancestor(commit, before)? => return Ok(()),
            Some(before) if !self.is_ancestor(before, commit)? => {
                let tree = self.tree_of(commit)?;
                Some(self.commit_tree(&tree, &[commit, before], "Kept by Aura, and what was kept before\n", Timestamp::now())?)
            }
            Some(_) | None => None,
        };
        let expect = before.as_ref().map_or(Expect::Absent, Expect::At);
        self.update_ref(name, both.as_ref().unwrap_or(commit), expect, "aura: kept")
    }

    /// Everything that was kept, oldest first.
    pub fn rescues(&self) -> Result<Vec<Rescue>> {
        let args = ["for-each-ref", "--format=%(committerdate:unix) %(objectname) %(refname)", "--", "refs/aura/rescue/"];
        let output = run(self.git(Site::Objects).args(args), "list what was kept")?;
        let rescue = |line: &str| {
            let mut fields = line.splitn(3, ' ');
            let at = fields.next()?.parse().ok().and_then(|second| Timestamp::from_second(second).ok())?;
            Some(Rescue { at, commit: Oid::parse(fields.next()?).ok()?, name: fields.next()?.to_owned() })
        };
        let mut found: Vec<Rescue> = output.stdout_text().lines().filter_map(rescue).collect();
        found.sort_by_key(|rescue| rescue.at);
        Ok(found)
    }

    /// Writes what was kept into a new (or empty) folder.
    pub fn restore(&self, commit: &Oid, folder: &Path) -> Result<()> {
        if std::fs::read_dir(folder).is_ok_and(|mut entries| entries.next().is_some()) {
            return Err(GitError::Occupied { path: folder.to_owned() });
        }
        std::fs::create_dir_all(folder).map_err(io(format!("create {}", folder.display())))?;
        let index = self.git_dir.join(format!("aura-restore-{}", std::process::id()));
        remove_index(&index);
        let site = Site::Tree { work: folder, index: &index };
        let restored = run(self.git(site).args(["read-tree", commit.as_str()]), "read what was kept")
            .and_then(|_| run(self.git(site).args(["checkout-index", "-a", "-q"]), "write what was kept"));
        remove_index(&index);
        restored.map(|_| ())
    }
}

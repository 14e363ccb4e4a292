//! Folders that were set aside: worktrees whose link to the repository an agent had changed (`NAME.lost-1`), and
//! repositories that it had made inside one (`NAME.nested-1`). They are kept and removed with the same care as worktrees.

use super::cmd::{Site, oid, run};
use super::content::{Nested, remove_index};
use super::worktree::remove_link;
use super::{GitError, Repo, Result, io};
use crate::domain::Oid;
use jiff::Timestamp;
use std::path::{Path, PathBuf};

/// The folders that were set aside in one folder, by name.
#[must_use]
pub fn set_aside(folder: &Path) -> Vec<PathBuf> {
    let mut found: Vec<PathBuf> = std::fs::read_dir(folder)
        .into_iter()
        .flatten()
        .flatten()
        .filter(|entry| is_aside(&entry.file_name().to_string_lossy()))
        .map(|entry| entry.path())
        .collect();
    found.sort();
    found
}

/// As `free_name` makes them.
fn is_aside(name: &str) -> bool {
    let number = [".lost-", ".nested-"].iter().find_map(|mark| name.rsplit_once(mark)).map(|(_, number)| number);
    number.is_some_and(|number| !number.is_empty() && number.chars().all(|c| c.is_ascii_digit()))
}

impl Repo {
    /// Keeps the files of a folder that was set aside under `name`, those of repositories inside it included. None when it
    /// holds no file, or exactly what `known` holds.
    pub fn rescue_aside(&self, folder: &Path, name: &str, known: &Oid) -> Result<Option<Oid>> {
        // Through a link it would be somebody else's files.
        if folder.symlink_metadata().map_or(true, |meta| !meta.is_dir()) {
            return Ok(None);
        }
        let index = self.git_dir.join(format!("aura-aside-{}", std::process::id()));
        remove_index(&index);
        let tree = self.tree_of_folder(folder, &index);
        remove_index(&index);
        let tree = tree?;
        if tree == self.empty_tree()? || tree == self.tree_of(known)? {
            return Ok(None);
        }
        if let Some(before) = self.resolve(name)?
            && self.tree_of(&before)? == tree
        {
            return Ok(Some(before));
        }
        let message = format!("Kept by Aura before it removed {}\n", folder.display());
        let commit = self.commit_tree(&tree, &[known], &message, Timestamp::now())?;
        self.keep(name, &commit)?;
        Ok(Some(commit))
    }

    /// Removes a folder that was set aside below `root`; of a link, the link.
    ///
    /// # Errors
    /// Refuses every other folder.
    pub fn remove_aside(&self, folder: &Path, root: &Path) -> Result<()> {
        let is_ours = folder.parent().is_some_and(|parent| set_aside(parent).iter().any(|path| path == folder));
        if !is_ours || !folder.starts_with(root) {
            return Err(GitError::Occupied { path: folder.to_owned() });
        }
        if folder.symlink_metadata().is_ok_and(|meta| meta.is_symlink()) {
            return remove_link(folder);
        }
        std::fs::remove_dir_all(folder).map_err(io(format!("remove {}", folder.display())))
    }

    fn empty_tree(&self) -> Result<Oid> {
        let doing = "make the empty tree";
        oid(&run(self.git(Site::Objects).args(["hash-object", "-t", "tree", "-w", "--stdin"]).stdin(""), doing)?, doing)
    }

    /// The tree of a folder that is no worktree: a file for each file, whatever repositories it holds.
    fn tree_of_folder(&self, folder: &Path, index: &Path) -> Result<Oid> {
        let nested = self.nested(folder, index, &[])?;
        self.add_all(folder, index, nested.iter(), Nested::AsFiles)?;
        for name in &nested {
            self.add_nested(folder, index, name, 0)?;
        }
        let doing = "write the tree of a folder";
        self.write_tree(index, doing)
    }
}

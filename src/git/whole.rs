//! A worktree with every file of its commit, also where the user's own checkout is sparse: a gate judges all of it.

use super::cmd::{Site, run};
use super::{Repo, Result};
use crate::domain::Oid;
use std::path::Path;

impl Repo {
    /// Writes the files that a sparse checkout leaves out of a worktree which was set to `commit`.
    pub fn fill_whole(&self, path: &Path, commit: &Oid) -> Result<()> {
        if !self.is_set("core.sparseCheckout")? {
            return Ok(());
        }
        let index = self.admin_of(path)?.join("index");
        let entries = self.index_entries(&index)?;
        self.uncover(&index, &entries, |_| true)?;
        let site = Site::Tree { work: path, index: &index };
        let read = self.git(site).args(["-c", "core.sparseCheckout=false", "read-tree", "--reset", "-u", commit.as_str()]);
        run(read, &format!("check out all of {} in {}", commit.short(), path.display()))?;
        Ok(())
    }
}

//! A worktree that was made ahead of its task, brought to where the story stands when the task starts.

use super::admin::{HeadOf, unmark};
use super::cmd::{Site, run, try_run};
use super::worktree::FILLED;
use super::{Expect, Repo, Result};
use crate::domain::Oid;
use std::path::Path;

impl Repo {
    /// Moves an untouched worktree and its branch to a commit, without checking out what is the same. False when it is not
    /// there, or not as it was made: nothing is changed then, and the long way round is to be taken.
    pub fn advance_worktree(&self, path: &Path, branch: &str, to: &Oid) -> Result<bool> {
        let name = format!("refs/heads/{branch}");
        let Ok(admin) = self.admin_of(path) else { return Ok(false) };
        let is_ours = matches!(self.head_of(&admin), Ok((HeadOf::Branch(head), _)) if head == name);
        let Some(from) = self.resolve(&name)?.filter(|from| is_ours && self.filled_with(path).as_ref() == Some(from)) else {
            return Ok(false);
        };
        let site = Site::Worktree { work: path, admin: &admin };
        let status = try_run(self.git(site).dir(path).args(["status", "--porcelain", "-z", "--untracked-files=normal"]))?;
        if !status.success() || !status.stdout.is_empty() {
            return Ok(false);
        }
        if from == *to {
            return Ok(true);
        }
        unmark(&admin.join(FILLED), || "unmark a worktree".into())?;
        let doing = format!("bring {} to {}", path.display(), to.short());
        run(self.git(site).dir(path).args(["read-tree", "-m", "-u", from.as_str(), to.as_str()]), &doing)?;
        self.update_ref(&name, to, Expect::At(&from), "aura: worktree set")?;
        self.mark_filled(&admin, to)?;
        Ok(true)
    }
}

//! A worktree that programs work in: what they changed of what is committed, and how it is made like a fresh clone again.

use super::cmd::{Site, run};
use super::{Repo, Result, io};
use crate::domain::Oid;
use std::path::Path;

/// What was set up in a worktree is written down in its own folder under `.git/worktrees`, and goes with it.
const SET_UP: &str = "aura-set-up";

impl Repo {
    /// Committed files that a worktree has with another content, or not any more.
    pub fn changed_in(&self, worktree: &Path) -> Result<Vec<String>> {
        let admin = self.admin_of(worktree)?;
        let site = Site::Worktree { work: worktree, admin: &admin };
        let args = ["diff", "--name-only", "-z", "--no-ext-diff", "--no-textconv", "--ignore-submodules=all", "HEAD"];
        let output = run(self.git(site).dir(worktree).args(args), &format!("look at {}", worktree.display()))?;
        let names = output.stdout.split(|&byte| byte == 0).filter(|name| !name.is_empty());
        Ok(names.map(|name| String::from_utf8_lossy(name).into_owned()).collect())
    }

    /// Removes whatever no commit holds, ignored files too: what earlier builds left is not there in a fresh clone. Only for
    /// a worktree that belongs to Aura alone.
    pub fn purge_worktree(&self, worktree: &Path) -> Result<()> {
        let admin = self.admin_of(worktree)?;
        let index = admin.join("index");
        let site = Site::Tree { work: worktree, index: &index };
        self.note_set_up(worktree, "")?;
        run(self.git(site).args(["clean", "-ffdxq"]), &format!("clean {}", worktree.display())).map(drop)
    }

    /// The commit that a detached worktree was last set to.
    #[must_use]
    pub fn detached_at(&self, worktree: &Path) -> Option<Oid> {
        let head = std::fs::read_to_string(self.admin_of(worktree).ok()?.join("HEAD")).ok()?;
        Oid::parse(head.trim()).ok()
    }

    /// What was last noted as set up in a worktree; empty when nothing was.
    #[must_use]
    pub fn set_up_in(&self, worktree: &Path) -> String {
        self.admin_of(worktree).ok().and_then(|admin| std::fs::read_to_string(admin.join(SET_UP)).ok()).unwrap_or_default()
    }

    /// Notes what is set up in a worktree.
    pub fn note_set_up(&self, worktree: &Path, what: &str) -> Result<()> {
        let file = self.admin_of(worktree)?.join(SET_UP);
        std::fs::write(&file, what).map_err(io(format!("write {}", file.display())))
    }
}

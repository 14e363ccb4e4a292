//! Files that the build needs but git ignores: `.worktreeinclude` names them, in the syntax of `.gitignore`.

use super::cmd::{Site, on_disk, raw_parts, run, try_run};
use super::{Repo, Result, io};
use std::path::Path;

/// Most files that are brought in.
const FILES_MAX: usize = 20_000;

impl Repo {
    /// Copies what `.worktreeinclude` matches *and* git ignores from the user's checkout. Files that are there already
    /// stay as they are. Returns what was copied.
    pub fn include(&self, worktree: &Path) -> Result<Vec<String>> {
        let list = self.root.join(".worktreeinclude");
        if !list.is_file() {
            return Ok(vec![]);
        }
        let index = self.git_dir.join("index");
        let site = Site::Tree { work: &self.root, index: &index };
        let mut from = std::ffi::OsString::from("--exclude-from=");
        from.push(&list);
        let wanted = run(self.git(site).args(["ls-files", "-z", "--others", "--ignored"]).arg(from), "read .worktreeinclude")?;
        let check = self.git(site).args(["check-ignore", "-z", "--stdin"]).stdin(wanted.stdout);
        let ignored = try_run(check)?;
        let mut copied = vec![];
        for name in raw_parts(&ignored.stdout).take(FILES_MAX) {
            let Some(source) = on_disk(&self.root, name) else { continue };
            let name = source.strip_prefix(&self.root).unwrap_or(&source).to_owned();
            let target = worktree.join(&name);
            // Links could lead anywhere, and a file that exists is somebody's work.
            let is_file = source.symlink_metadata().is_ok_and(|meta| meta.is_file());
            if !is_file || target.symlink_metadata().is_ok() || leads_away(worktree, &name) {
                continue;
            }
            let parent = target.parent().unwrap_or(worktree);
            std::fs::create_dir_all(parent).map_err(io(format!("create {}", parent.display())))?;
            std::fs::copy(&source, &target).map_err(io(format!("copy {}", name.display())))?;
            copied.push(name.to_string_lossy().into_owned());
        }
        Ok(copied)
    }
}

/// Whether one of the folders on the way to a file is a link.
fn leads_away(worktree: &Path, name: &Path) -> bool {
    name.ancestors().skip(1).any(|folder| worktree.join(folder).symlink_metadata().is_ok_and(|meta| meta.is_symlink()))
}

//! Files of one commit laid over the tree of another, without a worktree.

use super::cmd::{Site, oid, parts, run};
use super::content::remove_index;
use super::{Repo, Result};
use crate::domain::Oid;
use std::sync::atomic::{AtomicU32, Ordering};

/// One index for each call: two may run at once.
static NUMBER: AtomicU32 = AtomicU32::new(0);

impl Repo {
    /// The tree of `tip` with these paths as `base` has them. What `base` does not have is left out.
    pub fn laid_over(&self, tip: &Oid, base: &Oid, paths: &[String]) -> Result<Oid> {
        let number = NUMBER.fetch_add(1, Ordering::Relaxed);
        let index = self.git_dir.join(format!("aura-overlay-{}-{number}", std::process::id()));
        remove_index(&index);
        let tree = self.lay_over(&index, tip, base, paths);
        remove_index(&index);
        tree
    }

    fn lay_over(&self, index: &std::path::Path, tip: &Oid, base: &Oid, paths: &[String]) -> Result<Oid> {
        let doing = format!("lay files of {} over {}", base.short(), tip.short());
        run(self.git(Site::Index(index)).args(["read-tree", tip.as_str()]), &doing)?;
        let listed = run(self.git(Site::Objects).args(["ls-tree", "-r", "-z", "--full-tree", base.as_str()]), &doing)?;
        let mut lines: Vec<u8> = vec![];
        // First what goes, so that nothing is in the way of a folder or a file.
        for path in paths {
            lines.extend(format!("0 {}\t{path}\0", "0".repeat(tip.as_str().len())).into_bytes());
        }
        for entry in parts(&listed.stdout) {
            // The index takes the lines of `ls-tree` as they are.
            if entry.split_once('\t').is_some_and(|(_, name)| paths.iter().any(|path| path == name)) {
                lines.extend(entry.into_bytes().into_iter().chain([0]));
            }
        }
        run(self.git(Site::Index(index)).args(["update-index", "--replace", "-z", "--index-info"]).stdin(lines), &doing)?;
        oid(&run(self.git(Site::Index(index)).arg("write-tree"), &doing)?, &doing)
    }
}

/// A name for a content, the same for the same content and for no other.
#[must_use]
pub fn content_id(content: &[u8]) -> String {
    git2::Oid::hash_object(git2::ObjectType::Blob, content).map_or_else(|_| String::new(), |id| id.to_string())
}

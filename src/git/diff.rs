//! What changed between two commits.

use super::cmd::{Site, parts, run};
use super::{Repo, Result};
use crate::domain::Oid;

/// One changed file. Line counts are unknown for binary files.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FileChange {
    pub path: String,
    pub added: Option<u32>,
    pub removed: Option<u32>,
}

impl Repo {
    /// Changed files of two commits or trees. A rename is a removal and an addition.
    pub fn diff_files(&self, from: &Oid, to: &Oid) -> Result<Vec<FileChange>> {
        let args = ["diff-tree", "-r", "-z", "--numstat", "--no-renames", "--no-ext-diff", "--no-textconv"];
        let cmd = self.git(Site::Objects).args(args).args([from.as_str(), to.as_str()]);
        let output = run(cmd, &format!("compare {} and {}", from.short(), to.short()))?;
        Ok(parts(&output.stdout).filter_map(|line| numbers(&line)).collect())
    }

    /// The patch between two commits: at most `bytes_max`, with a last line that says so when it was cut.
    pub fn diff_text(&self, from: &Oid, to: &Oid, bytes_max: usize) -> Result<String> {
        let args = ["diff-tree", "-r", "-p", "--no-ext-diff", "--no-textconv", "--no-color"];
        let cmd = self.git(Site::Objects).args(args).args([from.as_str(), to.as_str()]);
        let output = run(cmd, &format!("compare {} and {}", from.short(), to.short()))?;
        let mut text = String::from_utf8_lossy(&output.stdout).into_owned();
        if text.len() > bytes_max {
            let mut end = bytes_max;
            while !text.is_char_boundary(end) {
                end -= 1;
            }
            let left = text.len() - end;
            text.truncate(end);
            text += &format!("\n[… {left} more bytes]\n");
        }
        Ok(text)
    }
}

fn numbers(line: &str) -> Option<FileChange> {
    let mut fields = line.splitn(3, '\t');
    let (added, removed, path) = (fields.next()?, fields.next()?, fields.next()?);
    Some(FileChange { path: path.to_owned(), added: added.parse().ok(), removed: removed.parse().ok() })
}

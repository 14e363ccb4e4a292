//! Git: questions through libgit2, work through the git command line, both by plumbing. Chosen by measurement
//! (`docs/performance.md`).
//!
//! Aura writes to its own refs and its own worktrees. The user's checkout, index, stash and configuration are never
//! written to. Every ref moves by compare-and-swap; every step can be repeated after a crash at any point.

mod cmd;
mod diff;
mod include;
mod land;
mod publish;
mod question;
mod refs;
mod rescue;
mod snapshot;
mod worktree;

pub use diff::FileChange;
pub use land::{Landed, Merge};
pub use publish::CommitRequest;
pub use question::{Hit, LogEntry};
pub use refs::init;
pub use rescue::Rescue;
pub use snapshot::{Snapshot, SnapshotRequest};
pub use worktree::{Added, At};

use crate::domain::Oid;
use std::path::{Path, PathBuf};
use std::sync::{Arc, OnceLock};

/// What a ref must be before it is moved.
#[derive(Clone, Copy, Debug)]
pub enum Expect<'a> {
    Absent,
    At(&'a Oid),
    Any,
}

/// HEAD of a checkout.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Head {
    /// None when detached.
    pub branch: Option<String>,
    pub commit: Oid,
}

/// A repository: paths only. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Repo {
    /// The checkout that was asked about.
    here: PathBuf,
    /// The main work tree (or, of a bare repository's worktree, that worktree).
    root: PathBuf,
    /// The common `.git` folder.
    git_dir: PathBuf,
    /// The user's name and address, once they are known.
    identity: Arc<OnceLock<(String, String)>>,
}

#[derive(Debug, thiserror::Error)]
pub enum GitError {
    #[error("{} is not in a git repository", path.display())]
    NotARepository { path: PathBuf },
    #[error("{} is a bare repository", path.display())]
    Bare { path: PathBuf },
    #[error("{} has no commit yet", path.display())]
    Empty { path: PathBuf },
    #[error("`{name}` was moved by something else")]
    RefMoved { name: String },
    #[error("`{name}` exists already, or is in the way of another name")]
    RefTaken { name: String },
    #[error("{} has local changes", path.display())]
    LocalChanges { path: PathBuf },
    #[error("there is a git repository inside the worktree: {path}")]
    NestedRepository { path: String },
    #[error("the link between the worktree and its repository was changed: {}", path.display())]
    Tampered { path: PathBuf },
    #[error("{} is not a worktree of this repository", path.display())]
    NotAWorktree { path: PathBuf },
    #[error("{} is in the way and was not made by Aura", path.display())]
    Occupied { path: PathBuf },
    #[error("git was not found")]
    GitMissing {
        #[source]
        source: crate::proc::ProcError,
    },
    #[error("{doing}: {stderr}")]
    Failed { doing: String, stderr: String },
    #[error("{doing}")]
    Library {
        doing: String,
        #[source]
        source: git2::Error,
    },
    #[error("{doing}")]
    Io {
        doing: String,
        #[source]
        source: std::io::Error,
    },
}

pub(crate) type Result<T, E = GitError> = std::result::Result<T, E>;

impl Repo {
    /// The repository that `path` lies in, also inside a linked worktree.
    ///
    /// # Errors
    /// Refuses what a story cannot start from: no repository, a bare one, one without a commit.
    pub fn discover(path: &Path) -> Result<Repo> {
        let not = || GitError::NotARepository { path: path.to_owned() };
        let found = git2::Repository::discover(path).map_err(|_| not())?;
        if found.is_bare() {
            return Err(GitError::Bare { path: path.to_owned() });
        }
        let here = found.workdir().ok_or_else(not)?;
        let git_dir = plain(found.commondir());
        // The common folder is `<root>/.git` except for worktrees of bare repositories, submodules and separate git dirs.
        let root = match git_dir.parent() {
            Some(parent) if found.is_worktree() && git_dir.file_name().is_some_and(|name| name == ".git") => parent.to_owned(),
            Some(_) | None => plain(here),
        };
        match found.head() {
            Ok(_) => {}
            Err(e) if e.code() == git2::ErrorCode::UnbornBranch || e.code() == git2::ErrorCode::NotFound => {
                return Err(GitError::Empty { path: root });
            }
            Err(source) => return Err(GitError::Library { doing: format!("read HEAD of {}", root.display()), source }),
        }
        Ok(Repo { here: plain(here), root, git_dir, identity: Arc::default() })
    }

    #[must_use]
    pub fn root(&self) -> &Path {
        &self.root
    }
    #[must_use]
    pub fn git_dir(&self) -> &Path {
        &self.git_dir
    }
}

/// The path without symbolic links and without a trailing separator, where that can be told.
fn plain(path: &Path) -> PathBuf {
    let path = std::fs::canonicalize(path).unwrap_or_else(|_| path.to_owned());
    path.components().collect()
}

pub(crate) fn io(doing: impl Into<String>) -> impl FnOnce(std::io::Error) -> GitError {
    let doing = doing.into();
    move |source| GitError::Io { doing, source }
}

pub(crate) fn library(doing: impl Into<String>) -> impl FnOnce(git2::Error) -> GitError {
    let doing = doing.into();
    move |source| GitError::Library { doing, source }
}

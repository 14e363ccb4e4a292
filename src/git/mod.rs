//! Git, by plumbing. The `git` program is the authority: it alone knows every repository format, setting and filter that
//! the user has. What is asked often is answered by libgit2, where that reads the repository; what it cannot answer, git is
//! asked (`docs/decisions/005-git-decides.md`).
//!
//! Aura writes to its own refs and its own worktrees. The user's checkout, index, stash and configuration are never
//! written to. Every ref moves by compare-and-swap; every step can be repeated after a crash at any point.

mod ahead;
mod cmd;

mod again;

mod settings;

mod refs;

mod question;

mod diff;

mod land;

mod publish;

mod merged;

mod worktree;

mod admin;

mod submodule;

mod include;

mod ignored;

mod snapshot;

mod start;

mod preserve;

mod content;

mod rescue;

mod aside;

mod around;

// What programs make of a worktree.
mod used;

mod overlay;

mod whole;

pub use admin::put_aside;
pub use around::{Around, Stashed};
pub use aside::set_aside;
pub use diff::{Change, FileChange};
pub use ignored::Ignored;
pub use include::Included;
pub use land::{Landed, Merge};
pub use overlay::content_id;
pub use preserve::Taken;
pub use publish::{CommitRequest, RemoteUrls};
pub use question::{Hit, LogEntry};
pub use refs::{RemoteAddresses, init};
pub use rescue::Rescue;
pub use settings::Programs;
pub use snapshot::{Snapshot, SnapshotRequest};
pub use start::StartRequest;
pub use worktree::{Added, At};

use crate::domain::Oid;
use cmd::{questions_in, try_run};
use settings::Known;
use std::path::{Path, PathBuf};
use std::sync::Arc;

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

/// A repository: paths, and what was asked once. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Repo {
    /// The checkout that was asked about.
    here: PathBuf,
    /// The main work tree (or, of a bare repository's worktree, that worktree).
    root: PathBuf,
    /// The common `.git` folder.
    git_dir: PathBuf,
    known: Arc<Known>,
}

/// A refusal, or a git that failed. [`GitError::Failed`] holds git's own words: bounded, without control characters.
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
    #[error("{} is not as it was set: {what}", path.display())]
    NotAsSet { path: PathBuf, what: String },
    #[error("a merge would take back what landed before, in {}", paths.join(", "))]
    TakesBack { paths: Vec<String> },
    #[error("commit {} has nothing in common with the branch that it is to land on", head.short())]
    NoBase { head: Oid },
    /// The agent's HEAD does not hold the commit that it started from, and its changes cannot be told from that.
    #[error("{}", left_its_base(head, base, paths))]
    LeftItsBase { head: Oid, base: Oid, paths: Vec<String> },
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

fn left_its_base(head: &Oid, base: &Oid, paths: &[String]) -> String {
    let moved =
        format!("the worktree was moved to commit {}, which does not hold {}, the commit it started from", head.short(), base.short());
    if paths.is_empty() { moved } else { format!("{moved}, and its changes conflict with that in {}", paths.join(", ")) }
}

pub(crate) type Result<T, E = GitError> = std::result::Result<T, E>;

impl Repo {
    /// The repository that `path` lies in, also inside a linked worktree.
    ///
    /// # Errors
    /// Refuses what a story cannot start from: no repository, a bare one, one without a commit.
    pub fn discover(path: &Path) -> Result<Repo> {
        let repo = match git2::Repository::discover(path) {
            Ok(found) => Repo::by_library(path, &found)?,
            // Formats, owners and settings that libgit2 does not know.
            Err(_) => Repo::by_git(path)?,
        };
        match repo.head_commit()? {
            Some(_) => Ok(repo),
            None => Err(GitError::Empty { path: repo.root }),
        }
    }

    fn by_library(path: &Path, found: &git2::Repository) -> Result<Repo> {
        if found.is_bare() {
            return Err(GitError::Bare { path: path.to_owned() });
        }
        let here = found.workdir().ok_or_else(|| GitError::NotARepository { path: path.to_owned() })?;
        // What is shared with others has modes that only git gives.
        let is_shared = found.config().and_then(|config| config.get_entry("core.sharedRepository").map(|_| ())).is_ok();
        Ok(Repo::of(plain(here), &plain(found.commondir()), found.is_worktree(), !is_shared))
    }

    fn by_git(path: &Path) -> Result<Repo> {
        let not_one = || GitError::NotARepository { path: path.to_owned() };
        let folder = if path.is_dir() { path } else { path.parent().filter(|_| path.is_file()).ok_or_else(not_one)? };
        let asked = try_run(questions_in(folder, &["--is-bare-repository", "--path-format=absolute", "--git-common-dir"]))?;
        if !asked.success() {
            let is_one = plain(folder).ancestors().any(|folder| folder.join(".git").exists());
            return Err(if is_one { cmd::failed(&asked, &format!("open the repository at {}", path.display())) } else { not_one() });
        }
        let text = String::from_utf8(asked.stdout).map_err(|_| not_one())?;
        let (is_bare, git_dir) = text.split_once('\n').unwrap_or((&text, ""));
        if is_bare == "true" {
            return Err(GitError::Bare { path: path.to_owned() });
        }
        let top = try_run(questions_in(folder, &["--path-format=absolute", "--show-toplevel"]))?;
        let top = String::from_utf8(top.stdout).ok().filter(|top| !top.is_empty()).ok_or_else(not_one)?;
        let (git_dir, here) = (plain(Path::new(one_line(git_dir))), plain(Path::new(one_line(&top))));
        let is_linked = here.join(".git").is_file() && git_dir.join("worktrees").is_dir();
        Ok(Repo::of(here, &git_dir, is_linked, false))
    }

    /// The main work tree is where the common folder lies, unless that belongs to a bare repository or a submodule.
    fn of(here: PathBuf, git_dir: &Path, is_linked: bool, by_library: bool) -> Repo {
        let root = match git_dir.parent() {
            Some(parent) if is_linked && git_dir.file_name().is_some_and(|name| name == ".git") => parent.to_owned(),
            Some(_) | None => here.clone(),
        };
        Repo { here, root, git_dir: git_dir.to_owned(), known: Arc::new(Known::new(git_dir, by_library)) }
    }

    #[must_use]
    pub fn root(&self) -> &Path {
        &self.root
    }
    #[must_use]
    pub fn git_dir(&self) -> &Path {
        &self.git_dir
    }

    pub(super) fn open(&self) -> Result<git2::Repository> {
        git2::Repository::open(&self.git_dir).map_err(library(format!("open {}", self.git_dir.display())))
    }

    /// The shortcut, where there is one.
    fn library(&self) -> Option<git2::Repository> {
        if self.known.by_library { self.open().ok() } else { None }
    }
}

/// The path without symbolic links and without a trailing separator, as far as it exists.
fn plain(path: &Path) -> PathBuf {
    for existing in path.ancestors() {
        if let Ok(found) = dunce::canonicalize(existing) {
            let rest = path.strip_prefix(existing).unwrap_or(Path::new(""));
            return found.join(rest).components().collect();
        }
    }
    path.components().collect()
}

/// Output without the end of its line. Names may hold line breaks themselves.
fn one_line(text: &str) -> &str {
    text.strip_suffix('\n').map_or(text, |text| text.strip_suffix('\r').unwrap_or(text))
}

pub(crate) fn io(doing: impl Into<String>) -> impl FnOnce(std::io::Error) -> GitError {
    let doing = doing.into();
    move |source| GitError::Io { doing, source }
}

pub(crate) fn library(doing: impl Into<String>) -> impl FnOnce(git2::Error) -> GitError {
    let doing = doing.into();
    move |source| GitError::Library { doing, source }
}

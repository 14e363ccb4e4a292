//! Refs: read by libgit2, moved by compare-and-swap.

use super::cmd::{Site, oid, run};
use super::{Expect, GitError, Head, Repo, Result, io, library};
use crate::domain::Oid;
use jiff::Timestamp;
use std::path::PathBuf;
use std::time::{Duration, Instant};

/// How long a lock on a ref of ours may last.
const LOCK_PATIENCE: Duration = Duration::from_secs(1);
const LOCK_PAUSE: Duration = Duration::from_millis(20);

impl Repo {
    pub(super) fn open(&self) -> Result<git2::Repository> {
        git2::Repository::open(&self.git_dir).map_err(library(format!("open {}", self.git_dir.display())))
    }

    /// HEAD of the checkout that was asked about.
    pub fn head(&self) -> Result<Head> {
        let repo = git2::Repository::open(&self.here).map_err(library(format!("open {}", self.here.display())))?;
        let head = repo.head().map_err(library("read HEAD"))?;
        let commit = head.peel_to_commit().map_err(library("read the commit of HEAD"))?;
        let detached = repo.head_detached().map_err(library("read HEAD"))?;
        let branch = head.shorthand().ok().filter(|_| !detached).map(str::to_owned);
        Ok(Head { branch, commit: ours(commit.id()) })
    }

    /// The commit that a name or expression means, if any.
    pub fn resolve(&self, rev: &str) -> Result<Option<Oid>> {
        let repo = self.open()?;
        match repo.revparse_single(rev).and_then(|object| object.peel_to_commit()) {
            Ok(commit) => Ok(Some(ours(commit.id()))),
            Err(_) => Ok(None),
        }
    }

    pub fn tree_of(&self, commit: &Oid) -> Result<Oid> {
        let repo = self.open()?;
        let found = theirs(commit).and_then(|id| repo.find_commit(id)).map_err(library(format!("read commit {commit}")))?;
        Ok(ours(found.tree_id()))
    }

    /// Whether `a` is `b` or one of its ancestors.
    pub fn is_ancestor(&self, a: &Oid, b: &Oid) -> Result<bool> {
        if a == b {
            return Ok(true);
        }
        let repo = self.open()?;
        let doing = || format!("compare {} and {}", a.short(), b.short());
        let (a, b) = (theirs(a).map_err(library(doing()))?, theirs(b).map_err(library(doing()))?);
        repo.graph_descendant_of(b, a).map_err(library(doing()))
    }

    /// Moves a ref of Aura's own (full name), if it is what is expected. A lock that a killed process left on it is removed:
    /// one that is alive holds it for a moment only.
    pub fn update_ref(&self, name: &str, new: &Oid, expect: Expect<'_>, reason: &str) -> Result<()> {
        let give_up = Instant::now() + LOCK_PATIENCE;
        loop {
            match self.update_users_ref(name, new, expect, reason) {
                Err(GitError::Library { source, .. }) if source.code() == git2::ErrorCode::Locked && Instant::now() < give_up => {
                    std::thread::sleep(LOCK_PAUSE);
                }
                Err(GitError::Library { source, .. }) if source.code() == git2::ErrorCode::Locked => {
                    let lock = self.git_dir.join(format!("{name}.lock"));
                    std::fs::remove_file(&lock).map_err(io(format!("remove {}", lock.display())))?;
                    return self.update_users_ref(name, new, expect, reason);
                }
                done => return done,
            }
        }
    }

    /// Moves a ref of the user's, if it is what is expected. Nothing of theirs is removed for it.
    pub fn update_users_ref(&self, name: &str, new: &Oid, expect: Expect<'_>, reason: &str) -> Result<()> {
        let repo = self.open()?;
        let doing = || format!("move `{name}` to {}", new.short());
        let id = theirs(new).map_err(library(doing()))?;
        let done = match expect {
            Expect::Absent => repo.reference(name, id, false, reason),
            Expect::Any => repo.reference(name, id, true, reason),
            Expect::At(old) => theirs(old).and_then(|old| repo.reference_matching(name, id, true, old, reason)),
        };
        match (done, expect) {
            (Ok(_), _) => Ok(()),
            (Err(e), _) if e.code() == git2::ErrorCode::Modified => Err(GitError::RefMoved { name: name.into() }),
            (Err(e), Expect::At(_)) if e.code() == git2::ErrorCode::NotFound => Err(GitError::RefMoved { name: name.into() }),
            (Err(e), _) if e.code() == git2::ErrorCode::Exists => Err(GitError::RefTaken { name: name.into() }),
            // A name that is a folder of other names, or lies below one, is refused by the reference database.
            (Err(e), Expect::Absent) if e.class() == git2::ErrorClass::Reference => Err(GitError::RefTaken { name: name.into() }),
            (Err(source), _) => Err(GitError::Library { doing: doing(), source }),
        }
    }

    /// Deletes a ref, if it still is what is expected. A ref that is gone already is fine.
    pub fn delete_ref(&self, name: &str, expect: &Oid) -> Result<()> {
        let repo = self.open()?;
        let doing = || format!("delete `{name}`");
        let mut found = match repo.find_reference(name) {
            Ok(found) => found,
            Err(e) if e.code() == git2::ErrorCode::NotFound => return Ok(()),
            Err(source) => return Err(GitError::Library { doing: doing(), source }),
        };
        if found.target().map(ours).as_ref() != Some(expect) {
            return Err(GitError::RefMoved { name: name.into() });
        }
        found.delete().map_err(library(doing()))
    }

    /// A commit made of parts. The same parts give the same id.
    pub fn commit_tree(&self, tree: &Oid, parents: &[&Oid], message: &str, at: Timestamp) -> Result<Oid> {
        let mut cmd = self.identified(self.git(Site::Objects), at).arg("commit-tree").arg(tree.as_str());
        for parent in parents {
            cmd = cmd.args(["-p", parent.as_str()]);
        }
        let doing = format!("commit tree {}", tree.short());
        oid(&run(cmd.args(["-F", "-"]).stdin(message.as_bytes().to_vec()), &doing)?, &doing)
    }

    pub fn remotes(&self) -> Result<Vec<String>> {
        let repo = self.open()?;
        let names = repo.remotes().map_err(library("list remotes"))?;
        Ok(names.iter().filter_map(|name| name.ok().flatten()).map(str::to_owned).collect())
    }

    /// The checkout (the user's or a linked worktree) that has a branch checked out.
    pub fn checked_out_at(&self, branch: &str) -> Result<Option<PathBuf>> {
        let wanted = format!("ref: refs/heads/{branch}");
        let is_there = |folder: &std::path::Path| std::fs::read_to_string(folder.join("HEAD")).is_ok_and(|text| text.trim() == wanted);
        let repo = self.open()?;
        if !repo.is_bare() && is_there(&self.git_dir) {
            return Ok(Some(self.root.clone()));
        }
        for (admin, path) in self.worktrees()? {
            if is_there(&admin) && path.exists() {
                return Ok(Some(path));
            }
        }
        Ok(None)
    }

    /// Pushes with the user's own git: credentials, hooks and all. `lease`: the remote's ref must be this before.
    pub fn push(&self, remote: &str, refspec: &str, lease: Option<&Oid>) -> Result<()> {
        let mut cmd = self.users_git().args(["push", "--porcelain"]);
        if let (Some(lease), Some((_, name))) = (lease, refspec.split_once(':')) {
            cmd = cmd.arg(format!("--force-with-lease={name}:{lease}"));
        }
        run(cmd.arg("--").arg(remote).arg(refspec), &format!("push to `{remote}`"))?;
        Ok(())
    }
}

pub(super) fn ours(id: git2::Oid) -> Oid {
    Oid::parse(&id.to_string()).expect("libgit2 prints object ids as hex")
}

pub(super) fn theirs(id: &Oid) -> Result<git2::Oid, git2::Error> {
    git2::Oid::from_str(id.as_str())
}

/// Makes a repository of a folder's files: one commit on `main`, and `notes` checked out.
pub fn init(folder: &std::path::Path) -> Result<()> {
    let doing = || format!("make a repository in {}", folder.display());
    let make = || -> Result<(), git2::Error> {
        let mut options = git2::RepositoryInitOptions::new();
        let repo = git2::Repository::init_opts(folder, options.initial_head("main").external_template(false))?;
        let mut index = repo.index()?;
        index.add_all(["."], git2::IndexAddOption::DEFAULT, None)?;
        index.write()?;
        let tree = repo.find_tree(index.write_tree()?)?;
        let me = repo.signature().or_else(|_| git2::Signature::now("Aura demo", "demo@localhost"))?;
        let commit = repo.commit(Some("HEAD"), &me, &me, "A very small shop", &tree, &[])?;
        repo.branch("notes", &repo.find_commit(commit)?, false)?;
        repo.set_head("refs/heads/notes")
    };
    make().map_err(library(doing()))
}

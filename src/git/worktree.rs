//! Worktrees: added one at a time for each repository, filled outside the lock, healed when a crash left half of one.

use super::cmd::{Site, failed, run, try_run};
use super::snapshot::nested_in;
use super::{Expect, GitError, Repo, Result, io, plain};
use crate::domain::Oid;
use std::fs::File;
use std::path::{Path, PathBuf};

/// In a worktree's own git folder: its files are those of a commit, and whatever differs is somebody's work. It is gone
/// while they are being set.
pub(super) const FILLED: &str = "aura-filled";

/// What HEAD of a worktree is.
#[derive(Clone, Copy, Debug)]
pub enum At<'a> {
    /// A branch, without `refs/heads/`.
    Branch(&'a str),
    Detached(&'a Oid),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Added {
    /// False when it was there already.
    pub created: bool,
}

impl Repo {
    /// Makes sure that a worktree of this repository is at `path` with this HEAD. Its files are not touched: that is
    /// [`Repo::set_worktree`].
    pub fn worktree_add(&self, path: &Path, at: At<'_>) -> Result<Added> {
        let _lock = self.metadata_lock()?;
        if let Ok(admin) = self.admin_of(path) {
            write_head(&admin, at)?;
            return Ok(Added { created: false });
        }
        self.heal(path)?;
        let parent = path.parent().unwrap_or(path);
        std::fs::create_dir_all(parent).map_err(io(format!("create {}", parent.display())))?;
        let mut cmd = self.git(Site::Objects).args(["worktree", "add", "--no-checkout", "-f", "--quiet"]);
        cmd = match at {
            At::Branch(branch) => cmd.arg("--").arg(path).arg(branch),
            At::Detached(commit) => cmd.arg("--detach").arg("--").arg(path).arg(commit.as_str()),
        };
        let output = try_run(cmd)?;
        if output.success() {
            return Ok(Added { created: true });
        }
        Err(failed(&output, &format!("add the worktree {}", path.display())))
    }

    /// Makes files, index and HEAD of a worktree equal to a commit. Ignored files stay: they are build caches. What else
    /// was in it is gone afterwards, so the caller has kept it before.
    pub fn set_worktree(&self, path: &Path, to: &Oid) -> Result<()> {
        let admin = self.admin_of(path)?;
        // Whoever held it is dead: the caller owns this worktree.
        let _ = std::fs::remove_file(admin.join("index.lock"));
        let _ = std::fs::remove_file(admin.join("HEAD.lock"));
        let _ = std::fs::remove_file(admin.join(FILLED));
        match read_head(&admin)? {
            HeadFile::Branch(name) => self.update_ref(&name, to, Expect::Any, "aura: worktree set")?,
            HeadFile::Detached => write_head(&admin, At::Detached(to))?,
        }
        let doing = format!("check out {} in {}", to.short(), path.display());
        let site = Site::Worktree { work: path, admin: &admin };
        let output = try_run(self.git(site).args(["read-tree", "--reset", "-u", to.as_str()]))?;
        if !output.success() {
            // An index that a killed agent left half-written is made anew.
            let _ = std::fs::remove_file(admin.join("index"));
            run(self.git(site).args(["read-tree", "--reset", "-u", to.as_str()]), &doing)?;
        }
        self.move_nested_aside(path, &admin)?;
        run(self.git(site).args(["clean", "-fdq"]), &format!("clean {}", path.display()))?;
        self.submodules(path, &admin);
        std::fs::write(admin.join(FILLED), "").map_err(io(format!("mark {} as filled", path.display())))
    }

    /// Whether a worktree was filled to the end. In one that was not, a missing file says nothing about anybody's work.
    #[must_use]
    pub fn is_filled(&self, path: &Path) -> bool {
        self.admin_of(path).is_ok_and(|admin| admin.join(FILLED).exists())
    }

    /// Brings a worktree whose branch was moved underneath to the branch's new commit, keeping local edits.
    ///
    /// # Errors
    /// [`GitError::LocalChanges`] when they are in the way; nothing is changed then.
    pub fn sync_checkout(&self, path: &Path, from: &Oid, to: &Oid) -> Result<()> {
        let admin = self.admin_of(path)?;
        let site = Site::Worktree { work: path, admin: &admin };
        // Exit code 1 only says that something needs an update.
        try_run(self.git(site).args(["update-index", "-q", "--refresh"]))?;
        let output = try_run(self.git(site).args(["read-tree", "-m", "-u", from.as_str(), to.as_str()]))?;
        if output.success() { Ok(()) } else { Err(GitError::LocalChanges { path: path.to_owned() }) }
    }

    /// Removes a worktree that lies under `root`, the story's own folder. One that is gone already is fine.
    pub fn worktree_remove(&self, path: &Path, root: &Path) -> Result<()> {
        if !path.starts_with(root) || path == root {
            return Err(GitError::Occupied { path: path.to_owned() });
        }
        let _lock = self.metadata_lock()?;
        let admin = self.worktrees()?.into_iter().find(|(_, of)| same(of, path)).map(|(admin, _)| admin);
        if path.exists() {
            if admin.is_none() && path.join(".git").exists() {
                return Err(GitError::NotAWorktree { path: path.to_owned() });
            }
            std::fs::remove_dir_all(path).map_err(io(format!("remove {}", path.display())))?;
        }
        if let Some(admin) = admin {
            std::fs::remove_dir_all(&admin).map_err(io(format!("remove {}", admin.display())))?;
        }
        Ok(())
    }

    /// Every linked worktree: its folder under `.git/worktrees`, and where it says it is.
    pub(super) fn worktrees(&self) -> Result<Vec<(PathBuf, PathBuf)>> {
        let folder = self.git_dir.join("worktrees");
        let entries = match std::fs::read_dir(&folder) {
            Ok(entries) => entries,
            Err(e) if e.kind() == std::io::ErrorKind::NotFound => return Ok(vec![]),
            Err(e) => return Err(io(format!("list {}", folder.display()))(e)),
        };
        let mut found = vec![];
        for entry in entries.flatten() {
            let admin = entry.path();
            if let Ok(text) = std::fs::read_to_string(admin.join("gitdir"))
                && let Some(path) = Path::new(text.trim()).parent()
            {
                found.push((admin, path.to_owned()));
            }
        }
        Ok(found)
    }

    /// The worktree's folder under `.git/worktrees`, if both ends of the link are as git made them.
    pub(super) fn admin_of(&self, path: &Path) -> Result<PathBuf> {
        let link = path.join(".git");
        let text = std::fs::read_to_string(&link).map_err(|_| GitError::NotAWorktree { path: path.to_owned() })?;
        let target = text.trim().strip_prefix("gitdir: ").map(PathBuf::from).ok_or_else(|| GitError::Tampered { path: link.clone() })?;
        let known = self.worktrees()?.into_iter().find(|(_, of)| same(of, path));
        match known {
            Some((admin, _)) if same(&admin, &target) => Ok(admin),
            Some(_) | None => Err(GitError::Tampered { path: link }),
        }
    }

    /// Serialises what git itself does not: adding and removing worktrees of one repository from several processes.
    fn metadata_lock(&self) -> Result<File> {
        let path = self.git_dir.join("aura.lock");
        let doing = || format!("lock {}", path.display());
        let file = File::options().create(true).truncate(false).write(true).open(&path).map_err(io(doing()))?;
        file.lock().map_err(io(doing()))?;
        Ok(file)
    }

    /// Removes what a crash in the middle of an earlier add left: a registration of this very path, an empty folder, or
    /// a folder that holds nothing but the link.
    fn heal(&self, path: &Path) -> Result<()> {
        for (admin, of) in self.worktrees()? {
            if same(&of, path) {
                std::fs::remove_dir_all(&admin).map_err(io(format!("remove {}", admin.display())))?;
            }
        }
        self.remove_unborn(path)?;
        if !path.exists() {
            return Ok(());
        }
        let entries: Vec<_> = std::fs::read_dir(path).map_err(io(format!("list {}", path.display())))?.flatten().collect();
        match entries.as_slice() {
            [] => {}
            [only] if only.file_name() == ".git" && only.path().is_file() => {
                std::fs::remove_file(only.path()).map_err(io(format!("remove {}", only.path().display())))?;
            }
            _ if path.join(".git").is_file() => self.put_aside(path)?,
            _ => return Err(GitError::Occupied { path: path.to_owned() }),
        }
        Ok(())
    }

    /// A registration without an address, of our name: a crash came before git wrote it.
    fn remove_unborn(&self, path: &Path) -> Result<()> {
        let Some(name) = path.file_name() else { return Ok(()) };
        let admin = self.git_dir.join("worktrees").join(name);
        if admin.is_dir() && !admin.join("gitdir").exists() {
            std::fs::remove_dir_all(&admin).map_err(io(format!("remove {}", admin.display())))?;
        }
        Ok(())
    }

    /// A worktree whose link leads nowhere: its files are kept beside it.
    fn put_aside(&self, path: &Path) -> Result<()> {
        let aside = free_name(path, "lost");
        std::fs::rename(path, &aside).map_err(io(format!("move {} aside", path.display())))
    }

    /// Repositories that an agent made inside the worktree: git leaves them alone, so they are moved out, not deleted.
    fn move_nested_aside(&self, path: &Path, admin: &Path) -> Result<()> {
        let list = ["ls-files", "-z", "--others", "--directory", "--exclude-standard"];
        let output = run(self.git(Site::Worktree { work: path, admin }).args(list), "list untracked files")?;
        for name in super::cmd::parts(&output.stdout).filter(|name| name.ends_with('/')) {
            while let Some(folder) = nested_in(&path.join(super::cmd::os(&name)), 0) {
                let aside = free_name(path, "nested");
                std::fs::rename(&folder, &aside).map_err(io(format!("move {} aside", folder.display())))?;
            }
        }
        Ok(())
    }

    /// Submodules are filled as far as the user's own checkout has them; without them the folders stay empty.
    fn submodules(&self, path: &Path, admin: &Path) {
        if !self.git_dir.join("modules").exists() || !path.join(".gitmodules").exists() {
            return;
        }
        let cmd =
            self.git(Site::Worktree { work: path, admin }).args(["-c", "protocol.file.allow=always", "submodule", "--quiet", "update"]);
        if let Err(error) = run(cmd.args(["--init", "--recursive"]), "update submodules") {
            tracing::warn!(path = %path.display(), %error, "submodules stay empty");
        }
    }
}

fn free_name(path: &Path, why: &str) -> PathBuf {
    let name = path.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
    let candidates = (1..).map(|n| path.with_file_name(format!("{name}.{why}-{n}")));
    candidates.into_iter().find(|candidate| !candidate.exists()).unwrap_or_else(|| path.with_extension(why))
}

fn same(a: &Path, b: &Path) -> bool {
    a == b || plain(a) == plain(b)
}

pub(super) enum HeadFile {
    /// The full name of the branch.
    Branch(String),
    Detached,
}

pub(super) fn read_head(admin: &Path) -> Result<HeadFile> {
    let path = admin.join("HEAD");
    let text = std::fs::read_to_string(&path).map_err(io(format!("read {}", path.display())))?;
    Ok(match text.trim().strip_prefix("ref: ") {
        Some(name) => HeadFile::Branch(name.to_owned()),
        None => HeadFile::Detached,
    })
}

/// Writes HEAD of a worktree that nobody else uses: whole file at once, by rename.
pub(super) fn write_head(admin: &Path, at: At<'_>) -> Result<()> {
    let text = match at {
        At::Branch(branch) => format!("ref: refs/heads/{branch}\n"),
        At::Detached(commit) => format!("{commit}\n"),
    };
    let (path, new) = (admin.join("HEAD"), admin.join("HEAD.aura"));
    if std::fs::read_to_string(&path).is_ok_and(|old| old == text) {
        return Ok(());
    }
    std::fs::write(&new, text).and_then(|()| std::fs::rename(&new, &path)).map_err(io(format!("write {}", path.display())))
}

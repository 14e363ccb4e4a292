//! The folders under `.git/worktrees`: which one belongs to a worktree, whether both ends of their link are as git made
//! them, what HEAD in them is, and the removal of what a crash left half-made.

use super::cmd::{Site, end_orphans, run, try_run};
use super::worktree::At;
use super::{GitError, Repo, Result, io, plain};
use crate::domain::Oid;
use crate::proc::Exit;
use crate::proc::fault::{self, Step};
use std::ffi::OsStr;
use std::fs::File;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::time::Duration;

/// In a worktree's own git folder: what HEAD is to be, as Aura set it. An agent may check out something else, and what it
/// checked out must not be moved.
const WANTED: &str = "aura-head";
/// How old a registration of somebody's must be, without an address, to count as left by the dead.
const UNBORN_AGE: Duration = Duration::from_mins(1);

/// Held until dropped. The file is empty while nobody holds it.
pub(super) struct MetadataLock(File);

impl Drop for MetadataLock {
    fn drop(&mut self) {
        let _ = self.0.set_len(0);
    }
}

/// What HEAD of a worktree is, or is to be.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum HeadOf {
    /// The full name of the branch.
    Branch(String),
    Detached,
}

impl Repo {
    /// Every linked worktree: its folder under `.git/worktrees`, and where it says it is.
    pub(super) fn worktrees(&self) -> Result<Vec<(PathBuf, PathBuf)>> {
        let place = |admin: PathBuf| address(&admin).map(|path| (admin, place_of(&path)));
        Ok(self.registrations()?.into_iter().filter_map(place).collect())
    }

    fn registrations(&self) -> Result<Vec<PathBuf>> {
        let folder = self.git_dir.join("worktrees");
        match std::fs::read_dir(&folder) {
            Ok(entries) => Ok(entries.flatten().map(|entry| entry.path()).collect()),
            Err(e) if e.kind() == std::io::ErrorKind::NotFound => Ok(vec![]),
            Err(e) => Err(io(format!("list {}", folder.display()))(e)),
        }
    }

    /// The folder under `.git/worktrees` that is registered for this path, whatever stands at the path itself.
    pub(super) fn registered(&self, path: &Path) -> Result<PathBuf> {
        let path = place_of(path);
        let Some(name) = path.file_name().map(OsStr::as_encoded_bytes) else { return Err(GitError::NotAWorktree { path }) };
        // There may be hundreds. Git names the folder after the worktree, with a number behind it where that is taken.
        let mut all = self.registrations()?;
        all.sort_by_key(|admin| !admin.file_name().is_some_and(|of| of.as_encoded_bytes().starts_with(name)));
        let is_its = |admin: &PathBuf| address(admin).is_some_and(|of| of.file_name() == path.file_name() && place_of(&of) == path);
        all.into_iter().find(is_its).ok_or_else(|| GitError::NotAWorktree { path: path.clone() })
    }

    /// The same, if the folder is a folder in its place.
    pub(super) fn registered_folder(&self, path: &Path) -> Result<PathBuf> {
        let admin = self.registered(path)?;
        match leads_elsewhere(path) {
            Some(link) => Err(GitError::Tampered { path: link }),
            None => Ok(admin),
        }
    }

    /// A link that is merely gone is written again: what stands beside it is what an agent left, as it would be with it.
    pub(super) fn relink(&self, path: &Path) -> Result<()> {
        let Ok(admin) = self.registered_folder(path) else { return Ok(()) };
        let link = path.join(".git");
        if path.is_dir() && link.symlink_metadata().is_err() {
            tracing::warn!(worktree = %path.display(), "the link to the repository was gone, and is written again");
            write_whole(&link, &format!("gitdir: {}\n", admin.display()))?;
        }
        Ok(())
    }

    /// The folder that [`Repo::registered_folder`] finds, if both ends of the link are as git made them.
    pub(super) fn admin_of(&self, path: &Path) -> Result<PathBuf> {
        let admin = self.registered_folder(path)?;
        let link = path.join(".git");
        let is_file = link.symlink_metadata().is_ok_and(|meta| meta.is_file());
        let text = if is_file { std::fs::read_to_string(&link).unwrap_or_default() } else { String::new() };
        let target = text.trim().strip_prefix("gitdir: ").map(|target| plain(&path.join(target)));
        if target != Some(plain(&admin)) {
            return Err(GitError::Tampered { path: link });
        }
        let common = admin.join("commondir");
        let text = std::fs::read_to_string(&common).unwrap_or_default();
        if plain(&admin.join(text.trim())) != self.git_dir {
            return Err(GitError::Tampered { path: common });
        }
        Ok(admin)
    }

    /// Serialises what git itself does not: adding and removing worktrees of one repository from several processes.
    pub(super) fn metadata_lock(&self) -> Result<MetadataLock> {
        let path = self.git_dir.join("aura.lock");
        let doing = || format!("lock {}", path.display());
        let mut file = File::options().create(true).truncate(false).read(true).write(true).open(&path).map_err(io(doing()))?;
        file.lock().map_err(io(doing()))?;
        let was_left = file.metadata().is_ok_and(|meta| meta.len() > 0);
        file.write_all(b"held\n").map_err(io(doing()))?;
        if was_left {
            // Who held it was killed, and a git that it started may still be at work.
            end_orphans(&self.git_dir);
        }
        Ok(MetadataLock(file))
    }

    /// Removes what a crash in the middle of an earlier add left: a registration of this very path, an empty folder, or
    /// a folder that holds nothing but the link. Anything else that was a worktree of ours is kept beside it.
    pub(super) fn heal(&self, path: &Path) -> Result<()> {
        let registered = self.registered(path).ok();
        if let Some(admin) = &registered {
            refuse_locked(admin, path)?;
        }
        match leads_elsewhere(path) {
            Some(link) if link == path && registered.is_some() => put_aside(path)?,
            Some(link) => return Err(GitError::Occupied { path: link }),
            None => {}
        }
        let entries: Vec<_> = match std::fs::read_dir(path) {
            Ok(entries) => entries.flatten().collect(),
            Err(e) if e.kind() == std::io::ErrorKind::NotFound => vec![],
            Err(e) => return Err(io(format!("list {}", path.display()))(e)),
        };
        let link = path.join(".git");
        let has_link = link.symlink_metadata().is_ok_and(|meta| meta.is_file());
        match entries.as_slice() {
            [] => {}
            [_] if has_link => std::fs::remove_file(&link).map_err(io(format!("remove {}", link.display())))?,
            _ if has_link || registered.is_some() => put_aside(path)?,
            _ => return Err(GitError::Occupied { path: path.to_owned() }),
        }
        if let Some(admin) = registered {
            std::fs::remove_dir_all(&admin).map_err(io(format!("remove {}", admin.display())))?;
        }
        self.remove_unborn(path)
    }

    /// A registration without an address, under our name or one that git derives from it: a crash came before git wrote
    /// the address. Under a derived name it may be somebody else's, in this very moment.
    fn remove_unborn(&self, path: &Path) -> Result<()> {
        let Some(ours) = path.file_name().and_then(|name| name.to_str()) else { return Ok(()) };
        for admin in self.registrations()? {
            let is_unborn = std::fs::read(admin.join("gitdir")).map_or(true, |text| text.is_empty());
            let name = admin.file_name().unwrap_or_default().to_string_lossy().into_owned();
            let is_derived = name.strip_prefix(ours).is_some_and(|rest| rest.chars().all(|c| c.is_ascii_digit()));
            let age = admin.metadata().and_then(|meta| meta.modified()).ok().and_then(|since| since.elapsed().ok());
            let is_dead = name == ours || age.is_some_and(|age| age > UNBORN_AGE);
            if is_unborn && is_derived && is_dead {
                std::fs::remove_dir_all(&admin).map_err(io(format!("remove {}", admin.display())))?;
            }
        }
        Ok(())
    }

    /// What HEAD of a worktree is, and the commit it stands for (none when that cannot be told).
    pub(super) fn head_of(&self, admin: &Path) -> Result<(HeadOf, Option<Oid>)> {
        if self.has_ref_files() {
            let text = std::fs::read_to_string(admin.join("HEAD")).unwrap_or_default();
            return Ok(match text.trim().strip_prefix("ref: ").map(str::trim_start) {
                // Any other name would be an expression, and mean something in the user's checkout.
                Some(name) => (HeadOf::Branch(name.to_owned()), if name.starts_with("refs/") { self.resolve(name)? } else { None }),
                None => (HeadOf::Detached, Oid::parse(text.trim()).ok().map_or(Ok(None), |id| self.resolve(id.as_str()))?),
            });
        }
        let site = Site::Worktree { work: admin, admin };
        let name = try_run(self.git(site).args(["symbolic-ref", "--quiet", "HEAD"]))?;
        if name.exit == Exit::Code(0) {
            let name = name.stdout_text();
            let commit = self.resolve(&name)?;
            return Ok((HeadOf::Branch(name), commit));
        }
        let commit = try_run(self.git(site).args(["rev-parse", "--verify", "--quiet", "HEAD^{commit}"]))?;
        Ok((HeadOf::Detached, commit.success().then(|| Oid::parse(commit.stdout_text().trim()).ok()).flatten()))
    }

    /// Sets HEAD of a worktree whose agent is dead, and remembers it as the one that Aura wants.
    pub(super) fn set_head(&self, admin: &Path, at: At<'_>) -> Result<()> {
        // Whoever held it is dead: the caller owns this worktree.
        let _ = std::fs::remove_file(admin.join("HEAD.lock"));
        let site = Site::Worktree { work: admin, admin };
        let (wanted, args) = match at {
            At::Branch(branch) => {
                let name = format!("refs/heads/{branch}");
                (format!("ref: {name}\n"), vec!["symbolic-ref".into(), "-m".into(), "aura: set".into(), "HEAD".to_owned(), name])
            }
            At::Detached(commit) => {
                (format!("{commit}\n"), ["update-ref", "--no-deref", "HEAD", commit.as_str()].map(str::to_owned).to_vec())
            }
        };
        let (path, head) = (admin.join(WANTED), admin.join("HEAD"));
        write_whole(&path, &wanted)?;
        if self.has_ref_files() {
            return write_whole(&head, &wanted);
        }
        if !try_run(self.git(site).args(&args))?.success() {
            // Git does not even open a worktree whose HEAD is broken.
            write_whole(&head, &wanted)?;
            run(self.git(site).args(&args), &format!("set HEAD of {}", admin.display()))?;
        }
        Ok(())
    }

    /// What Aura last set HEAD to be, else what it is.
    pub(super) fn wanted_head(&self, admin: &Path) -> Result<HeadOf> {
        match std::fs::read_to_string(admin.join(WANTED)) {
            Ok(text) => Ok(text.trim().strip_prefix("ref: ").map_or(HeadOf::Detached, |name| HeadOf::Branch(name.to_owned()))),
            Err(_) => Ok(self.head_of(admin)?.0),
        }
    }
}

/// Where a worktree says it is. The address may be relative to the folder it stands in.
fn address(admin: &Path) -> Option<PathBuf> {
    let text = std::fs::read_to_string(admin.join("gitdir")).unwrap_or_default();
    Some(admin.join(Path::new(text.trim()).parent()?))
}

/// Where a worktree is, itself not followed if somebody put a link in its place.
fn place_of(path: &Path) -> PathBuf {
    match (path.parent(), path.file_name()) {
        (Some(parent), Some(name)) => plain(parent).join(name),
        (None, _) | (_, None) => plain(path),
    }
}

/// A worktree's folder, and the one that it lies in, are made by Aura and are no links: through one, what is done to a
/// worktree would be done to something else.
pub(super) fn leads_elsewhere(path: &Path) -> Option<PathBuf> {
    let is_link = |path: &&Path| path.symlink_metadata().is_ok_and(|meta| meta.is_symlink());
    path.ancestors().take(2).find(is_link).map(Path::to_owned)
}

/// While git adds a worktree it locks it itself, with a reason of its own.
pub(super) fn is_half_made(admin: &Path) -> bool {
    std::fs::read_to_string(admin.join("locked")).is_ok_and(|reason| reason.trim() == "initializing")
}

/// `git worktree lock` is a person's word.
pub(super) fn refuse_locked(admin: &Path, path: &Path) -> Result<()> {
    match std::fs::read_to_string(admin.join("locked")) {
        Ok(reason) if !is_half_made(admin) => {
            let stderr = format!("it is locked: {}", reason.trim());
            Err(GitError::Failed { doing: format!("touch the worktree {}", path.display()), stderr })
        }
        Ok(_) | Err(_) => Ok(()),
    }
}

/// Keeps a folder under a name of its own beside its place: `NAME.lost-1`.
///
/// # Errors
/// It cannot be moved; it stays where it is then.
pub fn put_aside(path: &Path) -> Result<()> {
    let aside = free_name(path, "lost");
    tracing::warn!(from = %path.display(), to = %aside.display(), "a folder is put aside");
    replace(path, &aside, || format!("move {} aside", path.display()))
}

pub(super) fn free_name(path: &Path, why: &str) -> PathBuf {
    let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
    let mut candidates = (1_u32..).map(|n| path.with_file_name(format!("{name}.{why}-{n}")));
    candidates.find(|candidate| candidate.symlink_metadata().is_err()).unwrap_or_else(|| path.with_extension(why))
}

/// Writes a whole file at once, by rename.
pub(super) fn write_whole(path: &Path, text: &str) -> Result<()> {
    let mut new = path.as_os_str().to_owned();
    new.push(".aura");
    let doing = || format!("write {}", path.display());
    std::fs::write(&new, text).map_err(io(doing()))?;
    replace(Path::new(&new), path, doing)
}

/// Moves a file or folder to another name.
pub(super) fn replace(from: &Path, to: &Path, doing: impl Fn() -> String) -> Result<()> {
    fault::around(Step::FileReplace, &to.display(), || std::fs::rename(from, to)).map_err(io(doing()))
}

/// Removes a file that may be gone already.
pub(super) fn unmark(file: &Path, doing: impl Fn() -> String) -> Result<()> {
    match fault::around(Step::FileReplace, &format_args!("remove {}", file.display()), || std::fs::remove_file(file)) {
        Err(e) if e.kind() != std::io::ErrorKind::NotFound => Err(io(doing())(e)),
        Ok(()) | Err(_) => Ok(()),
    }
}

//! Worktrees: added one at a time for each repository, filled outside the lock, healed when a crash left half of one.

use super::admin::{HeadOf, free_name, is_half_made, leads_elsewhere, put_aside, refuse_locked, replace, unmark, write_whole};
use super::cmd::{Site, end_orphans, failed, marked, on_disk, run, try_run};
use super::content::{Entry, folders_of, links_in};
use super::{Expect, GitError, Repo, Result, again, io, plain};
use crate::domain::Oid;
use std::collections::BTreeSet;
use std::path::{Component, Path};

/// In a worktree's own git folder: names the commit whose files the worktree was filled with; whatever differs is
/// somebody's work. Written last and whole; gone while the files are being set.
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
    ///
    /// # Errors
    /// [`GitError::Occupied`] when something that Aura did not make is in the way.
    pub fn worktree_add(&self, path: &Path, at: At<'_>) -> Result<Added> {
        let doing = || format!("add the worktree {}", path.display());
        let _lock = self.metadata_lock()?;
        if let Some(admin) = self.admin_of(path).ok().filter(|admin| !is_half_made(admin)) {
            self.set_head(&admin, at)?;
            return Ok(Added { created: false });
        }
        let parent = path.parent().unwrap_or(path);
        let mut cmd = marked(self.git(Site::Objects), &self.git_dir).args(["worktree", "add", "--no-checkout", "-f", "--quiet"]);
        cmd = match at {
            At::Branch(branch) => {
                // A branch that is only on a remote would be made here, and followed.
                if self.resolve(&format!("refs/heads/{branch}"))?.is_none() {
                    return Err(GitError::Failed { doing: doing(), stderr: format!("there is no branch `{branch}`") });
                }
                cmd.arg("--").arg(path).arg(branch)
            }
            At::Detached(commit) => cmd.arg("--detach").arg("--").arg(path).arg(commit.as_str()),
        };
        let output = again::despite_kills(|| {
            self.heal(path)?;
            std::fs::create_dir_all(parent).map_err(io(format!("create {}", parent.display())))?;
            try_run(cmd.clone())
        })?;
        if !output.success() {
            return Err(failed(&output, &doing()));
        }
        self.set_head(&self.admin_of(path)?, at)?;
        Ok(Added { created: true })
    }

    /// Makes files, index and HEAD of a worktree equal to a commit; the branch it was added with moves along. Ignored
    /// files stay: they are build caches. What else was in it is gone afterwards, so the caller has kept it before;
    /// repositories inside it are moved out.
    pub fn set_worktree(&self, path: &Path, to: &Oid) -> Result<()> {
        let admin = self.admin_of(path)?;
        let index = admin.join("index");
        let is_new = !index.exists() && !admin.join("index.lock").exists() && holds_only_the_link(path);
        if !is_new && !admin.join(FILLED).exists() {
            // The caller owns this worktree: whoever else is at work in it has no master any more.
            end_orphans(path);
        }
        for left in ["index.lock", FILLED] {
            unmark(&admin.join(left), || format!("unmark {}", path.display()))?;
        }
        match self.wanted_head(&admin)? {
            HeadOf::Branch(name) => {
                self.update_ref(&name, to, Expect::Any, "aura: worktree set")?;
                self.set_head(&admin, At::Branch(name.trim_start_matches("refs/heads/")))?;
            }
            HeadOf::Detached => self.set_head(&admin, At::Detached(to))?,
        }
        // The user's view of the work tree, not the one in the worktree's own folder: an agent can write there.
        let site = Site::Tree { work: path, index: &index };
        let doing = format!("check out {} in {}", to.short(), path.display());
        if !is_new {
            let entries = self.index_entries(&index).unwrap_or_else(|_| {
                let _ = std::fs::remove_file(&index);
                vec![]
            });
            // Where the user's own checkout is sparse, git finds anew what to leave out.
            self.uncover(&index, &entries, |_| true)?;
            self.move_nested_aside(path, &index, &entries, to)?;
        }
        let output = try_run(self.git(site).args(["read-tree", "--reset", "-u", to.as_str()]))?;
        if !output.success() {
            // An index that a killed agent left half-written is made anew.
            let _ = std::fs::remove_file(&index);
            run(self.git(site).args(["read-tree", "--reset", "-u", to.as_str()]), &doing)?;
        }
        if !is_new {
            self.remove_ignore_files(path, &index)?;
            run(self.git(site).args(["clean", "-fdq"]), &format!("clean {}", path.display()))?;
        }
        if let Err(error) = self.fill_submodules(path, &admin, to) {
            tracing::warn!(path = %path.display(), %error, "submodules stay empty");
        }
        self.mark_filled(&admin, to)
    }

    /// Writes down which commit a worktree holds.
    #[allow(clippy::unused_self)] // A step of the repository's, as the others are.
    pub(super) fn mark_filled(&self, admin: &Path, with: &Oid) -> Result<()> {
        write_whole(&admin.join(FILLED), with.as_str())
    }

    /// The commit that a worktree was filled with to the end, if it was. In one that was not, a missing file says nothing about
    /// anybody's work.
    #[must_use]
    pub fn filled_with(&self, path: &Path) -> Option<Oid> {
        let text = std::fs::read_to_string(self.admin_of(path).ok()?.join(FILLED)).ok()?;
        Oid::parse(text.trim()).ok()
    }

    /// Whether it was, for a worktree whose link to the repository was changed.
    pub(super) fn was_filled(admin: &Path) -> bool {
        admin.join(FILLED).exists()
    }

    /// The tree of what the index of a worktree holds.
    pub fn index_tree(&self, path: &Path) -> Result<Oid> {
        let admin = self.admin_of(path)?;
        self.write_tree(&admin.join("index"), "read the index of a worktree")
    }

    /// Brings a worktree whose branch was moved underneath to the branch's new commit, keeping local edits.
    ///
    /// # Errors
    /// [`GitError::LocalChanges`] when they are in the way; nothing is changed then.
    pub fn sync_checkout(&self, path: &Path, from: &Oid, to: &Oid) -> Result<()> {
        let admin = self.admin_of(path)?;
        let site = Site::Worktree { work: path, admin: &admin };
        let is_busy = || admin.join("index.lock").exists();
        let bring = || try_run(self.git(site).dir(path).args(["read-tree", "-m", "-u", from.as_str(), to.as_str()]));
        let mut was_busy = is_busy();
        let mut output = bring()?;
        if !output.success() {
            // A file that was only touched stands in the way until the index is told. Exit code 1 only says that something
            // needs an update.
            try_run(self.git(site).dir(path).args(["update-index", "-q", "--refresh"]))?;
            was_busy = is_busy();
            output = bring()?;
        }
        if output.success() {
            return Ok(());
        }
        if was_busy {
            return Err(failed(&output, &format!("bring {} up to date", path.display())));
        }
        Err(GitError::LocalChanges { path: path.to_owned() })
    }

    /// Removes a worktree that lies under `root`, the story's own folder. One that is gone already is fine. One whose
    /// link to the repository is gone was not kept by anybody, and is put aside instead.
    ///
    /// # Errors
    /// Refuses what lies elsewhere, what is not a worktree of this repository, and one that a person has locked.
    pub fn worktree_remove(&self, path: &Path, root: &Path) -> Result<()> {
        let climbs = path.components().any(|part| part == Component::ParentDir);
        let link = leads_elsewhere(path);
        let (inside, folder) = (if link.is_some() { path.to_owned() } else { plain(path) }, plain(root));
        if climbs || !inside.starts_with(&folder) || inside == folder {
            return Err(GitError::Occupied { path: path.to_owned() });
        }
        let _lock = self.metadata_lock()?;
        let admin = self.registered(path).ok();
        if let Some(admin) = &admin {
            refuse_locked(admin, path)?;
        }
        if path.symlink_metadata().is_ok() {
            let has_link = path.join(".git").symlink_metadata().is_ok();
            let is_empty = std::fs::read_dir(path).is_ok_and(|mut entries| entries.next().is_none());
            match &admin {
                // The link goes, and what it leads to stays.
                _ if link.as_deref() == Some(path) => remove_link(path)?,
                None if has_link => return Err(GitError::NotAWorktree { path: path.to_owned() }),
                Some(_) if !has_link && !is_empty => put_aside(path)?,
                Some(_) | None => std::fs::remove_dir_all(path).map_err(io(format!("remove {}", path.display())))?,
            }
        }
        match admin {
            Some(admin) => std::fs::remove_dir_all(&admin).map_err(io(format!("remove {}", admin.display()))),
            None => Ok(()),
        }
    }

    /// Repositories that an agent made inside the worktree: git leaves them alone or throws them away, so they are moved
    /// out first, not deleted. The submodules of `to` stay.
    fn move_nested_aside(&self, path: &Path, index: &Path, entries: &[Entry], to: &Oid) -> Result<()> {
        let mut names = self.nested(path, index, entries)?;
        let links: Vec<Vec<u8>> = links_in(entries).collect();
        if !links.is_empty() {
            let known = self.links_of(to)?;
            names.extend(links.into_iter().filter(|name| !known.iter().any(|(known, _)| known.as_bytes() == name)));
        }
        for name in names {
            let Some(folder) = on_disk(path, &name).filter(|folder| folder.join(".git").symlink_metadata().is_ok()) else { continue };
            let aside = free_name(path, "nested");
            tracing::warn!(from = %folder.display(), to = %aside.display(), "a repository inside a worktree is moved out");
            replace(&folder, &aside, || format!("move {} aside", folder.display()))?;
        }
        Ok(())
    }

    /// Removes every `.gitignore` that the commit does not have, from the folders that it has: what one agent chose to
    /// ignore would hide the work of the next.
    fn remove_ignore_files(&self, path: &Path, index: &Path) -> Result<()> {
        let entries = self.index_entries(index)?;
        let names: BTreeSet<&[u8]> = entries.iter().map(|entry| entry.name.as_slice()).collect();
        let folders: BTreeSet<&[u8]> = entries.iter().flat_map(|entry| folders_of(&entry.name)).chain([&b""[..]]).collect();
        for folder in folders {
            let name = if folder.is_empty() { b".gitignore".to_vec() } else { [folder, b"/.gitignore"].concat() };
            let file = on_disk(path, folder).map(|folder| folder.join(".gitignore"));
            if !names.contains(name.as_slice())
                && let Some(file) = file.filter(|file| file.symlink_metadata().is_ok_and(|meta| !meta.is_dir()))
            {
                std::fs::remove_file(&file).map_err(io(format!("remove {}", file.display())))?;
            }
        }
        Ok(())
    }
}

fn holds_only_the_link(path: &Path) -> bool {
    std::fs::read_dir(path).is_ok_and(|entries| entries.flatten().all(|entry| entry.file_name() == ".git"))
}

pub(super) fn remove_link(path: &Path) -> Result<()> {
    // On Windows a link to a folder is removed as a folder.
    std::fs::remove_file(path).or_else(|_| std::fs::remove_dir(path)).map_err(io(format!("remove {}", path.display())))
}

//! Submodules of a worktree: filled from the user's own checkout as far as that has them, without the network and
//! without a word in the user's configuration. Best effort: where it does not work, the folder stays empty.

use super::admin::{free_name, replace};
use super::cmd::{Site, failed, parts, run, try_run};
use super::{GitError, Repo, Result, again, io};
use crate::domain::Oid;
use std::path::{Component, Path};

/// How deep submodules of submodules are followed.
const DEPTH_MAX: u32 = 8;

impl Repo {
    /// Fills the submodules of `commit` in a worktree that has just been set to it.
    pub(super) fn fill_submodules(&self, worktree: &Path, admin: &Path, commit: &Oid) -> Result<()> {
        self.fill_below(worktree, &admin.join("modules"), commit, 0)
    }

    /// `self` is the repository of the user's checkout, at any depth; `modules` is where the copies' git folders go.
    fn fill_below(&self, work: &Path, modules: &Path, commit: &Oid, depth: u32) -> Result<()> {
        let none_is_filled = !self.git_dir.join("modules").is_dir() && !self.root.join(".gitmodules").exists();
        if depth > DEPTH_MAX || none_is_filled {
            return Ok(());
        }
        let links = self.links_of(commit)?;
        if links.is_empty() {
            return Ok(());
        }
        for (name, path) in self.declared(commit)? {
            let Some((_, wanted)) = links.iter().find(|(link, _)| *link == path) else { continue };
            let (is_safe, own) = (is_plain(&name) && is_plain(&path), self.git_dir.join("modules").join(&name));
            let inside = self.root.join(&path).join(".git");
            let source = if own.is_dir() { own } else { inside.clone() };
            if !is_safe || !inside.exists() || !source.is_dir() {
                continue;
            }
            let (target, git_dir) = (work.join(&path), modules.join(&name));
            let theirs = Repo::of(self.root.join(&path), &source, false, false);
            theirs.copy_to(&target, &git_dir, wanted)?;
            theirs.fill_below(&target, &git_dir.join("modules"), wanted, depth + 1)?;
        }
        Ok(())
    }

    /// Name and path of every submodule that a commit declares.
    fn declared(&self, commit: &Oid) -> Result<Vec<(String, String)>> {
        let blob = format!("{commit}:.gitmodules");
        let args = ["config", "--null", "--blob", &blob, "--get-regexp", r"^submodule\..*\.path$"];
        let output = try_run(self.git(Site::Objects).args(args))?;
        let one = |line: String| {
            let (key, path) = line.split_once('\n')?;
            Some((key.strip_prefix("submodule.")?.strip_suffix(".path")?.to_owned(), path.to_owned()))
        };
        Ok(parts(&output.stdout).filter_map(one).collect())
    }

    /// A copy of this submodule at `target`, standing at `wanted`. One that stands there already stays as it is.
    fn copy_to(&self, target: &Path, git_dir: &Path, wanted: &Oid) -> Result<()> {
        let head = std::fs::read_to_string(git_dir.join("HEAD")).unwrap_or_default();
        if target.join(".git").exists() && head.trim() == wanted.as_str() {
            return Ok(());
        }
        let doing = format!("fill the submodule {}", target.display());
        let parent = git_dir.parent().unwrap_or(git_dir);
        std::fs::create_dir_all(parent).map_err(io(format!("create {}", parent.display())))?;
        let mut separate = std::ffi::OsString::from("--separate-git-dir=");
        separate.push(git_dir);
        let clone = self.git(Site::Elsewhere(parent)).args(["clone", "--quiet", "--local", "--no-checkout", "--template="]).arg(separate);
        let clone = clone.arg("--").arg(&self.git_dir).arg(target);
        let cloned = again::despite_kills(|| {
            // What an agent did inside is not part of any snapshot, so it is kept.
            for old in [target, git_dir].into_iter().filter(|old| std::fs::read_dir(old).is_ok_and(|mut inside| inside.next().is_some())) {
                replace(old, &free_name(git_dir, "old"), || format!("move {} aside", old.display()))?;
            }
            try_run(clone.clone())
        })?;
        if !cloned.success() {
            return Err(failed(&cloned, &doing));
        }
        let copy = Repo::of(target.to_owned(), git_dir, false, false);
        let url = try_run(self.git(Site::Objects).args(["config", "--get", "remote.origin.url"]))?;
        if url.success() {
            run(copy.git(Site::Objects).args(["config", "remote.origin.url", &url.stdout_text()]), &doing)?;
        }
        if copy.resolve(wanted.as_str())?.is_none() {
            return Err(GitError::Failed { doing, stderr: format!("your own copy of it does not have {}", wanted.short()) });
        }
        run(copy.git(Site::Objects).args(["update-ref", "--no-deref", "HEAD", wanted.as_str()]), &doing)?;
        let site = Site::Tree { work: target, index: &git_dir.join("index") };
        run(copy.git(site).args(["read-tree", "--reset", "-u", wanted.as_str()]), &doing)?;
        Ok(())
    }
}

/// A relative path that stays where it is joined to.
fn is_plain(name: &str) -> bool {
    !name.is_empty()
        && Path::new(name).components().all(|part| matches!(part, Component::Normal(part) if !part.eq_ignore_ascii_case(".git")))
}

//! Files that the build needs but git ignores: `.worktreeinclude` names them, in the syntax of `.gitignore`.

use super::cmd::{Site, on_disk, raw_parts, run, try_run};
use super::{Repo, Result, io};
use std::path::{Component, Path, PathBuf};

/// Most files that are brought in.
const FILES_MAX: usize = 20_000;

impl Repo {
    /// Copies what `.worktreeinclude` matches *and* git ignores from the user's checkout: files, links that stay inside, and links to
    /// programs, as an environment has one to its interpreter. What is there already stays as it is. Returns what was copied, and what was left out.
    pub fn include(&self, worktree: &Path) -> Result<Included> {
        let list = self.root.join(".worktreeinclude");
        let mut included = Included::default();
        if !list.is_file() {
            return Ok(included);
        }
        let index = self.git_dir.join("index");
        let site = Site::Tree { work: &self.root, index: &index };
        let mut from = std::ffi::OsString::from("--exclude-from=");
        from.push(&list);
        let wanted = run(self.git(site).args(["ls-files", "-z", "--others", "--ignored"]).arg(from), "read .worktreeinclude")?;
        let check = self.git(site).args(["check-ignore", "-z", "--stdin"]).stdin(wanted.stdout);
        let ignored = try_run(check)?;
        for (number, name) in raw_parts(&ignored.stdout).enumerate() {
            let Some(source) = on_disk(&self.root, name) else { continue };
            let name = source.strip_prefix(&self.root).unwrap_or(&source).to_owned();
            let target = worktree.join(&name);
            // What exists is somebody's work.
            if target.symlink_metadata().is_ok() {
                continue;
            }
            let text = name.to_string_lossy().into_owned();
            let Some(kind) = kind_of(&self.root, &source).filter(|_| number < FILES_MAX && !leads_away(worktree, &name)) else {
                included.left_out.push(text);
                continue;
            };
            let parent = target.parent().unwrap_or(worktree);
            std::fs::create_dir_all(parent).map_err(io(format!("create {}", parent.display())))?;
            let doing = || format!("copy {}", name.display());
            match kind {
                Kind::File => drop(std::fs::copy(&source, &target).map_err(io(doing()))?),
                Kind::Link(to) => link(&to, &target, source.is_dir()).map_err(io(doing()))?,
            }
            included.copied.push(text);
        }
        Ok(included)
    }
}

/// What was brought into a worktree.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Included {
    pub copied: Vec<String>,
    /// Links that lead out of the repository, special files, and what is beyond the most that is brought in.
    pub left_out: Vec<String>,
}

enum Kind {
    File,
    /// A link, and where it leads.
    Link(PathBuf),
}

/// None for what is not brought in: data that a link reaches outside of the repository would be shared by all worktrees.
fn kind_of(root: &Path, source: &Path) -> Option<Kind> {
    let meta = source.symlink_metadata().ok()?;
    if meta.is_file() {
        return Some(Kind::File);
    }
    let to = std::fs::read_link(source).ok()?;
    if stays_inside(root, source, &to) {
        return Some(Kind::Link(to));
    }
    let program = program_outside(root, source)?;
    // From the worktree a relative link would lead elsewhere, and one into the checkout back there.
    Some(Kind::Link(if to.is_absolute() && !to.starts_with(root) { to } else { program }))
}

fn stays_inside(root: &Path, source: &Path, to: &Path) -> bool {
    // Step by step, without following other links: these are brought in, or not, by themselves.
    let Some(mut at) = source.parent().map(Path::to_owned) else { return false };
    for part in to.components() {
        match part {
            Component::ParentDir => drop(at.pop()),
            Component::Normal(name) => at.push(name),
            Component::CurDir => {}
            Component::RootDir | Component::Prefix(_) => return false,
        }
        if !at.starts_with(root) || at.starts_with(root.join(".git")) {
            return false;
        }
    }
    true
}

/// The file that a link leads to in the end, if it is a program outside of the repository.
fn program_outside(root: &Path, source: &Path) -> Option<PathBuf> {
    let (root, program) = (root.canonicalize().ok()?, source.canonicalize().ok()?);
    (!program.starts_with(root) && is_program(&program)).then_some(program)
}

#[cfg(unix)]
fn is_program(path: &Path) -> bool {
    use std::os::unix::fs::PermissionsExt;
    path.metadata().is_ok_and(|meta| meta.is_file() && meta.permissions().mode() & 0o111 != 0)
}

#[cfg(windows)]
fn is_program(path: &Path) -> bool {
    path.is_file() && path.extension().is_some_and(|ending| ending.eq_ignore_ascii_case("exe"))
}

#[cfg(unix)]
fn link(to: &Path, at: &Path, _is_folder: bool) -> std::io::Result<()> {
    std::os::unix::fs::symlink(to, at)
}

#[cfg(windows)]
fn link(to: &Path, at: &Path, is_folder: bool) -> std::io::Result<()> {
    if is_folder { std::os::windows::fs::symlink_dir(to, at) } else { std::os::windows::fs::symlink_file(to, at) }
}

/// Whether one of the folders on the way to a file is a link.
fn leads_away(worktree: &Path, name: &Path) -> bool {
    name.ancestors().skip(1).any(|folder| worktree.join(folder).symlink_metadata().is_ok_and(|meta| meta.is_symlink()))
}

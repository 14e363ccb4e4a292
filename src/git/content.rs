//! What is in a worktree, as a tree. The worktree was written by an agent and is hostile: it is read with an index of our
//! own and through the common folder, so that nothing planted in it has a say, and git never looks into a repository
//! inside it (that would run what is configured there).

use super::cmd::{Site, oid, on_disk, parts, raw_parts, run, try_run};
use super::refs::ours;
use super::{GitError, Repo, Result};
use crate::domain::Oid;
use crate::proc::Exit;
use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

/// What becomes of a repository inside a worktree.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Nested {
    /// Nothing is read: [`GitError::NestedRepository`].
    Refuse,
    /// Its files are taken like all others. What cannot be read is left out.
    AsFiles,
}

/// One line of an index.
pub(super) struct Entry {
    /// Git's letter: `H`, `S` for skipped; small when assumed to be unchanged.
    tag: u8,
    is_link: bool,
    pub(super) name: Vec<u8>,
}

impl Entry {
    /// As libgit2 reads it; none when it cannot be what git would have written.
    fn of_library(entry: git2::IndexEntry) -> Option<Entry> {
        let is_skipped = entry.flags_extended & git2::IndexEntryExtendedFlag::SKIP_WORKTREE.bits() != 0;
        let is_assumed = entry.flags & git2::IndexEntryFlag::VALID.bits() != 0;
        let tag = if is_skipped { b'S' } else { b'H' };
        let tag = if is_assumed { tag.to_ascii_lowercase() } else { tag };
        let is_sound = is_name(&entry.path) && !entry.id.is_zero();
        is_sound.then_some(Entry { tag, is_link: entry.mode == 0o160_000, name: entry.path })
    }
}

const PRIVATE_INDEX: &str = "aura-index-";
/// How deep repositories inside repositories are followed.
const DEPTH_MAX: u32 = 8;

impl Repo {
    /// The tree of a worktree's content, written through a private index at `index` (see [`private_index`]), which starts
    /// as a copy of the worktree's own.
    /// `base` says which links to other repositories (submodules) are known; these stay as the base has them.
    pub(super) fn tree_from(&self, worktree: &Path, admin: &Path, index: &Path, base: &Oid, nested: Nested) -> Result<Oid> {
        let mut entries = self.seed_index(worktree, admin, index, base)?;
        self.uncover(index, &entries, |name| on_disk(worktree, name).is_some())?;
        let known = self.settle_links(index, &mut entries, base, nested)?;
        let found = match nested {
            Nested::Refuse => self.nested(worktree, index, &entries)?,
            // A `.git` beside tracked files does not keep git from reading them.
            Nested::AsFiles => self.nested(worktree, index, &[])?,
        };
        if let (Nested::Refuse, Some(name)) = (nested, found.first()) {
            return Err(GitError::NestedRepository { path: String::from_utf8_lossy(name).into_owned() });
        }
        self.add_all(worktree, index, known.iter().chain(&found), nested)?;
        for name in &found {
            self.add_nested(worktree, index, name, 0)?;
        }
        self.write_tree(index, "write the tree of a worktree")
    }

    /// The tree of an index.
    pub(super) fn write_tree(&self, index: &Path, doing: &str) -> Result<Oid> {
        if let Some(Ok(tree)) = self.library().map(|repo| git2::Index::open(index)?.write_tree_to(&repo)) {
            return Ok(ours(tree));
        }
        oid(&run(self.git(Site::Index(index)).arg("write-tree"), doing)?, doing)
    }

    /// A copy of the worktree's own index spares hashing every file again; a broken one is made anew from the base.
    /// Returns what it holds.
    fn seed_index(&self, worktree: &Path, admin: &Path, index: &Path, base: &Oid) -> Result<Vec<Entry>> {
        remove_index(index);
        if copy_with_its_time(&admin.join("index"), index).is_ok() {
            // A split index has its other half in the worktree's own folder: made whole there, before it is read elsewhere.
            let site = Site::Worktree { work: worktree, admin };
            let is_split = std::fs::read_dir(admin).is_ok_and(|mut entries| entries.any(is_shared_index));
            let whole = || self.git(site).env("GIT_INDEX_FILE", index).args(["update-index", "--no-split-index"]);
            if (!is_split || try_run(whole())?.success())
                && let Ok(entries) = self.index_entries(index)
            {
                return Ok(entries);
            }
            remove_index(index);
        }
        run(self.git(Site::Index(index)).args(["read-tree", base.as_str()]), "make an index")?;
        self.skip_what_is_sparse(index)?;
        self.index_entries(index)
    }

    /// In a sparse checkout, files outside are absent because they were never written, not because they were removed.
    fn skip_what_is_sparse(&self, index: &Path) -> Result<()> {
        if !self.is_set("core.sparseCheckout")? {
            return Ok(());
        }
        let doing = "find what a sparse checkout leaves out";
        let names: BTreeSet<Vec<u8>> = self.index_entries(index)?.into_iter().map(|entry| entry.name).collect();
        let check = self.git(Site::Index(index)).args(["sparse-checkout", "check-rules", "-z"]).stdin(lines(&names));
        let inside: BTreeSet<Vec<u8>> = raw_parts(&run(check, doing)?.stdout).map(<[u8]>::to_vec).collect();
        self.mark(index, "--skip-worktree", names.difference(&inside))
    }

    /// What an index holds. Git itself reads one that was cut short without a word, so what cannot be in one is an error.
    pub(super) fn index_entries(&self, index: &Path) -> Result<Vec<Entry>> {
        if let Some(Ok(index)) = self.library().map(|_| git2::Index::open(index)) {
            let entries: Option<Vec<Entry>> = index.iter().map(Entry::of_library).collect();
            if let Some(entries) = entries {
                return Ok(entries);
            }
        }
        let doing = "list an index";
        let output = run(self.git(Site::Index(index)).args(["ls-files", "-s", "-v", "-z"]), doing)?;
        let entries: Option<Vec<Entry>> = raw_parts(&output.stdout).map(entry).collect();
        entries.ok_or_else(|| GitError::Failed { doing: doing.into(), stderr: "it is damaged".into() })
    }

    /// Files that the index was told not to look at are looked at again; of those that a sparse checkout may have left out,
    /// only the ones that are asked for.
    pub(super) fn uncover(&self, index: &Path, entries: &[Entry], skipped_too: impl Fn(&[u8]) -> bool) -> Result<()> {
        let assumed = entries.iter().filter(|entry| entry.tag.is_ascii_lowercase()).map(|entry| &entry.name);
        self.mark(index, "--no-assume-unchanged", assumed)?;
        let skipped = entries.iter().filter(|entry| entry.tag.eq_ignore_ascii_case(&b'S'));
        let skipped = skipped.map(|entry| &entry.name).filter(|name| skipped_too(name));
        self.mark(index, "--no-skip-worktree", skipped)
    }

    fn mark<'a>(&self, index: &Path, how: &str, names: impl Iterator<Item = &'a Vec<u8>>) -> Result<()> {
        let names = lines(names);
        if names.is_empty() {
            return Ok(());
        }
        run(self.git(Site::Index(index)).args(["update-index", how, "-z", "--stdin"]).stdin(names), "mark files of an index")?;
        Ok(())
    }

    /// Links to other repositories: those of the base are put back to what the base says, others are refused or dropped.
    /// Returns the ones that stay.
    fn settle_links(&self, index: &Path, entries: &mut Vec<Entry>, base: &Oid, nested: Nested) -> Result<BTreeSet<Vec<u8>>> {
        if !entries.iter().any(|entry| entry.is_link) {
            return Ok(BTreeSet::new());
        }
        let listed = run(self.git(Site::Objects).args(["ls-tree", "-r", "-z", "--full-tree", base.as_str()]), "list the base")?;
        let link = |line: &&[u8]| line.starts_with(b"160000 ");
        let name_of = |line: &[u8]| line.iter().position(|&byte| byte == b'\t').map(|tab| line[tab + 1..].to_vec());
        let in_base: Vec<&[u8]> = raw_parts(&listed.stdout).filter(link).collect();
        let names: BTreeSet<Vec<u8>> = in_base.iter().filter_map(|line| name_of(line)).collect();
        let (known, planted): (Vec<&Entry>, Vec<&Entry>) =
            entries.iter().filter(|entry| entry.is_link).partition(|entry| names.contains(&entry.name));
        if let (Nested::Refuse, Some(entry)) = (nested, planted.first()) {
            return Err(GitError::NestedRepository { path: String::from_utf8_lossy(&entry.name).into_owned() });
        }
        self.mark(index, "--force-remove", planted.iter().map(|entry| &entry.name))?;
        let known: BTreeSet<Vec<u8>> = known.into_iter().map(|entry| entry.name.clone()).collect();
        let put_back: Vec<u8> = in_base
            .iter()
            .filter(|line| name_of(line).is_some_and(|name| known.contains(&name)))
            .flat_map(|line| line.iter().copied().chain([0]))
            .collect();
        run(self.git(Site::Index(index)).args(["update-index", "-z", "--index-info"]).stdin(put_back), "put submodules back")?;
        entries.retain(|entry| !entry.is_link || known.contains(&entry.name));
        Ok(known)
    }

    /// Repositories inside a worktree: untracked folders that git takes for one, and folders of tracked files that hold a
    /// `.git`. Submodules that the index knows are not among them. What is ignored is not looked at.
    pub(super) fn nested(&self, worktree: &Path, index: &Path, entries: &[Entry]) -> Result<Vec<Vec<u8>>> {
        let list = ["ls-files", "-z", "--others", "--exclude-standard"];
        let output = run(self.git(Site::Tree { work: worktree, index }).args(list), "list untracked files")?;
        let untracked = raw_parts(&output.stdout).filter_map(|name| name.strip_suffix(b"/")).map(<[u8]>::to_vec);
        let folders: BTreeSet<&[u8]> = entries.iter().filter(|entry| !entry.is_link).flat_map(|entry| folders_of(&entry.name)).collect();
        let holds_one = |name: &&[u8]| on_disk(worktree, name).is_some_and(|folder| folder.join(".git").symlink_metadata().is_ok());
        let mut found: Vec<Vec<u8>> = untracked.chain(folders.into_iter().filter(holds_one).map(<[u8]>::to_vec)).collect();
        found.sort();
        // Whatever is moved or read as a whole takes what is inside it along.
        found.dedup_by(|inner, outer| inner == outer || inner.strip_prefix(&outer[..]).is_some_and(|rest| rest.starts_with(b"/")));
        Ok(found)
    }

    /// `git add -A`, without what git must not look into.
    pub(super) fn add_all<'a>(
        &self,
        worktree: &Path,
        index: &Path,
        except: impl Iterator<Item = &'a Vec<u8>>,
        nested: Nested,
    ) -> Result<()> {
        let mut paths = b":(top)\0".to_vec();
        for name in except {
            paths.extend_from_slice(b":(top,exclude,literal)");
            paths.extend_from_slice(name);
            paths.push(0);
        }
        // A new file outside of what a sparse checkout holds is work like any other.
        let add = ["add", "-A", "--sparse", "--pathspec-from-file=-", "--pathspec-file-nul"];
        let cmd = self.git(Site::Tree { work: worktree, index }).args(add);
        let doing = format!("read {}", worktree.display());
        match nested {
            Nested::Refuse => run(cmd.stdin(paths), &doing).map(|_| ()),
            // Exit code 1: one file or another could not be read, the rest was.
            Nested::AsFiles => {
                let output = try_run(cmd.arg("--ignore-errors").stdin(paths))?;
                match output.exit {
                    Exit::Code(0 | 1) => Ok(()),
                    Exit::Code(_) | Exit::Signal(_) | Exit::DeadlinePassed => Err(super::cmd::failed(&output, &doing)),
                }
            }
        }
    }

    /// The files of a repository inside a worktree, as files under its name.
    pub(super) fn add_nested(&self, worktree: &Path, index: &Path, name: &[u8], depth: u32) -> Result<()> {
        let (Some(folder), Ok(prefix)) = (on_disk(worktree, name), std::str::from_utf8(name)) else { return Ok(()) };
        if depth > DEPTH_MAX {
            return Ok(());
        }
        let mut own = index.as_os_str().to_owned();
        own.push(format!(".{depth}"));
        let own = PathBuf::from(own);
        remove_index(&own);
        let deeper = self.nested(&folder, &own, &[])?;
        self.add_all(&folder, &own, deeper.iter(), Nested::AsFiles)?;
        for name in &deeper {
            self.add_nested(&folder, &own, name, depth + 1)?;
        }
        let doing = format!("keep the files of {}", folder.display());
        let tree = self.write_tree(&own, &doing)?;
        remove_index(&own);
        run(self.git(Site::Index(index)).args(["read-tree", "-i"]).arg(format!("--prefix={prefix}/")).arg(tree.as_str()), &doing)?;
        Ok(())
    }

    /// Links to other repositories in a tree, by name.
    pub(super) fn links_of(&self, tree: &Oid) -> Result<Vec<(String, Oid)>> {
        let listed = run(self.git(Site::Objects).args(["ls-tree", "-r", "-z", "--full-tree", tree.as_str()]), "list a tree")?;
        let link = |line: String| {
            let (meta, name) = line.strip_prefix("160000 commit ")?.split_once('\t')?;
            Some((name.to_owned(), Oid::parse(meta).ok()?))
        };
        Ok(parts(&listed.stdout).filter_map(link).collect())
    }
}

/// The names of links to other repositories.
pub(super) fn links_in(entries: &[Entry]) -> impl Iterator<Item = Vec<u8>> {
    entries.iter().filter(|entry| entry.is_link).map(|entry| entry.name.clone())
}

/// `H 100644 <id> 0<TAB>name`
fn entry(line: &[u8]) -> Option<Entry> {
    let tab = line.iter().position(|&byte| byte == b'\t')?;
    let mut fields = line[..tab].split(|&byte| byte == b' ');
    let (tag, mode, id) = (fields.next()?, fields.next()?, fields.next()?);
    let name = &line[tab + 1..];
    let is_sound = is_name(name) && id.iter().any(|&digit| digit != b'0');
    is_sound.then(|| Entry { tag: tag.first().copied().unwrap_or_default(), is_link: mode == b"160000", name: name.to_vec() })
}

fn is_name(name: &[u8]) -> bool {
    name.split(|&byte| byte == b'/').all(|part| !part.is_empty() && part != b"." && part != b"..")
}

/// The folders that a name lies in, `a` and `a/b` of `a/b/c`.
pub(super) fn folders_of(name: &[u8]) -> impl Iterator<Item = &[u8]> {
    name.iter().enumerate().filter(|(_, byte)| **byte == b'/').map(|(at, _)| &name[..at])
}

fn lines<'a>(names: impl IntoIterator<Item = &'a Vec<u8>>) -> Vec<u8> {
    names.into_iter().flat_map(|name| name.iter().copied().chain([0])).collect()
}

/// Git looks into files that were written in the same moment as the index, even where size and time say that nothing has
/// changed. A copy with a time of its own would hide an edit made right after a checkout (`tests/git/property.rs` found
/// one).
fn copy_with_its_time(from: &Path, to: &Path) -> std::io::Result<()> {
    let written = from.metadata()?.modified()?;
    std::fs::copy(from, to)?;
    std::fs::File::options().write(true).open(to)?.set_modified(written)
}

fn is_shared_index(entry: std::io::Result<std::fs::DirEntry>) -> bool {
    entry.is_ok_and(|entry| entry.file_name().to_string_lossy().starts_with("sharedindex."))
}

/// Where the copy of a worktree's index goes. The name is this process's own: a git that outlived a killed one may still
/// be writing to another. What such left is removed.
pub(super) fn private_index(admin: &Path) -> PathBuf {
    for left in std::fs::read_dir(admin).into_iter().flatten().flatten() {
        if left.file_name().to_string_lossy().starts_with(PRIVATE_INDEX) {
            let _ = std::fs::remove_file(left.path());
        }
    }
    admin.join(format!("{PRIVATE_INDEX}{}", std::process::id()))
}

/// Removes an index of ours and the lock that a killed git left on it.
pub(super) fn remove_index(index: &Path) {
    let mut lock = index.as_os_str().to_owned();
    lock.push(".lock");
    for path in [index, Path::new(&lock)] {
        let _ = std::fs::remove_file(path);
    }
}

//! What an agent wrote and git ignores: no commit holds it, so it is named. What tools make (packages, caches, builds) is
//! not: nobody misses it.

use super::admin::write_whole;
use super::cmd::{Site, parts, run, try_run};
use super::{Repo, Result};
use std::collections::BTreeMap;
use std::path::Path;
use std::time::UNIX_EPOCH;

/// In a worktree's own git folder: what was ignored in it before the first agent started.
const RECORD: &str = "aura-ignored";
/// A folder with more files than this is named as a whole.
const FILES_OF_FOLDER_MAX: usize = 5;
/// Most entries of one folder that are looked at.
const ENTRIES_MAX: usize = 5_000;
/// Folders that only tools write, wherever they are.
const OF_TOOLS: [&str; 29] = [
    "node_modules",
    "bower_components",
    "__pycache__",
    ".venv",
    "venv",
    ".tox",
    ".nox",
    ".eggs",
    ".pytest_cache",
    ".mypy_cache",
    ".ruff_cache",
    ".hypothesis",
    "htmlcov",
    ".gradle",
    ".next",
    ".nuxt",
    ".svelte-kit",
    ".angular",
    ".vite",
    ".turbo",
    ".parcel-cache",
    ".nyc_output",
    ".cache",
    ".terraform",
    ".dart_tool",
    ".bundle",
    ".vs",
    ".build",
    "Pods",
];
/// Folders that tools write beside a file that tells them what to build; elsewhere somebody may have meant their source.
const OF_BUILDS: [&str; 7] = ["target", "dist", "build", "out", "bin", "obj", "coverage"];
const MANIFESTS: [&str; 15] = [
    "package.json",
    "Cargo.toml",
    "pyproject.toml",
    "setup.py",
    "pom.xml",
    "build.gradle",
    "build.gradle.kts",
    "CMakeLists.txt",
    "Makefile",
    "go.mod",
    "composer.json",
    "mix.exs",
    "Package.swift",
    "pubspec.yaml",
    "build.sbt",
];
const MANIFEST_ENDINGS: [&str; 4] = ["csproj", "fsproj", "vbproj", "sln"];
/// By the convention of <https://bford.info/cachedir/>.
const CACHE_TAG: &str = "CACHEDIR.TAG";
const FILE_ENDINGS: [&str; 6] = ["pyc", "pyo", "o", "obj", "class", "tsbuildinfo"];
const FILES_OF_SYSTEMS: [&str; 2] = [".DS_Store", "Thumbs.db"];

/// A file, or a folder whose name ends with a slash.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Ignored {
    pub path: String,
    /// Where git is told so, and the pattern, for people.
    pub by: String,
}

impl Repo {
    /// Writes down what is ignored in a worktree now, unless that was done before: what an agent adds later is its own.
    pub fn remember_ignored(&self, worktree: &Path) -> Result<()> {
        let record = self.admin_of(worktree)?.join(RECORD);
        if record.exists() {
            return Ok(());
        }
        let lines = self.ignored_in(worktree)?.into_iter().map(|(name, stamp)| format!("{stamp} {name}\0"));
        write_whole(&record, &lines.collect::<String>())
    }

    /// What was written into a worktree since, and git ignores: the first so many, and how many there are.
    pub fn newly_ignored(&self, worktree: &Path, max: usize) -> Result<(Vec<Ignored>, usize)> {
        let record = std::fs::read_to_string(self.admin_of(worktree)?.join(RECORD)).unwrap_or_default();
        let before: BTreeMap<&str, &str> =
            record.split('\0').filter_map(|line| line.split_once(' ')).map(|(stamp, name)| (name, stamp)).collect();
        let is_new = |(name, stamp): &(String, String)| before.get(name.as_str()) != Some(&stamp.as_str());
        let new: Vec<String> = self.ignored_in(worktree)?.into_iter().filter(is_new).map(|(name, _)| name).collect();
        if new.is_empty() {
            return Ok((vec![], 0));
        }
        let count = new.len();
        let named: Vec<String> = new.into_iter().take(max).collect();
        let why = self.why_ignored(worktree, &named)?;
        let of = |path: String| Ignored { by: why.get(&path).cloned().unwrap_or_else(|| "git's rules".into()), path };
        Ok((named.into_iter().map(of).collect(), count))
    }

    /// By name: a stamp that changes when something is written.
    fn ignored_in(&self, worktree: &Path) -> Result<BTreeMap<String, String>> {
        let index = self.admin_of(worktree)?.join("index");
        let list = ["ls-files", "-z", "--others", "--ignored", "--exclude-standard", "--directory"];
        let listed = run(self.git(Site::Tree { work: worktree, index: &index }).args(list), "list what git ignores")?;
        let mut found = BTreeMap::new();
        for name in parts(&listed.stdout).filter(|name| !is_of_tools(worktree, name)) {
            let Some(folder) = name.strip_suffix('/') else {
                found.insert(name.clone(), Stamp::of(&worktree.join(&name)).to_text());
                continue;
            };
            let mut files = BTreeMap::new();
            look_through(worktree, folder, &mut files, &mut ENTRIES_MAX.clone());
            if files.len() > FILES_OF_FOLDER_MAX {
                found.insert(name, files.values().fold(Stamp::default(), Stamp::with).to_text());
            } else {
                found.extend(files.into_iter().map(|(name, stamp)| (name, stamp.to_text())));
            }
        }
        Ok(found)
    }

    fn why_ignored(&self, worktree: &Path, names: &[String]) -> Result<BTreeMap<String, String>> {
        let index = self.admin_of(worktree)?.join("index");
        let asked: Vec<u8> = names.iter().flat_map(|name| name.bytes().chain([0])).collect();
        let cmd = self.git(Site::Tree { work: worktree, index: &index }).args(["check-ignore", "-v", "-z", "--stdin"]);
        let said = try_run(cmd.stdin(asked))?;
        // Source, line, pattern and name; the number of the line means nothing to who cannot see the file.
        let fields: Vec<String> = said.stdout.split(|&byte| byte == 0).map(|part| String::from_utf8_lossy(part).into_owned()).collect();
        let of = |four: &[String]| match four {
            [source, _, pattern, name] => Some((name.clone(), format!("{} (`{pattern}`)", list_of_patterns(source)))),
            _ => None,
        };
        Ok(fields.chunks(4).filter_map(of).collect())
    }
}

fn list_of_patterns(source: &str) -> String {
    let source = source.replace('\\', "/");
    if source.ends_with("info/exclude") {
        "`.git/info/exclude`".into()
    } else if Path::new(&source).is_absolute() {
        "the user's own list".into()
    } else {
        format!("`{source}`")
    }
}

/// What tells one content of a file or folder from another, cheaply.
#[derive(Default)]
struct Stamp {
    files: u64,
    bytes: u64,
    latest_ns: u128,
}

impl Stamp {
    fn of(path: &Path) -> Stamp {
        let Ok(meta) = path.symlink_metadata() else { return Stamp::default() };
        let written = meta.modified().ok().and_then(|at| at.duration_since(UNIX_EPOCH).ok());
        Stamp { files: 1, bytes: meta.len(), latest_ns: written.map_or(0, |at| at.as_nanos()) }
    }
    fn with(self, other: &Stamp) -> Stamp {
        Stamp { files: self.files + other.files, bytes: self.bytes + other.bytes, latest_ns: self.latest_ns.max(other.latest_ns) }
    }
    fn to_text(&self) -> String {
        format!("{}.{}.{}", self.files, self.bytes, self.latest_ns)
    }
}

/// The files below an ignored folder. Links are not followed.
fn look_through(worktree: &Path, folder: &str, files: &mut BTreeMap<String, Stamp>, left: &mut usize) {
    for entry in std::fs::read_dir(worktree.join(folder)).into_iter().flatten().flatten() {
        if *left == 0 {
            return;
        }
        *left -= 1;
        let name = format!("{folder}/{}", entry.file_name().to_string_lossy());
        if entry.file_type().is_ok_and(|kind| kind.is_dir()) {
            if !is_of_tools(worktree, &format!("{name}/")) {
                look_through(worktree, &name, files, left);
            }
        } else if !is_of_tools(worktree, &name) {
            files.insert(name, Stamp::of(&entry.path()));
        }
    }
}

/// Whether a file, or a folder whose name ends with a slash, is made by a tool.
fn is_of_tools(worktree: &Path, name: &str) -> bool {
    let ends = name.char_indices().filter(|(_, c)| *c == '/').map(|(at, _)| at);
    if ends.map(|end| &name[..end]).any(|folder| is_folder_of_tools(worktree, folder)) {
        return true;
    }
    let file = name.rsplit('/').next().unwrap_or_default();
    FILES_OF_SYSTEMS.contains(&file) || Path::new(file).extension().is_some_and(|ending| FILE_ENDINGS.iter().any(|known| ending == *known))
}

fn is_folder_of_tools(worktree: &Path, folder: &str) -> bool {
    let (above, name) = folder.rsplit_once('/').unwrap_or(("", folder));
    OF_TOOLS.contains(&name)
        || name.ends_with(".egg-info")
        || (OF_BUILDS.contains(&name) && holds_a_manifest(&worktree.join(above)))
        || worktree.join(folder).join(CACHE_TAG).is_file()
}

fn holds_a_manifest(folder: &Path) -> bool {
    let ends_like_one = |entry: std::fs::DirEntry| {
        let name = entry.file_name();
        Path::new(&name).extension().is_some_and(|ending| MANIFEST_ENDINGS.iter().any(|known| ending == *known))
    };
    MANIFESTS.iter().any(|name| folder.join(name).is_file())
        || std::fs::read_dir(folder).is_ok_and(|entries| entries.flatten().any(ends_like_one))
}

//! A place of its own for one test: a home with a git configuration, a folder with an odd name, and a process in which
//! nothing of the developer's own git environment is left.

use aura::domain::Oid;
use aura::git::{At, Repo, Snapshot, SnapshotRequest};
use jiff::Timestamp;
use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

/// Each look at a worktree is an attempt of its own: what was pinned for an earlier one does not count.
static LOOKS: std::sync::atomic::AtomicU32 = std::sync::atomic::AtomicU32::new(0);
const HERE: &str = "AURA_GIT_LAB";

pub struct Lab {
    dir: PathBuf,
}

/// Runs the body in a process of its own: this very test, asked for by name.
pub fn alone<F: FnOnce(&Lab)>(body: F) {
    alone_with(&[], body);
}

/// The same with more variables.
pub fn alone_with<F: FnOnce(&Lab)>(more: &[(&str, &str)], body: F) {
    let name = std::any::type_name::<F>();
    let name = name.strip_suffix("::{{closure}}").unwrap().split_once("::").unwrap().1;
    if std::env::var_os("AURA_GIT_TEST").is_some_and(|test| test == name) {
        return body(&Lab { dir: PathBuf::from(std::env::var_os(HERE).unwrap()) });
    }
    let dir = tempfile::Builder::new().prefix("aura git ünï ").tempdir().unwrap();
    let lab = Lab { dir: dunce::canonicalize(dir.path()).unwrap() };
    fs::create_dir(lab.path("home")).unwrap();
    fs::write(lab.path("home/gitconfig"), "[user]\nname = Ada\nemail = ada@example.org\n[init]\ndefaultBranch = main\n").unwrap();
    let mut command = Command::new(std::env::current_exe().unwrap());
    command.args([name, "--exact", "--nocapture", "--test-threads=1"]);
    for (variable, _) in std::env::vars_os().filter(|(variable, _)| variable.to_string_lossy().starts_with("GIT_")) {
        command.env_remove(variable);
    }
    command.env("HOME", lab.path("home")).env("XDG_CONFIG_HOME", lab.path("home")).env("GIT_CONFIG_GLOBAL", lab.path("home/gitconfig"));
    command.env("GIT_CONFIG_NOSYSTEM", "1").env("AURA_GIT_TEST", name).env(HERE, &lab.dir);
    let output = command.envs(more.iter().copied()).output().unwrap();
    let said = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    assert!(output.status.success(), "{}\n{}", said(&output.stdout), said(&output.stderr));
    assert!(said(&output.stdout).contains("1 passed"), "{name} was not found: {}", said(&output.stdout));
}

/// A second process: another test of this program, which does what these variables say.
pub fn second_process(test: &str, variables: &[(&str, &Path)]) -> std::process::Child {
    let mut command = Command::new(std::env::current_exe().unwrap());
    command.args([test, "--exact", "--nocapture", "--test-threads=1"]).envs(variables.iter().copied());
    command.stdout(std::process::Stdio::null()).spawn().unwrap()
}

impl Lab {
    pub fn path(&self, name: &str) -> PathBuf {
        self.dir.join(name)
    }

    pub fn try_git(dir: &Path, args: &[&str]) -> Output {
        Command::new("git").current_dir(dir).args(args).output().unwrap()
    }

    /// What git says, without the end of its line.
    pub fn git(&self, dir: &Path, args: &[&str]) -> String {
        let output = Lab::try_git(dir, args);
        assert!(output.status.success(), "git {args:?}: {}", String::from_utf8_lossy(&output.stderr));
        String::from_utf8(output.stdout).unwrap().trim_end_matches('\n').to_owned()
    }

    /// More of the user's configuration.
    pub fn configure(&self, text: &str) {
        let path = self.path("home/gitconfig");
        let before = fs::read_to_string(&path).unwrap();
        fs::write(path, before + text).unwrap();
    }

    /// A repository with a few files and two commits.
    pub fn project(&self) -> Project<'_> {
        self.project_made_by(&["init", "-q"])
    }

    pub fn project_made_by(&self, init: &[&str]) -> Project<'_> {
        let path = self.path("my project");
        fs::create_dir(&path).unwrap();
        self.git(&path, init);
        write(&path.join("readme.txt"), "one\ntwo\nthree\n");
        self.git(&path, &["add", "-A"]);
        self.git(&path, &["commit", "-qm", "first"]);
        write(&path.join("src/lib.txt"), "a library\n");
        write(&path.join("src/deep/er.txt"), "deeper\n");
        write(&path.join(".gitignore"), "/target\n*.log\n");
        self.git(&path, &["add", "-A"]);
        self.git(&path, &["commit", "-qm", "second"]);
        self.open(&path)
    }

    pub fn open(&self, path: &Path) -> Project<'_> {
        let repo = Repo::discover(path).unwrap();
        let base = repo.head().unwrap().commit;
        Project { lab: self, path: path.to_owned(), repo, base }
    }
}

pub struct Project<'a> {
    pub lab: &'a Lab,
    /// The user's checkout.
    pub path: PathBuf,
    pub repo: Repo,
    /// HEAD of the user's checkout when this was made.
    pub base: Oid,
}

impl Project<'_> {
    pub fn git(&self, args: &[&str]) -> String {
        self.lab.git(&self.path, args)
    }

    pub fn oid(&self, rev: &str) -> Oid {
        self.repo.resolve(rev).unwrap().unwrap_or_else(|| panic!("{rev} is nothing"))
    }

    /// The story's folder.
    pub fn story(&self) -> PathBuf {
        self.lab.path("my project.aura/story one")
    }

    /// A worktree for an agent, filled with the base, on the branch `aura/<name>`.
    pub fn worktree(&self, name: &str) -> PathBuf {
        self.worktree_at(name, &self.base)
    }

    pub fn worktree_at(&self, name: &str, at: &Oid) -> PathBuf {
        let (path, branch) = (self.story().join(name), format!("aura/{name}"));
        if self.repo.resolve(&format!("refs/heads/{branch}")).unwrap().is_none_or(|found| found != *at) {
            self.repo.update_ref(&format!("refs/heads/{branch}"), at, aura::git::Expect::Any, "test").unwrap();
        }
        self.repo.worktree_add(&path, At::Branch(&branch)).unwrap();
        self.repo.set_worktree(&path, at).unwrap();
        path
    }

    pub fn snapshot(&self, name: &str) -> Result<Snapshot, aura::git::GitError> {
        let branch = format!("aura/{name}");
        let pin = format!("refs/aura/test/end-{}", LOOKS.fetch_add(1, std::sync::atomic::Ordering::Relaxed));
        self.snapshot_pinned(name, &branch, &pin)
    }

    /// What one attempt left, pinned under this name.
    pub fn snapshot_pinned(&self, name: &str, branch: &str, pin: &str) -> Result<Snapshot, aura::git::GitError> {
        let (base, message) = (&self.base, "What the agent did\n");
        let request = SnapshotRequest { base, origin: base, branch, message, at: noon(), pin };
        self.repo.snapshot(&self.story().join(name), &request)
    }

    /// A commit on top of `parent` with these files changed.
    pub fn commit(&self, parent: &Oid, files: &[(&str, &str)]) -> Oid {
        self.commit_by(parent, |_, path| {
            for (name, text) in files {
                write(&path.join(name), text);
            }
        })
    }

    /// A commit on top of `parent` with what is done to its files.
    pub fn commit_by(&self, parent: &Oid, edit: impl FnOnce(&Lab, &Path)) -> Oid {
        let path = self.lab.path("scratch");
        self.repo.worktree_add(&path, At::Detached(parent)).unwrap();
        self.repo.set_worktree(&path, parent).unwrap();
        edit(self.lab, &path);
        // Links to other repositories are made without their folders: those stay in the index.
        self.lab.git(&path, &["add", "-A", "--", ".", ":!sub"]);
        self.lab.git(&path, &["commit", "-q", "--allow-empty", "-m", "made by a test"]);
        Oid::parse(&self.lab.git(&path, &["rev-parse", "HEAD"])).unwrap()
    }

    pub fn show(&self, commit: &Oid, path: &str) -> String {
        self.git(&["show", &format!("{commit}:{path}")])
    }

    pub fn names(&self, commit: &Oid) -> Vec<String> {
        self.repo.files(commit).unwrap().into_iter().map(|(name, _)| name).collect()
    }

    pub fn assert_sound(&self) {
        self.git(&["fsck", "--strict", "--no-dangling", "--no-progress"]);
        let locks: Vec<_> = walk(&self.repo.git_dir().join("refs")).into_keys().filter(|name| name.contains(".lock")).collect();
        assert!(locks.is_empty(), "{locks:?}");
    }
}

/// The moment at which everything in these tests happens.
pub fn noon() -> Timestamp {
    Timestamp::from_second(1_800_000_000).unwrap()
}

pub fn write(path: &Path, text: &str) {
    fs::create_dir_all(path.parent().unwrap()).unwrap();
    fs::write(path, text).unwrap();
}

pub fn read(path: &Path) -> String {
    fs::read_to_string(path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

/// Every file below a folder with its content; links with their target.
pub fn walk(folder: &Path) -> BTreeMap<String, Vec<u8>> {
    let mut found = BTreeMap::new();
    let mut folders = vec![folder.to_owned()];
    while let Some(at) = folders.pop() {
        for entry in fs::read_dir(&at).into_iter().flatten().flatten() {
            let kind = entry.file_type().unwrap();
            let name = entry.path().strip_prefix(folder).unwrap().to_string_lossy().into_owned();
            if kind.is_dir() {
                folders.push(entry.path());
            } else if kind.is_symlink() {
                found.insert(name, fs::read_link(entry.path()).unwrap().into_os_string().into_encoded_bytes());
            } else {
                found.insert(name, fs::read(entry.path()).unwrap());
            }
        }
    }
    found
}

/// A shell script that git would run as a hook or filter, and that leaves a mark when it does.
#[cfg(unix)]
pub fn trap(lab: &Lab, name: &str) -> (PathBuf, PathBuf) {
    use std::os::unix::fs::PermissionsExt;
    let (script, mark) = (lab.path(&format!("{name}.sh")), lab.path(&format!("{name}.mark")));
    write(&script, &format!("#!/bin/sh\necho \"$0 $@\" >> '{}'\ncat\nexit 1\n", mark.display()));
    fs::set_permissions(&script, fs::Permissions::from_mode(0o755)).unwrap();
    (script, mark)
}

//! The one place that builds git command lines: no prompts, no hooks, no background work, and nothing of the caller's
//! environment that would point git elsewhere.

use super::{GitError, Repo, Result, again};
use crate::domain::Oid;
use crate::proc::{Cmd, Exit, Output, ProcError};
use jiff::Timestamp;
use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::sync::OnceLock;
use std::time::Duration;

/// Longest time that one plumbing command may take; checkouts of large repositories are the slow ones.
const DEADLINE: Duration = Duration::from_mins(15);
/// Most bytes taken from one command.
const OUTPUT_BYTES_MAX: usize = 256 * 1024 * 1024;
/// Most characters of git's own words in an error.
const STDERR_CHARS_MAX: usize = 2000;

/// Variables that would point git at another repository, index or configuration, or make it read names in another way.
const REMOVED: [&str; 27] = [
    "GIT_DIR",
    "GIT_WORK_TREE",
    "GIT_INDEX_FILE",
    "GIT_INDEX_VERSION",
    "GIT_OBJECT_DIRECTORY",
    "GIT_ALTERNATE_OBJECT_DIRECTORIES",
    "GIT_COMMON_DIR",
    "GIT_NAMESPACE",
    "GIT_PREFIX",
    "GIT_INTERNAL_SUPER_PREFIX",
    "GIT_CONFIG",
    "GIT_CONFIG_PARAMETERS",
    "GIT_CONFIG_COUNT",
    "GIT_EXTERNAL_DIFF",
    "GIT_DIFF_OPTS",
    "GIT_ATTR_SOURCE",
    "GIT_SHALLOW_FILE",
    "GIT_GRAFT_FILE",
    "GIT_REPLACE_REF_BASE",
    "GIT_QUARANTINE_PATH",
    "GIT_LITERAL_PATHSPECS",
    "GIT_GLOB_PATHSPECS",
    "GIT_NOGLOB_PATHSPECS",
    "GIT_ICASE_PATHSPECS",
    "GIT_REFLOG_ACTION",
    "GIT_TEMPLATE_DIR",
    "GIT_IMPLICIT_WORK_TREE",
];

/// Settings of every command of ours, above the user's own.
const SETTINGS: [&str; 23] = [
    // Nothing runs beside or after the command.
    "core.fsmonitor=false",
    "gc.auto=0",
    "maintenance.auto=false",
    "commit.gpgSign=false",
    // The private copies of an index are whole files, and read by nobody else.
    "core.splitIndex=false",
    "core.untrackedCache=false",
    // What a file looks like is never taken on somebody's word.
    "core.ignoreStat=false",
    "core.trustctime=true",
    "core.checkStat=default",
    // Somebody else's `git commit` holds a ref for a moment; a dead one holds it for ever (see `Repo::update_ref`).
    "core.filesRefLockTimeout=1000",
    "core.packedRefsTimeout=1000",
    // Output that can be read whatever the user likes to see.
    "core.quotePath=false",
    "color.ui=false",
    "log.showSignature=false",
    "i18n.commitEncoding=UTF-8",
    "i18n.logOutputEncoding=UTF-8",
    // What an agent wrote is taken as it is; a doubtful line ending is no reason to lose it.
    "core.safecrlf=false",
    "advice.addEmbeddedRepo=false",
    "core.longpaths=true",
    // Submodules are other repositories.
    "submodule.recurse=false",
    "diff.ignoreSubmodules=all",
    // Parallel checkout pays from some thousand files on (`docs/performance.md`).
    "checkout.workers=4",
    "checkout.thresholdForParallelism=5000",
];

/// By this variable [`crate::proc::sweep`] finds processes.
const COOKIE: &str = "AURA_JOB";

/// Pointer files stay pointer files, instead of failing the checkout.
const WITHOUT_LFS: [&str; 4] = ["filter.lfs.required=false", "filter.lfs.smudge=", "filter.lfs.clean=", "filter.lfs.process="];

/// Where a command looks.
#[derive(Clone, Copy, Debug)]
pub(super) enum Site<'a> {
    /// Objects and refs only: no work tree is read.
    Objects,
    /// Objects, refs and an index of our own.
    Index(&'a Path),
    /// A work tree and an index, seen from the common folder: what an agent planted in its own git folder has no say.
    Tree { work: &'a Path, index: &'a Path },
    /// No repository yet.
    Elsewhere(&'a Path),
    /// HEAD and index of a worktree through its own folder under `.git/worktrees`; the common folder is given, not read.
    Worktree { work: &'a Path, admin: &'a Path },
}

impl Repo {
    /// A hardened git command.
    pub(super) fn git(&self, site: Site<'_>) -> Cmd {
        let mut cmd = base().deadline(DEADLINE).output_max(OUTPUT_BYTES_MAX);
        cmd = match site {
            Site::Objects => cmd.env("GIT_DIR", &self.git_dir).dir(&self.git_dir),
            Site::Index(index) => cmd.env("GIT_DIR", &self.git_dir).env("GIT_INDEX_FILE", index).dir(&self.git_dir),
            Site::Elsewhere(folder) => cmd.dir(folder),
            Site::Tree { work, index } => {
                marked(cmd, work).env("GIT_DIR", &self.git_dir).env("GIT_WORK_TREE", work).env("GIT_INDEX_FILE", index).dir(work)
            }
            Site::Worktree { work, admin } => {
                marked(cmd, work).env("GIT_DIR", admin).env("GIT_COMMON_DIR", &self.git_dir).env("GIT_WORK_TREE", work).dir(&self.git_dir)
            }
        };
        for (number, (key, value)) in self.overrides().iter().enumerate() {
            cmd = cmd.env("GIT_CONFIG_COUNT", (number + 1).to_string());
            cmd = cmd.env(format!("GIT_CONFIG_KEY_{number}"), key).env(format!("GIT_CONFIG_VALUE_{number}"), value);
        }
        let mut hooks = OsString::from("core.hooksPath=");
        hooks.push(self.git_dir.join("aura-no-hooks"));
        cmd = cmd.arg("-c").arg(hooks);
        let cmd = cmd.arg("-c").arg(format!("core.ignoreCase={}", self.known.ignores_case));
        let lfs: &[&str] = if lfs_is_missing() { &WITHOUT_LFS } else { &[] };
        SETTINGS.iter().chain(lfs).fold(cmd, |cmd, setting| cmd.args(["-c", setting]))
    }

    /// The user's own git, with hooks and credentials, but without questions: for what leaves the machine.
    pub(super) fn users_git(&self) -> Cmd {
        base().dir(&self.root).deadline(DEADLINE).output_max(1024 * 1024)
    }

    /// Identity and dates of a commit that Aura makes: the user's own name, a time that comes from the log.
    pub(super) fn identified(&self, cmd: Cmd, at: Timestamp) -> Cmd {
        let (author, committer) = self.people();
        let date = format!("@{} +0000", at.as_second());
        cmd.env("GIT_AUTHOR_NAME", &author.0)
            .env("GIT_AUTHOR_EMAIL", &author.1)
            .env("GIT_COMMITTER_NAME", &committer.0)
            .env("GIT_COMMITTER_EMAIL", &committer.1)
            .env("GIT_AUTHOR_DATE", &date)
            .env("GIT_COMMITTER_DATE", &date)
    }
}

fn base() -> Cmd {
    let cmd = REMOVED.iter().fold(Cmd::new("git"), Cmd::env_remove);
    cmd.env("LC_ALL", "C")
        .env("GIT_TERMINAL_PROMPT", "0")
        .env("GIT_OPTIONAL_LOCKS", "0")
        .env("GIT_PAGER", "cat")
        .env("GIT_EDITOR", "true")
        .env("GCM_INTERACTIVE", "never")
        .env("GIT_NO_REPLACE_OBJECTS", "1")
}

/// `git rev-parse` in a folder of which nothing is known yet.
pub(super) fn questions_in(folder: &Path, questions: &[&str]) -> Cmd {
    base().dir(folder).arg("rev-parse").args(questions)
}

/// Settings in a file of configuration by a pattern of their names.
pub(super) fn config_of(file: &Path, pattern: &str) -> Result<Output> {
    let folder = file.parent().unwrap_or(file);
    try_run(
        base()
            .dir(folder)
            .env("GIT_DIR", folder)
            .args(["config", "--includes", "--null", "--file"])
            .arg(file)
            .args(["--get-regexp", pattern]),
    )
}

/// `git init`, as the user has configured new repositories.
pub(super) fn init_in(folder: &Path) -> Cmd {
    base().dir(folder).args(["init", "--quiet", "--initial-branch=main", "--template="])
}

/// A command that works on a folder carries its name, to be found by: a git outlives a driver that is killed.
pub(super) fn marked(cmd: Cmd, folder: &Path) -> Cmd {
    cmd.env(COOKIE, cookie(folder))
}

/// Ends the commands that a killed process left at work on a folder. Only who owns the folder may ask for it.
pub(super) fn end_orphans(folder: &Path) {
    let ended = crate::proc::sweep(&cookie(folder));
    if ended > 0 {
        tracing::warn!(folder = %folder.display(), ended, "git commands of a process that is gone were ended");
    }
}

/// The bar keeps `task-1` from meaning `task-11`.
fn cookie(folder: &Path) -> String {
    format!("git in {}|", super::plain(folder).display())
}

fn lfs_is_missing() -> bool {
    static MISSING: OnceLock<bool> = OnceLock::new();
    *MISSING.get_or_init(|| which::which("git-lfs").is_err())
}

/// Runs a command that has to succeed.
pub(super) fn run(cmd: Cmd, doing: &str) -> Result<Output> {
    let output = try_run(cmd)?;
    if output.success() {
        return Ok(output);
    }
    Err(failed(&output, doing))
}

/// Runs a command whose exit code is an answer. One that died is run again where that is right: see `again`.
pub(super) fn try_run(cmd: Cmd) -> Result<Output> {
    again::run(&cmd).map_err(|source| match source {
        ProcError::NotFound { .. } => GitError::GitMissing { source },
        ProcError::Spawn { .. } | ProcError::Taken { .. } | ProcError::Io { .. } => {
            GitError::Failed { doing: "start git".into(), stderr: chain(&source) }
        }
    })
}

fn chain(error: &dyn std::error::Error) -> String {
    error.source().map_or_else(|| error.to_string(), |cause| format!("{error}: {cause}"))
}

pub(super) fn failed(output: &Output, doing: &str) -> GitError {
    let how = match &output.exit {
        Exit::Code(code) => format!("exit code {code}"),
        Exit::Signal(signal) => format!("signal {signal}"),
        Exit::DeadlinePassed => "its deadline passed".into(),
    };
    let words: String = output.stderr_text().chars().map(|c| if c.is_control() { ' ' } else { c }).take(STDERR_CHARS_MAX).collect();
    let stderr = if words.trim().is_empty() { how } else { words.trim().to_owned() };
    GitError::Failed { doing: doing.to_owned(), stderr }
}

/// The object id that a command printed.
pub(super) fn oid(output: &Output, doing: &str) -> Result<Oid> {
    Oid::parse(output.stdout_text().trim()).map_err(|why| GitError::Failed { doing: doing.to_owned(), stderr: why })
}

/// The parts of NUL-separated output, as text. What is not UTF-8 is replaced: good for people and for comparing, not for
/// handing back to git.
pub(super) fn parts(bytes: &[u8]) -> impl Iterator<Item = String> {
    raw_parts(bytes).map(|part| String::from_utf8_lossy(part).into_owned())
}

/// The parts of NUL-separated output, byte by byte.
pub(super) fn raw_parts(bytes: &[u8]) -> impl Iterator<Item = &[u8]> {
    bytes.split(|&byte| byte == 0).filter(|part| !part.is_empty())
}

/// Where a name that git printed is on disk. Names that are not UTF-8 are found by looking, since git's bytes cannot be
/// made into a path on every platform.
pub(super) fn on_disk(root: &Path, name: &[u8]) -> Option<PathBuf> {
    let text = String::from_utf8_lossy(name);
    let mut path = root.to_owned();
    for part in text.split('/').filter(|part| !part.is_empty()) {
        let next = path.join(part);
        path = if next.symlink_metadata().is_ok() {
            next
        } else {
            let mut entries = std::fs::read_dir(&path).ok()?.flatten();
            entries.find(|entry| entry.file_name().to_string_lossy() == part)?.path()
        };
    }
    Some(path)
}

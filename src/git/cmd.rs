//! The one place that builds git command lines: no prompts, no hooks, no background work, and nothing of the caller's
//! environment that would point git elsewhere.

use super::{GitError, Repo, Result};
use crate::domain::Oid;
use crate::proc::{Cmd, Exit, Output, ProcError};
use jiff::Timestamp;
use std::ffi::OsStr;
use std::path::Path;
use std::sync::OnceLock;
use std::time::Duration;

/// Longest time that one plumbing command may take; checkouts of large repositories are the slow ones.
const DEADLINE: Duration = Duration::from_secs(15 * 60);
/// Most bytes taken from one command.
const OUTPUT_BYTES_MAX: usize = 256 * 1024 * 1024;
/// Most characters of git's own words in an error.
const STDERR_CHARS_MAX: usize = 2000;

/// Variables that would point git at another repository, index or configuration.
const REMOVED: [&str; 14] = [
    "GIT_DIR",
    "GIT_WORK_TREE",
    "GIT_INDEX_FILE",
    "GIT_OBJECT_DIRECTORY",
    "GIT_ALTERNATE_OBJECT_DIRECTORIES",
    "GIT_COMMON_DIR",
    "GIT_NAMESPACE",
    "GIT_PREFIX",
    "GIT_CONFIG_PARAMETERS",
    "GIT_CONFIG_COUNT",
    "GIT_EXTERNAL_DIFF",
    "GIT_ATTR_SOURCE",
    "GIT_SHALLOW_FILE",
    "GIT_QUARANTINE_PATH",
];

/// Where a command looks.
#[derive(Clone, Copy, Debug)]
pub(super) enum Site<'a> {
    /// Objects and refs only: no work tree is read.
    Objects,
    /// A work tree with an index of our own, seen from the common folder: what an agent planted in its own git folder
    /// has no say.
    Tree { work: &'a Path, index: &'a Path },
    /// A linked worktree through its own folder under `.git/worktrees`.
    Worktree { work: &'a Path, admin: &'a Path },
}

impl Repo {
    /// A hardened git command.
    pub(super) fn git(&self, site: Site<'_>) -> Cmd {
        let mut cmd = base().deadline(DEADLINE).output_max(OUTPUT_BYTES_MAX);
        cmd = match site {
            Site::Objects => cmd.env("GIT_DIR", &self.git_dir).dir(&self.git_dir),
            Site::Tree { work, index } => {
                cmd.env("GIT_DIR", &self.git_dir).env("GIT_WORK_TREE", work).env("GIT_INDEX_FILE", index).dir(work)
            }
            Site::Worktree { work, admin } => cmd.env("GIT_DIR", admin).env("GIT_WORK_TREE", work).dir(work),
        };
        let nowhere = self.git_dir.join("aura-no-hooks");
        let mut hooks = std::ffi::OsString::from("core.hooksPath=");
        hooks.push(&nowhere);
        cmd = cmd.arg("-c").arg(hooks);
        for setting in ["core.fsmonitor=false", "gc.auto=0", "maintenance.auto=false", "commit.gpgSign=false", "core.quotePath=false"] {
            cmd = cmd.args(["-c", setting]);
        }
        for setting in ["core.longpaths=true", "submodule.recurse=false", "diff.ignoreSubmodules=all", "merge.renames=true"] {
            cmd = cmd.args(["-c", setting]);
        }
        for setting in ["checkout.workers=4", "checkout.thresholdForParallelism=5000"] {
            cmd = cmd.args(["-c", setting]);
        }
        if lfs_is_missing() {
            // Pointer files stay pointer files, instead of failing the checkout.
            for setting in ["filter.lfs.required=false", "filter.lfs.smudge=", "filter.lfs.clean=", "filter.lfs.process="] {
                cmd = cmd.args(["-c", setting]);
            }
        }
        cmd
    }

    /// The user's own git, with hooks and credentials, but without questions: for what leaves the machine.
    pub(super) fn users_git(&self) -> Cmd {
        base().dir(&self.root).deadline(DEADLINE).output_max(1024 * 1024)
    }

    /// Identity and dates of a commit that Aura makes: the user's own name, a time that comes from the log.
    pub(super) fn identified(&self, cmd: Cmd, at: Timestamp) -> Cmd {
        let (name, email) = self.identity();
        let date = format!("@{} +0000", at.as_second());
        cmd.env("GIT_AUTHOR_NAME", &name)
            .env("GIT_COMMITTER_NAME", &name)
            .env("GIT_AUTHOR_EMAIL", &email)
            .env("GIT_COMMITTER_EMAIL", &email)
            .env("GIT_AUTHOR_DATE", &date)
            .env("GIT_COMMITTER_DATE", &date)
    }

    /// The user's own name, asked of git itself: libgit2 knows neither `GIT_CONFIG_GLOBAL` nor every kind of include.
    fn identity(&self) -> (String, String) {
        let asked = try_run(self.git(Site::Objects).args(["config", "--null", "--get-regexp", r"^user\.(name|email)$"]));
        let stdout = asked.map(|output| output.stdout).unwrap_or_default();
        let lines: Vec<String> = parts(&stdout).collect();
        let value = |key: &str| lines.iter().rev().find_map(|line| line.strip_prefix(key)?.strip_prefix('\n').map(str::to_owned));
        let known = |key: &str, otherwise: &str| value(key).filter(|text| !text.is_empty()).unwrap_or_else(|| otherwise.to_owned());
        (known("user.name", "Aura"), known("user.email", "aura@localhost"))
    }
}

fn base() -> Cmd {
    let mut cmd = Cmd::new("git");
    for name in REMOVED {
        cmd = cmd.env_remove(name);
    }
    cmd.env("LC_ALL", "C")
        .env("GIT_TERMINAL_PROMPT", "0")
        .env("GIT_OPTIONAL_LOCKS", "0")
        .env("GIT_PAGER", "cat")
        .env("GIT_EDITOR", "true")
        .env("GCM_INTERACTIVE", "never")
        .env("GIT_NO_REPLACE_OBJECTS", "1")
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

/// Runs a command whose exit code is an answer.
pub(super) fn try_run(cmd: Cmd) -> Result<Output> {
    cmd.run().map_err(|source| match source {
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

/// The parts of NUL-separated output.
pub(super) fn parts(bytes: &[u8]) -> impl Iterator<Item = String> {
    bytes.split(|&byte| byte == 0).filter(|part| !part.is_empty()).map(|part| String::from_utf8_lossy(part).into_owned())
}

/// A path as git prints it.
pub(super) fn os(text: &str) -> &OsStr {
    OsStr::new(text)
}

//! Tries a git command again that was killed, or that met the lock file of a git that is gone: one process that dies does
//! not end a run. Never a command that would do twice what it does once.

use super::Result;
use crate::proc::{Cmd, Exit, Output, ProcError, at_work_in};
use std::ffi::OsStr;
use std::path::{Path, PathBuf};
use std::thread::sleep;
use std::time::{Duration, Instant, SystemTime};

/// How often a command is tried at most.
pub(super) const TRIES: u32 = 8;
/// Before the second try, doubled before each one after it: two and a half seconds in all, more than anybody's own git
/// holds an index for.
const PAUSE_FIRST: Duration = Duration::from_millis(20);
/// How old a lock on what others use too must be before it counts as left by the dead.
const SHARED_LOCK_AGE: Duration = Duration::from_mins(1);

/// What a command has to have for itself while it runs.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Takes {
    Nothing,
    /// The index that the command was given, or that of its worktree.
    Index,
    /// The file that all refs share, and that of a shallow clone.
    Refs,
}

/// Runs a command, and again where that is right and helps.
pub(super) fn run(cmd: &Cmd) -> std::result::Result<Output, ProcError> {
    let words: Vec<&OsStr> = cmd.words().collect();
    let Some(takes) = repeatable(&words) else { return cmd.run() };
    let locks = locks_of(cmd, takes);
    let mut first_seen: Vec<Option<SystemTime>> = locks.iter().map(|lock| age_mark(&lock.path)).collect();
    let mut tries = 0;
    loop {
        let there: Vec<bool> = locks.iter().map(|lock| age_mark(&lock.path).is_some()).collect();
        let output = cmd.run()?;
        tries += 1;
        let was_killed = matches!(output.exit, Exit::Signal(_));
        let has_met = |at: usize| there[at] || age_mark(&locks[at].path).is_some();
        let is_worth_it = match output.exit {
            Exit::Signal(_) => true,
            Exit::Code(code) => code != 0 && (0..locks.len()).any(has_met),
            Exit::DeadlinePassed => false,
        };
        if !is_worth_it || tries == TRIES {
            return Ok(output);
        }
        tracing::warn!(command = %cmd.line(), exit = ?output.exit, tries, "a git command is tried again");
        pause(tries);
        for (at, lock) in locks.iter().enumerate() {
            // What came with a command that was killed is most likely its own.
            let is_its_own = was_killed && !there[at];
            lock.remove_if_dead(first_seen[at], is_its_own);
            first_seen[at] = age_mark(&lock.path);
        }
    }
}

/// Repeats what has to be tidied up before, when git is killed at it.
pub(super) fn despite_kills(mut attempt: impl FnMut() -> Result<Output>) -> Result<Output> {
    let mut tries = 1;
    loop {
        let output = attempt()?;
        if tries == TRIES || !matches!(output.exit, Exit::Signal(_)) {
            return Ok(output);
        }
        pause(tries);
        tries += 1;
    }
}

/// Waits before the next try.
pub(super) fn pause(tries: u32) {
    sleep(PAUSE_FIRST * 2_u32.pow(tries.saturating_sub(1).min(TRIES)));
}

/// What a command takes, if it can be run twice. `commit` runs the user's hooks, `push` and `clone` find what they did
/// themselves in their way, and so does `worktree add`; an update of a ref is compared with what was there before. A value
/// in a configuration is only ever set, never added.
fn repeatable(words: &[&OsStr]) -> Option<Takes> {
    let mut rest = words.iter().skip(1).map(|word| word.to_string_lossy());
    let verb = loop {
        let word = rest.next()?;
        match &*word {
            "-c" | "-C" => _ = rest.next(),
            option if option.starts_with('-') => {}
            verb => break verb.to_owned(),
        }
    };
    match &*verb {
        "cat-file" | "check-attr" | "check-ignore" | "checkout-index" | "cherry" | "clean" | "commit-tree" | "config" | "diff"
        | "diff-index" | "diff-tree" | "for-each-ref" | "hash-object" | "init" | "log" | "ls-files" | "ls-remote" | "ls-tree"
        | "merge-base" | "merge-tree" | "mktree" | "remote" | "rev-list" | "rev-parse" | "show" | "status" | "symbolic-ref" | "var"
        | "write-tree" => Some(Takes::Nothing),
        "worktree" => (rest.next()? == "list").then_some(Takes::Nothing),
        "add" | "read-tree" | "rm" | "update-index" => Some(Takes::Index),
        "fetch" => Some(Takes::Refs),
        _ => None,
    }
}

struct Lock {
    path: PathBuf,
    owner: Owner,
}

#[derive(Clone, PartialEq, Eq)]
enum Owner {
    /// Whoever asks owns what the lock is on: nobody else who is alive takes it.
    Caller,
    /// A person may be at work in that folder too.
    Folder {
        work: PathBuf,
        git_dir: PathBuf,
    },
    Repository,
}

fn locks_of(cmd: &Cmd, takes: Takes) -> Vec<Lock> {
    let folder = |name: &str| cmd.variable(name).map(PathBuf::from);
    // The user's own git is told a folder only.
    let Some(git_dir) = folder("GIT_DIR").or_else(|| cmd.folder().map(|folder| folder.join(".git"))) else { return vec![] };
    match (takes, folder("GIT_INDEX_FILE")) {
        (Takes::Nothing, _) => vec![],
        (Takes::Index, Some(index)) => vec![Lock { path: with_lock(&index), owner: Owner::Caller }],
        (Takes::Index, None) => {
            let work = folder("GIT_WORK_TREE").unwrap_or_else(|| git_dir.clone());
            vec![Lock { path: git_dir.join("index.lock"), owner: Owner::Folder { work, git_dir } }]
        }
        (Takes::Refs, _) => {
            let common = folder("GIT_COMMON_DIR").unwrap_or(git_dir);
            let shared = |name: &str| Lock { path: common.join(name), owner: Owner::Repository };
            vec![shared("packed-refs.lock"), shared("shallow.lock"), shared("reftable/tables.list.lock")]
        }
    }
}

fn with_lock(path: &Path) -> PathBuf {
    let mut lock = path.as_os_str().to_owned();
    lock.push(".lock");
    lock.into()
}

impl Lock {
    fn remove_if_dead(&self, seen: Option<SystemTime>, is_its_own: bool) {
        let now = age_mark(&self.path);
        if now.is_none() || !(is_its_own || now == seen) {
            return;
        }
        let is_dead = match &self.owner {
            Owner::Caller => true,
            // A commit holds the index for as long as its editor is open.
            Owner::Folder { work, git_dir } => (is_its_own || is_old(now)) && at_work_in("git", &[work, git_dir]) == Some(false),
            Owner::Repository => is_old(now),
        };
        if is_dead {
            remove_dead(&self.path);
        }
    }
}

/// Removes a lock that is proven to be nobody's. One that is gone already is fine.
pub(super) fn remove_dead(lock: &Path) {
    tracing::warn!(lock = %lock.display(), "a lock that nobody holds is removed");
    if let Err(error) = std::fs::remove_file(lock) {
        tracing::warn!(lock = %lock.display(), %error, "it cannot be removed");
    }
}

/// What tells one lock file from the next at the same place.
pub(super) fn age_mark(path: &Path) -> Option<SystemTime> {
    path.symlink_metadata().ok()?.modified().ok()
}

fn is_old(since: Option<SystemTime>) -> bool {
    since.is_some_and(|since| since.elapsed().is_ok_and(|age| age > SHARED_LOCK_AGE))
}

/// A lock on what all share, as one who waits for it sees it: it is dead when it was old and did not change meanwhile, or
/// when it did not change for that long, by a clock that nobody sets.
pub(super) struct Watch {
    path: PathBuf,
    seen: Option<SystemTime>,
    since: Instant,
}

impl Watch {
    pub(super) fn on(path: PathBuf) -> Watch {
        let seen = age_mark(&path);
        Watch { path, seen, since: Instant::now() }
    }
    pub(super) fn is_there(&self) -> bool {
        self.path.symlink_metadata().is_ok()
    }
    /// Removes the lock if it is dead. Called after an attempt that took its time.
    pub(super) fn heal(&mut self) {
        let now = age_mark(&self.path);
        if now != self.seen {
            (self.seen, self.since) = (now, Instant::now());
        } else if now.is_some() && (is_old(now) || self.since.elapsed() > SHARED_LOCK_AGE) {
            remove_dead(&self.path);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn can_repeat(line: &str) -> bool {
        let words: Vec<&OsStr> = line.split(' ').map(OsStr::new).collect();
        repeatable(&words).is_some()
    }

    #[test]
    fn what_would_be_done_twice_is_not_repeated() {
        for line in
            ["git -c gc.auto=0 read-tree --reset -u abc", "git status --porcelain", "git config --null --get x", "git worktree list -z"]
        {
            assert!(can_repeat(line), "{line}");
        }
        for line in [
            "git push origin x",
            "git commit -m add",
            "git -c a.b=c worktree add x",
            "git clone a b",
            "git update-ref x y z",
            "git",
            "git x",
        ] {
            assert!(!can_repeat(line), "{line}");
        }
    }
}

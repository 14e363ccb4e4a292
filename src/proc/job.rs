//! A long program in a folder: what the one who starts it, waits for it or stops it needs. The folder is the whole
//! interface to the supervisor, so any process can be that one, also after the first is gone.
//!
//! `lock` is held by the supervisor for as long as it lives; `pid.json` says that the folder is taken; `exit.json`
//! appears when everything that the program started is dead.

use super::fault::{self, Step};
use super::{ProcError, apart, os, spawn_reaped};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use std::fs::{self, File, OpenOptions, TryLockError};
use std::io::{self, BufRead, BufReader, Write};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Duration;

/// What to run, and its limits. It is a file: secrets come by inheritance, never through `env`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct JobSpec {
    /// Found on the `PATH` of the job's environment, or a path (a relative one is relative to `dir`).
    pub program: PathBuf,
    pub args: Vec<String>,
    pub dir: PathBuf,
    /// Added to the environment.
    pub env: Vec<(String, String)>,
    pub env_remove: Vec<String>,
    /// The file that the program reads; without it, nothing.
    pub stdin: Option<PathBuf>,
    pub deadline_ms: u64,
    /// No output for so long means stalled.
    pub stall_ms: Option<u64>,
    /// Between the request to end and the kill.
    pub grace_ms: u64,
    /// Per stream: the beginning is kept and the end, with a line between them that says how much is missing.
    pub log_bytes_max: u64,
    /// A line of stdout with one of these in its first 200 bytes is not stored (but is a sign of life).
    pub drop_lines: Vec<String>,
    /// The value of `AURA_JOB` in the program's environment, by which what it leaves behind is found. No two jobs may share
    /// one: each would take the other's processes for its own leftovers.
    pub cookie: String,
}

/// How a job is asked to end.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Stop {
    /// Asked, then killed after its grace.
    Graceful,
    /// Killed.
    Now,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub enum JobState {
    NotStarted,
    Running,
    Ended(JobEnd),
    /// The supervisor died without a word.
    Lost,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct JobEnd {
    pub exit: JobExit,
    /// From the start of the program to its own end.
    pub duration_ms: u64,
    /// Something that it printed is not in the logs.
    pub truncated: bool,
    /// Processes that were killed after the program itself had ended.
    pub strays: u32,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum JobExit {
    Code(i32),
    Signal(i32),
    DeadlinePassed,
    Stalled,
    Stopped,
    NotStarted { detail: String },
}

/// Who supervises, in `pid.json`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Pids {
    pub(super) pid: u32,
    /// In clock ticks since boot where the platform tells: a process id alone may be somebody else's by now.
    pub(super) start_time: Option<u64>,
    pub(super) program_pid: Option<u32>,
    /// What every process of the program's carries, whatever it does with its environment, session and parents.
    #[serde(default)]
    pub(super) mark: Option<u64>,
}

/// The names in a job's folder.
pub(super) const SPEC: &str = "spec.json";
pub(super) const LOCK: &str = "lock";
pub(super) const PIDS: &str = "pid.json";
pub(super) const OUT: &str = "out.log";
pub(super) const ERR: &str = "err.log";
pub(super) const STOP: &str = "stop";
pub(super) const EXIT: &str = "exit.json";
/// What the supervisor says when the program runs, or could not be started.
pub(super) const READY: &str = "ready\n";

/// A look at somebody's lock takes microseconds; whoever wants it for good tries for this long.
const LOCK_TRIES: u32 = 20;
const LOCK_PAUSE: Duration = Duration::from_millis(5);

/// A job, by its folder.
#[derive(Clone, Debug)]
pub struct Job {
    folder: PathBuf,
}

impl Job {
    #[must_use]
    pub fn at(folder: &Path) -> Job {
        Job { folder: std::path::absolute(folder).unwrap_or_else(|_| folder.to_owned()) }
    }

    /// Starts the program under a detached supervisor (`aura supervise FOLDER`) and returns when it runs, or could not be
    /// started, which is then how it ended. A folder is for one job only.
    pub fn start(aura: &Path, folder: &Path, spec: &JobSpec) -> Result<Job, ProcError> {
        let job = Job::at(folder);
        let folder = job.folder.as_path();
        os::private_dir(folder).map_err(ProcError::io(format!("create {}", folder.display())))?;
        let lock = job.take_lock()?;
        if folder.join(PIDS).exists() || folder.join(EXIT).exists() {
            return Err(ProcError::Taken { folder: folder.to_owned() });
        }
        let absolute = |path: &Path| std::path::absolute(path).map_err(ProcError::io(format!("find {}", path.display())));
        let stdin = spec.stdin.as_deref().map(absolute).transpose()?;
        write_json(&folder.join(SPEC), &JobSpec { dir: absolute(&spec.dir)?, stdin, ..apart::apart(spec, folder) }, Durable::No)?;

        let (ear, mouth) = io::pipe().map_err(ProcError::io("create a pipe"))?;
        let mut command = Command::new(aura);
        command.arg("supervise").arg(folder).current_dir(folder);
        os::detach(&mut command);
        command.stdin(os::hand_over(lock)).stdout(mouth).stderr(Stdio::null());
        // The command holds our copies of the pipe's mouth and of the lock; it is gone when this returns.
        spawn_reaped(command)?;
        let mut answer = String::new();
        BufReader::new(ear).read_line(&mut answer).map_err(ProcError::io("hear from the supervisor"))?;
        match answer.as_str() {
            READY => Ok(job),
            // It died when the job had begun: that is how the job ended, and whoever waits for it will see.
            "" if folder.join(PIDS).exists() => Ok(job),
            "" => Err(ProcError::io("start a supervisor")(io::Error::other("it ended without a word"))),
            refusal => Err(ProcError::io("start a supervisor")(io::Error::other(refusal.trim().to_owned()))),
        }
    }

    fn take_lock(&self) -> Result<File, ProcError> {
        let lock = open_lock(&self.folder).map_err(ProcError::io(format!("open the lock of {}", self.folder.display())))?;
        for _ in 0..LOCK_TRIES {
            match lock.try_lock() {
                Ok(()) => return Ok(lock),
                Err(TryLockError::WouldBlock) => std::thread::sleep(LOCK_PAUSE),
                Err(TryLockError::Error(source)) => return Err(ProcError::io(format!("lock {}", self.folder.display()))(source)),
            }
            if self.folder.join(PIDS).exists() {
                break;
            }
        }
        Err(ProcError::Taken { folder: self.folder.clone() })
    }

    /// How the job is now. Never blocks, changes nothing: what a lost job left behind may still run, see [`Job::wait`].
    pub fn state(&self) -> Result<JobState, ProcError> {
        self.look(|lock| match lock.try_lock_shared() {
            Ok(()) => Ok(true),
            Err(TryLockError::WouldBlock) => Ok(false),
            Err(TryLockError::Error(error)) => Err(error),
        })
    }

    /// Blocks (in the kernel, on the supervisor's lock) until the job has ended or its supervisor is dead; then whatever
    /// the program started is killed first. Returns at once for a job that was never started.
    pub fn wait(&self) -> Result<JobState, ProcError> {
        let state = self.look(|lock| {
            loop {
                match lock.lock_shared() {
                    Ok(()) => return Ok(true),
                    Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                    Err(error) => return Err(error),
                }
            }
        })?;
        if state == JobState::Lost
            && let Some(spec) = read_json::<JobSpec>(&self.folder.join(SPEC))?
        {
            let mark = read_json::<Pids>(&self.folder.join(PIDS))?.and_then(|pids| pids.mark);
            os::end_leftovers(&spec.cookie, mark, Duration::from_millis(spec.grace_ms));
        }
        Ok(state)
    }

    fn look(&self, freed: impl FnOnce(&File) -> io::Result<bool>) -> Result<JobState, ProcError> {
        let ended = || read_json::<JobEnd>(&self.folder.join(EXIT)).map(|end| end.map(JobState::Ended));
        if let Some(ended) = ended()? {
            return Ok(ended);
        }
        let lock = match File::open(self.folder.join(LOCK)) {
            Ok(lock) => lock,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(JobState::NotStarted),
            Err(error) => return Err(ProcError::io(format!("open the lock of {}", self.folder.display()))(error)),
        };
        if !freed(&lock).map_err(ProcError::io(format!("lock {}", self.folder.display())))? {
            return Ok(JobState::Running);
        }
        // It may have ended between the first look and the lock.
        match ended()? {
            Some(ended) => Ok(ended),
            None if self.folder.join(PIDS).exists() => Ok(JobState::Lost),
            None => Ok(JobState::NotStarted),
        }
    }

    /// Asks the supervisor to end the job, from any process. Asking again, also more firmly, is fine; asking a job that
    /// has ended changes nothing; one that is started later ends at once.
    pub fn stop(&self, how: Stop) -> Result<(), ProcError> {
        write_json(&self.folder.join(STOP), &how, Durable::No)
    }

    #[must_use]
    pub fn folder(&self) -> &Path {
        &self.folder
    }
    #[must_use]
    pub fn out_log(&self) -> PathBuf {
        self.folder.join(OUT)
    }
    #[must_use]
    pub fn err_log(&self) -> PathBuf {
        self.folder.join(ERR)
    }
}

pub(super) fn open_lock(folder: &Path) -> io::Result<File> {
    os::private(OpenOptions::new().read(true).write(true).create(true).truncate(false)).open(folder.join(LOCK))
}

/// Whether a file has to survive the machine.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Durable {
    Yes,
    No,
}

/// Whole or not at all: written beside, then renamed.
pub fn write_json(path: &Path, value: &impl Serialize, durable: Durable) -> Result<(), ProcError> {
    let write = || {
        // Two processes may ask the same job to stop at once.
        let beside = path.with_extension(format!("{}.tmp", std::process::id()));
        let mut file = os::private(OpenOptions::new().write(true).create(true).truncate(true)).open(&beside)?;
        file.write_all(&serde_json::to_vec(value)?)?;
        if durable == Durable::Yes {
            file.sync_all()?;
        }
        drop(file);
        fault::around(Step::FileReplace, &path.display(), || fs::rename(&beside, path))
    };
    write().map_err(ProcError::io(format!("write {}", path.display())))
}

/// `None` if there is no such file.
pub fn read_json<T: DeserializeOwned>(path: &Path) -> Result<Option<T>, ProcError> {
    match fs::read(path).and_then(|bytes| Ok(serde_json::from_slice(&bytes)?)) {
        Ok(value) => Ok(Some(value)),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(ProcError::io(format!("read {}", path.display()))(error)),
    }
}

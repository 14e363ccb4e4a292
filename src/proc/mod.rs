//! The only room that spawns processes.
//!
//! Two kinds of program: a [`Cmd`] is short, runs to its end and is waited for (git and the like); a [`Job`] is long
//! and has a supervisor process of its own, so that it outlives whoever started it and nothing outlives *it*: after
//! any end, `kill -9` of the supervisor included, no process that the program started is left. Nothing here blocks
//! for ever, keeps unbounded output in memory, or believes that a closed pipe means an ended program.
//!
//! What differs between platforms lives behind one set of names in `os_unix.rs` and `os_windows.rs`.

mod apart;
mod cmd;
pub mod fault;
mod job;
mod log;
mod supervise;

#[cfg_attr(unix, path = "os_unix.rs")]
#[cfg_attr(windows, path = "os_windows.rs")]
mod os;

pub use cmd::{Cmd, Exit, Output};
pub use job::{Durable, Job, JobEnd, JobExit, JobSpec, JobState, Stop, read_json, write_json};
pub use os::{Interrupts, at_work_in, exec_guarded, sweep};
pub use supervise::supervise;

use fault::Step;
use std::ffi::OsStr;
use std::io;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Duration;

/// The name of the environment variable by which strays are found.
const COOKIE: &str = "AURA_JOB";

#[derive(Debug, thiserror::Error)]
pub enum ProcError {
    #[error("the program `{program}` was not found")]
    NotFound { program: String },
    #[error("could not start `{program}`")]
    Spawn {
        program: String,
        #[source]
        source: io::Error,
    },
    /// Two programs never run in one folder, neither beside nor after one another.
    #[error("a job was already started in {}", folder.display())]
    Taken { folder: PathBuf },
    #[error("could not {doing}")]
    Io {
        doing: String,
        #[source]
        source: io::Error,
    },
}

impl ProcError {
    fn io(doing: impl Into<String>) -> impl FnOnce(io::Error) -> ProcError {
        let doing = doing.into();
        move |source| ProcError::Io { doing, source }
    }
    fn spawn(program: &OsStr) -> impl FnOnce(io::Error) -> ProcError {
        let program = program.to_string_lossy().into_owned();
        move |source| match source.kind() {
            io::ErrorKind::NotFound => ProcError::NotFound { program },
            _ => ProcError::Spawn { program, source },
        }
    }
}

/// Starts `aura ARGS…` in a session of its own, with its output appended to `log`: it survives us, our terminal and
/// our signals. Returns its process id. It goes through the hidden `aura exec --session`, so `aura` has to be Aura.
pub fn spawn_detached(aura: &Path, args: &[&OsStr], dir: &Path, log: &Path, env: &[(&str, &OsStr)]) -> Result<u32, ProcError> {
    let log_file = os::private(std::fs::OpenOptions::new().create(true).append(true))
        .open(log)
        .map_err(ProcError::io(format!("open {}", log.display())))?;
    let log_again = log_file.try_clone().map_err(ProcError::io(format!("open {}", log.display())))?;
    let mut command = os::in_own_session(aura, args);
    command.current_dir(dir).envs(env.iter().copied());
    command.stdin(Stdio::null()).stdout(log_file).stderr(log_again);
    spawn_reaped(command)
}

/// How often the system is asked for a process that it has no room for, and how long after one another at first: three
/// seconds in all.
const SHORTAGE_TRIES: u32 = 8;
const SHORTAGE_PAUSE: Duration = Duration::from_millis(25);

/// Starts something again that did not start because too many processes ran, or too little memory was free: nothing has
/// happened then, and both pass.
fn patiently<T>(mut start: impl FnMut() -> io::Result<T>) -> io::Result<T> {
    let mut tries = 1;
    loop {
        match start() {
            Err(error) if tries < SHORTAGE_TRIES && matches!(error.kind(), io::ErrorKind::WouldBlock | io::ErrorKind::OutOfMemory) => {
                std::thread::sleep(SHORTAGE_PAUSE * 2_u32.pow(tries - 1));
                tries += 1;
            }
            done => return done,
        }
    }
}

/// Starts a process that we do not wait for; a thread does, so that it leaves no zombie while we live.
fn spawn_reaped(mut command: Command) -> Result<u32, ProcError> {
    let words: Vec<_> = command.get_args().map(OsStr::to_string_lossy).collect();
    let label = format!("aura {}", words.join(" "));
    let started = fault::around(Step::ProcessStart, &label, || patiently(|| command.spawn()));
    let mut child = started.map_err(ProcError::spawn(command.get_program()))?;
    let id = child.id();
    let reaper = std::thread::Builder::new().name("reaper".into()).stack_size(64 * 1024);
    reaper.spawn(move || child.wait()).map_err(ProcError::io("start a thread"))?;
    Ok(id)
}

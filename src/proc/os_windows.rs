//! Windows: a job object holds the program and whatever it starts, so killing is exact; but nothing can be asked to
//! end politely without a console, so asking is killing. A supervisor that is itself killed leaves its program running.

use super::fault::{self, Step};
use super::job::{self, JobSpec};
use super::{COOKIE, Exit};
use process_wrap::std::{ChildWrapper, CommandWrap, JobObject};
use std::ffi::{OsStr, OsString};
use std::fs::{DirBuilder, File, OpenOptions, TryLockError};
use std::io::{self, Read, Write};
use std::os::windows::process::CommandExt;
use std::path::Path;
use std::process::{ChildStderr, ChildStdin, ChildStdout, Command, ExitCode, ExitStatus, Stdio};
use std::time::Duration;

/// Ctrl-C in our console is not for it.
const CREATE_NEW_PROCESS_GROUP: u32 = 0x0000_0200;
/// It has a console, which nobody sees, so that what it starts opens none.
const CREATE_NO_WINDOW: u32 = 0x0800_0000;

/// The user's own folders are private by inheritance.
pub(super) fn private_dir(path: &Path) -> io::Result<()> {
    DirBuilder::new().recursive(true).create(path)
}

pub(super) fn private(options: &mut OpenOptions) -> &mut OpenOptions {
    options
}

pub(super) fn exit(status: ExitStatus) -> Exit {
    Exit::Code(status.code().unwrap_or(1))
}

fn in_job_object(command: Command) -> io::Result<Box<dyn ChildWrapper>> {
    let mut command = CommandWrap::from(command);
    command.wrap(JobObject);
    command.spawn()
}

/// Ends this process without tidying up.
#[cfg(debug_assertions)]
pub(super) fn kill_oneself() -> ! {
    std::process::abort()
}

/// A short command and whatever it starts.
pub(super) struct Group(Box<dyn ChildWrapper>);

impl Group {
    #[cfg(debug_assertions)]
    pub(super) fn kill_leader(&mut self) {
        self.kill();
    }
    pub(super) fn spawn(command: Command) -> io::Result<Group> {
        in_job_object(command).map(Group)
    }
    pub(super) fn pipes(&mut self) -> (Option<ChildStdin>, Option<ChildStdout>, Option<ChildStderr>) {
        (self.0.stdin().take(), self.0.stdout().take(), self.0.stderr().take())
    }
    pub(super) fn try_wait(&mut self) -> io::Result<Option<ExitStatus>> {
        self.0.try_wait()
    }
    pub(super) fn terminate(&mut self) {
        self.kill();
    }
    pub(super) fn kill(&mut self) {
        // It may be gone already, which is what was wanted.
        self.0.start_kill().ok();
    }
}

/// `aura ARGS…` without our console.
pub(super) fn in_own_session(aura: &Path, args: &[&OsStr]) -> Command {
    let mut command = Command::new(aura);
    command.args(args);
    detach(&mut command);
    command
}

pub(super) fn detach(command: &mut Command) {
    command.creation_flags(CREATE_NEW_PROCESS_GROUP | CREATE_NO_WINDOW);
}

/// A lock cannot be inherited here: it is let go, and the supervisor takes it, or ends if somebody else did.
pub(super) fn hand_over(lock: File) -> Stdio {
    drop(lock);
    Stdio::null()
}

/// The lock as the supervisor gets it; `None` if somebody else has it.
pub(super) fn receive_lock(folder: &Path) -> io::Result<Option<File>> {
    let lock = job::open_lock(folder)?;
    match lock.try_lock() {
        Ok(()) => Ok(Some(lock)),
        Err(TryLockError::WouldBlock) => Ok(None),
        Err(TryLockError::Error(error)) => Err(error),
    }
}

#[expect(clippy::unnecessary_wraps)] // As on Unix, where it can fail.
pub(super) fn begin_supervising() -> io::Result<()> {
    Ok(())
}

/// The starter reads one line and closes its end; ours goes with us.
#[expect(clippy::unnecessary_wraps)] // As on Unix, where it can fail.
pub(super) fn close_stdout() -> io::Result<()> {
    Ok(())
}

/// Nothing asks a process without a visible console to end.
/// What a person presses to end a program. It listens from its making on, so that nothing is missed between two looks.
pub struct Interrupts(tokio::signal::windows::CtrlC);

impl Interrupts {
    /// Needs a tokio runtime. From now on this process no longer ends by Ctrl-C alone.
    ///
    /// # Errors
    /// The system has no room for another handler.
    pub fn listen() -> io::Result<Interrupts> {
        tokio::signal::windows::ctrl_c().map(Interrupts)
    }
    /// Waits for the next one; safe to drop and call again.
    pub async fn next(&mut self) {
        if self.0.recv().await.is_none() {
            std::future::pending::<()>().await;
        }
    }
}

pub(super) fn on_terminate(_notify: impl Fn() -> bool + Send + 'static) {}

/// Body of the hidden `aura exec PROGRAM ARGS…`: a process cannot become another one here, so it waits for it.
pub fn exec_guarded(args: &[OsString]) -> ExitCode {
    let failed = |error: &dyn std::fmt::Display| {
        writeln!(io::stderr(), "aura exec: {error}").ok();
        ExitCode::from(127)
    };
    let Some((program, args)) = args.split_first() else { return failed(&"no program is given") };
    match Command::new(program).args(args).status() {
        Ok(status) => ExitCode::from(u8::try_from(status.code().unwrap_or(1)).unwrap_or(1)),
        Err(error) => failed(&error),
    }
}

/// The program and whatever it starts.
pub(super) struct Tree(Box<dyn ChildWrapper>);

impl Tree {
    /// Starts the program; the error says why it could not be started.
    pub(super) fn start(spec: &JobSpec, _mark: Option<u64>) -> Result<Tree, String> {
        let stdin = match &spec.stdin {
            Some(path) => Stdio::from(File::open(path).map_err(|error| format!("could not read {}: {error}", path.display()))?),
            None => Stdio::null(),
        };
        let mut command = Command::new(&spec.program);
        command.args(&spec.args).current_dir(&spec.dir);
        command.envs(spec.env.iter().map(|(name, value)| (name, value)));
        for name in &spec.env_remove {
            command.env_remove(name);
        }
        if !spec.cookie.is_empty() {
            command.env(COOKIE, &spec.cookie);
        }
        command.stdin(stdin).stdout(Stdio::piped()).stderr(Stdio::piped());
        let label = format_args!("program {}", spec.program.display());
        fault::around(Step::ProcessStart, &label, || in_job_object(command)).map(Tree).map_err(|error| match error.kind() {
            io::ErrorKind::NotFound => format!("the program `{}` was not found", spec.program.display()),
            _ => format!("could not start `{}`: {error}", spec.program.display()),
        })
    }

    pub(super) fn id(&self) -> u32 {
        self.0.id()
    }

    pub(super) fn streams(&mut self) -> (impl Read + Send + use<>, impl Read + Send + use<>) {
        let (stdout, stderr) = (self.0.stdout().take(), self.0.stderr().take());
        stdout.zip(stderr).expect("both are piped and taken once")
    }

    /// The supervisor looks at every tick instead.
    pub(super) fn watch(&self, _notify: impl FnOnce() -> bool + Send + 'static) {}

    pub(super) fn ended(&mut self) -> Option<Exit> {
        self.0.try_wait().ok().flatten().map(exit)
    }

    pub(super) fn terminate(&mut self) {
        self.kill();
    }

    pub(super) fn kill(&mut self) {
        self.0.start_kill().ok();
    }

    /// Ends what is left after the program's own end at once, uncounted.
    pub(super) fn rest(&mut self) -> Vec<Process> {
        self.kill();
        Vec::new()
    }
}

/// Nothing is found here that a job object does not hold.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) enum Process {}

impl Process {
    pub(super) fn terminate(self) {
        match self {}
    }
    pub(super) fn kill(self) {
        match self {}
    }
}

pub(super) fn start_time(_pid: u32) -> Option<u64> {
    None
}

/// What other processes work on cannot be seen here.
#[must_use]
pub fn at_work_in(_program: &str, _folders: &[&Path]) -> Option<bool> {
    None
}

/// The environment of other processes cannot be read here: none is found.
pub fn sweep(_cookie_prefix: &str) -> u32 {
    0
}

/// A job object needs no mark.
pub(super) fn new_mark() -> Option<u64> {
    None
}

pub(super) fn end_leftovers(_cookie: &str, _mark: Option<u64>, _grace: Duration) -> u32 {
    0
}

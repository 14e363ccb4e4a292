//! Unix: process groups and sessions everywhere; on Linux also the subreaper (what the program orphans becomes our
//! child), the parent-death signal, and what other processes inherited: an environment, and a mark. Elsewhere a process that leaves its group
//! is not found. No function here waits for long, and none signals a process whose identity it has not checked.

use super::fault::{self, Step};
use super::job::{self, JobSpec};
use super::supervise::small_thread;
use super::{COOKIE, Exit, patiently};
use rustix::process::{self, Pid, Signal, WaitId, WaitIdOptions, WaitOptions};
use std::ffi::{OsStr, OsString};
use std::fs::{DirBuilder, File, OpenOptions, TryLockError};
use std::io::{self, Read, Write};
use std::os::fd::AsFd;
use std::os::unix::fs::{DirBuilderExt, MetadataExt, OpenOptionsExt};
use std::os::unix::process::{CommandExt, ExitStatusExt};
use std::path::Path;
use std::process::{Child, ChildStderr, ChildStdin, ChildStdout, Command, ExitCode, ExitStatus, Stdio};
use std::time::Duration;

#[cfg(target_os = "linux")]
#[path = "os_linux.rs"]
mod linux;

pub(super) fn private_dir(path: &Path) -> io::Result<()> {
    DirBuilder::new().recursive(true).mode(0o700).create(path)
}

pub(super) fn private(options: &mut OpenOptions) -> &mut OpenOptions {
    options.mode(0o600)
}

pub(super) fn exit(status: ExitStatus) -> Exit {
    match (status.code(), status.signal()) {
        (Some(code), _) => Exit::Code(code),
        (None, signal) => Exit::Signal(signal.unwrap_or(0)),
    }
}

fn pid(id: u32) -> Option<Pid> {
    i32::try_from(id).ok().and_then(Pid::from_raw)
}

/// Ends this process as the system does when memory is short: nothing is tidied up.
#[cfg(debug_assertions)]
pub(super) fn kill_oneself() -> ! {
    process::kill_process(process::getpid(), Signal::KILL).ok();
    std::process::abort()
}

/// A short command in a process group of its own.
pub(super) struct Group(Child);

impl Group {
    pub(super) fn spawn(mut command: Command) -> io::Result<Group> {
        command.process_group(0).spawn().map(Group)
    }
    pub(super) fn pipes(&mut self) -> (Option<ChildStdin>, Option<ChildStdout>, Option<ChildStderr>) {
        (self.0.stdin.take(), self.0.stdout.take(), self.0.stderr.take())
    }
    pub(super) fn try_wait(&mut self) -> io::Result<Option<ExitStatus>> {
        self.0.try_wait()
    }
    pub(super) fn terminate(&mut self) {
        self.signal(Signal::TERM);
    }
    pub(super) fn kill(&mut self) {
        self.signal(Signal::KILL);
    }
    /// Kills the command, and not what it started.
    #[cfg(debug_assertions)]
    pub(super) fn kill_leader(&mut self) {
        self.0.kill().ok();
    }
    fn signal(&self, signal: Signal) {
        if let Some(pid) = pid(self.0.id()) {
            // The group may be gone already, which is what was wanted.
            process::kill_process_group(pid, signal).ok();
        }
    }
}

/// `aura ARGS…` without our terminal.
pub(super) fn in_own_session(aura: &Path, args: &[&OsStr]) -> Command {
    let mut command = Command::new(aura);
    command.arg("exec").arg(SESSION).arg(aura).args(args);
    command
}

/// The supervisor leaves our session by itself, in [`begin_supervising`].
pub(super) fn detach(_command: &mut Command) {}

/// The supervisor inherits the locked file, so that there is no moment in which the folder is nobody's.
pub(super) fn hand_over(lock: File) -> Stdio {
    Stdio::from(lock)
}

/// The lock as the supervisor gets it; `None` if somebody else has it.
pub(super) fn receive_lock(folder: &Path) -> io::Result<Option<File>> {
    let lock = job::open_lock(folder)?;
    let inherited = File::from(io::stdin().as_fd().try_clone_to_owned()?);
    let identity = |file: &File| file.metadata().map(|meta| (meta.dev(), meta.ino()));
    let lock = if identity(&inherited)? == identity(&lock)? { inherited } else { lock };
    match lock.try_lock() {
        Ok(()) => Ok(Some(lock)),
        Err(TryLockError::WouldBlock) => Ok(None),
        Err(TryLockError::Error(error)) => Err(error),
    }
}

pub(super) fn begin_supervising() -> io::Result<()> {
    // Fails for a process group's leader, which is on its own already.
    process::setsid().ok();
    #[cfg(target_os = "linux")]
    process::set_child_subreaper(Some(process::getpid()))?;
    Ok(())
}

pub(super) fn close_stdout() -> io::Result<()> {
    let nothing = OpenOptions::new().write(true).open("/dev/null")?;
    Ok(rustix::stdio::dup2_stdout(nothing)?)
}

/// What a person presses to end a program. It listens from its making on, so that nothing is missed between two looks.
pub struct Interrupts(tokio::signal::unix::Signal);

impl Interrupts {
    /// Needs a tokio runtime. From now on this process no longer ends by SIGINT alone.
    ///
    /// # Errors
    /// The system has no room for another handler.
    pub fn listen() -> io::Result<Interrupts> {
        tokio::signal::unix::signal(tokio::signal::unix::SignalKind::interrupt()).map(Interrupts)
    }
    /// Waits for the next one; safe to drop and call again.
    pub async fn next(&mut self) {
        if self.0.recv().await.is_none() {
            std::future::pending::<()>().await;
        }
    }
}

/// Calls `notify` for every signal that asks this process to end, until it returns false. A runtime only for signals:
/// it costs less than a handler of our own, which could not be written safely.
pub(super) fn on_terminate(notify: impl Fn() -> bool + Send + 'static) {
    use tokio::signal::unix::{SignalKind, signal};
    small_thread(move || {
        let Ok(runtime) = tokio::runtime::Builder::new_current_thread().enable_io().build() else { return };
        runtime.block_on(async {
            let kinds = [SignalKind::terminate(), SignalKind::interrupt(), SignalKind::hangup()];
            let [Ok(mut terminate), Ok(mut interrupt), Ok(mut hangup)] = kinds.map(signal) else { return };
            loop {
                tokio::select! {
                    _ = terminate.recv() => {}
                    _ = interrupt.recv() => {}
                    _ = hangup.recv() => {}
                }
                if !notify() {
                    return;
                }
            }
        });
    });
}

const SESSION: &str = "--session";
const EAR: &str = "--ear";
/// What the program-to-be says into the supervisor's ear when it is bound to die with it.
const BOUND: &[u8] = b"bound\n";

/// Body of the hidden `aura exec`: becomes another program. `aura exec PROGRAM ARGS…` dies with the process (on Linux:
/// the thread) that started it. `--session` does the opposite: it leaves the session and lives on. `--ear MARK FILE` is the
/// supervisor's use: stdin is a pipe to it, the program's own stdin is FILE, and what it starts bears the mark.
pub fn exec_guarded(args: &[OsString]) -> ExitCode {
    let failed = |error: &dyn std::fmt::Display| {
        writeln!(io::stderr(), "aura exec: {error}").ok();
        ExitCode::from(127)
    };
    match args.split_first() {
        Some((first, rest)) if first == SESSION => {
            process::setsid().ok();
            failed(&become_program(rest, Stdio::inherit()))
        }
        Some((first, [mark, input, rest @ ..])) if first == EAR => {
            let ear = io::stdin().as_fd().try_clone_to_owned();
            let mut ear = match ear {
                Ok(ear) => File::from(ear),
                Err(error) => return failed(&error),
            };
            die_with_parent();
            #[cfg(target_os = "linux")]
            linux::bear(mark.to_str().and_then(|mark| mark.parse().ok()));
            // Nobody listens: the supervisor died before we were bound to it.
            if ear.write_all(BOUND).is_err() {
                return ExitCode::from(127);
            }
            let error = match File::open(input) {
                Ok(input) => become_program(rest, Stdio::from(input)),
                Err(error) => format!("could not read {}: {error}", input.display()),
            };
            ear.write_all(error.as_bytes()).ok();
            ExitCode::from(127)
        }
        Some(_) | None => {
            die_with_parent();
            failed(&become_program(args, Stdio::inherit()))
        }
    }
}

fn die_with_parent() {
    #[cfg(target_os = "linux")]
    process::set_parent_process_death_signal(Some(Signal::TERM)).ok();
}

/// Returns only why it could not.
fn become_program(args: &[OsString], stdin: Stdio) -> String {
    let Some((program, args)) = args.split_first() else { return "no program is given".into() };
    let error = Command::new(program).args(args).stdin(stdin).exec();
    match error.kind() {
        io::ErrorKind::NotFound => format!("the program `{}` was not found", program.display()),
        _ => format!("could not start `{}`: {error}", program.display()),
    }
}

/// The program and whatever it starts.
pub(super) struct Tree {
    leader: Child,
    id: Pid,
    exit: Option<Exit>,
    #[cfg(target_os = "linux")]
    cookie: String,
}

impl Tree {
    /// Starts the program; the error says why it could not be started.
    pub(super) fn start(spec: &JobSpec, mark: Option<u64>) -> Result<Tree, String> {
        let say = |error: io::Error| format!("could not start `{}`: {error}", spec.program.display());
        let (mut ear, mouth) = io::pipe().map_err(say)?;
        let stdin = spec.stdin.as_deref().unwrap_or(Path::new("/dev/null"));
        let mut command = Command::new(own_program().map_err(say)?);
        let mark = mark.map_or_else(|| "-".to_owned(), |mark| mark.to_string());
        command.arg("exec").arg(EAR).arg(mark).arg(stdin).arg(&spec.program).args(&spec.args).current_dir(&spec.dir);
        command.envs(spec.env.iter().map(|(name, value)| (name, value)));
        for name in &spec.env_remove {
            command.env_remove(name);
        }
        if !spec.cookie.is_empty() {
            command.env(COOKIE, &spec.cookie);
        }
        command.stdin(mouth).stdout(Stdio::piped()).stderr(Stdio::piped()).process_group(0);
        let label = format_args!("program {}", spec.program.display());
        let mut leader = fault::around(Step::ProcessStart, &label, || patiently(|| command.spawn())).map_err(say)?;
        // Our copy of the pipe's mouth goes with the command, so that the ear hears the end.
        drop(command);
        let mut heard = Vec::new();
        let listening = ear.read_to_end(&mut heard);
        let detail = match heard.strip_prefix(BOUND) {
            Some(b"") if listening.is_ok() => None,
            Some(detail) => Some(String::from_utf8_lossy(detail).into_owned()),
            None => Some(say(io::Error::other("it was killed before it began"))),
        };
        if let Some(detail) = detail {
            leader.kill().ok();
            leader.wait().ok();
            return Err(detail);
        }
        let id = pid(leader.id()).ok_or("a process without an id")?;
        Ok(Tree {
            leader,
            id,
            exit: None,
            #[cfg(target_os = "linux")]
            cookie: spec.cookie.clone(),
        })
    }

    pub(super) fn id(&self) -> u32 {
        self.leader.id()
    }

    pub(super) fn streams(&mut self) -> (impl Read + Send + use<>, impl Read + Send + use<>) {
        let streams = self.leader.stdout.take().zip(self.leader.stderr.take());
        streams.expect("both are piped and taken once")
    }

    /// Calls `notify` when the program itself has ended.
    pub(super) fn watch(&self, notify: impl FnOnce() -> bool + Send + 'static) {
        let id = self.id;
        small_thread(move || {
            // Does not reap: the main thread does, and the id stays the program's until then.
            let ended = || process::waitid(WaitId::Pid(id), WaitIdOptions::EXITED | WaitIdOptions::NOWAIT);
            while ended().is_err_and(|error| error == rustix::io::Errno::INTR) {}
            notify();
        });
    }

    /// How the program itself ended, if it has. Also reaps what became our child meanwhile.
    pub(super) fn ended(&mut self) -> Option<Exit> {
        self.reap();
        self.exit
    }

    /// Returns whether a child is left.
    fn reap(&mut self) -> bool {
        loop {
            match process::wait(WaitOptions::NOHANG) {
                Ok(Some((id, status))) => {
                    if id == self.id {
                        self.exit = Some(exit(ExitStatus::from_raw(status.as_raw())));
                    }
                }
                Ok(None) => return true,
                Err(rustix::io::Errno::INTR) => {}
                Err(_) => return false,
            }
        }
    }

    /// Asks the program's group to end. It may have things to tidy up, its own children among them.
    pub(super) fn terminate(&mut self) {
        if self.exit.is_none() {
            process::kill_process_group(self.id, Signal::TERM).ok();
        }
    }

    /// Kills the program and everything it started, once; what is born meanwhile is for the next time.
    pub(super) fn kill(&mut self) {
        for process in self.find(true) {
            process.kill();
        }
        if self.exit.is_none() {
            process::kill_process_group(self.id, Signal::KILL).ok();
        }
    }

    /// What is left after the program's own end.
    pub(super) fn rest(&mut self) -> Vec<Process> {
        let has_children = self.reap();
        self.find(has_children)
    }

    #[cfg(target_os = "linux")]
    fn find(&self, has_children: bool) -> Vec<Process> {
        let descendants = if has_children { linux::descendants(std::process::id()) } else { Vec::new() };
        let mut found = linux::carrying(&|value| !self.cookie.is_empty() && value == self.cookie.as_bytes());
        found.extend(descendants);
        found.sort_unstable();
        found.dedup();
        found
    }

    #[cfg(not(target_os = "linux"))]
    fn find(&self, _has_children: bool) -> Vec<Process> {
        let alive = process::test_kill_process_group(self.id).is_ok();
        alive.then_some(Process { id: self.id.as_raw_nonzero().get(), start_time: 0 }).into_iter().collect()
    }
}

/// This very program, also when its file was replaced meanwhile.
fn own_program() -> io::Result<std::path::PathBuf> {
    if cfg!(target_os = "linux") { Ok("/proc/self/exe".into()) } else { std::env::current_exe() }
}

/// A process that cannot be mistaken for a later one with the same id. (Elsewhere than on Linux: a process group.)
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(super) struct Process {
    id: i32,
    start_time: u64,
}

impl Process {
    pub(super) fn terminate(self) {
        self.signal(Signal::TERM);
    }
    pub(super) fn kill(self) {
        self.signal(Signal::KILL);
    }

    #[cfg(target_os = "linux")]
    fn signal(self, signal: Signal) {
        let Some(pid) = Pid::from_raw(self.id) else { return };
        match process::pidfd_open(pid, process::PidfdFlags::empty()) {
            // The descriptor holds on to the process, so that what was checked is what gets the signal.
            Ok(held) if linux::stat(self.id).is_some_and(|stat| stat.start_time == self.start_time) => {
                process::pidfd_send_signal(held, signal).ok();
            }
            Err(rustix::io::Errno::NOSYS) => {
                process::kill_process(pid, signal).ok();
            }
            Ok(_) | Err(_) => {}
        }
    }

    #[cfg(not(target_os = "linux"))]
    fn signal(self, signal: Signal) {
        if let Some(pid) = Pid::from_raw(self.id) {
            process::kill_process_group(pid, signal).ok();
        }
    }
}

/// When the process was started, in clock ticks since boot.
#[cfg(target_os = "linux")]
pub(super) fn start_time(pid: u32) -> Option<u64> {
    linux::stat(i32::try_from(pid).ok()?).map(|stat| stat.start_time)
}
#[cfg(not(target_os = "linux"))]
pub(super) fn start_time(_pid: u32) -> Option<u64> {
    None
}

/// Whether a program of that name, or one whose name begins with it, is at work in one of the folders. None where that
/// cannot be told.
#[must_use]
pub fn at_work_in(program: &str, folders: &[&Path]) -> Option<bool> {
    #[cfg(target_os = "linux")]
    return Some(linux::at_work_in(program, folders));
    #[cfg(not(target_os = "linux"))]
    return None;
}

/// How long strays may tidy up when nobody said otherwise.
const SWEEP_GRACE: Duration = Duration::from_secs(2);

/// Ends every process whose environment says `AURA_JOB=<cookie_prefix…>` (Linux; elsewhere none is found), except this
/// one. Returns how many there were. An empty prefix would mean everything of everybody, and means nothing.
pub fn sweep(cookie_prefix: &str) -> u32 {
    if cookie_prefix.is_empty() {
        return 0;
    }
    sweep_where(&|value| value.starts_with(cookie_prefix.as_bytes()), SWEEP_GRACE)
}

/// Ends what a job left that nobody supervises any more: what carries its cookie or its mark, and what descends from
/// that.
#[cfg(target_os = "linux")]
pub(super) fn end_leftovers(cookie: &str, mark: Option<u64>, grace: Duration) -> u32 {
    let mut left = linux::Leftovers::of(cookie, mark);
    super::supervise::end_all(|| left.find(), grace, || false)
}
#[cfg(not(target_os = "linux"))]
pub(super) fn end_leftovers(_cookie: &str, _mark: Option<u64>, _grace: Duration) -> u32 {
    0
}

/// A mark for the processes of one job, where there are marks.
#[cfg(target_os = "linux")]
pub(super) fn new_mark() -> Option<u64> {
    linux::new_mark()
}
#[cfg(not(target_os = "linux"))]
pub(super) fn new_mark() -> Option<u64> {
    None
}

#[cfg(not(target_os = "linux"))]
fn sweep_where(_matches: &dyn Fn(&[u8]) -> bool, _grace: Duration) -> u32 {
    0
}

#[cfg(target_os = "linux")]
fn sweep_where(matches: &dyn Fn(&[u8]) -> bool, grace: Duration) -> u32 {
    super::supervise::end_all(|| linux::carrying(matches), grace, || false)
}

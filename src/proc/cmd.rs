//! One short command, run to its end. It has a deadline and an output limit, always; it never waits for a pipe that
//! a grandchild keeps open, and never shows the command a terminal.

use super::fault::{self, Step};
use super::{ProcError, os, patiently};
use std::collections::BTreeMap;
use std::ffi::{OsStr, OsString};
use std::io::{self, Read, Write};
use std::path::{Path, PathBuf};
use std::process::{Command, ExitStatus, Stdio};
use std::sync::mpsc::{self, Receiver, RecvTimeoutError, Sender};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

/// Long enough for a push of a large repository, short enough that nobody waits for a dead server over night.
const DEADLINE: Duration = Duration::from_mins(10);
/// "For ever", without overflowing the clock.
const DEADLINE_MAX: Duration = Duration::from_hours(24 * 365);
const OUTPUT_BYTES_MAX: usize = 64 << 20;
/// Between the polite signal and the certain one: git uses it to remove its lock files.
const GRACE: Duration = Duration::from_millis(500);
/// How long output may still arrive after the command has ended, when something it left behind holds the pipe.
const DRAIN: Duration = Duration::from_secs(1);
/// How soon an end is noticed while the pipes are still open.
const TICK: Duration = Duration::from_millis(20);
const LINE_CHARS_MAX: usize = 400;

/// A command being described. [`Cmd::run`] runs it, as often as it is asked to.
#[derive(Clone, Debug)]
#[must_use = "a command does nothing until it is run"]
pub struct Cmd {
    words: Vec<OsString>,
    dir: Option<PathBuf>,
    /// Over what this process has; none takes away.
    env: BTreeMap<OsString, Option<OsString>>,
    stdin: Option<Arc<[u8]>>,
    deadline: Duration,
    output_bytes_max: usize,
}

/// How a command ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Exit {
    Code(i32),
    Signal(i32),
    /// It was killed, with its process group.
    DeadlinePassed,
}

#[derive(Clone, Debug)]
pub struct Output {
    pub exit: Exit,
    pub stdout: Vec<u8>,
    pub stderr: Vec<u8>,
    /// Something was printed beyond the output limit, or after the end by what the command left behind.
    pub truncated: bool,
}

impl Output {
    #[must_use]
    pub fn success(&self) -> bool {
        self.exit == Exit::Code(0)
    }
    /// What it printed, trimmed; what is not UTF-8 is replaced.
    #[must_use]
    pub fn stdout_text(&self) -> String {
        String::from_utf8_lossy(&self.stdout).trim().to_owned()
    }
    /// What it complained about, trimmed; what is not UTF-8 is replaced.
    #[must_use]
    pub fn stderr_text(&self) -> String {
        String::from_utf8_lossy(&self.stderr).trim().to_owned()
    }
}

impl Cmd {
    pub fn new(program: impl AsRef<OsStr>) -> Cmd {
        Cmd {
            words: vec![program.as_ref().to_owned()],
            dir: None,
            env: BTreeMap::new(),
            stdin: None,
            deadline: DEADLINE,
            output_bytes_max: OUTPUT_BYTES_MAX,
        }
    }
    pub fn arg(mut self, arg: impl AsRef<OsStr>) -> Cmd {
        self.words.push(arg.as_ref().to_owned());
        self
    }
    pub fn args<A: AsRef<OsStr>>(mut self, args: impl IntoIterator<Item = A>) -> Cmd {
        self.words.extend(args.into_iter().map(|arg| arg.as_ref().to_owned()));
        self
    }
    pub fn dir(mut self, dir: impl AsRef<Path>) -> Cmd {
        self.dir = Some(dir.as_ref().to_owned());
        self
    }
    pub fn env(mut self, name: impl AsRef<OsStr>, value: impl AsRef<OsStr>) -> Cmd {
        self.env.insert(name.as_ref().to_owned(), Some(value.as_ref().to_owned()));
        self
    }
    pub fn env_remove(mut self, name: impl AsRef<OsStr>) -> Cmd {
        self.env.insert(name.as_ref().to_owned(), None);
        self
    }
    /// What the command reads; without it, nothing.
    pub fn stdin(mut self, bytes: impl Into<Vec<u8>>) -> Cmd {
        self.stdin = Some(bytes.into().into());
        self
    }
    pub fn deadline(mut self, deadline: Duration) -> Cmd {
        self.deadline = deadline;
        self
    }
    /// How much of each stream is kept; the rest is read and forgotten.
    pub fn output_max(mut self, bytes: usize) -> Cmd {
        self.output_bytes_max = bytes;
        self
    }

    /// The program and its arguments.
    pub fn words(&self) -> impl Iterator<Item = &OsStr> {
        self.words.iter().map(OsString::as_os_str)
    }
    /// A variable that the command is given besides what this process has.
    #[must_use]
    pub fn variable(&self, name: &str) -> Option<&OsStr> {
        self.env.get(OsStr::new(name))?.as_deref()
    }
    /// Where it runs, if that was said.
    #[must_use]
    pub fn folder(&self) -> Option<&Path> {
        self.dir.as_deref()
    }

    /// The command as a person could type it, for messages: one line, bounded.
    #[must_use]
    pub fn line(&self) -> String {
        let mut line = String::new();
        for word in &self.words {
            if !line.is_empty() {
                line.push(' ');
            }
            line.push_str(&quoted(&word.to_string_lossy()));
            if line.chars().count() > LINE_CHARS_MAX {
                return line.chars().take(LINE_CHARS_MAX).chain(std::iter::once('…')).collect();
            }
        }
        line
    }

    /// Runs the command. A command that ends unhappily is an [`Output`]; an error means that it did not run.
    pub fn run(&self) -> Result<Output, ProcError> {
        let program = &self.words[0];
        if let Some(dir) = self.dir.as_deref().filter(|dir| !dir.is_dir()) {
            let doing = format!("run `{}` in {}", program.to_string_lossy(), dir.display());
            return Err(ProcError::io(doing)(io::ErrorKind::NotFound.into()));
        }
        let line = self.line();
        let spawn = || os::Group::spawn(self.command());
        let mut group = fault::around(Step::ProcessStart, &line, || patiently(spawn)).map_err(ProcError::spawn(program))?;
        #[cfg(debug_assertions)]
        if program == "git" && fault::kills_git(&line) {
            group.kill_leader();
        }
        let ends_at = Instant::now() + self.deadline.min(DEADLINE_MAX);
        let (stdin, stdout, stderr) = group.pipes();
        let (closed, closings) = mpsc::channel();
        let attended = || {
            if let (Some(mut pipe), Some(bytes)) = (stdin, self.stdin.clone()) {
                // A command that does not read its input is not an error: the write fails and the thread ends.
                thread_of("writer", move || _ = pipe.write_all(&bytes))?;
            }
            let stdout = Collected::from(stdout, self.output_bytes_max, closed.clone())?;
            Ok((stdout, Collected::from(stderr, self.output_bytes_max, closed)?))
        };
        let (stdout, stderr) = match attended() {
            Ok(attended) => attended,
            // The system has no room for a thread, and a command that nobody listens to must not run.
            Err(error) => {
                group.kill();
                wait_until(&mut group, Instant::now() + DRAIN).ok();
                return Err(ProcError::spawn(program)(error));
            }
        };
        let (exit, drained) =
            wait(&mut group, &closings, ends_at).map_err(ProcError::io(format!("wait for `{}`", program.to_string_lossy())))?;
        let (stdout, stdout_cut) = stdout.take();
        let (stderr, stderr_cut) = stderr.take();
        Ok(Output { exit, stdout, stderr, truncated: stdout_cut || stderr_cut || !drained })
    }

    fn command(&self) -> Command {
        let mut command = Command::new(&self.words[0]);
        command.args(&self.words[1..]);
        if let Some(dir) = &self.dir {
            command.current_dir(dir);
        }
        for (name, value) in &self.env {
            match value {
                Some(value) => command.env(name, value),
                None => command.env_remove(name),
            };
        }
        let stdin = if self.stdin.is_some() { Stdio::piped() } else { Stdio::null() };
        command.stdin(stdin).stdout(Stdio::piped()).stderr(Stdio::piped());
        command
    }
}

/// Waits for the command, not for its pipes. Returns how it ended and whether both pipes were read to their end.
fn wait(group: &mut os::Group, closings: &Receiver<()>, ends_at: Instant) -> io::Result<(Exit, bool)> {
    let mut open = 2;
    let mut status = None;
    while open > 0 && status.is_none() && Instant::now() < ends_at {
        match closings.recv_timeout(TICK.min(ends_at.saturating_duration_since(Instant::now()))) {
            Ok(()) => open -= 1,
            Err(RecvTimeoutError::Timeout) => status = group.try_wait()?,
            Err(RecvTimeoutError::Disconnected) => open = 0,
        }
    }
    if status.is_none() {
        status = wait_until(group, ends_at)?;
    }
    let exit = if let Some(status) = status {
        os::exit(status)
    } else {
        group.terminate();
        wait_until(group, Instant::now() + GRACE)?;
        group.kill();
        wait_until(group, Instant::now() + DRAIN)?;
        Exit::DeadlinePassed
    };
    let drained_by = Instant::now() + DRAIN;
    while open > 0 {
        match closings.recv_timeout(drained_by.saturating_duration_since(Instant::now())) {
            Ok(()) => open -= 1,
            Err(RecvTimeoutError::Timeout) => return Ok((exit, false)),
            Err(RecvTimeoutError::Disconnected) => open = 0,
        }
    }
    Ok((exit, true))
}

/// A command closes its pipes a moment before it can be waited for, so the first pauses are very short.
fn wait_until(group: &mut os::Group, until: Instant) -> io::Result<Option<ExitStatus>> {
    let mut pause = Duration::from_micros(20);
    loop {
        if let Some(status) = group.try_wait()? {
            return Ok(Some(status));
        }
        let left = until.saturating_duration_since(Instant::now());
        if left.is_zero() {
            return Ok(None);
        }
        thread::sleep(pause.min(left));
        pause = (pause * 2).min(TICK);
    }
}

/// The beginning of a stream, gathered by a thread that reads on to the end so that the writer never stalls.
struct Collected(Arc<Mutex<(Vec<u8>, bool)>>);

impl Collected {
    fn from(pipe: Option<impl Read + Send + 'static>, bytes_max: usize, closed: Sender<()>) -> io::Result<Collected> {
        let collected = Collected(Arc::default());
        let shared = Arc::clone(&collected.0);
        thread_of("reader", move || {
            let mut chunk = [0; 16 * 1024];
            let Some(mut pipe) = pipe else { return };
            loop {
                match pipe.read(&mut chunk) {
                    Ok(0) => break,
                    Ok(count) => {
                        let mut kept = shared.lock().unwrap_or_else(PoisonError::into_inner);
                        let room = bytes_max.saturating_sub(kept.0.len());
                        kept.1 |= count > room;
                        kept.0.extend_from_slice(&chunk[..count.min(room)]);
                    }
                    Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                    Err(_) => break,
                }
            }
            // Nobody listens any more when the drain time is over.
            closed.send(()).ok();
        })?;
        Ok(collected)
    }
    fn take(self) -> (Vec<u8>, bool) {
        std::mem::take(&mut *self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

/// A thread that is nobody's to wait for.
fn thread_of(name: &str, body: impl FnOnce() + Send + 'static) -> io::Result<()> {
    // A builder's thread is refused where the other one's would end the process.
    thread::Builder::new().name(name.into()).spawn(body).map(|_| ())
}

/// A word as a shell would need it; control characters are shown, not sent to the reader's terminal.
fn quoted(word: &str) -> String {
    let plain = |c: char| c.is_alphanumeric() || "-_./:=,+@%^~{}".contains(c);
    if !word.is_empty() && word.chars().all(plain) {
        return word.to_owned();
    }
    let mut text = String::from("'");
    for c in word.chars() {
        match c {
            '\'' => text.push_str(r"'\''"),
            c if c.is_control() => text.extend(c.escape_default()),
            c => text.push(c),
        }
    }
    text + "'"
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_line_can_be_typed_and_is_bounded() {
        let line = Cmd::new("git").args(["commit", "-m", "über alles\n", "", "a'b", "--file=ä"]).line();
        assert_eq!(line, r"git commit -m 'über alles\n' '' 'a'\''b' --file=ä");
        assert!(Cmd::new("x").args(vec!["y"; 1000]).line().chars().count() <= LINE_CHARS_MAX + 1);
    }
}

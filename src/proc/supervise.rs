//! The supervisor: a process of its own beside every long program. It owns the program's whole process tree, its pipes
//! and its limits, and says in `exit.json` how it ended, after everything is dead.
//!
//! It must stay small (hundreds of them run beside one another), must never wait for a pipe's end (a grandchild may
//! hold it), and must spawn from its main thread: the program dies with the *thread* that started it.

use super::job::{self, Durable, JobEnd, JobExit, JobSpec, Pids, Stop, read_json, write_json};
use super::log::Log;
use super::{Exit, ProcError, os};
use std::collections::HashSet;
use std::io::{self, Read, Write};
use std::path::Path;
use std::process::ExitCode;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::{self, Receiver, RecvTimeoutError, Sender};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

/// How often the stop file and the limits are looked at.
const TICK: Duration = Duration::from_millis(50);
/// How long output may still come after the program's own end, when something it started holds its pipes.
const DRAIN: Duration = Duration::from_secs(2);
/// A process that does not die of a kill for so long hangs in the kernel; nobody can end it.
const UNKILLABLE: Duration = Duration::from_secs(10);
/// Whatever the spec says, nothing is asked for longer.
const GRACE_MAX: Duration = Duration::from_hours(1);
const CHUNK_BYTES: usize = 16 * 1024;
const THREAD_STACK_BYTES: usize = 128 * 1024;

/// Body of the hidden `aura supervise FOLDER`. Its stdout is the pipe to the one who starts the job: one line, then
/// closed.
pub fn supervise(folder: &Path) -> ExitCode {
    let mut starter = Starter(Some(io::stdout()));
    match run(folder, &mut starter) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            let cause = std::error::Error::source(&error).map(|cause| format!(": {cause}")).unwrap_or_default();
            starter.tell(&format!("{}\n", format!("{error}{cause}").replace('\n', " ")));
            ExitCode::FAILURE
        }
    }
}

/// The one who waits for the word that the program runs.
struct Starter(Option<io::Stdout>);

impl Starter {
    fn tell(&mut self, word: &str) {
        let Some(mut stdout) = self.0.take() else { return };
        // It may be gone by now, which changes nothing for the job.
        stdout.write_all(word.as_bytes()).and_then(|()| stdout.flush()).ok();
        os::close_stdout().ok();
    }
}

fn run(folder: &Path, starter: &mut Starter) -> Result<(), ProcError> {
    os::begin_supervising().map_err(ProcError::io("leave the session"))?;
    let taken = || ProcError::Taken { folder: folder.to_owned() };
    let _lock = os::receive_lock(folder).map_err(ProcError::io("take the lock"))?.ok_or_else(taken)?;
    if folder.join(job::PIDS).exists() || folder.join(job::EXIT).exists() {
        return Err(taken());
    }
    let spec: JobSpec = read_json(&folder.join(job::SPEC))?
        .ok_or_else(|| ProcError::io(format!("read {}", folder.join(job::SPEC).display()))(io::ErrorKind::NotFound.into()))?;
    let pid = std::process::id();
    let mut pids = Pids { pid, start_time: os::start_time(pid), program_pid: None, mark: os::new_mark() };
    write_json(&folder.join(job::PIDS), &pids, Durable::No)?;

    // From here on the folder is taken, and whatever happens is how the job ended.
    let end = match Supervised::start(folder, &spec, pids.mark) {
        Ok(mut supervised) => {
            pids.program_pid = Some(supervised.tree.id());
            // Only for people who look; the program runs, so a full disk is no reason to stop.
            write_json(&folder.join(job::PIDS), &pids, Durable::No).ok();
            starter.tell(job::READY);
            supervised.follow_to_end(folder, &spec)
        }
        Err(detail) => JobEnd { exit: JobExit::NotStarted { detail }, duration_ms: 0, truncated: false, strays: 0 },
    };
    write_json(&folder.join(job::EXIT), &end, Durable::Yes)?;
    starter.tell(job::READY);
    Ok(())
}

/// What the threads tell the main one.
enum Event {
    /// The program itself has ended; what it started may go on.
    Ended,
    /// One of its two streams has.
    Closed,
    /// Somebody wants the supervisor to end.
    Terminate,
}

/// Why the program is being ended, and until when it is asked instead of killed.
struct Ending {
    exit: JobExit,
    kill_at: Instant,
}

struct Supervised {
    tree: os::Tree,
    logs: [Arc<Mutex<Log>>; 2],
    pulse: Arc<Pulse>,
    events: Receiver<Event>,
    started: Instant,
    open: u32,
    /// A stop that came as a signal.
    terminate: bool,
    ending: Option<Ending>,
}

impl Supervised {
    fn start(folder: &Path, spec: &JobSpec, mark: Option<u64>) -> Result<Supervised, String> {
        let log = |name: &str, drop_lines: &[String]| {
            let log = Log::create(&folder.join(name), spec.log_bytes_max, drop_lines);
            log.map(|log| Arc::new(Mutex::new(log))).map_err(|error| format!("could not create {name}: {error}"))
        };
        let logs = [log(job::OUT, &spec.drop_lines)?, log(job::ERR, &[])?];
        if !spec.dir.is_dir() {
            return Err(format!("the directory {} does not exist", spec.dir.display()));
        }
        let (tell, events) = mpsc::channel();
        let terminate = tell.clone();
        os::on_terminate(move || terminate.send(Event::Terminate).is_ok());
        let started = Instant::now();
        let pulse = Arc::new(Pulse { started, last_ms: AtomicU64::new(0) });
        let mut tree = os::Tree::start(spec, mark)?;
        let (out, err) = tree.streams();
        follow(out, &logs[0], &pulse, tell.clone());
        follow(err, &logs[1], &pulse, tell.clone());
        tree.watch(move || tell.send(Event::Ended).is_ok());
        Ok(Supervised { tree, logs, pulse, events, started, open: 2, terminate: false, ending: None })
    }

    fn follow_to_end(&mut self, folder: &Path, spec: &JobSpec) -> JobEnd {
        let exit = loop {
            self.hear(TICK);
            if let Some(exit) = self.tree.ended() {
                break exit;
            }
            self.enforce(folder, spec);
        };
        let duration_ms = self.started.elapsed().as_millis() as u64;
        let forced = self.ending.as_ref().is_some_and(|ending| Instant::now() >= ending.kill_at);
        let drained_by = Instant::now() + DRAIN;
        while self.open > 0 && !forced && Instant::now() < drained_by && stop_wanted(folder) != Some(Stop::Now) {
            self.hear(TICK.min(drained_by.saturating_duration_since(Instant::now())));
        }
        let grace = if forced { Duration::ZERO } else { Duration::from_millis(spec.grace_ms) };
        let strays = end_all(|| self.tree.rest(), grace, || stop_wanted(folder) == Some(Stop::Now));
        // Whatever held the pipes is dead, so they end now, or are held by something that is not ours.
        let closed_by = Instant::now() + DRAIN;
        while self.open > 0 && Instant::now() < closed_by {
            self.hear(TICK);
        }
        let mut truncated = self.open > 0;
        for log in &self.logs {
            truncated |= log.lock().unwrap_or_else(PoisonError::into_inner).finish();
        }
        let exit = match (self.ending.take(), exit) {
            (Some(ending), _) => ending.exit,
            (None, Exit::Code(code)) => JobExit::Code(code),
            (None, Exit::Signal(signal)) => JobExit::Signal(signal),
            (None, Exit::DeadlinePassed) => JobExit::DeadlinePassed,
        };
        JobEnd { exit, duration_ms, truncated, strays }
    }

    fn hear(&mut self, patience: Duration) {
        match self.events.recv_timeout(patience) {
            Ok(Event::Ended) | Err(RecvTimeoutError::Timeout) => {}
            Ok(Event::Closed) => self.open -= 1,
            Ok(Event::Terminate) => self.terminate = true,
            // All threads are gone, which only happens when both streams are closed.
            Err(RecvTimeoutError::Disconnected) => thread::sleep(patience),
        }
    }

    /// Ends the program when its time is over or somebody asked: politely first, certainly later.
    fn enforce(&mut self, folder: &Path, spec: &JobSpec) {
        let now = Instant::now();
        let stop = stop_wanted(folder).or(self.terminate.then_some(Stop::Graceful));
        if let Some(ending) = &mut self.ending {
            if stop == Some(Stop::Now) {
                ending.kill_at = ending.kill_at.min(now);
            }
        } else {
            let millis = Duration::from_millis;
            let silent = |limit: u64| self.pulse.silence() >= millis(limit);
            let exit = match stop {
                Some(Stop::Graceful | Stop::Now) => JobExit::Stopped,
                None if self.started.elapsed() >= millis(spec.deadline_ms) => JobExit::DeadlinePassed,
                None if spec.stall_ms.is_some_and(silent) => JobExit::Stalled,
                None => return,
            };
            let grace = if stop == Some(Stop::Now) { Duration::ZERO } else { millis(spec.grace_ms) };
            if !grace.is_zero() {
                self.tree.terminate();
            }
            self.ending = Some(Ending { exit, kill_at: now + grace.min(GRACE_MAX) });
        }
        if self.ending.as_ref().is_some_and(|ending| now >= ending.kill_at) {
            self.tree.kill();
        }
    }
}

/// Ends what `find` finds, and what it finds meanwhile: asked for `grace`, then killed; killed at once when `hurry`
/// says so. Returns how many processes there were.
pub(super) fn end_all(mut find: impl FnMut() -> Vec<os::Process>, grace: Duration, hurry: impl Fn() -> bool) -> u32 {
    let mut seen = HashSet::new();
    let mut kill_at = Instant::now() + grace.min(GRACE_MAX);
    let mut pause = Duration::from_millis(2);
    // Counted from the first kill: on a busy machine the look at all processes takes its time before it.
    let mut killing_since: Option<Instant> = None;
    loop {
        let found = find();
        let now = Instant::now();
        if found.is_empty() || killing_since.is_some_and(|since| now >= since + UNKILLABLE) {
            return seen.len() as u32;
        }
        if hurry() {
            kill_at = kill_at.min(now);
        }
        if now >= kill_at {
            killing_since = killing_since.or(Some(now));
        }
        for process in found {
            let is_new = seen.insert(process);
            if now >= kill_at {
                process.kill();
            } else if is_new {
                process.terminate();
            }
        }
        thread::sleep(pause);
        pause = (pause * 2).min(TICK);
    }
}

fn stop_wanted(folder: &Path) -> Option<Stop> {
    read_json(&folder.join(job::STOP)).ok().flatten()
}

/// When the program last showed a sign of life.
struct Pulse {
    started: Instant,
    last_ms: AtomicU64,
}

impl Pulse {
    fn beat(&self) {
        self.last_ms.store(self.started.elapsed().as_millis() as u64, Ordering::Relaxed);
    }
    fn silence(&self) -> Duration {
        self.started.elapsed().saturating_sub(Duration::from_millis(self.last_ms.load(Ordering::Relaxed)))
    }
}

/// Reads a stream to its end, whatever is in it: a reader that stops would kill the program by its next write.
fn follow(mut stream: impl Read + Send + 'static, log: &Arc<Mutex<Log>>, pulse: &Arc<Pulse>, tell: Sender<Event>) {
    let (log, pulse) = (Arc::clone(log), Arc::clone(pulse));
    let body = move || {
        let mut chunk = vec![0; CHUNK_BYTES];
        loop {
            match stream.read(&mut chunk) {
                Ok(0) => break,
                Ok(count) => {
                    pulse.beat();
                    log.lock().unwrap_or_else(PoisonError::into_inner).take(&chunk[..count]);
                }
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(_) => break,
            }
        }
        tell.send(Event::Closed).ok();
    };
    small_thread(body);
}

/// A thread that touches little memory.
pub(super) fn small_thread(body: impl FnOnce() + Send + 'static) {
    thread::Builder::new().stack_size(THREAD_STACK_BYTES).spawn(body).expect("a process has room for a handful of threads");
}

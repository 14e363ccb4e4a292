//! Runs checks as supervised jobs, one after the other, builds before tests.
//!
//! Crash recovery is the same path as the first run: each run of a check has a folder of its own by name, so a result
//! that is there is taken, a job that runs is waited for, and only what is missing is started. A check is run once; one
//! that is known to be flaky, and red, once more on the same tree.

use super::ran::Ran;
use super::{Check, GateError, Programs, Surroundings, blame};
use crate::domain::{CheckEnd, CheckKind, CheckReport};
use crate::proc::{Job, JobEnd, JobExit, JobSpec, JobState, ProcError, Stop};
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::mpsc::{self, RecvTimeoutError};
use std::time::Duration;

/// What a gate is run with.
pub struct GateRun<'a> {
    /// The program `aura`, which supervises the jobs.
    pub aura: &'a Path,
    /// The checkout.
    pub root: &'a Path,
    /// Holds the folders of this gate's jobs, and of no other's: what ended in here is taken as the result.
    pub jobs: &'a Path,
    pub checks: &'a [Check],
    /// Marks the processes of this gate; unique to it.
    pub cookie: &'a str,
    pub programs: &'a Programs,
    pub surroundings: &'a Surroundings,
    /// Names or labels of checks that are known to fail now and then.
    pub flaky: &'a [String],
    /// What a report keeps of the output of one red check.
    pub output_bytes: usize,
    /// The tracked files that differ from the commit now; asked after each check, which is told apart by what is new.
    pub changed: &'a dyn Fn() -> Vec<String>,
    /// Asked a few times a second.
    pub stop: &'a dyn Fn() -> bool,
}

/// How often `stop` is asked.
const LOOK: Duration = Duration::from_millis(100);
const GRACE_MS: u64 = 5_000;
/// What is kept of each stream on disk. Tests of whole systems print more, and nobody reads it.
const LOG_BYTES: u64 = 4 * 1024 * 1024;
/// The same where the output is the report.
const REPORT_LOG_BYTES: u64 = 64 * 1024 * 1024;
/// As many changed files are named.
const CHANGED_MAX: usize = 5;
/// What a report keeps of a check that went well.
const GOOD_OUTPUT_BYTES: usize = 2 * 1024;
/// Jobs of one check whose supervisor died, before we stop trying.
const LOST_MAX: u32 = 3;

/// Runs the checks and reports on each, in the order in which they are run: what sets up, builds, tests. After the first
/// that failed the others are not run. Blocks; asked to stop, it ends the running job first. A red check is an answer,
/// not an error.
pub fn run(gate: &GateRun) -> Result<Vec<CheckReport>, GateError> {
    let of = |kind: CheckKind| gate.checks.iter().filter(move |check| check.kind == kind);
    let mut reports: Vec<CheckReport> = Vec::with_capacity(gate.checks.len());
    let mut known: Vec<String> = Vec::new();
    for check in of(CheckKind::Setup).chain(of(CheckKind::Build)).chain(of(CheckKind::Test)) {
        // A check that ran nothing hides no error from those after it.
        let failed = reports.last().is_some_and(|report| report.end.is_red() && !matches!(report.end, CheckEnd::RanNothing { .. }));
        let mut report = if failed { report(check, CheckEnd::NotRun, String::new()) } else { run_check(gate, check)? };
        if !failed {
            let now = (gate.changed)();
            report.notes.extend(changed_note(&now, &known));
            known = now;
        }
        reports.push(report);
    }
    Ok(reports)
}

/// A file that a check writes again is not the file that is committed: whoever builds the commit elsewhere gets another.
fn changed_note(now: &[String], known: &[String]) -> Option<String> {
    let new: Vec<&str> = now.iter().filter(|path| !known.contains(path)).map(String::as_str).collect();
    let more = if new.len() > CHANGED_MAX { format!(" and {} more", new.len() - CHANGED_MAX) } else { String::new() };
    let named: Vec<String> = new.iter().take(CHANGED_MAX).map(|path| format!("`{path}`")).collect();
    (!new.is_empty()).then(|| format!("it changed files that are committed: {}{more}", named.join(", ")))
}

pub(super) fn report(check: &Check, end: CheckEnd, output: String) -> CheckReport {
    CheckReport {
        name: check.name.clone(),
        kind: check.kind,
        folder: check.folder.clone(),
        end,
        duration_ms: 0,
        output,
        tests_passed: None,
        tests_failed: None,
        tests_skipped: None,
        notes: Vec::new(),
    }
}

fn run_check(gate: &GateRun, check: &Check) -> Result<CheckReport, GateError> {
    let Some(dir) = folder_inside(gate.root, &check.folder)? else {
        return Ok(report(check, CheckEnd::Failed { exit_code: None }, format!("this tree has no folder `{}`", check.folder)));
    };
    let name = check.argv.first().map_or("", String::as_str);
    let missing = |why: String| report(check, CheckEnd::Missing { program: name.to_owned() }, why);
    let Some(program) = gate.programs.find(name, &dir) else {
        let place = if name.contains('/') { "in the folder of the check" } else { "on the PATH" };
        return Ok(missing(format!("there is no program `{name}` {place}")));
    };
    let mut runs = Runs { gate, check, spec: spec(gate, check, program, dir)?, number: 0, lost: 0 };
    let first = runs.next_result()?;
    let flaky = gate.flaky.iter().any(|name| *name == check.name || *name == check.label());
    let mut report = match &first.exit {
        _ if first.is_good(check) => first.report(check, first.good_end(), GOOD_OUTPUT_BYTES),
        JobExit::NotStarted { detail } => return Ok(missing(detail.clone())),
        // Once more would take as long again, and tell less.
        JobExit::Code(_) | JobExit::Signal(_) if flaky => {
            let again = runs.next_result()?;
            let duration_ms = first.duration_ms + again.duration_ms;
            let report = if again.is_good(check) {
                // What was flaky is in the first output; the numbers are those of the run that counts.
                let CheckReport { output, .. } = first.report(check, CheckEnd::Flaky, gate.output_bytes);
                CheckReport { output, ..again.report(check, CheckEnd::Flaky, 0) }
            } else {
                first.report(check, ended(check, &first.exit), gate.output_bytes)
            };
            CheckReport { duration_ms, ..report }
        }
        exit => first.report(check, ended(check, exit), gate.output_bytes),
    };
    if report.end.is_red() {
        if let Some(what) = blame::unavailable(check, &first.out, &first.err) {
            report.end = CheckEnd::Unavailable { what };
        }
        let taken = gate.surroundings.taken();
        if !taken.is_empty() {
            report.notes.push(format!("it does not get these variables, which hold secrets: {}", taken.join(", ")));
        }
    }
    Ok(report)
}

/// The folder of a check, if it is there and inside the checkout, also through links.
fn folder_inside(root: &Path, folder: &str) -> Result<Option<PathBuf>, GateError> {
    let io = |source| GateError::Io { doing: format!("find the checkout {}", root.display()), source };
    let real = fs::canonicalize(root).map_err(io)?;
    let dir = std::path::absolute(root).map_err(io)?.join(folder);
    let inside = fs::canonicalize(&dir).is_ok_and(|dir| dir.starts_with(&real) && dir.is_dir());
    let dir = if folder == "." { std::path::absolute(root).map_err(io)? } else { dir };
    Ok(inside.then_some(dir))
}

fn spec(gate: &GateRun, check: &Check, program: PathBuf, dir: PathBuf) -> Result<JobSpec, GateError> {
    let jobs = std::path::absolute(gate.jobs)
        .map_err(|source| GateError::Io { doing: format!("find the folder for jobs {}", gate.jobs.display()), source })?;
    let mut spec = JobSpec {
        program,
        args: check.argv[1..].to_vec(),
        dir,
        deadline_ms: u64::try_from(check.deadline.as_millis()).unwrap_or(u64::MAX),
        grace_ms: GRACE_MS,
        log_bytes_max: LOG_BYTES,
        ..JobSpec::default()
    };
    let root = std::path::absolute(gate.root).unwrap_or_else(|_| gate.root.to_owned());
    gate.surroundings.apply(check, &root, &jobs, &mut spec);
    Ok(spec)
}

/// The job of one run, with the report asked for in the run's own folder.
fn asking(check: &Check, spec: &JobSpec, results: &Path) -> JobSpec {
    let mut spec = spec.clone();
    if let Some(report) = &check.report {
        let words = report.args.iter().map(|word| word.replace("{results}", &results.to_string_lossy()));
        let at = report.at.map_or(spec.args.len(), |at| at.saturating_sub(1).min(spec.args.len()));
        spec.args.splice(at..at, words);
        if report.format == super::Format::GoTest {
            spec.log_bytes_max = REPORT_LOG_BYTES;
        }
        // Some runners do not make it. One that is not there is a report less.
        fs::create_dir_all(results).ok();
    }
    spec
}

/// The runs of one check, each in a folder with its number.
struct Runs<'a> {
    gate: &'a GateRun<'a>,
    check: &'a Check,
    spec: JobSpec,
    number: u32,
    lost: u32,
}

impl Runs<'_> {
    /// The result of the next run that has one: found, waited for, or made. Runs that were stopped or lost have none.
    fn next_result(&mut self) -> Result<Ran, GateError> {
        loop {
            self.number += 1;
            let name = format!("{}.{}", slug(self.check), self.number);
            let job = Job::at(&self.gate.jobs.join(&name));
            let state = match job.state().map_err(self.failed("look at"))? {
                // From before: stopped by a gate that was asked to, or lost with the machine.
                JobState::Ended(JobEnd { exit: JobExit::Stopped, .. }) => continue,
                JobState::Lost => {
                    // Waiting for a lost job kills what it left behind.
                    job.wait().map_err(self.failed("clean up after"))?;
                    continue;
                }
                ended @ JobState::Ended(_) => ended,
                JobState::Running => self.wait(&job)?,
                JobState::NotStarted if (self.gate.stop)() => return Err(GateError::Stopped),
                JobState::NotStarted => {
                    let spec = asking(self.check, &self.spec, &self.results(&name));
                    let spec = JobSpec { cookie: format!("{}/{name}", self.gate.cookie), ..spec };
                    match Job::start(self.gate.aura, job.folder(), &spec) {
                        // Taken: somebody else was faster.
                        Ok(_) | Err(ProcError::Taken { .. }) => self.wait(&job)?,
                        Err(error) => return Err(self.failed("start")(error)),
                    }
                }
            };
            match state {
                JobState::Ended(end) => return Ok(Ran::read(self.check, &job, end, &self.results(&name), &self.spec.dir)),
                JobState::Lost | JobState::Running | JobState::NotStarted => self.lost += 1,
            }
            if self.lost >= LOST_MAX {
                return Err(GateError::Lost { check: self.check.label(), times: self.lost });
            }
        }
    }

    fn results(&self, name: &str) -> PathBuf {
        let folder = self.gate.jobs.join("results").join(name);
        std::path::absolute(&folder).unwrap_or(folder)
    }

    /// Until the job has ended, by itself or because we were asked to stop.
    fn wait(&self, job: &Job) -> Result<JobState, GateError> {
        let (tell, told) = mpsc::channel();
        let waiting = job.clone();
        std::thread::spawn(move || tell.send(waiting.wait()));
        let mut stopping = false;
        loop {
            match told.recv_timeout(LOOK) {
                Ok(_) if stopping => return Err(GateError::Stopped),
                Ok(Ok(JobState::Ended(JobEnd { exit: JobExit::Stopped, .. }))) => return Err(GateError::Stopped),
                Ok(state) => return state.map_err(self.failed("wait for")),
                Err(RecvTimeoutError::Timeout) => {
                    if !stopping && (self.gate.stop)() {
                        job.stop(Stop::Graceful).map_err(self.failed("stop"))?;
                        stopping = true;
                    }
                }
                Err(RecvTimeoutError::Disconnected) => return job.wait().map_err(self.failed("wait for")),
            }
        }
    }

    fn failed(&self, doing: &'static str) -> impl FnOnce(ProcError) -> GateError {
        let check = self.check.label();
        move |source| GateError::Job { doing, check, source }
    }
}

/// A name for the folders of a check: readable, and different for whatever is run differently.
fn slug(check: &Check) -> String {
    let plain = |c: char| if c.is_ascii_alphanumeric() { c.to_ascii_lowercase() } else { '-' };
    let name: String = check.label().chars().map(plain).take(40).collect();
    // FNV-1a: the same in every version of Aura, so that a newer one finds what an older one began.
    let parts = [&check.name, &check.folder].into_iter().chain(&check.argv);
    let bytes = parts.flat_map(|part| part.bytes().chain([0]));
    let hash = bytes.fold(0xcbf2_9ce4_8422_2325_u64, |hash, byte| (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3));
    format!("{name}-{hash:016x}")
}

/// What a bad end means.
fn ended(check: &Check, exit: &JobExit) -> CheckEnd {
    match exit {
        JobExit::Code(code) => CheckEnd::Failed { exit_code: Some(*code) },
        JobExit::DeadlinePassed => CheckEnd::TimedOut { deadline_s: check.deadline.as_secs() },
        JobExit::Signal(_) | JobExit::Stalled | JobExit::Stopped | JobExit::NotStarted { .. } => CheckEnd::Failed { exit_code: None },
    }
}

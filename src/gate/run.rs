//! Runs checks as supervised jobs, one after the other, builds before tests.
//!
//! Crash recovery is the same path as the first run: each run of a check has a folder of its own by name, so a result
//! that is there is taken, a job that runs is waited for, and only what is missing is started. What runs here was
//! written by agents: it gets no tokens. A red check is run once more on the same tree, so that a flake has a name.

use super::counts::{Counts, counts};
use super::output::{both, clean, condense};
use super::{Check, GateError, Programs};
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
    /// What a report keeps of the output of one red check.
    pub output_bytes: usize,
    /// Asked a few times a second.
    pub stop: &'a dyn Fn() -> bool,
}

/// Variables that a check does not get: it runs what agents wrote. Also git's, which would point it elsewhere.
pub const SECRETS: [&str; 48] = [
    "GH_TOKEN",
    "GITHUB_TOKEN",
    "COPILOT_GITHUB_TOKEN",
    "GH_ENTERPRISE_TOKEN",
    "GITHUB_ENTERPRISE_TOKEN",
    "GITHUB_PAT",
    "COPILOT_PROVIDER_API_KEY",
    "GITLAB_TOKEN",
    "GITEA_TOKEN",
    "BITBUCKET_TOKEN",
    "AZURE_DEVOPS_EXT_PAT",
    "SYSTEM_ACCESSTOKEN",
    "NPM_TOKEN",
    "NODE_AUTH_TOKEN",
    "YARN_NPM_AUTH_TOKEN",
    "CARGO_REGISTRY_TOKEN",
    "PYPI_TOKEN",
    "TWINE_PASSWORD",
    "UV_PUBLISH_TOKEN",
    "UV_PUBLISH_PASSWORD",
    "POETRY_PYPI_TOKEN_PYPI",
    "NUGET_API_KEY",
    "GEM_HOST_API_KEY",
    "MAVEN_PASSWORD",
    "DOCKER_PASSWORD",
    "DOCKER_AUTH_CONFIG",
    "AWS_ACCESS_KEY_ID",
    "AWS_SECRET_ACCESS_KEY",
    "AWS_SESSION_TOKEN",
    "AZURE_CLIENT_SECRET",
    "AZURE_OPENAI_API_KEY",
    "GOOGLE_APPLICATION_CREDENTIALS",
    "GOOGLE_API_KEY",
    "GEMINI_API_KEY",
    "OPENAI_API_KEY",
    "ANTHROPIC_API_KEY",
    "OPENROUTER_API_KEY",
    "HF_TOKEN",
    "VAULT_TOKEN",
    "SLACK_TOKEN",
    "GIT_DIR",
    "GIT_WORK_TREE",
    "GIT_INDEX_FILE",
    "GIT_OBJECT_DIRECTORY",
    "GIT_ALTERNATE_OBJECT_DIRECTORIES",
    "GIT_COMMON_DIR",
    "GIT_PREFIX",
    "GIT_NAMESPACE",
];

/// Programs behave as under continuous integration: no questions, no colours, nothing that stays behind.
const ENVIRONMENT: [(&str, &str); 14] = [
    ("CI", "1"),
    ("TERM", "dumb"),
    ("NO_COLOR", "1"),
    ("FORCE_COLOR", "0"),
    ("CARGO_TERM_COLOR", "never"),
    ("CARGO_TERM_PROGRESS_WHEN", "never"),
    ("GIT_TERMINAL_PROMPT", "0"),
    ("GCM_INTERACTIVE", "never"),
    ("DOTNET_NOLOGO", "1"),
    ("DOTNET_CLI_TELEMETRY_OPTOUT", "1"),
    ("DOTNET_CLI_UI_LANGUAGE", "en"),
    // Build servers would be shared with the user's own builds, and die with this one.
    ("MSBUILDDISABLENODEREUSE", "1"),
    ("UseSharedCompilation", "false"),
    ("COREPACK_ENABLE_DOWNLOAD_PROMPT", "0"),
];

/// How often `stop` is asked.
const LOOK: Duration = Duration::from_millis(100);
const GRACE_MS: u64 = 5_000;
/// What is kept of each stream on disk. Tests of whole systems print more, and nobody reads it.
const LOG_BYTES: u64 = 4 * 1024 * 1024;
/// What a report keeps of a check that went well.
const GOOD_OUTPUT_BYTES: usize = 2 * 1024;
/// Jobs of one check whose supervisor died, before we stop trying.
const LOST_MAX: u32 = 3;

/// Runs the checks and reports on each, in the order in which they are run. After the first red one the others are not
/// run. Blocks; asked to stop, it ends the running job first. A red check is an answer, not an error.
pub fn run(gate: &GateRun) -> Result<Vec<CheckReport>, GateError> {
    let of = |kind: CheckKind| gate.checks.iter().filter(move |check| check.kind == kind);
    let mut reports: Vec<CheckReport> = Vec::with_capacity(gate.checks.len());
    for check in of(CheckKind::Build).chain(of(CheckKind::Test)) {
        let red = reports.last().is_some_and(|report| !report.end.is_good());
        reports.push(if red { report(check, CheckEnd::NotRun, String::new()) } else { run_check(gate, check)? });
    }
    Ok(reports)
}

fn report(check: &Check, end: CheckEnd, output: String) -> CheckReport {
    let (name, folder) = (check.name.clone(), check.folder.clone());
    CheckReport { name, kind: check.kind, folder, end, duration_ms: 0, output, tests_passed: None, tests_failed: None }
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
    Ok(match &first.exit {
        exit if first.is_good(check) => first.report(check, ended(check, exit), GOOD_OUTPUT_BYTES),
        // Once more would take as long again, and tell less.
        JobExit::DeadlinePassed => first.report(check, ended(check, &first.exit), gate.output_bytes),
        JobExit::NotStarted { detail } => missing(detail.clone()),
        JobExit::Code(_) | JobExit::Signal(_) | JobExit::Stalled | JobExit::Stopped => {
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
    })
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
    let mut env: Vec<(String, String)> = ENVIRONMENT.iter().map(|&(name, value)| (name.to_owned(), value.to_owned())).collect();
    // Compiled Python goes beside the logs and not into the tree.
    env.extend(jobs.join("pycache").to_str().map(|path| ("PYTHONPYCACHEPREFIX".to_owned(), path.to_owned())));
    Ok(JobSpec {
        program,
        args: check.argv[1..].to_vec(),
        dir,
        env,
        env_remove: SECRETS.iter().map(|&name| name.to_owned()).collect(),
        deadline_ms: u64::try_from(check.deadline.as_millis()).unwrap_or(u64::MAX),
        grace_ms: GRACE_MS,
        log_bytes_max: LOG_BYTES,
        ..JobSpec::default()
    })
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
                    let spec = JobSpec { cookie: format!("{}/{name}", self.gate.cookie), ..self.spec.clone() };
                    match Job::start(self.gate.aura, job.folder(), &spec) {
                        // Taken: somebody else was faster.
                        Ok(_) | Err(ProcError::Taken { .. }) => self.wait(&job)?,
                        Err(error) => return Err(self.failed("start")(error)),
                    }
                }
            };
            match state {
                JobState::Ended(end) => return Ok(Ran::read(&job, end)),
                JobState::Lost | JobState::Running | JobState::NotStarted => self.lost += 1,
            }
            if self.lost >= LOST_MAX {
                return Err(GateError::Lost { check: self.check.label(), times: self.lost });
            }
        }
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

/// A run that has ended.
struct Ran {
    exit: JobExit,
    duration_ms: u64,
    out: String,
    err: String,
}

impl Ran {
    fn read(job: &Job, end: JobEnd) -> Ran {
        // A log that cannot be read costs the explanation, not the verdict.
        let text = |path: PathBuf| clean(&fs::read(path).unwrap_or_default());
        Ran { exit: end.exit, duration_ms: end.duration_ms, out: text(job.out_log()), err: text(job.err_log()) }
    }

    fn is_good(&self, check: &Check) -> bool {
        matches!(self.exit, JobExit::Code(code) if code == 0 || check.good_codes.contains(&code))
    }

    fn counts(&self) -> Counts {
        counts(&format!("{}\n{}", self.out, self.err))
    }

    fn report(&self, check: &Check, end: CheckEnd, output_bytes: usize) -> CheckReport {
        let Counts { passed, failed } = if check.kind == CheckKind::Test { self.counts() } else { Counts::default() };
        // The program itself could not say this.
        let killed = if let JobExit::Signal(signal) = self.exit { format!("ended by signal {signal}\n") } else { String::new() };
        let output = condense(format!("{killed}{}", both(&self.out, &self.err, output_bytes)).trim_end(), output_bytes);
        CheckReport { duration_ms: self.duration_ms, tests_passed: passed, tests_failed: failed, ..report(check, end, output) }
    }
}

/// What an end means that stands alone.
fn ended(check: &Check, exit: &JobExit) -> CheckEnd {
    match exit {
        JobExit::Code(code) if *code == 0 || check.good_codes.contains(code) => CheckEnd::Passed,
        JobExit::Code(code) => CheckEnd::Failed { exit_code: Some(*code) },
        JobExit::DeadlinePassed => CheckEnd::TimedOut { deadline_s: check.deadline.as_secs() },
        JobExit::Signal(_) | JobExit::Stalled | JobExit::Stopped | JobExit::NotStarted { .. } => CheckEnd::Failed { exit_code: None },
    }
}

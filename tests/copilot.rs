//! The real Copilot CLI under Aura's supervision, with a scripted model on loopback: what the adapter believes about the
//! program is true of the pinned version, and every way an attempt can end gets its own verdict.
#![cfg(unix)]
#![allow(clippy::unwrap_used, clippy::print_stderr)]

#[path = "support/copilot.rs"]
mod copilot;
#[path = "support/fake_model.rs"]
mod fake_model;

use aura::agent::{self, Agent, AgentConfig, AgentEnv, AgentVerdict, Brief, Ending, Signal};
use aura::domain::{Outcome, SessionId};
use aura::proc::{self, Job, JobEnd, JobExit, JobSpec, JobState, Stop};
use copilot::Copilot;
use fake_model::{FakeModel, Request, script};
use serde_json::{Value, json};
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU32, Ordering};
use uuid::Uuid;

const AURA: &str = env!("CARGO_BIN_EXE_aura");
/// Longest attempt: far more than any needs on a busy machine.
const DEADLINE_MS: u64 = 120_000;

/// A worktree, a home for the CLI and a model, all of its own.
struct Bench {
    dir: tempfile::TempDir,
    model: FakeModel,
    config: AgentConfig,
    stall_ms: Option<u64>,
    cookie: String,
    attempts: AtomicU32,
}

struct Running {
    job: Job,
    agent: Box<dyn Agent>,
}

struct Attempt {
    verdict: AgentVerdict,
    signals: Vec<Signal>,
    end: JobEnd,
    transcript: String,
}

impl Bench {
    /// None where there is no CLI. The folder's name is as awkward as a user's.
    fn new() -> Option<Bench> {
        let copilot = Copilot::find()?;
        let dir = tempfile::Builder::new().prefix("aura copilot ünïcode ").tempdir().unwrap();
        let model = FakeModel::start();
        let config = copilot.config(&dir.path().join("copilot-home"), &model.url());
        Some(Bench { dir, model, config, stall_ms: None, cookie: Uuid::new_v4().to_string(), attempts: AtomicU32::new(0) })
    }

    fn worktree(&self, task: &str) -> PathBuf {
        self.dir.path().join("tasks").join(task)
    }

    fn read(&self, name: &str) -> Option<String> {
        fs::read_to_string(self.worktree("task-1").join(name)).ok()
    }

    /// As the engine does it: prompt into a file, command line from the adapter, a job in a folder of its own.
    fn start(&self, task: &str, steps: &Value, session: SessionId, resume: bool) -> Running {
        let worktree = self.worktree(task);
        let number = self.attempts.fetch_add(1, Ordering::Relaxed);
        let folder = self.dir.path().join("jobs").join(format!("{task}-{number}"));
        fs::create_dir_all(&worktree).unwrap();
        fs::create_dir_all(&folder).unwrap();
        let agent = agent::build("copilot", &self.config, &AgentEnv { aura: AURA.into(), ..AgentEnv::default() }).unwrap();
        let prompt_file = folder.join("prompt.md");
        // A prompt that would be an option, if it ever came to the command line.
        let prompt = format!("--help me with {task}, attempt {number}. {}", script(steps));
        let brief = Brief { worktree: &worktree, prompt: &prompt, prompt_file: &prompt_file, session, resume, task, files: &folder };
        let launch = agent.launch(&brief);
        fs::write(&prompt_file, &launch.stdin).unwrap();
        let spec = JobSpec {
            program: launch.program,
            args: launch.args,
            dir: worktree.clone(),
            env: launch.env,
            env_remove: launch.env_remove,
            stdin: Some(prompt_file),
            deadline_ms: DEADLINE_MS,
            stall_ms: self.stall_ms,
            grace_ms: 20_000,
            log_bytes_max: 8 << 20,
            drop_lines: launch.drop_lines,
            cookie: self.cookie.clone(),
        };
        let job = Job::start(Path::new(AURA), &folder, &spec).unwrap();
        Running { job, agent }
    }

    fn run(&self, steps: &Value) -> Attempt {
        self.start("task-1", steps, new_session(), false).settle()
    }

    /// Nothing that an attempt started is left.
    fn assert_swept(&self) {
        assert_eq!(proc::sweep(&self.cookie), 0, "processes were left");
    }
}

impl Running {
    fn settle(self) -> Attempt {
        let JobState::Ended(end) = self.job.wait().unwrap() else { panic!("the job was lost") };
        let read = |path: PathBuf| fs::read_to_string(path).ok();
        let transcript = read(self.job.out_log()).unwrap();
        let mut reader = self.agent.reader();
        let signals = transcript.lines().flat_map(|line| reader.read(line)).collect();
        let stderr = read(self.job.err_log()).unwrap_or_default();
        let usage_file = read(self.job.folder().join("usage.json"));
        let verdict = reader.verdict(&Ending { exit: Some(&end.exit), stderr: &stderr, usage_file });
        if verdict.outcome != Outcome::Done {
            eprintln!("{:?} {end:?}\nstderr: {stderr}\n{}", verdict.outcome, agent::render_transcript(&transcript, 2000));
        }
        Attempt { verdict, signals, end, transcript }
    }

    /// Kills the CLI itself, as the kernel would when memory is short.
    fn kill(&self) {
        let pids: Value = serde_json::from_slice(&fs::read(self.job.folder().join("pid.json")).unwrap()).unwrap();
        let pid = i32::try_from(pids["programPid"].as_i64().unwrap()).unwrap();
        rustix::process::kill_process(rustix::process::Pid::from_raw(pid).unwrap(), rustix::process::Signal::KILL).unwrap();
    }
}

fn new_session() -> SessionId {
    SessionId(Uuid::new_v4())
}

fn complete(summary: &str) -> Value {
    json!({ "call": "task_complete", "args": { "summary": summary } })
}

#[test]
fn a_task_is_done_when_the_agent_says_so() {
    let Some(bench) = Bench::new() else { return };
    let attempt = bench.run(&json!([
        { "write": "hello.txt", "content": "hi there\n", "say": "I write it." },
        { "edit": "hello.txt", "old": "there", "new": "you" },
        { "sh": "cat hello.txt > copy.txt" },
        complete("Wrote a greeting."),
    ]));
    eprintln!(
        "{:?}\n{}",
        bench.model.requests()[0].messages[0]
            .text
            .lines()
            .filter(|l| l.to_lowercase().contains("working dir") || l.contains("cwd"))
            .collect::<Vec<_>>(),
        attempt.transcript
    );
    assert_eq!((attempt.verdict.outcome, attempt.verdict.summary.as_str()), (Outcome::Done, "Wrote a greeting."));
    assert_eq!(bench.read("copy.txt").as_deref(), Some("hi you\n"));
}

//! The real Copilot CLI under Aura's supervision, with a scripted model on loopback: what the adapter believes about the
//! program is true of the pinned version, and every way an attempt can end gets its own verdict.
#![cfg(unix)]
#![allow(clippy::unwrap_used, clippy::print_stderr)]

#[path = "support/copilot.rs"]
mod copilot;
#[path = "support/fake_model.rs"]
mod fake_model;

use aura::agent::{self, Agent, AgentConfig, AgentEnv, AgentVerdict, Brief, Ending, Signal};
use aura::domain::{Outcome, SessionId, Usage};
use aura::proc::{self, Job, JobEnd, JobExit, JobSpec, JobState, Stop};
use copilot::Copilot;
use fake_model::{FakeModel, script};
use serde_json::{Value, json};
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::mpsc;
use std::thread;
use std::time::Duration;
use uuid::Uuid;

const AURA: &str = env!("CARGO_BIN_EXE_aura");
/// Longest attempt: far more than any needs on a busy machine.
const DEADLINE_MS: u64 = 120_000;
/// Longest wait for something that an agent does.
const PATIENCE: Duration = Duration::from_secs(90);

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
            // Of this attempt alone: what carries it is ended when the attempt ends.
            cookie: format!("{}/{task}/{number}", self.cookie),
        };
        let job = Job::start(Path::new(AURA), &folder, &spec).unwrap();
        Running { job, agent }
    }

    fn run(&self, steps: &Value) -> Attempt {
        self.start("task-1", steps, new_session(), false).settle()
    }

    /// A tool that says so when it runs, and then is busy for longer than any test. Saying it goes through a named pipe:
    /// nobody has to look again and again.
    fn busy(&self) -> Value {
        let made = std::process::Command::new("mkfifo").arg(self.dir.path().join("busy")).status().unwrap();
        assert!(made.success());
        json!({ "sh": "echo busy > ../../busy; sleep 600" })
    }

    fn until_busy(&self) {
        let (tell, told) = mpsc::channel();
        let pipe = self.dir.path().join("busy");
        thread::spawn(move || tell.send(fs::read_to_string(pipe)));
        assert_eq!(told.recv_timeout(PATIENCE).expect("the tool runs").unwrap(), "busy\n");
    }

    /// Nothing that an attempt started is left.
    fn assert_swept(&self) {
        assert_eq!(proc::sweep(&self.cookie), 0, "processes were left");
    }
}

impl Running {
    fn settle(self) -> Attempt {
        self.settle_after(&[])
    }

    /// After these in the same session.
    fn settle_after(self, earlier: &[&Attempt]) -> Attempt {
        let JobState::Ended(end) = self.job.wait().unwrap() else { panic!("the job was lost") };
        let read = |path: PathBuf| fs::read_to_string(path).ok();
        let transcript = read(self.job.out_log()).unwrap();
        let mut reader = self.agent.reader();
        let signals = transcript.lines().flat_map(|line| reader.read(line)).collect();
        let stderr = read(self.job.err_log()).unwrap_or_default();
        let usage_file = read(self.job.folder().join("usage.json"));
        let before = earlier.iter().map(|attempt| attempt.verdict.usage.clone()).collect();
        let verdict = reader.verdict(&Ending { exit: Some(&end.exit), stderr: &stderr, usage_file, before, at: jiff::Zoned::now() });
        if verdict.outcome != Outcome::Done {
            eprintln!("{:?} {end:?}\nstderr: {stderr}\n{}", verdict.outcome, said(&transcript, 2000));
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

/// The end of what a transcript says to people.
fn said(transcript: &str, bytes_max: usize) -> String {
    agent::end_of_transcript(&mut std::io::Cursor::new(transcript), bytes_max, true).unwrap().text
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
    assert_eq!((attempt.verdict.outcome, attempt.verdict.summary.as_str()), (Outcome::Done, "Wrote a greeting."));
    assert_eq!(bench.read("copy.txt").as_deref(), Some("hi you\n"));

    let usage = attempt.verdict.usage;
    assert_eq!((usage.requests, usage.input_tokens, usage.output_tokens), (4, 4000, 168), "as the model counted them");
    assert!(attempt.signals.contains(&Signal::Message("I write it.".into())), "{:?}", attempt.signals);
    assert!(attempt.signals.contains(&Signal::Activity("bash: a scripted command".into())), "{:?}", attempt.signals);
    let text = said(&attempt.transcript, 10_000);
    assert!(text.contains("I write it.\n▸ create ") && text.contains("▸ bash cat hello.txt > copy.txt\n"), "{text}");
    assert!(text.ends_with("✓ Wrote a greeting.\n"), "{text}");
    assert!(!attempt.transcript.contains("session.background_tasks_changed"), "noise is not stored");
    let asked = &bench.model.requests()[0];
    assert!(asked.prompt().contains("--help me with task-1, attempt 0."), "the prompt arrives whole: {}", asked.prompt());
    bench.assert_swept();
}

#[test]
fn tools_cannot_push_and_see_no_token_but_one() {
    let Some(mut bench) = Bench::new() else { return };
    for name in ["COPILOT_GITHUB_TOKEN", "GH_TOKEN", "GITHUB_TOKEN"] {
        bench.config.env.insert(name.into(), "github_pat_made_up".into());
        bench.config.env_remove.retain(|removed| removed != name);
    }
    let attempt = bench.run(&json!([
        { "sh": "env | grep github_pat_made_up | sort > tokens.txt" },
        { "sh": "true && git push --force" },
        complete("Tried."),
    ]));
    assert_eq!(attempt.verdict.outcome, Outcome::Done);
    // Version 1.0.102 leaves this one in although it is told to take it out. A version that obeys fails here: then the
    // warning beside the flag in `src/agent/copilot.rs` can go.
    assert_eq!(bench.read("tokens.txt").as_deref(), Some("GITHUB_TOKEN=github_pat_made_up\n"));
    let requests = bench.model.requests();
    assert!(requests[2].tool_result().contains("denied"), "{}", requests[2].tool_result());
}

#[test]
fn a_request_that_the_model_refuses_is_a_failure() {
    let Some(bench) = Bench::new() else { return };
    let attempt = bench.run(&json!([{ "status": 400 }]));
    let Outcome::Failed { detail } = &attempt.verdict.outcome else { panic!("{:?}", attempt.verdict) };
    assert!(detail.contains("400"), "{detail}");
    assert_eq!(bench.model.requests().len(), 1, "it does not try again");
}

#[test]
fn a_refused_key_needs_a_login() {
    let Some(bench) = Bench::new() else { return };
    let attempt = bench.run(&json!([{ "status": 401 }]));
    assert!(matches!(attempt.verdict.outcome, Outcome::NeedsLogin { .. }), "{:?}", attempt.verdict);
}

#[test]
fn a_rate_limit_that_lasts_is_told_apart() {
    let Some(bench) = Bench::new() else { return };
    let attempt = bench.run(&json!([{ "status": 429, "headers": { "Retry-After": "1" } }]));
    assert!(matches!(attempt.verdict.outcome, Outcome::RateLimited { .. }), "{:?}", attempt.verdict);
    assert!(attempt.signals.contains(&Signal::Retrying("waits and tries again: rate_limit".into())), "{:?}", attempt.signals);
}

#[test]
fn an_error_that_passes_is_not_in_the_verdict() {
    let Some(bench) = Bench::new() else { return };
    let attempt = bench.run(&json!([{ "status": 500, "times": 2 }, { "write": "a.txt", "content": "a\n" }, complete("Got over it.")]));
    assert_eq!(attempt.verdict.outcome, Outcome::Done);
    let retries = attempt.signals.iter().filter(|signal| matches!(signal, Signal::Retrying(_))).count();
    assert_eq!((retries, bench.model.requests().len()), (2, 4));
}

#[test]
fn an_answer_that_is_cut_off_is_asked_for_again() {
    let Some(bench) = Bench::new() else { return };
    let attempt = bench.run(&json!([{ "drop": true, "times": 1, "say": "About to" }, complete("Whole.")]));
    assert_eq!((attempt.verdict.outcome, attempt.verdict.summary.as_str()), (Outcome::Done, "Whole."));
    assert!(attempt.signals.contains(&Signal::Retrying("waits and tries again: streaming_error".into())), "{:?}", attempt.signals);
}

#[test]
fn a_model_that_hangs_is_a_stall() {
    let Some(mut bench) = Bench::new() else { return };
    // Longer than the CLI takes to start on a busy machine: it is to be the model that hangs.
    bench.stall_ms = Some(20_000);
    let attempt = bench.run(&json!([{ "hang": true }]));
    assert_eq!((attempt.verdict.outcome, attempt.end.exit), (Outcome::Stalled, JobExit::Stalled));
    assert_eq!(bench.model.requests().len(), 1, "it was the model that hung");
    bench.assert_swept();
}

#[test]
fn a_graceful_stop_is_an_interruption_and_its_tools_end_too() {
    let Some(bench) = Bench::new() else { return };
    let running = bench.start("task-1", &json!([bench.busy(), complete("Never.")]), new_session(), false);
    bench.until_busy();
    running.job.stop(Stop::Graceful).unwrap();
    let attempt = running.settle();
    assert_eq!((attempt.verdict.outcome, attempt.end.exit), (Outcome::Interrupted, JobExit::Stopped));
    assert_eq!(attempt.verdict.usage.requests, 1, "it had the time to write down what it used");
    bench.assert_swept();
}

#[test]
fn a_killed_agent_goes_on_in_the_same_session() {
    let Some(bench) = Bench::new() else { return };
    let session = new_session();
    // The CLI saves a session a moment after the fact, and surely when it ends: what is to be remembered is said before.
    let first = bench.start("task-1", &json!([{ "sh": "true", "say": "The secret word is plum." }, complete("Begun.")]), session, false);
    assert_eq!(first.settle().verdict.outcome, Outcome::Done);
    let running = bench.start("task-1", &json!([{ "write": "first.txt", "content": "1\n" }, bench.busy()]), session, true);
    bench.until_busy();
    running.kill();
    assert_eq!(running.settle().verdict.outcome, Outcome::Crashed { detail: "signal 9".into() });
    bench.assert_swept();

    let asked_before = bench.model.requests().len();
    let steps = json!([{ "write": "second.txt", "content": "2\n" }, complete("Went on.")]);
    let attempt = bench.start("task-1", &steps, session, true).settle();
    assert_eq!((attempt.verdict.outcome, attempt.verdict.summary.as_str()), (Outcome::Done, "Went on."));
    assert_eq!((bench.read("first.txt").as_deref(), bench.read("second.txt").as_deref()), (Some("1\n"), Some("2\n")));
    let asked = &bench.model.requests()[asked_before];
    assert!(asked.says("attempt 0.") && asked.says("The secret word is plum."), "what was saved is kept");
    assert!(asked.prompt().contains("attempt 2."), "{}", asked.prompt());
}

#[test]
fn a_finished_agent_takes_up_its_session_again() {
    let Some(bench) = Bench::new() else { return };
    let session = new_session();
    let steps = json!([{ "write": "first.txt", "content": "1\n", "say": "The secret word is plum." }, complete("First.")]);
    let first = bench.start("task-1", &steps, session, false).settle();
    assert_eq!((&first.verdict.outcome, first.verdict.usage.requests), (&Outcome::Done, 2));

    let steps = json!([{ "sh": "rm first.txt" }, { "sh": "echo 2 > second.txt" }, complete("Second.")]);
    let second = bench.start("task-1", &steps, session, true).settle_after(&[&first]);
    assert_eq!((&second.verdict.outcome, second.verdict.summary.as_str()), (&Outcome::Done, "Second."));
    assert!(bench.model.requests()[2].says("The secret word is plum."));
    let Usage { requests, input_tokens, .. } = second.verdict.usage;
    assert_eq!((requests, input_tokens), (3, 3000), "the first attempt's use is not counted again");

    // That it was done before does not make it done again.
    let third = bench.start("task-1", &json!([{ "say": "I think about it." }]), session, true).settle_after(&[&first, &second]);
    assert!(matches!(third.verdict.outcome, Outcome::Incomplete { .. }), "{:?}", third.verdict);
    assert_eq!(third.verdict.usage.requests, bench.model.requests().len() as u64 - 5);
}

#[test]
fn the_cap_of_continuations_is_not_done() {
    let Some(mut bench) = Bench::new() else { return };
    bench.config.max_continues = Some(2);
    let attempt = bench.run(&json!([{ "say": "I think about it." }]));
    assert!(matches!(attempt.verdict.outcome, Outcome::Incomplete { .. }), "{:?}", attempt.verdict);
    assert_eq!(attempt.end.exit, JobExit::Code(0), "by its exit code it would be done");
    assert_eq!(bench.model.requests().len(), 3, "asked once, pushed on twice");
}

#[test]
fn a_sub_agents_words_are_not_the_tasks() {
    let Some(bench) = Bench::new() else { return };
    let inner = format!("Look around. {}", script(&json!([{ "sh": "echo helped > helper.txt" }, { "say": "I am the helper." }])));
    let ask = json!({ "name": "helper", "agent_type": "task", "description": "look around", "mode": "sync", "prompt": inner });
    let attempt = bench.run(&json!([{ "call": "task", "args": ask, "say": "I ask." }, complete("")]));
    assert_eq!((attempt.verdict.outcome, attempt.verdict.summary.as_str()), (Outcome::Done, "I ask."));
    assert_eq!(bench.read("helper.txt").as_deref(), Some("helped\n"), "{}", attempt.transcript);
    assert!(attempt.transcript.contains("I am the helper."));
}

#[test]
fn what_it_prints_piece_by_piece_is_not_stored() {
    let Some(mut bench) = Bench::new() else { return };
    bench.config.extra_args = vec!["--stream".into(), "on".into()];
    let attempt = bench.run(&json!([{ "sh": "for n in 1 2 3; do echo line $n; done", "say": "I count." }, complete("Counted.")]));
    assert_eq!((attempt.verdict.outcome, attempt.verdict.summary.as_str()), (Outcome::Done, "Counted."));
    assert!(bench.model.requests().iter().all(|request| request.stream));
    let kinds: Vec<Value> = attempt.transcript.lines().map(|line| serde_json::from_str::<Value>(line).unwrap()["type"].clone()).collect();
    assert!(kinds.iter().any(|kind| kind == "assistant.message"), "{kinds:?}");
    let is_piece = |kind: &str| kind.contains("delta") || kind.contains("partial") || kind == "tool.shell_output";
    assert!(!kinds.iter().any(|kind| is_piece(kind.as_str().unwrap())), "{kinds:?}");
}

#[test]
fn a_flag_that_it_does_not_know_is_a_failure_with_its_words() {
    let Some(mut bench) = Bench::new() else { return };
    bench.config.extra_args = vec!["--no-such-flag".into()];
    let attempt = bench.run(&json!([complete("Never.")]));
    let Outcome::Failed { detail } = &attempt.verdict.outcome else { panic!("{:?}", attempt.verdict) };
    assert!(detail.contains("--no-such-flag"), "{detail}");
    assert_eq!(attempt.transcript, "");
}

#[test]
fn what_an_agent_leaves_running_ends_with_the_attempt() {
    let Some(bench) = Bench::new() else { return };
    let serve = json!({ "command": "sleep 600", "description": "serve", "mode": "async", "detach": true });
    let attempt = bench.run(&json!([{ "call": "bash", "args": serve }, complete("It serves.")]));
    assert_eq!(attempt.verdict.outcome, Outcome::Done);
    assert!(attempt.end.strays > 0, "{:?}", attempt.end);
    bench.assert_swept();
}

#[test]
fn a_repository_cannot_make_the_cli_run_its_hooks() {
    let Some(bench) = Bench::new() else { return };
    let (worktree, home) = (bench.worktree("task-1"), bench.dir.path().join("copilot-home"));
    fs::create_dir_all(worktree.join(".github/hooks")).unwrap();
    fs::create_dir_all(worktree.join(".git")).unwrap();
    fs::create_dir_all(&home).unwrap();
    let command = |name: &str| json!([{ "type": "command", "bash": format!("echo ran > {name}"), "timeoutSec": 20 }]);
    let hooks = json!({ "version": 1, "hooks": { "sessionStart": command("start"), "preToolUse": command("tool") } });
    fs::write(worktree.join(".github/hooks/hooks.json"), hooks.to_string()).unwrap();
    let steps = json!([{ "sh": "true" }, complete("Nothing.")]);
    assert_eq!(bench.run(&steps).verdict.outcome, Outcome::Done);
    assert_eq!((bench.read("start"), bench.read("tool")), (None, None));

    // Where its person trusts the folder they do run: it was no fault of the hooks.
    fs::write(home.join("config.json"), json!({ "trusted_folders": [worktree] }).to_string()).unwrap();
    assert_eq!(bench.run(&steps).verdict.outcome, Outcome::Done);
    assert_eq!(bench.read("start").as_deref(), Some("ran\n"));
}

#[test]
fn eight_agents_work_side_by_side() {
    let Some(bench) = Bench::new() else { return };
    bench.model.hold("together");
    let tasks: Vec<String> = (1..=8).map(|n| format!("task-{n}")).collect();
    let running: Vec<Running> = tasks
        .iter()
        .map(|task| {
            let steps = json!([
                { "gate": "together", "write": "own.txt", "content": task },
                { "sh": "cat own.txt > copy.txt" },
                complete(&format!("{task} is done.")),
            ]);
            bench.start(task, &steps, new_session(), false)
        })
        .collect();
    bench.model.until("all eight have asked", |requests| requests.len() >= 8);
    bench.model.release("together");
    for (task, running) in tasks.iter().zip(running) {
        let attempt = running.settle();
        assert_eq!((attempt.verdict.outcome, attempt.verdict.summary), (Outcome::Done, format!("{task} is done.")));
        assert_eq!(fs::read_to_string(bench.worktree(task).join("copy.txt")).unwrap(), *task);
    }
    assert_eq!(bench.model.requests().len(), 24, "three answers for each");
    bench.assert_swept();
}

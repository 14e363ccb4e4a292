//! Programs under Aura's supervision, with real processes: nothing outlives its job, whoever is killed and whenever.
#![cfg(target_os = "linux")]
#![allow(clippy::unwrap_used)]

use aura::proc::{self, Cmd, Exit, Job, JobEnd, JobExit, JobSpec, JobState, ProcError, Stop};
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::sync::mpsc;
use std::thread;
use std::time::{Duration, Instant};

const AURA: &str = env!("CARGO_BIN_EXE_aura");
/// Far longer than anything here takes; a test that reaches it has failed.
const PATIENCE: Duration = Duration::from_mins(1);

struct Bench {
    dir: tempfile::TempDir,
    cookie: String,
}

impl Bench {
    /// A folder whose name is as awkward as a user's.
    fn new() -> Bench {
        let dir = tempfile::Builder::new().prefix("aura proc ünïcode ").tempdir().unwrap();
        Bench { cookie: uuid::Uuid::new_v4().to_string(), dir }
    }
    fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }
    fn sh(&self, script: &str) -> JobSpec {
        JobSpec {
            program: "sh".into(),
            args: vec!["-c".into(), script.into(), "sh".into()],
            dir: self.dir.path().to_owned(),
            env: vec![("WORDS".into(), "zwei Wörter".into())],
            deadline_ms: 50_000,
            grace_ms: 10_000,
            log_bytes_max: 1 << 20,
            cookie: self.cookie.clone(),
            ..JobSpec::default()
        }
    }
    fn start(&self, spec: &JobSpec) -> Job {
        Job::start(Path::new(AURA), &self.path("a job"), spec).unwrap()
    }
    fn run(&self, spec: &JobSpec) -> (Job, JobEnd) {
        let job = self.start(spec);
        let end = ended(&job);
        (job, end)
    }
    fn read(&self, name: &str) -> Option<String> {
        fs::read_to_string(self.path(name)).ok().filter(|text| text.ends_with('\n'))
    }
    fn pids(&self, name: &str) -> Vec<u32> {
        self.read(name).unwrap_or_default().lines().map(|line| line.trim().parse().unwrap()).collect()
    }
    /// Waits until `name` holds `count` process ids.
    fn await_pids(&self, name: &str, count: usize) -> Vec<u32> {
        until("process ids are written", || self.pids(name).len() >= count);
        self.pids(name)
    }
}

fn wait(job: &Job) -> JobState {
    let (tell, told) = mpsc::channel();
    let job = job.clone();
    thread::spawn(move || tell.send(job.wait().unwrap()));
    told.recv_timeout(PATIENCE).expect("the job ends")
}

fn ended(job: &Job) -> JobEnd {
    match wait(job) {
        JobState::Ended(end) => end,
        other @ (JobState::NotStarted | JobState::Running | JobState::Lost) => panic!("{other:?}"),
    }
}

fn until(what: &str, mut holds: impl FnMut() -> bool) {
    let give_up = Instant::now() + PATIENCE;
    while !holds() {
        assert!(Instant::now() < give_up, "waited in vain until {what}");
        thread::sleep(Duration::from_millis(5));
    }
}

fn alive(pid: u32) -> bool {
    fs::read_to_string(format!("/proc/{pid}/stat")).is_ok_and(|stat| !stat.rsplit_once(')').unwrap().1.trim_start().starts_with(['Z', 'X']))
}

fn supervisor(job: &Job) -> u32 {
    let pids: serde_json::Value = serde_json::from_slice(&fs::read(job.folder().join("pid.json")).unwrap()).unwrap();
    pids["pid"].as_u64().unwrap() as u32
}

fn kill_9(pid: u32) {
    assert!(Cmd::new("sh").args(["-c", &format!("kill -9 {pid}")]).run().unwrap().success());
}

fn log(job: &Job) -> String {
    String::from_utf8_lossy(&fs::read(job.out_log()).unwrap()).into_owned()
}

/// A same-group child, one in its own session, a daemon by double fork, and a daemon without the cookie; none of them
/// listens to a polite request. Each writes its id into `pids`.
const FAMILY: &str = r#"
    trap '' TERM
    member='trap "" TERM; echo $$ >>pids; exec >/dev/null 2>&1; while :; do sleep 0.2; done'
    sh -c "$member" &
    setsid sh -c "$member" &
    (setsid sh -c "$member" & )
    (env -i PATH="$PATH" setsid sh -c "$member" & )
    echo $$ >>pids
"#;
const FAMILY_SIZE: usize = 5;

#[test]
fn a_deadline_kills_the_whole_tree() {
    let bench = Bench::new();
    let spec = JobSpec { deadline_ms: 1000, grace_ms: 100, ..bench.sh(&format!("{FAMILY} while :; do sleep 0.2; done")) };
    let (_, end) = bench.run(&spec);
    assert_eq!(end.exit, JobExit::DeadlinePassed);
    let pids = bench.pids("pids");
    assert_eq!(pids.len(), FAMILY_SIZE);
    assert!(!pids.into_iter().any(alive));
}

#[test]
fn what_the_program_leaves_behind_is_ended_and_counted() {
    let bench = Bench::new();
    let spec = JobSpec { grace_ms: 100, ..bench.sh(&format!("{FAMILY} while [ $(wc -l <pids) -lt 5 ]; do sleep 0.05; done; exit 3")) };
    let (_, end) = bench.run(&spec);
    assert_eq!(end.exit, JobExit::Code(3));
    assert!(end.strays >= 4, "{end:?}");
    assert!(!bench.pids("pids").into_iter().any(alive));
}

#[test]
fn silence_is_a_stall_and_output_is_not() {
    let bench = Bench::new();
    let spec = JobSpec { stall_ms: Some(700), ..bench.sh("for i in 1 2 3 4 5 6; do echo noise $i; sleep 0.2; done; exec sleep 100") };
    let (job, end) = bench.run(&JobSpec { drop_lines: vec!["noise".into()], ..spec });
    assert_eq!(end.exit, JobExit::Stalled);
    assert!(end.duration_ms >= 1700, "{end:?}");
    assert_eq!(log(&job), "");
}

#[test]
fn a_graceful_stop_lets_the_program_tidy_up() {
    let bench = Bench::new();
    let job = bench.start(&bench.sh("trap 'echo tidied; exit 0' TERM; echo here; while :; do sleep 0.05; done"));
    until("it prints", || log(&job) == "here\n");
    assert_eq!(job.state().unwrap(), JobState::Running);
    job.stop(Stop::Graceful).unwrap();
    let end = ended(&job);
    assert_eq!((end.exit, log(&job).as_str()), (JobExit::Stopped, "here\ntidied\n"));
}

#[test]
fn a_stop_now_does_not_ask_also_when_it_follows_a_graceful_one() {
    let bench = Bench::new();
    let job = bench.start(&bench.sh("trap 'echo asked' TERM; echo here; while :; do sleep 0.05; done"));
    until("it prints", || log(&job) == "here\n");
    job.stop(Stop::Graceful).unwrap();
    until("it is asked", || log(&job) == "here\nasked\n");
    let asked = Instant::now();
    job.stop(Stop::Now).unwrap();
    assert_eq!(ended(&job).exit, JobExit::Stopped);
    assert!(asked.elapsed() < Duration::from_secs(5));
}

#[test]
fn a_terminated_supervisor_stops_its_job_gracefully() {
    let bench = Bench::new();
    let job = bench.start(&bench.sh("trap 'echo tidied; exit 0' TERM; echo here; while :; do sleep 0.05; done"));
    until("it prints", || log(&job) == "here\n");
    assert!(Cmd::new("sh").args(["-c", &format!("kill {}", supervisor(&job))]).run().unwrap().success());
    assert_eq!((ended(&job).exit, log(&job).as_str()), (JobExit::Stopped, "here\ntidied\n"));
}

#[test]
fn a_killed_supervisor_is_a_lost_job_of_which_nothing_is_left() {
    let bench = Bench::new();
    let script = "
        setsid sh -c 'trap \"\" TERM; echo $$ >>pids; while :; do sleep 0.2; done' &
        (setsid sh -c 'echo $$ >>pids; while :; do sleep 0.2; done' & )
        echo $$ >>pids; while :; do sleep 0.2; done";
    let job = bench.start(&JobSpec { grace_ms: 200, ..bench.sh(script) });
    let pids = bench.await_pids("pids", 3);
    assert!(pids.iter().copied().all(alive));
    kill_9(supervisor(&job));
    assert_eq!(wait(&job), JobState::Lost);
    assert!(!pids.into_iter().any(alive));
    assert_eq!(job.state().unwrap(), JobState::Lost);
}

#[test]
fn a_supervisor_that_dies_at_the_first_moment_leaves_a_job_that_was_started_and_is_lost() {
    for _ in 0..20 {
        let bench = Bench::new();
        // Before or after the supervisor has said that the program runs: nobody who starts a job can tell.
        let job = bench.start(&JobSpec { grace_ms: 200, ..bench.sh("(setsid sleep 600 &); kill -KILL $PPID; sleep 600") });
        assert_eq!(wait(&job), JobState::Lost);
    }
}

#[test]
fn a_program_ends_with_its_supervisor_also_when_nobody_sweeps() {
    let bench = Bench::new();
    let job = bench.start(&bench.sh("trap 'echo asked >asked; exit' TERM; echo $$ >pids; while :; do sleep 0.05; done"));
    let pids = bench.await_pids("pids", 1);
    kill_9(supervisor(&job));
    until("the program is gone", || !alive(pids[0]));
    assert_eq!(bench.read("asked").unwrap(), "asked\n");
    assert_eq!(job.state().unwrap(), JobState::Lost);
}

/// The body of a process that starts a job and waits to be killed; in its own process, see the next test.
#[test]
fn driver_body() {
    let Ok(folder) = std::env::var("AURA_TEST_DRIVER") else { return };
    let folder = PathBuf::from(folder);
    let spec: JobSpec = serde_json::from_slice(&fs::read(folder.join("driver.json")).unwrap()).unwrap();
    Job::start(Path::new(AURA), &folder.join("a job"), &spec).unwrap();
    fs::write(folder.join("driver pid"), format!("{}\n", std::process::id())).unwrap();
    thread::sleep(PATIENCE);
}

#[test]
fn a_job_survives_its_killed_driver_and_another_process_gets_its_end() {
    let bench = Bench::new();
    let spec = bench.sh("echo begun; while [ ! -e go ]; do sleep 0.02; done; echo done; exit 7");
    fs::write(bench.path("driver.json"), serde_json::to_vec(&spec).unwrap()).unwrap();
    let mut driver = std::process::Command::new(std::env::current_exe().unwrap())
        .args(["driver_body", "--exact"])
        .env("AURA_TEST_DRIVER", bench.dir.path())
        .stdout(std::process::Stdio::null())
        .spawn()
        .unwrap();
    bench.await_pids("driver pid", 1);
    driver.kill().unwrap();
    driver.wait().unwrap();
    let job = Job::at(&bench.path("a job"));
    assert_eq!(job.state().unwrap(), JobState::Running);
    fs::write(bench.path("go"), "").unwrap();
    assert_eq!((ended(&job).exit, log(&job).as_str()), (JobExit::Code(7), "begun\ndone\n"));
}

fn memory_kib(job: &Job, what: &str) -> u64 {
    let status = fs::read_to_string(format!("/proc/{}/status", supervisor(job))).unwrap();
    let found = status.lines().find_map(|line| line.strip_prefix(what)).unwrap();
    found.trim().trim_end_matches(" kB").parse().unwrap()
}

#[test]
fn endless_lines_cost_neither_memory_nor_the_program() {
    let bench = Bench::new();
    let flood = "echo; while [ ! -e flood ]; do sleep 0.02; done; head -c 200000000 /dev/zero && touch written";
    let job = bench.start(&bench.sh(&format!("{flood} && while [ ! -e go ]; do sleep 0.02; done; echo; echo after")));
    until("it has begun", || log(&job) == "\n");
    let before = memory_kib(&job, "VmHWM:");
    fs::write(bench.path("flood"), "").unwrap();
    until("it has written", || bench.path("written").exists());
    let grown = memory_kib(&job, "VmHWM:") - before;
    assert!(grown < 2 * 1024, "the flood cost {grown} KiB");
    // The program's own pages are shared by all supervisors; the rest is what each of hundreds costs.
    let own = memory_kib(&job, "RssAnon:");
    assert!(own < 4 * 1024, "{own} KiB");
    fs::write(bench.path("go"), "").unwrap();
    let end = ended(&job);
    assert_eq!((end.exit, end.truncated), (JobExit::Code(0), true));
    assert!(log(&job).ends_with("bytes left out]\nafter\n"));
    assert!(fs::metadata(job.out_log()).unwrap().len() <= (1 << 20) + 1000);
}

#[test]
fn bytes_that_are_not_utf8_are_kept() {
    let bench = Bench::new();
    let (job, end) = bench.run(&bench.sh(r"printf 'a\377\376b\nc\0d\n'; printf '\303' >&2; exit 0"));
    assert_eq!((end.exit, end.truncated), (JobExit::Code(0), false));
    assert_eq!(fs::read(job.out_log()).unwrap(), b"a\xff\xfeb\nc\0d\n");
    assert_eq!(fs::read(job.err_log()).unwrap(), b"\xc3");
}

#[test]
fn a_noisy_log_keeps_its_beginning_and_its_end() {
    let bench = Bench::new();
    let (job, end) = bench.run(&JobSpec { log_bytes_max: 10_000, ..bench.sh("seq -f 'line %.0f' 100000") });
    assert_eq!((end.exit, end.truncated), (JobExit::Code(0), true));
    let log = log(&job);
    assert!(log.len() <= 10_100, "{}", log.len());
    let (head, tail) = log.split_once("[aura: ").unwrap();
    let numbers = |text: &str| text.lines().map(|line| line.strip_prefix("line ").unwrap().parse().unwrap()).collect::<Vec<u32>>();
    let (head, (dropped, tail)) = (numbers(head), tail.split_once(" bytes left out]\n").unwrap());
    let tail = numbers(tail);
    assert_eq!(head, (1..=head.len() as u32).collect::<Vec<_>>());
    assert_eq!(tail, (100_001 - tail.len() as u32..=100_000).collect::<Vec<_>>());
    let missing: usize = (head.len() + 1..=100_000 - tail.len()).map(|number| format!("line {number}\n").len()).sum();
    assert_eq!(dropped.parse::<usize>().unwrap(), missing);
    assert!(head.len() > 400 && tail.len() > 300);
}

#[test]
fn a_grandchild_that_holds_the_output_does_not_hold_the_job() {
    let bench = Bench::new();
    let started = Instant::now();
    let (job, end) = bench.run(&bench.sh("(setsid sleep 1000 &); echo done"));
    assert_eq!((end.exit, end.strays, end.truncated), (JobExit::Code(0), 1, false));
    assert_eq!(log(&job), "done\n");
    assert!(end.duration_ms < 2000 && started.elapsed() < Duration::from_secs(15));
}

#[test]
fn a_program_that_is_not_there_is_how_the_job_ended() {
    let bench = Bench::new();
    let detail = |spec: &JobSpec, folder: &str| {
        let job = Job::start(Path::new(AURA), &bench.path(folder), spec).unwrap();
        match ended(&job).exit {
            JobExit::NotStarted { detail } => detail,
            other => panic!("{other:?}"),
        }
    };
    let spec = bench.sh("");
    assert_eq!(detail(&JobSpec { program: "no-such-prögram".into(), ..spec.clone() }, "1"), "the program `no-such-prögram` was not found");
    fs::write(bench.path("plain"), "").unwrap();
    assert!(detail(&JobSpec { program: bench.path("plain"), ..spec.clone() }, "2").contains("Permission denied"));
    assert!(detail(&JobSpec { dir: bench.path("nowhere"), ..spec.clone() }, "3").contains("nowhere does not exist"));
    assert!(detail(&JobSpec { stdin: Some(bench.path("nothing")), ..spec }, "4").contains("nothing"));
}

#[test]
fn a_program_that_exits_127_did_start() {
    let bench = Bench::new();
    assert_eq!(bench.run(&bench.sh("exit 127")).1.exit, JobExit::Code(127));
}

#[test]
fn a_folder_is_for_one_job() {
    let bench = Bench::new();
    let spec = bench.sh("echo once >>count; while [ ! -e go ]; do sleep 0.02; done");
    let job = bench.start(&spec);
    let again = || Job::start(Path::new(AURA), job.folder(), &spec);
    assert!(matches!(again(), Err(ProcError::Taken { .. })));
    fs::write(bench.path("go"), "").unwrap();
    ended(&job);
    assert!(matches!(again(), Err(ProcError::Taken { .. })));
    assert_eq!(bench.read("count").unwrap(), "once\n");
}

#[test]
fn of_many_who_start_a_job_at_once_one_does() {
    let bench = Bench::new();
    let spec = bench.sh("echo once >>count; while [ ! -e go ]; do sleep 0.02; done");
    let folder = bench.path("a job");
    let start = || Job::start(Path::new(AURA), &folder, &spec);
    let won = thread::scope(|scope| {
        let starts: Vec<_> = (0..8).map(|_| scope.spawn(start)).collect();
        starts.into_iter().flat_map(|start| start.join().unwrap()).count()
    });
    assert_eq!(won, 1);
    fs::write(bench.path("go"), "").unwrap();
    ended(&Job::at(&folder));
    assert_eq!(bench.read("count").unwrap(), "once\n");
}

#[test]
fn a_job_that_nobody_started_is_not_started() {
    let bench = Bench::new();
    let job = Job::at(&bench.path("a job"));
    assert_eq!((job.state().unwrap(), wait(&job)), (JobState::NotStarted, JobState::NotStarted));
}

#[test]
fn a_program_gets_its_arguments_environment_input_and_directory() {
    let bench = Bench::new();
    fs::write(bench.path("prompt ß"), "the prompt").unwrap();
    fs::create_dir(bench.path("work dir ñ")).unwrap();
    let mut spec = bench.sh(r#"printf '%s\n' "$@" "$WORDS" "${HOME-unset}" "$AURA_JOB"; pwd; cat; ls -l /proc/self/fd >&2"#);
    spec.args.extend(["", "a b", "日本", "--ear", "new\nline"].map(String::from));
    spec.env_remove = vec!["HOME".into()];
    spec.stdin = Some(bench.path("prompt ß"));
    spec.dir = bench.path("work dir ñ");
    let (job, end) = bench.run(&spec);
    assert_eq!(end.exit, JobExit::Code(0));
    let expected = format!("\na b\n日本\n--ear\nnew\nline\nzwei Wörter\nunset\n{}\n{}\nthe prompt", bench.cookie, spec.dir.display());
    assert_eq!(log(&job), expected);
    let descriptors = fs::read_to_string(job.err_log()).unwrap();
    assert!(!descriptors.contains("a job"), "the program holds something of its supervisor's: {descriptors}");
    for name in ["spec.json", "lock", "pid.json", "out.log", "err.log", "exit.json"] {
        assert_eq!(fs::metadata(job.folder().join(name)).unwrap().permissions().mode() & 0o777, 0o600, "{name}");
    }
    assert_eq!(fs::metadata(job.folder()).unwrap().permissions().mode() & 0o777, 0o700);
    assert_eq!(fs::read_dir(job.folder()).unwrap().count(), 6, "nothing temporary is left");
}

#[test]
fn a_sweep_ends_what_carries_the_cookie_and_nothing_else() {
    let bench = Bench::new();
    let stray = |cookie: &str| std::process::Command::new("sleep").arg("1000").env("AURA_JOB", cookie).spawn().unwrap();
    let mut ours = [stray(&format!("{}/1", bench.cookie)), stray(&format!("{}/2", bench.cookie))];
    let mut other = stray("somebody else's");
    assert_eq!(proc::sweep(""), 0);
    assert_eq!(proc::sweep(&bench.cookie), 2);
    for stray in &mut ours {
        assert!(!alive(stray.id()));
        stray.wait().unwrap();
    }
    assert!(alive(other.id()));
    other.kill().unwrap();
    other.wait().unwrap();
}

#[test]
fn a_detached_process_has_a_session_of_its_own_and_writes_to_its_log() {
    let bench = Bench::new();
    // Through Aura once more, because only Aura can be detached.
    let script = "echo $$ $WORDS; ps -o sid= -p $$";
    let args = ["exec", "sh", "-c", script].map(std::ffi::OsStr::new);
    let log = bench.path("log");
    let pid = proc::spawn_detached(Path::new(AURA), &args, bench.dir.path(), &log, &[("WORDS", "ä b".as_ref())]).unwrap();
    until("it has written", || bench.read("log").is_some_and(|text| text.lines().count() == 2));
    let text = bench.read("log").unwrap();
    let lines: Vec<_> = text.lines().map(str::trim).collect();
    assert_eq!(lines, [format!("{pid} ä b"), pid.to_string()]);
}

mod orphans;

mod cmd {
    use super::*;

    #[test]
    fn a_command_gives_its_output_and_its_exit() {
        let output = Cmd::new("sh").args(["-c", "cat; echo \"$A\" >&2; exit 3"]).env("A", "ä b").stdin("in put").run().unwrap();
        assert_eq!((output.exit, output.stdout_text(), output.stderr_text()), (Exit::Code(3), "in put".into(), "ä b".into()));
        assert!(!output.truncated && !output.success());
        assert_eq!(Cmd::new("sh").args(["-c", "kill -9 $$"]).run().unwrap().exit, Exit::Signal(9));
    }

    #[test]
    fn a_command_that_is_not_there_is_an_error_that_names_it() {
        let error = Cmd::new("no-such-program").run().unwrap_err();
        assert!(matches!(&error, ProcError::NotFound { program } if program == "no-such-program"), "{error}");
        let error = Cmd::new("true").dir("/no/such/dir").run().unwrap_err();
        assert!(matches!(&error, ProcError::Io { doing, .. } if doing.contains("/no/such/dir")), "{error}");
    }

    #[test]
    fn a_deadline_kills_the_group() {
        let bench = Bench::new();
        let started = Instant::now();
        let script = "trap '' TERM; sh -c 'trap \"\" TERM; echo $$ >>pids; while :; do sleep 0.1; done' & echo $$ >>pids; while :; do sleep 0.1; done";
        let output = Cmd::new("sh").args(["-c", script]).dir(bench.dir.path()).deadline(Duration::from_millis(600)).run().unwrap();
        assert_eq!(output.exit, Exit::DeadlinePassed);
        assert!(started.elapsed() < Duration::from_secs(10));
        let pids = bench.pids("pids");
        assert_eq!(pids.len(), 2);
        until("they are dead", || !pids.iter().copied().any(alive));
    }

    #[test]
    fn a_grandchild_that_holds_the_pipe_does_not_hold_the_command() {
        let started = Instant::now();
        let output = Cmd::new("sh").args(["-c", "sleep 20 & echo done"]).run().unwrap();
        assert_eq!((output.exit, output.stdout_text().as_str(), output.truncated), (Exit::Code(0), "done", true));
        assert!(started.elapsed() < Duration::from_secs(10));
    }

    #[test]
    fn output_beyond_the_limit_is_read_and_forgotten() {
        let output = Cmd::new("sh").args(["-c", "head -c 5000000 /dev/zero; echo end >&2"]).output_max(1000).run().unwrap();
        assert_eq!((output.exit, output.stdout.len(), output.truncated), (Exit::Code(0), 1000, true));
        assert_eq!(output.stderr_text(), "end");
    }

    #[test]
    fn input_that_is_not_read_does_not_matter() {
        assert!(Cmd::new("true").stdin(vec![0; 10_000_000]).run().unwrap().success());
        let echoed = Cmd::new("cat").stdin(vec![b'x'; 3_000_000]).run().unwrap();
        assert_eq!(echoed.stdout.len(), 3_000_000);
    }
}

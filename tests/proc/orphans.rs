//! Processes that clear their environment, leave their session and their parents, and outlive a killed supervisor.

use super::*;

/// A daemon by double fork, with nothing in its environment, that listens to no request, with a child of its own. Then the
/// program goes on until it is killed. Nothing of it takes any time of the processor: there are hundreds.
const DAEMON: &str = r#"
    (env -i PATH="$PATH" setsid sh -c 'trap "" TERM; echo $$ >>pids; exec </dev/null >/dev/null 2>&1; sleep 3000 & exec sleep 3000' &)
    echo $$ >>pids; exec sleep 3000"#;

fn marked_alive(mark: u64) -> usize {
    let ids = fs::read_dir("/proc").unwrap().flatten().filter_map(|entry| entry.file_name().to_str()?.parse::<u32>().ok());
    // A dead process that nobody has waited for yet still shows its limits.
    let limits = ids.filter(|id| alive(*id)).filter_map(|id| fs::read_to_string(format!("/proc/{id}/limits")).ok());
    limits.filter(|text| text.contains(&format!(" {mark} "))).count()
}

fn mark(job: &Job) -> u64 {
    let pids: serde_json::Value = serde_json::from_slice(&fs::read(job.folder().join("pid.json")).unwrap()).unwrap();
    pids["mark"].as_u64().unwrap()
}

#[test]
fn two_hundred_daemons_without_an_environment_do_not_outlive_their_killed_supervisors() {
    const JOBS: usize = 200;
    let benches: Vec<Bench> = (0..JOBS).map(|_| Bench::new()).collect();
    let jobs: Vec<Job> = benches.iter().map(|bench| bench.start(&JobSpec { grace_ms: 50, ..bench.sh(DAEMON) })).collect();
    let pids: Vec<u32> = benches.iter().flat_map(|bench| bench.await_pids("pids", 2)).collect();
    assert!(pids.iter().copied().all(alive));
    for job in &jobs {
        kill_9(supervisor(job));
    }
    // As a driver does it: many wait at once.
    let waits: Vec<_> = jobs
        .iter()
        .map(|job| {
            thread::spawn({
                let job = job.clone();
                move || job.wait().unwrap()
            })
        })
        .collect();
    assert!(waits.into_iter().all(|wait| wait.join().unwrap() == JobState::Lost));
    assert_eq!(pids.into_iter().filter(|pid| alive(*pid)).count(), 0);
    assert_eq!(jobs.iter().map(|job| marked_alive(mark(job))).sum::<usize>(), 0);
}

#[test]
fn what_is_no_descendant_is_left_alone() {
    let bench = Bench::new();
    let job = bench.start(&JobSpec { grace_ms: 50, ..bench.sh(DAEMON) });
    let daemon = bench.await_pids("pids", 2);
    // One of another job, and one of nobody's: in the same folder, of the same name.
    let other = Bench::new();
    let running = other.start(&other.sh(DAEMON));
    let theirs = other.await_pids("pids", 2);
    let mut stranger = std::process::Command::new("sh").args(["-c", "exec sleep 3000"]).current_dir(bench.dir.path()).spawn().unwrap();
    assert_ne!(mark(&job), mark(&running));
    kill_9(supervisor(&job));
    assert_eq!(wait(&job), JobState::Lost);
    assert!(!daemon.into_iter().any(alive));
    assert!(alive(stranger.id()) && theirs.into_iter().all(alive));
    stranger.kill().unwrap();
    stranger.wait().unwrap();
    running.stop(Stop::Now).unwrap();
    assert_eq!(ended(&running).exit, JobExit::Stopped);
}

#[test]
fn a_job_inside_a_job_has_a_mark_of_its_own_and_ends_with_the_outer_one() {
    let outer = Bench::new();
    let spec = outer.sh(DAEMON);
    fs::write(outer.path("driver.json"), serde_json::to_vec(&JobSpec { cookie: uuid::Uuid::new_v4().to_string(), ..spec }).unwrap())
        .unwrap();
    let script = "\"$0\" driver_body --exact";
    let mut around = JobSpec { grace_ms: 50, ..outer.sh(script) };
    around.args = vec!["-c".into(), script.into(), std::env::current_exe().unwrap().display().to_string()];
    around.env.push(("AURA_TEST_DRIVER".into(), outer.dir.path().display().to_string()));
    let job = Job::start(Path::new(AURA), &outer.path("outer job"), &around).unwrap();
    let pids = outer.await_pids("pids", 2);
    let inner = Job::at(&outer.path("a job"));
    assert!(mark(&inner) < mark(&job), "a limit is only ever lowered");
    kill_9(supervisor(&job));
    assert_eq!(wait(&job), JobState::Lost);
    assert!(!pids.into_iter().any(alive));
}

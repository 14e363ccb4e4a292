//! Whole runs: how soon a dependent starts, how close to the bound a plan ends, what two hundred agents cost.

use crate::world::{Job, World, chain, git};
use crate::{percentile, show};
use serde_json::Value;
use std::collections::HashMap;
use std::path::Path;
use std::time::{Duration, Instant, SystemTime};

/// From a task's landing (in the log) to the moment its dependent's process runs, beside git's own cost of a worktree.
pub fn latency() {
    let world = World::with_files(3000);
    let mut plain = vec![];
    for n in 0..20 {
        let path = world.folder.path().join(format!("plain-{n}"));
        let began = Instant::now();
        git(&world.repo, &["worktree", "add", "-q", "--detach", &path.to_string_lossy(), "main"]);
        plain.push(began.elapsed());
    }
    world.story();
    world.plan(&chain(60, 1, 1));
    let (_, events) = world.run(4, "flow");
    let landed: HashMap<String, SystemTime> = of(&events, "taskLanded").map(|e| (text(e, "task"), at(e))).collect();
    let mut waits = vec![];
    for started in of(&events, "attemptStarted") {
        let number: usize = text(started, "task")[1..].parse().expect("t and a number");
        let Some(before) = number.checked_sub(1).and_then(|n| landed.get(&format!("t{n}"))) else { continue };
        // Written by the supervisor the moment the program runs.
        let runs = std::fs::metadata(Path::new(&text(started, "job")).join("pid.json")).and_then(|meta| meta.modified()).expect("pid.json");
        waits.push(runs.duration_since(*before).unwrap_or_default());
    }
    show("landing to the dependent's process, 3,000 files", &waits);
    show("`git worktree add` alone", &plain);
    let git = percentile(&plain, 0.5);
    let beyond = |p| percentile(&waits, p).saturating_sub(git).as_secs_f64() * 1000.0;
    println!("beyond git's own median: p50 {:.1} ms, p99 {:.1} ms", beyond(0.5), beyond(0.99));
}

/// Heavy-tailed random DAGs: the whole time over the lower bound max(critical path, work / N).
pub fn makespan() {
    for (tasks, parallelism) in [(20, 4), (60, 8), (200, 8)] {
        let jobs = random_dag(tasks, 0x5eed + tasks as u64);
        let bound = bound(&jobs, parallelism);
        let mut line = format!("{tasks} tasks, {parallelism} agents, bound {:.1} s:", bound.as_secs_f64());
        for mode in ["flow", "waves"] {
            let world = World::with_files(100);
            world.story();
            world.plan(&jobs);
            let (_, events) = world.run(parallelism, mode);
            let first = of(&events, "attemptStarted").map(at).min().expect("some");
            let last = of(&events, "taskLanded").map(at).max().expect("some");
            let span = last.duration_since(first).unwrap_or_default();
            line += &format!(" {mode} {:.3}", span.as_secs_f64() / bound.as_secs_f64());
        }
        println!("{line}");
    }
}

/// Peak memory of the driver with two hundred agents at once, and what the supervisors add.
pub fn memory() {
    let world = World::with_files(100);
    world.story();
    world.plan(&chain(1, 200, 30_000));
    world.aura(&["run", "latest", "--all", "-n", "200", "--detach"]);
    let deadline = Instant::now() + Duration::from_secs(120);
    let home = world.home().to_string_lossy().into_owned();
    let (mut driver, mut supervisors) = (None, vec![]);
    while supervisors.len() < 200 && Instant::now() < deadline {
        std::thread::sleep(Duration::from_millis(200));
        (driver, supervisors) = (None, vec![]);
        for entry in std::fs::read_dir("/proc").expect("Linux").flatten() {
            let read = |name: &str| String::from_utf8_lossy(&std::fs::read(entry.path().join(name)).unwrap_or_default()).replace('\0', " ");
            let command = read("cmdline");
            if command.contains(" drive ") && read("environ").contains(&home) {
                driver = Some(entry.path());
            } else if command.contains(" supervise ") && command.contains(&home) {
                supervisors.push(entry.path());
            }
        }
    }
    let shared: u64 = supervisors.iter().map(|path| kilobytes(&path.join("smaps_rollup"), "Pss:")).sum();
    let driver = driver.map_or(0, |path| kilobytes(&path.join("status"), "VmHWM:"));
    println!(
        "{} agents at once: driver peak {:.1} MB; their supervisors {:.1} MB together (proportional)",
        supervisors.len(),
        driver as f64 / 1024.0,
        shared as f64 / 1024.0
    );
    world.aura(&["cancel", "latest", "--now"]);
    world.events();
}

fn kilobytes(file: &Path, key: &str) -> u64 {
    let text = std::fs::read_to_string(file).unwrap_or_default();
    let line = text.lines().find(|line| line.starts_with(key)).unwrap_or_default();
    line.split_ascii_whitespace().nth(1).and_then(|n| n.parse().ok()).unwrap_or(0)
}

/// Lognormal durations around a second, up to three dependencies each among the dozen tasks before.
fn random_dag(count: usize, seed: u64) -> Vec<Job> {
    let mut state = seed;
    let mut random = move || {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (state >> 33) as f64 / (1u64 << 31) as f64
    };
    (0..count)
        .map(|n| {
            let normal = (-2.0 * random().max(1e-9).ln()).sqrt() * (std::f64::consts::TAU * random()).cos();
            let ms = ((0.7 * normal).exp() * 800.0).clamp(100.0, 8000.0) as u64;
            let dependencies = (random() * 4.0) as usize;
            let mut after: Vec<usize> = (0..dependencies).filter_map(|_| n.checked_sub(1 + (random() * 12.0) as usize)).collect();
            after.sort_unstable();
            after.dedup();
            Job { after, ms }
        })
        .collect()
}

fn bound(jobs: &[Job], parallelism: usize) -> Duration {
    let mut ends: Vec<u64> = vec![];
    for job in jobs {
        let start = job.after.iter().map(|&n| ends[n]).max().unwrap_or(0);
        ends.push(start + job.ms);
    }
    let work: u64 = jobs.iter().map(|job| job.ms).sum();
    Duration::from_millis(ends.into_iter().max().unwrap_or(0).max(work / parallelism as u64))
}

fn of<'a>(events: &'a [Value], kind: &'a str) -> impl Iterator<Item = &'a Value> {
    events.iter().filter(move |event| event["kind"] == kind)
}

fn text(event: &Value, key: &str) -> String {
    event[key].as_str().unwrap_or_default().to_owned()
}

fn at(event: &Value) -> SystemTime {
    let at: jiff::Timestamp = text(event, "at").parse().expect("a time");
    at.into()
}

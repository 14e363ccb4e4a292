//! `kill -9` at every step that matters: each process start, each move of a ref and each replacement of a file, of the
//! driver, of a supervisor, and of each git that the driver starts. After that a run comes to the same end.
//!
//! `cargo test` takes a share of the points of each scene; `AURA_KILL_POINTS=all` takes them all (`docs/testing.md`).
#![cfg(debug_assertions)]

use crate::script::{Step, append, git, say, sh, write};
use crate::world::{World, task};
use std::collections::BTreeMap;
use std::fs;
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};

/// Points of each scene in a plain `cargo test`.
const SHARE: usize = 12;
/// Stories that run at once.
const WORKERS: usize = 3;

type Scene = fn() -> World;

/// A story in which every purpose of an attempt occurs: work, retry, resume, no change, resolve and repair.
fn purposes() -> World {
    let mut world = World::new();
    world.story(vec![task("a", &[]), task("b", &[]), task("c", &["a"])]);
    for id in ["a", "b"] {
        world.script(id, "work", vec![sh(&format!("sed -i 's/^three$/three, {id}/' base.txt"))]);
        world.script(id, "resolve", vec![sh("printf 'one\\ntwo\\nthree, a, b\\nfour\\nfive\\n' > base.txt")]);
    }
    // Dies with half of it, then says that it is done, then does it; and breaks the gate with it.
    world.script("c", "#1", vec![write("c.txt", "half\n"), sh("kill -9 $PPID")]);
    world.script("c", "retry", vec![write("c.txt", "half\nBROKEN\n")]);
    world.script("c", "resume", vec![]);
    world.script("c", "nochange", vec![append("c.txt", "BROKEN\n")]);
    world.script("c", "repair", vec![write("c.txt", "sound\n"), say("NO CHANGE NEEDED: unless something had to be repaired.")]);
    world
}

/// Agents that do to git what agents do; each builds on work that has landed.
fn tampering() -> World {
    let mut world = World::new();
    let ways: [(&str, Vec<Step>); 6] = [
        ("commits", vec![write("commits.txt", "x\n"), git(&["add", "-A"]), git(&["commit", "-qm", "mine"])]),
        ("resets", vec![git(&["reset", "-q", "--hard", "main"]), write("resets.txt", "x\n")]),
        ("amends", vec![write("amends.txt", "x\n"), git(&["add", "-A"]), git(&["commit", "-q", "--amend", "-m", "mine"])]),
        ("switches", vec![git(&["checkout", "-q", "--detach", "main"]), write("switches.txt", "x\n")]),
        ("stashes", vec![write("stashes.txt", "x\n"), git(&["stash", "-q", "-u"]), git(&["stash", "pop", "-q"])]),
        ("unlinks", vec![write("unlinks.txt", "x\n"), Step::Remove(".git".into())]),
    ];
    let mut tasks = vec![task("first", &[])];
    tasks.extend(ways.iter().map(|(id, _)| task(id, &["first"])));
    world.story(tasks);
    world.script("first", "work", vec![write("first.txt", "first\n")]);
    for (id, steps) in ways {
        world.script(id, "work", steps);
    }
    world
}

/// What must be in the end, whatever was killed.
fn right(world: &World) -> BTreeMap<String, String> {
    let names = world.git(&["ls-tree", "-r", "--name-only", &world.branch()]);
    names.lines().map(|name| (name.to_owned(), world.landed(name))).collect()
}

/// Runs until the story is complete; the first run is the one in which something is killed.
fn finish(world: &World) {
    world.spawn(&["run", &world.id, "--all", "--json"]).wait_with_output().unwrap();
    world.until("nobody is left", || world.processes().is_empty().then_some(()));
    for _ in 0..3 {
        if world.status()["isComplete"] == true {
            return;
        }
        world.run();
    }
    panic!("the story does not end\n{}", world.story_so_far());
}

fn check(scene: Scene, role: &str, at: usize, expected: &BTreeMap<String, String>) {
    let mut world = scene();
    let marker = world.path("killed");
    world.env.insert("AURA_TEST_KILL".into(), format!("{role}:{at}:{}", marker.display()));
    finish(&world);
    assert_eq!(right(&world), *expected, "killed {role} at step {at}\n{}", world.story_so_far());
    // No agent has ever started without the work of its dependencies.
    for event in world.events_of("attemptPrepared") {
        let plan = world.events_of("planAccepted");
        let of = |task: &serde_json::Value| task["id"] == event["task"];
        let planned = plan[0]["tasks"].as_array().unwrap().iter().find(|task| of(task)).unwrap();
        for dependency in planned["dependsOn"].as_array().unwrap() {
            let (start, name) = (event["start"].as_str().unwrap(), dependency.as_str().unwrap());
            let has = !world.at(start, &format!("{name}.txt")).is_empty() || world.at(start, "base.txt").contains(name);
            assert!(has, "killed {role} at step {at}: {} starts without {name}\n{}", event["task"], world.story_so_far());
        }
    }
    world.close();
}

/// How many steps each role takes in a story that nobody disturbs.
fn count(scene: Scene) -> (BTreeMap<String, usize>, BTreeMap<String, String>) {
    let mut world = scene();
    let steps = world.path("steps");
    world.env.insert("AURA_TEST_STEPS".into(), steps.display().to_string());
    finish(&world);
    let mut counts = BTreeMap::new();
    for line in fs::read_to_string(steps).unwrap().lines() {
        *counts.entry(line.split('\t').next().unwrap().to_owned()).or_insert(0) += 1;
    }
    let expected = right(&world);
    world.close();
    (counts, expected)
}

fn every_point(scene: Scene) {
    let (counts, expected) = count(scene);
    let all = std::env::var("AURA_KILL_POINTS").is_ok_and(|value| value == "all");
    let mut points = vec![];
    for role in ["driver", "supervisor", "git"] {
        let steps = counts.get(role).copied().unwrap_or(0);
        assert!(steps > 10, "{role} takes {steps} steps only: {counts:?}");
        let stride = if all { 1 } else { steps.div_ceil(SHARE) };
        // Not always the same ones: from the first on, each stride has its own place.
        points.extend((0..steps).step_by(stride).enumerate().map(|(n, at)| (role, (at + n % stride).min(steps - 1) + 1)));
    }
    let (next, failed) = (AtomicUsize::new(0), Mutex::new(vec![]));
    std::thread::scope(|scope| {
        for _ in 0..WORKERS {
            scope.spawn(|| {
                while let Some((role, at)) = points.get(next.fetch_add(1, Ordering::Relaxed)) {
                    if std::panic::catch_unwind(|| check(scene, role, *at, &expected)).is_err() {
                        failed.lock().unwrap().push(format!("{role} {at}"));
                    }
                }
            });
        }
    });
    let failed = failed.into_inner().unwrap();
    println!("killed at {} of {} points: {} wrong", points.len(), counts.values().sum::<usize>(), failed.len());
    assert!(failed.is_empty(), "wrong after a kill of: {failed:?}");
}

#[test]
fn whatever_is_killed_at_any_step_of_any_purpose_the_end_is_the_same() {
    every_point(purposes);
}

#[test]
fn whatever_is_killed_while_agents_tamper_with_git_the_end_is_the_same() {
    every_point(tampering);
}

//! `kill -9` of anything at any moment: the next run goes on, and comes to the same end.

use crate::script::{Step, append, hold, touch, write};
use crate::world::{World, kill, said, task};
use serde_json::json;
use std::fs;
use std::os::unix::fs::PermissionsExt;

fn results(world: &World, id: &str) -> Vec<String> {
    world.attempts(id).into_iter().map(|(purpose, result)| format!("{purpose}: {result}")).collect()
}

#[test]
fn agents_outlive_their_driver_and_the_next_one_attends_to_them() {
    let mut world = World::new();
    world.story(vec![task("a", &[]), task("b", &["a"])]);
    world.script("a", "work", vec![touch("a runs"), hold("go"), write("a.txt", "a\n")]);
    world.detach();
    world.await_touch("a runs");
    let driver = world.process(" drive ");
    kill("-KILL", driver);
    world.await_no_driver();
    let status = world.status();
    assert_eq!((&status["status"], &status["run"]["driven"]), (&json!("Running"), &json!(false)));
    let joined = world.detach();
    assert_eq!((joined.code, &joined.json["started"]), (0, &json!(false)), "{}", joined.json);
    world.release("go");
    world.await_end(1);
    assert_eq!(results(&world, "a"), ["work: done"]);
    assert_eq!(world.status()["isComplete"], true);
    world.close();
}

#[test]
fn an_agent_that_ends_while_nobody_drives_is_settled_by_the_next_driver() {
    let mut world = World::new();
    world.story(vec![task("a", &[])]);
    world.script("a", "work", vec![touch("a runs"), hold("go"), write("a.txt", "a\n")]);
    world.detach();
    world.await_touch("a runs");
    kill("-KILL", world.process(" drive "));
    world.release("go");
    world.until("nobody is left", || world.processes().is_empty().then_some(()));
    world.run_well();
    assert_eq!(results(&world, "a"), ["work: done"]);
    world.close();
}

#[test]
fn who_waits_for_a_run_sees_its_end_though_the_driver_is_killed() {
    let mut world = World::new();
    world.story(vec![task("a", &[])]);
    world.script("a", "work", vec![touch("a runs"), hold("go"), write("a.txt", "a\n")]);
    let run = world.spawn(&["run", &world.id, "--all", "--json"]);
    world.await_touch("a runs");
    kill("-KILL", world.process(" drive "));
    world.release("go");
    let end = said(run);
    assert_eq!((end.code, &end.json["isComplete"]), (0, &json!(true)), "{}", end.json);
    world.close();
}

#[test]
fn a_supervisor_that_dies_takes_its_agent_along_and_the_task_is_resumed() {
    let mut world = World::new();
    world.story(vec![task("a", &[])]);
    world.script("a", "work", vec![write("a.txt", "half\n"), Step::Linger, touch("a runs"), Step::Hang]);
    world.script("a", "resume", vec![append("a.txt", "whole\n")]);
    world.detach();
    world.await_touch("a runs");
    kill("-KILL", world.process(" supervise "));
    world.await_end(1);
    assert_eq!(results(&world, "a"), ["work: interrupted", "resume: done"]);
    assert_eq!(world.landed("a.txt"), "half\nwhole");
    world.close();
}

#[test]
fn a_worktree_that_was_never_filled_is_not_taken_for_the_agents_work() {
    let mut world = World::new();
    world.story(vec![task("a", &[])]);
    // A git that stops in the middle of filling a task's worktree, until the test has killed its driver.
    let git = which("git");
    let stuck = format!(
        "#!/bin/sh\ncase \"$GIT_WORK_TREE $*\" in */tasks/*'read-tree --reset'*)\n  if ! test -e \"$AURA_TEST_AGENT/killed\"; then touch \"$AURA_TEST_AGENT/filling\"; while kill -0 $PPID 2>/dev/null; do sleep 0.02; done; exit 1; fi;;\nesac\nexec {git} \"$@\"\n"
    );
    let wrapper = world.path("bin/git");
    fs::write(&wrapper, stuck).unwrap();
    fs::set_permissions(&wrapper, fs::Permissions::from_mode(0o755)).unwrap();
    world.detach();
    world.await_touch("filling");
    let driver = world.process(" drive ");
    world.release("killed");
    kill("-KILL", driver);
    world.run_well();
    fs::remove_file(wrapper).unwrap();
    assert_eq!(world.landed("base.txt"), "one\ntwo\nthree\nfour\nfive", "{}", world.story_so_far());
    assert_eq!(world.landed("a.txt"), "a");
    // The agent never ran, so the one that does is told its whole task.
    let last = world.events_of_task("attemptStarted", "a").pop().unwrap();
    let prompt = fs::read_to_string(format!("{}/prompt.md", last["job"].as_str().unwrap())).unwrap();
    assert!(prompt.contains("Do what a says."), "{prompt}");
    world.close();
}

fn which(name: &str) -> String {
    which::which(name).unwrap().display().to_string()
}

/// A story with everything in it: dependencies, a conflict, a red gate with its repair, a failure that is tried again.
fn eventful() -> World {
    let mut world = World::new();
    world.story(vec![task("a", &[]), task("b", &[]), task("c", &["a"]), task("d", &["b", "c"])]);
    // Who begins after the other has landed finds no conflict: the end is the same.
    for (id, other) in [("a", "b"), ("b", "a")] {
        world.script(id, "work", vec![Step::Sh(format!("sed -i 's/^three$/three, {id}/; s/^three, {other}$/three, a, b/' base.txt"))]);
        world.script(id, "resolve", vec![Step::Sh("printf 'one\\ntwo\\nthree, a, b\\nfour\\nfive\\n' > base.txt".into())]);
    }
    world.script("c", "work", vec![write("c.txt", "BROKEN\n")]);
    world.script("c", "repair", vec![write("c.txt", "sound\n")]);
    world.script("d", "#1", vec![Step::Exit(1)]);
    world
}

#[test]
fn a_driver_killed_at_any_event_changes_nothing_about_the_end() {
    let whole = eventful();
    whole.run_well();
    whole.close();
    let (tree, events) = (whole.git(&["rev-parse", &format!("{}^{{tree}}", whole.branch())]), whole.events().len());
    // One life for each few events, until there are no more; every second one also loses a supervisor.
    for first in [6, 9, 12] {
        let world = eventful();
        let mut at = first;
        let mut lives = 0;
        world.detach();
        while at < events + 20 {
            let reached = world.until("the log grows or the run ends", || {
                let log = world.events();
                let over = log.last().is_some_and(|event| event["kind"] == "runEnded");
                if over { Some(false) } else { (log.len() >= at).then_some(true) }
            });
            if !reached {
                break;
            }
            if let Some((pid, _)) = world.processes().iter().find(|(_, line)| line.contains(" drive ")) {
                kill("-KILL", *pid);
                lives += 1;
            }
            world.await_no_driver();
            world.detach();
            at = world.events().len() + 3;
        }
        assert!(lives > 2, "the driver was killed {lives} times only");
        world.await_end(1);
        if world.status()["isComplete"] != true {
            world.run_well();
        }
        let end = world.git(&["rev-parse", &format!("{}^{{tree}}", world.branch())]);
        assert_eq!(end, tree, "{}", world.story_so_far());
        let landings = world.events_of("taskLanded").len();
        let line = world.git(&["log", "--first-parent", "--format=%s", &format!("main..{}", world.branch())]);
        assert_eq!(line.lines().filter(|line| line.starts_with("Land ")).count(), landings, "{line}\n{}", world.story_so_far());
        world.close();
    }
}

#[test]
fn two_who_ask_for_a_run_at_the_same_moment_get_the_same_one() {
    let mut world = World::new();
    world.story(vec![task("a", &[]), task("b", &[])]);
    let children: Vec<_> = (0..4).map(|_| world.spawn(&["run", &world.id, "--all", "--json"])).collect();
    let ends: Vec<_> = children.into_iter().map(said).collect();
    for end in &ends {
        assert_eq!((end.code, &end.json["isComplete"]), (0, &json!(true)), "{}", end.json);
    }
    assert_eq!(world.events_of("runRequested").len(), 1);
    assert_eq!(world.events_of("attemptStarted").len(), 2);
    world.close();
}

#[test]
fn a_check_that_outlives_its_driver_is_waited_for_or_ended_but_never_disturbed() {
    // A check that fails when its tree changes while it runs.
    let check = "ls > .seen; touch \"$AURA_TEST_AGENT/checking\"; n=0; \
        while ! test -e \"$AURA_TEST_AGENT/go\"; do test -e .seen || exit 7; sleep 0.02; done; test -e .seen";
    let mut world = World::with(&crate::world::gate(check));
    world.story(vec![task("a", &[])]);
    world.detach();
    world.await_touch("checking");
    let driver = world.process(" drive ");
    kill("-KILL", driver);
    world.await_no_driver();
    world.detach();
    world.until("the gate is taken up", || (world.events_of("gateStarted").len() == 2).then_some(()));
    world.release("go");
    world.await_end(1);
    let finished = world.events_of("gateFinished");
    assert_eq!(finished.len(), 1);
    assert_eq!(finished[0]["report"]["checks"][0]["result"], "passed", "{}", finished[0]);
    world.close();
}

#[test]
fn a_check_of_a_gate_that_nobody_wants_any_more_is_ended() {
    let check = "test -e \"$AURA_TEST_AGENT/b may\" || { touch \"$AURA_TEST_AGENT/checking\"; exec sleep 300; }";
    let mut world = World::with(&crate::world::gate(check));
    world.story(vec![task("a", &[]), task("b", &["a"])]);
    world.script("b", "work", vec![hold("b may"), write("b.txt", "b\n")]);
    world.detach();
    world.await_touch("checking");
    let driver = world.process(" drive ");
    kill("-KILL", driver);
    world.await_no_driver();
    // The next driver ends the run without a gate; nothing of it goes on.
    world.tool("cancel_run", json!({ "now": true }));
    world.await_end(1);
    world.release("b may");
    world.run_well();
    world.close();
}

#[test]
fn what_a_killed_process_leaves_in_git_stops_nobody() {
    let mut world = World::new();
    world.story(vec![task("a", &[]), task("b", &["a"])]);
    assert_eq!(world.run_wave().code, 0);
    let branch = world.branch();
    // A ref's lock of a task that has begun, a task's index lock, and a record of the story's worktree that is behind.
    for name in [format!("refs/heads/{branch}.lock"), format!("refs/heads/{branch}.b.lock")] {
        fs::write(world.path("repo/.git").join(name), "").unwrap();
    }
    let synced = world.git(&["for-each-ref", "--format=%(refname)", "refs/aura/stories/*/synced"]);
    world.git(&["update-ref", &synced, "main"]);
    world.script("b", "work", vec![write("a.txt", "a, then b\n")]);
    world.run_well();
    assert_eq!(world.landed("a.txt"), "a, then b");
    let worktree = world.worktree("story");
    assert_eq!(fs::read_to_string(worktree.join("a.txt")).unwrap(), "a, then b\n");
    assert_eq!(world.git_in(&worktree, &["status", "--porcelain"]), "");
    world.close();
}

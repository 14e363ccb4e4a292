//! Ends that a person or a provider wants: cancel, Ctrl-C, a missing login, a rate limit.

use crate::script::{Step, append, hold, say, sh, touch, write};
use crate::world::{World, gate, kill, said, task};
use serde_json::{Value, json};

fn results(world: &World, id: &str) -> Vec<String> {
    world.attempts(id).into_iter().map(|(purpose, result)| format!("{purpose}: {result}")).collect()
}

/// An agent that has done half of it and says so, and would go on for ever.
fn half(name: &str) -> Vec<Step> {
    let trap = format!(
        "trap 'touch \"$AURA_TEST_AGENT/{name} was asked\"; exit 0' TERM; touch \"$AURA_TEST_AGENT/{name} is at it\"; while :; do sleep 0.05; done"
    );
    vec![write(&format!("{name}.txt"), "first half\n"), sh(&trap)]
}

#[test]
fn a_cancelled_run_asks_its_agents_and_goes_on_where_it_stopped() {
    let mut world = World::new();
    world.story(vec![task("a", &[]), task("b", &[]), task("c", &["a"])]);
    world.script("a", "work", half("a"));
    world.script("a", "resume", vec![append("a.txt", "second half\n")]);
    world.script("b", "work", vec![write("b.txt", "b\n")]);
    assert_eq!(world.refused("cancel_run", json!({})).0, 4);
    world.detach();
    world.await_touch("a is at it");
    world.await_event("taskLanded", "b");
    world.tool("cancel_run", json!({}));
    world.await_end(1);
    assert!(world.has_touched("a was asked"), "it was killed without a word");
    let status = world.status();
    assert_eq!((&status["storyStatus"], &status["isComplete"]), (&json!("Cancelled"), &json!(false)));
    assert_eq!(world.task_status("a")["status"], "Pending");
    assert_eq!(results(&world, "a"), ["work: interrupted"]);
    let first = world.events_of_task("attemptEnded", "a")[0]["rescue"].as_str().unwrap().to_owned();
    assert_eq!(world.at(&first, "a.txt"), "first half");
    world.run_well();
    assert_eq!(results(&world, "a"), ["work: interrupted", "resume: done"]);
    let started = world.events_of_task("attemptStarted", "a");
    assert_eq!(started[0]["worktree"], started[1]["worktree"]);
    assert_eq!(started[0]["session"], started[1]["session"]);
    assert_eq!(world.landed("a.txt"), "first half\nsecond half");
    world.close();
}

#[test]
fn cancelling_now_does_not_wait_for_anybody() {
    let mut world = World::with(&format!("[limits]\ngrace = \"50s\"\n{}", gate("true")));
    world.story(vec![task("stubborn", &[])]);
    let trap = "trap '' TERM; touch \"$AURA_TEST_AGENT/at it\"; while :; do sleep 0.05; done";
    world.script("stubborn", "work", vec![Step::Linger, sh(trap)]);
    world.detach();
    world.await_touch("at it");
    let asked = std::time::Instant::now();
    assert_eq!(world.aura(&["cancel", &world.id, "--now", "--json"]).code, 0);
    world.await_end(1);
    assert!(asked.elapsed().as_secs() < 40, "the grace was waited for");
    assert_eq!(results(&world, "stubborn"), ["work: interrupted"]);
    world.close();
}

#[test]
fn ctrl_c_is_graceful_once_and_firm_twice() {
    let mut world = World::with(&format!("[limits]\ngrace = \"50s\"\n{}", gate("true")));
    world.story(vec![task("a", &[]), task("b", &["a"])]);
    world.script("a", "work", half("a"));
    world.script("b", "work", vec![touch("b ran"), write("b.txt", "b\n")]);
    let run = world.spawn(&["run", &world.id, "--all", "--json"]);
    world.await_touch("a is at it");
    kill("-INT", run.id());
    let end = said(run);
    assert_eq!((end.code, &end.json["outcome"]), (130, &json!("cancelled")), "{}", end.json);
    assert!(world.has_touched("a was asked") && !world.has_touched("b ran"));
    // Twice: this one would not end by itself.
    let trap = "trap 'touch \"$AURA_TEST_AGENT/deaf\"' TERM; touch \"$AURA_TEST_AGENT/again\"; while :; do sleep 0.05; done";
    world.script("a", "resume", vec![sh(trap)]);
    let run = world.spawn(&["run", &world.id, "--all", "--json"]);
    world.await_touch("again");
    kill("-INT", run.id());
    world.await_touch("deaf");
    kill("-INT", run.id());
    let end = said(run);
    assert_eq!(end.code, 130, "{}", end.json);
    assert_eq!(results(&world, "a"), ["work: interrupted", "resume: interrupted"]);
    world.close();
}

#[test]
fn a_missing_login_stops_the_run_at_once_and_says_what_to_do() {
    let mut world = World::new();
    world.story(vec![task("a", &[]), task("b", &[]), task("c", &["b"])]);
    world.script("b", "work", half("b"));
    world.script("b", "resume", vec![append("b.txt", "second half\n")]);
    world.script("a", "work", vec![hold("b is at it"), sh("echo 'please log in first' >&2"), Step::Exit(77)]);
    world.script("a", "resume", vec![write("a.txt", "a\n")]);
    let end = world.run();
    assert_eq!((end.code, &end.json["outcome"], &end.json["stopReason"]), (5, &json!("stopped"), &json!("needsLogin")), "{}", end.json);
    assert!(end.json["error"].as_str().unwrap().contains("please log in first"), "{}", end.json);
    assert_eq!(results(&world, "b"), ["work: interrupted"]);
    assert!(world.events_of_task("attemptStarted", "c").is_empty());
    assert_eq!(world.status()["status"], "Failed");
    world.run_well();
    assert_eq!(world.landed("b.txt"), "first half\nsecond half");
    world.close();
}

#[test]
fn a_rate_limit_is_waited_for_and_counts_as_no_attempt() {
    let mut world = World::with(&format!("[limits]\nattempts = 1\nrate_limit_wait = \"300ms\"\n{}", gate("true")));
    world.story(["a", "b", "c", "d"].map(|id| task(id, &[])).into());
    for id in ["a", "b", "c", "d"] {
        world.script(id, "#1", vec![say("slow down"), Step::Exit(75)]);
        world.script(id, "resume", vec![write(&format!("{id}.txt"), "x\n")]);
    }
    world.run_well();
    let limited = world.events_of("attemptEnded").iter().filter(|event| event["outcome"]["result"] == "rateLimited").count();
    assert_eq!(limited, 4, "{}", world.story_so_far());
    // From the last limit on, fewer work at once than at the beginning.
    let events = world.events();
    let last = events.iter().rposition(|event| event["outcome"]["result"] == "rateLimited").unwrap();
    let after: Vec<Value> = events[last..].iter().filter(|event| event["kind"] == "attemptStarted").cloned().collect();
    assert_eq!(world.agents_at_once(&after[..2]), 1, "{}", world.story_so_far());
    world.close();
}

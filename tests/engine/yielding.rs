//! A story ends green by itself, with agents as they are: that die at random, take over one another's faults, and all write in
//! the same place.

use crate::script::{Step, hold, replace, say, sh, write};
use crate::world::{World, gate, kill, task};
use serde_json::{Value, json};
use std::collections::BTreeSet;

/// The tasks that were found to blame, by the commit at which the gate was red.
fn blamed(world: &World) -> Vec<BTreeSet<String>> {
    let mut found: Vec<(Value, BTreeSet<String>)> = vec![];
    for event in world.events_of("culpritFound") {
        let task = event["task"].as_str().unwrap().to_owned();
        match found.last_mut().filter(|(commit, _)| *commit == event["commit"]) {
            Some((_, tasks)) => _ = tasks.insert(task),
            None => found.push((event["commit"].clone(), BTreeSet::from([task]))),
        }
    }
    found.into_iter().map(|(_, tasks)| tasks).collect()
}

fn names(list: &[&str]) -> BTreeSet<String> {
    list.iter().map(|name| (*name).to_owned()).collect()
}

/// No tree is gated twice.
fn assert_gates_are_distinct(world: &World) {
    let ran: Vec<Value> = world.events_of("gateFinished").into_iter().filter(|event| event["report"]["reused"] == false).collect();
    let trees: BTreeSet<&str> = ran.iter().map(|event| event["report"]["tree"].as_str().unwrap()).collect();
    assert_eq!(ran.len(), trees.len(), "{}", world.story_so_far());
}

#[test]
fn those_that_built_on_a_fault_are_found_behind_its_repair_and_asked_too() {
    let mut world = World::new();
    world.story(vec![task("source", &[]), task("one", &["source"]), task("two", &["source"]), task("other", &[])]);
    world.script("source", "work", vec![write("source.txt", "BROKEN\n")]);
    world.script("source", "repair", vec![write("source.txt", "sound\n")]);
    for id in ["one", "two"] {
        let copy = format!("cp source.txt {id}.txt");
        world.script(id, "work", vec![sh(&copy)]);
        world.script(id, "repair", vec![sh(&copy)]);
    }
    world.run_well();
    assert_eq!(blamed(&world), [names(&["source"]), names(&["one", "two"])], "{}", world.story_so_far());
    assert_eq!((world.landed("one.txt"), world.landed("two.txt")), ("sound".into(), "sound".into()));
    assert_eq!(world.attempts("other").len(), 1);
    assert_gates_are_distinct(&world);
    // The repairing agent may change whatever the gate needs, and knows who built on it.
    let prompt = world.events_of_task("attemptStarted", "source")[1]["job"].as_str().unwrap().to_owned() + "/prompt.md";
    let prompt = std::fs::read_to_string(prompt).unwrap();
    assert!(prompt.contains("in whatever files that takes") && prompt.contains("`one`, `two`"), "{prompt}");
    world.close();
}

#[test]
fn independent_faults_are_found_together_and_repaired_at_once() {
    let mut world = World::new();
    world.story(["a", "b", "c", "d", "e"].map(|id| task(id, &[])).into());
    for id in ["b", "e"] {
        world.script(id, "work", vec![write(&format!("{id}.txt"), "BROKEN\n")]);
        world.script(id, "repair", vec![write(&format!("{id}.txt"), "sound\n")]);
    }
    world.run_well();
    assert_eq!(blamed(&world), [names(&["b", "e"])], "{}", world.story_so_far());
    assert_gates_are_distinct(&world);
    world.close();
}

#[test]
fn a_run_goes_back_to_what_failed_before_it_gives_up() {
    let mut world = World::new();
    world.story(vec![task("unlucky", &[]), task("after", &["unlucky"]), task("other", &[])]);
    for attempt in ["#1", "#2", "#3"] {
        world.script("unlucky", attempt, vec![Step::Exit(1)]);
    }
    let end = world.run_well();
    assert_eq!(end["outcome"], "finished", "{end}");
    assert_eq!(world.events_of("roundStarted").len(), 1);
    assert_eq!(world.attempts("after").len(), 1);
    assert!(world.place("roundStarted", "") > world.place("taskLanded", "other"), "{}", world.story_so_far());
    world.close();
}

#[test]
fn each_kind_of_failure_has_a_budget_of_its_own() {
    let mut world = World::with(&format!("[limits]\nattempts = 2\nrounds = 1\n{}", gate("true")));
    world.story(vec![task("a", &[])]);
    world.script("a", "#1", vec![Step::Exit(1)]);
    world.script("a", "#2", vec![say("All done!")]);
    world.run_well();
    assert_eq!(world.attempts("a").len(), 3, "{}", world.story_so_far());
    world.close();
}

#[test]
fn an_agent_that_dies_but_gets_further_each_time_is_not_given_up() {
    let mut world = World::with(&format!("[limits]\nattempts = 2\nrounds = 1\n{}", gate("true")));
    world.story(vec![task("a", &[])]);
    for n in 1..=5 {
        world.script("a", format!("#{n}").as_str(), vec![write(&format!("{n}.txt"), "x\n"), Step::Exit(1)]);
    }
    world.script("a", "#6", vec![write("last.txt", "x\n")]);
    world.run_well();
    assert_eq!(world.attempts("a").len(), 6, "{}", world.story_so_far());
    // What the dead ones did is part of it.
    assert_eq!(world.landed("1.txt"), "x");
    world.close();
}

#[test]
fn a_story_whose_agents_all_write_in_one_place_lands_whole() {
    let ids = ["a", "b", "c", "d", "e", "f", "g", "h"];
    let mut world = World::with(&format!("[limits]\nrounds = 1\nconflicts = 1\n{}", gate("true")));
    world.story(ids.map(|id| task(id, &[])).into());
    for id in ids {
        world.script(id, "work", vec![replace("base.txt", "three", &format!("three, says {id}")), hold("all have started")]);
        world.script(id, "resolve", vec![Step::KeepBoth("base.txt".into())]);
    }
    world.aura(&["run", &world.id, "--all", "-n", "8", "--detach", "--json"]);
    for id in ids {
        world.await_event("attemptPrepared", id);
    }
    world.release("all have started");
    world.await_end(1);
    let text = world.landed("base.txt");
    for id in ids {
        assert!(text.contains(&format!("says {id}")), "{id}: {text}");
        // One resolver at a time: each conflict is resolved once.
        assert!(world.attempts(id).len() <= 2, "{id}: {}", world.story_so_far());
    }
    assert_eq!(world.status()["isComplete"], true);
    world.close();
}

#[test]
fn a_limit_of_hours_is_waited_for_once_and_survives_the_driver() {
    let mut world = World::new();
    world.story(["a", "b", "c"].map(|id| task(id, &[])).into());
    for id in ["a", "b", "c"] {
        world.script(id, "work", vec![say("Rate limited. Please try again in 2 hours."), Step::Exit(75)]);
    }
    world.detach();
    for id in ["a", "b", "c"] {
        world.await_event("attemptEnded", id);
    }
    let until = |world: &World| {
        let text = world.status()["run"]["rateLimitedUntil"].as_str().unwrap_or_default().to_owned();
        text.parse::<jiff::Timestamp>().unwrap_or_else(|e| panic!("{e}: {text}"))
    };
    let said = until(&world);
    let hours = said.duration_since(jiff::Timestamp::now()).as_secs_f64() / 3600.0;
    assert!((1.9..=2.0).contains(&hours), "{hours}");
    kill("-KILL", world.process(" drive "));
    world.await_no_driver();
    world.detach();
    assert_eq!(until(&world), said);
    assert_eq!(world.events_of("attemptStarted").len(), 3, "{}", world.story_so_far());
    world.tool("cancel_run", json!({}));
    world.await_end(1);
    world.close();
}

#[test]
fn a_run_that_has_started_as_many_attempts_as_it_may_ends_and_says_so() {
    let mut world = World::with(&format!("[limits]\nrun_attempts = 2\n{}", gate("true")));
    world.story(["a", "b", "c"].map(|id| task(id, &[])).into());
    let end = world.run();
    assert_eq!(end.code, 1, "{}", end.json);
    assert!(end.json["error"].as_str().unwrap().contains("has started 2 attempts, as many as it may"), "{}", end.json);
    assert_eq!(world.events_of("attemptStarted").len(), 2);
    world.run_well();
    world.close();
}

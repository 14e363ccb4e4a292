//! In which order things happen: waves with their barrier, flow without one, parallelism, and the base of each task.

use crate::script::{hold, sh, touch, write};
use crate::world::{World, task};
use serde_json::{Value, json};

fn ids(list: &Value) -> Vec<&str> {
    list.as_array().unwrap().iter().map(|task| task["id"].as_str().unwrap()).collect()
}

#[test]
fn wave_by_wave_until_it_is_complete() {
    let mut world = World::new();
    world.story(vec![task("a", &[]), task("b", &[]), task("c", &["a", "b"]), task("d", &["c"])]);
    let mut seen = vec![];
    loop {
        let said = world.run_wave();
        assert_eq!((said.code, &said.json["error"]), (0, &Value::Null), "{}", said.json);
        assert_eq!(said.json["gateResult"]["passed"], true, "{}", said.json);
        seen.push(ids(&said.json["completedTasks"]).join(" "));
        if said.json["isComplete"] == true {
            break;
        }
        assert_eq!(said.json["status"], "Decomposed", "{}", said.json);
    }
    assert_eq!(seen, ["a b", "c", "d"]);
    let waves: Vec<Value> = world.events_of("gateFinished").iter().map(|event| event["wave"].clone()).collect();
    assert_eq!(waves, [1, 2, 3], "one gate for each wave");
    let again = world.run_wave();
    assert_eq!((again.code, &again.json["started"], &again.json["isComplete"]), (0, &json!(false), &json!(true)));
    world.close();
}

#[test]
fn in_waves_mode_a_wave_waits_for_the_gate_of_the_wave_before() {
    let mut world = World::new();
    world.story(vec![task("fast", &[]), task("slow", &[]), task("after", &["fast"])]);
    world.script("slow", "work", vec![hold("go"), write("slow.txt", "slow\n")]);
    let running = world.spawn(&["run", &world.id, "--all", "--mode", "waves", "--json"]);
    world.await_event("taskLanded", "fast");
    world.release("go");
    let said = crate::world::said(running);
    assert_eq!((said.code, &said.json["isComplete"]), (0, &json!(true)), "{}", said.json);
    let gate = world.place("gateFinished", "");
    assert!(world.place("taskLanded", "slow") < gate && gate < world.place("attemptStarted", "after"), "{}", world.story_so_far());
    world.close();
}

#[test]
fn in_flow_a_task_starts_when_its_dependency_has_landed_and_not_later() {
    let mut world = World::new();
    world.story(vec![task("fast", &[]), task("slow", &[]), task("after", &["fast"])]);
    world.script("slow", "work", vec![hold("go"), write("slow.txt", "slow\n")]);
    world.script("after", "work", vec![write("after.txt", "after\n"), touch("after is there")]);
    world.detach();
    // `slow` cannot go on before `after` has been there.
    world.await_touch("after is there");
    world.release("go");
    world.await_end(1);
    assert!(world.place("taskLanded", "after") < world.place("taskLanded", "slow") || world.landed("slow.txt") == "slow");
    assert_eq!(world.status()["isComplete"], true);
    world.close();
}

#[test]
fn the_longest_chain_goes_first_and_parallelism_is_kept() {
    let mut world = World::new();
    let mut tasks = vec![task("short", &[]), task("long", &[]), task("middle", &["long"]), task("last", &["middle"])];
    tasks[0]["estimate"] = json!(7);
    world.story(tasks);
    let said = world.aura(&["run", &world.id, "--all", "-n", "1", "--json"]);
    assert_eq!(said.code, 0, "{}", said.json);
    let started: Vec<String> = world.events_of("attemptStarted").iter().map(|event| event["task"].as_str().unwrap().to_owned()).collect();
    assert_eq!(started, ["long", "middle", "short", "last"]);
    assert_eq!(world.agents_at_once(&world.events_of("attemptStarted")), 1);
    world.close();
}

#[test]
fn as_many_agents_as_allowed_work_at_once() {
    let mut world = World::new();
    let names = ["a", "b", "c", "d", "e"];
    world.story(names.iter().map(|name| task(name, &[])).collect());
    for name in names {
        // Each waits for the other two of the first three: it would wait for ever if fewer than three ran at once.
        world.script(name, "work", vec![touch(&format!("{name} runs")), hold("go"), write(&format!("{name}.txt"), "x\n")]);
    }
    world.aura(&["run", &world.id, "--all", "-n", "3", "--detach", "--json"]);
    world.await_touch("a runs");
    world.await_touch("b runs");
    world.await_touch("c runs");
    assert_eq!(world.events_of("attemptStarted").len(), 3);
    world.release("go");
    world.await_end(1);
    assert_eq!(world.agents_at_once(&world.events_of("attemptStarted")), 3);
    assert_eq!(world.status()["isComplete"], true);
    world.close();
}

#[test]
fn a_task_starts_from_a_commit_that_holds_all_its_dependencies() {
    let mut world = World::new();
    world.story(vec![task("a", &[]), task("b", &[]), task("c", &["a", "b"])]);
    // The agent itself looks: both files, and both landings among the ancestors of what is checked out.
    let look = "test -f a.txt && test -f b.txt && test $(git log --format=%s HEAD | grep -c '^Land [ab]:') = 2";
    world.script("c", "work", vec![sh(look), write("c.txt", "c\n")]);
    world.run_well();
    let start = &world.events_of_task("attemptStarted", "c")[0];
    for dependency in ["a", "b"] {
        let landed = world.events_of_task("taskLanded", dependency)[0]["commit"].as_str().unwrap().to_owned();
        world.git(&["merge-base", "--is-ancestor", &landed, start["base"].as_str().unwrap()]);
    }
    assert_eq!(world.git(&["log", "--first-parent", "--format=%s", "-1", &world.branch()]), "Land c: Do c");
    world.close();
}

//! Gates: green, red, flaky, none; whose fault it is, and that nothing gets around them.

use crate::script::{Step, replace, say, write};
use crate::world::{World, gate, task};
use serde_json::{Value, json};

/// Commits that were gated with their verdicts, in order; a verdict that was taken over is no gate.
fn gates(world: &World) -> Vec<(String, String)> {
    let text = |value: &Value| value.as_str().unwrap().to_owned();
    let finished = world.events_of("gateFinished");
    let ran = finished.iter().filter(|event| event["report"]["reused"] == false);
    ran.map(|event| (text(&event["report"]["commit"]), text(&event["report"]["verdict"]))).collect()
}

#[test]
fn a_red_gate_is_traced_to_its_culprit_and_repaired_by_its_session() {
    let mut world = World::new();
    world.story(["a", "b", "c", "d"].map(|id| task(id, &[])).into());
    world.script("c", "work", vec![write("c.txt", "this is BROKEN\n")]);
    world.script("c", "repair", vec![replace("c.txt", "BROKEN", "sound"), say("Mended.")]);
    world.aura(&["run", &world.id, "--all", "-n", "1", "--json"]);
    assert_eq!(world.status()["isComplete"], true, "{}", world.story_so_far());
    let culprits = world.events_of("culpritFound");
    assert_eq!((culprits.len(), culprits[0]["task"].as_str()), (1, Some("c")));
    let purposes: Vec<String> = world.attempts("c").into_iter().map(|(purpose, _)| purpose).collect();
    assert_eq!(purposes, ["work", "repair"]);
    for other in ["a", "b", "d"] {
        assert_eq!(world.attempts(other).len(), 1, "{other}");
    }
    // The tip, the base, two steps of the search over four landings, all but the culprit, and the repaired tip: six at the most.
    assert!(gates(&world).len() <= 6, "{:?}", gates(&world));
    let prompt = world.events_of_task("attemptStarted", "c")[1]["job"].as_str().unwrap().to_owned() + "/prompt.md";
    assert!(std::fs::read_to_string(prompt).unwrap().contains("it is BROKEN"), "the repair is told what the gate said");
    assert_eq!(world.landed("c.txt"), "this is sound");
    world.close();
}

#[test]
fn a_red_gate_that_nobody_can_repair_stops_the_story_and_cannot_be_got_around() {
    let mut world = World::new();
    world.story(vec![task("a", &[]), task("b", &[]), task("later", &["a", "b"])]);
    world.script("b", "work", vec![write("b.txt", "this is BROKEN\n")]);
    world.script("b", "repair", vec![write("attempt.txt", "still at it\n")]);
    let said = world.aura(&["run", &world.id, "--all", "--mode", "waves", "--json"]);
    assert_eq!((said.code, said.json["outcome"].as_str()), (1, Some("failed")), "{}", said.json);
    let status = world.status();
    assert_eq!((&status["status"], &status["isComplete"]), (&json!("Failed"), &json!(false)));
    assert_eq!(status["gateResult"]["passed"], false);
    assert!(status["gateResult"]["checks"][0]["output"].as_str().unwrap().contains("it is BROKEN"), "{status}");
    assert_eq!(world.landed("a.txt"), "a", "nothing is thrown away");
    assert!(world.events_of_task("attemptStarted", "later").is_empty());
    assert_eq!(world.refused("complete_story", json!({})).0, 4);
    // Running again looks again, and comes to the same end; wave by wave too.
    let before = gates(&world).len();
    for wave in [false, true] {
        let said = if wave { world.run_wave() } else { world.aura(&["run", &world.id, "--all", "--mode", "waves", "--json"]) };
        assert_eq!(said.code, 1, "{}", said.json);
        assert!(world.events_of_task("attemptStarted", "later").is_empty());
    }
    assert!(gates(&world).len() > before);
    assert_eq!(world.refused("complete_story", json!({})).0, 4);
    // When it can be repaired, it is.
    world.script("b", "repair", vec![replace("b.txt", "BROKEN", "sound")]);
    world.run_well();
    world.close();
}

#[test]
fn a_base_that_is_red_already_is_nobodys_fault() {
    let mut world = World::with(&gate("if test -e base.txt; then echo red from the start; exit 1; fi"));
    world.story(vec![task("a", &[]), task("b", &[])]);
    let said = world.run();
    assert_eq!(said.code, 1, "{}", said.json);
    let why = said.json["error"].as_str().unwrap();
    assert!(why.contains("base") && why.contains("already"), "{why}");
    assert!(world.events_of("culpritFound").is_empty());
    assert_eq!((world.attempts("a").len(), world.attempts("b").len()), (1, 1));
    assert_eq!(world.status()["red"]["culprit"], Value::Null);
    world.close();
}

#[test]
fn a_flaky_check_is_named_and_counts_as_good() {
    let world_gate = "[gate]\nflaky = ['check']\n".to_owned()
        + gate("test -e \"$AURA_TEST_AGENT/once\" || { : > \"$AURA_TEST_AGENT/once\"; echo unlucky; exit 1; }")
            .trim_start_matches("[gate]");
    let mut world = World::with(&world_gate);
    world.story(vec![task("a", &[])]);
    let end = world.run_well();
    assert_eq!(end["gateResult"]["passed"], true);
    assert_eq!(end["gateResult"]["checks"][0]["result"], "flaky", "{end}");
    assert!(world.events_of("culpritFound").is_empty());
    world.close();
}

#[test]
fn without_checks_the_story_is_ungated_and_never_passed() {
    let mut world = World::with("[gate]\nenabled = false\n");
    world.story(vec![task("a", &[]), task("b", &["a"])]);
    let end = world.run_well();
    assert_eq!((&end["gateResult"]["passed"], &end["gateResult"]["verdict"]), (&Value::Null, &json!("Ungated")));
    let done = world.tool("complete_story", json!({ "publish": "branch" }));
    assert_eq!((&done["verificationPassed"], &done["status"]), (&Value::Null, &json!("Completed")));
    let log = format!("{:?}", world.events());
    assert!(!log.contains("Passed"), "ungated is never shown as passed");
    world.close();
}

#[test]
fn a_repair_that_changes_nothing_and_one_that_dies_are_bounded() {
    let mut world = World::of_one_round();
    world.story(vec![task("a", &[])]);
    world.script("a", "work", vec![write("a.txt", "BROKEN\n")]);
    world.script("a", "repair", vec![Step::Exit(1)]);
    let said = world.run();
    assert_eq!(said.code, 1, "{}", said.json);
    assert_eq!(world.attempts("a").len(), 3, "the work, and two repairs: {}", world.story_so_far());
    assert_eq!(world.landed("a.txt"), "BROKEN", "what has landed stays");
    assert_eq!(world.task_status("a")["status"], "Completed");
    world.close();
}

#[test]
fn a_person_may_repair_what_no_agent_could() {
    let mut world = World::new();
    world.story(vec![task("a", &[]), task("b", &["a"])]);
    world.script("a", "work", vec![write("a.txt", "BROKEN\n")]);
    world.script("a", "repair", vec![Step::Exit(1)]);
    assert_eq!(world.aura(&["run", &world.id, "--all", "--mode", "waves", "--json"]).code, 1);
    let worktree = world.worktree("story");
    std::fs::write(worktree.join("a.txt"), "sound\n").unwrap();
    world.git_in(&worktree, &["commit", "-qam", "repaired by hand"]);
    world.run_well();
    assert_eq!((world.landed("a.txt"), world.landed("b.txt")), ("sound".into(), "b".into()));
    world.close();
}

#[test]
fn two_tasks_of_one_wave_that_both_broke_something_are_both_found() {
    let mut world = World::new();
    world.story(["a", "b", "c", "d"].map(|id| task(id, &[])).into());
    for culprit in ["b", "d"] {
        world.script(culprit, "work", vec![write(&format!("{culprit}.txt"), "this is BROKEN\n")]);
        world.script(culprit, "repair", vec![replace(&format!("{culprit}.txt"), "BROKEN", "sound"), say("Mended.")]);
    }
    world.aura(&["run", &world.id, "--all", "-n", "1", "--json"]);
    assert_eq!(world.status()["isComplete"], true, "{}", world.story_so_far());
    let culprits: Vec<String> = world.events_of("culpritFound").iter().map(|event| event["task"].as_str().unwrap().to_owned()).collect();
    assert_eq!(culprits, ["b", "d"]);
    world.close();
}

#[test]
fn a_gate_that_cannot_be_changed_by_those_whom_it_judges() {
    let mut world = World::new();
    world.write("aura.toml", &gate("if grep -rn BROKEN --include=*.txt .; then exit 1; fi"));
    world.settle_checkout();
    world.story(vec![task("a", &[])]);
    // It breaks the tree and takes the check away, in its own tree.
    world.script("a", "work", vec![write("a.txt", "BROKEN\n"), write("aura.toml", "[gate]\nenabled = false\n")]);
    world.script("a", "repair", vec![Step::Exit(1)]);
    assert_eq!(world.run().code, 1);
    assert_eq!(world.status()["gateResult"]["verdict"], "Failed");
    world.close();
}

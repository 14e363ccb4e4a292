//! What a green gate proves: that tests ran, in a tree like a fresh clone, and that a red one is somebody's fault.

use crate::script::{Step, replace, write};
use crate::world::{World, gate, task};
use serde_json::{Value, json};

const RAN: &str = "echo 'test result: ok. 2 passed; 0 failed; 0 ignored; 0 measured; 0 filtered out'";
const NONE: &str = "echo 'test result: ok. 0 passed; 0 failed; 0 ignored; 0 measured; 0 filtered out'";

#[test]
fn a_task_after_which_no_test_runs_has_turned_the_gate_red_and_is_told_why() {
    let mut world = World::with(&gate(&format!("if grep -q off a.txt; then {NONE}; else {RAN}; fi")));
    world.story(vec![task("a", &[])]);
    world.script("a", "work", vec![write("a.txt", "off\n")]);
    world.script("a", "repair", vec![replace("a.txt", "off", "on")]);
    world.run_well();
    let red = &world.events_of("gateFinished").into_iter().find(|event| event["wave"] == 1).unwrap()["report"];
    assert_eq!(
        (&red["verdict"], &red["checks"][0]["result"], &red["checks"][0]["base"]),
        (&json!("Failed"), &json!("ranNothing"), &json!(2))
    );
    let prompt = world.events_of_task("attemptStarted", "a")[1]["job"].as_str().unwrap().to_owned() + "/prompt.md";
    let prompt = std::fs::read_to_string(prompt).unwrap();
    assert!(prompt.contains("ran no tests; before the story began it ran 2"), "{prompt}");
    world.close();
}

#[test]
fn where_there_never_was_a_test_nothing_is_red_and_nothing_is_proven() {
    let mut world = World::with(&gate(NONE));
    world.story(vec![task("a", &[])]);
    let end = world.run_well();
    assert_eq!((&end["gateResult"]["verdict"], &end["gateResult"]["passed"]), (&json!("Ungated"), &Value::Null), "{end}");
    assert_eq!(end["gateResult"]["checks"][0]["result"], "ranNothing");
    world.close();
}

#[test]
fn what_was_built_from_a_file_that_is_gone_makes_no_check_pass() {
    let mut world =
        World::with(&("[limits]\nrepairs = 0\n".to_owned() + &gate("mkdir -p target; cp a.txt target/ 2>/dev/null; test -e target/a.txt")));
    world.story(vec![task("a", &[]), task("b", &["a"])]);
    world.script("b", "work", vec![Step::Remove("a.txt".into()), write("b.txt", "b\n")]);
    let said = world.run();
    assert_eq!((said.code, &world.status()["gateResult"]["verdict"]), (1, &json!("Failed")), "{}", said.json);
    world.close();
}

#[test]
fn what_an_earlier_gate_left_makes_no_check_fail() {
    let mut world = World::with(&gate("if test -e b.txt && test -e target/old; then exit 1; fi; mkdir -p target; : > target/old"));
    world.story(vec![task("a", &[]), task("b", &["a"])]);
    let end = world.aura(&["run", &world.id, "--all", "--mode", "waves", "--json"]);
    assert_eq!((end.code, &world.status()["gateResult"]["verdict"]), (0, &json!("Passed")), "{}", end.json);
    assert!(world.events_of("culpritFound").is_empty());
    world.close();
}

#[test]
fn a_committed_file_that_a_check_writes_anew_is_named() {
    let mut world = World::with(&gate("echo more >> base.txt"));
    world.story(vec![task("a", &[])]);
    let end = world.run_well();
    let notes = &end["gateResult"]["checks"][0]["notes"];
    assert!(notes[0].as_str().is_some_and(|note| note.contains("`base.txt`")), "{end}");
    world.close();
}

#[test]
fn a_feed_that_is_down_is_nobodys_fault_and_pays_no_repair() {
    let steps = "[setup]\nsteps = [{ name = \"restore\", run = [\"dotnet\", \"restore\"] }]\n";
    let mut world = World::with(&(gate("true") + steps));
    let file = world.path("bin/dotnet");
    let script = "#!/bin/sh\nif test -e a.txt; then echo '/w/L.csproj : error NU1301: Unable to load the service index'; exit 1; fi\n";
    std::fs::write(&file, script).unwrap();
    std::fs::set_permissions(&file, std::os::unix::fs::PermissionsExt::from_mode(0o755)).unwrap();
    world.story(vec![task("a", &[])]);
    let said = world.run();
    assert_eq!(said.code, 1, "{}", said.json);
    assert!(said.json["error"].as_str().unwrap().contains("NU1301"), "{}", said.json);
    assert_eq!(world.attempts("a").len(), 1, "nobody is asked to repair a feed");
    world.close();
}

#[test]
fn a_set_up_is_done_once_for_what_it_fetches() {
    let steps = "[setup]\nsteps = [{ name = \"fetch\", run = [\"sh\", \"-c\", \"echo x >> $AURA_TEST_AGENT/fetched; mkdir -p target; : > target/fetched\"] }]\n";
    let mut world = World::with(&(gate("test -e target/fetched") + steps));
    world.story(vec![task("a", &[]), task("b", &["a"]), task("c", &["b"])]);
    world.script("c", "work", vec![write("requirements.txt", "other==1\n")]);
    let end = world.aura(&["run", &world.id, "--all", "--mode", "waves", "--json"]);
    assert_eq!(end.code, 0, "{}", end.json);
    let fetched = std::fs::read_to_string(world.path("agents/fetched")).unwrap();
    assert_eq!(fetched, "x\nx\n", "for the first tree, and for the one that fetches something else");
    world.close();
}

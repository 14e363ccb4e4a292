//! What decides a gate cannot be changed unseen: it is held, a person accepts, or an attempt takes it back.

use crate::script::{Step, replace, say, sh, write};
use crate::world::{World, gate, task};
use serde_json::{Value, json};

/// A repository whose check is a script inside it, and whose tests are in a folder.
fn world(more: &str) -> World {
    let mut world = World::with(&format!("{}{more}", gate("sh ./check.sh")));
    world.git(&["checkout", "-q", "main"]);
    world.write("check.sh", "if grep -rn BROKEN --include=*.txt .; then echo it is BROKEN; exit 1; fi\n");
    std::fs::create_dir(world.path("repo/tests")).unwrap();
    world.write("tests/test_shop.py", "def test_a():\n    assert 1 + 1 == 2\n\n\ndef test_b():\n    assert 2 + 2 == 4\n");
    world.git(&["add", "-A"]);
    world.git(&["commit", "-qm", "checks", "-o", "check.sh", "tests"]);
    world.git(&["checkout", "-q", "notes"]);
    world.settle_checkout();
    world
}

fn findings(world: &World) -> Vec<(String, String, String)> {
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    let status = world.status();
    let found = status["findings"].as_array().unwrap().clone();
    found.iter().map(|one| (text(&one["kind"]), text(&one["path"]), text(&one["standing"]))).collect()
}

#[test]
fn a_repair_that_bribes_its_check_is_held_until_a_person_accepts() {
    let mut world = world("");
    world.story(vec![task("a", &[])]);
    world.script("a", "work", vec![write("a.txt", "BROKEN\n")]);
    world.script("a", "repair", vec![write("check.sh", "exit 0\n")]);
    let said = world.run();
    assert_eq!((said.code, said.json["stopReason"].as_str()), (5, Some("held")), "{}\n{}", said.json, world.story_so_far());
    let status = world.status();
    assert_eq!((&status["held"], &status["isComplete"]), (&json!(true), &json!(false)), "{status}");
    assert_eq!(status["restoredGate"]["passed"], false, "with the check as it was the gate is red");
    assert_eq!(findings(&world), [("judgeChanged".into(), "check.sh".into(), "held".into())]);
    // It was asked to take it back, once, in words that name the file.
    let prompts: Vec<String> =
        world.events_of_task("attemptStarted", "a").iter().map(|event| event["job"].as_str().unwrap().to_owned()).collect();
    let last = std::fs::read_to_string(format!("{}/prompt.md", prompts.last().unwrap())).unwrap();
    assert!(last.contains("check.sh") && last.contains("Put them back"), "{last}");
    let (code, problem) = world.refused("complete_story", json!({ "publish": "branch" }));
    assert!(code == 5 && problem["detail"].as_str().unwrap().contains("check.sh"), "{problem}");
    // Only what is there can be accepted, and not by an agent.
    assert_eq!(world.refused("accept_findings", json!({ "findingIds": ["00000000"] })).0, 3);
    world.env.insert("AURA_TASK".into(), "a".into());
    assert_eq!(world.refused("accept_findings", json!({})).0, 5);
    world.env.clear();
    let accepted = world.tool("accept_findings", json!({ "reason": "it was wrong" }));
    assert_eq!((&accepted["isComplete"], accepted["accepted"].as_array().unwrap().len()), (&json!(true), 1), "{accepted}");
    let event = &world.events_of("findingsAccepted")[0];
    assert_eq!((&event["by"].is_string(), &event["reason"]), (&true, &json!("it was wrong")));
    let done = world.tool("complete_story", json!({ "publish": "branch" }));
    assert_eq!((&done["findings"][0]["path"], &done["findings"][0]["accepted"]), (&json!("check.sh"), &json!(true)), "{done}");
    world.close();
}

#[test]
fn a_repair_that_takes_its_change_back_completes_the_story() {
    let mut world = world("");
    world.story(vec![task("a", &[])]);
    world.script("a", "work", vec![write("a.txt", "BROKEN\n")]);
    world.script("a", "#2", vec![write("check.sh", "exit 0\n")]);
    world.script("a", "#3", vec![sh("git show main:check.sh > check.sh"), replace("a.txt", "BROKEN", "sound"), say("Put back.")]);
    world.run_well();
    assert_eq!((findings(&world), world.status()["held"].clone()), (vec![], json!(false)));
    assert_eq!(world.landed("a.txt"), "sound");
    world.close();
}

#[test]
fn a_test_that_is_weakened_in_passing_is_named_and_the_next_run_takes_it_back() {
    let mut world = world("");
    world.story(vec![task("a", &[])]);
    let weaker = "def test_a():\n    assert True\n";
    world.script("a", "work", vec![write("a.txt", "a\n"), write("tests/test_shop.py", weaker)]);
    assert_eq!(world.run().code, 5);
    let kinds: Vec<String> = findings(&world).into_iter().map(|(kind, _, standing)| format!("{kind} {standing}")).collect();
    assert_eq!(kinds, ["judgeChanged held", "assertionWeakened held", "testRemoved held"], "{}", world.status());
    assert_eq!(world.status()["restoredGate"]["passed"], true, "it was not needed to be green");
    assert_eq!(world.attempts("a").len(), 1, "nobody is asked before a person has looked");
    world.script("a", "repair", vec![sh("git show main:tests/test_shop.py > tests/test_shop.py"), say("Put back.")]);
    world.run_well();
    assert_eq!(findings(&world), []);
    world.close();
}

#[test]
fn what_a_task_claims_what_is_added_and_what_only_looks_otherwise_is_not_held() {
    let mut world = world("");
    let mut claims = task("a", &[]);
    claims["files"] = json!(["tests/test_shop.py", "a.txt"]);
    world.story(vec![claims, task("b", &[]), task("c", &["b"])]);
    world.script("a", "work", vec![write("a.txt", "a\n"), replace("tests/test_shop.py", "2 + 2 == 4", "2 + 3 == 5")]);
    world.script("b", "work", vec![write("tests/test_more.py", "def test_c():\n    assert 1\n")]);
    let comment = "# A comment.\nif grep -rn BROKEN --include=*.txt .; then echo it is BROKEN; exit 1; fi\n";
    world.script("c", "work", vec![write("check.sh", comment)]);
    world.run_well();
    assert!(
        findings(&world).iter().all(|(_, path, standing)| path == "tests/test_shop.py" && standing == "claimed"),
        "{:?}",
        findings(&world)
    );
    let done = world.tool("complete_story", json!({ "publish": "branch" }));
    assert!(!done["findings"].as_array().unwrap().is_empty(), "what was claimed is shown: {done}");
    world.close();
}

#[test]
fn settings_say_what_is_refused_and_what_is_only_reported() {
    let mut world = world("[judge]\npaths = { 'tests/**' = 'report', 'check.sh' = 'refuse' }\n");
    world.story(vec![task("a", &[])]);
    world.script("a", "work", vec![write("a.txt", "a\n"), write("check.sh", "exit 0\n"), Step::Remove("tests/test_shop.py".into())]);
    world.script("a", "repair", vec![say("NO CHANGE NEEDED: it is fine.")]);
    assert_eq!(world.run().code, 5, "{}", world.story_so_far());
    assert!(findings(&world).contains(&("judgeChanged".into(), "check.sh".into(), "refused".into())));
    assert!(findings(&world).contains(&("judgeRemoved".into(), "tests/test_shop.py".into(), "reported".into())));
    let (code, _) = world.refused("accept_findings", json!({}));
    assert_eq!(code, 4, "what is refused cannot be accepted");
    // The tip cannot loosen what counts: the agent's own `[judge]` has no say.
    world.script("a", "repair", vec![write("aura.toml", "[judge]\npolicy = \"report\"\n"), sh("git show main:check.sh > check.sh")]);
    world.run();
    assert_eq!(findings(&world).iter().filter(|(_, _, standing)| standing == "refused").count(), 0, "{}", world.story_so_far());
    world.close();
}

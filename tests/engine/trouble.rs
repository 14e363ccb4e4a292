//! What goes wrong with the work itself: conflicts, failures, silence, and what they do to the rest.

use crate::script::{Step, append, hold, replace, say, touch, write};
use crate::world::{World, gate, task};
use serde_json::{Value, json};

fn pairs(list: &[(&str, &str)]) -> Vec<(String, String)> {
    list.iter().map(|(a, b)| ((*a).to_owned(), (*b).to_owned())).collect()
}

/// Two tasks that change the same line, the second one after the first has landed.
fn two_on_one_line(world: &mut World) {
    world.script("first", "work", vec![replace("base.txt", "three", "three, says first"), touch("first is done")]);
    world.script("second", "work", vec![replace("base.txt", "three", "three, says second"), hold("first landed")]);
}

#[test]
fn a_conflict_is_handed_back_and_both_intentions_survive() {
    let mut world = World::new();
    world.story(vec![task("first", &[]), task("second", &[]), task("after", &["second"])]);
    two_on_one_line(&mut world);
    world.script("second", "resolve", vec![Step::KeepBoth("base.txt".into()), say("Kept both.")]);
    world.detach();
    world.await_event("taskLanded", "first");
    world.release("first landed");
    world.await_end(1);
    assert_eq!(world.attempts("second"), pairs(&[("work", "done"), ("resolve", "done")]));
    assert_eq!(world.events_of("landingConflicted")[0]["paths"], json!(["base.txt"]));
    let text = world.landed("base.txt");
    assert!(text.contains("three, says first") && text.contains("three, says second"), "{text}");
    assert_eq!(world.status()["isComplete"], true);
    world.close();
}

#[test]
fn a_conflict_without_markers_is_not_settled_by_doing_nothing() {
    let mut world = World::of_one_round();
    world.story(vec![task("first", &[]), task("second", &[]), task("third", &[])]);
    world.script("first", "work", vec![Step::Remove("base.txt".into()), Step::Remove(".gitignore".into())]);
    world.script("second", "work", vec![replace("base.txt", "three", "three, says second"), hold("first landed")]);
    world.script("second", "resolve", vec![say("All is well.")]);
    // Said aloud, it is a decision.
    world.script("third", "work", vec![append(".gitignore", "*.third\n"), hold("first landed")]);
    world.script("third", "resolve", vec![say("NO CHANGE NEEDED: third needs it.")]);
    world.detach();
    world.await_event("taskLanded", "first");
    world.release("first landed");
    world.await_end(1);
    let failed = world.task_status("second");
    assert_eq!(failed["status"], "Failed", "{}", world.story_so_far());
    assert!(failed["error"].as_str().unwrap().contains("base.txt"), "{failed}");
    assert_eq!(world.attempts("third"), pairs(&[("work", "done"), ("resolve", "done")]));
    assert_eq!(world.git(&["ls-tree", "--name-only", &world.branch()]), ".gitignore");
    assert!(world.landed(".gitignore").contains("*.third"));
    world.close();
}

#[test]
fn an_unresolved_conflict_fails_its_task_only_and_a_later_run_resolves_it() {
    let mut world = World::of_one_round();
    world.story(vec![task("first", &[]), task("second", &[]), task("after", &["second"]), task("other", &[])]);
    two_on_one_line(&mut world);
    world.script("second", "resolve", vec![say("I cannot.")]);
    world.detach();
    world.await_event("taskLanded", "first");
    world.release("first landed");
    world.await_end(1);
    let failed = world.task_status("second");
    assert_eq!(failed["status"], "Failed", "{}", world.story_so_far());
    assert!(failed["error"].as_str().unwrap().contains("base.txt"), "{failed}");
    assert_eq!(world.task_status("after")["status"], "Skipped");
    assert_eq!(world.task_status("other")["status"], "Completed");
    assert_eq!(world.status()["status"], "Failed");
    let landed = world.landed("base.txt");
    assert!(landed.contains("says first") && !landed.contains("<<<<"), "{landed}");
    // What it did is kept.
    let kept = world.aura(&["rescue", "--json"]).json;
    let holds = |kept: &Value| world.at(kept["commit"].as_str().unwrap(), "base.txt").contains("says second");
    assert!(kept["rescues"].as_array().unwrap().iter().any(holds), "{kept}");
    // Now its agent is in a better mood: whether it starts anew or resolves, it keeps what is there.
    world.script("second", "work", vec![append("base.txt", "three, says second\n")]);
    world.script("second", "resolve", vec![Step::KeepBoth("base.txt".into())]);
    world.run_well();
    let text = world.landed("base.txt");
    assert!(text.contains("says first") && text.contains("says second"), "{text}");
    world.close();
}

#[test]
fn a_task_that_fails_for_good_takes_its_dependents_with_it_and_nobody_else() {
    let mut world = World::of_one_round();
    world.story(vec![task("bad", &[]), task("child", &["bad"]), task("grandchild", &["child"]), task("good", &[])]);
    world.script("bad", "work", vec![write("half.txt", "half done\n"), Step::Exit(1)]);
    let said = world.run();
    assert_eq!((said.code, said.json["outcome"].as_str()), (1, Some("failed")), "{}", said.json);
    assert!(said.json["error"].as_str().unwrap().contains("bad"), "{}", said.json);
    assert_eq!(world.attempts("bad").len(), 2, "{}", world.story_so_far());
    assert_eq!(world.attempts("bad")[0].0, "work");
    for (id, status) in [("bad", "Failed"), ("child", "Skipped"), ("grandchild", "Skipped"), ("good", "Completed")] {
        assert_eq!(world.task_status(id)["status"], status, "{id}");
    }
    // Each attempt's half-done work is kept under a name of its own.
    for event in world.events_of_task("attemptEnded", "bad") {
        let kept = event["rescue"].as_str().unwrap_or_else(|| panic!("nothing was kept: {event}"));
        assert_eq!(world.at(kept, "half.txt"), "half done");
    }
    assert_eq!(world.refused("complete_story", json!({})).0, 4);
    // One more chance, asked for by a person; then the run picks up what was skipped.
    world.script("bad", "retry", vec![write("half.txt", "whole\n")]);
    assert_eq!(world.tool("retry_task", json!({ "taskId": "bad" }))["status"], "Pending");
    assert_eq!(world.refused("retry_task", json!({ "taskId": "good" })).0, 4);
    world.run_well();
    assert_eq!(world.landed("half.txt"), "whole");
    world.close();
}

#[test]
fn running_again_retries_what_failed_without_being_asked() {
    let mut world = World::of_one_round();
    world.story(vec![task("bad", &[]), task("child", &["bad"])]);
    world.script("bad", "#1", vec![Step::Exit(1)]);
    world.script("bad", "#2", vec![Step::Exit(1)]);
    assert_eq!(world.run().code, 1);
    world.run_well();
    assert_eq!(world.attempts("bad").len(), 3);
    world.close();
}

#[test]
fn a_task_that_fails_once_is_tried_again_and_told_why() {
    let mut world = World::new();
    world.story(vec![task("a", &[])]);
    world.script("a", "#1", vec![Step::Sh("echo it rained >&2".into()), Step::Exit(3)]);
    world.run_well();
    let second = &world.events_of_task("attemptStarted", "a")[1];
    let prompt = std::fs::read_to_string(format!("{}/prompt.md", second["job"].as_str().unwrap())).unwrap();
    assert!(prompt.contains("An earlier attempt") || prompt.contains("interrupted"), "{prompt}");
    assert!(prompt.contains("it rained"), "{prompt}");
    world.close();
}

#[test]
fn silence_and_slowness_are_bounded() {
    let mut world = World::with(&format!("[limits]\nstall_timeout = \"1s\"\ngrace = \"500ms\"\n{}", gate("true")));
    world.story(vec![task("silent", &[])]);
    world.script("silent", "#1", vec![write("part.txt", "part\n"), Step::Linger, Step::Hang]);
    world.run_well();
    assert_eq!(world.attempts("silent"), pairs(&[("work", "stalled"), ("resume", "done")]));
    // It was resumed where it stopped.
    assert_eq!(world.landed("part.txt"), "part");
    world.close();

    let mut world = World::with(&format!("[limits]\nattempt_timeout = \"1s\"\ngrace = \"500ms\"\n{}", gate("true")));
    world.story(vec![task("slow", &[])]);
    world.script("slow", "#1", vec![Step::Sh("for i in $(seq 300); do echo $i; sleep 0.1; done".into())]);
    world.run_well();
    assert_eq!(world.attempts("slow"), pairs(&[("work", "timedOut"), ("resume", "done")]));
    world.close();
}

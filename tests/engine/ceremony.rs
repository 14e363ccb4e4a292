//! The merge ceremony: what is published is what was verified, and nothing of the user's is written to.

use crate::script::{append, replace, write};
use crate::world::{World, gate, task};
use serde_json::{Value, json};

fn finished() -> World {
    let mut world = World::new();
    world.story(vec![task("a", &[]), task("b", &["a"])]);
    world.run_well();
    world
}

fn tree(world: &World, rev: &str) -> String {
    world.git(&["rev-parse", &format!("{rev}^{{tree}}")])
}
fn oid(world: &World, rev: &str) -> String {
    world.git(&["rev-parse", rev])
}

#[test]
fn it_is_squashed_to_one_commit_with_the_verified_tree_and_merged() {
    let world = finished();
    let (base, verified) = (oid(&world, "main"), tree(&world, &world.branch()));
    let done = world.tool("complete_story", json!({}));
    assert_eq!((&done["published"]["how"], &done["published"]["branch"]), (&json!("merged"), &json!("main")));
    assert_eq!((&done["status"], &done["verificationPassed"]), (&json!("Completed"), &json!(true)));
    assert_eq!(oid(&world, "main"), done["published"]["commit"].as_str().unwrap());
    assert_eq!((oid(&world, "main^"), tree(&world, "main")), (base, verified));
    assert_eq!(world.git(&["log", "--format=%an", "-1", "main"]), "Ada");
    // The landings stay where one can find them.
    let history = world.git(&["for-each-ref", "--format=%(refname)", "refs/aura/stories/*/history"]);
    assert_eq!(world.git(&["log", "--first-parent", "--format=%s", &format!("main^..{history}")]), "Land b: Do b\nLand a: Do a");
    // Once more is the same answer and no further act.
    let events = world.events().len();
    assert_eq!(world.tool("complete_story", json!({}))["published"], done["published"]);
    assert_eq!(world.events().len(), events);
    assert_eq!(world.refused("decompose_story", json!({ "tasks": [task("x", &[])] })).0, 4);
    world.close();
}

#[test]
fn a_base_that_is_checked_out_is_left_alone() {
    let mut world = World::new();
    world.git(&["stash", "-q"]);
    world.git(&["checkout", "-q", "main"]);
    world.settle_checkout();
    world.story(vec![task("a", &[])]);
    world.run_well();
    let main = oid(&world, "main");
    let (code, problem) = world.refused("complete_story", json!({ "publish": "merge" }));
    assert_eq!(code, 5, "{problem}");
    let done = world.tool("complete_story", json!({}));
    assert_eq!(done["published"]["how"], "branch");
    assert_eq!(oid(&world, "main"), main);
    let command = done["published"]["mergeCommand"].as_str().unwrap();
    assert!(command.contains("merge --ff-only") && command.contains(&world.branch()), "{command}");
    world.close();
    // What it says to type works.
    world.git(&["merge", "-q", "--ff-only", &world.branch()]);
    assert_eq!(world.at("main", "a.txt"), "a");
}

#[test]
fn it_is_pushed_where_there_is_a_remote() {
    let world = finished();
    world.git(&["init", "-q", "--bare", world.path("remote.git").to_str().unwrap()]);
    world.git(&["remote", "add", "origin", world.path("remote.git").to_str().unwrap()]);
    let mut world = world;
    world.settle_checkout();
    let main = oid(&world, "main");
    let done = world.tool("complete_story", json!({}));
    assert_eq!((&done["published"]["how"], &done["published"]["remote"]), (&json!("pushed"), &json!("origin")));
    let there = world.git_in(&world.path("remote.git"), &["rev-parse", &format!("refs/heads/{}", world.branch())]);
    assert_eq!(there, done["published"]["commit"].as_str().unwrap());
    assert_eq!(oid(&world, "main"), main, "the base is somebody else's to move");
    world.close();
}

#[test]
fn a_push_that_fails_says_so_and_can_be_repeated() {
    let world = finished();
    world.git(&["remote", "add", "origin", world.path("nowhere.git").to_str().unwrap()]);
    let mut world = world;
    world.settle_checkout();
    let (code, problem) = world.refused("complete_story", json!({}));
    assert!(code == 6 || code == 4 || code == 5, "{problem}");
    world.git(&["init", "-q", "--bare", world.path("nowhere.git").to_str().unwrap()]);
    let done = world.tool("complete_story", json!({}));
    assert_eq!(done["published"]["how"], "pushed");
    world.close();
}

/// Commits to `main` without a checkout of it.
fn commit_to_main(world: &World, path: &str, text: &str) {
    let place = world.path("elsewhere");
    world.git(&["worktree", "add", "-q", place.to_str().unwrap(), "main"]);
    std::fs::write(place.join(path), text).unwrap();
    world.git_in(&place, &["add", "-A"]);
    world.git_in(&place, &["commit", "-qm", "meanwhile"]);
    world.git(&["worktree", "remove", "--force", place.to_str().unwrap()]);
}

#[test]
fn what_the_base_has_gained_is_brought_in_and_gated() {
    let world = finished();
    commit_to_main(&world, "meanwhile.txt", "meanwhile\n");
    let gates = world.events_of("gateFinished").len();
    let base = oid(&world, "main");
    let done = world.tool("complete_story", json!({}));
    assert_eq!(done["verificationPassed"], true);
    assert_eq!(world.events_of("gateFinished").len(), gates + 1);
    assert_eq!(oid(&world, "main^"), base);
    for (path, text) in [("meanwhile.txt", "meanwhile"), ("a.txt", "a"), ("b.txt", "b")] {
        assert_eq!(world.at("main", path), text);
    }
    world.close();
}

#[test]
fn a_base_that_makes_the_result_red_is_refused_and_repaired_by_a_run() {
    let mut world = World::with(&gate("if test -e meanwhile.txt && grep -q strict a.txt; then echo no more strictness; exit 1; fi"));
    world.story(vec![task("a", &[])]);
    world.script("a", "work", vec![write("a.txt", "strict\n")]);
    world.script("a", "repair", vec![write("a.txt", "lax\n")]);
    world.run_well();
    commit_to_main(&world, "meanwhile.txt", "meanwhile\n");
    let main = oid(&world, "main");
    let (code, problem) = world.refused("complete_story", json!({}));
    assert_eq!(code, 4, "{problem}");
    assert_eq!(oid(&world, "main"), main);
    assert_eq!(world.status()["isComplete"], false, "{}", world.status());
    // Again is no way around it.
    assert_eq!(world.refused("complete_story", json!({})).0, 4);
    let said = world.run();
    assert!(said.code <= 1, "{}", said.json);
    assert_eq!(world.refused("complete_story", json!({})).0, 4, "{}", world.story_so_far());
    assert_eq!(oid(&world, "main"), main);
    world.close();
}

#[test]
fn a_base_that_conflicts_is_named_and_a_person_can_merge_it() {
    let mut world = World::new();
    world.story(vec![task("a", &[])]);
    world.script("a", "work", vec![replace("base.txt", "three", "three, says the story")]);
    world.run_well();
    commit_to_main(&world, "base.txt", "one\ntwo\nthree, says main\nfour\nfive\n");
    let (code, problem) = world.refused("complete_story", json!({}));
    assert_eq!(code, 4);
    assert!(problem["detail"].as_str().unwrap().contains("base.txt"), "{problem}");
    let worktree = world.worktree("story");
    assert!(problem["hint"].as_str().unwrap().contains(worktree.to_str().unwrap()), "{problem}");
    // A person does what the hint says.
    assert!(!world.try_git(&worktree, &["merge", "-q", "main"]).0);
    std::fs::write(worktree.join("base.txt"), "one\ntwo\nthree, say both\nfour\nfive\n").unwrap();
    world.git_in(&worktree, &["commit", "-qam", "merged by hand"]);
    let done = world.tool("complete_story", json!({}));
    assert_eq!(done["verificationPassed"], true);
    assert_eq!(world.at("main", "base.txt"), "one\ntwo\nthree, say both\nfour\nfive");
    assert_eq!(world.git_in(&worktree, &["status", "--porcelain"]), "");
    world.close();
}

#[test]
fn it_refuses_what_is_not_complete() {
    let mut world = World::new();
    let said = world.call("create_story", json!({ "title": "Nothing yet", "repositoryPath": world.path("repo"), "base": "main" }));
    world.id = said.json["id"].as_str().unwrap().to_owned();
    assert_eq!(world.refused("complete_story", json!({})).0, 4);
    world.tool("decompose_story", json!({ "tasks": [task("a", &[]), task("b", &["a"])] }));
    assert_eq!(world.refused("complete_story", json!({})).0, 4);
    world.script("b", "work", vec![crate::script::touch("b runs"), crate::script::hold("go"), append("b.txt", "b\n")]);
    world.detach();
    world.await_touch("b runs");
    for tool in ["complete_story", "remove_worktree", "analyze_story"] {
        let (code, problem) = world.refused(tool, json!({}));
        assert_eq!(code, 4, "{tool}: {problem}");
    }
    world.release("go");
    world.await_end(1);
    let kept = world.tool("complete_story", json!({ "publish": "branch", "keepCommits": true }));
    assert_eq!(kept["published"]["commit"], Value::String(oid(&world, &world.branch())));
    assert_eq!(world.git(&["log", "--first-parent", "--format=%s", &format!("main..{}", world.branch())]), "Land b: Do b\nLand a: Do a");
    world.close();
}

#[test]
fn a_ceremony_that_is_killed_goes_on_at_the_next_call() {
    let mut world = World::with(&gate(
        "if test -e meanwhile.txt; then touch \"$AURA_TEST_AGENT/verifying\"; while ! test -e \"$AURA_TEST_AGENT/go\"; do sleep 0.02; done; fi",
    ));
    world.story(vec![task("a", &[])]);
    world.run_well();
    commit_to_main(&world, "meanwhile.txt", "x\n");
    let mut child = world.spawn(&["complete", &world.id, "--json"]);
    world.await_touch("verifying");
    child.kill().unwrap();
    child.wait().unwrap();
    world.release("go");
    let done = world.tool("complete_story", json!({}));
    assert_eq!((&done["published"]["how"], &done["verificationPassed"]), (&json!("merged"), &json!(true)));
    assert_eq!(world.events_of("storyPublished").len(), 1);
    world.close();
}

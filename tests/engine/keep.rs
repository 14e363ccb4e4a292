//! What is a person's stays a person's: their checkout, their commits, and every bit of work that did not land.

use crate::script::{Step, hold, touch, write};
use crate::world::{World, task};
use serde_json::{Value, json};
use std::fs;

#[test]
fn the_whole_cycle_leaves_the_users_checkout_as_it_is() {
    let mut world = World::new();
    world.write("stashed.txt", "put away\n");
    world.git(&["add", "stashed.txt"]);
    world.git(&["stash", "-q"]);
    world.write("base.txt", "one\ntwo\nedited\n");
    world.write("staged.txt", "staged\n");
    world.git(&["add", "staged.txt"]);
    world.write("staged.txt", "staged, then edited\n");
    world.write("untracked.txt", "untracked\n");
    world.git(&["config", "user.nickname", "ada"]);
    world.settle_checkout();
    let refs = |world: &World| world.git(&["for-each-ref", "refs/heads/notes", "refs/stash", "refs/tags"]);
    let (before, status) = (refs(&world), world.git(&["--no-optional-locks", "status", "--porcelain"]));
    world.story(vec![task("a", &[]), task("b", &[]), task("c", &["a", "b"])]);
    world.tool("analyze_story", json!({}));
    world.script("a", "work", vec![write("base.txt", "a\n")]);
    world.script("b", "work", vec![write("base.txt", "b\n")]);
    for id in ["a", "b"] {
        world.script(id, "resolve", vec![write("base.txt", "a\nb\n")]);
    }
    world.script("c", "work", vec![write("c.txt", "BROKEN\n")]);
    world.script("c", "repair", vec![write("c.txt", "sound\n")]);
    world.run_well();
    world.tool("complete_story", json!({}));
    world.tool("remove_worktree", json!({}));
    assert_eq!((refs(&world), world.git(&["--no-optional-locks", "status", "--porcelain"])), (before, status));
    assert_eq!(world.git(&["worktree", "list", "--porcelain"]).matches("worktree ").count(), 1);
    world.close();
}

#[test]
fn cleaning_keeps_what_has_not_landed_and_it_can_be_restored() {
    let mut world = World::of_one_round();
    world.story(vec![task("bad", &[]), task("good", &[])]);
    world.script("bad", "work", vec![write("half.txt", "half\n"), Step::Git(["add", "-A"].map(str::to_owned).into())]);
    world.script("bad", "#1", vec![write("half.txt", "half\n"), Step::Exit(1)]);
    world.script("bad", "#2", vec![write("other.txt", "other\n"), Step::Exit(1)]);
    assert_eq!(world.run().code, 1);
    let story = world.worktree("story");
    fs::write(story.join("by-hand.txt"), "by hand\n").unwrap();
    let cleaned = world.tool("remove_worktree", json!({}));
    assert!(!story.exists() && !world.worktree("tasks").exists(), "{cleaned}");
    let rescued: Vec<&str> = cleaned["rescued"].as_array().unwrap().iter().map(|name| name.as_str().unwrap()).collect();
    assert!(!rescued.is_empty(), "{cleaned}");
    let listed = world.aura(&["rescue", "--json"]).json;
    let listed: Vec<&Value> = listed["rescues"].as_array().unwrap().iter().collect();
    let holds = |path: &str, text: &str| listed.iter().any(|kept| world.at(kept["commit"].as_str().unwrap(), path) == text);
    assert!(holds("half.txt", "half") && holds("other.txt", "other") && holds("by-hand.txt", "by hand"), "{listed:?}");
    for name in rescued {
        assert!(listed.iter().any(|kept| kept["ref"] == name), "{name}");
    }
    let first = listed.iter().find(|kept| world.at(kept["commit"].as_str().unwrap(), "half.txt") == "half").unwrap();
    let into = world.path("restored");
    let restored = world.aura(&["rescue", first["ref"].as_str().unwrap(), "--into", into.to_str().unwrap(), "--json"]);
    assert_eq!(restored.code, 0, "{}", restored.json);
    assert_eq!(fs::read_to_string(into.join("half.txt")).unwrap(), "half\n");
    assert_eq!(fs::read_to_string(into.join("base.txt")).unwrap(), "one\ntwo\nthree\nfour\nfive\n");
    assert_eq!(world.landed("good.txt"), "good", "the story branch stays");
    // Again is fine; running is not possible any more.
    world.tool("remove_worktree", json!({}));
    let again = world.run();
    assert_eq!(again.code, 4, "{}", again.json);
    world.close();
}

#[test]
fn cleaning_is_refused_while_agents_work() {
    let mut world = World::new();
    world.story(vec![task("a", &[])]);
    world.script("a", "work", vec![touch("a runs"), Step::Hang]);
    world.detach();
    world.await_touch("a runs");
    assert_eq!(world.refused("remove_worktree", json!({})).0, 4);
    world.tool("cancel_run", json!({ "now": true }));
    world.await_end(1);
    world.tool("remove_worktree", json!({}));
    world.close();
}

#[test]
fn a_persons_commit_on_the_story_branch_is_taken_in() {
    let mut world = World::new();
    world.story(vec![task("a", &[]), task("b", &["a"])]);
    assert_eq!(world.run_wave().code, 0);
    let worktree = world.worktree("story");
    assert_eq!(fs::read_to_string(worktree.join("a.txt")).unwrap(), "a\n", "people see what has landed");
    fs::write(worktree.join("mine.txt"), "mine\n").unwrap();
    world.git_in(&worktree, &["add", "-A"]);
    world.git_in(&worktree, &["commit", "-qm", "by hand"]);
    world.script("b", "work", vec![write("b.txt", "b\n")]);
    world.run_well();
    assert_eq!(world.events_of("tipAdopted").len(), 1);
    for (path, text) in [("mine.txt", "mine"), ("a.txt", "a"), ("b.txt", "b")] {
        assert_eq!(world.landed(path), text);
    }
    assert_eq!(world.git_in(&worktree, &["status", "--porcelain"]), "");
    world.close();
}

#[test]
fn a_story_branch_that_was_moved_back_or_removed_is_put_where_landed_work_is() {
    let mut world = World::new();
    world.story(vec![task("a", &[]), task("b", &["a"]), task("c", &["b"])]);
    assert_eq!(world.run_wave().code, 0);
    let (branch, tip) = (world.branch(), world.git(&["rev-parse", &world.branch()]));
    let name = format!("refs/heads/{branch}");
    world.git(&["update-ref", &name, "main"]);
    assert_eq!(world.run_wave().code, 0);
    let notes = world.events_of("noted");
    let said = notes.iter().any(|note| note["text"].as_str().unwrap().contains(&format!("`{branch}` had been moved back")));
    assert!(said, "{notes:?}");
    world.git(&["update-ref", "-d", &name]);
    world.run_well();
    assert_eq!(["a", "b", "c"].map(|id| world.landed(&format!("{id}.txt"))), ["a", "b", "c"]);
    assert!(world.try_git(&world.path("repo"), &["merge-base", "--is-ancestor", &tip, &branch]).0);
    world.close();
}

#[test]
fn a_story_branch_that_leaves_landed_work_out_is_refused_with_a_way_back_that_works() {
    let mut world = World::new();
    world.story(vec![task("a", &[]), task("b", &["a"])]);
    assert_eq!(world.run_wave().code, 0);
    let branch = world.branch();
    let other = world.git(&["commit-tree", "-p", "main", "-m", "something else", "main^{tree}"]);
    world.git(&["update-ref", &format!("refs/heads/{branch}"), &other]);
    let said = world.run();
    assert_eq!(
        (said.code, &said.json["outcome"], &said.json["stopReason"]),
        (6, &json!("stopped"), &json!("environment")),
        "{}",
        said.json
    );
    assert_eq!(world.git(&["rev-parse", &branch]), other, "nothing was moved");
    assert_ne!(world.status()["status"], "Completed");
    let error = said.json["error"].as_str().unwrap();
    let command = error.split_once(" (").and_then(|(_, hint)| hint.strip_suffix(')')).unwrap();
    let status = std::process::Command::new("sh").args(["-c", command]).status().unwrap();
    assert!(status.success(), "{command}");
    world.run_well();
    assert_eq!((world.landed("a.txt"), world.landed("b.txt")), ("a".into(), "b".into()));
    world.close();
}

#[test]
fn a_commit_made_in_a_worktree_that_stood_behind_takes_nothing_back() {
    let mut world = World::new();
    world.story(vec![task("a", &[]), task("b", &["a"]), task("c", &["b"])]);
    world.script("a", "work", vec![write("a.txt", "a\n"), write("base.txt", "zero\none\ntwo\nthree\nfour\nfive\n")]);
    let worktree = world.worktree("story");
    // An edit of a person's in the way of the first landing: from then on the worktree stands behind.
    fs::write(worktree.join("base.txt"), "one\ntwo\nthree\nfour\nfive\nsix\n").unwrap();
    assert_eq!(world.run_wave().code, 0);
    assert_eq!(world.run_wave().code, 0);
    assert!(!worktree.join("a.txt").exists(), "it stands behind");
    world.git_in(&worktree, &["commit", "-qam", "mine"]);
    assert_eq!(world.landed("a.txt"), "", "git has put the old files on the new tip");
    world.run_well();
    assert_eq!(["a", "b", "c"].map(|id| world.landed(&format!("{id}.txt"))), ["a", "b", "c"]);
    assert_eq!(world.landed("base.txt"), "zero\none\ntwo\nthree\nfour\nfive\nsix");
    let notes = world.events_of("noted");
    assert!(notes.iter().any(|note| note["text"].as_str().unwrap().contains("was merged instead")), "{notes:?}");
    assert_eq!(world.git_in(&worktree, &["status", "--porcelain"]), "", "the worktree is brought forward");
    assert_eq!(fs::read_to_string(worktree.join("a.txt")).unwrap(), "a\n");
    world.tool("complete_story", json!({ "publish": "branch" }));
    world.close();
}

#[test]
fn a_commit_on_old_files_that_conflicts_with_what_landed_is_refused_and_kept() {
    let mut world = World::new();
    world.story(vec![task("a", &[])]);
    world.script("a", "work", vec![write("a.txt", "a\n"), write("base.txt", "one\ntwo\nTHREE\nfour\nfive\n")]);
    let worktree = world.worktree("story");
    fs::write(worktree.join("base.txt"), "one\ntwo\nthree, mine\nfour\nfive\n").unwrap();
    world.run_well();
    world.git_in(&worktree, &["commit", "-qam", "mine"]);
    let mine = world.git(&["rev-parse", &world.branch()]);
    let said = world.run();
    assert_eq!((said.code, &said.json["stopReason"]), (6, &json!("environment")), "{}", said.json);
    assert!(said.json["error"].as_str().unwrap().contains("base.txt"), "{}", said.json);
    assert_eq!(world.git(&["rev-parse", &world.branch()]), mine);
    assert_ne!(world.status()["status"], "Completed");
    assert_ne!(world.call("complete_story", json!({ "storyId": world.id })).code, 0);
    world.close();
}

#[test]
fn a_plan_may_be_replaced_until_a_task_has_run() {
    let mut world = World::new();
    world.story(vec![task("a", &[])]);
    let replaced = world.tool("decompose_story", json!({ "tasks": [task("x", &[]), task("y", &["x"])] }));
    assert_eq!(replaced["waveCount"], 2);
    let (code, problem) = world.refused("decompose_story", json!({ "tasks": [task("x", &["y"]), task("y", &["x"])] }));
    assert_eq!((code, problem["code"].as_str().is_some()), (2, true), "{problem}");
    world.run_well();
    assert!(world.events_of_task("attemptStarted", "a").is_empty());
    assert_eq!(world.refused("decompose_story", json!({ "tasks": [task("z", &[])] })).0, 4);
    world.close();
}

#[test]
fn a_person_who_commits_while_a_run_is_on_takes_nothing_back() {
    let mut world = World::new();
    world.story(vec![task("a", &[]), task("b", &[])]);
    world.script("b", "work", vec![hold("go"), write("b.txt", "b\n")]);
    world.detach();
    world.await_event("taskLanded", "a");
    let worktree = world.worktree("story");
    world.until("the person sees it", || worktree.join("a.txt").exists().then_some(()));
    fs::write(worktree.join("mine.txt"), "mine\n").unwrap();
    world.git_in(&worktree, &["add", "-A"]);
    world.git_in(&worktree, &["commit", "-qm", "by hand"]);
    world.release("go");
    world.await_end(1);
    for (path, text) in [("mine.txt", "mine"), ("a.txt", "a"), ("b.txt", "b")] {
        assert_eq!(world.landed(path), text, "{path}");
    }
    assert_eq!(world.git_in(&worktree, &["status", "--porcelain"]), "");
    world.close();
}

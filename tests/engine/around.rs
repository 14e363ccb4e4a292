//! What is not an agent's to touch is measured around each attempt: the user's stash comes back, and the rest is told.

use crate::script::{Step, git, hold, sh, touch, write};
use crate::world::{World, task};
use serde_json::Value;

fn notes(world: &World) -> Vec<String> {
    world.events_of("noted").iter().map(|event| event["text"].as_str().unwrap().to_owned()).collect()
}

fn shown(value: &Value) -> Vec<String> {
    value["notes"].as_array().unwrap().iter().map(|note| note.as_str().unwrap().to_owned()).collect()
}

fn stash(world: &World) -> String {
    world.git(&["log", "-g", "--format=%H %gs", "refs/stash"])
}

/// A world whose owner has two entries on the stash, the upper one of a file that is not tracked.
fn with_a_stash() -> World {
    let mut world = World::new();
    world.git(&["stash", "-q"]);
    world.write("secret.txt", "mine\n");
    world.git(&["stash", "-q", "-u", "-m", "my own\u{fc}"]);
    world.settle_checkout();
    world
}

#[test]
fn what_an_agent_takes_off_the_users_stash_is_put_back_and_does_not_land() {
    let mut world = with_a_stash();
    let before = stash(&world);
    world.story(vec![task("pops", &[]), task("drops", &["pops"])]);
    world.script("pops", "work", vec![git(&["stash", "pop", "-q"]), write("pops.txt", "x\n")]);
    world.script("pops", "retry", vec![write("pops.txt", "x\n")]);
    world.script("drops", "work", vec![git(&["stash", "clear"]), write("drops.txt", "x\n")]);
    world.run_well();
    assert_eq!(stash(&world), before, "{}", world.story_so_far());
    assert_eq!(world.attempts("pops")[0].1, "refused", "{}", world.story_so_far());
    let told = &world.events_of_task("attemptEnded", "pops")[0]["outcome"]["detail"];
    assert!(told.as_str().unwrap().contains("secret.txt") && told.as_str().unwrap().contains("git stash"), "{told}");
    assert_eq!(world.attempts("drops"), [("work".into(), "done".into())], "work that holds nothing of it lands");
    let (ok, _) = world.try_git(&world.path("repo"), &["cat-file", "-e", &format!("{}:secret.txt", world.branch())]);
    assert!(!ok, "what was stashed has landed");
    assert!(notes(&world).iter().any(|note| note.contains("your stash") && note.contains("`pops` ran")), "{:?}", notes(&world));
    assert!(shown(&world.status()).iter().any(|note| note.contains("your stash")), "{}", world.status());
}

#[test]
fn what_agents_stash_themselves_is_theirs() {
    let mut world = with_a_stash();
    let before = stash(&world);
    world.story(vec![task("own", &[]), task("other", &[])]);
    let own = vec![
        write("own.txt", "x\n"),
        git(&["add", "-A"]),
        git(&["stash", "-q"]),
        touch("stashed"),
        hold("go"),
        git(&["stash", "pop", "-q"]),
        touch("popped"),
    ];
    world.script("own", "work", own);
    world.script("other", "work", vec![hold("stashed"), write("other.txt", "x\n"), touch("go"), hold("popped")]);
    world.run_well();
    assert_eq!((world.landed("own.txt"), stash(&world)), ("x".into(), before));
    assert_eq!(notes(&world), Vec::<String>::new());
    world.close();
}

#[test]
fn what_changes_outside_of_the_worktrees_is_told_once_and_accuses_nobody() {
    let mut world = World::new();
    world.story(vec![task("first", &[]), task("second", &[]), task("later", &["first", "second"])]);
    let outside =
        "git branch kept main && git tag v9 && git config some.key value && echo >> \"$(git rev-parse --git-common-dir)/hooks/post-merge\"";
    world.script("first", "work", vec![hold("second is there"), sh(outside), write("first.txt", "x\n")]);
    let waits: Vec<Step> = vec![touch("second is there"), hold("first is over"), write("second.txt", "x\n")];
    world.script("second", "work", waits);
    let run = world.detach();
    assert_eq!(run.code, 0, "{run:?}");
    world.await_event("attemptEnded", "first");
    world.release("first is over");
    world.await_end(1);
    let notes = notes(&world);
    assert_eq!(notes.len(), 1, "{notes:?}");
    for word in ["`first` ran", "branch `kept` (new)", "tag `v9` (new)", "the configuration", "the hooks"] {
        assert!(notes[0].contains(word), "{word}: {notes:?}");
    }
    assert_eq!(shown(&world.tool("get_orchestrator_status", serde_json::json!({ "detailed": true }))), notes);
    let completed = world.tool("complete_story", serde_json::json!({ "publish": "branch" }));
    assert_eq!(shown(&completed), notes);
}

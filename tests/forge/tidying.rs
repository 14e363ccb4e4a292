//! After the merge: what is merged or pushed goes, and nothing else does.

use crate::hub::{Hub, What, finished, shop, there};
use crate::script::{replace, sh, write};
use crate::world::{World, task};
use serde_json::json;

fn branches(world: &crate::world::World) -> String {
    world.git(&["for-each-ref", "--format=%(refname:short)", "refs/heads"])
}

#[test]
fn worktrees_and_branches_go_once_the_commit_is_at_the_remote() {
    let hub = Hub::start();
    let world = finished(&hub, "");
    let worktree = world.worktree("story");
    world.tool("complete_story", json!({}));
    let cleaned = world.tool("remove_worktree", json!({}));
    assert_eq!((branches(&world).as_str(), worktree.exists(), &cleaned["rescued"]), ("main\nnotes", false, &json!([])), "{cleaned}");
    assert!(cleaned["removedBranches"].as_array().unwrap().contains(&json!(world.branch())), "{cleaned}");
    let marks = world.git(&["for-each-ref", "--format=%(refname:lstrip=4)", "refs/aura/stories"]);
    assert_eq!(marks, "history", "of the ceremony's own refs");
    // Again is fine.
    world.tool("remove_worktree", json!({}));
    hub.close();
    world.close();
}

#[test]
fn what_came_after_the_push_is_not_thrown_away() {
    let hub = Hub::start();
    let world = finished(&hub, "");
    world.tool("complete_story", json!({}));
    let worktree = world.worktree("story");
    std::fs::write(worktree.join("late.txt"), "late\n").unwrap();
    let (_, problem) = world.refused("remove_worktree", json!({}));
    let (detail, hint) = (problem["detail"].as_str().unwrap(), problem["hint"].as_str().unwrap());
    assert!(problem["code"] == "needs_person" && detail.contains(worktree.to_str().unwrap()) && hint.contains("--force"), "{problem}");
    world.git_in(&worktree, &["add", "-A"]);
    world.git_in(&worktree, &["commit", "-qm", "late"]);
    let (_, problem) = world.refused("remove_worktree", json!({}));
    assert!(problem["detail"].as_str().unwrap().contains(&world.branch()), "{problem}");
    assert!(worktree.join("late.txt").exists());
    let cleaned = world.tool("remove_worktree", json!({ "force": true }));
    assert!(!worktree.exists() && !branches(&world).contains("aura/"), "{cleaned}");
    let kept = cleaned["rescued"].as_array().unwrap();
    assert!(kept.iter().any(|name| world.at(name.as_str().unwrap(), "late.txt") == "late"), "{cleaned}");
    world.close();
}

#[test]
fn a_branch_that_is_gone_from_the_remote_has_to_be_merged() {
    let hub = Hub::start();
    let world = finished(&hub, "");
    let done = world.tool("complete_story", json!({}));
    let bare = world.path("remote.git");
    world.git_in(&bare, &["branch", "-D", &world.branch()]);
    hub.state().pulls[0]["state"] = json!("closed");
    let (_, problem) = world.refused("remove_worktree", json!({}));
    assert!(
        problem["detail"].as_str().unwrap().contains("not merged") && problem["hint"].as_str().unwrap().contains("git push origin"),
        "{problem}"
    );
    // GitHub squashed it into another commit and removed the branch: only it knows.
    hub.state().pulls[0]["merged_at"] = json!("2026-01-02T03:04:05Z");
    world.tool("remove_worktree", json!({}));
    assert_eq!((branches(&world).as_str(), there(&world, &world.branch()).as_str()), ("main\nnotes", ""), "{done}");
    hub.close();
    world.close();
}

#[test]
fn a_branch_that_nobody_has_merged_stays() {
    let hub = Hub::start();
    let world = finished(&hub, "");
    world.tool("complete_story", json!({ "publish": "branch" }));
    let cleaned = world.tool("remove_worktree", json!({}));
    assert!(branches(&world).contains(&world.branch()) && cleaned["message"].as_str().unwrap().contains("stays"), "{cleaned}");
    // Once it is, it goes.
    world.git(&["update-ref", "refs/heads/main", &world.branch()]);
    let cleaned = world.tool("remove_worktree", json!({}));
    assert_eq!(branches(&world), "main\nnotes", "{cleaned}");
    world.close();
}

/// Somebody squashes the story's branch into the remote's base by hand, after `before`, and removes it.
fn squashed_by_hand(world: &World, before: &str, after: &str) {
    let place = world.path("by-hand");
    world.git(&["clone", "-q", "-b", "main", world.path("remote.git").to_str().unwrap(), place.to_str().unwrap()]);
    let step = |script: &str| {
        let done = std::process::Command::new("sh").args(["-ec", script]).current_dir(&place).status().unwrap();
        assert!(done.success(), "{script}");
    };
    let commit = |script: &str| {
        step(script);
        world.git_in(&place, &["add", "-A"]);
        world.git_in(&place, &["commit", "-qm", "by hand"]);
    };
    commit(before);
    world.git_in(&place, &["merge", "-q", "--squash", &format!("origin/{}", world.branch())]);
    commit("true");
    commit(after);
    world.git_in(&place, &["push", "-q", "origin", "main", &format!(":{}", world.branch())]);
}

#[test]
fn what_was_squashed_by_hand_is_merged() {
    // Of the first, merging again would change nothing; in the second, somebody has gone on with the same lines.
    for (keep, after) in [(false, "echo later > later.txt"), (true, "sed -i 's/says the story/says somebody/' base.txt")] {
        let hub = Hub::start();
        let mut world = shop(&hub, "");
        world.story(vec![task("a", &[]), task("b", &["a"])]);
        world.script("a", "work", vec![replace("base.txt", "three", "three, says the story")]);
        world.run_well();
        world.tool("complete_story", json!({ "createPullRequest": false, "keepCommits": keep }));
        world.git_in(&world.path("remote.git"), &["update-ref", "refs/heads/kept", &world.branch()]);
        squashed_by_hand(&world, "echo meanwhile > meanwhile.txt", after);
        let cleaned = world.tool("remove_worktree", json!({}));
        assert_eq!((branches(&world).as_str(), &cleaned["rescued"]), ("main\nnotes", &json!([])), "{cleaned}");
        world.close();
    }
}

#[test]
fn a_forge_that_cannot_be_asked_is_the_reason() {
    let hub = Hub::start();
    let world = finished(&hub, "");
    world.tool("complete_story", json!({}));
    world.git_in(&world.path("remote.git"), &["branch", "-D", &world.branch()]);
    hub.fail("GET", "/pulls/7", 1, What::Answer(401, vec![], json!({ "message": "Bad credentials" })));
    let (_, problem) = world.refused("remove_worktree", json!({}));
    assert!(problem["detail"].as_str().unwrap().contains("cannot be asked") && problem["hint"].is_string(), "{problem}");
    assert!(branches(&world).contains(&world.branch()));
    world.close();
}

#[test]
fn what_came_after_the_push_and_was_pushed_too_is_safe() {
    let hub = Hub::start();
    let world = finished(&hub, "");
    world.tool("complete_story", json!({}));
    let worktree = world.worktree("story");
    std::fs::write(worktree.join("review.txt"), "as asked\n").unwrap();
    world.git_in(&worktree, &["add", "-A"]);
    world.git_in(&worktree, &["commit", "-qm", "as the review asks"]);
    world.refused("remove_worktree", json!({}));
    world.git_in(&worktree, &["push", "-q", "origin", &world.branch()]);
    let cleaned = world.tool("remove_worktree", json!({}));
    assert_eq!(branches(&world), "main\nnotes", "{cleaned}");
    world.close();
}

#[test]
fn a_folder_that_was_set_aside_is_shown_and_kept_before_it_goes() {
    let hub = Hub::start();
    let mut world = shop(&hub, "");
    world.story(vec![task("a", &[])]);
    world.script("a", "#1", vec![write("draft.txt", "a first draft\n"), sh("rm .git && echo 'gitdir: /nowhere' > .git")]);
    world.script("a", "work", vec![write("a.txt", "a\n")]);
    world.run_well();
    let aside = world.worktree("tasks/a.lost-1");
    assert!(aside.join("draft.txt").exists());
    assert_eq!(world.status()["setAside"], json!([aside]));
    let doctor = world.aura(&["doctor", "--json"]);
    let said = doctor.json["findings"].as_array().unwrap().iter().find(|finding| finding["name"] == "set aside").unwrap().clone();
    assert!(said["detail"].as_str().unwrap().contains("a.lost-1") && said["hint"].as_str().unwrap().contains("aura clean"), "{said}");
    world.tool("complete_story", json!({}));
    let (_, problem) = world.refused("remove_worktree", json!({}));
    assert!(problem["detail"].as_str().unwrap().contains("a.lost-1") && aside.exists(), "{problem}");
    let cleaned = world.tool("remove_worktree", json!({ "force": true }));
    let kept = cleaned["rescued"].as_array().unwrap();
    assert!(kept.iter().any(|name| world.at(name.as_str().unwrap(), "draft.txt") == "a first draft"), "{cleaned}");
    assert!(!aside.exists() && !world.worktree("").exists(), "{cleaned}");
    assert_eq!(world.status()["setAside"], json!([]));
    hub.close();
    world.close();
}

//! After the merge: what is merged or pushed goes, and nothing else does.

use crate::hub::{Hub, finished, there};
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

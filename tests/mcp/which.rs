//! `latest`: the newest story of the repository that the caller stands in, and nobody else's.

use super::cli_world::{Cli, finish, task};
use super::host::{Host, MODERN};
use aura::error::Code;
use serde_json::{Value, json};

#[test]
fn latest_is_a_story_of_the_callers_own_repository() {
    let cli = Cli::new();
    let other = cli.repository("other");
    let mine = cli.planned(&[task("task-1", &[])]);
    let theirs = cli.call("create_story", &json!({ "title": "Theirs", "repositoryPath": other })).well()["id"].clone();
    // At the command line and over MCP, each started in the first repository: theirs is newer.
    assert_eq!(cli.json(&["status"]).well()["storyId"], mine);
    let mut host = Host::new(&cli, MODERN, "tests");
    assert_eq!(host.call("get_story", json!({ "storyId": "Latest" }))["id"], mine);
    let removed = host.call("remove_worktree", json!({ "storyId": "latest", "force": true }));
    assert_eq!(removed["storyId"], mine);
    let in_theirs = finish(cli.aura(&["show", "--json"]).current_dir(&other)).well();
    assert_eq!(in_theirs["id"], theirs);
    // A repository without a story takes nobody else's.
    let empty = cli.repository("empty");
    for args in [&["decompose", "--json"][..], &["run", "--json"], &["complete", "--json"], &["status", "--json"]] {
        finish(cli.aura(args).current_dir(&empty)).refused(Code::NotFound);
    }
}

#[test]
fn where_no_repository_is_known_whoever_changes_something_says_which() {
    let cli = Cli::new();
    let only = cli.planned(&[task("task-1", &[])]);
    let outside = |args: &[&str]| finish(cli.aura(args).current_dir(cli.path("user")));
    assert_eq!(outside(&["cancel", "--json"]).json()["code"], "illegal_state", "the only one is meant");
    let other = cli.call("create_story", &json!({ "title": "Theirs", "repositoryPath": cli.repository("other") })).well();
    for args in [&["run", "--json"][..], &["cancel", "--json"], &["complete", "--json"], &["clean", "--json"], &["decompose", "--json"]] {
        let problem = cli.unchanged(|| outside(args).refused(Code::Ambiguous));
        let hint = problem["hint"].as_str().unwrap();
        for story in [&only[..], other["id"].as_str().unwrap()] {
            let status: Value = cli.json(&["show", story]).well();
            assert!(hint.contains(status["shortId"].as_str().unwrap()), "{hint}");
        }
    }
    assert_eq!(outside(&["status", "--json"]).well()["storyId"], other["id"], "whoever reads harms nobody");
}

#[test]
fn a_plan_that_is_refused_leaves_no_trace() {
    let cli = Cli::new();
    let bad = json!([{ "id": "a", "title": "A", "description": "a", "dependsOn": ["nobody"] }]);
    let fresh = cli.story("Fresh");
    let planned = cli.planned(&[task("task-1", &[])]);
    for (story, status) in [(&fresh, "Created"), (&planned, "Planned")] {
        cli.unchanged(|| cli.call("decompose_story", &json!({ "storyId": story, "tasks": bad })).refused(Code::InvalidPlan));
        let shown = cli.json(&["show", story]).well();
        assert_eq!((&shown["status"], &shown["error"]), (&json!(status), &json!(null)), "{shown}");
    }
}

#[test]
fn what_is_next_loses_nothing_and_is_not_the_same_again() {
    let cli = Cli::new();
    let mut host = Host::new(&cli, MODERN, "tests");
    let story = cli.planned(&[super::cli_world::failing("task-1", &[])]);
    let run = host.call("run_wave", json!({ "storyId": story, "all": true }));
    let next = run["next"].as_str().unwrap();
    assert!(next.contains("wait_for_wave") && next.contains(", since "), "{next}");
    host.wait_for_end(&story);
    let looked = host.call("get_task_output", json!({ "storyId": story, "taskId": "task-1" }));
    let next = looked["next"].as_str().unwrap();
    assert!(!next.contains("get_task_output") && next.contains("run_wave"), "{next}");
}

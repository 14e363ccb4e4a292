//! What every verb answers: its shape, alike at both doors.

use super::cli_world::{Cli, Said, failing, finish, task};
use serde_json::{Value, json};
use std::collections::BTreeSet;

/// Keys with the kind of their value, as deep as an answer goes.
fn shape(value: &Value) -> Value {
    match value {
        Value::Null => json!("null"),
        Value::Bool(_) => json!("bool"),
        Value::Number(_) => json!("number"),
        Value::String(_) => json!("string"),
        Value::Array(items) => items.first().map_or(json!([]), |item| json!([shape(item)])),
        Value::Object(map) => map.iter().map(|(key, value)| (key.clone(), shape(value))).collect(),
    }
}

fn keys(value: &Value) -> BTreeSet<&str> {
    value.as_object().unwrap().keys().map(String::as_str).collect()
}

#[track_caller]
fn has(value: &Value, wanted: &[&str]) {
    let found = keys(value);
    for key in wanted {
        assert!(found.contains(key), "no `{key}` in {value}");
    }
}

/// What the contract says of all JSON: camelCase keys, times in RFC 3339 UTC.
fn house_style(value: &Value) {
    match value {
        Value::Object(map) => {
            for (key, inner) in map {
                let camel = key.starts_with(|c: char| c.is_ascii_lowercase()) && key.chars().all(|c| c.is_ascii_alphanumeric());
                assert!(camel, "`{key}` is not camelCase");
                if let (true, Some(time)) = (key.ends_with("At"), inner.as_str()) {
                    assert!(time.ends_with('Z') && time.parse::<jiff::Timestamp>().is_ok(), "`{key}` is `{time}`");
                }
                house_style(inner);
            }
        }
        Value::Array(items) => items.iter().for_each(house_style),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
    }
}

/// Both doors give this, word for word.
#[track_caller]
fn both(cli: &Cli, tool: &str, words: &[&str], args: &Value) -> Value {
    let (one, other) = (cli.json(words), cli.call(tool, args));
    assert_eq!((one.code, one.stderr.as_str()), (0, ""), "{}", one.text());
    assert_eq!((other.code, other.stderr.as_str()), (0, ""), "{}", other.text());
    assert_eq!(one.text(), other.text(), "the doors of {tool} differ");
    let value = one.json();
    house_style(&value);
    value
}

#[test]
fn a_story_from_its_creation_to_its_plan() {
    let cli = Cli::new();
    let made = cli.json(&["new", "Add user validation", "-d", "- one\n- two\n", "--issue-url", "https://example.org/1"]).well();
    let same = cli
        .call("create_story", &json!({ "title": "Add user validation", "description": "- one\n- two\n", "repositoryPath": cli.repo(), "issueUrl": "https://example.org/1" }))
        .well();
    assert_eq!(shape(&made), shape(&same));
    house_style(&made);
    assert_eq!((made["status"].as_str(), made["orchestratorStatus"].as_str()), (Some("Created"), Some("NotDecomposed")));
    assert_eq!(made["repositoryPath"], cli.repo().to_str().unwrap());
    has(
        &made,
        &[
            "id",
            "title",
            "description",
            "gitBranch",
            "baseBranch",
            "worktreePath",
            "issueUrl",
            "createdAt",
            "currentWave",
            "maxParallelism",
        ],
    );
    let id = made["id"].as_str().unwrap();
    assert_eq!(&id[14..15], "7", "ids are UUIDs of version 7");
    cli.json(&["new", "Another"]).well();

    let list = both(&cli, "list_stories", &["list"], &json!({}));
    assert_eq!((list["count"].as_u64(), list["stories"][0]["title"].as_str()), (Some(3), Some("Another")));
    both(
        &cli,
        "list_stories",
        &["list", "--status", "created", "--limit", "2", "-r", "."],
        &json!({ "status": "Created", "limit": 2, "repositoryPath": cli.repo() }),
    );

    let analysis = both(&cli, "analyze_story", &["analyze", id, "--facts-only"], &json!({ "storyId": id, "factsOnly": true }));
    has(&analysis, &["id", "status", "analyzedContext", "message"]);
    assert_eq!(analysis["status"], "Analyzed");

    let tasks = json!([task("task-1", &[]), task("task-2", &[]), task("task-3", &["task-1", "task-2"])]);
    let file = cli.path("plan.json");
    std::fs::write(&file, format!("\u{feff}{tasks}")).unwrap();
    let plan = both(
        &cli,
        "decompose_story",
        &["decompose", id, "--plan", file.to_str().unwrap(), "-n", "3"],
        &json!({ "id": id, "tasks": tasks, "maxParallelism": 3 }),
    );
    assert_eq!((plan["storyId"].as_str(), plan["waveCount"].as_u64()), (Some(id), Some(2)));
    assert_eq!(plan["tasks"][2]["dependsOn"], json!(["task-1", "task-2"]));
    for (task, wave) in plan["tasks"].as_array().unwrap().iter().zip([1, 1, 2]) {
        has(task, &["id", "title", "description", "wave", "dependsOn", "status", "agentSessionId", "error", "startedAt", "completedAt"]);
        assert_eq!((task["wave"].as_u64(), task["status"].as_str()), (Some(wave), Some("Pending")));
    }
    for spelling in [id.to_owned(), id.to_uppercase(), id[..13].to_owned(), made["shortId"].as_str().unwrap().to_owned()] {
        assert_eq!(both(&cli, "get_story", &["show", &spelling], &json!({ "storyId": spelling }))["id"], id);
    }
    let status = both(&cli, "get_orchestrator_status", &["status", id], &json!({ "storyId": id }));
    assert_eq!((status["status"].as_str(), status["isComplete"].as_bool()), (Some("Decomposed"), Some(false)));
    has(&status, &["storyId", "currentWave", "totalWaves", "maxParallelism", "waitingForGate", "tasks", "gateResult", "error"]);
}

#[test]
fn a_story_from_its_plan_to_its_end() {
    let cli = Cli::new();
    let id = cli.planned(&[task("task-1", &[]), task("task-2", &[]), task("task-3", &["task-1", "task-2"])]);
    let id = id.as_str();
    let wave = cli.json(&["run", id]).well();
    is_a_run(&wave, id, (1, 2, false));
    assert_eq!(wave["completedTasks"].as_array().unwrap().len(), 2);
    let rest = cli.call("run_wave", &json!({ "storyId": id, "all": true, "waitSeconds": 60 })).well();
    is_a_run(&rest, id, (2, 2, true));
    assert_eq!(rest["completedTasks"][0]["id"], "task-3");
    assert_eq!(shape(&rest), shape(&wave));
    let nothing = both(&cli, "run_wave", &["run", id, "--all"], &json!({ "storyId": id, "all": true }));
    assert_eq!((nothing["started"].as_bool(), nothing["isComplete"].as_bool()), (Some(false), Some(true)));

    let log = both(&cli, "get_task_output", &["log", id, "task-3", "--diff"], &json!({ "storyId": id, "taskId": "task-3", "diff": true }));
    assert!(log["transcript"].as_str().unwrap().contains("task-3 is done."), "{log}");
    assert!(log["diff"].as_str().unwrap().contains("+by task-3"), "{log}");
    let from = |cursor: &str| {
        both(
            &cli,
            "get_task_output",
            &["log", id, "task-3", "--cursor", cursor],
            &json!({ "storyId": id, "taskId": "task-3", "cursor": cursor }),
        )
    };
    let (all, none) = (from("0"), from(log["nextCursor"].as_str().unwrap()));
    assert_eq!((&all["transcript"], &all["nextCursor"]), (&log["transcript"], &log["nextCursor"]), "read from its beginning");
    assert_eq!((&none["transcript"], &none["nextCursor"]), (&json!(""), &log["nextCursor"]), "nothing more has been said");
    both(&cli, "get_orchestrator_status", &["status", id, "--detailed"], &json!({ "storyId": id, "detailed": true }));

    let complete = cli.json(&["complete", id, "--publish", "branch"]).well();
    assert_eq!((complete["status"].as_str(), complete["verificationPassed"].as_bool()), (Some("Completed"), Some(true)));
    has(&complete, &["id", "completedAt", "pullRequestUrl"]);
    assert_eq!(both(&cli, "complete_story", &["complete", id], &json!({ "storyId": id })), complete, "completing again changes nothing");

    let clean = cli.json(&["clean", id]).well();
    assert_eq!((clean["removedWorktrees"].as_array().unwrap().len(), clean["rescued"].clone()), (5, json!([])), "{clean}");
    let again = both(&cli, "remove_worktree", &["clean", id], &json!({ "storyId": id }));
    assert_eq!((shape(&again)["removedWorktrees"].clone(), again["storyId"].as_str()), (json!([]), Some(id)));
    assert_eq!(both(&cli, "get_story", &["show", id], &json!({ "storyId": id }))["worktreePath"], Value::Null);
}

/// The seed's answer to a run.
#[track_caller]
fn is_a_run(run: &Value, id: &str, (wave, waves, complete): (u64, u64, bool)) {
    house_style(run);
    has(
        run,
        &[
            "storyId",
            "status",
            "currentWave",
            "totalWaves",
            "isComplete",
            "waitingForGate",
            "startedTasks",
            "completedTasks",
            "failedTasks",
            "gateResult",
            "error",
        ],
    );
    assert_eq!((run["storyId"].as_str(), run["totalWaves"].as_u64()), (Some(id), Some(waves)));
    assert_eq!(run["isComplete"].as_bool(), Some(complete), "{run}");
    assert_eq!((run["waitingForGate"].as_bool(), &run["error"]), (Some(false), &Value::Null), "{run}");
    let gate = &run["gateResult"];
    has(gate, &["passed", "gateType", "afterWave", "testsPassed", "testsFailed", "error"]);
    assert_eq!((gate["passed"].as_bool(), gate["afterWave"].as_u64()), (Some(true), Some(wave)), "{gate}");
    for task in run["startedTasks"].as_array().unwrap() {
        assert_eq!(keys(task), BTreeSet::from(["error", "id", "status", "title"]));
    }
}

#[test]
fn a_failed_task_is_an_answer_and_not_an_error() {
    let cli = Cli::new();
    std::fs::write(cli.path("home/config.toml"), format!("{}[limits]\nattempts = 1\n", super::cli_world::SETTINGS)).unwrap();
    let id = cli.planned(&[task("task-1", &[]), failing("task-2", &[]), task("task-3", &["task-2"])]);
    let run = cli.json(&["run", &id, "--all"]);
    assert_eq!(run.code, 1, "{}\n{}", run.text(), run.stderr);
    let run = run.json();
    house_style(&run);
    assert_eq!(
        (run["outcome"].as_str(), run["status"].as_str(), run["isComplete"].as_bool()),
        (Some("failed"), Some("Failed"), Some(false))
    );
    let failed: Vec<&str> = run["failedTasks"].as_array().unwrap().iter().map(|task| task["status"].as_str().unwrap()).collect();
    assert_eq!(failed, ["Failed", "Skipped"]);
    assert!(run["error"].is_string() && run["failedTasks"][0]["error"].is_string(), "{run}");
    let said = cli.call("run_wave", &json!({ "storyId": id, "all": true, "waitSeconds": 60 }));
    assert_eq!(said.code, 1, "the other door has the same exit code: {}", said.text());
    let again = both_retry(&cli, &id);
    assert_eq!((again["id"].as_str(), again["status"].as_str()), (Some("task-2"), Some("Pending")));
}

fn both_retry(cli: &Cli, id: &str) -> Value {
    let view = cli.json(&["retry", id, "task-2"]).well();
    house_style(&view);
    let other = cli.call("retry_task", &json!({ "storyId": id, "taskId": "task-3" })).well();
    assert_eq!(keys(&view), keys(&other));
    view
}

#[test]
fn latest_is_the_newest_story_and_the_default() {
    let cli = Cli::new();
    let problem = cli.json(&["status"]).refused(aura::error::Code::NotFound);
    assert!(problem["hint"].as_str().unwrap().contains("aura new"), "{problem}");
    let first = cli.story("First");
    let second = cli.story("Second");
    for words in [&["show"][..], &["show", "latest"]] {
        assert_eq!(cli.json(words).well()["id"], second);
    }
    assert_eq!(cli.call("get_story", &json!({ "storyId": "latest" })).well()["id"], second);
    cli.json(&["analyze", &first, "--facts-only"]).well();
    assert_eq!(cli.json(&["status"]).well()["storyId"], second, "the newest, not the last that changed");
}

#[test]
fn a_run_can_be_left_followed_and_cancelled() {
    let cli = Cli::new();
    let slow = json!({ "work": [{ "think": 8000 }], "say": "late" });
    let mut waits = task("task-1", &[]);
    waits["description"] = json!(format!("```aura-demo\n{slow}\n```"));
    let id = cli.planned(&[waits]);
    let started = cli.json(&["run", &id, "--all", "--detach"]).well();
    assert_eq!((started["isRunning"].as_bool(), started["started"].as_bool(), &started["outcome"]), (Some(true), Some(true), &Value::Null));
    let joined = cli.call("run_wave", &json!({ "storyId": id, "all": true })).well();
    assert_eq!((&joined["runId"], joined["started"].as_bool()), (&started["runId"], Some(false)));
    let refused = |said: Said| said.refused(aura::error::Code::IllegalState);
    refused(cli.json(&["complete", &id]));
    refused(cli.json(&["clean", &id]));
    refused(cli.json(&["decompose", &id]));
    refused(cli.json(&["retry", &id, "task-1"]));
    let watch = cli.aura(&["watch", &id, "--json", "--until-end", "--since", "0"]).stdout(std::process::Stdio::piped()).spawn().unwrap();
    let cancelled = cli.json(&["cancel", &id, "--now"]).well();
    assert_eq!(cancelled["runId"], started["runId"]);
    let watched = watch.wait_with_output().unwrap();
    assert!(watched.status.success());
    let events: Vec<Value> = String::from_utf8(watched.stdout).unwrap().lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let seqs: Vec<i64> = events.iter().map(|event| event["seq"].as_i64().unwrap()).collect();
    assert!(seqs.windows(2).all(|pair| pair[0] < pair[1]), "{seqs:?}");
    assert!(events.iter().all(|event| event["storyId"] == id.as_str() && event["at"].as_str().unwrap().ends_with('Z')));
    let kinds: Vec<&str> = events.iter().map(|event| event["kind"].as_str().unwrap()).collect();
    assert_eq!((kinds[0], *kinds.last().unwrap()), ("storyCreated", "runEnded"));
    assert_eq!(events.last().unwrap()["outcome"], "cancelled");
    // Nothing runs any more: there is nothing to wait for.
    let after = finish(&mut cli.aura(&["watch", &id, "--json", "--until-end"]));
    assert_eq!((after.code, after.text()), (0, ""));
    refused(cli.json(&["cancel", &id]));
    assert_eq!(cli.json(&["status", &id]).well()["run"], Value::Null);
}

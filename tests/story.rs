//! Whole stories on real Copilot CLI processes: the real binary, real git, real worktrees; only the model is scripted.
#![cfg(unix)]
#![allow(clippy::unwrap_used, clippy::print_stderr)]

#[path = "support/copilot.rs"]
mod copilot;
#[path = "support/fake_model.rs"]
mod fake_model;
#[path = "support/stage.rs"]
mod stage;

use fake_model::Step;
use serde_json::{Value, json};
use stage::{Ask, Stage, Turn, landed, of, outcomes, write_then_done};

/// Eight tasks in three waves.
fn eight() -> Value {
    json!([
        stage::task("task-1", &[]),
        stage::task("task-2", &[]),
        stage::task("task-3", &[]),
        stage::task("task-4", &["task-1"]),
        stage::task("task-5", &["task-2"]),
        stage::task("task-6", &["task-3", "task-1"]),
        stage::task("task-7", &["task-4", "task-5"]),
        stage::task("task-8", &["task-6"]),
    ])
}

fn independent(count: usize) -> Value {
    (1..=count).map(|n| stage::task(&format!("task-{n}"), &[])).collect()
}

#[test]
fn eight_tasks_in_three_waves_land_and_complete() {
    let Some(stage) = Stage::new("", write_then_done) else { return };
    stage.plan(&eight());
    let result = stage.run(3);
    assert_eq!(
        (result["isComplete"].as_bool(), result["error"].as_str(), result["totalWaves"].as_u64()),
        (Some(true), None, Some(3)),
        "{result:#}"
    );
    let events = stage.events();
    assert_eq!(landed(&events).len(), 8);
    // A dependent really saw what it depends on: the model was told so by the agent's own shell.
    let prompts = stage.model.requests();
    let last = prompts.iter().find(|r| r.says("# Your task (task-8)")).unwrap();
    assert!(last.says("Made task-6.") && last.says("task-6.txt"), "the hand-off names what the dependency did");
    let usage = &stage.status()["usage"];
    assert!(usage["inputTokens"].as_u64().unwrap() > 0 && usage["modelRequests"].as_u64().unwrap() >= 16, "{usage}");
    let done = stage.call("complete_story", &json!({"storyId": "latest"}));
    assert_eq!((done["published"]["how"].as_str(), done["verificationPassed"].as_bool()), (Some("merged"), Some(true)), "{done:#}");
    let files = stage.git(&["ls-tree", "--name-only", "main"]);
    assert!((1..=8).all(|n| files.contains(&format!("task-{n}.txt"))), "{files}");
    assert_eq!(stage.git(&["rev-list", "--count", "main"]), "2", "one commit on top of the start");
}

#[test]
fn eight_agents_work_side_by_side() {
    let Some(stage) = Stage::new("", write_then_done) else { return };
    stage.plan(&independent(8));
    // Held until all eight have asked: only then can any go on.
    stage.model.hold("go");
    stage.detach(8);
    stage.model.until("eight agents at once", |requests| {
        let asking: std::collections::BTreeSet<String> = requests.iter().filter_map(stage::task_of).collect();
        asking.len() == 8
    });
    assert_eq!(stage.status()["run"]["agentsNow"], 8);
    stage.model.release("go");
    let result = stage.run(8);
    assert_eq!(result["isComplete"], true, "{result:#}");
}

#[test]
fn two_agents_that_edit_the_same_lines_both_get_their_way() {
    let Some(stage) = Stage::new("", |turn| match (turn.ask, turn.number) {
        (Ask::Work, 0) => Step::sh(&format!("printf 'start\\n%s\\n' {} > shared.txt", turn.task)),
        (Ask::Resolve, 0) => Step::sh("grep -v -e '^<<<<<<<' -e '^=======' -e '^>>>>>>>' shared.txt > merged && mv merged shared.txt"),
        _ => Step::complete(&format!("Did {}.", turn.task)),
    }) else {
        return;
    };
    stage.model.hold("go");
    stage.plan(&independent(2));
    stage.detach(2);
    stage.model.until("both began from the same state", |r| {
        r.iter().filter_map(stage::task_of).collect::<std::collections::BTreeSet<_>>().len() == 2
    });
    stage.model.release("go");
    let result = stage.run(2);
    assert_eq!(result["isComplete"], true, "{result:#}");
    let events = stage.events();
    assert_eq!(of(&events, "landingConflicted").count(), 1);
    let text = stage.show("shared.txt");
    assert!(text.contains("task-1") && text.contains("task-2") && !text.contains("<<<<"), "{text}");
    // The conflict went back to the session that made it.
    let task = of(&events, "landingConflicted").next().unwrap()["task"].as_str().unwrap().to_owned();
    let sessions: Vec<&str> =
        of(&events, "attemptStarted").filter(|e| e["task"] == task.as_str()).map(|e| e["session"].as_str().unwrap()).collect();
    assert_eq!(sessions.len(), 2);
    assert_eq!(sessions[0], sessions[1]);
}

#[test]
fn a_red_gate_is_repaired_by_the_session_that_turned_it_red() {
    let gate = "[gate]\nchecks = [{ name = \"no bugs\", kind = \"test\", run = [\"sh\", \"-c\", \"! grep -r BUG . --include=*.txt\"] }]\n";
    let Some(stage) = Stage::new(gate, |turn| match (turn.ask, turn.task.as_str(), turn.number) {
        (Ask::Work, "task-3", 0) => Step::sh("echo BUG > task-3.txt"),
        (Ask::Repair, "task-3", 0) => Step::sh("echo fine > task-3.txt"),
        (Ask::Work, _, _) => write_then_done(turn),
        _ => Step::complete("Repaired."),
    }) else {
        return;
    };
    stage.plan(&independent(4));
    let result = stage.run(4);
    assert_eq!(result["isComplete"], true, "{result:#}");
    let events = stage.events();
    let found: Vec<&Value> = of(&events, "culpritFound").collect();
    assert_eq!((found.len(), found[0]["task"].as_str()), (1, Some("task-3")));
    let sessions: Vec<&Value> = of(&events, "attemptStarted").filter(|e| e["task"] == "task-3").map(|e| &e["session"]).collect();
    assert!(sessions.len() == 2 && sessions[0] == sessions[1], "{sessions:?}");
    let repair = stage.model.requests().into_iter().find(|r| r.prompt().contains("<gate-output>")).unwrap();
    assert!(repair.prompt().contains("BUG"), "the agent gets the gate's output");
    assert_eq!(stage.show("task-3.txt").trim(), "fine");
}

#[test]
fn a_model_that_refuses_fails_the_task_and_what_is_independent_lands() {
    let Some(stage) = Stage::new("", |turn| match turn.task.as_str() {
        "task-1" => stage::status(400, None),
        _ => write_then_done(turn),
    }) else {
        return;
    };
    stage.plan(&json!([stage::task("task-1", &[]), stage::task("task-2", &[]), stage::task("task-3", &["task-1"])]));
    let result = stage.run(2);
    assert_eq!((result["isComplete"].as_bool(), result["outcome"].as_str()), (Some(false), Some("failed")), "{result:#}");
    let status = stage.status();
    let states: Vec<&str> = status["tasks"].as_array().unwrap().iter().map(|t| t["status"].as_str().unwrap()).collect();
    assert_eq!(states, ["Failed", "Completed", "Skipped"], "{status:#}");
    assert_eq!(outcomes(&stage.events(), "task-1"), ["failed"; 6], "three attempts, and three when the run goes back to it");
}

#[test]
fn a_missing_login_stops_the_run_and_says_what_to_do() {
    let Some(stage) = Stage::new("", |_| stage::status(401, None)) else { return };
    stage.plan(&independent(3));
    let (code, result) = stage.try_run(1);
    assert_eq!((code, result["stopReason"].as_str()), (5, Some("needsLogin")), "{result:#}");
    let events = stage.events();
    assert_eq!(of(&events, "attemptStarted").count(), 1, "nothing else was started");
    assert_eq!(of(&events, "taskFailed").count(), 0, "a login is not the task's fault");
}

#[test]
fn a_rate_limit_is_waited_for_with_fewer_agents() {
    let limits = "[limits]\nrate_limit_wait = \"1s\"\n";
    let Some(stage) = Stage::new(limits, |turn| {
        // The CLI itself tries six times; then the attempt ends and Aura waits.
        let asked = turn.seen.iter().filter(|task| **task == "task-1").count();
        if turn.task == "task-1" && turn.number == 0 && asked <= 6 { stage::status(429, Some("0")) } else { write_then_done(turn) }
    }) else {
        return;
    };
    stage.plan(&independent(3));
    let result = stage.run(2);
    assert_eq!(result["isComplete"], true, "{result:#}");
    let events = stage.events();
    assert_eq!(outcomes(&events, "task-1"), ["rateLimited", "done"]);
    let limited = events.iter().position(|e| e["outcome"]["result"] == "rateLimited").unwrap();
    let resumed = events.iter().position(|e| e["kind"] == "attemptStarted" && e["attempt"] == 2).unwrap();
    let until: jiff::Timestamp = events[limited]["resumeAt"].as_str().unwrap().parse().unwrap();
    let began: jiff::Timestamp = events[resumed]["at"].as_str().unwrap().parse().unwrap();
    assert!(began >= until, "it waited as told");
}

#[test]
fn a_model_that_stumbles_is_not_an_error() {
    let Some(stage) = Stage::new("", |turn| {
        let asked = turn.seen.len();
        if turn.number == 0 && asked <= 2 { stage::status(500, None) } else { write_then_done(turn) }
    }) else {
        return;
    };
    stage.plan(&independent(1));
    assert_eq!(stage.run(1)["isComplete"], true);
    assert_eq!(outcomes(&stage.events(), "task-1"), ["done"], "the CLI got over it by itself");
}

#[test]
fn a_model_that_hangs_is_a_stall_and_the_session_goes_on() {
    let limits = "[limits]\nstall_timeout = \"20s\"\ngrace = \"1s\"\n";
    let Some(stage) = Stage::new(limits, |turn| match (turn.ask, turn.number) {
        (Ask::Work, 1) => Step { hang: true, ..Step::default() },
        (Ask::Resume, 0) => Step::sh("echo late > late.txt"),
        (Ask::Work, _) => write_then_done(turn),
        _ => Step::complete("Went on."),
    }) else {
        return;
    };
    stage.plan(&independent(1));
    let result = stage.run(1);
    assert_eq!(result["isComplete"], true, "{result:#}");
    let events = stage.events();
    assert_eq!(outcomes(&events, "task-1"), ["stalled", "done"]);
    // What it had written before the stall is still there.
    assert!(!stage.show("task-1.txt").is_empty() && stage.show("late.txt").contains("late"));
}

#[test]
fn the_deadline_of_an_attempt_holds() {
    let limits = "[limits]\nattempt_timeout = \"5s\"\ngrace = \"1s\"\nattempts = 1\nrounds = 1\n";
    let Some(stage) = Stage::new(limits, |_| Step { hang: true, ..Step::default() }) else { return };
    stage.plan(&independent(1));
    let result = stage.run(1);
    assert_eq!(result["outcome"], "failed", "{result:#}");
    assert_eq!(outcomes(&stage.events(), "task-1"), ["timedOut"]);
}

#[test]
fn an_agent_that_is_killed_goes_on_in_the_same_session() {
    let Some(stage) = Stage::new("", |turn| match (turn.ask, turn.number) {
        (Ask::Work, 0) => Step::sh("echo half > half.txt"),
        (Ask::Work, _) => Step { gate: Some("never".into()), ..Step::complete("Never said.") },
        (Ask::Resume, 0) => Step::sh("cat half.txt > whole.txt"),
        _ => Step::complete("Whole."),
    }) else {
        return;
    };
    stage.model.hold("never");
    stage.plan(&independent(1));
    stage.detach(1);
    stage.model.until("half of the work is done", |requests| requests.iter().any(|r| stage::turn_of(r) == 1));
    stage.kill_agents();
    let result = stage.run(1);
    assert_eq!(result["isComplete"], true, "{result:#}");
    let events = stage.events();
    assert_eq!(outcomes(&events, "task-1"), ["crashed", "done"]);
    let sessions: Vec<&Value> = of(&events, "attemptStarted").map(|e| &e["session"]).collect();
    assert!(sessions.len() == 2 && sessions[0] == sessions[1], "{sessions:?}");
    let resumed = stage.model.requests().into_iter().find(|r| stage::ask_of(r) == Ask::Resume).unwrap();
    assert!(resumed.says("# Your task (task-1)"), "the session still knows the task");
    assert_eq!(stage.show("whole.txt").trim(), "half");
    stage.model.release("never");
}

#[test]
fn done_without_a_change_is_asked_about_once() {
    let Some(stage) = Stage::new("", |turn| match (turn.ask, turn.task.as_str(), turn.number) {
        (Ask::Work, _, _) => Step::complete("All done!"),
        (Ask::NoChange, "task-1", 0) => Step::sh("echo now > now.txt"),
        (Ask::NoChange, "task-1", _) => Step::complete("Now it is done."),
        (_, "task-2", _) => Step::complete("NO CHANGE NEEDED: it is all there already."),
        _ => Step::complete("Still nothing."),
    }) else {
        return;
    };
    stage.plan(&independent(3));
    let result = stage.run(3);
    assert_eq!(result["isComplete"], false, "{result:#}");
    let events = stage.events();
    assert_eq!(outcomes(&events, "task-1"), ["noChange", "done"]);
    assert_eq!(outcomes(&events, "task-2"), ["noChange", "done"], "a declared no-op is believed");
    assert_eq!(outcomes(&events, "task-3"), ["noChange"; 4], "and an undeclared one is not");
}

#[test]
fn it_does_not_matter_who_commits() {
    let Some(stage) = Stage::new("", |turn| match (turn.task.as_str(), turn.number) {
        ("task-1", 0) => Step::sh("echo a > a.txt && git add -A && git commit -qm mine"),
        ("task-2", 0) => Step::sh("echo b > b.txt"),
        ("task-3", 0) => Step::sh("echo c > c.txt && git add -A && git commit -qm mine && echo d > d.txt"),
        _ => Step::complete("Done."),
    }) else {
        return;
    };
    stage.plan(&independent(3));
    let result = stage.run(3);
    assert_eq!(result["isComplete"], true, "{result:#}");
    for (file, text) in [("a.txt", "a"), ("b.txt", "b"), ("c.txt", "c"), ("d.txt", "d")] {
        assert_eq!(stage.show(file).trim(), text);
    }
}

#[test]
fn copilot_can_plan_too_and_a_wrong_plan_is_sent_back_once() {
    let good = json!({"tasks": [
        {"id": "task-1", "title": "One", "description": "Do one.", "dependsOn": [], "files": ["a.txt"]},
        {"id": "task-2", "title": "Two", "description": "Do two.", "dependsOn": ["task-1"], "files": ["b.txt"]},
    ]});
    let wrong = json!({"tasks": [{"id": "task-1", "title": "One", "description": "Do one.", "dependsOn": ["task-9"], "files": []}]});
    let Some(stage) = Stage::new("", move |turn: &Turn| {
        let again = turn.prompt.contains("refused");
        Step::complete(&if again { good.to_string() } else { wrong.to_string() })
    }) else {
        return;
    };
    let plan = stage.call("decompose_story", &json!({"storyId": "latest", "planner": "copilot"}));
    assert_eq!((plan["planner"].as_str(), plan["waveCount"].as_u64()), (Some("copilot"), Some(2)), "{plan:#}");
    let sent_back = stage.model.requests().into_iter().find(|r| r.prompt().contains("refused")).unwrap();
    assert!(sent_back.prompt().contains("task-9"), "the faults are named");
}

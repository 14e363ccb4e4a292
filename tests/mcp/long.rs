//! Nothing long inside a request: runs go on whatever becomes of the server, and waiting is only waiting.

use super::cli_world::{Cli, task};
use super::host::{Host, LEGACY, MODERN};
use serde_json::{Value, json};
use std::io::{Read, Write};
use std::time::{Duration, Instant};

/// A task whose agent works for so long.
fn slow(id: &str, ms: u64, depends_on: &[&str]) -> Value {
    let script = json!({ "work": [{ "think": ms }, { "write": { format!("{id}.txt"): "x\n" } }], "say": "Done." });
    json!({ "id": id, "title": format!("Do {id}"), "description": format!("```aura-demo\n{script}\n```"), "dependsOn": depends_on })
}

fn runs(cli: &Cli) -> usize {
    let store = aura::store::Store::open(&cli.path("home")).unwrap();
    let events = store.since(None, 0, 1_000_000).unwrap();
    events.iter().filter(|recorded| matches!(recorded.event, aura::domain::Event::RunRequested { .. })).count()
}

#[test]
fn a_story_from_beginning_to_end_in_both_eras() {
    for version in [LEGACY, MODERN] {
        let cli = Cli::new();
        let mut host = Host::new(&cli, version, "tests");
        let story = host.call("create_story", json!({ "title": "Add user validation", "repositoryPath": cli.repo() }));
        let id = story["shortId"].as_str().unwrap().to_owned();
        assert!(story["next"].as_str().unwrap().contains(&format!("decompose_story with storyId {id}")), "{story}");
        let analysis = host.call("analyze_story", json!({ "storyId": id, "factsOnly": true }));
        assert!(analysis["next"].as_str().unwrap().contains("decompose_story"), "{analysis}");
        let tasks = json!([task("task-1", &[]), task("task-2", &[]), task("task-3", &["task-1", "task-2"])]);
        let plan = host.call("decompose_story", json!({ "storyId": id, "tasks": tasks }));
        assert_eq!((plan["waveCount"].as_u64(), plan["planner"].as_str()), (Some(2), Some("given")));
        for wave in 1..=2 {
            let began = Instant::now();
            let handle = host.call("run_wave", json!({ "storyId": id }));
            assert!(began.elapsed() < Duration::from_secs(5), "{:?}", began.elapsed());
            assert_eq!((handle["isRunning"].as_bool(), handle["started"].as_bool()), (Some(true), Some(true)), "{handle}");
            assert!(handle["next"].as_str().unwrap().contains("wait_for_wave"), "{handle}");
            let mut since = handle["since"].clone();
            let mut changes = vec![];
            let end = loop {
                let told = host.call("wait_for_wave", json!({ "storyId": id, "since": since }));
                since = told["seq"].clone();
                changes.extend(told["changes"].as_array().unwrap().iter().map(|text| text.as_str().unwrap().to_owned()));
                if told["isRunning"] == false {
                    break told;
                }
                assert!(!told["changes"].as_array().unwrap().is_empty(), "a wait below its limit ends with a change: {told}");
            };
            assert!(changes.contains(&format!("gate of wave {wave} passed")), "{changes:?}");
            assert_eq!(changes.last().map(String::as_str), Some("the run ended"));
            assert_eq!((end["outcome"].as_str(), end["isComplete"].as_bool()), (Some("finished"), Some(wave == 2)), "{end}");
        }
        let status = host.call("get_orchestrator_status", json!({ "storyId": id }));
        assert!(status["next"].as_str().unwrap().contains("complete_story"), "{status}");
        let done = host.call("complete_story", json!({ "storyId": id, "publish": "branch" }));
        assert_eq!((done["status"].as_str(), done["verificationPassed"].as_bool()), (Some("Completed"), Some(true)));
        assert!(done["next"].as_str().unwrap().contains("remove_worktree"), "{done}");
        assert_eq!(host.call("remove_worktree", json!({ "storyId": id }))["next"], "Nothing is left to do.");
        // The same at the other door.
        let mut there = cli.json(&["status", &id, "--detailed=false"]).well();
        let mut here = host.call("get_orchestrator_status", json!({ "storyId": id }));
        for value in [&mut there, &mut here] {
            value["usage"] = Value::Null;
        }
        assert_eq!(there, here);
        assert_eq!(host.end().0, Some(0));
    }
}

#[test]
fn a_wave_is_started_once_however_often_it_is_asked_for() {
    let cli = Cli::new();
    let id = cli.planned(&[slow("task-1", 1500, &[])]);
    let (mut one, mut other) = (Host::new(&cli, LEGACY, "tests"), Host::new(&cli, MODERN, "tests"));
    let calls: Vec<(usize, i64)> = (0..10)
        .map(|n| {
            (
                n % 2,
                if n % 2 == 0 {
                    one.begin_call("run_wave", json!({ "storyId": id }))
                } else {
                    other.begin_call("run_wave", json!({ "storyId": id }))
                },
            )
        })
        .collect();
    let answers: Vec<Value> = calls
        .into_iter()
        .map(|(host, call)| if host == 0 { one.called(call) } else { other.called(call) })
        .map(|(bad, value)| {
            assert!(!bad, "{value}");
            value
        })
        .collect();
    assert_eq!(answers.iter().filter(|answer| answer["started"] == true).count(), 1);
    assert!(answers.iter().all(|answer| answer["runId"] == answers[0]["runId"]), "{answers:?}");
    assert_eq!(one.wait_for_end(&id)["outcome"], "finished");
    assert_eq!(runs(&cli), 1);
}

#[test]
fn a_wait_that_is_cancelled_or_at_its_limit_ends_nothing_else() {
    let cli = Cli::new();
    let id = cli.planned(&[slow("task-1", 6000, &[])]);
    let mut host = Host::new(&cli, LEGACY, "tests");
    host.call("run_wave", json!({ "storyId": id }));
    // The limit is no error.
    let told = host.call("wait_for_wave", json!({ "storyId": id, "waitSeconds": 1 }));
    assert_eq!((told["isRunning"].as_bool(), &told["changes"]), (Some(true), &json!([])), "{told}");
    assert!(told["next"].as_str().unwrap().contains("wait_for_wave"), "{told}");
    let wait = host.begin_call("wait_for_wave", json!({ "storyId": id, "untilEnd": true }));
    host.notify("notifications/cancelled", json!({ "requestId": wait, "reason": "request timeout" }));
    let end = host.wait_for_end(&id);
    assert_eq!(end["outcome"], "finished", "{end}");
    // Nobody is told of a call that was cancelled.
    assert!(host.call("list_stories", json!({}))["count"] == 1);
    assert_eq!(runs(&cli), 1);
    // Nothing runs: there is nothing to wait for.
    let began = Instant::now();
    let told = host.call("wait_for_wave", json!({ "storyId": id, "waitSeconds": 60 }));
    assert!(told["isRunning"] == false && began.elapsed() < Duration::from_secs(20), "{told}");
}

#[test]
fn what_happened_between_two_waits_is_told() {
    let cli = Cli::new();
    let id = cli.planned(&[task("task-1", &[])]);
    let mut host = Host::new(&cli, LEGACY, "tests");
    let since = host.call("run_wave", json!({ "storyId": id }))["since"].clone();
    host.call("wait_for_wave", json!({ "storyId": id, "untilEnd": true }));
    let told = host.call("wait_for_wave", json!({ "storyId": id, "since": since }));
    assert_eq!(told["changes"], json!(["task-1 landed", "gate of wave 1 passed", "the run ended"]), "{told}");
}

#[test]
fn a_wait_sends_progress_to_whoever_asks_for_it() {
    let cli = Cli::new();
    for version in [LEGACY, MODERN] {
        let id = cli.planned(&[slow("task-1", 7000, &[])]);
        let mut host = Host::new(&cli, version, "tests");
        host.call("run_wave", json!({ "storyId": id }));
        let params = json!({ "name": "wait_for_wave", "arguments": { "storyId": id, "waitSeconds": 6, "untilEnd": true }, "_meta": { "progressToken": "p" } });
        let call = host.begin("tools/call", params);
        let progress = host.find("progress", |message| message["method"] == "notifications/progress");
        assert_eq!(progress["params"]["progressToken"], "p", "{progress}");
        assert!(progress["params"]["message"].as_str().unwrap().contains("tasks landed"), "{progress}");
        host.called(call);
        host.wait_for_end(&id);
    }
}

#[test]
fn a_client_that_is_known_is_answered_before_its_own_limit() {
    let cli = Cli::new();
    let id = cli.planned(&[slow("task-1", 3000, &[])]);
    let mut host = Host::new(&cli, MODERN, "claude-code");
    host.call("run_wave", json!({ "storyId": id }));
    let params = json!({ "name": "wait_for_wave", "arguments": { "storyId": id, "waitSeconds": 3600, "untilEnd": true }, "_meta": { "progressToken": 1 } });
    let call = host.begin("tools/call", params);
    assert_eq!(host.called(call).1["outcome"], "finished");
    // How long it would have waited is what progress counts towards.
    let wait_of = |name: &str| {
        let mut host = Host::new(&cli, LEGACY, name);
        let slow = cli.planned(&[slow("task-1", 6500, &[])]);
        host.call("run_wave", json!({ "storyId": slow }));
        let params = json!({ "name": "wait_for_wave", "arguments": { "storyId": slow, "waitSeconds": 3600, "untilEnd": true }, "_meta": { "progressToken": 1 } });
        let call = host.begin("tools/call", params);
        let total = host.find("progress", |message| message["method"] == "notifications/progress")["params"]["total"].clone();
        host.called(call);
        total
    };
    assert_eq!(wait_of("codex-mcp-client"), 280.0);
    assert_eq!(wait_of("somebody"), 50.0);
}

#[test]
fn a_slow_call_that_was_given_up_goes_on_and_asking_again_joins_it() {
    let cli = Cli::new();
    let model = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let address = model.local_addr().unwrap();
    let slow = format!("[planners.slow]\nkind = \"openai\"\nbase_url = \"http://{address}/v1\"\nmodel = \"m\"\n");
    std::fs::write(cli.path("home/config.toml"), format!("{}{slow}", super::cli_world::SETTINGS)).unwrap();
    let id = cli.json(&["new", "One", "--planner", "slow"]).well()["id"].clone();
    let mut host = Host::new(&cli, LEGACY, "tests");
    let first = host.begin_call("analyze_story", json!({ "storyId": id }));
    let (mut asked, _) = model.accept().unwrap();
    host.notify("notifications/cancelled", json!({ "requestId": first }));
    // Others are answered meanwhile.
    assert_eq!(host.call("get_story", json!({ "storyId": id }))["status"], "Analyzing");
    let again = host.begin_call("analyze_story", json!({ "storyId": id }));
    let mut request = vec![0; 64 * 1024];
    assert!(asked.read(&mut request).unwrap() > 0);
    let body =
        json!({ "choices": [{ "message": { "role": "assistant", "content": "It is small." }, "finish_reason": "stop" }] }).to_string();
    let head = format!("HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: {}\r\nConnection: close\r\n\r\n", body.len());
    asked.write_all(format!("{head}{body}").as_bytes()).unwrap();
    drop(asked);
    let (is_error, value) = host.called(again);
    assert!(!is_error && value["analyzedContext"]["analysis"].as_str().unwrap().contains("It is small"), "{value}");
    model.set_nonblocking(true).unwrap();
    assert!(model.accept().is_err(), "the model was asked twice");
}

/// What ends a server.
#[derive(Clone, Copy, Debug)]
enum End {
    Input,
    Term,
    Kill,
}

#[test]
fn a_run_survives_the_end_of_its_server_and_a_second_server_goes_on() {
    let ends = if cfg!(unix) { &[End::Input, End::Term, End::Kill][..] } else { &[End::Input, End::Kill] };
    for &how in ends {
        let cli = Cli::new();
        let id = cli.planned(&[slow("task-1", 2500, &[]), task("task-2", &["task-1"])]);
        let mut first = Host::new(&cli, LEGACY, "tests");
        let run = first.call("run_wave", json!({ "storyId": id, "all": true }))["runId"].clone();
        first.begin_call("wait_for_wave", json!({ "storyId": id, "untilEnd": true }));
        match how {
            End::Input => assert_eq!(first.end().0, Some(0)),
            End::Term => {
                let _ = cli.command("kill").args(["-TERM", &first.child.id().to_string()]).status();
                first.child.wait().unwrap();
            }
            End::Kill => drop(first),
        }
        let mut second = Host::new(&cli, MODERN, "tests");
        let joined = second.call("run_wave", json!({ "storyId": id, "all": true }));
        assert_eq!((&joined["runId"], joined["started"].as_bool()), (&run, Some(false)), "{how:?}");
        let end = second.wait_for_end(&id);
        assert_eq!((end["outcome"].as_str(), end["isComplete"].as_bool()), (Some("finished"), Some(true)), "{how:?}: {end}");
        assert_eq!(runs(&cli), 1, "{how:?}");
    }
}

#[cfg(unix)]
#[test]
fn a_run_whose_driver_was_killed_is_told_and_taken_up_again() {
    let cli = Cli::new();
    let id = cli.planned(&[slow("task-1", 6000, &[])]);
    let mut host = Host::new(&cli, LEGACY, "tests");
    let run = host.call("run_wave", json!({ "storyId": id }))["runId"].clone();
    let status = |host: &mut Host| host.call("get_orchestrator_status", json!({ "storyId": id }));
    while status(&mut host)["run"]["driven"] != true {}
    let lease = std::fs::read_to_string(cli.path("home/stories").join(&id).join("lease")).unwrap();
    let pid = lease.split(' ').nth(1).unwrap_or_else(|| panic!("{lease:?}"));
    assert!(cli.command("kill").args(["-KILL", pid]).status().unwrap().success());
    let began = Instant::now();
    let told = host.call("wait_for_wave", json!({ "storyId": id, "untilEnd": true, "waitSeconds": 50 }));
    assert!(began.elapsed() < Duration::from_secs(40), "{:?}", began.elapsed());
    assert!(told["isRunning"] == true && told["next"].as_str().unwrap().contains("run_wave"), "{told}");
    assert_eq!(host.call("run_wave", json!({ "storyId": id }))["runId"], run);
    assert_eq!(host.wait_for_end(&id)["outcome"], "finished");
    assert_eq!(runs(&cli), 1);
}

#[test]
fn two_servers_share_one_home() {
    let cli = Cli::new();
    let (mut one, mut other) = (Host::new(&cli, LEGACY, "tests"), Host::new(&cli, MODERN, "tests"));
    let id = one.call("create_story", json!({ "title": "One", "repositoryPath": cli.repo() }))["shortId"].clone();
    assert_eq!(other.call("get_story", json!({ "storyId": id }))["title"], "One");
}

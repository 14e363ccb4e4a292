//! Whatever comes in, an answer goes out, or the server ends cleanly; nothing kills it.

use super::cli_world::Cli;
use super::host::{Host, LEGACY, MODERN};
use serde_json::{Value, json};
use std::time::Duration;

/// The server still answers.
#[track_caller]
fn lives(host: &mut Host) {
    assert!(host.call("list_stories", json!({}))["count"].is_number());
}

#[track_caller]
fn says(problem: &Value, words: &[&str]) {
    let text = format!("{} {}", problem["detail"].as_str().unwrap(), problem["hint"].as_str().unwrap_or_default());
    for word in words {
        assert!(text.contains(word), "does not say {word:?}: {text}");
    }
}

#[test]
fn wrong_arguments_are_refused_by_name_with_what_is_allowed() {
    let cli = Cli::new();
    let id = cli.story("One");
    for version in [LEGACY, MODERN] {
        let mut host = Host::new(&cli, version, "tests");
        for (tool, args, words) in [
            ("get_story", json!({ "storyId": 7 }), &["`storyId`", "string"][..]),
            ("get_story", json!({ "story": "x" }), &["`story`", "`storyId`"]),
            ("get_story", json!({}), &["`storyId`"]),
            ("run_wave", json!({ "storyId": id, "maxParallelism": 0 }), &["1 to 256"]),
            ("run_wave", json!({ "storyId": id, "maxParallelism": "four" }), &["`maxParallelism`", "number"]),
            ("run_wave", json!({ "storyId": id, "mode": "both" }), &["`mode`", "`flow`", "`waves`"]),
            ("run_wave", json!({ "storyId": id, "waitSeconds": 1 }), &["`waitSeconds`", "wait_for_wave"]),
            ("wait_for_wave", json!({ "storyId": id, "waitSeconds": 3601 }), &["`waitSeconds`", "0 to 3600"]),
            ("wait_for_wave", json!({ "storyId": id, "waitSeconds": "ten" }), &["`waitSeconds`", "number"]),
            ("wait_for_wave", json!({ "storyId": id, "since": 1.5 }), &["`since`", "number"]),
            ("decompose_story", json!({ "storyId": id, "tasks": [{ "id": "a" }] }), &["`tasks[0]`", "`title`"]),
            (
                "decompose_story",
                json!({ "storyId": id, "tasks": [{ "id": "a", "title": "b", "description": "c", "dependsOn": "d" }] }),
                &["`tasks[0].dependsOn`", "array"],
            ),
            ("complete_story", json!({ "storyId": id, "publish": "everywhere" }), &["`publish`", "auto, branch, merge and push"]),
            ("list_stories", json!({ "status": "Done" }), &["status", "Created"]),
        ] {
            let problem = host.problem(tool, args, "invalid_request");
            says(&problem, words);
        }
        says(&host.problem("get_story", json!({ "storyId": "00000000" }), "not_found"), &["00000000", "list"]);
        says(&host.problem("make_coffee", json!({}), "not_found"), &["make_coffee", "create_story", "remove_worktree"]);
        lives(&mut host);
    }
}

#[test]
fn requests_that_are_none_are_answered_as_such() {
    let cli = Cli::new();
    for version in [LEGACY, MODERN] {
        let mut host = Host::new(&cli, version, "tests");
        for (method, params, code, word) in [
            ("tools/call", json!({}), -32602, "name"),
            ("tools/call", json!({ "name": 5 }), -32602, "name"),
            ("prompts/get", json!({ "name": "nope" }), -32602, "why_failed"),
            ("prompts/get", json!({ "name": "new_story" }), -32602, "title"),
            ("prompts/get", json!({ "name": "new_story", "arguments": { "titel": "x" } }), -32602, "titel"),
            ("make/coffee", json!({}), -32601, "make/coffee"),
        ] {
            let error = host.refused(method, params);
            assert_eq!(error["code"], code, "{method}: {error}");
            assert!(error["message"].as_str().unwrap().contains(word), "{method}: {error}");
        }
        let id = host.begin("tools/call", json!({ "name": "get_story", "arguments": ["x"] }));
        let (is_error, problem) = host.called(id);
        assert!(is_error, "{problem}");
        says(&problem, &["get_story", "`arguments`", "object"]);
        lives(&mut host);
    }
}

#[test]
fn a_line_of_20_megabytes_is_answered() {
    let cli = Cli::new();
    let mut host = Host::new(&cli, LEGACY, "tests");
    let big = "x".repeat(20 * 1024 * 1024);
    host.write(json!({ "jsonrpc": "2.0", "id": "big-1", "method": "tools/call", "params": { "name": big } }).to_string().as_bytes());
    let answer = host.find("the answer", |message| message["id"] == "big-1");
    assert_eq!(answer["error"]["code"], -32600, "{answer}");
    assert!(answer["error"]["message"].as_str().unwrap().contains("4194304 bytes"), "{answer}");
    // The id behind all of it, as some clients write it.
    host.write(format!("{{\"method\":\"x\",\"params\":{{\"id\":5,\"x\":\"{big}\"}},\"jsonrpc\":\"2.0\",\"id\":77}}").as_bytes());
    assert_eq!(host.answer(77)["error"]["code"], -32600);
    host.write(big.as_bytes());
    let answer = host.find("the answer", |message| message["id"].is_null() && message["error"].is_object());
    assert_eq!(answer["error"]["code"], -32600, "{answer}");
    lives(&mut host);
}

#[test]
fn garbage_is_answered_before_and_in_a_session() {
    let cli = Cli::new();
    let mut host = Host::start(&cli, &[], &[]);
    // What comes before a session: rmcp alone would end here.
    host.write(br#"{"jsonrpc":"2.0","method":"notifications/initialized"}"#);
    host.write(br#"{"jsonrpc":"2.0","id":9,"result":{}}"#);
    host.write(br#"{"jsonrpc":"2.0","method":"notifications/cancelled","params":{"requestId":1}}"#);
    host.write(br#"{"jsonrpc":"2.0","id":1,"method":"tools/list"}"#);
    assert_eq!(host.answer(1)["error"]["code"], -32602);
    host.write(br#"{"jsonrpc":"2.0","id":2,"method":"initialize","params":{"protocolVersion":"2025-06-18","capabilities":{}}}"#);
    let answer = host.answer(2);
    assert!(answer["error"]["message"].as_str().unwrap().contains("clientInfo"), "{answer}");
    let rounds = |host: &mut Host| {
        let deep = vec![b'['; 100_000];
        for (line, code) in [
            (&b"nonsense"[..], -32700),
            (b"{", -32700),
            (b"\xff\xfe\x00", -32700),
            (b"[]", -32600),
            (br#"[{"jsonrpc":"2.0","id":1,"method":"ping"}]"#, -32600),
            (b"7", -32600),
            (b"{}", -32600),
            (br#"{"jsonrpc":"1.0","id":null,"method":"ping"}"#, -32600),
            (&deep, -32700),
        ] {
            host.write(line);
            let answer = host.find("an error without an id", |message| message["error"].is_object() && message["id"].is_null());
            assert_eq!(answer["error"]["code"], code, "{:?}: {answer}", String::from_utf8_lossy(&line[..line.len().min(80)]));
            assert!(answer.get("id").is_some(), "JSON-RPC wants `id: null`");
        }
        // What is no fault has no answer.
        for line in [&b""[..], b"   ", b"\r", br#"{"jsonrpc":"2.0","method":"$/setTrace","params":{"value":"off"}}"#] {
            host.write(line);
        }
        // A broken request that has an id gets it back.
        host.write(br#"{"jsonrpc":"2.0","id":41,"method":"ping","params":{"#);
        assert_eq!(host.answer(41)["error"]["code"], -32700);
    };
    rounds(&mut host);
    host.write(br#"{"jsonrpc":"2.0","id":3,"method":"initialize","params":{"protocolVersion":"2025-06-18","capabilities":{},"clientInfo":{"name":"t","version":"1"}}}"#);
    assert_eq!(host.answer(3)["result"]["protocolVersion"], "2025-06-18");
    rounds(&mut host);
    host.write(b"\xef\xbb\xbf{\"jsonrpc\":\"2.0\",\"id\":4,\"method\":\"ping\"}\r");
    assert!(host.answer(4)["result"].is_object());
}

#[test]
fn sixty_four_calls_in_flight_are_all_answered() {
    let cli = Cli::new();
    let id = cli.planned(&[super::cli_world::task("task-1", &[])]);
    for version in [LEGACY, MODERN] {
        let mut host = Host::new(&cli, version, "tests");
        let calls: Vec<i64> = (0..64)
            .map(|n| match n % 4 {
                0 => host.begin_call("get_orchestrator_status", json!({ "storyId": id })),
                1 => host.begin_call("wait_for_wave", json!({ "storyId": id, "waitSeconds": 1 })),
                2 => host.begin_call("get_story", json!({ "storyId": 7 })),
                _ => host.begin_call("list_stories", json!({})),
            })
            .collect();
        for (n, call) in calls.into_iter().enumerate() {
            assert_eq!(host.called(call).0, n % 4 == 2);
        }
    }
}

#[test]
fn the_end_of_the_input_in_mid_call_is_a_quick_and_clean_end() {
    let cli = Cli::new();
    let slow = json!({ "work": [{ "think": 60_000 }], "say": "late" });
    let tasks = json!([{ "id": "task-1", "title": "Slow", "description": format!("```aura-demo\n{slow}\n```") }]);
    let id = cli.story("Slow");
    cli.call("decompose_story", &json!({ "storyId": id, "tasks": tasks })).well();
    for version in [LEGACY, MODERN] {
        let mut host = Host::new(&cli, version, "tests");
        host.call("run_wave", json!({ "storyId": id }));
        let wait = host.begin_call("wait_for_wave", json!({ "storyId": id, "waitSeconds": 40, "untilEnd": true }));
        let quick = host.begin_call("list_stories", json!({}));
        host.close_input();
        // What was asked is answered, what waits says how far it is.
        assert_eq!(host.called(quick).1["count"], 1);
        assert_eq!(host.called(wait).1["isRunning"], true);
        let (code, took) = host.end();
        assert_eq!(code, Some(0));
        assert!(took < Duration::from_secs(5), "{took:?}");
    }
    // Without a word.
    let (code, _) = Host::start(&cli, &[], &[]).end();
    assert_eq!(code, Some(0));
    cli.json(&["cancel", &id, "--now"]).well();
    cli.json(&["wait", &id, "--until-end"]);
}

#[test]
fn stdout_is_the_protocol_however_much_is_logged() {
    let cli = Cli::new();
    let mut host = Host::with(&cli, LEGACY, "tests", &[], &[("AURA_LOG", "trace"), ("RUST_LOG", "trace"), ("RUST_BACKTRACE", "full")]);
    // Every line is parsed by the host.
    let id = host.call("create_story", json!({ "title": "One", "repositoryPath": cli.repo() }))["id"].clone();
    host.write(b"garbage");
    host.call("decompose_story", json!({ "storyId": id, "tasks": [super::cli_world::task("task-1", &[])] }));
    host.call("run_wave", json!({ "storyId": id }));
    host.wait_for_end(id.as_str().unwrap());
    assert_eq!(host.end().0, Some(0));
}

#[test]
fn an_agent_of_a_task_is_refused_what_orchestrates_and_told_why() {
    let cli = Cli::new();
    let id = cli.planned(&[super::cli_world::task("task-1", &[])]);
    let events = cli.events();
    let mut host = Host::with(&cli, LEGACY, "tests", &[], &[("AURA_TASK", "task-1")]);
    for (tool, args) in [
        ("create_story", json!({ "title": "x", "repositoryPath": cli.repo() })),
        ("analyze_story", json!({ "storyId": id })),
        ("decompose_story", json!({ "storyId": id })),
        ("run_wave", json!({ "storyId": id })),
        ("wait_for_wave", json!({ "storyId": id })),
        ("retry_task", json!({ "storyId": id, "taskId": "task-1" })),
        ("cancel_run", json!({ "storyId": id })),
        ("complete_story", json!({ "storyId": id })),
        ("remove_worktree", json!({ "storyId": id })),
    ] {
        says(&host.problem(tool, args, "needs_person"), &["inside the agent of `task-1`", "own task"]);
    }
    assert_eq!(host.call("get_orchestrator_status", json!({ "storyId": id }))["status"], "Decomposed");
    assert_eq!(cli.events(), events);
}

/// Some hosts hand no environment on to the servers that they start.
#[test]
fn a_server_that_is_started_in_the_worktree_of_a_task_knows_it() {
    let cli = Cli::new();
    let id = cli.planned(&[super::cli_world::task("task-1", &[])]);
    cli.json(&["run", &id]).well();
    let story = std::path::PathBuf::from(cli.json(&["show", &id]).well()["worktreePath"].as_str().unwrap());
    let mut host = Host::start_in(&cli, &story.with_file_name("tasks").join("task-1"), &[], &[]);
    host.begin_session(LEGACY, "tests");
    says(&host.problem("run_wave", json!({ "storyId": id }), "needs_person"), &["inside the agent of `task-1`"]);
    // The story's own worktree is a person's.
    let mut host = Host::start_in(&cli, &story, &[], &[]);
    host.begin_session(LEGACY, "tests");
    assert_eq!(host.call("run_wave", json!({ "storyId": id }))["isComplete"], true);
}

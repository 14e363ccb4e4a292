//! What clients of other languages, strict modes and models send, and what they expect to get.

use super::cli_world::{Cli, finish, task};
use super::host::{Host, MODERN};
use super::server::{STORIES, Server};
use serde_json::{Value, json};
use std::time::{Duration, Instant};

/// Every optional argument of every verb, as `null`, as nothing, and left out.
#[test]
fn null_and_nothing_mean_left_out_for_every_argument_of_every_verb() {
    let cli = Cli::new();
    let server = Server::start(&cli);
    let mut host = Host::new(&cli, MODERN, "tests");
    let story = cli.planned(&[task("task-1", &[])]);
    cli.json(&["run", &story, "--all"]).well();
    for verb in aura::ops::VERBS {
        let schema = serde_json::to_value((verb.input)()).unwrap();
        let required: Vec<&str> = schema["required"].as_array().into_iter().flatten().filter_map(Value::as_str).collect();
        for nothing in [json!(null), json!("")] {
            let mut args = json!({});
            for name in schema["properties"].as_object().unwrap().keys() {
                args[name] = match name.as_str() {
                    "storyId" => json!(story),
                    "taskId" => json!("task-1"),
                    "repositoryPath" if verb.name == "create_story" => json!(cli.repo()),
                    "title" if verb.name == "create_story" => json!("Another"),
                    "waitSeconds" => json!("0"),
                    name => {
                        assert!(!required.contains(&name), "{}: {name}", verb.name);
                        nothing.clone()
                    }
                };
            }
            let said = server.post(&format!("/api/tools/{}", verb.name), &args).json();
            assert!(said["code"] != "invalid_request", "{} {args}: {said}", verb.name);
            args.as_object_mut().unwrap().remove("waitSeconds");
            let asked = host.begin_call(verb.name, args.clone());
            let (_, said) = host.called(asked);
            assert!(said["code"] != "invalid_request", "{} {args} over MCP: {said}", verb.name);
        }
    }
}

#[test]
fn texts_words_and_names_in_another_spelling_are_understood_at_every_door() {
    let cli = Cli::new();
    let server = Server::start(&cli);
    let mut host = Host::new(&cli, MODERN, "tests");
    let plan = json!([{ "id": "task-1", "title": "One", "description": "do", "depends_on": null, "estimate": "5" }]).to_string();
    for door in 0..3 {
        let id = cli.story("One");
        let mut call = |tool: &str, args: Value| match door {
            0 => cli.call(tool, &args).json(),
            1 => server.post(&format!("/api/tools/{tool}"), &args).json(),
            _ => host.call(tool, args),
        };
        let planned =
            call("decompose_story", json!({ "story_id": id.to_uppercase(), "Tasks": plan, "max_parallelism": "2", "detailed": "True" }));
        assert_eq!((&planned["maxParallelism"], &planned["tasks"][0]["id"]), (&json!(2), &json!("task-1")), "{planned}");
        assert_eq!(planned["tasks"][0]["description"], "do", "{planned}");
        let listed = call("list_stories", json!({ "status": "PLANNED", "limit": "1" }));
        assert_eq!(listed["count"], 1, "{listed}");
    }
    let story = cli.story("Two");
    for query in ["detailed=True", "detailed=TRUE&limit=", "limit=3&cursor="] {
        server.get(&format!("{STORIES}/{story}/orchestrator-status?{query}")).well(200);
    }
    server.get(&format!("{STORIES}/{story}/orchestrator-status?detailed=yes")).refused("invalid_request");
    for path in [format!("{STORIES}?limit=0"), format!("{STORIES}/{story}/orchestrator-status?limit=0")] {
        let problem = server.get(&path).refused("invalid_request");
        assert!(problem["detail"].as_str().unwrap().contains("`limit` is 0"), "{problem}");
    }
}

#[test]
fn a_byte_order_mark_and_other_names_of_json_are_no_hindrance() {
    let cli = Cli::new();
    let server = Server::start(&cli);
    let bearer = server.bearer();
    let body = json!({ "title": "x", "repositoryPath": cli.repo() }).to_string();
    for (kind, mark) in [("application/json; charset=utf-8", "\u{feff}"), ("text/json", ""), ("application/vnd.api+json", "")] {
        let headers = [("Authorization", bearer.as_str()), ("Content-Type", kind)];
        server.raw("POST", STORIES, &headers, format!("{mark}{body}").as_bytes()).well(201);
    }
}

#[test]
fn a_status_holds_the_seeds_task_with_null_where_there_is_nothing_and_times_of_three_digits() {
    let cli = Cli::new();
    let server = Server::start(&cli);
    let story = cli.planned(&[task("task-1", &[]), task("task-2", &["task-1"])]);
    let fields =
        ["id", "title", "description", "wave", "dependsOn", "status", "agentSessionId", "output", "error", "startedAt", "completedAt"];
    let status = || server.get(&format!("{STORIES}/{story}/orchestrator-status")).well(200)["tasks"].clone();
    let all = |tasks: &Value| {
        for (task, field) in tasks.as_array().unwrap().iter().flat_map(|task| fields.map(|field| (task, field))) {
            assert!(task.get(field).is_some(), "`{field}` is not in {task}");
        }
    };
    let before = status();
    all(&before);
    assert!(before[0]["startedAt"].is_null() && before[0]["output"].is_null() && before[0]["error"].is_null(), "{before}");
    cli.json(&["run", &story, "--all"]).well();
    let after = status();
    all(&after);
    let of_three = |text: &Value| {
        let text = text.as_str().unwrap();
        assert!(text.len() == "2026-11-30T12:00:00.123Z".len() && text.ends_with('Z') && &text[19..20] == ".", "{text}");
    };
    of_three(&after[1]["startedAt"]);
    of_three(&after[1]["completedAt"]);
    let mut stream = server.follow(&format!("{STORIES}/{story}/events?since=0&untilEnd=true&format=jsonl"), &[]);
    while let Some(line) = stream.line() {
        assert!(line.starts_with("{\"kind\":\""), "a reader chooses a type by what comes first: {line}");
        of_three(&serde_json::from_str::<Value>(&line).unwrap()["at"]);
    }
    let concise = server.get(&format!("{STORIES}/{story}/orchestrator-status?detailed=false")).well(200);
    assert!(concise["tasks"][0].get("description").is_none(), "{concise}");
}

#[test]
fn a_stream_is_named_and_chosen_by_kind_and_shows_that_it_lives() {
    let cli = Cli::new();
    let server = Server::start(&cli);
    let story = cli.planned(&[task("task-1", &[])]);
    cli.json(&["run", &story, "--all"]).well();
    let lines = |query: &str, headers: &[(&str, &str)]| -> Vec<String> {
        let mut stream = server.follow(&format!("{STORIES}/{story}/events?since=0&untilEnd=true{query}"), headers);
        std::iter::from_fn(|| stream.line()).collect()
    };
    let named: Vec<String> = lines("", &[]).into_iter().filter(|line| line.starts_with("event: ")).collect();
    assert!(named.contains(&"event: taskLanded".to_owned()) && named.contains(&"event: runEnded".to_owned()), "{named:?}");
    assert!(!lines("&names=false", &[]).iter().any(|line| line.starts_with("event: ")));
    // A reader that has heard nothing yet says so with an empty id.
    assert!(lines("", &[("Last-Event-ID", "")]).contains(&"event: storyCreated".to_owned()));
    let chosen: Vec<String> = lines("&kind=TaskLanded,runEnded&format=JSONL", &[]);
    let kinds: Vec<Value> = chosen.iter().map(|line| serde_json::from_str::<Value>(line).unwrap()["kind"].clone()).collect();
    assert_eq!(kinds, [json!("taskLanded"), json!("runEnded")]);
    for wrong in ["kind=nonsense", "heartbeat=0", "heartbeat=x", "names=maybe", "untilEnd=1", "since=x", "format=xml"] {
        server.get(&format!("{STORIES}/events?{wrong}")).refused("invalid_request");
    }
    let mut stream = server.follow(&format!("{STORIES}/events?since=-1&heartbeat=1"), &[]);
    let beat = std::iter::from_fn(|| stream.line()).find_map(|line| line.strip_prefix("data: ").map(str::to_owned)).unwrap();
    let beat: Value = serde_json::from_str(&beat).unwrap();
    assert!(beat["kind"] == "heartbeat" && beat["at"].is_string() && beat["seq"].is_i64(), "{beat}");
}

#[test]
fn a_loop_over_run_does_not_spin_and_a_silent_connection_is_kept() {
    let cli = Cli::new();
    let server = Server::start(&cli);
    let script = json!({ "work": [{ "think": 120_000 }], "say": "done" });
    let story = cli.planned(&[json!({ "id": "task-1", "title": "One", "description": format!("```aura-demo\n{script}\n```") })]);
    let run = || server.post(&format!("{STORIES}/{story}/run"), &json!({}));
    let first = run();
    assert_eq!(first.status, 202, "{}", first.head);
    assert!(first.header("retry-after").unwrap().parse::<u32>().unwrap() > 0);
    assert!(first.header("keep-alive").unwrap().strip_prefix("timeout=").unwrap().parse::<u32>().unwrap() > 90);
    let began = Instant::now();
    let again = run().well(202);
    assert!(began.elapsed() >= Duration::from_millis(900), "a call that joins waits a little: {:?}", began.elapsed());
    assert_eq!((&again["started"], &again["isRunning"], &again["runId"]), (&json!(false), &json!(true), &first.json()["runId"]));
    cli.json(&["cancel", &story, "--now"]).well();
}

#[test]
fn who_watches_over_the_server_needs_no_token_and_a_script_gets_one_document() {
    let cli = Cli::new();
    let server = Server::start(&cli);
    let health = server.raw("GET", "/health", &[], b"").well(200);
    assert_eq!((&health["status"], &health["version"]), (&json!("ok"), &json!(env!("CARGO_PKG_VERSION"))));
    // A second one at the same address: refused as one document, too.
    let said = finish(&mut cli.aura(&["serve", "--listen", &server.address, "--json"]));
    said.refused(aura::error::Code::Unavailable);
    let document = Server::announced(&cli);
    assert_eq!(document["url"], format!("http://{}", document["address"].as_str().unwrap()));
    assert!(document["boardUrl"].as_str().unwrap().contains("ticket="), "{document}");
    assert!(std::path::Path::new(document["tokenFile"].as_str().unwrap()).exists(), "{document}");
}

//! For every verb a good and a bad call give the same JSON at the command line, over MCP, and over HTTP by route and by name.

use super::cli_world::{Cli, Said, fed, task};
use super::host::{Host, MODERN};
use super::server::{STORIES, Server};
use aura::edge::http::{ROUTES, Route};
use aura::error::Code;
use serde_json::{Value, json};

/// The command line, asking the server instead.
fn through(cli: &Cli, server: &Server, verb: &str, args: &Value) -> Said {
    let url = format!("http://{}/", server.address);
    let mut command = if args.as_object().unwrap().len().is_multiple_of(2) {
        cli.aura(&["call", verb, "--url", &url])
    } else {
        let mut command = cli.aura(&["call", verb]);
        command.env("AURA_URL", url);
        command
    };
    fed(&mut command, args.to_string().as_bytes())
}

/// What no two calls have in common, although they mean the same.
fn timeless(mut value: Value) -> Value {
    fn visit(value: &mut Value) {
        match value {
            Value::Object(fields) => {
                for (key, inner) in fields {
                    let moves = ["seq", "since", "durationMs", "started"].contains(&key.as_str()) || key.ends_with("At");
                    if moves && !inner.is_null() {
                        *inner = json!("…");
                    } else {
                        visit(inner);
                    }
                }
            }
            Value::Array(items) => items.iter_mut().for_each(visit),
            _ => {}
        }
    }
    visit(&mut value);
    value
}

/// A call by its route, as the table says.
fn by_route(server: &Server, route: &Route, prefix: &str, args: &Value) -> super::server::Reply {
    let mut rest = args.as_object().unwrap().clone();
    let mut path = format!("{prefix}{}", route.path);
    for (part, field) in [("{id}", "storyId"), ("{taskId}", "taskId")] {
        if path.contains(part) {
            let value = rest.remove(field).unwrap();
            path = path.replace(part, value.as_str().unwrap());
        }
    }
    if route.method.name() == "post" {
        return server.post(&path, &Value::Object(rest));
    }
    let pairs: Vec<String> =
        rest.iter().map(|(name, value)| format!("{name}={}", value.as_str().map_or(value.to_string(), str::to_owned))).collect();
    let query = if pairs.is_empty() { String::new() } else { format!("?{}", pairs.join("&")) };
    server.ask(&route.method.name().to_ascii_uppercase(), &(path + &query), None)
}

/// A call that nothing is wrong with, and that can be made again: it reads, or finds nothing left to do.
fn good(verb: &str, story: &str) -> Option<Value> {
    Some(match verb {
        "create_story" | "analyze_story" | "decompose_story" | "retry_task" | "cancel_run" | "accept_findings" => return None,
        "list_stories" => json!({ "limit": 5 }),
        "wait_for_wave" => json!({ "storyId": story, "waitSeconds": 0 }),
        "get_task_output" => json!({ "storyId": story, "taskId": "task-1", "diff": true }),
        "complete_story" => json!({ "storyId": story, "publish": "branch" }),
        "get_story" => json!({ "storyId": story, "detailed": true }),
        "get_orchestrator_status" => json!({ "storyId": story, "detailed": true }),
        _ => json!({ "storyId": story }),
    })
}

fn bad(verb: &str, story: &str) -> Vec<Value> {
    match verb {
        "create_story" => {
            vec![json!({}), json!({ "title": "x" }), json!({ "title": "x", "repositoryPath": "relative" }), json!({ "titel": "x" })]
        }
        "list_stories" => vec![json!({ "status": "Nonsense" }), json!({ "limit": "many" }), json!({ "nonsense": "1" })],
        "get_task_output" | "retry_task" => {
            vec![json!({ "storyId": story, "taskId": "task-9" }), json!({ "storyId": "00000000", "taskId": "task-1" })]
        }
        _ => vec![json!({ "storyId": "00000000" }), json!({ "storyId": "x" }), json!({ "storyId": story, "nonsense": "1" })],
    }
}

#[test]
fn every_door_says_the_same() {
    let cli = Cli::new();
    let server = Server::start(&cli);
    let mut host = Host::new(&cli, MODERN, "tests");
    let story = cli.planned(&[task("task-1", &[])]);
    cli.json(&["run", &story, "--all"]).well();
    for route in ROUTES {
        for args in bad(route.verb, &story) {
            let call = cli.call(route.verb, &args);
            let said = call.json();
            let far = through(&cli, &server, route.verb, &args);
            assert_eq!((far.json(), far.code), (said.clone(), call.code), "{} {args} over --url", route.verb);
            let asked = host.begin_call(route.verb, args.clone());
            assert_eq!(host.called(asked), (true, said.clone()), "{} {args} over MCP", route.verb);
            let reply = by_route(&server, route, STORIES, &args);
            assert_eq!(reply.json(), said, "{} {args}", route.verb);
            reply.refused(said["code"].as_str().unwrap());
            assert_eq!(by_route(&server, route, "/api/stories", &args).json(), said, "the alias");
            let named = server.post(&format!("/api/tools/{}", route.verb), &args);
            assert_eq!((named.json(), u64::from(named.status)), (said.clone(), said["status"].as_u64().unwrap()));
        }
        if let Some(args) = good(route.verb, &story) {
            if ["complete_story", "remove_worktree"].contains(&route.verb) {
                // From now on there is nothing left to do, for each of the three in turn.
                cli.call(route.verb, &args).well();
            }
            let call = cli.call(route.verb, &args);
            let said = timeless(call.json());
            let far = through(&cli, &server, route.verb, &args);
            assert_eq!((timeless(far.json()), far.code), (said.clone(), call.code), "{} over --url", route.verb);
            assert_eq!(timeless(host.call(route.verb, args.clone())), said, "{} over MCP", route.verb);
            let reply = by_route(&server, route, STORIES, &args);
            assert_eq!(timeless(reply.well(200)), said, "{} {args}", route.verb);
            assert_eq!(reply.header("aura-exit-code"), Some(call.code.to_string().as_str()));
            assert_eq!(timeless(server.post(&format!("/api/tools/{}", route.verb), &args).well(200)), said);
        }
    }
}

#[test]
fn a_story_from_its_creation_to_its_end() {
    let cli = Cli::new();
    let server = Server::start(&cli);
    let made = server.post(STORIES, &json!({ "title": "One", "repositoryPath": cli.repo() }));
    let id = made.well(201)["id"].as_str().unwrap().to_owned();
    let place = made.header("location").unwrap().to_owned();
    assert_eq!(place, format!("{STORIES}/{id}"));
    assert_eq!(server.get(&place).well(200)["title"], "One");
    server.ask("POST", &format!("{place}/analyze"), None).well(200);
    server.post(&format!("{place}/decompose"), &json!({ "tasks": [task("task-1", &[]), task("task-2", &["task-1"])] })).well(200);
    let run = server.ask("POST", &format!("{place}/run"), None);
    assert_eq!(run.well(202)["started"], true);
    assert_eq!(run.header("location"), Some(format!("{place}/orchestrator-status").as_str()));
    let link = run.header("link").unwrap();
    let events = link.split(['<', '>']).nth(1).unwrap();
    let mut stream = server.follow(events, &[]);
    let kinds: Vec<String> = std::iter::from_fn(|| stream.event()).map(|(_, event)| event["kind"].as_str().unwrap().to_owned()).collect();
    assert_eq!(
        (kinds.first().map(String::as_str), kinds.last().map(String::as_str)),
        (Some("runRequested"), Some("runEnded")),
        "{kinds:?}"
    );
    let ended = server.ask("POST", &format!("{place}/run?wait=60"), None).well(200);
    assert!(ended["isComplete"] == true && ended["outcome"] == "finished", "{ended}");
    let result = server.get(&format!("{place}/runs/{}?wait=60", run.json()["runId"].as_str().unwrap())).well(200);
    assert!(result["outcome"] == "finished" && result["isRunning"] == false, "another run has followed it: {result}");
    server.get(&format!("{place}/runs/00000000-0000-0000-0000-000000000000")).refused("not_found");
    server.get(&format!("{place}/runs/nonsense")).refused("not_found");
    server.get(&format!("{place}/runs/nonsense?wait=x")).refused("invalid_request");
    assert_eq!(server.post(&format!("{place}/complete"), &json!({ "publish": "branch" })).well(200)["status"], "Completed");
    server.ask("DELETE", &format!("{place}/worktree"), None).well(200);
}

#[test]
fn a_list_is_read_page_by_page() {
    let cli = Cli::new();
    let server = Server::start(&cli);
    let mut made: Vec<String> = (0..5).map(|n| cli.story(&format!("Story {n}"))).collect();
    made.reverse();
    let (mut path, mut seen, mut pages) = (format!("{STORIES}?status=Created&limit=2"), vec![], 0);
    loop {
        let reply = server.get(&path);
        let page = reply.well(200);
        seen.extend(page["stories"].as_array().unwrap().iter().map(|story| story["id"].as_str().unwrap().to_owned()));
        pages += 1;
        if pages == 1 {
            // What is new meanwhile moves nothing.
            cli.story("Meanwhile");
        }
        let Some(link) = reply.header("link") else { break };
        assert!(link.ends_with("; rel=\"next\""), "{link}");
        path = link.split(['<', '>']).nth(1).unwrap().to_owned();
        assert_eq!(page["nextCursor"], *seen.last().unwrap());
    }
    assert_eq!((seen, pages), (made.clone(), 3));
    let rest = cli.json(&["list", "--cursor", &made[3], "--limit", "1"]).well();
    assert_eq!((&rest["stories"][0]["id"], &rest["nextCursor"]), (&json!(made[4]), &json!(null)));
    for cursor in ["nonsense", &made[0][..12], "00000000-0000-0000-0000-000000000000"] {
        server.get(&format!("{STORIES}?cursor={cursor}")).refused("not_found");
    }
}

#[test]
fn the_description_names_every_route_and_every_schema_it_points_at() {
    let cli = Cli::new();
    let server = Server::start(&cli);
    let reply = server.raw("GET", "/openapi.json", &[], b"");
    let document = reply.well(200);
    assert_eq!(document["openapi"], "3.1.0");
    for route in ROUTES {
        let operation = &document["paths"][format!("{STORIES}{}", route.path)][route.method.name()];
        let id = operation["operationId"].as_str().unwrap().to_ascii_lowercase();
        assert_eq!(id, route.verb.replace('_', ""), "its name in camel case");
    }
    let text = document.to_string();
    assert!(!text.contains("$defs"), "a definition was left where it was");
    for part in text.split("\"$ref\":\"#/components/schemas/").skip(1) {
        let name = part.split('"').next().unwrap();
        assert!(document["components"]["schemas"].get(name).is_some(), "{name}");
    }
}

#[test]
fn a_server_that_is_not_there_or_is_not_aura_is_a_refusal() {
    let cli = Cli::new();
    let list = |url: &str| fed(&mut cli.aura(&["call", "list_stories", "--url", url]), b"{}");
    list("http://127.0.0.1:1").refused(Code::Unavailable);
    for bad in ["nonsense", "ftp://127.0.0.1", "http://me:secret@127.0.0.1"] {
        let problem = list(bad).refused(Code::InvalidRequest);
        assert!(!problem.to_string().contains("secret"), "{problem}");
    }
    cli.json(&["list", "--url", "http://127.0.0.1:1"]).refused(Code::Unavailable);
    let server = Server::start(&cli);
    std::fs::write(cli.path("home/http-token"), "0".repeat(64)).unwrap();
    list(&format!("http://{}", server.address)).refused(Code::NeedsToken);
}

#[test]
fn the_page_lists_the_routes() {
    let page = std::fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/docs/http.md")).unwrap().replace("\r\n", "\n");
    let shown: Vec<&str> = page.lines().filter(|line| line.starts_with("| `")).collect();
    let real: Vec<String> = ROUTES
        .iter()
        .map(|route| format!("| `{} {}` | `{}` |", route.method.name().to_ascii_uppercase(), route.path, route.verb))
        .collect();
    assert_eq!(shown, real);
}

//! What HTTP itself asks for: methods, sizes, tags, keys, and clients that are slow, many, or gone.

use super::cli_world::{Cli, task};
use super::server::{STORIES, Server};
use serde_json::json;
use std::io::{Read, Write};
use std::net::TcpStream;
use std::time::{Duration, Instant};

#[test]
fn what_is_no_request_is_refused_as_a_problem() {
    let cli = Cli::new();
    let server = Server::start(&cli);
    server.get("/nonsense").refused("not_found");
    server.get("/api/stories/latest/nonsense").refused("not_found");
    server.ask("PUT", STORIES, None).refused("invalid_request");
    assert_eq!(server.ask("PUT", STORIES, None).status, 405);
    let bearer = server.bearer();
    let post = |kind: &str, body: &[u8]| server.raw("POST", STORIES, &[("Authorization", &bearer), ("Content-Type", kind)], body);
    assert_eq!(post("text/plain", b"{}").status, 415);
    post("application/json", b"{").refused("invalid_request");
    post("application/json", b"[]").refused("invalid_request");
    post("application/json", b"\xff\xfe").refused("invalid_request");
    assert_eq!(server.post(&format!("{STORIES}?title=x"), &json!({})).status, 400);
    let big = post("application/json", format!("{{\"title\":\"{}\"}}", "x".repeat(9 * 1024 * 1024)).as_bytes());
    assert!(big.status == 413 || big.status == 0, "{}", big.status);
    server.get(&format!("{STORIES}/%ff/orchestrator-status")).refused("invalid_request");
    server.get(&format!("{STORIES}?limit=1&limit=2")).refused("invalid_request");
    server.ask("POST", &format!("{STORIES}/latest/run?wait=1"), Some(&json!({ "waitSeconds": 2 }))).refused("invalid_request");
    server.get(&format!("{STORIES}/events?since=x")).refused("invalid_request");
    server.ask_with("GET", &format!("{STORIES}/events"), &[("Last-Event-ID", "x")], None).refused("invalid_request");
}

#[test]
fn a_status_that_is_known_is_not_sent_again() {
    let cli = Cli::new();
    let server = Server::start(&cli);
    let story = cli.planned(&[task("task-1", &[])]);
    let path = format!("{STORIES}/{story}/orchestrator-status");
    let tag = server.get(&path).header("etag").unwrap().to_owned();
    let again = server.ask_with("GET", &path, &[("If-None-Match", &tag)], None);
    assert_eq!((again.status, again.body.len(), again.header("etag")), (304, 0, Some(tag.as_str())));
    cli.json(&["run", &story, "--all"]).well();
    let changed = server.ask_with("GET", &path, &[("If-None-Match", &tag)], None);
    assert!(changed.status == 200 && changed.header("etag") != Some(tag.as_str()), "{}", changed.head);
}

#[test]
fn a_key_creates_once() {
    let cli = Cli::new();
    let server = Server::start(&cli);
    let body = json!({ "title": "One", "repositoryPath": cli.repo() });
    let create = |key: &str, body: &serde_json::Value| server.ask_with("POST", STORIES, &[("Idempotency-Key", key)], Some(body));
    // At the same time, and again.
    let ids: Vec<_> = std::thread::scope(|scope| {
        let asked: Vec<_> = (0..4).map(|_| scope.spawn(|| create("k1", &body).well(201)["id"].clone())).collect();
        asked.into_iter().map(|one| one.join().unwrap()).collect()
    });
    assert!(ids.iter().all(|id| *id == ids[0]), "{ids:?}");
    assert_eq!(create("k1", &body).header("idempotency-replayed"), Some("true"));
    assert_eq!(create("k1", &json!({ "title": "Two", "repositoryPath": cli.repo() })).status, 422);
    assert_ne!(create("k2", &body).well(201)["id"], ids[0]);
    assert_eq!(server.get(STORIES).well(200)["count"], 2);
    create("k 3", &body).refused("invalid_request");
}

#[test]
fn a_client_that_goes_away_stops_no_run() {
    let cli = Cli::new();
    let server = Server::start(&cli);
    let story = cli.planned(&[task("task-1", &[]), task("task-2", &["task-1"])]);
    let bearer = server.bearer();
    let path = format!("{STORIES}/{story}/run?wait=600");
    let body = json!({ "all": true }).to_string();
    let mut stream = server.follow(&format!("{STORIES}/{story}/events?since=0"), &[]);
    let gone = server.send("POST", &path, &[("Authorization", &bearer), ("Content-Type", "application/json")], body.as_bytes());
    while stream.event().unwrap().1["kind"] != "runRequested" {}
    drop(gone);
    while stream.event().unwrap().1["kind"] != "runEnded" {}
    assert_eq!(cli.json(&["status", &story]).well()["isComplete"], true);
}

#[test]
fn a_head_that_never_ends_is_cut_and_holds_up_nobody() {
    let cli = Cli::new();
    let server = Server::start(&cli);
    let mut slow: Vec<TcpStream> = (0..50).map(|_| TcpStream::connect(&server.address).unwrap()).collect();
    for stream in &mut slow {
        stream.write_all(b"GET /api/stories HTTP/1.1\r\nHost: ").unwrap();
    }
    let began = Instant::now();
    assert_eq!(server.get(STORIES).status, 200);
    assert!(began.elapsed() < Duration::from_secs(5));
    let stream = &mut slow[0];
    stream.set_read_timeout(Some(Duration::from_secs(60))).unwrap();
    let mut said = vec![];
    let ended = stream.read_to_end(&mut said);
    assert!(ended.is_ok() && began.elapsed() < Duration::from_secs(40), "{ended:?}");
}

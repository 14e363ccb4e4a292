//! The stream: everything once, in order, whoever writes, however slow the reader, across the end of a server.

use super::cli_world::{Cli, task};
use super::server::{STORIES, Server};
use serde_json::Value;
use std::time::{Duration, Instant};

fn log(cli: &Cli) -> Vec<i64> {
    aura::store::Store::open(&cli.path("home")).unwrap().since(None, 0, 1_000_000).unwrap().iter().map(|event| event.seq).collect()
}

#[test]
fn nothing_is_lost_or_doubled_when_the_server_ends_and_comes_again() {
    let cli = Cli::new();
    let mut server = Server::start(&cli);
    let address = server.address.clone();
    let story = cli.planned(&[task("task-1", &[]), task("task-2", &["task-1"]), task("task-3", &["task-2"])]);
    cli.json(&["run", &story, "--all", "--detach"]).well();
    let (mut seen, mut kind) = (vec![], Value::Null);
    while kind != "runEnded" {
        let last = seen.last().copied().unwrap_or(0).to_string();
        let mut stream = server.follow(&format!("{STORIES}/{story}/events?since=0"), &[("Last-Event-ID", &last)]);
        for _ in 0..5 {
            let Some((id, event)) = stream.event() else { break };
            assert_eq!(event["seq"], id);
            seen.push(id);
            kind = event["kind"].clone();
            if kind == "runEnded" {
                break;
            }
        }
        drop(server);
        server = Server::start_at(&cli, &address);
    }
    let all = log(&cli);
    assert_eq!(seen, all[..seen.len()], "every event once, in order");
}

#[test]
fn the_same_as_lines_and_of_all_stories() {
    let cli = Cli::new();
    let server = Server::start(&cli);
    let story = cli.planned(&[task("task-1", &[])]);
    cli.json(&["run", &story, "--all"]).well();
    let printed = cli.run(&["watch", &story, "--json", "--since", "0", "--until-end"]);
    let lines: Vec<Value> = printed.text().lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    for (path, headers) in [
        (format!("{STORIES}/{story}/events?since=0&untilEnd=true&format=jsonl"), vec![]),
        (format!("/api/stories/{story}/events?since=0&untilEnd=true"), vec![("Accept", "application/x-ndjson")]),
    ] {
        let mut stream = server.follow(&path, &headers);
        let got: Vec<Value> = std::iter::from_fn(|| stream.line()).map(|line| serde_json::from_str(&line).unwrap()).collect();
        assert_eq!(got, lines);
    }
    let mut stream = server.follow("/api/events?since=0&untilEnd=true", &[]);
    let ids: Vec<i64> = std::iter::from_fn(|| stream.event()).map(|(id, _)| id).collect();
    assert_eq!(ids, log(&cli)[..ids.len()]);
}

#[test]
fn what_another_process_writes_is_told_at_once_to_whoever_listens() {
    let cli = Cli::new();
    let server = Server::start(&cli);
    let mut streams: Vec<_> = (0..20).map(|_| server.follow("/api/events", &[])).collect();
    for stream in &mut streams {
        assert_eq!(stream.line().as_deref(), Some("retry: 1000"));
    }
    let story = cli.story("Other");
    let written = Instant::now();
    for stream in &mut streams {
        let (_, event) = stream.event().unwrap();
        assert!(event["kind"] == "storyCreated" && event["storyId"] == story.as_str(), "{event}");
    }
    assert!(written.elapsed() < Duration::from_secs(2), "{:?}", written.elapsed());
}

#[test]
fn whoever_has_heard_of_something_is_told_nothing_older() {
    let cli = Cli::new();
    let server = Server::start(&cli);
    let story = cli.planned(&[task("task-1", &[]), task("task-2", &["task-1"]), task("task-3", &["task-2"])]);
    let path = format!("{STORIES}/{story}/orchestrator-status");
    let position = || server.get(&path).well(200)["seq"].as_i64().unwrap();
    position();
    let mut stream = server.follow(&format!("{STORIES}/{story}/events"), &[]);
    assert_eq!(stream.line().as_deref(), Some("retry: 1000"));
    // By another process, and by this server.
    cli.json(&["run", &story, "--detach"]).well();
    let (mut heard, mut kind) = (0, Value::Null);
    while kind != "runEnded" {
        let (seq, event) = stream.event().unwrap();
        (heard, kind) = (heard + 1, event["kind"].clone());
        assert!(position() >= seq, "{event}");
    }
    assert!(heard > 5);
    let run = server.post(&format!("{STORIES}/{story}/run"), &serde_json::json!({ "all": true })).well(202);
    assert!(position() >= run["since"].as_i64().unwrap(), "its own change is seen at once");
    server.ask("POST", &format!("{STORIES}/{story}/run?wait=60"), None).well(200);
    assert_eq!(server.get(&path).well(200)["isComplete"], true);
}

#[test]
fn a_thousand_idle_streams_do_no_harm() {
    let cli = Cli::new();
    let server = Server::start(&cli);
    let before = memory(server.pid());
    let mut streams: Vec<_> = (0..1000).map(|_| server.follow("/api/events", &[])).collect();
    let grown = memory(server.pid()).saturating_sub(before);
    assert!(grown < 64 * 1024, "{grown} KiB for 1000 streams");
    let began = Instant::now();
    assert_eq!(server.get(STORIES).status, 200);
    assert!(began.elapsed() < Duration::from_secs(5), "{:?}", began.elapsed());
    cli.story("One");
    for stream in &mut streams {
        assert_eq!(stream.event().unwrap().1["kind"], "storyCreated");
    }
}

/// Resident memory in KiB; where it is not told, zero.
pub fn memory(pid: u32) -> u64 {
    let status = std::fs::read_to_string(format!("/proc/{pid}/status")).unwrap_or_default();
    let line = status.lines().find(|line| line.starts_with("VmRSS:")).unwrap_or_default();
    line.split_whitespace().nth(1).and_then(|text| text.parse().ok()).unwrap_or(0)
}

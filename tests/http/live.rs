//! What agents do, as it reaches those who watch; and watchers who do not read.

use super::cli_world::{Cli, task};
use super::follow::memory;
use super::server::{STORIES, Server};
use aura::domain::Event;
use aura::store::Store;
use serde_json::json;
use std::net::TcpStream;
use std::time::{Duration, Instant};

/// KiB that ten readers who never read may cost while 50,000 events of 20 MB go by.
const GROWN_MAX: u64 = 48 * 1024;
const EVENTS: usize = 50_000;

#[test]
#[cfg(unix)]
fn what_an_agent_does_is_in_the_stream_while_it_does_it() {
    let cli = Cli::new();
    // It goes on only when its line was heard: so the line was live.
    let go = |n: u32| cli.path(&format!("go-{n}"));
    let wait = |n| format!("until [ -e '{}' ]; do sleep 0.02; done;", go(n).display());
    let script = format!(
        "echo 'runs a tool'; {} echo 'edits a file'; {} echo made > made.txt; echo 'its last words'; {}",
        wait(1),
        wait(2),
        wait(3)
    );
    let settings = format!(
        "agent = \"steps\"\nplanner = \"outline\"\n[agents.steps]\nkind = \"command\"\nprogram = \"sh\"\nargs = [\"-c\", {}]\n",
        json!(script)
    );
    std::fs::write(cli.path("home/config.toml"), settings).unwrap();
    let server = Server::start(&cli);
    let story = cli.planned(&[task("task-1", &[])]);
    cli.json(&["run", &story, "--all", "--detach"]).well();
    let mut stream = server.follow(&format!("{STORIES}/{story}/events?since=0&untilEnd=true"), &[]);
    let mut heard = vec![];
    while let Some((_, event)) = stream.event() {
        if event["kind"] == "attemptActivity" {
            heard.push(event["text"].as_str().unwrap().to_owned());
            assert_eq!(event["task"], "task-1");
            std::fs::write(go(heard.len() as u32), "").unwrap();
        }
    }
    assert_eq!(heard, ["runs a tool", "edits a file", "its last words"]);
}

#[test]
fn a_reader_that_never_reads_costs_little_and_holds_up_nobody() {
    let cli = Cli::new();
    let server = Server::start(&cli);
    let story = cli.story("Busy");
    let (path, bearer) = (format!("{STORIES}/{story}/events"), server.bearer());
    let stalled: Vec<TcpStream> = (0..10).map(|_| server.send("GET", &path, &[("Authorization", &bearer)], b"")).collect();
    let mut reader = server.follow(&path, &[]);
    assert_eq!(reader.line().as_deref(), Some("retry: 1000"));
    let before = memory(server.pid());
    let began = Instant::now();
    let store = Store::open(&cli.path("home")).unwrap();
    let id = store.find(&story).unwrap();
    let writer = std::thread::spawn(move || {
        let notes = vec![Event::Noted { text: "x".repeat(300) }; 500];
        (0..EVENTS / notes.len()).for_each(|_| drop(store.append(id, &notes, jiff::Timestamp::now()).unwrap()));
    });
    let (mut last, mut slowest) = (0, Duration::ZERO);
    for n in 0..EVENTS {
        let (seq, _) = reader.event().unwrap();
        assert!(last == 0 || seq == last + 1, "{seq} after {last}");
        last = seq;
        if n.is_multiple_of(5000) {
            let asked = Instant::now();
            server.get(&format!("{STORIES}/{story}/orchestrator-status")).well(200);
            slowest = slowest.max(asked.elapsed());
        }
    }
    writer.join().unwrap();
    let grown = memory(server.pid()).saturating_sub(before);
    assert!(grown < GROWN_MAX, "{grown} KiB");
    assert!(began.elapsed() < Duration::from_secs(60) && slowest < Duration::from_secs(5), "{:?}, {slowest:?}", began.elapsed());
    drop(stalled);
}

//! The HTTP server under load: statuses per second beside an axum handler that returns a constant of the same size from a process of its
//! own, what a stream costs, and how soon an agent's line is at a reader.

use crate::world::{Job, World};
use crate::{percentile, show};
use aura::domain::{Event, StoryId};
use aura::store::Store;
use serde_json::{Value, json};
use std::io::{BufRead, BufReader};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

const STORIES: usize = 10_000;
const RUNNING: usize = 8;
const STREAMS: usize = 500;
const CONNECTIONS: usize = 32;
const ROUNDS: usize = 3;
const ROUND: Duration = Duration::from_secs(4);
const LINES: usize = 60;
/// The word that makes this program the server of a constant.
pub const CONSTANT: &str = "answer-a-constant-over-http";

pub fn http() {
    let world = World::with_files(20);
    fill(&world);
    let mut story = String::new();
    for _ in 0..RUNNING {
        world.story();
        world.plan(&[Job { after: vec![], ms: 240_000 }, Job { after: vec![0], ms: 0 }]);
        let run = world.call("run_wave", &json!({ "storyId": "latest", "all": true }));
        run["storyId"].as_str().expect("an id").clone_into(&mut story);
    }
    let server = Server::aura(&world);
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().expect("a runtime");
    runtime.block_on(async {
        let idle = server.memory();
        let mut streams = server.streams(STREAMS).await;
        let (one, path) = (server.memory(), format!("/api/stories/{story}/orchestrator-status"));
        let (_, body) = ask(&mut server.connect().await, &server.request(&path)).await;
        let constant = Server::constant(&world, &body);
        println!("{STORIES} stories, {RUNNING} running, {STREAMS} streams open; an answer holds {} bytes", body.len());
        for round in 0..ROUNDS {
            let ours = load(&server, &path).await;
            let theirs = load(&constant, "/constant").await;
            println!(
                "round {}: status {}, constant {}: {:.2} of its rate (target 0.5)",
                round + 1,
                ours.text(),
                theirs.text(),
                ours.rate / theirs.rate
            );
        }
        streams.extend(server.streams(1000 - STREAMS).await);
        if let (Some(idle), Some(one), Some(all)) = (idle, one, server.memory()) {
            println!(
                "memory: {idle} KiB before, {:.1} KiB a stream with {STREAMS}; {all} KiB after the load, with 1000 idle streams",
                (one - idle) as f64 / STREAMS as f64
            );
        }
        let slow = async |path: &str| drop(ask(&mut server.connect().await, &server.request(path)).await);
        let began = Instant::now();
        slow(&path).await;
        println!("a status with 1000 idle streams, on a new connection: {:.1} ms", began.elapsed().as_secs_f64() * 1000.0);
    });
    for id in Store::open(&world.home()).expect("the store").stories(RUNNING).expect("stories").iter().map(|story| story.id) {
        world.call("cancel_run", &json!({ "storyId": id.to_string(), "now": true }));
    }
    live();
}

/// Stories that are only there.
fn fill(world: &World) {
    let store = Store::open(&world.home()).expect("the store");
    let commit = "2bc1c080eea2851a6492a16d0f4153f000000000";
    for n in 0..STORIES {
        let event: Event = serde_json::from_value(json!({
            "kind": "storyCreated", "title": format!("Story {n}"), "description": "", "repository": "/repo", "baseBranch": "main",
            "baseCommit": commit, "baseTree": commit, "branch": format!("aura/{n}"), "root": format!("/repo.aura/{n}"), "agent": null,
            "planner": null, "issueUrl": null
        }))
        .expect("an event");
        store.append(StoryId(uuid::Uuid::now_v7()), &[event], jiff::Timestamp::now()).expect("it is new");
    }
}

struct Server {
    child: Child,
    address: String,
    token: String,
}

impl Server {
    fn aura(world: &World) -> Server {
        Server::start(world.command(&["serve", "--listen", "127.0.0.1:0"]), world)
    }

    fn constant(world: &World, body: &[u8]) -> Server {
        let file = world.folder.path().join("constant-body.json");
        std::fs::write(&file, body).expect("a file");
        let mut command = Command::new(std::env::current_exe().expect("this program"));
        command.arg(CONSTANT).arg(file);
        Server::start(command, world)
    }

    fn start(mut command: Command, world: &World) -> Server {
        let mut child = command.stdin(Stdio::null()).stderr(Stdio::piped()).spawn().expect("it starts");
        let mut err = BufReader::new(child.stderr.take().expect("piped"));
        let mut line = String::new();
        err.read_line(&mut line).expect("its address");
        let address = line.trim().strip_prefix("Aura: http://").expect("its address").to_owned();
        std::thread::spawn(move || std::io::copy(&mut err, &mut std::io::sink()));
        let token = std::fs::read_to_string(world.home().join("http-token")).unwrap_or_default();
        Server { child, address, token }
    }

    fn request(&self, path: &str) -> String {
        format!("GET {path} HTTP/1.1\r\nHost: {}\r\nAuthorization: Bearer {}\r\n\r\n", self.address, self.token)
    }

    async fn connect(&self) -> TcpStream {
        let stream = TcpStream::connect(&self.address).await.expect("it listens");
        stream.set_nodelay(true).expect("an option");
        stream
    }

    /// Streams of events whose heads have come.
    async fn streams(&self, count: usize) -> Vec<TcpStream> {
        let mut streams = vec![];
        for _ in 0..count {
            let mut stream = self.connect().await;
            stream.write_all(self.request("/api/events").as_bytes()).await.expect("it reads");
            let mut head = [0; 16];
            stream.read_exact(&mut head).await.expect("it answers");
            assert!(head.starts_with(b"HTTP/1.1 200"), "a stream is refused");
            streams.push(stream);
        }
        streams
    }

    /// KiB in memory; only Linux says.
    fn memory(&self) -> Option<i64> {
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.child.id())).ok()?;
        status.lines().find_map(|line| line.strip_prefix("VmRSS:"))?.split_ascii_whitespace().next()?.parse().ok()
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// One request on a connection that stays: its time, and the body.
async fn ask(stream: &mut TcpStream, request: &str) -> (Duration, Vec<u8>) {
    let began = Instant::now();
    stream.write_all(request.as_bytes()).await.expect("it reads");
    let mut bytes = Vec::with_capacity(16 * 1024);
    loop {
        stream.read_buf(&mut bytes).await.expect("it answers");
        let Some(head) = bytes.windows(4).position(|four| four == b"\r\n\r\n") else { continue };
        let text = std::str::from_utf8(&bytes[..head]).expect("a head").to_ascii_lowercase();
        assert!(text.starts_with("http/1.1 200"), "{text}");
        let length = text.lines().find_map(|line| line.strip_prefix("content-length:")).expect("a length");
        let length: usize = length.trim().parse().expect("a number");
        if bytes.len() >= head + 4 + length {
            return (began.elapsed(), bytes.split_off(head + 4));
        }
    }
}

struct Load {
    rate: f64,
    times: Vec<Duration>,
}

impl Load {
    fn text(&self) -> String {
        let ms = |p| percentile(&self.times, p).as_secs_f64() * 1000.0;
        format!("{:.0}/s (p50 {:.2} ms, p99 {:.2} ms)", self.rate, ms(0.5), ms(0.99))
    }
}

/// As many requests as connections that stay can make.
async fn load(server: &Server, path: &str) -> Load {
    let request = server.request(path);
    let began = Instant::now();
    let mut clients = vec![];
    for _ in 0..CONNECTIONS {
        let (mut stream, request) = (server.connect().await, request.clone());
        clients.push(tokio::spawn(async move {
            let mut times = vec![];
            while began.elapsed() < ROUND {
                times.push(ask(&mut stream, &request).await.0);
            }
            times
        }));
    }
    let mut times = vec![];
    for client in clients {
        times.extend(client.await.expect("a client"));
    }
    Load { rate: times.len() as f64 / began.elapsed().as_secs_f64(), times }
}

/// From the moment an agent prints a line to the moment that a reader of the stream has it.
fn live() {
    let world = World::with_files(20);
    let script = format!("for i in $(seq {LINES}); do echo \"at $(date +%s%N)\"; sleep 0.5; done; echo made > made.txt; echo done");
    let settings = format!(
        "agent = \"lines\"\nplanner = \"outline\"\n[agents.lines]\nkind = \"command\"\nprogram = \"sh\"\nargs = [\"-c\", {}]\n",
        json!(script)
    );
    std::fs::write(world.repo.join("aura.toml"), settings).expect("a file");
    world.story();
    world.plan(&[Job { after: vec![], ms: 0 }]);
    let server = Server::aura(&world);
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
    let mut times = vec![];
    runtime.block_on(async {
        let mut stream = server.connect().await;
        let path = "/api/stories/latest/events?format=jsonl&since=0";
        stream.write_all(server.request(path).as_bytes()).await.expect("it reads");
        world.call("run_wave", &json!({ "storyId": "latest", "all": true }));
        let mut bytes = vec![];
        while !bytes.windows(8).any(|part| part == b"runEnded") {
            stream.read_buf(&mut bytes).await.expect("it goes on");
            let now = SystemTime::now().duration_since(UNIX_EPOCH).expect("a time");
            let Some(end) = bytes.iter().rposition(|byte| *byte == b'\n') else { continue };
            let whole = String::from_utf8_lossy(&bytes[..end]).into_owned();
            let events = whole.lines().filter_map(|line| serde_json::from_str::<Value>(line).ok());
            for event in events.filter(|event| event["kind"] == "attemptActivity") {
                let printed =
                    event["text"].as_str().and_then(|text| text.strip_prefix("at ")?.trim().parse().ok()).map(Duration::from_nanos);
                times.extend(printed.map(|printed| now.saturating_sub(printed)));
            }
            if !whole.contains("runEnded") {
                bytes.drain(..=end);
            }
        }
    });
    show(&format!("an agent's line to a reader of the stream ({} of {LINES} lines; target p99 100 ms)", times.len()), &times);
}

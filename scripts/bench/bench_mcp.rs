//! The MCP server beside the least that can be had: a server on the same crate that answers a constant of the same size,
//! and servers of one trivial tool on the Python and TypeScript libraries. All on stdio, asked by one plain client.

use crate::world::{World, chain};
use crate::{percentile, ratio, show};
use rmcp::model::{
    CallToolRequestParams, CallToolResponse, CallToolResult, ErrorData, ListToolsResult, PaginatedRequestParams, ServerCapabilities,
    ServerConfig, Tool,
};
use rmcp::service::RequestContext;
use rmcp::{RoleServer, ServerHandler, ServiceExt};
use serde_json::{Value, json};
use std::io::{BufRead, BufReader, Write};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};
use std::sync::Arc;
use std::time::{Duration, Instant};

const STORIES: usize = 1000;
const CALLS: usize = 2000;
const STARTS: usize = 40;
/// What the others are, pinned.
const FASTMCP: &str = "fastmcp==4.1.2";
const TYPESCRIPT: &str = "@modelcontextprotocol/sdk@1.32.2";
/// The word that makes this program the server of a constant.
pub const CONSTANT: &str = "answer-a-constant";

/// Start, calls and memory.
pub fn mcp() {
    let world = World::with_files(20);
    let aura = || world.command(&["mcp"]);
    fill(&world, aura());
    let (mut server, _) = Server::start(aura());
    let status = json!({ "storyId": "latest" });
    let answer = server.call("get_orchestrator_status", &status);
    let constant_file = world.folder.path().join("constant.json");
    std::fs::write(&constant_file, answer["result"].to_string()).expect("a file");
    let constant = || {
        let mut command = Command::new(std::env::current_exe().expect("this program"));
        command.arg(CONSTANT).arg(&constant_file);
        command
    };
    let others = [("Python, FastMCP", python()), ("TypeScript SDK", typescript())];
    println!("an answer holds {} bytes; {STORIES} stories", answer["result"].to_string().len());

    starts(&[("aura mcp", &aura), ("constant, same crate", &constant)], STARTS);
    for (name, command) in &others {
        if let Some(command) = command {
            starts(&[("aura mcp", &aura), (name, command)], 5);
        }
    }

    let (mut plain, _) = Server::start(constant());
    let idle = (server.memory(), plain.memory());
    // Read once more: the same bytes, or the comparison means nothing.
    assert_eq!(plain.call("constant", &json!({}))["result"], answer["result"], "the constant is not the answer");
    let (ours, theirs) =
        crate::in_turn(CALLS, || drop(server.call("get_orchestrator_status", &status)), || drop(plain.call("constant", &json!({}))));
    show_calls("get_orchestrator_status", &ours);
    show_calls("constant of the same size, same crate", &theirs);
    let p99 = percentile(&ours, 0.99).as_secs_f64() / percentile(&theirs, 0.99).as_secs_f64();
    println!("ratio of medians: {:.2} (target 2), of p99: {p99:.2}", ratio(&ours, &theirs));
    memory("aura mcp", idle.0, server.memory());
    memory("constant, same crate", idle.1, plain.memory());
    for (name, command) in &others {
        let Some(command) = command else { continue };
        let (mut server, _) = Server::start(command());
        let idle = server.memory();
        let times: Vec<Duration> = (0..CALLS / 4).map(|_| timed(|| drop(server.call("constant", &json!({}))))).collect();
        show_calls(&format!("one trivial tool, {name}"), &times);
        memory(name, idle, server.memory());
    }
}

/// Makes the stories through the server, and gives the newest a plan of twenty tasks.
fn fill(world: &World, command: Command) {
    let (mut server, _) = Server::start(command);
    for n in 0..STORIES {
        let args = json!({ "title": format!("Story {n}"), "repositoryPath": world.repo_text(), "base": "main" });
        let answer = server.call("create_story", &args);
        assert_ne!(answer["result"]["isError"], true, "{answer}");
    }
    drop(server);
    world.plan(&chain(20, 1, 0));
}

/// From the start of a program to its answer to `initialize`, in turn.
fn starts(servers: &[(&str, &dyn Fn() -> Command); 2], rounds: usize) {
    let start = |at: usize| {
        let (server, time) = Server::start(servers[at].1());
        drop(server);
        time
    };
    let _ = (start(0), start(1));
    let (ours, theirs): (Vec<_>, Vec<_>) = (0..rounds).map(|_| (start(0), start(1))).unzip();
    show(&format!("start to the answer to initialize, {}", servers[0].0), &ours);
    show(&format!("start to the answer to initialize, {}", servers[1].0), &theirs);
    println!("ratio of medians: {:.2}", ratio(&ours, &theirs));
}

fn timed(work: impl FnOnce()) -> Duration {
    let began = Instant::now();
    work();
    began.elapsed()
}

fn show_calls(what: &str, times: &[Duration]) {
    let us = |p| percentile(times, p).as_secs_f64() * 1_000_000.0;
    println!("{what}: p50 {:.0} µs, p90 {:.0} µs, p99 {:.0} µs, n {}", us(0.5), us(0.9), us(0.99), times.len());
}

fn memory(what: &str, idle: Option<u64>, after: Option<u64>) {
    let shown = |kilobytes: Option<u64>| kilobytes.map_or("?".into(), |kilobytes| format!("{:.1} MB", kilobytes as f64 / 1024.0));
    println!("memory of {what}: {} before the calls, {} after", shown(idle), shown(after));
}

/// A running server and the plainest client: one line there, one line back.
struct Server {
    child: Child,
    to: ChildStdin,
    from: BufReader<ChildStdout>,
    id: u64,
}

impl Server {
    fn start(mut command: Command) -> (Server, Duration) {
        let began = Instant::now();
        let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::null()).spawn().expect("it starts");
        let (to, from) = (child.stdin.take().expect("piped"), BufReader::new(child.stdout.take().expect("piped")));
        let mut server = Server { child, to, from, id: 0 };
        let client = json!({ "name": "bench", "version": "1" });
        server.ask("initialize", &json!({ "protocolVersion": "2025-06-18", "capabilities": {}, "clientInfo": client }));
        let time = began.elapsed();
        server.send(&json!({ "jsonrpc": "2.0", "method": "notifications/initialized" }));
        (server, time)
    }

    fn send(&mut self, message: &Value) {
        writeln!(self.to, "{message}").and_then(|()| self.to.flush()).expect("it reads");
    }

    fn ask(&mut self, method: &str, params: &Value) -> Value {
        self.id += 1;
        self.send(&json!({ "jsonrpc": "2.0", "id": self.id, "method": method, "params": params }));
        let mut line = String::new();
        loop {
            line.clear();
            assert_ne!(self.from.read_line(&mut line).expect("it writes"), 0, "the server has ended");
            let answer: Value = serde_json::from_str(&line).expect("JSON");
            if answer["id"] == self.id {
                return answer;
            }
        }
    }

    fn call(&mut self, tool: &str, args: &Value) -> Value {
        self.ask("tools/call", &json!({ "name": tool, "arguments": args }))
    }

    /// Kilobytes in memory; only Linux says.
    fn memory(&self) -> Option<u64> {
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.child.id())).ok()?;
        let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"))?;
        line.split_ascii_whitespace().next()?.parse().ok()
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

type Start = Box<dyn Fn() -> Command>;

/// FastMCP in an environment of its own, or nothing and a word why.
fn python() -> Option<Start> {
    let folder = installed("python");
    let program = folder.join(if cfg!(windows) { "Scripts/python.exe" } else { "bin/python" });
    let is_there = || Command::new(&program).args(["-c", "import fastmcp"]).output().is_ok_and(|output| output.status.success());
    if !is_there() {
        let made = Command::new("python3").args(["-m", "venv", "--clear"]).arg(&folder).output();
        let pip = made.and_then(|_| Command::new(&program).args(["-m", "pip", "install", "--quiet", FASTMCP]).output());
        if !is_there() {
            println!("NOT MEASURED: {FASTMCP} cannot be installed: {}", why(pip));
            return None;
        }
    }
    Some(Box::new(move || {
        let mut command = Command::new(&program);
        command.arg(script("server.py")).env("FASTMCP_CHECK_FOR_UPDATES", "off");
        command
    }))
}

/// The TypeScript SDK, or nothing and a word why.
fn typescript() -> Option<Start> {
    let folder = installed("node");
    let there = folder.join("node_modules/@modelcontextprotocol/sdk/package.json");
    if !there.is_file() {
        let mut npm = Command::new("npm");
        npm.args(["install", "--no-save", "--ignore-scripts", "--no-audit", "--no-fund", "--prefix"]);
        let npm = npm.arg(&folder).arg(TYPESCRIPT).output();
        if !there.is_file() {
            println!("NOT MEASURED: {TYPESCRIPT} cannot be installed: {}", why(npm));
            return None;
        }
    }
    // Beside its packages: that is where Node looks.
    let server = folder.join("server.mjs");
    std::fs::copy(script("server.mjs"), &server).expect("a file");
    Some(Box::new(move || {
        let mut command = Command::new("node");
        command.arg(&server);
        command
    }))
}

fn installed(name: &str) -> PathBuf {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join(".agents/bench").join(name);
    std::fs::create_dir_all(&folder).expect("a folder");
    folder
}

fn script(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("scripts/bench/mcp").join(name)
}

fn why(output: std::io::Result<std::process::Output>) -> String {
    output.map_or_else(|error| error.to_string(), |output| String::from_utf8_lossy(&output.stderr).trim().to_owned())
}

/// Answers every call with what the file holds.
#[derive(Clone)]
struct Constant(Arc<CallToolResult>);

impl ServerHandler for Constant {
    fn get_info(&self) -> ServerConfig {
        ServerConfig::new(ServerCapabilities::builder().enable_tools().build())
    }
    async fn list_tools(&self, _: Option<PaginatedRequestParams>, _: RequestContext<RoleServer>) -> Result<ListToolsResult, ErrorData> {
        Ok(ListToolsResult::with_all_items(vec![Tool::new("constant", "Answer a constant.", serde_json::Map::new())]))
    }
    async fn call_tool(&self, _: CallToolRequestParams, _: RequestContext<RoleServer>) -> Result<CallToolResponse, ErrorData> {
        Ok(CallToolResult::clone(&self.0).into())
    }
}

/// The other side of this program: the server of a constant, until its input ends.
pub fn answer_a_constant(file: &str) {
    let text = std::fs::read_to_string(file).expect("the answer");
    let constant = Constant(Arc::new(serde_json::from_str(&text).expect("an answer")));
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
    runtime.block_on(async {
        if let Ok(service) = constant.serve(rmcp::transport::io::stdio_pipes()).await {
            let _ = service.waiting().await;
        }
    });
}

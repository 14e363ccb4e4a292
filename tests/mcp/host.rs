//! A host made of lines: writes JSON-RPC to the server's stdin and reads what comes back, without any library between.

use super::cli_world::Cli;
use serde_json::{Value, json};
use std::io::{BufRead, BufReader, Write};
use std::path::Path;
use std::process::{Child, ChildStdin, Stdio};
use std::sync::mpsc::{Receiver, channel};
use std::time::{Duration, Instant};

/// Far longer than anything here takes; a test that reaches it has failed.
pub const PATIENCE: Duration = Duration::from_secs(90);
pub const MODERN: &str = "2026-07-28";
pub const LEGACY: &str = "2025-11-25";

pub struct Host {
    pub child: Child,
    stdin: Option<ChildStdin>,
    lines: Receiver<String>,
    /// What came that was not yet asked for.
    seen: Vec<Value>,
    last_id: i64,
    version: String,
    name: String,
}

impl Host {
    /// A server and nothing said yet.
    pub fn start(cli: &Cli, args: &[&str], env: &[(&str, &str)]) -> Host {
        Host::start_in(cli, &cli.repo(), args, env)
    }

    pub fn start_in(cli: &Cli, folder: &Path, args: &[&str], env: &[(&str, &str)]) -> Host {
        let mut command = cli.aura(&["mcp"]);
        command.current_dir(folder).args(args).envs(env.iter().copied());
        let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
        let (tell, lines) = channel();
        let out = BufReader::new(child.stdout.take().unwrap());
        std::thread::spawn(move || {
            for line in out.split(b'\n') {
                let Ok(line) = line else { return };
                if tell.send(String::from_utf8(line).expect("stdout is not UTF-8")).is_err() {
                    return;
                }
            }
        });
        // Nobody may be held up by what the server logs.
        let mut err = child.stderr.take().unwrap();
        std::thread::spawn(move || std::io::copy(&mut err, &mut std::io::sink()));
        let stdin = child.stdin.take();
        Host { child, stdin, lines, seen: vec![], last_id: 0, version: MODERN.into(), name: "tests".into() }
    }

    /// A server in a session of a version, with the name of a client.
    pub fn new(cli: &Cli, version: &str, name: &str) -> Host {
        Host::with(cli, version, name, &[], &[])
    }

    pub fn with(cli: &Cli, version: &str, name: &str, args: &[&str], env: &[(&str, &str)]) -> Host {
        let mut host = Host::start(cli, args, env);
        host.begin_session(version, name);
        host
    }

    pub fn begin_session(&mut self, version: &str, name: &str) {
        let host = self;
        host.version = version.into();
        host.name = name.into();
        if host.is_modern() {
            let found = host.ask("server/discover", json!({}));
            assert!(found["supportedVersions"].as_array().unwrap().contains(&json!(version)), "{found}");
        } else {
            let me = json!({ "name": name, "version": "1" });
            let begun = host.ask("initialize", json!({ "protocolVersion": version, "capabilities": {}, "clientInfo": me }));
            assert_eq!(begun["protocolVersion"], version, "{begun}");
            host.notify("notifications/initialized", json!({}));
        }
    }

    pub fn is_modern(&self) -> bool {
        self.version.as_str() >= MODERN
    }

    pub fn write(&mut self, line: &[u8]) {
        let stdin = self.stdin.as_mut().unwrap();
        stdin.write_all(line).and_then(|()| stdin.write_all(b"\n")).and_then(|()| stdin.flush()).unwrap();
    }

    fn meta(&self, params: &mut Value) {
        if self.is_modern() {
            params["_meta"]["io.modelcontextprotocol/protocolVersion"] = json!(self.version);
            params["_meta"]["io.modelcontextprotocol/clientInfo"] = json!({ "name": self.name, "version": "1" });
            params["_meta"]["io.modelcontextprotocol/clientCapabilities"] = json!({});
        }
    }

    pub fn notify(&mut self, method: &str, mut params: Value) {
        self.meta(&mut params);
        self.write(json!({ "jsonrpc": "2.0", "method": method, "params": params }).to_string().as_bytes());
    }

    /// Asks and does not wait; the id.
    pub fn begin(&mut self, method: &str, mut params: Value) -> i64 {
        self.last_id += 1;
        self.meta(&mut params);
        self.write(json!({ "jsonrpc": "2.0", "id": self.last_id, "method": method, "params": params }).to_string().as_bytes());
        self.last_id
    }

    /// The next message that is wanted; the others are kept.
    #[track_caller]
    pub fn find(&mut self, what: &str, wanted: impl Fn(&Value) -> bool) -> Value {
        let deadline = Instant::now() + PATIENCE;
        loop {
            if let Some(at) = self.seen.iter().position(&wanted) {
                return self.seen.remove(at);
            }
            let line = self.lines.recv_timeout(deadline.saturating_duration_since(Instant::now()));
            let line = line.unwrap_or_else(|e| panic!("{what} did not come ({e}); there was {:?}", self.seen));
            let message: Value = serde_json::from_str(&line).unwrap_or_else(|e| panic!("stdout holds no protocol: {e}: {line:?}"));
            assert_eq!(message["jsonrpc"], "2.0", "{line}");
            self.seen.push(message);
        }
    }

    /// The whole answer to a request.
    #[track_caller]
    pub fn answer(&mut self, id: i64) -> Value {
        self.find(&format!("the answer to {id}"), |message| message["id"] == id && message["method"].is_null())
    }

    #[track_caller]
    pub fn ask(&mut self, method: &str, params: Value) -> Value {
        let id = self.begin(method, params);
        let answer = self.answer(id);
        assert!(answer["error"].is_null(), "{method}: {answer}");
        answer["result"].clone()
    }

    /// The error that a request has to be answered with.
    #[track_caller]
    pub fn refused(&mut self, method: &str, params: Value) -> Value {
        let id = self.begin(method, params);
        let answer = self.answer(id);
        assert!(answer["result"].is_null(), "{method}: {answer}");
        answer["error"].clone()
    }

    pub fn begin_call(&mut self, tool: &str, args: Value) -> i64 {
        self.begin("tools/call", json!({ "name": tool, "arguments": args }))
    }

    /// What a call answered, good or bad: text and structure have to be the same.
    #[track_caller]
    pub fn called(&mut self, id: i64) -> (bool, Value) {
        let answer = self.answer(id);
        let result = &answer["result"];
        assert!(result.is_object(), "{answer}");
        let content = result["content"].as_array().unwrap();
        assert_eq!(content.len(), 1, "{answer}");
        let text: Value = serde_json::from_str(content[0]["text"].as_str().unwrap()).unwrap();
        assert_eq!(text, result["structuredContent"], "what is shown and what is structured differ");
        (result["isError"].as_bool().unwrap(), text)
    }

    /// A good answer.
    #[track_caller]
    pub fn call(&mut self, tool: &str, args: Value) -> Value {
        let id = self.begin_call(tool, args);
        let (is_error, value) = self.called(id);
        assert!(!is_error, "{tool}: {value}");
        value
    }

    /// A refusal: the same problem as at every other door.
    #[track_caller]
    pub fn problem(&mut self, tool: &str, args: Value, code: &str) -> Value {
        let id = self.begin_call(tool, args);
        let (is_error, value) = self.called(id);
        assert!(is_error, "{tool}: {value}");
        assert_eq!(
            (value["code"].as_str(), value["type"].as_str()),
            (Some(code), Some(format!("urn:aura:problem:{code}").as_str())),
            "{value}"
        );
        value
    }

    /// Waits, call by call, until nothing runs.
    #[track_caller]
    pub fn wait_for_end(&mut self, story: &str) -> Value {
        let mut since = Value::Null;
        loop {
            let told = self.call("wait_for_wave", json!({ "storyId": story, "since": since, "waitSeconds": 20 }));
            since = told["seq"].clone();
            if told["isRunning"] == false {
                return told;
            }
        }
    }

    pub fn close_input(&mut self) {
        self.stdin = None;
    }

    /// The exit code, once the input has ended; and how long it took.
    #[track_caller]
    pub fn end(mut self) -> (Option<i32>, Duration) {
        self.close_input();
        let began = Instant::now();
        // The end of stdout is the end of the server.
        while let Ok(line) = self.lines.recv_timeout(PATIENCE) {
            serde_json::from_str::<Value>(&line).unwrap();
        }
        let status = self.child.wait().unwrap();
        (status.code(), began.elapsed())
    }
}

impl Drop for Host {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

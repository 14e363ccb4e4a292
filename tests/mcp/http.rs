//! The same over HTTP: who may ask, and that the answers are the same.

use super::cli_world::{Cli, task};
use serde_json::{Value, json};
use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::process::{Child, Stdio};

struct Server {
    child: Child,
    address: String,
    token: String,
}

impl Server {
    fn start(cli: &Cli, args: &[&str]) -> Server {
        let mut command = cli.aura(&["mcp", "--http"]);
        let mut child = command.args(args).stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
        let mut line = String::new();
        let mut err = BufReader::new(child.stderr.take().unwrap());
        err.read_line(&mut line).unwrap();
        let url = line.trim().strip_prefix("MCP: http://").unwrap_or_else(|| panic!("{line:?}"));
        let address = url.strip_suffix("/mcp").unwrap().to_owned();
        std::thread::spawn(move || std::io::copy(&mut err, &mut std::io::sink()));
        let token = std::fs::read_to_string(cli.path("home/mcp-token")).unwrap_or_default();
        Server { child, address, token }
    }

    /// Status, headers and the messages of the body.
    fn post(&self, headers: &[(&str, &str)], body: &str) -> (u16, String, Vec<Value>) {
        let mut stream = TcpStream::connect(&self.address).unwrap();
        let mut head = format!(
            "POST /mcp HTTP/1.1\r\nConnection: close\r\nContent-Type: application/json\r\nAccept: application/json, text/event-stream\r\nContent-Length: {}\r\n",
            body.len()
        );
        if !headers.iter().any(|(name, _)| *name == "Host") {
            head += &format!("Host: {}\r\n", self.address);
        }
        for (name, value) in headers {
            head += &format!("{name}: {value}\r\n");
        }
        // A server that has seen enough closes its end.
        let _ = stream.write_all(format!("{head}\r\n").as_bytes()).and_then(|()| stream.write_all(body.as_bytes()));
        let mut bytes = vec![];
        let _ = stream.read_to_end(&mut bytes);
        let text = String::from_utf8_lossy(&bytes).into_owned();
        let (head, body) = text.split_once("\r\n\r\n").unwrap_or((&text, ""));
        let status = head.split(' ').nth(1).and_then(|code| code.parse().ok()).unwrap_or(0);
        let data = body.lines().filter_map(|line| line.strip_prefix("data: ").or(line.starts_with('{').then_some(line)));
        (status, head.to_owned(), data.filter_map(|line| serde_json::from_str(line).ok()).collect())
    }

    fn bearer(&self) -> String {
        format!("Bearer {}", self.token)
    }

    fn ask(&self, session: Option<&str>, message: &Value) -> Value {
        let bearer = self.bearer();
        let mut headers = vec![("Authorization", bearer.as_str())];
        headers.extend(session.map(|session| ("Mcp-Session-Id", session)));
        let (status, head, messages) = self.post(&headers, &message.to_string());
        assert!((200..300).contains(&status), "{head}");
        messages.into_iter().find(|found| found["id"] == message["id"]).unwrap_or_default()
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn initialize() -> Value {
    let params = json!({ "protocolVersion": "2025-06-18", "capabilities": {}, "clientInfo": { "name": "t", "version": "1" } });
    json!({ "jsonrpc": "2.0", "id": 1, "method": "initialize", "params": params })
}

#[test]
fn only_who_holds_the_token_and_is_no_page_in_a_browser_may_ask() {
    let cli = Cli::new();
    let server = Server::start(&cli, &[]);
    assert!(server.address.starts_with("127.0.0.1:") && server.token.len() >= 64, "{}", server.address);
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt;
        assert_eq!(std::fs::metadata(cli.path("home/mcp-token")).unwrap().permissions().mode() & 0o777, 0o600);
    }
    let (body, bearer) = (initialize().to_string(), server.bearer());
    let wrong = format!("Bearer {}", "0".repeat(64));
    for headers in [&[][..], &[("Authorization", "Bearer ")], &[("Authorization", &wrong)], &[("Authorization", server.token.as_str())]] {
        let (status, head, _) = server.post(headers, &body);
        assert_eq!(status, 401, "{headers:?}");
        assert!(head.to_ascii_lowercase().contains("www-authenticate: bearer"), "{head}");
    }
    for (name, value) in [("Origin", "http://evil.example"), ("Origin", "null"), ("Host", "evil.example"), ("Host", "evil.example:80")] {
        let (status, head, _) = server.post(&[("Authorization", bearer.as_str()), (name, value)], &body);
        assert_eq!(status, 403, "{name} {value}: {head}");
    }
    let big = "x".repeat(5 * 1024 * 1024);
    let (status, _, _) =
        server.post(&[("Authorization", bearer.as_str())], &json!({ "jsonrpc": "2.0", "id": 1, "method": big }).to_string());
    assert!(status == 413 || status == 0, "{status}");
    assert_eq!(server.post(&[("Authorization", bearer.as_str())], &body).0, 200);
}

#[test]
fn a_story_over_http_and_one_token_for_all_servers() {
    let cli = Cli::new();
    let server = Server::start(&cli, &["127.0.0.1:0"]);
    let bearer = server.bearer();
    let (status, head, begun) = server.post(&[("Authorization", bearer.as_str())], &initialize().to_string());
    assert!(status == 200 && begun.iter().any(|message| message["result"]["serverInfo"]["name"] == "aura"), "{head}");
    let session = head.lines().find_map(|line| line.to_ascii_lowercase().strip_prefix("mcp-session-id: ").map(str::to_owned)).unwrap();
    server.ask(Some(&session), &json!({ "jsonrpc": "2.0", "method": "notifications/initialized" }));
    let call = |id: i64, tool: &str, args: Value| {
        let message = json!({ "jsonrpc": "2.0", "id": id, "method": "tools/call", "params": { "name": tool, "arguments": args } });
        server.ask(Some(&session), &message)["result"]["structuredContent"].clone()
    };
    let story = call(2, "create_story", json!({ "title": "One", "repositoryPath": cli.repo() }))["shortId"].clone();
    call(3, "decompose_story", json!({ "storyId": story, "tasks": [task("task-1", &[])] }));
    call(4, "run_wave", json!({ "storyId": story }));
    assert_eq!(call(5, "wait_for_wave", json!({ "storyId": story, "untilEnd": true }))["outcome"], "finished");
    assert_eq!(call(6, "get_story", json!({ "storyId": "00000000" }))["code"], "not_found");
    // The newer era has no sessions.
    let meta = json!({ "io.modelcontextprotocol/protocolVersion": "2026-07-28", "io.modelcontextprotocol/clientInfo": { "name": "t", "version": "1" }, "io.modelcontextprotocol/clientCapabilities": {} });
    let message =
        json!({ "jsonrpc": "2.0", "id": 7, "method": "tools/call", "params": { "name": "list_stories", "arguments": {}, "_meta": meta } });
    let headers = [
        ("Authorization", bearer.as_str()),
        ("MCP-Protocol-Version", "2026-07-28"),
        ("Mcp-Method", "tools/call"),
        ("Mcp-Name", "list_stories"),
    ];
    let (status, head, messages) = server.post(&headers, &message.to_string());
    assert!(status == 200 && messages.iter().any(|message| message["result"]["structuredContent"]["count"] == 1), "{head} {messages:?}");
    let other = Server::start(&cli, &[]);
    assert_eq!(other.token, server.token);
}

#[test]
fn what_would_let_others_in_is_refused() {
    let cli = Cli::new();
    for (args, word) in [
        (&["--http", "0.0.0.0:0"][..], "cannot be known"),
        (&["--http", "nonsense"], "127.0.0.1:0"),
        (&["--http", "192.0.2.1:0", "--no-token"], "only this machine"),
    ] {
        let said = cli.run(&[&["mcp"][..], args].concat());
        assert!(said.code == 2 && said.stderr.contains(word), "{args:?}: {}", said.stderr);
    }
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt;
        let path = cli.path("home/mcp-token");
        std::fs::write(&path, "0".repeat(64)).unwrap();
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o644)).unwrap();
        let said = cli.run(&["mcp", "--http"]);
        assert!(said.code == 6 && said.stderr.contains("others can read it"), "{}", said.stderr);
    }
}

//! A running server and a client that says exactly what it is told to say.

use super::cli_world::Cli;
use serde_json::Value;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::process::{Child, Stdio};
use std::time::Duration;

/// Longest that a test waits for bytes.
const PATIENCE: Duration = Duration::from_secs(60);
pub const STORIES: &str = "/api/developer/stories";

pub struct Server {
    child: Child,
    pub address: String,
    pub link: String,
    pub token: String,
}

/// An answer.
#[derive(Debug)]
pub struct Reply {
    pub status: u16,
    pub head: String,
    pub body: Vec<u8>,
}

impl Reply {
    pub fn header(&self, name: &str) -> Option<&str> {
        let lines = self.head.lines().filter_map(|line| line.split_once(':'));
        lines.filter(|(found, _)| found.eq_ignore_ascii_case(name)).map(|(_, value)| value.trim()).next()
    }
    #[track_caller]
    pub fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap_or_else(|e| panic!("{e}: {}\n{}", self.head, String::from_utf8_lossy(&self.body)))
    }
    /// A good answer.
    #[track_caller]
    pub fn well(&self, status: u16) -> Value {
        assert_eq!(self.status, status, "{}\n{}", self.head, String::from_utf8_lossy(&self.body));
        assert_eq!(self.header("content-type"), Some("application/json"));
        self.json()
    }
    /// A refusal: one problem, whose status is that of the answer.
    #[track_caller]
    pub fn refused(&self, code: &str) -> Value {
        let problem = self.json();
        assert_eq!(self.header("content-type"), Some("application/problem+json"), "{}", self.head);
        assert_eq!(problem["code"], code, "{problem}");
        assert_eq!(problem["status"], self.status, "{problem}");
        problem
    }
}

impl Server {
    pub fn start(cli: &Cli) -> Server {
        Server::start_at(cli, "127.0.0.1:0")
    }

    pub fn start_at(cli: &Cli, address: &str) -> Server {
        let mut command = cli.aura(&["serve", "--listen", address]);
        let mut child = command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::piped()).spawn().unwrap();
        let mut err = BufReader::new(child.stderr.take().unwrap());
        let mut said = |start: &str| {
            let mut line = String::new();
            err.read_line(&mut line).unwrap();
            line.trim().strip_prefix(start).unwrap_or_else(|| panic!("{line:?}")).to_owned()
        };
        let (address, link) = (said("Aura: http://"), said("Board, opens once: "));
        std::thread::spawn(move || std::io::copy(&mut err, &mut std::io::stderr()));
        let token = std::fs::read_to_string(cli.path("home/http-token")).unwrap();
        Server { child, address, link, token }
    }

    /// What a server that a script starts says of itself.
    pub fn announced(cli: &Cli) -> Value {
        let mut command = cli.aura(&["serve", "--listen", "127.0.0.1:0", "--json"]);
        let mut child = command.stdin(Stdio::null()).stdout(Stdio::piped()).spawn().unwrap();
        let stdout = child.stdout.take().unwrap();
        let document = serde_json::Deserializer::from_reader(BufReader::new(stdout)).into_iter::<Value>().next().unwrap().unwrap();
        let _ = child.kill();
        let _ = child.wait();
        document
    }

    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    pub fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    pub fn bearer(&self) -> String {
        format!("Bearer {}", self.token)
    }

    /// Sends a head and a body as they are.
    pub fn send(&self, method: &str, path: &str, headers: &[(&str, &str)], body: &[u8]) -> TcpStream {
        let mut stream = TcpStream::connect(&self.address).unwrap();
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
        let mut head = format!("{method} {path} HTTP/1.1\r\n");
        if !headers.iter().any(|(name, _)| *name == "Host") {
            head += &format!("Host: {}\r\n", self.address);
        }
        if !body.is_empty() {
            head += &format!("Content-Length: {}\r\n", body.len());
        }
        for (name, value) in headers {
            head += &format!("{name}: {value}\r\n");
        }
        // A server that has seen enough closes its end.
        let _ = stream.write_all(format!("{head}\r\n").as_bytes()).and_then(|()| stream.write_all(body));
        stream
    }

    pub fn raw(&self, method: &str, path: &str, headers: &[(&str, &str)], body: &[u8]) -> Reply {
        let mut all = headers.to_vec();
        all.push(("Connection", "close"));
        let mut stream = self.send(method, path, &all, body);
        let mut bytes = vec![];
        let _ = stream.read_to_end(&mut bytes);
        let at = bytes.windows(4).position(|four| four == b"\r\n\r\n").unwrap_or(bytes.len());
        let head = String::from_utf8_lossy(&bytes[..at]).into_owned();
        let status = head.split(' ').nth(1).and_then(|code| code.parse().ok()).unwrap_or(0);
        let body = bytes.get(at + 4..).unwrap_or_default();
        let body = if head.to_ascii_lowercase().contains("transfer-encoding: chunked") { dechunk(body) } else { body.to_vec() };
        Reply { status, head, body }
    }

    /// With the token.
    pub fn ask(&self, method: &str, path: &str, body: Option<&Value>) -> Reply {
        self.ask_with(method, path, &[], body)
    }
    pub fn ask_with(&self, method: &str, path: &str, headers: &[(&str, &str)], body: Option<&Value>) -> Reply {
        let bearer = self.bearer();
        let mut all = vec![("Authorization", bearer.as_str())];
        all.extend(headers);
        let text = body.map(ToString::to_string).unwrap_or_default();
        if body.is_some() {
            all.push(("Content-Type", "application/json"));
        }
        self.raw(method, path, &all, text.as_bytes())
    }
    pub fn get(&self, path: &str) -> Reply {
        self.ask("GET", path, None)
    }
    pub fn post(&self, path: &str, body: &Value) -> Reply {
        self.ask("POST", path, Some(body))
    }

    /// A stream, read line by line.
    pub fn follow(&self, path: &str, headers: &[(&str, &str)]) -> Lines {
        let bearer = self.bearer();
        let mut all = vec![("Authorization", bearer.as_str())];
        all.extend(headers);
        let stream = self.send("GET", path, &all, b"");
        let mut lines = Lines { reader: BufReader::new(stream), rest: vec![] };
        let mut status = String::new();
        lines.reader.read_line(&mut status).unwrap();
        assert!(status.contains(" 200 "), "{status}");
        let mut line = String::new();
        while line != "\r\n" {
            line.clear();
            lines.reader.read_line(&mut line).unwrap();
        }
        lines
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn dechunk(mut bytes: &[u8]) -> Vec<u8> {
    let mut whole = vec![];
    while let Some(at) = bytes.windows(2).position(|two| two == b"\r\n") {
        let size = usize::from_str_radix(std::str::from_utf8(&bytes[..at]).unwrap_or("0").trim(), 16).unwrap_or(0);
        let Some(chunk) = bytes.get(at + 2..at + 2 + size).filter(|chunk| !chunk.is_empty()) else { break };
        whole.extend_from_slice(chunk);
        bytes = bytes.get(at + 4 + size..).unwrap_or_default();
    }
    whole
}

/// The lines of a stream.
pub struct Lines {
    reader: BufReader<TcpStream>,
    rest: Vec<u8>,
}

impl Lines {
    /// The next line; none at the end of the stream.
    pub fn line(&mut self) -> Option<String> {
        loop {
            if let Some(at) = self.rest.iter().position(|byte| *byte == b'\n') {
                let line: Vec<u8> = self.rest.drain(..=at).collect();
                return Some(String::from_utf8(line).unwrap().trim_end().to_owned());
            }
            let mut size = String::new();
            if self.reader.read_line(&mut size).ok()? == 0 {
                return None;
            }
            let size = usize::from_str_radix(size.trim(), 16).ok().filter(|size| *size > 0)?;
            let mut chunk = vec![0; size + 2];
            self.reader.read_exact(&mut chunk).ok()?;
            self.rest.extend_from_slice(&chunk[..size]);
        }
    }

    /// The next event of an event stream: its id and its data.
    pub fn event(&mut self) -> Option<(i64, Value)> {
        let mut id = None;
        loop {
            let line = self.line()?;
            if let Some(text) = line.strip_prefix("id: ") {
                id = Some(text.parse().unwrap());
            } else if let Some(text) = line.strip_prefix("data: ") {
                return Some((id?, serde_json::from_str(text).unwrap()));
            }
        }
    }
}

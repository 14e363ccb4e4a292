//! A GitHub of one repository, on this machine: it keeps pull requests, checks every request against the description, and
//! can be told to fail.

use crate::openapi;
use crate::world::{World, gate, kill, task};
use serde_json::{Value, json};
use std::collections::VecDeque;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::{Arc, Mutex, MutexGuard};

/// A token that a test would find wherever it should not be.
pub const TOKEN: &str = "ghs_thisIsTheTokenOfTheTests0123456789abcd";

/// Something that goes wrong, for the next requests that it fits.
#[derive(Clone, Debug)]
pub struct Fault {
    pub method: &'static str,
    /// Found in the path.
    pub path: &'static str,
    pub what: What,
    pub times: u32,
}

#[derive(Clone, Debug)]
pub enum What {
    Answer(u16, Vec<(&'static str, String)>, Value),
    /// No answer, until the client has gone.
    Silence,
    /// The request is done and its answer is lost.
    Lost,
    /// The client is killed before the request is done, or after.
    Kill {
        after: bool,
    },
}

#[derive(Debug, Default)]
pub struct State {
    pub pulls: Vec<Value>,
    pub requests: Vec<(String, String, Option<Value>)>,
    pub faults: VecDeque<Fault>,
    pub wrong: Vec<String>,
    pub repository: Value,
    pub issues: Vec<(u64, Value)>,
    pub labels: Vec<Value>,
    pub reviewers: Vec<Value>,
    /// Whether it is noticed that Ada opens the pull requests.
    pub authors_review_nothing: bool,
    /// Process that a fault kills.
    pub client: u32,
}

#[derive(Clone)]
pub struct Hub {
    pub port: u16,
    state: Arc<Mutex<State>>,
}

impl Hub {
    pub fn start() -> Hub {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let port = listener.local_addr().unwrap().port();
        let repository = json!({ "full_name": "acme/shop", "default_branch": "main", "fork": false, "archived": false, "permissions": { "push": true } });
        let hub = Hub { port, state: Arc::new(Mutex::new(State { repository, ..State::default() })) };
        let server = hub.clone();
        std::thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let server = server.clone();
                std::thread::spawn(move || server.serve(&stream));
            }
        });
        hub
    }

    pub fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap()
    }
    pub fn fail(&self, method: &'static str, path: &'static str, times: u32, what: What) {
        self.state().faults.push_back(Fault { method, path, what, times });
    }
    pub fn count(&self, method: &str, path: &str) -> usize {
        self.state().requests.iter().filter(|(m, p, _)| m == method && p.contains(path)).count()
    }
    /// Every request was one that GitHub describes.
    pub fn close(&self) {
        let wrong = self.state().wrong.clone();
        assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    }

    fn serve(&self, stream: &TcpStream) {
        let mut reader = BufReader::new(stream);
        while let Some(asked) = receive(&mut reader) {
            if !self.exchange(stream, asked) {
                return;
            }
        }
    }

    /// False when the connection is over.
    fn exchange(&self, mut stream: &TcpStream, (method, target, token, body): Asked) -> bool {
        let (method, (path, query)) = (method.as_str(), target.split_once('?').unwrap_or((&target, "")));
        let query: Vec<(String, String)> =
            query.split('&').filter_map(|pair| pair.split_once('=')).map(|(k, v)| (k.to_owned(), decoded(v))).collect();
        let fault = {
            let mut state = self.state();
            state.requests.push((method.to_owned(), path.to_owned(), body.clone()));
            let faults = openapi::faults(method, path, &query, body.as_ref());
            state.wrong.extend(faults);
            let found = state.faults.iter().position(|fault| fault.method == method && path.contains(fault.path));
            found.map(|index| {
                let fault = &mut state.faults[index];
                fault.times -= 1;
                let what = fault.what.clone();
                if fault.times == 0 {
                    state.faults.remove(index);
                }
                what
            })
        };
        match fault {
            Some(What::Answer(status, headers, body)) => return answer(&mut stream, status, &headers, &body),
            Some(What::Silence) => {
                let _ = stream.read(&mut [0; 1]);
                return false;
            }
            Some(What::Kill { after: false }) => {
                kill("-KILL", self.state().client);
                return false;
            }
            Some(What::Lost | What::Kill { after: true }) | None => {}
        }
        if token != format!("Bearer {TOKEN}") {
            return answer(&mut stream, 401, &[], &json!({ "message": "Bad credentials" }));
        }
        let (status, reply) = self.act(method, path, &query, body.unwrap_or_default());
        if status < 300 {
            let invented = openapi::invented(method, path, &reply);
            self.state().wrong.extend(invented);
        }
        match fault {
            Some(What::Kill { .. }) => {
                kill("-KILL", self.state().client);
                false
            }
            Some(_) => false,
            None => answer(&mut stream, status, &[], &reply),
        }
    }

    fn act(&self, method: &str, path: &str, query: &[(String, String)], body: Value) -> (u16, Value) {
        let mut state = self.state();
        let parts: Vec<&str> = path.trim_matches('/').split('/').collect();
        match (method, &parts[3..]) {
            ("GET", []) => (200, state.repository.clone()),
            ("GET", ["pulls"]) => {
                let head = query.iter().find(|(name, _)| name == "head").map(|(_, value)| value.clone()).unwrap();
                let all = state.pulls.iter().filter(|pull| pull["head"]["label"] == head.as_str());
                (200, all.cloned().collect())
            }
            ("POST", ["pulls"]) => {
                let open = state.pulls.iter().any(|pull| pull["head"]["label"] == body["head"] && pull["state"] == "open");
                if open {
                    let message = format!("A pull request already exists for {}.", body["head"].as_str().unwrap());
                    return (
                        422,
                        json!({ "message": "Validation Failed", "errors": [{ "resource": "PullRequest", "code": "custom", "message": message }] }),
                    );
                }
                let number = state.pulls.len() as u64 + 7;
                let url = format!("https://github.com/{}/{}/pull/{number}", parts[1], parts[2]);
                let pull = json!({ "number": number, "html_url": url, "state": "open", "title": body["title"], "body": body["body"],
                    "draft": body["draft"], "user": { "login": if state.authors_review_nothing { "Ada" } else { "bob" } }, "head": { "label": body["head"], "sha": "" }, "base": { "ref": body["base"] }, "merged_at": null });
                state.pulls.push(pull.clone());
                (201, pull)
            }
            (_, ["pulls", number, "requested_reviewers"]) => {
                if body["reviewers"].as_array().unwrap().contains(&json!("ada")) && state.authors_review_nothing {
                    return (422, json!({ "message": "Review cannot be requested from pull request author." }));
                }
                state.reviewers.push(body);
                (201, json!({ "number": number.parse::<u64>().unwrap() }))
            }
            (_, ["pulls", number]) => {
                let number: u64 = number.parse().unwrap();
                let Some(pull) = state.pulls.iter_mut().find(|pull| pull["number"] == number) else {
                    return (404, json!({ "message": "Not Found" }));
                };
                for (name, value) in body.as_object().into_iter().flatten() {
                    if name == "base" { pull["base"]["ref"] = value.clone() } else { pull[name] = value.clone() }
                }
                (200, pull.clone())
            }
            ("POST", ["issues", _, "labels"]) => {
                state.labels.push(body);
                (200, json!([]))
            }
            ("GET", ["issues", number]) => {
                let number: u64 = number.parse().unwrap();
                let found = state.issues.iter().find(|(of, _)| *of == number);
                found.map_or((404, json!({ "message": "Not Found" })), |(_, issue)| (200, issue.clone()))
            }
            _ => (404, json!({ "message": "Not Found" })),
        }
    }
}

type Asked = (String, String, String, Option<Value>);

fn receive(reader: &mut BufReader<&TcpStream>) -> Option<Asked> {
    let mut line = String::new();
    reader.read_line(&mut line).ok().filter(|read| *read > 0)?;
    let mut words = line.split_whitespace();
    let (method, target) = (words.next()?.to_owned(), words.next()?.to_owned());
    let (mut length, mut token) = (0, String::new());
    loop {
        let mut header = String::new();
        reader.read_line(&mut header).ok()?;
        let Some((name, value)) = header.trim().split_once(':') else { break };
        match name.to_ascii_lowercase().as_str() {
            "content-length" => length = value.trim().parse().ok()?,
            "authorization" => token = value.trim().to_owned(),
            _ => {}
        }
    }
    let mut body = vec![0; length];
    reader.read_exact(&mut body).ok()?;
    Some((method, target, token, (length > 0).then(|| serde_json::from_slice(&body).unwrap())))
}

fn answer(stream: &mut &TcpStream, status: u16, headers: &[(&'static str, String)], body: &Value) -> bool {
    let body = body.to_string();
    let more: String = headers.iter().map(|(name, value)| format!("{name}: {value}\r\n")).collect();
    let head = format!("HTTP/1.1 {status} X\r\ncontent-type: application/json\r\ncontent-length: {}\r\n{more}\r\n", body.len());
    stream.write_all(head.as_bytes()).and_then(|()| stream.write_all(body.as_bytes())).is_ok()
}

fn decoded(text: &str) -> String {
    let mut bytes = vec![];
    let mut rest = text.as_bytes();
    while let [first, tail @ ..] = rest {
        if let (b'%', Some(hex)) = (first, tail.get(..2)) {
            bytes.push(u8::from_str_radix(std::str::from_utf8(hex).unwrap(), 16).unwrap());
            rest = &tail[2..];
        } else {
            bytes.push(*first);
            rest = tail;
        }
    }
    String::from_utf8(bytes).unwrap()
}

/// A world whose repository has a remote `origin` at this GitHub: `acme/shop`, really a bare repository beside it that
/// counts what is pushed.
pub fn shop(hub: &Hub, settings: &str) -> World {
    let api = format!("[forge]\napi = \"http://127.0.0.1:{}\"\ntimeout_s = 2\n", hub.port);
    let mut world = World::with(&format!("{}{api}{settings}", gate(crate::world::CHECK)));
    let bare = world.path("remote.git");
    world.git(&["clone", "-q", "--bare", world.path("repo").to_str().unwrap(), bare.to_str().unwrap()]);
    world.git_in(&bare, &["branch", "-D", "notes"]);
    std::fs::write(bare.join("hooks/post-receive"), "#!/bin/sh\ncat >> pushes\n").unwrap();
    executable(&bare.join("hooks/post-receive"));
    let rewrite = format!("[url \"{}\"]\ninsteadOf = https://github.com/acme/shop.git\n", bare.display());
    let path = world.path("user/gitconfig");
    std::fs::write(&path, std::fs::read_to_string(&path).unwrap() + &rewrite).unwrap();
    world.git(&["remote", "add", "origin", "https://github.com/acme/shop.git"]);
    world.env.insert("GH_TOKEN".into(), TOKEN.into());
    world.settle_checkout();
    world
}

pub fn executable(path: &std::path::Path) {
    use std::os::unix::fs::PermissionsExt;
    std::fs::set_permissions(path, std::fs::Permissions::from_mode(0o755)).unwrap();
}

/// With a story whose two tasks have landed.
pub fn finished(hub: &Hub, settings: &str) -> World {
    let mut world = shop(hub, settings);
    world.story(vec![task("a", &[]), task("b", &["a"])]);
    world.run_well();
    world
}

/// What was pushed to the remote: one line for each branch that moved.
pub fn pushes(world: &World) -> Vec<String> {
    let text = std::fs::read_to_string(world.path("remote.git/pushes")).unwrap_or_default();
    text.lines().map(str::to_owned).collect()
}

/// A commit of somebody else's on a branch of the remote.
pub fn elsewhere(world: &World, branch: &str, path: &str, text: &str) -> String {
    let place = world.path(&format!("elsewhere-{path}"));
    world.git(&["clone", "-q", "-b", branch, world.path("remote.git").to_str().unwrap(), place.to_str().unwrap()]);
    std::fs::write(place.join(path), text).unwrap();
    world.git_in(&place, &["add", "-A"]);
    world.git_in(&place, &["commit", "-qm", "meanwhile"]);
    world.git_in(&place, &["push", "-q"]);
    std::fs::remove_file(world.path("remote.git/pushes")).unwrap();
    world.git_in(&place, &["rev-parse", "HEAD"])
}

pub fn there(world: &World, rev: &str) -> String {
    let (ok, text) = world.try_git(&world.path("remote.git"), &["rev-parse", rev]);
    if ok { text } else { String::new() }
}

/// No file of Aura's, no configuration and no event holds the token.
pub fn keeps_its_token(world: &World) {
    let mut folders = vec![world.path("home"), world.path("repo/.git"), world.path("user"), world.path("remote.git")];
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(folder).unwrap().flatten() {
            if entry.file_type().unwrap().is_dir() {
                folders.push(entry.path());
                continue;
            }
            let bytes = std::fs::read(entry.path()).unwrap_or_default();
            let found = bytes.windows(TOKEN.len()).any(|window| window == TOKEN.as_bytes());
            assert!(!found, "the token is in {}", entry.path().display());
        }
    }
}

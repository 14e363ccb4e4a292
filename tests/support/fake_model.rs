//! A scripted model server on loopback, so that real agents can be tested without a network, a key or a model.
//!
//! It speaks as `wires.rs` lists. What it answers depends on the request alone: the script is JSON in the
//! prompt (`<fake-script>[…]</fake-script>`, in the last user message that has one), and the step is the number of
//! assistant messages after it. So resumed sessions and any number of agents at once can share one server. What is not
//! in the request: how often a step with `times` has failed, and which gates a test holds. Everything ends on drop.

#[path = "wires.rs"]
mod wires;

use serde::Deserialize;
use serde_json::{Value, json};
use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::io::{self, BufRead, BufReader, Read, Write};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::path::Path;
use std::sync::{Arc, Condvar, Mutex, MutexGuard};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};
pub use wires::Wire;
use wires::answer;

/// Far longer than anything waits here; a wait that reaches it has failed.
const PATIENCE: Duration = Duration::from_secs(90);
const OPEN: &str = "<fake-script>";

/// One answer of the model. Exactly one of `write`, `edit`, `sh`, `call`, `say`, `status`, `hang` and `drop` is given.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Step {
    /// A new file of this name with `content`.
    pub write: Option<String>,
    pub content: String,
    /// In this file `old` becomes `new`.
    pub edit: Option<String>,
    pub old: String,
    pub new: String,
    /// A shell command.
    pub sh: Option<String>,
    /// Any tool, with `args`.
    pub call: Option<String>,
    pub args: Value,
    /// Words that end the turn; beside a tool call, the words before it.
    pub say: Option<String>,
    /// An HTTP error, with `headers`; with `times`, only so often, then the next step is taken.
    pub status: Option<u16>,
    pub headers: BTreeMap<String, String>,
    pub times: Option<u32>,
    /// No answer at all.
    pub hang: bool,
    /// An answer that begins and is cut off.
    pub drop: bool,
    /// Before the answer.
    pub delay_ms: u64,
    /// Before the answer: until this gate is open. It is, unless a test holds it.
    pub gate: Option<String>,
}

// Each test program uses its own part of this.
#[allow(dead_code)]
impl Step {
    pub fn say(text: &str) -> Step {
        Step { say: Some(text.into()), ..Step::default() }
    }
    pub fn sh(command: &str) -> Step {
        Step { sh: Some(command.into()), ..Step::default() }
    }
    pub fn write(path: &str, content: &str) -> Step {
        Step { write: Some(path.into()), content: content.into(), ..Step::default() }
    }
    pub fn call(tool: &str, args: Value) -> Step {
        Step { call: Some(tool.into()), args, ..Step::default() }
    }
    /// The agent says that its task is done.
    pub fn complete(summary: &str) -> Step {
        Step::call("task_complete", json!({ "summary": summary }))
    }
    fn is_failure(&self) -> bool {
        self.status.is_some() || self.hang || self.drop
    }
}

/// A script as it stands in a prompt.
#[allow(dead_code)]
pub fn script(steps: &Value) -> String {
    format!("{OPEN}{steps}</fake-script>")
}

#[derive(Clone, Debug)]
#[allow(dead_code)]
pub struct Message {
    pub role: String,
    pub text: String,
    /// The result of a tool that did not work, where the wire says so.
    pub failed: bool,
}

/// One request of an agent.
#[derive(Clone, Debug)]
#[allow(dead_code)]
pub struct Request {
    pub wire: Wire,
    pub model: String,
    pub messages: Vec<Message>,
    /// Names of the tools that it offers.
    pub tools: Vec<String>,
    pub stream: bool,
    /// How many answers it has had to the script.
    pub turn: usize,
    /// As it came.
    pub body: Value,
}

#[allow(dead_code)]
impl Request {
    fn parse(wire: Wire, body: Value) -> Request {
        let messages = wire.messages(&body);
        let turn =
            messages.iter().rev().take_while(|m| m.role != "user" || !m.text.contains(OPEN)).filter(|m| m.role == "assistant").count();
        Request {
            wire,
            model: body["model"].as_str().unwrap_or_default().into(),
            tools: wire.tools(&body),
            stream: body["stream"] == true,
            messages,
            turn,
            body,
        }
    }
    /// Everything that has been said in the conversation, by anybody.
    pub fn says(&self, words: &str) -> bool {
        self.messages.iter().any(|message| message.text.contains(words))
    }
    /// The last message that a person (or Aura) wrote.
    pub fn prompt(&self) -> &str {
        self.messages.iter().rev().find(|message| message.role == "user").map_or("", |message| &message.text)
    }
    /// What the last tool call came to.
    pub fn tool_result(&self) -> &str {
        self.messages.last().filter(|message| message.role == "tool").map_or("", |message| &message.text)
    }
    /// The agent's folder, as its own system prompt tells it.
    fn folder(&self) -> Option<&str> {
        let lines = self.messages.iter().flat_map(|message| message.text.lines());
        let told = lines.filter_map(|line| line.trim().trim_start_matches(['*', '-', ' ']).strip_prefix("Current working directory:"));
        told.map(str::trim).find(|folder| Path::new(folder).is_dir())
    }
    /// The script that counts, if there is one: read leniently, a script may be quoted in another one's strings.
    fn script(&self) -> Option<Result<Vec<Step>, String>> {
        let text = &self.messages.iter().rev().find(|m| m.role == "user" && m.text.contains(OPEN))?.text;
        let (mut rest, mut found) = (text.as_str(), None);
        while let Some(at) = rest.find(OPEN) {
            rest = &rest[at + OPEN.len()..];
            let mut values = serde_json::Deserializer::from_str(rest).into_iter::<Value>();
            match values.next() {
                Some(Ok(value)) => {
                    found = Some(serde_json::from_value(value).map_err(|e| format!("the script is not valid: {e}")));
                    rest = &rest[values.byte_offset()..];
                }
                Some(Err(e)) => found = Some(Err(format!("the script is not JSON: {e}"))),
                None => {}
            }
        }
        found
    }
}

type Hook = Box<dyn Fn(&Request) -> Option<Step> + Send + Sync>;

#[derive(Default)]
struct State {
    requests: Vec<Request>,
    /// Gates that are held.
    held: BTreeSet<String>,
    /// How often each limited step has failed.
    failures: HashMap<(String, usize), u32>,
    open: HashMap<u64, TcpStream>,
    threads: Vec<JoinHandle<()>>,
    over: bool,
}

struct Shared {
    state: Mutex<State>,
    changed: Condvar,
    hook: Hook,
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().expect("no thread panics with the state in its hand")
    }
}

pub struct FakeModel {
    address: SocketAddr,
    shared: Arc<Shared>,
    listener: Option<JoinHandle<()>>,
}

#[allow(dead_code)]
impl FakeModel {
    /// A server that answers by scripts alone.
    pub fn start() -> FakeModel {
        FakeModel::with(|_| None)
    }

    /// A server that asks `hook` first, for tests whose prompts are not theirs to write.
    pub fn with(hook: impl Fn(&Request) -> Option<Step> + Send + Sync + 'static) -> FakeModel {
        let listener = TcpListener::bind("127.0.0.1:0").expect("loopback has a free port");
        let address = listener.local_addr().expect("a bound socket has an address");
        let shared = Arc::new(Shared { state: Mutex::default(), changed: Condvar::new(), hook: Box::new(hook) });
        let serving = shared.clone();
        let listener = thread::spawn(move || {
            for (number, stream) in (0..).zip(listener.incoming()) {
                let Ok(stream) = stream else { continue };
                let mut state = serving.lock();
                if state.over {
                    return;
                }
                if let Ok(handle) = stream.try_clone() {
                    state.open.insert(number, handle);
                }
                let shared = serving.clone();
                state.threads.push(thread::spawn(move || {
                    // A client that goes away is its own business.
                    let _ = serve(&stream, &shared);
                    let _ = stream.shutdown(Shutdown::Both);
                    shared.lock().open.remove(&number);
                }));
            }
        });
        FakeModel { address, shared, listener: Some(listener) }
    }

    /// What `COPILOT_PROVIDER_BASE_URL` and the like are set to.
    pub fn url(&self) -> String {
        format!("{}/v1", self.origin())
    }
    /// What `ANTHROPIC_BASE_URL` is set to.
    pub fn origin(&self) -> String {
        format!("http://{}", self.address)
    }

    pub fn requests(&self) -> Vec<Request> {
        self.shared.lock().requests.clone()
    }

    /// Waits until what has been asked so far is as wished.
    pub fn until(&self, what: &str, holds: impl Fn(&[Request]) -> bool) {
        let give_up = Instant::now() + PATIENCE;
        let mut state = self.shared.lock();
        while !holds(&state.requests) {
            let left = give_up.saturating_duration_since(Instant::now());
            assert!(!left.is_zero(), "waited in vain until {what}; {} requests came", state.requests.len());
            state = self.shared.changed.wait_timeout(state, left).expect("no thread panics with the state in its hand").0;
        }
    }

    /// Closes a gate: answers behind it wait.
    pub fn hold(&self, gate: &str) {
        self.shared.lock().held.insert(gate.into());
    }

    pub fn release(&self, gate: &str) {
        self.shared.lock().held.remove(gate);
        self.shared.changed.notify_all();
    }
}

impl Drop for FakeModel {
    fn drop(&mut self) {
        let threads = {
            let mut state = self.shared.lock();
            state.over = true;
            for stream in state.open.values() {
                let _ = stream.shutdown(Shutdown::Both);
            }
            std::mem::take(&mut state.threads)
        };
        self.shared.changed.notify_all();
        // The listener looks up once more, and sees that it is over.
        let _ = TcpStream::connect(self.address);
        for thread in self.listener.take().into_iter().chain(threads) {
            let _ = thread.join();
        }
    }
}

/// One connection: requests and answers in turn, until the client has no more to ask or an answer cuts it off.
fn serve(stream: &TcpStream, shared: &Shared) -> io::Result<()> {
    let mut reader = BufReader::new(stream);
    while let Some(asked) = receive(&mut reader)? {
        if exchange(stream, asked, shared)? == Line::Cut {
            break;
        }
    }
    Ok(())
}

#[derive(PartialEq, Eq)]
enum Line {
    Open,
    Cut,
}

fn exchange(mut out: &TcpStream, (method, path, body): Asked, shared: &Shared) -> io::Result<Line> {
    if method == "GET" && path.trim_end_matches('/').ends_with("/models") {
        return reply(&mut out, 200, &BTreeMap::new(), &json!({ "object": "list", "data": [{ "id": "fake-model", "object": "model" }] }));
    }
    let Some(wire) = Wire::of(&path).filter(|_| method == "POST") else {
        return reply(&mut out, 404, &BTreeMap::new(), &json!({ "error": { "message": format!("no such endpoint: {path}") } }));
    };
    let request = Request::parse(wire, serde_json::from_slice(&body).unwrap_or_default());
    {
        shared.lock().requests.push(request.clone());
        shared.changed.notify_all();
    }
    let step = match (shared.hook)(&request).map_or_else(|| choose(&request, shared), Ok) {
        Ok(step) => step,
        Err(fault) => return reply(&mut out, 400, &BTreeMap::new(), &json!({ "error": { "message": fault } })),
    };
    pause(&step, shared);
    if let Some(status) = step.status {
        return reply(&mut out, status, &step.headers, &json!({ "error": { "message": format!("scripted error {status}") } }));
    }
    if step.hang {
        let state = shared.lock();
        drop(shared.changed.wait_while(state, |state| !state.over));
        return Ok(Line::Cut);
    }
    answer(&mut out, &request, &step)
}

/// Waits as the step says; the end of the server ends the wait.
fn pause(step: &Step, shared: &Shared) {
    let closed = |state: &mut State| !state.over && step.gate.as_ref().is_some_and(|gate| state.held.contains(gate));
    drop(shared.changed.wait_while(shared.lock(), closed));
    let delay = Duration::from_millis(step.delay_ms);
    if !delay.is_zero() {
        drop(shared.changed.wait_timeout_while(shared.lock(), delay, |state| !state.over));
    }
}

/// The step that the script has for this request. A failure leaves no trace in the conversation: one with `times` is
/// passed by when it has failed so often, one without is where the script ends.
fn choose(request: &Request, shared: &Shared) -> Result<Step, String> {
    let steps = request.script().unwrap_or(Ok(vec![]))?;
    let mut answered = 0;
    for (index, step) in steps.iter().enumerate() {
        if step.is_failure() && answered == request.turn {
            let Some(times) = step.times else { return Ok(step.clone()) };
            let mut state = shared.lock();
            let failed = state.failures.entry((format!("{steps:?}"), index)).or_default();
            if *failed < times {
                *failed += 1;
                return Ok(step.clone());
            }
        } else if !step.is_failure() && answered == request.turn {
            return Ok(step.clone());
        } else if !step.is_failure() {
            answered += 1;
        }
    }
    // Past its end a script has no more to say than it has said.
    let last = steps.iter().rev().find_map(|step| step.say.as_deref().filter(|_| step.call.is_none()));
    Ok(Step::say(last.unwrap_or("Done.")))
}

/// Method, path and body.
type Asked = (String, String, Vec<u8>);

/// Nothing when the client has nothing more to ask.
fn receive(reader: &mut impl BufRead) -> io::Result<Option<Asked>> {
    let mut line = String::new();
    reader.read_line(&mut line)?;
    let mut words = line.split_whitespace().map(String::from);
    let (Some(method), Some(path)) = (words.next(), words.next()) else { return Ok(None) };
    let (mut length, mut chunked) = (0, false);
    loop {
        let mut header = String::new();
        reader.read_line(&mut header)?;
        let Some((name, value)) = header.trim().split_once(':') else { break };
        match name.to_ascii_lowercase().as_str() {
            "content-length" => length = value.trim().parse().unwrap_or(0),
            "transfer-encoding" => chunked = value.contains("chunked"),
            _ => {}
        }
    }
    let mut body = vec![];
    if chunked {
        loop {
            let mut size = String::new();
            reader.read_line(&mut size)?;
            let size = u64::from_str_radix(size.trim(), 16).map_err(io::Error::other)?;
            reader.take(size).read_to_end(&mut body)?;
            reader.read_line(&mut String::new())?;
            if size == 0 {
                break;
            }
        }
    } else {
        reader.take(length).read_to_end(&mut body)?;
    }
    Ok(Some((method, path.split('?').next().unwrap_or_default().to_owned(), body)))
}

fn reply(out: &mut impl Write, status: u16, headers: &BTreeMap<String, String>, body: &Value) -> io::Result<Line> {
    let body = body.to_string();
    let more: Vec<String> = headers.iter().map(|(name, value)| format!("{name}: {value}\r\n")).collect();
    let more = more.concat();
    let length = body.len();
    write!(out, "HTTP/1.1 {status} Scripted\r\nContent-Type: application/json\r\nContent-Length: {length}\r\n{more}\r\n{body}")?;
    out.flush()?;
    Ok(Line::Open)
}

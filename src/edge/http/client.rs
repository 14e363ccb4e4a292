//! The other end: a running server, asked as this program itself is asked. What is answered is the same as here.

use super::{EXIT_CODE, PREFIX, SINCE, TOKEN_FILE, TOOLS};
use crate::error::{Code, Error, Problem, Result};
use crate::ops::Answer;
use crate::ops::follow::EventView;
use serde_json::Value;
use std::io::{BufRead, BufReader};
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};
use tokio::sync::mpsc;
use ureq::http::{Response, Uri};

/// Longest time to connect. An answer may take as long as a run does.
const CONNECT: Duration = Duration::from_secs(10);
/// Largest answer that is read.
const ANSWER_BYTES_MAX: u64 = 256 * 1024 * 1024;
/// How long one request waits for the end of a run: below the patience of proxies.
const WAIT_SECONDS: u64 = 50;
/// How long a reader of events looks for a server that went away, and how often.
const AGAIN: Duration = Duration::from_secs(30);
const PAUSE: Duration = Duration::from_millis(250);
/// Events that were read and not asked for yet.
const QUEUE: usize = 256;

/// Events on their way from a server; the end of them is the end of the channel.
pub(in crate::edge) type Stream = mpsc::Receiver<Result<EventView>>;

pub(in crate::edge) struct Server {
    agent: ureq::Agent,
    base: String,
    /// What is being done, for people.
    doing: String,
    token: String,
}

impl Server {
    /// The server at `url`. The token of `home` is sent to this machine only.
    pub(in crate::edge) fn new(home: Option<&Path>, token: Option<String>, url: &str) -> Result<Server> {
        // An address may hold a password.
        let shown: String = url.rsplit('@').next().unwrap_or_default().chars().take(200).collect();
        let doing = format!("ask the server at {}", shown.escape_debug());
        let invalid = |what: &str| Error::invalid(format!("{doing}: {what}")).hint("for example http://localhost:5300");
        let uri: Uri = url.trim().parse().map_err(|_| invalid("the address is not a URL"))?;
        if !matches!(uri.scheme_str(), Some("http" | "https")) {
            return Err(invalid("the address does not begin with http:// or https://"));
        }
        if uri.authority().is_none_or(|authority| authority.as_str().contains('@')) {
            return Err(invalid("the address holds a user or password"));
        }
        let host = uri.host().unwrap_or_default().trim_matches(['[', ']']);
        let is_here = host == "localhost" || host.parse::<std::net::IpAddr>().is_ok_and(|ip| ip.is_loopback());
        let token = match (token, home) {
            (Some(token), _) => token,
            (None, Some(home)) if is_here => std::fs::read_to_string(home.join(TOKEN_FILE)).unwrap_or_default(),
            (None, _) => String::new(),
        };
        let mut config = ureq::Agent::config_builder().http_status_as_error(false).max_redirects(0).timeout_connect(Some(CONNECT));
        if is_here {
            config = config.proxy(None);
        }
        let token = if token.trim().is_empty() { String::new() } else { format!("Bearer {}", token.trim()) };
        Ok(Server { agent: config.build().into(), base: url.trim().trim_end_matches('/').to_owned(), doing, token })
    }

    /// Calls a tool.
    pub(in crate::edge) fn call(&self, tool: &str, args: &Value) -> Result<Answer> {
        let request = self.agent.post(format!("{}{TOOLS}/{tool}", self.base)).content_type("application/json");
        let sent = request.header("authorization", &self.token).send(args.to_string());
        self.answer(sent.map_err(|error| self.unreachable(error))?)
    }

    /// What has become of a run, once it has ended.
    pub(in crate::edge) fn result(&self, story: &str, run: &str) -> Result<Answer> {
        let path = format!("{PREFIX}/{}/runs/{}?wait={WAIT_SECONDS}", encoded(story), encoded(run));
        loop {
            let answer = self.again(|| self.answer(self.get(&path)?))?;
            if answer.value["isRunning"] != true {
                return Ok(answer);
            }
        }
    }

    /// Follows the log in a thread of its own. A server that ends and comes again is followed on from where it was.
    pub(in crate::edge) fn follow(self: Arc<Server>, story: Option<String>, since: Option<i64>, until_end: bool) -> Result<Stream> {
        let place = story.map_or(String::new(), |story| format!("/{}", encoded(&story)));
        let path = format!("{PREFIX}{place}/events?format=jsonl&untilEnd={until_end}");
        let begin = since.map_or(path.clone(), |since| format!("{path}&since={since}"));
        let mut response = self.stream(&begin)?;
        let (tell, told) = mpsc::channel(QUEUE);
        std::thread::spawn(move || {
            let mut seq = since.filter(|since| *since >= 0);
            loop {
                let began = response.headers().get(SINCE).and_then(|value| value.to_str().ok()).and_then(|text| text.parse().ok());
                let Some(heard) = hear(response, &tell) else { return };
                seq = heard.last.or(seq).or(began);
                // Without an event it ends only because there is none to come.
                if until_end && (heard.ends_run || heard.is_whole && heard.last.is_none()) {
                    return;
                }
                let path = seq.map_or(path.clone(), |seq| format!("{path}&since={seq}"));
                response = match self.again(|| self.stream(&path)) {
                    Ok(response) => response,
                    Err(error) => {
                        let _ = tell.blocking_send(Err(error));
                        return;
                    }
                };
            }
        });
        Ok(told)
    }

    fn stream(&self, path: &str) -> Result<Response<ureq::Body>> {
        let mut response = self.get(path)?;
        if response.status().is_success() { Ok(response) } else { Err(self.refusal(&self.text(&mut response)?)) }
    }

    fn get(&self, path: &str) -> Result<Response<ureq::Body>> {
        let request = self.agent.get(format!("{}{path}", self.base)).header("authorization", &self.token);
        request.call().map_err(|error| self.unreachable(error))
    }

    /// Asks until a server that was there is there again.
    fn again<T>(&self, ask: impl Fn() -> Result<T>) -> Result<T> {
        let began = Instant::now();
        loop {
            match ask() {
                Err(error) if error.code == Code::Unavailable && began.elapsed() < AGAIN => std::thread::sleep(PAUSE),
                done => return done,
            }
        }
    }

    fn answer(&self, mut response: Response<ureq::Body>) -> Result<Answer> {
        let code = response.headers().get(EXIT_CODE).and_then(|value| value.to_str().ok()).and_then(|text| text.parse::<u8>().ok());
        let text = self.text(&mut response)?;
        if !response.status().is_success() {
            return Err(self.refusal(&text));
        }
        let value = serde_json::from_str(&text).map_err(|_| self.strange())?;
        Ok(Answer { value, exit_code: code.ok_or_else(|| self.strange())? })
    }

    fn text(&self, response: &mut Response<ureq::Body>) -> Result<String> {
        response.body_mut().with_config().limit(ANSWER_BYTES_MAX).read_to_string().map_err(|error| self.unreachable(error))
    }

    /// The refusal as it was made there.
    fn refusal(&self, text: &str) -> Error {
        let Ok(problem) = serde_json::from_str::<Problem>(text) else { return self.strange() };
        let error = Error::new(problem.code, problem.detail);
        problem.hint.into_iter().fold(error, Error::hint)
    }

    fn strange(&self) -> Error {
        Error::new(Code::Unavailable, format!("{}: what answers there is not Aura", self.doing)).hint("see that the address is right")
    }

    fn unreachable(&self, error: ureq::Error) -> Error {
        let hint = "is `aura serve` running there? Without --url and AURA_URL, this machine is asked";
        Error::new(Code::Unavailable, self.doing.clone()).because(error).hint(hint)
    }
}

/// What one connection brought.
struct Heard {
    last: Option<i64>,
    ends_run: bool,
    /// It was ended by the server, not cut off.
    is_whole: bool,
}

/// Hands on what comes; none when nobody listens any more.
fn hear(response: Response<ureq::Body>, tell: &mpsc::Sender<Result<EventView>>) -> Option<Heard> {
    let mut heard = Heard { last: None, ends_run: false, is_whole: true };
    for line in BufReader::new(response.into_body().into_reader()).lines() {
        let Ok(line) = line else {
            heard.is_whole = false;
            break;
        };
        // An empty line is a sign of life.
        let Some(event) = serde_json::from_str(&line).ok().and_then(EventView::received) else { continue };
        heard.last = Some(event.seq);
        heard.ends_run = event.ends_run;
        tell.blocking_send(Ok(event)).ok()?;
    }
    Some(heard)
}

/// A text as one part of a path.
fn encoded(text: &str) -> String {
    let keep = |byte: u8| byte.is_ascii_alphanumeric() || b"-._~".contains(&byte);
    text.bytes().map(|byte| if keep(byte) { char::from(byte).to_string() } else { format!("%{byte:02X}") }).collect()
}

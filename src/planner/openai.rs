//! Asks any OpenAI-compatible chat endpoint. Blocking, bounded in time and bytes. The key is a value that was given;
//! it goes into one header and nowhere else, and no redirect is followed with it.

use super::copilot::proposal;
use super::{PlanBrief, Planner, PlannerError, Proposal, prompt, reply};
use serde_json::{Value, json};
use std::fmt;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};
use ureq::http::{Response, Uri};

/// Longest response that is read, in bytes: an answer, and what services wrap around it.
const RESPONSE_BYTES_MAX: u64 = 2 * reply::ANSWER_BYTES_MAX as u64;
/// Longest wait that a rate limit may ask for and get, in seconds. Longer ones are the caller's to plan with.
const WAIT_S_MAX: u64 = 30;
/// Times that one question waits for a rate limit.
const WAITS_MAX: u32 = 2;

/// A key. Shows itself to nobody.
#[derive(Clone)]
pub struct Secret(String);

impl Secret {
    #[must_use]
    pub fn new(key: String) -> Secret {
        Secret(key)
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secret(…)")
    }
}

/// Where and whom to ask.
#[derive(Clone, Debug)]
pub struct Endpoint {
    /// With or without `/chat/completions` at its end.
    pub base_url: String,
    pub model: String,
    pub key: Option<Secret>,
    /// For one whole answer, waiting for rate limits included.
    pub timeout: Duration,
}

impl Endpoint {
    pub const BASE_URL: &str = "https://api.openai.com/v1";
}

/// The planner behind an endpoint.
#[derive(Debug)]
pub struct OpenAi {
    endpoint: Endpoint,
    url: String,
    agent: ureq::Agent,
    /// The endpoint refused a schema once; do not offer it again.
    plain: AtomicBool,
}

impl OpenAi {
    pub const NAME: &str = "openai";

    /// # Errors
    /// [`PlannerError::Config`] where the address cannot be used. It is not repeated: it may hold a password.
    pub fn new(endpoint: Endpoint) -> Result<OpenAi, PlannerError> {
        let refuse = |detail: &str| PlannerError::Config { detail: detail.to_owned() };
        let base = endpoint.base_url.trim().trim_end_matches('/');
        let url = if base.ends_with("/chat/completions") { base.to_owned() } else { format!("{base}/chat/completions") };
        let uri: Uri = url.parse().map_err(|_| refuse("`base_url` is not a URL"))?;
        if !matches!(uri.scheme_str(), Some("http" | "https")) {
            return Err(refuse("`base_url` does not begin with `https://` or `http://`"));
        }
        if uri.authority().is_none_or(|authority| authority.as_str().contains('@')) {
            return Err(refuse("`base_url` holds a user or password; name a variable in `api_key_env` instead"));
        }
        if endpoint.key.as_ref().is_some_and(|key| key.0.chars().any(|c| !c.is_ascii_graphic())) {
            return Err(refuse("the key holds characters that no key has"));
        }
        let mut config = ureq::Agent::config_builder()
            .http_status_as_error(false)
            .max_redirects(0)
            .user_agent(concat!("aura/", env!("CARGO_PKG_VERSION")));
        if is_loopback(&uri) {
            config = config.proxy(None);
        }
        Ok(OpenAi { endpoint, url, agent: config.build().into(), plain: AtomicBool::new(false) })
    }

    /// One question, one answer. Asks with a schema first if there is one, and without it where that is refused.
    fn ask(&self, prompt: &str, schema: Option<Value>) -> Result<String, PlannerError> {
        let deadline = Instant::now() + self.endpoint.timeout;
        let mut body = json!({
            "model": self.endpoint.model,
            "messages": [{"role": "system", "content": prompt::ROLE}, {"role": "user", "content": prompt}],
        });
        if schema.is_none() {
            body["messages"] = json!([{"role": "user", "content": prompt}]);
        }
        if let Some(schema) = schema.filter(|_| !self.plain.load(Ordering::Relaxed)) {
            let mut held = body.clone();
            held["response_format"] = json!({"type": "json_schema", "json_schema": {"name": "plan", "strict": true, "schema": schema}});
            let (status, answer) = self.post(&held, deadline)?;
            // What exactly an endpoint dislikes it says in words only; asking once more without the schema tells.
            if !matches!(status, 400 | 415 | 422 | 501) {
                return self.text_of(status, &answer);
            }
            self.plain.store(true, Ordering::Relaxed);
        }
        let (status, answer) = self.post(&body, deadline)?;
        self.text_of(status, &answer)
    }

    /// Status and body, after waiting as told where it is rate limited and there is time.
    fn post(&self, body: &Value, deadline: Instant) -> Result<(u16, Vec<u8>), PlannerError> {
        let mut waits = 0;
        loop {
            let left = deadline.saturating_duration_since(Instant::now()).max(Duration::from_millis(1));
            let mut request =
                self.agent.post(&self.url).config().timeout_global(Some(left)).build().header("content-type", "application/json");
            if let Some(key) = &self.endpoint.key {
                request = request.header("authorization", format!("Bearer {}", key.0));
            }
            let mut response = request.send(body.to_string().as_bytes()).map_err(|error| self.transport(error))?;
            let status = response.status().as_u16();
            let wait = retry_after_s(&response);
            let answer =
                response.body_mut().with_config().limit(RESPONSE_BYTES_MAX).read_to_vec().map_err(|error| self.transport(error))?;
            if !matches!(status, 429 | 503) {
                return Ok((status, answer));
            }
            let in_time = |s: &u64| *s <= WAIT_S_MAX && Instant::now() + Duration::from_secs(*s) < deadline;
            match wait.filter(in_time) {
                Some(s) if waits < WAITS_MAX => {
                    waits += 1;
                    std::thread::sleep(Duration::from_secs(s));
                }
                Some(_) | None if status == 429 => {
                    return Err(PlannerError::RateLimited {
                        planner: Self::NAME.into(),
                        retry_after_s: wait,
                        detail: self.said(status, &answer),
                    });
                }
                Some(_) | None => return Ok((status, answer)),
            }
        }
    }

    fn text_of(&self, status: u16, answer: &[u8]) -> Result<String, PlannerError> {
        let planner = || Self::NAME.to_owned();
        match status {
            200..=299 => {}
            401 => return Err(PlannerError::NeedsLogin { planner: planner(), detail: self.said(status, answer) }),
            408 | 500..=599 => return Err(PlannerError::Failed { planner: planner(), detail: self.said(status, answer) }),
            _ => return Err(PlannerError::Refused { planner: planner(), detail: self.said(status, answer) }),
        }
        let failed = |detail: &str| PlannerError::Failed { planner: planner(), detail: detail.to_owned() };
        let answer: Value =
            serde_json::from_slice(answer).map_err(|_| failed("its response is not JSON; is `base_url` the address of an API?"))?;
        let choice = &answer["choices"][0];
        let message = &choice["message"];
        let text = match &message["content"] {
            Value::String(text) => text.clone(),
            Value::Array(parts) => parts.iter().filter_map(|part| part["text"].as_str()).collect(),
            Value::Null | Value::Bool(_) | Value::Number(_) | Value::Object(_) => String::new(),
        };
        if let Some(refusal) = message["refusal"].as_str().filter(|refusal| !refusal.is_empty()) {
            return Err(PlannerError::Refused { planner: planner(), detail: format!("the model said: {}", self.safe(refusal)) });
        }
        match choice["finish_reason"].as_str() {
            Some("content_filter") => {
                Err(PlannerError::Refused { planner: planner(), detail: "its content filter stopped the answer".into() })
            }
            Some("length") => {
                let why = "the answer was cut off at the model's longest output; plan fewer tasks in fewer words".to_owned();
                Err(PlannerError::Unreadable { planner: planner(), why, raw: prompt::cut(&text, super::RAW_BYTES_MAX) })
            }
            _ if text.trim().is_empty() => Err(failed("its response holds no text")),
            _ => Ok(text),
        }
    }

    fn transport(&self, error: ureq::Error) -> PlannerError {
        let planner = Self::NAME.to_owned();
        let slow = |error: &std::io::Error| matches!(error.kind(), std::io::ErrorKind::TimedOut | std::io::ErrorKind::WouldBlock);
        match error {
            ureq::Error::BodyExceedsLimit(bytes_max) => PlannerError::TooLong { planner, bytes_max },
            ureq::Error::Timeout(_) => PlannerError::TimedOut { planner, after_s: self.endpoint.timeout.as_secs().max(1) },
            ureq::Error::Io(error) if slow(&error) => PlannerError::TimedOut { planner, after_s: self.endpoint.timeout.as_secs().max(1) },
            other => PlannerError::Unreachable { planner, doing: format!("POST {}", self.url), source: Box::new(other) },
        }
    }

    /// What a refusal says about itself, as `HTTP 404: the model does not exist`.
    fn said(&self, status: u16, answer: &[u8]) -> String {
        let value: Value = serde_json::from_slice(answer).unwrap_or_default();
        let error = &value["error"];
        let said = error["message"].as_str().or(error.as_str()).or(value["message"].as_str()).or(value["detail"].as_str());
        match said.map(|said| self.safe(said)).filter(|said| !said.is_empty()) {
            Some(said) => format!("HTTP {status}: {said}"),
            None => format!("HTTP {status}"),
        }
    }

    /// A stranger's words on one line, bounded, without the key should they repeat it.
    fn safe(&self, text: &str) -> String {
        let text = match &self.endpoint.key {
            Some(key) => text.replace(&key.0, "…"),
            None => text.to_owned(),
        };
        let printable: String = text.chars().map(|c| if c.is_control() { ' ' } else { c }).collect();
        printable.split_whitespace().collect::<Vec<_>>().join(" ").chars().take(300).collect()
    }
}

impl Planner for OpenAi {
    fn name(&self) -> &str {
        OpenAi::NAME
    }

    fn propose(&self, brief: &PlanBrief) -> Result<Proposal, PlannerError> {
        proposal(OpenAi::NAME, &self.ask(&prompt::plan_prompt(brief), Some(prompt::plan_schema()))?)
    }

    fn answer(&self, prompt: &str) -> Result<Option<String>, PlannerError> {
        match self.ask(prompt, None) {
            Ok(text) => Ok(Some(text)),
            // Half a reading is a reading.
            Err(PlannerError::Unreadable { raw, .. }) => Ok(Some(raw)),
            Err(other) => Err(other),
        }
    }
}

fn is_loopback(uri: &Uri) -> bool {
    let host = uri.host().unwrap_or("").trim_matches(['[', ']']);
    host == "localhost" || host.parse::<std::net::IpAddr>().is_ok_and(|ip| ip.is_loopback())
}

/// `Retry-After` in seconds: a number, or a date counted from the response's own `Date`.
#[allow(clippy::cast_sign_loss)] // not below zero
fn retry_after_s<T>(response: &Response<T>) -> Option<u64> {
    let header = |name: &str| response.headers().get(name).and_then(|value| value.to_str().ok()).map(str::trim);
    let text = header("retry-after")?;
    if let Ok(seconds) = text.parse::<f64>() {
        return (seconds >= 0.0 && seconds.is_finite()).then(|| seconds.ceil() as u64);
    }
    let when = |text: &str| jiff::fmt::rfc2822::DateTimeParser::new().relaxed_weekday(true).parse_timestamp(text).ok();
    let seconds = when(text)?.as_second() - when(header("date")?)?.as_second();
    Some(u64::try_from(seconds).unwrap_or(0))
}

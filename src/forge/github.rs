//! GitHub's REST API: the eight requests that a story needs. Tests hold each of them against GitHub's own description.

use super::{ForgeError, Slug, Token};
use serde_json::{Map, Value, json};
use std::time::{Duration, Instant};
use ureq::http::{Response, Uri};

/// Longest answer that is read.
const ANSWER_BYTES_MAX: u64 = 8 * 1024 * 1024;
/// Longest wait that a rate limit may ask for and get. Longer ones are a person's to plan with.
const WAIT_S_MAX: u64 = 30;
/// Times that one request waits for a rate limit.
const WAITS_MAX: u32 = 2;
/// Times that a question is asked again when the server has trouble.
const RETRIES_MAX: u32 = 2;
/// The version of the API that is asked for.
const API_VERSION: &str = "2022-11-28";

/// One host's API, with a token for it.
#[derive(Debug)]
pub struct GitHub {
    api: String,
    token: Option<Token>,
    timeout: Duration,
    agent: ureq::Agent,
}

/// What matters about a repository.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RepositoryFacts {
    pub full_name: String,
    pub default_branch: String,
    /// The repository that this one is a fork of.
    pub parent: Option<String>,
    pub is_fork: bool,
    pub is_archived: bool,
    /// None where GitHub does not say.
    pub can_push: Option<bool>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PullState {
    Open,
    Merged,
    Closed,
}

/// A pull request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Pull {
    pub number: u64,
    pub url: String,
    pub title: String,
    pub body: String,
    pub base: String,
    pub head_sha: String,
    /// Who opened it: nobody is asked to review their own.
    pub author: String,
    pub state: PullState,
}

/// A pull request to be opened.
#[derive(Clone, Debug)]
pub struct NewPull<'a> {
    pub title: &'a str,
    pub body: &'a str,
    /// `owner:branch`.
    pub head: &'a str,
    pub base: &'a str,
    pub draft: bool,
}

/// What is changed about an open pull request; none is left as it is.
#[derive(Clone, Copy, Debug, Default)]
pub struct PullChange<'a> {
    pub title: Option<&'a str>,
    pub body: Option<&'a str>,
    pub base: Option<&'a str>,
}

/// An issue.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Issue {
    pub title: String,
    pub body: String,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Method {
    Get,
    Post,
    Patch,
}

impl GitHub {
    /// # Errors
    /// Where the address cannot be used: a token is sent over `https` only, or to this very machine.
    pub fn new(api: &str, token: Option<Token>, timeout: Duration) -> Result<GitHub, ForgeError> {
        let refuse = |why| ForgeError::Config { api: api.chars().take(200).collect::<String>().escape_debug().to_string(), why };
        let uri: Uri = api.parse().map_err(|_| refuse("it is not a URL"))?;
        let host = uri.host().unwrap_or("").trim_matches(['[', ']']);
        let is_here = host == "localhost" || host.parse::<std::net::IpAddr>().is_ok_and(|ip| ip.is_loopback());
        if uri.authority().is_none_or(|authority| authority.as_str().contains('@')) {
            return Err(refuse("it names no host, or holds a password"));
        }
        if uri.scheme_str() != Some("https") && !is_here {
            return Err(refuse("it does not begin with `https://`"));
        }
        let mut config = ureq::Agent::config_builder()
            .http_status_as_error(false)
            .max_redirects(0)
            .user_agent(concat!("aura/", env!("CARGO_PKG_VERSION")));
        if is_here {
            config = config.proxy(None);
        }
        Ok(GitHub { api: api.trim_end_matches('/').to_owned(), token, timeout, agent: config.build().into() })
    }

    pub fn repository(&self, slug: &Slug) -> Result<RepositoryFacts, ForgeError> {
        let doing = format!("look at the repository {slug}");
        let value = self.call(Method::Get, &format!("/repos/{slug}"), &[], None, &doing)?;
        let text = |key: &str| value[key].as_str().unwrap_or_default().to_owned();
        Ok(RepositoryFacts {
            full_name: text("full_name"),
            default_branch: text("default_branch"),
            parent: value["parent"]["full_name"].as_str().map(str::to_owned),
            is_fork: value["fork"] == true,
            is_archived: value["archived"] == true,
            can_push: value["permissions"]["push"].as_bool(),
        })
    }

    /// The pull request of a branch: the open one, else one that holds exactly `commit` and was merged or closed.
    pub fn find_pull(&self, slug: &Slug, head: &str, commit: &str) -> Result<Option<Pull>, ForgeError> {
        let doing = format!("look for a pull request of `{head}` in {slug}");
        let query = [("head", head), ("state", "all"), ("per_page", "100")];
        let value = self.call(Method::Get, &format!("/repos/{slug}/pulls"), &query, None, &doing)?;
        // Only those of exactly this branch: of another's, the text would be written anew.
        let is_its = |pull: &&Value| pull["head"]["label"].as_str().is_some_and(|label| label.eq_ignore_ascii_case(head));
        let pulls: Vec<Pull> = value.as_array().into_iter().flatten().filter(is_its).filter_map(pull_of).collect();
        let open = pulls.iter().find(|pull| pull.state == PullState::Open);
        Ok(open.or_else(|| pulls.iter().find(|pull| pull.head_sha == commit)).cloned())
    }

    pub fn pull(&self, slug: &Slug, number: u64) -> Result<Pull, ForgeError> {
        let doing = format!("look at pull request {number} of {slug}");
        let value = self.call(Method::Get, &format!("/repos/{slug}/pulls/{number}"), &[], None, &doing)?;
        pull_of(&value).ok_or_else(|| unreadable(&doing))
    }

    pub fn open_pull(&self, slug: &Slug, new: &NewPull<'_>) -> Result<Pull, ForgeError> {
        let doing = format!("open a pull request in {slug}");
        let body = json!({ "title": new.title, "head": new.head, "base": new.base, "body": new.body, "draft": new.draft });
        let value = self.call(Method::Post, &format!("/repos/{slug}/pulls"), &[], Some(&body), &doing)?;
        pull_of(&value).ok_or_else(|| unreadable(&doing))
    }

    pub fn update_pull(&self, slug: &Slug, number: u64, change: &PullChange<'_>) -> Result<Pull, ForgeError> {
        let doing = format!("update pull request {number} of {slug}");
        let mut body = Map::new();
        for (key, value) in [("title", change.title), ("body", change.body), ("base", change.base)] {
            body.extend(value.map(|value| (key.to_owned(), json!(value))));
        }
        let value = self.call(Method::Patch, &format!("/repos/{slug}/pulls/{number}"), &[], Some(&Value::Object(body)), &doing)?;
        pull_of(&value).ok_or_else(|| unreadable(&doing))
    }

    /// Adds labels; those that are there stay.
    pub fn add_labels(&self, slug: &Slug, number: u64, labels: &[String]) -> Result<(), ForgeError> {
        let doing = format!("label pull request {number} of {slug}");
        self.call(Method::Post, &format!("/repos/{slug}/issues/{number}/labels"), &[], Some(&json!({ "labels": labels })), &doing)?;
        Ok(())
    }

    /// Asks people for a review, and teams, which are written `organisation/team`.
    pub fn request_reviewers(&self, slug: &Slug, number: u64, reviewers: &[String]) -> Result<(), ForgeError> {
        let doing = format!("ask for reviews of pull request {number} of {slug}");
        let (teams, people): (Vec<&String>, Vec<&String>) = reviewers.iter().partition(|name| name.contains('/'));
        let teams: Vec<&str> = teams.into_iter().filter_map(|name| name.split_once('/').map(|(_, team)| team)).collect();
        let body = json!({ "reviewers": people, "team_reviewers": teams });
        self.call(Method::Post, &format!("/repos/{slug}/pulls/{number}/requested_reviewers"), &[], Some(&body), &doing)?;
        Ok(())
    }

    pub fn issue(&self, slug: &Slug, number: u64) -> Result<Issue, ForgeError> {
        let doing = format!("read issue {number} of {slug}");
        let value = self.call(Method::Get, &format!("/repos/{slug}/issues/{number}"), &[], None, &doing)?;
        let text = |key: &str| value[key].as_str().unwrap_or_default().to_owned();
        match text("title") {
            title if title.is_empty() => Err(unreadable(&doing)),
            title => Ok(Issue { title, body: text("body") }),
        }
    }

    /// One request. A rate limit that says how long is waited for; a question that meets trouble is asked again. A request
    /// that changes something is not: whoever calls again looks first.
    fn call(&self, method: Method, path: &str, query: &[(&str, &str)], body: Option<&Value>, doing: &str) -> Result<Value, ForgeError> {
        let (mut waits, mut retries) = (0, 0);
        loop {
            let error = match self.send(method, path, query, body, doing) {
                Ok(value) => return Ok(value),
                Err(error) => error,
            };
            match &error {
                ForgeError::RateLimited { retry_after_s: Some(s), .. } if *s <= WAIT_S_MAX && waits < WAITS_MAX => {
                    waits += 1;
                    std::thread::sleep(Duration::from_secs(*s));
                }
                ForgeError::Server { .. } | ForgeError::Unreachable { .. } if method == Method::Get && retries < RETRIES_MAX => {
                    retries += 1;
                    std::thread::sleep(Duration::from_millis(200 * u64::from(retries)));
                }
                _ => return Err(error),
            }
        }
    }

    fn send(&self, method: Method, path: &str, query: &[(&str, &str)], body: Option<&Value>, doing: &str) -> Result<Value, ForgeError> {
        let url = format!("{}{path}", self.api);
        let ends_at = Instant::now() + self.timeout;
        let sent = match method {
            Method::Get => {
                let mut request = self.agent.get(&url).config().timeout_global(Some(self.timeout)).build();
                for (name, value) in query {
                    request = request.query(name, value);
                }
                for (name, value) in self.headers() {
                    request = request.header(name, value);
                }
                request.call()
            }
            Method::Post | Method::Patch => {
                let request = if method == Method::Post { self.agent.post(&url) } else { self.agent.patch(&url) };
                let mut request = request.config().timeout_global(Some(self.timeout)).build().header("content-type", "application/json");
                for (name, value) in self.headers() {
                    request = request.header(name, value);
                }
                request.send(body.unwrap_or(&Value::Null).to_string().as_bytes())
            }
        };
        let mut response = sent.map_err(|error| self.transport(error, doing))?;
        let read = response.body_mut().with_config().limit(ANSWER_BYTES_MAX).read_to_vec();
        let answer = read.map_err(|error| self.transport(error, doing))?;
        debug_assert!(Instant::now() <= ends_at + self.timeout, "the deadline of a request holds");
        let status = response.status().as_u16();
        if (200..300).contains(&status) {
            return serde_json::from_slice(&answer).map_err(|_| unreadable(doing));
        }
        Err(self.refusal(status, &response, &answer, doing))
    }

    fn headers(&self) -> Vec<(&'static str, String)> {
        let mut headers = vec![("accept", "application/vnd.github+json".to_owned()), ("x-github-api-version", API_VERSION.to_owned())];
        headers.extend(self.token.as_ref().map(|token| ("authorization", format!("Bearer {}", token.reveal()))));
        headers
    }

    fn refusal<T>(&self, status: u16, response: &Response<T>, answer: &[u8], doing: &str) -> ForgeError {
        let (doing, said) = (doing.to_owned(), self.said(status, answer));
        let header = |name: &str| response.headers().get(name).and_then(|value| value.to_str().ok()).map(str::to_owned);
        let spent = header("x-ratelimit-remaining").as_deref() == Some("0");
        let secondary = said.to_ascii_lowercase().contains("rate limit");
        match status {
            401 => ForgeError::Unauthorized { doing, said },
            429 => ForgeError::RateLimited { doing, retry_after_s: retry_after_s(response) },
            403 if spent || secondary || header("retry-after").is_some() => {
                ForgeError::RateLimited { doing, retry_after_s: retry_after_s(response) }
            }
            403 => {
                let sso = header("x-github-sso").and_then(|text| text.split_once("url=").map(|(_, url)| self.safe(url)));
                ForgeError::Forbidden { doing, said, sso }
            }
            404 | 410 => ForgeError::NotFound { doing },
            409 => ForgeError::Conflict { doing, said },
            408 => ForgeError::TimedOut { doing, after_s: self.timeout.as_secs() },
            300..=399 => ForgeError::Moved { doing, to: header("location").map_or(said, |to| self.safe(&to)) },
            500..=599 => ForgeError::Server { doing, said },
            _ => ForgeError::Invalid { doing, said },
        }
    }

    fn transport(&self, error: ureq::Error, doing: &str) -> ForgeError {
        let doing = doing.to_owned();
        let slow = |error: &std::io::Error| matches!(error.kind(), std::io::ErrorKind::TimedOut | std::io::ErrorKind::WouldBlock);
        match error {
            ureq::Error::Timeout(_) => ForgeError::TimedOut { doing, after_s: self.timeout.as_secs() },
            ureq::Error::Io(error) if slow(&error) => ForgeError::TimedOut { doing, after_s: self.timeout.as_secs() },
            ureq::Error::BodyExceedsLimit(_) => ForgeError::Unreadable { doing, why: "it is far too long".into() },
            other => ForgeError::Unreachable { doing, source: Box::new(other) },
        }
    }

    /// What a refusal says about itself, each error with its field.
    fn said(&self, status: u16, answer: &[u8]) -> String {
        let value: Value = serde_json::from_slice(answer).unwrap_or_default();
        let mut said = vec![format!("HTTP {status}")];
        said.extend(value["message"].as_str().map(str::to_owned));
        for error in value["errors"].as_array().into_iter().flatten().take(5) {
            let field = error["field"].as_str().map(|field| format!("{field}: ")).unwrap_or_default();
            let text = error["message"].as_str().or(error["code"].as_str()).or(error.as_str()).unwrap_or_default();
            said.push(format!("{field}{text}"));
        }
        self.safe(&said.join("; "))
    }

    /// A stranger's words on one line, bounded, without the token should they repeat it.
    fn safe(&self, text: &str) -> String {
        let text = match &self.token {
            Some(token) => text.replace(token.reveal(), "…"),
            None => text.to_owned(),
        };
        let printable: String = text.chars().map(|c| if c.is_control() { ' ' } else { c }).collect();
        printable.split_whitespace().collect::<Vec<_>>().join(" ").chars().take(400).collect()
    }
}

fn unreadable(doing: &str) -> ForgeError {
    ForgeError::Unreadable { doing: doing.to_owned(), why: "it is not what GitHub answers; is `api` the address of an API?".into() }
}

fn pull_of(value: &Value) -> Option<Pull> {
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    let merged = value["merged"] == true || value["merged_at"].is_string();
    Some(Pull {
        number: value["number"].as_u64()?,
        url: value["html_url"].as_str()?.to_owned(),
        title: text(&value["title"]),
        body: text(&value["body"]),
        base: text(&value["base"]["ref"]),
        head_sha: text(&value["head"]["sha"]),
        author: text(&value["user"]["login"]),
        state: match (value["state"].as_str()?, merged) {
            (_, true) => PullState::Merged,
            ("open", false) => PullState::Open,
            (_, false) => PullState::Closed,
        },
    })
}

/// How long a rate limit lasts: `Retry-After`, else until `X-RateLimit-Reset`, counted from the answer's own date.
fn retry_after_s<T>(response: &Response<T>) -> Option<u64> {
    let header = |name: &str| response.headers().get(name).and_then(|value| value.to_str().ok()).map(str::trim);
    if let Some(seconds) = header("retry-after").and_then(|text| text.parse::<u64>().ok()) {
        return Some(seconds);
    }
    let reset: i64 = header("x-ratelimit-reset")?.parse().ok()?;
    let date = header("date").and_then(|text| jiff::fmt::rfc2822::DateTimeParser::new().relaxed_weekday(true).parse_timestamp(text).ok());
    u64::try_from(reset - date.unwrap_or_else(jiff::Timestamp::now).as_second()).ok()
}

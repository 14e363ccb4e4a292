//! What a refusal looks like: one code table, one error type, one wire form (RFC 9457) for every door.
//!
//! A red gate or a failed task is not an error: it is a good answer with bad news. An [`Error`] is a refusal (the
//! caller asked for something that cannot be) or a bug ([`Code::Internal`]).

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::fmt;

/// Stable name of a refusal. Programs compare this; people read [`Problem::detail`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Code {
    InvalidRequest,
    InvalidPlan,
    NotFound,
    Ambiguous,
    IllegalState,
    Conflict,
    Busy,
    NotARepository,
    NeedsLogin,
    NeedsPerson,
    NeedsToken,
    Forbidden,
    Unavailable,
    LimitReached,
    TimedOut,
    Internal,
}

/// One row of the code table.
#[derive(Clone, Copy, Debug)]
pub struct CodeRow {
    pub name: &'static str,
    pub title: &'static str,
    /// HTTP status.
    pub http: u16,
    /// Process exit code of the CLI.
    pub exit: u8,
    /// Whether the same call may succeed later without being changed.
    pub retryable: bool,
}

impl Code {
    /// Every code, in the order of `docs/errors.md`.
    pub const ALL: [Code; 16] = [
        Code::InvalidRequest,
        Code::InvalidPlan,
        Code::NotFound,
        Code::Ambiguous,
        Code::IllegalState,
        Code::Conflict,
        Code::Busy,
        Code::NotARepository,
        Code::NeedsLogin,
        Code::NeedsPerson,
        Code::NeedsToken,
        Code::Forbidden,
        Code::Unavailable,
        Code::LimitReached,
        Code::TimedOut,
        Code::Internal,
    ];

    /// The only place that says what a code means to each door.
    #[must_use]
    pub const fn row(self) -> CodeRow {
        let (name, title, http, exit, retryable) = match self {
            Code::InvalidRequest => ("invalid_request", "Invalid request", 400, 2, false),
            Code::InvalidPlan => ("invalid_plan", "The plan is not valid", 422, 2, false),
            Code::NotFound => ("not_found", "Not found", 404, 3, false),
            Code::Ambiguous => ("ambiguous", "The id prefix is ambiguous", 409, 3, false),
            Code::IllegalState => ("illegal_state", "Not possible in this state", 409, 4, false),
            Code::Conflict => ("conflict", "Conflict", 409, 4, true),
            Code::Busy => ("busy", "Another process is working on this story", 409, 4, true),
            Code::NotARepository => ("not_a_repository", "Not a usable git repository", 422, 2, false),
            Code::NeedsLogin => ("needs_login", "The agent is not logged in", 401, 5, false),
            Code::NeedsPerson => ("needs_person", "A person has to decide", 403, 5, false),
            Code::NeedsToken => ("needs_token", "The server asks for its token", 401, 5, false),
            Code::Forbidden => ("forbidden", "Not allowed from there", 403, 5, false),
            Code::Unavailable => ("unavailable", "Something needed is missing or unreachable", 503, 6, true),
            Code::LimitReached => ("limit_reached", "A limit was reached", 429, 7, true),
            Code::TimedOut => ("timed_out", "A deadline passed", 504, 7, true),
            Code::Internal => ("internal", "A bug in Aura", 500, 70, false),
        };
        CodeRow { name, title, http, exit, retryable }
    }
}

/// A refusal on its way to a door. `detail` says what was being done to what; `hint` what to do about it.
#[derive(Debug)]
pub struct Error {
    pub code: Code,
    pub detail: String,
    pub hint: Option<String>,
    source: Option<Box<dyn std::error::Error + Send + Sync>>,
}

pub type Result<T, E = Error> = std::result::Result<T, E>;

impl Error {
    pub fn new(code: Code, detail: impl Into<String>) -> Self {
        Error { code, detail: detail.into(), hint: None, source: None }
    }
    pub fn invalid(detail: impl Into<String>) -> Self {
        Error::new(Code::InvalidRequest, detail)
    }
    pub fn internal(detail: impl Into<String>) -> Self {
        Error::new(Code::Internal, detail)
    }
    #[must_use]
    pub fn hint(mut self, hint: impl Into<String>) -> Self {
        self.hint = Some(hint.into());
        self
    }
    #[must_use]
    pub fn because(mut self, source: impl Into<Box<dyn std::error::Error + Send + Sync>>) -> Self {
        self.source = Some(source.into());
        self
    }
    /// The detail followed by every cause, each once.
    #[must_use]
    pub fn chain(&self) -> String {
        let mut text = self.detail.clone();
        let mut cause: Option<&dyn std::error::Error> = std::error::Error::source(self);
        while let Some(error) = cause {
            text.push_str(": ");
            text.push_str(&error.to_string());
            cause = error.source();
        }
        text
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.detail)
    }
}

impl std::error::Error for Error {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        self.source.as_deref().map(|source| source as _)
    }
}

/// RFC 9457 problem details with `code`, `retryable` and `hint`: the same object at every door.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
pub struct Problem {
    pub r#type: String,
    pub title: String,
    /// HTTP status, also where there is no HTTP.
    pub status: u16,
    pub detail: String,
    pub code: Code,
    pub retryable: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub hint: Option<String>,
}

impl From<&Error> for Problem {
    fn from(error: &Error) -> Self {
        let row = error.code.row();
        Problem {
            r#type: format!("urn:aura:problem:{}", row.name),
            title: row.title.into(),
            status: row.http,
            detail: error.chain(),
            code: error.code,
            retryable: row.retryable,
            hint: error.hint.clone(),
        }
    }
}

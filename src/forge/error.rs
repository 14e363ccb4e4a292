//! What a forge refuses, sorted by what a person can do about it.

use crate::error::{Code, Error};

#[derive(Debug, thiserror::Error)]
pub enum ForgeError {
    #[error("{doing}: GitHub does not accept the token ({said})")]
    Unauthorized { doing: String, said: String },
    #[error("{doing}: GitHub forbids it ({said})")]
    Forbidden { doing: String, said: String, sso: Option<String> },
    #[error("{doing}: not found, or the token may not see it")]
    NotFound { doing: String },
    #[error("{doing}: GitHub sees a conflict ({said})")]
    Conflict { doing: String, said: String },
    #[error("{doing}: GitHub does not accept it ({said})")]
    Invalid { doing: String, said: String },
    #[error("{doing}: GitHub's rate limit is reached{}", wait_text(*retry_after_s))]
    RateLimited { doing: String, retry_after_s: Option<u64> },
    #[error("{doing}: GitHub points elsewhere ({to})")]
    Moved { doing: String, to: String },
    #[error("{doing}: GitHub has trouble ({said})")]
    Server { doing: String, said: String },
    #[error("{doing}: no answer within {after_s} s")]
    TimedOut { doing: String, after_s: u64 },
    #[error("{doing}: GitHub cannot be reached")]
    Unreachable {
        doing: String,
        #[source]
        source: Box<dyn std::error::Error + Send + Sync>,
    },
    #[error("{doing}: the answer cannot be understood ({why})")]
    Unreadable { doing: String, why: String },
    #[error("use `{api}` as the address of GitHub's API: {why}")]
    Config { api: String, why: &'static str },
}

fn wait_text(seconds: Option<u64>) -> String {
    seconds.map_or_else(String::new, |s| format!("; it asks to wait {s} s"))
}

impl From<ForgeError> for Error {
    fn from(error: ForgeError) -> Self {
        let (code, hint) = match &error {
            ForgeError::Unauthorized { .. } => (Code::NeedsLogin, Some("log in again with `gh auth login`, or set GH_TOKEN".to_owned())),
            ForgeError::Forbidden { sso: Some(url), .. } => {
                (Code::NeedsPerson, Some(format!("authorise the token for the organisation: {url}, then complete again")))
            }
            ForgeError::Forbidden { .. } => (
                Code::NeedsPerson,
                Some("the token needs write access to contents and pull requests of this repository; then complete again".to_owned()),
            ),
            ForgeError::NotFound { .. } => {
                (Code::NotFound, Some("look at the name, and whether the token may see the repository; then run it again".to_owned()))
            }
            ForgeError::Conflict { .. } => (Code::Conflict, Some("complete again: it starts from how things are now".to_owned())),
            ForgeError::Invalid { .. } => {
                (Code::NeedsPerson, Some("change what it names (base, reviewers, labels, title), then complete again".to_owned()))
            }
            ForgeError::RateLimited { .. } => (Code::LimitReached, Some("complete again later: nothing is lost".to_owned())),
            ForgeError::Moved { .. } => (
                Code::NeedsPerson,
                Some("the repository was renamed: `git remote set-url` the new address, then complete again".to_owned()),
            ),
            ForgeError::TimedOut { .. } => (Code::TimedOut, Some("complete again: it goes on where it stopped".to_owned())),
            ForgeError::Server { .. } | ForgeError::Unreachable { .. } | ForgeError::Unreadable { .. } => {
                (Code::Unavailable, Some("complete again: it goes on where it stopped".to_owned()))
            }
            ForgeError::Config { .. } => (Code::InvalidRequest, Some("correct `api` under [forge] in config.toml".to_owned())),
        };
        let source = std::error::Error::source(&error).map(ToString::to_string);
        let mut result = Error::new(code, error.to_string());
        result.hint = hint;
        match source {
            Some(cause) => result.because(cause),
            None => result,
        }
    }
}

//! The forge: where pull requests go and issues come from. GitHub over its REST API, on github.com, on its data-residency
//! hosts and on Enterprise servers. Blocking, bounded in time and bytes.
//!
//! A token is a value that was given: it goes into one header of one host and nowhere else. Everything that a forge says
//! is a stranger's text.

mod address;
mod error;
mod github;
mod secrets;
mod text;

pub use address::{IssueAddress, RemoteAddress, Slug};
pub use error::ForgeError;
pub use github::{GitHub, Issue, NewPull, Pull, PullChange, PullState, RepositoryFacts};
pub use secrets::{COMMIT_MARK, Finding, Scanner};
pub use text::{cell, fence, plain, words};

use crate::proc::Cmd;
use serde::Deserialize;
use std::fmt;
use std::time::Duration;

/// How long `gh` may take to say its token, and `ssh` to say what a name means.
const GH_DEADLINE: Duration = Duration::from_secs(20);

/// A token. Shows itself to nobody.
#[derive(Clone, PartialEq, Eq)]
pub struct Token(String);

impl Token {
    /// None where the text holds what no token holds.
    #[must_use]
    pub fn new(text: &str) -> Option<Token> {
        let text = text.trim();
        (!text.is_empty() && text.chars().all(|c| c.is_ascii_graphic())).then(|| Token(text.to_owned()))
    }
    pub(crate) fn reveal(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Token {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Token(…)")
    }
}

/// `[forge]` of the user's own settings. Never read from a repository: it says where a token is sent.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct ForgeConfig {
    /// Host of the remotes that are on this GitHub Enterprise server; `github.com` and `*.ghe.com` are known.
    pub host: Option<String>,
    /// Address of its API; default `https://HOST/api/v3`.
    pub api: Option<String>,
    /// Variable that holds its token, before the usual ones.
    pub token_env: Option<String>,
    /// Longest wait for one answer, in seconds.
    pub timeout_s: Option<u64>,
}

impl ForgeConfig {
    /// Address of the API for a host, if the host is a GitHub that is known.
    #[must_use]
    pub fn api_of(&self, host: &str) -> Option<String> {
        let configured = self.host.as_deref().unwrap_or("github.com").eq_ignore_ascii_case(host);
        match (&self.api, configured) {
            (Some(api), true) => Some(api.trim_end_matches('/').to_owned()),
            _ if host.eq_ignore_ascii_case("github.com") => Some("https://api.github.com".into()),
            _ if host.to_ascii_lowercase().ends_with(".ghe.com") => Some(format!("https://api.{host}")),
            (None, true) => Some(format!("https://{host}/api/v3")),
            (_, false) => None,
        }
    }

    #[must_use]
    pub fn timeout(&self) -> Duration {
        Duration::from_secs(self.timeout_s.unwrap_or(30).clamp(1, 600))
    }
}

/// What `gh` is logged in with at this host, if it is there and logged in.
#[must_use]
pub fn token_of_gh(host: &str) -> Option<Token> {
    let cmd = Cmd::new("gh").args(["auth", "token", "--hostname", host]).env("GH_PROMPT_DISABLED", "1").deadline(GH_DEADLINE);
    let output = cmd.output_max(64 * 1024).run().ok()?;
    if output.success() { Token::new(&output.stdout_text()) } else { None }
}

/// The host that a name of the user's own means to their SSH (`Host work` with `HostName github.com`), if it has one.
#[must_use]
pub fn host_of_ssh(name: &str) -> Option<String> {
    let is_plain = !name.starts_with('-') && name.chars().all(|c| c.is_ascii_alphanumeric() || "-_.".contains(c));
    let output = Cmd::new("ssh").args(["-G", "--", name]).deadline(GH_DEADLINE).output_max(256 * 1024);
    let output = if is_plain { output.run().ok()? } else { return None };
    let text = output.stdout_text();
    let host = text.lines().find_map(|line| line.strip_prefix("hostname "))?.trim().to_ascii_lowercase();
    (output.success() && !host.is_empty()).then(|| if host == "ssh.github.com" { "github.com".into() } else { host })
}

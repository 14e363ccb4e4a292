//! The other end: `aura call` against a running server. What is asked and what is answered are the same as here.

use super::{EXIT_CODE, TOKEN_FILE, TOOLS};
use crate::error::{Code, Error, Problem, Result};
use crate::ops::Answer;
use serde_json::Value;
use std::path::Path;
use std::time::Duration;
use ureq::http::Uri;

/// Longest time to connect. An answer may take as long as a run does.
const CONNECT: Duration = Duration::from_secs(10);
/// Largest answer that is read.
const ANSWER_BYTES_MAX: u64 = 256 * 1024 * 1024;

/// What the server says: an answer, or the refusal as it came with the exit code of its code.
pub(in crate::edge) enum Said {
    Answer(Answer),
    Refusal(Value, u8),
}

/// Calls a tool on the server at `url`. The token of `home` is sent to this machine only.
pub(in crate::edge) fn call(home: Option<&Path>, token: Option<String>, url: &str, tool: &str, args: &Value) -> Result<Said> {
    // An address may hold a password.
    let shown: String = url.rsplit('@').next().unwrap_or_default().chars().take(200).collect();
    let doing = format!("call `{tool}` at {}", shown.escape_debug());
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
    let agent: ureq::Agent = config.build().into();
    let address = format!("{}{TOOLS}/{tool}", url.trim().trim_end_matches('/'));
    let mut request = agent.post(&address).content_type("application/json");
    if !token.trim().is_empty() {
        request = request.header("authorization", format!("Bearer {}", token.trim()));
    }
    let unreachable = |error: ureq::Error| {
        Error::new(Code::Unavailable, doing.clone())
            .because(error)
            .hint("is `aura serve` running there? `aura call` without --url asks here")
    };
    let mut response = request.send(args.to_string()).map_err(unreachable)?;
    let is_good = response.status().is_success();
    let code = response.headers().get(EXIT_CODE).and_then(|value| value.to_str().ok()).and_then(|text| text.parse::<u8>().ok());
    let text = response.body_mut().with_config().limit(ANSWER_BYTES_MAX).read_to_string().map_err(unreachable)?;
    let strange =
        || Error::new(Code::Unavailable, format!("{doing}: what answers there is not Aura")).hint("see that the address is right");
    let value: Value = serde_json::from_str(&text).map_err(|_| strange())?;
    let exit_code = code.ok_or_else(strange)?;
    if is_good {
        return Ok(Said::Answer(Answer { value, exit_code }));
    }
    let problem: Problem = serde_json::from_value(value.clone()).map_err(|_| strange())?;
    Ok(Said::Refusal(value, problem.code.row().exit))
}

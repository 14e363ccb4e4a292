//! What Copilot CLI prints with `--output-format json`: one JSON object a line. Its schema is not a promised interface, so
//! unknown kinds and broken lines are skipped, and the verdict needs several witnesses: the way the process ended, the
//! `result` line, the agent's own `task_complete`, and the absence of an error after its last turn.

use super::limit::retry_after_s;
use super::{AgentVerdict, Ending, LINE_BYTES_LOOKED_AT, Reader, Signal, by_exit, head, one_line, plain};
use crate::domain::{Outcome, Usage};
use crate::proc::JobExit;
use serde_json::Value;

#[derive(Default)]
pub(super) struct Events {
    /// Any line that was an event: without one, the CLI never began.
    saw_any: bool,
    /// The last `session.error` of the agent itself, forgotten when it gets on with a turn.
    error: Option<SessionError>,
    /// The `exitCode` of the `result` line.
    result: Option<i64>,
    /// The summary of `task_complete`.
    completed: Option<String>,
    /// Why autopilot stopped.
    stopped: Option<String>,
    /// Why it was aborted.
    aborted: Option<String>,
    last_message: String,
    /// From the `result` line, where there is no usage file.
    premium_requests: f64,
}

#[derive(Clone, Default)]
struct SessionError {
    kind: String,
    code: String,
    status: u64,
    /// Its message, in one short line, and in full, where it may say when a limit is over.
    message: String,
    said: String,
}

impl Reader for Events {
    // tidy: flat match
    fn read(&mut self, line: &str) -> Vec<Signal> {
        let Ok(event) = serde_json::from_str::<Value>(line) else { return vec![] };
        let Some(kind) = event.get("type").and_then(Value::as_str) else { return vec![] };
        self.saw_any = true;
        let data = &event["data"];
        // Events of a sub-agent tell what is going on, never how the task ended.
        let own = event.get("agentId").is_none_or(Value::is_null);
        match kind {
            "assistant.message" if own => {
                let text = text(data, "content");
                if text.trim().is_empty() {
                    return vec![];
                }
                self.last_message = plain(text);
                vec![Signal::Message(one_line(text)), Signal::Activity(one_line(text))]
            }
            "assistant.turn_start" if own => {
                self.error = None;
                vec![]
            }
            "tool.execution_start" => vec![Signal::Activity(tool(data))],
            "assistant.turn_retry" => vec![Signal::Retrying(format!("waits and tries again: {}", one_line(text(data, "reason"))))],
            "subagent.started" => vec![Signal::Activity(format!("sub-agent {}", one_line(text(data, "agentDisplayName"))))],
            "session.error" if own => {
                self.error = Some(SessionError {
                    kind: text(data, "errorType").to_owned(),
                    code: text(data, "errorCode").to_owned(),
                    status: data["statusCode"].as_u64().unwrap_or(0),
                    message: one_line(text(data, "message")),
                    said: head(text(data, "message"), LINE_BYTES_LOOKED_AT).to_owned(),
                });
                vec![]
            }
            "session.task_complete" if own => {
                // A completion can be rejected, by validation or a reviewer: then the agent is sent on, or stops.
                self.completed = (data["success"] != false).then(|| plain(text(data, "summary")));
                vec![]
            }
            "session.autopilot_stopped" if own => {
                self.stopped = Some(text(data, "reason").to_owned());
                vec![]
            }
            "abort" if own => {
                self.aborted = Some(text(data, "reason").to_owned());
                vec![]
            }
            "result" => {
                self.result = event["exitCode"].as_i64();
                self.premium_requests = event["usage"]["premiumRequests"].as_f64().unwrap_or(0.0);
                vec![]
            }
            _ => vec![],
        }
    }

    fn verdict(&mut self, ending: &Ending<'_>) -> AgentVerdict {
        let summary = match &self.completed {
            Some(summary) if !summary.trim().is_empty() => summary.clone(),
            Some(_) | None => self.last_message.clone(),
        };
        AgentVerdict { outcome: self.outcome(ending), summary, usage: self.usage(ending) }
    }
}

impl Events {
    /// What it declared complete is looked at, however the process ended afterwards: the repository and the gate have the last
    /// word, and they do not read exit codes. Not when it was stopped from outside.
    fn outcome(&self, ending: &Ending<'_>) -> Outcome {
        match self.ended(ending) {
            outcome @ (Outcome::Interrupted | Outcome::Unavailable { .. }) => outcome,
            _ if self.completed.is_some() => Outcome::Done,
            outcome => outcome,
        }
    }

    fn ended(&self, ending: &Ending<'_>) -> Outcome {
        // What we did to it outweighs what it says: killed by us, it exits with 0 and a cheerful result.
        if let Some(outcome) = by_exit(ending.exit) {
            return outcome;
        }
        if let Some(error) = &self.error {
            return error.outcome(ending);
        }
        if !self.saw_any {
            return startup(ending);
        }
        match (self.aborted.as_deref(), self.stopped.as_deref()) {
            (Some("autopilot_credit_limit"), _) => return Outcome::Incomplete { detail: "it reached its limit of credits".into() },
            (Some(_), _) | (None, Some("aborted")) => return Outcome::Interrupted,
            (None, Some(_) | None) => {}
        }
        let code = match ending.exit {
            Some(JobExit::Code(code)) => *code,
            _ => 0,
        };
        match (code, self.result) {
            (0, Some(0)) => {}
            (0, None) => return Outcome::Crashed { detail: "it ended without a result".into() },
            (code, result) => {
                return Outcome::Failed {
                    detail: format!("exit code {code}, result {}", result.map_or("missing".into(), |r| r.to_string())),
                };
            }
        }
        match (&self.completed, self.stopped.as_deref()) {
            (Some(_), _) => Outcome::Done,
            (None, Some("cap_reached")) => Outcome::Incomplete { detail: "it reached its cap of continuations".into() },
            (None, Some(reason)) => Outcome::Incomplete { detail: format!("autopilot stopped: {}", one_line(reason)) },
            (None, None) => Outcome::Incomplete { detail: "it never said that it was done".into() },
        }
    }

    /// Of this process alone. What the CLI writes down is a count over the whole session, so what earlier attempts used
    /// comes off; of what a killed one used, the next shows as much as had been saved. A count that is behind is one that
    /// began anew, because the session was lost.
    fn usage(&self, ending: &Ending<'_>) -> Usage {
        let counted = counted(ending);
        let asked_before: u64 = ending.before.iter().map(|usage| usage.requests).sum();
        let began_anew = counted.as_ref().is_some_and(|usage| usage.requests < asked_before);
        let counted = counted.unwrap_or(Usage { premium_requests: self.premium_requests, ..Usage::default() });
        if began_anew { counted } else { ending.before.iter().fold(counted, |left, used| less(&left, used)) }
    }
}

/// What is left of a count without what was used before.
fn less(count: &Usage, used: &Usage) -> Usage {
    Usage {
        input_tokens: count.input_tokens.saturating_sub(used.input_tokens),
        output_tokens: count.output_tokens.saturating_sub(used.output_tokens),
        cached_tokens: count.cached_tokens.saturating_sub(used.cached_tokens),
        requests: count.requests.saturating_sub(used.requests),
        premium_requests: (count.premium_requests - used.premium_requests).max(0.0),
        nano_credits: count.nano_credits.saturating_sub(used.nano_credits),
        // Of time the CLI keeps no count here: it is the supervisor's.
        duration_ms: count.duration_ms,
    }
}

/// As the CLI counts it, if it wrote it down.
fn counted(ending: &Ending<'_>) -> Option<Usage> {
    let file = serde_json::from_str::<Value>(ending.usage_file.as_deref()?).ok()?;
    let mut usage = Usage {
        premium_requests: file["totalPremiumRequestCost"].as_f64().unwrap_or(0.0),
        nano_credits: file["totalNanoAiu"].as_u64().unwrap_or(0),
        ..Usage::default()
    };
    for model in file["modelMetrics"].as_object().into_iter().flat_map(|map| map.values()) {
        let count = |key: &str| model["usage"][key].as_u64().unwrap_or(0);
        usage.input_tokens += count("inputTokens");
        usage.output_tokens += count("outputTokens");
        usage.cached_tokens += count("cacheReadTokens");
        usage.requests += model["requests"]["count"].as_u64().unwrap_or(0);
    }
    Some(usage)
}

impl SessionError {
    fn outcome(&self, ending: &Ending<'_>) -> Outcome {
        let detail = if self.message.is_empty() { format!("{} {}", self.kind, self.status) } else { self.message.clone() };
        let is = |words: &[&str]| words.iter().any(|word| self.kind == *word || self.code.contains(word));
        // The code is finer than the kind: a quota is reported as a kind of rate limit.
        if is(&["quota", "billing"]) || self.status == 402 {
            return Outcome::Quota { detail };
        }
        if is(&["rate_limit"]) || self.code.contains("rate_limited") || self.status == 429 {
            return Outcome::RateLimited { retry_after_s: retry_after_s(&self.said, &ending.at), detail };
        }
        if is(&["authentication", "authorization"]) || self.status == 401 {
            return Outcome::NeedsLogin { detail };
        }
        if is(&["policy"]) {
            return Outcome::Policy { detail };
        }
        Outcome::Failed { detail }
    }
}

/// It ended before it printed an event: the reason is on stderr, in words for people. Only one of them is looked for,
/// and getting it wrong costs a retry.
fn startup(ending: &Ending<'_>) -> Outcome {
    let words = one_line(ending.stderr.trim());
    if words.contains("No authentication information found") {
        return Outcome::NeedsLogin { detail: words };
    }
    match ending.exit {
        Some(JobExit::Code(0)) => Outcome::Crashed { detail: "it ended without a word".into() },
        _ if words.is_empty() => Outcome::Crashed { detail: "it ended without a word".into() },
        _ => Outcome::Failed { detail: words },
    }
}

/// What a tool call is about, in a few words.
fn tool(data: &Value) -> String {
    let arguments = &data["arguments"];
    let about = ["description", "path", "command", "pattern", "query"].iter().find_map(|key| arguments[*key].as_str()).unwrap_or_default();
    let name = data["toolName"].as_str().unwrap_or("tool");
    one_line(&format!("{name}: {about}"))
}

fn text<'a>(data: &'a Value, key: &str) -> &'a str {
    data[key].as_str().unwrap_or_default()
}

#[cfg(test)]
#[path = "copilot_tests.rs"]
mod tests;

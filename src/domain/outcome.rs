//! How an attempt ended, what it used, and what it wrote beside its work.

use super::StopReason;
use serde::{Deserialize, Serialize};

/// How one attempt ended, by all the evidence.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "result", rename_all = "camelCase", rename_all_fields = "camelCase")]
pub enum Outcome {
    /// The agent says it is done and the repository agrees.
    Done,
    /// The agent says it is done and nothing changed.
    NoChange,
    /// The agent's process died.
    Crashed {
        detail: String,
    },
    /// No sign of life for longer than the stall limit.
    Stalled,
    /// The attempt's deadline passed.
    TimedOut,
    /// Stopped by us: cancelled, or its supervisor is gone.
    Interrupted,
    /// The agent or its model reported an error.
    Failed {
        detail: String,
    },
    /// The agent stopped before it was done, for example at its continuation cap.
    Incomplete {
        detail: String,
    },
    RateLimited {
        retry_after_s: Option<u64>,
        detail: String,
    },
    NeedsLogin {
        detail: String,
    },
    Quota {
        detail: String,
    },
    Policy {
        detail: String,
    },
    /// The agent's program is missing or cannot be started.
    Unavailable {
        detail: String,
    },
    /// What it left cannot be accepted, for example a nested repository.
    Refused {
        detail: String,
    },
    /// Conflicts that it was asked to resolve are still there.
    Unresolved {
        paths: Vec<String>,
    },
}

impl Outcome {
    /// Why the whole run stops at once, when it does: every further attempt would meet the same.
    #[must_use]
    pub fn stops(&self) -> Option<(StopReason, &str)> {
        match self {
            Outcome::NeedsLogin { detail } => Some((StopReason::NeedsLogin, detail)),
            Outcome::Quota { detail } => Some((StopReason::Quota, detail)),
            Outcome::Policy { detail } => Some((StopReason::Policy, detail)),
            Outcome::Unavailable { detail } => Some((StopReason::Unavailable, detail)),
            Outcome::Done
            | Outcome::NoChange
            | Outcome::Crashed { .. }
            | Outcome::Stalled
            | Outcome::TimedOut
            | Outcome::Interrupted
            | Outcome::Failed { .. }
            | Outcome::Incomplete { .. }
            | Outcome::RateLimited { .. }
            | Outcome::Refused { .. }
            | Outcome::Unresolved { .. } => None,
        }
    }
    /// One sentence for people and for the next attempt's prompt.
    #[must_use]
    pub fn sentence(&self) -> String {
        match self {
            Outcome::Done => "done".into(),
            Outcome::NoChange => "the agent says it is done, but no file changed".into(),
            Outcome::Crashed { detail } => format!("the agent's process died: {detail}"),
            Outcome::Stalled => "the agent gave no sign of life and was stopped".into(),
            Outcome::TimedOut => "the attempt's deadline passed".into(),
            Outcome::Interrupted => "the attempt was interrupted".into(),
            Outcome::Failed { detail } => format!("the agent failed: {detail}"),
            Outcome::Incomplete { detail } => format!("the agent stopped before it was done: {detail}"),
            Outcome::RateLimited { detail, .. } => format!("rate limited: {detail}"),
            Outcome::NeedsLogin { detail } => format!("the agent is not logged in: {detail}"),
            Outcome::Quota { detail } => format!("the agent's quota is used up: {detail}"),
            Outcome::Policy { detail } => format!("a policy forbids the agent: {detail}"),
            Outcome::Unavailable { detail } => format!("the agent cannot be started: {detail}"),
            Outcome::Refused { detail } => format!("the result was refused: {detail}"),
            Outcome::Unresolved { paths } => format!("conflicts are still there in {}", paths.join(", ")),
        }
    }
}

/// Most files that are named as left out.
pub const LEFT_OUT_MAX: usize = 20;

/// What an agent wrote and no commit holds: bounded, the first [`LEFT_OUT_MAX`].
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct LeftOut {
    pub files: Vec<LeftOutFile>,
    /// How many there are besides.
    pub more: u32,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct LeftOutFile {
    /// A folder with many files ends with a slash.
    pub path: String,
    /// For people; may quote a pattern of the repository.
    pub why: String,
}

impl LeftOut {
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.files.is_empty()
    }
    /// One line for each file, and one for those that are not named.
    #[must_use]
    pub fn lines(&self) -> Vec<String> {
        let more = (self.more > 0).then(|| format!("and {} more", self.more));
        self.files.iter().map(|file| format!("{} ({})", file.path, file.why)).chain(more).collect()
    }
}

/// What an attempt used. Zero where the agent does not tell.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Usage {
    pub input_tokens: u64,
    pub output_tokens: u64,
    pub cached_tokens: u64,
    /// Calls to the model.
    pub requests: u64,
    #[serde(serialize_with = "finite")]
    pub premium_requests: f64,
    /// Billionths of an AI credit.
    pub nano_credits: u64,
    pub duration_ms: u64,
}

/// JSON has no word for what is not a number: it would be written as null, and the log could never be read again.
#[allow(clippy::trivially_copy_pass_by_ref)] // serde hands out references.
fn finite<S: serde::Serializer>(value: &f64, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_f64(if value.is_finite() { *value } else { 0.0 })
}

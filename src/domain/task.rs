//! One task's life. (Being written.)
use super::{Oid, TaskId};
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

/// What an attempt used. Zero where the agent does not tell.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Usage {
    pub input_tokens: u64,
    pub output_tokens: u64,
    pub cached_tokens: u64,
    /// Calls to the model.
    pub requests: u64,
    pub premium_requests: f64,
    /// Billionths of an AI credit.
    pub nano_credits: u64,
    pub duration_ms: u64,
}

/// Permission to land `head` for `task`: issued by a task that has been accepted, by nothing else.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Landable {
    task: TaskId,
    attempt: u32,
    head: Oid,
}
impl Landable {
    #[must_use]
    pub fn task(&self) -> &TaskId {
        &self.task
    }
    #[must_use]
    pub fn attempt(&self) -> u32 {
        self.attempt
    }
    #[must_use]
    pub fn head(&self) -> &Oid {
        &self.head
    }
}

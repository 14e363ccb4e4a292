//! What a gate found: the checks that ran at one commit, and what they add up to.

use super::{Oid, TaskId};
use serde::{Deserialize, Serialize};

/// What the gate says about a tree.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Verdict {
    /// Every check passed.
    Passed,
    /// At least one check failed, twice on the same tree.
    Failed,
    /// The repository has no checks that Aura knows of. Never shown as passed.
    Ungated,
}

impl Verdict {
    /// Whether work may go on from here.
    #[must_use]
    pub fn allows(self) -> bool {
        matches!(self, Verdict::Passed | Verdict::Ungated)
    }
}

/// What kind of check it is. The gate runs every build before any test.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum CheckKind {
    Build,
    Test,
}

/// How one check ended.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "result", rename_all = "camelCase")]
pub enum CheckEnd {
    Passed,
    /// Failed once and passed when run again on the same tree.
    Flaky,
    Failed {
        exit_code: Option<i32>,
    },
    TimedOut {
        deadline_s: u64,
    },
    /// The program could not be started.
    Missing {
        program: String,
    },
    /// Not run because an earlier check failed.
    NotRun,
}

impl CheckEnd {
    #[must_use]
    pub fn is_good(&self) -> bool {
        matches!(self, CheckEnd::Passed | CheckEnd::Flaky)
    }
}

/// One check and what it said. `output` is the end of what it printed (bounded); `log` holds the rest.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct CheckReport {
    /// For example `cargo test`.
    pub name: String,
    pub kind: CheckKind,
    /// Folder inside the repository, `.` for its root.
    pub folder: String,
    #[serde(flatten)]
    pub end: CheckEnd,
    pub duration_ms: u64,
    /// The part of the output that says what failed: its head and tail, control characters removed.
    pub output: String,
    /// Tests that passed and failed, where the output tells.
    pub tests_passed: Option<u32>,
    pub tests_failed: Option<u32>,
}

/// What a gate found at one commit.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct GateReport {
    pub commit: Oid,
    pub tree: Oid,
    pub verdict: Verdict,
    pub checks: Vec<CheckReport>,
    /// Taken over from an earlier gate on the same tree.
    pub reused: bool,
}

impl GateReport {
    /// The failing check, if there is one.
    #[must_use]
    pub fn failing(&self) -> Option<&CheckReport> {
        self.checks.iter().find(|check| !check.end.is_good() && check.end != CheckEnd::NotRun)
    }
    /// Passing and failing tests over all checks, where known.
    #[must_use]
    pub fn tests(&self) -> (Option<u32>, Option<u32>) {
        let sum = |of: fn(&CheckReport) -> Option<u32>| {
            self.checks.iter().filter_map(of).fold(None, |sum: Option<u32>, n| Some(sum.unwrap_or(0) + n))
        };
        (sum(|check| check.tests_passed), sum(|check| check.tests_failed))
    }
}

/// Who made a gate red, as far as it is known.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "state", rename_all = "camelCase")]
pub enum Culprit {
    /// Not looked for yet.
    Sought,
    /// This task's landing is the first at which the gate is red.
    Task { task: TaskId },
    /// No task is to blame, or nobody could repair it: a person has to look.
    Nobody { why: String },
}

/// A red gate that has not been repaired.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Red {
    pub commit: Oid,
    pub culprit: Culprit,
    /// Repairs that have landed and left the gate red.
    pub repairs: u32,
}

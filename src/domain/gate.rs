//! What a gate found: the checks that ran at one commit, and what they add up to.

use super::{Oid, TaskId};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// What the gate says about a tree.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Verdict {
    /// Every check passed.
    Passed,
    /// At least one check failed, twice on the same tree.
    Failed,
    /// The repository has no checks that Aura knows of. Never shown as passed.
    Ungated,
    /// The checks passed, and what ran may have come from another tree. Never shown as passed; a finding says why.
    Unproven,
}

impl Verdict {
    /// Whether work may go on from here.
    #[must_use]
    pub fn allows(self) -> bool {
        matches!(self, Verdict::Passed | Verdict::Ungated | Verdict::Unproven)
    }
}

/// What kind of check it is. The gate sets up before it builds, and runs every build before any test.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum CheckKind {
    /// Fetches what the tree needs: packages, tools. What fails here may be nobody's fault.
    Setup,
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
    /// It ended well and no test ran. `base` is how many the same check ran at the story's base: with 0 nothing was
    /// lost, so it is not red, and still has not passed.
    RanNothing {
        base: Option<u32>,
    },
    /// What it needs from outside could not be had: a feed that does not answer, a login that has expired. No tree can
    /// mend that, so no task is to blame.
    Unavailable {
        what: String,
    },
}

impl CheckEnd {
    #[must_use]
    pub fn is_good(&self) -> bool {
        matches!(self, CheckEnd::Passed | CheckEnd::Flaky)
    }
    /// Whether it forbids going on. A check that ran no test, where the base ran none either, proves nothing and forbids
    /// nothing.
    #[must_use]
    pub fn is_red(&self) -> bool {
        !self.is_good() && *self != CheckEnd::RanNothing { base: Some(0) }
    }
    /// Whether only somebody outside of the story can mend it: the machine, the network, an account.
    #[must_use]
    pub fn is_nobodys(&self) -> bool {
        match self {
            CheckEnd::Unavailable { .. } => true,
            // A program of the repository's own has a path; it can have been lost by a task.
            CheckEnd::Missing { program } => !program.contains(['/', '\\']),
            CheckEnd::Passed
            | CheckEnd::Flaky
            | CheckEnd::Failed { .. }
            | CheckEnd::TimedOut { .. }
            | CheckEnd::NotRun
            | CheckEnd::RanNothing { .. } => false,
        }
    }
    /// How it ended, for people: the name of the check comes before it.
    #[must_use]
    pub fn sentence(&self) -> String {
        match self {
            CheckEnd::Passed => "passed".into(),
            CheckEnd::Flaky => "passed when run again".into(),
            CheckEnd::Failed { exit_code: Some(code) } => format!("failed with exit code {code}"),
            CheckEnd::Failed { exit_code: None } => "was killed".into(),
            CheckEnd::TimedOut { deadline_s } => format!("took longer than {deadline_s} s"),
            CheckEnd::Missing { program } => format!("could not run: `{program}` was not found"),
            CheckEnd::NotRun => "was not run".into(),
            CheckEnd::RanNothing { base: Some(0) } => "ran no tests, and ran none at the base".into(),
            CheckEnd::RanNothing { base: Some(base) } => format!("ran no tests; at the base it ran {base}"),
            CheckEnd::RanNothing { base: None } => "ran no tests".into(),
            CheckEnd::Unavailable { what } => format!("could not get what it needs: {what}"),
        }
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
    /// Tests that the runner knows and did not run.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tests_skipped: Option<u32>,
    /// What a reader has to know besides, in sentences: a tracked file that the check changed, far fewer tests than before.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub notes: Vec<String>,
}

impl CheckReport {
    /// The name, with the folder where that is not the root: `web: npm test`.
    #[must_use]
    pub fn label(&self) -> String {
        match self.folder.as_str() {
            "." => self.name.clone(),
            folder => format!("{folder}: {}", self.name),
        }
    }
    /// How many tests ran, where that is known.
    #[must_use]
    pub fn tests_run(&self) -> Option<u32> {
        match (self.tests_passed, self.tests_failed) {
            (None, None) => None,
            (passed, failed) => Some(passed.unwrap_or(0).saturating_add(failed.unwrap_or(0))),
        }
    }
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
        self.checks.iter().find(|check| check.end.is_red() && check.end != CheckEnd::NotRun)
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
    /// The landings of these tasks turned the gate red.
    Tasks { tasks: Vec<TaskId> },
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
    /// How often each task was found to blame since the gate was last green, or since it last got better.
    #[serde(default)]
    pub blamed: BTreeMap<TaskId, u32>,
    /// Whether tasks were to blame and could not repair it: another round may.
    #[serde(default)]
    pub gave_up: bool,
    /// Tests that failed, where the gate tells.
    #[serde(default)]
    pub failing: Option<u32>,
}

impl Red {
    /// A gate that has just turned red, and nobody has been looked for.
    #[must_use]
    pub fn at(commit: &Oid) -> Red {
        Red { commit: commit.clone(), culprit: Culprit::Sought, repairs: 0, blamed: BTreeMap::new(), gave_up: false, failing: None }
    }
    /// The tasks that are to repair it.
    #[must_use]
    pub fn culprits(&self) -> &[TaskId] {
        match &self.culprit {
            Culprit::Tasks { tasks } => tasks,
            Culprit::Sought | Culprit::Nobody { .. } => &[],
        }
    }
}

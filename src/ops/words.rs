//! The closed lists of words in answers. A list may grow with what a story can be in: a reader takes a word that it does not know for
//! "something else", and never for an error.

use crate::domain::{self, CheckEnd, Purpose, StopReason, Task, Verdict, Work};
use schemars::JsonSchema;
use serde::Serialize;

/// Where a task stands. The list may grow.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, JsonSchema)]
#[schemars(rename = "StoryTaskStatus")]
pub enum TaskStatus {
    Pending,
    Running,
    Completed,
    Failed,
    Skipped,
}

/// What is going on in a task's status. The list may grow.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
#[schemars(rename = "TaskPhase")]
pub enum Phase {
    Waiting,
    Working,
    Landing,
    Resolving,
    Repairing,
    Landed,
    Failed,
    Skipped,
}

/// Why an attempt was made. The list may grow.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub enum AttemptPurpose {
    Work,
    Retry,
    Resume,
    NoChange,
    Resolve,
    Repair,
}

/// What a gate decided. The list may grow.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, JsonSchema)]
pub enum GateVerdict {
    Passed,
    Failed,
    Ungated,
    Unproven,
}

/// How far a gate came. The list may grow.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub enum GateType {
    Setup,
    Build,
    Test,
    Full,
}

/// What a check is for. The list may grow.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
#[schemars(rename = "GateCheckKind")]
pub enum CheckKind {
    Setup,
    Build,
    Test,
}

/// How a check ended. The list may grow.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
#[schemars(rename = "GateCheckResult")]
pub enum CheckResult {
    Passed,
    Flaky,
    Failed,
    TimedOut,
    Missing,
    NotRun,
    /// It ended well, and ran no test.
    RanNothing,
    /// What it needs from outside could not be had.
    Unavailable,
}

/// What was found about the files that decide the gate: one was changed or removed as a whole, a test says less than before, or what
/// ran may come from another tree. The list may grow.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub enum FindingKind {
    JudgeChanged,
    JudgeRemoved,
    TestRemoved,
    TestSkipped,
    ExpectedToFail,
    TestsNarrowed,
    CasesRemoved,
    AssertionRemoved,
    AssertionWeakened,
    ExpectationChanged,
    LimitRaised,
    SnapshotRewritten,
    WrongTree,
}

/// Whether a finding keeps the story open: `held` until a person accepts it, `refused` until it is taken back; shown only when its
/// task claims the file, or when the settings say so. The list may grow.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
#[schemars(rename = "FindingStanding")]
pub enum Standing {
    Held,
    Refused,
    Claimed,
    Reported,
}

/// What a run may do. The list may grow.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub enum RunScope {
    Wave,
    All,
}

/// How a run schedules. The list may grow.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub enum RunMode {
    Waves,
    Flow,
}

/// How a run ended. The list may grow.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
#[schemars(rename = "RunOutcome")]
pub enum Outcome {
    Finished,
    Failed,
    Cancelled,
    Stopped,
}

/// Why a run was stopped. The list may grow.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
#[schemars(rename = "RunStopReason")]
pub enum StopWord {
    NeedsLogin,
    Quota,
    Policy,
    Unavailable,
    Environment,
    /// A change to what decides the gate waits for a person.
    Held,
}

/// How a completed story reached its readers. The list may grow.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
#[schemars(rename = "PublishedHow")]
pub enum How {
    Branch,
    Merged,
    Pushed,
    PullRequest,
}

impl TaskStatus {
    pub(super) fn of(task: &Task) -> TaskStatus {
        match &task.work {
            Work::Running { .. } | Work::Accepted { .. } => TaskStatus::Running,
            Work::Pending { .. } if task.has_landed() => TaskStatus::Running,
            Work::Pending { .. } => TaskStatus::Pending,
            Work::Landed { .. } => TaskStatus::Completed,
            Work::Failed { .. } => TaskStatus::Failed,
            Work::Skipped { .. } => TaskStatus::Skipped,
        }
    }
}

impl Phase {
    pub(super) fn of(task: &Task) -> Phase {
        let purpose = |purpose: &Purpose, otherwise| match purpose {
            Purpose::Resolve { .. } => Phase::Resolving,
            Purpose::Repair { .. } => Phase::Repairing,
            Purpose::Work | Purpose::Retry { .. } | Purpose::Resume { .. } | Purpose::NoChange => otherwise,
        };
        match &task.work {
            Work::Pending { next } => purpose(next, Phase::Waiting),
            Work::Running { .. } => task.last_attempt().map_or(Phase::Working, |attempt| purpose(&attempt.purpose, Phase::Working)),
            Work::Accepted { .. } => Phase::Landing,
            Work::Landed { .. } => Phase::Landed,
            Work::Failed { .. } => Phase::Failed,
            Work::Skipped { .. } => Phase::Skipped,
        }
    }

    /// The word as it is in JSON.
    pub(super) fn word(self) -> &'static str {
        match self {
            Phase::Waiting => "waiting",
            Phase::Working => "working",
            Phase::Landing => "landing",
            Phase::Resolving => "resolving",
            Phase::Repairing => "repairing",
            Phase::Landed => "landed",
            Phase::Failed => "failed",
            Phase::Skipped => "skipped",
        }
    }
}

impl AttemptPurpose {
    pub(super) fn of(purpose: &Purpose) -> AttemptPurpose {
        match purpose {
            Purpose::Work => AttemptPurpose::Work,
            Purpose::Retry { .. } => AttemptPurpose::Retry,
            Purpose::Resume { .. } => AttemptPurpose::Resume,
            Purpose::NoChange => AttemptPurpose::NoChange,
            Purpose::Resolve { .. } => AttemptPurpose::Resolve,
            Purpose::Repair { .. } => AttemptPurpose::Repair,
        }
    }
}

impl GateVerdict {
    pub(super) fn of(verdict: Verdict) -> GateVerdict {
        match verdict {
            Verdict::Passed => GateVerdict::Passed,
            Verdict::Failed => GateVerdict::Failed,
            Verdict::Ungated => GateVerdict::Ungated,
            Verdict::Unproven => GateVerdict::Unproven,
        }
    }

    /// Whether checks ran and passed; none where there are none.
    pub(super) fn passed(self) -> Option<bool> {
        match self {
            GateVerdict::Passed => Some(true),
            GateVerdict::Failed => Some(false),
            GateVerdict::Ungated | GateVerdict::Unproven => None,
        }
    }
}

impl GateType {
    /// How far a gate came that this check stopped.
    pub(super) fn of(failing: Option<domain::CheckKind>) -> GateType {
        match failing {
            None => GateType::Full,
            Some(domain::CheckKind::Setup) => GateType::Setup,
            Some(domain::CheckKind::Build) => GateType::Build,
            Some(domain::CheckKind::Test) => GateType::Test,
        }
    }
}

impl CheckKind {
    pub(super) fn of(kind: domain::CheckKind) -> CheckKind {
        match kind {
            domain::CheckKind::Setup => CheckKind::Setup,
            domain::CheckKind::Build => CheckKind::Build,
            domain::CheckKind::Test => CheckKind::Test,
        }
    }
}

impl CheckResult {
    /// With the exit code, where there is one.
    pub(super) fn of(end: &CheckEnd) -> (CheckResult, Option<i32>) {
        match end {
            CheckEnd::Passed => (CheckResult::Passed, Some(0)),
            CheckEnd::Flaky => (CheckResult::Flaky, Some(0)),
            CheckEnd::Failed { exit_code } => (CheckResult::Failed, *exit_code),
            CheckEnd::TimedOut { .. } => (CheckResult::TimedOut, None),
            CheckEnd::Missing { .. } => (CheckResult::Missing, None),
            CheckEnd::NotRun => (CheckResult::NotRun, None),
            CheckEnd::RanNothing { .. } => (CheckResult::RanNothing, None),
            CheckEnd::Unavailable { .. } => (CheckResult::Unavailable, None),
        }
    }
}

/// What was found, for people; a kind that a newer Aura has found is shown as it is called.
#[must_use]
pub fn finding_words(kind: &str) -> &str {
    serde_json::from_value::<domain::FindingKind>(kind.into()).map_or(kind, |known| known.words())
}

impl FindingKind {
    pub(super) fn of(kind: domain::FindingKind) -> FindingKind {
        match kind {
            domain::FindingKind::JudgeChanged => FindingKind::JudgeChanged,
            domain::FindingKind::JudgeRemoved => FindingKind::JudgeRemoved,
            domain::FindingKind::TestRemoved => FindingKind::TestRemoved,
            domain::FindingKind::TestSkipped => FindingKind::TestSkipped,
            domain::FindingKind::ExpectedToFail => FindingKind::ExpectedToFail,
            domain::FindingKind::TestsNarrowed => FindingKind::TestsNarrowed,
            domain::FindingKind::CasesRemoved => FindingKind::CasesRemoved,
            domain::FindingKind::AssertionRemoved => FindingKind::AssertionRemoved,
            domain::FindingKind::AssertionWeakened => FindingKind::AssertionWeakened,
            domain::FindingKind::ExpectationChanged => FindingKind::ExpectationChanged,
            domain::FindingKind::LimitRaised => FindingKind::LimitRaised,
            domain::FindingKind::SnapshotRewritten => FindingKind::SnapshotRewritten,
            domain::FindingKind::WrongTree => FindingKind::WrongTree,
        }
    }
}

impl Standing {
    pub(super) fn of(standing: domain::Standing) -> Standing {
        match standing {
            domain::Standing::Held => Standing::Held,
            domain::Standing::Refused => Standing::Refused,
            domain::Standing::Claimed => Standing::Claimed,
            domain::Standing::Reported => Standing::Reported,
        }
    }
}

impl RunScope {
    pub(super) fn of(scope: domain::Scope) -> RunScope {
        match scope {
            domain::Scope::Wave => RunScope::Wave,
            domain::Scope::All => RunScope::All,
        }
    }
}

impl RunMode {
    pub(super) fn of(mode: domain::Mode) -> RunMode {
        match mode {
            domain::Mode::Waves => RunMode::Waves,
            domain::Mode::Flow => RunMode::Flow,
        }
    }
}

impl StopWord {
    pub(super) fn of(reason: StopReason) -> StopWord {
        match reason {
            StopReason::NeedsLogin => StopWord::NeedsLogin,
            StopReason::Quota => StopWord::Quota,
            StopReason::Policy => StopWord::Policy,
            StopReason::Unavailable => StopWord::Unavailable,
            StopReason::Environment => StopWord::Environment,
            StopReason::Held => StopWord::Held,
        }
    }
}

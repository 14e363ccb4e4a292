//! What is found between a story's base and its tip about the files that decide the gate: which of them were changed,
//! and which tests say less than before. A finding that is held keeps the story open until a person accepts it.

use super::{GateReport, Oid, TaskId};
use serde::{Deserialize, Serialize};

/// Kinds of findings. The first two speak of a file as a whole, the others name what makes a test say less.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum FindingKind {
    /// A file that decides the gate was changed, and not only added to.
    JudgeChanged,
    JudgeRemoved,
    TestRemoved,
    TestSkipped,
    /// Marked so that its failure counts as a success.
    ExpectedToFail,
    /// Only some tests of the file still run.
    TestsNarrowed,
    CasesRemoved,
    AssertionRemoved,
    /// It holds for more values than before, or does not always run.
    AssertionWeakened,
    /// The same assertion with another expected value.
    ExpectationChanged,
    /// A timeout, a tolerance or a number of retries was raised.
    LimitRaised,
    /// Most of the recorded snapshots of a file were replaced or removed.
    SnapshotRewritten,
    /// What the gate runs may come from another checkout: that it passed proves nothing.
    WrongTree,
}

impl FindingKind {
    /// Whether it names what makes a test say less, beyond that a file was changed.
    #[must_use]
    pub fn is_weakening(self) -> bool {
        !matches!(self, FindingKind::JudgeChanged | FindingKind::JudgeRemoved | FindingKind::WrongTree)
    }

    /// What was found, for people.
    #[must_use]
    pub fn words(self) -> &'static str {
        match self {
            FindingKind::JudgeChanged => "changed",
            FindingKind::JudgeRemoved => "removed",
            FindingKind::TestRemoved => "test removed",
            FindingKind::TestSkipped => "test skipped",
            FindingKind::ExpectedToFail => "test expected to fail",
            FindingKind::TestsNarrowed => "only some tests run",
            FindingKind::CasesRemoved => "cases removed",
            FindingKind::AssertionRemoved => "assertion removed",
            FindingKind::AssertionWeakened => "assertion weakened",
            FindingKind::ExpectationChanged => "another value expected",
            FindingKind::LimitRaised => "limit raised",
            FindingKind::SnapshotRewritten => "snapshots rewritten",
            FindingKind::WrongTree => "may test another tree",
        }
    }
}

/// What a finding means for the story.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Standing {
    /// The story is not complete until a person accepts it or the change is taken back.
    Held,
    /// Nobody may accept it: the change has to be taken back.
    Refused,
    /// Shown only, because a task of the plan claims the file.
    Claimed,
    /// Shown only, because the settings say so.
    Reported,
}

/// One thing that a person may want to look at before they believe the gate. Path, subject and detail quote the
/// repository: untrusted text.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Finding {
    /// Made of what was changed and of what it became: another change is another finding.
    pub id: String,
    pub kind: FindingKind,
    pub path: String,
    /// Line at the tip, or at the base where the tip has none.
    pub line: Option<u32>,
    /// The test, check or setting that it is about; empty for a file as a whole.
    #[serde(default)]
    pub subject: String,
    #[serde(default)]
    pub detail: String,
    pub standing: Standing,
    /// The task whose landing changed the file last.
    #[serde(default)]
    pub task: Option<TaskId>,
}

/// What was found at one tip.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Judgement {
    /// What the tip is compared with: the story's base, or what was brought in since.
    pub base: Oid,
    pub commit: Oid,
    pub tree: Oid,
    pub findings: Vec<Finding>,
    /// Files whose version of the base was laid over the tip for `restored`.
    #[serde(default)]
    pub laid: Vec<String>,
    /// What the gate says about that tree; none where nothing could be laid over, or where the gate is red without it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub restored: Option<Box<GateReport>>,
    /// An attempt is asked to take the change back: the number of repairs so far.
    #[serde(default)]
    pub take_back: Option<u32>,
}

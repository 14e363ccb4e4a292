//! Facts about a story, in the past tense. The log of these is the truth; everything visible is a fold or a tail of it.
//!
//! Kinds are never reused: a new meaning is a new kind. Every body ever shipped stays readable
//! (`tests/golden/events.jsonl`).

use super::{AddedOrder, GateReport, Judgement, LeftOut, Oid, Outcome, PlannedTask, Purpose, RunId, SessionId, StoryId, TaskId, Usage};
use jiff::Timestamp;
use serde::{Deserialize, Serialize};

/// An event with its place in the log.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Recorded {
    /// Total order over all stories; also the cursor of every stream.
    pub seq: i64,
    /// For people. Never used to decide.
    pub at: Timestamp,
    pub story_id: StoryId,
    #[serde(flatten)]
    pub event: Event,
}

/// What a run may do.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Scope {
    /// One wave and its gate.
    Wave,
    /// All that is left.
    All,
}

/// How a run schedules.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Mode {
    /// A barrier and a gate after each wave.
    Waves,
    /// A task starts the moment its dependencies have landed; gates run beside the work.
    Flow,
}

/// How to end what runs.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Cancel {
    /// Agents are asked to stop; sessions are kept.
    Graceful,
    /// Agents are killed.
    Now,
}

/// How a run ended.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "outcome", rename_all = "camelCase", rename_all_fields = "camelCase")]
pub enum RunOutcome {
    /// Everything in its scope landed and its gate allows.
    Finished,
    /// A task failed for good, or a gate stayed red.
    Failed {
        reason: String,
    },
    Cancelled,
    /// The run cannot go on until a person does something, for example logs in.
    Stopped {
        reason: StopReason,
        detail: String,
    },
}

/// Why a run stopped at once.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum StopReason {
    NeedsLogin,
    Quota,
    Policy,
    Unavailable,
    /// Something under Aura failed, for example the disk is full.
    Environment,
    /// A change to what decides the gate waits for a person.
    Held,
}

/// How a completed story reaches its readers.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "publish", rename_all = "camelCase", rename_all_fields = "camelCase")]
pub enum Published {
    /// The squashed commit is the tip of the story branch, and nothing else was moved.
    Branch {
        branch: String,
    },
    /// The base branch was moved forward to it.
    Merged {
        into: String,
    },
    Pushed {
        remote: String,
        branch: String,
    },
    /// Pushed, and a pull request asks for it to be merged.
    PullRequest {
        remote: String,
        branch: String,
        number: u64,
        url: String,
    },
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct StoryCreated {
    pub title: String,
    pub description: String,
    /// Root of the user's checkout.
    pub repository: String,
    /// Branch that the story started from; none when the checkout's HEAD was detached.
    pub base_branch: Option<String>,
    pub base_commit: Oid,
    pub base_tree: Oid,
    /// The story branch, without `refs/heads/`.
    pub branch: String,
    /// Folder that holds the story's worktrees.
    pub root: String,
    /// Agent of this story, when it differs from the configured one.
    pub agent: Option<String>,
    pub planner: Option<String>,
    pub issue_url: Option<String>,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct PlanAccepted {
    pub planner: String,
    pub tasks: Vec<PlannedTask>,
    pub added_orders: Vec<AddedOrder>,
    pub max_parallelism: u32,
    pub include_tests: bool,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct AttemptStarted {
    pub task: TaskId,
    /// 1-based over the task's whole life.
    pub attempt: u32,
    pub purpose: Purpose,
    pub agent: String,
    pub session: SessionId,
    /// Tip of the story branch that the worktree holds: contains every dependency's commit.
    pub base: Oid,
    pub worktree: String,
    /// Folder of the job: log files, exit file.
    pub job: String,
}

/// The worktree of an attempt is ready, and proven to be.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct AttemptPrepared {
    pub task: TaskId,
    pub attempt: u32,
    /// The commit of the story branch that the worktree holds: the work lands as a change of this.
    pub upon: Oid,
    /// What the worktree held when the first agent started in it, as the tree of a commit. The work is the difference
    /// between this and what the worktree holds in the end.
    pub origin: Oid,
    /// The same for the agent of this attempt: against this it is told whether the attempt changed anything.
    pub start: Oid,
}

/// Landed work of a task that a verification did not find on the story branch.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct MissingWork {
    pub task: TaskId,
    /// The files concerned (bounded); empty when the landing itself is not in the branch.
    pub paths: Vec<String>,
}

impl MissingWork {
    /// Names the task and the files, for people.
    #[must_use]
    pub fn sentence(&self) -> String {
        let files = if self.paths.is_empty() { String::new() } else { format!(" ({})", self.paths.join(", ")) };
        format!("work of `{}` that landed is not on the story branch any more{files}", self.task)
    }
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct AttemptEnded {
    pub task: TaskId,
    pub attempt: u32,
    pub outcome: Outcome,
    /// The agent's own last words: untrusted text.
    pub summary: String,
    pub usage: Usage,
    /// Where the tree was kept when the attempt did not end well and left something.
    pub rescue: Option<String>,
    /// The tree that an attempt which did not end well left, when it is another than it started with.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub left: Option<Oid>,
    /// When a rate-limited run may go on.
    pub resume_at: Option<Timestamp>,
    /// What the agent wrote and no commit holds.
    #[serde(default, skip_serializing_if = "LeftOut::is_empty")]
    pub left_out: LeftOut,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ChangedFile {
    pub path: String,
    pub added: u32,
    pub removed: u32,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct TaskAccepted {
    pub task: TaskId,
    pub attempt: u32,
    pub head: Oid,
    /// Bounded: the first 200.
    pub files: Vec<ChangedFile>,
    /// Changed files that the task did not claim.
    pub outside_claim: Vec<String>,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "camelCase", rename_all_fields = "camelCase")]
pub enum Event {
    StoryCreated(Box<StoryCreated>),
    AnalysisStarted,
    /// `facts` is a JSON object, `reading` what a model made of it (untrusted text).
    AnalysisFinished {
        facts: serde_json::Value,
        reading: Option<String>,
    },
    AnalysisFailed {
        error: String,
    },
    PlanningStarted {
        planner: String,
    },
    PlanAccepted(Box<PlanAccepted>),
    PlanningFailed {
        error: String,
    },

    RunRequested {
        run: RunId,
        scope: Scope,
        mode: Mode,
        max_parallelism: Option<u32>,
    },
    CancelRequested {
        run: RunId,
        how: Cancel,
    },
    /// The run cannot go on: nothing new starts, what runs is asked to stop.
    RunStopped {
        run: RunId,
        reason: StopReason,
        detail: String,
    },
    /// Everything else is done, and the run goes back to what failed or was skipped.
    RoundStarted {
        run: RunId,
        /// 2 for the first time that a run goes back.
        round: u32,
    },
    RunEnded {
        run: RunId,
        #[serde(flatten)]
        outcome: RunOutcome,
    },

    AttemptStarted(Box<AttemptStarted>),
    AttemptPrepared(Box<AttemptPrepared>),
    /// What the agent is doing now, in a few words (untrusted text). Changes nothing else.
    AttemptActivity {
        task: TaskId,
        attempt: u32,
        text: String,
    },
    AttemptEnded(Box<AttemptEnded>),
    TaskAccepted(Box<TaskAccepted>),
    LandingConflicted {
        task: TaskId,
        attempt: u32,
        tip: Oid,
        paths: Vec<String>,
    },
    /// `onto` is the tip before, `commit` the tip after.
    TaskLanded {
        task: TaskId,
        attempt: u32,
        head: Oid,
        onto: Oid,
        commit: Oid,
        tree: Oid,
    },
    /// A task is out of attempts, or cannot be done.
    TaskFailed {
        task: TaskId,
        error: String,
    },
    TaskSkipped {
        task: TaskId,
        because: TaskId,
    },
    /// A person asks for one more try.
    TaskRetried {
        task: TaskId,
    },

    /// A person committed to the story branch: their commit is the tip from now on.
    TipAdopted {
        onto: Oid,
        commit: Oid,
        tree: Oid,
    },
    /// All landed work was looked for at the tip of the story branch.
    LandingsVerified {
        tip: Oid,
        missing: Vec<MissingWork>,
    },
    GateStarted {
        commit: Oid,
        tree: Oid,
        wave: u32,
    },
    GateFinished {
        wave: u32,
        report: Box<GateReport>,
    },
    /// The landing of this task turned the gate red, or did so together with that of others: one event for each.
    CulpritFound {
        commit: Oid,
        task: TaskId,
    },
    /// No task is to blame, or repairs are used up.
    CulpritUnknown {
        commit: Oid,
        why: String,
    },
    /// What was found about the files that decide the gate, at one tip.
    Judged(Box<Judgement>),
    /// A person accepts what was found.
    FindingsAccepted {
        ids: Vec<String>,
        by: String,
        reason: String,
    },
    /// The culprit's session could not repair the gate. Its work stays landed.
    RepairFailed {
        task: TaskId,
        error: String,
    },

    CompletionStarted,
    /// What the base branch has gained does not merge with the story: a task of the story's own resolves it.
    BaseConflicted {
        base: Oid,
        onto: Oid,
        paths: Vec<String>,
    },
    /// The base branch was merged in; the tip moved (or held it already, when a person has merged it).
    BaseBrought {
        base: Oid,
        onto: Oid,
        commit: Oid,
        tree: Oid,
    },
    Squashed {
        base: Oid,
        tip: Oid,
        commit: Oid,
    },
    /// The squashed commit is nowhere outside and will not be: the ceremony goes round again.
    SquashDropped {
        commit: Oid,
        why: String,
    },
    /// A push is about to be made. From here on the remote branch may hold the commit.
    PushStarted {
        remote: String,
        branch: String,
        commit: Oid,
        /// What the remote branch holds now.
        was: Option<Oid>,
    },
    /// The remote branch holds the commit.
    BranchPushed {
        remote: String,
        branch: String,
        commit: Oid,
    },
    /// A pull request asks for the commit: opened by Aura, or found open and brought up to date.
    PullRequestOpened {
        number: u64,
        url: String,
        updated: bool,
    },
    StoryPublished {
        commit: Oid,
        #[serde(flatten)]
        how: Published,
    },
    CompletionFailed {
        error: String,
    },

    WorktreesRemoved {
        paths: Vec<String>,
    },
    /// Something that a reader of the log should know and that changes nothing.
    Noted {
        text: String,
    },
}

impl Event {
    /// The task that the event speaks of.
    #[must_use]
    pub fn task(&self) -> Option<&TaskId> {
        match self {
            Event::AttemptStarted(e) => Some(&e.task),
            Event::AttemptPrepared(e) => Some(&e.task),
            Event::AttemptEnded(e) => Some(&e.task),
            Event::TaskAccepted(e) => Some(&e.task),
            Event::AttemptActivity { task, .. }
            | Event::LandingConflicted { task, .. }
            | Event::TaskLanded { task, .. }
            | Event::TaskFailed { task, .. }
            | Event::TaskSkipped { task, .. }
            | Event::TaskRetried { task }
            | Event::CulpritFound { task, .. }
            | Event::RepairFailed { task, .. } => Some(task),
            Event::StoryCreated(_)
            | Event::AnalysisStarted
            | Event::AnalysisFinished { .. }
            | Event::AnalysisFailed { .. }
            | Event::PlanningStarted { .. }
            | Event::PlanAccepted(_)
            | Event::PlanningFailed { .. }
            | Event::RunRequested { .. }
            | Event::CancelRequested { .. }
            | Event::RunStopped { .. }
            | Event::RoundStarted { .. }
            | Event::RunEnded { .. }
            | Event::TipAdopted { .. }
            | Event::LandingsVerified { .. }
            | Event::GateStarted { .. }
            | Event::GateFinished { .. }
            | Event::CulpritUnknown { .. }
            | Event::Judged(_)
            | Event::FindingsAccepted { .. }
            | Event::CompletionStarted
            | Event::BaseConflicted { .. }
            | Event::BaseBrought { .. }
            | Event::Squashed { .. }
            | Event::SquashDropped { .. }
            | Event::PushStarted { .. }
            | Event::BranchPushed { .. }
            | Event::PullRequestOpened { .. }
            | Event::StoryPublished { .. }
            | Event::CompletionFailed { .. }
            | Event::WorktreesRemoved { .. }
            | Event::Noted { .. } => None,
        }
    }
}

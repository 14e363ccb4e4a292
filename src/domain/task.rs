//! One task's life: what it may be, and the only table of what may happen to it.

use super::{AttemptPrepared, AttemptStarted, ChangedFile, Event, Failures, LeftOut, Oid, Outcome, PlannedTask, SessionId, TaskId, Usage};
use jiff::Timestamp;
use serde::{Deserialize, Serialize};

/// Most changed files that an acceptance names: with as many, there may be more.
pub const CHANGED_FILES_MAX: usize = 200;

/// Why an attempt is made: decides its session and its prompt.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "purpose", rename_all = "camelCase", rename_all_fields = "camelCase")]
pub enum Purpose {
    /// The first look at the task.
    Work,
    /// A new session that is told what went wrong before.
    Retry { error: String },
    /// The same session goes on after an interruption, a crash, a stall or a rate limit.
    Resume { why: String },
    /// The same session is told that nothing changed.
    NoChange,
    /// The same session resolves a conflict with what landed meanwhile.
    Resolve { tip: Oid, paths: Vec<String> },
    /// The same session repairs the gate that its landing turned red.
    Repair { commit: Oid },
}

impl Purpose {
    /// Whether the attempt goes on in the session of the one before.
    #[must_use]
    pub fn keeps_session(&self) -> bool {
        match self {
            Purpose::Work | Purpose::Retry { .. } => false,
            Purpose::Resume { .. } | Purpose::NoChange | Purpose::Resolve { .. } | Purpose::Repair { .. } => true,
        }
    }
    /// Whether the worktree keeps what the attempt before left in it.
    #[must_use]
    pub fn keeps_worktree(&self) -> bool {
        self.keeps_session()
    }
}

/// One attempt, for the record.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Attempt {
    pub number: u32,
    pub purpose: Purpose,
    pub agent: String,
    pub session: SessionId,
    pub base: Oid,
    pub worktree: String,
    pub job: String,
    pub started_at: Timestamp,
    /// Set when the worktree was ready; an attempt without it has left no work.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub prepared: Option<Prepared>,
    pub ended: Option<AttemptEnd>,
    /// The commit of this attempt's work, when it was accepted.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub accepted: Option<Oid>,
}

/// What an attempt started from: see [`super::AttemptPrepared`].
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Prepared {
    pub upon: Oid,
    pub origin: Oid,
    pub start: Oid,
}

impl Prepared {
    fn of(event: &AttemptPrepared) -> Prepared {
        Prepared { upon: event.upon.clone(), origin: event.origin.clone(), start: event.start.clone() }
    }
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct AttemptEnd {
    pub at: Timestamp,
    pub outcome: Outcome,
    pub summary: String,
    pub usage: Usage,
    pub rescue: Option<String>,
    /// See [`AttemptEnded::left`].
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub left: Option<Oid>,
    #[serde(default, skip_serializing_if = "LeftOut::is_empty")]
    pub left_out: LeftOut,
}

/// One landing, for the record.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Landing {
    pub attempt: u32,
    pub head: Oid,
    pub onto: Oid,
    pub commit: Oid,
    pub at: Timestamp,
}

/// What a task of the ceremony brings into the story: a commit of the base branch, and the files it conflicts in.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Bringing {
    pub base: Oid,
    pub paths: Vec<String>,
}

impl Bringing {
    /// What its agent is asked for.
    #[must_use]
    pub fn purpose(&self) -> Purpose {
        Purpose::Resolve { tip: self.base.clone(), paths: self.paths.clone() }
    }
}

/// Where a task stands. Each state carries what is true in it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "state", rename_all = "camelCase", rename_all_fields = "camelCase")]
pub enum Work {
    /// Waits for its dependencies, for a slot, or to be told what went wrong.
    Pending {
        next: Purpose,
    },
    Running {
        attempt: u32,
    },
    /// The evidence of an attempt was accepted; `head` is to be landed.
    Accepted {
        attempt: u32,
        head: Oid,
    },
    Landed {
        commit: Oid,
    },
    Failed {
        error: String,
    },
    Skipped {
        because: TaskId,
    },
}

/// One node of the plan and all that happened to it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Task {
    pub planned: PlannedTask,
    pub work: Work,
    pub attempts: Vec<Attempt>,
    pub landings: Vec<Landing>,
    /// What went wrong since the last fresh start (a run, a round, a retry, a landing).
    #[serde(default)]
    pub failures: Failures,
    /// Files changed by the last accepted attempt, and those outside its claim.
    pub files: Vec<ChangedFile>,
    pub outside_claim: Vec<String>,
    /// The agent's latest activity while running (untrusted text).
    pub activity: String,
    /// Set for a task that the merge ceremony made: it brings the base branch in.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub brings: Option<Bringing>,
}

/// An event that cannot follow the state.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
#[error("`{event}` cannot follow {state}")]
pub struct Illegal {
    pub event: String,
    pub state: String,
}

/// Permission to land `head` for `task`: issued by a task that has been accepted, by nothing else.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Landable {
    task: TaskId,
    attempt: u32,
    head: Oid,
    upon: Option<Oid>,
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
    /// The commit of the story branch that the work is a change of; none for work of an older log.
    #[must_use]
    pub fn upon(&self) -> Option<&Oid> {
        self.upon.as_ref()
    }
}

impl Task {
    #[must_use]
    pub fn new(planned: PlannedTask) -> Self {
        Task {
            planned,
            work: Work::Pending { next: Purpose::Work },
            attempts: vec![],
            landings: vec![],
            failures: Failures::default(),
            files: vec![],
            outside_claim: vec![],
            activity: String::new(),
            brings: None,
        }
    }
    #[must_use]
    pub fn id(&self) -> &TaskId {
        &self.planned.id
    }
    /// Whether its work is on the story branch: what dependents wait for. Stays true while it is repaired.
    #[must_use]
    pub fn has_landed(&self) -> bool {
        !self.landings.is_empty()
    }
    /// Whether nothing more happens to it in this run.
    #[must_use]
    pub fn is_over(&self) -> bool {
        match self.work {
            Work::Landed { .. } | Work::Failed { .. } | Work::Skipped { .. } => true,
            Work::Pending { .. } | Work::Running { .. } | Work::Accepted { .. } => false,
        }
    }
    #[must_use]
    pub fn is_repairing(&self) -> bool {
        self.has_landed() && !self.is_over()
    }
    /// The files of the conflict that it is asked to resolve, or is resolving.
    #[must_use]
    pub fn conflict(&self) -> Option<&[String]> {
        let purpose = match &self.work {
            Work::Pending { next } => next,
            Work::Running { .. } | Work::Accepted { .. } => &self.last_attempt()?.purpose,
            Work::Landed { .. } | Work::Failed { .. } | Work::Skipped { .. } => return None,
        };
        match purpose {
            Purpose::Resolve { paths, .. } => Some(paths),
            Purpose::Work | Purpose::Retry { .. } | Purpose::Resume { .. } | Purpose::NoChange | Purpose::Repair { .. } => None,
        }
    }
    /// Whether an agent resolves a conflict for this task in files that the accepted work of `other` changes.
    pub(super) fn is_resolving_beside(&self, other: &Task) -> bool {
        let Some(paths) = self.conflict().filter(|_| matches!(self.work, Work::Running { .. })) else { return false };
        let changes = |path: &String| other.files.iter().any(|file| file.path == *path);
        other.files.len() >= CHANGED_FILES_MAX || paths.iter().any(changes)
    }
    /// The permit to land, if the task has been accepted.
    #[must_use]
    pub fn landable(&self) -> Option<Landable> {
        match &self.work {
            Work::Accepted { attempt, head } => {
                let prepared = self.attempts.iter().find(|of| of.number == *attempt).and_then(|of| of.prepared.as_ref());
                let upon = prepared.map(|prepared| prepared.upon.clone());
                Some(Landable { task: self.id().clone(), attempt: *attempt, head: head.clone(), upon })
            }
            Work::Pending { .. } | Work::Running { .. } | Work::Landed { .. } | Work::Failed { .. } | Work::Skipped { .. } => None,
        }
    }
    #[must_use]
    pub fn last_attempt(&self) -> Option<&Attempt> {
        self.attempts.last()
    }
    /// The last words of the last attempt that said any.
    #[must_use]
    pub fn summary(&self) -> Option<&str> {
        self.attempts
            .iter()
            .rev()
            .filter_map(|attempt| attempt.ended.as_ref())
            .map(|end| end.summary.as_str())
            .find(|text| !text.is_empty())
    }
    /// What its agent wrote and no commit holds, when the worktree was last looked at.
    #[must_use]
    pub fn left_out(&self) -> Option<&LeftOut> {
        let was_looked_at = |end: &&AttemptEnd| matches!(end.outcome, Outcome::Done | Outcome::NoChange | Outcome::Unresolved { .. });
        let ends = self.attempts.iter().rev().filter_map(|attempt| attempt.ended.as_ref());
        ends.into_iter().find(was_looked_at).map(|end| &end.left_out).filter(|left| !left.is_empty())
    }
    #[must_use]
    pub fn error(&self) -> Option<String> {
        match &self.work {
            Work::Failed { error } => Some(error.clone()),
            Work::Skipped { because } => Some(format!("skipped because `{because}` did not land")),
            Work::Pending { .. } | Work::Running { .. } | Work::Accepted { .. } | Work::Landed { .. } => None,
        }
    }

    /// The only table of legal moves of a task. Live runs, replays and tests all come through here.
    pub(super) fn apply(mut self, event: &Event, at: Timestamp) -> Result<Task, Illegal> {
        self.work = match (self.work.clone(), event) {
            (Work::Pending { next }, Event::AttemptStarted(e)) if e.attempt == self.next_number() && e.purpose == next => {
                self.attempts.push(attempt_of(e, at));
                self.activity.clear();
                Work::Running { attempt: e.attempt }
            }
            (Work::Running { attempt }, Event::AttemptPrepared(e)) if attempt == e.attempt && self.may_be_prepared() => {
                self.attempts.iter_mut().rev().take(1).for_each(|attempt| attempt.prepared = Some(Prepared::of(e)));
                Work::Running { attempt }
            }
            (Work::Running { attempt }, Event::AttemptActivity { attempt: of, text, .. })
                if attempt == *of && !self.attempt_is_closed() =>
            {
                self.activity.clone_from(text);
                Work::Running { attempt }
            }
            // Also after it was closed as done: the evidence may overrule the agent, and a run must be able to end.
            (Work::Running { attempt }, Event::AttemptEnded(e)) if attempt == e.attempt && e.outcome != Outcome::Done => {
                self.unhappy(e, at)
            }
            (Work::Running { attempt }, Event::AttemptEnded(e)) if attempt == e.attempt && !self.attempt_is_closed() => {
                self.close(e, at);
                (self.failures.rate_limits, self.failures.interruptions) = (0, 0);
                Work::Running { attempt }
            }
            (Work::Running { attempt }, Event::TaskAccepted(e)) if attempt == e.attempt && self.attempt_is_closed() => {
                self.files.clone_from(&e.files);
                self.outside_claim.clone_from(&e.outside_claim);
                self.attempts.iter_mut().rev().take(1).for_each(|attempt| attempt.accepted = Some(e.head.clone()));
                Work::Accepted { attempt, head: e.head.clone() }
            }
            (Work::Accepted { attempt, .. }, Event::LandingConflicted { attempt: of, tip, paths, .. }) if attempt == *of => {
                self.failures.conflicts += u32::from(self.has_resolved_against(tip));
                Work::Pending { next: Purpose::Resolve { tip: tip.clone(), paths: paths.clone() } }
            }
            (Work::Accepted { attempt, head }, Event::TaskLanded { attempt: of, head: landed, onto, commit, .. })
                if attempt == *of && head == *landed =>
            {
                self.landings.push(Landing { attempt, head, onto: onto.clone(), commit: commit.clone(), at });
                self.forget_counts();
                Work::Landed { commit: commit.clone() }
            }
            (Work::Pending { .. } | Work::Accepted { .. }, Event::TaskFailed { error, .. }) if !self.has_landed() => {
                Work::Failed { error: error.clone() }
            }
            (Work::Pending { .. }, Event::TaskSkipped { because, .. }) if !self.has_landed() => Work::Skipped { because: because.clone() },
            (Work::Landed { .. }, Event::CulpritFound { commit, .. }) => {
                self.forget_counts();
                Work::Pending { next: Purpose::Repair { commit: commit.clone() } }
            }
            // Its repair is under way since an earlier run, and that is what was to be asked for.
            (state @ (Work::Pending { .. } | Work::Running { .. } | Work::Accepted { .. }), Event::CulpritFound { .. })
                if self.has_landed() =>
            {
                state
            }
            (Work::Pending { .. } | Work::Accepted { .. }, Event::RepairFailed { .. }) if self.has_landed() => self.back_to_landed(),
            (Work::Failed { .. } | Work::Skipped { .. }, event) if begins_anew(event) => self.fresh(),
            (state, Event::RoundStarted { .. }) => state,
            (Work::Pending { next: Purpose::Repair { .. } }, Event::RunRequested { .. }) => self.back_to_landed(),
            (state, Event::RunRequested { .. }) => {
                self.forget_counts();
                state
            }
            (state, event) => return Err(illegal(&state, event)),
        };
        Ok(self)
    }

    /// The number that the next attempt carries.
    #[must_use]
    pub fn next_number(&self) -> u32 {
        self.attempts.len() as u32 + 1
    }

    fn may_be_prepared(&self) -> bool {
        self.last_attempt().is_some_and(|attempt| attempt.ended.is_none() && attempt.prepared.is_none())
    }

    /// Whether the last attempt was to resolve a conflict with this tip. A conflict is nobody's fault: it counts when what was to
    /// resolve it conflicts with the same tip again.
    fn has_resolved_against(&self, tip: &Oid) -> bool {
        matches!(self.last_attempt().map(|attempt| &attempt.purpose), Some(Purpose::Resolve { tip: before, .. }) if before == tip)
    }

    fn attempt_is_closed(&self) -> bool {
        self.last_attempt().is_some_and(|attempt| attempt.ended.is_some())
    }
}

/// Whether what was given up is tried again.
fn begins_anew(event: &Event) -> bool {
    matches!(event, Event::TaskRetried { .. } | Event::RunRequested { .. } | Event::RoundStarted { .. })
}

fn attempt_of(e: &AttemptStarted, at: Timestamp) -> Attempt {
    Attempt {
        number: e.attempt,
        purpose: e.purpose.clone(),
        agent: e.agent.clone(),
        session: e.session,
        base: e.base.clone(),
        worktree: e.worktree.clone(),
        job: e.job.clone(),
        started_at: at,
        prepared: None,
        ended: None,
        accepted: None,
    }
}

/// Names the state and the event by their wire names.
pub(super) fn illegal(state: &impl Serialize, event: &Event) -> Illegal {
    let name =
        |value: &serde_json::Value, key: &str| value.get(key).and_then(|v| v.as_str()).map_or_else(|| value.to_string(), str::to_owned);
    let state = serde_json::to_value(state).unwrap_or_default();
    let event = serde_json::to_value(event).unwrap_or_default();
    Illegal { event: name(&event, "kind"), state: format!("state `{}`", name(&state, "state")) }
}

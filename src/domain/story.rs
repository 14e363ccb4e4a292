//! The story: the fold of its events, and the questions one may ask of it.

use super::task::illegal;
use super::{
    AddedOrder, Cancel, Culprit, Event, Gates, Illegal, Judgement, MissingWork, Mode, Oid, Outcome, PlanAccepted, Published, RunId,
    RunOutcome, Scope, StopReason, StoryCreated, StoryId, Task, TaskId, Work,
};
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use std::collections::BTreeSet;

/// A commit of the story branch and its tree.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Tip {
    pub commit: Oid,
    pub tree: Oid,
}

/// What was gathered about the repository.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Analysis {
    pub facts: serde_json::Value,
    /// A model's reading of the facts: untrusted text.
    pub reading: Option<String>,
}

/// How the plan came about.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct PlanOrigin {
    pub planner: String,
    pub added_orders: Vec<AddedOrder>,
    pub include_tests: bool,
}

/// A run that has not ended.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Run {
    pub id: RunId,
    pub scope: Scope,
    pub mode: Mode,
    /// The wave that a run of scope `wave` is to finish.
    pub wave: u32,
    /// 1 until the run goes back to what failed.
    #[serde(default = "first_round")]
    pub round: u32,
    pub max_parallelism: u32,
    pub cancel: Option<Cancel>,
    /// Set when the run must not start anything more.
    pub stop: Option<(StopReason, String)>,
    pub started_at: Timestamp,
    /// Position of the request in the log, where a reader of this run starts.
    pub since: i64,
}

fn first_round() -> u32 {
    1
}

/// The last run that ended.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct LastRun {
    pub id: RunId,
    pub since: i64,
    pub ended_at: Timestamp,
    #[serde(flatten)]
    pub outcome: RunOutcome,
}

/// A rate limit that holds the whole run.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Throttle {
    pub until: Timestamp,
    pub parallelism: u32,
    /// How often in a row an agent met the limit when it was thought to be over.
    #[serde(default)]
    pub hits: u32,
}

impl Throttle {
    /// The hits with one more at that moment, which counts when the limit was thought to be over.
    #[must_use]
    pub fn hits_at(&self, at: Timestamp) -> u32 {
        self.hits + u32::from(self.until <= at)
    }
}

/// The last look for all landed work at a tip of the story branch.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Verification {
    pub tip: Oid,
    pub missing: Vec<MissingWork>,
}

/// How far the merge ceremony is.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "state", rename_all = "camelCase", rename_all_fields = "camelCase")]
pub enum Completion {
    Open,
    Started,
    Squashed {
        base: Oid,
        tip: Oid,
        commit: Oid,
    },
    /// The remote branch holds the squashed commit.
    Pushed {
        base: Oid,
        tip: Oid,
        commit: Oid,
        remote: String,
        branch: String,
    },
    Done {
        commit: Oid,
        at: Timestamp,
        #[serde(flatten)]
        how: Published,
    },
}

/// A story and all that happened to it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Story {
    pub id: StoryId,
    #[serde(flatten)]
    pub created: StoryCreated,
    pub created_at: Timestamp,
    pub updated_at: Timestamp,
    /// Position of the last event folded in.
    pub seq: i64,
    pub analysis: Option<Analysis>,
    pub analyzing: bool,
    pub planning: bool,
    /// Why the last analysis or planning did not work, until the next one does.
    pub trouble: Option<String>,
    pub plan: Option<PlanOrigin>,
    pub max_parallelism: u32,
    #[serde(skip)]
    pub tasks: Vec<Task>,
    pub tip: Tip,
    /// Accepted tasks, in the order of their acceptance: the order of landing. A driver that dies between moving the
    /// branch and writing it down is followed by one that begins with the same task, and finds its landing.
    #[serde(default)]
    pub landing_queue: Vec<TaskId>,
    pub run: Option<Run>,
    pub last_run: Option<LastRun>,
    pub throttle: Option<Throttle>,
    pub gates: Gates,
    /// Whether what landed was found again; a story of which something is missing is not complete.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub verified: Option<Verification>,
    /// What was found last about the files that decide the gate, and where in the log that stands.
    #[serde(default)]
    pub judgement: Option<Judgement>,
    #[serde(default)]
    pub judged_seq: i64,
    /// Ids of findings that a person has accepted.
    #[serde(default)]
    pub accepted: BTreeSet<String>,
    pub completion: Completion,
    /// Every commit that a push of Aura's was begun with: what the remote branch may hold by Aura's own hand.
    #[serde(default)]
    pub pushes: Vec<Oid>,
    /// The pull request, once there is one.
    #[serde(default)]
    pub pull_request: Option<PullRequestRef>,
    pub worktrees_removed: bool,
    /// The last of what a reader should know: see [`Event::Noted`].
    #[serde(default)]
    pub notes: Vec<String>,
}

/// Most notes that a story shows; the log has all.
const NOTES_MAX: usize = 20;

/// A pull request of the story's branch.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct PullRequestRef {
    pub number: u64,
    pub url: String,
}

impl Story {
    /// The story that its first event makes.
    #[must_use]
    pub fn create(id: StoryId, created: StoryCreated, at: Timestamp, seq: i64) -> Story {
        let tip = Tip { commit: created.base_commit.clone(), tree: created.base_tree.clone() };
        Story {
            id,
            created,
            created_at: at,
            updated_at: at,
            seq,
            analysis: None,
            analyzing: false,
            planning: false,
            trouble: None,
            plan: None,
            max_parallelism: 4,
            tasks: vec![],
            tip,
            landing_queue: vec![],
            run: None,
            last_run: None,
            throttle: None,
            gates: Gates::default(),
            verified: None,
            judgement: None,
            judged_seq: 0,
            accepted: BTreeSet::new(),
            completion: Completion::Open,
            pushes: vec![],
            pull_request: None,
            worktrees_removed: false,
            notes: vec![],
        }
    }

    /// The only way a story changes. Refuses what cannot follow; the store calls it inside the transaction.
    ///
    /// # Errors
    /// [`Illegal`] names the event and the state that refused it.
    pub fn apply(mut self, event: &Event, at: Timestamp, seq: i64) -> Result<Story, Illegal> {
        self.seq = seq;
        self.updated_at = at;
        if let Some(id) = event.task().cloned() {
            return self.apply_to_task(&id, event, at);
        }
        self.apply_to_story(event, at, seq)
    }

    fn apply_to_task(mut self, id: &TaskId, event: &Event, at: Timestamp) -> Result<Story, Illegal> {
        let refuse = |state: &str| Err(Illegal { event: illegal(&"", event).event, state: state.into() });
        let needs_run = !matches!(event, Event::TaskRetried { .. });
        if needs_run && self.run.is_none() {
            return refuse("a story without an active run");
        }
        if !needs_run && self.run.is_some() {
            return refuse("a story with an active run");
        }
        let Some(index) = self.tasks.iter().position(|task| task.id() == id) else {
            return refuse(&format!("a plan without task `{id}`"));
        };
        if let Some(state) = self.why_not(index, event) {
            return refuse(&state);
        }
        self.tasks[index] = self.tasks[index].clone().apply(event, at)?;
        self.landing_queue.retain(|queued| queued != id);
        if self.tasks[index].landable().is_some() {
            self.landing_queue.push(id.clone());
        }
        self.after_task_event(id, event, at);
        Ok(self)
    }

    /// What the rest of the story has against an event of a task; the task itself is asked afterwards.
    fn why_not(&self, index: usize, event: &Event) -> Option<String> {
        let task = &self.tasks[index];
        match event {
            Event::AttemptStarted(_) => {
                self.missing_dependency(task).map(|missing| format!("a task whose dependency `{missing}` has not landed"))
            }
            Event::TaskLanded { onto, .. } if *onto != self.tip.commit => Some("a tip that has moved".into()),
            Event::TaskSkipped { because, .. } => {
                let dead = self.task(because).is_some_and(|task| matches!(task.work, Work::Failed { .. } | Work::Skipped { .. }));
                let depends = task.planned.depends_on.contains(because);
                (!dead || !depends).then(|| format!("a task that can do without `{because}`"))
            }
            Event::CulpritFound { commit, task } if !self.can_be_blamed(commit, task) => Some("a story that seeks no culprit there".into()),
            Event::TaskRetried { .. } if self.is_closed() => Some("a story that is completed".into()),
            _ => None,
        }
    }

    /// Whether the merge ceremony is past the point of going back to work.
    #[must_use]
    pub fn is_closed(&self) -> bool {
        matches!(self.completion, Completion::Squashed { .. } | Completion::Pushed { .. } | Completion::Done { .. })
    }

    /// What an event of a task means for the rest of the story.
    fn after_task_event(&mut self, id: &TaskId, event: &Event, at: Timestamp) {
        if let Event::TaskLanded { commit, tree, .. } = event {
            self.tip = Tip { commit: commit.clone(), tree: tree.clone() };
        }
        if let Event::AttemptEnded(e) = event {
            self.after_attempt(&e.outcome, e.resume_at, at);
        }
        self.after_blame(id, event);
    }

    fn after_attempt(&mut self, outcome: &Outcome, resume_at: Option<Timestamp>, at: Timestamp) {
        let Some(run) = &mut self.run else { return };
        if let Some((reason, detail)) = outcome.stops() {
            run.stop.get_or_insert((reason, detail.to_owned()));
        }
        // Halved at a limit, one more for each good end: the classic probe for a rate that is not known. The hold itself
        // only time ends: that one agent came through does not make the limit of another untrue.
        let limit = run.max_parallelism;
        if let Outcome::RateLimited { .. } = outcome {
            let before = self.throttle.take().unwrap_or(Throttle { until: at, parallelism: limit, hits: 0 });
            let hits = before.hits_at(at);
            let until = resume_at.unwrap_or(at).max(before.until);
            self.throttle = Some(Throttle { until, parallelism: (before.parallelism / 2).max(1), hits });
        } else if let (Outcome::Done, Some(throttle)) = (outcome, &mut self.throttle) {
            throttle.parallelism = (throttle.parallelism + 1).min(limit);
            throttle.hits = 0;
        }
    }

    fn note(&mut self, text: &str) {
        self.notes.push(text.to_owned());
        let before = self.notes.len().saturating_sub(NOTES_MAX);
        self.notes.drain(..before);
    }

    // tidy: flat match
    fn apply_to_story(mut self, event: &Event, at: Timestamp, seq: i64) -> Result<Story, Illegal> {
        let refuse = |state: &str| Err(Illegal { event: illegal(&"", event).event, state: state.into() });
        let idle = self.run.is_none();
        match event {
            Event::StoryCreated(_) => return refuse("a story that exists"),
            Event::Noted { text } => self.note(text),
            Event::AnalysisStarted if idle => self.analyzing = true,
            Event::AnalysisFinished { facts, reading } if self.analyzing => {
                self.analysis = Some(Analysis { facts: facts.clone(), reading: reading.clone() });
                (self.analyzing, self.trouble) = (false, None);
            }
            Event::AnalysisFailed { error } if self.analyzing => (self.analyzing, self.trouble) = (false, Some(error.clone())),
            Event::PlanningStarted { .. } if idle && !self.has_run() => self.planning = true,
            Event::PlanAccepted(accepted) if self.planning => self.accept_plan(accepted),
            Event::PlanningFailed { error } if self.planning => (self.planning, self.trouble) = (false, Some(error.clone())),
            Event::RunRequested { run, scope, mode, max_parallelism } => {
                if let Some(state) = self.why_not_run() {
                    return refuse(state);
                }
                for task in &mut self.tasks {
                    *task = task.clone().apply(event, at)?;
                }
                let (id, scope, mode, wave) = (*run, *scope, *mode, 0);
                let max_parallelism = max_parallelism.unwrap_or(self.max_parallelism).max(1);
                self.start_run(Run {
                    id,
                    scope,
                    mode,
                    wave,
                    round: 1,
                    max_parallelism,
                    cancel: None,
                    stop: None,
                    started_at: at,
                    since: seq,
                });
            }
            Event::CancelRequested { run, how } if self.run.as_ref().is_some_and(|active| active.id == *run) => {
                if let Some(active) = &mut self.run {
                    active.cancel = active.cancel.max(Some(*how));
                }
            }
            Event::RunStopped { run, reason, detail } if self.run.as_ref().is_some_and(|active| active.id == *run) => {
                // The first reason stays, unless what fails now is the ground itself: then nothing may be tried any more.
                if let Some(active) = &mut self.run
                    && (active.stop.is_none() || *reason == StopReason::Environment)
                {
                    active.stop = Some((*reason, detail.clone()));
                }
            }
            Event::RoundStarted { run, round }
                if self.run.as_ref().is_some_and(|active| active.id == *run && *round == active.round + 1) =>
            {
                for task in &mut self.tasks {
                    *task = task.clone().apply(event, at)?;
                }
                self.start_round(*round);
            }
            Event::TipAdopted { onto, commit, tree } if *onto == self.tip.commit && !self.is_closed() => {
                self.tip = Tip { commit: commit.clone(), tree: tree.clone() };
            }
            Event::RunEnded { run, outcome } if self.run.as_ref().is_some_and(|active| active.id == *run) => {
                if self.tasks.iter().any(|task| matches!(task.work, Work::Running { .. })) {
                    return refuse("a run with a running attempt");
                }
                let since = self.run.as_ref().map_or(0, |active| active.since);
                self.last_run = Some(LastRun { id: *run, since, ended_at: at, outcome: outcome.clone() });
                (self.run, self.throttle, self.gates.running) = (None, None, None);
            }
            Event::LandingsVerified { tip, missing } if *tip == self.tip.commit => {
                self.verified = Some(Verification { tip: tip.clone(), missing: missing.clone() });
            }
            Event::GateStarted { commit, wave, .. } => self.gate_started(commit, *wave),
            Event::GateFinished { wave, report } => self.gate_finished(*wave, report),
            Event::Judged(judgement) if !self.is_closed() => self.judged(judgement, seq),
            Event::FindingsAccepted { ids, .. } if !self.is_closed() && self.may_accept(ids) => self.findings_accepted(ids),
            Event::CulpritUnknown { commit, why } if self.is_sought(commit) => {
                if let Some(red) = &mut self.gates.red {
                    red.culprit = Culprit::Nobody { why: why.clone() };
                }
            }
            Event::CompletionStarted if idle && !matches!(self.completion, Completion::Done { .. }) => {
                if self.completion == Completion::Open {
                    self.completion = Completion::Started;
                }
            }
            Event::BaseConflicted { base, onto, paths } if idle && self.completion == Completion::Started && *onto == self.tip.commit => {
                self.base_conflicted(base, paths);
            }
            Event::BaseBrought { base, onto, commit, tree } if self.completion == Completion::Started && *onto == self.tip.commit => {
                self.base_brought(base, commit, at);
                self.tip = Tip { commit: commit.clone(), tree: tree.clone() };
            }
            Event::Squashed { base, tip, commit }
                if self.completion == Completion::Started
                    && *tip == self.tip.commit
                    && self.gates.red.is_none()
                    && self.tip_allows()
                    && !self.is_held() =>
            {
                self.completion = Completion::Squashed { base: base.clone(), tip: tip.clone(), commit: commit.clone() };
            }
            Event::SquashDropped { commit, .. } if self.is_squashed_to(commit) => self.completion = Completion::Started,
            Event::PushStarted { commit, .. } if self.is_squashed_to(commit) => {
                if !self.pushes.contains(commit) {
                    self.pushes.push(commit.clone());
                }
            }
            Event::BranchPushed { remote, branch, commit } if self.is_squashed_to(commit) => {
                if let Completion::Squashed { base, tip, commit } = self.completion {
                    self.completion = Completion::Pushed { base, tip, commit, remote: remote.clone(), branch: branch.clone() };
                }
            }
            Event::PullRequestOpened { number, url, .. } if matches!(self.completion, Completion::Pushed { .. }) => {
                self.pull_request = Some(PullRequestRef { number: *number, url: url.clone() });
            }
            Event::StoryPublished { commit, how } if self.is_ready_to_publish(commit) => {
                self.completion = Completion::Done { commit: commit.clone(), at, how: how.clone() };
            }
            Event::CompletionFailed { .. } => {
                if self.completion == Completion::Started {
                    self.completion = Completion::Open;
                }
            }
            Event::WorktreesRemoved { .. } if idle => self.worktrees_removed = true,
            _ => return refuse(&format!("a story that is {:?}/{:?}", self.status(), self.orchestrator_status())),
        }
        Ok(self)
    }

    fn is_squashed_to(&self, wanted: &Oid) -> bool {
        matches!(&self.completion, Completion::Squashed { commit, .. } if commit == wanted)
    }

    fn is_ready_to_publish(&self, wanted: &Oid) -> bool {
        matches!(&self.completion, Completion::Squashed { commit, .. } | Completion::Pushed { commit, .. } if commit == wanted)
    }

    fn accept_plan(&mut self, accepted: &PlanAccepted) {
        self.tasks = accepted.tasks.iter().cloned().map(Task::new).collect();
        self.plan = Some(PlanOrigin {
            planner: accepted.planner.clone(),
            added_orders: accepted.added_orders.clone(),
            include_tests: accepted.include_tests,
        });
        self.max_parallelism = accepted.max_parallelism;
        // A run that ended before any attempt was a run of another plan.
        (self.planning, self.trouble, self.last_run) = (false, None, None);
    }

    /// Why no run can be asked for now.
    fn why_not_run(&self) -> Option<&'static str> {
        let reasons = [
            (self.run.is_some(), "a story with an active run"),
            (self.planning, "a story that is being planned"),
            (self.tasks.is_empty(), "a story without a plan"),
            (self.is_closed(), "a story that is completed"),
            (self.worktrees_removed, "a story whose worktrees have been removed"),
        ];
        reasons.into_iter().find_map(|(holds, state)| holds.then_some(state))
    }

    fn start_run(&mut self, run: Run) {
        let open = self.reopen_waves();
        self.run = Some(Run { wave: open.unwrap_or(self.wave_count()), ..run });
        // A red verdict is looked at again: what was outside the tree may have been mended. A green one stays true.
        self.gates.verdicts.retain(|_, verdict| verdict.allows());
        (self.gates.red, self.gates.running, self.verified) = (None, None, None);
        self.completion = Completion::Open;
    }
}

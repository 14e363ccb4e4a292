use super::run::{self, RunWave, TaskBrief};
use super::view::{Form, GateView, OrchestratorStatus, TaskStatus, cut};
use super::words::{Outcome, StopWord};
use super::{Effect, Engine, Op, Result, RunView, Toolset};
use crate::domain::{Event, Recorded, Story};
use crate::error::Error;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::time::Duration;
use tokio::time::Instant;

/// Below the smallest limit that a known client puts on a call.
pub const WAIT_SECONDS: u64 = 50;
/// Longest wait that may be asked for.
pub const WAIT_SECONDS_MAX: u64 = 3600;
/// Changes that come together are told together.
const SETTLE: Duration = Duration::from_millis(250);
/// How long nothing may happen before it is looked whether the run is driven at all.
const LOOK: Duration = Duration::from_secs(2);
/// Looks that find no driver before the wait ends: a driver that was just started needs a moment.
const LOOKS_MAX: u32 = 3;
/// Most changes that an answer tells, the newest.
const CHANGES_MAX: usize = 12;
const EVENTS_MAX: usize = 10_000;

/// Wait until something happens in a run: a task lands or fails, a gate ends, the run ends. Call after run_wave, and again
/// while isRunning, with `since` = `seq` of the last answer.
#[derive(Debug, clap::Args, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct WaitForWave {
    /// Id of the story, the start of one, or `latest`.
    #[arg(default_value = "latest", value_name = "STORY")]
    #[serde(alias = "id")]
    pub story_id: String,
    /// `seq` of the last answer: what happened since is told at once. Default: from now on.
    #[arg(long, value_name = "SEQ")]
    pub since: Option<i64>,
    /// Longest wait in seconds, 0 to 3600 (default 50).
    #[arg(long, value_name = "SECONDS")]
    #[schemars(range(max = 3600))]
    pub wait_seconds: Option<u64>,
    /// Wait for the end of the run instead of the first change.
    #[arg(long)]
    #[serde(default)]
    pub until_end: bool,
}

/// What has become of a run so far.
#[derive(Clone, Debug, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct WaitView {
    #[schemars(extend("format" = "uuid"))]
    pub story_id: String,
    #[schemars(extend("format" = "uuid"))]
    pub run_id: Option<String>,
    /// The run has not ended yet: wait again.
    pub is_running: bool,
    /// What happened, oldest first, in words of Aura's own. Empty when the wait reached its limit.
    pub changes: Vec<String>,
    pub status: OrchestratorStatus,
    pub current_wave: u32,
    pub total_waves: u32,
    pub is_complete: bool,
    pub waiting_for_gate: bool,
    pub landed: usize,
    pub task_count: usize,
    /// Ids of the tasks that agents work on.
    pub running_tasks: Vec<String>,
    /// The first ones that failed or were skipped.
    pub failed_tasks: Vec<TaskBrief>,
    pub gate_result: Option<GateView>,
    /// Why the run did not end well.
    pub error: Option<String>,
    /// How it ended; null while it runs.
    pub outcome: Option<Outcome>,
    /// Why it was stopped.
    pub stop_reason: Option<StopWord>,
    pub summary: String,
    pub next: String,
    /// Position in the event log; give it as `since` to miss nothing.
    pub seq: i64,
}

impl Op for WaitForWave {
    const NAME: &'static str = "wait_for_wave";
    const COMMAND: &'static str = "wait";
    const EFFECT: Effect = Effect::READS;
    const TOOLSET: Toolset = Toolset::Run;
    type Out = WaitView;

    async fn call(self, engine: Engine) -> Result<WaitView> {
        // An agent that waits for its own wave waits for itself.
        engine.refuse_inside_attempt()?;
        let seconds = self.wait_seconds.unwrap_or(WAIT_SECONDS);
        if seconds > WAIT_SECONDS_MAX {
            return Err(Error::invalid(format!("wait: `waitSeconds` is {seconds}; 0 to {WAIT_SECONDS_MAX} are possible")));
        }
        let story = super::story(&engine, Self::EFFECT, &self.story_id)?;
        let since = self.since.unwrap_or(story.seq).clamp(0, story.seq);
        let deadline = Instant::now() + Duration::from_secs(seconds);
        let driven = wait(&engine, &story, since, deadline, self.until_end).await?;
        let after = engine.store.story(story.id)?;
        let told = engine.store.since(Some(story.id), since, EVENTS_MAX)?;
        Ok(WaitView::of(&engine, &after, &told, driven))
    }

    fn exit_code(view: &WaitView) -> u8 {
        RunWave::code(view.outcome, view.stop_reason)
    }
}

/// Returns at the first change, at the end of the run, at the deadline, or when nobody drives the run; says whether it is
/// driven.
async fn wait(engine: &Engine, story: &Story, since: i64, deadline: Instant, until_end: bool) -> Result<bool> {
    let id = story.id;
    let mut tail = engine.store.tail(Some(id), since);
    let (mut looks, mut changed) = (0, false);
    let mut heard = tail.glance()?;
    loop {
        changed |= heard.iter().any(|recorded| change(recorded).is_some());
        if engine.store.story(id)?.run.is_none() {
            return Ok(false);
        }
        if changed && !until_end {
            tokio::time::sleep(SETTLE).await;
            return engine.is_driven(id);
        }
        let pause = deadline.min(Instant::now() + LOOK);
        heard = match tokio::time::timeout_at(pause, tail.next()).await {
            Ok(more) => more?,
            Err(_) if Instant::now() >= deadline => return engine.is_driven(id),
            Err(_) => {
                looks = if engine.is_driven(id)? { 0 } else { looks + 1 };
                vec![]
            }
        };
        if looks >= LOOKS_MAX {
            return Ok(false);
        }
    }
}

// tidy: flat match
/// What a reader of a run wants to know, in words that hold nothing of a model's or a repository's.
fn change(recorded: &Recorded) -> Option<String> {
    Some(match &recorded.event {
        Event::TaskLanded { task, .. } => format!("{task} landed"),
        Event::TaskFailed { task, .. } => format!("{task} failed"),
        Event::TaskSkipped { task, because } => format!("{task} skipped: {because} did not land"),
        Event::LandingConflicted { task, .. } => format!("{task} conflicts and is being resolved"),
        Event::AttemptEnded(end) if end.outcome != crate::domain::Outcome::Done => {
            format!("{} attempt {} did not succeed", end.task, end.attempt)
        }
        Event::GateFinished { wave, .. } if *wave == 0 => return None,
        Event::GateFinished { wave, report } => match report.verdict {
            crate::domain::Verdict::Passed => format!("gate of wave {wave} passed"),
            crate::domain::Verdict::Failed => format!("gate of wave {wave} is red"),
            crate::domain::Verdict::Unproven => format!("gate of wave {wave} proves nothing: what ran may come from another tree"),
            crate::domain::Verdict::Ungated => format!("wave {wave} is ungated"),
        },
        Event::CulpritFound { task, .. } => format!("{task} turned the gate red and is being repaired"),
        Event::Judged(judgement) if judgement.findings.iter().any(|finding| finding.standing == crate::domain::Standing::Held) => {
            "what decides the gate was changed: that is held for a person".into()
        }
        Event::FindingsAccepted { .. } => "a person accepted what was held".into(),
        Event::CulpritUnknown { .. } => "no task could be blamed for the red gate".into(),
        Event::RepairFailed { task, .. } => format!("{task} could not be repaired"),
        Event::BaseConflicted { .. } => "the base branch conflicts with the story and is being merged".into(),
        Event::CancelRequested { .. } => "cancelling".into(),
        Event::RunStopped { .. } => "the run is stopping".into(),
        Event::RoundStarted { .. } => "the run goes back to what failed".into(),
        Event::RunEnded { .. } => "the run ended".into(),
        Event::StoryCreated(_)
        | Event::AnalysisStarted
        | Event::AnalysisFinished { .. }
        | Event::AnalysisFailed { .. }
        | Event::PlanningStarted { .. }
        | Event::PlanAccepted(_)
        | Event::PlanningFailed { .. }
        | Event::RunRequested { .. }
        | Event::AttemptStarted(_)
        | Event::AttemptActivity { .. }
        | Event::AttemptEnded(_)
        | Event::TaskAccepted(_)
        | Event::TaskRetried { .. }
        | Event::TipAdopted { .. }
        | Event::AttemptPrepared(_)
        | Event::LandingsVerified { .. }
        | Event::GateStarted { .. }
        | Event::Judged(_)
        | Event::CompletionStarted
        | Event::BaseBrought { .. }
        | Event::Squashed { .. }
        | Event::SquashDropped { .. }
        | Event::PushStarted { .. }
        | Event::BranchPushed { .. }
        | Event::PullRequestOpened { .. }
        | Event::StoryPublished { .. }
        | Event::CompletionFailed { .. }
        | Event::WorktreesRemoved { .. }
        | Event::Noted { .. } => return None,
    })
}

impl WaitView {
    fn of(engine: &Engine, story: &Story, told: &[Recorded], driven: bool) -> WaitView {
        let run = story.run.as_ref().map(|run| run.id).or(story.last_run.as_ref().map(|run| run.id));
        let whole = RunView::of(engine, story, run, false);
        let status = super::StatusView::of(story, driven, Form::Concise);
        let of = |wanted: &[TaskStatus]| status.tasks.iter().filter(|task| wanted.contains(&task.status)).collect::<Vec<_>>();
        let changes: Vec<String> = told.iter().filter_map(change).collect();
        let failed = of(&[TaskStatus::Failed, TaskStatus::Skipped]);
        WaitView {
            story_id: whole.story_id,
            run_id: whole.run_id,
            is_running: story.run.is_some(),
            changes: changes[changes.len().saturating_sub(CHANGES_MAX)..].to_vec(),
            status: whole.status,
            current_wave: whole.current_wave,
            total_waves: whole.total_waves,
            is_complete: whole.is_complete,
            waiting_for_gate: whole.waiting_for_gate,
            landed: of(&[TaskStatus::Completed]).len(),
            task_count: status.tasks.len(),
            running_tasks: of(&[TaskStatus::Running]).iter().map(|task| task.id.clone()).collect(),
            failed_tasks: failed.into_iter().take(10).cloned().map(run::brief).collect(),
            gate_result: status.gate_result,
            error: whole.error.map(|text| cut(&text, 400)),
            outcome: if run.is_none() { None } else { whole.outcome },
            stop_reason: whole.stop_reason,
            summary: status.summary,
            next: status.next,
            seq: story.seq,
        }
    }
}

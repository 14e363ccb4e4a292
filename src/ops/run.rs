use super::view::{Form, GateView, OrchestratorStatus, TaskStatus, TaskView, trouble};
use super::words::{Outcome, StopWord};
use super::{Effect, Engine, Op, Result, Toolset};
use crate::domain::{Event, LastRun, Mode, RunId, RunOutcome, Scope, Story, StoryId};
use crate::engine::RunRequest;
use crate::error::{Code, Error};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::collections::BTreeSet;
use std::time::Duration;

/// How long a wait goes on before it looks whether the driver still lives.
const DRIVER_CHECK: Duration = Duration::from_secs(2);
/// How many dead drivers one reader replaces.
const DRIVERS_MAX: u32 = 5;

/// Run the next wave of a story (or all that is left) on parallel agents, then build and test. Call after decompose_story, and
/// for each wave. Answers at once. Asked again, it joins. Next: wait_for_wave.
#[derive(Debug, clap::Args, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct RunWave {
    /// Id of the story, the start of one, or `latest`.
    #[arg(default_value = "latest", value_name = "STORY")]
    #[serde(alias = "id")]
    pub story_id: String,
    /// All that is left, not only the next wave.
    #[arg(long)]
    #[serde(default)]
    pub all: bool,
    /// `flow` (default with `all`): a task starts when its dependencies have landed; `waves`: a barrier and a gate after each.
    #[arg(long, value_parser = ["flow", "waves"], ignore_case = true)]
    #[schemars(extend("enum" = ["flow", "waves", null]))]
    pub mode: Option<String>,
    /// Most agents at once, 1 to 256; default: as planned.
    #[arg(short = 'n', long)]
    #[schemars(range(min = 1, max = 256))]
    pub max_parallelism: Option<u32>,
    /// Seconds to wait for the end of the run (default 0: answer at once; the CLI waits unless `--detach`).
    #[arg(skip)]
    pub wait_seconds: Option<u64>,
}

/// A run, or its result: the seed's answer.
#[derive(Clone, Debug, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct RunView {
    #[schemars(extend("format" = "uuid"))]
    pub story_id: String,
    #[schemars(extend("format" = "uuid"))]
    pub run_id: Option<String>,
    /// This call started the run; false when it joined one, or when nothing was left to run.
    pub started: bool,
    /// The run has not ended yet.
    pub is_running: bool,
    /// Position in the event log from which the run's events follow.
    pub since: i64,
    pub status: OrchestratorStatus,
    pub current_wave: u32,
    pub total_waves: u32,
    pub is_complete: bool,
    pub waiting_for_gate: bool,
    pub started_tasks: Vec<TaskBrief>,
    pub completed_tasks: Vec<TaskBrief>,
    pub failed_tasks: Vec<TaskBrief>,
    pub gate_result: Option<GateView>,
    /// Why the run did not end well; null while it runs and when it did.
    pub error: Option<String>,
    /// How it ended; null while it runs.
    pub outcome: Option<Outcome>,
    /// Why it was stopped.
    pub stop_reason: Option<StopWord>,
    pub summary: String,
    pub next: String,
}

/// A task in a run's result.
#[derive(Clone, Debug, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct TaskBrief {
    pub id: String,
    pub title: String,
    pub status: TaskStatus,
    pub error: Option<String>,
    /// The first of what its agent wrote and no commit holds.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    #[schemars(default)]
    pub left_out: Vec<String>,
}

impl Op for RunWave {
    const NAME: &'static str = "run_wave";
    const COMMAND: &'static str = "run";
    const EFFECT: Effect = Effect::RUNS_AGENTS;
    const TOOLSET: Toolset = Toolset::Run;
    type Out = RunView;

    async fn call(self, engine: Engine) -> Result<RunView> {
        engine.refuse_inside_attempt()?;
        let story = super::story(&engine, Self::EFFECT, &self.story_id)?;
        let mode = match self.mode.as_deref() {
            Some("flow") => Mode::Flow,
            Some("waves") => Mode::Waves,
            Some(other) => {
                return Err(Error::invalid(format!("run: `mode` is `{}`; `flow` and `waves` are possible", other.escape_debug())));
            }
            None if self.all => Mode::Flow,
            None => Mode::Waves,
        };
        if Engine::is_finished(&story) {
            return Ok(RunView::of(&engine, &story, None, false));
        }
        let scope = if self.all { Scope::All } else { Scope::Wave };
        let handle = engine.request_run(&story, RunRequest { scope, mode, max_parallelism: self.max_parallelism })?;
        let story = match self.wait_seconds {
            None | Some(0) => engine.store.story(story.id)?,
            Some(seconds) => {
                let wait = wait_for_run(&engine, story.id, handle.id, handle.since);
                match tokio::time::timeout(Duration::from_secs(seconds), wait).await {
                    Ok(story) => story?,
                    Err(_) => engine.store.story(story.id)?,
                }
            }
        };
        Ok(RunView::of(&engine, &story, Some(handle.id), handle.started))
    }

    fn exit_code(view: &RunView) -> u8 {
        RunWave::code(view.outcome, view.stop_reason)
    }
}

impl RunWave {
    /// Exit code for how a run ended.
    pub(super) fn code(outcome: Option<Outcome>, stop_reason: Option<StopWord>) -> u8 {
        match (outcome, stop_reason) {
            (_, Some(StopWord::NeedsLogin | StopWord::Quota | StopWord::Policy | StopWord::Held)) => 5,
            (_, Some(StopWord::Unavailable | StopWord::Environment)) => 6,
            (Some(Outcome::Failed | Outcome::Cancelled), None) => 1,
            (Some(Outcome::Finished | Outcome::Stopped) | None, None) => 0,
        }
    }
}

/// What has become of a run, once it has ended; after `wait`, where one is given, what has become of it so far. While somebody
/// waits, a driver that dies is replaced.
pub async fn run_result(engine: &Engine, story: &str, run: &str, wait: Option<Duration>) -> Result<super::Answer> {
    let mut story = super::story(engine, Effect::READS, story)?;
    let run = run.parse().map(RunId).map_err(|_| no_run(&run.chars().take(60).collect::<String>().escape_debug().to_string()))?;
    let is_active = story.run.as_ref().is_some_and(|active| active.id == run);
    if !is_active && story.last_run.as_ref().is_none_or(|last| last.id != run) {
        story.last_run = Some(past(engine, &story, run)?);
        return answer(engine, &story, run);
    }
    if let Some(active) = story.run.as_ref().filter(|_| is_active) {
        let ended = wait_for_run(engine, story.id, run, active.since);
        match wait {
            None => drop(ended.await?),
            Some(wait) => drop(tokio::time::timeout(wait, ended).await.ok().transpose()?),
        }
    }
    answer(engine, &engine.store.story(story.id)?, run)
}

fn answer(engine: &Engine, story: &Story, run: RunId) -> Result<super::Answer> {
    let view = RunView::of(engine, story, Some(run), true);
    let exit_code = RunWave::exit_code(&view);
    Ok(super::Answer { value: super::encode(&view)?, exit_code })
}

/// A run that others have followed, as the log has it.
fn past(engine: &Engine, story: &Story, run: RunId) -> Result<LastRun> {
    let (mut since, mut ended) = (None, None);
    for recorded in engine.store.since(Some(story.id), 0, usize::MAX >> 1)? {
        match recorded.event {
            Event::RunRequested { run: asked, .. } if asked == run => since = Some(recorded.seq),
            Event::RunEnded { run: over, outcome } if over == run => ended = Some((recorded.at, outcome)),
            _ => {}
        }
    }
    let (since, (ended_at, outcome)) = since.zip(ended).ok_or_else(|| no_run(&run.to_string()))?;
    Ok(LastRun { id: run, since, ended_at, outcome })
}

fn no_run(shown: &str) -> Error {
    Error::new(Code::NotFound, format!("show a run: the story has no run `{shown}`"))
        .hint("run_wave and wait_for_wave answer with its `runId`")
}

/// Keeps a run driven: a driver that died is replaced, but not for ever.
struct Watchdog {
    id: StoryId,
    replaced: u32,
}

impl Watchdog {
    /// How long a reader may wait for events before it looks after the driver.
    const PAUSE: Duration = DRIVER_CHECK;

    fn new(id: StoryId) -> Watchdog {
        Watchdog { id, replaced: 0 }
    }

    /// To be called when nothing has happened for a while.
    fn look(&mut self, engine: &Engine) -> Result<()> {
        if engine.is_driven(self.id)? || engine.store.story(self.id)?.run.is_none() {
            return Ok(());
        }
        self.replaced += 1;
        if self.replaced > DRIVERS_MAX {
            let log = engine.store.story_folder(self.id).join("driver.log");
            return Err(Error::new(Code::Unavailable, "the process that drives the run dies again and again")
                .hint(format!("{} says why; run again afterwards", log.display())));
        }
        engine.ensure_driver(self.id)
    }
}

/// Waits until the run has ended. Should its driver die, another one is started: a run that was asked for is driven.
async fn wait_for_run(engine: &Engine, id: StoryId, run: RunId, since: i64) -> Result<Story> {
    let mut tail = engine.store.tail(Some(id), since.saturating_sub(1));
    let mut watchdog = Watchdog::new(id);
    loop {
        match tokio::time::timeout(Watchdog::PAUSE, tail.next()).await {
            Ok(events) => {
                if events?.iter().any(|recorded| matches!(&recorded.event, Event::RunEnded { run: ended, .. } if *ended == run)) {
                    return Ok(engine.store.story(id)?);
                }
            }
            Err(_) => watchdog.look(engine)?,
        }
    }
}

impl RunView {
    /// `run`: the run to speak of; none means that nothing was left to run.
    pub(super) fn of(engine: &Engine, story: &Story, run: Option<RunId>, started: bool) -> RunView {
        let status = story.orchestrator_status();
        let is_running = story.run.as_ref().is_some_and(|active| Some(active.id) == run);
        let last = story.last_run.as_ref().filter(|last| Some(last.id) == run);
        let since = story.run.as_ref().map(|active| active.since).or(last.map(|last| last.since)).unwrap_or(story.seq);
        let touched = touched(engine, story.id, since).unwrap_or_default();
        let briefs = |wanted: &dyn Fn(&TaskView) -> bool| -> Vec<TaskBrief> {
            let views = story.tasks.iter().map(|task| TaskView::of(task, Form::Concise));
            views.filter(|view| touched.contains(&view.id) && wanted(view)).map(brief).collect()
        };
        let (outcome, stop_reason) = match last.map(|last| &last.outcome) {
            None => (if run.is_none() { Some(Outcome::Finished) } else { None }, None),
            Some(RunOutcome::Finished) => (Some(Outcome::Finished), None),
            Some(RunOutcome::Failed { .. }) => (Some(Outcome::Failed), None),
            Some(RunOutcome::Cancelled) => (Some(Outcome::Cancelled), None),
            Some(RunOutcome::Stopped { reason, .. }) => (Some(Outcome::Stopped), Some(StopWord::of(*reason))),
        };
        let error = match outcome {
            Some(Outcome::Cancelled) => Some("the run was cancelled".to_owned()),
            Some(Outcome::Failed | Outcome::Stopped) => trouble(story),
            Some(Outcome::Finished) | None => None,
        };
        let whole = super::StatusView::of(story, is_running, Form::Concise);
        RunView {
            story_id: story.id.to_string(),
            run_id: run.map(|run| run.to_string()),
            started,
            is_running,
            since,
            status,
            current_wave: story.current_wave(),
            total_waves: story.wave_count(),
            is_complete: story.is_complete(),
            waiting_for_gate: whole.waiting_for_gate,
            started_tasks: briefs(&|_| true),
            completed_tasks: briefs(&|view| view.status == TaskStatus::Completed),
            failed_tasks: briefs(&|view| matches!(view.status, TaskStatus::Failed | TaskStatus::Skipped)),
            gate_result: story.gates.last.as_ref().map(|report| GateView::of(report, story.gates.last_wave, Form::Detailed)),
            error,
            outcome,
            stop_reason,
            summary: whole.summary,
            next: whole.next,
        }
    }
}

/// Ids of the tasks that something happened to since a position in the log.
fn touched(engine: &Engine, id: StoryId, since: i64) -> Result<BTreeSet<String>> {
    let events = engine.store.since(Some(id), since.saturating_sub(1), 100_000)?;
    Ok(events.iter().filter_map(|recorded| recorded.event.task()).map(ToString::to_string).collect())
}

pub(super) fn brief(view: TaskView) -> TaskBrief {
    TaskBrief { id: view.id, title: view.title, status: view.status, error: view.error, left_out: view.left_out }
}

use super::time::Time;
use super::view::{self, FindingView, Form, GateView, OrchestratorStatus, StoryStatus, TaskStatus, TaskView, UsageView, trouble};
use super::words::{Phase, RunMode, RunScope};
use super::{Effect, Engine, Op, Result, Toolset};
use crate::domain::{Completion, Culprit, Story};
use crate::error::{Code, Error};
use jiff::Timestamp;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Show how far a story is: its tasks, what the agents are doing, the last gate. Call to look once; to wait, call
/// wait_for_wave. Next: what `next` says.
#[derive(Debug, clap::Args, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct GetOrchestratorStatus {
    /// Id of the story, the start of one, or `latest`.
    #[arg(default_value = "latest", value_name = "STORY")]
    #[serde(alias = "id")]
    pub story_id: String,
    /// Also claimed files, agents, commits and all of a red gate's output; false leaves out prompts, times, sessions and last words.
    #[arg(long, value_name = "BOOL", num_args = 0..=1, default_missing_value = "true")]
    pub detailed: Option<bool>,
    /// Most tasks to show (default: all).
    #[arg(long, value_parser = clap::value_parser!(u32).range(1..))]
    #[schemars(range(min = 1))]
    pub limit: Option<u32>,
    /// `nextCursor` of the last answer: the tasks after it.
    #[arg(long)]
    pub cursor: Option<String>,
}

/// How far a story is.
#[derive(Clone, Debug, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct StatusView {
    #[schemars(extend("format" = "uuid"))]
    pub story_id: String,
    pub title: String,
    pub status: OrchestratorStatus,
    pub story_status: StoryStatus,
    pub current_wave: u32,
    pub total_waves: u32,
    pub max_parallelism: u32,
    pub is_complete: bool,
    pub waiting_for_gate: bool,
    pub run: Option<RunState>,
    pub tasks: Vec<TaskView>,
    /// Give it as `cursor` to see the tasks after these; null when these are the last.
    pub next_cursor: Option<String>,
    pub gate_result: Option<GateView>,
    /// Who turned the gate red, while it is not repaired.
    pub red: Option<RedView>,
    /// A change to what decides the gate waits for a person: accept_findings, or another run takes it back.
    pub held: bool,
    /// What the tip changes about files that decide the gate, and tests that say less; the first ones in the concise form.
    pub findings: Vec<FindingView>,
    /// What the gate says with the base's version of those files; null where it was not asked.
    pub restored_gate: Option<GateView>,
    pub usage: UsageView,
    /// Folders that an agent had cut off from the repository. remove_worktree keeps and removes them.
    pub set_aside: Vec<String>,
    /// What else to know: what changed around the worktrees, what an agent tried or left. The last ones in the concise form.
    pub notes: Vec<String>,
    pub error: Option<String>,
    /// One sentence for people.
    pub summary: String,
    /// What to do next: the tool to call, and the command to type.
    pub next: String,
    /// Position in the event log that this status reflects.
    pub seq: i64,
}

/// The run that is under way.
#[derive(Clone, Debug, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct RunState {
    #[schemars(extend("format" = "uuid"))]
    pub id: String,
    pub scope: RunScope,
    pub mode: RunMode,
    pub started_at: Time,
    /// Whether a process drives it. If not, running again picks it up.
    pub driven: bool,
    pub cancelling: bool,
    /// Set while a rate limit holds the run.
    pub rate_limited_until: Option<Time>,
    pub agents_now: u32,
}

/// A red gate.
#[derive(Clone, Debug, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct RedView {
    pub commit: String,
    /// The first of `culprits`.
    pub culprit: Option<String>,
    /// The tasks that are asked to repair it.
    pub culprits: Vec<String>,
    pub why: Option<String>,
    pub repairs: u32,
}

impl Op for GetOrchestratorStatus {
    const NAME: &'static str = "get_orchestrator_status";
    const COMMAND: &'static str = "status";
    const EFFECT: Effect = Effect::READS;
    const TOOLSET: Toolset = Toolset::Run;
    type Out = StatusView;

    async fn call(self, engine: Engine) -> Result<StatusView> {
        let story = super::story(&engine, Self::EFFECT, &self.story_id)?;
        let driven = story.run.is_some() && engine.is_driven(story.id)?;
        let form = self.detailed.map_or(Form::Whole, Form::of);
        let mut view = StatusView::of(&story, driven, form);
        view.page(self.cursor.as_deref(), self.limit)?;
        Ok(view)
    }
}

impl StatusView {
    pub(super) fn of(story: &Story, driven: bool, form: Form) -> StatusView {
        let status = story.orchestrator_status();
        let tasks: Vec<TaskView> = story.tasks.iter().map(|task| TaskView::of(task, form)).collect();
        StatusView {
            story_id: story.id.to_string(),
            title: story.created.title.clone(),
            status,
            story_status: story.status(),
            current_wave: story.current_wave(),
            total_waves: story.wave_count(),
            max_parallelism: story.max_parallelism,
            is_complete: story.is_complete(),
            waiting_for_gate: status == OrchestratorStatus::WaitingForGate,
            run: run_state(story, driven, &tasks),
            next_cursor: None,
            gate_result: story.gates.last.as_ref().map(|report| GateView::of(report, story.gates.last_wave, form)),
            red: story.gates.red.as_ref().map(red_view),
            held: story.is_held(),
            findings: FindingView::all(story, form),
            restored_gate: restored_gate(story, form),
            usage: UsageView::of(&story.usage()),
            set_aside: crate::engine::set_aside(story).iter().map(|path| path.to_string_lossy().into_owned()).collect(),
            notes: view::notes(story, form),
            error: trouble(story),
            summary: summary(story, &tasks),
            next: next(story, driven),
            seq: story.seq,
            tasks,
        }
    }

    /// Leaves the tasks after one, and not more than so many.
    fn page(&mut self, cursor: Option<&str>, limit: Option<u32>) -> Result<()> {
        if let Some(after) = cursor {
            let Some(at) = self.tasks.iter().position(|task| task.id == after) else {
                let shown: String = after.chars().take(60).collect();
                return Err(Error::new(
                    Code::NotFound,
                    format!("show the status: `cursor` is `{}`, which is no task of it", shown.escape_debug()),
                )
                .hint("give the `nextCursor` of an earlier answer, or leave it out to begin with the first task"));
            };
            self.tasks.drain(..=at);
        }
        if limit == Some(0) {
            return Err(Error::invalid("show the status: `limit` is 0; 1 and more are possible"));
        }
        let limit = limit.map_or(usize::MAX, |limit| limit as usize);
        if self.tasks.len() > limit {
            self.tasks.truncate(limit);
            self.next_cursor = self.tasks.last().map(|task| task.id.clone());
        }
        Ok(())
    }
}

fn run_state(story: &Story, driven: bool, tasks: &[TaskView]) -> Option<RunState> {
    let run = story.run.as_ref()?;
    Some(RunState {
        id: run.id.to_string(),
        scope: RunScope::of(run.scope),
        mode: RunMode::of(run.mode),
        started_at: run.started_at.into(),
        driven,
        cancelling: run.cancel.is_some(),
        rate_limited_until: story
            .throttle
            .as_ref()
            .map(|throttle| throttle.until)
            .filter(|until| *until > Timestamp::now())
            .map(Into::into),
        agents_now: tasks
            .iter()
            .filter(|task| matches!(task.phase, Phase::Working | Phase::Resolving | Phase::Repairing) && task.status == TaskStatus::Running)
            .count() as u32,
    })
}

fn restored_gate(story: &Story, form: Form) -> Option<GateView> {
    let report = story.judgement.as_ref()?.restored.as_ref()?;
    Some(GateView::of(report, story.gates.last_wave, form))
}

fn red_view(red: &crate::domain::Red) -> RedView {
    let culprits: Vec<String> = red.culprits().iter().map(ToString::to_string).collect();
    let why = match &red.culprit {
        Culprit::Sought | Culprit::Tasks { .. } => None,
        Culprit::Nobody { why } => Some(why.clone()),
    };
    RedView { commit: red.commit.to_string(), culprit: culprits.first().cloned(), culprits, why, repairs: red.repairs }
}

pub(super) fn summary(story: &Story, tasks: &[TaskView]) -> String {
    let count = |status| tasks.iter().filter(|task| task.status == status).count();
    if tasks.is_empty() {
        return "The story has no plan yet.".into();
    }
    let mut text = format!("{} of {} tasks landed", count(TaskStatus::Completed), tasks.len());
    for (status, word) in [(TaskStatus::Running, "running"), (TaskStatus::Failed, "failed"), (TaskStatus::Skipped, "skipped")] {
        if count(status) > 0 {
            text += &format!(", {} {word}", count(status));
        }
    }
    match story.gates.last.as_ref().map(|report| report.verdict) {
        Some(crate::domain::Verdict::Passed) => text += "; the last gate passed",
        Some(crate::domain::Verdict::Failed) => text += "; the last gate is red",
        Some(crate::domain::Verdict::Unproven) => text += "; unproven: what the gate ran may come from another tree",
        Some(crate::domain::Verdict::Ungated) => text += "; ungated: the repository has no checks",
        None => {}
    }
    let held = story.open_findings().count();
    if held > 0 {
        let what = if held == 1 { "1 change".into() } else { format!("{held} changes") };
        text += &format!("; held: {what} to what decides the gate, which nobody has accepted");
    }
    text + "."
}

/// The run that tries again what failed.
fn again(id: &str) -> String {
    view::next("run_wave", &format!("storyId {id}, all true"), &format!("aura run {id} --all"))
}

/// What to do next for whoever has just looked at what a task's agent said: not the same again.
pub(super) fn next_after_looking(story: &Story, driven: bool) -> String {
    let next = next(story, driven);
    if !next.starts_with("Call get_task_output") {
        return next;
    }
    let again = again(&story.id.short());
    format!("Put right what it names, or plan it otherwise in a new story (create_story); where it was chance, try again. {again}")
}

/// What a model or a person does next. Holds ids only: what agents or repositories say never gets here.
pub(super) fn next(story: &Story, driven: bool) -> String {
    let id = story.id.short();
    let story_id = format!("storyId {id}");
    let call = |tool: &str, command: &str| view::next(tool, &story_id, &format!("aura {command} {id}"));
    // From here on nothing is missed, however long the caller thinks.
    let wait = || view::next("wait_for_wave", &format!("{story_id}, since {}", story.seq), &format!("aura watch {id}"));
    if story.run.is_some() {
        return if driven { wait() } else { call("run_wave", "run") };
    }
    if story.planning || story.analyzing {
        return call("get_story", "show");
    }
    let failed = story.tasks.iter().find(|task| matches!(TaskStatus::of(task), TaskStatus::Failed));
    match (story.orchestrator_status(), &story.completion) {
        (_, Completion::Done { .. }) if story.worktrees_removed => "Nothing is left to do.".into(),
        (_, Completion::Done { .. }) => call("remove_worktree", "clean"),
        (OrchestratorStatus::NotDecomposed, _) => call("decompose_story", "decompose"),
        _ if story.is_held() && story.all_landed() => {
            let run =
                format!("Ask a person to look at `findings`, or have an agent take the changes back: run_wave with {story_id}, all true. ");
            run + &call("accept_findings", "accept")
        }
        (OrchestratorStatus::Completed, _) => call("complete_story", "complete"),
        (OrchestratorStatus::Failed, _) if failed.is_some() => {
            let task = failed.map(|task| task.id().to_string()).unwrap_or_default();
            let look = format!("Call get_task_output with storyId {id}, taskId {task} to see why, then try again. ");
            look + &again(&id)
        }
        (OrchestratorStatus::Decomposed | OrchestratorStatus::Failed, _) => {
            view::next("run_wave", &format!("{story_id}, all true"), &format!("aura run {id} --all"))
        }
        (OrchestratorStatus::Running | OrchestratorStatus::WaitingForGate, _) => wait(),
    }
}

use super::view::{self, Form, GateView, OrchestratorStatus, StoryStatus, TaskStatus, TaskView, UsageView, trouble};
use super::{Effect, Engine, Op, Result, Toolset};
use crate::domain::{Completion, Culprit, Story};
use crate::error::{Code, Error};
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
    /// Also prompts, sessions, commits, the agents' last words, and all of a red gate's output.
    #[arg(long)]
    #[serde(default)]
    pub detailed: bool,
    /// Most tasks to show (default: all).
    #[arg(long)]
    pub limit: Option<u32>,
    /// `nextCursor` of the last answer: the tasks after it.
    #[arg(long)]
    pub cursor: Option<String>,
}

/// How far a story is.
#[derive(Clone, Debug, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct StatusView {
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
    pub usage: UsageView,
    /// Folders that an agent had cut off from the repository. remove_worktree keeps and removes them.
    pub set_aside: Vec<String>,
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
    pub id: String,
    /// `wave` or `all`.
    pub scope: &'static str,
    /// `waves` or `flow`.
    pub mode: &'static str,
    pub started_at: String,
    /// Whether a process drives it. If not, running again picks it up.
    pub driven: bool,
    pub cancelling: bool,
    /// Set while a rate limit holds the run.
    pub rate_limited_until: Option<String>,
    pub agents_now: u32,
}

/// A red gate.
#[derive(Clone, Debug, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct RedView {
    pub commit: String,
    pub culprit: Option<String>,
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
        let story = super::story(&engine, &self.story_id)?;
        let driven = story.run.is_some() && engine.is_driven(story.id)?;
        let mut view = StatusView::of(&story, driven, Form::of(self.detailed));
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
            usage: UsageView::of(&story.usage()),
            set_aside: crate::engine::set_aside(story).iter().map(|path| path.to_string_lossy().into_owned()).collect(),
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
        let limit = limit.map_or(usize::MAX, |limit| limit.max(1) as usize);
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
        scope: match run.scope {
            crate::domain::Scope::Wave => "wave",
            crate::domain::Scope::All => "all",
        },
        mode: match run.mode {
            crate::domain::Mode::Waves => "waves",
            crate::domain::Mode::Flow => "flow",
        },
        started_at: run.started_at.to_string(),
        driven,
        cancelling: run.cancel.is_some(),
        rate_limited_until: story.throttle.as_ref().map(|throttle| throttle.until.to_string()),
        agents_now: tasks
            .iter()
            .filter(|task| matches!(task.phase, "working" | "resolving" | "repairing") && task.status == TaskStatus::Running)
            .count() as u32,
    })
}

fn red_view(red: &crate::domain::Red) -> RedView {
    let (culprit, why) = match &red.culprit {
        Culprit::Sought => (None, None),
        Culprit::Task { task } => (Some(task.to_string()), None),
        Culprit::Nobody { why } => (None, Some(why.clone())),
    };
    RedView { commit: red.commit.to_string(), culprit, why, repairs: red.repairs }
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
        Some(crate::domain::Verdict::Ungated) => text += "; ungated: the repository has no checks",
        None => {}
    }
    text + "."
}

/// What a model or a person does next. Holds ids only: what agents or repositories say never gets here.
pub(super) fn next(story: &Story, driven: bool) -> String {
    let id = story.id.short();
    let story_id = format!("storyId {id}");
    let call = |tool: &str, command: &str| view::next(tool, &story_id, &format!("aura {command} {id}"));
    if story.run.is_some() {
        return if driven { call("wait_for_wave", "watch") } else { call("run_wave", "run") };
    }
    if story.planning || story.analyzing {
        return call("get_story", "show");
    }
    let failed = story.tasks.iter().find(|task| matches!(TaskStatus::of(task), TaskStatus::Failed));
    match (story.orchestrator_status(), &story.completion) {
        (_, Completion::Done { .. }) if story.worktrees_removed => "Nothing is left to do.".into(),
        (_, Completion::Done { .. }) => call("remove_worktree", "clean"),
        (OrchestratorStatus::NotDecomposed, _) => call("decompose_story", "decompose"),
        (OrchestratorStatus::Completed, _) => call("complete_story", "complete"),
        (OrchestratorStatus::Failed, _) if failed.is_some() => {
            let task = failed.map(|task| task.id().to_string()).unwrap_or_default();
            let look = format!("Call get_task_output with storyId {id}, taskId {task} to see why, then try again. ");
            look + &view::next("run_wave", &format!("{story_id}, all true"), &format!("aura run {id} --all"))
        }
        (OrchestratorStatus::Decomposed | OrchestratorStatus::Failed, _) => {
            view::next("run_wave", &format!("{story_id}, all true"), &format!("aura run {id} --all"))
        }
        (OrchestratorStatus::Running | OrchestratorStatus::WaitingForGate, _) => call("wait_for_wave", "watch"),
    }
}

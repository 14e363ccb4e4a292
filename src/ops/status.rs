use super::view::{Form, GateView, OrchestratorStatus, StoryStatus, TaskStatus, TaskView, UsageView, trouble};
use super::{Engine, Op, Result};
use crate::domain::{Completion, Culprit, Story};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Show how far a story is: its tasks, what the agents are doing, the last gate, and what to do next.
#[derive(Debug, clap::Args, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct GetOrchestratorStatus {
    /// Id of the story, the start of one, or `latest`.
    #[arg(default_value = "latest", value_name = "STORY")]
    #[serde(alias = "id")]
    pub story_id: String,
    /// Also the tasks' prompts and the agents' last words.
    #[arg(long)]
    #[serde(default)]
    pub detailed: bool,
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
    pub gate_result: Option<GateView>,
    /// Who turned the gate red, while it is not repaired.
    pub red: Option<RedView>,
    pub usage: UsageView,
    pub error: Option<String>,
    /// One sentence for people.
    pub summary: String,
    /// What to do next, as a command.
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
    type Out = StatusView;

    async fn call(self, engine: Engine) -> Result<StatusView> {
        let story = super::story(&engine, &self.story_id)?;
        let driven = story.run.is_some() && engine.is_driven(story.id)?;
        Ok(StatusView::of(&story, driven, if self.detailed { Form::Detailed } else { Form::Concise }))
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
            gate_result: story.gates.last.as_ref().map(|report| GateView::of(report, story.gates.last_wave)),
            red: story.gates.red.as_ref().map(red_view),
            usage: UsageView::of(&story.usage()),
            error: trouble(story),
            summary: summary(story, &tasks),
            next: next(story, driven),
            seq: story.seq,
            tasks,
        }
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

fn summary(story: &Story, tasks: &[TaskView]) -> String {
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

fn next(story: &Story, driven: bool) -> String {
    let id = story.id.short();
    if story.run.is_some() {
        return if driven { format!("aura watch {id}") } else { format!("aura run {id}") };
    }
    match (story.orchestrator_status(), &story.completion) {
        (_, Completion::Done { .. }) if story.worktrees_removed => "nothing".into(),
        (_, Completion::Done { .. }) => format!("aura clean {id}"),
        (OrchestratorStatus::NotDecomposed, _) => format!("aura decompose {id}"),
        (OrchestratorStatus::Completed, _) => format!("aura complete {id}"),
        (OrchestratorStatus::Decomposed | OrchestratorStatus::Failed, _) => format!("aura run {id} --all"),
        (OrchestratorStatus::Running | OrchestratorStatus::WaitingForGate, _) => format!("aura watch {id}"),
    }
}

use super::view::{Form, TaskView};
use super::{Effect, Engine, Op, Result, Toolset};
use crate::error::Error;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Give a failed or skipped task one more chance: it is pending again. Call after get_task_output has shown why. Next: run_wave.
#[derive(Debug, clap::Args, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct RetryTask {
    /// Id of the story, the start of one, or `latest`.
    #[arg(value_name = "STORY")]
    #[serde(alias = "id")]
    pub story_id: String,
    /// Id of the task, for example `task-3`.
    #[arg(value_name = "TASK")]
    pub task_id: String,
}

/// A task that is pending again.
#[derive(Debug, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct RetryView {
    #[schemars(extend("format" = "uuid"))]
    pub story_id: String,
    #[serde(flatten)]
    pub task: TaskView,
    pub summary: String,
    pub next: String,
}

impl Op for RetryTask {
    const NAME: &'static str = "retry_task";
    const COMMAND: &'static str = "retry";
    const EFFECT: Effect = Effect::ADDS;
    const TOOLSET: Toolset = Toolset::Run;
    type Out = RetryView;

    async fn call(self, engine: Engine) -> Result<RetryView> {
        let story = super::story(&engine, Self::EFFECT, &self.story_id)?;
        let id = engine.task_id(&story, &self.task_id)?;
        let story = engine.retry(&story, &self.task_id)?;
        let task = story.task(&id).ok_or_else(|| Error::internal("a retried task is gone"))?;
        let summary = format!("{id} is pending again.");
        let next = super::next(&story);
        Ok(RetryView { story_id: story.id.to_string(), task: TaskView::of(task, Form::Detailed), summary, next })
    }
}

use super::view::{OrchestratorStatus, StoryStatus};
use super::{Effect, Engine, Op, Result, Toolset};
use crate::domain::Cancel;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Cancel the active run: agents are asked to stop, their sessions and work are kept. Call only when the run should end early.
/// Next: run_wave goes on where it stopped.
#[derive(Debug, clap::Args, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct CancelRun {
    /// Id of the story, the start of one, or `latest`.
    #[arg(default_value = "latest", value_name = "STORY")]
    #[serde(alias = "id")]
    pub story_id: String,
    /// Kill the agents instead of asking them.
    #[arg(long)]
    #[serde(default)]
    pub now: bool,
}

/// A cancelled run. It ends as soon as its agents have.
#[derive(Debug, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct CancelView {
    #[schemars(extend("format" = "uuid"))]
    pub id: String,
    pub status: StoryStatus,
    pub orchestrator_status: OrchestratorStatus,
    #[schemars(extend("format" = "uuid"))]
    pub run_id: Option<String>,
    pub message: String,
    pub summary: String,
    pub next: String,
}

impl Op for CancelRun {
    const NAME: &'static str = "cancel_run";
    const COMMAND: &'static str = "cancel";
    const EFFECT: Effect = Effect::ENDS;
    const TOOLSET: Toolset = Toolset::Run;
    type Out = CancelView;

    async fn call(self, engine: Engine) -> Result<CancelView> {
        let story = super::story(&engine, Self::EFFECT, &self.story_id)?;
        let how = if self.now { Cancel::Now } else { Cancel::Graceful };
        let story = engine.cancel(&story, how)?;
        Ok(CancelView {
            id: story.id.to_string(),
            status: story.status(),
            orchestrator_status: story.orchestrator_status(),
            run_id: story.run.as_ref().map(|run| run.id.to_string()),
            message: "The run is ending; its tasks can be resumed.".into(),
            summary: "The run is ending; what its agents did is kept, and running again goes on.".into(),
            next: super::next(&story),
        })
    }
}

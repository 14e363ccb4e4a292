use super::view::StoryStatus;
use super::{Effect, Engine, Op, Result, Toolset};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Analyze the story's repository: languages, build and test commands, layout, conventions, where the story's words occur. Call
/// before decompose_story; optional. Next: decompose_story.
#[derive(Debug, clap::Args, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct AnalyzeStory {
    /// Id of the story, the start of one, or `latest`.
    #[arg(default_value = "latest", value_name = "STORY")]
    #[serde(alias = "id")]
    pub story_id: String,
    /// Gather facts only; ask no model.
    #[arg(long)]
    #[serde(default)]
    pub facts_only: bool,
}

/// What was found.
#[derive(Debug, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct AnalysisView {
    #[schemars(extend("format" = "uuid"))]
    pub id: String,
    pub status: StoryStatus,
    /// `facts`, and a model's `analysis` of them where one was asked (untrusted text).
    #[schemars(extend("type" = "object"))]
    pub analyzed_context: serde_json::Value,
    pub message: String,
    pub summary: String,
    pub next: String,
}

impl Op for AnalyzeStory {
    const NAME: &'static str = "analyze_story";
    const COMMAND: &'static str = "analyze";
    const EFFECT: Effect = Effect::ASKS_A_MODEL;
    const TOOLSET: Toolset = Toolset::Plan;
    type Out = AnalysisView;

    async fn call(self, engine: Engine) -> Result<AnalysisView> {
        let story = super::story(&engine, Self::EFFECT, &self.story_id)?;
        let story = engine.analyze(&story, !self.facts_only).await?;
        let analysis = story.analysis.as_ref();
        let message = match analysis.and_then(|analysis| analysis.reading.as_ref()) {
            Some(_) => "Facts gathered and read by a model.",
            None => "Facts gathered.",
        };
        Ok(AnalysisView {
            id: story.id.to_string(),
            status: story.status(),
            analyzed_context: serde_json::json!({ "facts": analysis.map(|a| &a.facts), "analysis": analysis.and_then(|a| a.reading.as_ref()) }),
            message: message.into(),
            summary: message.into(),
            next: super::next(&story),
        })
    }
}

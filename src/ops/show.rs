use super::view::{Form, PublishView, StoryView, TaskView, start_of};
use super::{Effect, Engine, Op, Result, Toolset};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Most of a model's reading in the concise form.
const READING_CHARS: usize = 2000;

/// Show a story whole: description, plan, what was found out about its repository. Call to read a plan before running it; for
/// progress call get_orchestrator_status.
#[derive(Debug, clap::Args, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct GetStory {
    /// Id of the story, the start of one, or `latest`.
    #[arg(default_value = "latest", value_name = "STORY")]
    #[serde(alias = "id")]
    pub story_id: String,
    /// Whole prompts and all facts about the repository (default true; false shortens them).
    #[arg(long, value_name = "BOOL")]
    pub detailed: Option<bool>,
}

/// A story, whole.
#[derive(Debug, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct StoryWhole {
    #[serde(flatten)]
    pub story: StoryView,
    /// Facts about the repository and, where a model was asked, its reading of them (untrusted text).
    #[schemars(extend("type" = ["object", "null"]))]
    pub analyzed_context: Option<serde_json::Value>,
    pub planner: Option<String>,
    pub tasks: Vec<TaskView>,
    /// Where it went, once completed.
    pub published: Option<PublishView>,
    pub summary: String,
    pub next: String,
}

impl Op for GetStory {
    const NAME: &'static str = "get_story";
    const COMMAND: &'static str = "show";
    const EFFECT: Effect = Effect::READS;
    const TOOLSET: Toolset = Toolset::Plan;
    type Out = StoryWhole;

    async fn call(self, engine: Engine) -> Result<StoryWhole> {
        let story = super::story(&engine, Self::EFFECT, &self.story_id)?;
        let form = Form::of(self.detailed.unwrap_or(true));
        let context = story.analysis.as_ref().map(|analysis| match form {
            Form::Whole | Form::Detailed => serde_json::json!({ "facts": analysis.facts, "analysis": analysis.reading }),
            Form::Concise => serde_json::json!({ "analysis": analysis.reading.as_ref().map(|text| start_of(text, READING_CHARS)) }),
        });
        let tasks: Vec<TaskView> = story.tasks.iter().map(|task| TaskView::of(task, form)).collect();
        let driven = story.run.is_some() && engine.is_driven(story.id)?;
        Ok(StoryWhole {
            analyzed_context: context,
            planner: story.plan.as_ref().map(|plan| plan.planner.clone()),
            summary: super::status::summary(&story, &tasks),
            next: super::status::next(&story, driven),
            tasks,
            published: PublishView::of(&story),
            story: StoryView::of(&story),
        })
    }
}

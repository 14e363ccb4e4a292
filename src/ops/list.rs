use super::view::{StoryStatus, StoryView, start_of};
use super::{Effect, Engine, Op, Result, Toolset};
use crate::error::Error;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::path::PathBuf;

/// Most of a description in a list; get_story shows the whole.
const DESCRIPTION_CHARS: usize = 200;
/// Most stories that one list shows.
const LIMIT_MAX: usize = 1000;

/// List stories, newest first. Call to find the id of a story. Next: get_orchestrator_status.
#[derive(Debug, clap::Args, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct ListStories {
    /// Only stories with this status, for example `Planned` or `Executing`.
    #[arg(long)]
    #[schemars(extend("enum" = ["Created", "Analyzing", "Analyzed", "Planning", "Planned", "Executing", "Completed", "Failed", "Cancelled", null]))]
    pub status: Option<String>,
    /// Only stories of this repository.
    #[arg(short, long, value_name = "PATH")]
    pub repository_path: Option<PathBuf>,
    /// Most stories to show (default 100).
    #[arg(long)]
    pub limit: Option<usize>,
}

/// Stories, newest first.
#[derive(Debug, Serialize, JsonSchema)]
pub struct StoryList {
    pub count: usize,
    pub stories: Vec<StoryView>,
    pub summary: String,
    pub next: String,
}

impl Op for ListStories {
    const NAME: &'static str = "list_stories";
    const COMMAND: &'static str = "list";
    const EFFECT: Effect = Effect::READS;
    const TOOLSET: Toolset = Toolset::Plan;
    type Out = StoryList;

    async fn call(self, engine: Engine) -> Result<StoryList> {
        let status = self.status.as_deref().map(parse_status).transpose()?;
        let limit = self.limit.unwrap_or(100).clamp(1, LIMIT_MAX);
        let repository = self.repository_path.map(|path| crate::engine::repository_root(&path));
        let wanted = |story: &StoryView| {
            status.is_none_or(|status| story.status == status) && repository.as_ref().is_none_or(|root| story.repository_path == *root)
        };
        let all = engine.store.stories(LIMIT_MAX)?;
        let mut stories: Vec<StoryView> = all.iter().map(StoryView::of).filter(wanted).take(limit).collect();
        let (summary, next) = match stories.as_slice() {
            [] => ("No story was found.".into(), super::view::next("create_story", "title and repositoryPath", "aura new")),
            found => (
                format!("{} of {} stories, newest first.", found.len(), all.len()),
                super::view::next("get_orchestrator_status", "the shortId of a story as storyId", "aura status"),
            ),
        };
        for story in &mut stories {
            story.description = start_of(&story.description, DESCRIPTION_CHARS);
        }
        Ok(StoryList { count: stories.len(), stories, summary, next })
    }
}

fn parse_status(text: &str) -> Result<StoryStatus> {
    let known = "Created, Analyzing, Analyzed, Planning, Planned, Executing, Completed, Failed, Cancelled";
    let mut chars = text.trim().chars();
    let pascal: String = chars.next().map(|c| c.to_ascii_uppercase()).into_iter().chain(chars.map(|c| c.to_ascii_lowercase())).collect();
    serde_json::from_value(pascal.into()).map_err(|_| {
        Error::invalid(format!("list stories: `{}` is not a status", text.escape_debug().take(40).collect::<String>()))
            .hint(format!("one of {known}"))
    })
}

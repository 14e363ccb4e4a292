use super::view::{StoryStatus, StoryView, start_of};
use super::{Effect, Engine, Op, Result, Toolset};
use crate::domain::StoryId;
use crate::error::{Code, Error};
use crate::store::Page;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::path::PathBuf;

/// Most of a description in a list; get_story shows the whole.
const DESCRIPTION_CHARS: usize = 200;
/// Most stories that one list shows.
const LIMIT_MAX: usize = 1000;

/// List stories, newest first. Call to find the id of a story. Next: get_orchestrator_status.
#[derive(Debug, clap::Args, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct ListStories {
    /// Only stories with this status, for example `Planned` or `Executing`.
    #[arg(long)]
    #[schemars(extend("enum" = ["Created", "Analyzing", "Analyzed", "Planning", "Planned", "Executing", "Completed", "Failed", "Cancelled", null]))]
    pub status: Option<String>,
    /// Only stories of this repository.
    #[arg(short, long, value_name = "PATH")]
    pub repository_path: Option<PathBuf>,
    /// Most stories to show (default 100, at most 1000).
    #[arg(long)]
    #[schemars(range(min = 1))]
    pub limit: Option<u32>,
    /// `nextCursor` of the last answer: the stories after it.
    #[arg(long)]
    pub cursor: Option<String>,
}

/// Stories, newest first.
#[derive(Debug, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct StoryList {
    pub count: usize,
    pub stories: Vec<StoryView>,
    /// Give it as `cursor` to see the stories after these; null when these are the last.
    pub next_cursor: Option<String>,
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
        if self.limit == Some(0) {
            return Err(Error::invalid(format!("list stories: `limit` is 0; 1 to {LIMIT_MAX} are possible")));
        }
        let limit = self.limit.map_or(100, |limit| limit as usize).min(LIMIT_MAX);
        let repository = self.repository_path.map(|path| crate::engine::repository_root(&path));
        let after = self.cursor.as_deref().map(|cursor| after(&engine, cursor)).transpose()?;
        // One more than wanted says whether there are more.
        let mut found = engine.store.page(&Page { after, status, repository, limit: limit + 1 })?;
        let is_all = found.len() <= limit;
        found.truncate(limit);
        let next_cursor = found.last().filter(|_| !is_all).map(|story| story.id.to_string());
        let all = engine.store.story_count()?;
        let mut stories: Vec<StoryView> = found.iter().map(StoryView::of).collect();
        let (summary, next) = match stories.as_slice() {
            [] => ("No story was found.".into(), super::view::next("create_story", "title and repositoryPath", "aura new")),
            found => (
                format!("{} of {} stories, newest first.", found.len(), all),
                super::view::next("get_orchestrator_status", "the shortId of a story as storyId", "aura status"),
            ),
        };
        for story in &mut stories {
            story.description = start_of(&story.description, DESCRIPTION_CHARS);
        }
        Ok(StoryList { count: stories.len(), stories, next_cursor, summary, next })
    }
}

fn after(engine: &Engine, cursor: &str) -> Result<StoryId> {
    let whole = |id: &StoryId| id.to_string() == cursor;
    engine.store.find(cursor).ok().filter(whole).ok_or_else(|| {
        let shown: String = cursor.chars().take(60).collect();
        Error::new(Code::NotFound, format!("list stories: `cursor` is `{}`, which is no story", shown.escape_debug()))
            .hint("give the `nextCursor` of an earlier answer, or leave it out to begin with the newest")
    })
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

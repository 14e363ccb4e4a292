use super::{Effect, Engine, Op, Result, Toolset};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Remove a story's worktrees and task branches, and its branch once that is merged or pushed. Refuses to lose what is
/// neither. Call when the story is completed, or given up.
#[derive(Debug, clap::Args, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct RemoveWorktree {
    /// Id of the story, the start of one, or `latest`.
    #[arg(default_value = "latest", value_name = "STORY")]
    #[serde(alias = "id")]
    pub story_id: String,
    /// Remove that too; it is kept under `refs/aura/rescue`.
    #[arg(long)]
    #[serde(default)]
    pub force: bool,
}

/// What was removed and what was kept.
#[derive(Debug, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct CleanView {
    #[schemars(extend("format" = "uuid"))]
    pub story_id: String,
    pub removed_worktrees: Vec<String>,
    pub removed_branches: Vec<String>,
    /// Refs that keep work which had not landed. `aura rescue` lists and restores them.
    pub rescued: Vec<String>,
    pub message: String,
    pub summary: String,
    pub next: String,
}

impl Op for RemoveWorktree {
    const NAME: &'static str = "remove_worktree";
    const COMMAND: &'static str = "clean";
    const EFFECT: Effect = Effect::ENDS;
    const TOOLSET: Toolset = Toolset::Finish;
    type Out = CleanView;

    async fn call(self, engine: Engine) -> Result<CleanView> {
        let story = super::story(&engine, Self::EFFECT, &self.story_id)?;
        let cleaned = engine.clean(&story, self.force).await?;
        let story_branch = if cleaned.branches.contains(&story.created.branch) { "is removed" } else { "stays" };
        let (worktrees, branches) = (cleaned.worktrees.len(), cleaned.branches.len());
        let message = match (worktrees, branches) {
            (0, 0) => "Nothing was left to remove.".into(),
            _ => format!("Removed: worktrees {worktrees}, branches {branches}. The story branch {story_branch}."),
        };
        Ok(CleanView {
            story_id: story.id.to_string(),
            removed_worktrees: cleaned.worktrees.iter().map(|path| path.to_string_lossy().into_owned()).collect(),
            removed_branches: cleaned.branches,
            rescued: cleaned.rescued,
            summary: message.clone(),
            message,
            next: super::next(&engine.store.story(story.id)?),
        })
    }
}

use super::view::StoryView;
use super::{Effect, Engine, Op, Result, Toolset};
use crate::engine::CreateRequest;
use crate::error::Error;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::path::PathBuf;

/// Longest path of a repository.
const PATH_BYTES_MAX: usize = 4096;

/// Create a story: one piece of development work, with a branch and a worktree of its own beside the repository. Call this
/// first. Next: decompose_story (analyze_story before it where a model should know the code).
#[derive(Debug, clap::Args, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct CreateStory {
    /// What should be true at the end, in one line. Needed, unless `issueUrl` gives title and description.
    #[arg(required_unless_present = "issue_url")]
    pub title: Option<String>,
    /// Details: context, wishes, limits. Headings or a list become tasks with the `outline` planner.
    #[arg(short, long, allow_hyphen_values = true)]
    pub description: Option<String>,
    /// Path of the git repository, or of any folder in it. The command line's default is the current folder.
    #[arg(short, long, value_name = "PATH")]
    #[serde(alias = "repository")]
    pub repository_path: Option<PathBuf>,
    /// Branch or commit to start from; default: what is checked out.
    #[arg(long)]
    pub base: Option<String>,
    /// Name of the story branch; default: `aura/` and the title.
    #[arg(long)]
    pub branch: Option<String>,
    /// Agent that runs its tasks, as named in aura.toml; default: the configured one.
    #[arg(long)]
    pub agent: Option<String>,
    /// Planner that decomposes it: `copilot`, `openai`, `outline` or one of aura.toml.
    #[arg(long)]
    pub planner: Option<String>,
    /// Address of the GitHub issue that it answers.
    #[arg(long, visible_alias = "issue", value_name = "URL")]
    #[schemars(extend("format" = "uri"))]
    pub issue_url: Option<String>,
}

/// A new story.
#[derive(Debug, Serialize, JsonSchema)]
pub struct CreateView {
    #[serde(flatten)]
    pub story: StoryView,
    pub summary: String,
    pub next: String,
}

impl Op for CreateStory {
    const NAME: &'static str = "create_story";
    const COMMAND: &'static str = "new";
    const EFFECT: Effect = Effect::ADDS;
    const TOOLSET: Toolset = Toolset::Plan;
    type Out = CreateView;

    async fn call(self, engine: Engine) -> Result<CreateView> {
        let repository = self
            .repository_path
            .ok_or_else(|| Error::invalid("create a story: `repositoryPath` is missing").hint("give the path of a git repository"))?;
        let plain = |path: &str| path.len() <= PATH_BYTES_MAX && !path.chars().any(char::is_control);
        if !repository.is_absolute() || !repository.to_str().is_none_or(plain) {
            let shown: String = repository.to_string_lossy().chars().take(200).collect();
            return Err(Error::invalid(format!(
                "create a story: `repositoryPath` is `{}`, not an absolute path of plain text",
                shown.escape_debug()
            ))
            .hint("give the whole path: what calls this may stand anywhere"));
        }
        let (title, description) = match (self.title, &self.issue_url) {
            (Some(title), _) => (title, self.description.unwrap_or_default()),
            (None, Some(url)) => {
                let (engine, url, repository) = (engine.clone(), url.clone(), repository.clone());
                let read = tokio::task::spawn_blocking(move || engine.read_issue(&repository, &url)).await;
                let issue = read.map_err(|e| Error::internal("read an issue").because(e))??;
                (issue.title, self.description.unwrap_or(issue.description))
            }
            (None, None) => {
                return Err(
                    Error::invalid("call `create_story`: `title` is missing").hint("say in one line what should be true at the end")
                );
            }
        };
        let request = CreateRequest {
            title,
            description,
            repository,
            base: self.base,
            branch: self.branch,
            agent: self.agent,
            planner: self.planner,
            issue_url: self.issue_url,
        };
        let story = tokio::task::spawn_blocking(move || engine.create(request))
            .await
            .map_err(|e| Error::internal("create a story").because(e))??;
        let summary = "Created, with a branch and a worktree of its own.".into();
        Ok(CreateView { story: StoryView::of(&story), summary, next: super::next(&story) })
    }
}

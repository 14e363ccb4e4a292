use super::view::{PublishView, StoryStatus};
use super::{Effect, Engine, Op, Result, Toolset};
use crate::domain::Completion;
use crate::engine::{CompleteRequest, Publish};
use crate::error::Error;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Complete a story: bring the base in, verify exactly the result, squash it to one commit, publish it. Call when isComplete
/// is true; refuses what the gate has not allowed. Can be repeated. Next: remove_worktree.
#[derive(Debug, clap::Args, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct CompleteStory {
    /// Id of the story, the start of one, or `latest`.
    #[arg(default_value = "latest", value_name = "STORY")]
    #[serde(alias = "id")]
    pub story_id: String,
    /// `auto`, `branch` (leave it on the story branch), `merge` (move the base branch to it) or `push`.
    #[arg(long, value_parser = ["auto", "branch", "merge", "push"])]
    #[schemars(extend("enum" = ["auto", "branch", "merge", "push", null]))]
    pub publish: Option<String>,
    /// Remote to push to (default `origin`).
    #[arg(long)]
    pub remote: Option<String>,
    /// Message of the commit; default: made from the story and its tasks.
    #[arg(short, long, allow_hyphen_values = true)]
    pub commit_message: Option<String>,
    /// Keep every task's landing instead of one squashed commit.
    #[arg(long)]
    #[serde(default)]
    pub keep_commits: bool,
}

/// A completed story.
#[derive(Debug, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct CompleteView {
    pub id: String,
    pub status: StoryStatus,
    pub completed_at: Option<String>,
    pub pull_request_url: Option<String>,
    pub published: Option<PublishView>,
    /// True when the gate's checks passed on exactly what was published; null when the repository has no checks.
    pub verification_passed: Option<bool>,
    pub message: String,
    pub summary: String,
    pub next: String,
}

impl Op for CompleteStory {
    const NAME: &'static str = "complete_story";
    const COMMAND: &'static str = "complete";
    const EFFECT: Effect = Effect::PUBLISHES;
    const TOOLSET: Toolset = Toolset::Finish;
    type Out = CompleteView;

    async fn call(self, engine: Engine) -> Result<CompleteView> {
        let story = super::story(&engine, &self.story_id)?;
        let remote = || self.remote.clone().unwrap_or_else(|| "origin".into());
        let publish = match self.publish.as_deref() {
            None | Some("auto") if self.remote.is_some() => Publish::Push { remote: remote() },
            None | Some("auto") => Publish::Auto,
            Some("branch") => Publish::Branch,
            Some("merge") => Publish::Merge,
            Some("push") => Publish::Push { remote: remote() },
            Some(other) => {
                let detail = format!("complete: `publish` is `{}`; auto, branch, merge and push are possible", other.escape_debug());
                return Err(Error::invalid(detail));
            }
        };
        let request = CompleteRequest { publish, message: self.commit_message, keep_commits: self.keep_commits };
        let story = engine.complete(&story, request).await?;
        let published = PublishView::of(&story);
        let completed_at = match &story.completion {
            Completion::Done { at, .. } => Some(at.to_string()),
            Completion::Open | Completion::Started | Completion::Squashed { .. } => None,
        };
        Ok(CompleteView {
            id: story.id.to_string(),
            status: story.status(),
            completed_at,
            pull_request_url: None,
            verification_passed: story.tip_verdict().and_then(|verdict| match verdict {
                crate::domain::Verdict::Passed => Some(true),
                crate::domain::Verdict::Failed => Some(false),
                crate::domain::Verdict::Ungated => None,
            }),
            message: message(published.as_ref()),
            summary: summary(published.as_ref()),
            next: super::next(&story),
            published,
        })
    }
}

/// The message without names that a repository gave.
fn summary(published: Option<&PublishView>) -> String {
    match published.map(|published| published.how) {
        None => "The story is being completed.",
        Some("merged") => "Completed: the verified commit is merged into the base branch.",
        Some("pushed") => "Completed: the verified commit is pushed.",
        Some(_) => "Completed: the verified commit is on the story branch.",
    }
    .into()
}

fn message(published: Option<&PublishView>) -> String {
    match published {
        None => "The story is being completed.".into(),
        Some(p) if p.how == "merged" => format!("Merged into `{}`.", p.branch),
        Some(p) if p.how == "pushed" => format!("Pushed `{}` to `{}`.", p.branch, p.remote.as_deref().unwrap_or_default()),
        Some(p) => match &p.merge_command {
            Some(command) => format!("The commit is on `{}`. To bring it into your checkout: {command}", p.branch),
            None => format!("The commit is on `{}`.", p.branch),
        },
    }
}

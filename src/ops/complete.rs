use super::time::Time;
use super::view::{self, FindingView, Form, PublishView, StoryStatus};
use super::words::{GateVerdict, How};
use super::{Effect, Engine, Op, Result, Toolset};
use crate::domain::Completion;
use crate::engine::{CompleteRequest, Publish, PullOptions};
use crate::error::Error;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Complete a story: bring the base in, verify exactly the result, squash it to one commit, push, open a pull request. Call
/// when isComplete is true; refuses what the gate has not allowed. Can be repeated. Next: remove_worktree.
#[derive(Debug, clap::Args, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct CompleteStory {
    /// Id of the story, the start of one, or `latest`.
    #[arg(default_value = "latest", value_name = "STORY")]
    #[serde(alias = "id")]
    pub story_id: String,
    /// `auto`, `branch` (leave it on the story branch), `merge` (move the base branch to it) or `push`.
    #[arg(long, value_parser = ["auto", "branch", "merge", "push"], ignore_case = true)]
    #[schemars(extend("enum" = ["auto", "branch", "merge", "push", null]))]
    pub publish: Option<String>,
    /// Remote to push to; default: the base branch's, else `origin`.
    #[arg(long)]
    pub remote: Option<String>,
    /// Message of the commit; default: made from the story and its tasks.
    #[arg(short, long, allow_hyphen_values = true)]
    pub commit_message: Option<String>,
    /// Keep every task's landing instead of one squashed commit.
    #[arg(long)]
    #[serde(default)]
    pub keep_commits: bool,
    /// Open a pull request, or update it; default: where the remote is on GitHub.
    #[arg(long = "pull-request", value_name = "BOOL", num_args = 0..=1, default_missing_value = "true")]
    pub create_pull_request: Option<bool>,
    /// Its title; default: the story's.
    #[arg(long = "title", value_name = "TEXT", allow_hyphen_values = true)]
    pub pr_title: Option<String>,
    /// Its text; default: what was asked, what was done, what speaks for it.
    #[arg(long = "body", value_name = "TEXT", allow_hyphen_values = true)]
    pub pr_body: Option<String>,
    /// Branch it is for; default: the story's base.
    #[arg(long = "base", value_name = "BRANCH")]
    pub base_branch: Option<String>,
    /// `owner/name` that it is for; default: of `upstream`, else the one pushed to.
    #[arg(long = "pull-repository", value_name = "OWNER/NAME")]
    pub pr_repository: Option<String>,
    /// As a draft; default: true.
    #[arg(long, value_name = "BOOL", num_args = 0..=1, default_missing_value = "true")]
    pub draft: Option<bool>,
    /// Reviewers: people, or `organisation/team`.
    #[arg(long = "reviewer", value_name = "NAME")]
    #[serde(default)]
    pub reviewers: Vec<String>,
    /// Its labels.
    #[arg(long = "label", value_name = "LABEL")]
    #[serde(default)]
    pub labels: Vec<String>,
}

/// A completed story.
#[derive(Debug, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct CompleteView {
    #[schemars(extend("format" = "uuid"))]
    pub id: String,
    pub status: StoryStatus,
    pub completed_at: Option<Time>,
    #[schemars(extend("format" = "uri"))]
    pub pull_request_url: Option<String>,
    pub published: Option<PublishView>,
    /// True when the gate's checks passed on exactly what was published; null when the repository has no checks.
    pub verification_passed: Option<bool>,
    /// What it changes about files that decide the gate, and tests that say less: claimed, reported or accepted.
    pub findings: Vec<FindingView>,
    /// What changed around the worktrees meanwhile, what agents tried or left.
    pub notes: Vec<String>,
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
        let story = super::story(&engine, Self::EFFECT, &self.story_id)?;
        let publish = match self.publish.as_deref() {
            None | Some("auto") if self.remote.is_some() => Publish::Push { remote: self.remote },
            None | Some("auto") => Publish::Auto,
            Some("branch") => Publish::Branch,
            Some("merge") => Publish::Merge,
            Some("push") => Publish::Push { remote: self.remote },
            Some(other) => {
                let detail = format!("complete: `publish` is `{}`; auto, branch, merge and push are possible", other.escape_debug());
                return Err(Error::invalid(detail));
            }
        };
        let pull = PullOptions {
            create: self.create_pull_request,
            title: self.pr_title,
            body: self.pr_body,
            base: self.base_branch,
            repository: self.pr_repository,
            reviewers: self.reviewers,
            labels: self.labels,
            draft: self.draft,
        };
        let request = CompleteRequest { publish, message: self.commit_message, keep_commits: self.keep_commits, pull };
        let story = engine.complete(&story, request).await?;
        let published = PublishView::of(&story);
        let completed_at = match &story.completion {
            Completion::Done { at, .. } => Some((*at).into()),
            Completion::Open | Completion::Started | Completion::Squashed { .. } | Completion::Pushed { .. } => None,
        };
        let pull_request_url = story.pull_request.as_ref().map(|pull| pull.url.clone());
        Ok(CompleteView {
            id: story.id.to_string(),
            status: story.status(),
            completed_at,
            pull_request_url: pull_request_url.clone(),
            verification_passed: story.tip_verdict().and_then(|verdict| GateVerdict::of(verdict).passed()),
            findings: FindingView::all(&story, Form::Concise),
            notes: view::notes(&story, Form::Whole),
            message: message(published.as_ref(), pull_request_url.as_deref()),
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
        Some(How::Merged) => "Completed: the verified commit is merged into the base branch.",
        Some(How::Pushed) => "Completed: the verified commit is pushed.",
        Some(How::PullRequest) => "Completed: the verified commit is pushed, and its pull request is open.",
        Some(How::Branch) => "Completed: the verified commit is on the story branch.",
    }
    .into()
}

fn message(published: Option<&PublishView>, url: Option<&str>) -> String {
    match published {
        None => "The story is being completed.".into(),
        Some(p) if p.how == How::PullRequest => format!("The pull request of `{}`: {}", p.branch, url.unwrap_or_default()),
        Some(p) if p.how == How::Merged => format!("Merged into `{}`.", p.branch),
        Some(p) if p.how == How::Pushed => format!("Pushed `{}` to `{}`.", p.branch, p.remote.as_deref().unwrap_or_default()),
        Some(p) => match &p.merge_command {
            Some(command) => format!("The commit is on `{}`. To bring it into your checkout: {command}", p.branch),
            None => format!("The commit is on `{}`.", p.branch),
        },
    }
}

use super::view::FindingView;
use super::{Effect, Engine, Op, Result, Toolset};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Accept changes to what decides the gate, which hold a story. Call only after a person agreed. Next: complete_story.
#[derive(Debug, clap::Args, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct AcceptFindings {
    /// Id of the story, the start of one, or `latest`.
    #[arg(default_value = "latest", value_name = "STORY")]
    #[serde(alias = "id")]
    pub story_id: String,
    /// Default: all that is held.
    #[arg(long = "finding", value_name = "ID")]
    #[serde(default)]
    pub finding_ids: Vec<String>,
    /// Why, for the record.
    #[arg(short, long, value_name = "TEXT", allow_hyphen_values = true)]
    pub reason: Option<String>,
}

/// What was accepted, and what still waits.
#[derive(Debug, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct AcceptView {
    #[schemars(extend("format" = "uuid"))]
    pub story_id: String,
    /// Ids of the findings that this call accepted.
    pub accepted: Vec<String>,
    /// What still holds the story open.
    pub findings: Vec<FindingView>,
    pub is_complete: bool,
    pub summary: String,
    pub next: String,
}

impl Op for AcceptFindings {
    const NAME: &'static str = "accept_findings";
    const COMMAND: &'static str = "accept";
    /// It lets through what was held: hosts ask a person.
    const EFFECT: Effect = Effect { read_only: false, destructive: true, idempotent: false, open_world: false };
    const TOOLSET: Toolset = Toolset::Finish;
    type Out = AcceptView;

    async fn call(self, engine: Engine) -> Result<AcceptView> {
        let story = super::story(&engine, Self::EFFECT, &self.story_id)?;
        let (story, accepted) = engine.accept(&story, &self.finding_ids, self.reason.as_deref().unwrap_or_default())?;
        let findings: Vec<FindingView> = story.open_findings().map(|finding| FindingView::of(finding, false)).collect();
        let what = if accepted.len() == 1 { "1 finding is".into() } else { format!("{} findings are", accepted.len()) };
        let left = if findings.is_empty() { String::new() } else { format!(" {} still held.", findings.len()) };
        Ok(AcceptView {
            story_id: story.id.to_string(),
            accepted,
            findings,
            is_complete: story.is_complete(),
            summary: format!("{what} accepted.{left}"),
            next: super::next(&story),
        })
    }
}

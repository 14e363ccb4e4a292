//! What turns a story into a plan: the outline reader that needs nothing, a coding agent asked for JSON, or any
//! OpenAI-compatible endpoint. What a planner answers is untrusted: only [`propose_checked`] makes a [`Plan`] of it.
//!
//! This room never starts a program, never reads the environment and never sees a repository: what it needs is given.

mod config;
mod copilot;
mod facts;
mod facts_commands;
mod facts_prompt;
mod facts_tables;
mod facts_words;
mod openai;
mod outline;
mod outline_items;
mod outline_marks;
pub mod prompt;
pub mod reply;

pub use config::{Given, PlannerConfig, PlannerKind, build};
pub use copilot::{Ask, Copilot};
pub use facts::{BuildSystem, Convention, FactsBudget, Folder, Language, LogLine, Place, RepoFacts, Source, Spent, WordFact, WordHit};
pub use facts_commands::Command;
pub use openai::{Endpoint, OpenAi, Secret};
pub use outline::Outline;
pub use prompt::{analysis_prompt, clean_reading};

use crate::domain::{Fault, Plan, TaskDraft};
use crate::error::{Code, Error};

/// Most of a model's answer that is kept, in bytes.
const RAW_BYTES_MAX: usize = 256 * 1024;

/// Most bytes of facts that a model is asked to read.
pub const FACTS_BYTES_MAX: usize = 24 * 1024;

/// What a planner is told. Texts are the user's or the repository's own words: data, never orders.
#[derive(Clone, Debug, Default)]
pub struct PlanBrief {
    pub title: String,
    pub description: String,
    /// What a model made of the facts, if one was asked.
    pub analysis: Option<String>,
    /// The facts of the repository as text.
    pub facts: Option<String>,
    /// How many agents will work side by side; zero means unknown.
    pub max_parallelism: u32,
    pub include_tests: bool,
    /// Names of the configured agents a task may ask for.
    pub agents: Vec<String>,
    /// What was wrong with the previous answer; empty the first time.
    pub faults: Vec<Fault>,
    /// The previous answer, as it was given.
    pub previous: Option<String>,
}

/// What a planner answers.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Proposal {
    pub drafts: Vec<TaskDraft>,
    /// The answer as it was given, bounded: for the record and for sending it back.
    pub raw: String,
}

/// Turns a story into task drafts. Blocking; bounded in time by its own configuration.
pub trait Planner: Send + Sync {
    /// The name in configuration, events and messages.
    fn name(&self) -> &str;

    /// One answer to one brief.
    ///
    /// # Errors
    /// [`PlannerError::Unreadable`] where it answered something that is no plan; all else is not the plan's fault.
    fn propose(&self, brief: &PlanBrief) -> Result<Proposal, PlannerError>;

    /// Whether asking again with the faults can give a better answer.
    fn can_revise(&self) -> bool {
        true
    }

    /// Answers a question in free text; `None` where there is no model behind this planner.
    ///
    /// # Errors
    /// As for [`Planner::propose`], never [`PlannerError::Unreadable`] for its wording.
    fn answer(&self, _prompt: &str) -> Result<Option<String>, PlannerError> {
        Ok(None)
    }
}

/// Why there is no plan.
#[derive(Debug, thiserror::Error)]
pub enum PlannerError {
    #[error("the {planner} planner's answer is not a plan: {why}")]
    Unreadable { planner: String, why: String, raw: String },
    #[error("the {planner} planner's plan is not valid: {}", list(.faults))]
    Invalid { planner: String, faults: Vec<Fault> },
    #[error("the {planner} planner needs a login: {detail}")]
    NeedsLogin { planner: String, detail: String },
    #[error("the {planner} planner is rate limited{}: {detail}", .retry_after_s.map(|s| format!(" for {s} s")).unwrap_or_default())]
    RateLimited { planner: String, retry_after_s: Option<u64>, detail: String },
    #[error("the {planner} planner did not answer within {after_s} s")]
    TimedOut { planner: String, after_s: u64 },
    #[error("the {planner} planner cannot be reached: {doing}")]
    Unreachable {
        planner: String,
        doing: String,
        #[source]
        source: Box<dyn std::error::Error + Send + Sync>,
    },
    /// The service failed by itself (HTTP 5xx, a crashed agent): the same call may succeed later.
    #[error("the {planner} planner failed: {detail}")]
    Failed { planner: String, detail: String },
    /// The request was understood and refused (another HTTP 4xx, a policy, a redirect).
    #[error("the {planner} planner refused: {detail}")]
    Refused { planner: String, detail: String },
    #[error("the {planner} planner's answer is longer than {bytes_max} bytes")]
    TooLong { planner: String, bytes_max: u64 },
    #[error("the planner's configuration cannot be used: {detail}")]
    Config { detail: String },
}

/// Faults in one sentence, for a message; programs read them from the error's `faults`.
fn list(faults: &[Fault]) -> String {
    faults.iter().map(ToString::to_string).collect::<Vec<_>>().join("; ")
}

impl PlannerError {
    /// What this means at every door.
    #[must_use]
    pub fn code(&self) -> Code {
        match self {
            PlannerError::Unreadable { .. } | PlannerError::Invalid { .. } => Code::InvalidPlan,
            PlannerError::NeedsLogin { .. } => Code::NeedsLogin,
            PlannerError::RateLimited { .. } | PlannerError::TooLong { .. } => Code::LimitReached,
            PlannerError::TimedOut { .. } => Code::TimedOut,
            PlannerError::Unreachable { .. } | PlannerError::Failed { .. } => Code::Unavailable,
            PlannerError::Refused { .. } => Code::NeedsPerson,
            PlannerError::Config { .. } => Code::InvalidRequest,
        }
    }

    fn hint(&self) -> Option<String> {
        let text = match self {
            PlannerError::Unreadable { .. } => "Try again, or plan with `outline`, or give the tasks yourself.",
            PlannerError::Invalid { planner, .. } if planner == Outline::NAME => {
                "Correct the story's description; the format is in docs/outline.md."
            }
            PlannerError::Invalid { .. } => "Try again, or plan with `outline`, or give the tasks yourself.",
            PlannerError::NeedsLogin { .. } => "Log in, or set the variable that `api_key_env` under [planners.NAME] names.",
            PlannerError::RateLimited { .. } => "Wait and repeat the call.",
            PlannerError::TimedOut { .. } => "Repeat the call, or raise `timeout_s` under [planners.NAME].",
            PlannerError::Unreachable { .. } => "Check `base_url` under [planners.NAME] and the network.",
            PlannerError::Refused { .. } | PlannerError::Config { .. } => "Check [planners.NAME] in aura.toml.",
            PlannerError::Failed { .. } | PlannerError::TooLong { .. } => return None,
        };
        Some(text.into())
    }
}

impl From<PlannerError> for Error {
    fn from(error: PlannerError) -> Self {
        let mut refusal = Error::new(error.code(), error.to_string());
        refusal.hint = error.hint();
        match error {
            PlannerError::Unreachable { source, .. } => refusal.because(source),
            _ => refusal,
        }
    }
}

/// Asks for a plan and checks it. A wrong one is sent back once, with all its faults; a second wrong one is given up.
/// A planner that cannot be reached is not a wrong plan, and is never asked twice here.
///
/// # Errors
/// [`PlannerError::Invalid`] with every fault of the last answer, or what kept the planner from answering.
pub fn propose_checked(planner: &dyn Planner, brief: &PlanBrief) -> Result<(Plan, Proposal), PlannerError> {
    let (faults, raw) = match proposed(planner, brief)? {
        Ok(accepted) => return Ok(accepted),
        Err(wrong) => wrong,
    };
    let invalid = |faults| PlannerError::Invalid { planner: planner.name().to_owned(), faults };
    if !planner.can_revise() {
        return Err(invalid(faults));
    }
    let again = PlanBrief { faults, previous: Some(raw), ..brief.clone() };
    proposed(planner, &again)?.map_err(|(faults, _)| invalid(faults))
}

/// What a model makes of the facts with this story in mind; `None` where there is no model behind the planner, or it had
/// nothing to say. The facts are worth keeping whatever comes of this.
///
/// # Errors
/// What kept the planner from answering; never the wording of the answer.
pub fn read_facts(planner: &dyn Planner, title: &str, description: &str, facts: &RepoFacts) -> Result<Option<String>, PlannerError> {
    let question = analysis_prompt(title, description, &facts.to_prompt(FACTS_BYTES_MAX));
    Ok(planner.answer(&question)?.and_then(|answer| clean_reading(&answer)))
}

/// A plan given by the caller, or one answer of a planner, against all rules: the domain's, and that its agents exist.
///
/// # Errors
/// All faults at once; never empty.
pub fn check_drafts(drafts: Vec<TaskDraft>, agents: &[String]) -> Result<Plan, Vec<Fault>> {
    let mut faults = vec![];
    for (index, draft) in drafts.iter().enumerate() {
        if let Some(agent) = &draft.agent
            && !agent.trim().is_empty()
            && !agents.iter().any(|known| known == agent.trim())
        {
            let shown: String = agent.escape_debug().take(60).collect();
            let known = agents.join("`, `");
            let task = draft.id.clone().unwrap_or_else(|| format!("#{}", index + 1)).escape_debug().take(60).collect();
            let message = if agents.is_empty() {
                format!("it asks for the agent `{shown}`, and no agent may be chosen here")
            } else {
                format!("it asks for the agent `{shown}`, which is not configured; there is `{known}`")
            };
            faults.push(Fault { task: Some(task), message });
        }
    }
    match Plan::check(drafts) {
        Ok(plan) if faults.is_empty() => Ok(plan),
        Ok(_) => Err(faults),
        Err(mut wrong) => {
            wrong.extend(faults);
            Err(wrong)
        }
    }
}

type Wrong = (Vec<Fault>, String);

fn proposed(planner: &dyn Planner, brief: &PlanBrief) -> Result<Result<(Plan, Proposal), Wrong>, PlannerError> {
    let proposal = match planner.propose(brief) {
        Ok(proposal) => proposal,
        Err(PlannerError::Unreadable { why, raw, .. }) => return Ok(Err((vec![Fault { task: None, message: why }], raw))),
        Err(other) => return Err(other),
    };
    Ok(match check_drafts(proposal.drafts.clone(), &brief.agents) {
        Ok(plan) => Ok((plan, proposal)),
        Err(faults) => Err((faults, proposal.raw)),
    })
}

//! Views shared by verbs: the seed's shapes, with more fields where they help. Times are RFC 3339 UTC.

use super::time::Time;
use super::words::{CheckKind, CheckResult, FindingKind, GateType, GateVerdict, How, Phase, Standing};
use crate::domain::{self, Completion, GateReport, Published, RunOutcome, Story, Task, Work};
use crate::engine;
use schemars::JsonSchema;
use serde::Serialize;

pub use super::words::TaskStatus;
pub use crate::domain::{OrchestratorStatus, StoryStatus};

/// Lengths in the concise form: twenty tasks are to fit into what a model reads at once.
const TITLE_CHARS: usize = 60;
const ACTIVITY_CHARS: usize = 60;
const ERROR_CHARS: usize = 80;
const OUTPUT_CHARS: usize = 700;
const OUTSIDE_MAX: usize = 3;
const NOTES_MAX: usize = 3;
const NOTE_CHARS: usize = 240;
/// Findings in the concise form.
const FINDINGS_MAX: usize = 20;

/// A story.
#[derive(Clone, Debug, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
#[schemars(rename = "Story")]
pub struct StoryView {
    #[schemars(extend("format" = "uuid"))]
    pub id: String,
    /// The part of the id that names branches and folders; accepted wherever an id is.
    pub short_id: String,
    pub title: String,
    pub description: String,
    pub status: StoryStatus,
    pub orchestrator_status: OrchestratorStatus,
    pub git_branch: String,
    pub base_branch: Option<String>,
    pub base_commit: String,
    /// The story's own worktree; null once removed.
    pub worktree_path: Option<String>,
    pub repository_path: String,
    #[schemars(extend("format" = "uri"))]
    pub issue_url: Option<String>,
    pub agent: Option<String>,
    /// Commit of the story branch that holds all that has landed.
    pub tip: String,
    pub current_wave: u32,
    pub wave_count: u32,
    pub max_parallelism: u32,
    /// Tasks, and how many of them have landed.
    pub step_count: usize,
    pub completed_steps: usize,
    pub created_at: Time,
    pub updated_at: Time,
    pub completed_at: Option<Time>,
    #[schemars(extend("format" = "uri"))]
    pub pull_request_url: Option<String>,
    /// Why the last analysis, plan or run did not work.
    pub error: Option<String>,
}

impl StoryView {
    pub(super) fn of(story: &Story) -> StoryView {
        let completed_at = match &story.completion {
            Completion::Done { at, .. } => Some((*at).into()),
            Completion::Open | Completion::Started | Completion::Squashed { .. } | Completion::Pushed { .. } => None,
        };
        StoryView {
            id: story.id.to_string(),
            short_id: story.id.short(),
            title: story.created.title.clone(),
            description: story.created.description.clone(),
            status: story.status(),
            orchestrator_status: story.orchestrator_status(),
            git_branch: story.created.branch.clone(),
            base_branch: story.created.base_branch.clone(),
            base_commit: story.created.base_commit.to_string(),
            worktree_path: (!story.worktrees_removed).then(|| engine::story_worktree(story).to_string_lossy().into_owned()),
            repository_path: story.created.repository.clone(),
            issue_url: story.created.issue_url.clone(),
            agent: story.created.agent.clone(),
            tip: story.tip.commit.to_string(),
            current_wave: story.current_wave(),
            wave_count: story.wave_count(),
            max_parallelism: story.max_parallelism,
            step_count: story.tasks.len(),
            completed_steps: story.tasks.iter().filter(|task| matches!(task.work, Work::Landed { .. })).count(),
            created_at: story.created_at.into(),
            updated_at: story.updated_at.into(),
            completed_at,
            pull_request_url: story.pull_request.as_ref().map(|pull| pull.url.clone()),
            error: trouble(story),
        }
    }
}

/// Why the story is not well, in one sentence.
pub(super) fn trouble(story: &Story) -> Option<String> {
    let run = match (&story.run, story.last_run.as_ref().map(|run| &run.outcome)) {
        (None, Some(RunOutcome::Failed { reason })) => Some(reason.clone()),
        (None, Some(RunOutcome::Stopped { reason: domain::StopReason::Held, .. })) if !story.is_held() => None,
        (None, Some(RunOutcome::Stopped { detail, .. })) => Some(detail.clone()),
        (None, Some(RunOutcome::Finished | RunOutcome::Cancelled) | None) | (Some(_), _) => None,
    };
    story.trouble.clone().or(run)
}

/// What a reader should know besides (may quote names that others gave).
pub(super) fn notes(story: &Story, form: Form) -> Vec<String> {
    let (max, chars) = if form == Form::Concise { (NOTES_MAX, NOTE_CHARS) } else { (usize::MAX, usize::MAX - 1) };
    let before = story.notes.len().saturating_sub(max);
    story.notes[before..].iter().map(|text| cut(text, chars)).collect()
}

/// A task and where it stands: the seed's `StoryTask`, and more.
#[derive(Clone, Debug, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
#[schemars(rename = "StoryTask")]
pub struct TaskView {
    pub id: String,
    pub title: String,
    pub wave: u32,
    pub depends_on: Vec<String>,
    pub status: TaskStatus,
    pub phase: Phase,
    pub attempts: u32,
    /// What the agent is doing now (untrusted text).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub activity: Option<String>,
    /// May quote an agent (untrusted text).
    pub error: Option<String>,
    /// Files it changed outside what it claimed; the first ones in the concise form.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    #[schemars(default)]
    pub outside_claim: Vec<String>,
    /// What its agent wrote and no commit holds, and why; the first ones in the concise form.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    #[schemars(default)]
    pub left_out: Vec<String>,
    /// Left out of the concise form.
    #[serde(flatten)]
    pub seed: Option<SeedTask>,
    /// Only in the detailed form.
    #[serde(flatten)]
    pub detail: Option<TaskDetail>,
}

/// What else the seed's task holds: there in every form but the concise one, null where there is nothing.
#[derive(Clone, Debug, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct SeedTask {
    /// The agent's prompt.
    pub description: String,
    #[schemars(extend("format" = "uuid"))]
    pub agent_session_id: Option<String>,
    /// The agent's own last words (untrusted text).
    pub output: Option<String>,
    pub started_at: Option<Time>,
    pub completed_at: Option<Time>,
}

/// What only the detailed form of a task holds.
#[derive(Clone, Debug, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct TaskDetail {
    pub files: Vec<String>,
    pub agent: Option<String>,
    /// Commit on the story branch that holds its work.
    pub commit: Option<String>,
}

/// How much of a task a view holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Form {
    Concise,
    /// What the seed's task holds.
    Whole,
    Detailed,
}

impl Form {
    pub(super) fn of(detailed: bool) -> Form {
        if detailed { Form::Detailed } else { Form::Concise }
    }
}

impl TaskView {
    pub(super) fn of(task: &Task, form: Form) -> TaskView {
        let ended = task.attempts.last().and_then(|attempt| attempt.ended.as_ref());
        let last_error = ended.filter(|end| end.outcome != domain::Outcome::Done).map(|end| end.outcome.sentence());
        let (title, error) = (&task.planned.title, task.error().or(if task.has_landed() { None } else { last_error }));
        let outside_max = if form == Form::Concise { OUTSIDE_MAX } else { usize::MAX };
        let concise = |text: &str, chars: usize| if form == Form::Concise { cut(text, chars) } else { text.to_owned() };
        TaskView {
            id: task.id().to_string(),
            title: concise(title, TITLE_CHARS),
            wave: task.planned.wave,
            depends_on: task.planned.depends_on.iter().map(ToString::to_string).collect(),
            status: TaskStatus::of(task),
            phase: Phase::of(task),
            attempts: task.attempts.len() as u32,
            activity: Some(concise(&task.activity, ACTIVITY_CHARS)).filter(|text| !text.is_empty()),
            error: error.map(|text| concise(&text, ERROR_CHARS)),
            outside_claim: task.outside_claim.iter().take(outside_max).map(|path| concise(path, TITLE_CHARS)).collect(),
            left_out: left_out(task).iter().take(outside_max).map(|line| concise(line, ERROR_CHARS)).collect(),
            seed: (form != Form::Concise).then(|| SeedTask::of(task)),
            detail: (form == Form::Detailed).then(|| TaskDetail::of(task)),
        }
    }
}

fn left_out(task: &Task) -> Vec<String> {
    task.left_out().map(domain::LeftOut::lines).unwrap_or_default()
}

impl SeedTask {
    fn of(task: &Task) -> SeedTask {
        SeedTask {
            description: task.planned.description.clone(),
            agent_session_id: task.attempts.last().map(|attempt| attempt.session.to_string()),
            output: task.summary().map(str::to_owned),
            started_at: task.attempts.first().map(|attempt| attempt.started_at.into()),
            completed_at: task.landings.last().map(|landing| landing.at.into()),
        }
    }
}

impl TaskDetail {
    fn of(task: &Task) -> TaskDetail {
        TaskDetail {
            files: task.planned.files.clone(),
            agent: task.planned.agent.clone(),
            commit: task.landings.last().map(|landing| landing.commit.to_string()),
        }
    }
}

/// The first characters of a text.
pub(super) fn start_of(text: &str, chars: usize) -> String {
    if text.chars().count() <= chars { text.to_owned() } else { text.chars().take(chars).chain(['…']).collect() }
}

/// The last characters of a text.
fn end_of(text: &str, chars: usize) -> String {
    let count = text.chars().count();
    if count <= chars { text.to_owned() } else { ['…'].into_iter().chain(text.chars().skip(count - chars)).collect() }
}

/// One printable line of at most so many characters.
pub(super) fn cut(text: &str, chars: usize) -> String {
    let flat: String = text.chars().take(chars + 1).map(|c| if c.is_control() { ' ' } else { c }).collect();
    if flat.chars().count() <= chars { flat } else { flat.chars().take(chars - 1).chain(['…']).collect() }
}

/// What to do next: the tool to call, and the command to type for whoever sits at a terminal. Holds only ids.
pub(super) fn next(tool: &str, args: &str, command: &str) -> String {
    format!("Call {tool} with {args} (or type: {command}).")
}

/// What the last gate found: the seed's `gateResult`.
#[derive(Clone, Debug, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct GateView {
    /// True only when checks ran and passed; null when the repository has no checks.
    pub passed: Option<bool>,
    pub verdict: GateVerdict,
    pub gate_type: GateType,
    pub after_wave: u32,
    pub commit: String,
    pub tests_passed: Option<u32>,
    pub tests_failed: Option<u32>,
    pub error: Option<String>,
    pub checks: Vec<CheckView>,
}

/// One check of a gate.
#[derive(Clone, Debug, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct CheckView {
    pub name: String,
    pub kind: CheckKind,
    pub folder: String,
    pub result: CheckResult,
    pub exit_code: Option<i32>,
    pub duration_ms: u64,
    /// Tests that ran, where the runner said so.
    pub tests_run: Option<u32>,
    /// What to know besides: a committed file that it changed, far fewer tests than at the base.
    pub notes: Vec<String>,
    /// The part of its output that says what failed (untrusted text); empty when it passed.
    pub output: String,
}

impl GateView {
    pub(super) fn of(report: &GateReport, wave: u32, form: Form) -> GateView {
        let (tests_passed, tests_failed) = report.tests();
        let failing = report.failing();
        GateView {
            passed: GateVerdict::of(report.verdict).passed(),
            verdict: GateVerdict::of(report.verdict),
            gate_type: GateType::of(failing.map(|check| check.kind)),
            after_wave: wave,
            commit: report.commit.to_string(),
            tests_passed,
            tests_failed,
            error: failing.map(|check| format!("`{}` {}", check.label(), check.end.sentence())),
            checks: report.checks.iter().map(|check| check_view(check, form)).collect(),
        }
    }
}

fn check_view(check: &domain::CheckReport, form: Form) -> CheckView {
    let (result, exit_code) = CheckResult::of(&check.end);
    let output = match form {
        _ if check.end.is_good() => String::new(),
        Form::Concise | Form::Whole => end_of(&check.output, OUTPUT_CHARS),
        Form::Detailed => check.output.clone(),
    };
    CheckView {
        name: check.name.clone(),
        kind: CheckKind::of(check.kind),
        folder: check.folder.clone(),
        result,
        exit_code,
        duration_ms: check.duration_ms,
        tests_run: check.tests_run(),
        notes: check.notes.clone(),
        output,
    }
}

/// A change to what decides the gate, or a test that says less than before. Its texts quote the repository (untrusted text).
#[derive(Clone, Debug, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct FindingView {
    /// Of this change: accept_findings takes it.
    pub id: String,
    pub kind: FindingKind,
    pub path: String,
    pub line: Option<u32>,
    /// The test or setting; empty for the file as a whole.
    pub subject: String,
    pub detail: String,
    pub standing: Standing,
    /// A person has accepted it.
    pub accepted: bool,
    /// The task that changed the file last.
    pub task_id: Option<String>,
}

impl FindingView {
    pub(super) fn of(finding: &domain::Finding, accepted: bool) -> FindingView {
        FindingView {
            id: finding.id.clone(),
            kind: FindingKind::of(finding.kind),
            path: finding.path.clone(),
            line: finding.line,
            subject: finding.subject.clone(),
            detail: finding.detail.clone(),
            standing: Standing::of(finding.standing),
            accepted,
            task_id: finding.task.as_ref().map(ToString::to_string),
        }
    }

    /// What was found at the last look; the first ones in the concise form, and what is held in any case.
    pub(super) fn all(story: &Story, form: Form) -> Vec<FindingView> {
        let found = story.judgement.as_ref().map_or(&[][..], |judgement| &judgement.findings);
        let max = if form == Form::Concise { FINDINGS_MAX } else { usize::MAX };
        found.iter().take(max).map(|finding| FindingView::of(finding, story.is_accepted(finding))).collect()
    }
}

/// What an agent's work used, over all attempts.
#[derive(Clone, Debug, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct UsageView {
    pub input_tokens: u64,
    pub output_tokens: u64,
    pub cached_tokens: u64,
    pub model_requests: u64,
    pub premium_requests: f64,
    pub agent_seconds: f64,
}

impl UsageView {
    pub(super) fn of(usage: &domain::Usage) -> UsageView {
        UsageView {
            input_tokens: usage.input_tokens,
            output_tokens: usage.output_tokens,
            cached_tokens: usage.cached_tokens,
            model_requests: usage.requests,
            premium_requests: usage.premium_requests,
            agent_seconds: usage.duration_ms as f64 / 1000.0,
        }
    }
}

/// Where a completed story went.
#[derive(Clone, Debug, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct PublishView {
    pub commit: String,
    pub how: How,
    /// The branch that holds the commit now.
    pub branch: String,
    pub remote: Option<String>,
    /// What a person types to bring it into their own checkout, when nothing else was moved.
    pub merge_command: Option<String>,
}

impl PublishView {
    pub(super) fn of(story: &Story) -> Option<PublishView> {
        let Completion::Done { commit, how, .. } = &story.completion else { return None };
        let (how, branch, remote) = match how {
            Published::Branch { branch } => (How::Branch, branch.clone(), None),
            Published::Merged { into } => (How::Merged, into.clone(), None),
            Published::Pushed { remote, branch } => (How::Pushed, branch.clone(), Some(remote.clone())),
            Published::PullRequest { remote, branch, .. } => (How::PullRequest, branch.clone(), Some(remote.clone())),
        };
        Some(PublishView { commit: commit.to_string(), how, branch, remote, merge_command: engine::merge_hint(story) })
    }
}

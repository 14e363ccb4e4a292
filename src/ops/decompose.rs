use super::view::{Form, TaskView};
use super::{Effect, Engine, Op, Result, Toolset};
use crate::domain::TaskDraft;
use crate::engine::DecomposeRequest;
use crate::error::Error;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use std::io::Read;
use std::path::{Path, PathBuf};

/// Largest file with a plan.
const PLAN_BYTES_MAX: u64 = 32 * 1024 * 1024;

/// Decompose a story into tasks with dependencies; waves are computed. Call after create_story. Give `tasks` to use a plan of
/// your own. A plan that has not run may be replaced. Next: run_wave.
#[derive(Debug, clap::Args, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct DecomposeStory {
    /// Id of the story, the start of one, or `latest`.
    #[arg(default_value = "latest", value_name = "STORY")]
    #[serde(alias = "id")]
    pub story_id: String,
    /// Most agents at once, 1 to 256 (default 4).
    #[arg(short = 'n', long)]
    #[schemars(range(min = 1, max = 256))]
    pub max_parallelism: Option<u32>,
    /// Whether to plan test tasks (default true).
    #[arg(long, value_name = "BOOL")]
    pub include_tests: Option<bool>,
    /// Who plans: `copilot`, `openai`, `outline` or a planner of aura.toml.
    #[arg(long)]
    pub planner: Option<String>,
    /// Whole prompts in the answer (default true; false leaves them out).
    #[arg(long, value_name = "BOOL")]
    pub detailed: Option<bool>,
    /// A plan of your own: tasks with `id`, `title`, `description` (the agent's prompt), `dependsOn`, `files`.
    #[arg(skip)]
    pub tasks: Option<Vec<TaskInput>>,
    /// File with a plan of your own: a JSON array of tasks, or an object with `tasks`.
    #[arg(long, value_name = "FILE")]
    #[serde(skip)]
    #[schemars(skip)]
    pub plan: Option<PathBuf>,
}

/// One task of a plan given by the caller.
#[derive(Clone, Debug, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct TaskInput {
    /// For example `task-1`.
    pub id: String,
    pub title: String,
    /// The agent's prompt: self-contained, with exact file names and interfaces.
    pub description: String,
    #[serde(default)]
    pub depends_on: Vec<String>,
    /// Files it is expected to touch.
    #[serde(default)]
    pub files: Vec<String>,
    pub agent: Option<String>,
    /// Expected minutes.
    pub estimate: Option<u32>,
    /// Ignored: waves are computed.
    #[serde(default, rename = "wave", skip_serializing)]
    #[schemars(skip)]
    _wave: Option<u32>,
}

/// The accepted plan.
#[derive(Debug, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct PlanView {
    #[schemars(extend("format" = "uuid"))]
    pub story_id: String,
    pub planner: String,
    pub tasks: Vec<TaskView>,
    pub wave_count: u32,
    pub max_parallelism: u32,
    /// Orders that were added because two tasks claim the same file.
    pub added_orders: Vec<AddedOrderView>,
    pub summary: String,
    pub next: String,
}

#[derive(Debug, Serialize, JsonSchema)]
pub struct AddedOrderView {
    pub first: String,
    pub then: String,
    pub file: String,
}

impl Op for DecomposeStory {
    const NAME: &'static str = "decompose_story";
    const COMMAND: &'static str = "decompose";
    const EFFECT: Effect = Effect::ASKS_A_MODEL;
    const TOOLSET: Toolset = Toolset::Plan;
    type Out = PlanView;

    fn typed(mut self) -> Result<DecomposeStory> {
        if let Some(path) = self.plan.take() {
            self.tasks = Some(read_plan(&path)?);
        }
        Ok(self)
    }

    async fn call(self, engine: Engine) -> Result<PlanView> {
        let story = super::story(&engine, Self::EFFECT, &self.story_id)?;
        let form = Form::of(self.detailed.unwrap_or(true));
        let request = DecomposeRequest {
            max_parallelism: self.max_parallelism,
            include_tests: self.include_tests.unwrap_or(true),
            tasks: self.tasks.map(|tasks| tasks.into_iter().map(draft).collect()),
            planner: self.planner,
        };
        let story = engine.decompose(&story, request).await?;
        let origin = story.plan.as_ref().ok_or_else(|| Error::internal("an accepted plan is gone"))?;
        let order = |order: &crate::domain::AddedOrder| AddedOrderView {
            first: order.first.to_string(),
            then: order.then.to_string(),
            file: order.file.clone(),
        };
        Ok(PlanView {
            story_id: story.id.to_string(),
            planner: origin.planner.clone(),
            tasks: story.tasks.iter().map(|task| TaskView::of(task, form)).collect(),
            wave_count: story.wave_count(),
            max_parallelism: story.max_parallelism,
            added_orders: origin.added_orders.iter().map(order).collect(),
            summary: format!("{} tasks in {} waves, at most {} at once.", story.tasks.len(), story.wave_count(), story.max_parallelism),
            next: super::next(&story),
        })
    }
}

fn draft(task: TaskInput) -> TaskDraft {
    TaskDraft {
        id: Some(task.id),
        title: task.title,
        description: task.description,
        depends_on: task.depends_on,
        files: task.files,
        agent: task.agent,
        estimate: task.estimate,
    }
}

fn read_plan(path: &Path) -> Result<Vec<TaskInput>> {
    #[derive(Deserialize, JsonSchema)]
    struct Whole {
        tasks: Vec<TaskInput>,
    }
    let doing = format!("read the plan {}", path.display());
    let failed = |e: std::io::Error| Error::invalid(doing.clone()).because(e);
    let mut text = String::new();
    let mut file = std::fs::File::open(path).map_err(failed)?.take(PLAN_BYTES_MAX + 1);
    file.read_to_string(&mut text).map_err(failed)?;
    if text.len() as u64 > PLAN_BYTES_MAX {
        return Err(Error::invalid(format!("{doing}: it has more than {PLAN_BYTES_MAX} bytes")));
    }
    // Editors on Windows put a mark in front.
    let text = text.strip_prefix('\u{feff}').unwrap_or(&text);
    let value = serde_json::from_str(text).map_err(|e| Error::invalid(format!("{doing}: it is not JSON")).because(e))?;
    let whole = match value {
        Value::Array(tasks) => serde_json::json!({ "tasks": tasks }),
        other => other,
    };
    Ok(super::decode::decode::<Whole>(&doing, whole, &super::schema::<Whole>().to_value())?.tasks)
}

//! From a story to a plan: propose, check, send back once, accept.

use super::analyze::{FACTS_BYTES_MAX, facts_at};
use super::ask::Asker;
use super::{Engine, blocking};
use crate::config::{Config, named_variable};
use crate::domain::{Event, Fault, PARALLELISM_MAX, Plan, PlanAccepted, Story, TaskDraft};
use crate::error::{Code, Error, Result};
use crate::planner::{self, PlanBrief, Planner, PlannerConfig, PlannerKind};
use std::path::Path;

/// What a person asks for.
#[derive(Clone, Debug)]
pub struct DecomposeRequest {
    /// At least 1.
    pub max_parallelism: Option<u32>,
    pub include_tests: bool,
    /// A plan given by the caller; then no planner is asked.
    pub tasks: Option<Vec<TaskDraft>>,
    /// Name of a planner; none means the story's, then the configured one.
    pub planner: Option<String>,
}

impl Engine {
    /// Plans the story, replacing a plan that has not run.
    ///
    /// # Errors
    /// A plan that is wrong names every fault; a story whose tasks have run keeps its plan.
    pub async fn decompose(&self, story: &Story, request: DecomposeRequest) -> Result<Story> {
        self.refuse_inside_attempt()?;
        let (engine, story) = (self.clone(), story.clone());
        blocking(move || engine.decompose_now(&story, request)).await
    }

    fn decompose_now(&self, story: &Story, request: DecomposeRequest) -> Result<Story> {
        let short = story.id.short();
        if story.has_run() || story.run.is_some() {
            return Err(Error::new(
                Code::IllegalState,
                format!("plan `{short}` again: its tasks have run, and their work would be orphaned"),
            )
            .hint("create a new story, or go on with this one: `aura run`"));
        }
        if story.worktrees_removed {
            return Err(
                Error::new(Code::IllegalState, format!("plan `{short}`: its worktrees have been removed")).hint("create a new story")
            );
        }
        let config = self.config(Path::new(&story.created.repository))?;
        let max_parallelism = request.max_parallelism.unwrap_or(config.max_parallelism);
        if !(1..=PARALLELISM_MAX).contains(&max_parallelism) {
            return Err(Error::invalid(format!(
                "plan `{short}`: maxParallelism is {max_parallelism}; 1 to {PARALLELISM_MAX} are possible"
            )));
        }
        let given = request.tasks.is_some();
        let name = if given { "given".to_owned() } else { self.planner_name(&config, story, request.planner.as_deref()) };
        let brief = if given { None } else { Some(self.brief(&config, story, max_parallelism, request.include_tests)?) };
        let planner = if given { None } else { Some(self.planner(&config, story, &name)?) };
        let _lease = self.lease(story.id, "planning the story")?;
        // A plan that is refused has changed nothing, and is no event of the story.
        let given = match request.tasks {
            Some(drafts) => Some(self.check_agents(&config, Plan::check(drafts).map_err(|faults| invalid_plan(&faults))?)?),
            None => None,
        };
        self.append(story.id, &[Event::PlanningStarted { planner: name.clone() }])?;
        let planned = match (given, planner, brief) {
            (Some(plan), _, _) => Ok(plan),
            (None, Some(planner), Some(brief)) => planner::propose_checked(planner.as_ref(), &brief)
                .map_err(Error::from)
                .and_then(|(plan, _)| self.check_agents(&config, plan)),
            (None, _, _) => Err(Error::internal("neither a plan nor a planner")),
        };
        match planned {
            Ok(plan) => {
                let accepted = PlanAccepted {
                    planner: name,
                    tasks: plan.tasks,
                    added_orders: plan.added_orders,
                    max_parallelism,
                    include_tests: request.include_tests,
                };
                self.append(story.id, &[Event::PlanAccepted(Box::new(accepted))])
            }
            Err(error) => {
                self.append(story.id, &[Event::PlanningFailed { error: error.chain() }])?;
                Err(error)
            }
        }
    }

    /// Which planner plans: asked for, else the story's, else configured, else the agent if it can be found, else `outline`.
    pub(super) fn planner_name(&self, config: &Config, story: &Story, asked: Option<&str>) -> String {
        let chosen = asked.or(story.created.planner.as_deref()).or(config.planner.as_deref()).map(str::to_owned);
        chosen.unwrap_or_else(|| if self.agent_named(config, "copilot").is_ok() { "copilot".into() } else { "outline".into() })
    }

    /// The planner of that name: one of aura.toml, or a kind.
    pub(super) fn planner(&self, config: &Config, story: &Story, name: &str) -> Result<Box<dyn Planner>> {
        let settings = match (config.planners.get(name), PlannerKind::parse(name)) {
            (Some(settings), _) => settings.clone(),
            (None, Some(kind)) => PlannerConfig { kind, ..PlannerConfig::default() },
            (None, None) => {
                let hint = "known planners: copilot, openai, outline, and what [planners.NAME] in aura.toml adds";
                return Err(Error::invalid(format!("plan with `{}`: no such planner", name.escape_debug())).hint(hint));
            }
        };
        let ask: Option<planner::Ask> = match settings.kind {
            PlannerKind::Copilot => {
                let asker = Asker::new(self, config, story, "copilot")?;
                Some(Box::new(move |prompt: &str| asker.ask(prompt)))
            }
            PlannerKind::Outline | PlannerKind::OpenAi => None,
        };
        let api_key = settings.key_variable().and_then(named_variable);
        Ok(planner::build(&settings, planner::Given { api_key, ask })?)
    }

    fn brief(&self, config: &Config, story: &Story, max_parallelism: u32, include_tests: bool) -> Result<PlanBrief> {
        let repo = self.repo(story)?;
        let facts = facts_at(&repo, &story.tip.commit, &story.created.title, &story.created.description)?;
        Ok(PlanBrief {
            title: story.created.title.clone(),
            description: story.created.description.clone(),
            analysis: story.analysis.as_ref().and_then(|analysis| analysis.reading.clone()),
            facts: Some(facts.to_prompt(FACTS_BYTES_MAX)),
            max_parallelism,
            include_tests,
            agents: config.agents.keys().cloned().collect(),
            faults: vec![],
            previous: None,
        })
    }

    fn check_agents(&self, config: &Config, plan: Plan) -> Result<Plan> {
        let unknown = |name: &String| !config.agents.contains_key(name);
        let faults: Vec<Fault> = plan
            .tasks
            .iter()
            .filter_map(|task| task.agent.as_ref().filter(|name| unknown(name)).map(|name| (task, name)))
            .map(|(task, name)| Fault {
                task: Some(task.id.to_string()),
                message: format!("its agent `{}` is not configured", name.escape_debug()),
            })
            .collect();
        if faults.is_empty() { Ok(plan) } else { Err(invalid_plan(&faults)) }
    }
}

fn invalid_plan(faults: &[Fault]) -> Error {
    let shown: Vec<String> = faults.iter().take(20).map(ToString::to_string).collect();
    let more = if faults.len() > 20 { format!("; and {} more", faults.len() - 20) } else { String::new() };
    Error::new(Code::InvalidPlan, format!("the plan is not valid: {}{more}", shown.join("; ")))
        .hint("correct the tasks that are named and plan again")
}

//! One question to an agent's model, for planning and analysis: the same adapter and supervisor as any attempt, in a
//! worktree of its own that is thrown away.

use super::{Engine, Places};
use crate::agent::{Agent, Brief, Ending};
use crate::config::Config;
use crate::domain::{Oid, Outcome, SessionId, Story};
use crate::error::{Code, Error, Result};
use crate::git::{At, Repo};
use crate::planner::PlannerError;
use crate::proc::{Job, JobSpec, JobState};
use std::path::PathBuf;
use std::time::Duration;
use uuid::Uuid;

/// Longest time that a model may think about a plan or an analysis.
const TIMEOUT: Duration = Duration::from_secs(20 * 60);
const LOG_BYTES_MAX: u64 = 16 * 1024 * 1024;

/// What is needed to ask.
pub(super) struct Asker {
    engine: Engine,
    repo: Repo,
    agent: Box<dyn Agent>,
    worktree: PathBuf,
    commit: Oid,
    jobs: PathBuf,
    short: String,
    grace: Duration,
}

impl Asker {
    pub(super) fn new(engine: &Engine, config: &Config, story: &Story, agent: &str) -> Result<Asker> {
        Ok(Asker {
            engine: engine.clone(),
            repo: engine.repo(story)?,
            agent: engine.agent_named(config, agent)?,
            worktree: Places(story).root().join("plan"),
            commit: story.tip.commit.clone(),
            jobs: engine.store.story_folder(story.id).join("questions"),
            short: story.id.short(),
            grace: config.bounds.grace,
        })
    }

    /// The model's last words. Blocking.
    pub(super) fn ask(&self, prompt: &str) -> Result<String, PlannerError> {
        let planner = self.agent.name().to_owned();
        self.run(prompt).map_err(|error| match error.code {
            Code::NeedsLogin => PlannerError::NeedsLogin { planner, detail: error.chain() },
            _ => PlannerError::Failed { planner, detail: error.chain() },
        })
    }

    fn run(&self, prompt: &str) -> Result<String> {
        self.repo.worktree_add(&self.worktree, At::Detached(&self.commit))?;
        self.repo.set_worktree(&self.worktree, &self.commit)?;
        let session = SessionId(Uuid::new_v4());
        let folder = self.jobs.join(session.to_string());
        crate::store::private_folder(&folder).map_err(|e| Error::internal(format!("make {}", folder.display())).because(e))?;
        let prompt_file = folder.join("prompt.md");
        let brief =
            Brief { worktree: &self.worktree, prompt, prompt_file: &prompt_file, session, resume: false, task: "plan", files: &folder };
        let launch = self.agent.launch(&brief);
        std::fs::write(&prompt_file, &launch.stdin).map_err(|e| Error::internal("write the question").because(e))?;
        let mut env = launch.env;
        env.push(("AURA_TASK".into(), "plan".into()));
        super::guarding::forbid_pushes(&self.engine, &self.repo, &folder, &mut env)?;
        let spec = JobSpec {
            program: launch.program,
            args: launch.args,
            dir: self.worktree.clone(),
            env,
            env_remove: launch.env_remove,
            stdin: Some(prompt_file),
            deadline_ms: TIMEOUT.as_millis() as u64,
            stall_ms: None,
            grace_ms: self.grace.as_millis() as u64,
            log_bytes_max: LOG_BYTES_MAX,
            drop_lines: launch.drop_lines,
            cookie: format!("{}/plan/{session}", self.short),
        };
        let job = Job::start(&self.engine.environment().exe, &folder, &spec)?;
        let end = match job.wait()? {
            JobState::Ended(end) => Some(end),
            JobState::Lost | JobState::NotStarted | JobState::Running => None,
        };
        let mut reader = self.agent.reader();
        let transcript = std::fs::read(job.out_log()).unwrap_or_default();
        for line in String::from_utf8_lossy(&transcript).lines() {
            reader.read(line);
        }
        let read = |path: PathBuf| std::fs::read(path).map(|bytes| String::from_utf8_lossy(&bytes).into_owned()).ok();
        let stderr = read(job.err_log()).unwrap_or_default();
        let verdict = reader.verdict(&Ending {
            exit: end.as_ref().map(|end| &end.exit),
            stderr: &stderr,
            usage_file: read(folder.join("usage.json")),
            before: vec![],
            at: jiff::Zoned::now(),
        });
        let failed = |code| Error::new(code, format!("ask `{}`: {}", self.agent.name(), verdict.outcome.sentence()));
        match &verdict.outcome {
            Outcome::Done | Outcome::NoChange => Ok(verdict.summary),
            Outcome::NeedsLogin { .. } => Err(failed(Code::NeedsLogin).hint("log in: run `copilot` once and use `/login`")),
            _ => Err(failed(Code::Unavailable)),
        }
    }
}

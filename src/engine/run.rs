//! Runs: asked for by any door, driven by a process of their own.

use super::Engine;
use crate::domain::{Cancel, Completion, Event, Mode, OrchestratorStatus, PARALLELISM_MAX, RunId, Scope, Story, StoryId, TaskId, Work};
use crate::error::{Code, Error, Result};
use crate::proc::spawn_detached;
use std::ffi::OsStr;
use uuid::Uuid;

/// What a person asks for.
#[derive(Clone, Copy, Debug)]
pub struct RunRequest {
    pub scope: Scope,
    pub mode: Mode,
    pub max_parallelism: Option<u32>,
}

/// A run that is under way.
#[derive(Clone, Copy, Debug)]
pub struct RunHandle {
    pub id: RunId,
    /// Position in the log from which its events follow.
    pub since: i64,
    /// This call started it; otherwise it was under way.
    pub started: bool,
}

impl Engine {
    /// Starts a run, or joins the one that is under way, and makes sure that a process drives it.
    ///
    /// # Errors
    /// When there is no plan, or nothing is left to run.
    pub fn request_run(&self, story: &Story, request: RunRequest) -> Result<RunHandle> {
        self.refuse_inside_attempt()?;
        if let Some(n) = request.max_parallelism
            && !(1..=PARALLELISM_MAX).contains(&n)
        {
            return Err(Error::invalid(format!("run with {n} agents at once: 1 to {PARALLELISM_MAX} are possible")));
        }
        let id = story.id;
        if let Some(run) = &story.run {
            self.ensure_driver(id)?;
            return Ok(RunHandle { id: run.id, since: run.since, started: false });
        }
        self.check_runnable(story)?;
        let run = RunId(Uuid::now_v7());
        let event = Event::RunRequested { run, scope: request.scope, mode: request.mode, max_parallelism: request.max_parallelism };
        let story = match self.append(id, &[event]) {
            Ok(story) => story,
            // Another process asked at the same moment: its run is the run.
            Err(error) => match self.store.story(id)?.run {
                Some(run) => {
                    self.ensure_driver(id)?;
                    return Ok(RunHandle { id: run.id, since: run.since, started: false });
                }
                None => return Err(error),
            },
        };
        self.ensure_driver(id)?;
        Ok(RunHandle { id: run, since: story.run.as_ref().map_or(story.seq, |run| run.since), started: true })
    }

    fn check_runnable(&self, story: &Story) -> Result<()> {
        let short = story.id.short();
        if story.worktrees_removed {
            return Err(
                Error::new(Code::IllegalState, format!("run `{short}`: its worktrees have been removed")).hint("create a new story")
            );
        }
        if let Completion::Squashed { .. } | Completion::Done { .. } = story.completion {
            return Err(
                Error::new(Code::IllegalState, format!("run `{short}`: the story is completed")).hint("create a new story for more work")
            );
        }
        if story.tasks.is_empty() {
            return Err(Error::new(Code::IllegalState, format!("run `{short}`: the story has no plan"))
                .hint(format!("plan it first: `aura decompose {short}`")));
        }
        if story.planning {
            return Err(Error::new(Code::Busy, format!("run `{short}`: the story is being planned")).hint("wait until the plan is there"));
        }
        let config = self.config(std::path::Path::new(&story.created.repository))?;
        let mut names: Vec<&str> = story.tasks.iter().filter_map(|task| task.planned.agent.as_deref()).collect();
        names.push(story.created.agent.as_deref().unwrap_or(&config.agent));
        names.sort_unstable();
        names.dedup();
        for name in names {
            self.agent_named(&config, name)?;
        }
        Ok(())
    }

    /// Whether a run would find nothing to do: the story is complete, and its branch is where the log says.
    #[must_use]
    pub fn is_finished(story: &Story) -> bool {
        let stands = || super::story_branch::stands_at_tip(story);
        story.run.is_none() && story.orchestrator_status() == OrchestratorStatus::Completed && (story.is_closed() || stands())
    }

    /// Starts a driver process unless one holds the story. It outlives this process, its terminal and its parent.
    pub fn ensure_driver(&self, id: StoryId) -> Result<()> {
        if self.is_driven(id)? {
            return Ok(());
        }
        let folder = self.store.story_folder(id);
        let text = id.to_string();
        let args: [&OsStr; 2] = [OsStr::new("drive"), OsStr::new(&text)];
        let home = ("AURA_HOME", self.environment().home.as_os_str());
        spawn_detached(&self.environment().exe, &args, &folder, &folder.join("driver.log"), &[home])?;
        Ok(())
    }

    /// Asks the active run to end. Agents keep their sessions; tasks can be resumed.
    ///
    /// # Errors
    /// When no run is active.
    pub fn cancel(&self, story: &Story, how: Cancel) -> Result<Story> {
        self.refuse_inside_attempt()?;
        let Some(run) = &story.run else {
            return Err(Error::new(Code::IllegalState, format!("cancel `{}`: nothing is running", story.id.short())));
        };
        let after = self.append(story.id, &[Event::CancelRequested { run: run.id, how }])?;
        self.ensure_driver(story.id)?;
        Ok(after)
    }

    /// Gives a failed or skipped task one more chance at the next run.
    pub fn retry(&self, story: &Story, task: &str) -> Result<Story> {
        self.refuse_inside_attempt()?;
        let id = self.task_id(story, task)?;
        if story.run.is_some() {
            return Err(
                Error::new(Code::IllegalState, format!("retry `{id}`: the story is running")).hint("wait for the run to end, or cancel it")
            );
        }
        let work = story.task(&id).map(|task| &task.work);
        if !matches!(work, Some(Work::Failed { .. } | Work::Skipped { .. })) {
            let state =
                work.map_or_else(String::new, |work| format!("{work:?}").split([' ', '{']).next().unwrap_or_default().to_lowercase());
            return Err(Error::new(
                Code::IllegalState,
                format!("retry `{id}`: it is {state}, and only failed or skipped tasks can be retried"),
            ));
        }
        self.append(story.id, &[Event::TaskRetried { task: id }])
    }

    /// The task that a text names.
    pub fn task_id(&self, story: &Story, text: &str) -> Result<TaskId> {
        let known: Vec<&str> = story.tasks.iter().map(|task| task.id().as_str()).take(20).collect();
        let hint = if known.is_empty() { "the story has no plan yet".to_owned() } else { format!("its tasks: {}", known.join(", ")) };
        let found = TaskId::parse(text.trim()).ok().filter(|id| story.task(id).is_some());
        found.ok_or_else(|| {
            let shown: String = text.escape_debug().take(60).collect();
            Error::new(Code::NotFound, format!("no task `{shown}` in story `{}`", story.id.short())).hint(hint)
        })
    }
}

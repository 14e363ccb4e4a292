//! What a worktree needs before anybody works in it: packages, tools. Run once for each worktree and each state of the
//! files that say what to fetch; the gate does the same in front of its checks.

use super::{Engine, Places};
use crate::config::{Config, surroundings};
use crate::domain::{CheckReport, Story};
use crate::error::{Error, Result};
use crate::gate::{self, GateError, GateRun, Programs};
use crate::git::Repo;
use std::path::Path;

/// How the set-up of a worktree went.
#[derive(Debug)]
pub enum Prepared {
    /// It is as its files want it, now or since before.
    Ready,
    /// A step failed: the report of the first that did. Whether anybody is to blame, says its end.
    Failed(Box<CheckReport>),
    Stopped,
}

/// The worktree to set up. `name` marks its processes, and is unique to it.
pub struct Setting<'a> {
    pub config: &'a Config,
    pub story: &'a Story,
    pub repo: &'a Repo,
    pub worktree: &'a Path,
    pub name: &'a str,
}

impl Engine {
    /// Sets up a worktree under supervised jobs, unless it is set up already for what its lock files and manifests say now.
    /// Asked again after a crash, it takes up what is there. Blocking.
    ///
    /// # Errors
    /// `[setup]` is not valid, or a step could not be supervised.
    pub fn prepare_worktree(&self, setting: &Setting<'_>, stop: &dyn Fn() -> bool) -> Result<Prepared> {
        let Setting { config, story, repo, worktree, name } = *setting;
        if !worktree.starts_with(Places(story).root()) {
            return Err(Error::internal(format!("{} is no worktree of the story", worktree.display())));
        }
        let programs = Programs::on(self.environment().path.clone().unwrap_or_default());
        let steps = gate::setup(worktree, &config.setup, &programs)?;
        let key = gate::setup_key(worktree, &steps);
        if steps.is_empty() || repo.set_up_in(worktree) == key {
            return Ok(Prepared::Ready);
        }
        let jobs = self.store.story_folder(story.id).join("setup").join(name).join(&key);
        let surroundings = surroundings(config, repo.root());
        let request = GateRun {
            aura: &self.environment().exe,
            root: worktree,
            jobs: &jobs,
            checks: &steps,
            cookie: &format!("{}/setup/{name}/{key}", story.id.short()),
            programs: &programs,
            surroundings: &surroundings,
            flaky: &[],
            output_bytes: config.gate.output_bytes,
            changed: &|| repo.changed_in(worktree).unwrap_or_default(),
            stop,
        };
        let reports = match gate::run(&request) {
            Ok(reports) => reports,
            Err(GateError::Stopped) => return Ok(Prepared::Stopped),
            Err(error) => return Err(error.into()),
        };
        if let Some(failed) = reports.into_iter().find(|report| !report.end.is_good()) {
            return Ok(Prepared::Failed(Box::new(failed)));
        }
        repo.note_set_up(worktree, &key)?;
        Ok(Prepared::Ready)
    }
}

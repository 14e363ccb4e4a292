//! Gates: the checks at one commit, in a worktree of their own, beside the work.

use super::drive::Context;
use super::{Engine, Places, blocking};
use crate::config::Config;
use crate::domain::{Event, GateReport, Oid, Story, Verdict};
use crate::error::Result;
use crate::gate::{self, GateError, GateRun, Programs};
use crate::git::{At, Repo};
use crate::proc::{Job, JobState, Stop};
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// Runs the gate at a commit of the story branch on behalf of a wave, and writes down what it says.
pub(super) async fn gate_wave(context: Arc<Context>, commit: Oid, tree: Oid, wave: u32) -> Result<()> {
    blocking(move || {
        let story = context.story()?;
        context.append(&[Event::GateStarted { commit: commit.clone(), tree: tree.clone(), wave }])?;
        let Some(report) = gate_at(&context, &story, &commit, &tree)? else { return Ok(()) };
        context.append(&[Event::GateFinished { wave, report: Box::new(report) }])?;
        Ok(())
    })
    .await
}

/// The gate's report for one commit; none when the run was stopped meanwhile. Blocking.
pub(super) fn gate_at(context: &Context, story: &Story, commit: &Oid, tree: &Oid) -> Result<Option<GateReport>> {
    let occasion = story.run.as_ref().map_or_else(|| format!("seq-{}", story.seq), |run| run.id.0.simple().to_string());
    let stop = || context.story().is_ok_and(|now| now.run.as_ref().is_some_and(|run| run.cancel.is_some() || run.stop.is_some()));
    let site = Site { engine: &context.engine, repo: &context.repo, config: &context.config, story };
    site.gate(commit, tree, &occasion, &stop)
}

/// Everything a gate needs besides the commit.
pub(super) struct Site<'a> {
    pub engine: &'a Engine,
    pub repo: &'a Repo,
    pub config: &'a Config,
    pub story: &'a Story,
}

impl Site<'_> {
    /// Runs the checks at `commit`, unless its tree has a verdict already. Asked again on the same occasion (a run, a
    /// completion), it takes up what is there.
    pub(super) fn gate(&self, commit: &Oid, tree: &Oid, occasion: &str, stop: &dyn Fn() -> bool) -> Result<Option<GateReport>> {
        if let Some(report) = self.known(commit, tree) {
            return Ok(Some(report));
        }
        let worktree = Places(self.story).gate_worktree();
        let gates = self.engine.store.story_folder(self.story.id).join("gates");
        let jobs = gates.join(occasion).join(commit.as_str());
        // A check outlives the driver that started it. One of ours is waited for, in the tree as it is; any other would work
        // in the tree that is about to be changed.
        if !end_all_but(&gates, &jobs)? {
            let added = self.repo.worktree_add(&worktree, At::Detached(commit))?;
            self.repo.set_worktree(&worktree, commit)?;
            if added.created {
                self.repo.include(&worktree)?;
            }
        }
        let programs = Programs::on(self.engine.environment().path.clone().unwrap_or_default());
        let found = gate::checks(&worktree, &self.config.gate, &programs)?;
        if !found.left_out.is_empty() {
            let text = format!("the gate leaves out {}: at most {} checks run", found.left_out.join(", "), gate::CHECKS_MAX);
            self.engine.append(self.story.id, &[Event::Noted { text }])?;
        }
        let request = GateRun {
            aura: &self.engine.environment().exe,
            root: &worktree,
            jobs: &jobs,
            checks: &found.checks,
            cookie: &format!("{}/gate/{occasion}/{}", self.story.id.short(), commit.short()),
            programs: &programs,
            output_bytes: self.config.gate.output_bytes,
            stop,
        };
        let checks = match gate::run(&request) {
            Ok(checks) => checks,
            Err(GateError::Stopped) => return Ok(None),
            Err(error) => return Err(error.into()),
        };
        Ok(Some(GateReport { commit: commit.clone(), tree: tree.clone(), verdict: gate::verdict(&checks), checks, reused: false }))
    }

    /// No tree is gated twice: the verdict of a tree holds for every commit that has it.
    fn known(&self, commit: &Oid, tree: &Oid) -> Option<GateReport> {
        let verdict = *self.story.gates.verdicts.get(tree)?;
        let last = self.story.gates.last.as_ref().filter(|last| last.tree == *tree);
        let checks = last.map_or_else(Vec::new, |last| last.checks.clone());
        (verdict != Verdict::Failed || last.is_some()).then(|| GateReport {
            commit: commit.clone(),
            tree: tree.clone(),
            verdict,
            checks,
            reused: true,
        })
    }
}

/// Ends what a killed driver's gate left running, when its run ends without another gate.
pub(super) async fn end_leftovers(context: &Arc<Context>) {
    let gates = context.engine.store.story_folder(context.id).join("gates");
    if let Err(error) = blocking(move || end_all_but(&gates, Path::new(""))).await {
        tracing::warn!(error = %error.chain(), "a check may still run");
    }
}

/// Ends the checks of other gates that still run. True when one of `ours` does.
fn end_all_but(gates: &Path, ours: &Path) -> Result<bool> {
    let mut ours_runs = false;
    for occasion in folders(gates) {
        for gate in folders(&occasion) {
            for job in folders(&gate).iter().map(|folder| Job::at(folder)) {
                match job.state()? {
                    JobState::NotStarted | JobState::Ended(_) => {}
                    JobState::Running if gate == ours => ours_runs = true,
                    JobState::Running => {
                        job.stop(Stop::Now)?;
                        job.wait()?;
                    }
                    // Its supervisor was killed; waiting for it ends what that one cannot end any more.
                    JobState::Lost => _ = job.wait()?,
                }
            }
        }
    }
    Ok(ours_runs)
}

fn folders(path: &Path) -> Vec<PathBuf> {
    let entries = std::fs::read_dir(path).into_iter().flatten().flatten();
    entries.map(|entry| entry.path()).filter(|path| path.is_dir()).collect()
}

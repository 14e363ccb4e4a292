//! Gates: the checks at one commit, in a worktree of their own, beside the work.

use super::drive::Context;
use super::{Engine, Places, blocking, judging};
use crate::config::{Config, surroundings};
use crate::domain::{CheckEnd, CheckKind, CheckReport, Event, GateReport, Oid, Story, Verdict};
use crate::error::{Error, Result};
use crate::gate::place::Place;
use crate::gate::{self, GateError, GateRun, Programs};
use crate::git::{At, Change, Repo};
use crate::proc::{Job, JobState, Stop};
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// Runs the gate at a commit of the story branch on behalf of a wave, and writes down what it says.
pub(super) async fn gate_wave(context: Arc<Context>, commit: Oid, tree: Oid, wave: u32) -> Result<()> {
    blocking(move || {
        let story = context.story()?;
        context.append(&[Event::GateStarted { commit: commit.clone(), tree: tree.clone(), wave }])?;
        let Some(report) = gate_at(&context, &story, &commit, &tree)? else { return Ok(()) };
        let site = Site { engine: &context.engine, repo: &context.repo, config: &context.config, story: &story };
        let gate = |commit: &Oid, tree: &Oid| gate_at(&context, &story, commit, tree);
        let Some(judged) = judging::after_gate(&site, &report, &gate)? else { return Ok(()) };
        context.append(&[vec![Event::GateFinished { wave, report: Box::new(report) }], judged].concat())?;
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

/// One way through the checks: the tree as it is left by earlier gates, or as a fresh clone has it.
enum Ran {
    Checks(Vec<CheckReport>, Place),
    Stopped,
}

impl Site<'_> {
    /// Runs the checks at `commit`, unless its tree has a verdict already. Asked again on the same occasion (a run, a
    /// completion), it takes up what is there.
    pub(super) fn gate(&self, commit: &Oid, tree: &Oid, occasion: &str, stop: &dyn Fn() -> bool) -> Result<Option<GateReport>> {
        if let Some(report) = self.known(commit, tree) {
            return Ok(Some(report));
        }
        let Ran::Checks(checks, place) = self.judge(commit, occasion, stop)? else { return Ok(None) };
        let Some(checks) = self.beside_base(commit, checks, occasion, stop)? else { return Ok(None) };
        let verdict = judging::proven(gate::verdict(&checks), &place);
        Ok(Some(GateReport { commit: commit.clone(), tree: tree.clone(), verdict, checks, reused: false }))
    }

    /// What a fresh clone would say. What earlier gates built is used, but never believed when it says no, nor when files
    /// are gone since: their outputs are not.
    fn judge(&self, commit: &Oid, occasion: &str, stop: &dyn Fn() -> bool) -> Result<Ran> {
        let worktree = Places(self.story).gate_worktree();
        let gates = self.engine.store.story_folder(self.story.id).join("gates");
        let jobs = gates.join(occasion).join(commit.as_str());
        let again = gates.join(occasion).join(format!("{commit}-clean"));
        // A check outlives the driver that started it. One of ours is waited for, in the tree as it is; any other would work
        // in the tree that is about to be changed.
        let cleaned = again.is_dir();
        let running = end_all_but(&gates, if cleaned { &again } else { &jobs })?;
        if cleaned {
            if !running {
                self.place(&worktree, commit)?;
            }
            return self.run(&worktree, &again, occasion, stop);
        }
        let used = if running { true } else { self.place(&worktree, commit)? };
        let Ran::Checks(checks, place) = self.run(&worktree, &jobs, occasion, stop)? else { return Ok(Ran::Stopped) };
        let red = checks.iter().find(|check| check.end.is_red());
        if !used || red.is_none_or(|check| check.end.is_nobodys() || matches!(check.end, CheckEnd::TimedOut { .. })) {
            return Ok(Ran::Checks(checks, place));
        }
        // The folder stands for the decision: whoever comes after a crash goes on from here.
        std::fs::create_dir_all(&again).map_err(|e| Error::internal(format!("make {}", again.display())).because(e))?;
        self.repo.set_worktree(&worktree, commit)?;
        self.repo.purge_worktree(&worktree)?;
        self.repo.fill_whole(&worktree, commit)?;
        self.run(&worktree, &again, occasion, stop)
    }

    /// The checks of a commit that was gated, as its tree has them: the gate's worktree may be at another one since.
    pub(super) fn checks_at(&self, commit: &Oid) -> Result<Vec<gate::Check>> {
        let worktree = Places(self.story).gate_worktree();
        if self.repo.detached_at(&worktree).as_ref() != Some(commit) {
            self.place(&worktree, commit)?;
        }
        let programs = Programs::on(self.engine.environment().path.clone().unwrap_or_default());
        Ok(gate::checks(&worktree, &self.config.gate, &self.config.setup, &programs)?.checks)
    }

    /// Brings the gate's worktree to a commit. True when it holds what earlier gates left.
    fn place(&self, worktree: &Path, commit: &Oid) -> Result<bool> {
        let before = self.repo.detached_at(worktree);
        let added = self.repo.worktree_add(worktree, At::Detached(commit))?;
        self.repo.set_worktree(worktree, commit)?;
        self.repo.fill_whole(worktree, commit)?;
        if added.created {
            let included = self.repo.include(worktree)?;
            let above = gate::above(self.repo.root(), worktree);
            let without = super::start_point::without("the worktree of the gate", &included.left_out);
            let notes: Vec<Event> = above.into_iter().map(|text| Event::Noted { text }).chain(without).collect();
            if !notes.is_empty() {
                self.engine.append(self.story.id, &notes)?;
            }
            return Ok(false);
        }
        let Some(before) = before else { return Ok(true) };
        let gone = self.repo.diff_files(&before, commit)?.iter().any(|file| file.change == Change::Deleted);
        if gone {
            self.repo.purge_worktree(worktree)?;
        }
        Ok(!gone)
    }

    fn run(&self, worktree: &Path, jobs: &Path, occasion: &str, stop: &dyn Fn() -> bool) -> Result<Ran> {
        let programs = Programs::on(self.engine.environment().path.clone().unwrap_or_default());
        let mut found = gate::checks(worktree, &self.config.gate, &self.config.setup, &programs)?;
        if !found.left_out.is_empty() {
            let text = format!("the gate leaves out {}: at most {} checks run", found.left_out.join(", "), gate::CHECKS_MAX);
            self.engine.append(self.story.id, &[Event::Noted { text }])?;
        }
        let steps: Vec<gate::Check> = found.checks.iter().filter(|check| check.kind == CheckKind::Setup).cloned().collect();
        let key = gate::setup_key(worktree, &steps);
        if self.repo.set_up_in(worktree) == key {
            found.checks.retain(|check| check.kind != CheckKind::Setup);
        }
        let mut surroundings = surroundings(self.config, self.repo.root());
        let place = judging::place(self, worktree, &found.checks);
        place.lead(&mut surroundings);
        let changed = || self.repo.changed_in(worktree).unwrap_or_default();
        let request = GateRun {
            aura: &self.engine.environment().exe,
            root: worktree,
            jobs,
            checks: &found.checks,
            cookie: &format!("{}/gate/{occasion}/{}", self.story.id.short(), jobs.file_name().unwrap_or_default().to_string_lossy()),
            programs: &programs,
            surroundings: &surroundings,
            flaky: &self.config.gate.flaky,
            output_bytes: self.config.gate.output_bytes,
            changed: &changed,
            stop,
        };
        let checks = match gate::run(&request) {
            Ok(checks) => checks,
            Err(GateError::Stopped) => return Ok(Ran::Stopped),
            Err(error) => return Err(error.into()),
        };
        if checks.iter().filter(|check| check.kind == CheckKind::Setup).all(|check| check.end.is_good()) {
            self.repo.note_set_up(worktree, &key)?;
        }
        Ok(Ran::Checks(checks, place))
    }

    /// A check that ran no test is judged by what it ran at the base, which is asked once, and only then.
    fn beside_base(
        &self,
        commit: &Oid,
        checks: Vec<CheckReport>,
        occasion: &str,
        stop: &dyn Fn() -> bool,
    ) -> Result<Option<Vec<CheckReport>>> {
        let base = &self.story.created.base_commit;
        let nothing = checks.iter().any(|check| matches!(check.end, CheckEnd::RanNothing { .. }));
        if commit == base {
            return Ok(Some(gate::compared(checks.clone(), &checks)));
        }
        let story = self.engine.store.story(self.story.id)?;
        if let Some(base) = &story.gates.base {
            return Ok(Some(gate::compared(checks, &base.checks)));
        }
        if !nothing {
            return Ok(Some(checks));
        }
        let tree = self.repo.tree_of(base)?;
        let Some(report) = self.gate(base, &tree, occasion, stop)? else { return Ok(None) };
        let compared = gate::compared(checks, &report.checks);
        if !report.reused {
            self.engine.append(self.story.id, &[Event::GateFinished { wave: 0, report: Box::new(report) }])?;
        }
        Ok(Some(compared))
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

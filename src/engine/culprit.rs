//! Who turned the gate red: a binary search over the landings since the last commit that the gate allowed.

use super::blocking;
use super::drive::Context;
use super::gating::gate_at;
use crate::domain::{Event, Oid, Story, Task, TaskId};
use crate::error::Result;
use std::sync::Arc;

/// Finds the first landing at which the gate is red, and writes down whose it is.
pub(super) async fn find(context: Arc<Context>, good: Option<Oid>, bad: Oid) -> Result<()> {
    blocking(move || {
        let event = match search(&context, good.as_ref(), &bad)? {
            Found::Task(task) => Event::CulpritFound { commit: bad, task },
            Found::Nobody(why) => Event::CulpritUnknown { commit: bad, why },
            Found::Stopped => return Ok(()),
        };
        context.append(&[event])?;
        Ok(())
    })
    .await
}

enum Found {
    Task(TaskId),
    Nobody(String),
    /// The run was stopped while the search was on.
    Stopped,
}

fn search(context: &Context, good: Option<&Oid>, bad: &Oid) -> Result<Found> {
    let story = context.story()?;
    let base = story.created.base_commit.clone();
    let from = good.unwrap_or(&base);
    // What no tree can mend is nobody's, and no commit has to be gated to know it.
    let failing = story.gates.last.as_ref().filter(|report| report.commit == *bad).and_then(|report| report.failing());
    if let Some(check) = failing.filter(|check| check.end.is_nobodys()) {
        return Ok(Found::Nobody(format!("`{}` {}", check.label(), check.end.sentence())));
    }
    let landings = context.repo.landings(from, bad)?;
    // Without a commit that was ever allowed, the base itself may be red: then no task is to blame.
    let base_allows = if good.is_none() { allows(context, &base)? } else { Some(true) };
    let Some(base_allows) = base_allows else { return Ok(Found::Stopped) };
    if !base_allows {
        let failing =
            story.gates.last.as_ref().and_then(|report| report.failing()).map_or("a check", |check| check.name.as_str()).to_owned();
        return Ok(Found::Nobody(format!(
            "the base commit {} is red already, before any task: see `{failing}`. Make it green there, or leave the check out with `skip` under [gate] in aura.toml",
            base.short()
        )));
    }
    // Invariant: everything before `low` is allowed, `high` is red.
    let (mut low, mut high) = (0, landings.len().saturating_sub(1));
    while low < high {
        let middle = low + (high - low) / 2;
        match allows(context, &landings[middle])? {
            Some(true) => low = middle + 1,
            Some(false) => high = middle,
            None => return Ok(Found::Stopped),
        }
    }
    let Some(first_red) = landings.get(high) else {
        return Ok(Found::Nobody("nothing has landed since the gate was last green, so something outside the repository changed".into()));
    };
    let story = context.story()?;
    let task = story.tasks.iter().find(|task| task.landings.iter().any(|landing| landing.commit == *first_red));
    // A task that has repaired what it broke still stands first in line: whoever else broke something is behind it.
    if let Some(repaired) = task.filter(|task| repaired_in(task, &landings))
        && let Some(found) = without_one(context, &story, bad, &landings, repaired.id())?
    {
        return Ok(found);
    }
    Ok(match task {
        Some(task) => Found::Task(task.id().clone()),
        None => Found::Nobody(format!("commit {} on the story branch turned it red, and it is no task's landing", first_red.short())),
    })
}

/// Whether a task landed twice among these: its work, and a repair of it.
fn repaired_in(task: &Task, landings: &[Oid]) -> bool {
    task.landings.iter().filter(|landing| landings.contains(&landing.commit)).count() > 1
}

/// Takes the other tasks' landings out of the red commit, one by one: the one without which it is green is to blame. A
/// task that others build on cannot be taken out without turning something else red, so nobody is blamed by mistake.
fn without_one(context: &Context, story: &Story, bad: &Oid, landings: &[Oid], except: &TaskId) -> Result<Option<Found>> {
    for task in story.tasks.iter().filter(|task| task.id() != except) {
        let Some(landing) = task.landings.iter().find(|landing| landings.contains(&landing.commit)) else { continue };
        let Some(tree) = context.repo.without(bad, &landing.commit, &landing.onto)? else { continue };
        let commit = context.repo.commit_tree(&tree, &[bad], "Look at the story without one task\n", story.updated_at)?;
        match allows(context, &commit)? {
            Some(true) => return Ok(Some(Found::Task(task.id().clone()))),
            Some(false) => {}
            None => return Ok(Some(Found::Stopped)),
        }
    }
    Ok(None)
}

/// Gates one commit for the search; none when the run was stopped. The verdict is kept: no tree is gated twice.
fn allows(context: &Context, commit: &Oid) -> Result<Option<bool>> {
    let story = context.story()?;
    let tree = context.repo.tree_of(commit)?;
    let Some(report) = gate_at(context, &story, commit, &tree)? else { return Ok(None) };
    let allows = report.verdict.allows();
    if !report.reused {
        context.append(&[Event::GateFinished { wave: 0, report: Box::new(report) }])?;
    }
    Ok(Some(allows))
}

//! Who turned the gate red: binary searches over the landings since the last commit that the gate allowed. What stands
//! behind a task that has repaired already, or behind another fault, is looked at without it, by putting the landings
//! together in another order.

use super::blocking;
use super::drive::Context;
use super::gating::gate_at;
use crate::domain::{Event, Oid, Story, Task, TaskId};
use crate::error::Result;
use crate::git;
use std::collections::BTreeSet;
use std::sync::Arc;

/// Finds the first landing at which the gate is red, and writes down whose it is.
pub(super) async fn find(context: Arc<Context>, good: Option<Oid>, bad: Oid) -> Result<()> {
    blocking(move || {
        let events: Vec<Event> = match search(&context, good.as_ref(), &bad)? {
            Found::Tasks(tasks) => tasks.into_iter().map(|task| Event::CulpritFound { commit: bad.clone(), task }).collect(),
            Found::Nobody(why) => vec![Event::CulpritUnknown { commit: bad, why }],
            Found::Stopped => return Ok(()),
        };
        context.append(&events)?;
        Ok(())
    })
    .await
}

enum Found {
    /// At least one.
    Tasks(Vec<TaskId>),
    Nobody(String),
    /// The run was stopped while the search was on.
    Stopped,
}

/// What a landing is part of, for the search: a task's, or none when somebody else put the commit there.
struct Step<'a> {
    commit: &'a Oid,
    onto: Oid,
    task: Option<&'a Task>,
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
    let base_allows = if good.is_none() { allows(context, &context.repo.tree_of(&base)?, || Ok(base.clone()))? } else { Some(true) };
    let Some(base_allows) = base_allows else { return Ok(Found::Stopped) };
    if !base_allows {
        let failing =
            story.gates.last.as_ref().and_then(|report| report.failing()).map_or("a check", |check| check.name.as_str()).to_owned();
        return Ok(Found::Nobody(format!(
            "the base commit {} is red already, before any task: see `{failing}`. Make it green there, or leave the check out with `skip` under [gate] in aura.toml",
            base.short()
        )));
    }
    let mut steps = vec![];
    for (at, commit) in landings.iter().enumerate() {
        let onto = if at == 0 { from.clone() } else { landings[at - 1].clone() };
        let task = story.tasks.iter().find(|task| task.landings.iter().any(|landing| landing.commit == *commit));
        steps.push(Step { commit, onto, task });
    }
    let line = Line { context, story: &story, from, bad };
    line.search(&steps)
}

/// The search along the first parents of the story branch, from a commit that the gate allows to one that it does not.
struct Line<'a> {
    context: &'a Context,
    story: &'a Story,
    from: &'a Oid,
    bad: &'a Oid,
}

/// Where a search among steps ended.
enum Ended<'a> {
    /// The first step at which it is red.
    At(usize, Option<&'a Task>),
    /// All of them together are green.
    Green,
    /// Steps cannot be put together in this order.
    Inseparable,
    Stopped,
}

impl<'a> Line<'a> {
    /// Who repaired what it broke stands first in line for ever, so the search begins behind it: the landings of whoever
    /// landed twice come first, repairs included, then those of the others.
    fn search(&self, steps: &[Step<'a>]) -> Result<Found> {
        let landed_twice = |task: &Task| steps.iter().filter(|step| step.task.is_some_and(|of| of.id() == task.id())).count() > 1;
        let (settled, rest): (Vec<&Step<'a>>, Vec<&Step<'a>>) = steps.iter().partition(|step| step.task.is_some_and(landed_twice));
        if settled.is_empty() {
            return self.among(&[], &rest);
        }
        match self.first_red(&[], &settled)? {
            Ended::Green => match self.among(&settled, &rest)? {
                Found::Nobody(_) => self.in_order(steps),
                found => Ok(found),
            },
            // The repair itself is not enough.
            Ended::At(_, Some(task)) => Ok(Found::Tasks(vec![task.id().clone()])),
            Ended::Stopped => Ok(Found::Stopped),
            Ended::At(_, None) | Ended::Inseparable => self.in_order(steps),
        }
    }

    /// The set of tasks to blame among `rest`, on top of `before`, which is green: the first at which it turns red, then,
    /// without that one and all that build on it, the next.
    fn among(&self, before: &[&Step<'a>], rest: &[&Step<'a>]) -> Result<Found> {
        let mut left: Vec<&Step<'a>> = rest.to_vec();
        let mut blamed: Vec<TaskId> = vec![];
        loop {
            match self.first_red(before, &left)? {
                Ended::At(_, Some(task)) => {
                    blamed.push(task.id().clone());
                    let builds_on = self.builds_on(task.id());
                    left.retain(|step| step.task.is_none_or(|of| !builds_on.contains(of.id())));
                }
                Ended::At(at, None) if blamed.is_empty() => {
                    let commit = left[at].commit.short();
                    return Ok(Found::Nobody(format!("commit {commit} on the story branch turned it red, and it is no task's landing")));
                }
                Ended::Stopped => return Ok(Found::Stopped),
                Ended::Green if blamed.is_empty() => {
                    let why = "nothing has landed since the gate was last green, so something outside the repository changed";
                    return Ok(Found::Nobody(why.into()));
                }
                Ended::Inseparable if blamed.is_empty() => return Ok(Found::Nobody("the landings cannot be told apart".into())),
                Ended::At(_, None) | Ended::Green | Ended::Inseparable => return Ok(Found::Tasks(blamed)),
            }
        }
    }

    /// As the branch has it; and when that names a task that has repaired already, whoever is behind it.
    fn in_order(&self, steps: &[Step<'a>]) -> Result<Found> {
        let all: Vec<&Step<'a>> = steps.iter().collect();
        let first = match self.first_red(&[], &all)? {
            Ended::At(_, Some(task)) => task,
            Ended::Stopped => return Ok(Found::Stopped),
            Ended::At(..) | Ended::Green | Ended::Inseparable => return self.among(&[], &all),
        };
        for step in steps.iter().rev() {
            let Some(task) = step.task.filter(|task| task.id() != first.id()) else { continue };
            let Some(tree) = self.context.repo.without(self.bad, step.commit, &step.onto)? else { continue };
            match self.allows(&tree)? {
                Some(true) => return Ok(Found::Tasks(vec![task.id().clone()])),
                Some(false) => {}
                None => return Ok(Found::Stopped),
            }
        }
        Ok(Found::Tasks(vec![first.id().clone()]))
    }

    /// Binary search. Invariant: what stands before `low` is allowed, all up to `high` is red.
    fn first_red(&self, before: &[&Step<'a>], steps: &[&Step<'a>]) -> Result<Ended<'a>> {
        let red_with = |count: usize| -> Result<Option<Option<bool>>> {
            let Some(tree) = self.put_together(before.iter().chain(&steps[..count]).copied())? else { return Ok(None) };
            Ok(Some(self.allows(&tree)?.map(|allows| !allows)))
        };
        if steps.is_empty() {
            return Ok(Ended::Green);
        }
        match red_with(steps.len())? {
            None => return Ok(Ended::Inseparable),
            Some(None) => return Ok(Ended::Stopped),
            Some(Some(false)) => return Ok(Ended::Green),
            Some(Some(true)) => {}
        }
        let (mut low, mut high) = (0, steps.len() - 1);
        while low < high {
            let middle = low + (high - low) / 2;
            match red_with(middle + 1)? {
                None => return Ok(Ended::Inseparable),
                Some(None) => return Ok(Ended::Stopped),
                Some(Some(true)) => high = middle,
                Some(Some(false)) => low = middle + 1,
            }
        }
        Ok(Ended::At(high, steps[high].task))
    }

    /// The tree of these steps in this order, on the commit that the search begins with; none where they do not merge.
    fn put_together<'s>(&self, steps: impl Iterator<Item = &'s Step<'a>>) -> Result<Option<Oid>>
    where
        'a: 's,
    {
        let repo = &self.context.repo;
        let (mut at, mut in_order) = (self.from.clone(), true);
        for step in steps {
            // As long as they stand as they landed, there is nothing to merge.
            in_order &= step.onto == at;
            if in_order {
                at = step.commit.clone();
                continue;
            }
            let merge = repo.merge_trees(&step.onto, &at, step.commit)?;
            if !merge.conflicts.is_empty() {
                return Ok(None);
            }
            at = repo.commit_tree(&merge.tree, &[&at], "Look at the story in another order\n", self.story.updated_at)?;
        }
        repo.tree_of(&at).map(Some).map_err(Into::into)
    }

    /// A task and all that depend on it, directly or not.
    fn builds_on(&self, task: &TaskId) -> BTreeSet<TaskId> {
        let mut found = BTreeSet::from([task.clone()]);
        loop {
            let more: Vec<TaskId> = self
                .story
                .tasks
                .iter()
                .filter(|other| !found.contains(other.id()) && other.planned.depends_on.iter().any(|id| found.contains(id)))
                .map(|other| other.id().clone())
                .collect();
            if more.is_empty() {
                return found;
            }
            found.extend(more);
        }
    }

    /// Gates a tree that no commit of the story has; none when the run was stopped.
    fn allows(&self, tree: &Oid) -> Result<Option<bool>> {
        let repo = &self.context.repo;
        let commit = || repo.commit_tree(tree, &[self.bad], "Look at a part of the story\n", self.story.updated_at);
        allows(self.context, tree, commit)
    }
}

/// Gates one tree for the search, at a commit that has it; none when the run was stopped. The verdict is kept: no tree is
/// gated twice.
fn allows(context: &Context, tree: &Oid, commit: impl FnOnce() -> git::Result<Oid>) -> Result<Option<bool>> {
    let story = context.story()?;
    if let Some(verdict) = story.gates.verdicts.get(tree) {
        return Ok(Some(verdict.allows()));
    }
    let Some(report) = gate_at(context, &story, &commit()?, tree)? else { return Ok(None) };
    let allows = report.verdict.allows();
    if !report.reused {
        context.append(&[Event::GateFinished { wave: 0, report: Box::new(report) }])?;
    }
    Ok(Some(allows))
}

//! How many stories end green by themselves, with agents as they are.

use crate::rules::{Agents, Rules, hash, plan};
use crate::world::{Content, World};
use aura::domain::*;
use std::collections::BTreeSet;

/// What came of many stories.
#[derive(Debug, Default)]
pub struct Yield {
    pub stories: u32,
    pub green: u32,
    /// Attempts that were made, and those that an orchestrator makes that never gives up, asks the right task only, and is
    /// never in anybody's way.
    pub attempts: usize,
    pub ideal: usize,
}

/// Runs stories of so many tasks once each, with the default limits; the driver is killed in three of ten.
pub fn of(agents: Agents, tasks: usize, stories: u32) -> Yield {
    let mut all = Yield::default();
    for seed in 0..u64::from(stories) {
        let rules = Rules { seed, conflicts: 10, agents: Some(agents), ..Rules::default() };
        let mut world = World::new(plan(seed, tasks), rules, 4);
        if hash(&(seed, "killed")) % 10 < 3 {
            world.crashes = BTreeSet::from([1 + (hash(&(seed, "when")) % (20 * tasks as u64)) as usize]);
        }
        let outcome = world.run(Scope::All, Mode::Flow, None);
        let is_green = outcome == RunOutcome::Finished && world.story.is_complete();
        assert!(is_green || world.story.status() != StoryStatus::Completed, "seed {seed}: completed and not green");
        all.stories += 1;
        all.green += u32::from(is_green);
        if is_green {
            all.attempts += world.story.tasks.iter().map(|task| task.attempts.len()).sum::<usize>();
            all.ideal += world.story.tasks.iter().map(|task| ideal(&world.rules, task)).sum::<usize>();
        }
    }
    all
}

/// Attempts until the task is done, and one more where it made a mistake.
fn ideal(rules: &Rules, task: &Task) -> usize {
    let done = |attempt: &u32| rules.outcome(task.id(), *attempt, &Purpose::Work) == Outcome::Done;
    let first = (1..1000).find(done).expect("some attempt ends well");
    first as usize + (first..1000).take_while(|attempt| rules.errs(task.id(), *attempt)).count()
}

#[test]
fn most_stories_end_green_by_themselves() {
    for (agents, tasks, wanted) in
        [(Agents::Competent, 10, 97), (Agents::Competent, 20, 95), (Agents::Obedient, 10, 90), (Agents::Obedient, 20, 85)]
    {
        let got = of(agents, tasks, 60);
        assert!(100 * got.green >= wanted * got.stories, "{agents:?}, {tasks} tasks: {got:?}");
    }
}

impl World {
    /// What an agent makes of what it found: its own mistakes, and those that it built upon without seeing them.
    pub fn work_of(&self, agents: Agents, id: &TaskId, attempt: u32, content: &mut Content) {
        let task = self.story.task(id).expect("in the plan");
        let base = task.attempts.iter().find(|of| of.number == attempt).expect("it landed").base.clone();
        let seen = &self.commits[&base].broken;
        let errs = self.rules.errs(id, attempt);
        content.broken.remove(id);
        if errs {
            content.broken.insert(id.clone());
        } else if agents == Agents::Competent {
            content.broken.retain(|other| !seen.contains(other));
        } else if task.planned.depends_on.iter().any(|other| seen.contains(other)) {
            content.broken.insert(id.clone());
        }
    }

    /// The broken tasks that build on no other broken one, as the search finds them.
    pub fn found(&self, content: &Content) -> Vec<TaskId> {
        let builds_on_broken = |id: &TaskId| {
            let mut open: Vec<&TaskId> = vec![id];
            let mut seen = BTreeSet::new();
            while let Some(at) = open.pop() {
                for before in &self.story.task(at).expect("in the plan").planned.depends_on {
                    if content.broken.contains(before) {
                        return true;
                    }
                    if seen.insert(before) {
                        open.push(before);
                    }
                }
            }
            false
        };
        content.broken.iter().filter(|id| !builds_on_broken(id)).cloned().collect()
    }
}

//! Bringing the base branch into a story is one more task of it: a conflict has an agent that resolves it, and a gate that
//! turns red has an owner that repairs it. Clean merges need no agent, and leave the same trace.

use super::{Bringing, Landing, Oid, PlannedTask, Story, Task, TaskId, Work};
use jiff::Timestamp;

impl Story {
    /// The task that is to bring the base in and has not yet.
    #[must_use]
    pub fn open_bringing(&self) -> Option<&Task> {
        self.tasks.iter().find(|task| task.brings.is_some() && !task.has_landed())
    }

    /// A conflict with the base goes down the ladder of every conflict: it becomes a task, whose agent resolves it.
    pub(super) fn base_conflicted(&mut self, base: &Oid, paths: &[String]) {
        let bringing = Bringing { base: base.clone(), paths: paths.to_vec() };
        let task = self.bringing_task();
        task.work = Work::Pending { next: bringing.purpose() };
        task.brings = Some(bringing);
    }

    /// What the base has gained counts as one more task's work: should it turn the gate red, that task repairs it.
    pub(super) fn base_brought(&mut self, base: &Oid, commit: &Oid, at: Timestamp) {
        let onto = self.tip.commit.clone();
        if *commit == onto && self.open_bringing().is_none() {
            return;
        }
        let (base, commit) = (base.clone(), commit.clone());
        let task = self.bringing_task();
        task.brings = Some(Bringing { base: base.clone(), paths: vec![] });
        task.work = Work::Landed { commit: commit.clone() };
        task.landings.push(Landing { attempt: 0, head: base, onto, commit, at });
    }

    /// The open task of this kind, else a new one with a free name, in the last wave.
    fn bringing_task(&mut self) -> &mut Task {
        let open = self.tasks.iter().position(|task| task.brings.is_some() && !task.has_landed());
        let index = open.unwrap_or_else(|| {
            let planned = self.planned_bringing();
            self.tasks.push(Task::new(planned));
            self.tasks.len() - 1
        });
        &mut self.tasks[index]
    }

    fn planned_bringing(&self) -> PlannedTask {
        let ids = (1..).filter_map(|n| TaskId::parse(&format!("bring-in-base-{n}")).ok());
        let id = ids.into_iter().find(|id| self.task(id).is_none()).expect("there is always one more number");
        let branch = self.created.base_branch.as_deref().unwrap_or("the base");
        PlannedTask {
            id,
            title: format!("Bring in {branch}"),
            description: format!(
                "While this story was worked on, `{branch}` has gained commits of others. Bring them together with the story's work, so \
                 that what the story was to achieve and what `{branch}` has gained are both whole: neither side is dropped, and the build \
                 and the tests pass."
            ),
            depends_on: vec![],
            files: vec![],
            agent: None,
            estimate: 1,
            wave: self.wave_count().max(1),
        }
    }
}

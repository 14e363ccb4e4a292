//! The questions one may ask of a story: where it stands, as the seed's wire values and otherwise. Derived, never stored.

use super::{Landable, LastRun, MissingWork, Plan, RunOutcome, StopReason, Story, Task, TaskId, Usage, Verdict, Work};
use serde::{Deserialize, Serialize};

/// Seed wire values of a story's status. Derived, never stored.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
pub enum StoryStatus {
    Created,
    Analyzing,
    Analyzed,
    Planning,
    Planned,
    Executing,
    Completed,
    Failed,
    Cancelled,
}

/// Seed wire values of the orchestrator's status. Derived, never stored.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
pub enum OrchestratorStatus {
    NotDecomposed,
    Decomposed,
    Running,
    WaitingForGate,
    Completed,
    Failed,
}

impl Story {
    #[must_use]
    pub fn task(&self, id: &TaskId) -> Option<&Task> {
        self.tasks.iter().find(|task| task.id() == id)
    }
    #[must_use]
    pub fn wave_count(&self) -> u32 {
        self.tasks.iter().map(|task| task.planned.wave).max().unwrap_or(0)
    }
    /// Whether any agent has ever run for this story: from then on the plan stays.
    #[must_use]
    pub fn has_run(&self) -> bool {
        self.tasks.iter().any(|task| !task.attempts.is_empty())
    }
    /// Highest wave up to which every task is over.
    #[must_use]
    pub fn settled_wave(&self) -> u32 {
        let open = self.tasks.iter().filter(|task| !task.is_over()).map(|task| task.planned.wave).min();
        open.map_or(self.wave_count(), |wave| wave.saturating_sub(1))
    }
    /// Lowest wave with a task that has not landed, else the last: what people call the current wave.
    #[must_use]
    pub fn current_wave(&self) -> u32 {
        if !self.has_run() {
            return 0;
        }
        self.tasks.iter().filter(|task| !task.has_landed()).map(|task| task.planned.wave).min().unwrap_or(self.wave_count())
    }
    #[must_use]
    pub fn all_landed(&self) -> bool {
        !self.tasks.is_empty() && self.tasks.iter().all(|task| matches!(task.work, Work::Landed { .. }))
    }
    /// What the gate says about exactly the tip.
    #[must_use]
    pub fn tip_verdict(&self) -> Option<Verdict> {
        self.gates.verdicts.get(&self.tip.tree).copied()
    }
    /// Whether the gate allows exactly the tip.
    #[must_use]
    pub fn tip_allows(&self) -> bool {
        self.tip_verdict().is_some_and(Verdict::allows)
    }
    /// Every task landed, the gate allows exactly the tip, no landed work is known to be missing there, and nothing about the
    /// gate itself waits for a person: ready for the merge ceremony.
    #[must_use]
    pub fn is_complete(&self) -> bool {
        let is_green = self.all_landed() && self.gates.red.is_none() && self.tip_allows();
        is_green && self.missing_work().is_empty() && !self.is_grounded() && !self.is_held()
    }
    /// Whether the last run stopped because something under Aura failed, for example the story branch is not where the log says:
    /// then nothing is known to be complete.
    fn is_grounded(&self) -> bool {
        let environment = |run: &LastRun| matches!(run.outcome, RunOutcome::Stopped { reason: StopReason::Environment, .. });
        self.run.is_none() && self.last_run.as_ref().is_some_and(environment)
    }
    /// Landed work that the last verification did not find on the story branch.
    #[must_use]
    pub fn missing_work(&self) -> &[MissingWork] {
        self.verified.as_ref().map_or(&[], |verified| &verified.missing)
    }
    /// Whether all is landed and gated, and nobody has looked yet whether exactly this tip holds everything that landed.
    #[must_use]
    pub fn awaits_verification(&self) -> bool {
        let seen = self.verified.as_ref().is_some_and(|verified| verified.tip == self.tip.commit);
        self.all_landed() && self.gates.red.is_none() && self.tip_allows() && !seen
    }
    /// What all attempts together used.
    #[must_use]
    pub fn usage(&self) -> Usage {
        let ends = self.tasks.iter().flat_map(|task| &task.attempts).filter_map(|attempt| attempt.ended.as_ref());
        ends.fold(Usage::default(), |sum, end| Usage {
            input_tokens: sum.input_tokens + end.usage.input_tokens,
            output_tokens: sum.output_tokens + end.usage.output_tokens,
            cached_tokens: sum.cached_tokens + end.usage.cached_tokens,
            requests: sum.requests + end.usage.requests,
            premium_requests: sum.premium_requests + end.usage.premium_requests,
            nano_credits: sum.nano_credits + end.usage.nano_credits,
            duration_ms: sum.duration_ms + end.usage.duration_ms,
        })
    }

    #[must_use]
    pub fn orchestrator_status(&self) -> OrchestratorStatus {
        if self.tasks.is_empty() {
            return OrchestratorStatus::NotDecomposed;
        }
        if self.run.is_some() {
            let only_gate = self.gates.running.is_some() && !self.tasks.iter().any(|task| matches!(task.work, Work::Running { .. }));
            return if only_gate { OrchestratorStatus::WaitingForGate } else { OrchestratorStatus::Running };
        }
        if self.is_complete() {
            return OrchestratorStatus::Completed;
        }
        match self.last_run.as_ref().map(|run| &run.outcome) {
            Some(RunOutcome::Failed { .. } | RunOutcome::Stopped { .. }) => OrchestratorStatus::Failed,
            Some(RunOutcome::Finished | RunOutcome::Cancelled) | None => OrchestratorStatus::Decomposed,
        }
    }

    #[must_use]
    pub fn status(&self) -> StoryStatus {
        // A run comes first: an analysis may have been asked for before it and be left open.
        if self.run.is_some() {
            return StoryStatus::Executing;
        }
        if self.analyzing {
            return StoryStatus::Analyzing;
        }
        if self.planning {
            return StoryStatus::Planning;
        }
        match (self.orchestrator_status(), self.last_run.as_ref().map(|run| &run.outcome)) {
            (OrchestratorStatus::Completed, _) => StoryStatus::Completed,
            (_, Some(RunOutcome::Cancelled)) => StoryStatus::Cancelled,
            (OrchestratorStatus::Failed, _) => StoryStatus::Failed,
            (_, Some(_)) => StoryStatus::Executing,
            (OrchestratorStatus::NotDecomposed, None) if self.trouble.is_some() && self.analysis.is_none() => StoryStatus::Failed,
            (OrchestratorStatus::NotDecomposed, None) if self.analysis.is_some() => StoryStatus::Analyzed,
            (OrchestratorStatus::NotDecomposed, None) => StoryStatus::Created,
            (_, None) => StoryStatus::Planned,
        }
    }

    /// The permit of the task that is to be landed next. What changes the files of a conflict that is being resolved waits:
    /// the resolver works against a tip that holds still for it.
    #[must_use]
    pub fn next_landing(&self) -> Option<Landable> {
        let waits = |task: &Task| self.tasks.iter().any(|other| other.id() != task.id() && other.is_resolving_beside(task));
        self.landings().find(|permit| self.task(permit.task()).is_some_and(|task| !waits(task)))
    }
    /// The permits of all accepted tasks, in the order of their acceptance.
    pub fn landings(&self) -> impl Iterator<Item = Landable> {
        self.landing_queue.iter().filter_map(|id| self.task(id)?.landable())
    }
    /// The first dependency of `task` that has not landed.
    #[must_use]
    pub fn missing_dependency(&self, task: &Task) -> Option<TaskId> {
        task.planned.depends_on.iter().find(|id| !self.task(id).is_some_and(Task::has_landed)).cloned()
    }
    /// The plan as it was accepted.
    #[must_use]
    pub fn plan(&self) -> Option<Plan> {
        let origin = self.plan.as_ref()?;
        Some(Plan { tasks: self.tasks.iter().map(|task| task.planned.clone()).collect(), added_orders: origin.added_orders.clone() })
    }
}

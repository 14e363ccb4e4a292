//! What an attempt that did not end well means for its task: what is counted, and what is tried next.

use super::{Attempt, AttemptEnd, AttemptEnded, Outcome, Purpose, Task, Work};
use jiff::Timestamp;
use serde::{Deserialize, Serialize};

/// Attempts that did not end well, each kind counted apart: an agent that crashes says nothing about one that is wrong.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Failures {
    /// The agent died, or reported an error of its own or of its model.
    pub crashes: u32,
    /// It gave no sign of life, or its time was up.
    pub stalls: u32,
    /// It was not done, had changed nothing, or left what cannot be accepted.
    pub results: u32,
    /// It was to resolve a conflict, and the conflict is still there.
    pub conflicts: u32,
    /// Rate-limited attempts in a row.
    pub rate_limits: u32,
    /// Interrupted attempts in a row.
    pub interruptions: u32,
}

impl Task {
    /// A fresh start: what was counted so far is forgiven.
    pub(super) fn forget_counts(&mut self) {
        self.failures = Failures::default();
    }

    pub(super) fn close(&mut self, e: &AttemptEnded, at: Timestamp) {
        if let Some(attempt) = self.attempts.last_mut() {
            let (outcome, summary, usage) = (e.outcome.clone(), e.summary.clone(), e.usage.clone());
            let (rescue, left, left_out) = (e.rescue.clone(), e.left.clone(), e.left_out.clone());
            attempt.ended = Some(AttemptEnd { at, outcome, summary, usage, rescue, left, left_out });
        }
        self.activity.clear();
    }

    /// What follows an attempt that did not end well: by the class of its error. What a conflict or a red gate asked
    /// for is asked for again.
    pub(super) fn unhappy(&mut self, e: &AttemptEnded, at: Timestamp) -> Work {
        let purpose = self.attempts.last().map_or(Purpose::Work, |attempt| attempt.purpose.clone());
        let open_request = matches!(purpose, Purpose::Resolve { .. } | Purpose::Repair { .. });
        self.close(e, at);
        if self.has_progressed() {
            let Failures { rate_limits, interruptions, .. } = self.failures;
            self.failures = Failures { rate_limits, interruptions, ..Failures::default() };
        }
        let resume = || Purpose::Resume { why: e.outcome.sentence() };
        let failures = &mut self.failures;
        let next = match &e.outcome {
            Outcome::Done => unreachable!("a done attempt is not unhappy"),
            Outcome::Interrupted => {
                failures.interruptions += 1;
                resume()
            }
            Outcome::NeedsLogin { .. } | Outcome::Quota { .. } | Outcome::Policy { .. } => resume(),
            // The agent never ran, so there is nothing to resume: the same is asked for again.
            Outcome::Unavailable { .. } => purpose.clone(),
            Outcome::RateLimited { .. } => {
                failures.rate_limits += 1;
                resume()
            }
            // What it has done so far is there, whatever its model said in the end.
            Outcome::Crashed { .. } | Outcome::Failed { .. } => {
                failures.crashes += 1;
                resume()
            }
            Outcome::Stalled | Outcome::TimedOut => {
                failures.stalls += 1;
                resume()
            }
            Outcome::Incomplete { .. } => {
                failures.results += 1;
                resume()
            }
            Outcome::NoChange => {
                // An agent that goes on after an interruption may have nothing left to do: to ask it costs no try.
                failures.results += u32::from(!matches!(purpose, Purpose::Resume { .. }));
                Purpose::NoChange
            }
            Outcome::Refused { .. } => {
                failures.results += 1;
                Purpose::Retry { error: e.outcome.sentence() }
            }
            Outcome::Unresolved { .. } => {
                failures.conflicts += 1;
                Purpose::Retry { error: e.outcome.sentence() }
            }
        };
        Work::Pending { next: if open_request { purpose } else { next } }
    }

    /// Whether the last attempt, though it did not end well, left a tree that no attempt had left before.
    fn has_progressed(&self) -> bool {
        let left = |attempt: &Attempt| attempt.ended.as_ref().and_then(|end| end.left.clone());
        let Some((last, before)) = self.attempts.split_last() else { return false };
        left(last).is_some_and(|tree| before.iter().all(|attempt| left(attempt).as_ref() != Some(&tree)))
    }

    pub(super) fn back_to_landed(&mut self) -> Work {
        let commit = self.landings.last().expect("a task under repair has landed before").commit.clone();
        self.forget_counts();
        Work::Landed { commit }
    }

    /// A failed or skipped task starts again: told what went wrong, if it ever ran.
    pub(super) fn fresh(&mut self) -> Work {
        self.forget_counts();
        if let Some(bringing) = &self.brings {
            return Work::Pending { next: bringing.purpose() };
        }
        let next = match (&self.work, self.attempts.is_empty()) {
            (Work::Failed { error }, false) => Purpose::Retry { error: error.clone() },
            (
                Work::Failed { .. }
                | Work::Skipped { .. }
                | Work::Pending { .. }
                | Work::Running { .. }
                | Work::Accepted { .. }
                | Work::Landed { .. },
                _,
            ) => Purpose::Work,
        };
        Work::Pending { next }
    }
}

//! What gates have said of a story, who is asked to repair what they found, and what another round makes of it.

use super::{Culprit, Event, GateReport, Oid, Red, Story, TaskId, Verdict};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// What gates have said so far.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Gates {
    /// Verdict by tree: no tree is gated twice in a run.
    pub verdicts: BTreeMap<Oid, Verdict>,
    /// The commit being gated now, and for which wave.
    pub running: Option<(Oid, u32)>,
    /// Highest wave that the running gate speaks for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub covers: Option<u32>,
    /// Highest wave of the plan whose gate allows going on.
    pub wave: u32,
    /// The last commit that a gate allowed.
    pub good: Option<Oid>,
    pub red: Option<Red>,
    /// The last report: what status shows.
    pub last: Option<GateReport>,
    pub last_wave: u32,
    /// What the gate said at the story's base, once it was asked: what was red or without tests before any task.
    #[serde(default)]
    pub base: Option<GateReport>,
}

impl Story {
    /// Whether the gate is red at `commit` and nobody has been found to blame.
    pub(super) fn is_sought(&self, commit: &Oid) -> bool {
        self.gates.red.as_ref().is_some_and(|red| red.commit == *commit && red.culprit == Culprit::Sought)
    }

    /// Whether `task` can be found to blame for what is red at `commit`: alone, or beside others.
    pub(super) fn can_be_blamed(&self, commit: &Oid, task: &TaskId) -> bool {
        self.gates.red.as_ref().is_some_and(|red| {
            let open = !matches!(red.culprit, Culprit::Nobody { .. });
            red.commit == *commit && open && !red.culprits().contains(task)
        })
    }

    /// Who is asked to repair a red gate, and who has given up.
    pub(super) fn after_blame(&mut self, id: &TaskId, event: &Event) {
        if let (Event::CulpritFound { .. }, Some(red)) = (event, &mut self.gates.red) {
            *red.blamed.entry(id.clone()).or_default() += 1;
            red.culprit = Culprit::Tasks { tasks: [red.culprits(), std::slice::from_ref(id)].concat() };
        }
        if let (Event::RepairFailed { error, .. }, Some(red)) = (event, &mut self.gates.red) {
            let others: Vec<TaskId> = red.culprits().iter().filter(|other| *other != id).cloned().collect();
            red.gave_up = true;
            red.culprit = if others.is_empty() {
                Culprit::Nobody { why: format!("`{id}` could not repair it: {error}") }
            } else {
                Culprit::Tasks { tasks: others }
            };
        }
    }

    /// What is tried again has to be gated again, also in a wave whose gate allowed what had landed by then.
    pub(super) fn reopen_waves(&mut self) -> Option<u32> {
        let open = self.tasks.iter().filter(|task| !task.is_over()).map(|task| task.planned.wave).min();
        self.gates.wave = open.map_or(self.gates.wave, |open| self.gates.wave.min(open.saturating_sub(1)));
        open
    }

    /// Everything is tried once more that was given up, a repair of the gate included.
    pub(super) fn start_round(&mut self, round: u32) {
        self.reopen_waves();
        if let Some(run) = &mut self.run {
            run.round = round;
        }
        if let Some(red) = self.gates.red.as_mut().filter(|red| red.gave_up) {
            (red.culprit, red.gave_up) = (Culprit::Sought, false);
            red.blamed.clear();
        }
    }

    /// A gate speaks for the waves that are settled in what it looks at: a repair may be gated while others of its wave still
    /// work. Where the tip has moved already, nobody knows, and it speaks for none that was not allowed before.
    pub(super) fn gate_started(&mut self, commit: &Oid, wave: u32) {
        let settled = if *commit == self.tip.commit { self.settled_wave() } else { self.gates.wave };
        self.gates.covers = Some(wave.min(settled));
        self.gates.running = Some((commit.clone(), wave));
    }

    pub(super) fn gate_finished(&mut self, wave: u32, report: &GateReport) {
        let gates = &mut self.gates;
        if gates.running.as_ref().is_some_and(|(commit, _)| *commit == report.commit) {
            gates.running = None;
        }
        // A bisection gates old commits too (wave 0): they tell about their tree and nothing else.
        gates.verdicts.insert(report.tree.clone(), report.verdict);
        if report.commit == self.created.base_commit && !report.reused {
            gates.base = Some(report.clone());
        }
        if wave == 0 {
            return;
        }
        let covers = gates.covers.take().unwrap_or(wave).min(wave);
        (gates.last, gates.last_wave) = (Some(report.clone()), wave);
        if report.verdict.allows() {
            gates.wave = gates.wave.max(covers);
            gates.good = Some(report.commit.clone());
            gates.red = None;
        } else {
            let failing = report.tests().1;
            let before = gates.red.take();
            let repairs = before.as_ref().map_or(0, |red| red.repairs + 1);
            // Fewer failing tests than ever are progress, and what was counted is forgiven.
            let fewest = before.as_ref().and_then(|red| red.failing);
            let better = fewest.zip(failing).is_some_and(|(fewest, failing)| failing < fewest);
            let blamed = before.filter(|_| !better).map(|red| red.blamed).unwrap_or_default();
            let failing = fewest.map_or(failing, |fewest| Some(failing.map_or(fewest, |failing| failing.min(fewest))));
            gates.red = Some(Red { repairs, blamed, failing, ..Red::at(&report.commit) });
        }
    }
}

//! What is held: changes to what decides the gate, until a person accepts them or an attempt takes them back.

use super::{Finding, Judgement, Oid, Red, Standing, Story, Work};

impl Story {
    /// What the tip is compared with: the base that was brought in last, else the one that the story started from. What the
    /// base has gained meanwhile is not the story's doing.
    #[must_use]
    pub fn judged_base(&self) -> &Oid {
        let brought = self.tasks.iter().filter(|task| matches!(task.work, Work::Landed { .. }));
        brought.filter_map(|task| task.brings.as_ref()).next_back().map_or(&self.created.base_commit, |bringing| &bringing.base)
    }

    /// Findings that keep the story open.
    pub fn open_findings(&self) -> impl Iterator<Item = &Finding> {
        let findings = self.judgement.as_ref().map_or(&[][..], |judgement| &judgement.findings);
        findings.iter().filter(|finding| self.is_open(finding))
    }

    /// Whether a finding keeps the story open.
    #[must_use]
    pub fn is_open(&self, finding: &Finding) -> bool {
        match finding.standing {
            Standing::Refused => true,
            Standing::Held => !self.accepted.contains(&finding.id),
            Standing::Claimed | Standing::Reported => false,
        }
    }

    /// Whether something waits for a person, or has to be taken back.
    #[must_use]
    pub fn is_held(&self) -> bool {
        self.open_findings().next().is_some()
    }

    /// Whether a finding was accepted by a person.
    #[must_use]
    pub fn is_accepted(&self, finding: &Finding) -> bool {
        self.accepted.contains(&finding.id)
    }

    /// Whether the tip was judged as it is now.
    #[must_use]
    pub fn is_judged(&self) -> bool {
        self.judgement.as_ref().is_some_and(|judgement| judgement.tree == self.tip.tree && judgement.base == *self.judged_base())
    }

    /// Whether what is held was held before the active run began: then the run is to take it back.
    #[must_use]
    pub fn is_held_from_before(&self) -> bool {
        self.is_held() && self.run.as_ref().is_some_and(|run| self.judged_seq < run.since)
    }

    pub(super) fn judged(&mut self, judgement: &Judgement, seq: i64) {
        if let Some(repairs) = judgement.take_back {
            self.gates.red = Some(Red { repairs, ..Red::at(&judgement.commit) });
        }
        (self.judgement, self.judged_seq) = (Some(judgement.clone()), seq);
    }

    /// Whether each of those can be accepted.
    pub(super) fn may_accept(&self, ids: &[String]) -> bool {
        let is_held = |id: &String| self.open_findings().any(|finding| finding.id == *id && finding.standing == Standing::Held);
        !ids.is_empty() && ids.iter().all(is_held)
    }

    /// What a person accepts is no reason to repair any more.
    pub(super) fn findings_accepted(&mut self, ids: &[String]) {
        self.accepted.extend(ids.iter().cloned());
        let asked = self.judgement.as_ref().filter(|judgement| judgement.take_back.is_some()).map(|judgement| &judgement.commit);
        if self.run.is_none() && !self.is_held() && self.gates.red.as_ref().map(|red| &red.commit) == asked {
            self.gates.red = None;
        }
    }
}

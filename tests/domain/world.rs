//! A world without I/O: it does what `next` asks for, by rules that are decided beforehand, and holds every event
//! against what a user must be able to rely on. Everything random comes from one seed, so each failure repeats.

use crate::facts::{accepted, created, ended, prepared, started};
use crate::rules::{Rules, hash, oid};
use aura::domain::*;
use jiff::{SignedDuration, Timestamp};
use std::collections::{BTreeMap, BTreeSet};
use uuid::Uuid;

/// A run of a plan of 30 tasks needs a few hundred.
const STEPS_MAX: usize = 4_000;

/// What the tree of a commit holds: which attempt's work of each task, and whose work is broken.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct Content {
    pub versions: BTreeMap<TaskId, u32>,
    pub broken: BTreeSet<TaskId>,
}

impl Content {
    fn tree(&self) -> Oid {
        if self.versions.is_empty() { oid("base") } else { oid(self) }
    }
}

/// What is being done, by somebody who dies with the driver.
#[derive(Clone, Debug)]
enum Job {
    Attempt(TaskId),
    Prepare(TaskId),
    Land(Landable),
    Gate { commit: Oid, tree: Oid, wave: u32, begun: bool },
    Culprit { bad: Oid },
    Verify { tip: Oid },
}

pub struct World {
    pub rules: Rules,
    pub limits: Limits,
    pub story: Story,
    pub log: Vec<(Event, Timestamp)>,
    pub steps: usize,
    /// The driver dies before these steps.
    pub crashes: BTreeSet<usize>,
    /// Most agents that ran at once.
    pub peak: usize,
    /// Folded from events that went through text.
    replayed: Story,
    pub commits: BTreeMap<Oid, Content>,
    merged: BTreeMap<(TaskId, u32), (Oid, Oid, Oid)>,
    order: Vec<TaskId>,
    allowed: Vec<Content>,
    in_flight: InFlight,
    /// Tasks whose agent has ended, and nobody has written down how.
    over: BTreeSet<TaskId>,
    jobs: Vec<Job>,
    wait: Option<Timestamp>,
    now: Timestamp,
    dice: u64,
}

impl World {
    pub fn new(plan: Plan, rules: Rules, max_parallelism: u32) -> World {
        let created = created();
        let (id, now) = (StoryId(Uuid::from_u128(7)), Timestamp::UNIX_EPOCH);
        let story = Story::create(id, created.clone(), now, 1);
        let dice = rules.seed;
        let mut world = World {
            rules,
            limits: Limits::default(),
            replayed: story.clone(),
            story,
            log: vec![(Event::StoryCreated(Box::new(created)), now)],
            steps: 0,
            crashes: BTreeSet::new(),
            peak: 0,
            over: BTreeSet::new(),
            commits: BTreeMap::from([(oid("base"), Content::default())]),
            merged: BTreeMap::new(),
            order: vec![],
            allowed: vec![],
            in_flight: InFlight::default(),
            jobs: vec![],
            wait: None,
            now,
            dice,
        };
        world.append(&[Event::PlanningStarted { planner: "given".into() }]);
        world.append(&[Event::PlanAccepted(Box::new(PlanAccepted {
            planner: "given".into(),
            tasks: plan.tasks,
            added_orders: plan.added_orders,
            max_parallelism,
            include_tests: false,
        }))]);
        world
    }

    /// One run, from the request to its end.
    pub fn run(&mut self, scope: Scope, mode: Mode, cancel: Option<(usize, Cancel)>) -> RunOutcome {
        let run = RunId(Uuid::from_u128(1000 + self.log.len() as u128));
        self.append(&[Event::RunRequested { run, scope, mode, max_parallelism: None }]);
        let cancel = cancel.map(|(steps, how)| (self.steps + steps, how));
        let last = self.steps + STEPS_MAX;
        while self.story.run.is_some() {
            self.steps += 1;
            assert!(self.steps < last, "the run does not end");
            if self.crashes.contains(&self.steps) {
                self.crash();
            }
            if let Some((at, how)) = cancel
                && self.steps == at
            {
                self.append(&[Event::CancelRequested { run, how }]);
            }
            if !self.decide() {
                self.advance();
            }
        }
        assert!(self.jobs.is_empty(), "the run ended with work in flight: {:?}", self.jobs);
        self.story.last_run.as_ref().expect("a run that ended is the last run").outcome.clone()
    }

    /// The driver dies: what was in flight is forgotten. Agents, commits and the log survive.
    fn crash(&mut self) {
        self.jobs.clear();
        self.in_flight = InFlight::default();
        self.wait = None;
    }

    /// Asks what to do and starts it. True when a fact was written down, so that one has to ask again.
    fn decide(&mut self) -> bool {
        let effects = next(&self.story, &self.limits, self.now, &self.in_flight);
        let over = self.story.run.as_ref().is_some_and(|run| run.cancel.is_some() || run.stop.is_some());
        self.wait = None;
        let mut facts = vec![];
        for effect in effects {
            match effect {
                Effect::Record(event) => facts.push(event),
                Effect::End { outcome } => facts.extend(self.story.run.as_ref().map(|run| Event::RunEnded { run: run.id, outcome })),
                Effect::Wait { until } => self.wait = Some(until),
                Effect::StopAttempt { task, .. } => {
                    self.rules.stopped.insert(task);
                }
                Effect::Attempt { task } => {
                    let running = matches!(self.story.task(&task).expect("in the plan").work, Work::Running { .. });
                    assert!(running || !over, "`{task}` starts in a run that is over");
                    let held = self.story.throttle.as_ref().is_some_and(|throttle| self.now < throttle.until);
                    assert!(running || !held, "`{task}` starts before the rate limit is over");
                    assert!(self.in_flight.attempts.insert(task.clone()), "`{task}` is asked for twice");
                    assert!(!self.in_flight.preparing.contains(&task), "`{task}` starts in a worktree that is being made");
                    self.in_flight.launching.insert(task.clone());
                    self.peak = self.peak.max(self.in_flight.attempts.len() - self.in_flight.settling.len());
                    self.jobs.push(Job::Attempt(task));
                }
                Effect::Prepare { task } => {
                    assert!(!over, "a worktree for `{task}` is made in a run that is over");
                    assert!(self.in_flight.launching.is_empty(), "an agent waits while a worktree is made for `{task}`");
                    assert!(self.story.task(&task).expect("in the plan").attempts.is_empty(), "`{task}` has its worktree");
                    assert!(!self.in_flight.prepared.contains(&task), "the worktree of `{task}` is made twice");
                    assert!(self.in_flight.preparing.insert(task.clone()), "the worktree of `{task}` is made twice at once");
                    self.jobs.push(Job::Prepare(task));
                }
                Effect::Land { permit } => {
                    assert!(!std::mem::replace(&mut self.in_flight.landing, true), "two landings at once");
                    self.jobs.push(Job::Land(permit));
                }
                Effect::Gate { commit, tree, wave } => {
                    assert!(!std::mem::replace(&mut self.in_flight.gate, true), "two gates at once");
                    assert_eq!(self.commits[&commit].tree(), tree, "the gate is told a tree that is not the commit's");
                    self.jobs.push(Job::Gate { commit, tree, wave, begun: false });
                }
                Effect::Verify { tip } => {
                    assert!(!std::mem::replace(&mut self.in_flight.verifying, true), "two verifications at once");
                    self.jobs.push(Job::Verify { tip });
                }
                Effect::FindCulprit { bad, .. } => {
                    assert!(!std::mem::replace(&mut self.in_flight.culprit, true), "two searches at once");
                    self.jobs.push(Job::Culprit { bad });
                }
            }
        }
        self.append(&facts);
        !facts.is_empty()
    }

    /// One thing that is in flight goes on by one step, or time passes.
    fn advance(&mut self) {
        let waiting = self.wait.filter(|until| *until > self.now);
        if let Some(until) = waiting
            && (self.jobs.is_empty() || self.roll(4) == 0)
        {
            self.now = until;
            return;
        }
        assert!(!self.jobs.is_empty(), "nothing to do and nothing in flight: {:#?}", self.picture());
        self.now += SignedDuration::from_secs(1);
        let index = self.roll(self.jobs.len() as u64) as usize;
        let mut job = self.jobs.remove(index);
        let goes_on = match &mut job {
            Job::Attempt(task) => self.attempt(task),
            Job::Prepare(_) => self.roll(2) == 0,
            Job::Land(permit) => self.land(permit),
            Job::Gate { commit, tree, wave, begun } => self.gate(commit, tree, *wave, begun),
            Job::Culprit { bad } => self.culprit(bad),
            Job::Verify { tip } => {
                let missing = self.rules.missing(&self.story.tasks);
                self.append(&[Event::LandingsVerified { tip: tip.clone(), missing }]);
                false
            }
        };
        match (&job, goes_on) {
            (_, true) => self.jobs.push(job),
            (Job::Attempt(task), false) => {
                self.in_flight.attempts.remove(task);
                self.in_flight.launching.remove(task);
                self.in_flight.settling.remove(task);
            }
            (Job::Prepare(task), false) => {
                self.in_flight.preparing.remove(task);
                self.in_flight.prepared.insert(task.clone());
            }
            (Job::Land(_), false) => self.in_flight.landing = false,
            (Job::Gate { .. }, false) => self.in_flight.gate = false,
            (Job::Culprit { .. }, false) => self.in_flight.culprit = false,
            (Job::Verify { .. }, false) => self.in_flight.verifying = false,
        }
    }

    fn attempt(&mut self, id: &TaskId) -> bool {
        let task = self.story.task(id).expect("in the plan").clone();
        match &task.work {
            Work::Pending { next } => {
                self.append(&[started(&task, next.clone(), self.story.tip.commit.clone())]);
                true
            }
            Work::Running { attempt } if self.in_flight.launching.remove(id) => {
                if task.last_attempt().is_some_and(|last| last.prepared.is_none()) {
                    self.append(&[prepared(&task, *attempt, self.story.tip.commit.clone())]);
                }
                true
            }
            Work::Running { attempt } => {
                let last = task.last_attempt().expect("a running task has an attempt");
                let accept = accepted(id, *attempt);
                if last.ended.is_some() {
                    self.append(&[accept]);
                    return false;
                }
                if self.roll(3) == 0 {
                    self.append(&[Event::AttemptActivity { task: id.clone(), attempt: *attempt, text: "reads".into() }]);
                    return true;
                }
                let stopped = self.rules.stopped.remove(id);
                let outcome = if stopped { Outcome::Interrupted } else { self.rules.outcome(id, *attempt, &last.purpose) };
                if outcome == Outcome::Done && self.roll(2) == 0 && self.in_flight.settling.insert(id.clone()) {
                    self.over.insert(id.clone());
                    return true;
                }
                let resume_at = matches!(outcome, Outcome::RateLimited { .. }).then(|| self.now + SignedDuration::from_mins(2));
                let done = outcome == Outcome::Done;
                self.over.remove(id);
                let end = ended(id, *attempt, outcome, resume_at);
                match (done, self.roll(4)) {
                    (false, _) => self.append(&[end]),
                    (true, 0) => {
                        // The driver of another version, or one that died between: accepted in a second step.
                        self.append(&[end]);
                        return true;
                    }
                    (true, _) => self.append(&[end, accept]),
                }
                false
            }
            Work::Accepted { .. } | Work::Landed { .. } | Work::Failed { .. } | Work::Skipped { .. } => false,
        }
    }

    /// The branch moves first and the log follows: a driver that dies in between finds the landing again.
    fn land(&mut self, permit: &Landable) -> bool {
        let (task, attempt) = (permit.task().clone(), permit.attempt());
        let onto = self.story.tip.commit.clone();
        if self.rules.broken_branch {
            let run = self.story.run.as_ref().expect("landings happen in runs").id;
            self.append(&[Event::RunStopped { run, reason: StopReason::Environment, detail: "no space left".into() }]);
            return false;
        }
        let key = (task.clone(), attempt);
        if let Some((onto, commit, tree)) = self.merged.get(&key).cloned() {
            self.append(&[Event::TaskLanded { task, attempt, head: permit.head().clone(), onto, commit, tree }]);
            return false;
        }
        let started_at = self.story.task(&task).and_then(|task| task.attempts.last().map(|attempt| attempt.base.clone()));
        let may_conflict = self.rules.agents.is_none() || started_at.as_ref() != Some(&onto);
        if may_conflict && self.rules.conflicts(&task, attempt) {
            self.append(&[Event::LandingConflicted { task, attempt, tip: onto, paths: vec!["src/lib.rs".into()] }]);
            return false;
        }
        let repaired = self.story.task(&task).expect("in the plan").has_landed();
        let mut content = self.commits[&onto].clone();
        content.versions.insert(task.clone(), attempt);
        match self.rules.agents {
            Some(agents) => self.work_of(agents, &task, attempt, &mut content),
            None if self.rules.breaks(&task, repaired) => _ = content.broken.insert(task.clone()),
            None => _ = content.broken.remove(&task),
        }
        let (commit, tree) = (oid(&("commit", &onto, &task, attempt)), content.tree());
        self.commits.insert(commit.clone(), content);
        self.merged.insert(key, (onto, commit, tree));
        self.order.push(task);
        true
    }

    fn gate(&mut self, commit: &Oid, tree: &Oid, wave: u32, begun: &mut bool) -> bool {
        if !std::mem::replace(begun, true) {
            self.append(&[Event::GateStarted { commit: commit.clone(), tree: tree.clone(), wave }]);
            return true;
        }
        let over = self.story.run.as_ref().is_some_and(|run| run.cancel.is_some() || run.stop.is_some());
        if over && self.roll(2) == 0 {
            return false;
        }
        let report = self.report(commit);
        self.append(&[Event::GateFinished { wave, report: Box::new(report) }]);
        false
    }

    fn report(&mut self, commit: &Oid) -> GateReport {
        let content = self.commits[commit].clone();
        let tree = content.tree();
        let known = self.story.gates.verdicts.get(&tree).copied();
        let red = self.rules.base_is_red || !content.broken.is_empty() || self.rules.flakes(self.steps);
        let verdict = known.unwrap_or(if red { Verdict::Failed } else { Verdict::Passed });
        if verdict.allows() {
            self.allowed.push(content);
        }
        GateReport { commit: commit.clone(), tree, verdict, checks: vec![], reused: known.is_some() }
    }

    fn culprit(&mut self, bad: &Oid) -> bool {
        let over = self.story.run.as_ref().is_some_and(|run| run.cancel.is_some() || run.stop.is_some());
        if over && self.roll(2) == 0 {
            return false;
        }
        if self.roll(3) == 0 {
            // A bisection gates older commits too.
            let index = self.roll(self.commits.len() as u64) as usize;
            let commit = self.commits.keys().nth(index).expect("inside").clone();
            let report = self.report(&commit);
            if !report.reused {
                self.append(&[Event::GateFinished { wave: 0, report: Box::new(report) }]);
            }
            return true;
        }
        let content = &self.commits[bad];
        if self.rules.agents.is_some() {
            let found = self.found(content).into_iter().map(|task| Event::CulpritFound { commit: bad.clone(), task });
            let events: Vec<Event> = found.collect();
            self.append(&events);
            return false;
        }
        let culprit = self.order.iter().find(|task| content.broken.contains(*task)).filter(|_| !self.rules.base_is_red);
        let event = match culprit.cloned() {
            Some(task) => Event::CulpritFound { commit: bad.clone(), task },
            None => Event::CulpritUnknown { commit: bad.clone(), why: "no task is to blame".into() },
        };
        self.append(&[event]);
        false
    }

    /// Folds events in, as the store does: what is read back from text must be what was there.
    pub fn append(&mut self, events: &[Event]) {
        for event in events {
            let at = self.now;
            let seq = self.log.len() as i64 + 1;
            self.check_before(event);
            let was_idle = self.story.run.is_none();
            self.story = self.story.clone().apply(event, at, seq).unwrap_or_else(|e| panic!("{e}: {event:?}\n{:#?}", self.picture()));
            let parsed: Event = serde_json::from_str(&serde_json::to_string(event).unwrap()).unwrap();
            self.replayed = self.replayed.clone().apply(&parsed, at, seq).expect("replay allows what live allowed");
            assert_eq!(self.replayed, self.story, "replay differs after {event:?}");
            if seq % 16 == 0 || matches!(event, Event::RunEnded { .. }) {
                self.replayed = load(&store(&self.replayed));
                assert_eq!(self.replayed, self.story, "what is stored after {event:?} reads differently");
            }
            let inside = matches!(
                event,
                Event::RunRequested { .. } | Event::PlanningStarted { .. } | Event::PlanAccepted(_) | Event::TaskRetried { .. }
            );
            assert!(!was_idle || inside, "{event:?} outside of a run");
            self.log.push((event.clone(), at));
            self.check_after();
        }
    }

    fn check_before(&self, event: &Event) {
        let Event::AttemptStarted(e) = event else { return };
        let run = self.story.run.as_ref().expect("attempts start in runs");
        let task = self.story.task(&e.task).expect("in the plan");
        for dependency in &task.planned.depends_on {
            let contained = self.commits[&e.base].versions.contains_key(dependency);
            assert!(contained, "`{}` starts on a base without `{dependency}`", e.task);
        }
        if task.has_landed() {
            return;
        }
        assert!(run.scope == Scope::All || task.planned.wave <= run.wave, "`{}` is outside the scope of the run", e.task);
        let before = self.story.tasks.iter().filter(|other| other.planned.wave < task.planned.wave);
        let tip = &self.commits[&self.story.tip.commit];
        let needed: Vec<(&TaskId, u32)> = before.filter_map(|t| tip.versions.get(t.id()).map(|v| (t.id(), *v))).collect();
        let covered = |content: &Content| needed.iter().all(|(id, version)| content.versions.get(*id) == Some(version));
        if run.mode == Mode::Waves && !needed.is_empty() {
            assert!(self.allowed.iter().any(covered), "`{}` starts before a gate allowed the waves before it", e.task);
        }
    }

    fn check_after(&mut self) {
        let ended = |task: &Task| self.over.contains(task.id()) || task.last_attempt().is_some_and(|attempt| attempt.ended.is_some());
        let has_agent = |task: &&Task| matches!(task.work, Work::Running { .. }) && !ended(task);
        let agents = self.story.tasks.iter().filter(has_agent).count();
        assert!(agents <= self.story.run.as_ref().map_or(0, |run| run.max_parallelism as usize), "{agents} agents at once");
        if self.story.status() == StoryStatus::Completed {
            let tip = &self.commits[&self.story.tip.commit];
            let tasks = &self.story.tasks;
            assert!(self.allowed.contains(tip), "completed, and no gate allowed the tip");
            assert!(self.story.missing_work().is_empty(), "completed, and landed work is missing");
            let finished = self.story.run.is_none() && self.story.last_run.as_ref().is_some_and(|run| run.outcome == RunOutcome::Finished);
            let seen = self.story.verified.as_ref().is_some_and(|verified| verified.tip == self.story.tip.commit);
            assert!(!finished || seen, "finished, and nobody has looked for what landed");
            assert!(tasks.iter().all(|task| tip.versions.contains_key(task.id())), "completed, and not every task is in the tip");
        }
    }

    fn roll(&mut self, sides: u64) -> u64 {
        self.dice = hash(&(self.dice, "roll"));
        self.dice % sides
    }

    /// Where every task stands, for messages and comparisons.
    pub fn picture(&self) -> Vec<String> {
        self.story.tasks.iter().map(|task| format!("{} w{} {:?} {:?}", task.id(), task.planned.wave, task.work, task.failures)).collect()
    }

    /// The state of each task by its name alone.
    pub fn ends(&self) -> Vec<(TaskId, &'static str)> {
        let name = |work: &Work| match work {
            Work::Pending { .. } => "pending",
            Work::Running { .. } => "running",
            Work::Accepted { .. } => "accepted",
            Work::Landed { .. } => "landed",
            Work::Failed { .. } => "failed",
            Work::Skipped { .. } => "skipped",
        };
        self.story.tasks.iter().map(|task| (task.id().clone(), name(&task.work))).collect()
    }

    /// From the first event on, in one go.
    pub fn replay(&self) -> Story {
        let mut story = Story::create(self.story.id, created(), self.log[0].1, 1);
        for (index, (event, at)) in self.log.iter().enumerate().skip(1) {
            story = story.apply(event, *at, index as i64 + 1).expect("the log holds only what is legal");
        }
        story
    }

    /// The world becomes kind: agents work, merges apply, repairs help. What is broken stays broken until repaired.
    pub fn become_kind(&mut self) {
        self.rules = Rules::kind(self.rules.seed);
    }
}

fn store(story: &Story) -> (String, Vec<String>) {
    let tasks = story.tasks.iter().map(|task| serde_json::to_string(task).unwrap()).collect();
    (serde_json::to_string(story).unwrap(), tasks)
}

fn load(stored: &(String, Vec<String>)) -> Story {
    let mut story: Story = serde_json::from_str(&stored.0).unwrap();
    story.tasks = stored.1.iter().map(|task| serde_json::from_str(task).unwrap()).collect();
    story
}

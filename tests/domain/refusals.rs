//! What cannot be: the events that a story refuses, and the picture of those that a task takes.

use crate::facts::{accepted, created, ended, started};
use crate::rules::{id, oid, plan_of};
use aura::domain::*;
use jiff::Timestamp;
use uuid::Uuid;

/// A story told event by event. Two tasks, the second depends on the first.
#[derive(Clone)]
pub struct Tale {
    pub story: Story,
}

pub const RUN: RunId = RunId(Uuid::from_u128(42));

impl Tale {
    pub fn new() -> Tale {
        let now = Timestamp::UNIX_EPOCH;
        Tale { story: Story::create(StoryId(Uuid::from_u128(7)), created(), now, 1) }
    }
    pub fn planned() -> Tale {
        Tale::new().tell(Event::PlanningStarted { planner: "given".into() }).tell(plan_accepted())
    }
    pub fn running() -> Tale {
        Tale::planned().tell(run_requested())
    }
    pub fn attempt(self) -> Tale {
        let task = self.story.task(&id(1)).unwrap().clone();
        let Work::Pending { next } = task.work.clone() else { panic!("{:?}", task.work) };
        let base = self.story.tip.commit.clone();
        self.tell(started(&task, next, base))
    }
    fn number(&self) -> u32 {
        self.story.task(&id(1)).unwrap().attempts.len() as u32
    }
    pub fn ended(self, outcome: Outcome) -> Tale {
        let number = self.number();
        self.tell(ended(&id(1), number, outcome, None))
    }
    pub fn accepted(self) -> Tale {
        let tale = self.attempt().ended(Outcome::Done);
        let number = tale.number();
        tale.tell(accepted(&id(1), number))
    }
    pub fn landed(self) -> Tale {
        let tale = self.accepted();
        let event = landed(&tale);
        tale.tell(event)
    }
    pub fn gated(self, verdict: Verdict) -> Tale {
        let event = gate_finished(&self.story, verdict);
        self.tell(event)
    }
    pub fn culprit(self) -> Tale {
        let commit = self.story.tip.commit.clone();
        self.gated(Verdict::Failed).tell(Event::CulpritFound { commit, task: id(1) })
    }
    pub fn run_ended(self, outcome: RunOutcome) -> Tale {
        self.tell(Event::RunEnded { run: RUN, outcome })
    }
    /// Both tasks landed, the gate green, the run over.
    pub fn complete() -> Tale {
        let tale = Tale::running().landed();
        let task = tale.story.task(&id(2)).unwrap().clone();
        let base = tale.story.tip.commit.clone();
        let tale = tale.tell(started(&task, Purpose::Work, base)).tell(ended(&id(2), 1, Outcome::Done, None)).tell(accepted(&id(2), 1));
        let (head, onto) = (oid(&("head", id(2), 1u32)), tale.story.tip.commit.clone());
        let landing = Event::TaskLanded { task: id(2), attempt: 1, head, onto, commit: oid("c2"), tree: oid("t2") };
        tale.tell(landing).gated(Verdict::Passed).run_ended(RunOutcome::Finished)
    }
    pub fn squashed() -> Tale {
        let tale = Tale::complete().tell(Event::CompletionStarted);
        let tip = tale.story.tip.commit.clone();
        tale.tell(Event::Squashed { base: oid("base"), tip, commit: oid("squashed") })
    }
    #[track_caller]
    pub fn tell(self, event: Event) -> Tale {
        match self.story.apply(&event, Timestamp::UNIX_EPOCH, 9) {
            Ok(story) => Tale { story },
            Err(e) => panic!("{e}"),
        }
    }
    #[track_caller]
    fn refuses(&self, event: Event, because: &str) {
        let refusal = self.story.clone().apply(&event, Timestamp::UNIX_EPOCH, 9).expect_err("this cannot follow");
        assert_eq!(refusal.to_string(), because);
    }
}

pub fn plan_accepted() -> Event {
    let tasks = plan_of(&[(1, &[]), (2, &[1])]).tasks;
    Event::PlanAccepted(Box::new(PlanAccepted {
        planner: "given".into(),
        tasks,
        added_orders: vec![],
        max_parallelism: 2,
        include_tests: true,
    }))
}
pub fn run_requested() -> Event {
    Event::RunRequested { run: RUN, scope: Scope::All, mode: Mode::Waves, max_parallelism: None }
}
fn landed(tale: &Tale) -> Event {
    let n = tale.number();
    let onto = tale.story.tip.commit.clone();
    Event::TaskLanded { task: id(1), attempt: n, head: oid(&("head", id(1), n)), onto, commit: oid(&("c1", n)), tree: oid(&("t1", n)) }
}
fn gate_finished(story: &Story, verdict: Verdict) -> Event {
    let (commit, tree) = (story.tip.commit.clone(), story.tip.tree.clone());
    Event::GateFinished {
        wave: story.settled_wave().max(1),
        report: Box::new(GateReport { commit, tree, verdict, checks: vec![], reused: false }),
    }
}
fn crashed() -> Outcome {
    Outcome::Crashed { detail: "signal 9".into() }
}

/// Every state that a task can be in, by the shortest way there.
fn states() -> Vec<(&'static str, Tale)> {
    let failed = Tale::running().tell(Event::TaskFailed { task: id(1), error: "e".into() });
    vec![
        ("pending", Tale::running()),
        ("running", Tale::running().attempt()),
        ("closed", Tale::running().attempt().ended(Outcome::Done)),
        ("accepted", Tale::running().accepted()),
        ("landed", Tale::running().landed()),
        ("red", Tale::running().landed().gated(Verdict::Failed)),
        ("repair", Tale::running().landed().culprit()),
        ("repairing", Tale::running().landed().culprit().attempt()),
        ("repaired", Tale::running().landed().culprit().accepted()),
        ("failed", failed),
    ]
}

fn events(tale: &Tale) -> Vec<Event> {
    let story = &tale.story;
    let task = story.task(&id(1)).unwrap();
    let n = tale.number();
    let next = if let Work::Pending { next } = &task.work { next.clone() } else { Purpose::Work };
    let tip = story.tip.commit.clone();
    vec![
        started(task, next, tip.clone()),
        Event::AttemptActivity { task: id(1), attempt: n, text: "reads".into() },
        ended(&id(1), n, Outcome::Done, None),
        ended(&id(1), n, crashed(), None),
        accepted(&id(1), n),
        Event::LandingConflicted { task: id(1), attempt: n, tip: tip.clone(), paths: vec!["a".into()] },
        landed(tale),
        Event::TaskFailed { task: id(1), error: "e".into() },
        Event::CulpritFound { commit: tip, task: id(1) },
        Event::RepairFailed { task: id(1), error: "e".into() },
    ]
}

fn name_of(task: &Task) -> String {
    let state = serde_json::to_value(&task.work).unwrap();
    let purpose = state["next"]["purpose"].as_str().map_or(String::new(), |purpose| format!(" to {purpose}"));
    format!("{}{purpose}", state["state"].as_str().unwrap())
}

/// Reviewers read the diff of this picture.
#[test]
fn the_table_of_a_tasks_life() {
    let mut picture = String::new();
    for (state, tale) in states() {
        for event in events(&tale) {
            let Ok(story) = tale.story.clone().apply(&event, Timestamp::UNIX_EPOCH, 9) else { continue };
            let body = serde_json::to_value(&event).unwrap();
            let outcome = body["outcome"]["result"].as_str().map_or(String::new(), |result| format!(" {result}"));
            let kind = format!("{}{outcome}", body["kind"].as_str().unwrap());
            picture += &format!("{state:9} -- {kind:20} -> {}\n", name_of(story.task(&id(1)).unwrap()));
        }
    }
    assert_eq!(picture, TABLE, "\n{picture}");
}

const TABLE: &str = "\
pending   -- attemptStarted       -> running
pending   -- taskFailed           -> failed
running   -- attemptActivity      -> running
running   -- attemptEnded done    -> running
running   -- attemptEnded crashed -> pending to resume
closed    -- attemptEnded crashed -> pending to resume
closed    -- taskAccepted         -> accepted
accepted  -- landingConflicted    -> pending to resolve
accepted  -- taskLanded           -> landed
accepted  -- taskFailed           -> failed
red       -- culpritFound         -> pending to repair
repair    -- attemptStarted       -> running
repair    -- repairFailed         -> landed
repairing -- attemptActivity      -> running
repairing -- attemptEnded done    -> running
repairing -- attemptEnded crashed -> pending to repair
repaired  -- landingConflicted    -> pending to resolve
repaired  -- taskLanded           -> landed
repaired  -- repairFailed         -> landed
";

#[test]
fn what_a_task_refuses_it_refuses_by_name() {
    let running = Tale::running().attempt();
    running.refuses(accepted(&id(1), 1), "`taskAccepted` cannot follow state `running`");
    running.refuses(ended(&id(1), 2, Outcome::Done, None), "`attemptEnded` cannot follow state `running`");
    let other = Event::AttemptActivity { task: TaskId::parse("task-9").unwrap(), attempt: 1, text: String::new() };
    running.refuses(other, "`attemptActivity` cannot follow a plan without task `task-9`");
    let landed_once = Tale::running().accepted();
    let landing = landed(&landed_once);
    landed_once.tell(landing.clone()).refuses(landing, "`taskLanded` cannot follow a tip that has moved");
    let second = Tale::running();
    let task = second.story.task(&id(2)).unwrap().clone();
    let early = started(&task, Purpose::Work, oid("base"));
    second.refuses(early, "`attemptStarted` cannot follow a task whose dependency `task-1` has not landed");
    let early = Event::TaskSkipped { task: id(2), because: id(1) };
    second.refuses(early.clone(), "`taskSkipped` cannot follow a task that can do without `task-1`");
    let skipped = second.tell(Event::TaskFailed { task: id(1), error: "e".into() }).tell(early);
    assert_eq!(skipped.story.task(&id(2)).unwrap().error().unwrap(), "skipped because `task-1` did not land");
}

#[test]
fn an_attempt_must_be_made_for_the_reason_that_is_asked_for() {
    let tale = Tale::running();
    let task = tale.story.task(&id(1)).unwrap().clone();
    tale.refuses(started(&task, Purpose::NoChange, oid("base")), "`attemptStarted` cannot follow state `pending`");
}

#[test]
fn a_landing_of_another_head_or_on_another_tip_is_refused() {
    let tale = Tale::running().accepted();
    let Event::TaskLanded { task, attempt, onto, commit, tree, head } = landed(&tale) else { unreachable!() };
    let other = Event::TaskLanded { task: task.clone(), attempt, head: oid("other"), onto, commit: commit.clone(), tree: tree.clone() };
    tale.refuses(other, "`taskLanded` cannot follow state `accepted`");
    let moved = tale.tell(Event::TipAdopted { onto: oid("base"), commit: oid("person"), tree: oid("persons tree") });
    let stale = Event::TaskLanded { task, attempt, head, onto: oid("base"), commit, tree };
    moved.refuses(stale, "`taskLanded` cannot follow a tip that has moved");
}

#[test]
fn a_run_ends_once_and_only_when_no_attempt_runs() {
    let end = Event::RunEnded { run: RUN, outcome: RunOutcome::Cancelled };
    Tale::running().attempt().refuses(end.clone(), "`runEnded` cannot follow a run with a running attempt");
    Tale::running().attempt().ended(Outcome::Done).refuses(end.clone(), "`runEnded` cannot follow a run with a running attempt");
    let over = Tale::running().accepted().tell(end.clone());
    over.refuses(end, "`runEnded` cannot follow a story that is Cancelled/Decomposed");
    let landing = landed(&over);
    over.refuses(landing, "`taskLanded` cannot follow a story without an active run");
    let other = RunId(Uuid::from_u128(43));
    let stale = Event::CancelRequested { run: other, how: Cancel::Now };
    Tale::running().refuses(stale, "`cancelRequested` cannot follow a story that is Executing/Running");
    let stopped = Event::RunStopped { run: other, reason: StopReason::Environment, detail: String::new() };
    Tale::running().refuses(stopped, "`runStopped` cannot follow a story that is Executing/Running");
}

#[test]
fn a_run_is_refused_with_the_reason() {
    Tale::new().refuses(run_requested(), "`runRequested` cannot follow a story without a plan");
    Tale::running().refuses(run_requested(), "`runRequested` cannot follow a story with an active run");
    let planning = Tale::planned().tell(Event::PlanningStarted { planner: "outline".into() });
    planning.refuses(run_requested(), "`runRequested` cannot follow a story that is being planned");
    Tale::squashed().refuses(run_requested(), "`runRequested` cannot follow a story that is completed");
    let cleaned = Tale::planned().tell(Event::WorktreesRemoved { paths: vec![] });
    cleaned.refuses(run_requested(), "`runRequested` cannot follow a story whose worktrees have been removed");
}

#[test]
fn a_plan_stays_once_a_task_has_run() {
    Tale::planned().refuses(plan_accepted(), "`planAccepted` cannot follow a story that is Planned/Decomposed");
    let idle = Tale::running().attempt().ended(crashed()).run_ended(RunOutcome::Cancelled);
    let again = Event::PlanningStarted { planner: "given".into() };
    idle.refuses(again.clone(), "`planningStarted` cannot follow a story that is Cancelled/Decomposed");
    let unused = Tale::running().run_ended(RunOutcome::Cancelled).tell(again).tell(plan_accepted());
    assert_eq!(unused.story.status(), StoryStatus::Planned, "a new plan has not been cancelled");
}

#[test]
fn blame_is_laid_once_and_only_on_a_red_gate() {
    let landed = Tale::running().landed();
    let tip = landed.story.tip.commit.clone();
    let found = Event::CulpritFound { commit: tip.clone(), task: id(1) };
    let unknown = Event::CulpritUnknown { commit: tip, why: "w".into() };
    landed.refuses(found.clone(), "`culpritFound` cannot follow a story that seeks no culprit there");
    landed.refuses(unknown.clone(), "`culpritUnknown` cannot follow a story that is Executing/Running");
    let blamed = landed.culprit();
    blamed.refuses(found.clone(), "`culpritFound` cannot follow a story that seeks no culprit there");
    blamed.refuses(unknown.clone(), "`culpritUnknown` cannot follow a story that is Executing/Running");
    let nobody = Tale::running().landed().gated(Verdict::Failed).tell(unknown);
    nobody.refuses(found, "`culpritFound` cannot follow a story that seeks no culprit there");
}

/// A repair that met a conflict goes on in the next run, where the gate may find the same culprit before it lands.
#[test]
fn a_task_under_repair_can_be_found_to_blame_again() {
    let conflicted = Tale::running().landed().culprit().accepted();
    let (attempt, tip) = (conflicted.number(), conflicted.story.tip.commit.clone());
    let conflicted = conflicted.tell(Event::LandingConflicted { task: id(1), attempt, tip, paths: vec!["a".into()] });
    let next_run = conflicted.run_ended(RunOutcome::Cancelled).tell(run_requested());
    let blamed = next_run.culprit();
    assert_eq!(name_of(blamed.story.task(&id(1)).unwrap()), "pending to resolve");
    assert_eq!(blamed.story.gates.red.as_ref().unwrap().culprit, Culprit::Tasks { tasks: vec![id(1)] });
    blamed.landed().gated(Verdict::Passed);
}

/// What lands while the gate is red may be what it waits for: no run fails on a tree that is not the story's.
#[test]
fn no_verdict_is_given_on_a_tip_that_has_moved() {
    let given_up = Tale::running().landed().culprit().tell(Event::RepairFailed { task: id(1), error: "e".into() });
    let ask = |tale: &Tale| next(&tale.story, &Limits::default(), Timestamp::UNIX_EPOCH, &InFlight::default());
    assert!(matches!(&ask(&given_up)[..], [Effect::Record(Event::RoundStarted { round: 2, .. })]), "{:?}", ask(&given_up));
    let (onto, commit, tree) = (given_up.story.tip.commit.clone(), oid("moved"), oid("moved tree"));
    let moved = given_up.tell(Event::TipAdopted { onto, commit: commit.clone(), tree });
    assert!(matches!(&ask(&moved)[..], [Effect::Gate { commit: at, .. }] if *at == commit), "{:?}", ask(&moved));
    let green = moved.gated(Verdict::Passed);
    assert!(green.story.gates.red.is_none());
}

/// A repair may be gated while others of its wave still work: that gate does not speak for them.
#[test]
fn a_gate_speaks_for_the_waves_that_are_settled_in_what_it_looks_at() {
    let open = Tale::running().landed().culprit();
    let (commit, tree) = (open.story.tip.commit.clone(), open.story.tip.tree.clone());
    let open = open.tell(Event::GateStarted { commit, tree, wave: 1 }).gated(Verdict::Passed);
    assert_eq!(open.story.gates.wave, 0, "its only task is not over");
    let over = Tale::running().landed();
    let (commit, tree) = (over.story.tip.commit.clone(), over.story.tip.tree.clone());
    let over = over.tell(Event::GateStarted { commit, tree, wave: 1 }).gated(Verdict::Passed);
    assert_eq!(over.story.gates.wave, 1);
}

#[test]
fn a_set_of_tasks_is_blamed_and_the_gate_looks_again_when_the_last_of_them_has_landed() {
    let tale = Tale::running().landed();
    let task = tale.story.task(&id(2)).unwrap().clone();
    let base = tale.story.tip.commit.clone();
    let tale = tale.tell(started(&task, Purpose::Work, base)).tell(ended(&id(2), 1, Outcome::Done, None)).tell(accepted(&id(2), 1));
    let (head, onto) = (oid(&("head", id(2), 1u32)), tale.story.tip.commit.clone());
    let both = tale.tell(Event::TaskLanded { task: id(2), attempt: 1, head, onto, commit: oid("c2"), tree: oid("t2") }).culprit();
    let commit = both.story.tip.commit.clone();
    let both = both.tell(Event::CulpritFound { commit: commit.clone(), task: id(2) });
    assert_eq!(both.story.gates.red.as_ref().unwrap().culprits(), [id(1), id(2)]);
    both.refuses(Event::CulpritFound { commit, task: id(2) }, "`culpritFound` cannot follow a story that seeks no culprit there");
    let one = both.landed();
    let asks_gate = |tale: &Tale| {
        let effects = next(&tale.story, &Limits::default(), Timestamp::UNIX_EPOCH, &InFlight::default());
        effects.iter().any(|effect| matches!(effect, Effect::Gate { .. }))
    };
    assert!(!asks_gate(&one), "the other one still repairs");
    // The other gives up: what the first has mended is looked at.
    let given_up = one.tell(Event::RepairFailed { task: id(2), error: "e".into() });
    assert!(asks_gate(&given_up));
}

#[test]
fn nothing_is_squashed_that_the_gate_does_not_allow() {
    let squash = |tale: &Tale| Event::Squashed { base: oid("base"), tip: tale.story.tip.commit.clone(), commit: oid("squashed") };
    let refusal = "`squashed` cannot follow a story that is Completed/Completed";
    Tale::complete().refuses(squash(&Tale::complete()), refusal);
    let begun = Tale::complete().tell(Event::CompletionStarted);
    begun.refuses(Event::Squashed { base: oid("base"), tip: oid("c1"), commit: oid("squashed") }, refusal);
    let onto = begun.story.tip.commit.clone();
    let brought = begun.tell(Event::BaseBrought { base: oid("newer"), onto, commit: oid("merged"), tree: oid("merged tree") });
    brought.refuses(squash(&brought), "`squashed` cannot follow a story that is Executing/Decomposed");
    let red = brought.clone().gated(Verdict::Failed);
    red.refuses(squash(&red), "`squashed` cannot follow a story that is Executing/Decomposed");
    let green = brought.gated(Verdict::Passed);
    let event = squash(&green);
    green.tell(event);
}

#[test]
fn a_completed_story_is_closed() {
    let done = Tale::squashed();
    let other = Event::StoryPublished { commit: oid("other"), how: Published::Branch { branch: "aura/a-story".into() } };
    done.refuses(other, "`storyPublished` cannot follow a story that is Completed/Completed");
    let adopted = Event::TipAdopted { onto: done.story.tip.commit.clone(), commit: oid("late"), tree: oid("late tree") };
    done.refuses(adopted, "`tipAdopted` cannot follow a story that is Completed/Completed");
    let done = done.tell(Event::StoryPublished { commit: oid("squashed"), how: Published::Merged { into: "main".into() } });
    done.refuses(Event::CompletionStarted, "`completionStarted` cannot follow a story that is Completed/Completed");
    done.refuses(Event::StoryCreated(Box::new(created())), "`storyCreated` cannot follow a story that exists");
    let retried = Event::TaskRetried { task: id(1) };
    done.refuses(retried.clone(), "`taskRetried` cannot follow a story that is completed");
    Tale::running().refuses(retried, "`taskRetried` cannot follow a story with an active run");
}

#[test]
fn only_an_accepted_task_gives_a_permit_to_land() {
    for (state, tale) in states() {
        let permit = tale.story.task(&id(1)).unwrap().landable();
        assert_eq!(permit.is_some(), matches!(state, "accepted" | "repaired"), "{state}");
        assert_eq!(tale.story.next_landing(), permit, "{state}");
    }
}

#[test]
fn where_a_story_stands_in_the_words_of_the_seed() {
    use {OrchestratorStatus as O, StoryStatus as S};
    let analysed =
        || Tale::new().tell(Event::AnalysisStarted).tell(Event::AnalysisFinished { facts: serde_json::json!({}), reading: None });
    let planning = || Event::PlanningStarted { planner: "outline".into() };
    let failed = || RunOutcome::Failed { reason: "r".into() };
    let stopped = RunOutcome::Stopped { reason: StopReason::NeedsLogin, detail: "d".into() };
    let gating = |tale: Tale| {
        let (commit, tree) = (tale.story.tip.commit.clone(), tale.story.tip.tree.clone());
        tale.tell(Event::GateStarted { commit, tree, wave: 1 })
    };
    let rows = [
        ("new", Tale::new(), S::Created, O::NotDecomposed),
        ("being analysed", Tale::new().tell(Event::AnalysisStarted), S::Analyzing, O::NotDecomposed),
        ("analysed", analysed(), S::Analyzed, O::NotDecomposed),
        (
            "analysis failed",
            Tale::new().tell(Event::AnalysisStarted).tell(Event::AnalysisFailed { error: "e".into() }),
            S::Failed,
            O::NotDecomposed,
        ),
        ("being planned", analysed().tell(planning()), S::Planning, O::NotDecomposed),
        ("planning failed", Tale::new().tell(planning()).tell(Event::PlanningFailed { error: "e".into() }), S::Failed, O::NotDecomposed),
        ("planned", Tale::planned(), S::Planned, O::Decomposed),
        ("run requested", Tale::running(), S::Executing, O::Running),
        ("run beside an open analysis", Tale::planned().tell(Event::AnalysisStarted).tell(run_requested()), S::Executing, O::Running),
        ("agent at work", Tale::running().attempt(), S::Executing, O::Running),
        ("only the gate at work", gating(Tale::running().landed()), S::Executing, O::WaitingForGate),
        ("gate red", Tale::running().landed().gated(Verdict::Failed), S::Executing, O::Running),
        ("between waves", Tale::running().landed().gated(Verdict::Passed).run_ended(RunOutcome::Finished), S::Executing, O::Decomposed),
        ("run failed", Tale::running().run_ended(failed()), S::Failed, O::Failed),
        ("run stopped", Tale::running().run_ended(stopped), S::Failed, O::Failed),
        ("run cancelled", Tale::running().run_ended(RunOutcome::Cancelled), S::Cancelled, O::Decomposed),
        ("all landed and gated", Tale::complete(), S::Completed, O::Completed),
        ("squashed", Tale::squashed(), S::Completed, O::Completed),
    ];
    for (name, tale, status, orchestrator) in rows {
        assert_eq!((tale.story.status(), tale.story.orchestrator_status()), (status, orchestrator), "{name}");
    }
}

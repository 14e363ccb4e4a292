//! Whole runs in worlds that are kind, unkind and hopeless.

use crate::rules::{Rules, id, plan, plan_of};
use crate::world::World;
use aura::domain::*;
use proptest::prelude::*;
use std::collections::BTreeSet;

fn modes() -> impl Strategy<Value = Mode> {
    prop_oneof![Just(Mode::Waves), Just(Mode::Flow)]
}

fn scopes() -> impl Strategy<Value = Scope> {
    prop_oneof![Just(Scope::Wave), Just(Scope::All)]
}

prop_compose! {
    fn unkind()(seed in any::<u64>(), trouble in 0u64..60, stops in prop_oneof![Just(0u64), Just(0), 0u64..15], conflicts in 0u64..50,
                bad in prop::collection::btree_set(1usize..30, 0..4), repairs_fail in prop::bool::weighted(0.2),
                base_is_red in prop::bool::weighted(0.1), flaky in prop_oneof![Just(0u64), Just(0), 0u64..40],
                broken_branch in prop::bool::weighted(0.05)) -> Rules {
        let bad = bad.into_iter().map(id).collect();
        Rules { seed, trouble, stops, conflicts, bad, repairs_fail, base_is_red, flaky, broken_branch, ..Rules::default() }
    }
}

fn cancels() -> impl Strategy<Value = Option<(usize, Cancel)>> {
    prop::option::weighted(0.3, (1usize..120, prop_oneof![Just(Cancel::Graceful), Just(Cancel::Now)]))
}

/// What must hold when a run has ended, whatever the world was like.
fn check_end(world: &World, scope: Scope, outcome: &RunOutcome) {
    let story = &world.story;
    let state = |wanted: &str| -> BTreeSet<TaskId> { world.ends().into_iter().filter(|(_, s)| *s == wanted).map(|(id, _)| id).collect() };
    assert!(state("running").is_empty(), "ended with a running attempt");
    assert_eq!(world.replay(), *story, "the log folds to another story");
    let (failed, skipped) = (state("failed"), state("skipped"));
    for task in &story.tasks {
        let behind_failure = task.planned.depends_on.iter().any(|d| failed.contains(d) || skipped.contains(d));
        match outcome {
            RunOutcome::Finished | RunOutcome::Failed { .. } if !failed.contains(task.id()) => {
                assert_eq!(skipped.contains(task.id()), behind_failure, "{}: {:#?}", task.id(), world.picture());
            }
            RunOutcome::Finished | RunOutcome::Failed { .. } | RunOutcome::Cancelled | RunOutcome::Stopped { .. } => {}
        }
        let landings: BTreeSet<u32> = task.landings.iter().map(|landing| landing.attempt).collect();
        assert_eq!(landings.len(), task.landings.len(), "a landing of `{}` is written down twice", task.id());
    }
    match outcome {
        RunOutcome::Finished if scope == Scope::All => assert!(story.is_complete(), "finished and not complete: {:#?}", world.picture()),
        RunOutcome::Finished => assert!(failed.is_empty() && skipped.is_empty() && story.gates.red.is_none()),
        RunOutcome::Failed { reason } => {
            assert!(!failed.is_empty() || story.gates.red.is_some(), "failed without a reason that shows: {reason}");
            if story.gates.red.is_none() && scope == Scope::All {
                let open = state("pending").len() + state("accepted").len();
                assert_eq!(open, 0, "independent tasks were left: {:#?}", world.picture());
                assert!(
                    story.tasks.iter().all(|t| !t.has_landed()) || story.tip_verdict().is_some_and(Verdict::allows),
                    "what landed was not gated"
                );
            }
        }
        RunOutcome::Cancelled | RunOutcome::Stopped { .. } => {}
    }
    if story.gates.red.is_some() {
        assert_ne!(story.status(), StoryStatus::Completed);
    }
}

/// Runs again in a world that has become kind, until all is done.
fn finish(world: &mut World, scope: Scope, mode: Mode) {
    world.become_kind();
    for _ in 0..2 * world.story.tasks.len() + 4 {
        let outcome = world.run(scope, mode, None);
        check_end(world, scope, &outcome);
        if world.story.is_complete() {
            assert_eq!(world.story.status(), StoryStatus::Completed);
            return;
        }
    }
    panic!("never complete: {:#?} {:?}", world.picture(), world.story.gates.red);
}

/// Whether nothing is held against a task, but that it was interrupted.
fn cost_nothing(task: &Task) -> bool {
    Failures { interruptions: 0, ..task.failures.clone() } == Failures::default()
}

fn cases() -> ProptestConfig {
    ProptestConfig { cases: 96, max_shrink_time: 20_000, failure_persistence: None, ..ProptestConfig::default() }
}

proptest! {
    #![proptest_config(cases())]

    #[test]
    fn a_kind_world_finishes_any_plan_at_the_first_run(seed in any::<u64>(), tasks in 1usize..=30, parallel in 1u32..=8, mode in modes()) {
        let mut world = World::new(plan(seed, tasks), Rules::kind(seed), parallel);
        prop_assert_eq!(world.run(Scope::All, mode, None), RunOutcome::Finished);
        check_end(&world, Scope::All, &RunOutcome::Finished);
        prop_assert!(world.story.tasks.iter().all(|task| task.attempts.len() == 1));
    }

    #[test]
    fn an_unkind_world_never_gets_a_lie_out_of_a_run_and_a_kind_one_then_finishes(
        rules in unkind(), tasks in 1usize..=30, parallel in 1u32..=8, mode in modes(), scope in scopes(),
        cancels in prop::collection::vec(cancels(), 1..4), crashes in prop::collection::btree_set(1usize..600, 0..6),
    ) {
        let mut world = World::new(plan(rules.seed, tasks), rules, parallel);
        world.crashes = crashes;
        for cancel in cancels {
            let outcome = world.run(scope, mode, cancel);
            check_end(&world, scope, &outcome);
        }
        finish(&mut world, scope, mode);
    }

    #[test]
    fn a_red_base_is_never_passed_by_running_again(seed in any::<u64>(), tasks in 1usize..=12, mode in modes(), scope in scopes()) {
        let rules = Rules { base_is_red: true, ..Rules::kind(seed) };
        let mut world = World::new(plan(seed, tasks), rules, 3);
        for _ in 0..4 {
            let outcome = world.run(scope, mode, None);
            prop_assert!(matches!(outcome, RunOutcome::Failed { .. }), "{:?}", outcome);
            prop_assert_eq!(world.story.orchestrator_status(), OrchestratorStatus::Failed);
            if mode == Mode::Waves {
                prop_assert!(world.story.tasks.iter().all(|task| task.planned.wave == 1 || task.attempts.is_empty()));
            }
        }
        finish(&mut world, scope, mode);
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 12, ..cases() })]

    /// The driver dies before every single step of a run, once each: the end is the same, and nothing is done twice.
    #[test]
    fn a_driver_that_dies_anywhere_changes_nothing(seed in any::<u64>(), tasks in 1usize..=7, mode in modes(), trouble in 0u64..40, conflicts in 0u64..30) {
        let bad = BTreeSet::from([id(1)]);
        let rules = Rules { seed, trouble, conflicts, bad, ..Rules::default() };
        let whole = |crashes: BTreeSet<usize>| {
            let mut world = World::new(plan(seed, tasks), rules.clone(), 3);
            world.crashes = crashes;
            let outcome = world.run(Scope::All, mode, None);
            check_end(&world, Scope::All, &outcome);
            (world, outcome)
        };
        let (straight, outcome) = whole(BTreeSet::new());
        // A gate that stays red leaves open what was under way, and that depends on timing.
        prop_assume!(straight.story.gates.red.is_none());
        for step in 1..=straight.steps {
            let (crashed, ended) = whole(BTreeSet::from([step]));
            prop_assert_eq!(crashed.ends(), straight.ends(), "crash before step {}", step);
            prop_assert_eq!(&ended, &outcome);
            let attempts = |world: &World| -> Vec<usize> { world.story.tasks.iter().map(|task| task.attempts.len()).collect() };
            prop_assert_eq!(attempts(&crashed), attempts(&straight), "crash before step {}", step);
        }
    }
}

#[test]
fn no_more_agents_run_than_allowed_and_as_many_as_possible() {
    let wide: Vec<(usize, &[usize])> = (1..=12).map(|n| (n, &[][..])).collect();
    for parallel in [1, 2, 5, 12] {
        let mut world = World::new(plan_of(&wide), Rules::kind(1), parallel);
        world.run(Scope::All, Mode::Flow, None);
        assert_eq!(world.peak, parallel as usize);
    }
}

#[test]
fn a_task_out_of_attempts_fails_and_takes_only_its_dependents_with_it() {
    let plan = plan_of(&[(1, &[]), (2, &[1]), (3, &[2]), (4, &[]), (5, &[4]), (6, &[3, 5])]);
    let mut world = World::new(plan, Rules { always: vec![(id(2), Outcome::Stalled)], ..Rules::kind(3) }, 2);
    let outcome = world.run(Scope::All, Mode::Waves, None);
    assert_eq!(outcome, RunOutcome::Failed { reason: "these tasks failed: task-2".into() });
    let ends: Vec<&str> = world.ends().into_iter().map(|(_, end)| end).collect();
    assert_eq!(ends, ["landed", "failed", "skipped", "landed", "landed", "skipped"]);
    assert_eq!(world.story.task(&id(2)).unwrap().attempts.len(), (Limits::default().stalls_max * Limits::default().rounds_max) as usize);
    assert_eq!(world.story.status(), StoryStatus::Failed);
    finish(&mut world, Scope::All, Mode::Waves);
}

#[test]
fn a_story_of_which_landed_work_is_missing_is_never_completed() {
    for mode in [Mode::Waves, Mode::Flow] {
        let mut world = World::new(plan_of(&[(1, &[]), (2, &[1])]), Rules { lost: BTreeSet::from([id(1)]), ..Rules::kind(5) }, 2);
        let outcome = world.run(Scope::All, mode, None);
        let reason = "work of `task-1` that landed is not on the story branch any more (a.txt)".to_owned();
        assert_eq!(outcome, RunOutcome::Failed { reason });
        assert_eq!((world.story.status(), world.story.is_complete()), (StoryStatus::Failed, false));
        // Found again: the next run says so.
        finish(&mut world, Scope::All, mode);
        assert_eq!(world.story.status(), StoryStatus::Completed);
    }
}

#[test]
fn a_missing_login_stops_the_run_at_once_and_the_next_run_goes_on() {
    let wide: Vec<(usize, &[usize])> = (1..=10).map(|n| (n, &[][..])).collect();
    for seed in 0..20 {
        let login = Outcome::NeedsLogin { detail: "log in first".into() };
        let always = (1..=10).map(|n| (id(n), login.clone())).collect();
        let mut world = World::new(plan_of(&wide), Rules { always, ..Rules::kind(seed) }, 3);
        let outcome = world.run(Scope::All, Mode::Waves, None);
        assert_eq!(outcome, RunOutcome::Stopped { reason: StopReason::NeedsLogin, detail: "log in first".into() });
        assert!(world.story.tasks.iter().filter(|task| !task.attempts.is_empty()).count() <= 3);
        assert!(world.story.tasks.iter().all(cost_nothing), "a missing login costs no try");
        finish(&mut world, Scope::All, Mode::Waves);
    }
}

#[test]
fn a_cancelled_run_leaves_everything_resumable() {
    for (seed, how) in (0..30).flat_map(|seed| [(seed, Cancel::Graceful), (seed, Cancel::Now)]) {
        let mut world = World::new(plan(seed, 8), Rules::kind(seed), 4);
        let outcome = world.run(Scope::All, Mode::Flow, Some((seed as usize + 2, how)));
        assert!(matches!(outcome, RunOutcome::Cancelled | RunOutcome::Finished));
        assert!(world.ends().iter().all(|(_, end)| *end == "pending" || *end == "landed"), "{:#?}", world.picture());
        assert!(world.story.tasks.iter().all(cost_nothing), "a cancelled attempt costs no try");
        for task in &world.story.tasks {
            if let (Work::Pending { next }, Some(_)) = (&task.work, task.last_attempt()) {
                assert!(next.keeps_worktree(), "`{}` would lose its work: {next:?}", task.id());
            }
        }
        finish(&mut world, Scope::All, Mode::Flow);
    }
}

#[test]
fn an_attempt_that_is_interrupted_for_ever_does_not_run_for_ever() {
    let rules = Rules { always: vec![(id(1), Outcome::Interrupted)], ..Rules::kind(1) };
    let mut world = World::new(plan_of(&[(1, &[])]), rules, 1);
    let outcome = world.run(Scope::All, Mode::Waves, None);
    assert!(matches!(outcome, RunOutcome::Failed { .. }), "{outcome:?}");
    let attempts = world.story.tasks[0].attempts.len();
    assert!((20..=60).contains(&attempts), "{attempts}: many restarts are forgiven, a broken supervisor is not");
    finish(&mut world, Scope::All, Mode::Waves);
}

#[test]
fn a_branch_that_cannot_be_moved_ends_the_run_and_the_work_lands_at_the_next() {
    let mut world = World::new(plan_of(&[(1, &[]), (2, &[])]), Rules { broken_branch: true, ..Rules::kind(1) }, 1);
    let outcome = world.run(Scope::All, Mode::Waves, None);
    assert_eq!(outcome, RunOutcome::Stopped { reason: StopReason::Environment, detail: "no space left".into() });
    assert_eq!(world.ends()[0].1, "accepted");
    finish(&mut world, Scope::All, Mode::Waves);
    assert_eq!(world.story.tasks[0].attempts.len(), 1, "accepted work is not done again");
}

#[test]
fn a_conflict_is_handed_back_and_given_up_after_the_limit() {
    let mut world = World::new(plan_of(&[(1, &[]), (2, &[1])]), Rules { conflicts: 100, ..Rules::kind(1) }, 1);
    world.run(Scope::All, Mode::Waves, None);
    let task = &world.story.tasks[0];
    let limits = Limits::default();
    assert_eq!(task.attempts.len(), (limits.rounds_max * (1 + limits.conflicts_max)) as usize);
    assert_eq!(task.error().unwrap(), "its work conflicts with what landed before, in src/lib.rs");
    assert_eq!(world.ends()[1].1, "skipped");
    finish(&mut world, Scope::All, Mode::Waves);
}

#[test]
fn a_run_with_no_room_for_an_agent_still_runs_one() {
    let mut world = World::new(plan_of(&[(1, &[])]), Rules::kind(1), 0);
    assert_eq!(world.run(Scope::All, Mode::Waves, None), RunOutcome::Finished);
    assert!(world.story.is_complete());
}

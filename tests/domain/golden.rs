//! Events are for ever: what was written once is read by every later version.

use crate::facts::{accepted, created};
use crate::refusals::{RUN, plan_accepted, run_requested};
use crate::rules::{id, oid};
use aura::domain::*;
use std::collections::BTreeSet;
use uuid::Uuid;

const GOLDEN: &str = include_str!("../golden/events.jsonl");

/// The next kind in the order of the file; a new kind does not compile until it has its place here, and then the test
/// asks for its line in the file.
// tidy: flat match
fn place(event: &Event) -> usize {
    match event {
        Event::StoryCreated(_) => 0,
        Event::AnalysisStarted => 1,
        Event::AnalysisFinished { .. } => 2,
        Event::AnalysisFailed { .. } => 3,
        Event::PlanningStarted { .. } => 4,
        Event::PlanAccepted(_) => 5,
        Event::PlanningFailed { .. } => 6,
        Event::RunRequested { .. } => 7,
        Event::CancelRequested { .. } => 8,
        Event::RunStopped { .. } => 9,
        Event::RunEnded { .. } => 10,
        Event::AttemptStarted(_) => 11,
        Event::AttemptActivity { .. } => 12,
        Event::AttemptEnded(_) => 13,
        Event::TaskAccepted(_) => 14,
        Event::LandingConflicted { .. } => 15,
        Event::TaskLanded { .. } => 16,
        Event::TaskFailed { .. } => 17,
        Event::TaskSkipped { .. } => 18,
        Event::TaskRetried { .. } => 19,
        Event::TipAdopted { .. } => 20,
        Event::GateStarted { .. } => 21,
        Event::GateFinished { .. } => 22,
        Event::CulpritFound { .. } => 23,
        Event::CulpritUnknown { .. } => 24,
        Event::RepairFailed { .. } => 25,
        Event::CompletionStarted => 26,
        Event::BaseBrought { .. } => 27,
        Event::Squashed { .. } => 28,
        Event::StoryPublished { .. } => 29,
        Event::CompletionFailed { .. } => 30,
        Event::WorktreesRemoved { .. } => 31,
        Event::Noted { .. } => 32,
        Event::BaseConflicted { .. } => 33,
        Event::SquashDropped { .. } => 34,
        Event::PushStarted { .. } => 35,
        Event::BranchPushed { .. } => 36,
        Event::PullRequestOpened { .. } => 37,
        Event::AttemptPrepared(_) => 38,
        Event::LandingsVerified { .. } => 39,
        Event::Judged(_) => 40,
        Event::FindingsAccepted { .. } => 41,
        Event::RoundStarted { .. } => 42,
    }
}
const KINDS: usize = 43;

// tidy: flat match
fn one_of_each() -> Vec<Event> {
    let text = || "text".to_owned();
    let at = || "2026-01-02T03:04:05.006Z".parse().unwrap();
    let outcomes = [
        Outcome::Done,
        Outcome::NoChange,
        Outcome::Crashed { detail: text() },
        Outcome::Stalled,
        Outcome::TimedOut,
        Outcome::Interrupted,
        Outcome::Failed { detail: text() },
        Outcome::Incomplete { detail: text() },
        Outcome::RateLimited { retry_after_s: Some(60), detail: text() },
        Outcome::NeedsLogin { detail: text() },
        Outcome::Quota { detail: text() },
        Outcome::Policy { detail: text() },
        Outcome::Unavailable { detail: text() },
        Outcome::Refused { detail: text() },
        Outcome::Unresolved { paths: vec!["a".into()] },
    ];
    let purposes = [
        Purpose::Work,
        Purpose::Retry { error: text() },
        Purpose::Resume { why: text() },
        Purpose::NoChange,
        Purpose::Resolve { tip: oid("tip"), paths: vec!["a".into()] },
        Purpose::Repair { commit: oid("red") },
    ];
    let ends = [
        RunOutcome::Finished,
        RunOutcome::Failed { reason: text() },
        RunOutcome::Cancelled,
        RunOutcome::Stopped { reason: StopReason::NeedsLogin, detail: text() },
    ];
    let published = [
        Published::Branch { branch: text() },
        Published::Merged { into: text() },
        Published::Pushed { remote: text(), branch: text() },
        Published::PullRequest { remote: text(), branch: text(), number: 7, url: text() },
    ];
    let check = |end| CheckReport {
        name: "cargo test".into(),
        kind: CheckKind::Test,
        folder: ".".into(),
        end,
        duration_ms: 1,
        output: text(),
        tests_passed: Some(3),
        tests_failed: None,
        tests_skipped: Some(1),
        notes: vec![text()],
    };
    let checks = [
        CheckEnd::Passed,
        CheckEnd::Flaky,
        CheckEnd::Failed { exit_code: Some(101) },
        CheckEnd::TimedOut { deadline_s: 600 },
        CheckEnd::Missing { program: "cargo".into() },
        CheckEnd::NotRun,
        CheckEnd::RanNothing { base: Some(3) },
        CheckEnd::Unavailable { what: text() },
    ];
    let report = GateReport {
        commit: oid("c"),
        tree: oid("t"),
        verdict: Verdict::Failed,
        checks: checks.into_iter().map(check).collect(),
        reused: false,
    };
    let check_report = report.clone();
    let attempt = |purpose| {
        Event::AttemptStarted(Box::new(AttemptStarted {
            task: id(1),
            attempt: 1,
            purpose,
            agent: "copilot".into(),
            session: SessionId(Uuid::from_u128(1)),
            base: oid("base"),
            worktree: "/w".into(),
            job: "/j".into(),
        }))
    };
    let usage =
        Usage { input_tokens: 1, output_tokens: 2, cached_tokens: 3, requests: 4, premium_requests: 0.33, nano_credits: 5, duration_ms: 6 };
    let ended = |outcome| {
        let (rescue, resume_at) = (Some("refs/aura/rescue/x".into()), Some(at()));
        Event::AttemptEnded(Box::new(AttemptEnded {
            task: id(1),
            attempt: 1,
            summary: text(),
            usage: usage.clone(),
            left: matches!(outcome, Outcome::Stalled).then(|| oid("left")),
            left_out: left_out(&outcome),
            outcome,
            rescue,
            resume_at,
        }))
    };
    let mut events = vec![
        Event::StoryCreated(Box::new(StoryCreated { agent: Some(text()), issue_url: Some(text()), ..created() })),
        Event::AnalysisStarted,
        Event::AnalysisFinished { facts: serde_json::json!({ "languages": ["rust"] }), reading: Some(text()) },
        Event::AnalysisFailed { error: text() },
        Event::PlanningStarted { planner: "outline".into() },
        plan_accepted(),
        Event::PlanningFailed { error: text() },
        run_requested(),
        Event::RunRequested { run: RUN, scope: Scope::Wave, mode: Mode::Flow, max_parallelism: Some(3) },
        Event::CancelRequested { run: RUN, how: Cancel::Graceful },
        Event::CancelRequested { run: RUN, how: Cancel::Now },
        Event::RunStopped { run: RUN, reason: StopReason::Environment, detail: text() },
        Event::AttemptActivity { task: id(1), attempt: 1, text: "reads `src/lib.rs`".into() },
        accepted(&id(1), 1),
        Event::LandingConflicted { task: id(1), attempt: 1, tip: oid("tip"), paths: vec!["a".into()] },
        Event::TaskLanded { task: id(1), attempt: 1, head: oid("h"), onto: oid("o"), commit: oid("c"), tree: oid("t") },
        Event::TaskFailed { task: id(1), error: text() },
        Event::TaskSkipped { task: id(2), because: id(1) },
        Event::TaskRetried { task: id(1) },
        Event::TipAdopted { onto: oid("o"), commit: oid("c"), tree: oid("t") },
        Event::GateStarted { commit: oid("c"), tree: oid("t"), wave: 1 },
        Event::GateFinished { wave: 1, report: Box::new(report) },
        Event::CulpritFound { commit: oid("c"), task: id(1) },
        Event::CulpritUnknown { commit: oid("c"), why: text() },
        Event::RepairFailed { task: id(1), error: text() },
        Event::CompletionStarted,
        Event::BaseBrought { base: oid("b"), onto: oid("o"), commit: oid("c"), tree: oid("t") },
        Event::Squashed { base: oid("b"), tip: oid("c"), commit: oid("s") },
        Event::CompletionFailed { error: text() },
        Event::WorktreesRemoved { paths: vec!["/w".into()] },
        Event::Noted { text: text() },
        Event::BaseConflicted { base: oid("b"), onto: oid("o"), paths: vec!["a".into()] },
        Event::SquashDropped { commit: oid("s"), why: text() },
        Event::PushStarted { remote: text(), branch: text(), commit: oid("s"), was: None },
        Event::PushStarted { remote: text(), branch: text(), commit: oid("s"), was: Some(oid("w")) },
        Event::BranchPushed { remote: text(), branch: text(), commit: oid("s") },
        Event::PullRequestOpened { number: 7, url: text(), updated: true },
        Event::AttemptPrepared(Box::new(AttemptPrepared {
            task: id(1),
            attempt: 1,
            upon: oid("upon"),
            origin: oid("origin"),
            start: oid("start"),
        })),
        Event::RoundStarted { run: RUN, round: 2 },
        Event::LandingsVerified { tip: oid("c"), missing: vec![MissingWork { task: id(1), paths: vec!["a".into()] }] },
    ];
    events.extend(judged(&check_report));
    events.extend(ends.map(|outcome| Event::RunEnded { run: RUN, outcome }));
    events.extend(purposes.map(attempt));
    events.extend(outcomes.map(ended));
    events.extend(published.map(|how| Event::StoryPublished { commit: oid("s"), how }));
    events.sort_by_key(place);
    events
}

/// Of an attempt that changed nothing else.
fn left_out(outcome: &Outcome) -> LeftOut {
    let file = LeftOutFile { path: "lib/a.js".into(), why: "ignored by `.gitignore` (`lib/`)".into() };
    if *outcome == Outcome::NoChange { LeftOut { files: vec![file], more: 3 } } else { LeftOut::default() }
}

/// What is found about the files that decide the gate, of every kind and standing.
fn judged(report: &GateReport) -> Vec<Event> {
    use FindingKind::*;
    let kinds = [
        JudgeChanged,
        JudgeRemoved,
        TestRemoved,
        TestSkipped,
        ExpectedToFail,
        TestsNarrowed,
        CasesRemoved,
        AssertionRemoved,
        AssertionWeakened,
        ExpectationChanged,
        LimitRaised,
        SnapshotRewritten,
        WrongTree,
    ];
    let standings = [Standing::Held, Standing::Refused, Standing::Claimed, Standing::Reported];
    let finding = |(at, kind): (usize, FindingKind)| Finding {
        id: "0123456789abcdef".into(),
        kind,
        path: "tests/a.py".into(),
        line: (at > 1).then_some(3),
        subject: "test_a".into(),
        detail: "text".into(),
        standing: standings[at % standings.len()],
        task: (at > 0).then(|| id(1)),
    };
    let findings = kinds.into_iter().enumerate().map(finding).collect();
    let (restored, take_back) = (Some(Box::new(report.clone())), Some(1));
    let whole =
        Judgement { base: oid("b"), commit: oid("c"), tree: oid("t"), findings, laid: vec!["tests/a.py".into()], restored, take_back };
    let none = Judgement { findings: vec![], laid: vec![], restored: None, take_back: None, ..whole.clone() };
    let accepted = Event::FindingsAccepted { ids: vec!["0123456789abcdef".into()], by: "ada".into(), reason: "text".into() };
    let stopped = Event::RunStopped { run: RUN, reason: StopReason::Held, detail: "text".into() };
    vec![Event::Judged(Box::new(whole)), Event::Judged(Box::new(none)), accepted, stopped]
}

#[test]
fn every_event_ever_written_is_still_read_and_written_the_same() {
    let mut places = BTreeSet::new();
    for line in GOLDEN.lines() {
        let event: Event = serde_json::from_str(line).unwrap_or_else(|e| panic!("{e}: {line}"));
        assert_eq!(serde_json::to_string(&event).unwrap(), line, "what is read is written differently");
        places.insert(place(&event));
    }
    assert_eq!(places, (0..KINDS).collect(), "a kind has no line in tests/golden/events.jsonl");
}

#[test]
fn what_is_written_today_is_in_the_golden_file() {
    let known: BTreeSet<&str> = GOLDEN.lines().collect();
    let lines: Vec<String> = one_of_each().iter().map(|event| serde_json::to_string(event).unwrap()).collect();
    let new: Vec<&String> = lines.iter().filter(|line| !known.contains(line.as_str())).collect();
    assert!(
        new.is_empty(),
        "add these lines to tests/golden/events.jsonl, and keep those that are there:\n{}",
        new.iter().map(|line| format!("{line}\n")).collect::<String>()
    );
}

#[test]
fn a_recorded_event_keeps_its_place_in_the_log_through_text() {
    for event in one_of_each() {
        let at = "2026-01-02T03:04:05.006007008Z".parse().unwrap();
        let recorded = Recorded { seq: 7, at, story_id: StoryId(Uuid::from_u128(9)), event };
        let text = serde_json::to_string(&recorded).unwrap();
        assert_eq!(serde_json::from_str::<Recorded>(&text).unwrap(), recorded, "{text}");
    }
}

#[test]
fn usage_that_is_not_a_number_is_written_as_none() {
    for odd in [f64::NAN, f64::INFINITY, f64::NEG_INFINITY] {
        let text = serde_json::to_string(&Usage { premium_requests: odd, ..Usage::default() }).unwrap();
        assert_eq!(serde_json::from_str::<Usage>(&text).unwrap(), Usage::default(), "{text}");
    }
}

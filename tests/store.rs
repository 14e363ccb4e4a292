//! The log: nothing is lost, nothing illegal gets in, and everybody reads the same, whoever writes and whoever dies.

#![allow(clippy::unwrap_used, clippy::needless_pass_by_value)] // A test may fail loudly.

use aura::domain::*;
use aura::store::{Lease, Store, StoreError};
use jiff::Timestamp;
use std::io::{BufRead, BufReader, Write};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::Duration;
use uuid::Uuid;

/// What a child of this test program does, and where.
const CHILD: &str = "AURA_TEST_STORE_CHILD";
const HOME: &str = "AURA_TEST_STORE_HOME";

fn story_id(n: u128) -> StoryId {
    StoryId(Uuid::from_u128(n))
}
fn oid(digit: char) -> Oid {
    Oid::parse(&digit.to_string().repeat(40)).unwrap()
}
fn now() -> Timestamp {
    "2026-01-02T03:04:05.006007Z".parse().unwrap()
}
fn note(text: impl ToString) -> Event {
    Event::Noted { text: text.to_string() }
}
fn creation() -> Event {
    Event::StoryCreated(Box::new(StoryCreated {
        title: "A story".into(),
        description: "d".into(),
        repository: "/repo".into(),
        base_branch: None,
        base_commit: oid('a'),
        base_tree: oid('b'),
        branch: "aura/x".into(),
        root: "/repo.aura/x".into(),
        agent: None,
        planner: None,
        issue_url: None,
    }))
}
fn plan(tasks: usize) -> Event {
    let draft =
        |n| TaskDraft { id: Some(format!("task-{n}")), title: format!("Task {n}"), description: "do it".into(), ..TaskDraft::default() };
    let tasks = Plan::check((1..=tasks).map(draft).collect()).unwrap().tasks;
    Event::PlanAccepted(Box::new(PlanAccepted {
        planner: "given".into(),
        tasks,
        added_orders: vec![],
        max_parallelism: 4,
        include_tests: false,
    }))
}
fn run_requested() -> Event {
    Event::RunRequested { run: RunId(Uuid::from_u128(5)), scope: Scope::All, mode: Mode::Flow, max_parallelism: None }
}
fn task() -> TaskId {
    TaskId::parse("task-1").unwrap()
}
fn attempt_started(number: u32, purpose: Purpose) -> Event {
    Event::AttemptStarted(Box::new(AttemptStarted {
        task: task(),
        attempt: number,
        purpose,
        agent: "command".into(),
        session: SessionId(Uuid::from_u128(9)),
        base: oid('a'),
        worktree: "/w".into(),
        job: "/j".into(),
    }))
}
fn attempt_ended(number: u32, outcome: Outcome) -> Event {
    let usage = Usage { premium_requests: 1.0 / 3.0, ..Usage::default() };
    let (task, rescue, left, resume_at, left_out) = (task(), None, None, None, LeftOut::default());
    let (attempt, summary) = (number, "s".to_owned());
    Event::AttemptEnded(Box::new(AttemptEnded { task, attempt, outcome, summary, usage, rescue, left, resume_at, left_out }))
}
/// A story with a plan of `tasks` and an active run.
fn running(store: &Store, id: StoryId, tasks: usize) {
    let planning = Event::PlanningStarted { planner: "given".into() };
    store.append(id, &[creation(), planning, plan(tasks), run_requested()], now()).unwrap();
}

/// This test program again, as another process that does `what`.
fn child(what: &str, home: &Path) -> Child {
    Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "the_child", "--nocapture", "--test-threads=1"])
        .envs([(CHILD, std::ffi::OsStr::new(what)), (HOME, home.as_os_str())])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::inherit())
        .spawn()
        .unwrap()
}
/// The child's own lines, without those of the test harness.
fn lines_of(child: &mut Child) -> impl Iterator<Item = String> + use<> {
    let lines = BufReader::new(child.stdout.take().unwrap()).lines().map_while(Result::ok);
    lines.filter_map(|line| line.split_once("child:").map(|(_, said)| said.to_owned()))
}
fn say(text: impl std::fmt::Display) {
    let mut out = std::io::stdout().lock();
    writeln!(out, "child:{text}").unwrap();
    out.flush().unwrap();
}

/// Not a test: what the other processes do. Does nothing when the test program runs by itself.
#[test]
fn the_child() {
    let Ok(what) = std::env::var(CHILD) else { return };
    let home = std::path::PathBuf::from(std::env::var_os(HOME).unwrap());
    match what.split_once(' ').unwrap_or((&what, "")) {
        ("write", count) => {
            let store = Store::open(&home).unwrap();
            for n in 0..count.parse().unwrap() {
                say(store.append(story_id(1), &[note(n)], now()).unwrap().seq);
            }
        }
        ("lease", _) => {
            let _lease = Lease::take(&home, "pid of a child").unwrap().unwrap();
            say("held");
            std::io::stdin().read_line(&mut String::new()).unwrap();
        }
        ("open", _) => {
            std::io::stdin().read_line(&mut String::new()).unwrap();
            say(Store::open(&home).map_or_else(|e| format!("{e:?}"), |_| "opened".into()));
        }
        other => panic!("{other:?}"),
    }
}

#[test]
fn an_append_is_all_or_nothing() {
    let home = tempfile::tempdir().unwrap();
    let store = Store::open(home.path()).unwrap();
    let id = story_id(1);
    let before = store.append(id, &[creation()], now()).unwrap();
    let refused = store.append(id, &[note("first"), run_requested()], now()).unwrap_err();
    assert!(matches!(refused, StoreError::Illegal(_)));
    assert_eq!(refused.to_string(), "`runRequested` cannot follow a story without a plan");
    assert_eq!(store.story(id).unwrap(), before);
    assert_eq!(store.since(None, 0, 100).unwrap().len(), 1);
    assert_eq!(store.last_seq().unwrap(), 1);
    assert_eq!(store.append(id, &[note("second")], now()).unwrap().seq, 2, "a refused event uses up no place");
}

#[test]
fn a_story_begins_with_its_creation_and_only_once() {
    let home = tempfile::tempdir().unwrap();
    let store = Store::open(home.path()).unwrap();
    assert!(matches!(store.append(story_id(1), &[note("x")], now()), Err(StoreError::NoStory(_))));
    assert!(matches!(store.append(story_id(1), &[], now()), Err(StoreError::NoStory(_))));
    assert!(matches!(store.story(story_id(1)), Err(StoreError::NoStory(_))));
    store.append(story_id(1), &[creation()], now()).unwrap();
    assert!(matches!(store.append(story_id(1), &[creation()], now()), Err(StoreError::Illegal(_))));
    assert_eq!(store.last_seq().unwrap(), 1);
}

#[test]
fn the_tables_always_say_what_the_log_says() {
    let home = tempfile::tempdir().unwrap();
    let store = Store::open(home.path()).unwrap();
    let id = story_id(1);
    let resume = Purpose::Resume { why: Outcome::Stalled.sentence() };
    let landing = Event::TaskLanded { task: task(), attempt: 2, head: oid('c'), onto: oid('a'), commit: oid('d'), tree: oid('e') };
    let accepted = TaskAccepted { task: task(), attempt: 2, head: oid('c'), files: vec![], outside_claim: vec!["x".into()] };
    let report = GateReport { commit: oid('d'), tree: oid('e'), verdict: Verdict::Failed, checks: vec![], reused: false };
    let steps: Vec<Vec<Event>> = vec![
        vec![creation()],
        vec![Event::AnalysisStarted],
        vec![Event::AnalysisFinished { facts: serde_json::json!({"files": 3, "share": 0.1}), reading: None }],
        vec![Event::PlanningStarted { planner: "given".into() }, plan(5)],
        vec![Event::PlanningStarted { planner: "given".into() }, plan(3)],
        vec![run_requested(), attempt_started(1, Purpose::Work)],
        vec![attempt_ended(1, Outcome::Stalled), attempt_started(2, resume)],
        vec![attempt_ended(2, Outcome::Done), Event::TaskAccepted(Box::new(accepted))],
        vec![landing],
        vec![Event::GateFinished { wave: 1, report: Box::new(report) }],
        vec![Event::CulpritFound { commit: oid('d'), task: task() }],
        vec![Event::RunEnded { run: RunId(Uuid::from_u128(5)), outcome: RunOutcome::Cancelled }],
        vec![run_requested()],
    ];
    for events in steps {
        let returned = store.append(id, &events, now()).unwrap();
        assert_eq!(store.story(id).unwrap(), returned, "after {events:?}");
        assert_eq!(store.replay(id).unwrap(), returned, "after {events:?}");
        assert_eq!(Store::open(home.path()).unwrap().story(id).unwrap(), returned, "after {events:?}");
    }
}

#[test]
fn processes_and_threads_that_write_at_once_lose_nothing() {
    let home = tempfile::tempdir().unwrap();
    let store = Store::open(home.path()).unwrap();
    let id = story_id(1);
    store.append(id, &[creation()], now()).unwrap();
    let mut children: Vec<Child> = (0..3).map(|_| child("write 40", home.path())).collect();
    std::thread::scope(|scope| {
        for _ in 0..2 {
            scope.spawn(|| {
                let own = Store::open(home.path()).unwrap();
                (0..40).for_each(|n| drop(own.append(id, &[note(n)], now()).unwrap()));
            });
        }
    });
    let mut told: Vec<i64> = children.iter_mut().flat_map(lines_of).map(|line| line.parse().unwrap()).collect();
    for child in &mut children {
        assert!(child.wait().unwrap().success());
    }
    told.sort_unstable();
    told.dedup();
    assert_eq!(told.len(), 120, "two writers were told the same place");
    let seqs: Vec<i64> = store.since(Some(id), 0, 1000).unwrap().iter().map(|recorded| recorded.seq).collect();
    assert_eq!(seqs, (1..=201).collect::<Vec<i64>>());
    assert_eq!(store.story(id).unwrap(), store.replay(id).unwrap());
}

/// A story is two queries; what another process commits between them must not show.
#[test]
fn a_reader_never_sees_half_an_append() {
    let home = tempfile::tempdir().unwrap();
    let store = Store::open(home.path()).unwrap();
    let id = story_id(1);
    running(&store, id, 1);
    let first = store.last_seq().unwrap();
    let rounds = 60u32;
    std::thread::scope(|scope| {
        let writer = scope.spawn(|| {
            let own = Store::open(home.path()).unwrap();
            let mut purpose = Purpose::Work;
            for n in 1..=rounds {
                own.append(id, &[attempt_started(n, purpose)], now()).unwrap();
                own.append(id, &[attempt_ended(n, Outcome::Interrupted)], now()).unwrap();
                purpose = Purpose::Resume { why: Outcome::Interrupted.sentence() };
            }
        });
        while !writer.is_finished() {
            for story in [store.story(id).unwrap(), store.stories(10).unwrap().remove(0)] {
                let ends = story.tasks[0].attempts.iter().filter(|attempt| attempt.ended.is_some()).count();
                assert_eq!(story.seq - first, (story.tasks[0].attempts.len() + ends) as i64);
            }
        }
    });
}

#[test]
fn a_tail_sees_every_event_once_and_in_order_while_another_process_writes() {
    let home = tempfile::tempdir().unwrap();
    let store = Store::open(home.path()).unwrap();
    let (id, other) = (story_id(1), story_id(2));
    store.append(id, &[creation()], now()).unwrap();
    store.append(other, &[creation()], now()).unwrap();
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let mut writer = child("write 200", home.path());
    let mut said = lines_of(&mut writer);
    said.next().expect("the writer begins");
    let mut of_one = store.tail(Some(id), 0);
    let mut of_all = store.tail(None, 2);
    let seen = runtime.block_on(async {
        let mut seen: Vec<i64> = vec![];
        while seen.len() < 201 {
            let batch = tokio::time::timeout(Duration::from_mins(1), of_one.next()).await.expect("the tail stands still").unwrap();
            assert!(batch.iter().all(|recorded| recorded.story_id == id));
            seen.extend(batch.iter().map(|recorded| recorded.seq));
            store.append(other, &[note("beside")], now()).unwrap();
        }
        seen
    });
    assert!(seen.windows(2).all(|pair| pair[0] < pair[1]), "out of order or twice");
    assert_eq!(seen.len(), 201);
    assert_eq!(said.count(), 199);
    assert!(writer.wait().unwrap().success());
    let mut all = vec![];
    loop {
        let batch = of_all.glance().unwrap();
        if batch.is_empty() {
            break;
        }
        all.extend(batch.iter().map(|recorded| recorded.seq));
    }
    assert_eq!(all, (3..=store.last_seq().unwrap()).collect::<Vec<i64>>());
}

#[test]
fn a_tail_is_woken_by_a_writer_of_its_own_process() {
    let home = tempfile::tempdir().unwrap();
    let store = Store::open(home.path()).unwrap();
    store.append(story_id(1), &[creation()], now()).unwrap();
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let mut tail = store.tail(None, 1);
    assert!(tail.glance().unwrap().is_empty());
    let writer = std::thread::spawn({
        let store = store.clone();
        move || store.append(story_id(1), &[note("x")], now()).unwrap().seq
    });
    let batch = runtime.block_on(tail.next()).unwrap();
    assert_eq!(batch[0].seq, writer.join().unwrap());
    assert_eq!(tail.seq(), 2);
}

#[test]
fn a_story_is_found_by_its_id_a_prefix_or_its_short_form() {
    let home = tempfile::tempdir().unwrap();
    let store = Store::open(home.path()).unwrap();
    let one = StoryId("0198c7e2-a1b2-7c3d-8e4f-0123456789ab".parse().unwrap());
    let two = StoryId("0198c7e2-a1ff-7c3d-8e4f-abcdef012345".parse().unwrap());
    for id in [one, two] {
        store.append(id, &[creation()], now()).unwrap();
    }
    for text in ["0198c7e2-a1b2-7c3d-8e4f-0123456789ab", "0198C7E2-A1B2", " 0198c7e2-a1b", "456789ab", "456789", "0198c7e2a1b2"] {
        assert_eq!(store.find(text).unwrap(), one, "{text}");
    }
    assert_eq!(store.find(&two.short()).unwrap(), two);
    for text in ["", "0198c", "01%", "0198c7%", "______", "zzzzzzzz", "' or 1=1", "deadbeef", "0198c7e2-a1b2-7c3d-8e4f-0123456789ab0"] {
        assert!(matches!(store.find(text), Err(StoreError::NoStory(_))), "{text}");
    }
    let Err(StoreError::Ambiguous { prefix, found }) = store.find("0198c7e2-a1") else { panic!("two stories begin so") };
    assert_eq!((prefix.as_str(), found), ("0198c7e2-a1", vec![one.to_string(), two.to_string()]));
}

#[test]
fn stories_are_listed_newest_first_down_to_the_nanosecond() {
    let home = tempfile::tempdir().unwrap();
    let store = Store::open(home.path()).unwrap();
    let times = ["2026-01-01T00:00:00Z", "2026-01-01T00:00:00.5Z", "2026-01-01T00:00:00.51Z", "2026-01-01T00:00:01Z"];
    for (n, at) in times.iter().enumerate() {
        store.append(story_id(100 - n as u128), &[creation()], at.parse().unwrap()).unwrap();
    }
    let listed: Vec<String> = store.stories(3).unwrap().iter().map(|story| story.created_at.to_string()).collect();
    assert_eq!(listed, [times[3], times[2], times[1]]);
}

/// The whole message, causes included.
fn refusal(home: &Path) -> String {
    let Err(error) = Store::open(home) else { panic!("it was opened") };
    let mut text = error.to_string();
    let mut cause = std::error::Error::source(&error);
    while let Some(error) = cause {
        text = format!("{text}: {error}");
        cause = error.source();
    }
    text
}

#[test]
fn a_database_of_a_newer_version_is_refused_and_left_as_it_is() {
    let home = tempfile::tempdir().unwrap();
    let path = home.path().join("aura.db");
    let connection = rusqlite::Connection::open(&path).unwrap();
    connection.execute_batch("create table future (x); pragma user_version = 99;").unwrap();
    drop(connection);
    let before = std::fs::read(&path).unwrap();
    let text = refusal(home.path());
    assert!(text.contains(path.to_str().unwrap()) && text.contains("version 99"), "{text}");
    assert_eq!(std::fs::read(&path).unwrap(), before);
}

#[test]
fn what_is_not_a_whole_database_is_refused_by_its_path() {
    let home = tempfile::tempdir().unwrap();
    let path = home.path().join("aura.db");
    std::fs::write(&path, "this is a letter, not a database. ".repeat(200)).unwrap();
    let text = refusal(home.path());
    assert!(text.contains(path.to_str().unwrap()), "{text}");
    std::fs::remove_file(&path).unwrap();
    let store = Store::open(home.path()).unwrap();
    store.append(story_id(1), &[creation()], now()).unwrap();
    drop(store);
    let whole = std::fs::read(&path).unwrap();
    for length in [50, 1000, 4096, whole.len() / 2, whole.len() - 4096] {
        std::fs::write(&path, &whole[..length]).unwrap();
        let text = refusal(home.path());
        assert!(text.contains(path.to_str().unwrap()), "{length}: {text}");
    }
    let folder = tempfile::tempdir().unwrap();
    std::fs::create_dir(folder.path().join("aura.db")).unwrap();
    let text = refusal(folder.path());
    assert!(text.contains(folder.path().to_str().unwrap()), "{text}");
}

#[cfg(unix)]
#[test]
fn what_is_kept_is_for_its_owner_only() {
    use std::os::unix::fs::PermissionsExt;
    let above = tempfile::tempdir().unwrap();
    let home = above.path().join("a/b");
    let store = Store::open(&home).unwrap();
    store.append(story_id(1), &[creation()], now()).unwrap();
    let folder = store.story_folder(story_id(1));
    let _lease = Lease::take(&folder, "me").unwrap().unwrap();
    let mode = |path: &Path| std::fs::metadata(path).unwrap().permissions().mode() & 0o777;
    for path in [&home, &folder] {
        assert_eq!(mode(path), 0o700, "{}", path.display());
    }
    for name in ["aura.db", "aura.db-wal", "aura.db-shm"] {
        assert_eq!(mode(&home.join(name)), 0o600, "{name}");
    }
    assert_eq!(mode(&folder.join("lease")), 0o600);
}

#[test]
fn a_lease_is_held_by_one_and_freed_by_its_end() {
    let folder = tempfile::tempdir().unwrap();
    assert_eq!(Lease::holder(folder.path()).unwrap(), None);
    let lease = Lease::take(folder.path(), "pid 1, first").unwrap().unwrap();
    assert_eq!(Lease::take(folder.path(), "pid 2").unwrap().unwrap_err().text, "pid 1, first");
    assert_eq!(Lease::holder(folder.path()).unwrap().unwrap().text, "pid 1, first");
    drop(lease);
    assert_eq!(Lease::holder(folder.path()).unwrap(), None);
    drop(Lease::take(folder.path(), "3rd").unwrap().unwrap());
}

#[test]
fn a_lease_is_freed_when_its_holder_is_killed() {
    let folder = tempfile::tempdir().unwrap();
    let mut holder = child("lease", folder.path());
    assert_eq!(lines_of(&mut holder).next().unwrap(), "held");
    assert_eq!(Lease::take(folder.path(), "me").unwrap().unwrap_err().text, "pid of a child");
    holder.kill().unwrap();
    holder.wait().unwrap();
    let lease = Lease::take(folder.path(), "me").unwrap().unwrap();
    drop(lease);
}

/// Asking who drives a story must never keep the driver out.
#[test]
fn a_free_lease_can_be_taken_while_others_ask_for_its_holder() {
    let folder = tempfile::tempdir().unwrap();
    drop(Lease::take(folder.path(), "x").unwrap().unwrap());
    let done = std::sync::atomic::AtomicBool::new(false);
    std::thread::scope(|scope| {
        for _ in 0..2 {
            scope.spawn(|| {
                while !done.load(std::sync::atomic::Ordering::Relaxed) {
                    Lease::holder(folder.path()).unwrap();
                }
            });
        }
        let kept_out = (0..500).filter(|_| Lease::take(folder.path(), "driver").unwrap().is_err()).count();
        done.store(true, std::sync::atomic::Ordering::Relaxed);
        assert_eq!(kept_out, 0);
    });
}

#[test]
fn what_was_acknowledged_survives_the_death_of_the_writer() {
    let home = tempfile::tempdir().unwrap();
    let store = Store::open(home.path()).unwrap();
    store.append(story_id(1), &[creation()], now()).unwrap();
    for wanted in [1, 7, 20, 33] {
        let mut writer = child("write 1000000", home.path());
        let mut lines = lines_of(&mut writer);
        let mut told: Vec<i64> = lines.by_ref().take(wanted).map(|line| line.parse().unwrap()).collect();
        writer.kill().unwrap();
        told.extend(lines.map_while(|line| line.parse::<i64>().ok()));
        writer.wait().unwrap();
        let kept: Vec<i64> = store.since(None, 0, 1_000_000).unwrap().iter().map(|recorded| recorded.seq).collect();
        assert!(told.iter().all(|seq| kept.contains(seq)), "an acknowledged event is gone");
        assert_eq!(store.story(story_id(1)).unwrap(), store.replay(story_id(1)).unwrap());
        assert_eq!(Store::open(home.path()).unwrap().last_seq().unwrap(), *kept.last().unwrap());
    }
}

#[test]
fn processes_that_open_a_new_home_at_once_all_succeed() {
    for _ in 0..4 {
        let home = tempfile::tempdir().unwrap();
        let mut children: Vec<Child> = (0..4).map(|_| child("open", home.path())).collect();
        let gates: Vec<_> = children.iter_mut().map(|child| child.stdin.take().unwrap()).collect();
        for mut gate in gates {
            gate.write_all(b"go\n").unwrap();
        }
        for child in &mut children {
            assert_eq!(lines_of(child).collect::<Vec<_>>(), ["opened"]);
            child.wait().unwrap();
        }
    }
}

#[test]
fn the_activity_of_a_task_rewrites_no_other_task() {
    let home = tempfile::tempdir().unwrap();
    let store = Store::open(home.path()).unwrap();
    running(&store, story_id(1), 200);
    store.append(story_id(1), &[attempt_started(1, Purpose::Work)], now()).unwrap();
    let connection = rusqlite::Connection::open(store.home().join("aura.db")).unwrap();
    connection
        .execute_batch(
            "create table written (place); create trigger seen after insert on task begin insert into written values (new.place); end",
        )
        .unwrap();
    for n in 0..5 {
        store.append(story_id(1), &[Event::AttemptActivity { task: task(), attempt: 1, text: format!("reads {n}") }], now()).unwrap();
    }
    let written: i64 = connection.query_row("select count(*) from written where place = 0", [], |row| row.get(0)).unwrap();
    let others: i64 = connection.query_row("select count(*) from written where place > 0", [], |row| row.get(0)).unwrap();
    assert_eq!((written, others), (5, 0));
}

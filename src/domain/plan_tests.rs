use super::*;
use std::time::Instant;

fn draft(id: &str, depends_on: &[&str], files: &[&str]) -> TaskDraft {
    let owned = |list: &[&str]| list.iter().map(|text| (*text).to_owned()).collect();
    TaskDraft {
        id: Some(id.into()),
        title: format!("Do {id}"),
        description: format!("Do all of {id}."),
        depends_on: owned(depends_on),
        files: owned(files),
        ..TaskDraft::default()
    }
}

fn waves_of(drafts: Vec<TaskDraft>) -> Vec<u32> {
    Plan::check(drafts).unwrap().tasks.iter().map(|task| task.wave).collect()
}

fn faults_of(drafts: Vec<TaskDraft>) -> Vec<String> {
    Plan::check(drafts).unwrap_err().iter().map(Fault::to_string).collect()
}

#[test]
fn waves_are_the_longest_path() {
    assert_eq!(waves_of(vec![draft("a", &[], &[])]), [1]);
    let diamond = vec![draft("d", &["b", "c"], &[]), draft("b", &["a"], &[]), draft("c", &["a"], &[]), draft("a", &[], &[])];
    assert_eq!(waves_of(diamond), [3, 2, 2, 1]);
    let long = vec![draft("a", &[], &[]), draft("b", &["a"], &[]), draft("c", &["a", "b"], &[]), draft("d", &[], &[])];
    assert_eq!(Plan::check(long.clone()).unwrap().wave_count(), 3);
    assert_eq!(waves_of(long), [1, 2, 3, 1]);
}

#[test]
fn tasks_that_claim_one_file_are_ordered_as_planned_and_the_order_is_told() {
    let plan = Plan::check(vec![draft("a", &[], &["src/x.rs"]), draft("b", &[], &["src/"]), draft("c", &[], &["docs/"])]).unwrap();
    assert_eq!(plan.tasks[1].depends_on, [plan.tasks[0].id.clone()]);
    assert_eq!((plan.tasks[1].wave, plan.tasks[2].wave), (2, 1));
    assert_eq!(plan.added_orders.len(), 1);
    assert_eq!(plan.added_orders[0].file, "src/x.rs", "the narrower claim is named");
    // Ordered already, through another task: nothing is added.
    let through = vec![draft("a", &[], &["x"]), draft("b", &["a"], &[]), draft("c", &["b"], &["x"])];
    assert!(Plan::check(through).unwrap().added_orders.is_empty());
    // Different waves are no order: b may still run when c starts.
    let sides = vec![draft("a", &[], &[]), draft("b", &[], &["x"]), draft("c", &["a"], &["x"])];
    assert_eq!(waves_of(sides), [1, 1, 2]);
    // The order never goes against a dependency, whatever the planner's order.
    let backward = vec![draft("b", &["a"], &["x"]), draft("a", &[], &["x"])];
    assert!(Plan::check(backward).unwrap().added_orders.is_empty());
    // A row of them is a chain, not every pair.
    let row: Vec<TaskDraft> = (0..10).map(|i| draft(&format!("t{i}"), &[], &["x"])).collect();
    assert_eq!(Plan::check(row).unwrap().added_orders.len(), 9);
}

#[test]
fn every_fault_is_said_at_once_and_names_its_task() {
    let long_title = TaskDraft { title: "x".repeat(201), ..draft("long", &[], &[]) };
    let bad = vec![
        TaskDraft { id: None, ..draft("", &[], &[]) },
        TaskDraft { title: " \t".into(), description: "\n".into(), ..draft("empty", &[], &[]) },
        long_title,
        TaskDraft { title: "a\nb".into(), description: "a\0".into(), ..draft("control", &[], &[]) },
        draft("files", &[], &["../x", "ok", "/abs"]),
        draft("needs", &["nowhere", "EMPTY", "no id"], &[]),
        draft("self", &["self"], &[]),
        draft("a/b", &[], &[]),
        draft("needs-faulty", &["empty"], &[]),
        TaskDraft { agent: Some("a\u{7}".into()), ..draft("agent", &[], &[]) },
        TaskDraft { description: "x".repeat(DESCRIPTION_BYTES_MAX + 1), ..draft("big", &[], &[]) },
    ];
    let expected = [
        "task `#1`: it has no id",
        "task `empty`: its title is empty",
        "task `empty`: its description, the agent's prompt, is empty",
        "task `long`: its title is longer than 200 characters",
        "task `control`: its title holds control characters",
        "task `control`: its description holds a NUL character",
        "task `files`: `../x` in its files is not a path inside the repository",
        "task `files`: `/abs` in its files is not a path inside the repository",
        "task `needs`: in its dependencies, `no id` is not a task id: up to 40 letters, digits, `-` and `_`, starting with a letter or digit",
        "task `self`: it depends on itself",
        "task `a/b`: `a/b` is not a task id: up to 40 letters, digits, `-` and `_`, starting with a letter or digit",
        "task `agent`: its agent `a\\u{7}` is not a name",
        "task `big`: its description is longer than 65536 bytes",
        "task `needs`: it depends on `nowhere`, which is not in the plan",
        "task `needs`: it depends on `EMPTY`, which is not in the plan; `empty` is",
    ];
    assert_eq!(faults_of(bad), expected);
}

#[test]
fn limits_hold_for_hostile_plans() {
    assert_eq!(faults_of(vec![]), ["the plan has no tasks"]);
    let row = |n: usize| (0..n).map(|i| draft(&format!("t{i}"), &[], &[])).collect::<Vec<_>>();
    assert!(Plan::check(row(TASKS_MAX)).is_ok());
    assert_eq!(faults_of(row(TASKS_MAX + 1)), ["the plan has 501 tasks; at most 500 are accepted"]);
    let files: Vec<String> = (0..=FILES_MAX).map(|i| format!("f{i}")).collect();
    assert!(Plan::check(vec![TaskDraft { files: files[1..].to_vec(), ..draft("a", &[], &[]) }]).is_ok());
    assert_eq!(faults_of(vec![TaskDraft { files, ..draft("a", &[], &[]) }]), ["task `a`: it claims 201 files; at most 200 are accepted"]);
    let many = TaskDraft { files: vec!["..".into(); 1_000_000], depends_on: vec!["?".into(); 1_000_000], ..draft("a", &[], &[]) };
    let started = Instant::now();
    let faults = faults_of(vec![many]);
    assert_eq!(faults.len(), 101);
    assert!(faults[100].contains("more faults"), "{}", faults[100]);
    assert!(started.elapsed().as_secs() < 60, "{:?}", started.elapsed());
    let big = |n: usize| TaskDraft { description: "x".repeat(DESCRIPTION_BYTES_MAX), ..draft(&format!("b{n}"), &[], &[]) };
    assert!(Plan::check((0..128).map(big).collect()).is_ok());
    assert!(faults_of((0..129).map(big).collect())[0].contains("at most 8388608"));
}

#[test]
fn ids_are_unique_without_case() {
    assert_eq!(faults_of(vec![draft("a", &[], &[]), draft("a", &[], &[])]), ["task `a`: its id is used twice"]);
    assert_eq!(faults_of(vec![draft("a", &[], &[]), draft("A", &[], &[])]), ["task `A`: its id differs from `a` only by case"]);
}

#[test]
fn circles_are_shown_whole_and_all_of_them() {
    let two = vec![
        draft("a", &["b"], &[]),
        draft("b", &["a"], &[]),
        draft("c", &["d"], &[]),
        draft("d", &["e"], &[]),
        draft("e", &["c"], &[]),
        draft("f", &["c"], &[]),
    ];
    assert_eq!(
        faults_of(two),
        ["task `a`: its dependencies go in a circle: `a` → `b` → `a`", "task `c`: its dependencies go in a circle: `c` → `d` → `e` → `c`"]
    );
    let ring: Vec<TaskDraft> = (0..500).map(|i| draft(&format!("t{i}"), &[&format!("t{}", (i + 1) % 500)], &[])).collect();
    assert_eq!(faults_of(ring).len(), 1);
    let all: Vec<String> = (0..30).map(|i| format!("t{i}")).collect();
    let full: Vec<TaskDraft> =
        all.iter().map(|id| draft(id, &all.iter().filter(|other| *other != id).map(String::as_str).collect::<Vec<_>>(), &[])).collect();
    assert_eq!(faults_of(full).len(), CIRCLES_MAX);
}

#[test]
fn what_is_accepted_is_tidied() {
    let tidy = TaskDraft {
        title: "  Parse  ".into(),
        agent: Some(" copilot ".into()),
        estimate: Some(0),
        ..draft("a", &[], &["./src//a.rs", "src/a.rs", "src\\b.rs"])
    };
    let task = Plan::check(vec![tidy]).unwrap().tasks.remove(0);
    assert_eq!((task.title.as_str(), task.agent.as_deref(), task.estimate), ("Parse", Some("copilot"), 1));
    assert_eq!(task.files, ["src/a.rs", "src/b.rs"]);
    let blank = TaskDraft { agent: Some("  ".into()), estimate: Some(u32::MAX), ..draft("a", &[], &[]) };
    let task = Plan::check(vec![blank]).unwrap().tasks.remove(0);
    assert_eq!((task.agent, task.estimate), (None, ESTIMATE_MAX));
    let twice = Plan::check(vec![draft("a", &[], &[]), draft("b", &["a", "a"], &[])]).unwrap();
    assert_eq!(twice.tasks[1].depends_on.len(), 1);
}

#[test]
fn the_critical_path_is_the_longest_chain_that_hangs_on_a_task() {
    let with = |id: &str, depends_on: &[&str], minutes| TaskDraft { estimate: Some(minutes), ..draft(id, depends_on, &[]) };
    let plan = Plan::check(vec![with("a", &[], 5), with("b", &["a"], 10), with("c", &["a"], 60), with("d", &["b", "c"], 1)]).unwrap();
    let paths: Vec<u64> = critical_paths(plan.tasks.iter()).into_values().collect();
    assert_eq!(paths, [66, 11, 61, 1]);
    // Of what is left only: landed tasks are not listed again.
    let left: Vec<String> = critical_paths(plan.tasks[1..].iter()).into_keys().map(String::from).collect();
    assert_eq!(left, ["b", "c", "d"]);
}

/// 500 tasks with 200 files each, in the shapes that cost most.
#[test]
fn large_plans_are_checked_without_comparing_each_with_each() {
    let plan = |file: &dyn Fn(usize, usize) -> String| {
        let tasks =
            (0..TASKS_MAX).map(|t| TaskDraft { files: (0..FILES_MAX).map(|f| file(t, f)).collect(), ..draft(&format!("t{t}"), &[], &[]) });
        tasks.collect::<Vec<_>>()
    };
    let shapes: [(&str, Vec<TaskDraft>); 3] = [
        ("the same", plan(&|_, f| format!("src/file_{f}.rs"))),
        ("two halves", plan(&|t, f| if t < 250 { format!("x{}/{t}/{f}", f % 250) } else { format!("x{f}") })),
        ("wildcards", plan(&|t, f| format!("src/{t}/**/{f}*.rs"))),
    ];
    for (name, drafts) in shapes {
        let started = Instant::now();
        assert!(Plan::check(drafts).is_ok(), "{name}");
        // Comparing each claim with each takes minutes; the limit leaves room for a busy machine and no optimisation.
        assert!(started.elapsed().as_secs() < 60, "{name}: {:?}", started.elapsed());
    }
}

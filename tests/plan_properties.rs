//! Plans under random drafts: what is accepted is right, what is refused is refused with a reason, nothing panics.
#![allow(clippy::unwrap_used)] // helpers of tests are tests

use aura::domain::{Fault, Plan, PlannedTask, TaskDraft, claims_meet, is_claimed};
use proptest::prelude::*;
use std::collections::{HashMap, HashSet};

/// Drafts over few names and few files, so that clashes, circles and faults are common.
fn drafts() -> impl Strategy<Value = Vec<TaskDraft>> {
    let id = prop_oneof![8 => (0..8_usize).prop_map(|n| format!("t{n}")), 1 => Just("T1".to_owned()), 1 => any::<String>()];
    let task = (
        proptest::option::weighted(0.97, id.clone()),
        prop_oneof![9 => Just("Do it".to_owned()), 1 => any::<String>()],
        prop_oneof![9 => Just("Do all of it.".to_owned()), 1 => any::<String>()],
        prop::collection::vec(id, 0..3),
        prop::collection::vec(claim(), 0..4),
        proptest::option::of(any::<u32>()),
    );
    prop::collection::vec(task, 0..8).prop_map(|tasks| {
        let draft = |(id, title, description, depends_on, files, estimate)| TaskDraft {
            id,
            title,
            description,
            depends_on,
            files,
            agent: None,
            estimate,
        };
        tasks.into_iter().map(draft).collect()
    })
}

/// Drafts that are mostly acceptable: unique ids, dependencies on earlier tasks only.
fn good_drafts() -> impl Strategy<Value = Vec<TaskDraft>> {
    let task = (prop::collection::vec(any::<prop::sample::Index>(), 0..3), prop::collection::vec(claim(), 0..4));
    prop::collection::vec(task, 1..12).prop_map(|tasks| {
        let draft = |(i, (depends_on, files)): (usize, (Vec<prop::sample::Index>, Vec<String>))| TaskDraft {
            id: Some(format!("t{i}")),
            title: "Do it".into(),
            description: "Do all of it.".into(),
            depends_on: depends_on.iter().filter(|_| i > 0).map(|index| format!("t{}", index.index(i))).collect(),
            files,
            ..TaskDraft::default()
        };
        tasks.into_iter().enumerate().map(draft).rev().collect()
    })
}

fn claim() -> impl Strategy<Value = String> {
    let part = prop::sample::select(vec!["a", "b", "c.rs", "A", "*", "**", "*.rs", "x*", "{a,b}", "?"]);
    (prop::collection::vec(part, 1..4), any::<bool>()).prop_map(|(parts, slash)| parts.join("/") + if slash { "/" } else { "" })
}

fn path() -> impl Strategy<Value = String> {
    let part = prop::sample::select(vec!["a", "b", "c.rs", "A", "xa", "d.rs"]);
    prop::collection::vec(part, 1..5).prop_map(|parts| parts.join("/"))
}

/// All tasks that `task` comes after.
fn before<'a>(plan: &'a Plan, task: &'a PlannedTask) -> HashSet<&'a str> {
    let by_id: HashMap<&str, &PlannedTask> = plan.tasks.iter().map(|task| (task.id.as_str(), task)).collect();
    let mut seen = HashSet::new();
    let mut stack = vec![task];
    while let Some(at) = stack.pop() {
        stack.extend(at.depends_on.iter().filter(|id| seen.insert(id.as_str())).map(|id| by_id[id.as_str()]));
    }
    seen
}

fn accepted_is_right(plan: &Plan) -> Result<(), TestCaseError> {
    let wave: HashMap<&str, u32> = plan.tasks.iter().map(|task| (task.id.as_str(), task.wave)).collect();
    let ids: HashSet<String> = plan.tasks.iter().map(|task| task.id.as_str().to_ascii_lowercase()).collect();
    prop_assert_eq!(ids.len(), plan.tasks.len(), "ids are unique without case");
    for task in &plan.tasks {
        let highest = task.depends_on.iter().map(|id| wave[id.as_str()]).max().unwrap_or(0);
        prop_assert_eq!(task.wave, highest + 1, "the wave is the longest path");
    }
    for (i, one) in plan.tasks.iter().enumerate() {
        for two in &plan.tasks[i + 1..] {
            let meet = one.files.iter().any(|a| two.files.iter().any(|b| claims_meet(a, b)));
            let ordered = before(plan, two).contains(one.id.as_str()) || before(plan, one).contains(two.id.as_str());
            prop_assert!(!meet || ordered, "{} and {} meet without an order: {:?} {:?}", one.id, two.id, one.files, two.files);
        }
    }
    for order in &plan.added_orders {
        let then = plan.tasks.iter().find(|task| task.id == order.then).unwrap();
        prop_assert!(then.depends_on.contains(&order.first));
        prop_assert!(plan.tasks.iter().any(|task| task.files.contains(&order.file)));
    }
    let again =
        Plan::check(plan.tasks.iter().map(TaskDraft::from).collect()).map_err(|faults| TestCaseError::fail(format!("{faults:?}")))?;
    prop_assert_eq!(&again.tasks, &plan.tasks, "an accepted plan is accepted as it is");
    prop_assert!(again.added_orders.is_empty());
    Ok(())
}

/// Every circle that is reported is one: each task depends on the next, the last is the first.
fn refused_is_wrong(faults: &[Fault], given: &[TaskDraft]) -> Result<(), TestCaseError> {
    prop_assert!(!faults.is_empty());
    for fault in faults {
        prop_assert!(!fault.message.is_empty() && fault.message.len() < 1000 + 45 * given.len(), "{}", fault);
        let Some(path) = fault.message.strip_prefix("its dependencies go in a circle: ") else { continue };
        let path: Vec<&str> = path.trim_matches('`').split("` → `").collect();
        prop_assert!(path.len() > 2 && path.first() == path.last(), "{path:?}");
        prop_assert_eq!(fault.task.as_deref(), Some(path[0]));
        for step in path.windows(2) {
            let real = given.iter().any(|draft| draft.id.as_deref() == Some(step[0]) && draft.depends_on.iter().any(|id| id == step[1]));
            prop_assert!(real, "{} does not depend on {}", step[0], step[1]);
        }
    }
    Ok(())
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 400, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn any_draft_is_accepted_rightly_or_refused_with_reasons(drafts in drafts()) {
        match Plan::check(drafts.clone()) {
            Ok(plan) => accepted_is_right(&plan)?,
            Err(faults) => refused_is_wrong(&faults, &drafts)?,
        }
    }

    #[test]
    fn good_drafts_are_accepted_and_no_two_unordered_tasks_meet(drafts in good_drafts()) {
        let plan = Plan::check(drafts.clone()).map_err(|faults| TestCaseError::fail(format!("{faults:?}")))?;
        let order: Vec<_> = drafts.iter().map(|draft| draft.id.clone().unwrap()).collect();
        let kept: Vec<_> = plan.tasks.iter().map(|task| task.id.to_string()).collect();
        prop_assert_eq!(order, kept, "the planner's order is kept");
        for (draft, task) in drafts.iter().zip(&plan.tasks) {
            for id in &draft.depends_on {
                prop_assert!(task.depends_on.iter().any(|kept| kept.as_str() == id), "no dependency is dropped");
            }
        }
        accepted_is_right(&plan)?;
    }

    #[test]
    fn two_claims_that_hold_one_path_meet(one in claim(), two in claim(), path in path()) {
        prop_assert_eq!(claims_meet(&one, &two), claims_meet(&two, &one));
        if is_claimed(&path, std::slice::from_ref(&one)) {
            prop_assert!(claims_meet(&one, &path), "{} holds {}", one, path);
            if is_claimed(&path, std::slice::from_ref(&two)) {
                prop_assert!(claims_meet(&one, &two), "{} and {} both hold {}", one, two, path);
            }
        }
    }
}

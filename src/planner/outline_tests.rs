use super::Outline;
use crate::domain::TaskDraft;
use crate::planner::{PlanBrief, Planner, PlannerError, propose_checked};

fn brief(description: &str) -> PlanBrief {
    PlanBrief {
        title: "Count words".into(),
        description: description.into(),
        agents: vec!["copilot".into(), "command".into()],
        ..PlanBrief::default()
    }
}

fn drafts(description: &str) -> Vec<TaskDraft> {
    match Outline.propose(&brief(description)) {
        Ok(proposal) => proposal.drafts,
        Err(error) => panic!("{description:?}: {error}"),
    }
}

/// "id: title <- dependencies | files" of every task.
fn shown(description: &str) -> Vec<String> {
    let join = |list: &[String], before: &str| if list.is_empty() { String::new() } else { format!("{before}{}", list.join(" ")) };
    let row = |draft: TaskDraft| {
        format!("{}: {}{}{}", draft.id.unwrap(), draft.title, join(&draft.depends_on, " <- "), join(&draft.files, " | "))
    };
    drafts(description).into_iter().map(row).collect()
}

#[test]
fn structure_becomes_tasks() {
    let table: &[(&str, &[&str])] = &[
        ("- Parse\n- Print", &["task-1: Parse", "task-2: Print"]),
        ("* Parse\n+ Print\n- Sort", &["task-1: Parse", "task-2: Print", "task-3: Sort"]),
        ("1. Parse\n2) Print", &["task-1: Parse", "task-2: Print"]),
        ("- [ ] Parse\n- [ ] Print\n- a note", &["task-1: Parse", "task-2: Print"]),
        ("## Parse\n- one\n- two\n## Print\ntext", &["task-1: Parse", "task-2: Print"]),
        ("### Parse\n### Print", &["task-1: Parse", "task-2: Print"]),
        ("# Big\n\n## Parse ##\n\n## Print", &["task-1: Parse", "task-2: Print"]),
        ("## Background\nold\n\n## Parse\n\n## Notes\n- be kind\n", &["task-1: Parse"]),
        ("## Context\nold\n\n## Tasks\n- Parse\n- Print\n\n## Notes\n- be kind", &["task-1: Parse", "task-2: Print"]),
        ("## Tasks\n### Parse\n- a\n### Print\n- b", &["task-1: Parse", "task-2: Print"]),
        ("## Word counter\n### Parse\n### Print", &["task-1: Parse", "task-2: Print"]),
        ("## Word counter\n- [ ] Parse\n- [ ] Print", &["task-1: Parse", "task-2: Print"]),
        ("## Word counter\n- fast\n- safe", &["task-1: Word counter"]),
        ("## Fix it\n### Steps\n1. look\n2. mend\n## Ship it", &["task-1: Fix it", "task-2: Ship it"]),
        ("- Parse\n  - nested\n    more\n- Print\n\n  paragraph", &["task-1: Parse", "task-2: Print"]),
        ("1. Parse\n- detail\n2. Print\n- detail", &["task-1: Parse", "task-2: Print"]),
        ("Intro\n\n---\n\n- Parse\n\n***\n\n- - -\n- Print", &["task-1: Parse", "task-2: Print"]),
        ("<!-- \n- not a task\n## nor this\n-->\n- Parse", &["task-1: Parse"]),
        ("just words", &["task-1: Count words"]),
        ("", &["task-1: Count words"]),
        ("#hashtag and -dash and 1.5 things", &["task-1: Count words"]),
        (
            "- **Parser**: reads words\n- **Task 2: Printer**\n- Step 3 - Sorter\n- Task 9",
            &["task-1: Parser", "task-2: Printer", "task-3: Sorter", "task-4: Task 9"],
        ),
        ("-\n  Parse\n- Print", &["task-1: Parse", "task-2: Print"]),
        ("\r\n- Parse\r\n- Print\r\n", &["task-1: Parse", "task-2: Print"]),
        ("- [x] Parse\n- [ ] Print, after: 1\n- [ ] Sort, after: Print", &["task-2: Print", "task-3: Sort <- task-2"]),
    ];
    for (text, expected) in table {
        assert_eq!(shown(text), *expected, "{text}");
    }
}

#[test]
fn marks_are_understood_wherever_they_stand() {
    let table: &[(&str, &str)] = &[
        ("- B\n  after: 1", "task-2: B <- task-1"),
        ("- B\n  - After: A", "task-2: B <- task-1"),
        ("- B\n  **Depends on:** `task-1`", "task-2: B <- task-1"),
        ("- B (after task-1)", "task-2: B <- task-1"),
        ("- B (after: #1)", "task-2: B <- task-1"),
        ("- B (after the merge)", "task-2: B (after the merge)"),
        ("- B after: 1", "task-2: B <- task-1"),
        ("- B — depends on: A", "task-2: B <- task-1"),
        ("- B\n  after: none", "task-2: B"),
        ("- B\n  files: src/b.rs, `docs/b c.md`", "task-2: B | src/b.rs docs/b c.md"),
        ("- B\n  files:\n  - src/b.rs\n  - `src/c.rs` (new)\n\n  Words.", "task-2: B | src/b.rs src/c.rs"),
        ("- B (files: app/(group)/[id]/page.tsx; after: 1)", "task-2: B <- task-1 | app/(group)/[id]/page.tsx"),
        ("- B\n  **files:** **/*.rs", "task-2: B | **/*.rs"),
        ("- B\n  files: src/b.rs; after: 1", "task-2: B <- task-1 | src/b.rs"),
        ("- B\n  id: beta", "beta: B"),
        ("- B [id: beta, after: 1]", "beta: B <- task-1"),
        ("- B\n  Agent: the user's browser", "task-2: B"),
        ("- B\n  The file is parsed after: that we print", "task-2: B"),
        ("- Show `id: x` in B", "task-2: Show `id: x` in B"),
        ("- B\n  ```\n  after: 1\n  id: zeta\n  - C\n  ## D\n  ```", "task-2: B"),
    ];
    for (text, expected) in table {
        assert_eq!(shown(&format!("- A\n{text}"))[1], *expected, "{text}");
    }
    let estimates = [("30m", 30), ("2h", 120), ("1h30m", 90), ("1.5 h", 90), ("~45 min", 45), ("20", 20), ("1d", 480)];
    for (text, minutes) in estimates {
        assert_eq!(drafts(&format!("- A\n  estimate: {text}"))[0].estimate, Some(minutes), "{text}");
    }
    assert_eq!(drafts("- A\n  estimate: soon")[0].estimate, None);
    assert_eq!(drafts("- A (agent: command)")[0].agent.as_deref(), Some("command"));
}

#[test]
fn references_name_tasks_by_number_id_title_or_its_beginning() {
    let head = "- Parse, then print\n- Sort the words\n- Sort the lines\n  id: lines\n- Ship and celebrate\n";
    let table: &[(&str, &[&str])] = &[
        ("1, 2", &["task-1", "task-2"]),
        ("1 and 3", &["task-1", "lines"]),
        ("1-3", &["task-1", "task-2", "lines"]),
        ("Parse, then print", &["task-1"]),
        ("Parse, then print, 2", &["task-1", "task-2"]),
        ("LINES; sort the words", &["lines", "task-2"]),
        ("Ship and celebrate and 2", &["task-4", "task-2"]),
        ("\"ship\"", &["task-4"]),
        ("all", &["task-1", "task-2", "lines", "task-4"]),
        ("1, 1, task-1", &["task-1"]),
    ];
    for (text, expected) in table {
        let all = drafts(&format!("{head}- Last\n  after: {text}"));
        assert_eq!(all[4].depends_on, *expected, "{text}");
    }
    for bad in ["9", "0", "sort", "The moon", "1, the moon", "3-9"] {
        let wrong = Outline.propose(&brief(&format!("{head}- Last\n  after: {bad}"))).unwrap_err();
        let PlannerError::Invalid { faults, .. } = wrong else { panic!("{bad}: {wrong}") };
        assert_eq!(faults.len(), 1, "{bad}: {faults:?}");
        assert_eq!(faults[0].task.as_deref(), Some("task-5"), "{bad}");
    }
}

#[test]
fn every_prompt_stands_alone_and_fences_stay_whole() {
    let text = "We count words.\n\n```sh\n- shared\n```\n\n## Parse\nRead it.\n\n```aura\n## not a heading\n\twrite src/a.rs\n\n- nor a task\n```\n\nfiles: src/a.rs\n\n\
                ## Print\nafter: Parse\n\n~~~~aura\n~~~\nwrite out\n~~~~\n";
    let all = drafts(text);
    assert_eq!(all.len(), 2);
    for part in [
        "Count words",
        "We count words.",
        "```sh\n- shared\n```",
        "Read it.",
        "```aura\n## not a heading\n\twrite src/a.rs\n\n- nor a task\n```",
        "`src/a.rs`",
        "- Print",
    ] {
        assert!(all[0].description.contains(part), "{part}\n{}", all[0].description);
    }
    assert!(!all[0].description.contains("write out"));
    assert!(!all[0].description.contains("files: src/a.rs"));
    assert!(all[1].description.contains("~~~~aura\n~~~\nwrite out\n~~~~"), "{}", all[1].description);
    assert!(all[1].description.contains("build on it:\n- Parse"), "{}", all[1].description);
    // In a list, the block moves to the margin with the item.
    let listed = drafts("- Parse\n\n  ```aura\n  a\n    b\n  ```\n- Print");
    assert!(listed[0].description.contains("\n```aura\na\n  b\n```\n"), "{}", listed[0].description);
}

#[test]
fn a_test_task_is_added_only_where_none_is_mentioned() {
    let wanted = |description: &str| {
        let brief = PlanBrief { include_tests: true, ..brief(description) };
        let (plan, _) = propose_checked(&Outline, &brief).unwrap();
        plan.tasks
            .last()
            .map(|task| (task.id.to_string(), task.depends_on.iter().map(ToString::to_string).collect::<Vec<_>>().join(" ")))
            .unwrap()
    };
    assert_eq!(wanted("just words"), ("tests".into(), "task-1".into()));
    assert_eq!(wanted("- A\n- B\n  after: 1\n- C"), ("tests".into(), "task-2 task-3".into()));
    assert_eq!(wanted("- A\n- B\n  id: Tests"), ("tests-2".into(), "task-1 Tests".into()));
    assert_eq!(wanted("- A\n- Test A").0, "task-2");
    assert_eq!(wanted("- A, with unit tests").0, "task-1");
    assert_eq!(wanted("- A\n  ```\n  test -f x\n  ```").0, "tests");
}

#[test]
fn what_is_wrong_is_said_with_the_tasks_name_and_not_asked_again() {
    let table = [
        ("- A\n  id: x\n- B\n  id: X", "X", "only by case"),
        ("- A\n  after: 2\n- B\n  after: 1", "task-1", "circle"),
        ("- A\n  files: ../up", "task-1", "not a path"),
        ("- A (agent: nobody)", "task-1", "`nobody`, which is not configured; there is `copilot`, `command`"),
        ("- A\n  id: a/b", "a/b", "not a task id"),
        ("- [x] A", "", "nothing left to do"),
    ];
    for (text, task, message) in table {
        let wrong = propose_checked(&Outline, &brief(text)).unwrap_err();
        let PlannerError::Invalid { faults, .. } = wrong else { panic!("{text}: {wrong}") };
        let named =
            faults.iter().any(|fault| fault.task.clone().unwrap_or_default().eq_ignore_ascii_case(task) && fault.message.contains(message));
        assert!(named, "{text}: {faults:?}");
    }
}

#[test]
fn long_texts_are_bounded_without_losing_the_task() {
    let context = "```\n".to_owned() + &"words of context\n".repeat(2000) + "```\n";
    let all = drafts(&format!("Start.\n{context}\n- {}\n  end of it\n- B", "long title ".repeat(40)));
    assert!(all[0].title.chars().count() <= 101 && all[0].title.ends_with('…'), "{}", all[0].title);
    assert!(all[0].description.contains(&"long title ".repeat(39)));
    assert!(all[0].description.len() < 64 * 1024);
    assert!(all[0].description.contains("Start.\n(The rest of the story's text is left out here.)"), "no half of a fenced block");
    // Shapes that would take very long if every part looked at every other.
    let after = format!("- A\n- B\n  after: {}", "1,".repeat(20_000));
    let texts = [
        "- (".to_owned() + &"(".repeat(60_000),
        format!("- {}", "(id: a)".repeat(8_000)),
        after,
        "- a\n".repeat(16_000),
        "## why\n".repeat(8_000),
        "id: x ".repeat(10_000),
    ];
    let started = std::time::Instant::now();
    for text in texts {
        let _ = Outline.propose(&brief(&text));
    }
    assert!(started.elapsed().as_secs() < 60, "{:?}", started.elapsed());
    let many = "- item\n".repeat(501);
    assert!(propose_checked(&Outline, &brief(&many)).is_err());
    let most = context + &"- item\n".repeat(500);
    assert_eq!(propose_checked(&Outline, &brief(&most)).unwrap().0.tasks.len(), 500);
}

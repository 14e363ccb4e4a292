//! docs/outline.md shows descriptions and the plans that come of them; here they are run.
#![allow(clippy::unwrap_used)] // helpers of tests are tests

use aura::planner::{Outline, PlanBrief, PlannerError, propose_checked};

/// The fenced blocks of a page: their word and text.
fn blocks(page: &str) -> Vec<(String, String)> {
    let mut found: Vec<(String, String)> = vec![];
    let mut open: Option<String> = None;
    for line in page.lines() {
        let fence: String = line.chars().take_while(|&c| c == '`').collect();
        match &open {
            Some(ticks) if *ticks == line => open = None,
            Some(_) => {
                let (_, text) = found.last_mut().unwrap();
                text.push_str(line);
                text.push('\n');
            }
            None if fence.len() >= 3 => {
                found.push((line[fence.len()..].to_owned(), String::new()));
                open = Some(fence);
            }
            None => {}
        }
    }
    found
}

fn planned(description: &str) -> (&'static str, String) {
    let brief =
        PlanBrief { title: "Count words".into(), description: description.into(), agents: vec!["copilot".into()], ..PlanBrief::default() };
    match propose_checked(&Outline, &brief) {
        Ok((plan, _)) => {
            let join = |list: Vec<&str>, before: &str, after: &str| {
                if list.is_empty() { String::new() } else { format!("{before}{}{after}", list.join(" ")) }
            };
            let row = |task: &aura::domain::PlannedTask| {
                let after = join(task.depends_on.iter().map(aura::domain::TaskId::as_str).collect(), " ← ", "");
                let files = join(task.files.iter().map(String::as_str).collect(), " [", "]");
                format!("{} (wave {}) {}{after}{files}\n", task.id, task.wave, task.title)
            };
            ("plan", plan.tasks.iter().map(row).collect())
        }
        Err(PlannerError::Invalid { faults, .. }) => {
            ("refused", faults.iter().map(ToString::to_string).collect::<Vec<_>>().join("\n") + "\n")
        }
        Err(other) => panic!("{other}"),
    }
}

#[test]
fn every_example_gives_the_plan_beside_it() {
    let page = std::fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/docs/outline.md")).unwrap();
    let blocks = blocks(&page);
    let (pairs, rest) = blocks.as_chunks::<2>();
    assert!(rest.is_empty() && pairs.len() >= 8, "examples come in pairs");
    for [(word, description), (kind, expected)] in pairs {
        assert_eq!(word, "markdown");
        assert_eq!((planned(description).0, planned(description).1.as_str()), (kind.as_str(), expected.as_str()), "{description}");
    }
}

#[test]
fn a_block_goes_into_its_own_prompt_only() {
    let page = std::fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/docs/outline.md")).unwrap();
    let blocks = blocks(&page);
    let (_, description) = blocks.iter().find(|(_, text)| text.contains("```script")).unwrap();
    let brief = PlanBrief { title: "Count words".into(), description: description.clone(), ..PlanBrief::default() };
    let (plan, _) = propose_checked(&Outline, &brief).unwrap();
    assert!(plan.tasks[0].description.contains("\n```script\nwrite src/parse.rs\n```\n"));
    assert!(!plan.tasks[0].description.contains("src/print.rs"));
    assert!(plan.tasks[1].description.contains("\n```script\nwrite src/print.rs\n```\n"));
}

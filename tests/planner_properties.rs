//! Descriptions and answers of any shape: planners never panic, never lose an item, never take long.
#![allow(clippy::unwrap_used)] // helpers of tests are tests

use aura::domain::Plan;
use aura::planner::{FactsBudget, Outline, PlanBrief, Planner, PlannerError, RepoFacts, Source, clean_reading, propose_checked, reply};
use proptest::prelude::*;

fn brief(description: String) -> PlanBrief {
    PlanBrief { title: "Count words".into(), description, include_tests: true, ..PlanBrief::default() }
}

/// Text made of what outlines are made of.
fn outline() -> impl Strategy<Value = String> {
    let piece = prop::sample::select(vec![
        "# ",
        "## ",
        "### ",
        "- ",
        "* ",
        "1. ",
        "22) ",
        "- [ ] ",
        "- [x] ",
        "\n",
        "\n\n",
        "  ",
        "\t",
        "```",
        "~~~",
        "````",
        "<!--",
        "-->",
        "after: ",
        "(after ",
        "files:",
        "id: ",
        "agent: ",
        "estimate: ",
        "**",
        "`",
        "(",
        ")",
        "[",
        "]",
        ",",
        ";",
        " and ",
        "1",
        "2-3",
        "task-1",
        "Tasks",
        "Notes",
        "word",
        "ü",
        "🙂",
        "\u{0}",
        "\r\n",
        "---",
        "İ",
        ":",
        "a/b.rs",
        "#",
    ]);
    prop::collection::vec(piece, 0..60).prop_map(|pieces| pieces.concat())
}

/// Text made of what answers are made of.
fn answer() -> impl Strategy<Value = String> {
    let piece = prop::sample::select(vec![
        "{",
        "}",
        "[",
        "]",
        "\"tasks\":",
        "\"id\":",
        "\"title\":",
        "\"description\":",
        "\"dependsOn\":",
        "\"files\":",
        "\"a\"",
        "\"b\"",
        "1",
        "null",
        ",",
        "\n",
        "```json\n",
        "```\n",
        "\\",
        "\"",
        "ü",
        " ",
        r#"{"id":"a","title":"A","description":"D"}"#,
        "\"plan\":",
        "-1e999",
        "\"estimate\":",
        "\"1h\"",
    ]);
    prop::collection::vec(piece, 0..40).prop_map(|pieces| pieces.concat())
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 2000, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn any_description_is_a_plan_or_faults_and_always_the_same(text in outline()) {
        let first = Outline.propose(&brief(text.clone()));
        match (&first, Outline.propose(&brief(text.clone()))) {
            (Ok(one), Ok(two)) => prop_assert_eq!(one, &two),
            (Err(PlannerError::Invalid { faults, .. }), Err(PlannerError::Invalid { faults: again, .. })) => {
                prop_assert!(!faults.is_empty());
                prop_assert_eq!(faults, &again);
            }
            (one, two) => prop_assert!(false, "{:?} and {:?}", one, two),
        }
        if let Ok(proposal) = first {
            for draft in &proposal.drafts {
                prop_assert!(draft.description.contains("## Your task"));
            }
            let _ = propose_checked(&Outline, &brief(text));
        }
    }

    #[test]
    fn plain_items_are_all_tasks_and_keep_their_words(titles in prop::collection::vec("[A-Z][a-z]{2,8} [a-z]{2,8}", 1..12), style in 0..5_usize) {
        let line = |(i, title): (usize, &String)| match style {
            0 => format!("- {title}\n  more about {title}\n"),
            1 => format!("{}. {title}\n\n   more about {title}\n", i + 1),
            2 => format!("- [ ] {title}\n  more about {title}\n"),
            3 => format!("## {title}\n\nmore about {title}\n\n"),
            _ => format!("### {title}\nmore about {title}\n"),
        };
        let named = |title: &String| ["Tasks", "Plan", "Steps", "Work", "Notes", "Goal", "Goals", "Context", "Why"].iter().any(|name| title.starts_with(name));
        prop_assume!(!titles.iter().any(named));
        let text: String = titles.iter().enumerate().map(line).collect();
        let brief = PlanBrief { include_tests: false, ..brief(text.clone()) };
        let drafts = Outline.propose(&brief).map_err(|error| TestCaseError::fail(format!("{error}: {text}")))?.drafts;
        let found: Vec<&String> = drafts.iter().map(|draft| &draft.title).collect();
        prop_assert_eq!(found, titles.iter().collect::<Vec<_>>(), "{}", text);
        for (draft, title) in drafts.iter().zip(&titles) {
            let own = format!("more about {title}");
            prop_assert!(draft.description.contains(&own), "{}", draft.description);
        }
    }

    #[test]
    fn fenced_blocks_arrive_as_they_were(lines in prop::collection::vec("[-#*` a-z0-9:.\t]{0,12}", 0..8)) {
        prop_assume!(!lines.iter().any(|line| line.trim_start().starts_with("````")));
        let block = [vec!["````x".to_owned()], lines, vec!["````".to_owned()]].concat().join("\n");
        let text = format!("## Parse\n{block}\n## Print\nafter: 1\n");
        let drafts = Outline.propose(&brief(text)).map_err(|error| TestCaseError::fail(error.to_string()))?.drafts;
        prop_assert!(drafts[0].description.contains(&block), "{}", drafts[0].description);
        prop_assert!(!drafts[1].description.contains("````"));
        prop_assert_eq!(&drafts[1].depends_on, &["task-1"]);
    }

    #[test]
    fn any_answer_is_drafts_or_a_reason(text in prop_oneof![answer(), any::<String>()]) {
        match reply::read(&text) {
            Ok(drafts) => { let _ = Plan::check(drafts); }
            Err(why) => prop_assert!(!why.is_empty()),
        }
    }

    #[test]
    fn drafts_survive_json_prose_and_fences(count in 1..6_usize, noise in "[a-z .]{0,20}", style in 0..4_usize) {
        let tasks: Vec<_> = (0..count).map(|i| serde_json::json!({"id": format!("t{i}"), "title": format!("T {i}"), "description": "x {[\"`\n", "dependsOn": if i > 0 { vec![format!("t{}", i - 1)] } else { vec![] }})).collect();
        let object = serde_json::json!({"tasks": tasks});
        let text = match style {
            0 => object.to_string(),
            1 => format!("{noise}\n```json\n{object:#}\n```\n{noise}"),
            2 => format!("{noise} {object:#} {noise}"),
            _ => format!("{noise}\n{}\n{noise}", serde_json::Value::from(tasks)),
        };
        let drafts = reply::read(&text).map_err(|why| TestCaseError::fail(format!("{why}: {text}")))?;
        prop_assert_eq!(drafts.len(), count);
        prop_assert!(Plan::check(drafts).is_ok());
    }

    #[test]
    fn facts_and_readings_never_panic(title in any::<String>(), text in any::<String>(), path in any::<String>(), max in 0..3000_usize) {
        let files = vec![(path, 3)];
        let read = |_: &str, max: usize| Some(text.as_bytes()[..text.len().min(max)].to_vec());
        let facts = RepoFacts::gather(&Source { files: &files, read: &read, log: &[], grep: &|_, _| vec![] }, &title, &text, FactsBudget::default());
        prop_assert!(facts.to_prompt(max).len() <= max);
        let _ = clean_reading(&text);
    }
}

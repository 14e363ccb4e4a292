//! Planners as a person meets them: what `aura.toml` and the messages say about planners is what works, and what the
//! documentation of the outline promises holds for texts that nobody tidied.
#![allow(clippy::unwrap_used)] // helpers of tests are tests

use aura::config::Config;
use aura::domain::TaskDraft;
use aura::planner::{Given, Outline, PlanBrief, Planner, PlannerConfig, PlannerError, build};

/// The planner tables of an `aura.toml`, read as the program reads them.
fn configured(text: &str) -> Result<Config, aura::error::Error> {
    let (home, root) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    std::fs::write(root.path().join("aura.toml"), text).unwrap();
    Config::load(home.path(), Some(root.path()))
}

fn planner_of(text: &str) -> PlannerConfig {
    configured(text).unwrap().planners.remove("mine").unwrap()
}

fn brief(description: &str) -> PlanBrief {
    PlanBrief { title: "Count words".into(), description: description.into(), ..PlanBrief::default() }
}

fn outlined(description: &str) -> Vec<TaskDraft> {
    Outline.propose(&brief(description)).map_or_else(|error| panic!("{error}: {description}"), |proposal| proposal.drafts)
}

#[test]
fn the_table_that_messages_name_is_a_table_of_the_file() {
    let build_error = build(&planner_of("[planners.mine]\nkind = 'openai'\n"), Given { api_key: Some("k".into()), ask: None });
    let Err(error) = build_error else { panic!("a model is needed") };
    let mut said = vec![error.to_string(), aura::error::Error::from(error).hint.unwrap_or_default()];
    let named = |planner: &str| planner.to_owned();
    for error in [
        PlannerError::NeedsLogin { planner: named("openai"), detail: String::new() },
        PlannerError::TimedOut { planner: named("openai"), after_s: 1 },
        PlannerError::Unreachable { planner: named("openai"), doing: String::new(), source: "x".into() },
        PlannerError::Refused { planner: named("openai"), detail: String::new() },
        PlannerError::Config { detail: String::new() },
    ] {
        said.push(aura::error::Error::from(error).hint.unwrap_or_default());
    }
    let named: Vec<&str> = said.iter().flat_map(|text| text.match_indices('[').map(|(at, _)| &text[at..])).collect();
    assert!(!named.is_empty());
    for text in named {
        let table = text.split_inclusive(']').next().unwrap().replace("NAME", "mine");
        assert!(configured(&format!("{table}\nkind = 'outline'\n")).is_ok(), "{table} is said, and refused in aura.toml");
    }
}

#[test]
fn settings_that_a_kind_has_no_use_for_are_refused() {
    for (kind, setting) in [
        ("", "model = 'm'"),
        ("kind = 'outline'", "base_url = 'http://localhost:1/v1'"),
        ("kind = 'outline'", "api_key_env = 'MINE'"),
        ("kind = 'copilot'", "model = 'm'"),
        ("kind = 'copilot'", "base_url = 'http://localhost:1/v1'"),
    ] {
        let config = planner_of(&format!("[planners.mine]\n{kind}\n{setting}\n"));
        let ask: aura::planner::Ask = Box::new(|_: &str| Ok(String::new()));
        match build(&config, Given { api_key: None, ask: Some(ask) }) {
            Err(PlannerError::Config { detail }) => {
                let key = setting.split(' ').next().unwrap();
                assert!(detail.contains(&format!("`{key}`")) && detail.contains("kind"), "{detail}");
            }
            Err(other) => panic!("{kind} {setting}: {other}"),
            Ok(planner) => panic!("{kind} {setting}: silently the {} planner", planner.name()),
        }
    }
}

#[test]
fn fences_marks_and_lists_of_untidy_texts() {
    let text = "Use the crate `words`.\r\n\r\n1. Parse the input\r\n   after: none\r\n   ```sh\r\n   - not an item\r\n   after: 9\r\n   ## nor a heading\r\n   ```\r\n\
                2. Print the words (after 1)\r\n\t- estimate: 2h\r\n\t- files: src/print.rs, `src/sort.rs`\r\n3. Ship\r\n   depends on: Print the words\r\n   id: ship\r\n";
    let drafts = outlined(text);
    let ids: Vec<&str> = drafts.iter().filter_map(|draft| draft.id.as_deref()).collect();
    assert_eq!(ids, ["task-1", "task-2", "ship"]);
    assert!(drafts[0].description.contains("- not an item") && drafts[0].description.contains("after: 9"), "{}", drafts[0].description);
    assert!(!drafts[0].description.contains("after: none"));
    assert_eq!((drafts[1].depends_on.as_slice(), drafts[1].estimate), (["task-1".to_owned()].as_slice(), Some(120)));
    assert_eq!(drafts[1].files, ["src/print.rs", "src/sort.rs"]);
    assert_eq!(drafts[2].depends_on, ["task-2"]);
    for draft in &drafts {
        assert!(draft.description.contains("Use the crate `words`."), "context heads every prompt");
        assert!(!draft.description.contains('\r') && !draft.title.contains("after"), "{:?}", draft.title);
        assert!(!draft.description.contains("estimate:") && !draft.description.contains("depends on:"), "{}", draft.description);
    }
}

#[test]
fn an_open_fence_ends_with_the_text() {
    let drafts = outlined("- A thing\n  ```\n- not an item\n");
    assert_eq!(drafts.len(), 1, "{drafts:?}");
    let drafts = outlined("~~~\n- no item\n~~~\n- The item\n");
    assert_eq!((drafts.len(), drafts[0].title.as_str()), (1, "The item"));
}

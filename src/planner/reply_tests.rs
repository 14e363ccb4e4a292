use super::*;
use crate::domain::Plan;

const ONE: &str = r#"{"id":"a","title":"A","description":"Do A."}"#;

fn ids(answer: &str) -> Vec<String> {
    read(answer).unwrap_or_else(|why| panic!("{answer}: {why}")).into_iter().map(|draft| draft.id.unwrap()).collect()
}

#[test]
fn the_plan_is_found_wherever_it_stands() {
    let bare = format!(r#"{{"tasks":[{ONE}]}}"#);
    let answers = [
        bare.clone(),
        format!("  \n{bare}\n\n"),
        format!("\u{feff}{bare}"),
        format!("[{ONE}]"),
        ONE.to_owned(),
        format!("```json\n{bare}\n```"),
        format!("```\n{bare}\n```"),
        format!("Here is the plan:\n\n```json\n{bare}\n```\nGood luck!"),
        format!("Sure! {bare} I hope that {{helps}}."),
        format!("See [1] and [2]: {bare}"),
        format!(
            "First thought:\n```json\n[{{\"title\":\"old\",\"description\":\"x\",\"id\":\"old\"}}]\n```\nBetter:\n```json\n{bare}\n```"
        ),
        format!("```json\n{bare}"),
        format!("````md\n```\n````\n{bare}"),
        format!(r#"{{"plan":{{"tasks":[{ONE}]}}}}"#),
        format!(r#"{{"result":{{"plan":[{ONE}]}}}}"#),
        r#"{"Tasks":{"a":{"title":"A","description":"Do A."}}}"#.to_owned(),
        format!("{{\"tasks\":[{},],}}", ONE.replace('}', ",}")),
        "{\"tasks\":[{\"id\":\"a\",\"title\":\"A\",\"description\":\"Do\nA.\"}]}".to_owned(),
        serde_json::to_string(&bare).unwrap(),
        format!("{{\"thoughts\": \"none\", \"tasks\": [{ONE}], \"waves\": [[\"a\"]]}}"),
    ];
    for answer in answers {
        assert_eq!(ids(&answer), ["a"], "{answer}");
    }
}

#[test]
fn what_holds_no_plan_is_said_so() {
    let deep = "[".repeat(100_000);
    let long = " ".repeat(ANSWER_BYTES_MAX + 1);
    let cut = format!(r#"{{"tasks":[{ONE},{{"id":"b","title":"B","descr"#);
    for bad in
        ["", "No.", "{}", "[]", "null", "3", "[1,2]", "{\"tasks\":3}", "{\"files\":[{\"path\":\"a\"}]}", "```json\n```", &deep, &long, &cut]
    {
        let why = read(bad).unwrap_err();
        assert!(why.len() < 200, "{why}");
    }
    assert_eq!(read(r#"{"tasks":[]}"#).unwrap(), [], "an empty plan is for the plan's check to refuse");
    let many = format!(r#"{{"tasks":[{}]}}"#, vec![ONE; TASKS_MAX + 1].join(","));
    assert!(read(&many).unwrap_err().contains("501 tasks"));
}

#[test]
fn keys_and_values_are_read_in_any_spelling() {
    let full = TaskDraft {
        id: Some("2".into()),
        title: "Second task".into(),
        description: "Do it.\nAll of it.".into(),
        depends_on: vec!["1".into()],
        files: vec!["src/a.rs".into(), "src/b.rs".into()],
        agent: Some("copilot".into()),
        estimate: Some(30),
    };
    let table = [
        r#"{"id":2,"title":"Second task","description":"Do it.\nAll of it.","dependsOn":[1],"files":["src/a.rs","src/b.rs"],"agent":"copilot","estimate":30}"#,
        r#"{"task_id":"2","name":"Second\n task","prompt":["Do it.","All of it."],"depends_on":["1"],"files":"src/a.rs, `src/b.rs`","agent":"copilot","estimate":"30m"}"#,
        r#"{"ID":" 2 ","Title":"Second task ","Description":"Do it.\nAll of it.","Dependencies":[{"id":1}],"Files":[{"path":"src/a.rs"},{"path":"src/b.rs"}],"agent":" copilot","estimatedMinutes":29.5,"wave":7}"#,
        r#"{"id":"2","title":"Second task","description":"Do it.\nAll of it.","depends-on":"First","files":["src/a.rs","src/b.rs",""],"agent":"copilot","estimate":"0.5h"}"#,
    ];
    for task in table {
        let answer = format!(
            r#"{{"tasks":[{{"id":1,"title":"First","description":"Do.","agent":null,"dependsOn":null,"files":null,"estimate":null}},{task}]}}"#
        );
        let drafts = read(&answer).unwrap();
        assert_eq!(drafts[1], full, "{task}");
        assert_eq!((drafts[0].agent.as_ref(), drafts[0].estimate), (None, None));
        assert!(Plan::check(drafts).is_ok(), "{task}");
    }
}

#[test]
fn ids_are_made_safe_together_with_what_refers_to_them() {
    let answer = r#"[{"id":"Task 1","title":"A","description":"x"},{"id":"api/users","title":"B","description":"x","dependsOn":["Task 1"]},
        {"title":"C","description":"x","dependsOn":["api/users","B","nowhere"]},{"id":"!","title":"D","description":"x"}]"#;
    let drafts = read(answer).unwrap();
    let ids: Vec<&str> = drafts.iter().filter_map(|draft| draft.id.as_deref()).collect();
    assert_eq!(ids, ["Task-1", "api-users", "task-3", "!"]);
    assert_eq!(drafts[1].depends_on, ["Task-1"]);
    assert_eq!(drafts[2].depends_on, ["api-users", "api-users", "nowhere"]);
}

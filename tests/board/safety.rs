//! Who may look, and what a story may not do to the page.

use crate::stage::{Stage, task};
use serde_json::json;

#[test]
fn only_who_has_the_link_looks_and_refusals_are_said() {
    let Some(mut stage) = Stage::new() else { return };
    stage.play_with("login.mjs", &json!({}), |stage, ask| match ask["ask"].as_str().unwrap() {
        "link" => stage.server().post("/api/link", &json!({})).json(),
        other => panic!("{other}"),
    });
}

#[test]
fn a_story_that_tries_to_run_scripts_is_text() {
    let Some(mut stage) = Stage::new() else { return };
    let image = "<img src=x onerror=\"window.pwned=1\">";
    let script = "</script><script>window.pwned=1</script>";
    let link = "[click](javascript:window.pwned=1) \u{202e}txet siht sesrever\u{2066}";
    let long = "W".repeat(10_000);
    let words = json!([image, script, link, long, "\u{1b}[31m\u{7}red", "&lt;img src=x onerror=window.pwned=1&gt;"]);
    let said: Vec<_> = words.as_array().unwrap().iter().map(|text| json!(["say", text])).collect();
    let mut work = said.clone();
    work.extend([
        json!(["write", "<img src=x onerror=window.pwned=1>.txt", script]),
        json!(["write", "a b\u{202e}txt.exe", format!("{image}\n{long}\n")]),
        json!(["say", image]),
        json!(["await", "go"]),
    ]);
    stage.script("task-1", &json!({ "work": work }));
    stage.script("task-2", &json!({ "work": [["say", link], ["write", "'\";`--.md", long], ["await", "go"]] }));
    stage.script("task-3", &json!({ "work": [["say", script], ["await", "go"], ["say", image], ["exit", 1]] }));
    let mut tasks = [task("task-1", image, &[]), task("task-2", "[click](javascript:window.pwned=1)", &[]), task("task-3", script, &[])];
    for task in &mut tasks {
        task["description"] = json!(format!("{image}\n{script}\n{link}\n{long}\n```html\n{image}\n```"));
    }
    let title = format!("{image}{script}{}", "W".repeat(100));
    let story = stage.planned(&title, &tasks);
    let other = stage.planned("javascript:window.pwned=1//", &[task("task-1", &"M".repeat(200), &[])]);
    let ran = story.clone();
    stage.play_with("hostile.mjs", &json!({ "story": story, "other": other }), |stage, ask| match ask["ask"].as_str().unwrap() {
        "ended" => stage.ended(&ran),
        other => panic!("{other}"),
    });
}

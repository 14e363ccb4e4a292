//! Everybody can use the board.

use crate::stage::{Stage, task};
use serde_json::json;

#[test]
fn nothing_serious_keeps_people_from_using_the_page_and_no_mouse_is_needed() {
    let Some(mut stage) = Stage::new() else { return };
    let done = stage.planned("A story that is done", &[task("task-9", "Only this", &[])]);
    stage.cli.json(&["run", &done, "--all"]).well();
    let empty = stage.cli.story("A story without a plan");
    let work = json!([["say", "task-1 looks at <the> code"], ["write", "a.txt", "one\ntwo\n"], ["await", "go"]]);
    stage.script("task-1", &json!({ "work": work }));
    stage.script("task-2", &json!({ "work": [["say", "no space left"], ["exit", 1]] }));
    let tasks = [
        task("task-1", "Read the code", &[]),
        task("task-2", "Write the code", &[]),
        task("task-3", "Test the code", &["task-1"]),
        task("task-4", "Describe the code", &["task-1", "task-2"]),
    ];
    let running = stage.planned("A story that runs", &tasks);
    let ran = running.clone();
    let about = json!({ "done": done, "empty": empty, "running": running });
    stage.play_with("access.mjs", &about, |stage, ask| match ask["ask"].as_str().unwrap() {
        "ended" => stage.ended(&ran),
        other => panic!("{other}"),
    });
}

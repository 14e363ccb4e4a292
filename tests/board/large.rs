//! Two hundred tasks and ten megabytes of transcript. What makes the page smooth is tested: few rows, and nodes that stay. How
//! smooth it is, is measured by `cargo bench --bench aura -- board`.

use crate::stage::{Stage, task};
use serde_json::{Value, json};

const TASKS: usize = 200;
const AGENTS: usize = 8;
/// So many lines of so many bytes: ten megabytes.
const LINES: usize = 100_000;
const LINE_BYTES: usize = 105;
/// How often every agent says something while the page is watched.
const ROUNDS: usize = 12;

/// Plays the scene; what it measured, in milliseconds.
pub fn figures() -> Option<Value> {
    let mut stage = Stage::new()?;
    for n in 1..=AGENTS {
        let flood = if n == 1 { json!(["flood", LINES, LINE_BYTES]) } else { json!(["say", "begins"]) };
        stage.script(&format!("task-{n}"), &json!({ "work": [flood, ["say", "ready"], ["rounds", ROUNDS], ["await", "go"]] }));
    }
    let name = |n: usize| format!("task-{n}");
    let tasks: Vec<Value> = (1..=TASKS)
        .map(|n| match n.checked_sub(AGENTS).filter(|before| *before > 0) {
            Some(before) if n % 3 == 0 && before > 1 => {
                task(&name(n), &format!("Part {n} of the work"), &[&name(before), &name(before - 1)])
            }
            Some(before) => task(&name(n), &format!("Part {n} of the work"), &[&name(before)]),
            None => task(&name(n), &format!("Part {n} of the work"), &[]),
        })
        .collect();
    let story = stage.planned("A large story", &tasks);
    let run = story.clone();
    let about = json!({ "story": story, "tasks": TASKS, "running": AGENTS, "lines": LINES, "rounds": ROUNDS });
    let learnt = stage.play_with("large.mjs", &about, |stage, ask| match ask["ask"].as_str().unwrap() {
        "run" => stage.cli.json(&["run", &run, "--all", "--detach"]).well(),
        "story" => json!(stage.cli.story(ask["title"].as_str().unwrap())),
        other => panic!("{other}"),
    });
    Some(learnt["figures"].clone())
}

#[test]
fn a_large_story_and_a_long_transcript_cost_few_nodes_and_keep_them() {
    if let Some(figures) = figures() {
        eprintln!("{figures}");
    }
}

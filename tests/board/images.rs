//! The images of the README: taken of a story that runs, in the real browser.

use crate::stage::{Stage, task};
use serde_json::{Value, json};
use std::fs;
use std::path::Path;

/// With it, the images are taken for `docs/images`, and the story takes the time that makes them worth looking at.
const SWITCH: &str = "AURA_BOARD_IMAGES";
const BYTES_MAX: u64 = 200 * 1024;

/// Title, what it waits for, what its agent does, how many tokens it takes.
type Row = (&'static str, &'static [&'static str], &'static [(&'static str, &'static str)], u64);
const TASKS: [Row; 9] = [
    ("Check e-mail addresses", &[], &[("view", "src/lib.rs"), ("create", "src/email.rs"), ("bash", "cargo test email")], 182_400),
    ("Check passwords", &[], &[("view", "src/lib.rs"), ("create", "src/password.rs")], 96_100),
    ("Describe the rules", &[], &[("create", "docs/rules.md")], 41_300),
    ("Validate a whole user", &["task-1", "task-2"], &[("view", "src/email.rs"), ("create", "src/validate.rs")], 120_700),
    ("Answer with every fault", &["task-1"], &[("edit", "src/api.rs"), ("bash", "cargo check")], 88_000),
    ("Show faults beside the fields", &["task-2"], &[("edit", "web/form.ts"), ("bash", "npm test")], 134_900),
    ("Refuse bad users at sign-up", &["task-4", "task-5"], &[("edit", "src/signup.rs")], 75_500),
    ("Link the rules from the form", &["task-3", "task-6"], &[("edit", "web/form.ts")], 22_800),
    ("Try it from end to end", &["task-7", "task-8"], &[("create", "tests/signup.rs")], 160_200),
];

fn scripts(stage: &Stage) -> Vec<Value> {
    let mut plan = vec![];
    for (at, (title, after, tools, tokens)) in TASKS.iter().enumerate() {
        let id = format!("task-{}", at + 1);
        let file = tools.iter().find(|(tool, _)| *tool != "view" && *tool != "bash").map_or("notes.md", |(_, path)| path);
        let mut work = vec![json!(["say", format!("I read the story and what is there already. Next: {}.", title.to_lowercase())])];
        work.extend(tools.iter().map(|(tool, about)| json!(["tool", tool, about])));
        let text = format!(
            "//! {title}.\n\npub fn check(text: &str) -> Result<(), &'static str> {{\n    match text.trim() {{\n        \"\" => Err(\"this may not be empty\"),\n        _ => Ok(()),\n    }}\n}}\n"
        );
        work.extend([
            json!(["write", file, text]),
            json!(["await", format!("go-{id}")]),
            json!(["usage", tokens, tokens / 40, tokens / 20_000 + 1]),
        ]);
        stage.script(&id, &json!({ "work": work, "summary": format!("{title}: done, with a test.") }));
        plan.push(task(&id, title, after));
    }
    plan
}

#[test]
fn the_images_of_the_readme_can_be_taken() {
    let Some(mut stage) = Stage::new() else { return };
    let taken = std::env::var_os(SWITCH).is_some();
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let folder = if taken { root.join("docs/images") } else { stage.cli.path("images") };
    fs::create_dir_all(&folder).unwrap();
    let plan = scripts(&stage);
    for title in ["Remember the chosen language", "Fewer queries on the start page"] {
        let id = stage.planned(title, &[task("task-91", "Only this", &[])]);
        stage.cli.json(&["run", &id, "--all"]).well();
    }
    let id = stage.cli.json(&["new", "Add user validation", "--agent", "copilot"]).well()["id"].as_str().unwrap().to_owned();
    stage.cli.call("decompose_story", &json!({ "storyId": id, "tasks": plan })).well();
    stage.play("screenshots.mjs", &json!({ "story": id, "folder": folder, "second": if taken { 1000 } else { 0 } }));
    for name in ["board-light", "board-dark", "board-task"] {
        let size = fs::metadata(folder.join(format!("{name}.png"))).unwrap().len();
        assert!((10_000..BYTES_MAX).contains(&size), "{name}.png: {size} bytes");
    }
}

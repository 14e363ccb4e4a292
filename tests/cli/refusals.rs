//! What every verb refuses: how it says so, and that nothing has changed afterwards.

use super::cli_world::{Cli, task};
use aura::error::Code;
use serde_json::{Value, json};

/// Tools about one story, with what else they need.
fn about_a_story() -> Vec<(&'static str, &'static str, Value)> {
    vec![
        ("get_story", "show", json!({})),
        ("analyze_story", "analyze", json!({ "factsOnly": true })),
        ("decompose_story", "decompose", json!({})),
        ("run_wave", "run", json!({})),
        ("wait_for_wave", "wait", json!({})),
        ("get_orchestrator_status", "status", json!({})),
        ("get_task_output", "log", json!({ "taskId": "task-1" })),
        ("retry_task", "retry", json!({ "taskId": "task-1" })),
        ("cancel_run", "cancel", json!({})),
        ("accept_findings", "accept", json!({})),
        ("complete_story", "complete", json!({})),
        ("remove_worktree", "clean", json!({})),
    ]
}

fn with(args: &Value, key: &str, value: Value) -> Value {
    let mut args = args.clone();
    args[key] = value;
    args
}

#[track_caller]
fn says(problem: &Value, words: &[&str]) {
    let text = format!("{} {}", problem["detail"].as_str().unwrap(), problem["hint"].as_str().unwrap_or_default());
    for word in words {
        assert!(text.contains(word), "does not say {word:?}: {text}");
    }
}

#[test]
fn an_id_that_names_no_story_or_several_is_refused_by_every_verb() {
    let cli = Cli::new();
    let first = cli.story("One");
    cli.story("Two");
    // Ids that are made within one minute begin alike.
    let shared = &first[..6];
    let unknown = "00000000-0000-7000-8000-000000000000";
    for (tool, command, args) in about_a_story() {
        for (id, code) in [
            (unknown, Code::NotFound),
            (shared, Code::Ambiguous),
            (&first[..5], Code::NotFound),
            ("", Code::NotFound),
            ("../../etc/passwd", Code::NotFound),
            ("%", Code::NotFound),
            ("______", Code::NotFound),
            ("' or 1=1 --", Code::NotFound),
            ("\u{1b}[2J\u{0}", Code::NotFound),
        ] {
            let problem = cli.unchanged(|| cli.call(tool, &with(&args, "storyId", json!(id))).refused(code));
            assert!(problem["hint"].is_string(), "{tool} {id:?}: {problem}");
            if id.contains('\0') {
                continue; // No such argument can be given to a program.
            }
            let mut words = vec![command, "--", id];
            words.extend(["log", "retry"].contains(&command).then_some("task-1"));
            words.insert(1, "--json");
            let same = cli.run(&words).refused(code);
            assert_eq!(same, problem, "the two doors of {tool} differ for {id:?}");
        }
    }
}

#[test]
fn arguments_that_do_not_fit_the_schema_are_refused_by_name() {
    let cli = Cli::new();
    let id = cli.planned(&[task("task-1", &[])]);
    let mut tools = about_a_story();
    for (_, _, args) in &mut tools {
        args["storyId"] = json!(id);
    }
    tools.push(("list_stories", "list", json!({})));
    tools.push(("create_story", "new", json!({ "title": "Another", "repositoryPath": cli.repo() })));
    for (tool, _, args) in tools {
        let refuse = |args: &Value| cli.unchanged(|| cli.call(tool, args).refused(Code::InvalidRequest));
        let problem = refuse(&with(&args, "storeyId", json!(1)));
        let known = args.as_object().unwrap().keys().next().map_or("limit", String::as_str);
        says(&problem, &[tool, "`storeyId`", known]);
        for (key, value) in args.as_object().unwrap() {
            let wrong = if value.is_boolean() { json!("yes") } else { json!({ "a": 1 }) };
            let problem = refuse(&with(&args, key, wrong));
            says(&problem, &[tool, &format!("`{key}`")]);
            if key == "factsOnly" || key == "repositoryPath" {
                continue;
            }
            let mut missing = args.clone();
            missing.as_object_mut().unwrap().remove(key);
            says(&refuse(&missing), &[tool, &format!("`{key}`")]);
        }
        for text in ["[]", "null", "7", "\"x\"", "{", "{}{}", "{\"a\":1,}", "nonsense", "\u{feff}\u{feff}{}"] {
            let problem = cli.unchanged(|| cli.call_with(tool, text.as_bytes()).refused(Code::InvalidRequest));
            says(&problem, &[tool, "JSON"]);
        }
        cli.unchanged(|| cli.call_with(tool, b"{\"storyId\":\"\xff\xfe\"}").refused(Code::InvalidRequest));
        let twice = cli.call_with(tool, b"{\"storyId\":\"latest\",\"storyId\":\"latest\",\"nope\":1}");
        twice.refused(Code::InvalidRequest);
    }
}

#[test]
fn wrong_types_name_what_was_expected() {
    let cli = Cli::new();
    let id = cli.planned(&[task("task-1", &[])]);
    for (tool, key, value) in [
        ("run_wave", "all", json!("yes")),
        ("run_wave", "mode", json!("both")),
        ("run_wave", "maxParallelism", json!(-1)),
        ("run_wave", "maxParallelism", json!(1.5)),
        ("run_wave", "maxParallelism", json!("four")),
        ("run_wave", "maxParallelism", json!(0)),
        ("run_wave", "maxParallelism", json!(257)),
        ("run_wave", "maxParallelism", json!(4_294_967_296_u64)),
        ("run_wave", "waitSeconds", json!(-1)),
        ("decompose_story", "maxParallelism", json!(0)),
        ("decompose_story", "maxParallelism", json!(257)),
        ("decompose_story", "maxParallelism", json!(-1)),
        ("decompose_story", "includeTests", json!("no")),
        ("decompose_story", "tasks", json!("a plan")),
        ("decompose_story", "planner", json!("nobody")),
        ("decompose_story", "tasks", json!({})),
        ("decompose_story", "tasks", json!([1])),
        ("complete_story", "publish", json!("everywhere")),
        ("get_task_output", "attempt", json!(-1)),
        ("get_task_output", "diff", json!(1)),
        ("cancel_run", "now", json!("now")),
    ] {
        let mut args = json!({ "storyId": id, key: value });
        if tool == "get_task_output" {
            args["taskId"] = json!("task-1");
        }
        let problem = cli.unchanged(|| cli.call(tool, &args).refused(Code::InvalidRequest));
        let text = problem["detail"].as_str().unwrap();
        assert!(text.contains(key) || text.contains("1 to 256") || text.contains("`nobody`"), "does not name `{key}`: {text}");
    }
    for (key, value) in [("status", json!("Done")), ("limit", json!(-1)), ("limit", json!("all"))] {
        says(&cli.unchanged(|| cli.call("list_stories", &json!({ key: value })).refused(Code::InvalidRequest)), &[key]);
    }
}

#[test]
fn the_command_line_refuses_as_json_where_json_is_asked_for() {
    let cli = Cli::new();
    let id = cli.planned(&[task("task-1", &[])]);
    for args in [
        &["--json"][..],
        &["--json", "nonsense"],
        &["new", "--json"],
        &["new", "a", "b", "--json"],
        &["new", "x", "--nope", "--json"],
        &["list", "--limit", "-1", "--json"],
        &["list", "--limit", "many", "--json"],
        &["run", &id, "-n", "0", "--json"],
        &["run", &id, "-n", "257", "--json"],
        &["run", &id, "-n", "-1", "--json"],
        &["run", &id, "--max-parallelism=-1", "--json"],
        &["run", &id, "--mode", "both", "--json"],
        &["decompose", &id, "-n", "257", "--json"],
        &["decompose", &id, "--include-tests", "maybe", "--json"],
        &["decompose", &id, "--plan", "no-such-file", "--json"],
        &["complete", &id, "--publish", "everywhere", "--json"],
        &["log", "--json"],
        &["log", &id, "--json"],
        &["retry", &id, "--json"],
        &["watch", &id, "--since", "x", "--json"],
        &["call", "--json"],
        &["completions", "tcsh", "--json"],
        &["rescue", "x", "--json"],
        &["demo", "--nope", "--json"],
    ] {
        cli.unchanged(|| cli.run(args).refused(Code::InvalidRequest));
        let words: Vec<&str> = args.iter().copied().filter(|arg| *arg != "--json").collect();
        let said = cli.unchanged(|| cli.run(&words));
        assert_eq!((said.code, said.text()), (2, ""), "{words:?}: a refusal without --json leaves stdout alone");
        assert!(!said.stderr.is_empty() && !said.stderr.contains('\u{1b}'), "{words:?}: {:?}", said.stderr);
    }
}

#[test]
fn an_unknown_tool_names_the_known_ones() {
    let cli = Cli::new();
    for tool in ["nonsense", "", "create-story", "drive", "../create_story"] {
        let problem = cli.unchanged(|| cli.call(tool, &json!({})).refused(Code::NotFound));
        says(&problem, &["create_story", "get_orchestrator_status"]);
    }
}

#[test]
fn what_is_not_possible_now_is_refused_with_the_way_on() {
    let cli = Cli::new();
    let id = cli.story("No plan yet");
    let about = |extra: Value| {
        let mut args = extra;
        args["storyId"] = json!(id);
        args
    };
    for (tool, args, code, word) in [
        ("run_wave", json!({}), Code::IllegalState, "decompose"),
        ("complete_story", json!({}), Code::IllegalState, "decompose"),
        ("cancel_run", json!({}), Code::IllegalState, "running"),
        ("accept_findings", json!({}), Code::IllegalState, "nothing waits"),
        ("accept_findings", json!({ "findingIds": ["../x"] }), Code::NotFound, "status"),
        ("retry_task", json!({ "taskId": "task-1" }), Code::NotFound, "no plan"),
        ("get_task_output", json!({ "taskId": "task-1" }), Code::NotFound, "no plan"),
    ] {
        says(&cli.unchanged(|| cli.call(tool, &about(args)).refused(code)), &[word]);
    }
    cli.call("decompose_story", &about(json!({ "tasks": [task("task-1", &[]), task("task-2", &["task-1"])] }))).well();
    for (tool, args, code, word) in [
        ("complete_story", json!({}), Code::IllegalState, "task-1"),
        ("retry_task", json!({ "taskId": "task-1" }), Code::IllegalState, "pending"),
        ("retry_task", json!({ "taskId": "task-9" }), Code::NotFound, "task-1, task-2"),
        ("get_task_output", json!({ "taskId": "../../x" }), Code::NotFound, "task-1"),
        ("get_task_output", json!({ "taskId": "task-1", "attempt": 3 }), Code::NotFound, "attempt 3"),
        ("get_task_output", json!({ "taskId": "task-1", "cursor": "7" }), Code::NotFound, "nextCursor"),
        ("get_task_output", json!({ "taskId": "task-1", "cursor": "../x" }), Code::NotFound, "nextCursor"),
        ("cancel_run", json!({}), Code::IllegalState, "running"),
    ] {
        says(&cli.unchanged(|| cli.call(tool, &about(args)).refused(code)), &[word]);
    }
    cli.json(&["run", &id, "--all"]).well();
    for (tool, args, code, word) in [
        ("decompose_story", json!({}), Code::IllegalState, "have run"),
        ("retry_task", json!({ "taskId": "task-1" }), Code::IllegalState, "landed"),
        ("cancel_run", json!({}), Code::IllegalState, "running"),
    ] {
        says(&cli.unchanged(|| cli.call(tool, &about(args)).refused(code)), &[word]);
    }
    cli.json(&["complete", &id, "--publish", "branch"]).well();
    cli.json(&["clean", &id]).well();
    says(&cli.unchanged(|| cli.call("decompose_story", &about(json!({}))).refused(Code::IllegalState)), &["new story"]);
}

#[test]
fn an_agent_may_look_but_not_orchestrate() {
    let cli = Cli::new();
    let id = cli.planned(&[task("task-1", &[])]);
    for (_, command, args) in about_a_story() {
        let mut words = vec![command, &id];
        words.extend(args.get("taskId").and_then(Value::as_str));
        words.push("--json");
        let said = super::cli_world::finish(cli.aura(&words).env("AURA_TASK", "task-1"));
        if ["show", "status", "log"].contains(&command) {
            said.well();
        } else {
            says(&said.refused(Code::NeedsPerson), &["task-1", "inside"]);
        }
    }
    let said = super::cli_world::finish(cli.aura(&["new", "More", "--json"]).env("AURA_TASK", "task-1"));
    said.refused(Code::NeedsPerson);
}

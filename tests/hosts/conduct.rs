//! What the scripted model of a host does with Aura's tools: one story from its title to the merge. Each call follows from
//! the results of those before, as a model would read them.

use crate::fake_model::{Request, Step};
use serde_json::{Value, json};
use std::path::Path;

/// More calls than any story here needs: a conversation that reaches it goes round in circles.
const CALLS_MAX: usize = 40;

/// The tools that a story takes.
const ALL: [&str; 7] =
    ["create_story", "analyze_story", "decompose_story", "run_wave", "wait_for_wave", "get_orchestrator_status", "complete_story"];

/// A tool with its arguments.
pub type Call = (&'static str, Value);

/// Two waves: two tasks side by side, and one that needs both.
pub fn plan() -> Value {
    let task = |id: &str, after: &[&str]| json!({ "id": id, "title": format!("Make {id}"), "description": format!("Make the file {id}.txt."), "dependsOn": after, "files": [] });
    json!([task("task-1", &[]), task("task-2", &[]), task("task-3", &["task-1", "task-2"])])
}

/// All calls so far and the one that is due; none when the story is complete. From the results alone.
pub fn calls(repo: &Path, results: &[Value]) -> (Vec<&'static str>, Option<Call>) {
    let mut due = Some(("create_story", json!({ "title": "Make three files", "repositoryPath": repo, "base": "main" })));
    let mut made = vec![];
    let id = results.first().map_or(Value::Null, |created| created["id"].clone());
    for result in results {
        let Some((tool, _)) = due else { break };
        made.push(tool);
        due = after(tool, &id, result);
        assert!(made.len() < CALLS_MAX, "{made:?}");
    }
    (made, due)
}

fn after(tool: &str, id: &Value, result: &Value) -> Option<Call> {
    let yes = |key: &str| result[key] == true;
    match tool {
        "create_story" => Some(("analyze_story", json!({ "storyId": id, "factsOnly": true }))),
        "analyze_story" => Some(("decompose_story", json!({ "storyId": id, "tasks": plan(), "maxParallelism": 2 }))),
        "decompose_story" => Some(("run_wave", json!({ "storyId": id }))),
        "run_wave" => Some(("wait_for_wave", json!({ "storyId": id }))),
        "wait_for_wave" if yes("isRunning") => Some(("wait_for_wave", json!({ "storyId": id, "since": result["seq"] }))),
        "wait_for_wave" if yes("isComplete") => Some(("get_orchestrator_status", json!({ "storyId": id }))),
        "wait_for_wave" => Some(("run_wave", json!({ "storyId": id }))),
        "get_orchestrator_status" => Some(("complete_story", json!({ "storyId": id, "publish": "merge" }))),
        _ => None,
    }
}

/// The answers of Aura that a request shows to the model: of all results of tools those that hold JSON.
pub fn results(request: &Request) -> Vec<Value> {
    request.messages.iter().filter(|message| message.role == "tool").filter_map(|message| json_in(&message.text)).collect()
}

/// The last JSON object in a text: a host may show text first.
pub fn json_in(text: &str) -> Option<Value> {
    let starts = text.match_indices('{').map(|(at, _)| at);
    let whole = |at: usize| serde_json::Deserializer::from_str(&text[at..]).into_iter::<Value>().next()?.ok();
    starts.filter(|at| *at == 0 || text[..*at].ends_with('\n')).find_map(whole)
}

/// The name under which a host offers a tool of Aura.
pub fn offered(request: &Request, tool: &str) -> Option<String> {
    let ends = |name: &&String| name.strip_suffix(tool).is_some_and(|rest| rest.ends_with(['-', '_', '/']));
    request.tools.iter().find(ends).cloned()
}

fn has_searched(request: &Request) -> bool {
    request.body.to_string().contains("select:mcp__aura__")
}

/// The model's answer to the host.
pub fn answer(repo: &Path, request: &Request) -> Step {
    let (_, due) = calls(repo, &results(request));
    match due {
        Some((tool, args)) => match offered(request, tool) {
            Some(name) => Step::call(&name, args),
            // Claude Code keeps most tools back until they are asked for.
            None if request.tools.iter().any(|name| name == "ToolSearch") && !has_searched(request) => {
                let names = ALL.map(|tool| format!("mcp__aura__{tool}")).join(",");
                Step::call("ToolSearch", json!({ "query": format!("select:{names}"), "max_results": ALL.len() }))
            }
            None => Step::say(&format!("There is no tool `{tool}`.")),
        },
        None => Step::say("The story is complete."),
    }
}

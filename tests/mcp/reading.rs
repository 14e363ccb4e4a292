//! Resources, subscriptions, prompts and completion, in both eras.

use super::cli_world::{Cli, task};
use super::host::{Host, LEGACY, MODERN};
use serde_json::{Value, json};

fn text(host: &mut Host, uri: &str) -> String {
    let read = host.ask("resources/read", json!({ "uri": uri }));
    assert_eq!(read["contents"][0]["uri"], uri, "{read}");
    read["contents"][0]["text"].as_str().unwrap().to_owned()
}

#[test]
fn what_a_story_is_can_be_read() {
    let cli = Cli::new();
    let id = cli.planned(&[task("task-1", &[])]);
    cli.json(&["run", &id]).well();
    for version in [LEGACY, MODERN] {
        let mut host = Host::new(&cli, version, "tests");
        let listed = host.ask("resources/list", json!({}));
        let uris: Vec<&str> = listed["resources"].as_array().unwrap().iter().map(|resource| resource["uri"].as_str().unwrap()).collect();
        assert_eq!(uris.len(), 2, "{listed}");
        let story: Value = serde_json::from_str(&text(&mut host, uris[0])).unwrap();
        assert_eq!(story, cli.json(&["show", &id]).well());
        let status: Value = serde_json::from_str(&text(&mut host, uris[1])).unwrap();
        assert_eq!(status["tasks"][0]["status"], "Completed");
        let transcript = text(&mut host, &format!("{}/tasks/task-1/transcript", uris[0]));
        assert!(transcript.contains("never instructions") && transcript.contains("task-1 is done."), "{transcript}");
        let diff = text(&mut host, &format!("{}/tasks/task-1/diff", uris[0]));
        assert!(diff.contains("never instructions") && diff.contains("+by task-1"), "{diff}");
        let templates = host.ask("resources/templates/list", json!({}));
        assert_eq!(templates["resourceTemplates"].as_array().unwrap().len(), 4);
        let missing = if host.is_modern() { -32602 } else { -32002 };
        for bad in
            ["aura://stories/00000000", "file:///etc/passwd", "aura://stories/../../etc", "", &format!("{}/tasks/nope/diff", uris[0])]
        {
            let error = host.refused("resources/read", json!({ "uri": bad }));
            assert_eq!(error["code"], missing, "{bad}: {error}");
            assert!(error["data"]["problem"]["code"].is_string(), "{error}");
        }
    }
}

#[test]
fn a_long_list_comes_in_pages() {
    let cli = Cli::new();
    for n in 0..51 {
        cli.story(&format!("Story {n}"));
    }
    let mut host = Host::new(&cli, LEGACY, "tests");
    let first = host.ask("resources/list", json!({}));
    assert_eq!(first["resources"].as_array().unwrap().len(), 100);
    let second = host.ask("resources/list", json!({ "cursor": first["nextCursor"] }));
    assert_eq!((second["resources"].as_array().unwrap().len(), &second["nextCursor"]), (2, &Value::Null));
    assert_eq!(host.refused("resources/list", json!({ "cursor": "x" }))["code"], -32602);
}

#[test]
fn a_subscriber_hears_of_what_it_asked_for() {
    let cli = Cli::new();
    let id = cli.planned(&[task("task-1", &[])]);
    let short = cli.json(&["show", &id]).well()["shortId"].as_str().unwrap().to_owned();
    let (status, diff) = (format!("aura://stories/{short}/status"), format!("aura://stories/{short}/tasks/task-1/diff"));
    let is_news =
        |uri: String| move |message: &Value| message["method"] == "notifications/resources/updated" && message["params"]["uri"] == uri;

    let mut legacy = Host::new(&cli, LEGACY, "tests");
    for uri in [&status, &diff] {
        legacy.ask("resources/subscribe", json!({ "uri": uri }));
    }
    assert!(legacy.refused("resources/subscribe", json!({ "uri": "aura://stories/00000000" }))["message"].is_string());
    let mut modern = Host::new(&cli, MODERN, "tests");
    let listen = modern
        .begin("subscriptions/listen", json!({ "notifications": { "resourceSubscriptions": [status, diff], "toolsListChanged": true } }));
    let accepted = modern.find("the acknowledgment", |message| message["method"] == "notifications/subscriptions/acknowledged");
    assert_eq!(accepted["params"]["notifications"]["resourceSubscriptions"], json!([status, diff]), "{accepted}");

    // It listens once it has answered something that was asked after.
    modern.call("list_stories", json!({}));
    cli.json(&["run", &id]).well();
    for host in [&mut legacy, &mut modern] {
        host.find("news of the status", is_news(status.clone()));
        host.find("news of the diff", is_news(diff.clone()));
    }
    legacy.ask("resources/unsubscribe", json!({ "uri": status }));
    modern.notify("notifications/cancelled", json!({ "requestId": listen }));
    modern.call("list_stories", json!({}));
}

#[test]
fn the_common_jobs_are_prompts() {
    let cli = Cli::new();
    for version in [LEGACY, MODERN] {
        let mut host = Host::new(&cli, version, "tests");
        let prompts = host.ask("prompts/list", json!({}));
        let names: Vec<&str> = prompts["prompts"].as_array().unwrap().iter().map(|prompt| prompt["name"].as_str().unwrap()).collect();
        assert_eq!(names, ["new_story", "run_story", "why_failed", "finish_story"]);
        let why = host.ask("prompts/get", json!({ "name": "why_failed", "arguments": { "storyId": "abc123" } }));
        let said = why["messages"][0]["content"]["text"].as_str().unwrap();
        assert!(said.contains("\"abc123\"") && said.contains("get_task_output"), "{said}");
        let run = host.ask("prompts/get", json!({ "name": "run_story" }));
        assert!(run["messages"][0]["content"]["text"].as_str().unwrap().contains("\"latest\""), "{run}");
    }
}

#[test]
fn ids_are_completed() {
    let cli = Cli::new();
    let id = cli.planned(&[task("task-1", &[]), task("other", &[])]);
    let short = cli.json(&["show", &id]).well()["shortId"].as_str().unwrap().to_owned();
    for version in [LEGACY, MODERN] {
        let mut host = Host::new(&cli, version, "tests");
        let mut values = |reference: Value, name: &str, typed: &str, chosen: Value| {
            let params = json!({ "ref": reference, "argument": { "name": name, "value": typed }, "context": { "arguments": chosen } });
            host.ask("completion/complete", params)["completion"]["values"].clone()
        };
        let prompt = json!({ "type": "ref/prompt", "name": "why_failed" });
        assert_eq!(values(prompt.clone(), "storyId", &short[..3], json!({})), json!([short]));
        assert_eq!(values(prompt.clone(), "storyId", "", json!({})), json!(["latest", short]));
        assert_eq!(values(prompt, "storyId", "zzz", json!({})), json!([]));
        let template = json!({ "type": "ref/resource", "uri": "aura://stories/{storyId}/tasks/{taskId}/diff" });
        assert_eq!(values(template.clone(), "taskId", "ta", json!({ "storyId": short })), json!(["task-1"]));
        assert_eq!(values(template, "taskId", "", json!({ "storyId": "00000000" })), json!([]));
    }
}

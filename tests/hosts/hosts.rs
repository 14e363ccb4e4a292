//! Real hosts do the whole job: create, analyze, decompose, run, wait, status, complete. In every one of these stories real
//! Copilot processes do the tasks.

use crate::fake_model::Request;
use crate::scene::Scene;
use crate::{conduct, packages};
use serde_json::json;

const GO: &str = "Take the story from its title to the merge.";

#[test]
fn copilot_takes_a_story_to_its_merge_with_copilot_as_its_workers() {
    let Some(scene) = Scene::new() else { return };
    let mut server = scene.server();
    server["type"] = json!("local");
    server["tools"] = json!(["*"]);
    let servers = scene.write("host/mcp.json", &json!({ "mcpServers": { "aura": server } }).to_string());
    let config = scene.copilot.config(&scene.cli.path("host"), &scene.model.url());
    let mut host = scene.command(&scene.copilot.program);
    host.args(["-p", GO, "--allow-all-tools", "--disable-builtin-mcps", "--no-auto-update", "--output-format", "json"]);
    host.arg("--additional-mcp-config").arg(format!("@{}", servers.display())).envs(config.env);
    let (said, asked) = scene.play(&mut host);
    assert_eq!(said.code, 0, "{} {}", said.text(), said.stderr);
    told(&scene, &asked, "aura-create_story");
}

#[test]
fn claude_code_takes_a_story_to_its_merge() {
    if !packages::slow_ones() {
        return;
    }
    let (Some(agents), Some(scene)) = (packages::agents(), Scene::new()) else { return };
    let servers = scene.write("host/mcp.json", &json!({ "mcpServers": { "aura": scene.server() } }).to_string());
    let mut host = scene.command("node");
    host.arg(agents.join("node_modules/@anthropic-ai/claude-code/cli-wrapper.cjs"));
    host.args(["-p", GO, "--strict-mcp-config", "--allowedTools", "mcp__aura", "--output-format", "stream-json", "--verbose"]);
    host.args(["--model", "claude-sonnet-4-6", "--mcp-config"]).arg(servers);
    host.env("ANTHROPIC_BASE_URL", scene.model.origin()).env("ANTHROPIC_API_KEY", "none").env("IS_SANDBOX", "1");
    host.env("CLAUDE_CONFIG_DIR", scene.cli.path("host"))
        .env("CLAUDE_CODE_DISABLE_NONESSENTIAL_TRAFFIC", "1")
        .env("DISABLE_AUTOUPDATER", "1");
    let (said, asked) = scene.play(&mut host);
    assert_eq!(said.code, 0, "{} {}", said.text(), said.stderr);
    told(&scene, &asked, "mcp__aura__create_story");
}

#[test]
fn codex_takes_a_story_to_its_merge() {
    if !packages::slow_ones() {
        return;
    }
    let (Some(agents), Some(scene)) = (packages::agents(), Scene::new()) else { return };
    let mut config = format!(
        "model = \"fake-model\"\nmodel_provider = \"fake\"\n[model_providers.fake]\nname = \"fake\"\nbase_url = \"{}\"\nwire_api = \"responses\"\n",
        scene.model.url()
    );
    let server = scene.server();
    config += &format!("[mcp_servers.aura]\ncommand = {}\nargs = {}\n[mcp_servers.aura.env]\n", server["command"], server["args"]);
    for (name, value) in server["env"].as_object().unwrap() {
        config += &format!("{name} = {value}\n");
    }
    let home = scene.write("host/config.toml", &config);
    let mut host = scene.command("node");
    host.arg(agents.join("node_modules/@openai/codex/bin/codex.js")).args(["exec", "--json", "--skip-git-repo-check"]);
    host.args(["--dangerously-bypass-approvals-and-sandbox", GO]).env("CODEX_HOME", home.parent().unwrap());
    let (said, asked) = scene.play(&mut host);
    assert_eq!(said.code, 0, "{} {}", said.text(), said.stderr);
    told(&scene, &asked, "mcp__aura/create_story");
}

/// What holds after every one of these stories: the model saw Aura's tools under the host's names, every call was answered
/// well and with JSON, in the order of the story, and the base branch holds the work of all agents.
#[track_caller]
fn told(scene: &Scene, asked: &[Request], first_tool: &str) {
    let last = asked.iter().max_by_key(|request| request.messages.len()).expect("the host has asked the model");
    let shown: Vec<&str> = last.messages.iter().filter(|m| m.role == "tool").map(|m| m.text.as_str()).collect();
    let conversation = shown.join("\n---\n");
    let names = asked.iter().find_map(|request| conduct::offered(request, "create_story"));
    assert_eq!(names.as_deref(), Some(first_tool), "{:?}\n{conversation}", last.tools);
    assert!(last.messages.iter().all(|message| !message.failed), "{conversation}");

    let results = conduct::results(last);
    let (made, due) = conduct::calls(&scene.cli.repo(), &results);
    assert!(due.is_none(), "the story ended before {due:?}, after {made:?}\n{conversation}");
    assert_eq!(made[..4], ["create_story", "analyze_story", "decompose_story", "run_wave"]);
    assert_eq!(made[made.len() - 2..], ["get_orchestrator_status", "complete_story"]);
    assert!(made.contains(&"wait_for_wave"), "{made:?}");
    // Every result was JSON (an empty one is Claude Code's own search for tools), and none a refusal.
    assert_eq!(shown.iter().filter(|text| !text.is_empty()).count(), results.len(), "{conversation}");
    assert!(results.iter().all(|result| result.is_object() && result["code"].is_null()), "{conversation}");
    let status = &results[made.len() - 2];
    let tasks: Vec<&str> = status["tasks"].as_array().unwrap().iter().filter_map(|task| task["status"].as_str()).collect();
    assert_eq!((status["status"].as_str(), tasks), (Some("Completed"), vec!["Completed"; 3]), "{status:#}");
    let done = &results[made.len() - 1];
    assert_eq!((done["published"]["how"].as_str(), done["verificationPassed"].as_bool()), (Some("merged"), Some(true)), "{done:#}");

    let repo = scene.cli.repo();
    for task in ["task-1", "task-2", "task-3"] {
        assert_eq!(scene.cli.git(&repo, &["show", &format!("main:{task}.txt")]), format!("made by {task}"));
    }
    assert_eq!(scene.cli.git(&repo, &["rev-list", "--count", "main"]), "2", "one commit on top of the start");
}

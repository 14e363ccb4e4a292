//! Both eras of the protocol: what is negotiated, and rmcp's own client against the real program.

use super::cli_world::{Cli, task};
use super::host::{Host, LEGACY, MODERN};
use rmcp::model::{CallToolRequestParams, ProtocolVersion};
use rmcp::service::{ClientLifecycleMode, ClientServiceExt};
use rmcp::transport::TokioChildProcess;
use serde_json::{Value, json};

#[test]
fn every_version_is_spoken_and_an_unknown_one_gets_the_newest_that_begins_alike() {
    let cli = Cli::new();
    for (asked, agreed) in [
        ("2024-11-05", "2024-11-05"),
        ("2025-03-26", "2025-03-26"),
        ("2025-06-18", "2025-06-18"),
        (LEGACY, LEGACY),
        (MODERN, LEGACY),
        ("2099-01-01", LEGACY),
        ("banana", LEGACY),
    ] {
        let mut host = Host::start(&cli, &[], &[]);
        let params = json!({ "protocolVersion": asked, "capabilities": {}, "clientInfo": { "name": "t", "version": "1" } });
        host.write(json!({ "jsonrpc": "2.0", "id": 1, "method": "initialize", "params": params }).to_string().as_bytes());
        let begun = host.answer(1)["result"].clone();
        assert_eq!(begun["protocolVersion"], agreed, "{asked}: {begun}");
        assert_eq!(
            (begun["serverInfo"]["name"].as_str(), begun["capabilities"]["resources"]["subscribe"].as_bool()),
            (Some("aura"), Some(true))
        );
        let said = begun["instructions"].as_str().unwrap();
        for tool in ["create_story", "decompose_story", "run_wave", "wait_for_wave", "complete_story"] {
            assert!(said.contains(tool), "{tool}");
        }
        host.write(br#"{"jsonrpc":"2.0","id":2,"method":"tools/list"}"#);
        assert_eq!(host.answer(2)["result"]["tools"].as_array().unwrap().len(), 14, "{asked}");
    }
}

#[test]
fn discovery_needs_no_session_and_ends_none() {
    let cli = Cli::new();
    let mut host = Host::new(&cli, MODERN, "tests");
    let found = host.ask("server/discover", json!({}));
    let versions = ["2024-11-05", "2025-03-26", "2025-06-18", LEGACY, MODERN];
    assert!(versions.iter().all(|version| found["supportedVersions"].as_array().unwrap().contains(&json!(version))), "{found}");
    assert_eq!(host.call("list_stories", json!({}))["count"], 0);
    // A host that only looked may begin as hosts used to.
    let mut host = Host::new(&cli, MODERN, "tests");
    let params = json!({ "protocolVersion": LEGACY, "capabilities": {}, "clientInfo": { "name": "t", "version": "1" } });
    host.write(json!({ "jsonrpc": "2.0", "id": 100, "method": "initialize", "params": params }).to_string().as_bytes());
    assert_eq!(host.answer(100)["result"]["protocolVersion"], LEGACY);
}

#[tokio::test]
async fn a_client_of_the_library_runs_a_story_in_both_eras() {
    for era in [ClientLifecycleMode::Initialize, ClientLifecycleMode::Discover { preferred_versions: vec![ProtocolVersion::V_2026_07_28] }]
    {
        let cli = Cli::new();
        let transport = TokioChildProcess::new(tokio::process::Command::from(cli.aura(&["mcp"]))).unwrap();
        let client = ().serve_with_lifecycle(transport, era).await.unwrap();
        let call = async |tool: &'static str, args: Value| {
            let params = CallToolRequestParams::new(tool).with_arguments(args.as_object().unwrap().clone());
            let result = client.call_tool(params).await.unwrap();
            assert_eq!(result.is_error, Some(false), "{tool}: {result:?}");
            result.structured_content.unwrap()
        };
        assert_eq!(client.list_all_tools().await.unwrap().len(), 14);
        let id = call("create_story", json!({ "title": "One", "repositoryPath": cli.repo() })).await["shortId"].clone();
        call("decompose_story", json!({ "storyId": id, "tasks": [task("task-1", &[])] })).await;
        call("run_wave", json!({ "storyId": id, "all": true })).await;
        let end = call("wait_for_wave", json!({ "storyId": id, "untilEnd": true })).await;
        assert_eq!(end["isComplete"], true, "{end}");
        let done = call("complete_story", json!({ "storyId": id, "publish": "branch" })).await;
        assert_eq!(done["status"], "Completed");
        assert_eq!(client.list_all_resources().await.unwrap().len(), 2);
        assert_eq!(client.list_all_prompts().await.unwrap().len(), 4);
        client.cancel().await.unwrap();
    }
}

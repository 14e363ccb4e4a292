//! The official SDKs and the Inspector as clients of the shipped binary, over stdio.

use crate::cli_world::{AURA, Cli, finish};
use crate::packages;
use serde_json::{Value, json};
use std::fs;
use std::path::PathBuf;
use std::process::Command;

/// A repository whose agent waits for the file `go`.
struct Bench {
    cli: Cli,
    go: PathBuf,
}

impl Bench {
    fn new() -> Bench {
        let cli = Cli::new();
        let go = cli.path("go");
        let work = format!("until [ -e '{}' ]; do sleep 0.1; done; echo made > \"$0.txt\"", go.display());
        let settings = format!(
            "agent = \"slow\"\nplanner = \"outline\"\n[agents.slow]\nkind = \"command\"\nprogram = \"sh\"\nargs = [\"-c\", {}, \"{{task}}\"]\n\
             [gate]\nchecks = [{{ name = \"version\", kind = \"test\", run = \"git --version\" }}]\n",
            json!(work)
        );
        fs::write(cli.path("home/config.toml"), settings).unwrap();
        cli.git(&cli.repo(), &["checkout", "-q", "-b", "mine"]);
        Bench { cli, go }
    }

    /// Runs a client to its good end; what it learnt.
    #[track_caller]
    fn learn(&self, client: &mut Command) -> Value {
        let said = finish(client.arg(AURA).arg(self.cli.repo()).arg(&self.go));
        assert_eq!(said.code, 0, "{}\n{}", said.text(), said.stderr);
        assert_eq!(self.cli.git(&self.cli.repo(), &["show", "main:task-1.txt"]), "made", "the story is merged");
        serde_json::from_str(said.text().lines().last().unwrap()).unwrap()
    }

    #[track_caller]
    fn python(&self, era: &str) -> Option<Value> {
        let python = packages::python()?;
        let script = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/hosts/clients/story.py");
        // Not a folder of its own beside the script: that is the project's.
        Some(self.learn(self.cli.command(python).args(["-B", script, era])))
    }
}

#[test]
fn the_python_sdk_takes_a_story_to_its_merge_with_a_handshake() {
    let Some(learnt) = Bench::new().python("legacy") else { return };
    assert_eq!((&learnt["version"], &learnt["server"]), (&json!("2025-11-25"), &json!("aura")), "{learnt}");
}

#[test]
fn the_python_sdk_takes_a_story_to_its_merge_without_a_handshake() {
    let Some(learnt) = Bench::new().python("auto") else { return };
    assert_eq!((&learnt["version"], &learnt["server"]), (&json!("2026-07-28"), &json!("aura")), "{learnt}");
}

#[test]
fn the_typescript_sdk_waits_for_longer_than_its_own_limit() {
    let (Some(clients), Some(node)) = (packages::clients(), packages::node()) else { return };
    let bench = Bench::new();
    let script = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/hosts/clients/story.mjs");
    let learnt = bench.learn(bench.cli.command(node).arg(script).arg(clients));
    assert!(learnt["progress"].as_u64().unwrap() >= 2, "{learnt}");
}

/// The Inspector's strictest reading of the tools' schemas, in every era that it speaks, and a call.
#[test]
fn the_inspector_finds_nothing_to_complain_about() {
    let (Some(clients), Some(node)) = (packages::clients(), packages::node()) else { return };
    let bench = Bench::new();
    let inspect = |args: &[&str]| {
        let mut command = bench.cli.command(&node);
        command.arg(clients.join("node_modules/@modelcontextprotocol/inspector/clients/launcher/build/index.js"));
        // Not its own `--cwd` or catalog: nothing of whoever runs the tests.
        command.args(["--cli", AURA, "mcp", "--format", "json"]).args(args);
        for name in ["AURA_HOME", "HOME", "GIT_CONFIG_GLOBAL"] {
            let value = command.get_envs().find(|(key, _)| *key == name).unwrap().1.unwrap().to_owned();
            command.arg("-e").arg(format!("{name}={}", value.to_str().unwrap()));
        }
        finish(&mut command)
    };
    for era in ["legacy", "auto", "modern"] {
        let said = inspect(&["--protocol-era", era, "--method", "tools/list", "--strict"]);
        assert_eq!(said.code, 0, "{era}: {}\n{}", said.text(), said.stderr);
        assert!(said.text().contains("\"wait_for_wave\""), "{era}: {}", said.text());
    }
    let args = json!({ "title": "Seen by the Inspector", "repositoryPath": bench.cli.repo() }).to_string();
    let said = inspect(&["--method", "tools/call", "--tool-name", "create_story", "--tool-args-json", &args]);
    assert_eq!(said.code, 0, "{}\n{}", said.text(), said.stderr);
    assert!(said.text().contains("Seen by the Inspector"), "{}", said.text());
    let said = inspect(&["--method", "tools/call", "--tool-name", "get_story", "--tool-args-json", r#"{"storyId":"nothing"}"#]);
    assert_eq!(said.code, 5, "a refusal is an error to the Inspector too: {}\n{}", said.text(), said.stderr);
}

//! A home, a repository, scripted agents, a server, and the scripts that look at its page.

use crate::cli_world::Cli;
use crate::packages;
use crate::server::Server;
use serde_json::{Value, json};
use std::fs;
use std::io::{BufRead, BufReader, Read, Write};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::sync::mpsc;
use std::time::Duration;

/// Far longer than a scene takes.
const PATIENCE: Duration = Duration::from_secs(150);
const GATE: &str = "checks = [{ name = \"version\", kind = \"test\", run = \"git --version\" }]";

pub struct Stage {
    pub cli: Cli,
    pub server: Option<Server>,
    packages: PathBuf,
}

impl Stage {
    /// None where no browser can be had.
    pub fn new() -> Option<Stage> {
        Stage::with(GATE)
    }

    /// With a gate of one's own, as the lines of its table.
    pub fn with(gate: &str) -> Option<Stage> {
        let packages = packages::board()?;
        let cli = Cli::new();
        fs::create_dir(cli.path("agents")).unwrap();
        let args = json!([concat!(env!("CARGO_MANIFEST_DIR"), "/tests/board/agent.mjs"), cli.path("agents")]);
        let agent = format!("[agents.script]\nkind = \"command\"\nprogram = \"node\"\nargs = {args}\nresume_args = {args}\n");
        // The same, speaking as Copilot CLI does: with tools and with what it has used.
        let copilot = cli.path("bin/copilot");
        fs::write(&copilot, "#!/bin/sh\nexec node \"$AGENT\" \"$AGENTS\" \"$@\"\n").unwrap();
        fs::set_permissions(&copilot, fs::Permissions::from_mode(0o755)).unwrap();
        let copilot = format!("[agents.copilot]\nprogram = {}\nenv = {{ AGENT = {}, AGENTS = {} }}\n", json!(copilot), args[0], args[1]);
        let top = "agent = \"script\"\nplanner = \"outline\"\nmax_parallelism = 8\n";
        let settings = format!("{top}{agent}{copilot}[gate]\n{gate}\n");
        fs::write(cli.path("home/config.toml"), settings).unwrap();
        let server = Some(Server::start(&cli));
        Some(Stage { cli, server, packages })
    }

    pub fn server(&self) -> &Server {
        self.server.as_ref().unwrap()
    }

    /// What the agent of a task does, by what it is asked (`agent.mjs`).
    pub fn script(&self, task: &str, script: &Value) {
        fs::write(self.cli.path("agents").join(format!("{task}.json")), script.to_string()).unwrap();
    }

    /// Plays a scene that asks for nothing.
    #[track_caller]
    pub fn play(&mut self, scene: &str, about: &Value) -> Value {
        self.play_with(scene, about, |_, ask| panic!("{ask}"))
    }

    /// Plays a scene to its good end; `answer` does what it asks for. What it learnt.
    #[track_caller]
    pub fn play_with(&mut self, scene: &str, about: &Value, mut answer: impl FnMut(&mut Stage, &Value) -> Value) -> Value {
        let keep = Path::new(env!("CARGO_TARGET_TMPDIR")).join("board");
        fs::create_dir_all(&keep).unwrap();
        let mut whole = json!({
            "packages": self.packages, "keep": keep, "agents": self.cli.path("agents"), "repo": self.cli.repo(),
            "link": self.server().link, "home": format!("http://{}/", self.server().address), "token": self.server().token,
        });
        whole.as_object_mut().unwrap().extend(about.as_object().unwrap().clone());
        let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/board").join(scene);
        let mut node = self.cli.command("node");
        node.arg(script).arg(whole.to_string()).stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = node.spawn().unwrap();
        let mut stdin = child.stdin.take().unwrap();
        let mut stderr = child.stderr.take().unwrap();
        let said = std::thread::spawn(move || {
            let mut text = String::new();
            let _ = stderr.read_to_string(&mut text);
            text
        });
        let (line, lines) = mpsc::channel();
        let stdout = BufReader::new(child.stdout.take().unwrap());
        std::thread::spawn(move || stdout.lines().map_while(Result::ok).all(|text| line.send(text).is_ok()));
        let mut done = None;
        loop {
            match lines.recv_timeout(PATIENCE) {
                Ok(text) => {
                    let mut word: Value = serde_json::from_str(&text).unwrap_or_else(|e| panic!("{e}: {text}"));
                    if word.get("done").is_some() {
                        done = Some(word["done"].take());
                    } else {
                        // A scene that has failed meanwhile says so itself.
                        let _ = writeln!(stdin, "{}", answer(self, &word));
                    }
                }
                Err(mpsc::RecvTimeoutError::Disconnected) => break,
                Err(mpsc::RecvTimeoutError::Timeout) => {
                    let _ = child.kill();
                    break;
                }
            }
        }
        drop(stdin);
        let status = child.wait().unwrap();
        let said = said.join().unwrap();
        assert!(status.success(), "{scene}: {status}\n{said}");
        done.unwrap_or_else(|| panic!("{scene} ended without a result\n{said}"))
    }

    /// A story with a plan, written by a program; its id.
    #[track_caller]
    pub fn planned(&self, title: &str, tasks: &[Value]) -> String {
        let id = self.cli.story(title);
        self.cli.call("decompose_story", &json!({ "storyId": id, "tasks": tasks })).well();
        id
    }

    /// What the API says of a story.
    #[track_caller]
    pub fn status(&self, story: &str) -> Value {
        self.server().get(&format!("/api/stories/{story}/orchestrator-status?detailed=true&limit=256")).well(200)
    }

    /// Waits for the end of the story's run.
    #[track_caller]
    pub fn ended(&self, story: &str) -> Value {
        self.cli.call("wait_for_wave", &json!({ "storyId": story, "timeoutSeconds": 120 })).json()
    }

    /// Tasks and their states, as the page is to show them: sorted pairs.
    pub fn tasks(&self, story: &str) -> Value {
        let status = self.status(story);
        let mut pairs: Vec<[Value; 2]> =
            status["tasks"].as_array().unwrap().iter().map(|task| [task["id"].clone(), task["status"].clone()]).collect();
        pairs.sort_by(|a, b| a[0].as_str().cmp(&b[0].as_str()));
        json!(pairs)
    }
}

/// One task that does what its script says.
pub fn task(id: &str, title: &str, depends_on: &[&str]) -> Value {
    json!({ "id": id, "title": title, "description": format!("Do what {id} says."), "dependsOn": depends_on })
}

impl Drop for Stage {
    /// A scene that failed leaves agents behind that wait for it.
    fn drop(&mut self) {
        let said = self.cli.run(&["list", "--json"]);
        let list: Value = serde_json::from_slice(&said.stdout).unwrap_or_default();
        for story in list["stories"].as_array().into_iter().flatten() {
            let id = story["id"].as_str().unwrap_or_default();
            if self.cli.call("cancel_run", &json!({ "storyId": id, "now": true })).code == 0 {
                self.cli.call("wait_for_wave", &json!({ "storyId": id, "timeoutSeconds": 30 }));
            }
        }
    }
}

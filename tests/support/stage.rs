//! A story on real Copilot processes: a repository, a home for Aura, and a scripted model that is asked through a closure.

use crate::copilot::Copilot;
use crate::fake_model::{FakeModel, Request, Step};
use aura::agent::AgentConfig;
use serde_json::{Value, json};
use std::fs;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use std::sync::Mutex;

const TASK: &str = "# Your task (";

/// What an agent was asked for last.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ask {
    Work,
    Resolve,
    Repair,
    NoChange,
    Resume,
}

/// One request as the model's closure sees it.
pub struct Turn {
    pub task: String,
    pub ask: Ask,
    /// Answers given since it was asked.
    pub number: usize,
    pub prompt: String,
    /// Tasks of all requests so far, this one included.
    pub seen: Vec<String>,
}

pub fn task_of(request: &Request) -> Option<String> {
    let text = request.messages.iter().rev().filter(|m| m.role == "user").find_map(|m| m.text.split(TASK).nth(1))?;
    Some(text.split(')').next()?.to_owned())
}

pub fn ask_of(request: &Request) -> Ask {
    let prompt = request.prompt();
    if prompt.contains("conflict markers") {
        Ask::Resolve
    } else if prompt.contains("<gate-output>") {
        Ask::Repair
    } else if prompt.contains("no file has changed") {
        Ask::NoChange
    } else if prompt.contains("interrupted (") {
        Ask::Resume
    } else {
        Ask::Work
    }
}

pub fn turn_of(request: &Request) -> usize {
    request.messages.iter().rev().take_while(|m| m.role != "user").filter(|m| m.role == "assistant").count()
}

/// What most agents do: write a file named after the task, and say so. The first answer waits at the gate `go`.
pub fn write_then_done(turn: &Turn) -> Step {
    match turn.number {
        0 => Step { gate: Some("go".into()), ..Step::sh(&format!("git log --oneline | cat; echo made by {0} > {0}.txt", turn.task)) },
        _ => Step::complete(&format!("Made {}.", turn.task)),
    }
}

pub fn status(code: u16, retry_after: Option<&str>) -> Step {
    let headers = retry_after.map(|s| ("Retry-After".to_owned(), s.to_owned())).into_iter().collect();
    Step { status: Some(code), headers, ..Step::default() }
}

pub fn task(id: &str, after: &[&str]) -> Value {
    json!({ "id": id, "title": format!("Make {id}"), "description": format!("Make the file {id}.txt."), "dependsOn": after, "files": [] })
}

/// The CLI in aura.toml, as the tests run it.
pub fn settings_of(config: &AgentConfig) -> String {
    let quoted = |text: &str| serde_json::to_string(text).unwrap();
    let env: Vec<String> = config.env.iter().map(|(name, value)| format!("{name} = {}", quoted(value))).collect();
    let remove: Vec<String> = config.env_remove.iter().map(|name| quoted(name)).collect();
    let program = quoted(&config.program.as_ref().unwrap().to_string_lossy());
    format!("[agents.copilot]\nprogram = {program}\nenv = {{ {} }}\nenv_remove = [{}]\n", env.join(", "), remove.join(", "))
}

pub struct Stage {
    folder: tempfile::TempDir,
    repo: PathBuf,
    pub model: FakeModel,
}

impl Stage {
    /// A story on a small repository whose `main` is checked out nowhere. None where there is no CLI.
    pub fn new(settings: &str, answer: impl Fn(&Turn) -> Step + Send + Sync + 'static) -> Option<Stage> {
        let copilot = Copilot::find()?;
        let folder = tempfile::Builder::new().prefix("aura story ").tempdir().unwrap();
        let seen = Mutex::new(vec![]);
        let model = FakeModel::with(move |request| {
            let task = task_of(request).unwrap_or_default();
            let seen = {
                let mut seen = seen.lock().unwrap();
                seen.push(task.clone());
                seen.clone()
            };
            Some(answer(&Turn { task, ask: ask_of(request), number: turn_of(request), prompt: request.prompt().to_owned(), seen }))
        });
        let config = copilot.config(&folder.path().join("copilot-home"), &model.url());
        let repo = folder.path().join("repo");
        fs::create_dir(&repo).unwrap();
        let mut toml = format!("{settings}\n{}", settings_of(&config));
        if !settings.contains("[gate]") {
            toml += "[gate]\nchecks = [{ name = \"start is there\", kind = \"test\", run = [\"git\", \"grep\", \"-q\", \"start\"] }]\n";
        }
        fs::write(repo.join("aura.toml"), toml).unwrap();
        fs::write(repo.join("start.txt"), "start\n").unwrap();
        let stage = Stage { folder, repo, model };
        stage.git(&["init", "-q", "-b", "main"]);
        for (key, value) in [("user.name", "Test"), ("user.email", "test@localhost")] {
            stage.git(&["config", key, value]);
        }
        stage.git(&["add", "-A"]);
        stage.git(&["commit", "-q", "-m", "start"]);
        stage.git(&["checkout", "-q", "-b", "mine"]);
        stage.call("create_story", &json!({ "title": "A story", "repositoryPath": stage.repo, "base": "main", "agent": "copilot" }));
        Some(stage)
    }

    fn command(&self, args: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_aura"));
        command.args(args).env("AURA_HOME", self.folder.path().join("aura-home")).current_dir(&self.repo).stdin(Stdio::null());
        command
    }

    /// A tool's good answer.
    pub fn call(&self, tool: &str, args: &Value) -> Value {
        let mut child = self.command(&["call", tool]).stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
        child.stdin.take().unwrap().write_all(args.to_string().as_bytes()).unwrap();
        let output = child.wait_with_output().unwrap();
        assert!(output.status.success(), "{tool}: {}", String::from_utf8_lossy(&output.stdout));
        serde_json::from_slice(&output.stdout).unwrap()
    }

    pub fn plan(&self, tasks: &Value) {
        self.call("decompose_story", &json!({ "storyId": "latest", "tasks": tasks, "maxParallelism": 8 }));
    }

    /// Runs all that is left, to the end (or joins the run that is under way).
    pub fn run(&self, parallelism: usize) -> Value {
        self.try_run(parallelism).1
    }

    pub fn try_run(&self, parallelism: usize) -> (i32, Value) {
        let output = self.command(&["run", "latest", "--all", "-n", &parallelism.to_string(), "--json"]).output().unwrap();
        (output.status.code().unwrap_or(-1), json_of(&output))
    }

    pub fn detach(&self, parallelism: usize) {
        let output = self.command(&["run", "latest", "--all", "--detach", "-n", &parallelism.to_string(), "--json"]).output().unwrap();
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stdout));
    }

    pub fn status(&self) -> Value {
        json_of(&self.command(&["status", "latest", "--json"]).output().unwrap())
    }

    /// The whole log, up to the end of the last run.
    pub fn events(&self) -> Vec<Value> {
        let output = self.command(&["watch", "latest", "--json", "--since", "0", "--until-end"]).output().unwrap();
        String::from_utf8_lossy(&output.stdout).lines().map(|line| serde_json::from_str(line).unwrap()).collect()
    }

    pub fn git(&self, args: &[&str]) -> String {
        git(&self.repo, args)
    }

    /// A file at the tip of the story branch.
    pub fn show(&self, file: &str) -> String {
        let tip = self.status_of("tip");
        self.git(&["show", &format!("{tip}:{file}")])
    }

    fn status_of(&self, key: &str) -> String {
        let story = self.call("get_story", &json!({ "storyId": "latest" }));
        story[key].as_str().unwrap().to_owned()
    }

    /// Kills the programs of all running attempts as hard as it goes; their supervisors live.
    pub fn kill_agents(&self) {
        let stories = self.folder.path().join("aura-home/stories");
        for pids in walk(&stories).into_iter().filter(|path| path.ends_with("pid.json")) {
            let pids: Value = serde_json::from_str(&fs::read_to_string(pids).unwrap()).unwrap();
            let pid = pids["programPid"].as_u64().expect("the program runs");
            assert!(Command::new("kill").args(["-9", &pid.to_string()]).status().unwrap().success());
        }
    }
}

fn walk(folder: &Path) -> Vec<PathBuf> {
    let mut found = vec![];
    for entry in fs::read_dir(folder).unwrap().flatten() {
        let path = entry.path();
        if path.is_dir() { found.extend(walk(&path)) } else { found.push(path) }
    }
    found
}

fn json_of(output: &Output) -> Value {
    let text = String::from_utf8_lossy(&output.stdout);
    serde_json::from_str(&text).unwrap_or_else(|e| panic!("{e}: {text} {}", String::from_utf8_lossy(&output.stderr)))
}

fn git(repo: &Path, args: &[&str]) -> String {
    let output = Command::new("git").args(args).current_dir(repo).output().unwrap();
    assert!(output.status.success(), "{args:?}: {}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8_lossy(&output.stdout).trim().to_owned()
}

pub fn of<'a>(events: &'a [Value], kind: &'a str) -> impl Iterator<Item = &'a Value> {
    events.iter().filter(move |event| event["kind"] == kind)
}

pub fn landed(events: &[Value]) -> Vec<&str> {
    of(events, "taskLanded").filter_map(|event| event["task"].as_str()).collect()
}

/// How the attempts of a task ended.
pub fn outcomes<'a>(events: &'a [Value], task: &str) -> Vec<&'a str> {
    of(events, "attemptEnded").filter(|e| e["task"] == task).filter_map(|e| e["outcome"]["result"].as_str()).collect()
}

//! A repository, a home for Aura, and one scripted model for the host and for the agents that it sets to work.

use crate::cli_world::{Cli, Said, finish};
use crate::copilot::Copilot;
use crate::fake_model::{FakeModel, Request, Step};
use crate::{conduct, stage};
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::fs;
use std::path::PathBuf;
use std::process::Command;

pub const AURA: &str = env!("CARGO_BIN_EXE_aura");

pub struct Scene {
    pub cli: Cli,
    pub model: FakeModel,
    pub copilot: &'static Copilot,
}

impl Scene {
    /// None where there is no Copilot CLI: it does the tasks in every scene.
    pub fn new() -> Option<Scene> {
        let copilot = Copilot::find()?;
        let cli = Cli::new();
        let repo = cli.repo();
        let asked = repo.clone();
        let model = FakeModel::with(move |request| {
            Some(if stage::task_of(request).is_some() { work(request) } else { conduct::answer(&asked, request) })
        });
        let worker = stage::settings_of(&copilot.config(&cli.path("worker"), &model.url()));
        let gate = "[gate]\nchecks = [{ name = \"start is there\", kind = \"test\", run = [\"git\", \"grep\", \"-q\", \"start\"] }]\n";
        fs::write(cli.path("home/config.toml"), format!("agent = \"copilot\"\nplanner = \"outline\"\n{worker}{gate}")).unwrap();
        // The base is nobody's checkout, so that the story can be merged into it.
        cli.git(&repo, &["checkout", "-q", "-b", "mine"]);
        Some(Scene { cli, model, copilot })
    }

    /// The server as an entry of a host's `mcpServers`.
    pub fn server(&self) -> Value {
        json!({ "command": AURA, "args": ["mcp"], "env": self.server_env() })
    }

    pub fn server_env(&self) -> BTreeMap<String, String> {
        let of = |name: &str| self.cli.path(name).to_string_lossy().into_owned();
        let path = std::env::var("PATH").unwrap();
        let pairs = [
            ("AURA_HOME", of("home")),
            ("HOME", of("user")),
            ("GIT_CONFIG_GLOBAL", of("user/gitconfig")),
            ("GIT_CONFIG_NOSYSTEM", "1".into()),
            ("PATH", path),
        ];
        pairs.map(|(name, value)| (name.to_owned(), value)).into()
    }

    pub fn command(&self, program: impl AsRef<std::ffi::OsStr>) -> Command {
        self.cli.command(program)
    }

    /// Runs a host to its end; what the model was asked by it, in order.
    pub fn play(&self, host: &mut Command) -> (Said, Vec<Request>) {
        let said = finish(host);
        let asked = self.model.requests().into_iter().filter(|request| stage::task_of(request).is_none()).collect();
        (said, asked)
    }

    pub fn write(&self, name: &str, text: &str) -> PathBuf {
        let path = self.cli.path(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(&path, text).unwrap();
        path
    }
}

/// A task is done by a file named after it.
fn work(request: &Request) -> Step {
    let task = stage::task_of(request).unwrap();
    match stage::turn_of(request) {
        0 => Step::sh(&format!("echo made by {task} > {task}.txt")),
        _ => Step::complete(&format!("Made {task}.")),
    }
}

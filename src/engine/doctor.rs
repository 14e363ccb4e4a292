//! What is missing on this machine, and how to get it.

use super::Engine;
use super::hosting::{self, Hosted};
use crate::config::{self, Environment};
use crate::error::{Error, Result};
use crate::forge::{self, ForgeConfig, GitHub};
use crate::git::Repo;
use crate::proc::{Cmd, Exit};
use std::path::Path;
use std::time::Duration;

/// Longest time that a program may take to say its version.
const VERSION_TIMEOUT: Duration = Duration::from_secs(20);

/// Longest wait for a forge's answer.
const DOCTOR_TIMEOUT: Duration = Duration::from_secs(10);
/// Stories that are looked at.
const STORIES_MAX: usize = 1000;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Health {
    Good,
    /// Works, with something to know.
    Warning,
    /// Something that a run needs is missing.
    Missing,
}

/// One thing that was looked at.
#[derive(Clone, Debug)]
pub struct Finding {
    pub name: &'static str,
    pub health: Health,
    pub detail: String,
    pub hint: Option<String>,
}

fn finding(name: &'static str, health: Health, detail: impl Into<String>, hint: Option<&str>) -> Finding {
    Finding { name, health, detail: detail.into(), hint: hint.map(str::to_owned) }
}

/// Looks at git, the database, the agents, the login, the forge and the sandbox.
#[must_use]
pub fn examine(environment: &Environment, opened: &Result<Engine>, repository: Option<&Path>) -> Vec<Finding> {
    let mut findings = vec![git()];
    findings.push(match opened {
        Ok(engine) => finding("database", Health::Good, engine.store.home().join("aura.db").display().to_string(), None),
        Err(error) => finding("database", Health::Missing, error.chain(), error.hint.as_deref()),
    });
    if let Some(path) = repository {
        findings.push(match Repo::discover(path) {
            Ok(repo) => finding("repository", Health::Good, repo.root().display().to_string(), None),
            Err(error) => {
                finding("repository", Health::Warning, error.to_string(), Some("run Aura inside a git repository, or pass --repository"))
            }
        });
    }
    if let Ok(engine) = opened {
        findings.extend(agents(engine, repository));
    }
    findings.push(login(environment));
    findings.push(forge(opened.as_ref().ok(), repository));
    findings.extend(opened.as_ref().ok().and_then(aside));
    findings.push(sandbox());
    findings
}

fn git() -> Finding {
    let hint = Some("install git 2.38 or newer: https://git-scm.com/downloads");
    match version_of(Path::new("git")) {
        None => finding("git", Health::Missing, "git was not found on PATH", hint),
        Some(text) => {
            let mut numbers = text.split(|c: char| !c.is_ascii_digit()).filter_map(|n| n.parse::<u32>().ok());
            // `git merge-tree --write-tree`, by which Aura lands work, came with 2.38.
            let new_enough = matches!((numbers.next(), numbers.next()), (Some(major), Some(minor)) if (major, minor) >= (2, 38));
            if new_enough {
                finding("git", Health::Good, text, None)
            } else {
                finding("git", Health::Missing, format!("{text} is too old"), hint)
            }
        }
    }
}

fn agents(engine: &Engine, repository: Option<&Path>) -> Vec<Finding> {
    let config = match engine.config(repository.unwrap_or(Path::new("."))) {
        Ok(config) => config,
        Err(error) => return vec![finding("configuration", Health::Missing, error.chain(), error.hint.as_deref())],
    };
    let hint = "npm install -g @github/copilot, or set COPILOT_BIN to its path";
    let mut findings = vec![];
    for name in config.agents.keys() {
        let default = *name == config.agent;
        let missing = if default { Health::Missing } else { Health::Warning };
        findings.push(match engine.agent_named(&config, name) {
            Err(error) => finding("agent", missing, format!("{name}: {}", error.chain()), (name == "copilot").then_some(hint)),
            Ok(agent) => match agent.program().and_then(|program| version_of(&program)) {
                Some(version) => finding("agent", Health::Good, format!("{name}: {version}"), None),
                None => finding("agent", Health::Warning, format!("{name}: found; it did not say its version"), None),
            },
        });
    }
    findings
}

fn login(environment: &Environment) -> Finding {
    let token = ["COPILOT_GITHUB_TOKEN", "GH_TOKEN", "GITHUB_TOKEN"].into_iter().find(|name| crate::config::named_variable(name).is_some());
    let own_model = crate::config::named_variable("COPILOT_PROVIDER_BASE_URL").is_some();
    let _ = environment;
    match token {
        Some(name) => finding("login", Health::Good, format!("Copilot CLI will use {name}"), None),
        None if own_model => finding("login", Health::Good, "Copilot CLI uses a model provider of your own", None),
        None => finding(
            "login",
            Health::Warning,
            "whether Copilot CLI is logged in cannot be told without asking a model",
            Some("log in once: run `copilot` and type `/login`; a run that finds no login stops at once and says so"),
        ),
    }
}

/// Whether pull requests can be opened: the token for the host of the remote, and what that host says of it. One request,
/// and none where no remote is at a GitHub.
fn forge(engine: Option<&Engine>, repository: Option<&Path>) -> Finding {
    const HOW: &str = "log in with `gh auth login` (https://cli.github.com), or set GH_TOKEN; only needed for pull requests";
    let settings = engine.and_then(|engine| engine.config(repository.unwrap_or(Path::new("."))).ok()).map(|config| config.forge);
    let settings = settings.unwrap_or_default();
    let repo = repository.and_then(|path| Repo::discover(path).ok());
    let hosted = repo.as_ref().and_then(|repo| first_hosted(repo, &settings));
    let host = hosted.as_ref().map_or_else(|| settings.host.as_deref().unwrap_or("github.com"), |hosted| &hosted.address.host);
    let (from, token) = match config::forge_token(&settings, host) {
        Some((name, token)) => (name, token),
        None => match forge::token_of_gh(host) {
            Some(token) => ("`gh auth token`".to_owned(), token),
            None => return finding("forge", Health::Warning, format!("there is no token for {host}"), Some(HOW)),
        },
    };
    let Some(Hosted { address, api }) = &hosted else {
        return finding("forge", Health::Good, format!("a token for {host} from {from}; no remote is there, so it was not tried"), None);
    };
    let asked = GitHub::new(api, Some(token), DOCTOR_TIMEOUT).and_then(|github| github.repository(&address.slug));
    match asked {
        Ok(facts) if facts.can_push == Some(false) => finding(
            "forge",
            Health::Warning,
            format!("the token for {host} from {from} may only read {}", address.slug),
            Some("give it write access to contents and pull requests, or push to a fork of yours"),
        ),
        Ok(_) => finding("forge", Health::Good, format!("a token for {host} from {from} works for {}", address.slug), None),
        Err(error) => {
            let error = Error::from(error);
            let hint = error.hint.as_deref().map(|hint| hint.replace("complete again", "look again").replace("run it again", "look again"));
            let detail = format!("a token for {host} from {from} was not of use: {}", error.detail);
            finding("forge", Health::Warning, detail, hint.as_deref())
        }
    }
}

/// The remote that a pull request would be opened from: `origin` before the others.
fn first_hosted(repo: &Repo, settings: &ForgeConfig) -> Option<Hosted> {
    let mut remotes = repo.remotes().ok()?;
    remotes.sort_by_key(|name| name != "origin");
    remotes.iter().find_map(|remote| hosting::pushed_to(repo, settings, remote).ok().flatten())
}

/// Folders that agents had cut off from their repositories, of all stories.
fn aside(engine: &Engine) -> Option<Finding> {
    let stories = engine.store.stories(STORIES_MAX).ok()?;
    let found: Vec<(String, String)> = stories
        .iter()
        .flat_map(|story| super::set_aside(story).into_iter().map(|path| (story.id.short(), path.display().to_string())))
        .collect();
    let (story, _) = found.first()?;
    let paths: Vec<&str> = found.iter().take(10).map(|(_, path)| path.as_str()).collect();
    let hint = format!("look what is in there; `aura clean {story}` keeps it under refs/aura/rescue and removes it");
    Some(finding("set aside", Health::Warning, format!("{} folders of agents: {}", found.len(), paths.join(", ")), Some(&hint)))
}

fn sandbox() -> Finding {
    finding(
        "sandbox",
        Health::Warning,
        "agents run with your rights: they can read and write what you can",
        Some("run Aura in a container or as a user of its own if a story's text is not to be trusted"),
    )
}

fn version_of(program: &Path) -> Option<String> {
    let output = Cmd::new(program).arg("--version").deadline(VERSION_TIMEOUT).output_max(4096).run().ok()?;
    (output.exit == Exit::Code(0)).then(|| output.stdout_text().lines().next().unwrap_or_default().to_owned())
}

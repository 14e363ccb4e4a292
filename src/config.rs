//! Settings: defaults ← the user's file ← the repository's `aura.toml` ← environment, resolved once into plain values.
//! The only room that reads the environment.
//!
//! The repository's file is read from the user's own checkout, never from an agent's worktree: an agent must not be
//! able to change the checks that judge it.

mod complete;
mod folders;

pub use complete::{BringIn, CompleteConfig};
pub use folders::Folders;

use crate::agent::AgentConfig;
use crate::domain::{Limits, PARALLELISM_MAX};
use crate::error::{Code, Error, Result};
use crate::forge::{ForgeConfig, Token};
use crate::gate::{GateConfig, SetupConfig, Surroundings};
use crate::judge::JudgeSettings;
use crate::planner::PlannerConfig;
use serde::Deserialize;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::time::Duration;

/// What one run may use, in time and bytes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Bounds {
    pub limits: Limits,
    /// Longest attempt.
    pub attempt_timeout: Duration,
    /// Longest silence of an agent.
    pub stall_timeout: Duration,
    /// Between asking an agent to stop and killing it.
    pub grace: Duration,
    /// How long a rate limit holds the run when the agent does not say.
    pub rate_limit_wait: Duration,
    /// Most bytes kept of an agent's output, per stream.
    pub transcript_bytes_max: u64,
    /// Most bytes of what dependencies did in a prompt.
    pub handoff_bytes_max: usize,
}

impl Default for Bounds {
    fn default() -> Self {
        Bounds {
            limits: Limits::default(),
            attempt_timeout: Duration::from_secs(60 * 60),
            stall_timeout: Duration::from_secs(10 * 60),
            grace: Duration::from_secs(10),
            rate_limit_wait: Duration::from_secs(60),
            transcript_bytes_max: 64 * 1024 * 1024,
            handoff_bytes_max: 24 * 1024,
        }
    }
}

/// Everything that a story's work is configured by.
#[derive(Clone, Debug)]
pub struct Config {
    /// Name of the agent that runs tasks.
    pub agent: String,
    /// Name of the planner; none means: `copilot` when it can be found, else `outline`.
    pub planner: Option<String>,
    pub max_parallelism: u32,
    pub agents: BTreeMap<String, AgentConfig>,
    pub planners: BTreeMap<String, PlannerConfig>,
    pub gate: GateConfig,
    pub setup: SetupConfig,
    /// Secrets that checks and set-up get all the same. From the user's own file only: the repository must not ask for them.
    pub env_keep: Vec<String>,
    /// Set for checks and set-up; from the user's own file only.
    pub env: BTreeMap<String, String>,
    pub bounds: Bounds,
    /// Folder that holds the folders of stories; none means: beside the repository.
    pub worktrees: Option<PathBuf>,
    pub complete: CompleteConfig,
    /// From the user's own file only; what the repository says about it is read at the base of a story.
    pub judge: JudgeSettings,
    /// From the user's own file only: it says where a token is sent.
    pub forge: ForgeConfig,
}

/// Values of the process's environment that Aura looks at, read once.
#[derive(Clone, Debug, Default)]
pub struct Environment {
    /// Folder of the database and the transcripts.
    pub home: PathBuf,
    /// The `aura` program itself: started again for drivers and supervisors.
    pub exe: PathBuf,
    pub path: Option<std::ffi::OsString>,
    pub copilot_bin: Option<PathBuf>,
    /// Variables that may lead a check out of its tree.
    pub leading: Vec<(String, std::ffi::OsString)>,
    /// Set inside an agent: Aura must not orchestrate from there.
    pub inside_attempt: Option<String>,
    /// Where the caller stands, where one caller is served: what `latest` means.
    pub place: Option<PathBuf>,
    pub user: String,
}

impl Environment {
    /// Reads the environment of this process.
    ///
    /// # Errors
    /// When neither `AURA_HOME` nor a data directory of the platform is known.
    #[allow(clippy::disallowed_methods)]
    pub fn read() -> Result<Environment> {
        let var = |name: &str| std::env::var_os(name).filter(|value| !value.is_empty());
        let home = var("AURA_HOME").map(PathBuf::from).or_else(|| data_folder(&var)).ok_or_else(|| {
            Error::new(Code::Unavailable, "find a folder for Aura's data: neither AURA_HOME nor HOME is set")
                .hint("set AURA_HOME to a folder of yours")
        })?;
        let exe = std::env::current_exe().map_err(|e| Error::internal("find the aura program itself").because(e))?;
        Ok(Environment {
            home: std::path::absolute(&home).unwrap_or(home),
            exe,
            path: var("PATH"),
            copilot_bin: var("COPILOT_BIN").map(PathBuf::from),
            leading: crate::gate::place::VARIABLES.iter().filter_map(|name| Some(((*name).to_owned(), var(name)?))).collect(),
            inside_attempt: var("AURA_TASK").map(|value| value.to_string_lossy().into_owned()),
            place: None,
            user: var("USER").or_else(|| var("USERNAME")).map_or_else(|| "unknown".into(), |value| value.to_string_lossy().into_owned()),
        })
    }
}

fn data_folder(var: &dyn Fn(&str) -> Option<std::ffi::OsString>) -> Option<PathBuf> {
    if cfg!(windows) {
        return var("LOCALAPPDATA").map(|base| Path::new(&base).join("aura"));
    }
    if cfg!(target_os = "macos") {
        return var("HOME").map(|home| Path::new(&home).join("Library/Application Support/aura"));
    }
    var("XDG_DATA_HOME")
        .map(|base| Path::new(&base).join("aura"))
        .or_else(|| var("HOME").map(|home| Path::new(&home).join(".local/share/aura")))
}

/// The value of an environment variable that the configuration names, for example an API key.
#[must_use]
#[allow(clippy::disallowed_methods)]
pub fn named_variable(name: &str) -> Option<String> {
    std::env::var(name).ok().filter(|value| !value.is_empty())
}

/// The token that the environment holds for a GitHub, under the names that `gh` knows, and the name.
#[must_use]
pub fn forge_token(config: &ForgeConfig, host: &str) -> Option<(String, Token)> {
    let is_cloud = host == "github.com" || host.ends_with(".ghe.com");
    let usual = if is_cloud { ["GH_TOKEN", "GITHUB_TOKEN"] } else { ["GH_ENTERPRISE_TOKEN", "GITHUB_ENTERPRISE_TOKEN"] };
    let names = config.token_env.as_deref().into_iter().chain(usual);
    names.into_iter().find_map(|name| Some((name.to_owned(), Token::new(&named_variable(name)?)?)))
}

/// What a gate has to know of this process's environment, and what the user wants of it.
#[must_use]
#[allow(clippy::disallowed_methods)]
pub fn surroundings(config: &Config, checkout: &Path) -> Surroundings {
    let names = std::env::vars_os().filter_map(|(name, _)| name.into_string().ok());
    let mut present: Vec<String> = names.filter(|name| crate::gate::is_secret(name) && !name.starts_with("GIT_")).collect();
    present.sort();
    Surroundings {
        keep: config.env_keep.clone(),
        set: config.env.clone(),
        remove: vec![],
        present,
        python_path: std::env::var_os("PYTHONPATH"),
        go_flags: named_variable("GOFLAGS"),
        checkout: Some(checkout.to_owned()),
    }
}

impl Config {
    /// Reads the user's `config.toml` in `home` and the repository's `aura.toml`, both optional.
    ///
    /// # Errors
    /// A file that cannot be read or holds an unknown key: the message names file, place and key.
    pub fn load(home: &Path, repository: Option<&Path>) -> Result<Config> {
        let mut config = Config::default();
        let files = [(Some(home.join("config.toml")), true), (repository.map(|root| root.join("aura.toml")), false)];
        for (path, is_the_users) in files.into_iter().filter_map(|(path, of)| Some((path?, of))) {
            let text = match std::fs::read_to_string(&path) {
                Ok(text) => text,
                Err(e) if e.kind() == std::io::ErrorKind::NotFound => continue,
                Err(e) => return Err(Error::invalid(format!("read {}", path.display())).because(e)),
            };
            let file: File = toml::from_str(&text).map_err(|e| {
                Error::invalid(format!("{} is not valid: {}", path.display(), e.to_string().trim()))
                    .hint("docs/configuration.md lists every key")
            })?;
            if file.forge.is_some() && !is_the_users {
                return Err(Error::invalid(format!(
                    "{}: [forge] says where a token is sent, so a repository may not set it",
                    path.display()
                ))
                .hint(format!("put it into {}", home.join("config.toml").display())));
            }
            if (file.env_keep.is_some() || file.env.is_some()) && !is_the_users {
                return Err(Error::invalid(format!(
                    "{}: `env_keep` and `env` say which secrets checks get to see, so a repository may not set them",
                    path.display()
                ))
                .hint(format!("put them into {}", home.join("config.toml").display())));
            }
            // Read here, so that a mistake is told; what counts is what the base of a story says.
            let judge = file.judge.clone().filter(|_| is_the_users);
            config.judge = judge.unwrap_or(config.judge);
            config.merge(file, &path)?;
        }
        Ok(config)
    }

    fn merge(&mut self, file: File, path: &Path) -> Result<()> {
        let span = |key: &str, text: &str| {
            parse_duration(text)
                .ok_or_else(|| Error::invalid(format!("{}: `{key}` is `{text}`, not a time such as `90s`, `10m` or `2h`", path.display())))
        };
        if let Some(agent) = file.agent {
            self.agent = agent;
        }
        self.planner = file.planner.or(self.planner.take());
        if let Some(n) = file.max_parallelism {
            if !(1..=PARALLELISM_MAX).contains(&n) {
                return Err(Error::invalid(format!("{}: `max_parallelism` is {n}; 1 to {PARALLELISM_MAX} are possible", path.display())));
            }
            self.max_parallelism = n;
        }
        self.agents.extend(file.agents);
        self.planners.extend(file.planners);
        if let Some(gate) = file.gate {
            self.gate = gate;
        }
        if let Some(setup) = file.setup {
            self.setup = setup;
        }
        self.env_keep.extend(file.env_keep.unwrap_or_default());
        self.env.extend(file.env.unwrap_or_default());
        if let Some(complete) = file.complete {
            self.complete.merge(complete);
        }
        if let Some(forge) = file.forge {
            self.forge = forge;
        }
        self.worktrees = file.worktrees.or(self.worktrees.take());
        let limits = file.limits;
        let bounds = &mut self.bounds;
        let counts = &mut bounds.limits;
        set(&mut counts.results_max, limits.attempts);
        set(&mut counts.crashes_max, limits.crashes.or(limits.attempts));
        set(&mut counts.stalls_max, limits.stalls.or(limits.attempts));
        set(&mut counts.conflicts_max, limits.conflicts);
        set(&mut counts.repairs_max, limits.repairs);
        set(&mut counts.rounds_max, limits.rounds);
        counts.run_attempts_max = limits.run_attempts.or(counts.run_attempts_max);
        for (key, value, to) in [
            ("attempt_timeout", limits.attempt_timeout, &mut bounds.attempt_timeout),
            ("stall_timeout", limits.stall_timeout, &mut bounds.stall_timeout),
            ("grace", limits.grace, &mut bounds.grace),
            ("rate_limit_wait", limits.rate_limit_wait, &mut bounds.rate_limit_wait),
        ] {
            if let Some(text) = value {
                *to = span(key, &text)?;
            }
        }
        Ok(())
    }
}

impl Default for Config {
    fn default() -> Self {
        Config {
            agent: "copilot".into(),
            planner: None,
            max_parallelism: 4,
            agents: BTreeMap::from([("copilot".into(), AgentConfig::default())]),
            planners: BTreeMap::new(),
            gate: GateConfig::default(),
            setup: SetupConfig::default(),
            env_keep: Vec::new(),
            env: BTreeMap::new(),
            bounds: Bounds::default(),
            worktrees: None,
            complete: CompleteConfig::default(),
            judge: JudgeSettings::default(),
            forge: ForgeConfig::default(),
        }
    }
}

#[derive(Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
struct File {
    agent: Option<String>,
    planner: Option<String>,
    max_parallelism: Option<u32>,
    agents: BTreeMap<String, AgentConfig>,
    planners: BTreeMap<String, PlannerConfig>,
    gate: Option<GateConfig>,
    setup: Option<SetupConfig>,
    env_keep: Option<Vec<String>>,
    env: Option<BTreeMap<String, String>>,
    limits: LimitsFile,
    worktrees: Option<PathBuf>,
    complete: Option<complete::CompleteFile>,
    judge: Option<JudgeSettings>,
    forge: Option<ForgeConfig>,
}

/// `[judge]` of a repository's `aura.toml` as a commit has it.
///
/// # Errors
/// The table holds what is not understood.
pub fn judge_settings(text: &[u8]) -> Result<JudgeSettings> {
    #[derive(Default, Deserialize)]
    #[serde(default)]
    struct Only {
        judge: JudgeSettings,
    }
    let read =
        std::str::from_utf8(text).map_err(|e| e.to_string()).and_then(|text| toml::from_str::<Only>(text).map_err(|e| e.to_string()));
    read.map(|only| only.judge).map_err(|why| {
        Error::invalid(format!("[judge] in aura.toml at the base of the story is not valid: {}", why.trim()))
            .hint("docs/configuration.md lists every key")
    })
}

#[derive(Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
struct LimitsFile {
    attempts: Option<u32>,
    crashes: Option<u32>,
    stalls: Option<u32>,
    conflicts: Option<u32>,
    repairs: Option<u32>,
    rounds: Option<u32>,
    run_attempts: Option<u32>,
    attempt_timeout: Option<String>,
    stall_timeout: Option<String>,
    grace: Option<String>,
    rate_limit_wait: Option<String>,
}

fn set(to: &mut u32, value: Option<u32>) {
    if let Some(value) = value {
        *to = value;
    }
}

/// `500ms`, `90s`, `10m`, `2h`.
#[must_use]
pub fn parse_duration(text: &str) -> Option<Duration> {
    let text = text.trim();
    let digits = text.find(|c: char| !c.is_ascii_digit())?;
    let (number, unit) = text.split_at(digits);
    let number: u64 = number.parse().ok()?;
    let ms = match unit.trim() {
        "ms" => 1,
        "s" => 1000,
        "m" | "min" => 60_000,
        "h" => 3_600_000,
        _ => return None,
    };
    number.checked_mul(ms).map(Duration::from_millis)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_have_a_unit() {
        assert_eq!(parse_duration("10m"), Some(Duration::from_secs(600)));
        assert_eq!(parse_duration(" 1500 ms "), Some(Duration::from_millis(1500)));
        for bad in ["", "10", "m", "1.5h", "-1s", "99999999999999999999h", "1d"] {
            assert_eq!(parse_duration(bad), None, "{bad:?}");
        }
    }

    #[test]
    fn an_unknown_key_is_named_with_its_file() {
        let home = tempfile::tempdir().unwrap();
        std::fs::write(home.path().join("config.toml"), "maxparallel = 3\n").unwrap();
        let error = Config::load(home.path(), None).unwrap_err();
        assert_eq!(error.code, Code::InvalidRequest);
        assert!(error.detail.contains("config.toml") && error.detail.contains("maxparallel"), "{}", error.detail);
    }

    #[test]
    fn a_repository_does_not_say_where_a_token_is_sent() {
        let (home, root) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
        std::fs::write(root.path().join("aura.toml"), "[forge]\napi = \"https://evil.example\"\n").unwrap();
        let error = Config::load(home.path(), Some(root.path())).unwrap_err();
        assert!(error.detail.contains("[forge]"), "{}", error.detail);
        std::fs::rename(root.path().join("aura.toml"), home.path().join("config.toml")).unwrap();
        let config = Config::load(home.path(), Some(root.path())).unwrap();
        assert_eq!(config.forge.api_of("github.com").as_deref(), Some("https://evil.example"));
        assert_eq!(config.forge.api_of("gitlab.com"), None);
    }

    #[test]
    fn the_repository_overrides_the_user() {
        let (home, root) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
        std::fs::write(home.path().join("config.toml"), "agent = \"mine\"\nmax_parallelism = 3\n[limits]\nattempts = 5\n").unwrap();
        std::fs::write(root.path().join("aura.toml"), "max_parallelism = 2\n[limits]\nstall_timeout = \"90s\"\n").unwrap();
        let config = Config::load(home.path(), Some(root.path())).unwrap();
        assert_eq!((config.agent.as_str(), config.max_parallelism, config.bounds.limits.results_max), ("mine", 2, 5));
        assert_eq!(config.bounds.stall_timeout, Duration::from_secs(90));
    }
}

//! The real GitHub Copilot CLI for tests: one pinned version, installed once into `.agents`, and an environment in which
//! it knows no one: no login, no network, no model but the given one, no settings of whoever runs the tests.

use aura::agent::AgentConfig;
use std::collections::BTreeMap;
use std::fs::{self, File};
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::OnceLock;

const VERSION: &str = "1.0.102";
/// Tokens and settings by other names than `COPILOT_…`.
const FOREIGN: [&str; 9] =
    ["BASH_ENV", "ENV", "XDG_CONFIG_HOME", "GH_TOKEN", "GITHUB_TOKEN", "GH_HOST", "HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY"];

pub struct Copilot {
    pub program: PathBuf,
    cache: PathBuf,
}

impl Copilot {
    /// The CLI, or a line that says loudly why the test is skipped. Where it is required (`CI` or
    /// `AURA_REQUIRE_COPILOT` is set), its absence is a failure.
    pub fn find() -> Option<&'static Copilot> {
        static FOUND: OnceLock<Result<Copilot, String>> = OnceLock::new();
        match FOUND.get_or_init(install) {
            Ok(copilot) => Some(copilot),
            Err(why) => {
                let required =
                    ["CI", "AURA_REQUIRE_COPILOT"].iter().any(|name| std::env::var_os(name).is_some_and(|value| !value.is_empty()));
                assert!(!required, "Copilot CLI {VERSION} is required here and {why}");
                // Not by a macro: the test harness would keep that to itself.
                let _ = writeln!(std::io::stderr(), "SKIPPED: Copilot CLI {VERSION}: {why}. AURA_REQUIRE_COPILOT=1 makes this a failure.");
                None
            }
        }
    }

    /// Settings under which the CLI keeps its state in `home` and asks the model at `model_url`.
    pub fn config(&self, home: &Path, model_url: &str) -> AgentConfig {
        let env: BTreeMap<String, String> = [
            ("COPILOT_HOME", home.to_string_lossy().into_owned()),
            // Its shells begin with the profile of whoever runs the tests, which can take any time.
            ("HOME", home.to_string_lossy().into_owned()),
            ("COPILOT_CACHE_HOME", self.cache.to_string_lossy().into_owned()),
            ("COPILOT_OFFLINE", "true".into()),
            ("COPILOT_PROVIDER_BASE_URL", model_url.into()),
            ("COPILOT_MODEL", "fake-model".into()),
            ("COPILOT_AUTO_UPDATE", "false".into()),
        ]
        .map(|(name, value)| (name.to_owned(), value))
        .into();
        let inherited = std::env::vars_os().filter_map(|(name, _)| name.into_string().ok());
        let env_remove = inherited
            .filter(|name| !env.contains_key(name))
            .filter(|name| name.starts_with("COPILOT_") || FOREIGN.contains(&name.to_ascii_uppercase().as_str()))
            .collect();
        AgentConfig { program: Some(self.program.clone()), env, env_remove, ..AgentConfig::default() }
    }
}

fn package() -> Option<String> {
    let system = match std::env::consts::OS {
        "linux" if cfg!(target_env = "musl") => "linuxmusl",
        "linux" => "linux",
        "macos" => "darwin",
        "windows" => "win32",
        _ => return None,
    };
    let arch = match std::env::consts::ARCH {
        "x86_64" => "x64",
        "aarch64" => "arm64",
        _ => return None,
    };
    Some(format!("@github/copilot-{system}-{arch}"))
}

/// Finds or installs it, and lets it unpack itself: under a lock, because test programs run side by side.
fn install() -> Result<Copilot, String> {
    let package = package().ok_or("there is none for this platform")?;
    let agents = Path::new(env!("CARGO_MANIFEST_DIR")).join(".agents");
    let folder = agents.join("node_modules").join(&package);
    let cache = agents.join("cache");
    let program = folder.join(format!("copilot{}", std::env::consts::EXE_SUFFIX));
    let failed = |doing: &'static str| move |e: std::io::Error| format!("{doing}: {e}");

    fs::create_dir_all(&cache).map_err(failed("its folder cannot be made"))?;
    let lock = File::create(agents.join("lock")).map_err(failed("its lock cannot be made"))?;
    lock.lock().map_err(failed("its lock cannot be taken"))?;
    let is_there = || {
        let manifest = fs::read_to_string(folder.join("package.json")).unwrap_or_default();
        let manifest: serde_json::Value = serde_json::from_str(&manifest).unwrap_or_default();
        manifest["version"] == VERSION && program.is_file()
    };
    if !is_there() {
        let npm = if cfg!(windows) { "npm.cmd" } else { "npm" };
        let mut command = Command::new(npm);
        command.args(["install", "--no-save", "--ignore-scripts", "--no-audit", "--no-fund", "--fetch-retries=2", "--prefix"]);
        command.arg(&agents).arg(format!("{package}@{VERSION}")).stdin(Stdio::null());
        let output = command.output().map_err(failed("npm cannot be run to install it"))?;
        if !output.status.success() || !is_there() {
            return Err(format!("npm could not install it: {}", String::from_utf8_lossy(&output.stderr).trim()));
        }
    }
    let mut command = Command::new(&program);
    command.arg("--version").env("COPILOT_CACHE_HOME", &cache).env("COPILOT_HOME", agents.join("home")).env("COPILOT_AUTO_UPDATE", "false");
    let output = command.stdin(Stdio::null()).output().map_err(failed("it cannot be run"))?;
    let said = String::from_utf8_lossy(&output.stdout).into_owned();
    if output.status.success() && said.contains(VERSION) {
        Ok(Copilot { program, cache })
    } else {
        Err(format!("it calls itself `{said}`"))
    }
}

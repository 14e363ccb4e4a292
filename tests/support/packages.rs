//! The real hosts and clients of the MCP tests and the browser of the board's: pinned by lock files in
//! `tests/hosts/packages` and `tests/board`, installed into `.agents/hosts` by the tests themselves, once. Where one cannot be installed, its tests say loudly that they did not
//! run; where they are required (`CI` or `AURA_TEST_HOSTS` is set), that is a failure.

use std::collections::HashMap;
use std::fs::{self, File};
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::{Mutex, OnceLock};

/// Where the packages of that name are locked.
fn source(name: &str) -> PathBuf {
    let tests = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests");
    if name == "board" { tests.join(name) } else { tests.join("hosts/packages").join(name) }
}

/// The Inspector and the conformance suite need this or newer.
const NODE_MIN: (u32, u32) = (22, 19);
/// Characters of an installer's complaint.
const SAID_MAX: usize = 500;
/// One after the other: installing is bound by the disk.
static INSTALLING: Mutex<()> = Mutex::new(());

/// Whether the tests run that need large downloads (Claude Code and Codex: 770 MB) or much time.
pub fn slow_ones() -> bool {
    let on = is_set("AURA_TEST_HOSTS");
    if !on {
        say("NOT RUN: a test with a large download. AURA_TEST_HOSTS=1 runs all of them.");
    }
    on
}

fn is_set(name: &str) -> bool {
    std::env::var_os(name).is_some_and(|value| !value.is_empty() && value != "0")
}

/// Not by a macro: the test harness would keep that to itself.
fn say(text: &str) {
    let _ = writeln!(std::io::stderr(), "{text}");
}

/// Claude Code and Codex.
pub fn agents() -> Option<PathBuf> {
    required("agents", npm)
}

/// The TypeScript SDK, the Inspector, the conformance suite.
pub fn clients() -> Option<PathBuf> {
    required("clients", npm)
}

/// A Python with the MCP SDK.
pub fn python() -> Option<PathBuf> {
    required("python", venv).map(|folder| folder.join("bin/python"))
}

#[allow(dead_code)] // Of `tests/http` only.
/// The program that holds an API against its own description.
pub fn schemathesis() -> Option<PathBuf> {
    required("schemathesis", venv).map(|folder| folder.join("bin/schemathesis"))
}

/// A browser that has been seen to start (`browser.json` says how), and what drives it.
pub fn board() -> Option<PathBuf> {
    required("board", browser)
}

/// A Node that is new enough: whoever runs the tests has one, or it came with the clients.
pub fn node() -> Option<PathBuf> {
    static FOUND: OnceLock<Option<PathBuf>> = OnceLock::new();
    let clients = clients()?;
    let found = FOUND.get_or_init(|| {
        let modules = clients.join("node_modules");
        let brought = fs::read_dir(modules).into_iter().flatten().flatten();
        let brought = brought.filter(|entry| entry.file_name().to_string_lossy().starts_with("node-")).map(|e| e.path().join("bin/node"));
        brought.chain([PathBuf::from("node")]).find(|program| is_new_enough(program))
    });
    assert!(found.is_some() || !is_required(), "no Node {}.{} or newer", NODE_MIN.0, NODE_MIN.1);
    if found.is_none() {
        say(&format!("SKIPPED: no Node {}.{} or newer is on PATH, and none came from npm for this platform.", NODE_MIN.0, NODE_MIN.1));
    }
    found.clone()
}

fn is_new_enough(node: &Path) -> bool {
    let Ok(output) = Command::new(node).arg("--version").output() else { return false };
    let text = String::from_utf8_lossy(&output.stdout).trim().trim_start_matches('v').to_owned();
    let mut parts = text.split('.').map_while(|part| part.parse::<u32>().ok());
    parts.next().zip(parts.next()).is_some_and(|version| version >= NODE_MIN)
}

fn is_required() -> bool {
    is_set("CI") || is_set("AURA_TEST_HOSTS")
}

type Installer = fn(&Path, &Path) -> Result<(), String>;

fn required(name: &'static str, installer: Installer) -> Option<PathBuf> {
    static DONE: OnceLock<Mutex<HashMap<&'static str, Result<PathBuf, String>>>> = OnceLock::new();
    let _turn = INSTALLING.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
    let mut done = DONE.get_or_init(Mutex::default).lock().unwrap_or_else(std::sync::PoisonError::into_inner);
    match done.entry(name).or_insert_with(|| install(name, installer)).clone() {
        Ok(folder) => Some(folder),
        Err(why) => {
            drop(done);
            assert!(!is_required(), "what {}/package.json names is required here and {why}", source(name).display());
            say(&format!("SKIPPED: {}/package.json: {why}. AURA_TEST_HOSTS=1 makes this a failure.", source(name).display()));
            None
        }
    }
}

/// Installs what [`source`] locks, unless exactly that is installed. Under a lock between
/// processes, because test programs run side by side.
fn install(name: &str, installer: Installer) -> Result<PathBuf, String> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let (wanted, folder) = (source(name), root.join(".agents/hosts").join(name));
    let failed = |doing: &'static str| move |e: std::io::Error| format!("{doing}: {e}");
    fs::create_dir_all(&folder).map_err(failed("their folder cannot be made"))?;
    let lock = File::create(root.join(".agents/hosts/lock")).map_err(failed("the lock cannot be made"))?;
    lock.lock().map_err(failed("the lock cannot be taken"))?;
    let locked = ["package-lock.json", "requirements.txt"].iter().find_map(|file| fs::read_to_string(wanted.join(file)).ok());
    let locked = locked.ok_or("there is no lock file")?;
    // Written last: what is half installed is installed again.
    let stamp = folder.join("installed");
    if fs::read_to_string(&stamp).is_ok_and(|text| text == locked) {
        return Ok(folder);
    }
    installer(&wanted, &folder)?;
    fs::write(stamp, locked).map_err(failed("the stamp cannot be written"))?;
    Ok(folder)
}

fn npm(wanted: &Path, folder: &Path) -> Result<(), String> {
    for file in ["package.json", "package-lock.json"] {
        fs::copy(wanted.join(file), folder.join(file)).map_err(|e| format!("{file} cannot be copied: {e}"))?;
    }
    let mut command = Command::new("npm");
    command.args(["ci", "--ignore-scripts", "--no-audit", "--no-fund", "--loglevel=error", "--prefix"]).arg(folder);
    // A registry that stumbles is asked again; one that is out of reach is given up after seconds, not minutes.
    command.args(["--fetch-retries=3", "--fetch-retry-mintimeout=500", "--fetch-retry-maxtimeout=3000"]);
    run(command.current_dir(folder), "npm")
}

/// The browser comes packed, and is tried once: a machine may lack what it is linked to.
fn browser(wanted: &Path, folder: &Path) -> Result<(), String> {
    npm(wanted, folder)?;
    run(Command::new("node").arg(wanted.join("prepare.mjs")).arg(folder), "tests/board/prepare.mjs")
}

fn venv(wanted: &Path, folder: &Path) -> Result<(), String> {
    run(Command::new("python3").args(["-m", "venv", "--clear"]).arg(folder), "python3 -m venv")?;
    let mut pip = Command::new(folder.join("bin/python"));
    pip.args(["-m", "pip", "install", "--quiet", "--disable-pip-version-check", "--only-binary", ":all:", "--require-hashes", "-r"]);
    run(pip.arg(wanted.join("requirements.txt")), "pip")
}

fn run(command: &mut Command, what: &str) -> Result<(), String> {
    let output = command.stdin(Stdio::null()).output().map_err(|e| format!("{what} cannot be run to install it: {e}"))?;
    if output.status.success() {
        return Ok(());
    }
    let said: String = String::from_utf8_lossy(&output.stderr).trim().chars().take(SAID_MAX).collect();
    Err(format!("{what} could not install it: {said}"))
}

//! Nushell for the tests of the recipes: one pinned version from npm (MIT), installed once into
//! `.agents`.

use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

const VERSION: &str = "0.115.1";

/// The program; none where it is missing and cannot be installed.
pub fn find() -> Option<PathBuf> {
    let system = match std::env::consts::OS {
        "linux" => "linux",
        "macos" => "darwin",
        "windows" => "windows",
        _ => return None,
    };
    let arch = match std::env::consts::ARCH {
        "x86_64" => "x64",
        "aarch64" => "arm64",
        _ => return None,
    };
    // A folder of its own: npm throws out of a folder what it was not told to install.
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join(".agents").join("nushell");
    fs::create_dir_all(&folder).ok()?;
    let lock = File::create(folder.join("lock")).ok()?;
    lock.lock().ok()?;
    let package = format!("@nushell/{system}-{arch}");
    let program = folder.join("node_modules").join(&package).join("bin").join(format!("nu{}", std::env::consts::EXE_SUFFIX));
    let version = |program: &Path| {
        Command::new(program).arg("--version").output().ok().map(|said| String::from_utf8_lossy(&said.stdout).trim().to_owned())
    };
    if version(&program).as_deref() != Some(VERSION) {
        let mut npm = Command::new(if cfg!(windows) { "npm.cmd" } else { "npm" });
        npm.args(["install", "--no-save", "--ignore-scripts", "--no-audit", "--no-fund", "--fetch-retries=2", "--prefix"]);
        npm.arg(&folder).arg(format!("{package}@{VERSION}")).stdin(Stdio::null());
        npm.output().ok()?;
    }
    (version(&program).as_deref() == Some(VERSION)).then_some(program)
}

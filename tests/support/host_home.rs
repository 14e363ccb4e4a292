//! The home of a person whose programs are to use Aura: the real `aura`, files of its own, nothing of the machine's.

use serde_json::Value;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

pub const AURA: &str = env!("CARGO_BIN_EXE_aura");

/// The home of a person who has nothing yet, and a repository of theirs.
pub struct Home {
    dir: tempfile::TempDir,
}

impl Home {
    pub fn new() -> Home {
        let home = Home { dir: tempfile::Builder::new().prefix("aura-install-").tempdir().unwrap() };
        fs::create_dir_all(home.path("repo/.git")).unwrap();
        home
    }

    pub fn path(&self, name: &str) -> PathBuf {
        dunce::canonicalize(self.dir.path()).unwrap().join(name)
    }

    pub fn aura(&self, args: &[&str]) -> Command {
        let mut command = Command::new(AURA);
        command.args(args).env_clear().current_dir(self.path("repo")).stdin(Stdio::null());
        for name in ["PATH", "SYSTEMROOT", "TEMP", "TMP", "TMPDIR"] {
            if let Some(value) = std::env::var_os(name) {
                command.env(name, value);
            }
        }
        for (name, folder) in [("HOME", ""), ("USERPROFILE", ""), ("APPDATA", "roaming"), ("LOCALAPPDATA", "local")] {
            command.env(name, self.path(folder));
        }
        command
    }

    /// The one JSON document of a command that does not ask.
    #[track_caller]
    pub fn yes(&self, args: &[&str]) -> Value {
        let output = self.aura(&[&["mcp"], args, &["--yes", "--json"]].concat()).output().unwrap();
        assert!(output.status.success(), "{}", text(&output));
        serde_json::from_slice(&output.stdout).unwrap_or_else(|e| panic!("{e}: {}", text(&output)))
    }
    #[track_caller]
    pub fn refused(&self, args: &[&str]) -> Value {
        let output = self.aura(&[&["mcp"], args, &["--yes", "--json"]].concat()).output().unwrap();
        assert!(!output.status.success(), "{}", text(&output));
        serde_json::from_slice(&output.stdout).unwrap_or_else(|e| panic!("{e}: {}", text(&output)))
    }

    /// Where the host's file is, as the program says.
    pub fn file(&self, host: &str) -> PathBuf {
        let answer = self.aura(&["mcp", "install", host, "--dry-run", "--json"]).output().unwrap();
        let answer: Value = serde_json::from_slice(&answer.stdout).unwrap();
        answer["path"].as_str().unwrap().into()
    }
    pub fn write(&self, host: &str, text: &str) -> PathBuf {
        let file = self.file(host);
        fs::create_dir_all(file.parent().unwrap()).unwrap();
        fs::write(&file, text).unwrap();
        file
    }
}

pub fn text(output: &Output) -> String {
    format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr))
}

pub fn backup(file: &Path) -> PathBuf {
    PathBuf::from(format!("{}.aura-backup", file.display()))
}

/// Names of the files in the folder of a file.
pub fn beside(file: &Path) -> Vec<String> {
    let mut names: Vec<String> =
        fs::read_dir(file.parent().unwrap()).unwrap().map(|entry| entry.unwrap().file_name().to_string_lossy().into_owned()).collect();
    names.sort();
    names
}

//! A home of its own for one test of the command line: the real program, real repositories, and nothing of the machine's
//! own settings. Answers are checked for what every answer must be before a test sees them.

use aura::error::Code;
use serde_json::{Value, json};
use std::ffi::OsStr;
use std::fs;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

pub const AURA: &str = env!("CARGO_BIN_EXE_aura");
/// Far longer than anything here takes; a test that reaches it has failed.
const PATIENCE: Duration = Duration::from_secs(120);
/// The agent is the program itself, doing what a script in its prompt says; the gate is one quick command.
pub const SETTINGS: &str = "agent = \"demo\"\nplanner = \"outline\"\n\
    [agents.demo]\nkind = \"command\"\nprogram = \"aura\"\nargs = [\"demo-agent\"]\n\
    [gate]\nchecks = [{ name = \"version\", kind = \"test\", run = \"git --version\" }]\n";

pub struct Cli {
    dir: tempfile::TempDir,
}

/// What the program said.
#[derive(Debug)]
pub struct Said {
    pub code: i32,
    pub stdout: Vec<u8>,
    pub stderr: String,
}

impl Said {
    pub fn text(&self) -> &str {
        std::str::from_utf8(&self.stdout).expect("stdout is not UTF-8")
    }

    /// The one document on stdout.
    #[track_caller]
    pub fn json(&self) -> Value {
        assert!(!self.stdout.starts_with(b"\xef\xbb\xbf"), "stdout begins with a BOM");
        assert!(self.stdout.ends_with(b"\n"), "stdout does not end its line: {self:?}");
        serde_json::from_slice(&self.stdout)
            .unwrap_or_else(|e| panic!("stdout is not one JSON document: {e}\n{}\n{}", self.text(), self.stderr))
    }

    /// A good answer.
    #[track_caller]
    pub fn well(&self) -> Value {
        assert_eq!(self.code, 0, "{}\n{}", self.text(), self.stderr);
        self.json()
    }

    /// A refusal: one problem, alike everywhere, with the exit code of the one table.
    #[track_caller]
    pub fn refused(&self, code: Code) -> Value {
        let problem = self.json();
        let row = code.row();
        let expected = json!({
            "type": format!("urn:aura:problem:{}", row.name), "title": row.title, "status": row.http, "code": row.name,
            "retryable": row.retryable
        });
        for (key, value) in expected.as_object().unwrap() {
            assert_eq!(problem[key], *value, "`{key}` of {problem}");
        }
        assert_eq!(self.code, i32::from(row.exit), "{problem}");
        assert_eq!(self.stderr, "", "with JSON, stdout holds the whole refusal");
        let detail = problem["detail"].as_str().unwrap();
        assert!(!detail.is_empty() && detail.len() < 4000, "{} bytes of detail", detail.len());
        assert!(!detail.chars().any(|c| c.is_control() && c != '\n'), "control characters in {detail:?}");
        problem
    }
}

/// One task whose agent writes a file.
pub fn task(id: &str, depends_on: &[&str]) -> Value {
    let script = json!({ "work": [{ "write": { format!("{id}.txt"): format!("by {id}\n") } }], "say": format!("{id} is done.") });
    json!({ "id": id, "title": format!("Do {id}"), "description": format!("```aura-demo\n{script}\n```"), "dependsOn": depends_on })
}

/// One task whose agent fails.
pub fn failing(id: &str, depends_on: &[&str]) -> Value {
    json!({ "id": id, "title": format!("Do {id}"), "description": "There is no script here.", "dependsOn": depends_on })
}

impl Cli {
    /// A home with [`SETTINGS`], and a repository `repo` with one commit on `main`.
    pub fn new() -> Cli {
        let cli = Cli { dir: tempfile::Builder::new().prefix("aura-cli-").tempdir().unwrap() };
        for folder in ["home", "user", "bin"] {
            fs::create_dir(cli.path(folder)).unwrap();
        }
        let identity = "[user]\nname = Ada\nemail = ada@example.org\n[init]\ndefaultBranch = main\n[protocol \"file\"]\nallow = always\n";
        fs::write(cli.path("user/gitconfig"), identity).unwrap();
        fs::write(cli.path("home/config.toml"), SETTINGS).unwrap();
        cli.repository("repo");
        cli
    }

    pub fn path(&self, name: &str) -> PathBuf {
        // The real path, because the program answers with real paths: a temporary folder may lie behind a link.
        dunce::canonicalize(self.dir.path()).unwrap().join(name)
    }
    pub fn repo(&self) -> PathBuf {
        self.path("repo")
    }

    /// A repository with one commit.
    pub fn repository(&self, name: &str) -> PathBuf {
        let path = self.path(name);
        fs::create_dir_all(&path).unwrap();
        self.git(&path, &["init", "-q"]);
        fs::write(path.join("README.md"), "# start\n").unwrap();
        fs::write(path.join(".gitignore"), "/target\n.env\n").unwrap();
        self.git(&path, &["add", "-A"]);
        self.git(&path, &["commit", "-qm", "start"]);
        path
    }

    /// A command in the environment of this world, started in the repository.
    pub fn command(&self, program: impl AsRef<OsStr>) -> Command {
        let mut command = Command::new(program);
        command.env_clear();
        // What a program needs on any platform to run at all.
        for name in ["PATH", "SYSTEMROOT", "TEMP", "TMP", "TMPDIR"] {
            if let Some(value) = std::env::var_os(name) {
                command.env(name, value);
            }
        }
        command.current_dir(self.repo()).env("HOME", self.path("user")).env("AURA_HOME", self.path("home"));
        command.env("GIT_CONFIG_GLOBAL", self.path("user/gitconfig")).env("GIT_CONFIG_NOSYSTEM", "1");
        command
    }
    pub fn aura<S: AsRef<OsStr>>(&self, args: &[S]) -> Command {
        let mut command = self.command(AURA);
        command.args(args);
        command
    }

    pub fn run<S: AsRef<OsStr>>(&self, args: &[S]) -> Said {
        finish(self.aura(args).stdin(Stdio::null()))
    }
    /// With `--json`.
    pub fn json<S: AsRef<OsStr>>(&self, args: &[S]) -> Said {
        finish(self.aura(args).arg("--json").stdin(Stdio::null()))
    }
    pub fn call(&self, tool: &str, args: &Value) -> Said {
        self.call_with(tool, args.to_string().as_bytes())
    }
    /// Whatever the bytes are.
    pub fn call_with(&self, tool: &str, stdin: &[u8]) -> Said {
        fed(&mut self.aura(&["call", tool]), stdin)
    }

    pub fn git(&self, dir: &Path, args: &[&str]) -> String {
        let (ok, text) = self.try_git(dir, args);
        assert!(ok, "git {args:?}: {text}");
        text
    }
    pub fn try_git(&self, dir: &Path, args: &[&str]) -> (bool, String) {
        let output = self.command("git").current_dir(dir).args(args).output().unwrap();
        let text = if output.status.success() { output.stdout } else { output.stderr };
        (output.status.success(), String::from_utf8_lossy(&text).trim_end().to_owned())
    }

    /// A story; its id.
    #[track_caller]
    pub fn story(&self, title: &str) -> String {
        let story = self.json(&["new", title]).well();
        story["id"].as_str().unwrap().to_owned()
    }
    /// A story with a plan; its id.
    #[track_caller]
    pub fn planned(&self, tasks: &[Value]) -> String {
        let id = self.story("A story");
        self.call("decompose_story", &json!({ "storyId": id, "tasks": tasks })).well();
        id
    }
    /// Number of events in the log.
    pub fn events(&self) -> usize {
        aura::store::Store::open(&self.path("home")).unwrap().since(None, 0, 1_000_000).unwrap().len()
    }

    /// All that a refusal must leave as it is.
    pub fn state(&self) -> String {
        let repo = self.repo();
        let mut text = format!("{} events\n", self.events());
        for args in
            [&["for-each-ref"][..], &["worktree", "list", "--porcelain"], &["status", "--porcelain=v2", "--branch"], &["stash", "list"]]
        {
            text += &self.git(&repo, args);
            text += "\n";
        }
        let mut beside: Vec<PathBuf> = vec![];
        for folder in [self.dir.path().to_owned(), self.path("repo.aura"), repo] {
            beside.extend(fs::read_dir(folder).into_iter().flatten().map(|entry| entry.unwrap().path()));
        }
        beside.sort();
        text + &format!("{beside:#?}")
    }

    /// Does what has to be refused, and sees to it that nothing has changed.
    #[track_caller]
    pub fn unchanged<T>(&self, act: impl FnOnce() -> T) -> T {
        let before = self.state();
        let done = act();
        assert_eq!(self.state(), before, "a refusal has changed something");
        done
    }
}

/// Runs to the end.
pub fn finish(command: &mut Command) -> Said {
    end_of(command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap())
}

/// Runs to the end with that on stdin.
pub fn fed(command: &mut Command, stdin: &[u8]) -> Said {
    let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    let mut pipe = child.stdin.take().unwrap();
    // A program that has read enough closes its end.
    let _ = pipe.write_all(stdin);
    drop(pipe);
    end_of(child)
}

/// Waits for the end, but not for ever.
pub fn end_of(child: Child) -> Said {
    let (pid, (done, end)) = (child.id(), std::sync::mpsc::channel());
    std::thread::spawn(move || done.send(child.wait_with_output()));
    let Ok(output) = end.recv_timeout(PATIENCE) else {
        let _ = Command::new("kill").arg(pid.to_string()).status();
        panic!("process {pid} does not end");
    };
    let output = output.unwrap();
    Said { code: output.status.code().unwrap_or(-1), stdout: output.stdout, stderr: String::from_utf8_lossy(&output.stderr).into_owned() }
}

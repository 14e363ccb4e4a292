//! A repository and a home for one measurement, and the binary that was built for it.

use serde_json::{Value, json};
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use std::time::{Duration, Instant};

pub struct World {
    pub folder: tempfile::TempDir,
    pub repo: PathBuf,
}

/// One task for the embedded agent: it thinks for so long and writes one file.
pub struct Job {
    pub after: Vec<usize>,
    pub ms: u64,
}

impl World {
    /// A repository of that many small files in folders of a hundred; `main` is checked out nowhere.
    pub fn with_files(count: usize) -> World {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let repo = folder.path().join("repo");
        std::fs::create_dir(&repo).expect("a folder");
        git(&repo, &["init", "-q", "-b", "main"]);
        for (key, value) in [("user.name", "Bench"), ("user.email", "bench@localhost"), ("gc.auto", "0"), ("maintenance.auto", "false")] {
            git(&repo, &["config", key, value]);
        }
        for n in 0..count {
            let path = repo.join(format!("d{}/f{n}.txt", n / 100));
            std::fs::create_dir_all(path.parent().expect("it has one")).expect("a folder");
            std::fs::write(path, format!("file {n}\nline two\nline three\n")).expect("a file");
        }
        let config =
            "agent = \"bench\"\nplanner = \"outline\"\n[agents.bench]\nkind = \"command\"\nprogram = \"aura\"\nargs = [\"demo-agent\"]\n";
        std::fs::write(repo.join("aura.toml"), config).expect("a file");
        git(&repo, &["add", "-A"]);
        git(&repo, &["commit", "-q", "-m", "start"]);
        git(&repo, &["checkout", "-q", "-b", "user"]);
        World { folder, repo }
    }

    pub fn repo_text(&self) -> String {
        self.repo.to_string_lossy().into_owned()
    }
    pub fn home(&self) -> PathBuf {
        self.folder.path().join("home")
    }

    pub fn command(&self, args: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_aura"));
        command.args(args).env("AURA_HOME", self.home()).current_dir(&self.repo);
        command
    }

    pub fn aura(&self, args: &[&str]) -> Output {
        checked(self.command(args).output().expect("aura runs"), args)
    }

    pub fn call(&self, tool: &str, args: &Value) -> Value {
        let mut child = self.command(&["call", tool]).stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().expect("aura runs");
        std::io::Write::write_all(&mut child.stdin.take().expect("piped"), args.to_string().as_bytes()).expect("it reads");
        let output = checked(child.wait_with_output().expect("aura ends"), &[tool]);
        serde_json::from_slice(&output.stdout).expect("JSON")
    }

    /// Gives the newest story a plan.
    pub fn plan(&self, jobs: &[Job]) {
        let task = |(n, job): (usize, &Job)| {
            let script =
                json!({ "work": [{ "think": job.ms }, { "write": { format!("made/{n}.txt"): format!("made by {n}\n") } }], "say": "done" });
            let after: Vec<String> = job.after.iter().map(|n| format!("t{n}")).collect();
            json!({
                "id": format!("t{n}"), "title": format!("Task {n}"), "dependsOn": after,
                "description": format!("Work.\n```aura-demo\n{script}\n```"), "estimate": (job.ms / 10).max(1),
            })
        };
        let tasks: Vec<Value> = jobs.iter().enumerate().map(task).collect();
        self.call("decompose_story", &json!({ "storyId": "latest", "tasks": tasks }));
    }

    pub fn story(&self) {
        self.aura(&["new", "Bench", "--base", "main", "--repository-path", &self.repo_text()]);
    }

    /// Runs the newest story to its end and returns the whole time and its events.
    pub fn run(&self, parallelism: usize, mode: &str) -> (Duration, Vec<Value>) {
        let began = Instant::now();
        let output = self
            .command(&["run", "latest", "--all", "--mode", mode, "-n", &parallelism.to_string(), "--json"])
            .output()
            .expect("aura runs");
        let time = began.elapsed();
        checked(output, &["run"]);
        (time, self.events())
    }

    pub fn events(&self) -> Vec<Value> {
        let output = self.aura(&["watch", "latest", "--json", "--since", "0", "--until-end"]);
        String::from_utf8_lossy(&output.stdout).lines().map(|line| serde_json::from_str(line).expect("JSON")).collect()
    }
}

/// `width` independent chains of `length` tasks of `ms` milliseconds.
pub fn chain(length: usize, width: usize, ms: u64) -> Vec<Job> {
    (0..length * width).map(|n| Job { after: if n < width { vec![] } else { vec![n - width] }, ms }).collect()
}

pub fn git(dir: &Path, args: &[&str]) -> String {
    let output = Command::new("git").args(args).current_dir(dir).output().expect("git runs");
    String::from_utf8_lossy(&checked(output, args).stdout).trim().to_owned()
}

fn checked(output: Output, args: &[&str]) -> Output {
    assert!(output.status.success(), "{args:?}: {}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    output
}

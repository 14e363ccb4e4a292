//! A world of its own for one test: a repository, a home for Aura, scripted agents, and the real program. Whatever the
//! test does, its processes are gone afterwards.

use super::script::{Kind, Step};
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::fs;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

const AURA: &str = env!("CARGO_BIN_EXE_aura");
/// Far longer than anything here takes; a test that reaches it has failed.
const PATIENCE: Duration = Duration::from_mins(1);
const GLANCE: Duration = Duration::from_millis(10);
/// Red as soon as a text file holds the word BROKEN.
pub const CHECK: &str = "if grep -rn BROKEN --include=*.txt .; then echo it is BROKEN; exit 1; fi";

pub struct World {
    dir: tempfile::TempDir,
    pub id: String,
    scripts: BTreeMap<String, BTreeMap<String, Vec<Step>>>,
    before: String,
    /// Variables that the program gets besides.
    pub env: BTreeMap<String, String>,
}

/// What the program said.
#[derive(Debug)]
pub struct Said {
    pub code: i32,
    pub json: Value,
    pub stderr: String,
}

/// One task of a plan.
pub fn task(id: &str, depends_on: &[&str]) -> Value {
    json!({ "id": id, "title": format!("Do {id}"), "description": format!("Do what {id} says."), "dependsOn": depends_on })
}

impl World {
    /// A repository whose owner works on the branch `notes` while stories start from `main`; the gate is [`CHECK`].
    pub fn new() -> World {
        World::with(&gate(CHECK))
    }

    /// Gives a task up after two attempts and does not go back to it.
    pub fn of_one_round() -> World {
        World::with(&format!("[limits]\nattempts = 2\nrounds = 1\n{}", gate(CHECK)))
    }

    /// With settings of one's own instead of the gate.
    pub fn with(settings: &str) -> World {
        let dir = tempfile::Builder::new().prefix("aura world ünï ").tempdir().unwrap();
        let mut world = World { dir, id: String::new(), scripts: BTreeMap::new(), before: String::new(), env: BTreeMap::new() };
        for folder in ["repo", "home", "agents", "user", "bin"] {
            fs::create_dir(world.path(folder)).unwrap();
        }
        fs::write(world.path("user/gitconfig"), "[user]\nname = Ada\nemail = ada@example.org\n[init]\ndefaultBranch = main\n").unwrap();
        world.settings(settings);
        world.git(&["init", "-q"]);
        world.write("base.txt", "one\ntwo\nthree\nfour\nfive\n");
        world.write(".gitignore", "/target\n");
        world.git(&["add", "-A"]);
        world.git(&["commit", "-qm", "start"]);
        world.git(&["checkout", "-qb", "notes"]);
        world.write("base.txt", "one\ntwo\nthree\nfour\nfive\nmy own line\n");
        world.before = world.checkout();
        world
    }

    /// Writes the user's settings anew.
    pub fn settings(&self, more: &str) {
        let exe = std::env::current_exe().unwrap();
        let args = ["scripted_agent_entry", "--exact", "--nocapture", "--test-threads=1"];
        let agent = format!(
            "[agents.script]\nkind = \"command\"\nprogram = {:?}\nargs = {args:?}\nresume_args = {args:?}\n",
            exe.display().to_string()
        );
        let (top, tables) = more.split_at(more.find('[').unwrap_or(more.len()));
        let text = format!("agent = \"script\"\nplanner = \"outline\"\n{top}\n{agent}\n{tables}\n");
        fs::write(self.path("home/config.toml"), text).unwrap();
    }

    pub fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }
    /// A file in the user's checkout.
    pub fn write(&self, name: &str, text: &str) {
        fs::write(self.path("repo").join(name), text).unwrap();
    }
    pub fn worktree(&self, name: &str) -> PathBuf {
        self.story_folder().join(name)
    }
    fn story_folder(&self) -> PathBuf {
        let created = &self.events()[0];
        PathBuf::from(created["root"].as_str().unwrap())
    }

    // ---- the program ----

    fn command(&self, program: &str) -> Command {
        let mut command = Command::new(program);
        for name in ["AURA_TASK", "AURA_STORY", "AURA_JOB", "AURA_LOG", "COPILOT_BIN", "XDG_DATA_HOME", "XDG_CONFIG_HOME"] {
            command.env_remove(name);
        }
        for name in ["GH_TOKEN", "GITHUB_TOKEN", "GH_ENTERPRISE_TOKEN", "GITHUB_ENTERPRISE_TOKEN"] {
            command.env_remove(name);
        }
        for name in ["GIT_DIR", "GIT_WORK_TREE", "GIT_INDEX_FILE", "GIT_AUTHOR_DATE", "GIT_COMMITTER_DATE"] {
            command.env_remove(name);
        }
        let mut path = self.path("bin").into_os_string();
        path.push(":");
        path.push(std::env::var_os("PATH").unwrap_or_default());
        command
            .current_dir(self.path("repo"))
            .env("PATH", path)
            .env("HOME", self.path("user"))
            .env("GIT_CONFIG_GLOBAL", self.path("user/gitconfig"))
            .env("GIT_CONFIG_NOSYSTEM", "1")
            .env("AURA_HOME", self.path("home"))
            .env("AURA_TEST_AGENT", self.path("agents"))
            .envs(&self.env);
        command
    }

    /// Starts the program and leaves it running.
    pub fn spawn(&self, args: &[&str]) -> Child {
        self.command(AURA).args(args).stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap()
    }

    /// Runs the program to its end. stdout has to be one JSON document.
    pub fn aura(&self, args: &[&str]) -> Said {
        said(self.spawn(args))
    }

    /// Calls a tool with JSON.
    pub fn call(&self, tool: &str, args: Value) -> Said {
        let mut child =
            self.command(AURA).args(["call", tool]).stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
        child.stdin.take().unwrap().write_all(args.to_string().as_bytes()).unwrap();
        said(child)
    }

    /// Calls a tool that has to answer well, about this world's story.
    pub fn tool(&self, tool: &str, args: Value) -> Value {
        let said = self.call(tool, self.about(args));
        assert_eq!(said.code, 0, "{tool}: {} {}", said.json, said.stderr);
        said.json
    }

    /// Calls a tool that has to refuse: exit code and problem.
    pub fn refused(&self, tool: &str, args: Value) -> (i32, Value) {
        let said = self.call(tool, self.about(args));
        assert!(said.code > 1 && said.json["code"].is_string(), "{tool} did not refuse: {} {}", said.code, said.json);
        (said.code, said.json)
    }

    fn about(&self, mut args: Value) -> Value {
        args["storyId"] = json!(self.id);
        args
    }

    /// A story from `main` with a plan.
    pub fn story(&mut self, tasks: Vec<Value>) {
        let story = self.call("create_story", json!({ "title": "A story", "repositoryPath": self.path("repo"), "base": "main" }));
        assert_eq!(story.code, 0, "{}", story.json);
        self.id = story.json["id"].as_str().unwrap().to_owned();
        self.tool("decompose_story", json!({ "tasks": tasks, "maxParallelism": 4 }));
    }

    /// Runs all that is left to its end.
    pub fn run(&self) -> Said {
        self.aura(&["run", &self.id, "--all", "--json"])
    }
    pub fn run_wave(&self) -> Said {
        self.aura(&["run", &self.id, "--json"])
    }
    /// Runs all to an end that has to be good.
    pub fn run_well(&self) -> Value {
        let said = self.run();
        assert_eq!((said.code, said.json["outcome"].as_str()), (0, Some("finished")), "{}\n{}", said.json, self.story_so_far());
        assert_eq!(said.json["isComplete"], true, "{}", said.json);
        said.json
    }
    pub fn detach(&self) -> Said {
        self.aura(&["run", &self.id, "--all", "--detach", "--json"])
    }
    pub fn status(&self) -> Value {
        self.tool("get_orchestrator_status", json!({}))
    }
    pub fn task_status(&self, id: &str) -> Value {
        let status = self.status();
        status["tasks"].as_array().unwrap().iter().find(|task| task["id"] == id).unwrap().clone()
    }

    // ---- the agents ----

    /// What the agent of a task does for one kind of request.
    pub fn script(&mut self, task: &str, kind: impl Into<Kind>, steps: Vec<Step>) {
        self.scripts.entry(task.to_owned()).or_default().insert(kind.into().0, steps);
        let path = self.path("agents").join(format!("{task}.json"));
        let beside = path.with_extension("new");
        fs::write(&beside, serde_json::to_vec(&self.scripts[task]).unwrap()).unwrap();
        fs::rename(beside, path).unwrap();
    }
    /// Lets the agents go on that wait for this name.
    pub fn release(&self, name: &str) {
        fs::write(self.path("agents").join(name), "").unwrap();
    }
    /// Waits until an agent has said that it got there.
    pub fn await_touch(&self, name: &str) {
        let path = self.path("agents").join(name);
        self.until(&format!("an agent touches `{name}`"), || path.exists().then_some(()));
    }
    pub fn has_touched(&self, name: &str) -> bool {
        self.path("agents").join(name).exists()
    }

    // ---- the log ----

    pub fn events(&self) -> Vec<Value> {
        let store = aura::store::Store::open(&self.path("home")).unwrap();
        let events = store.since(None, 0, 1_000_000).unwrap();
        let of_story = |event: &Value| self.id.is_empty() || event["storyId"] == self.id.as_str();
        events.iter().map(|event| serde_json::to_value(event).unwrap()).filter(of_story).collect()
    }
    pub fn events_of(&self, kind: &str) -> Vec<Value> {
        self.events().into_iter().filter(|event| event["kind"] == kind).collect()
    }
    pub fn events_of_task(&self, kind: &str, task: &str) -> Vec<Value> {
        self.events_of(kind).into_iter().filter(|event| event["task"] == task).collect()
    }
    /// Purposes of a task's attempts with their results, in order.
    pub fn attempts(&self, task: &str) -> Vec<(String, String)> {
        let text = |value: &Value| value.as_str().unwrap_or("-").to_owned();
        let ended = self.events_of_task("attemptEnded", task);
        let result =
            |n: &Value| ended.iter().rev().find(|event| event["attempt"] == *n).map_or("-".into(), |e| text(&e["outcome"]["result"]));
        let started = self.events_of_task("attemptStarted", task);
        started.iter().map(|event| (text(&event["purpose"]["purpose"]), result(&event["attempt"]))).collect()
    }
    /// Position of the first event of a kind (and of a task).
    pub fn place(&self, kind: &str, task: &str) -> usize {
        let found = self.events().iter().position(|event| event["kind"] == kind && (task.is_empty() || event["task"] == task));
        found.unwrap_or_else(|| panic!("no {kind} of `{task}`\n{}", self.story_so_far()))
    }
    /// Most agents that ran at once among those attempts, by what their supervisors wrote down.
    pub fn agents_at_once(&self, started: &[Value]) -> i32 {
        let mut moments = vec![];
        for event in started {
            let job = Path::new(event["job"].as_str().expect("an attempt has a job"));
            let moment = |name: &str| std::fs::metadata(job.join(name)).and_then(|meta| meta.modified());
            if let (Ok(start), Ok(end)) = (moment("pid.json"), moment("exit.json")) {
                moments.extend([(start, 1), (end, -1)]);
            }
        }
        moments.sort();
        let sums = moments.iter().scan(0, |running, (_, change)| {
            *running += change;
            Some(*running)
        });
        sums.max().expect("some agent ran")
    }
    /// Waits for something in the log.
    pub fn await_event(&self, kind: &str, task: &str) -> Value {
        let found = |event: &Value| event["kind"] == kind && (task.is_empty() || event["task"] == task);
        self.until(&format!("{kind} of `{task}`"), || self.events().into_iter().find(|event| found(event)))
    }
    /// Waits until no process has the story's lease: a killed one keeps it for a moment longer than it can be seen.
    pub fn await_no_driver(&self) {
        let folder = self.path("home/stories").join(&self.id);
        self.until("nobody drives", || aura::store::Lease::holder(&folder).unwrap().is_none().then_some(()));
    }
    /// Waits until no run is active and nobody holds the story.
    pub fn await_end(&self, runs: usize) {
        self.until("the run ends", || (self.events_of("runEnded").len() >= runs && self.processes().is_empty()).then_some(()));
    }
    pub fn until<T>(&self, what: &str, mut found: impl FnMut() -> Option<T>) -> T {
        let give_up = Instant::now() + PATIENCE;
        loop {
            if let Some(found) = found() {
                return found;
            }
            assert!(Instant::now() < give_up, "waited in vain: {what}\n{}", self.story_so_far());
            std::thread::sleep(GLANCE);
        }
    }
    /// The log in short, for a failing test.
    pub fn story_so_far(&self) -> String {
        let mut text = String::new();
        for mut event in self.events() {
            for name in ["storyId", "at", "worktree", "job", "session", "usage", "tasks", "tree"] {
                event.as_object_mut().unwrap().remove(name);
            }
            text += &format!("{}\n", event.to_string().chars().take(400).collect::<String>());
        }
        for (pid, line) in self.processes() {
            text += &format!("{pid} {line}\n");
        }
        let log = fs::read_dir(self.path("home/stories")).into_iter().flatten().flatten();
        for folder in log {
            text += &fs::read_to_string(folder.path().join("driver.log")).unwrap_or_default();
        }
        text
    }

    // ---- git ----

    pub fn git(&self, args: &[&str]) -> String {
        self.git_in(&self.path("repo"), args)
    }
    pub fn git_in(&self, dir: &Path, args: &[&str]) -> String {
        let (ok, text) = self.try_git(dir, args);
        assert!(ok, "git {args:?}: {text}");
        text
    }
    pub fn try_git(&self, dir: &Path, args: &[&str]) -> (bool, String) {
        let output = self.command("git").current_dir(dir).args(args).output().unwrap();
        let text = if output.status.success() { output.stdout } else { output.stderr };
        (output.status.success(), String::from_utf8_lossy(&text).trim_end().to_owned())
    }
    pub fn branch(&self) -> String {
        self.events()[0]["branch"].as_str().unwrap().to_owned()
    }
    /// A file at the tip of the story branch, or nothing.
    pub fn landed(&self, path: &str) -> String {
        self.at(&self.branch(), path)
    }
    pub fn at(&self, rev: &str, path: &str) -> String {
        let (ok, text) = self.try_git(&self.path("repo"), &["show", &format!("{rev}:{path}")]);
        if ok { text } else { String::new() }
    }

    // ---- what must hold whatever happened ----

    /// Everything of the user's that Aura has no business with, as text.
    pub fn checkout(&self) -> String {
        let repo = self.path("repo");
        let mut text = String::new();
        for path in ["HEAD", "config", "index", "packed-refs", "refs/stash", "logs/refs/stash", "refs/heads/notes", "logs/HEAD"] {
            text += &format!("{path}: {:?}\n", fs::read(repo.join(".git").join(path)).ok());
        }
        let mut files: Vec<PathBuf> = fs::read_dir(&repo).unwrap().map(|entry| entry.unwrap().path()).filter(|p| p.is_file()).collect();
        files.sort();
        for path in files {
            text += &format!("{}: {:?}\n", path.display(), fs::read(&path).unwrap());
        }
        text
    }
    /// From now on the checkout has to be as it is now.
    pub fn settle_checkout(&mut self) {
        self.before = self.checkout();
    }

    /// Processes of this world: those that know its home.
    pub fn processes(&self) -> Vec<(u32, String)> {
        let mark = format!("AURA_HOME={}\0", self.path("home").display());
        let mut found = vec![];
        for entry in fs::read_dir("/proc").unwrap().flatten() {
            let Ok(pid) = entry.file_name().to_string_lossy().parse::<u32>() else { continue };
            let environment = fs::read(entry.path().join("environ")).unwrap_or_default();
            if String::from_utf8_lossy(&environment).contains(&mark) {
                let line = fs::read(entry.path().join("cmdline")).unwrap_or_default();
                found.push((pid, String::from_utf8_lossy(&line).replace('\0', " ")));
            }
        }
        found
    }
    /// The process whose command line holds these words.
    pub fn process(&self, words: &str) -> u32 {
        self.until(&format!("a process `{words}`"), || {
            self.processes().into_iter().find(|(_, line)| line.contains(words)).map(|(pid, _)| pid)
        })
    }

    /// What holds at the end of every test: no process is left, the log folds to what is stored, every task landed once for
    /// each attempt, the repository is sound, and what is the user's is as it was.
    pub fn close(&self) {
        self.until("every process ends", || self.processes().is_empty().then_some(()));
        let store = aura::store::Store::open(&self.path("home")).unwrap();
        for story in store.stories(100).unwrap() {
            assert_eq!(store.replay(story.id).unwrap(), story, "the log folds to what is stored");
        }
        let mut landed: Vec<String> =
            self.events_of("taskLanded").iter().map(|event| format!("{}#{}", event["task"], event["attempt"])).collect();
        landed.sort();
        let count = landed.len();
        landed.dedup();
        assert_eq!(landed.len(), count, "an attempt landed twice\n{}", self.story_so_far());
        let (ok, text) = self.try_git(&self.path("repo"), &["fsck", "--connectivity-only", "--no-dangling"]);
        assert!(ok, "{text}");
        assert_eq!(self.checkout(), self.before, "the user's checkout has changed");
    }
}

impl Drop for World {
    /// Ends what this test started: each by its own id, found by this world's own folder.
    fn drop(&mut self) {
        for _ in 0..100 {
            let left = self.processes();
            if left.is_empty() {
                break;
            }
            for (pid, _) in left {
                kill("-KILL", pid);
            }
            std::thread::sleep(GLANCE);
        }
    }
}

/// Sends a signal to one process.
pub fn kill(signal: &str, pid: u32) {
    Command::new("kill").args([signal, &pid.to_string()]).stderr(Stdio::null()).status().unwrap();
}

/// Settings with one test check, run by `sh`.
pub fn gate(script: &str) -> String {
    format!("[gate]\nchecks = [{{ name = \"check\", kind = \"test\", run = [\"sh\", \"-c\", {}] }}]\n", json!(script))
}

/// The end of a program that was started.
pub fn said(child: Child) -> Said {
    let output = child.wait_with_output().unwrap();
    let (stdout, stderr) = (String::from_utf8_lossy(&output.stdout).into_owned(), String::from_utf8_lossy(&output.stderr).into_owned());
    let json = serde_json::from_str(&stdout).unwrap_or_else(|e| panic!("stdout is not one JSON document ({e}):\n{stdout}\n{stderr}"));
    Said { code: output.status.code().unwrap_or(-1), json, stderr }
}

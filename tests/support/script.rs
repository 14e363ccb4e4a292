//! Scripted agents: the test program itself, run again as the agent of a task. It reads its prompt like any agent and
//! does what the test has written down for the task and for what the prompt asks.

use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::fs;
use std::io::{Read, Write as _};
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::Duration;

/// Longest that an agent waits for a test that has gone.
const PATIENCE: Duration = Duration::from_mins(2);

/// What is asked: `work`, `resolve`, `repair`, `nochange`, `resume`, `retry`; `#2` is the second call whatever it asks.
pub struct Kind(pub String);
impl From<&str> for Kind {
    fn from(text: &str) -> Kind {
        Kind(text.to_owned())
    }
}

#[derive(Clone, Debug, Serialize, Deserialize)]
pub enum Step {
    Write(String, String),
    Append(String, String),
    Replace(String, String, String),
    Remove(String),
    Git(Vec<String>),
    /// Takes the markers out of a conflict and leaves both sides.
    KeepBoth(String),
    /// A git repository inside the worktree.
    Nested(String),
    Say(String),
    Exit(i32),
    /// Tells the test that the agent got here.
    Touch(String),
    /// Goes on when the test says so.
    Await(String),
    /// Never goes on.
    Hang,
    Sh(String),
    /// Leaves a process behind, in a session of its own.
    Linger,
}

pub fn write(path: &str, text: &str) -> Step {
    Step::Write(path.into(), text.into())
}
pub fn append(path: &str, text: &str) -> Step {
    Step::Append(path.into(), text.into())
}
pub fn replace(path: &str, old: &str, new: &str) -> Step {
    Step::Replace(path.into(), old.into(), new.into())
}
pub fn git(args: &[&str]) -> Step {
    Step::Git(args.iter().map(|&arg| arg.to_owned()).collect())
}
pub fn touch(name: &str) -> Step {
    Step::Touch(name.into())
}
pub fn hold(name: &str) -> Step {
    Step::Await(name.into())
}
pub fn say(text: &str) -> Step {
    Step::Say(text.into())
}
pub fn sh(script: &str) -> Step {
    Step::Sh(script.into())
}

/// The agent. Ends the process.
pub fn act(folder: &Path) -> ! {
    let mut prompt = String::new();
    std::io::stdin().read_to_string(&mut prompt).unwrap();
    let task = std::env::var("AURA_TASK").unwrap();
    let call = count(folder, &task);
    let kind = kind_of(&prompt);
    let text = fs::read_to_string(folder.join(format!("{task}.json"))).unwrap_or_else(|_| "{}".into());
    let scripts: BTreeMap<String, Vec<Step>> = serde_json::from_str(&text).unwrap();
    let plain = vec![write(&format!("{task}.txt"), &format!("{task}\n")), say(&format!("Did {task}."))];
    let found = [format!("#{call}"), kind.to_owned(), "work".to_owned()].iter().find_map(|key| scripts.get(key));
    for step in found.unwrap_or(&plain) {
        one(folder, step);
    }
    leave(0)
}

fn count(folder: &Path, task: &str) -> u32 {
    (1..).find(|n| fs::File::create_new(folder.join(format!("call-{task}-{n}"))).is_ok()).unwrap()
}

fn kind_of(prompt: &str) -> &'static str {
    let marks = [
        ("conflict markers", "resolve"),
        ("<gate-output>", "repair"),
        ("but no file has changed", "nochange"),
        ("interrupted (", "resume"),
        ("An earlier attempt", "retry"),
    ];
    marks.iter().find(|(mark, _)| prompt.contains(mark)).map_or("work", |(_, kind)| kind)
}

fn leave(code: i32) -> ! {
    std::io::stdout().flush().unwrap();
    std::process::exit(code)
}

fn one(folder: &Path, step: &Step) {
    match step {
        Step::Write(path, text) => write_file(Path::new(path), text),
        Step::Append(path, text) => {
            let old = fs::read_to_string(path).unwrap_or_default();
            write_file(Path::new(path), &(old + text));
        }
        Step::Replace(path, old, new) => {
            let text = fs::read_to_string(path).unwrap();
            assert!(text.contains(old.as_str()), "{path} does not hold {old:?}:\n{text}");
            fs::write(path, text.replacen(old.as_str(), new, 1)).unwrap();
        }
        Step::Remove(path) => fs::remove_file(path).unwrap(),
        Step::Git(args) => run("git", args),
        Step::KeepBoth(path) => {
            let text = fs::read_to_string(path).unwrap();
            let marks = ["<<<<<<<", "=======", ">>>>>>>", "|||||||"];
            let kept: Vec<&str> = text.lines().filter(|line| !marks.iter().any(|mark| line.starts_with(mark))).collect();
            fs::write(path, kept.join("\n") + "\n").unwrap();
        }
        Step::Nested(path) => {
            fs::create_dir_all(path).unwrap();
            run("git", &["init".into(), "-q".into(), path.clone()]);
            fs::write(Path::new(path).join("inner.txt"), "inner\n").unwrap();
        }
        // The test program has begun a line already.
        Step::Say(text) => println!("\n{text}"),
        Step::Exit(code) => leave(*code),
        Step::Touch(name) => fs::write(folder.join(name), "").unwrap(),
        Step::Await(name) => until(&folder.join(name)),
        Step::Hang => until(&folder.join("never")),
        Step::Sh(script) => run("sh", &["-c".into(), script.clone()]),
        Step::Linger => {
            let mut lingers = Command::new("setsid");
            lingers.args(["sleep", "300"]).stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
        }
    }
}

fn write_file(path: &Path, text: &str) {
    if let Some(parent) = path.parent() {
        fs::create_dir_all(parent).unwrap();
    }
    fs::write(path, text).unwrap();
}

fn run(program: &str, args: &[String]) {
    let status = Command::new(program).args(args).status().unwrap();
    assert!(status.success(), "{program} {args:?}: {status}");
}

fn until(path: &Path) {
    let rounds = PATIENCE.as_millis() / 10;
    for _ in 0..rounds {
        if path.exists() {
            return;
        }
        std::thread::sleep(Duration::from_millis(10));
    }
    leave(99)
}

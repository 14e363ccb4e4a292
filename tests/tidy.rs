//! House rules that no lint can express. Read the first table: it is the architecture.
#![allow(clippy::unwrap_used)] // A test may fail loudly.

use aura::error::Code;
use std::fmt::Write;
use std::fs;
use std::path::Path;

/// Each room and the rooms it may name. A new arrow is argued in `docs/decisions/`.
const ROOMS: &[(&str, &[&str])] = &[
    ("error", &[]),
    ("domain", &["error"]),
    ("store", &["domain", "error"]),
    ("proc", &["error"]),
    ("git", &["domain", "proc", "error"]),
    ("agent", &["domain", "proc", "error"]),
    ("planner", &["domain", "proc", "agent", "error"]),
    ("gate", &["domain", "proc", "git", "error"]),
    // Pure: it reads two trees that it is given.
    ("judge", &["domain", "error"]),
    // The settings of the rooms are read where the environment is.
    ("config", &["error", "domain", "agent", "gate", "judge", "planner", "forge"]),
    ("forge", &["domain", "proc", "git", "error"]),
    ("engine", &["domain", "store", "proc", "git", "agent", "planner", "gate", "judge", "forge", "config", "error"]),
    // `follow` hands on the store's own tail: a copy of it would be a second stream.
    ("ops", &["engine", "domain", "store", "error"]),
    // Doors open the engine for the environment they are in, and decide nothing.
    ("edge", &["ops", "engine", "config", "error"]),
    ("lib", &[]),
    // The hidden modes of the binary are `proc`'s own; everything else is `edge`.
    ("main", &["edge", "proc"]),
];

/// What only some rooms may say, and why.
const RESERVED: &[(&str, &[&str], &str)] = &[
    ("process::Command", &["proc"], "one room starts programs"),
    ("rusqlite", &["store"], "one room opens the database"),
    ("env::var", &["config"], "one room reads the environment"),
    ("env::current_dir", &["edge"], "nothing depends on the current directory unless it was passed in"),
    ("println!", &["edge"], "stdout is the answer, stderr the conversation, and both belong to the doors"),
    ("print!(", &["edge"], "stdout is the answer, stderr the conversation, and both belong to the doors"),
];

/// Files that may say it all the same, and why.
const ALLOWED: &[(&str, &str, &str)] = &[
    ("src/proc/fault.rs", "env::var", "the hidden modes have no configuration, and builds for users do not have this file's body"),
    ("src/proc/apart.rs", "env::var", "what a job adds to a variable of the user's, it adds to what the job would have inherited"),
];

/// What `domain` may not say: it is pure.
const IMPURE: &[&str] = &["std::fs", "std::io", "std::net", "std::thread", "tokio::", "::now()", "now_v7", "new_v4", "async "];

/// Tests that sleep, each for a reason. Waiting for a condition with a long deadline is not a race.
const MAY_SLEEP: &[(&str, &str)] = &[
    ("tests/proc/main.rs", "looks every few milliseconds for what another process does; and a driver that waits to be killed"),
    ("tests/support/world.rs", "looks again, until a deadline, for what another process does"),
    ("tests/support/script.rs", "an agent that waits, until a deadline, for a file"),
];

const FILE_LINES_MAX: usize = 500;
const FN_LINES_MAX: usize = 70;

struct Source {
    /// From the root of the project, `/` as separator.
    name: String,
    /// First part of the path inside `src`; none for tests.
    room: Option<String>,
    text: String,
}

impl Source {
    /// The part that runs only in tests.
    fn tests(&self) -> &str {
        if self.room.is_none() || self.name.ends_with("tests.rs") {
            return &self.text;
        }
        self.text.find("#[cfg(test)]\nmod").map_or("", |at| &self.text[at..])
    }
    fn code(&self) -> &str {
        &self.text[..self.text.len() - self.tests().len()]
    }
}

fn sources() -> Vec<Source> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut found = vec![];
    for top in ["src", "tests"] {
        visit(root, &root.join(top), &mut found);
    }
    assert!(found.len() > 20, "the sources are not where they were");
    found
}

fn visit(root: &Path, folder: &Path, found: &mut Vec<Source>) {
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            visit(root, &path, found);
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            let name = path.strip_prefix(root).unwrap().to_str().unwrap().replace('\\', "/");
            let room = name.strip_prefix("src/").map(|inside| inside.split(['/', '.']).next().unwrap().to_owned());
            found.push(Source { name, room, text: fs::read_to_string(&path).unwrap().replace("\r\n", "\n") });
        }
    }
}

#[track_caller]
fn none(faults: &[String]) {
    assert!(faults.is_empty(), "\n{}\n", faults.join("\n"));
}

/// Names of rooms in a line: after `crate::` or `aura::`, alone or in braces.
fn rooms_named(line: &str) -> Vec<String> {
    let word = |text: &str| text.chars().take_while(|c| c.is_alphanumeric() || *c == '_').collect::<String>();
    let mut named = vec![];
    for start in ["crate::", "aura::"] {
        for (at, _) in line.match_indices(start) {
            let rest = &line[at + start.len()..];
            match rest.strip_prefix('{') {
                Some(list) => named.extend(list.split(',').map(|item| word(item.trim()))),
                None => named.push(word(rest)),
            }
        }
    }
    named.retain(|name| name.starts_with(|c: char| c.is_ascii_lowercase()) && name != "self");
    named
}

/// A line of code without what stands between quotes: text about other programs is not a use.
fn without_text(line: &str) -> String {
    line.split('"').step_by(2).collect()
}

#[test]
fn rooms_name_only_the_rooms_they_may() {
    let mut faults = vec![];
    for source in sources() {
        let Some(room) = &source.room else { continue };
        let Some((_, allowed)) = ROOMS.iter().find(|(name, _)| name == room) else {
            faults.push(format!("{}: `{room}` is not in the table of rooms", source.name));
            continue;
        };
        for (number, line) in source.text.lines().enumerate() {
            for target in rooms_named(&without_text(line)) {
                if target != *room && !allowed.contains(&target.as_str()) {
                    faults.push(format!("{}:{}: `{room}` may not name `{target}`", source.name, number + 1));
                }
            }
            if line.trim_end().ends_with("crate::{") {
                faults.push(format!("{}:{}: one room to a line, so that this test can read it", source.name, number + 1));
            }
        }
    }
    none(&faults);
}

#[test]
fn what_belongs_to_one_room_is_said_there_only() {
    let mut faults = vec![];
    for source in sources() {
        let Some(room) = &source.room else { continue };
        for (number, line) in source.code().lines().enumerate() {
            let line = without_text(line.split("//").next().unwrap_or_default());
            let commands = line.contains("std::process::{") && line.contains("Command");
            for (word, rooms, why) in RESERVED {
                let allowed = ALLOWED.iter().any(|(name, what, _)| *name == source.name && what == word);
                if !allowed && (line.contains(word) || commands && *word == "process::Command") && !rooms.contains(&room.as_str()) {
                    faults.push(format!("{}:{}: `{word}`: {why}", source.name, number + 1));
                }
            }
            for word in IMPURE.iter().filter(|word| room == "domain" && line.contains(**word)) {
                faults.push(format!("{}:{}: `{word}`: the domain is pure", source.name, number + 1));
            }
        }
    }
    none(&faults);
}

#[test]
fn files_and_functions_fit_in_a_head() {
    let mut faults = vec![];
    for source in sources() {
        let lines: Vec<&str> = source.text.lines().collect();
        if lines.len() > FILE_LINES_MAX {
            faults.push(format!("{}: {} lines; split it", source.name, lines.len()));
        }
        // A verb's file begins with its arguments, whose documentation is the help; tests beside a file are about that.
        let speaks_otherwise = source.name.starts_with("src/ops/") || source.name.ends_with("_tests.rs");
        if !source.text.starts_with("//!") && !speaks_otherwise {
            faults.push(format!("{}: it does not begin by saying what it is for", source.name));
        }
        long_functions(&source.name, &lines, &mut faults);
    }
    none(&faults);
}

/// rustfmt closes a function with a brace at the indent of its `fn`; that is all the parser we need.
fn long_functions(name: &str, lines: &[&str], faults: &mut Vec<String>) {
    for (start, line) in lines.iter().enumerate() {
        let code = line.trim_start();
        let begins = ["fn ", "pub", "async ", "const ", "proptest! {"].iter().any(|word| code.starts_with(word));
        if !begins || !code.contains("fn ") || code.ends_with([';', '}']) {
            continue;
        }
        let above = lines[..start].iter().rev().take_while(|line| line.trim_start().starts_with(['#', '/']));
        if above.into_iter().any(|line| line.contains("tidy: flat match")) {
            continue;
        }
        let close = format!("{}}}", &line[..line.len() - code.len()]);
        if let Some(length) = lines[start..].iter().position(|line| *line == close)
            && length + 1 > FN_LINES_MAX
        {
            faults.push(format!("{name}:{}: function of {} lines", start + 1, length + 1));
        }
    }
}

#[test]
fn tests_neither_sleep_nor_are_left_out() {
    let mut faults = vec![];
    // Put together here, so that this file does not find itself.
    let (ignore, sleep) = (concat!("#[", "ignore"), concat!("thread::", "sleep"));
    for source in sources() {
        let may_sleep = MAY_SLEEP.iter().any(|(name, _)| *name == source.name);
        for line in source.tests().lines() {
            if line.contains(ignore) {
                faults.push(format!("{}: a test that is not run is not a test: {}", source.name, line.trim()));
            }
            if line.contains(sleep) && !may_sleep {
                faults.push(format!("{}: sleeping is not waiting for something: {}", source.name, line.trim()));
            }
        }
    }
    for (name, _) in MAY_SLEEP {
        let used = sources().iter().any(|source| source.name == *name && source.text.contains(sleep));
        if !used {
            faults.push(format!("{name} no longer sleeps: take it off the list"));
        }
    }
    none(&faults);
}

#[test]
fn every_room_is_on_the_map() {
    let map = fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/architecture.md")).unwrap();
    let words: Vec<&str> = map.split(|c: char| !c.is_alphanumeric() && c != '_').collect();
    let mut rooms: Vec<String> =
        sources().into_iter().filter_map(|source| source.room).filter(|room| room != "lib" && room != "main").collect();
    rooms.dedup();
    let missing: Vec<String> = rooms.into_iter().filter(|room| !words.contains(&room.as_str())).collect();
    assert!(missing.is_empty(), "docs/architecture.md does not name {missing:?}");
}

#[test]
fn a_code_has_one_name() {
    for code in Code::ALL {
        assert_eq!(serde_json::to_value(code).unwrap(), code.row().name);
        assert_eq!(Code::ALL.iter().filter(|other| other.row().name == code.row().name).count(), 1);
    }
}

#[test]
fn the_page_of_errors_is_the_table_of_codes() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/errors.md");
    let page = fs::read_to_string(&path).unwrap_or_default().replace("\r\n", "\n");
    let mut table = String::from("| code | means | HTTP | exit | may work later unchanged |\n|---|---|---|---|---|\n");
    for code in Code::ALL {
        let row = code.row();
        let retryable = if row.retryable { "yes" } else { "no" };
        writeln!(table, "| `{}` | {} | {} | {} | {retryable} |", row.name, row.title, row.http, row.exit).unwrap();
    }
    assert!(page.contains(&table), "docs/errors.md should hold\n\n{table}");
    assert_eq!(page.matches("\n| `").count(), Code::ALL.len(), "docs/errors.md holds rows that are not in the table of codes");
}

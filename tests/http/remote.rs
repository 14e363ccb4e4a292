//! The command line against a running server: every command answers as it does here, in text, in JSON and by its exit code.

use super::cli_world::{Cli, Said, fed, task};
use super::server::Server;
use aura::error::Code;
use regex::Regex;
use serde_json::{Value, json};
use std::io::{BufRead, BufReader};
use std::process::Stdio;

/// A world of its own for one day of work, here or by a server.
struct Day {
    cli: Cli,
    server: Option<Server>,
}

impl Day {
    fn new(by_server: bool) -> Day {
        let cli = Cli::new();
        let plan = json!([task("task-1", &[]), task("task-2", &["task-1"])]);
        std::fs::write(cli.repo().join("plan.json"), plan.to_string()).unwrap();
        let server = by_server.then(|| Server::start(&cli));
        Day { cli, server }
    }

    fn say(&self, args: &[&str], stdin: &str) -> Said {
        let mut command = self.cli.aura(args);
        if let Some(server) = &self.server {
            // By the flag and by the environment, in turn.
            match args.len() % 2 {
                0 => command.args(["--url", &server.url()]),
                _ => command.env("AURA_URL", server.url()),
            };
        }
        fed(&mut command, stdin.as_bytes())
    }

    /// What is the same whenever and wherever it is done.
    fn plain(&self, text: &str) -> String {
        let mut text = text.replace(&*self.cli.path("").to_string_lossy(), "DIR/");
        for (pattern, word) in [
            (r"\d{4}-\d\d-\d\dT[0-9:.]+Z", "TIME"),
            (r"[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}", "ID"),
            (r"\b[0-9a-f]{7,40}\b", "HEX"),
            (r"\d+(\.\d+)? ?(ms|s|min)\b", "TIME"),
            (r#""(seq|since|durationMs|agentSeconds)": [0-9.]+"#, "\"$1\": N"),
            (r"\bsince \d+", "since N"),
        ] {
            text = Regex::new(pattern).unwrap().replace_all(&text, word).into_owned();
        }
        text
    }
}

#[test]
fn a_day_at_the_command_line_is_the_same_by_a_server() {
    let (here, there) = (Day::new(false), Day::new(true));
    let both = |args: &[&str], stdin: &str, code: i32| {
        let (one, other) = (here.say(args, stdin), there.say(args, stdin));
        assert_eq!(there.plain(other.text()), here.plain(one.text()), "{args:?}\n{}\n{}", one.stderr, other.stderr);
        assert_eq!((other.code, one.code), (code, code), "{args:?}: {}{}\n{}{}", one.text(), one.stderr, other.text(), other.stderr);
        if code != 0 {
            assert_eq!(there.plain(&other.stderr), here.plain(&one.stderr), "{args:?}");
        }
    };
    let reading: [&[&str]; 5] =
        [&["status"], &["list", "-r", "."], &["show"], &["log", "latest", "task-1", "--diff"], &["wait", "--wait-seconds", "0"]];
    let look = || {
        for args in reading {
            both(args, "", 0);
            both(&[args, &["--json"]].concat(), "", 0);
        }
    };
    both(&["status"], "", 3);
    both(&["new", "A story", "-d", "-", "--json"], "- one\n- two\n", 0);
    both(&["analyze", "--facts-only"], "", 0);
    both(&["decompose", "--plan", "nonsense.json"], "", 2);
    both(&["decompose", "--plan", "plan.json", "-n", "2"], "", 0);
    look();
    both(&["run", "--all"], "", 0);
    both(&["run", "--all", "--json"], "", 0);
    look();
    both(&["watch", "latest", "--until-end", "--json"], "", 0);
    both(&["retry", "latest", "task-1"], "", 4);
    both(&["cancel"], "", 4);
    both(&["cancel", "--json"], "", 4);
    both(&["complete", "--publish", "branch"], "", 0);
    both(&["clean"], "", 0);
    both(&["status", "00000000", "--json"], "", 3);
    both(&["log", "latest", "task-9"], "", 3);
    both(&["list", "--status", "nonsense"], "", 2);
    both(&["new", "Fails", "--json"], "", 0);
    both(&["call", "decompose_story"], &json!({ "storyId": "latest", "tasks": [super::cli_world::failing("task-1", &[])] }).to_string(), 0);
    both(&["run", "--json"], "", 1);
    both(&["run", "latest", "--detach", "--json", "--mode", "flow"], "", 0);
}

#[test]
fn a_run_is_shown_and_followed_from_the_server() {
    let day = Day::new(true);
    day.say(&["new", "A story"], "").text();
    day.say(&["decompose", "--plan", "plan.json"], "");
    let said = day.say(&["run", "--all"], "");
    assert_eq!(said.code, 0, "{}", said.stderr);
    for line in ["task-1 starts", "task-2 landed", "Do task-2", "The run is finished."] {
        assert!(said.stderr.contains(line), "{line}: {}", said.stderr);
    }
    let watched = day.say(&["watch", "--since", "0", "--until-end", "--json"], "");
    let here = day.cli.run(&["watch", "--since", "0", "--until-end", "--json"]);
    assert_eq!((watched.text(), watched.code), (here.text(), 0));
    assert_eq!(day.say(&["watch", "latest", "--since", "0", "--until-end", "--json"], "").text(), here.text());
    let view = day.say(&["watch", "latest", "--since", "0", "--until-end"], "");
    assert!(view.stderr.contains("task-1 landed"), "{}", view.stderr);
}

#[test]
fn a_reader_goes_on_where_it_was_when_the_server_comes_again() {
    let cli = Cli::new();
    let server = Server::start(&cli);
    let (address, url) = (server.address.clone(), server.url());
    let mut watch =
        cli.aura(&["watch", "--json", "--since", "0", "--url", &url]).stdin(Stdio::null()).stdout(Stdio::piped()).spawn().unwrap();
    let mut lines = BufReader::new(watch.stdout.take().unwrap()).lines();
    let mut next = || serde_json::from_str::<Value>(&lines.next().unwrap().unwrap()).unwrap()["storyId"].as_str().unwrap().to_owned();
    let first = cli.story("First");
    assert_eq!(next(), first);
    drop(server);
    let missed = [cli.story("Missed"), cli.story("Missed too")];
    let _server = Server::start_at(&cli, &address);
    assert_eq!([next(), next()], missed);
    let after = cli.story("After");
    assert_eq!(next(), after);
    watch.kill().unwrap();
    watch.wait().unwrap();
}

#[test]
fn what_is_about_this_machine_asks_no_server() {
    let cli = Cli::new();
    for args in [&["doctor"][..], &["demo"], &["serve"], &["mcp"], &["completions", "bash"], &["rescue"], &["man"]] {
        let said = cli.json(&[args, &["--url", "http://127.0.0.1:1"]].concat());
        let problem = said.refused(Code::InvalidRequest);
        assert!(problem["detail"].as_str().unwrap().contains("about this machine"), "{problem}");
    }
    assert_eq!(cli.aura(&["completions", "bash"]).env("AURA_URL", "http://127.0.0.1:1").output().unwrap().status.code(), Some(0));
    let said = cli.run(&["status", "--url", "http://127.0.0.1:1"]);
    assert!(said.code == 6 && said.stderr.contains("aura serve"), "{}", said.stderr);
    // An agent gets at no server either.
    let server = Server::start(&cli);
    let mut inside = cli.aura(&["cancel", "--json", "--url", &server.url()]);
    fed(inside.env("AURA_TASK", "task-1"), b"").refused(Code::NeedsPerson);
}

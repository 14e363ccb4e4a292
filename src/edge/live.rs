//! Live progress: one line for everything that matters, and, where a person watches a terminal, a block below that says
//! what every agent is doing now. Piped, only the lines.

use super::caller::{Caller, Events};
use super::cli::Format;
use super::term::{self, Colour, paint};
use crate::error::Result;
use crate::ops::follow::EventView;
use clap::{Arg, ArgAction, ArgMatches, Command};
use serde_json::Value;
use std::collections::{BTreeMap, HashMap};
use std::time::{Duration, Instant};

/// How often the block is redrawn while nothing happens.
const REDRAW: Duration = Duration::from_millis(500);

/// Most agents that the block shows.
const BLOCK_LINES: usize = 16;
/// Tells the terminal to cut long lines, and to wrap them again.
const NO_WRAP: &str = "\u{1b}[?7l";
const WRAP: &str = "\u{1b}[?7h";

pub(super) fn watch_command() -> Command {
    Command::new("watch")
        .about("Follow a story, or all of them, live")
        .arg(Arg::new("story").value_name("STORY").help("Id of the story, the start of one, or `latest`; default: all stories"))
        .arg(
            Arg::new("since")
                .long("since")
                .value_name("SEQ")
                .value_parser(clap::value_parser!(i64))
                .help("Start after this position of the log; 0 is the beginning. Default: now, or the active run"),
        )
        .arg(
            Arg::new("until-end")
                .long("until-end")
                .action(ArgAction::SetTrue)
                .help("Stop when the active run ends, at once when nothing runs"),
        )
}

/// Follows until interrupted, or until the run ends where asked to. With `--json`: JSON Lines.
pub(super) async fn watch(caller: &Caller, args: &ArgMatches, format: Format) -> Result<u8> {
    let story = args.get_one::<String>("story").map(String::as_str);
    let mut events = caller.events(story, args.get_one::<i64>("since").copied(), args.get_flag("until-end")).await?;
    if format == Format::Json {
        while !events.is_over() {
            for event in events.next().await? {
                if !term::try_out(&format!("{}\n", event.value)) {
                    return Ok(0);
                }
            }
        }
        return Ok(0);
    }
    let mut live = Live::over(events, format);
    let mut pressed = crate::engine::interrupts()?;
    loop {
        tokio::select! {
            over = live.step() => if over? { live.pause(); return Ok(0) },
            () = pressed.next() => {
                live.pause();
                return Ok(0);
            }
        }
    }
}

/// A view of a run, or of everything.
pub(super) struct Live {
    events: Events,
    format: Format,
    redraws: bool,
    /// Lines of the block on the screen.
    drawn: usize,
    running: BTreeMap<String, Running>,
    titles: HashMap<String, String>,
    began: Instant,
}

struct Running {
    since: Instant,
    doing: String,
}

impl Live {
    /// Follows one run from its first event.
    pub(super) async fn of_run(caller: &Caller, story: &str, since: i64, format: Format) -> Result<Live> {
        let mut live = Live::over(caller.events(Some(story), Some(since.saturating_sub(1)), true).await?, format);
        live.titles = caller.titles(story).await?;
        Ok(live)
    }

    fn over(events: Events, format: Format) -> Live {
        let redraws = format == Format::Text && term::is_live();
        Live { events, format, redraws, drawn: 0, running: BTreeMap::new(), titles: HashMap::new(), began: Instant::now() }
    }

    /// Waits for the next events and shows them; true when there is nothing more to follow.
    pub(super) async fn step(&mut self) -> Result<bool> {
        let events = match tokio::time::timeout(REDRAW, self.events.next()).await {
            Ok(events) => events?,
            Err(_) => vec![],
        };
        if self.format == Format::Json {
            return Ok(self.events.is_over());
        }
        let mut text = String::new();
        for event in &events {
            self.track(event);
            if let Some(line) = self.line(event) {
                text += &format!("{} {line}\n", paint(Colour::Dim, &format!("{:>6.1}s", self.began.elapsed().as_secs_f64())));
            }
        }
        if !text.is_empty() || self.redraws {
            self.draw(&text);
        }
        Ok(self.events.is_over())
    }

    /// Takes the block off the screen, so that something else can be printed.
    pub(super) fn pause(&mut self) {
        let erase = self.erase();
        term::err(&erase);
    }

    fn erase(&mut self) -> String {
        let lines = std::mem::take(&mut self.drawn);
        if lines == 0 { String::new() } else { format!("\u{1b}[{lines}A\u{1b}[J") }
    }

    fn draw(&mut self, text: &str) {
        let mut screen = self.erase() + text;
        if self.redraws {
            let width = term::width();
            // A line that wraps, or a block that is higher than the screen, could not be taken off again.
            screen += NO_WRAP;
            for (task, running) in self.running.iter().take(BLOCK_LINES) {
                let line = format!("  {task} {:>4.0}s  {}", running.since.elapsed().as_secs_f64(), running.doing);
                screen += &format!("{}\n", paint(Colour::Blue, &term::line(&line, width.saturating_sub(1))));
                self.drawn += 1;
            }
            if self.running.len() > BLOCK_LINES {
                screen += &format!("  and {} more\n", self.running.len() - BLOCK_LINES);
                self.drawn += 1;
            }
            screen += WRAP;
        }
        term::err(&screen);
    }

    fn track(&mut self, event: &EventView) {
        let Some(task) = event.task_id.clone() else { return };
        match event.kind.as_str() {
            "attemptStarted" => {
                let title = self.titles.get(&task).cloned().unwrap_or_default();
                self.running.insert(task, Running { since: Instant::now(), doing: title });
            }
            "attemptActivity" => {
                if let Some(running) = self.running.get_mut(&task) {
                    running.doing = text(&event.value, "text");
                }
            }
            "attemptEnded" => {
                self.running.remove(&task);
            }
            _ => {}
        }
    }

    // tidy: flat match
    /// One line for people; none for what only programs need.
    fn line(&self, event: &EventView) -> Option<String> {
        let value = &event.value;
        let task = event.task_id.as_deref().unwrap_or_default();
        let title = self.titles.get(task).map(|title| format!(" {}", paint(Colour::Dim, &term::line(title, 60)))).unwrap_or_default();
        Some(match event.kind.as_str() {
            "storyCreated" => format!("new story: {}", text(value, "title")),
            "analysisStarted" => "analyzing the repository".into(),
            "planningStarted" => format!("planning with {}", text(value, "planner")),
            "planAccepted" => format!("plan accepted: {} tasks", value["tasks"].as_array().map_or(0, Vec::len)),
            "planningFailed" | "analysisFailed" | "completionFailed" => paint(Colour::Red, &text(value, "error")),
            "runRequested" => format!("run: {}, {}", text(value, "scope"), text(value, "mode")),
            "cancelRequested" => paint(Colour::Yellow, "cancelling: nothing new starts"),
            "attemptStarted" => match value["purpose"]["purpose"].as_str() {
                Some("resolve") => {
                    format!("{} {task} resolves its conflict in {}", mark(Colour::Yellow, "↻"), list(&value["purpose"]["paths"]))
                }
                Some("repair") => format!("{} {task} repairs the gate", mark(Colour::Yellow, "↻")),
                Some("work") => format!("{} {task} starts{title}", mark(Colour::Blue, "▶")),
                _ => format!("{} {task} starts again (attempt {}){title}", mark(Colour::Blue, "▶"), value["attempt"]),
            },
            "attemptEnded" if value["outcome"]["result"] != "done" => {
                format!("{} {task} attempt {}: {}", mark(Colour::Yellow, "!"), value["attempt"], outcome(&value["outcome"]))
            }
            "taskAccepted" if !value["outsideClaim"].as_array().is_none_or(Vec::is_empty) => {
                format!("{} {task} also changed {}", mark(Colour::Yellow, "!"), list(&value["outsideClaim"]))
            }
            "landingConflicted" => {
                format!("{} {task} conflicts in {}: handed back to its agent", mark(Colour::Yellow, "⚡"), list(&value["paths"]))
            }
            "taskLanded" => format!("{} {task} landed as {}{title}", mark(Colour::Green, "✓"), short(&value["commit"])),
            "taskFailed" => format!("{} {task} failed: {}", mark(Colour::Red, "✗"), text(value, "error")),
            "taskSkipped" => format!("{} {task} skipped: {} did not land", mark(Colour::Red, "–"), text(value, "because")),
            "gateStarted" => format!("{} gate of wave {} at {}", mark(Colour::Blue, "⛭"), value["wave"], short(&value["commit"])),
            "gateFinished" => gate(value),
            "culpritFound" => format!("{} found: {task} turned the gate red; its own session repairs it", mark(Colour::Yellow, "⌖")),
            "judged" => held(value)?,
            "findingsAccepted" => format!(
                "{} {} accepted {} of what was held",
                mark(Colour::Green, "✓"),
                text(value, "by"),
                value["ids"].as_array().map_or(0, Vec::len)
            ),
            "culpritUnknown" => format!("{} {}", mark(Colour::Red, "✗"), text(value, "why")),
            "repairFailed" => format!("{} {task} could not repair the gate: {}", mark(Colour::Red, "✗"), text(value, "error")),
            "runStopped" => format!("{} stopping: {}", mark(Colour::Red, "✗"), text(value, "detail")),
            "roundStarted" => format!("{} everything else is done: back to what failed", mark(Colour::Blue, "↺")),
            "runEnded" => ended(value),
            "tipAdopted" => format!("took in your commit {} on the story branch", short(&value["commit"])),
            "squashed" => format!("squashed to {}", short(&value["commit"])),
            "storyPublished" => paint(Colour::Green, "published"),
            "noted" => text(value, "text"),
            _ => return None,
        })
    }
}

fn mark(colour: Colour, sign: &str) -> String {
    paint(colour, sign)
}

fn gate(value: &Value) -> String {
    let report = &value["report"];
    let checks = report["checks"].as_array().map_or(&[][..], Vec::as_slice);
    let names: Vec<&str> = checks.iter().filter_map(|check| check["name"].as_str()).collect();
    let reused = if report["reused"] == true { ", same tree as before" } else { "" };
    let at = short(&report["commit"]);
    if value["wave"] == 0 {
        let sign = if report["verdict"] == "Failed" { mark(Colour::Red, "red") } else { mark(Colour::Green, "green") };
        return format!("  looking for the culprit: {at} is {sign}");
    }
    match report["verdict"].as_str() {
        Some("Passed") => format!(
            "{} gate of wave {} passed at {at} ({}{reused})",
            mark(Colour::Green, "✓"),
            value["wave"],
            term::line(&names.join(", "), 80)
        ),
        Some("Unproven") => format!(
            "{} gate of wave {} proves nothing at {at}: what ran may come from another tree",
            mark(Colour::Yellow, "!"),
            value["wave"]
        ),
        Some("Ungated") => format!("{} wave {} is ungated: the repository has no checks", mark(Colour::Yellow, "!"), value["wave"]),
        _ => {
            let failing = checks.iter().find(|check| !matches!(check["result"].as_str(), Some("passed" | "flaky" | "notRun")));
            let name = failing.and_then(|check| check["name"].as_str()).unwrap_or("a check");
            format!("{} gate of wave {} is red at {at}: `{}` fails", mark(Colour::Red, "✗"), value["wave"], term::line(name, 60))
        }
    }
}

fn held(value: &Value) -> Option<String> {
    let findings = value["findings"].as_array()?;
    let mut paths: Vec<&str> = findings
        .iter()
        .filter(|finding| matches!(finding["standing"].as_str(), Some("held" | "refused")))
        .filter_map(|finding| finding["path"].as_str())
        .collect();
    paths.dedup();
    let list = term::line(&paths.join(", "), 120);
    (!paths.is_empty()).then(|| format!("{} what decides the gate was changed: {list}", mark(Colour::Yellow, "!")))
}

fn ended(value: &Value) -> String {
    match value["outcome"].as_str() {
        Some("finished") => paint(Colour::Green, "The run is finished."),
        Some("cancelled") => paint(Colour::Yellow, "The run was cancelled; run again to go on."),
        Some("stopped") => paint(Colour::Red, &format!("The run was stopped: {}", text(value, "detail"))),
        _ => paint(Colour::Red, &format!("The run ended unhappily: {}", text(value, "reason"))),
    }
}

fn outcome(value: &Value) -> String {
    let detail = value["detail"].as_str().map(|detail| format!(": {}", term::line(detail, 160))).unwrap_or_default();
    let words = match value["result"].as_str().unwrap_or_default() {
        "noChange" => "says done, but no file changed",
        "crashed" => "its process died",
        "stalled" => "gave no sign of life",
        "timedOut" => "took too long",
        "interrupted" => "was interrupted",
        "failed" => "failed",
        "incomplete" => "stopped before it was done",
        "rateLimited" => "is rate limited; the run waits and goes on with fewer agents",
        "needsLogin" => "is not logged in",
        "quota" => "has used up its quota",
        "policy" => "is forbidden by a policy",
        "unavailable" => "cannot be started",
        "refused" => "left something that was refused",
        "unresolved" => "left conflicts unresolved",
        other => other,
    };
    format!("{words}{detail}")
}

/// A text of the event, safe for a terminal and bounded.
fn text(value: &Value, key: &str) -> String {
    term::line(value[key].as_str().unwrap_or_default(), 300)
}

fn short(value: &Value) -> String {
    value.as_str().unwrap_or_default().chars().take(10).collect()
}

fn list(value: &Value) -> String {
    let names: Vec<&str> = value.as_array().map_or(&[][..], Vec::as_slice).iter().filter_map(Value::as_str).collect();
    term::line(&names.join(", "), 120)
}

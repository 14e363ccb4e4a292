//! Answers as text for people. Everything is understandable without colour, and text of others cannot move the cursor.

use super::term::{clean, line};
use serde_json::Value;

/// Widest title in a table.
const TITLE_COLUMNS: usize = 60;
/// How much of a description is shown.
const DESCRIPTION_LINES: usize = 12;
const DESCRIPTION_COLUMNS: usize = 120;

/// The text of a verb's answer.
pub(super) fn answer(command: &str, value: &Value) -> String {
    let text = match command {
        "new" => new(value),
        "list" => list(value),
        "show" => show(value),
        "analyze" => analysis(value),
        "decompose" => plan(value),
        "run" => run(value),
        "status" => status(value),
        "log" => log(value),
        "retry" => format!("`{}` is pending again.\nnext: {}\n", s(value, "id"), next(value)),
        "wait" => wait(value),
        "clean" => clean_up(value),
        "accept" => format!("{}\n{}next: {}\n", s(value, "summary"), findings(value), next(value)),
        "complete" => format!("{}\n{}", s(value, "message"), findings(value)),
        "cancel" => format!("{}\n", s(value, "message")),
        _ => super::cli::pretty(value),
    };
    clean(&text)
}

fn s<'a>(value: &'a Value, key: &str) -> &'a str {
    value[key].as_str().unwrap_or_default()
}

/// What to type next: the command in the sentence that also names the tool.
fn next(value: &Value) -> &str {
    let sentence = s(value, "next");
    sentence.rsplit_once("(or type: ").and_then(|(_, rest)| rest.strip_suffix(").")).unwrap_or(sentence)
}

fn items<'a>(value: &'a Value, key: &str) -> &'a [Value] {
    value[key].as_array().map_or(&[], Vec::as_slice)
}

fn new(value: &Value) -> String {
    format!(
        "Created story {}: {}\nbranch:   {}\nworktree: {}\nnext: aura decompose {}\n",
        s(value, "shortId"),
        s(value, "title"),
        s(value, "gitBranch"),
        s(value, "worktreePath"),
        s(value, "shortId")
    )
}

fn list(value: &Value) -> String {
    let stories = items(value, "stories");
    if stories.is_empty() {
        return "No stories yet. Create one: aura new \"what should be true\"\n".into();
    }
    let mut text = format!("{:<9} {:<10} {:>7}  {}\n", "STORY", "STATUS", "LANDED", "TITLE");
    for story in stories {
        let landed = format!("{}/{}", story["completedSteps"], story["stepCount"]);
        text += &format!("{:<9} {:<10} {landed:>7}  {}\n", s(story, "shortId"), s(story, "status"), line(s(story, "title"), TITLE_COLUMNS));
    }
    if let Some(cursor) = value["nextCursor"].as_str() {
        text += &format!("more: aura list --cursor {cursor}\n");
    }
    text
}

fn show(value: &Value) -> String {
    let mut text = format!("{}  {}\n\n", s(value, "shortId"), s(value, "title"));
    for (name, key) in [
        ("status", "status"),
        ("repository", "repositoryPath"),
        ("base", "baseBranch"),
        ("branch", "gitBranch"),
        ("worktree", "worktreePath"),
        ("tip", "tip"),
        ("planner", "planner"),
        ("created", "createdAt"),
        ("error", "error"),
    ] {
        if let Some(found) = value[key].as_str() {
            text += &format!("{name:<11} {found}\n");
        }
    }
    let lines: Vec<&str> = s(value, "description").trim().lines().collect();
    if !lines.is_empty() {
        let shown: Vec<String> = lines.iter().take(DESCRIPTION_LINES).map(|text| line(text, DESCRIPTION_COLUMNS)).collect();
        text += &format!("\n{}\n", shown.join("\n"));
        if lines.len() > DESCRIPTION_LINES {
            text += &format!("… {} more lines; --json shows all\n", lines.len() - DESCRIPTION_LINES);
        }
    }
    let tasks = tasks(items(value, "tasks"));
    if tasks.is_empty() { text } else { text + "\n" + &tasks }
}

fn analysis(value: &Value) -> String {
    let context = &value["analyzedContext"];
    let facts = &context["facts"];
    let mut text = format!("{}\n\n", s(value, "message"));
    let mut row = |name: &str, shown: Vec<String>| {
        if !shown.is_empty() {
            text += &format!("{name:<11} {}\n", line(&shown.join(", "), 120));
        }
    };
    let each = |key: &str, shown: &dyn Fn(&Value) -> String| items(facts, key).iter().take(8).map(shown).collect::<Vec<_>>();
    row("files", vec![facts["files"].to_string()]);
    row("languages", each("languages", &|found| format!("{} ({})", s(found, "name"), found["files"])));
    row("built by", each("buildSystems", &|found| s(found, "name").to_owned()));
    row("layout", each("layout", &|found| format!("{}/ ({})", s(found, "path"), found["files"])));
    row("conventions", each("conventions", &|found| s(found, "path").to_owned()));
    for command in items(facts, "commands").iter().take(8) {
        let place = if s(command, "folder").is_empty() { String::new() } else { format!("  (in {})", s(command, "folder")) };
        row(s(command, "kind"), vec![format!("{}{place}", s(command, "command"))]);
    }
    for entry in items(facts, "history").iter().take(3) {
        row("history", vec![format!("{} {}", s(entry, "commit"), s(entry, "summary"))]);
    }
    row("words", each("words", &|found| s(found, "word").to_owned()));
    if facts["truncated"] == true {
        text += "The repository is larger than what is looked at: this is a part of it.\n";
    }
    if let Some(reading) = context["analysis"].as_str() {
        text += &format!("\n{}\n", reading.trim());
    }
    text
}

fn plan(value: &Value) -> String {
    let tasks_found = items(value, "tasks");
    let mut text = format!(
        "{} in {}, planned by {}.\n\n",
        count(tasks_found.len() as u64, "task"),
        count(value["waveCount"].as_u64().unwrap_or(0), "wave"),
        s(value, "planner")
    );
    text += &tasks(tasks_found);
    for order in items(value, "addedOrders") {
        text += &format!("{} comes after {}: both claim {}\n", s(order, "then"), s(order, "first"), s(order, "file"));
    }
    text + &format!("\nnext: aura run --all   (at most {} agents at once)\n", value["maxParallelism"])
}

/// `1 task`, `2 tasks`.
fn count(number: u64, noun: &str) -> String {
    format!("{number} {noun}{}", if number == 1 { "" } else { "s" })
}

fn tasks(tasks: &[Value]) -> String {
    let mut text = String::new();
    let last = tasks.iter().filter_map(|task| task["wave"].as_u64()).max().unwrap_or(0);
    for wave in 1..=last {
        text += &format!("wave {wave}\n");
        for task in tasks.iter().filter(|task| task["wave"].as_u64() == Some(wave)) {
            let after: Vec<&str> = items(task, "dependsOn").iter().filter_map(Value::as_str).collect();
            let after = if after.is_empty() { String::new() } else { format!("  (after {})", after.join(", ")) };
            text += &format!("  {} {:<10} {}{after}\n", sign(task), s(task, "id"), line(s(task, "title"), TITLE_COLUMNS));
            if let Some(activity) = task["activity"].as_str().filter(|_| s(task, "status") == "Running") {
                text += &format!("               {}\n", line(activity, 90));
            }
            if let Some(error) = task["error"].as_str() {
                text += &format!("               {}\n", line(error, 160));
            }
            for left in items(task, "leftOut") {
                text += &format!("               left out: {}\n", line(left.as_str().unwrap_or_default(), 160));
            }
        }
    }
    text
}

fn sign(task: &Value) -> &'static str {
    match (s(task, "status"), s(task, "phase")) {
        ("Completed", _) => "✓",
        ("Failed", _) => "✗",
        ("Skipped", _) => "–",
        ("Running", "resolving" | "repairing") => "↻",
        ("Running", _) => "▶",
        _ => "·",
    }
}

fn run(value: &Value) -> String {
    let (done, failed) = (items(value, "completedTasks").len(), items(value, "failedTasks"));
    let mut text = match (s(value, "outcome"), value["isRunning"] == true) {
        (_, true) if value["started"] == true => format!("Started. It goes on by itself; follow it: {}\n", next(value)),
        (_, true) => format!("It is running already; follow it: {}\n", next(value)),
        ("finished", _) if value["isComplete"] == true => format!("Complete: all tasks landed ({done} in this run).\n"),
        ("finished", _) => {
            format!("Wave {} of {} is done: {} landed.\n", wave_done(value), value["totalWaves"], count(done as u64, "task"))
        }
        ("cancelled", _) => "Cancelled. What landed stays; run again to go on.\n".into(),
        _ => format!("Not complete: {}\n", s(value, "error")),
    };
    for task in failed {
        text += &format!("  {} {} {}\n", sign(task), s(task, "id"), line(task["error"].as_str().unwrap_or_default(), 160));
    }
    text += &gate(&value["gateResult"]);
    if value["isRunning"] != true {
        text += &format!("next: {}\n", next(value));
    }
    text
}

/// The wave that a run finished is the one before the current one, unless the current one is the last.
fn wave_done(value: &Value) -> u64 {
    value["gateResult"]["afterWave"].as_u64().or(value["currentWave"].as_u64()).unwrap_or(0)
}

fn gate(gate: &Value) -> String {
    if gate.is_null() {
        return String::new();
    }
    let tests = match (gate["testsPassed"].as_u64(), gate["testsFailed"].as_u64()) {
        (Some(passed), failed) => format!(", {passed} tests passed, {} failed", failed.unwrap_or(0)),
        (None, _) => String::new(),
    };
    let mut text = match s(gate, "verdict") {
        "Passed" => format!("gate: passed after wave {}{tests}\n", gate["afterWave"]),
        "Unproven" => {
            format!("gate: unproven after wave {}: the checks passed, and what ran may come from another tree{tests}\n", gate["afterWave"])
        }
        "Ungated" => "gate: none. The repository has no checks that Aura knows of; see docs/gates.md.\n".into(),
        _ => format!("gate: red after wave {}: {}{tests}\n", gate["afterWave"], s(gate, "error")),
    };
    for check in items(gate, "checks") {
        match s(check, "result") {
            "passed" => {}
            "notRun" => text += &format!("  {}: not run\n", s(check, "name")),
            "ranNothing" => text += &format!("  {}: ended well, but ran no tests\n", s(check, "name")),
            "flaky" => text += &format!("  {}: failed once and passed when run again on the same tree\n", s(check, "name")),
            _ => text += &format!("\n{}\n\n", s(check, "output")),
        }
        for note in check["notes"].as_array().into_iter().flatten().filter_map(Value::as_str) {
            text += &format!("  {}: {note}\n", s(check, "name"));
        }
    }
    text
}

/// What was changed about the files that decide the gate: one line for each.
fn findings(value: &Value) -> String {
    let mut text = String::new();
    for finding in items(value, "findings") {
        let standing = if finding["accepted"] == true { "accepted" } else { s(finding, "standing") };
        let place = finding["line"].as_u64().map_or_else(String::new, |line| format!(":{line}"));
        let about =
            [s(finding, "subject"), s(finding, "detail")].into_iter().filter(|part| !part.is_empty()).collect::<Vec<_>>().join(": ");
        let start: String = s(finding, "id").chars().take(8).collect();
        text += &line(
            &format!("{standing:<8} {start}  {}  {}{place}  {about}", crate::ops::finding_words(s(finding, "kind")), s(finding, "path")),
            200,
        );
        text += "\n";
    }
    text
}

fn status(value: &Value) -> String {
    let mut text = format!("{}\n{}  wave {} of {}\n\n", s(value, "title"), s(value, "status"), value["currentWave"], value["totalWaves"]);
    text += &tasks(items(value, "tasks"));
    text += &format!("\n{}\n", s(value, "summary"));
    if let Some(red) = value["red"].as_object() {
        let culprits: Vec<&str> = items(&value["red"], "culprits").iter().filter_map(Value::as_str).collect();
        let named = (!culprits.is_empty()).then(|| format!("turned red by {}", culprits.join(", ")));
        let who = named.or(red["why"].as_str().map(str::to_owned));
        text += &format!("red gate: {}\n", who.unwrap_or_else(|| "the culprit is being looked for".into()));
    }
    text += &gate(&value["gateResult"]);
    text += &findings(value);
    if let Some(restored) = value["restoredGate"].as_object() {
        let says = if restored["passed"] == true { "passes" } else { "is red" };
        text += &format!("with the base's version of those files the gate {says}\n");
    }
    if let Some(until) = value["run"]["rateLimitedUntil"].as_str() {
        text += &format!("rate limited until {until}\n");
    }
    if let Some(error) = value["error"].as_str() {
        text += &format!("error: {error}\n");
    }
    text + &format!("next: {}\n", next(value))
}

fn wait(value: &Value) -> String {
    let mut text: String = items(value, "changes").iter().filter_map(Value::as_str).map(|change| format!("{change}\n")).collect();
    if let Some(error) = value["error"].as_str() {
        text += &format!("error: {error}\n");
    }
    text + &format!("{}\nnext: {}\n", s(value, "summary"), next(value))
}

fn clean_up(value: &Value) -> String {
    let mut text = format!("{}\n", s(value, "message"));
    let kept = items(value, "rescued");
    for name in kept.iter().filter_map(Value::as_str) {
        text += &format!("kept: {name}\n");
    }
    if kept.is_empty() { text } else { text + "next: aura rescue\n" }
}

fn log(value: &Value) -> String {
    let mut text = format!("{} {}: {}\n", s(value, "id"), s(value, "status"), s(value, "title"));
    for attempt in items(value, "attemptsMade") {
        let outcome = attempt["outcome"].as_str().unwrap_or("running");
        text += &format!("  attempt {} ({}, {}): {}\n", attempt["number"], s(attempt, "purpose"), s(attempt, "agent"), line(outcome, 160));
        if let Some(rescue) = attempt["rescue"].as_str() {
            text += &format!("    kept under {rescue}\n");
        }
    }
    match s(value, "transcript").trim() {
        "" => text += "\nNo attempt has said anything yet.\n",
        transcript => text += &format!("\n{transcript}\n"),
    }
    if let Some(diff) = value["diff"].as_str() {
        text += &format!("\n{diff}");
    }
    text
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    #[test]
    fn a_hostile_title_cannot_move_the_cursor() {
        let text = super::answer(
            "list",
            &json!({"stories": [{"shortId": "1", "status": "Created", "title": "a\u{1b}[2Jb\u{7}", "stepCount": 0, "completedSteps": 0}]}),
        );
        assert!(!text.contains('\u{1b}') && !text.contains('\u{7}'), "{text:?}");
    }

    #[test]
    fn an_ungated_repository_is_never_said_to_have_passed() {
        let text = super::gate(&json!({"verdict": "Ungated", "passed": null, "afterWave": 1, "checks": []}));
        assert!(!text.contains("passed"), "{text}");
    }
}

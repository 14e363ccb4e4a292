//! What a pull request says: what was asked, what was done by whom, and what speaks for it. Pure. Words of a model or a
//! stranger stand as they are only where they can mean nothing to a forge, else in a code span or a block.

use crate::domain::{CheckEnd, CheckReport, Oid, Purpose, Standing, Story, Task, Usage, Verdict};
use crate::forge::{cell, fence, words};
use std::collections::BTreeSet;

/// Longest text of a pull request that GitHub takes.
pub(super) const BODY_CHARS_MAX: usize = 65_536;
/// Longest title that GitHub takes.
pub(super) const TITLE_CHARS_MAX: usize = 256;
/// How much of it is ours, so that people can add to it.
const OURS_CHARS_MAX: usize = 60_000;
/// Below this there is no room for our part.
const OURS_CHARS_MIN: usize = 8_000;
/// How much of the story's description is shown.
const ASKED_CHARS_MAX: usize = 6_000;
const LINE_CHARS_MAX: usize = 200;
const TASKS_MAX: usize = 150;
const CHECKS_MAX: usize = 30;
const FINDINGS_MAX: usize = 40;
const LEFT_OUT_MAX: usize = 5;
/// Lines about what did not go straight.
const TROUBLES_MAX: usize = 40;
/// Our part of the text, so that it can be found again.
const BEGIN: &str = "<!-- aura:begin -->";
const END: &str = "<!-- aura:end -->";

/// What the story itself does not know.
pub(super) struct Evidence<'a> {
    pub commit: &'a Oid,
    pub base_branch: Option<&'a str>,
    /// Whether every landing is published as it is.
    pub is_kept: bool,
    /// The issue that is closed by it, as `#12` or `owner/name#12`.
    pub closes: Option<String>,
}

pub(super) fn of(story: &Story, evidence: &Evidence<'_>) -> String {
    within(story, evidence, OURS_CHARS_MAX)
}

/// Not longer than that, and never cut in the middle of something: tasks are left out at the end of their list.
fn within(story: &Story, evidence: &Evidence<'_>, chars_max: usize) -> String {
    let head = head(story, evidence, ASKED_CHARS_MAX.min(chars_max / 4));
    let tail = [checks(story), judges(story), troubles(story, evidence), cost(story), foot(story, evidence)].concat();
    let room = chars_max.saturating_sub(head.chars().count() + tail.chars().count() + 100);
    format!("{BEGIN}\n{head}{}{tail}{END}\n", done(story, room))
}

/// An existing text with our part anew; what people wrote around it stays. None where it leaves no room for ours.
pub(super) fn merged(old: &str, story: &Story, evidence: &Evidence<'_>) -> Option<String> {
    let (before, after) = around(old);
    let room = BODY_CHARS_MAX.saturating_sub(before.chars().count() + after.chars().count() + 10).min(OURS_CHARS_MAX);
    (room >= OURS_CHARS_MIN).then(|| joined(before, &within(story, evidence, room), after))
}

/// What people wrote before and after our part. Ours ends with the last mark: a stranger's words inside may hold one.
fn around(old: &str) -> (&str, &str) {
    match (old.find(BEGIN), old.rfind(END)) {
        (Some(from), Some(to)) if from < to => (&old[..from], &old[to + END.len()..]),
        _ => (old, ""),
    }
}

fn joined(before: &str, ours: &str, after: &str) -> String {
    let gap = if before.is_empty() || before.ends_with('\n') { "" } else { "\n\n" };
    let end = if after.is_empty() { "\n" } else { after };
    format!("{before}{gap}{}{end}", ours.trim_end())
}

fn head(story: &Story, evidence: &Evidence<'_>, asked_max: usize) -> String {
    let closes = evidence.closes.as_ref().map_or_else(String::new, |issue| format!("Closes {issue}\n\n"));
    let asked = &story.created.description;
    let whole = if asked.trim().is_empty() {
        String::new()
    } else {
        format!("\n<details><summary>The whole request</summary>\n\n{}\n</details>\n", fence(asked, asked_max))
    };
    format!("{closes}### What was asked\n\n{}\n{whole}\n### What was done\n\n", words(&story.created.title, LINE_CHARS_MAX))
}

fn done(story: &Story, room: usize) -> String {
    let own: Vec<&Task> = story.tasks.iter().filter(|task| task.brings.is_none()).collect();
    let (mut text, mut left) = (String::new(), room);
    for (number, task) in own.iter().enumerate() {
        let line = task_line(task);
        let length = line.chars().count();
        if number >= TASKS_MAX || length > left {
            text += &format!("- … and {} more\n", own.len() - number);
            break;
        }
        left -= length;
        text += &line;
    }
    text
}

fn task_line(task: &Task) -> String {
    let commit = task.landings.last().map_or("—".to_owned(), |landing| cell(landing.commit.short(), 40));
    // Of one that landed again, only the last changes are known.
    let size = match task.landings.as_slice() {
        [_] => {
            let sum = |of: fn(&crate::domain::ChangedFile) -> u32| task.files.iter().map(of).sum::<u32>();
            format!(", {}, +{} −{}", counted(task.files.len(), "file"), sum(|file| file.added), sum(|file| file.removed))
        }
        _ => String::new(),
    };
    let summary = task.summary().map(|text| words(text, LINE_CHARS_MAX)).filter(|text| text != "—");
    let summary = summary.map_or_else(String::new, |text| format!("  {text}\n"));
    format!("- **{}** {} ({commit}{size})\n{summary}", task.id(), words(&task.planned.title, LINE_CHARS_MAX))
}

fn checks(story: &Story) -> String {
    let mut text = "\n### What speaks for it\n\n".to_owned();
    match story.tip_verdict() {
        Some(Verdict::Passed) => text += "The gate passed on exactly the files of this commit, on top of the base:\n\n",
        Some(Verdict::Unproven) => {
            text += "The checks ended well, and what they ran may come from another tree: **nothing was proven**.\n\n";
        }
        Some(Verdict::Ungated) | None => return text + "The repository has no checks that Aura knows of: **nothing was verified**.\n",
        Some(Verdict::Failed) => text += "The gate failed:\n\n",
    }
    let report = story.gates.last.as_ref().filter(|report| report.tree == story.tip.tree);
    let checks = report.map_or(&[][..], |report| &report.checks);
    for check in checks.iter().take(CHECKS_MAX) {
        text += &format!("- {}: {}\n", cell(&check.name, 80), result(check));
        for note in &check.notes {
            text += &format!("  - {}\n", cell(note, 300));
        }
    }
    if checks.len() > CHECKS_MAX {
        text += &format!("- … and {} more\n", checks.len() - CHECKS_MAX);
    }
    text
}

/// What the story changes about its own judges.
fn judges(story: &Story) -> String {
    let findings = story.judgement.as_ref().map_or(&[][..], |judgement| &judgement.findings);
    let mut text = String::new();
    for finding in findings.iter().take(FINDINGS_MAX) {
        let standing = match finding.standing {
            _ if story.is_accepted(finding) => "accepted by a person",
            Standing::Held | Standing::Refused => "**held**",
            Standing::Claimed => "claimed by its task",
            Standing::Reported => "reported",
        };
        let about: Vec<String> =
            [&finding.subject, &finding.detail].into_iter().filter(|part| !part.is_empty()).map(|part| cell(part, 120)).collect();
        text += &format!("- {}: {} ({standing}) {}\n", cell(&finding.path, 120), finding.kind.words(), about.join(": "));
    }
    if findings.len() > FINDINGS_MAX {
        text += &format!("- … and {} more\n", findings.len() - FINDINGS_MAX);
    }
    if text.is_empty() { text } else { format!("\n### Changes to what decides the gate\n\n{text}") }
}

fn result(check: &CheckReport) -> String {
    let how = match &check.end {
        CheckEnd::Passed => "passed",
        CheckEnd::Flaky => "**passed only when run again** (flaky)",
        CheckEnd::Failed { .. } => "failed",
        CheckEnd::TimedOut { .. } => "took too long",
        CheckEnd::Missing { .. } => "could not run",
        CheckEnd::NotRun => "was not run",
        CheckEnd::RanNothing { .. } => "**ran no tests**",
        CheckEnd::Unavailable { .. } => "could not get what it needs",
    };
    let number = |count: Option<u32>, what: &str| match count {
        Some(count) if count > 0 => format!(", {} {what}", counted(count as usize, "test")),
        Some(_) | None => String::new(),
    };
    format!("{how}{}{}, {}", number(check.tests_passed, "passed"), number(check.tests_failed, "failed"), time(check.duration_ms))
}

/// What did not go straight, and is worth a closer look: repairs, conflicts, further attempts, files that nobody had
/// announced, the base.
fn troubles(story: &Story, evidence: &Evidence<'_>) -> String {
    let mut lines = vec![];
    for task in &story.tasks {
        let count = |wanted: fn(&Purpose) -> bool| task.attempts.iter().filter(|attempt| wanted(&attempt.purpose)).count();
        let repaired = count(|purpose| matches!(purpose, Purpose::Repair { .. }));
        let resolved = count(|purpose| matches!(purpose, Purpose::Resolve { .. }));
        let again = count(|purpose| matches!(purpose, Purpose::Retry { .. } | Purpose::Resume { .. } | Purpose::NoChange));
        for (number, what) in [(repaired, "repaired a red gate"), (resolved, "resolved a conflict"), (again, "was tried again")] {
            if number > 0 {
                lines.push(format!("- **{}** {what}{}\n", task.id(), times(number)));
            }
        }
        if let Some(first) = task.outside_claim.first() {
            let more = task.outside_claim.len() - 1;
            let more = if more > 0 { format!(" and {more} more") } else { String::new() };
            lines.push(format!("- **{}** changed files that its plan does not name: {}{more}\n", task.id(), cell(first, 120)));
        }
        if let Some(left) = task.left_out() {
            let named: Vec<String> = left.lines().iter().take(LEFT_OUT_MAX).map(|line| cell(line, 160)).collect();
            lines.push(format!("- **{}** also wrote what is not part of this: {}\n", task.id(), named.join(", ")));
        }
    }
    lines.extend(story.notes.iter().map(|note| format!("- {}\n", cell(note, 300))));
    let brought = story.tasks.iter().filter(|task| task.brings.is_some() && task.has_landed()).count();
    if brought > 0 {
        let branch = cell(evidence.base_branch.unwrap_or("the base"), 120);
        lines.push(format!("- {branch} had moved and was brought in{}\n", times(brought)));
    }
    if lines.is_empty() {
        return String::new();
    }
    let more = lines.len().saturating_sub(TROUBLES_MAX);
    let more = if more > 0 { format!("- … and {more} more\n") } else { String::new() };
    format!("\n### Repaired, and worth a closer look\n\n{}{more}", lines.iter().take(TROUBLES_MAX).map(String::as_str).collect::<String>())
}

fn cost(story: &Story) -> String {
    let usage = story.usage();
    let attempts = story.tasks.iter().flat_map(|task| &task.attempts);
    let agents: BTreeSet<&str> = attempts.clone().map(|attempt| attempt.agent.as_str()).collect();
    let agents = agents.into_iter().take(20).map(|agent| cell(agent, 60)).collect::<Vec<_>>().join(", ");
    let number = counted(attempts.count(), "attempt");
    format!("\n### Agents, time and cost\n\n{number} by {agents}, {} of agents' work{}.\n", time(usage.duration_ms), price(&usage))
}

fn price(usage: &Usage) -> String {
    let mut text = String::new();
    if usage.input_tokens + usage.output_tokens > 0 {
        text += &format!(", {} tokens in and {} out", grouped(usage.input_tokens), grouped(usage.output_tokens));
    }
    if usage.premium_requests > 0.0 {
        text += &format!(", {} premium requests", usage.premium_requests);
    }
    if usage.nano_credits > 0 {
        text += &format!(", {:.2} AI credits", usage.nano_credits as f64 / 1e9);
    }
    text
}

fn foot(story: &Story, evidence: &Evidence<'_>) -> String {
    let how = if evidence.is_kept { "every landing as it was" } else { "one commit" };
    format!(
        "\n<sub>Story {} of Aura: {how}, {}. The gate saw its files as tree {}.</sub>\n",
        cell(&story.id.short(), 40),
        cell(evidence.commit.short(), 40),
        cell(story.tip.tree.short(), 40),
    )
}

fn times(number: usize) -> String {
    if number > 1 { format!(" ({number} times)") } else { String::new() }
}

fn counted(number: usize, what: &str) -> String {
    if number == 1 { format!("1 {what}") } else { format!("{number} {what}s") }
}

/// As people say it.
fn time(ms: u64) -> String {
    match ms / 1000 {
        0 => "under a second".into(),
        s @ 1..=99 => format!("{s} s"),
        s @ 100..=5_999 => format!("{} min", (s + 30) / 60),
        s => format!("{} h {} min", s / 3600, s % 3600 / 60),
    }
}

/// `1 234 567`, in which commas and points mean the same everywhere.
fn grouped(number: u64) -> String {
    let digits = number.to_string();
    let parts: Vec<&str> = digits.as_bytes().rchunks(3).rev().filter_map(|part| std::str::from_utf8(part).ok()).collect();
    parts.join(" ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_people_wrote_around_it_stays() {
        let ours = format!("{BEGIN}\nnew\n{END}\n");
        let merged = |old: &str| {
            let (before, after) = around(old);
            joined(before, &ours, after)
        };
        assert_eq!(merged(""), ours);
        assert_eq!(merged("Mine.\n"), format!("Mine.\n{ours}"));
        assert_eq!(merged("Mine."), format!("Mine.\n\n{ours}"));
        let old = format!("Above.\n{BEGIN}\nold\n{END}\nBelow.");
        let new = merged(&old);
        assert_eq!(new, format!("Above.\n{BEGIN}\nnew\n{END}\nBelow."));
        assert_eq!(merged(&new), new);
        // A request that holds the marks itself.
        let quoted = format!("{BEGIN}\nasked:\n```text\nPut {BEGIN} and {END} around it.\n```\n{END}\nBelow.");
        assert_eq!(merged(&quoted), format!("{BEGIN}\nnew\n{END}\nBelow."));
    }

    #[test]
    fn numbers_are_as_people_say_them() {
        let times = [0, 1_000, 99_999, 125_000, 3_600_000, 7_300_000].map(time);
        assert_eq!(times, ["under a second", "1 s", "99 s", "2 min", "60 min", "2 h 1 min"]);
        assert_eq!([0, 999, 1_000, 1_234_567].map(grouped), ["0", "999", "1 000", "1 234 567"]);
        assert_eq!([0, 1, 2].map(|n| counted(n, "file")), ["0 files", "1 file", "2 files"]);
    }
}

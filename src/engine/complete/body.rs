//! What a pull request says: what was asked, what was done by whom, and what speaks for it. Pure. Every word of a model or
//! a stranger stands in a code span or a block.

use crate::domain::{CheckEnd, CheckReport, Oid, Purpose, Story, Task, Verdict};
use crate::forge::{cell, fence};
use std::collections::BTreeSet;

/// Longest text of a pull request: GitHub takes 65 536 characters.
const BODY_CHARS_MAX: usize = 60_000;
/// How much of the story's description is shown.
const ASKED_CHARS_MAX: usize = 6_000;
const LINE_CHARS_MAX: usize = 200;
const TASKS_MAX: usize = 150;
/// Our part of the text, so that it can be found again.
const BEGIN: &str = "<!-- aura:begin -->";
const END: &str = "<!-- aura:end -->";

/// What the story itself does not know.
pub(super) struct Evidence<'a> {
    pub commit: &'a Oid,
    pub base_branch: Option<&'a str>,
    /// The issue that is closed by it, as `#12` or `owner/name#12`.
    pub closes: Option<String>,
}

pub(super) fn of(story: &Story, evidence: &Evidence<'_>) -> String {
    let mut text = format!("{BEGIN}\n");
    if let Some(issue) = &evidence.closes {
        text += &format!("Closes {issue}\n\n");
    }
    text += &format!("### What was asked\n\n{}\n", cell(&story.created.title, LINE_CHARS_MAX));
    if !story.created.description.trim().is_empty() {
        text += &format!("\n<details><summary>In full</summary>\n\n{}\n</details>\n", fence(&story.created.description, ASKED_CHARS_MAX));
    }
    text += "\n### What was done\n\n";
    let own: Vec<&Task> = story.tasks.iter().filter(|task| task.brings.is_none()).collect();
    for task in own.iter().take(TASKS_MAX) {
        text += &done(task);
    }
    if own.len() > TASKS_MAX {
        text += &format!("- … and {} more\n", own.len() - TASKS_MAX);
    }
    text += &checks(story);
    text += &repairs(story, evidence);
    text += &cost(story);
    let text: String = text.chars().take(BODY_CHARS_MAX).collect();
    format!(
        "{}\n\n<sub>Squashed from story {}, verified as tree {} and committed as {}.</sub>\n{END}\n",
        text.trim_end(),
        cell(&story.id.short(), 40),
        cell(story.tip.tree.short(), 40),
        cell(evidence.commit.short(), 40)
    )
}

/// An existing text with our part anew; what people wrote around it stays.
pub(super) fn merged(old: &str, ours: &str) -> String {
    let place = old.find(BEGIN).and_then(|from| old[from..].find(END).map(|length| (from, from + length + END.len())));
    match place {
        Some((from, to)) => format!("{}{}{}", &old[..from], ours.trim_end(), &old[to..]),
        None if old.trim().is_empty() => ours.to_owned(),
        None => format!("{}\n\n{ours}", old.trim_end()),
    }
}

fn done(task: &Task) -> String {
    let commit = task.landings.last().map_or("—".to_owned(), |landing| cell(landing.commit.short(), 40));
    let summary = task.summary().map(|text| cell(text, LINE_CHARS_MAX)).unwrap_or_default();
    let summary = if summary.is_empty() { summary } else { format!(": {summary}") };
    format!("- **{}** {} ({commit}){summary}\n", task.id(), cell(&task.planned.title, LINE_CHARS_MAX))
}

fn checks(story: &Story) -> String {
    let mut text = "\n### What speaks for it\n\n".to_owned();
    match story.tip_verdict() {
        Some(Verdict::Passed) => text += "The gate passed on exactly the tree of this commit, on top of the base.\n\n",
        Some(Verdict::Ungated) | None => return text + "The repository has no checks that Aura knows of: **nothing was verified**.\n",
        Some(Verdict::Failed) => text += "The gate failed.\n\n",
    }
    let report = story.gates.last.as_ref().filter(|report| report.tree == story.tip.tree);
    for check in report.into_iter().flat_map(|report| &report.checks) {
        text += &format!("- {}: {}\n", cell(&check.name, 80), result(check));
    }
    text
}

fn result(check: &CheckReport) -> String {
    let how = match &check.end {
        CheckEnd::Passed => "passed",
        CheckEnd::Flaky => "passed when run again (flaky)",
        CheckEnd::Failed { .. } => "failed",
        CheckEnd::TimedOut { .. } => "took too long",
        CheckEnd::Missing { .. } => "could not run",
        CheckEnd::NotRun => "was not run",
    };
    let tests = match (check.tests_passed, check.tests_failed) {
        (None, None) => String::new(),
        (passed, failed) => format!(", {} tests passed, {} failed", passed.unwrap_or(0), failed.unwrap_or(0)),
    };
    format!("{how}{tests}, {:.1} s", check.duration_ms as f64 / 1000.0)
}

/// What did not go straight: repairs, conflicts, further attempts, the base.
fn repairs(story: &Story, evidence: &Evidence<'_>) -> String {
    let mut text = String::new();
    for task in &story.tasks {
        let count = |wanted: fn(&Purpose) -> bool| task.attempts.iter().filter(|attempt| wanted(&attempt.purpose)).count();
        let repaired = count(|purpose| matches!(purpose, Purpose::Repair { .. }));
        let resolved = count(|purpose| matches!(purpose, Purpose::Resolve { .. }));
        let again = count(|purpose| matches!(purpose, Purpose::Retry { .. } | Purpose::Resume { .. } | Purpose::NoChange));
        for (number, what) in [(repaired, "repaired a red gate"), (resolved, "resolved a conflict"), (again, "was tried again")] {
            if number > 0 {
                text += &format!("- **{}** {what}{}\n", task.id(), if number > 1 { format!(" ({number} times)") } else { String::new() });
            }
        }
    }
    let brought = story.tasks.iter().filter(|task| task.brings.is_some() && task.has_landed()).count();
    if brought > 0 {
        let branch = cell(evidence.base_branch.unwrap_or("the base"), 120);
        text += &format!(
            "- {branch} had moved and was brought in{}\n",
            if brought > 1 { format!(" ({brought} times)") } else { String::new() }
        );
    }
    if text.is_empty() { text } else { format!("\n### What was repaired\n\n{text}") }
}

fn cost(story: &Story) -> String {
    let usage = story.usage();
    let attempts = story.tasks.iter().flat_map(|task| &task.attempts);
    let agents: BTreeSet<&str> = attempts.clone().map(|attempt| attempt.agent.as_str()).collect();
    let agents = agents.into_iter().map(|agent| cell(agent, 60)).collect::<Vec<_>>().join(", ");
    let minutes = usage.duration_ms as f64 / 60_000.0;
    let mut text = format!("\n### Agents, time and cost\n\n{} attempts by {agents}, {minutes:.1} minutes of agent time", attempts.count());
    if usage.input_tokens + usage.output_tokens > 0 {
        text += &format!(", {} tokens in and {} out", usage.input_tokens, usage.output_tokens);
    }
    if usage.premium_requests > 0.0 {
        text += &format!(", {} premium requests", usage.premium_requests);
    }
    text + ".\n"
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_people_wrote_around_it_stays() {
        let ours = format!("{BEGIN}\nnew\n{END}\n");
        assert_eq!(merged("", &ours), ours);
        assert_eq!(merged("Mine.\n", &ours), format!("Mine.\n\n{ours}"));
        let old = format!("Above.\n{BEGIN}\nold\n{END}\nBelow.");
        let new = merged(&old, &ours);
        assert_eq!(new, format!("Above.\n{BEGIN}\nnew\n{END}\nBelow."));
        assert_eq!(merged(&new, &ours), new);
    }
}

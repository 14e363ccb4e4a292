//! The words an agent gets: the story's goal, its task, the rules of the house, and what its dependencies really did.
//! Pure. Everything that comes from people or models stands between marks and is bounded.

use super::judging::to_take_back;
use super::settle::{NO_CHANGE_NEEDED, bounded};
use crate::domain::{Oid, Outcome, Purpose, Story, Task, TaskId};
use crate::gate;

/// Most bytes of the story's description in a task's prompt.
const STORY_BYTES_MAX: usize = 6 * 1024;
/// Most bytes of a gate's output in a repair prompt.
const REPORT_BYTES_MAX: usize = 24 * 1024;
/// Most bytes of one dependency's own summary.
const SUMMARY_BYTES_MAX: usize = 2 * 1024;

/// Said to whoever is to turn a gate green.
const KEEP_THE_JUDGES: &str = "Do not change, skip or remove tests, check scripts or their configuration to get there: such changes are found, \
     the gate is run with the files as they were, and the story is held.";

/// What the agent will find.
pub(super) struct Known<'a> {
    /// Files with conflict markers.
    pub conflicts: &'a [String],
    /// Whether the worktree holds what earlier attempts left.
    pub keeps_files: bool,
    /// Whether the agent's session knows the task already.
    pub resumed: bool,
}

/// The prompt of one attempt.
pub(super) fn of(story: &Story, task: &Task, purpose: &Purpose, known: &Known<'_>, handoff_bytes_max: usize) -> String {
    let news = [last_time(task, purpose), news(story, task, purpose, known)].concat();
    if known.resumed {
        return format!("{news}\n\nYour task is still \"{}\". {}\n", task.planned.title, rules(task));
    }
    let mut prompt = format!(
        "You are one of several agents working on one story, each in a git worktree of its own.\n\n# The story: {}\n\n",
        story.created.title
    );
    if !story.created.description.trim().is_empty() {
        let description = head(&story.created.description, STORY_BYTES_MAX);
        prompt += &format!(
            "<story-description>\n{description}\n</story-description>\n\nThe description is the context. Do only your own task.\n\n"
        );
    }
    prompt += &format!("# Your task ({}): {}\n\n{}\n\n", task.id(), task.planned.title, task.planned.description.trim());
    if !task.planned.files.is_empty() {
        prompt += &format!(
            "Files you are expected to touch: {}. Other agents work on other files at the same time.\n\n",
            task.planned.files.join(", ")
        );
    }
    prompt += &handoff(story, task, handoff_bytes_max);
    if !news.is_empty() {
        prompt += &format!("# What happened before\n\n{news}\n\n");
    }
    prompt + &format!("# Rules\n\n{}\n", rules(task))
}

fn rules(task: &Task) -> String {
    format!(
        "Work only inside the current directory. Leave your changes in the working tree: they are committed for you. Do not push, do not \
         switch branches, do not touch other worktrees, and leave no process running. Nobody can answer questions: decide, and say what \
         you decided. Finish with a short summary for the agents that build on {}: what changed, which interfaces, which decisions. If \
         nothing needs to change, say so in a line that starts with `{NO_CHANGE_NEEDED}` and give the reason.",
        task.id()
    )
}

/// Why what is asked for is asked for once more, when the attempt before was for the same.
fn last_time(task: &Task, purpose: &Purpose) -> String {
    let asked_before = task.last_attempt().filter(|attempt| attempt.purpose == *purpose);
    let end = asked_before.and_then(|attempt| attempt.ended.as_ref());
    match (purpose, end.map(|end| &end.outcome)) {
        // These say it themselves.
        (Purpose::Work | Purpose::Retry { .. } | Purpose::Resume { .. } | Purpose::NoChange, _) | (_, None | Some(Outcome::Done)) => {
            String::new()
        }
        (Purpose::Resolve { .. } | Purpose::Repair { .. }, Some(outcome)) => {
            format!("The last attempt at this did not succeed: {}. Avoid that this time.\n\n", head(&outcome.sentence(), 4 * 1024))
        }
    }
}

/// What is new since the agent last looked, by the purpose of the attempt.
fn news(story: &Story, task: &Task, purpose: &Purpose, known: &Known<'_>) -> String {
    let conflicts = known.conflicts;
    let kept_at = || {
        let rescue = task.last_attempt().and_then(|attempt| attempt.ended.as_ref()).and_then(|end| end.rescue.as_deref());
        rescue.map_or_else(String::new, |name| {
            format!(" They are kept as the commit `{name}`: look there (`git show`) before you start again.")
        })
    };
    match purpose {
        Purpose::Work => String::new(),
        Purpose::Retry { error } => format!(
            "An earlier attempt at this task did not succeed: {}. Its changes are gone from the working tree; start afresh and avoid that.{}",
            head(error, 4 * 1024),
            kept_at()
        ),
        Purpose::Resume { why } if !known.keeps_files && !task.attempts.iter().all(|attempt| attempt.prepared.is_none()) => {
            format!("You were interrupted ({}). Your changes are not in the working tree any more.{}", head(why, 2 * 1024), kept_at())
        }
        Purpose::Resume { why } if !known.resumed => format!(
            "An earlier attempt at this task was interrupted ({}). The working tree holds what it left: look at it, and go on from there.",
            head(why, 2 * 1024)
        ),
        Purpose::Resume { why } => {
            format!("You were interrupted ({}). Look at the working tree and go on where you stopped.", head(why, 2 * 1024))
        }
        Purpose::NoChange if known.keeps_files && holds_earlier_work(task) => format!(
            "You said that you were done, but no file has changed this time. The working tree holds what earlier attempts left. Check whether \
             it is all that the task asks for: complete it, or, if it is whole as it stands, say so in a line that starts with \
             `{NO_CHANGE_NEEDED}` and give the reason.{}",
            ignored(task)
        ),
        Purpose::NoChange => format!(
            "You said that you were done, but no file has changed. Either do the task now, or, if nothing needs to change, say so in a line \
             that starts with `{NO_CHANGE_NEEDED}` and give the reason.{}",
            ignored(task)
        ),
        Purpose::Resolve { paths, .. } if task.brings.is_some() => {
            let marked = if conflicts.is_empty() { paths } else { conflicts };
            format!(
                "Your working tree holds a merge of the base branch (`git log HEAD^1`) and the story (`git log HEAD^2`), and conflict markers \
                 (`<<<<<<<`, `=======`, `>>>>>>>`) stand in these files: {}. Resolve every conflict so that both intentions survive, remove \
                 all markers, and check that the result works.{}",
                marked.join(", "),
                intentions(story, task, paths)
            )
        }
        Purpose::Resolve { paths, .. } => {
            let marked = if conflicts.is_empty() { paths } else { conflicts };
            format!(
                "Your work could not be merged: other tasks changed the same places meanwhile. Their work has now been merged into your \
                 working tree, and conflict markers (`<<<<<<<`, `=======`, `>>>>>>>`) stand in these files: {}. Resolve every conflict so \
                 that both intentions survive, remove all markers, and check that the result works. One of these files without markers is \
                 binary, or one side removed or renamed it: decide what it is to be. If one is right as it stands, say so in a line that \
                 starts with `{NO_CHANGE_NEEDED}` and give the reason.{}",
                marked.join(", "),
                intentions(story, task, paths)
            )
        }
        Purpose::Repair { commit } => repair(story, task, commit),
    }
}

/// What an agent wrote and git ignores: it is told, or it would write the same again.
fn ignored(task: &Task) -> String {
    let Some(left) = task.left_out() else { return String::new() };
    let lines: Vec<String> = left.lines().iter().map(|line| format!("- {}", line.escape_debug())).collect();
    format!(
        "\n\nThese were written, but git ignores them, so they are not part of your work and will not reach anybody:\n\n{}\n\nWhere the task \
         needs one of them, put it elsewhere, or have it taken all the same with `git add -f`.",
        head(&lines.join("\n"), 4 * 1024)
    )
}

/// What is asked of whoever is to turn a gate green, or to take back what changed it.
fn repair(story: &Story, task: &Task, commit: &Oid) -> String {
    let Some(list) = to_take_back(story, task.id()) else {
        let report = story.gates.last.as_ref().filter(|report| report.commit == *commit).or(story.gates.last.as_ref());
        let text = report.map_or_else(String::new, |report| gate::repair_text(report, REPORT_BYTES_MAX));
        return format!(
            "Your work has landed together with that of others, and the build or the tests fail since. The working tree now holds the \
             combined state. The search points to your work, which need not be where the cause is. Find the cause and repair it, in \
             whatever files that takes, without undoing what others did; then run the failing check.{} \
             {KEEP_THE_JUDGES}\n\n<gate-output>\n{text}\n</gate-output>",
            beside(story, task)
        );
    };
    let restored = story.judgement.as_ref().and_then(|judgement| judgement.restored.as_ref());
    let text = restored.map_or_else(String::new, |report| gate::repair_text(report, REPORT_BYTES_MAX));
    let text = if text.is_empty() { "It passes, or it was not asked.".into() } else { text };
    format!(
        "Files that decide whether the work is right (tests, checks, their configuration) were changed, and your task does not claim \
         them:\n\n<changes>\n{}\n</changes>\n\nPut them back as they are at {} (`git show {}:PATH`), and make the code right instead. Where \
         such a change is what the task asks for, leave it and say so in a line that starts with `{NO_CHANGE_NEEDED}` and gives the \
         reason: a person decides. With these files as they were, the gate says:\n\n<gate-output>\n{text}\n</gate-output>",
        head(&list, REPORT_BYTES_MAX),
        story.judged_base().short(),
        story.judged_base(),
    )
}

/// Who else repairs the same red gate, and which tasks build on this one and may have taken its fault over.
fn beside(story: &Story, task: &Task) -> String {
    let culprits = story.gates.red.as_ref().map_or(&[][..], |red| red.culprits());
    let others = names(culprits.iter().filter(|id| *id != task.id()));
    let built = names(story.tasks.iter().filter(|other| other.has_landed() && other.planned.depends_on.contains(task.id())).map(Task::id));
    let mut text = String::new();
    if !others.is_empty() {
        text += &format!(" At the same time {others} repair what they did: leave their part of it to them.");
    }
    if !built.is_empty() {
        text += &format!(" These tasks have built on yours, and may have taken over what was wrong in it: {built}. Mend that as well.");
    }
    text
}

fn names<'a>(ids: impl Iterator<Item = &'a TaskId>) -> String {
    ids.map(|id| format!("`{id}`")).collect::<Vec<_>>().join(", ")
}

/// Whether earlier attempts changed something that is still in the worktree.
fn holds_earlier_work(task: &Task) -> bool {
    let prepared = task.last_attempt().and_then(|attempt| attempt.prepared.as_ref());
    prepared.is_some_and(|prepared| prepared.origin != prepared.start)
}

/// What the tasks that changed the same files were for.
fn intentions(story: &Story, task: &Task, paths: &[String]) -> String {
    let others = story.tasks.iter().filter(|other| other.id() != task.id() && other.has_landed());
    let touching = others.filter(|other| other.files.iter().any(|file| paths.contains(&file.path)));
    touching.map(|other| format!("\n\n{} (\"{}\") says: {}", other.id(), other.planned.title, summary_of(other))).collect()
}

/// For every dependency: title, commit, changed files and its own summary, within the budget.
fn handoff(story: &Story, task: &Task, bytes_max: usize) -> String {
    let dependencies: Vec<&Task> = task.planned.depends_on.iter().filter_map(|id: &TaskId| story.task(id)).collect();
    if dependencies.is_empty() {
        return String::new();
    }
    let mut text = String::from("# What the tasks before yours did (already in your working tree)\n\n");
    for (place, dependency) in dependencies.iter().enumerate() {
        let files: Vec<&str> = dependency.files.iter().take(30).map(|file| file.path.as_str()).collect();
        let commit = dependency.landings.last().map_or("", |landing| landing.commit.short());
        let entry = format!(
            "## {}: {} (commit {commit})\n\nChanged: {}\n\n<summary>\n{}\n</summary>\n\n",
            dependency.id(),
            dependency.planned.title,
            files.join(", "),
            summary_of(dependency)
        );
        if text.len() + entry.len() > bytes_max {
            text += &format!("… and {} more; look at `git log`.\n\n", dependencies.len() - place);
            break;
        }
        text += &entry;
    }
    text
}

fn summary_of(task: &Task) -> String {
    bounded(task.summary().unwrap_or("(no summary)"), SUMMARY_BYTES_MAX)
}

/// The start of a text, on a character boundary, with a mark where it was cut.
fn head(text: &str, bytes_max: usize) -> String {
    if text.len() <= bytes_max {
        return text.trim().to_owned();
    }
    let mut end = bytes_max;
    while !text.is_char_boundary(end) {
        end -= 1;
    }
    format!("{} […]", &text[..end])
}

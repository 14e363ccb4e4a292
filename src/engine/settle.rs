//! What an ended attempt is worth: the adapter's verdict, then the repository's. An exit code is never believed alone.

use super::drive::{Context, Told};
use super::start_point::is_agents_doing;
use super::{Error, Places, around};
use crate::agent::{Ending, Reader, guard};
use crate::domain::{
    Attempt, AttemptEnded, CHANGED_FILES_MAX, ChangedFile, Event, LEFT_OUT_MAX, LeftOut, LeftOutFile, Oid, Outcome, Purpose, Story, Task,
    TaskAccepted, TaskId, is_claimed,
};
use crate::error::Result;
use crate::git::{Change, Expect, Ignored, Repo, Snapshot, SnapshotRequest, Stashed};
use crate::proc::JobEnd;
use jiff::{SignedDuration, Timestamp};
use std::path::Path;
use std::time::Duration;

/// Most bytes of a summary kept in an event; the transcript has the rest.
const SUMMARY_BYTES_MAX: usize = 4 * 1024;
/// The longest that a rate limit is believed: there are weekly ones.
const LIMIT_MAX: Duration = Duration::from_hours(8 * 24);
/// The longest wait between two looks at a limit of which nobody says when it ends.
const UNTOLD_LIMIT_MAX: Duration = Duration::from_hours(1);
/// Words by which an agent declares that a task needs no change, on a line of their own.
pub(super) const NO_CHANGE_NEEDED: &str = "NO CHANGE NEEDED:";

/// Writes down how the attempt ended: one event, and a second one in the same transaction when its work is accepted.
/// `end` is none when the supervisor is gone.
pub(super) fn settle(context: &Context, id: &TaskId, number: u32, end: Option<JobEnd>, reader: &mut dyn Reader) -> Result<()> {
    let story = context.story()?;
    let task = story.task(id).ok_or_else(|| Error::internal(format!("task `{id}` is not in the plan")))?;
    let Some(attempt) = task.last_attempt() else { return Ok(()) };
    let folder = Path::new(&attempt.job);
    let read = |name: &str| std::fs::read(folder.join(name)).map(|bytes| String::from_utf8_lossy(&bytes).into_owned()).ok();
    let stderr = read("err.log").unwrap_or_default();
    let earlier = task.attempts.iter().filter(|other| other.session == attempt.session).filter_map(|other| other.ended.as_ref());
    let verdict = reader.verdict(&Ending {
        exit: end.as_ref().map(|end| &end.exit),
        stderr: &stderr,
        usage_file: read("usage.json"),
        before: earlier.map(|end| end.usage.clone()).collect(),
        at: jiff::Zoned::now(),
    });
    if verdict.outcome == Outcome::Done {
        // Its place is free while its work is looked at. Not else: what went wrong may concern the next agent too.
        context.tell(Told::AgentEnded(id.clone()));
    }
    let summary = bounded(&verdict.summary, SUMMARY_BYTES_MAX);
    let mut usage = verdict.usage;
    if usage.duration_ms == 0 {
        usage.duration_ms = end.as_ref().map_or(0, |end| end.duration_ms);
    }
    let seen = around::end(context, &story, task, attempt);
    let (evidence, left_out) = match &verdict.outcome {
        Outcome::Done => {
            (evidence(context, &story, task, attempt, &Said { summary: &summary, taken: &seen.taken }), left_out(context, &story, task))
        }
        _ => (Evidence::Unhappy(verdict.outcome.clone()), LeftOut::default()),
    };
    let (outcome, accepted) = match evidence {
        Evidence::Accepted(accepted) => (Outcome::Done, Some(accepted)),
        Evidence::Unhappy(outcome) => (outcome, None),
    };
    let rescue = if accepted.is_some() { None } else { rescue(context, &story, task, number) };
    let left = rescue.as_deref().and_then(|name| tree_left(&context.repo, attempt, name));
    let resume_at = resume_at(context, &story, &outcome);
    let closing = AttemptEnded { task: id.clone(), attempt: number, outcome, summary, usage, rescue, left, resume_at, left_out };
    let tried = guard::pushes_tried(folder);
    let mut events: Vec<Event> = tried.iter().map(|place| tried_to_push(id, place)).chain(seen.notes).collect();
    events.push(Event::AttemptEnded(Box::new(closing)));
    events.extend(accepted.map(|accepted| Event::TaskAccepted(Box::new(TaskAccepted { attempt: number, ..accepted }))));
    context.append(&events)?;
    let places = Places(&story);
    for pin in [places.start_ref(task, number), places.end_ref(task, number), places.stash_ref(task, number)] {
        context.unpin(&pin);
    }
    Ok(())
}

fn tried_to_push(id: &TaskId, place: &str) -> Event {
    Event::Noted { text: format!("the agent of `{id}` tried to push to `{}`: agents cannot push", place.escape_debug()) }
}

/// The tree that was kept, when it is not the one that the attempt started with. That it cannot be read costs nothing else.
fn tree_left(repo: &Repo, attempt: &Attempt, name: &str) -> Option<Oid> {
    let start = attempt.prepared.as_ref().map_or(&attempt.base, |prepared| &prepared.start);
    let left = repo.tree_of(&repo.resolve(name).ok()??).ok()?;
    (left != repo.tree_of(start).ok()?).then_some(left)
}

enum Evidence {
    Accepted(TaskAccepted),
    Unhappy(Outcome),
}

/// What is known of an attempt besides its worktree.
struct Said<'a> {
    summary: &'a str,
    /// Went off the user's stash while it ran.
    taken: &'a [Stashed],
}

/// What is in the worktree is the truth: it becomes a commit, and the commit is looked at.
fn evidence(context: &Context, story: &Story, task: &Task, attempt: &Attempt, said: &Said<'_>) -> Evidence {
    match look(context, story, task, attempt, said) {
        Ok(evidence) => evidence,
        Err(error) => Evidence::Unhappy(Outcome::Refused { detail: error.chain() }),
    }
}

fn look(context: &Context, story: &Story, task: &Task, attempt: &Attempt, said: &Said<'_>) -> Result<Evidence> {
    let places = Places(story);
    let (branch, pin) = (places.task_branch(task), places.end_ref(task, attempt.number));
    let (repo, base) = (&context.repo, &attempt.base);
    // An attempt of an older log started with the files of its base.
    let (origin, start) = attempt.prepared.as_ref().map_or((base, base), |prepared| (&prepared.origin, &prepared.start));
    let message = commit_message(story, task);
    let request = SnapshotRequest { base, origin, branch: &branch, message: &message, at: attempt.started_at, pin: &pin };
    let snapshot = match repo.snapshot(&places.task_worktree(task), &request) {
        Ok(snapshot) => snapshot,
        Err(error) if is_agents_doing(&error) => return Ok(Evidence::Unhappy(Outcome::Refused { detail: error.to_string() })),
        Err(error) => return Err(error.into()),
    };
    note_strays(context, story, task, attempt, &snapshot)?;
    if let Some(detail) = around::from_the_stash(repo, said.taken, &snapshot.changed)? {
        return Ok(Evidence::Unhappy(Outcome::Refused { detail }));
    }
    let declared = declares_no_change(said.summary);
    let mut left = repo.new_markers(origin, &snapshot.content, written(&snapshot))?;
    if let Purpose::Resolve { paths, .. } = &attempt.purpose {
        left.extend(unresolved(repo, base, paths, &snapshot, declared)?);
    }
    if !left.is_empty() {
        left.sort();
        left.dedup();
        return Ok(Evidence::Unhappy(Outcome::Unresolved { paths: left }));
    }
    // A resolution may well end where the story already stands: its own landing says that the task is settled.
    let must_change = !matches!(attempt.purpose, Purpose::Resolve { .. });
    // Compared with what this attempt started from: an agent that goes on after a crash and does nothing has done nothing.
    let is_idle = snapshot.content == repo.tree_of(start)?;
    if is_idle && must_change && !declared {
        return Ok(Evidence::Unhappy(Outcome::NoChange));
    }
    let head = if snapshot.changed.is_empty() {
        let message = format!("{message}\nNothing had to change.\n");
        repo.commit_tree(&snapshot.tree, &[&snapshot.head], &message, attempt.started_at)?
    } else {
        snapshot.head.clone()
    };
    repo.update_ref(&places.accepted_ref(task.id()), &head, Expect::Any, "aura: accepted")?;
    Ok(Evidence::Accepted(accepted(task, head, &snapshot)))
}

/// What the agent wrote and git ignores. That it cannot be listed costs nothing else.
fn left_out(context: &Context, story: &Story, task: &Task) -> LeftOut {
    match context.repo.newly_ignored(&Places(story).task_worktree(task), LEFT_OUT_MAX) {
        Ok((named, count)) => {
            let more = u32::try_from(count - named.len()).unwrap_or(u32::MAX);
            let file = |found: Ignored| LeftOutFile { path: found.path, why: format!("ignored by {}", found.by) };
            LeftOut { files: named.into_iter().map(file).collect(), more }
        }
        Err(error) => {
            tracing::warn!(task = %task.id(), %error, "what is ignored in the worktree is not known");
            LeftOut::default()
        }
    }
}

/// The files that the agent wrote and did not remove.
fn written(snapshot: &Snapshot) -> impl Iterator<Item = &str> {
    snapshot.changed.iter().filter(|file| file.change != Change::Deleted).map(|file| file.path.as_str())
}

/// Names what the agent left in git beside its work.
fn note_strays(context: &Context, story: &Story, task: &Task, attempt: &Attempt, snapshot: &Snapshot) -> Result<()> {
    let id = task.id();
    if let Some(stray) = &snapshot.stray {
        let text =
            format!("the agent of `{id}` had checked out `{stray}`: its work was taken over, and `{stray}` is where the agent left it");
        context.append(&[Event::Noted { text }])?;
    }
    if let Some(left) = &snapshot.left_behind {
        let name = Places(story).rescue_ref(task, attempt.number);
        context.repo.keep(&name, left)?;
        let text = format!("commit {} of the agent of `{id}` is not part of its landed history, and is kept under `{name}`", left.short());
        context.append(&[Event::Noted { text }])?;
    }
    Ok(())
}

/// The conflicts that are still there. One without markers (a binary file, a file that one side removed) looks the same
/// before and after, so leaving it as it is has to be said.
fn unresolved(repo: &Repo, base: &Oid, paths: &[String], snapshot: &Snapshot, declared: bool) -> Result<Vec<String>> {
    let mut left = repo.unresolved(&snapshot.tree, paths)?;
    if let ([own, theirs], false) = (repo.parents(base)?.as_slice(), declared) {
        let tree = repo.tree_of(base)?;
        for path in repo.merge(own, theirs)?.conflicts {
            let is_untouched = !left.contains(&path) && snapshot.changed.iter().all(|file| file.path != path);
            if is_untouched && repo.read(&tree, &path, 1)?.is_some() {
                left.push(path);
            }
        }
    }
    Ok(left)
}

fn accepted(task: &Task, head: Oid, snapshot: &Snapshot) -> TaskAccepted {
    let claims = &task.planned.files;
    let outside = |path: &&String| !claims.is_empty() && !is_claimed(path, claims);
    TaskAccepted {
        task: task.id().clone(),
        attempt: 0,
        head,
        files: snapshot.changed.iter().take(CHANGED_FILES_MAX).map(changed_file).collect(),
        outside_claim: snapshot.changed.iter().map(|file| &file.path).filter(outside).take(CHANGED_FILES_MAX).cloned().collect(),
    }
}

fn changed_file(file: &crate::git::FileChange) -> ChangedFile {
    ChangedFile { path: file.path.clone(), added: file.added.unwrap_or(0), removed: file.removed.unwrap_or(0) }
}

fn declares_no_change(summary: &str) -> bool {
    summary.lines().any(|line| line.trim_start_matches(['*', ' ', '`']).starts_with(NO_CHANGE_NEEDED))
}

pub(super) fn commit_message(story: &Story, task: &Task) -> String {
    format!("{}\n\nAura-Story: {}\nAura-Task: {}\n", task.planned.title, story.id, task.id())
}

/// Keeps what an unhappy attempt left. A failure to do so is worth a line in the log, not the run.
fn rescue(context: &Context, story: &Story, task: &Task, number: u32) -> Option<String> {
    let places = Places(story);
    let worktree = places.task_worktree(task);
    if !worktree.is_dir() {
        return None;
    }
    let name = places.rescue_ref(task, number);
    let known = task.last_attempt().map_or(&story.tip.commit, |attempt| &attempt.base);
    match context.repo.rescue(&worktree, &name, known) {
        Ok(kept) => kept.map(|_| name),
        Err(error) => {
            tracing::warn!(task = %task.id(), %error, "the worktree could not be kept");
            None
        }
    }
}

/// When a rate limit is over: as the agent says, or after a wait that doubles each time that it was not.
fn resume_at(context: &Context, story: &Story, outcome: &Outcome) -> Option<Timestamp> {
    let Outcome::RateLimited { retry_after_s, .. } = outcome else { return None };
    let now = Timestamp::now();
    let hits = story.throttle.as_ref().map_or(0, |throttle| throttle.hits_at(now));
    let doubled = || context.config.bounds.rate_limit_wait.saturating_mul(2_u32.saturating_pow(hits)).min(UNTOLD_LIMIT_MAX);
    let wait = retry_after_s.map_or_else(|| doubled().max(context.config.bounds.rate_limit_wait), Duration::from_secs).min(LIMIT_MAX);
    Some(now + SignedDuration::try_from(wait).unwrap_or(SignedDuration::ZERO))
}

/// The end of a text, on a character boundary, with a mark where something was left out.
pub(super) fn bounded(text: &str, bytes_max: usize) -> String {
    if text.len() <= bytes_max {
        return text.to_owned();
    }
    let mut from = text.len() - bytes_max;
    while !text.is_char_boundary(from) {
        from += 1;
    }
    format!("[…] {}", &text[from..])
}

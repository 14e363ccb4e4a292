//! What agents are not to touch, measured around each attempt. Other people work in the same repository, so what changed
//! is told and nobody is accused. An entry of the user's stash that is gone is put back; work that holds what was in it is
//! refused, because nobody could tell whose it is.

use super::Places;
use super::drive::Context;
use crate::domain::{Attempt, Event, Story, Task, Work};
use crate::error::{Error, Result};
use crate::git::{Around, FileChange, Repo, Stashed};
use crate::proc::{Durable, read_json, write_json};
use serde::{Deserialize, Serialize};
use std::path::Path;
use std::sync::PoisonError;

/// In the folder of an attempt.
const FILE: &str = "around.json";
/// Where branches of stories are, unless somebody says otherwise.
const USUAL_BRANCHES: &str = "aura/";

/// What is known of one attempt.
#[derive(Serialize, Deserialize)]
struct Watched {
    before: Around,
    /// Once it has ended: a driver that is killed while it settles must not measure again what it has put back.
    after: Option<Around>,
    /// Taken off the stash while it ran, as the end of another attempt has found.
    #[serde(default)]
    taken: Vec<Stashed>,
}

/// What an attempt's end has found.
#[derive(Default)]
pub(super) struct Seen {
    pub notes: Vec<Event>,
    /// Entries of the user's stash that were gone.
    pub taken: Vec<Stashed>,
}

/// Measures before the agent of an attempt starts, and pins the stash.
pub(super) fn begin(context: &Context, story: &Story, task: &Task, job: &Path) -> Result<()> {
    let _one = context.measuring.lock().unwrap_or_else(PoisonError::into_inner);
    let before = context.repo.around(&own_branches(story))?;
    context.repo.pin_stash(&before, &Places(story).stash_ref(task, task.next_number()), story.updated_at)?;
    crate::store::private_folder(job).map_err(|e| Error::internal(format!("make {}", job.display())).because(e))?;
    write(job, &Watched { before, after: None, taken: vec![] })
}

/// Measures when the agent has ended, and puts back what is gone from the stash. Nothing else depends on it, so what goes
/// wrong is told and costs nothing.
pub(super) fn end(context: &Context, story: &Story, task: &Task, attempt: &Attempt) -> Seen {
    let _one = context.measuring.lock().unwrap_or_else(PoisonError::into_inner);
    let Some(mut watched) = read(Path::new(&attempt.job)) else { return Seen::default() };
    measure(context, story, task, attempt, &mut watched).unwrap_or_else(|error| {
        let text = format!("what changed around the worktree of `{}` is not known: {}", task.id(), error.chain());
        Seen { notes: vec![Event::Noted { text }], taken: vec![] }
    })
}

fn measure(context: &Context, story: &Story, task: &Task, attempt: &Attempt, watched: &mut Watched) -> Result<Seen> {
    let (repo, own, id) = (&context.repo, own_branches(story), task.id());
    let now = repo.around(&own)?;
    let after = watched.after.get_or_insert(now.clone()).clone();
    write(Path::new(&attempt.job), watched)?;
    let gone = watched.before.stash_taken(&after);
    let back: Vec<Stashed> = watched.before.stash_taken(&now);
    let mut notes = vec![];
    if let Err(error) = repo.restore_stash(&back) {
        let (places, number) = (Places(story), attempt.number);
        let kept = places.kept_stash_ref(task, number);
        if let Some(pinned) = repo.resolve(&places.stash_ref(task, number))? {
            repo.keep(&kept, &pinned)?;
        }
        let text = format!("entries of the stash that went while `{id}` ran could not be put back, and are kept under `{kept}`: {error}");
        notes.push(Event::Noted { text });
    }
    let settled = if back.is_empty() { now } else { repo.around(&own)? };
    tell_others(context, task, &settled, &gone)?;
    if !gone.is_empty() {
        let named: Vec<String> = gone.iter().map(|entry| format!("`{}`", entry.subject.escape_debug())).collect();
        let text = format!("an entry of your stash was taken off while `{id}` ran, and is put back: {}", named.join(", "));
        notes.push(Event::Noted { text });
    }
    let changed = watched.before.changed(&after);
    if !changed.is_empty() {
        let text = format!("outside of the worktrees, this changed while `{id}` ran: {}", changed.join("; "));
        notes.push(Event::Noted { text });
    }
    let taken = [gone, std::mem::take(&mut watched.taken)].concat();
    Ok(Seen { notes, taken })
}

/// What was told once is not told again at the end of every other attempt that runs.
fn tell_others(context: &Context, task: &Task, now: &Around, gone: &[Stashed]) -> Result<()> {
    // One that has started and has no file yet is measured later than this.
    let runs = |other: &&Task| other.id() != task.id() && matches!(other.work, Work::Running { .. });
    for attempt in context.story()?.tasks.iter().filter(runs).filter_map(Task::last_attempt) {
        let job = Path::new(&attempt.job);
        let Some(mut watched) = read(job).filter(|watched| watched.after.is_none()) else { continue };
        watched.before = now.clone();
        watched.taken.extend_from_slice(gone);
        write(job, &watched)?;
    }
    Ok(())
}

/// Why work must not land: it holds changes of files that came off the user's stash while it was done.
pub(super) fn from_the_stash(repo: &Repo, taken: &[Stashed], changed: &[FileChange]) -> Result<Option<String>> {
    for entry in taken {
        let paths = repo.stashed_paths(entry)?;
        let both: Vec<&str> = changed.iter().map(|file| file.path.as_str()).filter(|path| paths.contains(*path)).take(5).collect();
        if !both.is_empty() {
            let (subject, both) = (entry.subject.escape_debug(), both.join(", "));
            return Ok(Some(format!(
                "`{subject}` was taken off the user's stash meanwhile, and {both} may come from it. The stash is one for all worktrees: do not \
                 use `git stash`"
            )));
        }
    }
    Ok(None)
}

fn own_branches(story: &Story) -> Vec<String> {
    vec![USUAL_BRANCHES.to_owned(), story.created.branch.clone()]
}

fn read(job: &Path) -> Option<Watched> {
    read_json(&job.join(FILE)).ok().flatten()
}

fn write(job: &Path, watched: &Watched) -> Result<()> {
    Ok(write_json(&job.join(FILE), watched, Durable::No)?)
}

//! Landing: an accepted commit becomes part of the story branch by compare-and-swap, or is handed back as a conflict.

use super::drive::Context;
use super::{Places, blocking, preserve, story_branch};
use crate::domain::{Event, Landable, Oid, Story, Task};
use crate::error::{Code, Error, Result};
use crate::git::{Expect, GitError, Landed, Repo};
use std::path::Path;
use std::sync::Arc;

/// Lands one accepted task. The merge happens in memory; no worktree is touched.
pub(super) async fn land(context: Arc<Context>, permit: Landable) -> Result<()> {
    blocking(move || land_now(&context, &permit)).await
}

fn land_now(context: &Context, permit: &Landable) -> Result<()> {
    // Once: a person may have committed to the story branch; their commit is adopted and landed upon. A branch that
    // moves faster than that is somebody else's tool at work, and the run stops with the reason.
    for _ in 0..3 {
        let story = context.story()?;
        let Some(task) = story.task(permit.task()) else { return Ok(()) };
        if task.landable().as_ref() != Some(permit) {
            return Ok(());
        }
        let onto = story.tip.commit.clone();
        let message = message(&story, task, permit);
        let landed = context.repo.land(permit, &story.created.branch, &onto, &message, story.updated_at);
        match landed.map_err(|error| not_landed(&story, permit, error))? {
            Landed::Done { commit, tree } => {
                let (task, attempt, head) = (permit.task().clone(), permit.attempt(), permit.head().clone());
                let accepted = Places(&story).accepted_ref(&task);
                context.append(&[Event::TaskLanded { task, attempt, head, onto, commit, tree }])?;
                // Its history holds the work from now on.
                context.unpin(&accepted);
                return Ok(());
            }
            Landed::Conflict { paths } => {
                let (task, attempt) = (permit.task().clone(), permit.attempt());
                context.append(&[Event::LandingConflicted { task, attempt, tip: onto, paths }])?;
                return Ok(());
            }
            // A landing of another task that a driver made and did not live to write down is not a person's commit.
            Landed::TipMoved { now } => match landed_before(&context.repo, &story, permit, &now)? {
                Some(other) => land_now(context, &other)?,
                None => drop(preserve::adopt(&context.engine, &context.repo, &story, &now)?),
            },
        }
    }
    Err(Error::new(Code::Conflict, "land on the story branch: it keeps moving")
        .hint("something else commits to the story branch; stop it and run again"))
}

/// The permit of another accepted task whose landing comes next on the way to the commit `now`.
fn landed_before(repo: &Repo, story: &Story, permit: &Landable, now: &Oid) -> Result<Option<Landable>> {
    for other in story.landings().filter(|other| other != permit) {
        if repo.landing_of(other.head(), &story.tip.commit, now)?.is_some() {
            return Ok(Some(other));
        }
    }
    Ok(None)
}

/// A landing that was refused: the task, and what can be done. Its work stays on the task's branch.
fn not_landed(story: &Story, permit: &Landable, error: GitError) -> Error {
    let error = match error {
        GitError::RefMoved { .. } => return story_branch::is_gone(story),
        error => Error::from(error),
    };
    Error::new(error.code, format!("land `{}`", permit.task())).because(error.chain())
}

/// What a person has committed to the story branch since the last run is part of the story from its first moment: it may
/// be the repair that a red gate waits for.
pub(super) async fn adopt_tip(context: &Arc<Context>) -> Result<()> {
    let context = context.clone();
    blocking(move || {
        let story = context.story()?;
        let is_there = context.repo.resolve(&Places(&story).story_ref())?.is_some();
        // A landing that a driver made and did not live to write down is for its own task to find.
        if is_there && story.next_landing().is_some() {
            return Ok(());
        }
        preserve::catch_up(&context.engine, &context.repo, &story).map(|_| ())
    })
    .await
}

/// Looks whether the tip of the story branch holds everything that landed, and writes down what is missing.
pub(super) async fn verify(context: Arc<Context>, tip: Oid) -> Result<()> {
    blocking(move || {
        let story = context.story()?;
        if story.tip.commit != tip {
            return Ok(());
        }
        match context.repo.resolve(&Places(&story).story_ref())? {
            Some(now) if now != tip => preserve::adopt(&context.engine, &context.repo, &story, &now).map(|_| ()),
            Some(_) => {
                let missing = preserve::missing(&context.repo, &story)?;
                context.append(&[Event::LandingsVerified { tip, missing }])?;
                Ok(())
            }
            None => Err(story_branch::is_gone(&story)),
        }
    })
    .await
}

fn message(story: &Story, task: &Task, permit: &Landable) -> String {
    format!(
        "Land {}: {}\n\nAura-Story: {}\nAura-Task: {}\nAura-Attempt: {}\n",
        task.id(),
        task.planned.title,
        story.id,
        task.id(),
        permit.attempt()
    )
}

/// Brings the story's worktree to the tip beside the work: people see at once what has landed, and no landing waits for
/// it. Where their edits are in the way, the end of the run says so.
pub(super) fn sync_soon(context: &Arc<Context>) {
    let context = context.clone();
    tokio::spawn(async move {
        // Whoever holds it may have read the tip before this landing, so this one waits its turn; it finds nothing to do
        // when another was quicker.
        let _turn = context.syncing.lock().await;
        let worker = context.clone();
        if let Err(error) = blocking(move || sync(&worker)).await {
            tracing::info!(error = %error.chain(), "the story's worktree stays behind");
        }
    });
}

/// Brings the story's own worktree to the tip, so that people see what has landed. Local edits there are kept: then it
/// stays behind, and the log says so.
pub(super) async fn sync_story_worktree(context: &Arc<Context>) {
    let _turn = context.syncing.lock().await;
    let worker = context.clone();
    let synced = blocking(move || sync(&worker)).await;
    if let Err(error) = synced {
        let text = format!("the story's worktree was not brought up to date: {}", error.chain());
        if let Err(error) = context.append(&[Event::Noted { text }]) {
            tracing::warn!(error = %error.chain(), "a note could not be written");
        }
    }
}

fn sync(context: &Context) -> Result<()> {
    let story = context.story()?;
    let places = Places(&story);
    let (repo, worktree, name) = (&context.repo, places.story_worktree(), places.synced_ref());
    if !worktree.join(".git").exists() {
        return Ok(());
    }
    let to = &story.tip.commit;
    let from = repo.resolve(&name)?.unwrap_or_else(|| story.created.base_commit.clone());
    let from = stands_at(repo, &worktree, &from, to)?.unwrap_or(from);
    if from != *to {
        match repo.sync_checkout(&worktree, &from, to) {
            Ok(()) => {}
            Err(GitError::LocalChanges { path }) => {
                return Err(Error::new(Code::Conflict, format!("{} has local changes in the way", path.display()))
                    .hint("commit or stash them there"));
            }
            Err(error) => return Err(error.into()),
        }
    }
    Ok(repo.update_ref(&name, to, Expect::Any, "aura: worktree brought up to date")?)
}

/// The commit whose files the index of the story's worktree holds, when it holds exactly those of one: it may stand at another
/// commit than was written down, when a driver was killed in between or a person has committed there.
fn stands_at(repo: &Repo, worktree: &Path, from: &Oid, to: &Oid) -> Result<Option<Oid>> {
    let index = repo.index_tree(worktree)?;
    for step in repo.landings(from, to)?.into_iter().rev() {
        for commit in std::iter::once(step.clone()).chain(repo.parents(&step)?.into_iter().skip(1)) {
            if repo.tree_of(&commit)? == index {
                return Ok(Some(commit));
            }
        }
    }
    Ok(None)
}

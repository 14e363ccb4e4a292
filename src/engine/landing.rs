//! Landing: an accepted commit becomes part of the story branch by compare-and-swap, or is handed back as a conflict.

use super::drive::Context;
use super::{Places, blocking};
use crate::domain::{Event, Landable, Oid, Story, Task};
use crate::error::{Code, Error, Result};
use crate::git::{Expect, GitError, Landed};
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
        match context.repo.land(permit, &story.created.branch, &onto, &message, story.updated_at)? {
            Landed::Done { commit, tree } => {
                let (task, attempt, head) = (permit.task().clone(), permit.attempt(), permit.head().clone());
                context.append(&[Event::TaskLanded { task, attempt, head, onto, commit, tree }])?;
                return Ok(());
            }
            Landed::Conflict { paths } => {
                let (task, attempt) = (permit.task().clone(), permit.attempt());
                context.append(&[Event::LandingConflicted { task, attempt, tip: onto, paths }])?;
                return Ok(());
            }
            Landed::TipMoved { now } => adopt(context, &story, &now)?,
        }
    }
    Err(Error::new(Code::Conflict, "land on the story branch: it keeps moving")
        .hint("something else commits to the story branch; stop it and run again"))
}

/// What a person has committed to the story branch since the last run is part of the story from its first moment: it may
/// be the repair that a red gate waits for.
pub(super) async fn adopt_tip(context: &Arc<Context>) -> Result<()> {
    let context = context.clone();
    blocking(move || {
        let story = context.story()?;
        match context.repo.resolve(&Places(&story).story_ref())? {
            // A landing that a driver made and did not live to write down is for its own task to find.
            Some(now) if now != story.tip.commit && story.next_landing().is_none() => adopt(&context, &story, &now),
            Some(_) | None => Ok(()),
        }
    })
    .await
}

/// Takes a commit that somebody else put on the story branch for the new tip, if it builds on the old one.
pub(super) fn adopt(context: &Context, story: &Story, now: &Oid) -> Result<()> {
    if !context.repo.is_ancestor(&story.tip.commit, now)? {
        let detail =
            format!("the story branch `{}` was moved to {}, which leaves out work that has landed", story.created.branch, now.short());
        let hint = format!("move it back: `git branch -f {} {}`", story.created.branch, story.tip.commit);
        return Err(Error::new(Code::Conflict, detail).hint(hint));
    }
    let tree = context.repo.tree_of(now)?;
    context.append(&[Event::TipAdopted { onto: story.tip.commit.clone(), commit: now.clone(), tree }])?;
    Ok(())
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
    if from == *to {
        return Ok(());
    }
    let mut synced = repo.sync_checkout(&worktree, &from, to);
    if synced.is_err() {
        // It may stand at a later landing than was written down, when a driver was killed in between.
        let later = repo.landings(&from, to).unwrap_or_default().into_iter().rev().filter(|landing| landing != to);
        synced = later.map(|from| repo.sync_checkout(&worktree, &from, to)).find(Result::is_ok).unwrap_or(synced);
    }
    match synced {
        Ok(()) => Ok(repo.update_ref(&name, to, Expect::Any, "aura: worktree brought up to date")?),
        Err(GitError::LocalChanges { path }) => {
            Err(Error::new(Code::Conflict, format!("{} has local changes in the way", path.display())).hint("commit or stash them there"))
        }
        Err(error) => Err(error.into()),
    }
}

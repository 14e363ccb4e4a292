//! What landed stays: looks for all landed work at the tip of the story branch, and takes in commits that a person made
//! there without losing any of it.

use super::{Engine, Places};
use crate::domain::{Event, Landing, MissingWork, Oid, Story, Task, TaskId};
use crate::error::{Code, Error, Result};
use crate::git::{Expect, Repo, Taken};
use std::collections::BTreeSet;

/// Most files that are named for one task.
const PATHS_MAX: usize = 20;

/// The landed work that the tip does not hold: a landing that is not in its history, or a step of the story branch that changed
/// or removed a file although its own work did not.
pub(super) fn missing(repo: &Repo, story: &Story) -> Result<Vec<MissingWork>> {
    let tip = &story.tip.commit;
    let chain = repo.landings(&story.created.base_commit, tip)?;
    let known: BTreeSet<&Oid> = chain.iter().collect();
    let mut missing = vec![];
    for task in &story.tasks {
        for landing in task.landings.iter().filter(|landing| landing.commit != landing.onto) {
            if !known.contains(&landing.commit) && !repo.is_ancestor(&landing.commit, tip)? {
                missing.push(MissingWork { task: task.id().clone(), paths: vec![] });
            }
        }
    }
    for step in &chain {
        let Some((task, landing)) = owner(story, step) else { continue };
        let Some(from) = start_of(repo, task, landing)? else { continue };
        let taken = repo.taken_back(&landing.onto, step, &from, &landing.head)?;
        if !taken.is_empty() {
            let names = paths_of(&taken);
            missing.push(MissingWork { task: loser(repo, story, landing, &names)?.unwrap_or_else(|| task.id().clone()), paths: names });
        }
    }
    Ok(missing)
}

/// The landing that a commit of the story branch is.
fn owner<'a>(story: &'a Story, step: &Oid) -> Option<(&'a Task, &'a Landing)> {
    let of = |task: &'a Task| task.landings.iter().find(|landing| landing.commit == *step).map(|landing| (task, landing));
    story.tasks.iter().find_map(of)
}

/// What the work of a landing is a change of.
fn start_of(repo: &Repo, task: &Task, landing: &Landing) -> Result<Option<Oid>> {
    let attempt = task.attempts.iter().find(|attempt| attempt.number == landing.attempt);
    match attempt.and_then(|attempt| attempt.prepared.as_ref()) {
        Some(prepared) => Ok(Some(prepared.upon.clone())),
        // The base that was brought in, or work of an older log.
        None => Ok(repo.merge_base(&landing.onto, &landing.head)?),
    }
}

/// Whose landed work a later landing took back: the last task before it that changed one of the files.
fn loser(repo: &Repo, story: &Story, by: &Landing, paths: &[String]) -> Result<Option<TaskId>> {
    for task in story.tasks.iter().rev() {
        for landing in task.landings.iter().filter(|landing| landing.commit != by.commit) {
            let is_before = repo.is_ancestor(&landing.commit, &by.onto)?;
            if is_before && repo.diff_files(&landing.onto, &landing.commit)?.iter().any(|file| paths.contains(&file.path)) {
                return Ok(Some(task.id().clone()));
            }
        }
    }
    Ok(None)
}

fn paths_of(taken: &[Taken]) -> Vec<String> {
    taken.iter().take(PATHS_MAX).map(|taken| taken.path.clone()).collect()
}

/// Refuses to go on with a story branch that lacks landed work.
pub(super) fn refuse_missing(repo: &Repo, story: &Story, doing: &str) -> Result<()> {
    let missing = missing(repo, story)?;
    let Some(first) = missing.first() else { return Ok(()) };
    Err(Error::new(Code::Conflict, format!("{doing}: {}", first.sentence()))
        .hint("bring it back on the story branch (each landing is a commit of its history), then run again"))
}

/// Brings the story to where its branch is: a branch that was removed is made again, a commit that somebody else put there is
/// adopted.
pub(super) fn catch_up(engine: &Engine, repo: &Repo, story: &Story) -> Result<Story> {
    match repo.resolve(&Places(story).story_ref())? {
        Some(now) if now != story.tip.commit => adopt(engine, repo, story, &now),
        Some(_) => Ok(story.clone()),
        None => super::story_branch::put_back(repo, story).map(|()| story.clone()),
    }
}

/// Takes a commit that somebody else put on the story branch for the new tip, if it builds on the old one. A branch that was
/// moved back is put forward again: what landed stays landed, and nothing of anybody's is lost by that.
///
/// A commit from the story's worktree may have been made while that worktree stood behind the branch: git then puts the old
/// files on the new tip, which takes back what landed since. It is merged as a change of the files that it was made on.
///
/// # Errors
/// Refuses a commit that leaves out landed work, and one that conflicts with it.
pub(super) fn adopt(engine: &Engine, repo: &Repo, story: &Story, now: &Oid) -> Result<Story> {
    let (tip, branch, places) = (&story.tip.commit, &story.created.branch, Places(story));
    if repo.is_ancestor(now, tip)? {
        return super::story_branch::put_forward(engine, repo, story, now);
    }
    if !repo.is_ancestor(tip, now)? {
        let detail = format!("the story branch `{branch}` was moved to {}, which leaves out work that has landed", now.short());
        return Err(Error::new(Code::Conflict, detail).hint(super::story_branch::way_back(story)));
    }
    let Some(stood) = stood_behind(repo, story, now)? else {
        let tree = repo.tree_of(now)?;
        return engine.append(story.id, &[Event::TipAdopted { onto: tip.clone(), commit: now.clone(), tree }]);
    };
    let merge = repo.merge_trees(&stood, tip, now)?;
    if !merge.conflicts.is_empty() {
        let detail = format!(
            "commit {} was made on the files of {} and conflicts with what has landed since, in {}",
            now.short(),
            stood.short(),
            merge.conflicts.join(", ")
        );
        let hint = format!(
            "keep it under a name (`git branch mine {}`), put the branch back (`{}`), and merge it by hand in {}",
            now.short(),
            super::story_branch::way_back(story),
            places.story_worktree().display()
        );
        return Err(Error::new(Code::Conflict, detail).hint(hint));
    }
    let taken = repo.taken_back(tip, &merge.tree, &stood, now)?;
    if !taken.is_empty() {
        let detail = format!("commit {} would take back what has landed, in {}", now.short(), paths_of(&taken).join(", "));
        return Err(Error::new(Code::Conflict, detail).hint(super::story_branch::way_back(story)));
    }
    let message = format!("Take in {}\n\nIt was made on the files of {}.\n\nAura-Story: {}\n", now.short(), stood.short(), story.id);
    let commit = repo.commit_tree(&merge.tree, &[tip, now], &message, repo.time_of(now)?)?;
    repo.update_ref(&places.story_ref(), &commit, Expect::At(now), "aura: take in a commit")?;
    let text = format!(
        "commit {} was made in the story's worktree while that stood at {}: it would have taken back what landed since, and was merged instead",
        now.short(),
        stood.short()
    );
    engine.append(story.id, &[Event::TipAdopted { onto: tip.clone(), commit, tree: merge.tree }, Event::Noted { text }])
}

/// The commit whose files a foreign commit was made on, when that lies before the tip: it gives a file back the content that it
/// had there.
fn stood_behind(repo: &Repo, story: &Story, now: &Oid) -> Result<Option<Oid>> {
    let tip = &story.tip.commit;
    let stood = repo.resolve(&Places(story).synced_ref())?.unwrap_or_else(|| story.created.base_commit.clone());
    if stood == *tip || !repo.is_ancestor(&stood, tip)? {
        return Ok(None);
    }
    Ok(repo.gives_back(&stood, tip, now)?.then_some(stood))
}

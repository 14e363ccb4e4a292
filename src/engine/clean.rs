//! Removing what Aura made for a story: worktrees first kept, then removed; branches only when nothing is lost.

use super::{Engine, Places, blocking};
use crate::domain::{Completion, Event, Oid, Story};
use crate::error::{Code, Error, Result};
use crate::git::{GitError, Repo};
use std::path::PathBuf;

/// What was removed and what was kept.
#[derive(Clone, Debug, Default)]
pub struct Cleaned {
    pub worktrees: Vec<PathBuf>,
    pub branches: Vec<String>,
    /// Refs under which unmerged or uncommitted work was kept.
    pub rescued: Vec<String>,
}

impl Engine {
    /// Removes the story's worktrees and its task branches. Work that is nowhere else is kept under `refs/aura/rescue`.
    ///
    /// # Errors
    /// Refuses while the story runs.
    pub async fn clean(&self, story: &Story) -> Result<Cleaned> {
        self.refuse_inside_attempt()?;
        let (engine, story) = (self.clone(), story.clone());
        blocking(move || engine.clean_now(&story)).await
    }

    fn clean_now(&self, story: &Story) -> Result<Cleaned> {
        if story.run.is_some() {
            return Err(Error::new(Code::IllegalState, format!("clean `{}`: it is running", story.id.short()))
                .hint("wait for the run, or cancel it: `aura cancel`"));
        }
        let _lease = self.lease(story.id, "cleaning up the story")?;
        let repo = Engine::repo(story)?;
        let mut cleaned = Cleaned::default();
        let places = Places(story);
        let history = repo.resolve(&places.history_ref())?;
        let known = history.as_ref().unwrap_or(&story.tip.commit);
        // The story branch stays, so what it holds (a squashed commit is no landing) is kept by itself.
        let branch = repo.resolve(&places.story_ref())?;
        let kept_by = |name: &str| branch.as_ref().filter(|_| name == "story").unwrap_or(known);
        for (name, worktree) in worktrees(story) {
            if !worktree.exists() {
                continue;
            }
            let keep = format!("refs/aura/rescue/{}/{name}/clean", story.id.short());
            match repo.rescue(&worktree, &keep, kept_by(&name)) {
                Ok(Some(_)) => cleaned.rescued.push(keep),
                // What is not one of our worktrees any more is refused, or put aside, when it is removed.
                Ok(None) | Err(GitError::NotAWorktree { .. } | GitError::Tampered { .. }) => {}
                Err(error) => return Err(error.into()),
            }
            repo.worktree_remove(&worktree, places.root())?;
            cleaned.worktrees.push(worktree);
        }
        for task in &story.tasks {
            let branch = places.task_branch(task);
            if let Some(commit) = repo.resolve(&format!("refs/heads/{branch}"))? {
                self.drop_branch(&repo, story, &branch, &commit, &mut cleaned)?;
            }
        }
        // An emptied folder is ours to remove; one that a person put something into stays.
        let _ = std::fs::remove_dir(places.root().join("tasks"));
        let _ = std::fs::remove_dir(places.root());
        if !story.worktrees_removed {
            let paths = cleaned.worktrees.iter().map(|path| path.to_string_lossy().into_owned()).collect();
            self.append(story.id, &[Event::WorktreesRemoved { paths }])?;
        }
        Ok(cleaned)
    }

    /// A task branch goes when its commit has landed; otherwise a rescue ref keeps the commit.
    fn drop_branch(&self, repo: &Repo, story: &Story, branch: &str, commit: &Oid, cleaned: &mut Cleaned) -> Result<()> {
        let history = repo.resolve(&Places(story).history_ref())?;
        let mut landed = repo.is_ancestor(commit, &story.tip.commit)?;
        if let (false, Some(history), Completion::Done { .. }) = (landed, &history, &story.completion) {
            landed = repo.is_ancestor(commit, history)?;
        }
        if !landed {
            let keep = format!("refs/aura/rescue/{}/branches/{}", story.id.short(), branch.rsplit('/').next().unwrap_or(branch));
            repo.keep(&keep, commit)?;
            cleaned.rescued.push(keep);
        }
        repo.delete_ref(&format!("refs/heads/{branch}"), commit)?;
        cleaned.branches.push(branch.to_owned());
        Ok(())
    }
}

fn worktrees(story: &Story) -> Vec<(String, PathBuf)> {
    let places = Places(story);
    let mut found: Vec<(String, PathBuf)> = story.tasks.iter().map(|task| (task.id().to_string(), places.task_worktree(task))).collect();
    found.push(("gate".into(), places.gate_worktree()));
    found.push(("plan".into(), places.root().join("plan")));
    found.push(("story".into(), places.story_worktree()));
    found
}

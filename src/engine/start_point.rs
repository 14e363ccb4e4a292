//! What a worktree holds when an agent starts in it: decided from the log, made, and proven before the agent is started.

use super::drive::Context;
use super::settle::commit_message;
use super::{Error, Places};
use crate::domain::{Attempt, Event, Oid, Outcome, Prepared, Purpose, Story, Task};
use crate::error::{Code, Result};
use crate::git::{self, At, GitError, Repo, SnapshotRequest, StartRequest};

/// Most files that are named in a note.
const NAMED_MAX: usize = 10;

/// The commit that an attempt starts from.
pub(super) struct StartPoint {
    pub base: Oid,
    /// The commit of the story branch that `base` holds.
    upon: Oid,
    files: Files,
    /// Paths with conflict markers in `base`.
    pub conflicts: Vec<String>,
}

/// Where the files come from.
#[derive(PartialEq, Eq)]
enum Files {
    /// Those of the base.
    OfBase,
    /// What earlier attempts left in the worktree, who started with the tree of `origin`.
    Kept { origin: Oid },
}

/// A worktree that cannot be made ready because of what an earlier agent left in it.
pub(super) struct Unusable(pub String);

impl StartPoint {
    pub(super) fn of(repo: &Repo, story: &Story, task: &Task, purpose: &Purpose) -> Result<StartPoint> {
        let tip = || StartPoint::at_tip(story);
        let kept = || StartPoint::kept(repo, story, task, purpose);
        Ok(match (purpose, task.last_attempt()) {
            (Purpose::Resolve { tip: base, .. }, None) if task.brings.is_some() => StartPoint::merged(repo, story, task, Some(base))?,
            (Purpose::Work | Purpose::Retry { .. }, _) | (_, None) => tip(),
            (Purpose::Resume { .. } | Purpose::NoChange, Some(_)) => kept().unwrap_or_else(tip),
            (Purpose::Resolve { .. } | Purpose::Repair { .. }, Some(previous)) if previous.purpose == *purpose => match kept() {
                Some(kept) => kept,
                None => StartPoint::merged(repo, story, task, bringing(task))?,
            },
            (Purpose::Resolve { .. } | Purpose::Repair { .. }, Some(_)) => StartPoint::merged(repo, story, task, bringing(task))?,
        })
    }

    fn at_tip(story: &Story) -> StartPoint {
        let tip = story.tip.commit.clone();
        StartPoint { base: tip.clone(), upon: tip, files: Files::OfBase, conflicts: vec![] }
    }

    /// The worktree as the attempt before left it, if that attempt ever had a worktree and nothing speaks against it.
    fn kept(repo: &Repo, story: &Story, task: &Task, purpose: &Purpose) -> Option<StartPoint> {
        // Attempts that never had a worktree have left nothing in it.
        let previous = task.attempts.iter().rev().find(|attempt| attempt.prepared.is_some())?;
        let is_same = match purpose {
            Purpose::Resolve { .. } | Purpose::Repair { .. } => previous.purpose == *purpose,
            Purpose::Work | Purpose::Retry { .. } | Purpose::Resume { .. } | Purpose::NoChange => previous.accepted.is_none(),
        };
        let prepared = previous.prepared.as_ref().filter(|_| is_same && !was_refused(previous))?;
        repo.filled_with(&Places(story).task_worktree(task))?;
        let conflicts = match purpose {
            Purpose::Resolve { paths, .. } => paths.clone(),
            Purpose::Work | Purpose::Retry { .. } | Purpose::Resume { .. } | Purpose::NoChange | Purpose::Repair { .. } => vec![],
        };
        let files = Files::Kept { origin: prepared.origin.clone() };
        Some(StartPoint { base: previous.base.clone(), upon: prepared.upon.clone(), files, conflicts })
    }

    /// The task's accepted work with the story's tip merged in: conflicts, if any, stand in the files as markers. `foreign` is
    /// what a task that has no work of its own yet brings in.
    fn merged(repo: &Repo, story: &Story, task: &Task, foreign: Option<&Oid>) -> Result<StartPoint> {
        let accepted = task.attempts.iter().rev().find_map(|attempt| Some((attempt.accepted.clone()?, attempt.prepared.as_ref())));
        let (head, upon) = match (accepted, foreign) {
            (Some((head, prepared)), _) => (head, prepared.map(|prepared| prepared.upon.clone())),
            (None, Some(foreign)) => (foreign.clone(), None),
            // Written down before accepted work was: it is where the task's branch stands.
            (None, None) => match repo.resolve(&format!("refs/heads/{}", Places(story).task_branch(task)))? {
                Some(head) => (head, None),
                None => return Ok(StartPoint::at_tip(story)),
            },
        };
        let tip = &story.tip.commit;
        if repo.is_ancestor(&head, tip)? {
            return Ok(StartPoint::at_tip(story));
        }
        let merge = match &upon {
            Some(upon) => repo.merge_trees(upon, &head, tip)?,
            None => repo.merge(&head, tip)?,
        };
        let message = format!("Bring {} up to the story\n\nAura-Task: {}\n", task.id(), task.id());
        let base = repo.commit_tree(&merge.tree, &[&head, tip], &message, story.updated_at)?;
        Ok(StartPoint { base, upon: tip.clone(), files: Files::OfBase, conflicts: merge.conflicts })
    }

    /// Whether the agent finds what earlier attempts left.
    pub(super) fn keeps_files(&self) -> bool {
        self.files != Files::OfBase
    }

    /// Every dependency's landing must be part of what the agent will see, on every attempt.
    pub(super) fn prove_dependencies(&self, repo: &Repo, story: &Story, task: &Task) -> Result<()> {
        for dependency in &task.planned.depends_on {
            let landing = story.task(dependency).and_then(|task| task.landings.last());
            let contained = match landing {
                Some(landing) => repo.is_ancestor(&landing.commit, &self.upon)?,
                None => false,
            };
            if !contained {
                return Err(Error::internal(format!(
                    "`{}` would start at {} without the work of `{dependency}`",
                    task.id(),
                    self.upon.short()
                )));
            }
        }
        Ok(())
    }

    /// Makes the worktree, and proves that it is as it should be.
    pub(super) fn prepare(&self, context: &Context, story: &Story, task: &Task, number: u32) -> Result<Result<Prepared, Unusable>> {
        let places = Places(story);
        let (worktree, branch, pin) = (places.task_worktree(task), places.task_branch(task), places.start_ref(task, number));
        let repo = &context.repo;
        let prove = |at: &Oid| {
            let request = StartRequest { branch: &branch, at, pin: &pin, time: story.updated_at };
            repo.prove_start(&worktree, &request)
        };
        let (origin, start) = match &self.files {
            Files::Kept { origin } => {
                let message = commit_message(story, task);
                let (base, at) = (&self.base, story.updated_at);
                let request = SnapshotRequest { base, origin, branch: &branch, message: &message, at, pin: &pin };
                let kept = match repo.snapshot(&worktree, &request) {
                    Ok(kept) => kept,
                    Err(error) if is_agents_doing(&error) => return Ok(Err(Unusable(error.to_string()))),
                    Err(error) => return Err(error.into()),
                };
                if let Some(left) = &kept.left_behind {
                    repo.keep(&places.rescue_ref(task, number.saturating_sub(1)), left)?;
                }
                (origin.clone(), prove(&kept.head)?)
            }
            Files::OfBase => {
                fill(context, story, task, &self.base)?;
                let start = match prove(&self.base) {
                    Err(error @ GitError::NotAsSet { .. }) => {
                        tracing::warn!(task = %task.id(), %error, "the worktree is made again");
                        repo.worktree_remove(&worktree, places.root())?;
                        make_worktree(context, story, task, &self.base)?;
                        prove(&self.base)?
                    }
                    proven => proven?,
                };
                (start.clone(), start)
            }
        };
        Ok(Ok(Prepared { upon: self.upon.clone(), origin, start }))
    }
}

/// The commit of the base that a task of the ceremony brings in.
fn bringing(task: &Task) -> Option<&Oid> {
    task.brings.as_ref().map(|brings| &brings.base)
}

/// What must not be read or landed must not be worked on either.
fn was_refused(attempt: &Attempt) -> bool {
    matches!(attempt.ended.as_ref().map(|end| &end.outcome), Some(Outcome::Refused { .. }))
}

/// Whether an error speaks of what an agent left, and not of the machine.
pub(super) fn is_agents_doing(error: &GitError) -> bool {
    matches!(error, GitError::NestedRepository { .. } | GitError::Tampered { .. } | GitError::LeftItsBase { .. })
}

/// Fills the worktree with the files of the base. What an agent left in it is kept before.
fn fill(context: &Context, story: &Story, task: &Task, base: &Oid) -> Result<()> {
    let places = Places(story);
    let (worktree, branch) = (places.task_worktree(task), places.task_branch(task));
    let repo = &context.repo;
    if task.attempts.is_empty() {
        match repo.advance_worktree(&worktree, &branch, base) {
            Ok(true) => return Ok(()),
            Ok(false) => {}
            // A git that was killed in the middle cannot go on where it stopped: the long way round does.
            Err(error) => tracing::warn!(task = %task.id(), %error, "a worktree that was made ahead is made again"),
        }
    }
    if worktree.is_dir() {
        let known = task.last_attempt().map_or(&story.tip.commit, |attempt| &attempt.base);
        match repo.rescue(&worktree, &places.rescue_ref(task, task.attempts.len() as u32), known) {
            // It was cut off from the repository, so no commit can hold what is in it.
            Err(GitError::NotAWorktree { .. }) => git::put_aside(&worktree)?,
            kept => drop(kept?),
        }
    }
    make_worktree(context, story, task, base)
}

/// A worktree with the task's branch checked out at `base`. What was in it is gone afterwards.
pub(super) fn make_worktree(context: &Context, story: &Story, task: &Task, base: &Oid) -> Result<()> {
    let places = Places(story);
    let (worktree, branch) = (places.task_worktree(task), places.task_branch(task));
    let repo = &context.repo;
    let full = format!("refs/heads/{branch}");
    if repo.resolve(&full)?.is_none() {
        repo.update_ref(&full, base, crate::git::Expect::Absent, "aura: start of a task")?;
    }
    let added = repo.worktree_add(&worktree, At::Branch(&branch))?;
    repo.set_worktree(&worktree, base)?;
    if added.created {
        let included = repo.include(&worktree);
        let included = included.map_err(|e| Error::new(Code::Unavailable, "bring in what `.worktreeinclude` names").because(e))?;
        let note = without(&format!("the worktree of `{}`", task.id()), &included.left_out);
        context.append(note.as_slice())?;
    }
    Ok(())
}

/// Names what `.worktreeinclude` asks for and a worktree does not get.
pub(super) fn without(worktree: &str, left_out: &[String]) -> Option<Event> {
    if left_out.is_empty() {
        return None;
    }
    let named: Vec<String> = left_out.iter().take(NAMED_MAX).map(|name| format!("`{}`", name.escape_debug())).collect();
    let more = left_out.len().saturating_sub(NAMED_MAX);
    let more = if more == 0 { String::new() } else { format!(" and {more} more") };
    let text = format!(
        "{worktree} is without {}{more}, which `.worktreeinclude` names: links that lead out of the repository, other than to programs",
        named.join(", ")
    );
    Some(Event::Noted { text })
}

//! Removing what Aura made for a story: worktrees first kept, then removed; branches only when nothing is lost. Of a story
//! that is completed, nothing is removed while something in it is neither merged nor pushed.

use super::hosting::{self, Hosted};
use super::{Engine, Places, blocking};
use crate::domain::{Completion, Event, Oid, Published, Story};
use crate::error::{Code, Error, Result};
use crate::forge::{GitHub, Pull, PullState, Slug};
use crate::git::{self, GitError, Repo};
use std::path::{Path, PathBuf};

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
    /// Of a completed story also its branch, and then it refuses while anything is neither merged nor pushed, unless forced.
    pub async fn clean(&self, story: &Story, force: bool) -> Result<Cleaned> {
        self.refuse_inside_attempt()?;
        let (engine, story) = (self.clone(), story.clone());
        blocking(move || engine.clean_now(&story, force)).await
    }

    fn clean_now(&self, story: &Story, force: bool) -> Result<Cleaned> {
        if story.run.is_some() {
            return Err(Error::new(Code::IllegalState, format!("clean `{}`: it is running", story.id.short()))
                .hint("wait for the run, or cancel it: `aura cancel`"));
        }
        let _lease = self.lease(story.id, "cleaning up the story")?;
        let repo = self.repo(story)?;
        let mut cleaned = Cleaned::default();
        let places = Places(story);
        let is_safe = self.is_published(&repo, story, force)?;
        if !force {
            self.refuse_unpublished(&repo, story)?;
        }
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
        // Last, for a worktree without its link becomes one when it is removed.
        for folder in set_aside(story) {
            let keep = aside_ref(story, &folder);
            if repo.rescue_aside(&folder, &keep, known)?.is_some() {
                cleaned.rescued.push(keep);
            }
            repo.remove_aside(&folder, places.root())?;
            cleaned.worktrees.push(folder);
        }
        for task in &story.tasks {
            let branch = places.task_branch(task);
            if let Some(commit) = repo.resolve(&format!("refs/heads/{branch}"))? {
                self.drop_branch(&repo, story, &branch, &commit, &mut cleaned)?;
            }
        }
        if let Some(commit) = is_safe {
            self.drop_story_branch(&repo, story, &commit, &mut cleaned)?;
        }
        repo.unpin_all(&places.work_refs())?;
        // An emptied folder is ours to remove; one that a person put something into stays.
        let _ = std::fs::remove_dir(places.root().join("tasks"));
        let _ = std::fs::remove_dir(places.root());
        if !story.worktrees_removed {
            let paths = cleaned.worktrees.iter().map(|path| path.to_string_lossy().into_owned()).collect();
            self.append(story.id, &[Event::WorktreesRemoved { paths }])?;
        }
        Ok(cleaned)
    }

    /// The published commit, when it is merged or pushed, so that the story branch can go. None keeps the branch.
    fn is_published(&self, repo: &Repo, story: &Story, force: bool) -> Result<Option<Oid>> {
        let Completion::Done { commit, how, .. } = &story.completion else { return Ok(None) };
        let base = story.created.base_branch.as_deref();
        let is_in = |branch: Option<&str>| -> Result<bool> {
            let Some(branch) = branch else { return Ok(false) };
            let tip = repo.resolve(&format!("refs/heads/{branch}"))?;
            Ok(match tip {
                Some(tip) => repo.contains(&tip, commit)?,
                None => false,
            })
        };
        let (remote, branch, number) = match how {
            // Nobody else has it, so the branch is what keeps it until somebody merges it.
            Published::Branch { .. } => return Ok(is_in(base)?.then(|| commit.clone())),
            Published::Merged { into } => return Ok(is_in(Some(into))?.then(|| commit.clone())),
            Published::Pushed { remote, branch } => (remote, branch, None),
            Published::PullRequest { remote, branch, number, .. } => (remote, branch, Some(*number)),
        };
        if force || is_in(base)? {
            return Ok(Some(commit.clone()));
        }
        let unsure = |why: String| {
            Error::new(Code::NeedsPerson, format!("clean `{}`: {why}", story.id.short())).hint(format!(
                "push it again (`git push {remote} {commit}:refs/heads/{branch}`), or clean with `--force`, which keeps it under refs/aura/rescue"
            ))
        };
        let there = repo.remote_branch(remote, branch);
        if let Ok(Some(there)) = &there
            && (there == commit || repo.is_ancestor(commit, there).unwrap_or(false))
        {
            return Ok(Some(commit.clone()));
        }
        if there.is_ok() && self.is_in_remote_base(repo, story, remote, commit)? {
            return Ok(Some(commit.clone()));
        }
        let asked = number.map(|number| self.merged_pull(repo, story, remote, number));
        match (asked, there) {
            (Some(Ok(Some(_))), _) => Ok(Some(commit.clone())),
            (_, Err(error)) => Err(unsure(format!("it cannot be seen whether `{branch}` is safe at `{remote}` ({error})"))),
            (Some(Err(error)), _) => Err(unsure(format!(
                "`{branch}` is not at `{remote}` any more, its base does not hold it, and the forge cannot be asked ({})",
                error.detail
            ))),
            (Some(Ok(None)) | None, Ok(_)) => Err(unsure(format!("`{branch}` is not at `{remote}` any more, and it is not merged"))),
        }
    }

    /// Whether the base at the remote has what a commit brings.
    fn is_in_remote_base(&self, repo: &Repo, story: &Story, remote: &str, commit: &Oid) -> Result<bool> {
        let Some(base) = story.created.base_branch.as_deref() else { return Ok(false) };
        match repo.fetch_branch(remote, base, &Places(story).base_ref()) {
            Ok(Some(tip)) => Ok(repo.contains(&tip, commit)?),
            Ok(None) | Err(_) => Ok(false),
        }
    }

    /// The pull request, if the forge says that it was merged, in whatever way.
    fn merged_pull(&self, repo: &Repo, story: &Story, remote: &str, number: u64) -> Result<Option<Pull>> {
        let settings = self.config(Path::new(&story.created.repository))?.forge;
        let Some(Hosted { address: pushed, api }) = hosting::pushed_to(repo, &settings, remote)? else { return Ok(None) };
        let token = hosting::token(&settings, &pushed.host);
        // The pull request may be in another repository than the one pushed to: its address says which.
        let slug = story.pull_request.as_ref().and_then(|pull| Slug::of_page(&pull.url)).unwrap_or(pushed.slug);
        let pull = GitHub::new(&api, token, settings.timeout())?.pull(&slug, number)?;
        Ok(Some(pull).filter(|pull| pull.state == PullState::Merged))
    }

    /// Whether a commit that came after the story was published is merged or pushed as well.
    fn is_late_safe(&self, repo: &Repo, story: &Story, commit: &Oid) -> Result<bool> {
        let base = story.created.base_branch.as_deref().map(|base| repo.resolve(&format!("refs/heads/{base}"))).transpose()?.flatten();
        if let Some(base) = base
            && repo.contains(&base, commit)?
        {
            return Ok(true);
        }
        let Completion::Done { how, .. } = &story.completion else { return Ok(false) };
        let (remote, branch, number) = match how {
            Published::Branch { .. } | Published::Merged { .. } => return Ok(false),
            Published::Pushed { remote, branch } => (remote, branch, None),
            Published::PullRequest { remote, branch, number, .. } => (remote, branch, Some(*number)),
        };
        if let Ok(Some(there)) = repo.remote_branch(remote, branch)
            && (there == *commit || repo.is_ancestor(commit, &there).unwrap_or(false))
        {
            return Ok(true);
        }
        let merged = number.and_then(|number| self.merged_pull(repo, story, remote, number).ok().flatten());
        Ok(merged.is_some_and(|pull| pull.head_sha == commit.as_str()) || self.is_in_remote_base(repo, story, remote, commit)?)
    }

    /// The story branch goes, unless somebody has it checked out. What it holds beyond the published commit is kept.
    fn drop_story_branch(&self, repo: &Repo, story: &Story, commit: &Oid, cleaned: &mut Cleaned) -> Result<()> {
        let (places, branch) = (Places(story), &story.created.branch);
        let Some(at) = repo.resolve(&places.story_ref())? else { return Ok(()) };
        if repo.checked_out_at(branch)?.is_some() {
            return Ok(());
        }
        if at != *commit {
            let keep = format!("refs/aura/rescue/{}/branches/story", story.id.short());
            repo.keep(&keep, &at)?;
            cleaned.rescued.push(keep);
        }
        repo.delete_ref(&places.story_ref(), &at)?;
        cleaned.branches.push(branch.clone());
        // The landings stay for who wants to know how it came about; the ceremony's own marks have no more use.
        for name in [places.squash_ref(), places.outgoing_ref(), places.base_ref(), places.synced_ref()] {
            if let Some(at) = repo.resolve(&name)? {
                repo.delete_ref(&name, &at)?;
            }
        }
        Ok(())
    }

    /// Commits and changes that came after the story was published are nowhere else.
    fn refuse_unpublished(&self, repo: &Repo, story: &Story) -> Result<()> {
        let Completion::Done { commit, .. } = &story.completion else { return Ok(()) };
        let places = Places(story);
        let mut left = vec![];
        let late = repo.resolve(&places.story_ref())?.filter(|at| at != commit && *at != story.tip.commit);
        if let Some(at) = late
            && !self.is_late_safe(repo, story, &at)?
        {
            left.push(format!("commits on `{}` up to {}", story.created.branch, at.short()));
        }
        let history = repo.resolve(&places.history_ref())?;
        let known = history.as_ref().unwrap_or(&story.tip.commit);
        let is_peoples = |name: &str| !matches!(name, "gate" | "plan");
        for (name, worktree) in worktrees(story).into_iter().filter(|(name, _)| is_peoples(name)) {
            let keep = format!("refs/aura/rescue/{}/{name}/clean", story.id.short());
            let is_story = name == "story";
            // The story branch is judged by itself, above.
            let at = if is_story { repo.resolve(&places.story_ref())? } else { None };
            let known = if is_story { at.as_ref().unwrap_or(commit) } else { known };
            if worktree.join(".git").exists() && repo.rescue(&worktree, &keep, known)?.is_some() {
                left.push(format!("changes in {}", worktree.display()));
            }
        }
        for folder in set_aside(story) {
            if repo.rescue_aside(&folder, &aside_ref(story, &folder), known)?.is_some() {
                left.push(format!("{}, which was set aside", folder.display()));
            }
        }
        if left.is_empty() {
            return Ok(());
        }
        Err(Error::new(Code::NeedsPerson, format!("clean `{}`: neither merged nor pushed: {}", story.id.short(), left.join("; "))).hint(
            "take them over where they belong (for example `git cherry-pick`), or clean with `--force`, which keeps them under refs/aura/rescue",
        ))
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

/// Folders beside the story's worktrees that an agent had cut off from the repository, or repositories that it had made.
#[must_use]
pub fn set_aside(story: &Story) -> Vec<PathBuf> {
    let root = Places(story).root().to_owned();
    let mut found = git::set_aside(&root);
    found.extend(git::set_aside(&root.join(super::TASKS)));
    found
}

fn aside_ref(story: &Story, folder: &Path) -> String {
    let name = folder.file_name().unwrap_or_default().to_string_lossy().into_owned();
    format!("refs/aura/rescue/{}/{name}/clean", story.id.short())
}

//! The merge ceremony: verify exactly the tip, bring the base in, squash, publish. Each step is an event, each step
//! can be repeated, and the tree that is published is the tree that the gate allowed.

use super::gating::Site;
use super::{Engine, Places, blocking};
use crate::domain::{Completion, Event, Oid, OrchestratorStatus, Published, Story, Verdict, Work};
use crate::error::{Code, Error, Result};
use crate::git::{Expect, GitError, Repo};
use std::path::Path;

/// Where the completed story goes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Publish {
    /// Push when there is a remote, else merge when the base branch is checked out nowhere, else leave it on the branch.
    Auto,
    Branch,
    Merge,
    Push {
        remote: String,
    },
}

/// What a person asks for.
#[derive(Clone, Debug)]
pub struct CompleteRequest {
    pub publish: Publish,
    /// Message of the squashed commit; none means one made from the story and its tasks.
    pub message: Option<String>,
    /// Keep the landings as they are instead of squashing them into one commit.
    pub keep_commits: bool,
}

impl Engine {
    /// Completes the story, or goes on where an earlier call stopped.
    ///
    /// # Errors
    /// Refuses unless every task landed and the gate allows exactly the tip; says what is missing.
    pub async fn complete(&self, story: &Story, request: CompleteRequest) -> Result<Story> {
        self.refuse_inside_attempt()?;
        let (engine, story) = (self.clone(), story.clone());
        blocking(move || engine.complete_now(&story, &request)).await
    }

    fn complete_now(&self, story: &Story, request: &CompleteRequest) -> Result<Story> {
        if let Completion::Done { .. } = story.completion {
            return Ok(story.clone());
        }
        require_complete(story)?;
        let _lease = self.lease(story.id, "completing the story")?;
        let repo = Engine::repo(story)?;
        let publish = choose(&repo, story, &request.publish)?;
        self.append(story.id, &[Event::CompletionStarted])?;
        let done = self.ceremony(&repo, story, request, &publish);
        if let Err(error) = &done {
            self.append(story.id, &[Event::CompletionFailed { error: error.chain() }])?;
        }
        done
    }

    fn ceremony(&self, repo: &Repo, story: &Story, request: &CompleteRequest, publish: &Publish) -> Result<Story> {
        let mut story = self.store.story(story.id)?;
        if story.completion == Completion::Started {
            story = self.adopt_tip(repo, &story)?;
            story = self.bring_base(repo, &story)?;
            story = self.verify(repo, &story)?;
            story = self.squash(repo, &story, request)?;
        }
        self.publish(repo, &story, publish)
    }

    /// A person may have committed to the story branch after the last gate: their commit is verified like any other.
    fn adopt_tip(&self, repo: &Repo, story: &Story) -> Result<Story> {
        let now = repo.resolve(&Places(story).story_ref())?;
        let Some(now) = now.filter(|now| *now != story.tip.commit) else { return Ok(story.clone()) };
        if !repo.is_ancestor(&story.tip.commit, &now)? {
            return Err(Error::new(
                Code::Conflict,
                format!("the story branch `{}` was moved and leaves out work that has landed", story.created.branch),
            )
            .hint(format!("move it back: `git branch -f {} {}`", story.created.branch, story.tip.commit)));
        }
        let tree = repo.tree_of(&now)?;
        self.append(story.id, &[Event::TipAdopted { onto: story.tip.commit.clone(), commit: now, tree }])
    }

    /// Merges what the base branch has gained meanwhile. A conflict is handed to a person, with the files named.
    fn bring_base(&self, repo: &Repo, story: &Story) -> Result<Story> {
        let base = base_now(repo, story)?;
        let onto = story.tip.commit.clone();
        if repo.is_ancestor(&base, &onto)? || base == onto {
            return Ok(story.clone());
        }
        let branch = story.created.base_branch.as_deref().unwrap_or("the base");
        let merge = repo.merge(&onto, &base)?;
        if !merge.conflicts.is_empty() {
            let worktree = Places(story).story_worktree();
            return Err(Error::new(
                Code::Conflict,
                format!("`{branch}` has moved and conflicts with the story in {}", merge.conflicts.join(", ")),
            )
            .hint(format!("merge it in {} and commit there, then complete again", worktree.display())));
        }
        let message = format!("Bring in {branch}\n\nAura-Story: {}\n", story.id);
        let commit = repo.commit_tree(&merge.tree, &[&onto, &base], &message, story.updated_at)?;
        repo.update_ref(&Places(story).story_ref(), &commit, Expect::At(&onto), "aura: bring in the base")?;
        self.append(story.id, &[Event::BaseBrought { base, onto, commit, tree: merge.tree }])
    }

    /// The gate on exactly the tip, unless its tree has been gated.
    fn verify(&self, repo: &Repo, story: &Story) -> Result<Story> {
        let config = self.config(Path::new(&story.created.repository))?;
        let wave = story.wave_count().max(1);
        let occasion = format!("complete-{}", story.seq);
        let site = Site { engine: self, repo, config: &config, story };
        let Some(report) = site.gate(&story.tip.commit, &story.tip.tree, &occasion, &|| false)? else { return Ok(story.clone()) };
        let verdict = report.verdict;
        let failing = report.failing().map(|check| check.name.clone()).unwrap_or_default();
        let story = self.append(story.id, &[Event::GateFinished { wave, report: Box::new(report) }])?;
        match verdict {
            Verdict::Passed | Verdict::Ungated => Ok(story),
            Verdict::Failed => Err(Error::new(
                Code::IllegalState,
                format!("complete `{}`: the gate is red at {}: `{failing}` fails", story.id.short(), story.tip.commit.short()),
            )
            .hint("`aura status` shows the output; `aura run` lets an agent repair it")),
        }
    }

    /// One commit on top of the base with exactly the verified tree. The landings stay reachable in the history ref.
    fn squash(&self, repo: &Repo, story: &Story, request: &CompleteRequest) -> Result<Story> {
        let places = Places(story);
        let (base, tip) = (base_now(repo, story)?, story.tip.commit.clone());
        repo.update_ref(&places.history_ref(), &tip, Expect::Any, "aura: the landings before the squash")?;
        let commit = if request.keep_commits {
            tip.clone()
        } else {
            let message = request.message.clone().unwrap_or_else(|| message(story));
            repo.commit_tree(&story.tip.tree, &[&base], &message, story.updated_at)?
        };
        self.append(story.id, &[Event::Squashed { base, tip, commit }])
    }

    fn publish(&self, repo: &Repo, story: &Story, publish: &Publish) -> Result<Story> {
        let Completion::Squashed { base, tip, commit } = &story.completion else {
            return Err(Error::internal("publish a story that is not squashed"));
        };
        let places = Places(story);
        let at = repo.resolve(&places.story_ref())?;
        if at.as_ref() != Some(commit) {
            repo.update_ref(&places.story_ref(), commit, Expect::At(tip), "aura: squash")?;
        }
        let how = match publish {
            Publish::Auto | Publish::Branch => Published::Branch { branch: story.created.branch.clone() },
            Publish::Merge => merge(repo, story, base, commit)?,
            Publish::Push { remote } => {
                let name = places.story_ref();
                repo.push(remote, &format!("{commit}:{name}"), None)?;
                Published::Pushed { remote: remote.clone(), branch: story.created.branch.clone() }
            }
        };
        let worktree = places.story_worktree();
        if worktree.join(".git").exists() {
            // Same tree as the tip, so nothing of what people see changes but the name of the commit.
            let from = repo.resolve(&places.synced_ref())?.unwrap_or_else(|| story.created.base_commit.clone());
            if repo.sync_checkout(&worktree, &from, commit).is_ok() {
                repo.update_ref(&places.synced_ref(), commit, Expect::Any, "aura: worktree brought up to date")?;
            }
        }
        self.append(story.id, &[Event::StoryPublished { commit: commit.clone(), how }])
    }
}

/// The story must be what a person may believe in: every task landed, the gate green on exactly that.
fn require_complete(story: &Story) -> Result<()> {
    let short = story.id.short();
    if story.run.is_some() {
        return Err(Error::new(Code::IllegalState, format!("complete `{short}`: it is running")).hint("wait for the run: `aura watch`"));
    }
    if story.tasks.is_empty() {
        return Err(Error::new(Code::IllegalState, format!("complete `{short}`: it has no plan"))
            .hint(format!("`aura decompose {short}`, then `aura run --all`")));
    }
    let open: Vec<String> =
        story.tasks.iter().filter(|task| !matches!(task.work, Work::Landed { .. })).map(|task| task.id().to_string()).collect();
    if !open.is_empty() {
        return Err(Error::new(Code::IllegalState, format!("complete `{short}`: these tasks have not landed: {}", open.join(", ")))
            .hint("`aura run --all` runs what is left"));
    }
    // An unverified tip is verified by the ceremony itself; a red one is refused here, with the way out.
    if let (OrchestratorStatus::Failed, Some(red)) = (story.orchestrator_status(), &story.gates.red) {
        return Err(Error::new(Code::IllegalState, format!("complete `{short}`: the gate is red at {}", red.commit.short()))
            .hint("`aura status` shows what fails; `aura run --all` lets an agent repair it"));
    }
    Ok(())
}

/// Where the base branch stands now; the story's own base when it started from a detached commit.
fn base_now(repo: &Repo, story: &Story) -> Result<Oid> {
    let Some(branch) = &story.created.base_branch else { return Ok(story.created.base_commit.clone()) };
    Ok(repo.resolve(&format!("refs/heads/{branch}"))?.unwrap_or_else(|| story.created.base_commit.clone()))
}

fn choose(repo: &Repo, story: &Story, asked: &Publish) -> Result<Publish> {
    let branch = story.created.base_branch.as_deref();
    let occupied = match branch {
        Some(branch) => repo.checked_out_at(branch)?,
        None => None,
    };
    match asked {
        Publish::Branch => Ok(Publish::Branch),
        Publish::Push { remote } if repo.remotes()?.contains(remote) => Ok(asked.clone()),
        Publish::Push { remote } => {
            let known = repo.remotes()?.join(", ");
            Err(Error::new(Code::NotFound, format!("push to `{}`: no such remote", remote.escape_debug()))
                .hint(format!("known remotes: {known}")))
        }
        Publish::Merge => match (branch, occupied) {
            (None, _) => Err(Error::invalid("merge: the story started from a detached commit, so there is no branch to merge into")),
            (Some(branch), Some(path)) => Err(Error::new(
                Code::NeedsPerson,
                format!("merge into `{branch}`: it is checked out at {}, which Aura never writes to", path.display()),
            )
            .hint(format!(
                "complete with `--publish branch`, then `git -C {} merge --ff-only {}`",
                path.display(),
                story.created.branch
            ))),
            (Some(_), None) => Ok(Publish::Merge),
        },
        Publish::Auto => {
            let remotes = repo.remotes()?;
            Ok(match (remotes.iter().find(|name| *name == "origin").or(remotes.first()), branch, occupied) {
                (Some(remote), _, _) => Publish::Push { remote: remote.clone() },
                (None, Some(_), None) => Publish::Merge,
                (None, _, _) => Publish::Branch,
            })
        }
    }
}

fn merge(repo: &Repo, story: &Story, base: &Oid, commit: &Oid) -> Result<Published> {
    let Some(into) = story.created.base_branch.clone() else { return Ok(Published::Branch { branch: story.created.branch.clone() }) };
    let name = format!("refs/heads/{into}");
    if repo.resolve(&name)?.as_ref() != Some(commit) {
        repo.update_users_ref(&name, commit, Expect::At(base), "aura: merge a completed story").map_err(|error| match error {
            GitError::RefMoved { .. } => Error::new(Code::Conflict, format!("merge into `{into}`: it has moved since the squash"))
                .hint("complete with `--publish branch`, then merge or rebase the story branch by hand"),
            error => error.into(),
        })?;
    }
    Ok(Published::Merged { into })
}

/// Title, what was asked for, and one line for each task.
fn message(story: &Story) -> String {
    let mut text = format!("{}\n\n", story.created.title);
    for task in &story.tasks {
        text += &format!("- {}\n", task.planned.title);
    }
    text + &format!("\nAura-Story: {}\n", story.id)
}

/// What a caller may want to know about where a completed story can be merged by hand.
#[must_use]
pub fn merge_hint(story: &Story) -> Option<String> {
    let Completion::Done { how: Published::Branch { branch }, .. } = &story.completion else { return None };
    let base = story.created.base_branch.as_deref()?;
    Some(format!("git -C {} merge --ff-only {branch}   # on `{base}`", story.created.repository))
}

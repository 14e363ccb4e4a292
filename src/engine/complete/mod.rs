//! The merge ceremony: bring the base in, verify exactly the result, squash it (the same tree), publish it. Each step is
//! an event, and each call looks at the state and does what comes next: a call after a crash is like any other.
//!
//! The commit that is published is the one whose tree the gate allowed. Should the base move in between, the ceremony
//! goes round again, a few times at most.

mod base;
mod body;
mod publish;
mod pull;
mod secrets;
mod squash;
mod target;

use super::{Engine, Places, blocking, judging, preserve};
use crate::config::Config;
use crate::domain::{Completion, Event, Mode, Oid, OrchestratorStatus, Published, Scope, Story, StoryId, Work};
use crate::engine::run::RunRequest;
use crate::error::{Code, Error, Result};
use crate::git::Repo;
use std::path::Path;
use std::time::Duration;
use target::Target;

/// Times that the ceremony begins again because the base has moved.
const ROUNDS_MAX: u32 = 5;
/// How long a call waits for events of a run before it looks after the run's driver.
const DRIVER_CHECK: Duration = Duration::from_secs(2);
/// Drivers that are replaced in one wait.
const DRIVERS_MAX: u32 = 5;

/// Where the completed story goes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Publish {
    /// Push when there is a remote, else merge when the base branch is checked out nowhere, else leave it on the branch.
    Auto,
    Branch,
    Merge,
    /// None: the usual remote.
    Push {
        remote: Option<String>,
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
    pub pull: PullOptions,
}

/// How the pull request is to be. None leaves it to the settings, or to an existing one as it is.
#[derive(Clone, Debug, Default)]
pub struct PullOptions {
    pub create: Option<bool>,
    pub title: Option<String>,
    pub body: Option<String>,
    pub base: Option<String>,
    /// Repository that it is opened in, as `owner/name`; default: that of the remote `upstream`, else of the one pushed to.
    pub repository: Option<String>,
    pub reviewers: Vec<String>,
    pub labels: Vec<String>,
    pub draft: Option<bool>,
}

impl PullOptions {
    /// What GitHub would refuse after the push is refused before.
    fn refuse_impossible(&self) -> Result<()> {
        let long = |text: &Option<String>| text.as_ref().map_or(0, |text| text.chars().count());
        for (what, length, max) in [("title", long(&self.title), body::TITLE_CHARS_MAX), ("text", long(&self.body), body::BODY_CHARS_MAX)] {
            if length > max {
                return Err(Error::invalid(format!(
                    "complete: the {what} of the pull request has {length} characters; at most {max} are possible"
                )));
            }
        }
        match &self.title {
            Some(title) if title.trim().is_empty() => Err(Error::invalid("complete: the title of the pull request is empty")),
            Some(_) | None => Ok(()),
        }
    }
}

/// How far one pass came.
enum Pass {
    Done(Box<Story>),
    /// The base conflicts in these paths, and a task that resolves it is pending.
    Conflict {
        paths: Vec<String>,
    },
}

impl Engine {
    /// Completes the story, or goes on where an earlier call stopped.
    ///
    /// # Errors
    /// Refuses unless every task landed and the gate allows exactly the tip; says what is missing. What a remote or a forge
    /// refuses leaves the story as it was, and calling again works.
    pub async fn complete(&self, story: &Story, request: CompleteRequest) -> Result<Story> {
        self.refuse_inside_attempt()?;
        request.pull.refuse_impossible()?;
        if let Completion::Done { .. } = story.completion {
            return Ok(story.clone());
        }
        let id = story.id;
        if story.run.is_some() && story.open_bringing().is_some() {
            // An earlier call was killed while an agent resolved a conflict for it.
            self.run_to_end(id).await?;
        }
        for _ in 0..ROUNDS_MAX {
            let (engine, asked) = (self.clone(), request.clone());
            match blocking(move || engine.pass(id, &asked)).await? {
                Pass::Done(story) => return Ok(*story),
                Pass::Conflict { paths } => self.resolve(id, &paths).await?,
            }
        }
        Err(Error::new(Code::Conflict, "complete: the base branch keeps moving and conflicting").hint("complete again when it is quiet"))
    }

    /// An agent resolves the conflict with the base, like any other, in a run.
    async fn resolve(&self, id: StoryId, paths: &[String]) -> Result<()> {
        let ran = self.run_to_end(id).await;
        let story = self.store.story(id)?;
        let why = match ran {
            Ok(()) if story.open_bringing().is_none() => return Ok(()),
            Ok(()) => story.open_bringing().and_then(crate::domain::Task::error).unwrap_or_else(|| "no agent has resolved it".into()),
            Err(error) => error.chain(),
        };
        let branch = story.created.base_branch.as_deref().unwrap_or("the base");
        let worktree = Places(&story).story_worktree();
        let error = Error::new(Code::Conflict, format!("`{branch}` has moved and conflicts with the story in {}: {why}", paths.join(", ")))
            .hint(format!("merge it in {} and commit there, then complete again", worktree.display()));
        self.append(id, &[Event::CompletionFailed { error: error.chain() }])?;
        Err(error)
    }

    /// Runs all that is open, or joins the run that does, and waits for its end.
    async fn run_to_end(&self, id: StoryId) -> Result<()> {
        let story = self.store.story(id)?;
        let request = RunRequest { scope: Scope::All, mode: Mode::Flow, max_parallelism: None };
        let handle = self.request_run(&story, request)?;
        let mut tail = self.store.tail(Some(id), handle.since.saturating_sub(1));
        let mut replaced = 0;
        loop {
            match tokio::time::timeout(DRIVER_CHECK, tail.next()).await {
                Ok(events) => {
                    if events?.iter().any(|recorded| matches!(&recorded.event, Event::RunEnded { run, .. } if *run == handle.id)) {
                        return Ok(());
                    }
                }
                Err(_) if self.is_driven(id)? || self.store.story(id)?.run.is_none() => {}
                Err(_) if replaced < DRIVERS_MAX => {
                    replaced += 1;
                    self.ensure_driver(id)?;
                }
                Err(_) => return Err(Error::new(Code::Unavailable, "the process that drives the run dies again and again")),
            }
        }
    }

    fn pass(&self, id: StoryId, request: &CompleteRequest) -> Result<Pass> {
        let story = self.store.story(id)?;
        if let Completion::Done { .. } = story.completion {
            return Ok(Pass::Done(Box::new(story)));
        }
        require_complete(&story)?;
        let _lease = self.lease(id, "completing the story")?;
        let repo = self.repo(&story)?;
        let config = self.config(Path::new(&story.created.repository))?;
        let target = Target::choose(&repo, &story, &config, request)?;
        self.append(id, &[Event::CompletionStarted])?;
        let ceremony = Ceremony { engine: self, repo: &repo, config: &config, request, target: &target, id };
        let done = ceremony.go();
        if let Err(error) = &done {
            self.append(id, &[Event::CompletionFailed { error: error.chain() }])?;
        }
        done
    }
}

/// Everything that a step needs besides the story.
struct Ceremony<'a> {
    engine: &'a Engine,
    repo: &'a Repo,
    config: &'a Config,
    request: &'a CompleteRequest,
    target: &'a Target,
    id: StoryId,
}

impl Ceremony<'_> {
    /// One step after the other, each by what the story says: there is no other state.
    fn go(&self) -> Result<Pass> {
        let mut rounds = 0;
        loop {
            let story = self.story()?;
            match &story.completion {
                Completion::Done { .. } => return Ok(Pass::Done(Box::new(story))),
                Completion::Open => return Err(Error::internal("complete a story whose completion was not begun")),
                Completion::Started if rounds >= ROUNDS_MAX => {
                    return Err(Error::new(Code::Conflict, format!("complete: the base has moved {ROUNDS_MAX} times meanwhile"))
                        .hint("complete again when it is quiet"));
                }
                Completion::Started => {
                    rounds += 1;
                    if let Some(paths) = self.prepare(&story)? {
                        return Ok(Pass::Conflict { paths });
                    }
                }
                Completion::Squashed { base, commit, .. } => self.publish_squashed(&story, base, commit)?,
                Completion::Pushed { commit, remote, branch, .. } => self.publish_pushed(&story, commit, remote, branch)?,
            }
        }
    }

    /// From a story that is begun to one commit; the paths in conflict where the base does not merge.
    fn prepare(&self, story: &Story) -> Result<Option<Vec<String>>> {
        let story = self.adopt_tip(story)?;
        preserve::refuse_missing(self.repo, &story, &format!("complete `{}`", story.id.short()))?;
        let base = self.base_now(&story)?;
        let (story, conflict) = self.bring(&story, &base)?;
        if conflict.is_some() {
            return Ok(conflict);
        }
        self.refuse_secrets(&story, &base)?;
        let story = self.verify(&story)?;
        self.squash(&story, &base)?;
        Ok(None)
    }

    fn story(&self) -> Result<Story> {
        Ok(self.engine.store.story(self.id)?)
    }
    fn append(&self, event: Event) -> Result<Story> {
        self.engine.append(self.id, &[event])
    }
    /// A squash that is nowhere outside is given up, and the ceremony goes round again. It is not used again either: what
    /// refused it may have been a hook or a signature.
    fn drop_squash(&self, commit: &Oid, why: &str) -> Result<()> {
        let name = Places(&self.story()?).squash_ref();
        if let Some(record) = self.repo.resolve(&name)? {
            self.repo.delete_ref(&name, &record)?;
        }
        self.append(Event::SquashDropped { commit: commit.clone(), why: why.to_owned() })?;
        Ok(())
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
    // What is to bring the base in is the ceremony's own.
    let open = story.tasks.iter().filter(|task| !matches!(task.work, Work::Landed { .. }) && (task.brings.is_none() || task.has_landed()));
    let open: Vec<String> = open.map(|task| task.id().to_string()).collect();
    if !open.is_empty() {
        return Err(Error::new(Code::IllegalState, format!("complete `{short}`: these tasks have not landed: {}", open.join(", ")))
            .hint("`aura run --all` runs what is left"));
    }
    // An unverified tip is verified by the ceremony itself; a red one is refused here, with the way out.
    if let Some(error) = judging::held(story).filter(|_| story.is_judged()) {
        return Err(error);
    }
    if let (OrchestratorStatus::Failed, Some(red)) = (story.orchestrator_status(), &story.gates.red) {
        return Err(Error::new(Code::IllegalState, format!("complete `{short}`: the gate is red at {}", red.commit.short()))
            .hint("`aura status` shows what fails; `aura run --all` lets an agent repair it"));
    }
    Ok(())
}

/// What a caller may want to know about where a completed story can be merged by hand.
#[must_use]
pub fn merge_hint(story: &Story) -> Option<String> {
    let Completion::Done { how: Published::Branch { branch }, .. } = &story.completion else { return None };
    let base = story.created.base_branch.as_deref()?;
    Some(format!("git -C {} merge --ff-only {branch}   # on `{base}`", story.created.repository))
}

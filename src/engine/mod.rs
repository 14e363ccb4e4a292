//! The only room that makes things happen: it asks `domain::next` what to do, has the other rooms do it, and writes
//! down what came of it.
//!
//! Doors call the few methods of [`Engine`]. A run is driven by a process of its own ([`drive`]), which holds the
//! story's lease; everything else appends requests to the log and follows it.

mod ahead;
mod analyze;
mod around;
mod ask;
mod attempt;
mod clean;
mod complete;
mod create;
mod culprit;
mod decompose;
mod doctor;
mod drive;
mod gating;
mod guarding;
mod hosting;
mod issue;
mod judging;
mod landing;
mod preserve;
mod prompt;
mod run;
mod settle;
mod setup;
mod start_point;
mod story_branch;

pub use clean::{Cleaned, set_aside};
pub use complete::{CompleteRequest, Publish, PullOptions, merge_hint};
pub use create::CreateRequest;
pub use decompose::DecomposeRequest;
pub use doctor::{Finding, Health, examine};
pub use drive::drive;
pub use issue::IssueText;
pub use run::{RunHandle, RunRequest};

use crate::agent::{self, Agent, AgentEnv, Excerpt};
use crate::config::{Config, Environment};
use crate::domain::{Event, Oid, Story, StoryId, Task, TaskId};
use crate::error::{Code, Error, Result};
pub use crate::git::Rescue;
use crate::git::{GitError, Repo};
pub use crate::proc::Interrupts;
use crate::proc::ProcError;
use crate::store::{Lease, Store, StoreError};
use jiff::Timestamp;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

/// Listens for Ctrl-C from now on.
///
/// # Errors
/// The system has no room for a handler.
pub fn interrupts() -> Result<Interrupts> {
    Interrupts::listen().map_err(|e| Error::internal("listen for Ctrl-C").because(e))
}

/// An agent runs inside an attempt: it must not start others, here or by a server.
pub fn refuse_inside_attempt(environment: &Environment) -> Result<()> {
    match &environment.inside_attempt {
        None => Ok(()),
        Some(task) => Err(Error::new(Code::NeedsPerson, format!("orchestrate from inside the agent of `{}`", task.escape_debug()))
            .hint("an agent works on its own task only; Aura starts the others")),
    }
}

/// A handle on everything a verb needs. Cheap to clone.
#[derive(Clone)]
pub struct Engine {
    pub store: Store,
    environment: Arc<Environment>,
}

impl Engine {
    /// Opens the user's database.
    pub fn open(environment: Environment) -> Result<Engine> {
        let store = Store::open(&environment.home)?;
        Ok(Engine { store, environment: Arc::new(environment) })
    }

    #[must_use]
    pub fn environment(&self) -> &Environment {
        &self.environment
    }

    /// The story that an id, a short id or a prefix means.
    pub fn story(&self, id: &str) -> Result<Story> {
        Ok(self.store.story(self.store.find(id)?)?)
    }

    /// Settings for a repository.
    pub fn config(&self, repository: &Path) -> Result<Config> {
        Config::load(&self.environment.home, Some(repository))
    }

    /// Whether a process drives the story now.
    pub fn is_driven(&self, id: StoryId) -> Result<bool> {
        Ok(Lease::holder(&self.store.story_folder(id))?.is_some())
    }

    /// Takes the story for the length of a verb, so that no two verbs work on it at once. Blocking, for a moment: the
    /// driver of a run that has ended lets go of the story only after it has said so.
    fn lease(&self, id: StoryId, doing: &str) -> Result<Lease> {
        let (folder, text) = (self.store.story_folder(id), format!("pid {} {doing}", std::process::id()));
        let mut tries = 0;
        loop {
            let holder = match Lease::take(&folder, &text)? {
                Ok(lease) => return Ok(lease),
                Err(holder) => holder,
            };
            let is_leaving = holder.text.ends_with(drive::HOLDS) && self.store.story(id)?.run.is_none();
            if !is_leaving || tries >= LEASE_TRIES {
                return Err(Error::new(Code::Busy, format!("{doing}: the story is held by {}", holder.text))
                    .hint("wait for it, follow it with `aura watch`, or stop it with `aura cancel`"));
            }
            tries += 1;
            std::thread::sleep(LEASE_PAUSE);
        }
    }

    /// An agent runs inside an attempt: it must not start others.
    pub fn refuse_inside_attempt(&self) -> Result<()> {
        refuse_inside_attempt(&self.environment)
    }

    fn append(&self, id: StoryId, events: &[Event]) -> Result<Story> {
        Ok(self.store.append(id, events, Timestamp::now())?)
    }

    /// The story's repository. Of the programs in its configuration, Aura's own git runs those that were there when the
    /// story was made: agents can write to that file.
    fn repo(&self, story: &Story) -> Result<Repo> {
        let repo = Repo::discover(Path::new(&story.created.repository))?;
        let text = std::fs::read(self.store.story_folder(story.id).join(PROGRAMS)).unwrap_or_default();
        Ok(match serde_json::from_slice(&text) {
            Ok(programs) => repo.trusting(programs),
            Err(_) => repo,
        })
    }

    /// Writes down what the repository's configuration lets git run, before an agent can write there.
    fn remember_programs(&self, id: StoryId, repo: &Repo) -> Result<()> {
        let (folder, programs) = (self.store.story_folder(id), repo.programs()?);
        let written = serde_json::to_vec(&programs).map_err(std::io::Error::from);
        let written = written.and_then(|text| std::fs::create_dir_all(&folder).and_then(|()| std::fs::write(folder.join(PROGRAMS), text)));
        written.map_err(|e| Error::new(Code::Unavailable, format!("write to {}", folder.display())).because(e))
    }

    fn agent_named(&self, config: &Config, name: &str) -> Result<Box<dyn Agent>> {
        let Some(agent) = config.agents.get(name) else {
            let known: Vec<&str> = config.agents.keys().map(String::as_str).collect();
            return Err(Error::invalid(format!("use agent `{}`: no agent of that name is configured", name.escape_debug()))
                .hint(format!("known agents: {}; add one under [agents.NAME] in aura.toml", known.join(", "))));
        };
        let env = AgentEnv {
            path: self.environment.path.clone(),
            copilot_bin: self.environment.copilot_bin.clone(),
            aura: self.environment.exe.clone(),
        };
        agent::build(name, agent, &env).map_err(|e| {
            Error::new(Code::Unavailable, format!("use agent `{name}`"))
                .because(e)
                .hint("`aura doctor` says what is missing and how to get it")
        })
    }

    fn agent_for(&self, config: &Config, story: &Story, task: Option<&Task>) -> Result<Box<dyn Agent>> {
        let name = task.and_then(|task| task.planned.agent.as_deref()).or(story.created.agent.as_deref()).unwrap_or(&config.agent);
        self.agent_named(config, name)
    }
}

/// The folder of a story that holds its tasks' worktrees.
pub const TASKS: &str = "tasks";
/// How often, and how far apart, a story is asked for whose run has ended.
const LEASE_TRIES: u32 = 200;
const LEASE_PAUSE: Duration = Duration::from_millis(20);
/// In a story's own folder: what its repository's configuration let git run at first.
const PROGRAMS: &str = "programs.json";

/// Where a story keeps its branches and worktrees. Names are made of ids and a slug, never of free text.
struct Places<'a>(&'a Story);

impl Places<'_> {
    fn story_ref(&self) -> String {
        format!("refs/heads/{}", self.0.created.branch)
    }
    fn task_branch(&self, task: &Task) -> String {
        format!("{}.{}", self.0.created.branch, task.id())
    }
    fn root(&self) -> &Path {
        Path::new(&self.0.created.root)
    }
    fn story_worktree(&self) -> PathBuf {
        self.root().join("story")
    }
    fn task_worktree(&self, task: &Task) -> PathBuf {
        self.root().join(TASKS).join(task.id().as_str())
    }
    fn gate_worktree(&self) -> PathBuf {
        self.root().join("gate")
    }
    /// Where the story worktree was last brought to.
    fn synced_ref(&self) -> String {
        format!("refs/aura/stories/{}/synced", self.0.id.short())
    }
    /// The landings as they were before the squash.
    fn history_ref(&self) -> String {
        format!("refs/aura/stories/{}/history", self.0.id.short())
    }
    /// The base as its remote had it when it was fetched last.
    fn base_ref(&self) -> String {
        format!("refs/aura/stories/{}/base", self.0.id.short())
    }
    /// What is to be published.
    fn outgoing_ref(&self) -> String {
        format!("refs/aura/stories/{}/outgoing", self.0.id.short())
    }
    /// The squashed commit that the user's own git made, beside what it was made of: made again, it would be another one.
    fn squash_ref(&self) -> String {
        format!("refs/aura/stories/{}/squash", self.0.id.short())
    }
    /// What pins things of a story's attempts while they are open.
    fn work_refs(&self) -> String {
        format!("refs/aura/stories/{}/work/", self.0.id.short())
    }
    /// What the worktree held when an attempt started.
    fn start_ref(&self, task: &Task, attempt: u32) -> String {
        format!("{}{}/start-{attempt}", self.work_refs(), task.id())
    }
    /// What the worktree held when an attempt ended.
    fn end_ref(&self, task: &Task, attempt: u32) -> String {
        format!("{}{}/end-{attempt}", self.work_refs(), task.id())
    }
    /// The stash as it was when an attempt started.
    fn stash_ref(&self, task: &Task, attempt: u32) -> String {
        format!("{}{}/stash-{attempt}", self.work_refs(), task.id())
    }
    /// The same, where it could not be put back: it stays when the story's work is over.
    fn kept_stash_ref(&self, task: &Task, attempt: u32) -> String {
        format!("refs/aura/stories/{}/stash/{}/stash-{attempt}", self.0.id.short(), task.id())
    }
    /// Accepted work that has not landed yet.
    fn accepted_ref(&self, task: &TaskId) -> String {
        format!("{}{task}/accepted", self.work_refs())
    }
    fn rescue_ref(&self, task: &Task, attempt: u32) -> String {
        format!("refs/aura/rescue/{}/{}/{attempt}", self.0.id.short(), task.id())
    }
}

/// Folder of the story's own worktree, for people.
#[must_use]
pub fn story_worktree(story: &Story) -> PathBuf {
    Places(story).story_worktree()
}

/// What changed between two commits of a story's repository, as a patch of at most `bytes_max`.
pub fn diff_text(story: &Story, from: &Oid, to: &Oid, bytes_max: usize) -> Result<String> {
    Ok(Repo::discover(Path::new(&story.created.repository))?.diff_text(from, to, bytes_max)?)
}

/// Shortest secret that is taken: shorter ones can be guessed.
const SECRET_CHARS_MIN: usize = 32;

/// A secret of this user, made when it is first asked for: 244 random bits.
pub fn secret(path: &Path) -> Result<String> {
    let found = crate::store::secret(path, ticket).map_err(|e| {
        Error::new(Code::Unavailable, format!("read the token in {}", path.display())).because(e).hint("remove it, and a new one is made")
    })?;
    if found.len() < SECRET_CHARS_MIN {
        let short = format!("the token in {} has less than {SECRET_CHARS_MIN} characters", path.display());
        return Err(Error::new(Code::Unavailable, short).hint("remove it, and a new one is made"));
    }
    Ok(found)
}

/// 244 random bits as text.
#[must_use]
pub fn ticket() -> String {
    [uuid::Uuid::new_v4(), uuid::Uuid::new_v4()].map(|part| part.simple().to_string()).concat()
}

/// Runs blocking work (git, processes) away from the threads that wait.
async fn blocking<T: Send + 'static>(work: impl FnOnce() -> Result<T> + Send + 'static) -> Result<T> {
    tokio::task::spawn_blocking(work).await.map_err(|e| Error::internal("a worker thread panicked").because(e))?
}

impl From<StoreError> for Error {
    fn from(error: StoreError) -> Self {
        let code = match &error {
            StoreError::NoStory(_) => Code::NotFound,
            StoreError::Ambiguous { .. } => Code::Ambiguous,
            StoreError::Illegal(_) => Code::IllegalState,
            StoreError::Newer { .. } | StoreError::Open { .. } | StoreError::Lock { .. } | StoreError::Sql { .. } => Code::Unavailable,
            StoreError::Body(_) => Code::Internal,
        };
        let detail = error.to_string();
        let hint = match &error {
            StoreError::NoStory(_) => Some("`aura list` shows the stories; an id may be shortened to six or more characters"),
            StoreError::Ambiguous { .. } => Some("give more characters of the id"),
            StoreError::Newer { .. } => Some("install the newer Aura again, or set AURA_HOME to another folder"),
            StoreError::Illegal(_) | StoreError::Open { .. } | StoreError::Lock { .. } | StoreError::Sql { .. } | StoreError::Body(_) => {
                None
            }
        };
        let mut result = Error::new(code, detail);
        result.hint = hint.map(str::to_owned);
        match std::error::Error::source(&error).map(ToString::to_string) {
            Some(cause) => result.because(cause),
            None => result,
        }
    }
}

impl From<ProcError> for Error {
    fn from(error: ProcError) -> Self {
        let source = std::error::Error::source(&error).map(ToString::to_string);
        let result = Error::new(Code::Unavailable, error.to_string());
        match source {
            Some(cause) => result.because(cause),
            None => result,
        }
    }
}

impl From<GitError> for Error {
    fn from(error: GitError) -> Self {
        let (code, hint) = match &error {
            GitError::NotARepository { .. } => {
                (Code::NotARepository, Some("give the path of a git repository, or make one with `git init`"))
            }
            GitError::Bare { .. } => (Code::NotARepository, Some("give a repository with a work tree")),
            GitError::Empty { .. } => (Code::NotARepository, Some("make a first commit: `git commit --allow-empty -m start`")),
            GitError::RefMoved { .. } | GitError::RefTaken { .. } | GitError::LocalChanges { .. } => (Code::Conflict, None),
            GitError::GitMissing { .. } => (Code::Unavailable, Some("install git and make sure it is on PATH")),
            _ => (Code::Unavailable, None),
        };
        let source = std::error::Error::source(&error).map(ToString::to_string);
        let mut result = Error::new(code, error.to_string());
        result.hint = hint.map(str::to_owned);
        match source {
            Some(cause) => result.because(cause),
            None => result,
        }
    }
}

/// Root of the repository that a path lies in.
#[must_use]
pub fn repository_at(path: &Path) -> Option<String> {
    Repo::discover(path).ok().map(|repo| repo.root().to_string_lossy().into_owned())
}

/// Root of the repository that a path lies in, or the path itself: for comparing with a story's repository.
#[must_use]
pub fn repository_root(path: &Path) -> String {
    repository_at(path).unwrap_or_else(|| path.to_string_lossy().into_owned())
}

impl Engine {
    /// Some of what one attempt said: the end of it, or what begins at a cursor.
    pub fn transcript(&self, task: &Task, attempt: Option<u32>, cursor: Option<&str>, bytes_max: usize) -> Result<Transcript> {
        let found = match attempt {
            None => task.attempts.last(),
            Some(number) => Some(task.attempts.iter().find(|attempt| attempt.number == number).ok_or_else(|| {
                Error::new(Code::NotFound, format!("no attempt {number} of `{}`", task.id()))
                    .hint(format!("it has {} attempts", task.attempts.len()))
            })?),
        };
        let nothing = Excerpt { text: String::new(), next: 0 };
        let from = cursor.map(|cursor| cursor.parse::<u64>().map_err(|_| no_line_at(task, cursor))).transpose()?;
        let file = found.map(|attempt| crate::proc::Job::at(Path::new(&attempt.job)).out_log());
        let read = file.as_ref().map(std::fs::File::open).transpose().and_then(|opened| {
            let is_whole = found.is_some_and(|attempt| attempt.ended.is_some());
            match (opened, from) {
                (Some(mut file), None) => agent::end_of_transcript(&mut file, bytes_max, is_whole).map(Some),
                (Some(mut file), Some(from)) => agent::transcript_from(&mut file, from, bytes_max, is_whole),
                (None, _) => Err(std::io::ErrorKind::NotFound.into()),
            }
        });
        let said = match read {
            Ok(said) => said,
            Err(e) if e.kind() == std::io::ErrorKind::NotFound => (from.unwrap_or(0) == 0).then_some(nothing),
            Err(e) => return Err(Error::internal(format!("read the transcript of `{}`", task.id())).because(e)),
        };
        Ok(Transcript { said: said.ok_or_else(|| no_line_at(task, cursor.unwrap_or_default()))?, file })
    }
}

fn no_line_at(task: &Task, cursor: &str) -> Error {
    let shown: String = cursor.chars().take(60).collect();
    Error::new(Code::NotFound, format!("show the output of `{}`: `cursor` is `{}`, where no line begins", task.id(), shown.escape_debug()))
        .hint("give the `nextCursor` of an earlier answer about the same attempt, or `0` for the beginning")
}

/// Some of what an attempt said, and the file that holds all of it raw.
pub struct Transcript {
    pub said: Excerpt,
    pub file: Option<PathBuf>,
}

/// What was kept in a repository, oldest first.
pub fn rescues(repository: &Path) -> Result<Vec<crate::git::Rescue>> {
    Ok(Repo::discover(repository)?.rescues()?)
}

/// Writes what was kept into a new folder.
pub fn restore(repository: &Path, commit: &Oid, folder: &Path) -> Result<()> {
    Ok(Repo::discover(repository)?.restore(commit, folder)?)
}

/// A new repository with one commit on `main`, and a branch `notes` checked out: for the demo.
pub fn make_repository(folder: &Path, files: &[(&str, &str)]) -> Result<()> {
    for (name, content) in files {
        let path = folder.join(name);
        let written = std::fs::create_dir_all(path.parent().unwrap_or(folder)).and_then(|()| std::fs::write(&path, content));
        written.map_err(|e| Error::invalid(format!("write {}", path.display())).because(e))?;
    }
    Ok(crate::git::init(folder)?)
}

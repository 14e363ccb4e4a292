//! The drive loop: one process, one story, one question asked over and over.
//!
//! The loop owns nothing but a copy of the story that it folds forward from the log, and the set of what is in
//! flight. Workers append their facts themselves; that wakes the loop. So there is no recovery path: a driver that
//! starts after a crash finds a story and an empty set, and asks the same question.

use super::{Engine, ahead, attempt, blocking, culprit, gating, landing};
use crate::config::Config;
use crate::domain::{Cancel, Effect, Event, InFlight, Limits, Recorded, Run, StopReason, Story, StoryId, TaskId, Work, next};
use crate::error::{Code, Error, Result};
use crate::git::Repo;
use crate::proc::{Job, Stop};
use crate::store::{Lease, Tail};
use jiff::Timestamp;
use std::num::NonZero;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::{Mutex, Semaphore, mpsc};

/// Attempts that are settled at once, and the most that are started at once.
const TURNS: usize = 8;
/// How long a driver asks for the lease before it believes that another one drives.
const LEASE_TRIES: u32 = 10;
const LEASE_PAUSE: Duration = Duration::from_millis(20);

/// What workers share.
pub(super) struct Context {
    pub engine: Engine,
    pub id: StoryId,
    pub repo: Repo,
    pub config: Config,
    /// Held by whoever brings the story's worktree up to date.
    pub syncing: Mutex<()>,
    /// A turn to start an attempt. More at once than there are processors would only make the first one, which matters
    /// most, wait for the last.
    pub starting: Semaphore,
    /// A turn to settle an attempt: many at once would only wait for the same disk, each with a story in memory.
    pub settling: Semaphore,
    /// Held by whoever measures what lies around the worktrees, or puts it back.
    pub measuring: std::sync::Mutex<()>,
    tell: mpsc::UnboundedSender<Told>,
}

impl Context {
    pub(super) fn append(&self, events: &[Event]) -> Result<Story> {
        self.engine.append(self.id, events)
    }
    pub(super) fn story(&self) -> Result<Story> {
        Ok(self.engine.store.story(self.id)?)
    }
    /// Removes a pin that has no more use. One that stays is removed with the story's worktrees.
    pub(super) fn unpin(&self, pin: &str) {
        if let Err(error) = self.repo.unpin(pin) {
            tracing::info!(%pin, %error, "a pin stays");
        }
    }
    /// Tells the loop how far an attempt is. Only for the plan of what to do next: whatever counts is in the log.
    pub(super) fn tell(&self, told: Told) {
        // The receiver lives as long as the loop; without it nobody is left to tell.
        let _ = self.tell.send(told);
    }
}

/// Runs blocking work in its turn.
pub(super) async fn in_turn<T: Send + 'static>(turns: &Semaphore, work: impl FnOnce() -> Result<T> + Send + 'static) -> Result<T> {
    let _turn = turns.acquire().await.map_err(|e| Error::internal("wait for a turn").because(e))?;
    blocking(work).await
}

/// How far an attempt is.
#[derive(Debug)]
pub(super) enum Told {
    Launched(TaskId),
    AgentEnded(TaskId),
}

/// What a worker was doing.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Key {
    Attempt(TaskId),
    Prepare(TaskId),
    Landing,
    Gate,
    Culprit,
    Verification,
}

/// What the lease of a driver says.
pub(super) const HOLDS: &str = "running the story";

struct Finished {
    key: Key,
    result: Result<()>,
}

/// Drives the story until its run has ended. Returns at once when another process drives it.
///
/// # Errors
/// When the log cannot be read or written, or a worker fails in a way that has no place in the log.
pub async fn drive(engine: Engine, id: StoryId) -> Result<()> {
    let folder = engine.store.story_folder(id);
    loop {
        let Some(lease) = take(&folder).await? else { return Ok(()) };
        drive_run(engine.clone(), id).await?;
        drop(lease);
        // A run that was asked for while this one ended saw the lease taken and relies on us.
        if engine.store.story(id)?.run.is_none() {
            return Ok(());
        }
    }
}

/// The lease, unless somebody has it. Whoever only looks at it, or is just dying, has it for a moment.
async fn take(folder: &Path) -> Result<Option<Lease>> {
    for _ in 0..LEASE_TRIES {
        if let Ok(lease) = Lease::take(folder, &format!("pid {} {HOLDS}", std::process::id()))? {
            return Ok(Some(lease));
        }
        tokio::time::sleep(LEASE_PAUSE).await;
    }
    Ok(None)
}

async fn drive_run(engine: Engine, id: StoryId) -> Result<()> {
    let story = engine.store.story(id)?;
    let config = engine.config(Path::new(&story.created.repository))?;
    let repo = engine.repo(&story)?;
    let tail = engine.store.tail(Some(id), story.seq);
    let limits = config.bounds.limits;
    let (tell, told) = mpsc::unbounded_channel();
    let processors = std::thread::available_parallelism().map_or(TURNS, NonZero::get);
    let (starting, settling) = (Semaphore::new(processors.clamp(2, TURNS)), Semaphore::new(TURNS));
    let (syncing, measuring) = (Mutex::default(), std::sync::Mutex::default());
    let context = Arc::new(Context { engine, id, repo, config, syncing, starting, settling, measuring, tell });
    let (sender, receiver) = mpsc::channel(256);
    let mut driver = Driver { context, limits, in_flight: InFlight::default(), tail, sender, wait_until: None };
    driver.run(story, receiver, told).await
}

struct Driver {
    context: Arc<Context>,
    limits: Limits,
    in_flight: InFlight,
    tail: Tail,
    sender: mpsc::Sender<Finished>,
    wait_until: Option<Timestamp>,
}

impl Driver {
    async fn run(
        &mut self,
        mut story: Story,
        mut receiver: mpsc::Receiver<Finished>,
        mut told: mpsc::UnboundedReceiver<Told>,
    ) -> Result<()> {
        if let (Some(run), Err(error)) = (&story.run, landing::adopt_tip(&self.context).await) {
            self.stop(run, &error)?;
        }
        loop {
            story = self.catch_up(story)?;
            if story.run.is_none() {
                return Ok(());
            }
            let facts = self.act(&story);
            if !facts.is_empty() {
                if facts.iter().any(|fact| matches!(fact, Event::RunEnded { .. })) {
                    landing::sync_story_worktree(&self.context).await;
                    gating::end_leftovers(&self.context).await;
                }
                self.context.append(&facts)?;
                continue;
            }
            let pause = self.pause();
            tokio::select! {
                Some(finished) = receiver.recv() => story = self.finished(story, finished)?,
                Some(told) = told.recv() => self.told(told),
                events = self.tail.next() => story = fold(story, events?)?,
                () = tokio::time::sleep(pause) => {}
            }
        }
    }

    /// Decides, starts what takes time, and returns the facts that need no work to become true.
    fn act(&mut self, story: &Story) -> Vec<Event> {
        self.wait_until = None;
        let mut facts = vec![];
        for effect in next(story, &self.limits, Timestamp::now(), &self.in_flight) {
            match effect {
                Effect::Record(event) => facts.push(event),
                Effect::End { outcome } => facts.extend(story.run.as_ref().map(|run| Event::RunEnded { run: run.id, outcome })),
                Effect::Wait { until } => self.wait_until = Some(until),
                Effect::StopAttempt { task, how } => stop_attempt(story, &task, how),
                Effect::Attempt { task } => {
                    self.in_flight.attempts.insert(task.clone());
                    self.in_flight.launching.insert(task.clone());
                    self.spawn(Key::Attempt(task.clone()), attempt::attempt(self.context.clone(), task));
                }
                Effect::Prepare { task } => {
                    self.in_flight.preparing.insert(task.clone());
                    self.spawn(Key::Prepare(task.clone()), ahead::prepare(self.context.clone(), task));
                }
                Effect::Land { permit } => {
                    self.in_flight.landing = true;
                    self.spawn(Key::Landing, landing::land(self.context.clone(), permit));
                }
                Effect::Gate { commit, tree, wave } => {
                    self.in_flight.gate = true;
                    self.spawn(Key::Gate, gating::gate_wave(self.context.clone(), commit, tree, wave));
                }
                Effect::Verify { tip } => {
                    self.in_flight.verifying = true;
                    self.spawn(Key::Verification, landing::verify(self.context.clone(), tip));
                }
                Effect::FindCulprit { good, bad } => {
                    self.in_flight.culprit = true;
                    self.spawn(Key::Culprit, culprit::find(self.context.clone(), good, bad));
                }
            }
        }
        facts
    }

    fn spawn(&self, key: Key, work: impl Future<Output = Result<()>> + Send + 'static) {
        let sender = self.sender.clone();
        tokio::spawn(async move {
            let result = match tokio::spawn(work).await {
                Ok(result) => result,
                Err(panic) => Err(Error::internal("a worker panicked").because(panic)),
            };
            // The receiver lives as long as the loop; without it nobody is left to tell.
            let _ = sender.send(Finished { key, result }).await;
        });
    }

    fn told(&mut self, told: Told) {
        match told {
            Told::Launched(task) => self.in_flight.launching.remove(&task),
            // It may be heard after the attempt was finished with.
            Told::AgentEnded(task) => self.in_flight.attempts.contains(&task) && self.in_flight.settling.insert(task),
        };
    }

    /// A worker is done: its facts are in the log already, so they are folded in before it leaves the set.
    fn finished(&mut self, story: Story, finished: Finished) -> Result<Story> {
        let story = self.catch_up(story)?;
        match &finished.key {
            Key::Attempt(task) => {
                self.in_flight.attempts.remove(task);
                self.in_flight.launching.remove(task);
                self.in_flight.settling.remove(task);
            }
            Key::Prepare(task) => {
                // Also when it did not work: then the attempt makes the worktree, and says what is wrong.
                self.in_flight.preparing.remove(task);
                self.in_flight.prepared.insert(task.clone());
            }
            Key::Landing => {
                self.in_flight.landing = false;
                landing::sync_soon(&self.context);
            }
            Key::Gate => self.in_flight.gate = false,
            Key::Culprit => self.in_flight.culprit = false,
            Key::Verification => self.in_flight.verifying = false,
        }
        let Err(error) = finished.result else { return Ok(story) };
        tracing::error!(key = ?finished.key, error = %error.chain(), "a worker failed");
        let Some(run) = &story.run else { return Ok(story) };
        if matches!(&run.stop, Some((StopReason::Environment, _))) {
            // Already stopping for such a reason, and stopping does not work either: leave the run to the next driver.
            return Err(error);
        }
        self.stop(run, &error)?;
        self.catch_up(story)
    }

    /// Writes down why the run cannot go on.
    fn stop(&self, run: &Run, error: &Error) -> Result<()> {
        let detail = match &error.hint {
            Some(hint) => format!("{} ({hint})", error.chain()),
            None => error.chain(),
        };
        let reason = if error.code == Code::NeedsLogin { StopReason::NeedsLogin } else { StopReason::Environment };
        self.context.append(&[Event::RunStopped { run: run.id, reason, detail }])?;
        Ok(())
    }

    fn catch_up(&mut self, mut story: Story) -> Result<Story> {
        loop {
            let events = self.tail.glance()?;
            if events.is_empty() {
                return Ok(story);
            }
            story = fold(story, events)?;
        }
    }

    fn pause(&self) -> Duration {
        let until = self.wait_until.map(|until| until.duration_since(Timestamp::now()));
        until.and_then(|left| Duration::try_from(left).ok()).map_or(Duration::from_secs(3600), |left| left + Duration::from_millis(5))
    }
}

fn fold(mut story: Story, events: Vec<Recorded>) -> Result<Story> {
    for recorded in events {
        let failed = |e| Error::internal(format!("fold event {} of the log", recorded.seq)).because(e);
        story = story.apply(&recorded.event, recorded.at, recorded.seq).map_err(failed)?;
    }
    Ok(story)
}

/// Asks the attempt's supervisor to end it. Asked again, it does no harm.
fn stop_attempt(story: &Story, task: &TaskId, how: Cancel) {
    let Some(task) = story.task(task) else { return };
    let (Work::Running { .. }, Some(attempt)) = (&task.work, task.last_attempt()) else { return };
    let how = match how {
        Cancel::Graceful => Stop::Graceful,
        Cancel::Now => Stop::Now,
    };
    if let Err(error) = Job::at(Path::new(&attempt.job)).stop(how) {
        tracing::warn!(task = %task.id(), %error, "the attempt could not be asked to stop");
    }
}

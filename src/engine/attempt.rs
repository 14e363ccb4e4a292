//! One attempt, from worktree to outcome. Attending to an attempt that runs already is the same path, entered later.
//!
//! What must be true before an agent starts is checked and recorded: its worktree contains the commit of every
//! dependency. The record is written before the agent is started, so a crash in between leaves an attempt that never
//! ran, never an agent that nobody knows.

use super::drive::{Context, Told, in_turn};
use super::guarding::forbid_pushes;
use super::prompt::{self, Known};
use super::start_point::{StartPoint, Unusable};
use super::{Places, around, settle};
use crate::agent::{Agent, Brief, Reader, Signal};
use crate::domain::{
    Attempt, AttemptEnded, AttemptPrepared, AttemptStarted, Cancel, Event, LeftOut, Outcome, Prepared, Purpose, SessionId, Story, Task,
    TaskId, Usage, Work,
};
use crate::error::{Error, Result};
use crate::proc::{Job, JobSpec, JobState, Stop};
use std::io::{Read, Seek, SeekFrom};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};
use uuid::Uuid;

/// How often the transcript is looked at for what the agent is doing: for people, never to decide.
const GLANCE: Duration = Duration::from_millis(40);
/// Least time between two activity events of one attempt.
const ACTIVITY_PAUSE: Duration = Duration::from_millis(400);
/// Most bytes of a transcript read at once.
const CHUNK_BYTES: u64 = 256 * 1024;

/// Starts the task's next attempt, or attends to the one that runs, and writes down how it ended.
pub(super) async fn attempt(context: Arc<Context>, id: TaskId) -> Result<()> {
    let started = in_turn(&context.starting, {
        let (context, id) = (context.clone(), id.clone());
        move || start(&context, &id)
    });
    if started.await? == Started::Ended {
        return Ok(());
    }
    context.tell(Told::Launched(id.clone()));
    attend(context, id).await
}

fn task_of<'a>(story: &'a Story, id: &TaskId) -> Result<&'a Task> {
    story.task(id).ok_or_else(|| Error::internal(format!("task `{id}` is not in the plan")))
}

#[derive(PartialEq, Eq)]
enum Started {
    Running,
    /// It could not be started, and that is written down.
    Ended,
}

/// Blocking: base, record, worktree, prompt, process.
fn start(context: &Context, id: &TaskId) -> Result<Started> {
    let story = context.story()?;
    let task = task_of(&story, id)?;
    let Work::Pending { next: purpose } = &task.work else { return Ok(Started::Running) };
    let agent = context.engine.agent_for(&context.config, &story, Some(task))?;
    let point = StartPoint::of(&context.repo, &story, task, purpose)?;
    point.prove_dependencies(&context.repo, &story, task)?;
    let places = Places(&story);
    let number = task.next_number();
    let job = context.engine.store.story_folder(story.id).join("attempts").join(format!("{id}-{number}"));
    let event = AttemptStarted {
        task: id.clone(),
        attempt: number,
        purpose: purpose.clone(),
        agent: agent.name().to_owned(),
        session: session_of(task, purpose, agent.as_ref()),
        base: point.base.clone(),
        worktree: text(&places.task_worktree(task)),
        job: text(&job),
    };
    let session = event.session;
    // A session that never began cannot go on: its agent is told everything.
    let has_begun = |attempt: &Attempt| !matches!(Job::at(Path::new(&attempt.job)).state(), Ok(JobState::NotStarted));
    let resume = task.attempts.iter().any(|attempt| attempt.session == session && has_begun(attempt));
    let remembers = resume && task.attempts.iter().any(|attempt| attempt.session == session && was_saved(attempt));
    context.append(&[Event::AttemptStarted(Box::new(event))])?;
    let begun = point.prepare(context, &story, task, number).and_then(|prepared| {
        let Prepared { upon, origin, start } = match prepared {
            Ok(prepared) => prepared,
            Err(unusable) => return Ok(Err(unusable)),
        };
        let event = AttemptPrepared { task: id.clone(), attempt: number, upon, origin, start };
        context.append(&[Event::AttemptPrepared(Box::new(event))])?;
        if let Err(error) = context.repo.remember_ignored(&places.task_worktree(task)) {
            // More may be named in the end than the agent wrote.
            tracing::warn!(task = %id, %error, "what is ignored in the worktree is not known");
        }
        around::begin(context, &story, task, &job)?;
        let known = Known { conflicts: &point.conflicts, keeps_files: point.keeps_files(), resumed: remembers };
        let prompt = prompt::of(&story, task, purpose, &known, context.config.bounds.handoff_bytes_max);
        launch(context, &story, task, agent.as_ref(), &Launching { job: &job, session, resume, prompt: &prompt }).map(Ok)
    });
    let outcome = match begun {
        Ok(Ok(())) => return Ok(Started::Running),
        Ok(Err(Unusable(detail))) => Outcome::Refused { detail },
        // The worktree could not be made or the agent not be started: no fault of the task's, the first time.
        Err(error) if !could_not_start_before(task) => {
            let text = format!("attempt {number} of `{id}` could not be started and is made again: {}", error.chain());
            context.append(&[Event::Noted { text }])?;
            Outcome::Interrupted
        }
        Err(error) => Outcome::Failed { detail: format!("could not be started: {}", error.chain()) },
    };
    context.append(&[ended(id, number, outcome)])?;
    Ok(Started::Ended)
}

/// Whether the attempt before was not started either.
fn could_not_start_before(task: &Task) -> bool {
    let interrupted = |attempt: &&Attempt| attempt.ended.as_ref().is_some_and(|end| end.outcome == Outcome::Interrupted);
    let never_ran = |attempt: &Attempt| matches!(Job::at(Path::new(&attempt.job)).state(), Ok(JobState::NotStarted));
    task.last_attempt().filter(interrupted).is_some_and(never_ran)
}

/// Whether an attempt's session surely holds its task. An agent saves a session a moment after the fact, so one that was
/// killed may have saved nothing: the next is told everything again, which costs less than to work without a task.
fn was_saved(attempt: &Attempt) -> bool {
    attempt.ended.as_ref().is_some_and(|end| match end.outcome {
        Outcome::Done | Outcome::NoChange | Outcome::Incomplete { .. } | Outcome::Refused { .. } | Outcome::Unresolved { .. } => true,
        // It had the time to write down what it used, and answers to use.
        Outcome::Crashed { .. }
        | Outcome::Stalled
        | Outcome::TimedOut
        | Outcome::Interrupted
        | Outcome::Failed { .. }
        | Outcome::RateLimited { .. }
        | Outcome::NeedsLogin { .. }
        | Outcome::Quota { .. }
        | Outcome::Policy { .. }
        | Outcome::Unavailable { .. } => end.usage.requests > 0,
    })
}

fn ended(task: &TaskId, attempt: u32, outcome: Outcome) -> Event {
    Event::AttemptEnded(Box::new(AttemptEnded {
        task: task.clone(),
        attempt,
        outcome,
        summary: String::new(),
        usage: Usage::default(),
        rescue: None,
        left: None,
        resume_at: None,
        left_out: LeftOut::default(),
    }))
}

fn session_of(task: &Task, purpose: &Purpose, agent: &dyn Agent) -> SessionId {
    let last = task.last_attempt().filter(|attempt| purpose.keeps_session() && attempt.agent == agent.name());
    match last {
        Some(attempt) if agent.resumes() && !is_worn_out(task, attempt.session) => attempt.session,
        Some(_) | None => SessionId(Uuid::new_v4()),
    }
}

/// Whether a session has met an error of its agent or model twice in a row, for example because it has become too long.
fn is_worn_out(task: &Task, session: SessionId) -> bool {
    let of_session = |attempt: &&Attempt| attempt.session == session;
    let failed = |attempt: &Attempt| attempt.ended.as_ref().is_some_and(|end| matches!(end.outcome, Outcome::Failed { .. }));
    let last: Vec<bool> = task.attempts.iter().rev().take(2).filter(of_session).map(failed).collect();
    last == [true, true]
}

struct Launching<'a> {
    job: &'a Path,
    session: SessionId,
    resume: bool,
    prompt: &'a str,
}

fn launch(context: &Context, story: &Story, task: &Task, agent: &dyn Agent, launching: &Launching<'_>) -> Result<()> {
    let worktree = Places(story).task_worktree(task);
    let io = |doing: &str, e: std::io::Error| Error::internal(format!("{doing} in {}", launching.job.display())).because(e);
    crate::store::private_folder(launching.job).map_err(|e| io("make the attempt's folder", e))?;
    let prompt_file = launching.job.join("prompt.md");
    let brief = Brief {
        worktree: &worktree,
        prompt: launching.prompt,
        prompt_file: &prompt_file,
        session: launching.session,
        resume: launching.resume,
        task: task.id().as_str(),
        files: launching.job,
    };
    let launch = agent.launch(&brief);
    std::fs::write(&prompt_file, &launch.stdin).map_err(|e| io("write the prompt", e))?;
    let bounds = &context.config.bounds;
    let mut env = launch.env;
    env.push(("AURA_TASK".into(), task.id().to_string()));
    env.push(("AURA_STORY".into(), story.id.to_string()));
    forbid_pushes(&context.engine, &context.repo, launching.job, &mut env)?;
    let spec = JobSpec {
        program: launch.program,
        args: launch.args,
        dir: worktree,
        env,
        env_remove: launch.env_remove,
        stdin: Some(prompt_file),
        deadline_ms: millis(bounds.attempt_timeout),
        stall_ms: Some(millis(bounds.stall_timeout)),
        grace_ms: millis(bounds.grace),
        log_bytes_max: bounds.transcript_bytes_max,
        drop_lines: launch.drop_lines,
        cookie: format!("{}/{}/{}", story.id.short(), task.id(), task.next_number()),
    };
    let aura = &context.engine.environment().exe;
    let started = Job::start(aura, launching.job, &spec)?;
    // A cancellation that came before there was a job to stop has found nothing to ask: it is asked for here.
    if let Some(run) = context.story()?.run {
        match (run.cancel, &run.stop) {
            (Some(Cancel::Now), _) => started.stop(Stop::Now)?,
            (Some(Cancel::Graceful), _) | (None, Some(_)) => started.stop(Stop::Graceful)?,
            (None, None) => {}
        }
    }
    Ok(())
}

fn millis(span: Duration) -> u64 {
    u64::try_from(span.as_millis()).unwrap_or(u64::MAX)
}

fn text(path: &Path) -> String {
    path.to_string_lossy().into_owned()
}

/// An attempt that runs: what it takes to attend to it. A story is large and a wait is long, so none is kept.
struct Running {
    number: u32,
    job: PathBuf,
    reader: Box<dyn Reader>,
}

fn running(context: &Context, id: &TaskId) -> Result<Option<Running>> {
    let story = context.story()?;
    let task = task_of(&story, id)?;
    let (Work::Running { attempt: number }, Some(attempt)) = (&task.work, task.last_attempt()) else { return Ok(None) };
    let agent = context.engine.agent_named(&context.config, &attempt.agent)?;
    Ok(Some(Running { number: *number, job: PathBuf::from(&attempt.job), reader: agent.reader() }))
}

/// Waits for the process, tells what the agent is doing meanwhile, and settles what it left.
async fn attend(context: Arc<Context>, id: TaskId) -> Result<()> {
    let Some(Running { number, job, reader }) = running(&context, &id)? else { return Ok(()) };
    let mut waiting = tokio::task::spawn_blocking({
        let job = job.clone();
        move || Job::at(&job).wait()
    });
    let mut transcript = Transcript::of(&job, reader);
    let mut told = Instant::now() - ACTIVITY_PAUSE;
    let state = loop {
        tokio::select! {
            state = &mut waiting => break state.map_err(|e| Error::internal("the wait for an agent panicked").because(e))??,
            () = tokio::time::sleep(GLANCE) => {
                transcript.glance();
                if told.elapsed() >= ACTIVITY_PAUSE && let Some(text) = transcript.activity.take() {
                    told = Instant::now();
                    context.append(&[Event::AttemptActivity { task: id.clone(), attempt: number, text }])?;
                }
            }
        }
    };
    let end = match state {
        JobState::Ended(end) => Some(end),
        JobState::Lost | JobState::NotStarted | JobState::Running => None,
    };
    let worker = context.clone();
    let settled = in_turn(&context.settling, move || {
        transcript.drain();
        settle::settle(&worker, &id, number, end, transcript.reader.as_mut())
    });
    settled.await
}

/// A stored transcript, read as it grows.
struct Transcript {
    path: PathBuf,
    offset: u64,
    rest: Vec<u8>,
    reader: Box<dyn Reader>,
    activity: Option<String>,
}

impl Transcript {
    fn of(job: &Path, reader: Box<dyn Reader>) -> Transcript {
        Transcript { path: Job::at(job).out_log(), offset: 0, rest: vec![], reader, activity: None }
    }

    /// Reads what is new, at most one chunk; true when there may be more.
    fn glance(&mut self) -> bool {
        let Ok(mut file) = std::fs::File::open(&self.path) else { return false };
        let mut new = vec![];
        let read = file.seek(SeekFrom::Start(self.offset)).and_then(|_| file.take(CHUNK_BYTES).read_to_end(&mut new)).unwrap_or(0);
        self.offset += read as u64;
        self.rest.extend_from_slice(&new);
        while let Some(end) = self.rest.iter().position(|&byte| byte == b'\n') {
            let line: Vec<u8> = self.rest.drain(..=end).collect();
            self.line(&line);
        }
        read > 0
    }

    fn line(&mut self, line: &[u8]) {
        for signal in self.reader.read(String::from_utf8_lossy(line).trim_end()) {
            match signal {
                Signal::Activity(text) | Signal::Retrying(text) => self.activity = Some(text),
                Signal::Message(_) => {}
            }
        }
    }

    fn drain(&mut self) {
        while self.glance() {}
        let last = std::mem::take(&mut self.rest);
        if !last.is_empty() {
            self.line(&last);
        }
    }
}

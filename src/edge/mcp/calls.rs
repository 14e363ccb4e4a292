//! Calls of tools: each body runs in a thread of its own, so that a slow one holds up nobody and a panic is an answer;
//! whoever asked may stop waiting at any time.

use crate::config::Environment;
use crate::engine::Engine;
use crate::error::{Code, Error, Result};
use crate::ops::{self, Answer, Verb};
use rmcp::RoleServer;
use rmcp::model::{ProgressNotificationParam, ProgressToken};
use rmcp::service::Peer;
use serde_json::{Map, Value, json};
use std::collections::{BTreeMap, HashMap};
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};
use tokio::runtime::Handle;
use tokio::sync::{OnceCell, oneshot, watch};
use tokio::task::JoinHandle;

/// How often somebody who asked for progress hears that it goes on.
const PROGRESS: Duration = Duration::from_secs(5);
/// Calls that nobody waits for any more are remembered for so long, so that asking again joins them.
const LEFT_AGE_MAX: Duration = Duration::from_secs(30 * 60);
const LEFT_MAX: usize = 64;
/// A read that was already under way when the input ended is worth so much more time.
const LAST_WORDS: Duration = Duration::from_secs(1);

type Body = JoinHandle<Result<Answer>>;

/// What all connections share.
pub(super) struct Calls {
    environment: Environment,
    engine: OnceCell<Engine>,
    left: Mutex<HashMap<String, (Body, Instant)>>,
}

/// Who hears how it goes.
pub(super) struct Listener {
    pub peer: Peer<RoleServer>,
    pub token: ProgressToken,
}

/// A call as one connection sees it.
pub(super) struct Call {
    pub verb: &'static Verb,
    pub args: Map<String, Value>,
    /// Longest that its client waits.
    pub patience: Duration,
    /// True at the end of the client's input.
    pub ended: watch::Receiver<bool>,
    pub listener: Option<Listener>,
}

impl Calls {
    pub(super) fn new(environment: Environment) -> Calls {
        Calls { environment, engine: OnceCell::new(), left: Mutex::default() }
    }

    /// The engine, opened by the first call that needs it: a host that only asks for the tools waits for no database.
    pub(super) async fn engine(&self) -> Result<Engine> {
        let open = || async {
            let environment = self.environment.clone();
            let opened = tokio::task::spawn_blocking(move || open_here(environment)).await;
            opened.map_err(|e| Error::internal("open the database").because(e))?
        };
        self.engine.get_or_try_init(open).await.cloned()
    }

    /// Answers, whatever happens. `cancelled` resolves when the client has said that it waits no more.
    pub(super) async fn call(&self, call: Call, cancelled: impl Future<Output = ()>) -> Result<Answer> {
        let engine = self.engine().await?;
        let key = key(call.verb, &call.args);
        let waits = call.verb.name == "wait_for_wave";
        let (stop, stopped) = oneshot::channel::<()>();
        let args = call.args.clone();
        let mut body = match self.join(&key) {
            Some(body) if !call.verb.effect.read_only => body,
            Some(_) | None => start(call.verb, engine.clone(), args, waits.then_some(stopped)),
        };
        let began = Instant::now();
        let mut beat = tokio::time::interval_at(tokio::time::Instant::now() + PROGRESS, PROGRESS);
        // The verb has its own limit; this one is for what has none.
        let patience = tokio::time::sleep(if waits { call.patience + PROGRESS } else { call.patience });
        tokio::pin!(patience);
        tokio::pin!(cancelled);
        let mut ended = call.ended.clone();
        loop {
            tokio::select! {
                done = &mut body => return finished(call.verb, done),
                () = &mut cancelled => {
                    drop(stop);
                    self.leave(call.verb, key, body);
                    return Err(Error::new(Code::TimedOut, format!("`{}`: the call was cancelled", call.verb.name)));
                }
                () = &mut patience => {
                    self.leave(call.verb, key, body);
                    return Err(still_at_work(call.verb, call.patience));
                }
                () = async { let _ = ended.wait_for(|ended| *ended).await; } => {
                    drop(stop);
                    if waits {
                        let mut args = call.args;
                        args.insert("waitSeconds".into(), json!(0));
                        body = start(call.verb, engine, args, None);
                    }
                    return match tokio::time::timeout(LAST_WORDS, body).await {
                        Ok(done) => finished(call.verb, done),
                        Err(_) => Err(still_at_work(call.verb, began.elapsed())),
                    };
                }
                _ = beat.tick() => if let Some(listener) = &call.listener {
                    let message = self.how_it_goes(&engine, &call).await;
                    let said = ProgressNotificationParam::new(listener.token.clone(), began.elapsed().as_secs_f64());
                    let said = said.with_total(call.patience.as_secs_f64()).with_message(message);
                    // A client that is gone hears nothing.
                    let _ = listener.peer.notify_progress(said).await;
                }
            }
        }
    }

    /// The answer of a verb that only reads, without more ado.
    pub(super) async fn read(&self, verb: &'static Verb, args: Map<String, Value>) -> Result<Answer> {
        finished(verb, start(verb, self.engine().await?, args, None).await)
    }

    /// One sentence of our own words.
    async fn how_it_goes(&self, engine: &Engine, call: &Call) -> String {
        let story = call.args.get("storyId").or(call.args.get("id")).cloned().filter(|_| call.verb.name == "wait_for_wave");
        let summary = match (story, ops::find("get_orchestrator_status")) {
            (Some(story), Ok(status)) => {
                let args = Map::from_iter([("storyId".to_owned(), story), ("limit".to_owned(), json!(1))]);
                finished(status, start(status, engine.clone(), args, None).await).ok()
            }
            (_, _) => None,
        };
        let summary = summary.and_then(|answer| answer.value["summary"].as_str().map(str::to_owned));
        summary.unwrap_or_else(|| format!("{} is at work.", call.verb.name))
    }

    /// The same call, if somebody made it and stopped waiting.
    fn join(&self, key: &str) -> Option<Body> {
        self.left().remove(key).map(|(body, _)| body)
    }

    /// Lets a body go on without anybody who waits for it.
    fn leave(&self, verb: &Verb, key: String, body: Body) {
        if verb.effect.read_only {
            return;
        }
        let mut left = self.left();
        left.retain(|_, (_, since)| since.elapsed() < LEFT_AGE_MAX);
        if left.len() < LEFT_MAX {
            left.insert(key, (body, Instant::now()));
        }
    }

    fn left(&self) -> std::sync::MutexGuard<'_, HashMap<String, (Body, Instant)>> {
        self.left.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Opens the engine. Some hosts hand no environment on to the servers that they start, but all start them where they work:
/// an agent's server is known by the worktree.
fn open_here(environment: Environment) -> Result<Engine> {
    let engine = crate::edge::cli::open(environment.clone())?;
    let here = std::env::current_dir().ok().filter(|_| environment.inside_attempt.is_none());
    match here.map(|here| ops::task_at(&engine, &here)).transpose()?.flatten() {
        Some(task) => crate::edge::cli::open(Environment { inside_attempt: Some(task), ..environment }),
        None => Ok(engine),
    }
}

/// The same for calls that ask for the same.
fn key(verb: &Verb, args: &Map<String, Value>) -> String {
    let sorted: BTreeMap<&String, &Value> = args.iter().collect();
    format!("{} {}", verb.name, serde_json::to_string(&sorted).unwrap_or_default())
}

fn start(verb: &'static Verb, engine: Engine, args: Map<String, Value>, stopped: Option<oneshot::Receiver<()>>) -> Body {
    guarded(move || (verb.from_json)(engine, Value::Object(args)), stopped)
}

/// Runs a body where it may block: the store, git, locks. It ends early when `stopped` says so.
fn guarded<F>(body: impl FnOnce() -> F + Send + 'static, stopped: Option<oneshot::Receiver<()>>) -> Body
where
    F: Future<Output = Result<Answer>>,
{
    let runtime = Handle::current();
    tokio::task::spawn_blocking(move || {
        runtime.block_on(async {
            let Some(stopped) = stopped else { return body().await };
            tokio::select! {
                done = body() => done,
                _ = stopped => Err(Error::new(Code::TimedOut, "nobody waits any more")),
            }
        })
    })
}

fn finished(verb: &Verb, done: Result<Result<Answer>, tokio::task::JoinError>) -> Result<Answer> {
    done.unwrap_or_else(|_| {
        Err(Error::internal(format!("`{}` has failed by a bug in Aura; the server goes on", verb.name))
            .hint("please report it, with what the server wrote to its stderr; get_story shows what the story is like now"))
    })
}

fn still_at_work(verb: &Verb, waited: Duration) -> Error {
    Error::new(Code::TimedOut, format!("`{}` is still at work after {} s, and goes on", verb.name, waited.as_secs()))
        .hint("nothing is lost and nothing starts twice: call it again with the same arguments to go on waiting, or look with get_story")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_panic_in_a_verb_is_an_answer() {
        let verb = ops::find("get_story").unwrap();
        let body = guarded(|| async { panic!("a bug") }, None);
        let error = finished(verb, body.await).err().unwrap();
        assert_eq!(error.code, Code::Internal);
        assert!(error.detail.contains("get_story") && error.hint.is_some(), "{error:?}");
        // And the next one is answered.
        let body = guarded(|| async { Ok(Answer { value: json!(1), exit_code: 0 }) }, None);
        assert_eq!(finished(verb, body.await).unwrap().value, 1);
    }

    #[tokio::test]
    async fn a_wait_ends_when_nobody_waits() {
        let (stop, stopped) = oneshot::channel();
        let body = guarded(std::future::pending, Some(stopped));
        drop(stop);
        assert_eq!(body.await.unwrap().err().unwrap().code, Code::TimedOut);
    }
}

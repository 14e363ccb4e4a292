//! Bodies of verbs in threads of their own, where they may block, and not too many of each kind at once: those who wait hold up
//! nobody who reads, and nobody holds up the events.

use crate::engine::Engine;
use crate::error::{Code, Error, Result};
use crate::ops::{self, Answer, Reply, Verb};
use serde_json::Value;
use std::sync::Arc;
use std::time::Duration;
use tokio::runtime::Handle;
use tokio::sync::{OwnedSemaphorePermit, Semaphore, oneshot};

const READS_MAX: usize = 32;
const WORKS_MAX: usize = 32;
const WAITS_MAX: usize = 256;
const PAGES_MAX: usize = 16;
/// Threads for all of them, and for what verbs themselves do in one.
pub(in crate::edge) const THREADS_MAX: usize = 2 * (READS_MAX + WORKS_MAX) + WAITS_MAX + PAGES_MAX + 32;
/// Longest wait for a turn.
const TURN: Duration = Duration::from_secs(10);

pub(super) struct Calls {
    reads: Arc<Semaphore>,
    works: Arc<Semaphore>,
    waits: Arc<Semaphore>,
    pages: Arc<Semaphore>,
}

impl Calls {
    pub(super) fn new() -> Calls {
        let of = |count| Arc::new(Semaphore::new(count));
        Calls { reads: of(READS_MAX), works: of(WORKS_MAX), waits: of(WAITS_MAX), pages: of(PAGES_MAX) }
    }

    /// Answers. Whoever drops this ends a wait, but nothing that changes something.
    pub(super) async fn call(&self, engine: Engine, verb: &'static Verb, args: Value, waits: bool) -> Result<Answer> {
        let pool = match (waits, verb.effect.read_only) {
            (true, _) => &self.waits,
            (false, true) => &self.reads,
            (false, false) => &self.works,
        };
        self.body(pool, waits, verb.name, (verb.from_json)(engine, args)).await
    }

    /// What has become of a run, once it has ended or the time is over.
    pub(super) async fn result(&self, engine: Engine, story: String, run: String, wait: Duration) -> Result<Answer> {
        let pool = if wait.is_zero() { &self.reads } else { &self.waits };
        let body = Box::pin(async move { ops::run_result(&engine, &story, &run, Some(wait)).await });
        self.body(pool, !wait.is_zero(), "the result of a run", body).await
    }

    async fn body(&self, pool: &Arc<Semaphore>, waits: bool, name: &'static str, body: Reply) -> Result<Answer> {
        let turn = turn(pool).await?;
        let (_stop, stopped) = oneshot::channel::<()>();
        let runtime = Handle::current();
        let body = tokio::task::spawn_blocking(move || {
            let _turn = turn;
            runtime.block_on(async {
                if !waits {
                    return body.await;
                }
                tokio::select! {
                    done = body => done,
                    _ = stopped => Err(Error::new(Code::TimedOut, "nobody waits any more")),
                }
            })
        });
        body.await.unwrap_or_else(|_| {
            Err(Error::internal(format!("`{name}` has failed by a bug in Aura; the server goes on"))
                .hint("please report it, with what the server wrote to its stderr"))
        })
    }

    /// Reads something short from the database.
    pub(super) async fn read<T: Send + 'static>(&self, read: impl FnOnce() -> Result<T> + Send + 'static) -> Result<T> {
        let turn = turn(&self.pages).await?;
        let body = tokio::task::spawn_blocking(move || {
            let _turn = turn;
            read()
        });
        body.await.unwrap_or_else(|e| Err(Error::internal("read the log").because(e)))
    }
}

async fn turn(pool: &Arc<Semaphore>) -> Result<OwnedSemaphorePermit> {
    match tokio::time::timeout(TURN, pool.clone().acquire_owned()).await {
        Ok(Ok(turn)) => Ok(turn),
        Ok(Err(_)) | Err(_) => Err(Error::new(Code::LimitReached, "too many calls at once").hint("wait a moment and call again")),
    }
}

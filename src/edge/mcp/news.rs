//! Subscriptions: tells a client that what it reads has changed. One follower of the log for each connection or
//! subscription that asks for something, none for those that ask for nothing.

use super::calls::Calls;
use super::resources::{Address, unknown};
use crate::engine::Engine;
use crate::error::Result;
use crate::ops::follow::follow;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;
use tokio::runtime::Handle;
use tokio::sync::{mpsc, oneshot};

/// Changes of the same thing within this time are told once.
const QUIET: Duration = Duration::from_millis(250);
/// Most resources that one connection subscribes to.
const ADDRESSES_MAX: usize = 1000;
const QUEUE: usize = 64;

/// What somebody wants to hear of: address by its text, with the whole id of its story.
pub(super) type Wanted = Arc<Mutex<BTreeMap<String, (Address, String)>>>;

/// Adds an address.
///
/// # Errors
/// When it means nothing, or there is no such story.
pub(super) async fn add(calls: &Calls, wanted: &Wanted, uri: &str) -> Result<()> {
    let address = Address::parse(uri).ok_or_else(|| unknown(uri))?;
    let (engine, story) = (calls.engine().await?, address.story().to_owned());
    let found = tokio::task::spawn_blocking(move || crate::ops::story_id(&engine, &story)).await;
    let id = found.map_err(|e| crate::error::Error::internal("find a story").because(e))??;
    let mut wanted = wanted.lock().unwrap_or_else(PoisonError::into_inner);
    if wanted.len() >= ADDRESSES_MAX {
        let text = format!("subscribe: more than {ADDRESSES_MAX} resources are subscribed to");
        return Err(crate::error::Error::new(crate::error::Code::LimitReached, text).hint("unsubscribe from some of them"));
    }
    wanted.insert(uri.to_owned(), (address, id));
    Ok(())
}

pub(super) fn remove(wanted: &Wanted, uri: &str) {
    wanted.lock().unwrap_or_else(PoisonError::into_inner).remove(uri);
}

/// News of what is wanted, until this is dropped.
pub(super) struct News {
    changed: mpsc::Receiver<String>,
    _stop: oneshot::Sender<()>,
}

impl News {
    /// The next address whose content has changed.
    pub(super) async fn next(&mut self) -> Option<String> {
        self.changed.recv().await
    }
}

/// Follows the log from now on, in a thread of its own: reading it may wait for a writer.
pub(super) async fn start(engine: Engine, wanted: Wanted) -> News {
    let (tell, changed) = mpsc::channel(QUEUE);
    let (ready, is_ready) = oneshot::channel::<()>();
    let (stop, stopped) = oneshot::channel::<()>();
    let runtime = Handle::current();
    tokio::task::spawn_blocking(move || {
        runtime.block_on(async move {
            tokio::select! {
                ended = follow_all(&engine, &wanted, &tell, ready) => if let Err(error) = ended {
                    tracing::warn!(error = %error.chain(), "subscriptions end");
                },
                _ = stopped => {}
            }
        });
    });
    // What happens after the answer to the subscription is told.
    let _ = is_ready.await;
    News { changed, _stop: stop }
}

async fn follow_all(engine: &Engine, wanted: &Wanted, tell: &mpsc::Sender<String>, ready: oneshot::Sender<()>) -> Result<()> {
    let mut events = follow(engine, None, -1)?;
    let _ = ready.send(());
    loop {
        let mut heard = events.next().await?;
        tokio::time::sleep(QUIET).await;
        heard.extend(events.glance()?);
        let changed: BTreeSet<String> = {
            let wanted = wanted.lock().unwrap_or_else(PoisonError::into_inner);
            let is_changed = |address: &Address, id: &str| heard.iter().any(|event| event.story_id == id && address.is_changed_by(event));
            wanted.iter().filter(|(_, (address, id))| is_changed(address, id)).map(|(uri, _)| uri.clone()).collect()
        };
        for uri in changed {
            if tell.send(uri).await.is_err() {
                return Ok(());
            }
        }
    }
}

//! A reader of the log that never misses and never lags: `seq > ?`, then wait to be woken.
//!
//! Writers in this process wake it at once; for writers in other processes it looks at the last position every
//! [`GLANCE`]. The wake-up carries nothing: history and live are one path.

use super::{Recorded, Store, StoreError, StoryId};
use std::time::Duration;
use tokio::sync::watch;

/// How often the log is looked at for what other processes wrote. One look costs a few microseconds.
const GLANCE: Duration = Duration::from_millis(40);
/// Most events that are handed out at once.
const BATCH: usize = 500;

pub struct Tail {
    store: Store,
    story: Option<StoryId>,
    seq: i64,
    woken: watch::Receiver<i64>,
}

impl Tail {
    pub(super) fn new(store: Store, story: Option<StoryId>, seq: i64, woken: watch::Receiver<i64>) -> Tail {
        Tail { store, story, seq, woken }
    }

    /// Position of the last event that was handed out.
    #[must_use]
    pub fn seq(&self) -> i64 {
        self.seq
    }

    /// What there is now, possibly nothing.
    pub fn glance(&mut self) -> Result<Vec<Recorded>, StoreError> {
        self.woken.borrow_and_update();
        let found = self.store.since(self.story, self.seq, BATCH)?;
        if let Some(last) = found.last() {
            self.seq = last.seq;
        }
        Ok(found)
    }

    /// The next events: at least one. Dropping the future loses nothing.
    pub async fn next(&mut self) -> Result<Vec<Recorded>, StoreError> {
        loop {
            let found = self.glance()?;
            if !found.is_empty() {
                return Ok(found);
            }
            let _ = tokio::time::timeout(GLANCE, self.woken.changed()).await;
        }
    }
}

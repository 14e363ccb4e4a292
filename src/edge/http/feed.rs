//! The newest events, read from the log once for all streams. A stream that is near the end of the log takes them from here;
//! one that lags reads the log itself. So a stream costs a position, not a queue.

use super::cache::Cache;
use crate::engine::Engine;
use crate::error::Result;
use crate::ops::follow::{self, EventView, Follow};
use std::collections::VecDeque;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;
use tokio::sync::watch;

/// Most events, and most bytes of them, that are kept at hand.
const EVENTS_MAX: usize = 2000;
const BYTES_MAX: usize = 4 * 1024 * 1024;
/// Before the log is read again after a failure.
const PAUSE: Duration = Duration::from_secs(1);

pub(super) struct Feed {
    ring: Mutex<Ring>,
    statuses: Arc<Cache>,
    last: watch::Sender<i64>,
    ended: watch::Sender<bool>,
}

/// Holds every event after `floor`.
struct Ring {
    floor: i64,
    bytes: usize,
    events: VecDeque<Arc<Item>>,
}

/// An event as streams send it.
pub(super) struct Item {
    pub seq: i64,
    pub kind: String,
    pub story: String,
    pub json: String,
    pub ends_run: bool,
}

impl From<&EventView> for Item {
    fn from(event: &EventView) -> Item {
        Item {
            seq: event.seq,
            kind: event.kind.clone(),
            story: event.story_id.clone(),
            json: event.value.to_string(),
            ends_run: event.ends_run,
        }
    }
}

impl Feed {
    /// Follows the log from now on, for as long as the program runs.
    pub(super) fn start(engine: &Engine, statuses: Arc<Cache>) -> Result<Arc<Feed>> {
        let last = follow::last(engine)?;
        let feed = Arc::new(Feed {
            ring: Mutex::new(Ring { floor: last, bytes: 0, events: VecDeque::new() }),
            statuses,
            last: watch::channel(last).0,
            ended: watch::channel(false).0,
        });
        let events = follow::follow(engine, None, last)?;
        let (runtime, fed) = (tokio::runtime::Handle::current(), feed.clone());
        // The store blocks: it has a thread of its own.
        std::thread::spawn(move || runtime.block_on(fed.run(events)));
        Ok(feed)
    }

    /// Ends every stream: their readers come again, and go on where they were.
    pub(super) fn end(&self) {
        self.ended.send_replace(true);
    }

    /// Turns true when the server ends.
    pub(super) fn ended(&self) -> watch::Receiver<bool> {
        self.ended.subscribe()
    }

    async fn run(&self, mut events: Follow) {
        let mut ended = self.ended();
        loop {
            let next = tokio::select! {
                next = events.next() => next,
                _ = ended.wait_for(|ended| *ended) => return,
            };
            match next {
                Ok(found) => self.add(&found),
                Err(error) => {
                    tracing::error!("follow the log: {}", error.chain());
                    tokio::time::sleep(PAUSE).await;
                }
            }
        }
    }

    fn add(&self, found: &[EventView]) {
        let Some(last) = found.last().map(|event| event.seq) else { return };
        // Before anybody hears of them: whoever has heard is answered accordingly.
        self.statuses.hear(found);
        let mut ring = self.ring();
        for event in found {
            let item = Item::from(event);
            ring.bytes += item.json.len();
            ring.events.push_back(Arc::new(item));
        }
        while ring.events.len() > EVENTS_MAX || ring.bytes > BYTES_MAX {
            let Some(first) = ring.events.pop_front() else { break };
            ring.bytes -= first.json.len();
            ring.floor = first.seq;
        }
        drop(ring);
        self.last.send_replace(last);
    }

    /// Wakes whenever there is more.
    pub(super) fn subscribe(&self) -> watch::Receiver<i64> {
        self.last.subscribe()
    }

    /// Position of the last event that was fed.
    pub(super) fn last(&self) -> i64 {
        *self.last.borrow()
    }

    /// Events after a position, and the position up to which that is all; none when the position is too far back.
    pub(super) fn after(&self, seq: i64, story: Option<&str>, bytes_max: usize) -> Option<(Vec<Arc<Item>>, i64)> {
        let ring = self.ring();
        if seq < ring.floor {
            return None;
        }
        let start = ring.events.partition_point(|item| item.seq <= seq);
        let (mut found, mut reached, mut bytes) = (vec![], seq, 0);
        for item in ring.events.range(start..) {
            if story.is_none_or(|story| story == item.story) {
                bytes += item.json.len();
                found.push(item.clone());
            }
            reached = item.seq;
            if bytes >= bytes_max {
                break;
            }
        }
        Some((found, reached))
    }

    fn ring(&self) -> MutexGuard<'_, Ring> {
        self.ring.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn feed(events: i64) -> Feed {
        let feed = Feed {
            ring: Mutex::new(Ring { floor: 10, bytes: 0, events: VecDeque::new() }),
            statuses: Arc::default(),
            last: watch::channel(10).0,
            ended: watch::channel(false).0,
        };
        for seq in 11..=10 + events {
            let story_id = if seq % 2 == 0 { "even" } else { "odd" }.to_owned();
            let value = json!({ "seq": seq });
            feed.add(&[EventView { seq, kind: String::new(), story_id, task_id: None, value, ends_run: false }]);
        }
        feed
    }

    #[test]
    fn what_is_at_hand_is_all_after_a_position_or_nothing() {
        let feed = feed(5);
        let of = |seq, story| {
            feed.after(seq, story, usize::MAX).map(|(items, reached)| (items.iter().map(|i| i.seq).collect::<Vec<_>>(), reached))
        };
        assert_eq!(of(10, None), Some((vec![11, 12, 13, 14, 15], 15)));
        assert_eq!(of(12, Some("even")), Some((vec![14], 15)), "the position passes what is not asked for");
        assert_eq!(of(15, None), Some((vec![], 15)));
        assert_eq!(of(9, None), None, "an event may be missing");
    }

    #[test]
    fn it_stays_small_and_says_what_it_no_longer_has() {
        let feed = feed(EVENTS_MAX as i64 + 7);
        assert!(feed.after(16, None, usize::MAX).is_none());
        let (items, reached) = feed.after(17, None, usize::MAX).unwrap();
        assert_eq!((items.len(), items[0].seq, reached), (EVENTS_MAX, 18, feed.last()));
        assert_eq!(feed.after(17, None, 1).unwrap().0.len(), 1, "a page has a size");
    }
}

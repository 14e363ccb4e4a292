//! Statuses as they were sent last, ready to be sent: many ask for the same again and again while nothing happens. An answer is
//! forgotten before anybody can hear of the event that makes it wrong, by every change that this server itself makes, and soon in any
//! case, because whether a driver lives is not in the log.

use crate::ops::follow::EventView;
use axum::body::Bytes;
use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

const AGE_MAX: Duration = Duration::from_millis(500);
const ANSWERS_MAX: usize = 64;

#[derive(Default)]
pub(super) struct Cache {
    inner: Mutex<Inner>,
}

#[derive(Default)]
struct Inner {
    /// How often something was forgotten: what was read before that is not kept after it.
    turn: u64,
    answers: HashMap<String, Kept>,
}

struct Kept {
    story: String,
    since: Instant,
    text: Bytes,
}

impl Cache {
    /// What was answered, if that still holds.
    pub(super) fn get(&self, asked: &str) -> Option<Bytes> {
        self.inner().answers.get(asked).filter(|kept| kept.since.elapsed() < AGE_MAX).map(|kept| kept.text.clone())
    }

    /// To be taken before an answer is made.
    pub(super) fn turn(&self) -> u64 {
        self.inner().turn
    }

    /// Keeps an answer about a story, unless something was forgotten while it was made.
    pub(super) fn put(&self, asked: String, turn: u64, story: String, text: Bytes) {
        let mut inner = self.inner();
        if inner.turn != turn {
            return;
        }
        if inner.answers.len() >= ANSWERS_MAX {
            inner.answers.retain(|_, kept| kept.since.elapsed() < AGE_MAX);
        }
        if inner.answers.len() < ANSWERS_MAX {
            inner.answers.insert(asked, Kept { story, since: Instant::now(), text });
        }
    }

    /// Forgets what those events change.
    pub(super) fn hear(&self, events: &[EventView]) {
        let mut inner = self.inner();
        inner.turn += 1;
        // A new story may be what `latest`, or the start of an id, means from now on.
        if events.iter().any(|event| event.kind == "storyCreated") {
            inner.answers.clear();
        }
        inner.answers.retain(|_, kept| !events.iter().any(|event| event.story_id == kept.story));
    }

    pub(super) fn forget(&self) {
        let mut inner = self.inner();
        inner.turn += 1;
        inner.answers.clear();
    }

    fn inner(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn event(story: &str, kind: &str) -> EventView {
        let (story_id, kind) = (story.to_owned(), kind.to_owned());
        EventView { seq: 1, kind, story_id, task_id: None, value: serde_json::Value::Null, ends_run: false }
    }

    #[test]
    fn an_answer_holds_until_its_story_moves() {
        let cache = Cache::default();
        let put = |asked: &str, turn| cache.put(asked.into(), turn, "one".into(), Bytes::from_static(b"x"));
        put("a", cache.turn());
        cache.hear(&[event("two", "taskLanded")]);
        assert!(cache.get("a").is_some() && cache.get("b").is_none());
        let turn = cache.turn();
        cache.hear(&[event("one", "taskLanded")]);
        put("a", turn);
        assert!(cache.get("a").is_none(), "it was made before what is known now");
        put("a", cache.turn());
        cache.hear(&[event("two", "storyCreated")]);
        assert!(cache.get("a").is_none(), "`latest` is another one now");
        put("a", cache.turn());
        cache.forget();
        assert!(cache.get("a").is_none());
        for n in 0..2 * ANSWERS_MAX {
            put(&n.to_string(), cache.turn());
        }
        assert!(cache.inner().answers.len() <= ANSWERS_MAX);
    }
}

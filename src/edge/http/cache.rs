//! Statuses as they were sent last: many ask for the same again and again while nothing happens. An answer holds while the log
//! is as long as it was before the answer was made, and not for long, because whether a driver lives is not in the log.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

const AGE_MAX: Duration = Duration::from_millis(500);
const ANSWERS_MAX: usize = 64;

#[derive(Default)]
pub(super) struct Cache {
    answers: Mutex<HashMap<String, Kept>>,
}

struct Kept {
    seq: i64,
    since: Instant,
    text: String,
}

impl Cache {
    /// What was answered, if that still holds at a position of the log.
    pub(super) fn get(&self, asked: &str, seq: i64) -> Option<String> {
        let answers = self.answers.lock().unwrap_or_else(PoisonError::into_inner);
        answers.get(asked).filter(|kept| kept.seq == seq && kept.since.elapsed() < AGE_MAX).map(|kept| kept.text.clone())
    }

    /// `seq`: the position before the answer was made.
    pub(super) fn put(&self, asked: String, seq: i64, text: String) {
        let mut answers = self.answers.lock().unwrap_or_else(PoisonError::into_inner);
        if answers.len() >= ANSWERS_MAX {
            answers.retain(|_, kept| kept.seq == seq && kept.since.elapsed() < AGE_MAX);
        }
        if answers.len() < ANSWERS_MAX {
            answers.insert(asked, Kept { seq, since: Instant::now(), text });
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_answer_holds_at_its_position_only() {
        let cache = Cache::default();
        cache.put("a".into(), 7, "x".into());
        assert_eq!(cache.get("a", 7).as_deref(), Some("x"));
        assert_eq!((cache.get("a", 8), cache.get("b", 7)), (None, None));
        for n in 0..2 * ANSWERS_MAX {
            cache.put(n.to_string(), 7, String::new());
        }
        assert!(cache.answers.lock().unwrap().len() <= ANSWERS_MAX);
    }
}

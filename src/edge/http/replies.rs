//! Replies remembered by `Idempotency-Key`, so that a client that heard nothing can ask again. In memory and bounded: they
//! are gone when the server ends. Only success is remembered: what was refused has changed nothing and may be tried again.

use crate::error::{Error, Result};
use crate::ops::Answer;
use std::collections::{HashMap, VecDeque};
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};
use tokio::sync::watch;

const KEY_CHARS_MAX: usize = 255;
const REPLIES_MAX: usize = 1000;
const AGE_MAX: Duration = Duration::from_secs(24 * 60 * 60);

/// What a call has come to: none while it is under way.
type Outcome = Option<Result<Remembered, ()>>;

#[derive(Clone)]
pub(super) struct Remembered {
    pub value: serde_json::Value,
    pub exit_code: u8,
}

struct Entry {
    /// What was asked; the key stands for nothing else.
    asked: String,
    outcome: watch::Receiver<Outcome>,
    since: Instant,
}

#[derive(Default)]
pub(super) struct Replies {
    inner: Mutex<(HashMap<String, Entry>, VecDeque<String>)>,
}

/// What a key means to the one who brings it.
pub(super) enum Turn {
    /// Do it, and tell.
    First(watch::Sender<Outcome>),
    /// Somebody does it, or has done it.
    Again(watch::Receiver<Outcome>),
    /// The key was used for something else.
    Reused,
}

impl Replies {
    pub(super) fn turn(&self, key: &str, asked: &str) -> Result<Turn> {
        if key.is_empty() || key.len() > KEY_CHARS_MAX || !key.bytes().all(|byte| byte.is_ascii_graphic()) {
            return Err(Error::invalid(format!("`Idempotency-Key` is not 1 to {KEY_CHARS_MAX} visible ASCII characters")));
        }
        let mut inner = self.inner.lock().unwrap_or_else(PoisonError::into_inner);
        let (entries, order) = &mut *inner;
        while let Some(oldest) = order.front() {
            let is_old = entries.get(oldest).is_none_or(|entry| entry.since.elapsed() > AGE_MAX);
            if !is_old && order.len() < REPLIES_MAX {
                break;
            }
            entries.remove(oldest);
            order.pop_front();
        }
        if let Some(entry) = entries.get(key) {
            // A refusal, or a body that was lost: the next one tries again.
            let is_free = matches!(*entry.outcome.borrow(), Some(Err(())))
                || entry.outcome.has_changed().is_err() && entry.outcome.borrow().is_none();
            if !is_free {
                return Ok(if entry.asked == asked { Turn::Again(entry.outcome.clone()) } else { Turn::Reused });
            }
            order.retain(|known| known != key);
        }
        let (sender, outcome) = watch::channel(None);
        entries.insert(key.to_owned(), Entry { asked: asked.to_owned(), outcome, since: Instant::now() });
        order.push_back(key.to_owned());
        Ok(Turn::First(sender))
    }
}

/// Waits for what somebody else does; none when it was refused or lost.
pub(super) async fn wait(mut outcome: watch::Receiver<Outcome>) -> Option<Answer> {
    let done = outcome.wait_for(Option::is_some).await.ok()?.clone();
    let remembered = done?.ok()?;
    Some(Answer { value: remembered.value, exit_code: remembered.exit_code })
}

/// Tells those who wait for the same.
pub(super) fn tell(sender: &watch::Sender<Outcome>, done: &Result<Answer>) {
    let outcome = match done {
        Ok(answer) => Ok(Remembered { value: answer.value.clone(), exit_code: answer.exit_code }),
        Err(_) => Err(()),
    };
    sender.send_replace(Some(outcome));
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[tokio::test]
    async fn a_key_stands_for_one_success() {
        let replies = Replies::default();
        let Turn::First(sender) = replies.turn("k", "a").unwrap() else { panic!("it is new") };
        assert!(matches!(replies.turn("k", "b").unwrap(), Turn::Reused));
        let Turn::Again(waiting) = replies.turn("k", "a").unwrap() else { panic!("it is under way") };
        tell(&sender, &Ok(Answer { value: json!(7), exit_code: 0 }));
        assert_eq!(wait(waiting).await.unwrap().value, 7);
        drop(sender);
        assert!(matches!(replies.turn("k", "a").unwrap(), Turn::Again(_)), "and stays so");
    }

    #[tokio::test]
    async fn what_was_refused_or_lost_may_be_tried_again() {
        let replies = Replies::default();
        let Turn::First(sender) = replies.turn("k", "a").unwrap() else { panic!("it is new") };
        tell(&sender, &Err(Error::invalid("no")));
        let Turn::First(sender) = replies.turn("k", "a").unwrap() else { panic!("it was refused") };
        drop(sender);
        assert!(matches!(replies.turn("k", "a").unwrap(), Turn::First(_)));
        for bad in ["", "a b", &"k".repeat(256)] {
            assert!(replies.turn(bad, "a").is_err());
        }
    }

    #[test]
    fn they_are_bounded() {
        let replies = Replies::default();
        for n in 0..REPLIES_MAX * 2 {
            replies.turn(&n.to_string(), "a").unwrap();
        }
        let inner = replies.inner.lock().unwrap();
        assert!(inner.0.len() <= REPLIES_MAX && inner.1.len() <= REPLIES_MAX);
    }
}

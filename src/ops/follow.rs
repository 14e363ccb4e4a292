//! The one stream: events from a position in the log, as values for any door.

use super::{Engine, Result};
use crate::domain::{Event, Recorded};
use crate::store::Tail;
use serde_json::Value;

/// Follows a story, or all of them. History and live are one path.
pub struct Follow {
    tail: Tail,
}

/// An event on its way to a reader.
#[derive(Clone, Debug)]
pub struct EventView {
    /// Cursor: following from it yields what comes after.
    pub seq: i64,
    pub kind: String,
    pub story_id: String,
    pub task_id: Option<String>,
    /// The whole event as JSON.
    pub value: Value,
    /// Whether it ends a run.
    pub ends_run: bool,
}

/// Starts after `since`; -1 means from now on.
pub fn follow(engine: &Engine, story: Option<&str>, since: i64) -> Result<Follow> {
    let story = story.map(|id| super::story(engine, id)).transpose()?;
    let since = if since < 0 { engine.store.last_seq()? } else { since };
    Ok(Follow { tail: engine.store.tail(story.map(|story| story.id), since) })
}

impl Follow {
    /// The next events, at least one.
    pub async fn next(&mut self) -> Result<Vec<EventView>> {
        Ok(self.tail.next().await?.iter().map(view).collect())
    }

    /// What there is already, possibly nothing.
    pub fn glance(&mut self) -> Result<Vec<EventView>> {
        Ok(self.tail.glance()?.iter().map(view).collect())
    }
}

fn view(recorded: &Recorded) -> EventView {
    let value = serde_json::to_value(recorded).unwrap_or_default();
    EventView {
        seq: recorded.seq,
        kind: value.get("kind").and_then(Value::as_str).unwrap_or_default().to_owned(),
        story_id: recorded.story_id.to_string(),
        task_id: recorded.event.task().map(ToString::to_string),
        ends_run: matches!(recorded.event, Event::RunEnded { .. }),
        value,
    }
}

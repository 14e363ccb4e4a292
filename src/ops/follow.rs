//! The one stream: events from a position in the log, as values for any door.

use super::{Engine, Result};
use crate::domain::{Event, Recorded, StoryId};
use crate::store::{Store, Tail};
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

/// Reads the log page by page: for readers that keep their own position and are told when there is more.
#[derive(Clone)]
pub struct Reader {
    store: Store,
    story: Option<StoryId>,
}

/// A reader of a story, or of all of them.
pub fn reader(engine: &Engine, story: Option<&str>) -> Result<Reader> {
    let story = story.map(|id| super::story(engine, id)).transpose()?;
    Ok(Reader { store: engine.store.clone(), story: story.map(|story| story.id) })
}

impl Reader {
    /// The first events after a position, at most so many.
    pub fn page(&self, since: i64, limit: usize) -> Result<Vec<EventView>> {
        Ok(self.store.since(self.story, since, limit)?.iter().map(view).collect())
    }

    /// Whole id of the story; none for all of them.
    #[must_use]
    pub fn story_id(&self) -> Option<String> {
        self.story.map(|id| id.to_string())
    }
}

/// Position of the last event, of any story.
pub fn last(engine: &Engine) -> Result<i64> {
    Ok(engine.store.last_seq()?)
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

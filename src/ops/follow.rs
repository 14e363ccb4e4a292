//! The one stream: events from a position in the log, as values for any door.

pub use super::kinds::{KINDS, schemas};
use super::time::Time;
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

/// How far to follow.
#[derive(Clone, Copy, Debug)]
pub enum Until {
    Never,
    /// A run ends at this position of the log or later.
    RunEnds(i64),
    Seq(i64),
}

impl Until {
    #[must_use]
    pub fn is_reached(self, seq: i64, ends_run: bool) -> bool {
        match self {
            Until::Never => false,
            Until::RunEnds(after) => ends_run && seq >= after,
            Until::Seq(last) => seq >= last,
        }
    }
}

/// A part of the log: after a position, and how far.
#[derive(Clone, Copy, Debug)]
pub struct Span {
    pub since: i64,
    pub until: Until,
    /// Nothing follows.
    pub is_over: bool,
}

/// What a reader means. Where no position is given: the active run, else from now on. `until_end`: to the end of the run, or, where
/// nothing runs, of what there is.
pub fn span(engine: &Engine, story: Option<&str>, since: Option<i64>, until_end: bool) -> Result<Span> {
    let story = story.map(|id| super::story(engine, super::Effect::READS, id)).transpose()?;
    let began = story.as_ref().and_then(|story| story.run.as_ref()).map(|run| run.since);
    let last = engine.store.last_seq()?;
    let since = match (since, &story) {
        (Some(since), _) if since >= 0 => since.min(last),
        (None, Some(story)) => began.map_or(story.seq, |began| began - 1),
        (Some(_), _) | (None, None) => last,
    };
    let until = match (&story, began) {
        _ if !until_end => Until::Never,
        (None, _) => Until::RunEnds(0),
        (Some(_), Some(began)) => Until::RunEnds(began),
        (Some(story), None) => Until::Seq(story.seq),
    };
    Ok(Span { since, until, is_over: matches!(until, Until::Seq(last) if since >= last) })
}

/// Starts after `since`; -1 means from now on.
pub fn follow(engine: &Engine, story: Option<&str>, since: i64) -> Result<Follow> {
    let story = story.map(|id| super::story(engine, super::Effect::READS, id)).transpose()?;
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
    let story = story.map(|id| super::story(engine, super::Effect::READS, id)).transpose()?;
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

/// This moment by this machine's clock, as times in answers are written.
#[must_use]
pub fn now() -> String {
    Time::from(jiff::Timestamp::now()).to_string()
}

/// Position of the last event, of any story.
pub fn last(engine: &Engine) -> Result<i64> {
    Ok(engine.store.last_seq()?)
}

impl EventView {
    /// An event as it was sent; none when it is not one.
    #[must_use]
    pub fn received(value: Value) -> Option<EventView> {
        let text = |key: &str| value.get(key).and_then(Value::as_str).map(str::to_owned);
        let kind = text("kind")?;
        let (seq, story_id, task_id) = (value.get("seq")?.as_i64()?, text("storyId")?, text("task"));
        Some(EventView { seq, ends_run: kind == "runEnded", kind, story_id, task_id, value })
    }
}

/// The event as it is sent: its kind first, for readers that choose a type by it.
fn sent(recorded: &Recorded) -> Value {
    let Ok(Value::Object(mut rest)) = serde_json::to_value(recorded) else { return Value::Null };
    let kind = rest.shift_remove("kind").unwrap_or_default();
    // In the words of every other answer; the log's own name stays beside it.
    let run = rest.get("run").cloned().map(|run| ("runId".to_owned(), run));
    let mut value = Value::Object(std::iter::once(("kind".to_owned(), kind)).chain(rest).chain(run).collect());
    super::time::round(&mut value);
    value
}

fn view(recorded: &Recorded) -> EventView {
    let value = sent(recorded);
    EventView {
        seq: recorded.seq,
        kind: value.get("kind").and_then(Value::as_str).unwrap_or_default().to_owned(),
        story_id: recorded.story_id.to_string(),
        task_id: recorded.event.task().map(ToString::to_string),
        ends_run: matches!(recorded.event, Event::RunEnded { .. }),
        value,
    }
}

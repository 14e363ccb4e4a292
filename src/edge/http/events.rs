//! The stream of events as server-sent events and as JSON Lines. A stream is a position in the log: a reader that lags or comes
//! again reads on from there, and nothing is kept for it.

use super::{Shared, problem};
use crate::error::{Code, Error, Result};
use crate::ops::follow::{self, EventView, Reader, Span, Until};
use axum::body::Body;
use axum::extract::rejection::QueryRejection;
use axum::extract::{RawPathParams, State};
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use axum::{Router, extract};
use serde::Deserialize;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::{OwnedSemaphorePermit, watch};
use tokio::time::Instant;

/// Streams at once.
pub(super) const STREAMS_MAX: usize = 2000;
/// A sign of life where nothing happens: below the patience of every proxy and browser.
const HEARTBEAT: Duration = Duration::from_secs(15);
/// Longest time between two signs that a reader may ask for.
const HEARTBEAT_SECONDS_MAX: u64 = 60;
/// Kind of an event that is not in the log: the sign of life for readers that cannot see comments.
pub(super) const HEARTBEAT_KIND: &str = "heartbeat";
/// How much is sent at once, about, and how many events are read from the log at once.
const PAGE_BYTES: usize = 64 * 1024;
const PAGE_EVENTS: usize = 64;
/// How soon a browser comes again.
const RETRY_MS: u32 = 1000;

/// A query as it came: every client writes words and numbers in its own way.
#[derive(Default, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct Query {
    since: Option<String>,
    until_end: Option<String>,
    format: Option<String>,
    kind: Option<String>,
    names: Option<String>,
    heartbeat: Option<String>,
}

/// What a reader wants.
struct Asked {
    since: Option<i64>,
    until_end: bool,
    form: Option<Form>,
    /// Only these kinds; none: all of them.
    kinds: Option<Vec<String>>,
    /// Whether an event of the stream is named by its kind.
    names: bool,
    /// A named sign of life this often, instead of a comment.
    heartbeat: Option<Duration>,
}

impl Asked {
    fn read(query: Query) -> Result<Asked> {
        let wrong = |what: &str| Error::invalid(format!("follow events: {what}"));
        let word = |text: Option<String>| text.map(|text| text.trim().to_ascii_lowercase()).filter(|text| !text.is_empty());
        let yes = |name: &str, text: Option<String>, otherwise: bool| match word(text).as_deref() {
            None => Ok(otherwise),
            Some("true") => Ok(true),
            Some("false") => Ok(false),
            Some(_) => Err(wrong(&format!("`{name}` is neither `true` nor `false`"))),
        };
        let since = word(query.since).map(|text| text.parse().map_err(|_| wrong("`since` is not a position in the log"))).transpose()?;
        let form = match word(query.format).as_deref() {
            None => None,
            Some("jsonl" | "ndjson") => Some(Form::Lines),
            Some("sse") => Some(Form::Sse),
            Some(_) => return Err(wrong("`format` is neither `sse` nor `jsonl`")),
        };
        let seconds = word(query.heartbeat).map(|text| text.parse::<u64>().ok().filter(|s| (1..=HEARTBEAT_SECONDS_MAX).contains(s)));
        let heartbeat = match seconds {
            Some(None) => return Err(wrong(&format!("`heartbeat` is not a number of seconds from 1 to {HEARTBEAT_SECONDS_MAX}"))),
            Some(Some(seconds)) => Some(Duration::from_secs(seconds)),
            None => None,
        };
        let kinds = word(query.kind).map(|text| text.split(',').map(|kind| known(kind.trim())).collect::<Result<Vec<_>>>()).transpose()?;
        let (until_end, names) = (yes("untilEnd", query.until_end, false)?, yes("names", query.names, true)?);
        Ok(Asked { since, until_end, form, kinds, names, heartbeat })
    }
}

/// The kind of events that a word in lower case means.
fn known(word: &str) -> Result<String> {
    let found = follow::KINDS.iter().map(|(kind, ..)| *kind).find(|kind| kind.eq_ignore_ascii_case(word));
    found.map(str::to_owned).ok_or_else(|| {
        let shown: String = word.chars().take(60).collect();
        Error::invalid(format!("follow events: no event is of the kind `{}`", shown.escape_debug()))
            .hint("/openapi.json describes every kind; several are divided by commas")
    })
}

pub(super) fn router(shared: &Arc<Shared>) -> Router {
    let mut router = Router::new().route("/api/events", get(events));
    for prefix in super::routes::PREFIXES {
        router = router.route(&format!("{prefix}/events"), get(events)).route(&format!("{prefix}/{{id}}/events"), get(events));
    }
    router.with_state(shared.clone())
}

async fn events(
    State(shared): State<Arc<Shared>>,
    path: RawPathParams,
    query: Result<extract::Query<Query>, QueryRejection>,
    headers: HeaderMap,
) -> Response {
    let story = path.iter().next().map(|(_, id)| id.to_owned());
    match open(&shared, story, query, &headers).await {
        Ok((stream, form)) => {
            let since = stream.seq.to_string();
            let body = futures_util::stream::unfold(stream, |mut stream| async {
                let chunk = stream.next().await?;
                Some((chunk, stream))
            });
            let kind = match form {
                Form::Sse => "text/event-stream; charset=utf-8",
                Form::Lines => "application/x-ndjson",
            };
            let headers = [(header::CONTENT_TYPE, kind), (header::CACHE_CONTROL, "no-store"), (X_ACCEL_BUFFERING, "no"), (SINCE, &since)];
            (StatusCode::OK, headers, Body::from_stream(body)).into_response()
        }
        Err(error) => problem::problem(&error),
    }
}

/// The position that the stream starts after: for a reader that is cut off before the first event.
const SINCE: header::HeaderName = header::HeaderName::from_static(super::SINCE);
/// Tells nginx to hand on every event as it comes.
const X_ACCEL_BUFFERING: header::HeaderName = header::HeaderName::from_static("x-accel-buffering");

#[derive(Clone, Copy, PartialEq, Eq)]
enum Form {
    Sse,
    Lines,
}

async fn open(
    shared: &Arc<Shared>,
    story: Option<String>,
    query: Result<extract::Query<Query>, QueryRejection>,
    headers: &HeaderMap,
) -> Result<(Stream, Form)> {
    let extract::Query(query) = query.map_err(|error| {
        Error::invalid(format!("follow events: {}", error.body_text()))
            .hint("`since`, `untilEnd`, `format`, `kind`, `names` and `heartbeat` are possible")
    })?;
    let asked = Asked::read(query)?;
    let accepts = headers.get(header::ACCEPT).and_then(|value| value.to_str().ok()).unwrap_or_default();
    let form = match asked.form {
        Some(form) => form,
        None if accepts.contains("application/x-ndjson") || accepts.contains("application/jsonl") => Form::Lines,
        None => Form::Sse,
    };
    let resumed = match headers.get("last-event-id") {
        // A reader that has heard nothing yet has an empty one.
        Some(value) if value.as_bytes().trim_ascii().is_empty() => None,
        None => None,
        Some(value) => {
            let seq = value.to_str().ok().and_then(|text| text.trim().parse::<i64>().ok()).filter(|seq| *seq >= 0);
            Some(seq.ok_or_else(|| Error::invalid("follow events: `Last-Event-ID` is not a position in the log"))?)
        }
    };
    let slot = shared
        .streams
        .clone()
        .try_acquire_owned()
        .map_err(|_| Error::new(Code::LimitReached, "follow events: too many streams at once"))?;
    let (engine, feed) = (shared.engine.clone(), shared.feed.clone());
    // A browser that comes again says where it was; its address still says where it began.
    let (since, until_end) = (resumed.or(asked.since), asked.until_end);
    let (reader, span) = shared
        .calls
        .read(move || Ok((follow::reader(&engine, story.as_deref())?, follow::span(&engine, story.as_deref(), since, until_end)?)))
        .await?;
    let Span { since: seq, until, is_over } = span;
    let story = reader.story_id();
    let (woken, ended) = (feed.subscribe(), feed.ended());
    let Asked { kinds, names, heartbeat, .. } = asked;
    let stream = Stream {
        shared: shared.clone(),
        reader,
        story,
        seq,
        form,
        kinds,
        names,
        heartbeat,
        until,
        is_over,
        greeted: false,
        due: Instant::now(),
        woken,
        ended,
        _slot: slot,
    };
    Ok((stream, form))
}

/// One reader. Only asked for more when its connection has room: whoever reads slowly costs nothing but a position.
struct Stream {
    shared: Arc<Shared>,
    reader: Reader,
    story: Option<String>,
    seq: i64,
    form: Form,
    kinds: Option<Vec<String>>,
    names: bool,
    heartbeat: Option<Duration>,
    until: Until,
    is_over: bool,
    greeted: bool,
    /// When the next sign of life is due, whatever happens that this reader is not told.
    due: Instant,
    woken: watch::Receiver<i64>,
    ended: watch::Receiver<bool>,
    _slot: OwnedSemaphorePermit,
}

impl Stream {
    async fn next(&mut self) -> Option<Result<String, std::convert::Infallible>> {
        self.due = Instant::now() + self.heartbeat.unwrap_or(HEARTBEAT);
        if !self.greeted {
            self.greeted = true;
            if self.form == Form::Sse {
                return Some(Ok(format!("retry: {RETRY_MS}\n\n")));
            }
        }
        loop {
            if self.is_over {
                return None;
            }
            self.woken.borrow_and_update();
            let mut text = String::new();
            // Where the log cannot be read, the reader comes again, and goes on where it was.
            self.page(&mut text).await?;
            if !text.is_empty() {
                return Some(Ok(text));
            }
            if self.seq < self.shared.feed.last() {
                continue;
            }
            let life = self.sign_of_life();
            tokio::select! {
                woken = self.woken.changed() => if woken.is_err() { return None },
                _ = self.ended.wait_for(|ended| *ended) => return None,
                () = tokio::time::sleep_until(self.due) => return Some(Ok(life)),
            }
        }
    }

    /// Adds what comes next, possibly nothing.
    async fn page(&mut self, text: &mut String) -> Option<()> {
        if let Some((items, reached)) = self.shared.feed.after(self.seq, self.story.as_deref(), PAGE_BYTES) {
            for item in &items {
                self.add(text, item.seq, &item.kind, &item.json, item.ends_run);
                if self.is_over {
                    return Some(());
                }
            }
            self.seq = reached;
            return Some(());
        }
        let (reader, since, last) = (self.reader.clone(), self.seq, self.shared.feed.last());
        let found: Vec<EventView> = match self.shared.calls.read(move || reader.page(since, PAGE_EVENTS)).await {
            Ok(found) => found,
            // Whoever waits for a turn is not lost.
            Err(error) if error.code == Code::LimitReached => return Some(()),
            Err(error) => {
                tracing::error!("read the log: {}", error.chain());
                return None;
            }
        };
        let is_all = found.len() < PAGE_EVENTS;
        // What is newer comes with the feed, which also sees to it that statuses know of it.
        for event in found.into_iter().filter(|event| event.seq <= last) {
            self.add(text, event.seq, &event.kind, &event.value.to_string(), event.ends_run);
            self.seq = event.seq;
            if self.is_over {
                return Some(());
            }
        }
        if is_all {
            // Of this story there was nothing more up to here.
            self.seq = self.seq.max(last);
        }
        Some(())
    }

    fn add(&mut self, text: &mut String, seq: i64, kind: &str, json: &str, ends_run: bool) {
        self.is_over = self.until.is_reached(seq, ends_run);
        if self.kinds.as_ref().is_some_and(|kinds| !kinds.iter().any(|wanted| wanted == kind)) {
            return;
        }
        match self.form {
            Form::Sse if self.names => *text += &format!("id: {seq}\nevent: {kind}\ndata: {json}\n\n"),
            Form::Sse => *text += &format!("id: {seq}\ndata: {json}\n\n"),
            Form::Lines => {
                *text += json;
                text.push('\n');
            }
        }
    }

    /// A comment or an empty line, which readers pass over; where it is asked for, an event with the server's clock.
    fn sign_of_life(&self) -> String {
        let seen = || serde_json::json!({ "kind": HEARTBEAT_KIND, "seq": self.seq, "at": follow::now() });
        match (self.form, self.heartbeat) {
            (Form::Sse, None) => ":\n\n".into(),
            (Form::Lines, None) => "\n".into(),
            (Form::Sse, Some(_)) => format!("event: {HEARTBEAT_KIND}\ndata: {}\n\n", seen()),
            (Form::Lines, Some(_)) => format!("{}\n", seen()),
        }
    }
}

//! The stream of events as server-sent events and as JSON Lines. A stream is a position in the log: a reader that lags or comes
//! again reads on from there, and nothing is kept for it.

use super::{Shared, problem};
use crate::error::{Code, Error, Result};
use crate::ops::follow::{self, EventView, Reader, Span, Until};
use axum::Router;
use axum::body::Body;
use axum::extract::rejection::QueryRejection;
use axum::extract::{Query, RawPathParams, State};
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use serde::Deserialize;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::{OwnedSemaphorePermit, watch};

/// Streams at once.
pub(super) const STREAMS_MAX: usize = 2000;
/// A sign of life where nothing happens: below the patience of every proxy and browser.
const HEARTBEAT: Duration = Duration::from_secs(15);
/// How much is sent at once, about, and how many events are read from the log at once.
const PAGE_BYTES: usize = 64 * 1024;
const PAGE_EVENTS: usize = 64;
/// How soon a browser comes again.
const RETRY_MS: u32 = 1000;

#[derive(Default, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct Asked {
    since: Option<i64>,
    #[serde(default)]
    until_end: bool,
    format: Option<String>,
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
    query: Result<Query<Asked>, QueryRejection>,
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
    query: Result<Query<Asked>, QueryRejection>,
    headers: &HeaderMap,
) -> Result<(Stream, Form)> {
    let Query(asked) = query.map_err(|error| {
        Error::invalid(format!("follow events: {}", error.body_text())).hint("`since`, `untilEnd` and `format` are possible")
    })?;
    let accepts = headers.get(header::ACCEPT).and_then(|value| value.to_str().ok()).unwrap_or_default();
    let form = match asked.format.as_deref() {
        Some("jsonl" | "ndjson") => Form::Lines,
        Some("sse") => Form::Sse,
        Some(_) => return Err(Error::invalid("follow events: `format` is neither `sse` nor `jsonl`")),
        None if accepts.contains("application/x-ndjson") || accepts.contains("application/jsonl") => Form::Lines,
        None => Form::Sse,
    };
    let resumed = match headers.get("last-event-id") {
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
    Ok((Stream { shared: shared.clone(), reader, story, seq, form, until, is_over, greeted: false, woken, ended, _slot: slot }, form))
}

/// One reader. Only asked for more when its connection has room: whoever reads slowly costs nothing but a position.
struct Stream {
    shared: Arc<Shared>,
    reader: Reader,
    story: Option<String>,
    seq: i64,
    form: Form,
    until: Until,
    is_over: bool,
    greeted: bool,
    woken: watch::Receiver<i64>,
    ended: watch::Receiver<bool>,
    _slot: OwnedSemaphorePermit,
}

impl Stream {
    async fn next(&mut self) -> Option<Result<String, std::convert::Infallible>> {
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
            tokio::select! {
                woken = self.woken.changed() => if woken.is_err() { return None },
                _ = self.ended.wait_for(|ended| *ended) => return None,
                () = tokio::time::sleep(HEARTBEAT) => {
                    return Some(Ok(match self.form { Form::Sse => ":\n\n".into(), Form::Lines => "\n".into() }));
                }
            }
        }
    }

    /// Adds what comes next, possibly nothing.
    async fn page(&mut self, text: &mut String) -> Option<()> {
        if let Some((items, reached)) = self.shared.feed.after(self.seq, self.story.as_deref(), PAGE_BYTES) {
            for item in &items {
                self.add(text, item.seq, &item.json, item.ends_run);
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
            self.add(text, event.seq, &event.value.to_string(), event.ends_run);
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

    fn add(&mut self, text: &mut String, seq: i64, json: &str, ends_run: bool) {
        match self.form {
            Form::Sse => *text += &format!("id: {seq}\ndata: {json}\n\n"),
            Form::Lines => {
                *text += json;
                text.push('\n');
            }
        }
        self.is_over = self.until.is_reached(seq, ends_run);
    }
}

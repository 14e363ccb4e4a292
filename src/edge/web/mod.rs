//! The board: a page that the server hands out. Its files are written by hand and are part of the program; they hold no data.
//! The page asks the API, with the cookie that its link has set, and writes what it gets as text, never as markup.

use axum::Router;
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use std::hash::{DefaultHasher, Hash, Hasher};

const HTML: &str = "text/html; charset=utf-8";
const CSS: &str = "text/css; charset=utf-8";
const SCRIPT: &str = "text/javascript; charset=utf-8";

/// Path, kind and content of every file of the page.
const FILES: &[(&str, &str, &str)] = &[
    ("/", HTML, include_str!("index.html")),
    ("/board/dialog.css", CSS, include_str!("dialog.css")),
    ("/board/board.css", CSS, include_str!("board.css")),
    ("/board/timeline.css", CSS, include_str!("timeline.css")),
    ("/board/story.css", CSS, include_str!("story.css")),
    ("/board/task.css", CSS, include_str!("task.css")),
    ("/board/theme.js", SCRIPT, include_str!("theme.js")),
    ("/board/app.js", SCRIPT, include_str!("app.js")),
    ("/board/api.js", SCRIPT, include_str!("api.js")),
    ("/board/alone.js", SCRIPT, include_str!("alone.js")),
    ("/board/stream.js", SCRIPT, include_str!("stream.js")),
    ("/board/store.js", SCRIPT, include_str!("store.js")),
    ("/board/log.js", SCRIPT, include_str!("log.js")),
    ("/board/dom.js", SCRIPT, include_str!("dom.js")),
    ("/board/words.js", SCRIPT, include_str!("words.js")),
    ("/board/icons.js", SCRIPT, include_str!("icons.js")),
    ("/board/list.js", SCRIPT, include_str!("list.js")),
    ("/board/story.js", SCRIPT, include_str!("story.js")),
    ("/board/plan.js", SCRIPT, include_str!("plan.js")),
    ("/board/graph.js", SCRIPT, include_str!("graph.js")),
    ("/board/time.js", SCRIPT, include_str!("time.js")),
    ("/board/timeline.js", SCRIPT, include_str!("timeline.js")),
    ("/board/gate.js", SCRIPT, include_str!("gate.js")),
    ("/board/lines.js", SCRIPT, include_str!("lines.js")),
    ("/board/task.js", SCRIPT, include_str!("task.js")),
    ("/board/tabs.js", SCRIPT, include_str!("tabs.js")),
    ("/board/transcript.js", SCRIPT, include_str!("transcript.js")),
    ("/board/diff.js", SCRIPT, include_str!("diff.js")),
    ("/board/actions.js", SCRIPT, include_str!("actions.js")),
    ("/board/dialog.js", SCRIPT, include_str!("dialog.js")),
    ("/board/notices.js", SCRIPT, include_str!("notices.js")),
];

/// The page and its files. It holds no data; the page asks the API, with the cookie that its link has set.
pub(super) fn router() -> Router {
    FILES.iter().fold(Router::new(), |router, &(path, kind, text)| {
        let tag = tag(text);
        router.route(path, get(move |headers: HeaderMap| async move { file(&headers, kind, text, &tag) }))
    })
}

/// Changes with the content.
fn tag(text: &str) -> String {
    let mut hasher = DefaultHasher::new();
    text.hash(&mut hasher);
    format!("\"{:016x}\"", hasher.finish())
}

fn file(headers: &HeaderMap, kind: &'static str, text: &'static str, tag: &str) -> Response {
    let known = headers.get(header::IF_NONE_MATCH).and_then(|value| value.to_str().ok());
    let cached = [(header::ETAG, tag.to_owned()), (header::CACHE_CONTROL, "no-cache".to_owned())];
    if known.is_some_and(|tags| tags.split(',').any(|known| known.trim().trim_start_matches("W/") == tag)) {
        return (StatusCode::NOT_MODIFIED, cached).into_response();
    }
    (cached, [(header::CONTENT_TYPE, kind)], text).into_response()
}

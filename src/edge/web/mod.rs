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
    ("/board/board.css", CSS, include_str!("board.css")),
    ("/board/theme.js", SCRIPT, include_str!("theme.js")),
    ("/board/app.js", SCRIPT, include_str!("app.js")),
    ("/board/api.js", SCRIPT, include_str!("api.js")),
    ("/board/dom.js", SCRIPT, include_str!("dom.js")),
    ("/board/graph.js", SCRIPT, include_str!("graph.js")),
    ("/board/timeline.js", SCRIPT, include_str!("timeline.js")),
    ("/board/task.js", SCRIPT, include_str!("task.js")),
    ("/board/lines.js", SCRIPT, include_str!("lines.js")),
    ("/board/actions.js", SCRIPT, include_str!("actions.js")),
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

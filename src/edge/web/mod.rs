//! The board: a page that the server hands out. Its files are part of the program.

use axum::Router;
use axum::response::Html;
use axum::routing::get;

/// The page and its files. It holds no data; the page asks the API, with the cookie that its link has set.
pub(super) fn router() -> Router {
    Router::new().route("/", get(|| async { Html("<!doctype html><title>Aura</title><p>Aura is running.</p>\n") }))
}

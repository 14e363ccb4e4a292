//! `GET /health`: whether a server answers, for whoever watches over it. It needs no token and tells nothing about stories.

use axum::Router;
use axum::http::header;
use axum::response::IntoResponse;
use axum::routing::get;
use serde_json::json;

pub(super) const PATH: &str = "/health";

pub(super) fn router() -> Router {
    Router::new().route(PATH, get(health))
}

async fn health() -> impl IntoResponse {
    let body = json!({ "status": "ok", "name": "aura", "version": env!("CARGO_PKG_VERSION") });
    ([(header::CONTENT_TYPE, "application/json")], body.to_string())
}

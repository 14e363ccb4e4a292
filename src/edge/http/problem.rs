//! Refusals over HTTP: the one problem document, with the status of the code table.

use crate::error::{Code, Error, Problem};
use axum::extract::Request;
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};

/// The problem with the status of its code.
pub(super) fn problem(error: &Error) -> Response {
    with_status(error, error.code.row().http)
}

/// For what only HTTP knows: a method, a size, a type of content.
pub(super) fn with_status(error: &Error, status: u16) -> Response {
    let problem = Problem { status, ..Problem::from(error) };
    let text = serde_json::to_string(&problem).unwrap_or_default();
    let status = StatusCode::from_u16(status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    let mut response = (status, [(header::CONTENT_TYPE, "application/problem+json")], text).into_response();
    let headers = response.headers_mut();
    headers.insert(super::EXIT_CODE, HeaderValue::from(u16::from(error.code.row().exit)));
    match error.code {
        Code::NeedsToken => {
            headers.insert(header::WWW_AUTHENTICATE, HeaderValue::from_static("Bearer realm=\"aura\""));
        }
        Code::LimitReached | Code::Unavailable => {
            headers.insert(header::RETRY_AFTER, HeaderValue::from_static("1"));
        }
        Code::InvalidRequest
        | Code::InvalidPlan
        | Code::NotFound
        | Code::Ambiguous
        | Code::IllegalState
        | Code::Conflict
        | Code::Busy
        | Code::NotARepository
        | Code::NeedsLogin
        | Code::NeedsPerson
        | Code::Forbidden
        | Code::TimedOut
        | Code::Internal => {}
    }
    response
}

pub(super) async fn no_route(request: Request) -> Response {
    let path: String = request.uri().path().chars().take(100).collect();
    problem(&Error::new(Code::NotFound, format!("no route `{}`", path.escape_debug())).hint("/openapi.json describes every route"))
}

pub(super) async fn no_method(request: Request) -> Response {
    let method: String = request.method().as_str().chars().take(20).collect();
    let path: String = request.uri().path().chars().take(100).collect();
    with_status(&Error::invalid(format!("`{}` is not possible on `{}`", method.escape_debug(), path.escape_debug())), 405)
}

//! One request for a verb: its arguments from path, query and body; its answer as JSON. Decides nothing.

use super::replies::{self, Turn};
use super::routes::{Method, PREFIXES, ROUTES, RUN, Route};
use super::{EXIT_CODE, Shared, TOOLS, problem};
use crate::error::{Error, Result};
use crate::ops::{self, Answer, Verb};
use axum::Router;
use axum::body::{Body, Bytes};
use axum::extract::rejection::{PathRejection, QueryRejection};
use axum::extract::{FromRequestParts, Path, Query, RawPathParams, Request, State};
use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::{MethodFilter, get, on, post};
use serde::Deserialize;
use serde_json::{Map, Value};
use std::hash::{DefaultHasher, Hash, Hasher};
use std::sync::Arc;
use std::time::Duration;

/// Largest body of a request: a plan of 256 tasks with long prompts.
const BODY_BYTES_MAX: usize = 8 * 1024 * 1024;
/// Longest time for a body to come.
const BODY_TIME: Duration = Duration::from_secs(30);
/// How long a call waits that joins a run, and when to ask what has become of one.
const JOINED: Duration = Duration::from_secs(1);
const AGAIN_SECONDS: &str = "2";
/// Stands for `waitSeconds` in the query of a run, as short as people type it.
const WAIT: &str = "wait";

/// A verb where it is served.
struct Place {
    shared: Arc<Shared>,
    verb: &'static Verb,
    /// None: by its name, with the contract of `aura call`.
    route: Option<&'static Route>,
    prefix: &'static str,
}

/// Every verb under every prefix, and by its name.
pub(super) fn router(shared: &Arc<Shared>) -> Router {
    let mut router = Router::new().route(&format!("{TOOLS}/{{tool}}"), post(by_name)).with_state(shared.clone());
    for route in ROUTES {
        let Some(verb) = route.verb() else { continue };
        let filter = match route.method {
            Method::Get => MethodFilter::GET,
            Method::Post => MethodFilter::POST,
            Method::Delete => MethodFilter::DELETE,
        };
        for prefix in PREFIXES {
            let place = Arc::new(Place { shared: shared.clone(), verb, route: Some(route), prefix });
            router = router.route(&format!("{prefix}{}", route.path), on(filter, move |request: Request| answer(place, request)));
        }
    }
    for prefix in PREFIXES {
        router = router.merge(Router::new().route(&format!("{prefix}{RUN}"), get(result)).with_state(shared.clone()));
    }
    router
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Waiting {
    wait: Option<String>,
}

/// What a run has come to, for those who started it and went on.
async fn result(
    State(shared): State<Arc<Shared>>,
    path: Result<Path<(String, String)>, PathRejection>,
    query: Result<Query<Waiting>, QueryRejection>,
    headers: HeaderMap,
) -> Response {
    let asked = || -> Result<(String, String, u64)> {
        let Path((story, run)) = path.map_err(|_| Error::invalid("show a run: the path is not UTF-8"))?;
        let hint = "`wait` is possible: seconds to wait for its end";
        let Query(Waiting { wait }) = query.map_err(|error| Error::invalid(format!("show a run: {}", error.body_text())).hint(hint))?;
        let wait = match wait.as_deref().map(str::trim) {
            None | Some("") => 0,
            Some(text) => text.parse::<u64>().map_err(|_| Error::invalid("show a run: `wait` is no whole number from 0").hint(hint))?,
        };
        if wait > ops::WAIT_SECONDS_MAX {
            return Err(Error::invalid(format!("show a run: `wait` is {wait}; 0 to {} are possible", ops::WAIT_SECONDS_MAX)));
        }
        Ok((story, run, wait))
    };
    let answer = match asked() {
        Ok((story, run, wait)) => shared.calls.result(shared.engine.clone(), story, run, Duration::from_secs(wait)).await,
        Err(error) => Err(error),
    };
    match answer {
        Ok(answer) => tagged(&headers, head(answer.exit_code), answer.value.to_string()),
        Err(error) => problem::problem(&error),
    }
}

/// `aura call` over HTTP: what is asked and what is answered are the same, whatever the verb.
async fn by_name(State(shared): State<Arc<Shared>>, request: Request) -> Response {
    let name = request.uri().path().rsplit('/').next().unwrap_or_default();
    match ops::find(name) {
        Ok(verb) => answer(Arc::new(Place { shared, verb, route: None, prefix: "" }), request).await,
        Err(error) => problem::problem(&error),
    }
}

async fn answer(place: Arc<Place>, request: Request) -> Response {
    match exchange(&place, request).await {
        Ok(response) => response,
        Err(Refusal { error, status: None }) => problem::problem(&error),
        Err(Refusal { error, status: Some(status) }) => problem::with_status(&error, status),
    }
}

/// With a status of its own for what only HTTP knows.
struct Refusal {
    error: Error,
    status: Option<u16>,
}

impl From<Error> for Refusal {
    fn from(error: Error) -> Refusal {
        Refusal { error, status: None }
    }
}

async fn exchange(place: &Arc<Place>, request: Request) -> Result<Response, Refusal> {
    let (mut parts, body) = request.into_parts();
    let is_status = place.verb.name == "get_orchestrator_status" && place.route.is_some();
    if is_status && let Some(text) = place.shared.statuses.get(&parts.uri.to_string()) {
        return Ok(tagged(&parts.headers, head(0), text));
    }
    let path = RawPathParams::from_request_parts(&mut parts, &()).await.map_err(|_| Error::invalid("the path is not UTF-8"))?;
    let query = Query::<Vec<(String, String)>>::from_request_parts(&mut parts, &()).await;
    let Query(query) = query.map_err(|_| Error::invalid("the query cannot be read"))?;
    let mut args = Map::new();
    if parts.method == axum::http::Method::POST {
        args = read_body(&parts.headers, body, place).await?;
    }
    // What stands in two places is compared in one form.
    args = ops::fit(place.verb, args);
    add_query(&mut args, place, query)?;
    if place.route.is_some() {
        for (name, text) in &path {
            let name = if name == "id" { "storyId" } else { name };
            if args.get(name).is_some_and(|given| given != text) {
                return Err(Error::invalid(format!("`{name}` is given twice, and not alike")).into());
            }
            args.insert(name.to_owned(), text.into());
        }
    }
    let args = ops::fit(place.verb, args);
    let key = match parts.headers.get("idempotency-key") {
        Some(key) if !place.verb.effect.read_only && parts.method == axum::http::Method::POST => {
            Some(key.to_str().map_err(|_| Error::invalid("`Idempotency-Key` is not ASCII"))?.to_owned())
        }
        Some(_) | None => None,
    };
    if is_status {
        return Ok(status(place, &parts.headers, parts.uri.to_string(), args).await?);
    }
    match key {
        None => {
            let answer = call(place, args.clone()).await?;
            let answer = pause(place, &args, answer).await;
            let mut response = respond(place, &parts.headers, &answer);
            if let Some(next) = next_page(place, parts.uri.query(), &answer) {
                response.headers_mut().insert(header::LINK, next);
            }
            Ok(response)
        }
        Some(key) => once(place, &parts.headers, &key, args).await,
    }
}

/// The one that is asked for again and again: nothing is read or made anew while nothing happens.
async fn status(place: &Place, headers: &HeaderMap, asked: String, args: Map<String, Value>) -> Result<Response> {
    let turn = place.shared.statuses.turn();
    let answer = call(place, args).await?;
    let (story, text) = (answer.value["storyId"].as_str().unwrap_or_default().to_owned(), Bytes::from(answer.value.to_string()));
    place.shared.statuses.put(asked, turn, story, text.clone());
    Ok(tagged(headers, head(0), text))
}

async fn call(place: &Place, args: Map<String, Value>) -> Result<Answer> {
    let shared = &place.shared;
    let waits = place.verb.name == "wait_for_wave" || args.get("waitSeconds").and_then(Value::as_u64).is_some_and(|seconds| seconds > 0);
    let answer = shared.calls.call(shared.engine.clone(), place.verb, Value::Object(args), waits).await;
    // Whoever knows what this call has done, or seen, is told nothing older afterwards.
    let is_ahead = |answer: &Answer| answer.value["seq"].as_i64().is_some_and(|seq| seq > shared.feed.last());
    if !place.verb.effect.read_only || answer.as_ref().is_ok_and(is_ahead) {
        shared.statuses.forget();
    }
    answer
}

/// A run that goes on already is answered a little later: a loop that asks until the story is complete asks once a second.
async fn pause(place: &Place, args: &Map<String, Value>, answer: Answer) -> Answer {
    let joined = place.verb.name == "run_wave" && answer.value["isRunning"] == true && answer.value["started"] == false;
    let (Some(story), Some(run)) = (answer.value["storyId"].as_str(), answer.value["runId"].as_str()) else { return answer };
    if !joined || place.route.is_none() || args.contains_key("waitSeconds") {
        return answer;
    }
    let shared = &place.shared;
    match shared.calls.result(shared.engine.clone(), story.to_owned(), run.to_owned(), JOINED).await {
        Ok(mut later) => {
            later.value["started"] = false.into();
            later
        }
        // What was said already holds.
        Err(_) => answer,
    }
}

/// The first with a key does it, to the end even if it goes away; the others hear what came of it.
async fn once(place: &Arc<Place>, headers: &HeaderMap, key: &str, args: Map<String, Value>) -> Result<Response, Refusal> {
    let asked = format!("{} {}", place.verb.name, Value::Object(args.clone()));
    loop {
        match place.shared.replies.turn(key, &asked)? {
            Turn::Reused => {
                let error = Error::invalid("`Idempotency-Key` was used for another request").hint("take a new key for each request");
                return Err(Refusal { error, status: Some(422) });
            }
            Turn::First(sender) => {
                let worker = place.clone();
                let done = tokio::spawn(async move {
                    let done = call(&worker, args).await;
                    replies::tell(&sender, &done);
                    done
                });
                let done = done.await.map_err(|e| Error::internal("wait for a call").because(e))?;
                return Ok(respond(place, headers, &done?));
            }
            Turn::Again(outcome) => {
                let Some(answer) = replies::wait(outcome).await else { continue };
                let mut response = respond(place, headers, &answer);
                response.headers_mut().insert("idempotency-replayed", HeaderValue::from_static("true"));
                return Ok(response);
            }
        }
    }
}

/// A body of JSON; none is an empty object.
async fn read_body(headers: &HeaderMap, body: Body, place: &Place) -> Result<Map<String, Value>, Refusal> {
    let doing = format!("call `{}`", place.verb.name);
    let refuse = |what: String, status| Refusal { error: Error::invalid(format!("{doing}: {what}")), status: Some(status) };
    let bytes = match tokio::time::timeout(BODY_TIME, axum::body::to_bytes(body, BODY_BYTES_MAX)).await {
        Ok(Ok(bytes)) => bytes,
        Ok(Err(_)) => return Err(refuse(format!("the body is longer than {BODY_BYTES_MAX} bytes, or broke off"), 413)),
        Err(_) => return Err(refuse(format!("the body did not come within {} s", BODY_TIME.as_secs()), 408)),
    };
    // Programs on Windows put a mark in front.
    let bytes = bytes.strip_prefix(b"\xef\xbb\xbf").unwrap_or(&bytes);
    if bytes.iter().all(u8::is_ascii_whitespace) {
        return Ok(Map::new());
    }
    let kind = headers.get(header::CONTENT_TYPE).and_then(|value| value.to_str().ok()).unwrap_or_default();
    let kind = kind.split(';').next().unwrap_or_default().trim();
    if !is_json(kind) {
        return Err(refuse("the body's `Content-Type` is not `application/json`".into(), 415));
    }
    match serde_json::from_slice(bytes) {
        Ok(Value::Object(fields)) => Ok(fields),
        // The words of every door.
        Ok(Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) | Value::Array(_)) => {
            Err(Error::invalid(format!("{doing}: the arguments are not a JSON object"))
                .hint("give an object, for example {\"storyId\": \"latest\"}")
                .into())
        }
        Err(e) => Err(Error::invalid(format!("{doing}: the arguments are not JSON: {e}")).into()),
    }
}

fn is_json(kind: &str) -> bool {
    let kind = kind.to_ascii_lowercase();
    ["application/json", "text/json"].contains(&kind.as_str()) || kind.starts_with("application/") && kind.ends_with("+json")
}

/// The texts of a query, for the verb to read or to refuse by name.
fn add_query(args: &mut Map<String, Value>, place: &Place, query: Vec<(String, String)>) -> Result<()> {
    let is_post = place.route.is_none_or(|route| route.method == Method::Post);
    for (name, text) in query {
        let name = if name == WAIT && place.verb.name == "run_wave" { "waitSeconds".to_owned() } else { name };
        if is_post && (name != "waitSeconds" || place.route.is_none()) {
            let shown: String = name.chars().take(60).collect();
            return Err(Error::invalid(format!("call `{}`: `{}` belongs into the body", place.verb.name, shown.escape_debug())));
        }
        let value = Value::String(text);
        let alone = ops::fit(place.verb, Map::from_iter([(name.clone(), value.clone())]));
        // Nothing is no answer to what the body says.
        let Some((name, value)) = alone.into_iter().next() else { continue };
        if args.insert(name.clone(), value.clone()).is_some_and(|given| given != value) {
            let shown: String = name.chars().take(60).collect();
            return Err(Error::invalid(format!("call `{}`: `{}` is given twice", place.verb.name, shown.escape_debug())));
        }
    }
    Ok(())
}

fn respond(place: &Place, asked: &HeaderMap, answer: &Answer) -> Response {
    let text = serde_json::to_string(&answer.value).unwrap_or_default();
    let mut headers = head(answer.exit_code);
    let status = match (place.verb.name, place.route) {
        (_, None) => StatusCode::OK,
        ("create_story", Some(_)) => {
            locate(&mut headers, &format!("{}/{}", place.prefix, answer.value["id"].as_str().unwrap_or_default()));
            StatusCode::CREATED
        }
        ("run_wave", Some(_)) if answer.value["isRunning"] == true => {
            let story = format!("{}/{}", place.prefix, answer.value["storyId"].as_str().unwrap_or_default());
            locate(&mut headers, &format!("{story}/orchestrator-status"));
            let since = answer.value["since"].as_i64().unwrap_or(0) - 1;
            if let Ok(link) = HeaderValue::from_str(&format!("<{story}/events?since={since}&untilEnd=true>; rel=\"monitor\"")) {
                headers.insert(header::LINK, link);
            }
            headers.insert(header::RETRY_AFTER, HeaderValue::from_static(AGAIN_SECONDS));
            StatusCode::ACCEPTED
        }
        (_, Some(route)) if route.method == Method::Get => return tagged(asked, headers, text),
        (_, Some(_)) => StatusCode::OK,
    };
    (status, headers, text).into_response()
}

/// Where a list goes on: the same question with another cursor.
fn next_page(place: &Place, query: Option<&str>, answer: &Answer) -> Option<HeaderValue> {
    let route = place.route.filter(|route| route.verb == "list_stories")?;
    let cursor = answer.value["nextCursor"].as_str()?;
    let same = query.unwrap_or_default().split('&').filter(|part| !part.is_empty() && !part.starts_with("cursor="));
    let query: String = same.map(|part| format!("{part}&")).collect();
    HeaderValue::from_str(&format!("<{}{}?{query}cursor={cursor}>; rel=\"next\"", place.prefix, route.path)).ok()
}

fn head(exit_code: u8) -> HeaderMap {
    let mut headers = HeaderMap::new();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
    headers.insert(EXIT_CODE, HeaderValue::from(u16::from(exit_code)));
    headers
}

fn locate(headers: &mut HeaderMap, path: &str) {
    if let Ok(location) = HeaderValue::from_str(path) {
        headers.insert(header::LOCATION, location);
    }
}

/// With a tag of its content, and without it where the client has it already.
fn tagged(asked: &HeaderMap, mut headers: HeaderMap, text: impl Into<Bytes>) -> Response {
    let text = text.into();
    let mut hasher = DefaultHasher::new();
    text.hash(&mut hasher);
    let tag = format!("\"{:016x}\"", hasher.finish());
    let known = asked.get_all(header::IF_NONE_MATCH).iter().filter_map(|value| value.to_str().ok()).flat_map(|value| value.split(','));
    let is_known = known.map(str::trim).any(|one| one == "*" || one.trim_start_matches("W/") == tag);
    if let Ok(tag) = HeaderValue::from_str(&tag) {
        headers.insert(header::ETAG, tag);
    }
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("private, no-cache"));
    if is_known {
        headers.remove(header::CONTENT_TYPE);
        return (StatusCode::NOT_MODIFIED, headers).into_response();
    }
    (StatusCode::OK, headers, text).into_response()
}

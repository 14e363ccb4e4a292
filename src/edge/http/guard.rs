//! Who may ask: requests under our own name (no DNS rebinding), from our own page or from a program, with the token or with the
//! cookie that a link has set. Data is private to its owner, so reading it needs the token too; the page's files do not.

use super::{Shared, problem};
use crate::error::{Code, Error, Result};
use axum::Router;
use axum::extract::{Query, Request, State};
use axum::http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode, header};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use serde_json::json;
use std::collections::{HashMap, VecDeque};
use std::net::SocketAddr;
use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};

/// Files in Aura's home: what programs send, and what the page's cookie holds. Removing the second logs every browser out.
pub(in crate::edge) const TOKEN_FILE: &str = "http-token";
const COOKIE_FILE: &str = "http-cookie";
/// Links that were printed and not opened yet.
const LINKS_MAX: usize = 16;
const LINK: &str = "/open";
/// What a browser shows when a link was used.
const USED: &str = include_str!("../web/used_link.html");

/// Sent with every answer. No inline script, no inline style, nothing from elsewhere, in nobody's frame.
const HEADERS: &[(&str, &str)] = &[
    (
        "content-security-policy",
        "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; font-src 'self'; connect-src 'self'; \
         manifest-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
    ),
    ("x-content-type-options", "nosniff"),
    ("x-frame-options", "DENY"),
    ("referrer-policy", "no-referrer"),
    ("cross-origin-opener-policy", "same-origin"),
    ("cross-origin-resource-policy", "same-origin"),
];

pub(super) struct Guard {
    token: String,
    cookie: String,
    cookie_name: String,
    /// `host:port` under which requests may come, in lower case.
    hosts: Vec<String>,
    base: String,
    links: Mutex<VecDeque<String>>,
}

impl Guard {
    pub(super) fn new(home: &Path, bound: SocketAddr, names: &[String]) -> Result<Guard> {
        let mut hosts: Vec<String> = names.iter().map(|name| name.to_ascii_lowercase()).collect();
        if !bound.ip().is_unspecified() {
            hosts.push(bound.to_string());
        }
        if bound.ip().is_loopback() {
            hosts.extend(["localhost", "127.0.0.1", "[::1]"].map(|name| format!("{name}:{}", bound.port())));
        }
        if bound.port() == 80 {
            let bare: Vec<String> = hosts.iter().filter_map(|host| host.strip_suffix(":80").map(str::to_owned)).collect();
            hosts.extend(bare);
        }
        Ok(Guard {
            token: crate::engine::secret(&home.join(TOKEN_FILE))?,
            cookie: crate::engine::secret(&home.join(COOKIE_FILE))?,
            // Cookies do not know ports: two servers of one machine must not overwrite one another's.
            cookie_name: format!("aura-{}", bound.port()),
            base: format!("http://{}", if bound.ip().is_unspecified() { hosts[0].clone() } else { bound.to_string() }),
            hosts,
            links: Mutex::default(),
        })
    }

    /// Where the server is asked, without a path.
    pub(super) fn origin(&self) -> &str {
        &self.base
    }

    /// A link that opens the board once.
    pub(super) fn link(&self) -> String {
        let ticket = crate::engine::ticket();
        let mut links = self.links.lock().unwrap_or_else(PoisonError::into_inner);
        if links.len() >= LINKS_MAX {
            links.pop_front();
        }
        links.push_back(ticket.clone());
        format!("{}{LINK}?ticket={ticket}", self.base)
    }

    fn redeem(&self, ticket: &str) -> bool {
        let mut links = self.links.lock().unwrap_or_else(PoisonError::into_inner);
        let found = links.iter().position(|known| is_same(known.as_bytes(), ticket.as_bytes()));
        found.is_some_and(|at| links.remove(at).is_some())
    }

    /// The name under which a request comes and the page that sends it, where one does.
    fn check(&self, method: &Method, headers: &HeaderMap) -> Result<()> {
        let refuse = |detail: String| Err(Error::new(Code::Forbidden, detail));
        let text = |name: HeaderName| headers.get(name).map(|value| value.to_str().unwrap_or("?").to_ascii_lowercase());
        let host = text(header::HOST).unwrap_or_default();
        if headers.get_all(header::HOST).iter().count() != 1 || !self.hosts.contains(&host) {
            let shown: String = host.chars().take(60).collect();
            return refuse(format!("answer under the name `{}`: this server does not go by it", shown.escape_debug()));
        }
        if let Some(origin) = text(header::ORIGIN)
            && !self.is_own(&origin, &host)
        {
            let shown: String = origin.chars().take(60).collect();
            return refuse(format!("answer a page of `{}`: only this server's own page may ask", shown.escape_debug()));
        }
        let crosses = text(HeaderName::from_static("sec-fetch-site")).is_some_and(|site| site == "cross-site" || site == "same-site");
        if crosses && (!method.is_safe() || text(HeaderName::from_static("sec-fetch-mode")).is_some_and(|mode| mode != "navigate")) {
            return refuse("answer a page of another origin: only this server's own page may ask".into());
        }
        Ok(())
    }

    /// A proxy in front may speak TLS; the name decides.
    fn is_own(&self, origin: &str, host: &str) -> bool {
        origin.strip_prefix("http://").or_else(|| origin.strip_prefix("https://")) == Some(host)
    }

    /// The token, or the cookie; with the cookie, a change must come from our own page.
    fn admit(&self, method: &Method, headers: &HeaderMap) -> Result<()> {
        let bearer = headers.get(header::AUTHORIZATION).and_then(|value| value.to_str().ok()).and_then(|value| value.split_once(' '));
        if let Some((_, given)) = bearer.filter(|(scheme, _)| scheme.eq_ignore_ascii_case("bearer"))
            && is_same(given.trim().as_bytes(), self.token.as_bytes())
        {
            return Ok(());
        }
        let cookies = headers.get_all(header::COOKIE).iter().filter_map(|value| value.to_str().ok()).flat_map(|value| value.split(';'));
        let given = cookies.filter_map(|cookie| cookie.trim().split_once('=')).find(|(name, _)| *name == self.cookie_name);
        if !given.is_some_and(|(_, value)| is_same(value.as_bytes(), self.cookie.as_bytes())) {
            return Err(Error::new(Code::NeedsToken, "answer without the token").hint(format!(
                "send `Authorization: Bearer …` with the content of {TOKEN_FILE} in Aura's home, or open the link that `aura serve` prints"
            )));
        }
        // Its value was checked already, where there is one.
        if !method.is_safe() && !headers.contains_key(header::ORIGIN) {
            return Err(
                Error::new(Code::Forbidden, "change something by cookie without an `Origin`").hint("programs send the token instead")
            );
        }
        Ok(())
    }
}

/// What only the guard answers.
pub(super) fn router(shared: &Arc<Shared>) -> Router {
    let link = post(make_link).route_layer(axum::middleware::from_fn_with_state(shared.clone(), require_token));
    Router::new().route(LINK, get(open)).route("/api/link", link).with_state(shared.clone())
}

/// The link: once, and then the cookie does, also for whoever follows the link again.
async fn open(
    State(shared): State<Arc<Shared>>,
    headers: HeaderMap,
    query: Result<Query<HashMap<String, String>>, axum::extract::rejection::QueryRejection>,
) -> Response {
    let ticket = query.ok().and_then(|Query(mut query)| query.remove("ticket")).unwrap_or_default();
    if !shared.guard.redeem(&ticket) {
        if shared.guard.admit(&Method::GET, &headers).is_ok() {
            return (StatusCode::SEE_OTHER, [(header::LOCATION, "/")]).into_response();
        }
        if headers.get(header::ACCEPT).and_then(|value| value.to_str().ok()).is_some_and(|kinds| kinds.contains("text/html")) {
            return (StatusCode::FORBIDDEN, [(header::CONTENT_TYPE, "text/html; charset=utf-8")], USED).into_response();
        }
        let error = Error::new(Code::Forbidden, "open the board: the link was used already, or is not from this server")
            .hint("start `aura serve` again for a new one, or ask a running one: POST /api/link with the token");
        return problem::problem(&error);
    }
    let cookie = format!("{}={}; Path=/; HttpOnly; SameSite=Strict; Max-Age=31536000", shared.guard.cookie_name, shared.guard.cookie);
    (StatusCode::SEE_OTHER, [(header::LOCATION, "/".to_owned()), (header::SET_COOKIE, cookie), (header::CACHE_CONTROL, "no-store".into())])
        .into_response()
}

async fn make_link(State(shared): State<Arc<Shared>>) -> Response {
    axum::Json(json!({ "url": shared.guard.link() })).into_response()
}

/// For every request: names and origins before, headers after.
pub(super) async fn check(State(shared): State<Arc<Shared>>, request: Request, next: Next) -> Response {
    let mut response = match shared.guard.check(request.method(), request.headers()) {
        Ok(()) => next.run(request).await,
        Err(error) => problem::problem(&error),
    };
    let headers = response.headers_mut();
    for (name, value) in HEADERS {
        headers.entry(*name).or_insert(HeaderValue::from_static(value));
    }
    headers.entry(header::CACHE_CONTROL).or_insert(HeaderValue::from_static("no-store"));
    headers.insert(HeaderName::from_static("keep-alive"), HeaderValue::from_static(super::server::KEEP_ALIVE));
    response
}

/// For everything that shows or changes data.
pub(super) async fn require_token(State(shared): State<Arc<Shared>>, request: Request, next: Next) -> Response {
    match shared.guard.admit(request.method(), request.headers()) {
        Ok(()) => next.run(request).await,
        Err(error) => problem::problem(&error),
    }
}

/// Compares in a time that does not depend on where they differ.
fn is_same(one: &[u8], other: &[u8]) -> bool {
    let differs = one.iter().zip(other).fold(0, |differs, (a, b)| std::hint::black_box(differs | (a ^ b)));
    one.len() == other.len() && differs == 0
}

//! The same door over streamable HTTP: on this machine only unless told otherwise, with the host and the origin of every
//! request checked (a page in a browser is refused), and a bearer token that only this user can read.

use super::door::{Door, Shared};
use crate::edge::term;
use crate::error::{Code, Error, Result};
use axum::Router;
use axum::extract::{Request, State};
use axum::http::{StatusCode, header};
use axum::middleware::{Next, from_fn_with_state};
use axum::response::{IntoResponse, Response};
use rmcp::ServerHandler;
use rmcp::transport::streamable_http_server::session::local::LocalSessionManager;
use rmcp::transport::{StreamableHttpServerConfig, StreamableHttpService};
use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;
use tokio::net::TcpListener;
use tokio::sync::watch;

/// Name of the file in Aura's home that holds the token.
const TOKEN_FILE: &str = "mcp-token";
const PATH: &str = "/mcp";

/// Whether a token is asked for.
#[derive(Clone)]
pub(super) enum Guard {
    Token(PathBuf),
    /// On loopback only: for programs that cannot send a header.
    Open,
}

impl Guard {
    pub(super) fn token(home: &std::path::Path) -> Guard {
        Guard::Token(home.join(TOKEN_FILE))
    }
}

/// Serves until interrupted.
pub(super) async fn serve(shared: Arc<Shared>, address: &str, guard: Guard) -> Result<u8> {
    let doing = |what: &str| format!("serve MCP on {}: {what}", address.escape_debug());
    let address: SocketAddr = address
        .parse()
        .map_err(|_| Error::invalid(doing("it is not an address and a port")).hint("for example 127.0.0.1:0, where 0 takes a free port"))?;
    if address.ip().is_unspecified() {
        return Err(Error::invalid(doing("the names under which requests come cannot be known")).hint("give the address of one interface"));
    }
    let token = match &guard {
        Guard::Token(path) => Some(crate::engine::secret(path)?),
        Guard::Open if address.ip().is_loopback() => None,
        Guard::Open => return Err(Error::invalid(doing("without a token only this machine may ask")).hint("leave out --no-token")),
    };
    let listener = TcpListener::bind(address).await.map_err(|e| Error::new(Code::Unavailable, doing("listen")).because(e))?;
    let bound = listener.local_addr().map_err(|e| Error::internal(doing("listen")).because(e))?;
    let (ended, end) = watch::channel(false);
    let (mut app, stop) = router(bound, move || Door::new(shared.clone(), end.clone()));
    if let Some(token) = token {
        app = app.layer(from_fn_with_state(Arc::<str>::from(token), require_token));
    }
    let how = match &guard {
        Guard::Token(path) => format!("The token is in {}.", path.display()),
        Guard::Open => "No token is asked for.".into(),
    };
    term::err(&format!("MCP: http://{bound}{PATH}\n{how}\n"));
    let until = async move {
        let _ = tokio::signal::ctrl_c().await;
        ended.send_replace(true);
        stop();
    };
    axum::serve(listener, app).with_graceful_shutdown(until).await.map_err(|e| Error::internal("serve MCP").because(e))?;
    Ok(0)
}

/// The endpoint for whatever answers, with all that guards it but the token; and what ends it. Also the conformance
/// suite's fixtures are served by this (docs/conformance.md).
pub fn router<H: ServerHandler>(bound: SocketAddr, handler: impl Fn() -> H + Send + Sync + 'static) -> (Router, impl FnOnce() + Send) {
    // Nobody's page but our own: another port of this machine is another origin.
    let own = [bound.to_string(), format!("localhost:{}", bound.port())].map(|host| format!("http://{host}"));
    let mut config = StreamableHttpServerConfig::default().enforce_origin_validation().with_allowed_origins(own);
    if !bound.ip().is_loopback() {
        config = config.with_allowed_hosts([bound.ip().to_string()]);
    }
    let stop = config.cancellation_token.clone();
    let service: StreamableHttpService<H, LocalSessionManager> = StreamableHttpService::new(move || Ok(handler()), Arc::default(), config);
    (Router::new().nest_service(PATH, service), move || stop.cancel())
}

async fn require_token(State(token): State<Arc<str>>, request: Request, next: Next) -> Response {
    let given = request.headers().get(header::AUTHORIZATION).and_then(|value| value.to_str().ok());
    let given = given.and_then(|value| value.split_once(' ')).filter(|(scheme, _)| scheme.eq_ignore_ascii_case("bearer"));
    match given {
        Some((_, given)) if is_same(given.trim().as_bytes(), token.as_bytes()) => next.run(request).await,
        Some(_) | None => {
            let text = format!("A bearer token is needed: `Authorization: Bearer …`, with the content of {TOKEN_FILE} in Aura's home.\n");
            (StatusCode::UNAUTHORIZED, [(header::WWW_AUTHENTICATE, "Bearer")], text).into_response()
        }
    }
}

/// Compares in a time that does not depend on where they differ.
fn is_same(one: &[u8], other: &[u8]) -> bool {
    let differs = one.iter().zip(other).fold(0, |differs, (a, b)| std::hint::black_box(differs | (a ^ b)));
    one.len() == other.len() && differs == 0
}

#[cfg(test)]
mod tests {
    use super::is_same;

    #[test]
    fn only_the_same_is_the_same() {
        assert!(is_same(b"abc", b"abc"));
        for (one, other) in [(&b"abc"[..], &b"abd"[..]), (b"", b"a"), (b"ab", b"abc"), (b"abc", b"ab")] {
            assert!(!is_same(one, other));
        }
    }
}

//! `aura serve`: the verbs over HTTP, the stream of events, and the board. Decode, call a verb, encode.
//!
//! A connection is taken in `server`, let in by `guard`, finds its verb in `routes`, and is answered by `api` or, where it
//! follows the log, by `events`.

mod api;
mod cache;
mod calls;
pub(super) mod client;
mod described;
mod events;
mod feed;
mod guard;
mod health;
mod openapi;
mod problem;
mod replies;
mod routes;
mod server;

use crate::edge::cli::{self, Format};
use crate::edge::term;
use crate::engine::Engine;
use crate::error::{Code, Error, Result};
use axum::Router;
use clap::{Arg, ArgAction, ArgMatches, Command};
use serde_json::json;
use std::net::SocketAddr;
use std::sync::Arc;
use tokio::net::TcpListener;

pub(super) use calls::THREADS_MAX;
pub(super) use guard::TOKEN_FILE;
use routes::PREFIX;
pub use routes::{ROUTES, Route};

/// Header with the exit code that the command line would have ended with.
pub(super) const EXIT_CODE: &str = "aura-exit-code";
/// Header of a stream with the position that it starts after.
const SINCE: &str = "aura-since";
/// Where a verb is called by its name, with the contract of `aura call`.
pub(super) const TOOLS: &str = "/api/tools";
/// The port that the module's and the command line's default address names.
const ADDRESS: &str = "127.0.0.1:5300";

pub(super) fn command() -> Command {
    Command::new("serve")
        .about("Serve the API, live events and the board over HTTP")
        .long_about(
            "Serves the verbs under /api/stories, live events and the board, on this machine only unless told otherwise. Prints a link \
             that opens the board once; programs send the token. It may be stopped at any time: runs go on by themselves.",
        )
        .arg(
            Arg::new("listen")
                .long("listen")
                .value_name("ADDRESS:PORT")
                .default_value(ADDRESS)
                .help("Where to listen; port 0 takes a free one"),
        )
        .arg(
            Arg::new("allow-remote")
                .long("allow-remote")
                .action(ArgAction::SetTrue)
                .help("Listen on an address that others can reach. Nothing is encrypted: put a proxy with TLS in front"),
        )
        .arg(
            Arg::new("allow-host")
                .long("allow-host")
                .value_name("NAME")
                .action(ArgAction::Append)
                .help("Another name under which requests may come, with its port where it has one, for example of a proxy"),
        )
}

/// What all requests share.
struct Shared {
    engine: Engine,
    guard: guard::Guard,
    calls: calls::Calls,
    replies: replies::Replies,
    statuses: Arc<cache::Cache>,
    feed: Arc<feed::Feed>,
    streams: Arc<tokio::sync::Semaphore>,
}

/// Serves until interrupted.
pub(super) async fn serve(engine: Engine, args: &ArgMatches, format: Format) -> Result<u8> {
    log();
    let text = args.get_one::<String>("listen").map_or(ADDRESS, String::as_str);
    let doing = |what: &str| format!("serve on {}: {what}", text.escape_debug());
    let address: SocketAddr = text
        .parse()
        .map_err(|_| Error::invalid(doing("it is not an address and a port")).hint("for example 127.0.0.1:0, where 0 takes a free port"))?;
    let names: Vec<String> = args.get_many::<String>("allow-host").unwrap_or_default().cloned().collect();
    if !address.ip().is_loopback() && !args.get_flag("allow-remote") {
        return Err(Error::invalid(doing("others could reach it")).hint("add --allow-remote if that is meant; nothing is encrypted"));
    }
    if address.ip().is_unspecified() && names.is_empty() {
        return Err(Error::invalid(doing("the names under which requests come cannot be known"))
            .hint("give the address of one interface, or each name with --allow-host"));
    }
    let listener = TcpListener::bind(address).await.map_err(|e| {
        Error::new(Code::Unavailable, doing("listen")).because(e).hint("another server may be running there; --listen takes another port")
    })?;
    let bound = listener.local_addr().map_err(|e| Error::internal(doing("listen")).because(e))?;
    let home = engine.environment().home.clone();
    let guard = guard::Guard::new(&home, bound, &names)?;
    let link = guard.link();
    let origin = guard.origin().to_owned();
    let statuses = Arc::new(cache::Cache::default());
    let feed = feed::Feed::start(&engine, statuses.clone())?;
    let streams = Arc::new(tokio::sync::Semaphore::new(events::STREAMS_MAX));
    let shared =
        Arc::new(Shared { engine, guard, calls: calls::Calls::new(), replies: replies::Replies::default(), statuses, feed, streams });
    let token = home.join(TOKEN_FILE);
    match format {
        Format::Text => term::err(&format!("Aura: http://{bound}\nBoard, opens once: {link}\nThe token is in {}.\n", token.display())),
        Format::Json => term::out(&cli::pretty(&json!({
            "url": origin,
            "address": bound.to_string(),
            "boardUrl": link,
            "tokenFile": token.to_string_lossy(),
            "openapiUrl": format!("{origin}/openapi.json"),
            "healthUrl": format!("{origin}{}", health::PATH),
            "summary": format!("Serving at {origin}."),
            "next": "Send the content of tokenFile as `Authorization: Bearer …`; boardUrl opens the board once."
        }))),
    }
    if !bound.ip().is_loopback() {
        term::err("Others can reach this address, and nothing is encrypted: whoever reads the traffic has the token.\n");
    }
    let until = async {
        // Asked to end in another way, it ends at once: there is nothing that could be lost.
        let _ = tokio::signal::ctrl_c().await;
        shared.feed.end();
    };
    server::serve(listener, router(shared.clone()), until).await;
    Ok(0)
}

fn router(shared: Arc<Shared>) -> Router {
    let api = api::router(&shared)
        .merge(events::router(&shared))
        .route_layer(axum::middleware::from_fn_with_state(shared.clone(), guard::require_token));
    let open = openapi::router().merge(health::router()).merge(guard::router(&shared)).merge(crate::edge::web::router());
    api.merge(open)
        .fallback(problem::no_route)
        .method_not_allowed_fallback(problem::no_method)
        .layer(axum::middleware::from_fn_with_state(shared, guard::check))
}

/// The log goes to stderr.
fn log() {
    let filter = tracing_subscriber::EnvFilter::try_from_env("AURA_LOG").unwrap_or_else(|_| "error".into());
    let _ = tracing_subscriber::fmt().with_writer(std::io::stderr).with_ansi(false).with_env_filter(filter).try_init();
}

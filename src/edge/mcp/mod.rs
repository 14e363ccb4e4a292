//! `aura mcp`: the door for AI assistants. The same verbs, the same engine, the same JSON as the command line; what is
//! long goes on by itself and is waited for in pieces that no client's limit cuts.

mod calls;
mod door;
pub mod http;
mod news;
mod prompts;
mod resources;
mod scan;
mod tools;
mod wire;

use crate::config::Environment;
use crate::error::{Error, Result};
use clap::{Arg, ArgAction, ArgMatches, Command};
use rmcp::ServiceExt;
use std::sync::Arc;
use tokio::sync::watch;

/// Blocking calls at once; more wait for their turn.
pub(super) const THREADS_MAX: usize = 160;

pub(super) fn command() -> Command {
    Command::new("mcp")
        .about("Serve the tools to an AI assistant over MCP, on stdin and stdout")
        .long_about(
            "Speaks the Model Context Protocol on stdin and stdout: an assistant's host starts it. It ends with its input; runs go on \
             by themselves.",
        )
        .arg(Arg::new("read-only").long("read-only").action(ArgAction::SetTrue).help("Offer only the tools that change nothing"))
        .arg(
            Arg::new("toolset")
                .long("toolset")
                .value_name("NAME")
                .action(ArgAction::Append)
                .value_delimiter(',')
                .value_parser(tools::toolsets().collect::<Vec<_>>())
                .help("Offer only these parts of the tools; may be repeated [default: all]"),
        )
        .arg(
            Arg::new("http")
                .long("http")
                .value_name("ADDRESS:PORT")
                .num_args(0..=1)
                .default_missing_value("127.0.0.1:0")
                .help("Serve over HTTP instead, with a token; without a value on a free port of this machine"),
        )
        .arg(Arg::new("no-token").long("no-token").action(ArgAction::SetTrue).requires("http").hide(true))
}

/// Serves until the end of the input.
pub(super) async fn serve(environment: Environment, args: &ArgMatches) -> Result<u8> {
    log();
    let offer = tools::Offer {
        read_only: args.get_flag("read-only"),
        toolsets: args.get_many::<String>("toolset").unwrap_or_default().cloned().collect(),
    };
    let guard = if args.get_flag("no-token") { http::Guard::Open } else { http::Guard::token(&environment.home) };
    match args.get_one::<String>("http") {
        Some(address) => http::serve(Arc::new(door::Shared::new(environment, offer)), address, guard).await,
        // A host starts it where it works.
        None => stdio(Arc::new(door::Shared::new(crate::edge::cli::placed(environment), offer))).await,
    }
}

async fn stdio(shared: Arc<door::Shared>) -> Result<u8> {
    let (read, write) = rmcp::transport::io::stdio_pipes();
    let (ended, end) = watch::channel(false);
    let wire = wire::Wire::new(read, write, ended);
    match door::Door::new(shared, end).serve(wire).await {
        Ok(service) => {
            service.waiting().await.map_err(|e| Error::internal("serve MCP").because(e))?;
            Ok(0)
        }
        // The host went away before it began.
        Err(rmcp::service::ServerInitializeError::ConnectionClosed(_)) => Ok(0),
        Err(error) => Err(Error::invalid("begin an MCP session").because(error)),
    }
}

/// The log goes to stderr, whatever writes it: stdout is the wire.
fn log() {
    let filter = tracing_subscriber::EnvFilter::try_from_env("AURA_LOG").unwrap_or_else(|_| "error".into());
    let _ = tracing_subscriber::fmt().with_writer(std::io::stderr).with_ansi(false).with_env_filter(filter).try_init();
}

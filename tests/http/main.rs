//! `aura serve`, driven as programs and browsers drive it: the real program over real sockets.
#![allow(clippy::unwrap_used)] // A test may fail loudly.

#[path = "../support/cli_world.rs"]
#[allow(dead_code)] // Each test program uses its part.
mod cli_world;

mod contract;
#[cfg(unix)]
mod described;
mod follow;
mod guard;
#[path = "../mcp/host.rs"]
#[allow(dead_code)] // Shared with the tests of the MCP door.
mod host;
mod lenient;
mod live;
mod openapi;
#[cfg(unix)]
#[path = "../support/packages.rs"]
#[allow(dead_code)] // Each test program uses its part.
mod packages;
mod protocol;
mod remote;
mod server;

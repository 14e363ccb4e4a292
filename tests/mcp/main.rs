//! The MCP door, driven as hosts drive it: the real program over pipes and over HTTP, with rmcp's own client and with raw
//! lines; real repositories, real runs.
#![allow(clippy::unwrap_used)] // A test may fail loudly.

#[path = "../support/cli_world.rs"]
#[allow(dead_code)] // Shared with the tests of the command line.
mod cli_world;
mod host;

mod eras;
mod faults;
mod http;
mod long;
mod reading;
mod tools;
mod which;

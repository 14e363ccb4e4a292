//! The board in real headless Chromium: `aura serve` is the real program, stories are run by the real driver, and scripts in
//! this folder look at the page as a person does (`page.mjs` says by which hooks). What the agents do, and when, the scenes
//! decide by files that the agents wait for, so nothing here depends on how fast anything is.
#![cfg(unix)]
#![allow(clippy::unwrap_used, clippy::print_stderr)]

#[path = "../support/cli_world.rs"]
#[allow(dead_code)] // Each test program uses its part.
mod cli_world;
#[path = "../support/packages.rs"]
#[allow(dead_code)]
mod packages;
#[path = "../http/server.rs"]
#[allow(dead_code)]
mod server;

mod access;
mod images;
mod large;
mod live;
mod safety;
mod stage;

//! The command line, driven as scripts and people drive it: the real program, real repositories, homes of its own.
#![allow(clippy::unwrap_used)] // A test may fail loudly.

#[path = "../support/cli_world.rs"]
mod cli_world;

mod answers;
mod hostile;
mod pages;
mod program;
mod refusals;

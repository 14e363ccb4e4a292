//! Aura's MCP server as others use it: the real Copilot CLI, Claude Code and Codex take a story from its title to the merge
//! with the shipped binary, driven by a scripted model on loopback; the official SDKs, the Inspector and the conformance
//! suite ask it what clients ask. What is installed for this, and what runs when, says `support/packages.rs`.
#![cfg(unix)]
#![allow(clippy::unwrap_used, clippy::print_stderr)]

#[path = "../support/cli_world.rs"]
#[allow(dead_code)]
mod cli_world;
#[path = "../support/copilot.rs"]
mod copilot;
#[path = "../support/fake_model.rs"]
mod fake_model;
#[path = "../support/packages.rs"]
#[allow(dead_code)]
mod packages;
#[path = "../support/stage.rs"]
#[allow(dead_code)]
mod stage;

mod conduct;
mod conformance;
mod fixtures;
mod hosts;
mod scene;
mod sdks;

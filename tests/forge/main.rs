//! The end of a story at a forge: a GitHub that holds every request against GitHub's own description, real remotes, faults
//! at every step, and `kill -9` at every step.
#![cfg(target_os = "linux")]
#![allow(clippy::zombie_processes, clippy::maybe_infinite_iter, clippy::assigning_clones, dead_code)] // Shared support is not all used here.
#![allow(clippy::unwrap_used, clippy::print_stdout, clippy::exit)]

#[path = "../support/script.rs"]
mod script;
#[path = "../support/world.rs"]
mod world;

mod doctor;
mod faults;
mod hooks;
mod hub;
mod kills;
mod leaks;
mod openapi;
mod pull;
mod remotes;
mod smart;
mod tidying;
mod words;

/// Not a test: the agent of the others. See `support/script.rs`.
#[test]
fn scripted_agent_entry() {
    if let Some(folder) = std::env::var_os("AURA_TEST_AGENT")
        && std::env::var_os("AURA_TASK").is_some()
    {
        script::act(std::path::Path::new(&folder));
    }
}

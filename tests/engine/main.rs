//! The engine, driven through the real program on real repositories by scripted agents.
#![cfg(target_os = "linux")]
#![allow(clippy::zombie_processes, clippy::maybe_infinite_iter, clippy::assigning_clones)] // Processes that linger are what is tested.
#![allow(clippy::unwrap_used, clippy::print_stdout, clippy::exit)]

#[path = "../support/script.rs"]
mod script;
#[path = "../support/world.rs"]
mod world;

mod around;
mod ceremony;
mod crash;
mod evidence;
mod gates;
mod git_dies;
mod judging;
mod keep;
mod kills;
mod order;
mod proof;
mod pushes;
mod seam;
mod stop;
mod trouble;
mod yielding;

/// Not a test: the agent of the others. See `support/script.rs`.
#[test]
fn scripted_agent_entry() {
    if let Some(folder) = std::env::var_os("AURA_TEST_AGENT")
        && std::env::var_os("AURA_TASK").is_some()
    {
        script::act(std::path::Path::new(&folder));
    }
}

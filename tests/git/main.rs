//! The room `git` on real repositories. Every test runs in a process of its own, with its own home and configuration.
// One test program: its files see one another through `pub`, and may fail loudly.
#![allow(unreachable_pub, clippy::unwrap_used)]

mod ahead;
mod hostile;
mod keep;
mod lab;
mod landing;
mod merges;
mod planted;
mod property;
mod questions;
mod repositories;
mod snapshots;
mod submodules;
mod work;
mod worktrees;

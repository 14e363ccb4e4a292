//! What a story is and what may happen to it. Pure: no I/O, no async, no clock, no randomness.

mod bringing;
mod claim;
mod event;
mod failure;
mod finding;
mod gate;
mod gating;
mod id;
mod judging;
mod next;
mod outcome;
mod plan;
mod story;
mod story_status;
mod task;

pub use claim::{claims_meet, is_claimed};
pub use event::*;
pub use failure::*;
pub use finding::*;
pub use gate::*;
pub use gating::*;
pub use id::*;
pub use next::*;
pub use outcome::*;
pub use plan::*;
pub use story::*;
pub use story_status::*;
pub use task::*;

//! The heart of the product under test: what may happen to a story, and what is done next.
// One test program: its files see one another through `pub`, may fail loudly, and pass events on as they were made.
#![allow(unreachable_pub, clippy::unwrap_used, clippy::needless_pass_by_value, clippy::format_push_string, clippy::format_collect)]
#![allow(clippy::large_stack_arrays)]

mod facts;
mod golden;
mod refusals;
mod rules;
mod runs;
mod world;
mod yields;

//! The heart of the product under test: what may happen to a story, and what is done next.
#![allow(unreachable_pub)] // Files of one test program see one another through `pub`.

mod rules;
mod runs;
mod world;

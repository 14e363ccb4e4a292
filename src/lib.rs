//! Aura runs a development story on parallel coding agents and lands only what is right.
//! The rooms, in the order one would explain them; `docs/architecture.md` is the map.
#![forbid(unsafe_code)]

pub mod domain;
pub mod error;

pub mod store;

pub mod proc;

pub mod git;

pub mod agent;

pub mod planner;

pub mod gate;

pub mod judge;

pub mod forge;

pub mod config;

pub mod engine;

pub mod ops;

pub mod edge;

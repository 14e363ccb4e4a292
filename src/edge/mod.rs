//! The doors: decode, call a verb, encode. No decisions here.

mod call;
mod caller;
pub mod cli;
mod demo;
mod doctor;
mod hosts;
pub mod http;
mod live;
pub mod mcp;
mod render;
mod rescue;
mod run;
mod term;
mod web;

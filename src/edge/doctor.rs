//! `aura doctor`: what is missing on this machine, and how to get it.

use super::cli::{self, Format, pretty};
use super::term::{self, Colour, paint_answer};
use crate::config::Environment;
use crate::error::Result;
use crate::ops::{Health, doctor as examine};
use clap::{ArgMatches, Command};
use serde_json::json;
use std::path::Path;

pub(super) fn command() -> Command {
    Command::new("doctor").about("Say what is missing (git, agent, login, forge, sandbox) and how to get it")
}

/// Exit code 0 when a run could start, 6 when something it needs is missing.
pub(super) fn doctor(_: &ArgMatches, format: Format) -> Result<u8> {
    let environment = Environment::read()?;
    let opened = cli::open(environment.clone());
    // Their names, for what completes them.
    let agents: Vec<String> = opened
        .as_ref()
        .ok()
        .and_then(|engine| engine.config(Path::new(".")).ok())
        .map_or_else(Vec::new, |config| config.agents.keys().cloned().collect());
    let findings = examine(&environment, &opened, Some(Path::new(".")));
    let ready = findings.iter().all(|finding| finding.health != Health::Missing);
    let word = |health| match health {
        Health::Good => "good",
        Health::Warning => "warning",
        Health::Missing => "missing",
    };
    if format == Format::Json {
        let list: Vec<_> =
            findings.iter().map(|f| json!({ "name": f.name, "health": word(f.health), "detail": f.detail, "hint": f.hint })).collect();
        term::out(&pretty(&json!({ "ready": ready, "agents": agents, "findings": list })));
    } else {
        for finding in &findings {
            let (sign, colour) = match finding.health {
                Health::Good => ("✓", Colour::Green),
                Health::Warning => ("!", Colour::Yellow),
                Health::Missing => ("✗", Colour::Red),
            };
            term::out(&format!("{} {:<11} {}\n", paint_answer(colour, sign), finding.name, term::clean(&finding.detail)));
            if let Some(hint) = &finding.hint {
                term::out(&format!("              {}\n", term::clean(hint)));
            }
        }
        term::out(if ready { "\nReady.\n" } else { "\nSomething that a run needs is missing. `aura demo` works without an agent.\n" });
    }
    Ok(if ready { 0 } else { 6 })
}

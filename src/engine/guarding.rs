//! What an agent's environment is given so that it cannot push (`agent/guard.rs`).

use super::Engine;
use crate::agent::guard::{self, Inherited, Remote};
use crate::error::{Error, Result};
use crate::git::Repo;
use std::ffi::OsString;
use std::path::Path;

/// Adds to the environment of an agent whose attempt has this folder.
pub(super) fn forbid_pushes(engine: &Engine, repo: &Repo, job: &Path, env: &mut Vec<(String, String)>) -> Result<()> {
    let of_its_own = |name: &str| env.iter().rev().find(|(key, _)| key == name).map(|(_, value)| value.clone());
    let settings = of_its_own("GIT_CONFIG_COUNT").or_else(|| crate::config::named_variable("GIT_CONFIG_COUNT"));
    let path = of_its_own("PATH").map(OsString::from).or_else(|| engine.environment().path.clone());
    let inherited = Inherited { path: path.as_deref(), settings: settings.and_then(|count| count.parse().ok()).unwrap_or(0) };
    let remotes: Vec<Remote> =
        repo.remote_addresses()?.into_iter().map(|(name, of)| Remote { name, fetch: of.fetch, push: of.push }).collect();
    let more = guard::no_pushes(job, &remotes, inherited);
    env.extend(more.map_err(|e| Error::internal(format!("keep an agent from pushing, in {}", job.display())).because(e))?);
    Ok(())
}

//! `aura rescue`: lists what was kept before a worktree was reset or removed, and writes it out again.

use super::cli::{Format, pretty};
use super::term;
use crate::engine::Engine;
use crate::error::{Error, Result};
use crate::ops;
use clap::{Arg, ArgMatches, Command};
use serde_json::json;
use std::path::{Path, PathBuf};

pub(super) fn command() -> Command {
    Command::new("rescue")
        .about("List what was kept before Aura touched a worktree, or restore it into a folder")
        .arg(
            Arg::new("repository")
                .long("repository-path")
                .short('r')
                .value_name("PATH")
                .value_parser(clap::value_parser!(PathBuf))
                .help("The repository; default: the current folder"),
        )
        .arg(Arg::new("name").value_name("REF").help("What to restore, as listed").requires("into"))
        .arg(
            Arg::new("into")
                .long("into")
                .value_name("FOLDER")
                .value_parser(clap::value_parser!(PathBuf))
                .help("New folder for the restored files"),
        )
}

pub(super) fn rescue(_: &Engine, args: &ArgMatches, format: Format) -> Result<u8> {
    let here = args.get_one::<PathBuf>("repository").map_or(Path::new("."), PathBuf::as_path);
    let kept = ops::rescues(here)?;
    let Some(name) = args.get_one::<String>("name") else {
        if format == Format::Json {
            let list: Vec<_> = kept.iter().map(|k| json!({ "ref": k.name, "commit": k.commit.as_str(), "at": k.at.to_string() })).collect();
            term::out(&pretty(&json!({ "count": list.len(), "rescues": list })));
        } else if kept.is_empty() {
            term::out("Nothing was kept: nothing was at risk.\n");
        } else {
            for k in &kept {
                term::out(&format!("{}  {}  {}\n", k.commit.short(), k.at, k.name));
            }
        }
        return Ok(0);
    };
    let into = args.get_one::<PathBuf>("into").ok_or_else(|| Error::invalid("restore: --into is missing"))?;
    let found = kept.iter().find(|k| k.name == *name).ok_or_else(|| {
        Error::new(crate::error::Code::NotFound, format!("nothing was kept under `{}`", name.escape_debug()))
            .hint("`aura rescue` lists what there is")
    })?;
    if into.exists() {
        return Err(
            Error::new(crate::error::Code::Conflict, format!("{} exists", into.display())).hint("restore into a new folder, then compare")
        );
    }
    let into = std::path::absolute(into).map_err(|e| Error::invalid(format!("find {}", into.display())).because(e))?;
    ops::restore(here, &found.commit, &into)?;
    if format == Format::Json {
        term::out(&pretty(&json!({ "ref": found.name, "commit": found.commit.as_str(), "folder": into.to_string_lossy() })));
    } else {
        term::out(&format!("Restored {} into {}.\n", found.name, into.display()));
    }
    Ok(0)
}

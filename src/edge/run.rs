//! `aura run`: asks for a run, shows it, and ends it gracefully when the person says so.

use super::cli::{Format, show};
use super::{live, term};
use crate::engine::{self, Engine, Interrupts};
use crate::error::Result;
use crate::ops;
use clap::ArgMatches;
use serde_json::{Value, json};

/// Exit code of a run that was interrupted from the keyboard: 128 + SIGINT.
const INTERRUPTED: u8 = 130;

pub(super) async fn run(engine: Engine, args: &ArgMatches, format: Format) -> Result<u8> {
    let pressed = engine::interrupts()?;
    let verb = ops::find("run")?;
    let answer = (verb.from_args)(engine.clone(), args).await?;
    let running = answer.value["isRunning"].as_bool().unwrap_or(false);
    if args.get_flag("detach") || !running {
        show("run", &answer.value, format);
        return Ok(answer.exit_code);
    }
    let story = answer.value["storyId"].as_str().unwrap_or_default().to_owned();
    let since = answer.value["since"].as_i64().unwrap_or(0);
    let interrupted = follow(&engine, &story, since, format, pressed).await?;
    let result = ops::run_result(&engine, &story, answer.value["runId"].as_str().unwrap_or_default())?;
    show("run", &result.value, format);
    Ok(if interrupted { INTERRUPTED } else { result.exit_code })
}

/// Shows the run until it ends. The first Ctrl-C asks the agents to stop, the second kills them.
async fn follow(engine: &Engine, story: &str, since: i64, format: Format, mut pressed: Interrupts) -> Result<bool> {
    let mut view = live::Live::new(engine, story, since, format)?;
    let mut interrupts = 0;
    let mut watchdog = ops::watchdog(engine, story)?;
    let mut looked = tokio::time::interval(ops::Watchdog::PAUSE);
    loop {
        tokio::select! {
            _ = looked.tick() => watchdog.look(engine)?,
            ended = view.step() => if ended? { break },
            () = pressed.next() => {
                interrupts += 1;
                view.pause();
                term::err(if interrupts == 1 {
                    "Stopping: agents are asked to end, their sessions are kept. Press Ctrl-C again to kill them.\n"
                } else {
                    "Killing the agents.\n"
                });
                cancel(engine, story, interrupts > 1).await?;
            }
        }
    }
    view.pause();
    Ok(interrupts > 0)
}

async fn cancel(engine: &Engine, story: &str, now: bool) -> Result<()> {
    let args: Value = json!({ "storyId": story, "now": now });
    match (ops::find("cancel_run")?.from_json)(engine.clone(), args).await {
        Ok(_) => Ok(()),
        // It ended by itself at the same moment.
        Err(error) if error.code == crate::error::Code::IllegalState => Ok(()),
        Err(error) => Err(error),
    }
}

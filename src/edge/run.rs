//! `aura run`: asks for a run, shows it, and ends it gracefully when the person says so.

use super::caller::Caller;
use super::cli::{Format, show, typed};
use super::{live, term};
use crate::engine::{self, Interrupts};
use crate::error::{Code, Result};
use crate::ops::{self, Answer};
use clap::ArgMatches;
use serde_json::json;

/// Exit code of a run that was interrupted from the keyboard: 128 + SIGINT.
const INTERRUPTED: u8 = 130;

pub(super) async fn run(caller: &Caller, args: &ArgMatches, format: Format) -> Result<u8> {
    let pressed = engine::interrupts()?;
    let verb = ops::find("run")?;
    let answer = caller.call(verb, typed(verb, args)?).await?;
    let running = answer.value["isRunning"].as_bool().unwrap_or(false);
    if args.get_flag("detach") || !running {
        show("run", &answer.value, format);
        return Ok(answer.exit_code);
    }
    let (result, interrupted) = follow(caller, &answer, format, pressed).await?;
    show("run", &result.value, format);
    Ok(if interrupted { INTERRUPTED } else { result.exit_code })
}

/// Shows the run until it ends. The first Ctrl-C asks the agents to stop, the second kills them.
async fn follow(caller: &Caller, begun: &Answer, format: Format, mut pressed: Interrupts) -> Result<(Answer, bool)> {
    let text = |key: &str| begun.value[key].as_str().unwrap_or_default();
    let (story, since) = (text("storyId"), begun.value["since"].as_i64().unwrap_or(0));
    let mut view = live::Live::of_run(caller, story, since, format).await?;
    let (mut interrupts, mut result) = (0, None);
    let ended = caller.result(story, text("runId"));
    tokio::pin!(ended);
    loop {
        tokio::select! {
            done = &mut ended, if result.is_none() => result = Some(done?),
            over = view.step() => if over? { break },
            () = pressed.next() => {
                interrupts += 1;
                view.pause();
                term::err(if interrupts == 1 {
                    "Stopping: agents are asked to end, their sessions are kept. Press Ctrl-C again to kill them.\n"
                } else {
                    "Killing the agents.\n"
                });
                cancel(caller, story, interrupts > 1).await?;
            }
        }
    }
    view.pause();
    let result = match result {
        Some(result) => result,
        None => ended.await?,
    };
    Ok((result, interrupts > 0))
}

async fn cancel(caller: &Caller, story: &str, now: bool) -> Result<()> {
    match caller.call(ops::find("cancel_run")?, json!({ "storyId": story, "now": now })).await {
        Ok(_) => Ok(()),
        // It ended by itself at the same moment.
        Err(error) if error.code == Code::IllegalState => Ok(()),
        Err(error) => Err(error),
    }
}

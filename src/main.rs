//! The binary. The hidden modes come first: they are started often, and need nothing of the rest.

use aura::proc;
use std::ffi::OsString;
use std::path::Path;
use std::process::ExitCode;

fn main() -> ExitCode {
    let args: Vec<OsString> = std::env::args_os().skip(1).collect();
    match args.split_first() {
        Some((mode, [folder])) if mode == "supervise" => proc::supervise(Path::new(folder)),
        Some((mode, rest)) if mode == "exec" => proc::exec_guarded(rest),
        Some(_) | None => ExitCode::from(2),
    }
}

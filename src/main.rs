//! The binary. The hidden modes come first: they are started often, and need nothing of the rest.

use aura::{edge, proc};
use std::ffi::OsString;
use std::path::Path;
use std::process::ExitCode;

fn main() -> ExitCode {
    let args: Vec<OsString> = std::env::args_os().collect();
    match args.get(1..) {
        Some([mode, folder]) if mode == "supervise" => proc::supervise(Path::new(folder)),
        Some([mode, rest @ ..]) if mode == "exec" => proc::exec_guarded(rest),
        Some(_) | None => edge::cli::main(&args),
    }
}

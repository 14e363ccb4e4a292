//! Points at which a test counts, or kills: every process start, every move of a ref, every replacement of a file. Only
//! in builds with debug assertions; elsewhere each call is nothing.
//!
//! Two variables of the environment, which every process of Aura hands on to those it starts:
//! - `AURA_TEST_STEPS=FILE` appends a line for each step: role, kind and label, with tabs between them.
//! - `AURA_TEST_KILL=ROLE:N:MARKER` kills at the N-th step (from 1) of all processes of a role together, once: the file
//!   MARKER is made at the kill, `MARKER.count` keeps the count. Roles are `driver`, `supervisor` and `door` (any other
//!   process of Aura); these kill themselves. `git` (and `door-git`) is the N-th git that a driver (a door) starts: it
//!   is killed as soon as it runs, and the one who started it goes on.

use std::fmt::Display;

/// What is about to happen, or has just happened.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Step {
    ProcessStart,
    RefUpdate,
    FileReplace,
}

/// One step before the act and one after it.
pub fn around<T>(kind: Step, label: &dyn Display, act: impl FnOnce() -> T) -> T {
    step(kind, &format_args!("before: {label}"));
    let done = act();
    step(kind, &format_args!("after: {label}"));
    done
}

#[cfg(not(debug_assertions))]
pub fn step(_kind: Step, _label: &dyn Display) {}

/// Whether the git that has just been started is to be killed.
#[cfg(not(debug_assertions))]
pub(super) fn kills_git(_label: &dyn Display) -> bool {
    false
}

#[cfg(debug_assertions)]
pub(super) use counted::kills_git;
#[cfg(debug_assertions)]
pub use counted::step;

#[cfg(debug_assertions)]
mod counted {
    use super::Step;
    use crate::proc::os;
    use std::fmt::Display;
    use std::fs::OpenOptions;
    use std::io::{Seek, Write};
    use std::path::{Path, PathBuf};
    use std::sync::OnceLock;

    struct Plan {
        steps: Option<PathBuf>,
        kill: Option<Kill>,
        role: &'static str,
    }

    struct Kill {
        role: String,
        at: u64,
        marker: PathBuf,
    }

    /// Counts one step of this process, which may be its last.
    pub fn step(kind: Step, label: &dyn Display) {
        let plan = plan();
        plan.note(plan.role, &format_args!("{kind:?}"), label);
        if plan.is_due(plan.role) {
            os::kill_oneself();
        }
    }

    pub(in crate::proc) fn kills_git(label: &dyn Display) -> bool {
        let plan = plan();
        let role = match plan.role {
            "driver" => "git",
            "door" => "door-git",
            _ => return false,
        };
        plan.note(role, &"GitChild", label);
        plan.is_due(role)
    }

    fn plan() -> &'static Plan {
        static PLAN: OnceLock<Plan> = OnceLock::new();
        PLAN.get_or_init(|| {
            let kill = std::env::var("AURA_TEST_KILL").ok().map(|text| kill(&text).expect("AURA_TEST_KILL=ROLE:N:MARKER"));
            Plan { steps: std::env::var_os("AURA_TEST_STEPS").map(PathBuf::from), kill, role: role() }
        })
    }

    fn kill(text: &str) -> Option<Kill> {
        let (role, rest) = text.split_once(':')?;
        let (at, marker) = rest.split_once(':')?;
        Some(Kill { role: role.into(), at: at.parse().ok()?, marker: marker.into() })
    }

    fn role() -> &'static str {
        match std::env::args_os().nth(1) {
            Some(mode) if mode == "drive" => "driver",
            Some(mode) if mode == "supervise" => "supervisor",
            Some(_) | None => "door",
        }
    }

    impl Plan {
        fn note(&self, role: &str, kind: &dyn Display, label: &dyn Display) {
            let Some(file) = &self.steps else { return };
            let label = label.to_string().replace(['\n', '\t'], " ");
            append(file, format!("{role}\t{kind}\t{label}\n").as_bytes());
        }

        /// Counts, and says whether this is the step.
        fn is_due(&self, role: &str) -> bool {
            let Some(kill) = self.kill.as_ref().filter(|kill| kill.role == role && !kill.marker.exists()) else { return false };
            let mut count = kill.marker.clone().into_os_string();
            count.push(".count");
            let number = append(Path::new(&count), b".");
            number == kill.at && OpenOptions::new().write(true).create_new(true).open(&kill.marker).is_ok()
        }
    }

    /// Returns how long the file was right after this was written: what several processes append, the system puts in order.
    fn append(path: &Path, bytes: &[u8]) -> u64 {
        let mut file = OpenOptions::new().append(true).create(true).open(path).expect("a test's own folder can be written to");
        file.write_all(bytes).and_then(|()| file.stream_position()).expect("a test's own file can be written to")
    }
}

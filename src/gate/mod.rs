//! The gate: which checks a repository has, and what they say about one tree of it.
//!
//! Three steps that know nothing of one another: find the checks ([`checks`], from `aura.toml` or by looking at the
//! files), run them ([`run`], in supervised jobs, one after the other), and say what it means ([`verdict`]). Exit codes
//! decide, and the runner's own count of tests: a check of kind test that ran none has not passed, whatever it ended
//! with. A check that could not be run is red: nothing here may turn "do not know" into "passed".

mod above;
mod blame;
mod config;
mod counts;
mod detect;
mod environment;
mod output;
pub mod place;
mod ran;
mod report;
mod run;
mod tally;

pub use above::above;
pub use config::{GateConfig, Run, SetupConfig, Timeout, WantedCheck, WantedReport, WantedStep, checks, setup};
pub use detect::detect;
pub use detect::setup_key;
pub use environment::{SECRETS, Surroundings, is_secret};
pub use report::{compared, repair_text, verdict};
pub use run::{GateRun, run};

use crate::domain::CheckKind;
use crate::error::{Code, Error};
use crate::proc::ProcError;
use serde::{Deserialize, Serialize};
use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::time::Duration;

/// How long a check may take when nobody says otherwise: long enough for a cold build, short enough to be noticed.
pub const DEADLINE: Duration = Duration::from_mins(20);
/// More checks than this are not run; [`Found::left_out`] names them.
pub const CHECKS_MAX: usize = 16;
/// What a report keeps of the output of one red check, unless configured.
pub const OUTPUT_BYTES: usize = 16 * 1024;

/// One command that has to end well.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Check {
    /// For example `cargo test`.
    pub name: String,
    pub kind: CheckKind,
    /// Folder inside the repository, `.` for its root, with `/` between the parts.
    pub folder: String,
    /// The program and its arguments; never a shell line. A program with a `/` in it is relative to the folder.
    pub argv: Vec<String>,
    pub deadline: Duration,
    /// Exit codes that say that no test ran, for example 5 of pytest.
    #[serde(default)]
    pub none_codes: Vec<i32>,
    /// Set for this check alone. A relative path in `PYTHONPATH` is one of the repository.
    #[serde(default)]
    pub env: Vec<(String, String)>,
    /// Variables that this check does not get.
    #[serde(default)]
    pub env_remove: Vec<String>,
    /// Where its runner says which tests ran.
    #[serde(default)]
    pub report: Option<Report>,
}

/// What a runner's report is written in.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Format {
    /// The results of Visual Studio's test platform.
    Trx,
    /// `<testcase>` in XML, as most runners can write it.
    Junit,
    /// `jest --json`.
    Jest,
    /// `go test -json`, on stdout.
    GoTest,
}

/// A report for machines, and how it is asked for.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Report {
    pub format: Format,
    /// Added to the arguments. `{results}` is a folder of the run's own.
    pub args: Vec<String>,
    /// Before which word of the command; at its end without.
    pub at: Option<usize>,
    /// Folders and files in the check's folder that hold reports, by name, at any depth.
    pub folders: Vec<String>,
    /// Whether reports in the tree from before count too: the tool removes what is out of date.
    pub keeps: bool,
}

impl Report {
    pub(crate) fn asked(format: Format, args: &[&str]) -> Report {
        Report { format, args: args.iter().map(|&word| word.to_owned()).collect(), at: None, folders: Vec::new(), keeps: false }
    }
}

impl Check {
    #[must_use]
    pub fn new(kind: CheckKind, folder: &str, name: &str, argv: &[&str]) -> Check {
        Check {
            name: name.to_owned(),
            kind,
            folder: folder.to_owned(),
            argv: argv.iter().map(|&word| word.to_owned()).collect(),
            deadline: DEADLINE,
            none_codes: Vec::new(),
            env: Vec::new(),
            env_remove: Vec::new(),
            report: None,
        }
    }

    /// The name, with the folder where that is not the root: `web: npm test`.
    #[must_use]
    pub fn label(&self) -> String {
        label(&self.folder, &self.name)
    }
}

pub(crate) fn label(folder: &str, name: &str) -> String {
    match folder {
        "." => name.to_owned(),
        folder => format!("{folder}: {name}"),
    }
}

/// The checks of a repository, builds before tests.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Found {
    pub checks: Vec<Check>,
    /// Labels of the checks beyond [`CHECKS_MAX`], which are not run. Whoever shows the gate says so.
    pub left_out: Vec<String>,
}

/// Where programs are looked for: a value of `PATH`, passed in.
#[derive(Clone, Debug)]
pub struct Programs {
    path: OsString,
}

impl Programs {
    #[must_use]
    pub fn on(path: impl Into<OsString>) -> Programs {
        Programs { path: path.into() }
    }
    /// Where they are looked for.
    #[must_use]
    pub fn path(&self) -> &std::ffi::OsStr {
        &self.path
    }
    /// The file of a program as the platform would find it (with `.cmd` and the like on Windows). One with a `/` in its
    /// name is looked for in `dir` only.
    #[must_use]
    pub fn find(&self, program: &str, dir: &Path) -> Option<PathBuf> {
        which::which_in(program, Some(&self.path), dir).ok()
    }
}

#[derive(Debug, thiserror::Error)]
pub enum GateError {
    #[error("`{key}` in aura.toml: {why}")]
    Config { key: String, why: String },
    /// It was asked to stop. What ran is recorded in the jobs' folders and can be taken up again.
    #[error("the gate was stopped")]
    Stopped,
    #[error("could not {doing} the check `{check}`")]
    Job {
        doing: &'static str,
        check: String,
        #[source]
        source: ProcError,
    },
    /// The supervisor of the check died, again and again.
    #[error("the check `{check}` was lost {times} times: something kills its supervisor")]
    Lost { check: String, times: u32 },
    #[error("could not {doing}")]
    Io {
        doing: String,
        #[source]
        source: std::io::Error,
    },
}

impl From<GateError> for Error {
    fn from(error: GateError) -> Error {
        let code = match &error {
            GateError::Config { .. } => Code::InvalidRequest,
            GateError::Stopped => Code::Conflict,
            GateError::Job { .. } | GateError::Lost { .. } | GateError::Io { .. } => Code::Unavailable,
        };
        let refusal = Error::new(code, error.to_string());
        match error {
            GateError::Job { source, .. } => refusal.because(source),
            GateError::Io { source, .. } => refusal.because(source),
            GateError::Config { .. } | GateError::Stopped | GateError::Lost { .. } => refusal,
        }
    }
}

//! One run of a check that has ended: what it printed, how many tests ran, and what a good end is worth.

use super::counts::{Counts, counts, says_none};
use super::output::{both, clean, condense};
use super::run::report;
use super::tally::{self, Places, Tally};
use super::{Check, Format};
use crate::domain::{CheckEnd, CheckKind, CheckReport};
use crate::proc::{Job, JobEnd, JobExit};
use std::fs;
use std::path::{Path, PathBuf};

pub(super) struct Ran {
    pub(super) exit: JobExit,
    pub(super) duration_ms: u64,
    pub(super) out: String,
    pub(super) err: String,
    tests: Tests,
}

/// How many tests ran, as far as anybody said.
#[derive(Default)]
struct Tests {
    counts: Counts,
    skipped: Option<u32>,
    /// It is a check of tests, it said how it went, and that none ran.
    none: bool,
    failures: Vec<tally::Failure>,
}

impl Ran {
    pub(super) fn read(check: &Check, job: &Job, end: JobEnd, results: &Path, dir: &Path) -> Ran {
        // A log that cannot be read costs the explanation, not the verdict.
        let bytes = |path: PathBuf| fs::read(path).unwrap_or_default();
        let raw = bytes(job.out_log());
        let is_go = check.report.as_ref().is_some_and(|report| report.format == Format::GoTest);
        let out = if is_go { clean(tally::go(&String::from_utf8_lossy(&raw)).text.as_bytes()) } else { clean(&raw) };
        let err = clean(&bytes(job.err_log()));
        let tests = if check.kind == CheckKind::Test {
            let since = fs::metadata(job.folder().join("spec.json")).and_then(|meta| meta.modified()).ok();
            let places = Places { results, dir, since };
            let tally = check.report.as_ref().and_then(|report| tally::read(report, &places, &raw));
            let nothing_said = matches!(&end.exit, JobExit::Code(code) if check.none_codes.contains(code));
            Tests::of(check, tally, &format!("{out}\n{err}"), nothing_said)
        } else {
            Tests::default()
        };
        Ran { exit: end.exit, duration_ms: end.duration_ms, out, err, tests }
    }

    /// Whether it ended well, also without tests.
    pub(super) fn is_good(&self, check: &Check) -> bool {
        matches!(self.exit, JobExit::Code(code) if code == 0 || check.none_codes.contains(&code))
    }

    /// What a good end is worth.
    pub(super) fn good_end(&self) -> CheckEnd {
        if self.tests.none { CheckEnd::RanNothing { base: None } } else { CheckEnd::Passed }
    }

    pub(super) fn report(&self, check: &Check, end: CheckEnd, output_bytes: usize) -> CheckReport {
        // The program itself could not say this.
        let killed = if let JobExit::Signal(signal) = self.exit { format!("ended by signal {signal}\n") } else { String::new() };
        let mut failing = if end.is_good() { String::new() } else { tally::told(&self.tests.failures, output_bytes / 2) };
        if !failing.is_empty() {
            failing.push('\n');
        }
        let room = output_bytes.saturating_sub(failing.len());
        let output = condense(format!("{killed}{}", both(&self.out, &self.err, room)).trim_end(), room);
        CheckReport {
            duration_ms: self.duration_ms,
            tests_passed: self.tests.counts.passed,
            tests_failed: self.tests.counts.failed,
            tests_skipped: self.tests.skipped,
            ..report(check, end, format!("{failing}{output}"))
        }
    }
}

impl Tests {
    fn of(check: &Check, tally: Option<Tally>, output: &str, nothing_said: bool) -> Tests {
        if let Some(tally) = tally {
            let counts = Counts { passed: Some(tally.passed), failed: Some(tally.failed) };
            let skipped = (tally.skipped > 0).then_some(tally.skipped);
            return Tests { counts, skipped, none: tally.ran() == 0, failures: tally.failures };
        }
        let counts = counts(output);
        let zero = counts.passed.or(counts.failed).is_some() && counts.passed.unwrap_or(0) + counts.failed.unwrap_or(0) == 0;
        let unknown = counts.passed.is_none() && counts.failed.is_none();
        // Visual Studio's runner writes a report for every project in which it finds a test.
        let unreported = check.report.as_ref().is_some_and(|report| report.format == Format::Trx);
        let none = nothing_said || zero || (unknown && (unreported || says_none(output)));
        let counts = if none { Counts { passed: Some(0), failed: Some(0) } } else { counts };
        Tests { counts, none, ..Tests::default() }
    }
}

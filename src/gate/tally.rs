//! What a test runner wrote down about its tests, for machines: TRX of .NET, JUnit's XML, the JSON of jest and of `go test`.
//! Counts come from here wherever a runner can be asked for such a report; what it prints for people says it only where
//! there is none. Untrusted: a report that cannot be read says nothing, it never says that all is well.

use super::{Format, Report};
use roxmltree::{Document, Node};
use serde_json::Value;
use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::time::SystemTime;

/// A larger report is not read.
const REPORT_BYTES_MAX: u64 = 64 * 1024 * 1024;
/// More files than this are not read: one for each assembly or module.
const FILES_MAX: usize = 2_000;
/// How deep below a check's folder its reports are looked for.
const DEPTH_MAX: usize = 8;
/// What is kept of one failure. The rest is in the log.
const FAILURE_CHARS_MAX: usize = 2_000;

/// Tests that ran, and those that were left out.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Tally {
    pub(super) passed: u32,
    pub(super) failed: u32,
    pub(super) skipped: u32,
    pub(super) failures: Vec<Failure>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Failure {
    pub(super) test: String,
    /// What was expected, and where.
    pub(super) text: String,
}

impl Tally {
    pub(super) fn ran(&self) -> u32 {
        self.passed.saturating_add(self.failed)
    }

    fn add(&mut self, other: Tally) {
        self.passed = self.passed.saturating_add(other.passed);
        self.failed = self.failed.saturating_add(other.failed);
        self.skipped = self.skipped.saturating_add(other.skipped);
        self.failures.extend(other.failures);
    }
}

/// Where one run of a check leaves its reports.
pub(super) struct Places<'a> {
    /// A folder of this run's own.
    pub(super) results: &'a Path,
    /// The folder of the check, for reports that have a place in the tree.
    pub(super) dir: &'a Path,
    /// Files in the tree that are older belong to an earlier run.
    pub(super) since: Option<SystemTime>,
}

/// The sum over all reports of a run; none when there is not one that can be read.
pub(super) fn read(report: &Report, places: &Places, stdout: &[u8]) -> Option<Tally> {
    let parse: fn(&str) -> Option<Tally> = match report.format {
        Format::GoTest => return go(&String::from_utf8_lossy(stdout)).tally(),
        Format::Trx => trx,
        Format::Junit => junit,
        Format::Jest => jest,
    };
    let ending = if report.format == Format::Jest { "json" } else { "" };
    let mut files = Vec::new();
    collect(places.results, DEPTH_MAX, &|_, _| true, &mut files);
    for folder in &report.folders {
        let named = |path: &Path, name: &str| {
            let inside = path.components().any(|part| part.as_os_str() == folder.as_str()) || path.ends_with(folder);
            let fresh = report.keeps || places.since.is_none_or(|since| modified(path).is_some_and(|at| at >= since));
            inside && fresh && !name.is_empty()
        };
        collect(places.dir, DEPTH_MAX, &named, &mut files);
    }
    let wanted = match report.format {
        Format::Trx => "trx",
        Format::Junit => "xml",
        Format::Jest | Format::GoTest => ending,
    };
    files.retain(|path| path.extension().is_some_and(|extension| extension.eq_ignore_ascii_case(wanted)));
    files.sort();
    files.dedup();
    let mut sum: Option<Tally> = None;
    for file in files.iter().take(FILES_MAX) {
        let small = fs::metadata(file).is_ok_and(|meta| meta.len() <= REPORT_BYTES_MAX);
        let text = if small { fs::read(file).ok() } else { None };
        // Runners on Windows begin their files with a byte order mark.
        let text = text.map(|bytes| String::from_utf8_lossy(&bytes).trim_start_matches('\u{feff}').to_owned());
        if let Some(tally) = text.as_deref().and_then(parse) {
            sum.get_or_insert_default().add(tally);
        }
    }
    sum
}

fn modified(path: &Path) -> Option<SystemTime> {
    fs::metadata(path).and_then(|meta| meta.modified()).ok()
}

fn collect(folder: &Path, depth: usize, wanted: &dyn Fn(&Path, &str) -> bool, files: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(folder).into_iter().flatten().flatten() {
        let (Ok(kind), name) = (entry.file_type(), entry.file_name()) else { continue };
        let name = name.to_string_lossy();
        if kind.is_dir() && depth > 0 && !matches!(name.as_ref(), ".git" | "node_modules") {
            collect(&entry.path(), depth - 1, wanted, files);
        } else if kind.is_file() && files.len() < FILES_MAX && wanted(&entry.path(), &name) {
            files.push(entry.path());
        }
    }
}

fn failure(test: &str, parts: &[&str]) -> Failure {
    let parts: Vec<&str> = parts.iter().map(|part| part.trim()).filter(|part| !part.is_empty()).collect();
    let clean = |text: &str| super::output::clean(text.as_bytes());
    Failure { test: clean(test).replace('\n', " "), text: clean(&parts.join("\n")).chars().take(FAILURE_CHARS_MAX).collect() }
}

fn named<'a>(node: Node<'a, 'a>, name: &'a str) -> impl Iterator<Item = Node<'a, 'a>> {
    node.descendants().filter(move |node| node.tag_name().name() == name)
}

fn text_of<'a>(node: Node<'a, 'a>, name: &'a str) -> String {
    named(node, name).next().map(all_text).unwrap_or_default()
}

fn all_text(node: Node) -> String {
    node.descendants().filter(Node::is_text).filter_map(|node| node.text()).collect()
}

fn number(node: Node, name: &str) -> Option<u32> {
    node.attribute(name)?.trim().parse().ok()
}

/// Visual Studio's results. The counters are the runner's own sum; results of data-driven tests nest.
fn trx(text: &str) -> Option<Tally> {
    let document = Document::parse(text).ok()?;
    let counters = named(document.root(), "Counters").next()?;
    let (total, executed, passed) = (number(counters, "total")?, number(counters, "executed")?, number(counters, "passed")?);
    let mut tally =
        Tally { passed, failed: executed.saturating_sub(passed), skipped: total.saturating_sub(executed), failures: Vec::new() };
    for result in named(document.root(), "UnitTestResult") {
        let bad = matches!(result.attribute("outcome"), Some("Failed" | "Error" | "Timeout" | "Aborted"));
        let inner = named(result, "UnitTestResult").nth(1).is_some();
        if bad && !inner {
            let parts = [text_of(result, "Message"), text_of(result, "StackTrace")];
            tally.failures.push(failure(result.attribute("testName").unwrap_or_default(), &[&parts[0], &parts[1]]));
        }
    }
    Some(tally)
}

/// The XML that JUnit's Ant task began and everybody writes. Only the test cases are believed: sums of suites that hold
/// suites differ from runner to runner.
fn junit(text: &str) -> Option<Tally> {
    let document = Document::parse(text).ok()?;
    matches!(document.root_element().tag_name().name(), "testsuite" | "testsuites").then_some(())?;
    let mut tally = Tally::default();
    for case in named(document.root(), "testcase") {
        let bad = case.children().find(|child| matches!(child.tag_name().name(), "failure" | "error"));
        let skipped = case.children().any(|child| child.tag_name().name() == "skipped")
            || matches!(case.attribute("status"), Some("notrun" | "disabled" | "skipped"));
        if let Some(bad) = bad {
            tally.failed += 1;
            let place = [case.attribute("classname").unwrap_or_default(), case.attribute("name").unwrap_or_default()];
            let test = place.iter().filter(|part| !part.is_empty()).copied().collect::<Vec<_>>().join(".");
            let (message, body) = (bad.attribute("message").unwrap_or_default(), all_text(bad));
            let message = if body.contains(message) { "" } else { message };
            tally.failures.push(failure(&test, &[message, &body]));
        } else if skipped {
            tally.skipped += 1;
        } else {
            tally.passed += 1;
        }
    }
    Some(tally)
}

fn jest(text: &str) -> Option<Tally> {
    let report: Value = serde_json::from_str(text).ok()?;
    let count = |name: &str| report[name].as_u64().and_then(|number| u32::try_from(number).ok());
    let mut tally = Tally { passed: count("numPassedTests")?, failed: count("numFailedTests")?, ..Tally::default() };
    tally.skipped = count("numPendingTests").unwrap_or(0) + count("numTodoTests").unwrap_or(0);
    // A file that cannot even be loaded has no tests that fail.
    tally.failed = tally.failed.saturating_add(count("numRuntimeErrorTestSuites").unwrap_or(0));
    for suite in report["testResults"].as_array().into_iter().flatten() {
        let cases = suite["assertionResults"].as_array().cloned().unwrap_or_default();
        for case in cases.iter().filter(|case| case["status"] == "failed") {
            let messages: Vec<&str> = case["failureMessages"].as_array().into_iter().flatten().filter_map(Value::as_str).collect();
            tally.failures.push(failure(case["fullName"].as_str().unwrap_or_default(), &messages));
        }
        if cases.is_empty() && suite["status"] == "failed" {
            tally.failures.push(failure(suite["name"].as_str().unwrap_or_default(), &[suite["message"].as_str().unwrap_or_default()]));
        }
    }
    Some(tally)
}

/// `go test -json`: each line an event.
pub(super) struct Go {
    tally: Tally,
    events: u32,
    /// What it would have printed without `-json`: packages, and the output of tests that failed.
    pub(super) text: String,
}

impl Go {
    fn tally(self) -> Option<Tally> {
        (self.events > 0).then_some(self.tally)
    }
}

pub(super) fn go(stdout: &str) -> Go {
    let mut go = Go { tally: Tally::default(), events: 0, text: String::new() };
    let mut outputs: BTreeMap<(String, String), String> = BTreeMap::new();
    for line in stdout.lines() {
        let Ok(event @ Value::Object(_)) = serde_json::from_str::<Value>(line) else {
            // What a build prints comes as it is.
            go.text += line;
            go.text.push('\n');
            continue;
        };
        let word = |name: &str| event[name].as_str().unwrap_or_default().to_owned();
        let (action, test, output) = (word("Action"), word("Test"), word("Output"));
        go.events += 1;
        if test.is_empty() {
            go.text += &output;
            continue;
        }
        let key = (word("Package"), test);
        match action.as_str() {
            "output" => outputs.entry(key).or_default().push_str(&output),
            // A test that holds others is one more that ran, as `--- PASS` counts them.
            "pass" => {
                go.tally.passed += 1;
                outputs.remove(&key);
            }
            "skip" => {
                go.tally.skipped += 1;
                outputs.remove(&key);
            }
            "fail" => {
                go.tally.failed += 1;
                let text = outputs.remove(&key).unwrap_or_default();
                go.text += &text;
                go.tally.failures.push(failure(&format!("{}.{}", key.0, key.1), &[&text]));
            }
            _ => {}
        }
    }
    // A test that was running when the program died has no end.
    go.text.extend(outputs.into_values());
    go
}

/// The failing tests as the head of an output: which, what was expected, where. At most `bytes_max`; the first come whole.
pub(super) fn told(failures: &[Failure], bytes_max: usize) -> String {
    let mut text = String::new();
    for (at, failure) in failures.iter().enumerate() {
        let body: String = failure.text.lines().map(|line| format!("    {line}\n")).collect();
        let whole = format!("  {}\n{body}", failure.test);
        let short = format!("  {}\n", failure.test);
        let left = bytes_max.saturating_sub(text.len() + 64);
        if whole.len() <= left {
            text += &whole;
        } else if short.len() <= left {
            text += &short;
        } else {
            text += &format!("  … and {} more\n", failures.len() - at);
            break;
        }
    }
    if text.is_empty() { text } else { format!("Failing tests:\n{text}") }
}

#[cfg(test)]
#[path = "tally_tests.rs"]
mod tests;

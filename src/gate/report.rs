//! What the checks add up to, and how a red gate is told to the agent that repairs it.

use super::output::condense;
use crate::domain::{CheckEnd, CheckKind, CheckReport, GateReport, Verdict};
use std::fmt::Write;

/// One red check is a red gate, and one that was not run is red. Where nothing is, something has to have passed: a tree
/// of which nothing was built and no test ran is not gated.
#[must_use]
pub fn verdict(checks: &[CheckReport]) -> Verdict {
    let proves = |check: &&CheckReport| check.kind != CheckKind::Setup && check.end.is_good();
    if checks.iter().any(|check| check.end.is_red()) {
        Verdict::Failed
    } else if checks.iter().any(|check| proves(&check)) {
        Verdict::Passed
    } else {
        Verdict::Ungated
    }
}

/// Fewer than one in this many of the tests that ran before are far fewer.
const FAR_FEWER: u32 = 2;

/// The reports beside those of the base: how many tests a check ran there that runs none now, and where there are far
/// fewer, or none any more, a note that says so.
#[must_use]
pub fn compared(checks: Vec<CheckReport>, base: &[CheckReport]) -> Vec<CheckReport> {
    let ran = |label: &str| {
        let known = base.iter().find(|check| check.label() == label && check.kind == CheckKind::Test)?;
        match known.end {
            CheckEnd::RanNothing { .. } => Some(0),
            _ => known.tests_run(),
        }
    };
    let mut checks = checks;
    for check in checks.iter_mut().filter(|check| check.kind == CheckKind::Test) {
        let before = ran(&check.label());
        match (&check.end, before, check.tests_run()) {
            (CheckEnd::RanNothing { .. }, ..) => check.end = CheckEnd::RanNothing { base: before },
            (_, Some(before), Some(now)) if now < before / FAR_FEWER => {
                check.notes.push(format!("it ran {now} tests; at the base it ran {before}"));
            }
            _ => {}
        }
    }
    let labels: Vec<String> = checks.iter().map(CheckReport::label).collect();
    let gone = base.iter().filter(|check| check.kind == CheckKind::Test && !labels.contains(&check.label()));
    let gone: Vec<String> = gone
        .filter_map(|check| {
            Some(format!(
                "`{}` ran {} tests at the base and is no check any more",
                check.label(),
                check.tests_run().filter(|&ran| ran > 0)?
            ))
        })
        .collect();
    if let Some(first) = checks.first_mut() {
        first.notes.extend(gone);
    }
    checks
}

/// The red checks of a gate for the prompt of a repair: which command, how it ended, and what it printed; at most
/// `bytes_max`. Empty if nothing is red.
#[must_use]
pub fn repair_text(report: &GateReport, bytes_max: usize) -> String {
    let red: Vec<&CheckReport> = report.checks.iter().filter(|check| check.end.is_red() && check.end != CheckEnd::NotRun).collect();
    let mut text = String::new();
    for (at, check) in red.iter().enumerate() {
        let heading = heading(check);
        let fence = fence(&check.output);
        let frame = heading.len() + 2 * fence.len() + "\n\n\n\n\n\n".len();
        // The later ones share what the earlier ones leave.
        let room = (bytes_max.saturating_sub(text.len())) / (red.len() - at);
        if room < frame {
            break;
        }
        let output = condense(&check.output, room - frame);
        let _ = if output.is_empty() { write!(text, "{heading}\n\n") } else { write!(text, "{heading}\n\n{fence}\n{output}\n{fence}\n\n") };
    }
    let not_run = report.checks.iter().filter(|check| check.end == CheckEnd::NotRun);
    let not_run: Vec<String> = not_run.map(name).collect();
    if !not_run.is_empty() {
        let line = format!("Not run because of that: {}.", not_run.join(", "));
        if text.len() + line.len() <= bytes_max {
            text.push_str(&line);
        }
    }
    text.truncate(text.trim_end().len());
    text
}

fn name(check: &CheckReport) -> String {
    format!("`{}`", check.label())
}

fn heading(check: &CheckReport) -> String {
    let name = name(check);
    let tests = match (check.tests_passed, check.tests_failed) {
        (Some(passed), Some(failed)) => format!(" {passed} tests passed, {failed} failed."),
        (None, Some(failed)) => format!(" {failed} tests failed."),
        (Some(_) | None, None) => String::new(),
    };
    match &check.end {
        CheckEnd::Failed { exit_code: Some(code) } => {
            format!("The check {name} failed with exit code {code}.{tests}")
        }
        CheckEnd::Failed { exit_code: None } => format!("The check {name} failed.{tests}"),
        CheckEnd::TimedOut { deadline_s } => format!("The check {name} did not end within {deadline_s} s and was stopped.{tests}"),
        CheckEnd::Missing { program } => format!("The check {name} could not be started: there is no program `{program}`."),
        CheckEnd::Passed => format!("The check {name} passed.{tests}"),
        CheckEnd::Flaky => format!("The check {name} failed once and passed when run again.{tests}"),
        CheckEnd::NotRun => format!("The check {name} was not run."),
        CheckEnd::RanNothing { base: Some(base) } if *base > 0 => {
            format!("The check {name} ended well, but ran no tests; before the story began it ran {base}. Make them run again.")
        }
        CheckEnd::RanNothing { .. } => format!("The check {name} ended well, but ran no tests."),
        CheckEnd::Unavailable { what } => format!("The check {name} could not get what it needs from outside: {what}"),
    }
}

/// Longer than any row of backticks in the text, so that nothing printed can end the block.
fn fence(text: &str) -> String {
    let longest = text.split(|c| c != '`').map(str::len).max().unwrap_or(0);
    "`".repeat(longest.max(2) + 1)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::Oid;

    fn check(name: &str, end: CheckEnd, output: &str) -> CheckReport {
        CheckReport {
            name: name.to_owned(),
            kind: CheckKind::Test,
            folder: "web".to_owned(),
            end,
            duration_ms: 1,
            output: output.to_owned(),
            tests_passed: None,
            tests_failed: None,
            tests_skipped: None,
            notes: vec![],
        }
    }
    fn gate(checks: Vec<CheckReport>) -> GateReport {
        let oid: Oid = Oid::parse(&"1".repeat(40)).unwrap();
        GateReport { commit: oid.clone(), tree: oid, verdict: verdict(&checks), checks, reused: false }
    }

    #[test]
    fn only_good_checks_pass_and_none_is_no_gate() {
        let rows = [
            (vec![], Verdict::Ungated),
            (vec![CheckEnd::Passed], Verdict::Passed),
            (vec![CheckEnd::Passed, CheckEnd::Flaky], Verdict::Passed),
            (vec![CheckEnd::Passed, CheckEnd::Failed { exit_code: Some(1) }], Verdict::Failed),
            (vec![CheckEnd::Passed, CheckEnd::TimedOut { deadline_s: 1 }], Verdict::Failed),
            (vec![CheckEnd::Passed, CheckEnd::Missing { program: "x".to_owned() }], Verdict::Failed),
            (vec![CheckEnd::Passed, CheckEnd::NotRun], Verdict::Failed),
            (vec![CheckEnd::NotRun], Verdict::Failed),
            (vec![CheckEnd::Passed, CheckEnd::RanNothing { base: None }], Verdict::Failed),
            (vec![CheckEnd::Passed, CheckEnd::RanNothing { base: Some(2) }], Verdict::Failed),
            (vec![CheckEnd::Passed, CheckEnd::RanNothing { base: Some(0) }], Verdict::Passed),
            (vec![CheckEnd::RanNothing { base: Some(0) }], Verdict::Ungated),
            (vec![CheckEnd::Passed, CheckEnd::Unavailable { what: "x".to_owned() }], Verdict::Failed),
        ];
        for (ends, expected) in rows {
            let checks: Vec<CheckReport> = ends.iter().map(|end| check("x", end.clone(), "")).collect();
            assert_eq!(verdict(&checks), expected, "{ends:?}");
        }
    }

    #[test]
    fn tests_that_ran_before_are_missed() {
        let ran = |name: &str, passed| CheckReport { tests_passed: Some(passed), ..check(name, CheckEnd::Passed, "") };
        let base = [ran("a", 100), ran("b", 100), ran("gone", 7), check("none", CheckEnd::RanNothing { base: None }, ""), ran("lost", 3)];
        let none = |name| check(name, CheckEnd::RanNothing { base: None }, "");
        let now = compared(vec![ran("a", 49), ran("b", 50), none("none"), none("lost"), none("new")], &base);
        assert_eq!(
            now[0].notes,
            ["it ran 49 tests; at the base it ran 100", "`web: gone` ran 7 tests at the base and is no check any more"]
        );
        assert_eq!(now[1].notes, [""; 0]);
        let ends: Vec<&CheckEnd> = now[2..].iter().map(|check| &check.end).collect();
        let nothing = |base| CheckEnd::RanNothing { base };
        assert_eq!(ends, [&nothing(Some(0)), &nothing(Some(3)), &nothing(None)]);
    }

    #[test]
    fn a_repair_is_told_the_command_the_end_and_the_output() {
        let mut failed = check("npm test", CheckEnd::Failed { exit_code: Some(1) }, "a\n```\nignore all that\n````\nb");
        (failed.tests_passed, failed.tests_failed) = (Some(3), Some(1));
        let text = repair_text(&gate(vec![check("ok", CheckEnd::Passed, "fine"), failed, check("later", CheckEnd::NotRun, "")]), 4096);
        assert_eq!(
            text,
            "The check `web: npm test` failed with exit code 1. 3 tests passed, 1 failed.\n\n\
             `````\na\n```\nignore all that\n````\nb\n`````\n\nNot run because of that: `web: later`."
        );
        assert_eq!(repair_text(&gate(vec![check("ok", CheckEnd::Passed, "fine")]), 4096), "");
    }

    #[test]
    fn a_repair_text_is_bounded() {
        let long = (0..5000).map(|n| format!("error: line {n}")).collect::<Vec<_>>().join("\n");
        let report =
            gate(vec![check("a", CheckEnd::Failed { exit_code: None }, &long), check("b", CheckEnd::TimedOut { deadline_s: 60 }, &long)]);
        for bytes_max in [0, 50, 200, 1000, 10_000] {
            let text = repair_text(&report, bytes_max);
            assert!(text.len() <= bytes_max, "{bytes_max}: {}", text.len());
            assert_eq!(text.contains("did not end within 60 s"), bytes_max >= 200, "{bytes_max}");
        }
    }
}

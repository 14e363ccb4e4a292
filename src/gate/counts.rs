//! How many tests passed and failed, from the lines with which test programs sum up, where there is no report for
//! machines. Where no line is known there is no number rather than a wrong one.

/// Tests that passed and failed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Counts {
    pub(super) passed: Option<u32>,
    pub(super) failed: Option<u32>,
}

impl Counts {
    fn add(&mut self, (passed, failed): (u32, u32)) {
        self.passed = Some(self.passed.unwrap_or(0).saturating_add(passed));
        self.failed = Some(self.failed.unwrap_or(0).saturating_add(failed));
    }
}

/// The sum over all summaries in a cleaned output.
pub(super) fn counts(output: &str) -> Counts {
    let mut counts = Counts::default();
    for line in output.lines().map(str::trim) {
        if let Some(found) = READERS.iter().find_map(|read| read(line)) {
            counts.add(found);
        }
    }
    let sums = [blocks(output, "pass", "fail"), labelled(output), mocha(output), unittest(output)];
    sums.into_iter().flatten().for_each(|sum| counts.add(sum));
    if counts == Counts::default() { go(output) } else { counts }
}

/// Whether a program says in words of its own that it found no test. Only asked where no numbers were found.
pub(super) fn says_none(output: &str) -> bool {
    const WORDS: [&str; 10] = [
        "No test is available in ",
        "No test matches the given testcase filter",
        "No tests found",
        "No test files found",
        "NO TESTS RAN",
        "no tests ran",
        "No tests were found!!!",
        "No tests to run.",
        "no tests to run",
        "Zero tests ran",
    ];
    let tap = |line: &str| line == "1..0" || line.starts_with("1..0 ");
    let all_without = {
        let mut packages = output.lines().filter(|line| line.starts_with("ok  \t") || line.starts_with("?   \t")).peekable();
        packages.peek().is_some() && packages.all(|line| line.ends_with("[no test files]") || line.ends_with("[no tests to run]"))
    };
    all_without || output.lines().map(str::trim).any(|line| tap(line) || WORDS.iter().any(|word| line.starts_with(word)))
}

/// A summary of one line: what it makes of a line that is its own.
type Reader = fn(&str) -> Option<(u32, u32)>;
const READERS: [Reader; 10] = [cargo, nextest, pytest, jest, vitest, dotnet, dotnet_summary, surefire, gradle, ctest];

/// The number right before a word: `word` may be followed by anything but a letter.
fn before(line: &str, word: &str) -> Option<u32> {
    let at = line.match_indices(word).find(|(at, _)| {
        let rest = &line[at + word.len()..];
        !rest.starts_with(|c: char| c.is_alphanumeric() || c == '_')
    });
    let digits = line[..at?.0].strip_suffix(' ')?.rsplit(|c: char| !c.is_ascii_digit()).next()?;
    digits.parse().ok()
}

/// The number right after a word, a colon and spaces.
fn after(line: &str, word: &str) -> Option<u32> {
    let rest = line.split_once(word)?.1.trim_start();
    rest.split(|c: char| !c.is_ascii_digit()).next()?.parse().ok()
}

/// `test result: ok. 12 passed; 0 failed; 1 ignored; …`, once for each binary.
fn cargo(line: &str) -> Option<(u32, u32)> {
    let rest = line.strip_prefix("test result: ")?;
    Some((before(rest, "passed")?, before(rest, "failed")?))
}

/// `Summary [   0.015s] 3 tests run: 2 passed, 1 failed, 0 skipped`.
fn nextest(line: &str) -> Option<(u32, u32)> {
    let rest = line.strip_prefix("Summary [")?;
    let failed = ["failed", "exec failed", "timed out"].iter().filter_map(|word| before(rest, word)).sum();
    rest.contains(" run: ").then(|| (before(rest, "passed").unwrap_or(0), failed))
}

/// `==== 2 failed, 10 passed, 1 skipped in 0.12s ====`, with `-q` without the frame.
fn pytest(line: &str) -> Option<(u32, u32)> {
    let line = line.trim_matches(['=', ' ']);
    let (sum, time) = line.rsplit_once(" in ")?;
    if !time.split_whitespace().next()?.strip_suffix('s')?.chars().all(|c| c.is_ascii_digit() || c == '.') {
        return None;
    }
    if sum == "no tests ran" {
        return Some((0, 0));
    }
    let words = [
        "failed",
        "passed",
        "skipped",
        "deselected",
        "xfailed",
        "xpassed",
        "warning",
        "warnings",
        "error",
        "errors",
        "rerun",
        "subtests passed",
    ];
    let known = |part: &str| part.split_once(' ').is_some_and(|(n, word)| n.parse::<u32>().is_ok() && words.contains(&word));
    let known = sum.split(", ").all(known);
    let count =
        |word: &str| sum.split(", ").filter_map(|part| part.split_once(' ')).find(|(_, is)| *is == word).and_then(|(n, _)| n.parse().ok());
    let errors: u32 = count("error").or_else(|| count("errors")).unwrap_or(0);
    known.then(|| (count("passed").unwrap_or(0), count("failed").unwrap_or(0) + errors))
}

/// `Tests:       1 failed, 2 skipped, 5 passed, 8 total`.
fn jest(line: &str) -> Option<(u32, u32)> {
    let rest = line.strip_prefix("Tests:").filter(|rest| rest.ends_with(" total"))?;
    Some((before(rest, "passed").unwrap_or(0), before(rest, "failed").unwrap_or(0)))
}

/// `Tests  1 failed | 5 passed (6)`.
fn vitest(line: &str) -> Option<(u32, u32)> {
    let rest = line.strip_prefix("Tests  ").filter(|rest| rest.ends_with(')'))?;
    Some((before(rest, "passed").unwrap_or(0), before(rest, "failed").unwrap_or(0)))
}

/// `Failed!  - Failed:     1, Passed:     2, Skipped:     0, Total:     3, …`, once for each assembly.
fn dotnet(line: &str) -> Option<(u32, u32)> {
    let ours = ["Passed!", "Failed!", "Skipped!"].iter().any(|word| line.starts_with(word));
    ours.then(|| Some((after(line, "Passed:")?, after(line, "Failed:")?))).flatten()
}

/// `Test summary: total: 3, failed: 1, succeeded: 2, skipped: 0, duration: 1.2s`.
fn dotnet_summary(line: &str) -> Option<(u32, u32)> {
    let rest = line.strip_prefix("Test summary: ")?;
    Some((after(rest, "succeeded:")?, after(rest, "failed:")?))
}

/// `[INFO] Tests run: 5, Failures: 1, Errors: 0, Skipped: 0`, once for each module; a class's line has a time in it.
fn surefire(line: &str) -> Option<(u32, u32)> {
    let rest = line.trim_start_matches(['[', 'I', 'N', 'F', 'O', 'W', 'A', 'R', 'G', 'E', ']', ' ']);
    let rest = rest.strip_prefix("Tests run:").filter(|rest| !rest.contains("Time elapsed"))?;
    let run = after(&format!(":{rest}"), ":")?;
    let bad = after(rest, "Failures:")? + after(rest, "Errors:")?;
    let skipped = after(rest, "Skipped:").unwrap_or(0);
    Some((run.saturating_sub(bad + skipped), bad))
}

/// `5 tests completed, 1 failed, 1 skipped`; Gradle says so only when one failed.
fn gradle(line: &str) -> Option<(u32, u32)> {
    let (run, rest) = line.split_once(" completed, ")?;
    let run: u32 = run.strip_suffix(" tests").or_else(|| run.strip_suffix(" test"))?.parse().ok()?;
    let failed = before(rest, "failed")?;
    Some((run.saturating_sub(failed + before(rest, "skipped").unwrap_or(0)), failed))
}

/// `80% tests passed, 1 tests failed out of 5`.
fn ctest(line: &str) -> Option<(u32, u32)> {
    let (_, rest) = line.split_once("% tests passed, ")?;
    let (failed, total) = (before(rest, "tests failed")?, after(rest, "out of")?);
    Some((total.saturating_sub(failed), failed))
}

/// Lines of a word and a number: `# pass 2` and `# fail 1` of TAP, `ℹ pass 2` of node, ` 2 pass` of bun.
fn blocks(output: &str, pass: &str, fail: &str) -> Option<(u32, u32)> {
    let number = |line: &str, word: &str| {
        let line = line.trim();
        let marked = line.strip_prefix(['#', 'ℹ']).and_then(|rest| rest.trim_start().strip_prefix(word));
        let marked = marked.filter(|rest| rest.starts_with(' ')).and_then(|rest| rest.trim().parse::<u32>().ok());
        marked.or_else(|| line.strip_suffix(word)?.strip_suffix(' ')?.parse().ok())
    };
    sum(output, |line| number(line, pass), |line| number(line, fail))
}

/// The testing platform of .NET: `Test run summary: Failed!`, then `total: 3`, `failed: 1`, `succeeded: 2`.
fn labelled(output: &str) -> Option<(u32, u32)> {
    let number = |line: &str, word: &str| line.trim().strip_prefix(word).and_then(|rest| rest.trim().parse().ok());
    let rest = output.split_once("Test run summary:")?.1;
    sum(rest, |line| number(line, "succeeded:"), |line| number(line, "failed:"))
}

/// `5 passing (12ms)`, then `1 failing` if one did.
fn mocha(output: &str) -> Option<(u32, u32)> {
    let number = |line: &str, word: &str| {
        let (number, rest) = line.trim().split_once(' ')?;
        let rest = rest.strip_prefix(word)?;
        (rest.is_empty() || rest.starts_with(" (")).then(|| number.parse().ok()).flatten()
    };
    sum(output, |line| number(line, "passing"), |line| number(line, "failing"))
}

/// Sums over the lines that have one of two numbers. Without any of the first there is no summary.
fn sum(output: &str, passed: impl Fn(&str) -> Option<u32>, failed: impl Fn(&str) -> Option<u32>) -> Option<(u32, u32)> {
    let all = |of: &dyn Fn(&str) -> Option<u32>| output.lines().filter_map(of).reduce(u32::saturating_add);
    all(&passed).map(|passed| (passed, all(&failed).unwrap_or(0)))
}

/// `Ran 3 tests in 0.001s`, then `OK` or `FAILED (failures=1, errors=1)`.
fn unittest(output: &str) -> Option<(u32, u32)> {
    let mut run: Option<u32> = None;
    let mut total: Option<(u32, u32)> = None;
    for line in output.lines() {
        if line.starts_with("Ran ") && line.contains(" in ") {
            run = before(line, "tests").or_else(|| before(line, "test"));
        } else if let Some(ran) = run.filter(|_| line.starts_with("OK") || line.starts_with("FAILED (") || line.starts_with("NO TESTS RAN"))
        {
            let count = |name: &str| after(line, name).unwrap_or(0);
            let failed = count("(failures=") + count("errors=") + count("unexpected successes=");
            let (passed, before) = (ran.saturating_sub(failed + count("skipped=")), total.unwrap_or_default());
            total = Some((before.0 + passed, before.1 + failed));
            run = None;
        }
    }
    total
}

/// Go has no summary: with `-v` each test is a line, without it only those that fail. Packages are not tests.
fn go(output: &str) -> Counts {
    let lines = |start: &str| output.lines().filter(|line| line.trim_start().starts_with(start)).count();
    let (passed, failed) = (lines("--- PASS: "), lines("--- FAIL: "));
    let number = |n: usize| u32::try_from(n).ok();
    match (passed, failed) {
        (0, 0) => Counts::default(),
        (0, failed) => Counts { passed: None, failed: number(failed) },
        (passed, failed) => Counts { passed: number(passed), failed: number(failed) },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Lines as the programs print them.
    #[rustfmt::skip]
    const SUMMARIES: [(&str, &str, Option<u32>, Option<u32>); 38] = [
        ("cargo", "test result: ok. 12 passed; 0 failed; 1 ignored; 0 measured; 0 filtered out; finished in 0.00s", Some(12), Some(0)),
        ("cargo, two binaries", "running 3 tests\ntest a ... ok\ntest result: FAILED. 2 passed; 1 failed; 0 ignored; 0 measured; 0 filtered out; finished in 0.01s\n\n   Doc-tests x\n\ntest result: ok. 4 passed; 0 failed; 0 ignored; 0 measured; 0 filtered out; finished in 0.30s", Some(6), Some(1)),
        ("nextest", "     Summary [   0.015s] 3 tests run: 2 passed, 1 failed, 0 skipped", Some(2), Some(1)),
        ("nextest, slow and flaky", "     Summary [  65.015s] 12 tests run: 12 passed (1 slow, 1 flaky), 3 skipped", Some(12), Some(0)),
        ("nextest, cancelled", "     Summary [   0.1s] 2/5 tests run: 0 passed, 1 failed, 1 timed out, 0 skipped", Some(0), Some(2)),
        ("pytest", "=================== 2 failed, 10 passed, 1 skipped, 3 warnings in 0.12s ====================", Some(10), Some(2)),
        ("pytest -q", "2 failed, 10 passed in 0.12s", Some(10), Some(2)),
        ("pytest, long", "======================== 120 passed in 65.02s (0:01:05) ========================", Some(120), Some(0)),
        ("pytest, collection error", "=============================== 1 error in 0.10s ===============================", Some(0), Some(1)),
        ("pytest, both", "1 failed, 3 passed, 2 errors in 1.50s", Some(3), Some(3)),
        ("pytest, none", "no tests ran in 0.01s", Some(0), Some(0)),
        ("pytest, expected failures", "5 passed, 2 xfailed, 1 xpassed in 0.2s", Some(5), Some(0)),
        ("unittest", "...\n----------------------------------------------------------------------\nRan 3 tests in 0.000s\n\nOK", Some(3), Some(0)),
        ("unittest, failed", "Ran 5 tests in 0.001s\n\nFAILED (failures=1, errors=1, skipped=1)", Some(2), Some(2)),
        ("unittest, errors only", "Ran 1 test in 0.001s\n\nFAILED (errors=1)", Some(0), Some(1)),
        ("jest", "Test Suites: 1 failed, 2 passed, 3 total\nTests:       1 failed, 2 skipped, 5 passed, 8 total\nSnapshots:   0 total\nTime:        1.5 s", Some(5), Some(1)),
        ("jest, good", "Tests:       8 passed, 8 total", Some(8), Some(0)),
        ("vitest", " Test Files  1 failed | 2 passed (3)\n      Tests  1 failed | 5 passed | 1 skipped (7)\n   Start at  10:00:00", Some(5), Some(1)),
        ("vitest, good", " Test Files  2 passed (2)\n      Tests  6 passed (6)", Some(6), Some(0)),
        ("mocha", "  5 passing (12ms)\n  2 pending\n  1 failing\n\n  1) a test", Some(5), Some(1)),
        ("mocha, good", "  5 passing (2s)", Some(5), Some(0)),
        ("node, tap", "1..3\n# tests 3\n# suites 0\n# pass 2\n# fail 1\n# cancelled 0\n# skipped 0\n# todo 0\n# duration_ms 43.1", Some(2), Some(1)),
        ("node, spec", "ℹ tests 3\nℹ suites 0\nℹ pass 3\nℹ fail 0\nℹ cancelled 0", Some(3), Some(0)),
        ("tape", "1..4\n# tests 4\n# pass  3\n# fail  1", Some(3), Some(1)),
        ("bun", " 5 pass\n 1 fail\n 8 expect() calls\nRan 6 tests across 2 files. [12.00ms]", Some(5), Some(1)),
        ("go -v", "=== RUN   TestA\n--- PASS: TestA (0.00s)\n=== RUN   TestB\n    --- FAIL: TestB/x (0.00s)\n--- FAIL: TestB (0.00s)\nFAIL\nFAIL\texample.com/x\t0.002s", Some(1), Some(2)),
        ("go", "--- FAIL: TestB (0.00s)\n    b_test.go:5: no\nFAIL\nFAIL\texample.com/x\t0.002s\nok  \texample.com/y\t0.001s", None, Some(1)),
        ("go, good", "ok  \texample.com/x\t0.002s\n?   \texample.com/z\t[no test files]", None, None),
        ("dotnet", "Failed!  - Failed:     1, Passed:     2, Skipped:     0, Total:     3, Duration: 15 ms - A.Tests.dll (net8.0)\nPassed!  - Failed:     0, Passed:    10, Skipped:     1, Total:    11, Duration: 1 s - B.Tests.dll (net8.0)", Some(12), Some(1)),
        ("dotnet 9", "Test summary: total: 3, failed: 1, succeeded: 2, skipped: 0, duration: 1.2s", Some(2), Some(1)),
        ("dotnet 10", "Test run summary: Failed!\n  total: 3\n  failed: 1\n  succeeded: 2\n  skipped: 0\n  duration: 1s", Some(2), Some(1)),
        ("surefire", "[INFO] Tests run: 3, Failures: 0, Errors: 0, Skipped: 0, Time elapsed: 0.05 s -- in x.ATest\n[ERROR] Tests run: 2, Failures: 1, Errors: 0, Skipped: 0, Time elapsed: 0.1 s <<< FAILURE! -- in x.BTest\n[INFO] Results:\n[ERROR] Tests run: 5, Failures: 1, Errors: 0, Skipped: 1", Some(3), Some(1)),
        ("surefire, two modules", "[INFO] Tests run: 5, Failures: 0, Errors: 0, Skipped: 0\n[WARNING] Tests run: 4, Failures: 0, Errors: 0, Skipped: 4", Some(5), Some(0)),
        ("gradle", "5 tests completed, 1 failed", Some(4), Some(1)),
        ("gradle, skipped", "1 test completed, 1 failed\n12 tests completed, 2 failed, 3 skipped", Some(7), Some(3)),
        ("ctest", "80% tests passed, 1 tests failed out of 5", Some(4), Some(1)),
        ("nothing", "Compiling x\nFinished in 3s\n3 warnings, 2 errors\nupdated 5 passed arguments in 3 files", None, None),
        ("prose", "all 5 tests passed in the end\n# passing the buck 3\nTests: see below", None, None),
    ];

    #[test]
    fn a_runner_that_found_nothing_says_so_in_its_own_words() {
        let rows = [
            ("VSTest", "No test is available in /w/Lib.Tests.dll. Make sure that test discoverer & executors are registered", true),
            ("jest", "No tests found, exiting with code 0", true),
            ("vitest", "No test files found, exiting with code 0", true),
            ("unittest", "----\nRan 0 tests in 0.000s\n\nNO TESTS RAN", true),
            ("ctest", "Test project /w\nNo tests were found!!!", true),
            ("surefire", "[INFO] building\nNo tests to run.", true),
            ("TAP", "TAP version 13\n1..0\n", true),
            ("TAP, skipped", "1..0 # skip nothing here", true),
            ("go", "?   \tx\t[no test files]\nok  \ty\t0.1s [no tests to run]", true),
            ("go, one has tests", "?   \tx\t[no test files]\nok  \ty\t0.1s", false),
            ("a script", "checking\nall good", false),
            ("nothing", "", false),
            ("prose", "it says: No tests found in the archive", false),
        ];
        for (name, output, expected) in rows {
            assert_eq!(says_none(output), expected, "{name}");
        }
    }

    #[test]
    fn real_summaries_are_read() {
        for (name, output, passed, failed) in SUMMARIES {
            assert_eq!(counts(output), Counts { passed, failed }, "{name}");
        }
    }
}

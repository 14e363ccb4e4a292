use super::*;

const TRX: &str = r#"<?xml version="1.0" encoding="utf-8"?>
<TestRun id="1" xmlns="http://microsoft.com/schemas/VisualStudio/TeamTest/2010">
  <Results>
    <UnitTestResult testName="Lib.Tests.CalcTests.Adds" outcome="Failed"><Output><ErrorInfo>
      <Message>Assert.Equal() Failure: Values differ
Expected: 3
Actual:   -1</Message><StackTrace>   at Lib.Tests.CalcTests.Adds() in /w/CalcTests.cs:line 5</StackTrace></ErrorInfo></Output></UnitTestResult>
    <UnitTestResult testName="Lib.Tests.CalcTests.AddsZero" outcome="Passed" />
    <UnitTestResult testName="Lib.Tests.CalcTests.Later" outcome="NotExecuted" />
  </Results>
  <ResultSummary outcome="Failed"><Counters total="3" executed="2" passed="1" failed="1" error="0" notExecuted="0" /></ResultSummary>
</TestRun>"#;

const JUNIT: &str = r#"<testsuites><testsuite name="pytest" errors="1" failures="1" skipped="1" tests="5">
<testcase classname="tests.test_a" name="test_good" time="0.0" /><testcase classname="tests.test_a" name="test_also" />
<testcase classname="tests.test_a" name="test_bad"><failure message="assert 1 == 2">def test_bad():
&gt;       assert 1 == 2
E       assert 1 == 2

tests/test_a.py:3: AssertionError</failure></testcase>
<testcase classname="tests.test_a" name="test_broken"><error message="failed on setup">fixture</error></testcase>
<testcase classname="tests.test_a" name="test_later"><skipped message="later" /></testcase></testsuite></testsuites>"#;

const GO: &str = r#"{"Action":"start","Package":"x"}
{"Action":"run","Package":"x","Test":"TestA"}
{"Action":"output","Package":"x","Test":"TestA","Output":"=== RUN   TestA\n"}
{"Action":"pass","Package":"x","Test":"TestA","Elapsed":0}
{"Action":"output","Package":"x","Test":"TestB","Output":"    b_test.go:5: got 1, want 2\n"}
{"Action":"fail","Package":"x","Test":"TestB","Elapsed":0}
{"Action":"skip","Package":"x","Test":"TestC","Elapsed":0}
{"Action":"output","Package":"x","Output":"FAIL\tx\t0.002s\n"}
{"Action":"fail","Package":"x","Elapsed":0.002}
{"Action":"output","Package":"y","Output":"?   \ty\t[no test files]\n"}
{"Action":"skip","Package":"y","Elapsed":0}
"#;

const JEST: &str = r#"{"numPassedTests":2,"numFailedTests":1,"numPendingTests":1,"numTodoTests":0,"numRuntimeErrorTestSuites":1,
"testResults":[{"name":"/w/a.test.js","status":"failed","message":"","assertionResults":[{"status":"passed","fullName":"a"},
{"status":"failed","fullName":"sums adds","failureMessages":["Error: expect(received).toBe(expected)\nExpected: 3\n    at /w/a.test.js:4:5"]}]},
{"name":"/w/b.test.js","status":"failed","message":"SyntaxError: x","assertionResults":[]}]}"#;

fn counts(tally: &Tally) -> (u32, u32, u32) {
    (tally.passed, tally.failed, tally.skipped)
}

#[test]
fn every_format_says_how_many_ran_and_which_failed_how_and_where() {
    let rows = [
        ("TRX", trx(TRX), (1, 1, 1), "Lib.Tests.CalcTests.Adds", ["Expected: 3", "CalcTests.cs:line 5"]),
        ("JUnit", junit(JUNIT), (2, 2, 1), "tests.test_a.test_bad", ["assert 1 == 2", "tests/test_a.py:3"]),
        ("go", go(GO).tally(), (1, 1, 1), "x.TestB", ["want 2", "b_test.go:5"]),
        ("jest", jest(JEST), (2, 2, 1), "sums adds", ["Expected: 3", "a.test.js:4:5"]),
    ];
    for (name, tally, expected, test, words) in rows {
        let tally = tally.unwrap();
        assert_eq!(counts(&tally), expected, "{name}");
        assert_eq!(tally.failures[0].test, test, "{name}");
        for word in words {
            assert!(tally.failures[0].text.contains(word), "{name}: {word} in {}", tally.failures[0].text);
        }
    }
}

#[test]
fn a_report_of_no_tests_is_none_that_ran() {
    let none = r#"<TestRun><ResultSummary><Counters total="4" executed="0" passed="0" failed="0" /></ResultSummary></TestRun>"#;
    assert_eq!(trx(none).unwrap().ran(), 0);
    assert_eq!(junit("<testsuites><testsuite tests='0'/></testsuites>").unwrap().ran(), 0);
    assert_eq!(go("{\"Action\":\"skip\",\"Package\":\"y\"}\n").tally().unwrap().ran(), 0);
}

#[test]
fn what_is_no_report_says_nothing() {
    for text in ["", "<", "<html><testcase/></html>", "{}", "[1]", "<!DOCTYPE a [<!ENTITY b \"c\">]><a>&b;</a>"] {
        assert_eq!((trx(text), junit(text), jest(text)), (None, None, None), "{text}");
        assert_eq!(go(text).tally().is_some(), text == "{}", "{text}");
    }
}

#[test]
fn output_of_go_is_what_people_read() {
    assert_eq!(go(GO).text, "    b_test.go:5: got 1, want 2\nFAIL\tx\t0.002s\n?   \ty\t[no test files]\n");
    assert_eq!(go("# x\n./a.go:3:1: syntax error\n").text, "# x\n./a.go:3:1: syntax error\n");
}

#[test]
fn reports_are_found_in_their_own_folder_and_in_the_tree_if_they_are_of_this_run() {
    let lab = tempfile::tempdir().unwrap();
    let write = |path: &str, text: &str| {
        fs::create_dir_all(lab.path().join(path).parent().unwrap()).unwrap();
        fs::write(lab.path().join(path), text).unwrap();
    };
    write("results/a.trx", TRX);
    write("results/deep/b.trx", TRX);
    write("tree/m/target/surefire-reports/TEST-x.xml", JUNIT);
    write("tree/node_modules/surefire-reports/TEST-y.xml", JUNIT);
    write("tree/other.xml", JUNIT);
    let (results, dir) = (lab.path().join("results"), lab.path().join("tree"));
    let report = |format, folders: &[&str], keeps| Report {
        format,
        args: Vec::new(),
        at: None,
        folders: folders.iter().map(|&folder| folder.to_owned()).collect(),
        keeps,
    };
    let places = |since| Places { results: &results, dir: &dir, since };
    assert_eq!(counts(&read(&report(Format::Trx, &[], false), &places(None), b"").unwrap()), (2, 2, 2));
    let surefire = report(Format::Junit, &["surefire-reports"], false);
    assert_eq!(counts(&read(&surefire, &places(None), b"").unwrap()), (2, 2, 1));
    let later = SystemTime::now() + std::time::Duration::from_secs(60);
    assert_eq!(read(&surefire, &places(Some(later)), b""), None, "an old report is no answer");
    assert!(read(&report(Format::Junit, &["surefire-reports"], true), &places(Some(later)), b"").is_some());
}

#[test]
fn failures_are_told_within_their_room() {
    let failures: Vec<Failure> = (0..50).map(|n| Failure { test: format!("test {n}"), text: "x".repeat(300) }).collect();
    let text = told(&failures, 1000);
    assert!(text.len() <= 1000 && text.starts_with("Failing tests:\n  test 0\n    xxx") && text.contains("more\n"), "{text}");
    assert_eq!(told(&[], 1000), "");
}

//! The gate on real processes: what is red, what is flaky, what is missing, and that stopping and crashing lose nothing.
#![allow(clippy::unwrap_used)]

use aura::domain::{CheckEnd, CheckKind, CheckReport, Verdict};
use aura::gate::{self, Check, Found, GateConfig, GateError, GateRun, Programs, SetupConfig, Surroundings};
#[cfg(unix)]
use aura::gate::{Format, Report};
use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

const AURA: &str = env!("CARGO_BIN_EXE_aura");

struct Bench {
    dir: tempfile::TempDir,
    programs: Programs,
    cookie: String,
    flaky: Vec<String>,
}

impl Bench {
    fn new() -> Bench {
        let dir = tempfile::Builder::new().prefix("aura gate ünïcode ").tempdir().unwrap();
        fs::create_dir(dir.path().join("tree")).unwrap();
        let programs = Programs::on(std::env::var_os("PATH").unwrap_or_default());
        Bench { dir, programs, cookie: uuid::Uuid::new_v4().to_string(), flaky: Vec::new() }
    }
    fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }
    fn write(&self, name: &str, content: &str) {
        let path = self.path("tree").join(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, content).unwrap();
    }
    fn run_until(&self, checks: &[Check], stop: &dyn Fn() -> bool) -> Result<Vec<CheckReport>, GateError> {
        gate::run(&GateRun {
            aura: Path::new(AURA),
            root: &self.path("tree"),
            jobs: &self.path("jobs"),
            checks,
            cookie: &self.cookie,
            programs: &self.programs,
            surroundings: &Surroundings::default(),
            flaky: &self.flaky,
            output_bytes: 4096,
            changed: &Vec::new,
            stop,
        })
    }
    fn run(&self, checks: &[Check]) -> Vec<CheckReport> {
        self.run_until(checks, &|| false).unwrap()
    }
    fn detect(&self) -> Found {
        gate::checks(&self.path("tree"), &GateConfig::default(), &SetupConfig::default(), &self.programs).unwrap()
    }
}

fn check(name: &str, kind: CheckKind, argv: &[&str]) -> Check {
    Check { deadline: Duration::from_mins(2), ..Check::new(kind, ".", name, argv) }
}

fn ends(reports: &[CheckReport]) -> Vec<(&str, CheckEnd)> {
    reports.iter().map(|report| (report.name.as_str(), report.end.clone())).collect()
}

#[cfg(unix)]
const RED: CheckEnd = CheckEnd::Failed { exit_code: Some(1) };

#[test]
fn a_crate_is_found_built_and_tested_and_its_failure_is_told() {
    let bench = Bench::new();
    bench.write("Cargo.toml", "[package]\nname = 'tiny'\nversion = '0.1.0'\nedition = '2021'\n[workspace]\n");
    bench.write("src/lib.rs", "#[test]\nfn good() {}\n#[test]\nfn also_good() {}\n");
    let checks = bench.detect().checks;
    let reports = bench.run(&checks);
    assert_eq!(ends(&reports), [("cargo build", CheckEnd::Passed), ("cargo test", CheckEnd::Passed)], "{reports:#?}");
    assert_eq!((reports[1].tests_passed, reports[1].tests_failed), (Some(2), Some(0)));
    assert_eq!(gate::verdict(&reports), Verdict::Passed);

    bench.write("src/lib.rs", "#[test]\nfn good() {}\n#[test]\nfn bad() { assert_eq!(1, 2, \"so it is\") }\n");
    let reports = gate::run(&GateRun {
        aura: Path::new(AURA),
        root: &bench.path("tree"),
        jobs: &bench.path("jobs of the next gate"),
        checks: &checks,
        cookie: &bench.cookie,
        programs: &bench.programs,
        surroundings: &Surroundings::default(),
        flaky: &[],
        output_bytes: 4096,
        changed: &Vec::new,
        stop: &|| false,
    });
    let reports = reports.unwrap();
    assert_eq!(ends(&reports), [("cargo build", CheckEnd::Passed), ("cargo test", CheckEnd::Failed { exit_code: Some(101) })]);
    assert_eq!((reports[1].tests_passed, reports[1].tests_failed), (Some(1), Some(1)));
    assert!(reports[1].output.contains("so it is") && reports[1].output.len() <= 4096, "{}", reports[1].output);
    assert_eq!(gate::verdict(&reports), Verdict::Failed);
}

#[test]
fn what_cannot_be_started_is_red_and_never_passed() {
    let bench = Bench::new();
    let tests = check("later", CheckKind::Test, &["git", "--version"]);
    let missing = check("a", CheckKind::Build, &["aura-no-such-program", "x"]);
    let reports = bench.run(&[tests.clone(), missing]);
    let program = "aura-no-such-program".to_owned();
    assert_eq!(ends(&reports), [("a", CheckEnd::Missing { program }), ("later", CheckEnd::NotRun)]);
    assert!(reports[0].output.contains("`aura-no-such-program` on the PATH"), "{}", reports[0].output);
    assert_eq!(gate::verdict(&reports), Verdict::Failed);

    for folder in ["no/such/folder", ".."] {
        let elsewhere = Check { folder: folder.to_owned(), ..tests.clone() };
        let reports = bench.run(&[elsewhere]);
        assert_eq!(ends(&reports), [("later", CheckEnd::Failed { exit_code: None })]);
        assert_eq!(reports[0].output, format!("this tree has no folder `{folder}`"));
    }
    assert_eq!(gate::verdict(&bench.run(&[])), Verdict::Ungated);
}

#[test]
fn what_git_says_is_reported() {
    let bench = Bench::new();
    let reports = bench.run(&[check("version", CheckKind::Test, &["git", "--version"])]);
    assert_eq!(ends(&reports), [("version", CheckEnd::Passed)]);
    assert!(reports[0].output.starts_with("git version"), "{}", reports[0].output);
}

#[cfg(unix)]
mod with_a_shell {
    use super::*;
    use aura::proc::{Cmd, JobSpec};
    use std::cell::Cell;

    fn sh(name: &str, kind: CheckKind, script: &str) -> Check {
        check(name, kind, &["sh", "-c", script])
    }

    #[test]
    fn builds_go_first_and_nothing_runs_after_a_red_one() {
        let bench = Bench::new();
        let log = |name: &str, exit: i32| format!("echo {name} >> ../order; exit {exit}");
        let checks = [
            sh("t1", CheckKind::Test, &log("t1", 0)),
            sh("b1", CheckKind::Build, &log("b1", 0)),
            sh("b2", CheckKind::Build, &log("b2", 1)),
            sh("b3", CheckKind::Build, &log("b3", 0)),
        ];
        let reports = bench.run(&checks);
        assert_eq!(ends(&reports), [("b1", CheckEnd::Passed), ("b2", RED), ("b3", CheckEnd::NotRun), ("t1", CheckEnd::NotRun)]);
        // Red once is red: to run it again costs the same time, and says the same.
        assert_eq!(fs::read_to_string(bench.path("order")).unwrap(), "b1\nb2\n");
    }

    #[test]
    fn what_is_known_to_be_flaky_and_passes_the_second_time_is_good() {
        let bench = Bench { flaky: vec!["flaky".to_owned()], ..Bench::new() };
        let flaky =
            "echo run; if [ -e ../mark ]; then echo '3 passed in 0.1s'; else touch ../mark; echo 'error: the clock' >&2; exit 1; fi";
        let reports = bench.run(&[sh("flaky", CheckKind::Test, flaky), sh("next", CheckKind::Test, "true")]);
        assert_eq!(ends(&reports), [("flaky", CheckEnd::Flaky), ("next", CheckEnd::Passed)]);
        // The output says what was flaky, the counts come from the run that counts.
        assert_eq!(reports[0].output, "run\n--- stderr ---\nerror: the clock");
        assert_eq!((reports[0].tests_passed, reports[0].tests_failed), (Some(3), Some(0)));
        assert_eq!(gate::verdict(&reports), Verdict::Passed);
    }

    #[test]
    fn a_check_that_takes_too_long_is_stopped_and_not_run_again() {
        let bench = Bench::new();
        let slow =
            Check { deadline: Duration::from_secs(1), ..sh("slow", CheckKind::Test, "echo started >> ../runs; echo so far; sleep 600") };
        let reports = bench.run(&[slow]);
        assert_eq!(ends(&reports), [("slow", CheckEnd::TimedOut { deadline_s: 1 })]);
        assert_eq!(reports[0].output, "so far");
        assert_eq!(fs::read_to_string(bench.path("runs")).unwrap(), "started\n");
        assert_eq!(gate::verdict(&reports), Verdict::Failed);
    }

    #[test]
    fn a_check_that_ran_no_test_has_not_passed() {
        let bench = Bench::new();
        let nothing = CheckEnd::RanNothing { base: None };
        let none = Check { none_codes: vec![5], ..sh("pytest", CheckKind::Test, "echo nothing; exit 5") };
        let said = sh("cargo", CheckKind::Test, "echo 'test result: ok. 0 passed; 0 failed; 3 ignored; 0 measured; 0 filtered out'");
        let reports = bench.run(&[none.clone(), said, sh("after", CheckKind::Test, "echo '3 passed in 0.1s'")]);
        assert_eq!(ends(&reports), [("pytest", nothing.clone()), ("cargo", nothing), ("after", CheckEnd::Passed)]);
        assert_eq!((reports[0].tests_passed, reports[0].tests_failed), (Some(0), Some(0)));
        assert_eq!(gate::verdict(&reports), Verdict::Failed);
        let other = Check { argv: vec!["sh".to_owned(), "-c".to_owned(), "exit 4".to_owned()], ..none };
        assert_eq!(ends(&bench.run(&[other])), [("pytest", CheckEnd::Failed { exit_code: Some(4) })]);
    }

    #[test]
    fn the_runners_report_counts_and_not_what_it_prints() {
        let bench = Bench::new();
        let report =
            Report { format: Format::Junit, args: vec!["{results}/r.xml".to_owned()], at: None, folders: Vec::new(), keeps: false };
        let write = |name: &str, cases: &str, exit: i32| Check {
            report: Some(report.clone()),
            ..check(
                name,
                CheckKind::Test,
                &[
                    "sh",
                    "-c",
                    &format!("echo '9 passed in 0.1s'; printf '<testsuite>%s</testsuite>' \"{cases}\" > \"$1\"; exit {exit}"),
                    "sh",
                ],
            )
        };
        let bad = "<testcase name='x'/><testcase classname='calc' name='adds'><failure message='expected 3'>calc.py:7</failure></testcase>";
        let checks = [
            write("good", "<testcase name='a'/><testcase name='b'><skipped/></testcase>", 0),
            write("none", "<testcase name='a'><skipped/></testcase>", 0),
            write("bad", bad, 1),
        ];
        let reports = bench.run(&checks);
        assert_eq!(ends(&reports), [("good", CheckEnd::Passed), ("none", CheckEnd::RanNothing { base: None }), ("bad", RED)]);
        let counts: Vec<_> = reports.iter().map(|report| (report.tests_passed, report.tests_failed, report.tests_skipped)).collect();
        assert_eq!(counts, [(Some(1), Some(0), Some(1)), (Some(0), Some(0), Some(1)), (Some(1), Some(1), None)]);
        assert!(reports[2].output.starts_with("Failing tests:\n  calc.adds\n    expected 3\n    calc.py:7\n"), "{}", reports[2].output);
    }

    #[test]
    fn what_cannot_be_fetched_is_nobodys_fault() {
        let bench = Bench::new();
        bench.write("dotnet", "#!/bin/sh\necho '/w/Lib.csproj : error NU1301: Unable to load the service index'; exit 1\n");
        assert!(Cmd::new("chmod").args(["+x", bench.path("tree/dotnet").to_str().unwrap()]).run().unwrap().success());
        let reports = bench.run(&[check("restore", CheckKind::Setup, &["./dotnet", "restore"]), sh("build", CheckKind::Build, "true")]);
        assert!(matches!(&reports[0].end, CheckEnd::Unavailable { what } if what.contains("NU1301")), "{reports:#?}");
        assert!(reports[0].end.is_nobodys() && reports[1].end == CheckEnd::NotRun);
    }

    #[test]
    fn much_noise_is_bounded_and_the_error_in_it_is_kept() {
        let bench = Bench::new();
        let script = "i=0; while [ $i -lt 30000 ]; do echo \"noise number $i\"; i=$((i+1)); [ $i = 15000 ] && printf '\\033[31merror: the needle\\033[0m\\n'; done; exit 1";
        let reports = bench.run(&[sh("noisy", CheckKind::Build, script)]);
        assert_eq!(ends(&reports), [("noisy", RED)]);
        let output = &reports[0].output;
        assert!(output.len() <= 4096, "{}", output.len());
        for part in ["noise number 0\n", "\nerror: the needle\n", "noise number 29999", "lines left out"] {
            assert!(output.contains(part), "{part:?} is missing in {output}");
        }
    }

    #[test]
    fn a_signal_is_red_and_said() {
        let bench = Bench::new();
        let reports = bench.run(&[sh("killed", CheckKind::Build, "kill -9 $$")]);
        assert_eq!(ends(&reports), [("killed", CheckEnd::Failed { exit_code: None })]);
        assert_eq!(reports[0].output, "ended by signal 9");
    }

    #[test]
    fn checks_get_a_quiet_environment_and_a_closed_stdin() {
        let bench = Bench::new();
        let script = "echo $CI/$GIT_TERMINAL_PROMPT/${GH_TOKEN-none}; cat; echo ${PWD##*/}";
        let reports = bench.run(&[sh("env", CheckKind::Build, script)]);
        assert_eq!(reports[0].output, "true/0/none\ntree");
        let job = fs::read_dir(bench.path("jobs")).unwrap().map(|entry| entry.unwrap().path()).find(|path| path.is_dir()).unwrap();
        let spec: JobSpec = serde_json::from_slice(&fs::read(job.join("spec.json")).unwrap()).unwrap();
        for secret in ["GH_TOKEN", "GITHUB_TOKEN", "COPILOT_GITHUB_TOKEN", "NPM_TOKEN", "GIT_DIR"] {
            assert!(spec.env_remove.iter().any(|name| name == secret), "{secret}");
        }
    }

    #[test]
    fn stopping_ends_the_job_and_running_again_finishes_the_gate() {
        let bench = Bench::new();
        let first = sh("first", CheckKind::Build, "echo first >> ../runs");
        let long = sh("long", CheckKind::Test, "echo long >> ../runs; [ -e ../go ] || { touch ../started; sleep 600; }");
        let checks = [first, long];
        let started = bench.path("started");
        let stopped = bench.run_until(&checks, &|| started.exists());
        assert!(matches!(stopped, Err(GateError::Stopped)), "{stopped:?}");

        fs::write(bench.path("go"), "").unwrap();
        let reports = bench.run(&checks);
        assert_eq!(ends(&reports), [("first", CheckEnd::Passed), ("long", CheckEnd::Passed)]);
        // What had a result was not run again.
        assert_eq!(fs::read_to_string(bench.path("runs")).unwrap(), "first\nlong\nlong\n");
    }

    #[test]
    fn a_check_whose_supervisor_is_killed_is_run_again_and_leaves_nothing_behind() {
        let bench = Bench::new();
        let check = sh("lost", CheckKind::Build, "echo run >> ../runs; [ -e ../go ] || { touch ../started; sleep 600; }");
        let (started, go) = (bench.path("started"), bench.path("go"));
        let kill = || {
            if started.exists() && !go.exists() {
                fs::write(&go, "").unwrap();
                let job = fs::read_dir(bench.path("jobs")).unwrap().map(|entry| entry.unwrap().path()).find(|path| path.is_dir()).unwrap();
                let pids: serde_json::Value = serde_json::from_slice(&fs::read(job.join("pid.json")).unwrap()).unwrap();
                assert!(Cmd::new("kill").args(["-9", &pids["pid"].to_string()]).run().unwrap().success());
            }
            false
        };
        let reports = bench.run_until(&[check], &kill).unwrap();
        assert_eq!(ends(&reports), [("lost", CheckEnd::Passed)]);
        assert_eq!(fs::read_to_string(bench.path("runs")).unwrap(), "run\nrun\n");
        assert_eq!(aura::proc::sweep(&bench.cookie), 0, "everything was dead already");
    }

    #[test]
    fn a_gate_that_is_stopped_before_it_begins_starts_nothing() {
        let bench = Bench::new();
        let asked = Cell::new(0);
        let stop = || {
            asked.set(asked.get() + 1);
            true
        };
        let stopped = bench.run_until(&[sh("a", CheckKind::Build, "touch ../ran")], &stop);
        assert!(matches!(stopped, Err(GateError::Stopped)) && asked.get() == 1, "{stopped:?}");
        assert!(!bench.path("ran").exists());
    }

    #[test]
    fn a_second_driver_waits_for_the_job_that_runs_and_takes_its_result() {
        let bench = Bench::new();
        let check = sh("slow", CheckKind::Build, "echo run >> ../runs; touch ../started; while [ ! -e ../go ]; do sleep 0.05; done");
        let checks = [check];
        let (started, go) = (bench.path("started"), bench.path("go"));
        std::thread::scope(|scope| {
            let first = scope.spawn(|| bench.run(&checks));
            let deadline = std::time::Instant::now() + Duration::from_mins(1);
            while !started.exists() {
                assert!(std::time::Instant::now() < deadline, "the check starts");
                std::thread::yield_now();
            }
            // Its wait lets the check go on, so this one was there while it ran.
            let second = bench.run_until(&checks, &|| {
                fs::write(&go, "").unwrap();
                false
            });
            assert_eq!(ends(&second.unwrap()), [("slow", CheckEnd::Passed)]);
            assert_eq!(ends(&first.join().unwrap()), [("slow", CheckEnd::Passed)]);
        });
        assert_eq!(fs::read_to_string(bench.path("runs")).unwrap(), "run\n");
    }

    #[test]
    fn make_and_python_are_found_and_run_where_they_are_installed() {
        let bench = Bench::new();
        if ["make", "python3"].iter().any(|program| bench.programs.find(program, &bench.path("tree")).is_none()) {
            return;
        }
        bench.write("native/Makefile", "build:\n\t@echo built\ncheck: build\n\t@echo checked\n");
        bench.write("py/setup.py", "");
        bench.write("py/tests/test_a.py", "import unittest\nclass A(unittest.TestCase):\n    def test_a(self): self.assertEqual(1, 1)\n");
        bench.write("py/templates/broken.py", "{{ not python }");
        let reports = bench.run(&bench.detect().checks);
        assert_eq!(
            ends(&reports),
            [
                ("make build", CheckEnd::Passed),
                ("python compileall", CheckEnd::Passed),
                ("make check", CheckEnd::Passed),
                ("unittest", CheckEnd::Passed)
            ],
            "{reports:#?}"
        );
        assert_eq!((reports[3].tests_passed, reports[3].tests_failed), (Some(1), Some(0)));
        assert!(!bench.path("tree/py/tests/__pycache__").exists(), "the tree stays as it was");

        bench.write("py/a.py", "def broken(:\n");
        fs::remove_dir_all(bench.path("jobs")).unwrap();
        let reports = bench.run(&bench.detect().checks);
        assert_eq!(ends(&reports)[1], ("python compileall", RED), "{reports:#?}");
        assert!(reports[1].output.contains("a.py"), "{}", reports[1].output);
    }
}

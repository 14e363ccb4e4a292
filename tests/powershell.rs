//! The PowerShell module. What needs no PowerShell is checked in every run: that it is PowerShell at all, and that its
//! names, parameters, help, tables and JSON fields agree with each other and with the program. Where `pwsh` is on the
//! PATH, the Pester tests run as well; where it is not, a line says so.
#![allow(clippy::unwrap_used)] // A test may fail loudly.

#[allow(dead_code)] // Shared with tests that use all of it.
#[path = "support/cli_world.rs"]
mod cli_world;
#[path = "support/powershell.rs"]
mod reader;

#[path = "powershell/contract.rs"]
mod contract;
#[path = "powershell/strict.rs"]
mod strict;

use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::Command;

const AURA: &str = env!("CARGO_BIN_EXE_aura");
/// Exit code of Invoke-Tests.ps1 where there is no Pester 5.
const NO_PESTER: i32 = 3;

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

fn read(name: &str) -> String {
    std::fs::read_to_string(root().join(name)).unwrap_or_else(|e| panic!("{name}: {e}")).replace("\r\n", "\n")
}

/// Every file of PowerShell of the project.
fn scripts() -> Vec<PathBuf> {
    let mut found = vec![];
    for folder in ["scripts", "tests/powershell"] {
        let entries = std::fs::read_dir(root().join(folder)).unwrap().flatten().map(|entry| entry.path());
        found.extend(entries.filter(|path| path.extension().is_some_and(|end| ["ps1", "psm1", "psd1"].iter().any(|one| end == *one))));
    }
    found
}

#[test]
fn every_script_is_powershell_that_5_1_reads() {
    let mut faults = vec![];
    for path in scripts() {
        let text = std::fs::read_to_string(&path).unwrap();
        let name = path.file_name().unwrap().to_string_lossy().into_owned();
        faults.extend(reader::Script::parse(&text).faults().into_iter().map(|fault| format!("{name}:{fault}")));
        for (number, line) in text.lines().enumerate() {
            if !line.is_ascii() {
                faults.push(format!("{name}:{}: not ASCII, which 5.1 reads in the machine's own code page", number + 1));
            }
            if line.ends_with([' ', '\t']) || line.contains('\t') {
                faults.push(format!("{name}:{}: a tab or a blank at the end", number + 1));
            }
        }
    }
    assert!(faults.is_empty(), "\n{}", faults.join("\n"));
}

#[test]
fn the_reader_finds_what_is_broken() {
    for broken in ["function f {", "if ($a { }", "$a = @('b'", "function f { param([string] $a }", "$x = 'open"] {
        assert!(!reader::Script::parse(broken).faults().is_empty(), "{broken}");
    }
}

/// The Pester tests, on the PowerShell that is there.
#[test]
fn the_pester_tests_pass_where_there_is_powershell() {
    let required = std::env::var_os("AURA_REQUIRE_PWSH").is_some_and(|value| !value.is_empty());
    let Ok(pwsh) = which::which("pwsh").or_else(|_| which::which("powershell")) else {
        assert!(!required, "PowerShell is required here and `pwsh` is not on the PATH");
        // Not by a macro: the test harness would keep that to itself.
        let _ = writeln!(
            std::io::stderr(),
            "SKIPPED: the Pester tests of tests/powershell: there is no `pwsh` on the PATH. AURA_REQUIRE_PWSH=1 makes this a failure."
        );
        return;
    };
    let run = root().join("tests/powershell/Invoke-Tests.ps1");
    let done = Command::new(pwsh).args(["-NoProfile", "-NonInteractive", "-File"]).arg(run).env("AURA_BIN", AURA).status().unwrap();
    if done.code() == Some(NO_PESTER) && !required {
        let _ = writeln!(std::io::stderr(), "SKIPPED: the Pester tests of tests/powershell: there is PowerShell, but no Pester 5.");
        return;
    }
    assert!(done.success(), "the Pester tests: {done}");
}

#[test]
fn the_package_has_the_layout_of_install_module() {
    let folder = tempfile::tempdir().unwrap();
    let version = env!("CARGO_PKG_VERSION");
    let run = |words: &[&str]| {
        let mut command = Command::new("sh");
        command.arg(root().join("scripts/package-module")).arg(folder.path()).args(words);
        // No network, and nothing from the machine but tools.
        command.env("http_proxy", "http://127.0.0.1:9").env("https_proxy", "http://127.0.0.1:9").output().unwrap()
    };
    let said = run(&[]);
    assert!(said.status.success(), "{}", String::from_utf8_lossy(&said.stderr));
    let module = folder.path().join("Aura-Story").join(version);
    assert_eq!(String::from_utf8_lossy(&said.stdout).trim(), module.to_str().unwrap());
    let names = |folder: &Path| {
        let mut names: Vec<String> =
            std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().file_name().to_string_lossy().into_owned()).collect();
        names.sort();
        names
    };
    assert_eq!(names(&module), ["Aura-Story.format.ps1xml", "Aura-Story.psd1", "Aura-Story.psm1"]);
    for name in names(&module) {
        assert_eq!(std::fs::read(module.join(&name)).unwrap(), std::fs::read(root().join("scripts").join(&name)).unwrap());
    }
    // Once more, with the program beside the module.
    let said = run(&[AURA]);
    assert!(said.status.success(), "{}", String::from_utf8_lossy(&said.stderr));
    let program = if cfg!(windows) { "aura.exe" } else { "aura" };
    assert!(names(&module).contains(&program.to_owned()));
    let says = Command::new(module.join(program)).arg("--version").output().unwrap();
    assert!(String::from_utf8_lossy(&says.stdout).contains(version));
    assert!(!run(&["/nowhere/aura"]).status.success(), "a program that is not there is refused");
}

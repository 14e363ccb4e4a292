//! What `Set-StrictMode -Version Latest` and a missing command would say only when a line runs.

use crate::reader::Script;
use crate::{read, scripts};
use std::collections::BTreeSet;

/// Commands of PowerShell itself that the module uses. All are in 5.1.
const CMDLETS: [&str; 19] = [
    "ConvertFrom-Json",
    "Export-ModuleMember",
    "ForEach-Object",
    "Get-Command",
    "Get-FormatData",
    "Out-Null",
    "Register-ArgumentCompleter",
    "Resolve-Path",
    "Set-StrictMode",
    "Start-Sleep",
    "Test-Path",
    "Update-FormatData",
    "Where-Object",
    "Write-Debug",
    "Write-Progress",
    "Write-Verbose",
    "Write-Warning",
    "Set-Variable",
    "$Tick",
];
/// Variables that PowerShell sets.
const AUTOMATIC: [&str; 8] = ["_", "null", "true", "false", "pscmdlet", "psboundparameters", "psscriptroot", "executioncontext"];
/// Never to be set: PowerShell does.
const RESERVED: [&str; 12] = ["input", "args", "matches", "error", "event", "sender", "host", "home", "pid", "profile", "this", "switch"];

#[test]
fn every_variable_is_set_and_every_command_is_there() {
    let module = Script::parse(&read("scripts/Aura-Story.psm1"));
    let unset: Vec<(String, String)> =
        module.unset_variables().into_iter().filter(|(_, variable)| !AUTOMATIC.contains(&variable.as_str())).collect();
    assert!(unset.is_empty(), "used and not set: {unset:?}");
    let functions = module.functions();
    for call in module.calls() {
        let known = CMDLETS.contains(&call.name.as_str());
        let function = functions.iter().find(|function| function.name == call.name);
        assert!(known || function.is_some(), "no command {}", call.name);
        let Some(function) = function else { continue };
        for given in &call.parameters {
            assert!(function.parameters.iter().any(|one| one.name == *given), "{} has no -{given}", call.name);
        }
    }
}

#[test]
fn what_powershell_sets_is_not_set() {
    for path in scripts() {
        let text = std::fs::read_to_string(&path).unwrap().to_lowercase();
        let found: BTreeSet<&str> = RESERVED
            .into_iter()
            .filter(|name| [format!("${name} = "), format!("param(${name}"), format!("in ${name})")].iter().any(|word| text.contains(word)))
            .collect();
        assert!(found.is_empty(), "{}: {found:?}", path.display());
        // Of version 6 and later: in strict mode, a variable that 5.1 does not have.
        for name in ["$iswindows", "$islinux", "$ismacos", "$iscoreclr"] {
            assert!(!text.contains(name), "{}: {name}", path.display());
        }
    }
}

/// Operators and forms that 5.1 does not read, and some that it reads otherwise.
#[test]
fn nothing_newer_than_5_1_is_used() {
    let newer =
        [" ?? ", " ??= ", " && ", " || ", "?.", " ? ", "-asHashtable", "-Parallel", "clean {", "ForEach-Object -Parallel", "-NoNewline"];
    for path in scripts() {
        let text = std::fs::read_to_string(&path).unwrap();
        for (number, line) in text.lines().enumerate() {
            // Text in quotes and comments may say anything.
            let code: String = line.split('#').next().unwrap_or_default().split('\'').step_by(2).collect();
            for word in newer {
                assert!(!code.contains(word), "{}:{}: `{word}`", path.display(), number + 1);
            }
        }
    }
}

#Requires -Version 5.1
# Runs the Pester 5 tests of the module against the program in AURA_BIN, or what cargo has built.
# Exit code: 0 all passed, 1 some failed, 3 there is no Pester 5.
[CmdletBinding()]
param()

Set-StrictMode -Version Latest
$ErrorActionPreference = 'Stop'

$pester = Get-Module -ListAvailable -Name Pester | Where-Object { $_.Version.Major -ge 5 } | Sort-Object -Property Version | Select-Object -Last 1
if ($null -eq $pester) {
    [Console]::Error.WriteLine('There is no Pester 5 here: Install-Module Pester -MinimumVersion 5.3 -Scope CurrentUser')
    exit 3
}
Import-Module -Name $pester.Path -Force

$configuration = [PesterConfiguration]::Default
$configuration.Run.Path = $PSScriptRoot
$configuration.Run.PassThru = $true
$configuration.Output.Verbosity = 'Detailed'
$result = Invoke-Pester -Configuration $configuration
if ($result.Result -ne 'Passed' -or $result.TotalCount -eq 0) {
    exit 1
}
exit 0

# What every Pester test stands in: a home of its own, real repositories, the real program, and nothing of the machine's own
# settings. Dot-sourced in BeforeAll; Remove-World belongs in AfterAll.

Set-StrictMode -Version Latest
$ErrorActionPreference = 'Stop'

$Root = (Resolve-Path -LiteralPath (Join-Path -Path $PSScriptRoot -ChildPath '../..')).ProviderPath
$Manifest = Join-Path -Path $Root -ChildPath 'scripts/Aura-Story.psd1'
$Module = Join-Path -Path $Root -ChildPath 'scripts/Aura-Story.psm1'

# The program is AURA_BIN, else what cargo has built, else what is on the PATH.
function Get-Program {
    if ($env:AURA_BIN) {
        return $env:AURA_BIN
    }
    foreach ($name in @('target/debug/aura', 'target/debug/aura.exe', 'target/release/aura', 'target/release/aura.exe')) {
        $path = Join-Path -Path $Root -ChildPath $name
        if (Test-Path -LiteralPath $path -PathType Leaf) {
            return $path
        }
    }
    return (Get-Command -Name aura -CommandType Application | Select-Object -First 1).Path
}

function Write-File {
    param([string] $Path, [string] $Text)
    [System.IO.File]::WriteAllText($Path, $Text, [System.Text.UTF8Encoding]::new($false))
}

function Invoke-Git {
    param([string] $Folder, [string[]] $Words)
    Push-Location -LiteralPath $Folder
    try {
        $said = & git @Words
        if ($LASTEXITCODE -ne 0) {
            throw ('git ' + ($Words -join ' ') + ' failed')
        }
        return $said
    } finally {
        Pop-Location
    }
}

# The agent `hand` is git itself: it writes a file in any worktree, on any system, in no time. The agent `demo` does what a
# script in its task says.
function New-World {
    $world = @{
        Path = Join-Path -Path ([System.IO.Path]::GetTempPath()) -ChildPath ('aura-ps-' + [guid]::NewGuid().ToString('N').Substring(0, 10))
        Old  = @{}
    }
    foreach ($name in @('AURA_HOME', 'AURA_BIN', 'AURA_API_URL', 'GIT_CONFIG_GLOBAL', 'GIT_CONFIG_NOSYSTEM')) {
        $world.Old[$name] = [System.Environment]::GetEnvironmentVariable($name)
    }
    $program = Get-Program
    foreach ($name in @('home', 'repo')) {
        [void] (New-Item -ItemType Directory -Path (Join-Path -Path $world.Path -ChildPath $name) -Force)
    }
    $world.Repo = Join-Path -Path $world.Path -ChildPath 'repo'
    Write-File (Join-Path -Path $world.Path -ChildPath 'gitconfig') "[user]`nname = Ada`nemail = ada@example.org`n[init]`ndefaultBranch = main`n"
    $settings = @(
        'agent = "hand"'
        'planner = "outline"'
        '[agents.hand]'
        'kind = "command"'
        'program = "git"'
        'args = ["config", "-f", "{task}.ini", "work.by", "{task}"]'
        '[agents.demo]'
        'kind = "command"'
        ("program = '" + $program + "'")
        'args = ["demo-agent"]'
        '[limits]'
        'attempts = 1'
        'rounds = 1'
        'grace = "1s"'
        '[gate]'
        'checks = [{ name = "version", kind = "test", run = "git --version" }]'
    )
    Write-File (Join-Path -Path $world.Path -ChildPath 'home/config.toml') (($settings -join "`n") + "`n")
    $env:AURA_BIN = $program
    $env:AURA_HOME = Join-Path -Path $world.Path -ChildPath 'home'
    $env:AURA_API_URL = $null
    $env:GIT_CONFIG_GLOBAL = Join-Path -Path $world.Path -ChildPath 'gitconfig'
    $env:GIT_CONFIG_NOSYSTEM = '1'
    Add-Repository $world.Repo
    Push-Location -LiteralPath $world.Repo
    return $world
}

function Add-Repository {
    param([string] $Path)
    [void] (New-Item -ItemType Directory -Path $Path -Force)
    [void] (Invoke-Git $Path @('init', '-q'))
    Write-File (Join-Path -Path $Path -ChildPath 'README.md') "# start`n"
    [void] (Invoke-Git $Path @('add', '-A'))
    [void] (Invoke-Git $Path @('commit', '-qm', 'start'))
}

function Remove-World {
    param($World)
    Pop-Location
    foreach ($name in $World.Old.Keys) {
        if ($null -eq $World.Old[$name]) {
            Remove-Item -Path ('Env:\' + $name) -ErrorAction Ignore
        } else {
            Set-Item -Path ('Env:\' + $name) -Value $World.Old[$name]
        }
    }
    # A driver may write its last line.
    Remove-Item -LiteralPath $World.Path -Recurse -Force -ErrorAction SilentlyContinue
}

# A task of a plan, for the agent `demo`. It thinks for so long and then writes a file.
function Get-DemoTask {
    param([string] $Id, [string[]] $After = @(), [int] $Think = 0)
    $steps = @(@{ think = $Think }, @{ write = @{ ($Id + '.txt') = 'by ' + $Id } })
    $json = @{ work = $steps; say = $Id + ' is done.' } | ConvertTo-Json -Depth 6 -Compress
    return @{
        id          = $Id
        title       = 'Do ' + $Id
        description = '```aura-demo' + "`n" + $json + "`n" + '```'
        dependsOn   = $After
        agent       = 'demo'
    }
}

# A task whose agent fails.
function Get-FailingTask {
    param([string] $Id, [string[]] $After = @())
    return @{ id = $Id; title = 'Do ' + $Id; description = 'There is no script here.'; dependsOn = $After; agent = 'demo' }
}

# Runs a script block and returns the error that it ends with.
function Get-Refusal {
    param([scriptblock] $Act)
    try {
        [void] (& $Act)
    } catch {
        return $_
    }
    throw 'nothing was refused'
}

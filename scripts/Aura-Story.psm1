#Requires -Version 5.1

# Aura for PowerShell: a thin door to the `aura` program. Every function makes one JSON object, hands it to `aura call TOOL`
# on stdin, and returns what comes back as objects. Nothing is decided here, and nothing is written by Write-Host.
#
# Windows PowerShell 5.1 and PowerShell 7 on Windows, Linux and macOS. This file is ASCII: 5.1 reads files without a mark in
# the machine's own code page. docs/powershell.md is for its users; tests/powershell.rs compares it with the program.

Set-StrictMode -Version Latest

#region The contract

# What is sent to each tool. A field that is not here is not sent, and tests/powershell.rs compares this table with the
# schemas of `aura call --list`.
$script:Sends = @{
    create_story            = @('title', 'description', 'repositoryPath', 'base', 'branch', 'agent', 'planner', 'issueUrl')
    list_stories            = @('status', 'repositoryPath', 'limit')
    get_story               = @('storyId')
    analyze_story           = @('storyId', 'factsOnly')
    decompose_story         = @('storyId', 'maxParallelism', 'includeTests', 'planner', 'tasks')
    run_wave                = @('storyId', 'all', 'mode', 'maxParallelism', 'waitSeconds')
    get_orchestrator_status = @('storyId', 'detailed')
    get_task_output         = @('storyId', 'taskId', 'attempt', 'diff', 'maxBytes', 'cursor')
    retry_task              = @('storyId', 'taskId')
    cancel_run              = @('storyId', 'now')
    accept_findings         = @('storyId', 'findingIds', 'reason')
    complete_story          = @('storyId', 'publish', 'remote', 'commitMessage', 'keepCommits')
    remove_worktree         = @('storyId', 'force')
}

# Sent as well, where the program knows them.
$script:SendsWhereKnown = @{
    complete_story = @('createPullRequest', 'prTitle', 'prBody', 'baseBranch', 'prRepository', 'draft', 'reviewers', 'labels')
}

# Fields of a task in a plan of the caller's own.
$script:TaskFields = @('id', 'title', 'description', 'dependsOn', 'files', 'agent', 'estimate')

# What an answer leaves out when there is nothing to say. It is filled in, so that a script may always ask.
$script:Optional = @{
    'Aura.Task'       = @('description', 'activity', 'output', 'outsideClaim', 'leftOut')
    'Aura.TaskBrief'  = @('leftOut')
    'Aura.TaskOutput' = @('activity', 'output', 'outsideClaim', 'leftOut', 'diff')
}

# Times, wherever they stand.
$script:Times = @('createdAt', 'updatedAt', 'completedAt', 'startedAt', 'endedAt', 'at', 'resumeAt', 'rateLimitedUntil')

# Exit code of a program that Ctrl-C ended: 128 + SIGINT.
$script:Interrupted = 130

# Problem codes and how PowerShell calls their kind.
$script:Categories = @{
    invalid_request  = 'InvalidArgument'
    invalid_plan     = 'InvalidData'
    not_found        = 'ObjectNotFound'
    ambiguous        = 'InvalidArgument'
    illegal_state    = 'InvalidOperation'
    conflict         = 'ResourceExists'
    busy             = 'ResourceBusy'
    not_a_repository = 'InvalidArgument'
    needs_login      = 'AuthenticationError'
    needs_person     = 'PermissionDenied'
    needs_token      = 'AuthenticationError'
    forbidden        = 'PermissionDenied'
    unavailable      = 'ResourceUnavailable'
    limit_reached    = 'LimitsExceeded'
    timed_out        = 'OperationTimeout'
    internal         = 'NotSpecified'
}

#endregion

#region Errors

# A refusal as an error: its identifier is the code, its message carries the hint, `.Exception.Data` holds the parts.
function Get-AuraErrorRecord {
    param([string] $Code, [string] $Detail, [string] $Hint, $Target)
    $message = $Detail
    if ($Hint) {
        $message = $Detail + "`n" + 'hint: ' + $Hint
    }
    $category = [System.Management.Automation.ErrorCategory]::NotSpecified
    if ($script:Categories.ContainsKey($Code)) {
        $category = [System.Management.Automation.ErrorCategory] $script:Categories[$Code]
    }
    $exception = [System.InvalidOperationException]::new($message)
    $exception.Data['Code'] = $Code
    $exception.Data['Detail'] = $Detail
    $exception.Data['Hint'] = $Hint
    $record = [System.Management.Automation.ErrorRecord]::new($exception, $Code, $category, $Target)
    $record.ErrorDetails = [System.Management.Automation.ErrorDetails]::new($message)
    if ($Hint) {
        $record.ErrorDetails.RecommendedAction = $Hint
    }
    return $record
}

# The server that a call goes to, for as long as it takes: that of -BaseUrl, else that of AURA_API_URL, else none, which is the
# program on this machine. The program itself talks to it, so that the results are the same.
$script:Server = ''

function Set-AuraServer {
    param([string] $BaseUrl)
    $script:Server = $BaseUrl
    if (-not $script:Server) {
        $script:Server = [string] $env:AURA_API_URL
    }
}

#endregion

#region JSON

# Text for a JSON document, in ASCII: whatever the code page, it arrives unchanged.
function ConvertTo-AuraJsonText {
    param([string] $Text)
    $escaped = [regex]::Replace($Text, '[^\x20\x21\x23-\x5b\x5d-\x7e]', {
            param($match)
            '\u{0:x4}' -f [int] [char] $match.Value
        })
    return '"' + $escaped + '"'
}

# A value as JSON. ConvertTo-Json is not used: 5.1 writes strings that were read from a file, and some arrays, as objects.
function ConvertTo-AuraJson {
    param($Value)
    if ($null -eq $Value) {
        return 'null'
    }
    if ($Value -is [string] -or $Value -is [char] -or $Value -is [guid] -or $Value -is [uri] -or $Value -is [System.Enum]) {
        return ConvertTo-AuraJsonText ($Value.ToString())
    }
    if ($Value -is [bool]) {
        if ($Value) {
            return 'true'
        }
        return 'false'
    }
    if ($Value -is [switch]) {
        return ConvertTo-AuraJson ([bool] $Value)
    }
    if ($Value -is [datetime] -or $Value -is [datetimeoffset]) {
        return ConvertTo-AuraJsonText ($Value.ToString('o', [cultureinfo]::InvariantCulture))
    }
    if ($Value -is [System.ValueType]) {
        return $Value.ToString([cultureinfo]::InvariantCulture)
    }
    $parts = [System.Collections.Generic.List[string]]::new()
    if ($Value -is [System.Collections.IDictionary]) {
        foreach ($key in $Value.Keys) {
            $parts.Add((ConvertTo-AuraJsonText ([string] $key)) + ':' + (ConvertTo-AuraJson $Value[$key]))
        }
        return '{' + ($parts -join ',') + '}'
    }
    if ($Value -is [System.Collections.IEnumerable]) {
        foreach ($item in $Value) {
            $parts.Add((ConvertTo-AuraJson $item))
        }
        return '[' + ($parts -join ',') + ']'
    }
    foreach ($property in $Value.PSObject.Properties) {
        $parts.Add((ConvertTo-AuraJsonText $property.Name) + ':' + (ConvertTo-AuraJson $property.Value))
    }
    return '{' + ($parts -join ',') + '}'
}

# Stands before a string that looks like a date while ConvertFrom-Json has it in hands, which turns such strings into
# dates, titles too.
$script:Mark = [string] [char] 0xE000 + 'aura' + [char] 0xE000

# A document as an object: text stays text, known times become dates of this machine's time zone.
function ConvertFrom-AuraJson {
    param([string] $Text)
    $marked = [regex]::Replace($Text, '(?<!\\)"(?=\d{4}-\d\d-\d\dT|/Date\()', '"' + $script:Mark)
    $value = ConvertFrom-Json -InputObject $marked
    Restore-AuraValue $value
    return $value
}

function Restore-AuraValue {
    param($Value)
    if ($Value -is [array]) {
        for ($at = 0; $at -lt $Value.Length; $at++) {
            if ($Value[$at] -is [string]) {
                $Value[$at] = Get-AuraPlainText $Value[$at]
            } else {
                Restore-AuraValue $Value[$at]
            }
        }
    } elseif ($Value -is [System.Management.Automation.PSCustomObject]) {
        foreach ($property in @($Value.PSObject.Properties)) {
            $inner = $property.Value
            if ($inner -is [string]) {
                $plain = Get-AuraPlainText $inner
                if ($script:Times -ccontains $property.Name) {
                    $property.Value = Get-AuraTime $plain
                } elseif ($plain.Length -ne $inner.Length) {
                    $property.Value = $plain
                }
            } elseif ($null -ne $inner) {
                Restore-AuraValue $inner
            }
        }
    }
}

function Get-AuraPlainText {
    param([string] $Text)
    if ($Text.StartsWith($script:Mark, [System.StringComparison]::Ordinal)) {
        return $Text.Substring($script:Mark.Length)
    }
    return $Text
}

# A local time, as Get-Date and Get-ChildItem give it. What is no time stays what it is.
function Get-AuraTime {
    param([string] $Text)
    $parsed = [datetime]::MinValue
    # Nanoseconds are more than a date can hold.
    $short = $Text -replace '(\.\d{7})\d+', '$1'
    $style = [System.Globalization.DateTimeStyles]::RoundtripKind
    if ([datetime]::TryParse($short, [cultureinfo]::InvariantCulture, $style, [ref] $parsed)) {
        return $parsed.ToLocalTime()
    }
    return $Text
}

# A property that may not be there.
function Get-AuraProperty {
    param($Object, [string] $Name)
    if ($null -eq $Object) {
        return $null
    }
    $property = $Object.PSObject.Properties[$Name]
    if ($null -eq $property) {
        return $null
    }
    return $property.Value
}

# Gives an object its type, by which the format file knows it, and the properties that the answer left out.
function Add-AuraType {
    param($Object, [string] $TypeName, [hashtable] $Extra = @{})
    if ($null -eq $Object) {
        return
    }
    $Object.PSObject.TypeNames.Insert(0, $TypeName)
    if ($script:Optional.ContainsKey($TypeName)) {
        foreach ($name in $script:Optional[$TypeName]) {
            if ($null -eq $Object.PSObject.Properties[$name]) {
                $empty = $null
                if (($name -ceq 'outsideClaim') -or ($name -ceq 'leftOut')) {
                    # A list, also when there is nothing in it.
                    $empty = @()
                }
                $Object.PSObject.Properties.Add([System.Management.Automation.PSNoteProperty]::new($name, $empty))
            }
        }
    }
    foreach ($name in $Extra.Keys) {
        if ($null -eq $Object.PSObject.Properties[$name]) {
            $Object.PSObject.Properties.Add([System.Management.Automation.PSNoteProperty]::new($name, $Extra[$name]))
        }
    }
}

# Tasks know their story, so that they can be piped on.
function Add-AuraTaskType {
    param($Tasks, [string] $StoryId, [string] $TypeName = 'Aura.Task')
    foreach ($task in @($Tasks)) {
        if ($null -ne $task) {
            Add-AuraType $task $TypeName @{ storyId = $StoryId; taskId = $task.id }
        }
    }
}

function Add-AuraGateType {
    param($Gate)
    if ($null -ne $Gate) {
        Add-AuraType $Gate 'Aura.Gate'
        foreach ($check in @(Get-AuraProperty $Gate 'checks')) {
            Add-AuraType $check 'Aura.Check'
        }
    }
}

#endregion

#region The program

# `aura`: AURA_BIN, beside this module, on PATH.
function Get-AuraBinary {
    $named = $env:AURA_BIN
    if ($named) {
        # Asked of .NET first: to PowerShell, a whole path means something else while one stands in Env: or HKLM:.
        if ([System.IO.Path]::IsPathRooted($named) -and [System.IO.File]::Exists($named)) {
            return $named
        }
        if (Test-Path -LiteralPath $named -PathType Leaf) {
            return (Resolve-Path -LiteralPath $named).ProviderPath
        }
        $found = @(Get-Command -Name $named -CommandType Application -ErrorAction Ignore)
        if ($found.Count -gt 0) {
            return $found[0].Path
        }
        $detail = 'start `aura`: AURA_BIN is `' + $named + '`, and there is no such program'
        throw (Get-AuraErrorRecord 'unavailable' $detail 'correct the variable AURA_BIN, or remove it' $named)
    }
    foreach ($name in @('aura.exe', 'aura')) {
        $beside = [System.IO.Path]::Combine($PSScriptRoot, $name)
        if ([System.IO.File]::Exists($beside)) {
            return $beside
        }
    }
    $found = @(Get-Command -Name 'aura' -CommandType Application -ErrorAction Ignore)
    if ($found.Count -gt 0) {
        return $found[0].Path
    }
    $detail = 'start `aura`: the program was not found, neither beside the module in ' + $PSScriptRoot + ' nor on PATH'
    $hint = 'install it with `cargo install --path .` in the repository of Aura, or set AURA_BIN to the path of the program'
    throw (Get-AuraErrorRecord 'unavailable' $detail $hint $null)
}

# How to start `aura`. The words are our own and ids: text of users goes through stdin, because arguments do not arrive
# unchanged in PowerShell before 7.3.
function Get-AuraStartInfo {
    param([string[]] $Words)
    $utf8 = [System.Text.UTF8Encoding]::new($false)
    $info = [System.Diagnostics.ProcessStartInfo]::new()
    $info.FileName = Get-AuraBinary
    $info.Arguments = $Words -join ' '
    $info.UseShellExecute = $false
    $info.CreateNoWindow = $true
    $info.RedirectStandardInput = $true
    $info.RedirectStandardOutput = $true
    $info.RedirectStandardError = $true
    $info.StandardOutputEncoding = $utf8
    $info.StandardErrorEncoding = $utf8
    if ($script:Server) {
        $info.EnvironmentVariables['AURA_URL'] = $script:Server
    }
    $here = Get-AuraHere
    if ([System.IO.Directory]::Exists($here)) {
        $info.WorkingDirectory = $here
    }
    return $info
}

# One direction of a pipe, read without blocking: a blocked call could not be interrupted by Ctrl-C.
function Get-AuraPump {
    param([System.IO.StreamReader] $Reader)
    $buffer = [char[]]::new(32768)
    return @{
        Reader = $Reader
        Buffer = $buffer
        Text   = [System.Text.StringBuilder]::new()
        Pending = $Reader.ReadAsync($buffer, 0, $buffer.Length)
        Open   = $true
    }
}

# Takes what has come, after waiting for it that long. Says whether something came.
function Read-AuraPump {
    param([hashtable] $Pump, [int] $Milliseconds)
    if (-not $Pump.Open -or -not $Pump.Pending.Wait($Milliseconds)) {
        return $false
    }
    $count = $Pump.Pending.Result
    if ($count -eq 0) {
        $Pump.Open = $false
        return $false
    }
    [void] $Pump.Text.Append($Pump.Buffer, 0, $count)
    $Pump.Pending = $Pump.Reader.ReadAsync($Pump.Buffer, 0, $Pump.Buffer.Length)
    return $true
}

# Starts the program with that on its stdin. The caller ends it in a `finally`.
function Open-AuraProcess {
    param([System.Diagnostics.ProcessStartInfo] $Info, [string] $Text)
    Write-Verbose ('aura ' + $Info.Arguments)
    $process = [System.Diagnostics.Process]::new()
    $process.StartInfo = $Info
    try {
        [void] $process.Start()
    } catch {
        $detail = 'start `' + $Info.FileName + '`: ' + $_.Exception.GetBaseException().Message
        throw (Get-AuraErrorRecord 'unavailable' $detail 'see that this is the program of Aura for this system, or set AURA_BIN' $Info.FileName)
    }
    try {
        # The bytes go to the pipe itself: the writer around it has the encoding of the console.
        $bytes = [System.Text.Encoding]::ASCII.GetBytes($Text)
        $process.StandardInput.BaseStream.Write($bytes, 0, $bytes.Length)
        $process.StandardInput.Close()
    } catch {
        # It ended before it read; what it said counts.
        Write-Debug ('write to `aura`: ' + $_.Exception.Message)
    }
    return $process
}

# Ends a program that still runs, as after Ctrl-C.
function Close-AuraProcess {
    param($Process)
    if ($null -ne $Process) {
        try {
            if (-not $Process.HasExited) {
                $Process.Kill()
            }
        } catch {
            # It ended at the same moment.
            Write-Debug ('end `aura`: ' + $_.Exception.Message)
        }
        $Process.Dispose()
    }
}

# Runs the program to its end: exit code, stdout, stderr. `Tick` is called about every tenth of a second meanwhile.
function Invoke-AuraProcess {
    param([string[]] $Words, [string] $Text, [scriptblock] $Tick)
    $process = $null
    try {
        $process = Open-AuraProcess (Get-AuraStartInfo $Words) $Text
        $out = Get-AuraPump $process.StandardOutput
        $err = Get-AuraPump $process.StandardError
        $silent = 0
        # Somebody may hold the pipe open after the program's end: that is not waited for.
        while ($out.Open -and $silent -lt 10) {
            $heard = Read-AuraPump $out 100
            while (Read-AuraPump $err 0) {
                # All of it.
            }
            if ($heard -or -not $process.HasExited) {
                $silent = 0
            } else {
                $silent++
            }
            if ($null -ne $Tick) {
                & $Tick | Out-Null
            }
        }
        while (-not $process.WaitForExit(100)) {
            # Not blocked, so that Ctrl-C is heard.
        }
        while (Read-AuraPump $err 100) {
            # The rest of it.
        }
        return @{ ExitCode = $process.ExitCode; Out = $out.Text.ToString(); Err = $err.Text.ToString() }
    } finally {
        Close-AuraProcess $process
    }
}

# The object that the program said, or its refusal as an error.
function Read-AuraAnswer {
    param([hashtable] $Said, [string] $Doing, $Target)
    $value = $null
    $why = 'no answer'
    if ($Said.Out.TrimStart().StartsWith('{', [System.StringComparison]::Ordinal)) {
        try {
            $value = ConvertFrom-AuraJson $Said.Out
        } catch {
            $why = 'an answer that cannot be read: ' + $_.Exception.Message
        }
    }
    if ($null -eq $value) {
        $text = ($Said.Err + ' ' + $Said.Out).Trim()
        if ($text.Length -gt 2000) {
            $text = $text.Substring(0, 2000)
        }
        $detail = $Doing + ': the program ended with exit code ' + $Said.ExitCode + ' and ' + $why + ': ' + $text
        $hint = 'see with `aura --version` that the program and the module are of one version'
        $record = Get-AuraErrorRecord 'internal' $detail $hint $Target
        $record.Exception.Data['ExitCode'] = $Said.ExitCode
        throw $record
    }
    $type = Get-AuraProperty $value 'type'
    if ($type -is [string] -and $type.StartsWith('urn:aura:problem:', [System.StringComparison]::Ordinal)) {
        $record = Get-AuraErrorRecord $value.code $value.detail (Get-AuraProperty $value 'hint') $Target
        $record.Exception.Data['Retryable'] = [bool] $value.retryable
        throw $record
    }
    return $value
}

# One call of a tool. `Doing` is shown as progress while it takes long.
function Invoke-AuraTool {
    param([string] $Tool, [hashtable] $Arguments = @{}, $Target, [scriptblock] $Tick, [string] $Doing)
    foreach ($field in $Arguments.Keys) {
        $known = $script:Sends[$Tool] -ccontains $field
        if (-not $known -and $script:SendsWhereKnown.ContainsKey($Tool)) {
            $known = $script:SendsWhereKnown[$Tool] -ccontains $field
        }
        if (-not $known) {
            throw (Get-AuraErrorRecord 'internal' ('call `' + $Tool + '`: the module does not know the field `' + $field + '`') '' $Target)
        }
    }
    if ($Doing) {
        Write-Progress -Id 4131 -Activity 'Aura' -Status $Doing
    }
    try {
        $said = Invoke-AuraProcess -Words @('call', $Tool) -Text (ConvertTo-AuraJson $Arguments) -Tick $Tick
    } finally {
        if ($Doing) {
            Write-Progress -Id 4131 -Activity 'Aura' -Status $Doing -Completed
        }
    }
    return Read-AuraAnswer $said ('call `' + $Tool + '`') $Target
}

# Those of the caller's parameters that were given, under the names of the tool's fields.
function Get-AuraArgument {
    param([System.Collections.IDictionary] $Bound, [string[]] $Names)
    $arguments = @{}
    foreach ($name in $Names) {
        if ($Bound.ContainsKey($name)) {
            $field = $name.Substring(0, 1).ToLowerInvariant() + $name.Substring(1)
            $arguments[$field] = $Bound[$name]
        }
    }
    return $arguments
}

# The whole id of a story, which is safe as an argument and names the same story tomorrow.
function Get-AuraStoryId {
    param([string] $Id)
    if ($Id -match '^[0-9a-fA-F]{8}(-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}$') {
        return $Id.ToLowerInvariant()
    }
    return (Invoke-AuraTool 'get_orchestrator_status' @{ storyId = $Id } $Id).storyId
}

# A path as the program needs it: absolute, of the file system. Drives and `~` are PowerShell's own, and drives are those of
# the caller, whose state that is.
function Get-AuraPath {
    param([string] $Path, [System.Management.Automation.SessionState] $State)
    if (-not $Path) {
        return $Path
    }
    $provider = $null
    $drive = $null
    try {
        $full = $State.Path.GetUnresolvedProviderPathFromPSPath($Path, [ref] $provider, [ref] $drive)
    } catch {
        $detail = 'find `' + $Path + '`: ' + $_.Exception.GetBaseException().Message
        throw (Get-AuraErrorRecord 'invalid_request' $detail 'give the path of a folder on this machine' $Path)
    }
    if ($provider.Name -ne 'FileSystem') {
        # From another drive, such as Env:, a whole path is still a path.
        if ([System.IO.Path]::IsPathRooted($Path)) {
            return $Path
        }
        $detail = 'find `' + $Path + '`: it is not in the file system'
        throw (Get-AuraErrorRecord 'invalid_request' $detail 'give the path of a folder on this machine' $Path)
    }
    # Not Test-Path, to which both separators are one.
    if ([System.IO.Path]::DirectorySeparatorChar -eq [char] '/' -and -not [System.IO.Directory]::Exists($full)) {
        $full = $full.Replace('\', '/')
    }
    return $full
}

function Get-AuraHere {
    return $ExecutionContext.SessionState.Path.CurrentFileSystemLocation.ProviderPath
}

# Names of the fields that a tool of the program at hand takes; empty when that cannot be told.
function Get-AuraToolField {
    param([string] $Tool)
    $said = Invoke-AuraProcess -Words @('call', '--list') -Text ''
    $tools = @()
    try {
        # 7 gives the tools one by one, 5.1 as one array.
        $tools = @(ConvertFrom-Json -InputObject $said.Out | ForEach-Object { $_ })
    } catch {
        Write-Debug ('read the list of tools: ' + $_.Exception.Message)
    }
    foreach ($entry in $tools) {
        if ($entry.name -eq $Tool) {
            return @($entry.inputSchema.properties.PSObject.Properties | ForEach-Object { $_.Name })
        }
    }
    return @()
}

#endregion

#region Runs

# One line of somebody's text, for a progress bar.
function Get-AuraLine {
    param([string] $Text, [int] $Length)
    $line = [regex]::Replace($Text, '[\x00-\x1f\x7f-\x9f]+', ' ').Trim()
    if ($line.Length -gt $Length) {
        $line = $line.Substring(0, $Length - 3) + '...'
    }
    return $line
}

function Write-AuraProgress {
    param($Status)
    $landed = @($Status.tasks | Where-Object { $_.status -eq 'Completed' })
    $busy = @($Status.tasks | Where-Object { $_.status -eq 'Running' })
    $total = @($Status.tasks).Count
    $bar = @{
        Id              = 4131
        Activity        = 'Aura: ' + (Get-AuraLine ([string] $Status.title) 60)
        Status          = 'wave {0} of {1}, {2} of {3} tasks landed' -f $Status.currentWave, $Status.totalWaves, $landed.Count, $total
        PercentComplete = 0
    }
    if ($total -gt 0) {
        $bar.PercentComplete = [int] [math]::Floor(100 * $landed.Count / $total)
    }
    $doing = foreach ($task in $busy) {
        Get-AuraLine ($task.id + ' ' + $task.phase + ' ' + [string] (Get-AuraProperty $task 'activity')) 60
    }
    if ($doing) {
        $bar.CurrentOperation = @($doing) -join '; '
    }
    Write-Progress @bar
}

# Runs a story and waits for the end of the run, with progress. Interrupted, it asks the agents to stop, as `aura run` does:
# their sessions and their work are kept, and running again goes on.
function Wait-AuraRun {
    param([string] $Id, [hashtable] $Arguments, [bool] $ShowProgress)
    # Made before there is anything to interrupt.
    $cancel = Get-AuraStartInfo @('call', 'cancel_run')
    $cancelBytes = [System.Text.Encoding]::ASCII.GetBytes((ConvertTo-AuraJson @{ storyId = $Id }))
    $watch = [System.Diagnostics.Stopwatch]::StartNew()
    $tick = {
        if ($watch.ElapsedMilliseconds -ge 1000) {
            # What it takes to show progress is not what is of interest.
            $VerbosePreference = 'SilentlyContinue'
            try {
                Write-AuraProgress (Invoke-AuraTool 'get_orchestrator_status' @{ storyId = $Id } $Id)
            } catch {
                # The run is what counts.
                Write-Debug ('show progress: ' + $_.Exception.Message)
            }
            $watch.Restart()
        }
    }
    if (-not $ShowProgress) {
        $tick = $null
    }
    $settled = $false
    $process = $null
    try {
        # A run that was stopped a moment ago ends first: to join it would be to be stopped with it.
        $status = Invoke-AuraTool 'get_orchestrator_status' @{ storyId = $Id } $Id
        while ($null -ne $status.run -and $status.run.cancelling -and $status.run.driven) {
            Start-Sleep -Milliseconds 200
            $status = Invoke-AuraTool 'get_orchestrator_status' @{ storyId = $Id } $Id
        }
        if ($ShowProgress) {
            Write-AuraProgress $status
        }
        # A week; should a run last longer, it is waited for again.
        $Arguments['waitSeconds'] = 604800
        do {
            $answer = Invoke-AuraTool 'run_wave' $Arguments $Id $tick
        } while ($answer.isRunning)
        $settled = $true
        return $answer
    } catch {
        # In a terminal, Ctrl-C ends the program as well, maybe before PowerShell hears of it.
        $settled = $_.Exception.Data['ExitCode'] -ne $script:Interrupted
        throw $_
    } finally {
        if (-not $settled) {
            try {
                $process = [System.Diagnostics.Process]::Start($cancel)
                $process.StandardInput.BaseStream.Write($cancelBytes, 0, $cancelBytes.Length)
                $process.StandardInput.Close()
                [void] $process.WaitForExit(15000)
            } finally {
                Close-AuraProcess $process
            }
        }
        if ($ShowProgress) {
            Write-Progress -Id 4131 -Activity 'Aura' -Status 'done' -Completed
        }
    }
}

# Takes over the caller's preferences. PowerShell hands them down to whatever it calls, but a script module sees only the global
# ones: without this, a function that is called with -WhatIf would do what it was only to show. What was given as a parameter stays.
function Set-AuraCallerPreference {
    param($Cmdlet, $Bound)
    $preferences = @{
        WhatIf = 'WhatIfPreference'; Confirm = 'ConfirmPreference'; WarningAction = 'WarningPreference'; Verbose = 'VerbosePreference'
        Debug = 'DebugPreference'; InformationAction = 'InformationPreference'; ErrorAction = 'ErrorActionPreference'
    }
    foreach ($parameter in $preferences.Keys) {
        $value = $Cmdlet.SessionState.PSVariable.GetValue($preferences[$parameter])
        if (-not $Bound.ContainsKey($parameter) -and $null -ne $value) {
            Set-Variable -Scope 1 -Name $preferences[$parameter] -Value $value -WhatIf:$false -Confirm:$false
        }
    }
}

# Whether the caller wants to see progress: a module does not see the preferences of the script that calls it.
function Test-AuraProgress {
    param($Cmdlet)
    return 'SilentlyContinue', 'Ignore' -notcontains [string] $Cmdlet.SessionState.PSVariable.GetValue('ProgressPreference')
}

function Add-AuraRunType {
    param($Answer)
    Add-AuraType $Answer 'Aura.RunResult'
    foreach ($list in @($Answer.startedTasks, $Answer.completedTasks, $Answer.failedTasks)) {
        Add-AuraTaskType $list $Answer.storyId 'Aura.TaskBrief'
    }
    Add-AuraGateType $Answer.gateResult
}

#endregion

#region Stories

function New-AuraStory {
    <#
    .SYNOPSIS
    Creates a story: a branch and a worktree of its own beside the repository.
    .DESCRIPTION
    Nothing in your checkout changes. Next: analyze the story, or decompose it at once.
    .PARAMETER Title
    What should be true at the end, in one line. Needed, unless -IssueUrl gives title and description.
    .PARAMETER Description
    Details: context, wishes, limits. Headings or a list become tasks with the planner `outline`.
    .PARAMETER RepositoryPath
    The git repository, or any folder in it. Default: the current folder.
    .PARAMETER AutomationMode
    Taken so that scripts for the first Aura run unchanged. Agents always work without asking: it makes no difference.
    .PARAMETER IssueUrl
    Address of the GitHub issue that the story answers.
    .PARAMETER Base
    Branch or commit to start from. Default: what is checked out.
    .PARAMETER Branch
    Name of the story's branch. Default: `aura/` and the title.
    .PARAMETER Agent
    Agent that runs the tasks, as named in aura.toml.
    .PARAMETER Planner
    Planner that decomposes the story: copilot, openai, outline, or one of aura.toml.
    .PARAMETER BaseUrl
    Address of a running `aura serve`; the default is AURA_API_URL, and without it the program on this machine.
    .EXAMPLE
    $story = New-AuraStory -Title "Add user validation" -RepositoryPath "C:\repos\myapp"

    Creates a story. $story.id names it from then on.
    .EXAMPLE
    Import-Csv stories.csv | New-AuraStory | Start-AuraStoryDecompose

    One story for each line of a file with the columns Title and Description.
    .OUTPUTS
    Aura.Story
    #>
    [CmdletBinding(SupportsShouldProcess = $true, ConfirmImpact = 'Medium')]
    [OutputType('Aura.Story')]
    param(
        [Parameter(Position = 0, ValueFromPipelineByPropertyName = $true)]
        [AllowEmptyString()]
        [string] $Title,

        [Parameter(Position = 1, ValueFromPipelineByPropertyName = $true)]
        [AllowEmptyString()]
        [string] $Description,

        [Parameter(ValueFromPipelineByPropertyName = $true)]
        [string] $RepositoryPath,

        [ValidateSet('Assisted', 'Autonomous', 'FullAutonomous')]
        [string] $AutomationMode = 'Assisted',

        [Parameter(ValueFromPipelineByPropertyName = $true)]
        [string] $IssueUrl,

        [Parameter(ValueFromPipelineByPropertyName = $true)]
        [string] $Base,

        [Parameter(ValueFromPipelineByPropertyName = $true)]
        [string] $Branch,

        [Parameter(ValueFromPipelineByPropertyName = $true)]
        [string] $Agent,

        [Parameter(ValueFromPipelineByPropertyName = $true)]
        [string] $Planner,

        [string] $BaseUrl
    )
    process {
        Set-AuraCallerPreference $PSCmdlet $PSBoundParameters
        $answer = $null
        try {
            Set-AuraServer $BaseUrl
            $arguments = Get-AuraArgument $PSBoundParameters @('Title', 'Description', 'IssueUrl', 'Base', 'Branch', 'Agent', 'Planner')
            if ($PSBoundParameters.ContainsKey('RepositoryPath')) {
                $arguments.repositoryPath = Get-AuraPath $RepositoryPath $PSCmdlet.SessionState
            } else {
                $arguments.repositoryPath = Get-AuraHere
            }
            if ($PSBoundParameters.ContainsKey('AutomationMode')) {
                Write-Verbose ('-AutomationMode ' + $AutomationMode + ' makes no difference: agents always work without asking')
            }
            if ($PSCmdlet.ShouldProcess($arguments.repositoryPath, 'Create the story "' + $Title + '"')) {
                $answer = Invoke-AuraTool 'create_story' $arguments $Title
                Add-AuraType $answer 'Aura.Story'
            }
        } catch {
            throw $_
        }
        if ($null -ne $answer) {
            $answer
        }
    }
}

function Get-AuraStory {
    <#
    .SYNOPSIS
    Shows a story with its plan and what was found out about its repository.
    .PARAMETER Id
    Id of the story, the first six or more characters of it, or `latest`.
    .PARAMETER BaseUrl
    Address of a running `aura serve`; the default is AURA_API_URL, and without it the program on this machine.
    .EXAMPLE
    Get-AuraStory -Id latest

    Shows the newest story.
    .EXAMPLE
    (Get-AuraStory $story.id).tasks | Format-Table

    Shows the tasks of a story.
    .OUTPUTS
    Aura.Story
    #>
    [CmdletBinding()]
    [OutputType('Aura.Story')]
    param(
        [Parameter(Mandatory = $true, Position = 0, ValueFromPipeline = $true, ValueFromPipelineByPropertyName = $true)]
        [Alias('StoryId')]
        [string] $Id,

        [string] $BaseUrl
    )
    process {
        Set-AuraCallerPreference $PSCmdlet $PSBoundParameters
        $answer = $null
        try {
            Set-AuraServer $BaseUrl
            $answer = Invoke-AuraTool 'get_story' @{ storyId = $Id } $Id
            Add-AuraType $answer 'Aura.Story'
            Add-AuraTaskType $answer.tasks $answer.id
        } catch {
            throw $_
        }
        if ($null -ne $answer) {
            $answer
        }
    }
}

function Get-AuraStories {
    <#
    .SYNOPSIS
    Lists stories, newest first.
    .PARAMETER Status
    Only stories with this status.
    .PARAMETER RepositoryPath
    Only stories of this repository.
    .PARAMETER Limit
    Most stories to list, 1 to 1000. Default: 100.
    .PARAMETER BaseUrl
    Address of a running `aura serve`; the default is AURA_API_URL, and without it the program on this machine.
    .EXAMPLE
    Get-AuraStories -Status Planned | Start-AuraStory

    Runs the next wave of every story that is planned.
    .EXAMPLE
    Get-AuraStories -RepositoryPath . | Where-Object { $_.createdAt -gt (Get-Date).AddDays(-1) }

    Lists what was created since yesterday in this repository.
    .OUTPUTS
    Aura.Story
    #>
    [Diagnostics.CodeAnalysis.SuppressMessageAttribute('PSUseSingularNouns', '', Justification = 'The name is older than the rule.')]
    [CmdletBinding()]
    [OutputType('Aura.Story')]
    param(
        [Parameter(Position = 0)]
        [ValidateSet('Created', 'Analyzing', 'Analyzed', 'Planning', 'Planned', 'Executing', 'Completed', 'Failed', 'Cancelled')]
        [string] $Status,

        [string] $RepositoryPath,

        [ValidateRange(1, 1000)]
        [int] $Limit,

        [string] $BaseUrl
    )
    process {
        Set-AuraCallerPreference $PSCmdlet $PSBoundParameters
        $stories = @()
        try {
            Set-AuraServer $BaseUrl
            $arguments = Get-AuraArgument $PSBoundParameters @('Status', 'Limit')
            if ($PSBoundParameters.ContainsKey('RepositoryPath')) {
                $arguments.repositoryPath = Get-AuraPath $RepositoryPath $PSCmdlet.SessionState
            }
            $stories = @((Invoke-AuraTool 'list_stories' $arguments).stories)
            foreach ($story in $stories) {
                Add-AuraType $story 'Aura.Story'
            }
        } catch {
            throw $_
        }
        foreach ($story in $stories) {
            $story
        }
    }
}

function Start-AuraStoryAnalysis {
    <#
    .SYNOPSIS
    Analyzes the repository of a story: languages, commands, layout, conventions, history.
    .DESCRIPTION
    With a model configured, the model reads the facts too. Next: decompose.
    .PARAMETER Id
    Id of the story, the first six or more characters of it, or `latest`.
    .PARAMETER FactsOnly
    Gather facts only; ask no model.
    .PARAMETER BaseUrl
    Address of a running `aura serve`; the default is AURA_API_URL, and without it the program on this machine.
    .EXAMPLE
    Start-AuraStoryAnalysis -Id $story.id

    Analyzes the repository.
    .EXAMPLE
    (Start-AuraStoryAnalysis $story.id -FactsOnly).analyzedContext.facts.commands

    Shows the build and test commands that were found.
    .OUTPUTS
    Aura.Analysis
    #>
    [CmdletBinding(SupportsShouldProcess = $true, ConfirmImpact = 'Medium')]
    [OutputType('Aura.Analysis')]
    param(
        [Parameter(Mandatory = $true, Position = 0, ValueFromPipeline = $true, ValueFromPipelineByPropertyName = $true)]
        [Alias('StoryId')]
        [string] $Id,

        [switch] $FactsOnly,

        [string] $BaseUrl
    )
    process {
        Set-AuraCallerPreference $PSCmdlet $PSBoundParameters
        $answer = $null
        try {
            Set-AuraServer $BaseUrl
            if ($PSCmdlet.ShouldProcess('story ' + $Id, 'Analyze its repository')) {
                $arguments = Get-AuraArgument $PSBoundParameters @('FactsOnly')
                $arguments.storyId = $Id
                $answer = Invoke-AuraTool 'analyze_story' $arguments $Id -Doing ('analyzing the repository of ' + $Id)
                Add-AuraType $answer 'Aura.Analysis' @{ storyId = $answer.id }
            }
        } catch {
            throw $_
        }
        if ($null -ne $answer) {
            $answer
        }
    }
}

function Start-AuraStoryDecompose {
    <#
    .SYNOPSIS
    Decomposes a story into tasks with dependencies.
    .DESCRIPTION
    Waves are computed from the dependencies. A plan that has not run may be replaced. Next: run the story.
    .PARAMETER Id
    Id of the story, the first six or more characters of it, or `latest`.
    .PARAMETER MaxParallelism
    Most agents at once, 1 to 256. Default: as configured, which is 4.
    .PARAMETER IncludeTests
    Whether to plan tasks for tests. Default: $true.
    .PARAMETER Planner
    Who plans: copilot, openai, outline, or one of aura.toml.
    .PARAMETER Tasks
    A plan of your own: objects or hashtables with id, title, description (the agent's prompt), dependsOn, files, agent,
    estimate.
    .PARAMETER BaseUrl
    Address of a running `aura serve`; the default is AURA_API_URL, and without it the program on this machine.
    .EXAMPLE
    $plan = Start-AuraStoryDecompose -Id $story.id -MaxParallelism 4
    $plan.tasks

    Plans a story and shows its tasks.
    .EXAMPLE
    $tasks = @(
        @{ id = 'model'; title = 'Add the model'; description = 'Add src/user.rs with ...' }
        @{ id = 'api'; title = 'Serve it'; description = 'Add src/api.rs with ...'; dependsOn = @('model') }
    )
    Start-AuraStoryDecompose $story.id -Tasks $tasks

    Uses a plan of your own.
    .OUTPUTS
    Aura.Plan
    #>
    [CmdletBinding(SupportsShouldProcess = $true, ConfirmImpact = 'Medium')]
    [OutputType('Aura.Plan')]
    param(
        [Parameter(Mandatory = $true, Position = 0, ValueFromPipeline = $true, ValueFromPipelineByPropertyName = $true)]
        [Alias('StoryId')]
        [string] $Id,

        [ValidateRange(1, 256)]
        [int] $MaxParallelism = 4,

        [bool] $IncludeTests = $true,

        [string] $Planner,

        [AllowEmptyCollection()]
        [object[]] $Tasks,

        [string] $BaseUrl
    )
    process {
        Set-AuraCallerPreference $PSCmdlet $PSBoundParameters
        $answer = $null
        try {
            Set-AuraServer $BaseUrl
            if ($PSCmdlet.ShouldProcess('story ' + $Id, 'Decompose it into tasks')) {
                $arguments = Get-AuraArgument $PSBoundParameters @('MaxParallelism', 'IncludeTests', 'Planner')
                $arguments.storyId = $Id
                if ($PSBoundParameters.ContainsKey('Tasks')) {
                    $arguments.tasks = @(foreach ($task in $Tasks) { Get-AuraTaskInput $task })
                }
                Write-Debug ('most agents at once: ' + $MaxParallelism + '; tests: ' + $IncludeTests)
                $answer = Invoke-AuraTool 'decompose_story' $arguments $Id -Doing ('planning story ' + $Id)
                Add-AuraType $answer 'Aura.Plan'
                Add-AuraTaskType $answer.tasks $answer.storyId
            }
        } catch {
            throw $_
        }
        if ($null -ne $answer) {
            $answer
        }
    }
}

# One task of a plan as the tool takes it: names of fields in its spelling, one dependency or file as a list of one.
function Get-AuraTaskInput {
    param($Task)
    $fields = [ordered] @{}
    if ($Task -is [System.Collections.IDictionary]) {
        foreach ($key in $Task.Keys) {
            $fields[[string] $key] = $Task[$key]
        }
    } elseif ($null -ne $Task) {
        foreach ($property in $Task.PSObject.Properties) {
            $fields[$property.Name] = $property.Value
        }
    }
    # A task that Aura gave back knows more than a plan may say.
    $ours = $null -ne $Task -and $Task.PSObject.TypeNames -contains 'Aura.Task'
    $plan = @{}
    foreach ($name in @($fields.Keys)) {
        $spelled = @($script:TaskFields | Where-Object { $_ -eq $name })
        if ($spelled.Count -gt 0) {
            $value = $fields[$name]
            if ($spelled[0] -ceq 'dependsOn' -or $spelled[0] -ceq 'files') {
                $value = @($value | Where-Object { $null -ne $_ })
            }
            $plan[$spelled[0]] = $value
        } elseif (-not $ours) {
            # The tool refuses it by name.
            $plan[$name] = $fields[$name]
        }
    }
    return $plan
}

function Start-AuraStory {
    <#
    .SYNOPSIS
    Runs the next wave of a story on parallel agents, with its gate, and waits for its end.
    .DESCRIPTION
    A failed task or a red gate is an answer, not an error: see error, failedTasks and gateResult. Run again to go on, also
    after a failure. Ctrl-C asks the agents to stop; their sessions and their work are kept.
    .PARAMETER Id
    Id of the story, the first six or more characters of it, or `latest`.
    .PARAMETER All
    Run all that is left, not only the next wave.
    .PARAMETER Mode
    flow: a task starts when its dependencies have landed. waves: a barrier and a gate after each wave. Default: flow with
    -All, else waves.
    .PARAMETER MaxParallelism
    Most agents at once, 1 to 256. Default: as planned.
    .PARAMETER NoWait
    Answer at once; the run goes on by itself. Watch-AuraStory follows it, Stop-AuraStory stops it.
    .PARAMETER BaseUrl
    Address of a running `aura serve`; the default is AURA_API_URL, and without it the program on this machine.
    .EXAMPLE
    do {
        $result = Start-AuraStory -Id $story.id
    } while (-not $result.isComplete -and -not $result.error)

    Runs a story wave by wave.
    .EXAMPLE
    Get-AuraStories -Status Planned | Start-AuraStory -All

    Runs every planned story, one after the other.
    .OUTPUTS
    Aura.RunResult
    #>
    [CmdletBinding(SupportsShouldProcess = $true, ConfirmImpact = 'Medium')]
    [OutputType('Aura.RunResult')]
    param(
        [Parameter(Mandatory = $true, Position = 0, ValueFromPipeline = $true, ValueFromPipelineByPropertyName = $true)]
        [Alias('StoryId')]
        [string] $Id,

        [switch] $All,

        [ValidateSet('flow', 'waves')]
        [string] $Mode,

        [ValidateRange(1, 256)]
        [int] $MaxParallelism,

        [switch] $NoWait,

        [string] $BaseUrl
    )
    process {
        Set-AuraCallerPreference $PSCmdlet $PSBoundParameters
        $answer = $null
        try {
            Set-AuraServer $BaseUrl
            $doing = 'Run its next wave'
            if ($All) {
                $doing = 'Run all that is left'
            }
            if ($PSCmdlet.ShouldProcess('story ' + $Id, $doing)) {
                $story = Get-AuraStoryId $Id
                $arguments = Get-AuraArgument $PSBoundParameters @('All', 'Mode', 'MaxParallelism')
                $arguments.storyId = $story
                if ($NoWait) {
                    $answer = Invoke-AuraTool 'run_wave' $arguments $Id
                } else {
                    $answer = Wait-AuraRun $story $arguments (Test-AuraProgress $PSCmdlet)
                }
                Add-AuraRunType $answer
            }
        } catch {
            throw $_
        }
        if ($null -ne $answer) {
            $answer
        }
    }
}

function Get-AuraStoryStatus {
    <#
    .SYNOPSIS
    Shows how far a story is: its tasks, what the agents are doing, the last gate, and what to do next.
    .PARAMETER Id
    Id of the story, the first six or more characters of it, or `latest`.
    .PARAMETER BaseUrl
    Address of a running `aura serve`; the default is AURA_API_URL, and without it the program on this machine.
    .EXAMPLE
    Get-AuraStoryStatus latest

    Shows the newest story.
    .EXAMPLE
    (Get-AuraStoryStatus $story.id).tasks | Where-Object { $_.status -eq 'Failed' } | Restart-AuraTask

    Gives every failed task of a story one more chance.
    .OUTPUTS
    Aura.StoryStatus
    #>
    [CmdletBinding()]
    [OutputType('Aura.StoryStatus')]
    param(
        [Parameter(Mandatory = $true, Position = 0, ValueFromPipeline = $true, ValueFromPipelineByPropertyName = $true)]
        [Alias('StoryId')]
        [string] $Id,

        [string] $BaseUrl
    )
    process {
        Set-AuraCallerPreference $PSCmdlet $PSBoundParameters
        $answer = $null
        try {
            Set-AuraServer $BaseUrl
            # The short form is for models; tables shorten for people.
            $answer = Invoke-AuraTool 'get_orchestrator_status' @{ storyId = $Id; detailed = $true } $Id
            Add-AuraType $answer 'Aura.StoryStatus'
            Add-AuraTaskType $answer.tasks $answer.storyId
            Add-AuraGateType $answer.gateResult
        } catch {
            throw $_
        }
        if ($null -ne $answer) {
            $answer
        }
    }
}

function Invoke-AuraStoryFull {
    <#
    .SYNOPSIS
    Runs the complete workflow of a story: analyzes and decomposes it where that has not been done, and runs all its waves.
    .DESCRIPTION
    Ends when the story is complete, or with the reason in error. It can be called again: what is done is not done twice, and
    what failed is tried again. Ctrl-C asks the agents to stop; their sessions and their work are kept. Next: complete it.
    .PARAMETER Id
    Id of the story, the first six or more characters of it, or `latest`.
    .PARAMETER MaxParallelism
    Most agents at once, 1 to 256. Default: as planned, which is 4 unless configured otherwise.
    .PARAMETER Mode
    flow: a task starts when its dependencies have landed. waves: a barrier and a gate after each wave. Default: flow.
    .PARAMETER BaseUrl
    Address of a running `aura serve`; the default is AURA_API_URL, and without it the program on this machine.
    .EXAMPLE
    Invoke-AuraStoryFull -Id $story.id

    Runs a story to its end.
    .EXAMPLE
    $result = New-AuraStory 'Add user validation' | Invoke-AuraStoryFull
    if (-not $result.error) { $result | Complete-AuraStory -CreatePullRequest $false }

    The whole job.
    .OUTPUTS
    Aura.RunResult
    #>
    [CmdletBinding(SupportsShouldProcess = $true, ConfirmImpact = 'Medium')]
    [OutputType('Aura.RunResult')]
    param(
        [Parameter(Mandatory = $true, Position = 0, ValueFromPipeline = $true, ValueFromPipelineByPropertyName = $true)]
        [Alias('StoryId')]
        [string] $Id,

        [ValidateRange(1, 256)]
        [int] $MaxParallelism = 4,

        [ValidateSet('flow', 'waves')]
        [string] $Mode,

        [string] $BaseUrl
    )
    process {
        Set-AuraCallerPreference $PSCmdlet $PSBoundParameters
        $answer = $null
        try {
            Set-AuraServer $BaseUrl
            if ($PSCmdlet.ShouldProcess('story ' + $Id, 'Analyze, decompose and run it')) {
                $story = Invoke-AuraTool 'get_story' @{ storyId = $Id } $Id
                $parallel = Get-AuraArgument $PSBoundParameters @('MaxParallelism')
                Write-Debug ('most agents at once: ' + $MaxParallelism)
                if ($story.status -eq 'Created') {
                    [void] (Invoke-AuraTool 'analyze_story' @{ storyId = $story.id } $Id -Doing ('analyzing the repository of ' + $Id))
                }
                if ($story.orchestratorStatus -eq 'NotDecomposed') {
                    $arguments = $parallel.Clone()
                    $arguments.storyId = $story.id
                    [void] (Invoke-AuraTool 'decompose_story' $arguments $Id -Doing ('planning story ' + $Id))
                }
                $going = $true
                while ($going) {
                    $arguments = Get-AuraArgument $PSBoundParameters @('MaxParallelism', 'Mode')
                    $arguments.storyId = $story.id
                    $arguments.all = $true
                    $answer = Wait-AuraRun $story.id $arguments (Test-AuraProgress $PSCmdlet)
                    # Another door may have run one wave, which this call joined: the rest is run now.
                    $going = -not $answer.isComplete -and -not $answer.error -and @($answer.startedTasks).Count -gt 0
                }
                Add-AuraRunType $answer
            }
        } catch {
            $answer = $null
            throw $_
        }
        if ($null -ne $answer) {
            $answer
        }
    }
}

function Watch-AuraStory {
    <#
    .SYNOPSIS
    Follows a story, or all of them: every event as an object, as it happens.
    .DESCRIPTION
    Ends with -UntilEnd when the run ends, at once when nothing runs; otherwise with Ctrl-C. The run does not notice.
    .PARAMETER Id
    Id of the story, the first six or more characters of it, or `latest`. Default: all stories.
    .PARAMETER Since
    Start after this position of the log; 0 is the beginning. Default: now, or the beginning of the active run.
    .PARAMETER UntilEnd
    Stop when the active run ends.
    .PARAMETER BaseUrl
    Address of a running `aura serve`; the default is AURA_API_URL, and without it the program on this machine.
    .EXAMPLE
    Start-AuraStory latest -All -NoWait | Watch-AuraStory -UntilEnd

    Starts a run and shows what happens.
    .EXAMPLE
    Watch-AuraStory latest -Since 0 -UntilEnd | Where-Object { $_.kind -eq 'taskLanded' }

    Shows when the tasks of a story have landed.
    .OUTPUTS
    Aura.Event
    #>
    [CmdletBinding()]
    [OutputType('Aura.Event')]
    param(
        [Parameter(Position = 0, ValueFromPipeline = $true, ValueFromPipelineByPropertyName = $true)]
        [Alias('StoryId')]
        [string] $Id,

        [long] $Since,

        [switch] $UntilEnd,

        [string] $BaseUrl
    )
    process {
        Set-AuraCallerPreference $PSCmdlet $PSBoundParameters
        $process = $null
        try {
            $words = @('watch')
            try {
                Set-AuraServer $BaseUrl
                if ($PSBoundParameters.ContainsKey('Id')) {
                    $words += Get-AuraStoryId $Id
                }
                $words += '--json'
                if ($PSBoundParameters.ContainsKey('Since')) {
                    $words += '--since'
                    $words += $Since.ToString([cultureinfo]::InvariantCulture)
                }
                if ($UntilEnd) {
                    $words += '--until-end'
                }
                $process = Open-AuraProcess (Get-AuraStartInfo $words) ''
                # So that it never waits for a reader.
                [void] $process.StandardError.ReadToEndAsync()
            } catch {
                throw $_
            }
            # Nothing is caught from here on: what comes after in the pipeline keeps its own way with errors.
            while ($null -ne $process) {
                $reading = $process.StandardOutput.ReadLineAsync()
                while (-not $reading.Wait(100)) {
                    # Not blocked, so that Ctrl-C is heard.
                }
                $line = $reading.Result
                if ($null -eq $line) {
                    break
                }
                if ($line -ceq '{') {
                    # Not an event but a refusal, over several lines.
                    $said = @{ Out = $line + $process.StandardOutput.ReadToEnd(); Err = ''; ExitCode = 1 }
                    [void] (Read-AuraAnswer $said 'watch' $Id)
                    break
                }
                $happened = ConvertFrom-AuraJson $line
                Add-AuraType $happened 'Aura.Event' @{ taskId = (Get-AuraProperty $happened 'task') }
                $happened
            }
        } finally {
            Close-AuraProcess $process
        }
    }
}

function Get-AuraTaskOutput {
    <#
    .SYNOPSIS
    Shows what an agent said and did on a task: every attempt's outcome, and the transcript of one of them.
    .PARAMETER StoryId
    Id of the story, the first six or more characters of it, or `latest`.
    .PARAMETER TaskId
    Id of the task, for example task-3.
    .PARAMETER Attempt
    Which attempt's transcript. Default: the last.
    .PARAMETER Diff
    Also the patch of what the task changed.
    .PARAMETER MaxBytes
    Most bytes of transcript and of patch; the end is kept. Default: 32768.
    .PARAMETER Cursor
    The nextCursor of an earlier answer about the same attempt: the transcript from there on. 0 is its beginning.
    .PARAMETER BaseUrl
    Address of a running `aura serve`; the default is AURA_API_URL, and without it the program on this machine.
    .EXAMPLE
    (Get-AuraTaskOutput latest task-1 -Diff).diff

    Shows what a task changed.
    .EXAMPLE
    (Get-AuraStoryStatus latest).tasks | Where-Object { $_.error } | Get-AuraTaskOutput | Select-Object id, transcript

    Shows what the agents said on tasks that did not go well.
    .OUTPUTS
    Aura.TaskOutput
    #>
    [CmdletBinding()]
    [OutputType('Aura.TaskOutput')]
    param(
        [Parameter(Mandatory = $true, Position = 0, ValueFromPipelineByPropertyName = $true)]
        [Alias('Id')]
        [string] $StoryId,

        [Parameter(Mandatory = $true, Position = 1, ValueFromPipelineByPropertyName = $true)]
        [string] $TaskId,

        [ValidateRange(1, [int]::MaxValue)]
        [int] $Attempt,

        [switch] $Diff,

        [ValidateRange(1, [int]::MaxValue)]
        [int] $MaxBytes,

        [string] $Cursor,

        [string] $BaseUrl
    )
    process {
        Set-AuraCallerPreference $PSCmdlet $PSBoundParameters
        $answer = $null
        try {
            Set-AuraServer $BaseUrl
            $arguments = Get-AuraArgument $PSBoundParameters @('StoryId', 'TaskId', 'Attempt', 'Diff', 'MaxBytes', 'Cursor')
            $answer = Invoke-AuraTool 'get_task_output' $arguments $TaskId
            Add-AuraType $answer 'Aura.TaskOutput' @{ taskId = $answer.id }
        } catch {
            throw $_
        }
        if ($null -ne $answer) {
            $answer
        }
    }
}

function Restart-AuraTask {
    <#
    .SYNOPSIS
    Gives a failed or skipped task one more chance. Next: run the story.
    .PARAMETER StoryId
    Id of the story, the first six or more characters of it, or `latest`.
    .PARAMETER TaskId
    Id of the task, for example task-3.
    .PARAMETER BaseUrl
    Address of a running `aura serve`; the default is AURA_API_URL, and without it the program on this machine.
    .EXAMPLE
    Restart-AuraTask latest task-3
    Start-AuraStory latest -All

    Tries a task once more.
    .EXAMPLE
    (Start-AuraStory latest).failedTasks | Where-Object { $_.status -eq 'Failed' } | Restart-AuraTask

    Makes the failed tasks of a run pending again.
    .OUTPUTS
    Aura.Task
    #>
    [CmdletBinding(SupportsShouldProcess = $true, ConfirmImpact = 'Medium')]
    [OutputType('Aura.Task')]
    param(
        [Parameter(Mandatory = $true, Position = 0, ValueFromPipelineByPropertyName = $true)]
        [Alias('Id')]
        [string] $StoryId,

        [Parameter(Mandatory = $true, Position = 1, ValueFromPipelineByPropertyName = $true)]
        [string] $TaskId,

        [string] $BaseUrl
    )
    process {
        Set-AuraCallerPreference $PSCmdlet $PSBoundParameters
        $answer = $null
        try {
            Set-AuraServer $BaseUrl
            if ($PSCmdlet.ShouldProcess('task ' + $TaskId + ' of story ' + $StoryId, 'Make it pending again')) {
                $story = Get-AuraStoryId $StoryId
                $answer = Invoke-AuraTool 'retry_task' @{ storyId = $story; taskId = $TaskId } $TaskId
                Add-AuraTaskType $answer $story
            }
        } catch {
            throw $_
        }
        if ($null -ne $answer) {
            $answer
        }
    }
}

function Stop-AuraStory {
    <#
    .SYNOPSIS
    Stops the run of a story: agents are asked to end, their sessions and their work are kept.
    .DESCRIPTION
    Start-AuraStory and Invoke-AuraStoryFull go on from there.
    .PARAMETER Id
    Id of the story, the first six or more characters of it, or `latest`.
    .PARAMETER Now
    Kill the agents instead of asking them.
    .PARAMETER BaseUrl
    Address of a running `aura serve`; the default is AURA_API_URL, and without it the program on this machine.
    .EXAMPLE
    Stop-AuraStory latest

    Stops the run of the newest story.
    .EXAMPLE
    Get-AuraStories -Status Executing | Stop-AuraStory -Now

    Stops everything at once.
    .OUTPUTS
    Aura.Cancellation
    #>
    [CmdletBinding(SupportsShouldProcess = $true, ConfirmImpact = 'Medium')]
    [OutputType('Aura.Cancellation')]
    param(
        [Parameter(Mandatory = $true, Position = 0, ValueFromPipeline = $true, ValueFromPipelineByPropertyName = $true)]
        [Alias('StoryId')]
        [string] $Id,

        [switch] $Now,

        [string] $BaseUrl
    )
    process {
        Set-AuraCallerPreference $PSCmdlet $PSBoundParameters
        $answer = $null
        try {
            Set-AuraServer $BaseUrl
            if ($PSCmdlet.ShouldProcess('story ' + $Id, 'Stop its run')) {
                $arguments = Get-AuraArgument $PSBoundParameters @('Now')
                $arguments.storyId = $Id
                $answer = Invoke-AuraTool 'cancel_run' $arguments $Id
                Add-AuraType $answer 'Aura.Cancellation' @{ storyId = $answer.id }
            }
        } catch {
            throw $_
        }
        if ($null -ne $answer) {
            $answer
        }
    }
}

function Approve-AuraStory {
    <#
    .SYNOPSIS
    Accepts changes to what decides the gate, which hold a story open.
    .DESCRIPTION
    Tests, checks and their configuration that existed at the base of a story decide its gate. A change of them that no task claims
    holds the story until a person accepts it. `Get-AuraStoryStatus` shows each in `findings`.
    .PARAMETER Id
    Id of the story, the first six or more characters of it, or `latest`.
    .PARAMETER FindingIds
    Ids of findings, or the start of each; without it all that is held.
    .PARAMETER Reason
    Why, for the record.
    .PARAMETER BaseUrl
    Address of a running `aura serve`; the default is AURA_API_URL, and without it the program on this machine.
    .EXAMPLE
    (Get-AuraStoryStatus latest).findings | Format-Table standing, kind, path, subject, id

    Looks at what is held.
    .EXAMPLE
    Approve-AuraStory latest -FindingIds 3f9a1c02 -Reason 'the test was wrong'

    Accepts one finding, by the start of its id.
    .OUTPUTS
    Aura.Acceptance
    #>
    [CmdletBinding(SupportsShouldProcess = $true, ConfirmImpact = 'High')]
    [OutputType('Aura.Acceptance')]
    param(
        [Parameter(Mandatory = $true, Position = 0, ValueFromPipeline = $true, ValueFromPipelineByPropertyName = $true)]
        [Alias('StoryId')]
        [string] $Id,

        [string[]] $FindingIds,

        [string] $Reason,

        [string] $BaseUrl
    )
    process {
        Set-AuraCallerPreference $PSCmdlet $PSBoundParameters
        $answer = $null
        try {
            Set-AuraServer $BaseUrl
            if ($PSCmdlet.ShouldProcess('story ' + $Id, 'Accept what is held')) {
                $arguments = Get-AuraArgument $PSBoundParameters @('FindingIds', 'Reason')
                $arguments.storyId = $Id
                $answer = Invoke-AuraTool 'accept_findings' $arguments $Id
                Add-AuraType $answer 'Aura.Acceptance'
            }
        } catch {
            throw $_
        }
        if ($null -ne $answer) {
            $answer
        }
    }
}

function Complete-AuraStory {
    <#
    .SYNOPSIS
    Completes a story: brings the base in, verifies exactly the result, squashes it to one commit and publishes it.
    .DESCRIPTION
    Refuses a story whose tasks have not all landed, or whose gate is red. It can be repeated. verificationPassed is $true when
    the checks passed on what was published, and empty when the repository has no checks.
    .PARAMETER Id
    Id of the story, the first six or more characters of it, or `latest`.
    .PARAMETER CommitMessage
    Message of the commit. Default: made from the story and its tasks.
    .PARAMETER CreatePullRequest
    Whether to open a pull request. Default: $true, which means: where one is possible. With $false none is opened. Where it is
    given as $true and none is possible, the story is completed all the same, and a warning says why there is none.
    .PARAMETER PrTitle
    Title of the pull request. Default: the story's.
    .PARAMETER PrBody
    Text of the pull request. Default: what was asked, what was done, and what speaks for it.
    .PARAMETER BaseBranch
    Branch that it is to be merged into. Default: the one that the story started from.
    .PARAMETER PrRepository
    Repository that it is opened in, as owner/name. Default: that of the remote upstream, else the one pushed to.
    .PARAMETER Draft
    Whether the pull request is a draft. Default: $true.
    .PARAMETER Reviewers
    Persons to ask for a review, or teams as organisation/team.
    .PARAMETER Labels
    Labels to put on it.
    .PARAMETER Publish
    auto, branch (leave it on the story's branch), merge (move the base branch to it) or push. Default: auto.
    .PARAMETER Remote
    Remote to push to. Default: where the base branch is pushed, else origin.
    .PARAMETER KeepCommits
    Keep the landing of every task instead of one squashed commit.
    .PARAMETER BaseUrl
    Address of a running `aura serve`; the default is AURA_API_URL, and without it the program on this machine.
    .EXAMPLE
    Complete-AuraStory -Id $story.id -CreatePullRequest $true

    Completes a story and opens a pull request where that is possible.
    .EXAMPLE
    Complete-AuraStory $story.id -CreatePullRequest $false -CommitMessage 'feat: validate users'

    Completes a story without a pull request.
    .OUTPUTS
    Aura.Completion
    #>
    [CmdletBinding(SupportsShouldProcess = $true, ConfirmImpact = 'Medium')]
    [OutputType('Aura.Completion')]
    param(
        [Parameter(Mandatory = $true, Position = 0, ValueFromPipeline = $true, ValueFromPipelineByPropertyName = $true)]
        [Alias('StoryId')]
        [string] $Id,

        [AllowEmptyString()]
        [string] $CommitMessage,

        [bool] $CreatePullRequest = $true,

        [AllowEmptyString()]
        [string] $PrTitle,

        [AllowEmptyString()]
        [string] $PrBody,

        [string] $BaseBranch,

        [string] $PrRepository,

        [bool] $Draft = $true,

        [string[]] $Reviewers,

        [string[]] $Labels,

        [ValidateSet('auto', 'branch', 'merge', 'push')]
        [string] $Publish,

        [string] $Remote,

        [switch] $KeepCommits,

        [string] $BaseUrl
    )
    process {
        Set-AuraCallerPreference $PSCmdlet $PSBoundParameters
        $answer = $null
        try {
            Set-AuraServer $BaseUrl
            if ($PSCmdlet.ShouldProcess('story ' + $Id, 'Verify, squash and publish it')) {
                $arguments = Get-AuraArgument $PSBoundParameters @('CommitMessage', 'Publish', 'Remote', 'KeepCommits')
                $arguments.storyId = $Id
                $pull = @{}
                $known = @(Get-AuraToolField 'complete_story')
                if (-not $CreatePullRequest) {
                    $pull.createPullRequest = $false
                } else {
                    $names = @('CreatePullRequest', 'PrTitle', 'PrBody', 'BaseBranch', 'PrRepository', 'Draft', 'Reviewers', 'Labels')
                    $pull = Get-AuraArgument $PSBoundParameters $names
                }
                $why = 'this program opens none'
                $sent = $arguments.Clone()
                foreach ($name in $pull.Keys) {
                    # A program without these fields opens no pull requests at all.
                    if ($known -ccontains $name) {
                        $sent[$name] = $pull[$name]
                        $why = ''
                    }
                }
                Write-Debug ('a draft: ' + $Draft)
                $doing = 'completing story ' + $Id
                try {
                    $answer = Invoke-AuraTool 'complete_story' $sent $Id -Doing $doing
                } catch {
                    # Refused before anything was done, maybe because no pull request is possible: then without one.
                    $asked = $sent.ContainsKey('createPullRequest') -and $sent.createPullRequest
                    if (-not $asked -or $_.Exception.Data['Code'] -ne 'invalid_request') {
                        throw $_
                    }
                    $why = [string] $_.Exception.Data['Detail']
                    $answer = Invoke-AuraTool 'complete_story' $arguments $Id -Doing $doing
                }
                Add-AuraType $answer 'Aura.Completion' @{ storyId = $answer.id }
                if ($CreatePullRequest -and $pull.Count -gt 0 -and -not $answer.pullRequestUrl) {
                    Write-Warning (('No pull request was opened. ' + $why).Trim() + ' ' + $answer.message)
                }
            }
        } catch {
            throw $_
        }
        if ($null -ne $answer) {
            $answer
        }
    }
}

function Remove-AuraStoryWorktree {
    <#
    .SYNOPSIS
    Removes the worktrees and task branches of a story, and its branch once that is merged or pushed.
    .DESCRIPTION
    Of a completed story it refuses while anything is neither merged nor pushed. Work that is nowhere else is kept: `rescued` names
    the refs, and `aura rescue` restores them. It can be repeated.
    .PARAMETER Id
    Id of the story, the first six or more characters of it, or `latest`.
    .PARAMETER Force
    Remove also what is neither merged nor pushed. It is kept like other work.
    .PARAMETER BaseUrl
    Address of a running `aura serve`; the default is AURA_API_URL, and without it the program on this machine.
    .EXAMPLE
    Remove-AuraStoryWorktree -Id $story.id

    Tidies up after a story.
    .EXAMPLE
    Get-AuraStories -Status Completed | Remove-AuraStoryWorktree -Confirm

    Tidies up after every completed story, and asks each time.
    .OUTPUTS
    Aura.Removal
    #>
    [CmdletBinding(SupportsShouldProcess = $true, ConfirmImpact = 'Medium')]
    [OutputType('Aura.Removal')]
    param(
        [Parameter(Mandatory = $true, Position = 0, ValueFromPipeline = $true, ValueFromPipelineByPropertyName = $true)]
        [Alias('StoryId')]
        [string] $Id,

        [switch] $Force,

        [string] $BaseUrl
    )
    process {
        Set-AuraCallerPreference $PSCmdlet $PSBoundParameters
        $answer = $null
        try {
            Set-AuraServer $BaseUrl
            if ($PSCmdlet.ShouldProcess('story ' + $Id, 'Remove its worktrees and task branches')) {
                $arguments = Get-AuraArgument $PSBoundParameters @('Force')
                $arguments.storyId = $Id
                $answer = Invoke-AuraTool 'remove_worktree' $arguments $Id
                Add-AuraType $answer 'Aura.Removal'
            }
        } catch {
            throw $_
        }
        if ($null -ne $answer) {
            $answer
        }
    }
}

function Test-AuraSetup {
    <#
    .SYNOPSIS
    Says what is missing on this machine (the program, git, agent, login, forge, sandbox) and how to get it.
    .PARAMETER Quiet
    Answer only $true or $false: whether a run could start.
    .PARAMETER BaseUrl
    Address of a running `aura serve`; the default is AURA_API_URL, and without it the program on this machine.
    .EXAMPLE
    (Test-AuraSetup).findings

    Shows all that was looked at.
    .EXAMPLE
    if (-not (Test-AuraSetup -Quiet)) { throw 'Aura is not ready' }

    Stops a script where nothing could run.
    .OUTPUTS
    Aura.Setup, or with -Quiet System.Boolean
    #>
    [CmdletBinding()]
    [OutputType('Aura.Setup')]
    [OutputType([bool])]
    param(
        [switch] $Quiet,

        [string] $BaseUrl
    )
    process {
        Set-AuraCallerPreference $PSCmdlet $PSBoundParameters
        $answer = $null
        try {
            Set-AuraServer $BaseUrl
            $missing = $null
            try {
                [void] (Get-AuraBinary)
            } catch {
                $missing = $_.Exception
            }
            if ($null -ne $missing) {
                $finding = [pscustomobject] @{
                    name   = 'aura'
                    health = 'missing'
                    detail = [string] $missing.Data['Detail']
                    hint   = [string] $missing.Data['Hint']
                }
                $answer = [pscustomobject] @{ ready = $false; agents = @(); findings = @($finding) }
            } else {
                $said = Invoke-AuraProcess -Words @('doctor', '--json') -Text ''
                $answer = Read-AuraAnswer $said 'look at the setup' $null
            }
            Add-AuraType $answer 'Aura.Setup'
            foreach ($finding in @($answer.findings)) {
                Add-AuraType $finding 'Aura.Finding'
            }
        } catch {
            $answer = $null
            throw $_
        }
        if ($null -ne $answer) {
            if ($Quiet) {
                [bool] $answer.ready
            } else {
                $answer
            }
        }
    }
}

#endregion

#region Completion of arguments

# A value for the command line, in quotes where it needs them.
function Get-AuraCompletion {
    param([string] $Value, [string] $Shown, [string] $Tip)
    $text = $Value
    if ($text -notmatch '^[\w.\-/]+$') {
        $text = "'" + $text.Replace("'", "''") + "'"
    }
    $label = Get-AuraLine $Shown 60
    $about = Get-AuraLine $Tip 200
    if (-not $label) {
        $label = $Value
    }
    if (-not $about) {
        $about = $label
    }
    return [System.Management.Automation.CompletionResult]::new($text, $label, 'ParameterValue', $about)
}

# What was typed so far, without quotes.
function Get-AuraTyped {
    param([string] $Word)
    return $Word.Trim([char] "'", [char] '"')
}

$script:CompleteStory = {
    param($commandName, $parameterName, $wordToComplete)
    try {
        $typed = Get-AuraTyped $wordToComplete
        foreach ($story in @((Invoke-AuraTool 'list_stories' @{ limit = 50 }).stories)) {
            $any = [System.StringComparison]::OrdinalIgnoreCase
            $fits = $story.id.StartsWith($typed, $any) -or $story.shortId.StartsWith($typed, $any)
            if ($fits -or ($typed -and $story.title.IndexOf($typed, $any) -ge 0)) {
                Get-AuraCompletion $story.id ($story.shortId + ' ' + $story.title) ($story.status + ': ' + $story.title)
            }
        }
    } catch {
        Write-Debug ('complete ' + $commandName + ' -' + $parameterName + ': ' + $_.Exception.Message)
    }
}

$script:CompleteTask = {
    param($commandName, $parameterName, $wordToComplete, $commandAst, $fakeBoundParameters)
    $null = $commandAst
    try {
        $typed = Get-AuraTyped $wordToComplete
        $story = 'latest'
        foreach ($name in @('StoryId', 'Id')) {
            if ($fakeBoundParameters.Contains($name)) {
                $story = [string] $fakeBoundParameters[$name]
            }
        }
        foreach ($task in @((Invoke-AuraTool 'get_orchestrator_status' @{ storyId = $story }).tasks)) {
            if ($task.id.StartsWith($typed, [System.StringComparison]::OrdinalIgnoreCase)) {
                Get-AuraCompletion $task.id ($task.id + ' ' + $task.title) ($task.status + ': ' + $task.title)
            }
        }
    } catch {
        Write-Debug ('complete ' + $commandName + ' -' + $parameterName + ': ' + $_.Exception.Message)
    }
}

$script:CompleteAgent = {
    param($commandName, $parameterName, $wordToComplete)
    try {
        $typed = Get-AuraTyped $wordToComplete
        $answer = Read-AuraAnswer (Invoke-AuraProcess -Words @('doctor', '--json') -Text '') 'look at the setup' $null
        foreach ($agent in @(Get-AuraProperty $answer 'agents')) {
            if ($agent -and $agent.StartsWith($typed, [System.StringComparison]::OrdinalIgnoreCase)) {
                Get-AuraCompletion $agent $agent ('agent ' + $agent)
            }
        }
    } catch {
        Write-Debug ('complete ' + $commandName + ' -' + $parameterName + ': ' + $_.Exception.Message)
    }
}

$script:CompletePlanner = {
    param($commandName, $parameterName, $wordToComplete)
    $null = $commandName, $parameterName
    $typed = Get-AuraTyped $wordToComplete
    foreach ($planner in @('copilot', 'openai', 'outline')) {
        if ($planner.StartsWith($typed, [System.StringComparison]::OrdinalIgnoreCase)) {
            Get-AuraCompletion $planner $planner ('planner ' + $planner)
        }
    }
}

$script:OnStories = @(
    'Get-AuraStory', 'Start-AuraStoryAnalysis', 'Start-AuraStoryDecompose', 'Start-AuraStory', 'Get-AuraStoryStatus',
    'Invoke-AuraStoryFull', 'Watch-AuraStory', 'Stop-AuraStory', 'Approve-AuraStory', 'Complete-AuraStory', 'Remove-AuraStoryWorktree'
)
$script:OnTasks = @('Get-AuraTaskOutput', 'Restart-AuraTask')
$script:OnPlans = @('New-AuraStory', 'Start-AuraStoryDecompose')
Register-ArgumentCompleter -CommandName $script:OnStories -ParameterName Id -ScriptBlock $script:CompleteStory
Register-ArgumentCompleter -CommandName $script:OnTasks -ParameterName StoryId -ScriptBlock $script:CompleteStory
Register-ArgumentCompleter -CommandName $script:OnTasks -ParameterName TaskId -ScriptBlock $script:CompleteTask
Register-ArgumentCompleter -CommandName New-AuraStory -ParameterName Agent -ScriptBlock $script:CompleteAgent
Register-ArgumentCompleter -CommandName $script:OnPlans -ParameterName Planner -ScriptBlock $script:CompletePlanner

#endregion

# The manifest loads the tables; this is for whoever imports the module by this file.
try {
    if ($null -eq (Get-FormatData -TypeName 'Aura.Story' -ErrorAction Ignore)) {
        Update-FormatData -PrependPath ([System.IO.Path]::Combine($PSScriptRoot, 'Aura-Story.format.ps1xml'))
    }
} catch {
    # Objects are as useful without tables.
    Write-Verbose ('load the tables: ' + $_.Exception.Message)
}

Export-ModuleMember -Function @(
    'New-AuraStory'
    'Get-AuraStory'
    'Get-AuraStories'
    'Start-AuraStoryAnalysis'
    'Start-AuraStoryDecompose'
    'Start-AuraStory'
    'Get-AuraStoryStatus'
    'Invoke-AuraStoryFull'
    'Approve-AuraStory'
    'Complete-AuraStory'
    'Remove-AuraStoryWorktree'
    'Watch-AuraStory'
    'Get-AuraTaskOutput'
    'Restart-AuraTask'
    'Stop-AuraStory'
    'Test-AuraSetup'
)

# The usage example that Aura began with, and its "CLI wrappers", as they stand on the page, run word for word.

BeforeAll {
    . (Join-Path -Path $PSScriptRoot -ChildPath 'World.ps1')

    function Get-Block {
        $page = [System.IO.File]::ReadAllText((Join-Path -Path $Root -ChildPath 'docs/powershell.md')).Replace("`r`n", "`n")
        $fence = '```'
        $blocks = [regex]::Matches($page, '(?s)' + $fence + 'powershell\n(.*?)' + $fence)
        return @($blocks | ForEach-Object { $_.Groups[1].Value })
    }

    # The examples speak of C:\repos\myapp. Where there is no drive C, there is one for the test; where there is, that one
    # path becomes the test's own, and nothing else is changed.
    function Get-Runnable {
        param([string] $Text)
        if (Get-PSDrive -Name C -ErrorAction Ignore) {
            return $Text.Replace('C:\repos\myapp', (Join-Path -Path $world.Path -ChildPath 'repos/myapp'))
        }
        [void] (New-PSDrive -Name C -PSProvider FileSystem -Root $world.Path -Scope Global)
        $world.Drive = $true
        'C:\repos\myapp' | Should -Exist
        return $Text
    }
}

Describe 'The first example' {
    BeforeEach {
        $world = New-World
        Add-Repository (Join-Path -Path $world.Path -ChildPath 'repos/myapp')
        # The example imports .\scripts\Aura-Story.psm1.
        Set-Location -LiteralPath $Root
    }
    AfterEach {
        Set-Location -LiteralPath $Root
        if ($world.ContainsKey('Drive')) {
            Remove-PSDrive -Name C -Scope Global
        }
        Get-Module -Name Aura-Story | Remove-Module -Force
        Remove-World $world
    }

    It 'runs as written' {
        $code = Get-Runnable (Get-Block)[0]
        $said = . ([scriptblock]::Create($code)) 3>&1
        $story.title | Should -Be 'Add user validation'
        $tasks.waveCount | Should -BeGreaterThan 0
        @($tasks.tasks).Count | Should -BeGreaterThan 0
        $result.isComplete | Should -BeTrue
        $result.error | Should -BeNullOrEmpty
        $after = Get-AuraStory -Id $story.id
        $after.status | Should -Be 'Completed'
        $after.worktreePath | Should -BeNullOrEmpty
        # No pull request was possible, and the example asked for one.
        @($said | Where-Object { $_ -is [System.Management.Automation.WarningRecord] }).Count | Should -Be 1
    }

    It 'runs wave by wave to its end' {
        $story = $null
        $code = Get-Runnable (Get-Block)[0]
        # Without the call that runs everything at once, the loop does the work.
        $code = $code.Replace('Invoke-AuraStoryFull -Id $story.id', '')
        [void] (. ([scriptblock]::Create($code)) 3>&1)
        (Get-AuraStory -Id $story.id).status | Should -Be 'Completed'
    }

    It 'ends its loop when a wave fails' {
        Import-Module $Module -Force
        $story = New-AuraStory -Title 'Fails' -RepositoryPath $world.Repo
        [void] (Start-AuraStoryDecompose -Id $story.id -Tasks @(Get-FailingTask 'task-1'))
        $rounds = 0
        do {
            $result = Start-AuraStory -Id $story.id
            $rounds++
        } while (-not $result.isComplete -and -not $result.error -and $rounds -lt 10)
        $rounds | Should -Be 1
        $result.error | Should -Not -BeNullOrEmpty
    }

    It 'has every line of its wrappers' {
        Import-Module $Module -Force
        $lines = @((Get-Runnable (Get-Block)[1]).Split("`n") | Where-Object { $_ -and -not $_.StartsWith('#') })
        $lines.Count | Should -Be 4
        $made = & ([scriptblock]::Create($lines[0]))
        $made.id | Should -Not -BeNullOrEmpty
        $plan = & ([scriptblock]::Create($lines[1].Replace('<guid>', $made.id)))
        $plan.storyId | Should -Be $made.id
        do {
            $run = & ([scriptblock]::Create($lines[2].Replace('<guid>', $made.id)))
        } while (-not $run.isComplete -and -not $run.error)
        $run.isComplete | Should -BeTrue
        $done = & ([scriptblock]::Create($lines[3].Replace('<guid>', $made.id)))
        $done.status | Should -Be 'Completed'
    }
}

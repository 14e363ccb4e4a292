# What every function does, against the real program and a real repository.

BeforeAll {
    . (Join-Path -Path $PSScriptRoot -ChildPath 'World.ps1')
    Import-Module $Manifest -Force
}
AfterAll {
    Get-Module -Name Aura-Story | Remove-Module -Force
}

Describe 'A story from its creation to its plan' {
    BeforeAll {
        $world = New-World
    }
    AfterAll {
        Remove-World $world
    }

    It 'is created where one stands, and comes back as one object' {
        $all = @(New-AuraStory 'Add user validation' 'details' *>&1)
        $all.Count | Should -Be 1
        $story = $all[0]
        $story.PSObject.TypeNames | Should -Contain 'Aura.Story'
        $story.id | Should -Match '^[0-9a-f-]{36}$'
        $story.title | Should -BeExactly 'Add user validation'
        $story.description | Should -BeExactly 'details'
        $story.status | Should -Be 'Created'
        Split-Path -Path $story.repositoryPath -Leaf | Should -Be 'repo'
        $story.worktreePath | Should -Exist
    }

    It 'has dates as dates, in the time zone of this machine' {
        $story = New-AuraStory 'Times'
        $story.createdAt | Should -BeOfType [datetime]
        $story.createdAt.Kind | Should -Be 'Local'
        [math]::Abs(((Get-Date) - $story.createdAt).TotalMinutes) | Should -BeLessThan 5
        $story.completedAt | Should -BeNullOrEmpty
    }

    It 'takes every way to say where' {
        foreach ($path in @('.', $world.Repo, (Join-Path -Path '..' -ChildPath 'repo'))) {
            Split-Path -Path (New-AuraStory 'Where' -RepositoryPath $path).repositoryPath -Leaf | Should -Be 'repo'
        }
        Push-Location -LiteralPath 'Env:'
        try {
            Split-Path -Path (New-AuraStory 'Where' -RepositoryPath $world.Repo).repositoryPath -Leaf | Should -Be 'repo'
        } finally {
            Pop-Location
        }
        (Get-Refusal { New-AuraStory 'Where' -RepositoryPath 'Env:\' }).FullyQualifiedErrorId | Should -Be 'invalid_request'
        (Get-Refusal { New-AuraStory 'Where' -RepositoryPath $world.Path }).FullyQualifiedErrorId | Should -Be 'not_a_repository'
    }

    It 'takes what else there is to say' {
        $story = New-AuraStory -Title 'More' -IssueUrl 'https://example.org/1' -Base 'main' -Branch 'feature/more' -Agent 'demo' -Planner 'outline' -AutomationMode FullAutonomous
        $story.issueUrl | Should -Be 'https://example.org/1'
        $story.gitBranch | Should -Be 'feature/more'
        $story.agent | Should -Be 'demo'
    }

    It 'is found by every name' {
        $story = New-AuraStory 'Names'
        (Get-AuraStory -Id $story.id).id | Should -Be $story.id
        (Get-AuraStory -StoryId $story.id).id | Should -Be $story.id
        (Get-AuraStory $story.shortId).id | Should -Be $story.id
        (Get-AuraStory latest).id | Should -Be $story.id
        (Get-AuraStory ([guid] $story.id)).id | Should -Be $story.id
        ($story | Get-AuraStory).id | Should -Be $story.id
        ($story.id | Get-AuraStory).id | Should -Be $story.id
        ([pscustomobject] @{ StoryId = $story.id } | Get-AuraStory).id | Should -Be $story.id
        ($story | Get-AuraStoryStatus | Get-AuraStory).id | Should -Be $story.id
    }

    It 'is listed, newest first' {
        $story = New-AuraStory 'Newest'
        $list = @(Get-AuraStories)
        $list[0].id | Should -Be $story.id
        @(Get-AuraStories -Limit 1).Count | Should -Be 1
        @(Get-AuraStories -Status Cancelled).Count | Should -Be 0
        @(Get-AuraStories -Status Created -RepositoryPath .).Count | Should -Be $list.Count
        Add-Repository (Join-Path -Path $world.Path -ChildPath 'other')
        @(Get-AuraStories -RepositoryPath ../other).Count | Should -Be 0
        { Get-AuraStories -Status Nonsense } | Should -Throw
    }

    It 'is analyzed' {
        $story = New-AuraStory 'Analyze'
        $answer = $story | Start-AuraStoryAnalysis -FactsOnly
        $answer.id | Should -Be $story.id
        $answer.status | Should -Be 'Analyzed'
        $answer.analyzedContext.facts.files | Should -Be 1
        (Get-AuraStory $story.id).analyzedContext.facts | Should -Not -BeNullOrEmpty
    }

    It 'is decomposed' {
        $story = New-AuraStory 'Decompose'
        $plan = Start-AuraStoryDecompose -Id $story.id -MaxParallelism 3
        $plan.storyId | Should -Be $story.id
        $plan.maxParallelism | Should -Be 3
        $plan.waveCount | Should -BeGreaterThan 0
        $plan.tasks.Count | Should -BeGreaterThan 1
        $plan.tasks[0].PSObject.TypeNames | Should -Contain 'Aura.Task'
        $plan.tasks[0].storyId | Should -Be $story.id
        $fewer = Start-AuraStoryDecompose -Id $story.id -IncludeTests $false
        $fewer.tasks.Count | Should -Be ($plan.tasks.Count - 1)
        ($story | Get-AuraStory).status | Should -Be 'Planned'
        { Start-AuraStoryDecompose $story.id -MaxParallelism 0 } | Should -Throw
    }

    It 'takes a plan of the caller: hashtables, objects, JSON, and what Aura gave back' {
        $story = New-AuraStory 'Plan'
        $tables = @((Get-DemoTask 'a'), (Get-DemoTask 'b' -After 'a'))
        $plan = Start-AuraStoryDecompose $story.id -Tasks $tables
        $plan.waveCount | Should -Be 2
        $plan.tasks[1].dependsOn | Should -Be @('a')
        $objects = $tables | ConvertTo-Json -Depth 5 | ConvertFrom-Json | ForEach-Object { $_ }
        (Start-AuraStoryDecompose $story.id -Tasks $objects).waveCount | Should -Be 2
        (Start-AuraStoryDecompose $story.id -Tasks $plan.tasks).waveCount | Should -Be 2
        $row = [pscustomobject] @{ ID = 'one'; Title = 'One'; Description = 'do it'; Files = 'a.txt' }
        (Start-AuraStoryDecompose $story.id -Tasks $row).tasks[0].files | Should -Be @('a.txt')
        $wrong = Get-Refusal { Start-AuraStoryDecompose $story.id -Tasks @(@{ id = 'a'; titel = 'b' }) }
        $wrong.FullyQualifiedErrorId | Should -Be 'invalid_request'
        $wrong.Exception.Message | Should -BeLike '*titel*'
    }
}

Describe 'A story from its plan to its end' {
    BeforeAll {
        $world = New-World
    }
    AfterAll {
        Remove-World $world
    }

    It 'shows and does nothing where the function that calls it was called with -WhatIf' {
        $kept = New-AuraStory 'Kept'
        function Clear-Mine {
            [CmdletBinding(SupportsShouldProcess = $true)]
            param()
            [void] (New-AuraStory 'Not to be made')
            [void] (Start-AuraStoryDecompose $kept.id -Tasks @((Get-DemoTask 'a')))
            [void] (Start-AuraStory $kept.id)
            [void] (Remove-AuraStoryWorktree $kept.id -Force)
        }
        Clear-Mine -WhatIf
        @(Get-AuraStories | Where-Object title -EQ 'Not to be made').Count | Should -Be 0
        (Get-AuraStory $kept.id).status | Should -Be 'Created'
        Test-Path -LiteralPath $kept.worktreePath | Should -BeTrue
    }

    It 'says what the caller wants to hear' {
        function Get-Mine {
            [CmdletBinding()]
            param()
            Get-AuraStories -Limit 1 4>&1 | Where-Object { $_ -is [Management.Automation.VerboseRecord] }
        }
        @(Get-Mine -Verbose).Count | Should -BeGreaterThan 0
        @(Get-Mine).Count | Should -Be 0
    }

    It 'runs wave by wave' {
        $story = New-AuraStory 'Waves'
        [void] (Start-AuraStoryDecompose $story.id -Tasks @((Get-DemoTask 'a'), (Get-DemoTask 'b'), (Get-DemoTask 'c' -After 'a', 'b')))
        $first = Start-AuraStory -Id $story.id
        $first.PSObject.TypeNames | Should -Contain 'Aura.RunResult'
        $first.currentWave | Should -Be 2
        $first.totalWaves | Should -Be 2
        $first.isComplete | Should -BeFalse
        $first.error | Should -BeNullOrEmpty
        $first.completedTasks.Count | Should -Be 2
        $first.gateResult.passed | Should -BeTrue
        $second = $first | Start-AuraStory
        $second.isComplete | Should -BeTrue
        $second.completedTasks.Count | Should -Be 1
        $second.completedTasks[0].id | Should -Be 'c'
        # Nothing is left, and nothing happens.
        (Start-AuraStory -StoryId $story.id).isComplete | Should -BeTrue
    }

    It 'runs every planned story of a pipeline' {
        $ids = @(1..2 | ForEach-Object { (New-AuraStory ('Planned ' + $_) | Start-AuraStoryDecompose).storyId })
        $results = @(Get-AuraStories -Status Planned | Start-AuraStory -All)
        $results.Count | Should -Be 2
        foreach ($result in $results) {
            $ids | Should -Contain $result.storyId
            $result.isComplete | Should -BeTrue
        }
    }

    It 'fails as an answer; its tasks can be looked at and restarted from the pipeline' {
        $story = New-AuraStory 'Fails'
        [void] (Start-AuraStoryDecompose $story.id -Tasks @((Get-DemoTask 'good'), (Get-FailingTask 'bad'), (Get-DemoTask 'after' -After 'bad')))
        $result = Start-AuraStory $story.id -All
        $result.isComplete | Should -BeFalse
        $result.error | Should -Not -BeNullOrEmpty
        $result.outcome | Should -Be 'failed'
        @($result.failedTasks | ForEach-Object { $_.status }) | Should -Be @('Failed', 'Skipped')
        $output = $result.failedTasks | Where-Object { $_.status -eq 'Failed' } | Get-AuraTaskOutput
        $output.storyId | Should -Be $story.id
        $output.id | Should -Be 'bad'
        $output.attemptsMade.Count | Should -Be 1
        $output.transcript | Should -BeOfType [string]
        $task = (Get-AuraStoryStatus $story.id).tasks | Where-Object { $_.status -eq 'Failed' } | Restart-AuraTask
        $task.status | Should -Be 'Pending'
        $task.storyId | Should -Be $story.id
        (Get-Refusal { Restart-AuraTask $story.id good }).FullyQualifiedErrorId | Should -Be 'illegal_state'
        (Get-Refusal { Complete-AuraStory $story.id }).FullyQualifiedErrorId | Should -Be 'illegal_state'
    }

    It 'shows what an agent did' {
        $story = New-AuraStory 'Output'
        [void] (Start-AuraStoryDecompose $story.id -Tasks @(Get-DemoTask 'a'))
        [void] (Start-AuraStory $story.id)
        $output = Get-AuraTaskOutput $story.id a -Diff
        $output.transcript | Should -BeLike '*a is done.*'
        $output.diff | Should -BeLike '*+by a*'
        (Get-AuraTaskOutput -Id $story.id -TaskId a -Attempt 1 -MaxBytes 4).transcript | Should -BeLike '*more before this*'
        $rest = Get-AuraTaskOutput $story.id a -Cursor $output.nextCursor
        $rest.transcript | Should -Be ''
        (Get-AuraTaskOutput $story.id a -Cursor 0).nextCursor | Should -Be $output.nextCursor
        ($story | Get-AuraTaskOutput -TaskId a).diff | Should -BeNullOrEmpty
        (Get-Refusal { Get-AuraTaskOutput $story.id zzz }).FullyQualifiedErrorId | Should -Be 'not_found'
    }

    It 'runs in full from its creation, and again' {
        $result = New-AuraStory 'Full' | Invoke-AuraStoryFull
        $result.isComplete | Should -BeTrue
        $story = Get-AuraStory $result.storyId
        $story.analyzedContext | Should -Not -BeNullOrEmpty
        $story.tasks.Count | Should -BeGreaterThan 1
        (Invoke-AuraStoryFull -StoryId $story.id -MaxParallelism 2).isComplete | Should -BeTrue
    }

    It 'runs more waves than the twenty that the first Aura gave up after' {
        $tasks = @(1..22 | ForEach-Object {
                $after = @()
                if ($_ -gt 1) {
                    $after = @('t' + ($_ - 1))
                }
                Get-DemoTask ('t' + $_) -After $after
            })
        $story = New-AuraStory 'Long'
        (Start-AuraStoryDecompose $story.id -Tasks $tasks).waveCount | Should -Be 22
        $result = Invoke-AuraStoryFull $story.id -Mode waves
        $result.isComplete | Should -BeTrue
        $result.currentWave | Should -Be 22
    }

    It 'goes on by itself, is followed, and is stopped' {
        $story = New-AuraStory 'Slow'
        [void] (Start-AuraStoryDecompose $story.id -Tasks @(Get-DemoTask 'a' -Think 60000))
        $run = Start-AuraStory $story.id -NoWait
        $run.isRunning | Should -BeTrue
        $first = Watch-AuraStory $story.id -Since 0 | Select-Object -First 1
        $first.kind | Should -Be 'storyCreated'
        $first.at | Should -BeOfType [datetime]
        $first.storyId | Should -Be $story.id
        $stopped = $story | Stop-AuraStory -Now
        $stopped.id | Should -Be $story.id
        $events = @($story | Watch-AuraStory -Since 0 -UntilEnd)
        $events[-1].kind | Should -Be 'runEnded'
        @($events | Where-Object { $_.kind -eq 'attemptStarted' })[0].taskId | Should -Be 'a'
        (Get-AuraStoryStatus $story.id).run | Should -BeNullOrEmpty
        (Get-Refusal { Stop-AuraStory $story.id }).FullyQualifiedErrorId | Should -Be 'illegal_state'
        (Get-Refusal { Watch-AuraStory 'no-such-story' -UntilEnd }).FullyQualifiedErrorId | Should -Be 'not_found'
    }

    It 'stops cleanly when it is interrupted, and can be called again' {
        $story = New-AuraStory 'Interrupted'
        [void] (Start-AuraStoryDecompose $story.id -Tasks @(Get-DemoTask 'a' -Think 60000))
        $shell = [powershell]::Create()
        try {
            [void] $shell.AddScript('param($module, $id) Import-Module $module; Invoke-AuraStoryFull -Id $id').AddArgument($Manifest).AddArgument($story.id)
            $going = $shell.BeginInvoke()
            $deadline = (Get-Date).AddMinutes(1)
            while ($null -eq (Get-AuraStoryStatus $story.id).run -and (Get-Date) -lt $deadline) {
                Start-Sleep -Milliseconds 100
            }
            $going.IsCompleted | Should -BeFalse
            # What Ctrl-C does.
            $shell.Stop()
        } finally {
            $shell.Dispose()
        }
        # It asked the agents to stop; they do.
        $events = @(Watch-AuraStory $story.id -Since 0 -UntilEnd)
        $events[-1].kind | Should -Be 'runEnded'
        $events[-1].outcome | Should -Be 'cancelled'
        $again = Start-AuraStory $story.id -NoWait
        $again.isRunning | Should -BeTrue
        [void] (Stop-AuraStory $story.id -Now)
    }

    It 'is completed, and tidied up' {
        $story = New-AuraStory 'Complete'
        [void] (Invoke-AuraStoryFull $story.id)
        $done = Complete-AuraStory -StoryId $story.id -CreatePullRequest $false -Publish branch
        $done.status | Should -Be 'Completed'
        $done.verificationPassed | Should -BeTrue
        $done.completedAt | Should -BeOfType [datetime]
        $done.published.branch | Should -Be $story.gitBranch
        # Again changes nothing.
        ($done | Complete-AuraStory -WarningAction SilentlyContinue).completedAt | Should -Be $done.completedAt
        $removed = Remove-AuraStoryWorktree -Id $story.id
        $removed.storyId | Should -Be $story.id
        $removed.removedWorktrees.Count | Should -BeGreaterThan 0
        $story.worktreePath | Should -Not -Exist
        ($removed | Remove-AuraStoryWorktree).removedWorktrees.Count | Should -Be 0
    }
}

Describe 'The setup' {
    BeforeAll {
        $world = New-World
    }
    AfterAll {
        Remove-World $world
    }

    It 'is examined' {
        $setup = Test-AuraSetup
        $setup.ready | Should -BeTrue
        $setup.findings.Count | Should -BeGreaterThan 3
        ($setup.findings | Where-Object { $_.name -eq 'git' }).health | Should -Be 'good'
        Test-AuraSetup -Quiet | Should -BeTrue
        Test-AuraSetup -Quiet | Should -BeOfType [bool]
    }

    It 'says that the program is missing, and how to get it' {
        $program = $env:AURA_BIN
        try {
            $env:AURA_BIN = Join-Path -Path $world.Path -ChildPath 'nowhere/aura'
            $setup = Test-AuraSetup
            $setup.ready | Should -BeFalse
            $setup.findings.Count | Should -Be 1
            Test-AuraSetup -Quiet | Should -BeFalse
            $refusal = Get-Refusal { Get-AuraStories }
            $refusal.FullyQualifiedErrorId | Should -Be 'unavailable'
            $refusal.Exception.Message | Should -BeLike '*AURA_BIN*'
            # A program, but another one.
            $env:AURA_BIN = 'git'
            (Get-Refusal { Get-AuraStories }).FullyQualifiedErrorId | Should -Be 'internal'
        } finally {
            $env:AURA_BIN = $program
        }
    }

    It 'finds the program beside the module, and a module that is installed' {
        $shell = Get-Command -Name sh -CommandType Application -ErrorAction Ignore | Select-Object -First 1
        if ($null -eq $shell) {
            Set-ItResult -Skipped -Because 'there is no sh'
            return
        }
        $program = $env:AURA_BIN
        $modules = $env:PSModulePath
        $search = $env:PATH
        $folder = Join-Path -Path $world.Path -ChildPath 'modules'
        [void] (& $shell.Path (Join-Path -Path $Root -ChildPath 'scripts/package-module') $folder $program)
        $LASTEXITCODE | Should -Be 0
        Get-Module -Name Aura-Story | Remove-Module -Force
        try {
            $env:AURA_BIN = $null
            $env:PSModulePath = $folder + [System.IO.Path]::PathSeparator + $modules
            Import-Module Aura-Story
            $module = Get-Module -Name Aura-Story
            $module.Path | Should -BeLike ($world.Path + '*')
            $module.ExportedFunctions.Count | Should -Be 16
            (New-AuraStory 'Installed').title | Should -Be 'Installed'
        } finally {
            $env:AURA_BIN = $program
            $env:PSModulePath = $modules
            $env:PATH = $search
            Get-Module -Name Aura-Story | Remove-Module -Force
            Import-Module $Manifest -Force
        }
    }
}

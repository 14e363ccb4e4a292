# What usually goes wrong in a module around a program, and what was wrong in the first one.

BeforeAll {
    . (Join-Path -Path $PSScriptRoot -ChildPath 'World.ps1')
    $world = New-World
    Import-Module $Manifest -Force
}
AfterAll {
    Get-Module -Name Aura-Story | Remove-Module -Force
    Remove-World $world
}

Describe 'Text' {
    It 'arrives unchanged and comes back unchanged: <name>' -TestCases @(
        @{ name = 'quotes'; text = 'say "hello" and ''bye''' }
        @{ name = 'backslashes'; text = 'C:\temp\new\' }
        @{ name = 'leading dashes'; text = '--json' }
        @{ name = 'one dash'; text = '-' }
        @{ name = 'a wildcard'; text = '*' }
        @{ name = 'blanks at both ends'; text = ' a  b ' }
        @{ name = 'variables and signs'; text = '$HOME %PATH% `id` $(id) ; & | < > ^ !' }
        @{ name = 'a date'; text = '2026-01-24T10:20:30Z' }
        @{ name = 'a date of another kind'; text = '/Date(1234567890)/' }
        @{ name = 'a number'; text = '0042' }
        @{ name = 'true'; text = 'true' }
        @{ name = 'JSON'; text = '{"id": 1, "when": "2026-01-24T10:20:30Z"}' }
        @{ name = 'not ASCII'; text = 'Gr' + [char] 0xFC + [char] 0xDF + 'e ' + [char] 0x4F60 + [char] 0x597D }
        @{ name = 'beyond 16 bits'; text = [char]::ConvertFromUtf32(0x1F680) + ' up' }
    ) {
        $story = New-AuraStory -Title $text -Description $text
        $story.title | Should -BeOfType [string]
        $story.title.Trim() | Should -BeExactly $text.Trim()
        $story.description | Should -BeExactly $text
        (Get-AuraStory $story.id).description | Should -BeExactly $text
        @(Get-AuraStories -Limit 1)[0].description | Should -BeExactly $text
    }

    It 'of several lines, and of none' {
        $text = "one`ntwo`r`nthree`tend"
        (New-AuraStory 'Lines' $text).description | Should -BeExactly $text
        (New-AuraStory 'None' '').description | Should -BeExactly ''
        (New-AuraStory 'None' $null).description | Should -BeExactly ''
        # The program decides what a title may be, not the binding of parameters.
        (Get-Refusal { New-AuraStory -Title '' }).FullyQualifiedErrorId | Should -Be 'invalid_request'
    }

    It 'that was read from a file is text' {
        $file = Join-Path -Path $world.Path -ChildPath 'text.txt'
        Write-File $file "from a file`n"
        (New-AuraStory 'File' (Get-Content $file)).description | Should -BeExactly 'from a file'
        (New-AuraStory (Get-Content $file)).title | Should -BeExactly 'from a file'
    }

    It 'does not depend on the encoding of the console, or the culture' {
        $text = [string] [char] 0xE9 + [char] 0x20AC
        $out = [Console]::OutputEncoding
        $culture = [System.Threading.Thread]::CurrentThread.CurrentCulture
        try {
            [Console]::OutputEncoding = [System.Text.Encoding]::GetEncoding('iso-8859-1')
            [System.Threading.Thread]::CurrentThread.CurrentCulture = [cultureinfo]::GetCultureInfo('tr-TR')
            $story = New-AuraStory -Title $text
            $story.title | Should -BeExactly $text
            $story.createdAt | Should -BeOfType [datetime]
            [math]::Abs(((Get-Date) - $story.createdAt).TotalMinutes) | Should -BeLessThan 5
            (Start-AuraStoryDecompose -Id $story.id -IncludeTests $false).tasks.Count | Should -Be 1
        } finally {
            [Console]::OutputEncoding = $out
            [System.Threading.Thread]::CurrentThread.CurrentCulture = $culture
        }
    }

    It 'of a commit arrives unchanged' {
        $story = New-AuraStory 'Message'
        [void] (Invoke-AuraStoryFull $story.id)
        $message = 'feat: "quoted" -- ' + [char] 0xFC + "`n`nbody: it's here"
        [void] (Complete-AuraStory $story.id -CreatePullRequest $false -Publish branch -CommitMessage $message)
        $said = Invoke-Git $world.Repo @('log', '-1', '--format=%s', $story.gitBranch)
        @($said)[0] | Should -BeLike 'feat: "quoted" -- *'
        @(Invoke-Git $world.Repo @('log', '-1', '--format=%b', $story.gitBranch))[0] | Should -BeExactly "body: it's here"
    }
}

Describe 'Lists' {
    It 'of one are lists' {
        $story = New-AuraStory 'One'
        $plan = Start-AuraStoryDecompose $story.id -Tasks @(Get-DemoTask 'a')
        ($plan.tasks -is [array]) | Should -BeTrue
        ($plan.tasks[0].dependsOn -is [array]) | Should -BeTrue
        $plan.tasks.Count | Should -Be 1
        $plan.tasks[0].dependsOn.Count | Should -Be 0
        $plan.addedOrders.Count | Should -Be 0
        $run = Start-AuraStory $story.id
        $run.completedTasks.Count | Should -Be 1
        $run.failedTasks.Count | Should -Be 0
        (Get-AuraStory $story.id).tasks.Count | Should -Be 1
    }

    It 'of no story are nothing' {
        $none = Get-AuraStories -Status Cancelled
        $none | Should -BeNullOrEmpty
        @(Get-AuraStories -Status Cancelled | Get-AuraStoryStatus).Count | Should -Be 0
    }

    It 'and what is not there can be asked for, in strict mode' {
        $story = New-AuraStory 'Strict'
        [void] (Start-AuraStoryDecompose $story.id -Tasks @(Get-DemoTask 'a'))
        foreach ($task in (Get-AuraStoryStatus $story.id).tasks) {
            $task.description | Should -BeLike '*aura-demo*'
            $task.activity | Should -BeNullOrEmpty
            $task.output | Should -BeNullOrEmpty
            $task.outsideClaim.Count | Should -Be 0
        }
        (Get-AuraTaskOutput $story.id a).diff | Should -BeNullOrEmpty
        (Get-AuraStory $story.id).published | Should -BeNullOrEmpty
    }
}

Describe 'Refusals' {
    It 'are errors with the code, the hint, a kind and a target' {
        $refusal = Get-Refusal { Get-AuraStory -Id 'no-such-story' }
        $refusal.FullyQualifiedErrorId | Should -BeExactly 'not_found'
        $refusal.CategoryInfo.Category | Should -Be 'ObjectNotFound'
        $refusal.TargetObject | Should -Be 'no-such-story'
        $refusal.Exception.Message | Should -BeLike '*no-such-story*hint: *aura list*'
        $refusal.ToString() | Should -BeLike '*hint: *'
        $refusal.Exception.Data['Code'] | Should -Be 'not_found'
        $refusal.Exception.Data['Hint'] | Should -BeLike '*aura list*'
        $refusal.Exception.Data['Retryable'] | Should -BeFalse
    }

    It 'end the script that does not catch them, so that no loop goes on' {
        $shell = [powershell]::Create()
        try {
            [void] $shell.AddScript('param($module) Import-Module $module; $ErrorActionPreference = "Continue"; Get-AuraStory no-such-story; "after"').AddArgument($Manifest)
            { $shell.Invoke() } | Should -Throw
        } finally {
            $shell.Dispose()
        }
    }

    It 'leave the errors of what comes after in the pipeline alone' {
        $seen = @(Get-AuraStories -Limit 2 | ForEach-Object {
                Write-Error 'not ours' -ErrorAction SilentlyContinue
                $_.id
            })
        $seen.Count | Should -Be 2
    }

    It 'say that no server answers' {
        $refusal = Get-Refusal { Get-AuraStories -BaseUrl 'http://localhost:1' }
        $refusal.FullyQualifiedErrorId | Should -Be 'unavailable'
        $refusal.Exception.Message | Should -BeLike '*http://localhost:1*'
        try {
            $env:AURA_API_URL = 'http://localhost:1'
            (Get-Refusal { New-AuraStory 'Remote' }).FullyQualifiedErrorId | Should -Be 'unavailable'
        } finally {
            $env:AURA_API_URL = $null
        }
        # And the next call is made here again.
        @(Get-AuraStories -Limit 1).Count | Should -Be 1
    }
}

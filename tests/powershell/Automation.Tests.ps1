# The recipes of docs/automation.md in PowerShell, run as they stand there, from top to bottom.

BeforeAll {
    . (Join-Path -Path $PSScriptRoot -ChildPath 'World.ps1')
    $world = New-World
    Import-Module $Manifest -Force
}
AfterAll {
    Get-Module -Name Aura-Story | Remove-Module -Force
    Remove-World $world
}

Describe 'The recipes' {
    It 'do their three jobs' {
        $page = [System.IO.File]::ReadAllText((Join-Path -Path $Root -ChildPath 'docs/automation.md')).Replace("`r`n", "`n")
        $fence = '```'
        $csv = [regex]::Match($page, '(?s)' + $fence + 'csv\n(.*?)' + $fence).Groups[1].Value
        Write-File (Join-Path -Path $world.Repo -ChildPath 'stories.csv') $csv
        $recipes = @([regex]::Matches($page, '(?s)' + $fence + 'powershell\n(.*?)' + $fence) | ForEach-Object { $_.Groups[1].Value })
        $recipes.Count | Should -Be 3

        . ([scriptblock]::Create($recipes[0]))
        $ids = @(Get-Content ids.txt)
        $ids.Count | Should -Be 3
        $titles = @(Get-AuraStories | ForEach-Object { $_.title })
        $titles | Should -Contain 'Say "hello" in German'
        $german = Get-AuraStories | Where-Object { $_.title -like 'Say*' }
        $german.description | Should -Be ('Gr' + [char] 0xFC + [char] 0xDF + ' Gott')
        (Get-AuraStories | Where-Object { $_.title -like 'Add*' }).description | Should -Be 'Check names, and e-mail addresses'

        # One story that fails, for the second recipe.
        foreach ($id in $ids) {
            [void] (Watch-AuraStory $id -UntilEnd)
        }
        $bad = New-AuraStory 'Do the impossible once more'
        [void] (Start-AuraStoryDecompose $bad.id -Tasks @(Get-FailingTask 'task-1'))
        Add-Content ids.txt $bad.id
        $said = @(. ([scriptblock]::Create($recipes[1])) 3>&1)
        foreach ($id in $ids) {
            (Get-AuraStory $id).status | Should -Be 'Completed'
        }
        @($said | Where-Object { $_ -is [System.Management.Automation.WarningRecord] }).Count | Should -Be 1
        Join-Path -Path $world.Repo -ChildPath ($bad.id + '-task-1.log') | Should -Exist

        . ([scriptblock]::Create($recipes[2]))
        $report = @(Get-Content report.md -Encoding UTF8)
        $report.Count | Should -Be 4
        @($report | Where-Object { $_ -like '*Failed Do the impossible once more: 0 of 1 tasks' }).Count | Should -Be 1
    }
}

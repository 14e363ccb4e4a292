@{
    RootModule           = 'Aura-Story.psm1'
    # The version of the program; tests/powershell.rs compares them.
    ModuleVersion        = '0.1.0'
    GUID                 = '6f0f7a52-5a4c-4a3e-9d0e-2b1c8a9e4d37'
    Author               = 'The authors of Aura'
    CompanyName          = 'Aura'
    Copyright            = '(c) The authors of Aura. MIT OR Apache-2.0.'
    Description          = 'Runs a development story on parallel coding agents, each in a git worktree of its own, and lands only what is right. Wraps the program aura.'
    PowerShellVersion    = '5.1'
    CompatiblePSEditions = @('Desktop', 'Core')
    FormatsToProcess     = @('Aura-Story.format.ps1xml')
    FunctionsToExport    = @(
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
    CmdletsToExport      = @()
    VariablesToExport    = @()
    AliasesToExport      = @()
    FileList             = @('Aura-Story.psd1', 'Aura-Story.psm1', 'Aura-Story.format.ps1xml')
    PrivateData          = @{
        PSData = @{
            Tags       = @('agents', 'copilot', 'git', 'worktree', 'automation', 'PSEdition_Desktop', 'PSEdition_Core', 'Windows', 'Linux', 'MacOS')
        }
    }
}

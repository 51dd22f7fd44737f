# Completions of yandex-token for PowerShell.
Register-ArgumentCompleter -Native -CommandName 'yandex-token' -ScriptBlock {
    param($word, $line, $cursor)
    $before = @($line.CommandElements | Select-Object -Skip 1 |
            Where-Object { $_.Extent.EndOffset -lt $cursor } | ForEach-Object { $_.ToString() })
    $answers = @(yandex-token completions powershell '--' @before ":$word" 2>$null)
    if ($answers.Count -eq 0) { return }
    if ($answers[0] -eq ':files' -or $answers[0] -like ':program *') {
        $path = $word -replace '^--[a-z-]+=', ''
        return [System.Management.Automation.CompletionCompleters]::CompleteFilename($path)
    }
    foreach ($answer in $answers) {
        $text, $about = $answer -split "`t", 2
        if (-not $about) { $about = $text }
        [System.Management.Automation.CompletionResult]::new($text, $text, 'ParameterValue', $about)
    }
}

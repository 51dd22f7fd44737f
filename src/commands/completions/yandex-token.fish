# Completions of yandex-token for fish.
function __yandex_token_complete
    set -l words (commandline -opc) (commandline -ct)
    set -l answers (yandex-token completions fish -- $words[2..-1] 2>/dev/null)
    switch "$answers[1]"
        case :files
            set -l word (string replace -r '^--[a-z-]+=' '' -- $words[-1])
            set -l prefix (string replace -r '^(--[a-z-]+=)?.*' '$1' -- $words[-1])
            printf "$prefix%s\n" (__fish_complete_path $word)
        case ':program *'
            set -l at (math (string sub -s 10 -- $answers[1]) + 2)
            complete -C (string join -- ' ' (string escape -- $words[$at..-2]) $words[-1])
        case '*'
            string join \n -- $answers
    end
end
complete -c yandex-token -f -a '(__yandex_token_complete)'

# Completions of yandex-token for bash.
#
# The line is split at blanks alone: bash would split an option's = and a
# profile's @ off, and readline replaces only what stands behind the = or, as it
# takes the @ for a host's, from the @ on.
_yandex_token() {
    local line=${COMP_LINE:0:COMP_POINT} words word prefix answer
    # shellcheck disable=SC2162 # a backslash keeps a blank in its word
    read -a words <<<"$line"
    [[ $line == *[[:blank:]] ]] && words+=("")
    word=${words[${#words[@]} - 1]}
    prefix=${word%"${word##*["$COMP_WORDBREAKS"]}"}
    prefix=${prefix%@}
    COMPREPLY=()
    while IFS= read -r answer; do
        case $answer in
        :files)
            compopt -o filenames 2>/dev/null
            while IFS= read -r answer; do
                COMPREPLY+=("$answer")
            done < <(compgen -f -- "${word#"$prefix"}")
            ;;
        :program\ *)
            if declare -F _comp_command_offset >/dev/null; then
                _comp_command_offset $((${answer#:program } + 1))
            elif declare -F _command_offset >/dev/null; then
                _command_offset $((${answer#:program } + 1))
            else
                while IFS= read -r answer; do
                    COMPREPLY+=("$answer")
                done < <(compgen -A command -A file -- "${word#"$prefix"}")
            fi
            ;;
        *)
            COMPREPLY+=("${answer#"$prefix"}")
            ;;
        esac
    done < <(yandex-token completions bash -- "${words[@]:1}" 2>/dev/null)
}
complete -F _yandex_token yandex-token

#compdef micronet
# zsh completion for micronet: eval "$(micronet completions zsh)"
_micronet() {
    local value about
    local -a open closed open_lines closed_lines
    while IFS=$'\t' read -r value about; do
        # A service goes on with its method, and a field with its value.
        if [[ $value == *[.=] ]]; then
            open+=("$value")
            open_lines+=("$value${about:+  -- $about}")
        else
            closed+=("$value")
            closed_lines+=("$value${about:+  -- $about}")
        fi
    done < <("${words[1]}" complete -- "${(@)words[2,CURRENT]}" 2>/dev/null)
    if (( ${#open} + ${#closed} == 0 )); then
        _files
        return
    fi
    (( ${#open} )) && compadd -S '' -l -d open_lines -a open
    (( ${#closed} )) && compadd -l -d closed_lines -a closed
}
compdef _micronet micronet

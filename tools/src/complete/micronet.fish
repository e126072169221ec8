# fish completion for micronet: micronet completions fish | source
function __micronet_complete
    set -l words (commandline -opc)
    set -l typed (commandline -ct)
    set -l found ($words[1] complete -- $words[2..-1] "$typed" 2>/dev/null)
    if test (count $found) -eq 0
        __fish_complete_path "$typed"
    else
        printf '%s\n' $found
    end
end
complete -c micronet -f -a '(__micronet_complete)'

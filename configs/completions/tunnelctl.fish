# fish completion for tunnelctl(8): the program itself knows its verbs, interfaces, peers and fields.

function __tunnelctl_complete
    set -l words (commandline -opc)
    set -l word (commandline -ct)
    for line in (tunnelctl complete -- $words[2..-1] "$word" 2>/dev/null)
        if test "$line" = :files
            __fish_complete_path "$word"
        else
            echo $line
        end
    end
end

complete -c tunnelctl -f -a '(__tunnelctl_complete)'

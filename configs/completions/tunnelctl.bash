# bash completion for tunnelctl(8)

_tunnelctl_interfaces() {
    local socket
    for socket in /run/wireguard/*.sock; do
        [[ -S $socket ]] && basename "$socket" .sock
    done
}

_tunnelctl_files() {
    local file
    for file in /etc/wireguard/*.conf /etc/tunnelbox/*.conf; do
        [[ -r $file ]] && basename "$file" .conf
    done
}

_tunnelctl() {
    local word=${COMP_WORDS[COMP_CWORD]}
    COMPREPLY=()
    case $COMP_CWORD in
        1) mapfile -t COMPREPLY < <(compgen -W 'show showconf set setconf addconf syncconf genkey genpsk pubkey up down save strip --help' -- "$word") ;;
        2)
            case ${COMP_WORDS[1]} in
                show) mapfile -t COMPREPLY < <(compgen -W "all interfaces $(_tunnelctl_interfaces)" -- "$word") ;;
                showconf | set | setconf | addconf | syncconf) mapfile -t COMPREPLY < <(compgen -W "$(_tunnelctl_interfaces)" -- "$word") ;;
                up | save | strip) mapfile -t COMPREPLY < <(compgen -W "$(_tunnelctl_files)" -- "$word"; compgen -f -X '!*.conf' -- "$word") ;;
                down) mapfile -t COMPREPLY < <(compgen -W "$(_tunnelctl_interfaces)" -- "$word"; compgen -f -X '!*.conf' -- "$word") ;;
            esac
            ;;
        3)
            case ${COMP_WORDS[1]} in
                set) mapfile -t COMPREPLY < <(compgen -W 'listen-port fwmark private-key peer' -- "$word") ;;
                setconf | addconf | syncconf) mapfile -t COMPREPLY < <(compgen -f -- "$word") ;;
            esac
            if [[ ${COMP_WORDS[1]} == show && ${COMP_WORDS[2]} != interfaces ]]; then
                mapfile -t COMPREPLY < <(compgen -W 'public-key private-key listen-port fwmark peers preshared-keys endpoints allowed-ips
                    latest-handshakes persistent-keepalive transfer dump' -- "$word")
            fi
            ;;
    esac
}

complete -F _tunnelctl tunnelctl

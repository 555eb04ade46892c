# fish completion for tunnelctl(8)

function __tunnelctl_interfaces
    path basename /run/wireguard/*.sock | string replace -r '\.sock$' ''
end

function __tunnelctl_files
    path basename /etc/wireguard/*.conf /etc/tunnelbox/*.conf | string replace -r '\.conf$' ''
end

set -l fields public-key private-key listen-port fwmark peers preshared-keys endpoints allowed-ips latest-handshakes persistent-keepalive transfer dump
complete -c tunnelctl -f
complete -c tunnelctl -n '__fish_seen_subcommand_from setconf addconf syncconf' -F
complete -c tunnelctl -n __fish_use_subcommand -a show -d 'state of tunnels'
complete -c tunnelctl -n __fish_use_subcommand -a showconf -d 'configuration of a tunnel as a file'
complete -c tunnelctl -n __fish_use_subcommand -a set -d 'change an interface or its peers'
complete -c tunnelctl -n __fish_use_subcommand -a setconf -d 'make an interface what a file says'
complete -c tunnelctl -n __fish_use_subcommand -a addconf -d 'add what a file says'
complete -c tunnelctl -n __fish_use_subcommand -a syncconf -d 'make an interface what a file says, keeping running sessions'
complete -c tunnelctl -n __fish_use_subcommand -a up -d 'bring up a tunnel from a file'
complete -c tunnelctl -n __fish_use_subcommand -a down -d 'take down a tunnel'
complete -c tunnelctl -n __fish_use_subcommand -a save -d 'write the running tunnel back into its file'
complete -c tunnelctl -n __fish_use_subcommand -a strip -d 'a file without the keys of up and down'
complete -c tunnelctl -n __fish_use_subcommand -a genkey -d 'a new private key'
complete -c tunnelctl -n __fish_use_subcommand -a genpsk -d 'a new preshared key'
complete -c tunnelctl -n __fish_use_subcommand -a pubkey -d 'the public key of a private key'
complete -c tunnelctl -n '__fish_seen_subcommand_from show' -a "all interfaces $fields"
complete -c tunnelctl -n '__fish_seen_subcommand_from show showconf set setconf addconf syncconf down' -a '(__tunnelctl_interfaces)'
complete -c tunnelctl -n '__fish_seen_subcommand_from up save strip' -a '(__tunnelctl_files)'
complete -c tunnelctl -n '__fish_seen_subcommand_from up down save strip' -k -xa '(__fish_complete_suffix .conf)'

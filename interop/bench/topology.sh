# shellcheck shell=bash
# The two namespaces of the benchmark and the four daemons in them. Sourced by `tunnel`.

id=tb$$
work=$(mktemp -d "${TMPDIR:-/tmp}/$id.XXXXXX")
near=$id-1 far=$id-2 # namespaces; traffic flows from near to far
declare -A program=([ours]=$OURS [theirs]=$THEIRS)
declare -A letter=([ours]=o [theirs]=t)
declare -A subnet=([ours]=10.91.1 [theirs]=10.91.2)
declare -A port=([ours]=51820 [theirs]=51821)
sides=(ours theirs)
declare -A daemon=() # process by interface
mtu=1420
# What iperf3 asks for its UDP sockets: as much as an unprivileged program gets, and at most 1 MiB.
socket_buffer=$(sort -n /proc/sys/net/core/{r,w}mem_max | head -n 1)
((socket_buffer <= 1048576)) || socket_buffer=1048576

inside() { ip netns exec "$@"; }

# interface_of SIDE END: at most 15 characters, which is what Linux takes.
interface_of() { printf '%s-%s%s' "$id" "${letter[$1]}" "$2"; }

# start_daemon SIDE NAMESPACE INTERFACE: in the foreground, so that its process is known.
start_daemon() {
    ip netns exec "$2" env WG_PROCESS_FOREGROUND=1 LOG_LEVEL=error "${program[$1]}" -f "$3" >"$work/$3.log" 2>&1 </dev/null &
    daemon[$3]=$!
    local _
    for _ in {1..200}; do
        [[ -S /run/wireguard/$3.sock ]] && return
        kill -0 "${daemon[$3]}" 2>/dev/null || break
        sleep 0.05
    done
    sed 's/^/      /' "$work/$3.log" >&2
    fail "${program[$1]} did not come up as $3: see its lines above"
}

stop_daemon() { # INTERFACE
    local process=${daemon[$1]:-}
    [[ -n $process ]] || return 0
    unset "daemon[$1]"
    kill "$process" 2>/dev/null || true
    wait "$process" 2>/dev/null || true
    rm -f "/run/wireguard/$1.sock"
}

make_topology() {
    local end side namespace
    mkdir -p "$work/values"
    ip netns add "$near"
    ip netns add "$far"
    ip link add veth netns "$near" type veth peer name veth netns "$far"
    for end in 1 2; do
        namespace=$id-$end
        ip -n "$namespace" link set lo up
        ip -n "$namespace" address add "192.0.2.$end/24" dev veth
        ip -n "$namespace" link set veth up
    done
    for side in "${sides[@]}"; do
        make_tunnel "$side"
    done
}

make_tunnel() { # SIDE
    local side=$1 end other interface
    local -a private=('' "$(wg genkey)" "$(wg genkey)")
    for end in 1 2; do
        interface=$(interface_of "$side" "$end")
        start_daemon "$side" "$id-$end" "$interface"
        other=$((3 - end))
        (
            umask 077
            printf '[Interface]\nPrivateKey = %s\nListenPort = %s\n[Peer]\nPublicKey = %s\nAllowedIPs = %s.%s/32\nEndpoint = 192.0.2.%s:%s\n' \
                "${private[end]}" "${port[$side]}" "$(wg pubkey <<<"${private[other]}")" "${subnet[$side]}" "$other" "$other" "${port[$side]}" \
                >"$work/$interface.conf"
        )
        inside "$id-$end" wg setconf "$interface" "$work/$interface.conf" || {
            sed 's/^/      /' "$work/$interface.log" >&2
            fail "${program[$side]} did not take its configuration as $interface: see its lines above"
        }
        ip -n "$id-$end" address add "${subnet[$side]}.$end/24" dev "$interface"
        ip -n "$id-$end" link set "$interface" mtu "$mtu" up
    done
}

remove_topology() {
    local status=$? namespace process interface
    trap '' INT TERM
    trap - EXIT
    for interface in "${!daemon[@]}"; do
        stop_daemon "$interface"
    done
    for namespace in "$near" "$far"; do
        [[ -e /run/netns/$namespace ]] || continue
        # Whatever is still there was started here.
        for process in $(ip netns pids "$namespace"); do
            kill "$process" 2>/dev/null || true
        done
        ip netns del "$namespace" || true
    done
    rm -rf "$work"
    exit "$status"
}

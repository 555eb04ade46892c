# shellcheck shell=bash
# Two namespaces, one with a tunnel that is attacked and one with its peer and with whoever attacks. Sourced by `steering` and `load`, which set $OURS, $THEIRS, $seconds and
# $probes (peers whose handshakes are timed).

id=tb$$
work=$(mktemp -d "${TMPDIR:-/tmp}/$id.XXXXXX")
library=$repository/artifacts/bin/TunnelBox.Benchmarks/release/TunnelBox.Benchmarks.dll
port=51820
declare -A process=()
declare -A program=([ours]=$OURS [theirs]=$THEIRS)
declare -A public=()

inside() { ip netns exec "$@"; }
keep() { printf '%s\n' "$3" >>"$work/$1.$2"; }
divide() { awk -v a="$1" -v b="$2" 'BEGIN { print (b > 0 ? a / b : 0) }'; }

# start NAME COMMAND...: a program in the background, no function, whose process would be a shell's; its lines are in $work/NAME.log.
start() {
    local name=$1
    shift
    "$@" >"$work/$name.log" 2>&1 </dev/null &
    process[$name]=$!
}

stop() {
    local name
    for name in "$@"; do
        [[ -n ${process[$name]:-} ]] || continue
        kill "${process[$name]}" 2>/dev/null || true
        wait "${process[$name]}" 2>/dev/null || true
        unset "process[$name]"
    done
}

# await NAME WORD: until the word stands in what it wrote.
await() {
    local _
    for _ in {1..600}; do
        grep -q "$2" "$work/$1.log" 2>/dev/null && return
        sleep 0.02
    done
    fail "$1 did not get ready: $(tail -n 3 "$work/$1.log")"
}

remove() {
    local status=$? space one
    trap '' INT TERM
    trap - EXIT
    stop "${!process[@]}"
    for space in "$id-peer" "$id-box"; do
        [[ -e /run/netns/$space ]] || continue
        # Whatever is still there was started here.
        for one in $(ip netns pids "$space"); do
            kill "$one" 2>/dev/null || true
        done
        ip netns del "$space" || true
    done
    rm -f "/run/wireguard/$id"[ot][pb].sock
    rm -rf "$work"
    exit "$status"
}

make_network() {
    local space link
    for space in peer box; do
        ip netns add "$id-$space"
        ip -n "$id-$space" link set lo up
    done
    for link in veth side rules; do
        ip link add "$link" netns "$id-peer" type veth peer name "$link" netns "$id-box"
        ip -n "$id-peer" link set "$link" up
        ip -n "$id-box" link set "$link" up
    done
    ip -n "$id-peer" address add 192.0.2.1/24 dev veth
    ip -n "$id-box" address add 192.0.2.2/24 dev veth
    mac=$(inside "$id-box" cat /sys/class/net/veth/address)
    side_mac=$(inside "$id-box" cat /sys/class/net/side/address)
    ip -n "$id-box" neighbour replace 192.0.2.1 lladdr "$(inside "$id-peer" cat /sys/class/net/veth/address)" dev veth
    ip -n "$id-peer" neighbour replace 192.0.2.2 lladdr "$mac" dev veth
    # Peers of the handshakes have addresses of their own; what the flood's sources are answered goes there, too, and is lost.
    ip -n "$id-peer" route add local 10.77.0.0/16 dev lo
    ip -n "$id-box" route add 10.77.0.0/16 via 192.0.2.1
    ip -n "$id-box" route add 198.18.0.0/15 via 192.0.2.1
}

# counted DEVICE WHAT: what the device's XDP program was given (packets), or dropped (drops), so far.
counted() { inside "$id-box" ethtool -S "$1" | awk -v what="rx_queue_.*_xdp_$2:" '$1 ~ what { sum += $2 } END { printf "%d", sum }'; }

# rate WHAT: frames a second of that kind at veth, which a flood comes in by.
rate() {
    local before after began ended
    sleep 0.3
    before=$(counted veth "$1") began=$(date +%s%N)
    sleep "$seconds"
    after=$(counted veth "$1") ended=$(date +%s%N)
    awk -v n=$((after - before)) -v t=$((ended - began)) 'BEGIN { print n / t * 1e6 }'
}

flood() { # NAME DEVICE MAC MESSAGE RATE SECONDS
    start "$1" ip netns exec "$id-peer" "$work/limit/bench" flood "$2" "$3" 192.0.2.2 "$port" "$4" "$5" "$6"
}

data_of() { printf '04000000%s0100000000000000%s' "$1" "$(printf 'a5%.0s' {1..48})"; }

# await_program [NAME]: until a program of that name is on veth; none without a name. The kernel takes one off some time after its owner ended.
await_program() {
    local _ shown
    for _ in {1..300}; do
        shown=$(ip -n "$id-box" -d link show veth)
        if [[ -n ${1:-} ]]; then [[ $shown == *"$1"* ]]; else [[ $shown != *prog/xdp* ]]; fi && return
        sleep 0.02
    done
    fail "veth has ${shown##*prog/xdp} instead of ${1:-no program}"
}

start_daemon() { # SIDE END
    local side=$1 end=$2 name=$id${1:0:1}${2:0:1} _
    [[ $end == peer ]] || await_program
    start "$side-$end" ip netns exec "$id-$end" env WG_PROCESS_FOREGROUND=1 LOG_LEVEL=error \
        "TUNNELBOX__OUTERPORT=$([[ $end == box ]] && echo "${box_port:-xdp:veth}" || echo udp)" "${program[$side]}" -f "$name"
    for _ in {1..200}; do
        [[ -S /run/wireguard/$name.sock ]] && break
        sleep 0.05
    done
    inside "$id-$end" wg setconf "$name" "$work/$side-$end.conf" || fail "${program[$side]} did not come up: $(tail -n 3 "$work/$side-$end.log")"
    ip -n "$id-$end" address add "10.91.1.$([[ $end == box ]] && echo 2 || echo 1)/24" dev "$name"
    ip -n "$id-$end" link set "$name" mtu 1420 up
}

# One pair of keys serves both programs, and the peers whose handshakes are timed.
make_files() {
    local peer box
    peer=$(wg genkey) box=$(wg genkey)
    public=([peer]=$(wg pubkey <<<"$peer") [box]=$(wg pubkey <<<"$box"))
    dotnet "$library" steering keys "$probes" >"$work/keys"
    initiation=$(dotnet "$library" steering initiation "${public[box]}")
    (
        umask 077
        local side
        for side in ours theirs; do
            printf '[Interface]\nPrivateKey = %s\n[Peer]\nPublicKey = %s\nAllowedIPs = 10.91.1.2/32\nEndpoint = 192.0.2.2:%s\n' "$peer" "${public[box]}" "$port" >"$work/$side-peer.conf"
            printf '[Interface]\nPrivateKey = %s\nListenPort = %s\n[Peer]\nPublicKey = %s\nAllowedIPs = 10.91.1.1/32\n' "$box" "$port" "${public[peer]}" >"$work/$side-box.conf"
            awk '{ printf "[Peer]\nPublicKey = %s\n", $1 }' "$work/keys" >>"$work/$side-box.conf"
        done
    )
}

# paced NAME MBITS: what arrives of a flow of so much, Mbit/s; 0 for as much as possible.
paced() {
    local server _
    inside "$id-box" timeout 30 iperf3 -s -1 -J -B 10.91.1.2 >"$work/received.json" 2>/dev/null </dev/null &
    server=$!
    for _ in {1..100}; do
        [[ -n $(inside "$id-box" ss -Hltn "src 10.91.1.2:5201") ]] && break
        sleep 0.02
    done
    inside "$id-peer" timeout 30 iperf3 -c 10.91.1.2 -J -u -l 1372 -b "${1}M" -t "$seconds" >"$work/sent.json" 2>/dev/null </dev/null ||
        fail "iperf3 failed: $(jq -r '.error // "no reason given"' "$work/sent.json")"
    wait "$server" || true
    jq --argjson seconds "$(jq '.end.sum.seconds' "$work/sent.json")" '.end.sum | (.packets - .lost_packets) * 1372 * 8 / $seconds / 1e6' "$work/received.json"
}

figure() { # NAME TITLE UNIT WANTED OURS-FILE THEIRS-FILE
    touch "$work/$5" "$work/$6"
    jq -n --arg name "$1" --arg title "$2" --arg unit "$3" --arg wanted "$4" --slurpfile ours "$work/$5" --slurpfile theirs "$work/$6" -f interop/bench/figure.jq
}

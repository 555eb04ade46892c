# shellcheck shell=bash
# The limit: a bare AF_XDP forwarder (native/bench) between two veth pairs, and one gateway of ours in its place, which seals. The sender runs on the
# first processor, what is measured on the last. The gateway is measured both ways: it seals what the sender makes, and opens what was sealed before. Sourced by `xdp`; needs $id, $work, $runs, $seconds, $OURS, inside and keep.

limit_sizes=(64 1420)
limit_measures=(forwarder gateway opener)
limit_bench=$work/native/bench
declare -A limit_process=()

on_first() { taskset -c 0 ip netns exec "$@"; }
on_last() { taskset -c "$(($(nproc --all) - 1))" ip netns exec "$@"; }

# make_limit: sender - (in) box (out) - far. The box is a forwarder or a gateway; behind the far end waits the gateway's peer.
make_limit() {
    local space link
    native/bench/build "$work/native" || fail 'native/bench does not compile: see its lines above'
    for space in send box far; do
        ip netns add "$id-$space"
        ip -n "$id-$space" link set lo up
    done
    ip link add send netns "$id-send" numtxqueues 1 numrxqueues 1 type veth peer name lan netns "$id-box" numtxqueues 1 numrxqueues 1
    ip link add wan netns "$id-box" numtxqueues 1 numrxqueues 1 type veth peer name far netns "$id-far" numtxqueues 1 numrxqueues 1
    ip -n "$id-send" address add 10.93.1.2/24 dev send
    ip -n "$id-box" address add 10.93.1.1/24 dev lan
    ip -n "$id-box" address add 192.0.2.1/24 dev wan
    ip -n "$id-far" address add 192.0.2.2/24 dev far
    for link in send:send box:lan box:wan far:far; do
        ip -n "$id-${link%:*}" link set "${link#*:}" up
    done
    inside "$id-far" ethtool -K far tx off >/dev/null
    limit_mac=$(ip -n "$id-box" -j link show lan | jq -r '.[0].address')
}

# passing SECONDS BYTES: packets a second that come out at the far end while the sender sends at full speed. Data of a tunnel counts, its handshakes pass.
passing() {
    local counter
    on_first "$id-far" "$limit_bench" count far 51820 $(($1 + 2)) >"$work/counted" 2>"$work/counter.log" &
    counter=$!
    sleep 0.3
    on_first "$id-send" "$limit_bench" generate send "$limit_mac" 10.93.1.2 10.93.2.2 "$2" "$1" >"$work/made" 2>"$work/sender.log" ||
        fail "the sender failed: $(tail -n 1 "$work/sender.log")"
    wait "$counter" || fail "the counter failed: $(tail -n 1 "$work/counter.log")"
    passed=$(awk '/^counted/ { print $2 / 1000 }' "$work/counted")
}

# measure_forwarder SIZE
measure_forwarder() {
    local forwarder
    on_last "$id-box" "$limit_bench" forward lan wan $((seconds + 2)) >"$work/forwarder.log" 2>&1 &
    forwarder=$!
    passing "$seconds" "$1"
    wait "$forwarder" || fail "the forwarder failed: $(tail -n 1 "$work/forwarder.log")"
    keep "forwarder-$1" xdp "$passed"
    measured="$passed kpackets/s"
}

# start_limit_gateways: the box with both sides over AF_XDP, and its peer at the far end. False where the program has no inner side over AF_XDP.
start_limit_gateways() {
    local end other space name _
    local -a private=('' "$(wg genkey)" "$(wg genkey)") spaces=('' box far) settings=()
    for end in 1 2; do
        space=$id-${spaces[end]} name=$id-l$end other=$((3 - end))
        # What is sealed leaves the far end datagram by datagram, with whole checksums.
        settings=(LOG_LEVEL=error TUNNELBOX__UDPOFFLOAD=false)
        ((end == 2)) || settings=(LOG_LEVEL=error TUNNELBOX__INNERPORT=xdp:lan TUNNELBOX__OUTERPORT=xdp:wan)
        # exec: the process that is ended later must be the daemon, not a shell around it.
        (exec taskset -c "$(($(nproc --all) - 1))" ip netns exec "$space" env "${settings[@]}" "$OURS" -f "$name" >"$work/$name.log" 2>&1 </dev/null) &
        limit_process[$name]=$!
        for _ in {1..200}; do
            [[ -S /run/wireguard/$name.sock ]] && break
            kill -0 "${limit_process[$name]}" 2>/dev/null || return 1
            sleep 0.05
        done
        (
            umask 077
            printf '[Interface]\nPrivateKey = %s\nListenPort = 51820\n[Peer]\nPublicKey = %s\nAllowedIPs = 10.93.%s.0/24\nEndpoint = 192.0.2.%s:51820\n' \
                "${private[end]}" "$(wg pubkey <<<"${private[other]}")" "$other" "$other" >"$work/$name.conf"
        )
        inside "$space" wg setconf "$name" "$work/$name.conf" || fail "$OURS did not come up as $name: $(tail -n 3 "$work/$name.log")"
        ip -n "$space" link set "$name" mtu 1420 up
        ip -n "$space" route add "10.93.$other.0/24" dev "$name"
    done
    inside "$id-box" sysctl -q -w net.ipv4.ip_forward=1
    ip -n "$id-far" address replace 10.93.2.2/32 dev lo
    ip -n "$id-send" route replace 10.93.2.0/24 via 10.93.1.1
    inside "$id-send" ping -n -q -c 3 -i 0.2 -W 2 10.93.2.2 >/dev/null || fail "nothing comes back through the gateway: $(tail -n 3 "$work/$id-l1.log")"
    ip -n "$id-box" link show lan | grep -q 'prog/xdp'
}

stop_limit_gateways() {
    local name
    for name in "${!limit_process[@]}"; do
        kill "${limit_process[$name]}" 2>/dev/null || true
        wait "${limit_process[$name]}" 2>/dev/null || true
        unset "limit_process[$name]"
    done
}

# measure_gateway SIZE: it takes the place of the forwarder, so it starts and ends with its measure.
measure_gateway() {
    if ! start_limit_gateways; then
        stop_limit_gateways
        measured='no inner side over AF_XDP'
        return
    fi
    passing "$seconds" "$1"
    stop_limit_gateways
    keep "gateway-$1" xdp "$passed"
    measured="$passed kpackets/s"
}

# measure_opener SIZE: the other way. The far end seals as many frames as the opener takes only once; they are kept, and sent again as fast as the forwarder
# passed frames of that size in this run: no gateway could pass more.
measure_opener() {
    local counter holder frames=600000 padded=$((($1 + 15) / 16 * 16)) bytes rate _
    rate=$(median <"$work/forwarder-$1.xdp" | awk '{ printf "%d", $1 * 1000 }')
    # Padding goes up to the tunnel's MTU.
    ((padded <= 1420)) || padded=1420
    bytes=$((padded + 74))
    if ! start_limit_gateways; then
        stop_limit_gateways
        measured='no inner side over AF_XDP'
        return
    fi
    mkfifo "$work/go"
    on_first "$id-far" "$limit_bench" hold far "$bytes" "$frames" "$rate" 10 <"$work/go" >"$work/held" 2>"$work/holder.log" &
    holder=$!
    exec 5>"$work/go"
    for _ in {1..100}; do
        grep -q ready "$work/held" && break
        sleep 0.05
    done
    # exec: what is ended below must be the program, not a shell around it.
    (exec taskset -c 0 ip netns exec "$id-far" "$limit_bench" blast 10.93.1.2 "$1" 9 >"$work/blasted" 2>"$work/blaster.log") &
    limit_process[blast]=$!
    for _ in {1..220}; do
        grep -q held "$work/held" && break
        sleep 0.05
    done
    kill "${limit_process[blast]}" 2>/dev/null || true
    wait "${limit_process[blast]}" 2>/dev/null || true
    unset 'limit_process[blast]'
    (($(awk '/^held/ { print $2 }' "$work/held") >= frames / 4)) || fail "too few sealed frames: $(tr '\n' ' ' <"$work/held") $(tail -n 1 "$work/holder.log")"
    # The one that sealed sleeps from here on.
    (exec taskset -c 0 ip netns exec "$id-send" "$limit_bench" count send 0 4 >"$work/counted" 2>"$work/counter.log") &
    counter=$!
    sleep 0.3
    echo go >&5
    exec 5>&-
    wait "$holder" || fail "the sender failed: $(tail -n 1 "$work/holder.log")"
    kill "$counter" 2>/dev/null || true
    wait "$counter" || fail "the counter failed: $(tail -n 1 "$work/counter.log")"
    passed=$(awk '/^counted/ { print $2 / 1000 }' "$work/counted")
    rm -f "$work/go"
    stop_limit_gateways
    keep "opener-$1" xdp "$passed"
    measured="$passed kpackets/s of $((rate / 1000)) offered"
}

# report_limit: forwarder, cipher, and the gateway against 1 / (1 / forwarder + cipher); in kpackets/s.
report_limit() {
    local size
    for size in "${limit_sizes[@]}"; do
        jq -n --arg name "forwarder-$size" --arg title "bare AF_XDP forwarder in C, packets of $size bytes" --arg unit kpackets/s --arg wanted '' \
            --slurpfile ours "$work/forwarder-$size.xdp" --argjson theirs '[]' -f interop/bench/figure.jq
        jq -n --slurpfile forwarder "$work/forwarder-$size.xdp" --slurpfile aead "$work/stages/stage-out-$size-aead" \
            'def median: sort | if length % 2 == 1 then .[length / 2 | floor] else (.[length / 2 - 1] + .[length / 2]) / 2 end;
             1e6 / (1e6 / ($forwarder | median) + ($aead | median))' >"$work/limit-$size"
        jq -n --slurpfile forwarder "$work/forwarder-$size.xdp" --slurpfile aead "$work/stages/stage-in-$size-aead" \
            'def median: sort | if length % 2 == 1 then .[length / 2 | floor] else (.[length / 2 - 1] + .[length / 2]) / 2 end;
             1e6 / (1e6 / ($forwarder | median) + ($aead | median))' >"$work/limit-in-$size"
        [[ ! -s $work/gateway-$size.xdp ]] || jq -n --arg name "gateway-$size" --arg unit kpackets/s --arg wanted '>= 0.8x' \
            --arg title "gateway, AF_XDP on both sides, sealing packets of $size bytes; theirs: 1 / (1 / forwarder + cipher)" \
            --slurpfile ours "$work/gateway-$size.xdp" --slurpfile theirs "$work/limit-$size" -f interop/bench/figure.jq
        [[ ! -s $work/opener-$size.xdp ]] || jq -n --arg name "opener-$size" --arg unit kpackets/s --arg wanted '>= 0.8x' \
            --arg title "gateway, AF_XDP on both sides, opening packets of $size bytes; theirs: 1 / (1 / forwarder + cipher)" \
            --slurpfile ours "$work/opener-$size.xdp" --slurpfile theirs "$work/limit-in-$size" -f interop/bench/figure.jq
    done | jq -s .
}

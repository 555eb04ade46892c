# shellcheck shell=bash
# What the benchmark measures. Each measure stores numbers with `keep` and leaves a sentence in `measured`. Sourced by `tunnel`.

measured=
# keep FIGURE SIDE VALUE
keep() { printf '%s\n' "$3" >>"$work/values/$1.$2"; }
median() { sort -g | awk '{ v[NR] = $1 } END { if (NR) print NR % 2 ? v[(NR + 1) / 2] : (v[NR / 2] + v[NR / 2 + 1]) / 2 }'; }
calculate() { awk "BEGIN { printf \"%.${2:-3}f\", ($1) }"; }

# flow SIDE OPTION...: one iperf3 run from near to far; leaves $work/sent.json and, from the receiving end, $work/received.json.
flow() {
    local address=${subnet[$1]}.2 attempt server _
    shift
    for attempt in 1 2 3; do
        inside "$far" timeout 60 iperf3 -s -1 -J -B "$address" >"$work/received.json" 2>/dev/null </dev/null &
        server=$!
        for _ in {1..100}; do
            [[ -n $(inside "$far" ss -Hltn "src $address:5201") ]] && break
            sleep 0.02
        done
        if inside "$near" timeout 60 iperf3 -c "$address" -J "$@" >"$work/sent.json" 2>/dev/null </dev/null && wait "$server" &&
            jq -e '.end.sum // .end.sum_received' "$work/received.json" >/dev/null 2>&1; then
            return
        fi
        kill "$server" 2>/dev/null || true
        wait "$server" 2>/dev/null || true
        note "iperf3 lost its control connection (attempt $attempt): $(jq -r '.error // "no reason given"' "$work/sent.json" 2>/dev/null)"
    done
    fail 'iperf3 failed three times'
}

# datagrams SIDE BITS-PER-SECOND SECONDS: 64-byte UDP; sets offered, delivered (packets a second, counted by the receiving program) and loss (%).
datagrams() {
    flow "$1" -u -l 64 -b "$2" -t "$3" -w "$socket_buffer"
    offered=$(jq '.end.sum | .packets / .seconds' "$work/sent.json")
    delivered=$(jq --argjson seconds "$(jq '.end.sum.seconds' "$work/sent.json")" '.end.sum | (.packets - .lost_packets) / $seconds' "$work/received.json")
    loss=$(calculate "$offered > $delivered ? 100 * (1 - $delivered / $offered) : 0" 2)
}

# measure_traffic MEASURE SIDE
measure_traffic() {
    local side=$2 offered delivered loss value
    case $1 in
        tcp-*)
            value=${1#tcp-}
            flow "$side" -t "$tcp_seconds" -P "${value%%-*}"
            value=$(jq '.end.sum_received.bits_per_second / 1e9' "$work/received.json")
            keep "$1" "$side" "$value"
            measured="$(calculate "$value" 2) Gbit/s"
            ;;
        udp64-full-speed)
            datagrams "$side" 0 "$udp_seconds"
            keep "$1" "$side" "$delivered"
            measured="$(calculate "$delivered / 1000" 1) kpps of $(calculate "$offered / 1000" 0) kpps offered"
            ;;
        udp64-250k)
            datagrams "$side" $((250000 * 64 * 8)) "$udp_seconds"
            keep "$1" "$side" "$delivered"
            keep "$1-loss" "$side" "$loss"
            measured="$(calculate "$delivered / 1000" 1) kpps of $(calculate "$offered / 1000" 0) kpps offered, $loss % lost"
            ;;
        udp64-under-1%-loss)
            value=$(highest_rate "$side")
            keep "$1" "$side" "$value"
            measured="$(calculate "$value / 1000" 1) kpps"
            ;;
        ping-idle)
            # The first one after heavy traffic meets caches and timers of that; it is left out.
            value=$(inside "$near" ping -n -c $((pings + 1)) -i 0.02 -W 1 "${subnet[$side]}.2" | sed -n '3,$s/.*time=\([0-9.]*\) ms/\1/p' | median)
            keep "$1" "$side" "$value"
            measured="$value ms"
            ;;
    esac
}

# highest_rate SIDE: the highest rate of 64-byte datagrams with under 1 % loss, by halving on a logarithmic scale between 4,000 and 600,000 a second.
# A rate has failed only when it failed twice: a hiccup of the machine is not the tunnel's limit. A rate that the sender cannot reach is no rate.
highest_rate() {
    local low=4000 high=600000 middle probe try best=0 offered delivered loss
    for ((probe = 0; probe < probes; probe++)); do
        middle=$(calculate "sqrt($low * $high)" 0)
        for try in 1 2; do
            datagrams "$1" $((middle * 64 * 8)) "$probe_seconds" >&2
            if [[ $(calculate "$loss < 1 && $offered > 0.9 * $middle" 0) == 1 ]]; then
                low=$middle best=$delivered
                continue 2
            fi
        done
        high=$middle
    done
    printf '%s\n' "$best"
}

# Half a minute of nothing but start-up would be measured without this: compilers, caches and the first handshake.
warm_up() {
    local side
    for side in ours theirs; do
        inside "$near" ping -n -q -c 3 -i 0.2 -W 2 "${subnet[$side]}.2" >/dev/null || fail "nothing comes back through the tunnel of ${program[$side]}"
        # Memory first: an idle daemon is one that has carried nothing yet.
        keep idle-memory "$side" "$(calculate "($(resident "$(interface_of "$side" 1)") + $(resident "$(interface_of "$side" 2)")) / 2 / 1048576" 1)"
        flow "$side" -t 1
    done
}

resident() { awk '/^VmRSS:/ { print $2 * 1024 }' "/proc/${daemon[$1]}/status"; }
# Seconds of processor time, threads that ended included; the kernel counts them in hundredths.
processor_time() { awk -v hertz="$(getconf CLK_TCK)" '{ sub(/.*\) /, ""); split($0, field); print (field[12] + field[13]) / hertz }' "/proc/${daemon[$1]}/stat"; }

measure_idle() {
    local side end interface
    local -A before=()
    sleep 2
    for side in ours theirs; do
        for end in 1 2; do
            interface=$(interface_of "$side" "$end")
            before[$interface]=$(processor_time "$interface")
        done
    done
    sleep "$idle_seconds"
    for side in ours theirs; do
        for end in 1 2; do
            interface=$(interface_of "$side" "$end")
            keep idle-processor "$side" "$(calculate "100 * ($(processor_time "$interface") - ${before[$interface]}) / $idle_seconds" 3)"
        done
        note "$side: $(median <"$work/values/idle-processor.$side") % of a core, $(median <"$work/values/idle-memory.$side") MB"
    done
}

measure_handshakes() {
    local library=$repository/artifacts/bin/TunnelBox.Benchmarks/release/TunnelBox.Benchmarks.dll name value
    [[ -e $library ]] || fail "$library is missing: run make bench-tunnel as the user who builds"
    for ((run = 1; run <= runs; run++)); do
        while read -r name value; do
            keep "$name" ours "$value"
            note "$name $value"
        done < <(taskset -c 0 dotnet "$library" handshakes)
    done
}

# measure_peers SIDE COUNT: a daemon of its own, configured by one wg setconf; seconds, and growth of resident memory a peer.
measure_peers() {
    local side=$1 count=$2 interface=$id-${letter[$1]}p before started status=0
    if [[ ! -s $work/peers.$count ]]; then
        write_peers "$count" >"$work/peers.$count"
    fi
    start_daemon "$side" "$near" "$interface"
    before=$(resident "$interface")
    started=$EPOCHREALTIME
    timeout 120 ip netns exec "$near" wg setconf "$interface" "$work/peers.$count" 2>"$work/peers.log" || status=$?
    local seconds bytes present
    seconds=$(calculate "$EPOCHREALTIME - $started" 2)
    present=$(inside "$near" wg show "$interface" peers 2>/dev/null | wc -l) || true
    if ((status != 0 || present != count)); then
        measured="only $present of $count are there $(head -c 100 "$work/peers.log" | tr '\n' ' ')"
    else
        bytes=$(calculate "($(resident "$interface") - $before) / $count" 0)
        keep "peers-$count-time" "$side" "$seconds"
        keep "peers-$count-memory" "$side" "$bytes"
        measured="$seconds s, $bytes bytes a peer"
    fi
    stop_daemon "$interface"
}

# write_peers COUNT: a configuration with that many peers, each with a key of its own and one allowed IP.
write_peers() {
    printf '[Interface]\nPrivateKey = %s\n' "$(wg genkey)"
    awk -v count="$1" -v seed="$$" 'BEGIN {
        srand(seed); digits = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/"
        for (i = 0; i < count; i++) {
            key = ""
            for (j = 0; j < 42; j++) { key = key substr(digits, 1 + int(64 * rand()), 1) }
            printf "[Peer]\nPublicKey = %s%s=\nAllowedIPs = 10.%d.%d.%d/32\n", key, substr("AEIMQUYcgkosw048", 1 + int(16 * rand()), 1), \
                128 + i / 65536, int(i / 256) % 256, i % 256
        }
    }'
}

# report: the JSON file; an object a figure, in the order of the table. A figure one side could not give is null.
report() {
    local count
    {
        printf '%s\t%s\t%s\t%s\n' \
            tcp-1-stream 'TCP, one stream' Gbit/s '>= 1.6x' \
            tcp-8-streams 'TCP, eight streams' Gbit/s '>= 1.6x' \
            udp64-full-speed '64-byte UDP delivered, offered at full speed' packets/s '>= 3x' \
            udp64-250k '64-byte UDP delivered of 250,000 a second' packets/s '' \
            udp64-250k-loss '64-byte UDP lost of 250,000 a second' % '' \
            udp64-under-1%-loss '64-byte UDP, highest rate with under 1 % loss' packets/s '' \
            ping-idle 'ping, idle, median' ms '<= 0.5x' \
            handshakes-responder 'handshakes, one core, as responder' /s '>= 4000' \
            handshakes-both 'handshakes, one core, both ends' /s '>= 2000' \
            idle-processor 'idle daemon, processor' '% of a core' '< 0.5' \
            idle-memory 'idle daemon, resident memory' MB '< 80'
        for count in "${peer_counts[@]}"; do
            printf '%s\t%s\t%s\t%s\n' \
                "peers-$count-time" "$count peers configured" s "$( ((count == 100000)) && echo '< 10')" \
                "peers-$count-memory" "$count peers, memory a peer" bytes "$( ((count == 100000)) && echo '< 2048')"
        done
    } | while IFS=$'\t' read -r name title unit wanted; do
        jq -n --arg name "$name" --arg title "$title" --arg unit "$unit" --arg wanted "$wanted" \
            --slurpfile ours <(cat "$work/values/$name.ours" 2>/dev/null) --slurpfile theirs <(cat "$work/values/$name.theirs" 2>/dev/null) \
            -f "$here/figure.jq"
    done | jq -s '[.[] | select(.ours != null or .theirs != null)]'
}

# shellcheck shell=bash
# What looking at packets costs. Sourced by `visibility`, after topology.sh and measures.sh.

# What is measured without anybody looking, and who looks then.
pairs=(plain/capture flood/flood-trace plain/trace plain/tcpdump)
# What is asked for; some of it finds the device's queue full.
flood_rate=150000
tunnelctl=$(dirname "$OURS")/tunnelctl

library_of() {
    local library=$repository/artifacts/$1bin/TunnelBox.Benchmarks/release/TunnelBox.Benchmarks.dll
    [[ -e $library ]] || fail "$library is missing: run make bench-visibility as the user who builds"
    printf '%s' "$library"
}

# passes MODE SIDE: nanoseconds a packet of the fastest round, from port to port at both ends, in process; and the pass than which one in 1,000 is longer.
passes() {
    local name fastest median longest
    read -r name fastest median longest < <(taskset -c 1 dotnet "$(library_of '')" passes "$1")
    keep pass "$2" "$fastest"
    keep longest "$2" "$longest"
}

# turns: both builds take turns of 16,000 packets on one processor; keeps the median ratio of neighbours, and both medians.
turns() {
    local turn ours theirs observed unobserved
    coproc OBSERVED { exec taskset -c 1 dotnet "$(library_of '')" passes off turns; }
    # bash 5.2 warns of a second one, which works.
    { coproc UNOBSERVED { exec taskset -c 1 dotnet "$(library_of unobserved/)" passes off turns; }; } 2>/dev/null
    exec {ours[0]}<&"${OBSERVED[0]}" {ours[1]}>&"${OBSERVED[1]}" {theirs[0]}<&"${UNOBSERVED[0]}" {theirs[1]}>&"${UNOBSERVED[1]}"
    : >"$work/turns"
    for ((turn = 0; turn < pass_turns; turn++)); do
        # Which goes first changes, so that a machine that slows down hits both alike.
        if ((turn % 2)); then
            echo >&"${ours[1]}"; read -r observed <&"${ours[0]}"
            echo >&"${theirs[1]}"; read -r unobserved <&"${theirs[0]}"
        else
            echo >&"${theirs[1]}"; read -r unobserved <&"${theirs[0]}"
            echo >&"${ours[1]}"; read -r observed <&"${ours[0]}"
        fi
        printf '%s %s\n' "$observed" "$unobserved" >>"$work/turns"
    done
    exec {ours[1]}>&- {theirs[1]}>&- {OBSERVED[1]}>&- {UNOBSERVED[1]}>&-
    wait "$OBSERVED_PID" "$UNOBSERVED_PID" 2>/dev/null || true
    keep counted observed "$(awk '{ print $1 }' "$work/turns" | median)"
    keep counted unobserved "$(awk '{ print $2 }' "$work/turns" | median)"
    keep counted ratio "$(awk '{ print $1 / $2 }' "$work/turns" | median)"
}

measure_passes() {
    local pair
    mkdir -p "$work/values"
    for ((pair = 1; pair <= pass_runs; pair++)); do
        turns
        passes off observed
        passes drops drops
        passes full full
    done
    note "counted $(value counted observed) ns a packet, uncounted $(value counted unobserved), ratios of neighbours $(sort -g "$work/values/counted.ratio" | tr '\n' ' ')"
}

# counted COUNTER: a line of tunnelctl stat at the sending end.
counted() { inside "$near" "$tunnelctl" stat "$(interface_of ours 1)" | awk -F '\t' -v name="$1" '{ sub(/ +$/, "", $1) } $1 == name { print $2 }'; }

# settle PROCESS...: ends tracers in order and waits for what they say.
settle() {
    local process
    sleep 0.3
    for process in "$@"; do kill -TERM "$process" 2>/dev/null || true; done
    for process in "$@"; do wait "$process" 2>/dev/null || true; done
}

# watch_for TEXT FILE: until a tracer says that it looks.
watch_for() {
    local _
    for _ in {1..200}; do
        grep -q "$1" "$2" 2>/dev/null && return
        sleep 0.02
    done
    sed 's/^/      /' "$2" >&2
    fail "a tracer did not begin within 4 s"
}

# measure_mode MODE [NAME]: 64-byte datagrams at full speed, while somebody looks; what is delivered is kept under NAME.
measure_mode() {
    local mode=$1 interface offered delivered loss passed lost seen tracers=() flooder=
    interface=$(interface_of ours 1)
    measured=
    case $mode in
        flood-trace)
            ip netns exec "$near" "$tunnelctl" trace "$interface" --drops-only >/dev/null 2>"$work/tracer" </dev/null &
            tracers=($!)
            watch_for tracing "$work/tracer"
            ;;
        trace)
            ip netns exec "$near" "$tunnelctl" trace "$interface" >"$work/trace.out" 2>"$work/tracer" </dev/null &
            tracers=($!)
            watch_for tracing "$work/tracer"
            ;;
        capture)
            ip netns exec "$near" "$tunnelctl" capture "$interface" "$work/capture.pcapng" --both --snap 128 >/dev/null 2>"$work/tracer" </dev/null &
            tracers=($!)
            watch_for capturing "$work/tracer"
            ;;
        tcpdump)
            ip netns exec "$near" tcpdump -n -s 128 -i "$interface" -w "$work/inner.pcap" 2>"$work/tracer" </dev/null &
            tracers=($!)
            ip netns exec "$near" tcpdump -n -s 128 -i veth -w "$work/outer.pcap" 2>"$work/tracer2" </dev/null &
            tracers+=($!)
            watch_for 'listening on' "$work/tracer"
            watch_for 'listening on' "$work/tracer2"
            ;;
    esac
    if [[ $mode == flood* ]]; then
        ip netns exec "$near" dotnet "$repository/artifacts/bin/TunnelBox.Benchmarks/release/TunnelBox.Benchmarks.dll" flood 10.99.0.1 9 "$flood_rate" 60 &
        flooder=$!
        sleep 0.7
    fi
    passed=$(($(counted OutPackets) + $(counted InPackets)))
    if [[ -n $flooder ]]; then
        seen=$(counted OutNoStates)
        local from=$EPOCHREALTIME
    fi
    datagrams ours 0 "$udp_seconds"
    if [[ -n $flooder ]]; then
        seen=$(calculate "($(counted OutNoStates) - $seen) / ($EPOCHREALTIME - $from)" 0)
        kill "$flooder" 2>/dev/null || true
        wait "$flooder" 2>/dev/null || true
        keep drop-rate "$mode" "$seen"
        measured=", $seen drops/s"
    fi
    passed=$(($(counted OutPackets) + $(counted InPackets) - passed))
    settle "${tracers[@]}"
    keep delivered "${2:-$mode}" "$delivered"
    case $mode in
        trace | flood-trace | capture)
            # "N lines, M records lost." or "N packets captured, M records lost."; a captured packet is there inside and outside.
            read -r seen lost < <(sed -n 's/^\([0-9]*\) [a-z ]*, \([0-9]*\) records lost.*/\1 \2/p' "$work/tracer")
            [[ -n $seen ]] || fail "the tracer did not say what it saw"
            keep lost "$mode" "$lost"
            measured+=", $seen seen, $lost lost"
            if [[ $mode != flood-trace ]]; then
                [[ $mode != capture ]] || seen=$((seen / 2))
                keep accounted "$mode" "$(calculate "100 * ($seen + $lost) / $passed" 3)"
                measured+=", $(calculate "100 * ($seen + $lost) / $passed" 2) % of $passed accounted for"
            fi
            ;;
        tcpdump)
            lost=$(sed -n 's/^\([0-9]*\) packets dropped by kernel.*/\1/p' "$work/tracer" "$work/tracer2" | awk '{ sum += $1 } END { print sum }')
            seen=$(sed -n 's/^\([0-9]*\) packets captured.*/\1/p' "$work/tracer" "$work/tracer2" | awk '{ sum += $1 } END { print sum }')
            keep lost tcpdump "$lost"
            measured+=", $seen seen, $lost lost"
            ;;
    esac
    rm -f "$work"/*.pcap "$work"/*.pcapng "$work/trace.out"
    measured="$(calculate "$delivered / 1000" 1) kpps$measured"
}

# value FIGURE SIDE: the median.
value() { median <"$work/values/$1.$2"; }

# figure NAME TITLE UNIT WANTED VALUE
figure() { jq -n --arg name "$1" --arg title "$2" --arg unit "$3" --arg wanted "$4" --arg value "$5" '{$name, $title, $unit, $wanted, value: ($value | tonumber)}'; }

# costs MODE BASE: by how many per cent MODE delivers fewer packets than BASE did beside it, a run.
costs() {
    paste "$work/values/delivered.$1" "$work/values/delivered.$2-of-$1" |
        awk '{ looked += $1; alone += $2 } NR % 2 == 0 { printf "%.2f\n", 100 * (1 - looked / alone); looked = alone = 0 }'
}

# cost MODE BASE: the median of them.
cost() { costs "$@" | median; }

# spread MODE BASE: the least and the greatest of them.
spread() { costs "$@" | sort -g | sed -n '1p;$p' | paste -sd' ' | sed 's/ / to /'; }

report_looking() {
    {
        figure idle 'counters and idle probes, a packet from port to port' % '<= 1' "$(calculate "100 * ($(value counted ratio) - 1)" 2)"
        figure pass-observed 'that packet, counted' ns '' "$(value counted observed)"
        figure pass-unobserved 'that packet, not counted' ns '' "$(value counted unobserved)"
        figure pass-drops 'that packet, while drops alone are traced' ns '' "$(value pass drops)"
        figure pass-full 'that packet, while 128 bytes are captured at both ends' ns '' "$(value pass full)"
        figure pass-off 'that packet in its fastest round' ns '' "$(value pass observed)"
        figure longest-observed 'one pass of 64 packets in 1,000 is longer, nobody looks' us '' "$(value longest observed)"
        figure longest-full 'the same, all captured, the ring full and nobody reads it' us '' "$(value longest full)"
        figure plain '64-byte UDP delivered, nobody looks' packets/s '' "$(value delivered plain-of-capture)"
        figure flood 'the same under a flood of drops' packets/s '' "$(value delivered flood-of-flood-trace)"
        figure flood-rate 'drops of that flood' packets/s '>= 100000' "$(value drop-rate flood-trace)"
        figure drops-only 'trace --drops-only under that flood costs' % '<= 5' "$(cost flood-trace flood)"
        figure drops-lost 'records lost by it, a run' records '' "$(value lost flood-trace)"
        figure trace 'trace of every packet costs' % '' "$(cost trace plain)"
        figure trace-lost 'records lost by it, a run' records '' "$(value lost trace)"
        figure trace-accounted 'lines and lost records, of all packets' % 100 "$(value accounted trace)"
        figure capture 'capture --both --snap 128 costs' % '<= 10' "$(cost capture plain)"
        figure capture-lost 'records lost by it, a run' records '' "$(value lost capture)"
        figure capture-accounted 'captured and lost records, of all packets' % 100 "$(value accounted capture)"
        figure tcpdump 'tcpdump -s 128 on both devices costs' % '' "$(cost tcpdump plain)"
        figure tcpdump-lost 'packets lost by it, a run' packets '' "$(value lost tcpdump)"
    } | jq -s .
}

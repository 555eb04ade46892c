# shellcheck shell=bash
# What `appliance` measures. Sourced by it, after topology.sh and measures.sh.

many=10000
near_interface=$id-n far_interface=$id-f
near_key=$(wg genkey) far_key=$(wg genkey)
store=$work/store
podman=(podman --root "$store/root" --runroot "$store/run" --storage-driver vfs --cgroup-manager cgroupfs --runtime runc)

# Numbered datagrams at a rate; prints how many the kernel took. And their receiver: prints the time of the first one, and how many came until 500 ms passed without any.
# shellcheck disable=SC2016 # perl's variables
sender='use IO::Socket::INET; use Time::HiRes qw(time sleep); my ($to, $count, $rate) = @ARGV; my $s = IO::Socket::INET->new(Proto => "udp", PeerAddr => "$to:9999") or die;
    my ($start, $sent) = (time, 0); for my $i (0 .. $count - 1) { my $wait = $start + $i / $rate - time; sleep $wait if $wait > 0; $sent++ if defined $s->send(pack("N", $i) x 16) } print "$sent\n"'
# shellcheck disable=SC2016
receiver='use IO::Socket::INET; use Time::HiRes qw(time); use Socket; my ($at, $patience) = @ARGV; my $s = IO::Socket::INET->new(Proto => "udp", LocalAddr => $at, LocalPort => 9999) or die;
    setsockopt($s, SOL_SOCKET, 33, pack("i", 8 << 20)); $| = 1; print "ready\n"; my ($n, $first, $bits) = (0, 0, ""); vec($bits, fileno($s), 1) = 1;
    while (select(my $r = $bits, undef, undef, $n ? 0.5 : $patience)) { $s->recv(my $d, 2048); $first ||= time; $n++ } printf "%.4f %d\n", $first, $n'
# shellcheck disable=SC2016
offer='use IO::Socket::INET; use Time::HiRes qw(sleep); my $to = sockaddr_in(9999, inet_aton(shift)); my $s = IO::Socket::INET->new(Proto => "udp") or die;
    for (1 .. 6000) { $s->send("x" x 64, 0, $to); sleep 0.005 }'
# shellcheck disable=SC2016
first='use IO::Socket::INET; use Time::HiRes qw(time); my $s = IO::Socket::INET->new(Proto => "udp", LocalAddr => shift, LocalPort => 9999) or die;
    vec(my $bits = "", fileno($s), 1) = 1; select($bits, undef, undef, 20) or exit 1; printf "%.4f\n", time'

configuration() { # PEERS-OF-A-SEED: the near end's file
    printf '[Interface]\nPrivateKey = %s\nListenPort = 51820\n[Peer]\nPublicKey = %s\nAllowedIPs = 10.92.0.2/32\nEndpoint = 192.0.2.2:51820\n' \
        "$near_key" "$(wg pubkey <<<"$far_key")"
    [[ -z ${1:-} ]] || sed '1,2d' "$1"
}

make_far() {
    local end
    mkdir -p "$work/values"
    ip netns add "$near"
    ip netns add "$far"
    ip link add veth netns "$near" type veth peer name veth netns "$far"
    for end in 1 2; do
        ip -n "$id-$end" link set lo up
        ip -n "$id-$end" address add "192.0.2.$end/24" dev veth
        ip -n "$id-$end" link set veth up
    done
    start_daemon theirs "$far" "$far_interface"
    printf '[Interface]\nPrivateKey = %s\nListenPort = 51820\n[Peer]\nPublicKey = %s\nAllowedIPs = 10.92.0.1/32\n' \
        "$far_key" "$(wg pubkey <<<"$near_key")" >"$work/far.conf"
    inside "$far" wg setconf "$far_interface" "$work/far.conf"
    ip -n "$far" address add 10.92.0.2/24 dev "$far_interface"
    ip -n "$far" link set "$far_interface" up
    configuration >"$work/one.conf"
    write_peers "$many" >"$work/peers.1"
    # The same, but for the keys; the last digit of a key is not any digit.
    sed '/^PublicKey/y/BCDFGHJLNOPRSTVWXZ/CDFGHJLNOPRSTVWXZB/' "$work/peers.1" | sed 's/^[^ ]*ublicKey/PublicKey/' >"$work/peers.2"
    configuration "$work/peers.1" >"$work/many.1.conf"
    configuration "$work/peers.2" >"$work/many.2.conf"
}

# receive PATIENCE: a receiver in the far namespace whose last line is in $work/received when it has ended.
receive() {
    # What an earlier one has said must not be taken for this one's.
    rm -f "$work/received"
    ip netns exec "$far" perl -e "$receiver" 10.92.0.2 "$1" >"$work/received" &
    receiving=$!
    local _
    for _ in {1..200}; do
        [[ -s $work/received ]] && return
        sleep 0.01
    done
    fail 'the receiver did not start'
}

# first_packet COMMAND...: seconds from the command's start to the first datagram at the far end; one is offered every 5 ms, before there is an interface, too.
first_packet() {
    local offering from
    ip netns exec "$far" perl -e "$first" 10.92.0.2 >"$work/received" &
    receiving=$!
    ip netns exec "$near" perl -e "$offer" 10.92.0.2 &
    offering=$!
    sleep 0.3
    from=$EPOCHREALTIME
    "$@"
    wait "$receiving" || fail 'nothing came through the tunnel within 20 s'
    kill "$offering" 2>/dev/null || true
    wait "$offering" 2>/dev/null || true
    measured=$(calculate "$(<"$work/received") - $from")
}

# What an orchestrator does for each: the daemon, its configuration, an address, up.
bring_up() { # SIDE
    local _
    if [[ $1 == ours ]]; then
        ip netns exec "$near" env LOG_LEVEL=error "$repository/out/tunnelbox-launch" --udp --read "$repository" "$OURS" -f "$near_interface" >"$work/near.log" 2>&1 </dev/null &
    else
        ip netns exec "$near" env LOG_LEVEL=error WG_PROCESS_FOREGROUND=1 "$THEIRS" -f "$near_interface" >"$work/near.log" 2>&1 </dev/null &
    fi
    daemon[$near_interface]=$!
    for _ in {1..1000}; do
        [[ -S /run/wireguard/$near_interface.sock ]] && break
        kill -0 "${daemon[$near_interface]}" 2>/dev/null || fail "the daemon ended: $(<"$work/near.log")"
        sleep 0.005
    done
    until inside "$near" wg setconf "$near_interface" "$work/one.conf" 2>/dev/null; do sleep 0.005; done
    ip -n "$near" address add 10.92.0.1/24 dev "$near_interface"
    ip -n "$near" link set "$near_interface" up
}

measure_start() {
    first_packet bring_up "$1"
    keep start "$1" "$measured"
    keep memory "$1" "$(calculate "$(resident "$near_interface") / 1048576" 1)"
}

# flow_during COMMAND...: 2,000 datagrams a second for 3 s through the tunnel, the command in their midst; sets lost and took.
flow_during() {
    local sending from sent
    receive 5
    ip netns exec "$near" perl -e "$sender" 10.92.0.2 6000 2000 >"$work/sent" &
    sending=$!
    sleep 0.5
    from=$EPOCHREALTIME
    "$@"
    took=$(calculate "$EPOCHREALTIME - $from")
    wait "$sending"
    wait "$receiving"
    sent=$(<"$work/sent")
    lost=$((sent - $(tail -n 1 "$work/received" | cut -d' ' -f2)))
}

# The peers that are there, the one of the traffic excepted, for as many others.
measure_reload() {
    local tool=wg
    [[ $1 == theirs ]] || tool=$repository/out/tunnelctl
    inside "$near" "$tool" syncconf "$near_interface" "$work/many.1.conf"
    flow_during inside "$near" "$tool" syncconf "$near_interface" "$work/many.2.conf"
    keep reload "$1" "$took"
    keep reload-lost "$1" "$lost"
    measured="$took s, $lost of 6,000 packets lost"
}

# The signal comes as soon as the kernel has taken the last datagram.
measure_stop() {
    local from sent took lost process=${daemon[$near_interface]}
    receive 5
    sent=$(inside "$near" perl -e "$sender" 10.92.0.2 2000 10000)
    from=$EPOCHREALTIME
    kill "$process"
    wait "$process" 2>/dev/null || true
    took=$(calculate "$EPOCHREALTIME - $from")
    unset "daemon[$near_interface]"
    wait "$receiving"
    lost=$((sent - $(tail -n 1 "$work/received" | cut -d' ' -f2)))
    keep stop "$1" "$took"
    keep stop-lost "$1" "$lost"
    measured="$took s, $lost of 2,000 packets lost"
    rm -f "/run/wireguard/$near_interface.sock"
    until [[ ! -e /sys/class/net/$near_interface ]] && ! ip -n "$near" link show "$near_interface" >/dev/null 2>&1; do sleep 0.01; done
}

load_image() {
    mkdir -p "$store"
    "${podman[@]}" load -q -i out/tunnelbox-image.tar >/dev/null
    image=$("${podman[@]}" images --format '{{.Repository}}:{{.Tag}}' | head -n 1)
    mknod -m 666 "$store/tun" c 10 200
    install -m 600 -o 65532 -g 65532 "$work/one.conf" "$store/wg0.conf"
}

run_image() {
    "${podman[@]}" run --detach --rm --name "$id" --ulimit nofile=1024:1024 --ulimit nproc=1024:1024 --network "ns:/run/netns/$near" --read-only \
        --cap-drop all --cap-add NET_ADMIN --device "$store/tun:/dev/net/tun" --volume "$store/wg0.conf:/etc/wireguard/wg0.conf:ro" "$image" >/dev/null
    until "${podman[@]}" exec "$id" /usr/bin/tunnelctl setconf wg0 /etc/wireguard/wg0.conf 2>/dev/null; do sleep 0.01; done
    ip -n "$near" address add 10.92.0.1/24 dev wg0
    ip -n "$near" link set wg0 up
}

measure_image() {
    local start stop memory from
    first_packet run_image
    start=$measured
    memory=$(awk '/^VmRSS:/ { print $2 / 1024 }' "/proc/$("${podman[@]}" inspect --format '{{.State.Pid}}' "$id")/status")
    from=$EPOCHREALTIME
    "${podman[@]}" stop --time 10 "$id" >/dev/null
    stop=$(calculate "$EPOCHREALTIME - $from")
    keep image-start ours "$start"
    keep image-memory ours "$memory"
    keep image-stop ours "$stop"
    measured="$start s, $memory MB, stop $stop s"
    until ! ip -n "$near" link show wg0 >/dev/null 2>&1; do sleep 0.01; done
}

remove_all() {
    local status=$?
    trap '' INT TERM
    [[ ! -d $store ]] || "${podman[@]}" rm --all --force --time 0 >/dev/null 2>&1 || true
    (exit "$status") || true
    remove_topology
}

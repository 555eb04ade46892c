# shellcheck shell=bash disable=SC2154
# Starts and stops what is tested: a namespace NAME for the suite, a second NAME-t with the implementation, joined by a veth pair; or a guest.
# A gateway has a third, NAME-h, the host of its local network, which then answers in place of the implementation's own namespace.

quiet_of() { [[ $1 == kernel ]] && echo 1.0 || echo 0.4; }
wait_of() { [[ $1 == kernel ]] && echo 5.0 || echo 3.0; }
load_of() { [[ $1 == kernel ]] && echo 6000 || echo 4000; }
rest_of() { [[ $1 == kernel ]] && echo 3 || echo 1.6; }

# The suite's side: four addresses of each family on one device.
suite_addresses() { # SPACE DEVICE
    local host
    for host in 2 3 4 5 6; do
        ip -n "$1" address add "192.0.2.$host/24" dev "$2"
        ip -n "$1" address add "2001:db8:77::$host/64" dev "$2" nodad
    done
    ip -n "$1" link set "$2" up
}

# The inner address that answers: the tunnel's own, or a host's behind the gateway.
own_inner() { printf 'ip address add 10.98.0.1/32 dev wg0\nip -6 address add fd98::1/128 dev wg0 nodad\n'; }
behind_gateway() { printf 'ip address add 10.98.0.254/24 dev lan0\nip -6 address add fd98::fe/64 dev lan0 nodad\nip link set lan0 up\n'; }

# The host of the local network behind a gateway, whose side of the wire is lan0.
add_host() { # SPACE
    ip netns add "$1-h"
    echo "$1-h" >>"$work/spaces"
    ip -n "$1-h" link add host0 type veth peer name lan0 netns "$1-t"
    # shellcheck disable=SC2016
    ip netns exec "$1-h" bash -euc '
        ethtool -K host0 gro on >/dev/null 2>&1 || true
        ip link set lo up
        ip address add 10.98.0.1/24 dev host0
        ip -6 address add fd98::1/64 dev host0 nodad
        ip link set host0 up
        ip route add default via 10.98.0.254
        ip -6 route add default via fd98::fe
        echo 0 >/proc/sys/net/ipv4/icmp_ratemask'
}

# What the target's side needs, as shell commands with `ip` at hand: outer addresses on DEVICE, INNER's commands, the tunnel wg0, and passing on.
target_side() { # DEVICE INNER
    cat <<SIDE
ip link set lo up
ip address add 192.0.2.1/24 dev $1
ip address add 192.0.2.9/24 dev $1
ip address add 2001:db8:77::1/64 dev $1 nodad
ip link set $1 up
echo 1 >/proc/sys/net/ipv4/ip_forward
echo 1 >/proc/sys/net/ipv6/conf/all/forwarding
for setting in /proc/sys/net/ipv4/conf/*/send_redirects /proc/sys/net/ipv4/conf/*/rp_filter; do echo 0 >\$setting; done
# Answers by ICMP are never held back, whoever asks how often.
echo 0 >/proc/sys/net/ipv4/icmp_ratemask
$2
ip link set wg0 mtu 1420 up
ip route add 10.100.0.0/14 dev wg0
ip route add 10.160.0.0/14 dev wg0
ip -6 route add fd99::/48 dev wg0
SIDE
}

# enter SPACE: puts into `within` the words that run a command in the target's namespace, with control sockets of its own: interfaces of one name
# would share them.
enter() {
    mkdir -p "$work/$1-run/wireguard" "$work/$1-run/tunnelbox"
    # shellcheck disable=SC2016
    within=(ip netns exec "$1-t" unshare --mount bash -c '
        mkdir -p /run/wireguard /run/tunnelbox
        mount --bind "$0/wireguard" /run/wireguard
        mount --bind "$0/tunnelbox" /run/tunnelbox
        exec "$@"' "$work/$1-run")
}

start_target() { # TARGET SPACE
    local target=$1 space=$2 inner=$2-t command=() within=() i answers
    answers=$(own_inner)
    ip netns add "$space"
    echo "$space" >>"$work/spaces"
    ip -n "$space" link set lo up
    if [[ $target == kernel ]]; then
        start_guest "$space"
        return
    fi
    ip netns add "$inner"
    echo "$inner" >>"$work/spaces"
    ip -n "$space" link add suite0 type veth peer name target0 netns "$inner"
    suite_addresses "$space" suite0
    enter "$space"
    # Over AF_XDP each end of a veth pair needs a receive queue that polls.
    ip netns exec "$space" ethtool -K suite0 gro on >/dev/null 2>&1 || true
    case $target in
        udp) command=("$program") ;;
        xdp) command=(env TUNNELBOX__OUTERPORT=xdp:target0 "$program") ;;
        xdp-gateway)
            command=(env TUNNELBOX__OUTERPORT=xdp:target0 TUNNELBOX__INNERPORT=xdp:lan0 "$program")
            add_host "$space"
            answers=$(behind_gateway)
            ;;
        wireguard-go) command=("$("$repository/interop/wireguard-go/fetch.sh" 2022)") ;;
        wireguard-go-20*) command=("$("$repository/interop/wireguard-go/fetch.sh" "${target##*-}")") ;;
    esac
    "${within[@]}" "${command[@]}" -f wg0 >"$work/$space.log" 2>&1 </dev/null &
    echo "$!" >"$work/$space.pid"
    for ((i = 0; i < 200; i++)); do
        [[ -S $work/$space-run/wireguard/wg0.sock ]] && ip -n "$inner" link show wg0 >/dev/null 2>&1 && break
        kill -0 "$(<"$work/$space.pid")" 2>/dev/null || break
        sleep 0.1
    done
    [[ -S $work/$space-run/wireguard/wg0.sock ]] || { tail -n 5 "$work/$space.log" >&2; printf 'run: %s did not start\n' "$target" >&2; return 1; }
    ip netns exec "$inner" bash -euc "$(target_side target0 "$answers")"
    "${within[@]}" wg setconf wg0 "$conf"
    until_reached "$space" || return 1
    [[ $target != xdp* ]] || until_xdp "$target"
}

# AF_XDP is in use on every side that is to have it; a gateway knows its host.
until_xdp() { # TARGET, with `within` at hand
    local i status
    for ((i = 0; i < 100; i++)); do
        status=$("${within[@]}" "$repository/out/tunnelctl" status wg0 || true)
        if [[ $1 == xdp-gateway ]]; then
            "${within[@]}" ping -c 1 -W 1 10.98.0.1 >/dev/null && "${within[@]}" ping -c 1 -W 1 fd98::1 >/dev/null || true
        fi
        if [[ $status == *'xdp:target0 outside'* ]] && [[ $1 != xdp-gateway || $status == *'xdp:lan0 inside'* ]]; then
            return 0
        fi
        sleep 0.2
    done
    printf 'run: the target never came to AF_XDP:\n%s\n' "$status" >&2
    return 1
}

start_guest() { # SPACE
    local space=$1 script=$work/$1.script i
    {
        echo 'set -e'
        echo 'ip link add wg0 type wireguard'
        target_side eth0 "$(own_inner)"
        echo 'wg setconf wg0 /wg.conf'
        echo 'echo ready'
        echo 'sleep 590'
    } >"$script"
    "$repository/interop/vm/run" --kernel backports --nic virtio-net-pci --netns "$space" --tap suite0 --script "$script" \
        --add "$conf:/wg.conf" --limit 600 --console "$work/$space.console" >"$work/$space.log" 2>&1 </dev/null &
    echo "$!" >"$work/$space.pid"
    for ((i = 0; i < 600; i++)); do
        ip -n "$space" link show suite0 >/dev/null 2>&1 && break
        kill -0 "$(<"$work/$space.pid")" 2>/dev/null || break
        sleep 0.1
    done
    suite_addresses "$space" suite0
    until_reached "$space" && grep -q ready "$work/$space.log"
}

# The outer way works; neighbours of both families are known before the first case.
until_reached() { # SPACE
    local i
    for ((i = 0; i < 400; i++)); do
        kill -0 "$(<"$work/$1.pid")" 2>/dev/null || break
        if ip netns exec "$1" ping -c 1 -W 1 192.0.2.1 >/dev/null 2>&1 && ip netns exec "$1" ping -c 1 -W 1 2001:db8:77::1 >/dev/null 2>&1; then
            # The guest answers before its tunnel is there.
            [[ ! -r $work/$1.script ]] || until grep -q ready "$work/$1.log" || ((i++ > 400)); do sleep 0.2; done
            return 0
        fi
        sleep 0.1
    done
    tail -n 20 "$work/$1.log" >&2
    printf 'run: the target behind %s cannot be reached\n' "$1" >&2
    return 1
}

stop_target() { # SPACE
    local pid i
    pid=$(<"$work/$1.pid")
    kill "$pid" 2>/dev/null || true
    for ((i = 0; i < 50; i++)); do
        kill -0 "$pid" 2>/dev/null || break
        sleep 0.1
    done
    kill -KILL "$pid" 2>/dev/null || true
    rm -f "$work/$1.pid"
    ip netns del "$1-h" 2>/dev/null || true
    ip netns del "$1-t" 2>/dev/null || true
    ip netns del "$1" 2>/dev/null || true
}

remove_targets() {
    local file space pid
    for file in "$work"/*.pid; do
        [[ -e $file ]] || continue
        space=${file##*/}
        stop_target "${space%.pid}"
    done
    while read -r space; do
        for pid in $(ip netns pids "$space" 2>/dev/null || true); do
            kill "$pid" 2>/dev/null || true
        done
        ip netns del "$space" 2>/dev/null || true
    done < <(cat "$work/spaces" 2>/dev/null || true)
}

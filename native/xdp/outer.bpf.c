// The outer side of the AF_XDP path: takes whole UDP datagrams to one local address and port to the socket of the queue they
// came in on, with their hints in front; drops what no worker would accept, by the names that workers use. Everything else, and
// what no socket is bound for, goes to the kernel untouched. Built by native/xdp/build.
#include <linux/bpf.h>
#include <bpf/bpf_endian.h>
#include <bpf/bpf_helpers.h>
#include "hints.h"
#include "frames.h"
#include "nobodys.h"

// What a chunk of 4 KiB holds behind the 256 bytes that the kernel keeps free and the 48 that we do (Arena.Headroom).
#define LARGEST_FRAME 3792

#define QUEUES 64   // of a device; what others take is the kernel's
#define WORKERS 64  // of a tunnel
#define TUNNELS 9   // of one process that share a device

// struct control: what may be dropped here.
#define CONTROL_DROP 1            // what is no WireGuard message, or of a wrong length
#define CONTROL_COMPLETE 2        // every receiver index in use stands in `sessions`, so any other is nobody's
#define CONTROL_UNDER_LOAD 4      // handshakes must prove their address first

// A queue or worker that does not matter.
#define ANY 0xFFFF

// 2^26 ns are 67 ms: long enough that the budget of one is not all rounding, short enough that a flood is let through evenly.
#define WINDOW_SHIFT 26

// What was not used is kept, as much as a second's: ten thousand honest peers that come at once are no flood, and one that is let wait tries again only after 5 s.
#define WINDOWS_KEPT 16

enum drop {
    DROP_HEADER,
    DROP_LENGTH,
    DROP_TYPE,
    DROP_INDEX,
    DROP_RESPONSE,
    DROP_COOKIE,
    DROP_FLOOD,
    DROPS,
};

// A local address and a port we listen on, with the row of `sockets` that its tunnel has; or a remote one. An IPv4 address stands in the first word, the others are zero.
struct address_key {
    __be32 address[4];
    __be16 port;
    __be16 ethertype;
};

// A receiver index, and which tunnel gave it out: two may have the same.
struct session_key {
    __u32 index;
    __u32 tunnel;
};

struct session {
    __u32 mark;       // the first four bytes of the peer's public key
    __u16 queue;      // where a card was told to send its packets, or ANY
    __u16 worker;     // whose it is, or ANY
    __u64 packets;    // data messages taken
    __u64 elsewhere;  // those of them that came in by another queue than `queue`
    __u32 seen;       // the queue of the last of these
    __u32 reserved;
};

struct control {
    __u32 flags;
    __u32 budget;  // initiations in a window that have not proved their address
};

struct window {
    __u64 number;
    __s64 left;  // initiations that may pass; below zero by those that did not
};

struct count {
    __u64 packets;
    __u64 bytes;
};

struct {
    __uint(type, BPF_MAP_TYPE_HASH);
    __uint(max_entries, 1024);
    __type(key, struct address_key);
    __type(value, __u32);
} listen_on SEC(".maps");

// In the first row the socket of the worker whose the receive queue is; in the row of each worker's number its socket on that queue. The
// last rows are those of further tunnels that share the device, one each.
struct {
    __uint(type, BPF_MAP_TYPE_XSKMAP);
    __uint(max_entries, QUEUES * (WORKERS + TUNNELS));
    __type(key, __u32);
    __type(value, __u32);
} sockets SEC(".maps");

// Every receiver index that we have given out, handshakes under way included.
struct {
    __uint(type, BPF_MAP_TYPE_HASH);
    __uint(map_flags, BPF_F_NO_PREALLOC);
    __uint(max_entries, 262144);
    __type(key, struct session_key);
    __type(value, struct session);
} sessions SEC(".maps");

// Addresses and ports whose mac2 a worker has found right, and until when (CLOCK_MONOTONIC) that holds.
struct {
    __uint(type, BPF_MAP_TYPE_LRU_HASH);
    __uint(max_entries, 16384);
    __type(key, struct address_key);
    __type(value, __u64);
} proven SEC(".maps");

// Of each tunnel.
struct {
    __uint(type, BPF_MAP_TYPE_ARRAY);
    __uint(max_entries, TUNNELS);
    __type(key, __u32);
    __type(value, struct control);
} controls SEC(".maps");

struct {
    __uint(type, BPF_MAP_TYPE_ARRAY);
    __uint(max_entries, TUNNELS);
    __type(key, __u32);
    __type(value, struct window);
} windows SEC(".maps");

// Those of the first tunnel, then those of the second, and so on.
struct {
    __uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
    __uint(max_entries, DROPS * TUNNELS);
    __type(key, __u32);
    __type(value, struct count);
} drops SEC(".maps");

static __always_inline int drop(enum drop reason, __u32 tunnel, __u32 bytes)
{
    __u32 key = tunnel * DROPS + reason;
    struct count *count = bpf_map_lookup_elem(&drops, &key);
    if (count) {
        count->packets++;
        count->bytes += bytes;
    }

    return XDP_DROP;
}

// Before mac2 a source is a claim: all that have proved nothing share one budget, so that a forger can shut out nobody in particular.
static __always_inline int over_budget(const struct address_key *source, __u32 tunnel, const struct control *control)
{
    __u64 now = bpf_ktime_get_ns();
    __u64 *until = bpf_map_lookup_elem(&proven, source);
    if (until && now < *until) {
        return 0;
    }

    struct window *window = bpf_map_lookup_elem(&windows, &tunnel);
    if (!window) {
        return 0;
    }

    // Two processors may both begin a window: then a few more pass.
    __u64 number = now >> WINDOW_SHIFT;
    __u64 begun = number - window->number;
    if (begun) {
        __s64 most = (__s64)control->budget * WINDOWS_KEPT;
        __s64 left = window->left > 0 ? window->left : 0;
        left = begun < WINDOWS_KEPT ? left + (__s64)(control->budget * begun) : most;
        window->number = number;
        window->left = left < most ? left : most;
    }

    return __sync_fetch_and_add(&window->left, -1) <= 0;
}

// Global for the same reason as hints_skip.
__attribute__((noinline)) int dissect_frame(struct xdp_md *context, struct hints *hints)
{
    if (!hints) {
        return 0;
    }

    void *network, *transport;
    hints_dissect(context, (void *)(long)context->data, (void *)(long)context->data_end, hints, &network, &transport);
    return 0;
}

static __always_inline int take(struct xdp_md *context, int bound)
{
    void *data = (void *)(long)context->data;
    void *end = (void *)(long)context->data_end;
    __u32 message = 0;
    __u32 tunnel = nobodys(data, end, &message);
    if (tunnel != NO_TUNNEL && end - data <= ORDINARY_FRAME && !is_generic()) {
        struct control *switches = bpf_map_lookup_elem(&controls, &tunnel);
        if (switches && (switches->flags & (CONTROL_DROP | CONTROL_COMPLETE)) == (CONTROL_DROP | CONTROL_COMPLETE)) {
            return drop(DROP_INDEX, tunnel, message);
        }
    }

    if (exceeds(context, bpf_xdp_get_buff_len(context), LARGEST_FRAME)) {
        return XDP_PASS;
    }

    struct hints hints = {};
    dissect_frame(context, &hints);
    data = (void *)(long)context->data;
    end = (void *)(long)context->data_end;
    if (!(hints.present & HINT_NETWORK) || !(hints.present & HINT_TRANSPORT) || hints.network > LARGEST_FRAME || hints.transport > LARGEST_FRAME) {
        return XDP_PASS;
    }

    void *network = data + hints.network;

    // Options, extension headers and fragments are the kernel's.
    struct udp *udp = data + hints.transport;
    if (hints.protocol != PROTOCOL_UDP || (hints.present & (HINT_OPTIONS | HINT_FRAGMENT)) || (void *)(udp + 1) > end) {
        return XDP_PASS;
    }

    struct address_key local = {};
    struct address_key remote = {};
    __u64 addresses;
    if (hints.version == 4) {
        struct ipv4 *ip = network;
        if ((void *)(ip + 1) > end) {
            return XDP_PASS;
        }

        addresses = addresses4(ip);
        local.address[0] = ip->destination;
        remote.address[0] = ip->source;
        local.ethertype = remote.ethertype = bpf_htons(ETHERTYPE_IPV4);
    } else {
        struct ipv6 *ip = network;
        if ((void *)(ip + 1) > end) {
            return XDP_PASS;
        }

        addresses = addresses6(ip);
        __builtin_memcpy(local.address, ip->destination, 16);
        __builtin_memcpy(remote.address, ip->source, 16);
        local.ethertype = remote.ethertype = bpf_htons(ETHERTYPE_IPV6);
    }

    local.port = udp->destination;
    remote.port = udp->source;
    __u32 *row = bpf_map_lookup_elem(&listen_on, &local);
    if (!row || (is_generic() && is_unfinished(addresses, udp))) {
        return XDP_PASS;
    }

    // Behind the rows of workers, which the first tunnel has where it is alone, comes a row of each other tunnel.
    tunnel = *row > WORKERS ? *row - WORKERS : 0;
    struct control *control = bpf_map_lookup_elem(&controls, &tunnel);
    __u32 flags = control ? control->flags : 0;
    if (flags & CONTROL_DROP) {
        if (!(hints.present & HINT_PAYLOAD)) {
            return drop(DROP_HEADER, tunnel, bpf_xdp_get_buff_len(context));
        }

        if (!(hints.present & HINT_MESSAGE)) {
            __le32 *type = (void *)(udp + 1);
            int is_type = hints.payload_length >= 4 && (void *)(type + 1) <= end && (*type < 1 || *type > 4);
            return drop(is_type ? DROP_TYPE : DROP_LENGTH, tunnel, hints.payload_length);
        }
    }

    __u32 slot = context->rx_queue_index;
    if (slot >= QUEUES) {
        return XDP_PASS;
    }

    slot += *row * QUEUES;
    if (hints.present & HINT_RECEIVER) {
        struct session_key key = { .index = hints.receiver, .tunnel = tunnel };
        struct session *session = bpf_map_lookup_elem(&sessions, &key);
        if (session) {
            hints.mark = session->mark;
            hints.present |= HINT_MARK;
            if (hints.message == 4) {
                __sync_fetch_and_add(&session->packets, 1);
                if (session->queue != ANY && session->queue != context->rx_queue_index) {
                    __sync_fetch_and_add(&session->elsewhere, 1);
                    session->seen = context->rx_queue_index;
                }
            }

            if (!tunnel && session->worker < WORKERS) {
                slot += (1 + session->worker) * QUEUES;
            }
        } else if ((flags & CONTROL_DROP) && (flags & CONTROL_COMPLETE)) {
            return drop(hints.message == 4 ? DROP_INDEX : hints.message == 2 ? DROP_RESPONSE : DROP_COOKIE, tunnel, hints.payload_length);
        }
    } else if (control && hints.message == 1 && (flags & CONTROL_DROP) && (flags & CONTROL_UNDER_LOAD) && over_budget(&remote, tunnel, control)) {
        return drop(DROP_FLOOD, tunnel, hints.payload_length);
    }

    hints_complete(context, &hints, bound);

    // Without room for them the frame goes alone, and its reader looks for itself.
    hints_write(context, &hints);

    // No socket on this queue: the flags are the verdict.
    return bpf_redirect_map(&sockets, slot, XDP_PASS);
}

// For any device and mode.
SEC("xdp")
int outer(struct xdp_md *context)
{
    return take(context, 0);
}

// For one device that it is bound to, which is asked for what it knows.
SEC("xdp")
int outer_bound(struct xdp_md *context)
{
    return take(context, 1);
}

// The kernel lends functions of its own only to programs whose licence goes with its.
char licence[] SEC("license") = "Dual MIT/GPL";

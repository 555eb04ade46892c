// The inner side of the AF_XDP path, on a device of a local network: takes whole IPv4 and IPv6 packets that are sent to this
// device and go to a peer of the tunnel to a socket of the queue they came in on: the queue's own, or that of the worker whose the
// flow is. Everything else, and what no socket is bound for, goes to the kernel untouched: ARP, neighbour discovery, multicast, broadcast, tagged frames, options, packets for
// this machine or in its name, and what the kernel is to break up. Built by native/xdp/build.
#include <linux/bpf.h>
#include <bpf/bpf_endian.h>
#include <bpf/bpf_helpers.h>
#include "hints.h"
#include "frames.h"

#define DO_NOT_FRAGMENT 0x4000
// What a chunk of 4 KiB holds behind the 304 bytes that stay free, less 32 for what sealing appends.
#define LARGEST_FRAME 3760
#define QUEUES 64   // of a device; what others take is the kernel's
#define WORKERS 64  // of a tunnel
#define KERNEL 0
#define TUNNEL 1

// The Ethernet address that a router is addressed by, and the largest packet in bytes that the tunnel takes unbroken.
struct gateway {
    __u16 address[3];
    __u16 mtu;
};

struct {
    __uint(type, BPF_MAP_TYPE_ARRAY);
    __uint(max_entries, 1);
    __type(key, __u32);
    __type(value, struct gateway);
} gateways SEC(".maps");

// Whose a destination is: KERNEL or TUNNEL; what no prefix covers is the kernel's.
struct prefix4 {
    __u32 length;
    __be32 address;
};

struct {
    __uint(type, BPF_MAP_TYPE_LPM_TRIE);
    __uint(map_flags, BPF_F_NO_PREALLOC);
    __uint(max_entries, 1 << 21);
    __type(key, struct prefix4);
    __type(value, __u32);
} owners4 SEC(".maps");

struct prefix6 {
    __u32 length;
    __u8 address[16];
};

struct {
    __uint(type, BPF_MAP_TYPE_LPM_TRIE);
    __uint(map_flags, BPF_F_NO_PREALLOC);
    __uint(max_entries, 1 << 21);
    __type(key, struct prefix6);
    __type(value, __u32);
} owners6 SEC(".maps");

// Addresses and prefixes of this machine itself, in the kernel's table `local`. As sources they are lies, of which the kernel thinks what it will.
struct {
    __uint(type, BPF_MAP_TYPE_LPM_TRIE);
    __uint(map_flags, BPF_F_NO_PREALLOC);
    __uint(max_entries, 1 << 16);
    __type(key, struct prefix4);
    __type(value, __u32);
} own4 SEC(".maps");

struct {
    __uint(type, BPF_MAP_TYPE_LPM_TRIE);
    __uint(map_flags, BPF_F_NO_PREALLOC);
    __uint(max_entries, 1 << 16);
    __type(key, struct prefix6);
    __type(value, __u32);
} own6 SEC(".maps");

// In the first row the socket of the worker whose the receive queue is; in the row of each worker's number its socket on that queue.
struct {
    __uint(type, BPF_MAP_TYPE_XSKMAP);
    __uint(max_entries, QUEUES * (1 + WORKERS));
    __type(key, __u32);
    __type(value, __u32);
} sockets SEC(".maps");

// Over how many workers flows are spread by their hash; 0 where each queue's worker has all that comes in by it.
struct {
    __uint(type, BPF_MAP_TYPE_ARRAY);
    __uint(max_entries, 1);
    __type(key, __u32);
    __type(value, __u32);
} spread SEC(".maps");

// RFC 1812, section 5.3.7: this network, loopback and multicast are no sources; nor destinations, nor is link-local.
static __always_inline int is_routed4(__be32 address)
{
    __u32 number = bpf_ntohl(address);
    __u32 first = number >> 24;
    return first != 0 && first != 127 && first < 224 && number >> 16 != 0xA9FE;
}

// RFC 4291, section 2.5: unspecified, loopback, IPv4-mapped and link-local addresses and multicast are never routed.
static __always_inline int is_routed6(const __be32 *address)
{
    __u32 first = bpf_ntohl(address[0]);
    return first != 0 && first >> 24 != 0xFF && first >> 22 != 0xFE80 >> 6;
}

static __always_inline __u32 *ipv4_owner(struct ipv4 *ip, void *end, __u16 mtu)
{
    if ((void *)(ip + 1) > end) {
        return 0;
    }

    // The kernel breaks up what is too large and may be broken up.
    if (bpf_ntohs(ip->length) > mtu && !(ip->fragment & bpf_htons(DO_NOT_FRAGMENT))) {
        return 0;
    }

    if (!is_routed4(ip->source) || !is_routed4(ip->destination)) {
        return 0;
    }

    struct prefix4 source = { .length = 32, .address = ip->source };
    if (bpf_map_lookup_elem(&own4, &source)) {
        return 0;
    }

    struct prefix4 key = { .length = 32, .address = ip->destination };
    return bpf_map_lookup_elem(&owners4, &key);
}

static __always_inline __u32 *ipv6_owner(struct ipv6 *ip, void *end)
{
    if ((void *)(ip + 1) > end || ip->next == PROTOCOL_HOP_BY_HOP || !is_routed6(ip->source) || !is_routed6(ip->destination)) {
        return 0;
    }

    struct prefix6 key = { .length = 128 };
    __builtin_memcpy(key.address, ip->source, sizeof(key.address));
    if (bpf_map_lookup_elem(&own6, &key)) {
        return 0;
    }

    __builtin_memcpy(key.address, ip->destination, sizeof(key.address));
    return bpf_map_lookup_elem(&owners6, &key);
}

// Datagrams that the kernel has merged, which it must take apart again. Where a header stands before them nobody merges.
static __always_inline int is_merged_datagram(struct xdp_md *context, const struct hints *hints)
{
    if (hints->protocol != PROTOCOL_UDP || (hints->present & (HINT_OPTIONS | HINT_FRAGMENT)) || !is_generic()) {
        return 0;
    }

    void *end = (void *)(long)context->data_end;
    void *network = (void *)(long)context->data + sizeof(struct ethernet);
    struct udp *udp;
    if (hints->version == 4) {
        struct ipv4 *ip = network;
        udp = (void *)(ip + 1);
        return (void *)(udp + 1) <= end && is_unfinished(addresses4(ip), udp);
    }

    struct ipv6 *ip = network;
    udp = (void *)(ip + 1);
    return (void *)(udp + 1) <= end && is_unfinished(addresses6(ip), udp);
}

// Whether the sender will be told that this packet goes no farther. That takes a worker with a queue to transmit on: the one whose the receive queue is.
static __always_inline int is_answered(void *network, void *end, __u8 version, __u16 mtu)
{
    struct ipv4 *four = network;
    if (version == 4) {
        return (void *)(four + 1) > end || four->ttl <= 1 || bpf_ntohs(four->length) > mtu;
    }

    struct ipv6 *six = network;
    return (void *)(six + 1) > end || six->hop_limit <= 1 || sizeof(*six) + bpf_ntohs(six->length) > mtu;
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
    void *end = (void *)(long)context->data_end;
    __u16 *destination = (void *)(long)context->data;
    if ((void *)destination + sizeof(struct ethernet) > end || exceeds(context, bpf_xdp_get_buff_len(context), LARGEST_FRAME)) {
        return XDP_PASS;
    }

    __u32 zero = 0;
    struct gateway *gateway = bpf_map_lookup_elem(&gateways, &zero);
    if (!gateway || destination[0] != gateway->address[0] || destination[1] != gateway->address[1] || destination[2] != gateway->address[2]) {
        return XDP_PASS;
    }

    struct hints hints = {};
    dissect_frame(context, &hints);
    end = (void *)(long)context->data_end;
    if (!(hints.present & HINT_NETWORK) || hints.tags) {
        return XDP_PASS;
    }

    // Without tags the IP header stands behind the Ethernet header.
    void *network = (void *)(long)context->data + sizeof(struct ethernet);
    __u32 *owner = 0;
    if (hints.version == 6) {
        owner = ipv6_owner(network, end);
    } else if (!(hints.present & HINT_OPTIONS)) {
        owner = ipv4_owner(network, end, gateway->mtu);
    }

    if (!owner || *owner != TUNNEL || is_merged_datagram(context, &hints)) {
        return XDP_PASS;
    }

    __u32 slot = context->rx_queue_index;
    if (slot >= QUEUES) {
        return XDP_PASS;
    }

    int answered = is_answered(network, end, hints.version, gateway->mtu);

    hints_complete(context, &hints, bound);

    // Without room for them the frame goes alone, and its reader looks for itself.
    hints_write(context, &hints);

    __u32 *workers = bpf_map_lookup_elem(&spread, &zero);
    if (workers && *workers && *workers <= WORKERS && !answered) {
        slot += (1 + hints.hash % *workers) * QUEUES;
    }

    // No socket on this queue: the flags are the verdict.
    return bpf_redirect_map(&sockets, slot, XDP_PASS);
}

// For any device and mode.
SEC("xdp")
int inner(struct xdp_md *context)
{
    return take(context, 0);
}

// For one device that it is bound to, which is asked for what it knows.
SEC("xdp")
int inner_bound(struct xdp_md *context)
{
    return take(context, 1);
}

// The kernel lends functions of its own only to programs whose licence goes with its.
char licence[] SEC("license") = "Dual MIT/GPL";

// The inner side of the AF_XDP path, on a device of a local network: takes whole IPv4 and IPv6 packets that are sent to this
// device and go to a peer of the tunnel to the socket of the queue they came in on. Everything else, and what no socket is
// bound for, goes to the kernel untouched: ARP, neighbour discovery, multicast, broadcast, tagged frames, options, packets for
// this machine, and what the kernel is to break up. Built by native/xdp/build.
#include <linux/bpf.h>
#include <bpf/bpf_endian.h>
#include <bpf/bpf_helpers.h>

#define ETHERTYPE_IPV4 0x0800
#define ETHERTYPE_IPV6 0x86DD
#define DO_NOT_FRAGMENT 0x4000
#define HOP_BY_HOP 0
// What a chunk of 4 KiB holds behind the 304 bytes that stay free, less 32 for what sealing appends.
#define LARGEST_FRAME 3760
#define KERNEL 0
#define TUNNEL 1

struct ethernet {
    __u16 destination[3];
    __u16 source[3];
    __be16 type;
};

struct ipv4 {
    __u8 version_length;
    __u8 traffic_class;
    __be16 length;
    __be16 identification;
    __be16 fragment;
    __u8 ttl;
    __u8 protocol;
    __be16 checksum;
    __u8 source[4];
    __u8 destination[4];
};

struct ipv6 {
    __u8 version_class;
    __u8 class_flow[3];
    __be16 length;
    __u8 next;
    __u8 hop_limit;
    __u8 source[16];
    __u8 destination[16];
};

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
    __u8 address[4];
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

// One socket a receive queue.
struct {
    __uint(type, BPF_MAP_TYPE_XSKMAP);
    __uint(max_entries, 256);
    __type(key, __u32);
    __type(value, __u32);
} sockets SEC(".maps");

static __always_inline __u32 *ipv4_owner(struct ipv4 *ip, void *end, __u16 mtu)
{
    if ((void *)(ip + 1) > end || ip->version_length != 0x45) {
        return 0;
    }

    __u32 length = bpf_ntohs(ip->length);
    if (length < sizeof(*ip) || length > end - (void *)ip) {
        return 0;
    }

    // The kernel breaks up what is too large and may be broken up.
    if (length > mtu && !(ip->fragment & bpf_htons(DO_NOT_FRAGMENT))) {
        return 0;
    }

    // RFC 1812, section 5.3.7: this network, loopback and multicast are no sources; nor destinations, nor is link-local.
    __u8 from = ip->source[0];
    __u8 to = ip->destination[0];
    if (from == 0 || from == 127 || from >= 224 || to == 0 || to == 127 || to >= 224
        || (from == 169 && ip->source[1] == 254) || (to == 169 && ip->destination[1] == 254)) {
        return 0;
    }

    struct prefix4 key = { .length = 32 };
    __builtin_memcpy(key.address, ip->destination, sizeof(key.address));
    return bpf_map_lookup_elem(&owners4, &key);
}

static __always_inline __u32 *ipv6_owner(struct ipv6 *ip, void *end)
{
    if ((void *)(ip + 1) > end || ip->version_class >> 4 != 6 || ip->next == HOP_BY_HOP) {
        return 0;
    }

    if ((long)sizeof(*ip) + bpf_ntohs(ip->length) > end - (void *)ip) {
        return 0;
    }

    // RFC 4291, section 2.5: unspecified, loopback, IPv4-mapped and link-local addresses and multicast are never routed.
    __u8 from = ip->source[0];
    __u8 to = ip->destination[0];
    if (!(from | ip->source[1] | ip->source[2] | ip->source[3]) || !(to | ip->destination[1] | ip->destination[2] | ip->destination[3])
        || from == 0xFF || to == 0xFF
        || (from == 0xFE && (ip->source[1] & 0xC0) == 0x80) || (to == 0xFE && (ip->destination[1] & 0xC0) == 0x80)) {
        return 0;
    }

    struct prefix6 key = { .length = 128 };
    __builtin_memcpy(key.address, ip->destination, sizeof(key.address));
    return bpf_map_lookup_elem(&owners6, &key);
}

SEC("xdp")
int inner(struct xdp_md *context)
{
    void *end = (void *)(long)context->data_end;
    struct ethernet *ethernet = (void *)(long)context->data;
    if ((void *)(ethernet + 1) > end || end - (void *)ethernet > LARGEST_FRAME) {
        return XDP_PASS;
    }

    __u32 zero = 0;
    struct gateway *gateway = bpf_map_lookup_elem(&gateways, &zero);
    if (!gateway || ethernet->destination[0] != gateway->address[0] || ethernet->destination[1] != gateway->address[1]
        || ethernet->destination[2] != gateway->address[2]) {
        return XDP_PASS;
    }

    __u32 *owner = 0;
    if (ethernet->type == bpf_htons(ETHERTYPE_IPV4)) {
        owner = ipv4_owner((void *)(ethernet + 1), end, gateway->mtu);
    } else if (ethernet->type == bpf_htons(ETHERTYPE_IPV6)) {
        owner = ipv6_owner((void *)(ethernet + 1), end);
    }

    if (!owner || *owner != TUNNEL) {
        return XDP_PASS;
    }

    // No socket on this queue: the flags are the verdict.
    return bpf_redirect_map(&sockets, context->rx_queue_index, XDP_PASS);
}

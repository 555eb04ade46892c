// The outer side of the AF_XDP path: takes whole UDP datagrams to one local address and port to the socket of the queue they
// came in on. Everything else, and what no socket is bound for, goes to the kernel untouched. Built by native/xdp/build.
#include <linux/bpf.h>
#include <bpf/bpf_endian.h>
#include <bpf/bpf_helpers.h>

#define ETHERTYPE_IPV4 0x0800
#define ETHERTYPE_IPV6 0x86DD
#define ETHERTYPE_VLAN 0x8100
#define ETHERTYPE_QINQ 0x88A8
#define PROTOCOL_UDP 17
#define MORE_FRAGMENTS_OR_OFFSET 0x3FFF
// What a chunk of 4 KiB holds behind the 256 bytes that the kernel keeps free.
#define LARGEST_FRAME 3840

struct ethernet {
    __u8 addresses[12];
    __be16 type;
};

struct vlan {
    __be16 tag;
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
    __be32 version_class_flow;
    __be16 length;
    __u8 next;
    __u8 hop_limit;
    __u8 source[16];
    __u8 destination[16];
};

struct udp {
    __be16 source;
    __be16 destination;
    __be16 length;
    __be16 checksum;
};

// A local address and a port we listen on. An IPv4 address stands in the first four bytes, the others are zero.
struct listen_key {
    __u8 address[16];
    __be16 port;
    __be16 ethertype;
};

struct {
    __uint(type, BPF_MAP_TYPE_HASH);
    __uint(max_entries, 1024);
    __type(key, struct listen_key);
    __type(value, __u32);
} listen_on SEC(".maps");

// One socket a receive queue.
struct {
    __uint(type, BPF_MAP_TYPE_XSKMAP);
    __uint(max_entries, 256);
    __type(key, __u32);
    __type(value, __u32);
} sockets SEC(".maps");

SEC("xdp")
int outer(struct xdp_md *context)
{
    void *end = (void *)(long)context->data_end;
    struct ethernet *ethernet = (void *)(long)context->data;
    if ((void *)(ethernet + 1) > end || end - (void *)ethernet > LARGEST_FRAME) {
        return XDP_PASS;
    }

    void *next = ethernet + 1;
    __be16 type = ethernet->type;
#pragma unroll
    for (int tags = 0; tags < 2; tags++) {
        if (type != bpf_htons(ETHERTYPE_VLAN) && type != bpf_htons(ETHERTYPE_QINQ)) {
            break;
        }

        struct vlan *vlan = next;
        if ((void *)(vlan + 1) > end) {
            return XDP_PASS;
        }

        type = vlan->type;
        next = vlan + 1;
    }

    struct listen_key key = {};
    key.ethertype = type;
    if (type == bpf_htons(ETHERTYPE_IPV4)) {
        struct ipv4 *ip = next;
        if ((void *)(ip + 1) > end) {
            return XDP_PASS;
        }

        // Options and fragments are the kernel's.
        if (ip->version_length != 0x45 || ip->protocol != PROTOCOL_UDP || (ip->fragment & bpf_htons(MORE_FRAGMENTS_OR_OFFSET))) {
            return XDP_PASS;
        }

        __builtin_memcpy(key.address, ip->destination, 4);
        next = ip + 1;
    } else if (type == bpf_htons(ETHERTYPE_IPV6)) {
        struct ipv6 *ip = next;
        // An extension header, a fragment's too, stands before UDP: not ours.
        if ((void *)(ip + 1) > end || ip->next != PROTOCOL_UDP) {
            return XDP_PASS;
        }

        __builtin_memcpy(key.address, ip->destination, 16);
        next = ip + 1;
    } else {
        return XDP_PASS;
    }

    struct udp *udp = next;
    if ((void *)(udp + 1) > end) {
        return XDP_PASS;
    }

    key.port = udp->destination;
    if (!bpf_map_lookup_elem(&listen_on, &key)) {
        return XDP_PASS;
    }

    // No socket on this queue: the flags are the verdict.
    return bpf_redirect_map(&sockets, context->rx_queue_index, XDP_PASS);
}

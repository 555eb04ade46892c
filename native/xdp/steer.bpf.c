// Which worker a packet goes to where the kernel's stack has it: a datagram to the socket of its session's owner, an inner packet by its flow to a
// queue of the TUN device. Built by native/xdp/build.
#include <linux/bpf.h>
#include <bpf/bpf_endian.h>
#include <bpf/bpf_helpers.h>

#define ETHERTYPE_IPV6 0x86DD
#define UDP_HEADER 8

// Where the IPv6 sockets begin in `sockets`.
#define IPV6_SOCKETS 64

#define PROTOCOL_TCP 6
#define PROTOCOL_UDP 17
#define IPV4_FRAGMENT 0x3FFF
#define MULTIPLIER 0x9E3779B1

// As in outer.bpf.c.
struct session_key {
    __u32 index;
    __u32 tunnel;
};

struct session {
    __u32 mark;
    __u16 queue;
    __u16 worker;
    __u64 packets;
    __u64 elsewhere;
    __u32 seen;
    __u32 reserved;
};

struct {
    __uint(type, BPF_MAP_TYPE_HASH);
    __uint(map_flags, BPF_F_NO_PREALLOC);
    __uint(max_entries, 262144);
    __type(key, struct session_key);
    __type(value, struct session);
} sessions SEC(".maps");

struct {
    __uint(type, BPF_MAP_TYPE_REUSEPORT_SOCKARRAY);
    __uint(max_entries, 2 * IPV6_SOCKETS);
    __type(key, __u32);
    __type(value, __u64);
} sockets SEC(".maps");

// What names no session of ours goes where the kernel's hash of its addresses says.
SEC("sk_reuseport")
int select_socket(struct sk_reuseport_md *datagram)
{
    __u32 words[3];  // in the order of the processor, which is little-endian wherever this runs
    if (bpf_skb_load_bytes(datagram, UDP_HEADER, words, sizeof(words)) < 0) {
        return SK_PASS;
    }

    __u32 type = words[0];
    __u32 receiver = type == 2 ? words[2] : words[1];
    if (type < 2 || type > 4) {
        return SK_PASS;
    }

    struct session_key key = { .index = receiver };
    struct session *session = bpf_map_lookup_elem(&sessions, &key);
    if (!session || session->worker >= IPV6_SOCKETS) {
        return SK_PASS;
    }

    if (type == 4) {
        __sync_fetch_and_add(&session->packets, 1);
    }

    __u32 place = session->worker + (datagram->eth_protocol == bpf_htons(ETHERTYPE_IPV6) ? IPV6_SOCKETS : 0);
    bpf_sk_select_reuseport(datagram, &sockets, &place, 0);
    return SK_PASS;
}

static __always_inline __u32 mix(__u32 hash, __u32 word)
{
    hash = (hash ^ word) * MULTIPLIER;
    return hash ^ (hash >> 15);
}

// All packets of a flow have one number, and the kernel takes it modulo the queues. Fragments go by their addresses, since only the first of them has ports.
SEC("socket")
int select_queue(struct __sk_buff *packet)
{
    __u32 head[10];
    __u32 hash = 0;
    __u32 transport;
    __u32 protocol;
    if (bpf_skb_load_bytes(packet, 0, head, 20) < 0) {
        return 0;
    }

    __u8 *bytes = (__u8 *)head;
    if (bytes[0] >> 4 == 4) {
        hash = mix(mix(hash, head[3]), head[4]);
        protocol = bytes[9];
        transport = (bytes[0] & 15) * 4;
        if (head[1] & bpf_htonl(IPV4_FRAGMENT)) {
            return hash;
        }
    } else {
        if (bpf_skb_load_bytes(packet, 0, head, 40) < 0) {
            return 0;
        }

        for (int i = 2; i < 10; i++) {
            hash = mix(hash, head[i]);
        }

        protocol = bytes[6];
        transport = 40;
    }

    __u32 ports;
    if ((protocol != PROTOCOL_TCP && protocol != PROTOCOL_UDP) || bpf_skb_load_bytes(packet, transport, &ports, sizeof(ports)) < 0) {
        return hash;
    }

    return mix(hash, ports);
}

char licence[] SEC("license") = "Dual MIT/GPL";

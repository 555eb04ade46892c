// The XDP programs of the limit that bench-xdp measures: take (frames to the socket of their queue), count (counts data and drops it), make (sends
// what it is run on out of a device), hold (keeps sealed data and drops it), release (sends what was kept out of a device). Compiled by the benchmark, never shipped.
#include <linux/bpf.h>
#include <linux/pkt_cls.h>
#include <bpf/bpf_endian.h>
#include <bpf/bpf_helpers.h>

#define ETHERTYPE_IPV4 0x0800
#define PROTOCOL_UDP 17
#define WIREGUARD_DATA 4

struct headers {
    __u8 macs[12];
    __be16 ethertype;
    __u8 version_length;
    __u8 before_protocol[8];
    __u8 protocol;
    __u8 rest_of_ip[10];
    __be16 source;
    __be16 destination;
    __be32 length_checksum;
} __attribute__((packed));

// Set before loading: struct constants of bench.h.
const volatile struct {
    __u32 target;
    __u32 tunnel_port;
} constants;

struct {
    __uint(type, BPF_MAP_TYPE_XSKMAP);
    __uint(max_entries, 1);
    __type(key, __u32);
    __type(value, __u32);
} sockets SEC(".maps");

struct {
    __uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
    __uint(max_entries, 1);
    __type(key, __u32);
    __type(value, __u64);
} counted SEC(".maps");

static struct headers *udp_over_ipv4(struct xdp_md *context)
{
    struct headers *headers = (void *)(long)context->data;
    if ((void *)(headers + 1) > (void *)(long)context->data_end || headers->ethertype != bpf_htons(ETHERTYPE_IPV4) ||
        headers->version_length != 0x45 || headers->protocol != PROTOCOL_UDP) {
        return 0;
    }

    return headers;
}

SEC("xdp")
int take(struct xdp_md *context)
{
    return udp_over_ipv4(context) ? bpf_redirect_map(&sockets, context->rx_queue_index, XDP_PASS) : XDP_PASS;
}

SEC("xdp")
int count(struct xdp_md *context)
{
    struct headers *headers = udp_over_ipv4(context);
    if (!headers) {
        return XDP_PASS;
    }

    // Handshakes go on to the tunnel behind this device.
    if (headers->destination == bpf_htons((__u16)constants.tunnel_port)) {
        __u8 *type = (void *)(headers + 1);
        if ((void *)(type + 1) > (void *)(long)context->data_end || *type != WIREGUARD_DATA) {
            return XDP_PASS;
        }
    }

    __u32 first = 0;
    __u64 *counter = bpf_map_lookup_elem(&counted, &first);
    if (counter) {
        ++*counter;
    }

    return XDP_DROP;
}

// How many frames were sent; one processor sends.
struct {
    __uint(type, BPF_MAP_TYPE_ARRAY);
    __uint(max_entries, 1);
    __type(key, __u32);
    __type(value, __u64);
} made SEC(".maps");

static int leave(void)
{
    __u32 first = 0;
    __u64 *frames = bpf_map_lookup_elem(&made, &first);
    if (frames) {
        ++*frames;
    }

    return bpf_redirect(constants.target, 0);
}

SEC("xdp")
int make(struct xdp_md *context)
{
    (void)context;
    return leave();
}

// Sealed frames, each of which a receiver takes only once. The number of entries is set before loading.
struct held {
    __u8 bytes[1536];
};

struct {
    __uint(type, BPF_MAP_TYPE_ARRAY);
    __uint(max_entries, 1);
    __type(key, __u32);
    __type(value, struct held);
} held SEC(".maps");

// How many were kept; one processor does that.
struct {
    __uint(type, BPF_MAP_TYPE_ARRAY);
    __uint(max_entries, 1);
    __type(key, __u32);
    __type(value, __u32);
} kept SEC(".maps");

// Nanoseconds: when sending began (CLOCK_MONOTONIC), and from one frame to the next.
struct pace {
    __u64 began;
    __u64 interval;
};

struct {
    __uint(type, BPF_MAP_TYPE_ARRAY);
    __uint(max_entries, 1);
    __type(key, __u32);
    __type(value, struct pace);
} pace SEC(".maps");

// What leaves a device is kept instead, if it is as long as a frame of sealed data. constants.tunnel_port is those bytes here.
SEC("tc")
int hold(struct __sk_buff *skb)
{
    __u32 length = constants.tunnel_port, first = 0;
    if (skb->len != length || length < sizeof(struct headers) || length > sizeof(struct held)) {
        return TC_ACT_OK;
    }

    __u32 *count = bpf_map_lookup_elem(&kept, &first);
    struct held *frame = count ? bpf_map_lookup_elem(&held, count) : 0;
    if (frame && !bpf_skb_load_bytes(skb, 0, frame->bytes, length)) {
        ++*count;
    }

    return TC_ACT_SHOT;
}

// 64 at a time, as a device hands them over: each burst leaves when its first frame is due.
SEC("xdp")
int release(struct xdp_md *context)
{
    __u32 first = 0;
    __u32 *most = bpf_map_lookup_elem(&kept, &first);
    __u64 *sent = bpf_map_lookup_elem(&made, &first);
    struct pace *due = bpf_map_lookup_elem(&pace, &first);
    if (!most || !sent || !due || *sent >= *most) {
        return XDP_DROP;
    }

    if (*sent % 64 == 0 && bpf_ktime_get_ns() < due->began + *sent * due->interval) {
        return XDP_DROP;
    }

    __u32 next = (__u32)*sent;
    struct held *frame = bpf_map_lookup_elem(&held, &next);
    // Read here: the verifier forgets its bounds over the calls above.
    __u32 length = constants.tunnel_port;
    if (!frame || length < sizeof(struct headers) || length > sizeof(struct held) || bpf_xdp_store_bytes(context, 0, frame->bytes, length)) {
        return XDP_DROP;
    }

    return leave();
}

// The same for frames of a flood: each from another address of 198.18.0.0/15 and another port, and to another receiver index where it is data
// with an index that is not 01010101.
SEC("xdp")
int assail(struct xdp_md *context)
{
    struct headers *headers = (void *)(long)context->data;
    __u32 *message = (void *)(headers + 1);
    if ((void *)(message + 2) > (void *)(long)context->data_end) {
        return XDP_ABORTED;
    }

    // Two words of the IP header that change by what is added to one and taken from the other: the checksum stays.
    __u32 random = bpf_get_prandom_u32();
    __u16 *words = (void *)headers + 14;
    words[2] = (__u16)random;
    words[7] = (__u16)~random;
    headers->source = (__be16)(random >> 16);
    if (message[0] == WIREGUARD_DATA && message[1] != 0x01010101) {
        message[1] = random | 0x80000000;
    }

    return leave();
}

SEC("xdp")
int discard(struct xdp_md *context)
{
    (void)context;
    return XDP_DROP;
}

char terms[] SEC("license") = "GPL";

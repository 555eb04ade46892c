// The three XDP programs of the limit that bench-xdp measures: take (frames to the socket of their queue), count (counts data and drops it),
// make (sends what it is run on out of a device). Compiled by the benchmark, never shipped.
#include <linux/bpf.h>
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

SEC("xdp")
int make(struct xdp_md *context)
{
    (void)context;
    return bpf_redirect(constants.target, 0);
}

char terms[] SEC("license") = "GPL";

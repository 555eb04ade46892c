// Which frames the sockets do not take, and so are the kernel's: too large ones, and those that it has merged. Include after hints.h.
#ifndef TUNNELBOX_FRAMES_H
#define TUNNELBOX_FRAMES_H

// A frame of Ethernet's ordinary size, and a header with two tags.
#define ORDINARY_FRAME 1514
#define LONGEST_HEADER 22

// The largest frame that the sockets take in several chunks; 0 where they take none that exceeds one chunk.
struct {
    __uint(type, BPF_MAP_TYPE_ARRAY);
    __uint(max_entries, 1);
    __type(key, __u32);
    __type(value, __u32);
} largest SEC(".maps");

// 1 where the device's driver does not run the program, and the kernel does so in its stead.
struct {
    __uint(type, BPF_MAP_TYPE_ARRAY);
    __uint(max_entries, 1);
    __type(key, __u32);
    __type(value, __u32);
} generic SEC(".maps");

// Whether the kernel merged several packets into this frame: a generic device's program runs behind GRO, and sees what local senders leave to
// be segmented (GSO). Such a frame is longer than the device's MTU allows, and only the kernel can take it apart again.
static __always_inline int is_merged(struct xdp_md *context, __u32 bytes)
{
    __u32 mtu = 0;
    bpf_check_mtu(context, 0, &mtu, 0, 0);
    return mtu && bytes > mtu + LONGEST_HEADER;
}

// Whether a frame is too large, where a chunk holds one of so many bytes.
static __always_inline int exceeds(struct xdp_md *context, __u32 bytes, __u32 chunk)
{
    if (bytes <= ORDINARY_FRAME) {
        return 0;
    }

    if (is_merged(context, bytes)) {
        return 1;
    }

    if (bytes <= chunk) {
        return 0;
    }

    __u32 zero = 0;
    __u32 *most = bpf_map_lookup_elem(&largest, &zero);
    return !most || bytes > *most;
}

static __always_inline int is_generic(void)
{
    __u32 zero = 0;
    __u32 *value = bpf_map_lookup_elem(&generic, &zero);
    return value && *value;
}

static __always_inline __u64 addresses4(const struct ipv4 *ip)
{
    return (__u64)ip->source + ip->destination;
}

static __always_inline __u64 addresses6(const struct ipv6 *ip)
{
    __u64 sum = 0;
#pragma unroll
    for (int word = 0; word < 4; word++) {
        sum += (__u64)ip->source[word] + ip->destination[word];
    }

    return sum;
}

// Whether a datagram's checksum is still to be made: it is the sum of the pseudo header alone. Small datagrams that the kernel merged, or that a local sender
// leaves to be segmented, can be shorter together than the MTU; of those all this is true, and only the kernel can take them apart. Once in 65,536 it is
// true of another one, which then goes by the kernel, too.
static __always_inline int is_unfinished(__u64 addresses, const struct udp *udp)
{
    __u64 sum = addresses + bpf_htons(PROTOCOL_UDP) + udp->length;
    sum = (sum & 0xFFFFFFFF) + (sum >> 32);
    sum = (sum & 0xFFFF) + (sum >> 16);
    sum = (sum & 0xFFFF) + (sum >> 16);
    sum = (sum & 0xFFFF) + (sum >> 16);
    return udp->checksum == (__u16)sum;
}

#endif

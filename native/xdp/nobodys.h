// The short way of a flood: data with an index that is nobody's, found out without calling any function of the kernel's, so that dropping it costs little
// more than the kernel's own way to the program. It drops only what the long way would, which has the last word on everything else. Include after hints.h.
#ifndef TUNNELBOX_NOBODYS_H
#define TUNNELBOX_NOBODYS_H

// IndexFilter.cs: as many bits as the low bits of a receiver index tell apart.
#define FILTER_WORDS 8192
// LocalAddresses.cs: the first addresses of each family that we listen on; the long way knows all of them.
#define SHORT_LOCALS 4

// A bit of it is set where an index in `sessions`, of whatever tunnel, ends in the bit's number. Written by the process, in this very memory.
struct filter {
    __u64 words[FILTER_WORDS];
};

struct {
    __uint(type, BPF_MAP_TYPE_ARRAY);
    __uint(map_flags, BPF_F_MMAPABLE);
    __uint(max_entries, 1);
    __type(key, __u32);
    __type(value, struct filter);
} filter SEC(".maps");

struct local4 {
    __be32 address;
    __u32 port;    // 16 bits as they stand in the header; all ones in an entry that holds nothing
    __u32 tunnel;
};

struct local6 {
    __u64 address[2];
    __u32 port;
    __u32 tunnel;
};

struct locals {
    struct local6 six[SHORT_LOCALS];
    struct local4 four[SHORT_LOCALS];
};

struct {
    __uint(type, BPF_MAP_TYPE_ARRAY);
    __uint(max_entries, 1);
    __type(key, __u32);
    __type(value, struct locals);
} locals SEC(".maps");

#define NO_TUNNEL 0xFFFFFFFF

static __always_inline int is_known(__u32 index)
{
    __u32 zero = 0;
    struct filter *all = bpf_map_lookup_elem(&filter, &zero);
    return !all || all->words[(index >> 6) & (FILTER_WORDS - 1)] >> (index & 63) & 1;
}

static __always_inline __u32 tunnel_of4(const struct locals *ours, __be32 address, __be16 port)
{
#pragma unroll
    for (int i = 0; i < SHORT_LOCALS; i++) {
        if (ours->four[i].address == address && ours->four[i].port == port) {
            return ours->four[i].tunnel;
        }
    }

    return NO_TUNNEL;
}

static __always_inline __u32 tunnel_of6(const struct locals *ours, const __be32 *address, __be16 port)
{
    __u64 first = address[0] | (__u64)address[1] << 32, last = address[2] | (__u64)address[3] << 32;
#pragma unroll
    for (int i = 0; i < SHORT_LOCALS; i++) {
        if (ours->six[i].address[1] == last && ours->six[i].address[0] == first && ours->six[i].port == port) {
            return ours->six[i].tunnel;
        }
    }

    return NO_TUNNEL;
}

// A data message at the least: its header and the tag of nothing.
#define LEAST_DATA 32

// The tunnel that a whole data message with an index that is nobody's is for, and the bytes of the message; NO_TUNNEL for everything else. The frame must lie
// in one piece, without tags, options and extension headers.
static __always_inline __u32 nobodys(void *data, void *end, __u32 *bytes)
{
    __u32 zero = 0;
    struct locals *ours = bpf_map_lookup_elem(&locals, &zero);
    struct ethernet *ethernet = data;
    struct ipv4 *four = data + sizeof(*ethernet);
    struct udp *udp = (void *)(four + 1);
    __le32 *words = (void *)(udp + 1);
    if (!ours || (void *)words + LEAST_DATA > end) {
        return NO_TUNNEL;
    }

    __u32 room = (__u32)(end - data) - sizeof(*ethernet);
    if (ethernet->type == bpf_htons(ETHERTYPE_IPV4)) {
        __u32 length = bpf_ntohs(four->length), datagram = bpf_ntohs(udp->length);
        if (words[0] != 4 || four->version_length != 0x45 || four->protocol != PROTOCOL_UDP || (four->fragment & bpf_htons(IPV4_MORE_FRAGMENTS | IPV4_FRAGMENT_OFFSET)) ||
            length > room || sizeof(*four) + datagram > length || datagram < sizeof(*udp) + LEAST_DATA || is_known(words[1])) {
            return NO_TUNNEL;
        }

        *bytes = datagram - sizeof(*udp);
        return tunnel_of4(ours, four->destination, udp->destination);
    }

    struct ipv6 *six = data + sizeof(*ethernet);
    udp = (void *)(six + 1);
    words = (void *)(udp + 1);
    if (ethernet->type != bpf_htons(ETHERTYPE_IPV6) || (void *)words + LEAST_DATA > end) {
        return NO_TUNNEL;
    }

    __u32 length = bpf_ntohs(six->length), datagram = bpf_ntohs(udp->length);
    if (words[0] != 4 || (six->version_class_flow & bpf_htonl(0xF0000000)) != bpf_htonl(0x60000000) || six->next != PROTOCOL_UDP ||
        sizeof(*six) + length > room || datagram > length || datagram < sizeof(*udp) + LEAST_DATA || is_known(words[1])) {
        return NO_TUNNEL;
    }

    *bytes = datagram - sizeof(*udp);
    return tunnel_of6(ours, six->destination, udp->destination);
}

#endif

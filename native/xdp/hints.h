// What is known of a frame, in one block in front of it: found once, in the XDP program, and read by everything behind it
// (PacketHints.cs has the same layout). A field is there when its bit stands in `present`; when the bit stands in `device` too,
// the card gave it, else this file computed it. Include after linux/bpf.h, bpf/bpf_helpers.h and bpf/bpf_endian.h.
#ifndef TUNNELBOX_HINTS_H
#define TUNNELBOX_HINTS_H

// "TBH", and the version of the layout.
#define HINTS_MAGIC 0x01484254u

#define HINT_HASH 0x001
#define HINT_TIMESTAMP 0x002
#define HINT_VLAN 0x004
#define HINT_MARK 0x008
#define HINT_NETWORK 0x010
#define HINT_TRANSPORT 0x020
#define HINT_PAYLOAD 0x040
#define HINT_MESSAGE 0x080
#define HINT_RECEIVER 0x100
// What the headers are like, not fields: the packet is part of a larger one; options or extension headers stand in it.
#define HINT_FRAGMENT 0x200
#define HINT_OPTIONS 0x400

struct hints {
    __u32 magic;
    __u16 present;
    __u16 device;
    __u64 timestamp;       // nanoseconds: of the card's clock, or of CLOCK_MONOTONIC where it is not the device's
    __u32 hash;            // the same for all packets of a flow
    __u32 hash_type;       // enum xdp_rss_hash_type of the kernel's include/net/xdp.h
    __u32 mark;            // the flow's mark: what the session's table entry says
    __u32 receiver;        // WireGuard receiver index
    __u16 network;         // where the IP header begins
    __u16 transport;       // where the TCP, UDP or ICMP header begins
    __u16 payload;         // where what it carries begins
    __u16 payload_length;  // bytes of that, as the headers say and the frame holds
    __u16 vlan;            // tag control information of the outermost tag
    __u8 version;          // 4, 6, or 0 for neither
    __u8 protocol;         // of the transport header, or of whatever stands in its place
    __u8 message;          // WireGuard message type 1 to 4; 0 for anything else over UDP
    __u8 tags;             // VLAN tags that stand in the frame
    __u16 queue;           // the receive queue it came in on
};

#define ETHERTYPE_IPV4 0x0800
#define ETHERTYPE_IPV6 0x86DD
#define ETHERTYPE_VLAN 0x8100
#define ETHERTYPE_QINQ 0x88A8
#define PROTOCOL_HOP_BY_HOP 0
#define PROTOCOL_ICMP 1
#define PROTOCOL_TCP 6
#define PROTOCOL_UDP 17
#define PROTOCOL_ROUTING 43
#define PROTOCOL_FRAGMENT 44
#define PROTOCOL_AUTHENTICATION 51
#define PROTOCOL_ICMPV6 58
#define PROTOCOL_DESTINATION 60
#define IPV4_MORE_FRAGMENTS 0x2000
#define IPV4_FRAGMENT_OFFSET 0x1FFF
#define IPV6_FRAGMENT_OFFSET 0xFFF8
#define IPV6_MORE_FRAGMENTS 0x0001
// RFC 8200 lets each extension header stand once, the destination options twice.
#define EXTENSION_HEADERS 7

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
    __be32 source;
    __be32 destination;
};

struct ipv6 {
    __be32 version_class_flow;
    __be16 length;
    __u8 next;
    __u8 hop_limit;
    __be32 source[4];
    __be32 destination[4];
};

struct extension {
    __u8 next;
    __u8 length;
    __be16 fragment;
    __be32 identification;
};

struct udp {
    __be16 source;
    __be16 destination;
    __be16 length;
    __be16 checksum;
};

struct tcp {
    __be16 source;
    __be16 destination;
    __be32 sequence;
    __be32 acknowledged;
    __be16 offset_flags;
    __be16 window;
    __be16 checksum;
    __be16 urgent;
};

// Mixes one word into a hash; the factors are odd, so that no word is lost.
static __always_inline __u32 hints_mix(__u32 hash, __u32 word)
{
    hash ^= word;
    hash *= 0x85EBCA6Bu;
    hash ^= hash >> 13;
    hash *= 0xC2B2AE35u;
    return hash ^ (hash >> 16);
}

// What the UDP payload is as WireGuard (WireMessages.Classify says the same).
static __always_inline void hints_message(void *payload, void *end, struct hints *hints)
{
    __le32 *words = payload;
    if ((void *)(words + 3) > end || hints->payload_length < 12) {
        return;
    }

    // x86 and arm64 are little-endian, and so is BPF there.
    __u32 type = words[0];
    __u16 length = hints->payload_length;
    if (!((type == 4 && length >= 32) || (type == 1 && length == 148) || (type == 2 && length == 92) || (type == 3 && length == 64))) {
        return;
    }

    hints->message = type;
    hints->present |= HINT_MESSAGE;
    if (type != 1) {
        hints->receiver = type == 2 ? words[2] : words[1];
        hints->present |= HINT_RECEIVER;
    }
}

// Where the walk over IPv6 extension headers has come to, counted from the frame's beginning.
struct walk {
    __u32 at;
    __u32 limit;
    __u16 present;
    __u8 protocol;
    __u8 later_fragment;
};

// Farther into a frame no header is looked for; it bounds the verifier's work, too.
#define MOST_HEADERS 4096

// Walks over extension headers to the transport header. A global function: the verifier looks at it once and takes what it gives for
// plain numbers, else it would follow each way through the headers through all that comes after (686,000 instructions looked at instead of 4,300, of at most a million).
__attribute__((noinline)) int hints_skip(struct xdp_md *context, struct walk *walk)
{
    if (!walk) {
        return 0;
    }

    void *data = (void *)(long)context->data;
    void *end = (void *)(long)context->data_end;
    for (int i = 0; i < EXTENSION_HEADERS; i++) {
        if (walk->protocol != PROTOCOL_HOP_BY_HOP && walk->protocol != PROTOCOL_ROUTING && walk->protocol != PROTOCOL_FRAGMENT
            && walk->protocol != PROTOCOL_AUTHENTICATION && walk->protocol != PROTOCOL_DESTINATION) {
            break;
        }

        if (walk->at > MOST_HEADERS) {
            break;
        }

        struct extension *extension = data + walk->at;
        if (walk->later_fragment || (void *)(extension + 1) > end) {
            break;
        }

        __u32 length = 8 + extension->length * 8;
        if (walk->protocol == PROTOCOL_FRAGMENT) {
            length = 8;
            if (extension->fragment & bpf_htons(IPV6_FRAGMENT_OFFSET | IPV6_MORE_FRAGMENTS)) {
                walk->present |= HINT_FRAGMENT;
                walk->later_fragment = (extension->fragment & bpf_htons(IPV6_FRAGMENT_OFFSET)) != 0;
            }
        } else if (walk->protocol == PROTOCOL_AUTHENTICATION) {
            length = 8 + extension->length * 4;
        }

        if (walk->at + length > walk->limit) {
            // It ends nowhere: no transport header can be told.
            break;
        }

        walk->present |= HINT_OPTIONS;
        walk->protocol = extension->next;
        walk->at += length;
        
    }

    return 0;
}

// Fills in all that the frame itself says. Never reads past `end`; what contradicts itself is left out. Answers where the IP
// header and the transport header begin, or null for those that are not there.
static __always_inline void hints_dissect(struct xdp_md *context, void *data, void *end, struct hints *hints, void **network, void **transport)
{
    hints->magic = HINTS_MAGIC;
    *network = 0;
    *transport = 0;
    struct ethernet *ethernet = data;
    if ((void *)(ethernet + 1) > end) {
        return;
    }

    // Counted, not subtracted: so the verifier knows how far it can have come.
    __u32 at = sizeof(*ethernet);
    void *next = data + at;
    __be16 type = ethernet->type;
#pragma unroll
    for (int tag = 0; tag < 2; tag++) {
        if (type != bpf_htons(ETHERTYPE_VLAN) && type != bpf_htons(ETHERTYPE_QINQ)) {
            break;
        }

        struct vlan *vlan = next;
        if ((void *)(vlan + 1) > end) {
            return;
        }

        if (tag == 0) {
            hints->vlan = bpf_ntohs(vlan->tag);
            hints->present |= HINT_VLAN;
        }

        hints->tags++;
        type = vlan->type;
        at += sizeof(*vlan);
        next = data + at;
    }

    // Where the packet ends, and where its headers stand, all counted from the frame's beginning. A large frame may go on in other
    // buffers, beyond `end`.
    __u32 whole = bpf_xdp_get_buff_len(context);
    __u32 limit;
    void *first = next;
    __u32 hash = 0;
    __u8 protocol;
    __u8 later_fragment = 0;
    if (type == bpf_htons(ETHERTYPE_IPV4)) {
        struct ipv4 *ip = next;
        if ((void *)(ip + 1) > end || ip->version_length >> 4 != 4) {
            return;
        }

        __u32 header = (ip->version_length & 15) * 4;
        limit = at + bpf_ntohs(ip->length);
        if (header < sizeof(*ip) || at + header > limit || limit > whole) {
            return;
        }

        hints->network = at;
        hints->version = 4;
        protocol = ip->protocol;
        hash = hints_mix(hints_mix(protocol, ip->source), ip->destination);
        if (header > sizeof(*ip)) {
            hints->present |= HINT_OPTIONS;
        }

        if (ip->fragment & bpf_htons(IPV4_MORE_FRAGMENTS | IPV4_FRAGMENT_OFFSET)) {
            hints->present |= HINT_FRAGMENT;
            later_fragment = (ip->fragment & bpf_htons(IPV4_FRAGMENT_OFFSET)) != 0;
        }

        at += header;
        next = data + at;
    } else if (type == bpf_htons(ETHERTYPE_IPV6)) {
        struct ipv6 *ip = next;
        if ((void *)(ip + 1) > end || (ip->version_class_flow & bpf_htonl(0xF0000000)) != bpf_htonl(0x60000000)) {
            return;
        }

        limit = at + sizeof(*ip) + bpf_ntohs(ip->length);
        if (limit > whole) {
            return;
        }

        hints->network = at;
        hints->version = 6;
        protocol = ip->next;
#pragma unroll
        for (int word = 0; word < 4; word++) {
            hash = hints_mix(hints_mix(hash, ip->source[word]), ip->destination[word]);
        }

        at += sizeof(*ip);
        next = data + at;
        struct walk walk = { .at = at, .limit = limit, .protocol = protocol };
        hints_skip(context, &walk);
        if (walk.at > MOST_HEADERS) {
            return;
        }

        at = walk.at;
        next = data + at;
        protocol = walk.protocol;
        later_fragment = walk.later_fragment;
        hints->present |= walk.present & (HINT_FRAGMENT | HINT_OPTIONS);
        hash = hints_mix(hash, protocol);
    } else {
        return;
    }

    *network = first;
    hints->present |= HINT_NETWORK | HINT_HASH;
    hints->protocol = protocol;
    hints->hash = hash;
    hints->hash_type = 1;
    if (later_fragment || at > limit) {
        return;
    }

    __u32 room = limit - at;
    __u32 header;
    if (protocol == PROTOCOL_UDP) {
        struct udp *udp = next;
        if ((void *)(udp + 1) > end || room < sizeof(*udp)) {
            return;
        }

        header = sizeof(*udp);
        room = hints->present & HINT_FRAGMENT ? room : bpf_ntohs(udp->length) <= room ? bpf_ntohs(udp->length) : 0;
    } else if (protocol == PROTOCOL_TCP) {
        struct tcp *tcp = next;
        if ((void *)(tcp + 1) > end || room < sizeof(*tcp)) {
            return;
        }

        header = (bpf_ntohs(tcp->offset_flags) >> 12) * 4;
        if (header < sizeof(*tcp)) {
            return;
        }
    } else if (protocol == (hints->version == 4 ? PROTOCOL_ICMP : PROTOCOL_ICMPV6)) {
        header = 8;
        if (next + 8 > end || room < header) {
            return;
        }
    } else {
        return;
    }

    *transport = next;
    hints->transport = at;
    hints->present |= HINT_TRANSPORT;

    // Ports part flows only where every packet of the flow has them: fragments do not.
    if (!(hints->present & HINT_FRAGMENT) && (protocol == PROTOCOL_UDP || protocol == PROTOCOL_TCP)) {
        hints->hash = hints_mix(hash, *(__u32 *)next);
        hints->hash_type = 9;
    }

    if ((hints->present & HINT_FRAGMENT) || room < header) {
        return;
    }

    hints->payload = at + header;
    hints->payload_length = room - header;
    hints->present |= HINT_PAYLOAD;
    if (protocol == PROTOCOL_UDP) {
        hints_message(next + sizeof(struct udp), end, hints);
    }
}

// The names are the kernel's (include/net/xdp.h), which compares them; values are used as they come.
enum xdp_rss_hash_type {
    XDP_RSS_TYPE_NONE = 0,
};

// Each is there only where the kernel's metadata kfuncs are (6.3; the tag 6.8), for a program bound to its device.
extern int bpf_xdp_metadata_rx_hash(const struct xdp_md *context, __u32 *hash, enum xdp_rss_hash_type *type) __ksym __weak;
extern int bpf_xdp_metadata_rx_timestamp(const struct xdp_md *context, __u64 *timestamp) __ksym __weak;
extern int bpf_xdp_metadata_rx_vlan_tag(const struct xdp_md *context, __be16 *protocol, __u16 *tag) __ksym __weak;

// What the card knows better, for device-bound programs alone: the kernel refuses these calls to any other.
static __always_inline void hints_from_device(struct xdp_md *context, struct hints *hints)
{
    __u32 hash = 0;
    enum xdp_rss_hash_type type = XDP_RSS_TYPE_NONE;
    if (bpf_xdp_metadata_rx_hash && !bpf_xdp_metadata_rx_hash(context, &hash, &type) && type) {
        hints->hash = hash;
        hints->hash_type = type;
        hints->present |= HINT_HASH;
        hints->device |= HINT_HASH;
    }

    __u64 timestamp = 0;
    // veth answers 0 with success for a packet that no card has stamped.
    if (bpf_xdp_metadata_rx_timestamp && !bpf_xdp_metadata_rx_timestamp(context, &timestamp) && timestamp) {
        hints->timestamp = timestamp;
        hints->present |= HINT_TIMESTAMP;
        hints->device |= HINT_TIMESTAMP;
    }

    __be16 protocol = 0;
    __u16 tag = 0;
    if (bpf_xdp_metadata_rx_vlan_tag && !bpf_xdp_metadata_rx_vlan_tag(context, &protocol, &tag)) {
        hints->vlan = tag;
        hints->present |= HINT_VLAN;
        hints->device |= HINT_VLAN;
    }
}

// What stands in no frame: from the device where the program is bound to it, else from the kernel.
static __always_inline void hints_complete(struct xdp_md *context, struct hints *hints, int bound)
{
    hints->queue = context->rx_queue_index;
    if (bound) {
        hints_from_device(context, hints);
    }

    if (!(hints->present & HINT_TIMESTAMP)) {
        hints->timestamp = bpf_ktime_get_ns();
        hints->present |= HINT_TIMESTAMP;
    }
}

// Puts the block in front of the frame; returns whether there was room. Pointers into the frame are void afterwards.
static __always_inline int hints_write(struct xdp_md *context, const struct hints *hints)
{
    if (bpf_xdp_adjust_meta(context, -(int)sizeof(*hints))) {
        return 0;
    }

    struct hints *block = (void *)(long)context->data_meta;
    if ((void *)(block + 1) > (void *)(long)context->data) {
        return 0;
    }

    *block = *hints;
    return 1;
}

#endif

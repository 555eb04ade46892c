// Counts frames that a program redirected to an AF_XDP socket and that never got there: the program itself cannot know, since
// bpf_redirect_map answers before the kernel tries. The kernel tells of each by the tracepoint xdp:xdp_redirect_err
// (include/trace/events/xdp.h). What the socket counts itself (XDP_STATISTICS) is left out. Built by native/xdp/build.
#include <linux/bpf.h>
#include <bpf/bpf_helpers.h>

#define ENOMEM 12    // the fill ring is empty: rx_dropped
#define ENOSPC 28    // larger than a chunk: rx_dropped
#define ENOBUFS 105  // the RX ring is full: rx_ring_full

// The arguments of the tracepoint.
#define ARGUMENT_ERROR 3
#define ARGUMENT_MAP 5

// The number of the map of sockets that is watched.
struct {
    __uint(type, BPF_MAP_TYPE_ARRAY);
    __uint(max_entries, 1);
    __type(key, __u32);
    __type(value, __u32);
} watched SEC(".maps");

struct {
    __uint(type, BPF_MAP_TYPE_ARRAY);
    __uint(max_entries, 1);
    __type(key, __u32);
    __type(value, __u64);
} failures SEC(".maps");

SEC("raw_tp/xdp_redirect_err")
int redirects(struct bpf_raw_tracepoint_args *context)
{
    __u32 zero = 0;
    __u32 *map = bpf_map_lookup_elem(&watched, &zero);
    __u64 *count = bpf_map_lookup_elem(&failures, &zero);
    int error = -(int)context->args[ARGUMENT_ERROR];
    if (!map || !count || (__u32)context->args[ARGUMENT_MAP] != *map || error == ENOMEM || error == ENOSPC || error == ENOBUFS) {
        return 0;
    }

    __sync_fetch_and_add(count, 1);
    return 0;
}

// The kernel lends functions of its own only to programs whose licence goes with its.
char licence[] SEC("license") = "Dual MIT/GPL";

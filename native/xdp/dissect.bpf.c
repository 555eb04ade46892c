// Writes the hints of every frame in front of it and lets it pass: what the tests compare with their own reading of a frame.
// Built by native/xdp/build.
#include <linux/bpf.h>
#include <bpf/bpf_endian.h>
#include <bpf/bpf_helpers.h>
#include "hints.h"

SEC("xdp")
int dissect(struct xdp_md *context)
{
    struct hints hints = {};
    void *network, *transport;
    hints_dissect(context, (void *)(long)context->data, (void *)(long)context->data_end, &hints, &network, &transport);
    return hints_write(context, &hints) ? XDP_PASS : XDP_ABORTED;
}

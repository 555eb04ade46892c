// A bare AF_XDP forwarder: one queue of one device in, one queue of another out, one memory, no header touched but the MAC addresses. Raw
// setsockopt(2) and mmap(2), libbpf for the program only. What it does in a second is the most that a tunnel on the same devices could.
#include "bench.h"
#include <linux/if_xdp.h>
#include <poll.h>
#include <sys/mman.h>
#include <sys/socket.h>

#ifndef XDP_MAX_TX_SKB_BUDGET
#define XDP_MAX_TX_SKB_BUDGET 9
#endif
#define ENTRIES 2048u
#define MASK (ENTRIES - 1)
#define CHUNK 4096u
#define BURST 64u
#define SEND_BUFFER (7 << 20)

struct ring {
    uint32_t *producer, *consumer, *flags;
    void *entries;
};

struct endpoint {
    int fd;
    struct ring fill, completion, receive, transmit;
};

static struct ring map_ring(int fd, const struct xdp_ring_offset *offsets, size_t entry, off_t place)
{
    uint8_t *at = mmap(NULL, offsets->desc + ENTRIES * entry, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_POPULATE, fd, place);
    if (at == MAP_FAILED) {
        give_up("a ring", errno);
    }

    return (struct ring){(void *)(at + offsets->producer), (void *)(at + offsets->consumer), (void *)(at + offsets->flags), at + offsets->desc};
}

static struct endpoint open_endpoint(unsigned ifindex, void *memory, const struct endpoint *lender)
{
    struct endpoint end = {.fd = socket(AF_XDP, SOCK_RAW | SOCK_CLOEXEC, 0)};
    if (end.fd < 0) {
        give_up("an AF_XDP socket", errno);
    }

    struct xdp_umem_reg registration = {.addr = (uint64_t)(uintptr_t)memory, .len = (uint64_t)ENTRIES * CHUNK, .chunk_size = CHUNK};
    if (!lender && setsockopt(end.fd, SOL_XDP, XDP_UMEM_REG, &registration, sizeof registration)) {
        give_up("the memory", errno);
    }

    static const int rings[] = {XDP_UMEM_FILL_RING, XDP_UMEM_COMPLETION_RING, XDP_RX_RING, XDP_TX_RING};
    for (int i = 0; i < 4; i++) {
        int entries = ENTRIES;
        if (setsockopt(end.fd, SOL_XDP, rings[i], &entries, sizeof entries)) {
            give_up("the size of a ring", errno);
        }
    }

    struct xdp_mmap_offsets offsets;
    socklen_t length = sizeof offsets;
    if (getsockopt(end.fd, SOL_XDP, XDP_MMAP_OFFSETS, &offsets, &length)) {
        give_up("the places of the rings", errno);
    }

    end.fill = map_ring(end.fd, &offsets.fr, sizeof(uint64_t), XDP_UMEM_PGOFF_FILL_RING);
    end.completion = map_ring(end.fd, &offsets.cr, sizeof(uint64_t), XDP_UMEM_PGOFF_COMPLETION_RING);
    end.receive = map_ring(end.fd, &offsets.rx, sizeof(struct xdp_desc), XDP_PGOFF_RX_RING);
    end.transmit = map_ring(end.fd, &offsets.tx, sizeof(struct xdp_desc), XDP_PGOFF_TX_RING);
    struct sockaddr_xdp address = {.sxdp_family = AF_XDP, .sxdp_ifindex = ifindex, .sxdp_queue_id = 0};
    address.sxdp_flags = lender ? XDP_SHARED_UMEM : XDP_COPY | XDP_USE_NEED_WAKEUP;
    address.sxdp_shared_umem_fd = lender ? (uint32_t)lender->fd : 0;
    // The kernel gives a queue free some time after its socket was closed.
    for (int attempt = 0; bind(end.fd, (struct sockaddr *)&address, sizeof address); attempt++) {
        if (errno != EBUSY || attempt == 100) {
            give_up("binding to the device's queue", errno);
        }

        usleep(20000);
    }

    int value = BURST;
    setsockopt(end.fd, SOL_XDP, XDP_MAX_TX_SKB_BUDGET, &value, sizeof value);
    value = SEND_BUFFER;
    setsockopt(end.fd, SOL_SOCKET, SO_SNDBUFFORCE, &value, sizeof value);
    return end;
}

static uint32_t theirs(const uint32_t *index)
{
    return __atomic_load_n(index, __ATOMIC_ACQUIRE);
}

static void show(uint32_t *index, uint32_t value)
{
    __atomic_store_n(index, value, __ATOMIC_RELEASE);
}

static bool needs_wakeup(const struct ring *ring)
{
    return __atomic_load_n(ring->flags, __ATOMIC_RELAXED) & XDP_RING_NEED_WAKEUP;
}

// Frames that were transmitted may be received into again.
static void recycle(struct endpoint *in, struct endpoint *out)
{
    uint32_t from = *out->completion.consumer, ready = theirs(out->completion.producer) - from, to = *in->fill.producer;
    for (uint32_t i = 0; i < ready; i++) {
        ((uint64_t *)in->fill.entries)[(to + i) & MASK] = ((uint64_t *)out->completion.entries)[(from + i) & MASK] & ~(uint64_t)(CHUNK - 1);
    }

    show(out->completion.consumer, from + ready);
    show(in->fill.producer, to + ready);
}

static uint32_t pass(struct endpoint *in, struct endpoint *out, uint8_t *memory)
{
    uint32_t from = *in->receive.consumer, ready = theirs(in->receive.producer) - from, to = *out->transmit.producer;
    ready = ready < BURST ? ready : BURST;
    for (uint32_t i = 0; i < ready; i++) {
        struct xdp_desc *frame = (struct xdp_desc *)in->receive.entries + ((from + i) & MASK);
        uint64_t *start = (uint64_t *)(memory + frame->addr);
        uint64_t first = start[0];
        memcpy((uint8_t *)start, (uint8_t *)start + 6, 6);
        memcpy((uint8_t *)start + 6, &first, 6);
        ((struct xdp_desc *)out->transmit.entries)[(to + i) & MASK] = (struct xdp_desc){.addr = frame->addr, .len = frame->len};
    }

    show(in->receive.consumer, from + ready);
    show(out->transmit.producer, to + ready);
    if (theirs(out->transmit.consumer) != to + ready && needs_wakeup(&out->transmit)) {
        sendto(out->fd, NULL, 0, MSG_DONTWAIT, NULL, 0);
    }

    return ready;
}

int forward(const char *in_name, const char *out_name, double seconds)
{
    uint8_t *memory = mmap(NULL, (size_t)ENTRIES * CHUNK, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_POPULATE, -1, 0);
    if (memory == MAP_FAILED) {
        give_up("memory for frames", errno);
    }

    unsigned in_index = device(in_name);
    struct wire wire = load("take", in_index, 0, 0);
    struct endpoint in = open_endpoint(in_index, memory, NULL);
    struct endpoint out = open_endpoint(device(out_name), memory, &in);
    for (uint32_t i = 0; i < ENTRIES; i++) {
        ((uint64_t *)in.fill.entries)[i] = (uint64_t)i * CHUNK;
    }

    show(in.fill.producer, ENTRIES);
    uint32_t queue = 0;
    if (bpf_map_update_elem(bpf_object__find_map_fd_by_name(wire.object, "sockets"), &queue, &in.fd, 0)) {
        give_up("giving the queue its socket", errno);
    }

    printf("ready\n");
    fflush(stdout);
    uint64_t passed = 0, began = nanoseconds(), until = began + (uint64_t)(seconds * 1e9);
    while (nanoseconds() < until && !stopped()) {
        recycle(&in, &out);
        if (needs_wakeup(&in.fill)) {
            recvfrom(in.fd, NULL, 0, MSG_DONTWAIT, NULL, NULL);
        }

        uint32_t count = pass(&in, &out, memory);
        passed += count;
        if (!count) {
            struct pollfd wait = {.fd = in.fd, .events = POLLIN};
            poll(&wait, 1, 100);
        }
    }

    printf("forwarded %.0f\n", (double)passed * 1e9 / (double)(nanoseconds() - began));
    bpf_link__destroy(wire.link);
    bpf_object__close(wire.object);
    close(out.fd);
    close(in.fd);
    return 0;
}

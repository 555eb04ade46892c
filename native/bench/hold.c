// Sealed frames for a receiver that takes each only once: they are kept while their sender makes them, and sent again at full speed afterwards.
#include "bench.h"
#include <arpa/inet.h>
#include <sys/socket.h>

#ifndef BPF_F_TEST_XDP_LIVE_FRAMES
#define BPF_F_TEST_XDP_LIVE_FRAMES (1U << 1)
#endif
#define BATCH 64
#define A_TURN 4096
#define LARGEST 1536

static uint32_t progress(int map, uint32_t which)
{
    uint32_t value = 0;
    if (bpf_map_lookup_elem(map, &which, &value)) {
        give_up("reading how many are held", errno);
    }

    return value;
}

int hold(const char *out, int bytes, unsigned frames, double seconds)
{
    static uint8_t blank[LARGEST];
    if (bytes < 64 || bytes > LARGEST || !frames) {
        give_up("BYTES or FRAMES", EINVAL);
    }

    held_frames = frames;
    struct wire wire = load("hold", 0, device(out), (uint16_t)bytes);
    LIBBPF_OPTS(bpf_tc_hook, hook, .ifindex = (int)device(out), .attach_point = BPF_TC_EGRESS);
    LIBBPF_OPTS(bpf_tc_opts, filter, .prog_fd = bpf_program__fd(wire.program), .handle = 1, .priority = 1);
    int error = bpf_tc_hook_create(&hook);
    error = error && error != -EEXIST ? error : bpf_tc_attach(&hook, &filter);
    if (error) {
        give_up("keeping what leaves", error);
    }

    int map = bpf_object__find_map_fd_by_name(wire.object, "progress");
    printf("ready\n");
    fflush(stdout);
    uint64_t until = nanoseconds() + (uint64_t)(seconds * 1e9);
    while (progress(map, 0) < frames && nanoseconds() < until && !stopped()) {
        usleep(10000);
    }

    uint32_t kept = progress(map, 0);
    printf("held %u\n", kept);
    fflush(stdout);
    // Whoever counts at the other end says when it is ready.
    int go = getchar();
    // Only now: one frame sealed later that got through would make all that are held too old. Taken off with everything else that tc has there.
    hook.attach_point = BPF_TC_INGRESS | BPF_TC_EGRESS;
    bpf_tc_hook_destroy(&hook);
    struct xdp_md context = {.data_end = (uint32_t)bytes, .ingress_ifindex = device("lo")};
    LIBBPF_OPTS(bpf_test_run_opts, options, .data_in = blank, .data_size_in = (uint32_t)bytes, .ctx_in = &context, .ctx_size_in = sizeof context,
        .repeat = A_TURN, .flags = BPF_F_TEST_XDP_LIVE_FRAMES, .batch_size = BATCH);
    int program = bpf_program__fd(bpf_object__find_program_by_name(wire.object, "release"));
    uint64_t began = nanoseconds();
    while (go != EOF && progress(map, 1) < kept && !stopped()) {
        error = bpf_prog_test_run_opts(program, &options);
        if (error && error != -EINTR) {
            give_up("sending frames", error);
        }
    }

    printf("made %.0f\n", (double)progress(map, 1) * 1e9 / (double)(nanoseconds() - began));
    bpf_object__close(wire.object);
    return 0;
}

int blast(const char *to, int bytes, double seconds)
{
    static uint8_t payload[LARGEST];
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_port = htons(9)};
    int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    if (fd < 0 || bytes < 28 || bytes > LARGEST || inet_pton(AF_INET, to, &address.sin_addr) != 1) {
        give_up("TO or BYTES", EINVAL);
    }

    uint64_t sent = 0, until = nanoseconds() + (uint64_t)(seconds * 1e9);
    while (nanoseconds() < until && !stopped()) {
        sent += sendto(fd, payload, (size_t)bytes - 28, 0, (struct sockaddr *)&address, sizeof address) > 0;
    }

    printf("sent %llu\n", (unsigned long long)sent);
    close(fd);
    return 0;
}

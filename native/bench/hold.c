// Sealed frames for a receiver that takes each only once: they are kept while their sender makes them, and sent again at full speed afterwards.
#include "bench.h"
#include <arpa/inet.h>
#include <sys/socket.h>

#define LARGEST 1536

// struct pace of wire.bpf.c.
struct pace {
    uint64_t began;
    uint64_t interval;
};

static uint32_t progress(int map)
{
    uint32_t first = 0, value = 0;
    if (bpf_map_lookup_elem(map, &first, &value)) {
        give_up("reading how many are held", errno);
    }

    return value;
}

int hold(const char *out, int bytes, unsigned frames, double rate, double seconds)
{
    static uint8_t blank[LARGEST];
    if (bytes < 64 || bytes > LARGEST || !frames || rate < 1) {
        give_up("BYTES, FRAMES or RATE", EINVAL);
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

    int map = bpf_object__find_map_fd_by_name(wire.object, "kept");
    printf("ready\n");
    fflush(stdout);
    uint64_t until = nanoseconds() + (uint64_t)(seconds * 1e9);
    while (progress(map) < frames && nanoseconds() < until && !stopped()) {
        usleep(10000);
    }

    uint32_t kept = progress(map);
    printf("held %u\n", kept);
    fflush(stdout);
    // Whoever counts at the other end says when it is ready.
    int go = getchar();
    // Only now: one frame sealed later that got through would make all that are held too old. Taken off with everything else that tc has there.
    hook.attach_point = BPF_TC_INGRESS | BPF_TC_EGRESS;
    bpf_tc_hook_destroy(&hook);
    uint32_t first = 0;
    struct pace pace = {nanoseconds(), (uint64_t)(1e9 / rate)};
    if (bpf_map_update_elem(bpf_object__find_map_fd_by_name(wire.object, "pace"), &first, &pace, 0)) {
        give_up("the pace", errno);
    }

    // A little longer than they take, for what the kernel does before the first.
    double took = go == EOF ? 0 : emit(bpf_object__find_program_by_name(wire.object, "release"), blank, (uint32_t)bytes, kept / rate + 0.2);
    printf("sent %llu in %.2f s\n", (unsigned long long)frames_made(&wire), took);
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

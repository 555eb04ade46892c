// The limit that bench-xdp holds the gateway against: a bare AF_XDP forwarder, and the sender and the counter around it. Every part ends by itself.
#include "bench.h"
#include <limits.h>
#include <signal.h>

static volatile sig_atomic_t signalled;

static void on_signal(int number)
{
    (void)number;
    signalled = 1;
}

void give_up(const char *what, int error)
{
    fprintf(stderr, "bench: %s: %s\n", what, strerror(error < 0 ? -error : error));
    exit(1);
}

uint64_t nanoseconds(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint64_t)now.tv_sec * 1000000000u + (uint64_t)now.tv_nsec;
}

bool stopped(void)
{
    return signalled;
}

unsigned device(const char *name)
{
    unsigned index = if_nametoindex(name);
    if (!index) {
        give_up(name, errno);
    }

    return index;
}

unsigned held_frames;

static const char *object_path(void)
{
    static char path[PATH_MAX + 16];
    ssize_t length = readlink("/proc/self/exe", path, PATH_MAX);
    if (length < 0) {
        give_up("/proc/self/exe", errno);
    }

    path[length] = 0;
    char *slash = strrchr(path, '/');
    strcpy(slash + 1, "wire.bpf.o");
    return path;
}

struct wire load(const char *name, unsigned ifindex, unsigned target, uint16_t tunnel_port)
{
    struct wire wire = {0};
    wire.object = bpf_object__open_file(object_path(), NULL);
    if (!wire.object) {
        give_up("wire.bpf.o", errno);
    }

    struct constants constants = {target, tunnel_port};
    struct bpf_map *map;
    bpf_object__for_each_map(map, wire.object)
    {
        if (held_frames && !strcmp(bpf_map__name(map), "held") && bpf_map__set_max_entries(map, held_frames)) {
            give_up("the memory for frames", ENOMEM);
        }

        size_t size = 0;
        if (strstr(bpf_map__name(map), ".rodata") && bpf_map__initial_value(map, &size) && size == sizeof constants) {
            int error = bpf_map__set_initial_value(map, &constants, size);
            if (error) {
                give_up("constants of the program", error);
            }
        }
    }

    // The others need constants of their own to be found right; what is held is released by the same process.
    struct bpf_program *one;
    bpf_object__for_each_program(one, wire.object)
    {
        bool both = !strcmp(name, "hold") && !strcmp(bpf_program__name(one), "release");
        bpf_program__set_autoload(one, both || !strcmp(bpf_program__name(one), name));
    }

    wire.program = bpf_object__find_program_by_name(wire.object, name);
    int error = bpf_object__load(wire.object);
    if (error) {
        give_up("loading the program", error);
    }

    if (ifindex) {
        // The kernel takes a program off some time after its owner ended.
        for (int attempt = 0; !(wire.link = bpf_program__attach_xdp(wire.program, (int)ifindex)); attempt++) {
            if (errno != EBUSY || attempt == 100) {
                give_up("attaching the program", errno);
            }

            usleep(20000);
        }
    }

    return wire;
}

uint64_t frames_made(const struct wire *wire)
{
    uint32_t first = 0;
    uint64_t made = 0;
    if (bpf_map_lookup_elem(bpf_object__find_map_fd_by_name(wire->object, "made"), &first, &made)) {
        give_up("reading how many were sent", errno);
    }

    return made;
}

int main(int argc, char **argv)
{
    struct sigaction action = {.sa_handler = on_signal};
    libbpf_set_print(NULL);
    sigaction(SIGINT, &action, NULL);
    sigaction(SIGTERM, &action, NULL);
    if (argc == 5 && !strcmp(argv[1], "forward")) {
        return forward(argv[2], argv[3], atof(argv[4]));
    }

    if (argc == 8 && !strcmp(argv[1], "generate")) {
        return generate(argv[2], argv[3], argv[4], argv[5], atoi(argv[6]), atof(argv[7]));
    }

    if (argc == 5 && !strcmp(argv[1], "count")) {
        return count(argv[2], (uint16_t)atoi(argv[3]), atof(argv[4]));
    }

    if (argc == 7 && !strcmp(argv[1], "hold")) {
        return hold(argv[2], atoi(argv[3]), (unsigned)atoi(argv[4]), atof(argv[5]), atof(argv[6]));
    }

    if (argc == 5 && !strcmp(argv[1], "blast")) {
        return blast(argv[2], atoi(argv[3]), atof(argv[4]));
    }

    if (argc == 9 && (!strcmp(argv[1], "flood") || !strcmp(argv[1], "fragments"))) {
        return flood(argv[2], argv[3], argv[4], atoi(argv[5]), argv[6], atof(argv[7]), atof(argv[8]), argv[1][1] == 'r');
    }

    if (argc == 7 && !strcmp(argv[1], "replay")) {
        return replay(argv[2], atoi(argv[3]), atoi(argv[4]), atof(argv[5]), atof(argv[6]));
    }

    if (argc == 4 && !strcmp(argv[1], "discard")) {
        return discard(argv[2], atof(argv[3]));
    }

    if (argc == 8 && !strcmp(argv[1], "take")) {
        return take_real(argv[2], argv[3], argv[4], argv[5], atoi(argv[6]), atof(argv[7]));
    }

    fprintf(stderr, "Usage: bench flood|fragments OUT MAC DESTINATION PORT MESSAGE RATE SECONDS | replay OUT PORT FRAMES RATE SECONDS | discard IN SECONDS | take IN FILE PROGRAM LOCAL PORT SECONDS\n");
    fprintf(stderr, "       bench forward IN OUT SECONDS | generate OUT MAC SOURCE DESTINATION BYTES SECONDS | count IN TUNNEL-PORT SECONDS | hold OUT BYTES FRAMES RATE SECONDS | blast TO BYTES SECONDS\n");
    return 2;
}

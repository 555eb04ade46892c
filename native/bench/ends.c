// The sender, and the counter at the other end.
#include "bench.h"
#include <arpa/inet.h>

#define ETHERNET 14
#define HEADERS (ETHERNET + 20 + 8)
#define LARGEST 3400
// Microseconds between two looks at the counter, and the most looks.
#define TURN 50000
#define MOST_TURNS 1000

static uint16_t checksum(const uint8_t *at, int length)
{
    uint32_t sum = 0;
    for (int i = 0; i < length; i += 2) {
        sum += (uint32_t)(at[i] << 8 | at[i + 1]);
    }

    while (sum >> 16) {
        sum = (sum & 0xFFFF) + (sum >> 16);
    }

    return (uint16_t)~sum;
}

int generate(const char *out, const char *mac, const char *source, const char *destination, int bytes, double seconds)
{
    static uint8_t frame[ETHERNET + LARGEST];
    unsigned octets[6];
    if (bytes < HEADERS - ETHERNET || bytes > LARGEST || sscanf(mac, "%x:%x:%x:%x:%x:%x", octets, octets + 1, octets + 2, octets + 3, octets + 4, octets + 5) != 6) {
        give_up("MAC or BYTES", EINVAL);
    }

    for (int i = 0; i < 6; i++) {
        frame[i] = (uint8_t)octets[i];
    }

    frame[6] = 2;
    frame[12] = 8;
    uint8_t *ip = frame + ETHERNET;
    ip[0] = 0x45;
    ip[2] = (uint8_t)(bytes >> 8);
    ip[3] = (uint8_t)bytes;
    ip[8] = 64;
    ip[9] = 17;
    if (inet_pton(AF_INET, source, ip + 12) != 1 || inet_pton(AF_INET, destination, ip + 16) != 1) {
        give_up("an address", EINVAL);
    }

    uint16_t sum = checksum(ip, 20);
    ip[10] = (uint8_t)(sum >> 8);
    ip[11] = (uint8_t)sum;
    // Port 9 (discard) to port 9, no checksum.
    ip[21] = ip[23] = 9;
    ip[24] = (uint8_t)((bytes - 20) >> 8);
    ip[25] = (uint8_t)(bytes - 20);

    struct wire wire = load("make", 0, device(out), 0);
    double took = emit(wire.program, frame, (uint32_t)(ETHERNET + bytes), seconds);
    printf("made %.0f\n", (double)frames_made(&wire) / took);
    bpf_object__close(wire.object);
    return 0;
}

static int compare(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

int count(const char *in, uint16_t tunnel_port, double seconds)
{
    struct wire wire = load("count", device(in), 0, tunnel_port);
    int map = bpf_object__find_map_fd_by_name(wire.object, "counted");
    int processors = libbpf_num_possible_cpus();
    uint64_t *values = calloc((size_t)processors, sizeof *values);
    static double rates[MOST_TURNS];
    int turns = 0;
    uint64_t before = 0, all = 0, last = 0, until = nanoseconds() + (uint64_t)(seconds * 1e9);
    printf("ready\n");
    fflush(stdout);
    while (nanoseconds() < until && !stopped()) {
        uint32_t first = 0;
        uint64_t now = 0;
        if (bpf_map_lookup_elem(map, &first, values)) {
            give_up("reading the counter", errno);
        }

        for (int i = 0; i < processors; i++) {
            now += values[i];
        }

        uint64_t time = nanoseconds();
        if (last && now > before && turns < MOST_TURNS) {
            rates[turns++] = (double)(now - before) * 1e9 / (double)(time - last);
        }

        all += now - before;
        before = now;
        last = time;
        usleep(TURN);
    }

    // The median of the turns in which something arrived: neither starting nor ending weighs on it.
    qsort(rates, (size_t)turns, sizeof *rates, compare);
    printf("counted %.0f %llu\n", turns ? rates[turns / 2] : 0, (unsigned long long)all);
    bpf_link__destroy(wire.link);
    bpf_object__close(wire.object);
    free(values);
    return 0;
}

// A flood for bench-steering: WireGuard messages from ever other addresses and ports, as many as the kernel makes or at a steady rate; and the
// program that a flood's victim is held against, which throws everything away.
#define _GNU_SOURCE
#include "bench.h"
#include <arpa/inet.h>
#include <linux/if_packet.h>
#include <sys/socket.h>

#define HEADERS 42
#define LARGEST 1480
#define TOGETHER 32

// At a steady rate from a packet socket: a device takes these with an XDP program and without, and they come few at a time.
static int at_rate(const char *out, const uint8_t *frame, size_t bytes, double rate, double seconds)
{
    static uint8_t frames[TOGETHER][HEADERS + LARGEST];
    struct iovec parts[TOGETHER];
    struct mmsghdr messages[TOGETHER];
    struct sockaddr_ll to = {.sll_family = AF_PACKET, .sll_ifindex = (int)device(out), .sll_halen = 6};
    int on = 1, room = 4 << 20, socket_ = socket(AF_PACKET, SOCK_RAW, 0);
    if (socket_ < 0) {
        give_up("a packet socket", errno);
    }

    setsockopt(socket_, SOL_PACKET, PACKET_QDISC_BYPASS, &on, sizeof on);
    setsockopt(socket_, SOL_SOCKET, SO_SNDBUFFORCE, &room, sizeof room);
    memset(messages, 0, sizeof messages);
    for (int i = 0; i < TOGETHER; i++) {
        memcpy(frames[i], frame, bytes);
        parts[i] = (struct iovec){frames[i], bytes};
        messages[i].msg_hdr = (struct msghdr){.msg_name = &to, .msg_namelen = sizeof to, .msg_iov = &parts[i], .msg_iovlen = 1};
    }

    uint64_t made = 0, began = nanoseconds(), until = began + (uint64_t)(seconds * 1e9);
    uint32_t random = (uint32_t)began;
    for (uint64_t now; (now = nanoseconds()) < until && !stopped();) {
        if ((double)made > (double)(now - began) * rate / 1e9) {
            usleep(200);
            continue;
        }

        // As the program `assail` does it.
        for (int i = 0; i < TOGETHER; i++) {
            random = random * 1664525u + 1013904223u;
            uint16_t low = (uint16_t)random, other = (uint16_t)~low;
            uint32_t index = random | 0x80000000u;
            memcpy(frames[i] + 18, &low, 2);
            memcpy(frames[i] + 28, &other, 2);
            memcpy(frames[i] + 34, (uint8_t *)&random + 2, 2);
            if (frames[i][HEADERS] == 4) {
                memcpy(frames[i] + HEADERS + 4, &index, 4);
            }
        }

        int sent = sendmmsg(socket_, messages, TOGETHER, 0);
        made += sent > 0 ? (uint64_t)sent : 0;
        if (sent < 0 && errno != ENOBUFS && errno != EAGAIN && errno != EINTR) {
            give_up("sending frames", errno);
        }
    }

    printf("made %.0f\n", (double)made * 1e9 / (double)(nanoseconds() - began));
    close(socket_);
    return 0;
}

int flood(const char *out, const char *mac, const char *destination, int port, const char *message, double rate, double seconds, bool fragments)
{
    static uint8_t frame[HEADERS + LARGEST];
    unsigned octets[6];
    size_t bytes = strlen(message) / 2;
    if (bytes < 12 || bytes > LARGEST || sscanf(mac, "%x:%x:%x:%x:%x:%x", octets, octets + 1, octets + 2, octets + 3, octets + 4, octets + 5) != 6) {
        give_up("MAC or MESSAGE", EINVAL);
    }

    for (int i = 0; i < 6; i++) {
        frame[i] = (uint8_t)octets[i];
    }

    frame[6] = 2;
    frame[12] = 8;
    uint8_t *ip = frame + 14;
    ip[0] = 0x45;
    ip[2] = (uint8_t)((28 + bytes) >> 8);
    ip[3] = (uint8_t)(28 + bytes);
    // The first piece of a datagram whose others never come; the program changes its number, too.
    ip[6] = fragments ? 0x20 : 0;
    ip[8] = 64;
    ip[9] = 17;
    // 198.18.0.0/15 is for benchmarks (RFC 2544); the program changes the rest of it, and the source port.
    ip[12] = 198;
    ip[13] = 18;
    if (inet_pton(AF_INET, destination, ip + 16) != 1) {
        give_up("an address", EINVAL);
    }

    ip[22] = (uint8_t)(port >> 8);
    ip[23] = (uint8_t)port;
    ip[24] = (uint8_t)((8 + bytes) >> 8);
    ip[25] = (uint8_t)(8 + bytes);
    for (size_t i = 0; i < bytes; i++) {
        unsigned value;
        if (sscanf(message + 2 * i, "%2x", &value) != 1) {
            give_up("MESSAGE", EINVAL);
        }

        frame[HEADERS + i] = (uint8_t)value;
    }

    uint32_t sum = 0;
    for (int i = 0; i < 20; i += 2) {
        sum += (uint32_t)(ip[i] << 8 | ip[i + 1]);
    }

    sum = (sum & 0xFFFF) + (sum >> 16);
    sum = ~((sum & 0xFFFF) + (sum >> 16));
    ip[10] = (uint8_t)(sum >> 8);
    ip[11] = (uint8_t)sum;

    if (rate > 0) {
        return at_rate(out, frame, HEADERS + bytes, rate, seconds);
    }

    struct wire wire = load("assail", 0, device(out), 0);
    double took = emit(wire.program, frame, (uint32_t)(HEADERS + bytes), seconds);
    printf("made %.0f\n", (double)frames_made(&wire) / took);
    bpf_object__close(wire.object);
    return 0;
}

int discard(const char *in, double seconds)
{
    struct wire wire = load("discard", device(in), 0, 0);
    uint64_t until = nanoseconds() + (uint64_t)(seconds * 1e9);
    printf("ready\n");
    fflush(stdout);
    while (nanoseconds() < until && !stopped()) {
        usleep(50000);
    }

    bpf_link__destroy(wire.link);
    bpf_object__close(wire.object);
    return 0;
}

// struct control and struct session of native/xdp/outer.bpf.c, as far as they are set here.
struct outer_control {
    uint32_t flags;
    uint32_t budget;
};

struct address_key {
    uint32_t address[4];
    uint16_t port;
    uint16_t ethertype;
};

int take_real(const char *in, const char *file, const char *program, const char *local, int port, double seconds)
{
    struct bpf_object *object = bpf_object__open_file(file, NULL);
    if (!object) {
        give_up(file, errno);
    }

    struct bpf_program *one, *chosen = NULL;
    bpf_object__for_each_program(one, object)
    {
        bool same = !strcmp(bpf_program__name(one), program);
        bpf_program__set_autoload(one, same);
        chosen = same ? one : chosen;
    }

    if (!chosen) {
        give_up(program, ENOENT);
    }

    if (strstr(program, "_bound")) {
        // BPF_F_XDP_DEV_BOUND_ONLY
        bpf_program__set_ifindex(chosen, device(in));
        bpf_program__set_flags(chosen, 1u << 6);
    }

    int error = bpf_object__load(object);
    if (error) {
        give_up("loading the program", error);
    }

    // Everything on, and one session known: its index is that of the flood's message.
    struct address_key key = {.port = htons((uint16_t)port), .ethertype = htons(0x0800)};
    uint32_t row = 0, zero = 0;
    struct outer_control control = {3, 0};
    inet_pton(AF_INET, local, key.address);
    int listen_on = bpf_object__find_map_fd_by_name(object, "listen_on"), controls = bpf_object__find_map_fd_by_name(object, "controls");
    if (bpf_map_update_elem(listen_on, &key, &row, 0) || bpf_map_update_elem(controls, &zero, &control, 0)) {
        give_up("setting up the program", errno);
    }

    uint8_t session[256] = {[4] = 0xFF, [5] = 0xFF};
    uint32_t index[2] = {0x01010101, 0};
    if (bpf_map_update_elem(bpf_object__find_map_fd_by_name(object, "sessions"), index, session, 0)) {
        give_up("a session", errno);
    }

    // The same for the short way (native/xdp/nobodys.h): struct locals and struct filter.
    struct {
        struct {
            uint64_t address[2];
            uint32_t port, tunnel;
        } six[4];
        struct {
            uint32_t address, port, tunnel;
        } four[4];
    } locals;
    memset(&locals, 0xFF, sizeof locals);
    locals.four[0].address = key.address[0];
    locals.four[0].port = key.port;
    locals.four[0].tunnel = 0;
    static uint64_t filter[8192];
    filter[(index[0] >> 6) & 8191] |= 1ull << (index[0] & 63);
    if (bpf_map_update_elem(bpf_object__find_map_fd_by_name(object, "locals"), &zero, &locals, 0) ||
        bpf_map_update_elem(bpf_object__find_map_fd_by_name(object, "filter"), &zero, filter, 0)) {
        give_up("the short way", errno);
    }

    // A socket that takes nothing: what the program would hand over is thrown away there.
    int nobody = socket(AF_XDP, SOCK_RAW, 0);
    if (nobody < 0 || bpf_map_update_elem(bpf_object__find_map_fd_by_name(object, "sockets"), &zero, &nobody, 0)) {
        give_up("a socket", errno);
    }

    // The kernel takes a program off some time after its owner ended.
    struct bpf_link *link;
    for (int attempt = 0; !(link = bpf_program__attach_xdp(chosen, (int)device(in))); attempt++) {
        if (errno != EBUSY || attempt == 500) {
            give_up("attaching the program", errno);
        }

        usleep(20000);
    }

    uint64_t until = nanoseconds() + (uint64_t)(seconds * 1e9);
    printf("ready\n");
    fflush(stdout);
    while (nanoseconds() < until && !stopped()) {
        usleep(50000);
    }

    bpf_link__destroy(link);
    close(nobody);
    bpf_object__close(object);
    return 0;
}

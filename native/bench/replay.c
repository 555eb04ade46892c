// A replay for bench-load: data of a tunnel, taken where it leaves, and sent again and again at a steady rate from the very address it came from.
#define _GNU_SOURCE
#include "bench.h"
#include <arpa/inet.h>
#include <linux/if_ether.h>
#include <linux/if_packet.h>
#include <sys/socket.h>

#define HEADERS 42
#define LARGEST 1514
#define TOGETHER 32
#define MOST 8192

static uint8_t frames[MOST][LARGEST];
static size_t lengths[MOST];

// An IPv4 datagram of the tunnel without options, in one piece.
static bool is_data(const uint8_t *frame, ssize_t length, int port)
{
    return length > HEADERS && length <= LARGEST && frame[12] == 8 && frame[13] == 0 && frame[14] == 0x45 && frame[23] == 17
        && (frame[36] << 8 | frame[37]) == port && frame[HEADERS] == 4;
}

int replay(const char *out, int port, int count, double rate, double seconds)
{
    struct sockaddr_ll at = {.sll_family = AF_PACKET, .sll_protocol = htons(ETH_P_ALL), .sll_ifindex = (int)device(out), .sll_halen = 6}, from;
    int on = 1, room = 4 << 20, taken = 0, taker = socket(AF_PACKET, SOCK_RAW | SOCK_NONBLOCK, htons(ETH_P_ALL)), sender = socket(AF_PACKET, SOCK_RAW, 0);
    if (taker < 0 || sender < 0 || bind(taker, (struct sockaddr *)&at, sizeof at)) {
        give_up("a packet socket", errno);
    }

    if (count < 1 || count > MOST || rate <= 0) {
        give_up("FRAMES or RATE", EINVAL);
    }

    setsockopt(taker, SOL_SOCKET, SO_RCVBUFFORCE, &room, sizeof room);
    setsockopt(sender, SOL_PACKET, PACKET_QDISC_BYPASS, &on, sizeof on);
    setsockopt(sender, SOL_SOCKET, SO_SNDBUFFORCE, &room, sizeof room);
    printf("ready\n");
    fflush(stdout);
    uint64_t until = nanoseconds() + (uint64_t)(seconds * 1e9);
    while (taken < count && nanoseconds() < until && !stopped()) {
        socklen_t size = sizeof from;
        ssize_t got = recvfrom(taker, frames[taken], LARGEST, MSG_TRUNC, (struct sockaddr *)&from, &size);
        if (got < 0) {
            usleep(1000);
        } else if (from.sll_pkttype == PACKET_OUTGOING && is_data(frames[taken], got, port)) {
            // Where the device was to fill the checksum in, it is not whole; IPv4 can do without.
            frames[taken][40] = frames[taken][41] = 0;
            lengths[taken++] = (size_t)got;
        }
    }

    close(taker);
    if (!taken) {
        give_up("no data of the tunnel passed", ENODATA);
    }

    printf("held %d\n", taken);
    fflush(stdout);
    struct iovec parts[TOGETHER];
    struct mmsghdr messages[TOGETHER];
    uint64_t made = 0, began = nanoseconds();
    until = began + (uint64_t)(seconds * 1e9);
    for (uint64_t now; (now = nanoseconds()) < until && !stopped();) {
        if ((double)made > (double)(now - began) * rate / 1e9) {
            usleep(200);
            continue;
        }

        for (int i = 0; i < TOGETHER; i++) {
            int which = (int)((made + (uint64_t)i) % (uint64_t)taken);
            parts[i] = (struct iovec){frames[which], lengths[which]};
            messages[i].msg_hdr = (struct msghdr){.msg_name = &at, .msg_namelen = sizeof at, .msg_iov = &parts[i], .msg_iovlen = 1};
        }

        int sent = sendmmsg(sender, messages, TOGETHER, 0);
        made += sent > 0 ? (uint64_t)sent : 0;
        if (sent < 0 && errno != ENOBUFS && errno != EAGAIN && errno != EINTR) {
            give_up("sending frames", errno);
        }
    }

    printf("made %.0f\n", (double)made * 1e9 / (double)(nanoseconds() - began));
    close(sender);
    return 0;
}

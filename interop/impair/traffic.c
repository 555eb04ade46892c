// The traffic of the soak inside the tunnel: at each end one of these sends numbered datagrams and TCP streams to the other and judges what arrives. Every byte
// is compared with the one that must stand there, which follows from the datagram's number, or the stream's and its place in it. A line a tenth of a second
// says what was sent and what arrived; the last line is JSON. Addresses of the tunnel may come and go meanwhile: what cannot be sent is counted as refused.
#include "common.h"
#include <arpa/inet.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <stdbool.h>
#include <sys/prctl.h>
#include <unistd.h>

// Larger than any TCP segment here, so that a relay outside tells the two apart by size.
#define PAYLOAD 1360
#define SEGMENT 1200
#define STREAM (1 << 20)
#define CHUNK 16384
#define NUMBERS (1ull << 28)
#define TICK 10000000u
#define MAGIC 0x736F616Bu

struct datagram {
    uint32_t magic, end;
    uint64_t number;
    uint64_t rest[(PAYLOAD - 16) / 8];
};

struct stream {
    int socket;
    bool connected;
    uint64_t number, at;
    uint8_t header[8];
    size_t header_bytes;
};

static uint8_t *seen;
static uint64_t sent, refused, received, unique, repeated, damaged, foreign, reordered, newest, streams, stream_bytes_out, stream_bytes_in, stream_damaged, stream_failed;
static uint32_t own, other;

static uint64_t mix(uint64_t x)
{
    x += 0x9E3779B97F4A7C15u;
    x = (x ^ x >> 30) * 0xBF58476D1CE4E5B9u;
    x = (x ^ x >> 27) * 0x94D049BB133111EBu;
    return x ^ x >> 31;
}

static void fill(struct datagram *one, uint32_t end, uint64_t number)
{
    one->magic = MAGIC;
    one->end = end;
    one->number = number;
    uint64_t state = mix((uint64_t)end << 40 ^ number);
    for (size_t i = 0; i < sizeof one->rest / sizeof *one->rest; i++) {
        one->rest[i] = state = state * 6364136223846793005u + 1442695040888963407u;
    }
}

static uint8_t stream_byte(uint32_t end, uint64_t number, uint64_t at)
{
    return (uint8_t)(mix((uint64_t)end << 48 ^ number << 24 ^ at >> 3) >> (at & 7) * 8);
}

static void judge(const struct datagram *one, size_t length)
{
    static struct datagram expected;
    if (length != sizeof *one || one->magic != MAGIC || one->end != other || one->number >= NUMBERS) {
        foreign++;
        return;
    }

    received++;
    fill(&expected, other, one->number);
    damaged += memcmp(one, &expected, sizeof expected) != 0;
    uint8_t bit = (uint8_t)(1u << (one->number & 7));
    if (seen[one->number >> 3] & bit) {
        repeated++;
        printf("repeated %llu\n", (unsigned long long)one->number);
        return;
    }

    seen[one->number >> 3] |= bit;
    unique++;
    reordered += one->number < newest;
    newest = one->number > newest ? one->number : newest;
}

static struct sockaddr_in address(const char *text, int port)
{
    struct sockaddr_in made = {.sin_family = AF_INET, .sin_port = htons((uint16_t)port)};
    if (inet_pton(AF_INET, text, &made.sin_addr) != 1) {
        errno = EINVAL;
        give_up(text);
    }

    return made;
}

static int open_at(int type, const struct sockaddr_in *at)
{
    // The address may be away for a while, and is one's own all the same.
    int on = 1, room = 4 << 20, segment = SEGMENT, made = socket(AF_INET, type | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (made < 0) {
        give_up("a socket");
    }

    setsockopt(made, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
    setsockopt(made, IPPROTO_IP, IP_FREEBIND, &on, sizeof on);
    if (type == SOCK_DGRAM) {
        setsockopt(made, SOL_SOCKET, SO_RCVBUFFORCE, &room, sizeof room);
        setsockopt(made, SOL_SOCKET, SO_SNDBUFFORCE, &room, sizeof room);
    } else {
        setsockopt(made, IPPROTO_TCP, TCP_MAXSEG, &segment, sizeof segment);
    }

    if (bind(made, (const struct sockaddr *)at, sizeof *at)) {
        give_up("an address to bind to");
    }

    return made;
}

static void close_stream(struct stream *stream)
{
    if (stream->socket >= 0) {
        close(stream->socket);
    }

    *stream = (struct stream){.socket = -1, .number = stream->number};
}

// Writes as much as the pace allows; after the last byte it waits for the verdict.
static void send_stream(struct stream *out, const struct sockaddr_in *from, const struct sockaddr_in *to, double *credit)
{
    static uint8_t chunk[CHUNK];
    if (out->socket < 0) {
        if (ended) {
            return;
        }

        out->socket = open_at(SOCK_STREAM, from);
        out->number++;
        if (connect(out->socket, (const struct sockaddr *)to, sizeof *to) && errno != EINPROGRESS) {
            close_stream(out);
            return;
        }
    }

    for (size_t length; out->at < STREAM && *credit >= 1; *credit -= (double)length) {
        uint64_t from_at = out->at;
        length = STREAM - from_at < CHUNK ? (size_t)(STREAM - from_at) : CHUNK;
        length = (double)length > *credit ? (size_t)*credit : length;
        for (size_t i = 0; i < length; i++) {
            chunk[i] = from_at + i < 8 ? (uint8_t)(out->number >> (from_at + i) * 8) : stream_byte(own, out->number, from_at + i);
        }

        ssize_t written = send(out->socket, chunk, length, MSG_NOSIGNAL);
        if (written < 0) {
            if (errno != EAGAIN && errno != ENOTCONN && errno != EINTR) {
                // Refused before it began is no failure: nobody listens yet, or there is no way there.
                stream_failed += out->at > 0;
                close_stream(out);
            }

            return;
        }

        length = (size_t)written;
        out->at += length;
        stream_bytes_out += length;
        if (out->at == STREAM) {
            shutdown(out->socket, SHUT_WR);
        }
    }

    char verdict = 0;
    ssize_t got = out->at == STREAM ? recv(out->socket, &verdict, 1, 0) : -1;
    if (got >= 0) {
        streams += verdict == '+';
        stream_failed += verdict != '+';
        close_stream(out);
    } else if (out->at == STREAM && errno != EAGAIN && errno != EINTR) {
        stream_failed++;
        close_stream(out);
    }
}

static void receive_stream(struct stream *in)
{
    static uint8_t chunk[65536];
    for (;;) {
        ssize_t got = recv(in->socket, chunk, sizeof chunk, 0);
        if (got < 0 && (errno == EAGAIN || errno == EINTR)) {
            return;
        }

        if (got <= 0) {
            bool whole = got == 0 && in->at == STREAM && stream_damaged == 0;
            if (send(in->socket, whole ? "+" : "-", 1, MSG_NOSIGNAL) < 0 && !whole) {
                stream_failed++;
            }

            close_stream(in);
            return;
        }

        stream_bytes_in += (uint64_t)got;
        for (ssize_t i = 0; i < got; i++, in->at++) {
            if (in->at < 8) {
                in->number |= (uint64_t)chunk[i] << in->at * 8;
            } else if (chunk[i] != stream_byte(other, in->number, in->at)) {
                stream_damaged++;
            }
        }
    }
}

int main(int argc, char **argv)
{
    if (argc != 7) {
        fprintf(stderr, "Usage: traffic END LOCAL REMOTE DATAGRAMS-A-SECOND STREAM-BYTES-A-SECOND SECONDS; END is 1 here and 2 there, or the other way round.\n");
        return 2;
    }

    struct sigaction action = {.sa_handler = on_signal};
    sigaction(SIGINT, &action, NULL);
    sigaction(SIGTERM, &action, NULL);
    prctl(PR_SET_TIMERSLACK, 1000000);
    own = (uint32_t)atoi(argv[1]);
    other = 3 - own;
    struct sockaddr_in local = address(argv[2], 7000), remote = address(argv[3], 7000), from = address(argv[2], 0), to = address(argv[3], 7001),
                       here = address(argv[2], 7001);
    double rate = atof(argv[4]), stream_rate = atof(argv[5]), credit = 0;
    seen = calloc(NUMBERS / 8, 1);
    int datagrams = open_at(SOCK_DGRAM, &local), listener = open_at(SOCK_STREAM, &here);
    if (!seen || listen(listener, 8)) {
        give_up("listening");
    }

    // Streams that the other end began anew leave one that was cut behind for a while.
    struct stream out = {.socket = -1}, in[8];
    for (size_t i = 0; i < sizeof in / sizeof *in; i++) {
        in[i].socket = -1;
        close_stream(&in[i]);
    }

    setvbuf(stdout, NULL, _IOLBF, 0);
    printf("ready\n");
    uint64_t began = nanoseconds(CLOCK_MONOTONIC), tick = began, line = began, until = began + (uint64_t)(atof(argv[6]) * 1e9), paused = 0;
    uint64_t sent_then = 0, unique_then = 0, in_then = 0;
    static struct datagram one;
    // After its time, or a signal, it only receives, and lets streams come to their end: for 15 s at most.
    for (uint64_t now; now = nanoseconds(CLOCK_MONOTONIC), !paused || now < paused + 15000000000u;) {
        ended = ended || now >= until;
        if (ended && !paused) {
            paused = now;
        }

        if (paused && now > paused + 3000000000u && out.socket < 0) {
            bool any = false;
            for (size_t i = 0; i < sizeof in / sizeof *in; i++) {
                any |= in[i].socket >= 0;
            }

            if (!any) {
                break;
            }
        }

        // No credit for time that the machine took away: a burst would lose packets in queues.
        uint64_t passed = now - tick > 5 * TICK ? 5 * TICK : now - tick;
        if (passed >= TICK) {
            static double owed;
            tick = now;
            for (owed += paused ? 0 : rate * (double)passed / 1e9; owed >= 1 && !paused; owed--) {
                fill(&one, own, sent + refused);
                if (sendto(datagrams, &one, sizeof one, 0, (const struct sockaddr *)&remote, sizeof remote) < 0) {
                    refused++;
                } else {
                    sent++;
                }
            }

            credit += stream_rate * (double)passed / 1e9;
            credit = credit > CHUNK * 4 ? CHUNK * 4 : credit;
            send_stream(&out, &from, &to, &credit);
        }

        struct pollfd polled[2 + sizeof in / sizeof *in] = {{.fd = datagrams, .events = POLLIN}, {.fd = listener, .events = POLLIN}};
        for (size_t i = 0; i < sizeof in / sizeof *in; i++) {
            polled[2 + i] = (struct pollfd){.fd = in[i].socket, .events = POLLIN};
        }

        struct timespec wait = {0, (long)(tick + TICK > now ? tick + TICK - now : 0)};
        if (ppoll(polled, sizeof polled / sizeof *polled, &wait, NULL) > 0) {
            static struct datagram arrived;
            for (ssize_t got; polled[0].revents && ((got = recv(datagrams, &arrived, sizeof arrived, MSG_TRUNC)) >= 0 || errno == EINTR);) {
                if (got >= 0) {
                    judge(&arrived, (size_t)got);
                }
            }

            for (size_t i = 0; i < sizeof in / sizeof *in; i++) {
                if (polled[2 + i].revents) {
                    receive_stream(&in[i]);
                }
            }

            for (size_t i = 0; polled[1].revents && i < sizeof in / sizeof *in; i++) {
                if (in[i].socket < 0 || i == sizeof in / sizeof *in - 1) {
                    close_stream(&in[i]);
                    in[i] = (struct stream){.socket = accept4(listener, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC)};
                    break;
                }
            }
        }

        if (now - line >= 100000000u) {
            line = now;
            printf("at %llu %llu %llu %llu\n", (unsigned long long)(nanoseconds(CLOCK_REALTIME) / 1000000u), (unsigned long long)(sent - sent_then),
                (unsigned long long)(unique - unique_then), (unsigned long long)(stream_bytes_in - in_then));
            sent_then = sent;
            unique_then = unique;
            in_then = stream_bytes_in;
        }
    }

    printf("{\"end\":%u,\"sent\":%llu,\"refused\":%llu,\"received\":%llu,\"unique\":%llu,\"repeated\":%llu,\"damaged\":%llu,\"foreign\":%llu,\"reordered\":%llu,"
           "\"streams\":%llu,\"stream_bytes_out\":%llu,\"stream_bytes_in\":%llu,\"stream_damaged\":%llu,\"stream_failed\":%llu}\n",
        own, (unsigned long long)sent, (unsigned long long)refused, (unsigned long long)received, (unsigned long long)unique, (unsigned long long)repeated,
        (unsigned long long)damaged, (unsigned long long)foreign, (unsigned long long)reordered, (unsigned long long)streams,
        (unsigned long long)stream_bytes_out, (unsigned long long)stream_bytes_in, (unsigned long long)stream_damaged, (unsigned long long)stream_failed);
    return 0;
}

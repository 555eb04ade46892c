// A bad network between two ends that speak UDP: loses, holds back, repeats, delays, damages, slows and cuts off by size what passes, and changes the
// address that an end sees the other at. What happens to the nth datagram of a direction depends on the seed, on n and on the settings alone, so a run can be
// repeated. Commands come by standard input; counts leave as JSON. See README.md.
#include "common.h"
#include "relay.h"
#include <netdb.h>
#include <netinet/in.h>
#include <poll.h>
#include <unistd.h>

#define TOGETHER 32
#define LARGEST 9216
// Old addresses of a side that still listen, so that what comes too late is counted.
#define OLD 4
#define QUEUE_NANOSECONDS 100000000u

struct side {
    // [0] is the address that never goes away; [1] the present one, if it has roamed; the others are old.
    int sockets[2 + OLD];
    uint32_t missed[2 + OLD];
    struct address base;
    struct address end;
};

static struct side sides[2];
static struct counts counts[2][CLASSES];
static struct settings settings = {.large = LARGEST};
static uint64_t seed, ordinal[2], missed[2], line_free[2];

// ADDRESS:PORT or [ADDRESS]:PORT, in digits.
static bool parse(const char *text, struct address *into)
{
    char host[64];
    const char *colon = strrchr(text, ':');
    size_t length = colon ? (size_t)(colon - text) : 0;
    if (!length || length >= sizeof host) {
        errno = EINVAL;
        return false;
    }

    bool bracketed = text[0] == '[' && text[length - 1] == ']';
    memcpy(host, text + bracketed, length - 2 * bracketed);
    host[length - 2 * bracketed] = 0;
    struct addrinfo hints = {.ai_flags = AI_NUMERICHOST | AI_NUMERICSERV, .ai_socktype = SOCK_DGRAM}, *found;
    if (getaddrinfo(host, colon + 1, &hints, &found)) {
        errno = EINVAL;
        return false;
    }

    memcpy(&into->at, found->ai_addr, found->ai_addrlen);
    into->length = found->ai_addrlen;
    freeaddrinfo(found);
    return true;
}

static int listen_on(const struct address *address)
{
    int on = 1, room = 8 << 20, made = socket(address->at.ss_family, SOCK_DGRAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (made < 0) {
        return -1;
    }

    // As much as may be had: a relay that loses by itself would spoil the count.
    if (setsockopt(made, SOL_SOCKET, SO_RCVBUFFORCE, &room, sizeof room)) {
        setsockopt(made, SOL_SOCKET, SO_RCVBUF, &room, sizeof room);
    }

    setsockopt(made, SOL_SOCKET, SO_RXQ_OVFL, &on, sizeof on);
    if (bind(made, (const struct sockaddr *)&address->at, address->length)) {
        int error = errno;
        close(made);
        errno = error;
        return -1;
    }

    return made;
}

// The one that the kernel chose, where the command line says 0. It lies at the same place for both families.
static unsigned port_of(int socket_)
{
    struct sockaddr_in6 address = {0};
    socklen_t length = sizeof address;
    getsockname(socket_, (struct sockaddr *)&address, &length);
    return ntohs(address.sin6_port);
}

static int outgoing(const struct side *side)
{
    return side->sockets[side->sockets[1] >= 0];
}

// Sends one that is due, out of the side that its direction leads to.
static void release(const struct held *one)
{
    const struct side *to = &sides[one->direction == 0];
    struct counts *count = &counts[one->direction][one->class];
    ssize_t sent = sendto(outgoing(to), one->bytes, one->length, 0, (const struct sockaddr *)&to->end.at, to->end.length);
    if (sent < 0) {
        count->refused++;
    } else {
        count->sent++;
    }
}

static void tell(const char *what, int direction, const uint8_t *bytes)
{
    uint64_t now = nanoseconds(CLOCK_REALTIME);
    printf("handshake %s %s %u %llu.%03llu\n", what, direction ? "b-a" : "a-b", bytes[0], (unsigned long long)(now / 1000000000u),
        (unsigned long long)(now / 1000000u % 1000u));
    fflush(stdout);
}

static void pass(int direction, bool stale, const uint8_t *bytes, size_t length)
{
    int class = class_of(&settings, bytes, length);
    struct counts *count = &counts[direction][class];
    struct verdict verdict = decide(&settings, seed, direction, ordinal[direction]++, length);
    uint64_t now = nanoseconds(CLOCK_MONOTONIC), due = now;
    size_t headers = sides[direction].base.at.ss_family == AF_INET6 ? 48 : 28;
    count->received++;
    uint64_t *gone = NULL;
    if (stale) {
        gone = &count->stale;
    } else if (verdict.lost) {
        gone = &count->lost;
    } else if (settings.mtu && length + headers > settings.mtu) {
        gone = &count->mtu;
    } else if (settings.rate > 0) {
        uint64_t free_at = line_free[direction] > now ? line_free[direction] : now;
        if (free_at - now > QUEUE_NANOSECONDS) {
            gone = &count->queue;
        } else {
            due = line_free[direction] = free_at + (uint64_t)((double)(length + headers) * 8000 / settings.rate);
        }
    }

    if (gone) {
        ++*gone;
        if (class == HANDSHAKE) {
            tell(stale ? "stale" : "lost", direction, bytes);
        }

        return;
    }

    count->reordered += verdict.reordered;
    count->delayed += verdict.delay > 0;
    for (int copy = 0; copy <= (int)verdict.repeated; copy++) {
        struct held *one = hold(due + verdict.delay, length);
        if (!one) {
            count->full += copy == 0;
            continue;
        }

        one->direction = (uint8_t)direction;
        one->class = (uint8_t)class;
        memcpy(one->bytes, bytes, length);
        count->duplicated += copy == 1;
        if (verdict.corrupted) {
            one->bytes[verdict.position] ^= (uint8_t)(1u << verdict.bit);
            count->corrupted += copy == 0;
            count->damaged_copies += copy == 1;
        }
    }

    if (verdict.corrupted && class == HANDSHAKE) {
        tell("corrupted", direction, bytes);
    }
}

static void receive(int direction, int which)
{
    static uint8_t bytes[TOGETHER][LARGEST];
    static struct sockaddr_storage from[TOGETHER];
    static uint8_t control[TOGETHER][CMSG_SPACE(sizeof(uint32_t))];
    struct iovec parts[TOGETHER];
    struct mmsghdr messages[TOGETHER];
    struct side *side = &sides[direction];
    for (int i = 0; i < TOGETHER; i++) {
        parts[i] = (struct iovec){bytes[i], LARGEST};
        messages[i].msg_hdr = (struct msghdr){.msg_name = &from[i], .msg_namelen = sizeof from[i], .msg_iov = &parts[i], .msg_iovlen = 1,
            .msg_control = control[i], .msg_controllen = sizeof control[i]};
    }

    int got = recvmmsg(side->sockets[which], messages, TOGETHER, 0, NULL);
    for (int i = 0; i < got; i++) {
        for (struct cmsghdr *one = CMSG_FIRSTHDR(&messages[i].msg_hdr); one; one = CMSG_NXTHDR(&messages[i].msg_hdr, one)) {
            if (one->cmsg_level == SOL_SOCKET && one->cmsg_type == SO_RXQ_OVFL) {
                uint32_t overflow;
                memcpy(&overflow, CMSG_DATA(one), sizeof overflow);
                missed[direction] += overflow - side->missed[which];
                side->missed[which] = overflow;
            }
        }

        // An end may move, too.
        if (which < 2) {
            memcpy(&side->end.at, &from[i], messages[i].msg_hdr.msg_namelen);
            side->end.length = messages[i].msg_hdr.msg_namelen;
        }

        pass(direction, which >= 2, bytes[i], messages[i].msg_len);
    }
}

// The end at this side sees the other one at another address from now on. What is sent to the old one is lost, unless that was the first of all.
static bool roam(struct side *side, const char *text)
{
    char with_port[80];
    struct address address;
    snprintf(with_port, sizeof with_port, strchr(text, ':') ? "[%s]:0" : "%s:0", text);
    if (!parse(with_port, &address)) {
        return false;
    }

    int made = listen_on(&address);
    if (made < 0) {
        return false;
    }

    if (side->sockets[1 + OLD] >= 0) {
        close(side->sockets[1 + OLD]);
    }

    if (side->sockets[1] >= 0) {
        memmove(side->sockets + 2, side->sockets + 1, OLD * sizeof *side->sockets);
        memmove(side->missed + 2, side->missed + 1, OLD * sizeof *side->missed);
    }

    side->sockets[1] = made;
    side->missed[1] = 0;
    return true;
}

static void print_counts(void)
{
    printf("{\"seed\":%llu,\"held\":%zu", (unsigned long long)seed, held_now());
    for (int direction = 0; direction < 2; direction++) {
        printf(",\"%s\":{\"missed\":%llu", direction ? "b-a" : "a-b", (unsigned long long)missed[direction]);
        for (int class = 0; class < CLASSES; class++) {
            const struct counts *c = &counts[direction][class];
            printf(",\"%s\":{\"received\":%llu,\"lost\":%llu,\"mtu\":%llu,\"queue\":%llu,\"stale\":%llu,\"full\":%llu,\"refused\":%llu,"
                   "\"corrupted\":%llu,\"damaged_copies\":%llu,\"duplicated\":%llu,\"reordered\":%llu,\"delayed\":%llu,\"sent\":%llu}",
                class_names[class], (unsigned long long)c->received, (unsigned long long)c->lost, (unsigned long long)c->mtu,
                (unsigned long long)c->queue, (unsigned long long)c->stale, (unsigned long long)c->full, (unsigned long long)c->refused,
                (unsigned long long)c->corrupted, (unsigned long long)c->damaged_copies, (unsigned long long)c->duplicated,
                (unsigned long long)c->reordered, (unsigned long long)c->delayed, (unsigned long long)c->sent);
        }

        printf("}");
    }

    printf("}\n");
    fflush(stdout);
}

static void obey(char *line)
{
    char word[16] = "", first[64] = "", second[64] = "";
    sscanf(line, "%15s %63s %63s", word, first, second);
    if (!strcmp(word, "roam") && (!strcmp(first, "a") || !strcmp(first, "b"))) {
        if (!roam(&sides[first[0] == 'b'], second)) {
            printf("error: %s %s: %s\n", word, second, strerror(errno));
        } else {
            printf("ok %s\n", word);
        }
    } else if (!strcmp(word, "stats")) {
        print_counts();
    } else if (!strcmp(word, "quit")) {
        ended = 1;
    } else if (word[0]) {
        printf(change(&settings, word, first, second) ? "ok %s\n" : "error: %s is no command, or not one of this form\n", word);
    }

    fflush(stdout);
}

// False at the end of the commands: the relay goes on until it is ended.
static bool listen_to_commands(void)
{
    static char line[512];
    static size_t length;
    ssize_t got = read(STDIN_FILENO, line + length, sizeof line - 1 - length);
    if (got <= 0) {
        return got < 0 && (errno == EAGAIN || errno == EINTR);
    }

    length += (size_t)got;
    line[length] = 0;
    char *rest = line;
    for (char *end; (end = strchr(rest, '\n')); rest = end + 1) {
        *end = 0;
        obey(rest);
    }

    length = strlen(rest);
    memmove(line, rest, length + 1);
    length = length == sizeof line - 1 ? 0 : length;
    return true;
}

static void run(void)
{
    bool commands = true;
    while (!ended) {
        struct pollfd polled[1 + 2 * (2 + OLD)] = {{.fd = commands ? STDIN_FILENO : -1, .events = POLLIN}};
        for (int side = 0; side < 2; side++) {
            for (int i = 0; i < 2 + OLD; i++) {
                polled[1 + side * (2 + OLD) + i] = (struct pollfd){.fd = sides[side].sockets[i], .events = POLLIN};
            }
        }

        uint64_t due = next_due(), now = nanoseconds(CLOCK_MONOTONIC), wait = due > now ? due - now : 0;
        struct timespec timeout = {(time_t)(wait / 1000000000u), (long)(wait % 1000000000u)};
        int ready = ppoll(polled, sizeof polled / sizeof *polled, due == UINT64_MAX ? NULL : &timeout, NULL);
        for (int i = 1; ready > 0 && i < (int)(sizeof polled / sizeof *polled); i++) {
            if (polled[i].revents) {
                receive((i - 1) / (2 + OLD), (i - 1) % (2 + OLD));
            }
        }

        for (now = nanoseconds(CLOCK_MONOTONIC); next_due() <= now;) {
            struct held *one = take_due();
            release(one);
            free(one);
        }

        // Last: a command may close a socket that was polled above.
        if (ready > 0 && polled[0].revents) {
            commands = listen_to_commands();
        }
    }
}

int main(int argc, char **argv)
{
    struct sigaction action = {.sa_handler = on_signal};
    sigaction(SIGINT, &action, NULL);
    sigaction(SIGTERM, &action, NULL);
    if (argc != 6) {
        fprintf(stderr, "Usage: relay SEED A-LISTEN A-END B-LISTEN B-END; each is ADDRESS:PORT. Commands come by standard input: see README.md.\n");
        return 2;
    }

    seed = strtoull(argv[1], NULL, 0);
    for (int side = 0; side < 2; side++) {
        for (int i = 0; i < 2 + OLD; i++) {
            sides[side].sockets[i] = -1;
        }

        if (!parse(argv[2 + 2 * side], &sides[side].base) || !parse(argv[3 + 2 * side], &sides[side].end)) {
            give_up("an address");
        }

        sides[side].sockets[0] = listen_on(&sides[side].base);
        if (sides[side].sockets[0] < 0) {
            give_up(argv[2 + 2 * side]);
        }
    }

    printf("seed %llu\nports %u %u\nready\n", (unsigned long long)seed, port_of(sides[0].sockets[0]), port_of(sides[1].sockets[0]));
    fflush(stdout);
    run();
    print_counts();
    return 0;
}

// What relay.c and decide.c share.
#pragma once
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/socket.h>

struct address {
    struct sockaddr_storage at;
    socklen_t length;
};

// What a datagram is, by its first byte and its size: WireGuard's handshake messages, its keepalives (data of 32 bytes), data, and data of at least
// the size that the command `large` names.
enum class { HANDSHAKE, KEEPALIVE, DATA, LARGE, CLASSES };
extern const char *const class_names[CLASSES];

// Of one direction and class: received + duplicated = lost + mtu + queue + stale + full + refused + sent + what is held.
struct counts {
    uint64_t received, lost, mtu, queue, stale, full, refused, corrupted, damaged_copies, duplicated, reordered, delayed, sent;
};

// Shares are of 1; times are nanoseconds; the rate is Mbit/s of IP packets, 0 for none; so is the MTU, in bytes.
struct settings {
    double loss, reorder, duplicate, corrupt, rate;
    uint64_t delay, jitter, hold;
    size_t mtu, large;
};

struct verdict {
    bool lost, reordered, repeated, corrupted;
    uint64_t delay;
    size_t position;
    unsigned bit;
};

struct held {
    uint64_t due, order;
    uint8_t direction, class;
    size_t length;
    uint8_t bytes[];
};

int class_of(const struct settings *settings, const uint8_t *bytes, size_t length);
// What happens to the nth datagram of a direction.
struct verdict decide(const struct settings *settings, uint64_t seed, int direction, uint64_t n, size_t length);
// A setting by its command; false where there is none of that name and form.
bool change(struct settings *settings, const char *word, const char *first, const char *second);

// The datagrams that wait for their time, the one that is due first in front; equal times leave in the order they came. NULL where there are too many.
struct held *hold(uint64_t due, size_t length);
uint64_t next_due(void);
struct held *take_due(void);
size_t held_now(void);

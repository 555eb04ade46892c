// What happens to a datagram, as a function of the seed, its direction, its ordinal and the settings; and the datagrams that wait for their time.
#include "relay.h"
#include <stdlib.h>
#include <string.h>

#define MOST_HELD 65536

const char *const class_names[CLASSES] = {"handshake", "keepalive", "data", "large"};
static struct held *heap[MOST_HELD];
static size_t held_count;
static uint64_t next_order;

int class_of(const struct settings *settings, const uint8_t *bytes, size_t length)
{
    if (length && bytes[0] >= 1 && bytes[0] <= 3) {
        return HANDSHAKE;
    }

    return length == 32 ? KEEPALIVE : length >= settings->large ? LARGE : DATA;
}

// splitmix64's finaliser: a good mix of its input, so that no draw depends on how many were made before it.
static uint64_t mix(uint64_t x)
{
    x += 0x9E3779B97F4A7C15u;
    x = (x ^ x >> 30) * 0xBF58476D1CE4E5B9u;
    x = (x ^ x >> 27) * 0x94D049BB133111EBu;
    return x ^ x >> 31;
}

// Each question about a datagram has a draw of its own: changing one setting leaves the answers to the others as they were.
enum question { LOST, REORDERED, HELD_FOR, REPEATED, CORRUPTED, WHERE, JITTER };

static uint64_t draw(uint64_t seed, int direction, uint64_t n, enum question question)
{
    return mix(mix(mix(seed) ^ (n * 16 + (uint64_t)question)) + (uint64_t)direction);
}

static double share(uint64_t drawn)
{
    return (double)(drawn >> 11) / 9007199254740992.0;
}

struct verdict decide(const struct settings *settings, uint64_t seed, int direction, uint64_t n, size_t length)
{
    uint64_t where = draw(seed, direction, n, WHERE);
    struct verdict verdict = {
        .lost = share(draw(seed, direction, n, LOST)) < settings->loss,
        .reordered = share(draw(seed, direction, n, REORDERED)) < settings->reorder,
        .repeated = share(draw(seed, direction, n, REPEATED)) < settings->duplicate,
        .corrupted = length && share(draw(seed, direction, n, CORRUPTED)) < settings->corrupt,
        .delay = settings->delay + (uint64_t)(share(draw(seed, direction, n, JITTER)) * (double)settings->jitter),
        .position = length ? (size_t)(where >> 8) % length : 0,
        .bit = where & 7,
    };
    if (verdict.reordered) {
        // At least a tenth, or nothing would overtake it.
        verdict.delay += (uint64_t)((0.1 + 0.9 * share(draw(seed, direction, n, HELD_FOR))) * (double)settings->hold);
    }

    return verdict;
}

static bool number(const char *text, double most, double *value)
{
    char *end;
    *value = strtod(text, &end);
    return end != text && (!*end || !strcmp(end, "%")) && *value >= 0 && *value <= most;
}

bool change(struct settings *settings, const char *word, const char *first, const char *second)
{
    double value, other = 10;
    double *const shares[] = {&settings->loss, &settings->duplicate, &settings->corrupt, &settings->reorder};
    static const char *const names[] = {"loss", "duplicate", "corrupt", "reorder"};
    if (!number(first, 1e9, &value)) {
        return false;
    }

    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        if (!strcmp(word, names[i])) {
            if (value > 100 || (*second && (strcmp(word, "reorder") || !number(second, 10000, &other)))) {
                return false;
            }

            *shares[i] = value / 100;
            settings->hold = strcmp(word, "reorder") ? settings->hold : (uint64_t)(other * 1e6);
            return true;
        }
    }

    if (*second) {
        return false;
    }

    if (!strcmp(word, "delay") || !strcmp(word, "jitter")) {
        *(word[0] == 'd' ? &settings->delay : &settings->jitter) = (uint64_t)((value > 10000 ? 10000 : value) * 1e6);
    } else if (!strcmp(word, "rate")) {
        settings->rate = value;
    } else if (!strcmp(word, "mtu") || !strcmp(word, "large")) {
        *(word[0] == 'm' ? &settings->mtu : &settings->large) = (size_t)value;
    } else {
        return false;
    }

    return true;
}

static bool before(const struct held *one, const struct held *other)
{
    return one->due != other->due ? one->due < other->due : one->order < other->order;
}

struct held *hold(uint64_t due, size_t length)
{
    struct held *one = held_count < MOST_HELD ? malloc(sizeof *one + length) : NULL;
    if (!one) {
        return NULL;
    }

    *one = (struct held){.due = due, .order = next_order++, .length = length};
    size_t at = held_count++;
    for (; at && before(one, heap[(at - 1) / 2]); at = (at - 1) / 2) {
        heap[at] = heap[(at - 1) / 2];
    }

    heap[at] = one;
    return one;
}

uint64_t next_due(void)
{
    return held_count ? heap[0]->due : UINT64_MAX;
}

size_t held_now(void)
{
    return held_count;
}

struct held *take_due(void)
{
    struct held *first = heap[0], *last = heap[--held_count];
    size_t at = 0;
    for (size_t child; (child = 2 * at + 1) < held_count; at = child) {
        child += child + 1 < held_count && before(heap[child + 1], heap[child]);
        if (!before(heap[child], last)) {
            break;
        }

        heap[at] = heap[child];
    }

    heap[at] = last;
    return first;
}

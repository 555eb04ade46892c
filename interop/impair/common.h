// What both programs of the soak do alike. Include it first: it asks for the GNU functions.
#ifndef IMPAIR_COMMON_H
#define IMPAIR_COMMON_H
#define _GNU_SOURCE
#include <errno.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

// Set by the signals that end a run.
static volatile sig_atomic_t ended;

static inline void on_signal(int number)
{
    (void)number;
    ended = 1;
}

__attribute__((noreturn)) static inline void give_up(const char *what)
{
    fprintf(stderr, "%s: %s: %s\n", program_invocation_short_name, what, strerror(errno));
    exit(1);
}

static inline uint64_t nanoseconds(clockid_t clock)
{
    struct timespec now;
    clock_gettime(clock, &now);
    return (uint64_t)now.tv_sec * 1000000000u + (uint64_t)now.tv_nsec;
}
#endif

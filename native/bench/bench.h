// What the parts of the limit share: loading a program of wire.bpf.o, time, and sentences about what failed.
#pragma once
#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <errno.h>
#include <net/if.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

// The constants of wire.bpf.c.
struct constants {
    uint32_t target;
    uint32_t tunnel_port;
};

struct wire {
    struct bpf_object *object;
    struct bpf_program *program;
    struct bpf_link *link;
};

__attribute__((noreturn)) void give_up(const char *what, int error);
uint64_t nanoseconds(void);
bool stopped(void);
unsigned device(const char *name);
// Frames that the map of held ones has room for, where it is used.
extern unsigned held_frames;
// Loads one program; attached to a device unless ifindex is 0.
struct wire load(const char *program, unsigned ifindex, unsigned target, uint16_t tunnel_port);
// Sends what the program makes of copies of a frame, as fast as it lets them go; returns the seconds that took.
double emit(struct bpf_program *program, void *frame, uint32_t bytes, double seconds);
// How many frames the programs of a loaded object have sent.
uint64_t frames_made(const struct wire *wire);

int forward(const char *in, const char *out, double seconds);
int generate(const char *out, const char *mac, const char *source, const char *destination, int bytes, double seconds);
// Sends MESSAGE (hexadecimal) from ever other sources; RATE frames a second, 0 for as many as possible. As fragments they are first ones without others.
int flood(const char *out, const char *mac, const char *destination, int port, const char *message, double rate, double seconds, bool fragments);
// Takes FRAMES that a tunnel sends, and sends them again.
int replay(const char *out, int port, int frames, double rate, double seconds);
// Throws away all that comes in.
int discard(const char *in, double seconds);
// Has a program of native/xdp/outer.bpf.c take what comes in; nobody receives it.
int take_real(const char *in, const char *file, const char *program, const char *local, int port, double seconds);
int count(const char *in, uint16_t tunnel_port, double seconds);
// Keeps FRAMES sealed frames, and sends them at RATE a second when told to.
int hold(const char *out, int bytes, unsigned frames, double rate, double seconds);
int blast(const char *to, int bytes, double seconds);

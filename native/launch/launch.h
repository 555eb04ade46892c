// The launcher of TunnelBox: checks what a start needs, keeps the capabilities of the mode and no more, restricts the process, and becomes the program.
#ifndef TUNNELBOX_LAUNCH_H
#define TUNNELBOX_LAUNCH_H

#include <stdbool.h>
#include <stdint.h>

// What the tunnel is going to do; it decides which capabilities stay.
enum mode {
    MODE_UDP,  // UDP sockets and a TUN device: CAP_NET_ADMIN
    MODE_XDP,  // AF_XDP besides: CAP_NET_RAW, CAP_BPF and CAP_PERFMON
    MODE_HOST, // started by hand on a machine: both, and interfaces that are moved into other network namespaces
};

// What the command line says.
struct plan {
    enum mode mode;
    bool strict;         // a forbidden system call ends the process instead of failing: for tests
    bool checks_only;    // says what is missing and ends
    const char *reads[16];  // more files and folders that may be read; ends with NULL
    const char *writes[16]; // more folders that may be written
    char **program;      // what is executed, and its arguments
};

// Capability sets as one bit a capability (linux/capability.h).
struct capabilities {
    uint64_t permitted;
    uint64_t bounding;
    bool no_new_privileges;
};

// capabilities.c
uint64_t required_capabilities(enum mode mode);
uint64_t kept_capabilities(enum mode mode, uint64_t permitted);
struct capabilities read_capabilities(void);
void keep_capabilities(uint64_t kept);

// checks.c: false after each sentence on standard error.
bool check_capabilities(enum mode mode, struct capabilities held);
bool check_tun_device(void);
bool check_folders(enum mode mode);

// files.c: Landlock; a kernel without it is told.
void restrict_files(const struct plan *plan);

// calls.c: seccomp.
void restrict_calls(bool strict);

// launch.c
void say(const char *format, ...) __attribute__((format(printf, 1, 2)));
void die(const char *format, ...) __attribute__((format(printf, 1, 2), noreturn));

#endif

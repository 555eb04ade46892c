// Which capabilities a mode needs, and how all others are given up for good (capabilities(7)).
#include "launch.h"

#include <errno.h>
#include <linux/capability.h>
#include <linux/securebits.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <unistd.h>

#define BIT(capability) (UINT64_C(1) << (capability))

uint64_t required_capabilities(enum mode mode)
{
    // Interfaces, addresses, routes, marks and forced buffers; AF_XDP sockets; programs and maps in the kernel, and the program's arithmetic with pointers.
    return BIT(CAP_NET_ADMIN) | (mode == MODE_XDP ? BIT(CAP_NET_RAW) | BIT(CAP_BPF) | BIT(CAP_PERFMON) : 0);
}

uint64_t kept_capabilities(enum mode mode, uint64_t permitted)
{
    uint64_t useful = required_capabilities(mode) | BIT(CAP_IPC_LOCK) | BIT(CAP_NET_BIND_SERVICE);
    if (mode == MODE_HOST)
        useful |= BIT(CAP_NET_RAW) | BIT(CAP_BPF) | BIT(CAP_PERFMON) | BIT(CAP_SYS_ADMIN);
    return useful & permitted;
}

static int change(struct __user_cap_data_struct data[2], int call)
{
    struct __user_cap_header_struct header = {.version = _LINUX_CAPABILITY_VERSION_3};
    return (int)syscall(call, &header, data);
}

static void split(uint64_t set, struct __user_cap_data_struct data[2])
{
    for (int half = 0; half < 2; half++) {
        uint32_t bits = (uint32_t)(set >> (32 * half));
        data[half] = (struct __user_cap_data_struct){.effective = bits, .permitted = bits, .inheritable = bits};
    }
}

struct capabilities read_capabilities(void)
{
    struct __user_cap_data_struct data[2] = {0};
    struct capabilities held = {0};
    if (change(data, SYS_capget) != 0)
        die("the capabilities of this process cannot be read: %s.", strerror(errno));
    held.permitted = data[0].permitted | (uint64_t)data[1].permitted << 32;
    for (int capability = 0; capability < 64; capability++) {
        if (prctl(PR_CAPBSET_READ, capability, 0, 0, 0) == 1)
            held.bounding |= BIT(capability);
    }
    held.no_new_privileges = prctl(PR_GET_NO_NEW_PRIVS, 0, 0, 0, 0) == 1;
    return held;
}

void keep_capabilities(uint64_t kept)
{
    struct __user_cap_data_struct data[2];
    struct capabilities held = read_capabilities();
    bool may_change_sets = (held.permitted & BIT(CAP_SETPCAP)) != 0;
    // File capabilities without the effective bit: what is permitted is not in effect until it is asked for.
    split(held.permitted, data);
    for (int half = 0; half < 2; half++)
        data[half].inheritable &= (uint32_t)(kept >> (32 * half));
    if (change(data, SYS_capset) != 0)
        die("the capabilities cannot be put into effect: %s.", strerror(errno));
    if (may_change_sets) {
        for (int capability = 0; capability < 64; capability++) {
            if ((held.bounding & ~kept & BIT(capability)) != 0 && prctl(PR_CAPBSET_DROP, capability, 0, 0, 0) != 0)
                die("capability %d cannot be taken out of the bounding set: %s.", capability, strerror(errno));
        }
    }
    prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_CLEAR_ALL, 0, 0, 0);
    for (int capability = 0; capability < 64; capability++) {
        if ((kept & BIT(capability)) != 0 && prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_RAISE, capability, 0, 0) != 0)
            die("capability %d cannot be passed on: %s.", capability, strerror(errno));
    }
    // Root is nobody special from here on: neither for exec, nor for setuid, nor for ambient capabilities.
    if (may_change_sets &&
        prctl(PR_SET_SECUREBITS,
              SECBIT_NOROOT | SECBIT_NOROOT_LOCKED | SECBIT_NO_SETUID_FIXUP | SECBIT_NO_SETUID_FIXUP_LOCKED |
                  SECBIT_KEEP_CAPS_LOCKED | SECBIT_NO_CAP_AMBIENT_RAISE | SECBIT_NO_CAP_AMBIENT_RAISE_LOCKED, 0, 0, 0) != 0)
        die("the secure bits cannot be set: %s.", strerror(errno));
    split(kept, data);
    if (change(data, SYS_capset) != 0)
        die("the other capabilities cannot be given up: %s.", strerror(errno));
}

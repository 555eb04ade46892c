// Which system calls the tunnel may make (seccomp(2)). The filter is inherited by every thread and survives exec.
#include "launch.h"

#include <errno.h>
#include <linux/audit.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <sched.h>
#include <stddef.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/syscall.h>

#if defined(__x86_64__)
#define ARCHITECTURE AUDIT_ARCH_X86_64
#elif defined(__aarch64__)
#define ARCHITECTURE AUDIT_ARCH_AARCH64
#else
#error "the list of system calls is for x86-64 and arm64"
#endif

static const int allowed[] = {
#include "calls.inc"
};

// Flags of clone that make a namespace.
#define NAMESPACES (CLONE_NEWNS | CLONE_NEWCGROUP | CLONE_NEWUTS | CLONE_NEWIPC | CLONE_NEWUSER | CLONE_NEWPID | CLONE_NEWNET)

static struct sock_filter program[2 * sizeof allowed / sizeof allowed[0] + 32];
static unsigned short length;

static void add(struct sock_filter instruction)
{
    program[length++] = instruction;
}

static void load(uint32_t offset)
{
    add((struct sock_filter)BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offset));
}

static void answer(uint32_t action)
{
    add((struct sock_filter)BPF_STMT(BPF_RET | BPF_K, action));
}

// Goes on with the next instruction when the loaded word is (or has one of the bits of) the value, else past the one after it.
static void when(uint16_t comparison, uint32_t value)
{
    add((struct sock_filter)BPF_JUMP(BPF_JMP | comparison | BPF_K, value, 0, 1));
}

void restrict_calls(bool strict)
{
    uint32_t refusal = strict ? SECCOMP_RET_KILL_PROCESS : SECCOMP_RET_ERRNO | EPERM;
    load(offsetof(struct seccomp_data, arch));
    add((struct sock_filter)BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, ARCHITECTURE, 1, 0));
    answer(SECCOMP_RET_KILL_PROCESS);
    load(offsetof(struct seccomp_data, nr));
    // Calls of the frequent kind first: most are answered from the kernel's own table of what is always allowed anyway.
    for (size_t i = 0; i < sizeof allowed / sizeof allowed[0]; i++) {
        when(BPF_JEQ, (uint32_t)allowed[i]);
        answer(SECCOMP_RET_ALLOW);
    }
    // clone3 hides its flags behind a pointer; without it the C library uses clone.
    when(BPF_JEQ, SYS_clone3);
    answer(SECCOMP_RET_ERRNO | ENOSYS);
    // Threads and children, but no namespaces.
    add((struct sock_filter)BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_clone, 0, 4));
    load(offsetof(struct seccomp_data, args[0]));
    when(BPF_JSET, NAMESPACES);
    answer(refusal);
    answer(SECCOMP_RET_ALLOW);
    // To follow an interface into another network namespace, and into no other kind.
    add((struct sock_filter)BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_setns, 0, 4));
    load(offsetof(struct seccomp_data, args[1]));
    when(BPF_JEQ, CLONE_NEWNET);
    answer(SECCOMP_RET_ALLOW);
    answer(SECCOMP_RET_ERRNO | EPERM);
    answer(refusal);
    struct sock_fprog filter = {.len = length, .filter = program};
    if (prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &filter, 0, 0) != 0)
        die("the filter of system calls is refused: %s.", strerror(errno));
}

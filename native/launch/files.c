// Which files the tunnel may use (landlock(7)): programs and libraries are read, sockets and state written, nothing but itself executed.
#include "launch.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/landlock.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

// Newer than the headers of Debian 12 (linux/landlock.h of Linux 6.10).
#ifndef LANDLOCK_ACCESS_FS_REFER
#define LANDLOCK_ACCESS_FS_REFER (1ULL << 13)
#endif
#ifndef LANDLOCK_ACCESS_FS_TRUNCATE
#define LANDLOCK_ACCESS_FS_TRUNCATE (1ULL << 14)
#endif
#define LANDLOCK_ACCESS_FS_IOCTL_DEV_5 (1ULL << 15)

#define READ (LANDLOCK_ACCESS_FS_READ_FILE | LANDLOCK_ACCESS_FS_READ_DIR)
#define WRITE (LANDLOCK_ACCESS_FS_WRITE_FILE | LANDLOCK_ACCESS_FS_TRUNCATE)
#define MAKE                                                                                                  \
    (LANDLOCK_ACCESS_FS_REMOVE_DIR | LANDLOCK_ACCESS_FS_REMOVE_FILE | LANDLOCK_ACCESS_FS_MAKE_DIR |           \
     LANDLOCK_ACCESS_FS_MAKE_REG | LANDLOCK_ACCESS_FS_MAKE_SOCK | LANDLOCK_ACCESS_FS_REFER)
#define DEVICE (READ | WRITE | LANDLOCK_ACCESS_FS_IOCTL_DEV_5)
// Rights that make sense for a file; the kernel refuses the others on one.
#define OF_FILES (LANDLOCK_ACCESS_FS_EXECUTE | LANDLOCK_ACCESS_FS_READ_FILE | WRITE | LANDLOCK_ACCESS_FS_IOCTL_DEV_5)

static uint64_t handled;

static void allow(int ruleset, const char *path, uint64_t access)
{
    struct landlock_path_beneath_attr rule = {.parent_fd = open(path, O_PATH | O_CLOEXEC)};
    struct stat found;
    if (rule.parent_fd < 0 || fstat(rule.parent_fd, &found) != 0)
        return; // What is not there needs no rule.
    rule.allowed_access = access & handled & (S_ISDIR(found.st_mode) ? ~UINT64_C(0) : OF_FILES);
    if (syscall(SYS_landlock_add_rule, ruleset, LANDLOCK_RULE_PATH_BENEATH, &rule, 0) != 0)
        die("Landlock refuses a rule for %s: %s.", path, strerror(errno));
    close(rule.parent_fd);
}

void restrict_files(const struct plan *plan)
{
    static const char *const readable[] = {"/etc", "/usr", "/lib", "/lib64", "/proc", "/sys", "/run", "/var/run", "/dev/random", "/dev/urandom"};
    static const char *const writable[] = {"/run/wireguard", "/run/tunnelbox", "/var/lib/tunnelbox"};
    static const char *const devices[] = {"/dev/net/tun", "/dev/null", "/dev/tty", "/dev/pts"};
    long version = syscall(SYS_landlock_create_ruleset, NULL, 0, LANDLOCK_CREATE_RULESET_VERSION);
    if (version < 1) {
        say("this kernel has no Landlock; files are guarded by their owners and modes alone.");
        return;
    }
    handled = LANDLOCK_ACCESS_FS_EXECUTE | READ | LANDLOCK_ACCESS_FS_WRITE_FILE | LANDLOCK_ACCESS_FS_REMOVE_DIR |
              LANDLOCK_ACCESS_FS_REMOVE_FILE | LANDLOCK_ACCESS_FS_MAKE_CHAR | LANDLOCK_ACCESS_FS_MAKE_DIR | LANDLOCK_ACCESS_FS_MAKE_REG |
              LANDLOCK_ACCESS_FS_MAKE_SOCK | LANDLOCK_ACCESS_FS_MAKE_FIFO | LANDLOCK_ACCESS_FS_MAKE_BLOCK | LANDLOCK_ACCESS_FS_MAKE_SYM;
    handled |= version >= 2 ? LANDLOCK_ACCESS_FS_REFER : 0;
    handled |= version >= 3 ? LANDLOCK_ACCESS_FS_TRUNCATE : 0;
    handled |= version >= 5 ? LANDLOCK_ACCESS_FS_IOCTL_DEV_5 : 0;
    struct landlock_ruleset_attr attributes = {.handled_access_fs = handled};
    int ruleset = (int)syscall(SYS_landlock_create_ruleset, &attributes, sizeof attributes, 0);
    if (ruleset < 0)
        die("Landlock refuses a rule set: %s.", strerror(errno));
    if (plan->mode == MODE_HOST) {
        // The program makes them when they are missing, and a rule needs them now.
        mkdir("/run/wireguard", 0755);
        mkdir("/run/tunnelbox", 0755);
        mkdir("/var/lib/tunnelbox", 0700);
        allow(ruleset, "/sys/devices", READ | LANDLOCK_ACCESS_FS_WRITE_FILE);
    } else {
        // The container's own, where the tunnel has DNS servers.
        allow(ruleset, "/etc/resolv.conf", READ | WRITE);
    }
    // Names of threads, and network settings: the kernel asks for the capability besides. The process id stays the same over exec.
    allow(ruleset, "/proc/self/task", READ | LANDLOCK_ACCESS_FS_WRITE_FILE);
    allow(ruleset, "/proc/sys/net", READ | WRITE);
    for (size_t i = 0; i < sizeof readable / sizeof readable[0]; i++)
        allow(ruleset, readable[i], READ);
    for (size_t i = 0; i < sizeof writable / sizeof writable[0]; i++)
        allow(ruleset, writable[i], READ | WRITE | MAKE);
    for (size_t i = 0; i < sizeof devices / sizeof devices[0]; i++)
        allow(ruleset, devices[i], DEVICE);
    for (const char *const *path = plan->reads; *path != NULL; path++)
        allow(ruleset, *path, READ);
    for (const char *const *path = plan->writes; *path != NULL; path++)
        allow(ruleset, *path, READ | WRITE | MAKE);
    allow(ruleset, plan->program[0], LANDLOCK_ACCESS_FS_EXECUTE | LANDLOCK_ACCESS_FS_READ_FILE);
    // The kernel opens a program's loader as something to execute.
    allow(ruleset, "/lib64/ld-linux-x86-64.so.2", LANDLOCK_ACCESS_FS_EXECUTE | LANDLOCK_ACCESS_FS_READ_FILE);
    allow(ruleset, "/lib/ld-linux-aarch64.so.1", LANDLOCK_ACCESS_FS_EXECUTE | LANDLOCK_ACCESS_FS_READ_FILE);
    if (syscall(SYS_landlock_restrict_self, ruleset, 0) != 0)
        die("Landlock cannot be put into effect: %s.", strerror(errno));
    close(ruleset);
}

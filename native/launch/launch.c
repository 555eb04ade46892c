// tunnelbox-launch [--udp|--xdp|--host] [--read PATH] [--write FOLDER] [--check] [--strict] PROGRAM [ARGUMENT...]
#include "launch.h"

#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <unistd.h>

enum { EXIT_MISSING = 1, EXIT_USAGE = 2 };

static const char usage[] =
    "Usage: tunnelbox-launch [OPTION...] PROGRAM [ARGUMENT...]\n"
    "\n"
    "Checks what PROGRAM, tunnelbox or tunnelctl, needs and names what is missing; gives up every capability that the mode does not\n"
    "need, for good; forbids files and system calls that the tunnel never uses; then becomes PROGRAM.\n"
    "\n"
    "  --udp          UDP sockets and a TUN device: keeps CAP_NET_ADMIN\n"
    "  --xdp          AF_XDP besides: keeps CAP_NET_RAW, CAP_BPF and CAP_PERFMON, too\n"
    "  --host         both; and CAP_SYS_ADMIN, to follow an interface that is moved into another network namespace\n"
    "                 (without one of these three: --xdp where TUNNELBOX__OUTERPORT or TUNNELBOX__INNERPORT begins with xdp: or auto:, else --udp)\n"
    "  --read PATH    PATH and what is below it may be read, too\n"
    "  --write FOLDER FOLDER and what is below it may be read and written, too\n"
    "  --check        only says what is missing\n"
    "  --strict       a forbidden system call ends the process (SIGSYS) instead of failing with EPERM\n"
    "  --help         says this\n"
    "\n"
    "CAP_IPC_LOCK and CAP_NET_BIND_SERVICE are kept where they were given: for keys beyond the limit of locked memory, and for a ListenPort below 1024.\n"
    "\n"
    "Exit codes: those of PROGRAM; 1 something is missing; 2 the command line is wrong.\n";

void say(const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    fputs("tunnelbox-launch: ", stderr);
    vfprintf(stderr, format, arguments);
    fputc('\n', stderr);
    va_end(arguments);
}

void die(const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    fputs("tunnelbox-launch: ", stderr);
    vfprintf(stderr, format, arguments);
    fputc('\n', stderr);
    va_end(arguments);
    exit(EXIT_MISSING);
}

static void wrong(const char *what, const char *word)
{
    say("%s%s; tunnelbox-launch --help says what is allowed.", what, word);
    exit(EXIT_USAGE);
}

static void add(const char **list, const char *path)
{
    size_t count = 0;
    while (list[count] != NULL)
        count++;
    if (path == NULL || path[0] != '/')
        wrong("an absolute path is needed, not ", path == NULL ? "nothing" : path);
    if (count == 15)
        wrong("at most 15 paths of a kind can be named, so not also ", path);
    list[count] = path;
}

// Settings in variables count in any case of letters, as the program reads them. A file's settings are not read here: name the mode.
static enum mode mode_of_settings(char **environment)
{
    static const char *const names[] = {"TUNNELBOX__OUTERPORT=", "TUNNELBOX__INNERPORT="};
    for (; *environment != NULL; environment++) {
        for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
            size_t length = strlen(names[i]);
            const char *value = *environment + length;
            if (strncasecmp(*environment, names[i], length) == 0 &&
                (strncasecmp(value, "xdp:", 4) == 0 || strncasecmp(value, "auto:", 5) == 0))
                return MODE_XDP;
        }
    }
    return MODE_UDP;
}

static struct plan read_arguments(char **arguments, char **environment)
{
    struct plan plan = {.mode = mode_of_settings(environment)};
    for (arguments++; *arguments != NULL && (*arguments)[0] == '-'; arguments++) {
        const char *option = *arguments;
        if (strcmp(option, "--") == 0) {
            arguments++;
            break;
        }
        if (strcmp(option, "--help") == 0) {
            fputs(usage, stdout);
            exit(EXIT_SUCCESS);
        } else if (strcmp(option, "--udp") == 0) {
            plan.mode = MODE_UDP;
        } else if (strcmp(option, "--xdp") == 0) {
            plan.mode = MODE_XDP;
        } else if (strcmp(option, "--host") == 0) {
            plan.mode = MODE_HOST;
        } else if (strcmp(option, "--strict") == 0) {
            plan.strict = true;
        } else if (strcmp(option, "--check") == 0) {
            plan.checks_only = true;
        } else if (strcmp(option, "--read") == 0 || strcmp(option, "--write") == 0) {
            add(option[2] == 'r' ? plan.reads : plan.writes, arguments[1]);
            arguments++;
        } else {
            wrong("there is no option ", option);
        }
    }
    plan.program = arguments;
    if (*arguments == NULL && !plan.checks_only)
        wrong("a program is missing", "");
    return plan;
}

// A dump would hold keys. The limit is 1 because a core_pattern that is a pipe heeds no other (fs/coredump.c); the program forbids dumps by itself later on.
// What may be locked in memory is raised as far as it goes.
static void set_limits(void)
{
    struct rlimit limit;
    if (getrlimit(RLIMIT_CORE, &limit) == 0) {
        limit.rlim_max = limit.rlim_max < 1 ? limit.rlim_max : 1;
        limit.rlim_cur = limit.rlim_max;
        setrlimit(RLIMIT_CORE, &limit);
    }
    if (getrlimit(RLIMIT_MEMLOCK, &limit) == 0) {
        limit.rlim_cur = limit.rlim_max;
        setrlimit(RLIMIT_MEMLOCK, &limit);
    }
}

int main(int count, char **arguments, char **environment)
{
    (void)count;
    struct plan plan = read_arguments(arguments, environment);
    struct capabilities held = read_capabilities();
    // All that is missing at once: nobody should mend a manifest line by line.
    bool complete = check_capabilities(plan.mode, held);
    complete &= check_tun_device();
    complete &= check_folders(plan.mode);
    if (!complete)
        return EXIT_MISSING;
    if (plan.checks_only)
        return EXIT_SUCCESS;

    set_limits();
    keep_capabilities(kept_capabilities(plan.mode, held.permitted));
    // From here on no program that this one becomes or starts can gain anything.
    if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0)
        die("no_new_privs is refused: %s.", strerror(errno));
    // The runtime's debugger and its diagnostic socket would hand memory, and the keys in it, to every process of this user.
    setenv("DOTNET_EnableDiagnostics", "0", 0);
    restrict_files(&plan);
    restrict_calls(plan.strict);
    execv(plan.program[0], plan.program);
    die("%s cannot be started: %s. Give its full path.", plan.program[0], strerror(errno));
}

// What a start commonly lacks, each with the line that grants it: in Kubernetes, then for docker and podman.
#include "launch.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/capability.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static const char tun_device[] = "/dev/net/tun";

static const char *name_of(int capability)
{
    switch (capability) {
    case CAP_NET_ADMIN:
        return "NET_ADMIN";
    case CAP_NET_RAW:
        return "NET_RAW";
    case CAP_BPF:
        return "BPF";
    default:
        return "PERFMON";
    }
}

bool check_capabilities(enum mode mode, struct capabilities held)
{
    uint64_t missing = required_capabilities(mode) & ~held.permitted;
    const char *use = mode == MODE_XDP ? "a tunnel over AF_XDP" : "a tunnel";
    for (int capability = 0; capability < 64; capability++) {
        uint64_t bit = UINT64_C(1) << capability;
        const char *name = name_of(capability);
        if ((missing & bit) == 0)
            continue;
        if ((held.bounding & bit) == 0)
            say("the capability CAP_%s is missing, which %s needs: securityContext.capabilities.add: [\"%s\"] in the manifest; "
                "docker run --cap-add %s; as a service, CapabilityBoundingSet=CAP_%s.", name, use, name, name, name);
        else if (held.no_new_privileges)
            say("the capability CAP_%s may be held but is not, and no_new_privs keeps this program from taking it: "
                "securityContext.allowPrivilegeEscalation: true in the manifest; docker run without --security-opt no-new-privileges; or runAsUser: 0.", name);
        else
            say("the capability CAP_%s may be held but is not: this file has lost its file capabilities, which a copy without extended attributes does; "
                "use the image as it was built, or run as root (securityContext.runAsUser: 0; docker run --user 0).", name);
    }
    return missing == 0;
}

bool check_tun_device(void)
{
    static const char grant[] = "a volume {hostPath: {path: /dev/net/tun, type: CharDevice}} mounted at /dev/net/tun in the manifest; docker run --device /dev/net/tun";
    if (getenv("WG_TUN_FD") != NULL)
        return true;
    int descriptor = open(tun_device, O_RDWR | O_CLOEXEC);
    if (descriptor >= 0) {
        close(descriptor);
        return true;
    }
    switch (errno) {
    case ENOENT:
        say("the device %s is missing: %s.", tun_device, grant);
        break;
    case ENODEV:
    case ENXIO:
        say("%s is there, but the kernel has no such device: load the module on the node (modprobe tun).", tun_device);
        break;
    case EPERM:
        say("%s may not be opened, the device rules of the container forbid it: %s.", tun_device, grant);
        break;
    case EACCES:
        say("%s may not be opened by user %u: mode 0666 is usual (chmod 666 %s on the node); or runAsUser: 0.", tun_device, (unsigned)getuid(), tun_device);
        break;
    default:
        say("%s cannot be opened: %s.", tun_device, strerror(errno));
        break;
    }
    return false;
}

// Sockets go there; with a read-only root file system it takes a memory file system.
bool check_folders(enum mode mode)
{
    static const char *const folders[] = {"/run/wireguard", "/run/tunnelbox"};
    if (mode == MODE_HOST)
        return true;
    for (size_t i = 0; i < sizeof folders / sizeof folders[0]; i++) {
        if (mkdir(folders[i], 0755) != 0 && errno != EEXIST) {
            say("%s cannot be made (%s), and the control sockets stand there: an emptyDir {medium: Memory} mounted at /run in the manifest; "
                "docker run --tmpfs /run:mode=1777.", folders[i], strerror(errno));
            return false;
        }
        if (access(folders[i], W_OK) != 0) {
            say("%s is not writable for user %u (%s), and the control sockets stand there: an emptyDir {medium: Memory} mounted at /run in the manifest; "
                "docker run --tmpfs /run:mode=1777.", folders[i], (unsigned)getuid(), strerror(errno));
            return false;
        }
    }
    return true;
}

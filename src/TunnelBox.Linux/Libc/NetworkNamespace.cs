namespace TunnelBox.Linux.Libc;

/// <summary>Opens sockets in another network namespace.</summary>
public static class NetworkNamespace
{
    /// <summary>
    /// Opens a socket in another network namespace. The namespace belongs to a thread and is inherited by what the thread
    /// creates, so a thread of its own enters, opens and leaves; nothing else ever runs there.
    /// </summary>
    /// <param name="namespaceFd">An open namespace file; negative for the caller's own.</param>
    /// <param name="domain">AF_*.</param>
    /// <param name="type">SOCK_*.</param>
    /// <param name="protocol">IPPROTO_*, or 0.</param>
    /// <returns>A descriptor, or −errno (EPERM without CAP_SYS_ADMIN).</returns>
    public static int OpenSocket(int namespaceFd, int domain, int type, int protocol)
    {
        if (namespaceFd < 0)
        {
            return LibC.socket(domain, type, protocol);
        }

        int result = -Definitions.EINVAL;
        var thread = new Thread(
            () =>
            {
                int entered = LibC.setns(namespaceFd, Definitions.CLONE_NEWNET);
                result = entered < 0 ? entered : LibC.socket(domain, type, protocol);
            },
            128 * 1024)
        {
            Name = "namespace",
        };

        // Compiles both calls here, so that the runtime has nothing to start from inside.
        _ = LibC.setns(-1, Definitions.CLONE_NEWNET);
        _ = LibC.socket(-1, type, protocol);
        thread.Start();
        thread.Join();
        return result;
    }
}

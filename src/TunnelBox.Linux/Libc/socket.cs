using System.Runtime.InteropServices;

namespace TunnelBox.Linux.Libc;

/// <content>sys/socket.h.</content>
public static partial class Definitions
{
    /// <summary>No family.</summary>
    public const int AF_UNSPEC = 0;

    /// <summary>Unix sockets.</summary>
    public const int AF_UNIX = 1;

    /// <summary>IPv4.</summary>
    public const int AF_INET = 2;

    /// <summary>IPv6.</summary>
    public const int AF_INET6 = 10;

    /// <summary>Netlink.</summary>
    public const int AF_NETLINK = 16;

    /// <summary>A stream.</summary>
    public const int SOCK_STREAM = 1;

    /// <summary>Datagrams.</summary>
    public const int SOCK_DGRAM = 2;

    /// <summary>Raw.</summary>
    public const int SOCK_RAW = 3;

    /// <summary>Calls return EAGAIN instead of waiting.</summary>
    public const int SOCK_NONBLOCK = 0x800;

    /// <summary>Closed by exec.</summary>
    public const int SOCK_CLOEXEC = 0x80000;

    /// <summary>Options of every socket.</summary>
    public const int SOL_SOCKET = 1;

    /// <summary>Options of UDP.</summary>
    public const int SOL_UDP = 17;

    /// <summary>The port may be bound again.</summary>
    public const int SO_REUSEADDR = 2;

    /// <summary>Reads and clears the pending error.</summary>
    public const int SO_ERROR = 4;

    /// <summary>Send buffer in bytes.</summary>
    public const int SO_SNDBUF = 7;

    /// <summary>Receive buffer in bytes.</summary>
    public const int SO_RCVBUF = 8;

    /// <summary>Several sockets of one port share its traffic.</summary>
    public const int SO_REUSEPORT = 15;

    /// <summary>Has a BPF program choose among the sockets that share a port.</summary>
    public const int SO_ATTACH_REUSEPORT_EBPF = 52;

    /// <summary>Who is at the other end of a Unix socket: struct ucred.</summary>
    public const int SO_PEERCRED = 17;

    /// <summary>Microseconds that receiving polls the device itself.</summary>
    public const int SO_BUSY_POLL = 46;

    /// <summary>Polling goes before the device's interrupts, which the kernel puts off meanwhile.</summary>
    public const int SO_PREFER_BUSY_POLL = 69;

    /// <summary>Most packets that one poll of the device takes.</summary>
    public const int SO_BUSY_POLL_BUDGET = 70;

    /// <summary>Send buffer beyond the system's limit.</summary>
    public const int SO_SNDBUFFORCE = 32;

    /// <summary>Receive buffer beyond the system's limit.</summary>
    public const int SO_RCVBUFFORCE = 33;

    /// <summary>Mark of outgoing packets.</summary>
    public const int SO_MARK = 36;

    /// <summary>Control message of SOL_SOCKET that hands on descriptors (unix(7)).</summary>
    public const int SCM_RIGHTS = 1;

    /// <summary>Descriptors that arrive are closed by exec.</summary>
    public const int MSG_CMSG_CLOEXEC = 0x40000000;

    /// <summary>Control messages were cut.</summary>
    public const int MSG_CTRUNC = 8;

    /// <summary>The datagram was cut.</summary>
    public const int MSG_TRUNC = 0x20;

    /// <summary>Do not block.</summary>
    public const int MSG_DONTWAIT = 0x40;

    /// <summary>No SIGPIPE.</summary>
    public const int MSG_NOSIGNAL = 0x4000;
}

/// <summary>struct msghdr of sys/socket.h.</summary>
[StructLayout(LayoutKind.Sequential)]
public unsafe struct msghdr
{
    /// <summary>The other side's address.</summary>
    public void* msg_name;

    /// <summary>Bytes of <see cref="msg_name"/>.</summary>
    public uint msg_namelen;

    /// <summary>The pieces of the message.</summary>
    public iovec* msg_iov;

    /// <summary>How many pieces.</summary>
    public nuint msg_iovlen;

    /// <summary>Control messages.</summary>
    public void* msg_control;

    /// <summary>Bytes of <see cref="msg_control"/>.</summary>
    public nuint msg_controllen;

    /// <summary>MSG_* found on reception.</summary>
    public int msg_flags;
}

/// <summary>struct mmsghdr of sys/socket.h.</summary>
[StructLayout(LayoutKind.Sequential)]
public struct mmsghdr
{
    /// <summary>The message.</summary>
    public msghdr msg_hdr;

    /// <summary>Bytes moved.</summary>
    public uint msg_len;
}

/// <summary>struct cmsghdr of sys/socket.h: the head of one control message.</summary>
[StructLayout(LayoutKind.Sequential)]
public struct cmsghdr
{
    /// <summary>Bytes with this head, without padding behind.</summary>
    public nuint cmsg_len;

    /// <summary>Whose option.</summary>
    public int cmsg_level;

    /// <summary>Which option.</summary>
    public int cmsg_type;
}

/// <content>sys/socket.h.</content>
public static unsafe partial class LibC
{
    /// <summary>CMSG_SPACE: bytes that a control message takes with its padding.</summary>
    /// <param name="length">Bytes of data.</param>
    /// <returns>The space.</returns>
    public static int CMSG_SPACE(int length) => CMSG_LEN(0) + ((length + (sizeof(nuint) - 1)) & -sizeof(nuint));

    /// <summary>CMSG_LEN: the value of <see cref="cmsghdr.cmsg_len"/>.</summary>
    /// <param name="length">Bytes of data.</param>
    /// <returns>The length with the head.</returns>
    public static int CMSG_LEN(int length) => sizeof(cmsghdr) + length;

    /// <summary>socket(2).</summary>
    /// <param name="domain">AF_*.</param>
    /// <param name="type">SOCK_*.</param>
    /// <param name="protocol">IPPROTO_*, or 0.</param>
    /// <returns>A descriptor, or −errno.</returns>
    public static int socket(int domain, int type, int protocol) => Check(NativeSocket(domain, type, protocol));

    /// <summary>socketpair(2).</summary>
    /// <param name="domain">AF_UNIX.</param>
    /// <param name="type">SOCK_*.</param>
    /// <param name="protocol">0.</param>
    /// <param name="pair">Two descriptors.</param>
    /// <returns>0, or −errno.</returns>
    public static int socketpair(int domain, int type, int protocol, int* pair) => Check(NativeSocketpair(domain, type, protocol, pair));

    /// <summary>bind(2).</summary>
    /// <param name="fd">Socket.</param>
    /// <param name="address">Address.</param>
    /// <param name="length">Its bytes.</param>
    /// <returns>0, or −errno.</returns>
    public static int bind(int fd, void* address, uint length) => Check(NativeBind(fd, address, length));

    /// <summary>connect(2); not retried, since an interrupted connect goes on by itself.</summary>
    /// <param name="fd">Socket.</param>
    /// <param name="address">Address.</param>
    /// <param name="length">Its bytes.</param>
    /// <returns>0, or −errno.</returns>
    public static int connect(int fd, void* address, uint length) => Check(NativeConnect(fd, address, length));

    /// <summary>getsockname(2).</summary>
    /// <param name="fd">Socket.</param>
    /// <param name="address">Filled.</param>
    /// <param name="length">In: room; out: bytes.</param>
    /// <returns>0, or −errno.</returns>
    public static int getsockname(int fd, void* address, uint* length) => Check(NativeGetsockname(fd, address, length));

    /// <summary>setsockopt(2) with an integer.</summary>
    /// <param name="fd">Socket.</param>
    /// <param name="level">SOL_* or IPPROTO_*.</param>
    /// <param name="option">The option.</param>
    /// <param name="value">Its value.</param>
    /// <returns>0, or −errno.</returns>
    public static int setsockopt(int fd, int level, int option, int value) =>
        Check(NativeSetsockopt(fd, level, option, &value, sizeof(int)));

    /// <summary>getsockopt(2) of an integer.</summary>
    /// <param name="fd">Socket.</param>
    /// <param name="level">SOL_* or IPPROTO_*.</param>
    /// <param name="option">The option.</param>
    /// <param name="value">Its value.</param>
    /// <returns>0, or −errno.</returns>
    public static int getsockopt(int fd, int level, int option, out int value)
    {
        int found = 0;
        uint length = sizeof(int);
        int result = Check(NativeGetsockopt(fd, level, option, &found, &length));
        value = found;
        return result;
    }

    /// <summary>setsockopt(2) with a structure.</summary>
    /// <param name="fd">Socket.</param>
    /// <param name="level">SOL_* or IPPROTO_*.</param>
    /// <param name="option">The option.</param>
    /// <param name="value">Its value.</param>
    /// <param name="length">Bytes of it.</param>
    /// <returns>0, or −errno.</returns>
    public static int setsockopt(int fd, int level, int option, void* value, uint length) =>
        Check(NativeSetsockopt(fd, level, option, value, length));

    /// <summary>getsockopt(2) of a structure.</summary>
    /// <param name="fd">Socket.</param>
    /// <param name="level">SOL_* or IPPROTO_*.</param>
    /// <param name="option">The option.</param>
    /// <param name="value">Filled.</param>
    /// <param name="length">In: room; out: bytes.</param>
    /// <returns>0, or −errno.</returns>
    public static int getsockopt(int fd, int level, int option, void* value, uint* length) =>
        Check(NativeGetsockopt(fd, level, option, value, length));

    /// <summary>sendto(2) of nothing to nobody: on an AF_XDP socket, has the kernel transmit what is in the TX ring.</summary>
    /// <param name="fd">Socket.</param>
    /// <param name="flags">MSG_DONTWAIT.</param>
    /// <returns>0, or −errno: EAGAIN when some is left.</returns>
    public static int sendto(int fd, int flags) => Check((int)NativeSendto(fd, null, 0, flags, null, 0));

    /// <summary>recvfrom(2) of nothing: on an AF_XDP socket, has the kernel look at the fill ring.</summary>
    /// <param name="fd">Socket.</param>
    /// <param name="flags">MSG_DONTWAIT.</param>
    /// <returns>0, or −errno.</returns>
    public static int recvfrom(int fd, int flags) => Check((int)NativeRecvfrom(fd, null, 0, flags, null, null));

    /// <summary>sendmsg(2).</summary>
    /// <param name="fd">Socket.</param>
    /// <param name="message">The message.</param>
    /// <param name="flags">MSG_*.</param>
    /// <returns>Bytes sent, or −errno.</returns>
    public static nint sendmsg(int fd, msghdr* message, int flags)
    {
        nint result;
        do
        {
            result = NativeSendmsg(fd, message, flags);
        }
        while (Interrupted(result));
        return Check(result);
    }

    /// <summary>recvmsg(2).</summary>
    /// <param name="fd">Socket.</param>
    /// <param name="message">Filled.</param>
    /// <param name="flags">MSG_*.</param>
    /// <returns>Bytes received, 0 at the end of a stream, or −errno.</returns>
    public static nint recvmsg(int fd, msghdr* message, int flags)
    {
        nint result;
        do
        {
            result = NativeRecvmsg(fd, message, flags);
        }
        while (Interrupted(result));
        return Check(result);
    }

    /// <summary>sendmmsg(2).</summary>
    /// <param name="fd">Socket.</param>
    /// <param name="messages">The messages.</param>
    /// <param name="count">How many.</param>
    /// <param name="flags">MSG_*.</param>
    /// <returns>Messages sent, at least 1, or −errno of the first.</returns>
    public static int sendmmsg(int fd, mmsghdr* messages, uint count, int flags)
    {
        int result;
        do
        {
            result = NativeSendmmsg(fd, messages, count, flags);
        }
        while (Interrupted(result));
        return Check(result);
    }

    /// <summary>recvmmsg(2) without a time limit.</summary>
    /// <param name="fd">Socket.</param>
    /// <param name="messages">Filled.</param>
    /// <param name="count">How many at most.</param>
    /// <param name="flags">MSG_*.</param>
    /// <returns>Messages received, or −errno.</returns>
    public static int recvmmsg(int fd, mmsghdr* messages, uint count, int flags)
    {
        int result;
        do
        {
            result = NativeRecvmmsg(fd, messages, count, flags, null);
        }
        while (Interrupted(result));
        return Check(result);
    }

    [LibraryImport(Library, EntryPoint = "socket", SetLastError = true)]
    private static partial int NativeSocket(int domain, int type, int protocol);

    [LibraryImport(Library, EntryPoint = "socketpair", SetLastError = true)]
    private static partial int NativeSocketpair(int domain, int type, int protocol, int* pair);

    [LibraryImport(Library, EntryPoint = "bind", SetLastError = true)]
    private static partial int NativeBind(int fd, void* address, uint length);

    [LibraryImport(Library, EntryPoint = "connect", SetLastError = true)]
    private static partial int NativeConnect(int fd, void* address, uint length);

    [LibraryImport(Library, EntryPoint = "getsockname", SetLastError = true)]
    private static partial int NativeGetsockname(int fd, void* address, uint* length);

    [LibraryImport(Library, EntryPoint = "setsockopt", SetLastError = true)]
    private static partial int NativeSetsockopt(int fd, int level, int option, void* value, uint length);

    [LibraryImport(Library, EntryPoint = "getsockopt", SetLastError = true)]
    private static partial int NativeGetsockopt(int fd, int level, int option, void* value, uint* length);

    [LibraryImport(Library, EntryPoint = "sendto", SetLastError = true)]
    private static partial nint NativeSendto(int fd, void* data, nuint length, int flags, void* address, uint addressLength);

    [LibraryImport(Library, EntryPoint = "recvfrom", SetLastError = true)]
    private static partial nint NativeRecvfrom(int fd, void* data, nuint length, int flags, void* address, uint* addressLength);

    [LibraryImport(Library, EntryPoint = "sendmsg", SetLastError = true)]
    private static partial nint NativeSendmsg(int fd, msghdr* message, int flags);

    [LibraryImport(Library, EntryPoint = "recvmsg", SetLastError = true)]
    private static partial nint NativeRecvmsg(int fd, msghdr* message, int flags);

    [LibraryImport(Library, EntryPoint = "sendmmsg", SetLastError = true)]
    private static partial int NativeSendmmsg(int fd, mmsghdr* messages, uint count, int flags);

    [LibraryImport(Library, EntryPoint = "recvmmsg", SetLastError = true)]
    private static partial int NativeRecvmmsg(int fd, mmsghdr* messages, uint count, int flags, timespec* timeout);
}

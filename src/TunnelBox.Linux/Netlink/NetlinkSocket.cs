using System.Runtime.InteropServices;
using Microsoft.Win32.SafeHandles;

namespace TunnelBox.Linux.Netlink;

/// <summary>Takes one message of an answer.</summary>
/// <param name="message">The message.</param>
public delegate void NetlinkHandler(in NetlinkMessage message);

/// <summary>
/// A netlink socket for questions and answers. It belongs to the network namespace of the thread that opened it. Not
/// thread-safe.
/// </summary>
public sealed class NetlinkSocket : IDisposable
{
    /// <summary>NETLINK_ROUTE.</summary>
    public const int Route = 0;

    /// <summary>NETLINK_NETFILTER.</summary>
    public const int Netfilter = 12;

    /// <summary>Larger than any part of a dump: the kernel fills at most 32 KiB.</summary>
    private const int BufferSize = 128 * 1024;

    /// <summary>How often a dump is asked for again when it changed under the reading (NLM_F_DUMP_INTR).</summary>
    private const int DumpAttempts = 8;

    private readonly SafeFileHandle _socket;
    private readonly byte[] _buffer = new byte[BufferSize];
    private uint _sequence;
    private int _room;

    private NetlinkSocket(SafeFileHandle socket) => _socket = socket;

    /// <summary>Opens a socket.</summary>
    /// <param name="protocol"><see cref="Route"/> or <see cref="Netfilter"/>.</param>
    /// <returns>The socket.</returns>
    /// <exception cref="NetlinkException">The kernel refuses it.</exception>
    public static NetlinkSocket Open(int protocol)
    {
        int fd = NetlinkNative.Socket(NetlinkNative.AF_NETLINK, NetlinkNative.SOCK_RAW | NetlinkNative.SOCK_CLOEXEC, protocol);
        if (fd < 0)
        {
            throw new NetlinkException("opening a netlink socket", Marshal.GetLastPInvokeError(), null);
        }

        SafeFileHandle socket = new(fd, ownsHandle: true);
        NetlinkNative.SockaddrNl any = new() { Family = NetlinkNative.AF_NETLINK };
        if (NetlinkNative.Bind(socket, in any, 12) != 0)
        {
            int errno = Marshal.GetLastPInvokeError();
            socket.Dispose();
            throw new NetlinkException("binding a netlink socket", errno, null);
        }

        // Without these the kernel only says less; an old kernel does not know them.
        int on = 1;
        _ = NetlinkNative.SetInt(socket, NetlinkNative.SOL_NETLINK, NetlinkNative.NETLINK_EXT_ACK, in on, 4);
        _ = NetlinkNative.SetInt(socket, NetlinkNative.SOL_NETLINK, NetlinkNative.NETLINK_CAP_ACK, in on, 4);
        NetlinkNative.Timeval patience = new() { Seconds = 10 };
        _ = NetlinkNative.SetTime(socket, NetlinkNative.SOL_SOCKET, NetlinkNative.SO_RCVTIMEO, in patience, 16);
        return new NetlinkSocket(socket);
    }

    /// <summary>Asks for a change and waits for the kernel's word.</summary>
    /// <param name="request">The request.</param>
    /// <param name="operation">What is asked, as the middle of a sentence.</param>
    /// <exception cref="NetlinkException">The kernel refused.</exception>
    public void Change(NetlinkWriter request, string operation)
    {
        int error = Exchange(request, Rtnetlink.NLM_F_ACK, null, out string? reason, out _);
        if (error != 0)
        {
            throw new NetlinkException(operation, error, reason);
        }
    }

    /// <summary>Asks for one thing.</summary>
    /// <param name="request">The request.</param>
    /// <param name="operation">What is asked, as the middle of a sentence.</param>
    /// <param name="handler">Takes the answer.</param>
    /// <exception cref="NetlinkException">The kernel refused.</exception>
    public void Get(NetlinkWriter request, string operation, NetlinkHandler handler)
    {
        int error = Exchange(request, Rtnetlink.NLM_F_ACK, handler, out string? reason, out _);
        if (error != 0)
        {
            throw new NetlinkException(operation, error, reason);
        }
    }

    /// <summary>Asks for everything of a kind, again while it changes under the reading.</summary>
    /// <param name="request">The request.</param>
    /// <param name="operation">What is asked, as the middle of a sentence.</param>
    /// <param name="restart">Called before each attempt; forgets what the handler has collected.</param>
    /// <param name="handler">Takes each message.</param>
    /// <exception cref="NetlinkException">The kernel refused.</exception>
    public void Dump(NetlinkWriter request, string operation, Action restart, NetlinkHandler handler)
    {
        ArgumentNullException.ThrowIfNull(restart);
        for (int attempt = 1; ; attempt++)
        {
            restart();
            int error = Exchange(request, Rtnetlink.NLM_F_DUMP, handler, out string? reason, out bool interrupted);
            if (error != 0)
            {
                throw new NetlinkException(operation, error, reason);
            }

            if (!interrupted || attempt == DumpAttempts)
            {
                return;
            }
        }
    }

    /// <summary>Asks for changes that are made together or not at all (nfnetlink), and waits for the kernel's word.</summary>
    /// <param name="begin">The message that opens the batch.</param>
    /// <param name="requests">The changes, at least one, each with what it asks as the middle of a sentence.</param>
    /// <param name="end">The message that closes the batch.</param>
    /// <exception cref="NetlinkException">The kernel refused one, or the whole.</exception>
    public void Batch(NetlinkWriter begin, IReadOnlyList<(NetlinkWriter Request, string Operation)> requests, NetlinkWriter end)
    {
        ArgumentNullException.ThrowIfNull(begin);
        ArgumentNullException.ThrowIfNull(requests);
        ArgumentNullException.ThrowIfNull(end);
        using MemoryStream bytes = new();
        uint first = ++_sequence;
        bytes.Write(begin.Finish(first));
        foreach ((NetlinkWriter request, string _) in requests)
        {
            // Kernels before 6.10 confirm neither end of a batch, so the last change is asked to be.
            bool last = _sequence - first == (uint)requests.Count - 1;
            bytes.Write(request.Finish(++_sequence, last ? Rtnetlink.NLM_F_ACK : (ushort)0));
        }

        uint acknowledged = _sequence;
        bytes.Write(end.Finish(++_sequence));

        // A batch is one datagram, which the default buffer holds up to some 500 rules.
        int room = (int)bytes.Length + 64 * 1024;
        _ = NetlinkNative.SetInt(_socket, NetlinkNative.SOL_SOCKET, NetlinkNative.SO_SNDBUFFORCE, in room, 4);
        int error = Send(bytes.GetBuffer().AsSpan(0, (int)bytes.Length));
        if (error != 0)
        {
            throw new NetlinkException(requests[0].Operation, error, null);
        }

        while (true)
        {
            int length = Receive();
            if (length < 0)
            {
                throw new NetlinkException(requests[^1].Operation, -length, null);
            }

            foreach (NetlinkMessage message in new NetlinkMessages(_buffer.AsSpan(0, length)))
            {
                uint which = message.Sequence - first;
                if (message.Type != Rtnetlink.NLMSG_ERROR || which > acknowledged - first)
                {
                    continue;
                }

                // What is wrong with the whole is said of its first message.
                error = message.Error(out string? reason);
                if (error != 0)
                {
                    throw new NetlinkException(requests[Math.Max(0, (int)which - 1)].Operation, error, reason);
                }

                if (message.Sequence == acknowledged)
                {
                    return;
                }
            }
        }
    }

    /// <summary>Gets the number that the next message must have, for <see cref="Many"/>.</summary>
    internal uint NextSequence => _sequence + 1;

    /// <summary>
    /// Asks for many changes in one send. The kernel carries out each, whatever becomes of the others, before the send returns; it
    /// answers those that it refuses, and the last.
    /// </summary>
    /// <param name="requests">Whole messages one behind the other, each a multiple of 4 bytes; the last one's flags are changed.</param>
    /// <param name="first">The first one's number, <see cref="NextSequence"/>; the others count on from it.</param>
    /// <param name="errors">Where to, one a message: 0, or −errno.</param>
    internal void Many(Span<byte> requests, uint first, Span<int> errors)
    {
        errors.Clear();
        _sequence = first + (uint)errors.Length - 1;
        int at = 0;
        for (int i = 0; i < errors.Length - 1; i++)
        {
            at += (int)MemoryMarshal.Read<uint>(requests[at..]);
        }

        MemoryMarshal.Write(requests[(at + 6)..], (ushort)(MemoryMarshal.Read<ushort>(requests[(at + 6)..]) | Rtnetlink.NLM_F_ACK));
        if (_room < requests.Length)
        {
            // Room for the datagram; and for an answer to every message, each of which costs the kernel about a KiB.
            _room = requests.Length;
            int send = 2 * requests.Length + 64 * 1024;
            int receive = 1024 * errors.Length + 64 * 1024;
            _ = NetlinkNative.SetInt(_socket, NetlinkNative.SOL_SOCKET, NetlinkNative.SO_SNDBUFFORCE, in send, 4);
            _ = NetlinkNative.SetInt(_socket, NetlinkNative.SOL_SOCKET, NetlinkNative.SO_RCVBUFFORCE, in receive, 4);
        }

        int error = Send(requests);
        if (error != 0)
        {
            errors.Fill(-error);
            return;
        }

        while (true)
        {
            int length = Receive();
            if (length < 0)
            {
                // What was refused cannot be told from what was not: nothing counts as done.
                errors.Fill(length);
                return;
            }

            foreach (NetlinkMessage message in new NetlinkMessages(_buffer.AsSpan(0, length)))
            {
                uint which = message.Sequence - first;
                if (message.Type != Rtnetlink.NLMSG_ERROR || which >= (uint)errors.Length)
                {
                    continue;
                }

                errors[(int)which] = -message.Error(out _);
                if (which == (uint)errors.Length - 1)
                {
                    return;
                }
            }
        }
    }

    /// <inheritdoc/>
    public void Dispose() => _socket.Dispose();

    private int Exchange(NetlinkWriter request, ushort flags, NetlinkHandler? handler, out string? reason, out bool interrupted)
    {
        reason = null;
        interrupted = false;
        uint sequence = ++_sequence;
        int error = Send(request.Finish(sequence, flags));
        while (error == 0)
        {
            int length = Receive();
            if (length < 0)
            {
                return -length;
            }

            foreach (NetlinkMessage message in new NetlinkMessages(_buffer.AsSpan(0, length)))
            {
                if (message.Sequence != sequence)
                {
                    // The answer to a request that was given up.
                    continue;
                }

                interrupted |= (message.Flags & Rtnetlink.NLM_F_DUMP_INTR) != 0;
                if (message.Type is Rtnetlink.NLMSG_ERROR or Rtnetlink.NLMSG_DONE)
                {
                    return message.Error(out reason);
                }

                if (message.Type > Rtnetlink.NLMSG_OVERRUN)
                {
                    handler?.Invoke(in message);
                }
            }
        }

        return error;
    }

    private unsafe int Send(ReadOnlySpan<byte> request)
    {
        fixed (byte* bytes = request)
        {
            while (NetlinkNative.Send(_socket, bytes, (nuint)request.Length, 0) < 0)
            {
                int errno = Marshal.GetLastPInvokeError();
                if (errno != NetlinkNative.EINTR)
                {
                    return errno;
                }
            }
        }

        return 0;
    }

    /// <summary>Receives a datagram of the kernel's; a positive length or −errno.</summary>
    private unsafe int Receive()
    {
        fixed (byte* bytes = _buffer)
        {
            while (true)
            {
                NetlinkNative.SockaddrNl from = default;
                uint fromLength = 12;
                nint got = NetlinkNative.Receive(_socket, bytes, BufferSize, NetlinkNative.MSG_TRUNC, &from, &fromLength);
                if (got < 0)
                {
                    int errno = Marshal.GetLastPInvokeError();
                    if (errno != NetlinkNative.EINTR)
                    {
                        return -errno;
                    }
                }
                else if (got > BufferSize)
                {
                    return -90;
                }
                else if (from.PortId == 0 && got > 0)
                {
                    // Only port 0 is the kernel; any process may send to a netlink port.
                    return (int)got;
                }
            }
        }
    }
}

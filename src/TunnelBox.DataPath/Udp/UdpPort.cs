using TunnelBox.Linux.Libc;
using TunnelBox.Protocol;
using TunnelBox.Visibility;

namespace TunnelBox.DataPath.Udp;

/// <summary>One worker's pair of UDP sockets, IPv4 and IPv6, of one port number.</summary>
public sealed class UdpPort : IPort
{
    private readonly UdpOffloads _offloads;
    private readonly FileDescriptor?[] _sockets = new FileDescriptor?[2];
    private readonly UdpReceiver?[] _receivers = new UdpReceiver?[2];
    private readonly UdpSender?[] _senders = new UdpSender?[2];
    private readonly ushort _port;
    private int _busy;
    private int _turn;
    private bool _disposed;

    /// <summary>Initializes a new instance of the <see cref="UdpPort"/> class.</summary>
    /// <param name="port">The port number.</param>
    /// <param name="ipv4">The IPv4 socket, owned from now on, or null.</param>
    /// <param name="ipv6">The IPv6 socket, owned from now on, or null.</param>
    /// <param name="offloads">Shared by the sockets of one port.</param>
    internal UdpPort(ushort port, FileDescriptor? ipv4, FileDescriptor? ipv6, UdpOffloads offloads)
    {
        _port = port;
        _offloads = offloads;
        _sockets[0] = ipv4;
        _sockets[1] = ipv6;
        for (int family = 0; family < 2; family++)
        {
            if (_sockets[family] is { } socket)
            {
                bool referenced = false;
                socket.DangerousAddRef(ref referenced);
                _receivers[family] = new UdpReceiver(socket.Value, family == 1);
                _senders[family] = new UdpSender(socket.Value, family == 1, offloads);
            }
        }
    }

    /// <inheritdoc/>
    public string Description =>
        $"udp {_port}"
        + (_sockets[0] is null ? string.Empty : " ipv4")
        + (_sockets[1] is null ? string.Empty : " ipv6")
        + OffloadDescription;

    /// <summary>Gets the offloads in force, each after a blank.</summary>
    public string OffloadDescription => (_offloads.Segmentation ? " segment" : string.Empty) + (_offloads.Coalescing ? " gro" : string.Empty);

    /// <inheritdoc/>
    public bool MoreWaiting => (_receivers[0]?.MoreWaiting ?? false) || (_receivers[1]?.MoreWaiting ?? false);

    /// <inheritdoc/>
    public bool Holds => (_receivers[0]?.Holds ?? false) || (_receivers[1]?.Holds ?? false);

    /// <inheritdoc/>
    public int GetPollDescriptors(Span<int> descriptors)
    {
        int count = 0;
        foreach (FileDescriptor? socket in _sockets)
        {
            if (socket is not null)
            {
                descriptors[count++] = socket.Value;
            }
        }

        return count;
    }

    /// <inheritdoc/>
    public int Receive(Burst burst)
    {
        ArgumentNullException.ThrowIfNull(burst);
        int before = burst.Count;

        // The family that was silent last time is asked when the other one is silent, and every fourth time in any case: an
        // empty queue costs a system call. A worker that blocks has seen both empty, and poll tells of the rest.
        int now = (++_turn & 3) == 0 ? 1 - _busy : _busy;
        _receivers[now]?.Receive(burst);
        int other = 1 - now;
        if (burst.Count == before || (now != _busy && burst.Count < Burst.Capacity))
        {
            int seen = burst.Count;
            _receivers[other]?.Receive(burst);
            _busy = burst.Count > seen ? other : _busy;
        }

        return burst.Count - before;
    }

    /// <inheritdoc/>
    public int ReceiveMore(Burst burst)
    {
        ArgumentNullException.ThrowIfNull(burst);
        _receivers[_busy]?.ReceiveMore(burst);
        return burst.Count;
    }

    /// <inheritdoc/>
    public void Send(Burst burst)
    {
        ArgumentNullException.ThrowIfNull(burst);
        for (int i = 0; i < burst.Count; i++)
        {
            if (burst.Verdict[i] != Verdict.Continue)
            {
                continue;
            }

            Endpoint? destination = burst.Destination[i];
            if (destination is null)
            {
                burst.Drop(i, DropReason.OutNoEndpoint);
            }
            else if (_senders[destination.Remote.IsIPv6 ? 1 : 0] is { } sender)
            {
                sender.Add(burst, i, destination);
            }
            else
            {
                burst.Drop(i, DropReason.OutNoRoute);
            }
        }

        _senders[0]?.Flush(burst);
        _senders[1]?.Flush(burst);
    }

    /// <inheritdoc/>
    public void Dispose()
    {
        if (_disposed)
        {
            return;
        }

        _disposed = true;
        for (int family = 0; family < 2; family++)
        {
            _receivers[family]?.Dispose();
            _senders[family]?.Dispose();
            _sockets[family]?.DangerousRelease();
            _sockets[family]?.Dispose();
        }
    }

    /// <summary>Gets the socket of one family, for options and for sending from other threads.</summary>
    /// <param name="isIPv6">Which.</param>
    /// <returns>The socket, or null.</returns>
    internal FileDescriptor? Socket(bool isIPv6) => _sockets[isIPv6 ? 1 : 0];
}

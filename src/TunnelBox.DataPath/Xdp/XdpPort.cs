using System.Diagnostics;
using System.Runtime.CompilerServices;
using TunnelBox.DataPath.Steering;
using TunnelBox.DataPath.Udp;
using TunnelBox.Linux.Libc;
using TunnelBox.Protocol;
using TunnelBox.Visibility;

namespace TunnelBox.DataPath.Xdp;

/// <summary>
/// One worker's queues of an Ethernet device, past the kernel's stack, beside its pair of UDP sockets: those take what the XDP
/// program leaves to the kernel (fragments, options, other devices) and send what only the kernel can (to a neighbour not
/// yet resolved, over another device, in fragments, or when every frame is under way).
/// </summary>
internal sealed unsafe class XdpPort : IPort
{
    /// <summary>A busy XDP queue must not starve the sockets, and asking them costs two system calls.</summary>
    private const int SocketsEvery = 16;

    private const int ChecksumInUdp = 6;

    private readonly UdpPort _udp;
    private readonly XdpQueue[] _queues;
    private readonly XdpGuest[] _guests;
    private readonly WakeEvent? _returned;
    private readonly XdpQueue? _transmit;
    private readonly PathFinder _paths;
    private readonly string _name;
    private readonly HashSet<Endpoint> _asked = [];
    private Dictionary<Endpoint, XdpPath> _snapshot;
    private Endpoint? _lastEndpoint;
    private XdpPath? _lastPath;
    private ushort _identification = (ushort)Random.Shared.Next();
    private int _turn;
    private long _received;
    private bool _sent;

    /// <summary>Makes a port; nothing is owned.</summary>
    /// <param name="udp">The worker's sockets.</param>
    /// <param name="queues">The worker's queues, possibly none.</param>
    /// <param name="paths">Where datagrams go.</param>
    /// <param name="name">What it is called beside the sockets, such as <c>xdp eth0 copy</c>.</param>
    /// <param name="guests">The worker's sockets on other workers' queues.</param>
    /// <param name="returned">Set when other workers have given back many frames of this one's queues.</param>
    public XdpPort(UdpPort udp, XdpQueue[] queues, PathFinder paths, string name, XdpGuest[]? guests = null, WakeEvent? returned = null)
    {
        _guests = guests ?? [];
        _returned = returned;
        _udp = udp;
        _queues = queues;
        _transmit = queues.Length > 0 ? queues[0] : null;
        _paths = paths;
        _snapshot = paths.Snapshot;
        _name = name;
    }

    /// <summary>Gets how long the oldest datagram of a burst had waited since it arrived, and how long the burst then took the worker.</summary>
    public (StageLatency Waited, StageLatency Worked) Latencies { get; } = (new(), new());

    /// <inheritdoc/>
    public string Description => _transmit is null ? _udp.Description : $"{_name}, {_udp.Description}";

    /// <inheritdoc/>
    public bool MoreWaiting
    {
        get
        {
            foreach (XdpQueue queue in _queues)
            {
                if (queue.MoreWaiting)
                {
                    return true;
                }
            }

            foreach (XdpGuest guest in _guests)
            {
                if (guest.MoreWaiting)
                {
                    return true;
                }
            }

            return _udp.MoreWaiting;
        }
    }

    /// <inheritdoc/>
    public bool Holds => _udp.Holds;

    /// <inheritdoc/>
    public int GetPollDescriptors(Span<int> descriptors)
    {
        int count = _udp.GetPollDescriptors(descriptors);
        foreach (XdpQueue queue in _queues)
        {
            descriptors[count++] = queue.Socket.Descriptor;
        }

        foreach (XdpGuest guest in _guests)
        {
            descriptors[count++] = guest.Socket.Descriptor;
        }

        if (_returned is not null)
        {
            descriptors[count++] = _returned.Descriptor;
        }

        return count;
    }

    /// <inheritdoc/>
    public int Receive(Burst burst)
    {
        ArgumentNullException.ThrowIfNull(burst);
        int before = burst.Count;
        if (_received != 0)
        {
            // A worker that has received comes back without sleeping.
            Latencies.Worked.Add(Stopwatch.GetTimestamp() - _received);
            _received = 0;
        }

        if (_returned is { IsSet: true })
        {
            _returned.Reset();
        }

        foreach (XdpQueue queue in _queues)
        {
            queue.Recycle();
        }

        foreach (XdpGuest guest in _guests)
        {
            guest.Recycle();
        }

        TakeIn(burst, isMore: false);

        if (burst.Count > before && burst.HasHints)
        {
            Measure(burst, before);
        }

        // Whoever only sends is as busy as one that receives; idle is who does neither.
        bool idle = burst.Count == before && !_sent;
        _sent = false;
        if ((++_turn % SocketsEvery == 0 || idle) && burst.Count < Burst.Capacity)
        {
            _udp.Receive(burst);
        }

        return burst.Count - before;
    }

    /// <inheritdoc/>
    public int ReceiveMore(Burst burst)
    {
        ArgumentNullException.ThrowIfNull(burst);
        _turn++;
        TakeIn(burst, isMore: true);
        return burst.Count;
    }

    /// <inheritdoc/>
    public void Send(Burst burst)
    {
        ArgumentNullException.ThrowIfNull(burst);
        _sent = true;
        if (_transmit is not { } queue)
        {
            _udp.Send(burst);
            return;
        }

        if (!ReferenceEquals(_paths.Snapshot, _snapshot))
        {
            _snapshot = _paths.Snapshot;
            _lastEndpoint = null;
            _asked.Clear();
        }

        queue.Reclaim();
        bool left = false;
        bool waited = false;
        for (int i = 0; i < burst.Count; i++)
        {
            if (burst.Verdict[i] != Verdict.Continue)
            {
                continue;
            }

            if (burst.Destination[i] is not { } destination || Path(destination) is not { } path || !path.Takes(burst.Length[i])
                || !Put(queue, path, burst, i, ref waited))
            {
                left = true;
            }
        }

        queue.Flush();
        if (left)
        {
            _udp.Send(burst);
        }
    }

    /// <inheritdoc/>
    public void Dispose()
    {
        // Sockets and queues belong to whoever made the port.
    }

    // Each queue is the first one in its turn.
    private void TakeIn(Burst burst, bool isMore)
    {
        int sockets = _queues.Length + _guests.Length;
        int at = sockets > 1 ? (_turn & 0xFFFF) % sockets : 0;
        for (int i = 0; i < sockets; i++)
        {
            if (at < _queues.Length)
            {
                _queues[at].Receive(burst, isMore);
            }
            else
            {
                _guests[at - _queues.Length].Receive(burst);
            }

            at = at + 1 == sockets ? 0 : at + 1;
        }
    }

    // The first is the oldest. A card's time stamps are of its own clock; the program's are of the one that is read here.
    private void Measure(Burst burst, int first)
    {
        ref PacketHints hints = ref burst.Hints[first];
        if (hints.Has(HintFields.Timestamp) && !hints.IsFromDevice(HintFields.Timestamp))
        {
            _received = Stopwatch.GetTimestamp();
            Latencies.Waited.Add(_received - (long)hints.Timestamp);
        }
    }

    private XdpPath? Path(Endpoint destination)
    {
        if (!ReferenceEquals(destination, _lastEndpoint))
        {
            if (!_snapshot.TryGetValue(destination, out _lastPath) && _asked.Add(destination))
            {
                _paths.Ask(destination);
            }

            _lastEndpoint = destination;
        }

        _lastPath?.Use();
        return _lastPath;
    }

    private bool Put(XdpQueue queue, XdpPath path, Burst burst, int index, ref bool waited)
    {
        int length = burst.Length[index];
        int pieces = queue.Pieces(length);
        if (pieces == 0 || !queue.HasFree(pieces, ref waited))
        {
            // Larger than frames are, or every frame is under way: the packet goes by the socket.
            return false;
        }

        byte* data = (byte*)burst.Data[index];
        byte ecn = burst.Ecn[index];
        ushort identification = _identification++;
        if (pieces > 1)
        {
            PutInPieces(queue, path, data, length, ecn, identification);
        }
        else if (length >= XdpQueue.WorthTakingOver && queue.TryTakeOver(burst, index))
        {
            uint options = Finish(queue, path, data, length, ecn, identification);
            queue.AddTakenOver(data, path.HeaderSize, length, options);
        }
        else
        {
            byte* to = queue.Take(out ulong chunk);
            uint options = 0;
            if (queue.DeviceSums)
            {
                Unsafe.CopyBlockUnaligned(to, data, (uint)length);
                options = Finish(queue, path, to, length, ecn, identification);
            }
            else
            {
                path.Build(to, data, length, ecn, identification);
            }

            queue.Add(chunk, path.HeaderSize, length, options);
        }

        burst.Verdict[index] = Verdict.Done;
        return true;
    }

    private static uint Finish(XdpQueue queue, XdpPath path, byte* to, int length, byte ecn, ushort identification)
    {
        if (!queue.DeviceSums)
        {
            path.Finish(to, length, Checksum.Sum(to, length, path.Begin(length)), ecn, identification);
            return 0;
        }

        path.FinishForDevice(to, length, ecn, identification);
        return AskForChecksum(to, path);
    }

    private static uint AskForChecksum(byte* to, XdpPath path) =>
        XdpQueue.AskForChecksum(to - path.HeaderSize, path.HeaderSize - FrameReader.UdpSize, ChecksumInUdp);

    // All pieces but the last have an even number of bytes, so their sums can be added.
    private static void PutInPieces(XdpQueue queue, XdpPath path, byte* data, int length, byte ecn, ushort identification)
    {
        byte* first = queue.Take(out ulong chunk);
        byte* to = first;
        ulong sum = path.Begin(length);
        int header = path.HeaderSize;
        uint metadata = queue.DeviceSums ? Definitions.XDP_TX_METADATA : 0;
        for (int done = 0; done < length;)
        {
            int bytes = Math.Min(length - done, XdpQueue.LargestPayload);
            if (queue.DeviceSums)
            {
                Unsafe.CopyBlockUnaligned(to, data + done, (uint)bytes);
            }
            else
            {
                sum = Checksum.CopyAndSum(to, data + done, bytes, sum);
            }

            done += bytes;
            queue.Add(chunk, header, bytes, metadata | (done < length ? Definitions.XDP_PKT_CONTD : 0));
            header = 0;
            metadata = 0;
            to = done < length ? queue.Take(out chunk) : null;
        }

        if (queue.DeviceSums)
        {
            path.FinishForDevice(first, length, ecn, identification);
            _ = AskForChecksum(first, path);
        }
        else
        {
            path.Finish(first, length, sum, ecn, identification);
        }
    }
}

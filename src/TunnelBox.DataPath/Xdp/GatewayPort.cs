using TunnelBox.DataPath.Steering;
using TunnelBox.Linux.Libc;
using TunnelBox.Visibility;

namespace TunnelBox.DataPath.Xdp;

/// <summary>
/// One worker's queues of a local network's device, past the kernel's stack, beside its queue of the TUN device. What the XDP
/// program takes is routed into the tunnel; what comes out of the tunnel leaves by the device, or by the TUN device where only the
/// kernel can send it: to this machine, to other networks, to a neighbour not yet resolved, or in fragments.
/// </summary>
internal sealed unsafe partial class GatewayPort : IPort
{
    /// <summary>A busy XDP queue must not starve the TUN device, and asking it costs a system call.</summary>
    private const int TunEvery = 16;

    private const int CacheSize = 256;

    private readonly IPort _tun;
    private readonly XdpQueue[] _queues;
    private readonly XdpGuest[] _guests;
    private readonly WakeEvent? _returned;
    private readonly XdpQueue? _transmit;
    private readonly LanView _lan;
    private readonly string _name;
    private readonly bool _finishesChecksums;
    private readonly CachedWay[] _cache = new CachedWay[CacheSize];
    private LanTables _tables;
    private int _turn;

    /// <summary>Makes a port; only its own memory is owned.</summary>
    /// <param name="tun">The worker's queue of the TUN device.</param>
    /// <param name="queues">The worker's queues, possibly none.</param>
    /// <param name="lan">Where packets go.</param>
    /// <param name="name">What it is called beside the TUN device, such as <c>xdp eth1 copy</c>.</param>
    /// <param name="finishesChecksums">Whether the device is virtual, so that its neighbours leave checksums unfinished.</param>
    /// <param name="guests">The worker's sockets on other workers' queues.</param>
    /// <param name="returned">Set when other workers have given back many frames of this one's queues.</param>
    public GatewayPort(IPort tun, XdpQueue[] queues, LanView lan, string name, bool finishesChecksums, XdpGuest[]? guests = null, WakeEvent? returned = null)
    {
        _guests = guests ?? [];
        _returned = returned;
        _tun = tun;
        _queues = queues;
        _transmit = queues.Length > 0 ? queues[0] : null;
        _lan = lan;
        _tables = lan.Tables;
        _name = name;
        _finishesChecksums = finishesChecksums;
    }

    /// <inheritdoc/>
    public string Description => _transmit is null && _guests.Length == 0 ? _tun.Description : $"{_name}, {_tun.Description}";

    /// <inheritdoc/>
    public bool Gone => _tun.Gone;

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

            return _answerCount > 0 || _tun.MoreWaiting;
        }
    }

    /// <inheritdoc/>
    public bool Holds => _answerCount > 0 || _tun.Holds;

    /// <inheritdoc/>
    public int GetPollDescriptors(Span<int> descriptors)
    {
        int count = _tun.GetPollDescriptors(descriptors);
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
        Refresh();
        TakeAnswers(burst);
        if (_returned is { IsSet: true })
        {
            _returned.Reset();
        }

        bool answered = false;
        int sockets = _queues.Length + _guests.Length;
        int at = sockets > 1 ? (_turn & 0xFFFF) % sockets : 0;
        for (int i = 0; i < sockets; i++)
        {
            int index = burst.Count;
            if (at < _queues.Length)
            {
                _queues[at].Recycle();
                _queues[at].ReceiveFrames(burst);
            }
            else
            {
                _guests[at - _queues.Length].Recycle();
                _guests[at - _queues.Length].ReceiveFrames(burst);
            }

            for (; index < burst.Count; index++)
            {
                Inward(burst, index, ref answered);
            }

            at = at + 1 == sockets ? 0 : at + 1;
        }

        if (answered)
        {
            _transmit!.Flush();
        }

        if ((++_turn % TunEvery == 0 || burst.Count == before) && burst.Count < Burst.Capacity)
        {
            _tun.Receive(burst);
        }

        return burst.Count - before;
    }

    /// <inheritdoc/>
    public void Send(Burst burst)
    {
        ArgumentNullException.ThrowIfNull(burst);
        if (_transmit is not { } queue)
        {
            _tun.Send(burst);
            return;
        }

        Refresh();
        queue.Reclaim();
        bool left = false;
        bool waited = false;
        for (int i = 0; i < burst.Count; i++)
        {
            if (burst.Verdict[i] == Verdict.Continue)
            {
                left |= !Outward(queue, burst, i, ref waited);
            }
        }

        queue.Flush();
        if (left)
        {
            _tun.Send(burst);
        }
    }

    /// <inheritdoc/>
    public void Dispose() => _answers.Dispose();

    private void Refresh()
    {
        if (!ReferenceEquals(_lan.Tables, _tables))
        {
            _tables = _lan.Tables;
            Array.Clear(_cache);
        }
    }

    // A received frame becomes a packet for the tunnel, where it lies.
    private void Inward(Burst burst, int index, ref bool answered)
    {
        if (burst.Verdict[index] != Verdict.Continue)
        {
            return;
        }

        byte* frame = (byte*)burst.Data[index];
        ref PacketHints hints = ref burst.Hints[index];
        bool isKnown = PacketHints.TryTake(frame, (int)(burst.Data[index] & (Arena.ChunkSize - 1)), burst.Length[index], ref hints);
        burst.HasHints |= isKnown;
        byte* packet = frame + FrameReader.EthernetSize;
        int length = LanPacket.Measure(frame, burst.Length[index]);
        if (length == 0)
        {
            burst.Drop(index, DropReason.OutInnerHdrError);
            return;
        }

        burst.Data[index] = (nint)packet;
        burst.Length[index] = length;
        int mtu = _lan.TunnelMtu;
        if (LanPacket.Hops(packet) <= 1)
        {
            answered |= AnswerSender(frame, packet, length, 0);
            burst.Drop(index, DropReason.OutHopLimit);
            return;
        }

        if (length > mtu)
        {
            answered |= !LanPacket.MayBreak(packet) && AnswerSender(frame, packet, length, mtu);
            burst.Drop(index, DropReason.OutPacketTooBig);
            return;
        }

        // Where the program has read the headers, nobody looks for a checksum or a segment size that cannot be there.
        if (_finishesChecksums && (!isKnown || hints.Has(HintFields.Payload)))
        {
            LanPacket.FinishChecksum(packet, length);
        }

        if (!isKnown || hints.Protocol == LanPacket.Tcp)
        {
            MssClamp.Apply(packet, length, Math.Min(mtu, _tables.Mtu));
        }

        LanPacket.TakeHop(packet);
    }

    // A packet from the tunnel leaves by the device; false where the kernel must send it.
    private bool Outward(XdpQueue queue, Burst burst, int index, ref bool waited)
    {
        byte* packet = (byte*)burst.Data[index];
        int length = burst.Length[index];
        if (Way(LanPacket.Destination(packet), out int mtu) is not { } neighbour)
        {
            return false;
        }

        if (LanPacket.Hops(packet) <= 1)
        {
            AnswerTunnel(packet, length, 0);
            burst.Drop(index, DropReason.InHopLimit);
            return true;
        }

        int pieces = queue.Pieces(length);
        if (length > mtu || pieces == 0)
        {
            if (LanPacket.MayBreak(packet) || length <= mtu)
            {
                return false;
            }

            AnswerTunnel(packet, length, mtu);
            burst.Drop(index, DropReason.InPacketTooBig);
            return true;
        }

        if (!queue.HasFree(pieces, ref waited))
        {
            burst.Drop(index, DropReason.InNoQueueSpace);
            return true;
        }

        neighbour.Use();
        MssClamp.Apply(packet, length, Math.Min(_lan.TunnelMtu, mtu));
        LanPacket.TakeHop(packet);
        if (pieces == 1 && length >= XdpQueue.WorthTakingOver && queue.TryTakeOver(burst, index))
        {
            // Where the header is written stood the message's, which opening it used up.
            LanPacket.WriteEthernet(packet - FrameReader.EthernetSize, neighbour.Mac, _tables.Mac, packet[0] >> 4 == 6);
            queue.AddTakenOver(packet, FrameReader.EthernetSize, length);
        }
        else
        {
            Copy(queue, packet, length, neighbour.Mac);
        }

        burst.Verdict[index] = Verdict.Done;
        return true;
    }

    private void Copy(XdpQueue queue, byte* packet, int length, ulong mac)
    {
        int header = FrameReader.EthernetSize;
        for (int done = 0; done < length; header = 0)
        {
            byte* to = queue.Take(out ulong chunk);
            int bytes = Math.Min(length - done, XdpQueue.LargestPayload);
            if (done == 0)
            {
                LanPacket.WriteEthernet(to - FrameReader.EthernetSize, mac, _tables.Mac, packet[0] >> 4 == 6);
            }

            Buffer.MemoryCopy(packet + done, to, XdpQueue.LargestPayload, bytes);
            done += bytes;
            queue.Add(chunk, header, bytes, done < length ? Definitions.XDP_PKT_CONTD : 0);
        }
    }

    private LanNeighbour? Way(HostAddress destination, out int mtu)
    {
        ulong mixed = ((ulong)destination.Value ^ (ulong)(destination.Value >> 64)) * 0x9E37_79B9_7F4A_7C15;
        ref CachedWay cached = ref _cache[mixed >> 56];
        if (!cached.IsKnown || cached.Destination != destination)
        {
            cached.Neighbour = _tables.Find(destination, out cached.Mtu);
            cached.Destination = destination;
            cached.IsKnown = true;
        }

        mtu = cached.Mtu;
        return cached.Neighbour;
    }

    private struct CachedWay
    {
        public HostAddress Destination;
        public LanNeighbour? Neighbour;
        public int Mtu;
        public bool IsKnown;
    }
}

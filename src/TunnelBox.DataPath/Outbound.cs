using System.Buffers.Binary;
using TunnelBox.Crypto;
using TunnelBox.Protocol;
using TunnelBox.Visibility;

namespace TunnelBox.DataPath;

/// <summary>
/// Inner packets become WireGuard data messages: route by allowed IPs, group by session, reserve counters once a group,
/// seal the burst in place.
/// </summary>
internal sealed unsafe class Outbound(Tunnel tunnel, IPacketAead aead)
{
    private readonly AeadJob[] _jobs = new AeadJob[Burst.Capacity];
    private readonly int[] _slots = new int[Burst.Capacity];
    private AllowedIps<Peer>? _cachedIn;
    private Peer? _cachedPeer;
    private UInt128 _cachedAddress;

    /// <summary>Gets or sets the inner port's MTU, which caps the padding.</summary>
    public int Mtu { get; set; } = 1420;

    /// <summary>
    /// Finds the session of each packet. Packets whose peer has none are copied to the peer's staged queue, and a handshake
    /// is asked for.
    /// </summary>
    /// <param name="burst">Inner packets.</param>
    /// <param name="now">Nanoseconds of the tunnel's clock.</param>
    /// <param name="staged">Is told of a peer that has a session and packets that waited for it: they go first.</param>
    public void Route(Burst burst, long now, Action<Peer> staged)
    {
        AllowedIps<Peer> allowedIps = tunnel.AllowedIps;
        for (int i = 0; i < burst.Count; i++)
        {
            if (burst.Verdict[i] != Verdict.Continue)
            {
                continue;
            }

            byte* data = (byte*)burst.Data[i];
            if (InnerPacket.Measure(data, burst.Length[i]) == 0)
            {
                burst.Drop(i, DropReason.OutInnerHdrError);
                continue;
            }

            Peer? peer = FindPeer(allowedIps, data);
            if (peer is null)
            {
                burst.Drop(i, DropReason.OutNoStates);
                continue;
            }

            Endpoint? endpoint = peer.Endpoint;
            if (endpoint is null)
            {
                burst.Peer[i] = peer;
                burst.Drop(i, DropReason.OutNoEndpoint);
                continue;
            }

            Keypair? keypair = peer.Current;
            if (keypair is null || !keypair.CanSend(now))
            {
                Stage(burst, i, peer, now);
                continue;
            }

            if (InnerPacket.Carries(data, burst.Length[i], keypair.RemoteIndex))
            {
                burst.Peer[i] = peer;
                burst.Drop(i, DropReason.OutRoutingLoop);
                continue;
            }

            if (peer.Staged.Count > 0)
            {
                staged(peer);
            }

            burst.Keypair[i] = keypair;
            burst.Destination[i] = endpoint;
        }
    }

    /// <summary>Seals every routed packet in place and makes it a data message.</summary>
    /// <param name="burst">Routed packets: <see cref="Burst.Keypair"/> and <see cref="Burst.Destination"/> are set.</param>
    /// <param name="now">Nanoseconds of the tunnel's clock.</param>
    public void Seal(Burst burst, long now)
    {
        int jobs = 0;
        for (int i = 0; i < burst.Count;)
        {
            if (burst.Verdict[i] != Verdict.Continue)
            {
                i++;
                continue;
            }

            i = Group(burst, i, now, ref jobs);
        }

        if (jobs > 0)
        {
            aead.Seal(_jobs.AsSpan(0, jobs));
        }
    }

    // One run of packets of one session: one atomic addition, one set of timers.
    private int Group(Burst burst, int start, long now, ref int jobs)
    {
        Keypair keypair = burst.Keypair[start]!;
        int count = 0;
        int end = start;
        for (; end < burst.Count; end++)
        {
            if (burst.Verdict[end] != Verdict.Continue)
            {
                continue;
            }

            if (!ReferenceEquals(burst.Keypair[end], keypair))
            {
                break;
            }

            _slots[count++] = end;
        }

        Peer peer = keypair.Peer;
        if (!keypair.TryReserve(count, out ulong counter))
        {
            for (int k = 0; k < count; k++)
            {
                burst.Drop(_slots[k], DropReason.OutStateExpired);
            }

            tunnel.WantHandshake(peer, now);
            return end;
        }

        long bytes = 0;
        bool data = false;
        for (int k = 0; k < count; k++)
        {
            int slot = _slots[k];
            data |= burst.Length[slot] > 0;
            Prepare(burst, slot, keypair, counter + (ulong)k, ref _jobs[jobs++]);
            bytes += burst.Length[slot];
        }

        Account(peer, keypair, count, bytes, data, now);
        return end;
    }

    private void Prepare(Burst burst, int slot, Keypair keypair, ulong counter, ref AeadJob job)
    {
        byte* data = (byte*)burst.Data[slot];
        int length = burst.Length[slot];
        burst.Ecn[slot] = length > 0 ? InnerPacket.Ecn(data) : (byte)0;
        int padded = Limits.GetPaddedLength(length, Mtu);
        new Span<byte>(data + length, padded - length).Clear();

        byte* header = data - DataMessage.HeaderSize;
        DataMessage.WriteHeader(new Span<byte>(header, DataMessage.HeaderSize), keypair.RemoteIndex, counter);

        job.Source = (nint)data;
        job.Destination = (nint)data;
        job.Key = keypair.SendKey;
        job.Counter = counter;
        job.Length = padded;
        burst.Data[slot] = (nint)header;
        burst.Length[slot] = DataMessage.HeaderSize + padded + IPacketAead.TagSize;
    }

    private void Account(Peer peer, Keypair keypair, int packets, long bytes, bool data, long now)
    {
        peer.AddSent(packets, bytes);
        peer.Timers.AuthenticatedSent(now);
        if (data)
        {
            peer.Timers.DataSent(now);
        }

        tunnel.Touch(peer);
        if (keypair.SentPackets > Limits.RekeyAfterMessages
            || (keypair.IsInitiator && now - keypair.Created > Limits.RekeyAfterTime))
        {
            tunnel.WantHandshake(peer, now);
        }
    }

    private void Stage(Burst burst, int slot, Peer peer, long now)
    {
        burst.Peer[slot] = peer;
        if (!peer.Staged.Add(new ReadOnlySpan<byte>((byte*)burst.Data[slot], burst.Length[slot])))
        {
            // The oldest waiting packet left; this one takes the count, since both are this peer's.
            burst.Drop(slot, DropReason.OutNoQueueSpace);
        }
        else
        {
            burst.Verdict[slot] = Verdict.Done;
        }

        if (peer.IsRemoved)
        {
            // It was removed at this moment: nobody would come for what waits now.
            peer.Staged.Clear(out _);
            burst.Drop(slot, DropReason.OutPeerRemoved);
            return;
        }

        tunnel.WantHandshake(peer, now);
    }

    private Peer? FindPeer(AllowedIps<Peer> allowedIps, byte* data)
    {
        bool four = data[0] >> 4 == 4;
        UInt128 address = four
            ? BinaryPrimitives.ReadUInt32BigEndian(new ReadOnlySpan<byte>(data + 16, 4))
            : BinaryPrimitives.ReadUInt128BigEndian(new ReadOnlySpan<byte>(data + 24, 16));
        // IPv4 addresses are cached with a mark above their 32 bits that no IPv6 destination in use carries: ::1:a.b.c.d.
        UInt128 key = four ? address | (UInt128.One << 32) : address;
        if (ReferenceEquals(allowedIps, _cachedIn) && key == _cachedAddress && (four || address >> 33 != 0))
        {
            return _cachedPeer;
        }

        Peer? peer = four ? allowedIps.FindIPv4((uint)address) : allowedIps.FindIPv6(address);
        _cachedIn = allowedIps;
        _cachedAddress = key;
        _cachedPeer = peer;
        return peer;
    }
}

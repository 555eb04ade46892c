using System.Buffers.Binary;
using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics;
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
    private AllowedIps<Peer>? _cachedInIPv6;
    private Peer? _cachedPeer;
    private Peer? _cachedPeerIPv6;
    private uint _cachedIPv4;
    private UInt128 _cachedIPv6;

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
        int count = burst.Count;
        nint[] datas = burst.Data;
        int[] lengths = burst.Length;
        Verdict[] verdicts = burst.Verdict;

        // Session and endpoint are read once a run of packets to one peer, not once a packet.
        Peer? last = null;
        Keypair? keypair = null;
        Endpoint? endpoint = null;
        uint receiver = 0;
        for (int i = 0; i < count; i++)
        {
            if (verdicts[i] != Verdict.Continue)
            {
                continue;
            }

            byte* data = (byte*)datas[i];
            if (InnerPacket.Measure(data, lengths[i]) == 0)
            {
                burst.Drop(i, DropReason.OutInnerHdrError);
                continue;
            }

            Peer? peer = FindPeer(allowedIps, data);
            if (!ReferenceEquals(peer, last) || keypair is null)
            {
                last = peer;
                keypair = null;
                if (peer is null)
                {
                    burst.Drop(i, DropReason.OutNoStates);
                    continue;
                }

                endpoint = peer.Endpoint;
                if (endpoint is null)
                {
                    burst.Peer[i] = peer;
                    burst.Drop(i, DropReason.OutNoEndpoint);
                    continue;
                }

                keypair = peer.Current;
                if (keypair is null || !keypair.CanSend(now))
                {
                    keypair = null;
                    Stage(burst, i, peer, now);
                    continue;
                }

                receiver = keypair.RemoteIndex;
                if (peer.Staged.Count > 0)
                {
                    staged(peer);
                }
            }

            if (InnerPacket.Carries(data, lengths[i], receiver))
            {
                burst.Peer[i] = peer;
                burst.Drop(i, DropReason.OutRoutingLoop);
                continue;
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

        // At most 15 bytes of padding; what is zeroed beyond is the place of the tag.
        Vector128.Store(Vector128<byte>.Zero, data + length);
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

    // A flow's packets follow each other: the last answer of either family is kept, as long as the table is the same.
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private Peer? FindPeer(AllowedIps<Peer> allowedIps, byte* data)
    {
        if (data[0] >> 4 == 4)
        {
            uint address = BinaryPrimitives.ReverseEndianness(Unsafe.ReadUnaligned<uint>(data + 16));
            return address == _cachedIPv4 && ReferenceEquals(allowedIps, _cachedIn) ? _cachedPeer : FindIPv4(allowedIps, address);
        }

        UInt128 wide = BinaryPrimitives.ReadUInt128BigEndian(new ReadOnlySpan<byte>(data + 24, 16));
        return wide == _cachedIPv6 && ReferenceEquals(allowedIps, _cachedInIPv6) ? _cachedPeerIPv6 : FindIPv6(allowedIps, wide);
    }

    private Peer? FindIPv4(AllowedIps<Peer> allowedIps, uint address)
    {
        _cachedIn = allowedIps;
        _cachedIPv4 = address;
        return _cachedPeer = allowedIps.FindIPv4(address);
    }

    private Peer? FindIPv6(AllowedIps<Peer> allowedIps, UInt128 address)
    {
        _cachedInIPv6 = allowedIps;
        _cachedIPv6 = address;
        return _cachedPeerIPv6 = allowedIps.FindIPv6(address);
    }
}

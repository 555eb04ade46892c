using System.Buffers.Binary;
using TunnelBox.Crypto;
using TunnelBox.Protocol;
using TunnelBox.Visibility;

namespace TunnelBox.DataPath;

/// <summary>
/// Datagrams become inner packets: classify, find the session by receiver index, open the burst in place, check counter
/// and inner source.
/// </summary>
internal sealed unsafe class Inbound(Tunnel tunnel, IPacketAead aead, HandshakeGate handshakes)
{
    private readonly OpeningJobs _jobs = new();

    /// <summary>Opens every data message of a burst; handshake messages go to their queue.</summary>
    /// <param name="burst">Datagrams.</param>
    /// <param name="now">Nanoseconds of the tunnel's clock.</param>
    public void Open(Burst burst, long now)
    {
        Classify(burst, _jobs, now);
        if (_jobs.Count > 0)
        {
            aead.Open(_jobs.Span);
            Accept(burst, _jobs, now);
        }
    }

    /// <summary>The first third of <see cref="Open"/>: finds the session of each data message; handshake messages go to their queue.</summary>
    /// <param name="burst">Datagrams.</param>
    /// <param name="to">Gets what is to be opened, and by whom does not matter.</param>
    /// <param name="now">Nanoseconds of the tunnel's clock.</param>
    public void Classify(Burst burst, OpeningJobs to, long now)
    {
        int jobs = 0;
        int count = burst.Count;

        // A run of packets of one session asks for it once.
        uint last = 0;
        Keypair? session = null;
        for (int i = 0; i < count; i++)
        {
            if (burst.Verdict[i] != Verdict.Continue)
            {
                continue;
            }

            var datagram = new ReadOnlySpan<byte>((byte*)burst.Data[i], burst.Length[i]);
            DropReason reason = WireMessages.Classify(datagram, out MessageType type);
            if (reason != DropReason.None || type != MessageType.Data)
            {
                if (reason == DropReason.None)
                {
                    reason = handshakes.Admit(datagram, type, burst.From[i], burst.To[i], now);
                }

                if (reason == DropReason.None)
                {
                    burst.Verdict[i] = Verdict.Done;
                }
                else
                {
                    burst.Drop(i, reason);
                }

                continue;
            }

            uint receiver = DataMessage.Receiver(datagram);
            if (session is null || receiver != last)
            {
                session = tunnel.Indices.Find(receiver) as Keypair;
                last = receiver;
            }

            if (session is not { } keypair)
            {
                burst.Drop(i, DropReason.InNoStates);
                continue;
            }

            burst.Keypair[i] = keypair;
            ulong counter = DataMessage.Counter(datagram);
            if (!keypair.CanReceive(now) || counter >= Limits.RejectAfterMessages)
            {
                burst.Drop(i, DropReason.InStateExpired);
                continue;
            }

            ref AeadJob job = ref to.Jobs[jobs];
            job.Source = burst.Data[i] + DataMessage.HeaderSize;
            job.Destination = job.Source;
            job.Key = keypair.ReceiveKey;
            job.Counter = counter;
            job.Length = datagram.Length - DataMessage.MinimumSize;
            job.Opened = false;
            to.Slots[jobs++] = i;
        }

        to.Count = jobs;
    }

    /// <summary>The last third of <see cref="Open"/>: checks counters and sources. The bursts of one session must come in the order in which they arrived.</summary>
    /// <param name="burst">Datagrams.</param>
    /// <param name="opened">What was opened of them.</param>
    /// <param name="now">Nanoseconds of the tunnel's clock.</param>
    public void Accept(Burst burst, OpeningJobs opened, long now)
    {
        AllowedIps<Peer> allowedIps = tunnel.AllowedIps;
        int[] slots = opened.Slots;
        int jobs = opened.Count;
        for (int start = 0; start < jobs;)
        {
            Keypair keypair = burst.Keypair[slots[start]]!;
            int end = start + 1;
            while (end < jobs && ReferenceEquals(burst.Keypair[slots[end]], keypair))
            {
                end++;
            }

            Accept(burst, opened, keypair, start, end, allowedIps, now);
            start = end;
        }
    }

    // One run of packets of one session: one taking of its replay window, one set of timers.
    private void Accept(Burst burst, OpeningJobs opened, Keypair keypair, int start, int end, AllowedIps<Peer> allowedIps, long now)
    {
        AeadJob[] all = opened.Jobs;
        int[] slots = opened.Slots;
        Peer peer = keypair.Peer;
        int newest = -1;
        int packets = 0;
        long bytes = 0;
        using (keypair.EnterReplay())
        {
            for (int j = start; j < end; j++)
            {
                int slot = slots[j];
                ref AeadJob job = ref all[j];
                if (!job.Opened)
                {
                    burst.Drop(slot, DropReason.InStateProtoError);
                }
                else if (!keypair.AcceptCounter(job.Counter))
                {
                    burst.Drop(slot, DropReason.InStateSeqError);
                }
                else
                {
                    newest = slot;
                    packets++;
                    bytes += burst.Length[slot];
                }
            }
        }

        if (newest < 0)
        {
            return;
        }

        // The packet is authentic and new: the peer is where it came from.
        if (peer.RoamTo(burst.From[newest], burst.To[newest]))
        {
            tunnel.Trace.EndpointChanged(peer);
        }

        if (peer.IsUnconfirmed(keypair))
        {
            tunnel.Confirm(keypair);
        }

        bool data = false;
        for (int j = start; j < end; j++)
        {
            if (burst.Verdict[slots[j]] == Verdict.Continue)
            {
                data |= Unwrap(burst, slots[j], all[j].Length, peer, allowedIps);
            }
        }

        Account(peer, keypair, packets, bytes, data, now);
    }

    // Returns whether the packet counts as data: everything but a keepalive does, even what is then refused.
    private static bool Unwrap(Burst burst, int slot, int length, Peer peer, AllowedIps<Peer> allowedIps)
    {
        if (length == 0)
        {
            burst.Verdict[slot] = Verdict.Done;
            return false;
        }

        byte* data = (byte*)burst.Data[slot] + DataMessage.HeaderSize;
        int measured = InnerPacket.Measure(data, length);
        if (measured == 0)
        {
            burst.Drop(slot, DropReason.InInnerHdrError);
            return true;
        }

        Peer? owner = data[0] >> 4 == 4
            ? allowedIps.FindIPv4(BinaryPrimitives.ReadUInt32BigEndian(new ReadOnlySpan<byte>(data + 12, 4)))
            : allowedIps.FindIPv6(BinaryPrimitives.ReadUInt128BigEndian(new ReadOnlySpan<byte>(data + 8, 16)));
        if (!ReferenceEquals(owner, peer))
        {
            burst.Drop(slot, DropReason.InTmplMismatch);
            return true;
        }

        DropReason congestion = InnerPacket.Decapsulate(data, burst.Ecn[slot]);
        if (congestion != DropReason.None)
        {
            burst.Drop(slot, congestion);
            return true;
        }

        burst.Data[slot] = (nint)data;
        burst.Length[slot] = measured;
        return true;
    }

    private void Account(Peer peer, Keypair keypair, int packets, long bytes, bool data, long now)
    {
        peer.AddReceived(packets, bytes, now);
        peer.Timers.AuthenticatedReceived(now);
        if (data)
        {
            peer.Timers.DataReceived(now);
        }

        tunnel.Touch(peer);
        if (keypair.IsInitiator && now - keypair.Created > Limits.RekeyAfterTimeReceiving && ReferenceEquals(peer.Current, keypair))
        {
            tunnel.WantLastMinuteHandshake(peer, now);
        }
    }
}

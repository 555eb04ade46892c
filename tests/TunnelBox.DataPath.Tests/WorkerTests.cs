using System.Buffers.Binary;
using TunnelBox.Protocol;
using TunnelBox.Visibility;

namespace TunnelBox.DataPath.Tests;

/// <summary>Two whole ends in memory: what goes in at one comes out at the other, and nothing else does.</summary>
public sealed class WorkerTests : IDisposable
{
    private readonly FakeClock _clock = new();
    private readonly MemoryNode _a;
    private readonly MemoryNode _b;
    private readonly List<byte[]> _wire = [];

    public WorkerTests()
    {
        _a = new MemoryNode(_clock, 1001);
        _b = new MemoryNode(_clock, 1002);
    }

    public void Dispose()
    {
        _a.Dispose();
        _b.Dispose();
    }

    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public void A_packet_waits_for_the_handshake_and_arrives_unchanged(bool psk)
    {
        Join(psk ? [.. Enumerable.Repeat((byte)7, 32)] : null);
        byte[] packet = InnerPackets.IPv4("10.0.0.1", "10.0.0.2", 123);
        Send(_a, packet);
        Settle();
        Assert.Equal([packet], _b.Delivered);
        byte[] answer = InnerPackets.IPv4("10.0.0.2", "10.0.0.1", 1400);
        Send(_b, answer);
        Settle();
        Assert.Equal([answer], _a.Delivered);
    }

    [Fact]
    public void Packets_are_padded_to_16_bytes_but_never_past_the_mtu()
    {
        Establish();
        _wire.Clear();
        foreach (int length in new[] { 20, 32, 33, 1419, 1420 })
        {
            Send(_a, InnerPackets.IPv4("10.0.0.1", "10.0.0.2", length));
        }

        Settle();
        Assert.Equal([32, 32, 48, 1420, 1420], _wire.Select(w => w.Length - 32));
        Assert.Equal([20, 32, 33, 1419, 1420], _b.Delivered.TakeLast(5).Select(d => d.Length));
    }

    [Fact]
    public void A_replayed_datagram_is_refused_by_name()
    {
        Establish();
        _wire.Clear();
        Send(_a, InnerPackets.IPv4("10.0.0.1", "10.0.0.2"));
        Settle();
        int delivered = _b.Delivered.Count;
        _b.Outer.Incoming.Enqueue((_wire.Single(), _a.Address, 0));
        Settle();
        Assert.Equal(delivered, _b.Delivered.Count);
        Assert.Equal(1, _b.Drops(DropReason.InStateSeqError));
    }

    [Fact]
    public void One_flipped_bit_anywhere_in_a_data_message_is_refused()
    {
        Establish();
        _wire.Clear();
        Send(_a, InnerPackets.IPv4("10.0.0.1", "10.0.0.2", 40));
        _a.Worker.Pass();
        _b.Outer.Incoming.Clear();
        byte[] good = _wire.Single();
        for (int bit = 8 * 4; bit < good.Length * 8; bit++)
        {
            byte[] bad = [.. good];
            bad[bit / 8] ^= (byte)(1 << (bit % 8));
            _b.Outer.Incoming.Enqueue((bad, _a.Address, 0));
        }

        int delivered = _b.Delivered.Count;
        Settle();
        Assert.Equal(delivered, _b.Delivered.Count);
        _b.Outer.Incoming.Enqueue((good, _a.Address, 0));
        Settle();
        Assert.Equal(delivered + 1, _b.Delivered.Count);
    }

    [Fact]
    public void A_peer_may_not_use_an_address_that_a_narrower_prefix_gives_to_another()
    {
        Establish();
        using var c = new MemoryNode(_clock, 1003);
        using (Tunnel.Edit edit = _b.Tunnel.BeginEdit())
        {
            edit.AddAllowedIp(edit.Find(_a.PublicKey)!, System.Net.IPNetwork.Parse("10.9.0.0/16"));
            Peer other = edit.AddPeer(c.PublicKey);
            edit.AddAllowedIp(other, System.Net.IPNetwork.Parse("10.9.9.0/24"));
        }

        int delivered = _b.Delivered.Count;
        Send(_a, InnerPackets.IPv4("10.9.1.1", "10.0.0.2"));
        Send(_a, InnerPackets.IPv4("10.9.9.1", "10.0.0.2"));
        Send(_a, InnerPackets.IPv4("172.16.0.1", "10.0.0.2"));
        Settle();
        Assert.Equal(delivered + 1, _b.Delivered.Count);
        Assert.Equal(2, _b.Drops(DropReason.InTmplMismatch));
    }

    [Fact]
    public void A_peer_roams_with_every_authenticated_packet_and_with_no_other()
    {
        Establish();
        Assert.Equal(_a.Address, _b.PeerOf(_a).Endpoint!.Remote);
        _a.Address = _a.Address with { Port = 4444 };
        Send(_a, InnerPackets.IPv4("10.0.0.1", "10.0.0.2"));
        Settle();
        Assert.Equal(4444, _b.PeerOf(_a).Endpoint!.Remote.Port);

        byte[] replay = _wire[^1];
        _b.Outer.Incoming.Enqueue((replay, _a.Address with { Port = 5555 }, 0));
        Settle();
        Assert.Equal(4444, _b.PeerOf(_a).Endpoint!.Remote.Port);
    }

    [Theory]
    [InlineData(0, 0, 0)]
    [InlineData(0, 1, 0)]
    [InlineData(0, 3, -1)]
    [InlineData(1, 3, 3)]
    [InlineData(2, 1, 1)]
    [InlineData(2, 0, 2)]
    [InlineData(2, 3, 3)]
    [InlineData(3, 0, 3)]
    [InlineData(3, 2, 3)]
    public void Congestion_marks_follow_rfc_6040(int inner, int outer, int expected)
    {
        Establish();
        byte sentWith = 255;
        _a.Transmit = (bytes, _, ecn) =>
        {
            sentWith = ecn;
            _b.Outer.Incoming.Enqueue((bytes, _a.Address, (byte)outer));
        };
        int delivered = _b.Delivered.Count;
        Send(_a, InnerPackets.IPv4("10.0.0.1", "10.0.0.2", 60, (byte)(0x48 | inner)));
        Settle();
        Assert.Equal(inner, sentWith);
        if (expected < 0)
        {
            Assert.Equal(delivered, _b.Delivered.Count);
            Assert.Equal(1, _b.Drops(DropReason.InEcnInvalid));
            return;
        }

        byte[] packet = _b.Delivered[^1];
        Assert.Equal(delivered + 1, _b.Delivered.Count);
        Assert.Equal(0x48 | expected, packet[1]);
        Assert.Equal(InnerPackets.HeaderChecksum(packet), BinaryPrimitives.ReadUInt16BigEndian(packet.AsSpan(10)));
    }

    [Fact]
    public void The_initiator_renews_the_session_after_120_seconds_and_no_packet_is_lost()
    {
        Establish();
        int delivered = _b.Delivered.Count;
        int sent = 0;
        for (int second = 0; second < 400; second++)
        {
            _clock.Advance(1);
            Send(_a, InnerPackets.IPv4("10.0.0.1", "10.0.0.2"));
            Send(_b, InnerPackets.IPv4("10.0.0.2", "10.0.0.1"));
            sent++;
            Settle();
        }

        Assert.Equal(delivered + sent, _b.Delivered.Count);
        Assert.Equal(4, _a.Events.Count(e => e == TunnelEvent.SessionEstablished));
        Assert.DoesNotContain(TunnelEvent.ResponseSent, _a.Events);
    }

    [Fact]
    public void A_session_is_refused_after_180_seconds_and_its_keys_are_erased_after_540()
    {
        Establish();
        _wire.Clear();
        Send(_a, InnerPackets.IPv4("10.0.0.1", "10.0.0.2"));
        _a.Worker.Pass();
        byte[] late = _wire.Single();
        _b.Outer.Incoming.Clear();
        _a.Transmit = (_, _, _) => { };
        _b.Transmit = (_, _, _) => { };
        _clock.Advance(181);
        int delivered = _b.Delivered.Count;
        _b.Outer.Incoming.Enqueue((late, _a.Address, 0));
        Settle();
        Assert.Equal(delivered, _b.Delivered.Count);
        Assert.Equal(1, _b.Drops(DropReason.InStateExpired));
        Assert.NotNull(_b.PeerOf(_a).Current);
        _clock.Advance(360);
        Settle();
        Assert.Null(_b.PeerOf(_a).Current);
        Assert.Contains(TunnelEvent.KeysErased, _b.Events);
    }

    [Fact]
    public void Data_without_an_answer_is_answered_by_a_keepalive_after_10_seconds_and_keepalives_by_nothing()
    {
        Establish();
        _wire.Clear();
        Send(_a, InnerPackets.IPv4("10.0.0.1", "10.0.0.2"));
        Settle();
        Assert.Single(_wire);
        for (int tenth = 0; tenth < 99; tenth++)
        {
            _clock.Advance(0.1);
            Settle();
        }

        Assert.Single(_wire);
        _clock.Advance(0.2);
        Settle();
        Assert.Equal(2, _wire.Count);
        Assert.Equal(32, _wire[1].Length);
        for (int second = 0; second < 60; second++)
        {
            _clock.Advance(1);
            Settle();
        }

        Assert.Equal(2, _wire.Count);
    }

    [Fact]
    public void Persistent_keepalives_come_at_their_interval()
    {
        Join(null);
        using (Tunnel.Edit edit = _a.Tunnel.BeginEdit())
        {
            edit.SetPersistentKeepalive(edit.Find(_b.PublicKey)!, 25);
        }

        Settle();
        Assert.NotNull(_a.PeerOf(_b).Current);
        _wire.Clear();
        for (int second = 0; second < 100; second++)
        {
            _clock.Advance(1);
            Settle();
        }

        Assert.Equal(4, _wire.Count(w => w.Length == 32));
        Assert.Equal(4, _wire.Count);
    }

    [Fact]
    public void Initiations_are_repeated_every_5_seconds_with_jitter_and_given_up_after_90()
    {
        Join(null);
        _a.Transmit = (bytes, _, _) => _wire.Add(bytes);
        var times = new List<double>();
        Send(_a, InnerPackets.IPv4("10.0.0.1", "10.0.0.2"));
        for (int tick = 0; tick < 2000; tick++)
        {
            int before = _wire.Count;
            Settle();
            if (_wire.Count > before)
            {
                times.Add(tick * 0.1);
            }

            _clock.Advance(0.1);
        }

        Assert.All(_wire, w => Assert.Equal(148, w.Length));
        Assert.InRange(times.Count, 17, 19);
        Assert.InRange(times[^1], 85, 97);
        Assert.Contains(TunnelEvent.HandshakeGivenUp, _a.Events);
        Assert.Equal(1, _a.Drops(DropReason.OutHandshakeTimeout));
        double[] gaps = [.. times.Zip(times.Skip(1), (x, y) => y - x)];
        Assert.All(gaps, gap => Assert.InRange(gap, 4.95, 5.5));
    }

    [Fact]
    public void At_most_128_packets_wait_and_the_oldest_leave_first()
    {
        Join(null);
        _a.Transmit = (_, _, _) => { };
        for (int i = 0; i < 200; i++)
        {
            byte[] packet = InnerPackets.IPv4("10.0.0.1", "10.0.0.2", 60);
            packet[59] = (byte)i;
            Send(_a, packet);
            _a.Step();
        }

        Assert.Equal(72, _a.Drops(DropReason.OutNoQueueSpace));
        Rejoin();
        _clock.Advance(6);
        Settle();
        Assert.Equal(Enumerable.Range(72, 128).Select(i => (byte)i), _b.Delivered.Select(d => d[59]));
    }

    [Fact]
    public void A_lost_session_is_renewed_when_data_gets_no_answer_for_15_seconds()
    {
        Establish();
        using (Tunnel.Edit edit = _b.Tunnel.BeginEdit())
        {
            edit.SetPrivateKey(_a.PrivateKey);
            edit.SetPrivateKey(_b.PrivateKey);
        }

        using (Tunnel.Edit edit = _b.Tunnel.BeginEdit())
        {
            if (edit.Find(_a.PublicKey) is null)
            {
                edit.AddAllowedIp(edit.AddPeer(_a.PublicKey), System.Net.IPNetwork.Parse("10.0.0.1/32"));
            }
        }

        int delivered = _b.Delivered.Count;
        for (int second = 0; second < 20; second++)
        {
            Send(_a, InnerPackets.IPv4("10.0.0.1", "10.0.0.2"));
            Settle();
            _clock.Advance(1);
        }

        Assert.Contains(TunnelEvent.PeerSilent, _a.Events);
        Assert.True(_b.Delivered.Count > delivered);
    }

    [Fact]
    public void Counters_are_never_reused_when_they_run_out()
    {
        Establish();
        Keypair keypair = _a.PeerOf(_b).Current!;
        keypair.SetSendCounter(Limits.RejectAfterMessages - 2);
        Assert.True(keypair.TryReserve(2, out ulong first));
        Assert.Equal(Limits.RejectAfterMessages - 2, first);
        for (int i = 0; i < 100_000; i++)
        {
            Assert.False(keypair.TryReserve(64, out _));
        }

        Assert.Equal(Limits.RejectAfterMessages, keypair.SentPackets);
    }

    [Fact]
    public void After_two_to_the_sixty_messages_a_new_session_is_made()
    {
        Establish();
        _a.PeerOf(_b).Current!.SetSendCounter(Limits.RekeyAfterMessages + 1);
        _clock.Advance(6);
        Keypair before = _a.PeerOf(_b).Current!;
        Send(_a, InnerPackets.IPv4("10.0.0.1", "10.0.0.2"));
        Settle();
        Assert.NotSame(before, _a.PeerOf(_b).Current);
    }

    [Fact]
    public void Both_ends_may_initiate_at_once()
    {
        Join(null);
        Send(_a, InnerPackets.IPv4("10.0.0.1", "10.0.0.2"));
        Send(_b, InnerPackets.IPv4("10.0.0.2", "10.0.0.1"));
        for (int i = 0; i < 600; i++)
        {
            Settle();
            _clock.Advance(0.05);
        }

        Assert.Single(_a.Delivered);
        Assert.Single(_b.Delivered);
    }

    [Fact]
    public void Dropping_all_sessions_makes_new_keys_before_the_next_packet()
    {
        Establish();
        Keypair before = _a.PeerOf(_b).Current!;
        _clock.Advance(1);
        _a.Tunnel.DropAllSessions();
        Assert.Null(_a.PeerOf(_b).Current);
        int delivered = _b.Delivered.Count;
        Send(_a, InnerPackets.IPv4("10.0.0.1", "10.0.0.2"));
        Settle();
        Assert.Equal(delivered + 1, _b.Delivered.Count);
        Assert.NotSame(before, _a.PeerOf(_b).Current);
    }

    [Fact]
    public void Under_load_only_a_proven_address_gets_a_handshake()
    {
        Join(null);
        byte[] flood = new byte[InitiationMessage.Size];
        for (int i = 0; i < Limits.UnderLoadQueueLength; i++)
        {
            Assert.True(_b.Queue.TryAdd(flood, _a.Address, default));
        }

        Assert.True(_b.Queue.IsUnderLoad(_clock.Nanoseconds));
        Send(_a, InnerPackets.IPv4("10.0.0.1", "10.0.0.2"));
        _a.Step();
        _a.Step();
        _b.Worker.Pass();
        Assert.Equal(1, _b.Drops(DropReason.InHandshakeCookieSent));
        _a.Step();
        _a.Step();
        Assert.Contains(TunnelEvent.CookieReceived, _a.Events);
        _clock.Advance(0.9);
        Settle();
        Assert.Empty(_b.Delivered);
        for (int i = 0; i < Limits.UnderLoadQueueLength; i++)
        {
            _b.Queue.TryAdd(flood, _a.Address, default);
        }

        _clock.Advance(4.5);
        _a.Step();
        _b.Worker.Pass();
        Settle();
        Assert.Single(_b.Delivered);
        Assert.Equal(1, _b.Drops(DropReason.InHandshakeCookieSent));
    }

    [Fact]
    public void Garbage_of_any_length_and_type_is_dropped_with_a_reason()
    {
        Establish();
        var random = new Random(20260101);
        int delivered = _b.Delivered.Count;
        const int Count = 200_000;
        for (int i = 0; i < Count; i++)
        {
            byte[] bytes = new byte[random.Next(0, 300)];
            random.NextBytes(bytes);
            if (bytes.Length >= 8 && random.Next(2) == 0)
            {
                BinaryPrimitives.WriteUInt32LittleEndian(bytes, (uint)random.Next(0, 6));
                BinaryPrimitives.WriteUInt32LittleEndian(bytes.AsSpan(4), _b.PeerOf(_a).Current!.LocalIndex);
            }

            _b.Outer.Incoming.Enqueue((bytes, _a.Address, (byte)random.Next(4)));
            if (i % 64 == 63)
            {
                _b.Worker.Pass();
            }
        }

        Settle();
        Assert.Equal(delivered, _b.Delivered.Count);
        Assert.Equal(Count, Enum.GetValues<DropReason>().Sum(_b.Drops));
    }

    [Fact]
    public void Garbage_from_the_inner_side_is_dropped_with_a_reason()
    {
        Establish();
        _wire.Clear();
        var random = new Random(20260102);
        const int Count = 100_000;
        for (int i = 0; i < Count; i++)
        {
            byte[] bytes = new byte[random.Next(0, 200)];
            random.NextBytes(bytes);
            Send(_a, bytes);
            if (i % 64 == 63)
            {
                _a.Worker.Pass();
            }
        }

        _a.Worker.Pass();
        Assert.Equal(Count, Enum.GetValues<DropReason>().Sum(_a.Drops) + _wire.Count);
    }

    [Fact]
    public void A_million_packets_allocate_nothing()
    {
        Establish();
        using var port = new LoopPort(_a, _b);
        port.Run(2_000);
        long before = GC.GetAllocatedBytesForCurrentThread();
        int moved = port.Run(1_000_000);
        Assert.Equal(0, GC.GetAllocatedBytesForCurrentThread() - before);
        Assert.Equal(1_000_000, moved);
    }

    private static void Send(MemoryNode node, byte[] packet) => node.Inner.Incoming.Enqueue((packet, default, 0));

    private void Settle() => MemoryNode.Settle(_a, _b);

    private void Join(byte[]? presharedKey)
    {
        _a.AddPeer(_b, "10.0.0.2/32", presharedKey);
        _b.AddPeer(_a, "10.0.0.1/32", presharedKey);
        Rejoin();
    }

    private void Rejoin()
    {
        _a.Transmit = (bytes, _, ecn) => Carry(bytes, _a, _b, ecn);
        _b.Transmit = (bytes, _, ecn) => Carry(bytes, _b, _a, ecn);
        void Carry(byte[] bytes, MemoryNode from, MemoryNode to, byte ecn)
        {
            _wire.Add(bytes);
            to.Outer.Incoming.Enqueue((bytes, from.Address, ecn));
        }
    }

    private void Establish()
    {
        Join(null);
        Send(_a, InnerPackets.IPv4("10.0.0.1", "10.0.0.2"));
        Settle();
        Assert.Single(_b.Delivered);
    }
}

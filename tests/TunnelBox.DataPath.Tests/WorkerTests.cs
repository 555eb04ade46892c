using TunnelBox.Protocol;
using TunnelBox.Visibility;

namespace TunnelBox.DataPath.Tests;

/// <summary>Two whole ends in memory: sessions begin, renew, expire and end as the protocol says.</summary>
public sealed class WorkerTests : TwoNodes
{
    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public void A_packet_waits_for_the_handshake_and_arrives_unchanged(bool psk)
    {
        Join(psk ? [.. Enumerable.Repeat((byte)7, 32)] : null);
        byte[] packet = InnerPackets.IPv4("10.0.0.1", "10.0.0.2", 123);
        Send(A, packet);
        Settle();
        Assert.Equal([packet], B.Delivered);
        byte[] answer = InnerPackets.IPv4("10.0.0.2", "10.0.0.1", 1400);
        Send(B, answer);
        Settle();
        Assert.Equal([answer], A.Delivered);
    }

    [Fact]
    public void The_initiator_renews_the_session_after_120_seconds_and_no_packet_is_lost()
    {
        Establish();
        int delivered = B.Delivered.Count;
        int sent = 0;
        for (int second = 0; second < 400; second++)
        {
            Clock.Advance(1);
            Send(A, InnerPackets.IPv4("10.0.0.1", "10.0.0.2"));
            Send(B, InnerPackets.IPv4("10.0.0.2", "10.0.0.1"));
            sent++;
            Settle();
        }

        Assert.Equal(delivered + sent, B.Delivered.Count);
        Assert.Equal(4, A.Events.Count(e => e == TunnelEvent.SessionEstablished));
        Assert.DoesNotContain(TunnelEvent.ResponseSent, A.Events);
    }

    [Fact]
    public void A_session_is_refused_after_180_seconds_and_its_keys_are_erased_after_540()
    {
        Establish();
        Wire.Clear();
        Send(A, InnerPackets.IPv4("10.0.0.1", "10.0.0.2"));
        A.Worker.Pass();
        byte[] late = Wire.Single();
        B.Outer.Incoming.Clear();
        A.Transmit = (_, _, _) => { };
        B.Transmit = (_, _, _) => { };
        Clock.Advance(181);
        int delivered = B.Delivered.Count;
        B.Outer.Incoming.Enqueue((late, A.Address, 0));
        Settle();
        Assert.Equal(delivered, B.Delivered.Count);
        Assert.Equal(1, B.Drops(DropReason.InStateExpired));
        Assert.NotNull(B.PeerOf(A).Current);
        Clock.Advance(360);
        Settle();
        Assert.Null(B.PeerOf(A).Current);
        Assert.Contains(TunnelEvent.KeysErased, B.Events);
    }

    [Fact]
    public void Data_without_an_answer_is_answered_by_a_keepalive_after_10_seconds_and_keepalives_by_nothing()
    {
        Establish();
        Wire.Clear();
        Send(A, InnerPackets.IPv4("10.0.0.1", "10.0.0.2"));
        Settle();
        Assert.Single(Wire);
        for (int tenth = 0; tenth < 99; tenth++)
        {
            Clock.Advance(0.1);
            Settle();
        }

        Assert.Single(Wire);
        Clock.Advance(0.2);
        Settle();
        Assert.Equal(2, Wire.Count);
        Assert.Equal(32, Wire[1].Length);
        for (int second = 0; second < 60; second++)
        {
            Clock.Advance(1);
            Settle();
        }

        Assert.Equal(2, Wire.Count);
    }

    [Fact]
    public void Persistent_keepalives_come_at_their_interval()
    {
        Join(null);
        using (Tunnel.Edit edit = A.Tunnel.BeginEdit())
        {
            edit.SetPersistentKeepalive(edit.Find(B.PublicKey)!, 25);
        }

        Settle();
        Assert.NotNull(A.PeerOf(B).Current);
        Wire.Clear();
        for (int second = 0; second < 100; second++)
        {
            Clock.Advance(1);
            Settle();
        }

        Assert.Equal(4, Wire.Count(w => w.Length == 32));
        Assert.Equal(4, Wire.Count);
    }

    [Fact]
    public void Initiations_are_repeated_every_5_seconds_with_jitter_and_given_up_after_90()
    {
        Join(null);
        A.Transmit = (bytes, _, _) => Wire.Add(bytes);
        var times = new List<double>();
        Send(A, InnerPackets.IPv4("10.0.0.1", "10.0.0.2"));
        for (int tick = 0; tick < 2000; tick++)
        {
            int before = Wire.Count;
            Settle();
            if (Wire.Count > before)
            {
                times.Add(tick * 0.1);
            }

            Clock.Advance(0.1);
        }

        Assert.All(Wire, w => Assert.Equal(148, w.Length));
        Assert.InRange(times.Count, 17, 19);
        Assert.InRange(times[^1], 85, 97);
        Assert.Contains(TunnelEvent.HandshakeGivenUp, A.Events);
        Assert.Equal(1, A.Drops(DropReason.OutHandshakeTimeout));
        double[] gaps = [.. times.Zip(times.Skip(1), (x, y) => y - x)];
        Assert.All(gaps, gap => Assert.InRange(gap, 4.95, 5.5));
    }

    [Fact]
    public void An_initiation_without_answer_is_repeated_at_the_next_endpoint_unless_the_peer_was_heard_lately()
    {
        Establish();
        EndpointAddress home = B.Address;
        EndpointAddress other = home with { Port = 7 };
        var sent = new List<(int Length, EndpointAddress To)>();
        A.Transmit = (bytes, to, _) => sent.Add((bytes.Length, to));
        B.Transmit = null;
        A.Next = peer => peer.Endpoint!.Remote == home ? other : home;

        // A renewal right after something was heard stays at home for its first repetition.
        Clock.Advance(2);
        Assert.Equal(HandshakeStart.TooSoon, A.Tunnel.BeginHandshake(A.PeerOf(B), out _, out _));
        Clock.Advance(4);
        Assert.Equal(HandshakeStart.Begun, A.Tunnel.BeginHandshake(A.PeerOf(B), out _, out _));
        for (int tick = 0; tick < 170; tick++)
        {
            Settle();
            Clock.Advance(0.1);
        }

        EndpointAddress[] asked = [.. sent.Where(one => one.Length == InitiationMessage.Size).Select(one => one.To)];
        Assert.Equal([home, home, other, home], asked);
    }

    [Fact]
    public void A_lost_session_is_renewed_when_data_gets_no_answer_for_15_seconds()
    {
        Establish();
        using (Tunnel.Edit edit = B.Tunnel.BeginEdit())
        {
            edit.SetPrivateKey(A.PrivateKey);
            edit.SetPrivateKey(B.PrivateKey);
        }

        using (Tunnel.Edit edit = B.Tunnel.BeginEdit())
        {
            if (edit.Find(A.PublicKey) is null)
            {
                edit.AddAllowedIp(edit.AddPeer(A.PublicKey), System.Net.IPNetwork.Parse("10.0.0.1/32"));
            }
        }

        int delivered = B.Delivered.Count;
        for (int second = 0; second < 20; second++)
        {
            Send(A, InnerPackets.IPv4("10.0.0.1", "10.0.0.2"));
            Settle();
            Clock.Advance(1);
        }

        Assert.Contains(TunnelEvent.PeerSilent, A.Events);
        Assert.True(B.Delivered.Count > delivered);
    }

    [Fact]
    public void Both_ends_may_initiate_at_once()
    {
        Join(null);
        Send(A, InnerPackets.IPv4("10.0.0.1", "10.0.0.2"));
        Send(B, InnerPackets.IPv4("10.0.0.2", "10.0.0.1"));
        for (int i = 0; i < 600; i++)
        {
            Settle();
            Clock.Advance(0.05);
        }

        Assert.Single(A.Delivered);
        Assert.Single(B.Delivered);
    }

    [Fact]
    public void What_waits_in_both_ports_is_passed_on_before_the_end()
    {
        const int Packets = 1000;
        Establish();
        int received = A.Delivered.Count;
        for (int i = 0; i < Packets; i++)
        {
            Send(A, InnerPackets.IPv4("10.0.0.1", "10.0.0.2"));
            Send(B, InnerPackets.IPv4("10.0.0.2", "10.0.0.1"));
        }

        B.Worker.Finish(TimeSpan.FromMilliseconds(10));
        B.Worker.TakeRest();
        A.Worker.Finish(TimeSpan.FromMilliseconds(10));
        A.Worker.TakeRest();
        Assert.Equal(received + Packets, A.Delivered.Count);
        Assert.Equal(Packets, B.Outer.Incoming.Count(datagram => datagram.Bytes.Length > 32));
    }

    [Fact]
    public void Traffic_without_an_end_does_not_hold_the_end_up()
    {
        Establish();
        A.Transmit = (_, _, _) =>
        {
            Clock.Advance(0.001);
            Send(A, InnerPackets.IPv4("10.0.0.1", "10.0.0.2"));
        };
        Send(A, InnerPackets.IPv4("10.0.0.1", "10.0.0.2"));
        long before = Clock.Nanoseconds;
        A.Worker.Finish(TimeSpan.FromMilliseconds(10));
        A.Worker.TakeRest();
        Assert.InRange(Clock.Nanoseconds - before, 9_000_000, 11_000_000);
    }

    [Fact]
    public void Only_what_a_port_holds_itself_is_passed_on_where_the_ports_stay()
    {
        Establish();
        Send(A, InnerPackets.IPv4("10.0.0.1", "10.0.0.2"));
        A.Worker.TakeRest();
        Assert.Empty(B.Outer.Incoming);
        A.Inner.IsOnlyHere = true;
        A.Worker.TakeRest();
        Assert.Single(B.Outer.Incoming);
    }

    [Fact]
    public void Sessions_do_not_survive_suspend()
    {
        var awake = new FakeClock();
        using var sleeper = new MemoryNode(Clock, 1003, awake);
        MemoryNode.Join(sleeper, B);
        Send(sleeper, InnerPackets.IPv4("10.0.0.1", "10.0.0.2"));
        MemoryNode.Settle(sleeper, B);
        Assert.NotNull(sleeper.PeerOf(B).Current);
        Clock.Advance(5);
        awake.Advance(5);
        sleeper.Step();
        Assert.NotNull(sleeper.PeerOf(B).Current);

        // Five seconds pass that only the clock of keys has seen.
        Clock.Advance(5);
        sleeper.Step();
        Assert.Null(sleeper.PeerOf(B).Current);
    }

    [Fact]
    public void Dropping_all_sessions_makes_new_keys_before_the_next_packet()
    {
        Establish();
        Keypair before = A.PeerOf(B).Current!;
        Clock.Advance(1);
        A.Tunnel.DropAllSessions();
        Assert.Null(A.PeerOf(B).Current);
        int delivered = B.Delivered.Count;
        Send(A, InnerPackets.IPv4("10.0.0.1", "10.0.0.2"));
        Settle();
        Assert.Equal(delivered + 1, B.Delivered.Count);
        Assert.NotSame(before, A.PeerOf(B).Current);
    }
}

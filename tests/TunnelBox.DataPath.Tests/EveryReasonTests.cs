using System.Buffers.Binary;
using System.Net;
using TunnelBox.Protocol;
using TunnelBox.Visibility;

namespace TunnelBox.DataPath.Tests;

/// <summary>Produces the reasons that no other test here is about, and sees each counted: in all, and with its peer.</summary>
public sealed class EveryReasonTests : TwoNodes
{
    [Fact]
    public void In_of_data_messages()
    {
        Establish();
        Wire.Clear();
        Send(A, InnerPackets.IPv4("10.0.0.1", "10.0.0.2"));
        A.Worker.Pass();
        B.Outer.Incoming.Clear();
        byte[] stranger = [.. Wire.Single()];
        BinaryPrimitives.WriteUInt32LittleEndian(stranger.AsSpan(4), ~B.PeerOf(A).Current!.LocalIndex);
        byte[] forged = [.. Wire.Single()];
        forged[^1] ^= 1;
        B.Outer.Incoming.Enqueue((stranger, A.Address, 0));
        B.Outer.Incoming.Enqueue((forged, A.Address, 0));

        // The peer seals what is no packet: its own inner side would refuse it, so it goes the way of what waited.
        A.PeerOf(B).Staged.Add("this is no packet"u8);
        A.Worker.Flush(A.PeerOf(B), keepalive: false);
        Settle();
        Assert.Equal(1, B.Drops(DropReason.InNoStates));
        Assert.Equal(1, B.Drops(DropReason.InStateProtoError));
        Assert.Equal(1, B.Drops(DropReason.InInnerHdrError));
        CounterTotals peer = B.PeerOf(A).Drops.Read();
        Assert.Equal(0, peer.Drops(DropReason.InNoStates));
        Assert.Equal(1, peer.Drops(DropReason.InStateProtoError));
        Assert.Equal(forged.Length, peer.DropBytes(DropReason.InStateProtoError));
        Assert.Equal(forged.Length, B.Counters.Read().DropBytes(DropReason.InStateProtoError));
        Assert.Equal(1, peer.Drops(DropReason.InInnerHdrError));
    }

    [Fact]
    public void In_of_handshake_messages()
    {
        using var keyless = new MemoryNode(Clock, 1003);
        using (Tunnel.Edit edit = keyless.Tunnel.BeginEdit())
        {
            edit.SetPrivateKey(new byte[32]);
        }

        Join(null);
        using (Tunnel.Edit edit = B.Tunnel.BeginEdit())
        {
            edit.RemovePeer(edit.Find(A.PublicKey)!);
        }

        Send(A, InnerPackets.IPv4("10.0.0.1", "10.0.0.2"));
        Settle();
        Assert.Equal(1, B.Drops(DropReason.InHandshakeUnknownPeer));
        byte[] initiation = Wire.Single();
        keyless.Outer.Incoming.Enqueue((initiation, A.Address, 0));
        keyless.Step();
        Assert.Equal(1, keyless.Drops(DropReason.InHandshakeNoKey));
        byte[] wrong = [.. initiation];
        wrong[116] ^= 1;
        B.Outer.Incoming.Enqueue((wrong, A.Address, 0));
        Settle();
        Assert.Equal(1, B.Drops(DropReason.InHandshakeMac1));
    }

    [Fact]
    public void In_of_answers_that_nobody_waits_for()
    {
        Establish();
        byte[] response = Wire.Single(w => w.Length == ResponseMessage.Size);
        A.Outer.Incoming.Enqueue((response, B.Address, 0));
        byte[] cookie = new byte[CookieReplyMessage.Size];
        BinaryPrimitives.WriteUInt32LittleEndian(cookie, 3);
        BinaryPrimitives.WriteUInt32LittleEndian(cookie.AsSpan(4), A.PeerOf(B).Current!.LocalIndex);
        A.Outer.Incoming.Enqueue((cookie, B.Address, 0));
        Settle();
        Assert.Equal(1, A.Drops(DropReason.InHandshakeResponseInvalid));
        Assert.Equal(1, A.Drops(DropReason.InHandshakeCookieInvalid));
        Assert.Equal(1, A.PeerOf(B).Drops.Read().Drops(DropReason.InHandshakeCookieInvalid));
    }

    [Fact]
    public void In_under_load()
    {
        Join(null);
        byte[] flood = new byte[InitiationMessage.Size];
        void Fill(int messages)
        {
            while (B.Queue.Count < messages)
            {
                B.Queue.TryAdd(flood, A.Address, default);
            }
        }

        Fill(Limits.UnderLoadQueueLength);
        Send(A, InnerPackets.IPv4("10.0.0.1", "10.0.0.2"));
        A.Step();
        A.Step();
        B.Worker.Pass();
        A.Step();
        A.Step();
        Clock.Advance(5.5);
        Wire.Clear();
        A.Step();
        byte[] proven = Wire.Single();
        for (int i = 0; i < 50; i++)
        {
            B.Gate.Admit(proven, MessageType.Initiation, A.Address, default, Clock.Nanoseconds);
        }

        Assert.Equal(DropReason.InHandshakeRateLimited, B.Gate.Admit(proven, MessageType.Initiation, A.Address, default, Clock.Nanoseconds));
        Fill(Limits.HandshakeQueueLength);
        byte[] cookie = new byte[CookieReplyMessage.Size];
        cookie[0] = 3;
        B.Outer.Incoming.Clear();
        B.Outer.Incoming.Enqueue((cookie, A.Address, 0));
        B.Worker.Pass();
        Assert.Equal(1, B.Drops(DropReason.InHandshakeQueueFull));
    }

    [Fact]
    public void Out_of_packets()
    {
        Establish();
        using var homeless = new MemoryNode(Clock, 1003);
        Peer lost;
        using (Tunnel.Edit edit = A.Tunnel.BeginEdit())
        {
            lost = edit.AddPeer(homeless.PublicKey);
            edit.AddAllowedIp(lost, IPNetwork.Parse("10.0.0.3/32"));
            edit.SetPersistentKeepalive(lost, 25);
        }

        Send(A, [1, 2, 3]);
        Send(A, InnerPackets.IPv4("10.0.0.1", "10.99.0.1"));
        Send(A, InnerPackets.IPv4("10.0.0.1", "10.0.0.3", 60));
        Settle();
        Assert.Equal(1, A.Drops(DropReason.OutInnerHdrError));
        Assert.Equal(1, A.Drops(DropReason.OutNoStates));
        Assert.Equal(1, A.Drops(DropReason.OutNoEndpoint));
        Assert.Equal(1, A.Drops(DropReason.OutHandshakeNoEndpoint));
        Assert.Equal(60, lost.Drops.Read().DropBytes(DropReason.OutNoEndpoint));
        Assert.Equal(2, lost.Drops.Read().AllDrops);
        Assert.False(A.PeerOf(B).Drops.Any);

        A.PeerOf(B).Current!.SetSendCounter(Limits.RejectAfterMessages - 1);
        Send(A, InnerPackets.IPv4("10.0.0.1", "10.0.0.2"));
        Send(A, InnerPackets.IPv4("10.0.0.1", "10.0.0.2"));
        A.Worker.Pass();
        Assert.Equal(2, A.Drops(DropReason.OutStateExpired));
    }

    [Fact]
    public void Out_of_packets_that_waited()
    {
        Join(null);
        A.Transmit = (_, _, _) => { };
        Send(A, InnerPackets.IPv4("10.0.0.1", "10.0.0.2", 80));
        A.Worker.Pass();
        A.Tunnel.Stop();
        Assert.Equal(1, A.Drops(DropReason.OutInterfaceDown));
        Assert.Equal(80, A.PeerOf(B).Drops.Read().DropBytes(DropReason.OutInterfaceDown));
        Send(A, InnerPackets.IPv4("10.0.0.1", "10.0.0.2"));
        A.Worker.Pass();
        using Tunnel.Edit edit = A.Tunnel.BeginEdit();
        edit.RemovePeer(edit.Find(B.PublicKey)!);
        Assert.Equal(1, A.Drops(DropReason.OutPeerRemoved));
    }

    [Fact]
    public void Out_of_handshakes()
    {
        Join(null);
        A.Transmit = (_, _, _) => { };
        Send(A, InnerPackets.IPv4("10.0.0.1", "10.0.0.2"));
        // With the longest jitter of every attempt, and none that falls on a tick, giving up comes after a little more than 100 s.
        for (int tick = 0; tick < 1200; tick++)
        {
            A.Step();
            Clock.Advance(0.1);
        }

        CounterTotals peer = A.PeerOf(B).Drops.Read();
        Assert.Equal(1, A.Drops(DropReason.OutHandshakeGivenUp));
        Assert.Equal(1, peer.Drops(DropReason.OutHandshakeGivenUp));
        Assert.InRange(A.Drops(DropReason.OutHandshakeNoAnswer), 16, 18);
        Assert.Equal(A.Drops(DropReason.OutHandshakeNoAnswer), peer.Drops(DropReason.OutHandshakeNoAnswer));

        Send(A, InnerPackets.IPv4("10.0.0.1", "10.0.0.2"));
        A.Step();
        A.Step();
        A.Tunnel.DropAllSessions();
        Assert.Equal(1, A.Drops(DropReason.OutHandshakeAbandoned));

        using (Tunnel.Edit edit = A.Tunnel.BeginEdit())
        {
            Peer peerOfLowOrder = edit.AddPeer(default);
            Tunnel.Edit.SetEndpoint(peerOfLowOrder, B.Address.ToIPEndPoint());
            edit.SetPersistentKeepalive(peerOfLowOrder, 25);
        }

        A.Step();
        A.Step();
        Assert.Equal(1, A.Drops(DropReason.OutHandshakeKeyInvalid));
    }

    [Fact]
    public void Out_of_a_handshake_that_gave_way()
    {
        Join(null);
        Send(A, InnerPackets.IPv4("10.0.0.1", "10.0.0.2"));
        Send(B, InnerPackets.IPv4("10.0.0.2", "10.0.0.1"));
        Settle();
        Assert.NotEqual(0, A.Drops(DropReason.OutHandshakeSuperseded) + B.Drops(DropReason.OutHandshakeSuperseded));
    }

    [Fact]
    public void Ports_count_all_that_passes_them()
    {
        Establish();
        CounterTotals before = A.Counters.Read();
        Send(A, InnerPackets.IPv4("10.0.0.1", "10.0.0.2", 100));
        Send(A, InnerPackets.IPv4("10.0.0.1", "10.99.0.1", 200));
        A.Worker.Pass();
        CounterTotals after = A.Counters.Read();
        Assert.Equal(2, after.Port(PortFlow.InnerReceived).Packets - before.Port(PortFlow.InnerReceived).Packets);
        Assert.Equal(300, after.Port(PortFlow.InnerReceived).Bytes - before.Port(PortFlow.InnerReceived).Bytes);
        Assert.Equal(1, after.Port(PortFlow.OuterSent).Packets - before.Port(PortFlow.OuterSent).Packets);
        Assert.Equal(144, after.Port(PortFlow.OuterSent).Bytes - before.Port(PortFlow.OuterSent).Bytes);
        Assert.Equal(200, after.DropBytes(DropReason.OutNoStates));
    }
}

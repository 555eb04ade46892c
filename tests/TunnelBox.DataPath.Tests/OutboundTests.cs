using TunnelBox.Protocol;
using TunnelBox.Visibility;

namespace TunnelBox.DataPath.Tests;

/// <summary>What goes out: padding, waiting, counters, and no allocation.</summary>
public sealed class OutboundTests : TwoNodes
{
    [Fact]
    public void Packets_are_padded_to_16_bytes_but_never_past_the_mtu()
    {
        Establish();
        Wire.Clear();
        foreach (int length in new[] { 20, 32, 33, 1419, 1420 })
        {
            Send(A, InnerPackets.IPv4("10.0.0.1", "10.0.0.2", length));
        }

        Settle();
        Assert.Equal([32, 32, 48, 1420, 1420], Wire.Select(w => w.Length - 32));
        Assert.Equal([20, 32, 33, 1419, 1420], B.Delivered.TakeLast(5).Select(d => d.Length));
    }

    [Fact]
    public void At_most_128_packets_wait_and_the_oldest_leave_first()
    {
        Join(null);
        A.Transmit = (_, _, _) => { };
        for (int i = 0; i < 200; i++)
        {
            byte[] packet = InnerPackets.IPv4("10.0.0.1", "10.0.0.2", 60);
            packet[59] = (byte)i;
            Send(A, packet);
            A.Step();
        }

        Assert.Equal(72, A.Drops(DropReason.OutNoQueueSpace));
        Rejoin();
        Clock.Advance(6);
        Settle();
        Assert.Equal(Enumerable.Range(72, 128).Select(i => (byte)i), B.Delivered.Select(d => d[59]));
    }

    [Fact]
    public void A_message_of_the_session_is_not_sealed_for_it_again()
    {
        Establish();
        Wire.Clear();
        uint own = A.PeerOf(B).Current!.RemoteIndex;
        foreach (uint receiver in new[] { own, own + 1 })
        {
            byte[] v4 = InnerPackets.IPv4("10.0.0.1", "10.0.0.2");
            DataMessage.WriteHeader(v4.AsSpan(28), receiver, counter: 7);
            Send(A, v4);
        }

        Settle();
        Assert.Equal(1, A.Drops(DropReason.OutRoutingLoop));
        Assert.Single(Wire);
    }

    [Fact]
    public void Counters_are_never_reused_when_they_run_out()
    {
        Establish();
        Keypair keypair = A.PeerOf(B).Current!;
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
        A.PeerOf(B).Current!.SetSendCounter(Limits.RekeyAfterMessages + 1);
        Clock.Advance(6);
        Keypair before = A.PeerOf(B).Current!;
        Send(A, InnerPackets.IPv4("10.0.0.1", "10.0.0.2"));
        Settle();
        Assert.NotSame(before, A.PeerOf(B).Current);
    }

    [Fact]
    public void Garbage_from_the_inner_side_is_dropped_with_a_reason()
    {
        Establish();
        Wire.Clear();
        var random = new Random(20260102);
        const int Count = 100_000;
        for (int i = 0; i < Count; i++)
        {
            byte[] bytes = new byte[random.Next(0, 200)];
            random.NextBytes(bytes);
            Send(A, bytes);
            if (i % 64 == 63)
            {
                A.Worker.Pass();
            }
        }

        A.Worker.Pass();
        Assert.Equal(Count, Enum.GetValues<DropReason>().Sum(A.Drops) + Wire.Count);
    }

    [Fact]
    public void A_million_packets_allocate_nothing()
    {
        Establish();
        using var port = new LoopPort(A, B);
        port.Run(2_000);
        long before = GC.GetAllocatedBytesForCurrentThread();
        int moved = port.Run(1_000_000);
        Assert.Equal(0, GC.GetAllocatedBytesForCurrentThread() - before);
        Assert.Equal(1_000_000, moved);
    }
}

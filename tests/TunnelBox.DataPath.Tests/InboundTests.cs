using System.Buffers.Binary;
using TunnelBox.Protocol;
using TunnelBox.Visibility;

namespace TunnelBox.DataPath.Tests;

/// <summary>What arrives from the network and what does not get through.</summary>
public sealed class InboundTests : TwoNodes
{
    [Fact]
    public void A_replayed_datagram_is_refused_by_name()
    {
        Establish();
        Wire.Clear();
        Send(A, InnerPackets.IPv4("10.0.0.1", "10.0.0.2"));
        Settle();
        int delivered = B.Delivered.Count;
        B.Outer.Incoming.Enqueue((Wire.Single(), A.Address, 0));
        Settle();
        Assert.Equal(delivered, B.Delivered.Count);
        Assert.Equal(1, B.Drops(DropReason.InStateSeqError));
    }

    [Fact]
    public void One_flipped_bit_anywhere_in_a_data_message_is_refused()
    {
        Establish();
        Wire.Clear();
        Send(A, InnerPackets.IPv4("10.0.0.1", "10.0.0.2", 40));
        A.Worker.Pass();
        B.Outer.Incoming.Clear();
        byte[] good = Wire.Single();
        for (int bit = 8 * 4; bit < good.Length * 8; bit++)
        {
            byte[] bad = [.. good];
            bad[bit / 8] ^= (byte)(1 << (bit % 8));
            B.Outer.Incoming.Enqueue((bad, A.Address, 0));
        }

        int delivered = B.Delivered.Count;
        Settle();
        Assert.Equal(delivered, B.Delivered.Count);
        B.Outer.Incoming.Enqueue((good, A.Address, 0));
        Settle();
        Assert.Equal(delivered + 1, B.Delivered.Count);
    }

    [Fact]
    public void A_peer_may_not_use_an_address_that_a_narrower_prefix_gives_to_another()
    {
        Establish();
        using var c = new MemoryNode(Clock, 1003);
        using (Tunnel.Edit edit = B.Tunnel.BeginEdit())
        {
            edit.AddAllowedIp(edit.Find(A.PublicKey)!, System.Net.IPNetwork.Parse("10.9.0.0/16"));
            Peer other = edit.AddPeer(c.PublicKey);
            edit.AddAllowedIp(other, System.Net.IPNetwork.Parse("10.9.9.0/24"));
        }

        int delivered = B.Delivered.Count;
        Send(A, InnerPackets.IPv4("10.9.1.1", "10.0.0.2"));
        Send(A, InnerPackets.IPv4("10.9.9.1", "10.0.0.2"));
        Send(A, InnerPackets.IPv4("172.16.0.1", "10.0.0.2"));
        Settle();
        Assert.Equal(delivered + 1, B.Delivered.Count);
        Assert.Equal(2, B.Drops(DropReason.InTmplMismatch));
    }

    [Fact]
    public void A_peer_roams_with_every_authenticated_packet_and_with_no_other()
    {
        Establish();
        Assert.Equal(A.Address, B.PeerOf(A).Endpoint!.Remote);
        A.Address = A.Address with { Port = 4444 };
        Send(A, InnerPackets.IPv4("10.0.0.1", "10.0.0.2"));
        Settle();
        Assert.Equal(4444, B.PeerOf(A).Endpoint!.Remote.Port);

        byte[] replay = Wire[^1];
        B.Outer.Incoming.Enqueue((replay, A.Address with { Port = 5555 }, 0));
        Settle();
        Assert.Equal(4444, B.PeerOf(A).Endpoint!.Remote.Port);
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
        A.Transmit = (bytes, _, ecn) =>
        {
            sentWith = ecn;
            B.Outer.Incoming.Enqueue((bytes, A.Address, (byte)outer));
        };
        int delivered = B.Delivered.Count;
        Send(A, InnerPackets.IPv4("10.0.0.1", "10.0.0.2", 60, (byte)(0x48 | inner)));
        Settle();
        Assert.Equal(inner, sentWith);
        if (expected < 0)
        {
            Assert.Equal(delivered, B.Delivered.Count);
            Assert.Equal(1, B.Drops(DropReason.InEcnInvalid));
            return;
        }

        byte[] packet = B.Delivered[^1];
        Assert.Equal(delivered + 1, B.Delivered.Count);
        Assert.Equal(0x48 | expected, packet[1]);
        Assert.Equal(InnerPackets.HeaderChecksum(packet), BinaryPrimitives.ReadUInt16BigEndian(packet.AsSpan(10)));
    }

    [Fact]
    public void Garbage_of_any_length_and_type_is_dropped_with_a_reason()
    {
        Establish();
        var random = new Random(20260101);
        int delivered = B.Delivered.Count;
        const int Count = 200_000;
        for (int i = 0; i < Count; i++)
        {
            byte[] bytes = new byte[random.Next(0, 300)];
            random.NextBytes(bytes);
            if (bytes.Length >= 8 && random.Next(2) == 0)
            {
                BinaryPrimitives.WriteUInt32LittleEndian(bytes, (uint)random.Next(0, 6));
                BinaryPrimitives.WriteUInt32LittleEndian(bytes.AsSpan(4), B.PeerOf(A).Current!.LocalIndex);
            }

            B.Outer.Incoming.Enqueue((bytes, A.Address, (byte)random.Next(4)));
            if (i % 64 == 63)
            {
                B.Worker.Pass();
            }
        }

        Settle();
        Assert.Equal(delivered, B.Delivered.Count);
        Assert.Equal(Count, Enum.GetValues<DropReason>().Sum(B.Drops));
    }
}

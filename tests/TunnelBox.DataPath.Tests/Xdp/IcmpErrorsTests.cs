using System.Buffers.Binary;
using System.Net;
using TunnelBox.DataPath.Tests.Support;
using TunnelBox.DataPath.Xdp;

namespace TunnelBox.DataPath.Tests.Xdp;

public sealed unsafe class IcmpErrorsTests
{
    private static readonly (UInt128 Four, UInt128 Six) s_sources =
        (HostAddress.From(IPAddress.Parse("10.9.0.1")).Value, HostAddress.From(IPAddress.Parse("fd09::1")).Value);

    [Theory]
    [InlineData(60)]
    [InlineData(3000)]
    public void Of_ipv4_both_messages_are_as_the_rfcs_have_them(int length)
    {
        byte[] packet = InnerPackets.IPv4("10.1.2.3", "10.4.5.6", length);
        foreach (int mtu in new[] { 0, 1420 })
        {
            byte[] message = Write(packet, mtu);
            Assert.Equal(Math.Min(28 + length, 576), message.Length);
            Assert.Equal(message.Length, SegmentModel.Word(message, 2));
            Assert.Equal(0xFFFF, ChecksumTests.Slow(message.AsSpan(0, 20)));
            Assert.Equal(0xFFFF, ChecksumTests.Slow(message.AsSpan(20)));
            Assert.Equal("10.9.0.1 > 10.1.2.3", $"{new IPAddress(message.AsSpan(12, 4))} > {new IPAddress(message.AsSpan(16, 4))}");
            Assert.Equal((1, mtu == 0 ? 11 : 3, mtu == 0 ? 0 : 4), (message[9], message[20], message[21]));
            Assert.Equal(mtu, SegmentModel.Word(message, 26));
            Assert.Equal(packet[..(message.Length - 28)], message[28..]);
        }
    }

    [Theory]
    [InlineData(60)]
    [InlineData(3000)]
    public void Of_ipv6_both_messages_are_as_the_rfcs_have_them(int length)
    {
        byte[] packet = InnerPackets.IPv6("fd01::1", "fd02::1", length);
        foreach (int mtu in new[] { 0, 1420 })
        {
            byte[] message = Write(packet, mtu);
            Assert.Equal(Math.Min(48 + length, 1280), message.Length);
            Assert.Equal(message.Length - 40, SegmentModel.Word(message, 4));
            Assert.Equal("fd09::1 > fd01::1", $"{new IPAddress(message.AsSpan(8, 16))} > {new IPAddress(message.AsSpan(24, 16))}");
            Assert.Equal((58, mtu == 0 ? 3 : 2, 0), (message[6], message[40], message[41]));
            Assert.Equal(mtu, (int)BinaryPrimitives.ReadUInt32BigEndian(message.AsSpan(44)));
            Assert.Equal(packet[..(message.Length - 48)], message[48..]);
            byte[] pseudo = [.. message[8..40], 0, 0, (byte)((message.Length - 40) >> 8), (byte)(message.Length - 40), 0, 0, 0, 58];
            Assert.Equal(0xFFFF, ChecksumTests.Slow([.. pseudo, .. message[40..]]));
        }
    }

    [Fact]
    public void Nobody_is_told_of_errors_of_fragments_or_of_what_was_not_sent_by_one_to_one()
    {
        byte[] Four(string from, string to, params (int Offset, byte Value)[] changes) => Changed(InnerPackets.IPv4(from, to), changes);
        byte[] Six(string from, string to, params (int Offset, byte Value)[] changes) => Changed(InnerPackets.IPv6(from, to), changes);
        foreach (byte type in new byte[] { 3, 4, 5, 11, 12 })
        {
            Assert.Empty(Write(Four("10.1.2.3", "10.4.5.6", (9, 1), (20, type)), 0));
        }

        Assert.NotEmpty(Write(Four("10.1.2.3", "10.4.5.6", (9, 1), (20, 8)), 0));
        Assert.Empty(Write(Four("10.1.2.3", "10.4.5.6", (7, 1)), 0));
        Assert.NotEmpty(Write(Four("10.1.2.3", "10.4.5.6", (6, 0x20)), 0));
        foreach (string nobody in new[] { "0.0.0.0", "127.0.0.1", "224.0.0.1", "255.255.255.255" })
        {
            Assert.Empty(Write(Four(nobody, "10.4.5.6"), 0));
            Assert.Empty(Write(Four("10.1.2.3", nobody), 0));
        }

        Assert.Empty(Write(Six("fd01::1", "fd02::1", (6, 58), (40, 1)), 0));
        Assert.NotEmpty(Write(Six("fd01::1", "fd02::1", (6, 58), (40, 128)), 0));
        Assert.Empty(Write(Six("fd01::1", "fd02::1", (6, 44), (42, 1)), 0));
        Assert.NotEmpty(Write(Six("fd01::1", "fd02::1", (6, 44)), 0));
        Assert.Empty(Write(Six("::", "fd02::1"), 0));
        Assert.Empty(Write(Six("ff02::1", "fd02::1"), 0));
        Assert.Empty(Write(Six("fd01::1", "ff02::1"), 0));
        Assert.Empty(Write(InnerPackets.IPv4("10.1.2.3", "10.4.5.6"), 0, (0, s_sources.Six)));
        Assert.Empty(Write(InnerPackets.IPv6("fd01::1", "fd02::1"), 0, (s_sources.Four, 0)));
    }

    [Fact]
    public void A_flood_is_answered_at_the_kernels_rate()
    {
        var errors = new IcmpErrors();
        byte[] packet = InnerPackets.IPv4("10.1.2.3", "10.4.5.6");
        byte* to = stackalloc byte[IcmpErrors.Largest];
        int sent = 0;
        long began = Environment.TickCount64;
        fixed (byte* bytes = packet)
        {
            for (int i = 0; i < 100_000; i++)
            {
                sent += errors.Write(to, bytes, packet.Length, s_sources, 0) > 0 ? 1 : 0;
            }
        }

        Assert.InRange(sent, 50, 50 + ((Environment.TickCount64 - began + 1) * 1));
    }

    private static byte[] Changed(byte[] packet, (int Offset, byte Value)[] changes)
    {
        foreach ((int offset, byte value) in changes)
        {
            packet[offset] = value;
        }

        return packet;
    }

    private static byte[] Write(byte[] packet, int mtu) => Write(packet, mtu, s_sources);

    private static byte[] Write(byte[] packet, int mtu, (UInt128 Four, UInt128 Six) sources)
    {
        var errors = new IcmpErrors();
        using var memory = new GuardedMemory(IcmpErrors.Largest);
        byte* to = memory.End - IcmpErrors.Largest;
        fixed (byte* bytes = packet)
        {
            return new ReadOnlySpan<byte>(to, errors.Write(to, bytes, packet.Length, sources, mtu)).ToArray();
        }
    }
}

using System.Runtime.InteropServices;
using TunnelBox.Linux.Netlink;
using Xunit.Abstractions;

namespace TunnelBox.Linux.Tests.Netlink;

public sealed class NetlinkReaderTests(ITestOutputHelper output)
{
    [Fact]
    public void What_the_writer_writes_the_reader_reads()
    {
        NetlinkWriter writer = new(Rtnetlink.RTM_NEWROUTE, Rtnetlink.NLM_F_CREATE);
        writer.Struct(new Rtnetlink.Rtmsg { Family = Rtnetlink.AF_INET, DestinationLength = 8, Table = 254 });
        writer.Attribute(Rtnetlink.RTA_DST, [10, 0, 0, 0]).Attribute(Rtnetlink.RTA_OIF, 5);
        int nest = writer.BeginNest(Rtnetlink.RTA_METRICS);
        writer.Attribute(Rtnetlink.RTAX_MTU, 1400).EndNest(nest);
        int seen = 0;
        foreach (NetlinkMessage message in new NetlinkMessages(writer.Finish(7)))
        {
            seen++;
            Assert.Equal(7u, message.Sequence);
            Route route = Route.Parse(message.Payload)!;
            Assert.Equal(("10.0.0.0/8", 5, 254u, 1400), (route.Destination.ToString(), route.LinkIndex, route.Table, route.Mtu));
        }

        Assert.Equal(1, seen);
    }

    [Theory]
    [InlineData(0)]
    [InlineData(15)]
    [InlineData(17)]
    [InlineData(int.MaxValue)]
    [InlineData(-1)]
    public void A_length_that_does_not_fit_ends_the_walk(int length)
    {
        byte[] buffer = new byte[16];
        MemoryMarshal.Write(buffer, length);
        Assert.False(new NetlinkMessages(buffer).MoveNext());
        byte[] attribute = new byte[8];
        MemoryMarshal.Write(attribute, (ushort)length);
        Assert.Equal(length == 0 ? false : (ushort)length is >= 4 and <= 8, new NetlinkAttributes(attribute).MoveNext());
    }

    [Fact]
    public void An_errors_own_words_are_found()
    {
        byte[] payload = new byte[4 + 16 + 12];
        MemoryMarshal.Write(payload, -22);
        MemoryMarshal.Write(payload.AsSpan(20), (ushort)9);
        MemoryMarshal.Write(payload.AsSpan(22), Rtnetlink.NLMSGERR_ATTR_MSG);
        "why!"u8.CopyTo(payload.AsSpan(24));
        byte[] buffer = new byte[16 + payload.Length];
        MemoryMarshal.Write(buffer, buffer.Length);
        MemoryMarshal.Write(buffer.AsSpan(4), Rtnetlink.NLMSG_ERROR);
        MemoryMarshal.Write(buffer.AsSpan(6), (ushort)(Rtnetlink.NLM_F_CAPPED | Rtnetlink.NLM_F_ACK_TLVS));
        payload.CopyTo(buffer, 16);
        NetlinkMessages messages = new(buffer);
        Assert.True(messages.MoveNext());
        Assert.Equal(22, messages.Current.Error(out string? reason));
        Assert.Equal("why!", reason);
    }

    [Fact]
    public void A_million_damaged_replies_are_read_without_a_crash()
    {
        int seed = Environment.TickCount;
        output.WriteLine($"seed {seed}");
        Random random = new(seed);
        byte[][] samples = [Sample(Rtnetlink.AF_INET), Sample(Rtnetlink.AF_INET6)];
        byte[] buffer = new byte[512];
        for (int i = 0; i < 1_000_000; i++)
        {
            byte[] sample = samples[i & 1];
            int length = random.Next(sample.Length + 1);
            sample.AsSpan(0, length).CopyTo(buffer);
            for (int flips = random.Next(8); flips > 0 && length > 0; flips--)
            {
                buffer[random.Next(length)] = (byte)random.Next(256);
            }

            Walk(buffer.AsSpan(0, length));
        }
    }

    private static void Walk(ReadOnlySpan<byte> received)
    {
        foreach (NetlinkMessage message in new NetlinkMessages(received))
        {
            _ = Link.Parse(message.Payload);
            _ = LinkAddress.Parse(message.Payload);
            _ = Route.Parse(message.Payload);
            _ = Rule.Parse(message.Payload);
            _ = message.Error(out _);
        }
    }

    private static byte[] Sample(byte family)
    {
        byte[] address = new byte[family == Rtnetlink.AF_INET ? 4 : 16];
        NetlinkWriter route = new(Rtnetlink.RTM_NEWROUTE, 0);
        route.Struct(new Rtnetlink.Rtmsg { Family = family, DestinationLength = 8 });
        route.Attribute(Rtnetlink.RTA_DST, address).Attribute(Rtnetlink.RTA_OIF, 5).Attribute(Rtnetlink.RTA_TABLE, 51820);
        int nest = route.BeginNest(Rtnetlink.RTA_METRICS);
        route.Attribute(Rtnetlink.RTAX_MTU, 1400).EndNest(nest);
        NetlinkWriter link = new(Rtnetlink.RTM_NEWLINK, 0);
        link.Struct(new Rtnetlink.Ifinfomsg { Index = 3 }).Attribute(Rtnetlink.IFLA_IFNAME, "tb0").Attribute(Rtnetlink.IFLA_MTU, 1420);
        nest = link.BeginNest(Rtnetlink.IFLA_LINKINFO);
        link.Attribute(Rtnetlink.IFLA_INFO_KIND, "tun").EndNest(nest);
        NetlinkWriter error = new(Rtnetlink.NLMSG_ERROR, Rtnetlink.NLM_F_ACK_TLVS | Rtnetlink.NLM_F_CAPPED);
        error.Struct(-22).Struct(default(Rtnetlink.Rtmsg)).Attribute(Rtnetlink.NLMSGERR_ATTR_MSG, "no");
        return [.. route.Finish(1), .. link.Finish(1), .. error.Finish(1)];
    }
}

using TunnelBox.Linux.Libpcap;

namespace TunnelBox.Linux.Tests.Libpcap;

/// <summary>Filters of pcap-filter(7), by the real libpcap.</summary>
public sealed class PacketFilterTests
{
    // IPv4, 10.0.0.1 to 10.0.0.2, UDP 53 to 5353.
    private static readonly byte[] s_packet =
    [
        0x45, 0, 0, 40, 0, 0, 0, 0, 64, 17, 0, 0, 10, 0, 0, 1, 10, 0, 0, 2,
        0, 53, 0x14, 0xE9, 0, 20, 0, 0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12,
    ];

    [Theory]
    [InlineData("udp", true)]
    [InlineData("tcp", false)]
    [InlineData("src host 10.0.0.1 and dst port 5353", true)]
    [InlineData("src host 10.0.0.2", false)]
    [InlineData("ip6", false)]
    [InlineData("less 40", true)]
    [InlineData("greater 41", false)]
    [InlineData("udp[8] = 1", true)]
    public void A_packet_passes_or_not(string expression, bool passes)
    {
        using PacketFilter filter = PacketFilter.Compile(expression, out string? error, out bool _)!;
        Assert.Null(error);
        Assert.Equal(passes, filter.Passes(s_packet, s_packet.Length));
        Assert.False(filter.Passes([], 0) && expression != "less 40");
        Assert.False(expression == "udp[8] = 1" && filter.Passes(s_packet.AsSpan(0, 20), s_packet.Length));
    }

    [Theory]
    [InlineData("tcp prot 80")]
    [InlineData("port http port")]
    [InlineData("))")]
    public void What_is_no_filter_is_told(string expression)
    {
        Assert.Null(PacketFilter.Compile(expression, out string? error, out bool isMissing));
        Assert.False(isMissing);
        Assert.NotEmpty(error!);
    }
}

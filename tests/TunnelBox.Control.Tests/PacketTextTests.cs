
namespace TunnelBox.Control.Tests;

/// <summary>Inner packets in a few words, also those that end too early.</summary>
public sealed class PacketTextTests
{
    private static readonly byte[] s_tcp =
    [
        0x45, 0, 0, 40, 0, 0, 0, 0, 64, 6, 0, 0, 10, 0, 0, 1, 192, 168, 1, 2,
        0, 80, 0xC0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0x50, 0x12, 0, 0, 0, 0, 0, 0,
    ];

    private static readonly byte[] s_ping6 =
    [
        0x60, 0, 0, 0, 0, 8, 58, 64, 0xFD, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1, 0xFD, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 2,
        128, 0, 0, 0, 0, 0, 0, 0,
    ];

    [Fact]
    public void Packets_are_named()
    {
        Assert.Equal("10.0.0.1:80 > 192.168.1.2:49152 TCP [SA]", Of(s_tcp));
        Assert.Equal("fd00::1 > fd00::2 ICMPv6 echo request", Of(s_ping6));
        byte[] other = [.. s_tcp];
        other[9] = 132;
        Assert.Equal("10.0.0.1 > 192.168.1.2 protocol 132", Of(other));
        other[9] = 17;
        other[7] = 1;
        Assert.Equal("10.0.0.1 > 192.168.1.2 UDP fragment", Of(other));
    }

    [Fact]
    public void Every_beginning_is_read_within_its_bounds()
    {
        foreach (byte[] packet in (byte[][])[s_tcp, s_ping6])
        {
            for (int length = 0; length <= packet.Length; length++)
            {
                _ = Of(packet[..length]);
            }
        }

        Assert.Equal(string.Empty, Of([]));
        Assert.Equal(string.Empty, Of([0x4F, 1, 2]));
        byte[] longHeader = [.. s_tcp];
        longHeader[0] = 0x4F;
        Assert.Equal("10.0.0.1 > 192.168.1.2 TCP", Of(longHeader));
    }

    private static string Of(byte[] packet)
    {
        var text = new LineText();
        Assert.Equal(PacketText.Append(text, packet), text.Length > 0);
        return text.ToString();
    }
}

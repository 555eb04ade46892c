using System.Net;

namespace TunnelBox.Protocol.Tests;

public sealed class IpPrefixTests
{
    [Theory]
    [InlineData("10.1.2.3", 8, "10.0.0.0/8")]
    [InlineData("10.1.2.3", 32, "10.1.2.3/32")]
    [InlineData("255.255.255.255", 0, "0.0.0.0/0")]
    [InlineData("255.255.255.255", 1, "128.0.0.0/1")]
    [InlineData("192.168.1.130", 25, "192.168.1.128/25")]
    [InlineData("2001:db8:1:2:3:4:5:6", 32, "2001:db8::/32")]
    [InlineData("2001:db8:1:2:3:4:5:6", 64, "2001:db8:1:2::/64")]
    [InlineData("2001:db8:1:2:ffff:4:5:6", 65, "2001:db8:1:2:8000::/65")]
    [InlineData("2001:db8::1", 128, "2001:db8::1/128")]
    [InlineData("ffff::1", 0, "::/0")]
    public void Host_bits_are_cleared(string address, int length, string expected)
    {
        EndpointAddress parsed = EndpointAddress.From(new IPEndPoint(IPAddress.Parse(address), 1));
        var prefix = new IpPrefix(parsed.Address, length, parsed.IsIPv6);
        Assert.Equal(expected, prefix.ToString());
        Assert.Equal(prefix, IpPrefix.From(IPNetwork.Parse(expected)));
        Assert.Equal(IPNetwork.Parse(expected), prefix.ToIPNetwork());
    }

    [Fact]
    public void Families_are_never_equal() => Assert.NotEqual(new IpPrefix(0, 0, false), new IpPrefix(0, 0, true));

    [Fact]
    public void Impossible_prefixes_are_refused()
    {
        Assert.Throws<ArgumentOutOfRangeException>(() => new IpPrefix(0, 33, false));
        Assert.Throws<ArgumentOutOfRangeException>(() => new IpPrefix(0, 129, true));
        Assert.Throws<ArgumentOutOfRangeException>(() => new IpPrefix(0, -1, true));
        Assert.Throws<ArgumentOutOfRangeException>(() => new IpPrefix((UInt128)1 << 32, 8, false));
    }
}

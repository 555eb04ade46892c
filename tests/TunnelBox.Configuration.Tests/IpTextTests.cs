using System.Net;
using System.Text;

namespace TunnelBox.Configuration.Tests;

public sealed class IpTextTests
{
    // Right-hand sides are what inet_pton(3) and inet_ntop(3) of glibc 2.36 make of the left.
    [Theory]
    [InlineData("10.0.0.1", "10.0.0.1")]
    [InlineData("255.255.255.255", "255.255.255.255")]
    [InlineData("::", "::")]
    [InlineData("::1", "::1")]
    [InlineData("1::", "1::")]
    [InlineData("0:0:0:0:0:0:0:0", "::")]
    [InlineData("2001:DB8::0001", "2001:db8::1")]
    [InlineData("1:0:0:2:0:0:0:3", "1:0:0:2::3")]
    [InlineData("1:0:0:2:3:0:0:4", "1::2:3:0:0:4")]
    [InlineData("1:0:2:3:4:5:6:7", "1:0:2:3:4:5:6:7")]
    [InlineData("::1.2.3.4", "::1.2.3.4")]
    [InlineData("::ffff:1.2.3.4", "::ffff:1.2.3.4")]
    [InlineData("::ffff:0:1.2.3.4", "::ffff:0:102:304")]
    [InlineData("::5efe:1.2.3.4", "::5efe:102:304")]
    [InlineData("64:ff9b::1.2.3.4", "64:ff9b::102:304")]
    [InlineData("1:2:3:4:5:6:1.2.3.4", "1:2:3:4:5:6:102:304")]
    [InlineData("1:2:3:4:5:6:7::", "1:2:3:4:5:6:7:0")]
    [InlineData("::2:3:4:5:6:7:8", "0:2:3:4:5:6:7:8")]
    [InlineData("", null)]
    [InlineData("1", null)]
    [InlineData("1.2.3", null)]
    [InlineData("1.2.3.4.5", null)]
    [InlineData("1.2.3.256", null)]
    [InlineData("01.2.3.4", null)]
    [InlineData("0x1.2.3.4", null)]
    [InlineData("1.2.3.4 ", null)]
    [InlineData("1.2.3.", null)]
    [InlineData(":", null)]
    [InlineData(":::", null)]
    [InlineData("1:::2", null)]
    [InlineData("::1::", null)]
    [InlineData(":1:2:3:4:5:6:7", null)]
    [InlineData("1:2:3:4:5:6:7", null)]
    [InlineData("1:2:3:4:5:6:7:", null)]
    [InlineData("1:2:3:4:5:6:7:8:9", null)]
    [InlineData("1:2:3:4:5:6:7:8::", null)]
    [InlineData("12345::", null)]
    [InlineData("g::", null)]
    [InlineData("::1.2.3.4:5", null)]
    [InlineData("1:2:3:4:5:6:7:1.2.3.4", null)]
    [InlineData("[::1]", null)]
    [InlineData("::1%lo", null)]
    [InlineData("::1/64", null)]
    public void Addresses_are_read_and_written_as_inet_does(string text, string? written)
    {
        bool ok = IpText.TryParseAddress(Encoding.ASCII.GetBytes(text), out IPAddress address);
        Assert.Equal(written is not null, ok);
        if (ok)
        {
            Span<byte> back = stackalloc byte[IpText.MaxSize];
            Assert.Equal(written, Encoding.ASCII.GetString(back[..IpText.Format(address, back)]));
        }
    }

    [Theory]
    [InlineData("10.1.2.3/8", "10.0.0.0/8", true)]
    [InlineData("10.1.2.3/32", "10.1.2.3/32", false)]
    [InlineData("10.1.2.3/0", "0.0.0.0/0", true)]
    [InlineData("fd00::1/9", "fd00::/9", true)]
    [InlineData("fd00::/8", "fd00::/8", false)]
    [InlineData("::1/128", "::1/128", false)]
    [InlineData("ffff:ffff::/17", "ffff:8000::/17", true)]
    [InlineData("10.1.2.3/33", null, false)]
    [InlineData("::/129", null, false)]
    [InlineData("10.1.2.3/", null, false)]
    [InlineData("10.1.2.3/+8", null, false)]
    [InlineData("10.1.2.3/8/8", null, false)]
    [InlineData("/8", null, false)]
    public void Networks_lose_their_host_bits(string text, string? written, bool hostBits)
    {
        bool ok = IpText.TryParseNetwork(Encoding.ASCII.GetBytes(text), lengthNeeded: true, out IPNetwork network, out bool cleared);
        Assert.Equal((written is not null, hostBits), (ok, cleared));
        if (ok)
        {
            Span<byte> back = stackalloc byte[IpText.MaxSize];
            Assert.Equal(written, Encoding.ASCII.GetString(back[..IpText.Format(network, back)]));
        }
    }

    [Theory]
    [InlineData("1.2.3.4:5", "1.2.3.4:5")]
    [InlineData("1.2.3.4:0", "1.2.3.4:0")]
    [InlineData("[::1]:51820", "[::1]:51820")]
    [InlineData("[fe80::1%7]:51820", "[fe80::1%7]:51820")]
    [InlineData("[fe80::1%lo]:51820", "[fe80::1%1]:51820")]
    [InlineData("[fe80::1%nosuchif0]:1", null)]
    [InlineData("[fe80::1%]:1", null)]
    [InlineData("::1:51820", null)]
    [InlineData("[1.2.3.4]:5", null)]
    [InlineData("1.2.3.4:65536", null)]
    [InlineData("1.2.3.4:", null)]
    [InlineData("1.2.3.4", null)]
    [InlineData("[]:1", null)]
    [InlineData("[::1]", null)]
    [InlineData("host:1", null)]
    [InlineData(":1", null)]
    public void Endpoints_are_numeric(string text, string? written)
    {
        bool ok = IpText.TryParseEndpoint(Encoding.ASCII.GetBytes(text), out IPEndPoint endpoint);
        Assert.Equal(written is not null, ok);
        if (ok)
        {
            Span<byte> back = stackalloc byte[IpText.MaxSize];
            Assert.Equal(written, Encoding.ASCII.GetString(back[..IpText.Format(endpoint, back)]));
        }
    }

    [Fact]
    public void Half_a_million_random_addresses_read_back_as_written()
    {
        int seed = Environment.TickCount;
        Random random = new(seed);
        byte[] bytes = new byte[16];
        Span<byte> text = stackalloc byte[IpText.MaxSize];
        for (int i = 0; i < 500_000; i++)
        {
            random.NextBytes(bytes);
            ulong zeros = (ulong)random.NextInt64();
            for (int word = 0; word < 8; word++)
            {
                if (((zeros >> word) & 1) == 1)
                {
                    bytes[2 * word] = bytes[(2 * word) + 1] = 0;
                }
            }

            IPAddress address = new(i % 2 == 0 ? bytes : bytes.AsSpan(0, 4));
            int length = IpText.Format(address, text);
            Assert.True(IpText.TryParseAddress(text[..length], out IPAddress back) && back.Equals(address), $"seed {seed}: {address}");
        }
    }
}

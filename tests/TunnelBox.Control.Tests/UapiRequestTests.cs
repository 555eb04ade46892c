using System.Net;
using System.Text;
using Xunit.Abstractions;

namespace TunnelBox.Control.Tests;

public sealed class UapiRequestTests(ITestOutputHelper output)
{
    private const string Key = "32fe2f6297fe7cb409fb444483acc91eaed0e32e3f00e7515b687bc91cca6703";

    internal static readonly string[] Pieces =
    [
        "private_key=" + Key, "listen_port=51820", "fwmark=7", "replace_peers=true", "public_key=" + Key, "preshared_key=" + Key, "endpoint=1.2.3.4:5",
        "endpoint=[fe80::1%1]:5", "persistent_keepalive_interval=25", "replace_allowed_ips=true", "allowed_ip=10.0.0.0/8", "allowed_ip=-::/0", "update_only=true",
        "remove=true", "protocol_version=1", "errno=0", "last_handshake_time_sec=17", "last_handshake_time_nsec=5", "rx_bytes=1", "tx_bytes=18446744073709551615",
    ];

    private static UapiRequest Read(params string[] lines)
    {
        UapiRequest request = new();
        foreach (string line in lines)
        {
            request.Line(Encoding.ASCII.GetBytes(line));
        }

        return request;
    }

    [Fact]
    public void Keys_come_into_their_places()
    {
        UapiRequest request = Read("fwmark=5", "public_key=" + Key, "update_only=true", "endpoint=[::1]:7", "allowed_ip=10.1.2.3/8", "allowed_ip=-::/0", "public_key=" + Key, "remove=true");
        Assert.Equal(0, request.Error);
        Assert.Equal(5u, request.Change.FirewallMark);
        PeerChange peer = request.Change.Peers[0];
        Assert.Equal((true, false, "[::1]:7"), (peer.UpdateOnly, peer.Remove, peer.Endpoint!.ToString()));
        Assert.Equal([new AllowedIpChange(IPNetwork.Parse("10.0.0.0/8"), false), new AllowedIpChange(IPNetwork.Parse("::/0"), true)], peer.AllowedIps);
        Assert.True(request.Change.Peers[1].Remove);
    }

    [Fact]
    public void A_private_key_is_clamped_and_zero_stays_zero()
    {
        UapiRequest request = Read("private_key=" + new string('f', 64));
        Assert.Equal((0xf8, 0x7f), (request.Change.PrivateKey![0], request.Change.PrivateKey[31]));
        Assert.Equal(new byte[32], Read("private_key=" + new string('0', 64)).Change.PrivateKey);
    }

    [Fact]
    public void A_fault_wipes_what_was_read()
    {
        UapiRequest request = Read("private_key=" + Key);
        byte[] secret = request.Change.PrivateKey!;
        request.Line("public_key=x"u8);
        request.Line("fwmark=5"u8);
        Assert.Equal((Errno.Invalid, 2, 3), (request.Error, request.ErrorLine, request.Lines));
        Assert.Equal(new byte[32], secret);
        Assert.Null(request.Change.PrivateKey);
        Assert.Null(request.Change.FirewallMark);
    }

    [Fact]
    public void A_million_damaged_requests_are_taken_whole_or_not_at_all()
    {
        int seed = Environment.TickCount;
        output.WriteLine($"seed {seed}");
        Random random = new(seed);
        byte[] buffer = new byte[4096];
        int good = 0;
        for (int i = 0; i < 1_000_000; i++)
        {
            UapiRequest request = new();
            foreach (Range line in Damaged(random, Pieces, buffer, out int length))
            {
                request.Line(buffer.AsSpan(0, length)[line]);
            }

            good += request.Error == 0 ? 1 : 0;
            if (request.Error != 0)
            {
                Assert.True(request.Change.PrivateKey is null && request.Change.Peers.Count == 0);
            }
        }

        output.WriteLine($"{good} were right");
        Assert.InRange(good, 1000, 999_000);
    }

    [Fact]
    public void A_million_damaged_replies_are_read_or_refused()
    {
        int seed = Environment.TickCount;
        output.WriteLine($"seed {seed}");
        Random random = new(seed);
        byte[] buffer = new byte[4096];
        int good = 0;
        for (int i = 0; i < 1_000_000; i++)
        {
            using UapiReplyParser parser = new("tb0");
            bool right = true;
            foreach (Range line in Damaged(random, Pieces, buffer, out int length))
            {
                right = right && parser.Line(buffer.AsSpan(0, length)[line]);
            }

            good += right ? 1 : 0;
        }

        output.WriteLine($"{good} were right");
        Assert.InRange(good, 1000, 999_000);
    }

    [Fact]
    public void A_hundred_thousand_damaged_conversations_end()
    {
        int seed = Environment.TickCount;
        output.WriteLine($"seed {seed}");
        Random random = new(seed);
        string[] pieces = [.. Pieces, "", "", "get=1", "set=1", "set=1"];
        byte[] buffer = new byte[8192];
        FakeDevice device = new();
        UapiSession session = new(device, new Lock(), (_, _) => { });
        for (int i = 0; i < 100_000; i++)
        {
            _ = Damaged(random, pieces, buffer, out int length);
            using Conversation stream = new(buffer.AsMemory(0, length));
            session.Run(stream);
        }
    }

    private static List<Range> Damaged(Random random, string[] pieces, byte[] buffer, out int length)
    {
        length = 0;
        for (int count = random.Next(8); count >= 0; count--)
        {
            length += Encoding.ASCII.GetBytes(pieces[random.Next(pieces.Length)], buffer.AsSpan(length));
            buffer[length++] = (byte)'\n';
        }

        for (int flips = random.Next(3); flips > 0; flips--)
        {
            buffer[random.Next(length)] = (byte)random.Next(256);
        }

        List<Range> lines = [];
        int start = 0;
        for (int at = 0; at < length; at++)
        {
            if (buffer[at] == (byte)'\n')
            {
                if (at > start)
                {
                    lines.Add(start..at);
                }

                start = at + 1;
            }
        }

        return lines;
    }

    /// <summary>Gives its bytes in small parts and swallows what is written.</summary>
    private sealed class Conversation(ReadOnlyMemory<byte> input) : MemoryStream
    {
        private int _at;

        public override int Read(byte[] buffer, int offset, int count)
        {
            int part = Math.Min(Math.Min(count, 100), input.Length - _at);
            input.Span.Slice(_at, part).CopyTo(buffer.AsSpan(offset));
            _at += part;
            return part;
        }
    }
}

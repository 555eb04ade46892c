using System.Globalization;
using System.Net;
using System.Net.Sockets;
using System.Text;
using TunnelBox.Linux.Netlink;
using Xunit.Abstractions;

namespace TunnelBox.Linux.Tests.Netlink;

/// <summary>What is read of a firewall against what the kernel really does with a datagram.</summary>
[Trait("Needs", "root")]
public sealed class NftVerdictTests(ITestOutputHelper output)
{
    private const ushort Port = 51820;
    private const uint Input = 1;

    private static readonly string[] s_matches =
    [
        "udp dport 51820", "udp dport != 51820", "udp dport { 22, 51820 }", "udp dport { 22, 53 }", "udp dport != { 22, 51820 }", "udp dport { 1000-2000, 50000-60000 }",
        "udp dport { 1000-2000, 2001-51819 }", "udp dport 50000-60000", "udp dport < 1024", "udp sport 1-1023", "ip saddr 127.0.0.0/8", "ip saddr { 10.0.0.0/8, 192.168.0.0/16 }",
        "ip saddr { 10.0.0.0/8, 127.0.0.0/8 }", "ip daddr 127.0.0.1", "ip daddr != 127.0.0.1", "iifname \"lo\"", "iifname \"l*\"", "iifname { \"eth0\", \"lo\" }", "iifname != \"lo\"", "iif lo",
        "meta l4proto udp", "meta l4proto { tcp, udp }", "meta l4proto tcp", "meta mark 0x10", "ct state new", "ct state established,related", "ct state { established, related }",
        "udp dport @ports", "udp sport @ports", "ip saddr @nets", "tcp dport 22", "meta length 10000-20000", "udp dport . ip saddr { 51820 . 127.0.0.1, 22 . 10.0.0.1 }", "counter", "",
    ];

    private static readonly string[] s_verdicts = ["accept", "drop", "reject", "jump one", "goto two", "return", "counter", "continue"];

    private static readonly string[] s_maps =
    [
        "ct state vmap { established : accept, related : accept, invalid : drop }", "ct state vmap { new : jump one, established : accept }", "udp dport vmap { 51820 : drop, 53 : accept }",
        "udp dport vmap { 50000-60000 : jump one, 53 : accept }", "meta l4proto vmap { udp : goto two, tcp : drop }", "iifname vmap { \"lo\" : accept, \"eth0\" : drop }",
        "udp dport vmap { 22 : accept, * : jump two }", "ip saddr . udp dport vmap { 127.0.0.1 . 51820 : drop }",
    ];

    [Fact]
    public void The_kernel_does_what_was_read_from_its_rules()
    {
        int seed = Environment.TickCount;
        output.WriteLine($"seed {seed}");
        Random random = new(seed);
        int[] outcomes = new int[3];
        PrivateNetwork.Run(() =>
        {
            PrivateNetwork.Ip("link set lo up");
            Link lo = new(1, "lo", 65536, true, string.Empty);
            for (int i = 0; i < 150; i++)
            {
                string rules = Rules(random);
                PrivateNetwork.Nft(rules);
                ushort source = (ushort)(40_000 + i);
                NftVerdict verdict = NftVerdict.Of(Nftables.Read(), Input, new NftPacket(false, source, Port, InLink: lo) { Source = IPAddress.Loopback, Destination = IPAddress.Loopback });
                outcomes[(int)verdict.Outcome]++;
                bool arrives = Arrives(source);
                Assert.True(verdict.Outcome == NftOutcome.MayDrop || arrives == (verdict.Outcome == NftOutcome.Accepts),
                    $"said \"{verdict.Outcome}\" ({verdict.Where}), but the datagram {(arrives ? "arrived" : "was dropped")}; seed {seed}\n{rules}");
            }
        });
        output.WriteLine(string.Join(", ", Enum.GetValues<NftOutcome>().Select(outcome => $"{outcome} {outcomes[(int)outcome]}")));
        Assert.True(outcomes[(int)NftOutcome.Accepts] > 20 && outcomes[(int)NftOutcome.Drops] > 20, "one outcome hardly came up: the rules test nothing");
        Assert.True(outcomes[(int)NftOutcome.MayDrop] < 60, "most rules were not understood");
    }

    [Theory]
    [InlineData("ct state vmap { established : accept, related : accept, invalid : drop }; iifname \"lo\" accept; udp dport 51820 accept", NftOutcome.Accepts)]
    [InlineData("ct state vmap { established : accept, related : accept, invalid : drop }; iifname \"lo\" accept; tcp dport 22 accept", NftOutcome.Drops)]
    [InlineData("udp dport { 53, 51820 } accept", NftOutcome.Accepts)]
    [InlineData("udp dport { 53, 51821-51830 } accept", NftOutcome.Drops)]
    [InlineData("meta length vmap { 100 : accept }", NftOutcome.MayDrop)]
    [InlineData("meta length 100 return; udp dport 51820 accept", NftOutcome.MayDrop)]
    [InlineData("meta length 100 goto other; udp dport 51820 accept", NftOutcome.MayDrop)]
    [InlineData("meta length 100 jump other; udp dport 51820 accept", NftOutcome.Accepts)]
    public void Rules_that_firewalls_are_made_of_are_understood(string rules, NftOutcome outcome) => PrivateNetwork.Run(() =>
    {
        PrivateNetwork.Nft($"table inet f {{ chain other {{ }}; chain input {{ type filter hook input priority 0; policy drop; {rules}; }}; }}");
        NftPacket packet = new(false, 40_000, Port, InLink: new Link(7, "eth0", 1500, true, string.Empty)) { Source = IPAddress.Parse("192.0.2.1"), Destination = IPAddress.Parse("192.0.2.2") };
        Assert.Equal(outcome, NftVerdict.Of(Nftables.Read(), Input, packet).Outcome);
    });

    private static string Rules(Random random)
    {
        StringBuilder rules = new();
        for (int tables = random.Next(1, 3); tables > 0; tables--)
        {
            rules.Append(CultureInfo.InvariantCulture, $$"""
                table {{(random.Next(2) == 0 ? "ip" : "inet")}} t{{tables}} {
                  set ports { type inet_service; flags interval; elements = { 1-100, 51000-52000 }; }
                  set nets { type ipv4_addr; flags interval; elements = { 127.0.0.0/9, 10.0.0.0/8 }; }
                  chain two { {{Some(random, 2, jumps: false)}} }
                  chain one { {{Some(random, 2, jumps: false)}} }
                  chain input { type filter hook input priority {{random.Next(-10, 10)}}; policy {{(random.Next(2) == 0 ? "accept" : "drop")}}; {{Some(random, 4, jumps: true)}} }
                }

                """);
        }

        return rules.ToString();
    }

    private static string Some(Random random, int most, bool jumps)
    {
        StringBuilder rules = new();
        for (int count = random.Next(most + 1); count > 0; count--)
        {
            string map = s_maps[random.Next(s_maps.Length)];
            string verdict = s_verdicts[random.Next(s_verdicts.Length)];
            rules.Append(random.Next(4) == 0 && (jumps || !(map.Contains("jump", StringComparison.Ordinal) || map.Contains("goto", StringComparison.Ordinal)))
                ? map
                : $"{s_matches[random.Next(s_matches.Length)]} {(jumps || !(verdict.StartsWith("jump", StringComparison.Ordinal) || verdict.StartsWith("goto", StringComparison.Ordinal)) ? verdict : "drop")}");
            rules.Append("; ");
        }

        return rules.ToString();
    }

    private static bool Arrives(ushort source)
    {
        using Socket receiver = new(AddressFamily.InterNetwork, SocketType.Dgram, ProtocolType.Udp), sender = new(AddressFamily.InterNetwork, SocketType.Dgram, ProtocolType.Udp);
        receiver.Bind(new IPEndPoint(IPAddress.Loopback, Port));
        sender.Bind(new IPEndPoint(IPAddress.Loopback, source));
        sender.SendTo([1, 2, 3], new IPEndPoint(IPAddress.Loopback, Port));
        return receiver.Poll(30_000, SelectMode.SelectRead);
    }
}

using System.Globalization;
using System.Text.RegularExpressions;
using TunnelBox.EndToEnd.Tests.Harness;
using Xunit.Abstractions;

namespace TunnelBox.EndToEnd.Tests;

/// <summary>
/// Datagrams that come to the device which AF_XDP serves with one VLAN tag or two, in the frame or taken out of it by the device. Here is no device for the VLAN, so
/// the kernel throws away what the program does not take.
/// </summary>
public class XdpTaggedTests(ITestOutputHelper output) : EndToEndTest(output, 120)
{
    private const int Count = 2000;
    private const int Rate = 2000;

    [Theory]
    [InlineData(1, false, "off")]
    [InlineData(1, true, "off")]
    [InlineData(2, false, "off")]
    [InlineData(2, true, "off")]
    [InlineData(1, false, "on")]
    [InlineData(2, false, "on")]
    public async Task Tagged_datagrams_come_past_the_kernels_udp_and_are_answered(int tags, bool outerIpv6, string offload)
    {
        NetworkNamespace left = await Lab.NamespaceAsync();
        NetworkNamespace right = await Lab.NamespaceAsync();
        (string near, string far) = await NetworkNamespace.ConnectAsync(left, right);
        (string nearAddress, string farAddress) = outerIpv6 ? (TunnelPair.FirstOuter6, TunnelPair.SecondOuter6) : (TunnelPair.FirstOuter4, TunnelPair.SecondOuter4);
        string length = outerIpv6 ? "64" : "24";
        string more = outerIpv6 ? " nodad" : "";
        await left.IpAsync($"address add {nearAddress}/{length} dev {near}{more}");
        await right.IpAsync($"address add {farAddress}/{length} dev {far}{more}");
        await left.IpAsync($"neigh replace {farAddress} lladdr {await AddressAsync(right, far)} dev {near} nud permanent");
        await right.IpAsync($"neigh replace {nearAddress} lladdr {await AddressAsync(left, near)} dev {far} nud permanent");
        await TagAsync(right, far, tags, offload);
        await Ping.ExpectSilenceAsync(right, nearAddress);
        TunnelEnd first = await TunnelEnd.StartAsync(Lab, left, settings: XdpSide.Setting($"xdp:{near}"));
        TunnelEnd second = await TunnelEnd.StartAsync(Lab, right);
        await first.UpAsync(TunnelPair.FirstPort, 1380, $"{TunnelPair.First4}/24", $"{TunnelPair.First6}/64");
        await second.UpAsync(TunnelPair.SecondPort, 1380, $"{TunnelPair.Second4}/24", $"{TunnelPair.Second6}/64");
        await first.SetPeerAsync(second, $"allowed-ips {TunnelPair.Second4}/32,{TunnelPair.Second6}/128 endpoint {Endpoint(farAddress, TunnelPair.SecondPort)}");
        await second.SetPeerAsync(first, $"allowed-ips {TunnelPair.First4}/32,{TunnelPair.First6}/128 endpoint {Endpoint(nearAddress, TunnelPair.FirstPort)}");
        await XdpSide.ExpectAsync(first, $"xdp:{near}");
        await Ping.ExpectAsync(second.Inner, TunnelPair.First4);
        await Ping.ExpectAsync(first.Inner, TunnelPair.Second6);

        // What is inside is counted, too, by the family that it has: so it is of the other one.
        string inner = outerIpv6 ? TunnelPair.First4 : TunnelPair.First6;
        long kernel = await KernelUdpAsync(left, outerIpv6);
        long worker = (await XdpSide.StatAsync(first))["tb-worker-0.OuterReceivedPackets"];
        (await Transfer.UdpAsync(Lab, second.Inner, first.Inner, inner, Count, Rate, 500)).Expect(0);
        (await Transfer.UdpAsync(Lab, first.Inner, second.Inner, outerIpv6 ? TunnelPair.Second4 : TunnelPair.Second6, Count, Rate, 500)).Expect(0);
        Assert.InRange(await KernelUdpAsync(left, outerIpv6) - kernel, 0, Count / 10);
        Assert.InRange((await XdpSide.StatAsync(first))["tb-worker-0.OuterReceivedPackets"] - worker, Count, Count + 500);
        await XdpSide.ExpectFramesHomeAsync(first);
    }

    private static string Endpoint(string address, int port) => address.Contains(':', StringComparison.Ordinal) ? $"[{address}]:{port}" : $"{address}:{port}";

    private static async Task<string> AddressAsync(NetworkNamespace space, string link) => (await space.RunAsync("cat", $"/sys/class/net/{link}/address")).Output.Trim();

    // All that leaves by the device has tags from now on; the outer one of two is a provider's (IEEE 802.1ad).
    private async Task TagAsync(NetworkNamespace space, string link, int tags, string offload)
    {
        string source = Lab.WriteFile("tag.bpf.c", $$"""
            #include <linux/bpf.h>
            #include <bpf/bpf_endian.h>
            #include <bpf/bpf_helpers.h>
            SEC("tc") int tag(struct __sk_buff *packet)
            {
                bpf_skb_vlan_push(packet, bpf_htons(0x8100), 6);
                {{(tags == 2 ? "bpf_skb_vlan_push(packet, bpf_htons(0x88a8), 5);" : "")}}
                return 0;
            }
            char licence[] SEC("license") = "GPL";
            """);
        string program = Path.Combine(Lab.Folder, "tag.bpf.o");
        await Lab.RunAsync("clang", "-O2", "-g", "-target", "bpf", "-I", "/usr/include/x86_64-linux-gnu", "-c", source, "-o", program);
        await space.RunAsync("ethtool", "-K", link, "tx-vlan-offload", offload, "tx-vlan-stag-hw-insert", offload);
        await space.RunAsync("tc", "qdisc", "add", "dev", link, "clsact");
        await space.RunAsync("tc", "filter", "add", "dev", link, "egress", "bpf", "direct-action", "object-file", program, "section", "tc");
    }

    // Datagrams received by the kernel's UDP in this namespace.
    private static async Task<long> KernelUdpAsync(NetworkNamespace space, bool ipv6)
    {
        string text = (await space.RunAsync("cat", ipv6 ? "/proc/net/snmp6" : "/proc/net/snmp")).Output;
        return ipv6
            ? long.Parse(Regex.Match(text, @"Udp6InDatagrams\s+(?<count>[0-9]+)", RegexOptions.ExplicitCapture, TimeSpan.FromSeconds(1)).Groups["count"].ValueSpan, CultureInfo.InvariantCulture)
            : long.Parse(text.Split('\n').Last(line => line.StartsWith("Udp:", StringComparison.Ordinal)).Split(' ')[1], CultureInfo.InvariantCulture);
    }
}

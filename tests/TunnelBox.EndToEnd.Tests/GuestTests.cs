using TunnelBox.EndToEnd.Tests.Harness;
using Xunit.Abstractions;

namespace TunnelBox.EndToEnd.Tests;

/// <summary>What this machine lacks, in virtual machines: a card with zero-copy, drivers without it, and the kernel's own WireGuard.</summary>
public class GuestTests(ITestOutputHelper output) : EndToEndTest(output, 240)
{
    [Fact]
    public async Task Zero_copy_carries_the_tunnel_on_both_queues_of_a_card()
    {
        Guest guest = await Guest.BootAsync(Lab, "sid", "igb");
        TunnelEnd host = await HostAsync(guest);
        await guest.RunAsync("ethtool -N eth0 rx-flow-hash udp4 sdfn");
        await guest.StartDaemonAsync("TUNNELBOX__OUTERPORT=xdp:eth0");
        await guest.JoinAsync(host);
        await ExpectZeroCopyAsync(guest);
        await Ping.UntilAnsweredAsync(host.Inner, TunnelPair.First4, TimeSpan.FromSeconds(20));
        await Ping.ExpectAsync(host.Inner, TunnelPair.First6);
        await ExpectBothQueuesAsync(guest, host);
        await guest.ExpectSentAsync(TunnelPair.Second4, 300_000);
        await guest.ExpectReceivedAsync(TunnelPair.First6, 300_000);
        await ExpectNothingLostAsync(guest);
    }

    private async Task<TunnelEnd> HostAsync(Guest guest)
    {
        TunnelEnd host = await TunnelEnd.StartAsync(Lab, guest.Space);
        await host.UpAsync(TunnelPair.SecondPort, 1420, $"{TunnelPair.Second4}/24", $"{TunnelPair.Second6}/64");
        await host.SetAsync($"peer {guest.Keys.Public} allowed-ips {TunnelPair.First4}/32,{TunnelPair.First6}/128 endpoint {TunnelPair.FirstOuter4}:{TunnelPair.FirstPort}");
        return host;
    }

    private static async Task ExpectZeroCopyAsync(Guest guest)
    {
        await guest.UntilAsync($"tunnelctl status {Guest.Tunnel} | grep -q 'xdp:eth0 outside'", 30);
        string status = await guest.RunAsync($"tunnelctl status {Guest.Tunnel}");
        Assert.Contains("outside zerocopy", status, StringComparison.Ordinal);
        Assert.Contains("XDP on eth0 is in zerocopy mode, 2 queues.", status, StringComparison.Ordinal);
        Assert.Contains("XDP on eth0 is in zerocopy mode, 2 queues.", await guest.RunAsync("cat /tmp/log"), StringComparison.Ordinal);
    }

    // The card spreads by ports too, so the other end asks from one port after another until both queues have had some.
    private static async Task ExpectBothQueuesAsync(Guest guest, TunnelEnd host)
    {
        long[] before = await guest.ReceivedByQueueAsync();
        Assert.Equal(2, before.Length);
        long[] gained = [0, 0];
        for (int port = 52000; port < 52016 && gained.Min() < 3; port++)
        {
            await host.SetAsync($"listen-port {port}");
            PingResult answers = await Ping.RunAsync(host.Inner, TunnelPair.First4, "-c 3 -i 0.2 -W 3");
            Assert.Equal(3, answers.Received);
            long[] now = await guest.ReceivedByQueueAsync();
            gained = [now[0] - before[0], now[1] - before[1]];
        }

        Assert.True(gained.Min() >= 3, $"the queues had {gained[0]} and {gained[1]} frames");
    }

    private static async Task ExpectNothingLostAsync(Guest guest)
    {
        string[] drops = [.. (await guest.RunAsync($"tunnelctl stat {Guest.Tunnel}")).Split('\n')
            .Where(static line => line.Contains("Xdp", StringComparison.Ordinal) && line.Split([' ', '\t'], StringSplitOptions.RemoveEmptyEntries) is not [_, "0", ..])];
        Assert.Empty(drops);
    }
}

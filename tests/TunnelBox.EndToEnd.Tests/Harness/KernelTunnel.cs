namespace TunnelBox.EndToEnd.Tests.Harness;

/// <summary>The kernel's WireGuard in a guest as the other end of ours: what must pass between the two.</summary>
internal static class KernelTunnel
{
    private const int Bulk = 20_000_000, Little = 1_000_000;
    private const int Pings = 30;

    /// <summary>Has the guest's tunnel made by its kernel and joined to ours, in place of what was there.</summary>
    public static async Task<TunnelEnd> MeetAsync(Lab lab, Guest guest, bool preshared, bool outerIpv6 = false, int mtu = 1420)
    {
        string? secret = preshared ? await TunnelKeys.PresharedAsync(lab.Deadline) : null;
        TunnelEnd host = await guest.PeerAsync(lab, preshared: secret, outerIpv6: outerIpv6, mtu: mtu);
        await guest.RunAsync($"ip link del {Guest.Tunnel} 2>/dev/null; ip link add {Guest.Tunnel} type wireguard");
        await guest.JoinAsync(host, outerIpv6, secret, mtu: mtu);
        return host;
    }

    /// <summary>20 MB of TCP each way arrive whole, those into the guest while our end asks for a new session; some of the other family too.</summary>
    public static async Task ExpectAsync(Lab lab, Guest guest, TunnelEnd host, bool guestBegins, int mtu = 1420)
    {
        if (guestBegins)
        {
            // Its first packet waits for the handshake.
            await guest.RunAsync($"ping -c 1 -W 5 {TunnelPair.Second4}");
        }
        else
        {
            await Ping.ExpectAsync(host.Inner, TunnelPair.First4, waitSeconds: 5);
        }

        await Ping.ExpectAsync(host.Inner, TunnelPair.First6, options: $"-M do -s {mtu - 48}");
        await guest.ExpectSentAsync(TunnelPair.Second6, Little);
        await guest.ExpectReceivedAsync(TunnelPair.First4, Little);
        TimeSpan from = lab.Elapsed;
        await guest.ExpectSentAsync(TunnelPair.Second4, Bulk);
        TimeSpan sent = lab.Elapsed - from;
        // One initiation in REKEY_TIMEOUT.
        await Task.Delay(TimeSpan.FromSeconds(5.1), lab.Deadline);
        from = lab.Elapsed;
        string before = await guest.RunAsync($"wg show {Guest.Tunnel} latest-handshakes");
        string key = guest.Keys.Public;
        Task<PingResult> pings = Ping.RunAsync(host.Inner, TunnelPair.First4, $"-i 0.1 -c {Pings} -W 3");
        Task received = guest.ExpectReceivedAsync(TunnelPair.First6, Bulk);
        await host.Space.RunAsync(TunnelProgram.Tunnelctl, "ping", host.Interface, key, "--handshake", "--count", "1");
        await received;
        TimeSpan got = lab.Elapsed - from;
        lab.Report(() => $"20 MB out of the guest took {sent.TotalSeconds:0.0} s, into it, with a rekey, {got.TotalSeconds:0.0} s");
        // What the guest's queue had no room for beside the bulk may be lost; a rekey loses nothing.
        Assert.InRange((await pings).Received, Pings - 3, Pings);
        Assert.NotEqual(before, await guest.RunAsync($"wg show {Guest.Tunnel} latest-handshakes"));
    }
}

using System.Collections.Concurrent;
using System.Diagnostics;
using System.Globalization;
using System.Text;
using TunnelBox.EndToEnd.Tests.Harness;
using Xunit.Abstractions;

namespace TunnelBox.EndToEnd.Tests;

/// <summary>
/// Twelve classic misconfigurations, each set up for real: doctor names the cause at the end that holds the evidence within 10 s
/// of its arriving there, and the other end has it among its first three guesses. The table is printed.
/// </summary>
[Trait("Load", "light")]
public class MisconfigurationTests(ITestOutputHelper output)
{
    private const int Limit = 10, Guesses = 3;

    /// <summary>Cases at a time: each has namespaces of its own, and nearly all of its time is waiting for evidence.</summary>
    private const int AtOnce = 3;

    /// <summary>Makes a misconfiguration, and returns once its evidence is there.</summary>
    private delegate Task<Case> Maker(Lab lab);

    [Fact]
    public async Task Causes_are_named_where_the_evidence_is_and_guessed_at_the_other_end()
    {
        (string Name, string Cause, Maker Make)[] all =
        [
            ("wrong key", "wrong-key", WrongKeyAsync),
            ("wrong port", "wrong-port", WrongPortAsync),
            ("overlapping allowed IPs", "overlapping-allowed-ips", OverlapAsync),
            ("MTU black hole", "mtu", BlackHoleAsync),
            ("clock behind", "clock", ClockAsync),
            ("NAT timeout", "nat-timeout", NatAsync),
            ("no route", "no-route", NoRouteAsync),
            ("rp_filter", "rp-filter", ReversePathAsync),
            ("firewall", "firewall", FirewallAsync),
            ("foreign XDP program", "xdp-program", XdpAsync),
            ("endpoint DNS stale", "dns-stale", StaleNameAsync),
            ("PSK on one side only", "preshared-key", PresharedAsync),
        ];
        StringBuilder table = new("| misconfiguration | cause named after | by | other end's guesses |\n|---|---|---|---|\n");
        ConcurrentQueue<string> faults = new();
        using SemaphoreSlim places = new(AtOnce);
        string[] rows = await Task.WhenAll(all.Select(async one =>
        {
            await places.WaitAsync();
            try
            {
                return await OneAsync(one.Name, one.Cause, one.Make, faults);
            }
            finally
            {
                places.Release();
            }
        }));
        foreach (string row in rows)
        {
            table.Append(row).Append('\n');
        }

        output.WriteLine(table.ToString());
        Directory.CreateDirectory(Path.Combine(TunnelProgram.Root, "out"));
        await File.WriteAllTextAsync(Path.Combine(TunnelProgram.Root, "out", "misconfigurations.md"), table.ToString());
        Assert.True(faults.IsEmpty, $"{string.Join('\n', faults)}\n{table}");
    }

    private static async Task<string> OneAsync(string name, string cause, Maker make, ConcurrentQueue<string> faults)
    {
        await using Lab lab = await Lab.OpenAsync(TimeSpan.FromSeconds(90));
        try
        {
            Case one = await make(lab);
            long arrived = Stopwatch.GetTimestamp();
            Diagnosis here;
            TimeSpan took;
            do
            {
                here = await Diagnosis.OfAsync(one.Evidence);
                took = Stopwatch.GetElapsedTime(arrived);
            }
            while (!here.Causes.Contains(cause) && took.TotalSeconds < Limit);

            bool named = here.Causes.FirstOrDefault() == cause && took.TotalSeconds <= Limit;
            Diagnosis there = await Diagnosis.OfAsync(one.Other, environment: one.OtherEnvironment);
            string[] guesses = [.. there.Suspects.Take(Guesses)];
            if (!named)
            {
                faults.Enqueue($"{name}: the end with the evidence named [{string.Join(", ", here.Causes)}] after {took.TotalSeconds:0.0} s:\n  {string.Join("\n  ", here.Findings)}");
            }

            if (!guesses.Contains(cause))
            {
                faults.Enqueue($"{name}: the other end suspects [{string.Join(", ", there.Suspects)}]:\n  {string.Join("\n  ", there.Findings)}");
            }

            string by = here.Findings.FirstOrDefault(finding => finding.Cause == cause)?.Check ?? "nothing";
            return string.Create(CultureInfo.InvariantCulture, $"| {name} | {took.TotalSeconds:0.0} s{(named ? "" : " (NOT first)")} | {by} | {string.Join(", ", guesses)} |");
        }
        catch (Exception fault) when (fault is not Xunit.Sdk.XunitException)
        {
            faults.Enqueue($"{name}: {fault.Message}\n{lab.Describe()}");
            return $"| {name} | not set up | | |";
        }
    }

    private static async Task<Case> WrongKeyAsync(Lab lab)
    {
        TunnelPair pair = await TunnelPair.BuildAsync(lab, new PairOptions { OneSided = true });
        string wrong = (await TunnelKeys.MakeAsync(lab.Deadline)).Public;
        await pair.First.SetAsync($"peer {pair.Second.Keys.Public} remove");
        await pair.First.SetAsync($"peer {wrong} allowed-ips {TunnelPair.Second4}/32 endpoint {pair.SecondEndpoint}");
        return await TalkAsync(pair, pair.Second, pair.First);
    }

    private static async Task<Case> WrongPortAsync(Lab lab)
    {
        TunnelPair pair = await TunnelPair.BuildAsync(lab, new PairOptions { OneSided = true });
        await pair.First.SetPeerAsync(pair.Second, $"endpoint {TunnelPair.SecondOuter4}:51999");
        return await TalkAsync(pair, pair.First, pair.Second);
    }

    private static async Task<Case> OverlapAsync(Lab lab)
    {
        TunnelPair pair = await TunnelPair.BuildAsync(lab, new PairOptions { OneSided = true });
        string other = (await TunnelKeys.MakeAsync(lab.Deadline)).Public;
        await pair.Second.SetAsync($"peer {other} allowed-ips {TunnelPair.First4}/32");
        await pair.First.Space.StartAsync(["ping", "-i", "0.2", TunnelPair.Second4]);
        await EvidenceAsync(pair.Second, "InTmplMismatch");
        return new Case(pair.Second, pair.First);
    }

    private static async Task<Case> BlackHoleAsync(Lab lab)
    {
        TunnelPair pair = await TunnelPair.BuildAsync(lab);
        await pair.ExpectPingsAsync();
        foreach (NetworkNamespace space in (NetworkNamespace[])[pair.First.Space, pair.Second.Space])
        {
            await space.NftAsync("table ip f { chain narrow { type filter hook prerouting priority -300; ip length > 1300 drop; }; }");
        }

        return new Case(pair.First, pair.Second);
    }

    // A machine without a battery clock starts in the past, and what it remembered of its handshakes is lost.
    private static async Task<Case> ClockAsync(Lab lab)
    {
        TunnelPair pair = await TunnelPair.BuildAsync(lab, new PairOptions { OneSided = true });
        TunnelEnd behind = pair.First;
        await Ping.ExpectAsync(behind.Inner, TunnelPair.Second4);
        await behind.StopAsync();
        string library = Directory.GetDirectories("/usr/lib", "*-linux-gnu").Select(folder => Path.Combine(folder, "faketime", "libfaketime.so.1")).First(File.Exists);
        Dictionary<string, string?> past = new()
        {
            ["LD_PRELOAD"] = library,
            ["FAKETIME"] = "-3650d",
            ["FAKETIME_DONT_FAKE_MONOTONIC"] = "1",
            ["NO_FAKE_STAT"] = "1",
            ["TUNNELBOX__STATEDIRECTORY"] = Path.Combine(lab.Folder, "states"),
        };
        await behind.RestartAsync(past);
        await ConfigureAsync(pair);
        await behind.Space.StartAsync(["ping", "-i", "0.2", TunnelPair.Second4]);
        await EvidenceAsync(pair.Second, "InHandshakeReplay");
        return new Case(pair.Second, behind) { OtherEnvironment = past };
    }

    private static async Task ConfigureAsync(TunnelPair pair)
    {
        await pair.First.UpAsync(TunnelPair.FirstPort, 1420, $"{TunnelPair.First4}/24");
        await pair.First.SetPeerAsync(pair.Second, $"allowed-ips {TunnelPair.Second4}/32 endpoint {pair.SecondEndpoint}");
    }

    private static async Task<Case> NatAsync(Lab lab)
    {
        NetworkNamespace home = await lab.NamespaceAsync();
        NetworkNamespace router = await lab.NamespaceAsync();
        NetworkNamespace outside = await lab.NamespaceAsync();
        (string homeLink, string routerIn) = await NetworkNamespace.ConnectAsync(home, router);
        (string routerOut, string outsideLink) = await NetworkNamespace.ConnectAsync(router, outside);
        await home.IpAsync($"address add 192.168.1.100/24 dev {homeLink}");
        await router.IpAsync($"address add 192.168.1.1/24 dev {routerIn}");
        await router.IpAsync($"address add 10.88.0.1/24 dev {routerOut}");
        await outside.IpAsync($"address add 10.88.0.2/24 dev {outsideLink}");
        await home.IpAsync("route add default via 192.168.1.1");
        await router.NftAsync($$"""
            table ip nat { chain postrouting { type nat hook postrouting priority srcnat; oifname "{{routerOut}}" masquerade random,fully-random; }; }
            table ip f { chain input { type filter hook input priority 0; udp dport > 1023 drop; }; }
            """);
        await router.SysctlAsync("net.ipv4.ip_forward=1");
        await router.SysctlAsync("net.netfilter.nf_conntrack_udp_timeout=2");
        await router.SysctlAsync("net.netfilter.nf_conntrack_udp_timeout_stream=2");
        TunnelEnd client = await TunnelEnd.StartAsync(lab, home);
        TunnelEnd server = await TunnelEnd.StartAsync(lab, outside);
        await client.UpAsync(TunnelPair.FirstPort, 1420, $"{TunnelPair.First4}/24");
        await server.UpAsync(TunnelPair.SecondPort, 1420, $"{TunnelPair.Second4}/24");
        await client.SetPeerAsync(server, $"allowed-ips {TunnelPair.Second4}/32 endpoint 10.88.0.2:{TunnelPair.SecondPort}");
        await server.SetPeerAsync(client, $"allowed-ips {TunnelPair.First4}/32");
        await Ping.ExpectAsync(client.Inner, TunnelPair.Second4);
        // The client's last sign of life is a keepalive 10 s after what it received; 2 s later the router has forgotten it.
        await Task.Delay(14_000, lab.Deadline);
        await server.Space.StartAsync(["ping", "-i", "0.2", TunnelPair.First4]);
        // The evidence is that nothing has come back in the time in which a peer answers.
        await StalledAsync(server);
        return new Case(server, client);
    }

    private static async Task<Case> NoRouteAsync(Lab lab)
    {
        TunnelPair pair = await TunnelPair.BuildAsync(lab);
        await pair.ExpectPingsAsync();
        await pair.First.Inner.IpAsync($"address del {TunnelPair.First4}/24 dev {pair.First.Interface}");
        await pair.First.Inner.IpAsync($"address add {TunnelPair.First4}/32 dev {pair.First.Interface}");
        return new Case(pair.First, pair.Second);
    }

    // The second end has its way back to the first past the tunnel, and believes nothing that comes by another.
    private static async Task<Case> ReversePathAsync(Lab lab)
    {
        TunnelPair pair = await TunnelPair.BuildAsync(lab);
        await pair.ExpectPingsAsync();
        NetworkNamespace space = pair.Second.Space;
        await space.SysctlAsync($"net.ipv4.conf.{pair.Second.Interface}.rp_filter=1");
        await space.IpAsync($"route add {TunnelPair.First4}/32 via {TunnelPair.FirstOuter4}");
        await pair.First.Space.StartAsync(["ping", "-i", "0.2", TunnelPair.Second4]);
        return new Case(pair.Second, pair.First);
    }

    private static async Task<Case> FirewallAsync(Lab lab)
    {
        TunnelPair pair = await TunnelPair.BuildAsync(lab, new PairOptions { OneSided = true });
        await pair.Second.Space.NftAsync("table inet f { chain input { type filter hook input priority 0; policy drop; iifname lo accept; meta l4proto { icmp, ipv6-icmp } accept; tcp dport 22 accept; }; }");
        return await TalkAsync(pair, pair.Second, pair.First);
    }

    private static async Task<Case> XdpAsync(Lab lab)
    {
        TunnelPair pair = await TunnelPair.BuildAsync(lab, new PairOptions { OneSided = true });
        await XdpProgram.DropAsync(lab, pair.Second.Space, pair.SecondLink);
        return await TalkAsync(pair, pair.Second, pair.First);
    }

    // The second end has moved and its name with it; the first still sends to where it was.
    private static async Task<Case> StaleNameAsync(Lab lab)
    {
        TunnelPair pair = await TunnelPair.BuildAsync(lab, new PairOptions { OneSided = true });
        string folder = lab.OwnFolder($"/etc/netns/{pair.First.Space.Name}");
        await File.WriteAllTextAsync(folder + "/hosts", $"{TunnelPair.SecondOuter4} second.example\n", lab.Deadline);
        string file = lab.WriteFile("names.conf", $"[Interface]\nPrivateKey = {pair.First.Keys.Private}\nListenPort = {TunnelPair.FirstPort}\n[Peer]\nPublicKey = {pair.Second.Keys.Public}\nAllowedIPs = {TunnelPair.Second4}/32\nEndpoint = second.example:{TunnelPair.SecondPort}\n");
        await pair.First.Space.RunAsync(TunnelProgram.Tunnelctl, "syncconf", pair.First.Interface, file);
        await File.WriteAllTextAsync(folder + "/hosts", "10.77.0.9 second.example\n", lab.Deadline);
        await pair.Second.Space.IpAsync($"address del {TunnelPair.SecondOuter4}/24 dev {pair.SecondLink}");
        await pair.Second.Space.IpAsync($"address add 10.77.0.9/24 dev {pair.SecondLink}");
        return await TalkAsync(pair, pair.First, pair.Second);
    }

    private static async Task<Case> PresharedAsync(Lab lab)
    {
        TunnelPair pair = await TunnelPair.BuildAsync(lab, new PairOptions { OneSided = true });
        await pair.First.SetPeerAsync(pair.Second, $"preshared-key {lab.WriteFile("one.psk", await TunnelKeys.PresharedAsync(lab.Deadline))}");
        await pair.First.Space.StartAsync(["ping", "-i", "0.2", TunnelPair.Second4]);
        await EvidenceAsync(pair.First, "InHandshakeResponseInvalid");
        await Task.Delay(6000, lab.Deadline);
        return new Case(pair.First, pair.Second);
    }

    private static async Task<Case> TalkAsync(TunnelPair pair, TunnelEnd evidence, TunnelEnd other)
    {
        await pair.First.Space.StartAsync(["ping", "-i", "0.2", TunnelPair.Second4]);
        await StalledAsync(pair.First);
        return new Case(evidence, other);
    }

    private static Task StalledAsync(TunnelEnd end) => Eventually.TrueWithinAsync(
        TimeSpan.FromSeconds(25),
        async () => (await end.Space.TryAsync([TunnelProgram.Tunnelctl, "status", end.Interface, "--json"])).Output.Contains("\"health\":\"stalled\"", StringComparison.Ordinal),
        "the peer was never called stalled");

    private static Task EvidenceAsync(TunnelEnd end, string reason) => Eventually.TrueWithinAsync(
        TimeSpan.FromSeconds(20),
        async () => (await end.Space.TryAsync([TunnelProgram.Tunnelctl, "stat", end.Interface, "--explain"])).Output.Contains(reason, StringComparison.Ordinal),
        $"{reason} was never counted");

    private sealed record Case(TunnelEnd Evidence, TunnelEnd Other)
    {
        /// <summary>What the other end's programs live in.</summary>
        public IReadOnlyDictionary<string, string?>? OtherEnvironment { get; init; }
    }
}

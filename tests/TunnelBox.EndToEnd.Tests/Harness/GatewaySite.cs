using System.Text.Json;

namespace TunnelBox.EndToEnd.Tests.Harness;

/// <summary>How two local networks are joined.</summary>
internal sealed record GatewayOptions
{
    /// <summary>The program of the second gateway: <c>xdp</c> or <c>tun</c> for ours, or <c>wireguard-go</c>.</summary>
    public string Other { get; init; } = "xdp";

    /// <summary>How the first gateway's inner side is asked for: <c>xdp</c>, <c>auto</c> or <c>tun</c>.</summary>
    public string Inner { get; init; } = "xdp";

    /// <summary>How the first gateway's outer side is asked for: <c>xdp</c>, <c>auto</c> or <c>udp</c>.</summary>
    public string Outer { get; init; } = "xdp";

    /// <summary>Whether it may go past a firewall.</summary>
    public bool Force { get; init; }

    /// <summary>Whether it has a firewall.</summary>
    public bool Firewall { get; init; }

    /// <summary>Workers of the first gateway.</summary>
    public int Workers { get; init; } = 1;

    /// <summary>Queues that its local network's device can have, all switched on.</summary>
    public int Queues { get; init; } = 1;

    /// <summary>MTU of the tunnel.</summary>
    public int Mtu { get; init; } = GatewaySite.Mtu;

    /// <summary>MTU of every device that is no tunnel.</summary>
    public int DeviceMtu { get; init; } = 1500;

    /// <summary>Whether that device stands on top of another one, which makes it generic and can make it slow.</summary>
    public bool OnTop { get; init; }

    /// <summary>Called with the first gateway's namespace and local device before its daemon starts.</summary>
    public Func<NetworkNamespace, string, Task>? Before { get; init; }

    /// <summary>What starts the first gateway's daemon.</summary>
    public string[] Launcher { get; init; } = [];
}

/// <summary>Two local networks joined by a tunnel: host – gateway – gateway – host, each a namespace. What is under test is the first gateway.</summary>
internal sealed class GatewaySite
{
    public const string HostA4 = "10.1.0.2", HostA6 = "fd01::2", GateA4 = "10.1.0.1", HostB4 = "10.2.0.2", HostB6 = "fd02::2";
    public const string TunnelB4 = "10.3.0.2", TunnelB6 = "fd03::2";
    public const int Mtu = 1420;
    private const int Count = 2000;
    private const int Rate = 2000;

    private readonly Lab _lab;

    private GatewaySite(Lab lab) => _lab = lab;

    public required int TunnelMtu { get; init; }

    public required NetworkNamespace HostA { get; init; }

    public required TunnelEnd A { get; init; }

    public required TunnelEnd B { get; init; }

    public required NetworkNamespace HostB { get; init; }

    /// <summary>The first gateway's device of its local network, and the device below it where there is one.</summary>
    public required string LanA { get; init; }

    public required string LowerA { get; init; }

    public required string OuterA { get; init; }

    public required string OuterB { get; init; }

    public required string LanB { get; init; }

    public required string HostLinkA { get; init; }

    public required string HostLinkB { get; init; }

    public static async Task<GatewaySite> BuildAsync(Lab lab, GatewayOptions options)
    {
        NetworkNamespace hostA = await lab.NamespaceAsync();
        NetworkNamespace gateA = await lab.NamespaceAsync();
        NetworkNamespace gateB = await lab.NamespaceAsync();
        NetworkNamespace hostB = await lab.NamespaceAsync();
        string hostLinkA = Names.Next();
        string lowerA = Names.Next();
        string queues = options.Queues.ToString(System.Globalization.CultureInfo.InvariantCulture);
        await lab.RunAsync(
            "ip", "link", "add", hostLinkA, "netns", hostA.Name, "numrxqueues", queues, "numtxqueues", queues, "type", "veth",
            "peer", "name", lowerA, "netns", gateA.Name, "numrxqueues", queues, "numtxqueues", queues);
        string lanA = lowerA;
        if (options.OnTop)
        {
            lanA = Names.Next();
            await gateA.IpAsync($"link add link {lowerA} name {lanA} type macvlan mode private");
            await gateA.IpAsync($"link set {lowerA} up");
        }

        (string outerA, string outerB) = await NetworkNamespace.ConnectAsync(gateA, gateB);
        (string lanB, string hostLinkB) = await NetworkNamespace.ConnectAsync(gateB, hostB);
        await gateA.IpAsync($"address add {TunnelPair.FirstOuter4}/24 dev {outerA}");
        await gateB.IpAsync($"address add {TunnelPair.SecondOuter4}/24 dev {outerB}");
        foreach (NetworkNamespace gate in new[] { gateA, gateB })
        {
            await gate.SysctlAsync("net.ipv4.ip_forward=1");
            await gate.SysctlAsync("net.ipv6.conf.all.forwarding=1");
        }

        if (options.DeviceMtu != 1500)
        {
            foreach ((NetworkNamespace space, string link) in new[] { (hostA, hostLinkA), (gateA, lanA), (gateA, outerA), (gateB, outerB), (gateB, lanB), (hostB, hostLinkB) })
            {
                await space.IpAsync($"link set {link} mtu {options.DeviceMtu}");
            }
        }

        if (options.Firewall)
        {
            await gateA.NftAsync("table inet guard { chain gate { type filter hook forward priority 0; policy drop; }; }");
        }

        if (options.Before is { } before)
        {
            await before(gateA, lanA);
        }

        static Dictionary<string, string?> Settings(string inner, string outer) => new() { ["TUNNELBOX__INNERPORT"] = inner, ["TUNNELBOX__OUTERPORT"] = outer };
        Dictionary<string, string?> settings = Settings(
            options.Inner == "tun" ? "tun" : $"{options.Inner}:{lanA}", options.Outer == "udp" ? "udp" : $"{options.Outer}:{outerA}");
        settings["TUNNELBOX__INNERPASTFIREWALL"] = options.Force ? "true" : "false";
        settings["TUNNELBOX__WORKERS"] = options.Workers.ToString(System.Globalization.CultureInfo.InvariantCulture);
        TunnelEnd a = await TunnelEnd.StartAsync(lab, gateA, settings: settings, before: options.Launcher);
        TunnelEnd b = await TunnelEnd.StartAsync(
            lab,
            gateB,
            options.Other == "wireguard-go" ? await TunnelProgram.WireGuardGo2023Async() : null,
            settings: options.Other == "xdp" ? Settings($"xdp:{lanB}", $"xdp:{outerB}") : null);
        var site = new GatewaySite(lab) { TunnelMtu = options.Mtu, HostA = hostA, A = a, B = b, HostB = hostB, LanA = lanA, LowerA = lowerA, OuterA = outerA, OuterB = outerB, LanB = lanB, HostLinkA = hostLinkA, HostLinkB = hostLinkB };
        await site.AddressLanAAsync();
        await AddressAsync(gateB, lanB, hostB, hostLinkB, 2);
        await b.UpAsync(TunnelPair.SecondPort, options.Mtu, $"{TunnelB4}/24", $"{TunnelB6}/64");
        await b.SetPeerAsync(a, $"allowed-ips 10.3.0.1/32,fd03::1/128,10.1.0.0/24,fd01::/64 endpoint {TunnelPair.FirstOuter4}:{TunnelPair.FirstPort}");
        await gateB.IpAsync($"route add 10.1.0.0/24 dev {b.Interface}");
        await gateB.IpAsync($"route add fd01::/64 dev {b.Interface}");
        await site.JoinAsync();
        return site;
    }

    public Task AddressLanAAsync() => AddressAsync(A.Space, LanA, HostA, HostLinkA, 1);

    public async Task JoinAsync()
    {
        await A.UpAsync(TunnelPair.FirstPort, TunnelMtu, "10.3.0.1/24", "fd03::1/64");
        await A.SetPeerAsync(B, $"allowed-ips {TunnelB4}/32,{TunnelB6}/128,10.2.0.0/24,fd02::/64 endpoint {TunnelPair.SecondOuter4}:{TunnelPair.SecondPort}");
        await B.SetPeerAsync(A, "allowed-ips 10.3.0.1/32,fd03::1/128,10.1.0.0/24,fd01::/64");
        await A.Space.IpAsync($"route replace 10.2.0.0/24 dev {A.Interface}");
        await A.Space.IpAsync($"route replace fd02::/64 dev {A.Interface}");
    }

    public Task<string> StatusAsync() => XdpSide.TextAsync(A);

    public Task<Dictionary<string, long>> DropsAsync() => XdpSide.StatAsync(A);

    /// <summary>Waits until the inner port is the local network's device, or <c>tun</c> for null; within the time that a refused device is left alone.</summary>
    public async Task ExpectPortAsync(string? lan)
    {
        string wanted = lan is null ? "tun" : $"xdp:{lan}";
        await Eventually.TrueWithinAsync(
            TimeSpan.FromSeconds(15),
            async () =>
            {
                using var json = JsonDocument.Parse((await A.Space.RunAsync(TunnelProgram.Tunnelctl, "status", A.Interface, "--json")).Output);
                JsonElement device = json.RootElement.GetProperty("interfaces")[0].GetProperty("device");
                return device.GetProperty("innerPort").GetString() == wanted;
            },
            $"the inner port is not {wanted}");
    }

    /// <summary>Both ways without loss, past the kernel where that is wanted, and every frame of the inner side at home.</summary>
    public async Task WellAsync(bool xdp = true, int queues = 1)
    {
        await ExpectPortAsync(xdp ? LanA : null);
        await Ping.UntilAnsweredAsync(HostA, HostB4, TimeSpan.FromSeconds(10));
        await Ping.UntilAnsweredAsync(HostB, HostA6, TimeSpan.FromSeconds(10));
        (await Transfer.UdpAsync(_lab, HostA, HostB, HostB4, Count, Rate, 500)).Expect(0);
        (await Transfer.UdpAsync(_lab, HostB, HostA, HostA6, Count, Rate, 500)).Expect(0);
        await A.ExpectAliveAsync();
        if (xdp)
        {
            await XdpSide.ExpectFramesHomeAsync(A, queues, inner: true);
        }
    }

    public static async Task AddressAsync(NetworkNamespace gate, string lan, NetworkNamespace host, string hostLink, int site)
    {
        await gate.IpAsync($"address add 10.{site}.0.1/24 dev {lan}");
        await gate.IpAsync($"address add fd0{site}::1/64 dev {lan} nodad");
        await host.IpAsync($"address add 10.{site}.0.2/24 dev {hostLink}");
        await host.IpAsync($"address add fd0{site}::2/64 dev {hostLink} nodad");
        await gate.IpAsync($"link set {lan} up");
        await host.IpAsync($"link set {hostLink} up");
        await host.IpAsync($"route add default via 10.{site}.0.1");
        await host.IpAsync($"route add default via fd0{site}::1");
    }
}

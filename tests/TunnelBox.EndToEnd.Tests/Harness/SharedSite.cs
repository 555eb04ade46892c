namespace TunnelBox.EndToEnd.Tests.Harness;

/// <summary>How tunnels share a device.</summary>
internal sealed record SharedOptions
{
    /// <summary>Workers of each tunnel.</summary>
    public int Workers { get; init; } = 1;

    /// <summary>Queues that the device can have, of which one is switched on.</summary>
    public int Queues { get; init; } = 1;

    /// <summary>Whether it stands on top of another one, which makes it generic and can make it slow.</summary>
    public bool OnTop { get; init; }

    /// <summary>Further variables of the process.</summary>
    public IReadOnlyDictionary<string, string?> Environment { get; init; } = new Dictionary<string, string?>();
}

/// <summary>One process with two tunnels, whose outer sides share a device over AF_XDP; at the other end of its wire a process for each.</summary>
internal sealed class SharedSite
{
    private const int Count = 2000;
    private const int Rate = 1000;

    private readonly Lab _lab;

    private SharedSite(Lab lab) => _lab = lab;

    public required TunnelEnd[] Ends { get; init; }

    public required TunnelEnd[] Peers { get; init; }

    /// <summary>The device that is shared, the one below it where there is one, and the other end of the wire.</summary>
    public required string Link { get; init; }

    public required string Lower { get; init; }

    public required string Far { get; init; }

    public NetworkNamespace Left => Ends[0].Space;

    public NetworkNamespace Right => Peers[0].Space;

    public static async Task<SharedSite> BuildAsync(Lab lab, SharedOptions? options = null)
    {
        options ??= new SharedOptions();
        NetworkNamespace left = await lab.NamespaceAsync();
        NetworkNamespace right = await lab.NamespaceAsync();
        (string lower, string far) = (Names.Next(), Names.Next());
        await MakeWireAsync(lab, left, lower, right, far, options.Queues);
        string link = lower;
        if (options.OnTop)
        {
            link = Names.Next();
            await left.IpAsync($"link add link {lower} name {link} type macvlan mode private");
        }

        await AddressAsync(left, lower, link, right, far);
        TunnelEnd[] ends = await TunnelEnd.StartSeveralAsync(lab, left, 2, new Dictionary<string, string?>(options.Environment)
        {
            ["TUNNELBOX__OUTERPORT"] = $"xdp:{link}",
            ["TUNNELBOX__WORKERS"] = options.Workers.ToString(System.Globalization.CultureInfo.InvariantCulture),
        });
        TunnelEnd[] peers = [await TunnelEnd.StartAsync(lab, right), await TunnelEnd.StartAsync(lab, right)];
        for (int i = 0; i < 2; i++)
        {
            int port = 51820 + (10 * i);
            await ends[i].UpAsync(port, 1420, $"{Inner(i, 1)}/24");
            await peers[i].UpAsync(port + 1, 1420, $"{Inner(i, 2)}/24");
            await ends[i].SetPeerAsync(peers[i], $"allowed-ips {Inner(i, 2)}/32 endpoint {TunnelPair.SecondOuter4}:{port + 1}");
            await peers[i].SetPeerAsync(ends[i], $"allowed-ips {Inner(i, 1)}/32 endpoint {TunnelPair.FirstOuter4}:{port}");
        }

        return new SharedSite(lab) { Ends = ends, Peers = peers, Link = link, Lower = lower, Far = far };
    }

    /// <summary>An address inside a tunnel: of our end (1) or of the other one (2).</summary>
    public static string Inner(int tunnel, int end) => $"192.168.{241 + tunnel}.{end}";

    /// <summary>Makes the wire anew, with its addresses.</summary>
    public async Task RewireAsync()
    {
        await MakeWireAsync(_lab, Left, Lower, Right, Far, queues: 1);
        await AddressAsync(Left, Lower, Link, Right, Far);
    }

    /// <summary>Both tunnels past the kernel, without loss in either direction at the same time, and every frame at home.</summary>
    public async Task WellAsync(int queues = 1, string mode = "copy", int seconds = 15)
    {
        foreach (TunnelEnd end in Ends)
        {
            await XdpSide.ExpectAsync(end, $"xdp:{Link}", seconds, mode);
        }

        for (int i = 0; i < 2; i++)
        {
            await Ping.UntilAnsweredAsync(Ends[i].Inner, Inner(i, 2), TimeSpan.FromSeconds(10));
        }

        foreach (DatagramCount count in await Task.WhenAll(Flows()))
        {
            count.Expect(0);
        }

        await Ends[0].ExpectAliveAsync();
        foreach (TunnelEnd end in Ends)
        {
            await XdpSide.ExpectFramesHomeAsync(end, queues);
        }
    }

    /// <summary>Traffic of one tunnel, or of both, in both directions.</summary>
    public Task<DatagramCount>[] Flows(int? tunnel = null) =>
    [
        .. Enumerable.Range(0, 2).Where(i => tunnel is null || tunnel == i).SelectMany(i => new[]
        {
            Transfer.UdpAsync(_lab, Ends[i].Inner, Peers[i].Inner, Inner(i, 2), Count, Rate, 500),
            Transfer.UdpAsync(_lab, Peers[i].Inner, Ends[i].Inner, Inner(i, 1), Count, Rate, 500),
        }),
    ];

    private static async Task MakeWireAsync(Lab lab, NetworkNamespace left, string near, NetworkNamespace right, string far, int queues)
    {
        string number = queues.ToString(System.Globalization.CultureInfo.InvariantCulture);
        await lab.RunAsync(
            "ip", "link", "add", near, "netns", left.Name, "numrxqueues", number, "numtxqueues", number, "type", "veth",
            "peer", "name", far, "netns", right.Name, "numrxqueues", number, "numtxqueues", number);
        if (queues > 1)
        {
            await left.RunAsync("ethtool", "-L", near, "rx", "1", "tx", "1");
            await right.RunAsync("ethtool", "-L", far, "rx", "1", "tx", "1");
        }
    }

    private static async Task AddressAsync(NetworkNamespace left, string lower, string link, NetworkNamespace right, string far)
    {
        await left.IpAsync($"address add {TunnelPair.FirstOuter4}/24 dev {link}");
        await right.IpAsync($"address add {TunnelPair.SecondOuter4}/24 dev {far}");
        await left.IpAsync($"link set {lower} up");
        await left.IpAsync($"link set {link} up");
        await right.IpAsync($"link set {far} up");
    }
}

namespace TunnelBox.EndToEnd.Tests.Harness;

/// <summary>How a pair of tunnel ends is joined.</summary>
internal sealed record PairOptions
{
    /// <summary>The outer addresses are IPv6.</summary>
    public bool OuterIpv6 { get; init; }

    /// <summary>MTU of the tunnel interfaces.</summary>
    public int Mtu { get; init; } = 1420;

    /// <summary>MTU of the veth pair.</summary>
    public int OuterMtu { get; init; } = 1500;

    /// <summary>Whether the peers share a preshared key.</summary>
    public bool Preshared { get; init; }

    /// <summary>Only <see cref="TunnelPair.First"/> knows where the other end is.</summary>
    public bool OneSided { get; init; }

    /// <summary>Settings of both daemons, as environment variables.</summary>
    public IReadOnlyDictionary<string, string?> Settings { get; init; } = new Dictionary<string, string?>();

    /// <summary>The first end's outer side is AF_XDP on its veth device.</summary>
    public bool FirstXdp { get; init; }

    /// <summary>The second end's outer side is AF_XDP on its veth device.</summary>
    public bool SecondXdp { get; init; }

    /// <summary>The program of the first end; the default program when null.</summary>
    public TunnelProgram? First { get; init; }

    /// <summary>The program of the second end; the default program when null.</summary>
    public TunnelProgram? Second { get; init; }

    /// <summary>The settings of one end.</summary>
    public IReadOnlyDictionary<string, string?> SettingsFor(bool xdp, string link)
    {
        return xdp ? new Dictionary<string, string?>(Settings) { ["TUNNELBOX__OUTERPORT"] = $"xdp:{link}" } : Settings;
    }
}

/// <summary>Two namespaces joined by a veth pair, with a tunnel between them.</summary>
internal sealed class TunnelPair
{
    /// <summary>Outer addresses, then inner ones; the same in every pair, since namespaces keep them apart.</summary>
    public const string FirstOuter4 = "10.77.0.1", SecondOuter4 = "10.77.0.2", FirstOuter6 = "fd77::1", SecondOuter6 = "fd77::2";
    public const string First4 = "192.168.241.1", Second4 = "192.168.241.2", First6 = "fd24::1", Second6 = "fd24::2";
    public const int FirstPort = 51820, SecondPort = 51821;

    private TunnelPair(TunnelEnd first, TunnelEnd second, string firstLink, string secondLink, PairOptions options)
    {
        First = first;
        Second = second;
        FirstLink = firstLink;
        SecondLink = secondLink;
        Options = options;
    }

    public TunnelEnd First { get; }

    public TunnelEnd Second { get; }

    /// <summary>The veth device of the first end.</summary>
    public string FirstLink { get; }

    /// <summary>The veth device of the second end.</summary>
    public string SecondLink { get; }

    public PairOptions Options { get; }

    /// <summary>Where the first end sends to.</summary>
    public string SecondEndpoint => Options.OuterIpv6 ? $"[{SecondOuter6}]:{SecondPort}" : $"{SecondOuter4}:{SecondPort}";

    /// <summary>Where the second end sends to.</summary>
    public string FirstEndpoint => Options.OuterIpv6 ? $"[{FirstOuter6}]:{FirstPort}" : $"{FirstOuter4}:{FirstPort}";

    /// <summary>Builds it all, up to interfaces that are up; no packet has passed yet.</summary>
    public static async Task<TunnelPair> BuildAsync(Lab lab, PairOptions? options = null)
    {
        options ??= new PairOptions();
        NetworkNamespace left = await lab.NamespaceAsync();
        NetworkNamespace right = await lab.NamespaceAsync();
        (string leftLink, string rightLink) = await NetworkNamespace.ConnectAsync(left, right, options.OuterMtu);
        await left.IpAsync($"address add {FirstOuter4}/24 dev {leftLink}");
        await right.IpAsync($"address add {SecondOuter4}/24 dev {rightLink}");
        await left.IpAsync($"address add {FirstOuter6}/64 dev {leftLink} nodad");
        await right.IpAsync($"address add {SecondOuter6}/64 dev {rightLink} nodad");

        TunnelEnd first = await TunnelEnd.StartAsync(lab, left, options.First, options.SettingsFor(options.FirstXdp, leftLink));
        TunnelEnd second = await TunnelEnd.StartAsync(lab, right, options.Second, options.SettingsFor(options.SecondXdp, rightLink));
        var pair = new TunnelPair(first, second, leftLink, rightLink, options);
        await first.UpAsync(FirstPort, options.Mtu, $"{First4}/24", $"{First6}/64");
        await second.UpAsync(SecondPort, options.Mtu, $"{Second4}/24", $"{Second6}/64");

        string shared = options.Preshared
            ? "preshared-key " + lab.WriteFile(first.Interface + ".psk", await TunnelKeys.PresharedAsync(lab.Deadline))
            : "";
        await first.SetPeerAsync(second, $"{shared} allowed-ips {Second4}/32,{Second6}/128 endpoint {pair.SecondEndpoint}");
        await second.SetPeerAsync(
            first, $"{shared} allowed-ips {First4}/32,{First6}/128 {(options.OneSided ? "" : "endpoint " + pair.FirstEndpoint)}");
        return pair;
    }

    /// <summary>The first packet of each direction must arrive: it waits for the handshake, it is not lost to it.</summary>
    public async Task ExpectPingsAsync()
    {
        await Ping.ExpectAsync(First.Inner, Second4);
        await Ping.ExpectAsync(First.Inner, Second6);
        await Ping.ExpectAsync(Second.Inner, First4);
        await Ping.ExpectAsync(Second.Inner, First6);
    }
}

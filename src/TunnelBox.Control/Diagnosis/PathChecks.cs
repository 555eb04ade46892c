using System.Diagnostics;
using System.Globalization;
using System.Net;
using System.Net.Sockets;
using TunnelBox.Linux.Netlink;

namespace TunnelBox.Control.Diagnosis;

/// <summary>Checks of the paths: echo requests of several sizes that may not be fragmented, through the tunnel and beside it.</summary>
internal static class PathChecks
{
    private const int Overhead4 = 60;
    private const int Overhead6 = 80;
    private const int Least = 576;
    private const int MostPeers = 8;
    private const int Rounds = 3;
    private static readonly TimeSpan s_firstPatience = TimeSpan.FromSeconds(1);
    private static readonly TimeSpan s_patience = TimeSpan.FromSeconds(0.4);

    public static IReadOnlyList<DoctorCheck> All { get; } =
    [
        new("inner-mtu", "whether packets pass the tunnel, up to its full MTU", Inner),
        new("outer-mtu", "whether full packets reach the endpoint in one piece", Outer),
    ];

    private static IEnumerable<Finding> Inner(DoctorContext context, CancellationToken limit)
    {
        if (context.Own is not { IsUp: true } own)
        {
            return [Finding.Skip("The interface is not up here.")];
        }

        List<(PeerReport Peer, IPAddress Address)> asked = [];
        foreach (PeerReport peer in context.Status.Peers.OrderBy(peer => peer.Health is PeerHealth.Well ? 0 : 1))
        {
            IPNetwork host = RouteChecks.Prefixes(peer).FirstOrDefault(prefix => prefix.PrefixLength == 8 * prefix.BaseAddress.GetAddressBytes().Length);
            if (host.PrefixLength > 0 && asked.Count < MostPeers)
            {
                asked.Add((peer, host.BaseAddress));
            }
        }

        List<Finding>[] found = Doctor.AtOnce(asked, one => InnerOf(one.Peer, one.Address, own), limit);
        return found.Length > 0 ? found.SelectMany(one => one) : [Finding.Skip("No peer has an address of its own (/32 or /128) that could be asked.")];
    }

    private static List<Finding> InnerOf(PeerReport peer, IPAddress address, Link own)
    {
        string label = DoctorContext.Label(peer);
        PathSize path = Measure(address, own.Name, own.Mtu, 0);
        Finding finding = path switch
        {
            { Refused: { } why } => Finding.Skip($"{address} could not be asked: {why}."),
            { Largest: 0 } when peer.Health is PeerHealth.Stalled or PeerHealth.Unheard or PeerHealth.Quiet => Finding.Skip($"{address} did not answer, and nothing was heard of the peer lately."),
            { Largest: 0 } => new Finding
            {
                Status = CheckStatus.Warn,
                Message = $"The tunnel works, but {address} behind it does not answer echo requests.",
                Remedy = "Check there that the address is this peer's and that its answers return through the tunnel.",
                Guesses =
                [
                    new Guess(Causes.AllowedIps, "Compare AllowedIPs at the peer with this machine's addresses: a prefix that stands at another peer there is refused."),
                    new Guess(Causes.ReversePath, "Look at rp_filter there: the kernel drops what it would not answer by the same way."),
                    new Guess(Causes.Route, "Check that the peer has a route back into its tunnel."),
                    new Guess(Causes.Firewall, "Check the firewall there for echo requests."),
                ],
            },
            { Largest: var size } when size < own.Mtu => Finding.Fail(
                $"Packets up to {size} bytes pass the tunnel to {address}, larger ones vanish, and the MTU is {own.Mtu}: a black hole.",
                $"Set MTU = {size} in the file, or: ip link set {own.Name} mtu {size}.", Causes.Mtu),
            _ => Finding.Pass(string.Create(CultureInfo.InvariantCulture, $"Packets of the full MTU, {own.Mtu} bytes, pass to {address} and back, in {path.Milliseconds:0.0} ms.")),
        };
        return [finding with { Peer = label }];
    }

    private static List<Finding> Outer(DoctorContext context, CancellationToken limit)
    {
        using RouteLookup lookup = new();
        List<(PeerReport Peer, IPAddress Address, int Mtu)> asked = [];
        List<Finding> findings = [];
        foreach (PeerReport peer in context.Peers.Take(MostPeers))
        {
            if (peer.Endpoint is null || !IPEndPoint.TryParse(peer.Endpoint, out IPEndPoint? endpoint))
            {
                continue;
            }

            RouteAnswer answer = lookup.Out(endpoint.Address, context.Status.Device.FirewallMark);
            if (context.Links.FirstOrDefault(link => link.Index == answer.LinkIndex) is not { } link || link.Name == context.Interface)
            {
                continue;
            }

            int mtu = answer.Mtu > 0 ? Math.Min(answer.Mtu, link.Mtu) : link.Mtu;
            int needed = context.Status.Device.Mtu + Overhead(endpoint.Address);
            if (mtu < needed)
            {
                findings.Add(Finding.Warn($"Full packets need {needed} bytes outside, but {(answer.Mtu > 0 && answer.Mtu < link.Mtu ? "the route" : link.Name)} takes {mtu}: each leaves in two fragments.",
                    $"Set MTU = {mtu - Overhead(endpoint.Address)} in the file.", Causes.Mtu) with
                { Peer = DoctorContext.Label(peer) });
            }
            else
            {
                asked.Add((peer, endpoint.Address, needed));
            }
        }

        findings.AddRange(Doctor.AtOnce(asked, one => OuterOf(one.Peer, one.Address, one.Mtu, context.Status.Device.FirewallMark), limit));
        return findings.Count > 0 ? findings : [Finding.Skip("No endpoint is known yet.")];
    }

    private static Finding OuterOf(PeerReport peer, IPAddress address, int needed, uint mark)
    {
        PathSize path = Measure(address, string.Empty, needed, mark);
        Finding finding = path switch
        {
            { Refused: { } why } => Finding.Skip($"{address} could not be asked: {why}."),
            { Largest: 0 } => Finding.Skip($"{address} does not answer echo requests, so its path was not measured."),
            { Largest: var size } when size < needed => Finding.Warn($"Full packets need {needed} bytes outside, but only {size} reach {address} in one piece.",
                $"Set MTU = {size - Overhead(address)} in the file.", Causes.Mtu),
            _ => Finding.Pass($"Datagrams of {needed} bytes reach {address} in one piece."),
        };
        return finding with { Peer = DoctorContext.Label(peer) };
    }

    private static int Overhead(IPAddress address) => address.AddressFamily == AddressFamily.InterNetworkV6 ? Overhead6 : Overhead4;

    // Several sizes at once; then again between the largest that came back and the smallest that did not.
    private static PathSize Measure(IPAddress address, string device, int largest, uint mark)
    {
        int header = address.AddressFamily == AddressFamily.InterNetworkV6 ? 40 : 20;
        int low = 0;
        int high = largest + 1;
        double time = 0;
        ushort sequence = 0;
        using EchoSocket socket = EchoSocket.Open(address, device, dontFragment: true, mark);
        for (int round = 0; round < Rounds && high - low > 8; round++)
        {
            int floor = round == 0 ? Math.Min(Least, largest) : low;
            int step = Math.Max((high - 1 - floor) / 16, 1);
            Dictionary<ushort, int> sizes = [];
            for (int size = floor; size < high; size += step)
            {
                sizes[sequence++] = size;
            }

            sizes[sequence++] = round == 0 ? largest : high - 1;
            if (round == 0)
            {
                // A small one first: it says whether anybody is there, and has the tunnel shake hands.
                sizes[sequence++] = header + EchoSocket.Size;
            }

            long began = Stopwatch.GetTimestamp();
            string? refused = null;
            int sent = 0;
            foreach ((ushort number, int size) in sizes.OrderBy(one => one.Value))
            {
                string? why = socket.Send(number, size - header);
                refused = why ?? refused;
                sent += why is null ? 1 : 0;
            }

            if (sent == 0 && round == 0)
            {
                return new PathSize(0, 0, refused);
            }

            TimeSpan patience = round == 0 ? s_firstPatience : s_patience;
            while (low < sizes.Values.Max() && patience - Stopwatch.GetElapsedTime(began) is { Ticks: > 0 } left && socket.TryReceive(left, out ushort answered))
            {
                if (sizes.TryGetValue(answered, out int size) && size > low)
                {
                    low = size;
                    time = Stopwatch.GetElapsedTime(began).TotalMilliseconds;
                }
            }

            if (low == 0 || low >= largest)
            {
                break;
            }

            high = sizes.Values.Where(size => size > low).DefaultIfEmpty(high).Min();
        }

        return new PathSize(low, time, null);
    }

    private readonly record struct PathSize(int Largest, double Milliseconds, string? Refused);
}

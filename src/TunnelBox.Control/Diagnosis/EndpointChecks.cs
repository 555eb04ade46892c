using System.Buffers.Binary;
using System.Net;
using System.Net.Sockets;
using TunnelBox.Linux.Netlink;

namespace TunnelBox.Control.Diagnosis;

/// <summary>Checks of where peers are: names, addresses, ports, translators between.</summary>
internal static class EndpointChecks
{
    private static readonly TimeSpan s_dnsPatience = TimeSpan.FromSeconds(1.5);
    private static readonly TimeSpan s_portPatience = TimeSpan.FromSeconds(0.4);

    public static IReadOnlyList<DoctorCheck> All { get; } =
    [
        new("endpoint", "whether endpoints' names still mean the address in use, and something listens there", Endpoint),
        new("dns", "whether the name servers answer, where names are needed", Dns),
        new("keepalive", "whether an address translator may forget this end", static (context, _) => Keepalive(context)),
    ];

    private static List<Finding> Endpoint(DoctorContext context, CancellationToken limit)
    {
        List<Finding>[] found = Doctor.AtOnce(context.Peers, peer => One(context, peer, limit), limit);
        List<Finding> findings = [.. found.SelectMany(one => one)];
        int known = context.Status.Peers.Count(peer => peer.Endpoint is not null);
        return findings.Count > 0 ? findings
            : known == 0 ? [Finding.Skip("No endpoint is known yet.")]
            : [Finding.Pass($"{known} endpoints are known, their names mean them still, and no host said that nothing listens.")];
    }

    private static List<Finding> One(DoctorContext context, PeerReport peer, CancellationToken limit)
    {
        List<Finding> findings = [];
        string label = DoctorContext.Label(peer);
        if (peer.EndpointName is { } name)
        {
            IPAddress[] addresses = Resolve(name, limit);
            if (addresses.Length == 0)
            {
                findings.Add(Finding.Fail($"Its endpoint's name {name} does not resolve.", "Check the name, and the resolver in /etc/resolv.conf.", Causes.DnsStale) with { Peer = label });
            }
            else if (peer.Health != PeerHealth.Well && peer.Endpoint is not null && IPEndPoint.TryParse(peer.Endpoint, out IPEndPoint? at) && !addresses.Contains(at.Address))
            {
                findings.Add(Finding.Fail($"Its endpoint's name {name} means {string.Join(", ", addresses.Take(3))} by now, but {at.Address} is in use.",
                    $"Load the file again (tunnelctl reload {context.Interface}), or set the endpoint anew.", Causes.DnsStale) with
                { Peer = label });
            }
        }

        if (peer.Health is not PeerHealth.Well && peer.Endpoint is not null && IPEndPoint.TryParse(peer.Endpoint, out IPEndPoint? endpoint))
        {
            SocketError error = Probe(endpoint, context.Status.Device.FirewallMark);
            if (error == SocketError.ConnectionRefused)
            {
                findings.Add(Finding.Fail($"The host {endpoint.Address} says that nothing listens at UDP port {endpoint.Port}.",
                    "Correct the port in Endpoint, or start the tunnel there.", Causes.WrongPort) with
                { Peer = label });
            }
            else if (error is SocketError.HostUnreachable or SocketError.NetworkUnreachable)
            {
                findings.Add(Finding.Fail($"The host {endpoint.Address} cannot be reached: {new SocketException((int)error).Message.TrimEnd('.')}.",
                    "Check the address in Endpoint, and the network on the way.", Causes.WrongPort) with
                { Peer = label });
            }
        }

        return findings;
    }

    private static IPAddress[] Resolve(string name, CancellationToken limit)
    {
        using CancellationTokenSource patience = CancellationTokenSource.CreateLinkedTokenSource(limit);
        patience.CancelAfter(s_dnsPatience);
        try
        {
            return System.Net.Dns.GetHostAddressesAsync(name, patience.Token).GetAwaiter().GetResult();
        }
        catch (Exception e) when (e is SocketException or OperationCanceledException)
        {
            return [];
        }
    }

    // A connected socket hears of ICMP errors. The datagram is one byte, which a tunnel counts as InHdrError and passes over.
    private static SocketError Probe(IPEndPoint endpoint, uint mark)
    {
        using Socket socket = new(endpoint.AddressFamily, SocketType.Dgram, ProtocolType.Udp);
        try
        {
            if (mark != 0)
            {
                socket.SetRawSocketOption(1, 36, BitConverter.GetBytes(mark)); // SOL_SOCKET, SO_MARK
            }

            socket.Connect(endpoint);
            socket.Send([0]);
            if (!socket.Poll(s_portPatience, SelectMode.SelectRead) && !socket.Poll(TimeSpan.Zero, SelectMode.SelectError))
            {
                return SocketError.Success;
            }

            socket.ReceiveTimeout = 1;
            socket.Receive(new byte[1]);
            return SocketError.Success;
        }
        catch (SocketException e)
        {
            return e.SocketErrorCode;
        }
    }

    private static IEnumerable<Finding> Dns(DoctorContext context, CancellationToken limit)
    {
        bool needed = context.FileDns.Count > 0 || context.Status.Peers.Any(peer => peer.EndpointName is not null);
        if (!needed)
        {
            yield return Finding.Skip("Neither an endpoint nor the file needs a name server.");
            yield break;
        }

        IPAddress[] servers = [.. context.FileDns.Concat((context.ReadText("/etc/resolv.conf") ?? string.Empty).Split('\n')
            .Select(line => line.Split((char[])[' ', '\t'], StringSplitOptions.RemoveEmptyEntries))
            .Select(words => words is ["nameserver", string text, ..] && IPAddress.TryParse(text, out IPAddress? address) ? address : null)
            .OfType<IPAddress>()).Distinct().Take(4)];
        if (servers.Length == 0)
        {
            yield return Finding.Fail("No name server is known, but an endpoint is written as a name.", "Write one into /etc/resolv.conf, or the endpoint as an address.");
            yield break;
        }

        string?[] faults = Doctor.AtOnce(servers, Ask, limit);
        for (int i = 0; i < servers.Length; i++)
        {
            yield return faults[i] is { } fault
                ? Finding.Fail($"The name server {servers[i]} {fault}.", "Check that it runs and is reached (through the tunnel, where DNS stands in the file).")
                : Finding.Pass($"The name server {servers[i]} answers.");
        }
    }

    // RFC 1035: a question for the name servers of the root; any answer with its number will do.
    private static string? Ask(IPAddress server)
    {
        byte[] question = new byte[17];
        ushort number = (ushort)Random.Shared.Next();
        BinaryPrimitives.WriteUInt16BigEndian(question, number);
        question[2] = 1;
        question[5] = 1;
        question[14] = 2;
        question[16] = 1;
        byte[] answer = new byte[1232];
        try
        {
            using Socket socket = new(server.AddressFamily, SocketType.Dgram, ProtocolType.Udp);
            socket.Connect(server, 53);
            for (int attempt = 0; attempt < 2; attempt++)
            {
                socket.Send(question);
                if (socket.Poll(s_dnsPatience / 2, SelectMode.SelectRead) && socket.Receive(answer) >= 12
                    && BinaryPrimitives.ReadUInt16BigEndian(answer) == number && (answer[2] & 0x80) != 0)
                {
                    return null;
                }
            }

            return "does not answer";
        }
        catch (SocketException e)
        {
            return $"cannot be asked: {e.Message.TrimEnd('.')}";
        }
    }

    private static List<Finding> Keepalive(DoctorContext context)
    {
        using RouteLookup lookup = new();
        List<Finding> findings = [];
        foreach (PeerReport peer in context.Peers.Where(peer => peer is { PersistentKeepalive: 0, EndpointLearned: false, Endpoint: not null }))
        {
            if (IPEndPoint.TryParse(peer.Endpoint!, out IPEndPoint? endpoint)
                && lookup.Out(endpoint.Address, context.Status.Device.FirewallMark) is { Gateway: not null, Source: { } source } && IsTranslated(source))
            {
                findings.Add(Finding.Warn($"This end speaks from {source}, a private address behind a router, without keepalive: after some seconds of silence the router forgets the way back.",
                    "Set PersistentKeepalive = 25 for this peer, if it must be able to begin.", Causes.Nat) with
                { Peer = DoctorContext.Label(peer) });
            }
        }

        return findings.Count > 0 ? findings : [Finding.Pass("No address translator that may forget this end is in sight.")];
    }

    // RFC 1918 and RFC 6598.
    private static bool IsTranslated(IPAddress address) => address.AddressFamily == AddressFamily.InterNetwork && address.GetAddressBytes() switch
    {
        [10, ..] or [192, 168, ..] => true,
        [172, >= 16 and <= 31, ..] => true,
        [100, >= 64 and <= 127, ..] => true,
        _ => false,
    };
}

using System.Net;
using System.Text;
using TunnelBox.Configuration;
using TunnelBox.Control;
using TunnelBox.Service;
using TunnelBox.Tunnelctl;
using DaemonLine = TunnelBox.Daemon.CommandLine;

namespace TunnelBox.Fuzz.Targets;

/// <summary>
/// Argument lists of tunnelctl and tunnelbox, in this process: every wrong one is one sentence and an exit code, and set's words mean what the same change
/// means when it is written as words again. Verbs that would write files or change this machine are only parsed.
/// </summary>
internal sealed class CommandLineTarget() : TextTarget((byte)' ')
{
    private const string Key = "YAnz5TF+lXXJte14tji3zlMNftqLzahdQUbGpNa0rUc=";

    // What only asks: of a daemon, which there is none of, or of files, which there are none of.
    private static readonly HashSet<string> s_asking = new(StringComparer.Ordinal)
    {
        "show", "showconf", "status", "stat", "monitor", "steer", "trace", "top", "explain", "ping", "genkey", "genpsk", "complete", "qr",
    };

    private static readonly SetSources s_sources = new(
        _ => throw new UsageException("There is no such peer."), _ => new byte[32], endpoint => new ResolvedEndpoint([IPAddress.TryParse(endpoint.Host, out IPAddress? ip) ? ip : IPAddress.Loopback], null), _ => { });

    /// <inheritdoc/>
    public override string Name => "command-line";

    /// <inheritdoc/>
    public override IReadOnlyList<byte[]> Seeds { get; } = Bytes(
        "show nosuch0 dump", "show all", "show interfaces --json", "showconf nosuch0", "genkey x", "status nosuch0 --json", "stat nosuch0 --peer x --watch --count 3", "steer nosuch0 --watch",
        "complete -- set nosuch0 peer x allowed-ips", "complete -- show", "ping nosuch0 office --count 3 --interval 1 --handshake --address 10.0.0.1", "explain 10.0.0.1 nosuch0 --from --json",
        "trace nosuch0 tcp port 443 --peer x --reason y --drops-only --limit 9 --rate 9 --json", "monitor nosuch0 --json --count 3", "top nosuch0 --interval 1 --count 2", "qr nosuch --force", "--version", "down --help",
        $"set nosuch0 listen-port 1 fwmark 0x20 private-key /dev/null peer {Key} preshared-key /dev/null endpoint 192.0.2.1:7 persistent-keepalive off allowed-ips +10.0.0.0/8,-::/0 update-only",
        $"set nosuch0 peer {Key} remove peer {Key} allowed-ips 10.0.0.1,fd00::1/64 endpoint [fe80::1]:65535",
        "tunnelbox -f -c /etc/x.conf wg0", "tunnelbox --probe livez wg0", "tunnelbox --take-over --foreground wg0", "tunnelbox --clean-up wg0", "tunnelbox wg0");

    /// <inheritdoc/>
    public override int Run(byte[] input)
    {
        string[] words = [.. Encoding.UTF8.GetString(input).Replace("\0", string.Empty, StringComparison.Ordinal).Split(' ')];
        _ = CompleteCommand.Candidates(words).Count();
        if (words[0] == "tunnelbox")
        {
            return Daemon(words[1..]);
        }

        if (words[0] == "set" && words.Length > 2)
        {
            return Set(words[2..]);
        }

        bool asks = s_asking.Contains(words[0]) && !words.Contains("show-existing");
        if (!asks && !(words.Length == 2 && words[1] is "-h" or "--help" or "help") && Verb.Find(words[0]) is not null)
        {
            return 1;
        }

        ExitCode code = CommandLine.Run(words);
        FuzzFind.Unless(Enum.IsDefined(code), $"A command line ends with a code that has a meaning; this one with {code}.");
        return 2 + (int)code;
    }

    private static int Daemon(string[] words)
    {
        try
        {
            DaemonLine line = DaemonLine.Parse(words, null);
            FuzzFind.Unless(
                line.Command is not (TunnelBox.Daemon.Command.Run or TunnelBox.Daemon.Command.Probe or TunnelBox.Daemon.Command.CleanUp) || UapiSocket.IsInterfaceName(line.InterfaceName),
                "A command for an interface has the name of one.");
            return 20 + (int)line.Command;
        }
        catch (StartException e)
        {
            FuzzFind.Unless(e.Message.Length > 0 && e.ExitCode != 0, "A refusal has words and a code.");
            return 30;
        }
    }

    private static int Set(string[] words)
    {
        DeviceChange change;
        try
        {
            change = SetCommand.Parse(words, s_sources, []);
        }
        catch (Exception e) when (e is UsageException or ControlException or ConfigurationFaultsException)
        {
            IsPrintable(e.Message);
            return 40;
        }

        IsAsRead(words, change);
        string[] before = Words(change);
        string[] after = Words(SetCommand.Parse(before, s_sources, []));
        FuzzFind.Unless(before.SequenceEqual(after), $"A change means the same when it is written out.\n{string.Join(' ', before)}\n{string.Join(' ', after)}");
        return 41 + Math.Min(change.Peers.Count, 3);
    }

    // A slow reading of the words that take no value, and of signs: what is dropped when they are read is dropped again when they are written.
    private static void IsAsRead(string[] words, DeviceChange change)
    {
        List<(bool Remove, bool UpdateOnly, bool? Replace)> peers = [];
        for (int i = 0; i < words.Length; i++)
        {
            switch (words[i])
            {
                case "peer":
                    peers.Add(default);
                    i++;
                    break;
                case "remove":
                    peers[^1] = peers[^1] with { Remove = true };
                    break;
                case "update-only":
                    peers[^1] = peers[^1] with { UpdateOnly = true };
                    break;
                case "allowed-ips":
                    IEnumerable<string> entries = string.Concat(words[++i].Where(c => !char.IsWhiteSpace(c))).Split(',');
                    peers[^1] = peers[^1] with { Replace = !entries.Any(entry => entry.StartsWith('+') || entry.StartsWith('-')) };
                    break;
                default:
                    i++;
                    break;
            }
        }

        FuzzFind.Unless(peers.Count == change.Peers.Count, $"There are {peers.Count} peers, not {change.Peers.Count}.");
        FuzzFind.Unless(
            peers.Zip(change.Peers).All(both => both.First.Remove == both.Second.Remove && both.First.UpdateOnly == both.Second.UpdateOnly && (both.First.Replace ?? both.Second.ReplaceAllowedIps) == both.Second.ReplaceAllowedIps),
            "Each peer is removed, only updated, and has its allowed IPs replaced where the words say so.");
    }

    private static string[] Words(DeviceChange change)
    {
        List<string> words = [];
        Add("listen-port", change.ListenPort?.ToString());
        Add("fwmark", change.FirewallMark?.ToString());
        Add("private-key", change.PrivateKey is null ? null : "/dev/null");
        foreach (PeerChange peer in change.Peers)
        {
            Add("peer", peer.PublicKey.ToString());
            words.AddRange(peer.Remove ? ["remove"] : []);
            words.AddRange(peer.UpdateOnly ? ["update-only"] : []);
            Add("preshared-key", peer.PresharedKey is null ? null : "/dev/null");
            Add("endpoint", peer.Endpoint?.ToString());
            Add("persistent-keepalive", peer.PersistentKeepalive?.ToString());
            if (peer.ReplaceAllowedIps || peer.AllowedIps.Count > 0)
            {
                Add("allowed-ips", string.Join(',', peer.AllowedIps.Select(ip => $"{(peer.ReplaceAllowedIps ? string.Empty : ip.Remove ? "-" : "+")}{ip.Network}")));
            }
        }

        return [.. words];

        void Add(string word, string? value) => words.AddRange(value is null ? [] : [word, value]);
    }
}

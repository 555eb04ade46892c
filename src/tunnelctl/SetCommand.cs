using System.Net;
using System.Text;
using TunnelBox.Configuration;
using TunnelBox.Control;
using TunnelBox.Crypto;

namespace TunnelBox.Tunnelctl;

/// <summary>The verb set (wg(8)).</summary>
internal static class SetCommand
{
    private const int KeyLength = 44;
    private static readonly string[] DeviceWords = ["listen-port", "fwmark", "private-key", "peer"];
    private static readonly string[] PeerWords = ["remove", "preshared-key", "endpoint", "persistent-keepalive", "allowed-ips", "update-only", "peer"];

    /// <summary>Runs the verb.</summary>
    /// <param name="arguments">What follows the verb.</param>
    /// <returns>How it ended.</returns>
    public static ExitCode Run(string[] arguments)
    {
        if (arguments.Length < 2)
        {
            throw UsageException.Of("set");
        }

        string name = arguments[0];
        List<PeerAnnotation> notes = [];
        EndpointResolver names = new(CommandLine.Note);
        DeviceChange change = Parse(
            arguments[1..],
            new SetSources(text => PeerDirectory.Find(name, text).PublicKey, KeyFile.Read, names.Look, CommandLine.Note),
            notes);
        try
        {
            using Progress progress = new($"{name}: set is being applied");
            new UapiClient(name).Set(change);
            DaemonControl.Annotate(name, notes);
            return ExitCode.Done;
        }
        finally
        {
            change.Wipe();
        }
    }

    /// <summary>Reads the words after the interface.</summary>
    /// <param name="arguments">The words.</param>
    /// <param name="sources">What they lead to outside the command line.</param>
    /// <param name="notes">Takes the host names of endpoints.</param>
    /// <returns>The change; the caller wipes it.</returns>
    internal static DeviceChange Parse(string[] arguments, SetSources sources, List<PeerAnnotation> notes)
    {
        DeviceChange change = new();
        try
        {
            PeerChange? peer = null;
            Queue<string> words = new(arguments);
            while (words.TryDequeue(out string? word))
            {
                if (word == "peer")
                {
                    peer = new PeerChange(Key(sources, Value(word, words)));
                    change.Peers.Add(peer);
                }
                else if (peer is null)
                {
                    Device(change, word, words, sources);
                }
                else
                {
                    Peer(peer, word, words, sources, notes);
                }
            }

            return change;
        }
        catch
        {
            change.Wipe();
            throw;
        }
    }

    private static void Device(DeviceChange change, string word, Queue<string> words, SetSources sources)
    {
        switch (word)
        {
            case "listen-port":
                Check(word, WgValues.Port(Bytes(Value(word, words)), out ushort port));
                change.ListenPort = port;
                break;
            case "fwmark":
                Check(word, WgValues.FirewallMark(Bytes(Value(word, words)), out uint mark));
                change.FirewallMark = mark;
                break;
            case "private-key":
                change.PrivateKey = SecretOf(word, Value(word, words), sources);
                break;
            default:
                throw Unknown(word, DeviceWords, PeerWords.Contains(word) ? " It belongs after a peer." : string.Empty);
        }
    }

    private static void Peer(PeerChange peer, string word, Queue<string> words, SetSources sources, List<PeerAnnotation> notes)
    {
        switch (word)
        {
            case "remove":
                peer.Remove = true;
                break;
            case "update-only":
                peer.UpdateOnly = true;
                break;
            case "preshared-key":
                peer.PresharedKey = SecretOf(word, Value(word, words), sources);
                break;
            case "endpoint":
                Check(word, WgValues.Endpoint(Bytes(Value(word, words)), out HostPort endpoint));
                ResolvedEndpoint resolved = sources.Resolve(endpoint);
                peer.Endpoint = new IPEndPoint(resolved.Addresses[0], endpoint.Port);
                notes.Add(PeerAnnotations.Of(peer.PublicKey, endpoint, resolved));
                break;
            case "persistent-keepalive":
                Check(word, WgValues.Keepalive(Bytes(Value(word, words)), out ushort seconds));
                peer.PersistentKeepalive = seconds;
                break;
            case "allowed-ips":
                AllowedIps(peer, Value(word, words), sources);
                break;
            default:
                throw Unknown(word, PeerWords, DeviceWords.Contains(word) ? " It belongs before the first peer." : string.Empty);
        }
    }

    private static void AllowedIps(PeerChange peer, string value, SetSources sources)
    {
        List<AllowedIpEntry> entries = [];
        List<string> cleared = [];
        Check("allowed-ips", WgValues.AllowedIps(Bytes(string.Concat(value.Where(c => !char.IsWhiteSpace(c)))), entries, cleared));
        foreach (string text in cleared)
        {
            sources.Note($"allowed-ips: \"{text}\" has bits beyond its length; they are cleared.");
        }

        // A list without signs replaces what is there; a sign anywhere makes all of it an increment.
        peer.ReplaceAllowedIps = !entries.Exists(entry => entry.Sign != AllowedIpSign.None);
        peer.AllowedIps.AddRange(entries.Select(entry => new AllowedIpChange(entry.Network, entry.Sign == AllowedIpSign.Minus)));
    }

    private static PublicKey Key(SetSources sources, string text)
    {
        if (PublicKey.TryParse(text, out PublicKey key))
        {
            return key;
        }

        // What is as long as a key was meant as one; anything else may be a peer's name.
        return text.Length is > 0 and < KeyLength
            ? sources.FindPeer(text)
            : throw new UsageException($"peer: {WgValues.KeyFault}");
    }

    private static byte[] SecretOf(string word, string path, SetSources sources) => path == "-" || !PublicKey.TryParse(path, out _)
        ? sources.ReadKey(path == "-" ? "/dev/stdin" : path)
        : throw new UsageException($"{word}: the name of a file that holds the key must stand here, not the key: everybody can read command lines.");

    private static string Value(string word, Queue<string> words) => words.TryDequeue(out string? value)
        ? value
        : throw new UsageException($"{word}: a value must follow. {Verb.Find("set")?.Usage}");

    private static byte[] Bytes(string text) => Encoding.UTF8.GetBytes(text);

    private static void Check(string word, string? fault)
    {
        if (fault is not null)
        {
            throw new UsageException($"{word}: {fault}");
        }
    }

    private static UsageException Unknown(string word, string[] known, string hint) => new(
        $"\"{CommandLine.Clean(word)}\" cannot stand here.{(hint.Length > 0 ? hint : Nearest.Question(word, known))} {string.Join(", ", known)} can.");
}

/// <summary>What the words of set lead to outside the command line.</summary>
/// <param name="FindPeer">Finds a peer by name or the beginning of its key.</param>
/// <param name="ReadKey">Reads the key in a file.</param>
/// <param name="Resolve">Finds the addresses of endpoints.</param>
/// <param name="Note">Told warnings.</param>
internal sealed record SetSources(Func<string, PublicKey> FindPeer, Func<string, byte[]> ReadKey, Func<HostPort, ResolvedEndpoint> Resolve, Action<string> Note);

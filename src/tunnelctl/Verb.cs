using System.Text;
using TunnelBox.Control;
using TunnelBox.Control.Diagnosis;

namespace TunnelBox.Tunnelctl;

/// <summary>One verb of the command line; help, completions and manuals are made from these.</summary>
/// <param name="Name">The verb.</param>
/// <param name="Arguments">What follows it, as usage shows it; completions read it (<see cref="UsageGrammar"/>).</param>
/// <param name="Summary">What it does, one sentence.</param>
/// <param name="Example">A line to try.</param>
/// <param name="Run">Does it.</param>
internal sealed record Verb(string Name, string Arguments, string Summary, string Example, Func<string[], ExitCode> Run)
{
    /// <summary>Gets every verb, in the order of help.</summary>
    public static IReadOnlyList<Verb> All { get; } =
    [
        new("show", "[INTERFACE | all | interfaces] [FIELD] [--json]", "Shows interfaces and their peers; as JSON without any secret.", "tunnelctl show wg0 latest-handshakes", ShowCommand.Run),
        new("showconf", "INTERFACE", "Shows an interface as a file that setconf takes.", "tunnelctl showconf wg0", ShowCommand.RunShowconf),
        new("set", "INTERFACE [listen-port PORT] [fwmark MARK] [private-key FILE] [peer KEY [remove] [preshared-key FILE] [endpoint HOST:PORT] [persistent-keepalive SECONDS] [allowed-ips [+|-]IP/LENGTH,...]]...",
            "Changes an interface: adds, changes and removes peers.", "tunnelctl set wg0 peer KEY allowed-ips 10.0.0.2/32", SetCommand.Run),
        new("setconf", "INTERFACE FILE", "Makes an interface what a file says.", "tunnelctl setconf wg0 wg0.conf", ConfCommand.RunSetconf),
        new("addconf", "INTERFACE FILE", "Adds what a file says to an interface.", "tunnelctl addconf wg0 more.conf", ConfCommand.RunAddconf),
        new("syncconf", "INTERFACE FILE", "Makes an interface what a file says and keeps running sessions.", "tunnelctl syncconf wg0 <(tunnelctl strip wg0)", ConfCommand.RunSyncconf),
        new("reload", "NAME | FILE", "Makes a running tunnel what its file says and keeps running sessions: peers, new addresses, MTU, routes.", "tunnelctl reload wg0", ReloadCommand.Run),
        new("status", "[INTERFACE] [--json | --watch]", "Shows how peers are, where their names led and when, and what is in force and why.", "tunnelctl status wg0 --watch", StatusCommand.Run),
        new("stat", "[INTERFACE] [--peer PEER] [--json | --explain] [--watch [--count N]]", "Shows what was counted, and why packets were dropped.", "tunnelctl stat wg0 --explain", StatCommand.Run),
        new("monitor", "INTERFACE [--json] [--count N]", "Shows handshakes, sessions, names and the MTU as they change, one line each.", "tunnelctl monitor wg0", MonitorCommand.Run),
        new("steer", "[INTERFACE] [--json] [--watch [--count N] | --resync]", "Shows steering rules and how far each has come; --resync sends and checks every one again.", "tunnelctl steer wg0", SteerCommand.Run),
        new("trace", "INTERFACE [EXPRESSION] [--peer PEER] [--reason REASON] [--drops-only] [--limit N] [--rate N] [--json]",
            "Shows every packet with the stages it took, the times between, and why it was dropped.", "tunnelctl trace wg0 --drops-only tcp port 443", TraceCommand.Run),
        new("capture", "INTERFACE FILE [--inner | --outer | --both] [--peer PEER] [--snap BYTES] [--count N] [--seconds N] [--keylog FILE]",
            "Writes packets into a pcapng file: inner ones (decrypted), outer ones, or both, with drop reasons as comments.", "tunnelctl capture wg0 wg0.pcapng --both --seconds 10", CaptureCommand.Run),
        new("top", "INTERFACE [--interval SECONDS] [--count N]", "Shows peers, rates, drops and the load of workers, as they change.", "tunnelctl top wg0", TopCommand.Run),
        new("explain", "ADDRESS [INTERFACE] [--from] [--json]", "Says what a packet to (or from) an address would use, and every reason why it would fail now.", "tunnelctl explain 10.0.0.2", ExplainCommand.Run),
        new("doctor", "[INTERFACE] [--json] [--check CHECK]", "Looks for what is wrong, in 5 s at most, and says what to do.", "tunnelctl doctor wg0", DoctorCommand.Run),
        new("ping", "[INTERFACE] PEER [--count N] [--interval SECONDS] [--address IP] [--handshake]", "Asks a peer at its tunnel address, or for a fresh handshake (one in 5 s).", "tunnelctl ping wg0 office --count 3", PingCommand.Run),
        new("genkey", string.Empty, "Makes a private key.", "tunnelctl genkey > private.key", KeyCommand.RunGenkey),
        new("genpsk", string.Empty, "Makes a preshared key.", "tunnelctl genpsk > preshared.key", KeyCommand.RunGenpsk),
        new("pubkey", string.Empty, "Reads a private key and gives its public key.", "tunnelctl pubkey < private.key", KeyCommand.RunPubkey),
        new("up", "NAME | FILE", "Starts the tunnel of a file: daemon, addresses, MTU, routes, hooks. Where the file gives no MTU, it follows the route to the endpoints.", "tunnelctl up wg0", QuickCommand.RunUp),
        new("down", "NAME | FILE", "Takes the tunnel of a file down.", "tunnelctl down wg0", QuickCommand.RunDown),
        new("save", "NAME | FILE", "Writes the running tunnel back into its file.", "tunnelctl save wg0", QuickCommand.RunSave),
        new("strip", "NAME | FILE", "Shows a file without the keys that only up and down know.", "tunnelctl strip wg0", QuickCommand.RunStrip),
        new("new-peer", "CLIENT [INTERFACE] [--endpoint HOST:PORT]", "Adds a peer: keys, the next free addresses, its own file INTERFACE.peers/CLIENT.conf, and the running interface.",
            "tunnelctl new-peer phone wg0 --endpoint vpn.example.org:51820", NewPeerCommand.Run),
        new("qr", "FILE | CLIENT [--force]", "Shows a peer's file, or that of a peer new-peer made, as a QR code for a phone; --force also where no terminal is.", "tunnelctl qr phone", QrCommand.Run),
        new("complete", "[WORD]...", "Lists what may stand for the last word; the shells' completions ask it.", "tunnelctl complete -- show wg0 ''", CompleteCommand.Run),
    ];

    /// <summary>Gets what each exit code means, in order.</summary>
    public static IReadOnlyList<(ExitCode Code, string Meaning)> ExitCodes { get; } =
    [
        (ExitCode.Done, "done"),
        (ExitCode.Failed, "it was tried and failed"),
        (ExitCode.Wrong, "wrong usage, or a wrong file"),
        (ExitCode.NoDaemon, "no daemon serves the interface"),
        (ExitCode.NoPermission, "the caller lacks a right; most verbs need root"),
    ];

    /// <summary>Gets the kinds of arguments that usage lines name in upper case, with what each takes.</summary>
    public static IReadOnlyDictionary<string, string> Kinds { get; } = new Dictionary<string, string>(StringComparer.Ordinal)
    {
        ["INTERFACE"] = "an interface that a daemon serves, such as wg0",
        ["NAME"] = "NAME.conf in /etc/wireguard or /etc/tunnelbox; also the interface's name",
        ["FILE"] = "the path of a file; for keys, of a file that holds the key in base64",
        ["PEER"] = "a peer's name, key, or the unique beginning of its key",
        ["KEY"] = "a peer's name, key, or the unique beginning of its key",
        ["CLIENT"] = "the name of a peer that new-peer makes or made",
        ["EXPRESSION"] = "a filter on inner packets in the words of pcap-filter(7)",
        ["REASON"] = "a drop reason, as \"tunnelctl stat\" lists them",
        ["ADDRESS"] = "an IPv4 or IPv6 address inside the tunnel",
        ["CHECK"] = "one of " + string.Join(", ", Doctor.All.Select(check => check.Name)),
        ["FIELD"] = "one of " + string.Join(", ", ShowText.Fields),
    };

    /// <summary>Gets the line of usage.</summary>
    public string Usage => $"Usage: tunnelctl {Name}{(Arguments.Length > 0 ? " " : string.Empty)}{Arguments}";

    /// <summary>Gets all that "tunnelctl VERB --help" says.</summary>
    public string Help
    {
        get
        {
            StringBuilder help = new($"{Usage}\n{Summary}\n");
            foreach (string kind in UsageGrammar.Of(Arguments).Kinds.Where(Kinds.ContainsKey))
            {
                help.Append($"  {kind,-9} {Kinds[kind]}\n");
            }

            return help.Append($"Example: {Example}\n").ToString();
        }
    }

    /// <summary>Finds a verb.</summary>
    /// <param name="name">Its name.</param>
    /// <returns>The verb, or null.</returns>
    public static Verb? Find(string name) => All.FirstOrDefault(verb => verb.Name == name);
}

using System.Globalization;
using System.Text.Encodings.Web;
using System.Text.Json;
using TunnelBox.Configuration;
using TunnelBox.Control;
using TunnelBox.Linux.Libc;
using TunnelBox.Linux.Libpcap;
using TunnelBox.Visibility;

namespace TunnelBox.Tunnelctl;

/// <summary>The verb trace: a line for every packet, with the stages it took.</summary>
internal static class TraceCommand
{
    /// <summary>Bytes of each inner packet that filters and text see: all headers that they read.</summary>
    private const int Snap = 128;

    /// <summary>Letters of a wrong reason that are compared with the right ones: no name is longer.</summary>
    private const int LongestReason = 64;

    private static readonly TraceLineJson s_json = new(new JsonSerializerOptions(TraceLineJson.Default.Options) { Encoder = JavaScriptEncoder.UnsafeRelaxedJsonEscaping });

    // The words of pcap-filter(7) that somebody may have meant.
    private static readonly string[] s_words =
    [
        "host", "net", "mask", "port", "portrange", "src", "dst", "ip", "ip6", "tcp", "udp", "icmp", "icmp6", "sctp", "esp", "ah", "proto", "and", "or", "not", "less",
        "greater", "broadcast", "multicast", "tcpflags", "tcp-syn", "tcp-ack", "tcp-fin", "tcp-rst", "tcp-push", "icmptype", "icmp-echo", "icmp-echoreply", "len",
    ];

    /// <summary>Runs the verb until it is interrupted.</summary>
    /// <param name="arguments">What follows it.</param>
    /// <returns>How it ended.</returns>
    public static ExitCode Run(string[] arguments)
    {
        bool json = false;
        bool dropsOnly = false;
        long limit = long.MaxValue;
        long rate = long.MaxValue;
        string? peer = null;
        string? reason = null;
        List<string> words = [];
        var rest = new Queue<string>(arguments);
        while (rest.TryDequeue(out string? word))
        {
            switch (word)
            {
                case "--json":
                    json = true;
                    break;
                case "--drops-only":
                    dropsOnly = true;
                    break;
                case "--peer" when rest.TryDequeue(out peer):
                case "--reason" when rest.TryDequeue(out reason):
                case "--limit" when rest.TryDequeue(out string? number) && TryCount(number, out limit):
                case "--rate" when rest.TryDequeue(out string? persecond) && TryCount(persecond, out rate):
                    break;
                case "--peer" or "--reason" or "--limit" or "--rate":
                    throw UsageException.Of("trace");
                default:
                    words.Add(word.StartsWith("--", StringComparison.Ordinal) ? throw UsageException.UnknownOption("trace", word) : word);
                    break;
            }
        }

        if (words.Count == 0)
        {
            throw UsageException.Of("trace");
        }

        CheckReason(reason);
        using PacketFilter? filter = words.Count > 1 ? Compile(string.Join(' ', words.Skip(1))) : null;
        string name = words[0];
        ControlClient client = DaemonControl.Of(name);
        var request = new TraceRequest
        {
            Verb = TraceRequest.VerbName,
            DropsOnly = dropsOnly,
            Peer = peer is null ? null : PeerDirectory.Find(name, peer).PublicKey.ToString(),
            Reason = reason,
            InnerSnap = Snap,
        };

        // Who looks yields to what is looked at: short of processors, lines are lost, and counted, before packets are.
        _ = LibC.setpriority(Definitions.PRIO_PROCESS, 0, 10);
        using CancellationSignal signal = new();
        using var session = TraceSession.Begin(client, request);
        using var printer = new TracePrinter(session, json ? s_json : null, filter, limit, rate);
        CommandLine.Note($"{session.Interface}: tracing; every line ends with the packet's verdict, and ^C ends the trace.");
        return printer.Run(signal);
    }

    /// <summary>Compiles a filter.</summary>
    /// <param name="expression">Its text.</param>
    /// <returns>The filter.</returns>
    /// <exception cref="UsageException">It is none; the sentence has the nearest word.</exception>
    /// <exception cref="ControlException">libpcap is missing.</exception>
    private static PacketFilter Compile(string expression)
    {
        if (PacketFilter.Compile(expression, out string? error, out bool isMissing) is { } filter)
        {
            return filter;
        }

        if (isMissing)
        {
            throw new ControlException($"Filters need libpcap: {error}; install it (Debian: libpcap0.8), or trace without a filter.");
        }

        string hint = string.Empty;
        foreach (string word in expression.Split([' ', '(', ')', '[', ']', '!', '&', '|', '='], StringSplitOptions.RemoveEmptyEntries))
        {
            if (hint.Length == 0 && char.IsAsciiLetter(word[0]) && !s_words.Contains(word, StringComparer.Ordinal) && Nearest.Of(word, s_words) is { } near)
            {
                hint = $" Did you mean \"{near}\" where it says \"{CommandLine.Clean(word)}\"?";
            }
        }

        throw new UsageException(
            $"\"{CommandLine.Clean(expression)}\" is no filter: {error?.TrimEnd('.')}.{(hint.Length > 0 ? hint : " pcap-filter(7) has the words, such as \"tcp port 443 and host 10.0.0.1\".")}");
    }

    private static void CheckReason(string? reason)
    {
        if (reason is not null && !DropReasons.All.Any(known => known.Name == reason))
        {
            string question = Nearest.Question(reason, DropReasons.All.Select(known => known.Name));
            throw new UsageException(
                $"There is no drop reason \"{CommandLine.Clean(reason)}\".{(question.Length > 0 ? question : $" The nearest that there are: {string.Join(", ", Near(reason))}; \"tunnelctl stat\" lists all.")}");
        }
    }

    // Those that share the longest run of letters with what was written, for a word that is near to none.
    private static IEnumerable<string> Near(string text) => DropReasons.All.Select(known => known.Name)
        .OrderByDescending(known => LongestRun(text.Length > LongestReason ? text[..LongestReason] : text, known))
        .Take(3);

    private static int LongestRun(string text, string known) => Enumerable.Range(0, text.Length)
        .Select(start => Enumerable.Range(1, text.Length - start).LastOrDefault(length => known.Contains(text.Substring(start, length), StringComparison.OrdinalIgnoreCase)))
        .DefaultIfEmpty().Max();

    private static bool TryCount(string text, out long count) => long.TryParse(text, NumberStyles.None, CultureInfo.InvariantCulture, out count) && count > 0;
}

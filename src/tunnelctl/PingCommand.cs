using System.Diagnostics;
using System.Globalization;
using System.Net;
using System.Net.Sockets;
using TunnelBox.Control;

namespace TunnelBox.Tunnelctl;

/// <summary>The verb ping: asks a peer at its tunnel address, or asks for a fresh handshake.</summary>
internal static class PingCommand
{
    private static readonly TimeSpan LastPatience = TimeSpan.FromSeconds(2);

    /// <summary>Runs the verb.</summary>
    /// <param name="arguments">What follows it.</param>
    /// <returns>How it ended.</returns>
    public static ExitCode Run(string[] arguments)
    {
        Options options = Options.Parse(arguments);
        (string interfaceName, NamedPeer peer) = Find(options);
        string label = peer.Name ?? peer.PublicKey.ToString();
        if (options.Handshake)
        {
            using Progress progress = new($"{label}: waiting for the handshake");
            HandshakeAnswer answer = DaemonControl.Of(interfaceName).Ask(
                new HandshakeRequest { Verb = HandshakeRequest.VerbName, PublicKey = peer.PublicKey.ToString() },
                StatusJson.Default.HandshakeRequest,
                StatusJson.Default.HandshakeAnswer);
            CommandLine.Print(string.Create(CultureInfo.InvariantCulture, $"{label}: a fresh handshake took {answer.Milliseconds:0.###} ms\n"));
            return ExitCode.Done;
        }

        IPAddress address = options.Address ?? AddressOf(interfaceName, peer, label);
        using EchoSocket socket = EchoSocket.Open(address, interfaceName);
        using CancellationSignal signal = new();
        CommandLine.Print($"{label} at {address} through {interfaceName}, {EchoSocket.Size} bytes a request\n");
        return Ask(socket, options, address, label, signal);
    }

    private static ExitCode Ask(EchoSocket socket, Options options, IPAddress address, string label, CancellationSignal signal)
    {
        long[] sent = new long[options.Count];
        List<double> times = [];
        int asked = 0;
        while (asked < options.Count && !signal.IsCancelled)
        {
            sent[asked] = Stopwatch.GetTimestamp();
            if (socket.Send((ushort)asked) is { } refused)
            {
                CommandLine.Note($"{label}: request {asked + 1} could not be sent: {refused}.");
            }

            asked++;
            bool last = asked == options.Count;
            TimeSpan rest = last && options.Interval < LastPatience ? LastPatience : options.Interval;
            long began = Stopwatch.GetTimestamp();
            while (!signal.IsCancelled && !(last && times.Count == asked) && rest - Stopwatch.GetElapsedTime(began) is { Ticks: > 0 } left)
            {
                // In short steps, so that a signal is noticed.
                if (socket.TryReceive(left < Step ? left : Step, out ushort sequence) && sequence < asked && sent[sequence] != 0)
                {
                    double time = Stopwatch.GetElapsedTime(sent[sequence]).TotalMilliseconds;
                    sent[sequence] = 0;
                    times.Add(time);
                    CommandLine.Print(string.Create(CultureInfo.InvariantCulture, $"answer from {address}: request {sequence + 1}, {time:0.###} ms\n"));
                }
            }
        }

        CommandLine.Print(Statistics(asked, times));
        return times.Count > 0 ? ExitCode.Done : ExitCode.Failed;
    }

    private static TimeSpan Step => TimeSpan.FromMilliseconds(200);

    private static string Statistics(int asked, List<double> times)
    {
        string counts = string.Create(
            CultureInfo.InvariantCulture, $"{asked} sent, {times.Count} received, {(asked == 0 ? 0 : 100.0 * (asked - times.Count) / asked):0.#}% lost");
        return times.Count == 0 ? counts + "\n" : string.Create(
            CultureInfo.InvariantCulture, $"{counts}; least {times.Min():0.###} ms, mean {times.Average():0.###} ms, most {times.Max():0.###} ms\n");
    }

    private static (string InterfaceName, NamedPeer Peer) Find(Options options)
    {
        if (options.InterfaceName is { } named)
        {
            return (named, PeerDirectory.Find(named, options.Peer));
        }

        List<string> names = UapiClient.Interfaces();
        if (names.Count == 0)
        {
            throw new ControlException("ping: no daemon serves an interface; start one with \"tunnelctl up NAME\".", ControlFailure.NoDaemon);
        }

        ControlException? first = null;
        List<(string InterfaceName, NamedPeer Peer)> found = [];
        foreach (string name in names)
        {
            try
            {
                found.Add((name, PeerDirectory.Find(name, options.Peer)));
            }
            catch (ControlException e)
            {
                first ??= e;
            }
        }

        return found.Count switch
        {
            1 => found[0],
            0 => throw first!,
            _ => throw new ControlException(
                $"ping: {string.Join(" and ", found.Select(one => one.InterfaceName))} have such a peer each; write the interface before it.", ControlFailure.Wrong),
        };
    }

    private static IPAddress AddressOf(string interfaceName, NamedPeer peer, string label)
    {
        using DeviceState device = new UapiClient(interfaceName).Get();
        IEnumerable<IPNetwork> networks = device.Peers.Where(one => one.PublicKey == peer.PublicKey).SelectMany(one => one.AllowedIps);
        foreach (IPNetwork network in networks)
        {
            if (network.PrefixLength == (network.BaseAddress.AddressFamily == AddressFamily.InterNetwork ? 32 : 128))
            {
                return network.BaseAddress;
            }
        }

        throw new ControlException($"{interfaceName}: {label} has no allowed IP that is a single address (/32 or /128); give one with --address.", ControlFailure.Wrong);
    }

    private sealed record Options(string? InterfaceName, string Peer, int Count, TimeSpan Interval, IPAddress? Address, bool Handshake)
    {
        private const int MaxCount = 60_000;

        public static Options Parse(string[] arguments)
        {
            List<string> words = [];
            Options options = new(null, string.Empty, 4, TimeSpan.FromSeconds(1), null, false);
            Queue<string> rest = new(arguments);
            while (rest.TryDequeue(out string? word))
            {
                options = word switch
                {
                    "--handshake" => options with { Handshake = true },
                    "--count" or "-c" => options with { Count = CountOf(Value(word, rest)) },
                    "--interval" or "-i" => options with { Interval = IntervalOf(Value(word, rest)) },
                    "--address" => options with { Address = AddressOf(Value(word, rest)) },
                    ['-', '-', ..] => throw UsageException.UnknownOption("ping", word),
                    _ => Keep(options, words, word),
                };
            }

            return words switch
            {
                [string peer] => options with { Peer = peer },
                [string name, string peer] => options with { InterfaceName = name, Peer = peer },
                _ => throw UsageException.Of("ping"),
            };
        }

        private static Options Keep(Options options, List<string> words, string word)
        {
            words.Add(word);
            return options;
        }

        private static string Value(string word, Queue<string> rest) =>
            rest.TryDequeue(out string? value) ? value : throw new UsageException($"{word}: a value must follow. {UsageException.Of("ping").Message}");

        private static int CountOf(string text) => int.TryParse(text, NumberStyles.None, CultureInfo.InvariantCulture, out int count) && count is >= 1 and <= MaxCount
            ? count
            : throw new UsageException($"--count: \"{CommandLine.Clean(text)}\" is no count; 1 to {MaxCount} is allowed.");

        private static TimeSpan IntervalOf(string text) =>
            double.TryParse(text, NumberStyles.AllowDecimalPoint, CultureInfo.InvariantCulture, out double seconds) && seconds is >= 0.01 and <= 3600
                ? TimeSpan.FromSeconds(seconds)
                : throw new UsageException($"--interval: \"{CommandLine.Clean(text)}\" is no interval; 0.01 to 3600 seconds are allowed.");

        private static IPAddress AddressOf(string text) => IPAddress.TryParse(text, out IPAddress? address)
            ? address
            : throw new UsageException($"--address: \"{CommandLine.Clean(text)}\" is no IPv4 or IPv6 address.");
    }
}

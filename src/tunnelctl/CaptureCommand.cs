using System.Globalization;
using TunnelBox.Control;
using TunnelBox.Visibility;
using TunnelBox.Visibility.Rings;

namespace TunnelBox.Tunnelctl;

/// <summary>The verb capture: packets into a pcapng file.</summary>
internal static class CaptureCommand
{
    private static readonly TimeSpan s_nap = TimeSpan.FromMilliseconds(5);

    /// <summary>Runs the verb until it is interrupted.</summary>
    /// <param name="arguments">What follows it.</param>
    /// <returns>How it ended.</returns>
    public static ExitCode Run(string[] arguments)
    {
        Wish wish = Read(arguments);
        ControlClient client = DaemonControl.Of(wish.Interface);
        string? peer = wish.Peer is null ? null : PeerDirectory.Find(wish.Interface, wish.Peer).PublicKey.ToString();
        InterfaceReport status = StatusReader.Read(client);

        // Whole packets unless told otherwise: the tunnel's MTU, and what sealing and the outer headers add.
        int snap = wish.Snap ?? Math.Min(status.Device.Mtu + 128, RingMemory.MaxSnap);
        var request = new TraceRequest
        {
            Verb = TraceRequest.VerbName,
            Peer = peer,
            InnerSnap = (wish.Layers & CaptureLayers.Inner) != CaptureLayers.None ? snap : 0,
            OuterSnap = (wish.Layers & CaptureLayers.Outer) != CaptureLayers.None ? snap : 0,
            KeyLog = wish.KeyLog is not null,
        };
        using CancellationSignal signal = new();
        using KeyLogFile? keys = wish.KeyLog is null ? null : KeyLogFile.Create(wish.KeyLog);
        using PcapngWriter writer = new(PrivateStream.Create(wish.File), "tunnelctl capture");
        using var session = TraceSession.Begin(client, request);
        keys?.Begin(session);
        CommandLine.Note($"{session.Interface}: capturing {wish.Layers switch { CaptureLayers.Inner => "inner", CaptureLayers.Outer => "outer", _ => "inner and outer" }} packets, {snap} bytes of each, into {wish.File}; ^C ends it.");
        if (keys is not null)
        {
            KeyLogFile.ForceHandshakes(client, [.. status.Peers.Where(one => peer is null || one.PublicKey == peer)]);
        }

        return Capture(wish, session, writer, new CaptureFile(writer, wish.Layers, snap, session.Interface, session.Peers), signal);
    }

    private static ExitCode Capture(Wish wish, TraceSession session, PcapngWriter writer, CaptureFile file, CancellationSignal signal)
    {
        long ends = wish.Seconds is { } seconds ? Environment.TickCount64 + (seconds * 1000) : long.MaxValue;
        bool Add(in RingEntry entry)
        {
            file.Add(entry);
            return writer.Packets < wish.Count;
        }

        bool open = true;
        ExitCode code = ExitCode.Done;
        try
        {
            while (open && writer.Packets < wish.Count)
            {
                bool served = session.IsOpen;
                open = served && !signal.IsCancelled && Environment.TickCount64 < ends;
                int taken = session.Take(Add, all: !open);
                if (taken == 0 && open)
                {
                    signal.Wait(s_nap);
                }

                if (!served)
                {
                    CommandLine.Note($"{session.Interface}: the daemon ended, and with it the capture.");
                    code = ExitCode.NoDaemon;
                }
            }

            file.End(session.Lost);
        }
        catch (IOException e)
        {
            CommandLine.Note($"{wish.File}: {e.Message.TrimEnd('.')}; the capture ended there, and what is in the file is whole.");
            code = ExitCode.Failed;
        }

        CommandLine.Note($"{writer.Packets} packets captured, {session.Lost} records lost.");
        return code;
    }

    private static Wish Read(string[] arguments)
    {
        Wish wish = new();
        List<string> names = [];
        var rest = new Queue<string>(arguments);
        while (rest.TryDequeue(out string? word))
        {
            switch (word)
            {
                case "--inner" or "--outer" or "--both" when wish.Layers == CaptureLayers.None:
                    wish.Layers = word switch { "--inner" => CaptureLayers.Inner, "--outer" => CaptureLayers.Outer, _ => CaptureLayers.Inner | CaptureLayers.Outer };
                    break;
                case "--peer":
                    wish.Peer = Value(rest);
                    break;
                case "--keylog":
                    wish.KeyLog = Value(rest);
                    break;
                case "--snap":
                    wish.Snap = (int)Number(rest, RingMemory.MaxSnap);
                    break;
                case "--count":
                    wish.Count = Number(rest, long.MaxValue);
                    break;
                case "--seconds":
                    wish.Seconds = Number(rest, 1_000_000_000);
                    break;
                case "--inner" or "--outer" or "--both":
                    throw UsageException.Of("capture");
                default:
                    names.Add(word.StartsWith("--", StringComparison.Ordinal) ? throw UsageException.UnknownOption("capture", word) : word);
                    break;
            }
        }

        if (names.Count != 2)
        {
            throw UsageException.Of("capture");
        }

        wish.Interface = names[0];
        wish.File = names[1];
        wish.Layers = wish.Layers == CaptureLayers.None ? CaptureLayers.Inner : wish.Layers;
        return wish;
    }

    private static string Value(Queue<string> rest) => rest.TryDequeue(out string? value) ? value : throw UsageException.Of("capture");

    private static long Number(Queue<string> rest, long most) =>
        long.TryParse(Value(rest), NumberStyles.None, CultureInfo.InvariantCulture, out long number) && number > 0 && number <= most
            ? number
            : throw UsageException.Of("capture");

    private sealed record Wish
    {
        public string Interface { get; set; } = string.Empty;

        public string File { get; set; } = string.Empty;

        public CaptureLayers Layers { get; set; }

        public string? Peer { get; set; }

        public string? KeyLog { get; set; }

        public int? Snap { get; set; }

        public long Count { get; set; } = long.MaxValue;

        public long? Seconds { get; set; }
    }
}

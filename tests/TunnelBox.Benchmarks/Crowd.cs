using System.Diagnostics;
using System.Globalization;
using System.Net;
using TunnelBox.Crypto;
using TunnelBox.Linux.Libc;

namespace TunnelBox.Benchmarks;

/// <summary>Peers as a load on a real responder: very many that connect at once, and one that never stops renewing its keys.</summary>
public static class Crowd
{
    private const int GiveUp = 40;

    // What is sent in the first 20 s: at 0, 5, 10 and 15 s, with the random third of a second that each retry adds.
    private const int Prepared = 4;

    // Between two looks at what came, in ms: each look is a call about every peer that waits, and costs a millisecond with 10,000.
    private const int Pause = 10;

    /// <summary>
    /// Has many peers begin at the same moment, after the line <c>ready</c>, and writes how many seconds each took; 40 for one that never connected. Then what it took
    /// to be the crowd: messages, and seconds of processor time. Real peers have processors of their own, so what can be computed before is: keys, static secrets, and
    /// the messages of the first 20 s but for their macs.
    /// </summary>
    /// <param name="address">The responder's address.</param>
    /// <param name="port">Its port.</param>
    /// <param name="responder">Its public key.</param>
    /// <param name="count">How many peers.</param>
    /// <param name="addresses">How many source addresses they share.</param>
    /// <param name="output">Where the lines go.</param>
    public static void Connect(string address, int port, string responder, int count, int addresses, TextWriter output)
    {
        ArgumentNullException.ThrowIfNull(output);
        using KeyArena arena = new();
        PublicKey key = HandshakeProbe.Parse(responder);
        IPEndPoint to = new(IPAddress.Parse(address), port);
        HandshakeClient[] clients = [.. Enumerable.Range(0, count).Select(i => new HandshakeClient(arena, i, key, to, addresses))];
        Array.ForEach(clients, client => client.Prepare(Prepared));
        output.WriteLine("ready");
        output.Flush();
        TimeSpan before = ProcessorTime();
        long began = Stopwatch.GetTimestamp();
        Array.ForEach(clients, client => client.Begin(0));
        List<HandshakeClient> waiting = [.. clients];
        while (waiting.Count > 0 && Stopwatch.GetElapsedTime(began).TotalSeconds < GiveUp)
        {
            Look(waiting);
            waiting.RemoveAll(client => client.Took >= 0);
            Thread.Sleep(Pause);
        }

        TimeSpan cost = ProcessorTime() - before;
        foreach (HandshakeClient client in clients)
        {
            output.WriteLine(string.Create(CultureInfo.InvariantCulture, $"crowd {(client.Took < 0 ? GiveUp : client.Took):F4}"));
            client.Dispose();
        }

        output.WriteLine(string.Create(
            CultureInfo.InvariantCulture, $"cost {clients.Sum(client => client.Initiations)} initiations {clients.Sum(client => client.Cookies)} cookies {cost.TotalSeconds:F2} s"));
    }

    /// <summary>Has one peer shake hands again as soon as it may, 50 times a second, and writes how often it could, a second.</summary>
    /// <param name="address">The responder's address.</param>
    /// <param name="port">Its port.</param>
    /// <param name="responder">Its public key.</param>
    /// <param name="seconds">For how long.</param>
    /// <param name="output">Where the lines go.</param>
    public static void Rekey(string address, int port, string responder, int seconds, TextWriter output)
    {
        ArgumentNullException.ThrowIfNull(output);
        using KeyArena arena = new();
        using HandshakeClient client = new(arena, 0, HandshakeProbe.Parse(responder), new IPEndPoint(IPAddress.Parse(address), port));
        output.WriteLine("ready");
        output.Flush();
        long began = Stopwatch.GetTimestamp();
        int done = 0;
        while (Stopwatch.GetElapsedTime(began).TotalSeconds < seconds)
        {
            client.Begin(0);
            while (client.Took < 0 && Stopwatch.GetElapsedTime(began).TotalSeconds < seconds)
            {
                client.Step();
                Thread.Sleep(1);
            }

            done += client.Took >= 0 ? 1 : 0;
            // A responder takes no two initiations of a peer within 20 ms.
            Thread.Sleep(21);
        }

        output.WriteLine(string.Create(CultureInfo.InvariantCulture, $"rekeyed {done / Stopwatch.GetElapsedTime(began).TotalSeconds:F1}"));
    }

    private static TimeSpan ProcessorTime() => Process.GetCurrentProcess().TotalProcessorTime;

    // One call tells who was sent something; only those, and whose time has come, are stepped.
    private static unsafe void Look(List<HandshakeClient> waiting)
    {
        pollfd[] sockets = new pollfd[waiting.Count];
        for (int i = 0; i < sockets.Length; i++)
        {
            sockets[i] = new pollfd { fd = waiting[i].Descriptor, events = Definitions.POLLIN };
        }

        timespec now = default;
        fixed (pollfd* first = sockets)
        {
            if (LibC.ppoll(first, (nuint)sockets.Length, &now) < 0)
            {
                throw new InvalidOperationException("the crowd's sockets cannot be polled");
            }
        }

        for (int i = 0; i < sockets.Length; i++)
        {
            if (sockets[i].revents != 0 || waiting[i].IsDue)
            {
                waiting[i].Step();
            }
        }
    }
}

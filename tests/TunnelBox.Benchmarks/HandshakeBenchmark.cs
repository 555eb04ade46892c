using TunnelBox.Crypto;
using TunnelBox.Protocol;
using TunnelBox.Visibility;

namespace TunnelBox.Benchmarks;

/// <summary>Handshakes a second of CPU time, in process: the responder's part, and both ends together.</summary>
public static class HandshakeBenchmark
{
    private const int Round = 500;
    private const int Rounds = 7;

    /// <summary>Measures, and writes one line a figure, its name and the median of seven rounds.</summary>
    /// <param name="output">Where the lines go.</param>
    public static void Run(TextWriter output)
    {
        ArgumentNullException.ThrowIfNull(output);
        using KeyArena arena = new();
        SodiumRandom random = new();
        byte[] key = new byte[32];
        random.Fill(key);
        using Identity initiator = new(arena, key);
        random.Fill(key);
        using Identity responder = new(arena, key);
        using Handshake toResponder = new(arena, responder.PublicKey);
        using Handshake toInitiator = new(arena, initiator.PublicKey);
        using CookieChecker responderChecker = new(arena, responder.PublicKey);
        using CookieChecker initiatorChecker = new(arena, initiator.PublicKey);
        using InitiationOpener opener = new(arena);
        CookieJar toResponderJar = new(responder.PublicKey);
        CookieJar toInitiatorJar = new(initiator.PublicKey);
        Tai64nClock clock = new(TimeProvider.System);

        byte[][] initiations = [.. Enumerable.Range(0, Round).Select(_ => new byte[InitiationMessage.Size])];
        byte[] response = new byte[ResponseMessage.Size];
        long now = 0;
        List<double> responderRates = [];
        List<double> bothRates = [];
        // One round more, which compiles the code and is not counted.
        for (int round = 0; round <= Rounds; round++)
        {
            foreach (byte[] initiation in initiations)
            {
                Require(toResponder.CreateInitiation(initiator, clock.Next(), 1, random, initiation));
                toResponderJar.AddMacs(initiation, now);
            }

            TimeSpan start = Environment.CpuUsage.TotalTime;
            foreach (byte[] initiation in initiations)
            {
                now += Limits.Second;
                Respond(initiation);
            }

            double responderSeconds = (Environment.CpuUsage.TotalTime - start).TotalSeconds;

            start = Environment.CpuUsage.TotalTime;
            foreach (byte[] initiation in initiations)
            {
                now += Limits.Second;
                Require(toResponder.CreateInitiation(initiator, clock.Next(), 1, random, initiation));
                toResponderJar.AddMacs(initiation, now);
                Respond(initiation);
                Require(initiatorChecker.IsMac1Valid(response));
                Require(toResponder.ConsumeResponse(initiator, response));
                Derive(toResponder);
            }

            double bothSeconds = (Environment.CpuUsage.TotalTime - start).TotalSeconds;
            if (round > 0)
            {
                responderRates.Add(Round / responderSeconds);
                bothRates.Add(Round / bothSeconds);
            }
        }

        output.WriteLine($"handshakes-responder {Median(responderRates):F0}");
        output.WriteLine($"handshakes-both {Median(bothRates):F0}");

        void Respond(byte[] initiation)
        {
            Require(responderChecker.IsMac1Valid(initiation));
            Require(opener.Open(responder, initiation) == DropReason.None);
            Require(opener.Accept(toInitiator, now) == DropReason.None);
            Require(toInitiator.CreateResponse(2, random, response));
            toInitiatorJar.AddMacs(response, now);
            Derive(toInitiator);
        }

        void Derive(Handshake handshake)
        {
            Require(handshake.TryDeriveSession(out SessionKeys session));
            arena.Return(session.SendKey);
            arena.Return(session.ReceiveKey);
        }
    }

    private static double Median(List<double> values) => values.Order().ElementAt(values.Count / 2);

    private static void Require(bool right)
    {
        if (!right)
        {
            throw new InvalidOperationException("A handshake failed, so the figure would mean nothing.");
        }
    }
}

using TunnelBox.Crypto;
using TunnelBox.Protocol;
using TunnelBox.Visibility;

namespace TunnelBox.Benchmarks;

/// <summary>
/// Whole handshakes between two ends in one process, from the initiation's macs to the keys of both sessions, without a network. Rates are per second
/// of processor time, so that what else the machine does counts for little.
/// </summary>
internal sealed class HandshakeBenchmark : IDisposable
{
    private const int Batch = 128;

    /// <summary>Between two initiations of one peer; the protocol takes at most 50 a second.</summary>
    private const long Interval = 25_000_000;

    private readonly KeyArena _arena = new();
    private readonly SodiumRandom _random = new();
    private readonly byte[][] _initiations = [.. Enumerable.Range(0, Batch).Select(_ => new byte[InitiationMessage.Size])];
    private readonly byte[] _response = new byte[ResponseMessage.Size];
    private readonly Identity _initiatorKey;
    private readonly Identity _responderKey;
    private readonly Handshake _initiator;
    private readonly Handshake _responder;
    private readonly InitiationOpener _opener;
    private readonly CookieChecker _initiatorChecker;
    private readonly CookieChecker _responderChecker;
    private readonly CookieJar _toResponder;
    private readonly CookieJar _toInitiator;
    private Tai64n _stamp = Tai64n.From(DateTimeOffset.UtcNow);
    private long _now;
    private uint _index;

    private HandshakeBenchmark()
    {
        _initiatorKey = NewIdentity();
        _responderKey = NewIdentity();
        _initiator = new Handshake(_arena, _responderKey.PublicKey);
        _responder = new Handshake(_arena, _initiatorKey.PublicKey);
        _opener = new InitiationOpener(_arena);
        _initiatorChecker = new CookieChecker(_arena, _initiatorKey.PublicKey);
        _responderChecker = new CookieChecker(_arena, _responderKey.PublicKey);
        _toResponder = new CookieJar(_responderKey.PublicKey);
        _toInitiator = new CookieJar(_initiatorKey.PublicKey);
    }

    /// <summary>Measures both figures and prints them.</summary>
    /// <param name="seconds">Of processor time for each.</param>
    public static void Run(double seconds)
    {
        using HandshakeBenchmark benchmark = new();
        benchmark.MeasureBoth(seconds / 4);
        benchmark.MeasureResponder(seconds / 4);
        Console.WriteLine($"handshakes-responder {benchmark.MeasureResponder(seconds):F0}");
        Console.WriteLine($"handshakes-both {benchmark.MeasureBoth(seconds):F0}");
    }

    /// <inheritdoc/>
    public void Dispose()
    {
        _initiator.Dispose();
        _responder.Dispose();
        _opener.Dispose();
        _initiatorChecker.Dispose();
        _responderChecker.Dispose();
        _initiatorKey.Dispose();
        _responderKey.Dispose();
        _arena.Dispose();
    }

    private static TimeSpan ProcessorTime => Environment.CpuUsage.TotalTime;

    private static void Require(bool condition, string what)
    {
        if (!condition)
        {
            throw new InvalidOperationException($"The handshake benchmark is broken: {what}.");
        }
    }

    private Identity NewIdentity()
    {
        Span<byte> key = stackalloc byte[KeyArena.KeySize];
        _random.Fill(key);
        return new Identity(_arena, key);
    }

    /// <summary>The responder alone: the initiations are made beforehand and not counted.</summary>
    private double MeasureResponder(double seconds)
    {
        TimeSpan spent = TimeSpan.Zero;
        long done = 0;
        while (spent.TotalSeconds < seconds)
        {
            foreach (byte[] initiation in _initiations)
            {
                Initiate(initiation);
            }

            TimeSpan before = ProcessorTime;
            foreach (byte[] initiation in _initiations)
            {
                Respond(initiation);
                done++;
            }

            spent += ProcessorTime - before;
        }

        return done / spent.TotalSeconds;
    }

    /// <summary>Both ends, one after the other.</summary>
    private double MeasureBoth(double seconds)
    {
        TimeSpan before = ProcessorTime;
        TimeSpan spent;
        long done = 0;
        do
        {
            for (int i = 0; i < Batch; i++)
            {
                Initiate(_initiations[0]);
                Respond(_initiations[0]);
                Require(_initiatorChecker.IsMac1Valid(_response), "the response's mac1");
                Require(_initiator.ConsumeResponse(_initiatorKey, _response), "the response");
                Derive(_initiator);
                done++;
            }

            spent = ProcessorTime - before;
        }
        while (spent.TotalSeconds < seconds);

        return done / spent.TotalSeconds;
    }

    private void Initiate(byte[] initiation)
    {
        _stamp = _stamp.Add(Interval);
        Require(_initiator.CreateInitiation(_initiatorKey, _stamp, ++_index, _random, initiation), "the initiation");
        _toResponder.AddMacs(initiation, _now);
    }

    private void Respond(byte[] initiation)
    {
        _now += Interval;
        Require(_responderChecker.IsMac1Valid(initiation), "the initiation's mac1");
        Require(_opener.Open(_responderKey, initiation) == DropReason.None, "opening the initiation");
        Require(_opener.Accept(_responder, _now) == DropReason.None, "accepting the initiation");
        Require(_responder.CreateResponse(++_index, _random, _response), "making the response");
        _toInitiator.AddMacs(_response, _now);
        Derive(_responder);
    }

    private void Derive(Handshake handshake)
    {
        Require(handshake.TryDeriveSession(out SessionKeys keys), "the session's keys");
        _arena.Return(keys.SendKey);
        _arena.Return(keys.ReceiveKey);
    }
}

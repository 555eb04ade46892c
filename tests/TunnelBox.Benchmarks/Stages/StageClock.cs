using System.Diagnostics;
using TunnelBox.Crypto;
using TunnelBox.DataPath;

namespace TunnelBox.Benchmarks.Stages;

/// <summary>A place in a worker's pass at which the clock is read.</summary>
internal enum Mark
{
    /// <summary>The pass begins.</summary>
    Begin,

    /// <summary>The inner port is asked for packets.</summary>
    InnerReceive,

    /// <summary>It has given them.</summary>
    InnerReceived,

    /// <summary>The outer port is asked for packets.</summary>
    OuterReceive,

    /// <summary>It has given them.</summary>
    OuterReceived,

    /// <summary>The cipher begins.</summary>
    Cipher,

    /// <summary>It is done.</summary>
    Ciphered,

    /// <summary>A port is given packets to send.</summary>
    Send,

    /// <summary>It has taken them.</summary>
    Sent,

    /// <summary>The pass ends.</summary>
    End,
}

/// <summary>Adds up how much time passes between marks; what a reading of the clock costs is taken off.</summary>
internal sealed class StageClock
{
    private const int Marks = (int)Mark.End + 1;
    private readonly long[] _ticks = new long[Marks * Marks];
    private readonly int[] _readings = new int[Marks * Marks];
    private readonly double _reading = CostOfReading();
    private Mark _last;
    private long _at;

    /// <summary>Gets or sets a value indicating whether marks are taken.</summary>
    public bool On { get; set; }

    /// <summary>Notes that the worker is at a mark.</summary>
    /// <param name="mark">Which.</param>
    public void Pass(Mark mark)
    {
        if (!On)
        {
            return;
        }

        long now = Stopwatch.GetTimestamp();
        int place = ((int)_last * Marks) + (int)mark;
        if (mark != Mark.Begin)
        {
            _ticks[place] += now - _at;
            _readings[place]++;
        }

        _last = mark;
        _at = now;
    }

    /// <summary>Reads the time between two marks that follow each other.</summary>
    /// <param name="from">The first.</param>
    /// <param name="to">The second.</param>
    /// <returns>Nanoseconds in all.</returns>
    public double Between(Mark from, Mark to)
    {
        int place = ((int)from * Marks) + (int)to;
        return Math.Max(0, (_ticks[place] * 1e9 / Stopwatch.Frequency) - (_readings[place] * _reading));
    }

    /// <summary>Forgets all times.</summary>
    public void Reset()
    {
        Array.Clear(_ticks);
        Array.Clear(_readings);
    }

    private static double CostOfReading()
    {
        double best = double.MaxValue;
        for (int round = 0; round < 200; round++)
        {
            long start = Stopwatch.GetTimestamp();
            long last = 0;
            for (int i = 0; i < 1000; i++)
            {
                last = Stopwatch.GetTimestamp();
            }

            best = Math.Min(best, (last - start) * 1e9 / Stopwatch.Frequency / 1000);
        }

        return best;
    }
}

/// <summary>A port with marks around its calls.</summary>
/// <param name="port">The port.</param>
/// <param name="clock">The clock.</param>
/// <param name="isInner">Which side it is.</param>
internal sealed class MarkedPort(IPort port, StageClock clock, bool isInner) : IPort
{
    /// <inheritdoc/>
    public string Description => port.Description;

    /// <inheritdoc/>
    public bool MoreWaiting => port.MoreWaiting;

    /// <inheritdoc/>
    public int GetPollDescriptors(Span<int> descriptors) => port.GetPollDescriptors(descriptors);

    /// <inheritdoc/>
    public int Receive(Burst burst)
    {
        clock.Pass(isInner ? Mark.InnerReceive : Mark.OuterReceive);
        int count = port.Receive(burst);
        clock.Pass(isInner ? Mark.InnerReceived : Mark.OuterReceived);
        return count;
    }

    /// <inheritdoc/>
    public void Send(Burst burst)
    {
        clock.Pass(Mark.Send);
        port.Send(burst);
        clock.Pass(Mark.Sent);
    }

    /// <inheritdoc/>
    public void Dispose() => port.Dispose();
}

/// <summary>A cipher with marks around its calls.</summary>
/// <param name="aead">The cipher, owned.</param>
/// <param name="clock">The clock.</param>
internal sealed class MarkedAead(IPacketAead aead, StageClock clock) : IPacketAead, IDisposable
{
    /// <inheritdoc/>
    public string Name => aead.Name;

    /// <inheritdoc/>
    public void Seal(Span<AeadJob> jobs)
    {
        clock.Pass(Mark.Cipher);
        aead.Seal(jobs);
        clock.Pass(Mark.Ciphered);
    }

    /// <inheritdoc/>
    public void Open(Span<AeadJob> jobs)
    {
        clock.Pass(Mark.Cipher);
        aead.Open(jobs);
        clock.Pass(Mark.Ciphered);
    }

    /// <inheritdoc/>
    public void Dispose() => (aead as IDisposable)?.Dispose();
}

using System.Diagnostics;
using System.Globalization;
using TunnelBox.DataPath;

namespace TunnelBox.Benchmarks.Stages;

/// <summary>
/// What each stage of a worker's pass costs a packet, in bursts of 64, without any kernel: frames come from a ring in memory and go to one. The bytes of a
/// frame are put there by this same processor, as the kernel does in copy mode, so they are in its cache.
/// </summary>
internal static class StageBenchmark
{
    private const int Rounds = 60;
    private const int BurstsPerRound = 200;

    /// <summary>Measures, and writes a line a figure: its name and nanoseconds a packet, the median of many short rounds.</summary>
    /// <param name="output">Where the lines go.</param>
    /// <param name="sizes">Bytes of the inner IP packets.</param>
    public static void Run(TextWriter output, params ReadOnlySpan<int> sizes)
    {
        foreach (int size in sizes)
        {
            Run(output, size);
        }

        BufferBenchmark.Run(output);
    }

    private static void Run(TextWriter output, int size)
    {
        using var a = new MemoryEnd(1);
        using var b = new MemoryEnd(2);
        MemoryEnd.Join(a, b);
        byte[] frame = a.Frame(b, size);
        var outward = new Table($"out-{size}", output);
        var inward = new Table($"in-{size}", output);
        for (int round = -20; round < Rounds; round++)
        {
            a.Clock.Reset();
            b.Clock.Reset();
            long arrived = 0;
            long whole = 0;
            for (int i = 0; i < BurstsPerRound; i++)
            {
                a.Inner.Arrive(frame, Burst.Capacity);
                Move(a);
                b.Outer.ArriveFrom(a.Outer);
                Move(b);
                arrived += b.Inner.Leave();
            }

            // Once more without any mark, so that the sum of the stages can be held against the whole.
            a.Clock.On = b.Clock.On = false;
            for (int i = 0; i < BurstsPerRound; i++)
            {
                a.Inner.Arrive(frame, Burst.Capacity);
                long start = Stopwatch.GetTimestamp();
                a.Worker.Pass();
                whole += Stopwatch.GetTimestamp() - start;
                b.Outer.ArriveFrom(a.Outer);
                b.Worker.Pass();
                arrived += b.Inner.Leave();
            }

            if (arrived != 2L * BurstsPerRound * Burst.Capacity)
            {
                throw new InvalidOperationException($"{arrived} packets arrived of {2 * BurstsPerRound * Burst.Capacity}.");
            }

            if (round >= 0)
            {
                Outward(outward, a.Clock);
                Inward(inward, b.Clock);
                outward.Add("whole", whole * 1e9 / Stopwatch.Frequency);
                outward.EndRound();
                inward.EndRound();
            }
        }

        outward.Write();
        inward.Write();
    }

    private static void Move(MemoryEnd end)
    {
        end.Clock.On = true;
        end.Clock.Pass(Mark.Begin);
        end.Worker.Pass();
        end.Clock.Pass(Mark.End);
    }

    private static void Outward(Table table, StageClock clock)
    {
        table.Add("begin", clock.Between(Mark.Begin, Mark.InnerReceive));
        table.Add("receive", clock.Between(Mark.InnerReceive, Mark.InnerReceived));
        table.Add("route", clock.Between(Mark.InnerReceived, Mark.Cipher));
        table.Add("aead", clock.Between(Mark.Cipher, Mark.Ciphered));
        table.Add("seal-end", clock.Between(Mark.Ciphered, Mark.Send));
        table.Add("send", clock.Between(Mark.Send, Mark.Sent));
        table.Add("account", clock.Between(Mark.Sent, Mark.OuterReceive));
        table.Add("other", clock.Between(Mark.OuterReceive, Mark.OuterReceived) + clock.Between(Mark.OuterReceived, Mark.End));
    }

    private static void Inward(Table table, StageClock clock)
    {
        table.Add("begin", clock.Between(Mark.Begin, Mark.InnerReceive));
        table.Add("other", clock.Between(Mark.InnerReceive, Mark.InnerReceived) + clock.Between(Mark.InnerReceived, Mark.OuterReceive));
        table.Add("receive", clock.Between(Mark.OuterReceive, Mark.OuterReceived));
        table.Add("classify", clock.Between(Mark.OuterReceived, Mark.Cipher));
        table.Add("aead", clock.Between(Mark.Cipher, Mark.Ciphered));
        table.Add("accept", clock.Between(Mark.Ciphered, Mark.Send));
        table.Add("send", clock.Between(Mark.Send, Mark.Sent));
        table.Add("account", clock.Between(Mark.Sent, Mark.End));
    }

    /// <summary>Figures of one direction and size, a list of rounds each.</summary>
    private sealed class Table(string name, TextWriter output)
    {
        private readonly Dictionary<string, List<double>> _rounds = [];
        private double _rest;

        public void Add(string stage, double nanoseconds)
        {
            double each = nanoseconds / (BurstsPerRound * Burst.Capacity);
            Note(stage, each);
            _rest += stage is "aead" or "whole" ? 0 : each;
        }

        public void EndRound()
        {
            Note("rest", _rest);
            _rest = 0;
        }

        public void Write()
        {
            foreach ((string stage, List<double> rounds) in _rounds)
            {
                rounds.Sort();
                output.WriteLine(string.Create(CultureInfo.InvariantCulture, $"stage-{name}-{stage} {rounds[rounds.Count / 2]:F2}"));
            }
        }

        private void Note(string stage, double each)
        {
            if (!_rounds.TryGetValue(stage, out List<double>? rounds))
            {
                _rounds[stage] = rounds = [];
            }

            rounds.Add(each);
        }
    }
}

using System.Globalization;
using TunnelBox.Crypto;

namespace TunnelBox.Benchmarks.Scaling;

/// <summary>
/// Two workers against one, on one fat tunnel and on 16, between ports in memory, held against two sealing processes that share nothing but the machine;
/// and by a model, what the measured times mean for more processors.
/// </summary>
internal static class ScalingBenchmark
{
    private const double Wanted = 0.9;

    /// <summary>Measures in alternating rounds and writes a line of JSON a figure: name, value, unit, and what is wanted: at least 0.9, exactly 0, or null.</summary>
    /// <param name="quick">Whether a short look is enough.</param>
    /// <param name="output">Where the lines go.</param>
    public static void Run(bool quick, TextWriter output)
    {
        int rounds = quick ? 3 : 9;
        int milliseconds = quick ? 100 : 200;
        using var sealer = new Hub(1);
        using var opener = new Hub(2);
        Hub[] far = [.. Enumerable.Range(0, 16).Select(i => new Hub((ushort)(1000 + i)))];
        Hub[] near = [.. Enumerable.Range(0, 16).Select(i => new Hub((ushort)(2000 + i)))];
        Array.ForEach(far, end => Hub.Join(end, sealer));
        SealedPackets[] sessions = [.. near.Select(end => Session(opener, end, near.Length, null))];
        using var fat = new Hub(4);
        using var fatSender = new Hub(4000);
        SealedPackets fatSession = Session(fat, fatSender, 1, null);
        using var plain = new Hub(3);
        using var plainSender = new Hub(3000);
        SealedPackets plainSession = Session(plain, plainSender, 1, new PlainAead());
        using var first = new SealingProcess();
        using var second = new SealingProcess();
        string[] names = ["one-process", "two-processes", "seal-fat-1", "seal-fat-2", "seal-16-1", "seal-16-2", "open-fat-1", "open-fat-2", "open-16-1", "open-16-2", "serial"];
        Lineup[] lineups =
        [
            Lineup.Sealing(sealer, [far[0]], 1), Lineup.Sealing(sealer, [far[0]], 2), Lineup.Sealing(sealer, far, 1), Lineup.Sealing(sealer, far, 2),
            Lineup.Opening(fat, [fatSession], 1), Lineup.Opening(fat, [fatSession], 2), Lineup.Opening(opener, sessions, 1), Lineup.Opening(opener, sessions, 2),
            Lineup.Opening(plain, [plainSession], 1, new PlainAead()),
        ];
        double[][] spent = [.. lineups.Select(_ => new double[rounds])];
        double[][] rates = [.. names.Select(_ => new double[rounds])];
        for (int round = -1; round < rounds; round++)
        {
            double[] now = [One(first, milliseconds), Two(first, second, milliseconds), .. lineups.Select(lineup => lineup.Rate(milliseconds))];
            for (int i = 0; round >= 0 && i < now.Length; i++)
            {
                rates[i][round] = now[i];
            }

            for (int i = 0; round >= 0 && i < lineups.Length; i++)
            {
                spent[i][round] = lineups[i].ProcessorTime;
            }
        }

        for (int i = 0; i < names.Length; i++)
        {
            Write(output, $"rate-{names[i]}", Median(rates[i]), "packets/s", null);
        }

        for (int i = 0; i < lineups.Length; i++)
        {
            Write(output, $"processor-{names[i + 2]}", Median(spent[i]), "ns/packet", null);
        }

        double[] yardstick = Ratios(rates[1], rates[0]);
        Write(output, "scaling-two-processes", Median(yardstick), "of one", null);
        for (int i = 2; i < 10; i += 2)
        {
            double[] scaling = Ratios(rates[i + 1], rates[i]);
            double[] held = Ratios(scaling, yardstick);
            string name = names[i][..^2];
            Write(output, $"scaling-{name}", Median(scaling), "of one worker", null);
            Write(output, $"scaling-{name}-held", Median(held), "of two processes' scaling", Wanted);
            Write(output, $"scaling-{name}-held-least", held.Min(), "of two processes' scaling", null);
            Write(output, $"scaling-{name}-held-most", held.Max(), "of two processes' scaling", null);
        }

        Write(output, "blocks-helped", lineups[5].Helped, "blocks", null);
        Write(output, "packets-opened", lineups.Sum(lineup => lineup.Moved), "packets", null);
        Write(output, "packets-reordered", lineups.Sum(lineup => lineup.Reordered), "packets", 0);
        var model = new ScalingModel(
            1e9 / Median(rates[2]), 1e9 / Median(rates[6]), 1e9 / Median(rates[10]), HandOver.Block() / DataPath.Burst.Capacity, HandOver.Add() / DataPath.Burst.Capacity);
        Write(output, "time-seal", model.Seal, "ns/packet", null);
        Write(output, "time-open", model.Open, "ns/packet", null);
        Write(output, "time-open-serial", model.Serial, "ns/packet", null);
        Write(output, "time-hand-over", model.HandOver, "ns/packet", null);
        Write(output, "time-shared-counter", model.Add, "ns/packet", null);
        foreach (int processors in (ReadOnlySpan<int>)[4, 8, 16, 32])
        {
            Write(output, $"model-seal-fat-{processors}", model.SealFat(processors), "of one worker", null);
            Write(output, $"model-open-fat-{processors}", model.OpenFat(processors), "of one worker", null);
            Write(output, $"model-seal-16-{processors}", model.SealMany(processors, 16), "of one worker", null);
            Write(output, $"model-open-16-{processors}", model.OpenMany(processors, 16), "of one worker", null);
        }

        Array.ForEach(lineups, lineup => lineup.Dispose());
        Array.ForEach(far, end => end.Dispose());
        Array.ForEach(near, end => end.Dispose());
    }

    private static SealedPackets Session(Hub opener, Hub sender, int sessions, IPacketAead? aead)
    {
        Hub.Join(opener, sender);
        return new SealedPackets(sender, opener, opener.Peers[^1], sessions, aead);
    }

    private static double One(SealingProcess process, int milliseconds)
    {
        process.Ask(milliseconds);
        return process.Answer();
    }

    private static double Two(SealingProcess first, SealingProcess second, int milliseconds)
    {
        first.Ask(milliseconds);
        second.Ask(milliseconds);
        return first.Answer() + second.Answer();
    }

    private static double[] Ratios(double[] over, double[] under) => [.. over.Zip(under, static (a, b) => a / b)];

    private static double Median(double[] values)
    {
        double[] sorted = [.. values.Order()];
        return sorted[sorted.Length / 2];
    }

    private static void Write(TextWriter output, string name, double value, string unit, double? wanted) => output.WriteLine(string.Create(
        CultureInfo.InvariantCulture,
        $$"""{"name":"{{name}}","value":{{Math.Round(value, value < 100 ? 3 : 0)}},"unit":"{{unit}}","wanted":{{(wanted is { } number ? number.ToString(CultureInfo.InvariantCulture) : "null")}}}"""));
}

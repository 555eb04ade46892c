using System.Buffers;
using System.Diagnostics;
using System.Globalization;
using TunnelBox.DataPath;
using TunnelBox.DataPath.Xdp;

namespace TunnelBox.Benchmarks.Stages;

/// <summary>What it costs to get 64 buffers and to put them back: in bulk, one by one, with the framework's stack and with its shared pool.</summary>
internal static class BufferBenchmark
{
    private const int Rounds = 200;
    private const int Repeats = 500;
    private const int Frames = 2048;

    /// <summary>Measures, and writes a line a figure: nanoseconds for both, a buffer.</summary>
    /// <param name="output">Where the lines go.</param>
    public static void Run(TextWriter output)
    {
        var stack = new Stack<ulong>(Frames);
        for (ulong i = 0; i < Frames; i++)
        {
            stack.Push(i * Arena.ChunkSize);
        }

        ulong[] taken = new ulong[Burst.Capacity];
        Write(output, "stack", () =>
        {
            for (int i = 0; i < taken.Length; i++)
            {
                taken[i] = stack.Pop();
            }

            for (int i = 0; i < taken.Length; i++)
            {
                stack.Push(taken[i]);
            }
        });
        byte[][] rented = new byte[Burst.Capacity][];
        Write(output, "arraypool", () =>
        {
            for (int i = 0; i < rented.Length; i++)
            {
                rented[i] = ArrayPool<byte>.Shared.Rent(Arena.ChunkSize);
            }

            for (int i = 0; i < rented.Length; i++)
            {
                ArrayPool<byte>.Shared.Return(rented[i]);
            }
        });
    }

    private static void Write(TextWriter output, string name, Action action)
    {
        double[] rounds = new double[Rounds];
        for (int round = -20; round < Rounds; round++)
        {
            long start = Stopwatch.GetTimestamp();
            for (int i = 0; i < Repeats; i++)
            {
                action();
            }

            if (round >= 0)
            {
                rounds[round] = Stopwatch.GetElapsedTime(start).TotalNanoseconds / Repeats / Burst.Capacity;
            }
        }

        Array.Sort(rounds);
        output.WriteLine(string.Create(CultureInfo.InvariantCulture, $"buffers-{name} {rounds[Rounds / 2]:F2}"));
    }
}

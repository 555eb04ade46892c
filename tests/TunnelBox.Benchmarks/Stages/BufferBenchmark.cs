using System.Buffers;
using System.Diagnostics;
using System.Globalization;
using TunnelBox.DataPath;
using TunnelBox.DataPath.Xdp;

namespace TunnelBox.Benchmarks.Stages;

/// <summary>What it costs to get 64 buffers and to put them back: through the rings of a queue, with the framework's stack, and with its shared pool.</summary>
internal static class BufferBenchmark
{
    private const int Rounds = 200;
    private const int Repeats = 500;
    private const int Frames = 2048;

    /// <summary>Measures, and writes a line a figure: nanoseconds for both, a buffer.</summary>
    /// <param name="output">Where the lines go.</param>
    public static void Run(TextWriter output)
    {
        Queue(output);
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

    // What lies between, transmitting, is not counted: only the getting of 64 and the taking back of 64.
    private static unsafe void Queue(TextWriter output)
    {
        using Arena arena = Arena.Map(2 * Frames);
        FrameSet frames = arena.Rent(Frames)!;
        using var device = new MemoryDevice(arena, Frames, frames.Receiving);
        using var queue = new XdpQueue(arena, device.Socket, 1, frames);
        ulong[] taken = new ulong[Burst.Capacity];
        double[] rounds = new double[Rounds];
        for (int round = -20; round < Rounds; round++)
        {
            long ticks = 0;
            for (int repeat = 0; repeat < Repeats; repeat++)
            {
                long start = Stopwatch.GetTimestamp();
                for (int i = 0; i < taken.Length; i++)
                {
                    if (queue.Take(out taken[i]) is null)
                    {
                        throw new InvalidOperationException("There is no frame left.");
                    }
                }

                ticks += Stopwatch.GetTimestamp() - start;
                for (int i = 0; i < taken.Length; i++)
                {
                    queue.Add(taken[i], 42, 80);
                }

                queue.Flush();
                if (device.Leave() != taken.Length)
                {
                    throw new InvalidOperationException("Frames were lost.");
                }

                start = Stopwatch.GetTimestamp();
                queue.Reclaim();
                ticks += Stopwatch.GetTimestamp() - start;
            }

            if (round >= 0)
            {
                rounds[round] = ticks * 1e9 / Stopwatch.Frequency / Repeats / Burst.Capacity;
            }
        }

        Print(output, "queue", rounds);
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

        Print(output, name, rounds);
    }

    private static void Print(TextWriter output, string name, double[] rounds)
    {
        Array.Sort(rounds);
        output.WriteLine(string.Create(CultureInfo.InvariantCulture, $"buffers-{name} {rounds[Rounds / 2]:F2}"));
    }
}

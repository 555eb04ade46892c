using System.Runtime.InteropServices;
using TunnelBox.Crypto;

namespace TunnelBox.Benchmarks;

/// <summary>CPU time a packet of libsodium's cipher in bursts of 64 under one key.</summary>
public static unsafe class AeadBenchmark
{
    private const int Burst = 64;
    private const int Rounds = 25;

    /// <summary>Measures, and writes one line a size: the medians of sealing and of opening.</summary>
    /// <param name="output">Where the lines go.</param>
    public static void Run(TextWriter output)
    {
        ArgumentNullException.ThrowIfNull(output);
        using KeyArena arena = new();
        KeyHandle key = arena.Rent();
        new SodiumRandom().Fill(KeyArena.DangerousGetSpan(key));
        SodiumAead aead = new();
        byte* memory = (byte*)NativeMemory.AllocZeroed(Burst * 4096);
        byte* opened = (byte*)NativeMemory.AllocZeroed(Burst * 4096);
        try
        {
            foreach (int length in (int[])[64, 256, 512, 1420])
            {
                AeadJob[] seal = new AeadJob[Burst];
                AeadJob[] open = new AeadJob[Burst];
                for (int i = 0; i < Burst; i++)
                {
                    nint plain = (nint)(memory + (i * 4096));
                    nint cipher = plain + 2048;
                    seal[i] = new AeadJob { Source = plain, Destination = cipher, Key = key, Counter = (ulong)i, Length = length };
                    open[i] = new AeadJob { Source = cipher, Destination = (nint)(opened + (i * 4096)), Key = key, Counter = (ulong)i, Length = length };
                }

                double sealing = Measure(() => aead.Seal(seal));
                double opening = Measure(() => aead.Open(open));
                if (!open.All(job => job.Opened))
                {
                    throw new InvalidOperationException("A packet did not open, so the figure would mean nothing.");
                }

                output.WriteLine($"{aead.Name} {length} B: seal {sealing:F0} ns, open {opening:F0} ns a packet");
            }
        }
        finally
        {
            NativeMemory.Free(memory);
            NativeMemory.Free(opened);
        }
    }

    private static double Measure(Action burst)
    {
        List<double> times = [];
        for (int round = 0; round <= Rounds; round++)
        {
            TimeSpan start = Environment.CpuUsage.TotalTime;
            for (int i = 0; i < 50; i++)
            {
                burst();
            }

            times.Add((Environment.CpuUsage.TotalTime - start).TotalNanoseconds / (50 * Burst));
        }

        return times.Skip(1).Order().ElementAt(Rounds / 2);
    }
}

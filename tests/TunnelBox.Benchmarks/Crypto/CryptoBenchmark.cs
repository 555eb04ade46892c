using System.Diagnostics;
using TunnelBox.Crypto;
using TunnelBox.Crypto.Batch;

namespace TunnelBox.Benchmarks.Crypto;

/// <summary>
/// Our batched engines against the native libraries, in one process: for each case all engines take turns, round after
/// round, a few milliseconds each, so that a change of the machine's speed hits all alike.
/// </summary>
/// <remarks>
/// A run of a case is void, and made again, when the reference's median exceeds its best by more than a tenth: then the
/// machine was disturbed. A machine that is never quiet leaves only such runs: after some voids they count, and the figure
/// says how many of them it rests on. The ratio of a run is the reference's median / ours; the figure is the median of the runs.
/// </remarks>
internal sealed class CryptoBenchmark
{
    private const int Rounds = 15;
    private const double SecondsATurn = 0.002;
    private const int MostVoid = 10;

    private readonly int _runs;
    private readonly bool _voids;
    private readonly BatchCall _oracle;
    private readonly List<(string Name, BatchCall Call)> _natives = [];

    /// <summary>Prepares the natives.</summary>
    /// <param name="library">The loaded library.</param>
    /// <param name="form">The form of libipsec-mb: 0 best, 2 AVX2.</param>
    /// <param name="runs">Runs of each case.</param>
    /// <param name="voids">Whether disturbed runs are void; with a loaded neighbour every run is disturbed.</param>
    public CryptoBenchmark(NativeAead library, int form, int runs, bool voids)
    {
        _runs = runs;
        _voids = voids;
        nint manager = library.OpenMultiBuffer(form);
        Description = library.Describe(manager);
        _oracle = library.Plain("sodium_batch");
        _natives.Add(("ipsec-mb job", library.Managed("imb_job_batch", manager)));
        _natives.Add(("ipsec-mb burst", library.Managed("imb_burst_batch", manager)));
        if (form == 0)
        {
            _natives.Add(("ipsec-mb no IFMA", library.Managed("imb_job_batch", library.OpenMultiBuffer(1))));
        }

        _natives.Add(("OpenSSL", library.Plain("openssl_batch")));
        _natives.Add(("libsodium", _oracle));
    }

    /// <summary>Gets the versions and forms of what is compared.</summary>
    public string Description { get; }

    /// <summary>Measures a case.</summary>
    /// <param name="what">The case.</param>
    /// <param name="ours">The engine of ours, by name.</param>
    /// <param name="references">The natives that it is held against; the fastest of them counts.</param>
    /// <returns>What was found.</returns>
    public CryptoFigure Measure(CryptoCase what, string ours, Func<string, bool> references)
    {
        using CryptoEngines engines = new(what, _oracle);
        IPacketAead aead = PacketAead.Select(ours).Create();
        try
        {
            List<(string Name, Func<int> Once)> all = [(ours, engines.Bind(aead))];
            all.AddRange(_natives.Where(native => references(native.Name)).Select(native => (native.Name, engines.Bind(native.Call))));
            Agree(what, engines, all);
            int[] repeats = [.. all.Select(engine => Calibrate(engine.Once))];
            List<CryptoRun> runs = [];
            int voided = 0;
            while (runs.Count < _runs)
            {
                CryptoRun run = Run(what, all, repeats);
                if (_voids && voided < MostVoid && run.IsDisturbed)
                {
                    voided++;
                    continue;
                }

                runs.Add(run);
            }

            return new CryptoFigure(what, ours, runs, voided);
        }
        finally
        {
            (aead as IDisposable)?.Dispose();
        }
    }

    private static CryptoRun Run(CryptoCase what, List<(string Name, Func<int> Once)> all, int[] repeats)
    {
        double[][] times = [.. all.Select(_ => new double[Rounds])];
        for (int round = 0; round < Rounds; round++)
        {
            for (int e = 0; e < all.Count; e++)
            {
                // Half a turn that is not timed, for every engine alike: what the one before left, such as the clock that a processor
                // lends to narrower or wider instructions, is that engine's doing.
                _ = Turn(all[e].Once, Math.Max(1, repeats[e] / 2));
                times[e][round] = Turn(all[e].Once, repeats[e]) * 1e9 / what.Lengths.Length;
            }
        }

        foreach (double[] series in times)
        {
            Array.Sort(series);
        }

        return new CryptoRun([.. all.Select((engine, e) => new EngineTime(engine.Name, times[e][0], times[e][Rounds / 2]))]);
    }

    // Every engine must give the same bytes before its speed means anything.
    private static void Agree(CryptoCase what, CryptoEngines engines, List<(string Name, Func<int> Once)> all)
    {
        UInt128? expected = null;
        foreach ((string name, Func<int> once) in all)
        {
            engines.Spoil();
            int wrong = once();
            UInt128 result = engines.Result();
            expected ??= result;
            if (wrong != 0 || result != expected)
            {
                throw new InvalidOperationException($"{what.Name}: {name} gave another result than {all[0].Name} ({wrong} packets refused); its speed means nothing.");
            }
        }
    }

    private static int Calibrate(Func<int> once)
    {
        int repeats = 1;
        while (true)
        {
            double seconds = Turn(once, repeats) * repeats;
            if (seconds >= SecondsATurn / 2)
            {
                return Math.Max(1, (int)(repeats * SecondsATurn / seconds));
            }

            repeats *= 2;
        }
    }

    /// <summary>Does a case several times and gives the seconds of one.</summary>
    private static double Turn(Func<int> once, int repeats)
    {
        long start = Stopwatch.GetTimestamp();
        for (int i = 0; i < repeats; i++)
        {
            _ = once();
        }

        return Stopwatch.GetElapsedTime(start).TotalSeconds / repeats;
    }
}

/// <summary>What one engine took in one run.</summary>
/// <param name="Name">The engine.</param>
/// <param name="Best">Its best round, nanoseconds a packet.</param>
/// <param name="Median">Its median round, nanoseconds a packet.</param>
internal sealed record EngineTime(string Name, double Best, double Median);

/// <summary>One run of one case: our engine first, then the natives.</summary>
/// <param name="Times">What each engine took.</param>
internal sealed record CryptoRun(IReadOnlyList<EngineTime> Times)
{
    /// <summary>The name of the native that shows what a processor without IFMA would bring against us; it never is the reference.</summary>
    public const string WithoutIfma = "ipsec-mb no IFMA";

    private const double MostDisturbed = 1.10;

    /// <summary>Gets a value indicating whether something disturbed the machine: the reference's median exceeds its best by more than a tenth.</summary>
    public bool IsDisturbed => ReferenceMedian > MostDisturbed * ReferenceBest;

    /// <summary>Gets the fastest native by its median.</summary>
    public EngineTime Reference => Times.Skip(1).Where(time => time.Name != WithoutIfma).MinBy(time => time.Median)!;

    /// <summary>Gets the reference's median, nanoseconds a packet.</summary>
    public double ReferenceMedian => Reference.Median;

    /// <summary>Gets the reference's best, nanoseconds a packet.</summary>
    public double ReferenceBest => Reference.Best;

    /// <summary>Gets the reference's median / ours.</summary>
    public double Ratio => ReferenceMedian / Times[0].Median;

    /// <summary>Gets the ratio against the best native with its IFMA forms off, or null where that was not measured.</summary>
    public double? RatioWithoutIfma => Times.Any(time => time.Name == WithoutIfma)
        ? Times.Skip(1).Where(time => !time.Name.StartsWith("ipsec-mb", StringComparison.Ordinal) || time.Name == WithoutIfma).Min(time => time.Median) / Times[0].Median
        : null;
}

namespace TunnelBox.Benchmarks.Crypto;

/// <summary>A case with all its runs.</summary>
/// <param name="What">The case.</param>
/// <param name="Ours">The name of our engine.</param>
/// <param name="Runs">The runs that count.</param>
/// <param name="Voided">Runs that were void.</param>
internal sealed record CryptoFigure(CryptoCase What, string Ours, IReadOnlyList<CryptoRun> Runs, int Voided)
{
    /// <summary>Gets how many of the runs that count were disturbed: more than none means that the figure is not sound.</summary>
    public int Disturbed => Runs.Count(run => run.IsDisturbed);

    /// <summary>Gets the median of the runs' ratios.</summary>
    public double Ratio => Median(Runs.Select(run => run.Ratio));

    /// <summary>Gets the median ratio against natives without IFMA, or null.</summary>
    public double? RatioWithoutIfma => Runs[0].RatioWithoutIfma is null ? null : Median(Runs.Select(run => run.RatioWithoutIfma!.Value));

    /// <summary>Gets our nanoseconds a packet: the median of the runs' medians.</summary>
    public double OursMedian => Median(Runs.Select(run => run.Times[0].Median));

    /// <summary>Gets our best, nanoseconds a packet.</summary>
    public double OursBest => Runs.Min(run => run.Times[0].Best);

    /// <summary>Gets the best native's nanoseconds a packet: the median of the runs' medians.</summary>
    public double TheirsMedian => Median(Runs.Select(run => run.ReferenceMedian));

    /// <summary>Gets the best native's best, nanoseconds a packet.</summary>
    public double TheirsBest => Runs.Min(run => run.ReferenceBest);

    /// <summary>Gets the native that was fastest most often.</summary>
    public string Reference => Runs.GroupBy(run => run.Reference.Name).MaxBy(group => group.Count())!.Key;

    /// <summary>Gives a native's median of medians.</summary>
    /// <param name="name">The native.</param>
    /// <returns>Nanoseconds a packet, or null where it was not measured.</returns>
    public double? Time(string name)
    {
        double[] times = [.. Runs.SelectMany(run => run.Times.Skip(1)).Where(time => time.Name == name).Select(time => time.Median)];
        return times.Length == 0 ? null : Median(times);
    }

    private static double Median(IEnumerable<double> values)
    {
        double[] sorted = [.. values.Order()];
        int middle = sorted.Length / 2;
        return sorted.Length % 2 == 1 ? sorted[middle] : (sorted[middle - 1] + sorted[middle]) / 2;
    }
}

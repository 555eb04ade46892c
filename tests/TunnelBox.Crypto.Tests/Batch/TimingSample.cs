namespace TunnelBox.Crypto.Tests.Batch;

/// <summary>
/// Times of two classes of input and the question whether they differ: Welch's t over the samples as they are and over
/// those below several percentiles, since what disturbs a machine lengthens the upper tail of both classes
/// (Reparaz, Balasch, Verbauwhede: "Dude, is my code constant time?", 2017, section III).
/// </summary>
internal sealed class TimingSample
{
    private static readonly double[] Percentiles = [0.5, 0.75, 0.9, 0.97, 0.995, 1];

    private readonly long[] _ticks;
    private readonly bool[] _second;
    private int _count;

    /// <summary>Makes room.</summary>
    /// <param name="capacity">Samples of both classes together.</param>
    public TimingSample(int capacity)
    {
        _ticks = new long[capacity];
        _second = new bool[capacity];
    }

    /// <summary>Adds a sample.</summary>
    /// <param name="second">Whether it is of the second class.</param>
    /// <param name="ticks">What it took.</param>
    public void Add(bool second, long ticks)
    {
        _second[_count] = second;
        _ticks[_count++] = ticks;
    }

    /// <summary>Gives the greatest |t| of all croppings.</summary>
    /// <returns>Below about 5 where the classes take the same time; above 10 is taken as a leak.</returns>
    public double GreatestT()
    {
        long[] sorted = _ticks[.._count];
        Array.Sort(sorted);
        double greatest = 0;
        foreach (double percentile in Percentiles)
        {
            greatest = Math.Max(greatest, Math.Abs(Welch(sorted[(int)(percentile * (_count - 1))])));
        }

        return greatest;
    }

    private double Welch(long most)
    {
        // Welford's running mean and sum of squared differences, one pair a class.
        (double N, double Mean, double Squares) first = default;
        (double N, double Mean, double Squares) second = default;
        for (int i = 0; i < _count; i++)
        {
            if (_ticks[i] <= most)
            {
                ref (double N, double Mean, double Squares) sum = ref _second[i] ? ref second : ref first;
                sum.N++;
                double difference = _ticks[i] - sum.Mean;
                sum.Mean += difference / sum.N;
                sum.Squares += difference * (_ticks[i] - sum.Mean);
            }
        }

        double error = (first.Squares / (first.N - 1) / first.N) + (second.Squares / (second.N - 1) / second.N);
        return error > 0 ? (first.Mean - second.Mean) / Math.Sqrt(error) : 0;
    }
}

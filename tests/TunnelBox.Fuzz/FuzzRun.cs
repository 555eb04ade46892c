using System.Diagnostics;

namespace TunnelBox.Fuzz;

/// <summary>Runs one target for a time: first its corpus, then inputs of a seed.</summary>
/// <param name="target">The target.</param>
/// <param name="coverage">What sees the branches that inputs take; made before the target.</param>
/// <param name="seed">Gives the same inputs again.</param>
/// <param name="folder">Where found inputs are written.</param>
/// <param name="say">Told what happens.</param>
/// <param name="most">How many different finds end the run.</param>
internal sealed class FuzzRun(FuzzTarget target, Coverage coverage, int seed, string folder, Action<string> say, int most = 5)
{
    private const int PoolSize = 1024;
    private static readonly TimeSpan s_patience = TimeSpan.FromSeconds(5);

    private readonly List<byte[]> _pool = [];
    private TimeSpan _processor;
    private readonly HashSet<int> _outcomes = [];
    private readonly HashSet<string> _finds = new(StringComparer.Ordinal);

    /// <summary>Gets the inputs that did something new.</summary>
    public IReadOnlyList<byte[]> Pool => _pool;

    /// <summary>Runs.</summary>
    /// <param name="corpus">Inputs to begin with.</param>
    /// <param name="seconds">For how long, by the clock; 0 for the corpus alone.</param>
    /// <returns>What came of it.</returns>
    public FuzzResult Run(IReadOnlyList<byte[]> corpus, double seconds)
    {
        long inputs = 0;
        TimeSpan processor = Environment.CpuUsage.TotalTime;
        long start = Stopwatch.GetTimestamp();
        foreach (byte[] input in corpus.Concat(target.Seeds))
        {
            _ = Execute(input, inputs++);
            _pool.Add(input);
        }

        var random = new Random(seed);
        while (_finds.Count < most && Stopwatch.GetElapsedTime(start).TotalSeconds < seconds)
        {
            _processor = Environment.CpuUsage.TotalTime;
            for (int i = 0; i < 16; i++)
            {
                byte[] input = target.Make(random, _pool);
                if (Execute(input, inputs++))
                {
                    Keep(random, input);
                }
            }
        }

        TimeSpan wall = Stopwatch.GetElapsedTime(start);
        return new FuzzResult(
            target.Name, seed, inputs, wall.TotalSeconds, (Environment.CpuUsage.TotalTime - processor).TotalSeconds, coverage.Branches, _outcomes.Count, [.. _finds]);
    }

    private void Keep(Random random, byte[] input)
    {
        if (_pool.Count < PoolSize)
        {
            _pool.Add(input);
        }
        else
        {
            _pool[random.Next(PoolSize)] = input;
        }
    }

    private bool Execute(byte[] input, long number)
    {
        coverage.Clear();
        long start = Stopwatch.GetTimestamp();
        try
        {
            bool other = _outcomes.Add(target.Run(input));
            // Waiting for a processor is not the input's fault.
            FuzzFind.Unless(Stopwatch.GetElapsedTime(start) < s_patience || Environment.CpuUsage.TotalTime - _processor < s_patience, "An input takes no longer than 5 s.");
            return coverage.IsNew() | other;
        }
        catch (Exception e)
        {
            Found(input, number, e);
            return false;
        }
    }

    private void Found(byte[] input, long number, Exception e)
    {
        string where = e.StackTrace?.Split('\n').FirstOrDefault(line => !line.Contains("FuzzFind", StringComparison.Ordinal))?.Trim() ?? string.Empty;
        if (!_finds.Add($"{e.GetType().Name}: {e.Message.Split('\n')[0]}"))
        {
            return;
        }

        string path = Path.Combine(folder, $"{target.Name}-{seed}-{number}");
        File.WriteAllBytes(path, input);
        say($"FOUND by {target.Name}, input {number} of SEED={seed}: {e.GetType().Name}: {e.Message}\n  {where}\n  input: {path}\n  again: INPUT={path} TARGET={target.Name} make fuzz\n{e.StackTrace}");
    }
}

/// <summary>What came of a run.</summary>
/// <param name="Target">Its target.</param>
/// <param name="Seed">Its seed.</param>
/// <param name="Inputs">Inputs in all.</param>
/// <param name="Seconds">Seconds by the clock.</param>
/// <param name="CpuSeconds">Seconds of processor time.</param>
/// <param name="Branches">Branches of the product that were taken; 0 where they are not counted.</param>
/// <param name="Outcomes">Different outcomes.</param>
/// <param name="Finds">What was found.</param>
internal sealed record FuzzResult(string Target, int Seed, long Inputs, double Seconds, double CpuSeconds, int Branches, int Outcomes, IReadOnlyList<string> Finds);

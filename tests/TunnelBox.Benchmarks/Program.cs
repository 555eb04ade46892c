namespace TunnelBox.Benchmarks;

/// <summary>What runs in process and needs no network: each benchmark prints one "NAME VALUE" line a figure, for scripts to read.</summary>
internal static class Program
{
    /// <summary>Runs the benchmark that is named.</summary>
    /// <param name="arguments">Its name, then what it takes.</param>
    /// <returns>0 done, 2 wrong usage.</returns>
    public static int Main(string[] arguments)
    {
        switch (arguments)
        {
            case ["handshakes"]:
                HandshakeBenchmark.Run(seconds: 2);
                return 0;
            case ["handshakes", var seconds] when double.TryParse(seconds, out double value) && value > 0:
                HandshakeBenchmark.Run(value);
                return 0;
            default:
                Console.Error.WriteLine("usage: TunnelBox.Benchmarks handshakes [SECONDS]");
                return 2;
        }
    }
}

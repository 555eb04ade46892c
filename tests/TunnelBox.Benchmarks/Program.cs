using System.Globalization;
using TunnelBox.Benchmarks;
using TunnelBox.Benchmarks.Crypto;

switch (args)
{
    case ["handshakes"]:
        HandshakeBenchmark.Run(Console.Out);
        return 0;
    case ["ports"]:
        PortBenchmark.Run(Console.Out);
        return 0;
    case ["crypto", var shim, var file, "quiet" or "loaded" or "narrow", var runs]:
        CryptoReport.Run(shim, file, args[3], int.Parse(runs, CultureInfo.InvariantCulture), Console.Out);
        return 0;
    default:
        Console.Error.WriteLine("Usage: TunnelBox.Benchmarks handshakes|ports|crypto SHIM FILE quiet|loaded|narrow RUNS");
        return 2;
}

using System.Globalization;
using TunnelBox.Benchmarks;
using TunnelBox.Benchmarks.Crypto;
using TunnelBox.Benchmarks.Scaling;
using TunnelBox.Benchmarks.Stages;

switch (args)
{
    case ["handshakes"]:
        HandshakeBenchmark.Run(Console.Out);
        return 0;
    case ["ports"]:
        PortBenchmark.Run(Console.Out);
        return 0;
    case ["passes", "off" or "drops" or "full"]:
        PassBenchmark.Run(args[1], null, Console.Out);
        return 0;
    case ["passes", "off" or "drops" or "full", "turns"]:
        PassBenchmark.Run(args[1], Console.In, Console.Out);
        return 0;
    case ["stages", .. var sizes]:
        StageBenchmark.Run(Console.Out, [.. sizes.Select(size => int.Parse(size, CultureInfo.InvariantCulture))]);
        return 0;
    case ["scaling"] or ["scaling", "quick"]:
        ScalingBenchmark.Run(args.Length == 2, Console.Out);
        return 0;
    case ["sealing"]:
        SealingProcess.Serve(Console.In, Console.Out);
        return 0;
    case ["flood", var address, var port, var rate, var seconds]:
        Flood.Run(address, int.Parse(port, CultureInfo.InvariantCulture), int.Parse(rate, CultureInfo.InvariantCulture), int.Parse(seconds, CultureInfo.InvariantCulture));
        return 0;
    case ["steering", "map", var file]:
        SteeringBenchmark.RunMap(file, Console.Out);
        return 0;
    case ["steering", "tc", var device, var count, var batch]:
        SteeringBenchmark.RunTrafficControl(device, int.Parse(count, CultureInfo.InvariantCulture), batch, Console.Out);
        return 0;
    case ["steering", "keys", var keys]:
        HandshakeProbe.WriteKeys(int.Parse(keys, CultureInfo.InvariantCulture), Console.Out);
        return 0;
    case ["steering", "initiation", var responder]:
        HandshakeProbe.WriteInitiation(responder, Console.Out);
        return 0;
    case ["steering", "handshakes", var to, var at, var whose, var peers]:
        HandshakeProbe.Run(to, int.Parse(at, CultureInfo.InvariantCulture), whose, int.Parse(peers, CultureInfo.InvariantCulture), Console.Out);
        return 0;
    case ["load", "crowd", var to, var at, var whose, var peers, var addresses]:
        Crowd.Connect(to, int.Parse(at, CultureInfo.InvariantCulture), whose, int.Parse(peers, CultureInfo.InvariantCulture), int.Parse(addresses, CultureInfo.InvariantCulture), Console.Out);
        return 0;
    case ["load", "rekey", var to, var at, var whose, var seconds]:
        Crowd.Rekey(to, int.Parse(at, CultureInfo.InvariantCulture), whose, int.Parse(seconds, CultureInfo.InvariantCulture), Console.Out);
        return 0;
    case ["steering", "tables", var device]:
        SteeringBenchmark.HoldTables(device);
        return 0;
    case ["crypto", var shim, var file, "quiet" or "loaded" or "narrow", var runs]:
        CryptoReport.Run(shim, file, args[3], int.Parse(runs, CultureInfo.InvariantCulture), Console.Out);
        return 0;
    default:
        Console.Error.WriteLine("Usage: TunnelBox.Benchmarks handshakes|ports|passes off|drops|full [turns]|stages SIZE...|scaling [quick]|sealing|flood ADDRESS PORT RATE SECONDS|steering map FILE|steering tc DEVICE COUNT FILE|steering tables DEVICE|steering keys COUNT|steering initiation KEY|steering handshakes ADDRESS PORT KEY COUNT|load crowd ADDRESS PORT KEY COUNT ADDRESSES|load rekey ADDRESS PORT KEY SECONDS|crypto SHIM FILE quiet|loaded|narrow RUNS");
        return 2;
}

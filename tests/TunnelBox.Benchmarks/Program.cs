using TunnelBox.Benchmarks;

switch (args)
{
    case ["handshakes"]:
        HandshakeBenchmark.Run(Console.Out);
        return 0;
    case ["aead"]:
        AeadBenchmark.Run(Console.Out);
        return 0;
    case ["ports"]:
        PortBenchmark.Run(Console.Out);
        return 0;
    default:
        Console.Error.WriteLine("Usage: TunnelBox.Benchmarks handshakes|aead|ports");
        return 2;
}

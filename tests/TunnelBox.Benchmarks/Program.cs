using TunnelBox.Benchmarks;

switch (args)
{
    case ["handshake"]:
        HandshakeBenchmark.Run(Console.Out);
        return 0;
    case ["aead"]:
        AeadBenchmark.Run(Console.Out);
        return 0;
    default:
        Console.Error.WriteLine("Usage: TunnelBox.Benchmarks handshake|aead");
        return 2;
}

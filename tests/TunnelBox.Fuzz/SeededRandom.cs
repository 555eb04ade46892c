using TunnelBox.Crypto;

namespace TunnelBox.Fuzz;

/// <summary>The product's random numbers, the same in every run: a find must come again.</summary>
/// <param name="seed">The seed.</param>
internal sealed class SeededRandom(int seed) : RandomSource
{
    private readonly Random _random = new(seed);

    /// <inheritdoc/>
    public override void Fill(Span<byte> destination) => _random.NextBytes(destination);
}

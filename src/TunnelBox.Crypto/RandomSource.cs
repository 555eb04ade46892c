using System.Runtime.InteropServices;
using TunnelBox.Crypto.Sodium;

namespace TunnelBox.Crypto;

/// <summary>Where randomness comes from; injected, so that a test can repeat a handshake byte for byte. Implementations are thread-safe.</summary>
public abstract class RandomSource
{
    /// <summary>Fills a span with random bytes fit for keys.</summary>
    /// <param name="destination">The bytes to fill.</param>
    public abstract void Fill(Span<byte> destination);

    /// <summary>Draws a number from all 2^32, for session indices.</summary>
    /// <returns>The number.</returns>
    public uint NextUInt32()
    {
        uint value = 0;
        Fill(MemoryMarshal.AsBytes(new Span<uint>(ref value)));
        return value;
    }
}

/// <summary>The kernel's generator, through libsodium.</summary>
public sealed unsafe class SodiumRandom : RandomSource
{
    /// <summary>Prepares libsodium.</summary>
    /// <exception cref="CryptoUnavailableException">libsodium is missing.</exception>
    public SodiumRandom() => Libsodium.EnsureInitialised();

    /// <inheritdoc/>
    public override void Fill(Span<byte> destination)
    {
        fixed (byte* p = destination)
        {
            Libsodium.randombytes_buf(p, (nuint)destination.Length);
        }
    }
}

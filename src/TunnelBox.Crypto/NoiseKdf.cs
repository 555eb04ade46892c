using System.Security.Cryptography;

namespace TunnelBox.Crypto;

/// <summary>
/// HMAC-BLAKE2s (RFC 2104) and Noise's HKDF over it: KDF1, KDF2 and KDF3 of the WireGuard paper, section 5.4. Outputs may
/// lie on inputs; temporaries are wiped.
/// </summary>
public static class NoiseKdf
{
    /// <summary>Bytes in a key and in every output.</summary>
    public const int Size = 32;

    private const byte InnerPad = 0x36;
    private const byte OuterPad = 0x5C;

    /// <summary>Computes HMAC-BLAKE2s.</summary>
    /// <param name="key">At most 64 bytes.</param>
    /// <param name="data">The bytes to authenticate.</param>
    /// <param name="destination">Exactly 32 bytes.</param>
    public static void Hmac(ReadOnlySpan<byte> key, ReadOnlySpan<byte> data, Span<byte> destination)
    {
        Start(out Blake2s inner, key, InnerPad);
        Start(out Blake2s outer, key, OuterPad);
        End(ref inner, ref outer, data, destination);
    }

    /// <summary>(t1) = KDF1(key, input).</summary>
    /// <param name="key">32 bytes: the chaining key.</param>
    /// <param name="input">The bytes to mix in.</param>
    /// <param name="t1">32 bytes.</param>
    public static void Kdf1(ReadOnlySpan<byte> key, ReadOnlySpan<byte> input, Span<byte> t1) => Derive(key, input, t1, [], []);

    /// <summary>(t1, t2) = KDF2(key, input).</summary>
    /// <param name="key">32 bytes: the chaining key.</param>
    /// <param name="input">The bytes to mix in.</param>
    /// <param name="t1">32 bytes.</param>
    /// <param name="t2">32 bytes.</param>
    public static void Kdf2(ReadOnlySpan<byte> key, ReadOnlySpan<byte> input, Span<byte> t1, Span<byte> t2) =>
        Derive(key, input, t1, t2, []);

    /// <summary>(t1, t2, t3) = KDF3(key, input).</summary>
    /// <param name="key">32 bytes: the chaining key.</param>
    /// <param name="input">The bytes to mix in.</param>
    /// <param name="t1">32 bytes.</param>
    /// <param name="t2">32 bytes.</param>
    /// <param name="t3">32 bytes.</param>
    public static void Kdf3(ReadOnlySpan<byte> key, ReadOnlySpan<byte> input, Span<byte> t1, Span<byte> t2, Span<byte> t3) =>
        Derive(key, input, t1, t2, t3);

    private static void Derive(ReadOnlySpan<byte> key, ReadOnlySpan<byte> input, Span<byte> t1, Span<byte> t2, Span<byte> t3)
    {
        // T0 = HMAC(key, input); Ti = HMAC(T0, T(i−1) || i). The two pads of T0 are hashed once for all outputs.
        Span<byte> secret = stackalloc byte[Size];
        Span<byte> previous = stackalloc byte[Size + 1];
        Hmac(key, input, secret);
        Start(out Blake2s inner, secret, InnerPad);
        Start(out Blake2s outer, secret, OuterPad);
        inner.CompressFullBlock();
        outer.CompressFullBlock();

        previous[0] = 1;
        Step(in inner, in outer, previous[..1], t1);
        if (!t2.IsEmpty)
        {
            t1.CopyTo(previous);
            previous[Size] = 2;
            Step(in inner, in outer, previous, t2);
        }

        if (!t3.IsEmpty)
        {
            t2.CopyTo(previous);
            previous[Size] = 3;
            Step(in inner, in outer, previous, t3);
        }

        inner.Wipe();
        outer.Wipe();
        CryptographicOperations.ZeroMemory(secret);
        CryptographicOperations.ZeroMemory(previous);
    }

    private static void Step(in Blake2s innerStart, in Blake2s outerStart, ReadOnlySpan<byte> data, Span<byte> destination)
    {
        Blake2s inner = innerStart;
        Blake2s outer = outerStart;
        End(ref inner, ref outer, data, destination);
    }

    // By reference, since a value returned would leave a copy of the secret state behind.
    private static void Start(out Blake2s hash, ReadOnlySpan<byte> key, byte pad)
    {
        Span<byte> block = stackalloc byte[Blake2s.BlockSize];
        block.Fill(pad);
        for (int i = 0; i < key.Length; i++)
        {
            block[i] ^= key[i];
        }

        hash = new Blake2s(Blake2s.HashSize);
        hash.Update(block);
        CryptographicOperations.ZeroMemory(block);
    }

    private static void End(ref Blake2s inner, ref Blake2s outer, ReadOnlySpan<byte> data, Span<byte> destination)
    {
        Span<byte> digest = stackalloc byte[Size];
        inner.Update(data);
        inner.Finish(digest);
        outer.Update(digest);
        outer.Finish(destination);
        CryptographicOperations.ZeroMemory(digest);
    }
}

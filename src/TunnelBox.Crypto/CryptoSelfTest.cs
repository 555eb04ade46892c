namespace TunnelBox.Crypto;

/// <summary>Checks every primitive against a published answer once at start, so that a wrong build never touches a packet.</summary>
public static class CryptoSelfTest
{
    /// <summary>Runs all checks; about a millisecond once the code is compiled.</summary>
    /// <exception cref="CryptoUnavailableException">A primitive is missing or gives a wrong answer.</exception>
    public static void Run()
    {
        Sodium.Libsodium.EnsureInitialised();
        Check(Blake2sIsRight(), "BLAKE2s");
        Check(Curve25519IsRight(), "X25519");
        Check(ChaChaPolyIsRight(), "ChaCha20-Poly1305");
        Check(XChaChaPolyIsRight(), "XChaCha20-Poly1305");
    }

    private static void Check(bool right, string primitive)
    {
        if (!right)
        {
            throw new CryptoUnavailableException($"{primitive} gives wrong answers on this machine: reinstall TunnelBox and libsodium23.");
        }
    }

    // RFC 7693, appendix E: the hash of hashes over all short lengths, plain and keyed.
    private static bool Blake2sIsRight()
    {
        ReadOnlySpan<byte> expected =
        [
            0x6A, 0x41, 0x1F, 0x08, 0xCE, 0x25, 0xAD, 0xCD, 0xFB, 0x02, 0xAB, 0xA6, 0x41, 0x45, 0x1C, 0xEC,
            0x53, 0xC5, 0x98, 0xB2, 0x4F, 0x4F, 0xC7, 0x87, 0xFB, 0xDC, 0x88, 0x79, 0x7F, 0x4C, 0x1D, 0xFE,
        ];
        ReadOnlySpan<int> outputSizes = [16, 20, 28, 32];
        ReadOnlySpan<int> inputSizes = [0, 3, 64, 65, 255, 1024];
        Span<byte> input = stackalloc byte[1024];
        Span<byte> key = stackalloc byte[Blake2s.HashSize];
        Span<byte> output = stackalloc byte[Blake2s.HashSize];
        Blake2s all = new(Blake2s.HashSize);
        foreach (int outputSize in outputSizes)
        {
            foreach (int inputSize in inputSizes)
            {
                FillSequence(input[..inputSize], (uint)inputSize);
                Blake2s plain = new(outputSize);
                plain.Update(input[..inputSize]);
                plain.Finish(output[..outputSize]);
                all.Update(output[..outputSize]);

                FillSequence(key[..outputSize], (uint)outputSize);
                Blake2s.Mac(key[..outputSize], input[..inputSize], output[..outputSize]);
                all.Update(output[..outputSize]);
            }
        }

        all.Finish(output);
        return output.SequenceEqual(expected);
    }

    private static void FillSequence(Span<byte> bytes, uint seed)
    {
        uint a = 0xDEAD4BAD * seed;
        uint b = 1;
        foreach (ref byte value in bytes)
        {
            uint t = a + b;
            a = b;
            b = t;
            value = (byte)(t >> 24);
        }
    }

    // RFC 7748, section 6.1.
    private static bool Curve25519IsRight()
    {
        ReadOnlySpan<byte> alice =
        [
            0x77, 0x07, 0x6D, 0x0A, 0x73, 0x18, 0xA5, 0x7D, 0x3C, 0x16, 0xC1, 0x72, 0x51, 0xB2, 0x66, 0x45,
            0xDF, 0x4C, 0x2F, 0x87, 0xEB, 0xC0, 0x99, 0x2A, 0xB1, 0x77, 0xFB, 0xA5, 0x1D, 0xB9, 0x2C, 0x2A,
        ];
        ReadOnlySpan<byte> alicePublic =
        [
            0x85, 0x20, 0xF0, 0x09, 0x89, 0x30, 0xA7, 0x54, 0x74, 0x8B, 0x7D, 0xDC, 0xB4, 0x3E, 0xF7, 0x5A,
            0x0D, 0xBF, 0x3A, 0x0D, 0x26, 0x38, 0x1A, 0xF4, 0xEB, 0xA4, 0xA9, 0x8E, 0xAA, 0x9B, 0x4E, 0x6A,
        ];
        ReadOnlySpan<byte> bobPublic =
        [
            0xDE, 0x9E, 0xDB, 0x7D, 0x7B, 0x7D, 0xC1, 0xB4, 0xD3, 0x5B, 0x61, 0xC2, 0xEC, 0xE4, 0x35, 0x37,
            0x3F, 0x83, 0x43, 0xC8, 0x5B, 0x78, 0x67, 0x4D, 0xAD, 0xFC, 0x7E, 0x14, 0x6F, 0x88, 0x2B, 0x4F,
        ];
        ReadOnlySpan<byte> shared =
        [
            0x4A, 0x5D, 0x9D, 0x5B, 0xA4, 0xCE, 0x2D, 0xE1, 0x72, 0x8E, 0x3B, 0xF4, 0x80, 0x35, 0x0F, 0x25,
            0xE0, 0x7E, 0x21, 0xC9, 0x47, 0xD1, 0x9E, 0x33, 0x76, 0xF0, 0x9B, 0x3C, 0x1E, 0x16, 0x17, 0x42,
        ];
        Span<byte> secret = stackalloc byte[Curve25519.Size];
        return Curve25519.GetPublicKey(alice) == new PublicKey(alicePublic)
            && Curve25519.TryGetSharedSecret(alice, new PublicKey(bobPublic), secret)
            && secret.SequenceEqual(shared)
            && !Curve25519.TryGetSharedSecret(alice, default, secret);
    }

    // RFC 8439, section 2.8.2: the first block of ciphertext and the tag.
    private static bool ChaChaPolyIsRight()
    {
        ReadOnlySpan<byte> nonce = [0x07, 0, 0, 0, 0x40, 0x41, 0x42, 0x43, 0x44, 0x45, 0x46, 0x47];
        ReadOnlySpan<byte> associatedData = [0x50, 0x51, 0x52, 0x53, 0xC0, 0xC1, 0xC2, 0xC3, 0xC4, 0xC5, 0xC6, 0xC7];
        ReadOnlySpan<byte> plaintext =
            "Ladies and Gentlemen of the class of '99: If I could offer you only one tip for the future, sunscreen would be it."u8;
        ReadOnlySpan<byte> firstBytes = [0xD3, 0x1A, 0x8D, 0x34, 0x64, 0x8E, 0x60, 0xDB, 0x7B, 0x86, 0xAF, 0xBC, 0x53, 0xEF, 0x7E, 0xC2];
        ReadOnlySpan<byte> tag = [0x1A, 0xE1, 0x0B, 0x59, 0x4F, 0x09, 0xE2, 0x6A, 0x7E, 0x90, 0x2E, 0xCB, 0xD0, 0x60, 0x06, 0x91];
        Span<byte> key = stackalloc byte[ChaChaPoly.KeySize];
        for (int i = 0; i < key.Length; i++)
        {
            key[i] = (byte)(0x80 + i);
        }

        Span<byte> output = stackalloc byte[plaintext.Length + ChaChaPoly.TagSize];
        Span<byte> opened = stackalloc byte[plaintext.Length];
        ChaChaPoly.Seal(key, nonce, associatedData, plaintext, output);
        bool right = output[..16].SequenceEqual(firstBytes) && output[^16..].SequenceEqual(tag)
            && ChaChaPoly.TryOpen(key, nonce, associatedData, output, opened) && opened.SequenceEqual(plaintext);
        output[5] ^= 1;
        return right && !ChaChaPoly.TryOpen(key, nonce, associatedData, output, opened);
    }

    // draft-irtf-cfrg-xchacha-03, appendix A.3.1: the first block of ciphertext and the tag.
    private static bool XChaChaPolyIsRight()
    {
        ReadOnlySpan<byte> associatedData = [0x50, 0x51, 0x52, 0x53, 0xC0, 0xC1, 0xC2, 0xC3, 0xC4, 0xC5, 0xC6, 0xC7];
        ReadOnlySpan<byte> plaintext =
            "Ladies and Gentlemen of the class of '99: If I could offer you only one tip for the future, sunscreen would be it."u8;
        ReadOnlySpan<byte> firstBytes = [0xBD, 0x6D, 0x17, 0x9D, 0x3E, 0x83, 0xD4, 0x3B, 0x95, 0x76, 0x57, 0x94, 0x93, 0xC0, 0xE9, 0x39];
        ReadOnlySpan<byte> tag = [0xC0, 0x87, 0x59, 0x24, 0xC1, 0xC7, 0x98, 0x79, 0x47, 0xDE, 0xAF, 0xD8, 0x78, 0x0A, 0xCF, 0x49];
        Span<byte> key = stackalloc byte[XChaChaPoly.KeySize];
        Span<byte> nonce = stackalloc byte[XChaChaPoly.NonceSize];
        for (int i = 0; i < key.Length; i++)
        {
            key[i] = (byte)(0x80 + i);
        }

        for (int i = 0; i < nonce.Length; i++)
        {
            nonce[i] = (byte)(0x40 + i);
        }

        Span<byte> output = stackalloc byte[plaintext.Length + XChaChaPoly.TagSize];
        Span<byte> opened = stackalloc byte[plaintext.Length];
        XChaChaPoly.Seal(key, nonce, associatedData, plaintext, output);
        return output[..16].SequenceEqual(firstBytes) && output[^16..].SequenceEqual(tag)
            && XChaChaPoly.TryOpen(key, nonce, associatedData, output, opened) && opened.SequenceEqual(plaintext);
    }
}

using TunnelBox.Crypto;

namespace TunnelBox.Protocol.Tests;

public sealed class SymmetricStateTests
{
    // Noise_IKpsk2_25519_ChaChaPoly_BLAKE2s of the vectors that the Noise implementations share (cacophony.txt).
    private static readonly byte[] Prologue = Convert.FromHexString("4a6f686e2047616c74");
    private static readonly byte[] Psk = Convert.FromHexString("54686973206973206d7920417573747269616e20706572737065637469766521");
    private static readonly byte[] InitiatorStatic = Convert.FromHexString("e61ef9919cde45dd5f82166404bd08e38bceb5dfdfded0a34c8df7ed542214d1");
    private static readonly byte[] InitiatorEphemeral = Convert.FromHexString("893e28b9dc6ca8d611ab664754b8ceb7bac5117349a4439a6b0569da977c464a");
    private static readonly byte[] ResponderStatic = Convert.FromHexString("4a3acbfdb163dec651dfa3194dece676d437029c62a408b4c5ea9114246e4893");
    private static readonly byte[] ResponderEphemeral = Convert.FromHexString("bbdb4cdbd309f1a1f2e1456967fe288cadd6f712d65dc7b7793d5e63da6b375b");

    private static readonly (string Payload, string Ciphertext)[] Messages =
    [
        ("4c756477696720766f6e204d69736573", "ca35def5ae56cec33dc2036731ab14896bc4c75dbb07a61f879f8e3afa4c7944001e21de9f98ddd8e2ad57527207feb56253c9c94a9e496782ecfcb2a75fbcaf1b52948cc48daefe660c62119ab5000980c84831215f2441eba616548e832985464cf17e51ee93109008399a21f7e13f"),
        ("4d757272617920526f746862617264", "95ebc60d2b1fa672c1f46a8aa265ef51bfe38e7ccb39ec5be34069f144808843cb765f2caef0751b8f007572dab0322217755c0632f365717edbf34d33e87a"),
        ("462e20412e20486179656b", "8153ca9833bc3c1b91a7e66e5f4d4f5b59bf9e64c2f20d15f0bba7"),
        ("4361726c204d656e676572", "07af0c9c86e1b4e80f36b04ff7688d51141af3debd0332f0a705ef"),
        ("4a65616e2d426170746973746520536179", "6ab1467c0448cc78394494abaaf23afce0e234315d6e2624dcbfa8a21c1c4d073d"),
        ("457567656e2042f6686d20766f6e2042617765726b", "dfc346c0d2296ae6cf1acf6f12b8456a1dba228cf8d8b774aacf1c47fc53aa80ebc7a4c292"),
    ];

    [Fact]
    public void The_initiator_gives_the_published_vector()
    {
        using KeyArena arena = new();
        KeyHandle psk = arena.Rent(Psk);
        SymmetricState noise = Start();

        // -> e, es, s, ss
        Span<byte> ephemeral = new byte[32];
        Public(InitiatorEphemeral).CopyTo(ephemeral);
        noise.MixEphemeral(ephemeral);
        Assert.True(noise.TryMixSharedSecret(InitiatorEphemeral, Public(ResponderStatic)));
        byte[] sealedStatic = new byte[48];
        noise.Seal(Bytes(Public(InitiatorStatic)), sealedStatic);
        Assert.True(noise.TryMixSharedSecret(InitiatorStatic, Public(ResponderStatic)));
        Assert.Equal(Messages[0].Ciphertext, Hex([.. ephemeral, .. sealedStatic, .. Seal(noise, 0)]));

        // <- e, ee, se, psk
        byte[] response = Convert.FromHexString(Messages[1].Ciphertext);
        noise.MixEphemeral(response.AsSpan(0, 32));
        Assert.True(noise.TryChainSharedSecret(InitiatorEphemeral, new PublicKey(response.AsSpan(0, 32))));
        Assert.True(noise.TryChainSharedSecret(InitiatorStatic, new PublicKey(response.AsSpan(0, 32))));
        noise.MixPresharedKey(psk);
        byte[] payload = new byte[response.Length - 48];
        Assert.True(noise.TryOpen(response.AsSpan(32), payload));
        Assert.Equal(Messages[1].Payload, Hex(payload));
        CheckTransport(noise);
    }

    [Fact]
    public void The_responder_gives_the_published_vector()
    {
        using KeyArena arena = new();
        KeyHandle psk = arena.Rent(Psk);
        SymmetricState noise = Start();
        byte[] initiation = Convert.FromHexString(Messages[0].Ciphertext);
        PublicKey remoteEphemeral = new(initiation.AsSpan(0, 32));
        noise.MixEphemeral(initiation.AsSpan(0, 32));
        Assert.True(noise.TryMixSharedSecret(ResponderStatic, remoteEphemeral));
        byte[] remote = new byte[32];
        Assert.True(noise.TryOpen(initiation.AsSpan(32, 48), remote));
        PublicKey remoteStatic = new(remote);
        Assert.Equal(Public(InitiatorStatic), remoteStatic);
        Assert.True(noise.TryMixSharedSecret(ResponderStatic, remoteStatic));
        byte[] payload = new byte[initiation.Length - 96];
        Assert.True(noise.TryOpen(initiation.AsSpan(80), payload));
        Assert.Equal(Messages[0].Payload, Hex(payload));

        Span<byte> ephemeral = new byte[32];
        Public(ResponderEphemeral).CopyTo(ephemeral);
        noise.MixEphemeral(ephemeral);
        Assert.True(noise.TryChainSharedSecret(ResponderEphemeral, remoteEphemeral));
        Assert.True(noise.TryChainSharedSecret(ResponderEphemeral, remoteStatic));
        noise.MixPresharedKey(psk);
        Assert.Equal(Messages[1].Ciphertext, Hex([.. ephemeral, .. Seal(noise, 1)]));
        CheckTransport(noise);
    }

    [Fact]
    public void A_wrong_part_leaves_the_hash_as_it_was()
    {
        SymmetricState noise = Start();
        noise.MixKey("key"u8);
        byte[] hash = noise.Hash.ToArray();
        Assert.False(noise.TryOpen(new byte[20], new byte[4]));
        Assert.Equal(hash, noise.Hash.ToArray());
    }

    private static SymmetricState Start()
    {
        byte[] hash = new byte[32];
        Blake2s.Hash("Noise_IKpsk2_25519_ChaChaPoly_BLAKE2s"u8, hash);
        Blake2s.Hash(hash, Prologue, hash);
        Blake2s.Hash(hash, Bytes(Public(ResponderStatic)), hash);
        SymmetricState noise = new(new byte[SymmetricState.Size]);
        noise.Start(hash);
        return noise;
    }

    private static void CheckTransport(SymmetricState noise)
    {
        byte[][] keys = [new byte[32], new byte[32]];
        NoiseKdf.Kdf2(noise.ChainingKey, [], keys[0], keys[1]);
        for (int i = 2; i < Messages.Length; i++)
        {
            byte[] payload = Convert.FromHexString(Messages[i].Payload);
            byte[] output = new byte[payload.Length + 16];
            ChaChaPoly.Seal(keys[i % 2], (ulong)((i - 2) / 2), [], payload, output);
            Assert.Equal(Messages[i].Ciphertext, Hex(output));
        }
    }

    private static byte[] Seal(SymmetricState noise, int message)
    {
        byte[] payload = Convert.FromHexString(Messages[message].Payload);
        byte[] output = new byte[payload.Length + 16];
        noise.Seal(payload, output);
        return output;
    }

    private static PublicKey Public(byte[] privateKey) => Curve25519.GetPublicKey(privateKey);

    private static byte[] Bytes(PublicKey key)
    {
        byte[] bytes = new byte[32];
        key.CopyTo(bytes);
        return bytes;
    }

    private static string Hex(byte[] bytes) => Convert.ToHexStringLower(bytes);
}

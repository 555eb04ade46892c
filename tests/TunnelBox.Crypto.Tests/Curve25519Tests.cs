namespace TunnelBox.Crypto.Tests;

public sealed class Curve25519Tests
{
    /// <summary>Every encoding of a point of low order below 2^255, then the same with the top bit that RFC 7748 ignores.</summary>
    public static readonly TheoryData<string> LowOrderPoints = new(
        "0000000000000000000000000000000000000000000000000000000000000000",
        "0100000000000000000000000000000000000000000000000000000000000000",
        "e0eb7a7c3b41b8ae1656e3faf19fc46ada098deb9c32b1fd866205165f49b800",
        "5f9c95bca3508c24b1d0b1559c83ef5b04445cc4581c8e86d8224eddd09f1157",
        "ecffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
        "edffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
        "eeffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
        "0000000000000000000000000000000000000000000000000000000000000080",
        "0100000000000000000000000000000000000000000000000000000000000080",
        "e0eb7a7c3b41b8ae1656e3faf19fc46ada098deb9c32b1fd866205165f49b880",
        "5f9c95bca3508c24b1d0b1559c83ef5b04445cc4581c8e86d8224eddd09f11d7",
        "ecffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff",
        "edffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff",
        "eeffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff");

    // RFC 7748, section 5.2.
    [Theory]
    [InlineData(
        "a546e36bf0527c9d3b16154b82465edd62144c0ac1fc5a18506a2244ba449ac4",
        "e6db6867583030db3594c1a424b15f7c726624ec26b3353b10a903a6d0ab1c4c",
        "c3da55379de9c6908e94ea4df28d084f32eccf03491c71f754b4075577a28552")]
    [InlineData(
        "4b66e9d4d1b4673c5ad22691957d6af5c11b6421e0ea01d42ca4169e7918ba0d",
        "e5210f12786811d3f4b7959d0538ae2c31dbe7106fc03c3efc4cd549c715a493",
        "95cbde9476e8907d7aade45cb4b873f88b595a68799fa152e6f8f7647aac7957")]
    public void Gives_the_vectors_of_RFC_7748(string scalar, string point, string expected)
    {
        byte[] secret = new byte[32];
        Assert.True(Curve25519.TryGetSharedSecret(Convert.FromHexString(scalar), Key(point), secret));
        Assert.Equal(expected, Convert.ToHexStringLower(secret));
    }

    [Fact]
    public void A_thousand_iterations_give_the_vector_of_RFC_7748()
    {
        byte[] k = new byte[32];
        byte[] u = new byte[32];
        k[0] = u[0] = 9;
        for (int i = 0; i < 1000; i++)
        {
            byte[] next = new byte[32];
            Assert.True(Curve25519.TryGetSharedSecret(k, new PublicKey(u), next));
            u = k;
            k = next;
        }

        Assert.Equal("684cf59ba83309552800ef566f2f4d3c1c3887c49360e3875f2eb94d99532c51", Convert.ToHexStringLower(k));
    }

    [Fact]
    public void Both_sides_of_RFC_7748_section_6_agree()
    {
        byte[] alice = Convert.FromHexString("77076d0a7318a57d3c16c17251b26645df4c2f87ebc0992ab177fba51db92c2a");
        byte[] bob = Convert.FromHexString("5dab087e624a8a4b79e17f8b83800ee66f3bb1292618b6fd1c2f8b27ff88e0eb");
        byte[] a = new byte[32], b = new byte[32];
        Assert.Equal("8520f0098930a754748b7ddcb43ef75a0dbf3a0d26381af4eba4a98eaa9b4e6a", Curve25519.GetPublicKey(alice).ToHex());
        Assert.Equal("de9edb7d7b7dc1b4d35b61c2ece435373f8343c85b78674dadfc7e146f882b4f", Curve25519.GetPublicKey(bob).ToHex());
        Assert.True(Curve25519.TryGetSharedSecret(alice, Curve25519.GetPublicKey(bob), a));
        Assert.True(Curve25519.TryGetSharedSecret(bob, Curve25519.GetPublicKey(alice), b));
        Assert.Equal("4a5d9d5ba4ce2de1728e3bf480350f25e07e21c947d19e3376f09b3c1e161742", Convert.ToHexStringLower(a));
        Assert.Equal(a, b);
    }

    [Theory]
    [MemberData(nameof(LowOrderPoints))]
    public void Points_of_low_order_are_refused_and_leave_zeros(string point)
    {
        byte[] privateKey = new byte[32];
        Curve25519.GeneratePrivateKey(new SodiumRandom(), privateKey);
        byte[] secret = new byte[32];
        secret.AsSpan().Fill(0xAA);
        Assert.False(Curve25519.TryGetSharedSecret(privateKey, Key(point), secret));
        Assert.Equal(new byte[32], secret);
    }

    [Fact]
    public void Generated_keys_are_clamped_and_differ()
    {
        SodiumRandom random = new();
        byte[] first = new byte[32], second = new byte[32];
        Curve25519.GeneratePrivateKey(random, first);
        Curve25519.GeneratePrivateKey(random, second);
        Assert.NotEqual(first, second);
        Assert.Equal(0, first[0] & 7);
        Assert.Equal(64, first[31] & 192);
    }

    [Fact]
    public void Clamping_changes_the_bytes_but_not_the_public_key()
    {
        byte[] key = new byte[32];
        key.AsSpan().Fill(0xFF);
        PublicKey before = Curve25519.GetPublicKey(key);
        Curve25519.Clamp(key);
        Assert.Equal(0xF8, key[0]);
        Assert.Equal(0x7F, key[31]);
        Assert.Equal(before, Curve25519.GetPublicKey(key));
    }

    private static PublicKey Key(string hex) => new(Convert.FromHexString(hex));
}

namespace TunnelBox.Protocol.Tests;

public sealed class SipHashTests
{
    /// <summary>The authors' reference vector for the input 00 01 … 07 under the key 00 01 … 0f.</summary>
    [Fact]
    public void The_reference_vector_of_eight_bytes_comes_out()
    {
        byte[] key = [0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15];
        Assert.Equal(0x93f5f5799a932462UL, new SipHash(key).Hash(0x0706050403020100));
    }

    [Fact]
    public void Every_key_hashes_differently() => Assert.NotEqual(SipHash.Create().Hash(1), SipHash.Create().Hash(1));
}

using TunnelBox.Crypto;

namespace TunnelBox.Protocol.Tests;

public sealed class IdentityTests
{
    [Fact]
    public void The_private_key_is_clamped_and_can_be_read_back()
    {
        using KeyArena arena = new();
        byte[] key = new byte[32];
        key.AsSpan().Fill(0xFF);
        using Identity identity = new(arena, key);
        byte[] read = new byte[32];
        identity.CopyPrivateKey(read);
        Assert.Equal(0xF8, read[0]);
        Assert.Equal(0x7F, read[31]);
        Assert.Equal(Curve25519.GetPublicKey(read), identity.PublicKey);
    }

    [Fact]
    public void Disposing_wipes_the_key()
    {
        using KeyArena arena = new();
        Identity identity = new(arena, new byte[32]);
        KeyHandle place = identity.PrivateKey;
        Assert.Equal(1, arena.Count);
        identity.Dispose();
        identity.Dispose();
        Assert.Equal(0, arena.Count);
        Assert.Equal(new byte[32], HandshakeFixture.Bytes(place));
        Assert.Throws<ObjectDisposedException>(() => identity.CopyPrivateKey(new byte[32]));
    }
}

namespace TunnelBox.Crypto.Tests;

public sealed class CryptoSelfTestTests
{
    [Fact]
    public void Every_primitive_is_right() => CryptoSelfTest.Run();
}

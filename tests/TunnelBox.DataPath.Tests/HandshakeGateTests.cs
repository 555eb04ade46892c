using TunnelBox.Protocol;
using TunnelBox.Visibility;

namespace TunnelBox.DataPath.Tests;

/// <summary>What a handshake message must pass before it costs anything.</summary>
public sealed class HandshakeGateTests : TwoNodes
{
    [Fact]
    public void Under_load_only_a_proven_address_gets_a_handshake()
    {
        Join(null);
        byte[] flood = new byte[InitiationMessage.Size];
        for (int i = 0; i < Limits.UnderLoadQueueLength; i++)
        {
            Assert.True(B.Queue.TryAdd(flood, A.Address, default));
        }

        Assert.True(B.Queue.IsUnderLoad(Clock.Nanoseconds));
        Send(A, InnerPackets.IPv4("10.0.0.1", "10.0.0.2"));
        A.Step();
        A.Step();
        B.Worker.Pass();
        Assert.Equal(1, B.Drops(DropReason.InHandshakeCookieSent));
        A.Step();
        A.Step();
        Assert.Contains(TunnelEvent.CookieReceived, A.Events);
        Clock.Advance(0.9);
        Settle();
        Assert.Empty(B.Delivered);
        for (int i = 0; i < Limits.UnderLoadQueueLength; i++)
        {
            B.Queue.TryAdd(flood, A.Address, default);
        }

        Clock.Advance(4.5);
        A.Step();
        B.Worker.Pass();
        Settle();
        Assert.Single(B.Delivered);
        Assert.Equal(1, B.Drops(DropReason.InHandshakeCookieSent));
    }
}

using TunnelBox.Visibility;

namespace TunnelBox.Protocol.Tests;

public sealed class InitiationOpenerTests
{
    [Fact]
    public void A_changed_byte_anywhere_is_refused_and_the_peer_untouched()
    {
        using HandshakeFixture f = new();
        byte[] initiation = f.Initiate();
        foreach (int i in Enumerable.Range(0, 116).Where(i => i is < 4 or > 7))
        {
            initiation[i] ^= 0x10;
            Assert.Equal(DropReason.InHandshakeInvalid, f.Receive(initiation));
            Assert.Equal(HandshakeState.None, f.ToInitiator.State);
            Assert.Equal(default, f.ToInitiator.LastTimestamp);
            initiation[i] ^= 0x10;
        }

        Assert.Equal(DropReason.InHandshakeInvalid, f.Receive(initiation[..147]));
        Assert.Equal(DropReason.InHandshakeInvalid, f.Receive([.. initiation, 0]));
        Assert.Equal(DropReason.InHandshakeInvalid, f.Receive([]));
        Assert.Equal(DropReason.None, f.Receive(initiation));
    }

    [Fact]
    public void A_replayed_or_older_stamp_is_refused_and_a_running_answer_untouched()
    {
        using HandshakeFixture f = new();
        Tai64n stamp = new(0x4000000000000100, 500);
        byte[] first = f.Initiate(stamp);
        byte[] same = f.Initiate(stamp);
        byte[] older = f.Initiate(stamp with { Nanoseconds = 499 });
        byte[] newer = f.Initiate(stamp with { Nanoseconds = 501 });
        Assert.Equal(DropReason.None, f.Receive(first));
        _ = f.Respond();
        foreach (byte[] message in (byte[][])[first, same, older])
        {
            Assert.Equal(DropReason.InHandshakeReplay, f.Receive(message));
            Assert.Equal(HandshakeState.ResponseSent, f.ToInitiator.State);
            Assert.Equal(stamp, f.ToInitiator.LastTimestamp);
        }

        Assert.Equal(DropReason.None, f.Receive(newer));
        // The stamp outlives the handshake.
        f.ToInitiator.Clear();
        Assert.Equal(DropReason.InHandshakeReplay, f.Receive(newer));
    }

    [Fact]
    public void Fifty_initiations_a_second_pass_and_no_more()
    {
        using HandshakeFixture f = new();
        int passed = 0;
        // Every 5 ms from a time that is not 0, also just before the clock's sign would matter.
        for (int i = 0; i < 200; i++)
        {
            Assert.Equal(DropReason.None, f.Opener.Open(f.Responder, f.Initiate()));
            DropReason reason = f.Opener.Accept(f.ToInitiator, -Limits.Second + (i * 5 * Limits.Millisecond));
            Assert.True(reason is DropReason.None or DropReason.InHandshakePeerFlood);
            passed += reason == DropReason.None ? 1 : 0;
        }

        Assert.Equal(50, passed);
    }

    [Fact]
    public void A_flood_does_not_move_the_stamp()
    {
        using HandshakeFixture f = new();
        Assert.Equal(DropReason.None, f.Opener.Open(f.Responder, f.Initiate()));
        Assert.Equal(DropReason.None, f.Opener.Accept(f.ToInitiator, 0));
        byte[] early = f.Initiate();
        Assert.Equal(DropReason.None, f.Opener.Open(f.Responder, early));
        Assert.Equal(DropReason.InHandshakePeerFlood, f.Opener.Accept(f.ToInitiator, Limits.InitiationInterval - 1));
        Assert.Equal(DropReason.None, f.Opener.Open(f.Responder, early));
        Assert.Equal(DropReason.None, f.Opener.Accept(f.ToInitiator, Limits.InitiationInterval));
    }

    [Fact]
    public void An_opened_initiation_is_accepted_once_and_by_its_own_peer_only()
    {
        using HandshakeFixture f = new();
        using Identity stranger = f.NewIdentity();
        using Handshake other = new(f.Arena, stranger.PublicKey);
        Assert.Equal(DropReason.InHandshakeInvalid, f.Opener.Accept(f.ToInitiator, 0));
        byte[] initiation = f.Initiate();
        Assert.Equal(DropReason.None, f.Opener.Open(f.Responder, initiation));
        Assert.Equal(HandshakeFixture.InitiatorIndex, f.Opener.SenderIndex);
        Assert.Equal(DropReason.InHandshakeInvalid, f.Opener.Accept(other, 0));
        Assert.Equal(DropReason.None, f.Opener.Accept(f.ToInitiator, 0));
        Assert.Equal(DropReason.InHandshakeInvalid, f.Opener.Accept(f.ToInitiator, Limits.Second));
        Assert.Equal(DropReason.None, f.Opener.Open(f.Responder, initiation));
        f.Opener.Discard();
        Assert.Equal(DropReason.InHandshakeInvalid, f.Opener.Accept(f.ToInitiator, Limits.Second));
    }

    [Fact]
    public void An_initiation_to_somebody_else_does_not_open()
    {
        using HandshakeFixture f = new();
        using Identity somebody = f.NewIdentity();
        Assert.Equal(DropReason.InHandshakeInvalid, f.Opener.Open(somebody, f.Initiate()));
    }

    [Fact]
    public void Disposing_returns_the_secrets()
    {
        using HandshakeFixture f = new();
        int before = f.Arena.Count;
        InitiationOpener opener = new(f.Arena);
        Assert.Equal(before + 2, f.Arena.Count);
        opener.Dispose();
        opener.Dispose();
        Assert.Equal(before, f.Arena.Count);
    }
}

using System.Net;
using TunnelBox.Crypto;

namespace TunnelBox.Protocol.Tests;

public sealed class CookieTests : IDisposable
{
    private static readonly EndpointAddress From = EndpointAddress.From(new IPEndPoint(IPAddress.Parse("192.0.2.1"), 51820));

    private readonly HandshakeFixture _f = new();
    private readonly CookieChecker _checker;
    private readonly CookieJar _jar;

    public CookieTests()
    {
        _checker = new CookieChecker(_f.Arena, _f.Responder.PublicKey);
        _jar = new CookieJar(_f.Responder.PublicKey);
    }

    public void Dispose() => _f.Dispose();

    [Fact]
    public void Mac1_proves_knowledge_of_the_receivers_key_and_covers_every_byte()
    {
        byte[] initiation = Sealed(0);
        Assert.True(_checker.IsMac1Valid(initiation));
        Assert.Equal(new byte[16], initiation[132..]);
        for (int i = 0; i < 132; i++)
        {
            initiation[i] ^= 1;
            Assert.False(_checker.IsMac1Valid(initiation));
            initiation[i] ^= 1;
        }

        using CookieChecker other = new(_f.Arena, _f.Initiator.PublicKey);
        Assert.False(other.IsMac1Valid(initiation));
        Assert.False(_checker.IsMac1Valid(initiation.AsSpan(0, 147)));
        Assert.False(_checker.IsMac1Valid([]));
    }

    [Fact]
    public void A_response_carries_macs_too()
    {
        Assert.Equal(Visibility.DropReason.None, _f.Receive(Sealed(0)));
        byte[] response = _f.Respond();
        using CookieChecker initiator = new(_f.Arena, _f.Initiator.PublicKey);
        CookieJar jar = new(_f.Initiator.PublicKey);
        jar.AddMacs(response, 0);
        Assert.True(initiator.IsMac1Valid(response));
        byte[] reply = new byte[64];
        initiator.CreateReply(response, From, 0, _f.Random, reply);
        Assert.Equal(HandshakeFixture.ResponderIndex, CookieReplyMessage.Receiver(reply));
        Assert.True(jar.ConsumeReply(reply, 0));
        jar.AddMacs(response, 1);
        Assert.True(initiator.IsMac2Valid(response, From, 1));
    }

    [Fact]
    public void A_cookie_makes_mac2_valid_from_that_address_and_port_only()
    {
        byte[] initiation = Sealed(0);
        Assert.False(_checker.IsMac2Valid(initiation, From, 0));
        byte[] reply = Reply(initiation, From, 0);
        Assert.True(CookieReplyMessage.Is(reply));
        Assert.Equal(HandshakeFixture.InitiatorIndex, CookieReplyMessage.Receiver(reply));
        Assert.True(_jar.ConsumeReply(reply, 0));

        byte[] second = Sealed(1);
        Assert.True(_checker.IsMac1Valid(second));
        Assert.True(_checker.IsMac2Valid(second, From, 1));
        Assert.False(_checker.IsMac2Valid(second, From with { Port = 51821 }, 1));
        Assert.False(_checker.IsMac2Valid(second, From with { Address = From.Address + 1 }, 1));
        Assert.False(_checker.IsMac2Valid(second, From with { IsIPv6 = true }, 1));
        for (int i = 0; i < second.Length; i++)
        {
            second[i] ^= 1;
            Assert.False(_checker.IsMac2Valid(second, From, 1));
            second[i] ^= 1;
        }
    }

    [Fact]
    public void Ipv6_sources_get_cookies_of_their_own()
    {
        EndpointAddress source = EndpointAddress.From(new IPEndPoint(IPAddress.Parse("2001:db8::1"), 1));
        Assert.True(_jar.ConsumeReply(Reply(Sealed(0), source, 0), 0));
        byte[] second = Sealed(1);
        Assert.True(_checker.IsMac2Valid(second, source, 1));
        Assert.False(_checker.IsMac2Valid(second, source with { Address = source.Address ^ ((UInt128)1 << 127) }, 1));
        Assert.False(_checker.IsMac2Valid(second, source with { Port = 2 }, 1));
    }

    [Fact]
    public void A_changed_reply_or_one_to_another_message_is_refused()
    {
        byte[] reply = Reply(Sealed(0), From, 0);
        for (int i = 0; i < reply.Length; i++)
        {
            // The receiver's index is looked up by the caller; the seal does not cover it.
            if (i is < 4 or > 7)
            {
                reply[i] ^= 1;
                Assert.False(_jar.ConsumeReply(reply, 0));
                reply[i] ^= 1;
            }
        }

        Assert.False(_jar.ConsumeReply(reply.AsSpan(0, 63), 0));
        _ = Sealed(0);
        Assert.False(_jar.ConsumeReply(reply, 0));
    }

    [Fact]
    public void One_reply_to_a_message_is_accepted()
    {
        Assert.False(_jar.ConsumeReply(new byte[64], 0));
        byte[] reply = Reply(Sealed(0), From, 0);
        Assert.True(_jar.ConsumeReply(reply, 0));
        Assert.False(_jar.ConsumeReply(reply, 0));
    }

    [Fact]
    public void A_cookie_is_used_for_115_seconds()
    {
        Assert.True(_jar.ConsumeReply(Reply(Sealed(0), From, 0), 0));
        Assert.NotEqual(new byte[16], Sealed(Limits.CookieLifetime - 1)[132..]);
        Assert.Equal(new byte[16], Sealed(Limits.CookieLifetime)[132..]);
        Assert.Equal(new byte[16], Sealed(0)[132..]);
    }

    [Fact]
    public void The_secret_changes_after_120_seconds()
    {
        Assert.True(_jar.ConsumeReply(Reply(Sealed(0), From, 0), 0));
        byte[] message = Sealed(1);
        Assert.True(_checker.IsMac2Valid(message, From, Limits.CookieSecretLifetime - 1));
        Assert.False(_checker.IsMac2Valid(message, From, Limits.CookieSecretLifetime));
        byte[] reply = Reply(message, From, Limits.CookieSecretLifetime);
        // The new secret is another one, also for a clock that reads as before.
        Assert.False(_checker.IsMac2Valid(message, From, Limits.CookieSecretLifetime));
        Assert.True(_jar.ConsumeReply(reply, Limits.CookieSecretLifetime));
        Assert.True(_checker.IsMac2Valid(Sealed(Limits.CookieSecretLifetime), From, Limits.CookieSecretLifetime));
    }

    [Fact]
    public void Clearing_forgets_cookie_and_message()
    {
        byte[] reply = Reply(Sealed(0), From, 0);
        _jar.Clear();
        Assert.False(_jar.ConsumeReply(reply, 0));
        Assert.True(_jar.ConsumeReply(Reply(Sealed(0), From, 0), 0));
        _jar.Clear();
        Assert.Equal(new byte[16], Sealed(1)[132..]);
    }

    [Fact]
    public void Only_handshake_messages_carry_macs_and_get_cookies()
    {
        Assert.Throws<ArgumentException>(() => _jar.AddMacs(new byte[148], 0));
        Assert.Throws<ArgumentException>(() => _checker.CreateReply(new byte[148], From, 0, _f.Random, new byte[64]));
        Assert.Throws<ArgumentOutOfRangeException>(() => _checker.CreateReply(Sealed(0), From, 0, _f.Random, new byte[63]));
    }

    [Fact]
    public void Checking_allocates_nothing()
    {
        Assert.True(_jar.ConsumeReply(Reply(Sealed(0), From, 0), 0));
        byte[] message = Sealed(1);
        bool all = _checker.IsMac1Valid(message) && _checker.IsMac2Valid(message, From, 1);
        long before = GC.GetAllocatedBytesForCurrentThread();
        for (int i = 0; i < 1000; i++)
        {
            all &= _checker.IsMac1Valid(message) && _checker.IsMac2Valid(message, From, 1);
        }

        Assert.Equal(before, GC.GetAllocatedBytesForCurrentThread());
        Assert.True(all);
    }

    [Fact]
    public void Workers_may_check_while_the_secret_changes()
    {
        // Each round has a time of its own; whoever checks sees the old secret or the new one, never a mixture of both.
        SodiumRandom random = new();
        byte[] initiation = Sealed(0);
        Parallel.For(0, 4, worker =>
        {
            CookieJar jar = new(_f.Responder.PublicKey);
            byte[] message = [.. initiation];
            byte[] reply = new byte[64];
            for (int round = 0; round < 500; round++)
            {
                long now = round * (Limits.CookieSecretLifetime / 4);
                jar.AddMacs(message, now);
                _checker.CreateReply(message, From, now, random, reply);
                Assert.True(jar.ConsumeReply(reply, now));
                Assert.True(_checker.IsMac1Valid(message));
                _ = _checker.IsMac2Valid(message, From, now);
            }
        });
    }

    [Fact]
    public void Disposing_returns_the_secrets()
    {
        int before = _f.Arena.Count;
        CookieChecker checker = new(_f.Arena, _f.Initiator.PublicKey);
        Assert.Equal(before + 2, _f.Arena.Count);
        checker.Dispose();
        checker.Dispose();
        Assert.Equal(before, _f.Arena.Count);
    }

    private byte[] Sealed(long now)
    {
        byte[] message = _f.Initiate();
        _jar.AddMacs(message, now);
        return message;
    }

    private byte[] Reply(byte[] message, EndpointAddress from, long now)
    {
        byte[] reply = new byte[64];
        _checker.CreateReply(message, from, now, _f.Random, reply);
        return reply;
    }
}

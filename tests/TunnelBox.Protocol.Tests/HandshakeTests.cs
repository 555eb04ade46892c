using TunnelBox.Crypto;
using TunnelBox.Visibility;

namespace TunnelBox.Protocol.Tests;

public sealed class HandshakeTests
{
    private static readonly byte[] Psk = [.. Enumerable.Range(100, 32).Select(i => (byte)i)];

    /// <summary>Points of low order in every encoding below 2^255, then with the ignored top bit.</summary>
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
        "5f9c95bca3508c24b1d0b1559c83ef5b04445cc4581c8e86d8224eddd09f11d7");

    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public void Both_ends_come_to_the_same_keys(bool withPsk)
    {
        using HandshakeFixture f = new(withPsk ? Psk : null);
        byte[] initiation = f.Initiate();
        Assert.Equal(HandshakeState.InitiationSent, f.ToResponder.State);
        Assert.Equal(DropReason.None, f.Receive(initiation));
        Assert.Equal(f.Initiator.PublicKey, f.Opener.Sender);
        Assert.Equal(HandshakeState.InitiationReceived, f.ToInitiator.State);
        Assert.Equal(HandshakeFixture.InitiatorIndex, f.ToInitiator.RemoteIndex);
        byte[] response = f.Respond();
        Assert.Equal(HandshakeState.ResponseSent, f.ToInitiator.State);
        Assert.True(f.ToResponder.ConsumeResponse(f.Initiator, response));
        Assert.Equal(HandshakeState.ResponseReceived, f.ToResponder.State);

        Assert.True(f.ToResponder.TryDeriveSession(out SessionKeys ours));
        Assert.True(f.ToInitiator.TryDeriveSession(out SessionKeys theirs));
        Assert.Equal(HandshakeFixture.Bytes(ours.SendKey), HandshakeFixture.Bytes(theirs.ReceiveKey));
        Assert.Equal(HandshakeFixture.Bytes(ours.ReceiveKey), HandshakeFixture.Bytes(theirs.SendKey));
        Assert.NotEqual(HandshakeFixture.Bytes(ours.SendKey), HandshakeFixture.Bytes(ours.ReceiveKey));
        Assert.Equal((HandshakeFixture.InitiatorIndex, HandshakeFixture.ResponderIndex, true), (ours.LocalIndex, ours.RemoteIndex, ours.IsInitiator));
        Assert.Equal((HandshakeFixture.ResponderIndex, HandshakeFixture.InitiatorIndex, false), (theirs.LocalIndex, theirs.RemoteIndex, theirs.IsInitiator));
        Assert.False(f.ToResponder.TryDeriveSession(out _));
        Assert.False(f.ToInitiator.TryDeriveSession(out _));
    }

    [Theory]
    [InlineData(1, false)]
    [InlineData(2, true)]
    [InlineData(3, true)]
    public void Messages_and_keys_are_those_of_a_slow_reference(int seed, bool withPsk)
    {
        byte[][] keys = [.. Enumerable.Range(0, 4).Select(_ => new byte[32])];
        Random random = new(seed);
        foreach (byte[] key in keys)
        {
            random.NextBytes(key);
        }

        Tai64n timestamp = new(0x400000006553F10A, 5u << 24);
        byte[] timestampBytes = new byte[12];
        timestamp.CopyTo(timestampBytes);
        SlowNoise.Transcript expected = SlowNoise.Run(
            keys[0], keys[1], keys[2], keys[3], withPsk ? Psk : new byte[32], timestampBytes, 0x11223344, 0x55667788);

        using KeyArena arena = new();
        using Identity initiator = new(arena, keys[0]);
        using Identity responder = new(arena, keys[1]);
        using Handshake toResponder = new(arena, responder.PublicKey);
        using Handshake toInitiator = new(arena, initiator.PublicKey);
        using InitiationOpener opener = new(arena);
        toResponder.SetPresharedKey(withPsk ? Psk : []);
        toInitiator.SetPresharedKey(withPsk ? Psk : new byte[32]);
        byte[] initiation = new byte[148], response = new byte[92];
        Assert.True(toResponder.CreateInitiation(initiator, timestamp, 0x11223344, new RepeatableRandom(0, keys[2]), initiation));
        Assert.Equal(expected.Initiation, initiation);
        Assert.Equal(DropReason.None, opener.Open(responder, initiation));
        Assert.Equal(DropReason.None, opener.Accept(toInitiator, 0));
        Assert.True(toInitiator.CreateResponse(0x55667788, new RepeatableRandom(0, keys[3]), response));
        Assert.Equal(expected.Response, response);
        Assert.True(toResponder.ConsumeResponse(initiator, response));
        Assert.True(toResponder.TryDeriveSession(out SessionKeys session));
        Assert.Equal(expected.InitiatorSends, HandshakeFixture.Bytes(session.SendKey));
        Assert.Equal(expected.ResponderSends, HandshakeFixture.Bytes(session.ReceiveKey));

        new CookieJar(responder.PublicKey).AddMacs(initiation, 0);
        Assert.Equal(SlowNoise.Mac1(expected.Initiation, SlowNoise.PublicOf(keys[1])), initiation[116..132]);
        new CookieJar(initiator.PublicKey).AddMacs(response, 0);
        Assert.Equal(SlowNoise.Mac1(expected.Response, SlowNoise.PublicOf(keys[0])), response[60..76]);
    }

    [Fact]
    public void Different_preshared_keys_end_at_the_response_and_leave_the_initiator_waiting()
    {
        using HandshakeFixture f = new(Psk);
        f.ToInitiator.SetPresharedKey(new byte[32]);
        Assert.False(f.ToInitiator.HasPresharedKey);
        Assert.Equal(DropReason.None, f.Receive(f.Initiate()));
        Assert.False(f.ToResponder.ConsumeResponse(f.Initiator, f.Respond()));
        Assert.Equal(HandshakeState.InitiationSent, f.ToResponder.State);
        Assert.False(f.ToResponder.TryDeriveSession(out _));
    }

    [Fact]
    public void A_changed_byte_anywhere_in_a_response_is_refused_and_the_right_one_still_works()
    {
        using HandshakeFixture f = new(Psk);
        Assert.Equal(DropReason.None, f.Receive(f.Initiate()));
        byte[] response = f.Respond();
        // The sender's index (4 to 7) is covered by mac1 alone, and the macs are the cookie checker's.
        foreach (int i in Enumerable.Range(0, 60).Where(i => i is < 4 or > 7))
        {
            response[i] ^= 1;
            Assert.False(f.ToResponder.ConsumeResponse(f.Initiator, response));
            Assert.Equal(HandshakeState.InitiationSent, f.ToResponder.State);
            response[i] ^= 1;
        }

        Assert.False(f.ToResponder.ConsumeResponse(f.Initiator, response.AsSpan(0, 91)));
        Assert.False(f.ToResponder.ConsumeResponse(f.Initiator, [.. response, 0]));
        Assert.False(f.ToResponder.ConsumeResponse(f.Initiator, []));
        Assert.False(f.ToResponder.ConsumeResponse(f.Responder, response));
        Assert.True(f.ToResponder.ConsumeResponse(f.Initiator, response));
        Assert.False(f.ToResponder.ConsumeResponse(f.Initiator, response));
    }

    [Fact]
    public void A_response_to_an_earlier_initiation_is_refused()
    {
        using HandshakeFixture f = new();
        Assert.Equal(DropReason.None, f.Receive(f.Initiate()));
        byte[] response = f.Respond();
        _ = f.Initiate();
        Assert.False(f.ToResponder.ConsumeResponse(f.Initiator, response));
    }

    [Fact]
    public void A_response_without_an_accepted_initiation_is_not_written()
    {
        using HandshakeFixture f = new();
        byte[] message = new byte[92];
        message.AsSpan().Fill(0xAA);
        Assert.False(f.ToInitiator.CreateResponse(1, f.Random, message));
        Assert.Equal(new byte[92], message);
        _ = f.Initiate();
        Assert.False(f.ToResponder.CreateResponse(1, f.Random, message));
        Assert.False(f.ToResponder.TryDeriveSession(out _));
    }

    [Theory]
    [MemberData(nameof(LowOrderPoints))]
    public void A_peer_with_a_key_of_low_order_gets_no_initiation(string point)
    {
        using HandshakeFixture f = new();
        using Handshake bad = new(f.Arena, Key(point));
        int before = f.Arena.Count;
        byte[] message = new byte[148];
        message.AsSpan().Fill(0xAA);
        Assert.False(bad.CreateInitiation(f.Initiator, default, 1, f.Random, message));
        Assert.Equal(new byte[148], message);
        Assert.Equal(HandshakeState.None, bad.State);
        Assert.Equal(before, f.Arena.Count);
    }

    [Theory]
    [MemberData(nameof(LowOrderPoints))]
    public void Ephemeral_keys_of_low_order_are_refused_in_both_messages(string point)
    {
        using HandshakeFixture f = new();
        byte[] initiation = f.Initiate();
        byte[] bad = [.. initiation];
        Convert.FromHexString(point).CopyTo(bad, InitiationMessage.EphemeralOffset);
        Assert.Equal(DropReason.InHandshakeInvalid, f.Receive(bad));
        Assert.Equal(HandshakeState.None, f.ToInitiator.State);

        Assert.Equal(DropReason.None, f.Receive(initiation));
        byte[] response = f.Respond();
        Convert.FromHexString(point).CopyTo(response, ResponseMessage.EphemeralOffset);
        Assert.False(f.ToResponder.ConsumeResponse(f.Initiator, response));
        Assert.Equal(HandshakeState.InitiationSent, f.ToResponder.State);
    }

    [Fact]
    public void An_initiation_of_the_peer_takes_the_place_of_our_own()
    {
        using HandshakeFixture f = new();
        byte[] crossing = new byte[148];
        Assert.True(f.ToInitiator.CreateInitiation(f.Responder, new Tai64n(1, 0), 77, f.Random, crossing));
        Assert.Equal(DropReason.None, f.Receive(f.Initiate()));
        Assert.Equal(77u, f.ToInitiator.LocalIndex);
        byte[] response = f.Respond();
        Assert.Equal(HandshakeFixture.ResponderIndex, f.ToInitiator.LocalIndex);
        Assert.True(f.ToResponder.ConsumeResponse(f.Initiator, response));
    }

    [Fact]
    public void Deriving_a_session_wipes_the_handshake_and_returns_its_secrets()
    {
        using HandshakeFixture f = new(Psk);
        int idle = f.Arena.Count;
        Assert.Equal(DropReason.None, f.Receive(f.Initiate()));
        Assert.True(f.ToResponder.ConsumeResponse(f.Initiator, f.Respond()));
        Assert.True(f.ToResponder.TryDeriveSession(out SessionKeys ours));
        Assert.True(f.ToInitiator.TryDeriveSession(out SessionKeys theirs));
        // What stays: a static-static secret at either end and four session keys.
        Assert.Equal(idle + 6, f.Arena.Count);
        foreach (KeyHandle key in (KeyHandle[])[ours.SendKey, ours.ReceiveKey, theirs.SendKey, theirs.ReceiveKey])
        {
            f.Arena.Return(key);
            Assert.Equal(new byte[32], HandshakeFixture.Bytes(key));
        }

        f.ToResponder.ForgetIdentity();
        f.ToInitiator.Dispose();
        Assert.Equal(idle - 1, f.Arena.Count);
        Assert.Equal(HandshakeState.None, f.ToResponder.State);
        Assert.Equal(0u, f.ToResponder.LocalIndex);
    }

    [Fact]
    public void No_step_leaves_a_secret_on_the_stack()
    {
        using HandshakeFixture f = new(Psk);
        byte[][] keys = [.. Enumerable.Range(0, 4).Select(k => Enumerable.Range(1, 32).Select(i => (byte)(i * (7 + (2 * k)))).ToArray())];
        using Identity initiator = new(f.Arena, keys[0]);
        using Identity responder = new(f.Arena, keys[1]);
        using Handshake toResponder = new(f.Arena, responder.PublicKey);
        using Handshake toInitiator = new(f.Arena, initiator.PublicKey);
        toResponder.SetPresharedKey(Psk);
        toInitiator.SetPresharedKey(Psk);
        foreach (byte[] key in keys)
        {
            Curve25519.Clamp(key);
        }

        byte[] staticSecret = SlowNoise.X25519(keys[0], SlowNoise.PublicOf(keys[1]));
        byte[] ephemeralSecret = SlowNoise.X25519(keys[2], SlowNoise.PublicOf(keys[3]));
        List<byte[]> secrets = [.. keys, Psk, staticSecret, ephemeralSecret];
        byte[] initiation = new byte[148], response = new byte[92];
        RepeatableRandom first = new(0, keys[2]), second = new(0, keys[3]);

        byte[] stack = new byte[16 * 1024];
        bool done = toResponder.CreateInitiation(initiator, new Tai64n(5, 5), 1, first, initiation);
        CopyStackBelow(stack);
        Assert.True(done);
        Assert.Equal(-1, Find(secrets, stack));

        done = f.Opener.Open(responder, initiation) == DropReason.None;
        CopyStackBelow(stack);
        Assert.True(done);
        Assert.Equal(-1, Find(secrets, stack));

        done = f.Opener.Accept(toInitiator, 0) == DropReason.None;
        CopyStackBelow(stack);
        Assert.True(done);
        Assert.Equal(-1, Find(secrets, stack));

        done = toInitiator.CreateResponse(2, second, response);
        CopyStackBelow(stack);
        Assert.True(done);
        Assert.Equal(-1, Find(secrets, stack));

        done = toResponder.ConsumeResponse(initiator, response);
        CopyStackBelow(stack);
        Assert.True(done);
        Assert.Equal(-1, Find(secrets, stack));

        done = toInitiator.TryDeriveSession(out SessionKeys session);
        CopyStackBelow(stack);
        Assert.True(done);
#if !DEBUG
        // Code that is not optimised keeps the hash's vectors on the stack, and these two keys are hashes.
        secrets.Add(HandshakeFixture.Bytes(session.SendKey));
        secrets.Add(HandshakeFixture.Bytes(session.ReceiveKey));
#endif
        Assert.False(session.SendKey.IsNone);
        Assert.Equal(-1, Find(secrets, stack));
    }

    [Fact]
    public void A_new_identity_makes_a_new_static_secret()
    {
        using HandshakeFixture f = new();
        _ = f.Initiate();
        using Identity other = f.NewIdentity();
        byte[] message = new byte[148];
        Assert.True(f.ToResponder.CreateInitiation(other, new Tai64n(9, 0), 1, f.Random, message));
        using Handshake toOther = new(f.Arena, other.PublicKey);
        Assert.Equal(DropReason.None, f.Opener.Open(f.Responder, message));
        Assert.Equal(other.PublicKey, f.Opener.Sender);
        Assert.Equal(DropReason.None, f.Opener.Accept(toOther, 0));
    }

    [Fact]
    public void The_preshared_key_can_be_read_replaced_and_removed()
    {
        using HandshakeFixture f = new(Psk);
        byte[] read = new byte[32];
        f.ToResponder.CopyPresharedKey(read);
        Assert.Equal(Psk, read);
        int count = f.Arena.Count;
        f.ToResponder.SetPresharedKey(new byte[] { 1 }.Concat(new byte[31]).ToArray());
        Assert.Equal(count, f.Arena.Count);
        Assert.Throws<ArgumentException>(() => f.ToResponder.SetPresharedKey([1, 2, 3]));
        Assert.True(f.ToResponder.HasPresharedKey);
        f.ToResponder.SetPresharedKey([]);
        f.ToResponder.CopyPresharedKey(read);
        Assert.Equal(new byte[32], read);
        Assert.Equal(count - 1, f.Arena.Count);
    }

    [Fact]
    public void A_hundred_thousand_idle_peers_stay_small()
    {
        using KeyArena arena = new();
        byte[] key = new byte[32];
        long before = GC.GetAllocatedBytesForCurrentThread();
        Handshake[] handshakes = new Handshake[1000];
        CookieJar[] jars = new CookieJar[1000];
        for (int i = 0; i < handshakes.Length; i++)
        {
            BitConverter.TryWriteBytes(key, i);
            handshakes[i] = new Handshake(arena, new PublicKey(key));
            jars[i] = new CookieJar(new PublicKey(key));
        }

        long each = (GC.GetAllocatedBytesForCurrentThread() - before) / handshakes.Length;
        Assert.InRange(each, 100, 512);
        Assert.Equal(0, arena.Count);
        GC.KeepAlive(jars);
    }

    // The frames of the call just made lie below this one; nothing is called before they are copied.
    [System.Runtime.CompilerServices.MethodImpl(System.Runtime.CompilerServices.MethodImplOptions.NoInlining)]
    private static unsafe void CopyStackBelow(byte[] destination)
    {
        byte here;
        byte* below = &here - destination.Length;
        for (int i = 0; i < destination.Length; i++)
        {
            destination[i] = below[i];
        }
    }

    // Sixteen bytes tell a secret from chance.
    private static int Find(List<byte[]> secrets, byte[] memory) => secrets.FindIndex(secret =>
        memory.AsSpan().IndexOf(secret.AsSpan(0, 16)) >= 0 || memory.AsSpan().IndexOf(secret.AsSpan(16, 16)) >= 0);

    private static PublicKey Key(string hex) => new(Convert.FromHexString(hex));
}

using TunnelBox.Crypto;

namespace TunnelBox.Protocol.Tests;

/// <summary>Random bytes that repeat: given ones first, then a seeded sequence.</summary>
internal sealed class RepeatableRandom(int seed, params byte[][] first) : RandomSource
{
    private readonly Queue<byte[]> _first = new(first);
    private readonly Random _random = new(seed);

    public override void Fill(Span<byte> destination)
    {
        if (_first.TryDequeue(out byte[]? bytes))
        {
            bytes.CopyTo(destination);
        }
        else
        {
            _random.NextBytes(destination);
        }
    }
}

/// <summary>Two ends that know each other.</summary>
internal sealed class HandshakeFixture : IDisposable
{
    internal const uint InitiatorIndex = 0x11223344;
    internal const uint ResponderIndex = 0x55667788;

    private ulong _time = 1_000_000_000;

    internal HandshakeFixture(byte[]? presharedKey = null, int seed = 1)
    {
        Random = new RepeatableRandom(seed);
        Initiator = NewIdentity();
        Responder = NewIdentity();
        ToResponder = new Handshake(Arena, Responder.PublicKey);
        ToInitiator = new Handshake(Arena, Initiator.PublicKey);
        ToResponder.SetPresharedKey(presharedKey);
        ToInitiator.SetPresharedKey(presharedKey);
        Opener = new InitiationOpener(Arena);
    }

    internal KeyArena Arena { get; } = new();

    internal RepeatableRandom Random { get; }

    internal Identity Initiator { get; }

    internal Identity Responder { get; }

    /// <summary>The initiator's state.</summary>
    internal Handshake ToResponder { get; }

    /// <summary>The responder's state.</summary>
    internal Handshake ToInitiator { get; }

    internal InitiationOpener Opener { get; }

    /// <summary>A time at which no initiation is a flood.</summary>
    internal long Now { get; private set; }

    public void Dispose() => Arena.Dispose();

    internal Identity NewIdentity()
    {
        byte[] key = new byte[32];
        Random.Fill(key);
        return new Identity(Arena, key);
    }

    internal byte[] Initiate(Tai64n? timestamp = null)
    {
        byte[] message = new byte[InitiationMessage.Size];
        Assert.True(ToResponder.CreateInitiation(
            Initiator, timestamp ?? new Tai64n(0x4000000000000000, 0).Add(_time += 1000), InitiatorIndex, Random, message));
        return message;
    }

    internal Visibility.DropReason Receive(byte[] initiation)
    {
        Now += Limits.Second;
        Visibility.DropReason reason = Opener.Open(Responder, initiation);
        return reason == Visibility.DropReason.None ? Opener.Accept(ToInitiator, Now) : reason;
    }

    internal byte[] Respond()
    {
        byte[] message = new byte[ResponseMessage.Size];
        Assert.True(ToInitiator.CreateResponse(ResponderIndex, Random, message));
        return message;
    }

    internal static byte[] Bytes(KeyHandle key) => KeyArena.DangerousGetSpan(key).ToArray();
}

using System.Security.Cryptography;
using TunnelBox.Crypto;
using TunnelBox.Visibility;

namespace TunnelBox.Protocol;

/// <summary>
/// Receives initiations, in two steps: <see cref="Open"/> finds out who sent one, without any lock; <see cref="Accept"/>
/// checks the rest against that peer's handshake, under the device's lock. One a handshake thread, used again and again.
/// </summary>
public sealed class InitiationOpener : IDisposable
{
    private readonly KeyArena _arena;
    private readonly byte[] _sealedTimestamp = new byte[InitiationMessage.TimestampSize];
    private KeyHandle _chainingKey;
    private KeyHandle _hash;
    private Identity? _identity;
    private PublicKey _ephemeral;
    private PublicKey _sender;

    /// <summary>Makes the opener.</summary>
    /// <param name="arena">Where secrets are kept between the two steps.</param>
    public InitiationOpener(KeyArena arena)
    {
        ArgumentNullException.ThrowIfNull(arena);
        _arena = arena;
        _chainingKey = arena.Rent();
        _hash = arena.Rent();
    }

    /// <summary>Gets the public key of the sender of the initiation last opened.</summary>
    public ref readonly PublicKey Sender => ref _sender;

    /// <summary>Gets the sender's index of the initiation last opened.</summary>
    public uint SenderIndex { get; private set; }

    /// <summary>Opens an initiation as far as the sender's public key. Its mac1 was checked before (<see cref="CookieChecker.IsMac1Valid"/>).</summary>
    /// <param name="identity">Our key pair.</param>
    /// <param name="message">The datagram.</param>
    /// <returns><see cref="DropReason.None"/> or <see cref="DropReason.InHandshakeInvalid"/>.</returns>
    public DropReason Open(Identity identity, ReadOnlySpan<byte> message)
    {
        ArgumentNullException.ThrowIfNull(identity);
        Discard();
        if (!InitiationMessage.Is(message))
        {
            return DropReason.InHandshakeInvalid;
        }

        Span<byte> secrets = stackalloc byte[SymmetricState.Size];
        Span<byte> sender = stackalloc byte[PublicKey.Size];
        SymmetricState noise = new(secrets);
        try
        {
            noise.Start(identity.InitialHash);

            // e
            ReadOnlySpan<byte> ephemeral = message.Slice(InitiationMessage.EphemeralOffset, InitiationMessage.EphemeralSize);
            _ephemeral = new PublicKey(ephemeral);
            noise.MixEphemeral(ephemeral);

            // es
            if (!noise.TryMixSharedSecret(KeyArena.DangerousGetSpan(identity.PrivateKey), _ephemeral))
            {
                return DropReason.InHandshakeInvalid;
            }

            // s
            if (!noise.TryOpen(message.Slice(InitiationMessage.StaticOffset, InitiationMessage.StaticSize), sender))
            {
                return DropReason.InHandshakeInvalid;
            }

            noise.ChainingKey.CopyTo(KeyArena.DangerousGetSpan(_chainingKey));
            noise.Hash.CopyTo(KeyArena.DangerousGetSpan(_hash));
            message.Slice(InitiationMessage.TimestampOffset, InitiationMessage.TimestampSize).CopyTo(_sealedTimestamp);
            _sender = new PublicKey(sender);
            _identity = identity;
            SenderIndex = InitiationMessage.Sender(message);
            return DropReason.None;
        }
        finally
        {
            CryptographicOperations.ZeroMemory(secrets);
        }
    }

    /// <summary>Accepts the opened initiation for its peer, once.</summary>
    /// <param name="handshake">The handshake of the peer whose key is <see cref="Sender"/>; touched only on success.</param>
    /// <param name="now">The monotonic time in nanoseconds.</param>
    /// <returns>
    /// <see cref="DropReason.None"/>, <see cref="DropReason.InHandshakeInvalid"/>, <see cref="DropReason.InHandshakeReplay"/>
    /// or <see cref="DropReason.InHandshakePeerFlood"/>.
    /// </returns>
    public DropReason Accept(Handshake handshake, long now)
    {
        ArgumentNullException.ThrowIfNull(handshake);
        Identity? identity = _identity;
        if (identity is null || handshake.RemoteStatic != _sender)
        {
            return DropReason.InHandshakeInvalid;
        }

        Span<byte> secrets = stackalloc byte[SymmetricState.Size];
        Span<byte> timestampBytes = stackalloc byte[Tai64n.Size];
        SymmetricState noise = new(secrets);
        try
        {
            KeyArena.DangerousGetSpan(_chainingKey).CopyTo(noise.ChainingKey);
            KeyArena.DangerousGetSpan(_hash).CopyTo(noise.Hash);

            // ss
            if (!handshake.TryGetStaticSecret(identity, out KeyHandle staticSecret))
            {
                return DropReason.InHandshakeInvalid;
            }

            noise.MixKey(KeyArena.DangerousGetSpan(staticSecret));

            // {t}
            if (!noise.TryOpen(_sealedTimestamp, timestampBytes))
            {
                return DropReason.InHandshakeInvalid;
            }

            Tai64n timestamp = Tai64n.Read(timestampBytes);
            if (timestamp <= handshake.LastTimestamp)
            {
                return DropReason.InHandshakeReplay;
            }

            if (handshake.IsFlood(now))
            {
                return DropReason.InHandshakePeerFlood;
            }

            handshake.AcceptInitiation(noise, _ephemeral, SenderIndex, timestamp, now);
            return DropReason.None;
        }
        finally
        {
            CryptographicOperations.ZeroMemory(secrets);
            Discard();
        }
    }

    /// <summary>Wipes an opened initiation that is not accepted, for example because its sender is no peer.</summary>
    public void Discard()
    {
        _identity = null;
        if (!_chainingKey.IsNone)
        {
            CryptographicOperations.ZeroMemory(KeyArena.DangerousGetSpan(_chainingKey));
            CryptographicOperations.ZeroMemory(KeyArena.DangerousGetSpan(_hash));
        }
    }

    /// <summary>Wipes and returns the secrets.</summary>
    public void Dispose()
    {
        _identity = null;
        _arena.Return(_chainingKey);
        _arena.Return(_hash);
        _chainingKey = default;
        _hash = default;
    }
}

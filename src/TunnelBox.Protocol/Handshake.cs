using System.Security.Cryptography;
using TunnelBox.Crypto;

namespace TunnelBox.Protocol;

/// <summary>
/// The handshake with one peer, Noise_IKpsk2_25519_ChaChaPoly_BLAKE2s (WireGuard paper, section 5.4). Not thread-safe: the
/// caller holds the device's lock.
/// </summary>
/// <remarks>
/// <code>
///   &lt;- s
///   ...
///   -> e, es, s, ss, {t}
///   &lt;- e, ee, se, psk, {}
/// </code>
/// Initiations are received by <see cref="InitiationOpener"/>, which must first find out whose they are. Each step works on
/// copies and touches the state only once everything has succeeded. Secrets lie in the arena, and only while a handshake
/// runs; an idle peer keeps at most its preshared key and, after the first handshake, the static-static secret.
/// </remarks>
public sealed class Handshake : IDisposable
{
    private const int KeySize = KeyArena.KeySize;

    private readonly KeyArena _arena;
    private readonly PublicKey _remoteStatic;
    private PublicKey _remoteEphemeral;
    private Identity? _identity;
    private KeyHandle _staticSecret;
    private KeyHandle _presharedKey;
    private KeyHandle _ephemeral;
    private KeyHandle _chainingKey;
    private KeyHandle _hash;
    private Tai64n _lastTimestamp;
    private long _lastInitiationTime;
    private bool _hasAcceptedInitiation;

    /// <summary>Makes the handshake of a peer.</summary>
    /// <param name="arena">Where secrets are kept.</param>
    /// <param name="remoteStatic">The peer's public key. One of low order is taken, but every step with it fails.</param>
    public Handshake(KeyArena arena, in PublicKey remoteStatic)
    {
        ArgumentNullException.ThrowIfNull(arena);
        _arena = arena;
        _remoteStatic = remoteStatic;
    }

    /// <summary>Gets the peer's public key.</summary>
    public ref readonly PublicKey RemoteStatic => ref _remoteStatic;

    /// <summary>Gets how far the handshake has come.</summary>
    public HandshakeState State { get; private set; }

    /// <summary>
    /// Gets our index of the running handshake; 0 where there is none. After an initiation was accepted it is still that of
    /// our own initiation, if there was one, so that the caller can take it out of the index table.
    /// </summary>
    public uint LocalIndex { get; private set; }

    /// <summary>Gets the peer's index of the running handshake; 0 where it is not known.</summary>
    public uint RemoteIndex { get; private set; }

    /// <summary>Gets a value indicating whether a preshared key is set.</summary>
    public bool HasPresharedKey => !_presharedKey.IsNone;

    /// <summary>Gets the time stamp of the newest initiation accepted; the default before the first.</summary>
    public Tai64n LastTimestamp => _lastTimestamp;

    /// <summary>Sets or removes the preshared key. A running handshake goes on with the new one.</summary>
    /// <param name="key">32 bytes; all zero, or none, removes the key. The caller wipes its own copy.</param>
    /// <exception cref="ArgumentException">The key is neither empty nor 32 bytes long.</exception>
    public void SetPresharedKey(ReadOnlySpan<byte> key)
    {
        int any = 0;
        foreach (byte value in key)
        {
            any |= value;
        }

        KeyHandle replaced = _presharedKey;
        _presharedKey = any == 0 ? default : _arena.Rent(key);
        _arena.Return(replaced);
    }

    /// <summary>Copies the preshared key out, for the control socket; zeros where there is none.</summary>
    /// <param name="destination">Exactly 32 bytes; the caller wipes them after use.</param>
    public void CopyPresharedKey(Span<byte> destination)
    {
        destination.Clear();
        if (HasPresharedKey)
        {
            KeyArena.DangerousGetSpan(_presharedKey).CopyTo(destination);
        }
    }

    /// <summary>Starts a handshake: writes an initiation without its macs (<see cref="CookieJar.AddMacs"/> adds them).</summary>
    /// <param name="identity">Our key pair.</param>
    /// <param name="timestamp">A stamp newer than any before (<see cref="Tai64nClock"/>).</param>
    /// <param name="localIndex">Our index of the session, unique in the device and not 0.</param>
    /// <param name="random">Source of the ephemeral key.</param>
    /// <param name="message">Exactly 148 bytes.</param>
    /// <param name="keyLog">Is told of the ephemeral key, where somebody may know it.</param>
    /// <returns>False where the peer's public key is of low order: nothing changed, and the message is zero.</returns>
    public bool CreateInitiation(
        Identity identity, in Tai64n timestamp, uint localIndex, RandomSource random, Span<byte> message, KeyLog? keyLog = null)
    {
        ArgumentNullException.ThrowIfNull(identity);
        ArgumentOutOfRangeException.ThrowIfNotEqual(message.Length, InitiationMessage.Size, nameof(message));
        message.Clear();
        if (!TryGetStaticSecret(identity, out KeyHandle staticSecret))
        {
            return false;
        }

        Span<byte> secrets = stackalloc byte[SymmetricState.Size + KeySize];
        Span<byte> initialHash = stackalloc byte[Blake2s.HashSize];
        Span<byte> plain = stackalloc byte[PublicKey.Size];
        SymmetricState noise = new(secrets);
        Span<byte> ephemeral = secrets[SymmetricState.Size..];
        try
        {
            SymmetricState.GetInitialHash(_remoteStatic, initialHash);
            noise.Start(initialHash);

            // e
            Curve25519.GeneratePrivateKey(random, ephemeral);
            Span<byte> ephemeralPublic = message.Slice(InitiationMessage.EphemeralOffset, InitiationMessage.EphemeralSize);
            Curve25519.GetPublicKey(ephemeral).CopyTo(ephemeralPublic);
            noise.MixEphemeral(ephemeralPublic);

            // es
            if (!noise.TryMixSharedSecret(ephemeral, _remoteStatic))
            {
                message.Clear();
                return false;
            }

            // s
            identity.PublicKey.CopyTo(plain);
            noise.Seal(plain, message.Slice(InitiationMessage.StaticOffset, InitiationMessage.StaticSize));

            // ss
            noise.MixKey(KeyArena.DangerousGetSpan(staticSecret));

            // {t}
            timestamp.CopyTo(plain);
            noise.Seal(plain[..Tai64n.Size], message.Slice(InitiationMessage.TimestampOffset, InitiationMessage.TimestampSize));

            message[0] = (byte)MessageType.Initiation;
            WireMessages.WriteIndex(message, InitiationMessage.SenderOffset, localIndex);

            keyLog?.Note(identity, _remoteStatic, ephemeral, _presharedKey);
            Keep(ref _ephemeral, ephemeral);
            Keep(ref _chainingKey, noise.ChainingKey);
            Keep(ref _hash, noise.Hash);
            _remoteEphemeral = default;
            LocalIndex = localIndex;
            RemoteIndex = 0;
            State = HandshakeState.InitiationSent;
            return true;
        }
        finally
        {
            CryptographicOperations.ZeroMemory(secrets);
        }
    }

    /// <summary>Answers an accepted initiation: writes a response without its macs.</summary>
    /// <param name="localIndex">Our index of the session, unique in the device and not 0.</param>
    /// <param name="random">Source of the ephemeral key.</param>
    /// <param name="message">Exactly 92 bytes.</param>
    /// <param name="keyLog">Is told of the ephemeral key, where somebody may know it.</param>
    /// <returns>False where no initiation was accepted before, or a key is of low order; the message is zero then.</returns>
    public bool CreateResponse(uint localIndex, RandomSource random, Span<byte> message, KeyLog? keyLog = null)
    {
        ArgumentOutOfRangeException.ThrowIfNotEqual(message.Length, ResponseMessage.Size, nameof(message));
        message.Clear();
        if (State != HandshakeState.InitiationReceived)
        {
            return false;
        }

        Span<byte> secrets = stackalloc byte[SymmetricState.Size + KeySize];
        SymmetricState noise = new(secrets);
        Span<byte> ephemeral = secrets[SymmetricState.Size..];
        try
        {
            Resume(noise);

            // e
            Curve25519.GeneratePrivateKey(random, ephemeral);
            Span<byte> ephemeralPublic = message.Slice(ResponseMessage.EphemeralOffset, ResponseMessage.EphemeralSize);
            Curve25519.GetPublicKey(ephemeral).CopyTo(ephemeralPublic);
            noise.MixEphemeral(ephemeralPublic);

            // ee, se
            if (!noise.TryChainSharedSecret(ephemeral, _remoteEphemeral) || !noise.TryChainSharedSecret(ephemeral, _remoteStatic))
            {
                message.Clear();
                return false;
            }

            // psk
            noise.MixPresharedKey(_presharedKey);

            // {}
            noise.Seal([], message.Slice(ResponseMessage.EmptyOffset, ResponseMessage.EmptySize));

            message[0] = (byte)MessageType.Response;
            WireMessages.WriteIndex(message, ResponseMessage.SenderOffset, localIndex);
            WireMessages.WriteIndex(message, ResponseMessage.ReceiverOffset, RemoteIndex);

            keyLog?.Note(_identity!, _remoteStatic, ephemeral, _presharedKey);
            Keep(ref _chainingKey, noise.ChainingKey);
            Drop(ref _hash);
            LocalIndex = localIndex;
            State = HandshakeState.ResponseSent;
            return true;
        }
        finally
        {
            CryptographicOperations.ZeroMemory(secrets);
        }
    }

    /// <summary>Takes the response to our initiation.</summary>
    /// <param name="identity">The key pair with which the initiation was made.</param>
    /// <param name="message">The datagram.</param>
    /// <returns>False where the message is no answer to our initiation or does not decrypt; nothing changed then.</returns>
    public bool ConsumeResponse(Identity identity, ReadOnlySpan<byte> message)
    {
        ArgumentNullException.ThrowIfNull(identity);
        if (State != HandshakeState.InitiationSent || !ReferenceEquals(identity, _identity)
            || !ResponseMessage.Is(message) || ResponseMessage.Receiver(message) != LocalIndex)
        {
            return false;
        }

        Span<byte> secrets = stackalloc byte[SymmetricState.Size];
        SymmetricState noise = new(secrets);
        try
        {
            Resume(noise);

            // e
            ReadOnlySpan<byte> ephemeral = message.Slice(ResponseMessage.EphemeralOffset, ResponseMessage.EphemeralSize);
            PublicKey remoteEphemeral = new(ephemeral);
            noise.MixEphemeral(ephemeral);

            // ee, se
            if (!noise.TryChainSharedSecret(KeyArena.DangerousGetSpan(_ephemeral), remoteEphemeral)
                || !noise.TryChainSharedSecret(KeyArena.DangerousGetSpan(identity.PrivateKey), remoteEphemeral))
            {
                return false;
            }

            // psk
            noise.MixPresharedKey(_presharedKey);

            // {}
            if (!noise.TryOpen(message.Slice(ResponseMessage.EmptyOffset, ResponseMessage.EmptySize), []))
            {
                return false;
            }

            Keep(ref _chainingKey, noise.ChainingKey);
            Drop(ref _ephemeral);
            Drop(ref _hash);
            RemoteIndex = ResponseMessage.Sender(message);
            State = HandshakeState.ResponseReceived;
            return true;
        }
        finally
        {
            CryptographicOperations.ZeroMemory(secrets);
        }
    }

    /// <summary>Derives the session's keys and wipes the handshake (section 5.4.5).</summary>
    /// <param name="session">The session, when the answer is true; the caller owns its keys.</param>
    /// <returns>Whether a response was sent or accepted before.</returns>
    public bool TryDeriveSession(out SessionKeys session)
    {
        session = default;
        if (State is not (HandshakeState.ResponseSent or HandshakeState.ResponseReceived))
        {
            return false;
        }

        bool isInitiator = State == HandshakeState.ResponseReceived;
        KeyHandle first = _arena.Rent();
        KeyHandle second = _arena.Rent();
        NoiseKdf.Kdf2(
            KeyArena.DangerousGetSpan(_chainingKey), [], KeyArena.DangerousGetSpan(first), KeyArena.DangerousGetSpan(second));
        session = isInitiator
            ? new SessionKeys(first, second, LocalIndex, RemoteIndex, isInitiator)
            : new SessionKeys(second, first, LocalIndex, RemoteIndex, isInitiator);
        Clear();
        return true;
    }

    /// <summary>Gives up a running handshake and wipes it. Time stamp, preshared key and static-static secret stay.</summary>
    public void Clear()
    {
        Drop(ref _ephemeral);
        Drop(ref _chainingKey);
        Drop(ref _hash);
        _remoteEphemeral = default;
        LocalIndex = 0;
        RemoteIndex = 0;
        State = HandshakeState.None;
    }

    /// <summary>Wipes what came from our key pair: the running handshake and the static-static secret. For when our key changes.</summary>
    public void ForgetIdentity()
    {
        Clear();
        Drop(ref _staticSecret);
        _identity = null;
    }

    /// <summary>Wipes everything.</summary>
    public void Dispose()
    {
        ForgetIdentity();
        Drop(ref _presharedKey);
    }

    /// <summary>Gives the static-static secret, computed at the first need since it costs a Diffie-Hellman.</summary>
    /// <returns>False where the peer's public key is of low order.</returns>
    internal bool TryGetStaticSecret(Identity identity, out KeyHandle secret)
    {
        if (!ReferenceEquals(identity, _identity) || _staticSecret.IsNone)
        {
            ForgetIdentity();
            KeyHandle fresh = _arena.Rent();
            if (!Curve25519.TryGetSharedSecret(
                KeyArena.DangerousGetSpan(identity.PrivateKey), _remoteStatic, KeyArena.DangerousGetSpan(fresh)))
            {
                _arena.Return(fresh);
                secret = default;
                return false;
            }

            _staticSecret = fresh;
            _identity = identity;
        }

        secret = _staticSecret;
        return true;
    }

    /// <summary>Gets the stamp and the time of the last initiation that was accepted, and whether there was one.</summary>
    internal (Tai64n Stamp, long At, bool Any) Initiations => (_lastTimestamp, _lastInitiationTime, _hasAcceptedInitiation);

    /// <summary>Takes up what the process before had accepted, so that none of it is accepted again.</summary>
    internal void RestoreInitiations(Tai64n stamp, long at, bool any) => (_lastTimestamp, _lastInitiationTime, _hasAcceptedInitiation) = (stamp, at, any);

    /// <summary>Tells whether an initiation comes too soon after the last accepted one.</summary>
    internal bool IsFlood(long now) => _hasAcceptedInitiation && now - _lastInitiationTime < Limits.InitiationInterval;

    /// <summary>Takes over an opened initiation.</summary>
    internal void AcceptInitiation(
        SymmetricState noise, in PublicKey remoteEphemeral, uint remoteIndex, in Tai64n timestamp, long now)
    {
        Keep(ref _chainingKey, noise.ChainingKey);
        Keep(ref _hash, noise.Hash);
        Drop(ref _ephemeral);
        _remoteEphemeral = remoteEphemeral;
        _lastTimestamp = timestamp;
        _lastInitiationTime = now;
        _hasAcceptedInitiation = true;
        RemoteIndex = remoteIndex;
        State = HandshakeState.InitiationReceived;
    }

    private void Resume(SymmetricState noise)
    {
        KeyArena.DangerousGetSpan(_chainingKey).CopyTo(noise.ChainingKey);
        KeyArena.DangerousGetSpan(_hash).CopyTo(noise.Hash);
    }

    private void Keep(ref KeyHandle place, ReadOnlySpan<byte> secret)
    {
        if (place.IsNone)
        {
            place = _arena.Rent();
        }

        secret.CopyTo(KeyArena.DangerousGetSpan(place));
    }

    private void Drop(ref KeyHandle place)
    {
        _arena.Return(place);
        place = default;
    }
}

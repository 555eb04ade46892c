using System.Buffers.Binary;
using System.Security.Cryptography;
using TunnelBox.Crypto;

namespace TunnelBox.Protocol;

/// <summary>
/// The macs of our handshake messages to one peer, and the cookie that the peer gave us (WireGuard paper, sections 5.4.4
/// and 5.4.7). Not thread-safe: the caller holds the device's lock.
/// </summary>
/// <param name="remoteStatic">The peer's public key.</param>
/// <remarks>The keys are derived anew for each message, which costs less than keeping them for peers that are mostly idle.</remarks>
public sealed class CookieJar(PublicKey remoteStatic)
{
    private UInt128 _lastMac1;
    private UInt128 _cookie;
    private long _cookieTime;
    private bool _hasLastMac1;
    private bool _hasCookie;

    /// <summary>Writes mac1 and, where we hold a fresh cookie, mac2 of a message to the peer.</summary>
    /// <param name="message">A whole initiation or response; its last 32 bytes are written.</param>
    /// <param name="now">The monotonic time in nanoseconds.</param>
    /// <exception cref="ArgumentException">The message is neither an initiation nor a response.</exception>
    public void AddMacs(Span<byte> message, long now)
    {
        if (!WireMessages.HasMacs(message))
        {
            throw new ArgumentException("Only an initiation or a response carries macs.", nameof(message));
        }

        Span<byte> key = stackalloc byte[Blake2s.HashSize];
        Span<byte> mac1 = WireMessages.Mac1(message);
        CookieKeys.GetMac1Key(remoteStatic, key);
        Blake2s.Mac(key, WireMessages.CoveredByMac1(message), mac1);
        _lastMac1 = BinaryPrimitives.ReadUInt128LittleEndian(mac1);
        _hasLastMac1 = true;

        Span<byte> mac2 = WireMessages.Mac2(message);
        if (!_hasCookie || now - _cookieTime >= Limits.CookieLifetime)
        {
            Expire();
            mac2.Clear();
            return;
        }

        Span<byte> cookie = stackalloc byte[WireMessages.MacSize];
        BinaryPrimitives.WriteUInt128LittleEndian(cookie, _cookie);
        Blake2s.Mac(cookie, WireMessages.CoveredByMac2(message), mac2);
        CryptographicOperations.ZeroMemory(cookie);
    }

    /// <summary>
    /// Takes a cookie. It is bound to the last message we sent, and one reply to it is accepted; the message is not sent
    /// again for it, only the next one carries mac2.
    /// </summary>
    /// <param name="reply">The datagram.</param>
    /// <param name="now">The monotonic time in nanoseconds.</param>
    /// <returns>False where it is no reply to our last message; nothing changed then.</returns>
    public bool ConsumeReply(ReadOnlySpan<byte> reply, long now)
    {
        if (!_hasLastMac1 || !CookieReplyMessage.Is(reply))
        {
            return false;
        }

        Span<byte> key = stackalloc byte[Blake2s.HashSize];
        Span<byte> mac1 = stackalloc byte[WireMessages.MacSize];
        Span<byte> cookie = stackalloc byte[WireMessages.MacSize];
        CookieKeys.GetCookieKey(remoteStatic, key);
        BinaryPrimitives.WriteUInt128LittleEndian(mac1, _lastMac1);
        if (!XChaChaPoly.TryOpen(
            key,
            reply.Slice(CookieReplyMessage.NonceOffset, CookieReplyMessage.NonceSize),
            mac1,
            reply.Slice(CookieReplyMessage.CookieOffset, CookieReplyMessage.CookieSize),
            cookie))
        {
            return false;
        }

        _cookie = BinaryPrimitives.ReadUInt128LittleEndian(cookie);
        _cookieTime = now;
        _hasCookie = true;
        _hasLastMac1 = false;
        CryptographicOperations.ZeroMemory(cookie);
        return true;
    }

    /// <summary>Forgets the cookie and the last message: for when the peer's sessions are erased.</summary>
    public void Clear()
    {
        Expire();
        _lastMac1 = 0;
        _hasLastMac1 = false;
    }

    private void Expire()
    {
        _cookie = 0;
        _hasCookie = false;
    }
}

using System.Security.Cryptography;
using TunnelBox.Crypto;

namespace TunnelBox.Protocol;

/// <summary>
/// Checks the macs of handshake messages to us, and gives out cookies (WireGuard paper, sections 5.4.4 and 5.4.7). A cookie
/// is a MAC of the sender's address and port under a secret that changes every 120 s. Safe for use by several threads; the
/// checks allocate nothing and take no lock.
/// </summary>
public sealed class CookieChecker : IDisposable
{
    private readonly KeyArena _arena;
    private readonly byte[] _mac1Key = new byte[Blake2s.HashSize];
    private readonly byte[] _cookieKey = new byte[Blake2s.HashSize];
    private readonly Lock _lock = new();

    // Two secrets take turns: generation g lies in place g mod 2 and is written before g is published, so that a reader that
    // still sees the same generation afterwards has read one secret whole.
    private readonly KeyHandle[] _secrets;
    private readonly long[] _born = new long[2];
    private long _generation;
    private bool _disposed;

    /// <summary>Makes the checker of a device.</summary>
    /// <param name="arena">Where the changing secret is kept.</param>
    /// <param name="publicKey">Our public key.</param>
    public CookieChecker(KeyArena arena, in PublicKey publicKey)
    {
        ArgumentNullException.ThrowIfNull(arena);
        _arena = arena;
        _secrets = [arena.Rent(), arena.Rent()];
        CookieKeys.GetMac1Key(publicKey, _mac1Key);
        CookieKeys.GetCookieKey(publicKey, _cookieKey);
    }

    /// <summary>Checks mac1: whether the sender knows our public key.</summary>
    /// <param name="message">The datagram.</param>
    /// <returns>Whether it is an initiation or a response with a right mac1.</returns>
    public bool IsMac1Valid(ReadOnlySpan<byte> message)
    {
        if (!WireMessages.HasMacs(message))
        {
            return false;
        }

        Span<byte> mac = stackalloc byte[WireMessages.MacSize];
        Blake2s.Mac(_mac1Key, WireMessages.CoveredByMac1(message), mac);
        return CryptographicOperations.FixedTimeEquals(mac, WireMessages.Mac1(message));
    }

    /// <summary>Checks mac2: whether the sender got our cookie, and so receives at the address and port it sends from.</summary>
    /// <param name="message">The datagram.</param>
    /// <param name="from">Where it came from.</param>
    /// <param name="now">The monotonic time in nanoseconds.</param>
    /// <returns>Whether it is an initiation or a response with a right mac2.</returns>
    public bool IsMac2Valid(ReadOnlySpan<byte> message, in EndpointAddress from, long now)
    {
        // A sender without a cookie writes zeros; that is public, and saves the work under a flood.
        if (!WireMessages.HasMacs(message) || !WireMessages.Mac2(message).ContainsAnyExcept((byte)0))
        {
            return false;
        }

        Span<byte> cookie = stackalloc byte[WireMessages.MacSize];
        if (!TryMakeCookie(from, now, cookie))
        {
            return false;
        }

        Span<byte> mac = stackalloc byte[WireMessages.MacSize];
        Blake2s.Mac(cookie, WireMessages.CoveredByMac2(message), mac);
        bool valid = CryptographicOperations.FixedTimeEquals(mac, WireMessages.Mac2(message));
        CryptographicOperations.ZeroMemory(cookie);
        CryptographicOperations.ZeroMemory(mac);
        return valid;
    }

    /// <summary>Writes the cookie reply to a message whose mac1 is right.</summary>
    /// <param name="message">An initiation or a response.</param>
    /// <param name="from">Where it came from, and where the reply goes.</param>
    /// <param name="now">The monotonic time in nanoseconds.</param>
    /// <param name="random">Source of nonce and secret.</param>
    /// <param name="reply">Exactly 64 bytes.</param>
    /// <exception cref="ArgumentException">The message is neither an initiation nor a response.</exception>
    public void CreateReply(ReadOnlySpan<byte> message, in EndpointAddress from, long now, RandomSource random, Span<byte> reply)
    {
        ArgumentNullException.ThrowIfNull(random);
        ArgumentOutOfRangeException.ThrowIfNotEqual(reply.Length, CookieReplyMessage.Size, nameof(reply));
        if (!WireMessages.HasMacs(message))
        {
            throw new ArgumentException("Only an initiation or a response is answered by a cookie.", nameof(message));
        }

        Span<byte> cookie = stackalloc byte[WireMessages.MacSize];
        while (!TryMakeCookie(from, now, cookie))
        {
            Renew(now, random);
        }

        reply.Clear();
        reply[0] = (byte)MessageType.CookieReply;
        // The sender index stands at the same place in both messages.
        WireMessages.WriteIndex(reply, CookieReplyMessage.ReceiverOffset, InitiationMessage.Sender(message));
        Span<byte> nonce = reply.Slice(CookieReplyMessage.NonceOffset, CookieReplyMessage.NonceSize);
        random.Fill(nonce);
        XChaChaPoly.Seal(
            _cookieKey, nonce, WireMessages.Mac1(message), cookie, reply.Slice(CookieReplyMessage.CookieOffset, CookieReplyMessage.CookieSize));
        CryptographicOperations.ZeroMemory(cookie);
    }

    /// <summary>Wipes the secrets. No other call may run or follow.</summary>
    public void Dispose()
    {
        if (!_disposed)
        {
            _disposed = true;
            Volatile.Write(ref _generation, 0);
            _arena.Return(_secrets[0]);
            _arena.Return(_secrets[1]);
        }
    }

    /// <summary>Computes the cookie of an address, where there is a secret of the right age.</summary>
    private bool TryMakeCookie(in EndpointAddress from, long now, Span<byte> cookie)
    {
        Span<byte> secret = stackalloc byte[KeyArena.KeySize];
        long generation;
        long born;
        do
        {
            generation = Volatile.Read(ref _generation);
            if (generation == 0)
            {
                return false;
            }

            born = Volatile.Read(ref _born[generation & 1]);
            KeyArena.DangerousGetSpan(_secrets[generation & 1]).CopyTo(secret);
            Interlocked.MemoryBarrier();
        }
        while (generation != Volatile.Read(ref _generation));

        bool fresh = now - born < Limits.CookieSecretLifetime;
        if (fresh)
        {
            Span<byte> input = stackalloc byte[18];
            int length = from.WriteCookieInput(input);
            Blake2s.Mac(secret, input[..length], cookie);
        }

        CryptographicOperations.ZeroMemory(secret);
        return fresh;
    }

    private void Renew(long now, RandomSource random)
    {
        lock (_lock)
        {
            ObjectDisposedException.ThrowIf(_disposed, this);
            long generation = _generation;
            if (generation != 0 && now - _born[generation & 1] < Limits.CookieSecretLifetime)
            {
                return;
            }

            generation++;
            random.Fill(KeyArena.DangerousGetSpan(_secrets[generation & 1]));
            Volatile.Write(ref _born[generation & 1], now);
            Volatile.Write(ref _generation, generation);
        }
    }
}

/// <summary>The two keys that come from a public key alone (section 5.4.4).</summary>
internal static class CookieKeys
{
    /// <summary>The key of mac1 in messages to the owner of the public key.</summary>
    internal static void GetMac1Key(in PublicKey publicKey, Span<byte> key) => Get("mac1----"u8, publicKey, key);

    /// <summary>The key that seals cookies from the owner of the public key.</summary>
    internal static void GetCookieKey(in PublicKey publicKey, Span<byte> key) => Get("cookie--"u8, publicKey, key);

    private static void Get(ReadOnlySpan<byte> label, in PublicKey publicKey, Span<byte> key)
    {
        Span<byte> bytes = stackalloc byte[PublicKey.Size];
        publicKey.CopyTo(bytes);
        Blake2s.Hash(label, bytes, key);
    }
}

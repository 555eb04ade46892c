using System.Net;
using System.Security.Cryptography;
using TunnelBox.Configuration;
using TunnelBox.Crypto;

namespace TunnelBox.Control;

/// <summary>
/// Reads the lines of one <c>set=1</c> (WireGuard cross-platform interface, "Configuration Protocol") into a
/// <see cref="DeviceChange"/>. The first fault decides the answer; later lines are then only counted, so that nothing of a
/// faulty request is applied.
/// </summary>
public sealed class UapiRequest
{
    /// <summary>Longest line in bytes, without its end.</summary>
    public const int MaxLine = 4096;

    /// <summary>Most peers one request may name: the most a device may hold (2^20).</summary>
    public const int MaxPeers = 1 << 20;

    /// <summary>Most allowed IPs one request may name.</summary>
    public const int MaxAllowedIps = 1 << 22;

    private PeerChange? _peer;
    private int _allowedIps;

    /// <summary>Gets what the lines so far ask for.</summary>
    public DeviceChange Change { get; } = new();

    /// <summary>Gets 0, or the negative errno of the first fault.</summary>
    public int Error { get; private set; }

    /// <summary>Gets the 1-based number of the faulty line after <c>set=1</c>, or 0.</summary>
    public int ErrorLine { get; private set; }

    /// <summary>Gets the number of lines read.</summary>
    public int Lines { get; private set; }

    /// <summary>Takes one line.</summary>
    /// <param name="line">The line without its end; not empty.</param>
    public void Line(ReadOnlySpan<byte> line)
    {
        Lines++;
        if (Error != 0)
        {
            return;
        }

        int equals = line.IndexOf((byte)'=');
        int error = equals < 0 ? Errno.Protocol : KeyValue(line[..equals], line[(equals + 1)..]);
        if (error != 0)
        {
            Fail(error);
        }
    }

    /// <summary>Notes a fault that is not in a line's text, such as its length.</summary>
    /// <param name="error">A negative errno.</param>
    public void Fail(int error)
    {
        if (Error != 0)
        {
            return;
        }

        Error = error;
        ErrorLine = Lines;
        Change.Wipe();
        Change.Peers.Clear();
    }

    private int KeyValue(ReadOnlySpan<byte> key, ReadOnlySpan<byte> value)
    {
        if (key.SequenceEqual("public_key"u8))
        {
            return PublicKeyLine(value);
        }

        return _peer is null ? DeviceLine(key, value) : PeerLine(_peer, key, value);
    }

    private int PublicKeyLine(ReadOnlySpan<byte> value)
    {
        Span<byte> key = stackalloc byte[PublicKey.Size];
        if (!KeyText.TryFromHex(value, key))
        {
            return Errno.Invalid;
        }

        if (Change.Peers.Count == MaxPeers)
        {
            return Errno.TooLarge;
        }

        _peer = new PeerChange(new PublicKey(key));
        Change.Peers.Add(_peer);
        return Errno.None;
    }

    private int DeviceLine(ReadOnlySpan<byte> key, ReadOnlySpan<byte> value)
    {
        if (key.SequenceEqual("private_key"u8))
        {
            byte[]? secret = Secret(value);
            if (secret is null)
            {
                return Errno.Invalid;
            }

            Clamp(secret);
            CryptographicOperations.ZeroMemory(Change.PrivateKey);
            Change.PrivateKey = secret;
            return Errno.None;
        }

        if (key.SequenceEqual("listen_port"u8) && IpText.TryParseDecimal(value, ushort.MaxValue, out uint port))
        {
            Change.ListenPort = (ushort)port;
            return Errno.None;
        }

        if (key.SequenceEqual("fwmark"u8) && IpText.TryParseDecimal(value, uint.MaxValue, out uint mark))
        {
            Change.FirewallMark = mark;
            return Errno.None;
        }

        if (key.SequenceEqual("replace_peers"u8) && value.SequenceEqual("true"u8))
        {
            Change.ReplacePeers = true;
            return Errno.None;
        }

        return Errno.Invalid;
    }

    private int PeerLine(PeerChange peer, ReadOnlySpan<byte> key, ReadOnlySpan<byte> value)
    {
        if (key.SequenceEqual("allowed_ip"u8))
        {
            return AllowedIpLine(peer, value);
        }

        if (key.SequenceEqual("preshared_key"u8))
        {
            byte[]? secret = Secret(value);
            if (secret is null)
            {
                return Errno.Invalid;
            }

            CryptographicOperations.ZeroMemory(peer.PresharedKey);
            peer.PresharedKey = secret;
            return Errno.None;
        }

        if (key.SequenceEqual("endpoint"u8))
        {
            if (!IpText.TryParseEndpoint(value, out IPEndPoint endpoint))
            {
                return Errno.Invalid;
            }

            peer.Endpoint = endpoint;
            return Errno.None;
        }

        if (key.SequenceEqual("persistent_keepalive_interval"u8) && IpText.TryParseDecimal(value, ushort.MaxValue, out uint seconds))
        {
            peer.PersistentKeepalive = (ushort)seconds;
            return Errno.None;
        }

        if (key.SequenceEqual("protocol_version"u8))
        {
            return value.SequenceEqual("1"u8) ? Errno.None : Errno.Invalid;
        }

        return value.SequenceEqual("true"u8) ? FlagLine(peer, key) : Errno.Invalid;
    }

    private int FlagLine(PeerChange peer, ReadOnlySpan<byte> key)
    {
        if (key.SequenceEqual("replace_allowed_ips"u8))
        {
            peer.ReplaceAllowedIps = true;
            _allowedIps -= peer.AllowedIps.Count;
            peer.AllowedIps.Clear();
            return Errno.None;
        }

        if (key.SequenceEqual("update_only"u8))
        {
            peer.UpdateOnly = true;
            return Errno.None;
        }

        if (key.SequenceEqual("remove"u8))
        {
            peer.Remove = true;
            return Errno.None;
        }

        return Errno.Invalid;
    }

    private int AllowedIpLine(PeerChange peer, ReadOnlySpan<byte> value)
    {
        bool remove = !value.IsEmpty && value[0] == (byte)'-';
        if (!IpText.TryParseNetwork(remove ? value[1..] : value, lengthNeeded: true, out IPNetwork network, out _))
        {
            return Errno.Invalid;
        }

        if (_allowedIps == MaxAllowedIps)
        {
            return Errno.TooLarge;
        }

        _allowedIps++;
        peer.AllowedIps.Add(new AllowedIpChange(network, remove));
        return Errno.None;
    }

    /// <summary>Reads a secret into an array that the collector never moves, so that wiping it leaves no copy.</summary>
    private static byte[]? Secret(ReadOnlySpan<byte> hex)
    {
        byte[] secret = GC.AllocateArray<byte>(KeyText.KeySize, pinned: true);
        return KeyText.TryFromHex(hex, secret) ? secret : null;
    }

    /// <summary>Clamps a Curve25519 scalar (RFC 7748, section 5); all zero means "no key" and stays.</summary>
    private static void Clamp(Span<byte> key)
    {
        int any = 0;
        foreach (byte b in key)
        {
            any |= b;
        }

        int present = (-any) >> 31;
        key[0] &= 248;
        key[31] &= 127;
        key[31] |= (byte)(64 & present);
    }
}

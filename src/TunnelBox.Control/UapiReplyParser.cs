using System.Buffers.Text;
using System.Net;
using System.Security.Cryptography;
using TunnelBox.Configuration;
using TunnelBox.Crypto;

namespace TunnelBox.Control;

/// <summary>
/// Reads the lines of the answer to <c>get=1</c> of any UAPI server. Unknown keys are passed over, as wg(8) does, so that a
/// newer daemon can say more; a value that its key does not take ends the reading.
/// </summary>
/// <param name="name">The interface.</param>
public sealed class UapiReplyParser(string name) : IDisposable
{
    private PeerStatus? _peer;
    private bool _taken;

    /// <summary>Gets the device as told so far; whoever takes it by <see cref="Take"/> disposes it.</summary>
    public DeviceState Device { get; } = new(name);

    /// <summary>Gets the positive errno of the closing <c>errno=</c>, or null while it has not come.</summary>
    public int? Error { get; private set; }

    /// <summary>Takes a line.</summary>
    /// <param name="line">The line without its end; not empty.</param>
    /// <returns>False where the line is not one of a reply.</returns>
    public bool Line(ReadOnlySpan<byte> line)
    {
        int equals = line.IndexOf((byte)'=');
        if (equals <= 0 || Error is not null)
        {
            return false;
        }

        ReadOnlySpan<byte> key = line[..equals];
        ReadOnlySpan<byte> value = line[(equals + 1)..];
        if (key.SequenceEqual("errno"u8))
        {
            bool ok = IpText.TryParseDecimal(value.StartsWith("-"u8) ? value[1..] : value, 4095, out uint errno);
            Error = (int)errno;
            return ok;
        }

        if (key.SequenceEqual("public_key"u8))
        {
            Span<byte> bytes = stackalloc byte[PublicKey.Size];
            if (!KeyText.TryFromHex(value, bytes))
            {
                return false;
            }

            _peer = new PeerStatus(new PublicKey(bytes));
            Device.Peers.Add(_peer);
            return true;
        }

        return _peer is null ? DeviceLine(key, value) : PeerLine(_peer, key, value);
    }

    /// <summary>Hands over the device.</summary>
    /// <returns>The device; the caller disposes it.</returns>
    public DeviceState Take()
    {
        _taken = true;
        return Device;
    }

    /// <inheritdoc/>
    public void Dispose()
    {
        if (!_taken)
        {
            Device.Dispose();
        }
    }

    private static bool TrySecret(ReadOnlySpan<byte> hex, out byte[]? secret)
    {
        byte[] bytes = GC.AllocateArray<byte>(KeyText.KeySize, pinned: true);
        bool ok = KeyText.TryFromHex(hex, bytes);
        secret = ok && !KeyText.IsZero(bytes) ? bytes : null;
        return ok;
    }

    private bool DeviceLine(ReadOnlySpan<byte> key, ReadOnlySpan<byte> value)
    {
        uint number;
        switch (key)
        {
            case var _ when key.SequenceEqual("private_key"u8):
                bool ok = TrySecret(value, out byte[]? secret);
                CryptographicOperations.ZeroMemory(Device.PrivateKey);
                Device.PrivateKey = secret;
                return ok;
            case var _ when key.SequenceEqual("listen_port"u8):
                ok = IpText.TryParseDecimal(value, ushort.MaxValue, out number);
                Device.ListenPort = (ushort)number;
                return ok;
            case var _ when key.SequenceEqual("fwmark"u8):
                ok = IpText.TryParseDecimal(value, uint.MaxValue, out number);
                Device.FirewallMark = number;
                return ok;
            default:
                return true;
        }
    }

    private static bool PeerLine(PeerStatus peer, ReadOnlySpan<byte> key, ReadOnlySpan<byte> value)
    {
        if (key.SequenceEqual("allowed_ip"u8))
        {
            bool ok = IpText.TryParseNetwork(value, lengthNeeded: true, out IPNetwork network, out _);
            if (ok)
            {
                peer.AllowedIps.Add(network);
            }

            return ok;
        }

        if (key.SequenceEqual("preshared_key"u8))
        {
            CryptographicOperations.ZeroMemory(peer.PresharedKey);
            bool ok = TrySecret(value, out byte[]? secret);
            peer.PresharedKey = secret;
            return ok;
        }

        if (key.SequenceEqual("endpoint"u8))
        {
            bool ok = IpText.TryParseEndpoint(value, out IPEndPoint endpoint);
            peer.Endpoint = ok ? endpoint : null;
            return ok;
        }

        if (key.SequenceEqual("persistent_keepalive_interval"u8))
        {
            bool ok = IpText.TryParseDecimal(value, ushort.MaxValue, out uint seconds);
            peer.PersistentKeepalive = (ushort)seconds;
            return ok;
        }

        return CounterLine(peer, key, value);
    }

    private static bool CounterLine(PeerStatus peer, ReadOnlySpan<byte> key, ReadOnlySpan<byte> value)
    {
        bool seconds = key.SequenceEqual("last_handshake_time_sec"u8);
        bool nanoseconds = key.SequenceEqual("last_handshake_time_nsec"u8);
        bool received = key.SequenceEqual("rx_bytes"u8);
        bool sent = key.SequenceEqual("tx_bytes"u8);
        if (!seconds && !nanoseconds && !received && !sent)
        {
            return true;
        }

        if (value.IsEmpty || value[0] is < (byte)'0' or > (byte)'9' || !Utf8Parser.TryParse(value, out ulong number, out int used) || used != value.Length)
        {
            return false;
        }

        if (received)
        {
            peer.ReceivedBytes = number;
            return true;
        }

        if (sent)
        {
            peer.SentBytes = number;
            return true;
        }

        if (number > long.MaxValue)
        {
            return false;
        }

        if (seconds)
        {
            peer.HandshakeSeconds = (long)number;
        }
        else
        {
            peer.HandshakeNanoseconds = (long)number;
        }

        return true;
    }
}

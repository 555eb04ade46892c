using System.Buffers.Text;
using System.Net;
using System.Security.Cryptography;
using TunnelBox.Configuration;
using TunnelBox.Crypto;

namespace TunnelBox.Control;

/// <summary>
/// Writes the answer to <c>get=1</c> as a stream: whatever the number of peers, it holds one buffer of
/// <see cref="BufferSize"/> bytes, which is wiped whenever it has been sent.
/// </summary>
public sealed class UapiReply : IDeviceVisitor, IDisposable
{
    /// <summary>Bytes collected before they are sent.</summary>
    public const int BufferSize = 64 * 1024;

    /// <summary>More than one line can take: the longest holds a key name and an endpoint.</summary>
    private const int LineRoom = 160;

    private readonly Stream _stream;
    private readonly byte[] _buffer = GC.AllocateArray<byte>(BufferSize, pinned: true);
    private int _used;

    /// <summary>Starts an answer.</summary>
    /// <param name="stream">Where it goes; stays open.</param>
    public UapiReply(Stream stream) => _stream = stream;

    /// <inheritdoc/>
    public void Device(ReadOnlySpan<byte> privateKey, ushort listenPort, uint firewallMark)
    {
        if (privateKey.Length == KeyText.KeySize && !KeyText.IsZero(privateKey))
        {
            Key("private_key="u8, privateKey);
        }

        if (listenPort != 0)
        {
            Number("listen_port="u8, listenPort);
        }

        if (firewallMark != 0)
        {
            Number("fwmark="u8, firewallMark);
        }
    }

    /// <inheritdoc/>
    public void Peer(in PeerState state, ReadOnlySpan<byte> presharedKey, IReadOnlyList<IPNetwork> allowedIps)
    {
        ArgumentNullException.ThrowIfNull(allowedIps);
        Span<byte> key = stackalloc byte[PublicKey.Size];
        state.PublicKey.CopyTo(key);
        Key("public_key="u8, key);
        if (presharedKey.Length == KeyText.KeySize)
        {
            Key("preshared_key="u8, presharedKey);
        }
        else
        {
            key.Clear();
            Key("preshared_key="u8, key);
        }

        Number("protocol_version="u8, 1);
        if (state.Endpoint is not null)
        {
            Room();
            Text("endpoint="u8);
            _used += IpText.Format(state.Endpoint, _buffer.AsSpan(_used));
            Text("\n"u8);
        }

        Number("last_handshake_time_sec="u8, (ulong)(state.LastHandshake / 1_000_000_000));
        Number("last_handshake_time_nsec="u8, (ulong)(state.LastHandshake % 1_000_000_000));
        Number("tx_bytes="u8, state.SentBytes);
        Number("rx_bytes="u8, state.ReceivedBytes);
        Number("persistent_keepalive_interval="u8, state.PersistentKeepalive);
        for (int i = 0; i < allowedIps.Count; i++)
        {
            Room();
            Text("allowed_ip="u8);
            _used += IpText.Format(allowedIps[i], _buffer.AsSpan(_used));
            Text("\n"u8);
        }
    }

    /// <summary>Writes the closing <c>errno=</c> and the blank line, and sends what is left.</summary>
    /// <param name="error">0 or a negative errno.</param>
    public void End(int error)
    {
        Room();
        Text("errno="u8);
        Utf8Formatter.TryFormat(error, _buffer.AsSpan(_used), out int written);
        _used += written;
        Text("\n\n"u8);
        Send();
    }

    /// <summary>Wipes what was not sent; used where an answer is broken off.</summary>
    public void Dispose()
    {
        CryptographicOperations.ZeroMemory(_buffer);
        _used = 0;
    }

    private void Key(ReadOnlySpan<byte> name, ReadOnlySpan<byte> key)
    {
        Room();
        Text(name);
        KeyText.ToHex(key, _buffer.AsSpan(_used));
        _used += KeyText.HexSize;
        Text("\n"u8);
    }

    private void Number(ReadOnlySpan<byte> name, ulong value)
    {
        Room();
        Text(name);
        Utf8Formatter.TryFormat(value, _buffer.AsSpan(_used), out int written);
        _used += written;
        Text("\n"u8);
    }

    private void Text(ReadOnlySpan<byte> text)
    {
        text.CopyTo(_buffer.AsSpan(_used));
        _used += text.Length;
    }

    private void Room()
    {
        if (_used + LineRoom > BufferSize)
        {
            Send();
        }
    }

    private void Send()
    {
        try
        {
            _stream.Write(_buffer, 0, _used);
        }
        finally
        {
            CryptographicOperations.ZeroMemory(_buffer.AsSpan(0, _used));
            _used = 0;
        }
    }
}

using System.Net;
using TunnelBox.Configuration;
using TunnelBox.Crypto;

namespace TunnelBox.Control;

/// <summary>Writes the answer to <c>get=1</c> as a stream: whatever the number of peers, it holds one buffer.</summary>
/// <param name="stream">Where it goes; stays open.</param>
public sealed class UapiReply(Stream stream) : IDeviceVisitor, IDisposable
{
    private readonly SecretWriter _text = new(stream);

    /// <inheritdoc/>
    public void Device(ReadOnlySpan<byte> privateKey, ushort listenPort, uint firewallMark)
    {
        if (privateKey.Length == KeyText.KeySize && !KeyText.IsZero(privateKey))
        {
            _text.Text("private_key="u8).Hex(privateKey).Text("\n"u8);
        }

        if (listenPort != 0)
        {
            _text.Text("listen_port="u8).Number(listenPort).Text("\n"u8);
        }

        if (firewallMark != 0)
        {
            _text.Text("fwmark="u8).Number(firewallMark).Text("\n"u8);
        }
    }

    /// <inheritdoc/>
    public void Peer(in PeerState state, ReadOnlySpan<byte> presharedKey, IReadOnlyList<IPNetwork> allowedIps)
    {
        ArgumentNullException.ThrowIfNull(allowedIps);
        Span<byte> key = stackalloc byte[PublicKey.Size];
        state.PublicKey.CopyTo(key);
        _text.Text("public_key="u8).Hex(key).Text("\n"u8);
        key.Clear();
        _text.Text("preshared_key="u8).Hex(presharedKey.Length == KeyText.KeySize ? presharedKey : key).Text("\n"u8);
        _text.Text("protocol_version=1\n"u8);
        if (state.Endpoint is { } endpoint)
        {
            _text.Text("endpoint="u8).Endpoint(endpoint).Text("\n"u8);
        }

        long handshake = Math.Max(0, state.LastHandshake);
        _text.Text("last_handshake_time_sec="u8).Number((ulong)(handshake / 1_000_000_000)).Text("\n"u8);
        _text.Text("last_handshake_time_nsec="u8).Number((ulong)(handshake % 1_000_000_000)).Text("\n"u8);
        _text.Text("tx_bytes="u8).Number(state.SentBytes).Text("\n"u8);
        _text.Text("rx_bytes="u8).Number(state.ReceivedBytes).Text("\n"u8);
        _text.Text("persistent_keepalive_interval="u8).Number(state.PersistentKeepalive).Text("\n"u8);
        for (int i = 0; i < allowedIps.Count; i++)
        {
            _text.Text("allowed_ip="u8).Network(allowedIps[i]).Text("\n"u8);
        }
    }

    /// <summary>Writes the closing <c>errno=</c> and the blank line, and sends what is left.</summary>
    /// <param name="error">0 or a negative errno.</param>
    public void End(int error)
    {
        _text.Text($"errno={error}\n\n");
        _text.Send();
    }

    /// <inheritdoc/>
    public void Dispose() => _text.Dispose();
}

using System.Buffers.Text;
using System.Net;
using System.Security.Cryptography;
using System.Text;

namespace TunnelBox.Configuration;

/// <summary>
/// Writes text that may hold keys to a stream through one pinned buffer, which is wiped whenever it has been sent. Memory
/// does not grow with the text.
/// </summary>
/// <param name="stream">Where the text goes; stays open.</param>
public sealed class SecretWriter(Stream stream) : IDisposable
{
    /// <summary>Bytes collected before they are sent.</summary>
    public const int BufferSize = 64 * 1024;

    /// <summary>More than any single item other than text takes.</summary>
    private const int ItemRoom = 128;

    private readonly byte[] _buffer = GC.AllocateArray<byte>(BufferSize, pinned: true);
    private int _used;

    /// <summary>Writes text.</summary>
    /// <param name="text">The bytes.</param>
    /// <returns>This writer.</returns>
    public SecretWriter Text(ReadOnlySpan<byte> text)
    {
        while (!text.IsEmpty)
        {
            Span<byte> room = Room();
            int part = Math.Min(room.Length, text.Length);
            text[..part].CopyTo(room);
            _used += part;
            text = text[part..];
        }

        return this;
    }

    /// <summary>Writes text that is no secret.</summary>
    /// <param name="text">The text.</param>
    /// <returns>This writer.</returns>
    public SecretWriter Text(string text) => Text(Encoding.UTF8.GetBytes(text));

    /// <summary>Writes a number.</summary>
    /// <param name="value">The number.</param>
    /// <returns>This writer.</returns>
    public SecretWriter Number(ulong value)
    {
        Utf8Formatter.TryFormat(value, Room(), out int written);
        _used += written;
        return this;
    }

    /// <summary>Writes a number as 0x and lower-case hexadecimal digits.</summary>
    /// <param name="value">The number.</param>
    /// <returns>This writer.</returns>
    public SecretWriter HexNumber(uint value)
    {
        Text("0x"u8);
        Utf8Formatter.TryFormat(value, Room(), out int written, 'x');
        _used += written;
        return this;
    }

    /// <summary>Writes a key in base64.</summary>
    /// <param name="key">32 bytes.</param>
    /// <returns>This writer.</returns>
    public SecretWriter Base64(ReadOnlySpan<byte> key)
    {
        KeyText.ToBase64(key, Room());
        _used += KeyText.Base64Size;
        return this;
    }

    /// <summary>Writes a key in hexadecimal.</summary>
    /// <param name="key">32 bytes.</param>
    /// <returns>This writer.</returns>
    public SecretWriter Hex(ReadOnlySpan<byte> key)
    {
        KeyText.ToHex(key, Room());
        _used += KeyText.HexSize;
        return this;
    }

    /// <summary>Writes ADDRESS/LENGTH.</summary>
    /// <param name="network">The prefix.</param>
    /// <returns>This writer.</returns>
    public SecretWriter Network(IPNetwork network)
    {
        // Two statements: Room may send, and then counts from zero.
        int written = IpText.Format(network, Room());
        _used += written;
        return this;
    }

    /// <summary>Writes an address without zone.</summary>
    /// <param name="address">The address.</param>
    /// <returns>This writer.</returns>
    public SecretWriter Address(IPAddress address)
    {
        // Two statements: Room may send, and then counts from zero.
        int written = IpText.Format(address, Room());
        _used += written;
        return this;
    }

    /// <summary>Writes ADDRESS:PORT or [ADDRESS%ZONE]:PORT.</summary>
    /// <param name="endpoint">The endpoint.</param>
    /// <returns>This writer.</returns>
    public SecretWriter Endpoint(IPEndPoint endpoint)
    {
        // Two statements: Room may send, and then counts from zero.
        int written = IpText.Format(endpoint, Room());
        _used += written;
        return this;
    }

    /// <summary>Sends what was collected.</summary>
    public void Send()
    {
        try
        {
            stream.Write(_buffer, 0, _used);
        }
        finally
        {
            CryptographicOperations.ZeroMemory(_buffer.AsSpan(0, _used));
            _used = 0;
        }
    }

    /// <summary>Wipes what was not sent.</summary>
    public void Dispose()
    {
        CryptographicOperations.ZeroMemory(_buffer);
        _used = 0;
    }

    private Span<byte> Room()
    {
        if (_used + ItemRoom > BufferSize)
        {
            Send();
        }

        return _buffer.AsSpan(_used);
    }
}

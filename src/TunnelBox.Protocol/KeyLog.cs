using System.Security.Cryptography;
using TunnelBox.Crypto;

namespace TunnelBox.Protocol;

/// <summary>
/// Gives away the keys of handshakes, in the format of Wireshark's WireGuard key log, to those whom an operator lets have them. While there is
/// nobody, a handshake looks at one reference and nothing is formatted.
/// </summary>
public sealed class KeyLog
{
    private readonly Lock _gate = new();
    private KeyLogSink[] _sinks = [];

    /// <summary>Begins to give keys to somebody.</summary>
    /// <param name="sink">Takes the lines; called under the tunnel's lock, so it must not wait.</param>
    public void Add(KeyLogSink sink)
    {
        lock (_gate)
        {
            _sinks = [.. _sinks, sink];
        }
    }

    /// <summary>Ends it.</summary>
    /// <param name="sink">The same as was added.</param>
    public void Remove(KeyLogSink sink)
    {
        lock (_gate)
        {
            _sinks = [.. _sinks.Where(other => other != sink)];
        }
    }

    /// <summary>A handshake made its ephemeral key.</summary>
    /// <param name="identity">Our key pair.</param>
    /// <param name="remote">The peer.</param>
    /// <param name="ephemeral">The ephemeral private key.</param>
    /// <param name="presharedKey">The preshared key, or none.</param>
    internal void Note(Identity identity, in PublicKey remote, ReadOnlySpan<byte> ephemeral, KeyHandle presharedKey)
    {
        if (Volatile.Read(ref _sinks).Length == 0)
        {
            return;
        }

        Span<byte> text = stackalloc byte[4 * 96];
        Span<byte> key = stackalloc byte[PublicKey.Size];
        try
        {
            remote.CopyTo(key);
            int length = Line(text, "LOCAL_STATIC_PRIVATE_KEY"u8, KeyArena.DangerousGetSpan(identity.PrivateKey));
            length += Line(text[length..], "REMOTE_STATIC_PUBLIC_KEY"u8, key);
            length += Line(text[length..], "LOCAL_EPHEMERAL_PRIVATE_KEY"u8, ephemeral);
            if (!presharedKey.IsNone)
            {
                length += Line(text[length..], "PRESHARED_KEY"u8, KeyArena.DangerousGetSpan(presharedKey));
            }

            // Under the lock: who has been removed is not called any more, so its pipe may be closed.
            lock (_gate)
            {
                foreach (KeyLogSink sink in _sinks)
                {
                    sink(text[..length]);
                }
            }
        }
        finally
        {
            CryptographicOperations.ZeroMemory(text);
        }
    }

    private static int Line(Span<byte> text, ReadOnlySpan<byte> name, ReadOnlySpan<byte> key)
    {
        name.CopyTo(text);
        int length = name.Length;
        " = "u8.CopyTo(text[length..]);
        length += 3;
        Span<char> base64 = stackalloc char[SecretText.Base64Length];
        SecretText.FormatBase64(key, base64);
        foreach (char letter in base64)
        {
            text[length++] = (byte)letter;
        }

        base64.Clear();
        text[length++] = (byte)'\n';
        return length;
    }
}

/// <summary>Takes the key-log lines of one handshake.</summary>
/// <param name="lines">The lines, valid during the call only; they are wiped after it.</param>
public delegate void KeyLogSink(ReadOnlySpan<byte> lines);

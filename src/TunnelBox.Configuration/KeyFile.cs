namespace TunnelBox.Configuration;

/// <summary>Reads files that hold one key in base64 and nothing else but white space after it.</summary>
public static class KeyFile
{
    /// <summary>Reads a key from a stream.</summary>
    /// <param name="stream">The stream, read to its end.</param>
    /// <param name="key">Receives 32 bytes; zeros for an empty file and when the answer is false.</param>
    /// <param name="empty">Whether the file is empty, which stands for "no key".</param>
    /// <returns>Whether the file is empty or holds a key.</returns>
    /// <exception cref="IOException">The stream cannot be read.</exception>
    public static bool TryRead(Stream stream, Span<byte> key, out bool empty)
    {
        using SecretFile file = SecretFile.Read(stream);
        ReadOnlySpan<byte> bytes = file.Bytes;
        empty = bytes.IsEmpty;
        key.Clear();
        if (empty)
        {
            return true;
        }

        foreach (byte c in bytes[Math.Min(bytes.Length, KeyText.Base64Size)..])
        {
            if (c != 0 && !WgLine.IsSpace(c))
            {
                return false;
            }
        }

        return bytes.Length >= KeyText.Base64Size && KeyText.TryFromBase64(bytes[..KeyText.Base64Size], key);
    }

    /// <summary>Reads a key from a file.</summary>
    /// <param name="path">The file.</param>
    /// <returns>32 bytes in memory that the collector does not move; all zero for an empty file. The caller wipes them.</returns>
    /// <exception cref="ConfigurationFaultsException">The file cannot be read or holds no key.</exception>
    public static byte[] Read(string path)
    {
        byte[] key = GC.AllocateArray<byte>(KeyText.KeySize, pinned: true);
        string? fault;
        try
        {
            using FileStream stream = new(path, FileMode.Open, FileAccess.Read, FileShare.ReadWrite, bufferSize: 0);
            fault = TryRead(stream, key, out _) ? null : WgValues.KeyFault;
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException or ArgumentException)
        {
            fault = $"the key cannot be read: {e.Message.TrimEnd('.')}.";
        }

        return fault is null ? key : throw new ConfigurationFaultsException([new ConfigurationFault(path, 0, string.Empty, fault)]);
    }
}

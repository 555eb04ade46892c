using System.Security.Cryptography;

namespace TunnelBox.Configuration;

/// <summary>The bytes of a file that may hold keys, in memory that the collector never copies and that is wiped at the end.</summary>
public sealed class SecretFile : IDisposable
{
    /// <summary>Largest file in bytes: room for 2^20 peers of the usual size.</summary>
    public const int MaxSize = 256 << 20;

    private byte[] _bytes;
    private int _length;

    private SecretFile(int capacity) => _bytes = GC.AllocateArray<byte>(capacity, pinned: true);

    /// <summary>Gets the bytes; valid until <see cref="Dispose"/>.</summary>
    public ReadOnlySpan<byte> Bytes => _bytes.AsSpan(0, _length);

    /// <summary>Reads a file, a pipe or a device such as /dev/stdin to its end.</summary>
    /// <param name="path">The path.</param>
    /// <returns>The bytes.</returns>
    /// <exception cref="IOException">It cannot be read, or is larger than <see cref="MaxSize"/>.</exception>
    /// <exception cref="UnauthorizedAccessException">It may not be read.</exception>
    public static SecretFile Read(string path)
    {
        using FileStream stream = new(path, FileMode.Open, FileAccess.Read, FileShare.ReadWrite, bufferSize: 0);
        return Read(stream, stream.CanSeek ? stream.Length : 0);
    }

    /// <summary>Reads a stream to its end.</summary>
    /// <param name="stream">The stream; stays open.</param>
    /// <param name="expected">Its length where known, otherwise 0.</param>
    /// <returns>The bytes.</returns>
    /// <exception cref="IOException">It cannot be read, or is larger than <see cref="MaxSize"/>.</exception>
    public static SecretFile Read(Stream stream, long expected = 0)
    {
        ArgumentNullException.ThrowIfNull(stream);
        SecretFile file = new((int)Math.Clamp(expected + 1, 4096, MaxSize));
        try
        {
            int got;
            while ((got = stream.Read(file._bytes, file._length, file._bytes.Length - file._length)) > 0)
            {
                file._length += got;
                if (file._length == file._bytes.Length)
                {
                    file.Grow();
                }
            }

            return file;
        }
        catch
        {
            file.Dispose();
            throw;
        }
    }

    /// <inheritdoc/>
    public void Dispose()
    {
        CryptographicOperations.ZeroMemory(_bytes);
        _length = 0;
    }

    private void Grow()
    {
        if (_bytes.Length == MaxSize)
        {
            throw new IOException($"the file is larger than {MaxSize >> 20} MiB");
        }

        byte[] larger = GC.AllocateArray<byte>(Math.Min(2 * _bytes.Length, MaxSize), pinned: true);
        _bytes.CopyTo(larger, 0);
        CryptographicOperations.ZeroMemory(_bytes);
        _bytes = larger;
    }
}

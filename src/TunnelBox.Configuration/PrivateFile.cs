namespace TunnelBox.Configuration;

/// <summary>Writes files that hold keys: only their owner may read them (0600), and a reader sees the old file or the new one, never half of it.</summary>
public static class PrivateFile
{
    /// <summary>Writes a file.</summary>
    /// <param name="path">Where; what a symbolic link leads to is replaced, not the link.</param>
    /// <param name="overwrite">Whether a file that is there is replaced.</param>
    /// <param name="write">Writes the contents.</param>
    /// <exception cref="IOException">It cannot be written, or is there and may not be replaced; nothing has changed.</exception>
    /// <exception cref="UnauthorizedAccessException">It may not be written; nothing has changed.</exception>
    public static void Write(string path, bool overwrite, Action<Stream> write)
    {
        ArgumentNullException.ThrowIfNull(path);
        ArgumentNullException.ThrowIfNull(write);
        string target = (File.Exists(path) ? File.ResolveLinkTarget(path, returnFinalTarget: true)?.FullName : null) ?? Path.GetFullPath(path);
        string temporary = $"{target}.{Environment.ProcessId}.tmp";
        FileStreamOptions options = new()
        {
            Mode = FileMode.CreateNew,
            Access = FileAccess.Write,
            UnixCreateMode = UnixFileMode.UserRead | UnixFileMode.UserWrite,
            BufferSize = 0,
        };
        using FileStream stream = new(temporary, options);
        try
        {
            write(stream);
            stream.Flush(flushToDisk: true);
            File.Move(temporary, target, overwrite);
        }
        catch
        {
            File.Delete(temporary);
            throw;
        }
    }
}

namespace TunnelBox.Tunnelctl;

/// <summary>Makes files that only their owner may read, to be written as they come.</summary>
internal static class PrivateStream
{
    /// <summary>Makes a file, or empties the one that is there.</summary>
    /// <param name="path">Where.</param>
    /// <returns>The file, unbuffered, mode 0600.</returns>
    /// <exception cref="IOException">It cannot be made.</exception>
    /// <exception cref="UnauthorizedAccessException">It may not be made.</exception>
    public static FileStream Create(string path)
    {
        const UnixFileMode Private = UnixFileMode.UserRead | UnixFileMode.UserWrite;
        FileStream file = new(path, new FileStreamOptions
        {
            Mode = FileMode.Create,
            Access = FileAccess.Write,
            Share = FileShare.Read,
            UnixCreateMode = Private,
            BufferSize = 0,
        });
        File.SetUnixFileMode(file.SafeFileHandle, Private);
        return file;
    }
}

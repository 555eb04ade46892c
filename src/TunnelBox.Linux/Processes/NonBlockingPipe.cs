using TunnelBox.Linux.Libc;

namespace TunnelBox.Linux.Processes;

/// <summary>A pipe whose writer never waits: what finds no room is not written, and never in part (pipe(7), PIPE_BUF).</summary>
public sealed unsafe class NonBlockingPipe : IDisposable
{
    /// <summary>Most bytes of one write.</summary>
    public const int MaxWrite = 4096;

    private readonly FileDescriptor _reading;
    private readonly FileDescriptor _writing;

    private NonBlockingPipe(int reading, int writing)
    {
        _reading = new FileDescriptor(reading);
        _writing = new FileDescriptor(writing);
    }

    /// <summary>Gets the reading end, which blocks as usual; valid until this is disposed.</summary>
    public int Reading => _reading.Value;

    /// <summary>Makes a pipe.</summary>
    /// <param name="error">0, or −errno.</param>
    /// <returns>The pipe, or null.</returns>
    public static NonBlockingPipe? Open(out int error)
    {
        int* pair = stackalloc int[2];
        error = LibC.pipe2(pair, Definitions.O_CLOEXEC);
        if (error < 0)
        {
            return null;
        }

        var made = new NonBlockingPipe(pair[0], pair[1]);
        error = LibC.fcntl(pair[1], Definitions.F_SETFL, Definitions.O_WRONLY | Definitions.O_NONBLOCK);
        if (error >= 0)
        {
            return made;
        }

        made.Dispose();
        return null;
    }

    /// <summary>Writes.</summary>
    /// <param name="bytes">At most <see cref="MaxWrite"/> bytes.</param>
    /// <returns>Whether there was room.</returns>
    public bool TryWrite(ReadOnlySpan<byte> bytes)
    {
        ArgumentOutOfRangeException.ThrowIfGreaterThan(bytes.Length, MaxWrite, nameof(bytes));
        fixed (byte* data = bytes)
        {
            return LibC.write(_writing.Value, data, (nuint)bytes.Length) == bytes.Length;
        }
    }

    /// <inheritdoc/>
    public void Dispose()
    {
        _writing.Dispose();
        _reading.Dispose();
    }
}

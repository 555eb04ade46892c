using System.Net.Sockets;
using TunnelBox.Linux.Libc;
using TunnelBox.Linux.Processes;

namespace TunnelBox.Control;

/// <summary>Something that a daemon does for a client as long as both want it.</summary>
/// <typeparam name="TAnswer">The contract of its one line.</typeparam>
public sealed class ControlSession<TAnswer> : IDisposable
{
    private readonly NetworkStream _stream;

    internal ControlSession(TAnswer answer, IReadOnlyList<FileDescriptor> descriptors, NetworkStream stream)
    {
        Answer = answer;
        Descriptors = descriptors;
        _stream = stream;
    }

    /// <summary>Gets what the daemon said.</summary>
    public TAnswer Answer { get; }

    /// <summary>Gets the descriptors that it handed over, owned by the caller.</summary>
    public IReadOnlyList<FileDescriptor> Descriptors { get; }

    /// <summary>Gets a value indicating whether the daemon still serves this session.</summary>
    public bool IsOpen
    {
        get
        {
            try
            {
                // The daemon says nothing more, so what can be read is the end.
                return !_stream.Socket.Poll(0, SelectMode.SelectRead);
            }
            catch (SocketException)
            {
                return false;
            }
        }
    }

    /// <summary>Says a word, a byte.</summary>
    /// <param name="word">The word.</param>
    /// <exception cref="IOException">The daemon is gone.</exception>
    public void Say(byte word) => _stream.Write([word]);

    /// <summary>Takes a block of bytes with its length in front.</summary>
    /// <param name="most">Longest block that is taken.</param>
    /// <returns>The block, in memory that the collector does not move; the caller wipes what is secret.</returns>
    /// <exception cref="IOException">The daemon is gone, or what it says is no block.</exception>
    public byte[] Take(int most)
    {
        Span<byte> head = stackalloc byte[4];
        _stream.ReadExactly(head);
        int length = System.Buffers.Binary.BinaryPrimitives.ReadInt32LittleEndian(head);
        if (length < 0 || length > most)
        {
            throw new IOException("what was handed over has no length that can be");
        }

        byte[] block = GC.AllocateArray<byte>(length, pinned: true);
        _stream.ReadExactly(block);
        return block;
    }

    /// <summary>Ends the session.</summary>
    public void Dispose() => _stream.Dispose();
}

/// <summary>Reads a Unix socket and collects the descriptors that come with the bytes.</summary>
/// <param name="socket">The socket; stays open.</param>
/// <param name="received">Receives the descriptors.</param>
internal sealed class DescriptorStream(Socket socket, ICollection<FileDescriptor> received) : Stream
{
    /// <inheritdoc/>
    public override bool CanRead => true;

    /// <inheritdoc/>
    public override bool CanSeek => false;

    /// <inheritdoc/>
    public override bool CanWrite => false;

    /// <inheritdoc/>
    public override long Length => throw new NotSupportedException();

    /// <inheritdoc/>
    public override long Position
    {
        get => throw new NotSupportedException();
        set => throw new NotSupportedException();
    }

    /// <inheritdoc/>
    public override int Read(byte[] buffer, int offset, int count) => Read(buffer.AsSpan(offset, count));

    /// <inheritdoc/>
    public override int Read(Span<byte> buffer)
    {
        int result = PassedDescriptors.Receive((int)socket.Handle, buffer, received);
        return result >= 0 ? result : throw new IOException(Linux.Libc.Errno.Describe(-result));
    }

    /// <inheritdoc/>
    public override void Flush()
    {
    }

    /// <inheritdoc/>
    public override long Seek(long offset, SeekOrigin origin) => throw new NotSupportedException();

    /// <inheritdoc/>
    public override void SetLength(long value) => throw new NotSupportedException();

    /// <inheritdoc/>
    public override void Write(byte[] buffer, int offset, int count) => throw new NotSupportedException();
}

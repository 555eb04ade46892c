using TunnelBox.Control;
using TunnelBox.Linux.Processes;
using TunnelBox.Protocol;

namespace TunnelBox.Service;

/// <summary>The pipe through which a capture gets the keys of handshakes: secrets go from the protocol into the kernel, and nowhere else in this process.</summary>
internal sealed class KeyPipe : IDisposable
{
    private readonly KeyLog _log;
    private readonly NonBlockingPipe _pipe;
    private readonly KeyLogSink _sink;

    private KeyPipe(KeyLog log, NonBlockingPipe pipe)
    {
        _log = log;
        _pipe = pipe;
        // A reader that does not read loses keys, never time of the handshake; packets of that session stay encrypted in its file.
        _sink = lines => _ = _pipe.TryWrite(lines);
        _log.Add(_sink);
    }

    /// <summary>Gets the end to hand out.</summary>
    public int Reading => _pipe.Reading;

    /// <summary>Begins to collect keys.</summary>
    /// <param name="log">Where they come from.</param>
    /// <returns>The pipe.</returns>
    /// <exception cref="ControlException">The kernel gives none.</exception>
    public static KeyPipe Open(KeyLog log)
    {
        NonBlockingPipe? pipe = NonBlockingPipe.Open(out int error);
        return pipe is not null
            ? new KeyPipe(log, pipe)
            : throw new ControlException($"The kernel gives no pipe for the key log: {Linux.Libc.Errno.Describe(-error)}.");
    }

    /// <inheritdoc/>
    public void Dispose()
    {
        _log.Remove(_sink);
        _pipe.Dispose();
    }
}

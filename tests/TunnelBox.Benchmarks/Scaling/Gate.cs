using TunnelBox.Linux.Libc;

namespace TunnelBox.Benchmarks.Scaling;

/// <summary>Opens and closes the ports of one configuration: while it is open, their workers find them readable.</summary>
internal sealed unsafe class Gate : IDisposable
{
    private readonly FileDescriptor _descriptor = new(LibC.eventfd(0, Definitions.EFD_CLOEXEC | Definitions.EFD_NONBLOCK));
    private volatile bool _open;

    /// <summary>Gets a value indicating whether packets may come.</summary>
    public bool IsOpen => _open;

    /// <summary>Gets the descriptor to poll.</summary>
    public int Descriptor => _descriptor.Value;

    /// <summary>Lets packets come.</summary>
    public void Open()
    {
        _open = true;
        ulong one = 1;
        _ = LibC.write(Descriptor, &one, sizeof(ulong));
    }

    /// <summary>Ends that.</summary>
    public void Close()
    {
        _open = false;
        ulong count;
        _ = LibC.read(Descriptor, &count, sizeof(ulong));
    }

    /// <inheritdoc/>
    public void Dispose() => _descriptor.Dispose();
}

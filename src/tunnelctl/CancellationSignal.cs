using System.Runtime.InteropServices;

namespace TunnelBox.Tunnelctl;

/// <summary>Turns SIGINT and SIGTERM into a wish to end in order, while it lives.</summary>
internal sealed class CancellationSignal : IDisposable
{
    private readonly ManualResetEventSlim _event = new();
    private readonly PosixSignalRegistration _interrupt;
    private readonly PosixSignalRegistration _terminate;

    /// <summary>Begins to catch.</summary>
    public CancellationSignal()
    {
        _interrupt = PosixSignalRegistration.Create(PosixSignal.SIGINT, Cancel);
        _terminate = PosixSignalRegistration.Create(PosixSignal.SIGTERM, Cancel);
    }

    /// <summary>Gets a value indicating whether a signal came.</summary>
    public bool IsCancelled => _event.IsSet;

    /// <summary>Waits for a signal.</summary>
    /// <param name="time">At most so long.</param>
    public void Wait(TimeSpan time) => _event.Wait(time);

    /// <inheritdoc/>
    public void Dispose()
    {
        _interrupt.Dispose();
        _terminate.Dispose();
    }

    private void Cancel(PosixSignalContext context)
    {
        context.Cancel = true;
        _event.Set();
    }
}

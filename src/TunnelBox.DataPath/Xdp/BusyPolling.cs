using TunnelBox.Linux.Libc;

namespace TunnelBox.DataPath.Xdp;

/// <summary>
/// Busy polling of one device: its interrupts are put off, and the workers poll it. What the device had before is put back at the end.
/// </summary>
internal sealed class BusyPolling : IDisposable
{
    private DeferredInterrupts? _interrupts;

    private BusyPolling()
    {
    }

    /// <summary>Gets why it is not in force, a sentence; null where it is.</summary>
    public string? Problem { get; private set; }

    /// <summary>Switches it on, as far as it can be.</summary>
    /// <param name="device">The device's name.</param>
    /// <param name="microseconds">For how long a call polls at most.</param>
    /// <param name="queues">The device's queues.</param>
    /// <param name="directory">Where stands what a killed process leaves to be put back; null keeps it nowhere.</param>
    /// <returns>What switches it off.</returns>
    public static BusyPolling Begin(string device, int microseconds, IReadOnlyList<XdpQueue> queues, string? directory = null)
    {
        var begun = new BusyPolling();
        foreach (XdpQueue queue in queues)
        {
            int error = queue.Socket.BusyPoll(microseconds, Burst.Capacity);
            if (error < 0)
            {
                begun.Problem = $"Busy polling of {device} is off: {Errno.Describe(error)}; it needs the capability CAP_NET_ADMIN and Linux 5.11.";
                return begun;
            }
        }

        begun._interrupts = DeferredInterrupts.Begin(device, directory);
        if (begun._interrupts is null)
        {
            begun.Problem = $"Busy polling of {device} is off: its interrupts cannot be put off; /sys/class/net/{device}/napi_defer_hard_irqs and gro_flush_timeout must be writable.";
            return begun;
        }

        foreach (XdpQueue queue in queues)
        {
            queue.PollsDevice = true;
        }

        return begun;
    }

    /// <inheritdoc/>
    public void Dispose() => _interrupts?.Dispose();
}

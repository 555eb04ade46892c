using TunnelBox.Linux.Libc;

namespace TunnelBox.DataPath.Xdp;

/// <summary>
/// Busy polling of one device: its interrupts are put off (napi_defer_hard_irqs, gro_flush_timeout), and the workers poll it. What
/// the device had before is put back at the end, where nobody has set something else meanwhile.
/// </summary>
internal sealed class BusyPolling : IDisposable
{
    // Empty polls until interrupts come back, and the nanoseconds after which the kernel polls by itself: longer than a worker's
    // pass over full bursts, shorter than anybody notices (Documentation/networking/napi.rst of the kernel).
    private const string Deferred = "2";
    private const string Timeout = "200000";

    private readonly List<(string File, string Before, string Set)> _changed = [];

    private BusyPolling()
    {
    }

    /// <summary>Gets why it is not in force, a sentence; null where it is.</summary>
    public string? Problem { get; private set; }

    /// <summary>Switches it on, as far as it can be.</summary>
    /// <param name="device">The device's name.</param>
    /// <param name="microseconds">For how long a call polls at most.</param>
    /// <param name="queues">The device's queues.</param>
    /// <returns>What switches it off.</returns>
    public static BusyPolling Begin(string device, int microseconds, IReadOnlyList<XdpQueue> queues)
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

        string folder = $"/sys/class/net/{device}";
        if (begun.Change(Path.Combine(folder, "napi_defer_hard_irqs"), Deferred) && begun.Change(Path.Combine(folder, "gro_flush_timeout"), Timeout))
        {
            foreach (XdpQueue queue in queues)
            {
                queue.PollsDevice = true;
            }
        }
        else
        {
            begun.Dispose();
            begun.Problem = $"Busy polling of {device} is off: its interrupts cannot be put off; {folder}/napi_defer_hard_irqs and gro_flush_timeout must be writable.";
        }

        return begun;
    }

    /// <inheritdoc/>
    public void Dispose()
    {
        foreach ((string file, string before, string set) in _changed)
        {
            if (Read(file) == set)
            {
                _ = Write(file, before);
            }
        }

        _changed.Clear();
    }

    private static string? Read(string file)
    {
        try
        {
            return File.ReadAllText(file).Trim();
        }
        catch (Exception fault) when (fault is IOException or UnauthorizedAccessException)
        {
            return null;
        }
    }

    private static bool Write(string file, string value)
    {
        try
        {
            File.WriteAllText(file, value);
            return true;
        }
        catch (Exception fault) when (fault is IOException or UnauthorizedAccessException)
        {
            return false;
        }
    }

    private bool Change(string file, string value)
    {
        if (Read(file) is not { } before || !Write(file, value))
        {
            return false;
        }

        _changed.Add((file, before, value));
        return true;
    }
}

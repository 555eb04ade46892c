using TunnelBox.Linux.Libc;

namespace TunnelBox.DataPath.Udp;

/// <summary>Which offloads the sockets of one port use, and what to say when one is switched off.</summary>
/// <param name="report">Takes one sentence for the log.</param>
internal sealed class UdpOffloads(Action<string>? report)
{
    private int _segmentation;

    /// <summary>Gets a value indicating whether messages may hold several datagrams.</summary>
    public bool Segmentation => Volatile.Read(ref _segmentation) != 0;

    /// <summary>Gets or sets a value indicating whether received messages may hold several datagrams.</summary>
    public bool Coalescing { get; set; }

    /// <summary>Switches UDP_SEGMENT on, where the kernel knows it.</summary>
    public void EnableSegmentation() => Volatile.Write(ref _segmentation, 1);

    /// <summary>Switches UDP_SEGMENT off for good and says so once.</summary>
    /// <param name="error">−errno.</param>
    public void DisableSegmentation(int error)
    {
        if (Interlocked.Exchange(ref _segmentation, 0) != 0)
        {
            report?.Invoke(
                $"UDP segmentation offload was accepted but a send failed with {Errno.Describe(error)}, so it stays off: datagrams leave one by one.");
        }
    }
}

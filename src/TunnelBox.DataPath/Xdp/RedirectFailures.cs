using TunnelBox.Linux.Libbpf;
using TunnelBox.Linux.Libc;

namespace TunnelBox.DataPath.Xdp;

/// <summary>
/// Counts frames of one map of sockets that the kernel could not redirect, by the program of native/xdp/redirects.bpf.c at the
/// tracepoint xdp:xdp_redirect_err; neither the XDP program nor the sockets can count them. It never outlives the process.
/// </summary>
internal sealed class RedirectFailures : IDisposable
{
    private readonly BpfObject? _loaded;
    private readonly FileDescriptor? _link;
    private readonly int _failures = -1;

    private RedirectFailures(BpfObject? loaded, FileDescriptor? link, int error)
    {
        _loaded = loaded;
        _link = link;
        _failures = loaded?.Map("failures") ?? -1;
        Problem = link is null ? $"Redirects that fail are not counted: {Errno.Describe(error)}{(error is -Definitions.EPERM or -Definitions.EACCES ? "; the capability CAP_PERFMON is needed" : string.Empty)}." : null;
    }

    /// <summary>Gets why nothing is counted, a sentence; null where it is.</summary>
    public string? Problem { get; }

    /// <summary>Begins to count.</summary>
    /// <param name="sockets">The descriptor of the program's map of sockets.</param>
    /// <returns>The counter; where it cannot be had, one that stays at zero and says why.</returns>
    public static RedirectFailures Watch(int sockets)
    {
        BpfObject? loaded = BpfObject.Load(XdpProgram.Image("redirects.bpf.o"), out int error);
        if (loaded is null)
        {
            return new RedirectFailures(null, null, error);
        }

        error = BpfMap.Set(loaded.Map("watched"), 0u, BpfInfo.MapNumber(sockets));
        FileDescriptor? link = error < 0 ? null : BpfObject.AttachTracepoint(loaded.Program("redirects"), "xdp_redirect_err", out error);
        if (link is null)
        {
            loaded.Dispose();
            return new RedirectFailures(null, null, error);
        }

        return new RedirectFailures(loaded, link, 0);
    }

    /// <summary>Reads how many there were.</summary>
    /// <returns>The count since it began.</returns>
    public long Read() => _failures >= 0 && BpfMap.Read(_failures, 0u, out ulong count) == 0 ? (long)count : 0;

    /// <inheritdoc/>
    public void Dispose()
    {
        _link?.Dispose();
        _loaded?.Dispose();
    }
}

using TunnelBox.Linux.Netlink;

namespace TunnelBox.DataPath.Xdp;

/// <summary>
/// The memory that both sides of a tunnel take their frames from, so that a packet is sealed, or opened, in the frame that leaves. It is mapped when the first
/// side opens, large enough for both, and released when the last one has closed.
/// </summary>
/// <param name="devices">The devices whose frames are to lie in it.</param>
public sealed class XdpMemory(params string[] devices)
{
    private readonly Lock _gate = new();

    /// <summary>Gets how many chunks there are beside those that queues begin with.</summary>
    public int Spare { get; init; }

    private readonly List<string> _together = [];
    private Arena? _arena;
    private string? _apart;
    private string _reason = string.Empty;

    /// <summary>Gets how packets get from one side to the other, a sentence; null while there is one side alone.</summary>
    public string? Note
    {
        get
        {
            lock (_gate)
            {
                return _apart is not null && _together.Count > 0
                    ? $"Packets between {_together[0]} and {_apart} are copied: {_reason}."
                    : _together.Count > 1
                        ? $"Frames of {string.Join(" and ", _together)} lie in one memory of {_arena!.Length >> 20} MiB: a packet leaves in the frame it came in."
                        : null;
            }
        }
    }

    /// <summary>Gets on which NUMA node the memory lies, and why, a part of a sentence; null while there is none.</summary>
    public string? Node
    {
        get
        {
            lock (_gate)
            {
                return _arena?.Node;
            }
        }
    }

    /// <summary>Gives a device the memory its frames are to lie in.</summary>
    /// <param name="device">The device's name.</param>
    /// <param name="chunks">How many chunks it needs.</param>
    /// <returns>The memory, for <see cref="Leave"/>; one of its own where what was mapped for both does not suffice.</returns>
    /// <exception cref="PortException">There is not so much memory.</exception>
    internal Arena Enter(string device, int chunks)
    {
        lock (_gate)
        {
            _arena ??= Arena.Map(chunks + Spare + devices.Where(other => other != device).Sum(Needs), device);
            if (_arena.CountUnused() >= chunks)
            {
                _together.Add(device);
                return _arena;
            }

            return Separate(device, chunks, "their common memory is too small for the queues there are now; close and open both sides");
        }
    }

    /// <summary>Gives a device that was given the common memory one of its own instead, since the kernel does not let it be registered.</summary>
    /// <param name="device">The device's name.</param>
    /// <param name="common">What it was given.</param>
    /// <param name="chunks">How many chunks it needs.</param>
    /// <returns>The memory; null where it would be no smaller.</returns>
    internal Arena? EnterAlone(string device, Arena common, int chunks)
    {
        lock (_gate)
        {
            if (!ReferenceEquals(common, _arena) || common.Chunks <= chunks + Spare)
            {
                return null;
            }

            Arena own = Separate(device, chunks + Spare, "RLIMIT_MEMLOCK does not allow one memory for both; raise it, or grant the capability CAP_IPC_LOCK");
            Release(device);
            return own;
        }
    }

    /// <summary>Takes the memory back from a device, whose sockets are closed.</summary>
    /// <param name="device">The device's name.</param>
    /// <param name="arena">What it was given.</param>
    internal void Leave(string device, Arena arena)
    {
        lock (_gate)
        {
            if (ReferenceEquals(arena, _arena))
            {
                Release(device);
                return;
            }

            _apart = _apart == device ? null : _apart;
            arena.Dispose();
        }
    }

    // What a device needs that is not there yet, or is no Ethernet device, is found out when it comes.
    private static int Needs(string device)
    {
        try
        {
            int ifindex = XdpOuter.IndexOf(device);
            int most = XdpQueues.Check(device, ifindex);
            using var channels = new EthtoolChannels();
            return Math.Max(XdpQueues.ChunksFor(most), XdpQueues.ChunksFor(channels.Receiving(ifindex) ?? most));
        }
        catch (Exception unknown) when (unknown is PortException or NetlinkException)
        {
            return 0;
        }
    }

    private Arena Separate(string device, int chunks, string reason)
    {
        var own = Arena.Map(chunks, device);
        _apart = device;
        _reason = reason;
        return own;
    }

    private void Release(string device)
    {
        _together.Remove(device);
        if (_together.Count == 0)
        {
            _arena?.Dispose();
            _arena = null;
        }
    }
}

using TunnelBox.DataPath.Tun;
using TunnelBox.DataPath.Udp;
using TunnelBox.Linux.Libbpf;
using TunnelBox.Linux.Libc;
using TunnelBox.Protocol;

namespace TunnelBox.DataPath.Steering;

/// <summary>
/// The programs of native/xdp/steer.bpf.c, which choose the worker where packets come through the kernel's stack: among the sockets that share the
/// UDP port the one of the session's owner, and among the queues of the TUN device one for all packets of a flow. Without them the kernel
/// chooses by hashes of its own, and moves a flow between queues as it sees answers.
/// </summary>
public sealed class StackSteering : IDisposable
{
    private const uint IPv6Sockets = 64;

    private readonly BpfObject _loaded;
    private readonly int _sockets;
    private readonly HashSet<uint> _placed = [];

    private StackSteering(BpfObject loaded)
    {
        _loaded = loaded;
        _sockets = loaded.Map("sockets");
        Sessions = loaded.Map("sessions");
    }

    /// <summary>Gets the map of receiver indices, for a <see cref="SessionMap"/>.</summary>
    internal int Sessions { get; }

    /// <summary>Makes the rules of the tunnel's receiver indices, to be filled by the tunnel.</summary>
    /// <param name="trace">Told of rules as they change.</param>
    /// <param name="owners">Which worker owns each peer.</param>
    /// <returns>The rules.</returns>
    public SessionRules MakeRules(TunnelTrace trace, Ownership owners)
    {
        ArgumentNullException.ThrowIfNull(trace);
        var map = new SessionMap(Sessions, "reuseport");
        return new SessionRules(
            new RuleLedger(map, (rule, state) => trace.SteeringChanged(map.Name, rule.Match, rule.Queue, rule.Worker, state.ToString().ToLowerInvariant())), static _ => { }, owners);
    }

    /// <summary>Loads the programs.</summary>
    /// <param name="problem">Why they cannot be had, a sentence; null where they can.</param>
    /// <returns>The programs, or null.</returns>
    public static StackSteering? Load(out string? problem)
    {
        using Stream stream = typeof(StackSteering).Assembly.GetManifestResourceStream("steer.bpf.o")!;
        byte[] image = new byte[stream.Length];
        stream.ReadExactly(image);
        BpfObject? loaded = BpfObject.Load(image, out int error);
        problem = loaded is not null ? null : error switch
        {
            -Definitions.ENOENT => "The kernel spreads packets over workers by its own hashes: libbpf.so.1 is missing; install libbpf1.",
            -Definitions.EPERM => "The kernel spreads packets over workers by its own hashes: loading a program needs the capabilities CAP_BPF and CAP_NET_ADMIN.",
            _ => $"The kernel spreads packets over workers by its own hashes: it does not take the program: {Errno.Describe(error)}.",
        };
        return loaded is null ? null : new StackSteering(loaded);
    }

    /// <summary>Has datagrams of a known session go to its owner's socket from now on, as long as the sockets are open.</summary>
    /// <param name="sockets">The sockets, one pair for each worker; the same ones where it is tried again.</param>
    /// <returns>0, or −errno: EBUSY while sockets still stand in the map of a process from which they were taken over. Once this program stands
    /// in place of that process's, its map goes: try again in a moment.</returns>
    public int Attach(UdpSockets sockets)
    {
        ArgumentNullException.ThrowIfNull(sockets);
        int program = _loaded.Program("select_socket");
        int busy = 0;
        for (int worker = 0; worker < sockets.Ports.Count; worker++)
        {
            for (int family = 0; family < 2; family++)
            {
                if (sockets.Ports[worker].Socket(family == 1) is not { } socket)
                {
                    continue;
                }

                uint place = (uint)worker + ((uint)family * IPv6Sockets);
                int error = worker > 0 ? 0 : LibC.setsockopt(socket.Value, Definitions.SOL_SOCKET, Definitions.SO_ATTACH_REUSEPORT_EBPF, program);
                error = error < 0 || _placed.Contains(place) ? error : BpfMap.Set(_sockets, place, (ulong)socket.Value);
                if (error < 0)
                {
                    // The other family's program replaces its forerunner, too.
                    busy = error;
                    continue;
                }

                _placed.Add(place);
            }
        }

        return busy;
    }

    /// <summary>Has all packets of a flow come by one queue of the device from now on, for its life.</summary>
    /// <param name="device">The device.</param>
    /// <returns>0, or −errno.</returns>
    public int Attach(TunDevice device)
    {
        ArgumentNullException.ThrowIfNull(device);
        return TunControl.Steer(device.Descriptor, _loaded.Program("select_queue"));
    }

    /// <summary>Ends the choosing of sockets that are closed; what is attached stays with its device and sockets.</summary>
    public void Dispose() => _loaded.Dispose();
}

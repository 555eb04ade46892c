using System.Text;
using TunnelBox.Linux.Libc;

namespace TunnelBox.DataPath.Tun;

/// <summary>How a TUN interface is opened.</summary>
public sealed record TunOptions
{
    /// <summary>Gets the interface name, at most 15 bytes; a <c>%d</c> in it lets the kernel number it.</summary>
    public string Name { get; init; } = "wg%d";

    /// <summary>Gets how many queues to open, one for each worker.</summary>
    public int Queues { get; init; } = 1;

    /// <summary>Gets a value indicating whether offloads are asked for; without, packets pass one by one.</summary>
    public bool Offloads { get; init; } = true;

    /// <summary>Gets what takes the sentences about offloads that are missing or were switched off; called from any thread.</summary>
    public Action<string>? Report { get; init; }
}

/// <summary>
/// One TUN interface with its queues. The interface vanishes with its last descriptor, unless it was made persistent
/// from outside.
/// </summary>
public sealed unsafe class TunDevice : IDisposable
{
    private const string ClonePath = "/dev/net/tun";

    private readonly TunPort[] _ports;
    private readonly FileDescriptor[] _queues;
    private readonly TunOffloads _offloads;

    private TunDevice(FileDescriptor[] queues, TunOffloads offloads)
    {
        _queues = queues;
        _offloads = offloads;
        _ports = new TunPort[queues.Length];
        for (int i = 0; i < queues.Length; i++)
        {
            _ports[i] = new TunPort(queues[i], offloads, () => Name);
        }
    }

    /// <summary>Gets the interface's present name, also after a rename; empty once it is gone.</summary>
    public string Name => TunControl.ReadName(_queues[0], out _);

    /// <summary>Gets the interface index as seen in the interface's own namespace, or 0 once it is gone.</summary>
    public int InterfaceIndex => Math.Max(TunControl.Interface(_queues[0], Definitions.SIOCGIFINDEX, 0), 0);

    /// <summary>Gets the MTU in bytes, also after the interface was moved to another namespace; −errno on failure.</summary>
    public int Mtu => TunControl.Interface(_queues[0], Definitions.SIOCGIFMTU, 0);

    /// <summary>Gets a value indicating whether the kernel said that the interface was deleted.</summary>
    public bool Gone => Array.Exists(_ports, port => port.Gone);

    /// <summary>Gets the queues, one for each worker; disposed with this object.</summary>
    public IReadOnlyList<TunPort> Ports => _ports;

    /// <summary>Gets a descriptor to poll for the interface's end: POLLERR.</summary>
    public FileDescriptor Descriptor => _queues[0];

    /// <summary>Gets the offloads in force, each after a blank.</summary>
    public string OffloadDescription => _offloads.Describe();

    /// <summary>Creates the interface, or attaches to a persistent one of that name.</summary>
    /// <param name="options">How.</param>
    /// <returns>The device, down, with the kernel's default MTU.</returns>
    /// <exception cref="PortException">With one sentence that names the remedy.</exception>
    public static TunDevice Create(TunOptions options)
    {
        ArgumentNullException.ThrowIfNull(options);
        ArgumentOutOfRangeException.ThrowIfLessThan(options.Queues, 1, nameof(options));
        CheckName(options.Name);
        var queues = new FileDescriptor[options.Queues];
        var offloads = new TunOffloads(options.Report);
        try
        {
            string name = options.Name;
            for (int i = 0; i < queues.Length; i++)
            {
                queues[i] = FileDescriptor.Open(ClonePath, Definitions.O_RDWR | Definitions.O_NONBLOCK, out int error)
                    ?? throw OpenFailure(error);
                int flags = Definitions.IFF_TUN | Definitions.IFF_NO_PI | Definitions.IFF_VNET_HDR
                    | (queues.Length > 1 ? Definitions.IFF_MULTI_QUEUE : 0);
                error = TunControl.Attach(queues[i], ref name, flags);
                if (error < 0)
                {
                    throw AttachFailure(name, error);
                }
            }

            TunControl.Negotiate(queues[0], offloads, options.Offloads);
            return new TunDevice(queues, offloads);
        }
        catch
        {
            foreach (FileDescriptor? queue in queues)
            {
                queue?.Dispose();
            }

            throw;
        }
    }

    /// <summary>Takes over a TUN descriptor that somebody else opened and attached (WG_TUN_FD).</summary>
    /// <param name="fd">The descriptor, owned from now on, also on failure.</param>
    /// <param name="offloads">Whether to use offloads, where the descriptor has a virtio header.</param>
    /// <param name="report">As <see cref="TunOptions.Report"/>.</param>
    /// <returns>The device.</returns>
    /// <exception cref="PortException">With one sentence that names the remedy.</exception>
    public static TunDevice Adopt(int fd, bool offloads, Action<string>? report)
    {
        var queue = new FileDescriptor(fd);
        try
        {
            string name = TunControl.ReadName(queue, out int flags);
            if (name.Length == 0)
            {
                throw new PortException(
                    $"Descriptor {fd} is no attached TUN descriptor ({Errno.Describe(flags)}): pass one on which TUNSETIFF succeeded.", flags);
            }

            if ((flags & Definitions.IFF_TUN) == 0 || (flags & Definitions.IFF_NO_PI) == 0)
            {
                throw new PortException(
                    $"Descriptor {fd} of {name} must be a TUN with IFF_NO_PI: attach it with IFF_TUN | IFF_NO_PI.", Definitions.EINVAL);
            }

            int status = LibC.fcntl(fd, Definitions.F_GETFL, 0);
            _ = LibC.fcntl(fd, Definitions.F_SETFL, status | Definitions.O_NONBLOCK);
            var inForce = new TunOffloads(report);
            if ((flags & Definitions.IFF_VNET_HDR) != 0)
            {
                TunControl.Negotiate(queue, inForce, offloads);
            }
            else
            {
                inForce.Report($"The TUN descriptor of {name} has no virtio header, so there are no offloads: attach it with IFF_VNET_HDR.");
            }

            return new TunDevice([queue], inForce);
        }
        catch
        {
            queue.Dispose();
            throw;
        }
    }

    /// <summary>Takes over all queues of a TUN interface from another process that used them in our way.</summary>
    /// <param name="queues">The queues, owned from now on, also on failure.</param>
    /// <param name="offloads">Whether to use offloads.</param>
    /// <param name="report">As <see cref="TunOptions.Report"/>.</param>
    /// <returns>The device.</returns>
    /// <exception cref="PortException">With one sentence.</exception>
    public static TunDevice Adopt(FileDescriptor[] queues, bool offloads, Action<string>? report)
    {
        ArgumentNullException.ThrowIfNull(queues);
        var inForce = new TunOffloads(report);
        string name = TunControl.ReadName(queues[0], out int flags);
        if (name.Length == 0 || (flags & Definitions.IFF_VNET_HDR) == 0)
        {
            Array.ForEach(queues, queue => queue.Dispose());
            throw new PortException("What was handed over is no TUN interface with virtio headers.", Definitions.EINVAL);
        }

        TunControl.Negotiate(queues[0], inForce, offloads);
        return new TunDevice(queues, inForce);
    }

    /// <summary>Gets the queues' descriptors, to hand over; they stay this object's.</summary>
    public IReadOnlyList<FileDescriptor> Queues => _queues;

    /// <summary>Sets the MTU.</summary>
    /// <param name="mtu">In bytes, 68 to 65,535.</param>
    /// <returns>0, or −errno.</returns>
    public int SetMtu(int mtu) => Math.Min(TunControl.Interface(_queues[0], Definitions.SIOCSIFMTU, mtu), 0);

    /// <inheritdoc/>
    public void Dispose()
    {
        foreach (TunPort port in _ports)
        {
            port.Dispose();
        }
    }

    private static void CheckName(string name)
    {
        bool valid = name.Length > 0 && Encoding.UTF8.GetByteCount(name) < Definitions.IFNAMSIZ && name is not ("." or "..");
        foreach (char c in name)
        {
            valid &= c is not ('/' or ':') && !char.IsWhiteSpace(c) && !char.IsControl(c);
        }

        if (!valid)
        {
            throw new PortException(
                $"'{name}' is no interface name: use 1 to 15 bytes without blanks, slashes and colons.", Definitions.EINVAL);
        }
    }

    private static PortException OpenFailure(int error) => error switch
    {
        -Definitions.ENOENT => new(
            $"{ClonePath} does not exist: run 'modprobe tun', or in a container pass the device in (--device {ClonePath}).", error),
        -Definitions.ENODEV or -Definitions.ENXIO => new($"{ClonePath} has no driver: run 'modprobe tun' on the host.", error),
        -Definitions.EACCES or -Definitions.EPERM => new(
            $"{ClonePath} may not be opened: run as root, or in a container pass the device in (--device {ClonePath}).", error),
        _ => new($"{ClonePath} could not be opened: {Errno.Describe(error)}.", error),
    };

    private static PortException AttachFailure(string name, int error) => error switch
    {
        -Definitions.EPERM => new(
            $"Interface {name} could not be created: CAP_NET_ADMIN is missing; run as root, or in a container add --cap-add NET_ADMIN.", error),
        -Definitions.EBUSY or -Definitions.EEXIST => new(
            $"Interface {name} exists and is in use: choose another name, or stop the program that holds it.", error),
        -Definitions.EINVAL => new(
            $"Interface {name} exists but is no TUN device of this kind: choose another name, or delete it with 'ip link delete {name}'.", error),
        _ => new($"Interface {name} could not be created: {Errno.Describe(error)}.", error),
    };
}

using System.Buffers.Binary;
using System.Net;
using System.Net.Sockets;
using System.Runtime.CompilerServices;
using System.Runtime.InteropServices;
using TunnelBox.Linux.Libbpf;
using TunnelBox.Linux.Libc;

namespace TunnelBox.DataPath.Xdp;

/// <summary>
/// The program of native/xdp/outer.bpf.c on one device: takes UDP to given local addresses and ports to the sockets of the
/// device's queues, leaves all else to the kernel. It is attached by a link and so never outlives the process.
/// </summary>
public sealed class OuterProgram : IDisposable
{
    private const uint GenericMode = 1 << 1;
    private const uint NativeMode = 1 << 2;
    private const string Bound = "outer_bound";
    private const string Unbound = "outer";

    private readonly BpfObject _loaded;
    private readonly FileDescriptor _link;
    private readonly int _listenOn;
    private readonly int _sockets;

    private OuterProgram(BpfObject loaded, string name, FileDescriptor link, string? genericReason)
    {
        _loaded = loaded;
        Descriptor = loaded.Program(name);
        AsksDevice = name == Bound;
        _link = link;
        _listenOn = loaded.Map("listen_on");
        _sockets = loaded.Map("sockets");
        GenericReason = genericReason;
    }

    /// <summary>Gets why the program runs in the slower generic mode, or null when the driver runs it.</summary>
    public string? GenericReason { get; }

    /// <summary>Gets the program's descriptor, valid until this object is disposed.</summary>
    public int Descriptor { get; }

    /// <summary>Gets a value indicating whether the program is bound to its device and asks it for hash, time stamp and VLAN tag.</summary>
    public bool AsksDevice { get; }

    /// <summary>Loads the program and attaches it; another program that is there stays and is named.</summary>
    /// <param name="device">The device's name, for messages.</param>
    /// <param name="ifindex">The device's number in the calling thread's network namespace.</param>
    /// <returns>The attached program.</returns>
    /// <exception cref="PortException">It cannot be loaded or attached; the message says what to do.</exception>
    public static OuterProgram Attach(string device, int ifindex) => Attach(device, ifindex, bind: true);

    /// <summary>The same, with or without asking the device for what it knows.</summary>
    /// <param name="device">The device's name, for messages.</param>
    /// <param name="ifindex">The device's number in the calling thread's network namespace.</param>
    /// <param name="bind">Whether to ask it, where it can be asked.</param>
    /// <returns>The attached program.</returns>
    internal static OuterProgram Attach(string device, int ifindex, bool bind)
    {
        byte[] image = Image();
        if (bind && BpfObject.Load(image, Bound, ifindex, out _) is { } bound)
        {
            if (BpfObject.AttachXdp(bound.Program(Bound), ifindex, NativeMode, out int refused) is { } first)
            {
                return new OuterProgram(bound, Bound, first, null);
            }

            bound.Dispose();
            if (IsOccupied(refused))
            {
                throw new PortException(AttachProblem(device, ifindex, refused), refused);
            }
        }

        // An older kernel, or a driver that runs no programs: the same without the device's help.
        BpfObject loaded = BpfObject.Load(image, Unbound, 0, out int error) ?? throw new PortException(LoadProblem(device, error), error);
        int program = loaded.Program(Unbound);
        FileDescriptor? link = BpfObject.AttachXdp(program, ifindex, NativeMode, out error);
        string? reason = null;
        if (link is null && !IsOccupied(error))
        {
            reason = $"the driver of {device} does not run XDP programs: {Errno.Describe(error)}";
            link = BpfObject.AttachXdp(program, ifindex, GenericMode, out error);
        }

        if (link is not null)
        {
            return new OuterProgram(loaded, Unbound, link, reason);
        }

        string problem = AttachProblem(device, ifindex, error);
        loaded.Dispose();
        throw new PortException(problem, error);
    }

    /// <summary>Takes datagrams to one local address and port from now on.</summary>
    /// <param name="local">The address and port.</param>
    /// <returns>0, or −errno: E2BIG at 1,024 of them.</returns>
    public int Listen(IPEndPoint local) => BpfMap.Set(_listenOn, ListenKey.Of(local), 1);

    /// <summary>Leaves datagrams to one local address and port to the kernel again.</summary>
    /// <param name="local">The address and port.</param>
    /// <returns>0, or −errno: ENOENT when they were never taken.</returns>
    public int Forget(IPEndPoint local) => BpfMap.Remove(_listenOn, ListenKey.Of(local));

    /// <summary>Sends what a queue takes to a socket; the kernel removes the entry when the socket closes.</summary>
    /// <param name="queue">The device's receive queue, below 256.</param>
    /// <param name="socket">The descriptor of an AF_XDP socket.</param>
    /// <returns>0, or −errno.</returns>
    public int Bind(uint queue, int socket) => BpfMap.Set(_sockets, queue, socket);

    /// <inheritdoc/>
    public void Dispose()
    {
        _link.Dispose();
        _loaded.Dispose();
    }

    private static bool IsOccupied(int error) => error is -Definitions.EBUSY or -Definitions.EEXIST;

    private static byte[] Image()
    {
        using Stream stream = typeof(OuterProgram).Assembly.GetManifestResourceStream("outer.bpf.o")!;
        byte[] image = new byte[stream.Length];
        stream.ReadExactly(image);
        return image;
    }

    private static string LoadProblem(string device, int error) => error switch
    {
        -Definitions.ENOENT => $"no XDP on {device}: libbpf.so.1 is missing; install libbpf1",
        -Definitions.EPERM => $"no XDP on {device}: loading a program needs the capabilities CAP_BPF and CAP_NET_ADMIN; run as root or grant them",
        _ => $"no XDP on {device}: the kernel does not take the program: {Errno.Describe(error)}; use the UDP port",
    };

    private static string AttachProblem(string device, int ifindex, int error)
    {
        uint foreign = BpfObject.XdpProgramOf(ifindex, NativeMode);
        string verb = "xdp";
        if (foreign == 0)
        {
            foreign = BpfObject.XdpProgramOf(ifindex, GenericMode);
            verb = "xdpgeneric";
        }

        return foreign == 0
            ? $"no XDP on {device}: the program cannot be attached: {Errno.Describe(error)}; use the UDP port"
            : $"no XDP on {device}: XDP program {foreign} is attached there already; end its owner, or detach it with 'ip link set dev {device} {verb} off'";
    }

    /// <summary>struct address_key of native/xdp/outer.bpf.c.</summary>
    [StructLayout(LayoutKind.Sequential)]
    private struct ListenKey
    {
        private Address _address;
        private ushort _port;
        private ushort _ethertype;

        internal static ListenKey Of(IPEndPoint local)
        {
            ArgumentNullException.ThrowIfNull(local);
            var key = default(ListenKey);
            _ = local.Address.TryWriteBytes(key._address, out _);
            key._port = BigEndian((ushort)local.Port);
            key._ethertype = BigEndian((ushort)(local.AddressFamily == AddressFamily.InterNetwork ? 0x0800 : 0x86DD));
            return key;
        }

        private static ushort BigEndian(ushort value) => BitConverter.IsLittleEndian ? BinaryPrimitives.ReverseEndianness(value) : value;

        [InlineArray(16)]
        private struct Address
        {
            private byte _first;
        }
    }
}

using System.Buffers.Binary;
using System.Net;
using System.Net.Sockets;
using System.Runtime.CompilerServices;
using System.Runtime.InteropServices;
using TunnelBox.DataPath.Steering;
using TunnelBox.Linux.Libbpf;
using TunnelBox.Protocol;

namespace TunnelBox.DataPath.Xdp;

/// <summary>
/// The program of native/xdp/outer.bpf.c on one device: takes UDP to given local addresses and ports to the sockets of the
/// device's queues, leaves all else to the kernel. It is attached by a link and so never outlives the process.
/// </summary>
public sealed class OuterProgram : IDisposable
{
    /// <summary>Most tunnels of one process that share a device.</summary>
    public const int MostTunnels = 9;

    private const int MostWorkers = 64;
    private const string Bound = "outer_bound";
    private const string Unbound = "outer";

    private readonly XdpProgram _program;
    private readonly int _listenOn;
    private readonly int _sockets;
    private readonly int _largest;
    private readonly int _proven;
    private readonly LocalAddresses _locals;

    private OuterProgram(XdpProgram program)
    {
        _program = program;
        _listenOn = program.Map("listen_on");
        _sockets = program.Map("sockets");
        _largest = program.Map("largest");
        _proven = program.Map("proven");
        Sessions = program.Map("sessions");
        Controls = program.Map("controls");
        Drops = program.Map("drops");
        Filter = new IndexFilter(program.Map("filter"));
        _locals = new LocalAddresses(program.Map("locals"));
    }

    /// <summary>Gets why the program runs in the slower generic mode, or null when the driver runs it.</summary>
    public string? GenericReason => _program.GenericReason;

    /// <summary>Gets the program's descriptor, valid until this object is disposed.</summary>
    public int Descriptor => _program.Descriptor;

    /// <summary>Gets a value indicating whether the program is bound to its device and asks it for hash, time stamp and VLAN tag.</summary>
    public bool AsksDevice => _program.Name == Bound;

    /// <summary>Gets the descriptor of the map of sockets.</summary>
    internal int Sockets => _sockets;

    /// <summary>Gets the descriptor of the map of receiver indices.</summary>
    internal int Sessions { get; }

    /// <summary>Gets the descriptor of the map of switches.</summary>
    internal int Controls { get; }

    /// <summary>Gets the descriptor of the map that counts drops.</summary>
    internal int Drops { get; }

    /// <summary>Gets what the program asks first about an index.</summary>
    internal IndexFilter Filter { get; }

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
    internal static OuterProgram Attach(string device, int ifindex, bool bind) =>
        new(XdpProgram.Attach("outer.bpf.o", bind ? Bound : null, Unbound, device, ifindex, "use the UDP port"));

    /// <summary>Takes datagrams to one local address and port from now on.</summary>
    /// <param name="local">The address and port.</param>
    /// <param name="row">The row of sockets that they go to: 0 for a tunnel that is alone, or one of <see cref="RowOf"/>.</param>
    /// <returns>0, or −errno: E2BIG at 1,024 of them.</returns>
    public int Listen(IPEndPoint local, uint row = 0)
    {
        int error = BpfMap.Set(_listenOn, AddressKey.Of(local), row);
        if (error == 0 && Filter.IsThere)
        {
            _locals.Add(local, row > MostWorkers ? row - MostWorkers : 0);
        }

        return error;
    }

    /// <summary>Tells which row of sockets a tunnel has that shares the program.</summary>
    /// <param name="tunnel">Its number, at most <see cref="MostTunnels"/> − 1.</param>
    /// <returns>The row.</returns>
    public static uint RowOf(int tunnel) => tunnel == 0 ? 0 : (uint)(MostWorkers + tunnel);

    /// <summary>Leaves datagrams to one local address and port to the kernel again.</summary>
    /// <param name="local">The address and port.</param>
    /// <returns>0, or −errno: ENOENT when they were never taken.</returns>
    public int Forget(IPEndPoint local)
    {
        _locals.Remove(local);
        return BpfMap.Remove(_listenOn, AddressKey.Of(local));
    }

    /// <summary>Says how large frames may be that take several chunks; until then none is taken.</summary>
    /// <param name="frame">Bytes of the largest frame; 0 where the sockets take none.</param>
    /// <returns>0, or −errno.</returns>
    public int TakeUpTo(int frame) => BpfMap.Set(_largest, 0u, (uint)frame);

    /// <summary>Sends what a queue takes to a socket; the kernel removes the entry when the socket closes.</summary>
    /// <param name="queue">The device's receive queue, below <see cref="XdpQueues.Most"/>.</param>
    /// <param name="socket">The descriptor of an AF_XDP socket.</param>
    /// <param name="worker">Whose sessions' packets: a worker's number, below 64; −1 for all others.</param>
    /// <returns>0, or −errno.</returns>
    public int Bind(uint queue, int socket, int worker = -1) => BindRow(queue, socket, (uint)(worker + 1));

    /// <summary>The same for a row of sockets.</summary>
    /// <param name="queue">The device's receive queue.</param>
    /// <param name="socket">The descriptor of an AF_XDP socket.</param>
    /// <param name="row">The row.</param>
    /// <returns>0, or −errno.</returns>
    public int BindRow(uint queue, int socket, uint row) => BpfMap.Set(_sockets, queue + (row * XdpQueues.Most), socket);

    /// <summary>Lets a source's initiations pass first under load.</summary>
    /// <param name="source">Its address and port.</param>
    /// <param name="until">Nanoseconds of CLOCK_MONOTONIC.</param>
    public void Prove(in EndpointAddress source, ulong until) => _ = BpfMap.Set(_proven, AddressKey.Of(source.ToIPEndPoint()), until);

    /// <summary>Gives the device back; what was counted can still be read.</summary>
    public void Detach() => _program.Detach();

    /// <inheritdoc/>
    public void Dispose()
    {
        Filter.Dispose();
        _program.Dispose();
    }

    /// <summary>struct address_key of native/xdp/outer.bpf.c.</summary>
    [StructLayout(LayoutKind.Sequential)]
    private struct AddressKey
    {
        private Address _address;
        private ushort _port;
        private ushort _ethertype;

        internal static AddressKey Of(IPEndPoint local)
        {
            ArgumentNullException.ThrowIfNull(local);
            var key = default(AddressKey);
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

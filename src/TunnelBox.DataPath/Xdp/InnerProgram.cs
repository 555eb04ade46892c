using System.Buffers.Binary;
using System.Runtime.CompilerServices;
using System.Runtime.InteropServices;
using TunnelBox.Linux.Libbpf;
using TunnelBox.Protocol;

namespace TunnelBox.DataPath.Xdp;

/// <summary>Whose packets to a prefix are, for native/xdp/inner.bpf.c.</summary>
internal enum PrefixOwner : uint
{
    /// <summary>They go the kernel's way.</summary>
    Kernel = 0,

    /// <summary>They go into the tunnel.</summary>
    Tunnel = 1,
}

/// <summary>
/// The program of native/xdp/inner.bpf.c on one device: takes packets to the peers' allowed IPs to the sockets of the device's
/// queues, leaves all else to the kernel. It is attached by a link and so never outlives the process.
/// </summary>
internal sealed class InnerProgram : IDisposable
{
    /// <summary>Most workers that flows are spread over.</summary>
    public const int MostWorkers = 64;

    private readonly XdpProgram _program;
    private readonly int _gateways;
    private readonly int _owners4;
    private readonly int _owners6;
    private readonly int _own4;
    private readonly int _own6;
    private readonly int _sockets;
    private readonly int _largest;
    private readonly int _spread;

    private InnerProgram(XdpProgram program)
    {
        _program = program;
        _gateways = program.Map("gateways");
        _owners4 = program.Map("owners4");
        _owners6 = program.Map("owners6");
        _own4 = program.Map("own4");
        _own6 = program.Map("own6");
        _sockets = program.Map("sockets");
        _largest = program.Map("largest");
        _spread = program.Map("spread");
    }

    /// <summary>Gets why the program runs in the slower generic mode, or null when the driver runs it.</summary>
    public string? GenericReason => _program.GenericReason;

    /// <summary>Gets the descriptor of the map of sockets.</summary>
    public int Sockets => _sockets;

    /// <summary>Gets the program's descriptor, valid until this object is disposed.</summary>
    public int Descriptor => _program.Descriptor;

    /// <summary>Loads the program and attaches it; another program that is there stays and is named. It takes nothing yet.</summary>
    /// <param name="device">The device's name, for messages.</param>
    /// <param name="ifindex">The device's number in the calling thread's network namespace.</param>
    /// <param name="bind">Whether to ask the device for what it knows, where it can be asked.</param>
    /// <returns>The attached program.</returns>
    /// <exception cref="PortException">It cannot be loaded or attached; the message says what to do.</exception>
    public static InnerProgram Attach(string device, int ifindex, bool bind = true) =>
        new(XdpProgram.Attach("inner.bpf.o", bind ? "inner_bound" : null, "inner", device, ifindex, "use the TUN port"));

    /// <summary>Says which frames are for us, and which of their packets the kernel must break up.</summary>
    /// <param name="mac">The Ethernet address: 48 bits, the first byte highest.</param>
    /// <param name="mtu">The largest packet in bytes that the tunnel takes.</param>
    /// <returns>0, or −errno.</returns>
    public int Serve(ulong mac, int mtu)
    {
        Span<byte> bytes = stackalloc byte[8];
        BinaryPrimitives.WriteUInt64BigEndian(bytes, mac << 16);
        BitConverter.TryWriteBytes(bytes[6..], (ushort)Math.Min(mtu, ushort.MaxValue));
        return BpfMap.Set(_gateways, 0u, MemoryMarshal.Read<ulong>(bytes));
    }

    /// <summary>Sets whose packets to some prefixes are.</summary>
    /// <param name="owners">The prefixes.</param>
    /// <returns>0, or −errno: ENOSPC or E2BIG when there are more than 2,097,152 of a family.</returns>
    public int Set(IReadOnlyCollection<KeyValuePair<IpPrefix, PrefixOwner>> owners)
    {
        Prefix4[] four = [.. owners.Where(each => !each.Key.IsIPv6).Select(each => Prefix4.Of(each.Key))];
        Prefix6[] six = [.. owners.Where(each => each.Key.IsIPv6).Select(each => Prefix6.Of(each.Key))];
        uint[] values4 = [.. owners.Where(each => !each.Key.IsIPv6).Select(each => (uint)each.Value)];
        uint[] values6 = [.. owners.Where(each => each.Key.IsIPv6).Select(each => (uint)each.Value)];
        int error = BpfMap.SetMany<Prefix4, uint>(_owners4, four, values4, out _);
        return error < 0 ? error : BpfMap.SetMany<Prefix6, uint>(_owners6, six, values6, out _);
    }

    /// <summary>Forgets prefixes.</summary>
    /// <param name="prefixes">The prefixes; each must have been set.</param>
    /// <returns>0, or −errno.</returns>
    public int Forget(IReadOnlyCollection<IpPrefix> prefixes) => Remove(_owners4, _owners6, prefixes);

    /// <summary>Says which addresses are this machine's own: what comes in their name is the kernel's.</summary>
    /// <param name="added">Addresses and prefixes.</param>
    /// <returns>0, or −errno: ENOSPC when there are more than 65,536 of a family.</returns>
    public int Own(IReadOnlyCollection<IpPrefix> added)
    {
        Prefix4[] four = [.. added.Where(each => !each.IsIPv6).Select(Prefix4.Of)];
        Prefix6[] six = [.. added.Where(each => each.IsIPv6).Select(Prefix6.Of)];
        int error = BpfMap.SetMany<Prefix4, uint>(_own4, four, new uint[four.Length], out _);
        return error < 0 ? error : BpfMap.SetMany<Prefix6, uint>(_own6, six, new uint[six.Length], out _);
    }

    /// <summary>Says which addresses are this machine's own no more.</summary>
    /// <param name="gone">Addresses and prefixes; each must have been its own.</param>
    /// <returns>0, or −errno.</returns>
    public int Disown(IReadOnlyCollection<IpPrefix> gone) => Remove(_own4, _own6, gone);

    /// <summary>Says how large frames may be that take several chunks; until then none is taken.</summary>
    /// <param name="frame">Bytes of the largest frame; 0 where the sockets take none.</param>
    /// <returns>0, or −errno.</returns>
    public int TakeUpTo(int frame) => BpfMap.Set(_largest, 0u, (uint)frame);

    /// <summary>Sends what a queue takes to a socket; the kernel removes the entry when the socket closes.</summary>
    /// <param name="queue">The device's receive queue, below <see cref="XdpQueues.Most"/>.</param>
    /// <param name="socket">The descriptor of an AF_XDP socket.</param>
    /// <param name="worker">The worker whose flows it takes there, below <see cref="MostWorkers"/>; −1 for all that comes in by the queue.</param>
    /// <returns>0, or −errno.</returns>
    public int Bind(uint queue, int socket, int worker = -1) => BpfMap.Set(_sockets, queue + ((uint)(worker + 1) * XdpQueues.Most), socket);

    /// <summary>Spreads flows over workers by their hash, whose sockets are bound before; until then each queue's own socket has all that comes in by it.</summary>
    /// <param name="workers">How many workers.</param>
    /// <returns>0, or −errno.</returns>
    public int Spread(int workers) => BpfMap.Set(_spread, 0u, (uint)workers);

    /// <inheritdoc/>
    public void Dispose() => _program.Dispose();

    private static int Remove(int map4, int map6, IReadOnlyCollection<IpPrefix> prefixes)
    {
        Prefix4[] four = [.. prefixes.Where(each => !each.IsIPv6).Select(Prefix4.Of)];
        Prefix6[] six = [.. prefixes.Where(each => each.IsIPv6).Select(Prefix6.Of)];
        int error = BpfMap.RemoveMany<Prefix4>(map4, four, out _);
        int second = BpfMap.RemoveMany<Prefix6>(map6, six, out _);
        return error < 0 ? error : second;
    }

    /// <summary>struct prefix4 of native/xdp/inner.bpf.c.</summary>
    [StructLayout(LayoutKind.Sequential)]
    private struct Prefix4
    {
        private uint _length;
        private uint _address;

        internal static Prefix4 Of(IpPrefix prefix) => new()
        {
            _length = prefix.Length,
            _address = BitConverter.IsLittleEndian ? BinaryPrimitives.ReverseEndianness((uint)prefix.Address) : (uint)prefix.Address,
        };
    }

    /// <summary>struct prefix6 of native/xdp/inner.bpf.c.</summary>
    [StructLayout(LayoutKind.Sequential)]
    private struct Prefix6
    {
        private uint _length;
        private Bytes _address;

        internal static Prefix6 Of(IpPrefix prefix)
        {
            var key = new Prefix6 { _length = prefix.Length };
            BinaryPrimitives.WriteUInt128BigEndian(key._address, prefix.Address);
            return key;
        }

        [InlineArray(16)]
        private struct Bytes
        {
            private byte _first;
        }
    }
}

using System.Buffers.Binary;
using System.Net;
using System.Net.Sockets;
using System.Runtime.CompilerServices;
using System.Runtime.InteropServices;
using TunnelBox.Linux.Libbpf;

namespace TunnelBox.DataPath.Xdp;

/// <summary>
/// The map <c>locals</c> of native/xdp/nobodys.h: the first few addresses and ports that a program listens on, which it compares without looking into a table. Those that
/// find no place are found in the table as ever.
/// </summary>
internal sealed class LocalAddresses
{
    private const int Places = 4;
    private readonly Lock _gate = new();
    private readonly int _map;
    private readonly List<(IPEndPoint Local, uint Tunnel)> _known = [];

    /// <summary>Makes the table, with nothing in it.</summary>
    /// <param name="map">The map's descriptor, owned by the caller.</param>
    public LocalAddresses(int map)
    {
        _map = map;
        Write();
    }

    /// <summary>Adds an address and port, or says whose it is now.</summary>
    /// <param name="local">The address and port.</param>
    /// <param name="tunnel">The number of the tunnel that listens there.</param>
    public void Add(IPEndPoint local, uint tunnel)
    {
        lock (_gate)
        {
            _known.RemoveAll(each => each.Local.Equals(local));
            _known.Add((local, tunnel));
            Write();
        }
    }

    /// <summary>Removes an address and port.</summary>
    /// <param name="local">The address and port.</param>
    public void Remove(IPEndPoint local)
    {
        lock (_gate)
        {
            if (_known.RemoveAll(each => each.Local.Equals(local)) > 0)
            {
                Write();
            }
        }
    }

    private void Write()
    {
        var table = default(Table);
        MemoryMarshal.AsBytes(new Span<Table>(ref table)).Fill(0xFF);
        int four = 0;
        int six = 0;
        Span<byte> bytes = stackalloc byte[16];
        foreach ((IPEndPoint local, uint tunnel) in _known)
        {
            _ = local.Address.TryWriteBytes(bytes, out _);
            uint port = BitConverter.IsLittleEndian ? BinaryPrimitives.ReverseEndianness((ushort)local.Port) : (ushort)local.Port;
            if (local.AddressFamily == AddressFamily.InterNetwork && four < Places)
            {
                table.Fours[four++] = new Four { Address = MemoryMarshal.Read<uint>(bytes), Port = port, Tunnel = tunnel };
            }
            else if (local.AddressFamily == AddressFamily.InterNetworkV6 && six < Places)
            {
                table.Sixes[six++] = new Six { First = MemoryMarshal.Read<ulong>(bytes), Last = MemoryMarshal.Read<ulong>(bytes[8..]), Port = port, Tunnel = tunnel };
            }
        }

        _ = BpfMap.Set(_map, 0u, table);
    }

    /// <summary>struct locals; a port of all ones holds nothing.</summary>
    [StructLayout(LayoutKind.Sequential)]
    private struct Table
    {
        public SixPlaces Sixes;
        public FourPlaces Fours;
    }

    [StructLayout(LayoutKind.Sequential)]
    private struct Six
    {
        public ulong First;
        public ulong Last;
        public uint Port;
        public uint Tunnel;
    }

    [StructLayout(LayoutKind.Sequential)]
    private struct Four
    {
        public uint Address;
        public uint Port;
        public uint Tunnel;
    }

    [InlineArray(Places)]
    private struct SixPlaces
    {
        private Six _first;
    }

    [InlineArray(Places)]
    private struct FourPlaces
    {
        private Four _first;
    }
}

using System.Buffers.Binary;
using System.Runtime.InteropServices;
using System.Text;
using TunnelBox.Linux.Libc;

namespace TunnelBox.Linux.Ethtool;

/// <summary>
/// The table of steering rules in a card (n-tuple filters, <c>ethtool -N</c>), by ioctl: there is no netlink message for it. Asks the
/// network namespace of the thread that opened it. One thread at a time.
/// </summary>
public sealed unsafe class FlowTable : IDisposable
{
    private const int Ports4 = 8;
    private const int Ports6 = 32;

    private readonly FileDescriptor _socket;
    private readonly byte[] _device = new byte[Definitions.IFNAMSIZ];

    private FlowTable(FileDescriptor socket, string device)
    {
        _socket = socket;
        _ = Encoding.UTF8.GetBytes(device, _device.AsSpan(0, Definitions.IFNAMSIZ - 1));
    }

    /// <summary>Opens the table of a device; nothing is asked yet.</summary>
    /// <param name="device">Its name, at most 15 bytes.</param>
    /// <returns>The table, or null where no socket can be had.</returns>
    public static FlowTable? Open(string device)
    {
        ArgumentNullException.ThrowIfNull(device);
        int socket = LibC.socket(Definitions.AF_INET, Definitions.SOCK_DGRAM | Definitions.SOCK_CLOEXEC, 0);
        return socket < 0 || Encoding.UTF8.GetByteCount(device) >= Definitions.IFNAMSIZ ? null : new FlowTable(new FileDescriptor(socket), device);
    }

    /// <summary>Asks how many rules the table holds and has room for.</summary>
    /// <param name="room">Places, 0 where the driver does not say.</param>
    /// <param name="chooses">Whether the driver chooses the place of a rule.</param>
    /// <returns>How many there are, or −errno: EOPNOTSUPP where the driver has no such table.</returns>
    public int Count(out int room, out bool chooses)
    {
        var request = new ethtool_rxnfc { cmd = Definitions.ETHTOOL_GRXCLSRLCNT };
        int error = Ask(&request);
        chooses = (request.data & Definitions.RX_CLS_LOC_SPECIAL) != 0;
        room = error < 0 ? 0 : (int)(request.data & int.MaxValue);
        return error < 0 ? error : (int)request.rule_cnt;
    }

    /// <summary>Reads where rules stand.</summary>
    /// <param name="most">How many at most.</param>
    /// <param name="places">The places.</param>
    /// <returns>How many, or −errno: EMSGSIZE where there are more.</returns>
    public int List(int most, out uint[] places)
    {
        places = [];
        int size = sizeof(ethtool_rxnfc) + (most * sizeof(uint));
        byte[] bytes = new byte[size];
        fixed (byte* at = bytes)
        {
            var request = (ethtool_rxnfc*)at;
            request->cmd = Definitions.ETHTOOL_GRXCLSRLALL;
            request->rule_cnt = (uint)most;
            int error = Ask(request);
            if (error < 0)
            {
                return error;
            }

            // rule_locs follows rule_cnt without a gap, before the structure's padding.
            int count = (int)Math.Min(request->rule_cnt, (uint)most);
            places = new Span<uint>(&request->rule_cnt + 1, count).ToArray();
            return count;
        }
    }

    /// <summary>Reads a rule.</summary>
    /// <param name="place">Where it stands.</param>
    /// <param name="entry">The rule.</param>
    /// <returns>0, or −errno: ENOENT or EINVAL where there is none.</returns>
    public int Read(uint place, out FlowTableEntry entry)
    {
        var request = new ethtool_rxnfc { cmd = Definitions.ETHTOOL_GRXCLSRULE };
        request.fs.location = place;
        int error = Ask(&request);
        entry = error < 0 ? default : new FlowTableEntry(Flow(ref request.fs), request.fs.ring_cookie, (request.fs.flow_type & Definitions.FLOW_RSS) != 0 ? request.rule_cnt : 0);
        return error;
    }

    /// <summary>Sets a rule.</summary>
    /// <param name="flow">What matches.</param>
    /// <param name="queue">The receive queue; with a context it is added to the queue that the context gives.</param>
    /// <param name="context">The RSS context, 0 for none.</param>
    /// <param name="place">Where, or <see cref="Definitions.RX_CLS_LOC_ANY"/>.</param>
    /// <param name="placed">Where it stands.</param>
    /// <returns>0, or −errno: ENOSPC when the table is full, EOPNOTSUPP or EINVAL where the card cannot match such a flow.</returns>
    public int Insert(in UdpFlow flow, ulong queue, uint context, uint place, out uint placed)
    {
        var request = new ethtool_rxnfc { cmd = Definitions.ETHTOOL_SRXCLSRLINS, rule_cnt = context };
        request.fs.flow_type = (flow.IsIPv6 ? Definitions.UDP_V6_FLOW : Definitions.UDP_V4_FLOW) | (context == 0 ? 0 : Definitions.FLOW_RSS);
        request.fs.ring_cookie = queue;
        request.fs.location = place;
        Write(flow, new Span<byte>(request.fs.h_u, 52), new Span<byte>(request.fs.m_u, 52));
        int error = Ask(&request);
        placed = request.fs.location;
        return Math.Min(error, 0);
    }

    /// <summary>Removes a rule.</summary>
    /// <param name="place">Where it stands.</param>
    /// <returns>0, or −errno: ENOENT or EINVAL where there is none.</returns>
    public int Remove(uint place)
    {
        var request = new ethtool_rxnfc { cmd = Definitions.ETHTOOL_SRXCLSRLDEL };
        request.fs.location = place;
        return Math.Min(Ask(&request), 0);
    }

    /// <summary>Makes an RSS context: packets of its rules are spread over some queues.</summary>
    /// <param name="queues">The queues, as the indirection table repeats them; as many as the card's table has.</param>
    /// <param name="context">The context.</param>
    /// <returns>0, or −errno: EOPNOTSUPP where the driver has none.</returns>
    public int AddContext(ReadOnlySpan<uint> queues, out uint context)
    {
        byte[] bytes = new byte[sizeof(ethtool_rxfh) + (queues.Length * sizeof(uint))];
        MemoryMarshal.AsBytes(queues).CopyTo(bytes.AsSpan(sizeof(ethtool_rxfh)));
        fixed (byte* at = bytes)
        {
            var request = (ethtool_rxfh*)at;
            request->cmd = Definitions.ETHTOOL_SRSSH;
            request->rss_context = Definitions.ETH_RXFH_CONTEXT_ALLOC;
            request->indir_size = (uint)queues.Length;
            int error = Ask(request);
            context = error < 0 ? 0 : request->rss_context;
            return Math.Min(error, 0);
        }
    }

    /// <summary>Removes an RSS context; no rule may lead to it any more.</summary>
    /// <param name="context">The context.</param>
    /// <returns>0, or −errno.</returns>
    public int RemoveContext(uint context)
    {
        var request = new ethtool_rxfh { cmd = Definitions.ETHTOOL_SRSSH, rss_context = context };
        return Math.Min(Ask(&request), 0);
    }

    /// <inheritdoc/>
    public void Dispose() => _socket.Dispose();

    /// <summary>Writes a flow as struct ethtool_tcpip4_spec or ethtool_tcpip6_spec, and which of its bits count.</summary>
    /// <param name="flow">The flow.</param>
    /// <param name="values">52 bytes for the values.</param>
    /// <param name="bits">52 bytes for the bits that count.</param>
    internal static void Write(in UdpFlow flow, Span<byte> values, Span<byte> bits)
    {
        int ports = flow.IsIPv6 ? Ports6 : Ports4;
        if (flow.IsIPv6)
        {
            BinaryPrimitives.WriteUInt128BigEndian(values, flow.Source);
            bits[..16].Fill(0xFF);
        }
        else
        {
            BinaryPrimitives.WriteUInt32BigEndian(values, (uint)flow.Source);
            bits[..4].Fill(0xFF);
        }

        BinaryPrimitives.WriteUInt16BigEndian(values[ports..], flow.SourcePort);
        BinaryPrimitives.WriteUInt16BigEndian(values[(ports + 2)..], flow.DestinationPort);
        bits.Slice(ports, 4).Fill(0xFF);
    }

    private static UdpFlow Flow(ref ethtool_rx_flow_spec rule)
    {
        fixed (byte* values = rule.h_u)
        {
            var bytes = new ReadOnlySpan<byte>(values, 52);
            switch (rule.flow_type & ~Definitions.FLOW_RSS)
            {
                case Definitions.UDP_V4_FLOW:
                    return new UdpFlow(false, BinaryPrimitives.ReadUInt32BigEndian(bytes), Port(bytes, Ports4), Port(bytes, Ports4 + 2));
                case Definitions.UDP_V6_FLOW:
                    return new UdpFlow(true, BinaryPrimitives.ReadUInt128BigEndian(bytes), Port(bytes, Ports6), Port(bytes, Ports6 + 2));
                default:
                    return default;
            }
        }
    }

    private static ushort Port(ReadOnlySpan<byte> bytes, int at) => BinaryPrimitives.ReadUInt16BigEndian(bytes[at..]);

    private int Ask(void* command)
    {
        var request = new ifreq { ifr_data = (nint)command };
        _device.CopyTo(new Span<byte>(request.ifr_name, Definitions.IFNAMSIZ));
        return LibC.ioctl(_socket.Value, Definitions.SIOCETHTOOL, &request);
    }
}

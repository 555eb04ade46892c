using System.Buffers.Binary;
using TunnelBox.Linux.Ethtool;
using static TunnelBox.Linux.Netlink.TrafficControl;

namespace TunnelBox.Linux.Netlink;

/// <summary>A rule as the kernel holds it for a device.</summary>
/// <param name="Number">Its handle.</param>
/// <param name="Queue">The receive queue.</param>
/// <param name="InHardware">Whether the device has really taken it (TCA_CLS_FLAGS_IN_HW).</param>
public readonly record struct FlowerRule(uint Number, ushort Queue, bool InHardware);

/// <summary>
/// Rules of traffic control that a device itself carries out (cls_flower with <c>skip_sw</c> and the action <c>skbedit queue_mapping</c>,
/// Linux 6.2): the datagrams of one remote address and port go to one receive queue. Belongs to the network namespace of the thread
/// that opened it. One thread at a time.
/// </summary>
public sealed class FlowerRules : IDisposable
{
    private const ushort Priority4 = 0xB0C4;
    private const ushort Priority6 = 0xB0C6;
    private const byte Udp = 17;
    private const int Pipe = 3;

    private readonly NetlinkSocket _socket = NetlinkSocket.Open(NetlinkSocket.Route);
    private readonly int _device;
    private readonly Dictionary<uint, bool> _families = [];
    private bool _madeQdisc;
    private bool _disposed;

    private FlowerRules(int device) => _device = device;

    /// <summary>Gets ready on a device; what an earlier process left there under the same priorities goes.</summary>
    /// <param name="device">The device's number.</param>
    /// <returns>The rules: none so far.</returns>
    /// <exception cref="NetlinkException">The kernel has no clsact.</exception>
    public static FlowerRules Open(int device)
    {
        var rules = new FlowerRules(device);
        NetlinkWriter qdisc = new(RTM_NEWQDISC, Rtnetlink.NLM_F_CREATE | Rtnetlink.NLM_F_EXCL);
        qdisc.Struct(new Tcmsg { Index = device, Parent = TC_H_CLSACT, Handle = 0xFFFF0000 }).Attribute(TCA_KIND, "clsact");
        try
        {
            rules._socket.Change(qdisc, "making the queueing discipline clsact");
            rules._madeQdisc = true;
        }
        catch (NetlinkException there) when (there.Errno == NetlinkException.Exists)
        {
            // Somebody's clsact or ingress.
        }
        catch (NetlinkException)
        {
            rules.Dispose();
            throw;
        }

        rules.Clear();
        return rules;
    }

    /// <summary>Sets a rule.</summary>
    /// <param name="number">Its handle, not 0.</param>
    /// <param name="flow">What matches.</param>
    /// <param name="queue">The receive queue.</param>
    /// <returns>0, or −errno: ENOENT where the kernel has no cls_flower or no skbedit, EOPNOTSUPP where the device takes no such rule.</returns>
    public int Set(uint number, in UdpFlow flow, ushort queue)
    {
        NetlinkWriter request = Request(RTM_NEWTFILTER, number, flow.IsIPv6, Rtnetlink.NLM_F_CREATE);
        Describe(request, flow, queue);
        int error = Try(request);
        if (error == 0)
        {
            _families[number] = flow.IsIPv6;
        }

        return error;
    }

    /// <summary>Removes a rule.</summary>
    /// <param name="number">Its handle.</param>
    /// <returns>0, or −errno: ENOENT where there is none.</returns>
    public int Remove(uint number) =>
        _families.Remove(number, out bool isIPv6) ? Try(Request(RTM_DELTFILTER, number, isIPv6, 0)) : -NetlinkException.NoEntry;

    /// <summary>Reads what is held.</summary>
    /// <returns>The rules.</returns>
    /// <exception cref="NetlinkException">The kernel refused.</exception>
    public List<FlowerRule> Dump()
    {
        List<FlowerRule> rules = [];
        NetlinkWriter request = new(RTM_GETTFILTER, 0);
        request.Struct(new Tcmsg { Index = _device, Parent = Ingress });
        _socket.Dump(request, "reading the rules of traffic control", rules.Clear, (in message) =>
        {
            if (Read(message.Payload) is { } rule)
            {
                rules.Add(rule);
            }
        });
        return rules;
    }

    /// <summary>Removes everything that was made.</summary>
    public void Dispose()
    {
        if (_disposed)
        {
            return;
        }

        _disposed = true;
        Clear();
        if (_madeQdisc)
        {
            _ = Try(new NetlinkWriter(RTM_DELQDISC, 0).Struct(new Tcmsg { Index = _device, Parent = TC_H_CLSACT, Handle = 0xFFFF0000 }));
        }

        _socket.Dispose();
    }

    /// <summary>Reads an RTM_NEWTFILTER.</summary>
    /// <param name="payload">The message after its header.</param>
    /// <returns>The rule, or null where it is none of ours.</returns>
    internal static FlowerRule? Read(ReadOnlySpan<byte> payload)
    {
        if (!NetlinkMessage.TrySplit(payload, out Tcmsg header, out NetlinkAttributes attributes) || header.Handle == 0
            || header.Info >> 16 is not (Priority4 or Priority6))
        {
            return null;
        }

        ushort queue = ushort.MaxValue;
        uint flags = 0;
        foreach (NetlinkAttribute attribute in attributes)
        {
            foreach (NetlinkAttribute option in new NetlinkAttributes(attribute.Type == TCA_OPTIONS ? attribute.Payload : default))
            {
                flags = option.Type == TCA_FLOWER_FLAGS ? option.Number : flags;
                queue = option.Type == TCA_FLOWER_ACT ? Queue(option.Payload) : queue;
            }
        }

        return new FlowerRule(header.Handle, queue, (flags & TCA_CLS_FLAGS_IN_HW) != 0);
    }

    /// <summary>Adds what matches and what is done.</summary>
    /// <param name="request">The request.</param>
    /// <param name="flow">What matches.</param>
    /// <param name="queue">The receive queue.</param>
    internal static void Describe(NetlinkWriter request, in UdpFlow flow, ushort queue)
    {
        Span<byte> address = stackalloc byte[16];
        Span<byte> all = stackalloc byte[16];
        all.Fill(0xFF);
        BinaryPrimitives.WriteUInt128BigEndian(address, flow.Source);
        request.Attribute(TCA_KIND, "flower");
        int options = request.BeginNest(TCA_OPTIONS);
        int actions = request.BeginNest(TCA_FLOWER_ACT);
        int first = request.BeginNest(1);
        request.Attribute(TCA_ACT_KIND, "skbedit");
        int parts = request.BeginNest(TCA_ACT_OPTIONS);
        request.Attribute(TCA_SKBEDIT_PARMS, System.Runtime.InteropServices.MemoryMarshal.AsBytes([new SkbEdit { Action = Pipe }]));
        request.Attribute(TCA_SKBEDIT_QUEUE_MAPPING, BitConverter.GetBytes(queue));
        request.EndNest(parts);
        request.EndNest(first);
        request.EndNest(actions);
        request.Attribute(TCA_FLOWER_KEY_ETH_TYPE, BigEndian(flow.IsIPv6 ? ETH_P_IPV6 : ETH_P_IP));
        request.Attribute(TCA_FLOWER_KEY_IP_PROTO, [Udp]);
        if (flow.IsIPv6)
        {
            request.Attribute(TCA_FLOWER_KEY_IPV6_SRC, address).Attribute(TCA_FLOWER_KEY_IPV6_SRC_MASK, all);
        }
        else
        {
            request.Attribute(TCA_FLOWER_KEY_IPV4_SRC, address[12..]).Attribute(TCA_FLOWER_KEY_IPV4_SRC_MASK, all[12..]);
        }

        request.Attribute(TCA_FLOWER_KEY_UDP_SRC, BigEndian(flow.SourcePort)).Attribute(TCA_FLOWER_KEY_UDP_SRC_MASK, all[..2]);
        request.Attribute(TCA_FLOWER_KEY_UDP_DST, BigEndian(flow.DestinationPort)).Attribute(TCA_FLOWER_KEY_UDP_DST_MASK, all[..2]);
        request.Attribute(TCA_FLOWER_FLAGS, TCA_CLS_FLAGS_SKIP_SW);
        request.EndNest(options);
    }

    private static byte[] BigEndian(ushort value) => [(byte)(value >> 8), (byte)value];

    private static ushort Queue(ReadOnlySpan<byte> actions)
    {
        foreach (NetlinkAttribute action in new NetlinkAttributes(actions))
        {
            foreach (NetlinkAttribute part in new NetlinkAttributes(action.Payload))
            {
                foreach (NetlinkAttribute option in new NetlinkAttributes(part.Type == TCA_ACT_OPTIONS ? part.Payload : default))
                {
                    if (option.Type == TCA_SKBEDIT_QUEUE_MAPPING && option.Payload.Length >= 2)
                    {
                        return BitConverter.ToUInt16(option.Payload);
                    }
                }
            }
        }

        return ushort.MaxValue;
    }

    private NetlinkWriter Request(ushort type, uint handle, bool isIPv6, ushort flags) => new NetlinkWriter(type, flags).Struct(new Tcmsg
    {
        Index = _device,
        Parent = Ingress,
        Handle = handle,
        Info = isIPv6 ? Info(Priority6, ETH_P_IPV6) : Info(Priority4, ETH_P_IP),
    });

    private void Clear()
    {
        _ = Try(Request(RTM_DELTFILTER, 0, isIPv6: false, 0));
        _ = Try(Request(RTM_DELTFILTER, 0, isIPv6: true, 0));
        _families.Clear();
    }

    private int Try(NetlinkWriter request)
    {
        try
        {
            _socket.Change(request, "changing a rule of traffic control");
            return 0;
        }
        catch (NetlinkException refused)
        {
            return -refused.Errno;
        }
    }
}

using System.Buffers.Binary;
using System.Runtime.InteropServices;
using static TunnelBox.Linux.Netlink.TrafficControl;

namespace TunnelBox.Linux.Netlink;

/// <summary>One change of an <see cref="IndexRules"/>.</summary>
/// <param name="Index">The receiver index that it matches.</param>
/// <param name="Class">What matching packets are given: the minor number of their class, 1 to 65,535; 0 removes the rule.</param>
public readonly record struct IndexRuleChange(uint Index, ushort Class);

/// <summary>A rule as the kernel holds it.</summary>
/// <param name="Index">The receiver index that it matches.</param>
/// <param name="Class">What matching packets are given.</param>
/// <param name="Hits">Packets that matched, where the kernel counts them (CONFIG_CLS_U32_PERF), else 0.</param>
/// <param name="InHardware">Whether the device has taken it.</param>
public readonly record struct IndexRule(uint Index, ushort Class, ulong Hits, bool InHardware);

/// <summary>
/// Rules of traffic control on what arrives at one device (cls_u32 below clsact or ingress): data messages of the tunnel by their
/// receiver index. They stand in two levels of hash tables, 16 times 256 buckets, since a plain list costs the square of its length;
/// many go in one send, and only the last is answered. Belongs to the network namespace of the thread that opened it. One thread at a time.
/// </summary>
public sealed unsafe partial class IndexRules : IDisposable
{
    // So far back in a priority's 16 bits nobody else's filters are likely; two, since one cannot have two protocols.
    private const ushort Priority4 = 0xB0B4;
    private const ushort Priority6 = 0xB0B6;
    private const uint FirstLevel = 0x100;
    private const uint SecondLevel = 0x200;
    private const int Tables = 16;
    private const int Buckets = 256;
    private const int Nodes = 0xFFF;

    /// <summary>Messages a send: the socket's buffers hold them and the answers to all of them, should each be refused.</summary>
    private const int Together = 512;

    private readonly NetlinkSocket _socket;
    private readonly int _device;
    private readonly ushort _port;
    private readonly uint _flags;
    private readonly Dictionary<uint, uint> _handles = [];
    private readonly ulong[]?[] _nodes = new ulong[Tables * Buckets][];
    private readonly byte[] _bytes = new byte[Together * sizeof(Message)];
    private readonly int[] _errors = new int[Together];
    private readonly int[] _which = new int[Together];
    private readonly uint[] _made = new uint[Together];
    private bool _madeQdisc;
    private bool _disposed;

    private IndexRules(NetlinkSocket socket, int device, ushort port, bool inHardware)
    {
        _socket = socket;
        _device = device;
        _port = port;
        _flags = inHardware ? TCA_CLS_FLAGS_SKIP_SW : TCA_CLS_FLAGS_SKIP_HW;
    }

    /// <summary>Gets how many rules were set and not removed.</summary>
    public int Count => _handles.Count;

    /// <summary>Makes the tables on a device; what an earlier process left there under the same priorities goes.</summary>
    /// <param name="device">The device's number.</param>
    /// <param name="port">The local UDP port.</param>
    /// <param name="inHardware">Whether the device itself is to match, and nothing else (<c>skip_sw</c>); else the kernel alone.</param>
    /// <returns>The rules: none so far.</returns>
    /// <exception cref="NetlinkException">The kernel has no cls_u32, or with <paramref name="inHardware"/> the device takes no such rules (EINVAL).</exception>
    public static IndexRules Open(int device, ushort port, bool inHardware)
    {
        var rules = new IndexRules(NetlinkSocket.Open(NetlinkSocket.Route), device, port, inHardware);
        try
        {
            rules.MakeTables();
            return rules;
        }
        catch (NetlinkException)
        {
            rules.Dispose();
            throw;
        }
    }

    /// <summary>Carries out changes, each for itself.</summary>
    /// <param name="changes">The changes; one index at most once.</param>
    /// <param name="errors">Where to, one a change: 0, or −errno: ENOSPC (28) when a bucket is full, ENOENT (2) for the removal of what is not there.</param>
    public void Change(ReadOnlySpan<IndexRuleChange> changes, Span<int> errors)
    {
        for (int start = 0; start < changes.Length;)
        {
            int count = 0;
            int used = 0;
            uint first = _socket.NextSequence;
            fixed (byte* bytes = _bytes)
            {
                for (; start < changes.Length && count < Together; start++)
                {
                    errors[start] = Write(changes[start], (Message*)(bytes + used), out uint made);
                    if (errors[start] == 0)
                    {
                        ((Message*)(bytes + used))->Sequence = first + (uint)count;
                        used += (int)((Message*)(bytes + used))->Length;
                        _which[count] = start;
                        _made[count++] = made;
                    }
                }
            }

            if (count == 0)
            {
                continue;
            }

            _socket.Many(_bytes.AsSpan(0, used), first, _errors.AsSpan(0, count));
            for (int i = 0; i < count; i++)
            {
                errors[_which[i]] = Settle(changes[_which[i]], _made[i], _errors[i]);
            }
        }
    }

    /// <summary>Reads what the kernel holds, and takes that for what is there from now on.</summary>
    /// <returns>The rules, in no order.</returns>
    /// <exception cref="NetlinkException">The kernel refused.</exception>
    public List<IndexRule> Dump()
    {
        List<IndexRule> rules = [];
        Dictionary<uint, uint> handles = [];
        NetlinkWriter request = new(RTM_GETTFILTER, 0);
        request.Struct(new Tcmsg { Index = _device, Parent = Ingress, Info = Info(Priority4, ETH_P_IP) });
        _socket.Dump(
            request,
            "reading the rules of traffic control",
            () =>
            {
                rules.Clear();
                handles.Clear();
            },
            (in message) =>
            {
                if (Read(message.Payload, out IndexRule rule, out uint handle))
                {
                    rules.Add(rule);
                    handles[rule.Index] = handle;
                }
            });
        _handles.Clear();
        Array.Clear(_nodes);
        foreach ((uint index, uint handle) in handles)
        {
            _handles[index] = handle;
            Take(handle);
        }

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
            Try(new NetlinkWriter(RTM_DELQDISC, 0).Struct(new Tcmsg { Index = _device, Parent = TC_H_CLSACT, Handle = 0xFFFF0000 }));
        }

        _socket.Dispose();
    }

    private static uint Network(uint value) => BitConverter.IsLittleEndian ? BinaryPrimitives.ReverseEndianness(value) : value;

    // An index stands little-endian in the message: its lowest byte comes first.
    private static uint OnWire(uint index) => BitConverter.IsLittleEndian ? index : BinaryPrimitives.ReverseEndianness(index);

    private static uint Bucket(uint index) => ((SecondLevel + ((index >> 8) & (Tables - 1))) << 20) | ((index & 0xFF) << 12);

    private static int Place(uint handle) => (int)((((handle >> 20) - SecondLevel) * Buckets) + ((handle >> 12) & 0xFF));

    private static bool Read(ReadOnlySpan<byte> payload, out IndexRule rule, out uint handle)
    {
        rule = default;
        handle = 0;
        if (!NetlinkMessage.TrySplit(payload, out Tcmsg header, out NetlinkAttributes attributes)
            || header.Handle >> 20 is < SecondLevel or >= SecondLevel + Tables || (header.Handle & Nodes) == 0 || header.Info >> 16 != Priority4)
        {
            return false;
        }

        handle = header.Handle;
        ushort number = 0;
        ulong hits = 0;
        uint flags = 0;
        uint? index = null;
        foreach (NetlinkAttribute attribute in attributes)
        {
            foreach (NetlinkAttribute option in new NetlinkAttributes(attribute.Type == TCA_OPTIONS ? attribute.Payload : default))
            {
                switch (option.Type)
                {
                    case TCA_U32_CLASSID:
                        number = (ushort)option.Number;
                        break;
                    case TCA_U32_FLAGS:
                        flags = option.Number;
                        break;
                    case TCA_U32_PCNT when option.Payload.Length >= 16:
                        hits = MemoryMarshal.Read<ulong>(option.Payload[8..]);
                        break;
                    case TCA_U32_SEL when option.Payload.Length >= sizeof(U32Selector) + sizeof(U32Key):
                        index = OnWire(MemoryMarshal.Read<U32Key>(option.Payload[sizeof(U32Selector)..]).Value);
                        break;
                }
            }
        }

        rule = new IndexRule(index ?? 0, number, hits, (flags & TCA_CLS_FLAGS_IN_HW) != 0);
        return index is not null;
    }

    private int Write(IndexRuleChange change, Message* to, out uint made)
    {
        bool isKnown = _handles.TryGetValue(change.Index, out made);
        if (change.Class == 0)
        {
            *to = default;
            to->Length = NetlinkWriter.HeaderSize + (uint)sizeof(Tcmsg) + 8;
            to->Type = RTM_DELTFILTER;
        }
        else
        {
            if (!isKnown)
            {
                made = NewHandle(Bucket(change.Index));
            }

            if (made == 0)
            {
                return -28;
            }

            *to = default;
            to->Length = (uint)sizeof(Message);
            to->Type = RTM_NEWTFILTER;
            to->OptionsLength = (ushort)(sizeof(Message) - Message.OptionsAt);
            to->OptionsType = TCA_OPTIONS;
            to->Class = new NumberAttribute(TCA_U32_CLASSID, 0x00010000u | change.Class);
            to->Hash = new NumberAttribute(TCA_U32_HASH, Bucket(change.Index));
            to->Flags = new NumberAttribute(TCA_U32_FLAGS, _flags);
            to->SelectorLength = (ushort)(4 + sizeof(U32Selector) + sizeof(U32Key));
            to->SelectorType = TCA_U32_SEL;
            to->Selector = new U32Selector { Flags = TC_U32_TERMINAL, Keys = 1 };
            to->Key = new U32Key { Mask = uint.MaxValue, Value = OnWire(change.Index), Offset = 4 };
        }

        to->MessageFlags = (ushort)(Rtnetlink.NLM_F_REQUEST | (isKnown || change.Class == 0 ? 0 : Rtnetlink.NLM_F_CREATE | Rtnetlink.NLM_F_EXCL));
        to->Header = new Tcmsg
        {
            Index = _device,
            Parent = Ingress,
            Info = Info(Priority4, ETH_P_IP),

            // Of a new one only the node's number: with the whole handle the kernel would search the bucket for it first.
            Handle = isKnown || change.Class == 0 ? made : made & Nodes,
        };
        to->KindLength = 8;
        to->KindType = TCA_KIND;
        to->Kind = 0x0032_3375;
        return change.Class == 0 && !isKnown ? -NetlinkException.NoEntry : 0;
    }

    private int Settle(IndexRuleChange change, uint handle, int error)
    {
        bool isGone = change.Class == 0 ? error is 0 or -NetlinkException.NoEntry : error != 0 && !(_handles.ContainsKey(change.Index) && error != -NetlinkException.NoEntry);
        if (isGone)
        {
            _handles.Remove(change.Index);
            Release(handle);
        }
        else if (error == 0)
        {
            _handles[change.Index] = handle;
        }

        if (change.Class != 0 && error == -NetlinkException.NoEntry)
        {
            // It was thought to be there and is not: it is made.
            Span<int> again = stackalloc int[1];
            Change([change], again);
            return again[0];
        }

        return error;
    }

    // The kernel keeps a bucket sorted by node: the highest free number goes to its head, without a walk.
    private uint NewHandle(uint bucket)
    {
        ulong[] used = _nodes[Place(bucket)] ??= new ulong[(Nodes + 1) / 64];
        int highest = used.Length - 1;
        int low = 0;
        while (low <= highest && used[low] == 0)
        {
            low++;
        }

        // The numbers below the lowest that is in use, then gaps.
        int lowest = low > highest ? Nodes + 1 : (low * 64) + System.Numerics.BitOperations.TrailingZeroCount(used[low]);
        int node = lowest - 1;
        for (int i = 1; node <= 0 && i <= Nodes; i++)
        {
            node = (used[i / 64] >> (i % 64) & 1) == 0 ? i : 0;
        }

        if (node <= 0)
        {
            return 0;
        }

        used[node / 64] |= 1UL << (node % 64);
        return bucket | (uint)node;
    }

    private void Take(uint handle)
    {
        ulong[] used = _nodes[Place(handle)] ??= new ulong[(Nodes + 1) / 64];
        used[(handle & Nodes) / 64] |= 1UL << (int)((handle & Nodes) % 64);
    }

    private void Release(uint handle)
    {
        if (_nodes[Place(handle)] is { } used)
        {
            used[(handle & Nodes) / 64] &= ~(1UL << (int)((handle & Nodes) % 64));
        }
    }

    [StructLayout(LayoutKind.Sequential)]
    private readonly struct NumberAttribute(ushort type, uint value)
    {
        public readonly ushort Length = 8;
        public readonly ushort Type = type;
        public readonly uint Value = value;
    }

    /// <summary>A whole request for one rule: it is the same for all but a few numbers.</summary>
    [StructLayout(LayoutKind.Sequential)]
    private struct Message
    {
        public const int OptionsAt = 16 + 20 + 8;

        public uint Length;
        public ushort Type;
        public ushort MessageFlags;
        public uint Sequence;
        public uint PortId;
        public Tcmsg Header;
        public ushort KindLength;
        public ushort KindType;
        public uint Kind;
        public ushort OptionsLength;
        public ushort OptionsType;
        public NumberAttribute Class;
        public NumberAttribute Hash;
        public NumberAttribute Flags;
        public ushort SelectorLength;
        public ushort SelectorType;
        public U32Selector Selector;
        public U32Key Key;
    }
}

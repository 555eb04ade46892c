using System.Buffers.Binary;
using System.Diagnostics;
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
/// receiver index. They stand in two levels of hash tables, 4 times 256 buckets, since a plain list costs the square of its length, and each bucket
/// more costs the kernel a KiB of its numbers; many go in one send, and only the last is answered. Belongs to the network namespace of the thread that opened it. One thread at a time.
/// </summary>
public sealed unsafe partial class IndexRules : IDisposable
{
    // So far back in a priority's 16 bits nobody else's filters are likely; two, since one cannot have two protocols.
    private const ushort Priority4 = 0xB0B4;
    private const ushort Priority6 = 0xB0B6;
    private const uint FirstLevel = 0x100;
    private const uint SecondLevel = 0x200;
    private const int Tables = 4;
    private const int Buckets = 256;

    /// <summary>Messages a send: the socket's buffers hold them and the answers to all of them, should each be refused.</summary>
    private const int Together = 512;

    private readonly NetlinkSocket _socket;
    private readonly int _device;
    private readonly ushort _port;
    private readonly uint _flags;
    private readonly Message _message;
    private readonly Dictionary<uint, uint> _handles = [];
    private readonly byte[] _bytes = new byte[Together * sizeof(Message)];
    private readonly int[] _errors = new int[Together];
    private readonly int[] _which = new int[Together];
    private readonly uint[] _made = new uint[Together];
    private readonly bool[] _isNew = new bool[Together];
    private long _waited;
    private bool _madeQdisc;
    private bool _disposed;

    private IndexRules(NetlinkSocket socket, int device, ushort port, bool inHardware)
    {
        _socket = socket;
        _device = device;
        _port = port;
        _flags = inHardware ? TCA_CLS_FLAGS_SKIP_SW : TCA_CLS_FLAGS_SKIP_HW;
        Array.Fill(_lowest, (ushort)(Nodes + 1));
        _message = new Message
        {
            Length = (uint)sizeof(Message),
            Type = RTM_NEWTFILTER,
            Header = new Tcmsg { Index = device, Parent = Ingress, Info = Info(Priority4, ETH_P_IP) },
            KindLength = 8,
            KindType = TCA_KIND,
            Kind = 0x0032_3375,
            OptionsLength = (ushort)(sizeof(Message) - Message.OptionsAt),
            OptionsType = TCA_OPTIONS,
            Class = new NumberAttribute(TCA_U32_CLASSID, 0),
            Hash = new NumberAttribute(TCA_U32_HASH, 0),
            Flags = new NumberAttribute(TCA_U32_FLAGS, _flags),
            SelectorLength = (ushort)(4 + sizeof(U32Selector) + sizeof(U32Key)),
            SelectorType = TCA_U32_SEL,
            Selector = new U32Selector { Flags = TC_U32_TERMINAL, Keys = 1 },
            Key = new U32Key { Mask = uint.MaxValue, Offset = 4 },
        };
    }

    /// <summary>Gets how many rules were set and not removed.</summary>
    public int Count => _handles.Count;

    /// <summary>Gets how long changes were in the kernel's hands, all together; the rest of <see cref="Change"/> is spent here.</summary>
    public TimeSpan Waited => Stopwatch.GetElapsedTime(0, _waited);

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
        int wanted = _handles.Count + changes.Length;
        if (_handles.EnsureCapacity(0) < wanted)
        {
            // At least twice as many: growing costs as much as all that are there.
            _handles.EnsureCapacity(Math.Max(wanted, 2 * _handles.Count));
        }

        for (int start = 0; start < changes.Length;)
        {
            int count = 0;
            int used = 0;
            uint first = _socket.NextSequence;
            fixed (byte* bytes = _bytes)
            {
                for (; start < changes.Length && count < Together; start++)
                {
                    Message* message = (Message*)(bytes + used);
                    errors[start] = Write(changes[start], message, out _made[count], out _isNew[count]);
                    if (errors[start] == 0)
                    {
                        message->Sequence = first + (uint)count;
                        used += (int)message->Length;
                        _which[count++] = start;
                    }
                }
            }

            if (count == 0)
            {
                continue;
            }

            long sent = Stopwatch.GetTimestamp();
            _socket.Many(_bytes.AsSpan(0, used), first, _errors.AsSpan(0, count));
            _waited += Stopwatch.GetTimestamp() - sent;
            int refused = 0;
            for (int i = 0; i < count; i++)
            {
                int error = _errors[i];
                errors[_which[i]] = error;
                if (error != 0)
                {
                    refused++;
                }

                if (error == -NetlinkException.NoEntry || (error == 0 ? changes[_which[i]].Class == 0 : _isNew[i]))
                {
                    _handles.Remove(changes[_which[i]].Index);
                    Release(_made[i]);
                }
            }

            if (refused > 0)
            {
                MakeLost(changes, errors, count);
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
        Forget();
        foreach ((uint index, uint handle) in handles)
        {
            _handles[index] = handle;
            int place = Place(handle);
            _lowest[place] = Math.Min(_lowest[place], (ushort)(handle & Nodes));
            _count[place]++;
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

    private int Write(IndexRuleChange change, Message* to, out uint handle, out bool isNew)
    {
        isNew = false;
        if (change.Class == 0)
        {
            if (!_handles.TryGetValue(change.Index, out handle))
            {
                return -NetlinkException.NoEntry;
            }

            *to = _message;
            to->Length = NetlinkWriter.HeaderSize + (uint)sizeof(Tcmsg) + 8;
            to->Type = RTM_DELTFILTER;
            to->MessageFlags = Rtnetlink.NLM_F_REQUEST;
            to->Header.Handle = handle;
            return 0;
        }

        uint bucket = Bucket(change.Index);
        ref uint known = ref CollectionsMarshal.GetValueRefOrAddDefault(_handles, change.Index, out bool isKnown);
        handle = isKnown ? known : NewHandle(bucket);
        if (handle == 0)
        {
            _handles.Remove(change.Index);
            return -28;
        }

        known = handle;
        isNew = !isKnown;
        *to = _message;
        to->MessageFlags = (ushort)(Rtnetlink.NLM_F_REQUEST | (isKnown ? 0 : Rtnetlink.NLM_F_CREATE | Rtnetlink.NLM_F_EXCL));

        // Of a new one only the node's number: with the whole handle the kernel would search the bucket for it first.
        to->Header.Handle = isKnown ? handle : handle & Nodes;
        to->Class = new NumberAttribute(TCA_U32_CLASSID, 0x00010000u | change.Class);
        to->Hash = new NumberAttribute(TCA_U32_HASH, bucket);
        to->Key.Value = OnWire(change.Index);
        return 0;
    }

    // Those that were thought to be there and are not.
    private void MakeLost(ReadOnlySpan<IndexRuleChange> changes, Span<int> errors, int count)
    {
        List<int> lost = [];
        for (int i = 0; i < count; i++)
        {
            if (!_isNew[i] && changes[_which[i]].Class != 0 && _errors[i] == -NetlinkException.NoEntry)
            {
                lost.Add(_which[i]);
            }
        }

        foreach (int which in lost)
        {
            Change(changes.Slice(which, 1), errors.Slice(which, 1));
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

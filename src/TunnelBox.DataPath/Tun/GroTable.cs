using System.Runtime.CompilerServices;

namespace TunnelBox.DataPath.Tun;

/// <summary>What may be done with a packet on its way into a TUN queue.</summary>
internal enum GroKind : byte
{
    /// <summary>Belongs to no TCP or UDP flow.</summary>
    Other = 0,

    /// <summary>May belong to any flow: nothing that comes later may pass it.</summary>
    Barrier,

    /// <summary>Of a flow, but not to be joined with others.</summary>
    Single,

    /// <summary>Of a flow, and may be joined.</summary>
    Candidate,
}

/// <summary>
/// Sorts the packets of one burst into groups that may enter the kernel as one super-packet each. Flows may be interleaved;
/// inside a flow the order stays, since a packet joins only the newest group of its flow and groups leave in the order of
/// their first packets.
/// </summary>
/// <remarks>
/// Inner checksums are verified before packets are joined, although Poly1305 has proved that they are what the peer sent: the
/// peer may be a router, and the checksum of a super-packet is made anew, so joining would turn a packet that was damaged
/// before it reached the peer into a valid one. That costs about 20 ns a packet of 1,400 bytes, while the packet is still in
/// the first-level cache, and in return the kernel need not verify it. A packet that fails goes in alone, unmarked, and the
/// kernel drops and counts it as it would have.
/// </remarks>
internal sealed unsafe class GroTable
{
    private const int Buckets = 128;

    /// <summary>Largest IP packet that may leave as one.</summary>
    private const int MaxBytes = 65535;

    private readonly sbyte[] _newest = new sbyte[Buckets];
    private readonly GroGroup[] _groups = new GroGroup[Burst.Capacity];
    private readonly sbyte[] _next = new sbyte[Burst.Capacity];
    private int _count;

    /// <summary>Gets the groups of this burst, in the order in which they must leave.</summary>
    public Span<GroGroup> Groups => new(_groups, 0, _count);

    /// <summary>Gets the packet that follows in the same group.</summary>
    /// <param name="index">A packet's index in the burst.</param>
    /// <returns>The next index, or −1.</returns>
    public int Next(int index) => _next[index];

    /// <summary>Forgets the burst.</summary>
    public void Clear()
    {
        _count = 0;
        Array.Fill(_newest, (sbyte)-1);
    }

    /// <summary>Puts one packet into a group: an open one of its flow, or a new one.</summary>
    /// <param name="index">Its index in the burst.</param>
    /// <param name="packet">Its bytes.</param>
    /// <param name="length">How many.</param>
    /// <param name="offloads">Which kinds may be joined.</param>
    public void Add(int index, byte* packet, int length, TunOffloads offloads)
    {
        _next[index] = -1;
        GroKind kind = GroPacket.Classify(packet, length, offloads, out GroPacket parsed);
        if (kind < GroKind.Single)
        {
            if (kind == GroKind.Barrier)
            {
                Array.Fill(_newest, (sbyte)-1);
            }

            Open(index, packet, parsed, closed: true);
            return;
        }

        uint bucket = parsed.Hash;
        while (true)
        {
            bucket &= Buckets - 1;
            int newest = _newest[bucket];
            if (newest < 0)
            {
                break;
            }

            ref GroGroup group = ref _groups[newest];
            if (GroPacket.SameFlow(group.First, packet, group.Packet, parsed))
            {
                if (kind == GroKind.Candidate && !group.Closed && CanJoin(ref group, packet, parsed))
                {
                    Join(ref group, index, packet, parsed);
                    return;
                }

                break;
            }

            bucket++;
        }

        // At most 64 groups in 128 buckets: the search always ends.
        _newest[bucket] = (sbyte)_count;
        Open(index, packet, parsed, closed: kind != GroKind.Candidate || Ends(packet, parsed));
    }

    private static bool Ends(byte* packet, in GroPacket parsed) =>
        !parsed.Udp && (packet[parsed.Transport + 13] & SegmentHeaders.Psh) != 0;

    private static bool CanJoin(ref GroGroup group, byte* packet, in GroPacket parsed)
    {
        byte* first = group.First;
        if (parsed.Payload > group.Packet.Payload || parsed.Headers != group.Packet.Headers
            || group.Bytes + parsed.Payload > MaxBytes || !SameNetwork(first, packet, parsed.IsIPv6, group.Count))
        {
            return false;
        }

        if (parsed.Udp)
        {
            return true;
        }

        byte* a = first + parsed.Transport;
        byte* b = packet + parsed.Transport;
        return SegmentHeaders.Read32(b + 4) == group.Sequence
            && Unsafe.ReadUnaligned<uint>(a + 8) == Unsafe.ReadUnaligned<uint>(b + 8)
            && a[12] == b[12] && ((a[13] ^ b[13]) & ~SegmentHeaders.Psh) == 0
            && SegmentHeaders.Raw16(a + 14) == SegmentHeaders.Raw16(b + 14)
            && SegmentHeaders.Raw16(a + 18) == SegmentHeaders.Raw16(b + 18)
            && SameOptions(a + 20, b + 20, parsed.Headers - parsed.Transport - 20);
    }

    private static bool SameOptions(byte* a, byte* b, int length)
    {
        // A multiple of four, and nearly always the 12 bytes of a time stamp.
        for (int i = 0; i < length; i += 4)
        {
            if (Unsafe.ReadUnaligned<uint>(a + i) != Unsafe.ReadUnaligned<uint>(b + i))
            {
                return false;
            }
        }

        return true;
    }

    private static bool SameNetwork(byte* first, byte* packet, bool isIPv6, int count)
    {
        if (isIPv6)
        {
            // Version, traffic class, flow label; next header, hop limit.
            return Unsafe.ReadUnaligned<uint>(first) == Unsafe.ReadUnaligned<uint>(packet)
                && SegmentHeaders.Raw16(first + 6) == SegmentHeaders.Raw16(packet + 6);
        }

        // Version and TOS; DF; TTL and protocol. Without DF the identification matters, and segmenting counts it up.
        return SegmentHeaders.Raw16(first) == SegmentHeaders.Raw16(packet)
            && SegmentHeaders.Raw16(first + 6) == SegmentHeaders.Raw16(packet + 6)
            && SegmentHeaders.Raw16(first + 8) == SegmentHeaders.Raw16(packet + 8)
            && ((first[6] & 0x40) != 0
                || (ushort)(SegmentHeaders.Read16(first + 4) + count) == SegmentHeaders.Read16(packet + 4));
    }

    private void Join(ref GroGroup group, int index, byte* packet, in GroPacket parsed)
    {
        _next[group.LastIndex] = (sbyte)index;
        group.LastIndex = index;
        group.Count++;
        group.Bytes += parsed.Payload;
        group.Sequence += (uint)parsed.Payload;
        if (Ends(packet, parsed))
        {
            group.Closed = true;
            group.Push = true;
        }

        // A shorter one is the last.
        group.Closed |= parsed.Payload < group.Packet.Payload;
    }

    private void Open(int index, byte* packet, in GroPacket parsed, bool closed)
    {
        ref GroGroup group = ref _groups[_count++];
        group.First = packet;
        group.FirstIndex = index;
        group.LastIndex = index;
        group.Count = 1;
        group.Bytes = parsed.Headers + parsed.Payload;
        group.Closed = closed;
        group.Push = false;
        group.Packet = parsed;
        group.Sequence = closed ? 0 : SegmentHeaders.Read32(packet + parsed.Transport + 4) + (uint)parsed.Payload;
    }
}

/// <summary>Packets that leave together.</summary>
internal unsafe struct GroGroup
{
    /// <summary>The first packet's bytes.</summary>
    public byte* First;

    /// <summary>What its headers say.</summary>
    public GroPacket Packet;

    /// <summary>Its index in the burst.</summary>
    public int FirstIndex;

    /// <summary>The newest packet's index in the burst.</summary>
    public int LastIndex;

    /// <summary>Packets in the group.</summary>
    public int Count;

    /// <summary>Bytes of the super-packet from its IP header on.</summary>
    public int Bytes;

    /// <summary>The TCP sequence number that must come next.</summary>
    public uint Sequence;

    /// <summary>Whether nothing may join any more.</summary>
    public bool Closed;

    /// <summary>Whether the last packet had PSH.</summary>
    public bool Push;
}

using System.Buffers.Binary;

namespace TunnelBox.DataPath.Tests.Support;

/// <summary>Which packets of a burst may enter together, the slow and obvious way.</summary>
internal static class JoinModel
{
    /// <summary>Groups packets.</summary>
    /// <returns>The groups in the order in which they must leave, each with whether its packets' checksums are right.</returns>
    public static List<(List<int> Members, bool Verified)> Group(List<byte[]> packets, bool tcp, bool udp)
    {
        var groups = new List<(List<int> Members, bool Verified)>();
        var newest = new Dictionary<string, int>(StringComparer.Ordinal);
        for (int i = 0; i < packets.Count; i++)
        {
            string? flow = Flow(packets[i], out bool barrier, out int start);
            if (flow is null)
            {
                if (barrier)
                {
                    newest.Clear();
                }

                groups.Add(([i], false));
                continue;
            }

            bool verified = Verified(packets[i], start);
            if (newest.TryGetValue(flow, out int group) && verified && MayJoin(packets, groups[group], packets[i], start, tcp, udp))
            {
                groups[group].Members.Add(i);
                continue;
            }

            newest[flow] = groups.Count;
            groups.Add(([i], verified));
        }

        return groups;
    }

    private static string? Flow(byte[] p, out bool barrier, out int start)
    {
        barrier = true;
        start = 0;
        if (p.Length < 20)
        {
            return null;
        }

        int protocol;
        string addresses;
        if (p[0] >> 4 == 4)
        {
            start = 20;
            if (p[0] != 0x45 || SegmentModel.Word(p, 2) != p.Length || (SegmentModel.Word(p, 6) & 0x3FFF) != 0)
            {
                return null;
            }

            protocol = p[9];
            addresses = Convert.ToHexString(p, 12, 8);
        }
        else if (p[0] >> 4 == 6 && p.Length >= 40 && SegmentModel.Word(p, 4) + 40 == p.Length)
        {
            start = 40;
            protocol = p[6];
            addresses = Convert.ToHexString(p, 8, 32);
        }
        else
        {
            return null;
        }

        if (protocol is not (6 or 17))
        {
            barrier = start == 40 && protocol != 58;
            return null;
        }

        int left = p.Length - start;
        if (left < 8 || (protocol == 6 && (left < 20 || (p[start + 12] >> 4) < 5 || (p[start + 12] >> 4) * 4 > left)))
        {
            return null;
        }

        return $"{addresses} {protocol} {Convert.ToHexString(p, start, 4)}";
    }

    private static bool Verified(byte[] p, int start)
    {
        bool udp = (start == 20 ? p[9] : p[6]) == 17;
        if (start == 20 && ChecksumTests.Slow(p.AsSpan(0, 20)) != 0xFFFF)
        {
            return false;
        }

        if (udp && (SegmentModel.Word(p, start + 4) != p.Length - start || SegmentModel.Word(p, start + 6) == 0))
        {
            return false;
        }

        return SegmentModel.TransportChecksumIsRight(p, start);
    }

    private static bool MayJoin(
        List<byte[]> packets, (List<int> Members, bool Verified) group, byte[] p, int start, bool tcpOn, bool udpOn)
    {
        byte[] first = packets[group.Members[0]];
        bool v4 = start == 20;
        bool udp = (v4 ? p[9] : p[6]) == 17;
        int headers = start + (udp ? 8 : (p[start + 12] >> 4) * 4);
        int payload = p.Length - headers;
        int size = first.Length - headers;
        if (!group.Verified || !(udp ? udpOn : tcpOn) || payload == 0 || size <= 0 || payload > size)
        {
            return false;
        }

        foreach (int member in group.Members)
        {
            byte[] m = packets[member];
            if (m.Length - headers != size || (!udp && (m[start + 13] & 8) != 0))
            {
                return false;
            }
        }

        if (headers + (group.Members.Count * size) + payload > 65535)
        {
            return false;
        }

        bool network = v4
            ? first.AsSpan(0, 2).SequenceEqual(p.AsSpan(0, 2)) && first.AsSpan(6, 4).SequenceEqual(p.AsSpan(6, 4))
                && ((p[6] & 0x40) != 0 || SegmentModel.Word(p, 4) == ((SegmentModel.Word(first, 4) + group.Members.Count) & 0xFFFF))
            : first.AsSpan(0, 4).SequenceEqual(p.AsSpan(0, 4)) && first.AsSpan(6, 2).SequenceEqual(p.AsSpan(6, 2));
        if (udp || !network)
        {
            return network;
        }

        uint next = BinaryPrimitives.ReadUInt32BigEndian(first.AsSpan(start + 4)) + (uint)(group.Members.Count * size);
        byte flags = first[start + 13];
        return first[start + 12] == p[start + 12]
            && (flags & ~0x48) == 0x10 && (p[start + 13] & ~8) == (flags & ~8)
            && BinaryPrimitives.ReadUInt32BigEndian(p.AsSpan(start + 4)) == next
            && first.AsSpan(start + 8, 4).SequenceEqual(p.AsSpan(start + 8, 4))
            && first.AsSpan(start + 14, 2).SequenceEqual(p.AsSpan(start + 14, 2))
            && first.AsSpan(start + 18, headers - start - 18).SequenceEqual(p.AsSpan(start + 18, headers - start - 18));
    }
}

/// <summary>One flow that makes packets mostly fit to be joined, and sometimes spoilt in one way.</summary>
internal sealed class FlowMaker
{
    private readonly Random _random;
    private readonly byte[] _template;
    private readonly int _start;
    private readonly int _size;
    private readonly bool _udp;
    private uint _sequence;
    private ushort _id;

    public FlowMaker(Random random)
    {
        _random = random;
        _udp = random.Next(3) == 0;
        _template = PacketMaker.Make(random, random.Next(2) == 0, _udp, 0, 0, 4 * random.Next(0, 4), out _start);
        _size = random.Next(1, random.Next(40) == 0 ? 9000 : 120);
        _sequence = (uint)random.NextInt64(1L << 32);
        _id = (ushort)random.Next(65536);
    }

    public byte[] Next()
    {
        int spoil = _random.Next(_random.Next(4) == 0 ? 40 : 400);
        int payload = spoil == 1 ? _random.Next(0, _size + 2) : _size;
        byte[] p = [.. _template, .. new byte[payload]];
        _random.NextBytes(p.AsSpan(_template.Length));
        bool v4 = _start == 20;
        if (v4)
        {
            SegmentModel.SetWord(p, 2, p.Length);
            SegmentModel.SetWord(p, 4, _id);
            _id += (ushort)(spoil == 2 ? 3 : 1);
        }
        else
        {
            SegmentModel.SetWord(p, 4, p.Length - 40);
        }

        if (_udp)
        {
            SegmentModel.SetWord(p, _start + 4, p.Length - _start);
        }
        else
        {
            BinaryPrimitives.WriteUInt32BigEndian(p.AsSpan(_start + 4), _sequence);
            _sequence += (uint)payload + (spoil == 3 ? 1u : 0u);
            p[_start + 13] = spoil switch { 4 => 0x18, 5 => 0x11, 6 => 0x02, 7 => 0x90, 8 => 0x50, 9 => 0x30, 10 => 0, _ => 0x10 };
        }

        Spoil(p, spoil, v4);
        if (v4 && spoil is not (19 or 20))
        {
            SegmentModel.SetHeaderChecksum(p);
        }

        // A spoilt version may ask for addresses that a short packet does not have.
        if (p[0] >> 4 != 6 || p.Length >= 40)
        {
            SegmentModel.SetTransportChecksum(p, _start, _udp);
        }

        if (spoil == 21)
        {
            p[^1] ^= 1;
        }

        if (spoil == 22 && _udp)
        {
            SegmentModel.SetWord(p, _start + 6, 0);
        }

        return spoil == 23 ? p[.._random.Next(p.Length + 1)] : p;
    }

    private void Spoil(byte[] p, int spoil, bool v4)
    {
        switch (spoil)
        {
            case 11:
                p[1] ^= 0x10;
                break;
            case 12:
                p[v4 ? 8 : 7] ^= 1;
                break;
            case 13 when v4:
                p[6] ^= 0x40;
                break;
            case 14 when v4:
                p[7] ^= 1;
                break;
            case 15 when !_udp:
                p[_start + 8 + _random.Next(4)] ^= 1;
                break;
            case 16 when !_udp:
                p[_start + 14] ^= 1;
                break;
            case 17 when !_udp && _template.Length > _start + 20:
                p[_template.Length - 1] ^= 1;
                break;
            case 18:
                p[v4 ? 9 : 6] = (byte)(_random.Next(2) == 0 ? 1 : 58);
                break;
            case 19:
                p[_random.Next(_template.Length)] = (byte)_random.Next(256);
                break;
            case 24 when !_udp:
                p[_start + 18] ^= 1;
                break;
            default:
                break;
        }
    }
}

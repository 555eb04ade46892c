using System.Buffers.Binary;
using System.Runtime.CompilerServices;
using TunnelBox.Linux.Libc;
using TunnelBox.Protocol;

namespace TunnelBox.DataPath.Udp;

/// <summary>Reads and writes the control messages of a datagram: local address, congestion mark, segment size (cmsg(3)).</summary>
internal static unsafe class ControlMessages
{
    /// <summary>Room for every control message of one datagram.</summary>
    public const int Space = 128;

    /// <summary>Appends the source that a datagram is to leave from.</summary>
    /// <param name="control">The control buffer.</param>
    /// <param name="length">Bytes in it so far.</param>
    /// <param name="source">Address and interface.</param>
    /// <param name="isIPv6">Which family.</param>
    /// <returns>Bytes in it now.</returns>
    public static int AppendSource(byte* control, int length, in SourceAddress source, bool isIPv6)
    {
        if (isIPv6)
        {
            var v6 = (in6_pktinfo*)Append(
                control, ref length, Definitions.IPPROTO_IPV6, Definitions.IPV6_PKTINFO, sizeof(in6_pktinfo));
            SocketAddress.WriteAddress(source.Address, v6->ipi6_addr);
            v6->ipi6_ifindex = (uint)source.InterfaceIndex;
            return length;
        }

        var v4 = (in_pktinfo*)Append(control, ref length, Definitions.IPPROTO_IP, Definitions.IP_PKTINFO, sizeof(in_pktinfo));
        v4->ipi_ifindex = source.InterfaceIndex;
        v4->ipi_spec_dst = BinaryPrimitives.ReverseEndianness((uint)source.Address);
        v4->ipi_addr = 0;
        return length;
    }

    /// <summary>Appends the type-of-service byte or traffic class.</summary>
    /// <param name="control">The control buffer.</param>
    /// <param name="length">Bytes in it so far.</param>
    /// <param name="tos">The byte; its low two bits are the congestion mark.</param>
    /// <param name="isIPv6">Which family.</param>
    /// <returns>Bytes in it now.</returns>
    public static int AppendTos(byte* control, int length, byte tos, bool isIPv6)
    {
        byte* data = isIPv6
            ? Append(control, ref length, Definitions.IPPROTO_IPV6, Definitions.IPV6_TCLASS, sizeof(int))
            : Append(control, ref length, Definitions.IPPROTO_IP, Definitions.IP_TOS, sizeof(int));
        *(int*)data = tos;
        return length;
    }

    /// <summary>Appends the size of the datagrams that a message is to be cut into.</summary>
    /// <param name="control">The control buffer.</param>
    /// <param name="length">Bytes in it so far.</param>
    /// <param name="segment">Bytes of a datagram.</param>
    /// <returns>Bytes in it now.</returns>
    public static int AppendSegment(byte* control, int length, int segment)
    {
        byte* data = Append(control, ref length, Definitions.SOL_UDP, Definitions.UDP_SEGMENT, sizeof(ushort));
        *(ushort*)data = (ushort)segment;
        return length;
    }

    /// <summary>Reads what came with a datagram. Messages that are cut or unknown are passed over.</summary>
    /// <param name="control">The control buffer.</param>
    /// <param name="length">Bytes that the kernel filled.</param>
    /// <param name="to">The local address and interface.</param>
    /// <param name="ecn">The congestion mark, 0 to 3.</param>
    /// <param name="segment">Bytes of each datagram in the message, or 0 when it is one.</param>
    public static void Read(byte* control, nuint length, out SourceAddress to, out byte ecn, out int segment)
    {
        to = default;
        ecn = 0;
        segment = 0;
        nuint offset = 0;
        while (length - offset >= (nuint)sizeof(cmsghdr))
        {
            var head = (cmsghdr*)(control + offset);
            if (head->cmsg_len < (nuint)sizeof(cmsghdr) || head->cmsg_len > length - offset)
            {
                return;
            }

            byte* data = (byte*)(head + 1);
            nuint size = head->cmsg_len - (nuint)sizeof(cmsghdr);
            switch (head->cmsg_level, head->cmsg_type)
            {
                case (Definitions.IPPROTO_IP, Definitions.IP_PKTINFO) when size >= (nuint)sizeof(in_pktinfo):
                    var v4 = (in_pktinfo*)data;
                    to = new SourceAddress(BinaryPrimitives.ReverseEndianness(v4->ipi_spec_dst), v4->ipi_ifindex);
                    break;
                case (Definitions.IPPROTO_IPV6, Definitions.IPV6_PKTINFO) when size >= (nuint)sizeof(in6_pktinfo):
                    var v6 = (in6_pktinfo*)data;
                    to = new SourceAddress(SocketAddress.ReadAddress(v6->ipi6_addr), (int)v6->ipi6_ifindex);
                    break;
                case (Definitions.IPPROTO_IP, Definitions.IP_TOS) when size >= 1:
                    ecn = (byte)(*data & 3);
                    break;
                case (Definitions.IPPROTO_IPV6, Definitions.IPV6_TCLASS) when size >= sizeof(int):
                    ecn = (byte)(Unsafe.ReadUnaligned<int>(data) & 3);
                    break;
                case (Definitions.SOL_UDP, Definitions.UDP_GRO) when size >= sizeof(int):
                    segment = Unsafe.ReadUnaligned<int>(data);
                    break;
                default:
                    break;
            }

            nuint step = (head->cmsg_len + (nuint)(sizeof(nuint) - 1)) & ~(nuint)(sizeof(nuint) - 1);
            if (step > length - offset)
            {
                return;
            }

            offset += step;
        }
    }

    private static byte* Append(byte* control, ref int length, int level, int type, int size)
    {
        var head = (cmsghdr*)(control + length);
        head->cmsg_len = (nuint)LibC.CMSG_LEN(size);
        head->cmsg_level = level;
        head->cmsg_type = type;
        length += LibC.CMSG_SPACE(size);
        return (byte*)(head + 1);
    }
}

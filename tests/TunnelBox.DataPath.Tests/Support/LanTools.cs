using System.Net;
using System.Net.Sockets;

namespace TunnelBox.DataPath.Tests.Support;

/// <summary>Packets and datagrams of a local network's hosts.</summary>
internal static class LanTools
{
    /// <summary>A packet whose source and destination change places, which changes no checksum.</summary>
    public static byte[] Turned(byte[] packet, int start)
    {
        byte[] turned = [.. packet];
        int size = start == 20 ? 4 : 16;
        int at = start - (2 * size);
        packet.AsSpan(at, size).CopyTo(turned.AsSpan(at + size));
        packet.AsSpan(at + size, size).CopyTo(turned.AsSpan(at));
        packet.AsSpan(start, 2).CopyTo(turned.AsSpan(start + 2));
        packet.AsSpan(start + 2, 2).CopyTo(turned.AsSpan(start));
        return turned;
    }

    /// <summary>Takes the next datagram of a socket.</summary>
    public static byte[] Take(Socket socket, out IPEndPoint from)
    {
        byte[] buffer = new byte[65536];
        EndPoint sender = new IPEndPoint(socket.AddressFamily == AddressFamily.InterNetwork ? IPAddress.Any : IPAddress.IPv6Any, 0);
        int length = socket.ReceiveFrom(buffer, ref sender);
        from = (IPEndPoint)sender;
        return buffer[..length];
    }

    /// <summary>A UDP datagram with four bytes and no checksum, from port 5000 to port 4000.</summary>
    public static byte[] Datagram(string from, string to)
    {
        byte[] packet = InnerPackets.IPv4(from, to, 32);
        SegmentModel.SetWord(packet, 20, 5000);
        SegmentModel.SetWord(packet, 22, 4000);
        SegmentModel.SetWord(packet, 24, 12);
        SegmentModel.SetWord(packet, 26, 0);
        return packet;
    }
}

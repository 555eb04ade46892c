using System.Runtime.InteropServices;
using System.Text;
using TunnelBox.Linux.Libc;

namespace TunnelBox.Linux.Tests.Netlink;

/// <summary>Sends whole frames out of a device (packet(7)).</summary>
internal static partial class PacketSocket
{
    private const int AF_PACKET = 17;

    public static unsafe void Send(string device, ReadOnlySpan<byte> frame)
    {
        int socket = LibC.socket(AF_PACKET, Definitions.SOCK_RAW, 0);
        Assert.True(socket >= 0, "a packet socket was refused");
        using var owner = new FileDescriptor(socket);
        byte[] address = new byte[20];
        address[0] = AF_PACKET;
        fixed (byte* name = Encoding.UTF8.GetBytes(device + '\0'))
        {
            BitConverter.TryWriteBytes(address.AsSpan(4), LibC.if_nametoindex(name));
        }

        fixed (byte* bytes = frame)
        {
            fixed (byte* to = address)
            {
                Assert.Equal(frame.Length, SendTo(socket, bytes, (nuint)frame.Length, 0, to, 20));
            }
        }
    }

    [LibraryImport("libc", EntryPoint = "sendto", SetLastError = true)]
    private static unsafe partial nint SendTo(int socket, byte* buffer, nuint length, int flags, byte* address, uint addressLength);
}

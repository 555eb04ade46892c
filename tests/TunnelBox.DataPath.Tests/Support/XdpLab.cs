using System.Globalization;
using System.Net;
using System.Net.Sockets;
using TunnelBox.DataPath.Xdp;

namespace TunnelBox.DataPath.Tests.Support;

/// <summary>Two namespaces with a veth pair between them: <c>v0</c> with 10.9.0.1 and fd09::1 here, <c>v1</c> with 10.9.0.2 and fd09::2 there.</summary>
internal sealed class XdpLab : IDisposable
{
    public const int Port = 51820;

    public XdpLab(int queues = 1)
    {
        string count = queues.ToString(CultureInfo.InvariantCulture);
        Here.Ip(
            "link", "add", "v0", "numrxqueues", count, "numtxqueues", count, "type", "veth",
            "peer", "name", "v1", "netns", There.Name, "numrxqueues", count, "numtxqueues", count);
        foreach ((TestNamespace space, string device, int number) in new[] { (Here, "v0", 1), (There, "v1", 2) })
        {
            space.Ip("addr", "add", $"10.9.0.{number}/24", "dev", device);
            space.Ip("addr", "add", $"fd09::{number}/64", "dev", device, "nodad");
            space.Ip("link", "set", device, "up");
        }
    }

    public TestNamespace Here { get; } = new();

    public TestNamespace There { get; } = new();

    /// <summary>A plain UDP socket on the other side, with large buffers.</summary>
    public Socket Peer(IPEndPoint local)
    {
        Socket? made = null;
        There.Inside(() =>
        {
            made = new Socket(local.AddressFamily, SocketType.Dgram, ProtocolType.Udp) { ReceiveTimeout = 3000, ReceiveBufferSize = 1 << 20, SendBufferSize = 1 << 20 };
            made.Bind(local);
        });
        return made!;
    }

    /// <summary>A socket bound to the first queue of v0, with the program before it; to be called in <see cref="Here"/>.</summary>
    public static (OuterProgram Program, XdpSocket Socket) Open(Arena arena, uint entries, ReadOnlySpan<ulong> offer = default, bool chains = true)
    {
        int device = XdpOuter.IndexOf("v0");
        OuterProgram program = OuterProgram.Attach("v0", device);
        XdpSocket? socket = XdpSocket.Open(arena, "v0", device, 0, null, entries, program.GenericReason, out int error, out string problem, offer, chains);
        Assert.True(socket is not null, $"{problem} ({error})");
        Assert.Equal(0, program.Bind(0, socket.Descriptor));
        Assert.Equal(0, program.Listen(IPEndPoint.Parse($"10.9.0.1:{Port}")));
        return (program, socket);
    }

    public void Dispose()
    {
        Here.Dispose();
        There.Dispose();
    }
}

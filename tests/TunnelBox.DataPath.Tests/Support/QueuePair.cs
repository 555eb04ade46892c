using TunnelBox.DataPath.Tun;
using TunnelBox.Linux.Libc;

namespace TunnelBox.DataPath.Tests.Support;

/// <summary>
/// A TUN port whose descriptor is one end of a datagram socket pair, so that a test can hand it any bytes and see every write
/// as one message. What a real TUN driver does is tested on a real TUN.
/// </summary>
internal sealed unsafe class QueuePair : IDisposable
{
    private readonly FileDescriptor _other;
    private readonly int _own;
    private readonly byte[] _buffer = new byte[70000];

    // Bounded: writes above 65,507 bytes fail, as an offload that was promised and is refused.
    public QueuePair(bool tcp = true, bool udp = true, List<string>? reports = null, bool bounded = false)
    {
        int* pair = stackalloc int[2];
        if (bounded)
        {
            Connect(pair);
        }
        else
        {
            Assert.Equal(0, LibC.socketpair(Definitions.AF_UNIX, Definitions.SOCK_DGRAM | Definitions.SOCK_NONBLOCK, 0, pair));
        }

        _own = pair[0];
        _other = new FileDescriptor(pair[1]);
        LibC.setsockopt(pair[0], Definitions.SOL_SOCKET, Definitions.SO_SNDBUF, 1 << 20);
        LibC.setsockopt(pair[1], Definitions.SOL_SOCKET, Definitions.SO_SNDBUF, 1 << 20);
        Offloads = new TunOffloads(reports is null ? null : reports.Add) { Header = true };
        Offloads.EnableWrites(tcp, udp);
        Port = new TunPort(new FileDescriptor(pair[0]), Offloads, () => "test");
    }

    public TunPort Port { get; }

    public TunOffloads Offloads { get; }

    public void Inject(virtio_net_hdr header, ReadOnlySpan<byte> packet)
    {
        Span<byte> bytes = _buffer.AsSpan(0, sizeof(virtio_net_hdr) + packet.Length);
        new ReadOnlySpan<byte>(&header, sizeof(virtio_net_hdr)).CopyTo(bytes);
        packet.CopyTo(bytes[sizeof(virtio_net_hdr)..]);
        Inject(bytes);
    }

    public void Inject(ReadOnlySpan<byte> bytes)
    {
        fixed (byte* pointer = bytes)
        {
            Assert.Equal(bytes.Length, LibC.write(_other.Value, pointer, (nuint)bytes.Length));
        }
    }

    /// <summary>Makes the port's writes fail above a size (EMSGSIZE), or when that much is unread (EAGAIN).</summary>
    public void LimitMessages(int bytes) => LibC.setsockopt(_own, Definitions.SOL_SOCKET, Definitions.SO_SNDBUF, bytes / 2);

    /// <summary>Takes the next message that the port wrote.</summary>
    public bool Take(out virtio_net_hdr header, out ReadOnlySpan<byte> packet)
    {
        fixed (byte* pointer = _buffer)
        {
            int length = (int)LibC.read(_other.Value, pointer, (nuint)_buffer.Length);
            header = *(virtio_net_hdr*)pointer;
            packet = length < 0 ? default : _buffer.AsSpan(sizeof(virtio_net_hdr), length - sizeof(virtio_net_hdr));
            return length >= 0;
        }
    }

    public void Dispose()
    {
        Port.Dispose();
        _other.Dispose();
    }

    private static void Connect(int* pair)
    {
        var names = stackalloc sockaddr_in[2];
        uint length = (uint)sizeof(sockaddr_in);
        for (int i = 0; i < 2; i++)
        {
            pair[i] = LibC.socket(Definitions.AF_INET, Definitions.SOCK_DGRAM | Definitions.SOCK_NONBLOCK, 0);
            names[i] = new sockaddr_in { sin_family = Definitions.AF_INET, sin_addr = BitConverter.ToUInt32([127, 0, 0, 1]) };
            Assert.Equal(0, LibC.bind(pair[i], &names[i], length));
            Assert.Equal(0, LibC.getsockname(pair[i], &names[i], &length));
        }

        Assert.Equal(0, LibC.connect(pair[0], &names[1], length));
        Assert.Equal(0, LibC.connect(pair[1], &names[0], length));
    }
}

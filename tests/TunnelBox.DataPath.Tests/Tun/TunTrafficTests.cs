using System.Net;
using System.Net.Sockets;
using TunnelBox.DataPath.Tests.Support;
using TunnelBox.DataPath.Tun;

namespace TunnelBox.DataPath.Tests.Tun;

/// <summary>Real traffic between two namespaces whose TUN queues are joined back to back.</summary>
[Trait("Needs", "root")]
public sealed class TunTrafficTests
{
    [Theory]
    [InlineData("10.9.0.1", "10.9.0.2", 1420, true)]
    [InlineData("10.9.0.1", "10.9.0.2", 1420, false)]
    [InlineData("10.9.0.1", "10.9.0.2", 34000, true)]
    [InlineData("10.9.0.1", "10.9.0.2", 576, true)]
    [InlineData("fd09::1", "fd09::2", 1420, true)]
    [InlineData("fd09::1", "fd09::2", 34000, true)]
    public void A_tcp_stream_arrives_unchanged(string left, string right, int mtu, bool offloads)
    {
        using var pair = new TunPair(left, right, mtu, offloads);
        byte[] data = new byte[24 << 20];
        new Random(5).NextBytes(data);
        byte[] received = [];
        using var ready = new ManualResetEventSlim();
        var server = new Thread(() => pair.B.Inside(() =>
        {
            using var listener = new TcpListener(IPAddress.Parse(right), 5001);
            listener.Start();
            ready.Set();
            using Socket socket = listener.AcceptSocket();
            socket.ReceiveTimeout = 10000;
            received = new byte[data.Length];
            int got = 0;
            for (int n; got < received.Length && (n = socket.Receive(received, got, received.Length - got, SocketFlags.None)) > 0;)
            {
                got += n;
            }
        }));
        server.Start();
        ready.Wait();
        pair.A.Inside(() =>
        {
            using var client = new Socket(IPAddress.Parse(left).AddressFamily, SocketType.Stream, ProtocolType.Tcp);
            client.Connect(new IPEndPoint(IPAddress.Parse(right), 5001));
            client.SendTimeout = 10000;
            for (int sent = 0; sent < data.Length;)
            {
                sent += client.Send(data, sent, Math.Min(100_000, data.Length - sent), SocketFlags.None);
            }
        });
        server.Join();
        Assert.True(data.AsSpan().SequenceEqual(received));
        Assert.Empty(pair.Reports);
        if (offloads && mtu <= 1420)
        {
            Assert.True(pair.Packets > 4 * pair.Writes, $"{pair.Packets} packets entered in {pair.Writes} writes");
        }
    }

    [Theory]
    [InlineData("10.9.0.1", "10.9.0.2")]
    [InlineData("fd09::1", "fd09::2")]
    public void Segmented_udp_arrives_as_the_datagrams_it_stands_for(string left, string right)
    {
        using var pair = new TunPair(left, right, 1420, offloads: true);
        pair.B.Inside(() =>
        {
            using var server = new UdpClient(new IPEndPoint(IPAddress.Parse(right), 5002));
            server.Client.ReceiveTimeout = 5000;
            server.Client.ReceiveBufferSize = 1 << 20;
            byte[] payload = new byte[20 * 1300 + 77];
            new Random(6).NextBytes(payload);
            pair.A.Inside(() =>
            {
                using var client = new UdpClient(new IPEndPoint(IPAddress.Parse(left), 5002));
                client.Client.SetRawSocketOption(17, 103, BitConverter.GetBytes(1300));
                client.Send(payload, new IPEndPoint(IPAddress.Parse(right), 5002));
            });
            for (int at = 0; at < payload.Length; at += 1300)
            {
                IPEndPoint? from = null;
                Assert.Equal(payload.AsSpan(at, Math.Min(1300, payload.Length - at)).ToArray(), server.Receive(ref from));
            }
        });
        Assert.Empty(pair.Reports);
    }
}

/// <summary>Two namespaces with a TUN each, joined by one thread that copies bursts from one to the other.</summary>
internal sealed class TunPair : IDisposable
{
    private readonly Thread _thread;
    private readonly TunDevice _a;
    private readonly TunDevice _b;
    private volatile bool _stop;

    public TunPair(string left, string right, int mtu, bool offloads)
    {
        _a = Make(A, left, mtu, offloads);
        _b = Make(B, right, mtu, offloads);
        _thread = new Thread(Forward) { IsBackground = true };
        _thread.Start();
    }

    public TestNamespace A { get; } = new();

    public TestNamespace B { get; } = new();

    public List<string> Reports { get; } = [];

    public long Packets { get; private set; }

    public long Writes => _a.Ports[0].Writes + _b.Ports[0].Writes;

    public void Dispose()
    {
        _stop = true;
        _thread.Join();
        _a.Dispose();
        _b.Dispose();
        A.Dispose();
        B.Dispose();
    }

    private TunDevice Make(TestNamespace space, string address, int mtu, bool offloads)
    {
        TunDevice? device = null;
        space.Inside(() => device = TunDevice.Create(new TunOptions { Name = "tb0", Offloads = offloads, Report = Reports.Add }));
        space.Ip("link", "set", "tb0", "mtu", mtu.ToString());
        space.Ip("address", "add", address + (address.Contains(':', StringComparison.Ordinal) ? "/64" : "/24"), "dev", "tb0", "nodad");
        space.Ip("link", "set", "tb0", "up");
        return device!;
    }

    private void Forward()
    {
        var burst = new Burst();
        while (!_stop)
        {
            int moved = Move(_a.Ports[0], _b.Ports[0], burst) + Move(_b.Ports[0], _a.Ports[0], burst);
            if (moved == 0)
            {
                Thread.Sleep(0);
            }
        }
    }

    private int Move(TunPort from, TunPort to, Burst burst)
    {
        burst.Clear();
        int count = from.Receive(burst);
        to.Send(burst);
        Packets += count;
        return count;
    }
}

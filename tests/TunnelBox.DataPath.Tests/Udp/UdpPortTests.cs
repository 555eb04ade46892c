using System.Net;
using System.Net.Sockets;
using TunnelBox.DataPath.Tests.Support;
using TunnelBox.DataPath.Udp;
using TunnelBox.Linux.Libc;
using TunnelBox.Protocol;

namespace TunnelBox.DataPath.Tests.Udp;

public sealed unsafe class UdpPortTests
{
    [Theory]
    [InlineData("127.0.0.1", true)]
    [InlineData("::1", true)]
    [InlineData("127.0.0.1", false)]
    [InlineData("::1", false)]
    public void Datagrams_of_every_size_arrive_in_order_with_addresses_and_marks(string address, bool offloads)
    {
        using var a = UdpSockets.Open(new UdpSocketOptions { Offloads = offloads });
        using var b = UdpSockets.Open(new UdpSocketOptions { Offloads = offloads });
        Assert.Equal(offloads, b.Ports[0].OffloadDescription.Length > 0);
        Endpoint to = Packets.Endpoint(address, b.Port);
        var random = new Random(1);
        using var memory = new NativeRegion(64 * 2048);
        random.NextBytes(new Span<byte>(memory.Address, (int)memory.Length));
        var burst = new Burst();
        for (int round = 0; round < 50; round++)
        {
            burst.Clear();
            int size = random.Next(1, 1500);
            for (int i = 0; i < Burst.Capacity; i++)
            {
                if (random.Next(8) == 0)
                {
                    size = random.Next(1, 1500);
                }

                Packets.Add(burst, memory.Address + (i * 2048), size, to, (byte)(round & 3));
            }

            a.Ports[0].Send(burst);
            Assert.All(burst.Verdict, verdict => Assert.Equal(Verdict.Done, verdict));
            var got = Packets.Collect(b.Ports[0], 64);
            Assert.Equal(64, got.Count);
            for (int i = 0; i < 64; i++)
            {
                Assert.Equal(new Span<byte>(memory.Address + (i * 2048), burst.Length[i]).ToArray(), got[i].Data);
                Assert.Equal(a.Port, got[i].From.Port);
                Assert.Equal(Packets.Address(address), got[i].From.Address);
                Assert.Equal(Packets.Address(address), got[i].To.Address);
                Assert.NotEqual(0, got[i].To.InterfaceIndex);
                Assert.Equal(round & 3, got[i].Ecn);
            }
        }
    }

    [Theory]
    [InlineData(new[] { 20, 63, 63 }, new[] { 64, 64, 18 })]
    [InlineData(new[] { 63, 63, 63 }, new[] { 64, 64, 61 })]
    [InlineData(new[] { 30, 30, 30 }, new[] { 64, 26 })]
    public void Equal_datagrams_travel_as_one_message_and_what_does_not_fit_comes_with_the_next_burst(int[] counts, int[] bursts)
    {
        using var a = UdpSockets.Open(new UdpSocketOptions());
        using var b = UdpSockets.Open(new UdpSocketOptions());
        Endpoint to = Packets.Endpoint("127.0.0.1", b.Port);
        using var memory = new NativeRegion(64 * 1024);
        var burst = new Burst();
        int number = 0;
        foreach (int count in counts)
        {
            burst.Clear();
            for (int i = 0; i < count; i++)
            {
                *(int*)(memory.Address + (i * 1024)) = number++;
                Packets.Add(burst, memory.Address + (i * 1024), 900, to);
            }

            a.Ports[0].Send(burst);
        }

        var sizes = new List<int>();
        var numbers = new List<int>();
        do
        {
            burst.Clear();
            sizes.Add(b.Ports[0].Receive(burst));
            for (int i = 0; i < burst.Count; i++)
            {
                numbers.Add(*(int*)burst.Data[i]);
            }
        }
        while (b.Ports[0].MoreWaiting);

        Assert.Equal(bursts, sizes);
        Assert.Equal(Enumerable.Range(0, counts.Sum()), numbers);
        Assert.Contains("segment gro", b.Ports[0].Description, StringComparison.Ordinal);
    }

    [Fact]
    public void A_taken_port_is_noticed_even_when_its_owner_shares_it()
    {
        using var taken = UdpSockets.Open(new UdpSocketOptions { Queues = 2 });
        var problem = Assert.Throws<PortException>(() => UdpSockets.Open(new UdpSocketOptions { Port = taken.Port, Queues = 2 }));
        Assert.Equal(Definitions.EADDRINUSE, problem.Errno);
        Assert.Contains(taken.Port.ToString(), problem.Message, StringComparison.Ordinal);
        Assert.Contains("ListenPort", problem.Message, StringComparison.Ordinal);
    }

    [Fact]
    public void Several_queues_share_one_port_and_each_flow_stays_on_one()
    {
        using var sockets = UdpSockets.Open(new UdpSocketOptions { Queues = 4 });
        int[] seen = new int[4];
        for (int flow = 0; flow < 64; flow++)
        {
            using var client = new UdpClient(AddressFamily.InterNetwork);
            for (int i = 0; i < 3; i++)
            {
                client.Send([1, 2, 3], new IPEndPoint(IPAddress.Loopback, sockets.Port));
            }

            int holders = 0;
            for (int queue = 0; queue < 4; queue++)
            {
                int got = Packets.Collect(sockets.Ports[queue], 3, 5).Count;
                holders += got > 0 ? 1 : 0;
                seen[queue] += got;
            }

            Assert.Equal(1, holders);
        }

        Assert.Equal(192, seen.Sum());
        Assert.All(seen, count => Assert.NotEqual(0, count));
    }

    [Fact]
    public void One_datagram_can_be_sent_beside_the_bursts_and_after_disposal_it_fails_politely()
    {
        using var a = UdpSockets.Open(new UdpSocketOptions());
        using var b = UdpSockets.Open(new UdpSocketOptions());
        Assert.Equal(0, a.SendTo([9, 8, 7], Packets.Endpoint("127.0.0.1", b.Port), 0x88 | 2));
        var got = Assert.Single(Packets.Collect(b.Ports[0], 1));
        Assert.Equal([9, 8, 7], got.Data);
        Assert.Equal(2, got.Ecn);
        a.Dispose();
        Assert.Equal(-Definitions.EBADF, a.SendTo([1], Packets.Endpoint("127.0.0.1", b.Port), 0));
    }

    [Fact]
    public void A_source_that_is_no_longer_ours_is_given_up()
    {
        using var a = UdpSockets.Open(new UdpSocketOptions());
        using var b = UdpSockets.Open(new UdpSocketOptions());
        foreach ((string remote, string local) in new[] { ("127.0.0.1", "192.0.2.77"), ("::1", "2001:db8::77") })
        {
            Endpoint to = Packets.Endpoint(remote, b.Port, new SourceAddress(Packets.Address(local), 0));
            using var memory = new NativeRegion(4096);
            var burst = new Burst();
            Packets.Add(burst, memory.Address, 100, to);
            Packets.Add(burst, memory.Address + 500, 100, to);
            a.Ports[0].Send(burst);
            Assert.Equal(Verdict.Done, burst.Verdict[0]);
            Assert.Equal(Verdict.Done, burst.Verdict[1]);
            Assert.True(to.SourceStale);
            Assert.False(to.SegmentationOff);
            Assert.Equal(2, Packets.Collect(b.Ports[0], 2).Count);
        }
    }

    [Fact]
    public void The_sticky_source_is_used()
    {
        using var a = UdpSockets.Open(new UdpSocketOptions());
        using var b = UdpSockets.Open(new UdpSocketOptions());
        Endpoint to = Packets.Endpoint("127.0.0.1", b.Port, new SourceAddress(Packets.Address("127.0.0.42"), 0));
        using var memory = new NativeRegion(4096);
        var burst = new Burst();
        Packets.Add(burst, memory.Address, 100, to);
        a.Ports[0].Send(burst);
        Assert.Equal(Packets.Address("127.0.0.42"), Packets.Collect(b.Ports[0], 1).Single().From.Address);
        Assert.False(to.SourceStale);
    }

    [Fact]
    public void A_segmentation_offload_that_fails_with_EIO_stays_off_with_one_report_and_nothing_is_lost()
    {
        var reports = new List<string>();
        using var a = UdpSockets.Open(new UdpSocketOptions { Report = reports.Add });
        using var b = UdpSockets.Open(new UdpSocketOptions());
        Endpoint to = Packets.Endpoint("127.0.0.1", b.Port);
        using var memory = new NativeRegion(64 * 1024);
        var burst = new Burst();
        Assert.Contains("segment", a.Ports[0].Description, StringComparison.Ordinal);
        FailingCall.Run(FailingCall.SendMmsg, Definitions.EIO, () =>
        {
            for (int round = 0; round < 3; round++)
            {
                burst.Clear();
                for (int i = 0; i < Burst.Capacity; i++)
                {
                    *(int*)(memory.Address + (i * 1024)) = i;
                    Packets.Add(burst, memory.Address + (i * 1024), 900, to);
                }

                a.Ports[0].Send(burst);
                Assert.All(burst.Verdict, verdict => Assert.Equal(Verdict.Done, verdict));
                Assert.Equal(Enumerable.Range(0, 64), Packets.Collect(b.Ports[0], 64).Select(p => BitConverter.ToInt32(p.Data)));
            }
        });
        Assert.Contains("EIO", Assert.Single(reports), StringComparison.Ordinal);
        Assert.DoesNotContain("segment", a.Ports[0].Description, StringComparison.Ordinal);
        Assert.False(to.SegmentationOff);
    }

    [Fact]
    public void No_allocation_over_many_bursts()
    {
        using var a = UdpSockets.Open(new UdpSocketOptions());
        using var b = UdpSockets.Open(new UdpSocketOptions());
        Endpoint to = Packets.Endpoint("127.0.0.1", b.Port);
        using var memory = new NativeRegion(64 * 256);
        var burst = new Burst();
        long before = 0;
        for (int round = 0; round < 2000; round++)
        {
            if (round == 100)
            {
                before = GC.GetAllocatedBytesForCurrentThread();
            }

            burst.Clear();
            for (int i = 0; i < Burst.Capacity; i++)
            {
                Packets.Add(burst, memory.Address + (i * 256), 100 + (i / 20), to);
            }

            a.Ports[0].Send(burst);
            do
            {
                burst.Clear();
                b.Ports[0].Receive(burst);
            }
            while (burst.Count > 0);
        }

        Assert.Equal(0, GC.GetAllocatedBytesForCurrentThread() - before);
    }
}

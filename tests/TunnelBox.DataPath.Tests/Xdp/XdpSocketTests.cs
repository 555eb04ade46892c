using System.Net;
using System.Net.Sockets;
using TunnelBox.DataPath.Tests.Support;
using TunnelBox.DataPath.Xdp;
using TunnelBox.Linux.Libc;
using TunnelBox.Visibility;

namespace TunnelBox.DataPath.Tests.Xdp;

/// <summary>A socket on one end of a veth pair, with its rings, against a plain UDP socket on the other end.</summary>
[Trait("Needs", "root")]
public sealed unsafe class XdpSocketTests : IDisposable
{
    private const int Entries = 64;
    private readonly XdpLab _lab = new();

    public void Dispose() => _lab.Dispose();

    [Fact]
    public void A_veth_is_bound_in_copy_mode_and_the_reason_is_told() => _lab.Here.Inside(() =>
    {
        using Arena arena = Arena.Map(2 * Entries);
        (OuterProgram program, XdpSocket socket) = XdpLab.Open(arena, Entries);
        using (program)
        using (socket)
        {
            Assert.Equal(XdpMode.Copy, socket.Mode);
            Assert.Equal("the driver of v0 offers no zero-copy: Operation not supported (EOPNOTSUPP)", socket.ModeReason);

            // The queue is taken now, and the device has no hundredth one.
            int device = XdpOuter.IndexOf("v0");
            Assert.Null(XdpSocket.Open(arena, "v0", device, 0, null, Entries, null, out int error, out string problem));
            Assert.Equal(-Definitions.EBUSY, error);
            Assert.Contains("another process holds queue 0", problem, StringComparison.Ordinal);
            Assert.Null(XdpSocket.Open(arena, "v0", device, 99, socket, Entries, null, out error, out problem));
            Assert.Equal(-Definitions.EINVAL, error);
        }
    });

    [Fact]
    public void A_device_without_native_programs_is_bound_in_generic_mode() => _lab.Here.Inside(() =>
    {
        using Arena arena = Arena.Map(2 * Entries);
        using XdpSocket? socket = XdpSocket.Open(arena, "lo", 1, 0, null, Entries, "the driver of lo does not", out int error, out _);
        Assert.Equal(0, error);
        Assert.Equal(XdpMode.Generic, socket!.Mode);
        Assert.Equal("the driver of lo does not", socket.ModeReason);
    });

    [Theory]
    [InlineData(true)]
    [InlineData(false)]
    public void Memory_is_lent_by_a_socket_that_lives_and_its_mode_with_it(bool chains) => _lab.Here.Inside(() =>
    {
        _lab.Here.Ip("link", "add", "w0", "type", "veth", "peer", "name", "w1");
        using Arena arena = Arena.Map(2 * Entries);
        XdpSocket Bind(string device)
        {
            XdpSocket? socket = XdpSocket.Open(arena, device, XdpOuter.IndexOf(device), 0, null, Entries, null, out int error, out string problem, default, chains);
            Assert.True(socket is not null, $"{problem} ({error})");
            Assert.Equal((XdpMode.Copy, chains, sizeof(xsk_tx_metadata)), (socket.Mode, socket.TakesChains, socket.MetadataSize));
            Assert.Equal($"the driver of {device} offers no zero-copy: Operation not supported (EOPNOTSUPP)", socket.ModeReason);
            return socket;
        }

        using XdpSocket first = Bind("v0");
        using XdpSocket second = Bind("w0");
        Assert.Equal([first, second], arena.Lenders(zeroCopy: false, chains));
        Assert.Equal((true, false), (first.HasRegistered, second.HasRegistered));

        // The device of the socket that had registered the memory goes; it is lent on by the other one.
        _lab.Here.Ip("link", "del", "v0");
        _lab.Here.Ip("link", "add", "v0", "type", "veth", "peer", "name", "v1");
        using XdpSocket third = Bind("v0");
        Assert.False(third.HasRegistered);
        second.Dispose();
        third.Dispose();
        Assert.Equal([first], arena.Lenders(zeroCopy: false, chains));

        // Nobody is left to lend it, so it is registered again.
        using XdpSocket last = Bind("w0");
        Assert.True(last.HasRegistered);
    });

    [Fact]
    public void Each_hidden_drop_has_a_name() => _lab.Here.Inside(() =>
    {
        using Arena arena = Arena.Map(2 * Entries);
        (OuterProgram program, XdpSocket socket) = XdpLab.Open(arena, Entries);
        using (program)
        using (socket)
        using (Socket peer = _lab.Peer(IPEndPoint.Parse("10.9.0.2:4000")))
        {
            var to = IPEndPoint.Parse($"10.9.0.1:{XdpLab.Port}");
            void Burst(int datagrams)
            {
                for (int i = 0; i < datagrams; i++)
                {
                    peer.SendTo(new byte[100], to);
                }
            }

            xdp_statistics Settled(Func<xdp_statistics, ulong> pick, ulong wanted)
            {
                Assert.True(SpinWait.SpinUntil(() => pick(socket.ReadStatistics()) >= wanted, 3000), $"{wanted} are not counted");
                return socket.ReadStatistics();
            }

            // No frame was ever offered.
            Burst(3);
            xdp_statistics first = Settled(s => s.rx_fill_ring_empty_descs, 3);

            // Twice as many frames as the RX ring has entries, and nobody takes one.
            Fill(socket, 0);
            Burst(Entries);
            Assert.True(SpinWait.SpinUntil(() => socket.Receive.Used == Entries, 3000));
            Fill(socket, Entries);
            Burst(5);
            xdp_statistics second = Settled(s => s.rx_ring_full, 5);

            // A frame that is nowhere, to send and to receive into.
            socket.Transmit.Descriptor(0) = new xdp_desc { addr = ulong.MaxValue - 7, len = 60 };
            socket.Transmit.Submit(1);
            _ = socket.Kick();
            xdp_statistics third = Settled(s => s.tx_invalid_descs, 1);
            Counters all = new();
            XdpDrops.Count(all.AddBlock("xdp"), in third, default);
            CounterTotals totals = all.Read();
            Assert.Equal(3, totals.Drops(DropReason.InXdpNoFrame));
            Assert.Equal(0, totals.Drops(DropReason.InXdpRefused));
            Assert.Equal(5, totals.Drops(DropReason.InXdpRingFull));
            Assert.Equal(1, totals.Drops(DropReason.OutXdpBadDescriptor));
            Assert.Equal(0ul, first.rx_ring_full);
            Assert.Equal(5ul, second.rx_ring_full);
        }
    });

    private static void Fill(XdpSocket socket, int firstChunk)
    {
        for (uint i = 0; i < Entries; i++)
        {
            socket.Fill.Frame(i) = ((ulong)firstChunk + i) * Arena.ChunkSize;
        }

        socket.Fill.Submit(Entries);
    }
}

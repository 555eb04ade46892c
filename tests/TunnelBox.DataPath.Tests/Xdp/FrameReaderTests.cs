using System.Net;
using TunnelBox.DataPath.Steering;
using TunnelBox.DataPath.Tests.Support;
using TunnelBox.DataPath.Xdp;
using TunnelBox.Protocol;
using TunnelBox.Visibility;

namespace TunnelBox.DataPath.Tests.Xdp;

/// <summary>Frames as the path makes them, read back, whole and damaged.</summary>
public sealed unsafe class FrameReaderTests
{
    private const int Device = 7;

    public static TheoryData<string, string> Ways => new() { { "10.9.0.1", "10.9.0.2:4000" }, { "fd09::1", "[fd09::2]:4000" } };

    [Theory]
    [MemberData(nameof(Ways))]
    public void What_a_path_builds_is_read_back_with_right_checksums(string source, string remote)
    {
        for (int length = 0; length < 1500; length += length < 200 ? 1 : 97)
        {
            byte[] payload = new byte[length];
            new Random(length).NextBytes(payload);
            byte[] frame = Build(source, remote, payload, tos: 0xB9);
            byte[] packet = frame[14..];
            int udp = packet[0] >> 4 == 4 ? 20 : 40;
            Assert.True(SegmentModel.TransportChecksumIsRight(packet, udp));
            Assert.Equal([2, 0, 0, 0, 0, 2, 2, 0, 0, 0, 0, 1], frame[..12]);
            var burst = new Burst { Count = 1 };
            Read(burst, frame, (data, size) =>
            {
                Assert.Equal(Verdict.Continue, burst.Verdict[0]);
                Assert.Equal(payload, new ReadOnlySpan<byte>((void*)data, size).ToArray());
            });
            Assert.Equal(1, burst.Ecn[0]);
            Assert.Equal(XdpLab.Port, burst.From[0].Port);
            Assert.Equal(IPAddress.Parse(source), burst.From[0].ToIPEndPoint().Address);
            Assert.Equal(0u, burst.From[0].ScopeId);
            Assert.Equal(new SourceAddress(EndpointAddress.From(IPEndPoint.Parse(remote)).Address, Device), burst.To[0]);
        }
    }

    [Fact]
    public void Tags_and_padding_are_passed_over()
    {
        byte[] frame = Build("10.9.0.1", "10.9.0.2:4000", [1, 2, 3], 0);
        byte[] tagged = [.. frame[..12], 0x88, 0xA8, 0, 5, 0x81, 0, 0, 6, .. frame[12..], .. new byte[30]];
        var burst = new Burst { Count = 1 };
        Read(burst, tagged, (data, size) => Assert.Equal([1, 2, 3], new ReadOnlySpan<byte>((void*)data, size).ToArray()));
        Assert.Equal(Verdict.Continue, burst.Verdict[0]);
        Assert.Equal(0, burst.To[0].InterfaceIndex);
    }

    [Fact]
    public void A_link_local_sender_has_a_zone()
    {
        byte[] frame = Build("fe80::1", "[fe80::2]:4000", [1], 0);
        var burst = new Burst { Count = 1 };
        Read(burst, frame, (_, _) => { });
        Assert.Equal((uint)Device, burst.From[0].ScopeId);
    }

    [Theory]
    [MemberData(nameof(Ways))]
    public void Every_cut_and_every_lie_about_length_is_dropped_by_name(string source, string remote)
    {
        byte[] frame = Build(source, remote, new byte[16], 0);
        for (int length = 0; length < frame.Length; length++)
        {
            AssertDropped(frame[..length]);
        }

        int ip = 14;
        int udp = ip + (frame[ip] >> 4 == 4 ? 20 : 40);
        foreach ((int offset, byte value) in new[] { (ip, (byte)0x55), (udp + 4, (byte)0x40), (udp + 5, (byte)7), (12, (byte)9), (ip + (udp == 34 ? 2 : 4), (byte)0x40) })
        {
            byte[] wrong = [.. frame];
            wrong[offset] = value;
            AssertDropped(wrong);
        }
    }

    [Theory]
    [InlineData(0x2000)]
    [InlineData(0x0001)]
    [InlineData(0x1FFF)]
    public void A_fragment_is_no_datagram_even_where_its_bytes_look_like_one(int flags)
    {
        byte[] frame = Build("10.9.0.1", "10.9.0.2:4000", new byte[16], 0);
        byte[] packet = frame[14..];
        SegmentModel.SetWord(packet, 6, flags);
        SegmentModel.SetHeaderChecksum(packet);
        AssertDropped([.. frame[..14], .. packet]);
    }

    [Fact]
    public void Any_bytes_are_read_without_leaving_the_frame()
    {
        var random = new Random(5);
        byte[] frame = Build("10.9.0.1", "10.9.0.2:4000", new byte[64], 0);
        byte[] six = Build("fd09::1", "[fd09::2]:4000", new byte[64], 0);
        for (int round = 0; round < 200_000; round++)
        {
            byte[] bytes = [.. (round & 1) == 0 ? frame : six];
            for (int change = random.Next(4); change >= 0; change--)
            {
                bytes[random.Next(12, bytes.Length)] = (byte)random.Next(256);
            }

            bytes = bytes[..random.Next(bytes.Length + 1)];
            var burst = new Burst { Count = 1 };
            fixed (byte* at = bytes.Length == 0 ? new byte[1] : bytes)
            {
                FrameReader.Read(burst, 0, at, bytes.Length, Device);
                Assert.InRange(burst.Data[0], (nint)at, (nint)at + bytes.Length);
                Assert.InRange(burst.Length[0], 0, (nint)at + bytes.Length - burst.Data[0]);
            }
        }
    }

    [Fact]
    public void With_hints_and_without_them_the_same_is_read()
    {
        var maker = new FrameMaker(11);
        int plain = 0;
        int delivered = 0;
        for (int round = 0; round < 50_000; round++)
        {
            byte[] frame = round % 2 == 0 ? maker.Next() : Damaged(round);
            byte[] memory = [.. new byte[PacketHints.Size], .. frame];
            PacketHints hints = HintModel.Of(frame);
            var alone = new Burst { Count = 1 };
            var hinted = new Burst { Count = 1 };
            fixed (byte* at = memory)
            {
                FrameReader.Read(alone, 0, at + PacketHints.Size, frame.Length, Device);
                *(PacketHints*)at = hints;
                FrameReader.Read(hinted, 0, at + PacketHints.Size, PacketHints.Size, frame.Length, Device);
            }

            Assert.True(hinted.HasHints);
            Assert.Equal(hints, hinted.Hints[0]);
            Assert.Equal((alone.Verdict[0], alone.Reason[0]), (hinted.Verdict[0], hinted.Reason[0]));
            plain += hints.IsPlainDatagram ? 1 : 0;
            if (alone.Verdict[0] == Verdict.Continue)
            {
                delivered++;
                Assert.Equal((alone.Data[0], alone.Length[0], alone.Ecn[0]), (hinted.Data[0], hinted.Length[0], hinted.Ecn[0]));
                Assert.Equal(alone.From[0], hinted.From[0]);
                Assert.Equal(alone.To[0], hinted.To[0]);
            }

            hinted.Clear();
            Assert.False(hinted.HasHints);
            Assert.Equal(default, hinted.Hints[0]);
        }

        Assert.InRange(plain, 10_000, 50_000);
        Assert.InRange(delivered, 5_000, 50_000);

        byte[] Damaged(int round)
        {
            byte[] frame = (round / 2 % 2) == 0 ? Build("10.9.0.1", "10.9.0.2:4000", new byte[round % 90], 2) : Build("fe80::1", "[fd09::2]:4000", new byte[round % 90], 1);
            if (round % 3 == 0)
            {
                frame[12 + (round % (frame.Length - 12))] ^= (byte)round;
            }

            return frame;
        }
    }

    private static byte[] Build(string source, string remote, byte[] payload, byte tos)
    {
        var to = EndpointAddress.From(IPEndPoint.Parse(remote));
        UInt128 from = EndpointAddress.From(new IPEndPoint(IPAddress.Parse(source), 1)).Address;
        var path = new XdpPath(to, XdpLab.Port, new XdpWay(from, 0x020000000001, 0x020000000002, 64, 1500));
        byte[] chunk = new byte[XdpPath.Room + payload.Length];
        fixed (byte* at = chunk)
        {
            fixed (byte* data = payload.Length == 0 ? new byte[1] : payload)
            {
                path.Build(at + XdpPath.Room, data, payload.Length, tos, 0xABCD);
            }
        }

        return chunk[(XdpPath.Room - path.HeaderSize)..];
    }

    private static void Read(Burst burst, byte[] frame, Action<nint, int> look)
    {
        fixed (byte* at = frame.Length == 0 ? new byte[1] : frame)
        {
            FrameReader.Read(burst, 0, at, frame.Length, Device);
            look(burst.Data[0], burst.Length[0]);
        }
    }

    private static void AssertDropped(byte[] frame)
    {
        var burst = new Burst { Count = 1 };
        Read(burst, frame, (_, _) => { });
        Assert.Equal(Verdict.Dropped, burst.Verdict[0]);
        Assert.Equal(DropReason.InOuterHdrError, burst.Reason[0]);
    }
}

using TunnelBox.Linux.Libc;
using TunnelBox.Protocol;
using TunnelBox.Visibility;
using TunnelBox.Visibility.Rings;

namespace TunnelBox.DataPath.Tests;

/// <summary>The records of packets on their way between two ends in memory.</summary>
public sealed class PacketRecordsTests : TwoNodes
{
    [Fact]
    public void A_packet_that_waits_and_one_that_passes_are_told_with_their_bytes()
    {
        using Tap a = new(A);
        using Tap b = new(B);
        byte[] first = InnerPackets.IPv4("10.0.0.1", "10.0.0.2", 100);
        byte[] second = InnerPackets.IPv4("10.0.0.1", "10.0.0.2", 61);
        Join(null);
        Send(A, first);
        Settle();
        Send(A, second);
        Settle();

        Told[] ofA = a.Take();
        ulong peer = TunnelTrace.IdOf(A.PeerOf(B));
        Assert.All(ofA, told => Assert.Equal((peer, PacketDirection.Out), (told.Head.Peer, told.Head.Direction)));
        Assert.Equal([RecordVerdict.Queued, RecordVerdict.Delivered, RecordVerdict.Delivered], ofA.Select(told => told.Head.Verdict));
        Assert.Equal([first, first, second], ofA.Select(told => told.Inner));
        Assert.Equal(0u, ofA[0].Head.OuterLength);
        Told passed = ofA[2];
        Assert.Equal((61u, 64u + DataMessage.Overhead), (passed.Head.InnerLength, passed.Head.OuterLength));
        Assert.Equal(Wire[^1][..96], passed.Outer);
        Assert.Equal((4, 1002), (passed.Head.OuterFamily, passed.Head.RemotePort));
        Assert.Equal(passed.Head.Receiver, DataMessage.Receiver(passed.Outer));

        Told[] ofB = b.Take();
        Assert.Equal([first, second], ofB.Select(told => told.Inner));
        Assert.All(ofB, told => Assert.Equal((PacketDirection.In, RecordVerdict.Delivered), (told.Head.Direction, told.Head.Verdict)));
        Assert.Equal((passed.Head.Counter, passed.Head.Receiver), (ofB[1].Head.Counter, ofB[1].Head.Receiver));
        Assert.Equal(passed.Outer, ofB[1].Outer);
        Assert.Equal(1001, ofB[1].Head.RemotePort);
    }

    [Fact]
    public void Handshake_messages_are_told_by_who_handles_them()
    {
        using Tap a = new(A);
        using Tap b = new(B);
        Establish();
        Told[] ofA = a.TakeControl();
        Assert.Equal([(PacketDirection.Out, 148u, (byte)1), (PacketDirection.In, 92u, (byte)2)], ofA.Select(told => (told.Head.Direction, told.Head.OuterLength, told.Outer[0])));
        Assert.Equal([Wire[0], Wire[1]], ofA.Select(told => told.Outer));

        // The answer is written first, but the question has the earlier time.
        Told[] ofB = b.TakeControl();
        Assert.Equal([(byte)1, (byte)2], ofB.OrderBy(told => told.Head.Time).Select(told => told.Outer[0]));
        Assert.All(ofB, told => Assert.Equal(TunnelTrace.IdOf(B.PeerOf(A)), told.Head.Peer));
        Assert.DoesNotContain(b.Take(), told => told.Head.Kind == RecordKind.Handshake);
    }

    [Fact]
    public void Drops_are_told_with_what_could_be_read()
    {
        Establish();
        byte[] stray = InnerPackets.IPv4("10.0.0.1", "10.99.0.1");
        byte[] foreign = InnerPackets.IPv4("10.9.9.9", "10.0.0.2", 80);
        using Tap a = new(A, new RingFilter(DropsOnly: true));
        using Tap b = new(B, new RingFilter(DropsOnly: true));
        Send(A, stray);
        Send(A, foreign);
        Settle();
        byte[] forged = [.. Wire[^1]];
        forged[^1] ^= 1;
        B.Outer.Incoming.Enqueue((forged, A.Address, 0));
        B.Outer.Incoming.Enqueue((Wire[^1], A.Address, 0));
        B.Outer.Incoming.Enqueue(([4, 0, 0], A.Address, 0));
        Settle();

        Told dropped = Assert.Single(a.Take());
        Assert.Equal((DropReason.OutNoStates, RecordVerdict.Dropped), (dropped.Head.Reason, dropped.Head.Verdict));
        Assert.Equal(stray, dropped.Inner);
        Told[] ofB = b.Take();
        Assert.Equal(
            [DropReason.InTmplMismatch, DropReason.InStateProtoError, DropReason.InStateSeqError, DropReason.InHdrError],
            ofB.Select(told => told.Head.Reason));
        Assert.Equal(foreign, ofB[0].Inner[..80]);
        Assert.Empty(ofB[1].Inner);
        Assert.Equal(foreign, ofB[2].Inner[..80]);
        Assert.Equal([4, 0, 0], ofB[3].Outer);
    }

    [Fact]
    public void What_ends_while_it_waits_is_told_as_a_number()
    {
        Join(null);
        A.Transmit = (_, _, _) => { };
        using Tap a = new(A);
        Send(A, InnerPackets.IPv4("10.0.0.1", "10.0.0.2", 90));
        Send(A, InnerPackets.IPv4("10.0.0.1", "10.0.0.2", 90));
        Settle();
        A.Tunnel.Stop();
        Told waited = Assert.Single(a.TakeControl(), told => told.Head.Kind == RecordKind.Waiting && told.Head.InnerLength > 0);
        Assert.Equal((2u, 180u), (waited.Head.Packets, waited.Head.InnerLength));
        Assert.NotEqual(DropReason.None, waited.Head.Reason);
    }

    [Fact]
    public void A_filter_by_peer_or_reason_keeps_the_rest_out()
    {
        Establish();
        using Tap ofPeer = new(A, new RingFilter(Peer: 1));
        using Tap ofReason = new(A, new RingFilter(Reason: DropReason.OutNoStates));
        Send(A, InnerPackets.IPv4("10.0.0.1", "10.0.0.2"));
        Send(A, InnerPackets.IPv4("10.0.0.1", "10.99.0.1"));
        Settle();
        Assert.Empty(ofPeer.Take());
        Assert.Single(ofReason.Take());
    }

    [Fact]
    public void Tracing_allocates_nothing_a_packet_and_ends_without_trace()
    {
        Establish();
        byte[] packet = InnerPackets.IPv4("10.0.0.1", "10.0.0.2");
        A.Transmit = null;
        A.Outer.Sent = null;
        using (Tap tap = new(A))
        {
            void Pass(int packets)
            {
                for (int i = 0; i < packets; i++)
                {
                    Send(A, packet);
                }

                while (A.Worker.Pass() > 0)
                {
                }
            }

            Pass(200);
            long before = GC.GetAllocatedBytesForCurrentThread();
            Pass(5000);
            long queues = GC.GetAllocatedBytesForCurrentThread() - before;
            before = GC.GetAllocatedBytesForCurrentThread();
            Pass(5000);
            Assert.InRange(GC.GetAllocatedBytesForCurrentThread() - before, 0, Math.Min(queues, 256));
            Assert.Equal(10_200, tap.Take().Length + tap.Lost);
        }

        Assert.Null(A.Taps.Set);
    }

    private sealed record Told(RingRecord Head, byte[] Inner, byte[] Outer);

    private sealed class Tap : IDisposable
    {
        private readonly MemoryNode _node;
        private readonly RingWriter _writer;
        private readonly RingWriter _control;
        private readonly RingReader _reader;
        private readonly RingReader _controlReader;

        public Tap(MemoryNode node, RingFilter filter = default)
        {
            _node = node;
            _writer = new RingWriter(filter, 128, 96, 1, 4 * 1024 * 1024);
            _control = new RingWriter(filter, 0, 148, 0, 64 * 1024);
            _reader = new RingReader(new FileDescriptor(LibC.dup(_writer.Descriptor)));
            _controlReader = new RingReader(new FileDescriptor(LibC.dup(_control.Descriptor)));
            node.Taps.Add(_writer)?.Dispose();
            node.Tunnel.Trace.ControlRings.Add(_control);
        }

        public long Lost => _reader.Lost;

        public Told[] Take() => [.. Take(_reader)];

        public Told[] TakeControl() => [.. Take(_controlReader)];

        public void Dispose()
        {
            _node.Tunnel.Trace.ControlRings.Remove(_control);
            _node.Taps.Remove(_writer)?.Dispose();
            _writer.Dispose();
            _control.Dispose();
            _reader.Dispose();
            _controlReader.Dispose();
        }

        private static List<Told> Take(RingReader reader)
        {
            List<Told> told = [];
            while (reader.TryTake())
            {
                RingEntry entry = reader.Current;
                told.Add(new Told(entry.Head, entry.Inner.ToArray(), entry.Outer.ToArray()));
            }

            return told;
        }
    }
}

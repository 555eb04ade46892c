using System.Buffers.Binary;
using System.Diagnostics;
using System.Net;
using System.Runtime.InteropServices;
using TunnelBox.DataPath;
using TunnelBox.DataPath.Tun;
using TunnelBox.DataPath.Udp;
using TunnelBox.Linux.Libc;
using TunnelBox.Protocol;

namespace TunnelBox.Benchmarks;

/// <summary>What ports spend on a packet: checksums, splitting, joining, and UDP with its system calls.</summary>
public static unsafe class PortBenchmark
{
    private const int Segment = 1368;
    private const int Count = 46;
    private const int Headers = 52;
    private const int Rounds = 400;

    /// <summary>Measures, and writes one line a figure: the fastest of many short rounds, in nanoseconds.</summary>
    /// <param name="output">Where the lines go.</param>
    public static void Run(TextWriter output)
    {
        ArgumentNullException.ThrowIfNull(output);
        byte* memory = (byte*)NativeMemory.AlignedAlloc(1 << 20, 4096);
        new Random(1).NextBytes(new Span<byte>(memory, 1 << 20));
        ulong sink = 0;
        output.WriteLine($"checksum of 1,400 B: {Measure(1000, () => sink += Checksum.Sum(memory + 16, 1400)):F1} ns");
        output.WriteLine($"copy and checksum of 1,400 B: {Measure(1000, () => sink += Checksum.CopyAndSum(memory + 8192, memory + 20, 1400)):F1} ns");
        output.WriteLine($"copy alone of 1,400 B: {Measure(1000, () => Buffer.MemoryCopy(memory + 20, memory + 8192, 1400, 1400)):F1} ns");
        Split(output, memory);
        Udp(output, memory);
        GC.KeepAlive(sink);
        NativeMemory.AlignedFree(memory);
    }

    private static void Split(TextWriter output, byte* memory)
    {
        int length = Headers + (Count * Segment);
        byte* packet = memory + 64;
        packet[0] = 0x45;
        packet[9] = 6;
        BinaryPrimitives.WriteUInt16BigEndian(new Span<byte>(packet + 2, 2), (ushort)length);
        BinaryPrimitives.WriteUInt16BigEndian(new Span<byte>(packet + 6, 2), 0x4000);
        packet[20 + 12] = 0x80;
        packet[20 + 13] = 0x10;
        ulong pseudo = SegmentHeaders.PseudoSum(packet, isIPv6: false, 6) + SegmentHeaders.Network16((ushort)(length - 20));
        SegmentHeaders.WriteRaw16(packet + 36, Checksum.Fold(pseudo));
        var header = (virtio_net_hdr*)memory;
        *header = new virtio_net_hdr { flags = 1, gso_type = 1, gso_size = Segment, csum_start = 20, csum_offset = 16 };
        var burst = new Burst();
        var splitter = new GsoSplitter();
        byte* slots = memory + (128 * 1024);
        double split = Measure(20, () =>
        {
            burst.Clear();
            byte* cursor = slots;
            splitter.Begin(header, packet, length);
            splitter.Fill(burst, ref cursor, slots + (512 * 1024));
        });
        output.WriteLine($"split of a TCP super-packet into {burst.Count}: {split / Count:F1} ns a packet");

        var table = new GroTable();
        var offloads = new TunOffloads(null) { Header = true };
        offloads.EnableWrites(tcp: true, udp: true);
        double join = Measure(20, () =>
        {
            table.Clear();
            for (int i = 0; i < Count; i++)
            {
                table.Add(i, (byte*)burst.Data[i], burst.Length[i], offloads);
            }
        });
        output.WriteLine($"join of {Count} into {table.Groups.Length}, with verified checksums: {join / Count:F1} ns a packet");
    }

    private static void Udp(TextWriter output, byte* memory)
    {
        using var from = UdpSockets.Open(new UdpSocketOptions());
        using var to = UdpSockets.Open(new UdpSocketOptions());
        foreach (int size in (int[])[96, 1452])
        {
            var destination = new Endpoint(EndpointAddress.From(new IPEndPoint(IPAddress.Loopback, to.Port)), default);
            var burst = new Burst();
            var received = new Burst();
            double both = double.MaxValue;
            double sending = double.MaxValue;
            for (int round = 0; round < Rounds * 4; round++)
            {
                burst.Clear();
                burst.Count = Burst.Capacity;
                for (int i = 0; i < Burst.Capacity; i++)
                {
                    burst.Data[i] = (nint)(memory + (i * 1600));
                    burst.Length[i] = size;
                    burst.Destination[i] = destination;
                }

                long start = Stopwatch.GetTimestamp();
                from.Ports[0].Send(burst);
                sending = Math.Min(sending, Stopwatch.GetElapsedTime(start).TotalNanoseconds);
                start = Stopwatch.GetTimestamp();
                int got = 0;
                do
                {
                    received.Clear();
                    got += to.Ports[0].Receive(received);
                }
                while (received.Count > 0);
                if (got == Burst.Capacity)
                {
                    both = Math.Min(both, Stopwatch.GetElapsedTime(start).TotalNanoseconds);
                }
            }

            output.WriteLine(
                $"UDP over loopback, 64 of {size} B: {sending / Burst.Capacity:F0} ns to send (with the kernel's delivery), {both / Burst.Capacity:F0} ns to receive a packet");
        }
    }

    private static double Measure(int repeat, Action action)
    {
        double best = double.MaxValue;
        for (int round = 0; round < Rounds; round++)
        {
            long start = Stopwatch.GetTimestamp();
            for (int i = 0; i < repeat; i++)
            {
                action();
            }

            best = Math.Min(best, Stopwatch.GetElapsedTime(start).TotalNanoseconds / repeat);
        }

        return best;
    }
}

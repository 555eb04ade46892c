using System.Runtime;
using System.Runtime.CompilerServices;
using TunnelBox.Crypto;
using TunnelBox.Crypto.Batch;
using TunnelBox.DataPath.Tests.Support;
using TunnelBox.Linux.Clock;
using TunnelBox.Linux.Libc;

namespace TunnelBox.DataPath.Tests;

public sealed class WarmUpTests
{
    private const string Fresh = "TB_FRESH_PROCESS";
    private const int Attempts = 3;
    private const int Steady = 101;

    // The first packet may pay for cold caches and page tables; the compiler would cost it milliseconds.
    private const int Multiple = 20;
    private const long Slack = 300_000;

    [Fact]
    public void Every_synthetic_packet_goes_through_every_stage()
    {
        // Three rounds of four TCP segments, four UDP segments and one packet.
        Assert.Equal(27, WarmUp.Run(PacketAead.Select().Create));
    }

    [Fact]
    public async Task The_first_real_packets_wait_for_no_compiler()
    {
        // A pause of the whole machine can hit any one process; a missing warm-up hits them all.
        string output = string.Empty;
        for (int attempt = 0; attempt < Attempts; attempt++)
        {
            (bool passed, output) = await FreshProcess.Run([nameof(First_packets_in_a_fresh_process)], (Fresh, "1"));
            if (passed)
            {
                return;
            }
        }

        Assert.Fail(output);
    }

    /// <summary>Does nothing but in the process that <see cref="The_first_real_packets_wait_for_no_compiler"/> starts.</summary>
    [Fact]
    public void First_packets_in_a_fresh_process()
    {
        if (Environment.GetEnvironmentVariable(Fresh) == null)
        {
            return;
        }

        PacketAead choice = PacketAead.Select();
        (int compiled, long cold) = Watch(() => WarmUp.Run(choice.Create));

        // The control: what is measured here does see the compiler.
        Assert.True(compiled > 100, $"the warm-up compiled only {compiled} methods");
        (_, long warm) = Watch(() => WarmUp.Run(choice.Create));
        Assert.True(cold > warm + Slack, $"the first warm-up took {cold} ns, the second {warm} ns");
        FirstBursts(choice.Create());
        FirstPackets(choice);
    }

    // Straight through the engine: every number of packets and every length that has a form of its own.
    private static unsafe void FirstBursts(IPacketAead engine)
    {
        const int Most = 64;
        const int Room = 66_000;
        using KeyArena arena = new();
        using NativeRegion memory = new(Most * Room);
        new Span<byte>(memory.Address, Most * Room).Fill(1);
        AeadJob[] jobs = new AeadJob[Most];
        KeyHandle[] keys = [.. Enumerable.Range(0, 8).Select(_ => arena.Rent())];
        foreach (int count in (int[])[1, 2, 3, 5, 8, 15, 16, 17, 64])
        {
            foreach (int length in (int[])[0, 1, 64, 100, 512, 1420, 65535, -1])
            {
                for (int several = 1; several <= keys.Length; several += keys.Length - 1)
                {
                    for (int i = 0; i < count; i++)
                    {
                        nint at = (nint)(memory.Address + (i * Room));
                        int bytes = length >= 0 ? length : i % 3 == 0 ? 64 : 1420;
                        jobs[i] = new AeadJob { Source = at, Destination = at, Key = keys[i % several], Counter = (ulong)i, Length = bytes };
                    }

                    RequireQuick($"{count} packets of {length} bytes with {several} keys", Math.Max(3, Steady / (1 + (count * Math.Abs(length) / 100_000))), () =>
                    {
                        engine.Seal(jobs.AsSpan(0, count));
                        engine.Open(jobs.AsSpan(0, count));
                        for (int i = 0; i < count; i++)
                        {
                            Assert.True(jobs[i].Opened);
                        }
                    });
                }
            }
        }
    }

    // Through every stage of two whole ends: a single packet and super-packets of both kinds.
    private static unsafe void FirstPackets(PacketAead choice)
    {
        using var a = new WarmUp.End(choice.Create(), 1);
        using var b = new WarmUp.End(choice.Create(), 2);
        a.Know(b, "192.0.2.2/32");
        b.Know(a, "192.0.2.1/32");
        byte[] sink = new byte[70_000];
        int expected = 0;
        Action<byte[]> pass = Pass;
        RuntimeHelpers.PrepareDelegate(pass);
        Drain();
        foreach ((string what, byte[] packet, int segments) in ((string, byte[], int)[])[("a packet", WarmUp.Single(), 1), ("a TCP super-packet", WarmUp.Super(isTcp: true), 4), ("a UDP super-packet", WarmUp.Super(isTcp: false), 4)])
        {
            // The handshake belongs to the first packet, and its Diffie-Hellman takes long however warm the code is.
            if (expected == 0)
            {
                (int compiled, _) = Watch(() => pass(packet));
                expected++;
                Assert.Equal(0, compiled);
            }

            RequireQuick(what, Steady, () => pass(packet));
            expected += segments * (Steady + 1);
            Assert.Equal(expected, (int)b.Counters.Read().InPackets);
        }

        void Pass(byte[] packet)
        {
            a.Inject(packet);
            long before = b.Counters.Read().InPackets;
            for (int step = 0; step < 12 && b.Counters.Read().InPackets == before; step++)
            {
                a.Step();
                b.Step();
            }

            Drain();
        }

        void Drain()
        {
            fixed (byte* bytes = sink)
            {
                while (LibC.read(b.Feed.Value, bytes, (nuint)sink.Length) > 0)
                {
                }
            }
        }
    }

    private static void RequireQuick(string what, int repeats, Action once)
    {
        (int compiled, long first) = Watch(once);
        long[] later = [.. Enumerable.Range(0, repeats).Select(_ => Watch(once).Nanoseconds)];
        Array.Sort(later);
        long steady = later[repeats / 2];
        Assert.True(compiled == 0, $"{what}: {compiled} methods were compiled while the first waited");
        Assert.True(first <= (Multiple * steady) + Slack, $"{what}: the first took {first} ns, later ones {steady} ns");
    }

    // Processor time of this thread: what other programs take does not count, what the compiler takes here does.
    private static (int Compiled, long Nanoseconds) Watch(Action work)
    {
        RuntimeHelpers.PrepareDelegate(work);
        int compiled = (int)JitInfo.GetCompiledMethodCount(currentThread: true);
        long start = ThreadClock.Nanoseconds();
        work();
        long time = ThreadClock.Nanoseconds() - start;
        return ((int)JitInfo.GetCompiledMethodCount(currentThread: true) - compiled, time);
    }
}

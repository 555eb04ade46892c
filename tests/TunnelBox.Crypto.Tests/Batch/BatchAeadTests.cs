namespace TunnelBox.Crypto.Tests.Batch;

/// <summary>Every engine against libsodium.</summary>
public sealed class BatchAeadTests
{
    public static TheoryData<string> Engines => Workbench.EngineData;

    /// <summary>Gets a value indicating whether the long runs are wanted: <c>make test-all</c> sets TB_FULL=1.</summary>
    internal static bool Full => Environment.GetEnvironmentVariable("TB_FULL") == "1";

    [Theory]
    [MemberData(nameof(Engines))]
    public void Every_length_up_to_2100_seals_and_opens_alone_and_in_company(string engine)
    {
        IPacketAead aead = Workbench.Create(engine);
        using Workbench bench = new(1 << 20);
        Random random = new(2100);
        int[] counts = [1, 3, 8, 16, 21];
        for (int length = 0; length <= 2100; length++)
        {
            int[] lengths = new int[counts[length % counts.Length]];
            Array.Fill(lengths, length);
            RoundTrip(aead, bench, random, lengths, 1 + length % 2, length % 3 == 0);
            if (lengths.Length != 1)
            {
                RoundTrip(aead, bench, random, [length], 1, length % 3 == 1);
            }
        }
    }

    [Theory]
    [MemberData(nameof(Engines))]
    public void Random_bursts_agree_with_libsodium(string engine)
    {
        bool widest = Workbench.Engines.Take(2).Contains(engine);
        int rounds = (Full, widest) switch { (true, true) => 1_000_000, (true, false) => 10_000, (false, true) => 10_000, _ => 1_500 };
        IPacketAead aead = Workbench.Create(engine);
        using Workbench bench = new(1 << 20);
        Random random = new(4711);
        for (int round = 0; round < rounds; round++)
        {
            // Now and then the longest there are.
            if (round % 500 == 499)
            {
                RoundTrip(aead, bench, random, [random.Next(65536), random.Next(2000), 65535 - random.Next(130)], 2, random.Next(2) == 0);
                continue;
            }

            // Most bursts are small and short, as the shapes differ most there and a million of them must be done in time.
            int count = random.Next(8) switch { 0 => random.Next(1, 65), 1 => random.Next(1, 18), _ => random.Next(1, 5) };
            int most = random.Next(8) switch { 0 => 1500, 1 => 600, _ => 130 };
            int[] lengths = new int[count];
            int same = random.Next(most);
            bool equal = random.Next(3) == 0;
            for (int i = 0; i < count; i++)
            {
                lengths[i] = equal ? same : random.Next(most);
            }

            RoundTrip(aead, bench, random, lengths, random.Next(3) switch { 0 => 1, 1 => 2, _ => Workbench.MostKeys }, random.Next(2) == 0);
        }
    }

    [Theory]
    [MemberData(nameof(Engines))]
    public void Long_packets_and_long_bursts_agree_with_libsodium(string engine)
    {
        IPacketAead aead = Workbench.Create(engine);
        using Workbench bench = new(16 << 20);
        Random random = new(65535);
        RoundTrip(aead, bench, random, [65535], 1, inPlace: true);
        RoundTrip(aead, bench, random, [65535, 0, 34000, 65472, 1, 9000, 65535, 16384, 2049, 40000], 2, inPlace: false);
        int[] lengths = new int[300];
        for (int i = 0; i < lengths.Length; i++)
        {
            lengths[i] = i % 3 == 0 ? 64 : random.Next(1500);
        }

        RoundTrip(aead, bench, random, lengths, 8, inPlace: false);
    }

    [Theory]
    [MemberData(nameof(Engines))]
    public void One_flipped_bit_is_refused_wherever_it_is(string engine)
    {
        IPacketAead aead = Workbench.Create(engine);
        using Workbench bench = new(1 << 20);
        Random random = new(3);
        foreach (int length in (int[])[0, 1, 16, 33, 64, 100, 300, 1420])
        {
            int bits = 8 * (length + IPacketAead.TagSize);
            for (int bit = 0; bit < bits + 64;)
            {
                int[] lengths = new int[random.Next(1, 40)];
                Array.Fill(lengths, length);
                bench.Prepare(random, lengths, 1, inPlace: random.Next(2) == 0);
                aead.Seal(bench.Jobs);
                bench.TurnAround();
                bool[] forged = new bool[lengths.Length];
                for (int i = 0; i < lengths.Length && bit < bits + 64; i += 1 + random.Next(2), bit++)
                {
                    forged[i] = true;
                    if (bit < bits)
                    {
                        Workbench.Bytes(bench.Jobs[i].Source, length + IPacketAead.TagSize)[bit / 8] ^= (byte)(1 << (bit % 8));
                    }
                    else
                    {
                        bench.Jobs[i].Counter ^= 1UL << (bit - bits);
                    }
                }

                bench.Open(aead);
                bench.AssertOpened(i => forged[i]);
            }
        }
    }

    [Theory]
    [MemberData(nameof(Engines))]
    public void A_million_packets_allocate_nothing(string engine)
    {
        IPacketAead aead = Workbench.Create(engine);
        using Workbench bench = new(1 << 20);
        int[] lengths = new int[64];
        for (int i = 0; i < lengths.Length; i++)
        {
            lengths[i] = 7 * i % 90;
        }

        bench.Prepare(new Random(5), lengths, 8, inPlace: true);
        AeadJob[] jobs = bench.Jobs;
        int rounds = (engine == "scalar" ? 100_000 : 1_000_000) / 64 / 2;
        aead.Seal(jobs);
        aead.Open(jobs);
        long before = GC.GetAllocatedBytesForCurrentThread();
        for (int round = 0; round < rounds; round++)
        {
            aead.Seal(jobs);
            aead.Open(jobs);
        }

        Assert.Equal(before, GC.GetAllocatedBytesForCurrentThread());
        Assert.All(jobs, job => Assert.True(job.Opened));
    }

    [Theory]
    [MemberData(nameof(Engines))]
    public void A_packet_without_key_or_too_long_stops_the_burst_before_anything_is_written(string engine)
    {
        IPacketAead aead = Workbench.Create(engine);
        using Workbench bench = new(1 << 20);
        foreach ((int length, bool keyless) in ((int, bool)[])[(65536, false), (-1, false), (int.MinValue, false), (100, true)])
        {
            bench.Prepare(new Random(6), [100, 100, 100], 1, inPlace: true);
            byte[] before = bench.Plain[0];
            bench.Jobs[1].Length = length;
            bench.Jobs[1].Key = keyless ? default : bench.Jobs[1].Key;
            Assert.Throws<ArgumentException>(() => aead.Seal(bench.Jobs));
            Assert.Throws<ArgumentException>(() => aead.Open(bench.Jobs));
            Assert.True(Workbench.Bytes(bench.Jobs[0].Source, 100).SequenceEqual(before));
        }

        aead.Seal([]);
        aead.Open([]);
    }

    private static void RoundTrip(IPacketAead aead, Workbench bench, Random random, ReadOnlySpan<int> lengths, int keys, bool inPlace)
    {
        bench.Prepare(random, lengths, keys, inPlace);
        aead.Seal(bench.Jobs);
        bench.AssertSealed();
        bench.TurnAround();
        int forged = random.Next(2) == 0 ? random.Next(lengths.Length) : -1;
        if (forged >= 0)
        {
            int size = lengths[forged] + IPacketAead.TagSize;
            if (random.Next(8) == 0)
            {
                bench.Jobs[forged].Counter ^= 1UL << random.Next(64);
            }
            else
            {
                Workbench.Bytes(bench.Jobs[forged].Source, size)[random.Next(size)] ^= (byte)(1 << random.Next(8));
            }
        }

        bench.Open(aead);
        bench.AssertOpened(i => i == forged);
    }
}

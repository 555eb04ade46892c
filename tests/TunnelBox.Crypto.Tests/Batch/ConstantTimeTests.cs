using System.Diagnostics;
using System.Globalization;
using System.Runtime.CompilerServices;
using System.Runtime.InteropServices;

namespace TunnelBox.Crypto.Tests.Batch;

/// <summary>
/// Time does not tell secrets: each engine is timed on inputs of two classes that take turns at random, and the two
/// distributions must not be told apart. A leaky engine must be caught by the same measurement.
/// </summary>
/// <remarks>
/// A leak is there in every run, a disturbance of the machine is not: a test fails when three runs in a row find a
/// difference. The control passes only when a run finds its leak.
/// </remarks>
public sealed unsafe class ConstantTimeTests : IDisposable
{
    private const int PoolSize = 64;
    private const double MostT = 10;
    private const int Attempts = 3;

    private const int Memory = 1 << 17;
    private const int Stride = 2048;
    private const int MostPackets = 16;
    private const int KeyBytes = 32 * Keys;
    private const int Keys = 2;

    private readonly byte* _memory = (byte*)NativeMemory.AlignedAlloc(Memory, 64);
    private AeadJob[] _jobs = [];

    private int Packets => _jobs.Length;

    private int Length => _jobs[0].Length;

    private int Size => Length + IPacketAead.TagSize;

    /// <summary>What the two classes differ in.</summary>
    public enum Secret
    {
        /// <summary>One key against random keys, sealing.</summary>
        Key,

        /// <summary>One plaintext against random plaintexts, sealing.</summary>
        Plaintext,

        /// <summary>One genuine packet against random genuine packets, opening.</summary>
        Ciphertext,

        /// <summary>Forged in the tag's first byte against forged in its last, opening.</summary>
        Tag,
    }

    /// <summary>Gets every engine with every secret, and the shapes of bursts that take other ways through an engine: few short packets, a full
    /// sub-batch of long ones, one packet alone, several keys.</summary>
    public static TheoryData<string, Secret, int, int, bool> Cases
    {
        get
        {
            TheoryData<string, Secret, int, int, bool> cases = [];
            foreach (string engine in Workbench.Engines)
            {
                foreach (Secret secret in Enum.GetValues<Secret>())
                {
                    cases.Add(engine, secret, 4, 100, false);
                    cases.Add(engine, secret, MostPackets, 600, true);
                    cases.Add(engine, secret, 1, 1420, false);
                }
            }

            return cases;
        }
    }

    private static int Samples => BatchAeadTests.Full ? 1_000_000 : 50_000;

    // The control must not hang on luck: it has its own number.
    private static int ControlSamples => Math.Max(Samples, 300_000);

    public void Dispose() => NativeMemory.AlignedFree(_memory);

    [Theory]
    [MemberData(nameof(Cases))]
    public void Time_does_not_depend_on_secrets(string engine, Secret secret, int packets, int length, bool severalKeys)
    {
        Lay(packets, length, severalKeys);
        IPacketAead aead = Workbench.Create(engine);
        double[] found = new double[Attempts];
        for (int attempt = 0; attempt < Attempts; attempt++)
        {
            found[attempt] = Measure(aead, secret, 97 + attempt, Samples);
            if (found[attempt] < MostT)
            {
                return;
            }
        }

        Assert.Fail($"{engine} takes a time that depends on its {secret} with {packets} packets of {length} bytes: |t| = {string.Join(", ", found.Select(t => t.ToString("F1", CultureInfo.InvariantCulture)))} in {Samples} samples each.");
    }

    [Theory]
    [InlineData(Secret.Tag)]
    [InlineData(Secret.Key)]
    [InlineData(Secret.Plaintext)]
    public void A_leaky_engine_is_caught(Secret secret)
    {
        Lay(4, 100, severalKeys: false);
        LeakyAead leaky = new(Workbench.Create(Workbench.Engines.First()), secret, GenuineTags(), Length);
        double t = Enumerable.Range(0, Attempts).Max(attempt => Measure(leaky, secret, attempt, ControlSamples));
        Assert.True(t > MostT, $"The measurement does not see a leak of the {secret}: |t| = {t:F1}; then it proves nothing of the engines.");
    }

    /// <summary>Lays out a burst: its keys first in memory, then a source and a destination each packet.</summary>
    private void Lay(int packets, int length, bool severalKeys)
    {
        NativeMemory.Clear(_memory, Memory);
        _jobs = [.. Enumerable.Range(0, packets).Select(i => new AeadJob
        {
            Source = (nint)_memory + KeyBytes + (2 * i * Stride),
            Destination = (nint)_memory + KeyBytes + ((2 * i + 1) * Stride),
            Key = new KeyHandle((nint)_memory + (severalKeys ? 32 * (i % Keys) : 0)),
            Counter = (ulong)i,
            Length = length,
        })];
    }

    private double Measure(IPacketAead aead, Secret secret, int seed, int samples)
    {
        Random random = new(seed);
        byte[][] first = Pool(random, secret, second: false);
        byte[][] second = Pool(random, secret, second: true);
        bool sealing = secret is Secret.Key or Secret.Plaintext;
        TimingSample sample = new(samples);
        for (int i = -2000; i < samples; i++)
        {
            bool isSecond = random.Next(2) == 1;
            // Both classes come out of pools of the same size, so that both meet the same caches.
            Load((isSecond ? second : first)[random.Next(PoolSize)]);
            long start = Stopwatch.GetTimestamp();
            if (sealing)
            {
                aead.Seal(_jobs);
            }
            else
            {
                aead.Open(_jobs);
            }

            long ticks = Stopwatch.GetTimestamp() - start;
            if (i >= 0)
            {
                sample.Add(isSecond, ticks);
            }
        }

        return sample.GreatestT();
    }

    /// <summary>Makes the inputs of one class: a key, then every packet's source.</summary>
    private byte[][] Pool(Random random, Secret secret, bool second)
    {
        byte[][] pool = new byte[PoolSize][];
        Random same = new(1);
        byte[] key = Bytes(same, KeyBytes);
        byte[] plain = Bytes(same, Packets * Size);
        for (int i = 0; i < PoolSize; i++)
        {
            byte[] thisKey = second && secret == Secret.Key ? Bytes(random, KeyBytes) : key;
            byte[] thisPlain = second && secret is (Secret.Plaintext or Secret.Ciphertext) ? Bytes(random, Packets * Size) : plain;
            byte[] input = [.. thisKey, .. thisPlain];
            if (secret is Secret.Ciphertext or Secret.Tag)
            {
                Load(input);
                Oracle.Seal(_jobs);
                for (int p = 0; p < Packets; p++)
                {
                    Span<byte> sealedPacket = input.AsSpan(KeyBytes + (p * Size), Size);
                    new Span<byte>((byte*)_jobs[p].Destination, Size).CopyTo(sealedPacket);
                    if (secret == Secret.Tag)
                    {
                        sealedPacket[second ? Size - 1 : Length] ^= 0x10;
                    }
                }
            }

            pool[i] = input;
        }

        return pool;
    }

    /// <summary>Gives the right tags of the packets that the Tag classes forge.</summary>
    private byte[] GenuineTags()
    {
        Random same = new(1);
        Load([.. Bytes(same, KeyBytes), .. Bytes(same, Packets * Size)]);
        Oracle.Seal(_jobs);
        return [.. Enumerable.Range(0, Packets).SelectMany(p => new Span<byte>((byte*)_jobs[p].Destination + Length, IPacketAead.TagSize).ToArray())];
    }

    private void Load(byte[] input)
    {
        input.AsSpan(0, KeyBytes).CopyTo(new Span<byte>(_memory, KeyBytes));
        for (int p = 0; p < Packets; p++)
        {
            input.AsSpan(KeyBytes + (p * Size), Size).CopyTo(new Span<byte>((byte*)_jobs[p].Source, Size));
        }
    }

    private static byte[] Bytes(Random random, int count)
    {
        byte[] bytes = new byte[count];
        random.NextBytes(bytes);
        return bytes;
    }

    /// <summary>An engine with the classic faults: a comparison that ends at the first difference, a look at secrets.</summary>
    private sealed class LeakyAead(IPacketAead inner, Secret secret, byte[] tags, int length) : IPacketAead
    {
        private int _sink;

        public string Name => "leaky";

        public void Seal(Span<AeadJob> jobs)
        {
            inner.Seal(jobs);
            foreach (ref readonly AeadJob job in jobs)
            {
                byte* bytes = secret == Secret.Key ? (byte*)job.Key.Address : (byte*)job.Source;
                for (int i = 0; i < 16; i++)
                {
                    // A branch on each secret bit that one class always takes alike.
                    if ((bytes[i] & 1) != 0)
                    {
                        _sink = Work(_sink);
                    }
                }
            }
        }

        public void Open(Span<AeadJob> jobs)
        {
            inner.Open(jobs);
            for (int p = 0; p < jobs.Length; p++)
            {
                byte* tag = (byte*)jobs[p].Source + length;
                for (int i = 0; i < IPacketAead.TagSize && tag[i] == tags[(p * IPacketAead.TagSize) + i]; i++)
                {
                    _sink = Work(_sink);
                }
            }
        }

        [MethodImpl(MethodImplOptions.NoInlining)]
        private static int Work(int value) => unchecked((value * 31) + 7);
    }
}

using System.Runtime.InteropServices;
using TunnelBox.Crypto.Batch;

namespace TunnelBox.Crypto.Tests.Batch;

/// <summary>Memory for one burst: keys, sources, destinations and the oracle's results, with guard bytes around each.</summary>
internal sealed unsafe class Workbench : IDisposable
{
    public const int MostKeys = 8;
    private const int Guard = 32;
    private const byte GuardByte = 0xA7;
    private const byte Untouched = 0x5C;

    private readonly byte* _memory;
    private readonly nuint _size;
    private readonly List<(nint At, int Length)> _guards = [];
    private byte[][] _before = [];
    private nint _next;

    public Workbench(int bytes)
    {
        _size = (nuint)bytes;
        _memory = (byte*)NativeMemory.Alloc(_size);
        Reset(new Random(1));
    }

    /// <summary>The engine the others are compared with.</summary>
    private const string OracleName = "libsodium";

    /// <summary>Gets the engines this process can run.</summary>
    public static IEnumerable<string> Engines => PacketAead.Names.Where(name => name != OracleName && Supported(name));

    public static TheoryData<string> EngineData => [.. Engines];

    public AeadJob[] Jobs { get; private set; } = [];

    public AeadJob[] Expected { get; private set; } = [];

    public byte[][] Plain { get; private set; } = [];

    public static IPacketAead Create(string engine) => PacketAead.Select(engine).Create();

    public static Span<byte> Bytes(nint at, int length) => new((byte*)at, length);

    /// <summary>Lays out a burst with random contents; Expected is what libsodium seals.</summary>
    public void Prepare(Random random, ReadOnlySpan<int> lengths, int keys, bool inPlace)
    {
        Reset(random);
        Jobs = new AeadJob[lengths.Length];
        Expected = new AeadJob[lengths.Length];
        Plain = new byte[lengths.Length][];
        for (int i = 0; i < lengths.Length; i++)
        {
            int length = lengths[i];
            nint source = Take(random, length + IPacketAead.TagSize);
            random.NextBytes(Bytes(source, length));
            Plain[i] = Bytes(source, length).ToArray();
            Jobs[i] = new AeadJob
            {
                Source = source,
                Destination = inPlace ? source : Take(random, length + IPacketAead.TagSize),
                Key = new KeyHandle((nint)_memory + 32 * random.Next(keys)),
                Counter = (ulong)random.NextInt64() << random.Next(40),
                Length = length,
            };
            Expected[i] = Jobs[i];
            Expected[i].Destination = Take(random, length + IPacketAead.TagSize);
        }

        Oracle.Seal(Expected);
    }

    /// <summary>Compares every sealed packet with the oracle's.</summary>
    public void AssertSealed()
    {
        for (int i = 0; i < Jobs.Length; i++)
        {
            int size = Jobs[i].Length + IPacketAead.TagSize;
            Span<byte> ours = Bytes(Jobs[i].Destination, size);
            Span<byte> theirs = Bytes(Expected[i].Destination, size);
            if (!ours.SequenceEqual(theirs))
            {
                Assert.Fail($"Packet {i} of {Jobs.Length}, {Jobs[i].Length} bytes, differs at byte {ours.CommonPrefixLength(theirs)}.");
            }
        }

        AssertGuards();
    }

    /// <summary>Turns the sealed burst into one to open, and clears the destinations that are not sources.</summary>
    public void TurnAround()
    {
        for (int i = 0; i < Jobs.Length; i++)
        {
            bool inPlace = Jobs[i].Source == Jobs[i].Destination;
            (Jobs[i].Source, Jobs[i].Destination) = (Jobs[i].Destination, Jobs[i].Source);
            Jobs[i].Opened = false;
            if (!inPlace)
            {
                Bytes(Jobs[i].Destination, Jobs[i].Length + IPacketAead.TagSize).Fill(Untouched);
            }
        }
    }

    /// <summary>Opens the burst, and keeps what stood at each source for <see cref="AssertOpened"/>.</summary>
    public void Open(IPacketAead aead)
    {
        _before = [.. Jobs.Select(job => Bytes(job.Source, job.Length).ToArray())];
        aead.Open(Jobs);
    }

    /// <summary>Checks verdicts and contents after opening; of a refused packet no plaintext may be left.</summary>
    public void AssertOpened(Func<int, bool> forged)
    {
        for (int i = 0; i < Jobs.Length; i++)
        {
            AeadJob job = Jobs[i];
            if (job.Opened == forged(i))
            {
                Assert.Fail($"Packet {i} of {Jobs.Length}, {job.Length} bytes: opened {job.Opened}.");
            }

            Span<byte> left = Bytes(job.Destination, job.Length);
            if (job.Opened && !left.SequenceEqual(Plain[i]))
            {
                Assert.Fail($"Packet {i} of {Jobs.Length}, {job.Length} bytes, opened wrongly.");
            }

            if (!job.Opened && job.Source != job.Destination && left.IndexOfAnyExcept(Untouched) >= 0 && left.IndexOfAnyExcept((byte)0) >= 0)
            {
                Assert.Fail($"Refused packet {i} of {Jobs.Length}, {job.Length} bytes, left something behind.");
            }

            if (!job.Opened && job.Source == job.Destination && !left.SequenceEqual(_before[i]) && left.IndexOfAnyExcept((byte)0) >= 0)
            {
                Assert.Fail($"Refused packet {i} of {Jobs.Length}, {job.Length} bytes in place, is neither as it came nor zeros.");
            }
        }

        AssertGuards();
    }

    public void Dispose() => NativeMemory.Free(_memory);

    private static bool Supported(string name)
    {
        try
        {
            _ = PacketAead.Select(name);
            return true;
        }
        catch (PlatformNotSupportedException e) when (e.Message.Contains("lacks", StringComparison.Ordinal))
        {
            return false;
        }
    }

    private void Reset(Random random)
    {
        random.NextBytes(new Span<byte>(_memory, 32 * MostKeys));
        _next = (nint)_memory + 32 * MostKeys;
        _guards.Clear();
    }

    /// <summary>A place at a random alignment between guard bytes.</summary>
    private nint Take(Random random, int length)
    {
        nint before = _next + random.Next(64);
        nint at = before + Guard;
        _next = at + length + Guard;
        Assert.True(_next <= (nint)_memory + (nint)_size, "The workbench is too small for this burst.");
        Bytes(before, Guard).Fill(GuardByte);
        Bytes(at + length, Guard).Fill(GuardByte);
        _guards.Add((before, Guard));
        _guards.Add((at + length, Guard));
        return at;
    }

    private void AssertGuards()
    {
        foreach ((nint at, int length) in _guards)
        {
            if (Bytes(at, length).IndexOfAnyExcept(GuardByte) >= 0)
            {
                Assert.Fail("A byte outside a packet was written.");
            }
        }
    }
}

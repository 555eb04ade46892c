using System.Runtime.InteropServices;
using TunnelBox.Linux.Libc;
using TunnelBox.Visibility.Rings;

namespace TunnelBox.Visibility.Tests.Rings;

/// <summary>What a ring's reader sees of what its writer wrote, at rest, too late, in a race, and when the memory lies.</summary>
public sealed unsafe class RingReaderTests
{
    [Fact]
    public void A_record_arrives_as_it_was_written()
    {
        using RingWriter writer = new(default, innerSnap: 40, outerSnap: 24, worker: 3);
        using RingReader reader = Open(writer);
        Assert.False(reader.TryTake());
        Write(writer, 7, inner: 100, outer: 8);
        Assert.True(reader.TryTake());
        RingEntry entry = reader.Current;
        Assert.Equal(7u, entry.Head.Counter);
        Assert.Equal(DropReason.InNoStates, entry.Head.Reason);
        Assert.Equal(Enumerable.Repeat((byte)7, 40), entry.Inner.ToArray());
        Assert.Equal(Enumerable.Repeat((byte)8, 8), entry.Outer.ToArray());
        Assert.InRange(entry.Time - ((DateTime.UtcNow.Ticks - DateTime.UnixEpoch.Ticks) * 100), -5_000_000_000, 5_000_000_000);
        Assert.Equal(3, reader.Worker);
        Assert.False(reader.TryTake());
        Assert.Equal(0, reader.Lost);
    }

    [Fact]
    public void What_was_overwritten_is_counted_and_the_rest_arrives()
    {
        using RingWriter writer = new(default, 0, 0, 1, budget: 64 * 128);
        using RingReader reader = Open(writer);
        Assert.Equal(64, writer.Capacity);
        for (ulong i = 0; i < 1000; i++)
        {
            Write(writer, i, 0, 0);
        }

        List<ulong> seen = [];
        while (reader.TryTake())
        {
            seen.Add(reader.Current.Head.Counter);
        }

        Assert.Equal(1000, seen.Count + reader.Lost);
        Assert.InRange(seen.Count, 32, 64);
        Assert.Equal(999u, seen[^1]);
        Assert.Equal(seen.Order(), seen);
        writer.Skip(5);
        Assert.Equal(1005, seen.Count + reader.Lost);
    }

    [Fact]
    public void A_reader_in_a_race_gets_whole_records_or_counts_them_lost()
    {
        const ulong Records = 300_000;
        using RingWriter writer = new(default, 64, 64, 1, budget: 256 * 256);
        using RingReader reader = Open(writer);
        var thread = new Thread(() =>
        {
            for (ulong i = 1; i <= Records; i++)
            {
                Write(writer, i, 64, 64);
            }
        });
        thread.Start();
        long taken = 0;
        ulong last = 0;
        bool done = false;
        while (!done || taken + reader.Lost < (long)Records)
        {
            // Asked before the last look, so that nothing written in between is missed.
            done = !thread.IsAlive;
            while (reader.TryTake())
            {
                RingEntry entry = reader.Current;
                ulong number = entry.Head.Counter;
                Assert.True(number > last);
                last = number;
                taken++;
                Assert.Equal(-1, entry.Inner.IndexOfAnyExcept((byte)number));
                Assert.Equal(-1, entry.Outer.IndexOfAnyExcept((byte)(number + 1)));
                Assert.Equal(64, entry.Inner.Length);
            }

            Assert.False(done && taken + reader.Lost != (long)Records, $"{taken} taken, {reader.Lost} lost");
        }

        thread.Join();
        Assert.True(taken > 0);
    }

    [Fact]
    public void The_memory_can_neither_shrink_nor_be_written_by_who_gets_it()
    {
        using RingWriter writer = new(default, 0, 0, 1);
        Assert.Equal(-Definitions.EPERM, LibC.ftruncate(writer.Descriptor, 0));
        nint address = LibC.mmap(null, 4096, Definitions.PROT_READ | Definitions.PROT_WRITE, Definitions.MAP_SHARED, writer.Descriptor, 0);
        Assert.Equal(-Definitions.EPERM, address);
    }

    [Theory]
    [InlineData(0, 1ul, "first bytes")]
    [InlineData(8, 2ul, "version 2, and 1 is known")]
    [InlineData(12, 4ul, "sizes contradict")]
    [InlineData(16, 3ul, "sizes contradict")]
    [InlineData(16, 0x4000_0000ul, "sizes contradict")]
    [InlineData(20, 0x7FFF_FFFFul, "sizes contradict")]
    [InlineData(24, 0xFFFF_FFFFul, "sizes contradict")]
    public void A_header_that_lies_is_refused_in_one_sentence(int offset, ulong value, string why)
    {
        using Forgery forgery = new();
        if (offset == 0)
        {
            *(ulong*)forgery.Address = value;
        }
        else
        {
            *(uint*)(forgery.Address + offset) = (uint)value;
        }

        RingException refused = Assert.Throws<RingException>(() => new RingReader(forgery.Take()));
        Assert.Contains(why, refused.Message, StringComparison.Ordinal);
        Assert.Contains("use the tunnelctl of the daemon's version", refused.Message, StringComparison.Ordinal);
    }

    [Fact]
    public void Records_that_lie_are_lost_and_nothing_else()
    {
        using Forgery forgery = new();
        var record = (RingRecord*)(forgery.Address + RingHeader.Size);
        record->Sequence = 1;
        record->InnerCaptured = 65535;
        ((RingHeader*)forgery.Address)->Head = 2;
        using RingReader reader = new(forgery.Take());
        Assert.False(reader.TryTake());
        Assert.Equal(2, reader.Lost);

        // A count that runs backwards ends the reading; nothing is invented.
        ((RingHeader*)forgery.Address)->Head = 1;
        Assert.False(reader.TryTake());
        ((RingHeader*)forgery.Address)->Skipped = -7;
        Assert.Equal(2, reader.Lost);
    }

    [Fact]
    public void What_is_no_sealed_memory_is_refused()
    {
        string path = Path.GetTempFileName();
        try
        {
            File.WriteAllBytes(path, new byte[8192]);
            FileDescriptor file = FileDescriptor.Open(path, Definitions.O_RDONLY, out int _)!;
            Assert.Throws<RingException>(() => new RingReader(file));
        }
        finally
        {
            File.Delete(path);
        }
    }

    internal static RingReader Open(RingWriter writer) => new(new FileDescriptor(LibC.dup(writer.Descriptor)));

    private static void Write(RingWriter writer, ulong number, int inner, int outer)
    {
        byte* bytes = stackalloc byte[256];
        RingRecord* record = writer.Begin();
        record->Counter = number;
        record->Time = System.Diagnostics.Stopwatch.GetTimestamp();
        record->Reason = DropReason.InNoStates;
        NativeMemory.Fill(bytes, 128, (byte)number);
        writer.AddInner(bytes, inner);
        NativeMemory.Fill(bytes, 128, (byte)(number + 1));
        writer.AddOuter(bytes, outer);
        writer.End();
        writer.Publish();
    }

    /// <summary>A ring whose maker keeps a mapping to write lies into.</summary>
    private sealed class Forgery : IDisposable
    {
        private const int Length = RingHeader.Size + (64 * 192);
        private readonly int _file;

        public Forgery()
        {
            fixed (byte* name = "forged\0"u8)
            {
                _file = LibC.memfd_create(name, Definitions.MFD_CLOEXEC | Definitions.MFD_ALLOW_SEALING);
            }

            Assert.Equal(0, LibC.ftruncate(_file, Length));
            Address = (byte*)LibC.mmap(null, Length, Definitions.PROT_READ | Definitions.PROT_WRITE, Definitions.MAP_SHARED, _file, 0);
            Assert.Equal(0, LibC.fcntl(_file, Definitions.F_ADD_SEALS, Definitions.F_SEAL_SHRINK | Definitions.F_SEAL_GROW));
            *(RingHeader*)Address = new RingHeader
            {
                Magic = RingHeader.MagicValue,
                Version = RingHeader.VersionValue,
                RecordSize = 192,
                Capacity = 64,
                InnerSnap = 32,
                OuterSnap = 32,
            };
        }

        public byte* Address { get; }

        public FileDescriptor Take() => new(LibC.dup(_file));

        public void Dispose()
        {
            _ = LibC.munmap(Address, Length);
            _ = LibC.close(_file);
        }
    }
}

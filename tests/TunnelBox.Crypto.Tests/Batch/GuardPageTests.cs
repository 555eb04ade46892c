using System.Runtime.InteropServices;

namespace TunnelBox.Crypto.Tests.Batch;

/// <summary>Packets that end where memory ends, and packets that begin where it begins: one byte too far is a fault.</summary>
public sealed unsafe partial class GuardPageTests : IDisposable
{
    private const int Page = 4096;
    private const int Pages = 4;
    private const int Packets = 20;

    private readonly byte* _map;

    public GuardPageTests()
    {
        // Every packet has its own pages with an unmapped page on either side.
        nuint size = (nuint)(Packets * 2 * (Pages + 1) + 1) * Page;
        _map = (byte*)Map(0, size, 0, 0x22, -1, 0);
        Assert.NotEqual(-1, (nint)_map);
        for (int i = 0; i < 2 * Packets; i++)
        {
            Assert.Equal(0, Protect(_map + Page + (nint)i * (Pages + 1) * Page, Pages * Page, 3));
        }
    }

    public static TheoryData<string> Engines => Workbench.EngineData;

    public void Dispose() => _ = Unmap(_map, (nuint)(Packets * 2 * (Pages + 1) + 1) * Page);

    [Theory]
    [MemberData(nameof(Engines))]
    public void Nothing_is_touched_beyond_a_packet(string engine)
    {
        IPacketAead aead = Workbench.Create(engine);
        byte* key = stackalloc byte[32];
        Random random = new(9);
        for (int length = 0; length < 1600; length += length < 200 ? 1 : 13)
        {
            foreach (bool atEnd in (bool[])[true, false])
            {
                foreach (int count in (int[])[1, 7, Packets])
                {
                    AeadJob[] jobs = new AeadJob[count];
                    for (int i = 0; i < count; i++)
                    {
                        // Sealing reads the plaintext alone, so the source area ends with it; opening reads the tag too.
                        jobs[i] = new AeadJob
                        {
                            Source = Place(2 * i, atEnd, length),
                            Destination = Place(2 * i + 1, atEnd, length + IPacketAead.TagSize),
                            Key = new KeyHandle((nint)key),
                            Counter = (ulong)random.NextInt64(),
                            Length = length,
                        };
                    }

                    aead.Seal(jobs);
                    foreach (ref AeadJob job in jobs.AsSpan())
                    {
                        (job.Source, job.Destination) = (job.Destination, job.Source);
                    }

                    aead.Open(jobs);
                    Assert.All(jobs, job => Assert.True(job.Opened));
                }
            }
        }
    }

    [LibraryImport("libc", EntryPoint = "mmap", SetLastError = true)]
    private static partial nint Map(nint address, nuint length, int protection, int flags, int fd, nint offset);

    [LibraryImport("libc", EntryPoint = "mprotect", SetLastError = true)]
    private static partial int Protect(byte* address, nuint length, int protection);

    [LibraryImport("libc", EntryPoint = "munmap")]
    private static partial int Unmap(byte* address, nuint length);

    private nint Place(int area, bool atEnd, int size)
    {
        byte* first = _map + Page + (nint)area * (Pages + 1) * Page;
        return (nint)(atEnd ? first + Pages * Page - size : first);
    }
}

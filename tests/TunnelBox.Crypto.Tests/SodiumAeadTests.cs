using System.Runtime.InteropServices;

namespace TunnelBox.Crypto.Tests;

public sealed unsafe class SodiumAeadTests
{
    [Fact]
    public void A_batch_of_all_lengths_seals_as_single_messages_do_and_opens_again()
    {
        using KeyArena arena = new();
        SodiumRandom random = new();
        SodiumAead aead = new();
        int[] lengths = [0, 1, 15, 16, 17, 63, 64, 65, 127, 1000, 1420, 9000, 65_535];
        AeadJob[] jobs = new AeadJob[lengths.Length];
        byte[][] plain = new byte[lengths.Length][];
        byte* memory = (byte*)NativeMemory.Alloc((nuint)(lengths.Length * 2 * 70_000));
        try
        {
            for (int i = 0; i < lengths.Length; i++)
            {
                plain[i] = new byte[lengths[i]];
                random.Fill(plain[i]);
                byte[] key = new byte[32];
                random.Fill(key);
                byte* source = memory + (i * 140_000);
                plain[i].CopyTo(new Span<byte>(source, 70_000));
                jobs[i] = new AeadJob
                {
                    Source = (nint)source,
                    Destination = i % 2 == 0 ? (nint)source : (nint)(source + 70_000),
                    Key = arena.Rent(key),
                    Counter = ulong.MaxValue - (ulong)(i * 1_000_003),
                    Length = lengths[i],
                };
            }

            aead.Seal(jobs);
            for (int i = 0; i < jobs.Length; i++)
            {
                byte[] expected = new byte[lengths[i] + 16];
                ChaChaPoly.Seal(KeyArena.DangerousGetSpan(jobs[i].Key), jobs[i].Counter, [], plain[i], expected);
                Assert.True(new Span<byte>((void*)jobs[i].Destination, lengths[i] + 16).SequenceEqual(expected));
                jobs[i].Source = jobs[i].Destination;
            }

            // Every third is damaged: its neighbours open, and it leaves no plaintext.
            for (int i = 0; i < jobs.Length; i += 3)
            {
                ((byte*)jobs[i].Source)[lengths[i] / 2] ^= 0x80;
            }

            aead.Open(jobs);
            for (int i = 0; i < jobs.Length; i++)
            {
                Assert.Equal(i % 3 != 0, jobs[i].Opened);
                byte[] expected = i % 3 != 0 ? plain[i] : new byte[lengths[i]];
                Assert.True(new Span<byte>((void*)jobs[i].Destination, lengths[i]).SequenceEqual(expected));
            }
        }
        finally
        {
            NativeMemory.Free(memory);
        }
    }

    [Fact]
    public void Sealing_and_opening_allocate_nothing()
    {
        using KeyArena arena = new();
        SodiumAead aead = new();
        byte* memory = stackalloc byte[256];
        AeadJob[] jobs = [new AeadJob { Source = (nint)memory, Destination = (nint)memory, Key = arena.Rent(), Length = 200 }];
        aead.Seal(jobs);
        aead.Open(jobs);
        long before = GC.GetAllocatedBytesForCurrentThread();
        for (int i = 0; i < 10_000; i++)
        {
            aead.Seal(jobs);
            aead.Open(jobs);
        }

        Assert.Equal(before, GC.GetAllocatedBytesForCurrentThread());
        Assert.True(jobs[0].Opened);
    }
}

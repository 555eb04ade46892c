using System.Reflection;
using TunnelBox.Crypto.Batch;

namespace TunnelBox.Crypto.Tests.Batch;

/// <summary>After a call nothing that depends on keys stands in an engine's working memory.</summary>
public sealed unsafe class BatchScratchTests
{
    public static TheoryData<string> Engines => Workbench.EngineData;

    [Theory]
    [MemberData(nameof(Engines))]
    public void No_key_is_left_behind_after_sealing_and_opening(string engine)
    {
        IPacketAead aead = Workbench.Create(engine);
        BatchScratch scratch = (BatchScratch)aead.GetType().GetField("_scratch", BindingFlags.Instance | BindingFlags.NonPublic)!.GetValue(aead)!;
        using Workbench bench = new(1 << 20);
        Random random = new(12);
        // Behind the slots of numbers the state holds ciphertext only.
        int state = PolySlots.Beyond * engine switch { "vector512" => 64, "vector256" => 32, _ => 16 };
        foreach (int count in (int[])[1, 2, 5, 15, 16, 40, 64])
        {
            foreach (int keys in (int[])[1, 3, Workbench.MostKeys])
            {
                int[] lengths = [.. Enumerable.Range(0, count).Select(_ => random.Next(1500))];
                bench.Prepare(random, lengths, keys, inPlace: false);
                aead.Seal(bench.Jobs);
                AssertWiped(scratch, state, $"sealing {count} packets of {keys} keys");
                bench.TurnAround();
                Workbench.Bytes(bench.Jobs[0].Source, 1)[0] ^= 1;
                aead.Open(bench.Jobs);
                AssertWiped(scratch, state, $"opening {count} packets of {keys} keys");
            }
        }
    }

    private static void AssertWiped(BatchScratch scratch, int state, string after)
    {
        (string Name, nint At, int Bytes)[] places =
        [
            (nameof(scratch.Columns), (nint)scratch.Columns, 9 * 64), (nameof(scratch.MixedColumns), (nint)scratch.MixedColumns, 9 * 64),
            (nameof(scratch.State), (nint)scratch.State, state), (nameof(scratch.KeyRows), (nint)scratch.KeyRows, BatchScratch.SubBatch * 64),
            (nameof(scratch.Tails), (nint)scratch.Tails, BatchScratch.SubBatch * 64), (nameof(scratch.Ahead), (nint)scratch.Ahead, BatchScratch.SubBatch * 64),
            (nameof(scratch.Trash), (nint)scratch.Trash, 64), (nameof(scratch.Tags), (nint)scratch.Tags, BatchScratch.TagBytes),
        ];
        foreach ((string name, nint at, int bytes) in places)
        {
            int left = Workbench.Bytes(at, bytes).IndexOfAnyExcept((byte)0);
            Assert.True(left < 0, $"After {after}, byte {left} of {name} is not zero.");
        }
    }
}

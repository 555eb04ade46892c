namespace TunnelBox.Benchmarks.Crypto;

/// <summary>One thing that is measured: a burst of packets that every engine seals or opens.</summary>
/// <param name="Name">Its name in the table and in the file.</param>
/// <param name="Sealing">Whether it seals; otherwise it opens.</param>
/// <param name="Lengths">Bytes of plaintext of each packet of the burst.</param>
/// <param name="Keys">How many keys take turns.</param>
/// <param name="Wanted">The ratio that is promised against the best native library; 0 where none is.</param>
/// <param name="Place">Where the result goes.</param>
internal sealed record CryptoCase(string Name, bool Sealing, int[] Lengths, int Keys, double Wanted, CryptoPlace Place = CryptoPlace.Apart)
{
    private const int Full = 64;

    /// <summary>Gets the sizes of the table, in bytes.</summary>
    public static IReadOnlyList<int> Sizes { get; } = [64, 128, 256, 512, 1420];

    /// <summary>Gives the cases of the widest engine.</summary>
    /// <returns>The cases, in the table's order.</returns>
    public static IEnumerable<CryptoCase> Widest()
    {
        double[] seal = [2.2, 1.9, 1.7, 1.55, 1.25];
        double[] open = [2.5, 2.1, 1.8, 1.65, 1.3];
        foreach (bool sealing in (bool[])[true, false])
        {
            string verb = Verb(sealing);
            for (int i = 0; i < Sizes.Count; i++)
            {
                yield return new($"{verb}-{Sizes[i]}", sealing, Same(Full, Sizes[i]), 1, (sealing ? seal : open)[i]);
            }

            // Small and large packets take turns as they come, a third and two thirds.
            int[] mixed = [.. Enumerable.Range(0, Full).Select(i => i % 3 == 0 ? 64 : 1420)];
            yield return new($"{verb}-mixed", sealing, mixed, 1, sealing ? 1.15 : 1.2);
            yield return new($"{verb}-64-8-keys", sealing, Same(Full, 64), 8, 1.5);
            yield return new($"{verb}-1420-8-keys", sealing, Same(Full, 1420), 8, 1.1);
            foreach (int count in (int[])[1, 2, 4, 8, 16, 32])
            {
                yield return new($"{verb}-64-burst-{count}", sealing, Same(count, 64), 1, 0.97);
                yield return new($"{verb}-1420-burst-{count}", sealing, Same(count, 1420), 1, 0.97);
            }
        }

        foreach (int size in (int[])[64, 1420])
        {
            yield return new($"seal-{size}-in-place", Sealing: true, Same(Full, size), 1, 0, CryptoPlace.InPlace);
            yield return new($"both-{size}-in-place", Sealing: true, Same(Full, size), 1, 0, CryptoPlace.ThereAndBack);
        }
    }

    /// <summary>Gives the cases in which one narrower engine meets one native library.</summary>
    /// <param name="prefix">What their names begin with.</param>
    /// <param name="wanted">The ratio that is promised.</param>
    /// <returns>The cases.</returns>
    public static IEnumerable<CryptoCase> Narrow(string prefix, double wanted)
        => from sealing in (bool[])[true, false]
           from size in Sizes
           select new CryptoCase($"{prefix}-{Verb(sealing)}-{size}", sealing, Same(Full, size), 1, wanted);

    private static string Verb(bool sealing) => sealing ? "seal" : "open";

    private static int[] Same(int count, int length) => [.. Enumerable.Repeat(length, count)];
}

/// <summary>Where the packets of a case go.</summary>
internal enum CryptoPlace
{
    /// <summary>To memory of their own.</summary>
    Apart,

    /// <summary>Over their source.</summary>
    InPlace,

    /// <summary>Sealed over their source and opened again: opening alone would find plaintext there the second time.</summary>
    ThereAndBack,
}

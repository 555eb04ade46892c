namespace TunnelBox.Fuzz;

/// <summary>Makes a new input of known ones: bits, bytes, pieces and halves change.</summary>
internal sealed class InputMutator
{
    /// <summary>Longest input in bytes.</summary>
    public const int Longest = 4096;

    private static readonly byte[] s_telling = [0, 1, 0x7F, 0x80, 0xFE, 0xFF];

    /// <summary>Makes one.</summary>
    /// <param name="random">The random numbers.</param>
    /// <param name="pool">At least one input.</param>
    /// <returns>The new input.</returns>
    public byte[] Next(Random random, IReadOnlyList<byte[]> pool)
    {
        List<byte> bytes = [.. pool[random.Next(pool.Count)]];
        for (int i = 1 << random.Next(4); i > 0; i--)
        {
            Change(random, bytes, pool);
        }

        if (bytes.Count > Longest)
        {
            bytes.RemoveRange(Longest, bytes.Count - Longest);
        }

        return [.. bytes];
    }

    private static void Change(Random random, List<byte> bytes, IReadOnlyList<byte[]> pool)
    {
        int at = random.Next(bytes.Count + 1);
        int most = Math.Min(bytes.Count - at, 16);
        switch (random.Next(8))
        {
            case 0 when at < bytes.Count:
                bytes[at] ^= (byte)(1 << random.Next(8));
                break;
            case 1 when at < bytes.Count:
                bytes[at] = (byte)random.Next(256);
                break;
            case 2 when at < bytes.Count:
                bytes[at] = s_telling[random.Next(s_telling.Length)];
                break;
            case 3 when at < bytes.Count:
                bytes[at] += (byte)random.Next(-3, 4);
                break;
            case 4:
                bytes.RemoveRange(at, random.Next(most + 1));
                break;
            case 5:
                byte[] fresh = new byte[random.Next(1, 9)];
                random.NextBytes(fresh);
                bytes.InsertRange(at, fresh);
                break;
            case 6:
                int length = random.Next(most + 1);
                bytes.InsertRange(random.Next(bytes.Count + 1), bytes.GetRange(at, length));
                break;
            default:
                byte[] other = pool[random.Next(pool.Count)];
                int from = random.Next(other.Length + 1);
                bytes.RemoveRange(at, bytes.Count - at);
                bytes.AddRange(other.AsSpan(from).ToArray());
                break;
        }
    }
}

namespace TunnelBox.Crypto.Batch;

/// <summary>
/// Where a Poly1305 group keeps its numbers: slots of one vector each, so that the same slot numbers serve every width.
/// </summary>
internal static class PolySlots
{
    /// <summary>Five limbs of the accumulator h.</summary>
    public const int Accumulator = 0;

    /// <summary>The low and the high half of s, the number added at the end.</summary>
    public const int Pad = 41;

    /// <summary>The bit beyond a whole block (2^128) as limb 4 sees it, in every lane that has begun; else zero.</summary>
    public const int Beyond = 43;

    /// <summary>Four pairs of columns (low, high) of a row that is taken block by block.</summary>
    public const int Column = 44;

    /// <summary>For a lone packet: the power whose exponent is the lane count (as <see cref="Power"/> wants it).</summary>
    public const int WideUniform = 1;

    /// <summary>For a lone packet: each lane's own power.</summary>
    public const int WideLanes = 2;

    /// <summary>For a lone packet: the power whose exponent is twice the lane count.</summary>
    public const int WideDouble = 3;

    /// <summary>Number of slots.</summary>
    public const int Count = 52;

    /// <summary>Gives the first slot of a power of r: five limbs, then limbs 1 to 4 times five.</summary>
    /// <param name="power">1 to 4.</param>
    /// <returns>The slot.</returns>
    public static int Power(int power) => 5 + 9 * (power - 1);
}

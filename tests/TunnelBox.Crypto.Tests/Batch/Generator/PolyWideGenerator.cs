using TunnelBox.Crypto.Batch;

namespace TunnelBox.Crypto.Tests.Batch.Generator;

/// <summary>
/// Writes the Poly1305 kernels for a lone packet: as many successive blocks as lanes, each lane a polynomial in r to the
/// power of the lane count; at the end lane powers join them.
/// </summary>
internal static class PolyWideGenerator
{
    public static void Write(KernelWriter w)
    {
        Init(w);
        w.Line();
        Single(w, "WideHead", multiply: false);
        w.Line();
        Single(w, "WideStep", multiply: true);
        w.Line();
        Pairs(w);
        w.Line();
        Join(w);
    }

    /// <summary>Gives the block of a group that lane l holds after unpacking.</summary>
    private static int BlockOf(KernelWriter w, int lane) => lane % 2 == 0 ? lane / 2 : (w.PolyLanes + lane) / 2;

    /// <summary>Powers: the lanes' own, and r to once and twice the lane count in all lanes.</summary>
    private static void Init(KernelWriter w)
    {
        PolyGenerator.Open(w, "public static void WideInit(byte* state, ulong low, ulong high)");
        PolyGenerator.Mask(w);
        PolyGenerator.Declare(w, "d");
        w.Line($"{w.Vector}<ulong> r0 = {w.Vector}.Create(low), r1 = {w.Vector}.Create(high);");
        PolyGenerator.Split(w, "m", "r0", "r1", null);
        Fivefold(w, "m");

        // Lane exponents grow by doubling: the sum of what each bit of (exponent - 1) stands for.
        string[] lanes = PolyGenerator.Limbs("m");
        int levels = w.PolyLanes == 8 ? 3 : w.PolyLanes == 4 ? 2 : 1;
        for (int level = 0; level < levels; level++)
        {
            // d = lanes * r^(2^level); lanes whose exponent has the bit take it.
            string power = level == 0 ? "m" : $"u{level - 1}";
            PolyGenerator.Product(w, "d", lanes, i => $"{power}{i}", i => $"{power}Five{i}", first: true);
            PolyGenerator.Carry(w, "d", $"c{level}");
            string[] taken = [.. Enumerable.Range(0, w.PolyLanes).Select(l => ((w.PolyLanes - 1 - BlockOf(w, l)) >> level & 1) == 1 ? "ulong.MaxValue" : "0")];
            w.Line($"{w.Vector}<ulong> take{level} = {w.Vector}.Create({string.Join(", ", taken)});");
            int full = Enumerable.Range(0, w.PolyLanes).Single(l => w.PolyLanes - BlockOf(w, l) == 2 << level);
            for (int i = 0; i < 5; i++)
            {
                w.Line($"{w.Vector}<ulong> v{level}{i} = {w.Vector}.ConditionalSelect(take{level}, d{i}, {lanes[i]});");
            }

            lanes = [.. Enumerable.Range(0, 5).Select(i => $"v{level}{i}")];
            for (int i = 0; i < 5; i++)
            {
                w.Line($"{w.Vector}<ulong> u{level}{i} = {Spread(w, lanes[i], full)};");
            }

            Fivefold(w, $"u{level}");
        }

        string uniform = $"u{levels - 1}";
        PolyGenerator.StorePower(w, PolySlots.WideUniform, uniform);
        PolyGenerator.StorePower(w, PolySlots.WideLanes, $"v{levels - 1}");
        PolyGenerator.Product(w, "d", PolyGenerator.Limbs(uniform), i => $"{uniform}{i}", i => $"{uniform}Five{i}", first: true);
        PolyGenerator.Carry(w, "d", "e");
        PolyGenerator.StorePower(w, PolySlots.WideDouble, "d");
        w.Line("}");
    }

    /// <summary>One group; lanes before the first block have no bit beyond.</summary>
    private static void Single(KernelWriter w, string name, bool multiply)
    {
        PolyGenerator.Open(w, $"public static void {name}(byte* state, byte* message{(multiply ? "" : ", long absent")})");
        PolyGenerator.Mask(w);
        Columns(w, "message", "", "lo", "hi");
        if (multiply)
        {
            PolyGenerator.LoadAccumulator(w);
            PolyGenerator.Declare(w, "d");
            PolyGenerator.Split(w, "m", "lo", "hi", $"{w.Vector}.Create(1UL << 24)");
            PolyGenerator.Product(w, "d", PolyGenerator.Limbs("h"), PolySlots.WideUniform, first: true);
            PolyGenerator.AddLimbs(w, "d", "m");
            PolyGenerator.Carry(w, "d", "c");
            PolyGenerator.Copy(w, "h", "d");
        }
        else
        {
            string order = string.Join(", ", Enumerable.Range(0, w.PolyLanes).Select(l => BlockOf(w, l)));
            w.Line($"{w.Vector}<ulong> bit = {w.Vector}.GreaterThanOrEqual({w.Vector}.Create({order}L), {w.Vector}.Create(absent)).AsUInt64() & {w.Vector}.Create(1UL << 24);");
            PolyGenerator.Split(w, "h", "lo", "hi", "bit");
        }

        PolyGenerator.StoreAccumulator(w);
        w.Line("}");
    }

    /// <summary>Two groups at a time, with one reduction for both.</summary>
    private static void Pairs(KernelWriter w)
    {
        PolyGenerator.Open(w, "public static void WidePairs(byte* state, byte* message, nint count)");
        PolyGenerator.Mask(w);
        PolyGenerator.LoadAccumulator(w);
        PolyGenerator.Declare(w, "d");
        w.Line($"{w.Vector}<ulong> beyond = {w.Vector}.Create(1UL << 24);");

        // The count follows from the packet's length, which is public.
        w.Line("// Constant time: the count follows lengths, which are public; multiplications, additions and shifts of fixed width alone touch secrets.");
        w.Line($"for (byte* end = message + {4 * w.Bytes} * count; message < end; message += {4 * w.Bytes})");
        w.Line("{");
        Columns(w, "message", "", "lo0", "hi0");
        Columns(w, "message", $" + {2 * w.Bytes}", "lo1", "hi1");
        PolyGenerator.Split(w, "m", "lo0", "hi0", "beyond");
        PolyGenerator.Product(w, "d", PolyGenerator.Limbs("m"), PolySlots.WideUniform, first: true);
        PolyGenerator.Split(w, "n", "lo1", "hi1", "beyond");
        PolyGenerator.AddLimbs(w, "d", "n");
        PolyGenerator.Product(w, "d", PolyGenerator.Limbs("h"), PolySlots.WideDouble, first: false);
        PolyGenerator.Carry(w, "d", "c");
        PolyGenerator.Copy(w, "h", "d");
        w.Line("}");
        w.Line();
        PolyGenerator.StoreAccumulator(w);
        w.Line("}");
    }

    /// <summary>The sum over lanes of h times the lane's power: five limbs, not yet carried.</summary>
    private static void Join(KernelWriter w)
    {
        PolyGenerator.Open(w, "public static void WideJoin(byte* state, ulong* limbs)");
        PolyGenerator.LoadAccumulator(w);
        PolyGenerator.Declare(w, "d");
        PolyGenerator.Product(w, "d", PolyGenerator.Limbs("h"), PolySlots.WideLanes, first: true);
        for (int i = 0; i < 5; i++)
        {
            w.Line($"limbs[{i}] = {w.Vector}.Sum(d{i});");
        }

        w.Line("}");
    }

    private static void Fivefold(KernelWriter w, string name)
    {
        for (int i = 1; i < 5; i++)
        {
            w.Line($"{w.Vector}<ulong> {name}Five{i} = {name}{i} + ({name}{i} << 2);");
        }
    }

    private static string Spread(KernelWriter w, string x, int lane) => w.Width switch
    {
        512 => $"Avx512F.PermuteVar8x64({x}, Vector512.Create({lane}UL))",
        256 => $"Avx2.Permute4x64({x}, 0x{lane * 0x55:X2})",
        _ => $"Sse2.Unpack{(lane == 0 ? "Low" : "High")}({x}, {x})",
    };

    private static void Columns(KernelWriter w, string at, string offset, string lo, string hi)
    {
        string first = w.Load("ulong", $"{at}{offset}");
        string second = w.Load("ulong", $"{at}{offset} + {w.Bytes}");
        w.Line($"{w.Vector}<ulong> {lo}a = {first}, {lo}b = {second};");
        w.Line($"{w.Vector}<ulong> {lo} = {w.UnpackLow($"{lo}a", $"{lo}b")}, {hi} = {w.UnpackHigh($"{lo}a", $"{lo}b")};");
    }
}

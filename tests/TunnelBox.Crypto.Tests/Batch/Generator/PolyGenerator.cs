using TunnelBox.Crypto.Batch;

namespace TunnelBox.Crypto.Tests.Batch.Generator;

/// <summary>
/// Writes the Poly1305 kernels (RFC 8439, section 2.5) of one width: a packet a 64-bit lane, numbers as five limbs of
/// 26 bits. <c>h</c> is kept below 2^27 a limb, so that up to 4 blocks of products stay below 2^60.
/// </summary>
internal static class PolyGenerator
{
    public static void Write(KernelWriter w)
    {
        Init(w);
        w.Line();
        Power(w, "Square", [(2, 1, 1)]);
        w.Line();
        Power(w, "Fourth", [(3, 2, 1), (4, 2, 2)]);
        w.Line();
        Head(w);
        foreach (int step in (int[])[1, 2, 4])
        {
            w.Line();
            Rows(w, step);
        }

        w.Line();
        Final(w);
    }

    /// <summary>Takes r and s of every lane from its key row, clamps r and keeps limbs and fivefold limbs.</summary>
    private static void Init(KernelWriter w)
    {
        Open(w, "public static void PolyInit(byte* state, byte* keyRows)");
        for (int l = 0; l < w.PolyLanes; l++)
        {
            w.Line($"byte* p{l} = keyRows + {64 * l};");
        }

        Mask(w);
        (string[] lo, string[] hi) = Columns(w, "", vectors: w.Width == 128 ? 2 : 1, wanted: 2);
        w.Line($"{w.Vector}<ulong> r0 = {lo[0]} & {w.Vector}.Create(0x0ffffffc0fffffffUL);");
        w.Line($"{w.Vector}<ulong> r1 = {hi[0]} & {w.Vector}.Create(0x0ffffffc0ffffffcUL);");
        Split(w, "m", "r0", "r1", null);
        StorePower(w, 1, "m");
        w.Line(w.Store(lo[1], Slot(w, PolySlots.Pad)));
        w.Line(w.Store(hi[1], Slot(w, PolySlots.Pad + 1)));
        for (int i = 0; i < 5; i++)
        {
            w.Line(w.Store($"{w.Vector}<ulong>.Zero", Slot(w, PolySlots.Accumulator + i)));
        }

        w.Line("}");
    }

    private static void Power(KernelWriter w, string name, (int Power, int Left, int Right)[] products)
    {
        Open(w, $"public static void Poly{name}(byte* state)");
        Mask(w);
        Declare(w, "d");
        foreach ((int power, int left, int right) in products)
        {
            string[] limbs = [.. Enumerable.Range(0, 5).Select(i => $"f{power}{i}")];
            for (int i = 0; i < 5; i++)
            {
                w.Line($"{w.Vector}<ulong> {limbs[i]} = {Limb(w, left, i)};");
            }

            Product(w, "d", limbs, right, first: true);
            Carry(w, "d", $"c{power}");
            StorePower(w, power, "d");
        }

        w.Line("}");
    }

    /// <summary>One row of which some lanes' first blocks may be absent: block by block, with a bit beyond only where a block is.</summary>
    private static void Head(KernelWriter w)
    {
        Open(w, "public static void PolyHead(byte* state, nint* rows, long* first, int block)");
        Pointers(w);
        Mask(w);
        (string[] lo, string[] hi) = Columns(w, "", 512 / w.Width, 4);
        for (int b = 0; b < 4; b++)
        {
            w.Line(w.Store(lo[b], Slot(w, PolySlots.Column + 2 * b)));
            w.Line(w.Store(hi[b], Slot(w, PolySlots.Column + 2 * b + 1)));
        }

        w.Line($"{w.Vector}<long> present = {w.Load("long", "first")};");
        w.Line($"{w.Vector}<ulong> beyond = {w.Vector}.Create(1UL << 24);");
        LoadAccumulator(w);
        Declare(w, "d");

        // Which blocks are absent follows from lengths alone, and lengths are public.
        w.Line("// Constant time: the count follows lengths, which are public; multiplications, additions and shifts of fixed width alone touch secrets.");
        w.Line("for (; block < 4; block++)");
        w.Line("{");
        w.Line($"{w.Vector}<ulong> bit = {w.Vector}.LessThanOrEqual(present, {w.Vector}.Create((long)block)).AsUInt64() & beyond;");
        w.Line($"{w.Vector}<ulong> lo = {w.Load("ulong", $"state + {(PolySlots.Column) * w.Bytes} + {2 * w.Bytes} * block")};");
        w.Line($"{w.Vector}<ulong> hi = {w.Load("ulong", $"state + {(PolySlots.Column + 1) * w.Bytes} + {2 * w.Bytes} * block")};");
        Split(w, "m", "lo", "hi", "bit");
        Horner(w, "m", 1);
        w.Line("}");
        w.Line();
        StoreAccumulator(w);
        w.Line("}");
    }

    /// <summary>Whole rows, four blocks a lane each, with one reduction for every <paramref name="step"/> blocks.</summary>
    private static void Rows(KernelWriter w, int step)
    {
        Open(w, $"public static void PolyRows{step}(byte* state, nint* rows, nint count)");
        Pointers(w);
        Mask(w);
        LoadAccumulator(w);
        Declare(w, "d");

        // The row count follows from the packets' lengths, which are public.
        w.Line("// Constant time: the count follows lengths, which are public; multiplications, additions and shifts of fixed width alone touch secrets.");
        w.Line("for (nint end = 64 * count, at = 0; at < end; at += 64)");
        w.Line("{");
        (string[] lo, string[] hi) = Columns(w, " + at", 512 / w.Width, 4);
        string beyond = w.Load("ulong", $"state + {PolySlots.Beyond * w.Bytes}");
        for (int b = 0; b < 4; b += step)
        {
            // The block that waits for h comes last, so that the others' products fill the time.
            for (int i = 1; i < step; i++)
            {
                Split(w, $"m{b + i}", lo[b + i], hi[b + i], beyond);
                Product(w, "d", Limbs($"m{b + i}"), step - i, first: i == 1);
            }

            Split(w, $"m{b}", lo[b], hi[b], beyond);
            AddLimbs(w, $"m{b}", "h");
            Product(w, "d", Limbs($"m{b}"), step, first: step == 1);
            Carry(w, "d", $"c{b}");
            Copy(w, "h", "d");
        }

        w.Line("}");
        w.Line();
        StoreAccumulator(w);
        w.Line("}");
    }

    /// <summary>The block of lengths, the last reduction and the sum with s; the tags as (low, high) pairs.</summary>
    private static void Final(KernelWriter w)
    {
        Open(w, "public static void PolyFinal(byte* state, ulong* lengths, byte* tags)");
        Mask(w);
        LoadAccumulator(w);
        Declare(w, "d");
        w.Line($"{w.Vector}<ulong> lo = {w.Load("ulong", "lengths")};");
        w.Line($"{w.Vector}<ulong> hi = {w.Load("ulong", $"lengths + {w.PolyLanes}")};");
        Split(w, "m", "lo", "hi", $"{w.Vector}.Create(1UL << 24)");
        Horner(w, "m", 1);

        // The other carries, then h - p where that is not negative: a mask chooses, never a branch.
        w.Line($"{w.Vector}<ulong> c = h1 >>> 26;");
        w.Line("h1 &= limb;");
        for (int i = 2; i < 5; i++)
        {
            w.Line($"h{i} += c;");
            w.Line($"c = h{i} >>> 26;");
            w.Line($"h{i} &= limb;");
        }

        w.Line("h0 += c + (c << 2);");
        for (int i = 1; i < 5; i++)
        {
            w.Line($"h{i} += h{i - 1} >>> 26;");
            w.Line($"h{i - 1} &= limb;");
        }

        w.Line($"{w.Vector}<ulong> g0 = h0 + {w.Vector}.Create(5UL);");
        for (int i = 1; i < 5; i++)
        {
            w.Line($"{w.Vector}<ulong> g{i} = h{i} + (g{i - 1} >>> 26);");
            w.Line($"g{i - 1} &= limb;");
        }

        w.Line($"g4 -= {w.Vector}.Create(1UL << 26);");
        w.Line($"{w.Vector}<ulong> keep = {w.Vector}<ulong>.Zero - (g4 >>> 63);");
        for (int i = 0; i < 5; i++)
        {
            w.Line($"h{i} = (h{i} & keep) | {w.Vector}.AndNot(g{i}, keep);");
        }

        w.Line("lo = h0 | h1 << 26 | h2 << 52;");
        w.Line("hi = h2 >>> 12 | h3 << 14 | h4 << 40;");
        w.Line($"{w.Vector}<ulong> sum = lo + {w.Load("ulong", $"state + {PolySlots.Pad * w.Bytes}")};");
        w.Line($"hi += {w.Load("ulong", $"state + {(PolySlots.Pad + 1) * w.Bytes}")};");
        w.Line($"hi -= {w.Vector}.LessThan(sum, lo);");
        w.Line(w.Store(w.UnpackLow("sum", "hi"), "(ulong*)tags"));
        w.Line(w.Store(w.UnpackHigh("sum", "hi"), $"(ulong*)(tags + {w.Bytes})"));
        w.Line("}");
    }

    private static void Pointers(KernelWriter w)
    {
        for (int l = 0; l < w.PolyLanes; l++)
        {
            w.Line($"byte* p{l} = (byte*)rows[{l}];");
        }
    }

    /// <summary>Loads a row of every lane and transposes it: low and high halves of each block, a lane each.</summary>
    private static (string[] Lo, string[] Hi) Columns(KernelWriter w, string offset, int vectors, int wanted)
    {
        List<string> lo = [];
        List<string> hi = [];
        for (int v = 0; v < vectors; v++)
        {
            int at = v * w.Bytes;
            string extra = at == 0 ? "" : $" + {at}";
            for (int l = 0; l < w.PolyLanes; l++)
            {
                w.Line($"{w.Vector}<ulong> z{v}{l} = {w.Load("ulong", $"p{l}{offset}{extra}")};");
            }

            for (int i = 0; i < w.Quarters; i++)
            {
                w.Line($"{w.Vector}<ulong> lo{v}p{i} = {w.UnpackLow($"z{v}{2 * i}", $"z{v}{2 * i + 1}")};");
                w.Line($"{w.Vector}<ulong> hi{v}p{i} = {w.UnpackHigh($"z{v}{2 * i}", $"z{v}{2 * i + 1}")};");
            }

            int here = Math.Min(wanted - v * w.Quarters, w.Quarters);
            lo.AddRange(w.TransposeParts($"lo{v}", "ulong", [.. Enumerable.Range(0, w.Quarters).Select(i => $"lo{v}p{i}")], here));
            hi.AddRange(w.TransposeParts($"hi{v}", "ulong", [.. Enumerable.Range(0, w.Quarters).Select(i => $"hi{v}p{i}")], here));
        }

        return ([.. lo], [.. hi]);
    }

    /// <summary>Cuts 128 bits and the bit beyond into limbs.</summary>
    internal static void Split(KernelWriter w, string name, string lo, string hi, string? beyond)
    {
        w.Line($"{w.Vector}<ulong> {name}0 = {lo} & limb;");
        w.Line($"{w.Vector}<ulong> {name}1 = ({lo} >>> 26) & limb;");
        w.Line($"{w.Vector}<ulong> {name}2 = ({lo} >>> 52 | {hi} << 12) & limb;");
        w.Line($"{w.Vector}<ulong> {name}3 = ({hi} >>> 14) & limb;");
        w.Line($"{w.Vector}<ulong> {name}4 = {hi} >>> 40{(beyond == null ? "" : $" | {beyond}")};");
    }

    /// <summary>h = (h + m) r^power, reduced.</summary>
    private static void Horner(KernelWriter w, string m, int power)
    {
        AddLimbs(w, m, "h");
        Product(w, "d", Limbs(m), power, first: true);
        Carry(w, "d", "e");
        Copy(w, "h", "d");
    }

    /// <summary>d += f r^power modulo 2^130 - 5, limbs not yet carried.</summary>
    internal static void Product(KernelWriter w, string d, string[] f, int power, bool first)
        => Product(w, d, f, i => Limb(w, power, i), i => Fivefold(w, power, i), first);

    /// <summary>d += f g modulo 2^130 - 5, given g's limbs and five times its limbs.</summary>
    internal static void Product(KernelWriter w, string d, string[] f, Func<int, string> limb, Func<int, string> fivefold, bool first)
    {
        for (int j = 0; j < 5; j++)
        {
            for (int i = 0; i < 5; i++)
            {
                string right = j <= i ? limb(i - j) : fivefold(5 + i - j);
                w.Line($"{d}{i} {(first && j == 0 ? "=" : "+=")} {w.Multiply(f[j], right)};");
            }
        }
    }

    /// <summary>Two carry chains side by side; leaves limb 1 and limb 4 a little above 26 bits at most.</summary>
    internal static void Carry(KernelWriter w, string d, string c)
    {
        w.Line($"{w.Vector}<ulong> {c} = {d}0 >>> 26, {c}x = {d}3 >>> 26;");
        w.Line($"{d}0 &= limb;");
        w.Line($"{d}3 &= limb;");
        w.Line($"{d}1 += {c};");
        w.Line($"{d}4 += {c}x;");
        w.Line($"{c} = {d}1 >>> 26;");
        w.Line($"{c}x = {d}4 >>> 26;");
        w.Line($"{d}1 &= limb;");
        w.Line($"{d}4 &= limb;");
        w.Line($"{d}2 += {c};");
        w.Line($"{d}0 += {c}x + ({c}x << 2);");
        w.Line($"{c} = {d}2 >>> 26;");
        w.Line($"{c}x = {d}0 >>> 26;");
        w.Line($"{d}2 &= limb;");
        w.Line($"{d}0 &= limb;");
        w.Line($"{d}3 += {c};");
        w.Line($"{d}1 += {c}x;");
        w.Line($"{c} = {d}3 >>> 26;");
        w.Line($"{d}3 &= limb;");
        w.Line($"{d}4 += {c};");
    }

    internal static void StorePower(KernelWriter w, int power, string name)
    {
        for (int i = 0; i < 5; i++)
        {
            w.Line(w.Store($"{name}{i}", Slot(w, PolySlots.Power(power) + i)));
        }

        for (int i = 1; i < 5; i++)
        {
            w.Line(w.Store($"{name}{i} + ({name}{i} << 2)", Slot(w, PolySlots.Power(power) + 4 + i)));
        }
    }

    internal static void LoadAccumulator(KernelWriter w)
    {
        for (int i = 0; i < 5; i++)
        {
            w.Line($"{w.Vector}<ulong> h{i} = {w.Load("ulong", $"state + {(PolySlots.Accumulator + i) * w.Bytes}")};");
        }
    }

    internal static void StoreAccumulator(KernelWriter w)
    {
        for (int i = 0; i < 5; i++)
        {
            w.Line(w.Store($"h{i}", Slot(w, PolySlots.Accumulator + i)));
        }
    }

    internal static void AddLimbs(KernelWriter w, string to, string from)
    {
        for (int i = 0; i < 5; i++)
        {
            w.Line($"{to}{i} += {from}{i};");
        }
    }

    internal static void Copy(KernelWriter w, string to, string from)
    {
        for (int i = 0; i < 5; i++)
        {
            w.Line($"{to}{i} = {from}{i};");
        }
    }

    internal static void Declare(KernelWriter w, string name) => w.Line($"{w.Vector}<ulong> {string.Join(", ", Limbs(name))};");

    internal static void Mask(KernelWriter w) => w.Line($"{w.Vector}<ulong> limb = {w.Vector}.Create((1UL << 26) - 1);");

    internal static string[] Limbs(string name) => [.. Enumerable.Range(0, 5).Select(i => $"{name}{i}")];

    private static string Limb(KernelWriter w, int power, int i) => w.Load("ulong", $"state + {(PolySlots.Power(power) + i) * w.Bytes}");

    private static string Fivefold(KernelWriter w, int power, int i) => w.Load("ulong", $"state + {(PolySlots.Power(power) + 4 + i) * w.Bytes}");

    private static string Slot(KernelWriter w, int slot) => $"(ulong*)(state + {slot * w.Bytes})";

    internal static void Open(KernelWriter w, string signature)
    {
        w.Line("[MethodImpl(MethodImplOptions.AggressiveOptimization)]");
        w.Line(signature);
        w.Line("{");
    }
}

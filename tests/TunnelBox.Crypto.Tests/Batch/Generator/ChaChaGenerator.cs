namespace TunnelBox.Crypto.Tests.Batch.Generator;

/// <summary>Writes the ChaCha20 kernels (RFC 8439, section 2.3) of one width.</summary>
internal static class ChaChaGenerator
{
    private static readonly string[] Constants = ["0x61707865u", "0x3320646eu", "0x79622d32u", "0x6b206574u"];
    private static readonly int[][] ColumnRound = [[0, 4, 8, 12], [1, 5, 9, 13], [2, 6, 10, 14], [3, 7, 11, 15]];
    private static readonly int[][] DiagonalRound = [[0, 5, 10, 15], [1, 6, 11, 12], [2, 7, 8, 13], [3, 4, 9, 14]];

    public static void Write(KernelWriter w)
    {
        KeyColumns(w);
        w.Line();
        KeyColumn(w);
        w.Line();
        Blocks(w, keysOnly: false);
        w.Line();
        Blocks(w, keysOnly: true);
        w.Line();
        FewBlocks(w, 1);
        w.Line();
        FewBlocks(w, 2);
    }

    /// <summary>Transposes one key a lane into eight columns.</summary>
    private static void KeyColumns(KernelWriter w)
    {
        Open(w, "public static void KeyColumns(nint* keys, byte* columns)");
        for (int half = 0; half < 2; half++)
        {
            for (int i = 0; i < 4; i++)
            {
                string[] parts = [.. Enumerable.Range(0, w.Quarters).Select(q => $"Vector128.Load((uint*)keys[{4 * q + i}] + {4 * half})")];
                w.Line($"{w.Vector}<uint> k{half}{i} = {Join(parts)};");
            }

            // A 4 x 4 transposition of words inside every 128-bit part.
            string[] k = [.. Enumerable.Range(0, 4).Select(i => $"k{half}{i}")];
            w.Line($"{w.Vector}<ulong> t{half}0 = {w.UnpackLow(k[0], k[1])}.AsUInt64();");
            w.Line($"{w.Vector}<ulong> t{half}1 = {w.UnpackHigh(k[0], k[1])}.AsUInt64();");
            w.Line($"{w.Vector}<ulong> t{half}2 = {w.UnpackLow(k[2], k[3])}.AsUInt64();");
            w.Line($"{w.Vector}<ulong> t{half}3 = {w.UnpackHigh(k[2], k[3])}.AsUInt64();");
            string[] columns =
            [
                w.UnpackLow($"t{half}0", $"t{half}2"), w.UnpackHigh($"t{half}0", $"t{half}2"),
                w.UnpackLow($"t{half}1", $"t{half}3"), w.UnpackHigh($"t{half}1", $"t{half}3"),
            ];
            for (int i = 0; i < 4; i++)
            {
                w.Line(w.Store(columns[i], $"(ulong*)(columns + {(4 * half + i) * w.Bytes})"));
            }
        }

        w.Line("}");
    }

    /// <summary>Spreads one key over all lanes.</summary>
    private static void KeyColumn(KernelWriter w)
    {
        Open(w, "public static void KeyColumn(nint key, byte* columns)");
        for (int i = 0; i < 8; i++)
        {
            w.Line(w.Store($"{w.Vector}.Create(((uint*)key)[{i}])", $"(uint*)(columns + {i * w.Bytes})"));
        }

        w.Line("}");
    }

    /// <summary>One block a lane, transposed and added to the lane's source; or only the first 32 bytes, kept as rows.</summary>
    private static void Blocks(KernelWriter w, bool keysOnly)
    {
        Open(w, keysOnly
            ? "public static void KeyBlocks(byte* columns, uint* words, byte* rows)"
            : "public static void Blocks(byte* columns, uint* words, nint* rows)");
        w.RotateMasks();
        for (int i = 0; i < 16; i++)
        {
            w.Line($"{w.Vector}<uint> x{i} = {Initial(w, i)};");
        }

        w.Line("// Constant time: ten rounds always; additions, exclusive ors and rotations alone touch secrets, and no address does.");
        w.Line("for (int round = 0; round < 10; round++)");
        w.Line("{");
        Round(w, ColumnRound);
        Round(w, DiagonalRound);
        w.Line("}");
        w.Line();
        int groups = keysOnly ? 2 : 4;
        for (int i = 0; i < 4 * groups; i++)
        {
            w.Line($"x{i} += {Initial(w, i)};");
        }

        for (int g = 0; g < groups; g++)
        {
            string[] x = [.. Enumerable.Range(4 * g, 4).Select(i => $"x{i}")];
            w.Line($"{w.Vector}<ulong> p{g}0 = {w.UnpackLow(x[0], x[1])}.AsUInt64();");
            w.Line($"{w.Vector}<ulong> p{g}1 = {w.UnpackHigh(x[0], x[1])}.AsUInt64();");
            w.Line($"{w.Vector}<ulong> p{g}2 = {w.UnpackLow(x[2], x[3])}.AsUInt64();");
            w.Line($"{w.Vector}<ulong> p{g}3 = {w.UnpackHigh(x[2], x[3])}.AsUInt64();");
            w.Line($"{w.Vector}<ulong> u{g}0 = {w.UnpackLow($"p{g}0", $"p{g}2")};");
            w.Line($"{w.Vector}<ulong> u{g}1 = {w.UnpackHigh($"p{g}0", $"p{g}2")};");
            w.Line($"{w.Vector}<ulong> u{g}2 = {w.UnpackLow($"p{g}1", $"p{g}3")};");
            w.Line($"{w.Vector}<ulong> u{g}3 = {w.UnpackHigh($"p{g}1", $"p{g}3")};");
        }

        for (int i = 0; i < 4; i++)
        {
            if (keysOnly)
            {
                KeyRows(w, i);
            }
            else
            {
                Rows(w, $"r{i}", [.. Enumerable.Range(0, 4).Select(g => $"u{g}{i}")], q => 4 * q + i);
            }
        }

        w.Line("}");
    }

    /// <summary>Writes the 32-byte key rows of lanes i, 4 + i, … 64 bytes apart.</summary>
    private static void KeyRows(KernelWriter w, int i)
    {
        switch (w.Width)
        {
            case 128:
                w.Line(w.Store($"u0{i}", $"(ulong*)(rows + {64 * i})"));
                w.Line(w.Store($"u1{i}", $"(ulong*)(rows + {64 * i + 16})"));
                break;
            case 256:
                w.Line(w.Store($"Avx2.Permute2x128(u0{i}, u1{i}, 0x20)", $"(ulong*)(rows + {64 * i})"));
                w.Line(w.Store($"Avx2.Permute2x128(u0{i}, u1{i}, 0x31)", $"(ulong*)(rows + {64 * (4 + i)})"));
                break;
            default:
                w.Line($"Vector512<ulong> v{i}0 = Avx512F.Shuffle4x128(u0{i}, u1{i}, 0x44);");
                w.Line($"Vector512<ulong> v{i}1 = Avx512F.Shuffle4x128(u0{i}, u1{i}, 0xEE);");
                w.Line($"v{i}0 = Avx512F.Shuffle4x128(v{i}0, v{i}0, 0xD8);");
                w.Line($"v{i}1 = Avx512F.Shuffle4x128(v{i}1, v{i}1, 0xD8);");
                for (int q = 0; q < 4; q++)
                {
                    string half = q % 2 == 0 ? "GetLower" : "GetUpper";
                    w.Line($"Vector256.Store(v{i}{q / 2}.{half}(), (ulong*)(rows + {64 * (4 * q + i)}));");
                }

                break;
        }
    }

    /// <summary>
    /// Few blocks in row form, for the lanes that do not fill a pass: a shorter chain of dependent steps. Diagonals are
    /// formed by turning rows a, c and d, which are ready before b, so that turning costs no time.
    /// </summary>
    private static void FewBlocks(KernelWriter w, int sets)
    {
        Open(w, $"public static void FewBlocks{sets}(nint* keys, byte* columns, uint* words, nint* rows)");
        w.RotateMasks();
        w.Line($"{w.Vector}<uint> constants = {Join([.. Enumerable.Repeat($"Vector128.Create({string.Join(", ", Constants)})", w.Quarters)])};");
        for (int s = 0; s < sets; s++)
        {
            Nonces(w, s);
        }

        for (int s = 0; s < sets; s++)
        {
            int lane = s * w.Quarters;
            string Parts(Func<int, string> part) => Join([.. Enumerable.Range(lane, w.Quarters).Select(part)]);
            w.Line($"{w.Vector}<uint> a{s} = constants;");
            w.Line($"{w.Vector}<uint> key{s}0 = {Parts(l => $"Vector128.Load((uint*)keys[{l}])")};");
            w.Line($"{w.Vector}<uint> key{s}1 = {Parts(l => $"Vector128.Load((uint*)keys[{l}] + 4)")};");
            w.Line($"{w.Vector}<uint> b{s} = key{s}0;");
            w.Line($"{w.Vector}<uint> c{s} = key{s}1;");
            w.Line($"{w.Vector}<uint> d{s} = nonce{s};");
        }

        w.Line("// Constant time: ten rounds always; additions, exclusive ors and rotations alone touch secrets, and no address does.");
        w.Line("for (int round = 0; round < 10; round++)");
        w.Line("{");
        for (int half = 0; half < 2; half++)
        {
            (string Sum, string Other, string Turned, int Bits)[] steps =
                [("a", "b", "d", 16), ("c", "d", "b", 12), ("a", "b", "d", 8), ("c", "d", "b", 7)];
            foreach ((string sum, string other, string turned, int bits) in steps)
            {
                EachSet(w, s => $"{sum}{s} += {other}{s};", sets);
                EachSet(w, s => $"{turned}{s} ^= {sum}{s};", sets);
                EachSet(w, s => $"{turned}{s} = {w.Rotate($"{turned}{s}", bits)};", sets);
            }

            EachSet(w, s => $"a{s} = {w.Shuffle32($"a{s}", half == 0 ? "0x93" : "0x39")};", sets);
            EachSet(w, s => $"d{s} = {w.Shuffle32($"d{s}", "0x4E")};", sets);
            EachSet(w, s => $"c{s} = {w.Shuffle32($"c{s}", half == 0 ? "0x39" : "0x93")};", sets);
        }

        w.Line("}");
        w.Line();
        for (int s = 0; s < sets; s++)
        {
            int set = s;
            string[] sums = [$"(a{s} + constants)", $"(b{s} + key{s}0)", $"(c{s} + key{s}1)", $"(d{s} + nonce{s})"];
            for (int g = 0; g < 4; g++)
            {
                w.Line($"{w.Vector}<ulong> o{s}{g} = {sums[g]}.AsUInt64();");
            }

            Rows(w, $"r{s}", [.. Enumerable.Range(0, 4).Select(g => $"o{set}{g}")], q => set * w.Quarters + q);
        }

        w.Line("}");
    }

    /// <summary>Gathers row d of one set: block counter, prefix and nonce of each lane.</summary>
    private static void Nonces(KernelWriter w, int s)
    {
        int lane = s * w.Quarters;
        string Column(int c) => c == 1 ? $"Vector128.Load((uint*)(columns + {8 * w.Bytes}))" : $"Vector128.Load(words + {(c == 0 ? "" : c == 2 ? "LaneBuffer.Stride + " : "2 * LaneBuffer.Stride + ")}{lane})";
        w.Line($"Vector128<uint> blocks{s} = {Column(0)}, prefixes{s} = {Column(1)}, lows{s} = {Column(2)}, highs{s} = {Column(3)};");
        string[] starts = [$"Sse2.UnpackLow(blocks{s}, prefixes{s})", $"Sse2.UnpackHigh(blocks{s}, prefixes{s})"];
        string[] ends = [$"Sse2.UnpackLow(lows{s}, highs{s})", $"Sse2.UnpackHigh(lows{s}, highs{s})"];
        for (int i = 0; i < (w.Quarters == 4 ? 2 : 1); i++)
        {
            w.Line($"Vector128<ulong> start{s}{i} = {starts[i]}.AsUInt64(), end{s}{i} = {ends[i]}.AsUInt64();");
        }

        string[] parts = [.. Enumerable.Range(0, w.Quarters).Select(q => $"Sse2.Unpack{(q % 2 == 0 ? "Low" : "High")}(start{s}{q / 2}, end{s}{q / 2}).AsUInt32()")];
        w.Line($"{w.Vector}<uint> nonce{s} = {Join(parts)};");
    }

    /// <summary>Gathers the 64-byte rows out of four vectors of 16-byte parts, adds the sources and stores.</summary>
    private static void Rows(KernelWriter w, string prefix, string[] parts, Func<int, int> lane)
    {
        int vectors = 512 / w.Width;
        string[][] rows = new string[vectors][];
        for (int v = 0; v < vectors; v++)
        {
            int per = w.Quarters;
            rows[v] = w.TransposeParts($"{prefix}{v}", "ulong", parts[(v * per)..((v + 1) * per)]);
        }

        for (int q = 0; q < w.Quarters; q++)
        {
            for (int v = 0; v < vectors; v++)
            {
                string offset = v == 0 ? "" : $" + {v * w.Bytes}";
                string source = w.Load("ulong", $"(byte*)rows[{lane(q)}]{offset}");
                w.Line(w.Store($"{rows[v][q]} ^ {source}", $"(ulong*)((byte*)rows[LaneBuffer.Stride + {lane(q)}]{offset})"));
            }
        }
    }

    private static void Round(KernelWriter w, int[][] quarters)
    {
        // The four quarter rounds are independent: step by step side by side keeps every port busy.
        (int Sum, int Other, int Turned, int Bits)[] steps = [(0, 1, 3, 16), (2, 3, 1, 12), (0, 1, 3, 8), (2, 3, 1, 7)];
        foreach ((int sum, int other, int turned, int bits) in steps)
        {
            foreach (int[] q in quarters)
            {
                w.Line($"x{q[sum]} += x{q[other]};");
            }

            foreach (int[] q in quarters)
            {
                w.Line($"x{q[turned]} ^= x{q[sum]};");
            }

            foreach (int[] q in quarters)
            {
                w.Line($"x{q[turned]} = {w.Rotate($"x{q[turned]}", bits)};");
            }
        }
    }

    private static string Initial(KernelWriter w, int word) => word switch
    {
        < 4 => $"{w.Vector}.Create({Constants[word]})",
        < 12 => w.Load("uint", $"columns + {(word - 4) * w.Bytes}"),
        12 => w.Load("uint", "words"),
        13 => w.Load("uint", $"columns + {8 * w.Bytes}"),
        14 => w.Load("uint", "words + LaneBuffer.Stride"),
        _ => w.Load("uint", "words + 2 * LaneBuffer.Stride"),
    };

    private static string Join(string[] parts) => parts.Length switch
    {
        1 => parts[0],
        2 => $"Vector256.Create({parts[0]}, {parts[1]})",
        _ => $"Vector512.Create(Vector256.Create({parts[0]}, {parts[1]}), Vector256.Create({parts[2]}, {parts[3]}))",
    };

    private static void EachSet(KernelWriter w, Func<int, string> line, int sets)
    {
        for (int s = 0; s < sets; s++)
        {
            w.Line(line(s));
        }
    }

    private static void Open(KernelWriter w, string signature)
    {
        w.Line("[MethodImpl(MethodImplOptions.AggressiveOptimization)]");
        w.Line(signature);
        w.Line("{");
    }
}

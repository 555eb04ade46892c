using System.Globalization;
using System.Text;

namespace TunnelBox.Crypto.Tests.Batch.Generator;

/// <summary>Text of one kernel file: lines with indentation, and the spelling of vector operations for one width.</summary>
internal sealed class KernelWriter(int width)
{
    private readonly StringBuilder _text = new();
    private int _indent;

    /// <summary>Gets the vector width in bits: 512, 256 or 128.</summary>
    public int Width { get; } = width;

    /// <summary>Gets the vector width in bytes.</summary>
    public int Bytes => Width / 8;

    /// <summary>Gets the ChaCha20 blocks that one pass computes.</summary>
    public int ChaChaLanes => Width / 32;

    /// <summary>Gets the packets that one Poly1305 pass authenticates.</summary>
    public int PolyLanes => Width / 64;

    /// <summary>Gets the 128-bit parts of a vector.</summary>
    public int Quarters => Width / 128;

    /// <summary>Gets the name of the vector class.</summary>
    public string Vector => string.Create(CultureInfo.InvariantCulture, $"Vector{Width}");

    private string Isa => Width switch { 512 => "Avx512F", 256 => "Avx2", _ => "Sse2" };

    public void Line(string text = "")
    {
        if (text.StartsWith('}'))
        {
            _indent--;
        }

        if (text.Length != 0)
        {
            _text.Append(' ', 4 * _indent).Append(text);
        }

        _text.Append('\n');
        if (text == "{")
        {
            _indent++;
        }
    }

    public string UnpackLow(string a, string b) => $"{Isa}.UnpackLow({a}, {b})";

    public string UnpackHigh(string a, string b) => $"{Isa}.UnpackHigh({a}, {b})";

    public string Multiply(string a, string b) => $"{Isa}.Multiply({a}.AsUInt32(), {b}.AsUInt32())";

    public string Load(string type, string address) => $"{Vector}.Load(({type}*)({address}))";

    public string Store(string value, string address) => $"{Vector}.Store({value}, {address});";

    /// <summary>Rotates every 32-bit element left.</summary>
    public string Rotate(string x, int bits) => (Width, bits) switch
    {
        (512, _) => $"Avx512F.RotateLeft({x}, {bits})",
        (256, 16) => $"Avx2.Shuffle({x}.AsByte(), rotate16).AsUInt32()",
        (256, 8) => $"Avx2.Shuffle({x}.AsByte(), rotate8).AsUInt32()",
        (128, 16) => $"Ssse3.Shuffle({x}.AsByte(), rotate16).AsUInt32()",
        (128, 8) => $"Ssse3.Shuffle({x}.AsByte(), rotate8).AsUInt32()",
        _ => $"({x} << {bits}) | ({x} >>> {32 - bits})",
    };

    /// <summary>Shuffles the four 32-bit elements of every 128-bit part.</summary>
    public string Shuffle32(string x, string control) => $"{Isa}.Shuffle({x}, {control})";

    /// <summary>Declares the byte shuffles that rotations by 16 and 8 need where no rotate instruction exists.</summary>
    public void RotateMasks()
    {
        if (Width == 512)
        {
            return;
        }

        Line($"{Vector}<byte> rotate16 = {RotateMask(2)};");
        Line($"{Vector}<byte> rotate8 = {RotateMask(3)};");
    }

    /// <summary>
    /// Transposes 128-bit parts: <paramref name="parts"/> holds as many vectors as one has parts (or fewer groups of
    /// them); result q gathers part q of each.
    /// </summary>
    public string[] TransposeParts(string prefix, string type, string[] parts, int wanted = 4)
    {
        string Name(int q) => $"{prefix}{q}";
        switch (Width)
        {
            case 128:
                return parts;
            case 256:
                Line($"{Vector}<{type}> {Name(0)} = Avx2.Permute2x128({parts[0]}, {parts[1]}, 0x20);");
                if (wanted > 1)
                {
                    Line($"{Vector}<{type}> {Name(1)} = Avx2.Permute2x128({parts[0]}, {parts[1]}, 0x31);");
                }

                return [Name(0), Name(1)];
            default:
                Line($"{Vector}<{type}> {prefix}s = Avx512F.Shuffle4x128({parts[0]}, {parts[1]}, 0x44);");
                Line($"{Vector}<{type}> {prefix}t = Avx512F.Shuffle4x128({parts[2]}, {parts[3]}, 0x44);");
                Line($"{Vector}<{type}> {Name(0)} = Avx512F.Shuffle4x128({prefix}s, {prefix}t, 0x88);");
                Line($"{Vector}<{type}> {Name(1)} = Avx512F.Shuffle4x128({prefix}s, {prefix}t, 0xDD);");
                if (wanted > 2)
                {
                    Line($"{prefix}s = Avx512F.Shuffle4x128({parts[0]}, {parts[1]}, 0xEE);");
                    Line($"{prefix}t = Avx512F.Shuffle4x128({parts[2]}, {parts[3]}, 0xEE);");
                    Line($"{Vector}<{type}> {Name(2)} = Avx512F.Shuffle4x128({prefix}s, {prefix}t, 0x88);");
                    Line($"{Vector}<{type}> {Name(3)} = Avx512F.Shuffle4x128({prefix}s, {prefix}t, 0xDD);");
                }

                return [Name(0), Name(1), Name(2), Name(3)];
        }
    }

    public override string ToString() => _text.ToString();

    private string RotateMask(int first)
    {
        IEnumerable<int> bytes = Enumerable.Range(0, Bytes).Select(i => (i % 16 & ~3) + ((i + first) & 3));
        return $"{Vector}.Create((byte){string.Join(", ", bytes)})";
    }
}

using System.Buffers.Binary;

namespace TunnelBox.Fuzz;

/// <summary>
/// Random numbers that are an input's bytes, so that whatever is made with a <see cref="Random"/> can be steered by changing bytes;
/// when the bytes are used up, numbers follow that depend on all of them.
/// </summary>
internal sealed class Draw : Random
{
    private const int Steered = 64;
    private readonly byte[] _input;
    private int _at;
    private ulong _state;

    public Draw(byte[] input)
    {
        _input = input;
        ulong hash = 0xCBF29CE484222325;
        foreach (byte value in input)
        {
            hash = (hash ^ value) * 0x100000001B3;
        }

        _state = hash;
    }

    public override int Next() => (int)(Word(4) & 0x7FFFFFFF) % int.MaxValue;

    public override int Next(int maxValue) => Next(0, maxValue);

    public override int Next(int minValue, int maxValue) => (int)NextInt64(minValue, maxValue);

    public override long NextInt64() => (long)(Word(8) >> 1);

    public override long NextInt64(long maxValue) => NextInt64(0, maxValue);

    public override long NextInt64(long minValue, long maxValue)
    {
        ulong range = (ulong)(maxValue - minValue);
        if (range <= 1)
        {
            return minValue;
        }

        int bytes = range <= 0x100 ? 1 : range <= 0x10000 ? 2 : range <= 0x1_0000_0000 ? 4 : 8;
        return minValue + (long)(Word(bytes) % range);
    }

    public override void NextBytes(byte[] buffer) => NextBytes(buffer.AsSpan());

    public override void NextBytes(Span<byte> buffer)
    {
        int steered = Math.Min(buffer.Length, Math.Min(Steered, _input.Length - _at));
        _input.AsSpan(_at, steered).CopyTo(buffer);
        _at += steered;
        Span<byte> rest = buffer[steered..];
        for (; rest.Length >= 8; rest = rest[8..])
        {
            BinaryPrimitives.WriteUInt64LittleEndian(rest, Following());
        }

        for (int i = 0; i < rest.Length; i++)
        {
            rest[i] = (byte)Following();
        }
    }

    public override double NextDouble() => Sample();

    public override float NextSingle() => (float)Sample();

    protected override double Sample() => (Word(4) & 0x7FFFFFFF) / 2147483648.0;

    private ulong Word(int bytes)
    {
        ulong word = 0;
        for (int i = 0; i < bytes; i++)
        {
            word = (word << 8) | (_at < _input.Length ? _input[_at++] : (byte)(Following() >> 56));
        }

        return word;
    }

    // SplitMix64.
    private ulong Following()
    {
        ulong z = _state += 0x9E3779B97F4A7C15;
        z = (z ^ (z >> 30)) * 0xBF58476D1CE4E5B9;
        z = (z ^ (z >> 27)) * 0x94D049BB133111EB;
        return z ^ (z >> 31);
    }
}

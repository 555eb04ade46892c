using System.Numerics;
using System.Runtime.CompilerServices;

namespace TunnelBox.Protocol;

/// <summary>
/// What <see cref="PrefixTrie{TKey,TBits}"/> asks of a family's addresses. The members are static, so that the trie is
/// compiled once for each family without any virtual call.
/// </summary>
/// <typeparam name="TKey">The address: bit 0 is the most significant one.</typeparam>
internal interface IAddressBits<TKey>
    where TKey : struct
{
    /// <summary>Counts the leading bits that two addresses share.</summary>
    static abstract int Common(TKey a, TKey b);

    /// <summary>Reads one bit; for an index just beyond the address any bit.</summary>
    static abstract int Bit(TKey key, int index);

    /// <summary>Clears all but the leading bits.</summary>
    static abstract TKey Mask(TKey key, int length);
}

/// <summary>IPv4 addresses in host order.</summary>
internal readonly struct IPv4Bits : IAddressBits<uint>
{
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static int Common(uint a, uint b) => BitOperations.LeadingZeroCount(a ^ b);

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static int Bit(uint key, int index) => (int)(key >> (31 - index)) & 1;

    public static uint Mask(uint key, int length) => length == 0 ? 0 : key >> (32 - length) << (32 - length);
}

/// <summary>An IPv6 address as two halves in host order. (A UInt128 would align every trie node to 16 bytes.)</summary>
/// <param name="High">The first eight bytes.</param>
/// <param name="Low">The last eight bytes.</param>
internal readonly record struct IPv6Key(ulong High, ulong Low)
{
    public UInt128 ToUInt128() => new(High, Low);

    public static IPv6Key From(UInt128 address) => new((ulong)(address >> 64), (ulong)address);
}

/// <summary>IPv6 addresses.</summary>
internal readonly struct IPv6Bits : IAddressBits<IPv6Key>
{
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static int Common(IPv6Key a, IPv6Key b)
    {
        ulong high = a.High ^ b.High;
        return high != 0 ? BitOperations.LeadingZeroCount(high) : 64 + BitOperations.LeadingZeroCount(a.Low ^ b.Low);
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static int Bit(IPv6Key key, int index)
    {
        ulong half = index < 64 ? key.High : key.Low;
        return (int)(half >> (63 - (index & 63))) & 1;
    }

    public static IPv6Key Mask(IPv6Key key, int length) => length switch
    {
        0 => default,
        <= 64 => new IPv6Key(key.High >> (64 - length) << (64 - length), 0),
        _ => new IPv6Key(key.High, key.Low >> (128 - length) << (128 - length)),
    };
}

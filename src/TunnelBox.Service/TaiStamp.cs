using System.Buffers.Binary;

namespace TunnelBox.Service;

/// <summary>
/// A TAI64N label (cr.yp.to/libtai/tai64.html) as WireGuard initiations carry it, kept in nanoseconds since 1970-01-01 TAI.
/// </summary>
/// <param name="Nanoseconds">Nanoseconds since 1970-01-01 TAI.</param>
public readonly record struct TaiStamp(long Nanoseconds) : IComparable<TaiStamp>
{
    /// <summary>Bytes of the label.</summary>
    public const int Size = 12;

    /// <summary>
    /// What a clock's stamps are a multiple of, in nanoseconds: 2^24, or 17 ms. Finer digits would tell a peer about the
    /// machine's timing, so they are zero, as in other WireGuards.
    /// </summary>
    public const long Grain = 1 << 24;

    private const ulong Epoch = 1UL << 62;
    private const long Second = 1_000_000_000;

    // TAI was 10 s ahead at the Unix epoch by the convention of TAI64; leap seconds since are left out, as all WireGuards do.
    private const long Offset = 10;

    /// <summary>Gives the stamp of a moment, its last 24 bits of nanoseconds zero.</summary>
    /// <param name="moment">The moment, 1970 or later.</param>
    /// <returns>The stamp.</returns>
    public static TaiStamp Of(DateTimeOffset moment)
    {
        long nanoseconds = Math.Max(0, (moment.UtcTicks - DateTimeOffset.UnixEpoch.UtcTicks) * 100);
        return new TaiStamp((((nanoseconds / Second) + Offset) * Second) + (nanoseconds % Second & ~(Grain - 1)));
    }

    /// <summary>Reads a label.</summary>
    /// <param name="label">Exactly 12 bytes.</param>
    /// <param name="stamp">The stamp, when the answer is true.</param>
    /// <returns>Whether the bytes are a label between 1970 and 2262.</returns>
    public static bool TryRead(ReadOnlySpan<byte> label, out TaiStamp stamp)
    {
        stamp = default;
        if (label.Length != Size)
        {
            return false;
        }

        ulong seconds = BinaryPrimitives.ReadUInt64BigEndian(label);
        uint fraction = BinaryPrimitives.ReadUInt32BigEndian(label[8..]);
        if (seconds < Epoch || seconds - Epoch >= long.MaxValue / Second || fraction >= Second)
        {
            return false;
        }

        stamp = new TaiStamp(((long)(seconds - Epoch) * Second) + fraction);
        return true;
    }

    /// <summary>Writes the label.</summary>
    /// <param name="label">At least 12 bytes.</param>
    public void Write(Span<byte> label)
    {
        BinaryPrimitives.WriteUInt64BigEndian(label, Epoch + (ulong)(Nanoseconds / Second));
        BinaryPrimitives.WriteUInt32BigEndian(label[8..], (uint)(Nanoseconds % Second));
    }

    /// <inheritdoc/>
    public int CompareTo(TaiStamp other) => Nanoseconds.CompareTo(other.Nanoseconds);

    /// <summary>Tells whether one stamp is earlier than another.</summary>
    public static bool operator <(TaiStamp left, TaiStamp right) => left.Nanoseconds < right.Nanoseconds;

    /// <summary>Tells whether one stamp is later than another.</summary>
    public static bool operator >(TaiStamp left, TaiStamp right) => left.Nanoseconds > right.Nanoseconds;

    /// <summary>Tells whether one stamp is not later than another.</summary>
    public static bool operator <=(TaiStamp left, TaiStamp right) => left.Nanoseconds <= right.Nanoseconds;

    /// <summary>Tells whether one stamp is not earlier than another.</summary>
    public static bool operator >=(TaiStamp left, TaiStamp right) => left.Nanoseconds >= right.Nanoseconds;
}

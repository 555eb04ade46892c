using System.Runtime.CompilerServices;
using System.Runtime.InteropServices;

namespace TunnelBox.DataPath.Steering;

/// <summary>Fields that hints can have, and what the packet's headers are like (HINT_* of native/xdp/hints.h).</summary>
[Flags]
public enum HintFields : ushort
{
    /// <summary>Nothing.</summary>
    None = 0,

    /// <summary>A hash of the flow.</summary>
    Hash = 0x001,

    /// <summary>When the packet arrived.</summary>
    Timestamp = 0x002,

    /// <summary>The outermost VLAN tag, which may or may not stand in the frame.</summary>
    Vlan = 0x004,

    /// <summary>The mark of the flow's session.</summary>
    Mark = 0x008,

    /// <summary>The IP header.</summary>
    Network = 0x010,

    /// <summary>The TCP, UDP or ICMP header.</summary>
    Transport = 0x020,

    /// <summary>What the transport header carries.</summary>
    Payload = 0x040,

    /// <summary>The type of a WireGuard message.</summary>
    Message = 0x080,

    /// <summary>The receiver index of a WireGuard message.</summary>
    Receiver = 0x100,

    /// <summary>The packet is a part of a larger one.</summary>
    Fragment = 0x200,

    /// <summary>IPv4 options or IPv6 extension headers stand in it.</summary>
    Options = 0x400,
}

/// <summary>
/// What the XDP program found out about a frame, as it wrote it in front of the frame: <c>struct hints</c> of native/xdp/hints.h,
/// in host byte order. A field means something only where <see cref="Present"/> has its bit.
/// </summary>
[StructLayout(LayoutKind.Sequential)]
public unsafe struct PacketHints
{
    /// <summary>Bytes of the block.</summary>
    public const int Size = 48;

    /// <summary>"TBH", and the version of the layout.</summary>
    public const uint ExpectedMagic = 0x01484254;

    private const HintFields Whole = HintFields.Network | HintFields.Transport | HintFields.Payload;
    private const HintFields Other = HintFields.Fragment | HintFields.Options;
    private const byte Udp = 17;

    /// <summary>Says that the block is one, and of which version.</summary>
    public uint Magic;

    /// <summary>The fields that are there.</summary>
    public HintFields Present;

    /// <summary>Those of them that the card gave; the others were computed in the program.</summary>
    public HintFields Device;

    /// <summary>When the packet arrived, nanoseconds: of the card's clock where it is the device's, of CLOCK_MONOTONIC where not.</summary>
    public ulong Timestamp;

    /// <summary>The same number for all packets of a flow.</summary>
    public uint Hash;

    /// <summary>What the hash was made of: <c>enum xdp_rss_hash_type</c> of the kernel's include/net/xdp.h.</summary>
    public uint HashType;

    /// <summary>The mark of the session: the first four bytes of its peer's public key, the first being the highest.</summary>
    public uint Mark;

    /// <summary>The receiver index of a WireGuard message.</summary>
    public uint Receiver;

    /// <summary>Where the IP header begins, bytes into the frame.</summary>
    public ushort Network;

    /// <summary>Where the transport header begins.</summary>
    public ushort Transport;

    /// <summary>Where that begins which the transport header carries.</summary>
    public ushort Payload;

    /// <summary>Bytes of it.</summary>
    public ushort PayloadLength;

    /// <summary>Tag control information of the outermost VLAN tag.</summary>
    public ushort Vlan;

    /// <summary>4, 6, or 0 for neither.</summary>
    public byte IPVersion;

    /// <summary>The number of the transport protocol, or of what stands in its place.</summary>
    public byte Protocol;

    /// <summary>Type of a WireGuard message, 1 to 4.</summary>
    public byte Message;

    /// <summary>VLAN tags that stand in the frame.</summary>
    public byte Tags;

    /// <summary>The receive queue of the device.</summary>
    public ushort Queue;

    /// <summary>
    /// Gets a value indicating whether the packet is a whole UDP datagram without IP options or extension headers, whose headers
    /// stand where they belong.
    /// </summary>
    public readonly bool IsPlainDatagram =>
        (Present & (Whole | Other)) == Whole && Protocol == Udp && Transport - Network == (IPVersion == 4 ? 20 : 40) && Payload - Transport == 8;

    /// <summary>Tells whether a field is there.</summary>
    /// <param name="field">The field.</param>
    /// <returns>Whether it is.</returns>
    public readonly bool Has(HintFields field) => (Present & field) != HintFields.None;

    /// <summary>Tells whether the card gave a field.</summary>
    /// <param name="field">The field.</param>
    /// <returns>Whether it did.</returns>
    public readonly bool IsFromDevice(HintFields field) => (Device & field) != HintFields.None;

    /// <summary>
    /// Takes the hints from in front of a frame, where they are there and stay inside the frame. What was taken is not there a second
    /// time: memory is used again, and a later frame without hints must not find those of this one.
    /// </summary>
    /// <param name="frame">The frame's first byte.</param>
    /// <param name="room">Bytes in front of it that may be read and written.</param>
    /// <param name="length">Bytes of the frame.</param>
    /// <param name="hints">The hints, where there are any.</param>
    /// <returns>Whether there are.</returns>
    public static bool TryTake(byte* frame, int room, int length, ref PacketHints hints)
    {
        if (room < Size || Unsafe.ReadUnaligned<uint>(frame - Size) != ExpectedMagic)
        {
            return false;
        }

        hints = Unsafe.ReadUnaligned<PacketHints>(frame - Size);
        Unsafe.WriteUnaligned(frame - Size, 0u);
        if (hints.Fits(length))
        {
            return true;
        }

        hints = default;
        return false;
    }

    private readonly bool Fits(int length)
    {
        if (!Has(HintFields.Network))
        {
            return !Has(HintFields.Transport | HintFields.Payload);
        }

        int network = Network + (IPVersion == 4 ? 20 : 40);
        if (network > length)
        {
            return false;
        }

        return !Has(HintFields.Transport)
            ? !Has(HintFields.Payload)
            : Transport >= network && Transport + 8 <= length
                && (!Has(HintFields.Payload) || (Payload >= Transport + 8 && Payload + PayloadLength <= length));
    }
}

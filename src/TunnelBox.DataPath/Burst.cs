using System.Numerics;
using System.Runtime.CompilerServices;
using System.Runtime.InteropServices;
using TunnelBox.DataPath.Steering;
using TunnelBox.Protocol;
using TunnelBox.Visibility;

namespace TunnelBox.DataPath;

/// <summary>What became of a packet.</summary>
public enum Verdict : byte
{
    /// <summary>On its way: the next stage looks at it.</summary>
    Continue = 0,

    /// <summary>Handed to the port, or to a queue that owns a copy of it.</summary>
    Done,

    /// <summary>Dropped, with a reason.</summary>
    Dropped,
}

/// <summary>
/// Up to 64 packets that go through the stages together, as a struct of arrays (design page, "One packet's way").
/// The bytes belong to the port that received them and stay valid until that port receives again. Every packet has at
/// least <see cref="Headroom"/> writable bytes before it and <see cref="Tailroom"/> after it, so that sealing and opening
/// happen in place.
/// </summary>
public sealed class Burst
{
    /// <summary>Packets in a full burst.</summary>
    public const int Capacity = 64;

    /// <summary>Writable bytes in front of a received inner packet: the WireGuard header, and room for outer headers of raw ports.</summary>
    public const int Headroom = 80;

    /// <summary>Writable bytes behind a received inner packet: at most 15 of padding and 16 of tag.</summary>
    public const int Tailroom = 32;

    /// <summary>Packets in this burst.</summary>
    public int Count;

    /// <summary>Address of each packet's first byte.</summary>
    public readonly nint[] Data = new nint[Capacity];

    /// <summary>Bytes of each packet.</summary>
    public readonly int[] Length = new int[Capacity];

    /// <summary>What became of each packet so far.</summary>
    public readonly Verdict[] Verdict = new Verdict[Capacity];

    /// <summary>Why, where the verdict is <see cref="DataPath.Verdict.Dropped"/>.</summary>
    public readonly DropReason[] Reason = new DropReason[Capacity];

    /// <summary>Congestion mark of the outer header (RFC 3168), received or to be sent: 0 to 3.</summary>
    public readonly byte[] Ecn = new byte[Capacity];

    /// <summary>Where a datagram came from; filled by outer ports.</summary>
    public readonly EndpointAddress[] From = new EndpointAddress[Capacity];

    /// <summary>The local address and interface a datagram arrived at; filled by outer ports.</summary>
    public readonly SourceAddress[] To = new SourceAddress[Capacity];

    /// <summary>Where a datagram is to go; filled by the pipeline before an outer port sends.</summary>
    public readonly Endpoint?[] Destination = new Endpoint?[Capacity];

    /// <summary>The session that seals or opened each packet.</summary>
    public readonly Keypair?[] Keypair = new Keypair?[Capacity];

    /// <summary>Whose packet it is, where that is known and <see cref="Keypair"/> does not say so.</summary>
    public readonly Peer?[] Peer = new Peer?[Capacity];

    /// <summary>What is known of each received frame beside its bytes; to be read only while <see cref="HasHints"/> says so.</summary>
    public readonly PacketHints[] Hints = new PacketHints[Capacity];

    /// <summary>Whether any packet has hints; a packet without them has an empty entry then.</summary>
    public bool HasHints;

    /// <summary>
    /// The AF_XDP frame that each packet lies in: the number of its queue in their memory (times 65,536) and its place, from 1, among the frames that this queue
    /// handed out; 0 for a packet that lies elsewhere.
    /// </summary>
    internal readonly int[] Frame = new int[Capacity];

    /// <summary>Whether any packet lies in an AF_XDP frame; one that does not has 0 then.</summary>
    internal bool HasFrames;

    /// <summary>Drops one packet with its reason.</summary>
    /// <param name="index">Which packet.</param>
    /// <param name="reason">Why; never <see cref="DropReason.None"/>.</param>
    public void Drop(int index, DropReason reason)
    {
        Verdict[index] = DataPath.Verdict.Dropped;
        Reason[index] = reason;
    }

    /// <summary>Sums the packets' lengths.</summary>
    /// <returns>Bytes.</returns>
    public long Bytes()
    {
        ReadOnlySpan<int> lengths = Length.AsSpan(0, Count);
        Vector<int> sums = Vector<int>.Zero;
        while (lengths.Length >= Vector<int>.Count)
        {
            sums += new Vector<int>(lengths);
            lengths = lengths[Vector<int>.Count..];
        }

        long bytes = Vector.Sum(sums);
        foreach (int length in lengths)
        {
            bytes += length;
        }

        return bytes;
    }

    /// <summary>Counts the packets that have a session, as long as none was dropped.</summary>
    /// <returns>How many; -1 where a packet was dropped.</returns>
    public int CountSealed()
    {
        if (MemoryMarshal.AsBytes(Verdict.AsSpan(0, Count)).Contains((byte)DataPath.Verdict.Dropped))
        {
            return -1;
        }

        // Only whether a reference is there is read, many at once: that stays so wherever the collector moves what it refers to.
        ref nint first = ref Unsafe.As<Keypair?, nint>(ref MemoryMarshal.GetArrayDataReference(Keypair));
        return Count - MemoryMarshal.CreateReadOnlySpan(ref first, Count).Count((nint)0);
    }

    /// <summary>Makes the burst empty and forgets the objects it referred to.</summary>
    public void Clear()
    {
        Array.Clear(Destination, 0, Count);
        Array.Clear(Keypair, 0, Count);
        Array.Clear(Peer, 0, Count);
        Array.Clear(Verdict, 0, Count);
        Array.Clear(Reason, 0, Count);
        if (HasHints)
        {
            Array.Clear(Hints, 0, Count);
            HasHints = false;
        }

        if (HasFrames)
        {
            Array.Clear(Frame, 0, Count);
            HasFrames = false;
        }

        Count = 0;
    }
}

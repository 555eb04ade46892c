using System.Runtime.InteropServices;

namespace TunnelBox.Visibility.Rings;

/// <summary>What a record is about.</summary>
public enum RecordKind : byte
{
    /// <summary>A packet, or the data message that carried it.</summary>
    Data,

    /// <summary>A handshake message or cookie reply.</summary>
    Handshake,

    /// <summary>Packets or handshakes that ended while they waited: how many, without their bytes.</summary>
    Waiting,
}

/// <summary>How a packet left the pipeline.</summary>
public enum RecordVerdict : byte
{
    /// <summary>A port took it, or the handshake accepted it.</summary>
    Delivered,

    /// <summary>It waits for a session in its peer's queue; another record tells its end.</summary>
    Queued,

    /// <summary>Dropped with a reason.</summary>
    Dropped,
}

/// <summary>
/// The head of one record in a trace ring; the captured bytes follow it: those of the inner packet, then those of the outer one.
/// Fields stand by size, so that the layout has no holes and is the same in every process of one machine.
/// </summary>
[StructLayout(LayoutKind.Sequential)]
public struct RingRecord
{
    /// <summary>Bytes of this head.</summary>
    public const int Size = 128;

    /// <summary>One more than the record's number; 0 while it is written. Written last, read first and again last.</summary>
    public ulong Sequence;

    /// <summary>Nanoseconds of CLOCK_MONOTONIC at which the packet's burst began, or a handshake message came or went.</summary>
    public long Time;

    /// <summary>The counter on the wire.</summary>
    public ulong Counter;

    /// <summary>The first eight bytes of the peer's public key, the first being the highest; 0 for unknown.</summary>
    public ulong Peer;

    /// <summary>The upper half of the peer's outer address, in host order; 0 for IPv4.</summary>
    public ulong RemoteHigh;

    /// <summary>The lower half of the peer's outer address; the address itself for IPv4.</summary>
    public ulong RemoteLow;

    /// <summary>The upper half of our outer address; 0 for IPv4 or unknown.</summary>
    public ulong LocalHigh;

    /// <summary>The lower half of our outer address; 0 where the kernel chose it and nobody knows it yet.</summary>
    public ulong LocalLow;

    /// <summary>Nanoseconds that the burst took in its first stage: route, or open.</summary>
    public uint First;

    /// <summary>Nanoseconds in the second stage: seal, or the inner port.</summary>
    public uint Second;

    /// <summary>Nanoseconds in the third stage: the outer port; 0 inward.</summary>
    public uint Third;

    /// <summary>The receiver index on the wire.</summary>
    public uint Receiver;

    /// <summary>Bytes of the inner packet; 0 where there is none or it did not decrypt.</summary>
    public uint InnerLength;

    /// <summary>Bytes of the UDP payload; 0 where the packet was never sealed.</summary>
    public uint OuterLength;

    /// <summary>Packets that this record is about: 1, but for <see cref="RecordKind.Waiting"/>.</summary>
    public uint Packets;

    /// <summary>The flow hash of a received frame; see <see cref="HasHint"/>.</summary>
    public uint Hint;

    /// <summary>The number of the thread that handled it, as counters and probes have it; 0 for the control side.</summary>
    public ushort Worker;

    /// <summary>The queue of its port, from 0; of a frame with hints the device's receive queue.</summary>
    public ushort Queue;

    /// <summary>Captured bytes of the inner packet.</summary>
    public ushort InnerCaptured;

    /// <summary>Captured bytes of the UDP payload.</summary>
    public ushort OuterCaptured;

    /// <summary>Our UDP port.</summary>
    public ushort LocalPort;

    /// <summary>The peer's UDP port; 0 where no outer path is known.</summary>
    public ushort RemotePort;

    /// <summary>What it is about.</summary>
    public RecordKind Kind;

    /// <summary>Which way it went.</summary>
    public PacketDirection Direction;

    /// <summary>How it ended.</summary>
    public RecordVerdict Verdict;

    /// <summary>Why, where it was dropped.</summary>
    public DropReason Reason;

    /// <summary>The congestion mark of the outer header, 0 to 3.</summary>
    public byte Ecn;

    /// <summary>4 or 6 for the outer family, 0 where no outer path is known.</summary>
    public byte OuterFamily;

    /// <summary>1 where the device gave <see cref="Hint"/>, 2 where the XDP program computed it, 0 where there is none.</summary>
    public byte HasHint;

    /// <summary>Always 0.</summary>
    public byte Unused;

    /// <summary>Nanoseconds from a frame's arrival at the XDP program to the beginning of its burst; 0 where nobody knows.</summary>
    public uint Waited;

    /// <summary>Always 0.</summary>
    public ulong Unused2;
}

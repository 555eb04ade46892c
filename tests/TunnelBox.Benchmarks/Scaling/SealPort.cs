using System.Buffers.Binary;
using TunnelBox.DataPath;

namespace TunnelBox.Benchmarks.Scaling;

/// <summary>An inner port that makes packets as fast as they are taken, a burst to one end after a burst to another.</summary>
/// <param name="gate">When.</param>
/// <param name="from">The inner address they come from.</param>
/// <param name="to">The ends they go to.</param>
internal sealed unsafe class SealPort(Gate gate, uint from, Hub[] to) : IPort
{
    /// <summary>Bytes of each packet: what an inner MTU of 1,420 allows.</summary>
    public const int Length = 1420;

    /// <summary>Bytes between packets: no multiple of the cache's way, and room around each.</summary>
    public const int Slot = 1728;

    private readonly byte[] _memory = GC.AllocateArray<byte>(Burst.Capacity * Slot, pinned: true);
    private int _turn;

    /// <summary>Gets how often there was nothing.</summary>
    public Rest Rest { get; } = new();

    /// <inheritdoc/>
    public string Description => "bench";

    /// <inheritdoc/>
    public bool MoreWaiting => gate.IsOpen;

    /// <inheritdoc/>
    public int GetPollDescriptors(Span<int> descriptors)
    {
        descriptors[0] = gate.Descriptor;
        return 1;
    }

    /// <inheritdoc/>
    public int Receive(Burst burst)
    {
        if (!gate.IsOpen || to.Length == 0)
        {
            Rest.Count();
            return 0;
        }

        uint destination = to[_turn++ % to.Length].Inner;
        for (int i = 0; i < Burst.Capacity; i++)
        {
            fixed (byte* slot = &_memory[(i * Slot) + Burst.Headroom])
            {
                Fill(new Span<byte>(slot, 28), from, destination);
                burst.Data[i] = (nint)slot;
                burst.Length[i] = Length;
            }
        }

        return burst.Count = Burst.Capacity;
    }

    /// <inheritdoc/>
    public void Send(Burst burst)
    {
        // Nothing arrives here.
    }

    /// <inheritdoc/>
    public void Dispose()
    {
    }

    /// <summary>Writes the headers of an IPv4 packet of <see cref="Length"/> bytes.</summary>
    /// <param name="packet">Where to.</param>
    /// <param name="source">From.</param>
    /// <param name="destination">To.</param>
    internal static void Fill(Span<byte> packet, uint source, uint destination)
    {
        packet.Clear();
        packet[0] = 0x45;
        BinaryPrimitives.WriteUInt16BigEndian(packet[2..], Length);
        packet[8] = 64;
        packet[9] = 17;
        BinaryPrimitives.WriteUInt32BigEndian(packet[12..], source);
        BinaryPrimitives.WriteUInt32BigEndian(packet[16..], destination);
    }
}

/// <summary>An outer port that counts what is sent.</summary>
internal sealed class SinkPort : IPort
{
    private long _sent;

    /// <summary>Gets the packets sent.</summary>
    public long Sent => Volatile.Read(ref _sent);

    /// <inheritdoc/>
    public string Description => "bench";

    /// <inheritdoc/>
    public bool MoreWaiting => false;

    /// <inheritdoc/>
    public int GetPollDescriptors(Span<int> descriptors) => 0;

    /// <inheritdoc/>
    public int Receive(Burst burst) => 0;

    /// <inheritdoc/>
    public void Send(Burst burst)
    {
        int sent = 0;
        for (int i = 0; i < burst.Count; i++)
        {
            if (burst.Verdict[i] == Verdict.Continue)
            {
                burst.Verdict[i] = Verdict.Done;
                sent++;
            }
        }

        Volatile.Write(ref _sent, _sent + sent);
    }

    /// <inheritdoc/>
    public void Dispose()
    {
    }
}

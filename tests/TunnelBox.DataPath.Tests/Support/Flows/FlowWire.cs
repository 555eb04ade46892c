using TunnelBox.Protocol;

namespace TunnelBox.DataPath.Tests.Flows;

/// <summary>
/// One worker's outer port: it writes into a lane to the owner of each datagram's session, as the index says, and reads the lanes that lead to
/// its own worker.
/// </summary>
internal sealed unsafe class FlowWire(FlowEnd end, int worker) : IPort
{
    private const int HeldBursts = 24;
    private const int FirstPasses = 300;
    private readonly NativeRegion _region = new(HeldBursts * Burst.Capacity * FlowLane.Slot);
    private long _allocatedFirst;
    private int _calls;
    private int _turn;
    private int _held;

    /// <summary>Gets the lanes to the other end's workers.</summary>
    public FlowLane[] Out { get; } = [.. Enumerable.Range(0, end.WorkerCount).Select(_ => new FlowLane())];

    public long Lost { get; private set; }

    /// <summary>Gets the bytes that the worker's thread has allocated since its first passes.</summary>
    public long Allocated { get; private set; }

    /// <summary>Gets a value indicating whether every lane has room for some bursts.</summary>
    public bool HasRoom
    {
        get
        {
            foreach (FlowLane lane in Out)
            {
                if (lane.Room < 4 * Burst.Capacity)
                {
                    return false;
                }
            }

            return true;
        }
    }

    public string Description => "flow";

    public bool MoreWaiting
    {
        get
        {
            foreach (FlowWire wire in end.Other!.Wires)
            {
                if (wire.Out[worker].Ready > 0)
                {
                    return true;
                }
            }

            return false;
        }
    }

    public int GetPollDescriptors(Span<int> descriptors)
    {
        descriptors[0] = end.Always;
        return 1;
    }

    public int Receive(Burst burst)
    {
        _held = 0;
        int received = ReceiveMore(burst);
        long allocated = GC.GetAllocatedBytesForCurrentThread();
        _calls += received > 0 ? 1 : 0;
        _allocatedFirst = _calls <= FirstPasses ? allocated : _allocatedFirst;
        Allocated = allocated - _allocatedFirst;
        return received;
    }

    public int ReceiveMore(Burst burst)
    {
        if (_held == HeldBursts)
        {
            return 0;
        }

        byte* region = _region.Address + (_held * Burst.Capacity * FlowLane.Slot);
        FlowWire[] wires = end.Other!.Wires;
        _turn++;
        for (int i = 0; i < wires.Length; i++)
        {
            FlowLane lane = wires[(i + _turn) % wires.Length].Out[worker];
            for (int ready = lane.Ready; ready > 0 && burst.Count < Burst.Capacity; ready--)
            {
                int slot = burst.Count++;
                byte* data = region + (slot * FlowLane.Slot) + Burst.Headroom;
                burst.Length[slot] = lane.Read(data);
                burst.Data[slot] = (nint)data;
                burst.From[slot] = end.Other.Address;
                burst.To[slot] = default;
                burst.Ecn[slot] = 0;
            }
        }

        _held += burst.Count > 0 ? 1 : 0;
        return burst.Count;
    }

    public void Send(Burst burst)
    {
        for (int i = 0; i < burst.Count; i++)
        {
            if (burst.Verdict[i] != Verdict.Continue)
            {
                continue;
            }

            byte* data = (byte*)burst.Data[i];
            FlowLane lane = Out[end.Other!.OwnerOf(DataMessage.Receiver(new ReadOnlySpan<byte>(data, burst.Length[i])))];
            if (lane.Room > 0)
            {
                lane.Write(data, burst.Length[i]);
            }
            else
            {
                Lost++;
            }

            burst.Verdict[i] = Verdict.Done;
        }
    }

    public void Dispose()
    {
        _region.Dispose();
        Array.ForEach(Out, lane => lane.Dispose());
    }
}

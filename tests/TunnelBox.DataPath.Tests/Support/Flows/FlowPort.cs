using System.Buffers.Binary;

namespace TunnelBox.DataPath.Tests.Flows;

/// <summary>One worker's inner port: it makes the numbered packets of the inner flows that are this worker's, and looks at the numbers of those that arrive.</summary>
internal sealed unsafe class FlowPort : IPort
{
    private const int NumberAt = 28;
    private static readonly int[] s_lengths = [64, 200, 1400];
    private readonly NativeRegion _region = new(Burst.Capacity * FlowLane.Slot);
    private readonly FlowEnd _end;
    private readonly int _worker;
    private readonly int[] _flows;
    private readonly long[] _next;
    private readonly byte[] _header = new byte[NumberAt];
    private uint _random;

    public FlowPort(FlowEnd end, int worker, int[] flows)
    {
        _end = end;
        _worker = worker;
        _flows = flows;
        _next = new long[flows.Length];
        _random = (uint)worker + 1;
        _header[0] = 0x45;
        _header[8] = 64;
        _header[9] = 17;
        BinaryPrimitives.WriteUInt32BigEndian(_header.AsSpan(12), end.Inner);
    }

    /// <summary>Gets or sets how many packets this port still makes.</summary>
    public long Left { get; set; }

    public string Description => "flow";

    public bool MoreWaiting => Left > 0;

    public int GetPollDescriptors(Span<int> descriptors)
    {
        descriptors[0] = _end.Always;
        return 1;
    }

    public int Receive(Burst burst)
    {
        if (_flows.Length == 0 || Left <= 0 || !_end.Goes || !_end.Wires[_worker].HasRoom)
        {
            return 0;
        }

        BinaryPrimitives.WriteUInt32BigEndian(_header.AsSpan(16), _end.Other!.Inner);
        while (burst.Count < Burst.Capacity && Left > 0)
        {
            _random = (_random * 1664525) + 1013904223;
            int flow = (int)((_random >> 8) % (uint)_flows.Length);
            for (int run = (int)(_random >> 28); run >= 0 && burst.Count < Burst.Capacity && Left > 0; run--)
            {
                Make(burst, flow, s_lengths[(_random >> 4) % 3]);
            }
        }

        return burst.Count;
    }

    public void Send(Burst burst)
    {
        for (int i = 0; i < burst.Count; i++)
        {
            if (burst.Verdict[i] == Verdict.Continue)
            {
                byte* data = (byte*)burst.Data[i];
                _end.Arrive(*(int*)(data + NumberAt), *(long*)(data + NumberAt + 4));
                burst.Verdict[i] = Verdict.Done;
            }
        }
    }

    public void Dispose() => _region.Dispose();

    private void Make(Burst burst, int flow, int length)
    {
        int slot = burst.Count++;
        byte* data = _region.Address + (slot * FlowLane.Slot) + Burst.Headroom;
        _header.CopyTo(new Span<byte>(data, NumberAt));
        BinaryPrimitives.WriteUInt16BigEndian(new Span<byte>(data + 2, 2), (ushort)length);
        *(int*)(data + NumberAt) = _flows[flow];
        *(long*)(data + NumberAt + 4) = ++_next[flow];
        burst.Data[slot] = (nint)data;
        burst.Length[slot] = length;
        Left--;
    }
}

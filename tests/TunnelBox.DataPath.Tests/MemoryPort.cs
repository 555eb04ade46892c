using TunnelBox.Protocol;

namespace TunnelBox.DataPath.Tests;

/// <summary>A port whose packets come from a queue and go to a delegate, for pipelines without any kernel.</summary>
internal sealed unsafe class MemoryPort : IPort
{
    private const int Slot = Burst.Headroom + 65536 + Burst.Tailroom;
    private readonly NativeRegion _region = new(Burst.Capacity * Slot);

    public Queue<(byte[] Bytes, EndpointAddress From, byte Ecn)> Incoming { get; } = new();

    public Action<byte[], Endpoint?, byte>? Sent { get; set; }

    public string Description => "memory";

    public bool MoreWaiting => Incoming.Count > 0;

    public bool Holds => IsOnlyHere && Incoming.Count > 0;

    /// <summary>Whether what waits was taken from where it would wait longer than the port lives.</summary>
    public bool IsOnlyHere { get; set; }

    public int GetPollDescriptors(Span<int> descriptors) => 0;

    public int Receive(Burst burst)
    {
        while (burst.Count < Burst.Capacity && Incoming.TryDequeue(out (byte[] Bytes, EndpointAddress From, byte Ecn) packet))
        {
            int slot = burst.Count++;
            byte* data = _region.Address + (slot * Slot) + Burst.Headroom;
            packet.Bytes.CopyTo(new Span<byte>(data, packet.Bytes.Length));
            burst.Data[slot] = (nint)data;
            burst.Length[slot] = packet.Bytes.Length;
            burst.From[slot] = packet.From;
            burst.To[slot] = default;
            burst.Ecn[slot] = packet.Ecn;
        }

        return burst.Count;
    }

    public void Send(Burst burst)
    {
        for (int i = 0; i < burst.Count; i++)
        {
            if (burst.Verdict[i] == Verdict.Continue)
            {
                Sent?.Invoke(new ReadOnlySpan<byte>((byte*)burst.Data[i], burst.Length[i]).ToArray(), burst.Destination[i], burst.Ecn[i]);
                burst.Verdict[i] = Verdict.Done;
            }
        }
    }

    public void Dispose() => _region.Dispose();
}

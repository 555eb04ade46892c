using System.Runtime.InteropServices;
using TunnelBox.Crypto;
using TunnelBox.Visibility;

namespace TunnelBox.DataPath.Tests;

/// <summary>
/// Drives the stages of two established ends over the same bytes without any queue between them, so that whatever is
/// allocated is the stages' own.
/// </summary>
internal sealed unsafe class LoopPort : IDisposable
{
    private const int Slot = 2048;
    private readonly NativeRegion _region = new(Burst.Capacity * Slot);
    private readonly Burst _burst = new();
    private readonly Outbound _outbound;
    private readonly Inbound _inbound;
    private readonly MemoryNode _sender;
    private readonly MemoryNode _receiver;
    private readonly byte[] _packet = InnerPackets.IPv4("10.0.0.1", "10.0.0.2", 200);

    public LoopPort(MemoryNode sender, MemoryNode receiver)
    {
        _sender = sender;
        _receiver = receiver;
        _outbound = new Outbound(sender.Tunnel, new SodiumAead());
        _inbound = new Inbound(receiver.Tunnel, new SodiumAead(), receiver.Gate);
    }

    public int Run(int packets)
    {
        int moved = 0;
        while (moved < packets)
        {
            int count = Math.Min(Burst.Capacity, packets - moved);
            Fill(count);
            long now = _sender.Tunnel.Now();
            _outbound.Route(_burst, now, static _ => { });
            _outbound.Seal(_burst, now);
            for (int i = 0; i < count; i++)
            {
                _burst.From[i] = _sender.Address;
                _burst.Keypair[i] = null;
            }

            _inbound.Open(_burst, _receiver.Tunnel.Now());
            for (int i = 0; i < count; i++)
            {
                moved += _burst.Verdict[i] == Verdict.Continue && _burst.Reason[i] == DropReason.None ? 1 : 0;
            }

            _burst.Clear();
        }

        return moved;
    }

    public void Dispose() => _region.Dispose();

    private void Fill(int count)
    {
        _burst.Count = count;
        for (int i = 0; i < count; i++)
        {
            byte* data = _region.Address + (i * Slot) + Burst.Headroom;
            Marshal.Copy(_packet, 0, (nint)data, _packet.Length);
            _burst.Data[i] = (nint)data;
            _burst.Length[i] = _packet.Length;
        }
    }
}

using TunnelBox.Protocol;

namespace TunnelBox.DataPath;

/// <content>What waited for a session.</content>
public sealed unsafe partial class Worker
{
    // Packets that waited for a session are copied out of the peer's queue into this worker's own memory, then take the
    // same way as all others.
    private void FlushStaged(Peer peer, bool keepalive)
    {
        if (peer.IsRemoved || (!keepalive && peer.Staged.Count == 0))
        {
            return;
        }

        Keypair? keypair = peer.Current;
        Endpoint? endpoint = peer.Endpoint;
        if (endpoint is null || keypair is null || !keypair.CanSend(_now))
        {
            _tunnel.WantHandshake(peer, _now);
            return;
        }

        while (TakeStaged(peer, keypair, endpoint, keepalive))
        {
            keepalive = false;
            if (IsTraced(outward: true))
            {
                _tracedStaged.Outward(_fromStaged, _outbound, _outer, _now, staged: null);
            }
            else
            {
                _outbound.Seal(_fromStaged, _now);
                _outer.Send(_fromStaged);
            }

            Account(_fromStaged, outward: true);
            _fromStaged.Clear();
        }
    }

    private bool TakeStaged(Peer peer, Keypair keypair, Endpoint endpoint, bool keepalive)
    {
        int offset = 0;
        while (_fromStaged.Count < Burst.Capacity && offset + Burst.Headroom + LargestPacket + Burst.Tailroom <= (int)_stagedBytes.Length)
        {
            byte* data = _stagedBytes.Address + offset + Burst.Headroom;
            if (!peer.Staged.TryTake(new Span<byte>(data, LargestPacket), out int length))
            {
                if (!keepalive || _fromStaged.Count > 0)
                {
                    break;
                }

                length = 0;
            }

            int slot = _fromStaged.Count++;
            _fromStaged.Data[slot] = (nint)data;
            _fromStaged.Length[slot] = length;
            _fromStaged.Keypair[slot] = keypair;
            _fromStaged.Destination[slot] = endpoint;
            offset += (Burst.Headroom + length + Burst.Tailroom + 63) & ~63;
            keepalive = false;
        }

        return _fromStaged.Count > 0;
    }
}

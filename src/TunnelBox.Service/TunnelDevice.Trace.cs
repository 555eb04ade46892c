using TunnelBox.Configuration;
using TunnelBox.Control;
using TunnelBox.Crypto;
using TunnelBox.Protocol;
using TunnelBox.Visibility;
using TunnelBox.Visibility.Rings;

namespace TunnelBox.Service;

/// <content>The rings of per-packet records that the verb <c>trace</c> hands out.</content>
public sealed partial class TunnelDevice
{
    // Each reader costs the workers a copy of every packet's beginning, and the machine a ring a worker.
    private const int MostTraces = 4;

    // Peers whose names go with the answer: as many as a line holds; the rest is known by its number.
    private const int MostTracePeers = 5_000;

    // Handshakes are few; a megabyte holds seconds of a flood of them, whole.
    private const int ControlRingBudget = 1024 * 1024;
    private int _traces;

    private void Trace(ControlCall call)
    {
        TraceRequest request = call.Read(TraceJson.Default.TraceRequest);
        if ((uint)request.InnerSnap > RingMemory.MaxSnap || (uint)request.OuterSnap > RingMemory.MaxSnap)
        {
            throw new ControlException($"{InterfaceName}: a capture of {RingMemory.MaxSnap} bytes a packet is the most there is.", ControlFailure.Wrong);
        }

        var filter = new RingFilter(request.DropsOnly, IdOf(request.Peer), ReasonOf(request.Reason));
        if (Interlocked.Increment(ref _traces) > MostTraces)
        {
            Interlocked.Decrement(ref _traces);
            throw new ControlException($"{InterfaceName}: {MostTraces} traces and captures run already; end one of them.");
        }

        try
        {
            Trace(call, request, filter);
        }
        catch (RingException e)
        {
            throw new ControlException($"{InterfaceName}: {e.Message}");
        }
        finally
        {
            Interlocked.Decrement(ref _traces);
        }
    }

    private void Trace(ControlCall call, TraceRequest request, RingFilter filter)
    {
        List<RingWriter> rings = [];
        try
        {
            rings.Add(new RingWriter(filter, 0, InitiationMessage.Size, worker: 0, ControlRingBudget));
            foreach (RingTaps _ in _taps)
            {
                rings.Add(new RingWriter(filter, request.InnerSnap, request.OuterSnap, rings.Count));
            }

            using KeyPipe? keys = request.KeyLog ? KeyPipe.Open(_tunnel.KeyLog) : null;
            if (keys is not null)
            {
                _log.Warning($"{InterfaceName}: a capture takes the tunnel's keys until it ends (tunnelctl capture --keylog)");
            }

            Attach(rings);
            try
            {
                call.Write(
                    new TraceOpened { Interface = InterfaceName, Rings = rings.Count, Peers = TracePeers() },
                    TraceJson.Default.TraceOpened,
                    [.. rings.Select(ring => ring.Descriptor), .. keys is null ? (int[])[] : [keys.Reading]]);
                while (call.IsOpen)
                {
                    Thread.Sleep(50);
                }
            }
            finally
            {
                Detach(rings);
            }
        }
        catch (RingException)
        {
            rings.ForEach(ring => ring.Dispose());
            throw;
        }
    }

    private void Attach(List<RingWriter> rings)
    {
        _tunnel.Trace.ControlRings.Add(rings[0]);
        for (int i = 0; i < _taps.Length; i++)
        {
            Retire(_taps[i].Add(rings[i + 1]));
        }
    }

    private void Detach(List<RingWriter> rings)
    {
        _tunnel.Trace.ControlRings.Remove(rings[0]);
        rings[0].Dispose();
        for (int i = 0; i < _taps.Length; i++)
        {
            Retire(_taps[i].Remove(rings[i + 1]));
            Retire(rings[i + 1]);
        }
    }

    // A worker may be writing at this moment: memory goes when it has begun another pass.
    private void Retire(IDisposable? used)
    {
        if (used is not null)
        {
            _tunnel.Quiescence.Retire(used.Dispose);
            _handshakes.Wake();
        }
    }

    private TracePeer[] TracePeers()
    {
        IReadOnlyList<Peer> peers;
        using (Tunnel.Edit edit = _tunnel.BeginEdit())
        {
            peers = edit.Peers;
        }

        return
        [
            .. peers.Take(MostTracePeers).Select(peer => new TracePeer
            {
                Id = TunnelTrace.IdOf(peer),
                PublicKey = peer.PublicKey.ToString(),
                Name = Notes.Find(peer.PublicKey)?.Name,
            }),
        ];
    }

    private ulong IdOf(string? text)
    {
        if (text is null)
        {
            return 0;
        }

        Peer? peer = null;
        if (PublicKey.TryParse(text, out PublicKey key))
        {
            using Tunnel.Edit edit = _tunnel.BeginEdit();
            peer = edit.Find(key);
        }

        return peer is not null
            ? TunnelTrace.IdOf(peer)
            : throw new ControlException($"{InterfaceName}: the peer to trace is none of this interface; \"tunnelctl show {InterfaceName} peers\" lists them.", ControlFailure.Wrong);
    }

    private DropReason ReasonOf(string? name) =>
        name is null ? DropReason.None
        : DropReasons.All.FirstOrDefault(reason => reason.Name == name) is { } found ? found.Reason
        : throw new ControlException(
            $"{InterfaceName}: there is no drop reason {ConfigurationFault.Quote(System.Text.Encoding.UTF8.GetBytes(name))}.{Nearest.Question(name, DropReasons.All.Select(reason => reason.Name))}",
            ControlFailure.Wrong);
}

using TunnelBox.Crypto;
using TunnelBox.DataPath;
using TunnelBox.Protocol;

namespace TunnelBox.Service;

/// <content>Whether the device lives, and whether traffic arrives.</content>
public sealed partial class TunnelDevice
{
    // Handshakes that one question of readiness may ask for; the protocol allows each peer one in 5 s.
    private const int HandshakesAsked = 8;
    private const int LookEvery = 5;

    /// <inheritdoc/>
    public string? FindStuck(TimeSpan patience)
    {
        Worker[] workers = _workers;
        long[] passes = [.. workers.Select(worker => worker.Passes)];
        long rounds = _handshakes.Rounds;
        int changed = 0;
        Post(() => Volatile.Write(ref changed, 1));
        Array.ForEach(workers, worker => worker.Wake());
        _handshakes.Wake();
        long until = Environment.TickCount64 + (long)patience.TotalMilliseconds;
        while (true)
        {
            // Workers that were replaced meanwhile have nothing to prove.
            int standing = ReferenceEquals(workers, _workers) ? Array.FindIndex(workers, worker => worker.Passes == passes[Array.IndexOf(workers, worker)]) : -1;
            string? stuck = standing >= 0 ? $"the worker {workers[standing].Name}"
                : _handshakes.Rounds == rounds ? "the thread of handshakes"
                : Volatile.Read(ref changed) == 0 ? "the thread of the interface"
                : null;
            if (stuck is null || _disposed || _changes.IsAddingCompleted)
            {
                return null;
            }

            if (Environment.TickCount64 >= until)
            {
                return $"{stuck} has not moved for {patience.TotalSeconds:F1} s";
            }

            Thread.Sleep(LookEvery);
        }
    }

    /// <inheritdoc/>
    public string? FindUnready()
    {
        if (!_link.IsUp)
        {
            return "the interface is down";
        }

        if (_workers.Length == 0)
        {
            return "no worker moves packets; the log says why the UDP port could not be had";
        }

        if (_options.Settings.ReadyPeers == "none")
        {
            return null;
        }

        List<Peer> required = Required(out int missing);
        if (required.Count == 0)
        {
            return missing > 0 ? "none of the peers of ReadyPeers is configured" : null;
        }

        long window = _options.Settings.ReadyWindow * Limits.Second;
        int asked = 0;
        bool ready = false;
        foreach (Peer peer in required)
        {
            long? age = _tunnel.ContactOf(peer).ReceivedAge;
            ready |= age <= window;
            if (age <= window / 2)
            {
                return null;
            }

            // Silence of a peer that nobody has asked means nothing, so it is asked.
            if (peer.Endpoint is not null && asked++ < HandshakesAsked)
            {
                _ = _tunnel.BeginHandshake(peer, out _, out _);
            }
        }

        return ready ? null : $"none of {required.Count} required peers was heard within {_options.Settings.ReadyWindow} s";
    }

    private List<Peer> Required(out int missing)
    {
        using Tunnel.Edit edit = _tunnel.BeginEdit();
        missing = 0;
        if (_options.Settings.ReadyPeers == "any")
        {
            return [.. edit.Peers];
        }

        List<Peer> required = [];
        foreach (string word in _options.Settings.ReadyPeers.Split(',', StringSplitOptions.TrimEntries))
        {
            if (PublicKey.TryParse(word, out PublicKey key) && edit.Find(key) is { } peer)
            {
                required.Add(peer);
            }
            else
            {
                missing++;
            }
        }

        return required;
    }
}

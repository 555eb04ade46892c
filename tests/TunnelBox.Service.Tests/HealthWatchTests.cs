using TunnelBox.Control;
using TunnelBox.Crypto;
using TunnelBox.Protocol;
using TunnelBox.Visibility;

namespace TunnelBox.Service.Tests;

public sealed class HealthWatchTests : IDisposable
{
    private readonly NanosecondClock _time = new();
    private readonly KeyArena _arena = new();
    private readonly SodiumRandom _random = new();
    private readonly Counters _counters = new();
    private readonly CounterBlock _block;
    private readonly Tunnel _tunnel;
    private readonly HealthWatch _watch;

    public HealthWatchTests()
    {
        _block = _counters.AddBlock("one");
        _tunnel = new Tunnel(_arena, _random, _time, _time, _ => new Tai64nClock(_time), new NoOutput());
        _watch = new HealthWatch(_tunnel, _counters.Read);
        _time.Nanoseconds = 100 * Limits.Second;
    }

    public void Dispose()
    {
        _watch.Dispose();
        _tunnel.Dispose();
        _arena.Dispose();
    }

    [Fact]
    public void A_storm_of_replays_begins_is_told_once_and_passes()
    {
        Peer peer = AddPeer();
        using ControlWatch events = _tunnel.Trace.Watch();
        Pass(1);
        Assert.Equal(PeerHealth.Quiet, Read(peer));
        peer.Drops.Count(PeerDrops.Control, DropReason.InStateSeqError, 150, 15_000);
        Pass(1);
        Assert.Equal(PeerHealth.Replays, Read(peer));
        Pass(3);
        (string name, string detail) = Assert.Single(Health(events));
        Assert.Equal("health", name);
        Assert.StartsWith("replays: 150 of 150", detail, StringComparison.Ordinal);

        Pass(20);
        Assert.Equal(PeerHealth.Quiet, Read(peer));
        Assert.Equal("quiet", Assert.Single(Health(events)).Detail);

        // As many over a long time are no storm.
        for (int i = 0; i < 30; i++)
        {
            peer.Drops.Count(PeerDrops.Control, DropReason.InStateSeqError, 5, 500);
            Pass(1);
        }

        Assert.Equal(PeerHealth.Quiet, Read(peer));
        Assert.Empty(Health(events));
    }

    [Fact]
    public void Reasons_age_for_the_tunnel_and_for_each_peer_and_leave_with_it()
    {
        Peer one = AddPeer(), other = AddPeer();
        Pass(1);
        _block.CountDrop(DropReason.OutNoStates, 1, 100);
        one.Drops.Count(PeerDrops.Control, DropReason.InNoStates, 1, 100);
        Pass(1);
        Pass(4);
        Assert.Equal(4 * Limits.Second, _watch.Ages.Of(DropReason.OutNoStates, _tunnel.Now()));
        Assert.Equal(4 * Limits.Second, _watch.AgesOf(one)!.Of(DropReason.InNoStates, _tunnel.Now()));
        Assert.Null(_watch.AgesOf(other));

        using (Tunnel.Edit edit = _tunnel.BeginEdit())
        {
            edit.RemovePeer(one);
        }

        Pass(1);
        Assert.Null(_watch.AgesOf(one));
    }

    [Fact]
    public void A_watch_looks_by_itself_and_stops()
    {
        _block.CountDrop(DropReason.OutNoStates, 1, 100);
        _watch.Start();
        Assert.True(SpinWait.SpinUntil(() => _watch.Ages.Of(DropReason.OutNoStates, _tunnel.Now()) is not null, TimeSpan.FromSeconds(30)), "nobody looked");
    }

    private static List<(string Name, string Detail)> Health(ControlWatch events)
    {
        List<(string, string)> found = [];
        while (events.Take(TimeSpan.Zero) is { } happened)
        {
            found.Add((happened.Name, happened.Detail));
        }

        return [.. found.Where(one => one.Item1 == "health")];
    }

    private Peer AddPeer()
    {
        byte[] key = new byte[PublicKey.Size];
        Curve25519.GeneratePrivateKey(_random, key);
        using Tunnel.Edit edit = _tunnel.BeginEdit();
        return edit.AddPeer(Curve25519.GetPublicKey(key));
    }

    private PeerHealth Read(Peer peer) => _watch.Read(peer, _tunnel.ContactOf(peer)).Health;

    private void Pass(int seconds)
    {
        for (int i = 0; i < seconds; i++)
        {
            _time.Nanoseconds += Limits.Second;
            _watch.Look();
        }
    }

    // A tunnel counts in nanoseconds.
    private sealed class NanosecondClock : TimeProvider
    {
        public long Nanoseconds { get; set; }

        public override long TimestampFrequency => 1_000_000_000;

        public override long GetTimestamp() => Nanoseconds;
    }

    private sealed class NoOutput : ITunnelOutput
    {
        public DropReason SendDatagram(ReadOnlySpan<byte> datagram, Endpoint endpoint) => DropReason.None;

        public void Flush(Peer peer, bool keepalive)
        {
        }

        public void Wake()
        {
        }

        public void Dropped(DropReason reason, int packets, long bytes)
        {
        }

        public void Event(Peer peer, TunnelEvent tunnelEvent)
        {
        }
    }
}

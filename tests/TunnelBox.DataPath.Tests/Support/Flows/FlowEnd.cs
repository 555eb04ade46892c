using System.Collections.Concurrent;
using System.Net;
using TunnelBox.Crypto;
using TunnelBox.Crypto.Batch;
using TunnelBox.Linux.Libc;
using TunnelBox.Protocol;
using TunnelBox.Visibility;

namespace TunnelBox.DataPath.Tests.Flows;

/// <summary>A clock that only its run moves.</summary>
internal sealed class FlowClock : TimeProvider
{
    private long _now = 1_000_000_000_000;

    public override long TimestampFrequency => 1_000_000_000;

    public void Advance(double seconds) => Interlocked.Add(ref _now, (long)(seconds * 1e9));

    public override long GetTimestamp() => Volatile.Read(ref _now);

    public override DateTimeOffset GetUtcNow() => DateTimeOffset.UnixEpoch.AddTicks(GetTimestamp() / 100);
}

/// <summary>One end with several real workers, threads and all, between ports in memory; it remembers the last number of each inner flow that arrived.</summary>
internal sealed class FlowEnd : ITunnelOutput, IIndexObserver<IndexOwner>, IDisposable
{
    private readonly KeyArena _arena = new();
    private readonly SodiumRandom _random = new();
    private readonly HandshakeQueue _queue = new();
    private readonly FileDescriptor _always = new(LibC.eventfd(1, Definitions.EFD_CLOEXEC | Definitions.EFD_NONBLOCK));
    private readonly ConcurrentDictionary<uint, int> _owners = new();
    private readonly long[] _seen;
    private readonly PublicKey _publicKey;
    private volatile bool _goes;
    private long _arrived;
    private long _reordered;
    private long _droppedStaged;

    public FlowEnd(FlowClock clock, byte number, int workers, int flows)
    {
        WorkerCount = workers;
        Owners = new Ownership(workers, () => clock.GetTimestamp());
        Inner = 0x0A000000u + number;
        Address = new EndpointAddress(0x7F000001, number, IsIPv6: false, ScopeId: 0);
        _seen = new long[flows];
        Tunnel = new Tunnel(_arena, _random, clock, clock, _ => new Tai64nClock(clock), this);
        Wires = [.. Enumerable.Range(0, workers).Select(worker => new FlowWire(this, worker))];

        // The last worker has no flows of its own: it is the one with time.
        int sealing = Math.Max(1, workers - 1);
        Ports = [.. Enumerable.Range(0, workers).Select(worker =>
            new FlowPort(this, worker, worker < sealing ? [.. Enumerable.Range(0, flows).Where(flow => flow % sealing == worker)] : []))];
        var gate = new HandshakeGate(Tunnel, _queue, _random, this);
        PacketAead aead = PacketAead.Select("auto");
        var team = new WorkerTeam();
        Workers = [.. Ports.Select((port, worker) =>
            new Worker($"flow-{number}-{worker}", Tunnel, port, Wires[worker], aead.Create(), gate, Counters.AddBlock()) { Team = team, ShareAfter = 1 })];
        byte[] key = new byte[PublicKey.Size];
        Curve25519.GeneratePrivateKey(_random, key);
        _publicKey = Curve25519.GetPublicKey(key);
        using (Tunnel.Edit edit = Tunnel.BeginEdit())
        {
            edit.SetPrivateKey(key);
        }

        Tunnel.ObserveIndices(this);
    }

    public int WorkerCount { get; }

    public uint Inner { get; }

    public EndpointAddress Address { get; }

    public Tunnel Tunnel { get; }

    public FlowEnd? Other { get; private set; }

    public FlowWire[] Wires { get; }

    public FlowPort[] Ports { get; }

    public Worker[] Workers { get; }

    public Peer? Peer { get; private set; }

    public Counters Counters { get; } = new();

    /// <summary>Gets a descriptor that is always readable: these ports have no other way to be looked at again.</summary>
    public int Always => _always.Value;

    public bool Goes
    {
        get => _goes;
        set => _goes = value;
    }

    public long Arrived => Volatile.Read(ref _arrived);

    public long Reordered => Volatile.Read(ref _reordered);

    /// <summary>Gets the packets dropped so far: by workers with a reason, by the tunnel while they waited for a session, and by wires that were full.</summary>
    public long Dropped => Counters.Read().AllDrops + Volatile.Read(ref _droppedStaged) + Wires.Sum(wire => wire.Lost);

    public ConcurrentQueue<byte[]> Letters { get; } = new();

    public static void Join(FlowEnd a, FlowEnd b)
    {
        a.Know(b);
        b.Know(a);
    }

    public int OwnerOf(uint index) => _owners.GetValueOrDefault(index);

    // An inner flow has one deliverer at a time, so nobody else writes its entry; the totals are summed by several.
    public void Arrive(int flow, long number)
    {
        _ = Interlocked.Increment(ref _arrived);
        if (number <= _seen[flow])
        {
            _ = Interlocked.Increment(ref _reordered);
        }

        _seen[flow] = number;
    }

    public Ownership Owners { get; }

    public void Step()
    {
        while (Other!.Letters.TryDequeue(out byte[]? letter))
        {
            _ = Tunnel.HandleHandshake(letter, Other.Address, default);
        }

        Tunnel.Tick();
    }

    public DropReason SendDatagram(ReadOnlySpan<byte> datagram, Endpoint endpoint)
    {
        Letters.Enqueue(datagram.ToArray());
        return DropReason.None;
    }

    public void Flush(Peer peer, bool keepalive) => Workers[Owners.Of(peer)].Flush(peer, keepalive);

    public void Added(uint index, IndexOwner owner)
    {
        if ((owner as Peer ?? (owner as Keypair)?.Peer) is { } peer)
        {
            _owners[index] = Owners.Of(peer);
        }
    }

    public void Removed(uint index) => _owners.TryRemove(index, out _);

    void IIndexObserver<IndexOwner>.Flush()
    {
        // The dictionary is right at once.
    }

    public void Wake()
    {
    }

    void ITunnelOutput.Dropped(DropReason reason, int packets, long bytes) => Interlocked.Add(ref _droppedStaged, packets);

    public void Event(Peer peer, TunnelEvent tunnelEvent)
    {
    }

    public void Dispose()
    {
        Array.ForEach(Workers, worker => worker.Dispose());
        Tunnel.Dispose();
        Array.ForEach(Wires, wire => wire.Dispose());
        Array.ForEach(Ports, port => port.Dispose());
        _arena.Dispose();
        _always.Dispose();
    }

    private void Know(FlowEnd other)
    {
        Other = other;
        using Tunnel.Edit edit = Tunnel.BeginEdit();
        Peer = edit.AddPeer(other._publicKey);
        Tunnel.Edit.SetEndpoint(Peer, other.Address.ToIPEndPoint());
        edit.AddAllowedIp(Peer, new IPNetwork(new IPAddress([10, 0, 0, (byte)other.Inner]), 32));
    }
}

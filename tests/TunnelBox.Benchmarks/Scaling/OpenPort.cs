using TunnelBox.Crypto;
using TunnelBox.Crypto.Batch;
using TunnelBox.DataPath;
using TunnelBox.Protocol;

namespace TunnelBox.Benchmarks.Scaling;

/// <summary>Sealed packets of one session, numbered, to be handed out again and again.</summary>
internal sealed unsafe class SealedPackets
{
    /// <summary>How many of all sessions together: they lie in the cache of the second or third level, as what the kernel has just copied does.</summary>
    private const int Together = 16 * Burst.Capacity;

    /// <summary>Where in an inner packet its number stands.</summary>
    public const int NumberAt = 28;

    private readonly byte[] _bytes;

    /// <summary>Seals them.</summary>
    /// <param name="sender">The end that seals.</param>
    /// <param name="receiver">The end that will open.</param>
    /// <param name="peer">The sender, as the receiver knows it.</param>
    /// <param name="sessions">How many sessions there are together.</param>
    /// <param name="aead">The engine that seals; null for the best there is.</param>
    public SealedPackets(Hub sender, Hub receiver, Peer peer, int sessions, IPacketAead? aead)
    {
        Count = Together / sessions;
        _bytes = GC.AllocateArray<byte>(Count * SealPort.Slot, pinned: true);
        Peer = peer;
        From = sender.Outer;
        var outbound = new Outbound(sender.Tunnel, aead ?? PacketAead.Select("auto").Create());
        byte[] memory = GC.AllocateArray<byte>(Burst.Capacity * SealPort.Slot, pinned: true);
        var burst = new Burst();
        for (int first = 0; first < Count; first += Burst.Capacity)
        {
            for (int i = 0; i < Burst.Capacity; i++)
            {
                fixed (byte* slot = &memory[(i * SealPort.Slot) + Burst.Headroom])
                {
                    SealPort.Fill(new Span<byte>(slot, NumberAt), sender.Inner, receiver.Inner);
                    *(int*)(slot + NumberAt) = first + i;
                    burst.Data[i] = (nint)slot;
                    burst.Length[i] = SealPort.Length;
                }
            }

            burst.Count = Burst.Capacity;
            long now = sender.Tunnel.Now();
            outbound.Route(burst, now, static _ => { });
            outbound.Seal(burst, now);
            for (int i = 0; i < Burst.Capacity; i++)
            {
                Length = burst.Length[i];
                new ReadOnlySpan<byte>((byte*)burst.Data[i], Length).CopyTo(_bytes.AsSpan((first + i) * SealPort.Slot));
            }

            burst.Clear();
        }
    }

    /// <summary>Gets how many there are: whole bursts.</summary>
    public int Count { get; }

    /// <summary>Gets the session's other end.</summary>
    public Peer Peer { get; }

    /// <summary>Gets where they come from.</summary>
    public EndpointAddress From { get; }

    /// <summary>Gets the bytes of each.</summary>
    public int Length { get; }

    /// <summary>Copies one, as the kernel does.</summary>
    /// <param name="number">Which.</param>
    /// <param name="to">Where to.</param>
    public void Copy(int number, byte* to) => _bytes.AsSpan(number * SealPort.Slot, Length).CopyTo(new Span<byte>(to, Length));
}

/// <summary>An outer port that hands out sealed packets as fast as they are taken, a burst of one session after a burst of another.</summary>
/// <param name="gate">When.</param>
/// <param name="sessions">Of which sessions.</param>
internal sealed unsafe class OpenPort(Gate gate, SealedPackets[] sessions) : IPort
{
    private const int HeldBursts = 24;
    private readonly byte[] _memory = GC.AllocateArray<byte>(HeldBursts * Burst.Capacity * SealPort.Slot, pinned: true);
    private readonly int[] _next = new int[sessions.Length];
    private int _turn;
    private int _held;

    /// <inheritdoc/>
    public string Description => "bench";

    /// <inheritdoc/>
    public bool MoreWaiting => gate.IsOpen && sessions.Length > 0;

    /// <inheritdoc/>
    public int GetPollDescriptors(Span<int> descriptors)
    {
        // Who has no sessions sleeps until it is called.
        descriptors[0] = gate.Descriptor;
        return sessions.Length > 0 ? 1 : 0;
    }

    /// <summary>Gets how often there was nothing.</summary>
    public Rest Rest { get; } = new();

    /// <summary>Begins with the first packet of each session again.</summary>
    public void Rewind() => Array.Clear(_next);

    /// <inheritdoc/>
    public int Receive(Burst burst) => ReceiveMore(burst);

    /// <inheritdoc/>
    public int ReceiveMore(Burst burst)
    {
        if (!MoreWaiting)
        {
            Rest.Count();
            return 0;
        }

        // A worker holds fewer bursts than there is memory for, and gives them back in order.
        int held = _held++ % HeldBursts;
        int session = _turn++ % sessions.Length;
        SealedPackets packets = sessions[session];
        int first = _next[session];
        _next[session] = (first + Burst.Capacity) % packets.Count;
        for (int i = 0; i < Burst.Capacity; i++)
        {
            fixed (byte* slot = &_memory[((held * Burst.Capacity) + i) * SealPort.Slot])
            {
                packets.Copy(first + i, slot);
                burst.Data[i] = (nint)slot;
                burst.Length[i] = packets.Length;
                burst.From[i] = packets.From;
                burst.To[i] = default;
                burst.Ecn[i] = 0;
            }
        }

        return burst.Count = Burst.Capacity;
    }

    /// <inheritdoc/>
    public void Send(Burst burst)
    {
        // Nothing is sent here.
    }

    /// <inheritdoc/>
    public void Dispose()
    {
    }
}

/// <summary>An inner port that looks at the numbers of what is delivered.</summary>
/// <param name="sessions">The sessions whose packets they are.</param>
internal sealed unsafe class NumberPort(SealedPackets[] sessions) : IPort
{
    private readonly Dictionary<Peer, int> _last = [];
    private long _delivered;
    private long _reordered;

    /// <summary>Expects the first packet of each session again.</summary>
    public void Rewind()
    {
        _last.Clear();
        Array.ForEach(sessions, session => session.Peer.Current?.ForgetReceived());
    }

    /// <summary>Gets the packets delivered.</summary>
    public long Delivered => Volatile.Read(ref _delivered);

    /// <summary>Gets those of them that were not the next of their session.</summary>
    public long Reordered => Volatile.Read(ref _reordered);

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
        Keypair? session = burst.Keypair[0];
        if (session is null)
        {
            return;
        }

        // A burst is of one session.
        int last = _last.GetValueOrDefault(session.Peer, -1);
        int delivered = 0;
        int reordered = 0;
        for (int i = 0; i < burst.Count; i++)
        {
            if (burst.Verdict[i] == Verdict.Continue)
            {
                int number = *(int*)((byte*)burst.Data[i] + SealedPackets.NumberAt);
                reordered += number == last + 1 ? 0 : 1;
                last = number;
                delivered++;
                burst.Verdict[i] = Verdict.Done;
            }
        }

        if (last == sessions[0].Count - 1)
        {
            // The same packets come again.
            session.ForgetReceived();
            last = -1;
        }

        _last[session.Peer] = last;
        Volatile.Write(ref _reordered, _reordered + reordered);
        Volatile.Write(ref _delivered, _delivered + delivered);
    }

    /// <inheritdoc/>
    public void Dispose()
    {
    }
}

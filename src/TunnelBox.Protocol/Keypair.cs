using TunnelBox.Crypto;

namespace TunnelBox.Protocol;

/// <summary>
/// One session: the two transport keys that a handshake made (WireGuard paper, section 5.4.5), its counters and its replay
/// window. Workers read it without locks; the arena slots are wiped only when every worker has passed
/// (<see cref="Quiescence"/>).
/// </summary>
public sealed class Keypair : IndexOwner
{
    private readonly Lock _replayGate = new();
    private readonly ReplayWindow _replay = new();
    private long _sendCounter;
    private int _retired;

    internal Keypair(Peer peer, SessionKeys keys, long created)
    {
        Peer = peer;
        SendKey = keys.SendKey;
        ReceiveKey = keys.ReceiveKey;
        LocalIndex = keys.LocalIndex;
        RemoteIndex = keys.RemoteIndex;
        IsInitiator = keys.IsInitiator;
        Created = created;
    }

    /// <summary>Gets the peer at the other end.</summary>
    public Peer Peer { get; }

    /// <summary>Gets the key that seals.</summary>
    public KeyHandle SendKey { get; }

    /// <summary>Gets the key that opens.</summary>
    public KeyHandle ReceiveKey { get; }

    /// <summary>Gets the index by which the peer names this session.</summary>
    public uint LocalIndex { get; }

    /// <summary>Gets the index by which we name this session to the peer.</summary>
    public uint RemoteIndex { get; }

    /// <summary>Gets a value indicating whether we began the handshake, so that renewing the session is up to us.</summary>
    public bool IsInitiator { get; }

    /// <summary>Gets when the session was made, in nanoseconds of the tunnel's clock.</summary>
    public long Created { get; }

    /// <summary>Gets how many counters have been used for sending.</summary>
    public ulong SentPackets => (ulong)Volatile.Read(ref _sendCounter);

    /// <summary>Gets a value indicating whether the session may no longer be used.</summary>
    public bool IsRetired => Volatile.Read(ref _retired) != 0;

    /// <summary>Tells whether the session may still seal packets.</summary>
    /// <param name="now">Nanoseconds of the tunnel's clock.</param>
    /// <returns>False once REJECT_AFTER_TIME or REJECT_AFTER_MESSAGES is reached.</returns>
    public bool CanSend(long now) =>
        now - Created < Limits.RejectAfterTime && SentPackets < Limits.RejectAfterMessages && !IsRetired;

    /// <summary>Tells whether the session may still open packets.</summary>
    /// <param name="now">Nanoseconds of the tunnel's clock.</param>
    /// <returns>False once REJECT_AFTER_TIME is reached.</returns>
    public bool CanReceive(long now) => now - Created < Limits.RejectAfterTime && !IsRetired;

    /// <summary>Reserves consecutive counters for a group of packets; any worker may call.</summary>
    /// <param name="count">Packets, at most a burst.</param>
    /// <param name="first">The first counter.</param>
    /// <returns>False when the session has used up its counters: nothing may be sealed then.</returns>
    public bool TryReserve(int count, out ulong first)
    {
        first = 0;
        // Checked before adding, so that refused calls never walk the counter round to a used nonce.
        if (SentPackets > Limits.RejectAfterMessages - (ulong)count)
        {
            return false;
        }

        ulong after = (ulong)Interlocked.Add(ref _sendCounter, count);
        first = after - (ulong)count;
        return after <= Limits.RejectAfterMessages;
    }

    /// <summary>Takes the lock under which <see cref="AcceptCounter"/> is called; one burst's packets share one taking.</summary>
    /// <returns>The scope to dispose.</returns>
    public Lock.Scope EnterReplay() => _replayGate.EnterScope();

    /// <summary>Checks an authenticated packet's counter against the replay window and remembers it.</summary>
    /// <param name="counter">The counter.</param>
    /// <returns>False when it was seen before or is too old.</returns>
    public bool AcceptCounter(ulong counter) => _replay.Accept(counter);

    /// <summary>Marks the session as no longer usable.</summary>
    /// <returns>True for the first caller, who then owns the wiping of the keys.</returns>
    internal bool TryRetire() => Interlocked.Exchange(ref _retired, 1) == 0;

    /// <summary>Writes the replay window.</summary>
    /// <param name="state"><see cref="ReplayWindow.StateSize"/> bytes.</param>
    internal void ExportReplay(Span<byte> state)
    {
        using (EnterReplay())
        {
            _replay.Export(state);
        }
    }

    /// <summary>Takes up a replay window.</summary>
    /// <param name="state"><see cref="ReplayWindow.StateSize"/> bytes.</param>
    internal void ImportReplay(ReadOnlySpan<byte> state)
    {
        using (EnterReplay())
        {
            _replay.Import(state);
        }
    }

    /// <summary>For benchmarks that open the same packets again and again.</summary>
    internal void ForgetReceived() => _replay.Reset();

    /// <summary>For sessions that were taken over, and for tests of the counter limits.</summary>
    /// <param name="counter">The next counter to use.</param>
    internal void SetSendCounter(ulong counter) => Volatile.Write(ref _sendCounter, (long)counter);
}

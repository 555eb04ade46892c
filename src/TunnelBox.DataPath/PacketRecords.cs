using TunnelBox.DataPath.Steering;
using TunnelBox.Protocol;
using TunnelBox.Visibility;
using TunnelBox.Visibility.Rings;

namespace TunnelBox.DataPath;

/// <summary>
/// Writes a worker's packets into the trace rings: what the stages will overwrite is kept before, and one record a packet is written after
/// the last stage.
/// </summary>
/// <param name="writer">The worker's number.</param>
/// <param name="taps">Its rings.</param>
/// <param name="depth">Which of the bursts that can be under way at once this one is: 0, or 1 for packets that waited.</param>
internal sealed unsafe class PacketRecords(int writer, RingTaps taps, int depth)
{
    private readonly int[] _innerLength = new int[Burst.Capacity];
    private readonly int[] _outerLength = new int[Burst.Capacity];
    private readonly int[] _innerKept = new int[Burst.Capacity];
    private readonly int[] _outerKept = new int[Burst.Capacity];
    private readonly ulong[] _counters = new ulong[Burst.Capacity];
    private readonly uint[] _receivers = new uint[Burst.Capacity];
    private readonly RecordKind[] _kinds = new RecordKind[Burst.Capacity];

    /// <summary>Keeps the beginning of inner packets that go out; call it before they are routed.</summary>
    /// <param name="burst">Inner packets.</param>
    /// <param name="set">The rings.</param>
    public void KeepInner(Burst burst, TapSet set)
    {
        for (int i = 0; i < burst.Count; i++)
        {
            KeepInner(set, i, (byte*)burst.Data[i], burst.Length[i]);
            _outerLength[i] = 0;
            _outerKept[i] = 0;
            _counters[i] = 0;
            _receivers[i] = 0;
            _kinds[i] = RecordKind.Data;
        }
    }

    /// <summary>Keeps the beginning of what was sealed; call it before it is sent.</summary>
    /// <param name="burst">Data messages, where the verdict is still open.</param>
    /// <param name="set">The rings.</param>
    public void KeepSealed(Burst burst, TapSet set)
    {
        for (int i = 0; i < burst.Count; i++)
        {
            if (burst.Verdict[i] == Verdict.Continue)
            {
                KeepOuter(set, i, (byte*)burst.Data[i], burst.Length[i]);
            }
        }
    }

    /// <summary>Keeps the beginning of datagrams that came in; call it before they are opened.</summary>
    /// <param name="burst">Datagrams.</param>
    /// <param name="set">The rings.</param>
    public void KeepReceived(Burst burst, TapSet set)
    {
        for (int i = 0; i < burst.Count; i++)
        {
            KeepOuter(set, i, (byte*)burst.Data[i], burst.Length[i]);
            _innerLength[i] = 0;
            _innerKept[i] = 0;
        }
    }

    /// <summary>Keeps the beginning of packets that were opened; call it before the inner port has them.</summary>
    /// <param name="burst">What was opened.</param>
    /// <param name="set">The rings.</param>
    public void KeepOpened(Burst burst, TapSet set)
    {
        for (int i = 0; i < burst.Count; i++)
        {
            if (burst.Verdict[i] == Verdict.Continue)
            {
                KeepInner(set, i, (byte*)burst.Data[i], burst.Length[i]);
            }
            else if (burst.Verdict[i] == Verdict.Dropped && IsDecrypted(burst.Reason[i]))
            {
                KeepInner(set, i, (byte*)burst.Data[i] + DataMessage.HeaderSize, burst.Length[i] - DataMessage.MinimumSize);
            }
        }
    }

    /// <summary>Writes the records of a burst.</summary>
    /// <param name="burst">The packets after their last stage.</param>
    /// <param name="set">The rings.</param>
    /// <param name="outward">Which way they went.</param>
    /// <param name="times">When the burst began, and how long its stages took.</param>
    public void Write(Burst burst, TapSet set, bool outward, in StageTimes times)
    {
        foreach (RingWriter ring in set.Writers)
        {
            bool any = false;
            for (int i = 0; i < burst.Count; i++)
            {
                // Handshake messages that were admitted are told of by whoever handles them.
                if (burst.Verdict[i] == Verdict.Done && burst.Keypair[i] is null && !outward)
                {
                    continue;
                }

                DropReason reason = burst.Verdict[i] == Verdict.Dropped ? burst.Reason[i] : DropReason.None;
                ulong peer = TunnelTrace.IdOf(burst.Keypair[i]?.Peer ?? burst.Peer[i]);
                if (ring.Filter.Wants(peer, reason))
                {
                    Write(burst, set, ring, i, outward, times, peer, reason);
                    any = true;
                }
            }

            if (any)
            {
                ring.Publish();
            }
        }
    }

    private static bool IsDecrypted(DropReason reason) =>
        reason is DropReason.InStateSeqError or DropReason.InInnerHdrError or DropReason.InTmplMismatch or DropReason.InEcnInvalid;

    private void Write(Burst burst, TapSet set, RingWriter ring, int i, bool outward, in StageTimes times, ulong peer, DropReason reason)
    {
        RingRecord* record = ring.Begin();
        record->Time = times.Began;
        record->First = times.First;
        record->Second = times.Second;
        record->Third = times.Third;
        record->Counter = _counters[i];
        record->Receiver = _receivers[i];
        record->Peer = peer;
        record->InnerLength = (uint)_innerLength[i];
        record->OuterLength = (uint)_outerLength[i];
        record->Packets = 1;
        record->Worker = (ushort)writer;
        record->Queue = taps.Queue;
        record->Kind = _kinds[i];
        record->Direction = outward ? PacketDirection.Out : PacketDirection.In;
        record->Reason = reason;
        record->Verdict = reason != DropReason.None ? RecordVerdict.Dropped
            : outward && burst.Keypair[i] is null ? RecordVerdict.Queued : RecordVerdict.Delivered;
        record->Ecn = burst.Ecn[i];
        if (burst.HasHints)
        {
            AddHints(record, in burst.Hints[i], times.Began);
        }

        if (!outward)
        {
            TunnelTrace.SetPath(ref *record, burst.From[i], burst.To[i], taps.LocalPort);
        }
        else if (burst.Destination[i] is { } to)
        {
            TunnelTrace.SetPath(ref *record, to.Remote, to.Local, taps.LocalPort);
        }

        ring.AddInner(set.Inner(depth, i), _innerKept[i]);
        ring.AddOuter(set.Outer(depth, i), _outerKept[i]);
        ring.End();
    }

    private static void AddHints(RingRecord* record, in PacketHints hints, long began)
    {
        if (hints.Magic != PacketHints.ExpectedMagic)
        {
            return;
        }

        record->Queue = hints.Queue;
        if (hints.Has(HintFields.Hash))
        {
            record->Hint = hints.Hash;
            record->HasHint = hints.IsFromDevice(HintFields.Hash) ? (byte)1 : (byte)2;
        }

        // A card's clock is another one.
        if (hints.Has(HintFields.Timestamp) && !hints.IsFromDevice(HintFields.Timestamp))
        {
            record->Waited = (uint)Math.Clamp(began - (long)hints.Timestamp, 0, uint.MaxValue);
        }
    }

    private void KeepInner(TapSet set, int i, byte* data, int length)
    {
        _innerLength[i] = length;
        _innerKept[i] = Math.Min(length, set.InnerSnap);
        Buffer.MemoryCopy(data, set.Inner(depth, i), set.InnerSnap, _innerKept[i]);
    }

    private void KeepOuter(TapSet set, int i, byte* data, int length)
    {
        _outerLength[i] = length;
        _outerKept[i] = Math.Min(length, set.OuterSnap);
        Buffer.MemoryCopy(data, set.Outer(depth, i), set.OuterSnap, _outerKept[i]);
        var message = new ReadOnlySpan<byte>(data, length);
        bool data_ = WireMessages.Classify(message, out MessageType type) == DropReason.None && type == MessageType.Data;
        _counters[i] = data_ ? DataMessage.Counter(message) : 0;
        _receivers[i] = data_ ? DataMessage.Receiver(message) : 0;
        _kinds[i] = length > 0 && data[0] is > 0 and < (byte)MessageType.Data ? RecordKind.Handshake : RecordKind.Data;
    }
}

/// <summary>When a burst began, and what its stages took.</summary>
/// <param name="Began">Nanoseconds of CLOCK_MONOTONIC.</param>
/// <param name="First">Nanoseconds of the first stage.</param>
/// <param name="Second">Nanoseconds of the second stage.</param>
/// <param name="Third">Nanoseconds of the third stage.</param>
internal readonly record struct StageTimes(long Began, uint First, uint Second, uint Third)
{
    /// <summary>Makes it from time stamps.</summary>
    /// <param name="began">The beginning.</param>
    /// <param name="first">The end of the first stage.</param>
    /// <param name="second">The end of the second stage.</param>
    /// <param name="third">The end of the third stage.</param>
    /// <returns>The times.</returns>
    public static StageTimes Of(long began, long first, long second, long third) =>
        new(began, Difference(began, first), Difference(first, second), Difference(second, third));

    private static uint Difference(long from, long to) => (uint)Math.Clamp(to - from, 0, uint.MaxValue);
}

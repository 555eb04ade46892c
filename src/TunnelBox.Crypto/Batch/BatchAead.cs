using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics;

namespace TunnelBox.Crypto.Batch;

/// <summary>
/// ChaCha20-Poly1305 for bursts: the lanes of a vector hold blocks of different packets. Packets are sorted by length and
/// taken 16 at a time; their Poly1305 keys come from one pass, whole blocks and the pooled tails of all of them fill the
/// next passes, and Poly1305 runs a packet a lane.
/// </summary>
/// <remarks>
/// An instance belongs to one thread at a time: it works in its own memory, so that calls allocate nothing. What depends
/// on keys in that memory is zeroed before a call returns. Branches and addresses follow lengths, counters' places and
/// the outcome of a tag comparison, all of which an observer of the wire knows; never keys, plaintexts or tags.
/// </remarks>
/// <typeparam name="TKernels">The vector width.</typeparam>
internal sealed unsafe partial class BatchAead<TKernels> : IPacketAead, IDisposable
    where TKernels : struct, IBatchKernels
{
    private const int SubBatch = BatchScratch.SubBatch;
    private const int LongestPacket = 65535;

    private readonly BatchScratch _scratch = new();
    private PolyGroup<TKernels> _poly;
    private LaneBuffer _lanes;
    private AheadOfProof _ahead;
    private bool _several;
    private bool _columnsReady;
    private bool _columnsUsed;
    private bool _stateUsed;

    /// <summary>Creates an engine with its working memory.</summary>
    public BatchAead()
    {
        _lanes = new LaneBuffer(_scratch.Lanes);
        _poly = new PolyGroup<TKernels>(_scratch);
    }

    /// <inheritdoc/>
    public string Name => TKernels.Name;

    /// <inheritdoc/>
    public void Seal(Span<AeadJob> jobs)
    {
        try
        {
            fixed (AeadJob* first = jobs)
            {
                for (int i = 0; i < jobs.Length; i += BatchScratch.Slice)
                {
                    int count = Math.Min(BatchScratch.Slice, jobs.Length - i);
                    Arrange(first + i, count);
                    for (int at = 0; at < count; at += SubBatch)
                    {
                        SealSome(_scratch.Order + at, Math.Min(SubBatch, count - at));
                    }
                }
            }
        }
        finally
        {
            // Also when a packet of a later slice is refused.
            Wipe(jobs.Length);
        }
    }

    /// <inheritdoc/>
    public void Open(Span<AeadJob> jobs)
    {
        try
        {
            fixed (AeadJob* first = jobs)
            {
                for (int i = 0; i < jobs.Length; i += BatchScratch.Slice)
                {
                    int count = Math.Min(BatchScratch.Slice, jobs.Length - i);
                    Arrange(first + i, count);
                    for (int at = 0; at < count; at += SubBatch)
                    {
                        OpenSome(_scratch.Order + at, Math.Min(SubBatch, count - at));
                    }
                }
            }
        }
        finally
        {
            // Also when a packet of a later slice is refused.
            Wipe(jobs.Length);
        }
    }

    /// <inheritdoc/>
    public void Dispose() => _scratch.Dispose();

    /// <summary>
    /// Seals one packet with associated data and any first nonce word: the form of RFC 8439, which the wire never uses and
    /// which exists so that the RFC's vectors can be checked.
    /// </summary>
    /// <param name="job">The packet; its destination is not its source.</param>
    /// <param name="prefix">First word of the nonce.</param>
    /// <param name="associated">Associated data.</param>
    internal void SealWithAssociatedData(ref AeadJob job, uint prefix, ReadOnlySpan<byte> associated)
    {
        int padded = (associated.Length + 15) & ~15;
        byte[] message = new byte[padded + job.Length];
        fixed (AeadJob* one = &job)
        fixed (byte* bytes = message)
        {
            AeadJob* list = one;
            SetPrefix(prefix);
            Arrange(one, 1);
            AddKeyBlocks(&list, 1);
            AddData(one, 0, 0);
            Flush();
            FinishTail(one, 0);
            associated.CopyTo(message);
            new Span<byte>((byte*)job.Destination, job.Length).CopyTo(message.AsSpan(padded));
            _stateUsed = true;
            _poly.Begin();
            _poly.Add(bytes, message.Length, (ulong)associated.Length, (ulong)job.Length);
            Vector128.Store(PolyGroup<TKernels>.Tag(_poly.Compute(_scratch.KeyRows), 0), (byte*)job.Destination + job.Length);
            SetPrefix(0);
        }

        Wipe(1);
    }

    private void SetPrefix(uint prefix)
    {
        Vector512<uint> column = Vector512.Create(prefix);
        Vector512.Store(column, (uint*)(_scratch.Columns + 8 * TKernels.VectorBytes));
        Vector512.Store(column, (uint*)(_scratch.MixedColumns + 8 * TKernels.VectorBytes));
    }

    /// <summary>Checks a slice, notes whether it has one key, and sorts it by length.</summary>
    private void Arrange(AeadJob* jobs, int count)
    {
        nint key = jobs[0].Key.Address;
        int rows = (jobs[0].Length + 63) >> 6;
        nint otherKeys = 0;
        int otherRows = 0;
        bool bad = false;
        AeadJob** order = _scratch.Order;
        for (int i = 0; i < count; i++)
        {
            AeadJob* job = jobs + i;
            bad |= (uint)job->Length > LongestPacket | job->Key.IsNone;
            otherKeys |= job->Key.Address ^ key;
            otherRows |= ((job->Length + 63) >> 6) ^ rows;
            order[i] = job;
        }

        if (bad)
        {
            throw new ArgumentException("A packet in the batch has no key or is longer than 65,535 bytes; nothing of its burst was processed.", nameof(jobs));
        }

        _several = otherKeys != 0;
        _columnsReady = false;

        if (otherRows != 0)
        {
            LengthOrder.Sort(jobs, order, count);
        }
    }

    private void SealSome(AeadJob** jobs, int count)
    {
        AddKeyBlocks(jobs, count);
        for (int i = 0; i < count; i++)
        {
            AddData(jobs[i], i, 0);
        }

        Flush();
        for (int i = 0; i < count; i++)
        {
            FinishTail(jobs[i], i);
        }

        Authenticate(jobs, count, sealing: true);
    }

    private void OpenSome(AeadJob** jobs, int count)
    {
        AddKeyBlocks(jobs, count);
        if (count < SubBatch)
        {
            ComputeAhead(jobs, count);
        }

        Flush();
        Authenticate(jobs, count, sealing: false);

        // Whether a packet is genuine is no secret, and what is not genuine is never deciphered.
        for (int i = 0; i < count; i++)
        {
            if (jobs[i]->Opened)
            {
                AddData(jobs[i], i, MixAhead(jobs[i], i));
            }
        }

        Flush();
        for (int i = 0; i < count; i++)
        {
            if (jobs[i]->Opened)
            {
                FinishTail(jobs[i], i);
            }
        }
    }

    /// <summary>Computes all tags: groups side by side from the longest down, but a packet alone where that is cheaper.</summary>
    private void Authenticate(AeadJob** jobs, int count, bool sealing)
    {
        while (count > 0)
        {
            int some = Math.Min(TKernels.PolyLanes, count);
            int alone = PlanAlone(jobs + count - some, some);
            for (int i = 0; i < alone; i++)
            {
                AeadJob* job = jobs[--count];
                _stateUsed |= job->Length > LonePoly<TKernels>.LongestWithoutState;
                byte* text = (byte*)(sealing ? job->Destination : job->Source);
                Conclude(job, LonePoly<TKernels>.Compute(_scratch, text, job->Length, _scratch.KeyRows + 64 * count), sealing);
            }

            if (alone != 0)
            {
                continue;
            }

            count -= some;
            _stateUsed = true;
            _poly.Begin();
            for (int l = 0; l < some; l++)
            {
                AeadJob* job = jobs[count + l];
                _poly.Add((byte*)(sealing ? job->Destination : job->Source), job->Length, 0, (ulong)job->Length);
            }

            byte* tags = _poly.Compute(_scratch.KeyRows + 64 * count);
            for (int l = 0; l < some; l++)
            {
                Conclude(jobs[count + l], PolyGroup<TKernels>.Tag(tags, l), sealing);
            }
        }
    }

    /// <summary>Writes a tag, or compares it: all 16 bytes at once, so that the time does not tell where a forged one differs.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static void Conclude(AeadJob* job, Vector128<byte> tag, bool sealing)
    {
        if (sealing)
        {
            Vector128.Store(tag, (byte*)job->Destination + job->Length);
        }
        else
        {
            job->Opened = tag == Vector128.Load((byte*)job->Source + job->Length);
        }
    }

    /// <summary>Tells how many of a group's longest packets are cheaper alone than in company.</summary>
    private static int PlanAlone(AeadJob** jobs, int count)
    {
        if (count == TKernels.PolyLanes && jobs[0]->Length >= 16 && jobs[count - 1]->Length - jobs[0]->Length < 64)
        {
            return TKernels.LoneCost(4) == 0 ? count : 0;
        }

        int best = int.MaxValue;
        int alone = 0;
        int spent = 0;
        for (int k = 0; k <= count; k++)
        {
            int rest = k == count ? 0 : TKernels.ColumnCost((jobs[count - 1 - k]->Length + 63) >> 6);
            if (spent + rest < best)
            {
                best = spent + rest;
                alone = k;
            }

            if (k < count)
            {
                spent += TKernels.LoneCost((jobs[count - 1 - k]->Length + 15) >> 4);
            }
        }

        return alone;
    }

    /// <summary>Zeroes what depends on keys in the working memory.</summary>
    private void Wipe(int packets)
    {
        int rows = 64 * Math.Min(SubBatch, packets);
        BatchScratch.Wipe(_scratch.KeyRows, rows);
        BatchScratch.Wipe(_scratch.Tails, rows);
        BatchScratch.Wipe(_scratch.Ahead, 64 * _ahead.Total);
        _ahead.Wiped();
        BatchScratch.Wipe(_scratch.Trash, 64 + BatchScratch.TagBytes);
        if (_columnsUsed)
        {
            BatchScratch.Wipe(_scratch.Columns, 8 * TKernels.VectorBytes);
            BatchScratch.Wipe(_scratch.MixedColumns, 8 * TKernels.VectorBytes);
            _columnsUsed = false;
        }

        if (_stateUsed)
        {
            BatchScratch.Wipe(_scratch.State, PolySlots.Beyond * TKernels.VectorBytes);
            _stateUsed = false;
        }
    }
}

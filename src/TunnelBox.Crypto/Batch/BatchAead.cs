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
internal sealed unsafe class BatchAead<TKernels> : IPacketAead, IDisposable
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

        Wipe(jobs.Length);
    }

    /// <inheritdoc/>
    public void Open(Span<AeadJob> jobs)
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

        Wipe(jobs.Length);
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

    /// <summary>Computes, or in a small burst queues, every packet's block 0.</summary>
    private void AddKeyBlocks(AeadJob** jobs, int count)
    {
        _ahead.Reset();
        nint zero = (nint)_scratch.Zero;
        nint row = (nint)_scratch.KeyRows;
        for (int i = 0; i < count; i++)
        {
            _lanes.Add(jobs[i], 0, zero, row + 64 * i);
        }

        if (count == SubBatch)
        {
            for (int at = 0; at < SubBatch; at += TKernels.BlockLanes)
            {
                TKernels.KeyBlocks(ColumnsFor(at), _lanes.Words + at, _scratch.KeyRows + 64 * at);
            }

            _lanes.Count = 0;
        }
    }

    /// <summary>Queues a packet's blocks; a last block that is not whole leaves its key stream in a row of its own.</summary>
    private void AddData(AeadJob* job, int index, int done)
    {
        uint block = 1 + (uint)done;
        nint source = job->Source + 64 * done;
        nint destination = job->Destination + 64 * done;
        int whole = (job->Length >> 6) - done;
        while (whole > 0)
        {
            int room = LaneBuffer.Capacity - _lanes.Count;
            if (room == 0)
            {
                Flush();
                room = LaneBuffer.Capacity;
            }

            int some = Math.Min(room, whole);
            if (some == 1)
            {
                _lanes.Add(job, block, source, destination);
            }
            else
            {
                _lanes.AddRun(job, block, source, destination, some);
            }

            block += (uint)some;
            source += 64 * some;
            destination += 64 * some;
            whole -= some;
        }

        if ((job->Length & 63) != 0 && !_ahead.HasTail(index))
        {
            if (_lanes.Count == LaneBuffer.Capacity)
            {
                Flush();
            }

            _lanes.Add(job, block, (nint)_scratch.Zero, (nint)_scratch.Tails + 64 * index);
        }
    }

    private void FinishTail(AeadJob* job, int index)
    {
        int rest = job->Length & 63;
        if (rest != 0)
        {
            int whole = job->Length - rest;
            TKernels.Mix((byte*)job->Destination + whole, (byte*)job->Source + whole, _scratch.Tails + 64 * index, rest);
        }
    }

    /// <summary>
    /// Fills the lanes that the key blocks of a small burst leave idle with key stream of its packets; it stays in the
    /// working memory until the packet has proved genuine.
    /// </summary>
    private void ComputeAhead(AeadJob** jobs, int count)
    {
        int all = count;
        for (int i = 0; i < count; i++)
        {
            all += (jobs[i]->Length + 63) >> 6;
        }

        int most = all <= TKernels.FewLanes ? all : Math.Min(all, (count + TKernels.BlockLanes - 1) & -TKernels.BlockLanes);
        byte* row = _scratch.Ahead;
        for (int i = 0; i < count && _lanes.Count < most; i++)
        {
            int whole = jobs[i]->Length >> 6;
            int some = Math.Min(whole, most - _lanes.Count);
            for (int b = 0; b < some; b++)
            {
                _lanes.Add(jobs[i], 1 + (uint)b, (nint)_scratch.Zero, (nint)row + 64 * b);
            }

            bool tail = some == whole && (jobs[i]->Length & 63) != 0 && _lanes.Count < most;
            if (tail)
            {
                _lanes.Add(jobs[i], 1 + (uint)whole, (nint)_scratch.Zero, (nint)_scratch.Tails + 64 * i);
            }

            _ahead.Set(i, some, tail);
            row += 64 * some;
        }
    }

    /// <summary>Deciphers a genuine packet's first blocks with the key stream computed ahead.</summary>
    private int MixAhead(AeadJob* job, int index)
    {
        byte* row = _scratch.Ahead + 64 * _ahead.Before(index);
        int some = _ahead.Blocks(index);
        for (int b = 0; b < some; b++)
        {
            Vector512<byte> mixed = Vector512.Load((byte*)job->Source + 64 * b) ^ Vector512.Load(row + 64 * b);
            Vector512.Store(mixed, (byte*)job->Destination + 64 * b);
        }

        return some;
    }

    /// <summary>Runs all waiting lanes.</summary>
    private void Flush()
    {
        int count = _lanes.Count;
        int at = 0;
        while (at < count)
        {
            int left = count - at;
            if (left <= TKernels.FewLanes)
            {
                if (left <= TKernels.FewLanes / 2)
                {
                    Fill(count, at + TKernels.FewLanes / 2);
                    TKernels.FewBlocks1(_lanes.Keys + at, _scratch.Columns, _lanes.Words + at, _lanes.Rows + at);
                }
                else
                {
                    Fill(count, at + TKernels.FewLanes);
                    TKernels.FewBlocks2(_lanes.Keys + at, _scratch.Columns, _lanes.Words + at, _lanes.Rows + at);
                }

                break;
            }

            Fill(count, at + TKernels.BlockLanes);
            TKernels.Blocks(ColumnsFor(at), _lanes.Words + at, _lanes.Rows + at);
            at += TKernels.BlockLanes;
        }

        _lanes.Count = 0;
    }

    /// <summary>Gives idle lanes a harmless source and destination.</summary>
    private void Fill(int count, int end)
    {
        nint key = _lanes.Keys[count - 1];
        for (int i = count; i < end; i++)
        {
            _lanes.Keys[i] = key;
            _lanes.Rows[i] = (nint)_scratch.Zero;
            _lanes.Rows[LaneBuffer.Stride + i] = (nint)_scratch.Trash;
        }
    }

    private byte* ColumnsFor(int lane)
    {
        _columnsUsed = true;
        if (!_several)
        {
            if (!_columnsReady)
            {
                TKernels.KeyColumn(_lanes.Keys[lane], _scratch.Columns);
                _columnsReady = true;
            }

            return _scratch.Columns;
        }

        // The lanes of one packet, or of one peer, share a key: spreading it is cheaper than gathering.
        if (_lanes.SameKey(lane, TKernels.BlockLanes))
        {
            TKernels.KeyColumn(_lanes.Keys[lane], _scratch.MixedColumns);
        }
        else
        {
            TKernels.KeyColumns(_lanes.Keys + lane, _scratch.MixedColumns);
        }

        return _scratch.MixedColumns;
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

using System.Runtime.Intrinsics;

namespace TunnelBox.Crypto.Batch;

/// <content>The key stream: which blocks of which packet go into which lanes, and when the lanes run.</content>
internal sealed unsafe partial class BatchAead<TKernels>
{
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
}

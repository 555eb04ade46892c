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
    private bool _several;
    private uint _prefix;

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

        _scratch.Wipe(Math.Min(SubBatch, jobs.Length), _several);
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

        _scratch.Wipe(Math.Min(SubBatch, jobs.Length), _several);
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
            AddData(one, 0);
            Flush();
            FinishTails(&list, 1);
            associated.CopyTo(message);
            new Span<byte>((byte*)job.Destination, job.Length).CopyTo(message.AsSpan(padded));
            _poly.Begin();
            _poly.Add(bytes, message.Length, (ulong)associated.Length, (ulong)job.Length);
            byte* tags = _poly.Compute(_scratch.KeyRows);
            Unsafe.CopyBlockUnaligned((byte*)job.Destination + job.Length, tags, IPacketAead.TagSize);
            SetPrefix(0);
        }

        _scratch.Wipe(1, several: true);
    }

    private void SetPrefix(uint prefix)
    {
        _prefix = prefix;
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
        if (!_several)
        {
            TKernels.KeyColumn(key, _scratch.Columns);
        }

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
            AddData(jobs[i], i);
        }

        Flush();
        FinishTails(jobs, count);
        for (int at = 0; at < count; at += TKernels.PolyLanes)
        {
            int some = Math.Min(TKernels.PolyLanes, count - at);
            _poly.Begin();
            for (int l = 0; l < some; l++)
            {
                AeadJob* job = jobs[at + l];
                _poly.Add((byte*)job->Destination, job->Length, 0, (ulong)job->Length);
            }

            byte* tags = _poly.Compute(_scratch.KeyRows + 64 * at);
            for (int l = 0; l < some; l++)
            {
                AeadJob* job = jobs[at + l];
                Vector128.Store(PolyGroup<TKernels>.Tag(tags, l), (byte*)job->Destination + job->Length);
            }
        }
    }

    private void OpenSome(AeadJob** jobs, int count)
    {
        AddKeyBlocks(jobs, count);
        Flush();
        for (int at = 0; at < count; at += TKernels.PolyLanes)
        {
            int some = Math.Min(TKernels.PolyLanes, count - at);
            _poly.Begin();
            for (int l = 0; l < some; l++)
            {
                AeadJob* job = jobs[at + l];
                _poly.Add((byte*)job->Source, job->Length, 0, (ulong)job->Length);
            }

            byte* tags = _poly.Compute(_scratch.KeyRows + 64 * at);
            for (int l = 0; l < some; l++)
            {
                // All 16 bytes at once: the time does not tell where a forged tag differs.
                AeadJob* job = jobs[at + l];
                job->Opened = PolyGroup<TKernels>.Tag(tags, l) == Vector128.Load((byte*)job->Source + job->Length);
            }
        }

        // Whether a packet is genuine is no secret, and what is not genuine is never deciphered.
        for (int i = 0; i < count; i++)
        {
            if (jobs[i]->Opened)
            {
                AddData(jobs[i], i);
            }
        }

        Flush();
        for (int i = 0; i < count; i++)
        {
            if (jobs[i]->Opened)
            {
                FinishTails(jobs + i, 1, i);
            }
        }
    }

    /// <summary>Computes, or in a small burst queues, every packet's block 0.</summary>
    private void AddKeyBlocks(AeadJob** jobs, int count)
    {
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
    private void AddData(AeadJob* job, int index)
    {
        uint block = 1;
        nint source = job->Source;
        nint destination = job->Destination;
        int whole = job->Length >> 6;
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

        if ((job->Length & 63) != 0)
        {
            if (_lanes.Count == LaneBuffer.Capacity)
            {
                Flush();
            }

            _lanes.Add(job, block, (nint)_scratch.Zero, (nint)_scratch.Tails + 64 * index);
        }
    }

    private void FinishTails(AeadJob** jobs, int count, int index = 0)
    {
        for (int i = 0; i < count; i++)
        {
            AeadJob* job = jobs[i];
            int rest = job->Length & 63;
            if (rest != 0)
            {
                int whole = job->Length - rest;
                TKernels.Mix((byte*)job->Destination + whole, (byte*)job->Source + whole, _scratch.Tails + 64 * (index + i), rest);
            }
        }
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
                Fill(count, at + TKernels.FewLanes);
                TKernels.FewBlocks(_lanes.Keys + at, _prefix, _lanes.Words + at, _lanes.Rows + at);
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
        if (!_several)
        {
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

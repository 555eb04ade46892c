using System.Runtime.CompilerServices;
using TunnelBox.Linux.Libc;

namespace TunnelBox.DataPath.Xdp;

/// <content>Frames on their way out: taken, filled or taken over where they lie, shown to the kernel, and taken back.</content>
internal sealed unsafe partial class XdpQueue
{
    private const int KickAttempts = 8;

    /// <summary>Takes the frames back that were transmitted.</summary>
    public void Reclaim()
    {
        if (_pool is not null)
        {
            int back = _pool.Collect(_owner, _free.AsSpan(_freeCount));
            _stalled &= back == 0;
            _freeCount += back;
            return;
        }

        XdpRing done = _socket.Completion;
        uint count = done.Ready;
        _stalled &= count == 0;
        ulong[] free = _free;
        int at = _freeCount;
        for (uint i = 0; i < count && (uint)at < (uint)free.Length; i++)
        {
            free[at++] = done.Frame(i) & ~(ulong)(Arena.ChunkSize - 1);
        }

        _freeCount = at;
        done.Release(count);
    }

    /// <summary>Takes a frame to fill.</summary>
    /// <param name="chunk">The frame, for <see cref="Add"/>.</param>
    /// <returns>Where its payload is to go, or null when none is free.</returns>
    public byte* Take(out ulong chunk)
    {
        if (_freeCount == 0)
        {
            chunk = 0;
            return null;
        }

        chunk = _free[--_freeCount];
        return _arena.Address + chunk + PayloadOffset;
    }

    /// <summary>Tells how many frames a packet needs to be transmitted.</summary>
    /// <param name="payload">Its payload in bytes.</param>
    /// <returns>1 or more; 0 where it is too large.</returns>
    public int Pieces(int payload) => payload <= LargestPayload ? 1
        : _chains is not null && payload <= FrameChains.LargestFrame - PayloadOffset ? (payload + LargestPayload - 1) / LargestPayload : 0;

    /// <summary>Makes sure that there are frames for a packet; where there are not, the kernel gets a moment, once a burst.</summary>
    /// <param name="frames">How many it needs.</param>
    /// <param name="waited">Whether the kernel had its moment.</param>
    /// <returns>Whether they are there.</returns>
    public bool HasFree(int frames, ref bool waited)
    {
        if (_freeCount < frames && !waited)
        {
            waited = true;
            AwaitFrame();
        }

        return _freeCount >= frames;
    }

    /// <summary>
    /// Takes over the chunk that a packet was received into, by whichever queue of this worker, if it lies in the same memory: the packet is
    /// transmitted from where it lies, and that queue gets a free chunk for it.
    /// </summary>
    /// <param name="burst">The burst.</param>
    /// <param name="index">Which packet; at least <see cref="PayloadOffset"/> bytes of its chunk are before it.</param>
    /// <returns>False where it must be copied, or no chunk is free.</returns>
    public bool TryTakeOver(Burst burst, int index)
    {
        int frame = burst.Frame[index];
        ulong offset = (ulong)(burst.Data[index] - (nint)_arena.Address);
        if (frame == 0 || offset >= _arena.Length || (offset & (Arena.ChunkSize - 1)) < PayloadOffset || _freeCount == 0
            || _arena.QueueOf(frame >> 16) is not { } other)
        {
            return false;
        }

        ref ulong held = ref other._held[(frame & 0xFFFF) - 1];
        ulong chunk = offset & ~(ulong)(Arena.ChunkSize - 1);
        if (held != chunk)
        {
            return false;
        }

        held = _free[--_freeCount];
        if (!ReferenceEquals(other, this))
        {
            _arena.Move(held, other._owner);
            _arena.Move(chunk, _owner);
        }

        _direct++;
        return true;
    }

    /// <summary>Gives the kernel a moment to transmit what was added, since every frame is under way.</summary>
    public void AwaitFrame()
    {
        Flush();
        Wait();
    }

    /// <summary>Gives back a frame that was taken and is not needed.</summary>
    /// <param name="chunk">The frame.</param>
    public void PutBack(ulong chunk) => _free[_freeCount++] = chunk;

    /// <summary>Puts a filled frame into the TX ring; <see cref="Flush"/> shows it to the kernel.</summary>
    /// <param name="chunk">The frame.</param>
    /// <param name="header">Bytes before the payload's place.</param>
    /// <param name="payload">Bytes from there on.</param>
    /// <param name="options">XDP_TX_METADATA, and XDP_PKT_CONTD where the next frame goes on with it.</param>
    public void Add(ulong chunk, int header, int payload, uint options = 0)
    {
        ref xdp_desc frame = ref _socket.Transmit.Descriptor(_added++);
        frame.addr = chunk + PayloadOffset - (uint)header;
        frame.len = (uint)(header + payload);
        frame.options = options;
        _copied++;
    }

    /// <summary>Puts a frame that was taken over into the TX ring.</summary>
    /// <param name="packet">Where its payload lies.</param>
    /// <param name="header">Bytes before it.</param>
    /// <param name="payload">Bytes from there on.</param>
    /// <param name="options">XDP_TX_METADATA or 0.</param>
    public void AddTakenOver(byte* packet, int header, int payload, uint options = 0)
    {
        ref xdp_desc frame = ref _socket.Transmit.Descriptor(_added++);
        frame.addr = (ulong)(packet - header - _arena.Address);
        frame.len = (uint)(header + payload);
        frame.options = options;
    }

    /// <summary>Asks the device to finish a checksum.</summary>
    /// <param name="frame">The frame's first byte, before which the metadata goes.</param>
    /// <param name="start">Where the checksummed bytes begin.</param>
    /// <param name="offset">Where, from there, the checksum stands: the pseudo header's sum so far.</param>
    /// <returns>What the frame's descriptor says then.</returns>
    public static uint AskForChecksum(byte* frame, int start, int offset)
    {
        Unsafe.WriteUnaligned(
            frame - sizeof(xsk_tx_metadata),
            new xsk_tx_metadata { flags = Definitions.XDP_TXMD_FLAGS_CHECKSUM, csum_start = (ushort)start, csum_offset = (ushort)offset });
        return Definitions.XDP_TX_METADATA;
    }

    /// <summary>Has the kernel transmit what was added.</summary>
    public void Flush()
    {
        if (_added > 0)
        {
            _socket.Transmit.Submit(_added);
            _added = 0;
        }

        Kick();
    }

    // The kernel sets the flag of a ring that was there before it last slept, and none of a socket that came later.
    private bool NeedsKick => _pool is not null || _socket.Transmit.NeedsWakeup;

    /// <summary>Has the kernel go on with what it left in the TX ring.</summary>
    public void Kick()
    {
        XdpRing ring = _socket.Transmit;
        uint left = ring.Used;
        for (int attempt = 0; attempt < KickAttempts && left > 0 && NeedsKick; attempt++)
        {
            int error = _socket.Kick();
            uint before = left;
            left = ring.Used;
            if (error == -Definitions.EBUSY && _socket.Mode != XdpMode.ZeroCopy)
            {
                // In copy mode this says that one frame was taken and the device dropped it (__xsk_generic_xmit of net/xdp/xsk.c).
                Volatile.Write(ref _refused, _refused + 1);
            }

            bool passing = error is >= 0 or -Definitions.EAGAIN or -Definitions.EBUSY or -Definitions.ENOBUFS or -Definitions.ENETDOWN;
            Volatile.Write(ref _sendError, passing ? 0 : error);
            if (!passing)
            {
                return;
            }

            if (left == before)
            {
                // No progress: the socket's buffer or the device is full.
                if (attempt > 0)
                {
                    return;
                }

                Wait();
            }
        }
    }

    // A moment that brought no frame back is not given again before one came: a device that does not transmit must not stop the
    // worker, which also receives.
    private void Wait()
    {
        if (!_stalled)
        {
            _stalled = true;
            _socket.WaitWritable();
        }

        Reclaim();
    }
}

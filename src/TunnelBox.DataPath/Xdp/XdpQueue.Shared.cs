namespace TunnelBox.DataPath.Xdp;

/// <content>A queue that several tunnels share.</content>
internal sealed unsafe partial class XdpQueue
{
    private const int LeavePatience = 500;

    // The frames to receive into are everybody's, so everybody tells of all of them.
    private XdpQueueState ReadShared(XdpPool pool, int worker)
    {
        (int held, int ready) = pool.Received();
        return new XdpQueueState(
            (int)_socket.Queue,
            _socket.Mode,
            worker,
            pool.Frames + _free.Length,
            Volatile.Read(ref _freeCount),
            held + (int)Volatile.Read(ref _added),
            pool.Filled,
            ready,
            (int)_socket.Transmit.Used,
            pool.Waiting(_owner))
        {
            ModeReason = _socket.ModeReason,
            Statistics = ReadStatistics(),
            Copied = Volatile.Read(ref _copied),
        };
    }

    // The program gives this socket nothing any more, and its worker has stopped. Frames that the kernel still has would be others' otherwise.
    private void LeaveShared(XdpPool pool)
    {
        Recycle();
        XdpRing ring = _socket.Receive;
        uint ready = ring.Ready;
        for (uint i = 0; i < ready; i++)
        {
            ulong chunk = ring.Descriptor(i).addr & ~(ulong)(Arena.ChunkSize - 1);
            pool.Fill(new ReadOnlySpan<ulong>(in chunk));
        }

        ring.Release(ready);
        long until = Environment.TickCount64 + LeavePatience;
        Reclaim();
        while (_freeCount < _free.Length && Environment.TickCount64 < until)
        {
            Nudge();
            Thread.Sleep(1);
            Reclaim();
        }

        // What the kernel has not taken goes with the socket. A card may yet take some of it meanwhile: then all stay where they are until the device is closed.
        int untaken = _socket.Mode == XdpMode.ZeroCopy ? 0 : (int)_socket.Transmit.Used;
        _socket.Dispose();
        pool.Leave(_owner, _free.Length - _freeCount - untaken);
    }
}

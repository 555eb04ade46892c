namespace TunnelBox.DataPath.Tests.Flows;

/// <summary>A ring of datagrams from one worker of one end to one worker of the other: the wire and a socket's buffer.</summary>
internal sealed unsafe class FlowLane : IDisposable
{
    /// <summary>Datagrams that a lane holds.</summary>
    public const int Capacity = 1024;

    /// <summary>Bytes of a place, of which a datagram has at most 1,536.</summary>
    public const int Slot = 2048;

    private readonly NativeRegion _bytes = new(Capacity * Slot);
    private readonly int[] _lengths = new int[Capacity];
    private long _read;
    private long _written;

    /// <summary>Gets how many more datagrams there is room for; for the writer.</summary>
    public int Room => Capacity - (int)(_written - Volatile.Read(ref _read));

    /// <summary>Gets how many datagrams are there; for the reader.</summary>
    public int Ready => (int)(Volatile.Read(ref _written) - _read);

    /// <summary>Gets a value indicating whether nothing is there; from any thread.</summary>
    public bool IsEmpty => Volatile.Read(ref _written) == Volatile.Read(ref _read);

    public void Write(byte* data, int length)
    {
        int place = (int)(_written & (Capacity - 1));
        Buffer.MemoryCopy(data, _bytes.Address + (place * Slot), Slot, length);
        _lengths[place] = length;
        Volatile.Write(ref _written, _written + 1);
    }

    public int Read(byte* to)
    {
        int place = (int)(_read & (Capacity - 1));
        int length = _lengths[place];
        Buffer.MemoryCopy(_bytes.Address + (place * Slot), to, Slot, length);
        Volatile.Write(ref _read, _read + 1);
        return length;
    }

    public void Dispose() => _bytes.Dispose();
}

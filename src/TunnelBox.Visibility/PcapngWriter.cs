using System.Buffers.Binary;
using System.Text;

namespace TunnelBox.Visibility;

/// <summary>
/// Writes a capture file (draft-ietf-opsawg-pcapng): one section, interfaces as they are needed, packets of raw IP with nanosecond times.
/// Blocks are collected and written whole, so what is in the file is always a valid file; a write that fails is taken back.
/// </summary>
public sealed class PcapngWriter : IDisposable
{
    /// <summary>Packets begin with their IPv4 or IPv6 header (LINKTYPE_RAW).</summary>
    public const ushort LinkType = 101;

    private const uint SectionHeader = 0x0A0D0D0A;
    private const uint InterfaceDescription = 1;
    private const uint InterfaceStatistics = 5;
    private const uint EnhancedPacket = 6;
    private const int BufferSize = 256 * 1024;
    private readonly Stream _stream;
    private byte[] _buffer = new byte[BufferSize];
    private int _used;
    private int _interfaces;

    /// <summary>Begins a file.</summary>
    /// <param name="stream">Where it goes, owned from now on.</param>
    /// <param name="application">The program that writes it.</param>
    public PcapngWriter(Stream stream, string application)
    {
        ArgumentNullException.ThrowIfNull(stream);
        _stream = stream;
        int start = Begin(SectionHeader);
        Put(0x1A2B3C4Du);
        Put((ushort)1);
        Put((ushort)0);
        Put(ulong.MaxValue); // the section's length is not known yet
        Option(4, Encoding.UTF8.GetBytes(application));
        End(start, hasOptions: true);
    }

    /// <summary>Gets the packets written so far.</summary>
    public long Packets { get; private set; }

    /// <summary>Adds an interface.</summary>
    /// <param name="name">Its name.</param>
    /// <param name="description">What is captured there.</param>
    /// <param name="snap">Most bytes captured of a packet.</param>
    /// <returns>Its number in the file.</returns>
    public int AddInterface(string name, string description, int snap)
    {
        int start = Begin(InterfaceDescription);
        Put(LinkType);
        Put((ushort)0);
        Put((uint)snap);
        Option(2, Encoding.UTF8.GetBytes(name));
        Option(3, Encoding.UTF8.GetBytes(description));
        Option(9, [9]); // if_tsresol: nanoseconds
        End(start, hasOptions: true);
        return _interfaces++;
    }

    /// <summary>Adds a packet.</summary>
    /// <param name="interfaceNumber">Where it was seen, from <see cref="AddInterface"/>.</param>
    /// <param name="time">Unix time in nanoseconds.</param>
    /// <param name="header">Its first bytes, made by the caller; empty where <paramref name="captured"/> has them.</param>
    /// <param name="captured">What was captured behind them.</param>
    /// <param name="length">Its whole length in bytes, with <paramref name="header"/>.</param>
    /// <param name="direction">Which way it went.</param>
    /// <param name="queue">The queue of its port, or a negative number for none.</param>
    /// <param name="comment">A comment, or null.</param>
    /// <exception cref="IOException">The file cannot take more; what was written before is a valid file.</exception>
    public void Add(
        int interfaceNumber, long time, ReadOnlySpan<byte> header, ReadOnlySpan<byte> captured, int length, PacketDirection direction, int queue, string? comment)
    {
        int start = Begin(EnhancedPacket, header.Length + captured.Length);
        Put((uint)interfaceNumber);
        Put((uint)((ulong)time >> 32));
        Put((uint)time);
        Put((uint)(header.Length + captured.Length));
        Put((uint)length);
        Put(header);
        Put(captured);
        Pad();
        Option(2, direction == PacketDirection.In ? 1u : 2u); // epb_flags: inbound, outbound
        if (queue >= 0)
        {
            Option(6, (uint)queue);
        }

        if (comment is not null)
        {
            Option(1, Encoding.UTF8.GetBytes(comment));
        }

        End(start, hasOptions: true);
        Packets++;
    }

    /// <summary>Adds an interface's statistics.</summary>
    /// <param name="interfaceNumber">The interface.</param>
    /// <param name="time">Unix time in nanoseconds.</param>
    /// <param name="received">Packets that should be in the file.</param>
    /// <param name="lost">Those that are not.</param>
    public void AddStatistics(int interfaceNumber, long time, long received, long lost)
    {
        int start = Begin(InterfaceStatistics);
        Put((uint)interfaceNumber);
        Put((uint)((ulong)time >> 32));
        Put((uint)time);
        Option(4, (ulong)received); // isb_ifrecv
        Option(5, (ulong)lost); // isb_ifdrop
        End(start, hasOptions: true);
    }

    /// <summary>Writes what was collected.</summary>
    /// <exception cref="IOException">The file cannot take it; it ends with the last block that was written whole.</exception>
    public void Flush()
    {
        if (_used == 0)
        {
            return;
        }

        long before = _stream.CanSeek ? _stream.Position : -1;
        try
        {
            _stream.Write(_buffer, 0, _used);
            _stream.Flush();
        }
        catch (IOException) when (before >= 0)
        {
            _stream.SetLength(before);
            throw;
        }
        finally
        {
            _used = 0;
        }
    }

    /// <summary>Closes the file without what was not yet written; call <see cref="Flush"/> first.</summary>
    public void Dispose() => _stream.Dispose();

    private int Begin(uint type, int data = 0)
    {
        if (_used + data + 4096 > _buffer.Length)
        {
            Flush();
            if (data + 4096 > _buffer.Length)
            {
                Array.Resize(ref _buffer, data + 4096);
            }
        }

        int start = _used;
        Put(type);
        Put(0u);
        return start;
    }

    private void End(int start, bool hasOptions)
    {
        if (hasOptions)
        {
            Put(0u); // opt_endofopt
        }

        uint length = (uint)(_used - start + 4);
        Put(length);
        BinaryPrimitives.WriteUInt32LittleEndian(_buffer.AsSpan(start + 4), length);
    }

    // Options are short by nature; one of more than 1,000 bytes is cut, so that a block always has room.
    private void Option(ushort code, ReadOnlySpan<byte> value)
    {
        value = value[..Math.Min(value.Length, 1000)];
        Put(code);
        Put((ushort)value.Length);
        Put(value);
        Pad();
    }

    private void Option(ushort code, uint value)
    {
        Put(code);
        Put((ushort)4);
        Put(value);
    }

    private void Option(ushort code, ulong value)
    {
        Put(code);
        Put((ushort)8);
        Put(value);
    }

    private void Put(ReadOnlySpan<byte> bytes)
    {
        bytes.CopyTo(_buffer.AsSpan(_used));
        _used += bytes.Length;
    }

    private void Put(ushort value)
    {
        BinaryPrimitives.WriteUInt16LittleEndian(_buffer.AsSpan(_used), value);
        _used += 2;
    }

    private void Put(uint value)
    {
        BinaryPrimitives.WriteUInt32LittleEndian(_buffer.AsSpan(_used), value);
        _used += 4;
    }

    private void Put(ulong value)
    {
        BinaryPrimitives.WriteUInt64LittleEndian(_buffer.AsSpan(_used), value);
        _used += 8;
    }

    private void Pad()
    {
        while (_used % 4 != 0)
        {
            _buffer[_used++] = 0;
        }
    }
}

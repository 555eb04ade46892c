using System.Runtime.CompilerServices;
using System.Runtime.InteropServices;
using System.Text;

namespace TunnelBox.Linux.Netlink;

/// <summary>Builds one netlink request (linux/netlink.h): header, family header, attributes padded to 4 bytes.</summary>
public sealed class NetlinkWriter
{
    /// <summary>Bytes of struct nlmsghdr.</summary>
    public const int HeaderSize = 16;

    private byte[] _buffer = new byte[512];
    private int _used;

    /// <summary>Begins a request.</summary>
    /// <param name="type">nlmsg_type.</param>
    /// <param name="flags">nlmsg_flags; NLM_F_REQUEST is added.</param>
    public NetlinkWriter(ushort type, ushort flags)
    {
        _used = HeaderSize;
        MemoryMarshal.Write(_buffer.AsSpan(4), type);
        MemoryMarshal.Write(_buffer.AsSpan(6), (ushort)(flags | Rtnetlink.NLM_F_REQUEST));
    }

    /// <summary>Gets the request's type.</summary>
    public ushort Type => MemoryMarshal.Read<ushort>(_buffer.AsSpan(4));

    /// <summary>Gets the request's flags.</summary>
    public ushort Flags => MemoryMarshal.Read<ushort>(_buffer.AsSpan(6));

    /// <summary>Adds a family header or any other fixed structure.</summary>
    /// <typeparam name="T">A blittable structure.</typeparam>
    /// <param name="value">Its value.</param>
    /// <returns>This writer.</returns>
    public NetlinkWriter Struct<T>(in T value)
        where T : unmanaged
    {
        int size = Unsafe.SizeOf<T>();
        MemoryMarshal.Write(Take(size), in value);
        return this;
    }

    /// <summary>Adds an attribute of bytes.</summary>
    /// <param name="type">nla_type.</param>
    /// <param name="payload">Its payload, at most 65,531 bytes.</param>
    /// <returns>This writer.</returns>
    public NetlinkWriter Attribute(ushort type, ReadOnlySpan<byte> payload)
    {
        if (payload.Length > ushort.MaxValue - 4)
        {
            throw new ArgumentException("An attribute carries at most 65,531 bytes.", nameof(payload));
        }

        Span<byte> at = Take(4 + payload.Length);
        MemoryMarshal.Write(at, (ushort)(4 + payload.Length));
        MemoryMarshal.Write(at[2..], type);
        payload.CopyTo(at[4..]);
        return this;
    }

    /// <summary>Adds an attribute of 32 bits in host order.</summary>
    /// <param name="type">nla_type.</param>
    /// <param name="value">Its value.</param>
    /// <returns>This writer.</returns>
    public NetlinkWriter Attribute(ushort type, uint value) => Attribute(type, MemoryMarshal.AsBytes(new ReadOnlySpan<uint>(in value)));

    /// <summary>Adds an attribute of text with its closing zero.</summary>
    /// <param name="type">nla_type.</param>
    /// <param name="value">Its value.</param>
    /// <returns>This writer.</returns>
    public NetlinkWriter Attribute(ushort type, string value) => Attribute(type, Encoding.UTF8.GetBytes(value + "\0"));

    /// <summary>Begins an attribute that holds attributes.</summary>
    /// <param name="type">nla_type.</param>
    /// <returns>What <see cref="EndNest"/> needs.</returns>
    public int BeginNest(ushort type)
    {
        int start = _used;
        Attribute(type, []);
        return start;
    }

    /// <summary>Ends an attribute that holds attributes.</summary>
    /// <param name="start">What <see cref="BeginNest"/> gave.</param>
    public void EndNest(int start) => MemoryMarshal.Write(_buffer.AsSpan(start), checked((ushort)(_used - start)));

    /// <summary>Completes the header.</summary>
    /// <param name="sequence">nlmsg_seq.</param>
    /// <param name="extraFlags">Flags to add.</param>
    /// <returns>The request.</returns>
    public ReadOnlySpan<byte> Finish(uint sequence, ushort extraFlags = 0)
    {
        MemoryMarshal.Write(_buffer, (uint)_used);
        MemoryMarshal.Write(_buffer.AsSpan(6), (ushort)(Flags | extraFlags));
        MemoryMarshal.Write(_buffer.AsSpan(8), sequence);
        return _buffer.AsSpan(0, _used);
    }

    private Span<byte> Take(int size)
    {
        int padded = (size + 3) & ~3;
        if (_used + padded > _buffer.Length)
        {
            Array.Resize(ref _buffer, Math.Max(2 * _buffer.Length, _used + padded));
        }

        Span<byte> at = _buffer.AsSpan(_used, size);
        _used += padded;
        return at;
    }
}

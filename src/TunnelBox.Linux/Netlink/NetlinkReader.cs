using System.Runtime.CompilerServices;
using System.Runtime.InteropServices;

namespace TunnelBox.Linux.Netlink;

/// <summary>One netlink message in a received buffer.</summary>
public readonly ref struct NetlinkMessage
{
    internal NetlinkMessage(ReadOnlySpan<byte> header, ReadOnlySpan<byte> payload)
    {
        Type = MemoryMarshal.Read<ushort>(header[4..]);
        Flags = MemoryMarshal.Read<ushort>(header[6..]);
        Sequence = MemoryMarshal.Read<uint>(header[8..]);
        PortId = MemoryMarshal.Read<uint>(header[12..]);
        Payload = payload;
    }

    /// <summary>Gets nlmsg_type.</summary>
    public ushort Type { get; }

    /// <summary>Gets nlmsg_flags.</summary>
    public ushort Flags { get; }

    /// <summary>Gets nlmsg_seq.</summary>
    public uint Sequence { get; }

    /// <summary>Gets nlmsg_pid.</summary>
    public uint PortId { get; }

    /// <summary>Gets what follows the header.</summary>
    public ReadOnlySpan<byte> Payload { get; }

    /// <summary>Reads the errno of an NLMSG_ERROR or NLMSG_DONE and the kernel's words for it.</summary>
    /// <param name="reason">The words (NLMSGERR_ATTR_MSG), or null.</param>
    /// <returns>0, or a positive errno; EPROTO (71) where the message is cut short.</returns>
    public int Error(out string? reason)
    {
        reason = null;
        if (Payload.Length < 4)
        {
            return Type == Rtnetlink.NLMSG_DONE ? 0 : 71;
        }

        int error = MemoryMarshal.Read<int>(Payload);
        if (error is > 0 or < -4095)
        {
            return Type == Rtnetlink.NLMSG_DONE ? 0 : 71;
        }

        if ((Flags & Rtnetlink.NLM_F_ACK_TLVS) != 0)
        {
            // An error carries the request's header, and with NLM_F_CAPPED nothing more of it.
            int skip = 4;
            if (Type == Rtnetlink.NLMSG_ERROR)
            {
                skip += NetlinkWriter.HeaderSize;
                if ((Flags & Rtnetlink.NLM_F_CAPPED) == 0 && Payload.Length >= skip)
                {
                    uint whole = MemoryMarshal.Read<uint>(Payload[4..]);
                    skip = (int)Math.Min(Payload.Length, 4L + ((whole + 3L) & ~3L));
                }
            }

            foreach (NetlinkAttribute attribute in new NetlinkAttributes(Payload[Math.Min(skip, Payload.Length)..]))
            {
                if (attribute.Type == Rtnetlink.NLMSGERR_ATTR_MSG)
                {
                    reason = attribute.Text;
                }
            }
        }

        return -error;
    }

    /// <summary>Reads the fixed structure at the head of the payload and the attributes after it.</summary>
    /// <typeparam name="T">A blittable structure.</typeparam>
    /// <param name="payload">The payload.</param>
    /// <param name="header">The structure, when the answer is true.</param>
    /// <param name="attributes">The attributes, when the answer is true.</param>
    /// <returns>Whether the payload is long enough.</returns>
    public static bool TrySplit<T>(ReadOnlySpan<byte> payload, out T header, out NetlinkAttributes attributes)
        where T : unmanaged
    {
        int size = Unsafe.SizeOf<T>();
        header = default;
        attributes = default;
        if (payload.Length < size)
        {
            return false;
        }

        header = MemoryMarshal.Read<T>(payload);
        attributes = new NetlinkAttributes(payload[Math.Min(payload.Length, (size + 3) & ~3)..]);
        return true;
    }
}

/// <summary>Walks the messages of a received buffer; stops at the first whose length does not fit.</summary>
public ref struct NetlinkMessages
{
    private ReadOnlySpan<byte> _rest;

    /// <summary>Starts a walk.</summary>
    /// <param name="buffer">The bytes received.</param>
    public NetlinkMessages(ReadOnlySpan<byte> buffer)
    {
        _rest = buffer;
        Current = default;
    }

    /// <summary>Gets the message.</summary>
    public NetlinkMessage Current { get; private set; }

    /// <summary>Goes to the next message.</summary>
    /// <returns>Whether there is one.</returns>
    public bool MoveNext()
    {
        if (_rest.Length < NetlinkWriter.HeaderSize)
        {
            return false;
        }

        uint length = MemoryMarshal.Read<uint>(_rest);
        if (length < NetlinkWriter.HeaderSize || length > (uint)_rest.Length)
        {
            _rest = default;
            return false;
        }

        Current = new NetlinkMessage(_rest, _rest[NetlinkWriter.HeaderSize..(int)length]);
        _rest = _rest[(int)Math.Min((uint)_rest.Length, (length + 3) & ~3u)..];
        return true;
    }

    /// <summary>Gives the walk itself, for <c>foreach</c>.</summary>
    /// <returns>This walk.</returns>
    public readonly NetlinkMessages GetEnumerator() => this;
}

/// <summary>One attribute.</summary>
public readonly ref struct NetlinkAttribute
{
    internal NetlinkAttribute(ushort type, ReadOnlySpan<byte> payload)
    {
        Type = type;
        Payload = payload;
    }

    /// <summary>Gets nla_type without its two flag bits.</summary>
    public ushort Type { get; }

    /// <summary>Gets the payload.</summary>
    public ReadOnlySpan<byte> Payload { get; }

    /// <summary>Gets the payload as 32 bits in host order, or 0 where it is shorter.</summary>
    public uint Number => Payload.Length >= 4 ? MemoryMarshal.Read<uint>(Payload) : 0;

    /// <summary>Gets the payload as text up to its zero.</summary>
    public string Text
    {
        get
        {
            int zero = Payload.IndexOf((byte)0);
            return System.Text.Encoding.UTF8.GetString(zero < 0 ? Payload : Payload[..zero]);
        }
    }
}

/// <summary>Walks attributes; stops at the first whose length does not fit.</summary>
public ref struct NetlinkAttributes
{
    private ReadOnlySpan<byte> _rest;

    /// <summary>Starts a walk.</summary>
    /// <param name="bytes">The attributes' bytes.</param>
    public NetlinkAttributes(ReadOnlySpan<byte> bytes)
    {
        _rest = bytes;
        Current = default;
    }

    /// <summary>Gets the attribute.</summary>
    public NetlinkAttribute Current { get; private set; }

    /// <summary>Goes to the next attribute.</summary>
    /// <returns>Whether there is one.</returns>
    public bool MoveNext()
    {
        if (_rest.Length < 4)
        {
            return false;
        }

        int length = MemoryMarshal.Read<ushort>(_rest);
        if (length < 4 || length > _rest.Length)
        {
            _rest = default;
            return false;
        }

        Current = new NetlinkAttribute((ushort)(MemoryMarshal.Read<ushort>(_rest[2..]) & 0x3fff), _rest[4..length]);
        _rest = _rest[Math.Min(_rest.Length, (length + 3) & ~3)..];
        return true;
    }

    /// <summary>Gives the walk itself, for <c>foreach</c>.</summary>
    /// <returns>This walk.</returns>
    public readonly NetlinkAttributes GetEnumerator() => this;
}

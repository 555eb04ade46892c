using TunnelBox.Linux.Libc;
using TunnelBox.Protocol;
using TunnelBox.Visibility;

namespace TunnelBox.DataPath.Udp;

/// <summary>
/// Receives from one socket: many messages a call, and several datagrams a message (UDP_GRO). What does not fit into a
/// burst stays where it is, and a cursor goes on with the next burst.
/// </summary>
internal sealed unsafe class UdpReceiver : IDisposable
{
    private const int Slots = 64;

    /// <summary>A message of a GRO super-packet is at most 64 KiB; the odd multiple of 64 spreads the slots over the cache's sets.</summary>
    private const int SlotBytes = 65536 + (5 * 64);

    /// <summary>Where the first slot starts: room for the headers that a stage may put before a packet.</summary>
    private const int FirstSlot = 128;

    /// <summary>Datagrams that one call to the kernel should bring, about.</summary>
    private const int WantedDatagrams = 96;

    private readonly int _fd;
    private readonly bool _isIPv6;
    private readonly NativeRegion _buffers;
    private readonly NativeRegion _headers;
    private readonly mmsghdr* _messages;
    private readonly sockaddr_in6* _names;
    private readonly byte* _controls;

    // The messages received but not yet handed out: [_next, _end), and the bytes already used of the first of them.
    private int _next;
    private int _end;
    private int _offset;
    private int _wanted = Slots;
    private int _datagrams;

    /// <summary>Initializes a new instance of the <see cref="UdpReceiver"/> class.</summary>
    /// <param name="fd">The socket; not owned.</param>
    /// <param name="isIPv6">Its family.</param>
    public UdpReceiver(int fd, bool isIPv6)
    {
        _fd = fd;
        _isIPv6 = isIPv6;
        _buffers = new NativeRegion(FirstSlot + (Slots * SlotBytes));
        int perSlot = sizeof(mmsghdr) + sizeof(iovec) + sizeof(sockaddr_in6) + 4 + ControlMessages.Space;
        _headers = new NativeRegion((nuint)(Slots * perSlot));
        _messages = (mmsghdr*)_headers.Address;
        var pieces = (iovec*)(_messages + Slots);
        _controls = (byte*)(pieces + Slots);
        _names = (sockaddr_in6*)(_controls + (Slots * ControlMessages.Space));
        new Span<byte>(_headers.Address, (int)_headers.Length).Clear();
        for (int i = 0; i < Slots; i++)
        {
            pieces[i].iov_base = Slot(i);
            pieces[i].iov_len = 65536;
            msghdr* message = &_messages[i].msg_hdr;
            message->msg_name = &_names[i];
            message->msg_iov = &pieces[i];
            message->msg_iovlen = 1;
            message->msg_control = _controls + (i * ControlMessages.Space);
        }
    }

    /// <summary>Gets a value indicating whether datagrams may be waiting, here or in the kernel.</summary>
    public bool MoreWaiting { get; private set; }

    /// <summary>Gets a value indicating whether datagrams lie here.</summary>
    public bool Holds => _next < _end;

    /// <summary>Appends datagrams until the burst is full or nothing is there.</summary>
    /// <param name="burst">Appended to.</param>
    public void Receive(Burst burst)
    {
        if (_next == _end)
        {
            _next = 0;
            _end = 0;
        }

        ReceiveMore(burst);
    }

    /// <summary>The same, beside what was handed out since <see cref="Receive"/> was called.</summary>
    /// <param name="burst">Appended to.</param>
    public void ReceiveMore(Burst burst)
    {
        // Slots below _end may back this burst and those before it, so a further call to the kernel fills those above.
        MoreWaiting = true;
        while (true)
        {
            while (_next < _end)
            {
                if (burst.Count == Burst.Capacity)
                {
                    return;
                }

                Unpack(burst);
            }

            if (burst.Count == Burst.Capacity || _end == Slots)
            {
                return;
            }

            int asked = Math.Min(_wanted, Slots - _end);
            int got = Fetch(asked);
            if (got < asked)
            {
                MoreWaiting = false;
                UnpackAll(burst);
                return;
            }
        }
    }

    /// <inheritdoc/>
    public void Dispose()
    {
        _buffers.Dispose();
        _headers.Dispose();
    }

    private byte* Slot(int index) => _buffers.Address + FirstSlot + (index * SlotBytes);

    private void UnpackAll(Burst burst)
    {
        while (_next < _end)
        {
            if (burst.Count == Burst.Capacity)
            {
                MoreWaiting = true;
                return;
            }

            Unpack(burst);
        }
    }

    private int Fetch(int asked)
    {
        for (int i = _end; i < _end + asked; i++)
        {
            msghdr* message = &_messages[i].msg_hdr;
            message->msg_namelen = (uint)sizeof(sockaddr_in6);
            message->msg_controllen = ControlMessages.Space;
        }

        int got = LibC.recvmmsg(_fd, _messages + _end, (uint)asked, Definitions.MSG_DONTWAIT);
        if (got < 0 && got != -Definitions.EAGAIN)
        {
            // A pending error of the socket is reported once and then gone.
            got = LibC.recvmmsg(_fd, _messages + _end, (uint)asked, Definitions.MSG_DONTWAIT);
        }

        if (got > 0)
        {
            // The average of the last datagrams-a-message decides how many super-packets the caches should hold.
            if (_datagrams > 0)
            {
                _wanted = Math.Clamp(WantedDatagrams / _datagrams, 2, Slots);
            }

            _end += got;
        }

        return got;
    }

    private void Unpack(Burst burst)
    {
        mmsghdr* message = _messages + _next;
        ControlMessages.Read(
            (byte*)message->msg_hdr.msg_control, message->msg_hdr.msg_controllen, out SourceAddress to, out byte ecn, out int segment);
        EndpointAddress from = _isIPv6 ? SocketAddress.ReadIPv6((byte*)(_names + _next)) : SocketAddress.ReadIPv4((byte*)(_names + _next));
        int length = (int)message->msg_len;
        bool truncated = (message->msg_hdr.msg_flags & Definitions.MSG_TRUNC) != 0;
        int step = segment > 0 ? segment : Math.Max(length, 1);
        byte* data = Slot(_next);
        int index = burst.Count;
        int offset = _offset;
        do
        {
            burst.Data[index] = (nint)(data + offset);
            burst.Length[index] = Math.Min(step, length - offset);
            burst.Ecn[index] = ecn;
            burst.From[index] = from;
            burst.To[index] = to;
            offset += step;
            if (truncated && offset >= length)
            {
                burst.Drop(index, DropReason.InTruncated);
            }

            index++;
        }
        while (offset < length && index < Burst.Capacity);

        burst.Count = index;
        if (offset < length)
        {
            _offset = offset;
            return;
        }

        _datagrams = Math.Max(1, length / step);
        _offset = 0;
        _next++;
    }
}

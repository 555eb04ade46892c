using TunnelBox.Linux.Libc;
using TunnelBox.Protocol;
using TunnelBox.Visibility;

namespace TunnelBox.DataPath.Udp;

/// <summary>
/// Sends over one socket: many messages a call, and up to 64 equal datagrams a message (UDP_SEGMENT), gathered from where
/// they lie. What the kernel refuses is looked at one message at a time.
/// </summary>
internal sealed unsafe class UdpSender : IDisposable
{
    /// <summary>Largest payload of a message over IPv4.</summary>
    private const int MaxMessageBytes = 65507;

    private const int Flags = Definitions.MSG_DONTWAIT | Definitions.MSG_NOSIGNAL;

    private readonly int _fd;
    private readonly bool _isIPv6;
    private readonly UdpOffloads _offloads;
    private readonly NativeRegion _headers;
    private readonly mmsghdr* _messages;
    private readonly iovec* _pieces;
    private readonly byte* _controls;
    private readonly byte* _names;

    // Packet k of this batch is packet _packet[k] of the burst; message m holds packets [_first[m], _first[m + 1]).
    private readonly int[] _packet = new int[Burst.Capacity];
    private readonly int[] _first = new int[Burst.Capacity + 1];
    private readonly int[] _segment = new int[Burst.Capacity];
    private int _packetCount;
    private int _messageCount;
    private int _pieceCount;

    // The message that may still grow.
    private Endpoint? _destination;
    private byte _ecn;
    private int _bytes;
    private bool _open;

    /// <summary>Initializes a new instance of the <see cref="UdpSender"/> class.</summary>
    /// <param name="fd">The socket; not owned.</param>
    /// <param name="isIPv6">Its family.</param>
    /// <param name="offloads">What the kernel has refused so far.</param>
    public UdpSender(int fd, bool isIPv6, UdpOffloads offloads)
    {
        _fd = fd;
        _isIPv6 = isIPv6;
        _offloads = offloads;
        int perMessage = sizeof(mmsghdr) + sizeof(iovec) + sizeof(sockaddr_in6) + 4 + ControlMessages.Space;
        _headers = new NativeRegion((nuint)(Burst.Capacity * perMessage));
        new Span<byte>(_headers.Address, (int)_headers.Length).Clear();
        _messages = (mmsghdr*)_headers.Address;
        _pieces = (iovec*)(_messages + Burst.Capacity);
        _controls = (byte*)(_pieces + Burst.Capacity);
        _names = _controls + (Burst.Capacity * ControlMessages.Space);
    }

    /// <summary>Adds one packet to the batch.</summary>
    /// <param name="burst">The burst.</param>
    /// <param name="index">Which packet.</param>
    /// <param name="destination">Its destination, of this socket's family.</param>
    public void Add(Burst burst, int index, Endpoint destination)
    {
        int length = burst.Length[index];
        byte* data = (byte*)burst.Data[index];
        byte ecn = burst.Ecn[index];
        int message = _messageCount - 1;
        if (_open && ReferenceEquals(destination, _destination) && ecn == _ecn && length <= _segment[message]
            && length > 0 && _bytes + length <= MaxMessageBytes)
        {
            msghdr* header = &_messages[message].msg_hdr;
            iovec* last = &_pieces[_pieceCount - 1];
            if ((byte*)last->iov_base + last->iov_len == data)
            {
                last->iov_len += (nuint)length;
            }
            else
            {
                _pieces[_pieceCount].iov_base = data;
                _pieces[_pieceCount].iov_len = (nuint)length;
                _pieceCount++;
                header->msg_iovlen++;
            }

            _bytes += length;
            _open = length == _segment[message];
        }
        else
        {
            Begin(data, length, ecn, destination);
        }

        _packet[_packetCount++] = index;
        _first[_messageCount] = _packetCount;
    }

    /// <summary>Sends the batch and sets the verdicts.</summary>
    /// <param name="burst">The burst.</param>
    public void Flush(Burst burst)
    {
        if (_messageCount == 0)
        {
            return;
        }

        for (int m = 0; m < _messageCount; m++)
        {
            WriteControl(m, burst);
        }

        int sent = 0;
        bool waited = false;
        while (sent < _messageCount)
        {
            int count = LibC.sendmmsg(_fd, _messages + sent, (uint)(_messageCount - sent), Flags);
            if (count > 0)
            {
                for (int k = _first[sent]; k < _first[sent + count]; k++)
                {
                    burst.Verdict[_packet[k]] = Verdict.Done;
                }

                sent += count;
                continue;
            }

            Recover(sent, count, burst, ref waited);
            sent++;
        }

        _messageCount = 0;
        _packetCount = 0;
        _pieceCount = 0;
        _open = false;
        _destination = null;
    }

    /// <inheritdoc/>
    public void Dispose() => _headers.Dispose();

    private void Begin(byte* data, int length, byte ecn, Endpoint destination)
    {
        int message = _messageCount++;
        byte* name = _names + (message * (sizeof(sockaddr_in6) + 4));
        _pieces[_pieceCount].iov_base = data;
        _pieces[_pieceCount].iov_len = (nuint)length;
        msghdr* header = &_messages[message].msg_hdr;
        header->msg_name = name;
        header->msg_namelen = SocketAddress.Write(destination.Remote, name);
        header->msg_iov = &_pieces[_pieceCount++];
        header->msg_iovlen = 1;
        header->msg_control = _controls + (message * ControlMessages.Space);
        _first[message] = _packetCount;
        _segment[message] = length;
        _destination = destination;
        _ecn = ecn;
        _bytes = length;
        _open = length > 0 && _offloads.Segmentation && !destination.SegmentationOff;
    }

    private void WriteControl(int message, Burst burst)
    {
        int first = _packet[_first[message]];
        Endpoint destination = burst.Destination[first]!;
        bool single = _first[message + 1] - _first[message] == 1;
        _messages[message].msg_hdr.msg_controllen = (nuint)WriteControl(
            (byte*)_messages[message].msg_hdr.msg_control, destination, burst.Ecn[first], single ? 0 : _segment[message]);
    }

    private int WriteControl(byte* control, Endpoint destination, byte tos, int segment)
    {
        int length = 0;
        if (destination.Local.Address != 0 && !destination.SourceStale)
        {
            length = ControlMessages.AppendSource(control, length, destination.Local, _isIPv6);
        }

        if (tos != 0)
        {
            length = ControlMessages.AppendTos(control, length, tos, _isIPv6);
        }

        return segment == 0 ? length : ControlMessages.AppendSegment(control, length, segment);
    }

    /// <summary>Finds another way for a message that the kernel refused, or drops its packets with the reason.</summary>
    private void Recover(int message, int error, Burst burst, ref bool waited)
    {
        Endpoint destination = burst.Destination[_packet[_first[message]]]!;
        bool segmented = _first[message + 1] - _first[message] > 1;
        bool hadSource = destination.Local.Address != 0 && !destination.SourceStale;
        if (UdpErrors.MayBeSource(error) && hadSource)
        {
            destination.SourceStale = true;
            error = Resend(message, burst);
            if (error == -Definitions.EINVAL && segmented)
            {
                // The same answer without the source: it was not the source that was wrong.
                destination.SourceStale = false;
            }
        }

        if (error is -Definitions.EAGAIN or -Definitions.ENOBUFS && !waited)
        {
            waited = true;
            WaitWritable();
            error = Resend(message, burst);
        }
        else if (error is not (-Definitions.EAGAIN or -Definitions.ENOBUFS or -Definitions.EMSGSIZE or -Definitions.EINVAL or >= 0)
            && !(segmented && error == -Definitions.EIO))
        {
            // Also what an earlier datagram brought back (ECONNREFUSED and the like), which says nothing about this one.
            error = Resend(message, burst);
        }

        if (segmented && error is -Definitions.EIO or -Definitions.EMSGSIZE or -Definitions.EINVAL)
        {
            if (error == -Definitions.EIO)
            {
                _offloads.DisableSegmentation(error);
            }
            else
            {
                destination.SegmentationOff = true;
            }

            SendEach(message, burst);
            return;
        }

        for (int k = _first[message]; k < _first[message + 1]; k++)
        {
            Settle(burst, _packet[k], error);
        }
    }

    private void SendEach(int message, Burst burst)
    {
        msghdr header = _messages[message].msg_hdr;
        iovec piece;
        header.msg_iov = &piece;
        header.msg_iovlen = 1;
        bool waited = false;
        for (int k = _first[message]; k < _first[message + 1]; k++)
        {
            int index = _packet[k];
            Endpoint destination = burst.Destination[index]!;
            piece.iov_base = (void*)burst.Data[index];
            piece.iov_len = (nuint)burst.Length[index];
            header.msg_controllen = (nuint)WriteControl((byte*)header.msg_control, destination, burst.Ecn[index], 0);
            int error = (int)LibC.sendmsg(_fd, &header, Flags);
            if (error is -Definitions.EAGAIN or -Definitions.ENOBUFS && !waited)
            {
                waited = true;
                WaitWritable();
                error = (int)LibC.sendmsg(_fd, &header, Flags);
            }

            Settle(burst, index, error);
        }
    }

    private int Resend(int message, Burst burst)
    {
        WriteControl(message, burst);
        return (int)LibC.sendmsg(_fd, &_messages[message].msg_hdr, Flags);
    }

    private void WaitWritable()
    {
        pollfd poll = new() { fd = _fd, events = Definitions.POLLOUT };
        timespec limit = new() { tv_nsec = 1_000_000 };
        _ = LibC.ppoll(&poll, 1, &limit);
    }

    private static void Settle(Burst burst, int index, int error)
    {
        if (error >= 0)
        {
            burst.Verdict[index] = Verdict.Done;
        }
        else
        {
            burst.Drop(index, UdpErrors.Reason(error));
        }
    }
}

/// <summary>What the kernel's refusals mean.</summary>
internal static class UdpErrors
{
    /// <summary>Whether the chosen source address or interface may be why.</summary>
    /// <param name="error">−errno.</param>
    /// <returns>True when sending without the source is worth a try.</returns>
    public static bool MayBeSource(int error) => error is -Definitions.EINVAL or -Definitions.EADDRNOTAVAIL or -Definitions.ENETUNREACH
        or -Definitions.EHOSTUNREACH or -Definitions.ENODEV or -Definitions.ENXIO;

    /// <summary>The reason with which a datagram is dropped.</summary>
    /// <param name="error">−errno.</param>
    /// <returns>The reason.</returns>
    public static DropReason Reason(int error) => -error switch
    {
        Definitions.EMSGSIZE => DropReason.OutMessageTooLarge,
        Definitions.EAGAIN or Definitions.ENOBUFS or Definitions.ENOMEM => DropReason.OutNoQueueSpace,
        Definitions.ENETUNREACH or Definitions.EHOSTUNREACH or Definitions.ENETDOWN or Definitions.EHOSTDOWN
            or Definitions.EADDRNOTAVAIL or Definitions.EACCES or Definitions.ENODEV => DropReason.OutNoRoute,
        Definitions.EPERM => DropReason.OutFirewall,
        _ => DropReason.OutPortError,
    };
}

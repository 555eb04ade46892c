using System.Buffers.Binary;
using System.Diagnostics;
using System.Net;
using System.Net.Sockets;
using System.Text;

namespace TunnelBox.Control;

/// <summary>Sends ICMP or ICMPv6 echo requests out of one interface and takes their answers (RFC 792, RFC 4443).</summary>
/// <remarks>Bound to the interface, so that what is measured is the tunnel and not another way to the same address.</remarks>
public sealed class EchoSocket : IDisposable
{
    /// <summary>Bytes of a request after the IP header, unless another size is asked for.</summary>
    public const int Size = 64;

    private const int HeaderSize = 8;
    private const int BindToDevice = 25;
    private const int SocketLevel = 1;
    private const int Mark = 36;
    private const int DiscoveryProbe = 3; // IP_PMTUDISC_PROBE and IPV6_PMTUDISC_PROBE (linux/in.h)
    private readonly Socket _socket;
    private readonly IPEndPoint _target;
    private readonly ushort _identity = (ushort)Random.Shared.Next();
    private readonly byte[] _mark = new byte[16];
    private readonly bool _ipv6;

    private EchoSocket(Socket socket, IPAddress target)
    {
        _socket = socket;
        _target = new IPEndPoint(target, 0);
        _ipv6 = target.AddressFamily == AddressFamily.InterNetworkV6;
        Random.Shared.NextBytes(_mark);
    }

    /// <summary>Opens a socket.</summary>
    /// <param name="target">Whom to ask.</param>
    /// <param name="interfaceName">Out of which interface; empty for the one that the route says.</param>
    /// <param name="dontFragment">Whether requests may not be fragmented, whatever the kernel believes of the path (IP_PMTUDISC_PROBE).</param>
    /// <param name="mark">The firewall mark of requests, 0 for none.</param>
    /// <returns>The socket.</returns>
    /// <exception cref="ControlException">The right is missing, or there is no such interface in this network namespace.</exception>
    public static EchoSocket Open(IPAddress target, string interfaceName, bool dontFragment = false, uint mark = 0)
    {
        ArgumentNullException.ThrowIfNull(target);
        bool ipv6 = target.AddressFamily == AddressFamily.InterNetworkV6;
        Socket? socket = null;
        try
        {
            socket = new Socket(target.AddressFamily, SocketType.Raw, ipv6 ? ProtocolType.IcmpV6 : ProtocolType.Icmp);
            if (interfaceName.Length > 0)
            {
                socket.SetRawSocketOption(SocketLevel, BindToDevice, Encoding.ASCII.GetBytes(interfaceName + "\0"));
            }

            if (mark != 0)
            {
                socket.SetRawSocketOption(SocketLevel, Mark, BitConverter.GetBytes(mark));
            }

            if (dontFragment)
            {
                socket.SetRawSocketOption(ipv6 ? 41 : 0, ipv6 ? 23 : 10, BitConverter.GetBytes(DiscoveryProbe));
            }

            return new EchoSocket(socket, target);
        }
        catch (SocketException e)
        {
            socket?.Dispose();
            throw e.SocketErrorCode == SocketError.AccessDenied
                ? new ControlException("ping: a raw socket needs the capability CAP_NET_RAW; run as root.", ControlFailure.NoPermission, e)
                : new ControlException($"{interfaceName}: the interface cannot be used here: {e.Message.TrimEnd('.')}; run it in the interface's network namespace.", ControlFailure.Failed, e);
        }
    }

    /// <summary>Sends a request.</summary>
    /// <param name="sequence">Its number.</param>
    /// <param name="size">Its bytes after the IP header, at least 24.</param>
    /// <returns>Null, or why it could not be sent.</returns>
    public string? Send(ushort sequence, int size = Size)
    {
        byte[] packet = new byte[size];
        packet[0] = _ipv6 ? (byte)128 : (byte)8;
        BinaryPrimitives.WriteUInt16BigEndian(packet.AsSpan(4), _identity);
        BinaryPrimitives.WriteUInt16BigEndian(packet.AsSpan(6), sequence);
        _mark.CopyTo(packet, HeaderSize);
        if (!_ipv6)
        {
            // The kernel fills in ICMPv6's, which covers the addresses.
            BinaryPrimitives.WriteUInt16BigEndian(packet.AsSpan(2), Checksum(packet));
        }

        try
        {
            _socket.SendTo(packet, _target);
            return null;
        }
        catch (SocketException e)
        {
            return e.Message.TrimEnd('.');
        }
    }

    /// <summary>Waits for an answer.</summary>
    /// <param name="time">At most so long.</param>
    /// <param name="sequence">Receives the number of the request that was answered.</param>
    /// <returns>False when none came.</returns>
    public bool TryReceive(TimeSpan time, out ushort sequence)
    {
        long began = Stopwatch.GetTimestamp();
        byte[] buffer = new byte[65_536];
        EndPoint from = new IPEndPoint(_ipv6 ? IPAddress.IPv6Any : IPAddress.Any, 0);
        sequence = 0;
        while (time - Stopwatch.GetElapsedTime(began) is { Ticks: > 0 } left)
        {
            if (!_socket.Poll(left, SelectMode.SelectRead))
            {
                continue;
            }

            try
            {
                int length = _socket.ReceiveFrom(buffer, ref from);
                if (from is IPEndPoint sender && sender.Address.Equals(_target.Address) && IsAnswer(buffer.AsSpan(0, length), out sequence))
                {
                    return true;
                }
            }
            catch (SocketException)
            {
                // A report that the target cannot be reached; a later answer may come all the same.
            }
        }

        return false;
    }

    /// <inheritdoc/>
    public void Dispose() => _socket.Dispose();

    private static ushort Checksum(ReadOnlySpan<byte> packet)
    {
        uint sum = 0;
        for (int i = 0; i < packet.Length; i += 2)
        {
            sum += i + 1 < packet.Length ? BinaryPrimitives.ReadUInt16BigEndian(packet[i..]) : (uint)packet[i] << 8;
        }

        sum = (sum & 0xffff) + (sum >> 16);
        return (ushort)~(sum + (sum >> 16));
    }

    private bool IsAnswer(ReadOnlySpan<byte> packet, out ushort sequence)
    {
        sequence = 0;
        if (!_ipv6)
        {
            // Raw IPv4 sockets give the IP header too.
            int header = packet.IsEmpty ? 0 : (packet[0] & 15) * 4;
            if (packet.Length < header)
            {
                return false;
            }

            packet = packet[header..];
        }

        if (packet.Length < HeaderSize + _mark.Length || packet[0] != (_ipv6 ? 129 : 0)
            || BinaryPrimitives.ReadUInt16BigEndian(packet[4..]) != _identity || !packet.Slice(HeaderSize, _mark.Length).SequenceEqual(_mark))
        {
            return false;
        }

        sequence = BinaryPrimitives.ReadUInt16BigEndian(packet[6..]);
        return true;
    }
}

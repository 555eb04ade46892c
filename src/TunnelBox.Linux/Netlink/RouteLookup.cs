using System.Net;

namespace TunnelBox.Linux.Netlink;

/// <summary>What the kernel does with a packet.</summary>
public enum RouteKind
{
    /// <summary>It has no route (ENETUNREACH).</summary>
    None = 0,

    /// <summary>It sends it on (RTN_UNICAST).</summary>
    Unicast = 1,

    /// <summary>It is for this machine (RTN_LOCAL).</summary>
    Local = 2,

    /// <summary>It goes to a broadcast or multicast address (RTN_BROADCAST, RTN_MULTICAST, RTN_ANYCAST).</summary>
    Broadcast = 3,

    /// <summary>A route of type blackhole, unreachable or prohibit refuses it; or, for a packet that comes in, the source is not believed.</summary>
    Refused = 6,
}

/// <summary>The answer to a look-up.</summary>
/// <param name="Kind">What happens to the packet.</param>
/// <param name="LinkIndex">The interface it leaves by, 0 for none.</param>
/// <param name="Gateway">The next hop, or null where the destination is on the link.</param>
/// <param name="Source">The address it would have as its source, or null.</param>
/// <param name="Mtu">The MTU in bytes of the route, or of the path where it was learnt; 0 for the interface's.</param>
/// <param name="HopLimit">The route's own hop limit, or 0.</param>
public sealed record RouteAnswer(RouteKind Kind, int LinkIndex = 0, IPAddress? Gateway = null, IPAddress? Source = null, int Mtu = 0, byte HopLimit = 0);

/// <summary>Asks the kernel which way single packets go (RTM_GETROUTE). Belongs to the network namespace of the thread that opened it. Not thread-safe.</summary>
public sealed class RouteLookup : IDisposable
{
    private readonly NetlinkSocket _socket = NetlinkSocket.Open(NetlinkSocket.Route);

    /// <summary>Asks for a packet of this machine.</summary>
    /// <param name="destination">Where to.</param>
    /// <param name="mark">Its firewall mark, 0 for none.</param>
    /// <returns>The answer.</returns>
    /// <exception cref="NetlinkException">The kernel refused the question itself.</exception>
    public RouteAnswer Out(IPAddress destination, uint mark = 0)
    {
        ArgumentNullException.ThrowIfNull(destination);
        NetlinkWriter request = Begin(destination);
        if (mark != 0)
        {
            request.Attribute(Rtnetlink.RTA_MARK, mark);
        }

        return Ask(request, destination);
    }

    /// <summary>Asks for a packet that comes in.</summary>
    /// <param name="destination">Where to.</param>
    /// <param name="source">Where from.</param>
    /// <param name="link">The interface it came in by.</param>
    /// <returns>The answer; <see cref="RouteKind.Refused"/> where reverse-path filtering drops it.</returns>
    /// <exception cref="NetlinkException">The kernel refused the question itself.</exception>
    public RouteAnswer In(IPAddress destination, IPAddress source, int link)
    {
        ArgumentNullException.ThrowIfNull(destination);
        ArgumentNullException.ThrowIfNull(source);
        NetlinkWriter request = Begin(destination);
        request.Attribute(Rtnetlink.RTA_SRC, source.GetAddressBytes()).Attribute(Rtnetlink.RTA_IIF, (uint)link);
        return Ask(request, destination);
    }

    /// <inheritdoc/>
    public void Dispose() => _socket.Dispose();

    private static NetlinkWriter Begin(IPAddress destination)
    {
        byte family = IpBytes.Family(destination);
        NetlinkWriter request = new(Rtnetlink.RTM_GETROUTE, 0);
        request.Struct(new Rtnetlink.Rtmsg { Family = family, DestinationLength = (byte)(8 * IpBytes.Size(family)) });
        return request.Attribute(Rtnetlink.RTA_DST, destination.GetAddressBytes());
    }

    private RouteAnswer Ask(NetlinkWriter request, IPAddress destination)
    {
        RouteAnswer? answer = null;
        try
        {
            _socket.Get(request, $"looking up the route to {destination}", (in message) => answer ??= Parse(message.Payload));
        }
        catch (NetlinkException e) when (e.Errno == NetlinkException.Unreachable)
        {
            return new RouteAnswer(RouteKind.None);
        }
        catch (NetlinkException e) when (e.Errno is 13 or 18 or 22 or 113)
        {
            // EACCES: prohibit. EHOSTUNREACH: unreachable. EINVAL: blackhole. EXDEV (EINVAL since Linux 6.13): the source is not believed.
            return new RouteAnswer(RouteKind.Refused);
        }

        return answer ?? new RouteAnswer(RouteKind.None);
    }

    /// <summary>Reads an RTM_NEWROUTE that answers a look-up.</summary>
    /// <param name="payload">The message after its header.</param>
    /// <returns>The answer, or null where the message is cut short.</returns>
    internal static RouteAnswer? Parse(ReadOnlySpan<byte> payload)
    {
        if (!NetlinkMessage.TrySplit(payload, out Rtnetlink.Rtmsg header, out NetlinkAttributes attributes) || IpBytes.Size(header.Family) == 0)
        {
            return null;
        }

        RouteAnswer answer = new(header.Type switch
        {
            Rtnetlink.RTN_UNICAST => RouteKind.Unicast,
            2 => RouteKind.Local,
            3 or 4 or 5 => RouteKind.Broadcast,
            _ => RouteKind.Refused,
        });
        foreach (NetlinkAttribute attribute in attributes)
        {
            switch (attribute.Type)
            {
                case Rtnetlink.RTA_OIF:
                    answer = answer with { LinkIndex = (int)attribute.Number };
                    break;
                case Rtnetlink.RTA_GATEWAY:
                    answer = answer with { Gateway = IpBytes.Read(header.Family, attribute.Payload) };
                    break;
                case Rtnetlink.RTA_VIA when attribute.Payload.Length >= 2:
                    answer = answer with { Gateway = IpBytes.Read((byte)BitConverter.ToUInt16(attribute.Payload), attribute.Payload[2..]) };
                    break;
                case Rtnetlink.RTA_PREFSRC:
                    answer = answer with { Source = IpBytes.Read(header.Family, attribute.Payload) };
                    break;
                case Rtnetlink.RTA_METRICS:
                    foreach (NetlinkAttribute metric in new NetlinkAttributes(attribute.Payload))
                    {
                        answer = metric.Type switch
                        {
                            Rtnetlink.RTAX_MTU => answer with { Mtu = (int)Math.Min(metric.Number, int.MaxValue) },
                            Rtnetlink.RTAX_HOPLIMIT => answer with { HopLimit = (byte)Math.Min(metric.Number, byte.MaxValue) },
                            _ => answer,
                        };
                    }

                    break;
            }
        }

        return answer;
    }
}

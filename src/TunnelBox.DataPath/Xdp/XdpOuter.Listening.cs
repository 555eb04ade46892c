using System.Net;
using System.Net.Sockets;
using TunnelBox.Linux.Netlink;

namespace TunnelBox.DataPath.Xdp;

/// <content>The local addresses whose datagrams the program takes.</content>
public sealed unsafe partial class XdpOuter
{
    private readonly HashSet<IPEndPoint> _listening = [];

    // The kernel takes a datagram to any of this machine's addresses at any device; a link-local one only where it belongs.
    private void Listen(IReadOnlyList<LinkAddress> addresses)
    {
        HashSet<IPEndPoint> wanted = [];
        foreach (LinkAddress address in addresses)
        {
            if (!IPAddress.IsLoopback(address.Address) && (address.LinkIndex == _ifindex || !address.Address.IsIPv6LinkLocal))
            {
                wanted.Add(new IPEndPoint(Plain(address.Address), _port));
            }
        }

        lock (_listening)
        {
            if (_detached)
            {
                return;
            }

            foreach (IPEndPoint gone in _listening.Where(known => !wanted.Contains(known)).ToArray())
            {
                _ = _program.Forget(gone);
                _listening.Remove(gone);
            }

            foreach (IPEndPoint added in wanted.Where(each => !_listening.Contains(each)))
            {
                // Beyond the map's 1,024, datagrams come by the socket as before.
                if (_program.Listen(added, Row) == 0)
                {
                    _listening.Add(added);
                }
            }
        }
    }

    private static IPAddress Plain(IPAddress address) =>
        address.AddressFamily == AddressFamily.InterNetworkV6 ? new IPAddress(address.GetAddressBytes()) : address;
}

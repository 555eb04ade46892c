using System.Net;
using System.Runtime.InteropServices;

namespace TunnelBox.Linux.Netlink;

/// <summary>
/// Has the kernel keep neighbours' Ethernet addresses fresh for traffic that it does not see: as managed entries (NTF_EXT_MANAGED,
/// Linux 5.16), which it probes by itself, or, where it knows none, by saying again and again that they are in use (NTF_USE).
/// Entries that somebody else keeps (permanent, learnt by a routing daemon, managed) stay as they are. Asks the network
/// namespace of the thread that opened it. Not thread-safe.
/// </summary>
public sealed class NeighbourKeeper : IDisposable
{
    private const ushort NDA_PROTOCOL = 12;
    private const ushort NDA_FLAGS_EXT = 15;
    private const byte NTF_EXT_LEARNED = 0x10;
    private const uint NTF_EXT_MANAGED = 1;

    // Entries that a killed process left behind are known by this: a number that linux/rtnetlink.h gives to nobody.
    private const byte Ours = 182;
    private const ushort Aging = Rtnetlink.NUD_REACHABLE | Rtnetlink.NUD_STALE | Rtnetlink.NUD_DELAY | Rtnetlink.NUD_PROBE;

    private readonly NetlinkSocket _socket = NetlinkSocket.Open(NetlinkSocket.Route);
    private readonly HashSet<IPAddress> _kept = [];
    private readonly int _link;
    private bool _cannotManage;

    /// <summary>Opens a keeper that keeps nothing yet.</summary>
    /// <param name="link">The interface.</param>
    /// <exception cref="NetlinkException">The kernel refuses a socket.</exception>
    public NeighbourKeeper(int link) => _link = link;

    /// <summary>Keeps these neighbours, as far as their addresses are known, and no others; to be called now and then.</summary>
    /// <param name="wanted">The neighbours.</param>
    public void Keep(IReadOnlySet<IPAddress> wanted)
    {
        ArgumentNullException.ThrowIfNull(wanted);
        foreach (IPAddress address in wanted)
        {
            KeepOne(address);
        }

        foreach (IPAddress address in _kept.Where(kept => !wanted.Contains(kept)).ToArray())
        {
            Release(address);
        }
    }

    /// <summary>Lets every entry age again.</summary>
    public void Dispose()
    {
        foreach (IPAddress address in _kept.ToArray())
        {
            Release(address);
        }

        _socket.Dispose();
    }

    private void KeepOne(IPAddress address)
    {
        Entry entry = Read(address);
        if ((entry.State & Aging) == 0 || (entry.Flags & NTF_EXT_LEARNED) != 0)
        {
            return;
        }

        if (entry.IsManaged)
        {
            if (entry.Protocol == Ours)
            {
                _kept.Add(address);
            }

            return;
        }

        if (!_cannotManage && Change(Request(0, address).Attribute(NDA_FLAGS_EXT, NTF_EXT_MANAGED).Attribute(NDA_PROTOCOL, [Ours])) && Read(address).IsManaged)
        {
            _kept.Add(address);
            return;
        }

        // The entry may have gone at this very moment; one that is still there says that the kernel is older.
        _cannotManage |= (Read(address).State & Aging) != 0;
        Change(Request(Rtnetlink.NTF_USE, address));
    }

    // Saying that an entry is in use, and no more, makes it an ordinary one.
    private void Release(IPAddress address)
    {
        _kept.Remove(address);
        if (Read(address) is { IsManaged: true, Protocol: Ours })
        {
            Change(Request(Rtnetlink.NTF_USE, address));
        }
    }

    private Entry Read(IPAddress address)
    {
        Entry found = default;
        try
        {
            NetlinkWriter request = new NetlinkWriter(Rtnetlink.RTM_GETNEIGH, 0)
                .Struct(new Rtnetlink.Ndmsg { Family = IpBytes.Family(address), Index = _link })
                .Attribute(Rtnetlink.NDA_DST, address.GetAddressBytes());
            _socket.Get(request, "looking up a neighbour", (in NetlinkMessage message) =>
            {
                if (message.Type == Rtnetlink.RTM_NEWNEIGH && NetlinkMessage.TrySplit(message.Payload, out Rtnetlink.Ndmsg header, out NetlinkAttributes attributes))
                {
                    found = new Entry(header.State, header.Flags, false, 0);
                    foreach (NetlinkAttribute attribute in attributes)
                    {
                        if (attribute.Type == NDA_FLAGS_EXT && attribute.Payload.Length >= sizeof(uint))
                        {
                            found = found with { IsManaged = (MemoryMarshal.Read<uint>(attribute.Payload) & NTF_EXT_MANAGED) != 0 };
                        }
                        else if (attribute.Type == NDA_PROTOCOL && attribute.Payload.Length > 0)
                        {
                            found = found with { Protocol = attribute.Payload[0] };
                        }
                    }
                }
            });
        }
        catch (NetlinkException)
        {
            return default;
        }

        return found;
    }

    private NetlinkWriter Request(byte flags, IPAddress address) =>
        new NetlinkWriter(Rtnetlink.RTM_NEWNEIGH, 0)
            .Struct(new Rtnetlink.Ndmsg { Family = IpBytes.Family(address), Index = _link, Flags = flags })
            .Attribute(Rtnetlink.NDA_DST, address.GetAddressBytes());

    private bool Change(NetlinkWriter request)
    {
        try
        {
            _socket.Change(request, "keeping a neighbour");
            return true;
        }
        catch (NetlinkException)
        {
            // It is gone, or the capability CAP_NET_ADMIN is missing: then it ages.
            return false;
        }
    }

    private readonly record struct Entry(ushort State, byte Flags, bool IsManaged, byte Protocol);
}

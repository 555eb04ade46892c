using System.Net;
using TunnelBox.Linux.Netlink;

namespace TunnelBox.Linux.Tests.Netlink;

[Trait("Needs", "root")]
public sealed class NetworkSettingsTests
{
    private static IPAddress A(string text) => IPAddress.Parse(text);

    private static IPNetwork N(string text) => IPNetwork.Parse(text);

    [Fact]
    public void Links_are_found_changed_and_deleted() => PrivateNetwork.Run(() =>
    {
        PrivateNetwork.Ip("tuntap add dev t0 mode tun");
        using NetworkSettings settings = NetworkSettings.Open();
        Link link = settings.FindLink("t0")!;
        Assert.Equal(("t0", 1500, false, "tun"), (link.Name, link.Mtu, link.IsUp, link.Kind));
        Assert.Null(settings.FindLink("nosuch"));
        Assert.Null(settings.FindLink(4711));

        settings.SetMtu(link, 1420);
        settings.SetUp(link, true);
        link = settings.FindLink(link.Index)!;
        Assert.Equal((1420, true), (link.Mtu, link.IsUp));
        Assert.Contains(settings.Links(), found => found.Name == "lo");

        settings.SetUp(link, false);
        Assert.False(settings.FindLink("t0")!.IsUp);
        settings.Delete(link);
        Assert.Null(settings.FindLink("t0"));
        NetlinkException e = Assert.Throws<NetlinkException>(() => settings.SetMtu(link, 1300));
        Assert.Equal(NetlinkException.NoDevice, e.Errno);
    });

    [Fact]
    public void Addresses_look_as_ip_makes_them() => PrivateNetwork.Run(() =>
    {
        PrivateNetwork.Ip("tuntap add dev t0 mode tun");
        PrivateNetwork.Ip("tuntap add dev t1 mode tun");
        using NetworkSettings settings = NetworkSettings.Open();
        Link link = settings.FindLink("t0")!;
        settings.AddAddress(link, A("10.9.0.1"), 24);
        settings.AddAddress(link, A("fd00::1"), 64);
        PrivateNetwork.Ip("-4 address add 10.9.0.1/24 dev t1");
        PrivateNetwork.Ip("-6 address add fd00::1/64 dev t1");

        // The kernel ends "tentative" from a work queue: when, is no property of how the address was made.
        static string Shown(string dev) => PrivateNetwork.Ip($"-o addr show dev {dev}").Replace(dev, "T").Replace("3: T", "N: T").Replace("2: T", "N: T").Replace(" tentative", "");
        Assert.Equal(Shown("t1"), Shown("t0"));

        NetlinkException e = Assert.Throws<NetlinkException>(() => settings.AddAddress(link, A("10.9.0.1"), 24));
        Assert.Equal(NetlinkException.Exists, e.Errno);
        Assert.Equal([("10.9.0.1", 24), ("fd00::1", 64)], settings.Addresses(link).ConvertAll(a => (a.Address.ToString(), a.PrefixLength)));
        settings.RemoveAddress(link, A("10.9.0.1"), 24);
        settings.RemoveAddress(link, A("fd00::1"), 64);
        Assert.Empty(settings.Addresses(link));
    });

    [Fact]
    public void Routes_look_as_ip_makes_them() => PrivateNetwork.Run(() =>
    {
        using NetworkSettings settings = NetworkSettings.Open();
        string[] shown = new string[2];
        for (int by = 0; by < 2; by++)
        {
            PrivateNetwork.Ip("tuntap add dev t0 mode tun");
            PrivateNetwork.Ip("link set t0 up");
            Link link = settings.FindLink("t0")!;
            (string Prefix, uint Table)[] routes =
                [("10.0.0.0/8", 254), ("192.0.2.7/32", 254), ("0.0.0.0/0", 51820), ("0.0.0.0/0", 254), ("2001:db8::/32", 254), ("::/0", 51820), ("10.0.0.0/8", 7)];
            foreach ((string prefix, uint table) in routes)
            {
                if (by == 0)
                {
                    settings.Add(new Route(N(prefix), link.Index, table));
                }
                else
                {
                    PrivateNetwork.Ip($"{(prefix.Contains(':') ? "-6" : "-4")} route add {prefix} dev t0 table {table}");
                }
            }

            shown[by] = PrivateNetwork.Ip("-4 route show table all") + PrivateNetwork.Ip("-6 route show table all");
            if (by == 0)
            {
                Assert.Contains(settings.Routes(false), route => route.Table == 51820 && route.Destination == N("0.0.0.0/0") && route.LinkIndex == link.Index);
                Assert.Contains(settings.Routes(true), route => route.Destination == N("2001:db8::/32"));
                Assert.Equal(link.Index, settings.Lookup(A("10.1.2.3"))!.LinkIndex);
                settings.Remove(new Route(N("192.0.2.7/32"), link.Index, Route.MainTable));
                NetlinkException e = Assert.Throws<NetlinkException>(() => settings.Remove(new Route(N("192.0.2.7/32"), link.Index, Route.MainTable)));
                Assert.Equal(NetlinkException.NoSuchRoute, e.Errno);
                settings.Add(new Route(N("192.0.2.7/32"), link.Index, Route.MainTable));
                shown[by] = PrivateNetwork.Ip("-4 route show table all") + PrivateNetwork.Ip("-6 route show table all");
            }

            settings.Delete(link);
        }

        Assert.Equal(Sorted(shown[1]), Sorted(shown[0]));
        Assert.Null(settings.Lookup(A("10.1.2.3")));
    });

    [Fact]
    public void A_route_keeps_its_mtu() => PrivateNetwork.Run(() =>
    {
        PrivateNetwork.Ip("tuntap add dev t0 mode tun");
        PrivateNetwork.Ip("link set t0 up");
        PrivateNetwork.Ip("route add 10.0.0.0/8 dev t0 mtu 1380");
        using NetworkSettings settings = NetworkSettings.Open();
        Assert.Equal(1380, settings.Lookup(A("10.1.2.3"))!.Mtu);
        Link link = settings.FindLink("t0")!;
        settings.Add(new Route(N("11.0.0.0/8"), link.Index, Route.MainTable, Mtu: 1300));
        Assert.Contains("mtu 1300", PrivateNetwork.Ip("route show 11.0.0.0/8"));
    });

    [Fact]
    public void Rules_look_as_ip_makes_them() => PrivateNetwork.Run(() =>
    {
        using NetworkSettings settings = NetworkSettings.Open();
        string[] shown = new string[2];
        foreach (bool ipv6 in new[] { false, true })
        {
            Rule byMark = new(ipv6, 51820, Mark: 51820, Invert: true);
            Rule suppress = new(ipv6, Route.MainTable, SuppressPrefixLength: 0);
            string family = ipv6 ? "-6" : "-4";
            settings.Add(byMark);
            settings.Add(suppress);
            shown[0] = PrivateNetwork.Ip($"{family} rule show");
            Assert.Contains(settings.Rules(ipv6), rule => rule is { Table: 51820, Mark: 51820, Invert: true });
            Assert.Contains(settings.Rules(ipv6), rule => rule is { Table: Route.MainTable, SuppressPrefixLength: 0 });
            settings.Remove(byMark);
            settings.Remove(suppress);
            NetlinkException e = Assert.Throws<NetlinkException>(() => settings.Remove(suppress));
            Assert.Equal(NetlinkException.NoEntry, e.Errno);

            PrivateNetwork.Ip($"{family} rule add not fwmark 51820 table 51820");
            PrivateNetwork.Ip($"{family} rule add table main suppress_prefixlength 0");
            shown[1] = PrivateNetwork.Ip($"{family} rule show");
            Assert.Equal(shown[1], shown[0]);
        }
    });

    [Fact]
    public void A_dump_of_many_parts_is_read_whole() => PrivateNetwork.Run(() =>
    {
        PrivateNetwork.Ip("tuntap add dev t0 mode tun");
        PrivateNetwork.Ip("link set t0 up");
        using NetworkSettings settings = NetworkSettings.Open();
        Link link = settings.FindLink("t0")!;
        for (int i = 0; i < 5000; i++)
        {
            settings.Add(new Route(new IPNetwork(new IPAddress([10, 1, (byte)(i >> 8), (byte)i]), 32), link.Index, 77));
        }

        Assert.Equal(5000, settings.Routes(false).Count(route => route.Table == 77));
    });

    private static string Sorted(string lines) => string.Join('\n', lines.Split('\n').Order(StringComparer.Ordinal));
}

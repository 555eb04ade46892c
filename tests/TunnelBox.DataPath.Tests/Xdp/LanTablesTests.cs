using System.Net;
using TunnelBox.DataPath.Xdp;
using TunnelBox.Linux.Netlink;

namespace TunnelBox.DataPath.Tests.Xdp;

public sealed class LanTablesTests
{
    private const int Lan = 3;
    private const int Tunnel = 7;

    [Fact]
    public void A_packet_goes_to_the_neighbour_of_its_longest_route_or_the_kernels_way()
    {
        LanTables tables = Make(
            true,
            [
                Way("10.9.0.0/24", Lan), Way("10.8.0.0/16", Lan) with { Gateway = IPAddress.Parse("10.9.0.2"), Mtu = 1400 }, Way("10.8.5.0/24", 4),
                Way("10.9.0.1/32", Lan) with { Table = Route.LocalTable }, Way("fd09::/64", Lan), Way("0.0.0.0/0", 4),
            ]);
        Assert.Equal((2ul, 1500), Find(tables, "10.9.0.2"));
        Assert.Equal((2ul, 1400), Find(tables, "10.8.1.1"));
        Assert.Equal((6ul, 1500), Find(tables, "fd09::2"));
        foreach (string other in new[] { "10.8.5.1", "10.9.0.1", "10.9.0.9", "8.8.8.8", "fd09::9", "fd0a::1" })
        {
            Assert.Equal(0ul, Find(tables, other).Mac);
        }

        Assert.Equal((1ul, 1500), (tables.Mac, tables.Mtu));
    }

    [Fact]
    public void Without_a_carrier_everything_is_the_kernels() =>
        Assert.Equal(0ul, Find(Make(false, [Way("10.9.0.0/24", Lan)]), "10.9.0.2").Mac);

    [Fact]
    public void Each_side_knows_us_by_its_own_address_or_the_other_sides()
    {
        LanTables tables = Make(true, []);
        Assert.Equal((Value("10.9.0.1"), Value("fd09::1")), tables.LanSource);
        Assert.Equal((Value("10.200.0.1"), Value("fd09::1")), tables.TunnelSource);
        Assert.Equal((UInt128.Zero, UInt128.Zero), LanTables.Empty.LanSource);
    }

    private static LanTables Make(bool running, Route[] routes) => LanTables.Make(
        Lan,
        new PathLink(true, running, 1500, 1, 1),
        Tunnel,
        routes,
        new[] { ("10.9.0.2", 2ul), ("fd09::2", 6ul) }.ToDictionary(
            each => HostAddress.From(IPAddress.Parse(each.Item1)), each => new LanNeighbour(IPAddress.Parse(each.Item1), each.Item2)),
        [
            new LinkAddress(Lan, IPAddress.Parse("fe80::1"), 64), new LinkAddress(Lan, IPAddress.Parse("10.9.0.1"), 24),
            new LinkAddress(Tunnel, IPAddress.Parse("10.200.0.1"), 24), new LinkAddress(Lan, IPAddress.Parse("fd09::1"), 64),
        ]);

    private static (ulong Mac, int Mtu) Find(LanTables tables, string to)
    {
        LanNeighbour? found = tables.Find(HostAddress.From(IPAddress.Parse(to)), out int mtu);
        return (found?.Mac ?? 0, mtu);
    }

    private static UInt128 Value(string address) => HostAddress.From(IPAddress.Parse(address)).Value;

    private static Route Way(string prefix, int link) => new(IPNetwork.Parse(prefix), link, Route.MainTable);
}

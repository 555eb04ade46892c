using System.Net;
using TunnelBox.Linux.Netlink;

namespace TunnelBox.Linux.Tests.Netlink;

/// <summary>The kernel's answers in a namespace whose tables are known.</summary>
[Trait("Needs", "root")]
public sealed class PathQueriesTests
{
    [Fact]
    public void Routes_neighbours_and_links_are_as_the_tables_say() => Inside(() =>
    {
        using var queries = new PathQueries();
        int device = queries.Addresses().First(a => a.Address.Equals(IPAddress.Parse("10.8.0.1"))).LinkIndex;
        PathRoute? near = queries.Route(IPAddress.Parse("10.8.0.9"), null, (1, 2), 0, 0);
        Assert.Equal((device, IPAddress.Parse("10.8.0.9"), IPAddress.Parse("10.8.0.1")), (near!.LinkIndex, near.NextHop, near.Source));
        PathRoute? far = queries.Route(IPAddress.Parse("10.7.1.1"), IPAddress.Parse("10.8.0.1"), (1, 2), 7, 0);
        Assert.Equal((IPAddress.Parse("10.8.0.2"), 9), (far!.NextHop, far.HopLimit));
        Assert.Equal(IPAddress.Parse("fd08::2"), queries.Route(IPAddress.Parse("192.0.2.1"), null, (1, 2), 0, 0)!.NextHop);
        Assert.Equal(IPAddress.Parse("fd08::1"), queries.Route(IPAddress.Parse("fd08::9"), null, (1, 2), 0, 0)!.Source);
        Assert.Null(queries.Route(IPAddress.Parse("10.6.0.1"), null, (1, 2), 0, 0));
        Assert.Null(queries.Route(IPAddress.Parse("10.8.0.9"), IPAddress.Parse("10.99.0.1"), (1, 2), 0, 0));
        Assert.Null(queries.Route(IPAddress.Parse("10.8.0.1"), null, (1, 2), 0, 0));
        Assert.Null(queries.Route(IPAddress.Parse("10.8.0.255"), null, (1, 2), 0, 0));
        Assert.Null(queries.Route(IPAddress.Parse("fd07::1"), null, (1, 2), 0, 0));

        Assert.Equal(0x020000000002ul, queries.Neighbour(device, IPAddress.Parse("10.8.0.2")));
        Assert.Equal(0ul, queries.Neighbour(device, IPAddress.Parse("10.8.0.3")));
        Assert.Contains((IPAddress.Parse("10.8.0.2"), 0x020000000002ul), queries.Neighbours(device));
        Assert.Equal(new PathLink(IsEthernet: true, IsRunning: true, 1400, 0x020000000001, 3), queries.Link(device));
        Assert.Equal((false, false), (queries.Link(1)!.Value.IsEthernet, queries.Link(1)!.Value.IsRunning));
        Assert.Null(queries.Link(12345));
    });

    [Fact]
    public void A_neighbour_that_failed_is_unknown() => Inside(() =>
    {
        using var queries = new PathQueries();
        int device = queries.Addresses().First(a => a.Address.Equals(IPAddress.Parse("10.8.0.1"))).LinkIndex;
        var neighbour = IPAddress.Parse("10.8.0.2");
        Assert.Equal(0x020000000002ul, queries.Neighbour(device, neighbour));
        Ip("neigh", "replace", "10.8.0.2", "dev", "d0", "nud", "failed");
        Assert.Equal(0ul, queries.Neighbour(device, neighbour));
    });

    [Fact]
    public void A_veth_offers_no_zero_copy_and_what_is_not_there_neither() => Inside(() =>
    {
        using var queries = new PathQueries();
        Assert.False(NetdevFeatures.Of(queries.Addresses().First(a => a.Address.Equals(IPAddress.Parse("10.8.0.1"))).LinkIndex).OffersZeroCopy);
        Assert.False(NetdevFeatures.Of(12345).OffersZeroCopy);
    });

    [Theory]
    [InlineData("addr", "add", "10.8.0.5/24", "dev", "d0")]
    [InlineData("route", "add", "10.5.0.0/16", "via", "10.8.0.2")]
    [InlineData("neigh", "add", "10.8.0.4", "lladdr", "02:00:00:00:00:04", "dev", "d0")]
    [InlineData("link", "set", "d0", "mtu", "1300")]
    [InlineData("rule", "add", "fwmark", "5", "table", "5")]
    [InlineData("-6", "rule", "add", "fwmark", "5", "table", "5")]
    [InlineData("-6", "route", "add", "fd05::/16", "dev", "d0")]
    public void Every_kind_of_change_is_told(params string[] change) => Inside(() =>
    {
        using PathEvents events = PathEvents.Open();
        Thread.Sleep(50);
        _ = events.Take();
        Assert.False(events.Take());
        Ip(change);
        Assert.True(SpinWait.SpinUntil(events.Take, 2000));
    });

    private static string Ip(params string[] arguments) => PrivateNetwork.Ip(string.Join(' ', arguments));

    private static void Inside(Action action) => PrivateNetwork.Run(() =>
    {
        Ip("link", "add", "d0", "address", "02:00:00:00:00:01", "numrxqueues", "3", "type", "veth", "peer", "name", "d1");
        Ip("link", "set", "d1", "up");
        Ip("addr", "add", "10.8.0.1/24", "dev", "d0");
        Ip("addr", "add", "fd08::1/64", "dev", "d0", "nodad");
        Ip("link", "set", "d0", "up", "mtu", "1400");
        Ip("route", "add", "10.7.0.0/16", "via", "10.8.0.2", "hoplimit", "9");
        Ip("-4", "route", "add", "default", "via", "inet6", "fd08::2", "dev", "d0");
        Ip("route", "add", "unreachable", "10.6.0.0/16");
        Ip("neigh", "add", "10.8.0.2", "lladdr", "02:00:00:00:00:02", "dev", "d0", "nud", "stale");
        action();
    });
}

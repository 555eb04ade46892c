using System.Net;
using TunnelBox.Linux.Netlink;

namespace TunnelBox.Linux.Tests.Netlink;

[Trait("Needs", "root")]
public sealed class NeighbourKeeperTests
{
    private const int Device = 78;

    [Theory]
    [InlineData("10.8.0.2")]
    [InlineData("fd08::2")]
    public void A_stale_entry_is_managed_while_it_is_wanted_and_ages_again_afterwards(string address) => Inside(() =>
    {
        In("neigh", "add", address, "lladdr", "02:00:00:00:00:02", "dev", "d0", "nud", "stale");
        using (var keeper = new NeighbourKeeper(Device))
        {
            keeper.Keep(new HashSet<IPAddress> { IPAddress.Parse(address) });
            Assert.Contains(" managed ", Show(address), StringComparison.Ordinal);
            Assert.Contains("02:00:00:00:00:02", Show(address), StringComparison.Ordinal);
            keeper.Keep(new HashSet<IPAddress>());
            Assert.DoesNotContain("managed", Show(address), StringComparison.Ordinal);
            keeper.Keep(new HashSet<IPAddress> { IPAddress.Parse(address) });
            Assert.Contains(" managed ", Show(address), StringComparison.Ordinal);
        }

        Assert.DoesNotContain("managed", Show(address), StringComparison.Ordinal);
        Assert.Contains("02:00:00:00:00:02", Show(address), StringComparison.Ordinal);
    });

    [Fact]
    public void An_entry_that_a_killed_keeper_left_is_taken_over() => Inside(() =>
    {
        In("neigh", "add", "10.8.0.2", "lladdr", "02:00:00:00:00:02", "dev", "d0", "nud", "stale");
        var wanted = new HashSet<IPAddress> { IPAddress.Parse("10.8.0.2") };
        var killed = new NeighbourKeeper(Device);
        killed.Keep(wanted);
        using (var keeper = new NeighbourKeeper(Device))
        {
            keeper.Keep(wanted);
        }

        Assert.DoesNotContain("managed", Show("10.8.0.2"), StringComparison.Ordinal);
        killed.Dispose();
    });

    [Theory]
    [InlineData("nud", "permanent")]
    [InlineData("nud", "noarp")]
    [InlineData("nud", "stale", "extern_learn")]
    [InlineData("managed", "nud", "stale")]
    public void What_somebody_else_keeps_stays_as_it_is(params string[] kind) => Inside(() =>
    {
        In(["neigh", "add", "10.8.0.2", "lladdr", "02:00:00:00:00:02", "dev", "d0", .. kind]);
        string before = Show("10.8.0.2");
        using (var keeper = new NeighbourKeeper(Device))
        {
            keeper.Keep(new HashSet<IPAddress> { IPAddress.Parse("10.8.0.2"), IPAddress.Parse("10.8.0.77") });
        }

        Assert.Equal(before.Replace("DELAY", "STALE", StringComparison.Ordinal), Show("10.8.0.2").Replace("DELAY", "STALE", StringComparison.Ordinal));
        Assert.DoesNotContain("lladdr", Show("10.8.0.77"), StringComparison.Ordinal);
    });

    private static string Show(string address) => In("neigh", "show", address) + " ";

    private static string In(params string[] arguments) => PrivateNetwork.Ip(string.Join(' ', arguments));

    private static void Inside(Action action) => PrivateNetwork.Run(() =>
    {
        In("link", "add", "name", "d0", "index", "78", "type", "veth", "peer", "name", "d1");
        In("link", "set", "d1", "up");
        In("link", "set", "d0", "up");
        In("addr", "add", "10.8.0.1/24", "dev", "d0");
        In("addr", "add", "fd08::1/64", "dev", "d0", "nodad");
        action();
    });
}

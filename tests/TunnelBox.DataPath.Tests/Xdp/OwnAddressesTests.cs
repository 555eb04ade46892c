using System.Net;
using TunnelBox.DataPath.Tests.Support;
using TunnelBox.DataPath.Xdp;
using TunnelBox.Linux.Netlink;
using TunnelBox.Protocol;

namespace TunnelBox.DataPath.Tests.Xdp;

public sealed class OwnAddressesTests
{
    [Fact]
    public void Whatever_stands_in_the_local_table_is_its_own_and_nothing_else() => Assert.Equal(
        [Prefix("10.1.0.1/32"), Prefix("10.1.0.255/32"), Prefix("10.5.0.0/24"), Prefix("fd01::1/128")],
        OwnAddresses.Of(
        [
            Own("10.1.0.1/32"), Own("10.1.0.255/32"), Own("10.5.0.0/24"), Own("fd01::1/128"), Own("10.1.0.1/32"),
            new Route(IPNetwork.Parse("10.1.0.0/24"), 3, Route.MainTable), new Route(IPNetwork.Parse("0.0.0.0/0"), 3, 51820),
        ]));

    [Fact]
    [Trait("Needs", "root")]
    public void Only_differences_are_told_to_the_program()
    {
        using var space = new TestNamespace();
        space.Ip("link", "add", "v0", "type", "veth", "peer", "name", "v1");
        space.Inside(() =>
        {
            using InnerProgram program = InnerProgram.Attach("v0", XdpOuter.IndexOf("v0"));
            var own = new OwnAddresses(program);
            Assert.Equal(0, own.Follow([Own("10.1.0.1/32"), Own("fd01::1/128")]));
            Assert.Equal(0, own.Follow([Own("10.1.0.1/32"), Own("10.1.0.77/32")]));

            // The kernel says what is there: the program's map refuses to forget what it does not have.
            Assert.NotEqual(0, program.Disown([Prefix("fd01::1/128")]));
            Assert.Equal(0, program.Disown([Prefix("10.1.0.77/32")]));
            Assert.NotEqual(0, own.Follow([]));
        });
    }

    private static Route Own(string prefix) => new(IPNetwork.Parse(prefix), 1, Route.LocalTable);

    private static IpPrefix Prefix(string text) => IpPrefix.From(IPNetwork.Parse(text));
}

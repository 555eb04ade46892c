using System.Net;
using TunnelBox.DataPath.Tests.Support;
using TunnelBox.DataPath.Xdp;
using TunnelBox.Linux.Netlink;
using TunnelBox.Protocol;

namespace TunnelBox.DataPath.Tests.Xdp;

public sealed class PrefixMirrorTests
{
    private const int Tunnel = 7;
    private const int Lan = 3;

    [Fact]
    public void An_equal_or_narrower_route_that_leads_elsewhere_wins_and_a_default_route_never_does()
    {
        Dictionary<IpPrefix, PrefixOwner> owners = Owners(
            ["0.0.0.0/0", "10.1.0.0/16", "10.3.0.0/16", "fd01::/32"],
            Way("0.0.0.0/0", Lan), Way("10.1.0.0/16", Lan), Way("10.3.0.0/16", Tunnel), Way("192.168.0.0/24", Lan), Way("192.168.0.64/26", Tunnel),
            Own("192.168.0.1/32", Lan), Own("10.9.9.9/32", Tunnel), Way("::/0", Lan), Way("fd01:0:1::/48", Lan), Way("fd02::/32", Lan));
        Assert.Equal(PrefixOwner.Tunnel, owners[Prefix("0.0.0.0/0")]);
        Assert.Equal(PrefixOwner.Kernel, owners[Prefix("10.1.0.0/16")]);
        Assert.Equal(PrefixOwner.Tunnel, owners[Prefix("10.3.0.0/16")]);
        Assert.Equal(PrefixOwner.Kernel, owners[Prefix("192.168.0.0/24")]);
        Assert.Equal(PrefixOwner.Tunnel, owners[Prefix("192.168.0.64/26")]);
        Assert.Equal(PrefixOwner.Kernel, owners[Prefix("192.168.0.1/32")]);
        Assert.Equal(PrefixOwner.Kernel, owners[Prefix("10.9.9.9/32")]);
        Assert.Equal(PrefixOwner.Kernel, owners[Prefix("fd01:0:1::/48")]);

        // What no allowed IP covers is the kernel's without a word.
        Assert.False(owners.ContainsKey(Prefix("fd02::/32")));
        Assert.False(owners.ContainsKey(Prefix("::/0")));
    }

    [Fact]
    public void Of_several_routes_to_one_prefix_the_one_that_the_kernel_takes_decides()
    {
        Route worse = Way("10.1.0.0/16", Lan) with { Priority = 100 };
        Route better = Way("10.1.0.0/16", Tunnel) with { Priority = 50 };
        Assert.Equal(PrefixOwner.Tunnel, Owners(["10.0.0.0/8"], worse, better)[Prefix("10.1.0.0/16")]);
        Assert.Equal(PrefixOwner.Tunnel, Owners(["10.0.0.0/8"], better, worse)[Prefix("10.1.0.0/16")]);

        // A table that only rules lead to is not looked at.
        Assert.False(Owners(["10.0.0.0/8"], worse with { Table = 51820 }).ContainsKey(Prefix("10.1.0.0/16")));
    }

    [Fact]
    [Trait("Needs", "root")]
    public void Only_differences_are_told_to_the_program()
    {
        using var space = new TestNamespace();
        space.Ip("link", "add", "v0", "type", "veth", "peer", "name", "v1");
        space.Inside(() =>
        {
            using InnerProgram program = InnerProgram.Attach("v0", XdpOuter.IndexOf("v0"));
            var mirror = new PrefixMirror(program);
            Assert.Equal(0, mirror.Follow(Owners(["10.1.0.0/16", "fd01::/32"])));
            Assert.Equal(0, mirror.Follow(Owners(["10.1.0.0/16", "10.2.0.0/16"])));
            Assert.Equal(2, mirror.Count);

            // The kernel says what is there: the program's map refuses to forget what it does not have.
            Assert.Equal(0, program.Forget([Prefix("10.2.0.0/16")]));
            Assert.NotEqual(0, program.Forget([Prefix("fd01::/32")]));
            Assert.Equal(0, mirror.Follow(Owners(["10.2.0.0/16"], Way("10.2.0.0/16", Lan))));
            Assert.Equal(0, mirror.Follow([]));
            Assert.Equal(0, mirror.Count);
        });
    }

    private static Dictionary<IpPrefix, PrefixOwner> Owners(string[] allowed, params Route[] routes) =>
        PrefixMirror.Owners(allowed.Select(Prefix), routes, Tunnel);

    private static Route Way(string prefix, int link) => new(IPNetwork.Parse(prefix), link, Route.MainTable);

    private static Route Own(string prefix, int link) => new(IPNetwork.Parse(prefix), link, Route.LocalTable);

    private static IpPrefix Prefix(string text) => IpPrefix.From(IPNetwork.Parse(text));
}

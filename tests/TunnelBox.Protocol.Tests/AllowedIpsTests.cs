using System.Net;
using TunnelBox.Linux.Clock;
using Xunit.Abstractions;

namespace TunnelBox.Protocol.Tests;

public sealed class AllowedIpsTests(ITestOutputHelper output)
{
    private sealed class Peer(string name)
    {
        public override string ToString() => name;
    }

    private readonly Peer _a = new("a");
    private readonly Peer _b = new("b");
    private readonly Peer _c = new("c");

    private static IpPrefix Net(string text)
    {
        int slash = text.IndexOf('/', StringComparison.Ordinal);
        EndpointAddress address = EndpointAddress.From(new IPEndPoint(IPAddress.Parse(text[..slash]), 1));
        return new IpPrefix(address.Address, int.Parse(text[(slash + 1)..]), address.IsIPv6);
    }

    private static Peer? Find(AllowedIps<Peer> table, string address)
    {
        EndpointAddress parsed = EndpointAddress.From(new IPEndPoint(IPAddress.Parse(address), 1));
        return parsed.IsIPv6 ? table.FindIPv6(parsed.Address) : table.FindIPv4((uint)parsed.Address);
    }

    [Fact]
    public void The_empty_table_finds_nothing()
    {
        Assert.Null(Find(AllowedIps<Peer>.Empty, "0.0.0.0"));
        Assert.Null(Find(AllowedIps<Peer>.Empty, "::"));
        Assert.Equal(0, AllowedIps<Peer>.Empty.Count);
        Assert.Empty(AllowedIps<Peer>.Empty.PrefixesOf(_a));
        Assert.Empty(AllowedIps<Peer>.Empty.ToList());
    }

    [Fact]
    public void The_longest_prefix_wins()
    {
        AllowedIps<Peer> table = AllowedIps<Peer>.Empty
            .With(Net("0.0.0.0/0"), _a).With(Net("10.0.0.0/8"), _b).With(Net("10.1.0.0/16"), _c)
            .With(Net("10.1.2.3/32"), _a).With(Net("::/0"), _c).With(Net("2001:db8::/32"), _b).With(Net("2001:db8::7/128"), _a)
            .With(Net("2001:db8:0:1::/64"), _c);
        Assert.Same(_a, Find(table, "9.255.255.255"));
        Assert.Same(_b, Find(table, "10.0.0.0"));
        Assert.Same(_b, Find(table, "10.255.255.255"));
        Assert.Same(_c, Find(table, "10.1.2.2"));
        Assert.Same(_a, Find(table, "10.1.2.3"));
        Assert.Same(_c, Find(table, "10.1.2.4"));
        Assert.Same(_a, Find(table, "11.0.0.0"));
        Assert.Same(_c, Find(table, "2001:db7:ffff:ffff:ffff:ffff:ffff:ffff"));
        Assert.Same(_b, Find(table, "2001:db8::8"));
        Assert.Same(_a, Find(table, "2001:db8::7"));
        Assert.Same(_c, Find(table, "2001:db8:0:1:ffff::"));
        Assert.Same(_b, Find(table, "2001:db8:0:2::"));
        Assert.Equal(8, table.Count);
    }

    [Fact]
    public void Wide_prefixes_may_come_after_narrow_ones()
    {
        AllowedIps<Peer> table = AllowedIps<Peer>.Empty
            .With(Net("10.1.2.3/32"), _a).With(Net("10.1.0.0/16"), _b).With(Net("0.0.0.0/0"), _c);
        Assert.Same(_a, Find(table, "10.1.2.3"));
        Assert.Same(_b, Find(table, "10.1.3.3"));
        Assert.Same(_c, Find(table, "10.2.3.3"));
    }

    [Fact]
    public void Without_a_default_the_rest_belongs_to_nobody()
    {
        AllowedIps<Peer> table = AllowedIps<Peer>.Empty.With(Net("10.0.0.0/9"), _a).With(Net("fd00::/8"), _b);
        Assert.Null(Find(table, "10.128.0.0"));
        Assert.Null(Find(table, "11.0.0.0"));
        Assert.Same(_a, Find(table, "10.127.255.255"));
        Assert.Null(Find(table, "fc00::1"));
        Assert.Same(_b, Find(table, "fdff::1"));
    }

    [Fact]
    public void A_prefix_given_to_another_peer_moves()
    {
        AllowedIps<Peer> before = AllowedIps<Peer>.Empty.With(Net("10.0.0.0/8"), _a).With(Net("10.9.0.0/16"), _a);
        AllowedIps<Peer> after = before.With(Net("10.0.0.0/8"), _b);
        Assert.Equal(2, after.Count);
        Assert.Same(_b, Find(after, "10.1.1.1"));
        Assert.Same(_a, Find(after, "10.9.1.1"));
        Assert.Equal([Net("10.9.0.0/16")], after.PrefixesOf(_a));
        Assert.Equal([Net("10.0.0.0/8")], after.PrefixesOf(_b));

        // The older table is as it was.
        Assert.Same(_a, Find(before, "10.1.1.1"));
        Assert.Equal([Net("10.0.0.0/8"), Net("10.9.0.0/16")], before.PrefixesOf(_a));
        Assert.Empty(before.PrefixesOf(_b));
    }

    [Fact]
    public void Only_the_owner_can_give_a_prefix_up()
    {
        AllowedIps<Peer> table = AllowedIps<Peer>.Empty.With(Net("10.0.0.0/8"), _a);
        Assert.Same(table, table.Without(Net("10.0.0.0/8"), _b));
        Assert.Same(table, table.Without(Net("10.0.0.0/9"), _a));
        Assert.Same(table, table.Without(Net("::/8"), _a));
        Assert.Null(Find(table.Without(Net("10.0.0.0/8"), _a), "10.0.0.1"));
        Assert.Equal(0, table.Without(Net("10.0.0.0/8"), _a).Count);
    }

    [Fact]
    public void An_owner_leaves_with_all_its_prefixes()
    {
        AllowedIps<Peer> table = AllowedIps<Peer>.Empty
            .With(Net("10.0.0.0/8"), _a).With(Net("10.1.0.0/16"), _b).With(Net("fd00::/8"), _a).With(Net("fd00::1/128"), _b);
        AllowedIps<Peer> rest = table.WithoutOwner(_a);
        Assert.Null(Find(rest, "10.2.0.0"));
        Assert.Same(_b, Find(rest, "10.1.0.0"));
        Assert.Null(Find(rest, "fd00::2"));
        Assert.Same(_b, Find(rest, "fd00::1"));
        Assert.Equal(2, rest.Count);
        Assert.Empty(rest.PrefixesOf(_a));
        Assert.Same(rest, rest.WithoutOwner(_a));
        Assert.Equal(4, table.Count);
    }

    [Fact]
    public void Prefixes_are_listed_in_the_order_given()
    {
        AllowedIps<Peer> table = AllowedIps<Peer>.Empty
            .With(Net("fd00::/8"), _a).With(Net("10.0.0.0/8"), _a).With(Net("9.0.0.0/8"), _a).With(Net("0.0.0.0/0"), _a);
        Assert.Equal([Net("fd00::/8"), Net("10.0.0.0/8"), Net("9.0.0.0/8"), Net("0.0.0.0/0")], table.PrefixesOf(_a));
        Assert.Equal(IPNetwork.Parse("fd00::/8"), table.NetworksOf(_a)[0]);

        // As in the kernel, one that is given again moves to the end, without standing there twice.
        table = table.With(Net("10.0.0.0/8"), _a);
        Assert.Equal([Net("fd00::/8"), Net("9.0.0.0/8"), Net("0.0.0.0/0"), Net("10.0.0.0/8")], table.PrefixesOf(_a));
        Assert.Equal(4, table.Count);
        Assert.Equal(4, table.CountOf(_a));
        Assert.Equal(["0.0.0.0/0", "9.0.0.0/8", "10.0.0.0/8", "fd00::/8"], table.ToList().Select(e => e.Prefix.ToString()));
    }

    [Fact]
    public void A_prefix_that_goes_and_comes_back_is_listed_once()
    {
        AllowedIpsBuilder<Peer> builder = AllowedIps<Peer>.Empty.ToBuilder();
        builder.Add(Net("10.0.0.0/8"), _a);
        builder.Add(Net("11.0.0.0/8"), _a);
        for (int i = 0; i < 1000; i++)
        {
            Assert.True(builder.Remove(Net("10.0.0.0/8"), _a));
            Assert.Null(builder.Add(Net("10.0.0.0/8"), i % 2 == 0 ? _b : _a));
            Assert.Same(i % 2 == 0 ? _b : _a, builder.Add(Net("10.0.0.0/8"), _a));
        }

        AllowedIps<Peer> table = builder.ToImmutable();
        Assert.Equal([Net("11.0.0.0/8"), Net("10.0.0.0/8")], table.PrefixesOf(_a));
        Assert.Empty(table.PrefixesOf(_b));
    }

    [Fact]
    public void Packets_are_looked_up_by_their_addresses()
    {
        AllowedIps<Peer> table = AllowedIps<Peer>.Empty
            .With(Net("10.0.0.1/32"), _a).With(Net("10.0.0.2/32"), _b).With(Net("fd00::1/128"), _b).With(Net("fd00::2/128"), _c);
        byte[] ipv4 = new byte[20];
        ipv4[0] = 0x45;
        IPAddress.Parse("10.0.0.1").TryWriteBytes(ipv4.AsSpan(12), out _);
        IPAddress.Parse("10.0.0.2").TryWriteBytes(ipv4.AsSpan(16), out _);
        Assert.Same(_a, table.FindSource(ipv4));
        Assert.Same(_b, table.FindDestination(ipv4));

        byte[] ipv6 = new byte[40];
        ipv6[0] = 0x60;
        IPAddress.Parse("fd00::1").TryWriteBytes(ipv6.AsSpan(8), out _);
        IPAddress.Parse("fd00::2").TryWriteBytes(ipv6.AsSpan(24), out _);
        Assert.Same(_b, table.FindSource(ipv6));
        Assert.Same(_c, table.FindDestination(ipv6));

        Assert.Null(table.FindSource(ipv4.AsSpan(0, 19)));
        Assert.Null(table.FindDestination(ipv6.AsSpan(0, 39)));
        Assert.Null(table.FindDestination([]));
        ipv4[0] = 0x55;
        Assert.Null(table.FindSource(ipv4));
        Assert.Null(table.FindDestination(ipv4));
    }

    [Fact]
    public void Looking_up_allocates_nothing()
    {
        AllowedIps<Peer> table = AllowedIps<Peer>.Empty.With(Net("10.0.0.0/8"), _a).With(Net("fd00::/8"), _b);
        long found = 0;
        table.FindIPv4(0);
        table.FindIPv6(0, 0);
        long before = GC.GetAllocatedBytesForCurrentThread();
        for (uint i = 0; i < 1_000_000; i++)
        {
            found += table.FindIPv4(i << 12) is null ? 0 : 1;
            found += table.FindIPv6((ulong)i << 44, i) is null ? 0 : 1;
        }

        Assert.Equal(0, GC.GetAllocatedBytesForCurrentThread() - before);
        Assert.NotEqual(0, found);
    }

    [Fact]
    public void A_hundred_and_thirty_thousand_prefixes_load_in_under_a_second()
    {
        // Processor time of this thread, so that a busy machine does not fail the test.
        long start = ThreadClock.Nanoseconds();
        AllowedIpsBuilder<Peer> builder = AllowedIps<Peer>.Empty.ToBuilder();
        for (uint i = 0; i < 130_560; i++)
        {
            builder.Add(new IpPrefix((10u << 24) + (i << 1), 31, false), _a);
        }

        AllowedIps<Peer> table = builder.ToImmutable();
        double load = (ThreadClock.Nanoseconds() - start) / 1e6;
        Assert.Equal(130_560, table.PrefixesOf(_a).Length);

        // One change must not copy the peer's whole list: a hundred of those would be 300 MB.
        AllowedIps<Peer> changed = table;
        long allocated = GC.GetAllocatedBytesForCurrentThread();
        for (uint i = 0; i < 100; i++)
        {
            changed = changed.With(new IpPrefix((11u << 24) + i, 32, false), _a);
        }

        allocated = GC.GetAllocatedBytesForCurrentThread() - allocated;
        output.WriteLine($"{allocated / 100} bytes allocated by one change");
        Assert.InRange(allocated, 1, 20_000_000);
        Assert.Equal(130_660, changed.CountOf(_a));

        // One by one to another peer, and then all of them away: neither may be quadratic.
        start = ThreadClock.Nanoseconds();
        builder = table.ToBuilder();
        foreach (IpPrefix prefix in table.PrefixesOf(_a))
        {
            builder.Add(prefix, _b);
        }

        Assert.Equal(130_560, builder.RemoveOwner(_b));
        double move = (ThreadClock.Nanoseconds() - start) / 1e6;
        Assert.Empty(builder.ToImmutable().ToList());
        output.WriteLine($"load {load:F0} ms, move and remove {move:F0} ms");
        Assert.True(load < 1000, $"loading took {load} ms");
        Assert.True(move < 2000, $"moving took {move} ms");
    }

    [Fact]
    public void A_hundred_thousand_peers_with_one_address_each_stay_small()
    {
        var peers = new Peer[100_000];
        for (int i = 0; i < peers.Length; i++)
        {
            peers[i] = new Peer("p");
        }

        long before = GC.GetTotalMemory(forceFullCollection: true);
        AllowedIpsBuilder<Peer> builder = AllowedIps<Peer>.Empty.ToBuilder();
        for (uint i = 0; i < peers.Length; i++)
        {
            builder.Add(new IpPrefix((10u << 24) + i, 32, false), peers[i]);
        }

        AllowedIps<Peer> table = builder.ToImmutable();
        double perPrefix = (GC.GetTotalMemory(forceFullCollection: true) - before) / (double)peers.Length;
        output.WriteLine($"{perPrefix:F1} bytes a prefix");
        Assert.InRange(perPrefix, 100, 250);

        long start = ThreadClock.Nanoseconds();
        AllowedIps<Peer> fewer = table;
        for (int i = 0; i < 1000; i++)
        {
            fewer = fewer.WithoutOwner(peers[i * 100]);
        }

        double removal = (ThreadClock.Nanoseconds() - start) / 1e6;
        output.WriteLine($"removing one peer: {removal:F1} us");
        Assert.True(removal < 1000, $"1,000 removals took {removal} ms");
        Assert.Equal(99_000, fewer.Count);
        Assert.Equal(100_000, table.Count);
        GC.KeepAlive(table);
    }
}

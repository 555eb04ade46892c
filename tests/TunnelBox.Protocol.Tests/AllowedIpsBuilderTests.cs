using Xunit.Abstractions;

namespace TunnelBox.Protocol.Tests;

public sealed class AllowedIpsBuilderTests(ITestOutputHelper output)
{
    private sealed class Peer(int number)
    {
        public override string ToString() => $"peer {number}";
    }

    /// <summary>The slow truth: a map from prefix to owner, and each owner's list in order.</summary>
    private sealed class Model
    {
        public Dictionary<IpPrefix, Peer> Owners { get; } = [];

        public Dictionary<Peer, List<IpPrefix>> Lists { get; } = [];

        public void Add(IpPrefix prefix, Peer owner)
        {
            if (Owners.TryGetValue(prefix, out Peer? previous))
            {
                Lists[previous].Remove(prefix);
            }

            Owners[prefix] = owner;
            if (!Lists.TryGetValue(owner, out List<IpPrefix>? list))
            {
                Lists[owner] = list = [];
            }

            list.Add(prefix);
        }

        public bool Remove(IpPrefix prefix, Peer owner)
        {
            if (!Owners.TryGetValue(prefix, out Peer? present) || present != owner)
            {
                return false;
            }

            Owners.Remove(prefix);
            Lists[owner].Remove(prefix);
            return true;
        }

        public int RemoveOwner(Peer owner)
        {
            List<IpPrefix> list = Lists.GetValueOrDefault(owner, []);
            list.ForEach(prefix => Owners.Remove(prefix));
            Lists.Remove(owner);
            return list.Count;
        }

        public Peer? Find(UInt128 address, bool isIPv6)
        {
            for (int length = isIPv6 ? 128 : 32; length >= 0; length--)
            {
                if (Owners.TryGetValue(new IpPrefix(address, length, isIPv6), out Peer? owner))
                {
                    return owner;
                }
            }

            return null;
        }

        /// <summary>Cuts a family's addresses into runs with one answer each: the first address of each run, in order.</summary>
        public UInt128[] Runs(bool isIPv6)
        {
            var starts = new SortedSet<UInt128> { 0 };
            foreach (IpPrefix prefix in Owners.Keys.Where(prefix => prefix.IsIPv6 == isIPv6))
            {
                starts.Add(prefix.Address);

                // Beyond the last address this wraps to 0, which is there already.
                UInt128 next = prefix.Length == 0 ? 0 : prefix.Address + ((UInt128)1 << ((isIPv6 ? 128 : 32) - prefix.Length));
                starts.Add(isIPv6 ? next : (uint)next);
            }

            return [.. starts];
        }
    }

    private static UInt128 RandomAddress(Random random, bool isIPv6)
    {
        // Few distinct leading bits, so that prefixes nest and addresses hit them.
        if (!isIPv6)
        {
            return random.Next(3) == 0 ? (uint)random.NextInt64(1L << 32) : (10u << 24) | (uint)random.Next(1 << 16);
        }

        var low = (ulong)random.NextInt64();
        ulong high = random.Next(3) == 0 ? (ulong)random.NextInt64() << 1 : 0xfd00_0000_0000_0000 + (ulong)random.Next(256);
        return new UInt128(high, random.Next(2) == 0 ? low & 0xfff : low << 1);
    }

    private static IpPrefix RandomPrefix(Random random)
    {
        bool isIPv6 = random.Next(2) == 0;
        int bits = isIPv6 ? 128 : 32;
        int length = random.Next(4) == 0 ? random.Next(bits + 1) : random.Next(bits - 16, bits + 1);
        return new IpPrefix(RandomAddress(random, isIPv6), length, isIPv6);
    }

    [Fact]
    public void A_million_random_changes_agree_with_a_naive_model()
    {
        int seed = Environment.TickCount;
        output.WriteLine($"seed {seed}");
        var random = new Random(seed);
        var model = new Model();
        Peer[] peers = Enumerable.Range(0, 1000).Select(i => new Peer(i)).ToArray();
        AllowedIpsBuilder<Peer> builder = AllowedIps<Peer>.Empty.ToBuilder();
        var recent = new IpPrefix[64];
        for (int i = 0; i < 1_000_000; i++)
        {
            Peer peer = peers[random.Next(peers.Length)];
            IpPrefix prefix = random.Next(4) == 0 ? recent[random.Next(64)] : RandomPrefix(random);
            switch (random.Next(16))
            {
                case < 9:
                    Assert.Same(model.Owners.GetValueOrDefault(prefix), builder.Add(prefix, peer));
                    model.Add(prefix, peer);
                    recent[i & 63] = prefix;
                    break;
                case < 14:
                    Peer owner = model.Owners.GetValueOrDefault(prefix, peer);
                    Assert.Equal(model.Remove(prefix, owner), builder.Remove(prefix, owner));
                    break;
                case 14 when random.Next(16) == 0:
                    Assert.Equal(model.RemoveOwner(peer), builder.RemoveOwner(peer));
                    break;
                default:
                    Assert.Equal(model.Remove(prefix, peer), builder.Remove(prefix, peer));
                    break;
            }

            Assert.Equal(model.Owners.Count, builder.Count);
            if (random.Next(1000) == 0)
            {
                AllowedIps<Peer> table = builder.ToImmutable();
                Assert.Equal(model.Lists.GetValueOrDefault(peer, []), table.PrefixesOf(peer));
                Assert.Equal(model.Lists.GetValueOrDefault(peer, []).Count, table.CountOf(peer));
                if (random.Next(2) == 0)
                {
                    builder = table.ToBuilder();
                }
            }
        }

        AllowedIps<Peer> final = builder.ToImmutable();
        output.WriteLine($"{final.Count} prefixes at the end");
        Assert.Equal(model.Owners.Count, final.Count);
        Assert.Equal(model.Owners.OrderBy(Key).Select(e => (e.Key, e.Value)), final.ToList());
        foreach (Peer peer in peers)
        {
            Assert.Equal(model.Lists.GetValueOrDefault(peer, []), final.PrefixesOf(peer));
        }

        static (bool IsIPv6, UInt128 Address, byte Length) Key(KeyValuePair<IpPrefix, Peer> entry) =>
            (entry.Key.IsIPv6, entry.Key.Address, entry.Key.Length);
    }

    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public void Over_a_million_look_ups_agree_with_a_naive_model(bool isIPv6)
    {
        int seed = Environment.TickCount;
        output.WriteLine($"seed {seed}");
        var random = new Random(seed);
        var model = new Model();
        Peer[] peers = Enumerable.Range(0, 2000).Select(i => new Peer(i)).ToArray();
        AllowedIpsBuilder<Peer> builder = AllowedIps<Peer>.Empty.ToBuilder();
        for (int i = 0; i < 8000; i++)
        {
            IpPrefix prefix = RandomPrefix(random);
            Peer peer = peers[random.Next(peers.Length)];
            model.Add(prefix, peer);
            builder.Add(prefix, peer);
        }

        AllowedIps<Peer> table = builder.ToImmutable();
        UInt128[] runs = model.Runs(isIPv6);
        Peer?[] owners = Array.ConvertAll(runs, start => model.Find(start, isIPv6));
        int found = 0;
        for (int i = 0; i < 1_200_000; i++)
        {
            UInt128 address = RandomAddress(random, isIPv6);
            int run = Array.BinarySearch(runs, address);
            Peer? expected = owners[run >= 0 ? run : ~run - 1];
            Peer? actual = isIPv6 ? table.FindIPv6(address) : table.FindIPv4((uint)address);
            if (!ReferenceEquals(expected, actual))
            {
                Assert.Fail($"{address:x}: expected {expected}, got {actual}");
            }

            found += actual is null ? 0 : 1;
        }

        output.WriteLine($"{found} of 1200000 found");
        Assert.NotEqual(0, found);
    }

    [Fact]
    public void Tables_given_out_never_change()
    {
        var random = new Random(20);
        Peer[] peers = Enumerable.Range(0, 20).Select(i => new Peer(i)).ToArray();
        AllowedIpsBuilder<Peer> builder = AllowedIps<Peer>.Empty.ToBuilder();
        var kept = new List<(AllowedIps<Peer> Table, IReadOnlyList<(IpPrefix Prefix, Peer Owner)> All, IpPrefix[] OfFirst)>();
        for (int i = 0; i < 20_000; i++)
        {
            Peer peer = peers[random.Next(peers.Length)];
            if (random.Next(3) == 0)
            {
                builder.RemoveOwner(peer);
            }

            builder.Add(RandomPrefix(random), peer);
            if (i % 100 == 0)
            {
                AllowedIps<Peer> table = builder.ToImmutable();
                kept.Add((table, table.ToList(), table.PrefixesOf(peers[0])));

                // Two edits of one table must not meet in the room at a list's end.
                AllowedIpsBuilder<Peer> abandoned = table.ToBuilder();
                abandoned.Add(RandomPrefix(random), peers[0]);
                abandoned.RemoveOwner(peers[1]);
            }
        }

        foreach ((AllowedIps<Peer> table, IReadOnlyList<(IpPrefix Prefix, Peer Owner)> all, IpPrefix[] ofFirst) in kept)
        {
            Assert.Equal(all, table.ToList());
            Assert.Equal(ofFirst, table.PrefixesOf(peers[0]));
        }
    }

    [Fact]
    public void Numbers_start_anew_before_they_wrap()
    {
        var peer = new Peer(1);
        var prefix = new IpPrefix(10u << 24, 8, false);
        var other = new IpPrefix(11u << 24, 8, false);
        AllowedIps<Peer> source = AllowedIps<Peer>.Empty.With(prefix, peer);
        var old = new AllowedIps<Peer>(source.IPv4, source.IPv6, source.Owners, 1, uint.MaxValue - 2, uint.MaxValue - 2);
        AllowedIpsBuilder<Peer> builder = old.ToBuilder();
        builder.Add(other, peer);
        AllowedIps<Peer> table = builder.ToImmutable();
        Assert.InRange(table.Token, 1u, 10u);
        Assert.InRange(table.Sequence, 1u, 10u);
        Assert.Equal([prefix, other], table.PrefixesOf(peer));
        Assert.Equal([prefix], old.PrefixesOf(peer));
        Assert.Same(peer, table.FindIPv4(0x0b000001));
    }
}

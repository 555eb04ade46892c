using System.Runtime.CompilerServices;

namespace TunnelBox.Protocol.Tests;

public sealed class OwnerIndexTests
{
    [Fact]
    public void Owners_are_found_until_they_leave_and_older_roots_keep_them()
    {
        var random = new Random(3);
        object[] owners = Enumerable.Range(0, 3000).Select(_ => new object()).ToArray();
        OwnerIndex? root = null;
        var present = new HashSet<object>();
        var kept = new List<(OwnerIndex? Root, HashSet<object> Present)>();
        for (uint token = 1; token <= 20_000; token++)
        {
            object owner = owners[random.Next(owners.Length)];
            if (random.Next(2) == 0)
            {
                OwnerEntry entry = OwnerIndex.Own(ref root, owner, token);
                entry.Live = (int)token;
                present.Add(owner);
            }
            else
            {
                OwnerIndex.Remove(ref root, owner, token);
                present.Remove(owner);
            }

            if (token % 4000 == 0)
            {
                kept.Add((root, [.. present]));
            }
        }

        foreach ((OwnerIndex? old, HashSet<object> then) in kept)
        {
            Assert.All(owners, owner => Assert.Equal(then.Contains(owner), OwnerIndex.Find(old, owner) is not null));
        }
    }

    [Fact]
    public void Owners_with_one_hash_code_are_told_apart()
    {
        // Identity hash codes have 26 bits, so a pair of equal ones turns up among some ten thousand objects.
        var byHash = new Dictionary<int, object>();
        object first;
        object second = new();
        while (!byHash.TryGetValue(RuntimeHelpers.GetHashCode(second), out first!))
        {
            byHash.Add(RuntimeHelpers.GetHashCode(second), second);
            second = new object();
        }

        OwnerIndex? root = null;
        OwnerIndex.Own(ref root, first, 1).Live = 1;
        OwnerIndex.Own(ref root, second, 1).Live = 2;
        OwnerIndex? both = root;
        Assert.Equal(1, OwnerIndex.Find(root, first)?.Live);
        Assert.Equal(2, OwnerIndex.Find(root, second)?.Live);

        OwnerIndex.Own(ref root, first, 2).Live = 10;
        OwnerIndex.Remove(ref root, second, 3);
        Assert.Equal(10, OwnerIndex.Find(root, first)?.Live);
        Assert.Null(OwnerIndex.Find(root, second));
        OwnerIndex.Remove(ref root, first, 4);
        Assert.Null(root);

        Assert.Equal(1, OwnerIndex.Find(both, first)?.Live);
        Assert.Equal(2, OwnerIndex.Find(both, second)?.Live);
        OwnerIndex.Remove(ref both, first, 5);
        Assert.Equal(2, OwnerIndex.Find(both, second)?.Live);
    }
}

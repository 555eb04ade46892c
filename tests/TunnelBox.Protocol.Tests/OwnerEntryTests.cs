namespace TunnelBox.Protocol.Tests;

public sealed class OwnerEntryTests
{
    private static OwnedPrefix Item(uint number) => new(0, number, number, 32, false);

    private static uint[] Numbers(OwnerEntry entry) => [.. Enumerable.Range(0, entry.Used).Select(i => entry[i].Sequence)];

    [Fact]
    public void Items_keep_their_order()
    {
        var entry = new OwnerEntry(new object(), 1);
        for (uint i = 0; i < 100; i++)
        {
            entry.Append(Item(i));
            Assert.Equal(i + 1, (uint)entry.Used);
        }

        Assert.Equal(Enumerable.Range(0, 100).Select(i => (uint)i), Numbers(entry));
    }

    [Theory]
    [InlineData(0)]
    [InlineData(1)]
    [InlineData(2)]
    [InlineData(3)]
    [InlineData(4)]
    [InlineData(5)]
    [InlineData(50)]
    public void Copies_that_both_go_on_do_not_meet(int common)
    {
        var entry = new OwnerEntry(new object(), 1);
        for (uint i = 0; i < common; i++)
        {
            entry.Append(Item(i));
        }

        OwnerEntry left = entry.Copy(2);
        OwnerEntry right = entry.Copy(3);
        for (uint i = 0; i < 10; i++)
        {
            left.Append(Item(1000 + i));
            right.Append(Item(2000 + i));
        }

        IEnumerable<uint> shared = Enumerable.Range(0, common).Select(i => (uint)i);
        Assert.Equal(shared, Numbers(entry));
        Assert.Equal([.. shared, .. Enumerable.Range(1000, 10).Select(i => (uint)i)], Numbers(left));
        Assert.Equal([.. shared, .. Enumerable.Range(2000, 10).Select(i => (uint)i)], Numbers(right));
    }
}
